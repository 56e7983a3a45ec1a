"""What a library's auxiliary property teaches a model of the target (He et al. 2025), and controls of it.

transfer_resnet      the network that learned the auxiliary property; its dense head is trained on the target
random_resnet        the same with frozen layers that were never trained: does it matter what the library taught?
source_pls_scores    ridge regression on PLS scores of the auxiliary property: is a network needed?
library_pca_scores   ridge regression on as many principal components of the library
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.resnet import ResNet1D
from geosoil.estimators.score_ridge import ScoreRidge
from geosoil.evaluate.metrics import regression_metrics
from geosoil.models.contract import with_training_range
from geosoil.models.pixel import PixelModel
from geosoil.models.state import regressor_of
from geosoil.pipeline.regressors.property_transfer import auxiliary_name, auxiliary_target
from geosoil.pipeline.regressors.steps import (
    describe_network,
    fit_steps,
    known_rows,
    preprocessing_steps,
)
from geosoil.pipeline.task import SourceModel
from geosoil.training.transfer import fine_tune

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geosoil.pipeline.regressors.table import LibraryScores, RandomResNet, TransferResNet
    from geosoil.pipeline.task import FitTask

LEAST_LIBRARY_ROWS = 40
_NETWORK = ("output", "epochs", "patience", "batch_size", "learning_rate", "device")


def fit_transfer(task: FitTask, settings: TransferResNet) -> PixelModel:
    """Fine-tune the network of the auxiliary property on the target.

    `task.details["source_model"]` is the `SourceModel` that it started from.
    """
    source = _learned(task, settings, "network", _train_network)
    model = _fine_tune(task, settings, source.model, settings.fine_tuning_rate)
    library: Any = task.rows.library
    _, test_rows = _source_rows(task, settings.test_share)
    explained = {
        auxiliary_name(task): (source.model, library.X[test_rows]),
        task.rows.targets[0].name: (model, task.rows.X),
    }
    task.details.update(source_model=source, explained=explained)
    return model


def fit_random(task: FitTask, settings: RandomResNet) -> PixelModel:
    """Train the dense head behind frozen layers with random weights."""
    source = _learned(task, settings, "random", _untrained_network)
    return _fine_tune(task, settings, source, settings.learning_rate)  # a random head has further to go


def fit_scores(task: FitTask, settings: LibraryScores) -> PixelModel:
    """Fit ridge regression to scores that the library defines."""
    steps, pls, pca = _learned(task, settings, "scores", _library_scores)
    mean, rotation = pls if task.candidate.kind == "source_pls_scores" else pca
    train = known_rows(task, task.train)
    R, y, log = task.rows.centres[train], task.rows.y[train, 0], task.rows.targets[0].log
    estimator = Pipeline([*steps, ("model", ScoreRidge())])
    scores = {"model__mean": mean, "model__rotation": rotation}
    if log == "none":
        estimator.fit(R, y, **scores)
    else:
        estimator = LogTarget(estimator, retransform=log).fit(R, y, **scores)
    task.details["n_features"] = rotation.shape[1]
    return PixelModel(estimator, with_training_range(task.rows.features, R), task.rows.map_targets)


def learn_shared(task: FitTask, settings: Any) -> None:
    """Learn from the library what the models of a kind share, for `prepare_shared`."""
    learned: dict[str, tuple[str, Any]] = {
        "transfer_resnet": ("network", _train_network),
        "random_resnet": ("random", _untrained_network),
    }
    name, learn = learned.get(task.candidate.kind, ("scores", _library_scores))
    _report(task, 0)
    _learned(task, settings, name, learn)
    _report(task, 1)


def name_source(model: Any, folder: Path) -> None:
    """Write name and hash of a saved source model into the ancestry of the models that were made of it."""
    from geosoil.models.store import model_sha256, read_card

    origin = {"sha256": model_sha256(folder), "name": read_card(folder).name}
    for member in getattr(model, "members", (model,)):
        regressor_of(member.estimator).ancestry_[-1] |= origin


def _learned(task: FitTask, settings: Any, name: str, learn: Callable[[FitTask, Any], Any]) -> Any:
    """Return what the library taught: from all folds, or of this fold if the library holds spectra of the samples."""
    library = task.rows.library
    if library is None or library.auxiliary is None:
        raise RecipeError(
            f"model {task.candidate.name}",
            found="no library with an auxiliary property",
            expected="data.library and data.auxiliary",
            way_out="add them, or use another model",
        )
    include = {*_NETWORK, "test_share", "max_components"}
    steps = task.candidate.features.model_dump_json(include={"preprocessing"})
    key = ("source", name, settings.model_dump_json(include=include), steps)
    cache = task.fold_cache if library.holds_samples else task.shared
    if key not in cache:
        cache[key] = learn(task, settings)
    return cache[key]


def _source_rows(task: FitTask, test_share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return library rows to learn from and rows that test the network, neither of a tested sample."""
    library = task.rows.library
    assert library is not None
    assert library.auxiliary is not None
    rows = library.rows_without(task.test)
    rows = rows[np.isfinite(library.auxiliary[rows])]
    if len(rows) < LEAST_LIBRARY_ROWS:
        raise SamplesError(
            "library",
            found=f"{len(rows)} rows with the auxiliary property",
            expected=f"{LEAST_LIBRARY_ROWS} or more",
            way_out="use a larger library",
        )
    order = np.random.default_rng(task.recipe.seed).permutation(rows)
    n_test = round(test_share * len(rows))
    return np.sort(order[n_test:]), np.sort(order[:n_test])


