"""Explain a model on a table of samples: figures, with a CSV file of windows and of samples for each model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import ModelFileError, SamplesError
from geosoil.explain.explanation import BUDGET, Explanation, explain_rows
from geosoil.explain.tables import check_line, highest_line, window_table
from geosoil.io.atomic import require_writable_folder
from geosoil.io.output_paths import check_not_an_input
from geosoil.io.tables.writer import write_csv
from geosoil.mapping.inputs import ModelInput
from geosoil.mapping.spectra_table import SpectraInput
from geosoil.mapping.table_places import BY_NAME, PlaceOptions
from geosoil.mapping.tables import ColumnInput
from geosoil.models.patch import PatchModel
from geosoil.report.attribution_figures import covariate_figure, mark_windows, window_figure
from geosoil.report.explanation_sections import samples_sections
from geosoil.report.figure_style import save_figure
from geosoil.report.page import write_page
from geosoil.workflows.shown import ShownResult

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from geosoil.models.composite import CompositeModel
    from geosoil.models.pixel import PixelModel

    PathLike = str | os.PathLike[str]
    _Explained = tuple[Explanation, list[str], str]  # with the names of the samples and the unit of the target


@dataclass(frozen=True, repr=False)
class ExplainResult(ShownResult):
    """Files that were written, and lines of text about them."""

    paths: tuple[Path | str, ...]
    lines: tuple[str, ...]

    def summary(self) -> str:
        """Return the most important windows, whether attributions add up, and the files."""
        return "\n".join([*self.lines, *(f"wrote      {path}" for path in self.paths)])


def explain_samples(
    model: PathLike | ModelInput,
    samples: PathLike,
    folder: PathLike,
    *,
    source_model: PathLike | None = None,
    source_samples: PathLike | None = None,
    n_background: int | None = None,
    budget: int = BUDGET,
    seed: int = 0,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
) -> ExplainResult:
    """Explain a model on a table of samples by Shapley values.

    Parameters
    ----------
    model : path-like
        A model folder, or the name of a known model.
    samples : path-like
        Spectra, in any format of `read_spectra`, or a table with one column per covariate.
    folder : path-like
        Folder for the report `shap.html`, its figure `shap.png` and, for each model, a CSV file of windows and one
        of samples.
    source_model : path-like, optional
        The model that `model` was fine-tuned from; it is drawn above, and windows important in both are marked.
    source_samples : path-like, optional
        Samples for the source model; default: `samples`.
    n_background : int, optional
        Number of rows that represent an absent feature; default: all, at most 1000.
    budget : int
        Largest number of rows to predict for each model.
    seed : int
        Random seed for drawing background rows and samples.
    x, y, crs : str, optional
        Columns and CRS of the coordinates of the samples, for a model with place; default: as their names show.

    Returns
    -------
    ExplainResult
        The files, and lines of text.

    Raises
    ------
    SamplesError, WavelengthError, UnitsError
        The table does not fit a model.
    OutputError
        The folder cannot be written, or samples in it would be overwritten.
    """
    folder = require_writable_folder(folder)
    jobs = [(model, samples)] if source_model is None else [(source_model, source_samples or samples), (model, samples)]
    named: dict[str, tuple[ModelInput, PathLike]] = {}
    for path, table in jobs:
        opened = ModelInput.find(path)
        name = opened.card.name
        named[name if name not in named else f"{name} (transferred)"] = opened, table
    check_not_an_input([path for name in named for path in _tables(folder, name)], [samples, source_samples])
    explanations: dict[str, _Explained] = {}
    for name, (opened, table) in named.items():
        loaded = require_pixel_model(opened.model, opened.folder)
        rows, ids = read_rows(opened, table, PlaceOptions(x, y, crs))
        explanation = explain_rows(loaded, rows, n_background=n_background, budget=budget, seed=seed)
        explanations[name] = (explanation, [ids[i] for i in explanation.rows], loaded.targets[0].unit)
    folder.mkdir(parents=True, exist_ok=True)
    return _write(folder, explanations)


def _tables(folder: Path, name: str) -> list[Path]:
    """Return the paths of the table of windows and of the table of samples of a model."""
    stem = name.replace(" ", "_").replace("(", "").replace(")", "")
    return [folder / f"{stem}_shap_{kind}.csv" for kind in ("windows", "samples")]


def _write(folder: Path, explanations: dict[str, _Explained]) -> ExplainResult:
    parts = [explanation for explanation, _, _ in explanations.values()]
    comparable = len(parts) == 2 and parts[0].windows.names == parts[1].windows.names
    paths, lines, panels, explained, remarks = [], [], {}, {}, []
    for i, (name, (explanation, ids, unit)) in enumerate(explanations.items()):
        other = parts[1 - i].importance if comparable else None
        marks = mark_windows(explanation.importance, other)
        panels[f"{name}: {explanation.quantity}"] = (explanation.windows, explanation.importance, marks)
        table = window_table(explanation, marks, compared=comparable)
        explained[name] = explanation, table, unit
        sums = pd.DataFrame(explanation.values, columns=list(explanation.windows.names))
        sums.insert(0, "sample_id", ids)
        sums["predicted"] = explanation.predicted
        sums["baseline"] = explanation.baseline
        for path, frame in zip(_tables(folder, name), (table, sums), strict=True):
            paths.append(path)
            write_csv(frame, path)
        lines += [f"{name}: {line}" for line in (*explanation.notes, check_line(explanation), highest_line(table))]
    if len(parts) == 2 and not comparable:
        remarks.append("the two models have different windows, so shared windows are not marked")
    figure_path = folder / "shap.png"
    if all(explanation.windows.is_spectral for explanation in parts):
        figure = window_figure(panels)
    else:
        figure = covariate_figure({title: (windows, values) for title, (windows, values, _) in panels.items()})
    save_figure(figure, figure_path)
    page = write_page(
        folder / "shap.html",
        title=f"What the predictions of {' and '.join(explained)} depend on",
        sections=samples_sections(explained, figure, remarks=remarks),
        drawn={figure: figure_path.read_bytes()},
    )
    return ExplainResult((page, figure_path, *paths), (*lines, *remarks))


def require_pixel_model(model: Any, where: object) -> PixelModel | CompositeModel:
    """Return a model that predicts a pixel from its own features; raises ModelFileError for a model of patches."""
    if isinstance(model, PatchModel) or model.halo:
        raise ModelFileError(
            where,
            found="a model of patches of pixels",
            expected="a model of single pixels or samples",
            way_out="explain a pixel model",
        )
    loaded: PixelModel | CompositeModel = model
    return loaded


def read_rows(model: ModelInput, path: PathLike, places: PlaceOptions = BY_NAME) -> tuple[np.ndarray, list[str]]:
    """Read the features of a model from a table of samples, as `geosoil predict` does.

    Rows with missing values are left out.

    Parameters
    ----------
    model : ModelInput
        The model whose features are read.
    path : path-like
        Spectra, or a table with one column per covariate.
    places : PlaceOptions
        The columns of x and y and their CRS, for a model that reads places.

    Returns
    -------
    rows : ndarray of float32, (sample, feature)
        Values of the model's features.
    ids : list of str
        Names of the samples.

    Raises
    ------
    GeosoilError
        The table does not fit the model, or all rows have missing values.
    """
    source = SpectraInput(path, places=places) if model.reads_spectra else ColumnInput(path, places=places)
    matched = source.match(model, None)
    parts, ids = [], list[str]()
    for chunk in source.chunks():
        parts += [block[:, 0].T for block in matched.read(chunk)[0]]
        ids += list(chunk.ids)
    rows = np.concatenate(parts)
    complete = np.isfinite(rows).all(axis=1)
    if not complete.any():
        raise SamplesError(
            path, found="missing values in every row", expected="complete rows", way_out="fill or drop the columns"
        )
    return rows[complete], [name for name, kept in zip(ids, complete, strict=True) if kept]
