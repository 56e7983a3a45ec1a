"""EMIT on the space station: level-2A reflectance (and level-1B radiance) as a map, with the masks of its MASK file.

A granule is a netCDF-4 file in sensor geometry: the cube (downtrack, crosstrack, bands), and a lookup table (GLT) with
the pixel of the cube for each cell of a map. Every window of the map is read through the table.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from xarray.core import indexing

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.io.rasters.hdf5 import reading_costs
from geosoil.io.rasters.hdf5_files import Hdf5Source, attribute, hdf5_file, is_hdf5, member, short_list
from geosoil.io.rasters.hdf5_variables import find_variable
from geosoil.io.rasters.lookup_table import LookupArray
from geosoil.io.remote.ranges import is_there
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.hdf5_products import AS_DELIVERED, FlagArray, checked_centres_nm, flag_raster
from geosoil.sensors.masks import Bits, MaskLayer

if TYPE_CHECKING:
    import h5py

    from geosoil.sensors.files import ProductFiles

WATER_NM = ((1320.0, 1450.0), (1770.0, 1970.0))
FILL = -9999.0
CHUNK = 256  # pixels per side of the map that are read at once
CUBES = {"reflectance": "reflectance", "radiance": "uW cm-2 sr-1 nm-1"}
"""Data sets that are cubes, with the units of their values."""
OTHERS = {
    "mask": "the masks of a granule",
    "obs": "the observation geometry of a granule",
    "reflectance_uncertainty": "the uncertainty of reflectance",
}
# Names of the bands of a MASK file. The aggregate flag has those of the others, and further reasons.
GROUPS = {"cloud": ("cloud flag", "dilated cloud flag"), "cirrus": ("cirrus flag",), "water": ("water flag",)}
STATION, AGGREGATE = ("spacecraft flag",), "aggregate flag"

_NAMES = ("emit_l2a_rfl_*.nc", "emit_l1b_rad_*.nc")


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a granule as one lazy cube on the grid of its lookup table.

    Parameters
    ----------
    files : ProductFiles
        The granule; its MASK file may lie beside it.
    nodata : float, optional
        The stored value of no data (default: -9999).

    Returns
    -------
    Product
        Reflectance, or radiance in uW cm-2 sr-1 nm-1, with the bands that `good_wavelengths` marks, and the masks cloud
        (with the pixels around clouds), cirrus, water and invalid.

    Raises
    ------
    RasterError
        If the file is not a cube of a granule, or is damaged.
    WavelengthError
        If its wavelengths are missing or not usable.
    GridError
        If its place is missing, or that of the MASK file is another one.
    """
    name = _main(files)
    source = Hdf5Source(files.hdf5(name))
    with hdf5_file(source) as file:
        cube_name = next((key for key in CUBES if member(file, key, source.name) is not None), None)
        if cube_name is None:
            what = next((OTHERS[key] for key in OTHERS if member(file, key, source.name) is not None), "no cube")
            raise RasterError(
                source.name,
                found=what,
                expected="reflectance",
                way_out="give the file EMIT_L2A_RFL_...nc; its MASK file is read from beside it",
            )
        cube = find_variable(source, cube_name, "yxb")
        table_x, table_y = (find_variable(source, f"location/glt_{axis}", "yx") for axis in "xy")
        count = cube.length("b")
        bands = "sensor_band_parameters"
        centres, widths, good = (
            short_list(file, f"{bands}/{key}", source.name) for key in ("wavelengths", "fwhm", "good_wavelengths")
        )
        centre_nm = checked_centres_nm(centres, count, source.name, "wavelengths")
        fwhm_nm = None if widths is None else checked_centres_nm(widths, count, source.name, "fwhm")
        notes = ["orthorectified by the lookup table of the file: each cell has the values of one pixel of the swath"]
        is_good = None
        if good is not None:
            is_good = _good(good, count, source.name)
        elif cube_name == "reflectance":
            notes.append("the file does not mark good wavelengths")
        grid = _grid(file, source.name, (table_x.length("y"), table_x.length("x")))
        texts = {key: attribute(file, key, source.name) for key in ("product_version", "time_coverage_start")}
    array = LookupArray(cube, table_x, table_y, nodata=FILL if nodata is None else nodata)
    raster = make_raster(
        indexing.LazilyIndexedArray(array),
        names=[f"band_{number}" for number in range(1, count + 1)],
        crs=grid.crs,
        transform=grid.transform,
        wavelength_nm=centre_nm,
        fwhm_nm=fwhm_nm,
        source=source.name,
        units=CUBES[cube_name],
        preferred_chunks={"y": CHUNK, "x": CHUNK},
        stored_bytes=np.dtype(cube.dtype).itemsize * cube.length("y") * cube.length("x") / (grid.height * grid.width),
    )
    raster.encoding.update(reading_costs(cube))
    masks, note = _masks(files, name, array, grid) if cube_name == "reflectance" else ((), "")
    raster.attrs.update(notes=notes + [note] * bool(note), **{key: text for key, text in texts.items() if text})
    return Product(raster, is_good, masks)


