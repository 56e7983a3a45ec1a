"""Dissimilarities between spectra, in the conventions of the R package resemble."""

from __future__ import annotations

import numpy as np


def euclidean_dissimilarity(X: np.ndarray, Y: np.ndarray) -> np.ndarray:
    """Compute the root of the mean squared difference over the bands.

    The mean is taken instead of the sum, so that the result does not grow with the number of bands.

    Parameters
    ----------
    X : ndarray of shape (n, band)
    Y : ndarray of shape (m, band)
        In the unit of `X`.

    Returns
    -------
    ndarray of shape (n, m)
        Dissimilarities in the unit of `X`.

    Examples
    --------
    >>> euclidean_dissimilarity(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).round(6).tolist()
    [[3.535534]]
    """
    mean = Y.mean(axis=0)  # distances do not change, and the products below cancel fewer digits
    X, Y = X - mean, Y - mean
    squared = np.sum(X * X, axis=1)[:, None] + np.sum(Y * Y, axis=1) - 2 * (X @ Y.T)
    return np.sqrt(np.clip(squared, 0, None) / X.shape[1])


def correlation_dissimilarity(X: np.ndarray, Y: np.ndarray, *, together: bool = True) -> np.ndarray:
    """Compute (1 - r) / 2, where r is the correlation of two spectra over the bands.

    Parameters
    ----------
    X : ndarray of shape (n, band)
    Y : ndarray of shape (m, band)
    together : bool
        Whether spectra are first centred on the mean of the rows of both, as resemble does, or of `X` alone.

    Returns
    -------
    ndarray of shape (n, m)
        Dissimilarities from 0 to 1, without unit; 0.5 for a flat spectrum, which has no correlation.

    Examples
    --------
    >>> correlation_dissimilarity(np.array([[0.0, 2.0, 1.0]]), np.array([[2.0, 0.0, 1.0]])).round(6).tolist()
    [[1.0]]
    """
    X, Y = _centred(X, Y, together)
    X, Y = (Z - Z.mean(axis=1, keepdims=True) for Z in (X, Y))
    return (1 - _cosine(X, Y)) / 2


def cosine_dissimilarity(X: np.ndarray, Y: np.ndarray, *, together: bool = True) -> np.ndarray:
    """Compute the angle between two spectra that are centred as in `correlation_dissimilarity`.

    Parameters
    ----------
    X : ndarray of shape (n, band)
    Y : ndarray of shape (m, band)
    together : bool
        Whether spectra are centred on the mean of the rows of both or of `X` alone.

    Returns
    -------
    ndarray of shape (n, m)
        Angles in radians, 0 to pi.

    Examples
    --------
    >>> cosine_dissimilarity(np.array([[0.0, 2.0], [2.0, 2.0]]), np.array([[1.0, 1.0]])).shape
    (2, 1)
    """
    return np.arccos(np.clip(_cosine(*_centred(X, Y, together)), -1, 1))


def pca_dissimilarity(
    X: np.ndarray, Y: np.ndarray, n_components: int | float = 0.99, *, together: bool = True
) -> np.ndarray:
    """Compute the root of the mean squared difference of unit-variance principal component scores (Mahalanobis).

    Parameters
    ----------
    X : ndarray of shape (n, band)
    Y : ndarray of shape (m, band)
    n_components : int or float
        The number of components, or below 1 the share of the variance that they must explain at least.
    together : bool
        Whether the components are those of the rows of both or of `X` alone.

    Returns
    -------
    ndarray of shape (n, m)
        Dissimilarities without unit.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [2.0, 0.1], [4.0, 0.0]])
    >>> pca_dissimilarity(X, X[:1], 1, together=False).round(6).tolist()  # a standard deviation is 2
    [[0.0], [1.0], [2.0]]
    """
    X, Y = _centred(X, Y, together)
    rows = np.concatenate([X, Y]) if together else X
    axes, rank, count = principal_axes(rows, n_components)
    axes = axes[:, : max(1, min(int(count), rank))]
    scale = np.std(rows @ axes, axis=0, ddof=1)
    scale[scale == 0] = 1.0
    return euclidean_dissimilarity(X @ axes / scale, Y @ axes / scale)


def principal_axes(centred: np.ndarray, n_components: int | float | None = None) -> tuple[np.ndarray, int, int | float]:
    """Compute the principal axes of centred rows.

    Parameters
    ----------
    centred : ndarray of shape (n, band)
        Rows whose mean is zero.
    n_components : int or float, optional
        The number of components, or below 1 the share of the variance that they must explain at least (default:
        the rank).

    Returns
    -------
    axes : ndarray of shape (band, band)
        The axes as columns, that of the largest variance first.
    rank : int
    count : int or float
        The number of components that `n_components` requests.

    Examples
    --------
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
