"""What coming back from a logarithm costs: the bias of predictions in the target's own unit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def retransformation_bias(observed: npt.ArrayLike, predicted: npt.ArrayLike) -> dict[str, float]:
    """Return how far predictions that were made as ln(y) and given back lie from the mean, in y's unit and in per cent.

    observed, predicted: `(sample,)` in y's unit, observed above zero. `bias`: mean of predicted - observed;
    `bias_pct`: of the mean observed; `smearing`: the mean of observed / predicted, by which Duan (1983) would multiply
    naive predictions. Predictions by exp alone are medians, so their bias is below zero where y is skewed.

    >>> retransformation_bias([1.0, 4.0], [2.0, 2.0])
    {'bias': -0.5, 'bias_pct': -20.0, 'smearing': 1.25}
    """
    y, p = np.asarray(observed, np.float64), np.asarray(predicted, np.float64)
    bias = float((p - y).mean())
    return {"bias": bias, "bias_pct": float(100 * bias / y.mean()), "smearing": float((y / p).mean())}
