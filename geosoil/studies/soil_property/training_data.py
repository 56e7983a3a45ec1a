"""From files to training rows: the covariates at each point, and the properties measured there."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.stack import open_stack
from geosoil.io.tables import read_samples
from geosoil.models.base import Feature
from geosoil.raster.grid import Grid
from geosoil.samples.extract import extract_spectra
from geosoil.studies.covariate_data import covariate_paths

if TYPE_CHECKING:
    from geosoil.studies.recipe import LoadedRecipe, TargetColumn
    from geosoil.studies.soil_property.recipe import Recipe

FEWEST_SAMPLES, FEW_SAMPLES = 10, 20


@dataclass(frozen=True)
class TrainingData:
    """The rows that the study learns from, a point each, all in one order.

    X `(n, covariate)` float32, without NaN; inputs what its columns are; target and source `(n,)` in their own units,
    NaN where not known (source: None without one); x, y `(n,)` in the covariates' CRS, in metres where `projected`;
    grid of the covariates; notes what was done to the input, to be told to the user.
    """

    ids: np.ndarray
    X: np.ndarray
    inputs: tuple[Feature, ...]
    target: np.ndarray
    source: np.ndarray | None
    x: np.ndarray
    y: np.ndarray
    grid: Grid
    notes: list[str]
    sha256: str

    @property
    def projected(self) -> bool:
        """Whether x and y are in metres."""
        return self.grid.crs is not None and bool(self.grid.crs.is_projected)


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
        _check_values(path, one, points[one.column].to_numpy())
    stack = open_stack(
        covariate_paths(loaded),
        like=loaded.path(data.like) if data.like else None,
        classes={band: loaded.path(of) if isinstance(of, str) else of for band, of in data.classes.items()},
    )
    _check_names(path, recipe, [str(name) for name in stack["band"].values])
    found = extract_spectra(stack, points, sample_id=data.sample_id, on_missing=data.on_missing)
    points = points.set_index(data.sample_id).loc[found.ids]
    grid = Grid.of(stack)
    place = points.geometry.to_crs(grid.crs)
    target, *source = (points[one.column].to_numpy(np.float64) for one in wanted)
    notes = [*stack.attrs.get("notes", ()), *found.notes, *_said_of(path, recipe.target, target)]
    digest = hashlib.sha256(np.ascontiguousarray(found.spectra).tobytes())
    for values in (target, *source):
        digest.update(np.ascontiguousarray(values).tobytes())
    return TrainingData(
        ids=found.ids,
        X=found.spectra,
        inputs=tuple(Feature(str(name)) for name in found.bands),
        target=target,
        source=source[0] if source else None,
        x=place.x.to_numpy(),
        y=place.y.to_numpy(),
        grid=grid,
        notes=notes,
        sha256=digest.hexdigest(),
    )


def _check_values(path: str, wanted: TargetColumn, values: np.ndarray) -> None:
    if wanted.log != "none" and (values <= 0).any():
        raise SamplesError(
            path,
            found=f"{int((values <= 0).sum())} values of zero or less in {wanted.column}",
            expected="positive values under a logarithm",
            way_out="mend these values or set log = 'none' in the recipe",
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
