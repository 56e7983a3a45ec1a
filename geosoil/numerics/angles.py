"""Angles between spectra: how alike two spectra are in shape, whatever their brightness."""

from __future__ import annotations

import numpy as np


def spectral_angle_rad(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return the angle between each spectrum and its reference.

    x `(n, band)`; reference `(n, band)`, or `(band,)` for all; both in one unit. The result `(n,)` is in
    radians, 0 to pi, NaN where a spectrum is zero or holds NaN; float32 stays float32.
    Kruse et al. (1993), Remote Sens. Environ. 44, 145; by the half-angle formula of Kahan, since the arc
    cosine loses half the digits of a small angle.

    >>> import numpy as np
    >>> spectral_angle_rad(np.array([[1.0, 0.0], [3.0, 3.0]]), np.array([2.0, 2.0])).round(4)
    array([0.7854, 0.    ])
    """
    with np.errstate(invalid="ignore"):  # 0 / 0: a spectrum of zeros has no direction
        u = x / np.linalg.norm(x, axis=-1, keepdims=True)
        v = reference / np.linalg.norm(reference, axis=-1, keepdims=True)
    return 2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
