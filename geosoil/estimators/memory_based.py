"""Memory-based learning: each row is predicted by a local model of the most similar rows of a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.base import Regressor
from geosoil.numerics.distances import correlation_dissimilarity, cosine_dissimilarity, pca_dissimilarity
from geosoil.numerics.pls import fit_pls

if TYPE_CHECKING:
    from collections.abc import Sequence

Dissimilarity = Literal["pca", "correlation", "cosine"]
_FITS_AT_ONCE = 32
_VALIDATED_ROWS = 100


class MemoryBased(Regressor):
    """Weighted-average PLS on the k nearest rows of a library, as `mbl` of the R package resemble.

    The PLS models of min_components to max_components are averaged with weights
    1 / (RMS of the row's spectral residual x RMS of the coefficients).

    Parameters
    ----------
    k : int or sequence of int
        Number of neighbours. Of several, `fit` chooses the one with the smallest error of nearest-neighbour validation.
    min_components, max_components : int
        PLS components; equal numbers give plain local PLS.
    dissimilarity : {"pca", "correlation", "cosine"}
        "pca" is the Mahalanobis distance of principal-component scores.
    n_components : int or float
        Principal components: a number (int) or the share of variance that they explain (float).
    together : bool
        Compute the centre and components of the dissimilarity from the library and the rows to predict, as resemble
        does. A prediction then depends on the other rows.
    clip : bool
        Limit predictions to the range of y among the neighbours.
    random_state : int
        Seed.

    Attributes
    ----------
    k_ : int
        Number of neighbours used.
    validation_rmse_ : ndarray of shape (k,)
        Error of each k, in the unit of the target; NaN without a choice.

    References
    ----------
    Ramirez-Lopez et al. 2013, Geoderma 195-196, 268-279.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> model = MemoryBased(k=20, min_components=2, max_components=3).fit(X, X @ [1.0, 2.0, 3.0])
    >>> bool(abs(model.predict(X[:1])[0] - X[0] @ [1.0, 2.0, 3.0]) < 0.2)
    True
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "library_", "contents_", "k_", "validation_rmse_")

    def __init__(
        self,
        *,
        k: int | Sequence[int] = (50, 100, 200),
        min_components: int = 3,
        max_components: int = 15,
        dissimilarity: Dissimilarity = "pca",
        n_components: int | float = 0.99,
        together: bool = False,
        clip: bool = True,
        random_state: int = 0,
    ) -> None:
        self.k = k
        self.min_components = min_components
        self.max_components = max_components
        self.dissimilarity = dissimilarity
        self.n_components = n_components
        self.together = together
        self.clip = clip
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, targets: np.ndarray | None = None) -> MemoryBased:
        """Store the library and choose k.

        Parameters
        ----------
        X : ndarray of shape (sample, band)
            Preprocessed spectra of the library.
        y : ndarray of shape (sample,)
            Property.
        targets : ndarray of shape (site sample, band), optional
            Spectra of the site. To choose k, the library row nearest to each of them is left out and predicted; by
            default 100 random rows of the library take their place.

        Raises
        ------
        SamplesError
            If the library is smaller than each k.
        """
        X, y = self._training_rows(X, y, 5)
        candidates = sorted({self.k} if isinstance(self.k, int) else set(self.k))
        self._check_settings(candidates)
        possible = [k for k in candidates if k <= len(y)]
        if not possible:
            raise SamplesError(
                "library",
                found=f"{len(y)} rows",
                expected=f"at least {candidates[0]}, the smallest k",
                way_out="choose a smaller k",
            )
        self.library_, self.contents_ = np.asarray(X, np.float64), y
        self.k_, self.validation_rmse_ = possible[-1], np.full(len(possible), np.nan)
        if len(possible) > 1:
            self.validation_rmse_ = self._nearest_neighbour_validation(possible, targets)
            self.k_ = possible[int(np.argmin(self.validation_rmse_))]
        return self

    def _nearest_neighbour_validation(self, possible: list[int], targets: np.ndarray | None) -> np.ndarray:
        if targets is None:
            count = min(_VALIDATED_ROWS, len(self.contents_))
            rows = np.random.default_rng(self.random_state).permutation(len(self.contents_))[:count]
            targets = self.library_[rows]
        nearest = self._nearest(np.asarray(targets, np.float64), possible[-1])
        left_out = nearest[:, 0]
        errors = [self._local(self.library_[left_out], nearest[:, 1:k]) - self.contents_[left_out] for k in possible]
        return np.sqrt(np.mean(np.square(errors), axis=1))

    def _predict(self, X: np.ndarray) -> np.ndarray:
        X = np.asarray(X, np.float64)
        return self._local(X, self._nearest(X, self.k_))

    def _nearest(self, X: np.ndarray, k: int) -> np.ndarray:
        """Return the k nearest rows of the library `(sample, k)`, nearest first."""
        with threadpool_limits(1):  # the computations are too short to gain from threads
            if self.dissimilarity == "pca":
                distance = pca_dissimilarity(self.library_, X, self.n_components, together=self.together)
            elif self.dissimilarity == "correlation":
                distance = correlation_dissimilarity(self.library_, X, together=self.together)
            else:
                distance = cosine_dissimilarity(self.library_, X, together=self.together)
        return np.argsort(distance.T, axis=1, kind="stable")[:, :k]

    def _local(self, X: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        """Predict each row of X `(sample, band)` from its own neighbours `(sample, k)`."""
        predicted = np.empty(len(X))
        with threadpool_limits(1):
            for i in range(0, len(X), _FITS_AT_ONCE):
                rows = neighbours[i : i + _FITS_AT_ONCE]
                predicted[i : i + len(rows)] = self._weighted_average(X[i : i + len(rows)], rows)
        return predicted

    def _weighted_average(self, X: np.ndarray, neighbours: np.ndarray) -> np.ndarray:
        y = self.contents_[neighbours]
        most = min(self.max_components, neighbours.shape[1] - 1, X.shape[1])
        fits = fit_pls(self.library_[neighbours], y, most)
        centred = X - fits.x_mean
        scores = (fits.rotations @ centred[:, :, None])[:, :, 0]
        by_components = fits.y_mean[:, None] + np.cumsum(scores * fits.y_loadings, axis=1)
        reconstructed = np.cumsum(scores[:, :, None] * fits.loadings, axis=1)
        residual = np.sqrt(np.mean((centred[:, None] - reconstructed) ** 2, axis=2))
        size = np.sqrt(np.mean(fits.coefficients**2, axis=2))
        weight = 1 / np.maximum(residual * size, np.finfo(np.float64).tiny)
        used = slice(min(self.min_components, most) - 1, most)
        weight = weight[:, used] / weight[:, used].max(axis=1, keepdims=True)
        predicted = np.sum(weight * by_components[:, used], axis=1) / weight.sum(axis=1)
        return np.clip(predicted, y.min(axis=1), y.max(axis=1)) if self.clip else predicted

    def _check_settings(self, candidates: list[int]) -> None:
        if (
            not candidates
            or candidates[0] < 4
            or not 1 <= self.min_components <= self.max_components
            or self.dissimilarity not in get_args(Dissimilarity)
        ):
            raise RecipeError(
                "memory-based learning",
                found=f"k={candidates}, components {self.min_components} to {self.max_components}, "
                f"dissimilarity {self.dissimilarity}",
                expected="k of 4 or more, min_components up to max_components and a dissimilarity of "
                + ", ".join(get_args(Dissimilarity)),
                way_out="change these parameters",
            )
