"""GF-5 inversion end to end: train the model of a recipe, or make the paper's comparison table.

Ou et al. 2025: satellite spectra are made laboratory-like by a spectral VAE, mixed with the originals, bands chosen
by CARS, contents predicted by SVR or PLSR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.report.page import write_report
from geosoil.studies.gf5_inversion.assemble import Choice, Trainer
from geosoil.studies.gf5_inversion.protocols import METRICS, Outcome, nested, published
from geosoil.studies.gf5_inversion.recipe import read_recipe
from geosoil.studies.gf5_inversion.report import build_sections, report_title
from geosoil.studies.gf5_inversion.training_data import read_training_data
from geosoil.studies.results import (
    CompareResult,
    TrainResult,
    known_figures,
    model_folder,
    no_progress,
    table_path,
    write_comparison,
)

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.results import Progress

STUDY = "gf5_inversion"


def train(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> TrainResult:
    """Fit, validate by both protocols, and save the model of a recipe, with a report in its folder.

    recipe: a TOML file (`geosoil init gf5`). output: the model's folder, by default models/NAME.
    The model that is saved is fitted to all samples; its figures come from `protocols.nested`.

    Raises the GeosoilError that says what is wrong with the recipe or the files it names.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    if wanted.features.use == "indoor":
        raise RecipeError(
            recipe,
            found="features.use = 'indoor'",
            expected="features that a cube has",
            way_out="take 'satellite', 'vae' or 'mix'; `geosoil compare` shows what the laboratory would give",
        )
    folder = model_folder(output, wanted.name)
    data = read_training_data(loaded)
    choice = Choice(wanted.features.use, wanted.regression.kind)
    outcomes = [nested(wanted, data, [choice], progress), published(wanted, data, [choice], progress)]
    progress("final model", 0, 1)
    trainer = Trainer(wanted, data, np.arange(len(data.ids)))
    fitted = trainer.fit(choice)
    target = Target(wanted.target.column, wanted.target.unit, wanted.target.valid_range)
    model = PixelModel(fitted.estimator, data.features, (target,))
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    save_model(
        model,
        folder,
        name=wanted.name,
        study=STUDY,
        preprocessing=_steps(fitted.estimator),
        training=TrainingCard(
            n_samples=len(data.ids), recipe_sha256=loaded.sha256, table_sha256=data.sha256, notes=data.notes
        ),
        metrics={outcome.protocol: _metrics(outcome) for outcome in outcomes},
    )
    sections = build_sections(loaded, data, trainer, outcomes, table)
    report = write_report(folder / "report", title=report_title(loaded), sections=sections)
    progress("final model", 1, 1)
    notes = [*data.notes, *(trainer.fusion.notes_ if choice.features in {"vae", "mix"} else [])]
    return TrainResult(folder, report, model, table, tuple(notes), report_title(loaded), sections)


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Make the paper's table: Indoor, GF5, VAE, Mix x PLSR, SVR, and FD-RF and DNN-CARS, by both protocols.

    output: the table as CSV, by default NAME_comparison.csv; a report with figures stands in a folder beside it.
    Without laboratory spectra only the rows of the satellite's own are made.
    """
    loaded = read_recipe(recipe)
    path = table_path(output, loaded.recipe.name)
    data = read_training_data(loaded)
    kinds = ("satellite",) if data.laboratory is None else ("indoor", "satellite", "vae", "mix")
    choices = [Choice(features, regressor) for features in kinds for regressor in ("plsr", "svr")]
    choices += [Choice("satellite", "forest"), Choice("satellite", "dnn")]
    outcomes = [
        nested(loaded.recipe, data, choices, progress),
        published(loaded.recipe, data, choices, progress),
    ]
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    trainer = Trainer(loaded.recipe, data, np.arange(len(data.ids)))
    for features in kinds:  # the report shows bands, and regressors of one kind of features share them
        trainer.fit(Choice(features, "plsr"))
    sections = build_sections(loaded, data, trainer, outcomes, table, loss_variants=True)
    return write_comparison(table, path, title=report_title(loaded), sections=sections)


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """Return the figures of the one row of an outcome, for the model's card."""
    row = outcome.table.iloc[0]
    figures = {f"{part}_{metric}": row[f"{part}_{metric}"] for part in ("train", "test") for metric in METRICS}
    return {**known_figures(figures), "n_features": int(row.n_features)}


def _steps(estimator: Any) -> list[str]:
    """Name the steps of a fitted Pipeline, for people."""
    inner = getattr(estimator, "estimator_", estimator)
    names = [type(step).__name__ for _, step in inner.steps]
    return names if inner is estimator else ["ln(target)", *names, "exp"]
