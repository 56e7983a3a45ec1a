"""Models of a map with their trust states, and what a finished trust map shows in figures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from geosoil.errors import ModelFileError
from geosoil.mapping.inputs import ModelInput
from geosoil.models.contract import LOWER, TRUST_KINDS, UPPER
from geosoil.models.trust import load_trust
from geosoil.models.trusted import LEVEL, TrustedModel
from geosoil.trust.conformal import check_level, is_possible, require_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from geosoil.models.trust import ModelTrust

BINS = 65_536  # of the histogram for the median


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
        Of the intervals.
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
        Of the intervals; default: 0.9, or no intervals where there are too few scores for it.

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


def median_widths(path: Path) -> dict[str, float]:
    """Return the median width of the intervals of each target in a trust map, exact to 1/65536 of their range.

    Parameters
    ----------
    path : Path
        A map with the bands `NAME lower` and `NAME upper`.

    Returns
    -------
    dict of str to float
        By the name of the target, in its unit; NaN where no pixel has an interval.
    """
    widths = {}
    with rasterio.open(path) as source:
        numbers = {name: k for k, name in enumerate(source.descriptions, start=1)}
        for name, number in numbers.items():
            target = name.removesuffix(f" {LOWER}")
            if target == name or f"{target} {UPPER}" not in numbers:
                continue
            bands = [number, numbers[f"{target} {UPPER}"]]

            def read(bands: list[int] = bands) -> Iterator[np.ndarray]:
                for _, window in source.block_windows(1):
                    low, high = source.read(bands, window=window)
                    width = (high - low)[np.isfinite(low)]
                    if width.size:
                        yield width

            widths[target] = _median(read)
    return widths


def _median(read: Callable[[], Iterator[np.ndarray]]) -> float:
    """Return the median of values that are read in parts, exact to 1/65536 of their range."""
    parts = [(len(values), float(values.min()), float(values.max())) for values in read()]
    if not parts:
        return float("nan")
    sizes, lows, highs = zip(*parts, strict=True)
    low, high = min(lows), max(highs)
    if not high > low:
        return low
    counts = np.zeros(BINS, np.int64)
    for values in read():
        at = ((values.astype(np.float64) - low) * (BINS / (high - low))).astype(np.int32)
        counts += np.bincount(np.minimum(at, BINS - 1), minlength=BINS)
    middle = int(np.searchsorted(np.cumsum(counts), (sum(sizes) + 1) // 2))
    return low + (middle + 0.5) * (high - low) / BINS
