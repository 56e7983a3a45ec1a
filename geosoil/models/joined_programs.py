"""Pixel models of the same bands that start with the same steps, as one program that runs these steps once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.pixel import PixelModel
from geosoil.models.process_moments import gives_deviation
from geosoil.models.trusted import TrustedModel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geosoil.models.contract import Block


class JoinedPrograms:
    """The predictions of those of several models that have steps in common.

    Parameters
    ----------
    models : mapping of int to Model
        Models that read the same bands in the same order, by their numbers. Only pixel models with a program can be
        joined.

    Attributes
    ----------
    numbers : list of int
        The numbers of the models that are joined.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from geosoil.estimators.pls import PartialLeastSquares
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.spectra.absorbance import Absorbance
    >>> X = np.array([[0.1, 0.5], [0.2, 0.4], [0.6, 0.5], [0.7, 0.9], [0.3, 0.2]])
    >>> models = {
    ...     number: PixelModel(
    ...         make_pipeline(Absorbance(), PartialLeastSquares(max_components=1)).fit(X, X @ weights),
    ...         (Feature("red"), Feature("nir")),
    ...         (Target("som", "%"),),
    ...     )
    ...     for number, weights in enumerate(([1.0, 2.0], [3.0, 1.0]))
    ... }
    >>> joined = JoinedPrograms(models)
    >>> block = np.full((2, 1, 1), 0.5, np.float32)
    >>> [bool(joined(block)[number] == models[number].predict(block)) for number in joined.numbers]
    [True, True]
    """

    def __init__(self, models: Mapping[int, Any]) -> None:
        from geosoil.program.lower import LoweredProgram
        from geosoil.program.shared_work import join_programs

        self.models = models
        programs = {number: program for number, model in models.items() if (program := _program_of(model))}
        self.numbers: list[int] = []
        if len({program.device for program in programs.values()}) > 1:
            return
        joint, joined = join_programs([program.program for program in programs.values()])
        if joined:
            self.numbers = [list(programs)[place] for place in joined]
            first = programs[self.numbers[0]]
            self._ends = np.cumsum([programs[number].n_outputs for number in self.numbers])
            self._program = LoweredProgram(joint, first.n_features, first.device)

    def __call__(self, block: Block) -> dict[int, np.ndarray]:
        """Return the predictions of each joined model, `(target, pixel)`, NaN where a band is NaN."""
        if not self.numbers:
            return {}
        values = self._program(block.reshape(len(block), -1), mask_gaps=True)
        return dict(zip(self.numbers, np.split(values, self._ends[:-1]), strict=True))


def _program_of(model: Any) -> Any:
    """Return the program of a pixel model, with or without a trust state; None if it has none or predicts a spread."""
    inner = model.model if isinstance(model, TrustedModel) else model
    return inner.lowered if isinstance(inner, PixelModel) and not gives_deviation(inner.estimator) else None
