"""Equal-area quadratic splines of soil profiles, and their exact means over layers.

The spline of a profile of n horizons with values y is the f that minimises
`1/n sum (y_i - mean of f over i)^2 + smoothing * integral f'^2` [1]_ [2]_: a parabola in each horizon, a straight line
across a gap, f and f' continuous, f' = 0 at both ends.

The unknowns are the slopes b at the n - 1 inner knots, `(R + 6 n smoothing Q Q') b = 6 Q y`. The matrix is tridiagonal
and positive definite, so the knots of all profiles form one banded system in which profiles are not coupled. The fitted
means of the horizons are `s = y - n smoothing Q' b`. Layers are averaged by the closed-form integral of f, which
conserves mass; mpspline2 averages f at the top and ithir at the bottom of 1 cm slices, which does not.

References
----------
.. [1] Bishop, McBratney & Laslett (1999), Geoderma 91, 27-45.
.. [2] Malone, McBratney, Minasny & Laslett (2009), Geoderma 154, 138-152.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from scipy.linalg import solveh_banded

from geosoil.errors import RecipeError, SamplesError

if TYPE_CHECKING:
    from collections.abc import Sequence

STANDARD_LAYERS_CM = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200))
"""The layers of GlobalSoilMap, (top, bottom) in cm."""

DEPTH_TOLERANCE_CM = 1e-6
"""Horizons that overlap by less are taken as touching: the overlap is rounding of converted depths."""


class LayerMeans(NamedTuple):
    """Means `(profile, layer)` in the unit of the values, NaN where nothing is covered, and coverages 0 to 1."""

    mean: np.ndarray
    coverage: np.ndarray


def layer_means(
    top_cm: np.ndarray,
    bottom_cm: np.ndarray,
    value: np.ndarray,
    profile: np.ndarray,
    *,
    layers_cm: Sequence[tuple[float, float]] = STANDARD_LAYERS_CM,
    smoothing: float = 0.1,
    slices: Literal["top"] | None = None,
    clip: tuple[float, float] | None = None,
    n_profiles: int | None = None,
) -> LayerMeans:
    """Fit a spline to every profile and average it over layers.

    The parameters and errors are those of `fit_depth_splines` and `DepthSplines.layer_means`.

    Examples
    --------
    >>> top, bottom = np.array([0.0, 10.0, 0.0]), np.array([10.0, 40.0, 12.0])
    >>> means = layer_means(top, bottom, np.array([3.0, 1.0, 2.0]), np.array([0, 0, 1]), layers_cm=[(0, 10), (10, 20)])
    >>> means.mean.round(3).tolist(), means.coverage.tolist()
    ([[2.971, 1.838], [2.0, 2.0]], [[1.0, 1.0], [1.0, 0.2]])
    """
    splines = fit_depth_splines(top_cm, bottom_cm, value, profile, smoothing=smoothing, n_profiles=n_profiles)
    return splines.layer_means(layers_cm, slices=slices, clip=clip)


@dataclass(frozen=True)
class DepthSplines:
    """Fitted splines: `f = level + slope t + curve t^2` at t cm below the start of a piece.

    Pieces are the horizons by profile and depth, each followed by the gap below it (0 cm thick where there is none).

    Attributes
    ----------
    fitted : ndarray of shape (horizon,)
        Mean of f over each horizon, in the order of the input.
    start_cm, thickness_cm, level, slope, curve : ndarray of shape (2 * horizon,)
        The pieces.
    first : ndarray of shape (fitted profile,), int
        The first piece of each fitted profile.
    profiles : ndarray of shape (fitted profile,), int
        The index of each fitted profile.
    n_profiles : int
        Number of profiles, including those without a horizon, whose results are NaN.
    """

    fitted: np.ndarray
    start_cm: np.ndarray
    thickness_cm: np.ndarray
    level: np.ndarray
    slope: np.ndarray
    curve: np.ndarray
    first: np.ndarray
    profiles: np.ndarray
    n_profiles: int

    def layer_means(
        self,
        layers_cm: Sequence[tuple[float, float]] = STANDARD_LAYERS_CM,
        *,
        slices: Literal["top"] | None = None,
        clip: tuple[float, float] | None = None,
    ) -> LayerMeans:
        """Average f over the part of each layer that a profile covers, including gaps between its horizons.

        Parameters
        ----------
        layers_cm : sequence of (top, bottom)
            Limits of each layer, in cm.
        slices : {"top"}, optional
            By default f is integrated exactly; "top" averages f at the top of each 1 cm slice, as mpspline2 does
            (whole cm only).
        clip : (lowest, highest), optional
            Limits of the means, in the unit of the values; with slices="top" of the slices, as mpspline2 does with
            0, 1000.

        Returns
        -------
        LayerMeans
            The coverage of a layer is the share of its thickness between the top of the first horizon and the bottom
            of the last.

        Raises
        ------
        RecipeError
            If the layers or the limits of `clip` are not valid, or the layers are not of whole cm with slices="top".

        Examples
        --------
        >>> spline = fit_depth_splines(np.array([0.0]), np.array([30.0]), np.array([2.4]), np.array([0]))
        >>> spline.layer_means([(0, 5), (15, 45), (60, 100)]).mean.tolist()
        [[2.4, 2.4, nan]]
        """
        layers = checked_layers(layers_cm)
        if slices not in (None, "top"):
            raise RecipeError(
                "layers", problem=f"slices={slices!r} is not valid", expected='None or "top"', way_out="use one of them"
            )
        if clip is not None and not clip[0] < clip[1]:
            raise RecipeError(
                "layers",
                found=f"clip {clip[0]:g} to {clip[1]:g}",
                expected="the lower end first",
                way_out="give the range that the property can have, such as 0 100",
            )
        if slices == "top":
            integral, covered = self._sum_slices(layers, clip)
        else:
            integral, covered = self._integrate(layers)
        with np.errstate(invalid="ignore"):  # 0 / 0: a layer without soil has no mean
            mean = integral / covered
        if clip is not None and slices is None:
            mean = np.clip(mean, *clip)
        # Horizons that overlap within DEPTH_TOLERANCE_CM are counted slightly more than once.
        return LayerMeans(mean, np.minimum(covered / np.diff(layers).T, 1.0))

    def at(self, depth_cm: float) -> np.ndarray:
        """Evaluate the splines at one depth.

        Parameters
        ----------
        depth_cm : float

        Returns
        -------
        ndarray of shape (profile,)
            Values of f; NaN above the first horizon, and from the bottom of the last one downwards.

        Examples
        --------
        >>> spline = fit_depth_splines(np.array([0.0]), np.array([30.0]), np.array([2.4]), np.array([0]))
        >>> spline.at(0), spline.at(30)
        (array([2.4]), array([nan]))
        """
        t = depth_cm - self.start_cm
        inside = (t >= 0) & (t < self.thickness_cm)
        value = self._sum_pieces(np.where(inside, self.level + t * (self.slope + t * self.curve), 0.0))
        return np.where(self._sum_pieces(inside.astype(np.float64)) > 0, value, np.nan)

    def _integrate(self, layers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the integrals of f over the layers `(profile, layer)` in value x cm, and the covered cm."""
        integral, covered = np.zeros((2, self.n_profiles, len(layers)))
        for column, (top, bottom) in enumerate(layers):
            t0 = np.clip(top - self.start_cm, 0, self.thickness_cm)
            t1 = np.clip(bottom - self.start_cm, 0, self.thickness_cm)
            width = t1 - t0
            # The width is factored out: differences of cubes would lose digits in thin layers of deep profiles.
            mean = self.level + self.slope * (t0 + t1) / 2 + self.curve * (t0 * t0 + t0 * t1 + t1 * t1) / 3
            integral[:, column] = self._sum_pieces(width * mean)
            covered[:, column] = self._sum_pieces(width)
        return integral, covered

    def _sum_slices(self, layers: np.ndarray, clip: tuple[float, float] | None) -> tuple[np.ndarray, np.ndarray]:
        """Return sums of f at the top of the 1 cm slices of each layer, and the number of slices `(profile, layer)`."""
        if (layers != np.round(layers)).any():
            raise RecipeError(
                "layers",
                found=f"limits {', '.join(f'{limit:g}' for limit in np.unique(layers))} cm",
                expected='whole cm with slices="top"',
                way_out="omit slices: exact means allow any limits",
            )
        total, count = np.zeros((2, self.n_profiles, len(layers)))
        for depth in range(int(layers.min()), int(layers.max())):
            value = self.at(depth)
            if clip is not None:
                value = np.clip(value, *clip)
            inside = (layers[:, 0] <= depth) & (depth < layers[:, 1])
            covered = np.isfinite(value)
            total[:, inside] += np.where(covered, value, 0.0)[:, None]
            count[:, inside] += covered[:, None]
        return total, count

    def _sum_pieces(self, numbers: np.ndarray) -> np.ndarray:
        """Return the sums `(profile,)` over the pieces of each profile, 0 for a profile without pieces."""
        sums = np.zeros(self.n_profiles)
        if self.first.size:
            sums[self.profiles] = np.add.reduceat(numbers, self.first)
        return sums


