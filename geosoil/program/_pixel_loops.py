"""Compiled loops over the pixels of a block. Import this file on use, because numba takes a second to load.

Features are rows and pixels are columns, as in a program, so that the inner loops run over contiguous pixels and the
compiler turns them into vector instructions. Each loop does in one pass what torch does in several, each of which reads
and writes the whole array. A pixel is computed by the same instructions whatever the other pixels are. The output must
be another array than the inputs, otherwise the loops are five times slower.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from geosoil.program.ops import TAPS_AT_ONCE

EXPONENTIAL, MATERN32, MATERN52, RBF = range(4)
KINDS = {"exponential": EXPONENTIAL, "matern32": MATERN32, "matern52": MATERN52, "rbf": RBF}

_F = np.float32
_ZERO, _HALF, _ONE, _THIRD = (_F(value) for value in (0, 0.5, 1, 1 / 3))
_LOWEST, _LOG2_E = _F(-127), _F(1 / math.log(2))
# Powers of ln 2 over factorials: the series of 2^r for |r| <= 1/2, whose next term is below 2e-7.
_S1, _S2, _S3, _S4, _S5, _S6 = (_F(math.log(2) ** k / math.factorial(k)) for k in range(1, 7))
_loop = njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "nsz"})


@intrinsic
def _float_of_bits(typing_context: Any, bits: Any) -> Any:
    """Return the float32 whose bits are those of an int32."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.int32), build


@_loop
def _exp_of_negative(a):
    """Return exp(-a) of a >= 0 to 3e-7 of its value, and 0 where that is below 1e-38."""
    y = max(-a * _LOG2_E, _LOWEST)
    whole = np.floor(y + _HALF)
    r = y - whole
    power = _ONE + r * (_S1 + r * (_S2 + r * (_S3 + r * (_S4 + r * (_S5 + r * _S6)))))
    return power * _float_of_bits((np.int32(whole) + np.int32(127)) << np.int32(23))  # type: ignore[call-arg]


@_loop
def standardise_columns(x, mean, factor, out):
    """Write each column of x `(feature, pixel)`, centred and divided by its standard deviation, to out of this shape.

    mean, factor: float32 `(pixel,)`, which are overwritten. A column of equal values becomes NaN.
    """
    n = _F(x.shape[0])
    rest, squares = np.zeros(x.shape[1], np.float32), np.zeros(x.shape[1], np.float32)
    differing = np.zeros(x.shape[1], np.int32)
    mean[:] = _ZERO
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            mean[j] += x[i, j]
            differing[j] |= x[i, j] != x[0, j]
    for j in range(x.shape[1]):
        mean[j] /= n
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            centred = x[i, j] - mean[j]
            rest[j] += centred
            squares[j] += centred * centred
    for j in range(x.shape[1]):  # what the sum of the first pass lost by rounding
        mean[j] += rest[j] / n
        factor[j] = _ONE / math.sqrt(squares[j] / (n - _ONE)) if differing[j] else _F(np.nan)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean[j]) * factor[j]


@_loop
def squared_lengths(x, total):
    """Write the sum of the squares of each column of x `(feature, pixel)` to total `(pixel,)`."""
    total[:] = _ZERO
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            total[j] += x[i, j] * x[i, j]


@_loop
def covariances(kind, products, norms, support_norms, rate, amplitude, linear, out):
    """Write the covariances of pixels with support vectors to out `(support, pixel)`, see `Covariance`.

    products: those of support vectors and pixels; norms, support_norms: their squared lengths.
    """
    for i in range(products.shape[0]):
        of_support = support_norms[i]
        for j in range(products.shape[1]):
            product = products[i, j]
            t2 = max(rate * (of_support + norms[j] - (product + product)), _ZERO)
            if kind == RBF:
                value = _exp_of_negative(t2)
            else:
                t = math.sqrt(t2)
                value = _exp_of_negative(t)
                if kind == MATERN32:
                    value *= _ONE + t
                elif kind == MATERN52:
                    value *= _ONE + t + t2 * _THIRD
            out[i, j] = amplitude * value + linear * product


@_loop
def filter_rows(x, weight, first, bias, out):
    """Write sums of some neighbouring rows of x `(feature, pixel)`, with weights, to out `(out, pixel)`.

    weight: `(out, taps)`, a multiple of `TAPS_AT_ONCE` taps; first: the row of x of the first tap of each, `(out,)`;
    bias: `(out,)`.
    """
    for i in range(weight.shape[0]):
        out[i] = bias[i]
        for k in range(0, weight.shape[1], TAPS_AT_ONCE):
            w0, w1, w2, w3, row = weight[i, k], weight[i, k + 1], weight[i, k + 2], weight[i, k + 3], first[i] + k
            for j in range(x.shape[1]):
                out[i, j] += w0 * x[row, j] + w1 * x[row + 1, j] + w2 * x[row + 2, j] + w3 * x[row + 3, j]
