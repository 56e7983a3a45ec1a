"""Correlation of the map of a soil property with terrain factors, for the whole image and by zone.

Neighbouring pixels are not independent, so a test on the number of pixels would find any r significant: no p-values are
computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from geosoil.errors import GridError
from geosoil.evaluate.metrics import pearson_correlation
from geosoil.raster.grid import Grid, require_convertible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import geopandas as gpd
    import xarray as xr

WHOLE = "whole image"
CAVEAT = (
    "no p-values: neighbouring pixels repeat each other, so n counts pixels and not independent observations; "
    "compare r between zones, not with a table of significance"
)
LEAST_PIXELS = 3


def correlation_table(
    values: xr.DataArray, factors: xr.DataArray, zones: Iterable[tuple[str, np.ndarray]] = ()
) -> pd.DataFrame:
    """Correlate a property with terrain factors, over the whole image and each zone.

    Parameters
    ----------
    values : DataArray of shape (1, y, x)
        The map of the property.
    factors : DataArray of shape (factor, y, x)
        The factors on the same grid; they are read one by one.
    zones : iterable of (str, ndarray of shape (y, x), bool)
        Names and masks, as those of `half_zones` and `polygon_zones`; zones may overlap.

    Returns
    -------
    DataFrame
        One row per zone and factor: `property`, `zone`, `factor`, `n` (pixels with both values), `pearson_r` and
        `spearman_r`, NaN if n is below 3 or one of the two is constant.

    Raises
    ------
    GridError
        If the grids differ.

    References
    ----------
    Ou et al. (2025), Table 5.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> place = {"crs": "EPSG:32633", "transform": Affine(30, 0, 0, 0, -30, 0)}
    >>> soc = make_raster(np.array([[[1, 2, 3, np.nan]]], "float32"), names=["soc_pct"], **place)
    >>> twi = make_raster(np.array([[[5, 6, 9, 9]]], "float32"), names=["twi"], **place)
    >>> correlation_table(soc, twi).round(3).to_dict("records")[0]  # doctest: +NORMALIZE_WHITESPACE
    {'property': 'soc_pct', 'zone': 'whole image', 'factor': 'twi', 'n': 3, 'pearson_r': 0.961, 'spearman_r': 1.0}
    """
    Grid.of(values).require_same(Grid.of(factors), where="the terrain", than="the map")
    name = str(values["band"].values[0])
    property_values = values.values[0]
    masks = [(WHOLE, np.ones(property_values.shape, bool)), *zones]
    rows: dict[tuple[int, int], dict[str, object]] = {}
    for k, factor in enumerate(factors["band"].values):
        factor_values = factors.isel(band=k).values
        both = np.isfinite(property_values) & np.isfinite(factor_values)
        for zone, (zone_name, mask) in enumerate(masks):
            inside = both & mask
            x, y = property_values[inside].astype(np.float64), factor_values[inside].astype(np.float64)
            enough = x.size >= LEAST_PIXELS
            rows[zone, k] = {
                "property": name,
                "zone": zone_name,
                "factor": str(factor),
                "n": x.size,
                "pearson_r": pearson_correlation(x, y) if enough else float("nan"),
                "spearman_r": pearson_correlation(rankdata(x), rankdata(y)) if enough else float("nan"),
            }
    return pd.DataFrame([rows[key] for key in sorted(rows)])


def half_zones(grid: Grid) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the left and the right half of an image as names and masks `(y, x)`; a middle column is in neither.

    Examples
    --------
    >>> from affine import Affine
    >>> [(name, mask.tolist()) for name, mask in half_zones(Grid(None, Affine(1, 0, 0, 0, -1, 0), height=1, width=3))]
    [('left half', [[True, False, False]]), ('right half', [[False, False, True]])]
    """
    half = grid.width // 2
    for name, columns in (("left half", slice(0, half)), ("right half", slice(grid.width - half, None))):
        mask = np.zeros((grid.height, grid.width), bool)
        mask[:, columns] = True
        yield name, mask


def polygon_zones(zones: gpd.GeoDataFrame, grid: Grid) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each zone and its mask of the pixels whose centre lies inside.

    Parameters
    ----------
    zones : GeoDataFrame
        Result of `read_polygons`; reprojected to the CRS of the grid if it has another one.
    grid : Grid

    Yields
    ------
    name : str
    mask : ndarray of bool, shape (y, x)

    Raises
    ------
    GridError
        If the grid has no CRS, or no pixel lies in a zone.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from affine import Affine
    >>> from rasterio.crs import CRS
    >>> from shapely.geometry import box
    >>> zones = gpd.GeoDataFrame({"zone": ["north"]}, geometry=[box(0, -30, 90, 0)], crs="EPSG:32633")
    >>> grid = Grid(CRS.from_epsg(32633), Affine(30, 0, 0, 0, -30, 0), height=2, width=3)
    >>> [(name, mask.sum(axis=1).tolist()) for name, mask in polygon_zones(zones, grid)]
    [('north', [3, 0])]
    """
    from rasterio.features import geometry_mask

    if grid.crs is None:
        raise GridError("map", found="no CRS", expected="a CRS, to place the zones", way_out="assign it to the map")
    if zones.crs is not None:
        require_convertible(grid.crs, zones.crs, where="map")
    placed = zones if zones.crs == grid.crs else zones.to_crs(grid.crs)
    for name, area in zip(placed["zone"], placed.geometry, strict=True):
        mask = geometry_mask([area], (grid.height, grid.width), grid.transform, invert=True)
        if not mask.any():
            raise GridError(
                f"zone {name}", found="no pixel of the map in it", expected="zones on the map", way_out="leave it out"
            )
        yield str(name), mask
