"""Library localisation end to end: train the model of one site, or compare what the field uses.

Shen et al. 2022: thirty samples of a farm choose rows of a spectral library (RS-LOCAL), and models learn from both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError, SamplesError
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Target
from geosoil.models.store import save_model
from geosoil.report.page import write_report
from geosoil.studies.library_localisation import report
from geosoil.studies.library_localisation.candidates import MODELS, Fitted, Trainer, possible_models, train_bases
from geosoil.studies.library_localisation.protocols import (
    METRICS,
    Outcome,
    choose_local,
    cross_validated,
    kennard_stone_test,
    random_test,
)
from geosoil.studies.library_localisation.recipe import read_recipe
from geosoil.studies.library_localisation.training_data import read_training_data
from geosoil.studies.results import (
    CompareResult,
    TrainResult,
    known_figures,
    model_folder,
    no_progress,
    table_path,
    write_comparison,
)
from geosoil.workflows.point_map import PointMap, write_point_map

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.models.pixel import PixelModel
    from geosoil.studies.library_localisation.recipe import Recipe
    from geosoil.studies.library_localisation.training_data import TrainingData
    from geosoil.studies.recipe import LoadedRecipe
    from geosoil.studies.results import Progress

STUDY = "library_localisation"
AUTO = ("rs_local_plsr", "rs_local_plsr_ln", "dtl_i")
POINTS = "points.gpkg"


def train(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> TrainResult:
    """Fit, validate and save the localised model of a recipe, with a report in its folder.

    recipe: a TOML file (`geosoil init library`). output: the model's folder, by default models/NAME.
    The model learns from n rows of the site and is tested on the others; of a site of hardly more than n rows it
    learns from all, and cross-validation gives the figures. Its card lists the rows of the library it learned from.

    Raises the GeosoilError that says what is wrong with the recipe or the files it names.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    folder = model_folder(output, wanted.name)
    data = read_training_data(loaded)
    chosen = _local(wanted, data)
    tested = len(chosen) < len(data.site.y)
    kind: str = wanted.model.kind
    choice = None
    if kind == "auto":
        choice = cross_validated(wanted, data, auto_models(wanted, data), chosen, progress)
        kind = choice.best
    progress("final model", 0, 1)
    kinds = [kind] if kind == "local_plsr" else ["local_plsr", kind]
    bases = train_bases(wanted, data, kinds, progress)
    trainer = Trainer(wanted, data, chosen, bases=bases, progress=progress)
    fitted = trainer.fit(kind)
    if not tested:
        outcomes = [choice or cross_validated(wanted, data, kinds, chosen, progress, bases)]
    else:
        outcomes = [kennard_stone_test(wanted, data, kinds, progress, bases)]
        outcomes += [random_test(wanted, data, kinds, progress, bases)] if wanted.validation.n_repeats else []
    target = Target(wanted.target.column, wanted.target.unit, fitted.valid_range)
    model = fitted.as_model(data, target)
    notes = [*data.notes, *_notes(fitted, data, kind)]
    card = TrainingCard(
        n_samples=len(fitted.library_rows) + len(fitted.site_rows),
        recipe_sha256=loaded.sha256,
        table_sha256=data.sha256,
        notes=[*notes, *_ids(fitted, data)],
    )
    save_model(
        model,
        folder,
        name=wanted.name,
        study=STUDY,
        preprocessing=["Absorbance", "SNV", MODELS[kind]],
        training=card,
        metrics={outcome.protocol: _metrics(outcome, kind) for outcome in outcomes},
    )
    of_kind = trainer.of_logarithm if kind == "rs_local_plsr_ln" else trainer
    sections = [report.data_section(data, of_kind, wanted.target), report.rs_local_section(of_kind, data)]
    sections += [report.choice_section(choice, kind)] if choice is not None else []
    sections += [report.validation_section(outcome, wanted.target) for outcome in outcomes]
    if data.xy is not None:
        points = _points(folder / POINTS, wanted, data, model, chosen)
        sections.append(report.points_section(points, MODELS[kind]))
    page = write_report(folder / "report", title=_title(loaded), sections=sections)
    progress("final model", 1, 1)
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    return TrainResult(folder, page, model, table, tuple(notes), _title(loaded), sections)


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Compare local, library and localised models on the site's rows that none has seen, by both choices of the n.

    output: the table as CSV, by default NAME_comparison.csv; a report with figures, and the points with every model's
    prediction, stand in a folder beside it. Models of the country are made where the recipe names one.
    """
    loaded = read_recipe(recipe)
    wanted = loaded.recipe
    path = table_path(output, wanted.name)
    data = read_training_data(loaded)
    if len(choose_local(wanted, data)) == len(data.site.y):
        raise SamplesError(
            wanted.data.site,
            found=f"{len(data.site.y)} samples, of which {wanted.local.n} are learned from",
            expected="samples that are left for a test",
            way_out="choose a smaller local.n",
        )
    kinds = possible_models(wanted, data)
    bases = train_bases(wanted, data, kinds, progress)
    outcomes = [kennard_stone_test(wanted, data, kinds, progress, bases)]
    if wanted.validation.n_repeats:
        outcomes.append(random_test(wanted, data, kinds, progress, bases))
    trainer = Trainer(wanted, data, choose_local(wanted, data), progress=progress)
    sections = [report.data_section(data, trainer, wanted.target), report.rs_local_section(trainer, data)]
    sections += [report.validation_section(outcome, wanted.target) for outcome in outcomes]
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    return write_comparison(table, path, title=_title(loaded), sections=sections)


def predict_site(recipe: str | Path, model: PixelModel, path: Path) -> PointMap:
    """Write what a localised model predicts at the places of its recipe's site, as GeoPackage and PNG.

    Raises RecipeError where the recipe does not say where the places are.
    """
    loaded = read_recipe(recipe)
    data = read_training_data(loaded)
    if data.xy is None or data.crs is None:
        raise RecipeError(recipe, found="no places", expected="data.x, data.y, data.crs", way_out="add them")
    return _points(path, loaded.recipe, data, model, _local(loaded.recipe, data))


def auto_models(recipe: Recipe, data: TrainingData) -> list[str]:
    """Return the models that kind = "auto" cross-validates, those of `AUTO` that can be made."""
    return [kind for kind in possible_models(recipe, data) if kind in AUTO]


def _local(recipe: Recipe, data: TrainingData) -> np.ndarray:
    """Return the rows of the site that the recipe's model learns from."""
    return choose_local(recipe, data, at_random=0 if recipe.local.choose == "random" else None)