def _main(files: ProductFiles) -> str:
    """Return the name of the file of the cube."""
    if files.named is not None:
        return files.named
    return files.one("the cube of an EMIT granule", _NAMES[0] if files.find(_NAMES[0]) else _NAMES[1])


def _recognises(files: ProductFiles) -> bool:
    """Return whether files are a granule: by their names, or a netCDF file by its lookup table."""
    if files.named is None:
        return bool(files.find(*_NAMES))
    if files.named in files.find(*_NAMES):
        return True
    path = files.path(files.named)
    if not is_hdf5(path):
        return False
    source = Hdf5Source(path)
    try:
        with hdf5_file(source) as file:
            return all(member(file, key, path) is not None for key in ("location/glt_x", "sensor_band_parameters"))
    except RasterError:
        return False


def _good(values: np.ndarray, count: int, where: str) -> np.ndarray:
    if values.shape != (count,) or not np.isin(values, (0, 1)).all() or not values.any():
        raise WavelengthError(
            where,
            found=f"good_wavelengths of shape {values.shape} with values {np.unique(values)[:3].tolist()}",
            expected=f"1 or 0 for each of {count} bands, and some bands that are good",
            way_out=AS_DELIVERED,
        )
    return values == 1


def _grid(file: h5py.File, where: str, shape: tuple[int, int]) -> Grid:
    """Return the grid of the lookup table; the bounds among the attributes are those of other granules, or swapped."""
    numbers, wkt = attribute(file, "geotransform", where), attribute(file, "spatial_ref", where)
    try:
        transform = Affine.from_gdal(*(float(number) for number in np.asarray(numbers).reshape(6)))
        is_usable = bool(np.isfinite(transform[:6]).all() and transform.determinant != 0)
    except (TypeError, ValueError):
        is_usable = False
    if not is_usable:
        raise GridError(
            where,
            found="no geotransform" if numbers is None else f"the geotransform {str(numbers)[:80]}",
            expected="six finite numbers, and pixels with an area",
            way_out=AS_DELIVERED,
        )
    try:
        crs = CRS.from_wkt(str(wkt))
    except CRSError:
        raise GridError(
            where,
            found="no spatial_ref" if wkt is None else f"{str(wkt)[:40]!r} as spatial_ref",
            expected="the WKT of a CRS",
            way_out=AS_DELIVERED,
        ) from None
    return Grid(crs, transform, *shape)


def _mask_name(files: ProductFiles, name: str) -> str | None:
    """Return the MASK file of the same scene, or None."""
    folder, _, last = name.rpartition("/")
    scene = re.search(r"\d{8}T\d{6}_\d+_\d+", last)
    for other in files.find("emit_l2a_mask_*.nc"):
        if other.rpartition("/")[0] != folder:
            continue
        if scene is not None and scene.group() in other:
            return other
        if other.rpartition("/")[2].lower() == last.lower().replace("_rfl_", "_mask_"):
            return other
    return None


