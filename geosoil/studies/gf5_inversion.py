"""GF-5 inversion end to end: train the model of a recipe, or make the paper's comparison table.

Ou et al. 2025: satellite spectra are made laboratory-like by a spectral VAE, mixed with the originals, bands chosen
by CARS, contents predicted by SVR or PLSR.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import OutputError, RecipeError
from geosoil.io.atomic import atomic_path
from geosoil.models.base import PixelModel, Target
from geosoil.models.card import TrainingCard
from geosoil.models.store import save_model
from geosoil.studies.assemble import Choice, Trainer
from geosoil.studies.gf5_report import build_sections, write_report
from geosoil.studies.protocols import METRICS, Outcome, nested, no_progress, published
from geosoil.studies.recipe import read_recipe
from geosoil.studies.training_data import read_training_data

if TYPE_CHECKING:
    from geosoil.report.page import Section
    from geosoil.studies.protocols import Progress
    from geosoil.studies.recipe import LoadedRecipe

STUDY = "gf5_inversion"


@dataclass(frozen=True)
class TrainResult:
    """A trained model, the table of both protocols, and where they stand."""

    folder: Path
    report: Path
    model: PixelModel
    table: pd.DataFrame
    notes: tuple[str, ...]
    loaded: LoadedRecipe
    sections: list[Section]

    def summary(self) -> str:
        """Say in a few lines what was learned."""
        return "\n".join([*self.notes, table_text(self.table), f"model   {self.folder}", f"report  {self.report}"])


@dataclass(frozen=True)
class CompareResult:
    """The comparison table and where it stands."""

    table: pd.DataFrame
    path: Path
    report: Path

    def summary(self) -> str:
        """Show the table."""
        return "\n".join([table_text(self.table), f"table   {self.path}", f"report  {self.report}"])


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
    folder = _writable(Path(output) if output is not None else Path("models") / wanted.name)
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
    report = write_report(folder / "report", loaded, sections)
    progress("final model", 1, 1)
    notes = [*data.notes, *(trainer.fusion.notes_ if choice.features in {"vae", "mix"} else [])]
    return TrainResult(folder, report, model, table, tuple(notes), loaded, sections)


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Make the paper's table: Indoor, GF5, VAE, Mix x PLSR, SVR, and FD-RF and DNN-CARS, by both protocols.

    output: the table as CSV, by default NAME_comparison.csv; a report with figures stands in a folder beside it.
    Without laboratory spectra only the rows of the satellite's own are made.
    """
    loaded = read_recipe(recipe)
    path = Path(output) if output is not None else Path(f"{loaded.recipe.name}_comparison.csv")
    if not path.suffix or path.is_dir():  # the report's folder has the table's name without its suffix
        raise OutputError(path, found="no name of a table", expected="a file NAME.csv", way_out="give one with -o")
    _writable(path.parent)
    data = read_training_data(loaded)
    kinds = ("satellite",) if data.laboratory is None else ("indoor", "satellite", "vae", "mix")
    choices = [Choice(features, regressor) for features in kinds for regressor in ("plsr", "svr")]
    choices += [Choice("satellite", "forest"), Choice("satellite", "dnn")]
    outcomes = [
        nested(loaded.recipe, data, choices, progress),
        published(loaded.recipe, data, choices, progress),
    ]
    table = pd.concat([outcome.table for outcome in outcomes], ignore_index=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    trainer = Trainer(loaded.recipe, data, np.arange(len(data.ids)))
    for features in kinds:  # the report shows bands, and regressors of one kind of features share them
        trainer.fit(Choice(features, "plsr"))
    sections = build_sections(loaded, data, trainer, outcomes, table, loss_variants=True)
    report = write_report(path.with_suffix(""), loaded, sections)
    return CompareResult(table, path, report)


def table_text(table: pd.DataFrame) -> str:
    """Return a comparison table as plain text of a terminal's width."""
    shown = table.rename(columns=lambda name: name.replace("train_", "tr_").replace("test_", "te_"))
    return shown.to_string(index=False, float_format=lambda value: f"{value:.3g}")


def _writable(folder: Path) -> Path:
    """Say before hours of training whether a folder, yet to be made, can be written; leaves nothing there."""
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    found = "" if there.is_dir() else "a file"
    try:
        if not found:
            TemporaryFile(dir=there).close()
    except OSError as error:
        found = f"a place that cannot be written ({error.strerror})"
    if found:
        raise OutputError(there, found=found, expected="a folder to write", way_out="name another with -o")
    return folder


def _metrics(outcome: Outcome) -> dict[str, Any]:
    """Return the figures of the one row of an outcome, for the model's card."""
    row = outcome.table.iloc[0]
    figures = {f"{part}_{metric}": float(row[f"{part}_{metric}"]) for part in ("train", "test") for metric in METRICS}
    return {**{name: value for name, value in figures.items() if np.isfinite(value)}, "n_features": int(row.n_features)}


def _steps(estimator: Any) -> list[str]:
    """Name the steps of a fitted Pipeline, for people."""
    inner = getattr(estimator, "estimator_", estimator)
    names = [type(step).__name__ for _, step in inner.steps]
    return names if inner is estimator else ["ln(target)", *names, "exp"]
