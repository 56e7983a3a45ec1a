"""Weights of several models by their predictions of rows that they did not learn from."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

SHRINKAGE = 50.0
"""Number of rows at which the data and the penalty on unequal weights count the same."""
HARM = 2.0
"""Number of standard errors by which the mean of all must be worse with a model than without for it to be dropped."""
SMALLEST_WEIGHT = 0.05


def ensemble_weights(predicted: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Return non-negative weights of models whose weighted mean predicts well, shrunk towards equal ones.

    First, models without which the plain mean is significantly better are dropped, the most harmful one first. The
    weights w of the remaining m models minimise the mean squared error of the weighted mean plus
    c |w - 1/m|^2, where c is the mean of their mean squared errors times `SHRINKAGE` / n: weights differ from equal
    ones as far as n rows are enough to tell the models apart. A weight below `SMALLEST_WEIGHT` is not worth the time of
    a map, and becomes 0.

    Parameters
    ----------
    predicted : ndarray of shape (n_models, n)
        Predictions of rows that the models did not learn from, in the unit of the target.
    observed : ndarray of shape (n,)
        Measured values.

    Returns
    -------
    ndarray of shape (n_models,)
        Weights with the sum 1; 0 for a model that is dropped.

    References
    ----------
    Breiman 1996, Machine Learning 24, 49-64, for weights by predictions of unseen rows. Equal weights are hard to beat
    where the errors of the models are known from few rows: Smith and Wallis 2009, Oxford Bulletin of Economics and
    Statistics 71, 331-355.

    Examples
    --------
    >>> y = np.arange(40.0)
    >>> sign = (-1.0) ** np.arange(40)
    >>> ensemble_weights(np.array([y + sign, y - sign[::-1], 0 * y]), y).round(3).tolist()
    [0.5, 0.5, 0.0]
    """
    errors = np.asarray(predicted, np.float64) - np.asarray(observed, np.float64)
    kept = _without_harmful(errors)
    weights = np.zeros(len(errors))
    weights[kept] = _shrunk_weights(errors[kept])
    while (small := (weights > 0) & (weights < SMALLEST_WEIGHT)).any():
        kept = np.flatnonzero((weights > 0) & ~small)
        weights[:] = 0
        weights[kept] = _shrunk_weights(errors[kept])
    return weights


def _without_harmful(errors: np.ndarray) -> np.ndarray:
    """Return the indices of the models that are kept; errors `(n_models, n)`."""
    kept = np.arange(len(errors))
    while len(kept) > 1:
        together = errors[kept].mean(axis=0) ** 2
        without = [errors[np.delete(kept, i)].mean(axis=0) ** 2 - together for i in range(len(kept))]
        harm = [-_standard_errors(difference) for difference in without]
        worst = int(np.argmax(harm))
        if harm[worst] <= HARM:
            break
        kept = np.delete(kept, worst)
    return kept


def _standard_errors(differences: np.ndarray) -> float:
    """Return the mean of differences in units of its standard error; 0 if all are 0."""
    mean, spread = differences.mean(), differences.std(ddof=1) / np.sqrt(len(differences))
    return float(mean / spread) if spread > 0 else 0.0


def _shrunk_weights(errors: np.ndarray) -> np.ndarray:
    """Return the weights of models with errors `(n_models, n)`, of which none is dropped before."""
    m, n = errors.shape
    size = np.mean(errors**2)
    if m == 1 or size == 0:
        return np.full(m, 1 / m)
    scaled = errors.T / np.sqrt(n * size)
    strength = np.sqrt(SHRINKAGE / n)
    sum_to_one = 1e4  # the weight of the row of the least squares that asks for the sum 1
    A = np.concatenate([scaled, strength * np.eye(m), np.full((1, m), sum_to_one)])
    b = np.concatenate([np.zeros(n), np.full(m, strength / m), [sum_to_one]])
    weights = nnls(A, b)[0]
    return np.asarray(weights / weights.sum())
