"""Warp rasters with another CRS, resolution or extent to a grid, lazily, with GDAL.

With the defaults of GDAL, values would depend on the window that is read, or mix with no data. Two of them are switched
off: the kernel width that is estimated for each chunk, and the rule that a pixel is no data only if all bands are.
Nodata codes, scale and offset are applied by a VRT in memory before warping. The approximate transformer, whose error
is up to an eighth of a pixel by default and differs between windows, is limited to 1e-5 pixels and applied to fixed
tiles of the grid; an exact transformer would take three times as long. How a file in degrees counts longitudes does not
matter: see longitudes.py.
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
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, dataset_grid, file_stamp, value_bands
from geosoil.io.rasters.longitudes import Columns, columns_near, is_cut
from geosoil.io.rasters.windows import WindowArray
from geosoil.io.remote.reading import WAY_OUT, UnreadError, gdal_name, is_remote, read_with_retries
from geosoil.raster.grid import TOLERANCE_PIXELS, Grid, require_convertible, same_crs
from geosoil.raster.layout import make_raster

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from affine import Affine
    from rasterio.io import DatasetReader

Method = Literal["nearest", "bilinear", "average", "mode"]

COARSER = 1.5  # from this ratio of pixel sizes on, a pixel of the grid is aggregated from all pixels in it
WARPED_TILE = 128  # side in pixels of the tiles that are warped at once, from the first pixel of the grid on
WARPED_BLOCK = 256  # pixels; any window can be read, but complete tiles are more efficient
MAX_PER_THREAD = 16
TRANSFORMER_TOLERANCE = 1e-5  # pixels of the source

_thread_state = threading.local()


def warp_raster(path: str | os.PathLike[str], grid: Grid, method: Method) -> xr.DataArray:
    """Open a raster on another grid, lazily: only the requested windows are read and warped.

    Parameters
    ----------
    path : path-like
        A file with a CRS that `open_raster` opens.
    grid : Grid
        The grid of the result.
    method : {"nearest", "bilinear", "average", "mode"}
        The resampling: "nearest" or "mode" for classes; "bilinear", or "average" of the valid pixels for a coarser
        grid.

    Returns
    -------
    xarray.DataArray
        `(band, y, x)` float32, NaN = no data; nodata codes, masks, scale and offset are applied before warping. The
        values do not depend on the window.

    Raises
    ------
    RasterError
        If the file cannot be opened, or a window cannot be read.
    GridError
        If the file or the grid has no CRS.

    Examples
    --------
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
                found="no CRS of " + ("the file" if source.crs is None else "the target grid"),
                expected="a CRS of both",
                way_out="assign it (gdal_edit.py -a_srs), or use rasters on one grid",
            )
        bands, source_grid = value_bands(source), dataset_grid(source)
        require_convertible(source.crs, grid.crs, where=path)
        columns = columns_near(source_grid, grid)
        elements = tuple(_band_xml(source, name, band, columns) for band in bands)
        array = WarpedArray(name, file_stamp(name), elements, columns, grid, method)
        names = [source.descriptions[band - 1] or "" for band in bands]
        units = {source.units[band - 1] or "" for band in bands}
        itemsize = np.mean([np.dtype(source.dtypes[band - 1]).itemsize for band in bands])
        ratio = pixel_ratio(source_grid, grid)
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
        stored_bytes=itemsize * ratio**2,  # per pixel of the grid
    )


def choose_method(source: Grid, grid: Grid, *, classes: bool = False) -> Method:
    """Choose the resampling method from one grid to another.

    The method is "nearest" for grids that differ by whole pixels only; otherwise "bilinear", or "average" if the pixels
    of `grid` are more than 1.5 times as wide; for classes "nearest" or "mode". Around a pole, where no pixel can be
    aggregated across the meridian where longitudes begin, it is never one of the aggregates.

    Examples
    --------
    >>> from affine import Affine
    >>> fine = Grid(None, Affine(25, 0, 0, 0, -25, 0), height=8, width=8)
    >>> coarse = Grid(None, Affine(100, 0, 0, 0, -100, 0), height=2, width=2)
    >>> choose_method(fine, coarse), choose_method(coarse, fine), choose_method(fine, coarse, classes=True)
    ('average', 'bilinear', 'mode')
    """
    if is_shifted(source, grid):
        return "nearest"
    if pixel_ratio(source, grid) > COARSER and not is_cut(source, grid):
        return "mode" if classes else "average"
    return "nearest" if classes else "bilinear"


