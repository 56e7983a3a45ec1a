"""ENVI headers: the text files with the wavelengths of a raster, beside the raster itself."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

DATA_ENDINGS = ("", ".dat", ".img", ".bil", ".bip", ".bsq", ".raw", ".bin", ".tif", ".tiff")
MOST_BYTES = 20 * 1024**2


def data_file(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Return the data file beside an ENVI header that was named in its place; any other path is returned unchanged.

    Parameters
    ----------
    path : path-like
        `scene.hdr`, whose data file is `scene`, `scene.dat`, `scene.img` and so on; or any other path.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "scene.hdr").write_text("ENVI")
    ...     _ = (Path(folder) / "scene.dat").write_bytes(b"")
    ...     Path(data_file(folder + "/scene.hdr")).name
    'scene.dat'
    """
    text = os.fspath(path)
    if not text.lower().endswith(".hdr") or "://" in text or not Path(text).is_file():
        return path
    stem = text[: -len(".hdr")]
    candidates = [Path(stem + ending) for lower in DATA_ENDINGS for ending in dict.fromkeys((lower, lower.upper()))]
    return next((candidate for candidate in candidates if candidate.is_file()), path)


def has_envi_header(path: str | os.PathLike[str]) -> bool:
    """Return whether an ENVI header is beside a file: `scene.dat` is then a raster and not a table."""
    return any(header.is_file() for header in _headers_beside(Path(path)))


def _headers_beside(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".hdr"), path.with_name(path.name + ".hdr")


def envi_fields(source: DatasetReader) -> dict[str, str]:
    """Return the fields of the ENVI header of an open raster, with _ for the spaces in their names.

    GDAL reads the header of an ENVI file. A header beside a file of another format, such as `cube.hdr` beside
    `cube.tif`, is read here, if it describes the same number of bands.
    """
    fields = source.tags(ns="ENVI")
    local = Path(source.name)
    if fields or "://" in source.name or not local.is_file():
        return dict(fields)
    for header in _headers_beside(local):
        if header.is_file() and header.stat().st_size <= MOST_BYTES:
            found = parse_header(header.read_text(encoding="utf-8", errors="replace"))
            if found.get("bands") == str(source.count):
                return {name.replace(" ", "_"): value for name, value in found.items()}
    return {}


def parse_header(text: str) -> dict[str, str]:
    """Return the fields of an ENVI header by their names in lower case; nothing for another text.

    >>> parse_header("ENVI\\nbands = 2\\nWavelength = {450,\\n 560}")
    {'bands': '2', 'wavelength': '{450,\\n 560}'}
    """
    if text[:4].upper() != "ENVI":
        return {}
    fields = re.findall(r"^[ \t]*([^=\n{}]+?)[ \t]*=[ \t]*(\{[^}]*\}|[^\n]*)", text, flags=re.MULTILINE)
    return {name.lower(): value.strip() for name, value in fields}
