"""The tags of an output file that state how it was made."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING

from geosoil import __version__
from geosoil.errors import without_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def shown_name(path: str | os.PathLike[str]) -> str:
    """Return the name of a file or an address without its folder, login, query and fragment.

    Examples
    --------
    >>> shown_name("https://me:word@example.org/a.tif?sig=c2VjcmV0")
    'a.tif'
    >>> shown_name("data/soil#2.tif")
    'soil#2.tif'
    """
    text = without_secrets(os.fspath(path))
    if "://" in text or text.startswith("/vsi"):
        text = text.partition("?")[0].partition("#")[0]
    return PurePath(text).name


def provenance_tags(
    settings: Mapping[str, object], *, model: tuple[str, str] | None = None, notes: Sequence[str] = ()
) -> dict[str, str]:
    """Return all tags of an output: the model, the inputs and settings, the version, the time and the notes.

    Parameters
    ----------
    settings : mapping of str to object
        Names of inputs and values of options, by a word such as "cube" or "scale". Settings that are None are left out.
    model : tuple of (str, str), optional
        Name of the model and the SHA-256 of its files.
    notes : sequence of str
        Sentences about what was done to the inputs.

    Returns
    -------
    dict of str to str
        Tags named `GEOSOIL_...`, and the software tag of TIFF. Secrets are hidden in every value.

    Examples
    --------
    >>> tags = provenance_tags({"dem": "https://example.org/dem.tif?sig=abc", "z_factor": 1.0, "band": None})
    >>> tags["GEOSOIL_DEM"], tags["GEOSOIL_Z_FACTOR"], "GEOSOIL_BAND" in tags
    ('https://example.org/dem.tif?sig=***', '1.0', False)
    """
    stated: dict[str, object] = {} if model is None else {"model": model[0], "model_sha256": model[1]}
    stated |= settings
    stated |= {"version": __version__, "created": current_time(), "notes": "; ".join(notes) or None}
    tags = {f"GEOSOIL_{name.upper()}": value for name, value in stated.items() if value is not None}
    tags["TIFFTAG_SOFTWARE"] = f"geosoil {__version__}"
    return {name: without_secrets(str(value)) for name, value in tags.items()}


def current_time() -> str:
    """Return the time in UTC, or that of SOURCE_DATE_EPOCH, which makes outputs reproducible to the byte."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(seconds), UTC) if seconds.isdigit() else datetime.now(UTC)
    return now.isoformat(timespec="seconds")
