"""The trust state of a model: prediction intervals of its targets, and its area of applicability.

A map needs its arrays, the predictions of the model and the features that the model reads. In a model folder it is the
file `trust.safetensors` and the part `trust` of the card; a model without them makes maps without bounds.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.errors import ModelFileError
from geosoil.io.atomic import atomic_path
from geosoil.io.input_paths import require_input
from geosoil.models.card import TrustCard
from geosoil.trust.applicability import Applicability
from geosoil.trust.intervals import IntervalState
from geosoil.trust.local_scale import DISSIMILARITY, SPREAD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np

    from geosoil.models.card import CoverageCard, ModelCard

TRUST = "trust.safetensors"
MOST_BYTES = 2 * 1024**3
_WAY_OUT = "train the model again, or get its folder again from its author"


@dataclass(frozen=True, eq=False)
class TargetTrust:
    """What is known of the errors of one target.

    Parameters
    ----------
    intervals : IntervalState
    rmse : float
        Root mean square of the errors of rows that the model had not learned from, in the unit of the target.
    coverage : tuple of CoverageCard
        How often intervals held the values of rows whose scores had no part in them.
    """

    intervals: IntervalState
    rmse: float
    coverage: tuple[CoverageCard, ...] = ()


@dataclass(frozen=True, eq=False)
class ModelTrust:
    """The trust state of a model.

    Parameters
    ----------
    targets : mapping of str to TargetTrust
        By the name of the target; a target without enough values is absent.
    split : str
        Title of the split that the errors come from.
    applicability : Applicability or None
        Its features are those that the model reads, in the order of `Model.features`.
    """

    targets: Mapping[str, TargetTrust]
    split: str
    applicability: Applicability | None = None

    @property
    def needs_dissimilarity(self) -> bool:
        """Whether an interval depends on the dissimilarity to the training samples."""
        return any(DISSIMILARITY in target.intervals.indicators for target in self.targets.values())

    @property
    def needs_spread(self) -> bool:
        """Whether an interval depends on the spread, an output of the model."""
        return any(SPREAD in target.intervals.indicators for target in self.targets.values())


def write_trust(trust: ModelTrust | None, folder: Path) -> TrustCard | None:
    """Write the arrays of a trust state into a model folder and return its card; remove those of another model.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    from safetensors.numpy import save

    path = folder / TRUST
    if trust is None:
        path.unlink(missing_ok=True)
        return None
    arrays: dict[str, np.ndarray] = {}
    targets, applicability = {}, None
    for number, (name, target) in enumerate(trust.targets.items()):
        intervals, parts = target.intervals.to_state()
        arrays |= {f"intervals/{number}/{key}": values for key, values in parts.items()}
        targets[name] = {"rmse": target.rmse, "intervals": intervals, "coverage": target.coverage}
    if trust.applicability is not None:
        applicability, parts = trust.applicability.to_state()
        arrays |= {f"applicability/{key}": values for key, values in parts.items()}
    content = save(arrays)
    card = TrustCard.model_validate(
        {
            "split": trust.split,
            "targets": targets,
            "applicability": applicability,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return card


def load_trust(folder: Path, card: ModelCard) -> ModelTrust | None:
    """Read the trust state of a model folder, or return None if the model has none.

    Parameters
    ----------
    folder : Path
    card : ModelCard
        Its card.

    Raises
    ------
    ModelFileError
        If the arrays are missing, are not those that belong to the card, or cannot be those of a trust state.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    if card.trust is None:
        return None
    path, stated = folder / TRUST, card.trust
    require_input(path, ModelFileError, "a file")
    if path.resolve().parent != folder.resolve():
        raise ModelFileError(path, found="a link out of the folder", expected="a file", way_out="copy the file there")
    if path.stat().st_size > MOST_BYTES:
        raise ModelFileError(path, found="a file of over 2 GB", expected="the trust state of a model", way_out=_WAY_OUT)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != stated.sha256:
        raise ModelFileError(
            path,
            found="arrays that do not belong to the card beside them",
            expected="the files of one training",
            way_out=_WAY_OUT,
        )
    try:
        arrays = load(content)
    except SafetensorError as error:
        raise ModelFileError(path, found=f"no safetensors ({error})", expected="arrays", way_out=_WAY_OUT) from error
    names = {target.name for target in card.targets}
    targets = {}
    for number, (name, target) in enumerate(stated.targets.items()):
        state = IntervalState.from_state(
            target.intervals.model_dump(), _part(arrays, f"intervals/{number}/"), where=path
        )
        targets[name] = TargetTrust(state, target.rmse, tuple(target.coverage))
    area = None
    if stated.applicability is not None:
        area = Applicability.from_state(stated.applicability.model_dump(), _part(arrays, "applicability/"), where=path)
    n_used = sum(feature.used for feature in card.features)
    problem = ""
    if arrays:
        problem = f"arrays that nothing needs ({', '.join(sorted(arrays)[:3])})"
    elif not set(targets) <= names:
        problem = f"intervals of {', '.join(sorted(set(targets) - names)[:3])}, which the model does not predict"
    elif area is not None and area.samples.shape[1] != n_used:
        problem = f"an area of applicability of {area.samples.shape[1]} features, where the model reads {n_used}"
    trust = ModelTrust(targets, stated.split, area)
    if trust.needs_dissimilarity and area is None:
        problem = "intervals that depend on the dissimilarity, without an area of applicability"
    if problem:
        raise ModelFileError(path, found=problem, expected="the trust state of this model", way_out=_WAY_OUT)
    return trust


def _part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Take the arrays with a prefix out of a dict."""
    names = [name for name in arrays if name.startswith(prefix)]
    return {name.removeprefix(prefix): arrays.pop(name) for name in names}
