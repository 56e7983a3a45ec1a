"""The inputs of a table of predictions: columns of covariates, and points on rasters; see `spectra_table` for spectra.

Each class yields the rows of its table in chunks, and finds in them what a model reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import ModelFileError
from geosoil.io.provenance import shown_name
from geosoil.io.spectra.chunks import CHUNK_ROWS
from geosoil.io.spectra.table import ID_COLUMNS, id_keys, join_ids
from geosoil.io.tables.columns import recognise_columns
from geosoil.io.tables.reader import PARQUET_ENDINGS, read_numbers, read_points, read_table, require_column
from geosoil.mapping.covariates import check_covariate_units, class_tables_of
from geosoil.mapping.inputs import COVARIATES, open_mask
from geosoil.mapping.job import PredictBlock, prepare_map
from geosoil.mapping.table_places import BY_NAME, PlaceOptions, merge_places
from geosoil.models.contract import of_rasters, select_outputs
from geosoil.raster.grid import Grid
from geosoil.samples.extract import locate_points
from geosoil.samples.patches import read_patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import geopandas as gpd

    from geosoil.mapping.inputs import ModelInput, PathLike, RasterInput
    from geosoil.models.contract import Block, Model
    from geosoil.spectra.bare_soil import BareSoil

    Reasons = dict[str, np.ndarray]  # which rows (row,) cannot be predicted, by the reason

CHUNKS_AHEAD = 3  # chunks of a table that are read before they are needed
POINT_ROWS = 1024  # points whose pixels or patches are in memory at once
FEWEST_TO_JUDGE = 10  # rows that show that a unit is wrong
EMPTY, NO_DATA = "without a value in a feature of the model", "on a pixel without data in a band of the model"
ID_NAME = "sample_id"


@dataclass(frozen=True, eq=False)
class TableChunk:
    """Consecutive rows of a table.

    Parameters
    ----------
    ids : ndarray of shape (row,), str
    table : DataFrame
        The other columns of the table, without bands.
    values : ndarray of shape (band, row), optional
        Spectra.
    points : GeoSeries, optional
        The points of the rows.
    first_row : int
        How many rows of the table are before them, for messages.
    """

    ids: np.ndarray
    table: pd.DataFrame
    values: np.ndarray | None = None
    points: gpd.GeoSeries | None = None
    first_row: int = 0


@dataclass(frozen=True, eq=False)
class MatchedTable:
    """A table matched with a model.

    Parameters
    ----------
    predict : PredictBlock
        The model, as the map runs it.
    read : callable
        Turns a TableChunk into the blocks that the model reads, whose pixels are the rows in their order, and the
        rows that cannot be predicted, by the reason.
    notes : tuple of str
        What was done to the table.
    reason : str
        Why other rows without data cannot be predicted.
    """

    predict: PredictBlock
    read: Callable[[TableChunk], tuple[list[Block], Reasons]]
    notes: tuple[str, ...] = ()
    reason: str = EMPTY


class TableInput(ABC):
    """What tables of spectra, of covariates and of points have in common; the rows can be read once."""

    id_name: str
    coordinates: tuple[str, ...] = ()  # the columns of x and y, if they were given
    n_rows: int = 0  # of the whole table; known when the first rows were read

    @property
    @abstractmethod
    def files(self) -> tuple[PathLike, ...]:
        """All files that are read; the first one names the output."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, object]:
        """Inputs and options, as `provenance_tags` takes them."""

    @abstractmethod
    def match(self, model: ModelInput, outputs: Sequence[str] | None) -> MatchedTable:
        """Find what a model reads; raises the GeosoilError that states what does not fit. None: all outputs."""

    @abstractmethod
    def read_chunks(self) -> Iterator[TableChunk]:
        """Read the table in chunks."""

    @cached_property
    def _rest(self) -> Iterator[TableChunk]:
        return self.read_chunks()

    @cached_property
    def first(self) -> TableChunk:
        """The first rows, by which models are matched; the next rows are read from now on, beside other work."""
        chunk = next(self._rest)
        self._reader = ThreadPoolExecutor(1)
        self._following = [self._read_next() for _ in range(CHUNKS_AHEAD)]
        return chunk

    def _read_next(self) -> Future[TableChunk | None]:
        return self._reader.submit(next, self._rest, None)

    def chunks(self) -> Iterator[TableChunk]:
        """Yield the rows of the table in their order; the next rows are read while these are predicted."""
        chunk: TableChunk | None = self.first
        while chunk is not None:
            yield chunk
            chunk = self._following.pop(0).result()
            self._following.append(self._read_next())
        self._reader.shutdown()


