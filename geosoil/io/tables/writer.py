"""Write tables: as CSV without text that a spreadsheet would execute as a formula, as Parquet or as a GeoPackage."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pandas as pd

from geosoil.io.atomic import atomic_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import geopandas as gpd

WRITTEN_ENDINGS = (".csv", ".parquet", ".gpkg")
GEOPACKAGE_VERSION = "1.3"  # GDAL before 3.7, as in QGIS 3.22, warns of every newer version
METADATA_ENDING = "-metadata.json"  # beside a CSV file, as the W3C names it (CSV on the Web)

# What spreadsheets take for a formula; a number with its sign, such as -1.5e3, is none.
_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?!\d*\.?\d*(?:[eE][+-]?\d+)?$)")


def write_csv(table: pd.DataFrame, path: Path, *, index_label: str | None = None) -> None:
    """Write a table as CSV, with numbers to six significant digits.

    Parameters
    ----------
    table : DataFrame
        Text cells and column names that a spreadsheet would execute as a formula are preceded by an apostrophe.
    path : path-like
        The file to write, normally the temporary file of `atomic_path`.
    index_label : str, optional
        The name of the column of the index; without it the index is left out.
    """
    without_formulas(table).to_csv(path, index=index_label is not None, index_label=index_label, float_format="%.6g")


def write_geopackage(table: pd.DataFrame, path: Path, *, layer: str, **options: Any) -> None:
    """Write a table as the only layer of a GeoPackage that older GIS read without a warning.

    Parameters
    ----------
    table : DataFrame or GeoDataFrame
        The index is left out.
    path : Path
        The file to write, normally the temporary file of `atomic_path`.
    layer : str
        Name of the layer.
    **options
        Further options of `pyogrio.write_dataframe`, such as `geometry_type` and `layer_metadata`.
    """
    import pyogrio

    pyogrio.write_dataframe(
        table, path, layer=layer, driver="GPKG", dataset_options={"VERSION": GEOPACKAGE_VERSION}, **options
    )


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text cells and column names have an apostrophe in front of a formula.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["=1+1", "-7", "@SUM(A1)", "P-1"], "soc": [1.0, 2.0, 3.0, -4.0]})
    >>> without_formulas(table)["id"].tolist()
    ["'=1+1", '-7', "'@SUM(A1)", 'P-1']
    """
    table = table.rename(columns=_without_formula)
    texts = [name for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    return table.assign(**{name: table[name].map(_without_formula) for name in texts}) if texts else table


def _without_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


class TableWriter:
    """A table that is written in chunks; made by `open_table`.

    Parameters
    ----------
    path : Path
        The file to write.
    units : mapping of str to str
        Units of columns by name.
    """

    def __init__(self, path: Path, units: Mapping[str, str]) -> None:
        self.path, self.units = path, units
        self.tags: Mapping[str, str] = {}
        self.columns: list[str] = []

    def write(self, table: pd.DataFrame, points: gpd.GeoSeries | None = None) -> None:
        """Append rows, with their points where the format has geometries; the columns are those of the first rows."""
        self.columns = list(table.columns)
        self._write(table, points)

    def _write(self, table: pd.DataFrame, points: gpd.GeoSeries | None) -> None:
        without_formulas(table).to_csv(self.path, mode="a", header=not self.path.exists(), index=False)

    def close(self) -> None:
        """Finish the file with its tags."""

    def metadata(self, name: str) -> str:
        """Return units and tags of the table `name` as JSON by the rules of CSV on the Web."""
        columns = [{"titles": column, "schema:unitText": self.units.get(column, "")} for column in self.columns]
        columns = [{key: value for key, value in column.items() if value} for column in columns]
        stated = {"@context": "http://www.w3.org/ns/csvw", "url": name, "tableSchema": {"columns": columns}}
        return json.dumps(stated | {"notes": [dict(self.tags)]}, indent=1, ensure_ascii=False)


class _ParquetWriter(TableWriter):
    _file: Any = None

    def _write(self, table: pd.DataFrame, points: gpd.GeoSeries | None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._file is None:
            schema = pa.Schema.from_pandas(table, preserve_index=False).remove_metadata()
            fields = [field.with_metadata({"unit": self.units[field.name]} if field.name in self.units else {})
                      for field in schema]  # fmt: skip
            self._file = pq.ParquetWriter(self.path, pa.schema(fields), compression="zstd")
        self._file.write_table(pa.Table.from_pandas(table, schema=self._file.schema, preserve_index=False))

    def close(self) -> None:
        if self._file is not None:
            self._file.add_key_value_metadata({"geosoil": json.dumps(dict(self.tags))})
            self._file.close()


class _GeoPackageWriter(TableWriter):
    def __init__(self, path: Path, units: Mapping[str, str]) -> None:
        super().__init__(path, units)
        self.parts: list[pd.DataFrame] = []

    def _write(self, table: pd.DataFrame, points: gpd.GeoSeries | None) -> None:
        import geopandas as gpd

        self.parts.append(
            table if points is None else gpd.GeoDataFrame(table, geometry=points.to_numpy(), crs=points.crs)
        )

    def close(self) -> None:
        units = {f"UNIT {name}": unit for name, unit in self.units.items() if unit}
        table = pd.concat(self.parts, ignore_index=True)
        write_geopackage(table, self.path, layer="predictions", layer_metadata={**self.tags, **units})


@contextmanager
def open_table(path: Path, units: Mapping[str, str]) -> Iterator[TableWriter]:
    """Write a table in chunks, whole or not at all.

    Parameters
    ----------
    path : Path
        A `.csv`, `.parquet` or `.gpkg` file. Units and tags are in the metadata of the file; those of a CSV file are
        in the file NAME.csv-metadata.json beside it.
    units : mapping of str to str
        Units of columns by name.

    Yields
    ------
    TableWriter
        Its `tags`, which state how the table was made, may be set until the end.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    kinds = {".parquet": _ParquetWriter, ".gpkg": _GeoPackageWriter}
    kind = kinds.get(path.suffix.lower(), TableWriter)
    with atomic_path(path) as temporary:
        writer = kind(temporary, units)
        yield writer
        writer.close()
        if kind is TableWriter:
            with atomic_path(path.with_name(path.name + METADATA_ENDING)) as beside:
                beside.write_text(writer.metadata(path.name), encoding="utf-8")
