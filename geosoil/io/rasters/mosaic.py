"""Write a virtual raster (VRT) over many maps, which GDAL and QGIS open like one file."""

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
from rasterio._err import CPLE_BaseError  # raised by rasterio.shutil.copy; not part of rasterio.errors
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from geosoil.errors import GridError, OutputError, RasterError
from geosoil.io.atomic import atomic_path
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, dataset_grid, file_stamp
from geosoil.io.rasters.warped import COARSER, TRANSFORMER_TOLERANCE, pixel_ratio
from geosoil.raster.grid import TOLERANCE_PIXELS, Grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OVERLAPS = "the last map is on top; where it has no data, the map below is visible"


@dataclass(frozen=True)
class _MapFile:
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
    """Write a VRT over maps with the same bands.

    The grid is that of the first map (north up), extended over all maps. Maps with the same CRS and pixel size are
    shifted by half a pixel at most, so that their values are unchanged. Any other map is warped to the grid by a second
    VRT, `NAME_warped_K.vrt` for the K-th map: with the nearest pixel, or the average of the valid pixels if its pixels
    are much smaller.

    Parameters
    ----------
    paths : sequence of path-like
        The maps, lowest first: where several have data, the last one is on top.
    path : path-like
        The VRT, which refers to the maps by relative paths.
    tags : mapping of str to str, optional
        Tags of the dataset, in addition to the tags GEOSOIL_* that all maps share, and GEOSOIL_OVERLAPS.

    Returns
    -------
    Path
        The VRT.

    Raises
    ------
    RasterError
        If a map cannot be opened or its bands differ from those of the first.
    GridError
        If a map has no CRS, or its extent cannot be transformed to the CRS of the first.
    OutputError
        If the folder cannot be written to.

    Examples
    --------
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
    maps = [_read_map(Path(name)) for name in paths]
    first = maps[0]
    for other in maps[1:]:
        _require_same_bands(first, other)
    grid = _grid_over(maps)
    root = ElementTree.Element("VRTDataset", rasterXSize=str(grid.width), rasterYSize=str(grid.height))
    ElementTree.SubElement(root, "SRS").text = CRS.from_user_input(grid.crs).to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(repr(number) for number in grid.transform.to_gdal())
    metadata = ElementTree.SubElement(root, "Metadata")
    for key, value in {**_shared_tags(maps), **(tags or {}), "GEOSOIL_OVERLAPS": OVERLAPS}.items():
        ElementTree.SubElement(metadata, "MDI", key=key).text = value
    for number, (name, unit) in enumerate(zip(first.names, first.units, strict=True), start=1):
        band = ElementTree.SubElement(root, "VRTRasterBand", dataType=_gdal_type(first, number), band=str(number))
        ElementTree.SubElement(band, "Description").text = name
        ElementTree.SubElement(band, "UnitType").text = unit
        nodata = first.nodata[number - 1]
        if nodata is not None:
            ElementTree.SubElement(band, "NoDataValue").text = _format_number(nodata)
    for place, file in enumerate(maps, start=1):
        source, column, row = _place_map(file, grid, path.with_name(f"{path.stem}_warped_{place}.vrt"))
        for number, band in enumerate(root.iter("VRTRasterBand"), start=1):
            band.append(_source_element(file, source, number, column, row, path.parent))
    ElementTree.indent(root)
    with atomic_path(path) as temporary:
        try:
            temporary.write_text(ElementTree.tostring(root, encoding="unicode") + "\n", "utf-8")
        except OSError as error:
            raise _write_error(path, error) from error
    return path


def _read_map(path: Path) -> _MapFile:
    name = absolute_path(path)
    with dataset(name, file_stamp(name)) as source:
        if source.crs is None:
            raise GridError(
                path,
                found="no CRS",
                expected="maps with a CRS",
                way_out="georeference the map, or leave it out",
            )
        return _MapFile(
            path,
            dataset_grid(source),
            tuple(source.dtypes),
            tuple(source.nodatavals),
            tuple(name or "" for name in source.descriptions),
            tuple(unit or "" for unit in source.units),
            source.block_shapes[0],
            source.tags(),
        )


def _require_same_bands(first: _MapFile, other: _MapFile) -> None:
    for attribute in ("names", "units", "dtypes"):
        found, expected = getattr(other, attribute), getattr(first, attribute)
        if found != expected:
            raise RasterError(
                other.path,
                found=f"bands with {attribute} {', '.join(found)}",
                expected=f"{', '.join(expected)} as in {first.path.name}",
                way_out="combine maps of the same model only",
            )


def _shared_tags(maps: list[_MapFile]) -> dict[str, str]:
    """Return the GEOSOIL_ tags that all maps share."""
    shared = {key: value for key, value in maps[0].tags.items() if key.startswith("GEOSOIL_")}
    return {key: value for key, value in shared.items() if all(file.tags.get(key) == value for file in maps)}


def _grid_over(maps: list[_MapFile]) -> Grid:
    """Extend the grid of the first map over all maps."""
    first = maps[0].grid
    x0, y0, step_x, step_y = first.transform.c, first.transform.f, first.transform.a, -first.transform.e
    if not _is_north_up(first):
        step_x = step_y = abs(first.transform.determinant) ** 0.5
        x0, _, _, y0 = first.bounds
    columns, rows = [], []
    for file in maps:
        left, bottom, right, top = _bounds_in(file, first)
        columns += [_floor((left - x0) / step_x), _ceil((right - x0) / step_x)]
        rows += [_floor((y0 - top) / step_y), _ceil((y0 - bottom) / step_y)]
    transform = Affine(step_x, 0, x0 + min(columns) * step_x, 0, -step_y, y0 - min(rows) * step_y)
    return Grid(first.crs, transform, height=max(rows) - min(rows), width=max(columns) - min(columns))


def _place_map(file: _MapFile, grid: Grid, warped: Path) -> tuple[Path, int, int]:
    """Return the file with the map on the grid, warped if needed, and its first column and row in the mosaic."""
    s, t = file.grid.transform, grid.transform
    drift = max(abs(s.a / t.a - 1) * file.grid.width, abs(s.e / t.e - 1) * file.grid.height)  # pixels, at the far end
    if file.grid.crs == grid.crs and _is_north_up(file.grid) and drift <= TOLERANCE_PIXELS:
        # The pixel of the map that contains the centre of the pixel of the mosaic; GDAL would repeat one at an edge.
        return file.path, _ceil((s.c - t.c) / t.a - 0.5), _ceil((s.f - t.f) / t.e - 0.5)
    left, bottom, right, top = _bounds_in(file, grid)
    column, row = _floor((left - t.c) / t.a), _floor((top - t.f) / t.e)
    width, height = _ceil((right - t.c) / t.a) - column, _ceil((bottom - t.f) / t.e) - row
    corner = Affine(t.a, 0, t.c + column * t.a, 0, t.e, t.f + row * t.e)
    window = Grid(grid.crs, corner, height=height, width=width)
    return _write_warped(file, window, warped), column, row


def _write_warped(file: _MapFile, grid: Grid, path: Path) -> Path:
    if None in file.nodata:
        raise RasterError(
            file.path,
            found="no nodata value, and another grid than that of the first map",
            expected="maps with a nodata value, as geosoil writes them",
            way_out="set it with gdal_edit.py -a_nodata",
        )
    method = Resampling.average if pixel_ratio(file.grid, grid) > COARSER else Resampling.nearest
    with atomic_path(path) as temporary:
        try:
            with (
                rasterio.open(file.path) as source,
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
            raise _write_error(path, error) from error
    return path


def _source_element(
    file: _MapFile, source: Path, number: int, column: int, row: int, folder: Path
) -> ElementTree.Element:
    """Return the VRT element that places a band of a map in the mosaic."""
    element = ElementTree.Element("ComplexSource")
    relative = Path(os.path.relpath(source, folder)).as_posix()
    ElementTree.SubElement(element, "SourceFilename", relativeToVRT="1").text = relative
    ElementTree.SubElement(element, "SourceBand").text = str(number)
    width, height, block = file.grid.width, file.grid.height, file.block
    if source != file.path:
        with rasterio.open(source) as warped:
            width, height, block = warped.width, warped.height, warped.block_shapes[0]
    # With these properties GDAL opens a map when it is read, instead of all maps at once.
    ElementTree.SubElement(
        element, "SourceProperties", RasterXSize=str(width), RasterYSize=str(height),
        DataType=_gdal_type(file, number), BlockXSize=str(block[1]), BlockYSize=str(block[0]),
    )  # fmt: skip
    for name, x, y in (("SrcRect", 0, 0), ("DstRect", column, row)):
        ElementTree.SubElement(element, name, xOff=str(x), yOff=str(y), xSize=str(width), ySize=str(height))
    nodata = file.nodata[number - 1]
    if nodata is not None:
        ElementTree.SubElement(element, "NODATA").text = _format_number(nodata)
    return element


def _bounds_in(file: _MapFile, grid: Grid) -> tuple[float, float, float, float]:
    if file.grid.crs == grid.crs:
        return file.grid.bounds
    try:
        bounds = transform_bounds(file.grid.crs, grid.crs, *file.grid.bounds, densify_pts=21)
    except (RasterioError, CPLE_BaseError):
        bounds = (float("inf"),) * 4
    if not all(isfinite(number) for number in bounds):
        raise GridError(
            file.path,
            problem="its extent cannot be transformed to the CRS of the first map",
            expected="maps of one region",
            way_out="map distant scenes into separate folders",
        )
    return bounds


def _is_north_up(grid: Grid) -> bool:
    t = grid.transform
    return t.b == 0 and t.d == 0 and t.a > 0 and t.e < 0


def _floor(number: float) -> int:
    return floor(number + TOLERANCE_PIXELS)


def _ceil(number: float) -> int:
    return ceil(number - TOLERANCE_PIXELS)


def _gdal_type(file: _MapFile, number: int) -> str:
    return {"uint8": "Byte"}.get(file.dtypes[number - 1], file.dtypes[number - 1].capitalize().replace("Ui", "UI"))


def _format_number(value: float) -> str:
    return "nan" if isnan(value) else repr(value)


def _write_error(path: Path, error: Exception) -> OutputError:
    return OutputError(
        path,
        problem=f"writing failed ({error.__cause__ or error})",
        way_out="free some disk space, or choose another folder",
    )
