"""Soil profiles on covariate rasters: horizons or depth layers, a target for each property and layer."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.columns import recognise_columns, words_of
from geosoil.io.tables.reader import read_ids, read_numbers, read_table, read_unique_ids, require_column
from geosoil.io.tables.reader import read_samples as read_points_table
from geosoil.pipeline.sources.covariates import at_covariates, draft_covariates
from geosoil.pipeline.sources.draft import Draft, Files, draft_of_table
from geosoil.pipeline.sources.samples import Samples, check_positive, make_rows, read_labels
from geosoil.samples.depths import harmonise, layer_columns, read_horizons

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    import pandas as pd

    from geosoil.pipeline.part import TargetProperty
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows

LAYERS_CM = (0, 5, 15, 30, 60, 100, 200)
# Names of the columns of depths, without separators and unit.
TOPS = re.compile("top|topdepth|upper|upperdepth|depthfrom|from|hzdept|depthtop|horizontop|udi|uhdi|oben")
BOTTOMS = re.compile("bottom|bottomdepth|lower|lowerdepth|depthto|to|hzdepb|depthbottom|horizonbottom|ldi|lhdi|unten")
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


def draft(files: Files, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Draft the section `[data]` for profiles on covariates: horizons or layers, their columns, class bands and CRS.

    Raises
    ------
    GeosoilError
        If a file cannot be read, or something cannot be decided from it.
    """
    path = files.table
    table = read_table(Path(path), given.get("layer"), given.get("decimal")).reset_index(drop=True)
    top, bottom = (
        _depth_column(table, given.get(key), names) for key, names in (("top_cm", TOPS), ("bottom_cm", BOTTOMS))
    )
    if top is None or bottom is None:
        return _draft_sites(files, table, targets, given)
    made = draft_of_table("profiles", path, table.drop(columns=[top, bottom]), targets, given)
    profile = given.get("sample_id") or made.columns.group
    if profile is None:
        raise SamplesError(
            path,
            problem=f"no column of profiles (columns: {', '.join(map(str, table.columns[:12]))})",
            expected="the name of the profile in each row of a horizon",
            way_out="name the column with --id",
        )
    require_column(Path(path), table, profile)
    made.table = made.table.drop_duplicates(profile).reset_index(drop=True)
    made.columns = recognise_columns(made.table.drop(columns=[*targets]))
    stack = draft_covariates(made, files)
    made.set("horizons", files.relative(path), f"{len(table)} horizons of {len(made.table)} profiles")
    made.set_given("layer", "decimal")
    made.set("sample_id", profile)
    made.set("top_cm", top)
    made.set("bottom_cm", bottom)
    _set_group(made, profile)
    made.set_places_on(stack, path)
    made.set("layers_cm", list(LAYERS_CM), "limits of the layers in cm")
    return made


def _draft_sites(files: Files, table: pd.DataFrame, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Draft the section `[data]` for depth layers, as `geosoil depths` writes them."""
    names = [str(name) for name in table.columns]
    bases = dict.fromkeys(match[1] for match in map(re.compile(r"(.+?)_[\d.]+_[\d.]+").fullmatch, names) if match)
    layers = {base: layer_columns(names, base) for base in bases}
    layers = {base: found for base, found in layers.items() if found}
    if not layers or not set(targets) <= set(layers):
        raise SamplesError(
            files.table,
            problem=f"no columns of depths, and no layers of {', '.join(targets) or 'a property'} (columns: "
            f"{', '.join(names[:12])})",
            expected="columns of the upper and the lower depth, or of layers such as soc_0_5",
            way_out="name the columns of depths with --top and --bottom",
        )
    values = table.rename(columns={layers[target][0][0]: target for target in targets})
    made = draft_of_table("profiles", files.table, values, targets, given)
    stack = draft_covariates(made, files)
    made.set("sites", files.relative(files.table), f"{len(table)} profiles")
    made.set_given("layer", "decimal")
    made.set("sample_id", made.columns.sample_id or "")
    _set_group(made, made.values["sample_id"])
    made.set_places_on(stack, files.table)
    limits = layers[targets[0]]
    made.set("layers_cm", [limits[0][1], *(bottom for _, _, bottom in limits)], "limits of the layers in cm")
    return made


def _set_group(made: Draft, profile: str) -> None:
    group = made.given.get("group", made.columns.group)
    if group is not None and group != profile:
        made.set("group", group, f"{made.table[group].nunique()} groups, whose profiles are tested together")


def _depth_column(table: pd.DataFrame, chosen: str | None, names: re.Pattern[str]) -> str | None:
    """Return the column of a depth, by its name."""
    found = (str(name) for name in table.columns if names.fullmatch("".join(words_of(str(name))).removesuffix("cm")))
    return chosen or next(found, None)
