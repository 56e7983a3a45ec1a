"""What all sources share: a table of samples with its targets, labels and places, and the checks of their values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import GeosoilError, SamplesError
from geosoil.estimators.base import FEW_SAMPLES, FEWEST_SAMPLES
from geosoil.io.journal import Identity
from geosoil.io.tables.reader import (
    has_value,
    list_ids,
    read_numbers,
    read_points,
    read_table,
    read_unique_ids,
    require_column,
)
from geosoil.models.contract import Feature, with_training_range
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.places import place_columns
from geosoil.pipeline.rows import TrainingRows
from geosoil.pipeline.sources.standard_errors import describe_standard_errors, read_standard_errors
from geosoil.pipeline.splits import SPLITS
from geosoil.samples.map_places import MOST_BANDS_OF_PLACES, regular_places

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    import xarray as xr
    from pyproj import CRS

    from geosoil.pipeline.part import Property
    from geosoil.pipeline.recipe import LoadedRecipe, Recipe

MOST_VALUES_FOR_REPORT = 300_000_000  # that are unpacked for a figure: a few seconds


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples in the order of their table.

    Parameters
    ----------
    path : str
        The table, for messages.
    ids : ndarray of str, shape (n,)
    y : ndarray, shape (n, n_targets)
        NaN where unknown.
    auxiliary : ndarray, shape (n,), or None
    groups, folds : ndarray of str, shape (n,), or None
    table : DataFrame
        Targets and further columns for the table of statistics.
    points : GeoSeries or None
    standard_error : ndarray, shape (n, n_targets), or None
        As in `TrainingRows`.
    """

    path: str
    ids: np.ndarray
    y: np.ndarray
    auxiliary: np.ndarray | None
    groups: np.ndarray | None
    folds: np.ndarray | None
    table: pd.DataFrame
    points: gpd.GeoSeries | None
    standard_error: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Samples:
        """Return the samples of some rows, given as indices or flags."""
        indices = np.arange(len(self.ids))[rows]
        return replace(
            self,
            ids=self.ids[indices],
            y=self.y[indices],
            auxiliary=None if self.auxiliary is None else self.auxiliary[indices],
            groups=None if self.groups is None else self.groups[indices],
            folds=None if self.folds is None else self.folds[indices],
            table=self.table.iloc[indices].reset_index(drop=True),
            points=None if self.points is None else self.points.iloc[indices].reset_index(drop=True),
            standard_error=None if self.standard_error is None else self.standard_error[indices],
        )

    def in_order_of(self, ids: np.ndarray) -> Samples:
        """Return the samples with these ids, in their order."""
        row = {name: i for i, name in enumerate(self.ids)}
        return self.take(np.array([row[name] for name in ids], dtype=int))

    def as_points(self, sample_id: str) -> gpd.GeoDataFrame:
        """Return ids and points, as the readers of rasters take them."""
        import geopandas as gpd

        assert self.points is not None
        return gpd.GeoDataFrame({sample_id: self.ids}, geometry=self.points)

    def places(self, crs: CRS | None = None) -> tuple[np.ndarray, CRS]:
        """Return places (n, 2) and their CRS: the one given, else the points' own or, for degrees, a UTM zone."""
        points = self.points
        assert points is not None
        if crs is None:
            crs = points.crs if points.crs.is_projected else points.estimate_utm_crs()
        points = points.to_crs(crs)
        return np.column_stack([points.x, points.y]), crs


def read_samples(
    loaded: LoadedRecipe,
    relative: str,
    *,
    with_places: bool = True,
    with_auxiliary: bool = True,
    labels: pd.DataFrame | None = None,
) -> Samples:
    """Read the table of samples that a recipe names.

    Parameters
    ----------
    loaded : LoadedRecipe
    relative : str
        The table, as the recipe names it.
    with_places : bool
        Whether places are required; otherwise they are read if the table has them.
    with_auxiliary : bool
        Whether the table has the auxiliary property that the recipe names.
    labels : DataFrame, optional
        Columns of groups and folds by sample id, for those that the table lacks.

    Raises
    ------
    SamplesError
        If columns or ids are missing, ids are not unique, cells are not numbers, or values are not valid.
    """
    path = Path(loaded.path(relative))
    data = loaded.recipe.data
    table = read_table(path, data.layer, data.decimal).reset_index(drop=True)
    if len(table) < 2:
        raise SamplesError(path, found=f"{len(table)} rows", expected="at least 2", way_out="add samples")
    sample_id = data.sample_id
    if sample_id:
        require_column(path, table, sample_id)
        ids = read_unique_ids(path, table[sample_id])
    else:
        ids = np.array([str(row) for row in range(1, len(table) + 1)], dtype=object)
    if labels is not None:
        for name in labels.columns.difference(table.columns):
            table[name] = labels[name].reindex(ids).to_numpy()
    return samples_of_table(loaded.recipe, path, table, ids, with_places=with_places, with_auxiliary=with_auxiliary)


