"""Ways to put figures on the models; all models of a split learn from the same rows and are tested on the same.

nested      random splits 75:25, ten rounds: everything (settings, smearing, when to stop) is chosen inside the training
            rows. What a model is worth between the samples.
spatial     square blocks of the map dealt to folds: what it is worth away from them.
groups      whole groups (sites) dealt to folds: what it is worth at a place without samples.
published   the splits of `nested`, read as He et al. 2025 leave open: nets stop by the loss on the TEST rows, and the
            settings of PLS and SVM are chosen once on ALL rows. It leaks; it is shown to be compared with the paper's.

Rows of the library that are a test sample's own spectrum are never learned from, by any protocol; a `source` that
learned from the whole library serves where it holds none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RecipeError, SamplesError
from geosoil.models.state import regressor_of
from geosoil.samples.splits import split_groups, split_spatial_blocks
from geosoil.studies.cross_validation import Split, run_folds
from geosoil.studies.lead_transfer.candidates import DIRECT, KINDS, TRANSFER, Source, Trainer
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from geosoil.studies.lead_transfer.recipe import Recipe
    from geosoil.studies.lead_transfer.training_data import TrainingData
    from geosoil.studies.results import Progress

    Losses = tuple[np.ndarray, np.ndarray]  # of the rows learned from, of those that say when to stop

LEAST_ROWS = 10  # to learn from, and at least 3 to test
LEAST_TEST_ROWS = 3


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a protocol found.

    observed `(n,)`; predicted kind -> `(round, n)`, NaN where a row was not tested, both in the target's unit; learned:
    the same on the scale that models learn, ln(target) under a logarithm; losses of nets by kind, a pair a split.
    """

    protocol: str
    splits: list[Split]
    observed: np.ndarray
    predicted: dict[str, np.ndarray]
    learned: dict[str, np.ndarray]
    losses: dict[str, list[Losses]] = field(default_factory=dict)

    @property
    def n_rounds(self) -> int:
        """How many rounds there are."""
        return self.splits[-1].repeat + 1

    @property
    def is_folded(self) -> bool:
        """Whether a round has several splits: its R2 is then that of all its test rows together."""
        return len(self.splits) > self.n_rounds


def nested(
    recipe: Recipe,
    data: TrainingData,
    kinds: tuple[str, ...] = KINDS,
    progress: Progress = no_progress,
    *,
    source: Source | None = None,
) -> Outcome:
    """Validate models on random splits with everything chosen inside the training rows."""
    return _validate("nested", recipe, data, kinds, random_splits(recipe, len(data.y)), progress, source)


def published(
    recipe: Recipe,
    data: TrainingData,
    kinds: tuple[str, ...] = (*DIRECT, TRANSFER),
    progress: Progress = no_progress,
    *,
    source: Source | None = None,
) -> Outcome:
    """Validate models on the same random splits, with test rows choosing: this leaks, and says so by its name."""
    return _validate("published", recipe, data, kinds, random_splits(recipe, len(data.y)), progress, source, leak=True)


def spatial(
    recipe: Recipe,
    data: TrainingData,
    kinds: tuple[str, ...] = KINDS,
    progress: Progress = no_progress,
    *,
    source: Source | None = None,
) -> Outcome:
    """Validate models with blocks of the map on one side of a split."""
    wanted = recipe.validation
    if data.xy_m is None or wanted.block_m is None:
        raise _senseless(recipe, "no places or no block_m", "data.samples with places, and validation.block_m")
    x_m, y_m = data.xy_m.T
    folds = split_spatial_blocks(x_m, y_m, wanted.block_m, wanted.n_folds, seed=recipe.seed)
    return _validate("spatial", recipe, data, kinds, _folded(recipe, folds), progress, source)


def groups(
    recipe: Recipe,
    data: TrainingData,
    kinds: tuple[str, ...] = KINDS,
    progress: Progress = no_progress,
    *,
    source: Source | None = None,
) -> Outcome:
    """Validate models with whole groups on one side of a split; with as many folds as groups each is left out once."""
    if data.groups is None:
        raise _senseless(recipe, "no groups", "data.group, a column")
    n_folds = min(recipe.validation.n_folds, len(np.unique(data.groups)))
    folds = split_groups(data.groups, n_folds, seed=recipe.seed)
    return _validate("groups", recipe, data, kinds, _folded(recipe, folds), progress, source)


