"""The trust map beside a map: its style for QGIS, its picture, and what it says in one line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosoil.errors import ModelFileError
from geosoil.io.output_paths import deliver
from geosoil.models.contract import INSIDE, TRUST_KINDS
from geosoil.report.figure_style import save_figure
from geosoil.report.qgis_rasters import StyledRaster, trust_styles
from geosoil.report.quicklooks import trust_quicklook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geosoil.io.rasters.cog import CogSummary
    from geosoil.models.contract import Output
    from geosoil.report.qgis_metadata import LayerMetadata

TRUST_ENDINGS = ("_trust.tif", "_trust.tiff", "_trust.qml", "_trust.qmd", "_trust.png")


@dataclass(frozen=True)
class TrustMap:
    """The trust map of a map.

    Parameters
    ----------
    path : Path or str
        The file.
    style, metadata, quicklook : Path, str or None
        The QGIS style, the QGIS metadata and the picture; None if the map has no value.
    cog : CogSummary
        Size and statistics of its bands.
    level : float
        The level of the intervals.
    median_widths : mapping of str to float
        The median widths of the intervals, by the name of the target and in its unit.
    styled : StyledRaster, optional
        How QGIS shows it.
    """

    path: Path | str
    style: Path | str | None
    metadata: Path | str | None
    quicklook: Path | str | None
    cog: CogSummary
    level: float
    median_widths: Mapping[str, float]
    styled: StyledRaster | None = field(default=None, repr=False)

    @property
    def shares_inside(self) -> dict[str, float]:
        """Share of the pixels with a value that lie in the area of applicability, by the name of the band."""
        bands = [band for band in self.cog.bands if band.name == INSIDE or band.name.endswith(f"_{INSIDE}")]
        return {band.name: band.mean for band in bands if band.valid_count}

    @property
    def sentence(self) -> str:
        """The share inside and the median widths."""
        parts = []
        for name, share in self.shares_inside.items():
            of_model = "" if name == INSIDE else f" of {name.removesuffix(f'_{INSIDE}')}"
            parts.append(f"{_percent(share)} of the pixels lie inside the area of applicability{of_model}")
        units = {band.name: band.unit for band in self.cog.bands}
        widths = [f"{name} {width:.3g} {units[f'{name} lower']}".rstrip() for name, width in self.median_widths.items()]
        if widths:
            parts.append(f"median width of the {100 * self.level:g} % interval: {', '.join(widths)}")
        return "; ".join(parts)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A warning for each model with no pixel in its area of applicability."""
        text = (
            "ALL pixels lie outside the area of applicability: the model has no training samples like them, "
            "and neither the map nor its intervals can be believed"
        )
        names = [name.removesuffix(INSIDE).removesuffix("_") for name, share in self.shares_inside.items() if not share]
        return tuple(f"{name}: {text}" if name else text for name in names)

    def delivered(self, output: str) -> TrustMap:
        """Return the trust map where it is after an upload beside an output in an object store."""
        files = {
            "style": self.style, "metadata": self.metadata, "quicklook": self.quicklook, "path": self.path
        }  # fmt: skip
        written = {name: Path(file) for name, file in files.items() if file is not None}
        places: dict[str, Any] = dict(zip(written, deliver(list(written.values()), output), strict=True))
        return replace(self, **places)


def require_no_trust(outputs: Sequence[Output], where: str) -> None:
    """Raise ModelFileError for outputs that belong to the trust map and not to the map."""
    found = [kind for kind in TRUST_KINDS if kind in {output.kind for output in outputs}]
    if found:
        raise ModelFileError(
            where,
            found=f"{', '.join(found)} as outputs of the map",
            expected="prediction or spread",
            way_out="leave them out; they are written to OUT_trust.tif",
        )


def write_trust_files(
    cog: CogSummary, median_widths: Mapping[str, float], level: Any, models: Sequence[str], metadata: LayerMetadata
) -> TrustMap:
    """Write the style, the metadata and the picture of a finished trust map, and return what it says."""
    path, quicklook, styled = cog.path, None, None
    files: tuple[Path | None, Path | None] = None, None
    if any(band.valid_count for band in cog.bands):
        styled = StyledRaster(path, *trust_styles(cog.bands), metadata)
        files = styled.write_files()
        quicklook = path.with_suffix(".png")
        save_figure(trust_quicklook(path, cog.bands, level, models), quicklook)
    return TrustMap(path, *files, quicklook, cog, level, median_widths, styled)


def _percent(share: float) -> str:
    """Return a share in percent, which is 0 or 100 only if it is exact.

    >>> _percent(0.9999), _percent(1.0), _percent(0.834)
    ('over 99 %', '100 %', '83 %')
    """
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{100 * share:.0f} %"
