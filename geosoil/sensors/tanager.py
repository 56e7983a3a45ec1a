"""Tanager-1: surface reflectance or radiance in HDF-EOS5, on a map (ortho) or in sensor geometry (basic).

The four variants differ in the group of the cube (`GRIDS` or `SWATHS`) and in its name. Their fields vary between
versions, so each is looked up, and only the cube, its wavelengths and the place of a map are required.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from xarray.core import indexing

from geosoil.errors import GridError, RasterError
from geosoil.io.rasters.hdf5 import Hdf5Array, reading_costs
from geosoil.io.rasters.hdf5_files import Hdf5Source, attribute, hdf5_file, is_hdf5, member, short_list
from geosoil.io.rasters.hdf5_variables import find_variable
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.hdf5_products import AS_DELIVERED, FlagArray, checked_centres_nm, flag_raster, number_of
from geosoil.sensors.masks import MaskLayer

if TYPE_CHECKING:
    import h5py

    from geosoil.sensors.files import ProductFiles

WATER_NM = ((1340.0, 1450.0), (1780.0, 1970.0))
GROUPS = {"HDFEOS/GRIDS/HYP": True, "HDFEOS/SWATHS/HYP": False}  # whether the cube is on a map
CUBES = {"surface_reflectance": "reflectance", "toa_radiance": "W m-2 sr-1 um-1"}
MASKS = {"nodata_pixels": "background", "beta_cloud_mask": "cloud", "beta_cirrus_mask": "cirrus"}
STRUCTURE = "HDFEOS INFORMATION/StructMetadata.0"
FILL = -9999.0
UTM_NORTH, UTM_SOUTH, LAST_ZONE = 32600, 32700, 60

_NUMBER = r"([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)"


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a file as one lazy cube with increasing wavelengths.

    Parameters
    ----------
    files : ProductFiles
        The file with the ending .h5.
    nodata : float, optional
        The stored value of no data (default: `_FillValue` of the cube, else -9999).

    Returns
    -------
    Product
        Reflectance, or radiance in the unit that the file states; without CRS if it is in sensor geometry. With the
        masks background, cloud and cirrus as far as the file has them.

    Raises
    ------
    RasterError
        If the file has no cube of Tanager, or is damaged.
    WavelengthError
        If its wavelengths are missing or not usable.
    GridError
        If the place of a map is missing, or does not fit its pixels.
    """
    source = Hdf5Source(files.hdf5(_main(files)))
    where = source.name
    with hdf5_file(source) as file:
        group, fields, cube_name = _find_cube(file, where)
        node = member(file, f"{fields}/{cube_name}", where)
        variable = find_variable(source, f"{fields}/{cube_name}", "byx")
        count = variable.length("b")
        centre_nm, note = _centres(file, node, group, count, where)
        notes = [note] * bool(note)
        widths = _listed(file, node, group, ("fwhm", "FWHM"), where)
        fwhm_nm = None if widths is None else checked_centres_nm(widths, count, where, "fwhm")
        scale, offset = (
            float(number_of(node, name, where)) if attribute(node, name, where) is not None else neutral
            for name, neutral in (("scale_factor", 1.0), ("add_offset", 0.0))
        )
        fill = number_of(node, "_FillValue", where) if attribute(node, "_FillValue", where) is not None else FILL
        units = CUBES[cube_name]
        stated = attribute(node, "units", where)
        if cube_name == "toa_radiance" and isinstance(stated, str) and stated.strip():
            units = stated.strip()
        height, width = variable.length("y"), variable.length("x")
        if GROUPS[group]:
            grid = _grid(file, group, where, height, width)
        else:
            grid = Grid(None, Affine.identity(), height, width)
            notes.append("in sensor geometry, without CRS: use the ortho product before placing points on it")
        layers = [name for name in MASKS if member(file, f"{fields}/{name}", where) is not None]
        flags = [(MASKS[name], find_variable(source, f"{fields}/{name}", "yx")) for name in layers]
    order = np.argsort(centre_nm, kind="stable")
    array = Hdf5Array(variable, order, nodata=fill if nodata is None else nodata, scale=scale, offset=offset)
    raster = make_raster(
        indexing.LazilyIndexedArray(array),
        names=[f"band_{number + 1}" for number in order],
        crs=grid.crs,
        transform=grid.transform,
        wavelength_nm=centre_nm[order],
        fwhm_nm=None if fwhm_nm is None else fwhm_nm[order],
        source=where,
        units=units,
        preferred_chunks=variable.preferred_chunks,
        stored_bytes=np.dtype(variable.dtype).itemsize,
    )
    raster.encoding.update(reading_costs(variable))
    masks = []
    for mask, flag in flags:
        if flag.shape != (height, width):
            raise GridError(
                where,
                found=f"{flag.name.rpartition('/')[2]} of {' x '.join(map(str, flag.shape))} pixels",
                expected=f"{height} x {width}, as the cube has",
                way_out=AS_DELIVERED,
            )
        layer = FlagArray([Hdf5Array(flag)], _is_one)
        masks.append(
            MaskLayer(mask, flag_raster(layer, grid, name=mask, source=where, chunks=variable.preferred_chunks), (1,))
        )
    missing = [MASKS[name] for name in MASKS if name not in layers]
    if missing:
        notes.append(f"the file has no mask of {', '.join(missing)}")
    raster.attrs["notes"] = notes
    return Product(raster, None, tuple(masks))


def _main(files: ProductFiles) -> str:
    if files.named is not None:
        return files.named
    names = files.find("*_sr_hdf5.h5") or files.find("*_hdf5.h5") or files.find("*.h5")
    if len(names) != 1:
        raise RasterError(
            files.where,
            found=f"{len(names)} files that could be the cube of Tanager",
            expected="one",
            way_out="give the path of one of them",
        )
    return names[0]


