"""What a map wrote, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geosoil.workflows.shown import ShownResult

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.io.rasters.cog import CogSummary
    from geosoil.report.qgis_rasters import StyledRaster
    from geosoil.workflows.trust_map import TrustMap


@dataclass(frozen=True, repr=False)
class MapResult(ShownResult):
    """What `map_cube` or `map_covariates` wrote.

    Parameters
    ----------
    path : Path or str
        The map; a string is the address of an object store.
    style, metadata, quicklook : Path, str or None
        The QGIS style, the QGIS metadata and the picture; None if the map has no value.
    cog : CogSummary
        Size and statistics of the map.
    notes : tuple of str
        What was done to the input, and what the user should know about the map.
    unread : tuple of str
        Why parts of the map are nodata: parts of the input that could not be read.
    warnings : tuple of str
        What is strange about the input or the values, such as background that the file does not declare.
    trust : TrustMap, optional
        The trust map beside it.
    others : tuple of MapResult
        The maps of the other properties, where each property has a file.
    project : Path, optional
        The QGIS project of the map, the trust map and the samples.
    styled : StyledRaster, optional
        How QGIS shows the map.
    """

    path: Path | str
    style: Path | str | None
    metadata: Path | str | None
    quicklook: Path | str | None
    cog: CogSummary
    notes: tuple[str, ...]
    unread: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    trust: TrustMap | None = None
    others: tuple[MapResult, ...] = ()
    project: Path | None = None
    styled: StyledRaster | None = field(default=None, repr=False)

    @property
    def maps(self) -> tuple[MapResult, ...]:
        """The map itself, and those of the other properties."""
        return (self, *self.others)

    def summary(self) -> str:
        """Return a few lines on where the map is and what it holds."""
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
        if self.project:
            lines.append(f"project    {self.project}")
        if self.trust is not None:
            lines.append(f"trust map  {self.trust.path}")
            lines.append(f"trust      {self.trust.sentence}")
        return "\n".join([*lines, *(other.summary() for other in self.others)])
