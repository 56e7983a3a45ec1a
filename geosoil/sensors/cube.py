"""Open a cube: the folder, archive or file of a product, or a file whose bands have wavelengths."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

import geosoil.sensors.accessor  # noqa: F401 - gives .soil
from geosoil.errors import RasterError, WavelengthError, without_secrets
from geosoil.io.archives.reader import is_archive
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.envi_header import data_file, envi_fields
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import Bands, find_bands, read_band_table
from geosoil.sensors import SENSORS
from geosoil.sensors.base import Product, Sensor, in_windows
from geosoil.sensors.files import ProductFiles
from geosoil.sensors.masks import MaskLayer, applied_masks, apply_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

Overlap = Literal["detector", "wavelength", "vnir", "swir"]


def open_cube(
    path: str | os.PathLike[str],
    *,
    band_table: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    overlap: Overlap = "detector",
    drop_nm: Sequence[tuple[float, float]] | None = None,
    keep: Sequence[str] = (),
    pixel_m: int | None = None,
) -> xr.DataArray:
    """Open a cube lazily: only metadata is read.

    Bands that the file or product marks as bad (`bbl`, `good`) are left out, and pixels that quality masks of a product
    exclude are NaN in all bands.

    Parameters
    ----------
    path : path or URL
        A product (see `SENSORS`) as a folder, a zip, a tar, a tar.gz or its main file; or a file that `open_raster`
        accepts.
    band_table : path, optional
        A CSV table of wavelengths (see `read_band_table`) that replaces those of the file.
    scale, offset : float, optional
        value = scale * stored + offset, as in `open_raster`. For an ENVI file with a `reflectance scale factor` the
        default scale is its inverse, and the units are "reflectance".
    nodata : float, optional
        The stored value of no data.
    overlap : {"detector", "wavelength", "vnir", "swir"}
        Treatment of the bands where two detectors overlap. "detector" keeps the order of the files, "wavelength"
        sorts by wavelength, and "vnir" and "swir" keep only the bands of that detector in the overlap.
    drop_nm : sequence of (lowest, highest), optional
        Windows in nm whose bands are left out (default: the water-vapour windows of the sensor, if it is known by the
        product or by a tag SENSOR of the file); `[]` keeps all bands.
    keep : sequence of str
        Names of quality masks whose pixels are kept, such as "water" (see `geosoil.sensors.masks.MASKS`).
    pixel_m : int, optional
        The side in m of the pixels, for a product with several grids: 10, 20 (default) or 60 for Sentinel-2.

    Returns
    -------
    DataArray of shape (band, y, x), float32
        The cube with the coordinate `wavelength_nm`. Bands are named by their wavelengths, with a number where two
        are equal. `attrs["notes"]` lists what was done, `attrs["sensor"]` names the sensor as far as
        it is known.

    Raises
    ------
    WavelengthError
        If wavelengths are missing or not usable.
    RasterError
        If a file or folder cannot be read.
    GridError
        If the images of a product differ in shape.

    Examples
    --------
    >>> import rasterio, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/cube.tif"
    ...     with rasterio.open(path, "w", driver="GTiff", width=2, height=1, count=2, dtype="int16",
    ...                        transform=rasterio.Affine(30, 0, 0, 0, -30, 0)) as made:
    ...         made.write(np.full((2, 1, 2), 2500, "int16"))
    ...         for band, centre in ((1, 650.0), (2, 2200.0)):
    ...             made.update_tags(band, wavelength=centre, wavelength_units="nm")
    ...     cube = open_cube(path, scale=1e-4)
    ...     cube.sel(band=["2200.0 nm"]).values.tolist()
    [[[0.25, 0.25]]]
    """
    return open_cube_with_masks(
        path, band_table=band_table, scale=scale, offset=offset, nodata=nodata, overlap=overlap, drop_nm=drop_nm,
        keep=keep, pixel_m=pixel_m,
    ).raster  # fmt: skip


@dataclass(frozen=True)
class OpenedCube:
    """A cube with what its reader knows beside it.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x), float32
        What `open_cube` returns; the masks are applied.
    masks : tuple of MaskLayer
        The masks that are applied.
    files : tuple of str
        Further files that were read, beside that of the path.
    """

    raster: xr.DataArray
    masks: tuple[MaskLayer, ...] = ()
    files: tuple[str, ...] = ()


def open_cube_with_masks(
    path: str | os.PathLike[str],
    *,
    band_table: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    overlap: Overlap = "detector",
    drop_nm: Sequence[tuple[float, float]] | None = None,
    keep: Sequence[str] = (),
    pixel_m: int | None = None,
) -> OpenedCube:
    """Open a cube as `open_cube` does, and return it with its masks and files."""
    if overlap not in get_args(Overlap):
        raise RasterError(
            path,
            found=f"overlap={overlap!r}",
            expected=f"one of {', '.join(get_args(Overlap))}",
            way_out="choose one of them",
        )
    path = data_file(path)
    masks: tuple[MaskLayer, ...] = ()
    detector: np.ndarray | None = None
    others: tuple[str, ...] = ()
    sensor: Sensor | None
    product = _find_product(path, scale, offset)
    sizes = product[1].pixels_m if product is not None else ()
    if pixel_m is not None and pixel_m not in sizes:
        raise RasterError(
            path,
            found=f"pixels of {pixel_m} m",
            expected=f"one of {', '.join(map(str, sorted(sizes)))} m" if sizes else "the pixels of the file",
            way_out="choose one of them" if sizes else "leave the size out, since the product has one grid only",
        )
    if product is not None:
        sensor = product[1]
        opened = _from_product(*product, band_table, nodata, pixel_m)
        cube, good, masks, detector = opened.raster, opened.good, opened.masks, opened.detector
        others = product[0].used_paths
    else:
        cube, sensor, good = _from_file(path, band_table, scale, offset, nodata)
    masks = applied_masks(masks, keep, path)
    notes = list(cube.attrs.get("notes", []))
    wavelength_nm = cube["wavelength_nm"].values
    cube = cube.assign_coords(band=_names(wavelength_nm))
    kept = np.ones(wavelength_nm.size, dtype=bool)
    if good is not None and not good.all():
        kept &= good
        notes.append(f"left out {np.count_nonzero(~good)} bands marked bad: {_ranges(wavelength_nm[~good])}")
    windows = tuple(drop_nm) if drop_nm is not None else sensor.bad_nm if sensor else ()
    dropped = kept & in_windows(wavelength_nm, windows)
    if dropped.any():
        kept &= ~dropped
        reason = "on request" if drop_nm is not None or sensor is None else f"of water vapour ({sensor.name})"
        notes.append(f"left out {np.count_nonzero(dropped)} bands {reason}: {_ranges(wavelength_nm[dropped])}")
    order = _ordered(wavelength_nm, np.flatnonzero(kept), overlap, detector, path, notes)
    if not order.size:
        raise WavelengthError(
            path, problem="all bands were left out", expected="at least one band", way_out="drop fewer windows"
        )
    if not np.array_equal(order, np.arange(wavelength_nm.size)):
        cube = cube.isel(band=order)
    if masks:
        notes.append(f"left out pixels of the masks {', '.join(dict.fromkeys(layer.name for layer in masks))}")
    cube.attrs.update(notes=notes, sensor=sensor.name if sensor else cube.attrs.get("sensor", ""))
    cube.attrs["source"] = without_secrets(str(cube.attrs["source"]))  # it becomes a tag of maps
    return OpenedCube(apply_masks(cube, masks), masks, others)


def lacks_scale(path: str | os.PathLike[str]) -> bool:
    """Return whether a file has whole numbers and does not state how they become reflectance."""
    path = data_file(path)
    if _find_product(path) is not None:  # its calibration is known
        return False
    local = absolute_path(path)
    with dataset(local, file_stamp(local)) as source:
        is_whole = all(np.dtype(dtype).kind in "iu" for dtype in source.dtypes)
        is_stated = any(value != 1.0 for value in source.scales) or any(source.offsets)
        return is_whole and not is_stated and not envi_fields(source).get("reflectance_scale_factor")


def _find_product(
    path: str | os.PathLike[str], scale: float | None = None, offset: float | None = None
) -> tuple[ProductFiles, Sensor] | None:
    """Return the files and the sensor of a product; None for a raster file, which is opened as it is."""
    if not os.fspath(path):  # Path("") is the working folder
        raise RasterError("the cube", found="an empty path", expected="a file or a folder", way_out="give its path")
    local = Path(path)
    is_address = "://" in os.fspath(path)
    is_whole = is_archive(path) if is_address else local.is_dir() or (is_archive(path) and local.is_file())
    if not is_whole and not is_address and not local.is_file():
        return None
    files = ProductFiles.of(path)
    matching = [sensor for sensor in SENSORS.values() if sensor.matches(files)]
    if not is_whole and (not matching or _is_plain(path, scale, offset)):
        return None
    if len(matching) != 1:
        names = ", ".join(sensor.name for sensor in matching)
        what = "an archive" if not local.is_dir() else "a folder"
        raise RasterError(
            path,
            found=f"{what} with products of several sensors ({names})"
            if matching
            else f"{what} that is not a known product",
            expected=f"a product of {', '.join(SENSORS)}, or a file",
            way_out="give the path of the product" if matching else "give the path of the raster file",
        )
    if scale is not None or offset is not None:
        raise RasterError(
            path,
            found="a scale or offset for a product",
            expected="no scale and no offset",
            way_out="omit them: the calibration of the product is used",
        )
    return files, matching[0]


def _is_plain(path: str | os.PathLike[str], scale: float | None, offset: float | None) -> bool:
    """Return whether a GeoTIFF of a product is to be opened as it is, since the user gives its scale."""
    return (scale is not None or offset is not None) and os.fspath(path).lower().endswith((".tif", ".tiff", ".geotiff"))


def _from_product(
    files: ProductFiles,
    sensor: Sensor,
    table: str | os.PathLike[str] | None,
    nodata: float | None,
    pixel_m: int | None,
) -> Product:
    """Open a product; a table of bands replaces its wavelengths."""
    options: dict[str, Any] = {} if pixel_m is None else {"pixel_m": pixel_m}
    product = sensor.open(files, nodata=nodata, **options)
    if table is None:
        return product
    band_table = read_band_table(table, count=product.raster.sizes["band"])
    flags = [good for good in (band_table.good, product.good) if good is not None]
    good = np.logical_and.reduce(flags) if flags else None
    return replace(product, raster=_with_wavelengths(product.raster, band_table), good=good)


def _from_file(
    path: str | os.PathLike[str],
    table: str | os.PathLike[str] | None,
    scale: float | None,
    offset: float | None,
    nodata: float | None,
) -> tuple[xr.DataArray, Sensor | None, np.ndarray | None]:
    local = absolute_path(path)
    with dataset(local, file_stamp(local)) as source:
        tags, header = source.tags(), envi_fields(source)
        scaled = any(value != 1.0 for value in source.scales)
    units, notes = None, []
    factor = header.get("reflectance_scale_factor")
    if factor and scale is None and offset is None and not scaled:
        scale, units = 1.0 / _positive(factor, path), "reflectance"
        notes.append(f"divided by the ENVI reflectance scale factor {factor}")
    bands = find_bands(path, table=table)
    if bands is None:
        raise WavelengthError(
            path,
            found="no wavelengths",
            expected="one for each band",
            way_out="give a table of bands (--bands TABLE.csv with a column wavelength_nm)",
        )
    cube = open_raster(path, scale=scale, offset=offset, nodata=nodata, units=units)
    tag = next((value for name, value in tags.items() if name.upper() == "SENSOR"), header.get("sensor_type", ""))
    cube.attrs.update(notes=notes, sensor="" if tag.lower() == "unknown" else tag)
    return _with_wavelengths(cube, bands), SENSORS.get(tag), bands.good


def _with_wavelengths(cube: xr.DataArray, bands: Bands) -> xr.DataArray:
    coordinates = {"wavelength_nm": ("band", bands.centre_nm)}
    if bands.fwhm_nm is not None:
        coordinates["fwhm_nm"] = ("band", bands.fwhm_nm)
    return cube.drop_vars("fwhm_nm", errors="ignore").assign_coords(coordinates)


def _ordered(
    wavelength_nm: np.ndarray,
    kept: np.ndarray,
    overlap: Overlap,
    detector: np.ndarray | None,
    where: object,
    notes: list[str],
) -> np.ndarray:
    """Order the kept band numbers by the rule for the overlap of two detectors."""
    # The seam is where the wavelength decreases; without overlap there is none, and all rules are the same.
    centres = wavelength_nm[kept]
    seams = np.flatnonzero(np.diff(centres) < 0) + 1
    of_vnir = None if detector is None else detector[kept] == "vnir"
    is_one = not seams.size and (of_vnir is None or of_vnir.all() or not of_vnir.any())
    if overlap == "detector" or is_one:
        return kept
    if overlap == "wavelength":
        notes.append("bands sorted by wavelength")
        return kept[np.argsort(centres, kind="stable")]
    if seams.size > 1 and of_vnir is None:
        raise WavelengthError(
            where,
            found=f"wavelengths that decrease {seams.size} times",
            expected="two detectors, each with increasing wavelengths",
            way_out='use overlap="wavelength"',
        )
    vnir = np.arange(centres.size) < seams[0] if of_vnir is None else of_vnir
    extra = ~vnir & (centres <= centres[vnir].max()) if overlap == "vnir" else vnir & (centres >= centres[~vnir].min())
    notes.append(f"left out {np.count_nonzero(extra)} bands in the overlap of the detectors, {overlap} kept")
    return kept[~extra]


def _names(wavelength_nm: np.ndarray) -> list[str]:
    """Name bands by their wavelength, with their number in the file where wavelengths are equal.

    >>> _names(np.array([450.0, 993.081, 993.081]))
    ['450.0 nm', '993.081 nm (band 2)', '993.081 nm (band 3)']
    """
    names = [f"{np.round(centre, 3)} nm" for centre in wavelength_nm]
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name} (band {i})" for i, name in enumerate(names, start=1)]


def _ranges(wavelength_nm: np.ndarray) -> str:
    return f"{wavelength_nm.min():.1f} to {wavelength_nm.max():.1f} nm"


def _positive(text: str, where: object) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise RasterError(
            where,
            found=f"{text!r} as ENVI reflectance scale factor",
            expected="a positive number",
            way_out="correct the header, or give the scale",
        )
    return value
