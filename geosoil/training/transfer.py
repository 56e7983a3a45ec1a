"""Transfer: a net that learned one property goes on to learn another from few samples (He et al. 2025, 2.2.2).

Any net takes part that has three methods (ResNet1D and DenseNet do): `layer_names()`, `default_freeze()` and
`fine_tuned(X, y, freeze=..., **settings)`, which returns a new net.
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
    """A source model taken apart: fitted steps, the net behind them, and where it comes from."""

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
    """Return a new model that begins with a source's net and learns another target; the source stays as it is.

    source: a fitted net (ResNet1D, DenseNet), a Pipeline or LogTarget around one, a PixelModel, or the folder of a
    stored model; the result is of the same kind (a PixelModel for a folder). Preprocessing is kept as it was fitted.
    X `(sample, feature)` in the source's quantity, y `(sample,)` in the target's unit.
    freeze: layers that keep their weights and batch statistics, by the net's `layer_names()`; None: the net's own
    choice, for ResNet1D the convolutions and residual blocks.
    wavelength_nm: of X; where it differs from the source's (a PixelModel knows its own, else source_wavelength_nm),
    spectra are first interpolated linearly to the source's bands, which the new model then does by itself.
    target: of the new PixelModel. retransform: None learns y; "naive" or "smearing" learns ln(y) and gives y back,
    as `LogTarget` does. settings: of `fine_tuned`: `bn="adapt"`, `groups`, and the net's parameters that change
    (`batch_size=16`, `epochs`, `random_state`).

    The new net's `notes_` say what was done, and `ancestry_`, kept by the model card, what it came from.
    Warns below 20 samples. Raises SamplesError below 10 or for NaN, RecipeError for a source that is no net or a layer
    that it has not, WavelengthError where X does not cover the source's bands.

    >>> from geosoil.estimators.dense_net import DenseNet
    >>> X = np.linspace(-1, 1, 40)[:, None] * [[1.0, -1.0]]
    >>> net = DenseNet(hidden=[4], epochs=5).fit(X, X[:, 0])
    >>> tuned = fine_tune(net, X, 2 * X[:, 0], freeze=["layers.0"])
    >>> bool((tuned.weights_["layers.0.weight"] == net.weights_["layers.0.weight"]).all())
    True
    """
    known = _unpack_source(source, source_wavelength_nm)
    X, y = _checked_rows(X, y)
    layers = known.net.layer_names()
    frozen = list(known.net.default_freeze() if freeze is None else freeze)
    if set(frozen) - set(layers) or set(frozen) == set(layers):
        raise RecipeError(
            "freeze",
            found=", ".join(sorted(set(frozen) - set(layers))) or "every layer",
            expected=f"some of {', '.join(layers)}",
            way_out="leave freeze out for the usual choice",
        )
    steps, notes = list(known.steps), []
    if wavelength_nm is not None or source_wavelength_nm is not None:
        step = _resampling(np.asarray(wavelength_nm, np.float64), known.wavelength_nm, X)
        if step is not None:
            steps.insert(0, ("resample", step))
            wanted = known.wavelength_nm
            assert wanted is not None
            notes.append(
                f"spectra interpolated linearly from {X.shape[1]} bands to the source's {len(wanted)} "
                f"({wanted[0]:g} to {wanted[-1]:g} nm)"
            )
    rows = X
    expected = int(getattr(steps[0][1] if steps else known.net, "n_features_in_", None) or X.shape[1])
    if X.shape[1] != expected:
        raise _other_features(X.shape[1], expected)
    for _, step in steps:
        rows = np.asarray(step.transform(rows))
    if rows.shape[1] != known.net.n_features_in_:
        raise _other_features(rows.shape[1], known.net.n_features_in_)
    if not np.isfinite(rows).all():
        raise SamplesError(
            "fine_tune",
            found=f"NaN in {int((~np.isfinite(rows).all(axis=1)).sum())} rows after the source's preprocessing",
            expected="numbers",
            way_out="look at these rows: reflectance of zero or less, or another quantity than the source's",
        )
    if retransform is None:
        net = known.net.fine_tuned(rows, y, freeze=frozen, **settings)
    else:
        from geosoil.estimators.log_target import logarithm

        net = known.net.fine_tuned(rows, logarithm(y), freeze=frozen, **settings)
    notes.append(f"fine-tuned on {len(y)} samples; frozen: {', '.join(frozen) or 'nothing'}")
    net.notes_ = [*getattr(net, "notes_", []), *notes]
    origin = {"sha256": known.sha256, "name": known.name, "target": known.target, "n_samples": known.n_samples}
    net.ancestry_ = [*getattr(known.net, "ancestry_", []), origin | {"frozen": frozen}]
    return _repack(known.model, steps, known.net_name, net, X, y, wavelength_nm, target, retransform)


def _unpack_source(source: Any, wavelength_nm: Sequence[float] | np.ndarray | None) -> _Source:
    from sklearn.pipeline import Pipeline

    sha256, name, n_samples, target = "", "", None, ""
    estimator = source
    if isinstance(source, str | Path):
        from geosoil.models.store import find_model, load_model, model_sha256, read_card

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
            found=f"a source model of kind {type(net).__name__}",
            expected="a net (ResNet1D, DenseNet)",
            way_out="train the source with a net",
        )
    estimator = unwrapped(estimator)
    steps, net_name = [], "net"
    if isinstance(estimator, Pipeline):
        *before, (net_name, last) = estimator.steps
        if last is not net:
            raise RecipeError(
                "fine_tune",
                found=f"a {type(last).__name__} around the net inside a Pipeline",
                expected="the net as the Pipeline's last step",
                way_out="put the Pipeline inside it",
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
    """Return the hash of what a model's file would hold."""
    arrays: dict[str, np.ndarray] = {}
    return Identity.of({"estimator": describe(estimator, arrays, {})}, arrays).sha256


