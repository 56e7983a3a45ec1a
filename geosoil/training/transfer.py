"""Transfer learning: fine-tune a network trained for one property on few samples of another (He et al. 2025, 2.2.2).

It works with any network estimator that has the methods `layer_names()`, `default_freeze()` and
`fine_tuned(X, y, freeze=..., **settings)`, which returns a new estimator (ResNet1D, DenseNet, SpectralCNN).
"""

from __future__ import annotations

import warnings
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RecipeError, SamplesError, WavelengthError
from geosoil.estimators.base import FEW_SAMPLES, FEWEST_SAMPLES, checked_rows
from geosoil.io.journal import Identity
from geosoil.models.contract import Feature, Target, with_training_range
from geosoil.models.pixel import PixelModel
from geosoil.models.state import describe, regressor_of, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

SAME_WAVELENGTH_NM = 0.05


@dataclass(frozen=True)
class _Source:
    """The parts of a source model: its fitted steps, its network and its origin."""

    model: Any
    steps: list[tuple[str, Any]]
    net_name: str
    net: Any
    wavelength_nm: np.ndarray | None
    sha256: str
    name: str
    target: str
    n_samples: int | None


def fine_tune(
    source: Any,
    X: np.ndarray,
    y: np.ndarray,
    *,
    freeze: Sequence[str] | None = None,
    wavelength_nm: Sequence[float] | np.ndarray | None = None,
    source_wavelength_nm: Sequence[float] | np.ndarray | None = None,
    target: Target | None = None,
    retransform: str | None = None,
    **settings: Any,
) -> Any:
    """Fine-tune the network of a source model for another target; the source is not changed.

    Parameters
    ----------
    source : estimator, PixelModel or path
        A fitted network (ResNet1D, DenseNet, SpectralCNN), a Pipeline or LogTarget around one, a PixelModel, or the
        folder of a stored model.
    X : ndarray of shape (sample, feature)
        Spectra in the quantity of the source.
    y : ndarray of shape (sample,)
        Target in its unit.
    freeze : sequence of str, optional
        Layers that keep their weights and batch-norm statistics; by default those of `default_freeze()`.
    wavelength_nm : sequence of float, optional
        Wavelengths of X. If they differ from those of the source, spectra are interpolated linearly to the bands of the
        source, also by the new model.
    source_wavelength_nm : sequence of float, optional
        Wavelengths of the source; a PixelModel knows its own.
    target : Target, optional
        Target of the new PixelModel; by default that of the source.
    retransform : {"naive", "smearing"}, optional
        Train on ln(y), and transform predictions back as `LogTarget` does.
    **settings
        Arguments of `fine_tuned`: `bn`, `groups`, and parameters of the network that change.

    Returns
    -------
    estimator or PixelModel
        Of the same kind as the source (a PixelModel for a folder), with the preprocessing of the source. The `notes_`
        of its network describe the transfer; `ancestry_`, stored in the model card, names the source.

    Raises
    ------
    SamplesError
        For fewer than 10 samples, or NaN; below 20 samples there is a warning.
    RecipeError
        If the source is not a network, or has no such layer.
    WavelengthError
        If X does not cover the bands of the source.

    References
    ----------
    He et al. 2025, section 2.2.2.

    Examples
    --------
    >>> from geosoil.estimators.dense_net import DenseNet
    >>> X = np.linspace(-1, 1, 40)[:, None] * [[1.0, -1.0]]
    >>> net = DenseNet(hidden=[4], epochs=5).fit(X, X[:, 0])
    >>> tuned = fine_tune(net, X, 2 * X[:, 0], freeze=["layers.0"])
    >>> bool((tuned.weights_["layers.0.weight"] == net.weights_["layers.0.weight"]).all())
    True
    """
    parts = _unpack_source(source, source_wavelength_nm)
    X, y = _checked_rows(X, y)
    layers = parts.net.layer_names()
    frozen = list(parts.net.default_freeze() if freeze is None else freeze)
    if set(frozen) - set(layers) or set(frozen) == set(layers):
        raise RecipeError(
            "freeze",
            found=", ".join(sorted(set(frozen) - set(layers))) or "all layers",
            expected=f"some, but not all, of {', '.join(layers)}",
            way_out="omit freeze for the default choice",
        )
    steps, notes = list(parts.steps), []
    if wavelength_nm is not None or source_wavelength_nm is not None:
        step = _resampling(np.asarray(wavelength_nm, np.float64), parts.wavelength_nm, X)
        if step is not None:
            steps.insert(0, ("resample", step))
            source_nm = parts.wavelength_nm
            assert source_nm is not None
            notes.append(
                f"spectra interpolated linearly from {X.shape[1]} bands to the {len(source_nm)} bands of the source "
                f"({source_nm[0]:g} to {source_nm[-1]:g} nm)"
            )
    rows = X
    expected = int(getattr(steps[0][1] if steps else parts.net, "n_features_in_", None) or X.shape[1])
    if X.shape[1] != expected:
        raise _other_features(X.shape[1], expected)
    for _, step in steps:
        rows = np.asarray(step.transform(rows))
    if rows.shape[1] != parts.net.n_features_in_:
        raise _other_features(rows.shape[1], parts.net.n_features_in_)
    if not np.isfinite(rows).all():
        raise SamplesError(
            "fine_tune",
            found=f"NaN in {int((~np.isfinite(rows).all(axis=1)).sum())} rows after the preprocessing of the source",
            expected="finite numbers",
            way_out="check these rows for reflectance of zero or less, or for another quantity than that of the source",
        )
    if retransform is None:
        net = parts.net.fine_tuned(rows, y, freeze=frozen, **settings)
    else:
        from geosoil.estimators.log_target import logarithm

        net = parts.net.fine_tuned(rows, logarithm(y), freeze=frozen, **settings)
    notes.append(f"fine-tuned on {len(y)} samples; frozen layers: {', '.join(frozen) or 'none'}")
    net.notes_ = [*getattr(net, "notes_", []), *notes]
    origin = {"sha256": parts.sha256, "name": parts.name, "target": parts.target, "n_samples": parts.n_samples}
    net.ancestry_ = [*getattr(parts.net, "ancestry_", []), origin | {"frozen": frozen}]
    return _repack(parts.model, steps, parts.net_name, net, X, y, wavelength_nm, target, retransform)


