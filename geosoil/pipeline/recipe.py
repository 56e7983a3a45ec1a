"""Recipes: TOML files that are checked before anything they name is read.

A recipe has the same sections whatever the data: `[data]`, `[target]`, `[features]`, `[model]`, `[validation]`. Paths
are relative to the recipe. A recipe names inputs and choices only; where results go is an option of the command line,
so that a recipe from a stranger cannot write anywhere.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import reduce
from importlib.resources import files
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model, model_validator

from geosoil.errors import RecipeError
from geosoil.pipeline.checks import problems
from geosoil.pipeline.features import FeatureSettings
from geosoil.pipeline.legacy import translate
from geosoil.pipeline.part import Part, TargetProperty, Title
from geosoil.pipeline.regressors import REGRESSORS
from geosoil.pipeline.sources import SOURCES
from geosoil.pipeline.validation_settings import ValidationSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geosoil.pipeline.task import Candidate

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
_Schemas: Any = reduce(or_, [source.schema for source in SOURCES.values()])
TEMPLATES = ("gf5", "soc", "lead", "library", *SOURCES)
"""The names of the commented recipes: those of published methods, then one for each kind of data."""
MOST_BYTES = 1_000_000
MOST_LEVELS = 20
DataSettings: Any = Annotated[_Schemas, Field(discriminator="kind")]


class CompareEntry(Part):
    """A model of `geosoil compare`: a kind, or a kind with a title and changes of features and settings."""

    kind: Literal[tuple(REGRESSORS)] = Field(description="Name of a regressor.")  # type: ignore[valid-type]
    title: Title = Field("", description="Name of the model in the comparison; by default the title of the regressor.")
    features: FeatureSettings | None = Field(None, description="Keys of [features] that differ for this model.")
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Keys of the regressor's own table that differ for this model."
    )

    @model_validator(mode="before")
    @classmethod
    def _accept_name(cls, entry: Any) -> Any:
        return {"kind": entry} if isinstance(entry, str) else entry

    def changed(self, features: FeatureSettings) -> FeatureSettings:
        """Return the recipe's features with the keys that this entry changes."""
        if self.features is None:
            return features
        return features.model_copy(update={key: getattr(self.features, key) for key in self.features.model_fields_set})


class _ModelBase(Part):
    """Which model is trained, which are compared, and the settings of each kind."""

    kind: Literal[tuple(REGRESSORS)] = Field("pls", description="Regressor that is trained.")  # type: ignore[valid-type]
    fit_to: Literal["all", "split"] = Field(
        "all", description="Rows that the saved model learns from: all, or the training rows of the first split."
    )
    compare: list[CompareEntry] = Field(
        default_factory=list,
        max_length=100,
        description="Models of `geosoil compare`: names of regressors, or tables with the keys below.",
    )


_SETTINGS: dict[str, Any] = {
    name: (entry.settings, Field(entry.settings(), description=entry.title)) for name, entry in REGRESSORS.items()
}
ModelSettings: Any = create_model("ModelSettings", __base__=_ModelBase, **_SETTINGS)


def _as_list(targets: Any) -> Any:
    return [targets] if isinstance(targets, dict | TargetProperty) else targets


