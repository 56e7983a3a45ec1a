"""QGIS styles of rasters: the colours, the limits and the legend of each band, and the style file beside a raster."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path

if TYPE_CHECKING:
    import os
    from collections.abc import Hashable, Mapping, Sequence

    from geosoil.io.rasters.statistics import BandStatistics

STOPS = 9  # colours of the ramp; QGIS interpolates between them
# Of all renderers: no data is transparent.
SETTINGS: dict[str, Any] = {"opacity": "1", "alphaBand": "-1", "nodataColor": ""}
QGIS_VERSION = "3.22.0"  # the oldest QGIS that reads the styles and projects; newer ones read them as well


@dataclass(frozen=True)
class BandStyle:
    """How QGIS shows one band of a raster.

    Parameters
    ----------
    band : int
        Number of the band, from 1.
    name, unit : str
        Name of the band, and the unit in the legend.
    low, high : float
        Values of the first and last colour in `unit`. Values beyond them have the first or last colour.
    below, above : bool
        Whether the band has values below `low` and above `high`: the ends of the legend then have "≤" and "≥".
    ramp : str
        Colour map of matplotlib, preferably a perceptually uniform one (viridis, cividis, magma).
    scale : {"linear", "log"}
        Whether colours change by equal differences or by equal ratios; "log" needs a `low` above 0.
    classes : mapping of int to (str, str, int)
        For a band of classes: value -> label, colour such as "#c0392b", and opacity from 0 to 255. The limits and the
        ramp are not used then.

    Raises
    ------
    ValueError
        If the limits are not finite, or the colour map does not exist.

    Examples
    --------
    >>> BandStyle(1, "soc", "%", 0.5, 4.5, above=True).labels[-1]
    '≥ 4.5 %'
    """

    band: int
    name: str
    unit: str
    low: float = 0.0
    high: float = 1.0
    below: bool = False
    above: bool = False
    ramp: str = "viridis"
    scale: Literal["linear", "log"] = "linear"
    classes: Mapping[int, tuple[str, str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high)):
            raise ValueError(f"limits of the colours are {self.low} and {self.high}; expected finite numbers")
        if self.ramp not in colormaps:
            raise ValueError(
                f"colour ramp {self.ramp!r} is unknown; expected a colour map of matplotlib such as 'viridis'"
            )
        if self.high <= self.low:  # a band with a single value still needs an interval
            half = 0.5 if self.scale == "linear" else self.low / 2
            object.__setattr__(self, "high", self.low + half)
            object.__setattr__(self, "low", self.low - half)

    @property
    def values(self) -> np.ndarray:
        """Values of the colours, `(STOPS,)`."""
        spaced = np.geomspace if self.scale == "log" else np.linspace
        return spaced(self.low, self.high, STOPS)

    @property
    def colours(self) -> list[str]:
        """The colours at `values`, such as "#440154"."""
        return [to_hex(colormaps[self.ramp](position)) for position in np.linspace(0.0, 1.0, STOPS)]

    @property
    def labels(self) -> list[str]:
        """The text of each value in the legend."""
        texts = [self._text(value) for value in self.values]
        first = f"≤ {texts[0]}" if self.below else texts[0]
        last = f"≥ {texts[-1]}" if self.above else texts[-1]
        return [first, *texts[1:-1], last]

    def _text(self, value: float) -> str:
        text = f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e9 else f"{value:.0f}"
        return f"{text} {self.unit}".rstrip()


def styles_of(
    bands: Sequence[BandStatistics], *, pool: Sequence[Hashable] = (), ramp: str = "viridis"
) -> list[BandStyle]:
    """Return a style for each band of a raster, from its 2nd to its 98th percentile, rounded to a hundredth of them.

    Parameters
    ----------
    bands : sequence of BandStatistics
        Statistics of all bands.
    pool : sequence of hashable
        A key for each band; bands with equal keys, such as depths of one property, have common limits, so that a colour
        means the same value in all of them. Default: each band has its own limits.
    ramp : str
        Colour map of matplotlib.

    Examples
    --------
    >>> from geosoil.io.rasters.statistics import BandStatistics
    >>> bands = [BandStatistics(name, "%", 0, top, 1, 1, 0.1, top - 1, 9) for name, top in (("a", 3.0), ("b", 5.0))]
    >>> [(style.low, style.high, style.above) for style in styles_of(bands, pool=["%", "%"])]
    [(0.1, 4.0, True), (0.1, 4.0, True)]
    """
    keys = list(pool) or list(range(len(bands)))
    common: dict[Hashable, tuple[float, float, bool, bool]] = {}
    for key in keys:
        alike = [band for band, other in zip(bands, keys, strict=True) if other == key and band.valid_count]
        if alike:
            low, high = _rounded(min(band.p2 for band in alike), max(band.p98 for band in alike))
            below, above = min(band.minimum for band in alike) < low, max(band.maximum for band in alike) > high
            common[key] = low, high, below, above
    return [
        BandStyle(number, band.name, band.unit, *common.get(key, (0.0, 1.0, False, False)), ramp=ramp)
        for number, (band, key) in enumerate(zip(bands, keys, strict=True), start=1)
    ]


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Return limits in steps of at most a hundredth of their difference, so that a legend has numbers that are read.

    >>> _rounded(0.00306, 239.965), _rounded(-0.0126, 0.0421), _rounded(5.0, 5.0)
    ((0.0, 240.0), (-0.0126, 0.0421), (5.0, 5.0))
    """
    if high <= low:
        return low, high
    digits = 2 - int(np.floor(np.log10(high - low)))
    return round(low, digits), round(high, digits)