def _unpack_source(source: Any, wavelength_nm: Sequence[float] | np.ndarray | None) -> _Source:
    from sklearn.pipeline import Pipeline

    sha256, name, n_samples, target = "", "", None, ""
    estimator = source
    if isinstance(source, str | Path):
        from geosoil.models.find import find_model
        from geosoil.models.store import load_model, model_sha256, read_card

        folder = find_model(source)
        card = read_card(folder)
        sha256, name, n_samples = model_sha256(folder), card.name, card.training.n_samples
        estimator = source = load_model(folder)
    if isinstance(source, PixelModel):
        estimator, target = source.estimator, source.targets[0].name
        known = [feature.wavelength_nm for feature in source.training_columns]
        if wavelength_nm is None and None not in known:
            wavelength_nm = np.array(known, np.float64)
    net = regressor_of(estimator)
    if not hasattr(net, "fine_tuned"):
        raise RecipeError(
            "fine_tune",
            found=f"a source model of type {type(net).__name__}",
            expected="a network (ResNet1D, DenseNet or SpectralCNN)",
            way_out="train the source with a network",
        )
    estimator = unwrapped(estimator)
    steps, net_name = [], "net"
    if isinstance(estimator, Pipeline):
        *before, (net_name, last) = estimator.steps
        if last is not net:
            raise RecipeError(
                "fine_tune",
                found=f"a {type(last).__name__} around the network inside a Pipeline",
                expected="the network as the last step of the Pipeline",
                way_out=f"put the Pipeline inside the {type(last).__name__}",
            )
        steps = [(step_name, deepcopy(step)) for step_name, step in before if step not in (None, "passthrough")]
    return _Source(
        source,
        steps,
        net_name,
        net,
        None if wavelength_nm is None else np.asarray(wavelength_nm, np.float64),
        sha256 or _sha256(estimator),
        name,
        target,
        n_samples if n_samples is not None else getattr(net, "n_samples_", None),
    )


