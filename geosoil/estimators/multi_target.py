"""A regressor of several targets made of one regressor per target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted

from geosoil.errors import SamplesError
from geosoil.program.parallel import Parallel
from geosoil.program.step import Stateful

if TYPE_CHECKING:
    import numpy.typing as npt

    from geosoil.program.ops import Program


class PerTarget(RegressorMixin, Stateful):
    """Fit a clone of an estimator to each target, on the rows where that target is known.

    So a profile that ends at 60 cm is still used for the layers above.

    Parameters
    ----------
    estimator : estimator
        Regressor of one target; it is cloned.

    Attributes
    ----------
    estimators_ : list
        The fitted clones, in the order of the targets.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> y = np.array([[0.0, 5.0], [1.0, np.nan], [2.0, 1.0]])
    >>> PerTarget(LinearRegression()).fit(X, y).predict([[1.0]]).round(6).tolist()
    [[1.0, 3.0]]
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "estimators_")

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, **by_row: npt.ArrayLike) -> PerTarget:
        """Fit one clone per target.

        Parameters
        ----------
        X : array_like of shape (sample, feature)
            Features.
        y : array_like of shape (sample, target)
            Targets in their units; NaN = unknown.
        **by_row : array_like of shape (sample,)
            Further arguments of the estimator's `fit` (such as `groups`), restricted to the known rows.

        Raises
        ------
        SamplesError
            If a target has no known value.
        """
        X, y = np.asarray(X), np.asarray(y)
        if y.ndim != 2 or len(y) != len(X):
            msg = f"y has shape {y.shape}; expected ({len(X)}, target)"
            raise ValueError(msg)
        estimators = []
        for number, values in enumerate(y.T, start=1):
            known = ~np.isnan(values)
            if not known.any():
                raise SamplesError(
                    "training rows",
                    found=f"no value of target {number} of {y.shape[1]}",
                    expected="values of each target",
                    way_out="remove this target",
                )
            options = {name: np.asarray(value)[known] for name, value in by_row.items()}
            estimators.append(clone(self.estimator).fit(X[known], values[known], **options))
        self.n_features_in_ = X.shape[1]
        self.estimators_ = estimators
        return self

    def predict(self, X: npt.ArrayLike) -> np.ndarray:
        """Predict `(sample, target)` in the units of the targets from X `(sample, feature)`."""
        check_is_fitted(self)
        return np.column_stack([estimator.predict(X) for estimator in self.estimators_])

    def lower(self) -> Program | None:
        """Return the programs of the estimators in parallel; None if one of them has no program."""
        from geosoil.program.lower import lower_estimator

        branches = [lower_estimator(estimator) for estimator in self.estimators_]
        known = tuple(branch for branch in branches if branch is not None)
        return (Parallel(known, "concat"),) if len(known) == len(branches) else None
