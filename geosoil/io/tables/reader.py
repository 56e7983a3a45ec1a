"""Read sample points from GeoPackage, GeoJSON, Shapefile, GeoParquet, or CSV and Parquet with coordinates."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.io.input_paths import require_input

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import geopandas as gpd

_MAX_LISTED = 5  # ids in a message


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
    """Read sample points with their measured properties, and reject tables with missing or ambiguous content.

    Parameters
    ----------
    path : path-like
        A `.gpkg`, `.geojson`, `.shp`, `.parquet`, `.csv` or `.tsv` file.
    sample_id : str
        The column of ids, which are read as text and must be unique.
    columns : sequence of str
        Numeric columns to read; an empty cell becomes NaN.
    x, y : str, optional
        The columns of coordinates, for a table without geometry.
    crs : str, optional
        The CRS of the coordinates, or of a geometry whose file states none.
    layer : str, optional
        The layer to read, for a file with several layers.

    Returns
    -------
    geopandas.GeoDataFrame
        The ids as text, the columns as float64, and one point per row; other columns are left out.

    Raises
    ------
    SamplesError
        If ids are missing or repeated, a column is missing or holds text, a geometry is not a point, the CRS is
        unknown, or there are fewer than two rows.

    Examples
    --------
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
    for name in (sample_id, *columns, *(name for name in (x, y) if name is not None)):
        require_column(path, table, name)
    ids = read_unique_ids(path, table[sample_id])
    numbers = {name: read_numbers(path, table[name], ids) for name in columns}
    points = read_points(path, table, ids, x, y, crs)
    import geopandas as gpd

    return gpd.GeoDataFrame({sample_id: ids, **numbers}, geometry=points)


def read_table(path: Path, layer: str | None = None) -> pd.DataFrame:
    """Read a whole table; the cells of a CSV file are text.

    Parameters
    ----------
    path : Path
        A file in any format that `read_samples` accepts.
    layer : str, optional
        The layer to read, for a file with several layers.

    Returns
    -------
    pandas.DataFrame
        All columns; a GeoDataFrame if the file has a geometry.

    Raises
    ------
    SamplesError
        If the file is missing or is not a table, or has several layers and `layer` is not given.
    """
    import geopandas as gpd
    import pyogrio

    require_input(path, SamplesError, "a table")
    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            separator = "\t" if path.suffix.lower() == ".tsv" else ","
            # As text: an id 007 must not become 7, and a message quotes an invalid number as it is in the file.
            return pd.read_csv(path, sep=separator, dtype=str, skipinitialspace=True, encoding="utf-8-sig")
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet

            with_geometry = b"geo" in (pyarrow.parquet.read_schema(path).metadata or {})
            return gpd.read_parquet(path) if with_geometry else pd.read_parquet(path)
        if layer is None:
            layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
            if len(layers) > 1:
                raise SamplesError(
                    path,
                    found=f"{len(layers)} layers",
                    expected="one layer",
                    way_out=f"select one of {', '.join(layers[:_MAX_LISTED])}",
                )
            layer = layers[0] if layers else None
        return gpd.read_file(path, layer=layer, engine="pyogrio")
    except (OSError, ValueError, RuntimeError) as error:  # pyogrio raises RuntimeError, pandas and Arrow ValueError
        raise SamplesError(
            path,
            problem=f"not a readable table ({str(error).splitlines()[0]})",
            expected="GeoPackage, GeoJSON, Shapefile, Parquet or CSV",
            way_out="check the file",
        ) from error


def require_column(path: Path, table: pd.DataFrame, name: str) -> None:
    """Raise SamplesError, with the most similar name as a suggestion, if a column is missing."""
    if name in table.columns:
        return
    columns = [str(column) for column in table.columns if column != "geometry"]
    matches = get_close_matches(name.lower(), [column.lower() for column in columns], n=1, cutoff=0.5)
    nearest = next((column for column in columns if matches and column.lower() == matches[0]), None)
    more = ", ..." if len(columns) > 12 else ""
    problem = f'column "{name}" is missing (columns: {", ".join(columns[:12])}{more})'
    raise SamplesError(
        path, problem=problem, way_out=f"did you mean {nearest}?" if nearest else "choose one of the columns"
    )


def read_ids(path: Path, column: pd.Series) -> np.ndarray:
    """Return ids as text `(row,)`; raises SamplesError if one is missing."""
    empty = np.flatnonzero(~has_value(column))
    if empty.size:
        raise SamplesError(
            path,
            found=f"no {column.name} in row {empty[0] + 1} ({empty.size} such rows)",
            expected="an id in each row",
            way_out="add an id, or delete the row",
        )
    return column.astype(str).str.strip().to_numpy(dtype=object)


