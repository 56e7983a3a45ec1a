"""Soil profiles on covariate rasters: horizons or depth layers, a target for each property and layer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import read_ids, read_numbers, read_table, read_unique_ids, require_column
from geosoil.io.tables.reader import read_samples as read_points_table
from geosoil.pipeline.sources.covariates import at_covariates
from geosoil.pipeline.sources.samples import Samples, check_positive, make_rows, read_labels
from geosoil.samples.depths import harmonise, layer_columns, read_horizons

if TYPE_CHECKING:
    import geopandas as gpd

    from geosoil.pipeline.part import TargetProperty
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows

FEWEST_OF_A_LAYER = 20  # values; half of them, in a training fold, are what a network needs


def layer_name(layer: tuple[float, float]) -> str:
    """Name a layer (top, bottom) in cm.

    >>> layer_name((0, 5)), layer_name((12.5, 30))
    ('0-5 cm', '12.5-30 cm')
    """
    return f"{layer[0]:g}-{layer[1]:g} cm"


def read(loaded: LoadedRecipe) -> TrainingRows:
    """Read the profiles of a recipe at its layers, and the covariates at their places.

    A layer with too few values is left out and named in `refused`.

    Raises
    ------
    GeosoilError
        If a file is wrong, or no layer has enough values; the message says what to do.
    """
    recipe, layers = loaded.recipe, loaded.recipe.data.layers
    samples, notes = _profiles(loaded)
    samples, fields = at_covariates(loaded, samples, notes)
    targets = [_at_layer(target, layer) for target in recipe.target for layer in layers]
    for target, values in zip(targets, samples.y.T, strict=True):
        check_positive(samples.path, target, samples.ids, values)
    kept, refused = _enough_values(targets, samples.y)
    known = np.isfinite(samples.y[:, kept]).any(axis=1)
    if not known.all():
        columns = ", ".join(target.column for target in recipe.target)
        notes.append(f"{(~known).sum()} profiles have no value of {columns} in these layers and are left out")
    samples = replace(samples, y=samples.y[:, kept]).take(known)
    zones = fields.pop("zones")
    return make_rows(
        loaded,
        samples,
        fields.pop("X")[known],
        quantity="covariates",
        notes=notes,
        targets=[targets[i] for i in kept],
        layers_cm=tuple((layers * len(recipe.target))[i] for i in kept),
        zones=None if zones is None else zones[known],
        refused=refused,
        **fields,
    )


def _at_layer(target: TargetProperty, layer: tuple[float, float]) -> TargetProperty:
    """Return the target of one layer; its column is the name of the band of the map."""
    name = layer_name(layer)
    return target.model_copy(update={"column": f"{target.column} {name}", "title": f"{target.name} {name}"})


def _enough_values(targets: list[TargetProperty], y: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the indices of targets with enough values, and a sentence for each of the others."""
    counts = np.isfinite(y).sum(axis=0)
    kept = np.flatnonzero(counts >= FEWEST_OF_A_LAYER)
    if not kept.size:
        raise SamplesError(
            targets[0].column,
            found=f"at most {counts.max()} values in a layer",
            expected=f"{FEWEST_OF_A_LAYER} or more in one layer at least",
            way_out="add profiles, or lower data.min_coverage",
        )
    refused = [
        f"{target.name}: {count} values, {FEWEST_OF_A_LAYER} are needed; the map has no band for it"
        for target, count in zip(targets, counts, strict=True)
        if count < FEWEST_OF_A_LAYER
    ]
    return kept, refused


def _profiles(loaded: LoadedRecipe) -> tuple[Samples, list[str]]:
    """Return one row per profile with the value of each property at each layer, and notes."""
    data = loaded.recipe.data
    path = Path(loaded.path(data.horizons or data.sites))
    table = read_table(path, data.layer, data.decimal).reset_index(drop=True)
    sites, notes = _harmonised(loaded, path) if data.horizons else (_sites(loaded, path, list(table.columns)), [])
    ids = (read_ids if data.horizons else read_unique_ids)(path, table[data.sample_id])
    first = {name: row for row, name in reversed(list(enumerate(ids)))}
    rows = [first[name] for name in sites[data.sample_id]]
    for name in data.describe:
        require_column(path, table, name)
    groups, folds = (read_labels(path, table, getattr(data, key), f"data.{key}") for key in ("group", "folds"))
    layers = sites[_layer_columns(loaded)]
    described = {name: read_numbers(path, table[name], ids)[rows] for name in data.describe}
    samples = Samples(
        path=str(path),
        ids=sites[data.sample_id].to_numpy(dtype=object),
        y=layers.to_numpy(np.float64),
        auxiliary=None,
        groups=None if groups is None else groups[rows],
        folds=None if folds is None else folds[rows],
        table=layers.reset_index(drop=True).assign(**described),
        points=sites.geometry,
    )
    return samples, notes


def _layer_columns(loaded: LoadedRecipe) -> list[str]:
    """Return the columns of all properties and layers, as `geosoil depths` names them."""
    layers = loaded.recipe.data.layers
    return [f"{target.column}_{top:g}_{bottom:g}" for target in loaded.recipe.target for top, bottom in layers]


def _harmonised(loaded: LoadedRecipe, path: Path) -> tuple[gpd.GeoDataFrame, list[str]]:
    data = loaded.recipe.data
    horizons = read_horizons(
        path,
        profile_id=data.sample_id,
        x=data.x or "x",
        y=data.y or "y",
        crs=data.crs,
        top_cm=data.top_cm,
        bottom_cm=data.bottom_cm,
        properties=[target.column for target in loaded.recipe.target],
        on_error=data.on_error,
        layer=data.layer,
        decimal=data.decimal,
    )
    result = harmonise(horizons, layers_cm=data.layers, smoothing=data.smoothing, min_coverage=data.min_coverage)
    return result.sites, list(result.notes)


def _sites(loaded: LoadedRecipe, path: Path, columns: list[str]) -> gpd.GeoDataFrame:
    data = loaded.recipe.data
    for target in loaded.recipe.target:
        _require_layers(path, target.column, columns, data.layers)
    return read_points_table(
        path,
        sample_id=data.sample_id,
        columns=_layer_columns(loaded),
        x=data.x,
        y=data.y,
        crs=data.crs,
        layer=data.layer,
        decimal=data.decimal,
    )


def _require_layers(path: Path, column: str, columns: list[str], layers: tuple[tuple[float, float], ...]) -> None:
    """Name the layers that a table of sites has, if it lacks one that the recipe asks for."""
    present = [(top, bottom) for _, top, bottom in layer_columns(map(str, columns), column)]
    if present and not set(layers) <= set(present):
        raise SamplesError(
            path,
            found=f"{column} at {', '.join(layer_name(layer) for layer in present)}",
            expected=", ".join(layer_name(layer) for layer in layers),
            way_out="set data.layers_cm, or run `geosoil depths` with these layers",
        )
