"""Partial least squares for one target, as CARS, RS-LOCAL, memory-based learning and cross-validation use it.

PLS1 is Golub-Kahan bidiagonalisation that starts at X'y [1]_. With the scores and weights reorthogonalised it is the
fastest of the accurate algorithms that [2]_ compares. It yields the coefficients for 1, 2, .., A components in one
sweep, and each of its steps is one product with X, so many fits (subsets of rows, folds, subsets of features) run at
once.

References
----------
.. [1] Eldén (2004), Computational Statistics & Data Analysis 46, 11-31.
.. [2] Björck & Indahl (2017), Journal of Chemometrics 31, e2898.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS_AT_ONCE = 2**20  # of a batch, 8 MiB: large enough to hide Python's overhead, small enough for the cache


@dataclass(frozen=True)
class PLSFits:
    """PLS models of 1 to A components; with a stack of fits every array has a leading axis `fit`.

    The scores of x are `(x - x_mean) / x_scale @ rotations.T` and have unit length on the training rows. A component
    beyond the rank of X is 0 everywhere, so the models with more components repeat the last real one.

    Attributes
    ----------
    x_mean : ndarray of shape (p,)
        Means of the features, in their units.
    x_scale : ndarray of shape (p,)
        Divisors of the features, in their units: 1 without scaling, inf where a feature is left out.
    y_mean : ndarray of shape ()
        Mean of the target, in its unit.
    weights, rotations, loadings : ndarray of shape (A, p)
        Those of the centred and scaled X.
    y_loadings : ndarray of shape (A,)
        In the unit of y.
    """

    x_mean: np.ndarray
    x_scale: np.ndarray
    y_mean: np.ndarray
    weights: np.ndarray
    rotations: np.ndarray
    loadings: np.ndarray
    y_loadings: np.ndarray

    @property
    def coefficients(self) -> np.ndarray:
        """Coefficients `(.., A, p)` in units of y per unit of X; row a is the model of a + 1 components."""
        steps = self.rotations / self.x_scale[..., None, :] * self.y_loadings[..., None]
        return np.cumsum(steps, axis=-2, out=steps)

    @property
    def intercepts(self) -> np.ndarray:
        """Intercepts `(.., A)` in units of y."""
        return self.y_mean[..., None] - (self.coefficients @ self.x_mean[..., None])[..., 0]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict rows X `(n, p)` with every fit and every number of components; returns `(.., A, n)` in units of y."""
        coefficients = self.coefficients
        offset = self.y_mean[..., None] - (coefficients @ self.x_mean[..., None])[..., 0]
        return coefficients @ np.asarray(X, dtype=np.float64).T + offset[..., None]


def fit_pls(X: np.ndarray, y: np.ndarray, n_components: int, *, scale: bool = False) -> PLSFits:
    """Fit PLS models of 1 to `n_components` components to centred data.

    Parameters
    ----------
    X : ndarray of shape (n, p) or (fit, n, p)
        One set of rows, or a stack of equally large sets.
    y : ndarray of shape (n,) or (fit, n)
    n_components : int
        The largest number of components.
    scale : bool
        Whether each feature is divided by its standard deviation (n - 1); a constant feature then has the
        coefficient 0.

    Returns
    -------
    PLSFits

    Raises
    ------
    SamplesError
        If there are NaN or infinite numbers, or fewer than two rows.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0]])
    >>> fit_pls(X, X @ [2.0, -1.0] + 5.0, n_components=2).coefficients[1].round(12).tolist()
    [2.0, -1.0]
    """
    X, y = _checked(X, y, n_components)
    if X.ndim == 2:
        return _at(_fit_stack(X[None], y[None], n_components, scale), 0)
    batch = max(1, _NUMBERS_AT_ONCE // max(1, X[0].size))
    parts = [
        _fit_stack(X[i : i + batch], y[i : i + batch], n_components, scale) for i in range(0, max(1, len(X)), batch)
    ]
    return PLSFits(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(PLSFits)))


