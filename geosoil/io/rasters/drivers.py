"""Open a raster without the drivers of GDAL that follow names, unless its ending is one of theirs.

GDAL recognises the format of a file by its content. Some formats are descriptions that name other files or addresses,
so that a `.tif` file from a stranger could show any file of the user, or contact any address.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import PurePath
from urllib.parse import urlsplit

import rasterio
from rasterio.env import env_ctx_if_needed
from rasterio.io import DatasetReader
from rasterio.session import DummySession

from geosoil.errors import RasterError
from geosoil.io.archives.reader import member_opener

# Drivers whose files name other files or addresses, with the endings of their files. Those without an ending open only
# names that start with their prefix.
FOLLOWING = {
    "VRT": (".vrt",),
    "GTI": (".gti", ".gpkg", ".fgb", ".parquet"),
    "WMS": (".wms", ".xml"),
    "WMTS": (".wmts", ".xml"),
    "WCS": (".wcs", ".xml"),
    "OGCAPI": (".moaw",),
    "STACTA": (".json",),
    "STACIT": (".json", ".geojson"),
    "MRF": (".mrf",),
    "KMLSUPEROVERLAY": (".kml", ".kmz"),
    "ESRIC": (".json", ".xml", ".tpkx"),
    "RPFTOC": (".toc",),
    "ECRGTOC": (".xml",),
    "DIMAP": (".xml", ".dim"),
    "RS2": (".xml",),
    "TSX": (".xml",),
    "SAFE": (".xml", ".safe"),
    "SENTINEL2": (".xml", ".zip", ".safe"),
    "TIL": (".til",),
    "ERS": (".ers",),
    "MAP": (".map",),
    "ISIS3": (".cub", ".lbl"),
    "PDS": (".img", ".lbl"),
    "PDS4": (".xml", ".lblx"),
    "ILWIS": (".mpr", ".mpl"),
    **dict.fromkeys(("DERIVED", "EEDA", "EEDAI", "DAAS", "PLMOSAIC", "NGW", "HTTP"), ()),
}

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_GEOTIFF = (".tif", ".tiff", ".geotiff")


def open_dataset(path: str, *, local: bool, overview: int | None = None) -> DatasetReader:
    """Open a raster by the drivers that its ending allows.

    Parameters
    ----------
    path : str
        A file, an address, or a name of GDAL with the prefix of a driver, which is opened as it is.
    local : bool
        Whether it is the path of a local file.
    overview : int, optional
        The overview to open instead of the raster itself, from 0.

    Returns
    -------
    DatasetReader

    Raises
    ------
    rasterio.errors.RasterioError
        If no such driver can open it.
    RasterError
        If an address holds a description of other files, under the ending of another format.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/elevation.tif"
    ...     with open(path, "w") as made:
    ...         _ = made.write('<VRTDataset rasterXSize="1" rasterYSize="1"/>')
    ...     open_dataset(path, local=True)
    Traceback (most recent call last):
    rasterio.errors.RasterioIOError: '...elevation.tif' not recognized as being in a supported file format.
    """
    ending = PurePath(path if local else urlsplit(path).path).suffix.lower()
    options = {} if overview is None else {"overview_level": overview}
    packed = member_opener(path, _GEOTIFF)
    if packed is not None:  # faster than GDAL, which unpacks a member from its beginning in each thread
        return rasterio.open(packed[0], driver="GTiff", opener=packed[1], **options)
    if local:
        _require_whole_hdf5(path)
        with env_ctx_if_needed():
            return DatasetReader(path, driver=list(_allowed(ending)), **options)
    source = rasterio.open(path, **options)
    is_address = re.match(r"(?!vrt:)[\w+.-]+://|/vsi", path) is not None
    if is_address and source.driver not in _allowed(ending):
        driver = source.driver
        source.close()
        raise RasterError(
            path,
            found=f"a description of other files ({driver})",
            expected=f"a raster, as its ending {ending or '(none)'} says",
            way_out="name the raster itself",
        )
    return source


def _require_whole_hdf5(path: str) -> None:
    """Raise RasterError for a damaged HDF5 file, of which the library inside GDAL would print dozens of lines."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path of any kind
            if file.read(len(HDF5_SIGNATURE)) != HDF5_SIGNATURE:
                return
        import h5py

        h5py.File(path, "r").close()
    except OSError as error:
        if not os.path.isfile(path):  # noqa: PTH113 - a name of GDAL, or a folder
            return
        raise RasterError(
            path,
            problem=f"not a readable HDF5 file ({' '.join(str(error).split())[:160]})",
            expected="a complete file",
            way_out="copy or download the file again",
        ) from error


@lru_cache(maxsize=64)
def _allowed(ending: str) -> tuple[str, ...]:
    """Return the names of the drivers that may open a file with an ending."""
    with env_ctx_if_needed():
        names = rasterio.Env(DummySession()).drivers()
        return tuple(name for name in names if ending in FOLLOWING.get(name, (ending,)))
