"""A map as people meet it: the COG, the style that QGIS picks up, and a quicklook."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio

from geosoil import __version__
from geosoil.errors import OutputError
from geosoil.io.cog import CogSummary, write_cog
from geosoil.io.rasters import open_raster
from geosoil.mapping.mapper import map_model
from geosoil.mapping.masks import BareSoil
from geosoil.mapping.match import match_bands
from geosoil.models.store import find_model, load_model, model_sha256, read_card
from geosoil.report.figures import map_figure, save_figure
from geosoil.report.qgis import write_qml
from geosoil.sensors.cube import open_cube

if TYPE_CHECKING:
    from collections.abc import Callable

    from geosoil.models.base import Target

QUICKLOOK_PIXELS = 1500


@dataclass(frozen=True)
class MapResult:
    """What `map_cube` wrote, and what it did on the way."""

    path: Path
    style: Path | None
    quicklook: Path | None
    cog: CogSummary
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Say in a few lines where the map is and what it holds."""
        lines = [f"map        {self.path}"]
        for band in self.cog.bands:
            pixels = f"{band.valid_count} of {self.cog.shape[1] * self.cog.shape[2]} pixels"
            if band.valid_count:
                figures = f"{band.minimum:.4g} .. {band.maximum:.4g}, mean {band.mean:.4g} {band.unit}; {pixels}"
            else:
                figures = f"no pixel with a value; {pixels}"
            lines.append(f"{band.name:10s} {figures}")
        if self.quicklook:
            lines.append(f"quicklook  {self.quicklook}")
        if self.style:
            lines.append(f"QGIS style {self.style}")
        return "\n".join(lines)


def map_cube(
    cube: str | os.PathLike[str],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    bands: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    nodata: float | None = None,
    mask: str | os.PathLike[str] | None = None,
    bare_soil: BareSoil | bool = False,
    block: int | None = None,
    threads: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> MapResult:
    """Map a cube with a model, to a cloud-optimized GeoTIFF with style and quicklook beside it.

    cube: what `open_cube` opens; bands, scale, nodata as there. model: a folder, or the name of a known model.
    output: default CUBE_MODEL.tif in the working folder. mask: a raster on the cube's grid, 0 or no data is left out.
    bare_soil: leave out plants, residue and water; thresholds by a `BareSoil`. block: side in pixels; the values do
    not depend on it. threads: blocks computed at once.

    Raises the GeosoilError that says what does not fit; nothing half-written is left then.
    """
    folder = find_model(os.fspath(model))
    card = read_card(folder)
    loaded = load_model(folder)
    # Bad bands were left out by wavelength at training; here a model reads what it needs, whatever the rest is.
    opened = open_cube(cube, bands=bands, scale=scale, nodata=nodata, drop_nm=[])
    matched = match_bands(loaded, opened)
    soil = BareSoil() if bare_soil is True else bare_soil or None
    masked = open_raster(mask) if mask is not None else None
    lazy = map_model(matched.model, opened, bands=matched.bands, bare_soil=soil, mask=masked, block=block)

    path = Path(output) if output is not None else Path(f"{Path(cube).stem}_{card.name}.tif")
    if path.suffix.lower() not in {".tif", ".tiff"}:
        raise OutputError(
            path, found=f"ending {path.suffix or 'none'}", expected=".tif", way_out="name the map OUT.tif"
        )
    tags = {
        "GEOSOIL_MODEL": card.name,
        "GEOSOIL_MODEL_SHA256": model_sha256(folder),
        "GEOSOIL_CUBE": Path(cube).name,
        "GEOSOIL_VERSION": __version__,
        "GEOSOIL_CREATED": datetime.now(UTC).isoformat(timespec="seconds"),
        "TIFFTAG_SOFTWARE": f"geosoil {__version__}",
    }
    notes = [*matched.notes]
    if soil is not None:
        tags["GEOSOIL_BARE_SOIL"] = str(soil)
        notes.append(f"bare soil only: {soil}")
    if mask is not None:
        tags["GEOSOIL_MASK"] = Path(mask).name
    if notes:
        tags["GEOSOIL_NOTES"] = "; ".join(notes)
    cog = write_cog(
        lazy,
        path,
        tags=tags,
        band_units=[target.unit for target in loaded.targets],
        threads=threads or os.cpu_count() or 1,
        progress=(lambda done, total: progress("map", done, total)) if progress else None,
    )
    notes += _at_the_limits(path, loaded.targets)
    style = quicklook = None
    first = cog.bands[0]
    if first.valid_count:
        style = write_qml(path, band_name=first.name, unit=first.unit, low=first.p2, high=first.p98)
        quicklook = _write_quicklook(path, cog, f"{first.name} by {card.name}")
    return MapResult(path, style, quicklook, cog, tuple(notes))


def _at_the_limits(path: Path, targets: tuple[Target, ...]) -> list[str]:
    """Say how many pixels were set to an end of the valid range."""
    notes = []
    with rasterio.open(path) as source:
        for number, target in enumerate(targets, start=1):
            limits = [limit for limit in target.valid_range if limit is not None]
            ends_of = np.array(limits, np.float32)
            count = 0
            for _, window in source.block_windows(number):
                count += int(np.count_nonzero(np.isin(source.read(number, window=window), ends_of)))
            if count:
                ends = " or ".join(f"{limit:g}" for limit in limits)
                notes.append(f"{target.name}: {count} pixels were predicted outside the valid range and set to {ends}")
    return notes


def _write_quicklook(path: Path, cog: CogSummary, title: str) -> Path:
    """Draw the first band at a size that fits a screen, from the overviews of the COG."""
    with rasterio.open(path) as source:
        shrink = max(1.0, max(source.shape) / QUICKLOOK_PIXELS)
        shape = tuple(max(1, round(side / shrink)) for side in source.shape)
        values = source.read(1, out_shape=shape, resampling=rasterio.enums.Resampling.nearest)
        left, bottom, right, top = source.bounds
    band = cog.bands[0]
    figure = map_figure(
        values, title=title, unit=band.unit, low=band.p2, high=band.p98, extent=(left, right, bottom, top)
    )
    picture = path.with_suffix(".png")
    save_figure(figure, picture)
    return picture
