"""Support vector regression with settings from a random or Bayesian search in cross-validation."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from geosoil.errors import RecipeError
from geosoil.estimators.base import Regressor, mean_and_spread
from geosoil.estimators.tuning_journal import quiet_optuna
from geosoil.program.kernels import Covariance
from geosoil.program.ops import Affine, Program

if TYPE_CHECKING:
    import optuna
    from sklearn.model_selection import KFold
    from sklearn.svm import SVR

    Ranges = dict[str, tuple[float, float]]

SEARCHES = ("random", "bayesian")


class SupportVectors(Regressor):
    """Support vector regression with a radial basis kernel.

    The target is standardised inside.

    Parameters
    ----------
    C, epsilon : float, optional
        Penalty and width of the tube, in standard deviations of the target; by default searched by cross-validation.
    gamma : float, optional
        Factor of the squared distance in the kernel; by default searched.
    search : {"random", "bayesian"}
        "bayesian" uses a tree-structured Parzen estimator.
    n_candidates : int
        Number of candidates of the search.
    n_folds : int
        Folds of the cross-validation.
    random_state : int
        Seed.

    Attributes
    ----------
    C_, gamma_, epsilon_ : float
        Settings used.
    cv_prediction_ : ndarray of shape (sample,)
        Predictions of the training rows by the chosen settings in the folds of the search, in the unit of the target;
        only after a search.

    References
    ----------
    Smola and Schoelkopf 2004, Statistics and Computing 14, 199-222. Bergstra et al. 2011.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 30)[:, None]
    >>> [bool(abs(SupportVectors(search=search, n_candidates=5).fit(X, 3 * X[:, 0]).predict([[0.5]])[0] - 1.5) < 0.2)
    ...  for search in SEARCHES]
    [True, True]
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "support_vectors_",
        "dual_coef_",
        "intercept_",
        "gamma_",
        "C_",
        "epsilon_",
    )

    def __init__(
        self,
        *,
        C: float | None = None,
        gamma: float | None = None,
        epsilon: float | None = None,
        search: Literal["random", "bayesian"] = "random",
        n_candidates: int = 40,
        n_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.C = C
        self.gamma = gamma
        self.epsilon = epsilon
        self.search = search
        self.n_candidates = n_candidates
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> SupportVectors:
        """Search the settings and fit to all rows.

        Parameters
        ----------
        X : ndarray of shape (sample, feature)
            Standardised features.
        y : ndarray of shape (sample,)
            Target in its unit.

        Raises
        ------
        SamplesError
            For fewer rows than folds, or NaN.
        RecipeError
            For an unknown search.
        """
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.model_selection import KFold, cross_val_predict
        from sklearn.svm import SVR

        if self.search not in SEARCHES:
            raise RecipeError(
                "SupportVectors",
                found=f"search={self.search!r}",
                expected=" or ".join(SEARCHES),
                way_out="change this parameter",
            )
        X, y = self._training_rows(X, y, self.n_folds)
        mean, spread = mean_and_spread(y)
        standard = (y - mean) / spread
        # gamma is around 1 / n_features for standardised columns; the ranges are half those of the guide of libsvm.
        ranges: Ranges = {
            "C": (1e-1, 1e3),
            "gamma": (1e-2 / X.shape[1], 1e1 / X.shape[1]),
            "epsilon": (1e-3, 3e-1),
        }
        given = {name: getattr(self, name) for name in ranges if getattr(self, name) is not None}
        ranges = {name: ends for name, ends in ranges.items() if name not in given}
        # The limit of iterations ends candidates that do not converge.
        machine = SVR(kernel="rbf", cache_size=50, max_iter=100_000, **given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # such a candidate has a large error
            if ranges:
                folds = KFold(self.n_folds, shuffle=True, random_state=self.random_state)
                search = self._random if self.search == "random" else self._bayesian
                machine.set_params(**search(machine, ranges, folds, X, standard))
                self.cv_prediction_ = cross_val_predict(machine, X, standard, cv=folds) * spread + mean
            machine.fit(X, standard)
        self.support_vectors_ = np.asarray(machine.support_vectors_, np.float64)
        self.dual_coef_ = machine.dual_coef_[0] * spread
        self.intercept_ = float(machine.intercept_[0]) * spread + mean
        self.C_, self.gamma_, self.epsilon_ = float(machine.C), float(machine.gamma), float(machine.epsilon)
        return self

    def _random(self, machine: SVR, ranges: Ranges, folds: KFold, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
        from scipy.stats import loguniform
        from sklearn.model_selection import RandomizedSearchCV

        search = RandomizedSearchCV(
            machine,
            {name: loguniform(*ends) for name, ends in ranges.items()},
            n_iter=self.n_candidates,
            cv=folds,
            scoring="neg_mean_squared_error",
            random_state=self.random_state,
            refit=False,
        ).fit(X, y)
        best: dict[str, float] = search.best_params_
        return best

    def _bayesian(self, machine: SVR, ranges: Ranges, folds: KFold, X: np.ndarray, y: np.ndarray) -> dict[str, float]:
        import optuna

        splits = list(folds.split(X))

        def error(trial: optuna.Trial) -> float:
            machine.set_params(**{name: trial.suggest_float(name, *ends, log=True) for name, ends in ranges.items()})
            squares = [(machine.fit(X[train], y[train]).predict(X[test]) - y[test]) ** 2 for train, test in splits]
            return float(np.concatenate(squares).mean())

        with quiet_optuna():
            study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=self.random_state))
            study.optimize(error, n_trials=self.n_candidates)
        return study.best_params

    def _predict(self, X: np.ndarray) -> np.ndarray:
        from sklearn.metrics.pairwise import rbf_kernel

        kernel = rbf_kernel(np.asarray(X, np.float64), self.support_vectors_, gamma=self.gamma_)
        return kernel @ self.dual_coef_ + self.intercept_

    def lower(self) -> Program:
        """Return the program: the kernel and one matrix product."""
        return (
            Covariance(self.support_vectors_, self.gamma_),
            Affine(self.dual_coef_[None, :], np.array([self.intercept_])),
        )