def is_shifted(source: Grid, grid: Grid) -> bool:
    """Check whether two grids differ only by whole pixels and in extent."""
    if not same_crs(source.crs, grid.crs):
        return False
    corners = np.array([[0, grid.width, 0, grid.width], [0, 0, grid.height, grid.height]], np.float64)
    moved = _transform(~source.transform, _transform(grid.transform, corners)) - corners
    return bool(np.abs(moved - np.rint(moved[:, :1])).max() < TOLERANCE_PIXELS)


def pixel_ratio(source: Grid, grid: Grid) -> float:
    """Return the pixel size of `grid` in pixels of `source`: the median of the centre and four places around it."""
    shares = np.array([[0.5, 0.25, 0.25, 0.75, 0.75], [0.5, 0.25, 0.75, 0.25, 0.75]])
    places = shares * [[grid.width], [grid.height]]
    corners = np.concatenate([places, places + np.array([[1], [0]]), places + np.array([[0], [1]])], axis=1)
    corners = _transform(grid.transform, corners)
    if source.crs is not None and grid.crs is not None and not same_crs(source.crs, grid.crs):
        corners = np.array(transform_points(grid.crs, source.crs, *corners))
    start, right, below = np.split(corners, 3, axis=1)
    steps = np.concatenate([right - start, below - start], axis=1)
    if source.turn is not None:  # a pixel may lie on both sides of the meridian where longitudes are counted from
        steps[0] -= source.turn * np.rint(steps[0] / source.turn)
    inverse = ~source.transform
    across, down = np.split(np.array([[inverse.a, inverse.b], [inverse.d, inverse.e]]) @ steps, 2, axis=1)
    with np.errstate(invalid="ignore"):
        areas = np.abs(across[0] * down[1] - across[1] * down[0])
    finite = areas[np.isfinite(areas)]
    return float(np.sqrt(np.median(finite))) if finite.size else 1.0


def _transform(transform: Affine, places: np.ndarray) -> np.ndarray:
    """Apply an affine transform, or its inverse, to coordinates `(2, n)`."""
    t, (column, row) = transform, places
    return np.stack([t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f])


