"""One virtual raster over many maps: a few lines of XML that GDAL and QGIS open as if it were one file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil, floor, isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import rasterio
import rasterio.shutil
from affine import Affine
from rasterio._err import CPLE_BaseError  # copies raise it as it is; rasterio.errors does not name it
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from geosoil.errors import GridError, OutputError, RasterError
from geosoil.io.atomic import atomic_path
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.warped import COARSER, TRANSFORMER_TOLERANCE, pixel_ratio
from geosoil.raster.grid import TOLERANCE_PIXELS, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OVERLAPS = "the map named last lies on top; where it has no data, the one below shows"


@dataclass(frozen=True)
class _Map:
    path: Path
    grid: Grid
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]
    block: tuple[int, int]
    tags: dict[str, str]


def write_vrt(
    paths: Sequence[str | os.PathLike[str]],
    path: str | os.PathLike[str],
    *,
    tags: Mapping[str, str] | None = None,
) -> Path:
    """Write one VRT over maps that have the same bands, and return its path.

    paths: the maps, lowest first: where several have data, the one named last lies on top. path: of the VRT, which
    names the maps relative to itself. tags: of the dataset, beside those named GEOSOIL_ that all maps share, and
    GEOSOIL_OVERLAPS, which states the rule.

    The pixels are those of the first map, over the extent of all (north up, where it is not). Maps of the same CRS and
    pixel size are moved by half a pixel at most where their grids are shifted: values stay as they are. Any other map
    is brought to that grid by a warped VRT beside it, `NAME_warped_K.vrt` for the K-th: the nearest pixel, or the
    average of the valid ones where its pixels are much finer.

    Raises RasterError where a map cannot be opened or its bands differ from those of the first, GridError for a map
    without CRS or without a place in the CRS of the first, OutputError where the folder cannot be written.

    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, x, value in (("west", 0, 1), ("east", 30, 2)):
    ...         with rasterio.open(f"{folder}/{name}.tif", "w", driver="GTiff", width=2, height=1, count=1, nodata=0,
    ...                            dtype="uint8", crs="EPSG:32633", transform=Affine(30, 0, x, 0, -30, 0)) as made:
    ...             made.write(np.full((1, 1, 2), value, "uint8"))
    ...     vrt = write_vrt([f"{folder}/west.tif", f"{folder}/east.tif"], f"{folder}/all.vrt")
    ...     with rasterio.open(vrt) as source:
    ...         source.read(1).tolist()
    [[1, 2, 2]]
    """
    path = Path(path)
    if not paths:
        raise ValueError("a mosaic of no maps")
    maps = [_described(Path(one)) for one in paths]
    first = maps[0]
    for other in maps[1:]:
        _require_same_bands(first, other)
    grid = _grid_over(maps)
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    ElementTree.SubElement(root, "SRS").text = CRS.from_user_input(grid.crs).to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(repr(one) for one in grid.transform.to_gdal())
    metadata = ElementTree.SubElement(root, "Metadata")
    for key, value in {**_shared_tags(maps), **(tags or {}), "GEOSOIL_OVERLAPS": OVERLAPS}.items():
        ElementTree.SubElement(metadata, "MDI", key=key).text = value
    for number, (name, unit) in enumerate(zip(first.names, first.units, strict=True), start=1):
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType=_gdal_type(first, number), band=str(number))
        ElementTree.SubElement(band, "Description").text = name
        ElementTree.SubElement(band, "UnitType").text = unit
        nodata = first.nodata[number - 1]
        if nodata is not None:
            ElementTree.SubElement(band, "NoDataValue").text = _number(nodata)
    for place, one in enumerate(maps, start=1):
        source, column, row = _placed(one, grid, path.with_name(f"{path.stem}_warped_{place}.vrt"))
        for number, band in enumerate(root.iter("VRTRasterBand"), start=1):
            band.append(_source(one, source, number, column, row, path.parent))
    ElementTree.indent(root)
    with atomic_path(path) as temporary:
        try:
            temporary.write_text(ElementTree.tostring(root, encoding="unicode") + "\n", "utf-8")
        except OSError as error:
            raise _unwritten(path, error) from error
    return path


def _described(path: Path) -> _Map:
    name = absolute_path(path)
    with dataset(name, file_stamp(name)) as source:
        if source.crs is None:
            raise GridError(
                path,
                found="no CRS",
                expected="maps in a coordinate reference system",
                way_out="georeference the map, or leave it out",
            )
        return _Map(
            path,
            Grid(source.crs, source.transform, source.height, source.width),
            tuple(source.dtypes),
            tuple(source.nodatavals),
            tuple(name or "" for name in source.descriptions),
            tuple(unit or "" for unit in source.units),
            source.block_shapes[0],
            source.tags(),
        )


def _require_same_bands(first: _Map, other: _Map) -> None:
    for what in ("names", "units", "dtypes"):
        found, expected = getattr(other, what), getattr(first, what)
        if found != expected:
            raise RasterError(
                other.path,
                found=f"bands with {what} {', '.join(found)}",
                expected=f"{', '.join(expected)}, as of {first.path.name}",
                way_out="make one mosaic of maps by one model",
            )


def _shared_tags(maps: list[_Map]) -> dict[str, str]:
    """Return where the maps come from, as far as it is the same for all."""
    shared = {key: value for key, value in maps[0].tags.items() if key.startswith("GEOSOIL_")}
    return {key: value for key, value in shared.items() if all(one.tags.get(key) == value for one in maps)}


def _grid_over(maps: list[_Map]) -> Grid:
    """Extend the first map's pixels over all maps."""
    first = maps[0].grid
    x0, y0, step_x, step_y = first.transform.c, first.transform.f, first.transform.a, -first.transform.e
    if not _north_up(first):
        step_x = step_y = abs(first.transform.determinant) ** 0.5
        x0, _, _, y0 = first.bounds
    columns, rows = [], []
    for one in maps:
        left, bottom, right, top = _bounds_in(one, first)
        columns += [_down((left - x0) / step_x), _up((right - x0) / step_x)]
        rows += [_down((y0 - top) / step_y), _up((y0 - bottom) / step_y)]
    transform = Affine(step_x, 0, x0 + min(columns) * step_x, 0, -step_y, y0 - min(rows) * step_y)
    return Grid(first.crs, transform, height=max(rows) - min(rows), width=max(columns) - min(columns))


