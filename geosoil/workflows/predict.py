"""Predict the rows of a table: spectra, columns of covariates, or points on rasters."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import ModelFileError, SamplesError
from geosoil.io.output_paths import check_output_path
from geosoil.io.provenance import provenance_tags, shown_name
from geosoil.io.tables.columns import recognise_columns
from geosoil.io.tables.reader import require_column
from geosoil.io.tables.writer import METADATA_ENDING, WRITTEN_ENDINGS, open_table
from geosoil.mapping.inputs import CovariateInput, CubeInput
from geosoil.mapping.job import N_COUNTS
from geosoil.mapping.joint import find_models
from geosoil.mapping.places import SampleDistances
from geosoil.mapping.spectra_table import SpectraInput
from geosoil.mapping.table_places import PlaceOptions
from geosoil.mapping.tables import ColumnInput, PointInput
from geosoil.mapping.training_range import RangeCount
from geosoil.models.joint import prefix_repeated
from geosoil.numerics.threads import one_thread_each, one_thread_here
from geosoil.spectra.bare_soil import BareSoil
from geosoil.workflows.predicted_columns import ColumnStatistics, PredictedColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    import geopandas as gpd

    from geosoil.mapping.inputs import ModelInput
    from geosoil.mapping.joint import OneOrManyModels
    from geosoil.mapping.tables import MatchedTable, TableChunk, TableInput
    from geosoil.models.contract import Output

    PathLike = str | os.PathLike[str]
    Progress = Callable[[str, int, int], None]

OF_PLACES = ("x", "y", "crs")
OF_TABLE, OF_POINTS = ("layer", "decimal"), (*OF_PLACES, "mask")
OPTIONS = {  # the options that each kind of table can have
    "points on a cube": (
        *OF_TABLE,
        *OF_POINTS,
        "band_table",
        "scale",
        "offset",
        "nodata",
        "keep_masks",
        "pixel_m",
        "bare_soil",
    ),
    "points on covariates": (*OF_TABLE, *OF_POINTS, "like"),
    "spectra": ("scale", "quantity", "wavelength_unit"),
    "columns of covariates": OF_TABLE,
}


@dataclass(frozen=True)
class PredictedTable:
    """What `predict_table` wrote.

    Attributes
    ----------
    path : Path
        The table.
    n_rows : int
    columns : tuple of PredictedColumn
        Its predictions.
    notes : tuple of str
        What was done to the input, which rows have no prediction, and what the user should know.
    """

    path: Path
    n_rows: int
    columns: tuple[PredictedColumn, ...]
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return a few lines on where the table is and what it holds."""
        width = max(10, *(len(column.name) for column in self.columns))
        lines = [f"{'table':{width}s} {self.path}"]
        for column in self.columns:
            rows = f"{column.n_values} of {self.n_rows} rows"
            figures = f"{column.minimum:.4g} .. {column.maximum:.4g}, mean {column.mean:.4g} {column.unit}".rstrip()
            lines.append(f"{column.name:{width}s} {figures if column.n_values else 'no row with a value'}; {rows}")
        return "\n".join(lines)


def predict_table(
    table: PathLike,
    model: OneOrManyModels,
    output: PathLike | None = None,
    *,
    progress: Progress | None = None,
    **options: Any,
) -> PredictedTable:
    """Predict every row of a table with one or several models, and write the predictions as a table.

    A Parquet table is read and written in chunks. Rows that cannot be predicted are kept, without a prediction.

    Parameters
    ----------
    table : path-like
        Spectra as `read_spectra` takes them, a table with one column per covariate, or points on rasters.
    model : path-like, or sequence of path-like
        A model folder, or the name of a known model. A column that several models have gets the name of its model as
        a prefix.
    output : path-like, optional
        A `.csv`, `.parquet` or `.gpkg` file; default: TABLE_MODEL.csv in the working folder. Units and origin are in
        its metadata, or beside a CSV file in NAME.csv-metadata.json.
    progress : callable, optional
        Called as `progress("predict", rows done, all rows)`.
    **options
        All other options of `prepare_table`.

    Returns
    -------
    PredictedTable
        Where the table is, its statistics and notes.

    Raises
    ------
    GeosoilError
        The table, the model or the output does not fit. No unfinished file is left.
    """
    prepared = prepare_table(table, model, **options)
    return prepared.write(output, progress)