def _points(path: Path, recipe: Recipe, data: TrainingData, model: PixelModel, chosen: np.ndarray) -> PointMap:
    assert data.xy is not None
    assert data.crs is not None
    target = recipe.target
    return write_point_map(
        path,
        data.xy,
        data.crs,
        {target.column: data.site.y},
        ids=data.site.ids,
        predicted=model.predict_rows(data.site.R[:, model.used_columns])[:, 0],
        learned=np.isin(np.arange(len(data.site.y)), chosen),
        title=f"{target.name}, predicted",
        unit=target.unit,
    )


def _title(loaded: LoadedRecipe[Recipe]) -> str:
    return f"{loaded.recipe.target.name} of one site: {loaded.recipe.name}"


def _notes(fitted: Fitted, data: TrainingData, kind: str) -> list[str]:
    return [
        f"{MODELS[kind]} ({fitted.said}): {len(fitted.library_rows)} of {len(data.library.y)} rows of the library and "
        f"{len(fitted.site_rows)} of {len(data.site.y)} samples of the site"
    ]


def _ids(fitted: Fitted, data: TrainingData) -> list[str]:
    """Name the rows that the model learned from, for its card."""
    library, site = data.library.ids[fitted.library_rows], data.site.ids[fitted.site_rows]
    return [f"library rows: {', '.join(library) or 'none'}", f"site rows: {', '.join(site) or 'none'}"]


def _metrics(outcome: Outcome, kind: str) -> dict[str, Any]:
    """Return the figures of an outcome's model, for the model's card."""
    own = outcome.figures[kind]
    figures = {name: own[name].mean() for name in (*METRICS, "change_plsr") if name in own}
    return {"n": int(own.n.iloc[0]), **known_figures(figures)}
