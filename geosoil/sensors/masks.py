"""Quality masks of products: which pixels are left out, by names that are the same for all sensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from xarray.core import indexing

from geosoil.errors import RasterError, WindowError
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.grid import Grid
from geosoil.raster.layout import COSTS, MASK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MASKS = {
    "cloud": "clouds",
    "cloud_shadow": "shadows of clouds",
    "cirrus": "thin high clouds",
    "haze": "haze",
    "snow": "snow and ice",
    "water": "water",
    "saturated": "pixels beyond the range of the detector",
    "invalid": "pixels that the producer marks as defective or not processed",
    "background": "pixels outside the scene",
}
"""The names of masks and what they leave out."""
BYTES_PER_PIXEL = 16  # while a window is read: a layer as stored and as float32, what it excludes, and all together
COUNTED_PIXELS = 2**20  # at once


@dataclass(frozen=True)
class Bits:
    """Excluded values of a mask whose bits have meanings: those with one of these bits set (0: the lowest bit)."""

    numbers: tuple[int, ...]


@dataclass(frozen=True)
class MaskLayer:
    """A quality layer of a product on the grid of its cube.

    Parameters
    ----------
    name : str
        A name in `MASKS`. Several layers may have the same name.
    raster : DataArray of shape (1, y, x), float32
        The lazy layer with its stored values; open it with `as_stored=True`, so that no code becomes NaN and no band is
        taken for alpha. NaN excludes nothing.
    excluded : tuple of int, or Bits
        The values whose pixels are left out.
    default : bool
        Whether the mask is applied; `keep` can leave out a mask that is, and none that is not.
    """

    name: str
    raster: xr.DataArray
    excluded: tuple[int, ...] | Bits
    default: bool = True

    def excludes(self, rows: slice, columns: slice) -> np.ndarray:
        """Return `(y, x)` bool: which pixels of a window are left out."""
        stored = self.raster.variable[0, rows, columns].values
        return _excluded(stored, self.excluded)


def applied_masks(layers: Iterable[MaskLayer], keep: Sequence[str], where: object) -> tuple[MaskLayer, ...]:
    """Return the layers that leave out pixels.

    Parameters
    ----------
    layers : iterable of MaskLayer
    keep : sequence of str
        Names of masks whose pixels are kept.
    where : object
        The product, for messages.

    Raises
    ------
    RasterError
        If a name is not that of a mask.
    """
    unknown = [name for name in keep if name not in MASKS]
    if unknown:
        raise RasterError(
            where,
            found=f"keep {', '.join(unknown)}",
            expected=f"names of masks: {', '.join(MASKS)}",
            way_out="give one of these names",
        )
    return tuple(layer for layer in layers if layer.default and layer.name not in keep)


def apply_masks(raster: xr.DataArray, layers: Sequence[MaskLayer]) -> xr.DataArray:
    """Return a raster, lazily, with NaN in all bands where one of the layers excludes a pixel.

    Raises
    ------
    GridError
        If a layer is on another grid.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> place = {"crs": "EPSG:32633", "transform": Affine(30, 0, 0, 0, -30, 0)}
    >>> cube = make_raster(np.ones((2, 1, 3), "float32"), names=["a", "b"], **place)
    >>> codes = make_raster(np.array([[[0, 1, 3]]], "float32"), names=["codes"], **place)
    >>> apply_masks(cube, [MaskLayer("water", codes, (3,)), MaskLayer("cloud", codes, Bits((0,)))]).values[0].tolist()
    [[1.0, nan, nan]]
    """
    if not layers:
        return raster
    grid = Grid.of(raster)
    for layer in layers:
        where = layer.raster.attrs.get("source") or layer.name
        grid.require_same(Grid.of(layer.raster), where=where, than="the cube")
    data = indexing.LazilyIndexedArray(_MaskedArray(raster.variable, tuple(layers)))
    masked = xr.DataArray(data, dims=raster.dims, coords=raster.coords, attrs=raster.attrs, name=raster.name)
    masked.encoding = {name: raster.encoding[name] for name in ("preferred_chunks", *COSTS) if name in raster.encoding}
    masked.encoding[MASK_BYTES] = BYTES_PER_PIXEL
    return masked


def count_masked(layers: Sequence[MaskLayer]) -> dict[str, int]:
    """Return how many pixels each mask excludes, by its name; windows that cannot be read count nothing.

    A pixel that several layers with the same name exclude is counted once, and one of several names for each name.
    """
    counts: dict[str, int] = {}
    by_name: dict[str, list[MaskLayer]] = {}
    for layer in layers:
        by_name.setdefault(layer.name, []).append(layer)
    for name, same in by_name.items():
        height, width = same[0].raster.shape[1:]
        chunk = int(same[0].raster.encoding.get("preferred_chunks", {}).get("y", 1))
        rows = max(COUNTED_PIXELS // width // chunk, 1) * chunk
        counts[name] = 0
        for top in range(0, height, rows):
            window = slice(top, min(top + rows, height)), slice(0, width)
            try:
                excluded = np.logical_or.reduce([layer.excludes(*window) for layer in same])
            except WindowError:  # the run reports it
                continue
            counts[name] += int(np.count_nonzero(excluded))
    return counts


def describe_counts(counts: dict[str, int]) -> str:
    """Return counts as text, such as "cloud 1200, water 34".

    >>> describe_counts({"cloud": 1200, "water": 34})
    'cloud 1200, water 34'
    """
    return ", ".join(f"{name} {count}" for name, count in counts.items())


class _MaskedArray(WindowArray):
    """The bands of a cube, NaN where a layer excludes a pixel."""

    def __init__(self, source: xr.Variable, layers: tuple[MaskLayer, ...]) -> None:
        super().__init__(source.shape)
        self.source = source
        self.layers = tuple((layer.raster.variable, layer.excluded) for layer in layers)

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the bands of a window, and every layer once."""
        excluded = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
        stored: dict[int, np.ndarray] = {}  # layers of several masks are read once
        for variable, codes in self.layers:
            if id(variable) not in stored:
                stored[id(variable)] = variable[0, rows, columns].values
            excluded |= _excluded(stored[id(variable)], codes)
        if excluded.all():
            return np.full((bands.size, *excluded.shape), np.nan, np.float32)
        values = np.asarray(self.source[bands, rows, columns].values)
        if excluded.any():
            values = values if values.flags.writeable and not self.source._in_memory else values.copy()
            values[:, excluded] = np.nan
        return values


def _excluded(stored: np.ndarray, codes: tuple[int, ...] | Bits) -> np.ndarray:
    if isinstance(codes, Bits):
        flags = sum(1 << number for number in codes.numbers)
        return (np.nan_to_num(stored).astype(np.int64) & flags) != 0
    excluded = np.zeros(stored.shape, bool)
    for code in codes:
        excluded |= stored == code
    return excluded
