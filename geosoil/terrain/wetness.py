"""Specific catchment area and the topographic wetness index."""

from __future__ import annotations

import numpy as np

MIN_TAN_SLOPE = 0.001
"""Smallest tan(slope), 1 mm per metre, because the wetness of a flat would be infinite."""


def specific_catchment_area(
    area_m2: np.ndarray, aspect_deg: np.ndarray, width_m: np.ndarray | float, height_m: np.ndarray | float
) -> np.ndarray:
    """Compute the catchment area per metre of contour.

    The flow crosses a cell on the width w |cos a| + h |sin a| (Quinn et al. 1991; in SAGA by "aspect").

    Parameters
    ----------
    area_m2 : ndarray of shape (y, x)
        Catchment areas in m2.
    aspect_deg : ndarray of shape (y, x)
        Degrees clockwise from north; NaN on flats, where the mean side of the cell is the width of the flow.
    width_m, height_m : float or ndarray
        Sizes of the cells in m, which broadcast to (y, x).

    Returns
    -------
    ndarray of shape (y, x)
        In m.

    Examples
    --------
    >>> round(float(specific_catchment_area(np.array(900.0), np.array(90.0), 30.0, 20.0)), 6)
    45.0
    """
    a = np.deg2rad(aspect_deg)
    flow_width_m = width_m * np.abs(np.cos(a)) + height_m * np.abs(np.sin(a))
    return area_m2 / np.where(np.isnan(a), np.sqrt(width_m * height_m), flow_width_m)


def wetness_index(specific_area_m: np.ndarray, slope_rad: np.ndarray) -> np.ndarray:
    """Compute the topographic wetness index ln(SCA / tan b) of Beven and Kirkby (1979), where tan b is at least 0.001.

    Parameters
    ----------
    specific_area_m : ndarray of shape (y, x)
        Specific catchment area in m.
    slope_rad : ndarray of shape (y, x)
        Slope in radians.

    Returns
    -------
    ndarray of shape (y, x)
        Without unit.

    Examples
    --------
    >>> wetness_index(np.array([100.0, 1.0]), np.arctan([0.1, 0.0])).round(4)
    array([6.9078, 6.9078])
    """
    return np.log(specific_area_m / np.maximum(np.tan(slope_rad), MIN_TAN_SLOPE))
