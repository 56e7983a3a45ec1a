"""Spiked PLS regression: the samples of a site are added to a library with extra weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geosoil.estimators.base import LinearRegressor, require_samples
from geosoil.numerics.pls import fit_pls

if TYPE_CHECKING:
    from collections.abc import Sequence


class SpikedPLS(LinearRegressor):
    """PLS regression on a library and w copies of each row of a site, averaged over w and the number of components.

    Each model (a weight w and a number of components) is validated by leaving out rows of the site only; the library
    is always complete. Thirty samples cannot identify the best model, so all are averaged with weights proportional to
    1 / MSE^sharpness. On ten real sites this reduced the RMSE by 4 to 5 % compared with the single best model. The
    average of linear models is again a linear model.

    Parameters
    ----------
    weights : sequence of int
        Numbers of copies w of the rows of the site.
    alone : bool
        Include models of the site without the library.
    max_components : int
        Largest number of PLS components.
    sharpness : float
        Exponent of the weights of the average.
    n_folds : int
        Folds of the cross-validation.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    share_ : ndarray of shape (weight, component)
        Weight of each model in the average; the last row is the site alone.
    cross_validated_rmse_ : float
        RMSE of the best single model in the unit of y.

    References
    ----------
    Guerrero et al. 2014, European Journal of Soil Science 65, 248-263.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 3))
    >>> of_site = np.arange(50) >= 40
    >>> y = np.where(of_site, X @ [0.0, 2.0, 0.0], X @ [1.0, 0.0, 0.0])  # the site differs from the library
    >>> model = SpikedPLS(max_components=3).fit(X, y, of_site)
    >>> bool(model.share_[-1].sum() > 0.99), model.predict([[0.0, 1.0, 0.0]]).round(2).tolist()
    (True, [2.0])
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "coef_",
        "intercept_",
        "share_",
        "cross_validated_rmse_",
    )

    def __init__(
        self,
        *,
        weights: Sequence[int] = (1, 4, 16, 64),
        alone: bool = True,
        max_components: int = 15,
        sharpness: float = 2.0,
        n_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.weights = weights
        self.alone = alone
        self.max_components = max_components
        self.sharpness = sharpness
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, of_site: np.ndarray) -> SpikedPLS:
        """Validate and average the models.

        Parameters
        ----------
        X : ndarray of shape (sample, band)
            Preprocessed spectra.
        y : ndarray of shape (sample,)
            Target in its unit.
        of_site : ndarray of bool of shape (sample,)
            True for rows of the site, False for rows of the library.

        Raises
        ------
        SamplesError
            If the site has fewer rows than folds.
        """
        X, y = self._training_rows(X, y, 2)
        site, library = np.flatnonzero(of_site), np.flatnonzero(~np.asarray(of_site, dtype=bool))
        require_samples("site", len(site), self.n_folds)
        X = np.asarray(X, np.float64)
        folds = np.random.default_rng(self.random_state).permutation(len(site)) % self.n_folds
        mixtures = [(library, weight) for weight in self.weights] + ([(library[:0], 1)] if self.alone else [])
        squared = np.full((len(mixtures), self.max_components), np.inf)
        coefficients = np.zeros((len(mixtures), self.max_components, X.shape[1]))
        intercepts = np.zeros((len(mixtures), self.max_components))
        for i, (rows, weight) in enumerate(mixtures):
            error = np.full((self.max_components, len(site)), np.inf)
            for fold in range(self.n_folds):
                training, held_out = np.append(rows, np.repeat(site[folds != fold], weight)), site[folds == fold]
                most = min(self.max_components, X.shape[1], len(rows) + int((folds != fold).sum()) - 1)
                predicted = fit_pls(X[training], y[training], most).predict(X[held_out])
                error[:most, folds == fold] = predicted - y[held_out]
            squared[i] = np.mean(error**2, axis=1)
            training = np.append(rows, np.repeat(site, weight))
            most = int(np.isfinite(squared[i]).sum())
            fits = fit_pls(X[training], y[training], most)
            coefficients[i, :most], intercepts[i, :most] = fits.coefficients, fits.intercepts
        least = max(float(squared.min()), np.finfo(np.float64).tiny)
        share = (least / np.maximum(squared, least)) ** self.sharpness
        self.share_ = share / share.sum()
        self.coef_ = np.tensordot(self.share_, coefficients, 2)
        self.intercept_ = float(np.sum(self.share_ * intercepts))
        self.cross_validated_rmse_ = float(np.sqrt(squared.min()))
        return self