def cross_validated_predictions(
    X: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    n_components: int,
    *,
    scale: bool = False,
    features: np.ndarray | None = None,
) -> np.ndarray:
    """Predict each row with models that are fitted without its fold.

    Means and scales are those of the training rows of each fold.

    Parameters
    ----------
    X : ndarray of shape (n, p)
    y : ndarray of shape (n,)
    folds : array of shape (n,)
        The fold of each row, as any labels.
    n_components : int
        The largest number of components.
    scale : bool
        As in `fit_pls`.
    features : ndarray of shape (subset, p), bool, optional
        Subsets of the features, each of which is cross-validated.

    Returns
    -------
    ndarray of shape (A, n) or (subset, A, n)
        Predictions in units of y.

    Raises
    ------
    SamplesError
        If there are NaN or infinite numbers, fewer than two folds, or fewer than two rows outside a fold.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> cross_validated_predictions(X, 2.0 * X[:, 0], np.array([0, 1, 0, 1]), n_components=1).round(12).tolist()
    [[0.0, 2.0, 4.0, 6.0]]
    """
    X, y = _checked(X, y, n_components)
    training = np.unique(folds)[:, None] != np.asarray(folds)[None, :]
    if len(training) < 2 or training.sum(axis=1).min() < 2:
        raise SamplesError(
            "folds",
            found=f"{len(training)} folds of {len(y)} rows",
            expected="two folds or more, and two rows outside each",
            way_out="use fewer folds or more samples",
        )
    subsets = np.ones((1, X.shape[1]), dtype=bool) if features is None else np.asarray(features, dtype=bool)
    data = _Folds(X, y, training, scale)
    held_out = np.empty((len(subsets), n_components, len(y)))
    pairs = [(subset, fold) for subset in range(len(subsets)) for fold in range(len(training))]
    batch = max(1, _NUMBERS_AT_ONCE // (4 * n_components * X.shape[1]))  # a fit holds four such arrays
    for i in range(0, len(pairs), batch):
        subset, fold = np.array(pairs[i : i + batch]).T
        predicted = data.fit(fold, subsets[subset], n_components).predict(data.X)
        for j, (s, f) in enumerate(zip(subset, fold, strict=True)):
            out = ~training[f]
            held_out[s, :, out] = predicted[j][:, out].T
    return held_out[0] if features is None else held_out


def cross_validated_rmse(
    X: np.ndarray,
    y: np.ndarray,
    folds: np.ndarray,
    n_components: int,
    *,
    scale: bool = False,
    features: np.ndarray | None = None,
) -> np.ndarray:
    """Compute the RMSE of cross-validation, pooled over all rows.

    Parameters and errors are those of `cross_validated_predictions`.

    Returns
    -------
    ndarray of shape (A,) or (subset, A)
        RMSE in units of y.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> cross_validated_rmse(X, 2.0 * X[:, 0], np.array([0, 1, 0, 1]), n_components=1).round(12).tolist()
    [0.0]
    """
    predicted = cross_validated_predictions(X, y, folds, n_components, scale=scale, features=features)
    return np.sqrt(np.mean((predicted - np.asarray(y, dtype=np.float64)) ** 2, axis=-1))


def variable_importance(fits: PLSFits) -> np.ndarray:
    """Compute the variable importance in projection (VIP) with 1 to A components.

    VIP_j^2 = p sum_a w_aj^2 q_a^2 t_a't_a / sum_a q_a^2 t_a't_a (Wold et al. 1993); its mean square over features is 1.

    Parameters
    ----------
    fits : PLSFits

    Returns
    -------
    ndarray of shape (.., A, p)
        Importances, without unit.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [2.0, 1.0], [3.0, 0.0], [4.0, 1.0]])
    >>> variable_importance(fit_pls(X, X[:, 0], n_components=1)).round(4).tolist()
    [[1.3868, 0.2774]]
    """
    explained = fits.y_loadings[..., None] ** 2  # scores have unit length
    shares = np.cumsum(fits.weights**2 * explained, axis=-2) / np.cumsum(explained, axis=-2)
    return np.sqrt(fits.weights.shape[-1] * shares)


class _Folds:
    """One X `(n, p)`, its training rows `(fold, n)`, and their means and scales."""

    def __init__(self, X: np.ndarray, y: np.ndarray, training: np.ndarray, scale: bool) -> None:
        self.shift = X.mean(axis=0)
        self.X = X - self.shift  # so that subtracting a fold's mean afterwards cancels few digits
        self.training = training
        self.magnitude = np.abs(X).max(axis=0)
        self.x_mean = np.stack([self.X[rows].mean(axis=0) for rows in training])
        self.x_scale = np.stack([_scale(self.X[rows], self.magnitude, scale) for rows in training])
        self.y_mean = np.array([y[rows].mean() for rows in training])
        self.y = np.where(training, y - self.y_mean[:, None], 0.0)

    def fit(self, fold: np.ndarray, features: np.ndarray, n_components: int) -> PLSFits:
        """Fit the pairs of fold `(fit,)` and features `(fit, p)`; x_mean is that of the shifted X."""
        rows, x_mean = self.training[fold], self.x_mean[fold]
        x_scale = np.where(features, self.x_scale[fold], np.inf)

        def times(w: np.ndarray) -> np.ndarray:
            w = w / x_scale
            return (w @ self.X.T - np.sum(w * x_mean, axis=1, keepdims=True)) * rows

        def times_transposed(t: np.ndarray) -> np.ndarray:
            return (t @ self.X - x_mean * t.sum(axis=1, keepdims=True)) / x_scale

        noise = _noise(np.max(self.magnitude / x_scale, axis=1), self.X.shape)
        return PLSFits(
            x_mean,
            x_scale,
            self.y_mean[fold],
            *_bidiagonalise(times, times_transposed, self.y[fold], n_components, noise),
        )


def _fit_stack(X: np.ndarray, y: np.ndarray, n_components: int, scale: bool) -> PLSFits:
    x_mean, y_mean, magnitude = X.mean(axis=1), y.mean(axis=1), np.abs(X).max(axis=1)
    x_scale = _scale(X, magnitude, scale)
    X = X - x_mean[:, None]
    if scale:
        X /= x_scale[:, None]
    noise = _noise(np.max(magnitude / x_scale, axis=1), X.shape[1:])
    parts = _bidiagonalise(
        lambda w: (X @ w[:, :, None])[:, :, 0],
        lambda t: (t[:, None, :] @ X)[:, 0],
        y - y_mean[:, None],
        n_components,
        noise,
    )
    return PLSFits(x_mean, x_scale, y_mean, *parts)


def _bidiagonalise(
    times: Callable[[np.ndarray], np.ndarray],
    times_transposed: Callable[[np.ndarray], np.ndarray],
    y: np.ndarray,
    n_components: int,
    noise: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bidiagonalise a batch of X given as products: weights, rotations, loadings `(fit, A, p)`, y_loadings `(fit, A)`.

    `times` maps `(fit, p)` to `(fit, n)`, `times_transposed` the reverse; y `(fit, n)` is centred. A fit ends when the
    next vector is no longer than `noise` `(fit,)`, the length that rounding leaves of a null vector.

    The next weights are computed from the residual of y, not from the last loading as in the textbook recurrence:
    compared with extended precision that keeps four more digits on collinear spectra, for the same two products with X.
    """
    n_fits, n_rows = y.shape
    w = times_transposed(y)
    weights, rotations, loadings = (np.zeros((n_fits, n_components, w.shape[1])) for _ in range(3))
    scores, y_loadings = np.zeros((n_fits, n_components, n_rows)), np.zeros((n_fits, n_components))
    noise_of_w, alive = noise * _length(y), np.ones(n_fits, dtype=bool)
    for a in range(n_components):
        if a:
            w = _orthogonal(times_transposed(y), weights[:, :a])
        w, _, alive = _unit(w, noise_of_w, alive)
        t, rotation = times(w), w
        if a:
            above_diagonal = np.sum(t * scores[:, a - 1], axis=1, keepdims=True)  # of the bidiagonal matrix
            t = _orthogonal(t, scores[:, :a])
        t, diagonal, alive = _unit(t, noise, alive)
        if not alive.any():
            break
        w = w * alive[:, None]
        if a:
            above_diagonal *= alive[:, None]
            rotation = w - above_diagonal * rotations[:, a - 1]
            loadings[:, a - 1] += above_diagonal * w
        weights[:, a], scores[:, a], loadings[:, a] = w, t, diagonal * w
        rotations[:, a] = rotation * np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
        y_loadings[:, a] = np.sum(t * y, axis=1)
        y = y - y_loadings[:, a, None] * t
    loadings[:, -1] = times_transposed(scores[:, -1])  # the last component has no next weights
    return weights, rotations, loadings, y_loadings


def _orthogonal(v: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Subtract from v `(fit, k)` its part along the orthonormal rows of basis `(fit, a, k)`."""
    return v - ((basis @ v[:, :, None]).transpose(0, 2, 1) @ basis)[:, 0]


def _length(v: np.ndarray) -> np.ndarray:
    return np.sqrt(np.sum(v * v, axis=1))


def _unit(v: np.ndarray, noise: np.ndarray, alive: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scale v `(fit, k)` to unit length; returns unit vectors, lengths `(fit, 1)`, and which fits continue."""
    length = _length(v)
    alive = alive & (length > noise)
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=alive)
    return v * inverse[:, None], (length * alive)[:, None], alive


def _scale(X: np.ndarray, magnitude: np.ndarray, scale: bool) -> np.ndarray:
    """Return the divisor of each feature over the rows of X `(.., n, p)`: inf where the feature is constant."""
    if not scale:
        return np.ones_like(X[..., 0, :])
    deviation = X.std(axis=-2, ddof=1)
    return np.where(deviation > 4 * np.finfo(np.float64).eps * magnitude, deviation, np.inf)


def _noise(magnitude: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a bound of the spectral norm of the rounding errors of an X of this shape and largest number."""
    return 4 * np.finfo(np.float64).eps * magnitude * np.sqrt(np.prod(shape))


def _at(fits: PLSFits, index: int) -> PLSFits:
    return PLSFits(*(getattr(fits, f.name)[index] for f in fields(PLSFits)))


def _checked(X: np.ndarray, y: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if X.ndim not in (2, 3) or y.shape != X.shape[:-1] or X.shape[-2] < 2 or n_components < 1:
        raise SamplesError(
            "PLS",
            found=f"X of shape {X.shape}, y of shape {y.shape}, {n_components} components",
            expected="two rows or more, one y for each, and one component or more",
            way_out="check the table of samples",
        )
    if not (np.isfinite(X).all() and np.isfinite(y).all()):
        raise SamplesError(
            "PLS",
            found="NaN or infinite numbers in X or y",
            expected="finite numbers",
            way_out="drop these samples or bands first",
        )
    return X, y
