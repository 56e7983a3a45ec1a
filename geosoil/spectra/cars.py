"""CARS: selection of informative bands by competitive adaptive reweighted sampling (Li et al. 2009).

The steps and the order of the random draws are those of the authors' code, libPLS 1.98, in its original form (`carspls`
with `originalVersion=1`); `sampling="none"` is its other, deterministic form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from geosoil.errors import RecipeError, SamplesError
from geosoil.numerics.pls import cross_validated_predictions, fit_pls
from geosoil.program.ops import Program, Select
from geosoil.program.step import Step
from geosoil.spectra._rows import check_choice, checked_rows


class CARS(SelectorMixin, Step):
    """Select the bands whose PLS model has the smallest error of cross-validation among `n_runs` shrinking subsets.

    Each run fits PLS to a random share of the samples, keeps the bands of the largest absolute coefficients (their
    number decays exponentially from all to two), and draws the next subset among them with replacement: as many draws
    as there are bands, with the coefficients as weights. The RMSE of cross-validation (RMSECV) of each subset is
    computed on all samples. Use this step inside a Pipeline: a selection before the split would use the test samples.

    Parameters
    ----------
    n_runs : int
        Number of subsets.
    n_components : int
        Largest number of PLS components.
    n_folds : int
        Number of folds; the fold of a sample is its rank by y modulo `n_folds`.
    sampling : {"monte_carlo", "none"}
        "none" uses all samples and exactly the largest coefficients, so that nothing is random.
    sample_share : float
        Share of the samples in each run.
    scale : {"center", "autoscale"}
        "autoscale" divides the bands by their standard deviation and, as libPLS does, ranks the coefficients in the
        units of X, which favours bands that vary little.
    component_rule : {"argmin", "one_sd"}
        "one_sd" takes the fewest components whose mean squared error is within one standard deviation (n - 1) of the
        smallest.
    n_repeats : int
        Number of independent repeats, of which the one with the smallest RMSECV is taken.
    random_state : int or None
        Seed; None draws another one at each fit.

    Attributes
    ----------
    support_ : ndarray of shape (band,), bool
        The selected bands.
    best_run_, n_components_ : int
        The run (from 0) and the number of components of the selection.
    rmsecv_, n_bands_ : ndarray of shape (run,)
        RMSECV in units of y, and number of bands, of the runs of the best repeat.
    coefficient_path_ : ndarray of shape (run, band)
        Coefficients of these runs, 0 outside the subset.
    selection_frequency_ : ndarray of shape (band,)
        Share of the repeats that select each band.

    References
    ----------
    Li, Liang, Xu and Cao (2009), Analytica Chimica Acta 648, 77-84.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(30, 6))
    >>> CARS(n_runs=5, n_components=2).fit(X, X[:, 1] - X[:, 4]).support_.tolist()
    [False, True, False, False, True, False]
    """

    # A model file does not contain the path of 50 runs, which would be most of a small model.
    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "support_", "rmsecv_", "n_bands_", "best_run_")

    def __init__(
        self,
        n_runs: int = 50,
        n_components: int = 10,
        n_folds: int = 5,
        sampling: Literal["monte_carlo", "none"] = "monte_carlo",
        sample_share: float = 0.9,
        scale: Literal["center", "autoscale"] = "center",
        component_rule: Literal["argmin", "one_sd"] = "argmin",
        n_repeats: int = 1,
        random_state: int | None = 0,
    ) -> None:
        self.n_runs = n_runs
        self.n_components = n_components
        self.n_folds = n_folds
        self.sampling = sampling
        self.sample_share = sample_share
        self.scale = scale
        self.component_rule = component_rule
        self.n_repeats = n_repeats
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> CARS:
        """Select bands.

        Parameters
        ----------
        X : array of shape (sample, band)
            Spectra, in one unit for all bands.
        y : array of shape (sample,)
            The target.

        Raises
        ------
        SamplesError
            If there is NaN, the target or a band is constant, or there are fewer than two bands or too few samples.
        RecipeError
            If a parameter is not valid.
        """
        self._check_parameters()
        X, y = self._checked_samples(X, y)
        seeds = np.random.SeedSequence(self.random_state).spawn(self.n_repeats)
        repeats = [self._run_repeat(X, y, np.random.default_rng(seed)) for seed in seeds]
        answers = np.array([repeat.subsets[repeat.best] for repeat in repeats])
        best = min(repeats, key=lambda repeat: repeat.rmsecv[repeat.best])
        self.best_run_ = best.best
        self.n_components_ = int(best.n_components[best.best])
        self.support_ = best.subsets[best.best]
        self.rmsecv_ = best.rmsecv
        self.n_bands_ = best.subsets.sum(axis=1)
        self.coefficient_path_ = best.coefficients.astype(np.float32)
        self.selection_frequency_ = answers.mean(axis=0)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the selected bands `(sample, selected band)` of X `(sample, band)`; NaN is allowed."""
        check_is_fitted(self)
        return checked_rows(self, X, reset=False)[:, self.support_]

    def lower(self) -> Program:
        """Return the op `Select`."""
        return (Select(self.get_support(indices=True)),)

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_

    def _run_repeat(self, X: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> _Repeat:
        draws = MonteCarlo(rng, self.sample_share) if self.sampling == "monte_carlo" else NoSampling()
        scale = self.scale == "autoscale"
        subsets, coefficients = shrinking_subsets(
            X, y, draws, n_runs=self.n_runs, n_components=self.n_components, scale=scale
        )
        # Late runs repeat each other; equal subsets need exactly equal errors, so that the first of them is the best.
        unique, run_of = np.unique(subsets, axis=0, return_inverse=True)
        predicted = cross_validated_predictions(
            X, y, folds_by_rank(y, self.n_folds), self.n_components, scale=scale, features=unique
        )
        rmsecv, n_components = _choose_components((predicted - y) ** 2, self.component_rule)
        run_of = run_of.reshape(-1)
        return _Repeat(subsets, coefficients, rmsecv[run_of], n_components[run_of])

    def _check_parameters(self) -> None:
        check_choice("CARS", "sampling", self.sampling, ("monte_carlo", "none"))
        check_choice("CARS", "scale", self.scale, ("center", "autoscale"))
        check_choice("CARS", "component_rule", self.component_rule, ("argmin", "one_sd"))
        minimum = {"n_runs": 2, "n_components": 1, "n_folds": 2, "n_repeats": 1}
        wrong = [f"{name}={getattr(self, name)!r}" for name, low in minimum.items() if getattr(self, name) < low]
        wrong += [] if 0 < self.sample_share <= 1 else [f"sample_share={self.sample_share!r}"]
        if wrong:
            raise RecipeError(
                "CARS",
                found=", ".join(wrong),
                expected="n_runs and n_folds of 2 or more, the other counts of 1 or more, sample_share in (0, 1]",
                way_out="change these parameters",
            )

    def _checked_samples(self, X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        X = validate_data(
            self, X, dtype=np.float64, ensure_all_finite=False, ensure_min_samples=0, ensure_min_features=0
        )
        y = column_or_1d(y, dtype=np.float64)
        n_samples, n_bands = X.shape
        if not (np.isfinite(X).all() and np.isfinite(y).all()):
            found, expected = "NaN or infinite numbers in spectra or target", "finite numbers"
        elif len(y) != n_samples:
            found, expected = f"{len(y)} targets for {n_samples} spectra", "one target for each"
        elif n_bands < 2:
            found, expected = f"{n_bands} bands", "two or more"
        elif n_samples < self.n_folds or int(self.sample_share * n_samples) < 2:
            found, expected = (
                f"{n_samples} samples for {self.n_folds} folds",
                "one sample or more in each, two in a run",
            )
        elif np.ptp(y) == 0:
            found, expected = f"the same target in all {n_samples} samples", "a target that varies"
        elif n_constant := int(np.sum(np.ptp(X, axis=0) == 0)):
            found, expected = f"{n_constant} of {n_bands} bands constant over all samples", "bands that vary"
        else:
            return X, y
        raise SamplesError("CARS", found=found, expected=expected, way_out="correct or drop them before this step")


class Draws(Protocol):
    """The draws of a run of CARS: the samples of its PLS model, and the bands of the next run."""

    def samples(self, n_samples: int) -> np.ndarray:
        """Return the indices of the samples of this run."""

    def bands(self, weight: np.ndarray) -> np.ndarray:
        """Return indices of bands, repeats allowed, given weights `(band,)` that sum to 1."""


@dataclass(frozen=True)
class MonteCarlo:
    """The draws of the original: a share of the samples without replacement, and n_bands bands with replacement."""

    rng: np.random.Generator
    sample_share: float

    def samples(self, n_samples: int) -> np.ndarray:
        """Draw `floor(share n)` samples."""
        size = int(np.floor(self.sample_share * n_samples + 1e-9))  # 0.7 * 10 is just below 7
        return self.rng.choice(n_samples, size=size, replace=False)

    def bands(self, weight: np.ndarray) -> np.ndarray:
        """Draw as many bands as weight has entries."""
        return self.rng.choice(len(weight), size=len(weight), p=weight)


class NoSampling:
    """All samples, and every band with a positive weight."""

    def samples(self, n_samples: int) -> np.ndarray:
        """Return all samples."""
        return np.arange(n_samples)

    def bands(self, weight: np.ndarray) -> np.ndarray:
        """Return the bands of positive weight."""
        return np.flatnonzero(weight)


def retained_ratio(n_bands: int, n_runs: int) -> np.ndarray:
    """Return the share of the bands with which each run starts `(run,)`, from r_1 = 1 to r_N = 2 / n_bands.

    r_i = a exp(-k i) with a = (p/2)^(1/(N-1)) and k = ln(p/2) / (N-1): Li et al. (2009), equations 6 to 8.

    Examples
    --------
    >>> retained_ratio(8, 3).round(3).tolist()
    [1.0, 0.5, 0.25]
    """
    return (n_bands / 2) ** (-np.arange(n_runs) / (n_runs - 1))


def shrinking_subsets(
    X: np.ndarray, y: np.ndarray, draws: Draws, *, n_runs: int, n_components: int, scale: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Run the competition of the bands.

    Run i keeps the round(p r_{i+1}) largest coefficients (half away from zero) and draws the next subset among them;
    if all coefficients are 0 the subset is kept.

    Parameters
    ----------
    X : ndarray of shape (sample, band)
    y : ndarray of shape (sample,)
    draws : Draws
    n_runs, n_components : int
    scale : bool
        Whether bands are divided by their standard deviation.

    Returns
    -------
    subsets : ndarray of shape (run, band), bool
        The bands with which each run starts.
    coefficients : ndarray of shape (run, band)
        PLS coefficients of each run.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> subsets, _ = shrinking_subsets(X, X[:, 1] - X[:, 2], NoSampling(), n_runs=2, n_components=1, scale=False)
    >>> subsets[1].tolist()
    [False, True, True, False]
    """
    n_samples, n_bands = X.shape
    subsets, coefficients = np.ones((n_runs, n_bands), dtype=bool), np.zeros((n_runs, n_bands))
    n_kept = np.floor(n_bands * retained_ratio(n_bands, n_runs) + 0.5).astype(int)
    for run in range(n_runs):
        rows, bands = draws.samples(n_samples), np.flatnonzero(subsets[run])
        n_fitted = min(n_components, len(bands))
        coefficients[run, bands] = fit_pls(X[np.ix_(rows, bands)], y[rows], n_fitted, scale=scale).coefficients[-1]
        if run + 1 == n_runs:
            break
        weight = np.abs(coefficients[run])
        weight[np.argsort(-weight, kind="stable")[n_kept[run + 1] :]] = 0.0
        if weight.any():
            subsets[run + 1] = False
            subsets[run + 1, draws.bands(weight / weight.sum())] = True
        else:
            subsets[run + 1] = subsets[run]
    return subsets, coefficients


def folds_by_rank(y: np.ndarray, n_folds: int) -> np.ndarray:
    """Return the fold of each sample `(sample,)`: its rank by y modulo n_folds, so that folds are similar.

    Examples
    --------
    >>> folds_by_rank(np.array([3.0, 1.0, 2.0, 4.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    folds = np.empty(len(y), dtype=np.intp)
    folds[np.argsort(y, kind="stable")] = np.arange(len(y)) % n_folds
    return folds


def _choose_components(squared_errors: np.ndarray, rule: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the RMSECV and the number of components `(subset,)` from squared errors `(subset, A, sample)`."""
    mean = squared_errors.mean(axis=2)
    chosen = np.argmin(mean, axis=1)[:, None]
    if rule == "one_sd":
        sd = squared_errors.std(axis=2, ddof=1)
        limit = np.take_along_axis(mean + sd, chosen, axis=1)
        chosen = np.argmax(mean <= limit, axis=1)[:, None]  # the first within the limit
    return np.sqrt(np.take_along_axis(mean, chosen, axis=1)[:, 0]), chosen[:, 0] + 1


@dataclass(frozen=True)
class _Repeat:
    """The runs of one repeat: subsets and coefficients `(run, band)`, rmsecv and n_components `(run,)`."""

    subsets: np.ndarray
    coefficients: np.ndarray
    rmsecv: np.ndarray
    n_components: np.ndarray

    @property
    def best(self) -> int:
        """The first run of the smallest RMSECV."""
        return int(np.argmin(self.rmsecv))
