"""What a map is on disk: the COG, the style that QGIS picks up, and a quicklook beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio

from geosoil import __version__
from geosoil.errors import without_secrets
from geosoil.io.journal import Identity, resumed_note
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.io.remote.objects import is_object_url, upload
from geosoil.mapping.run import RunOptions, run_map
from geosoil.models.store import model_sha256
from geosoil.report.figure_style import read_shrunk, save_figure
from geosoil.report.map_figures import map_figure, map_panels_figure
from geosoil.report.qgis import write_qml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geosoil.io.rasters.cog import CogSummary
    from geosoil.mapping.job import MapJob
    from geosoil.mapping.plan import Plan
    from geosoil.models.card import ModelCard
    from geosoil.models.contract import Target

    Progress = Callable[[str, int, int], None]

QUICKLOOK_PIXELS = 1000  # on the longer side: what the picture has room for


@dataclass(frozen=True)
class MapResult:
    """What `map_cube` or `map_covariates` wrote, and what it did on the way."""

    path: Path | str  # an address, of an object store
    style: Path | str | None
    quicklook: Path | str | None
    cog: CogSummary
    notes: tuple[str, ...]
    unread: tuple[str, ...] = ()  # why windows are no data, where the input could not be read there

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


@dataclass(frozen=True)
class PreparedMap:
    """A map whose input fits, still to be made: to be planned, or written.

    output: where it goes. inputs: the files it is made of. tags: what the COG will say of them.
    """

    output: str
    mapping: MapJob
    folder: Path
    card: ModelCard
    tags: Mapping[str, str]
    notes: tuple[str, ...]
    inputs: tuple[str | os.PathLike[str], ...]

    def plan(self, running: RunOptions) -> Plan:
        """Say how it would be computed, without computing more than one block."""
        return running.plan(self.mapping, self.output, timed=True)

    def write(self, running: RunOptions, progress: Progress | None = None) -> MapResult:
        """Compute and write it with where it comes from, its style and quicklook."""
        if not is_object_url(self.output):
            return self._write(Path(self.output), running, progress)
        with TemporaryDirectory() as folder:
            return self._write(Path(folder) / PurePath(self.output).name, running, progress)

    @cached_property
    def provenance(self) -> dict[str, str]:
        """Return what decides the pixels, inputs by their names, as tags of the COG."""
        sha256 = model_sha256(self.folder)
        made_by = {"GEOSOIL_MODEL": self.card.name, "GEOSOIL_MODEL_SHA256": sha256, "GEOSOIL_VERSION": __version__}
        return made_by | dict(self.tags)

    @cached_property
    def identity(self) -> Identity:
        """Return what decides the pixels, inputs by their content; an earlier run is resumed only if it is equal."""
        files = {f"input {number}, {shown_name(path)}": path for number, path in enumerate(self.inputs, start=1)}
        settings = {name.removeprefix("GEOSOIL_").lower(): value for name, value in self.provenance.items()}
        return Identity.of(settings, files=files)

    @limit_gdal_cache()
    def _write(self, path: Path, running: RunOptions, progress: Progress | None) -> MapResult:
        targets = self.mapping.predict.model.targets
        tags = self.provenance | {
            "GEOSOIL_IDENTITY": self.identity.sha256,
            "GEOSOIL_CREATED": datetime.now(UTC).isoformat(timespec="seconds"),
            "TIFFTAG_SOFTWARE": f"geosoil {__version__}",
        }
        if self.notes:
            tags["GEOSOIL_NOTES"] = "; ".join(self.notes)
        with run_map(
            self.mapping,
            path,
            output=self.output,
            identity=self.identity,
            tags={name: without_secrets(value) for name, value in tags.items()},
            units=[target.unit for target in targets],
            run_options=running,
            progress=progress,
        ) as made:
            notes = [*self.notes, *made.notes, *_at_the_limits(path, targets)]
            if made.resumed:
                notes.append(resumed_note(made.resumed, "blocks"))
            if made.damaged:
                notes.append(f"damaged blocks that were computed again: {made.damaged}")
            style = quicklook = None
            first = made.cog.bands[0]
            if first.valid_count:
                style = write_qml(path, band_name=first.name, unit=first.unit, low=first.p2, high=first.p98)
                quicklook = _write_quicklook(path, made.cog, self.card.name)
            unread = tuple(one.error or "" for one in made.unread)
            result = MapResult(path, style, quicklook, made.cog, tuple(notes), unread)
            return _uploaded(result, self.output) if is_object_url(self.output) else result


def _uploaded(made: MapResult, output: str) -> MapResult:
    """Copy a map and what goes with it to an object store."""
    placed: dict[str, Any] = {}
    for name in ("style", "quicklook", "path"):  # the map last: what stands there is whole, all of it
        own = getattr(made, name)
        if own is not None:
            placed[name] = f"{output.rpartition('/')[0]}/{own.name}"
            upload(own, placed[name])
    return replace(made, **placed)


def shown_name(path: str | os.PathLike[str]) -> str:
    """Return the name of a file or an address, as it may be shown.

    >>> shown_name("https://me:word@example.org/a.tif?sig=c2VjcmV0")
    'a.tif'
    """
    return PurePath(without_secrets(os.fspath(path)).partition("?")[0]).name


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
        most = QUICKLOOK_PIXELS if len(shown) == 1 else QUICKLOOK_PIXELS / 2
        values, extent = read_shrunk(source, most, [k + 1 for k in shown])
    bands = [cog.bands[k] for k in shown]
    unit = bands[0].unit
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
