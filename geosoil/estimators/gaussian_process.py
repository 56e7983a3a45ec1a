"""Gaussian process regression with a sum of kernels over blocks of features."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from geosoil.estimators.base import Regressor
from geosoil.estimators.log_target import exponential, exponential_program
from geosoil.estimators.process_blocks import ScaledBlock, feature_blocks
from geosoil.estimators.process_fit import ProcessFit, choose_parameters, trend_columns
from geosoil.estimators.process_posterior import Kernel, Posterior
from geosoil.estimators.process_program import mean_program, moments_program
from geosoil.numerics.threads import one_thread_each
from geosoil.program.ops import Affine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.program.ops import Program


class GaussianProcess(Regressor):
    """Gaussian process whose covariance is a sum over blocks of features.

    Every block adds a linear kernel and a stationary kernel of the distance between its standardised features. The
    amplitudes, the lengths and the noise are those with the largest marginal likelihood under weak priors.

    Parameters
    ----------
    blocks : list of dict, optional
        The blocks of features: the keys are those of `FeatureBlock`, `name`, `columns` and optionally `kernel`,
        `linear`, `derivative` and `place`. By default all columns are one block.
    log : {"none", "always", "evidence"}
        Whether the logarithm of the target is modelled. "evidence" decides by the marginal likelihood, with the
        Jacobian of the logarithm, and keeps the target as it is where a value is not positive. Predictions are then
        multiplied by the mean of exp of the leave-one-out residuals (Duan 1983), so that they estimate the mean. Beyond
        the largest training value, predictions are extrapolated linearly instead of exponentially.
    trend : list of int, optional
        Columns of a linear trend whose coefficients, and an intercept, are estimated by generalised least squares. An
        empty list estimates the mean only, which is ordinary kriging. By default the mean is that of the training rows.
    fixed : dict, optional
        Hyper-parameters that are not estimated, for kriging with a known variogram: "noise" is the variance of the
        noise, and the name of each block a dict with "variance" and "length", and "linear" if it has a linear term.
        Variances have the squared unit of the target. The length of a block of place has the unit of its columns, that
        of another block is a share of the median distance of the training rows.
    n_inducing : int, optional
        Number of rows through which the process is approximated. By default it is exact up to 5000 rows, and has 1000
        inducing rows beyond.
    n_iterations : int
        Number of evaluations of the marginal likelihood.
    random_state : int
        Seed of the choice of the rows that decide the hyper-parameters where there are more than 1000, and of the
        inducing rows.

    Attributes
    ----------
    blocks_ : list of str
        Names of the blocks.
    lengths_ : ndarray of shape (n_blocks,)
        Lengths of the kernels, in the unit of the columns for place, otherwise as a share of the median distance.
    variance_shares_ : ndarray of shape (n_blocks + 1,)
        Shares of the prior variance over the training rows that the blocks and, last, the noise explain.
    noise_variance_ : float
        Variance of the noise that is common to all rows, in the squared unit of the (transformed) target.
    log_ : bool
        Whether the logarithm of the target is modelled.
    largest_log_ : float or None
        Largest logarithm of the training values, if the logarithm is modelled.
    evidence_ : float
        Logarithm of the marginal likelihood of the target.
    loo_prediction_, loo_variance_ : ndarray of shape (sample,)
        Prediction of each training row from the others by the same hyper-parameters, and its variance with noise, in
        the unit of the target and its square. They are not stored with a model.

    References
    ----------
    Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equations 2.25, 2.26, 2.42, 5.8, 5.12. Titsias
    2009, AISTATS, for inducing rows.

    Examples
    --------
    >>> X = np.linspace(0, 6, 40)[:, None]
    >>> process = GaussianProcess().fit(X, np.sin(X[:, 0]))
    >>> process.predict([[1.0]]).round(2).tolist(), float(np.sin(1.0).round(2))
    ([0.84], 0.84)
    >>> mean, deviation = process.predict([[1.0], [30.0]], return_std=True)
    >>> bool(deviation[0] < 0.1), bool(deviation[1] > 0.3)
    (True, True)
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "blocks_",
        "centre_",
        "scale_",
        "linear_scale_",
        "parameters_",
        "rows_",
        "weights_",
        "whitening_",
        "trend_weights_",
        "trend_whitening_",
        "target_mean_",
        "target_spread_",
        "log_",
        "smearing_",
        "largest_log_",
        "lengths_",
        "variance_shares_",
        "noise_variance_",
        "evidence_",
    )
    fitted_later: ClassVar[dict[str, Any]] = {"largest_log_": None}

    def __init__(
        self,
        *,
        blocks: list[dict[str, Any]] | None = None,
        log: Literal["none", "always", "evidence"] = "none",
        trend: list[int] | None = None,
        fixed: dict[str, Any] | None = None,
        n_inducing: int | None = None,
        n_iterations: int = 100,
        random_state: int = 0,
    ) -> None:
        self.blocks = blocks
        self.log = log
        self.trend = trend
        self.fixed = fixed
        self.n_inducing = n_inducing
        self.n_iterations = n_iterations
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, noise_sd: np.ndarray | None = None) -> GaussianProcess:
        """Choose the hyper-parameters and fit to all rows.

        Parameters
        ----------
        X : ndarray of shape (sample, feature)
            Features in their units; they are standardised inside.
        y : ndarray of shape (sample,)
            Target in its unit.
        noise_sd : ndarray of shape (sample,), optional
            Standard error of each value of y, for example of the laboratory, in the unit of the target.

        Raises
        ------
        SamplesError
            For fewer than 10 rows, NaN, more inducing rows than rows, a block without any variation, or values whose
            logarithm does not exist.
        RecipeError
            For parameters that do not fit together.
        """
        return fit_processes([self], [(X, y)], noise_sd=None if noise_sd is None else [noise_sd])[0]

    def predict(self, X: np.ndarray, return_std: bool = False) -> Any:
        """Predict the target, and on request its standard deviation.

        Parameters
        ----------
        X : ndarray of shape (sample, feature)
            Rows in the features' units.
        return_std : bool
            Whether the standard deviation of a new measurement is returned as well; it contains the noise.

        Returns
        -------
        ndarray of shape (sample,), or two of them
            Predictions in the unit of the target; NaN for rows with NaN or infinity, and for flat spectra where a
            block takes the derivative of the standardised spectrum.
        """
        mean = super().predict(X)
        if not return_std:
            return mean
        X = np.asarray(X)
        deviation = np.full(len(X), np.nan)
        complete = np.isfinite(mean)
        if complete.any():
            latent, variance = self.latent(X[complete])
            deviation[complete] = self.to_target(latent, variance + self.noise_variance_)[1]
        return mean, deviation

    def _predict(self, X: np.ndarray) -> np.ndarray:
        mean, _ = self._standard_moments(X, with_variance=False)
        return self.to_target(self.target_mean_ + self.target_spread_ * mean, None)[0]

    def latent(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the variance of the process without noise, in the unit of the (transformed) target.

        Parameters
        ----------
        X : ndarray of shape (sample, feature)
            Rows in the features' units, without NaN.

        Returns
        -------
        mean : ndarray of shape (sample,)
        variance : ndarray of shape (sample,)
        """
        mean, variance = self._standard_moments(np.asarray(X), with_variance=True)
        variance = self.target_spread_**2 * np.maximum(variance, 0)
        return self.target_mean_ + self.target_spread_ * mean, variance

    def to_target(self, mean: np.ndarray, variance: np.ndarray | None) -> tuple[np.ndarray, Any]:
        """Return predictions and standard deviations in the unit of the target.

        Parameters
        ----------
        mean, variance : ndarray
            Mean and variance of the (transformed) target; None for no variance.

        Returns
        -------
        prediction : ndarray
        deviation : ndarray or None
        """
        if not self.log_:
            return mean, None if variance is None else np.sqrt(variance)
        prediction = exponential(mean, self.largest_log_) * self.smearing_
        return prediction, None if variance is None else prediction * np.sqrt(np.expm1(np.minimum(variance, 50.0)))

    @property
    def _kernel(self) -> Kernel:
        scaled, first = [], 0
        for i, block in enumerate(feature_blocks(self.blocks, self.n_features_in_)):
            columns = slice(first, first + block.n_columns)
            first = columns.stop
            scaled.append(ScaledBlock(block, self.centre_[columns], self.scale_[columns], float(self.linear_scale_[i])))
        return Kernel(scaled, self.parameters_)

    @property
    def _posterior(self) -> Posterior:
        kernel = self._kernel
        edges = np.cumsum([block.block.n_columns for block in kernel.blocks])[:-1]
        return Posterior(
            kernel,
            np.split(self.rows_, edges, axis=1),
            self.weights_,
            self.whitening_,
            self.trend_weights_,
            self.trend_whitening_,
        )

    def _standard_moments(self, X: np.ndarray, *, with_variance: bool) -> tuple[np.ndarray, np.ndarray]:
        posterior = self._posterior
        rows = [block.transform(X) for block in posterior.kernel.blocks]
        return posterior.moments(rows, trend_columns(self.trend, X), with_variance=with_variance)

    def lower(self) -> Program:
        """Return the program of the prediction: the kernels of each block, and one matrix product."""
        program = mean_program(self._posterior, self.trend)
        program += (Affine(np.array([[self.target_spread_]]), np.array([self.target_mean_])),)
        if self.log_:
            program += (*exponential_program(self.largest_log_), Affine(np.array([[self.smearing_]]), np.zeros(1)))
        return program

    def lower_moments(self) -> Program:
        """Return the program of the mean and the variance with noise of the (transformed) target, two outputs."""
        scale = np.diag([self.target_spread_, self.target_spread_**2])
        bias = np.array([self.target_mean_, self.noise_variance_])
        return (*moments_program(self._posterior, self.trend), Affine(scale, bias))


def fit_processes(
    processes: Sequence[GaussianProcess],
    data: Sequence[tuple[np.ndarray, np.ndarray]],
    noise_sd: Sequence[np.ndarray] | None = None,
) -> list[GaussianProcess]:
    """Fit several processes at once, for example those of the folds of a cross-validation.

    Parameters
    ----------
    processes : sequence of GaussianProcess
        Processes that are not fitted yet, with the same kinds of blocks.
    data : sequence of (X, y)
        Features `(sample, feature)` and target `(sample,)` of each.
    noise_sd : sequence of ndarray of shape (sample,), optional
        Standard errors of the values, in the unit of the target.

    Returns
    -------
    list of GaussianProcess
        The same objects, fitted.

    Raises
    ------
    SamplesError, RecipeError
        As `GaussianProcess.fit` raises them.

    Examples
    --------
    >>> X = np.linspace(0, 6, 40)[:, None]
    >>> halves = [(X[::2], np.sin(X[::2, 0])), (X[1::2], np.cos(X[1::2, 0]))]
    >>> sine, cosine = fit_processes([GaussianProcess(), GaussianProcess()], halves)
    >>> bool(abs(cosine.predict([[3.0]])[0] + 1) < 0.05)
    True
    """
    with one_thread_each():
        fits = [
            ProcessFit.of(process, X, y, None if noise_sd is None else noise_sd[i])
            for i, (process, (X, y)) in enumerate(zip(processes, data, strict=True))
        ]
        choose_parameters(fits)
        for fit in fits:
            fit.finish()
    return list(processes)