def samples_of_table(
    recipe: Recipe, path: Path, table: pd.DataFrame, ids: np.ndarray, *, with_places: bool, with_auxiliary: bool
) -> Samples:
    """Return the samples of a table that was read, with the columns that the recipe names."""
    data = recipe.data
    auxiliary = data.auxiliary if with_auxiliary else None
    columns = list(dict.fromkeys([*(target.column for target in recipe.target), *data.describe]))
    coordinates = [name for name in (data.x, data.y) if name is not None]
    for name in (*columns, *([auxiliary.column] if auxiliary else []), *coordinates):
        require_column(path, table, name)
    numbers = pd.DataFrame({name: read_numbers(path, table[name], ids) for name in columns})
    points = None
    if with_places or coordinates or hasattr(table, "geom_type"):
        points = read_points(path, table, ids, data.x, data.y, data.crs)
    samples = Samples(
        path=str(path),
        ids=np.asarray(ids, dtype=object),
        y=numbers[[target.column for target in recipe.target]].to_numpy(np.float64),
        auxiliary=None if auxiliary is None else read_numbers(path, table[auxiliary.column], ids),
        groups=read_labels(path, table, data.group, "data.group"),
        folds=read_labels(path, table, data.folds, "data.folds"),
        table=numbers,
        points=points,
    )
    errors = read_standard_errors(path, table, samples.ids, recipe.target, samples.y)
    samples = replace(samples, standard_error=errors)
    for target, values in zip(recipe.target, samples.y.T, strict=True):
        check_values(samples.path, target, samples.ids, values)
    if auxiliary is not None:
        check_values(samples.path, auxiliary, samples.ids, samples.auxiliary)
    return samples


def read_labels(path: Path, table: pd.DataFrame, column: str | None, key: str) -> np.ndarray | None:
    """Return a column as text, without empty cells, or None if the recipe's key names no column."""
    if column is None:
        return None
    require_column(path, table, column)
    empty = ~has_value(table[column])
    if empty.any():
        raise SamplesError(
            path,
            problem=f"column {column} is empty in {int(empty.sum())} rows",
            expected="a value for each sample",
            way_out=f"fill in these cells, or remove {key}",
        )
    return table[column].astype(str).str.strip().to_numpy(dtype=object)


def keep_known(samples: Samples, recipe: Recipe, notes: list[str]) -> Samples:
    """Return the samples with a value of some target or of the auxiliary property; others stop or are dropped."""
    known = np.isfinite(samples.y).any(axis=1)
    if samples.auxiliary is not None:
        known |= np.isfinite(samples.auxiliary)
    if known.all():
        return samples
    columns = ", ".join(target.column for target in recipe.target)
    if recipe.data.on_missing == "stop":
        raise SamplesError(
            samples.path,
            found=f"no {columns} for {list_ids(samples.ids[~known])}",
            expected="a number for each sample",
            way_out="fill it in, or set on_missing = 'drop' in [data]",
        )
    notes.append(f"dropped {(~known).sum()} samples without {columns}")
    return samples.take(known)


def check_values(path: str, target: Property, ids: np.ndarray, values: Any) -> None:
    """Refuse values (n,) that are constant, outside the valid range, or not positive under a logarithm; NaN is allowed.

    Raises
    ------
    SamplesError
        With the table's path and the samples.
    """
    if isinstance(target, TargetProperty):
        check_positive(path, target, ids, values)
    low, high = target.valid_range
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    outside = (values < low) | (values > high)
    if outside.any():
        raise SamplesError(
            path,
            found=f"{target.column} outside the valid range for {list_ids(ids[outside])}",
            expected=f"{low:g} to {high:g} {target.unit}",
            way_out="correct the values, or set valid_range in the recipe",
        )
    known = values[np.isfinite(values)]
    if len(known) and np.ptp(known) == 0:
        raise SamplesError(
            path,
            found=f"the same {target.column} in all {len(known)} samples, {known[0]:g}",
            expected="values that differ",
            way_out="check the column",
        )


def check_positive(path: str, target: TargetProperty, ids: np.ndarray, values: np.ndarray) -> None:
    """Refuse values (n,) of zero or less of a target that is learned by its logarithm."""
    if target.log != "none" and (values <= 0).any():
        raise SamplesError(
            path,
            found=f"{target.column} of zero or less for {list_ids(ids[values <= 0])}",
            expected="positive values under a logarithm",
            way_out="correct these values, or set log = 'none' in the recipe",
        )


