"""Describe a model, a table of spectra or samples, a cube or another raster, as text or as JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.io.rasters.envi_header import has_envi_header
from geosoil.io.spectra.reader import is_spectra, read_spectra
from geosoil.io.spectra.table import NoBandsError
from geosoil.io.tables.numbers import as_numbers, has_value
from geosoil.io.tables.reader import TABLE_ENDINGS, read_table
from geosoil.mapping.inputs import CovariateInput, CubeInput
from geosoil.mapping.sensor_fit import mappable_sensors
from geosoil.models.display import describe_card
from geosoil.models.find import CARD, find_model
from geosoil.models.store import read_card
from geosoil.samples.clustering import is_clustered

if TYPE_CHECKING:
    import os

    from geosoil.io.tables.numbers import Decimal
    from geosoil.models.card import ModelCard

    Pairs = list[tuple[str, str]]


def describe_path(
    path: str | os.PathLike[str],
    *,
    layer: str | None = None,
    decimal: Decimal | None = None,
    as_json: bool = False,
    **cube_options: Any,
) -> str:
    """Describe what a path holds.

    Parameters
    ----------
    path : path-like
        A model folder or the name of a model, a table of spectra or samples, a cube, or another raster.
    layer, decimal : str, optional
        Layer and decimal mark of a table, as in `read_samples`.
    as_json : bool
        Whether to return one JSON object instead of lines of text.
    **cube_options
        Options of a cube, as for `map_cube`.

    Returns
    -------
    str
        One line per property, or a JSON object whose keys are the properties.

    Raises
    ------
    GeosoilError
        The path cannot be read.
    """
    pairs = _describe(str(path), layer, decimal, cube_options)
    if not as_json:
        return _lines(pairs)
    facts: dict[str, Any] = {}
    for name, text in pairs:  # a title that is repeated, such as "note", has a list
        facts[name] = text if name not in facts else [*np.atleast_1d(facts[name]).tolist(), text]
    return json.dumps(facts, indent=1)


def _describe(path: str, layer: str | None, decimal: Decimal | None, cube_options: dict[str, Any]) -> Pairs:
    if _is_model(path):
        return _describe_model(find_model(path))
    of_raster = has_envi_header(path) and not path.lower().endswith((".sli", ".hdr"))  # scene.dat, not a table
    if is_spectra(path) and not of_raster:
        with suppress(NoBandsError):
            return _describe_spectra(path, layer, decimal)
    if Path(path).suffix.lower() in TABLE_ENDINGS and not of_raster:
        return _describe_table(Path(path), layer, decimal)
    try:
        return CubeInput(path, **cube_options).describe()
    except WavelengthError:
        if any(value is not None for value in cube_options.values()):
            raise
        return CovariateInput(path).describe()


def _describe_table(path: Path, layer: str | None, decimal: Decimal | None) -> Pairs:
    """Describe samples: their number, kind of geometry, CRS, bounding box, and the range of each column of numbers."""
    table = read_table(path, layer, decimal)
    pairs = [("table", f"{len(table)} rows x {table.shape[1]} columns, {path}")]
    if hasattr(table, "geom_type"):
        kinds = ", ".join(f"{n} {kind}" for kind, n in table.geom_type.value_counts().items())
        west, south, east, north = table.total_bounds
        pairs += [
            ("geometry", kinds or "none"),
            ("CRS", table.crs.to_string() if table.crs is not None else "not stated"),
            ("bounds", f"{west:.9g} to {east:.9g}, {south:.9g} to {north:.9g}"),
        ]
        points = table.geometry if (table.geom_type == "Point").all() and table.crs is not None else None
        if points is not None and len(points) > 2:
            metres = points if points.crs.is_projected else points.to_crs(points.estimate_utm_crs())
            clustered = is_clustered(np.column_stack([metres.x, metres.y]))
            pairs.append(("clusters", "yes: validate with spatial blocks" if clustered else "no"))
    for name in table.columns.drop("geometry", errors="ignore"):
        column, numbers = table[name], as_numbers(table[name])
        n_filled, n_numbers = int(has_value(column).sum()), int(np.isfinite(numbers).sum())
        if n_numbers and n_numbers > n_filled / 2:
            low, middle, high = np.nanquantile(numbers, [0, 0.5, 1])
            text = f"{low:g} to {high:g}, median {middle:g}, {n_numbers} numbers"
            text += f", {n_filled - n_numbers} cells of text" if n_filled > n_numbers else ""
        else:
            text = f"text, {column.nunique()} different values" if n_filled else "empty"
        pairs.append((f"column {name}", text))
    return pairs


def _is_model(path: str) -> bool:
    try:
        return (find_model(path) / CARD).is_file()
    except GeosoilError:
        if "/" not in path and ":" not in path and not Path(path).exists():  # NETCDF:file.nc:name is a name of GDAL
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
    card = read_card(folder)
    (title, text), *pairs = describe_card(card)
    last = max((i for i, (name, _) in enumerate(pairs, start=1) if name == "reads"), default=len(pairs))
    pairs[last:last] = _describe_sensors(card)
    return [(title, f"{text}, {folder}"), *pairs]


def _describe_sensors(card: ModelCard) -> Pairs:
    """Describe the sensors that measure the bands that a model reads; nothing for a model of covariates."""
    features = [feature.feature() for feature in card.features if feature.used]
    if not any(feature.wavelength_nm is not None for feature in features):
        return []
    fitting = mappable_sensors(features)
    texts = [
        f"{', '.join(names)} ({how})"
        for how, is_same in (("its bands", True), ("bands interpolated", False))
        if (names := [name for name, same in fitting.items() if same is is_same])
    ]
    return [("can map", "; ".join(texts) or "no sensor of the table by its nominal bands")]


def _describe_spectra(path: str, layer: str | None, decimal: Decimal | None) -> Pairs:
    spectra = read_spectra(path, layer=layer, decimal=decimal)
    n, p = spectra.values.shape
    low, high = spectra.wavelength_nm[[0, -1]]
    step = np.diff(spectra.wavelength_nm)
    spacing = f", step {step.min():g} to {step.max():g} nm" if len(step) else ""
    return [
        ("spectra", f"{n} x {p} bands of {spectra.quantity}, {path}"),
        ("wavelength", f"{low:g} to {high:g} nm{spacing}"),
        ("values", f"{np.nanmin(spectra.values):.4g} to {np.nanmax(spectra.values):.4g}"),
        ("columns", ", ".join(map(str, spectra.table.columns)) or "none"),
        *(("note", note) for note in spectra.notes),
    ]
