"""Models of a map with their trust states, and what a finished trust map shows in figures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import ModelFileError
from geosoil.mapping.inputs import ModelInput
from geosoil.models.contract import LOWER, TRUST_KINDS, UPPER
from geosoil.models.trust import load_trust
from geosoil.models.trusted import LEVEL, TrustedModel
from geosoil.trust.conformal import check_level, is_possible, require_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.mapping.job import MapJob
    from geosoil.models.trust import ModelTrust

SHIFT = 13  # of the 23 bits of the fraction of a float32, so that a bin is 0.1 % wide
N_BINS = (0x7F800000 >> SHIFT) + 1  # up to infinity


@dataclass(frozen=True)
class TrustedInput(ModelInput):
    """A model folder whose model has the bands of its trust state among its outputs.

    Parameters
    ----------
    opened : ModelInput
        The folder without them.
    trust : ModelTrust
        Its trust state.
    level : float
        The level of the intervals.
    """

    opened: ModelInput
    trust: ModelTrust
    level: float

    @cached_property
    def model(self) -> Any:
        """The model with its trust state."""
        return TrustedModel(self.opened.model, self.trust, self.level)

    @cached_property
    def sha256(self) -> str:
        """One hash of what decides the predictions."""
        return self.opened.sha256

    @property
    def trust_sha256(self) -> str:
        """One hash of the trust state."""
        assert self.card.trust is not None
        return hashlib.sha256(self.card.trust.model_dump_json().encode()).hexdigest()


def with_trust(
    models: Sequence[ModelInput], level: float | None = None
) -> tuple[tuple[ModelInput, ...], tuple[str, ...]]:
    """Return models with their trust states where they have one, and notes on what is missing.

    Parameters
    ----------
    models : sequence of ModelInput
    level : float, optional
        The level of the intervals; default: 0.9, or no intervals where there are too few scores for it.

    Raises
    ------
    SamplesError
        For a level outside 0 to 1, or one that needs more scores than a target has; the message names the highest one.
    ModelFileError
        If the files of a trust state are damaged.
    """
    chosen = LEVEL if level is None else check_level(level)
    trusted: list[ModelInput] = []
    notes: list[str] = []
    for opened in models:
        trust, name = load_trust(opened.folder, opened.card), opened.card.name
        if trust is None or not (trust.targets or trust.applicability):
            notes.append(
                f"{name} has no trust state, so that the map has no prediction intervals and no area of applicability; "
                "train the model again with this version to get them"
            )
            trusted.append(opened)
            continue
        for target, of_target in trust.targets.items():
            state = of_target.intervals
            if level is not None:
                require_scores(level, state.n_samples, where=f"level of {target}")
            elif not is_possible(chosen, state.n_samples):
                widest = 1000 * state.widest_level // 1 / 10
                notes.append(f"{target}: too few samples for {100 * chosen:g} % intervals; --level can be {widest:g} %")
        if trust.applicability is None:
            notes.append(f"{name} has no area of applicability")
        trusted.append(TrustedInput(opened.folder, opened.card, opened, trust, chosen))
    return tuple(trusted), tuple(notes)


def model_with_outputs(model: Any, source: ModelInput | None, kinds: Sequence[str], level: float | None = None) -> Any:
    """Return a model with its trust state where one of the kinds of outputs is of it, else the model itself."""
    if source is None or not set(kinds) & set(TRUST_KINDS):
        return model
    ((trusted,), _) = with_trust([source], level)
    return trusted.model


def share_inside(job: MapJob, values: np.ndarray) -> tuple[float, int] | None:
    """Return which share of some pixels lies within the area of applicability, and how many have a prediction.

    Parameters
    ----------
    job : MapJob
        A map of `INSIDE` only, see `prepare_map`.
    values : ndarray of shape (feature, n)
        Values of its source at the pixels.

    Returns
    -------
    (float, int) or None
        None if no pixel has a prediction.
    """
    inside = job.predict(values[:, None])
    inside = inside[np.isfinite(inside)]
    return (float(inside.mean()), inside.size) if inside.size else None


def require_area(models: Sequence[ModelInput], *, separate: bool = False) -> None:
    """Raise ModelFileError unless the models have an area of applicability, and one model alone has a map."""
    way_out = "leave out --only-applicable"
    if len(models) > 1 and not separate:
        raise ModelFileError(
            "only-applicable",
            found=f"{len(models)} models in one map, each with its own area",
            expected="one model",
            way_out=f"write a map for each property with --separate, or {way_out}",
        )
    for model in models:
        if not isinstance(model, TrustedInput) or model.trust.applicability is None:
            raise ModelFileError(
                model.folder,
                found="a model without an area of applicability",
                expected="one, for --only-applicable",
                way_out=f"train the model again, or {way_out}",
            )


class WidthCounts:
    """Counts how often widths of intervals occur in the blocks of a map, for their medians.

    Widths are binned by their first bits as floats, so that the medians are exact to 0.05 % in memory that does not
    grow with the map, and depend on no order of the blocks.

    Parameters
    ----------
    names : sequence of str
        Those of the bands of the blocks, such as "ph lower".

    Examples
    --------
    >>> counts = WidthCounts(["ph lower", "ph upper"])
    >>> counts.add(np.array([[[5.0, 6.0, np.nan]], [[7.0, 9.0, np.nan]]], np.float32))
    >>> {name: round(median, 2) for name, median in counts.medians.items()}
    {'ph': 2.0}
    """

    def __init__(self, names: Sequence[str]) -> None:
        at = {name: k for k, name in enumerate(names)}
        targets = [name.removesuffix(f" {LOWER}") for name in names if name.endswith(f" {LOWER}")]
        self._ends = {name: (at[f"{name} {LOWER}"], at[f"{name} {UPPER}"]) for name in targets}
        self._counts = {name: np.zeros(N_BINS, np.int64) for name in self._ends}

    def add(self, values: np.ndarray) -> None:
        """Count the widths of a block `(output, y, x)` float32; NaN is left out."""
        for name, (lower, upper) in self._ends.items():
            width = values[upper] - values[lower]
            width = width[np.isfinite(width)]
            self._counts[name] += np.bincount(width.view(np.uint32) >> SHIFT, minlength=N_BINS)[:N_BINS]

    @property
    def medians(self) -> dict[str, float]:
        """The median width of each target that has intervals at a pixel, in its unit."""
        result = {}
        for name, counts in self._counts.items():
            if counts.any():
                middle = int(np.searchsorted(np.cumsum(counts), (counts.sum() + 1) // 2))
                ends = (np.array([middle, middle + 1], np.uint32) << SHIFT).view(np.float32)
                result[name] = float(ends.mean(dtype=np.float64))
        return result
