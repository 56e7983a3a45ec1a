"""PRISMA level 2D: the two cubes of an HDF-EOS5 file as one cube of reflectance on the map.

Both cubes have the axes line, band, sample, and descending wavelengths. Bands of wavelength 0 are not used. Reflectance
is Min + DN * (Max - Min) / 65535. The corners among the attributes are centres of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError
from xarray.core import indexing

from geosoil.errors import GridError, RasterError
from geosoil.io.rasters.hdf5 import Hdf5Array, reading_costs
from geosoil.io.rasters.hdf5_files import Hdf5Source, attribute, hdf5_file, is_hdf5, member
from geosoil.io.rasters.hdf5_variables import Hdf5Variable, find_variable
from geosoil.io.rasters.stack import join_bands
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.sensors.base import Product, Sensor, in_windows
from geosoil.sensors.hdf5_products import AS_DELIVERED, FlagArray, checked_centres_nm, flag_raster, number_of
from geosoil.sensors.masks import Bits, MaskLayer

if TYPE_CHECKING:
    import h5py

    from geosoil.sensors.files import ProductFiles

WATER_NM = ((1340.0, 1460.0), (1780.0, 1970.0))
DETECTORS = ("VNIR", "SWIR")
PIXEL_M = 30.0
LARGEST_DN = 65535
FIELDS = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields"
# Values of the error matrices, after the level-2 processing.
INVALID, SATURATED = 1, 4
# A pixel is outside the scene if its digital number is 0 in all bands; these wavelengths, of both detectors and outside
# of the absorption by water, decide it, so that the whole cube need not be read.
REFERENCE_NM = (560.0, 860.0, 1250.0, 1650.0, 2200.0)

_TOLERANCE = 0.02  # pixels, of the distance between corners


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a file as one lazy cube of reflectance: VNIR, then SWIR, each with increasing wavelengths.

    Parameters
    ----------
    files : ProductFiles
        The file with the ending .he5.
    nodata : float, optional
        A digital number that is no data in every band (default: none; pixels outside the scene are the mask
        background).

    Returns
    -------
    Product
        With the masks background, invalid and saturated; the last two are set where a band outside of the absorption by
        water has an error.

    Raises
    ------
    RasterError
        If the file is not a level-2D product, or is damaged.
    WavelengthError
        If its wavelengths are missing or not usable.
    GridError
        If its corners do not fit its pixels, or the cubes differ in size.
    """
    source = Hdf5Source(files.hdf5(_main(files)))
    with hdf5_file(source) as file:
        _require_level(file, source.name)
        cubes, errors = [], []
        for detector in DETECTORS:
            cube = _cube(file, source, detector)
            cubes.append(cube)
            name = f"{FIELDS}/{detector}_PIXEL_L2_ERR_MATRIX"
            if member(file, name, source.name) is not None:
                errors.append((cube, find_variable(source, name, "ybx")))
        sizes = [(cube.variable.length("y"), cube.variable.length("x")) for cube in cubes]
        if sizes[0] != sizes[1]:
            raise GridError(
                source.name,
                found=f"a SWIR cube of {sizes[1][0]} x {sizes[1][1]} pixels",
                expected=f"{sizes[0][0]} x {sizes[0][1]}, as the VNIR cube has",
                way_out=AS_DELIVERED,
            )
        grid, note = _grid(file, source.name, *sizes[0])
        metadata = {
            "ProductLevel": "L2D",
            "StartTime": attribute(file, "Product_StartTime", source.name),
            "SolarZenith": attribute(file, "Sun_zenith_angle", source.name),
        }
    notes = [note, "reflectance is Min + DN x (Max - Min) / 65535"]
    unused = [f"{cube.n_unused} of {name}" for cube, name in zip(cubes, DETECTORS, strict=True) if cube.n_unused]
    if unused:
        notes.append(f"left out unused bands: {', '.join(unused)}")
    chunks = {axis: max(cube.variable.preferred_chunks[axis] for cube in cubes) for axis in "yx"}
    parts = [
        make_raster(
            indexing.LazilyIndexedArray(cube.array(nodata)),
            names=[f"{detector} {number + 1}" for number in cube.bands],
            crs=grid.crs,
            transform=grid.transform,
            wavelength_nm=cube.centre_nm,
            source=source.name,
            units="reflectance",
            preferred_chunks=chunks,
            stored_bytes=np.dtype(cube.variable.dtype).itemsize,
        )
        for cube, detector in zip(cubes, DETECTORS, strict=True)
    ]
    for part, cube in zip(parts, cubes, strict=True):
        part.encoding.update(reading_costs(cube.variable))
    coordinates = {
        "wavelength_nm": ("band", np.concatenate([cube.centre_nm for cube in cubes])),
        "fwhm_nm": ("band", np.concatenate([cube.fwhm_nm for cube in cubes])),
    }
    raster = join_bands(parts).assign_coords(coordinates)
    raster.attrs.update(notes=notes, **{key: value for key, value in metadata.items() if value is not None})
    return Product(raster, None, _masks(cubes, errors, grid, source.name, chunks))


