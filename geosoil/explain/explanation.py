"""Explanation of a model on rows, by the method that suits the model, with a check of the sum of attributions."""

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

    from geosoil.models.composite import CompositeModel

Method = Literal["auto", "linear", "path", "gradient", "tree", "permutation"]
MOST_BACKGROUND = 1000  # background rows, as in the paper
SAMPLED_BACKGROUND = 100  # background rows of the permutation method, which predicts them for each coalition
PERMUTATIONS = 4
BUDGET = 500_000  # rows predicted
TOLERANCE = 0.03  # per path, as a share of the spread of f; the mean over the background is much more accurate


@dataclass(frozen=True)
class Explanation:
    """Attributions of samples to windows.

    Parameters
    ----------
    values : ndarray of shape (sample, window)
        Attributions in the unit of `quantity`.
    windows : Windows
        Windows of features.
    rows : ndarray of int of shape (sample,)
        Rows of the table that were explained.
    predicted : ndarray of shape (sample,)
        Predictions f(x).
    baseline : float
        Mean of f over the background.
    spread : float
        Standard deviation of f over samples and background.
    method : str
        Method used.
    quantity : str
        Name of the explained quantity; "ln(NAME)" under a LogTarget.
    notes : tuple of str
        Sentences for a report.
    """

    values: np.ndarray
    windows: Windows
    rows: np.ndarray
    predicted: np.ndarray
    baseline: float
    spread: float
    method: str
    quantity: str
    notes: tuple[str, ...]

    @property
    def additivity(self) -> float:
        """Return the largest |sum of attributions - (f(x) - mean f(background))| as a share of the spread of f."""
        error = np.abs(self.values.sum(axis=1) - (self.predicted - self.baseline)).max()
        return float(error / (self.spread or 1.0))

    @property
    def importance(self) -> np.ndarray:
        """Return the mean absolute attribution of each window `(window,)`."""
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
    progress: Callable[[int, int], None] | None = None,
) -> Explanation:
    """Attribute the predictions of a model to its features.

    The attributions refer to the features of the model, before its preprocessing. Under a LogTarget they explain
    ln(target).

    Parameters
    ----------
    model : PixelModel or CompositeModel
        The model; its first target is explained.
    X : ndarray of shape (sample, feature)
        Rows to explain, in the order and units of the model's features.
    background : ndarray of shape (row, feature), optional
        Rows whose values absent features take; by default X.
    method : {"auto", "linear", "tree", "path", "gradient", "permutation"}
        "auto" uses the exact method of linear models and forests, "path" for networks and smooth programs, and
        "permutation" for other models (see `attributions`).
    windows : Windows, optional
        Groups of features; by default those of `model_windows`.
    n_background : int, optional
        Number of background rows, at random; by default all, at most 1000 (100 for "permutation").
    budget : int
        Number of rows that may be predicted. If it is exceeded, fewer samples are explained, at random.
    seed : int
        Seed of the random choices.
    progress : callable, optional
        Called as `progress(rows explained, all rows)` by the methods that take long.

    Returns
    -------
    Explanation
        Attributions of the explained samples.

    Raises
    ------
    SamplesError
        If there are no rows, or rows with NaN.

    References
    ----------
    He et al. 2025 (background of at most 1000 rows).

    Examples
    --------
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
    estimator: Any = getattr(model, "estimator", None)  # None for a composite model
    quantity = model.targets[0].name
    while hasattr(estimator, "estimator_") and hasattr(estimator, "smearing_"):
        estimator, quantity = estimator.estimator_, f"ln({quantity})"
    program = _program(model, estimator)
    chosen = method
    if method == "auto":
        chosen = _method(estimator, program, model)
    sampled = chosen == "permutation"
    if windows is None:
        windows = model_windows(estimator, model.features, sampled=sampled)
    reference = X if background is None else _checked(model, background)
    most = n_background or (SAMPLED_BACKGROUND if sampled else MOST_BACKGROUND)
    reference = reference[np.sort(rng.permutation(len(reference))[:most])]
    cost = {"path": len(reference) * STEPS, "permutation": len(reference) * PERMUTATIONS * (2 * len(windows.names) + 1)}
    affordable = max(1, budget // cost.get(chosen, 1))
    explained = np.arange(len(X)) if affordable >= len(X) else np.sort(rng.permutation(len(X))[:affordable])
    notes = [f"background: {len(reference)} of {len(X if background is None else background)} rows; {windows.note}"]
    if len(explained) < len(X):
        notes.append(
            f"{len(explained)} of {len(X)} samples explained, chosen at random (seed {seed}), to predict at most "
            f"{budget} rows"
        )
    predict = _predict(model, estimator)
    predicted, baselines = predict(X[explained]), predict(reference)
    spread = float(np.concatenate([predicted, baselines]).std())
    if chosen in ("path", "gradient"):
        values = _by_gradients(chosen, program, X[explained], reference, windows, seed, TOLERANCE * spread, progress)
    else:
        values = _attribute(chosen, estimator, program, predict, X[explained], reference, windows, seed, progress)
    return Explanation(
        values, windows, explained, predicted, float(baselines.mean()), spread, chosen, quantity, tuple(notes)
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
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    if method == "permutation":
        return permutation_attributions(
            predict, X, background, windows.group, n_permutations=PERMUTATIONS, seed=seed, progress=progress
        )
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
    progress: Callable[[int, int], None] | None,
) -> np.ndarray:
    from geosoil.program.torch_backend import as_torch_function

    if program is None:
        msg = f"{method} needs a model that can be lowered"
        raise ValueError(msg)
    function = as_torch_function(program)
    if method == "gradient":
        return windows.sum(gradient_explainer(function, X, background, seed=seed))
    return windows.sum(expected_gradients(function, X, background, tolerance=tolerance, progress=progress))


def _method(estimator: Any, program: Program | None, model: PixelModel | CompositeModel) -> Method:
    n_features = len(model.features)
    *steps, (_, last) = getattr(estimator, "steps", [("model", estimator)])
    forest = getattr(last, "forest_", last)
    if type(forest).__module__.startswith("sklearn.ensemble._forest"):
        # After other steps the attributions of a tree would refer to their outputs, not to the model's features.
        direct = not steps and getattr(model, "resampling", None) is None and forest.n_features_in_ == n_features
        return "tree" if direct else "permutation"
    if program is None or any(op.has_kernel for op in program):
        return "permutation"
    return "linear" if len(program) == 1 and isinstance(program[0], Affine) else "path"


def _program(model: PixelModel | CompositeModel, estimator: Any) -> Program | None:
    """Return the simplified program of the estimator on the features of the model."""
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
    """Return a program that places the used columns among all training columns."""
    n_columns, used = len(model.training_columns), model.used_columns
    if len(used) == n_columns:
        return program
    placement = np.zeros((n_columns, len(used)))
    placement[used, np.arange(len(used))] = 1.0
    return (Affine(placement, np.zeros(n_columns)), *program)


def _predict(model: PixelModel | CompositeModel, estimator: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from `(row, feature)` to `(row,)`, without clipping to the valid range."""
    if estimator is None:  # a composite model, whose parts clip their own predictions
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
            expected=f"at least one row of {len(model.features)} finite numbers",
            way_out="remove rows with gaps, and use the features of the model",
        )
    return X
