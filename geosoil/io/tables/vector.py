"""Read layers of vector files by the driver of the ending of the file, and by no other.

GDAL tries all its drivers on the content of a file. Some of them follow names of other files and addresses, so that a
`.geojson` file from a stranger could read any file of the user. The first bytes are therefore checked before GDAL opens
a file.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

from geosoil.errors import SamplesError
from geosoil.io.input_paths import require_input

if TYPE_CHECKING:
    from pathlib import Path

    import geopandas as gpd

MAX_LISTED = 5  # names in a message
_SQLITE, _SHAPES = b"SQLite format 3\x00", b"\x00\x00\x27\x0a"
# The first bytes of each binary format; those of JSON and XML are checked by their own rules.
_FIRST_BYTES = {".gpkg": _SQLITE, ".sqlite": _SQLITE, ".shp": _SHAPES, ".fgb": b"fgb"}
_ROOT_ELEMENTS = {".kml": b"kml", ".gpx": b"gpx"}
_JSON = {".geojson": "GeoJSON", ".json": "GeoJSON", ".geojsonl": "GeoJSONSeq"}  # with the driver of each
VECTOR_ENDINGS = (*_FIRST_BYTES, *_JSON, *_ROOT_ELEMENTS, ".gdb", ".zip")
_HEAD = 2**16  # bytes in which GDAL's drivers look for what they recognise


def read_layer(path: Path, layer: str | None = None, *, expected: str = "a table") -> gpd.GeoDataFrame:
    """Read one layer of a vector file.

    Parameters
    ----------
    path : Path
        A `.gpkg`, `.geojson`, `.shp`, `.fgb`, `.kml`, `.gpx` or `.sqlite` file, a `.gdb` folder, or a `.zip` file with
        one shapefile.
    layer : str, optional
        The name of the layer, required if several layers of the file have geometry.
    expected : str
        What the file should be, for messages.

    Returns
    -------
    geopandas.GeoDataFrame
        All columns; a DataFrame for a layer without geometry.

    Raises
    ------
    SamplesError
        If the file is missing or is not of the format of its ending, or the layer is missing or not named.

    Examples
    --------
    >>> from pathlib import Path
    >>> read_layer(Path("absent.gpkg"))
    Traceback (most recent call last):
    geosoil.errors.SamplesError: absent.gpkg: found no such file; expected a table; check the path
    """
    import geopandas as gpd
    import pyogrio

    require_input(path, SamplesError, expected, folders=path.suffix.lower() == ".gdb")
    try:
        name = _checked_name(path)
        layers = {str(name): kind for name, kind in pyogrio.list_layers(name)}
        spatial = [layer for layer, kind in layers.items() if kind is not None]
        if len(spatial) > 1:  # a GPX file has five, of which most are empty
            spatial = [layer for layer in spatial if pyogrio.read_info(name, layer=layer)["features"]] or spatial
        return gpd.read_file(name, layer=_chosen(path, list(layers), spatial, layer), engine="pyogrio")
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:  # pyogrio raises RuntimeError
        raise SamplesError(
            path,
            problem=f"not a readable table ({(str(error) or type(error).__name__).splitlines()[0]})",
            expected="GeoPackage, GeoJSON, Shapefile, FlatGeobuf or KML, as its ending says",
            way_out="check the file, or save it as a GeoPackage",
        ) from error


def _chosen(path: Path, layers: list[str], spatial: list[str], layer: str | None) -> str | None:
    """Return the name of the layer to read: the one given, or the only one with geometry."""
    names = ", ".join(layers[:MAX_LISTED]) + (", ..." if len(layers) > MAX_LISTED else "")
    if layer is not None and layer not in layers:
        raise SamplesError(path, found=f"no layer {layer}", expected=f"one of {names}", way_out="correct the name")
    if layer is None and len(spatial or layers) > 1:
        raise SamplesError(
            path,
            found=f"{len(layers)} layers: {names}",
            expected="the name of one",
            way_out="give it by the key or option `layer`",
        )
    return layer or next(iter(spatial or layers), None)


def _checked_name(path: Path) -> str:
    """Return the name by which GDAL opens a file with the driver of its ending; raises ValueError for other content."""
    suffix = path.suffix.lower()
    if suffix not in VECTOR_ENDINGS:
        msg = f"the ending {suffix or 'of the name'} is not known"
        raise ValueError(msg)
    if suffix == ".gdb":
        if not any(file.suffix.lower() == ".gdbtable" for file in path.iterdir()):
            msg = "no .gdbtable file in the folder"
            raise ValueError(msg)
        return str(path.absolute())
    if suffix == ".zip":
        return _shapefile_in(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    first = _FIRST_BYTES.get(suffix)
    valid = head.startswith(first) if first else _is_text_of(suffix, head)
    if not valid:
        msg = f"its content is not that of a {suffix} file"
        raise ValueError(msg)
    # With this prefix no other driver is tried.
    return f"{_JSON[suffix]}:{path.absolute()}" if suffix in _JSON else str(path.absolute())


def _is_text_of(suffix: str, head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if suffix in _JSON:
        return text.startswith((b"{", b"["))
    prolog = rb"(?:<\?xml[^>]*\?>\s*|<!--.*?-->\s*)*"
    return re.match(prolog + b"<" + _ROOT_ELEMENTS[suffix] + rb"[\s>]", text, re.DOTALL) is not None and not re.search(
        rb"<OGR\w*DataSource", head
    )


def _shapefile_in(path: Path) -> str:
    """Return GDAL's name of the only shapefile in a zip file."""
    with zipfile.ZipFile(path) as archive:
        shapes = [name for name in archive.namelist() if name.lower().endswith(".shp")]
        if len(shapes) != 1:
            msg = f"{len(shapes)} shapefiles in the zip file, instead of one"
            raise ValueError(msg)
        with archive.open(shapes[0]) as file:
            if file.read(len(_SHAPES)) != _SHAPES:
                msg = f"{shapes[0]} is not a shapefile"
                raise ValueError(msg)
    return f"/vsizip/{{{path.absolute()}}}/{shapes[0]}"
