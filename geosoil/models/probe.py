"""Rows by which a stored estimator is checked when it is loaded: they lie where it can predict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from geosoil.models.pixel import PixelModel

MOST_PROBE_ROWS = 64
_KEPT_ROWS = 16


def probe_of(model: PixelModel) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of the training columns and the predictions of a model for them.

    The rows are those between the training ranges, rows that the estimator itself holds, and reflectance; of these,
    those that it can predict.

    Parameters
    ----------
    model : PixelModel

    Returns
    -------
    rows : ndarray of shape (sample, column)
        float64; no rows if none can be predicted.
    predictions : ndarray of shape (sample, target)

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> line = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    >>> rows, predictions = probe_of(PixelModel(line, (Feature("twi", None, None, 0.0, 8.0),), (Target("ph", ""),)))
    >>> bool(np.allclose(predictions, 2 * rows)), rows.min() >= 0.0, rows.max() <= 8.0
    (True, np.True_, np.True_)
    """
    columns = model.training_columns
    n = len(columns)
    rng = np.random.default_rng(0)
    known = all(column.training_low is not None and column.training_high is not None for column in columns)
    low = np.array([column.training_low if known else 0.05 for column in columns], np.float64)
    high = np.array([column.training_high if known else 0.6 for column in columns], np.float64)
    between = low + rng.uniform(size=(8, n)) * (high - low)
    candidates = [between, *_held_rows(model.estimator, n)]
    if not known:  # values of covariates, whose units are not known
        candidates += [rng.normal(size=(2, n)), rng.uniform(1, 1000, (2, n))]
    rows = np.concatenate(candidates)
    rows = rows[np.isfinite(rows).all(axis=1)][:MOST_PROBE_ROWS]
    predicted = model.predict_training_rows(rows)
    kept = np.flatnonzero(np.isfinite(predicted).all(axis=1))[:_KEPT_ROWS]
    return rows[kept], predicted[kept]


def _held_rows(estimator: Any, n_features: int) -> list[np.ndarray]:
    """Return arrays `(sample, feature)` that the first step of an estimator holds, such as means and training rows."""
    while hasattr(estimator, "steps") or hasattr(estimator, "regressor_") or hasattr(estimator, "best_estimator_"):
        inside = getattr(estimator, "regressor_", None) or getattr(estimator, "best_estimator_", None)
        estimator = inside if inside is not None else estimator.steps[0][1]
    found = []
    for name, value in vars(estimator).items():
        is_rows = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.shape[-1:] == (n_features,)
        if is_rows and value.ndim <= 2 and not any(word in name for word in ("coef", "scale", "var")):
            found.append(np.atleast_2d(value)[:4].astype(np.float64))
    return found
