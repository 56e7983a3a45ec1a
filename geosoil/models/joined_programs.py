"""Pixel models of one raster that start with the same steps, as one program that runs these steps once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.pixel import PixelModel, is_valid
from geosoil.models.process_moments import gives_deviation
from geosoil.models.trusted import TrustedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Block


class JoinedPrograms:
    """The predictions of several models of a block, as far as they share work.

    Parameters
    ----------
    models : sequence of Model
        The models. Only pixel models with a program that share a step with another one are joined.
    bands_read : sequence of sequence of int
        For each model, the numbers of the bands of the block that it reads, in its order.
    n_features : int
        Number of bands of the block.

    Attributes
    ----------
    numbers : list of int
        Which of the models share work.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from geosoil.estimators.pls import PartialLeastSquares
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.spectra.absorbance import Absorbance
    >>> X = np.array([[0.1, 0.5], [0.2, 0.4], [0.6, 0.5], [0.7, 0.9], [0.3, 0.2]])
    >>> models = [
    ...     PixelModel(
    ...         make_pipeline(Absorbance(), PartialLeastSquares(max_components=1)).fit(X, X @ weights),
    ...         (Feature("red"), Feature("nir")),
    ...         (Target("som", "%"),),
    ...     )
    ...     for weights in ([1.0, 2.0], [3.0, 1.0])
    ... ]
    >>> joined = JoinedPrograms(models, [[0, 1], [0, 1]], 2)
    >>> block = np.full((2, 1, 1), 0.5, np.float32)
    >>> [bool(joined(block)[number] == models[number].predict(block)) for number in joined.numbers]
    [True, True]
    """

    def __init__(self, models: Sequence[Any], bands_read: Sequence[Sequence[int]], n_features: int) -> None:
        from geosoil.program.lower import LoweredProgram
        from geosoil.program.shared_work import join_programs

        programs = {number: program for number, model in enumerate(models) if (program := _program_of(model))}
        self.numbers: list[int] = []
        if len({program.device for program in programs.values()}) > 1:
            return
        joint, joined = join_programs(
            [program.program for program in programs.values()],
            [np.asarray(bands_read[number]) for number in programs],
            n_features,
        )
        if joined:
            self.numbers = [list(programs)[place] for place in joined]
            self._reads_all = all(len(set(bands_read[number])) == n_features for number in self.numbers)
            self._bands_read = [tuple(bands_read[number]) for number in self.numbers]
            self._ends = np.cumsum([programs[number].n_outputs for number in self.numbers])
            self._program = LoweredProgram(joint, n_features, programs[self.numbers[0]].device)

    def __call__(self, block: Block) -> dict[int, np.ndarray]:
        """Return the predictions of each of these models, `(target, pixel)`, NaN where a band that it reads is NaN."""
        if not self.numbers:
            return {}
        flat = block.reshape(len(block), -1)
        values = np.split(self._program(flat, gaps=self._reads_all), self._ends[:-1])
        if self._reads_all:
            return dict(zip(self.numbers, values, strict=True))
        gaps = {bands: ~is_valid(take_bands(flat, bands)) for bands in set(self._bands_read)}
        for of_model, bands in zip(values, self._bands_read, strict=True):
            of_model[:, gaps[bands]] = np.nan
        return dict(zip(self.numbers, values, strict=True))


def take_bands(block: Block, numbers: Sequence[int]) -> Block:
    """Return some bands of a block in an order; a copy of most of a block, which takes time, is made only if needed."""
    if list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
        return block[numbers[0] : numbers[0] + len(numbers)]
    return block[list(numbers)]


def _program_of(model: Any) -> Any:
    """Return the program of a pixel model, with or without a trust state; None if it has none or predicts a spread."""
    inner = model.model if isinstance(model, TrustedModel) else model
    return inner.lowered if isinstance(inner, PixelModel) and not gives_deviation(inner.estimator) else None
