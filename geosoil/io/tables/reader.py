"""Read tables of samples: vector files, GeoParquet, and CSV, Excel and Parquet with columns of coordinates."""

from __future__ import annotations

import warnings
import zipfile
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.io.input_paths import require_input
from geosoil.io.tables.delimited import NO_DATA, TEXT_ENDINGS, read_text_table
from geosoil.io.tables.numbers import (
    DECIMAL_WAY_OUT,
    FORMAT,
    NumberFormat,
    as_numbers,
    check_decimal,
    has_value,
    is_ambiguous,
)
from geosoil.io.tables.vector import VECTOR_ENDINGS, read_layer

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import geopandas as gpd

    from geosoil.io.tables.numbers import Decimal

_MAX_LISTED = 5  # ids in a message
EXCEL_ENDINGS, PARQUET_ENDINGS = (".xlsx", ".xlsm"), (".parquet", ".pq")
TABLE_ENDINGS = (*TEXT_ENDINGS, *EXCEL_ENDINGS, *PARQUET_ENDINGS, *VECTOR_ENDINGS)
_MOST_EXCEL_BYTES = 2**30  # of the unpacked sheets: a small file may unpack to any size
_MOST_PARTS = 10_000


def read_samples(
    path: str | os.PathLike[str],
    *,
    sample_id: str,
    columns: Sequence[str],
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    layer: str | None = None,
    decimal: Decimal | None = None,
) -> gpd.GeoDataFrame:
    """Read sample points with their measured properties, and reject tables with missing or ambiguous content.

    Parameters
    ----------
    path : path-like
        A `.gpkg`, `.geojson`, `.shp`, `.parquet`, `.csv`, `.tsv`, `.txt` or `.xlsx` file, or another that
        `geosoil.io.tables.vector.read_layer` reads.
    sample_id : str
        The column of ids, which are read as text and must be unique.
    columns : sequence of str
        Numeric columns to read; an empty cell becomes NaN.
    x, y : str, optional
        The columns of coordinates, for a table without geometry.
    crs : str, optional
        The CRS of the coordinates, or of a geometry whose file states none.
    layer : str, optional
        The layer or sheet to read, for a file with several.
    decimal : {".", ","}, optional
        The decimal mark of numbers that are text; default: as the numbers show.

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
    table = read_table(path, layer, decimal)
    if len(table) < 2:
        raise SamplesError(path, found=f"{len(table)} rows", expected="at least 2", way_out="add samples")
    for name in (sample_id, *columns, *(name for name in (x, y) if name is not None)):
        require_column(path, table, name)
    ids = read_unique_ids(path, table[sample_id])
    numbers = {name: read_numbers(path, table[name], ids) for name in columns}
    points = read_points(path, table, ids, x, y, crs)
    import geopandas as gpd

    return gpd.GeoDataFrame({sample_id: ids, **numbers}, geometry=points)


def read_table(path: Path, layer: str | None = None, decimal: Decimal | None = None) -> pd.DataFrame:
    """Read a whole table; the cells of a CSV file are text.

    Parameters
    ----------
    path : Path
        A file in any format that `read_samples` accepts.
    layer : str, optional
        The layer or sheet to read, for a file with several.
    decimal : {".", ","}, optional
        The decimal mark of numbers that are text; default: as the numbers show.

    Returns
    -------
    pandas.DataFrame
        All columns; a GeoDataFrame if the file has a geometry.

    Raises
    ------
    SamplesError
        If the file is missing or is not a table, or has several layers and `layer` is not given.
    """
    suffix = path.suffix.lower()
    check_decimal(path, decimal)
    require_input(path, SamplesError, "a table", folders=suffix == ".gdb")
    if layer is not None and suffix in (*TEXT_ENDINGS, *PARQUET_ENDINGS):
        raise SamplesError(
            path, found=f"layer {layer!r}", expected="a file that can have layers", way_out="do not name a layer"
        )
    if suffix in TEXT_ENDINGS:
        return read_text_table(path, decimal)
    if suffix in EXCEL_ENDINGS:
        table = _read_excel(path, layer)
    elif suffix in PARQUET_ENDINGS:
        table = _read_parquet(path)
    elif suffix in VECTOR_ENDINGS:
        table = read_layer(path, layer)
    else:
        raise SamplesError(
            path,
            found=f"a file named *{suffix}",
            expected=f"one of {', '.join(TABLE_ENDINGS)}",
            way_out="save it as .xlsx or .csv" if suffix in (".xls", ".ods") else "convert it to one of these",
        )
    table.attrs[FORMAT] = NumberFormat(decimal, given=decimal is not None)
    return table


def _read_excel(path: Path, sheet: str | None) -> pd.DataFrame:
    """Read the named sheet, or the only one with cells."""
    import openpyxl

    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
        if sum(part.file_size for part in parts) > _MOST_EXCEL_BYTES or len(parts) > _MOST_PARTS:
            msg = f"it unpacks to more than {_MOST_EXCEL_BYTES // 2**20} MiB"
            raise ValueError(msg)
        with warnings.catch_warnings(action="ignore"):  # of styles and extensions that do not matter here
            book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
            sheets = {page.title: _filled_rows(page) for page in book.worksheets if sheet in (None, page.title)}
            titles = [page.title for page in book.worksheets]
            book.close()
    except Exception as error:  # a broken workbook raises errors of many types, of zipfile, XML and openpyxl
        raise _unreadable(path, error, "an Excel workbook (.xlsx)") from error
    filled = {title: rows for title, rows in sheets.items() if rows}
    if sheet is not None and sheet not in titles:
        raise SamplesError(
            path, found=f"no sheet {sheet}", expected=f"one of {', '.join(titles)}", way_out="correct the name"
        )
    if len(filled) != 1:
        raise SamplesError(
            path,
            found=f"{len(filled)} sheets with cells: {', '.join(list(filled)[:_MAX_LISTED])}" if filled else "no cells",
            expected="the name of one" if filled else "a table",
            way_out="give it by the key or option `layer`" if filled else "check the file",
        )
    [(header, *rows)] = filled.values()
    table = pd.DataFrame(rows, columns=range(len(header)), dtype=object)
    named = [i for i, name in enumerate(header) if name is not None or table[i].notna().any()]
    table = table[named]
    table.columns = pd.Index([f"column_{i + 1}" if header[i] is None else str(header[i]).strip() for i in named])
    return table


def _filled_rows(page: Any) -> list[list[Any]]:
    """Return the cells of the rows that are not empty, None for empty cells."""
    rows = [
        [None if isinstance(cell, str) and cell.strip() in ("", *NO_DATA) else cell for cell in row]
        for row in page.iter_rows(values_only=True)
    ]
    rows = [row for row in rows if any(cell is not None for cell in row)]
    n_cells = [sum(cell is not None for cell in row) for row in rows]
    title = next((number for number, count in enumerate(n_cells) if count > 1), 0)
    return rows[title:] if title + 1 < len(rows) and n_cells[title] > 2 else rows  # without the title above a table


def _read_parquet(path: Path) -> pd.DataFrame:
    """Read a table without what pandas wrote about it, which may be broken and is not needed."""
    import geopandas as gpd
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        if b"geo" in (file.schema_arrow.metadata or {}):
            table: pd.DataFrame = gpd.read_parquet(path)
        else:
            table = file.read().replace_schema_metadata(None).to_pandas()
    except Exception as error:  # broken metadata raise errors of many types, of Arrow, JSON, geopandas and shapely
        raise _unreadable(path, error, "a Parquet file") from error
    for name, dtype in table.dtypes.items():
        if dtype.kind == "O" and any(isinstance(cell, bytes) for cell in table[name]):
            table[name] = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell for cell in table[name]]
    return table


def _unreadable(path: Path, error: Exception, expected: str) -> SamplesError:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return SamplesError(path, problem=f"not a readable table ({text})", expected=expected, way_out="write it again")


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
    # A row number of Excel, or an id beside an empty cell, is 7.0.
    cells = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in column]
    return np.array([str(cell).strip() for cell in cells], dtype=object)


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


def read_numbers(path: Path, column: pd.Series, ids: Sequence[str] | np.ndarray, first_row: int = 0) -> np.ndarray:
    """Return cells as float64 `(row,)`, NaN where empty; raises SamplesError, naming the row, for other text.

    `first_row` is how many rows of the table are before those of `column`.
    """
    values = as_numbers(column)
    invalid = np.flatnonzero(np.isnan(values) & has_value(column))
    if invalid.size:
        row = invalid[0]
        unclear = is_ambiguous(column)
        raise SamplesError(
            path,
            found=f"{str(column.iloc[row])!r} in column {column.name}, row {first_row + row + 1} ({ids[row]})",
            expected="a number with a mark that is clearly a decimal mark" if unclear else "a number or an empty cell",
            way_out=DECIMAL_WAY_OUT if unclear else "correct the cell",
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
        return gpd.GeoSeries(gpd.points_from_xy(*coordinates), crs=parse_crs(path, crs))
    points = as_points(table.geometry.reset_index(drop=True))
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
            way_out="convert them to points, for instance to centroids (in QGIS: Vector > Geometry Tools)",
        )
    if points.crs is None:
        if crs is None:
            raise SamplesError(path, found="no CRS", expected="a CRS", way_out="specify it, for instance crs=EPSG:4326")
        return points.set_crs(parse_crs(path, crs))
    if crs is not None and not points.crs.equals(parse_crs(path, crs), ignore_axis_order=True):
        raise SamplesError(
            path,
            found=f"CRS {points.crs.to_string()[:60]}",
            expected=f"{crs}, as specified",
            way_out="do not specify a CRS: that of the file is used",
        )
    return points


def as_points(geometry: gpd.GeoSeries) -> gpd.GeoSeries:
    """Return geometries without heights and measures, and a point for each collection of one point.

    >>> import geopandas as gpd
    >>> as_points(gpd.GeoSeries.from_wkt(["POINT Z (1 2 3)", "MULTIPOINT ((4 5))"])).to_wkt().tolist()
    ['POINT (1 2)', 'POINT (4 5)']
    """
    import shapely

    flat = shapely.force_2d(geometry.to_numpy())
    parts = shapely.get_num_geometries(flat)
    single = np.isin(shapely.get_type_id(flat), (4, 7)) & (parts == 1)  # MultiPoint and GeometryCollection
    flat[single] = shapely.get_geometry(flat[single], 0)
    return type(geometry)(flat, index=geometry.index, crs=geometry.crs)


def parse_crs(path: Path, crs: str) -> Any:
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
