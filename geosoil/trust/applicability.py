"""Dissimilarity index, local point density and area of applicability, as the R package CAST computes them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from geosoil.errors import SamplesError
from geosoil.numerics.neighbours import NeighbourSearch, Units, mean_distance
from geosoil.trust.feature_weights import FeatureWeights
from geosoil.trust.stored import checked_card

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Rule = Literal["whisker", "largest_below_whisker"]
ARRAYS = ("samples", "centre", "scale", "weights", "training_index", "training_density")
MOST_VALUES = 200_000_000  # of the samples that a model folder may hold
_VALUES_AT_ONCE = 1 << 20  # of the rows that are searched at once


class Assessment(NamedTuple):
    """What the area of applicability says of each row.

    Attributes
    ----------
    dissimilarity : ndarray of float64, shape (n,)
        Dissimilarity index, without unit: 0 at a training sample, 1 at the mean distance between samples; NaN for a row
        with a missing value.
    density : ndarray of int, shape (n,)
        Local point density: training samples whose dissimilarity to the row is below the threshold.
    inside : ndarray of bool, shape (n,)
        Whether the row is in the area of applicability.
    """

    dissimilarity: np.ndarray
    density: np.ndarray
    inside: np.ndarray


class ApplicabilityCard(BaseModel):
    """The numbers of an `Applicability` as a model's card holds them; its arrays are those of `ARRAYS`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    mean_distance: float = Field(gt=0)
    threshold: float = Field(ge=0)
    rule: Rule = "whisker"
    weighting: str = Field("", max_length=200)
    split: str = Field("", max_length=200)
    constant: list[int] = Field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Applicability:
    """Where predictions can be as accurate as validation says: close to training samples in the space of the features.

    Parameters
    ----------
    samples : ndarray of float32 or float64, shape (n, n_features)
        Training samples, in the units of the features.
    centre, scale : ndarray of float64, shape (n_features,)
        Mean and standard deviation (n - 1) of the samples; the scale of a constant feature is 1.
    weights : ndarray of float64, shape (n_features,)
        0 for a feature that is not used.
    mean_distance : float
        Mean distance between samples after standardisation and weighting.
    threshold : float
        Largest dissimilarity index inside the area.
    training_index : ndarray of float64, shape (n,)
        Dissimilarity of each sample to the training samples of the fold that tests it; NaN if no fold does.
    training_density : ndarray of int, shape (n,)
        Local point density of each sample by the same rule.
    rule : {"whisker", "largest_below_whisker"}
        How the threshold was computed.
    weighting, split : str
        Where the weights come from, and the split of the folds, for a model's card.
    constant : tuple of int
        Numbers of the features that are constant in the samples and therefore not used.
    """

    samples: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    mean_distance: float
    threshold: float
    training_index: np.ndarray
    training_density: np.ndarray
    rule: Rule = "whisker"
    weighting: str = ""
    split: str = ""
    constant: tuple[int, ...] = ()

    @cached_property
    def _used(self) -> np.ndarray:
        return np.flatnonzero(self.weights > 0)

    @cached_property
    def _search(self) -> NeighbourSearch:
        used = self._used
        units = Units(self.centre[used], self.weights[used] / self.scale[used])
        return NeighbourSearch(units.convert(self.samples[:, used]), units=units)

    def assess(self, rows: np.ndarray) -> Assessment:
        """Compute dissimilarity, density and applicability of rows.

        The result of a row does not depend on the other rows. Memory does not grow with the number of rows, except for
        the results.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            In the units of the samples; a row with NaN in a feature that is used is not assessed.

        Returns
        -------
        Assessment
        """
        rows = np.asarray(rows)
        used = self._used
        n, size = len(rows), max(1, _VALUES_AT_ONCE // len(used))
        result = Assessment(np.full(n, np.nan), np.zeros(n, np.intp), np.zeros(n, bool))
        for start in range(0, n, size):
            part = slice(start, start + size)
            chosen = rows[part] if len(used) == rows.shape[1] else rows[part].T[used].T
            found = self._search.query(chosen, limit=self.threshold, unit=self.mean_distance)
            result.dissimilarity[part] = found.distance / self.mean_distance
            result.density[part] = found.n_within
        result.inside[:] = result.dissimilarity <= self.threshold
        return result

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what `from_state` reads: a dict of JSON values, and arrays by name.

        A training index that is unknown is stored as -1, so that all arrays are finite.
        """
        card = ApplicabilityCard(
            mean_distance=self.mean_distance,
            threshold=self.threshold,
            rule=self.rule,
            weighting=self.weighting,
            split=self.split,
            constant=list(self.constant),
        )
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in ARRAYS}
        arrays["training_index"] = np.where(np.isnan(self.training_index), -1.0, self.training_index)
        arrays["training_density"] = arrays["training_density"].astype(np.int64)
        return card.model_dump(mode="json"), arrays

    @classmethod
    def from_state(
        cls, card: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, where: object = "applicability"
    ) -> Applicability:
        """Return the object that `to_state` described.

        Parameters
        ----------
        card : mapping
        arrays : mapping of str to ndarray
        where : object
            The file that they were read from, for messages.

        Raises
        ------
        ModelFileError
            If something is missing, not finite, of another shape or size, or contradicts the rest.
        """
        checked = checked_card(
            ApplicabilityCard, card, arrays, ARRAYS, _check_arrays, where=where, part="the area of applicability is"
        )
        index = arrays["training_index"]
        known: dict[str, Any] = checked.model_dump() | {name: arrays[name] for name in ARRAYS}
        known |= {"constant": tuple(checked.constant), "training_index": np.where(index < 0, np.nan, index)}
        return cls(**known)


def _check_arrays(card: ApplicabilityCard, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError for arrays that `to_state` cannot have made."""
    shape = arrays["samples"].shape
    if len(shape) != 2 or shape[0] < 2 or shape[1] < 1 or shape[0] * shape[1] > MOST_VALUES:
        raise ValueError(f"samples of shape {shape}")
    shapes = {"samples": shape, "training_index": shape[:1], "training_density": shape[:1]}
    for name, array in arrays.items():
        kinds = {"samples": (np.float32, np.float64), "training_density": (np.int64,)}.get(name, (np.float64,))
        if array.shape != shapes.get(name, shape[1:]) or array.dtype not in kinds:
            raise ValueError(f"{name} of shape {array.shape} and type {array.dtype}")
        if not np.isfinite(array).all():
            raise ValueError(f"{name} has values that are not finite")
    index, density = arrays["training_index"], arrays["training_density"]
    if not ((index >= 0) | (index == -1)).all() or not ((density >= 0) & (density < shape[0])).all():
        raise ValueError("training_index or training_density is out of range")
    if not (arrays["scale"] > 0).all() or not (arrays["weights"] >= 0).all() or not arrays["weights"].any():
        raise ValueError("scale or weights out of range")
    if not all(0 <= number < shape[1] and arrays["weights"][number] == 0 for number in card.constant):
        raise ValueError("constant features that are used")
    expected = _threshold(index[index >= 0], card.rule) if (index >= 0).any() else -1.0
    if not abs(expected - card.threshold) <= 1e-9 * max(expected, 1e-300):
        raise ValueError(f"a threshold of {card.threshold:g} where the samples give {expected:g}")


def fit_applicability(
    X: np.ndarray,
    *,
    weights: np.ndarray | FeatureWeights | None = None,
    splits: Iterable[Sequence[Any]] | None = None,
    rule: Rule = "whisker",
    split: str = "",
) -> Applicability:
    """Compute the area of applicability of a model from its training samples.

    Features are standardised and weighted. The dissimilarity index (DI) of a row is the distance to the nearest
    training sample, divided by the mean distance between samples. For a sample, only those of the training rows of
    the fold that tests it count, so that the threshold has the distances at which validation measured the accuracy.

    Parameters
    ----------
    X : ndarray, shape (n, n_features)
        Training samples without missing values.
    weights : ndarray, shape (n_features,), or FeatureWeights, optional
        Importance of each feature, 0 or more; negative ones count as 0. By default all are equal.
    splits : iterable of (train, test) or (..., train, test), optional
        Row numbers of the folds of the validation; a row that is tested several times takes the first fold, and one
        that is never tested does not count for the threshold. By default each sample is compared with all others.
    rule : {"whisker", "largest_below_whisker"}
        "whisker" is that of CAST: the upper quartile of the training DI plus 1.5 times the range of the quartiles, but
        not more than the largest. The other is how the paper can be read: the largest training DI up to it.
    split : str
        Name of the split, for a model's card.

    Returns
    -------
    Applicability

    Raises
    ------
    SamplesError
        If there are fewer than two samples, missing values, or no feature that varies.

    References
    ----------
    Meyer & Pebesma (2021), Methods in Ecology and Evolution 12, 1620-1633; Schumacher et al. (2024), EGUsphere
    2024-2730, on the density.

    Examples
    --------
    >>> samples = np.random.default_rng(0).normal(size=(100, 3))
    >>> area = fit_applicability(samples)
    >>> area.assess(np.array([[0.0, 0.0, 0.0], [9.0, 0.0, 0.0]])).inside.tolist()
    [True, False]
    """
    X = _checked_samples(X)
    if isinstance(weights, FeatureWeights):
        used, weighting = weights.values, weights.source
    elif weights is not None:
        used, weighting = np.asarray(weights, np.float64), "given"
    else:
        used, weighting = np.ones(X.shape[1]), "equal"
    if used.shape != X.shape[1:] or not np.isfinite(used).all():
        raise SamplesError(
            "area of applicability",
            found=f"weights of shape {used.shape}",
            expected=f"a finite weight for each of the {X.shape[1]} features",
            way_out="give one weight per feature",
        )
    is_constant = np.ptp(X, axis=0) == 0
    used = np.where(is_constant, 0.0, used.clip(0))
    if not used.any():
        raise SamplesError(
            "area of applicability",
            found=f"{int(is_constant.sum())} constant features, and no weight above 0 on the other ones",
            expected="a feature that varies between the samples and that the model uses",
            way_out="add samples or features",
        )
    values = X.astype(np.float64)
    centre, scale = values.mean(axis=0), np.where(is_constant, 1.0, values.std(axis=0, ddof=1))
    chosen = used > 0
    points = Units(centre[chosen], used[chosen] / scale[chosen]).convert(values[:, chosen])
    unit = mean_distance(points)
    pairs = _first_tests(splits, len(X))
    index = _by_fold(points, pairs, unit)[0]
    threshold = _threshold(index[np.isfinite(index)], rule)
    density = _by_fold(points, pairs, unit, threshold)[1]
    return Applicability(
        samples=X,
        centre=centre,
        scale=scale,
        weights=used,
        mean_distance=unit,
        threshold=threshold,
        training_index=index,
        training_density=density,
        rule=rule,
        weighting=weighting,
        split=split,
        constant=tuple(np.flatnonzero(is_constant).tolist()),
    )


def _checked_samples(X: np.ndarray) -> np.ndarray:
    X = np.asarray(X)
    X = X if X.dtype in (np.float32, np.float64) else X.astype(np.float64)
    n_missing = int((~np.isfinite(X)).sum())
    if X.ndim != 2 or len(X) < 2 or X.shape[1] < 1 or n_missing:
        raise SamplesError(
            "area of applicability",
            found=f"samples of shape {X.shape} with {n_missing} missing values",
            expected="two samples or more, with a value of each feature",
            way_out="drop the samples without a value",
        )
    return X


def _first_tests(splits: Iterable[Sequence[Any]] | None, n: int) -> list[tuple[np.ndarray, np.ndarray]] | None:
    """Return (train, test) of each split, where every row is tested once at most."""
    if splits is None:
        return None
    pairs, tested = [], np.zeros(n, bool)
    for *_, train, test in splits:
        new = np.asarray(test, np.intp)
        new = new[~tested[new]]
        tested[new] = True
        if len(new) and len(train):
            pairs.append((np.asarray(train, np.intp), new))
    if not pairs:
        raise SamplesError(
            "area of applicability",
            found="splits that test no sample",
            expected="folds of a validation, with training and test rows",
            way_out="give the splits of the validation, or none",
        )
    return pairs


def _by_fold(
    points: np.ndarray, pairs: list[tuple[np.ndarray, np.ndarray]] | None, unit: float, limit: float = -np.inf
) -> tuple[np.ndarray, np.ndarray]:
    """Return index and density of each sample among the training rows of the split that tests it."""
    if pairs is None:
        found = NeighbourSearch(points).query(points, limit=limit, unit=unit, skipped=np.arange(len(points)))
        return found.distance / unit, found.n_within
    index, density = np.full(len(points), np.nan), np.zeros(len(points), np.intp)
    for train, test in pairs:
        found = NeighbourSearch(points[train]).query(points[test], limit=limit, unit=unit)
        index[test], density[test] = found.distance / unit, found.n_within
    return index, density


def _threshold(index: np.ndarray, rule: Rule) -> float:
    low, high = np.quantile(index, [0.25, 0.75])
    whisker, largest = high + 1.5 * (high - low), index.max()
    if rule == "whisker" or whisker >= largest:
        return float(min(whisker, largest))
    return float(index[index <= whisker].max())
