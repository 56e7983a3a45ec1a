"""Write docs/recipes.md, the reference of all keys of a recipe, from the schemas and tables of the code.

Run `python docs/make_recipes.py` after a change of a schema or a table; a test fails if the page is out of date.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosoil.estimators.depth_cnn import MultiTaskCNN as MultiTaskEstimator
from geosoil.estimators.depth_cnn import PlainCNN
from geosoil.estimators.depth_cnn import TransferCNN as TransferEstimator
from geosoil.estimators.fusion.settings import MODES
from geosoil.estimators.fusion.vae import SpectralVAE
from geosoil.evaluate.metrics import METRICS
from geosoil.numerics.imports import import_object
from geosoil.pipeline.features import FeatureSettings, Fusion, Preprocessing, Selection
from geosoil.pipeline.part import Part, Property, TargetProperty
from geosoil.pipeline.recipe import TEMPLATES, CompareEntry, ModelSettings, Recipe
from geosoil.pipeline.regressors.table import (
    ALL_FEATURES,
    REGRESSORS,
    MultiTaskCNN,
    PatchCNN,
    Regressor,
    TransferCNN,
)
from geosoil.pipeline.sources import SOURCES
from geosoil.pipeline.sources.schemas import _Data as Common
from geosoil.pipeline.splits import SPLITS
from geosoil.pipeline.validation import TABLE_METRICS, WITH_INTERVAL
from geosoil.pipeline.validation_settings import ValidationSettings
from geosoil.spectra import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).with_name("recipes.md")
# Schemas whose keys have the defaults of an estimator.
ESTIMATOR_DEFAULTS: dict[type[Part], dict[str, Any]] = {
    Fusion: SpectralVAE().get_params() | MODES["paired"],
    PatchCNN: PlainCNN().get_params(),
    MultiTaskCNN: MultiTaskEstimator().get_params(),
    TransferCNN: TransferEstimator().get_params(),
}
NEEDS = {
    "library": "`data.library`",
    "library_target": "the target in the library",
    "auxiliary": "`data.auxiliary`",
    "patches": "`data.patch`",
    "country": "`data.country`",
    "group": "`data.group`",
    "folds": "`data.folds`",
    "places": "places in metres",
    "buffer_m": "`validation.buffer_m`",
    "map": "`data.covariates` or `data.cube`",
}

INTRODUCTION = """# Recipes

A recipe is a TOML file that describes a training: where the data are, which property is predicted, from which features,
by which model, and how the accuracy is measured. `geosoil train RECIPE.toml` trains and validates the model,
`geosoil compare RECIPE.toml` compares several models.

| I have ... | use |
|---|---|
| sample points and a cube | `geosoil init cube --cube CUBE.tif --samples POINTS.csv --target SOC --unit %` |
| spectra with measured properties | `geosoil init spectra LIBRARY.csv --target SOC --group SITE` |
| spectra, and a cube to map with them | `geosoil init spectra LIBRARY.csv --target SOC --for CUBE.tif` |
| sample points on covariates | `geosoil init covariates --covariates A.tif B.tif --samples POINTS.gpkg --target ZINC` |
| profiles on covariates | `geosoil init profiles --covariates A.tif B.tif --profiles HORIZONS.csv --target SOC` |
| a table whose columns are the features | `geosoil init table TABLE.csv --target CLAY` |

`geosoil init` fills in a recipe from these files. Without files it prints a commented recipe to start with: for the
kinds of data {sources}, and for the published methods {methods}.

