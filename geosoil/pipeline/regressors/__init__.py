"""All models that a recipe can ask for: one table.

A plain regressor is a scikit-learn estimator class whose constructor takes the settings and `random_state`; it is
fitted behind the steps of the recipe's `[features]`. A method (a transfer, a localisation, a patch network) is a
function `fit(task, settings) -> Model` that makes its model itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

import geosoil.pipeline.regressors.settings as of
from geosoil.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.models.contract import Model
    from geosoil.pipeline.part import Part
    from geosoil.pipeline.recipe import Recipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.task import Candidate, FitTask

    Progress = Callable[[str, int, int], None]

ALL_FEATURES = frozenset({"preprocessing", "laboratory", "fusion", "cars", "screen"})
_LIBRARY = frozenset({"library", "library_target"})
_SOURCE = frozenset({"library", "auxiliary"})
_COUNTRY = _LIBRARY | {"country"}
_AUXILIARY = frozenset({"auxiliary"})
_PATCHES = frozenset({"patches"})
_SELECTED = ("preprocessing", "cars", "screen")
_HERE = "geosoil.pipeline.regressors"


@dataclass(frozen=True)
class Regressor:
    """One entry of `REGRESSORS`.

    Parameters
    ----------
    title : str
        Name in tables and reports.
    settings : type of Part
        Schema of the recipe's table `[model.NAME]`.
    estimator : str
        `module:Class` of a plain regressor, or "".
    fit : str
        `module:function` of a method, or "".
    scaled : bool
        Whether a plain regressor sees standardised features.
    needs : frozenset of str
        What the rows must have: "library", "library_target", "auxiliary", "patches", "country". The auxiliary property
        is in the library if there is one, otherwise in the samples.
    multi_target : bool
        Whether all targets are fitted by one model (depth networks); other regressors are fitted once per target.
    uses : frozenset of str
        Which parts of the section `[features]` the regressor can use, of `ALL_FEATURES`.
    saved : bool
        Whether a model can be written to a folder; others take part in comparisons only.
    """

    title: str
    settings: type[Part]
    estimator: str = ""
    fit: str = ""
    scaled: bool = False
    needs: frozenset[str] = frozenset()
    multi_target: bool = False
    uses: frozenset[str] = ALL_FEATURES
    saved: bool = True


def _method(title: str, settings: type[Part], place: str, needs: frozenset[str], *uses: str, **more: Any) -> Regressor:
    return Regressor(title, settings, fit=f"{_HERE}.{place}", needs=needs, uses=frozenset(uses), **more)


def _localised(
    title: str, settings: type[Part], place: str, needs: frozenset[str] = _LIBRARY, *, saved: bool = True
) -> Regressor:
    return _method(title, settings, place, needs, "preprocessing", saved=saved)


REGRESSORS: dict[str, Regressor] = {
    "pls": Regressor("PLSR", of.PLS, estimator="geosoil.estimators.pls:PartialLeastSquares"),
    "svr": Regressor("SVR", of.SVR, estimator="geosoil.estimators.support_vectors:SupportVectors", scaled=True),
    "forest": Regressor("Forest", of.Forest, estimator="geosoil.estimators.forest:Forest"),
    "mlp": Regressor("MLP", of.MLP, estimator="geosoil.estimators.dense_net:DenseNet", scaled=True),
    "resnet": Regressor("ResNet", of.ResNet, estimator="geosoil.estimators.resnet:ResNet1D"),
    "cnn": _method("CNN", of.PatchCNN, "depth:fit", _PATCHES, "screen", multi_target=True),
    "multitask_cnn": _method("Multi-task CNN", of.PatchCNN, "depth:fit", _PATCHES, "screen", multi_target=True),
    "transfer_cnn": _method("Transfer CNN", of.TransferCNN, "depth:fit", _PATCHES, "screen", multi_target=True),
    "transfer_mlp": _method(
        "Transfer MLP", of.TransferMLP, "property_transfer:fit_transfer_mlp", _AUXILIARY, *_SELECTED
    ),
    "cascade": _method("Cascade", of.Cascade, "property_transfer:fit_cascade_of_forests", _AUXILIARY, *_SELECTED),
    "transfer_resnet": _method(
        "Transfer ResNet", of.TransferResNet, "spectral_transfer:fit_transfer", _SOURCE, "preprocessing"
    ),
    "random_resnet": _method(
        "ResNet, random layers", of.RandomResNet, "spectral_transfer:fit_random", _SOURCE, "preprocessing"
    ),
    "source_pls_scores": _method(
        "PLS scores of the library", of.LibraryScores, "spectral_transfer:fit_scores", _SOURCE, "preprocessing"
    ),
    "library_pca_scores": _method(
        "PCA scores of the library", of.LibraryScores, "spectral_transfer:fit_scores", _SOURCE, "preprocessing"
    ),
    "library_pls": _localised("Library PLSR", of.LibraryPLS, "localised:fit_library_pls"),
    "spiked_pls": _localised("Spiked PLSR", of.SpikedPLS, "localised:fit_spiked_pls"),
    "mbl": _localised("MBL", of.MemoryBased, "localised:fit_memory_based"),
    "boosted_trees": _localised("Boosted trees", of.BoostedTrees, "localised:fit_boosted_trees", saved=False),
    "rs_local_pls": _localised("RS-LOCAL + PLSR", of.RSLocalPLS, "localised:fit_rs_local_pls"),
    "rs_local_pls_ln": _localised("RS-LOCAL + PLSR, ln", of.RSLocalPLS, "localised:fit_rs_local_pls"),
    "spectral_cnn": _method("1D-CNN", of.SpectralCNN, "localised_cnn:fit_samples", frozenset(), "preprocessing"),
    "library_cnn": _localised("Library CNN", of.LibraryCNN, "localised_cnn:fit_library"),
    "dtl_i": _localised("DTL-I, library", of.DTLI, "localised_cnn:fit_instances"),
    "dtl_r": _localised("DTL-R, library", of.DTLR, "localised_cnn:fit_representations"),
    "dtl_ir": _localised("DTL-IR, library", of.DTLIR, "localised_cnn:fit_representations"),
    "country_cnn": _localised("Country CNN", of.LibraryCNN, "localised_cnn:fit_library", _COUNTRY),
    "dtl_i_country": _localised("DTL-I, country", of.DTLI, "localised_cnn:fit_instances", _COUNTRY),
    "dtl_r_country": _localised("DTL-R, country", of.DTLR, "localised_cnn:fit_representations", _COUNTRY),
    "dtl_ir_country": _localised("DTL-IR, country", of.DTLIR, "localised_cnn:fit_representations", _COUNTRY),
    "auto": _method("Best in cross-validation", of.Auto, "auto:fit", frozenset(), *ALL_FEATURES),
}
"""The regressors that `model.kind` and `model.compare` can name."""


def fit_model(task: FitTask) -> Model:
    """Fit the candidate of a task to its training rows.

    Several targets are fitted one by one and combined, unless the regressor learns them together or they are the
    depths of one property. `task.details` is filled with what cards and reports show.

    Raises
    ------
    RecipeError
        If the recipe asks for a part of `[features]` that the regressor cannot use, or lacks what it needs.
    SamplesError
        If there are too few rows.
    """
    entry = REGRESSORS[task.candidate.kind]
    _check_features(task.candidate, entry)
    fit = _function(entry.fit or f"{_HERE}.plain:fit")
    together = entry.multi_target or (entry.estimator and task.rows.layers_cm is not None)
    task.details["steps"] = _steps_in_words(task.candidate, entry)
    if together or len(task.rows.targets) == 1:
        model: Model = fit(task, task.candidate.settings)
        return model
    from geosoil.models.compose import MultiTargetModel

    models = []
    for index, target in enumerate(task.rows.map_targets):
        part = replace(task, rows=task.rows.for_target(index), details={})
        models.append(fit(part, task.candidate.settings))
        _add_details(task.details, part.details, target.name)
    return MultiTargetModel(tuple(models))


def predict_rows(model: Model, candidate: Candidate, rows: TrainingRows, indices: np.ndarray) -> np.ndarray:
    """Predict rows as a map does, `(len(indices), n_targets)` in the targets' units.

    A model of patches reads the patches of the rows, a model of pixels their centres, and a model of laboratory spectra
    the laboratory spectra.
    """
    X = rows.X if model.halo else rows_for(candidate, rows)
    return np.asarray(model.predict_rows(X[indices][:, model.used_columns]))  # type: ignore[attr-defined]


def rows_for(candidate: Candidate, rows: TrainingRows) -> np.ndarray:
    """Return the matrix `(n, n_features)` that a candidate learns from: the rows' centres, or laboratory spectra."""
    if candidate.features.use != "laboratory":
        return rows.centres
    if rows.laboratory is None:
        raise RecipeError(
            candidate.name,
            found="features.use = 'laboratory' without laboratory spectra",
            expected="data.laboratory",
            way_out="add it, or set features.use = 'satellite'",
        )
    return rows.laboratory


