"""A library's 1D-CNN brought to one site (Shen et al. 2022, 2.3.4): by its rows, by what its net has learned, by both.

    DTL-I    k library rows that serve the site (`samples.rs_local`) and its n samples train a net of their own
    DTL-R    the library's net, its front blocks frozen, goes on to learn the n samples
    DTL-IR   the same on k + n rows

In the paper DTL-I from a global library was the best at each of three sites; DTL-R often lost to a local model.
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
    """A model of one site, and how it came about.

    model: fitted; for a transfer of representations of the kind of its source (a net, a Pipeline, a PixelModel).
    rmse: over the folds, in y's unit, optimistic; no estimate of the error at the site. history: a row for each trial
    of the search (DTL-I, see `tuning.Tuned`), or for each number of frozen blocks (DTL-R, DTL-IR).
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
    """Search and train a 1D-CNN on k rows chosen from a library and the n samples of a site: DTL-I.

    X_chosen `(k, band)`, X_local `(n, band)`: preprocessed spectra of the same bands; y_chosen `(k,)`, y_local `(n,)`
    in one unit. n_trials, and `search`, as `tuning.tune` takes them (minutes, storage, space, n_folds, final, seed,
    ...). Raises as `tune` does, SamplesError where the bands are not the same.

    >>> X = np.linspace(-1, 1, 40)[:, None] * np.linspace(1, 2, 20)
    >>> local = transfer_instances(X[:30], X[:30, 0], X[30:], X[30:, 0], n_trials=1, n_folds=2, final="refit", epochs=5)
    >>> local.model.n_samples_, len(local.history)
    (40, 1)
    """
    X, y = _together(X_chosen, y_chosen, X_local, y_local)
    found = tune(X, y, n_trials=n_trials, progress=progress, **search)
    net = found.estimator().fit(X, y, groups=search.get("groups"), progress=progress)
    notes = [f"{len(y_chosen)} library rows and {len(y_local)} samples of the site", *found.notes]
    net.notes_ = [*notes, *net.notes_]
    return Localised(net, found.rmse, found.history, notes)


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
    """Go on from a library's 1D-CNN with its front blocks frozen: DTL-R on n local samples, DTL-IR with k chosen rows.

    source: a fitted SpectralCNN of the same property in the same unit, or a Pipeline, a PixelModel or a stored model
    around one (see `transfer.fine_tune`). Of its fold nets the one with the smallest RMSE on the local samples is the
    base. One block after another is frozen, from the first alone to all but the output; the number with the smallest
    RMSE over the folds, the same for all, wins. Under a LogTarget the net and its RMSE are those of ln(y).
    X_local `(n, band)` and X_chosen `(k, band)` in the source's quantity and bands; y_local `(n,)`, y_chosen `(k,)`.
    settings: of the new net where it differs from the source (`n_folds`, `final`, `epochs`, `learning_rate`,
    `random_state`), and of `fine_tune` (`wavelength_nm`, ...). progress: called with "frozen blocks", done, all.

    The model's `ancestry_` says what it came from. Raises RecipeError for a source that is no SpectralCNN,
    SamplesError for k rows without values, and as `fine_tune` does.

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
                found="spectra or values alone",
                expected="X_chosen and y_chosen",
                way_out="give both for DTL-IR, neither for DTL-R",
            )
        X, y = np.asarray(X_local), np.asarray(y_local, np.float64)
    else:
        X, y = _together(X_chosen, y_chosen, X_local, y_local)
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
    chosen = _net_of(models[best])[0]
    note = f"{best + 1} of {len(names) - 1} blocks frozen, chosen by the folds: RMSE {errors[best]:.4g}"
    chosen.notes_ = [*chosen.notes_, note]
    return Localised(models[best], errors[best], history, list(chosen.notes_))


def _net_of(source: Any) -> tuple[SpectralCNN, str | None]:
    """Return the net inside a source, and how its LogTarget gives y back, None without one."""
    from geosoil.models.store import find_model, load_model

    model = load_model(find_model(source)) if isinstance(source, str | Path) else source
    estimator = model.estimator if isinstance(model, PixelModel) else model
    net = regressor_of(estimator)
    if not isinstance(net, SpectralCNN) or not hasattr(net, "weights_"):
        raise RecipeError(
            "transfer of representations",
            found=f"a source of kind {type(net).__name__}" + ("" if hasattr(net, "weights_") else " without weights"),
            expected="a fitted SpectralCNN",
            way_out="train the library's model with one",
        )
    return net, estimator.retransform if isinstance(estimator, LogTarget) else None


def _together(
    X_chosen: np.ndarray, y_chosen: np.ndarray, X_local: np.ndarray, y_local: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return k + n rows, the local ones last."""
    X_chosen, X_local = np.asarray(X_chosen), np.asarray(X_local)
    if X_chosen.ndim != 2 or X_chosen.shape[1:] != X_local.shape[1:]:
        raise SamplesError(
            "library and site",
            found=f"spectra of shape {X_chosen.shape} and {X_local.shape}",
            expected="rows of the same bands",
            way_out="resample them first",
        )
    return np.concatenate([X_chosen, X_local]), np.concatenate([y_chosen, y_local]).astype(np.float64)
