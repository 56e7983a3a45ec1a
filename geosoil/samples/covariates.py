"""Selection of the covariates of a map: by correlation, then by cross-validated error in growing batches.

The steps are those of the study of SOC by depth (`methods.md`, section 9): covariates with |r| < 0.05 with the target,
or with |r| > 0.8 with a better covariate, are dropped, and the others are added in batches of ten. All steps use only
the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import clone
from sklearn.feature_selection import SelectorMixin
from sklearn.model_selection import GroupKFold, KFold
from sklearn.utils.validation import check_is_fitted

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import list_ids
from geosoil.program.ops import Program, Select
from geosoil.program.step import Step

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

N_TREES = 50  # of the forest that compares the batches; more trees do not change their order
LEAST_KNOWN = 10  # values of a target for a correlation


@dataclass(frozen=True)
class Selection:
    """The covariates with the smallest error, and the results that led to them.

    Attributes
    ----------
    names : tuple of str
        The selected covariates, the strongest first.
    kept : ndarray of int
        Their indices among all covariates.
    strength : ndarray of shape (covariate,)
        Mean |r| with the targets; 0 for a constant.
    n_covariates, rmse, standard_error : ndarray of shape (batch,)
        Results of the cross-validation, in the unit of y.
    dropped : dict of str to str
        The reason for which each other covariate was dropped.
    """

    names: tuple[str, ...]
    kept: np.ndarray
    strength: np.ndarray
    n_covariates: np.ndarray
    rmse: np.ndarray
    standard_error: np.ndarray
    dropped: dict[str, str]

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence on the dropped covariates and the reasons."""
        if not self.dropped:
            return ()
        return ("Dropped: " + "; ".join(f"{name} ({reason})" for name, reason in self.dropped.items()) + ".",)


def select_covariates(
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    names: Sequence[str],
    *,
    groups: npt.ArrayLike | None = None,
    least_r: float = 0.05,
    most_r: float = 0.8,
    batch: int = 10,
    n_folds: int = 5,
    random_state: int = 0,
    estimator: Any = None,
) -> Selection:
    """Drop weak and redundant covariates, and keep as many of the strongest as minimise the cross-validated error.

    With several targets the RMSE is their mean, with weights that bring their standard deviations to the mean one.

    Parameters
    ----------
    X : array of shape (sample, covariate)
        The TRAINING rows, in any units.
    y : array of shape (sample,) or (sample, target)
        Targets, NaN where one was not measured.
    names : sequence of str
        Names of the covariates.
    groups : array of shape (sample,), optional
        Rows of one group are in one fold.
    least_r : float
        Smallest mean |r| of a covariate with the targets.
    most_r : float
        Of two covariates with a larger |r|, the one with the stronger correlation with the targets is kept.
    batch : int
        The strongest `batch`, 2 `batch`, ... covariates are compared by their RMSE.
    n_folds, random_state : int
        Number of folds, and seed of the folds and the forest.
    estimator : regressor, optional
        The regressor that is cross-validated (default: a forest of 50 trees).

    Returns
    -------
    Selection

    Raises
    ------
    SamplesError
        If X contains NaN, a target is constant or has too few values, there are too few samples or groups for the
        folds, or no covariate remains.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> X[:, 3] = X[:, 0] + 0.1 * X[:, 1]
    >>> chosen = select_covariates(X, X[:, 0] + 0.5 * X[:, 2], ["dem", "ndvi", "twi", "dem_2"], least_r=0.2)
    >>> chosen.names, chosen.dropped["dem_2"]
    (('dem', 'twi'), '|r| 1.00 with dem')
    """
    X, y, names = _checked(X, y, names)
    strength = _strength(X, y)
    constant = np.ptp(X, axis=0) == 0
    dropped = {names[i]: "constant" for i in np.flatnonzero(constant)}
    weak = ~constant & (strength < least_r)
    dropped |= {names[i]: f"|r| {strength[i]:.2f} with the target" for i in np.flatnonzero(weak)}
    candidates = np.flatnonzero(~constant & ~weak)
    if not candidates.size:
        raise SamplesError(
            "covariates",
            found=f"none of {len(names)} with |r| of {least_r:g} with the target (the best has {strength.max():.2g})",
            expected="at least one",
            way_out="lower least_r, add covariates, or check that the coordinates of the samples are right",
        )
    ordered = candidates[np.argsort(-strength[candidates], kind="stable")]
    kept: list[int] = []
    between = np.abs(np.corrcoef(X[:, ordered], rowvar=False).reshape(len(ordered), -1))
    for k, i in enumerate(ordered):
        stronger = [j for j in range(k) if ordered[j] in kept and between[k, j] > most_r]
        if stronger:
            dropped[names[i]] = f"|r| {between[k, stronger[0]]:.2f} with {names[ordered[stronger[0]]]}"
        else:
            kept.append(int(i))
    sizes = [*range(batch, len(kept), batch), len(kept)]
    folds = _folds(X, y, groups, n_folds, random_state)
    regressor = estimator if estimator is not None else _forest(random_state)
    errors = np.array([_fold_errors(regressor, X[:, kept[:size]], y, folds) for size in sizes])  # (batch, fold)
    rmse = errors.mean(axis=1)
    best = int(np.argmin(rmse))
    weaker = kept[sizes[best] :]
    dropped |= {names[i]: f"a batch without it has the least error ({sizes[best]} covariates)" for i in weaker}
    chosen = kept[: sizes[best]]
    return Selection(
        names=tuple(names[i] for i in chosen),
        kept=np.array(chosen),
        strength=strength,
        n_covariates=np.array(sizes),
        rmse=rmse,
        standard_error=errors.std(axis=1, ddof=1) / np.sqrt(errors.shape[1]),
        dropped=dropped,
    )


