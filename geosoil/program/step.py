"""The base classes of every row-wise step of geosoil: scikit-learn estimators whose fitted state is plain arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sklearn.base import BaseEstimator, TransformerMixin

if TYPE_CHECKING:
    from geosoil.program.ops import Program


class Stateful(BaseEstimator):
    """An estimator that `models/store.py` can write, and read without executing anything.

    The parameters of the constructor are JSON values (numbers, strings, lists, None). Everything that `fit` learns is
    held in the attributes named by `fitted`: an ndarray, a number, a list of strings, or a dict of ndarrays (the
    weights of a network). A stored estimator is read as `cls(**params)`, and these attributes are set.
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_",)
    fitted_later: ClassVar[dict[str, Any]] = {}
    """Attributes of `fitted` that stored models of earlier versions lack, and values that keep their predictions."""

    def lower(self) -> Program | None:
        """Return what the fitted step computes as the ops of `program.ops`; None if it has no such form."""
        return None


class Step(TransformerMixin, Stateful):
    """A transformer of rows `(sample, feature)` that keeps float32."""
