"""`geosoil train`: a recipe in, a validated model and its report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.warp import transform_bounds

from geosoil.errors import GeosoilError, OutputError
from geosoil.evaluate.metrics import ALL_DEPTHS, ALL_DEPTHS_MEANING
from geosoil.io.atomic import require_writable_folder
from geosoil.models.card import OriginCard, SamplePlaces, TrainingCard
from geosoil.models.store import CARD, read_card, save_model
from geosoil.pipeline.fit import fit_pipeline
from geosoil.pipeline.recipe import read_recipe, with_budget
from geosoil.pipeline.sources import SOURCES
from geosoil.pipeline.trust import trust_sentence
from geosoil.pipeline.validation import no_progress
from geosoil.workflows.shown import ShownResult, table_as_text

if TYPE_CHECKING:
    import pandas as pd

    from geosoil.pipeline.fit import FittedPipeline
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.validation import Outcome, Progress
    from geosoil.report.page import Section

SOURCE_FOLDER = "source"


@dataclass(frozen=True, repr=False)
class TrainResult(ShownResult):
    """A trained model, its accuracy, and where both are.

    `refused` has a sentence for each target that could not be trained, for example a depth without data, and `trust`
    one for the error and the prediction intervals of each target.
    """

    folder: Path
    report: Path
    model: Any
    table: pd.DataFrame
    notes: tuple[str, ...]
    title: str
    sections: list[Section]
    outcomes: tuple[Outcome, ...]
    refused: tuple[str, ...] = ()
    trust: tuple[str, ...] = ()

    def summary(self, *, notes: bool = True) -> str:
        """Return a few lines for the terminal: notes, if asked for, accuracy, and where model and report are."""
        return "\n".join(
            [
                *(self.notes if notes else ()),
                format_table(self.table),
                *self.trust,
                f"model   {self.folder}",
                f"report  {self.report}",
            ]
        )


def train(
    recipe: str | Path,
    output: str | Path | None = None,
    *,
    budget_minutes: float | None = None,
    progress: Progress = no_progress,
) -> TrainResult:
    """Fit, validate and save the model of a recipe, with a report in its folder.

    The saved model is fitted to all rows; its accuracy comes from the honest splits of `[validation]`, where every
    choice is made again inside the training rows. Published protocols that leak are measured by `compare` only.

    Parameters
    ----------
    recipe : path
        A TOML file; `geosoil init` prints one.
    output : path, optional
        The model's folder, by default models/NAME.
    budget_minutes : float, optional
        Time in minutes that all fits of `kind = "auto"` may take together; by default `model.auto.minutes` of the
        recipe.
    progress : callable, optional
        Called as `progress(task, done, total)`.

    Returns
    -------
    TrainResult

    Raises
    ------
    GeosoilError
        If the recipe or a file that it names is wrong.
    """
    from geosoil.report.page import write_report
    from geosoil.report.sections import training_sections

    loaded = with_budget(read_recipe(recipe), budget_minutes)
    folder = require_writable_folder(Path(output) if output is not None else Path("models") / loaded.recipe.name)
    _keep_other_model(folder, loaded)
    fitted = fit_pipeline(loaded, progress=progress)
    save_pipeline(fitted, folder)
    sections = training_sections(fitted)
    points = write_points(fitted, folder)
    if points is not None:
        sections.append(points)
    report = write_report(folder / "report", title=fitted.title, sections=sections)
    table = concatenate([outcome.table for outcome in fitted.outcomes])
    notes = [*loaded.notes, *fitted.rows.notes, *fitted.task.details.get("notes", [])]
    return TrainResult(
        folder, report, fitted.model, table, tuple(notes), fitted.title, sections, fitted.outcomes,
        refused=tuple(fitted.rows.refused), trust=trust_lines(fitted),
    )  # fmt: skip


def trust_lines(fitted: FittedPipeline) -> tuple[str, ...]:
    """Return a sentence for the error and the prediction intervals of each target."""
    if fitted.trust is None:
        return ()
    state = fitted.trust.state
    units = {target.column: target.unit for target in fitted.rows.targets}
    lines = [trust_sentence(state, name, units[name]) for name in state.targets]
    lines += [] if fitted.trust.scene is None else [fitted.trust.scene.sentence]
    return (*lines, *fitted.trust.notes)


def _keep_other_model(folder: Path, loaded: LoadedRecipe) -> None:
    """Raise OutputError if the folder has a model of other properties or data, which training would replace.

    A model of the same properties from the same kind of data is replaced: its recipe was changed.
    """
    if not (folder / CARD).is_file():
        return
    try:
        card = read_card(folder)
    except GeosoilError:
        return  # what is left of a run that was stopped
    recipe = loaded.recipe
    columns = {target.column for target in recipe.target}
    known = {target.name for target in card.targets}
    is_same = all(any(name == column or name.startswith(f"{column} ") for column in columns) for name in known)
    is_known = card.study in {"python", *SOURCES}  # older cards have the names of studies
    if not is_same or (is_known and card.study != recipe.data.kind):
        raise OutputError(
            folder,
            found=f"a model of {', '.join(sorted(known))} from data of the kind {card.study}",
            expected=f"a new folder, or a model of {', '.join(sorted(columns))} from data of the kind "
            f"{recipe.data.kind}, which is replaced",
            way_out="name another folder with -o, change the name in the recipe, or delete that folder",
        )


def save_pipeline(fitted: FittedPipeline, folder: Path) -> None:
    """Save a fitted pipeline as a model folder; a transferred model keeps its source network in the folder `source`."""
    recipe, rows = fitted.loaded.recipe, fitted.rows
    details = fitted.task.details
    card = TrainingCard(
        n_samples=details.get("n_training_rows", len(fitted.task.train)),
        recipe_sha256=fitted.loaded.sha256,
        table_sha256=rows.sha256,
        laboratory=recipe.data.kind == "spectra"
        or (recipe.data.kind == "cube" and recipe.features.use == "laboratory"),
        notes=[*rows.notes, *details.get("notes", []), *details.get("card_notes", [])],
    )
    name = fitted.task.candidate.name
    options: dict[str, Any] = {"study": recipe.data.kind, "quantity": rows.quantity, "grid": rows.grid}
    source = details.get("source_model")
    if source is not None:
        from geosoil.pipeline.regressors.spectral_transfer import name_source

        save_model(
            source.model,
            folder / SOURCE_FOLDER,
            name=f"{recipe.name[:90]}_source",
            preprocessing=source.steps,
            training=card.model_copy(update={"n_samples": source.n_samples}),
            metrics={"library": source.metrics},
            **options | {"grid": None},
        )
        name_source(fitted.model, folder / SOURCE_FOLDER)
    save_model(
        fitted.model,
        folder,
        origin=_origin(fitted),
        name=recipe.name,
        preprocessing=details.get("steps", [name]),
        training=card,
        metrics={outcome.split: outcome.card_metrics(name) for outcome in fitted.outcomes},
        trust=fitted.trust.state if fitted.trust is not None and fitted.trust.scores else None,
        **options,
    )


def _method(fitted: FittedPipeline) -> str:
    """Return the method in words: the name of the model, and what it chose for each target."""
    details = fitted.task.details
    by_target = details.get("targets", {"": details})
    chosen = [f"{name}: {part['description']}" if name else part["description"]
              for name, part in by_target.items() if "description" in part]  # fmt: skip
    name = fitted.task.candidate.name
    return f"{name} ({'; '.join(chosen)})" if chosen else name


def _origin(fitted: FittedPipeline) -> OriginCard:
    """Return the part of the card that says where a model comes from and what it was not made for."""
    recipe, rows = fitted.loaded.recipe, fitted.rows
    learned, contents, bounds = fitted.task.train, {}, None
    for target, values in zip(rows.map_targets, np.asarray(rows.y)[learned].T, strict=False):
        if np.isfinite(values).any():
            contents[target.name] = (float(np.nanmin(values)), float(np.nanmax(values)))
    if rows.xy is not None and rows.crs is not None:
        west, south, east, north = transform_bounds(
            rows.crs, "EPSG:4326", *rows.xy[learned].min(axis=0), *rows.xy[learned].max(axis=0)
        )
        bounds = (west, south, east, north)
    limits = [recipe.not_made_for] if recipe.not_made_for else []
    if recipe.data.kind == "spectra":
        limits.append("The model learned from laboratory spectra only; spectra of satellites differ from these.")
    if contents:
        limits.append("Contents outside the range that the model learned from.")
    if bounds is not None:
        limits.append("Soils outside the area of the training samples, unless it is validated there.")
    return OriginCard(
        method=f"{_method(fitted)}, fitted to {len(learned)} samples",
        sensor=recipe.sensor or rows.sensor or None,
        cube=rows.cube,
        bounds=bounds,
        contents=contents,
        places=_sample_places(fitted),
        author=recipe.author,
        licence=recipe.licence,
        not_made_for=limits,
    )


def _sample_places(fitted: FittedPipeline) -> SamplePlaces | None:
    """Return where the samples of a model with place are, None for any other model."""
    if not fitted.task.candidate.features.place or fitted.rows.place is None:
        return None
    return SamplePlaces.of(fitted.rows.place.X[fitted.task.train], fitted.rows.place.apart_m)


def write_points(fitted: FittedPipeline, folder: Path) -> Section | None:
    """Write a point map of the samples of a table of spectra with places, for which no cube is given."""
    from geosoil.pipeline.regressors import predict_rows
    from geosoil.report.page import Section
    from geosoil.workflows.point_map import write_point_map

    rows, recipe = fitted.rows, fitted.loaded.recipe
    if recipe.data.kind != "spectra" or rows.xy is None or rows.crs is None or recipe.data.cube is not None:
        return None
    everything = np.arange(len(rows))
    predicted = predict_rows(fitted.model, fitted.task.candidate, rows, everything)[:, 0]
    target = rows.targets[0]
    points = write_point_map(
        folder / "points.gpkg",
        rows.xy,
        rows.crs,
        {rows.map_targets[0].name: rows.y[:, 0]},
        ids=rows.ids,
        predicted=predicted,
        learned=np.isin(everything, fitted.task.train),
        title=f"{target.name}, predicted",
        unit=target.unit,
    )
    name = fitted.task.candidate.name
    text = [f"Predicted by {name}, also at samples that the model learned from; {points.path.name} has the points."]
    return Section("Points", text, [("Predicted values of the samples.", points.figure)], [])


def concatenate(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Return tables one below the other."""
    import pandas as pd

    return pd.concat(tables, ignore_index=True)


def format_table(table: pd.DataFrame) -> str:
    """Return the main columns of a table of accuracy as plain text, with 95 % intervals in brackets.

    A sentence below explains the figures of all depths together, if there are any.

    >>> import pandas as pd
    >>> figures = {"test_r2": 0.71, "test_r2_low": 0.6, "test_r2_high": 0.8, "test_rmse": 3.0}
    >>> row = {"split": "random", "model": "PLSR", "n": 40} | figures | {"test_rmse_low": 2.5, "test_rmse_high": 3.6}
    >>> print(format_table(pd.DataFrame([row])))
     split model  n             test_r2      test_rmse
    random  PLSR 40 0.71 [0.60 to 0.80] 3 [2.5 to 3.6]
    """
    metrics = [f"test_{metric}" for metric in ("r2", "r2_ln", "rmse", "rpiq", "ccc", "bias")]
    text = table_as_text(table, [name for name in ("split", "target", "model", "n", *metrics) if name in table])
    pooled = "target" in table and (table.target == ALL_DEPTHS).any()
    return f"{text}\n{ALL_DEPTHS_MEANING}" if pooled else text
