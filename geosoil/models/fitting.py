"""Fit estimators as models of maps: alone, or as a cascade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone

from geosoil.estimators.base import require_samples
from geosoil.models.compose import Cascade
from geosoil.models.contract import with_training_range
from geosoil.models.pixel import PixelModel
from geosoil.samples.splits import split_k_fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Feature, Target


def fit_cascade(
    first: Any,
    second: Any,
    X: np.ndarray,
    y_first: np.ndarray,
    y: np.ndarray,
    *,
    training_columns: Sequence[Feature],
    targets: tuple[Target, Target],
    n_folds: int = 5,
    seed: int = 0,
) -> Cascade | PixelModel:
    """Fit two estimators as a cascade, the first one cross-fitted.

    first, second: estimators, cloned. X `(sample, feature)` of the covariates `training_columns`; y_first and y
    `(sample,)` in the units of `targets` (the first's, the second's), NaN = unknown: each learns from the rows where
    its own is known.
    The column that the second learns from holds out-of-fold predictions: each row's comes from a first model that was
    fitted without that row, as a cell of the map is predicted. The first model of the cascade is fitted to all rows.
    All of this stays inside X: rows that are kept for a test must not be in it.

    Returns the second model alone where it drops the prediction itself (a step that selects covariates).
    Raises SamplesError with fewer known values of the first property than folds, and what the estimators raise.

    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> twi = np.arange(12.0)
    >>> model = fit_cascade(LinearRegression(), LinearRegression(), twi[:, None], twi / 2, 3 * twi,
    ...                     training_columns=[Feature("twi")], targets=(Target("ph", ""), Target("pb", "mg/kg")))
    >>> model.predict_rows([[4.0]]).round(3).tolist()
    [[12.0]]
    """
    X, y_first, y = np.asarray(X), np.asarray(y_first, np.float64), np.asarray(y, np.float64)
    known = np.flatnonzero(np.isfinite(y_first))
    way_out = "add samples that have it, or predict the target without it"
    require_samples(targets[0].name, len(known), n_folds, what="values", way_out=way_out)

    def fitted(rows: np.ndarray) -> PixelModel:
        return fit_pixel_model(first, X[rows], y_first[rows], training_columns=training_columns, target=targets[0])

    whole = fitted(known)
    predicted = whole.predict_rows(X[:, whole.used_columns])[:, 0]  # rows without a value of their own were never seen
    for train, test in split_k_fold(len(known), n_folds, seed=seed):
        model = fitted(known[train])
        predicted[known[test]] = model.predict_rows(X[known[test]][:, model.used_columns])[:, 0]
    rows = np.flatnonzero(np.isfinite(y))
    wide = np.column_stack([X[rows], predicted[rows].astype(X.dtype)])
    with_first = [*training_columns, type(training_columns[0])(targets[0].name)]
    last = fit_pixel_model(second, wide, y[rows], training_columns=with_first, target=targets[1])
    reads_first = targets[0].name in {feature.name for feature in last.features}
    return Cascade(whole, last) if reads_first else last


def fit_pixel_model(
    estimator: Any, X: np.ndarray, y: np.ndarray, *, training_columns: Sequence[Feature], target: Target
) -> PixelModel:
    """Fit a clone of an estimator to X `(sample, feature)` and y `(sample,)` in the target's unit, as a model of maps.

    training_columns: what the columns of X are; the model's features carry their range in X.

    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> model = fit_pixel_model(LinearRegression(), np.array([[1.0], [3.0]]), np.array([2.0, 6.0]),
    ...                         training_columns=[Feature("twi")], target=Target("ph", ""))
    >>> model.features[0].training_high, model.predict_rows([[2.0]]).tolist()
    (3.0, [[4.0]])
    """
    return PixelModel(clone(estimator).fit(X, y), with_training_range(training_columns, X), (target,))
