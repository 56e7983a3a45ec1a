"""Support vector regression that chooses its settings by cross-validation, at random or by Bayesian search."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from geosoil.errors import RecipeError
from geosoil.estimators.base import Regressor, mean_and_spread
from geosoil.estimators.tuning_journal import quiet_optuna
from geosoil.program.ops import Affine, Program, RadialBasis

if TYPE_CHECKING:
    import optuna
    from sklearn.model_selection import KFold
    from sklearn.svm import SVR

    Ranges = dict[str, tuple[float, float]]

SEARCHES = ("random", "bayesian")


class SupportVectors(Regressor):
    """SVR with a radial basis; C, gamma and epsilon by a seeded search in cross-validation.

    X `(sample, feature)`, standardised by the step before it; y `(sample,)` is standardised inside, so C and
    epsilon are in standard deviations of the target. A number in `C`, `gamma` or `epsilon` is kept as given.
    search: "random", or "bayesian" by a tree-structured Parzen estimator (Bergstra et al. 2011, by Optuna).
    Smola and Schoelkopf 2004; libsvm by scikit-learn.

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
        """Search the settings, and fit the best to all rows; raises SamplesError or RecipeError."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.model_selection import KFold
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
        # gamma is around 1 / features for standardised columns; the ranges are those of libsvm's guide, halved.
        ranges: Ranges = {
            "C": (1e-1, 1e3),
            "gamma": (1e-2 / X.shape[1], 1e1 / X.shape[1]),
            "epsilon": (1e-3, 3e-1),
        }
        given = {name: getattr(self, name) for name in ranges if getattr(self, name) is not None}
        ranges = {name: ends for name, ends in ranges.items() if name not in given}
        # Kernel values beyond float64's need buy nothing; the cap keeps a hopeless candidate from running for ever.
        machine = SVR(kernel="rbf", cache_size=50, max_iter=100_000, **given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a capped candidate loses by its error
            if ranges:
                folds = KFold(self.n_folds, shuffle=True, random_state=self.random_state)
                search = self._random if self.search == "random" else self._bayesian
                machine.set_params(**search(machine, ranges, folds, X, standard))
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
        """The kernel, and one row of a matrix."""
        return (
            RadialBasis(self.support_vectors_, self.gamma_),
            Affine(self.dual_coef_[None, :], np.array([self.intercept_])),
        )
