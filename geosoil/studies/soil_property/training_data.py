"""From files to training rows: the covariates at each point, and the properties measured there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.estimators.base import FEW_SAMPLES, FEWEST_SAMPLES
from geosoil.io.tables.reader import read_samples
from geosoil.models.contract import Feature
from geosoil.raster.grid import Grid
from geosoil.samples.extract import sample_raster
from geosoil.studies.covariate_data import Places, open_covariates
from geosoil.studies.target_checks import check_contents

if TYPE_CHECKING:
    from geosoil.studies.recipe import LoadedRecipe, TargetColumn
    from geosoil.studies.soil_property.recipe import Recipe


@dataclass(frozen=True)
class TrainingData(Places):
    """The rows that the study learns from, a point each.

    X `(n, covariate)` float32, without NaN; inputs what its columns are; target and source `(n,)` in their own units,
    NaN where not known (source: None without one).
    """

    X: np.ndarray
    inputs: tuple[Feature, ...]
    target: np.ndarray
    source: np.ndarray | None


def read_training_data(loaded: LoadedRecipe[Recipe]) -> TrainingData:
    """Read all that a recipe names, check it, and take the covariates of the cell that holds each point.

    Raises the GeosoilError that says which file is wrong and how to mend it.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    wanted = [recipe.target, *([recipe.source] if recipe.source else [])]
    path = loaded.path(data.samples)
    columns = list(dict.fromkeys(one.column for one in wanted))
    points = read_samples(path, sample_id=data.sample_id, columns=columns, x=data.x, y=data.y, crs=data.crs)
    for one in wanted:
        check_contents(path, one, points[data.sample_id].to_numpy(), points[one.column].to_numpy(np.float64))
    stack = open_covariates(loaded)
    _check_names(path, recipe, [str(name) for name in stack["band"].values])
    found = sample_raster(stack, points, sample_id=data.sample_id, on_missing=data.on_missing)
    points = points.set_index(data.sample_id).loc[found.ids]
    grid = Grid.of(stack)
    place = points.geometry.to_crs(grid.crs)
    target, *source = (points[one.column].to_numpy(np.float64) for one in wanted)
    notes = [*stack.attrs.get("notes", ()), *found.notes, *_said_of(path, recipe.target, target)]
    digest = hashlib.sha256(np.ascontiguousarray(found.values).tobytes())
    for values in (target, *source):
        digest.update(np.ascontiguousarray(values).tobytes())
    return TrainingData(
        ids=found.ids,
        X=found.values,
        inputs=tuple(Feature(str(name)) for name in found.bands),
        target=target,
        source=source[0] if source else None,
        x=place.x.to_numpy(),
        y=place.y.to_numpy(),
        grid=grid,
        notes=notes,
        sha256=digest.hexdigest(),
    )


def _check_names(path: str, recipe: Recipe, names: list[str]) -> None:
    if recipe.source is not None and recipe.source.name in names:
        raise SamplesError(
            path,
            found=f"a source {recipe.source.name}, and a covariate of that name",
            expected="names that differ",
            way_out="give source.title another name",
        )


def _said_of(path: str, wanted: TargetColumn, values: np.ndarray) -> list[str]:
    """Return what is to be said of the number of known values; raises SamplesError below 10."""
    known = int(np.isfinite(values).sum())
    if known < FEWEST_SAMPLES:
        raise SamplesError(
            path,
            found=f"{known} values of {wanted.column} on the covariates",
            expected=f"at least {FEWEST_SAMPLES}, and better {FEW_SAMPLES}",
            way_out="add samples",
        )
    notes = []
    if known < len(values):
        notes.append(f"{len(values) - known} of {len(values)} points have no value of {wanted.column}")
    if known < FEW_SAMPLES:
        notes.append(
            f"{known} values of {wanted.column}: with fewer than {FEW_SAMPLES}, two or three of them decide every "
            "figure, and another seed gives another model"
        )
    return notes