def prepare_table(
    table: PathLike,
    model: OneOrManyModels,
    *,
    outputs: Sequence[str] | None = None,
    keep: Sequence[str] = (),
    id_column: str | None = None,
    cube: PathLike | None = None,
    covariates: PathLike | Sequence[PathLike] | None = None,
    scale: float | None = None,
    **options: Any,
) -> TablePrediction:
    """Check that a table and models fit, and return the prediction to be computed or written.

    Parameters
    ----------
    table, model
        As for `predict_table`.
    outputs : sequence of str, optional
        Kinds of columns, such as "prediction"; default: all that the models have.
    keep : sequence of str
        Columns of the table that the result has too; "all" keeps every column.
    id_column : str, optional
        The column of ids; default: `sample_id` or `id` if it exists, else the rows are numbered from 1.
    cube : path-like, optional
        The cube that contains the points of the table.
    covariates : path-like or sequence of path-like, optional
        The covariate rasters that contain the points of the table.
    scale : float, optional
        A factor for spectra, 0.01 for percent; for a cube, as for `map_cube`.
    **options
        `layer` and `decimal` of a table without spectra, as for `read_samples`. Of spectra, `quantity` ("reflectance"
        or "absorbance") and `wavelength_unit`, as for `read_spectra`. The columns `x` and `y` and the `crs` of points,
        or of any table for a model with place, without geometry. Of points, `mask`; with a cube also `band_table`,
        `offset`, `nodata`, `keep_masks` (its `keep`), `pixel_m` and `bare_soil`, with covariates `like`; as for
        `map_cube` and `map_covariates`.

    Returns
    -------
    TablePrediction

    Raises
    ------
    GeosoilError
        The table or a model does not fit.
    """
    models = list(find_models(model))
    given = {name: value for name, value in {"scale": scale, **options}.items() if value is not None}
    source = _open_source(table, models, cube, covariates, id_column, given)
    parts = [_Part(each, source.match(each, outputs)) for each in models]
    return TablePrediction(source, parts, tuple(keep))


def _open_source(
    table: PathLike,
    models: list[ModelInput],
    cube: PathLike | None,
    covariates: PathLike | Sequence[PathLike] | None,
    id_column: str | None,
    options: dict[str, Any],
) -> TableInput:
    """Return the input of a table, by the rasters that are given and by what the models read."""
    if cube is not None:
        holds = "points on a cube"
    elif covariates is not None:
        holds = "points on covariates"
    else:
        spectral = {each.reads_spectra for each in models}
        if len(spectral) > 1:
            raise ModelFileError(
                models[-1].folder,
                found="models of spectra and of covariates for one table",
                expected="models of one kind",
                way_out="predict with each kind by itself",
            )
        holds = "spectra" if True in spectral else "columns of covariates"
    has_place = any(feature.place for each in models for feature in each.card.features)
    allowed = (*OPTIONS[holds], *(OF_PLACES if has_place else ()))
    wrong = [name for name in options if name not in allowed]
    if wrong:
        raise SamplesError(
            table,
            found=f"the option {wrong[0]} for a table of {holds}",
            expected=f"one of {', '.join(allowed)}",
            way_out="leave it out, or give the rasters that contain the points",
        )
    places = PlaceOptions(**{name: options[name] for name in OF_PLACES if name in options})
    if holds == "spectra":
        given = {name: value for name, value in options.items() if name not in OF_PLACES}
        return SpectraInput(table, {**({"id_column": id_column} if id_column else {}), **given}, places)
    of_table, of_points = (
        {name: options.pop(name) for name in names if name in options} for names in (OF_TABLE, OF_POINTS)
    )
    if holds == "columns of covariates":
        return ColumnInput(table, id_column, of_table, places)
    soil = options.pop("bare_soil", None)
    of_points |= {"bare_soil": BareSoil() if soil is True else soil or None, "table_options": of_table}
    if cube is None:
        rasters = CovariateInput(covariates or (), unseen="nodata", **options)
        return PointInput(table, rasters, id_column=id_column, **of_points)
    keep = options.pop("keep_masks", ())
    scaled, notes = CubeInput(cube, keep=keep, **options).with_scale_of(models)
    return PointInput(table, scaled, id_column=id_column, source_notes=notes, **of_points)


