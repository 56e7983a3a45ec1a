"""`geosoil compare`: a recipe or a dict of estimators in, a table of the models on the same test rows out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from geosoil.io.atomic import atomic_path, require_writable, require_writable_folder
from geosoil.io.output_paths import check_not_an_input, check_output_path
from geosoil.io.tables.writer import write_csv
from geosoil.pipeline.fit import FittedPipeline
from geosoil.pipeline.recipe import files_named_in, read_recipe, with_budget
from geosoil.pipeline.regressors import fit_model, prepare_shared
from geosoil.pipeline.sources import read_rows
from geosoil.pipeline.task import FitTask
from geosoil.pipeline.validation import no_progress, validate
from geosoil.workflows.compare_estimators import compare_estimators
from geosoil.workflows.progress import reported
from geosoil.workflows.shown import ShownResult
from geosoil.workflows.train import concatenate, format_table

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from geosoil.pipeline.validation import Outcome, Progress
    from geosoil.workflows.compare_estimators import Comparison


@dataclass(frozen=True, repr=False)
class CompareResult(ShownResult):
    """The table of a comparison, the paired differences, and where they are."""

    table: pd.DataFrame
    differences: pd.DataFrame
    path: Path
    report: Path
    outcomes: tuple[Outcome, ...]
    refused: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return the table as text, and where table and report are."""
        return "\n".join([format_table(self.table), f"table   {self.path}", f"report  {self.report}"])


@overload
def compare(
    recipe: str | Path,
    output: str | Path | None = ...,
    *,
    budget_minutes: float | None = ...,
    progress: Progress | bool | None = ...,
) -> CompareResult: ...


@overload
def compare(recipe: Mapping[str, Any], X: Any, y: Any, **options: Any) -> Comparison: ...


def compare(recipe: str | Path | Mapping[str, Any], *arguments: Any, **options: Any) -> CompareResult | Comparison:
    """Compare models on the same test rows: those of a recipe, or a dict of scikit-learn estimators.

    `compare("recipe.toml", output=None, progress=None)` compares the models that a recipe names in `model.compare`, by
    every split of `[validation]`. `compare({"PLS": estimator, ...}, X, y, folds=..., metrics=...)` compares estimators
    on your own arrays.

    Parameters
    ----------
    recipe : path, or mapping of str to estimator
        A TOML file, or estimators with `fit` and `predict` by name.
    *arguments, **options
        Those of `geosoil.workflows.compare.compare_recipe` for a recipe, and of
        `geosoil.workflows.compare_estimators.compare_estimators` for estimators.

    Returns
    -------
    CompareResult or Comparison
        Both have `table`, one row per model, and `differences`, the paired differences, each with 95 % intervals.

    Raises
    ------
    GeosoilError
        If the recipe, a file that it names, an estimator or the data are wrong.

    Examples
    --------
    >>> import geosoil
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.arange(12.0).reshape(12, 1)
    >>> models = {"linear": LinearRegression(), "mean": DummyRegressor()}
    >>> result = geosoil.compare(models, X, 2 * X[:, 0], folds=np.arange(12) % 3, metrics=["rmse"])
    >>> result.table[["model", "n", "test_rmse"]].round(2).values.tolist()
    [['linear', 12, 0.0], ['mean', 12, 7.14]]
    """
    if isinstance(recipe, Mapping):
        return compare_estimators(recipe, *arguments, **options)
    return compare_recipe(recipe, *arguments, **options)


def compare_recipe(
    recipe: str | Path,
    output: str | Path | None = None,
    *,
    budget_minutes: float | None = None,
    progress: Progress | bool | None = None,
) -> CompareResult:
    """Compare the models that a recipe names in `model.compare`, by every split of `[validation]`.

    Parameters
    ----------
    recipe : path
        A TOML file.
    output : path, optional
        The table as CSV, by default NAME_comparison.csv. NAME_comparison_differences.csv beside it has the paired
        differences, and the folder NAME_comparison the report.
    budget_minutes : float, optional
        Time in minutes that all fits of `kind = "auto"` may take together; by default `model.auto.minutes` of the
        recipe. Other models take their own time.
    progress : callable or bool, optional
        Called as `progress(task, done, total)` after each fold; True shows a bar.

    Returns
    -------
    CompareResult

    Raises
    ------
    GeosoilError
        If the recipe or a file that it names is wrong, or an output is one of the files that the recipe names.
    """
    from geosoil.report.page import write_report
    from geosoil.report.sections import comparison_sections

    loaded = with_budget(read_recipe(recipe), budget_minutes)
    path = check_output_path(
        output if output is not None else f"{loaded.recipe.name}_comparison.csv", (".csv",), "TABLE.csv"
    )
    check_not_an_input([path], files_named_in(recipe))
    require_writable_folder(path.with_suffix(""))
    if path.parent.exists():
        require_writable(path)
    candidates = loaded.recipe.candidates()
    rows = read_rows(loaded)
    with reported(progress) as given:
        report_progress = given or no_progress
        shared = prepare_shared(loaded.recipe, rows, candidates, report_progress)
        outcomes = tuple(
            validate(split, loaded.recipe, rows, candidates, shared=shared, progress=report_progress)
            for split in loaded.recipe.validation.split
        )
    table = concatenate([outcome.table for outcome in outcomes])
    differences = concatenate([outcome.differences() for outcome in outcomes])
    write_table(table, path)
    write_table(differences, path.with_name(f"{path.stem}_differences{path.suffix}"))
    # The report shows what the first candidate of each kind of features chose on all rows.
    cache: dict[object, object] = {}
    fitted = []
    for candidate in {candidate.features.model_dump_json(): candidate for candidate in candidates}.values():
        task = FitTask(candidate, rows, np.arange(len(rows)), loaded.recipe, seed=loaded.recipe.seed, shared=shared,
                       fold_cache=cache)  # fmt: skip
        fitted.append(FittedPipeline(loaded, rows, task, fit_model(task), outcomes))
    sections = comparison_sections(fitted, differences)
    report = write_report(path.with_suffix(""), title=fitted[0].title, sections=sections)
    return CompareResult(table, differences, path, report, outcomes, refused=tuple(rows.refused))


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        write_csv(table, temporary)