def diverging(styles: Sequence[BandStyle], ramp: str = "RdBu_r") -> list[BandStyle]:
    """Return styles with limits at equal distances from zero, and a ramp whose middle is white.

    >>> diverging([BandStyle(1, "slope", "%", -0.5, 2.0)])[0].low
    -2.0
    """
    reaches = [max(abs(style.low), abs(style.high)) or 1.0 for style in styles]
    return [replace(style, low=-reach, high=reach, ramp=ramp) for style, reach in zip(styles, reaches, strict=True)]


def write_style(path_of_raster: str | os.PathLike[str], style: BandStyle) -> Path:
    """Write the style of the band that QGIS shows first, as `.qml` beside a raster.

    Parameters
    ----------
    path_of_raster : path
        The raster; QGIS reads the style of the same name when it opens the raster.
    style : BandStyle
        The band and its colours.

    Returns
    -------
    Path
        The style.

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     qml = write_style(Path(folder) / "soc.tif", BandStyle(1, "soc", "%", 0.5, 4.5))
    ...     ElementTree.parse(qml).getroot().find(".//item").attrib["label"]
    '0.5 %'
    """
    path = Path(path_of_raster).with_suffix(".qml")
    write_xml(path, style_element(style), doctype="qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'")
    return path


def write_xml(path: Path, root: ElementTree.Element, *, doctype: str) -> None:
    """Write an XML file of QGIS, completely or not at all."""
    with atomic_path(path) as temporary:
        try:
            temporary.write_text(xml_text(root, doctype=doctype), "utf-8")
        except OSError as error:
            raise OutputError(
                path, problem=f"writing failed ({error.strerror})", way_out="free some disk space"
            ) from error


def xml_text(root: ElementTree.Element, *, doctype: str) -> str:
    """Return an XML document of QGIS as text."""
    ElementTree.indent(root)
    return f"<!DOCTYPE {doctype}>\n{ElementTree.tostring(root, encoding='unicode')}\n"


def style_element(style: BandStyle) -> ElementTree.Element:
    """Return the style as the element `qgis` of a style file; its children are also those of a layer of a project."""
    root = ElementTree.Element("qgis", version=QGIS_VERSION, styleCategories="Symbology|Rendering")
    pipe = ElementTree.SubElement(root, "pipe")
    # Interpolation between pixels would show detail that was not predicted.
    ElementTree.SubElement(
        ElementTree.SubElement(pipe, "provider"), "resampling", enabled="false", maxOversampling="2",
        zoomedInResamplingMethod="nearestNeighbour", zoomedOutResamplingMethod="nearestNeighbour",
    )  # fmt: skip
    (_add_classes if style.classes else _add_ramp)(pipe, style)
    ElementTree.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ElementTree.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0")
    ElementTree.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ElementTree.SubElement(root, "blendMode").text = "0"
    return root