def _recognises(files: ProductFiles) -> bool:
    """Return whether a file has a group of Tanager; in a folder, whether one of its few .h5 files has."""
    names = [files.named] if files.named is not None else files.find("*.h5")[:8]
    for name in names:
        try:
            source = Hdf5Source(files.hdf5(name))
            if isinstance(source.file, str) and not is_hdf5(source.file):
                continue
            with hdf5_file(source) as file:
                if any(member(file, group, source.name) is not None for group in GROUPS):
                    return True
        except RasterError:
            continue
    return False


def _find_cube(file: h5py.File, where: str) -> tuple[str, str, str]:
    """Return the group of the product, that of its fields, and the name of its cube."""
    for group in GROUPS:
        for name in CUBES:
            if member(file, f"{group}/Data Fields/{name}", where) is not None:
                return group, f"{group}/Data Fields", name
    raise RasterError(
        where,
        found="no cube of Tanager",
        expected=f"one of {', '.join(CUBES)} in {' or '.join(GROUPS)}",
        way_out=AS_DELIVERED,
    )


def _listed(file: h5py.File, node: Any, group: str, names: tuple[str, ...], where: str) -> Any:
    """Return a list of the bands: an attribute of the cube, or a data set beside it."""
    for name in names:
        value = attribute(node, name, where)
        if value is not None:
            return value
    for folder in (f"{group}/Data Fields", group):
        for name in (*names, *(name.capitalize() for name in names)):
            value = short_list(file, f"{folder}/{name}", where)
            if value is not None:
                return value
    return None


def _centres(file: h5py.File, node: Any, group: str, count: int, where: str) -> tuple[np.ndarray, str]:
    """Return the band centres in nm, and a note if they are stored in micrometres."""
    values = _listed(file, node, group, ("wavelengths", "wavelength"), where)
    note = ""
    if values is not None and np.asarray(values).dtype.kind in "fiu":
        numbers = np.asarray(values, np.float64)
        if numbers.size and ((numbers > 0.2) & (numbers < 3.0)).all():  # cannot be nanometres
            values, note = numbers * 1e3, "wavelengths are stored in micrometres"
    return checked_centres_nm(values, count, where, "wavelengths"), note


def _grid(file: h5py.File, group: str, where: str, height: int, width: int) -> Grid:
    """Return the grid of a map from the text of HDF-EOS and the code of the CRS."""
    text = short_list(file, STRUCTURE, where)
    if text is None or text.size != 1 or text.dtype.kind != "U":
        raise GridError(where, problem=f"{STRUCTURE} is missing", expected="the place of the map", way_out=AS_DELIVERED)
    fields = str(text.reshape(-1)[0])
    upper_left, lower_right = (_pair(fields, name, where) for name in ("UpperLeftPointMtrs", "LowerRightMtrs"))
    for name, side in (("XDim", width), ("YDim", height)):
        stated = re.search(rf"\b{name}\s*=\s*(\d+)", fields)
        if stated is None or int(stated.group(1)) != side:
            raise GridError(
                where,
                found=f"{name} {stated.group(1) if stated else 'missing'} in {STRUCTURE}",
                expected=f"{side}, as the cube has",
                way_out=AS_DELIVERED,
            )
    step_x, step_y = (lower_right[0] - upper_left[0]) / width, (upper_left[1] - lower_right[1]) / height
    if not (step_x > 0 and step_y > 0 and 0.5 < step_x / step_y < 2):
        raise GridError(
            where,
            found=f"corners {upper_left} and {lower_right}",
            expected="the upper left and the lower right one, with pixels that are nearly square",
            way_out=AS_DELIVERED,
        )
    crs = _crs(file, group, fields, where)
    return Grid(crs, Affine(step_x, 0, upper_left[0], 0, -step_y, upper_left[1]), height, width)


def _pair(fields: str, name: str, where: str) -> tuple[float, float]:
    match = re.search(rf"\b{name}\s*=\s*\(\s*{_NUMBER}\s*,\s*{_NUMBER}\s*\)", fields)
    if match is None:
        raise GridError(
            where, problem=f"{name} is missing in {STRUCTURE}", expected="a corner of the map", way_out=AS_DELIVERED
        )
    return float(match.group(1)), float(match.group(2))


def _crs(file: h5py.File, group: str, fields: str, where: str) -> CRS:
    """Return the CRS by its code, else by the UTM zone, which is negative in the south."""
    code = next(
        (value for node in (member(file, group, where), file)
         if (value := attribute(node, "epsg_code", where)) is not None),
        None,
    )  # fmt: skip
    zone = re.search(r"\bZoneCode\s*=\s*(-?\d+)", fields)
    if code is None and zone is not None and 1 <= abs(int(zone.group(1))) <= LAST_ZONE:
        number = int(zone.group(1))
        code = UTM_NORTH + number if number > 0 else UTM_SOUTH - number
    try:
        if code is None:
            raise CRSError("missing")
        return CRS.from_epsg(int(str(code).upper().removeprefix("EPSG:")))
    except (CRSError, ValueError):
        raise GridError(
            where,
            found="no epsg_code and no UTM zone" if code is None else f"{str(code)[:40]!r} as epsg_code",
            expected="the number of a CRS",
            way_out=AS_DELIVERED,
        ) from None


def _is_one(flags: np.ndarray) -> np.ndarray:
    return np.asarray((flags == 1).any(axis=0))


TANAGER = Sensor(
    name="TANAGER",
    title="Tanager-1, 426 bands: surface reflectance and radiance, ortho and basic",
    patterns=("*.h5",),
    bad_nm=WATER_NM,
    open=open_product,
    recognises=_recognises,
)
