"""Models that a library and the training rows make together (Shen et al. 2022): PLSR, memory-based learning, trees.

All choices (rows of the library, components, weights) see the library and the training rows only. Preprocessing is
fitted to the library, so that all folds can share what the library alone teaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.log_target import LogTarget, logarithm
from geosoil.estimators.memory_based import MemoryBased
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.spiked_pls import SpikedPLS
from geosoil.models.contract import Target, with_training_range
from geosoil.models.pixel import PixelModel
from geosoil.pipeline.regressors.steps import fit_steps, fitted_target, known_rows, preprocessing_steps, transform
from geosoil.samples.rs_local import RSLocalResult, rs_local

if TYPE_CHECKING:
    from geosoil.pipeline.regressors import table as of
    from geosoil.pipeline.regressors.steps import Steps
    from geosoil.pipeline.task import FitTask


class Site(NamedTuple):
    """Library and training rows as the models of one fold see them.

    Parameters
    ----------
    steps : list of (name, step)
        The preprocessing, fitted.
    log : {"none", "naive", "smearing"}
    rows : ndarray of int, shape (n_library,)
        Library rows that may be learned from.
    X_library, y_library, X, y : ndarray
        Preprocessed spectra, and targets or their logarithms, of the library and of the training rows.
    train : ndarray of int, shape (n,)
        Training rows.
    """

    steps: Steps
    log: str
    rows: np.ndarray
    X_library: np.ndarray
    y_library: np.ndarray
    X: np.ndarray
    y: np.ndarray
    train: np.ndarray


class Fitted(NamedTuple):
    """An estimator of preprocessed spectra, the places of `Site.rows` that it learned from, and what it chose."""

    estimator: Any
    chosen: np.ndarray
    description: str
    sees_samples: bool = True


def site_of(task: FitTask, *, log: str | None = None, country: bool = False) -> Site:
    """Return library and training rows, preprocessed; the candidates of a fold share them.

    Parameters
    ----------
    task : FitTask
    log : {"none", "naive", "smearing"}, optional
        By default that of the target.
    country : bool
        Take the library rows of the site's country only.
    """
    log = log or task.rows.targets[0].log
    steps_json = task.candidate.features.model_dump_json(include={"preprocessing"})
    key = ("site", task.rows.map_targets[0].name, steps_json, log, country)
    if key not in task.fold_cache:
        task.fold_cache[key] = _site_of(task, log, country=country)
    site: Site = task.fold_cache[key]
    return site


def fit_library_pls(task: FitTask, settings: of.LibraryPLS) -> PixelModel:
    """Fit PLSR to the library alone."""
    site = site_of(task)
    fitted = _pls(task, settings).fit(site.X_library, site.y_library)
    description = f"{fitted.n_components_} components"
    return as_model(task, site, Fitted(fitted, np.arange(len(site.rows)), description, sees_samples=False))


def fit_spiked_pls(task: FitTask, settings: of.SpikedPLS) -> PixelModel:
    """Fit PLSR to the library and weighted training rows."""
    site = site_of(task)
    return as_model(task, site, _spiked(task, settings, site, np.arange(len(site.rows))))


def fit_rs_local_pls(task: FitTask, settings: of.RSLocalPLS) -> PixelModel:
    """Fit PLSR to rows that RS-LOCAL chooses and weighted training rows; `rs_local_pls_ln` learns the logarithm."""
    log = None
    if task.candidate.kind == "rs_local_pls_ln":
        log = "naive"
        _check_logarithm(task)
    site = site_of(task, log=log)
    chosen = choose_rows(task, settings, site).rows
    return as_model(task, site, _spiked(task, settings, site, chosen))


def fit_memory_based(task: FitTask, settings: of.MemoryBased) -> PixelModel:
    """Predict every row by a small model of the most similar rows of library and training rows."""
    site = site_of(task)
    X, y = _together(site, np.arange(len(site.rows)))
    model = MemoryBased(
        k=settings.neighbours, max_components=settings.max_components, random_state=task.recipe.seed
    ).fit(X, y, targets=site.X)
    return as_model(task, site, Fitted(model, np.arange(len(site.rows)), f"{model.k_} neighbours"))


def fit_spiked_boosted_trees(task: FitTask, settings: of.SpikedBoostedTrees) -> PixelModel:
    """Fit gradient boosting to principal components; the training rows have the weight of the library together."""
    from sklearn.decomposition import PCA
    from sklearn.ensemble import HistGradientBoostingRegressor

    site = site_of(task)
    n_library, n_site = len(site.rows), len(site.y)
    X, y = _together(site, np.arange(n_library))
    weight = np.repeat([1.0, max(1.0, n_library / n_site)], [n_library, n_site])
    trees = HistGradientBoostingRegressor(
        learning_rate=settings.learning_rate,
        max_iter=settings.n_trees,
        min_samples_leaf=settings.min_leaf,
        early_stopping=False,
        random_state=task.recipe.seed,
    )
    n_components = min(settings.n_components, X.shape[1], n_library)
    scores = PCA(n_components, svd_solver="covariance_eigh")
    fitted = Pipeline([("scores", scores), ("trees", trees)]).fit(X, y, trees__sample_weight=weight)
    description = f"{settings.n_trees} trees on {n_components} components"
    return as_model(task, site, Fitted(fitted, np.arange(n_library), description))


def choose_rows(task: FitTask, settings: Any, site: Site, *, country: bool = False) -> RSLocalResult:
    """Return what RS-LOCAL chooses among the rows of a site; the candidates of a fold share it."""
    options = settings.model_dump(include={"k", "b", "r", "n_components"})
    steps_json = task.candidate.features.model_dump_json(include={"preprocessing"})
    key = ("rs_local", task.rows.map_targets[0].name, steps_json, site.log, country, *options.values())
    if key not in task.fold_cache:
        if len(site.rows) < settings.k:
            raise SamplesError(
                "library",
                found=f"{len(site.rows)} rows for k = {settings.k}",
                expected="a library of more rows than are chosen",
                way_out=f"set a smaller k in [model.{task.candidate.kind}], or use a larger library",
            )
        # What all targets of RS-LOCAL, PLSR and trees see is the logarithm under one: few rich rows would decide alone.
        task.fold_cache[key] = rs_local(
            site.X_library,
            site.y_library,
            site.X,
            site.y,
            seed=task.recipe.seed,
            n_workers=task.n_workers,
            progress=task.progress,
            **options,
        )
    chosen: RSLocalResult = task.fold_cache[key]
    task.details["rs_local"] = RSLocalResult(
        site.rows[chosen.rows], chosen.errors, chosen.passes, [site.rows[part] for part in chosen.dropped]
    )
    return chosen


def as_model(task: FitTask, site: Site, fitted: Fitted) -> PixelModel:
    """Return a fitted estimator as a model of reflectance, and describe it in `task.details`."""
    rows, library = task.rows, task.rows.library
    estimator, chosen = fitted.estimator, site.rows[fitted.chosen]
    target = rows.map_targets[0]
    if site.log != "none":
        # Smearing needs residuals of the site, unless the model has never seen it: the library may lie far off.
        X, y = site.X, rows.y[site.train, 0]
        y_library = np.empty(0) if library is None or library.y is None else library.y[chosen, 0]
        if not fitted.sees_samples:
            X, y = site.X_library[fitted.chosen], y_library
        estimator = LogTarget(estimator, retransform=site.log).use_fitted(estimator, X, y)
        target = _limited(target, max(y.max(), y_library.max(initial=0.0)))
    samples = site.train if fitted.sees_samples else site.train[:0]
    R = [rows.centres[samples]] if library is None else [library.X[chosen], rows.centres[samples]]
    _describe(task, site, chosen, samples, fitted.description)
    if site.steps:
        steps = Pipeline([*site.steps, ("model", fitted.estimator)])
        if site.log != "none":
            estimator.estimator_ = steps
        else:
            estimator = steps
    return PixelModel(estimator, with_training_range(rows.features, np.concatenate(R)), (target,))


def _describe(task: FitTask, site: Site, chosen: np.ndarray, samples: np.ndarray, description: str) -> None:
    """Write into the details of a task what a model learned from."""
    library = task.rows.library
    notes = [f"{task.candidate.name} ({description}): learned from {len(samples)} of {len(task.rows)} samples"]
    card_notes = [f"samples: {', '.join(map(str, task.rows.ids[samples])) or 'none'}"]
    if library is not None:
        notes[0] += f" and {len(chosen)} of {len(library.ids)} library rows"
        card_notes.insert(0, f"library rows: {', '.join(map(str, library.ids[chosen])) or 'none'}")
    task.details.update(
        description=description,
        notes=notes,
        card_notes=card_notes,
        library_rows=chosen,
        n_training_rows=len(chosen) + len(samples),
        n_features=site.X.shape[1],
    )


def _site_of(task: FitTask, log: str, *, country: bool) -> Site:
    rows, library = task.rows, task.rows.library
    train = known_rows(task, task.train)
    steps = preprocessing_steps(task.candidate.features, rows.wavelength_nm)
    if library is None or library.y is None:
        chosen, X_library, y_library = np.arange(0), rows.centres[:0], np.empty(0)
        fit_steps(steps, rows.centres[train])
    else:
        whole = library.rows_without(task.test)
        whole = whole[np.isfinite(library.y[whole, 0])]
        fit_steps(steps, library.X[whole])
        chosen = whole
        if country:
            if library.in_country is None:
                raise RecipeError(
                    f"model {task.candidate.name}",
                    found="no rows of the site's country",
                    expected="data.country",
                    way_out="add it, or use another model",
                )
            chosen = whole[library.in_country[whole]]
        X_library, y_library = transform(steps, library.X[chosen]), library.y[chosen, 0]
        y_library = y_library if log == "none" else logarithm(y_library)
    y = fitted_target(task, train, log)
    return Site(steps, log, chosen, X_library, y_library, transform(steps, rows.centres[train]), y, train)


def _check_logarithm(task: FitTask) -> None:
    library = task.rows.library
    values = [task.rows.y[task.train, 0], np.empty(0) if library is None or library.y is None else library.y[:, 0]]
    positive = all((column[np.isfinite(column)] > 0).all() for column in values)
    if not positive or task.rows.targets[0].log != "none":
        raise RecipeError(
            f"model {task.candidate.name}",
            found="values of zero or less" if not positive else "target.log, which takes the logarithm already",
            expected="positive values and target.log = 'none'",
            way_out="use rs_local_pls",
        )


def _pls(task: FitTask, settings: of.PLS) -> PartialLeastSquares:
    return PartialLeastSquares(
        max_components=settings.max_components, n_folds=settings.n_folds, random_state=task.recipe.seed
    )


def _spiked(task: FitTask, settings: of.SpikedPLS, site: Site, chosen: np.ndarray) -> Fitted:
    model = SpikedPLS(
        weights=settings.weights,
        max_components=settings.max_components,
        n_folds=settings.n_folds,
        random_state=task.recipe.seed,
    )
    X, y = _together(site, chosen)
    fitted = model.fit(X, y, np.arange(len(y)) >= len(chosen))
    share = fitted.share_[:-1].sum()
    return Fitted(fitted, chosen, f"models with the library count {share:.0%}, of the site alone the rest")


def _together(site: Site, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return library rows and training rows, the training rows last."""
    return np.concatenate([site.X_library[chosen], site.X]), np.concatenate([site.y_library[chosen], site.y])


def _limited(target: Target, largest: float) -> Target:
    """Return a target that ends at the largest value learned from: exp() of a straight line has no bounds."""
    low, high = target.valid_range
    return Target(target.name, target.unit, (low, float(largest) if high is None else min(high, float(largest))))
