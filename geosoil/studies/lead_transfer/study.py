"""Lead by transfer end to end: train the model of a recipe, or compare it with direct models and controls.

He et al. 2025: a 1D-ResNet learns pH from a large spectral library, and its dense head learns lead from few samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import regression_metrics
from geosoil.explain.explanation import explain_rows
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Target
from geosoil.models.pixel import PixelModel
from geosoil.models.state import regressor_of
from geosoil.models.store import save_model
from geosoil.report.page import write_report
from geosoil.studies.lead_transfer import report
from geosoil.studies.lead_transfer.candidates import DIRECT, KINDS, TRANSFER, Source, Trainer, model_names
from geosoil.studies.lead_transfer.protocols import PROTOCOLS, groups, nested, published, spatial
from geosoil.studies.lead_transfer.recipe import read_recipe
from geosoil.studies.lead_transfer.tables import METRICS, comparison_table, paired_differences
from geosoil.studies.lead_transfer.training_data import read_training_data
from geosoil.studies.results import (
    CompareResult,
    TrainResult,
    known_figures,
    model_folder,
    no_progress,
    table_path,
    write_comparison,
    write_table,
)

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.report.page import Section
    from geosoil.studies.lead_transfer.recipe import Recipe
    from geosoil.studies.lead_transfer.training_data import TrainingData
    from geosoil.studies.recipe import LoadedRecipe
    from geosoil.studies.results import Progress

STUDY = "lead_transfer"
SOURCE_FOLDER = "source"
N_BACKGROUND, EXPLAIN_BUDGET = 50, 20_000  # of each model: a few seconds


def train(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> TrainResult:
    """Fit, validate, explain and save the model of a recipe, with a report in its folder.

    recipe: a TOML file (`geosoil init lead`). output: the model's folder, by default models/NAME; a transferred model
    has its source net in the folder `source` there. The model that is saved is fitted to all samples; its figures, and
    those of PLS, SVM and the net without transfer, come from the recipe's split.

    Raises the GeosoilError that says what is wrong with the recipe or the files it names.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    folder = model_folder(output, wanted.name)
    data = read_training_data(loaded)
    source = Source(wanted, data, np.arange(len(data.own)))
    outcome = PROTOCOLS[wanted.validation.split](wanted, data, (*DIRECT, TRANSFER), progress, source=source)
    progress("final model", 0, 3)
    trainer = Trainer(wanted, data, source, np.arange(len(data.y)), seed=wanted.seed)
    target = Target(wanted.target.column, wanted.target.unit, wanted.target.valid_range)
    kind, names = wanted.model.kind, model_names(wanted)
    explained: dict[str, tuple[PixelModel, np.ndarray]] = {}
    if kind == TRANSFER:
        taught = PixelModel(source.net, data.features, (Target(wanted.source.column, wanted.source.unit),))
        _save_source(loaded, data, source, taught, folder / SOURCE_FOLDER)
        model = trainer.fine_tuned(folder / SOURCE_FOLDER, target)
        explained[f"ResNet-{wanted.source.title}"] = taught, data.R_library[source.test_rows]
    else:
        model = PixelModel(trainer.fit(kind), data.features, (target,))
    explained[names[kind]] = model, data.R
    progress("final model", 1, 3)
    table = comparison_table(outcome, wanted)
    notes = [*data.notes, *_notes(model)]
    save_model(
        model,
        folder,
        name=wanted.name,
        study=STUDY,
        preprocessing=[*_steps(wanted), names[kind]],
        training=TrainingCard(
            n_samples=len(data.y), recipe_sha256=loaded.sha256, table_sha256=data.sha256, notes=notes
        ),
        metrics={outcome.protocol: _metrics(table[table.model == names[kind]])},
    )
    progress("final model", 2, 3)
    explanations = {
        name: explain_rows(one, rows, n_background=N_BACKGROUND, budget=EXPLAIN_BUDGET, seed=wanted.seed)
        for name, (one, rows) in explained.items()
    }
    sections = [
        report.data_section(data, wanted),
        *([report.source_section(source, wanted)] if kind == TRANSFER else []),
        report.validation_section(outcome, wanted),
        report.explanation_section(explanations),
    ]
    page = write_report(folder / "report", title=_title(loaded), sections=sections)
    progress("final model", 3, 3)
    return TrainResult(folder, page, model, table, tuple(notes), _title(loaded), sections)


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Compare transfer with PLS, SVM, the untransferred net and the controls, by every protocol the samples allow.

    output: the table as CSV, by default NAME_comparison.csv; NAME_comparison_differences.csv beside it holds the paired
    differences, a folder the report. 'spatial' needs places and validation.block_m, 'groups' data.group.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    path = table_path(output, wanted.name)
    data = read_training_data(loaded)
    source = Source(wanted, data, np.arange(len(data.own)))
    outcomes = [nested(wanted, data, KINDS, progress, source=source)]
    if data.xy_m is not None and wanted.validation.block_m is not None:
        outcomes.append(spatial(wanted, data, KINDS, progress, source=source))
    if data.groups is not None:
        outcomes.append(groups(wanted, data, KINDS, progress, source=source))
    outcomes.append(published(wanted, data, progress=progress, source=source))
    table = pd.concat([comparison_table(outcome, wanted) for outcome in outcomes], ignore_index=True)
    differences = pd.concat([paired_differences(outcome, wanted) for outcome in outcomes], ignore_index=True)
    write_table(differences, path.with_name(f"{path.stem}_differences{path.suffix}"))
    sections: list[Section] = [
        report.data_section(data, wanted),
        report.source_section(source, wanted),
        *(report.validation_section(outcome, wanted) for outcome in outcomes),
    ]
    return write_comparison(table, path, title=_title(loaded), sections=sections)


def _title(loaded: LoadedRecipe[Recipe]) -> str:
    return f"{loaded.recipe.target.name} by transfer from {loaded.recipe.source.title}: {loaded.recipe.name}"


def _steps(recipe: Recipe) -> list[str]:
    return ["Absorbance", *(["SNV"] if recipe.spectra.snv else [])]


def _save_source(
    loaded: LoadedRecipe[Recipe], data: TrainingData, source: Source, taught: PixelModel, folder: Path
) -> None:
    """Save the net that knows the source property, with its figures of rows of the library it has not seen."""
    figures = regression_metrics(*source.tested())
    save_model(
        taught,
        folder,
        name=f"{loaded.recipe.name[:90]}_source",
        study=STUDY,
        preprocessing=[*_steps(loaded.recipe), f"ResNet-{loaded.recipe.source.title}"],
        training=TrainingCard(
            n_samples=len(source.rows), recipe_sha256=loaded.sha256, table_sha256=data.sha256, notes=data.notes
        ),
        metrics={"library": known_figures(figures)},
    )


def _notes(model: PixelModel) -> list[str]:
    return list(getattr(regressor_of(model.estimator), "notes_", []))


def _metrics(rows: pd.DataFrame) -> dict[str, Any]:
    """Return the figures of one model by scale, for its card."""
    return {row["scale"]: known_figures({name: row[name] for name in METRICS}) for _, row in rows.iterrows()}
