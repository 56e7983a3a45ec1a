"""Checks across the sections of a recipe: every message names the key to change."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

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
    kind = recipe.model.kind
    yield from _problems_of_kind("model.kind", kind, recipe.features, recipe)
    for number, entry in enumerate(recipe.model.compare):
        features = entry.changed(recipe.features)
        yield from _problems_of_features(f"model.compare.{number}.features", features, recipe)
        yield from _problems_of_kind(f"model.compare.{number}", entry.kind, features, recipe)
    if "auto" in {kind, *(entry.kind for entry in recipe.model.compare)}:
        models: Any = recipe.model  # its tables of settings are made from REGRESSORS
        for candidate in models.auto.candidates_for(spectral=recipe.data.kind in SPECTRAL):
            if candidate not in REGRESSORS or candidate == "auto":
                yield f"model.auto.candidates names {candidate!r}, which is not one of {', '.join(REGRESSORS)}"
            else:
                yield from _problems_of_kind("model.auto.candidates", candidate, recipe.features, recipe)
    yield from _problems_of_splits(recipe)


def _problems_of_data(recipe: Recipe) -> Iterator[str]:
    data = recipe.data
    if (data.x is None) != (data.y is None):
        yield "data.x and data.y are given together, or neither of them"
    if data.kind in ("spectra", "table") and data.x is not None and data.crs is None:
        yield "data.x and data.y need data.crs: give x, y and crs together, or none of them"
    if (
        data.kind == "table"
        and not data.columns
        and not all(
            features.place
            for features in [recipe.features, *(e.changed(recipe.features) for e in recipe.model.compare)]
        )
    ):
        yield "data.columns names no feature: name columns, or set features.place = true for a model of place alone"
    if data.kind == "spectra":
        for key in ("library_id", "country"):
            if getattr(data, key) is not None and data.library is None:
                yield f"data.{key} needs data.library"
    if data.kind == "profiles" and data.auxiliary is not None:
        yield "data.auxiliary cannot be used with data.kind = 'profiles': remove it"


def _problems_of_targets(recipe: Recipe) -> Iterator[str]:
    yield from _problems_of_standard_errors(recipe)
    for attribute in ("column", "name"):
        values = [getattr(target, attribute) for target in recipe.target]
        repeated = [value for value, times in Counter(values).items() if times > 1]
        if repeated:
            yield f"two targets have the {attribute} {repeated[0]}: remove one of them, or change its title"
    auxiliary = recipe.data.auxiliary
    for target in recipe.target:
        if auxiliary is not None and (auxiliary.column == target.column or auxiliary.name == target.name):
            yield f"data.auxiliary and target are both {target.name}: choose another auxiliary property"


def _problems_of_standard_errors(recipe: Recipe) -> Iterator[str]:
    """Yield why the standard errors that a target names cannot be used, such as that no model uses them."""
    named = [target for target in recipe.target if target.standard_error is not None]
    if not named:
        return
    for target in named:
        if target.standard_error == target.column:
            yield f"target.standard_error and target.column are both {target.column}: name the column of the errors"
    if recipe.data.kind == "profiles":
        yield "target.standard_error cannot be used with data.kind = 'profiles', which interpolates values: remove it"
    models: Any = recipe.model
    kinds = {models.kind, *(entry.kind for entry in models.compare)}
    if "auto" in kinds:
        kinds |= set(models.auto.candidates_for(spectral=recipe.data.kind in SPECTRAL))
    if not any(REGRESSORS[kind].uses_standard_errors for kind in kinds & set(REGRESSORS)):
        users = ", ".join(repr(kind) for kind, entry in REGRESSORS.items() if entry.uses_standard_errors)
        yield (
            f"target.standard_error is used by model.kind = {users} or 'auto' only, and model.kind is {models.kind!r}: "
            "choose one of them, or remove it"
        )


def _problems_of_features(key: str, features: FeatureSettings, recipe: Recipe) -> Iterator[str]:
    data = recipe.data
    if features.use != "satellite" and data.kind != "cube":
        yield f"{key}.use = '{features.use}' needs data.kind = 'cube': remove it"
    elif features.use != "satellite" and data.laboratory is None:
        yield f"{key}.use = '{features.use}' needs data.laboratory; without it use 'satellite'"
    if features.preprocessing and data.kind not in SPECTRAL:
        yield f"{key}.preprocessing is for spectra, and data.kind is '{data.kind}': remove it"


def _problems_of_kind(key: str, kind: str, features: FeatureSettings, recipe: Recipe) -> Iterator[str]:
    """Yield what a regressor needs that [data] does not name, and parts of [features] that it cannot use."""
    data, entry = recipe.data, REGRESSORS[kind]
    library, country = getattr(data, "library", None), getattr(data, "country", None)
    keys = {
        "library": ("data.library", library),
        "library_target": ("data.library with the target among its columns", library),
        "auxiliary": ("data.auxiliary", data.auxiliary),
        "patches": ("data.patch", getattr(data, "patch", None)),
        "country": ("data.country", country),
    }
    for need in sorted(entry.needs):
        name, value = keys[need]
        if value is None:
            yield f"{key} = '{kind}' needs {name}: add it, or choose another model"
    for part, name in features.parts.items():
        if part not in entry.uses:
            yield (
                f"{key} = '{kind}' cannot use features.{name}: remove it, or give this model features of its own in "
                "model.compare"
            )


def _problems_of_splits(recipe: Recipe) -> Iterator[str]:
    data, splits = recipe.data, recipe.validation.split
    if SPLITS[splits[0]].leaks:
        yield f"validation.split = '{splits[0]}' leaks: name an honest split before it"
    if len(set(splits)) < len(splits):
        yield "validation.split names a split twice: remove one of them"
    has_places = data.kind != "spectra" or data.samples is not None or data.x is not None
    keys = {
        "group": ("data.group", data.group is not None),
        "folds": ("data.folds", data.folds is not None),
        "places": ("places: data.samples, or data.x, data.y and data.crs", has_places),
        "map": ("a map: data.covariates or data.cube", getattr(data, "cube", None) or hasattr(data, "covariates")),
        "buffer_m": ("validation.buffer_m", recipe.validation.buffer_m is not None),
    }
    for name in splits:
        for need in sorted(SPLITS[name].needs):
            key, is_given = keys[need]
            if not is_given:
                yield f"validation.split = '{name}' needs {key}: add it, or choose another split"
