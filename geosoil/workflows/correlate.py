"""A soil map against the terrain: the table of correlations, and the map with the streams drawn over it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RasterError, SamplesError
from geosoil.evaluate.correlate import CAVEAT, correlation_table, half_zones, polygon_zones, read_polygons
from geosoil.io.atomic import atomic_path
from geosoil.io.output_paths import check_output_path
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack
from geosoil.raster.grid import Grid
from geosoil.report.figure_style import save_figure
from geosoil.report.map_figures import streams_figure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import geopandas as gpd
    import pandas as pd
    import xarray as xr
    from matplotlib.figure import Figure

PAPER_FACTORS = ("twi", "slope_deg", "ls_factor")
CIRCULAR = ("aspect_deg",)
HALVES = "halves"
QUICKLOOK_PIXELS = 1500


@dataclass(frozen=True)
class CorrelationResult:
    """What `correlate_map` found and wrote; table: of `correlation_table`."""

    table: pd.DataFrame
    path: Path
    picture: Path
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Say the table and where it is."""
        shown = self.table.to_string(index=False, float_format=lambda value: f"{value:.4f}")
        return f"{shown}\ntable      {self.path}\nmap        {self.picture}"


def correlate_map(
    soil_map: str | os.PathLike[str],
    terrain: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    band: str | None = None,
    factors: Sequence[str] | None = PAPER_FACTORS,
    zones: str | os.PathLike[str] | None = None,
    zone_column: str | None = None,
    streams: str | os.PathLike[str] | None = None,
) -> CorrelationResult:
    """Correlate a property of a soil map with terrain factors, and draw the map with its streams.

    soil_map: a raster; band: the name of its property, by default the first. terrain: rasters of factors, of
    `geosoil terrain` for instance, brought to the grid of the map where theirs is another, which the notes say.
    factors: names of their bands; None takes all but aspect, which is an angle. output: `.csv`; the picture goes beside
    it. zones: polygons, or "halves" for the left and right half of the image; zone_column: of their names. streams:
    lines to draw; by default the band `stream` of the terrain.

    Raises the GeosoilError that says what does not fit; nothing half-written is left then.
    """
    paths = [terrain] if isinstance(terrain, str | os.PathLike) else terrain
    inputs = [soil_map, *paths, None if zones == HALVES else zones, streams]
    path = check_output_path(output, (".csv",), "TABLE.csv", inputs=inputs, beside=[".png"])
    if zone_column is not None and zones in (None, HALVES):
        raise SamplesError(
            "zones",
            found=f"a column {zone_column} of {'no zones' if zones is None else 'the halves of the image'}",
            expected="polygons whose names it holds",
            way_out="name their file with --zones, or leave --zone-column out",
        )
    values = _property(soil_map, band)
    grid = Grid.of(values)
    stack = open_stack(terrain, like=values)
    there = [str(name) for name in stack["band"].values]
    notes = list(stack.attrs.get("notes", ()))
    chosen = _chosen(stack.attrs.get("source", "terrain"), there, factors, notes)
    lines = None if streams is None else _lines(streams, grid)
    masks: Iterator[tuple[str, np.ndarray]] = iter(())
    if zones == HALVES:
        masks = half_zones(grid)
    elif zones is not None:
        masks = polygon_zones(read_polygons(zones, column=zone_column), grid)
    with ExitStack() as places:
        temporary = places.enter_context(atomic_path(path))
        temporary_picture = places.enter_context(atomic_path(path.with_suffix(".png")))
        table = correlation_table(values, stack.isel(band=[there.index(name) for name in chosen]), masks)
        empty = table[table["pearson_r"].isna()]
        notes += [f"{row.zone}, {row.factor}: no r from {row.n} pixels that vary" for row in empty.itertuples()]
        table.to_csv(temporary, index=False, float_format="%.6g")
        network = lines if lines is not None else _stream_cells(stack, there, notes)
        save_figure(_picture(values, network), temporary_picture)
    return CorrelationResult(table, path, path.with_suffix(".png"), (*notes, CAVEAT))


