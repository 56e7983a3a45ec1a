"""Rasters of other CRS, resolution or extent brought to a grid, lazily, by GDAL's warper.

Habits of GDAL would make values depend on the window that is read, or mix no data in. The kernel width guessed anew for
each chunk, and the rule that a pixel is no data only where all bands are, are switched off; nodata codes kept beside
NaN go through a VRT in memory, which turns every band into floating numbers with NaN, scaled, before it is warped. The
approximate transformer, an eighth of a pixel off by default and by another curve for each window, is held to a hundred
thousandth of a pixel, and what is warped at once to tiles of the grid: exactly, it would take three times as long.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from itertools import product
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
import rasterio
from rasterio.enums import MaskFlags, Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform as transform_points
from rasterio.windows import Window
from xarray.core import indexing

from geosoil.errors import GridError, WindowError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp, value_bands
from geosoil.io.rasters.windows import WindowArray
from geosoil.io.remote.reading import WAY_OUT, UnreadError, gdal_name, is_remote, patiently
from geosoil.raster.grid import TOLERANCE_PIXELS, Grid
from geosoil.raster.layout import make_raster

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from affine import Affine
    from rasterio.io import DatasetReader

Method = Literal["nearest", "bilinear", "average", "mode"]

COARSER = 1.5  # from this ratio of pixel sides on, a pixel of the grid is made of all the pixels under it
WARPED_TILE = 128  # pixels a side of what is warped at once, from the grid's first pixel on
WARPED_BLOCK = 256  # pixels: the window of a warped file may be any; whole tiles save a little
KEPT_PER_THREAD = 16
# In pixels of the source.
TRANSFORMER_TOLERANCE = 1e-5

_own = threading.local()


def warp_raster(path: str | os.PathLike[str], grid: Grid, method: Method) -> xr.DataArray:
    """Open a raster on another grid, lazily: only the windows that are asked for are read and warped.

    path: a file that `open_raster` opens, with a CRS. grid: of the result. method: what a pixel is made of: "nearest"
    and "mode" for classes; "bilinear", or "average" of the valid pixels under it where the grid is coarser.

    Returns float32 `(band, y, x)` with NaN where there is no data; nodata codes, masks, scale and offset are applied
    before warping. The values do not depend on the window. Raises RasterError and GridError (no CRS).

    >>> import tempfile
    >>> from affine import Affine
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with rasterio.open(folder + "/clay.tif", "w", driver="GTiff", width=2, height=2, count=1, dtype="int16",
    ...                        nodata=-1, crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 60)) as made:
    ...         made.write(np.array([[[10, 20], [30, -1]]], "int16"))
    ...     coarse = Grid(made.crs, Affine(60, 0, 0, 0, -60, 60), height=1, width=1)
    ...     warp_raster(folder + "/clay.tif", coarse, "average").values.tolist()
    [[[20.0]]]
    """
    name = absolute_path(path)
    with dataset(name, file_stamp(name)) as source:
        if source.crs is None or grid.crs is None:
            raise GridError(
                path,
                found="no CRS of " + ("the file" if source.crs is None else "the grid it is to be brought to"),
                expected="a CRS of both",
                way_out="assign it (gdal_edit.py -a_srs), or give rasters of one grid",
            )
        bands = value_bands(source)
        array = WarpedArray(
            name, file_stamp(name), tuple(_band_xml(source, name, band) for band in bands), grid, method
        )
        names = [source.descriptions[band - 1] or "" for band in bands]
        units = {source.units[band - 1] or "" for band in bands}
        itemsize = np.mean([np.dtype(source.dtypes[band - 1]).itemsize for band in bands])
        ratio = pixel_ratio(Grid(source.crs, source.transform, source.height, source.width), grid)
    if len(set(names)) < len(names) or "" in names:
        names = [f"band_{number}" for number in range(1, len(bands) + 1)]
    return make_raster(
        indexing.LazilyIndexedArray(array),
        names=names,
        crs=grid.crs,
        transform=grid.transform,
        source=os.fspath(path),
        units=units.pop() if len(units) == 1 else "",
        preferred_chunks={"y": WARPED_BLOCK, "x": WARPED_BLOCK},
        stored_bytes=itemsize * ratio**2,  # for a pixel of the grid
    )


def choose_method(source: Grid, grid: Grid, *, classes: bool = False) -> Method:
    """Choose how the pixels of a grid are made of those of a source on another one.

    Grids that differ by whole pixels only keep the values as they are ("nearest"); otherwise "bilinear", or "average"
    where a pixel of the grid is more than 1.5 times as wide; for classes "nearest" and "mode".

    >>> from affine import Affine
    >>> fine = Grid(None, Affine(25, 0, 0, 0, -25, 0), height=8, width=8)
    >>> coarse = Grid(None, Affine(100, 0, 0, 0, -100, 0), height=2, width=2)
    >>> choose_method(fine, coarse), choose_method(coarse, fine), choose_method(fine, coarse, classes=True)
    ('average', 'bilinear', 'mode')
    """
    if is_shifted(source, grid):
        return "nearest"
    if pixel_ratio(source, grid) > COARSER:
        return "mode" if classes else "average"
    return "nearest" if classes else "bilinear"


def is_shifted(source: Grid, grid: Grid) -> bool:
    """Tell whether two grids differ by whole pixels and extent only."""
    if source.crs != grid.crs:
        return False
    corners = np.array([[0, grid.width, 0, grid.width], [0, 0, grid.height, grid.height]], np.float64)
    moved = _applied(~source.transform, _applied(grid.transform, corners)) - corners
    return bool(np.abs(moved - np.rint(moved[:, :1])).max() < TOLERANCE_PIXELS)


def pixel_ratio(source: Grid, grid: Grid) -> float:
    """Return the side of a pixel of `grid`, in pixels of `source`, in the middle of `grid`."""
    column, row = grid.width / 2, grid.height / 2
    corners = _applied(grid.transform, np.array([[column, column + 1, column], [row, row, row + 1]]))
    if source.crs != grid.crs and source.crs is not None and grid.crs is not None:
        corners = np.array(transform_points(grid.crs, source.crs, *corners))
    places = _applied(~source.transform, corners)
    across, down = places[:, 1] - places[:, 0], places[:, 2] - places[:, 0]
    area = abs(across[0] * down[1] - across[1] * down[0])
    return float(np.sqrt(area)) if np.isfinite(area) else 1.0


def _applied(transform: Affine, places: np.ndarray) -> np.ndarray:
    """Return x and y `(2, n)` of columns and rows `(2, n)`, or the other way round by the inverse transform."""
    t, (column, row) = transform, places
    return np.stack([t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f])


class WarpedArray(WindowArray):
    """The bands of one file on another grid; small and picklable, it holds a path and no open file."""

    def __init__(
        self, path: str, stamp: tuple[int, int] | None, bands: tuple[str, ...], grid: Grid, method: Method
    ) -> None:
        super().__init__((len(bands), grid.height, grid.width))
        self.path, self.stamp, self.bands, self.grid, self.method = path, stamp, bands, grid, method

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Warp one window of the chosen bands."""
        wanted = np.unique(bands)
        # A band alone is warped by another rule: there bilinear leaves a gap wherever the nearest pixel is one.
        together = wanted.repeat(2) if wanted.size == 1 else wanted
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)

        def once() -> np.ndarray:
            with self._open(tuple(together.tolist())) as source:
                return _read_tiles(source, rows, columns)

        try:
            values = patiently(self.path, once)
        except UnreadError as error:
            raise WindowError(
                self.path,
                found=f"a window that cannot be read, row {rows.start}, column {columns.start}, "
                f"{window.height} x {window.width} pixels of the grid it is brought to ({error})",
                expected="a whole file",
                way_out=WAY_OUT if is_remote(self.path) else "fetch or write the file again",
            ) from (None if is_remote(self.path) else error)
        with np.errstate(over="ignore"):  # beyond float32 is infinity, and that is no data
            values = values.astype(np.float32, copy=False)
        np.copyto(values, np.nan, where=np.isinf(values))
        return values[np.searchsorted(together, bands)]

    @contextmanager
    def _open(self, bands: tuple[int, ...]) -> Iterator[WarpedVRT]:
        """Yield this thread's warped VRT of some bands, made now or kept: the others are not even read."""
        if _own.__dict__.get("process") != os.getpid():  # a fork must not share file positions with its parent
            _own.process, _own.kept = os.getpid(), OrderedDict()
        kept: OrderedDict[Any, tuple[DatasetReader, WarpedVRT]] = _own.kept
        key = (self.path, self.stamp, bands, self.grid, self.method)
        with dataset(self.path, self.stamp) as source:  # for its environment, and its words where the file has gone
            if key not in kept:
                kept[key] = self._made(source, bands)
                while len(kept) > KEPT_PER_THREAD:
                    for one in reversed(kept.popitem(last=False)[1]):
                        one.close()
            kept.move_to_end(key)
            try:
                yield kept[key][1]
            except RasterioError:
                for one in reversed(kept.pop(key)):  # it may keep what an answer cut short has taught it
                    one.close()
                raise

    def _made(self, source: DatasetReader, bands: tuple[int, ...]) -> tuple[DatasetReader, WarpedVRT]:
        text = _vrt_xml(source, [self.bands[band] for band in bands])
        clean = rasterio.open(text)
        warped = WarpedVRT(
            clean,
            crs=self.grid.crs,
            transform=self.grid.transform,
            width=self.grid.width,
            height=self.grid.height,
            resampling=Resampling[self.method],
            tolerance=TRANSFORMER_TOLERANCE,
            src_nodata=np.nan,
            nodata=np.nan,
            UNIFIED_SRC_NODATA="NO",
            XSCALE="1",
            YSCALE="1",
        )
        return clean, warped