class CovariateSelection(SelectorMixin, Step):
    """Keep the covariates that `select_covariates` selects from the training rows, as a step of a Pipeline.

    Parameters
    ----------
    names : sequence of str, optional
        Names of the covariates for `dropped_` (default: c0, c1, ...).
    least_r, most_r, batch, n_folds, random_state
        As in `select_covariates`.

    Attributes
    ----------
    selection_ : Selection
        The result of the function; it is not stored with a model.
    support_ : ndarray of shape (covariate,), bool
        The selected covariates.
    n_covariates_, rmse_, standard_error_ : ndarray of shape (batch,)
        Results of the cross-validation.
    dropped_ : list of str
        The reason for which each covariate was dropped, "" for those kept.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> CovariateSelection(least_r=0.3).fit(X, X[:, 1]).dropped_
    ['|r| 0.05 with the target', '', '|r| 0.00 with the target']
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "support_",
        "n_covariates_",
        "rmse_",
        "standard_error_",
        "dropped_",
    )

    def __init__(
        self,
        names: Sequence[str] | None = None,
        *,
        least_r: float = 0.05,
        most_r: float = 0.8,
        batch: int = 10,
        n_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.names = names
        self.least_r = least_r
        self.most_r = most_r
        self.batch = batch
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: npt.ArrayLike, y: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> CovariateSelection:
        """Select from X `(sample, covariate)` for y `(sample,)` or `(sample, target)`; see `select_covariates`."""
        X = np.asarray(X)
        names = list(self.names) if self.names is not None else [f"c{k}" for k in range(X.shape[1])]
        chosen = select_covariates(
            X,
            y,
            names,
            groups=groups,
            least_r=self.least_r,
            most_r=self.most_r,
            batch=self.batch,
            n_folds=self.n_folds,
            random_state=self.random_state,
        )
        self.selection_ = chosen
        self.n_features_in_ = X.shape[1]
        self.support_ = np.isin(np.arange(X.shape[1]), chosen.kept)
        self.n_covariates_ = chosen.n_covariates
        self.rmse_ = chosen.rmse
        self.standard_error_ = chosen.standard_error
        self.dropped_ = [chosen.dropped.get(name, "") for name in names]
        return self

    def transform(self, X: npt.ArrayLike) -> np.ndarray:
        """Return the selected columns `(sample, selected)` in their order; NaN is allowed."""
        check_is_fitted(self)
        return np.asarray(X)[:, self.support_]

    def lower(self) -> Program:
        """Return the op `Select`."""
        return (Select(self.get_support(indices=True)),)

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return self.support_


def _checked(X: npt.ArrayLike, y: npt.ArrayLike, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return X `(sample, covariate)` and y `(sample, target)` in float64; raises SamplesError if they are not valid."""
    X, y, names = np.asarray(X, np.float64), np.asarray(y, np.float64), [str(name) for name in names]
    y = y[:, None] if y.ndim == 1 else y
    known = np.isfinite(y).sum(axis=0)
    spread = [np.ptp(column[np.isfinite(column)]) if n else 0.0 for column, n in zip(y.T, known, strict=True)]
    if X.ndim != 2 or y.ndim != 2 or len(X) != len(y) or X.shape[1] != len(names) or len(set(names)) < len(names):
        found = f"X of shape {X.shape}, y of shape {y.shape} and {len(set(names))} different names"
        expected = "(sample, covariate), (sample, target) and a name for each covariate"
    elif not np.isfinite(X).all():
        bad = [name for name, column in zip(names, X.T, strict=True) if not np.isfinite(column).all()]
        found, expected = f"gaps in the covariates {list_ids(np.array(bad))}", "a number for each sample"
    elif min(known) < LEAST_KNOWN or np.isinf(y).any():
        found, expected = f"a target with {min(known)} values", f"{LEAST_KNOWN} finite values or more"
    elif min(spread) == 0:
        found, expected = "the same target in all samples", "a target that varies"
    else:
        return X, y, names
    raise SamplesError(
        "covariates", found=found, expected=expected, way_out="correct or drop them before selecting covariates"
    )


