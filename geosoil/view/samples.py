"""Sample points on a map, and the nearest ones to a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

if TYPE_CHECKING:
    from rasterio.crs import CRS

NEAREST = 5


@dataclass(frozen=True, eq=False)
class Samples:
    """Points with measured values.

    Parameters
    ----------
    ids : ndarray of str, shape (n,)
    x, y : ndarray of shape (n,)
        Coordinates in the CRS of the view.
    measured : dict of str to ndarray
        Columns of numbers, by their names.
    """

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray
    measured: dict[str, np.ndarray]

    def nearest(self, x: float, y: float, crs: CRS | None, count: int = NEAREST) -> list[dict[str, Any]]:
        """Return the nearest samples to a point: id, distance and what was measured there.

        Parameters
        ----------
        x, y : float
            The point in the CRS of the view.
        crs : CRS or None
            That of the view; in a geographic CRS distances are those on the ellipsoid in metres.
        count : int
            How many samples.

        Examples
        --------
        >>> samples = Samples(np.array(["a", "b"]), np.array([0.0, 3.0]), np.array([0.0, 4.0]), {})
        >>> samples.nearest(3, 0, None, 1)
        [{'id': 'a', 'x': 0.0, 'y': 0.0, 'distance': 3.0, 'measured': {}}]
        """
        if crs is not None and crs.is_geographic:
            ellipsoid = pyproj.CRS.from_wkt(crs.to_wkt()).get_geod() or pyproj.Geod(ellps="WGS84")
            distance = ellipsoid.inv(np.full_like(self.x, x), np.full_like(self.y, y), self.x, self.y)[2]
        else:
            distance = np.hypot(self.x - x, self.y - y)
        order = np.argsort(distance, kind="stable")[:count]
        return [
            {
                "id": str(self.ids[k]),
                "x": float(self.x[k]),
                "y": float(self.y[k]),
                "distance": float(distance[k]),
                "measured": {
                    name: float(values[k]) for name, values in self.measured.items() if np.isfinite(values[k])
                },
            }
            for k in order
        ]

    def described(self) -> dict[str, Any]:
        """Return the points and values as the page takes them; a missing value is None."""
        return {
            "id": [str(name) for name in self.ids],
            "x": self.x.tolist(),
            "y": self.y.tolist(),
            "measured": {
                name: [float(value) if np.isfinite(value) else None for value in values]
                for name, values in self.measured.items()
            },
        }