def _add_classes(pipe: ElementTree.Element, style: BandStyle) -> None:
    renderer = ElementTree.SubElement(pipe, "rasterrenderer", type="paletted", band=str(style.band), **SETTINGS)
    ElementTree.SubElement(renderer, "rasterTransparency")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, (label, colour, opacity) in style.classes.items():
        ElementTree.SubElement(palette, "paletteEntry", value=str(value), label=label, color=colour, alpha=str(opacity))


def _add_ramp(pipe: ElementTree.Element, style: BandStyle) -> None:
    low, high = repr(float(style.low)), repr(float(style.high))
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="singlebandpseudocolor", band=str(style.band), classificationMin=low,
        classificationMax=high, **SETTINGS,
    )  # fmt: skip
    ElementTree.SubElement(renderer, "rasterTransparency")
    origin = ElementTree.SubElement(renderer, "minMaxOrigin")
    # "None": QGIS uses these limits, instead of computing limits from the visible part.
    for name, value in (("limits", "None"), ("extent", "WholeRaster"), ("statAccuracy", "Exact")):
        ElementTree.SubElement(origin, name).text = value
    shader = ElementTree.SubElement(
        ElementTree.SubElement(renderer, "rastershader"), "colorrampshader", colorRampType="INTERPOLATED",
        classificationMode="2" if style.scale == "linear" else "1", clip="0", labelPrecision="4", minimumValue=low,
        maximumValue=high,
    )  # fmt: skip
    _add_gradient(shader, style)
    for value, colour, label in zip(style.values, style.colours, style.labels, strict=True):
        ElementTree.SubElement(shader, "item", value=repr(float(value)), color=colour, label=label, alpha="255")
    # The legend has no prefix, because QGIS prints the name of the band above it. Of a logarithmic scale it shows each
    # value, because its continuous legend is linear.
    ends = style.labels[0] if style.below else "", style.labels[-1] if style.above else ""
    legend = ElementTree.SubElement(
        shader, "rampLegendSettings", prefix="", suffix=f" {style.unit}".rstrip(), minimumLabel=ends[0],
        maximumLabel=ends[1], direction="0", orientation="2",
        useContinuousLegend="1" if style.scale == "linear" else "0",
    )  # fmt: skip
    numbers = ElementTree.SubElement(ElementTree.SubElement(legend, "numericFormat", id="basic"), "Option", type="Map")
    digits = max(0, 2 - int(np.floor(np.log10(style.high - style.low))))
    for name, kind, text in (("decimals", "int", str(min(digits, 9))), ("rounding_type", "int", "0"),
                             ("show_thousand_separator", "bool", "false"),
                             ("show_trailing_zeros", "bool", "false")):  # fmt: skip
        ElementTree.SubElement(numbers, "Option", name=name, type=kind, value=text)


def _add_gradient(shader: ElementTree.Element, style: BandStyle) -> None:
    def numbers(colour: str) -> str:
        return ",".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5)) + ",255"

    colours = style.colours
    positions = (style.values - style.low) / (style.high - style.low)
    ramp = ElementTree.SubElement(shader, "colorramp", type="gradient", name="[source]")
    options = ElementTree.SubElement(ramp, "Option", type="Map")
    inner = zip(positions[1:-1], colours[1:-1], strict=True)
    settings = {
        "color1": numbers(colours[0]),
        "color2": numbers(colours[-1]),
        "discrete": "0",
        "rampType": "gradient",
        "stops": ":".join(f"{position:g};{numbers(colour)}" for position, colour in inner),
    }
    for name, value in settings.items():
        ElementTree.SubElement(options, "Option", name=name, type="QString", value=value)