def _network(task: FitTask, settings: Any, **changes: Any) -> Pipeline:
    """Return the unfitted network behind the preprocessing."""
    options = settings.model_dump(include=set(_NETWORK)) | changes
    steps = preprocessing_steps(task.candidate.features, task.rows.wavelength_nm)
    return Pipeline([*steps, ("net", ResNet1D(random_state=task.recipe.seed, **options))])


def _train_network(task: FitTask, settings: TransferResNet) -> SourceModel:
    library: Any = task.rows.library
    rows, test_rows = _source_rows(task, settings.test_share)
    estimator = _network(task, settings).fit(library.X[rows], library.auxiliary[rows])
    features = with_training_range(task.rows.features, library.X[rows])
    tested = library.auxiliary[test_rows], estimator.predict(library.X[test_rows])
    figures = {name: value for name, value in regression_metrics(*tested).items() if np.isfinite(value)}
    return SourceModel(
        PixelModel(estimator, features, (auxiliary_target(task),)),
        [*task.candidate.features.step_names, f"ResNet of {auxiliary_name(task)}"],
        len(rows),
        figures,
        tested,
    )


def _untrained_network(task: FitTask, settings: RandomResNet) -> PixelModel:
    """Return the network with the weights of its seed; only its batch statistics have seen the library."""
    library: Any = task.rows.library
    rows, _ = _source_rows(task, settings.test_share)
    network = _network(task, settings, epochs=1, patience=1, learning_rate=0.0)
    network.fit(library.X[rows], library.auxiliary[rows])
    return PixelModel(network, with_training_range(task.rows.features, library.X[rows]), (auxiliary_target(task),))


def _library_scores(task: FitTask, settings: LibraryScores) -> tuple[Any, tuple[Any, Any], tuple[Any, Any]]:
    """Return fitted steps, and (mean, rotation) of PLS scores and of as many principal components."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.decomposition import PCA

    library: Any = task.rows.library
    rows, _ = _source_rows(task, settings.test_share)
    steps = preprocessing_steps(task.candidate.features, task.rows.wavelength_nm)
    X, y = np.asarray(fit_steps(steps, library.X[rows]), np.float64), library.auxiliary[rows]
    chosen = PartialLeastSquares(max_components=settings.max_components, random_state=task.recipe.seed)
    pls = PLSRegression(chosen.fit(X, y).n_components_, scale=False).fit(X, y)
    pca = PCA(pls.x_rotations_.shape[1], random_state=task.recipe.seed).fit(X)
    return steps, (X.mean(axis=0), pls.x_rotations_), (pca.mean_, pca.components_.T)


def _fine_tune(task: FitTask, settings: Any, source: PixelModel, learning_rate: float) -> PixelModel:
    rows, stopping = known_rows(task, task.train), {}
    log = task.rows.targets[0].log
    if task.stopping_rows is not None:
        n_train = len(rows)
        rows = np.concatenate([rows, known_rows(task, task.stopping_rows)])
        stopping = {"stopping_rows": np.arange(len(rows)) >= n_train}
    model: PixelModel = fine_tune(
        source,
        task.rows.centres[rows],
        task.rows.y[rows, 0],
        freeze=settings.freeze,
        target=task.rows.map_targets[0],
        retransform=None if log == "none" else log,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        patience=settings.patience,
        learning_rate=learning_rate,
        random_state=task.seed,
        **stopping,
    )
    describe_network(task, regressor_of(model.estimator))
    return model


def _report(task: FitTask, done: int) -> None:
    if task.progress is not None:
        task.progress("source model", done, 1)
