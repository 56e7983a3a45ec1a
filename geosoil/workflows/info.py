"""Describe a model, a table of spectra, a cube or another raster as text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.io.spectra.reader import is_spectra, read_spectra
from geosoil.mapping.inputs import CovariateInput, CubeInput
from geosoil.models.display import describe_card
from geosoil.models.store import CARD, find_model, read_card

if TYPE_CHECKING:
    import os

    Pairs = list[tuple[str, str]]


def describe_path(path: str | os.PathLike[str], **cube_options: Any) -> str:
    """Describe what a path holds.

    Parameters
    ----------
    path : path-like
        A model folder or the name of a model, a table of spectra, a cube, or another raster.
    **cube_options
        Options of a cube, as for `map_cube`.

    Returns
    -------
    str
        One line per property.

    Raises
    ------
    GeosoilError
        The path cannot be read.
    """
    text = str(path)
    if _is_model(text):
        return _lines(_describe_model(find_model(text)))
    if is_spectra(text):
        return _lines(_describe_spectra(text))
    try:
        return _lines(CubeInput(text, **cube_options).describe())
    except WavelengthError:
        if any(value is not None for value in cube_options.values()):
            raise
        return _lines(CovariateInput(text).describe())


def _is_model(path: str) -> bool:
    try:
        return (find_model(path) / CARD).is_file()
    except GeosoilError:
        if "/" not in path and not Path(path).exists():
            raise RasterError(
                path,
                found="no such file or model",
                expected="a cube, a table of spectra, a model folder or the name of a model",
                way_out="check the path",
            ) from None
        return False


def _lines(pairs: Pairs) -> str:
    width = max(len(name) for name, _ in pairs)
    return "\n".join(f"{name:{width}s}  {text}" for name, text in pairs)


def _describe_model(folder: Path) -> Pairs:
    (title, text), *pairs = describe_card(read_card(folder))
    return [(title, f"{text}, {folder}"), *pairs]


def _describe_spectra(path: str) -> Pairs:
    spectra = read_spectra(path)
    n, p = spectra.values.shape
    low, high = spectra.wavelength_nm[[0, -1]]
    step = np.diff(spectra.wavelength_nm)
    spacing = f", step {step.min():g} to {step.max():g} nm" if len(step) else ""
    return [
        ("spectra", f"{n} x {p} bands of {spectra.quantity}, {path}"),
        ("wavelength", f"{low:g} to {high:g} nm{spacing}"),
        ("values", f"{np.nanmin(spectra.values):.4g} to {np.nanmax(spectra.values):.4g}"),
        ("columns", ", ".join(map(str, spectra.table.columns)) or "none"),
    ]
