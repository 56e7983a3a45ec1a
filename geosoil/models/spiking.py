"""Spiking: a few samples of a site among the rows of a library, with extra weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.models.estimators import PartialLeastSquares
from geosoil.numerics.pls import fit_pls

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Spiked:
    """A fitted PLSR, how many copies of each row of the site it learned from, and its error in cross-validation."""

    model: PartialLeastSquares
    weight: int
    rmse: float


def spiked_pls(
    X_library: np.ndarray,
    y_library: np.ndarray,
    X_site: np.ndarray,
    y_site: np.ndarray,
    *,
    weights: Sequence[int] = (1, 4, 16, 64),
    max_components: int = 15,
    n_folds: int = 5,
    seed: int = 0,
) -> Spiked:
    """Fit PLSR to a library and w copies of each row of a site, with w and the components chosen on the site's rows.

    X_library `(n, band)`, X_site `(m, band)` preprocessed alike; y_library `(n,)`, y_site `(m,)` in one unit. In the
    cross-validation only rows of the site are left out and predicted, since only they are wanted; the library, whole,
    stands in every fold. Guerrero et al. 2014 (Eur. J. Soil Sci. 65, 248-263).

    Raises SamplesError for fewer rows of the site than folds.

    >>> rng = np.random.default_rng(0)
    >>> X, X_site = rng.normal(size=(40, 3)), rng.normal(size=(10, 3))
    >>> spiked = spiked_pls(X, X @ [1, 0, 0], X_site, X_site @ [0, 2, 0], weights=[1, 100])  # a site of its own kind
    >>> spiked.weight
    100
    """
    if len(y_site) < n_folds:
        raise SamplesError(
            "site",
            found=f"{len(y_site)} samples",
            expected=f"at least {n_folds}, one for each fold",
            way_out="add samples or ask for fewer folds",
        )
    folds = np.random.default_rng(seed).permutation(len(y_site)) % n_folds
    errors = {}
    for weight in weights:
        error = np.empty((max_components, len(y_site)))
        for fold in range(n_folds):
            train, test = folds != fold, folds == fold
            X, y = _spike(X_library, y_library, X_site[train], y_site[train], weight)
            most = min(max_components, X.shape[1], len(X_library) + int(train.sum()) - 1)
            error[:, test] = np.inf
            error[:most, test] = fit_pls(X, y, most).predict(X_site[test]) - y_site[test]
        errors[weight] = np.sqrt(np.mean(error**2, axis=1))
    best = min(errors, key=lambda weight: float(errors[weight].min()))
    n_components = int(np.argmin(errors[best])) + 1
    X, y = _spike(X_library, y_library, X_site, y_site, best)
    return Spiked(PartialLeastSquares(n_components=n_components).fit(X, y), best, float(errors[best].min()))


def _spike(
    X_library: np.ndarray, y_library: np.ndarray, X_site: np.ndarray, y_site: np.ndarray, weight: int
) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate([X_library, np.repeat(X_site, weight, axis=0)]), np.concatenate(
        [y_library, np.repeat(y_site, weight)]
    )