def _masks(files: ProductFiles, name: str, cube: LookupArray, grid: Grid) -> tuple[tuple[MaskLayer, ...], str]:
    """Return the masks of the MASK file, and a note if there is none."""
    if files.is_remote:  # its folder cannot be listed
        beside = re.sub("_rfl_", "_MASK_", name, flags=re.IGNORECASE)
        files = files.with_names([beside] if beside != name and is_there(files.path(beside)) else [])
    mask_name = _mask_name(files, name)
    if mask_name is None:
        return (), "no MASK file beside it: clouds and water are not left out"
    source = Hdf5Source(files.hdf5(mask_name))
    layer = find_variable(source, "mask", "yxb")
    with hdf5_file(source) as file:
        names = short_list(file, "sensor_band_parameters/mask_bands", source.name)
    if names is None or names.shape != (layer.length("b"),):
        raise RasterError(
            source.name,
            found=f"{0 if names is None else names.size} names of mask bands",
            expected=f"one for each of {layer.length('b')} bands",
            way_out=AS_DELIVERED,
        )
    if (layer.length("y"), layer.length("x")) != (cube.variable.length("y"), cube.variable.length("x")):
        raise GridError(
            source.name,
            found=f"a swath of {layer.length('y')} x {layer.length('x')} pixels",
            expected=f"{cube.variable.length('y')} x {cube.variable.length('x')}, as the reflectance has",
            way_out="keep the MASK file of the same granule beside it",
        )
    position = {str(text).strip().lower(): i for i, text in enumerate(names)}
    keys = [key for keys in (*GROUPS.values(), STATION, (AGGREGATE,)) for key in keys if key in position]
    # The bands of all masks are read at once, because they share their chunks.
    flags = LookupArray(layer, cube.table_x, cube.table_y, bands=[position[key] for key in keys], nodata=FILL)
    raster = flag_raster(
        FlagArray([flags], partial(_codes, keys=tuple(keys)), together=True),
        grid,
        name="mask",
        source=source.name,
        chunks={"y": CHUNK, "x": CHUNK},
    )
    present = [any(key in keys for key in group) for group in (*GROUPS.values(), (*STATION, AGGREGATE))]
    masks = tuple(
        MaskLayer(mask, raster, Bits((bit,)))
        for bit, (mask, is_present) in enumerate(zip((*GROUPS, "invalid"), present, strict=True))
        if is_present
    )
    missing = [key for keys in (*GROUPS.values(), STATION, (AGGREGATE,)) for key in keys if key not in position]
    return masks, f"the MASK file has no {', '.join(missing)}" if missing else ""


def _codes(flags: np.ndarray, keys: tuple[str, ...]) -> np.ndarray:
    """Return a bit for each mask: those of the groups, then invalid; NaN sets none."""
    is_set = dict(zip(keys, flags > 0, strict=True))
    nothing = np.zeros(flags.shape[1:], bool)
    masks = [np.logical_or.reduce([is_set.get(key, nothing) for key in group]) for group in GROUPS.values()]
    other_reason = is_set.get(AGGREGATE, nothing) & ~np.logical_or.reduce(masks)
    masks.append(np.logical_or.reduce([other_reason, *(is_set.get(key, nothing) for key in STATION)]))
    codes = np.zeros(flags.shape[1:], np.uint8)
    for bit, mask in enumerate(masks):
        codes |= mask.astype(np.uint8) << bit
    return codes


EMIT = Sensor(
    name="EMIT",
    title="EMIT, 285 bands: level-2A reflectance, level-1B radiance",
    patterns=("*.nc",),
    bad_nm=WATER_NM,
    open=open_product,
    recognises=_recognises,
)
