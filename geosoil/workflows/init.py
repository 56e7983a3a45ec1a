"""`geosoil init`: a recipe that is filled in from the user's files."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import OutputError, RecipeError, SamplesError
from geosoil.io.atomic import atomic_path
from geosoil.io.output_paths import check_output_path
from geosoil.io.tables.columns import guess_unit
from geosoil.io.tables.numbers import as_numbers
from geosoil.pipeline.checks import SPECTRAL
from geosoil.pipeline.proposals import propose_log, propose_models, propose_range, propose_validation
from geosoil.pipeline.recipe import LoadedRecipe, check_recipe
from geosoil.pipeline.recipe_text import RecipeText
from geosoil.pipeline.regressors import REGRESSORS
from geosoil.pipeline.sources import SOURCES, draft_data, read_rows
from geosoil.pipeline.sources.draft import Draft, Files
from geosoil.pipeline.sources.profiles import layer_name
from geosoil.sensors.cube import lacks_scale

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from geosoil.pipeline.rows import TrainingRows

    PathLike = str | os.PathLike[str]

NEW_RECIPE = Path("the new recipe")  # in messages
OTHER_NAMES = {"svm": "svr", "plsr": "pls", "rf": "forest", "random_forest": "forest"}
WHY = {
    "split": "the first gives the accuracy of the model",
    "n_repeats": "how often samples are divided again",
    "block_m": "side of a block in metres",
}
PLACED = ("cube", "spectra", "covariates", "table")  # kinds of data whose models can have a place
# What may have to be dropped, the mildest choice first.
DROPS: tuple[dict[str, str], ...] = ({}, {"on_missing": "drop"}, {"on_error": "drop"})


@dataclass(frozen=True)
class NewRecipe:
    """The text of a recipe that was filled in, and where it was written, if anywhere."""

    text: str
    path: Path | None
    n_samples: int

    def summary(self) -> str:
        """Return a line for the terminal."""
        words = shlex.join(["geosoil", "train", str(self.path)])
        return f"{self.path}: a recipe for {self.n_samples} samples. Read it, then run: {words}"


def init_recipe(
    kind: str,
    *,
    table: PathLike = "",
    cube: PathLike = "",
    covariates: Sequence[PathLike] = (),
    samples: PathLike = "",
    library: PathLike = "",
    targets: Sequence[str] = (),
    units: Sequence[str] = (),
    models: Sequence[str] = (),
    name: str = "",
    output: PathLike | None = None,
    force: bool = False,
    **given: Any,
) -> NewRecipe:
    """Fill in a recipe from files: bands, scale, CRS, class bands, columns, groups, splits, logarithm and models.

    Parameters
    ----------
    kind : {"cube", "spectra", "covariates", "profiles", "table"}
        The kind of data.
    table : path-like, optional
        The table of spectra, profiles or features.
    cube : path-like, optional
        The cube, or for spectra the cube to whose bands they are resampled.
    covariates : sequence of path-like, optional
        Covariate rasters.
    samples : path-like, optional
        The table of sample points, or for spectra another table with the target.
    library : path-like, optional
        For spectra of one site, a spectral library with the target.
    targets : sequence of str
        Columns to predict.
    units : sequence of str, optional
        Their units, or one unit for all; by default as the names of the columns state them.
    models : sequence of str, optional
        Kinds of models, the one to train first; by default those that suit the number of samples.
    name : str, optional
        Name of the model; by default the target.
    output : path-like, optional
        The file to write. Paths in the recipe are relative to its folder, by default to the working folder.
    force : bool
        Whether an existing file is replaced.
    **given
        Keys of the section `[data]`, which are then not guessed, such as `crs="EPSG:32633"`.

    Returns
    -------
    NewRecipe

    Raises
    ------
    GeosoilError
        If a file cannot be read, or something cannot be decided from it; the message says what decides it.
    """
    path = None if output is None else Path(output)
    inputs = [str(file) for file in (table, cube, samples, library, *covariates) if str(file)]
    if path is not None:
        _check_output(path, inputs, force=force)
    folder = (Path() if path is None else path.parent).absolute()
    files = Files(folder, str(table), str(cube), tuple(map(str, covariates)), str(samples), str(library))
    given = {key: value for key, value in given.items() if value is not None}
    draft = draft_data(kind, files, targets, given)
    rows = _read_rows(draft, targets, folder)
    text = _compose(draft, rows, _models(models), list(targets), _units(units, targets), name, files, path)
    if path is not None:
        write_recipe(text, path, force=force)
    return NewRecipe(text, path, len(rows))


def write_recipe(text: str, path: Path, *, force: bool = False) -> None:
    """Write the text of a recipe; raises OutputError if the file exists and `force` is false."""
    _check_output(path, (), force=force)
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def _check_output(path: Path, inputs: Sequence[str], *, force: bool) -> None:
    check_output_path(path, (".toml",), "RECIPE.toml", inputs=inputs)
    if path.exists() and not force:
        raise OutputError(
            path, found="a file with this name", expected="a new file", way_out="choose another name, or add --force"
        )


def _units(units: Sequence[str], targets: Sequence[str]) -> list[str]:
    if len(units) not in (0, 1, len(targets)):
        raise RecipeError(
            "--unit",
            found=f"{len(units)} units for {len(targets)} targets",
            expected="one unit for each, or one for all",
            way_out="give them in the order of the targets",
        )
    return list(units) * (len(targets) if len(units) == 1 else 1) or [guess_unit(target) for target in targets]


def _models(models: Sequence[str]) -> list[str]:
    return [OTHER_NAMES.get(model.strip().lower(), model.strip().lower()) for model in models]


def _read_rows(draft: Draft, targets: Sequence[str], folder: Path) -> TrainingRows:
    """Read the rows as the recipe will, and set what has to be dropped, so that training runs."""
    target = [{"column": column, "valid_range": [-np.inf, np.inf]} for column in targets]
    errors = list[SamplesError]()
    for drops in DROPS:
        if "on_error" in drops and draft.values["kind"] != "profiles":
            continue
        chosen = {key: value for key, value in drops.items() if key not in draft.given}
        content = {"name": "new", "data": draft.values | chosen, "target": target}
        try:
            rows = read_rows(LoadedRecipe(check_recipe(NEW_RECIPE, content), NEW_RECIPE, folder, ""))
        except SamplesError as error:
            errors.append(error)
            continue
        for key, value in chosen.items():
            draft.set(key, value, "some rows cannot be used: see below")
        if rows.layers_cm is not None and _cut_layers(draft, rows):
            return _read_rows(draft, targets, folder)
        return rows
    raise errors[-1]


def _cut_layers(draft: Draft, rows: TrainingRows) -> bool:
    """Leave out layers above and below those that have enough values; return whether there were any."""
    limits, kept = draft.values["layers_cm"], [limit for layer in rows.layers_cm or () for limit in layer]
    within = [limit for limit in limits if min(kept) <= limit <= max(kept)]
    if within == limits:
        return False
    draft.set("layers_cm", within, f"limits in cm; too few profiles have values beyond {within[0]:g} to {within[-1]:g}")
    return True


def _compose(
    draft: Draft,
    rows: TrainingRows,
    models: list[str],
    targets: list[str],
    units: list[str],
    name: str,
    files: Files,
    path: Path | None,
) -> str:
    """Write the recipe, and check that it is one."""
    import tomllib

    text = RecipeText()
    name = name or re.sub(r"[^a-z0-9_.-]+", "_", "_".join(targets[:3]).lower()).strip("._-")[:60] or "model"
    _add_head(text, draft, rows, name, targets, files, path)
    text.add_section("data")
    for key, value in draft.values.items():
        text.add_value(key, value, draft.reasons.get(key, ""))
    for remark in dict.fromkeys([*draft.remarks, *rows.notes]):
        text.add_comment(f"{remark.rstrip('.')}.")
    for column, unit in zip(targets, units, strict=True):
        measured = as_numbers(draft.measured[column])
        library = _values_of_library(rows, column)
        _add_target(text, column, unit, _values_of(rows, column), measured, library, repeated=len(targets) > 1)
    chosen, why = _choose_models(draft, rows, models)
    _add_features(text, draft, rows, chosen)
    _add_model(text, draft, chosen, why)
    validation = propose_validation(rows, draft.values.get("group"), quick=chosen[0] != "auto")
    text.add_section("validation")
    for reason in validation.reasons:
        text.add_comment(reason)
    for key, value in validation.values.items():
        text.add_value(key, value, WHY.get(key, ""))
    check_recipe(path or NEW_RECIPE, tomllib.loads(str(text)))
    return str(text)


def _values_of(rows: TrainingRows, column: str) -> np.ndarray:
    """Return the known values of a target, at all of its depths."""
    names = [target.column for target in rows.targets]
    if rows.layers_cm is not None:
        names = [name.removesuffix(f" {layer_name(layer)}") for name, layer in zip(names, rows.layers_cm, strict=True)]
    values = rows.y[:, [name == column for name in names]]
    return values[np.isfinite(values)]


def _values_of_library(rows: TrainingRows, column: str) -> np.ndarray:
    """Return the known values of a target in the library, if there is one."""
    if rows.library is None or rows.library.y is None:
        return np.empty(0)
    values = rows.library.y[:, [target.column for target in rows.targets].index(column)]
    return values[np.isfinite(values)]


def _add_head(
    text: RecipeText,
    draft: Draft,
    rows: TrainingRows,
    name: str,
    targets: list[str],
    files: Files,
    path: Path | None,
) -> None:
    title = SOURCES[draft.values["kind"]].title
    text.add_comment(f"Recipe of {', '.join(targets)} from {len(rows)} samples: {title}.")
    text.add_comment("")
    text.add_comment("`geosoil init` filled it in from these files. Paths are relative to this recipe.")
    text.add_comment("Train, compare the models of [model], and use the model with")
    recipe = str(path) if path is not None else "recipe.toml"
    text.add_command(shlex.join(["geosoil", "train", recipe]))
    text.add_command(shlex.join(["geosoil", "compare", recipe]))
    model = f"models/{name}"
    if files.cube:
        command = ["geosoil", "map", "--cube", files.cube, "--model", model, "-o", f"{name}.tif"]
        scale = draft.values.get("scale" if draft.values["kind"] == "cube" else "cube_scale")
        if scale is not None and not lacks_scale(files.cube):  # of a cube of whole numbers, the model knows the scale
            command += ["--scale", str(scale)]
        text.add_command(shlex.join(command))
    if files.covariates:
        command = ["geosoil", "map", "--covariates", *files.covariates, "--model", model, "-o", f"{name}.tif"]
        text.add_command(shlex.join(command))
    if not files.cube and not files.covariates:
        text.add_command(shlex.join(["geosoil", "predict", files.table, "--model", model]))
    text.add_blank()
    text.add_value("name", name, f"name of the model: its folder is {model}")
    text.add_value("seed", 0, "random seed; the same seed gives the same model")


def _add_target(
    text: RecipeText,
    column: str,
    unit: str,
    values: np.ndarray,
    measured: np.ndarray,
    library: np.ndarray,
    *,
    repeated: bool,
) -> None:
    text.add_section("target", repeated=repeated)
    described = f"{len(values)} values, {values.min():.4g} to {values.max():.4g}, median {np.median(values):.4g}"
    text.add_value("column", column, described)
    text.add_value("unit", unit, "" if unit else "no unit was given")
    log, why_log = propose_log(column, values)
    if log != "none" and (library <= 0).any():
        log, why_log = "none", "the library has values of zero or less, which have no logarithm"
    limits, why = propose_range(column, unit, np.concatenate([measured, library]), log)
    text.add_value("valid_range", list(limits), why)
    text.add_value("log", log, why_log)


def _choose_models(draft: Draft, rows: TrainingRows, models: list[str]) -> tuple[list[str], str]:
    """Return the models of the user or those that suit the samples, and why."""
    if models:
        return models, ""
    n = int(np.isfinite(rows.y).any(axis=1).sum())
    return propose_models(
        spectral=draft.values["kind"] in SPECTRAL, n=n, n_features=len(rows.features), n_targets=rows.y.shape[1],
        library=rows.library is not None,
    )  # fmt: skip


def _add_features(text: RecipeText, draft: Draft, rows: TrainingRows, chosen: list[str]) -> None:
    """Add what is done to the features, and what can be done."""
    text.add_section("features")
    if draft.values["kind"] in SPECTRAL:
        steps = [{"step": step} for step in draft.preprocessing]
        if chosen[0] == "auto" and steps:
            text.add_value("preprocessing", steps, "auto prepares spectra as suits each of its models", active=False)
        elif chosen[0] != "auto":
            text.add_value("preprocessing", steps)
        text.add_value("selection", {"method": "cars"}, "choose bands inside the training rows", active=False)
    else:
        text.add_value("selection", {"method": "screen"}, "choose features inside the training rows", active=False)
    if rows.xy_m is not None and draft.values["kind"] in PLACED:
        text.add_value("place", True, "the coordinates are features too: more accurate near the samples", active=False)


def _add_model(text: RecipeText, draft: Draft, chosen: list[str], why: str) -> None:
    text.add_section("model")
    text.add_value("kind", chosen[0], why)
    compare: list[Any] = list(chosen)
    if chosen[0] == "auto" and draft.preprocessing:
        steps = {"preprocessing": [{"step": step} for step in draft.preprocessing]}
        compare = [kind if kind in ("auto", "gp") else {"kind": kind, "features": steps} for kind in chosen]
    text.add_value("compare", compare, "models of `geosoil compare`")
    others = [kind for kind, entry in REGRESSORS.items() if not entry.needs and kind not in chosen]
    text.add_comment(f"Other models for these data: {', '.join(others)}.")
