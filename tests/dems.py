"""DEMs that tests make for themselves."""

import numpy as np
from affine import Affine

from geosoil.raster.layout import make_raster

UTM = "EPSG:32633"


def dem_of(heights, *, cell_m=10.0, crs=UTM, transform=None):
    """Dress heights `(y, x)` as a DEM with square cells, north up."""
    place = transform or Affine(cell_m, 0, 500_000, 0, -cell_m, 5_000_000)
    return make_raster(np.asarray(heights, np.float32)[None], names=["dem_m"], crs=crs, transform=place)


def rough(shape=(40, 50), seed=1, hole=None):
    """Return a DEM of hills with many sinks, flats (heights are rounded), and no data in a window if wanted."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]] / 7.0
    heights = np.round(50 + 10 * np.sin(x) * np.cos(y) + 0.5 * x + rng.normal(0, 1, shape), 0)
    if hole is not None:
        heights[hole] = np.nan
    return dem_of(heights)
