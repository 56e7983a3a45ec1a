"""How QGIS shows each kind of raster of geosoil: which band first, and every band with its colours and legend."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geosoil.models.contract import DENSITY, DISSIMILARITY, INSIDE, LOWER, SPREAD, UPPER
from geosoil.report.map_figures import STREAM_COLOUR, TERRAIN_PANELS
from geosoil.report.qgis import BandStyle, diverging, styles_of, write_style
from geosoil.report.qgis_metadata import LayerMetadata, write_metadata
from geosoil.report.qgis_project import BandLayer, LayerGroup
from geosoil.report.quicklooks import AREA_CLASSES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from geosoil.io.rasters.statistics import BandStatistics
    from geosoil.models.contract import Output

AREA_STYLE = {
    0: ("outside the area of applicability", AREA_CLASSES[0][1], 170),
    1: ("inside the area of applicability", "#ffffff", 0),
}
STREAM_STYLE = {0: ("no stream", "#ffffff", 0), 1: ("stream", STREAM_COLOUR.lower(), 255)}
SIDE_FILES = (".qml", ".qmd")  # beside a raster: its style and its metadata
FIRST_OF_TERRAIN = "filled_dem_m"


@dataclass(frozen=True)
class StyledRaster:
    """A raster as QGIS shows it.

    Parameters
    ----------
    path : Path
        The raster.
    styles : sequence of BandStyle
        One for each band.
    first : int
        Index of the band that is seen first.
    metadata : LayerMetadata
    """

    path: Path
    styles: Sequence[BandStyle]
    first: int
    metadata: LayerMetadata

    def write_files(self) -> tuple[Path, Path]:
        """Write the style and the metadata beside the raster, and return both files."""
        return write_style(self.path, self.styles[self.first]), write_metadata(self.path, self.metadata)

    def group(self, name: str, *, visible: bool = True) -> LayerGroup:
        """Return the bands as layers of one group, of which the first one is switched on and lies on top."""
        order = [self.first, *(k for k in range(len(self.styles)) if k != self.first)]
        shown = [
            BandLayer(self.path, self.styles[k], visible=visible and k == self.first, metadata=self.metadata)
            for k in order
        ]
        return LayerGroup(name, shown)


def map_styles(bands: Sequence[BandStatistics], outputs: Sequence[Output], n_models: int = 1) -> list[BandStyle]:
    """Return the styles of a map.

    Predictions of one model in one unit, such as depths, have common limits; so have spreads. The bands of several
    models have limits of their own, as in the picture of the map.

    Parameters
    ----------
    bands : sequence of BandStatistics
        Statistics of all bands.
    outputs : sequence of Output
        What the bands are.
    n_models : int
        Number of models.
    """
    pool = [
        (output.kind, output.unit) if n_models == 1 else (output.kind, output.unit, number)
        for number, output in enumerate(outputs)
    ]
    return [
        replace(style, ramp="cividis") if output.kind == SPREAD else style
        for style, output in zip(styles_of(bands, pool=pool), outputs, strict=True)
    ]


def trust_styles(bands: Sequence[BandStatistics]) -> tuple[list[BandStyle], int]:
    """Return the styles of a trust map, and the index of the area of applicability, or 0 if there is none.

    Both ends of an interval have common limits. The area of applicability covers doubtful ground with red and leaves
    the rest clear, so that it can lie over the map.
    """
    pool = [band.name.removesuffix(f" {LOWER}").removesuffix(f" {UPPER}") for band in bands]
    styles = styles_of(bands, pool=pool)
    first = 0
    for k, band in reversed(list(enumerate(bands))):
        kind = band.name.rpartition("_")[2]
        if kind == INSIDE:
            styles[k], first = BandStyle(k + 1, band.name, "", classes=AREA_STYLE), k
        elif kind == DISSIMILARITY:
            styles[k] = replace(styles[k], ramp="magma_r")
        elif kind == DENSITY:
            styles[k] = replace(styles[k], ramp="cividis")
    return styles, first


def attribution_styles(bands: Sequence[BandStatistics], n_attributions: int, first: int) -> tuple[list[BandStyle], int]:
    """Return the styles of a map of attributions, and the index of the band that is seen first.

    All attributions have common limits at equal distances from zero; the other bands have limits of their own.

    Parameters
    ----------
    bands : sequence of BandStatistics
    n_attributions : int
        Number of bands that are attributions; they come first.
    first : int
        Index of the most important of them.
    """
    pool = [-1 if k < n_attributions else k for k in range(len(bands))]
    styles = styles_of(bands, pool=pool)
    return [*diverging(styles[:n_attributions]), *styles[n_attributions:]], first


def terrain_styles(bands: Sequence[BandStatistics]) -> tuple[list[BandStyle], int]:
    """Return the styles of terrain covariates in the colours of their picture, and the index of the heights."""
    styles = styles_of(bands)
    for k, band in enumerate(bands):
        _, unit, ramp, scale = TERRAIN_PANELS.get(band.name, ("", band.unit, "", ""))
        if band.name == "stream":
            styles[k] = BandStyle(k + 1, band.name, "", classes=STREAM_STYLE)
        elif band.name.startswith("aspect"):
            styles[k] = replace(styles[k], low=0.0, high=360.0, below=False, above=False, ramp="twilight")
        elif "curvature" in band.name:
            (styles[k],) = diverging([styles[k]])
        elif scale == "log" and styles[k].low > 0:
            styles[k] = replace(styles[k], ramp=ramp, scale="log", unit=unit)
        elif ramp:
            styles[k] = replace(styles[k], ramp=ramp, unit=unit)
    names = [band.name for band in bands]
    return styles, names.index(FIRST_OF_TERRAIN) if FIRST_OF_TERRAIN in names else 0


def pooled_statistics(rasters: Sequence[Sequence[BandStatistics]]) -> list[BandStatistics]:
    """Return common statistics of rasters with the same bands, such as the scenes of one run, for common colours.

    Only the limits and the numbers of valid pixels are pooled; the mean and the standard deviation are NaN.

    Parameters
    ----------
    rasters : sequence of sequences of BandStatistics
        Statistics of all bands of each raster.

    Examples
    --------
    >>> from geosoil.io.rasters.statistics import BandStatistics
    >>> west, east = ([BandStatistics("soc", "%", 0, top, 1, 1, 0.1, top - 1, 9)] for top in (3.0, 5.0))
    >>> pooled_statistics([west, east])[0].p98
    4.0
    """
    pooled = []
    for of_band in zip(*rasters, strict=True):
        filled = [band for band in of_band if band.valid_count] or [of_band[0]]
        pooled.append(
            replace(
                of_band[0],
                minimum=min(band.minimum for band in filled),
                maximum=max(band.maximum for band in filled),
                mean=float("nan"),
                std=float("nan"),
                p2=min(band.p2 for band in filled),
                p98=max(band.p98 for band in filled),
                valid_count=sum(band.valid_count for band in of_band),
            )
        )
    return pooled