class _Cube:
    """One detector: its data set, and the bands that are used, by increasing wavelength."""

    def __init__(
        self, variable: Hdf5Variable, centre_nm: np.ndarray, fwhm_nm: np.ndarray, limits: tuple[float, float]
    ) -> None:
        self.variable = variable
        used = np.flatnonzero(centre_nm != 0)
        self.bands = used[np.argsort(centre_nm[used], kind="stable")]
        self.n_unused = centre_nm.size - used.size
        self.centre_nm, self.fwhm_nm = centre_nm[self.bands], fwhm_nm[self.bands]
        self.offset, self.scale = limits[0], (limits[1] - limits[0]) / LARGEST_DN

    def array(self, nodata: float | None) -> Hdf5Array:
        """Return its bands as reflectance."""
        return Hdf5Array(self.variable, self.bands, nodata=nodata, scale=self.scale, offset=self.offset)


def _main(files: ProductFiles) -> str:
    return files.named if files.named is not None else files.one("a PRISMA product", "prs_l*.he5")


def _recognises(files: ProductFiles) -> bool:
    """Return whether files are a product of PRISMA of any level: by the name, or by the groups of the file."""
    if files.find("prs_l*.he5") and files.named in (None, *files.find("prs_l*.he5")):
        return True
    if files.named is None or not is_hdf5(files.path(files.named)):
        return False
    source = Hdf5Source(files.path(files.named))
    try:
        with hdf5_file(source) as file:
            return any(name.startswith("PRS_L") for name in member(file, "HDFEOS/SWATHS", source.name) or ())
    except RasterError:
        return False


def _require_level(file: h5py.File, where: str) -> None:
    swaths = member(file, "HDFEOS/SWATHS", where)
    levels = sorted({name[4:7].strip("_") for name in swaths or () if name.startswith("PRS_L")})
    if "L2D" not in levels:
        raise RasterError(
            where,
            found=f"level {', '.join(levels)}, in sensor geometry" if levels else "no swath of PRISMA",
            expected="level L2D, which is on a map",
            way_out="order the product as L2D",
        )


def _cube(file: h5py.File, source: Hdf5Source, detector: str) -> _Cube:
    """Read the layout and the bands of one detector."""
    where, title = source.name, detector.capitalize()
    variable = find_variable(source, f"{FIELDS}/{detector}_Cube", "ybx")
    listed = attribute(file, f"List_Cw_{title}", where)
    count = np.size(listed) if listed is not None else variable.length("b")
    if count != variable.length("b"):
        raise RasterError(
            where,
            found=f"{detector}_Cube of shape {' x '.join(map(str, variable.shape))}",
            expected=f"{count} bands, as List_Cw_{title} has, on its second axis",
            way_out=AS_DELIVERED,
        )
    if variable.dtype not in ("<u2", ">u2"):
        raise RasterError(
            where,
            found=f"{detector}_Cube of {np.dtype(variable.dtype)}",
            expected="uint16, from 0 to 65535",
            way_out=AS_DELIVERED,
        )
    centre_nm = checked_centres_nm(listed, count, where, f"List_Cw_{title}", unused=0)
    fwhm_nm = attribute(file, f"List_Fwhm_{title}", where)
    fwhm_nm = checked_centres_nm(fwhm_nm, count, where, f"List_Fwhm_{title}", unused=0)
    limits = tuple(number_of(file, f"L2Scale{title}{end}", where) for end in ("Min", "Max"))
    if not limits[0] < limits[1]:
        raise RasterError(
            where,
            found=f"L2Scale{title}Min {limits[0]:g} and Max {limits[1]:g}",
            expected="a maximum that is larger",
            way_out=AS_DELIVERED,
        )
    return _Cube(variable, centre_nm, fwhm_nm, (limits[0], limits[1]))


