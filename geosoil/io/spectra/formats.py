"""The table of the formats of spectra: how a file is recognised, and which function reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosoil.errors import SamplesError
from geosoil.io.spectra.asd import VERSIONS, read_asd
from geosoil.io.spectra.envi_library import read_envi_library
from geosoil.io.spectra.jcamp import read_jcamp
from geosoil.io.spectra.opus import START as OPUS_START
from geosoil.io.spectra.opus import read_opus
from geosoil.io.spectra.sed import read_sed
from geosoil.io.spectra.sig import START as SIG_START
from geosoil.io.spectra.sig import read_sig
from geosoil.io.spectra.spc import read_spc
from geosoil.io.spectra.table import TABLE_ENDINGS, read_spectra_table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geosoil.io.spectra.stored import StoredSpectra

_HEAD_BYTES = 64


@dataclass(frozen=True)
class SpectraFormat:
    """A format of spectra.

    Parameters
    ----------
    name : str
        What users call it.
    read : callable
        A function that takes a path, and those of `options` by name, and returns `StoredSpectra`.
    endings : tuple of str
        Endings of names in lower case.
    starts : tuple of bytes
        The first bytes by which a file with any name is recognised.
    options : tuple of str
        The options of `read_spectra` that `read` takes.
    of_instrument : bool
        Whether a file is surely that of a spectrometer, so that a folder with one is a folder of spectra.
    """

    name: str
    read: Callable[..., StoredSpectra]
    endings: tuple[str, ...] = ()
    starts: tuple[bytes, ...] = ()
    options: tuple[str, ...] = ()
    of_instrument: bool = True


TABLE = SpectraFormat(
    "table", read_spectra_table, TABLE_ENDINGS, (), ("id_column", "quantity", "decimal", "layer"), of_instrument=False
)
ENVI_LIBRARY = SpectraFormat("ENVI spectral library", read_envi_library, (".sli", ".hdr"), of_instrument=False)
FORMATS = (
    SpectraFormat("ASD", read_asd, (".asd",), (*VERSIONS, b"ASD\0")),
    SpectraFormat("Bruker OPUS", read_opus, (), (OPUS_START,), ("quantity",)),
    SpectraFormat("SPC", read_spc, (".spc",)),
    SpectraFormat("Spectral Evolution SED", read_sed, (".sed",)),
    SpectraFormat("Spectra Vista SIG", read_sig, (".sig",), (SIG_START,)),
    SpectraFormat("JCAMP-DX", read_jcamp, (".jdx", ".dx", ".jcm", ".jcamp"), (b"##TITLE", b"##JCAMP")),
    ENVI_LIBRARY,
    TABLE,
)
"""All formats, in the order in which they are tried; a new one needs its reader and a line here."""

SPECTRA_ENDINGS = tuple(ending for form in FORMATS for ending in form.endings)


def find_format(path: Path) -> SpectraFormat | None:
    """Return the format of a file by its first bytes or else by its ending; None if it is none of `FORMATS`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "soil.0").write_bytes(OPUS_START)
    ...     find_format(Path(folder) / "soil.0").name
    'Bruker OPUS'
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        head = b""
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r") if head[:1] != b"\n" else head
    by_start = (form for form in FORMATS if head.startswith(form.starts))
    by_ending = (form for form in FORMATS if path.suffix.lower() in form.endings)
    return next(by_start, None) or next(by_ending, None)


def read_stored(path: Path, form: SpectraFormat | None, options: dict[str, Any]) -> StoredSpectra:
    """Return the spectra of a file as stored; raises SamplesError if its format is not known.

    `options` are those of `read_spectra`; a format is given those that it takes.
    """
    if form is None:
        raise SamplesError(
            path,
            found=f"a file named *{path.suffix}",
            expected=f"{', '.join(SPECTRA_ENDINGS)}, a file of Bruker OPUS, or a folder of them",
            way_out="convert it to one of these",
        )
    return form.read(path, **{name: options[name] for name in form.options})