def prepare_shared(
    recipe: Recipe, rows: TrainingRows, candidates: Sequence[Candidate], progress: Progress | None = None
) -> dict[Any, Any]:
    """Learn what all folds may share: networks and scores of library rows that are no spectra of tested samples.

    Nothing is learned here if the library holds spectra of the samples; every fold then learns without those that it
    tests.

    Returns
    -------
    dict
        The `shared` of every `FitTask`.
    """
    from geosoil.pipeline.task import FitTask

    shared: dict[Any, Any] = {}
    if rows.library is None or rows.library.holds_samples:
        return shared
    for candidate in candidates:
        module, _, _ = REGRESSORS[candidate.kind].fit.partition(":")
        learn = getattr(import_module(module), "learn_shared", None) if module else None
        for index in range(len(rows.targets)) if learn is not None else ():
            task = FitTask(
                candidate, rows.for_target(index), np.arange(0), recipe, recipe.seed, shared=shared, progress=progress
            )
            learn(task, candidate.settings)  # type: ignore[misc]
    return shared


def _check_features(candidate: Candidate, entry: Regressor) -> None:
    features = candidate.features
    asked = {
        "preprocessing": bool(features.preprocessing),
        "laboratory": features.use == "laboratory",
        "fusion": features.use in ("generated", "mix"),
        features.selection.method: features.selection.method != "none",
    }
    for part, is_asked in asked.items():
        if is_asked and part not in entry.uses:
            raise RecipeError(
                f"model {candidate.name}",
                found=f"features with {part}",
                expected=f"only {', '.join(sorted(entry.uses)) or 'the features as they are'} for {candidate.kind}",
                way_out="give this model its own features in model.compare, or change [features]",
            )


def _steps_in_words(candidate: Candidate, entry: Regressor) -> list[str]:
    features = candidate.features
    steps = [setting.step.replace("_", " ") for setting in features.preprocessing]
    if features.use in ("generated", "mix"):
        steps.append(f"spectral VAE ({features.use})")
    selection = {"none": [], "cars": ["selection of bands by CARS"], "screen": ["selection of covariates"]}
    return [*steps, *selection[features.selection.method], entry.title]


def _add_details(details: dict[str, Any], of_target: dict[str, Any], name: str) -> None:
    """Add the details of the model of one target to those of all: by its name, and what the card tells of all."""
    details.setdefault("targets", {})[name] = of_target
    for key in ("notes", "card_notes"):
        if key in of_target:
            details[key] = list(dict.fromkeys([*details.get(key, []), *of_target[key]]))
    for key in ("n_features", "n_training_rows"):
        if key in of_target:
            details[key] = max(of_target[key], details.get(key, 0))
    if "source_model" in of_target:  # all targets begin with the same network
        details["source_model"] = of_target["source_model"]


def _function(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
