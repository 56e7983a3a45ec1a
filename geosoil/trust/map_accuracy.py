"""The accuracy of a map in a table: of the whole map, and inside and outside its area of applicability."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from geosoil.evaluate.designs import Design, Estimate, accuracy
from geosoil.trust.diagnostics import coverage_range

WHOLE, INSIDE, OUTSIDE = "whole map", "inside the area", "outside the area"


def accuracy_table(
    frame: pd.DataFrame, used: np.ndarray, design: Design | None, *, unit: str, level: float
) -> pd.DataFrame:
    """Return the figures of the whole map, and of the parts inside and outside the area of applicability.

    Parameters
    ----------
    frame : DataFrame
        One row per point of the sample: observed, predicted, and lower, upper and inside (0 or 1) where they exist.
    used : ndarray of shape (n,), bool
        The points with a value of the map.
    design : Design or None
        Of all rows; None for purposive points.
    unit : str
        Unit of the values.
    level : float
        Level of the intervals.

    Returns
    -------
    DataFrame
        One row per part and figure: part, n, figure, unit, estimate, standard_error, low and high.

    Examples
    --------
    >>> frame = pd.DataFrame({"observed": [1.0, 2.0, 4.0], "predicted": [2.0, 2.0, 5.0], "inside": [1, 1, 0]})
    >>> table = accuracy_table(frame, np.ones(3, bool), Design.random(3), unit="%", level=0.9)
    >>> table[table.figure == "bias"][["part", "n", "estimate"]].values.tolist()
    [['whole map', 3, 0.6666666666666666], ['inside the area', 2, 0.5], ['outside the area', 1, 1.0]]
    """
    parts = {WHOLE: used}
    if "inside" in frame:
        inside = frame["inside"].to_numpy()
        parts |= {INSIDE: used & (inside == 1), OUTSIDE: used & (inside == 0)}
    rows: list[dict[str, object]] = []
    for part, domain in parts.items():
        rows += [{"part": part, "n": int(n), **row} for n, row in _figures(frame, domain, design, unit, level)]
    if "inside" in frame:
        with_inside = used & np.isfinite(frame["inside"].to_numpy())
        if with_inside.any():
            share = _share(frame["inside"].to_numpy() == 1, with_inside, design)
            rows.append({"part": WHOLE, "n": int(with_inside.sum()), **_row("share inside the area", "", share)})
    return pd.DataFrame(rows)


def _figures(
    frame: pd.DataFrame, domain: np.ndarray, design: Design | None, unit: str, level: float
) -> list[tuple[int, dict[str, object]]]:
    if not domain.any():
        return []
    observed, predicted = frame["observed"].to_numpy(np.float64), frame["predicted"].to_numpy(np.float64)
    estimates = accuracy(observed, predicted, design=design, domain=domain)
    rows = [
        (int(domain.sum()), _row(name, unit if name in ("rmse", "bias") else "", estimate))
        for name, estimate in estimates.items()
    ]
    if "lower" in frame:
        lower, upper = frame["lower"].to_numpy(), frame["upper"].to_numpy()
        bounded = domain & np.isfinite(lower) & np.isfinite(upper)
        if bounded.any():
            covered = _share((lower <= observed) & (observed <= upper), bounded, design)
            rows.append((int(bounded.sum()), _row(f"coverage of {100 * level:g} % intervals", "", covered)))
            width = (Design.random(len(frame)) if design is None else design).mean(upper - lower, bounded)
            rows.append((int(bounded.sum()), _row("mean width of intervals", unit, Estimate(width, *[math.nan] * 3))))
    return rows


def _share(flags: np.ndarray, domain: np.ndarray, design: Design | None) -> Estimate:
    """Return the share of points, or of the area that they represent, with its exact (Clopper-Pearson) interval."""
    n: float = int(domain.sum())
    share = float(flags[domain].mean())
    variance = share * (1 - share) / n
    if design is not None:
        values = flags.astype(np.float64)
        share, n = design.mean(values, domain), design.effective_size(values, domain)
        share = min(max(share, 0.0), 1.0) if 0 < flags[domain].mean() < 1 else float(flags[domain].mean())
        variance = design.variance(values, domain)
    return Estimate(share, math.sqrt(variance), *coverage_range(share * n, n))


def _row(figure: str, unit: str, estimate: Estimate) -> dict[str, object]:
    return {
        "figure": figure,
        "unit": unit,
        "estimate": estimate.value,
        "standard_error": estimate.standard_error,
        "low": estimate.low,
        "high": estimate.high,
    }
