"""Sample points from files: GeoPackage, GeoJSON, Shapefile, GeoParquet, or CSV and Parquet with coordinates."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import geopandas as gpd

_NAMED = 5  # of many at fault, so many are named


def read_samples(
    path: str | os.PathLike[str],
    *,
    sample_id: str,
    columns: Sequence[str],
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    layer: str | None = None,
) -> gpd.GeoDataFrame:
    """Read sample points with their measured properties, and refuse what would be silently wrong.

    path: `.gpkg`, `.geojson`, `.shp`, `.parquet` or `.csv`.
    sample_id: the column of ids; they are read as text, each once. columns: of numbers, in the units their
        names say; a cell left empty becomes NaN.
    x, y, crs: the columns of coordinates and their CRS, for a CSV or a Parquet file without geometry. With a
        geometry, crs is for a file that does not state one.
    layer: of a file that holds several.

    Returns the id, the columns as float64, and the points; other columns are left out.

    Raises SamplesError where ids are missing or twice, a column is absent, text stands among numbers, a
    geometry is no point, the CRS is unknown, or there are fewer than two rows.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sites.csv"
    ...     _ = path.write_text("site,soc_pct,lon,lat\\na,1.5,13.0,52.4\\nb,,13.1,52.5\\n")
    ...     sites = read_samples(path, sample_id="site", columns=["soc_pct"], x="lon", y="lat", crs="EPSG:4326")
    >>> sites.soc_pct.tolist()
    [1.5, nan]
    """
    path = Path(path)
    table = read_table(path, layer)
    if len(table) < 2:
        raise SamplesError(path, found=f"{len(table)} rows", expected="at least 2", way_out="add samples")
    asked = [sample_id, *columns, *(name for name in (x, y) if name is not None)]
    for name in asked:
        require_column(path, table, name)
    ids = read_unique_ids(path, table[sample_id])
    numbers = {name: read_numbers(path, table[name], ids) for name in columns}
    points = read_points(path, table, ids, x, y, crs)
    import geopandas as gpd

    return gpd.GeoDataFrame({sample_id: ids, **numbers}, geometry=points)


def read_table(path: Path, layer: str | None = None) -> pd.DataFrame:
    """Read the whole table, cells of a CSV as text; a GeoDataFrame where the file has a geometry.

    Raises SamplesError for a file that is absent or no table, or holds several layers and none is named.
    """
    import geopandas as gpd
    import pyogrio

    if not path.exists():
        raise SamplesError(path, found="no such file", expected="a table", way_out="check the path")
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            # As text: an id 007 must not become 7, and a bad number must be named as it stands.
            return pd.read_csv(path, sep=separator, dtype=str, skipinitialspace=True, encoding="utf-8-sig")
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet

            with_geometry = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
            return gpd.read_parquet(path) if with_geometry else pd.read_parquet(path)
        if layer is None:
            layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
            if len(layers) > 1:
                raise SamplesError(
                    path,
                    found=f"{len(layers)} layers",
                    expected="one, or its name",
                    way_out=f"name one of {', '.join(layers[:_NAMED])}",
                )
            layer = layers[0] if layers else None
        return gpd.read_file(path, layer=layer, engine="pyogrio")
    except (OSError, ValueError, RuntimeError) as error:  # pyogrio's are RuntimeErrors, pandas' and Arrow's ValueErrors
        raise SamplesError(
            path,
            found=f"no table that can be read ({str(error).splitlines()[0]})",
            expected="GeoPackage, GeoJSON, Shapefile, Parquet or CSV",
            way_out="check the file",
        ) from error


def require_column(path: Path, table: pd.DataFrame, name: str) -> None:
    """Raise SamplesError, with the nearest name there is, for a column that is absent."""
    if name in table.columns:
        return
    there = [str(column) for column in table.columns if column != "geometry"]
    near = get_close_matches(name.lower(), [column.lower() for column in there], n=1, cutoff=0.5)
    nearest = next((column for column in there if near and column.lower() == near[0]), None)
    way_out = f"did you mean {nearest}?" if nearest else f"choose one of {', '.join(there[:12])}"
    raise SamplesError(path, found=f"no column {name}", expected="it among the columns", way_out=way_out)


def read_ids(path: Path, column: pd.Series) -> np.ndarray:
    """Return ids `(row,)` as text; raises SamplesError where one is missing."""
    empty = np.flatnonzero(~filled(column))
    if empty.size:
        raise SamplesError(
            path,
            found=f"no {column.name} in row {empty[0] + 1} ({empty.size} such rows)",
            expected="an id in each row",
            way_out="give it one, or delete the row",
        )
    return column.astype(str).str.strip().to_numpy(dtype=object)


def read_unique_ids(path: Path, column: pd.Series) -> np.ndarray:
    """Return ids `(row,)` as text; raises SamplesError if one is missing or not unique."""
    ids = read_ids(path, column)
    twice = pd.unique(ids[pd.Series(ids).duplicated()])
    if twice.size:
        raise SamplesError(
            path,
            found=f"{column.name} more than once: {named(twice)}",
            expected="each id once",
            way_out="make the ids unique, or average repeated samples first",
        )
    return ids


def filled(column: pd.Series) -> np.ndarray:
    """Say which cells `(row,)` hold something.

    >>> filled(pd.Series(["1", " ", None])).tolist()
    [True, False, False]
    """
    return (column.notna() & (column.astype(str).str.strip() != "")).to_numpy()


def as_numbers(column: pd.Series) -> np.ndarray:
    """Return cells `(row,)` as float64, NaN for what is empty or no finite number.

    >>> as_numbers(pd.Series(["1.5", "", "inf", "n.d."]))
    array([1.5, nan, nan, nan])
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def read_numbers(path: Path, column: pd.Series, ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return cells `(row,)` as float64, NaN where empty; raises SamplesError, with the row's id, for anything else."""
    values = as_numbers(column)
    wrong = np.flatnonzero(np.isnan(values) & filled(column))
    if wrong.size:
        at = wrong[0]
        raise SamplesError(
            path,
            found=f"{str(column.iloc[at])!r} in column {column.name}, row {at + 1} ({ids[at]})",
            expected="a number, or an empty cell",
            way_out="correct the cell",
        )
    return values


def read_points(
    path: Path, table: Any, ids: np.ndarray, x: str | None, y: str | None, crs: str | None
) -> gpd.GeoSeries:
    """Return the points of a table with their CRS, from its geometry or its columns x and y.

    Raises SamplesError where the CRS is unknown, a coordinate is missing or a geometry is no point.
    """
    import geopandas as gpd

    if not isinstance(table, gpd.GeoDataFrame):
        if x is None or y is None or crs is None:
            raise SamplesError(
                path,
                found="a table without geometry",
                expected="the names of its columns x and y, and their CRS",
                way_out="give all three",
            )
        coordinates = [read_numbers(path, table[name], ids) for name in (x, y)]
        missing = np.isnan(coordinates).any(axis=0)
        if missing.any():
            raise SamplesError(
                path,
                found=f"no coordinates for {named(ids[missing])}",
                expected="a place for each sample",
                way_out="add them, or delete these rows",
            )
        return gpd.GeoSeries(gpd.points_from_xy(*coordinates), crs=_checked_crs(path, crs))
    points = table.geometry.reset_index(drop=True)
    absent = (points.isna() | points.is_empty).to_numpy()
    if absent.any():
        raise SamplesError(
            path,
            found=f"no geometry for {named(ids[absent])}",
            expected="a point for each sample",
            way_out="add them, or delete these rows",
        )
    other = (points.geom_type != "Point").to_numpy()
    if other.any():
        raise SamplesError(
            path,
            found=f"{points.geom_type[other].iloc[0]} geometries ({named(ids[other])})",
            expected="points",
            way_out="take centroids, or the points themselves",
        )
    if points.crs is None:
        if crs is None:
            raise SamplesError(path, found="no CRS", expected="one", way_out="give it, for instance crs=EPSG:4326")
        return points.set_crs(_checked_crs(path, crs))
    if crs is not None and points.crs != _checked_crs(path, crs):
        raise SamplesError(
            path,
            found=f"CRS {points.crs.to_string()[:60]}",
            expected=f"{crs}, as given",
            way_out="leave the CRS out: the file's own is right",
        )
    return points


def _checked_crs(path: Path, crs: str) -> Any:
    import pyproj

    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise SamplesError(
            path, found=f"CRS {crs!r}", expected="a CRS, for instance EPSG:32633", way_out="correct it"
        ) from error


def named(ids: Sequence[str] | np.ndarray) -> str:
    """List at most five ids, and say how many there are in all.

    >>> named(["a", "b"]), named(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    text = ", ".join(str(one) for one in ids[:_NAMED])
    return text if len(ids) <= _NAMED else f"{text} and {len(ids) - _NAMED} more"
