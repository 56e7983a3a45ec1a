"""A Gaussian process on the blocks of features that the rows have: spectra, their derivative, covariates, place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline

from geosoil.estimators.gaussian_process import GaussianProcess
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.process_blocks import WINDOW_BANDS
from geosoil.models.contract import with_training_range
from geosoil.models.pixel import PixelModel
from geosoil.pipeline.regressors import features_for, rows_for
from geosoil.pipeline.regressors.steps import fitted_target, known_rows, prepare

if TYPE_CHECKING:
    from geosoil.models.contract import Feature, Model
    from geosoil.pipeline.regressors.steps import Prepared
    from geosoil.pipeline.regressors.table import GaussianProcess as Settings
    from geosoil.pipeline.task import FitTask


def fit(task: FitTask, settings: Settings) -> Model:
    """Fit a Gaussian process to the training rows, behind preprocessing, fusion and selection if there are any.

    `task.details` has the shares of the variance that its blocks explain.
    """
    prepared = prepare(task)
    rows = known_rows(task, task.train)
    features = features_for(task.candidate, task.rows)
    retransform = task.rows.targets[0].log
    parameters: dict[str, Any] = settings.model_dump()
    if retransform != "none":
        parameters["log"] = "always" if retransform == "smearing" else "none"
    process = GaussianProcess(
        blocks=kernel_blocks(features, prepared),
        random_state=task.seed,
        **parameters,
    )
    naive = retransform == "naive"
    errors = task.rows.standard_error
    noise_sd = None if errors is None else errors[rows, 0]
    if naive and noise_sd is not None:
        noise_sd = noise_sd / task.rows.y[rows, 0]  # of the logarithm
    process.fit(prepared.X[rows], fitted_target(task, rows, retransform if naive else "none"), noise_sd=noise_sd)
    estimator: Any = Pipeline([*prepared.steps, ("model", process)]) if prepared.steps else process
    inputs = rows_for(task.candidate, task.rows)[rows]
    if naive:
        estimator = LogTarget(None, retransform=retransform).use_fitted(estimator, inputs, task.rows.y[rows, 0])
    task.details["description"] = describe(process)
    return PixelModel(estimator, with_training_range(features, inputs), task.rows.map_targets)


def kernel_blocks(features: tuple[Feature, ...], prepared: Prepared) -> list[dict[str, Any]]:
    """Return the blocks of a process: the bands and their derivative, the other columns, and place.

    Columns that come out of the recipe's own preprocessing, fusion or selection are one block as they are.
    """
    places = [i for i, feature in enumerate(features) if feature.place is not None]
    n_columns = prepared.X.shape[1]
    n_others = n_columns - len(places)  # places are the last columns, which no step changes
    blocks: list[dict[str, Any]]
    if prepared.steps:
        blocks = [{"name": "features", "columns": list(range(n_others))}] if n_others else []
    else:
        bands = [i for i, feature in enumerate(features) if feature.wavelength_nm is not None]
        others = [i for i in range(n_others) if i not in set(bands)]
        blocks = [{"name": "spectra", "columns": bands}] if bands else []
        if len(bands) >= WINDOW_BANDS:
            blocks.append({"name": "derivative of the spectra", "columns": bands, "derivative": True})
        if others:
            blocks.append({"name": "covariates", "columns": others})
    if places:
        columns = list(range(n_others, n_columns))
        blocks.append({"name": "place", "columns": columns, "place": True, "linear": False})
    return blocks


def describe(process: GaussianProcess) -> str:
    """Return in words what a fitted process has learned.

    >>> import numpy as np
    >>> X = np.linspace(0, 6, 40)[:, None]
    >>> describe(GaussianProcess().fit(X, np.sin(X[:, 0])))
    'shares of the prior variance: features 99 %, noise 1 %'
    """
    names = [*process.blocks_, "noise"]
    shares = (f"{name} {100 * share:.0f} %" for name, share in zip(names, process.variance_shares_, strict=True))
    words = f"shares of the prior variance: {', '.join(shares)}"
    if process.log_:
        words += "; the logarithm of the target is modelled"
    lengths = dict(zip(process.blocks_, process.lengths_, strict=True))
    if "place" in lengths:
        # The Matern function of order 3/2 is 0.14 at two lengths.
        words += f"; place adds to predictions within about {2 * lengths['place']:.3g} m of samples"
    return words