@dataclass(eq=False)
class ColumnInput(TableInput):
    """A table with one column per covariate; a class band is one column of codes.

    Parameters
    ----------
    path : path-like
        As `read_table` takes it.
    id_column : str, optional
        The column of ids; default: `sample_id` or `id` if it exists, else rows are numbered.
    table_options : dict
        The keyword arguments of `read_table`.
    places : PlaceOptions
        The columns of x and y and their CRS, for a model that reads places.
    """

    path: PathLike
    id_column: str | None = None
    table_options: dict[str, Any] = field(default_factory=dict)
    places: PlaceOptions = BY_NAME

    def __post_init__(self) -> None:
        self.id_name = self.id_column or ID_NAME
        self.coordinates = self.places.columns

    @property
    def files(self) -> tuple[PathLike, ...]:
        """The table."""
        return (self.path,)

    @property
    def settings(self) -> dict[str, object]:
        """The name of the table, and the columns of ids and places if they were given."""
        given = {"id_column": self.id_column, **vars(self.places)}
        return {"table": shown_name(self.path), **given, **self.table_options}

    def read_chunks(self) -> Iterator[TableChunk]:
        """Read the table in chunks."""
        self.n_rows, parts = _iter_table(Path(self.path), self.table_options)
        for first_row, table in parts:
            yield _chunk(Path(self.path), table, self.id_column, first_row)

    def match(self, model: ModelInput, outputs: Sequence[str] | None) -> MatchedTable:
        """Find the columns of a model by their names."""
        loaded, path = require_rows(model, self.path), Path(self.path)
        columns = [str(name) for name in self.first.table.columns]
        tables = class_tables_of(loaded, columns)
        sources = []  # of each feature: its column, and its code if the column has classes
        bands = of_rasters(loaded.features)
        for feature in bands:
            name, _, code = feature.name.rpartition("=")
            of_class = name in tables and feature.name not in columns
            sources.append((name, int(code)) if of_class else (feature.name, None))
        for name, _ in sources:
            if name not in columns:
                # A class column that is missing is named by itself, not by one of its classes.
                base = name.rpartition("=")[0]
                require_column(path, self.first.table, base if name.rpartition("=")[2].lstrip("-").isdigit() else name)

        places = self.places.reader(path, self.first, loaded.features)

        def features(chunk: TableChunk) -> tuple[list[Block], Reasons]:
            read = {name: read_numbers(path, chunk.table[name], chunk.ids, chunk.first_row) for name in dict(sources)}
            unseen = np.zeros(len(chunk.ids), bool)
            for name in tables.keys() & read.keys():
                unseen |= np.isfinite(read[name]) & ~np.isin(read[name], tables[name].accepted)
            values = np.empty((len(sources), len(chunk.ids)), np.float32)
            for row, (name, code) in zip(values, sources, strict=True):
                row[:] = read[name] if code is None else np.where(np.isnan(read[name]), np.nan, read[name] == code)
            values[:, unseen] = np.nan
            whole = merge_places(loaded.features, values, places(chunk))
            return [whole[:, None]], {"of a class without training samples": unseen}

        if len(self.first.ids) >= FEWEST_TO_JUDGE:
            is_band = np.array([feature.place is None for feature in loaded.features])
            check_covariate_units(features(self.first)[0][0][is_band, 0], bands, path)
        return MatchedTable(predict_block(loaded, model, outputs), features)


