"""SOC by depth end to end: train the model of a recipe, or compare forest, CNN, multi-task CNN and transfer CNN.

Han et al. 2025: horizons are brought to standard layers by equal-area splines; patches of covariates go into a CNN that
is trained on all depths and fine-tuned for each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Target
from geosoil.models.store import save_model
from geosoil.report.page import write_report
from geosoil.samples.splits import split_k_fold
from geosoil.studies.results import (
    CompareResult,
    TrainResult,
    known_figures,
    model_folder,
    no_progress,
    table_path,
    write_comparison,
)
from geosoil.studies.soc_by_depth import report
from geosoil.studies.soc_by_depth.candidates import MODELS, Trainer
from geosoil.studies.soc_by_depth.protocols import METRICS, PROTOCOLS, Outcome, nested, published, spatial
from geosoil.studies.soc_by_depth.recipe import read_recipe
from geosoil.studies.soc_by_depth.training_data import layer_name, read_training_data

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.report.page import Section
    from geosoil.studies.recipe import LoadedRecipe, Property
    from geosoil.studies.results import Progress
    from geosoil.studies.soc_by_depth.recipe import Recipe
    from geosoil.studies.soc_by_depth.training_data import TrainingData

STUDY = "soc_by_depth"
FEWEST_OF_A_LAYER = 20  # values; half of them, in a training fold, are what a network needs


def train(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> TrainResult:
    """Fit, validate and save the model of a recipe, with a report in its folder.

    recipe: a TOML file (`geosoil init soc`). output: the model's folder, by default models/NAME.
    The model that is saved is fitted to all profiles; its figures come from the recipe's split.
    Layers with too few values are refused by name in the result, and the others go on.

    Raises the GeosoilError that says what is wrong with the recipe or the files it names.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    folder = model_folder(output, wanted.name)
    data, refused = known_layers(read_training_data(loaded), wanted.target)
    outcome = PROTOCOLS[wanted.validation.split](wanted, data, wanted.target, [wanted.model.kind], progress)
    progress("final model", 0, 1)
    trainer = Trainer(wanted, data, wanted.target.column, np.arange(len(data.ids)))
    fitted = trainer.fit(wanted.model.kind)
    targets = tuple(
        Target(f"{wanted.target.name} {layer_name(layer)}", wanted.target.unit, wanted.target.valid_range)
        for layer in data.layers
    )
    model = fitted.as_model(data.features, targets)
    save_model(
        model,
        folder,
        name=wanted.name,
        study=STUDY,
        quantity="covariates",
        preprocessing=[*(["covariate selection"] if trainer.selection is not None else []), MODELS[fitted.kind]],
        training=TrainingCard(
            n_samples=len(data.ids), recipe_sha256=loaded.sha256, table_sha256=data.sha256, notes=data.notes
        ),
        grid=data.grid,
        metrics={outcome.protocol: _metrics(outcome)},
    )
    sections = [
        report.data_section(data, wanted.target),
        report.covariates_section(trainer, wanted.target.unit),
        *filter(None, [report.training_section(fitted, data.layers)]),
        report.validation_section(outcome, data),
    ]
    page = write_report(folder / "report", title=_title(loaded), sections=sections)
    progress("final model", 1, 1)
    return TrainResult(
        folder, page, model, outcome.table, tuple(data.notes), _title(loaded), sections, refused=tuple(refused)
    )


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Compare forest, CNN, multi-task CNN and transfer CNN on the same test profiles, by all three protocols.

    output: the table as CSV, by default NAME_comparison.csv; a report with figures stands in a folder beside it.
    A second property of the recipe is compared by the recipe's own split. Spatial blocks need a grid in metres.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    path = table_path(output, wanted.name)
    everything = read_training_data(loaded)
    data, refused = known_layers(everything, wanted.target)
    kinds = list(MODELS)
    protocols = [nested, *([spatial] if data.projected else []), published]
    outcomes = [protocol(wanted, data, wanted.target, kinds, progress) for protocol in protocols]
    sections = [report.data_section(data, wanted.target)]
    trainer = Trainer(wanted, data, wanted.target.column, np.arange(len(data.ids)))
    sections.append(report.covariates_section(trainer, wanted.target.unit))
    sections += [report.validation_section(outcome, data) for outcome in outcomes]
    sections.append(_ablation(wanted, data, progress))
    if wanted.second is not None:
        other, _ = known_layers(everything, wanted.second)
        outcomes.append(PROTOCOLS[wanted.validation.split](wanted, other, wanted.second, kinds, progress))
        sections.append(report.validation_section(outcomes[-1], other))
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    return write_comparison(table, path, title=_title(loaded), sections=sections, refused=refused)


def _title(loaded: LoadedRecipe[Recipe]) -> str:
    return f"{loaded.recipe.target.name} by depth: {loaded.recipe.name}"


def known_layers(data: TrainingData, prop: Property) -> tuple[TrainingData, list[str]]:
    """Take the layers that have enough values, and the profiles that have any; say what was refused."""
    values = data.values[prop.column]
    counts = np.isfinite(values).sum(axis=0)
    enough = counts >= FEWEST_OF_A_LAYER
    if not enough.any():
        raise SamplesError(
            prop.column,
            found=f"at most {counts.max()} values in a layer",
            expected=f"{FEWEST_OF_A_LAYER} or more in one layer at least",
            way_out="add profiles, or lower data.min_coverage",
        )
    refused = [
        f"{prop.name} {layer_name(layer)}: {count} values, {FEWEST_OF_A_LAYER} are needed; no band is made of it"
        for layer, count in zip(data.layers, counts, strict=True)
        if count < FEWEST_OF_A_LAYER
    ]
    rows = np.isfinite(values[:, enough]).any(axis=1)
    notes = list(data.notes)
    if not rows.all():
        notes.append(f"{(~rows).sum()} profiles have no value of {prop.column} in these layers and are left out")
    kept = replace(
        data,
        ids=data.ids[rows],
        patches=data.patches[rows],
        values={prop.column: values[rows][:, enough]},
        layers=tuple(layer for layer, known in zip(data.layers, enough, strict=True) if known),
        x=data.x[rows],
        y=data.y[rows],
        zones=None if data.zones is None else data.zones[rows],
        notes=notes,
    )
    return kept, refused


def _ablation(recipe: Recipe, data: TrainingData, progress: Progress) -> Section:
    """Fine-tune the transfer network with 1 to 6 layers frozen on one training fold, and test it on the rest."""
    train_rows, test = split_k_fold(len(data.ids), recipe.validation.n_folds, seed=recipe.seed)[0]
    trainer = Trainer(recipe, data, recipe.target.column, train_rows)
    observed = data.values[recipe.target.column][test]
    rmse = {}
    for number in range(1, 7):
        progress("frozen layers", number - 1, 6)
        predicted = np.clip(
            trainer.fit("transfer", n_frozen=number).predict(data.patches[test]), *recipe.target.valid_range
        )
        error = (predicted - observed) ** 2
        known = np.isfinite(error).sum(axis=0)
        mean = np.divide(np.nansum(error, axis=0), known, out=np.full(len(known), np.nan), where=known > 0)
        rmse[number] = np.sqrt(mean)
    progress("frozen layers", 6, 6)
    return report.ablation_section(rmse, [layer_name(layer) for layer in data.layers], recipe.target)


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """Return the figures of an outcome's one model, by layer, for the model's card."""
    return {
        row["layer"]: known_figures({name: row[name] for name in ("n", *METRICS)})
        for _, row in outcome.table.iterrows()
    }
