"""Specific catchment area and the topographic wetness index."""

from __future__ import annotations

import numpy as np

MIN_TAN_SLOPE = 0.001
"""Floor of tan(slope), 1 mm a metre: a flat would make the wetness infinite."""


def specific_catchment_area(
    area_m2: np.ndarray, aspect_deg: np.ndarray, width_m: np.ndarray | float, height_m: np.ndarray | float
) -> np.ndarray:
    """Return catchment area per metre of contour, `(y, x)` in m.

    area_m2: catchment areas. aspect_deg: degrees clockwise from north, NaN on flats, where the mean side of the cell is
    the width of the flow. width_m, height_m: of the cells. All `(y, x)`, or what spreads to it.

    Source: the flow crosses a cell on the width w |cos a| + h |sin a| (Quinn et al. 1991, as SAGA by "aspect").

    >>> round(float(specific_catchment_area(np.array(900.0), np.array(90.0), 30.0, 20.0)), 6)
    45.0
    """
    a = np.deg2rad(aspect_deg)
    flow_width_m = width_m * np.abs(np.cos(a)) + height_m * np.abs(np.sin(a))
    return area_m2 / np.where(np.isnan(a), np.sqrt(width_m * height_m), flow_width_m)


def wetness_index(specific_area_m: np.ndarray, slope_rad: np.ndarray) -> np.ndarray:
    """Return the topographic wetness index ln(SCA / tan b), `(y, x)`, finite on flats: tan b is 0.001 at least.

    specific_area_m: specific catchment area in m. slope_rad: slope in radians. Source: Beven and Kirkby (1979).

    >>> wetness_index(np.array([100.0, 1.0]), np.arctan([0.1, 0.0])).round(4)
    array([6.9078, 6.9078])
    """
    return np.log(specific_area_m / np.maximum(np.tan(slope_rad), MIN_TAN_SLOPE))
