"""Explanations on disk: figures with a CSV beside each, and maps of attributions as a COG."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import ModelFileError, SamplesError, UnitsError, WavelengthError
from geosoil.explain.explanation import BUDGET, Explanation, explain_rows
from geosoil.io.atomic import require_writable_folder
from geosoil.io.output_paths import check_not_an_input
from geosoil.io.tables.reader import read_ids, read_numbers, read_table
from geosoil.models.patch import PatchModel
from geosoil.models.store import find_model, load_model, read_card
from geosoil.report.attribution_figures import covariate_figure, mark_windows, window_figure
from geosoil.report.figure_style import save_figure
from geosoil.spectra.absorption_features import features_in
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from geosoil.explain.windows import Windows
    from geosoil.models.compose import CompositeModel
    from geosoil.models.pixel import PixelModel

LIMIT = 0.02  # of the spread: beyond it the sum does not hold, and is said not to


@dataclass(frozen=True)
class ExplainResult:
    """What was written, and what is to be said about it."""

    paths: tuple[Path, ...]
    lines: tuple[str, ...]

    def summary(self) -> str:
        """Say in a few lines what was found, whether sums hold, and where it is."""
        return "\n".join([*self.lines, *(f"wrote      {path}" for path in self.paths)])


def explain_samples(
    model: str | os.PathLike[str],
    samples: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    source_model: str | os.PathLike[str] | None = None,
    source_samples: str | os.PathLike[str] | None = None,
    n_background: int | None = None,
    budget: int = BUDGET,
    seed: int = 0,
) -> ExplainResult:
    """Explain a model on a table of samples: a figure, a CSV of windows and one of samples for each model.

    model: folder or name. samples: spectra (any file of `read_spectra`), or a table with a column for each covariate.
    source_model: the model it was fine-tuned from, drawn above it with the windows that both share marked;
    source_samples: what that one is explained on, default the same samples. n_background: rows that stand for "absent",
    default all up to 1000. budget: rows predicted at most, for each model.

    Raises SamplesError, WavelengthError or UnitsError where the table does not suit a model, OutputError where the
    folder cannot be written, or samples in it would be overwritten.
    """
    folder = require_writable_folder(folder)
    jobs = [(model, samples)] if source_model is None else [(source_model, source_samples or samples), (model, samples)]
    named: dict[str, tuple[Path, str | os.PathLike[str]]] = {}
    for which, table in jobs:
        place = find_model(os.fspath(which))
        name = read_card(place).name
        named[name if name not in named else f"{name} (transferred)"] = place, table
    check_not_an_input([path for name in named for path in _tables(folder, name)], [samples, source_samples])
    explanations = {}
    for name, (place, table) in named.items():
        loaded = load_pixel_model(place)
        rows, ids = read_rows(loaded, table, quantity=read_card(place).quantity)
        explanation = explain_rows(loaded, rows, n_background=n_background, budget=budget, seed=seed)
        explanations[name] = (explanation, [ids[i] for i in explanation.rows])
    folder.mkdir(parents=True, exist_ok=True)
    return _write(folder, explanations)


def _tables(folder: Path, name: str) -> list[Path]:
    """Return where the windows and the samples of a model go."""
    stem = name.replace(" ", "_").replace("(", "").replace(")", "")
    return [folder / f"{stem}_shap_{kind}.csv" for kind in ("windows", "samples")]


def _write(folder: Path, explanations: dict[str, tuple[Explanation, list[str]]]) -> ExplainResult:
    every = [explanation for explanation, _ in explanations.values()]
    comparable = len(every) == 2 and every[0].windows.names == every[1].windows.names
    paths, lines, panels = [], [], {}
    for i, (name, (explanation, ids)) in enumerate(explanations.items()):
        other = every[1 - i].importance if comparable else None
        marks = mark_windows(explanation.importance, other)
        panels[f"{name}: {explanation.quantity}"] = (explanation.windows, explanation.importance, marks)
        table = window_table(explanation, marks, compared=comparable)
        sums = pd.DataFrame(explanation.values, columns=list(explanation.windows.names))
        sums.insert(0, "sample_id", ids)
        sums["predicted"] = explanation.predicted
        sums["baseline"] = explanation.baseline
        for path, frame in zip(_tables(folder, name), (table, sums), strict=True):
            paths.append(path)
            frame.to_csv(path, index=False, float_format="%.6g")
        lines += [f"{name}: {line}" for line in (*explanation.notes, check_line(explanation), _top(table))]
    if len(every) == 2 and not comparable:
        lines.append("the two models read different windows: shared ones are not marked")
    figure_path = folder / "shap.png"
    if all(explanation.windows.is_spectral for explanation in every):
        figure = window_figure(panels)
    else:
        figure = covariate_figure({title: (windows, values) for title, (windows, values, _) in panels.items()})
    save_figure(figure, figure_path)
    return ExplainResult((figure_path, *paths), tuple(lines))


def load_pixel_model(folder: Path) -> PixelModel | CompositeModel:
    """Read a model that predicts a pixel from its own features; raises ModelFileError for one of patches."""
    model = load_model(folder)
    if isinstance(model, PatchModel) or model.halo:
        raise ModelFileError(
            folder,
            found="a model of patches of pixels",
            expected="a model of single pixels or samples",
            way_out="explain a pixel model",
        )
    return model


def check_line(explanation: Explanation) -> str:
    """Say how far the sums of attributions are from f(x) - mean f(background), and whether that is near enough."""
    off = explanation.additivity
    verdict = "holds" if off <= LIMIT else f"DOES NOT HOLD (limit {LIMIT:.0%}); raise the budget or the background"
    return (
        f"{explanation.method}: sums of attributions are within {off:.2%} of the spread "
        f"{explanation.spread:.3g} of f: {verdict}"
    )


def window_table(explanation: Explanation, marks: np.ndarray, *, compared: bool = False) -> pd.DataFrame:
    """Return one row a window: range in nm, mean |SHAP| and its share, rank, mark, and what absorbs there.

    compared: a window of the model alone is marked "shifted", for the other model is known too.
    """
    windows, importance = explanation.windows, explanation.importance
    words = {"own": "shifted" if compared else "high", "shared": "shared", "": ""}
    rank = np.empty(len(importance), int)
    rank[np.argsort(-importance, kind="stable")] = np.arange(1, len(importance) + 1)
    return pd.DataFrame(
        {
            "window": windows.names,
            "low_nm": windows.low_nm,
            "high_nm": windows.high_nm,
            "mean_abs_shap": importance,
            "share": importance / (importance.sum() or 1.0),
            "rank": rank,
            "mark": [words[str(mark)] for mark in marks],
            "absorbs_here": _absorbs(windows),
        }
    )


def _absorbs(windows: Windows) -> list[str]:
    return [
        "; ".join(features_in(low, high)) if np.isfinite(low) else ""
        for low, high in zip(windows.low_nm, windows.high_nm, strict=True)
    ]


def _top(table: pd.DataFrame, most: int = 5) -> str:
    best = table.sort_values("rank").head(most)
    named = [f"{row.window}{f' ({row.absorbs_here})' if row.absorbs_here else ''}" for row in best.itertuples()]
    return "highest: " + ", ".join(named)


def read_rows(
    model: PixelModel | CompositeModel, path: str | os.PathLike[str], *, quantity: str
) -> tuple[np.ndarray, list[str]]:
    """Return a table's rows `(sample, feature)` in a model's features, and their ids; rows with gaps are left out.

    Spectra on another grid are interpolated linearly. Raises WavelengthError where they do not cover the model's
    bands, UnitsError for another quantity, SamplesError for missing columns or no whole row.
    """
    features = model.features
    if all(feature.wavelength_nm is not None for feature in features):
        from geosoil.io.spectra.reader import read_spectra

        spectra = read_spectra(Path(path))
        if spectra.quantity != quantity:
            raise UnitsError(
                path, found=spectra.quantity, expected=f"{quantity}, as the model learned from",
                way_out="convert the spectra",
            )  # fmt: skip
        wanted = np.array([feature.wavelength_nm for feature in features], np.float64)
        matrix = resampling_matrix(spectra.wavelength_nm, wanted)
        if not np.isfinite(matrix).all():
            missing = wanted[~np.isfinite(matrix).all(axis=1)]
            raise WavelengthError(
                path,
                found=f"spectra from {spectra.wavelength_nm[0]:g} to {spectra.wavelength_nm[-1]:g} nm",
                expected=f"the model's {len(wanted)} bands, among them {missing[0]:g} nm",
                way_out="give spectra of the model's range",
            )
        read = matrix.any(axis=0)  # a gap in a band that nobody reads costs no sample
        rows, ids = spectra.values[:, read] @ matrix[:, read].T.astype(np.float32), spectra.ids
    else:
        rows, ids = _covariate_rows(Path(path), [feature.name for feature in features])
    whole = np.isfinite(rows).all(axis=1)
    if not whole.any():
        raise SamplesError(path, found="no row without gaps", expected="samples", way_out="fill or drop the columns")
    return rows[whole].astype(np.float32), [name for name, kept in zip(ids, whole, strict=True) if kept]


def _covariate_rows(path: Path, names: list[str]) -> tuple[np.ndarray, list[str]]:
    table = read_table(path)
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise SamplesError(
            path,
            found=f"no column {', '.join(missing[:5])}",
            expected=f"the model's {len(names)} covariates",
            way_out="take the covariates at the samples first",
        )
    ids = read_ids(path, table["sample_id"] if "sample_id" in table.columns else table.index.to_series())
    return np.column_stack([read_numbers(path, table[name], ids) for name in names]), list(ids)