def fit_depth_splines(
    top_cm: np.ndarray,
    bottom_cm: np.ndarray,
    value: np.ndarray,
    profile: np.ndarray,
    *,
    smoothing: float = 0.1,
    n_profiles: int | None = None,
) -> DepthSplines:
    """Fit the equal-area spline of every profile at once.

    A profile of one horizon has a constant value over that horizon, and nothing is extrapolated.

    Parameters
    ----------
    top_cm, bottom_cm : ndarray of shape (horizon,)
        Limits of the horizons in cm below the surface, in any order.
    value : ndarray of shape (horizon,)
        Measured mean of each horizon.
    profile : ndarray of shape (horizon,), int
        Index of the profile of each horizon, from 0.
    smoothing : float
        The lambda of the papers, 0.1 in other software; 0 reproduces the mean of each horizon.
    n_profiles : int, optional
        Number of profiles, including those without a horizon (default: the largest index + 1).

    Returns
    -------
    DepthSplines

    Raises
    ------
    SamplesError
        If there is NaN, or a horizon has no thickness or overlaps another.
    RecipeError
        If the smoothing is negative.

    Examples
    --------
    >>> top, bottom = np.array([10.0, 0.0, 50.0]), np.array([30.0, 10.0, 80.0])
    >>> spline = fit_depth_splines(top, bottom, np.array([2.0, 4.0, 1.0]), np.array([0, 0, 0]), smoothing=0)
    >>> spline.fitted.tolist(), spline.at(50).round(3).tolist()
    ([2.0, 4.0, 1.0], [1.094])
    """
    if not (np.isfinite(smoothing) and smoothing >= 0):
        raise RecipeError("depth spline", found=f"smoothing {smoothing}", expected="0 or more", way_out="use 0.1")
    top, bottom, y = (np.asarray(a, dtype=np.float64) for a in (top_cm, bottom_cm, value))
    profile = np.asarray(profile, dtype=np.int64)
    order = np.lexsort((top, profile))
    top, bottom, y, profile = top[order], bottom[order], y[order], profile[order]
    inner = np.flatnonzero(profile[1:] == profile[:-1])  # the horizon above each knot
    _check(top, bottom, y, profile, inner)
    thickness, below = bottom - top, inner + 1
    gap = np.zeros(len(y))
    gap[inner] = np.maximum(top[below] - bottom[inner], 0.0)

    first = np.flatnonzero(np.diff(profile, prepend=-1))
    sizes = np.diff(first, append=len(y))
    weight = np.repeat(sizes * smoothing, sizes)
    slope_below = np.zeros(len(y))  # f' from the bottom of a horizon to the top of the next
    if inner.size:
        # One extra row, 1 x = 0, because LAPACK's ptsv refuses a single equation.
        banded, right = np.zeros((2, inner.size + 1)), np.zeros(inner.size + 1)
        banded[1, -1] = 1.0
        banded[1, :-1] = 2 * (thickness[inner] + thickness[below]) + 6 * gap[inner] + 12 * weight[inner]
        # Neighbouring knots share a horizon; where the next knot belongs to another profile, the coupling is 0.
        joined = np.flatnonzero(np.diff(inner) == 1)
        banded[0, joined + 1] = thickness[below[joined]] - 6 * weight[below[joined]]
        right[:-1] = 6 * (y[below] - y[inner])
        slope_below[inner] = solveh_banded(banded, right, check_finite=False)[:-1]
    slope = np.zeros(len(y))
    slope[below] = slope_below[inner]
    curve = (slope_below - slope) / (2 * thickness)
    mean = y - weight * (slope - slope_below)  # s = y - n lambda Q' b
    level = mean - slope * thickness / 2 - curve * thickness**2 / 3

    fitted = np.empty(len(y))
    fitted[order] = mean
    ends = level + thickness * (slope + thickness * curve)

    def pieces(of_horizons: np.ndarray, of_gaps: np.ndarray) -> np.ndarray:
        return np.stack([of_horizons, of_gaps], axis=1).ravel()

    return DepthSplines(
        fitted=fitted,
        start_cm=pieces(top, bottom),
        thickness_cm=pieces(thickness, gap),
        level=pieces(level, ends),
        slope=pieces(slope, slope_below),
        curve=pieces(curve, np.zeros(len(y))),
        first=2 * first,
        profiles=profile[first],
        n_profiles=int(profile.max(initial=-1)) + 1 if n_profiles is None else n_profiles,
    )