def _read_tiles(source: WarpedVRT, rows: slice, columns: slice) -> np.ndarray:
    """Read a window `(band, y, x)` in tiles that are always the same, whatever the window: each has its own fit."""
    out = np.empty((source.count, rows.stop - rows.start, columns.stop - columns.start), source.dtypes[0])
    starts = [range(one.start - one.start % WARPED_TILE, one.stop, WARPED_TILE) for one in (rows, columns)]
    for y, x in product(*starts):
        tile = source.read(window=Window(x, y, min(WARPED_TILE, source.width - x), min(WARPED_TILE, source.height - y)))
        top, left = max(rows.start, y), max(columns.start, x)
        part = tile[:, top - y : rows.stop - y, left - x : columns.stop - x]
        into = out[:, top - rows.start :, left - columns.start :]
        into[:, : part.shape[1], : part.shape[2]] = part
    return out


def _band_xml(source: DatasetReader, path: str, band: int) -> str:
    """Say in a VRT's words how a band becomes floating numbers with NaN as no data."""
    # As float32 the usual no data of doubles, -1.8e308, would be infinite and no longer told from values.
    kind = "Float64" if source.dtypes[band - 1] == "float64" else "Float32"
    element = ElementTree.Element("VRTRasterBand", dataType=kind)
    ElementTree.SubElement(element, "NoDataValue").text = "nan"
    part = ElementTree.SubElement(element, "ComplexSource")
    ElementTree.SubElement(part, "SourceFilename", relativeToVRT="0").text = gdal_name(path)
    ElementTree.SubElement(part, "SourceBand").text = str(band)
    nodata, scale, offset = source.nodatavals[band - 1], source.scales[band - 1], source.offsets[band - 1]
    if MaskFlags.per_dataset in source.mask_flag_enums[band - 1]:
        ElementTree.SubElement(part, "UseMaskBand").text = "true"
    elif nodata is not None and np.isfinite(nodata):
        ElementTree.SubElement(part, "NODATA").text = repr(nodata)
    if scale != 1.0 or offset != 0.0:
        ElementTree.SubElement(part, "ScaleOffset").text = repr(offset)
        ElementTree.SubElement(part, "ScaleRatio").text = repr(scale)
    return ElementTree.tostring(element, encoding="unicode")


def _vrt_xml(source: DatasetReader, bands: list[str]) -> str:
    root = ElementTree.Element("VRTDataset", rasterXSize=str(source.width), rasterYSize=str(source.height))
    ElementTree.SubElement(root, "SRS").text = source.crs.to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(repr(one) for one in source.transform.to_gdal())
    for band in bands:
        root.append(ElementTree.fromstring(band))
    return ElementTree.tostring(root, encoding="unicode")