def read_unique_ids(path: Path, column: pd.Series) -> np.ndarray:
    """Return ids as text `(row,)`; raises SamplesError if one is missing or repeated."""
    ids = read_ids(path, column)
    repeated = pd.unique(ids[pd.Series(ids).duplicated()])
    if repeated.size:
        raise SamplesError(
            path,
            problem=f"{column.name} is not unique: {list_ids(repeated)}",
            expected="one row per id",
            way_out="make the ids unique, or average repeated samples first",
        )
    return ids


def has_value(column: pd.Series) -> np.ndarray:
    """Return a mask `(row,)` of the cells that are not empty.

    >>> has_value(pd.Series(["1", " ", None])).tolist()
    [True, False, False]
    """
    return (column.notna() & (column.astype(str).str.strip() != "")).to_numpy()


def as_numbers(column: pd.Series) -> np.ndarray:
    """Return cells as float64 `(row,)`, NaN for cells that are empty or not a finite number.

    >>> as_numbers(pd.Series(["1.5", "", "inf", "n.d."]))
    array([1.5, nan, nan, nan])
    """
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def read_numbers(path: Path, column: pd.Series, ids: Sequence[str] | np.ndarray) -> np.ndarray:
    """Return cells as float64 `(row,)`, NaN where empty; raises SamplesError, naming the row, for other text."""
    values = as_numbers(column)
    invalid = np.flatnonzero(np.isnan(values) & has_value(column))
    if invalid.size:
        row = invalid[0]
        raise SamplesError(
            path,
            found=f"{str(column.iloc[row])!r} in column {column.name}, row {row + 1} ({ids[row]})",
            expected="a number or an empty cell",
            way_out="correct the cell",
        )
    return values


def read_points(
    path: Path, table: Any, ids: np.ndarray, x: str | None, y: str | None, crs: str | None
) -> gpd.GeoSeries:
    """Return the points of a table with their CRS, from its geometry or from its columns x and y.

    Raises SamplesError if the CRS is unknown, a coordinate is missing or a geometry is not a point.
    """
    import geopandas as gpd

    if not isinstance(table, gpd.GeoDataFrame):
        if x is None or y is None or crs is None:
            raise SamplesError(
                path,
                found="a table without geometry",
                expected="the columns of x and y, and their CRS",
                way_out="specify all three",
            )
        coordinates = [read_numbers(path, table[name], ids) for name in (x, y)]
        missing = np.isnan(coordinates).any(axis=0)
        if missing.any():
            raise SamplesError(
                path,
                found=f"no coordinates for {list_ids(ids[missing])}",
                expected="coordinates for each sample",
                way_out="add them, or delete these rows",
            )
        return gpd.GeoSeries(gpd.points_from_xy(*coordinates), crs=_parse_crs(path, crs))
    points = table.geometry.reset_index(drop=True)
    missing = (points.isna() | points.is_empty).to_numpy()
    if missing.any():
        raise SamplesError(
            path,
            found=f"no geometry for {list_ids(ids[missing])}",
            expected="a point for each sample",
            way_out="add them, or delete these rows",
        )
    other = (points.geom_type != "Point").to_numpy()
    if other.any():
        raise SamplesError(
            path,
            found=f"{points.geom_type[other].iloc[0]} geometries ({list_ids(ids[other])})",
            expected="points",
            way_out="convert them to points, for instance to centroids",
        )
    if points.crs is None:
        if crs is None:
            raise SamplesError(path, found="no CRS", expected="a CRS", way_out="specify it, for instance crs=EPSG:4326")
        return points.set_crs(_parse_crs(path, crs))
    if crs is not None and points.crs != _parse_crs(path, crs):
        raise SamplesError(
            path,
            found=f"CRS {points.crs.to_string()[:60]}",
            expected=f"{crs}, as specified",
            way_out="do not specify a CRS: that of the file is used",
        )
    return points


def _parse_crs(path: Path, crs: str) -> Any:
    import pyproj

    try:
        return pyproj.CRS.from_user_input(crs)
    except pyproj.exceptions.CRSError as error:
        raise SamplesError(
            path, problem=f"{crs!r} is not a valid CRS", expected="a CRS such as EPSG:32633", way_out="correct it"
        ) from error


def list_ids(ids: Sequence[str] | np.ndarray) -> str:
    """Return up to five ids as text, with the number of those left out.

    >>> list_ids(["a", "b"]), list_ids(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    text = ", ".join(str(sample) for sample in ids[:_MAX_LISTED])
    return text if len(ids) <= _MAX_LISTED else f"{text} and {len(ids) - _MAX_LISTED} more"
