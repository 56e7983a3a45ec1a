"""Angles between spectra, which measure how similar two spectra are in shape regardless of their brightness."""

from __future__ import annotations

import numpy as np


def spectral_angle_rad(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Compute the angle between each spectrum and its reference.

    The half-angle formula of Kahan is used, because the arc cosine loses half the digits of a small angle.

    Parameters
    ----------
    x : ndarray of shape (n, band)
        Spectra, in any unit.
    reference : ndarray of shape (n, band) or (band,)
        One reference per spectrum, or one for all, in the unit of `x`.

    Returns
    -------
    ndarray of shape (n,)
        Angles in radians, 0 to pi; NaN where a spectrum is zero or contains NaN. float32 remains float32.

    References
    ----------
    Kruse et al. (1993), Remote Sensing of Environment 44, 145-163.

    Examples
    --------
    >>> import numpy as np
    >>> spectral_angle_rad(np.array([[1.0, 0.0], [3.0, 3.0]]), np.array([2.0, 2.0])).round(4)
    array([0.7854, 0.    ])
    """
    with np.errstate(invalid="ignore"):  # 0 / 0: a spectrum of zeros has no direction
        u = x / np.linalg.norm(x, axis=-1, keepdims=True)
        v = reference / np.linalg.norm(reference, axis=-1, keepdims=True)
    return 2 * np.arctan2(np.linalg.norm(u - v, axis=-1), np.linalg.norm(u + v, axis=-1))