class Recipe(Part):
    """Everything that decides a model: data, targets, features, regressor and validation."""

    name: str = Field(pattern=NAME, description="Name of the model, and of its folder.")
    seed: int = Field(0, ge=0, lt=2**31, description="Random seed; the same seed gives the same model.")
    data: DataSettings = Field(description="Where the training rows come from.")
    target: Annotated[list[TargetProperty], BeforeValidator(_as_list), Field(min_length=1, max_length=100)] = Field(
        description="The soil property, or several of them, that the model predicts."
    )
    features: FeatureSettings = Field(FeatureSettings(), description="Which features the model sees.")
    model: ModelSettings = Field(ModelSettings(), description="Which model is trained, and which are compared.")
    author: str | None = Field(None, max_length=500, description="Author of the model, for its card.")
    licence: str | None = Field(None, max_length=500, description="Licence of the model, for its card.")
    sensor: str | None = Field(
        None,
        max_length=500,
        description="What measured the spectra, for the card of the model; the default is what the cube states.",
    )
    not_made_for: str | None = Field(
        None, max_length=2000, description="What the model should not be used for, in words, for its card."
    )
    validation: ValidationSettings = Field(ValidationSettings(), description="How the accuracy is measured.")

    @model_validator(mode="after")
    def _check_parts_fit(self) -> Recipe:
        for problem in problems(self):
            raise ValueError(problem)
        self.candidates()  # settings of entries of model.compare, and their names
        return self

    @property
    def reads_places(self) -> bool:
        """Whether a model of the recipe has place among its features."""
        return any(candidate.features.place for candidate in [self.candidate(), *self.candidates()])

    def candidate(self, kind: str | None = None) -> Candidate:
        """Return the candidate that `geosoil train` fits, or one of another kind with the recipe's settings."""
        from geosoil.pipeline.task import Candidate

        kind = kind or self.model.kind
        return Candidate(REGRESSORS[kind].title, kind, getattr(self.model, kind), self.features)

    def candidates(self) -> list[Candidate]:
        """Return the candidates that `geosoil compare` compares, under unique names."""
        from geosoil.pipeline.task import Candidate

        candidates = []
        for entry in self.model.compare or [CompareEntry(kind=self.model.kind)]:
            settings = _changed(getattr(self.model, entry.kind), entry)
            title = entry.title or REGRESSORS[entry.kind].title
            candidates.append(Candidate(title, entry.kind, settings, entry.changed(self.features)))
        names = [candidate.name for candidate in candidates]
        if len(set(names)) < len(names):
            msg = f"two models of compare have the name {max(names, key=names.count)!r}; give one of them a title"
            raise ValueError(msg)
        return candidates


def _changed(settings: Part, entry: CompareEntry) -> Part:
    """Return the settings of a kind with those of an entry of `model.compare`."""
    try:
        return type(settings).model_validate(settings.model_dump() | entry.settings)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(map(str, problem["loc"]))
        msg = f"model.compare: settings of {entry.kind}: {key}: {_message(problem)}"
        raise ValueError(msg) from error


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe with the folder that its paths start from and the hash of its text.

    `notes` has a line for each word of an older recipe that was accepted, with the word that replaces it.
    """

    recipe: Recipe
    source: Path
    folder: Path
    sha256: str
    notes: tuple[str, ...] = ()

    def path(self, relative: str) -> str:
        """Return a path of the recipe: unchanged if it is a URL or absolute, else from the recipe's folder."""
        return relative if "://" in relative or Path(relative).is_absolute() else str(self.folder / relative)


def read_recipe(path: str | Path) -> LoadedRecipe:
    """Read and check a recipe.

    Raises
    ------
    RecipeError
        With the key that is wrong, and the nearest known name for an unknown one.
    """
    path = Path(path)
    text, content = _read_toml(path)
    content, notes = translate(path, content)
    recipe = check_recipe(path, content)
    return LoadedRecipe(recipe, path, path.resolve().parent, hashlib.sha256(text).hexdigest(), tuple(notes))


def with_budget(loaded: LoadedRecipe, minutes: float | None) -> LoadedRecipe:
    """Return a recipe whose automatic choices take at most this time in minutes; None keeps the recipe's own.

    Raises
    ------
    RecipeError
        If no model of the recipe is of the kind "auto".
    """
    if minutes is None:
        return loaded
    model: Any = loaded.recipe.model  # its tables of settings are made from REGRESSORS
    kinds = {model.kind, *(entry.kind for entry in model.compare)}
    if "auto" not in kinds:
        raise RecipeError(
            loaded.source,
            found=f"a time budget for models of kind {', '.join(sorted(kinds))}",
            expected='model.kind = "auto", or "auto" in model.compare',
            way_out="leave --budget out, or change the recipe",
        )
    auto = type(model.auto).model_validate(model.auto.model_dump() | {"minutes": minutes})
    return replace(loaded, recipe=loaded.recipe.model_copy(update={"model": model.model_copy(update={"auto": auto})}))


