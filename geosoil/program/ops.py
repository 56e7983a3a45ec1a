"""The words of a lowered program: what a fitted step computes, as plain arrays.

A step says with `lower()` what it does to a column of features; `program/lower.py` joins the
words of a whole Pipeline, multiplies neighbouring linear ones together, drops what nobody
reads, and runs the rest as float32 torch. Here are only the words: no torch, no fitting.

Everything works on features in rows and pixels in columns: `(feature, pixel)`, the layout of a
raster block, so that a block needs no transposition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np

LEAKY_SLOPE = 0.01
"""Of leaky_relu below zero."""
ElementwiseName = Literal["relu", "leaky_relu", "exp", "absorbance", "square"]


@dataclass(frozen=True)
class Affine:
    """`weight @ x + bias`: weight `(out, in)`, bias `(out,)`; both float64 until the program is run."""

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Select:
    """Keep the features of `index` `(out,)`, in that order."""

    index: np.ndarray


@dataclass(frozen=True)
class Elementwise:
    """Apply one function to every number: relu, leaky_relu (`LEAKY_SLOPE` below 0), exp, square, or absorbance.

    absorbance = log10(1/x) for x > 0, else NaN.
    """

    name: ElementwiseName


@dataclass(frozen=True)
class Clip:
    """Limit every number to `[low, high]`; None leaves that side open."""

    low: float | None
    high: float | None


@dataclass(frozen=True)
class Standardise:
    """Centre each column (spectrum) and divide by its standard deviation with n-1: SNV."""


@dataclass(frozen=True)
class RadialBasis:
    """`exp(-gamma |x - s|^2)` for each support vector s: support `(n_support, in)` -> `(n_support, pixel)`."""

    support: np.ndarray
    gamma: float


@dataclass(frozen=True)
class Parallel:
    """Run several programs on the same input, and stack (concat) or add (sum) what they give."""

    branches: tuple[Program, ...]
    how: Literal["concat", "sum"]


@dataclass(frozen=True)
class Convolve:
    """Slide `weight` `(out, in, width)` along the positions, with zeros beyond both ends, and add `bias` `(out,)`.

    Features stand position by position, `in` channels each: feature = position * channels + channel. The width is odd.
    """

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class MaxPool:
    """Keep the largest of every `window` neighbouring positions of `channels` features each; drop a shorter rest."""

    window: int
    channels: int


@dataclass(frozen=True)
class ScaleChannels:
    """Multiply each channel by `scale` and add `shift` `(channels,)` at every position: a trained batch norm."""

    scale: np.ndarray
    shift: np.ndarray


Word = Affine | Select | Elementwise | Clip | Standardise | RadialBasis | Parallel | Convolve | MaxPool | ScaleChannels
Program = tuple[Word, ...]
