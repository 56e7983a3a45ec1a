"""Read all spectra of a folder, which may have files of several formats and files that are not spectra."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.rasters.envi_header import has_envi_header
from geosoil.io.spectra.band_names import find_band_columns, is_band_header, wavelength_column
from geosoil.io.spectra.envi_library import is_library_header
from geosoil.io.spectra.formats import ENVI_LIBRARY, TABLE, find_format, read_stored
from geosoil.io.spectra.table import NoBandsError
from geosoil.io.spectra.unify import Spectra, unify_spectra
from geosoil.io.tables.delimited import TEXT_ENDINGS, inspect_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geosoil.io.spectra.formats import SpectraFormat

_MOST_NAMES = 20  # of files that are not spectra, in a note


def has_spectra(folder: Path) -> bool:
    """Return whether a folder has a file of a spectrometer; tables and ENVI headers are in other folders, too."""
    return any(
        form.of_instrument for path in folder.iterdir() if path.is_file() and (form := find_format(path)) is not None
    )


def read_folder(
    folder: Path, options: dict[str, Any], units: dict[str, Any], exclude: Sequence[Path] = ()
) -> list[Spectra]:
    """Read the spectra of all files directly in a folder.

    Parameters
    ----------
    folder : Path
        The folder; folders inside it are not read.
    options : dict
        The options of readers: id_column, quantity, decimal, layer.
    units : dict
        The options of `unify_spectra`: quantity, scale, wavelength_unit.
    exclude : sequence of Path
        Files that are neither read nor named, such as a table of labels.

    Returns
    -------
    list of Spectra
        One per set of wavelengths, in the order of the names of files. Notes of the first one name the files that are
        not spectra.

    Raises
    ------
    SamplesError
        If there are no spectra, or a file of a known format is damaged.
    UnitsError
        If some files are reflectance and others absorbance.
    """
    parts: list[Spectra] = []
    left_out: list[str] = []
    for path in sorted(folder.iterdir()):
        if any(path.name == other.name and path.samefile(other) for other in exclude if other.exists()):
            continue
        form = find_format(path) if path.is_file() else None
        if form is ENVI_LIBRARY and path.suffix.lower() == ".hdr":
            if path.with_suffix(".sli").is_file() or path.with_name(path.stem).suffix.lower() == ".sli":
                continue  # read with its data file
            form = form if is_library_header(path) else None
        part = None if form is None else _read_file(path, form, options, units)
        if part is None:
            left_out.append(f"{path.name}/" if path.is_dir() else path.name)
        else:
            parts.append(part)
    if not parts:
        raise SamplesError(
            folder, found="no file of spectra", expected="files of spectra in the folder", way_out="check the folder"
        )
    kinds = {part.quantity: part.source.name for part in reversed(parts)}
    if len(kinds) > 1:
        raise UnitsError(
            folder,
            found=f"reflectance in {kinds['reflectance']} and absorbance in {kinds['absorbance']}",
            expected="one quantity",
            way_out="put them into different folders",
        )
    groups: dict[bytes, list[Spectra]] = {}
    for part in _with_unique_ids(parts):
        groups.setdefault(part.wavelength_nm.tobytes(), []).append(part)
    joined = [_join(folder, group) for group in groups.values()]
    if left_out:
        more = f" and {len(left_out) - _MOST_NAMES} more" if len(left_out) > _MOST_NAMES else ""
        note = f"{folder.name}: not spectra, and left out: {', '.join(left_out[:_MOST_NAMES])}{more}"
        joined[0] = replace(joined[0], notes=(*joined[0].notes, note))
    return joined


def require_one_grid(folder: Path, groups: list[Spectra]) -> Spectra:
    """Return the only group; raises WavelengthError if files have different wavelengths."""
    if len(groups) > 1:
        first, other = groups[0], groups[1]
        texts = [f"{len(nm)} from {nm[0]:g} to {nm[-1]:g} nm" for nm in (other.wavelength_nm, first.wavelength_nm)]
        raise WavelengthError(
            folder / str(other.table["file"].iloc[0]),
            found=f"{texts[0].replace(' ', ' bands ', 1)}",
            expected=f"{texts[1]} as in {first.table['file'].iloc[0]}",
            way_out="put files with different wavelengths into different folders, or run `geosoil spectra FOLDER"
            " --wavelengths START:STOP:STEP`",
        )
    return groups[0]


def _read_file(path: Path, form: SpectraFormat, options: dict[str, Any], units: dict[str, Any]) -> Spectra | None:
    """Return the spectra of a file; None for a table or text without bands, and for a raster."""
    if form is TABLE and (has_envi_header(path) or (path.suffix.lower() in TEXT_ENDINGS and not _has_bands(path))):
        return None
    try:
        stored = read_stored(path, form, options)
    except NoBandsError:
        return None
    spectra = unify_spectra(path, stored, **units)
    table = spectra.table.reset_index(drop=True)
    table["file"] = path.name
    return replace(spectra, table=table)


def _has_bands(path: Path) -> bool:
    """Return whether the header of a text has columns of bands, or a column of wavelengths."""
    try:
        names = inspect_text(path, is_band_header).names
        return len(find_band_columns(path, names).names) > 1 or wavelength_column(names) is not None
    except SamplesError:
        return False


def _with_unique_ids(parts: list[Spectra]) -> list[Spectra]:
    """Return the files with the names of files as ids where several have the same one, as `soil.0` and `soil.1`."""
    counts = Counter(name for part in parts for name in set(part.ids))
    unique = []
    for part in parts:
        if any(counts[name] > 1 for name in part.ids):
            file = part.source.name
            ids = [file] if len(part.ids) == 1 else [f"{file}/{name}" for name in part.ids]
            part = replace(part, ids=ids)
        unique.append(part)
    return unique


def _join(folder: Path, group: list[Spectra]) -> Spectra:
    first = group[0]
    return Spectra(
        first.wavelength_nm,
        np.concatenate([part.values for part in group]),
        [name for part in group for name in part.ids],
        pd.concat([part.table for part in group], ignore_index=True),
        first.quantity,
        folder,
        tuple(note for part in group for note in part.notes),
    )