def _sha256(estimator: Any) -> str:
    """Return the hash of the content that a model file would have."""
    arrays: dict[str, np.ndarray] = {}
    return Identity.of({"estimator": describe(estimator, arrays)}, arrays).sha256


def _checked_rows(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X, y = checked_rows("fine_tune", X, y, FEWEST_SAMPLES, "add samples, or use a library model without fine-tuning")
    if len(y) < FEW_SAMPLES:
        warnings.warn(
            f"fine_tune: {len(y)} samples; below {FEW_SAMPLES} two or three samples decide when training stops, and "
            "another seed gives another model: compare with PartialLeastSquares, and the results of several seeds",
            stacklevel=3,
        )
    return X, y


def _other_features(found: int, expected: int) -> WavelengthError:
    return WavelengthError(
        "fine_tune",
        found=f"{found} features",
        expected=f"the {expected} of the source",
        way_out="pass wavelength_nm and source_wavelength_nm",
    )


def _resampling(wavelength_nm: np.ndarray, source_nm: np.ndarray | None, X: np.ndarray) -> Any:
    """Return the step that resamples to the bands of the source (None if the bands agree)."""
    from geosoil.spectra.resample import ResampleSpectra, resampling_matrix

    if source_nm is None or wavelength_nm.ndim != 1 or len(wavelength_nm) != X.shape[1]:
        raise WavelengthError(
            "fine_tune",
            found="the wavelengths of one side only" if source_nm is None or wavelength_nm.ndim != 1 else
            f"{len(wavelength_nm)} wavelengths for {X.shape[1]} bands",
            expected="one wavelength per band for X and for the source",
            way_out="pass wavelength_nm and source_wavelength_nm",
        )  # fmt: skip
    if len(source_nm) == len(wavelength_nm) and np.abs(source_nm - wavelength_nm).max() <= SAME_WAVELENGTH_NM:
        return None
    missing = ~np.isfinite(resampling_matrix(wavelength_nm, source_nm)).all(axis=1)
    if missing.any():
        low, high = wavelength_nm[0], wavelength_nm[-1]
        n_covered = "none" if missing.all() else f"{int((~missing).sum())}"
        common = f"{max(low, source_nm[0]):g} to {min(high, source_nm[-1]):g} nm"
        raise WavelengthError(
            "fine_tune",
            found=f"spectra from {low:g} to {high:g} nm, which cover {n_covered} of the {len(source_nm)} bands of the "
            f"source ({source_nm[0]:g} to {source_nm[-1]:g} nm)",
            expected="all of them",
            way_out="use a source with the same range" if missing.all() else f"train the source on {common}",
        )
    return ResampleSpectra(wavelength_nm.tolist(), source_nm.tolist()).fit(X)


def _repack(
    source: Any,
    steps: list[tuple[str, Any]],
    net_name: str,
    net: Any,
    X: np.ndarray,
    y: np.ndarray,
    wavelength_nm: Sequence[float] | np.ndarray | None,
    target: Target | None,
    retransform: str | None,
) -> Any:
    from sklearn.pipeline import Pipeline

    from geosoil.estimators.log_target import LogTarget

    estimator = Pipeline([*steps, (net_name, net)]) if steps else net
    if retransform is not None:
        estimator = LogTarget(estimator, retransform=retransform).use_fitted(estimator, X, y)
    if not isinstance(source, PixelModel):
        return estimator
    columns = source.training_columns
    if steps and steps[0][0] == "resample":
        assert wavelength_nm is not None
        columns = tuple(Feature(f"{nm:g} nm", float(nm)) for nm in wavelength_nm)
    return PixelModel(estimator, with_training_range(columns, X), source.targets if target is None else (target,))