@dataclass(eq=False)
class PointInput(TableInput):
    """Points on a cube or on covariate rasters; each is predicted as a map predicts the pixel that contains it.

    Parameters
    ----------
    path : path-like
        A table of points, as `read_table` takes it.
    source : CubeInput or CovariateInput
        The rasters.
    x, y, crs : str, optional
        Columns and CRS of the coordinates, for a table without geometry; default: as the names of the columns show.
    id_column : str, optional
        The column of ids; default: `sample_id` or `id` if it exists, else as `recognise_columns` finds it, else rows
        are numbered.
    mask : path-like, optional
        Points on pixels where this raster is 0 or nodata are not predicted.
    bare_soil : BareSoil, optional
        Points on other pixels are not predicted.
    table_options : dict
        The keyword arguments of `read_table`.
    source_notes : tuple of str
        What was done to the rasters when they were opened.
    """

    path: PathLike
    source: RasterInput
    x: str | None = None
    y: str | None = None
    crs: str | None = None
    id_column: str | None = None
    mask: PathLike | None = None
    bare_soil: BareSoil | None = None
    table_options: dict[str, Any] = field(default_factory=dict)
    source_notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.id_name = self.id_column or ID_NAME
        self.coordinates = tuple(name for name in (self.x, self.y) if name is not None)

    @property
    def files(self) -> tuple[PathLike, ...]:
        """The table, the rasters and the mask."""
        return (self.path, *self.source.files, *([] if self.mask is None else [self.mask]))

    @property
    def settings(self) -> dict[str, object]:
        """The names of the files, and the options that were given."""
        return {
            "points": shown_name(self.path),
            "id_column": self.id_column,
            "crs": self.crs,
            **self.table_options,
            **self.source.settings,
            "mask": None if self.mask is None else shown_name(self.mask),
            "bare_soil": self.bare_soil,
        }

    def read_chunks(self) -> Iterator[TableChunk]:
        """Read all points, and yield them in chunks."""
        path = Path(self.path)
        table = read_table(path, **self.table_options).reset_index(drop=True)
        columns, x, y, crs = recognise_columns(table), self.x, self.y, self.crs
        id_column = self.id_column
        if id_column is None and columns.sample_id and not set(ID_COLUMNS) & set(table.columns):
            id_column = self.id_name = columns.sample_id
        if x is None and y is None and columns.places and not hasattr(table, "geom_type"):
            x, y, crs = columns.places[0].x, columns.places[0].y, crs or columns.places[0].crs
            self.coordinates = (x, y)
        whole = _chunk(path, table, id_column, 0)
        points = read_points(path, table, whole.ids, x, y, crs)
        self.n_rows = len(points)
        for start in range(0, len(points), POINT_ROWS):
            rows = slice(start, start + POINT_ROWS)
            yield TableChunk(whole.ids[rows], whole.table.iloc[rows], points=points.iloc[rows])

    def match(self, model: ModelInput, outputs: Sequence[str] | None) -> MatchedTable:
        """Match the rasters with a model, as `geosoil map` does."""
        matched = self.source.match(model)
        kind = "raster" if model.card.quantity == COVARIATES else "cube"
        notes, mask = [*self.source_notes, *matched.notes], None
        if self.mask is not None:
            mask, mask_notes = open_mask(self.mask, Grid.of(matched.raster), warp=kind == "raster")
            notes += mask_notes
        chosen = select_outputs(matched.model, outputs or _kinds(matched.model), where=model.folder)
        job = prepare_map(
            matched.model,
            matched.raster,
            bands=matched.bands,
            outputs=[output.kind for output in chosen],
            bare_soil=self.bare_soil,
            mask=mask,
        )
        halo, predict = job.predict.model.halo, job.predict
        notes += locate_points(matched.raster, self.first.points, what=kind)[2]

        def features(chunk: TableChunk) -> tuple[list[Block], Reasons]:
            rows, columns, _ = locate_points(matched.raster, chunk.points, what=kind)
            patches = read_patches(job.source, rows, columns, halo)
            centres = np.ascontiguousarray(patches[:, :, halo, halo].T)[:, None]
            outside = rows < 0
            reasons = {f"outside the {kind}": outside}
            if mask is not None or self.bare_soil is not None:
                reasons["left out by the mask"] = ~outside & predict.left_out(centres)[0]
            return list(patches) if halo else [centres], reasons

        return MatchedTable(predict, features, tuple(notes), NO_DATA)


def require_rows(model: ModelInput, path: PathLike) -> Model:
    """Return the model if it predicts a row from its own features; raises ModelFileError for a model of patches."""
    loaded: Model = model.model
    if loaded.halo:
        raise ModelFileError(
            model.folder,
            found=f"a model of patches of pixels for the rows of {shown_name(path)}",
            expected="points on rasters",
            way_out="give a table of points, and the rasters with --covariates",
        )
    return loaded


def predict_block(model: Model, opened: ModelInput, outputs: Sequence[str] | None) -> PredictBlock:
    """Return the prediction of rows by a model; `outputs` are kinds, None: all that the model has."""
    return PredictBlock(
        model, len(model.features), select_outputs(model, outputs or _kinds(model), where=opened.folder)
    )


def _kinds(model: Model) -> list[str]:
    return [output.kind for output in model.outputs]


def _iter_table(path: Path, options: dict[str, Any]) -> tuple[int, Iterator[tuple[int, pd.DataFrame]]]:
    """Return the number of rows, and the parts of a table with their first rows: chunks of a Parquet table."""
    if path.suffix.lower() in PARQUET_ENDINGS and path.exists() and not options:
        file = pq.ParquetFile(path, pre_buffer=False)  # otherwise, it would hold the whole file in memory
        if b"geo" not in (file.schema_arrow.metadata or {}):
            batches = file.iter_batches(CHUNK_ROWS)
            tables = (pa.Table.from_batches([batch]).to_pandas(types_mapper=pd.ArrowDtype) for batch in batches)
            return file.metadata.num_rows, ((CHUNK_ROWS * i, table) for i, table in enumerate(tables))
    table = read_table(path, **options).reset_index(drop=True)
    return len(table), iter([(0, table)])


def _chunk(path: Path, table: pd.DataFrame, id_column: str | None, first_row: int) -> TableChunk:
    """Return rows of a table with their ids, and with their points if the table has a geometry."""
    points = table.geometry if hasattr(table, "geom_type") else None
    rest: Any = table
    if points is not None:
        rest = pd.DataFrame(table.drop(columns=points.name))
        rest.attrs |= table.attrs
    if id_column is not None:
        require_column(path, rest, id_column)  # its error names the nearest column
    keys = id_keys(path, rest, id_column)
    ids = np.asarray(join_ids(path, rest, keys, first_row), object)
    return TableChunk(ids, rest.drop(columns=keys), points=points, first_row=first_row)
