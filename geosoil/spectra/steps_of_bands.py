"""Steps for some columns of a row only: the places beside a spectrum pass them unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from geosoil.program.ops import Select
from geosoil.program.parallel import Parallel
from geosoil.program.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from geosoil.program.ops import Op, Program


class StepsOfBands(Step):
    """Apply fitted steps to all columns but the last ones, which follow the result unchanged.

    Parameters
    ----------
    n_last : int
        Number of the columns that no step changes, such as the x and y of a place.

    Attributes
    ----------
    steps_ : list of Step
        The fitted steps, in their order.
    n_features_in_ : int
        Number of columns, the last ones included.

    Examples
    --------
    >>> from geosoil.spectra.scatter import SNV
    >>> rows = np.array([[1.0, 2.0, 3.0, 500.0]])
    >>> StepsOfBands(n_last=1).use_fitted([("snv", SNV().fit(rows[:, :3]))], 3).transform(rows).tolist()
    [[-1.0, 0.0, 1.0, 500.0]]
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "steps_")

    def __init__(self, n_last: int = 2) -> None:
        self.n_last = n_last

    def use_fitted(self, steps: Sequence[tuple[str, Any]], n_bands: int) -> StepsOfBands:
        """Take steps `(name, step)` that were fitted to the first `n_bands` columns, and return this object."""
        self.steps_ = [step for _, step in steps]
        self.n_features_in_ = n_bands + self.n_last
        return self

    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Return rows `(sample, column)` behind the steps, with the last columns at their end."""
        X = np.asarray(X)
        n_bands = self.n_features_in_ - self.n_last
        bands = X[:, :n_bands]
        for step in self.steps_:
            bands = step.transform(bands)
        return np.column_stack([bands, X[:, n_bands:]]).astype(np.result_type(bands, np.float32), copy=False)

    def lower(self) -> Program | None:
        """Return the steps beside a selection of the last columns; None if a step has no form as ops."""
        n_bands = self.n_features_in_ - self.n_last
        ops: list[Op] = [Select(np.arange(n_bands))]
        for step in self.steps_:
            lowered = step.lower()
            if lowered is None:
                return None
            ops.extend(lowered)
        last = Select(n_bands + np.arange(self.n_last))
        return (Parallel((tuple(ops), (last,)), "concat"),)
