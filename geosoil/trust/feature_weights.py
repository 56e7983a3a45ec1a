"""How much each feature counts for a model, as weights of distances between rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, eq=False)
class FeatureWeights:
    """Weights of the features of a model.

    Parameters
    ----------
    values : ndarray of float64, shape (n_features,)
        0 or more; the mean of those of all features is 1.
    source : {"importance", "coefficients", "variance", "equal"}
        Where the weights come from; "equal" if the model has none that belong to single features.
    """

    values: np.ndarray
    source: str


def feature_weights(estimator: Any, X: np.ndarray) -> FeatureWeights:
    """Return the weights that a fitted estimator gives to the features of X.

    These are the importances of a forest, the absolute coefficients of a linear model for features in standard
    deviations, and the shares of the variance (`variance_shares_`) of a Gaussian process: each of its blocks of
    features contributes its share to the squared distance. Steps before the regressor that select features or keep
    their number are followed back to the features of X. All weights are 1 for other models, and for steps that combine
    features into new ones.

    Parameters
    ----------
    estimator : estimator
        A regressor, a Pipeline, a search, or an estimator around another one (`estimator_`, or several `estimators_`
        with one target each).
    X : ndarray, shape (n, n_features)
        Rows that the estimator was fitted to.

    Returns
    -------
    FeatureWeights

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [3.0, 0.0]])
    >>> weights = feature_weights(LinearRegression().fit(X, X[:, 0]), X)
    >>> weights.values.round(6).tolist(), weights.source
    ([2.0, 0.0], 'coefficients')
    """
    X = np.asarray(X)
    equal = FeatureWeights(np.ones(X.shape[1]), "equal")
    result = _weights(estimator, X)
    if result is None:
        return equal
    values, source = result
    values = np.where(np.isfinite(values), np.maximum(values, 0), 0.0)
    if values.shape != X.shape[1:] or not values.sum() > 0:
        return equal
    return FeatureWeights(values / values.mean(), source)


def _weights(estimator: Any, X: np.ndarray) -> tuple[np.ndarray, str] | None:
    if hasattr(estimator, "best_estimator_"):
        return _weights(estimator.best_estimator_, X)
    if hasattr(estimator, "steps"):
        return _of_pipeline([step for _, step in estimator.steps], X)
    if getattr(estimator, "variance_shares_", None) is not None:
        return _of_process(estimator, X), "variance"
    for attribute, source, read in _SOURCES:
        value = getattr(estimator, attribute, None)
        if value is not None:
            return read(value, X), source
    for name in ("estimator_", "forest_", "regressor_"):
        inner = getattr(estimator, name, None)
        if hasattr(inner, "predict"):
            return _weights(inner, X)
    members = getattr(estimator, "estimators_", None)
    if isinstance(members, list) and members and all(hasattr(member, "predict") for member in members):
        return _mean_of([_weights(member, X) for member in members])
    return None


def _of_pipeline(steps: list[Any], X: np.ndarray) -> tuple[np.ndarray, str] | None:
    """Follow the weights of the last step back through the steps before it."""
    *before, last = [step for step in steps if step is not None and not isinstance(step, str)]
    inputs = [X]
    for step in before:
        inputs.append(np.asarray(step.transform(inputs[-1])))
    result = _weights(last, inputs[-1])
    if result is None:
        return None
    values, source = result
    for step, rows in zip(reversed(before), reversed(inputs[:-1]), strict=True):
        n_features = rows.shape[1]
        if hasattr(step, "get_support"):
            support = np.asarray(step.get_support())
            if support.shape != (n_features,) or support.sum() != len(values):
                return None
            whole = np.zeros(n_features)
            whole[support] = values
            values = whole
        elif len(values) != n_features or _mixes(step):
            return None
    return values, source


def _mixes(step: Any) -> bool:
    """Return whether a step combines or reorders features, even where their number remains the same."""
    return type(step).__module__.startswith(_MIXING_MODULES) or type(step).__name__ == "SpectralVAE"


_MIXING_MODULES = (
    "sklearn.compose",
    "sklearn.cross_decomposition",
    "sklearn.decomposition",
    "sklearn.kernel_approximation",
    "sklearn.pipeline",
    "sklearn.random_projection",
)


def _mean_of(members: list[tuple[np.ndarray, str] | None]) -> tuple[np.ndarray, str] | None:
    """Return the mean of the weights of several estimators, each first divided by its sum."""
    known = [member for member in members if member is not None]
    if len(known) < len(members) or len({values.shape for values, _ in known}) > 1:
        return None
    shares = [values / values.sum() for values, _ in known if values.sum() > 0]
    return (np.mean(shares, axis=0), known[0][1]) if shares else None


def _of_process(process: Any, X: np.ndarray) -> np.ndarray:
    """Return the roots of the shares of the variance, each divided by the number of features of its block."""
    shares = np.asarray(process.variance_shares_, np.float64).reshape(-1)
    blocks = getattr(process, "blocks", None) or [{"columns": range(X.shape[1])}]
    values = np.zeros(X.shape[1])
    for share, block in zip(shares, blocks, strict=False):  # the last share is that of the noise
        columns = np.asarray(list(block["columns"]), np.intp)
        values[columns] += max(share, 0) / len(columns)
    return np.sqrt(values)


def _of_coefficients(value: Any, X: np.ndarray) -> np.ndarray:
    rows = np.abs(np.atleast_2d(np.asarray(value, np.float64)))  # one row per target
    rows = rows.T if rows.shape[1] != X.shape[1] and rows.shape[0] == X.shape[1] else rows
    if rows.ndim != 2 or rows.shape[1] != X.shape[1]:
        return np.empty(0)
    sums = rows.sum(axis=1, keepdims=True)
    rows = np.divide(rows, sums, out=np.zeros_like(rows), where=sums > 0) if len(rows) > 1 else rows
    return np.asarray(rows.mean(axis=0) * X.astype(np.float64).std(axis=0, ddof=1))


def _as_given(value: Any, X: np.ndarray) -> np.ndarray:
    return np.asarray(value, np.float64).reshape(-1)


_SOURCES: tuple[tuple[str, str, Callable[[Any, np.ndarray], np.ndarray]], ...] = (
    ("feature_importances_", "importance", _as_given),
    ("coef_", "coefficients", _of_coefficients),
)