def _property(path: str | os.PathLike[str], band: str | None) -> xr.DataArray:
    opened = open_raster(path)
    names = [str(name) for name in opened["band"].values]
    if band is not None and band not in names:
        raise RasterError(
            path,
            found=f"no band {band}",
            expected=f"one of {', '.join(names[:12])}",
            way_out="name a band that is there",
        )
    return opened.isel(band=[0 if band is None else names.index(band)])


def _chosen(where: object, there: list[str], factors: Sequence[str] | None, notes: list[str]) -> list[str]:
    if factors is None:
        left_out = [name for name in there if name in CIRCULAR]
        if left_out:
            notes.append(f"{', '.join(left_out)} was left out: an angle that ends where it begins has no correlation")
        return [name for name in there if name not in CIRCULAR]
    missing = [name for name in factors if name not in there]
    if missing:
        raise RasterError(
            where,
            found=f"no band {', '.join(missing)}",
            expected=f"bands among {', '.join(there[:12])}",
            way_out="name the factors with --factor, or take --all-bands",
        )
    return list(factors)


def _lines(path: str | os.PathLike[str], grid: Grid) -> gpd.GeoDataFrame:
    import geopandas as gpd

    def refuse(found: str, way_out: str) -> SamplesError:
        return SamplesError(path, found=found, expected="the streams of `geosoil terrain --streams`", way_out=way_out)

    try:
        lines = gpd.read_file(path, engine="pyogrio")
    except (OSError, ValueError, RuntimeError) as error:  # pyogrio's are RuntimeErrors
        raise refuse(f"no file of lines ({str(error).splitlines()[0]})", "check the path") from error
    if not isinstance(lines, gpd.GeoDataFrame):
        raise refuse("a table without geometry", "give a file of lines")
    strange = sorted(set(lines.geom_type.dropna()) - {"LineString", "MultiLineString"})
    if strange:
        raise refuse(f"{', '.join(strange)} among the lines", "give a file of lines only")
    return lines if lines.crs is None or lines.crs == grid.crs else lines.to_crs(grid.crs)


def _stream_cells(stack: xr.DataArray, there: list[str], notes: list[str]) -> np.ndarray | None:
    if "stream" in there:
        return stack.isel(band=there.index("stream")).values
    notes.append("no streams were drawn: the terrain has no band `stream`, and no lines were given")
    return None


def _picture(values: xr.DataArray, network: gpd.GeoDataFrame | np.ndarray | None) -> Figure:
    grid = Grid.of(values)
    every = max(1, max(grid.height, grid.width) // QUICKLOOK_PIXELS)
    shown = values.values[0, ::every, ::every]
    if isinstance(network, np.ndarray):
        network = _thinned(network, every)[: shown.shape[0], : shown.shape[1]]
    seen = shown[np.isfinite(shown)]
    low, high = np.percentile(seen, [2, 98]) if seen.size else (0.0, 1.0)
    left, bottom, right, top = grid.bounds
    name = str(values["band"].values[0])
    return streams_figure(
        shown,
        np.zeros(shown.shape) if network is None else network,
        title=name if network is None else f"{name} and streams",
        unit=values.attrs.get("units") or name,
        low=float(low),
        high=float(high) if high > low else float(low) + 1,
        extent=(left, right, bottom, top),
    )


def _thinned(cells: np.ndarray, every: int) -> np.ndarray:
    """Shrink stream cells such that a line one cell wide stays one: the maximum of each square."""
    rows, columns = (-side % every for side in cells.shape)
    padded = np.pad(np.nan_to_num(cells), ((0, rows), (0, columns)))
    return padded.reshape(padded.shape[0] // every, every, padded.shape[1] // every, every).max(axis=(1, 3))
