"""Arrays that read what they are indexed by: the one place that turns an index into bands and a window."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing


class WindowArray(BackendArray):
    """A float32 array `(band, y, x)` whose subclass reads chosen bands of one window.

    Wrap it in `xarray.core.indexing.LazilyIndexedArray`: indexing stays lazy until values are asked for.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.dtype = np.dtype(np.float32)

    @abstractmethod
    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Return float32 `(len(bands), rows, columns)`, NaN = no data; `bands` from 0, slices without a step."""

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        chosen = [np.arange(size)[k] for size, k in zip(self.shape, key, strict=True)]
        bands, rows, columns = (np.atleast_1d(one) for one in chosen)
        if 0 in (bands.size, rows.size, columns.size):
            return np.empty([one.size for one in chosen if one.ndim], np.float32)
        around = [slice(int(one.min()), int(one.max()) + 1) for one in (rows, columns)]
        out = self.read(bands, *around)
        for axis, numbers in ((1, rows), (2, columns)):
            if not (np.diff(numbers) == 1).all():
                out = out.take(numbers - numbers.min(), axis=axis)
        return out[tuple(slice(None) if one.ndim else 0 for one in chosen)]
