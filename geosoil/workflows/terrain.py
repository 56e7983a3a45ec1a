"""Compute terrain covariates of a DEM: a COG, the lines of the streams, and a picture beside them."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil import __version__
from geosoil.errors import RasterError
from geosoil.io.atomic import atomic_path, remove_leftovers, require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.provenance import provenance_tags, shown_name
from geosoil.io.rasters.cog import CogSummary, write_cog
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp, value_bands
from geosoil.io.rasters.reader import open_raster
from geosoil.io.tables.writer import write_geopackage
from geosoil.mapping.scratch import held_store
from geosoil.raster.layout import VOID_CODES
from geosoil.report.figure_style import save_figure
from geosoil.report.page import write_page
from geosoil.report.qgis_metadata import LayerMetadata
from geosoil.report.qgis_project import LayerGroup, VectorLayer, write_project
from geosoil.report.qgis_rasters import SIDE_FILES, StyledRaster, terrain_styles
from geosoil.report.quicklooks import terrain_quicklook
from geosoil.report.terrain_sections import terrain_sections
from geosoil.terrain.flow import Drainage, FlowMethod, drain
from geosoil.terrain.stack import UNITS, terrain_stack
from geosoil.terrain.streams import default_stream_area_m2, stream_cells, stream_lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr

    from geosoil.terrain.cells import Degrees
    from geosoil.terrain.ls_factor import LSConvention, LSMethod
    from geosoil.terrain.slope import SlopeMethod

STREAMS_LAYER = "streams"
POSSIBLE_VOIDS = (0, -1, 9999)  # which are heights elsewhere


@dataclass(frozen=True)
class TerrainResult:
    """What `map_terrain` wrote.

    Parameters
    ----------
    path, quicklook : Path
        The COG of covariates, and its picture.
    streams : Path or None
        The GeoPackage of streams.
    cog : CogSummary
        Size and statistics of the COG.
    stream_count : int
        Number of lines, whether they were written or not.
    stream_length_m : float
        Length of all lines in metres.
    notes : tuple of str
        What was done to the DEM.
    project : Path or None
        The QGIS project.
    report : Path or None
        The page on relief, streams and covariates.
    """

    path: Path
    streams: Path | None
    quicklook: Path
    cog: CogSummary
    stream_count: int
    stream_length_m: float
    notes: tuple[str, ...]
    project: Path | None = None
    report: Path | None = None

    def summary(self) -> str:
        """Return a few lines on where the covariates are and what they hold."""
        _, height, width = self.cog.shape
        lines = [f"terrain    {self.path} ({height} x {width} cells)"]
        for band in self.cog.bands:
            if band.valid_count:
                figures = f"{band.minimum:.4g} .. {band.maximum:.4g}, mean {band.mean:.4g} {band.unit}".rstrip()
            else:
                figures = "no cell with a value"
            lines.append(f"  {band.name:24s} {figures}; {band.valid_count} cells")
        lines.append(f"streams    {self.stream_count} lines, {self.stream_length_m / 1000:.4g} km")
        if self.streams:
            lines[-1] += f": {self.streams}"
        if self.project:
            lines.append(f"project    {self.project}")
        if self.report:
            lines.append(f"report     {self.report}")
        return "\n".join([*lines, f"quicklook  {self.quicklook}"])


def map_terrain(
    dem: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    band: str | None = None,
    nodata: float | None = None,
    slope_method: SlopeMethod = "horn",
    flow: FlowMethod = "mfd",
    ls: LSMethod = "desmet_govers",
    ls_convention: LSConvention = "paper",
    stream_area_m2: float | None = None,
    streams: str | os.PathLike[str] | None = None,
    degrees: Degrees = "refuse",
    z_factor: float | None = None,
    threads: int | None = None,
    project: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> TerrainResult:
    """Compute the terrain covariates of a DEM, to a cloud-optimized GeoTIFF with a picture and a report beside it.

    Parameters
    ----------
    dem : path-like
        A raster of heights.
    output : path-like
        The COG, `.tif`, with the bands of `terrain_stack`.
    band : str, optional
        Name of the band of heights, if the raster has several bands.
    nodata : float, optional
        The stored value that means no data; default: what the file states. Heights with a usual code of voids, such as
        -32768 and -9999, are left out in any case, which a note states.
    slope_method, flow, ls, ls_convention, stream_area_m2, degrees, z_factor
        As for `terrain_stack` and `drain`.
    streams : path-like, optional
        A GeoPackage for the lines of the streams.
    threads : int, optional
        Number of blocks computed at the same time; default: all cores.
    project : bool
        Write TERRAIN.qgz beside the raster: a QGIS project of all bands and the streams.
    progress : callable, optional
        Called as `progress(what, done, total)`, with "flow" and "covariates".

    Returns
    -------
    TerrainResult
        The files, statistics and notes.

    Raises
    ------
    GeosoilError
        The DEM or an output does not fit; no unfinished file is left.
    """
    path = check_output_path(
        output, (".tif", ".tiff"), "TERRAIN.tif", inputs=[dem], beside=[".png", ".html", ".qgz", *SIDE_FILES]
    )
    lines_path = None if streams is None else check_output_path(streams, (".gpkg",), "STREAMS.gpkg", inputs=[dem])
    report = progress or (lambda what, done, total: None)
    picture, page = path.with_suffix(".png"), path.with_suffix(".html")
    with ExitStack() as places:
        # All outputs are checked before anything is computed, and none is left if another one fails.
        outputs = [path] if lines_path is None else [path, lines_path]
        for file in (*outputs, picture, page):
            require_writable(file)
        for file in outputs:
            places.enter_context(held_store(str(file)))
        for file in (*outputs, picture, page):
            remove_leftovers(file)
        temporary_picture, temporary_page = (places.enter_context(atomic_path(file)) for file in (picture, page))
        temporary_lines = None if lines_path is None else places.enter_context(atomic_path(lines_path))
        report("flow", 0, 3)
        heights, voids = _without_voids(_heights(dem, band, nodata))
        drainage = drain(heights, z_factor=z_factor, degrees=degrees)
        report("flow", 1, 3)
        least_m2 = default_stream_area_m2(drainage) if stream_area_m2 is None else stream_area_m2
        cells = stream_cells(drainage, least_m2)
        lines = stream_lines(drainage, cells)
        report("flow", 2, 3)
        stack = terrain_stack(
            drainage, slope_method=slope_method, flow=flow, ls=ls, ls_convention=ls_convention, stream_area_m2=least_m2
        )
        report("flow", 3, 3)
        if temporary_lines is not None:
            write_geopackage(lines, temporary_lines, layer=STREAMS_LAYER, geometry_type="LineString")
        computed = _notes(drainage, least_m2, streams_there=bool((cells.values == 1).any()), n_lines=len(lines))
        notes = voids + computed
        settings = {
            "dem": shown_name(dem),
            "slope": slope_method,
            "flow": flow,
            "ls": f"{ls} ({ls_convention})" if ls == "desmet_govers" else ls,
            "stream_area_m2": f"{least_m2:g}",
            "z_factor": f"{drainage.z_factor:g}",
            "nodata": nodata,
        }
        cog = write_cog(
            stack,
            path,
            tags=provenance_tags(settings, notes=notes),
            band_units=list(UNITS.values()),
            overviews="nearest",  # the average of 359 and 1 degrees is not 180
            threads=threads or os.cpu_count() or 1,
            progress=lambda done, total: report("covariates", done, total),
        )
        figure = terrain_quicklook(path, lines)
        save_figure(figure, temporary_picture)
        length_m = float(lines["length_m"].sum())
        methods = f"slope: {slope_method}, flow: {flow}, LS-factor: {settings['ls']}"
        sections = terrain_sections(
            cog.bands, figure, dem=shown_name(dem), shape=cog.shape[1:], stream_count=len(lines),
            stream_length_m=length_m, raised_share=drainage.filled_share, settings=f"Methods: {methods}",
            notes=computed, voids=voids,
        )  # fmt: skip
        drawn = {figure: temporary_picture.read_bytes()}
        write_page(temporary_page, title=f"Terrain of {shown_name(dem)}", sections=sections, drawn=drawn)
        what = f"Terrain covariates of {shown_name(dem)}; {methods}."
        metadata = LayerMetadata(path.stem, (what, *notes), ("terrain", *UNITS), history=(f"geosoil {__version__}",))
        styled = StyledRaster(path, *terrain_styles(cog.bands), metadata)
        styled.write_files()
    project_path = _write_project(styled, lines_path) if project else None
    return TerrainResult(path, lines_path, picture, cog, len(lines), length_m, tuple(notes), project_path, page)


def _write_project(styled: StyledRaster, lines_path: Path | None) -> Path:
    """Write the QGIS project of the covariates, with the streams on top."""
    groups = [styled.group("terrain")]
    if lines_path is not None:
        groups.insert(0, LayerGroup(STREAMS_LAYER, [VectorLayer(lines_path, STREAMS_LAYER, "streams", lines=True)]))
    return write_project(styled.path.with_suffix(".qgz"), title=styled.path.stem, groups=groups)


def _without_voids(heights: xr.DataArray) -> tuple[xr.DataArray, list[str]]:
    """Return heights without the codes that DEMs use for voids, and a note for each code and each possible one."""
    values, notes = heights.values, []
    for code in VOID_CODES:
        voids = values == np.float32(code)
        if voids.any():
            notes.append(
                f"{int(voids.sum())} cells of exactly {code} were taken for voids and left out, although the file does "
                f"not state it: state it in the file, or by --nodata {code}"
            )
            values = np.where(voids, np.float32(np.nan), values)
    for code in POSSIBLE_VOIDS:
        voids = values == np.float32(code)
        others = values[np.isfinite(values) & ~voids]
        # Farther from the other heights than these are from each other: no cliff is so high.
        if (
            voids.any()
            and others.size
            and not 2 * others.min() - others.max() <= code <= 2 * others.max() - others.min()
        ):
            notes.append(
                f"{int(voids.sum())} cells of exactly {code}, far from all other heights ({others.min():.6g} to "
                f"{others.max():.6g}), were taken for heights: if they have no data, give --nodata {code}"
            )
    return heights.copy(data=values), notes


def _heights(path: str | os.PathLike[str], band: str | None, nodata: float | None) -> xr.DataArray:
    opened = open_raster(path, nodata=nodata)
    names = [str(name) for name in opened["band"].values]
    if band is None and len(names) == 1:
        return opened
    if band not in names:
        raise RasterError(
            path,
            found=f"{len(names)} bands" if band is None else f"no band {band}",
            expected=f"one of {', '.join(names[:12])}",
            way_out="name the band of heights: --band NAME",
        )
    heights = opened.isel(band=[names.index(band)])
    file = absolute_path(path)
    with dataset(file, file_stamp(file)) as source:  # the unit of this band; an opened raster has only a common one
        heights.attrs["units"] = source.units[value_bands(source)[names.index(band)] - 1] or ""
    return heights


def _notes(drainage: Drainage, least_m2: float, *, streams_there: bool, n_lines: int) -> list[str]:
    notes = list(drainage.notes)
    notes.append(
        f"sinks: {100 * drainage.filled_share:.3g} % of the cells were raised, "
        f"by {float(np.nanmax(drainage.filled_m - drainage.dem_m)):.3g} m at most"
    )
    reason = ", which only outlets at the edge reach: no line" if streams_there else ", which no cell reaches"
    no_line = "" if n_lines else reason
    notes.append(f"streams begin at a catchment area of {least_m2:.6g} m2, by D8{no_line}")
    return notes
