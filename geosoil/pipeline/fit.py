"""Fit the model of a recipe to its rows, and validate it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.pipeline.regressors import fit_model, prepare_shared
from geosoil.pipeline.sources import read_rows
from geosoil.pipeline.splits import SPLITS, divide
from geosoil.pipeline.task import FitTask
from geosoil.pipeline.trust import fit_trust
from geosoil.pipeline.validation import no_progress, validate

if TYPE_CHECKING:
    from geosoil.models.contract import Model
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.trust import FittedTrust
    from geosoil.pipeline.validation import Outcome, Progress


@dataclass(frozen=True, eq=False)
class FittedPipeline:
    """The model of a recipe fitted to all its rows, with everything that a report needs."""

    loaded: LoadedRecipe
    rows: TrainingRows
    task: FitTask
    model: Model
    outcomes: tuple[Outcome, ...]
    trust: FittedTrust | None = None

    @property
    def title(self) -> str:
        """Return the title of the report: the properties, and the name of the recipe where it is another."""
        names = ", ".join(target.name for target in self.loaded.recipe.target)
        name = self.loaded.recipe.name
        return names if name == names else f"{names}: {name}"


def fit_pipeline(loaded: LoadedRecipe, *, progress: Progress = no_progress) -> FittedPipeline:
    """Read the rows of a recipe, validate its model by every honest split, and fit it to all rows.

    Published protocols that leak are measured by `geosoil compare` only.

    Raises
    ------
    GeosoilError
        If a file that the recipe names is wrong.
    """
    recipe = loaded.recipe
    rows = read_rows(loaded)
    candidate = recipe.candidate()
    shared = prepare_shared(recipe, rows, [candidate], progress)
    outcomes = tuple(
        validate(split, recipe, rows, [candidate], shared=shared, progress=progress)
        for split in recipe.validation.split
        if not SPLITS[split].leaks
    )
    progress("final model", 0, 1)
    learned = np.arange(len(rows))
    if recipe.model.fit_to == "split":
        learned = divide(recipe.validation.split[0], rows, recipe.validation, recipe.seed)[0].train
    task = FitTask(candidate, rows, learned, recipe, seed=recipe.seed, shared=shared)
    model = fit_model(task)
    progress("final model", 1, 1)
    trust = fit_trust(model, candidate, rows, learned, outcomes)
    trust = None if trust is None else trust.of_scene(loaded, model)
    return FittedPipeline(loaded, rows, task, model, outcomes, trust)