PROTOCOLS = {"random": nested, "spatial": spatial, "groups": groups}


def random_splits(recipe: Recipe, n: int) -> list[Split]:
    """Return the random splits of n samples: the same for all models, and for both protocols."""
    wanted = recipe.validation
    n_test = round(wanted.test_share * n)
    splits = []
    for k in range(wanted.n_rounds):
        order = np.random.default_rng([recipe.seed, k]).permutation(n)
        splits.append(Split(k, _labelled(recipe, np.sort(order[n_test:]), k), np.sort(order[:n_test])))
    return splits


def _folded(recipe: Recipe, folds: list[tuple[np.ndarray, np.ndarray]]) -> list[Split]:
    return [Split(0, _labelled(recipe, train, k), test) for k, (train, test) in enumerate(folds)]


def _labelled(recipe: Recipe, rows: np.ndarray, k: int) -> np.ndarray:
    """Return the training rows whose target is known: all, or as many as the recipe says."""
    n = recipe.validation.n_labels
    if n is None or n >= len(rows):
        return rows
    return np.sort(np.random.default_rng([recipe.seed, k, n]).permutation(rows)[:n])


def _validate(
    protocol: str,
    recipe: Recipe,
    data: TrainingData,
    kinds: tuple[str, ...],
    splits: list[Split],
    progress: Progress,
    source: Source | None,
    *,
    leak: bool = False,
) -> Outcome:
    for split in splits:
        if len(split.train) < LEAST_ROWS or len(split.test) < LEAST_TEST_ROWS:
            raise SamplesError(
                recipe.name,
                found=f"{len(split.train)} rows to learn from and {len(split.test)} to test",
                expected=f"{LEAST_ROWS} and {LEAST_TEST_ROWS} or more in every split",
                way_out="add samples, or change [validation]",
            )
    # Without spectra of the samples in it, the library teaches every split the same: once is enough.
    shared = None
    if not data.holds_own:
        progress("source net", 0, 1)
        shared = (source or Source(recipe, data, np.arange(len(data.own)))).learn(kinds)
        progress("source net", 1, 1)
    shape = (splits[-1].repeat + 1, len(data.y))
    predicted, learned = ({kind: np.full(shape, np.nan) for kind in kinds} for _ in range(2))
    losses: list[dict[str, Losses]] = [{} for _ in splits]
    fold = partial(_fold, recipe, data, shared, kinds, leak)
    results = run_folds(
        fold,
        list(enumerate(splits)),
        processes=recipe.validation.processes,
        what=f"{protocol} validation",
        progress=progress,
    )
    for i, (own, said) in results:
        for kind in kinds:
            place = splits[i].repeat, splits[i].test
            predicted[kind][place], learned[kind][place] = own[kind]
        losses[i] = said
    by_kind = {kind: [said[kind] for said in losses] for kind in losses[0]}
    return Outcome(protocol, splits, data.y, predicted, learned, by_kind)


def _fold(
    recipe: Recipe,
    data: TrainingData,
    shared: Source | None,
    kinds: tuple[str, ...],
    leak: bool,
    numbered: tuple[int, Split],
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, Losses]]:
    """Fit every model on the training rows of one split and predict its test rows, as the map does."""
    number, split = numbered
    source = shared or Source(recipe, data, data.library_without(split.test))
    trainer = Trainer(
        recipe, data, source, split.train, seed=recipe.seed + number, watched=split.test if leak else None
    )
    predicted, losses = {}, {}
    R = data.R[split.test]
    for kind in kinds:
        estimator = trainer.fit(kind)
        in_unit = np.clip(estimator.predict(R), *recipe.target.valid_range)
        predicted[kind] = in_unit, in_unit if recipe.target.log == "none" else estimator.estimator_.predict(R)
        net = regressor_of(estimator)
        if hasattr(net, "losses_"):
            losses[kind] = (net.losses_, net.stopping_losses_)
    return predicted, losses


def _senseless(recipe: Recipe, found: str, expected: str) -> RecipeError:
    return RecipeError(recipe.name, found=found, expected=expected, way_out="complete the recipe")