def check_recipe(path: Path, content: dict[str, Any]) -> Recipe:
    """Return the recipe of a parsed TOML file; raises RecipeError with the key that is wrong."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        # A misspelt key explains a missing one, so it is reported first.
        errors = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _recipe_error(path, content, errors[0]) from error


def recipe_template(name: str) -> str:
    """Return a commented recipe to start with: of a published method, or of a kind of data.

    Parameters
    ----------
    name : str
        One of `TEMPLATES`.

    Examples
    --------
    >>> recipe_template("table").splitlines()[0]
    '# Recipe of a model from a table whose columns are the features.'
    """
    return files("geosoil.pipeline").joinpath("recipes", f"{name}.toml").read_text("utf-8")


def files_named_in(path: str | Path) -> list[Path]:
    """Return the files that a recipe names, which no output may overwrite."""
    path = Path(path)
    paths = [path.parent / text for text, _ in _parts(_read_toml(path)[1]) if isinstance(text, str)]
    return [path for path in paths if os.path.isfile(path)]  # noqa: PTH113 - any text, not always a path


def _parts(content: Any) -> Iterator[tuple[Any, int]]:
    """Yield all values of a recipe and how deep they are nested."""
    remaining = [(content, 0)]
    while remaining:
        part, depth = remaining.pop()
        yield part, depth
        values = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
        remaining += [(value, depth + 1) for value in values]


def _read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    way_out = "correct it, or create a recipe with `geosoil init`"
    try:
        size = path.stat().st_size
        if not path.is_file() or size > MOST_BYTES:
            found = f"{size} bytes" if path.is_file() else "no regular file"
            raise RecipeError(path, found=found, expected="a recipe of a few kilobytes", way_out=way_out)
        text = path.read_bytes()
        content = tomllib.loads(text.decode())
    except OSError as error:
        raise RecipeError(
            path, found=str(error.strerror), expected="a recipe", way_out="create one with `geosoil init`"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(path, problem=f"not valid TOML ({error})", way_out=way_out) from error
    if any(depth > MOST_LEVELS for _, depth in _parts(content)):
        raise RecipeError(
            path, found="tables in tables in tables", expected=f"at most {MOST_LEVELS} levels", way_out=way_out
        )
    return text, content


def _recipe_error(path: Path, content: dict[str, Any], problem: Any) -> RecipeError:
    location = list(problem["loc"])
    if location[:1] == ["data"]:
        del location[1:2]  # pydantic names the branch of the union
    if location[:1] == ["target"] and isinstance(content.get("target"), dict):
        del location[1:2]  # one target is not numbered
    where = ".".join(map(str, location))
    if problem["type"] == "extra_forbidden":
        known = _known_keys(list(problem["loc"]))
        near = get_close_matches(str(location[-1]), known, n=1)
        return RecipeError(
            path,
            problem=f"unknown key {where}",
            expected=f"one of {', '.join(known)}",
            way_out=f"did you mean {near[0]}?" if near else "remove it",
        )
    if problem["type"] == "union_tag_not_found":
        return RecipeError(
            path, problem="data.kind is missing", expected=f"one of {', '.join(SOURCES)}", way_out="add it"
        )
    if problem["type"] == "literal_error":
        known = [str(value).strip("'") for value in problem["ctx"]["expected"].replace(" or ", ", ").split(", ")]
        near = get_close_matches(str(problem["input"]), known, n=1)
        return RecipeError(
            path,
            problem=f"{where} = {problem['input']!r} is not known",
            expected=f"one of {', '.join(known)}",
            way_out=f"did you mean {near[0]}?" if near else f"correct {where}",
        )
    if not where:  # a check across sections, whose message names the key to change
        return RecipeError(path, problem=_message(problem), way_out="correct the recipe")
    return RecipeError(path, problem=f"{where}: {_message(problem)}", way_out=f"correct {where}")


def _message(problem: Any) -> str:
    """Return the message of a problem that pydantic found, in the words of a recipe."""
    if problem["type"] == "missing":
        return "this key is required"
    if problem["type"] == "union_tag_invalid":
        return f"kind = '{problem['ctx']['tag']}' is not one of {', '.join(SOURCES)}"
    if problem["type"] == "string_pattern_mismatch":
        return "only letters, digits and the characters _ . - are allowed, with a letter or digit first"
    return str(problem["msg"]).removeprefix("Value error, ")


def _known_keys(location: list[Any]) -> list[str]:
    """Return the keys that are allowed at the place of an unknown one."""
    part: Any = Recipe
    for depth, key in enumerate(location[:-1]):
        if depth == 1 and location[0] == "data":
            part = SOURCES[key].schema
            continue
        field = part.model_fields.get(key) if isinstance(part, type) and issubclass(part, BaseModel) else None
        if field is None:
            continue  # an index of a list
        part = field.annotation
        part = next((a for a in getattr(part, "__args__", ()) if isinstance(a, type)), part)
    return list(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else []
