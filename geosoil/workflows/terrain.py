"""Terrain covariates as people meet them: the COG of a DEM, the lines of its streams, and a quicklook."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from geosoil import __version__
from geosoil.errors import RasterError
from geosoil.io.atomic import atomic_path, require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.rasters.cog import CogSummary, write_cog
from geosoil.io.rasters.reader import open_raster
from geosoil.report.figure_style import read_shrunk, save_figure
from geosoil.report.map_figures import terrain_figure
from geosoil.terrain.flow import Drainage, FlowMethod, drain
from geosoil.terrain.stack import UNITS, terrain_stack
from geosoil.terrain.streams import default_stream_area_m2, stream_cells, stream_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    import geopandas as gpd
    import xarray as xr
    from matplotlib.figure import Figure

    from geosoil.terrain.cells import Degrees
    from geosoil.terrain.ls_factor import LSConvention, LSMethod
    from geosoil.terrain.slope import SlopeMethod

QUICKLOOK_PIXELS = 700
STREAMS_LAYER = "streams"


@dataclass(frozen=True)
class TerrainResult:
    """What `map_terrain` wrote, and what it did on the way.

    stream_count, stream_length_m: of the lines, in pieces and in metres, whether they were written or not.
    """

    path: Path
    streams: Path | None
    quicklook: Path
    cog: CogSummary
    stream_count: int
    stream_length_m: float
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Say in a few lines where the covariates are and what they hold."""
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
        return "\n".join([*lines, f"quicklook  {self.quicklook}"])


def map_terrain(
    dem: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    band: str | None = None,
    slope_method: SlopeMethod = "horn",
    flow: FlowMethod = "mfd",
    ls: LSMethod = "desmet_govers",
    ls_convention: LSConvention = "paper",
    stream_area_m2: float | None = None,
    streams: str | os.PathLike[str] | None = None,
    degrees: Degrees = "refuse",
    z_factor: float = 1.0,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> TerrainResult:
    """Compute the terrain covariates of a DEM, to a cloud-optimized GeoTIFF with a quicklook beside it.

    dem: a raster; band: the name of its band of heights, where it has several. output: `.tif`, the bands of
    `terrain_stack`, where the other parameters are told. streams: a GeoPackage for the lines of the streams.

    Raises the GeosoilError that says what does not fit; nothing half-written is left then.
    """
    path = check_output_path(output, (".tif", ".tiff"), "TERRAIN.tif", inputs=[dem], beside=[".png"])
    lines_path = None if streams is None else check_output_path(streams, (".gpkg",), "STREAMS.gpkg", inputs=[dem])
    report = progress or (lambda what, done, total: None)
    picture = path.with_suffix(".png")
    with ExitStack() as places:
        # All places are asked for before anything is computed, and none is left where another fails.
        require_writable(path)
        temporary_picture = places.enter_context(atomic_path(picture))
        temporary_lines = None if lines_path is None else places.enter_context(atomic_path(lines_path))
        report("flow", 0, 3)
        drainage = drain(_heights(dem, band), z_factor=z_factor, degrees=degrees)
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
            lines.to_file(
                temporary_lines, driver="GPKG", layer=STREAMS_LAYER, engine="pyogrio", geometry_type="LineString"
            )
        notes = _notes(drainage, least_m2, streams_there=bool((cells.values == 1).any()), n_lines=len(lines))
        settings = {
            "GEOSOIL_DEM": Path(dem).name,
            "GEOSOIL_SLOPE": slope_method,
            "GEOSOIL_FLOW": flow,
            "GEOSOIL_LS": f"{ls} ({ls_convention})" if ls == "desmet_govers" else ls,
            "GEOSOIL_STREAM_AREA_M2": f"{least_m2:g}",
            "GEOSOIL_Z_FACTOR": f"{z_factor:g}",
            "GEOSOIL_NOTES": "; ".join(notes),
            "GEOSOIL_VERSION": __version__,
            "GEOSOIL_CREATED": datetime.now(UTC).isoformat(timespec="seconds"),
            "TIFFTAG_SOFTWARE": f"geosoil {__version__}",
        }
        cog = write_cog(
            stack,
            path,
            tags=settings,
            band_units=list(UNITS.values()),
            overviews="nearest",  # the average of 359 and 1 degrees is not 180
            threads=threads or os.cpu_count() or 1,
            progress=lambda done, total: report("covariates", done, total),
        )
        save_figure(_quicklook(path, lines), temporary_picture)
    length_m = float(lines["length_m"].sum())
    return TerrainResult(path, lines_path, picture, cog, len(lines), length_m, tuple(notes))


def _heights(path: str | os.PathLike[str], band: str | None) -> xr.DataArray:
    opened = open_raster(path)
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
    return opened.isel(band=[names.index(band)])


def _notes(drainage: Drainage, least_m2: float, *, streams_there: bool, n_lines: int) -> list[str]:
    notes = [drainage.sizes.note] if drainage.sizes.note else []
    notes.append(
        f"sinks: {100 * drainage.filled_share:.3g} % of the cells were raised, "
        f"by {float(np.nanmax(drainage.filled_m - drainage.dem_m)):.3g} m at most"
    )
    alone = ", which only outlets at the edge reach: no line" if streams_there else ", which no cell reaches"
    found = "" if n_lines else alone
    notes.append(f"a stream begins where {least_m2:.6g} m2 drain, by D8{found}")
    return notes


def _quicklook(path: Path, lines: gpd.GeoDataFrame) -> Figure:
    with rasterio.open(path) as source:
        values, extent = read_shrunk(source, QUICKLOOK_PIXELS)
        bands = dict(zip(source.descriptions, values, strict=True))
        unit = "degrees" if source.crs.is_geographic else source.crs.linear_units
    return terrain_figure(bands, lines, extent=extent, title=path.stem, ground_unit={"metre": "m"}.get(unit, unit))
