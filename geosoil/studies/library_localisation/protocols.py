"""Who is the n, and who tests: the rows of the site that no choice, tuning or fit has seen.

kennard_stone     n rows that cover the spectra of the site, as published. The choice looks at the spectra of the test
                  rows too, at no content; it takes the extremes away from the test, so its figures flatter.
random            n rows drawn at random, repeated: what a sampling without spectra would give, with its spread.
cross_validation  no test rows at all: folds of the n rows, RS-LOCAL and all tuning again inside each. It chooses
                  between models, and is all that there is for a site whose samples are all needed for learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError
from geosoil.evaluate.metrics import regression_metrics
from geosoil.samples.kennard_stone import kennard_stone
from geosoil.samples.rs_local import LEAST_SITE_SAMPLES
from geosoil.samples.splits import split_k_fold
from geosoil.studies.library_localisation.candidates import MODELS, Trainer, train_bases
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from geosoil.studies.library_localisation.recipe import Recipe
    from geosoil.studies.library_localisation.training_data import TrainingData
    from geosoil.studies.results import Progress

METRICS = ("rmse", "bias", "ccc", "r2", "rpiq")
AGAINST = {"local_plsr": "change_plsr", "local_cnn": "change_cnn"}
LEAST_TEST_ROWS = 5


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a protocol found.

    observed `(n_site,)`; predicted `(repeat, n_site)` of each model, NaN in rows that it learned from; library_rows:
    the rows of the library that each model rests on, of each repeat; said: how it was fitted, of each repeat.
    """

    protocol: str
    observed: np.ndarray
    predicted: dict[str, np.ndarray]
    library_rows: dict[str, list[np.ndarray]]
    said: dict[str, list[str]]

    @property
    def figures(self) -> dict[str, pd.DataFrame]:
        """For each model one row a repeat: the metrics, and the change of RMSE against the local models in percent."""
        tables = {}
        for kind, predicted in self.predicted.items():
            rows = []
            for one in predicted:
                seen = np.isfinite(one)
                figures = regression_metrics(self.observed[seen], one[seen])
                rows.append({"n": int(seen.sum())} | {name: figures[name] for name in METRICS})
            tables[kind] = pd.DataFrame(rows)
        for reference, column in AGAINST.items():
            if reference in tables:
                local = tables[reference].rmse.copy()
                for table in tables.values():
                    table[column] = 100 * (local - table.rmse) / local
        return tables

    @property
    def table(self) -> pd.DataFrame:
        """One row a model: the means over repeats, and the spread of RMSE and of its change."""
        rows = []
        for kind, figures in self.figures.items():
            row: dict[str, object] = {"protocol": self.protocol, "model": MODELS[kind], "n": int(figures.n.iloc[0])}
            row |= figures.drop(columns="n").mean().to_dict()
            for name in ("rmse", *(column for column in AGAINST.values() if column in figures)):
                row[f"{name}_sd"] = float(figures[name].std(ddof=1)) if len(figures) > 1 else np.nan
            rows.append(row)
        return pd.DataFrame(rows)


def choose_local(recipe: Recipe, data: TrainingData, *, at_random: int | None = None) -> np.ndarray:
    """Return the n rows of the site to learn from `(n,)`: by Kennard-Stone, or at random by the number given.

    All rows, where too few would be left for a test.
    """
    wanted, n_site = recipe.local, len(data.site.y)
    if n_site - wanted.n < LEAST_TEST_ROWS:
        return np.arange(n_site)
    if at_random is not None:
        return np.random.default_rng([recipe.seed, at_random]).permutation(n_site)[: wanted.n]
    share = wanted.n_components
    components = share if share is None or share < 1 else int(share)
    return kennard_stone(data.site.X, wanted.n, n_components=components, mahalanobis=wanted.mahalanobis)


def kennard_stone_test(
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    progress: Progress = no_progress,
    bases: dict[str, Pipeline] | None = None,
) -> Outcome:
    """Test models on the rows that Kennard-Stone leaves over, as published; bases as of `candidates.train_bases`."""
    return _test("kennard_stone", recipe, data, kinds, [choose_local(recipe, data)], progress, bases)


