"""What readers of products in HDF5 share: checked band centres, numbers among attributes, and flags as masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.core import indexing

from geosoil.errors import RasterError, WavelengthError
from geosoil.io.rasters.hdf5_files import attribute
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.layout import make_raster
from geosoil.sensors.numbers import finite_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr

    from geosoil.raster.grid import Grid

AS_DELIVERED = "use the file as delivered"
FLAG_BANDS = 32  # bands of a quality layer that are read at once


def checked_centres_nm(values: Any, count: int, where: str, name: str, *, unused: float | None = None) -> np.ndarray:
    """Return the band centres or widths of a product as float64 `(band,)`.

    Parameters
    ----------
    values : array-like or None
        What the file has.
    count : int
        The number of bands.
    where, name : str
        The file, and the name of the list, for messages.
    unused : float, optional
        The value of bands that are not used, which is not checked.

    Raises
    ------
    WavelengthError
        If the list is missing, has another length, or values that cannot be nanometres.

    Examples
    --------
    >>> checked_centres_nm([0, 650.5], 2, "a.he5", "List_Cw_Vnir", unused=0).tolist()
    [0.0, 650.5]
    """
    if values is None:
        raise WavelengthError(
            where, problem=f"{name} is missing", expected=f"a number for each of {count} bands", way_out=AS_DELIVERED
        )
    try:
        numbers = np.atleast_1d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,):
        raise WavelengthError(
            where,
            found=f"{numbers.size} values of {name}",
            expected=f"one for each of {count} bands",
            way_out=AS_DELIVERED,
        )
    used = np.ones(count, bool) if unused is None else numbers != unused
    low, high = (0.0, 1000.0) if "fwhm" in name.lower() else (LOWEST_NM, HIGHEST_NM)
    wrong = used & ~((numbers > low) & (numbers < high))
    if wrong.any() or not used.any():
        found = f"{numbers[wrong.argmax()]:g} for band {wrong.argmax() + 1} in {name}" if wrong.any() else f"no {name}"
        raise WavelengthError(where, found=found, expected="nanometres", way_out=AS_DELIVERED)
    return numbers


def number_of(node: Any, name: str, where: str) -> float:
    """Return an attribute that is a finite number.

    Raises
    ------
    RasterError
        If it is missing or something else.
    """
    value = attribute(node, name, where)
    if value is None:
        raise RasterError(where, problem=f"the attribute {name} is missing", expected="a number", way_out=AS_DELIVERED)
    return finite_number(value, name, where)


class FlagArray(WindowArray):
    """One layer `(1, y, x)` of codes that a rule gives for the bands of other arrays, 0 where none is set.

    Parameters
    ----------
    layers : sequence of WindowArray
        The quality layers, of any numbers of bands.
    rule : callable
        Takes a few bands `(band, y, x)` and returns `(y, x)` bool, or uint8 whose bits have meanings; a module-level
        function or a partial of one, so that it can be pickled.
    together : bool
        Whether the rule needs all bands at once; else the bits of all parts are set.
    """

    def __init__(
        self, layers: Sequence[WindowArray], rule: Callable[[np.ndarray], np.ndarray], *, together: bool = False
    ) -> None:
        super().__init__((1, *layers[0].shape[1:]))
        self.layers, self.rule, self.together = tuple(layers), rule, together

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read all bands of the layers in a window, a few at a time if they are independent."""
        codes = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        if self.together:
            parts = [layer.read(np.arange(layer.shape[0]), rows, columns) for layer in self.layers]
            codes |= self.rule(np.concatenate(parts))
        else:
            for layer in self.layers:
                for first in range(0, layer.shape[0], FLAG_BANDS):
                    numbers = np.arange(first, min(first + FLAG_BANDS, layer.shape[0]))
                    codes |= self.rule(layer.read(numbers, rows, columns))
        return np.repeat(codes[None].astype(np.float32), bands.size, axis=0)


def flag_raster(array: WindowArray, grid: Grid, *, name: str, source: str, chunks: dict[str, int]) -> xr.DataArray:
    """Return a layer `(1, y, x)` as a lazy raster on the grid of its cube."""
    return make_raster(
        indexing.LazilyIndexedArray(array),
        names=[name],
        crs=grid.crs,
        transform=grid.transform,
        source=source,
        preferred_chunks=chunks,
    )