class WarpedArray(WindowArray):
    """The bands of one file on another grid; small and picklable, because it holds a path instead of an open file."""

    def __init__(
        self,
        path: str,
        stamp: tuple[int, int] | None,
        bands: tuple[str, ...],
        columns: Columns,
        grid: Grid,
        method: Method,
    ) -> None:
        super().__init__((len(bands), grid.height, grid.width))
        self.path, self.stamp, self.bands = path, stamp, bands
        self.columns, self.grid, self.method = columns, grid, method

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Warp one window of the requested bands."""
        unique = np.unique(bands)
        # GDAL warps a single band differently: bilinear is no data wherever the nearest pixel is.
        together = unique.repeat(2) if unique.size == 1 else unique
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)

        def attempt() -> np.ndarray:
            with self._open(tuple(together.tolist())) as source:
                return _read_tiles(source, rows, columns)

        try:
            values = read_with_retries(self.path, attempt)
        except UnreadError as error:
            raise WindowError(
                self.path,
                problem=f"cannot read the window at row {rows.start}, column {columns.start}, "
                f"{window.height} x {window.width} pixels of the target grid ({error})",
                expected="a complete file",
                way_out=WAY_OUT if is_remote(self.path) else "copy or write the file again",
            ) from (None if is_remote(self.path) else error)
        with np.errstate(over="ignore"):  # values beyond float32 become infinite, which is no data
            values = values.astype(np.float32, copy=False)
        np.copyto(values, np.nan, where=np.isinf(values))
        return values[np.searchsorted(together, bands)]

    @contextmanager
    def _open(self, bands: tuple[int, ...]) -> Iterator[WarpedVRT]:
        """Yield the warped VRT of some bands from the cache of this thread, or create it; other bands are not read."""
        if (
            _thread_state.__dict__.get("process") != os.getpid()
        ):  # a forked process must not share file positions with its parent
            _thread_state.process, _thread_state.kept = os.getpid(), OrderedDict()
        vrts: OrderedDict[Any, tuple[DatasetReader, WarpedVRT]] = _thread_state.kept
        key = (self.path, self.stamp, bands, self.grid, self.method)
        with dataset(self.path, self.stamp) as source:  # for its GDAL options, and its error if the file is missing
            if key not in vrts:
                vrts[key] = self._make_vrt(source, bands)
                while len(vrts) > MAX_PER_THREAD:
                    for source_or_vrt in reversed(vrts.popitem(last=False)[1]):
                        source_or_vrt.close()
            vrts.move_to_end(key)
            try:
                yield vrts[key][1]
            except RasterioError:
                for source_or_vrt in reversed(vrts.pop(key)):  # they may have cached a truncated response
                    source_or_vrt.close()
                raise

    def _make_vrt(self, source: DatasetReader, bands: tuple[int, ...]) -> tuple[DatasetReader, WarpedVRT]:
        text = _vrt_xml(source, self.columns, [self.bands[band] for band in bands])
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
    """Read a window `(band, y, x)` in fixed tiles, since the transformer is approximated for each read."""
    out = np.empty((source.count, rows.stop - rows.start, columns.stop - columns.start), source.dtypes[0])
    starts = [range(span.start - span.start % WARPED_TILE, span.stop, WARPED_TILE) for span in (rows, columns)]
    for y, x in product(*starts):
        tile = source.read(window=Window(x, y, min(WARPED_TILE, source.width - x), min(WARPED_TILE, source.height - y)))
        top, left = max(rows.start, y), max(columns.start, x)
        part = tile[:, top - y : rows.stop - y, left - x : columns.stop - x]
        target = out[:, top - rows.start :, left - columns.start :]
        target[:, : part.shape[1], : part.shape[2]] = part
    return out


def _band_xml(source: DatasetReader, path: str, band: int, columns: Columns) -> str:
    """Return the VRT element that converts a band to scaled floating-point numbers with NaN as no data."""
    # As float32, the usual nodata value of doubles, -1.8e308, would be infinite and could not be recognised.
    kind = "Float64" if source.dtypes[band - 1] == "float64" else "Float32"
    element = ElementTree.Element("VRTRasterBand", dataType=kind)
    ElementTree.SubElement(element, "NoDataValue").text = "nan"
    nodata, scale, offset = source.nodatavals[band - 1], source.scales[band - 1], source.offsets[band - 1]
    for first, placed, count in columns.pieces(source.width):
        part = ElementTree.SubElement(element, "ComplexSource")
        ElementTree.SubElement(part, "SourceFilename", relativeToVRT="0").text = gdal_name(path)
        ElementTree.SubElement(part, "SourceBand").text = str(band)
        if columns.around is not None:
            for rectangle, column in (("SrcRect", first), ("DstRect", placed)):
                size = {"xSize": str(count), "ySize": str(source.height)}
                ElementTree.SubElement(part, rectangle, {"xOff": str(column), "yOff": "0", **size})
        if MaskFlags.per_dataset in source.mask_flag_enums[band - 1]:
            ElementTree.SubElement(part, "UseMaskBand").text = "true"
        elif nodata is not None and np.isfinite(nodata):
            ElementTree.SubElement(part, "NODATA").text = repr(nodata)
        if scale != 1.0 or offset != 0.0:
            ElementTree.SubElement(part, "ScaleOffset").text = repr(offset)
            ElementTree.SubElement(part, "ScaleRatio").text = repr(scale)
    return ElementTree.tostring(element, encoding="unicode")


def _vrt_xml(source: DatasetReader, columns: Columns, bands: list[str]) -> str:
    grid = columns.placed(dataset_grid(source))
    assert grid.crs is not None
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    ElementTree.SubElement(root, "SRS").text = grid.crs.to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(repr(number) for number in grid.transform.to_gdal())
    for band in bands:
        root.append(ElementTree.fromstring(band))
    return ElementTree.tostring(root, encoding="unicode")
