"""Contents that cannot be learned are refused, by every study in the same words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import list_ids

if TYPE_CHECKING:
    from geosoil.studies.recipe import TargetColumn


def check_contents(path: str, wanted: TargetColumn, ids: np.ndarray, y: np.ndarray) -> None:
    """Refuse contents y `(n,)` of samples ids `(n,)` that are constant or that the recipe says cannot be; NaN may be.

    Raises SamplesError, naming the table's path and the samples.
    """
    if wanted.log != "none" and (y <= 0).any():
        raise SamplesError(
            path,
            found=f"{wanted.column} of zero or less for {list_ids(ids[y <= 0])}",
            expected="positive contents under a logarithm",
            way_out="mend these values, or set log = 'none' in the recipe",
        )
    low, high = wanted.valid_range
    low, high = -np.inf if low is None else low, np.inf if high is None else high
    beyond = (y < low) | (y > high)
    if beyond.any():
        raise SamplesError(
            path,
            found=f"{wanted.column} outside the valid range for {list_ids(ids[beyond])}",
            expected=f"{low:g} to {high:g} {wanted.unit}",
            way_out="correct the values, or set valid_range in the recipe",
        )
    known = y[np.isfinite(y)]
    if len(known) and np.ptp(known) == 0:
        raise SamplesError(
            path,
            found=f"the same {wanted.column} in all {len(known)} samples, {known[0]:g}",
            expected="contents that differ",
            way_out="check the column",
        )
