"""Turn pictures so that north is up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from affine import Affine

Extent = tuple[float, float, float, float]  # left, right, bottom, top, in the unit of the CRS


def north_up(values: np.ndarray, transform: Affine) -> tuple[np.ndarray, Extent]:
    """Turn the rows and columns of a raster so that the first row is in the north and the first column in the west.

    Parameters
    ----------
    values : ndarray of shape (band, y, x)
        Values of pixels.
    transform : Affine
        From (column, row) of the corner of a pixel to (x, y) in the CRS.

    Returns
    -------
    values : ndarray of shape (band, rows, columns)
        The pixels, mirrored if rows run to the north or columns to the west. Those of a rotated raster are the nearest
        ones on an upright grid with pixels of the same area, as floating-point numbers with NaN around them.
    extent : tuple
        (left, right, bottom, top) in the unit of the CRS.

    Examples
    --------
    >>> from affine import Affine
    >>> south_up = np.array([[[1, 2], [3, 4]]])
    >>> north_up(south_up, Affine(10, 0, 500, 0, 10, 700))
    (array([[[3, 4],
            [1, 2]]]), (500.0, 520.0, 700.0, 720.0))
    >>> turned, extent = north_up(south_up, Affine(0, 10, 500, 10, 0, 700))  # rows run to the east
    >>> turned.tolist(), extent
    ([[[2.0, 4.0], [1.0, 3.0]]], (500.0, 520.0, 700.0, 720.0))
    """
    height, width = values.shape[1:]
    t = transform
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    x, y = zip(
        *((t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f) for column, row in corners), strict=True
    )
    left, right, bottom, top = float(min(x)), float(max(x)), float(min(y)), float(max(y))
    if not (t.b or t.d):
        return values[:, :: 1 if t.e < 0 else -1, :: 1 if t.a > 0 else -1], (left, right, bottom, top)
    side = math.sqrt(abs(t.determinant))
    columns, rows = (max(1, round(length / side)) for length in (right - left, top - bottom))
    x_centres, y_centres = np.meshgrid(
        left + (np.arange(columns) + 0.5) * (right - left) / columns,
        top - (np.arange(rows) + 0.5) * (top - bottom) / rows,
    )
    inverse = ~t
    column = np.floor(inverse.a * x_centres + inverse.b * y_centres + inverse.c).astype(np.int64)
    row = np.floor(inverse.d * x_centres + inverse.e * y_centres + inverse.f).astype(np.int64)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    turned = np.full((len(values), rows, columns), np.nan, np.result_type(values.dtype, np.float32))
    turned[:, inside] = values[:, row[inside], column[inside]]
    return turned, (left, right, bottom, top)
