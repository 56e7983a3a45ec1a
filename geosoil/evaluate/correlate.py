"""Correlation of the map of a soil property with terrain factors, for the whole image and by zone.

Neighbouring pixels are not independent, so a test on the number of pixels would find any r significant: no p-values are
computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from geosoil.errors import GridError, SamplesError
from geosoil.evaluate.metrics import pearson_correlation
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    import os
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


def read_polygons(path: str | os.PathLike[str], *, column: str | None = None) -> gpd.GeoDataFrame:
    """Read zones from a file of polygons, and join the polygons of each zone.

    Parameters
    ----------
    path : path
        GeoPackage, GeoJSON, Shapefile or another file that pyogrio reads.
    column : str, optional
        Column of the names of zones, default: `zone`, else `name`; without either the zones are numbered.

    Returns
    -------
    GeoDataFrame
        One row per zone, with its name in the column `zone`.

    Raises
    ------
    SamplesError
        If the file cannot be read, or has no polygons, no CRS, or no such column.

    Examples
    --------
    >>> read_polygons("absent.gpkg")
    Traceback (most recent call last):
    geosoil.errors.SamplesError: absent.gpkg: found no such file; expected polygons of zones; check the path
    """
    from pathlib import Path

    import geopandas as gpd

    def refuse(found: str, way_out: str) -> SamplesError:
        return SamplesError(path, found=found, expected="polygons of zones", way_out=way_out)

    if not Path(path).exists():
        raise refuse("no such file", "check the path")
    try:
        table = gpd.read_file(path, engine="pyogrio")
    except (OSError, ValueError, RuntimeError) as error:  # pyogrio's are RuntimeErrors
        raise refuse(
            f"a file that cannot be read as polygons ({str(error).splitlines()[0]})", "give a GeoPackage"
        ) from error
    if not isinstance(table, gpd.GeoDataFrame) or not table.geom_type.isin(["Polygon", "MultiPolygon"]).any():
        raise refuse("no polygon", "give a file of areas")
    if table.crs is None:
        raise refuse("no CRS", "assign one")
    table = table[table.geom_type.isin(["Polygon", "MultiPolygon"])].reset_index(drop=True)
    if column is not None and column not in table:
        columns = ", ".join(str(name) for name in table.columns if name != "geometry") or "none"
        raise refuse(f"no column {column}", f"choose one of {columns}")
    chosen = column or next((name for name in ("zone", "name") if name in table), None)
    names = [f"zone {k + 1}" for k in range(len(table))] if chosen is None else table[chosen].astype(str)
    zones = gpd.GeoDataFrame({"zone": list(names)}, geometry=table.geometry, crs=table.crs)
    return zones.dissolve("zone", sort=False).reset_index()


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
    placed = zones if zones.crs == grid.crs else zones.to_crs(grid.crs)
    for name, area in zip(placed["zone"], placed.geometry, strict=True):
        mask = geometry_mask([area], (grid.height, grid.width), grid.transform, invert=True)
        if not mask.any():
            raise GridError(
                f"zone {name}", found="no pixel of the map in it", expected="zones on the map", way_out="leave it out"
            )
        yield str(name), mask