def check_count(samples: Samples, recipe: Recipe, notes: list[str], *, fewest: int = FEWEST_SAMPLES) -> None:
    """Refuse fewer values of a target than validation and the searches inside its folds need; note few of them."""
    selection, validation = recipe.features.selection, recipe.validation
    if selection.method == "cars":
        fewest = max(fewest, 2 * selection.n_folds)  # half of the samples must do inside a training fold
    if any(SPLITS[name].makes_folds for name in validation.split):
        fewest = max(fewest, validation.n_folds)
    for target, values in zip(recipe.target, samples.y.T, strict=True):
        known = int(np.isfinite(values).sum())
        if known < fewest:
            raise SamplesError(
                samples.path,
                found=f"{known} samples with a value of {target.column}",
                expected=f"at least {fewest} to train and validate with",
                way_out="add samples" + (", or lower validation.n_folds" if fewest > FEWEST_SAMPLES else ""),
            )
        if known < len(values):
            notes.append(f"{len(values) - known} of {len(values)} samples have no value of {target.column}")
        if known < FEW_SAMPLES:
            notes.append(
                f"{known} values of {target.column}: with fewer than {FEW_SAMPLES}, two or three of them decide every "
                "figure, and another seed gives another model"
            )


def make_rows(
    loaded: LoadedRecipe,
    samples: Samples,
    X: np.ndarray,
    features: Sequence[Feature],
    *,
    quantity: str,
    notes: list[str],
    crs: CRS | None = None,
    **fields: Any,
) -> TrainingRows:
    """Return the training rows of samples and their features X; `crs` is the one that places are brought to."""
    xy, place_crs = (None, None) if samples.points is None else samples.places(crs)
    rows = TrainingRows(
        ids=np.asarray(samples.ids, dtype=str),
        X=X,
        y=samples.y,
        features=tuple(features),
        targets=tuple(fields.pop("targets", loaded.recipe.target)),
        quantity=quantity,
        notes=notes,
        sha256="",
        xy=xy,
        crs=place_crs,
        groups=None if samples.groups is None else samples.groups.astype(str),
        folds=None if samples.folds is None else samples.folds.astype(str),
        auxiliary=samples.auxiliary,
        standard_error=samples.standard_error,
        table=samples.table,
        **fields,
    )
    _check_names(samples.path, rows, loaded.recipe)
    notes += describe_standard_errors(loaded.recipe.target, samples.y, samples.standard_error)
    if loaded.recipe.reads_places:
        rows = replace(rows, place=place_columns(rows, samples.points, where=samples.path))
        assert rows.place is not None
        notes += rows.place.notes
    return replace(rows, features=with_training_range(rows.features, rows.centres), sha256=_hash(rows))


def places_of_map(loaded: LoadedRecipe, raster: xr.DataArray, paths: Sequence[str]) -> np.ndarray | None:
    """Return places that represent the map of a raster, or None where no split needs them and reading takes long.

    Without such a split they are for the report only: they are not read over a network or from a large raster, and one
    that cannot be read there does not stop the training.
    """
    validation = loaded.recipe.validation
    if any("map" in SPLITS[name].needs for name in validation.split):
        return regular_places(raster, validation.n_places)
    is_remote = any("://" in path or path.startswith("/vsi") for path in paths)
    n_bands, height, width = raster.shape
    n_unpacked = n_bands if "wavelength_nm" in raster.coords else min(n_bands, MOST_BANDS_OF_PLACES)
    if is_remote or n_unpacked * height * width > MOST_VALUES_FOR_REPORT:
        return None
    try:
        return regular_places(raster, validation.n_places)
    except GeosoilError:
        return None


def _check_names(path: str, rows: TrainingRows, recipe: Recipe) -> None:
    """Refuse an auxiliary property with the name of a feature: a cascade gives both to its second model."""
    auxiliary = recipe.data.auxiliary
    if auxiliary is not None and auxiliary.name in {feature.name for feature in rows.features}:
        raise SamplesError(
            path,
            found=f"an auxiliary property and a feature that are both named {auxiliary.name}",
            expected="different names",
            way_out="set data.auxiliary.title to another name",
        )


def _hash(rows: TrainingRows) -> str:
    """Return the hash of all values that decide a model."""
    names = ("X", "y", "auxiliary", "laboratory", "neighbours")
    arrays = {name: getattr(rows, name) for name in names}
    if rows.standard_error is not None:
        arrays["standard_error"] = rows.standard_error
    if rows.place is not None:
        arrays["place"] = rows.place.X
    if rows.library is not None:
        arrays |= {f"library {name}": getattr(rows.library, name) for name in ("X", "y", "auxiliary")}
    return Identity.of({}, arrays).sha256
