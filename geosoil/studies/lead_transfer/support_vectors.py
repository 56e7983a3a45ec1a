"""The settings of a support vector machine by Bayesian search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.models.estimators import SupportVectors

if TYPE_CHECKING:
    import optuna


def search_support_vectors(
    X: np.ndarray, y: np.ndarray, *, n_trials: int = 40, n_folds: int = 5, seed: int = 0
) -> SupportVectors:
    """Return an unfitted SVM with C, gamma and epsilon chosen by a tree-structured Parzen estimator.

    X `(sample, feature)` standardised, y `(sample,)`, standardised inside; the least mean squared error of
    cross-validation on these rows wins. Bergstra et al. 2011, by Optuna.

    >>> X = np.linspace(-1, 1, 30)[:, None]
    >>> machine = search_support_vectors(X, 3 * X[:, 0], n_trials=4).fit(X, 3 * X[:, 0])
    >>> bool(abs(machine.predict([[0.5]])[0] - 1.5) < 0.3)
    True
    """
    import optuna
    from sklearn.model_selection import KFold
    from sklearn.svm import SVR

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    standard = (y - y.mean()) / (y.std() or 1.0)
    folds = list(KFold(n_folds, shuffle=True, random_state=seed).split(X))

    def error(trial: optuna.Trial) -> float:
        machine = SVR(
            C=trial.suggest_float("C", 1e-1, 1e3, log=True),
            gamma=trial.suggest_float("gamma", 1e-2 / X.shape[1], 1e1 / X.shape[1], log=True),
            epsilon=trial.suggest_float("epsilon", 1e-3, 3e-1, log=True),
            cache_size=50,
            max_iter=200_000,
        )
        squares = [
            (machine.fit(X[train], standard[train]).predict(X[test]) - standard[test]) ** 2 for train, test in folds
        ]
        return float(np.concatenate(squares).mean())

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(error, n_trials=n_trials)
    return SupportVectors(**study.best_params, random_state=seed)
