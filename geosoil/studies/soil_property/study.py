"""One soil property from points and covariate rasters: train the model of a recipe, or compare all it has data for.

Forest, dense network, transfer from another property (He et al. 2025, on covariates instead of spectra), and a cascade
that gives the second model the predicted other property.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.models.card import TrainingCard
from geosoil.models.store import save_model
from geosoil.report.page import write_report
from geosoil.studies.results import (
    CompareResult,
    TrainResult,
    known_figures,
    model_folder,
    no_progress,
    table_path,
    write_comparison,
)
from geosoil.studies.soil_property import report
from geosoil.studies.soil_property.candidates import MODELS, fit_model, kinds_for
from geosoil.studies.soil_property.protocols import validate
from geosoil.studies.soil_property.recipe import read_recipe
from geosoil.studies.soil_property.training_data import read_training_data

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.recipe import LoadedRecipe
    from geosoil.studies.results import Progress
    from geosoil.studies.soil_property.protocols import Outcome
    from geosoil.studies.soil_property.recipe import Recipe

STUDY = "soil_property"


def train(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> TrainResult:
    """Fit, validate and save the model of a recipe, with a report in its folder.

    recipe: a TOML file (`geosoil init property`). output: the model's folder, by default models/NAME.
    The model that is saved is fitted to all points; its figures come from the recipe's split.

    Raises the GeosoilError that says what is wrong with the recipe or the files it names.
    """
    loaded = read_recipe(recipe)
    wanted, kind = loaded.recipe, loaded.recipe.model.kind
    folder = model_folder(output, wanted.name)
    data = read_training_data(loaded)
    outcome = validate(wanted.validation.split, wanted, data, [kind], progress)
    progress("final model", 0, 1)
    model = fit_model(kind, wanted, data, np.arange(len(data.ids)))
    save_model(
        model,
        folder,
        name=wanted.name,
        study=STUDY,
        quantity="covariates",
        grid=data.grid,
        preprocessing=[*(["covariate selection"] if wanted.selection.method != "none" else []), MODELS[kind]],
        training=TrainingCard(
            n_samples=int(np.isfinite(data.target).sum()),
            recipe_sha256=loaded.sha256,
            table_sha256=data.sha256,
            notes=data.notes,
        ),
        metrics={outcome.protocol: _metrics(outcome)},
    )
    sections = [
        report.data_section(data, wanted),
        report.model_section(model, kind, wanted),
        report.validation_section(outcome),
    ]
    page = write_report(folder / "report", title=_title(loaded), sections=sections)
    progress("final model", 1, 1)
    return TrainResult(folder, page, model, outcome.table, tuple(data.notes), _title(loaded), sections)


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Compare forest and network, and with a source property transfer and cascade, on the same folds.

    output: the table as CSV, by default NAME_comparison.csv; a report with figures stands in a folder beside it.
    Random folds, and spatial blocks where the grid is in metres.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    path = table_path(output, wanted.name)
    data = read_training_data(loaded)
    protocols = ["random", *(["spatial"] if data.projected else [])]
    outcomes = [validate(protocol, wanted, data, kinds_for(wanted), progress) for protocol in protocols]
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    sections = [report.data_section(data, wanted), *(report.validation_section(outcome) for outcome in outcomes)]
    return write_comparison(table, path, title=_title(loaded), sections=sections)


def _title(loaded: LoadedRecipe[Recipe]) -> str:
    return f"{loaded.recipe.target.name} from covariates: {loaded.recipe.name}"


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """Return the figures of an outcome's one model, for the model's card."""
    return known_figures(outcome.table.select_dtypes("number").iloc[0])
