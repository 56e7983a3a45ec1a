"""What every row-wise step of geosoil is: a scikit-learn estimator whose fitted state is plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    from geosoil.program.ops import Program


class Stateful(BaseEstimator):
    """An estimator that `models/store.py` can write and read without executing anything.

    The constructor's parameters are JSON values (numbers, strings, lists, None); everything learned in
    `fit` stands in the attributes named by `fitted`: an ndarray, a number, a list of strings, or a dict
    of ndarrays (the weights of a network). Reading a model back is `cls(**params)` and setting these.
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_",)

    def lower(self) -> Program | None:
        """Say what the fitted step computes in the words of `numerics.program`; None: cannot be said."""
        return None


class Step(TransformerMixin, Stateful):
    """A transformer of rows `(sample, feature)` that keeps float32."""
