"""Dissimilarities between spectra, in the conventions of R resemble, and the nearest rows by them."""

from __future__ import annotations

import numpy as np


def euclidean_dissimilarity(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Return `(n, m)`: the root of the mean squared difference over the bands of X `(n, band)` and Y `(m, band)`.

    The mean, not the sum, so that it does not grow with the number of bands; in the unit of X.

    >>> euclidean_dissimilarity(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).round(6).tolist()
    [[3.535534]]
    """
    middle = Y.mean(axis=0)  # distances do not change, and the products below cancel fewer digits
    X, Y = X - middle, Y - middle
    squared = np.sum(X * X, axis=1)[:, None] + np.sum(Y * Y, axis=1) - 2 * (X @ Y.T)
    return np.sqrt(np.clip(squared, 0, None) / X.shape[1])


def correlation_dissimilarity(X: np.ndarray, Y: np.ndarray, *, together: bool = True) -> np.ndarray:
    """Return `(n, m)`: (1 - r) / 2 with r the correlation over the bands of X `(n, band)` and Y `(m, band)`; 0 to 1.

    Spectra are first centred on the mean of the rows of both, as resemble does, or of X alone (together=False).

    >>> correlation_dissimilarity(np.array([[0.0, 2.0, 1.0]]), np.array([[2.0, 0.0, 1.0]])).round(6).tolist()
    [[1.0]]
    """
    X, Y = _centred(X, Y, together)
    X, Y = (Z - Z.mean(axis=1, keepdims=True) for Z in (X, Y))
    return (1 - _cosine(X, Y)) / 2


def cosine_dissimilarity(X: np.ndarray, Y: np.ndarray, *, together: bool = True) -> np.ndarray:
    """Return `(n, m)`: the angle in radians between X `(n, band)` and Y `(m, band)`, centred as in correlation.

    >>> cosine_dissimilarity(np.array([[0.0, 2.0], [2.0, 2.0]]), np.array([[1.0, 1.0]])).shape
    (2, 1)
    """
    return np.arccos(np.clip(_cosine(*_centred(X, Y, together)), -1, 1))


def pca_dissimilarity(
    X: np.ndarray, Y: np.ndarray, n_components: int | float = 0.99, *, together: bool = True
) -> np.ndarray:
    """Return `(n, m)`: the root of the mean squared difference of unit-variance scores (Mahalanobis), without unit.

    The components are those of X `(n, band)` and Y `(m, band)` together, or of X alone (together=False): that many,
    or the fewest that explain this share below 1 of the variance.

    >>> X = np.array([[0.0, 0.0], [2.0, 0.1], [4.0, 0.0]])
    >>> pca_dissimilarity(X, X[:1], 1, together=False).round(6).tolist()  # a standard deviation is 2
    [[0.0], [1.0], [2.0]]
    """
    X, Y = _centred(X, Y, together)
    rows = np.concatenate([X, Y]) if together else X
    axes, rank, wanted = principal_axes(rows, n_components)
    axes = axes[:, : max(1, min(int(wanted), rank))]
    scale = np.std(rows @ axes, axis=0, ddof=1)
    scale[scale == 0] = 1.0
    return euclidean_dissimilarity(X @ axes / scale, Y @ axes / scale)


def principal_axes(centred: np.ndarray, n_components: int | float | None = None) -> tuple[np.ndarray, int, int | float]:
    """Return principal axes `(band, band)`, the most telling first, their rank, and how many are asked for.

    centred `(n, band)`. n_components: as it is, or the fewest that explain this share of the variance where below 1;
    None: the rank.

    >>> principal_axes(np.array([[-1.0, 0.0], [0.0, 0.1], [1.0, -0.1]]), 0.9)[1:]
    (2, 1)
    """
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    rank = int(np.sum(values > values[0] * 1e-13))  # squares: 3e-7 of the largest deviation
    if n_components is None:
        return vectors, rank, rank
    if 0 < n_components < 1:
        return vectors, rank, int(np.searchsorted(np.cumsum(values) / values.sum(), n_components) + 1)
    return vectors, rank, n_components


def _centred(X: np.ndarray, Y: np.ndarray, together: bool) -> tuple[np.ndarray, np.ndarray]:
    mean = np.concatenate([X, Y]).mean(axis=0) if together else X.mean(axis=0)
    return X - mean, Y - mean


def _cosine(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    lengths = np.outer(np.sqrt(np.sum(X * X, axis=1)), np.sqrt(np.sum(Y * Y, axis=1)))
    return np.divide(X @ Y.T, lengths, out=np.zeros(lengths.shape), where=lengths > 0)
