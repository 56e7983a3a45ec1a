"""Transfer of a spectral library to one site with the 1D-CNN of Shen et al. 2022 (section 2.3.4).

    DTL-I    transfer of instances: a new network is trained on k library rows chosen for the site
             (`samples.rs_local`) and the n samples of the site
    DTL-R    transfer of representations: the network of the library is fine-tuned on the n samples, with its first
             blocks frozen
    DTL-IR   both: fine-tuning on k + n rows

In the paper DTL-I from a global library was the best method at each of three sites; DTL-R was often worse than a local
model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.spectral_cnn import SpectralCNN
from geosoil.models.pixel import PixelModel
from geosoil.models.state import regressor_of
from geosoil.training.transfer import fine_tune
from geosoil.training.tuning import tune

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Localised:
    """A model of one site.

    Parameters
    ----------
    model : estimator or PixelModel
        Fitted; after a transfer of representations of the same kind as its source.
    rmse : float
        RMSE over the folds in the unit of y; optimistic, because the folds have chosen the model.
    history : DataFrame
        One row per trial of the search (DTL-I, see `tuning.Tuned`) or per number of frozen blocks (DTL-R, DTL-IR).
    notes : list of str
        Sentences for a report.
    """

    model: Any
    rmse: float
    history: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def transfer_instances(
    X_chosen: np.ndarray,
    y_chosen: np.ndarray,
    X_local: np.ndarray,
    y_local: np.ndarray,
    *,
    n_trials: int = 30,
    progress: Progress | None = None,
    **search: Any,
) -> Localised:
    """Search and train a 1D-CNN on k rows of a library and the n samples of a site (DTL-I).

    Parameters
    ----------
    X_chosen, X_local : ndarray of shape (k, band) and (n, band)
        Preprocessed spectra of the library rows and of the site, with the same bands.
    y_chosen, y_local : ndarray of shape (k,) and (n,)
        Property in the same unit.
    n_trials, progress, **search
        See `tuning.tune`.

    Raises
    ------
    SamplesError
        If the bands differ, and as `tune`.

    References
    ----------
    Shen et al. 2022, section 2.3.4.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 40)[:, None] * np.linspace(1, 2, 20)
    >>> local = transfer_instances(X[:30], X[:30, 0], X[30:], X[30:, 0], n_trials=1, n_folds=2, final="refit", epochs=5)
    >>> local.model.n_samples_, len(local.history)
    (40, 1)
    """
    X, y = _concatenate(X_chosen, y_chosen, X_local, y_local)
    tuned = tune(X, y, n_trials=n_trials, progress=progress, **search)
    net = tuned.estimator().fit(X, y, groups=search.get("groups"), progress=progress)
    notes = [f"{len(y_chosen)} library rows and {len(y_local)} samples of the site", *tuned.notes]
    net.notes_ = [*notes, *net.notes_]
    return Localised(net, tuned.rmse, tuned.history, notes)


def transfer_representations(
    source: Any,
    X_local: np.ndarray,
    y_local: np.ndarray,
    *,
    X_chosen: np.ndarray | None = None,
    y_chosen: np.ndarray | None = None,
    progress: Progress | None = None,
    **settings: Any,
) -> Localised:
    """Fine-tune the 1D-CNN of a library for a site with its first blocks frozen (DTL-R, or DTL-IR with chosen rows).

    Of the networks of the source the one with the smallest RMSE on the local samples is used. Each number of frozen
    blocks is tried, from one to all but the output, and the one with the smallest RMSE over the folds is chosen. Under
    a LogTarget the network and its RMSE refer to ln(y).

    Parameters
    ----------
    source : SpectralCNN, Pipeline, PixelModel or path
        Fitted model of the same property in the same unit (see `transfer.fine_tune`).
    X_local, X_chosen : ndarray of shape (n, band) and (k, band)
        Spectra in the quantity and bands of the source; X_chosen only for DTL-IR.
    y_local, y_chosen : ndarray of shape (n,) and (k,)
        Property; y_chosen only for DTL-IR.
    progress : callable, optional
        Called with "frozen blocks", the number tried and their total.
    **settings
        Parameters of the new network that differ from the source, and arguments of `fine_tune`.

    Returns
    -------
    Localised
        The model; its `ancestry_` names the source.

    Raises
    ------
    RecipeError
        If the source is not a fitted SpectralCNN.
    SamplesError
        If only one of X_chosen and y_chosen is given, and as `fine_tune`.

    References
    ----------
    Shen et al. 2022, section 2.3.4.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 60)[:, None] * np.linspace(1, 2, 20)
    >>> library = SpectralCNN(n_folds=2, epochs=10).fit(X, X[:, 0])
    >>> local = transfer_representations(library, X[::3], X[::3, 0], epochs=5)
    >>> local.history["frozen"].tolist()
    ['convolutions.0', 'convolutions.0, dense.0']
    """
    net, logarithmic = _net_of(source)
    if logarithmic is not None:
        settings.setdefault("retransform", logarithmic)
    if X_chosen is None or y_chosen is None:
        if X_chosen is not None or y_chosen is not None:
            raise SamplesError(
                "chosen rows",
                found="only one of X_chosen and y_chosen",
                expected="both or none",
                way_out="pass both for DTL-IR, none for DTL-R",
            )
        X, y = np.asarray(X_local), np.asarray(y_local, np.float64)
    else:
        X, y = _concatenate(X_chosen, y_chosen, X_local, y_local)
    local_rows = np.arange(len(y) - len(y_local), len(y))
    names = net.layer_names()
    models, errors = [], []
    for n_frozen in range(1, len(names)):
        model = fine_tune(source, X, y, freeze=names[:n_frozen], base_rows=local_rows, same_target=True, **settings)
        models.append(model)
        errors.append(_net_of(model)[0].cross_validated_rmse_)
        if progress is not None:
            progress("frozen blocks", n_frozen, len(names) - 1)
    best = int(np.argmin(errors))
    frozen = [", ".join(names[:n_frozen]) for n_frozen in range(1, len(names))]
    history = pd.DataFrame({"n_frozen": np.arange(1, len(names)), "frozen": frozen, "rmse": errors})
    best_net = _net_of(models[best])[0]
    note = f"{best + 1} of {len(names) - 1} blocks frozen, chosen by cross-validation: RMSE {errors[best]:.4g}"
    best_net.notes_ = [*best_net.notes_, note]
    return Localised(models[best], errors[best], history, list(best_net.notes_))


def _net_of(source: Any) -> tuple[SpectralCNN, str | None]:
    """Return the network inside a source, and the `retransform` of its LogTarget (None without one)."""
    from geosoil.models.find import find_model
    from geosoil.models.store import load_model

    model = load_model(find_model(source)) if isinstance(source, str | Path) else source
    estimator = model.estimator if isinstance(model, PixelModel) else model
    net = regressor_of(estimator)
    if not isinstance(net, SpectralCNN) or not hasattr(net, "weights_"):
        raise RecipeError(
            "transfer of representations",
            found=f"a source of type {type(net).__name__}"
            + ("" if hasattr(net, "weights_") else " that is not fitted"),
            expected="a fitted SpectralCNN",
            way_out="train the model of the library with a SpectralCNN",
        )
    return net, estimator.retransform if isinstance(estimator, LogTarget) else None


def _concatenate(
    X_chosen: np.ndarray, y_chosen: np.ndarray, X_local: np.ndarray, y_local: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return k + n rows with the local ones last."""
    X_chosen, X_local = np.asarray(X_chosen), np.asarray(X_local)
    if X_chosen.ndim != 2 or X_chosen.shape[1:] != X_local.shape[1:]:
        raise SamplesError(
            "library and site",
            found=f"spectra of shape {X_chosen.shape} and {X_local.shape}",
            expected="spectra with the same bands",
            way_out="resample them to the same bands first",
        )
    return np.concatenate([X_chosen, X_local]), np.concatenate([y_chosen, y_local]).astype(np.float64)
