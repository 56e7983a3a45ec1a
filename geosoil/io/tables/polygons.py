"""Read polygons of zones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import PARQUET_ENDINGS, read_table
from geosoil.io.tables.vector import VECTOR_ENDINGS

if TYPE_CHECKING:
    import os

    import geopandas as gpd

POLYGON_ENDINGS = (*VECTOR_ENDINGS, *PARQUET_ENDINGS)


def read_polygons(
    path: str | os.PathLike[str], *, column: str | None = None, layer: str | None = None
) -> gpd.GeoDataFrame:
    """Read zones from a file of polygons, and join the polygons of each zone.

    Parameters
    ----------
    path : path
        GeoPackage, GeoJSON, Shapefile, GeoParquet or another file that `read_table` reads.
    column : str, optional
        Column of the names of zones, default: `zone`, else `name`; without either the zones are numbered.
    layer : str, optional
        The layer of the polygons, for a file with several layers.

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
    geosoil.errors.SamplesError: absent.gpkg: found no such file; expected a table; check the path
    """
    import geopandas as gpd

    def refuse(found: str, way_out: str) -> SamplesError:
        return SamplesError(path, found=found, expected="polygons of zones", way_out=way_out)

    table = read_table(Path(path), layer)
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
