"""Correlate a soil map with terrain: a table of correlations, and a picture of the map with the streams over it."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import RasterError, SamplesError
from geosoil.evaluate.correlate import CAVEAT, correlation_table, half_zones, polygon_zones
from geosoil.io.atomic import atomic_path
from geosoil.io.output_paths import check_output_path
from geosoil.io.provenance import shown_name
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack
from geosoil.io.tables.polygons import read_polygons
from geosoil.io.tables.vector import read_layer
from geosoil.io.tables.writer import write_csv
from geosoil.raster.grid import Grid
from geosoil.report.correlation_sections import correlation_sections
from geosoil.report.figure_style import save_figure
from geosoil.report.page import write_page
from geosoil.report.quicklooks import streams_quicklook

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import geopandas as gpd
    import numpy as np
    import pandas as pd
    import xarray as xr

PAPER_FACTORS = ("twi", "slope_deg", "ls_factor")
CIRCULAR = ("aspect_deg",)
HALVES = "halves"


@dataclass(frozen=True)
class CorrelationResult:
    """The table of `correlation_table`, the files that `correlate_map` wrote, and notes."""

    table: pd.DataFrame
    path: Path
    picture: Path
    notes: tuple[str, ...]
    report: Path

    def summary(self) -> str:
        """Return the table as text, and the paths of the files."""
        shown = self.table.to_string(index=False, float_format=lambda value: f"{value:.4f}")
        return f"{shown}\ntable      {self.path}\nmap        {self.picture}\nreport     {self.report}"


def correlate_map(
    soil_map: str | os.PathLike[str],
    terrain: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    band: str | None = None,
    factors: Sequence[str] | None = PAPER_FACTORS,
    zones: str | os.PathLike[str] | None = None,
    zone_column: str | None = None,
    zone_layer: str | None = None,
    streams: str | os.PathLike[str] | None = None,
) -> CorrelationResult:
    """Correlate a property of a soil map with terrain factors, and draw the map with its streams.

    Parameters
    ----------
    soil_map : path-like
        A raster of the property.
    terrain : path-like or sequence of path-like
        Rasters of terrain factors, such as `map_terrain` writes; other grids are resampled to that of the map.
    output : path-like
        The table, `.csv`; the picture and a report are written beside it.
    band : str, optional
        Name of the band of the property; default: the first.
    factors : sequence of str, optional
        Names of the bands of terrain; None takes all except aspect, which is an angle.
    zones : path-like, optional
        Polygons, or "halves" for the left and the right half of the image.
    zone_column : str, optional
        Column of the names of the zones.
    zone_layer : str, optional
        Layer of the zones, for a file with several layers.
    streams : path-like, optional
        Lines to draw; default: the band `stream` of the terrain.

    Returns
    -------
    CorrelationResult
        The table, the files and notes.

    Raises
    ------
    GeosoilError
        An input or the output does not fit; no unfinished file is left.
    """
    paths = [terrain] if isinstance(terrain, str | os.PathLike) else terrain
    inputs = [soil_map, *paths, None if zones == HALVES else zones, streams]
    path = check_output_path(output, (".csv",), "TABLE.csv", inputs=inputs, beside=[".png", ".html"])
    if zone_column is not None and zones in (None, HALVES):
        raise SamplesError(
            "zones",
            found=f"a column {zone_column} for {'no zones' if zones is None else 'the halves of the image'}",
            expected="polygons with this column",
            way_out="give their file with --zones, or leave --zone-column out",
        )
    if zone_layer is not None and zones in (None, HALVES):
        raise SamplesError(
            "zones", found=f"layer {zone_layer} without a file", expected="a file of polygons", way_out="give --zones"
        )
    values = _property(soil_map, band)
    grid = Grid.of(values)
    stack = open_stack(terrain, like=values)
    names = [str(name) for name in stack["band"].values]
    notes = list(stack.attrs.get("notes", ()))
    chosen = _chosen(stack.attrs.get("source", "terrain"), names, factors, notes)
    lines = None if streams is None else _lines(streams, grid)
    masks: Iterator[tuple[str, np.ndarray]] = iter(())
    if zones == HALVES:
        masks = half_zones(grid)
    elif zones is not None:
        masks = polygon_zones(read_polygons(zones, column=zone_column, layer=zone_layer), grid)
    with ExitStack() as places:
        temporary = places.enter_context(atomic_path(path))
        picture, page = path.with_suffix(".png"), path.with_suffix(".html")
        temporary_picture, temporary_page = (places.enter_context(atomic_path(file)) for file in (picture, page))
        table = correlation_table(values, stack.isel(band=[names.index(name) for name in chosen]), masks)
        empty = table[table["pearson_r"].isna()]
        notes += [
            f"{row.zone}, {row.factor}: no correlation, as the {row.n} pixels do not vary" for row in empty.itertuples()
        ]
        write_csv(table, temporary)
        network = lines if lines is not None else _stream_cells(stack, names, notes)
        figure = streams_quicklook(values, network)
        save_figure(figure, temporary_picture)
        sections = correlation_sections(table, figure, notes=notes)
        title = f"Correlation of {shown_name(soil_map)} with terrain"
        write_page(temporary_page, title=title, sections=sections, drawn={figure: temporary_picture.read_bytes()})
    return CorrelationResult(table, path, picture, (*notes, CAVEAT), page)


def _property(path: str | os.PathLike[str], band: str | None) -> xr.DataArray:
    opened = open_raster(path)
    names = [str(name) for name in opened["band"].values]
    if band is not None and band not in names:
        raise RasterError(
            path,
            found=f"no band {band}",
            expected=f"one of {', '.join(names[:12])}",
            way_out="choose one of these bands",
        )
    return opened.isel(band=[0 if band is None else names.index(band)])


def _chosen(where: object, names: list[str], factors: Sequence[str] | None, notes: list[str]) -> list[str]:
    if factors is None:
        left_out = [name for name in names if name in CIRCULAR]
        if left_out:
            notes.append(f"{', '.join(left_out)} was left out: an angle has no linear correlation")
        return [name for name in names if name not in CIRCULAR]
    missing = [name for name in factors if name not in names]
    if missing:
        raise RasterError(
            where,
            found=f"no band {', '.join(missing)}",
            expected=f"one or more of {', '.join(names[:12])}",
            way_out="choose the factors with --factor, or give --all-bands",
        )
    return list(factors)


def _lines(path: str | os.PathLike[str], grid: Grid) -> gpd.GeoDataFrame:
    def refuse(found: str, way_out: str) -> SamplesError:
        return SamplesError(path, found=found, expected="the streams of `geosoil terrain --streams`", way_out=way_out)

    lines = read_layer(Path(path), expected="lines of streams")
    if not hasattr(lines, "geom_type"):
        raise refuse("a table without geometry", "give a file of lines")
    strange = sorted(set(lines.geom_type.dropna()) - {"LineString", "MultiLineString"})
    if strange:
        raise refuse(f"{', '.join(strange)} among the lines", "give a file of lines only")
    return lines if lines.crs is None or lines.crs == grid.crs else lines.to_crs(grid.crs)


def _stream_cells(stack: xr.DataArray, names: list[str], notes: list[str]) -> np.ndarray | None:
    if "stream" in names:
        return stack.isel(band=names.index("stream")).values
    notes.append("no streams are drawn, as the terrain has no band `stream` and no lines were given")
    return None
