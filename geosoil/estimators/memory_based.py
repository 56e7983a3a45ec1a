"""Memory-based learning: every row is predicted by a small model of the library rows most like it."""

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
    """Weighted-average PLS on the k nearest rows of a library, the `mbl` of R resemble (Ramirez-Lopez et al. 2013).

    X `(sample, band)` preprocessed spectra, y `(sample,)`. The models of min_components to max_components are averaged
    with weights 1 / (RMS of the row's spectral residual x RMS of the coefficients); equal numbers give plain local
    PLS. Predictions are held to the range of y among the neighbours unless `clip` is off.

    k: neighbours, or several of which `fit` takes the one with the least error of nearest-neighbour validation.
    dissimilarity: "pca" (Mahalanobis on scores; n_components of them, or the share they explain), "correlation" or
    "cosine". together: take centre and components of the dissimilarity from the library and the rows to predict, as
    resemble does; a prediction then depends on the other rows, so it is off by default.

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
        """Keep the library and choose k; `validation_rmse_` `(k,)` holds the error of each, in the unit of y.

        targets `(m, band)`: spectra of the site, contents unknown; the library row nearest to each is left out and
        predicted. Without targets 100 rows of the library, drawn by the seed, are. Several k above the library's size
        are refused with SamplesError only where none fits.
        """
        X, y = self._training_rows(X, y, 5)
        asked = sorted({self.k} if isinstance(self.k, int) else set(self.k))
        self._check_settings(asked)
        possible = [k for k in asked if k <= len(y)]
        if not possible:
            raise SamplesError(
                "library", found=f"{len(y)} rows for k={asked[0]}", expected="k or more", way_out="choose a smaller k"
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
        with threadpool_limits(1):  # nothing here is long enough to share
            if self.dissimilarity == "pca":
                apart = pca_dissimilarity(self.library_, X, self.n_components, together=self.together)
            elif self.dissimilarity == "correlation":
                apart = correlation_dissimilarity(self.library_, X, together=self.together)
            else:
                apart = cosine_dissimilarity(self.library_, X, together=self.together)
        return np.argsort(apart.T, axis=1, kind="stable")[:, :k]

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
        each = fits.y_mean[:, None] + np.cumsum(scores * fits.y_loadings, axis=1)
        rebuilt = np.cumsum(scores[:, :, None] * fits.loadings, axis=1)
        residual = np.sqrt(np.mean((centred[:, None] - rebuilt) ** 2, axis=2))
        size = np.sqrt(np.mean(fits.coefficients**2, axis=2))
        weight = 1 / np.maximum(residual * size, np.finfo(np.float64).tiny)
        used = slice(min(self.min_components, most) - 1, most)
        weight = weight[:, used] / weight[:, used].max(axis=1, keepdims=True)
        predicted = np.sum(weight * each[:, used], axis=1) / weight.sum(axis=1)
        return np.clip(predicted, y.min(axis=1), y.max(axis=1)) if self.clip else predicted

    def _check_settings(self, asked: list[int]) -> None:
        if (
            not asked
            or asked[0] < 4
            or not 1 <= self.min_components <= self.max_components
            or self.dissimilarity not in get_args(Dissimilarity)
        ):
            raise RecipeError(
                "memory-based learning",
                found=f"k={asked}, components {self.min_components} to {self.max_components}, {self.dissimilarity}",
                expected=f"k of 4 or more, components in order, one of {', '.join(get_args(Dissimilarity))}",
                way_out="change these",
            )