def _grid(file: h5py.File, where: str, height: int, width: int) -> tuple[Grid, str]:
    """Return the grid, and a note on how the corners were read."""
    corners = {
        (corner, axis): number_of(file, f"Product_{corner}corner_{axis}", where)
        for corner in ("UL", "LR")
        for axis in ("easting", "northing")
    }
    left, top = corners["UL", "easting"], corners["UL", "northing"]
    across, down = corners["LR", "easting"] - left, top - corners["LR", "northing"]
    code = number_of(file, "Epsg_Code", where)
    try:
        crs = CRS.from_epsg(int(code))
    except CRSError:
        raise GridError(
            where, found=f"{code:g} as Epsg_Code", expected="the number of a CRS", way_out=AS_DELIVERED
        ) from None
    for pixels, shift, note in (
        (1, PIXEL_M / 2, "corners of the product are centres of pixels: the map begins 15 m to the west and north"),
        (0, 0.0, "corners of the product are edges of pixels, as they are a whole number of pixels apart"),
    ):
        if max(abs(across / PIXEL_M - (width - pixels)), abs(down / PIXEL_M - (height - pixels))) <= _TOLERANCE:
            return Grid(crs, Affine(PIXEL_M, 0, left - shift, 0, -PIXEL_M, top + shift), height, width), note
    raise GridError(
        where,
        found=f"corners that are {across:g} m and {down:g} m apart, from west to east and from north to south",
        expected=f"{PIXEL_M * (width - 1):g} m and {PIXEL_M * (height - 1):g} m for {height} x {width} pixels of 30 m",
        way_out=AS_DELIVERED,
    )


def _masks(
    cubes: list[_Cube], errors: list[tuple[_Cube, Hdf5Variable]], grid: Grid, where: str, chunks: dict[str, int]
) -> tuple[MaskLayer, ...]:
    """Return the masks: background from the digital numbers, invalid and saturated from the error matrices."""

    references = [(cube, [nm for nm in REFERENCE_NM if np.abs(cube.centre_nm - nm).min() < 15]) for cube in cubes]
    outside = [
        Hdf5Array(cube.variable, [cube.bands[np.abs(cube.centre_nm - nm).argmin()] for nm in nearby])
        for cube, nearby in references
        if nearby
    ]
    masks = []
    if outside:
        flags = FlagArray(outside, _is_zero, together=True)
        masks.append(
            MaskLayer("background", flag_raster(flags, grid, name="background", source=where, chunks=chunks), (1,))
        )
    arrays = []
    for cube, variable in errors:
        if variable.shape != cube.variable.shape:
            raise RasterError(
                where,
                found=f"{variable.name.rpartition('/')[2]} of shape {' x '.join(map(str, variable.shape))}",
                expected=f"{' x '.join(map(str, cube.variable.shape))}, as the cube has",
                way_out=AS_DELIVERED,
            )
        arrays.append(Hdf5Array(variable, cube.bands[~in_windows(cube.centre_nm, WATER_NM)]))
    if arrays:
        raster = flag_raster(FlagArray(arrays, _error_bits), grid, name="errors", source=where, chunks=chunks)
        masks += [MaskLayer("invalid", raster, Bits((0,))), MaskLayer("saturated", raster, Bits((1,)))]
    return tuple(masks)


def _is_zero(numbers: np.ndarray) -> np.ndarray:
    return np.asarray((numbers == 0).all(axis=0))


def _error_bits(codes: np.ndarray) -> np.ndarray:
    """Return bit 0 where a band is invalid, bit 1 where one is saturated."""
    invalid, saturated = ((codes == code).any(axis=0).astype(np.uint8) for code in (INVALID, SATURATED))
    return np.asarray(invalid | saturated << 1)


PRISMA = Sensor(
    name="PRISMA",
    title="PRISMA level 2D, 66 + 173 bands",
    patterns=("*.he5",),
    bad_nm=WATER_NM,
    open=open_product,
    recognises=_recognises,
)
