"""Explain a model on rows: the way is chosen by what the model is, and the sum of attributions is checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geosoil.errors import SamplesError
from geosoil.explain.attributions import (
    STEPS,
    expected_gradients,
    gradient_explainer,
    linear_attributions,
    permutation_attributions,
    tree_attributions,
)
from geosoil.explain.windows import Windows, model_windows
from geosoil.models.pixel import PixelModel
from geosoil.models.state import regressor_of
from geosoil.program.lower import lower_estimator
from geosoil.program.ops import Affine, Program, Select
from geosoil.program.simplify import simplify

if TYPE_CHECKING:
    from collections.abc import Callable

    from geosoil.models.compose import CompositeModel

Method = Literal["auto", "linear", "path", "gradient", "tree", "permutation"]
MOST_BACKGROUND = 1000  # as the paper takes of its library
SAMPLED_BACKGROUND = 100  # rows the sampler predicts for every coalition
PERMUTATIONS = 4
BUDGET = 500_000
TOLERANCE = 0.03  # of the spread of f, for each path; the mean over a background is far nearer


@dataclass(frozen=True)
class Explanation:
    """Attributions of samples to windows, and whether they add up.

    values `(sample, window)`; rows `(sample,)` of the table that were explained; predicted f(x) `(sample,)`;
    baseline: mean f(background); spread: standard deviation of f over samples and background; what: of the
    quantity that is explained, "ln(...)" under a LogTarget.
    """

    values: np.ndarray
    windows: Windows
    rows: np.ndarray
    predicted: np.ndarray
    baseline: float
    spread: float
    method: str
    what: str
    notes: tuple[str, ...]

    @property
    def additivity(self) -> float:
        """Return the largest |sum of attributions - (f(x) - mean f(background))|, in parts of the spread of f."""
        error = np.abs(self.values.sum(axis=1) - (self.predicted - self.baseline)).max()
        return float(error / (self.spread or 1.0))

    @property
    def importance(self) -> np.ndarray:
        """Return the mean absolute attribution of every window `(window,)`."""
        return np.abs(self.values).mean(axis=0)


def explain_rows(
    model: PixelModel | CompositeModel,
    X: np.ndarray,
    background: np.ndarray | None = None,
    *,
    method: Method = "auto",
    windows: Windows | None = None,
    n_background: int | None = None,
    budget: int = BUDGET,
    seed: int = 0,
) -> Explanation:
    """Explain a model's predictions of X `(sample, feature)`, in its features' order and unit.

    background `(row, feature)`: what "absent" means, of which n_background rows are drawn by the seed; None: of X.
    By default all, at most 1000, as He et al. 2025. Preprocessing is part of what is explained: attributions are of
    the model's own features. method: "auto" takes the exact way that the model has ("linear", "tree"), "path" for nets
    and smooth programs, "permutation" for kernels and what cannot be lowered; "gradient" is shap's own, by chance.
    windows: default those the model may be read at. budget: rows that may be predicted (or walked): beyond it
    fewer samples are explained, drawn by the seed, and the notes say so. Under a LogTarget ln(target) is explained.

    Raises SamplesError for NaN or no rows.

    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]])
    >>> line = LinearRegression().fit(X, X @ [1.0, 2.0])
    >>> model = PixelModel(line, (Feature("a"), Feature("b")), (Target("y", "%"),))
    >>> explained = explain_rows(model, X)
    >>> explained.method, explained.values.round(6).tolist()
    ('linear', [[-1.0, 0.0], [0.0, -2.0], [1.0, 2.0]])
    """
    X = _checked(model, X)
    rng = np.random.default_rng(seed)
    estimator: Any = getattr(model, "estimator", None)  # None: a model made of models
    what = model.targets[0].name
    while hasattr(estimator, "estimator_") and hasattr(estimator, "smearing_"):
        estimator, what = estimator.estimator_, f"ln({what})"
    program = _program(model, estimator)
    chosen = method
    if method == "auto":
        chosen = _method(estimator, program, model)
    sampled = chosen == "permutation"
    if windows is None:
        windows = model_windows(estimator, model.features, sampled=sampled)
    known = X if background is None else _checked(model, background)
    most = n_background or (SAMPLED_BACKGROUND if sampled else MOST_BACKGROUND)
    rows = np.sort(rng.permutation(len(known))[:most])
    known = known[rows]
    cost = {"path": len(known) * STEPS, "permutation": len(known) * PERMUTATIONS * (2 * len(windows.names) + 1)}
    affordable = max(1, budget // cost.get(chosen, 1))
    explained = np.arange(len(X)) if affordable >= len(X) else np.sort(rng.permutation(len(X))[:affordable])
    notes = [f"background: {len(known)} of {len(X if background is None else background)} rows; {windows.note}"]
    if len(explained) < len(X):
        notes.append(
            f"{len(explained)} of {len(X)} samples explained, drawn by seed {seed}, within a budget of {budget}"
        )
    predict = _predict(model, estimator)
    predicted, of_background = predict(X[explained]), predict(known)
    spread = float(np.concatenate([predicted, of_background]).std())
    if chosen in ("path", "gradient"):
        values = _by_gradients(chosen, program, X[explained], known, windows, seed, TOLERANCE * spread)
    else:
        values = _attribute(chosen, estimator, program, predict, X[explained], known, windows, seed)
    return Explanation(
        values, windows, explained, predicted, float(of_background.mean()), spread, chosen, what, tuple(notes)
    )


def _attribute(
    method: str,
    estimator: Any,
    program: Program | None,
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    background: np.ndarray,
    windows: Windows,
    seed: int,
) -> np.ndarray:
    if method == "permutation":
        return permutation_attributions(predict, X, background, windows.group, n_permutations=PERMUTATIONS, seed=seed)
    if method == "tree":
        last = regressor_of(estimator)
        return windows.sum(tree_attributions(getattr(last, "forest_", last), X, background))
    if program is None or len(program) != 1 or not isinstance(program[0], Affine):
        msg = f"{method} needs a model that is one matrix"
        raise ValueError(msg)
    return windows.sum(linear_attributions(program[0].weight[0], X, background))


def _by_gradients(
    method: str,
    program: Program | None,
    X: np.ndarray,
    background: np.ndarray,
    windows: Windows,
    seed: int,
    tolerance: float,
) -> np.ndarray:
    from geosoil.program.torch_backend import as_torch_function

    if program is None:
        msg = f"{method} needs a model that can be lowered"
        raise ValueError(msg)
    function = as_torch_function(program)
    if method == "gradient":
        return windows.sum(gradient_explainer(function, X, background, seed=seed))
    return windows.sum(expected_gradients(function, X, background, tolerance=tolerance))


def _method(estimator: Any, program: Program | None, model: PixelModel | CompositeModel) -> Method:
    n_features = len(model.features)
    *steps, (_, last) = getattr(estimator, "steps", [("model", estimator)])
    forest = getattr(last, "forest_", last)
    if type(forest).__module__.startswith("sklearn.ensemble._forest"):
        # Behind other steps a tree's attributions would be of their outputs, not of the model's own features.
        own = not steps and getattr(model, "resampling", None) is None and forest.n_features_in_ == n_features
        return "tree" if own else "permutation"
    if program is None or any(op.has_kernel for op in program):
        return "permutation"
    return "linear" if len(program) == 1 and isinstance(program[0], Affine) else "path"


def _program(model: PixelModel | CompositeModel, estimator: Any) -> Program | None:
    """Return the estimator's program on the model's features, simplified."""
    program = lower_estimator(estimator)
    if program is None or not isinstance(model, PixelModel):
        return None
    n = len(model.features)
    if model.resampling is not None:
        program = (Affine(model.resampling, np.zeros(len(model.resampling))), *_on_used(model, program))
    else:
        program = _on_used(model, program)
    simple, needed = simplify(program, n)
    return simple if len(needed) == n else (Select(needed), *simple)


def _on_used(model: PixelModel, program: Program) -> Program:
    """Let a program read only the columns that it uses, in their order."""
    n_columns, used = len(model.training_columns), model.used_columns
    if len(used) == n_columns:
        return program
    place = np.zeros((n_columns, len(used)))
    place[used, np.arange(len(used))] = 1.0
    return (Affine(place, np.zeros(n_columns)), *program)


def _predict(model: PixelModel | CompositeModel, estimator: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return `(row, feature)` -> `(row,)` of the estimator, without the limits of the valid range."""
    if estimator is None:  # several, each with its own limits
        return lambda rows: np.asarray(model.predict_rows(rows)[:, 0], np.float64)
    assert isinstance(model, PixelModel)
    return lambda rows: np.reshape(estimator.predict(model.estimator_rows(rows)), (len(rows), -1))[:, 0].astype(float)


def _checked(model: PixelModel | CompositeModel, X: np.ndarray) -> np.ndarray:
    X = np.asarray(X, np.float32)
    if X.ndim != 2 or X.shape[1] != len(model.features) or not len(X) or not np.isfinite(X).all():
        found = f"rows of shape {X.shape}" if np.isfinite(X).all() else "NaN among the values"
        raise SamplesError(
            "explain",
            found=found,
            expected=f"at least one row of {len(model.features)} numbers",
            way_out="drop rows with gaps, and give the model's own features",
        )
    return X
