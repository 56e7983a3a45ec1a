"""Who is the n, and who tests: the rows of the site that no choice, tuning or fit has seen.

kennard_stone     n rows that cover the spectra of the site, as published. The choice looks at the spectra of the test
                  rows too, at no content; it takes the extremes away from the test, so its figures flatter.
random            n rows drawn at random, repeated: what a sampling without spectra would give, with its spread.
cross_validation  no test rows at all: folds of the n rows, RS-LOCAL and all tuning again inside each. It chooses
                  between models, and is all that there is for a site whose samples are all needed for learning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError
from geosoil.evaluate.metrics import regression_metrics
from geosoil.samples.kennard_stone import kennard_stone
from geosoil.samples.rs_local import LEAST_SITE_SAMPLES
from geosoil.samples.splits import split_k_fold
from geosoil.studies.cross_validation import Split, run_folds
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

    observed `(n_site,)`; predicted `(repeat, n_site)` of each model, NaN in rows that were not tested; library_rows:
    the rows of the library that each model rests on, of each split; said: how it was fitted, of each split.
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
    def best(self) -> str:
        """The model with the smallest RMSE, over all repeats."""
        figures = self.figures
        return min(figures, key=lambda kind: float(figures[kind].rmse.mean()))

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
    return _test("kennard_stone", recipe, data, kinds, [_rest(data, 0, choose_local(recipe, data))], progress, bases)


def random_test(
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    progress: Progress = no_progress,
    bases: dict[str, Pipeline] | None = None,
) -> Outcome:
    """Test models on the rows that random choices of the n leave over; bases as of `candidates.train_bases`."""
    repeats = range(recipe.validation.n_repeats)
    splits = [_rest(data, repeat, choose_local(recipe, data, at_random=repeat)) for repeat in repeats]
    return _test("random", recipe, data, kinds, splits, progress, bases)


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
    folds = split_k_fold(len(chosen), n_folds, seed=recipe.seed)
    splits = [Split(0, chosen[train], chosen[test]) for train, test in folds]
    return _test("cross_validation", recipe, data, kinds, splits, progress, bases)


def _rest(data: TrainingData, repeat: int, chosen: np.ndarray) -> Split:
    """Return the split that learns from the chosen rows of the site and tests all others."""
    return Split(repeat, chosen, np.setdiff1d(np.arange(len(data.site.y)), chosen))


def _test(
    protocol: str,
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    splits: list[Split],
    progress: Progress,
    bases: dict[str, Pipeline] | None,
) -> Outcome:
    """Fit every model to the library and the training rows of every split, and predict its test rows."""
    if bases is None:
        bases = train_bases(recipe, data, kinds, progress)
    predicted = {kind: np.full((splits[-1].repeat + 1, len(data.site.y)), np.nan) for kind in kinds}
    library_rows = {kind: [np.arange(0)] * len(splits) for kind in kinds}
    said = {kind: [""] * len(splits) for kind in kinds}
    processes = min(recipe.validation.processes, len(splits))
    # One process alone may use all cores for RS-LOCAL, and say how far it is; several share the cores.
    options = {"n_workers": None, "progress": progress} if processes == 1 else {"n_workers": 1}
    fold = partial(_fold, recipe, data, kinds, bases, options)
    for i, own in run_folds(fold, splits, processes=processes, what=f"{protocol} test", progress=progress):
        for kind, (values, rows, text) in own.items():
            predicted[kind][splits[i].repeat, splits[i].test] = values
            library_rows[kind][i] = rows
            said[kind][i] = text
    return Outcome(protocol, data.site.y, predicted, library_rows, said)


def _fold(
    recipe: Recipe,
    data: TrainingData,
    kinds: list[str],
    bases: dict[str, Pipeline],
    options: dict[str, Any],
    split: Split,
) -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    trainer = Trainer(recipe, data, split.train, bases=bases, **options)
    found = {}
    for i, kind in enumerate(kinds):
        trainer.progress(MODELS[kind], i, len(kinds))
        fitted = trainer.fit(kind)
        found[kind] = (fitted.predict(data.site.X[split.test]), fitted.library_rows, fitted.said)
    trainer.progress("models", len(kinds), len(kinds))
    return found
