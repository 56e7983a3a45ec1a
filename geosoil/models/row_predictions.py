"""Predict rows by an estimator's own `predict`, where a row that it refuses gets NaN and does not affect the others."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from geosoil.errors import EstimatorError
from geosoil.program.step import Stateful

MOST_ROWS, FEWEST_ROWS = 2048, 64
WORKING_BYTES = 24 * 2**20  # of what an estimator computes for the rows that it receives at once
# What scikit-learn and numpy raise for NaN, infinity, or a value outside the range of a step.
_REFUSALS = (ValueError, ArithmeticError)
_WRAPPERS = ("best_estimator_", "regressor_")
# Attributes whose length, or whose value, is how many numbers an estimator computes for each row.
_TRAINING_ROWS = ("X_fit_", "X_train_", "_fit_X")
_WIDTHS = ("n_output_features_", "n_features_out_")


@dataclass(frozen=True)
class RowPredictor:
    """Predict rows `(sample, feature)` by a fitted estimator, which may refuse some of them.

    Regressors other than those of geosoil receive float64 rows, and always as many at once, the last ones filled up:
    a matrix product rounds depending on its shape, and a prediction must not depend on the number of others.

    Parameters
    ----------
    estimator : estimator
        A fitted scikit-learn estimator or Pipeline.
    n_targets : int
        The number of its predictions for each row.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from geosoil.spectra.scatter import SNV
    >>> X = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, 9.0], [5.0, 4.0, 1.0]])
    >>> pipeline = make_pipeline(SNV(), LinearRegression()).fit(X, [1.0, 2.0, 3.0])
    >>> RowPredictor(pipeline, 1)(np.array([[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])).round(6).tolist()
    [[1.0], [nan]]
    """

    estimator: Any
    n_targets: int

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions `(sample, target)`.

        NaN for a row that the estimator refuses, or for which it predicts infinity.

        Raises
        ------
        EstimatorError
            If the estimator fails for another reason than the values of a row, or predicts another number of targets.
        """
        if self.of_geosoil:
            return self._predict_batch(np.asarray(rows, np.float32))
        rows = np.asarray(rows, np.float64)
        at_once = self.rows_at_once
        predicted = np.empty((len(rows), self.n_targets))
        for start in range(0, len(rows), at_once):
            batch = rows[start : start + at_once]
            filling = np.broadcast_to(batch[:1], (at_once - len(batch), batch.shape[1]))
            predicted[start : start + at_once] = self._predict_batch(np.concatenate([batch, filling]))[: len(batch)]
        predicted[~np.isfinite(predicted)] = np.nan
        return predicted

    @cached_property
    def of_geosoil(self) -> bool:
        """Whether the regressor is one of geosoil, which takes float32 rows and predicts NaN for rows with NaN."""
        from geosoil.models.state import regressor_of

        return isinstance(regressor_of(self.estimator), Stateful)

    @cached_property
    def rows_at_once(self) -> int:
        """The number of rows that the estimator receives at once, so that what it computes for them fits into memory.

        >>> from sklearn.kernel_ridge import KernelRidge
        >>> RowPredictor(KernelRidge().fit([[0.0], [1.0]], [0.0, 1.0]), 1).rows_at_once
        2048
        """
        fitting = WORKING_BYTES // (32 * _width(self.estimator, set()))  # float64, and three copies of it
        return max(min(1 << max(fitting.bit_length() - 1, 0), MOST_ROWS), FEWEST_ROWS)

    def _run(self, rows: np.ndarray) -> np.ndarray:
        """Predict rows at once; raises one of _REFUSALS for their values, EstimatorError for anything else."""
        from joblib import parallel_config

        given: Any = rows
        if not self.of_geosoil and hasattr(self.estimator, "feature_names_in_"):
            from pandas import DataFrame

            given = DataFrame(rows, columns=self.estimator.feature_names_in_)
        try:
            # The blocks of a map are the only level of parallelism; a strange row may divide by zero.
            with parallel_config(backend="sequential"), np.errstate(all="ignore"):
                predicted = np.array(self.estimator.predict(given), None if self.of_geosoil else np.float64)
        except (*_REFUSALS, MemoryError):
            raise
        except Exception as error:
            raise EstimatorError(
                type(self.estimator).__name__,
                problem=f"predict failed with {type(error).__name__} ({str(error)[:200]})",
                expected="predictions from an array of shape (sample, feature)",
                way_out="fit it to an array with the features in the order of the model",
            ) from error
        predicted = predicted.reshape(len(rows), -1)
        if predicted.shape[1] != self.n_targets:
            raise EstimatorError(
                type(self.estimator).__name__,
                found=f"{predicted.shape[1]} predictions for each row",
                expected=f"{self.n_targets}, one for each target",
                way_out="name one Target for each column that the estimator was fitted to",
            )
        return predicted

    def _predict_batch(self, rows: np.ndarray) -> np.ndarray:
        """Predict rows at once; those that the estimator refuses get NaN, and another row takes their place."""
        try:
            return self._run(rows)
        except _REFUSALS:
            pass
        unique, inverse = np.unique(rows, axis=0, return_inverse=True)  # a background has the same values everywhere
        accepted = np.zeros(len(unique), bool)
        accepted[self._accepted(unique, _finite_inside(self.estimator, unique))] = True
        accepted = accepted[inverse.ravel()]
        if not accepted.any():
            return np.full((len(rows), self.n_targets), np.nan)
        predicted = self._run(np.where(accepted[:, None], rows, rows[np.argmax(accepted)]))
        predicted[~accepted] = np.nan
        return predicted

    def _accepted(self, rows: np.ndarray, among: np.ndarray) -> list[int]:
        """Return the indices, out of `among`, of the rows that are predicted, by halving those that are refused."""
        if not len(among):
            return []
        try:
            self._run(rows[among])
        except _REFUSALS:
            if len(among) == 1:
                return []
            middle = len(among) // 2
            return self._accepted(rows, among[:middle]) + self._accepted(rows, among[middle:])
        return [int(index) for index in among]


def _width(value: Any, seen: set[int]) -> int:
    """Return the largest number of values that an estimator, or one inside it, computes for a row."""
    if isinstance(value, list | tuple):
        return max((_width(item, seen) for item in value), default=1)
    if not hasattr(value, "get_params") or isinstance(value, type) or id(value) in seen:
        return 1
    seen.add(id(value))
    content = vars(value)
    lengths = [np.shape(content[name])[0] for name in _TRAINING_ROWS if np.ndim(content.get(name))]
    widths = [int(content[name]) for name in _WIDTHS if name in content]
    return max([1, *lengths, *widths, *(_width(item, seen) for item in content.values())])


def _finite_inside(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """Return the indices of the rows that the steps of a Pipeline keep finite; all rows if that is unknown."""
    from geosoil.models.state import unwrapped

    everything = kept = np.arange(len(rows))
    while wrapped := [getattr(estimator, name) for name in _WRAPPERS if hasattr(estimator, name)]:
        estimator = wrapped[0]
    estimator = unwrapped(estimator)
    try:
        for _, step in getattr(estimator, "steps", [])[:-1]:
            if step is None or isinstance(step, str):
                continue
            try:
                rows = step.transform(rows)
            except _REFUSALS:
                finite = np.isfinite(rows).all(axis=1)
                kept, rows = kept[finite], rows[finite]
                rows = step.transform(rows) if len(rows) else rows
        return kept[np.isfinite(rows).all(axis=1)]
    except Exception:  # for example a step whose output is sparse: halving finds the rows alone
        return everything