def _placed(one: _Map, grid: Grid, warped: Path) -> tuple[Path, int, int]:
    """Return the file that has the map on the pixels of the mosaic, warped if it must be, and its first column, row."""
    own, t = one.grid.transform, grid.transform
    drift = max(abs(own.a / t.a - 1) * one.grid.width, abs(own.e / t.e - 1) * one.grid.height)  # pixels, at its far end
    if one.grid.crs == grid.crs and _north_up(one.grid) and drift <= TOLERANCE_PIXELS:
        # The pixel of the map that holds the centre of the mosaic's: GDAL would smear one over an edge between two.
        return one.path, _up((own.c - t.c) / t.a - 0.5), _up((own.f - t.f) / t.e - 0.5)
    left, bottom, right, top = _bounds_in(one, grid)
    column, row = _down((left - t.c) / t.a), _down((top - t.f) / t.e)
    width, height = _up((right - t.c) / t.a) - column, _up((bottom - t.f) / t.e) - row
    corner = Affine(t.a, 0, t.c + column * t.a, 0, t.e, t.f + row * t.e)
    window = Grid(grid.crs, corner, height=height, width=width)
    return _write_warped(one, window, warped), column, row


def _write_warped(one: _Map, grid: Grid, path: Path) -> Path:
    if None in one.nodata:
        raise RasterError(
            one.path,
            found="no value of no data, and another grid than the first map's",
            expected="maps with one, as geosoil writes them",
            way_out="set it with gdal_edit.py -a_nodata",
        )
    method = Resampling.average if pixel_ratio(one.grid, grid) > COARSER else Resampling.nearest
    with atomic_path(path) as temporary:
        try:
            with (
                rasterio.open(one.path) as source,
                WarpedVRT(
                    source,
                    crs=grid.crs,
                    transform=grid.transform,
                    width=grid.width,
                    height=grid.height,
                    resampling=method,
                    tolerance=TRANSFORMER_TOLERANCE,
                    UNIFIED_SRC_NODATA="NO",
                ) as warped,
            ):
                rasterio.shutil.copy(warped, temporary, driver="VRT")
        except (RasterioError, CPLE_BaseError, OSError) as error:
            raise _unwritten(path, error) from error
    return path


def _source(one: _Map, source: Path, number: int, column: int, row: int, folder: Path) -> ElementTree.Element:
    """Say in a VRT's words where a band of a map lies."""
    element = ElementTree.Element("ComplexSource")
    relative = Path(os.path.relpath(source, folder)).as_posix()
    ElementTree.SubElement(element, "SourceFilename", relativeToVRT="1").text = relative
    ElementTree.SubElement(element, "SourceBand").text = str(number)
    width, height, block = one.grid.width, one.grid.height, one.block
    if source != one.path:
        with rasterio.open(source) as warped:
            width, height, block = warped.width, warped.height, warped.block_shapes[0]
    # With these GDAL opens a map only when it is looked at, not all of them at once.
    ElementTree.SubElement(
        element, "SourceProperties", RasterXSize=str(width), RasterYSize=str(height),
        DataType=_gdal_type(one, number), BlockXSize=str(block[1]), BlockYSize=str(block[0]),
    )  # fmt: skip
    for name, x, y in (("SrcRect", 0, 0), ("DstRect", column, row)):
        ElementTree.SubElement(element, name, xOff=str(x), yOff=str(y), xSize=str(width), ySize=str(height))
    nodata = one.nodata[number - 1]
    if nodata is not None:
        ElementTree.SubElement(element, "NODATA").text = _number(nodata)
    return element


def _bounds_in(one: _Map, grid: Grid) -> tuple[float, float, float, float]:
    if one.grid.crs == grid.crs:
        return one.grid.bounds
    try:
        bounds = transform_bounds(one.grid.crs, grid.crs, *one.grid.bounds, densify_pts=21)
    except (RasterioError, CPLE_BaseError):
        bounds = (float("inf"),) * 4
    if not all(isfinite(number) for number in bounds):
        raise GridError(
            one.path,
            found="a map that has no place in the CRS of the first",
            expected="maps of one region",
            way_out="map distant scenes into folders of their own",
        )
    return bounds


def _north_up(grid: Grid) -> bool:
    t = grid.transform
    return t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0


def _down(number: float) -> int:
    return floor(number + TOLERANCE_PIXELS)


def _up(number: float) -> int:
    return ceil(number - TOLERANCE_PIXELS)


def _gdal_type(one: _Map, number: int) -> str:
    return {"uint8": "Byte"}.get(one.dtypes[number - 1], one.dtypes[number - 1].capitalize().replace("Ui", "UI"))


def _number(value: float) -> str:
    return "nan" if isnan(value) else repr(value)


def _unwritten(path: Path, error: Exception) -> OutputError:
    return OutputError(
        path,
        found=f"a write that failed ({error.__cause__ or error})",
        expected="room for a mosaic",
        way_out="free some disk space, or choose another folder",
    )