def _strength(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the mean |r| `(covariate,)` over the targets, on the rows where each is known; 0 for a constant."""
    correlations = []
    for target in y.T:
        rows = np.isfinite(target)
        x, t = X[rows] - X[rows].mean(axis=0), target[rows] - target[rows].mean()
        scale = np.linalg.norm(x, axis=0) * np.linalg.norm(t)
        # The rounding errors of a constant must not be taken for variation.
        varies = np.ptp(X[rows], axis=0) > 0
        correlations.append(np.where(varies, np.abs(t @ x) / np.where(varies, scale, 1.0), 0.0))
    return np.mean(correlations, axis=0)


def _folds(
    X: np.ndarray, y: np.ndarray, groups: npt.ArrayLike | None, n_folds: int, random_state: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    count = len(X) if groups is None else len(np.unique(np.asarray(groups)))
    if n_folds < 2 or count < n_folds:
        raise SamplesError(
            "covariates",
            found=f"{count} {'samples' if groups is None else 'groups'} for {n_folds} folds",
            expected="at least one for each of two folds or more",
            way_out="lower n_folds",
        )
    if groups is None:
        return list(KFold(n_folds, shuffle=True, random_state=random_state).split(X))
    return list(GroupKFold(n_folds, shuffle=True, random_state=random_state).split(X, groups=np.asarray(groups)))


def _forest(random_state: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(N_TREES, max_features=1 / 3, min_samples_leaf=2, random_state=random_state)


def _fold_errors(model: Any, X: np.ndarray, y: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the RMSE `(fold,)` of each fold with test values, as the mean of the targets, in the unit of y."""
    spread = np.nanstd(y, axis=0)
    weight = spread.mean() / spread
    errors = np.full((len(folds), y.shape[1]), np.nan)
    for k, (train, test) in enumerate(folds):
        for t, target in enumerate(y.T):
            fitted, tested = train[np.isfinite(target[train])], test[np.isfinite(target[test])]
            if fitted.size and tested.size:
                predicted = clone(model).fit(X[fitted], target[fitted]).predict(X[tested])
                errors[k, t] = weight[t] * np.sqrt(np.mean((np.ravel(predicted) - target[tested]) ** 2))
    return np.nanmean(errors[np.isfinite(errors).any(axis=1)], axis=1)
