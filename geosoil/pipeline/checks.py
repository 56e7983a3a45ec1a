"""Checks across the sections of a recipe: every message names the key to change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from geosoil.pipeline.regressors import REGRESSORS
from geosoil.pipeline.splits import SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geosoil.pipeline.features import FeatureSettings
    from geosoil.pipeline.recipe import Recipe

SPECTRAL = ("cube", "spectra")  # kinds of data whose features are spectra


def problems(recipe: Recipe) -> Iterator[str]:
    """Yield what does not fit together in a recipe, one sentence per problem."""
    yield from _problems_of_data(recipe)
    yield from _problems_of_targets(recipe)
    yield from _problems_of_features("features", recipe.features, recipe)
    if recipe.features.use == "laboratory":
        yield (
            "features.use = 'laboratory' gives a model that no cube can be mapped with: use it in an entry of "
            "model.compare, and another in [features]"
        )
    for number, entry in enumerate(recipe.model.compare):
        if entry.features is not None:
            yield from _problems_of_features(f"model.compare.{number}.features", entry.features, recipe)
    yield from _problems_of_kind("model.kind", recipe.model.kind, recipe)
    for entry in recipe.model.compare:
        yield from _problems_of_kind("model.compare", entry.kind, recipe)
    yield from _problems_of_splits(recipe)


def _problems_of_data(recipe: Recipe) -> Iterator[str]:
    data = recipe.data
    if (data.x is None) != (data.y is None):
        yield "data.x and data.y are given together, or neither of them"
    if data.kind in ("spectra", "table") and data.x is not None and data.crs is None:
        yield "data.x and data.y need data.crs: give x, y and crs together, or none of them"
    if data.kind == "spectra":
        for key in ("library_id", "country"):
            if getattr(data, key) is not None and data.library is None:
                yield f"data.{key} needs data.library"
    if data.kind == "profiles" and data.auxiliary is not None:
        yield "data.auxiliary cannot be used with data.kind = 'profiles': remove it"


def _problems_of_targets(recipe: Recipe) -> Iterator[str]:
    for attribute in ("column", "name"):
        values = [getattr(target, attribute) for target in recipe.target]
        repeated = [value for value, times in Counter(values).items() if times > 1]
        if repeated:
            yield f"two targets have the {attribute} {repeated[0]}: remove one of them, or change its title"
    auxiliary = recipe.data.auxiliary
    for target in recipe.target:
        if auxiliary is not None and (auxiliary.column == target.column or auxiliary.name == target.name):
            yield f"data.auxiliary and target are both {target.name}: choose another auxiliary property"


def _problems_of_features(key: str, features: FeatureSettings, recipe: Recipe) -> Iterator[str]:
    data = recipe.data
    if features.use != "satellite" and data.kind != "cube":
        yield f"{key}.use = '{features.use}' needs data.kind = 'cube': remove it"
    elif features.use != "satellite" and data.laboratory is None:
        yield f"{key}.use = '{features.use}' needs data.laboratory; without it use 'satellite'"
    if features.preprocessing and data.kind not in SPECTRAL:
        yield f"{key}.preprocessing is for spectra, and data.kind is '{data.kind}': remove it"


def _problems_of_kind(key: str, kind: str, recipe: Recipe) -> Iterator[str]:
    """Yield what a regressor needs that the section [data] does not name."""
    data = recipe.data
    library, country = getattr(data, "library", None), getattr(data, "country", None)
    keys = {
        "library": ("data.library", library),
        "library_target": ("data.library with the target among its columns", library),
        "auxiliary": ("data.auxiliary", data.auxiliary),
        "patches": ("data.patch", getattr(data, "patch", None)),
        "country": ("data.country", country),
    }
    for need in sorted(REGRESSORS[kind].needs):
        name, value = keys[need]
        if value is None:
            yield f"{key} = '{kind}' needs {name}: add it, or choose another model"


def _problems_of_splits(recipe: Recipe) -> Iterator[str]:
    data, splits = recipe.data, recipe.validation.splits
    if SPLITS[splits[0]].leaks:
        yield f"validation.split = '{splits[0]}' leaks: name an honest split before it"
    if len(set(splits)) < len(splits):
        yield "validation.split names a split twice: remove one of them"
    for name in splits:
        if name in ("groups", "site_out") and data.group is None:
            yield f"validation.split = '{name}' needs data.group: add it, or choose another split"
        if name == "folds" and data.folds is None:
            yield "validation.split = 'folds' needs data.folds: add it, or choose another split"
        if name == "spatial" and data.kind == "spectra" and data.samples is None and data.x is None:
            yield (
                "validation.split = 'spatial' needs places: add data.samples, or data.x, data.y and data.crs, or "
                "choose another split"
            )
