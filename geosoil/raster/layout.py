"""The layout of a raster in geosoil: a lazy `xarray.DataArray` (band, y, x) of float32 with NaN as no data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from geosoil.errors import RasterError, WavelengthError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from affine import Affine

DIMS = ("band", "y", "x")
STORED_BYTES = "stored_bytes_a_value"
"""Key in `encoding` of the bytes that a file uses per value before compression, on average over the bands."""
MASK_BYTES = "mask_bytes_a_pixel"
"""Key in `encoding` of the bytes per pixel that quality masks need beside the bands while a window is read."""
SHARED_BYTES = "shared_bytes_a_band"
"""Key in `encoding` of the bytes per band of decoded chunks that blocks of a map share, if all stay in memory."""
DECODING_BYTES = "decoding_bytes"
"""Key in `encoding` of the bytes that decoding a chunk of the file takes in each thread."""
COSTS = (STORED_BYTES, MASK_BYTES, SHARED_BYTES, DECODING_BYTES)
"""Keys in `encoding` of what reading costs; a raster that is derived from another one keeps them."""
VERTICAL_UNIT = "vertical_unit"
"""Key in `attrs` of (name, metres) of the unit of the vertical CRS of a file; absent if the file has none."""
VOID_CODES = (
    *(-32768, -32767, -99999, -9999, 32767, 65535),
    *(-3.4028234663852886e38, 3.4028234663852886e38, -3.4e38, 3.4e38, 9.969209968386869e36, 1e20),
)
"""Values that SRTM, GIS, GDAL and netCDF write for pixels without data, often without stating it in the file."""


def make_raster(
    data: Any,
    *,
    names: Sequence[str],
    crs: Any,
    transform: Affine,
    wavelength_nm: npt.ArrayLike | None = None,
    fwhm_nm: npt.ArrayLike | None = None,
    source: str = "",
    units: str = "",
    preferred_chunks: Mapping[str, int] | None = None,
    stored_bytes: float | None = None,
) -> xr.DataArray:
    """Make a raster of an array, without reading or copying it.

    Parameters
    ----------
    data : array of shape (band, y, x), float32
        The values, NaN where there is no data: a numpy, dask or lazily indexed array of xarray.
    names : sequence of str
        Unique names of the bands.
    crs : CRS, str, int or None
        Anything that `rasterio.crs.CRS.from_user_input` accepts.
    transform : Affine
        From (column, row) of the corner of a pixel to (x, y) in the CRS.
    wavelength_nm, fwhm_nm : array of shape (band,), optional
        Centres and widths of the bands in nanometres.
    source : str
        The file from which the values come.
    units : str
        Units of the values.
    preferred_chunks : mapping, optional
        The blocks of the file in pixels, `{"y": .., "x": ..}`.
    stored_bytes : float, optional
        Bytes of a value in the file.

    Returns
    -------
    DataArray of shape (band, y, x), float32

    Raises
    ------
    RasterError
        If the shapes do not match, or `check_raster` finds a fault.

    Examples
    --------
    >>> from affine import Affine
    >>> raster = make_raster(np.zeros((1, 2, 3), "float32"), names=["clay"], crs="EPSG:32633",
    ...                      transform=Affine(30, 0, 0, 0, -30, 60))
    >>> raster.x.values
    array([15., 45., 75.])
    >>> raster.rio.crs.to_epsg()
    32633
    """
    import rioxarray  # noqa: F401 - gives .rio

    if data.ndim != 3:
        raise RasterError(
            source or "raster", found=f"{data.ndim} dimensions", expected="(band, y, x)", way_out="add the missing one"
        )
    count, height, width = data.shape
    coordinates: dict[str, Any] = {}
    lists = {"band": [str(name) for name in names], "wavelength_nm": wavelength_nm, "fwhm_nm": fwhm_nm}
    for coordinate, values in lists.items():
        if values is None:
            continue
        values = np.asarray(values, dtype=None if coordinate == "band" else np.float64)
        if values.shape != (count,):
            raise RasterError(
                source or "raster",
                found=f"{coordinate} of {values.size} bands",
                expected=f"one for each of {count} bands",
                way_out="give one value per band",
            )
        coordinates[coordinate] = ("band", values)
    x, y = _pixel_centres(transform, height, width)
    raster = xr.DataArray(data, dims=DIMS, coords={**coordinates, "y": ("y", y), "x": ("x", x)})
    # In place, because rioxarray would otherwise make a deep copy.
    if crs is not None:
        raster.rio.write_crs(crs, inplace=True)
    raster.rio.write_transform(transform, inplace=True)
    raster.attrs.update(source=str(source), units=units)
    if preferred_chunks is not None:
        raster.encoding["preferred_chunks"] = dict(preferred_chunks)
    if stored_bytes is not None:
        raster.encoding[STORED_BYTES] = float(stored_bytes)
    return check_raster(raster)


def check_raster(raster: xr.DataArray) -> xr.DataArray:
    """Check the layout of a raster without reading its values, and return it unchanged.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x), float32

    Returns
    -------
    DataArray
        The raster.

    Raises
    ------
    RasterError
        If dimensions, type or shape differ, or the names of the bands are missing or not unique.

    Examples
    --------
    >>> check_raster(xr.DataArray(np.zeros((1, 2, 3)), dims=("band", "y", "x")))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.RasterError: raster: found values of float64; expected float32; open it with ...
    """
    where = raster.attrs.get("source") or "raster"
    way_out = "open it with geosoil.open_raster, or make it with geosoil.raster.layout.make_raster"
    if raster.dims != DIMS:
        raise RasterError(where, found=f"dimensions {raster.dims}", expected=f"{DIMS}", way_out=way_out)
    if raster.dtype != np.float32:
        raise RasterError(where, found=f"values of {raster.dtype}", expected="float32", way_out=way_out)
    if 0 in raster.shape:
        raise RasterError(
            where,
            found=f"an empty raster of shape {raster.shape}",
            expected="at least one pixel of one band",
            way_out="check the bands and the window that were chosen",
        )
    if "band" not in raster.coords:
        raise RasterError(where, found="bands without names", expected="unique names in `band`", way_out=way_out)
    names, counts = np.unique(raster["band"].values, return_counts=True)
    if (counts > 1).any():
        raise RasterError(
            where,
            found=f"{counts.max()} bands named {str(names[counts.argmax()])!r}",
            expected="unique names",
            way_out="give names to the bands",
        )
    return raster


def nearest_bands(raster: xr.DataArray, centres_nm: Sequence[float], *, tolerance_nm: float, way_out: str) -> list[int]:
    """Return the positions of the bands whose wavelengths are nearest to given ones.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
        A cube with the coordinate `wavelength_nm`.
    centres_nm : sequence of float
        Wavelengths in nm.
    tolerance_nm : float
        Largest distance in nm.
    way_out : str
        What the user can do where a band is missing, for the message.

    Raises
    ------
    WavelengthError
        If the raster has no wavelengths, or no band within the tolerance.

    Examples
    --------
    >>> coords = {"band": ["a", "b"], "wavelength_nm": ("band", [650.0, 860.0])}
    >>> cube = xr.DataArray(np.zeros((2, 1, 1), "float32"), dims=DIMS, coords=coords)
    >>> nearest_bands(cube, [865, 660], tolerance_nm=20, way_out="")
    [1, 0]
    """
    where = raster.attrs.get("source") or "cube"
    if "wavelength_nm" not in raster.coords:
        raise WavelengthError(
            where, found="no wavelengths", expected="one for each band", way_out="open it with geosoil.open_cube"
        )
    distance = np.abs(raster["wavelength_nm"].values - np.asarray(centres_nm, np.float64)[:, None])
    nearest = distance.argmin(axis=1)
    for centre, position, row in zip(centres_nm, nearest, distance, strict=True):
        if not row[position] <= tolerance_nm:
            raise WavelengthError(
                where,
                found=f"no band within {tolerance_nm:g} nm of {centre:g} nm",
                expected=f"bands near {', '.join(f'{value:g}' for value in centres_nm)} nm",
                way_out=way_out,
            )
    return [int(position) for position in nearest]


def _pixel_centres(transform: Affine, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the coordinates `(x,)`, `(y,)` of pixel centres; column and row numbers + 0.5 on a rotated grid."""
    columns, rows = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    is_turned = bool(transform.b or transform.d)
    for numbers, size, corner in ((columns, transform.a, transform.c), (rows, transform.e, transform.f)):
        numbers += 0.5  # in place, since a damaged file may claim millions of columns
        if not is_turned:
            numbers *= size
            numbers += corner
    return columns, rows
