"""Two ways to put a figure on a model: `nested`, which is honest, and `published`, which is how papers often do it.

nested      every choice (fusion, seeds, bands, hyper-parameters) is made again inside each training fold, repeated
            over several partitions; test rows are seen by nothing but the last `predict`.
published   one split 2:1 by rank of the content; bands are chosen by CARS on ALL samples before the split, and the
            seeds of the fusion are searched for the correlation with the training samples' content. The paper does
            not say where CARS ran; this is the reading under which its figures can be understood, and it leaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import regression_metrics
from geosoil.samples.splits import split_by_rank, split_k_fold, split_spatial_blocks
from geosoil.studies.cross_validation import Split, repeated
from geosoil.studies.gf5_inversion.assemble import Choice, Trainer
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from geosoil.studies.gf5_inversion.recipe import Recipe
    from geosoil.studies.gf5_inversion.training_data import TrainingData
    from geosoil.studies.results import Progress

METRICS = ("r2", "rmse", "mae", "rpiq")


@dataclass(frozen=True)
class Outcome:
    """What a protocol found: the table, and the test predictions of every choice (repeats one after the other)."""

    protocol: str
    table: pd.DataFrame
    observed: dict[Choice, np.ndarray]
    predicted: dict[Choice, np.ndarray]


def nested(recipe: Recipe, data: TrainingData, choices: list[Choice], progress: Progress = no_progress) -> Outcome:
    """Validate choices with everything chosen inside each training fold."""
    splits = _splits(recipe, data)
    repeats = splits[-1].repeat + 1
    predicted = {choice: np.full((repeats, len(data.ids)), np.nan) for choice in choices}
    training: dict[Choice, list[dict[str, float]]] = {choice: [] for choice in choices}
    sizes: dict[Choice, list[int]] = {choice: [] for choice in choices}
    for i, (repeat, train, test) in enumerate(splits):
        progress("nested validation", i, len(splits))
        trainer = Trainer(recipe, data, train)
        for choice in choices:
            fitted = trainer.fit(choice)
            predicted[choice][repeat, test] = _predict(fitted.estimator, trainer.inputs(choice, test), recipe)
            own = _predict(fitted.estimator, trainer.inputs(choice, train), recipe)
            training[choice].append(regression_metrics(data.target[train], own))
            sizes[choice].append(fitted.n_features)
    progress("nested validation", len(splits), len(splits))
    rows, observed, kept = [], {}, {}
    for choice in choices:
        seen = ~np.isnan(predicted[choice])
        tests = [regression_metrics(data.target[seen[r]], predicted[choice][r][seen[r]]) for r in range(repeats)]
        rows.append(_row("nested", choice, sizes[choice], training[choice], tests))
        observed[choice] = np.broadcast_to(data.target, seen.shape)[seen]
        kept[choice] = predicted[choice][seen]
    return Outcome("nested", pd.DataFrame(rows), observed, kept)


def published(recipe: Recipe, data: TrainingData, choices: list[Choice], progress: Progress = no_progress) -> Outcome:
    """Validate choices on one 2:1 split, with bands chosen on all samples: this leaks, and says so by its name."""
    [(train, test)] = split_by_rank(data.target)
    trainer = Trainer(
        recipe,
        data,
        train,
        selection_rows=np.arange(len(data.ids)),
        n_seeds=max(recipe.fusion.n_seeds, recipe.validation.published_seeds),
    )
    rows, observed, predicted = [], {}, {}
    for i, choice in enumerate(choices):
        progress("published protocol", i, len(choices))
        fitted = trainer.fit(choice)
        own = _predict(fitted.estimator, trainer.inputs(choice, train), recipe)
        predicted[choice] = _predict(fitted.estimator, trainer.inputs(choice, test), recipe)
        observed[choice] = data.target[test]
        train_figures = regression_metrics(data.target[train], own)
        test_figures = regression_metrics(observed[choice], predicted[choice])
        rows.append(_row("published", choice, [fitted.n_features], [train_figures], [test_figures]))
    progress("published protocol", len(choices), len(choices))
    return Outcome("published", pd.DataFrame(rows), observed, predicted)


def _predict(estimator: object, rows: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Predict as the map does, the valid range included."""
    return np.clip(estimator.predict(rows), *recipe.target.valid_range)  # type: ignore[attr-defined]


def _splits(recipe: Recipe, data: TrainingData) -> list[Split]:
    """Return the splits of `nested`; each repeat tests every sample once."""
    wanted, n = recipe.validation, len(data.ids)
    if wanted.split == "gradient":
        # The three offsets of the 2:1 split test every sample once; there are no more than these to repeat.
        return [Split(0, *split_by_rank(data.target, offset=offset)[0]) for offset in range(3)]

    def deal(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
        if wanted.split == "spatial":
            x_m, y_m = data.xy_m.T
            return split_spatial_blocks(x_m, y_m, wanted.block_m, wanted.n_folds, seed=seed)
        return split_k_fold(n, wanted.n_folds, seed=seed)

    return repeated(deal, wanted.n_repeats, seed=recipe.seed)


def _row(
    protocol: str,
    choice: Choice,
    sizes: list[int],
    training: list[dict[str, float]],
    tests: list[dict[str, float]],
) -> dict[str, object]:
    """Return one row of the comparison table: means over folds (training) and repeats (test)."""
    row: dict[str, object] = {
        "protocol": protocol,
        "features": choice.features,
        "model": choice.label,
        "n_features": int(np.median(sizes)),
    }
    for name, figures in (("train", training), ("test", tests)):
        for metric in METRICS:
            row[f"{name}_{metric}"] = float(np.mean([figure[metric] for figure in figures]))
    row["test_r2_sd"] = float(np.std([figure["r2"] for figure in tests], ddof=1)) if len(tests) > 1 else np.nan
    return row