def checked_layers(layers_cm: Sequence[tuple[float, float]]) -> np.ndarray:
    """Check the limits of layers.

    Parameters
    ----------
    layers_cm : sequence of (top, bottom)

    Returns
    -------
    ndarray of shape (layer, 2)
        Top and bottom in cm.

    Raises
    ------
    RecipeError
        If a top is negative or not above its bottom.

    Examples
    --------
    >>> checked_layers([(0, 5), (5, 15)]).tolist()
    [[0.0, 5.0], [5.0, 15.0]]
    """
    layers = np.asarray(layers_cm, dtype=np.float64)
    paired = layers.ndim == 2 and layers.shape[1] == 2 and len(layers) > 0
    if not (paired and np.isfinite(layers).all() and (layers[:, 0] >= 0).all() and (np.diff(layers) > 0).all()):
        raise RecipeError(
            "layers",
            found=f"{layers_cm}",
            expected="(top, bottom) of each layer in cm, with 0 <= top < bottom",
            way_out="give, for instance, (0, 5), (5, 15)",
        )
    return layers


def _check(top: np.ndarray, bottom: np.ndarray, y: np.ndarray, profile: np.ndarray, inner: np.ndarray) -> None:
    """Raise SamplesError if a spline cannot be fitted to sorted horizons."""
    faults = {
        "a negative profile index": profile < 0,
        "a depth or value that is not a finite number": ~(np.isfinite(top) & np.isfinite(bottom) & np.isfinite(y)),
        "a horizon without thickness": ~(bottom > top),
        "horizons that overlap": np.zeros(len(y), bool),
    }
    faults["horizons that overlap"][inner] = top[inner + 1] < bottom[inner] - DEPTH_TOLERANCE_CM
    for fault, rows in faults.items():
        if rows.any():
            row = np.flatnonzero(rows)[0]
            raise SamplesError(
                f"profile {profile[row]}",
                found=f"{fault} ({top[row]:g}-{bottom[row]:g} cm, value {y[row]:g})",
                expected="horizons with a value and top above bottom that do not overlap",
                way_out="correct or remove the horizon",
            )
