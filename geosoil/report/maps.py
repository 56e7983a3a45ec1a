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
from geosoil.errors import ModelFileError, OutputError
from geosoil.io.cog import CogSummary, write_cog
from geosoil.io.handles import bounded_cache
from geosoil.io.rasters import open_raster
from geosoil.io.stack import as_grid, same_grid
from geosoil.io.warped import warp_raster
from geosoil.mapping.covariates import compare_grids, match_covariates
from geosoil.mapping.mapper import map_model
from geosoil.mapping.masks import BareSoil
from geosoil.mapping.match import match_bands
from geosoil.models.base import PixelModel
from geosoil.models.store import find_model, load_model, model_sha256, read_card
from geosoil.raster.grid import Grid
from geosoil.report.figures import map_figure
from geosoil.report.look import save_figure
from geosoil.report.map_panels import map_panels_figure
from geosoil.report.qgis import write_qml
from geosoil.sensors.cube import open_cube

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import xarray as xr

    from geosoil.io.class_bands import Unseen
    from geosoil.models.base import Target
    from geosoil.models.card import ModelCard

    Progress = Callable[[str, int, int], None]

COVARIATES = "covariates"  # what the card of a model says that reads them; others read a cube
QUICKLOOK_PIXELS = 1500


@dataclass(frozen=True)
class MapResult:
    """What `map_cube` or `map_covariates` wrote, and what it did on the way."""

    path: Path
    style: Path | None
    quicklook: Path | None
    cog: CogSummary
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Say in a few lines where the map is and what it holds."""
        lines = [f"map        {self.path}"]
        width = max(10, *(len(band.name) for band in self.cog.bands))
        for band in self.cog.bands:
            pixels = f"{band.valid_count} of {self.cog.shape[1] * self.cog.shape[2]} pixels"
            if band.valid_count:
                figures = f"{band.minimum:.4g} .. {band.maximum:.4g}, mean {band.mean:.4g} {band.unit}; {pixels}"
            else:
                figures = f"no pixel with a value; {pixels}"
            lines.append(f"{band.name:{width}s} {figures}")
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
    progress: Progress | None = None,
) -> MapResult:
    """Map a cube with a model, to a cloud-optimized GeoTIFF with style and quicklook beside it.

    cube: what `open_cube` opens; bands, scale, nodata as there. model: a folder, or the name of a known model.
    output: default CUBE_MODEL.tif in the working folder. mask: a raster on the cube's grid, 0 or no data is left out.
    bare_soil: leave out plants, residue and water; thresholds by a `BareSoil`. block: side in pixels; the values do
    not depend on it. threads: blocks computed at once.

    Raises the GeosoilError that says what does not fit; nothing half-written is left then.
    """
    folder, card = _model_for(model, covariates=False)
    loaded = load_model(folder)
    if not isinstance(loaded, PixelModel):
        raise ModelFileError(
            folder, found="a model of patches", expected="a model of spectra", way_out="map it with --covariates"
        )
    # Bad bands were left out by wavelength at training; here a model reads what it needs, whatever the rest is.
    opened = open_cube(cube, bands=bands, scale=scale, nodata=nodata, drop_nm=[])
    matched = match_bands(loaded, opened)
    soil = BareSoil() if bare_soil is True else bare_soil or None
    masked = open_raster(mask) if mask is not None else None
    lazy = map_model(matched.model, opened, bands=matched.bands, bare_soil=soil, mask=masked, block=block)
    tags = {"GEOSOIL_CUBE": Path(cube).name}
    notes = [*matched.notes]
    if soil is not None:
        tags["GEOSOIL_BARE_SOIL"] = str(soil)
        notes.append(f"bare soil only: {soil}")
    if mask is not None:
        tags["GEOSOIL_MASK"] = Path(mask).name
    path = _output(output, Path(cube), card)
    return _written(lazy, path, folder, card, loaded.targets, tags, notes, threads, progress)


def map_covariates(
    covariates: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    like: str | os.PathLike[str] | None = None,
    unseen: Unseen = "stop",
    mask: str | os.PathLike[str] | None = None,
    block: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> MapResult:
    """Map a stack of covariates with a model, to a cloud-optimized GeoTIFF with a band for each target of the model.

    covariates: files for `open_stack`, in any order; the model finds its bands in them by name. like: a raster whose
    grid the map takes, default the first covariate. unseen: what a class without training samples does: "stop", or
    "nodata". model, output, block, threads: as for `map_cube`. mask: a raster of any grid, 0 or no data is left out.

    Raises the GeosoilError that says what does not fit; nothing half-written is left then.
    """
    paths = [Path(covariates)] if isinstance(covariates, str | os.PathLike) else [Path(one) for one in covariates]
    folder, card = _model_for(model, covariates=True)
    loaded = load_model(folder)
    matched = match_covariates(loaded, covariates, like=like, unseen=unseen)
    grid = Grid.of(matched.raster)
    notes = [*matched.notes]
    if card.grid is not None:
        notes += compare_grids(card.grid, grid, patch=2 * loaded.halo + 1)
    masked = None
    tags = {"GEOSOIL_COVARIATES": "; ".join(one.name for one in paths)}
    if mask is not None:
        masked = open_raster(mask)
        if not same_grid(grid, as_grid(masked)):
            masked = warp_raster(mask, grid, "nearest")
            notes.append(f"{Path(mask).name}: brought to the grid of the map by nearest")
        tags["GEOSOIL_MASK"] = Path(mask).name
    lazy = map_model(loaded, matched.raster, mask=masked, block=block)
    path = _output(output, paths[0], card)
    return _written(lazy, path, folder, card, loaded.targets, tags, notes, threads, progress)


def _model_for(model: str | os.PathLike[str], *, covariates: bool) -> tuple[Path, ModelCard]:
    """Return the folder and the card of a model, if it reads what there is to map."""
    folder = find_model(os.fspath(model))
    card = read_card(folder)
    if (card.quantity == COVARIATES) != covariates:
        other = "--cube (map_cube)" if covariates else "--covariates (map_covariates)"
        raise ModelFileError(
            folder,
            found=f"a model of {card.quantity}",
            expected="a model of covariates" if covariates else "a model of a cube",
            way_out=f"map it with {other}, or choose another model",
        )
    return folder, card


def _output(output: str | os.PathLike[str] | None, source: Path, card: ModelCard) -> Path:
    path = Path(output) if output is not None else Path(f"{source.stem}_{card.name}.tif")
    if path.suffix.lower() not in {".tif", ".tiff"}:
        raise OutputError(
            path, found=f"ending {path.suffix or 'none'}", expected=".tif", way_out="name the map OUT.tif"
        )
    return path


@bounded_cache()
def _written(
    lazy: xr.DataArray,
    path: Path,
    folder: Path,
    card: ModelCard,
    targets: tuple[Target, ...],
    tags: Mapping[str, str],
    notes: list[str],
    threads: int | None,
    progress: Progress | None,
) -> MapResult:
    """Compute and write a map with where it comes from, its style and quicklook."""
    provenance = {
        "GEOSOIL_MODEL": card.name,
        "GEOSOIL_MODEL_SHA256": model_sha256(folder),
        **tags,
        "GEOSOIL_VERSION": __version__,
        "GEOSOIL_CREATED": datetime.now(UTC).isoformat(timespec="seconds"),
        "TIFFTAG_SOFTWARE": f"geosoil {__version__}",
    }
    if notes:
        provenance["GEOSOIL_NOTES"] = "; ".join(notes)
    cog = write_cog(
        lazy,
        path,
        tags=provenance,
        band_units=[target.unit for target in targets],
        threads=threads or os.cpu_count() or 1,
        progress=(lambda done, total: progress("map", done, total)) if progress else None,
    )
    notes += _at_the_limits(path, targets)
    style = quicklook = None
    first = cog.bands[0]
    if first.valid_count:
        style = write_qml(path, band_name=first.name, unit=first.unit, low=first.p2, high=first.p98)
        quicklook = _write_quicklook(path, cog, card.name)
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


def _write_quicklook(path: Path, cog: CogSummary, model: str) -> Path:
    """Draw the bands that share the first one's unit, at a size that fits a screen, from the overviews of the COG."""
    shown = [k for k, band in enumerate(cog.bands) if band.valid_count and band.unit == cog.bands[0].unit]
    with rasterio.open(path) as source:
        shrink = max(1.0, max(source.shape) / (QUICKLOOK_PIXELS if len(shown) == 1 else QUICKLOOK_PIXELS / 2))
        shape = tuple(max(1, round(side / shrink)) for side in source.shape)
        numbers = [k + 1 for k in shown]
        values = source.read(numbers, out_shape=(len(shown), *shape), resampling=rasterio.enums.Resampling.nearest)
        left, bottom, right, top = source.bounds
    bands = [cog.bands[k] for k in shown]
    unit, extent = bands[0].unit, (left, right, bottom, top)
    low, high = min(band.p2 for band in bands), max(band.p98 for band in bands)
    if len(bands) == 1:
        title = f"{bands[0].name} by {model}"
        figure = map_figure(values[0], title=title, unit=unit, low=low, high=high, extent=extent)
    else:
        panels = {band.name: one for band, one in zip(bands, values, strict=True)}
        figure = map_panels_figure(panels, title=model, unit=unit, low=low, high=high, extent=extent)
    picture = path.with_suffix(".png")
    save_figure(figure, picture)
    return picture
