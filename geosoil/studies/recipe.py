"""Recipes: TOML files that are checked before anything they name is read.

Paths are relative to the recipe. A recipe names inputs and choices only; where results go is said on the
command line, so a recipe from a stranger cannot write anywhere. Each study has a schema of its own, made of `Part`s.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from geosoil.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"


def _rising(window: list[float]) -> list[float]:
    if not window[0] < window[1]:
        msg = f"{window} does not rise from the lowest to the highest"
        raise ValueError(msg)
    return window


Window = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class Part(BaseModel):
    """A table of a recipe: unknown keys are refused, nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Property(Part):
    """A property of the soil: its column in the samples, its unit and the range it can have."""

    column: str
    unit: str
    title: str = ""
    valid_range: tuple[float | None, float | None] = (0.0, None)

    @property
    def name(self) -> str:
        """Return what maps and figures call it."""
        return self.title or self.column

    @field_validator("valid_range")
    @classmethod
    def _rises(cls, ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
        if None not in ends:
            _rising(list(ends))  # type: ignore[arg-type]
        return ends


class TargetColumn(Property):
    """What is predicted, as it is or by its logarithm."""

    log: Literal["none", "naive", "smearing"] = "none"


class StudyRecipe(Part):
    """What the recipe of every study begins with."""

    study: str
    name: str = Field(pattern=NAME)
    seed: int = Field(0, ge=0, lt=2**31)


R = TypeVar("R", bound=Part)


@dataclass(frozen=True)
class LoadedRecipe(Generic[R]):
    """A recipe with the folder its paths start from and the hash of its text."""

    recipe: R
    folder: Path
    sha256: str

    def path(self, relative: str) -> str:
        """Return a path of the recipe: as it is where it is a URL or absolute, else from the recipe's folder."""
        return relative if "://" in relative or Path(relative).is_absolute() else str(self.folder / relative)


def read_recipe(path: str | Path, schema: type[R]) -> LoadedRecipe[R]:
    """Read and check a recipe; raises RecipeError with the key, and the nearest name for an unknown one."""
    path = Path(path)
    text, content = _toml(path)
    try:
        recipe = schema.model_validate(content)
    except ValidationError as error:
        # A misspelt key explains a missing one: tell it first.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _recipe_error(path, problems[0], schema) from error
    return LoadedRecipe(recipe=recipe, folder=path.resolve().parent, sha256=hashlib.sha256(text).hexdigest())


def study_of(path: str | Path, known: list[str]) -> str:
    """Return the study that a recipe belongs to, by its key `study`; raises RecipeError for one that is not known."""
    _, content = _toml(Path(path))
    study = content.get("study")
    if study in known:
        return str(study)
    near = get_close_matches(str(study), known, n=1)
    raise RecipeError(
        path,
        found=f"study = {study!r}" if study is not None else "no key study",
        expected=f"one of {', '.join(known)}",
        way_out=f"did you mean {near[0]}?" if near else "begin with `geosoil init`",
    )


def files_named_in(path: str | Path) -> list[Path]:
    """Return the files that a recipe of any study names: what it must not overwrite."""
    path = Path(path)
    named = [path.parent / text for text in _texts(_toml(path)[1])]
    return [one for one in named if os.path.isfile(one)]  # noqa: PTH113 - any text: Path asks for one that can be a path


def _texts(part: Any) -> Iterator[str]:
    """Yield all texts of a recipe."""
    if isinstance(part, str):
        yield part
    for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _texts(one)


def _toml(path: Path) -> tuple[bytes, dict[str, Any]]:
    try:
        text = path.read_bytes()
        return text, tomllib.loads(text.decode())
    except OSError as error:
        raise RecipeError(
            path, found=str(error.strerror), expected="a recipe", way_out="begin one with `geosoil init`"
        ) from error
    except ValueError as error:
        raise RecipeError(path, found=f"no TOML ({error})", expected="a recipe", way_out="mend that line") from error


def _recipe_error(path: Path, problem: Any, schema: type[Part]) -> RecipeError:
    keys = [str(key) for key in problem["loc"]]
    where = ".".join(keys) or "the recipe"
    if problem["type"] != "extra_forbidden":
        return RecipeError(
            path, found=f"{where}: {problem['msg']}", expected="a recipe that makes sense", way_out=f"mend {where}"
        )
    known = _keys_beside(keys, schema)
    near = get_close_matches(keys[-1], known, n=1)
    return RecipeError(
        path,
        found=f"unknown key {where}",
        expected=f"one of {', '.join(known)}",
        way_out=f"did you mean {near[0]}?" if near else "take it out",
    )


def _keys_beside(keys: list[str], schema: type[Part]) -> list[str]:
    """Return the keys that could stand where an unknown one stands."""
    part: Any = schema
    for key in keys[:-1]:
        field = part.model_fields.get(key) if isinstance(part, type) and issubclass(part, BaseModel) else None
        if field is None:
            continue  # an index of a list
        part = field.annotation
        part = next((a for a in getattr(part, "__args__", ()) if isinstance(a, type)), part)
    return list(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else []