This page lists every key with its type, its default and its meaning. A key without a default can be left out. Paths are
relative to the recipe. A key that is not listed here is refused, and the message names the nearest known key. The page
is written by `python docs/make_recipes.py` from the schemas and tables in `geosoil/pipeline/`."""


def make_page() -> str:
    """Return the page as Markdown."""
    parts = [
        INTRODUCTION.format(methods=listed(name for name in TEMPLATES if name not in SOURCES), sources=listed(SOURCES)),
        "## Sections",
        keys_of(Recipe),
        "## `[data]`: where the rows come from",
        "The key `kind` names one of these sources:",
        table(("kind", "source"), ((f"`{name}`", source.title) for name, source in SOURCES.items())),
        "All sources have these keys:",
        keys_of(Common),
        *sources(),
        "### `[data.auxiliary]`",
        keys_of(Property),
        "## `[target]`: what is predicted",
        'For several properties write `[[target]]` before each. With `kind = "profiles"` each property is predicted at '
        "each layer.",
        keys_of(TargetProperty),
        "## `[features]`: from what it is predicted",
        keys_of(FeatureSettings),
        "### `[[features.preprocessing]]`",
        keys_of(Preprocessing),
        "The steps:",
        table(("step", "what it does"), ((f"`{name}`", first_line(import_object(STEPS[name]))) for name in steps())),
        "### `[features.fusion]`",
        "The spectral VAE makes spectra of a satellite similar to laboratory spectra. The defaults are those of "
        '`mode = "paired"`.',
        keys_of(Fusion),
        "### `[features.selection]`",
        "The selection sees the training rows only.",
        keys_of(Selection),
        "## `[model]`: by what it is predicted",
        keys_of(ModelSettings, leave_out=REGRESSORS),
        "### `[[model.compare]]`",
        "An entry is the name of a regressor, or a table with these keys:",
        keys_of(CompareEntry),
        "### Regressors",
        "The column *uses* lists the parts of `[features]` that a regressor can use.",
        table(("kind", "title", "what it is", "needs", "uses"), map(regressor, REGRESSORS)),
        *settings(),
        "## `[validation]`: how the accuracy is measured",
        keys_of(ValidationSettings),
        "### Splits",
        table(
            ("split", "title", "what it does", "needs"),
            ((f"`{name}`", split.title, split.meaning, needs(split.needs)) for name, split in SPLITS.items()),
        ),
        "### Metrics",
        f"The table of a validation has {listed(TABLE_METRICS)}, with 95 % confidence intervals of "
        f"{listed(WITH_INTERVAL)}.",
        table(
            ("metric", "title", "what it measures", "unit"),
            (
                (f"`{name}`", metric.title, metric.meaning, "that of the target" if metric.has_unit else "none")
                for name, metric in METRICS.items()
            ),
        ),
    ]
    return "\n\n".join(parts) + "\n"


def sources() -> list[str]:
    """Return a heading and a table for the keys of each source that are its own."""
    common = Common.model_json_schema()["properties"]
    parts = []
    for name, source in SOURCES.items():
        own = source.schema.model_json_schema()["properties"]
        same = [key for key, spec in own.items() if spec == common.get(key)]
        parts += [f'### `[data]` with `kind = "{name}"`', keys_of(source.schema, leave_out=same)]
    return parts


def steps() -> list[str]:
    """Return the names of the preprocessing steps that a recipe can name."""
    names: list[str] = Preprocessing.model_json_schema()["properties"]["step"]["enum"]
    return names


def regressor(name: str) -> tuple[str, ...]:
    """Return the row of a regressor."""
    entry: Regressor = REGRESSORS[name]
    uses = "all" if entry.uses == ALL_FEATURES else ", ".join(sorted(entry.uses)) or "none"
    meaning = first_line(entry.settings)
    return f"`{name}`", entry.title, meaning, needs(entry.needs), uses


def settings() -> list[str]:
    """Return a heading and a table for the settings of regressors; those with the same keys share one."""
    names_of: dict[str, list[str]] = {}
    for name, entry in REGRESSORS.items():
        names_of.setdefault(keys_of(entry.settings), []).append(f"`[model.{name}]`")
    return [part for keys, names in names_of.items() for part in ("### " + ", ".join(names), keys)]


def needs(names: Iterable[str]) -> str:
    """Return what a regressor or a split needs, in words."""
    return ", ".join(NEEDS[name] for name in sorted(names))


def keys_of(part: type[Part], leave_out: Iterable[str] = ()) -> str:
    """Return the table of the keys of a part of a recipe."""
    schema = part.model_json_schema()
    rows = []
    for key, spec in sorted(schema["properties"].items(), key=lambda item: item[0] != "kind"):
        if key in leave_out:
            continue
        if "description" not in spec:
            raise ValueError(f"{part.__name__}.{key} has no description: add one to its Field")
        rows.append((f"`{key}`", type_of(spec), default_of(part, key), spec["description"]))
    return table(("key", "type", "default", "meaning"), rows)


def type_of(spec: dict[str, Any], *, plural: bool = False) -> str:
    """Return the type of a value in words, from its JSON schema."""
    s = "s" if plural else ""
    choices = [choice for choice in spec.get("anyOf", ()) if choice.get("type") != "null"]
    if choices:
        return " or ".join(type_of(choice, plural=plural) for choice in choices)
    if "const" in spec:
        return f'`"{spec["const"]}"`'
    if set(spec.get("enum", ())) == set(REGRESSORS):
        return "a [regressor](#regressors)"
    if "enum" in spec:
        return ", ".join(f'`"{value}"`' for value in spec["enum"])
    if spec.get("type") == "array":
        if "prefixItems" in spec or spec.get("maxItems") == spec.get("minItems") == 2:
            return f"pair{s} of numbers"
        return f"list{s} of {type_of(spec['items'], plural=True)}"
    if spec.get("type") in ("integer", "number"):
        return spec["type"] + s + limits_of(spec)
    return {"string": f"string{s}", "boolean": "`true`, `false`"}.get(spec.get("type", ""), f"table{s}")


def limits_of(spec: dict[str, Any]) -> str:
    """Return the limits of a number in words; one above a million only protects the memory and is left out."""
    lowest, above = spec.get("minimum"), spec.get("exclusiveMinimum")
    highest, below = (
        limit if limit is not None and limit < 1e6 else None
        for limit in (spec.get("maximum"), spec.get("exclusiveMaximum"))
    )
    if lowest is not None and highest is not None:
        return f", {lowest:g} to {highest:g}"
    words = [f"above {above:g}"] if above is not None else [f"{lowest:g} or more"] if lowest is not None else []
    words += [f"below {below:g}"] if below is not None else [f"at most {highest:g}"] if highest is not None else []
    return ", " + " and ".join(words) if words else ""


def default_of(part: type[Part], key: str) -> str:
    """Return the default of a key as a recipe writes it."""
    field = part.model_fields[key]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None and part in ESTIMATOR_DEFAULTS:
        value = ESTIMATOR_DEFAULTS[part][key]
    if value is None or value == "" or isinstance(value, Part):
        return ""
    return f"`{toml(value)}`"


def toml(value: Any) -> str:
    """Return a value as TOML; None is the missing limit of a range."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, float) and value != round(value, 4):
        return f"{value:.3g}"
    return "inf" if value is None else json.dumps(value)


def listed(names: Iterable[str]) -> str:
    """Return names as code, separated by commas."""
    return ", ".join(f"`{name}`" for name in names)


def first_line(documented: Any) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(documented) or "").splitlines()[0]


def table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [header, ("---",) * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(make_page(), "utf-8")