class TablePrediction:
    """Predictions of a table, computed in chunks of rows; made by `prepare_table`.

    Parameters
    ----------
    source : TableInput
        The table; its rows can be read once.
    parts : list of _Part
        The models.
    keep : tuple of str
        Columns of the table that are kept.
    """

    def __init__(self, source: TableInput, parts: list[_Part], keep: tuple[str, ...]) -> None:
        self.source, self.parts = source, parts
        first = source.first
        names = [str(name) for name in first.table.columns]
        for name in keep:
            if keep != ("all",) and name != source.id_name:
                require_column(Path(source.files[0]), first.table, name)
        coordinates = source.coordinates or next(((p.x, p.y) for p in recognise_columns(first.table).places), ())
        self.kept = [name for name in names if keep == ("all",) or name in (*keep, *coordinates)]
        self.with_xy = first.points is not None and not coordinates
        taken = {source.id_name, *self.kept, *(("x", "y") if self.with_xy else ())}
        of_models = [[output.name for output in part.outputs] for part in parts]
        prefixed = prefix_repeated(of_models, [part.model.card.name for part in parts])
        for part, names_of_part in zip(parts, prefixed, strict=True):  # a column of the table keeps its name
            part.names = [f"{name} predicted" if name in taken else name for name in names_of_part]
        columns = [name for part in parts for name in part.names]
        if len(set(columns)) < len(columns):
            raise ModelFileError(
                parts[-1].model.folder,
                found="two models with the same name that predict the same",
                expected="models that differ in their names",
                way_out="predict with them one by one, or train one under another name",
            )
        self.n_rows = 0

    @property
    def units(self) -> dict[str, str]:
        """Units of the columns of predictions, by their names."""
        return {name: output.unit for part in self.parts for name, output in zip(part.names, part.outputs, strict=True)}

    def chunks(self) -> Iterator[tuple[pd.DataFrame, gpd.GeoSeries | None]]:
        """Predict the rows in their order; yield ids, coordinates, kept columns and predictions, and the points."""
        # Each chunk has one thread, because threads within an operation would wait for each other at every short one.
        n_threads = os.cpu_count() or 1
        running: deque[tuple[TableChunk, list[Future[np.ndarray]]]] = deque()
        with one_thread_each(), ThreadPoolExecutor(n_threads, initializer=one_thread_here) as pool:
            for chunk in self.source.chunks():
                running.append((chunk, [pool.submit(part.predict, chunk) for part in self.parts]))
                if len(running) > n_threads:
                    yield self._finish(*running.popleft())
            while running:
                yield self._finish(*running.popleft())

    def _finish(
        self, chunk: TableChunk, predictions: list[Future[np.ndarray]]
    ) -> tuple[pd.DataFrame, gpd.GeoSeries | None]:
        """Wait for the predictions of a chunk, and return its table and its points."""
        frame: dict[str, Any] = {self.source.id_name: chunk.ids}
        if self.with_xy:
            assert chunk.points is not None
            frame |= {"x": chunk.points.x.to_numpy(), "y": chunk.points.y.to_numpy()}
        frame |= {name: chunk.table[name].array for name in self.kept}
        for part, predicted in zip(self.parts, predictions, strict=True):
            frame |= dict(zip(part.names, predicted.result(), strict=True))
        self.n_rows += len(chunk.ids)
        return pd.DataFrame(frame), chunk.points

    def notes(self) -> tuple[str, ...]:
        """Return what was done to the input, and which rows were not predicted, after all chunks."""
        several = len(self.parts) > 1
        notes = [f"{part.model.card.name}: {note}" if several else note for part in self.parts for note in part.notes()]
        return tuple(notes)

    def frame(self) -> pd.DataFrame:
        """Return all predictions as one table; `attrs` holds the units and the notes."""
        whole = pd.concat([frame for frame, _ in self.chunks()], ignore_index=True)
        whole.attrs |= {"units": self.units, "notes": self.notes()}
        return whole

    def write(self, output: PathLike | None = None, progress: Progress | None = None) -> PredictedTable:
        """Write all predictions; parameters as for `predict_table`."""
        files, models = self.source.files, [part.model for part in self.parts]
        name = f"{PurePath(shown_name(files[0])).stem}_{models[0].card.name}.csv"
        beside = (f".csv{METADATA_ENDING}",)
        path = check_output_path(output or name, WRITTEN_ENDINGS, "OUT.csv", inputs=files, beside=beside)
        statistics = {name: ColumnStatistics() for name in self.units}
        with open_table(path, self.units) as writer:
            for frame, points in self.chunks():
                writer.write(frame, points)
                for name, values in statistics.items():
                    values.add(frame[name].to_numpy())
                if progress is not None:
                    progress("predict", self.n_rows, self.source.n_rows)
            notes = self.notes()
            identity = tuple("; ".join(texts) for texts in zip(*(model.identity for model in models), strict=True))
            tags = provenance_tags(self.source.settings, model=(identity[0], identity[1]), notes=notes)
            writer.tags = {name: text for name, text in tags.items() if name.startswith("GEOSOIL_")}
        columns = tuple(values.column(name, self.units[name]) for name, values in statistics.items())
        return PredictedTable(path, self.n_rows, columns, notes)


