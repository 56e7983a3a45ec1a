"""Recipes: TOML files that are checked before anything they name is read.

A recipe has the same sections whatever the data: `[data]`, `[target]`, `[features]`, `[model]`, `[validation]`. Paths
are relative to the recipe. A recipe names inputs and choices only; where results go is an option of the command line,
so that a recipe from a stranger cannot write anywhere.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model, model_validator

from geosoil.errors import RecipeError
from geosoil.pipeline.features import FeatureSettings
from geosoil.pipeline.part import Part, TargetProperty
from geosoil.pipeline.regressors import REGRESSORS
from geosoil.pipeline.sources import SOURCES
from geosoil.pipeline.splits import SPLITS, ValidationSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geosoil.pipeline.task import Candidate

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
_Schemas: Any = reduce(or_, [source.schema for source in SOURCES.values()])
DataSettings: Any = Annotated[_Schemas, Field(discriminator="kind")]


class CompareEntry(Part):
    """A model of `geosoil compare`: a kind with its own title, features and settings."""

    kind: Literal[tuple(REGRESSORS)]  # type: ignore[valid-type]
    title: str = Field("", max_length=100)
    features: FeatureSettings | None = None
    settings: dict[str, Any] = Field(default_factory=dict)


class _ModelBase(Part):
    """Which model is trained, which are compared, and the settings of each kind."""

    kind: Literal[tuple(REGRESSORS)] = "pls"  # type: ignore[valid-type]
    fit_to: Literal["all", "split"] = Field(
        "all", description="rows that the saved model learns from: all, or the training rows of the first split"
    )
    compare: list[str | CompareEntry] = Field(default_factory=list, description="models of `geosoil compare`")

    @model_validator(mode="after")
    def _check_names(self) -> _ModelBase:
        for name in self.compare:
            if isinstance(name, str) and name not in REGRESSORS:
                msg = f"compare names {name!r}, which is not one of {', '.join(REGRESSORS)}"
                raise ValueError(msg)
        return self


_SETTINGS: dict[str, Any] = {
    name: (entry.settings, Field(entry.settings(), description=entry.title)) for name, entry in REGRESSORS.items()
}
ModelSettings: Any = create_model("ModelSettings", __base__=_ModelBase, **_SETTINGS)


def _as_list(targets: Any) -> Any:
    return [targets] if isinstance(targets, dict | TargetProperty) else targets


class Recipe(Part):
    """Everything that decides a model: data, targets, features, regressor and validation."""

    name: str = Field(pattern=NAME)
    seed: int = Field(0, ge=0, lt=2**31)
    data: DataSettings
    target: Annotated[list[TargetProperty], BeforeValidator(_as_list), Field(min_length=1, max_length=100)]
    features: FeatureSettings = FeatureSettings()
    model: ModelSettings = ModelSettings()
    validation: ValidationSettings = ValidationSettings()

    @model_validator(mode="after")
    def _check_parts_fit(self) -> Recipe:
        # PA: checks across sections (features.use needs data.laboratory; a kind needs a library, an auxiliary property,
        # patches; a split needs groups, folds, block_m ...). Every message names the key to change.
        if SPLITS[self.validation.splits[0]].leaks:
            msg = f"validation.split = '{self.validation.splits[0]}' leaks: name an honest split before it"
            raise ValueError(msg)
        return self

    def candidate(self, kind: str | None = None) -> Candidate:
        """Return the candidate that `geosoil train` fits, or one of another kind with the recipe's settings."""
        from geosoil.pipeline.task import Candidate

        kind = kind or self.model.kind
        return Candidate(REGRESSORS[kind].title, kind, getattr(self.model, kind), self.features)

    def candidates(self) -> list[Candidate]:
        """Return the candidates that `geosoil compare` compares, under unique names."""
        from geosoil.pipeline.task import Candidate

        candidates = []
        for entry in self.model.compare or [self.model.kind]:
            if isinstance(entry, str):
                candidates.append(self.candidate(entry))
                continue
            settings = getattr(self.model, entry.kind)
            settings = type(settings).model_validate(settings.model_dump() | entry.settings)
            title = entry.title or REGRESSORS[entry.kind].title
            candidates.append(Candidate(title, entry.kind, settings, entry.features or self.features))
        names = [candidate.name for candidate in candidates]
        if len(set(names)) < len(names):
            msg = f"two models of compare have the name {max(names, key=names.count)!r}; give one of them a title"
            raise ValueError(msg)
        return candidates


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
    # PA: legacy recipes (a key `study`) are translated here: content, notes = translate(content)
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        # A misspelt key explains a missing one, so it is reported first.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _recipe_error(path, problems[0]) from error
    return LoadedRecipe(recipe, path, path.resolve().parent, hashlib.sha256(text).hexdigest())


def files_named_in(path: str | Path) -> list[Path]:
    """Return the files that a recipe names, which no output may overwrite."""
    path = Path(path)
    paths = [path.parent / text for text in _texts(_read_toml(path)[1])]
    return [path for path in paths if os.path.isfile(path)]  # noqa: PTH113 - any text, not always a path


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _texts(value)


def _read_toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        text = path.read_bytes()
        return text, tomllib.loads(text.decode())
    except OSError as error:
        raise RecipeError(
            path, found=str(error.strerror), expected="a recipe", way_out="create one with `geosoil init`"
        ) from error
    except (ValueError, RecursionError) as error:
        raise RecipeError(path, found=f"not valid TOML ({error})", expected="a recipe", way_out="correct it") from error


def _recipe_error(path: Path, problem: Any) -> RecipeError:
    keys = [str(key) for key in problem["loc"] if key not in SOURCES]  # pydantic names the branch of the union
    where = ".".join(keys) or "the recipe"
    if problem["type"] != "extra_forbidden":
        message = str(problem["msg"]).removeprefix("Value error, ")
        return RecipeError(path, found=f"{where}: {message}", expected="a valid value", way_out=f"correct {where}")
    known = _known_keys(list(problem["loc"]))
    near = get_close_matches(keys[-1], known, n=1)
    return RecipeError(
        path,
        found=f"unknown key {where}",
        expected=f"one of {', '.join(known)}",
        way_out=f"did you mean {near[0]}?" if near else "remove it",
    )


def _known_keys(location: list[Any]) -> list[str]:
    """Return the keys that are allowed at the place of an unknown one."""
    part: Any = Recipe
    for key in location[:-1]:
        if key in SOURCES:
            part = SOURCES[key].schema
            continue
        field = part.model_fields.get(key) if isinstance(part, type) and issubclass(part, BaseModel) else None
        if field is None:
            continue  # an index of a list
        part = field.annotation
        part = next((a for a in getattr(part, "__args__", ()) if isinstance(a, type)), part)
    return list(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else []