def _checked_rows(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    X, y = checked_rows("fine_tune", X, y, FEWEST_SAMPLES, "add samples; with fewer, use a library model as it is")
    if len(y) < FEW_SAMPLES:
        warnings.warn(
            f"fine_tune: {len(y)} samples; below {FEW_SAMPLES} two or three of them decide when training stops, and "
            "another seed gives another model: compare with PartialLeastSquares and look at the spread over seeds",
            stacklevel=3,
        )
    return X, y


def _other_features(found: int, expected: int) -> WavelengthError:
    return WavelengthError(
        "fine_tune",
        found=f"{found} features",
        expected=f"the {expected} of the source",
        way_out="give wavelength_nm of the new spectra and of the source",
    )


def _resampling(wavelength_nm: np.ndarray, wanted: np.ndarray | None, X: np.ndarray) -> Any:
    """Return the step that leads to the source's bands, None where they are the same; raises WavelengthError."""
    from geosoil.spectra.resample import ResampleSpectra, resampling_matrix

    if wanted is None or wavelength_nm.ndim != 1 or len(wavelength_nm) != X.shape[1]:
        raise WavelengthError(
            "fine_tune",
            found="the wavelengths of one side only" if wanted is None or wavelength_nm.ndim != 1 else
            f"{len(wavelength_nm)} wavelengths for {X.shape[1]} bands",
            expected="wavelength_nm of X, one for each band, and the source's",
            way_out="give wavelength_nm and source_wavelength_nm",
        )  # fmt: skip
    if len(wanted) == len(wavelength_nm) and np.abs(wanted - wavelength_nm).max() <= SAME_WAVELENGTH_NM:
        return None
    missing = ~np.isfinite(resampling_matrix(wavelength_nm, wanted)).all(axis=1)
    if missing.any():
        low, high = wavelength_nm[0], wavelength_nm[-1]
        how = "none" if missing.all() else f"{int((~missing).sum())}"
        common = f"{max(low, wanted[0]):g} to {min(high, wanted[-1]):g} nm"
        raise WavelengthError(
            "fine_tune",
            found=f"spectra from {low:g} to {high:g} nm, that cover {how} of the source's {len(wanted)} bands "
            f"({wanted[0]:g} to {wanted[-1]:g} nm)",
            expected="all of them",
            way_out="use a source of the same range" if missing.all() else f"train the source on {common}",
        )
    return ResampleSpectra(wavelength_nm.tolist(), wanted.tolist()).fit(X)


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
