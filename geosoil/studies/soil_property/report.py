"""The report of a study of one property: tables and figures of what was learned, and how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.retransformation import retransformation_bias
from geosoil.report.page import Section
from geosoil.report.validation_figures import predicted_measured_figure
from geosoil.studies.cross_validation import mean_and_error, mean_of_repeats, rmse_by_fold
from geosoil.studies.report_parts import RETRANSFORMATION, statistics_table
from geosoil.studies.soil_property.candidates import MODELS

if TYPE_CHECKING:
    from geosoil.models.contract import Model
    from geosoil.studies.soil_property.protocols import Outcome
    from geosoil.studies.soil_property.recipe import Recipe
    from geosoil.studies.soil_property.training_data import TrainingData

PROTOCOLS = {
    "random": "'random': everything is fitted again inside each training fold; points are dealt to folds at random: "
    "what the map is worth between the samples.",
    "spatial": "'spatial': the same, with square blocks of the map dealt to folds: what to expect away from samples.",
}


def data_section(data: TrainingData, recipe: Recipe) -> Section:
    """Describe the points."""
    wanted = [(recipe.target, data.target)]
    if recipe.source is not None and data.source is not None:
        wanted.append((recipe.source, data.source))
    statistics = statistics_table({f"{one.name} ({one.unit})": values for one, values in wanted})
    names = ", ".join(feature.name for feature in data.inputs)
    text = [f"{len(data.ids)} points, {len(data.inputs)} covariates: {names}.", *data.notes]
    return Section("Data", text, [], [("Measured properties", statistics)])


def model_section(model: Model, kind: str, recipe: Recipe) -> Section:
    """Say what the model that is saved reads."""
    names = [feature.name for feature in model.features]
    text = [f"{MODELS[kind]}, fitted to all points, reads {len(names)} covariates: {', '.join(names)}."]
    if recipe.source is not None and kind in ("transfer", "cascade"):
        how = {
            "transfer": f"Its networks learned {recipe.source.name} first and were fine-tuned.",
            "cascade": f"{recipe.source.name} is predicted first; the {recipe.target.name} model learned from "
            "out-of-fold predictions of it.",
        }
        text.append(how[kind])
    return Section("Model", text, [], [])


def validation_section(outcome: Outcome) -> Section:
    """Show how well each model predicts under one protocol."""
    wanted, table = outcome.wanted, outcome.table.set_index("model")
    known = np.isfinite(outcome.observed)
    panels, texts, bias = {}, {}, []
    for kind, predicted in outcome.predicted.items():
        name, mean = MODELS[kind], mean_of_repeats(predicted)
        panels[name] = (outcome.observed[known], mean[known])
        texts[name] = f"R² {table.r2[name]:.2f}  RMSE {table.rmse[name]:.3g}"
        if wanted.log != "none":
            texts[name] += f"\nR² of ln {table.r2_ln[name]:.2f}"
            bias.append({"model": name} | retransformation_bias(outcome.observed[known], mean[known]))
    scatter = predicted_measured_figure(panels, unit=wanted.unit, texts=texts, name=wanted.name)
    text = [PROTOCOLS[outcome.protocol], *([RETRANSFORMATION[wanted.log]] if wanted.log != "none" else [])]
    tables = [("Test figures; r2_sd over repeats, rmse_sd over folds", outcome.table)]
    if bias:
        tables.append((f"Bias of coming back from ln(y), {wanted.log}", pd.DataFrame(bias)))
    if len(outcome.predicted) > 1:
        caption = "RMSE against the forest, fold by fold; folds share rows, so the standard error is a lower bound"
        tables.append((caption, paired_differences(outcome)))
    return Section(
        f"Validation: {outcome.protocol}", text, [("Predicted against measured, mean of the repeats.", scatter)], tables
    )


def paired_differences(outcome: Outcome) -> pd.DataFrame:
    """Return how much each model's RMSE is above the forest's, paired by fold: mean, standard error, share of wins."""
    fold_rmse = {
        kind: rmse_by_fold(predicted, outcome.observed, outcome.folds) for kind, predicted in outcome.predicted.items()
    }
    forest = fold_rmse.pop("forest")
    rows = []
    for kind, own in fold_rmse.items():
        mean, error = mean_and_error(own - forest)
        row = {"model": MODELS[kind], "minus_forest": mean, "standard_error": error}
        rows.append(row | {"folds_better": float((own < forest).mean())})
    return pd.DataFrame(rows)