def random_test(
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    progress: Progress = no_progress,
    bases: dict[str, Pipeline] | None = None,
) -> Outcome:
    """Test models on the rows that random choices of the n leave over; bases as of `candidates.train_bases`."""
    choices = [choose_local(recipe, data, at_random=i) for i in range(recipe.validation.n_repeats)]
    return _test("random", recipe, data, kinds, choices, progress, bases)


def cross_validated(
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    chosen: np.ndarray,
    progress: Progress = no_progress,
    bases: dict[str, Pipeline] | None = None,
) -> Outcome:
    """Test models on folds of the n rows themselves `(n,)`, every choice made again without the fold.

    Raises RecipeError where the folds leave too few rows for RS-LOCAL.
    """
    n_folds = min(recipe.validation.n_folds, len(chosen))
    if len(chosen) - -(-len(chosen) // n_folds) < LEAST_SITE_SAMPLES:
        raise RecipeError(
            recipe.name,
            found=f"{len(chosen)} local samples in {n_folds} folds",
            expected=f"{LEAST_SITE_SAMPLES} or more in every fold's training part",
            way_out="name a model instead of kind = 'auto', and leave some rows for a test",
        )
    if bases is None:
        bases = train_bases(recipe, data, kinds, progress)
    outcomes = [
        _test("cross_validation", recipe, data, kinds, [chosen[train]], progress, bases, chosen[test])
        for train, test in split_k_fold(len(chosen), n_folds, seed=recipe.seed)
    ]
    # every row is left out once, so the folds make one column
    pooled = {kind: np.nansum([one.predicted[kind] for one in outcomes], axis=0) for kind in kinds}
    for predicted in pooled.values():
        predicted[:, np.setdiff1d(np.arange(len(data.site.y)), chosen)] = np.nan
    rows = {kind: [part for one in outcomes for part in one.library_rows[kind]] for kind in kinds}
    said = {kind: [part for one in outcomes for part in one.said[kind]] for kind in kinds}
    return Outcome("cross_validation", data.site.y, pooled, rows, said)


def _test(
    protocol: str,
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    choices: list[np.ndarray],
    progress: Progress,
    bases: dict[str, Pipeline] | None,
    test: np.ndarray | None = None,
) -> Outcome:
    """Fit every model to every choice of the n, and predict the other rows of the site, or those of `test`."""
    from joblib import Parallel, delayed

    if bases is None:
        bases = train_bases(recipe, data, kinds, progress)
    predicted = {kind: np.full((len(choices), len(data.site.y)), np.nan) for kind in kinds}
    library_rows: dict[str, list[np.ndarray]] = {kind: [] for kind in kinds}
    said: dict[str, list[str]] = {kind: [] for kind in kinds}
    tests = [np.setdiff1d(np.arange(len(data.site.y)), chosen) if test is None else test for chosen in choices]
    n_processes = min(recipe.validation.processes, len(choices))
    # One choice alone may use all cores; several share them, a process each with one thread.
    n_workers = None if n_processes == 1 else 1
    tasks = (
        delayed(_one)(recipe, data, kinds, chosen, own, bases, n_workers, progress if n_processes == 1 else no_progress)
        for chosen, own in zip(choices, tests, strict=True)
    )
    progress(f"{protocol} test", 0, len(choices))
    for i, own in enumerate(Parallel(n_jobs=n_processes, return_as="generator")(tasks)):
        for kind, (values, rows, text) in own.items():
            predicted[kind][i, tests[i]] = values
            library_rows[kind].append(rows)
            said[kind].append(text)
        progress(f"{protocol} test", i + 1, len(choices))
    return Outcome(protocol, data.site.y, predicted, library_rows, said)


def _one(
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    chosen: np.ndarray,
    test: np.ndarray,
    bases: dict[str, Pipeline],
    n_workers: int | None,
    progress: Progress,
) -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    trainer = Trainer(recipe, data, chosen, bases=bases, n_workers=n_workers, progress=progress)
    found = {}
    for i, kind in enumerate(kinds):
        progress(MODELS[kind], i, len(kinds))
        fitted = trainer.fit(kind)
        found[kind] = (fitted.predict(data.site.X[test]), fitted.library_rows, fitted.said)
    progress("models", len(kinds), len(kinds))
    return found
