"""Lazy arrays that turn an index into bands and a window, and read only those."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing


class WindowArray(BackendArray):
    """Base class of float32 arrays `(band, y, x)`; a subclass reads selected bands of one window.

    Wrap it in `xarray.core.indexing.LazilyIndexedArray`, so that indexing is lazy until values are requested.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.dtype = np.dtype(np.float32)

    @abstractmethod
    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Return float32 `(len(bands), rows, columns)`, NaN = no data; `bands` start at 0, slices have no step."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = [np.arange(size)[k] for size, k in zip(self.shape, key, strict=True)]
        bands, rows, columns = (np.atleast_1d(indices) for indices in chosen)
        if 0 in (bands.size, rows.size, columns.size):
            return np.empty([indices.size for indices in chosen if indices.ndim], np.float32)
        window = [slice(int(indices.min()), int(indices.max()) + 1) for indices in (rows, columns)]
        out = self.read(bands, *window)
        for axis, numbers in ((1, rows), (2, columns)):
            if not (np.diff(numbers) == 1).all():
                out = out.take(numbers - numbers.min(), axis=axis)
        return out[tuple(slice(None) if indices.ndim else 0 for indices in chosen)]
