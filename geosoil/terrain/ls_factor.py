"""The LS-factor of the (R)USLE: the effect of the length and steepness of slopes on erosion.

All arrays are `(y, x)`: slopes in radians, specific catchment areas in m, and results without unit.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

LSMethod = Literal["moore", "desmet_govers", "boehner_selige"]
LSConvention = Literal["paper", "saga"]

UNIT_PLOT_M = 22.13  # length of the plot with LS = 1
UNIT_PLOT_SIN = 0.0896  # sine of the slope of this plot, 9 %


def ls_moore(specific_area_m: np.ndarray, slope_rad: np.ndarray) -> np.ndarray:
    """Return the LS-factor of Moore et al. (1991): 1.4 (SCA / 22.13)^0.4 (sin b / 0.0896)^1.3, as in SAGA.

    Examples
    --------
    >>> round(float(ls_moore(np.array(22.13), np.arcsin(0.0896))), 6)
    1.4
    """
    return 1.4 * (specific_area_m / UNIT_PLOT_M) ** 0.4 * (np.sin(slope_rad) / UNIT_PLOT_SIN) ** 1.3


def ls_desmet_govers(
    inlet_area: np.ndarray, slope_rad: np.ndarray, cell_m: np.ndarray | float, aspect_deg: np.ndarray | None = None
) -> np.ndarray:
    """Return the LS-factor of Desmet and Govers (1996), with the slope factor of Wischmeier and Smith (1978).

    Parameters
    ----------
    inlet_area : ndarray of shape (y, x)
        As in the paper, the catchment area in m2 where water enters the cell (without the cell), with `aspect_deg` for
        the length of the flow through the cell; or, as in SAGA, the specific catchment area in m without an aspect.
    slope_rad : ndarray of shape (y, x)
    cell_m : float or ndarray
        Side of the cells in m.
    aspect_deg : ndarray of shape (y, x), optional
        Degrees clockwise from north; NaN (flat) is treated as along an axis.

    Returns
    -------
    ndarray of shape (y, x)

    Examples
    --------
    >>> head = ls_desmet_govers(np.array(0.0), np.arctan(0.1), 22.13, np.array(0.0))
    >>> round(float(head), 3)  # the length of the unit plot, so L = 1
    1.172
    """
    sin = np.sin(slope_rad)
    ratio = (sin / UNIT_PLOT_SIN) / (3 * sin**0.8 + 0.56)
    m = ratio / (1 + ratio)
    length = ((inlet_area + cell_m**2) ** (m + 1) - inlet_area ** (m + 1)) / (cell_m ** (m + 2) * UNIT_PLOT_M**m)
    if aspect_deg is not None:
        a = np.deg2rad(np.nan_to_num(aspect_deg))
        length = length / (np.abs(np.sin(a)) + np.abs(np.cos(a))) ** m
    return length * np.where(slope_rad < np.arctan(0.09), 10.8 * sin + 0.03, 16.8 * sin - 0.5)


def ls_boehner_selige(specific_area_m: np.ndarray, slope_rad: np.ndarray) -> np.ndarray:
    """Return the LS-factor of Boehner and Selige (2006), as in SAGA.

    Examples
    --------
    >>> round(float(ls_boehner_selige(np.array(22.13), np.array(0.0))), 4)
    0.065
    """
    sin = np.sin(slope_rad)
    exponent = np.where(slope_rad > 0.0505, 0.5, 3 * slope_rad**0.6)
    return (65.41 * sin**2 + 4.56 * sin + 0.065) * (specific_area_m / UNIT_PLOT_M) ** exponent
