"""The blocks of features of a Gaussian process, and how they are scaled."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
from scipy.spatial.distance import cdist

from geosoil.errors import RecipeError, SamplesError
from geosoil.numerics.covariance import CORRELATIONS
from geosoil.program.ops import Affine, Op, Select
from geosoil.spectra.scatter import SNV
from geosoil.spectra.smooth import SavitzkyGolay

KernelName = Literal["exponential", "matern32", "matern52", "rbf"]
FEW_COLUMNS = 8
WINDOW_BANDS = 11
"""Number of bands of the window of the derivative."""


@dataclass(frozen=True)
class FeatureBlock:
    """Columns that share a kernel.

    Parameters
    ----------
    name : str
        Name in reports.
    columns : list of int
        Indices of the columns.
    kernel : {"matern32", "matern52", "exponential", "rbf"}
        The function of the distance.
    linear : bool
        Whether there is a linear term beside it.
    derivative : bool
        Whether the columns are a spectrum of which the first derivative is taken, after the standard normal variate.
    place : bool
        Whether the columns are coordinates, which are divided by one number: the distance is that of the places.
    """

    name: str
    columns: tuple[int, ...]
    kernel: KernelName = "matern32"
    linear: bool = True
    derivative: bool = False
    place: bool = False

    @property
    def n_columns(self) -> int:
        """Number of columns after the transformation."""
        return len(self.columns)

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the columns of X `(sample, feature)`, as spectra of derivatives where the block asks for it."""
        values = np.asarray(X[:, list(self.columns)], np.float64)
        for step in self._steps():
            values = step.fit(values).transform(values)
        return values

    def _steps(self) -> list[SNV | SavitzkyGolay]:
        if not self.derivative:
            return []
        return [SNV(), SavitzkyGolay(window_bands=WINDOW_BANDS, polynomial_order=2, derivative=1)]

    def lower(self) -> list[Op]:
        """Return the ops from all features to the transformed columns."""
        ops: list[Op] = [Select(np.array(self.columns))]
        for step in self._steps():
            ops.extend(step.fit(np.zeros((1, self.n_columns))).lower() or ())
        return ops


@dataclass(frozen=True)
class ScaledBlock:
    """A block whose columns are centred and scaled as the training rows were.

    Parameters
    ----------
    block : FeatureBlock
    centre, scale : ndarray of shape (n_columns,)
        What is subtracted from the transformed columns, and the factor they are then multiplied by. The Euclidean
        distance of scaled rows is the distance of the kernel.
    linear_scale : float
        The factor of the product of scaled rows in the linear term.
    """

    block: FeatureBlock
    centre: np.ndarray
    scale: np.ndarray
    linear_scale: float

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the scaled columns of X `(sample, feature)`, shape `(sample, n_columns)`."""
        return (self.block.transform(X) - self.centre) * self.scale

    def lower(self) -> tuple[Op, ...]:
        """Return the ops from all features to the scaled columns."""
        return (*self.block.lower(), Affine(np.diag(self.scale), -self.centre * self.scale))

    @property
    def unit_length(self) -> float:
        """The length in the unit of the columns, for place, that equals a length of 1 of the kernel."""
        return float(1 / self.scale[0]) if self.block.place else 1.0


def feature_blocks(blocks: list[dict[str, Any]] | None, n_features: int) -> list[FeatureBlock]:
    """Return the blocks that a list of tables describes; None gives one block of all columns.

    Raises
    ------
    RecipeError
        For an unknown key or kernel, columns that do not exist, or a name that appears twice.

    Examples
    --------
    >>> feature_blocks([{"name": "place", "columns": [3, 4], "place": True, "linear": False}], 5)[0].kernel
    'matern32'
    """
    if blocks is None:
        return [FeatureBlock("features", tuple(range(n_features)))]
    known = {field.name for field in fields(FeatureBlock)}
    made = []
    for table in blocks:
        unknown = sorted(set(table) - known)
        if unknown or not {"name", "columns"} <= set(table):
            _refuse(f"the keys {', '.join(table)}", f"name, columns, and some of {', '.join(sorted(known))}")
        block = FeatureBlock(**{**table, "columns": tuple(int(i) for i in table["columns"])})
        if not block.columns or not all(0 <= i < n_features for i in block.columns):
            _refuse(f"the columns {list(block.columns)[:5]} of {block.name}", f"some of 0 to {n_features - 1}")
        if block.kernel not in CORRELATIONS:
            _refuse(f"the kernel {block.kernel!r} of {block.name}", " or ".join(CORRELATIONS))
        if block.derivative and block.n_columns < WINDOW_BANDS:
            _refuse(f"{block.n_columns} bands in {block.name}", f"{WINDOW_BANDS} or more for the derivative")
        made.append(block)
    names = [block.name for block in made]
    if not made or len(set(names)) < len(names):
        _refuse(f"blocks named {', '.join(names) or 'nothing'}", "one or more blocks with different names")
    return made


def _refuse(found: str, expected: str) -> None:
    raise RecipeError("GaussianProcess", found=found, expected=expected, way_out="correct the parameter blocks")


def scale_block(block: FeatureBlock, X: np.ndarray) -> ScaledBlock:
    """Learn the centre and the scale of a block from training rows X `(sample, feature)`.

    The columns are standardised, and divided by the root of the median squared distance of the rows. Those of place
    are all divided by the root of the mean of their variances. A column without variation does not take part.

    Raises
    ------
    SamplesError
        If no column varies, or a spectrum is flat.
    """
    values = block.transform(X)
    flat = ~np.isfinite(values).all(axis=1)
    if flat.any():
        raise SamplesError(
            f"{block.name} at index {int(np.argmax(flat))}",
            found="the same value in all bands",
            expected="a spectrum",
            way_out=f"remove the {int(flat.sum())} rows of this kind",
        )
    centre = values.mean(axis=0)
    spread = values.std(axis=0)
    varies = spread > 1e-10 * np.abs(centre)
    if not varies.any():
        raise SamplesError(
            block.name,
            found=f"the same values in all {len(values)} rows",
            expected="features that vary",
            way_out="leave them out",
        )
    if block.place:
        scale = np.full(block.n_columns, 1 / np.sqrt(np.mean(spread**2)))
        return ScaledBlock(block, centre, scale, 1.0)
    scale = np.zeros(block.n_columns)
    scale[varies] = 1 / (spread[varies] * np.sqrt(varies.sum()))
    squares = squared_distances((values - centre) * scale)
    median = float(np.median(squares[np.triu_indices(len(squares), 1)]))
    median = median if median > 0 else 1.0  # more than half of the rows are equal
    return ScaledBlock(block, centre, scale / np.sqrt(median), median)


def squared_distances(rows: np.ndarray, others: np.ndarray | None = None) -> np.ndarray:
    """Return the squared Euclidean distances between rows, `(n, m)`; exactly 0 on the diagonal of one set.

    Of few columns, such as places, the differences are squared, so that no digits are lost.
    """
    second = rows if others is None else others
    if rows.shape[1] <= FEW_COLUMNS:
        return np.asarray(cdist(rows, second, "sqeuclidean"))
    squares = np.asarray((-2 * rows) @ second.T)
    squares += (rows**2).sum(axis=1)[:, None]
    squares += (second**2).sum(axis=1)
    np.maximum(squares, 0, out=squares)
    if others is None:
        np.fill_diagonal(squares, 0)
    return squares