class _Part:
    """One model: its columns, and counts of what happened to the rows."""

    def __init__(self, model: ModelInput, matched: MatchedTable) -> None:
        self.model, self.matched = model, matched
        self.outputs: tuple[Output, ...] = matched.predict.outputs
        self.names: list[str] = []
        self.clipped = np.zeros((len(self.outputs), N_COUNTS), np.int64)
        self.range = RangeCount(matched.predict.model)
        self.distances = SampleDistances(matched.predict.model, model.card.sample_places)
        self.reasons: dict[str, int] = {}
        self.n_rows = 0
        self._counting = Lock()

    def predict(self, chunk: TableChunk) -> np.ndarray:
        """Return the outputs (output, row) of a chunk."""
        blocks, reasons = self.matched.read(chunk)
        n_features, halo = self.matched.predict.n_features, self.matched.predict.model.halo
        clipped = np.zeros_like(self.clipped)
        predicted = np.concatenate([self.matched.predict(block, clipped)[:, 0] for block in blocks], axis=1)
        of_blocks = [block[:n_features, halo, halo : block.shape[2] - halo] for block in blocks]
        centres = of_blocks[0] if len(blocks) == 1 else np.concatenate(of_blocks, axis=1)  # a chunk of spectra is large
        valid = np.isfinite(np.add.reduce(centres, axis=0))
        missing = ~np.isfinite(predicted[0])
        reasons = {**reasons, self.matched.reason: ~valid, "for which the model returns no number": missing}
        centres = centres[:, ~missing] if missing.any() else centres
        with self._counting:
            self.clipped += clipped
            for reason, flags in reasons.items():
                here = flags & missing
                self.reasons[reason] = self.reasons.get(reason, 0) + int(here.sum())
                missing &= ~here
            self.range.add(centres)
            self.distances.add(centres)
            self.n_rows += predicted.shape[1]
        return predicted

    def notes(self) -> list[str]:
        """Return what was done to the input, and what happened to the rows."""
        notes = list(self.matched.notes)
        if n_missing := sum(self.reasons.values()):
            parts = [f"{count} {reason}" for reason, count in self.reasons.items() if count]
            notes.append(f"rows without a prediction: {n_missing} of {self.n_rows} ({', '.join(parts)})")
        for name, output, counts in zip(self.names, self.outputs, self.clipped, strict=True):
            for count, limit in zip(counts[:2], output.valid_range, strict=True):
                if count:
                    end = f"{limit:g} {output.unit}".rstrip()
                    notes.append(
                        f"{name}: rows predicted outside the valid range and set to {end}: {count} of {self.n_rows}"
                    )
        return [*notes, *(note for note in (self.range.note, self.distances.note) if note)]
