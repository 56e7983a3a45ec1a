"""A QGIS style file beside a map, so that QGIS shows it in colour and with its unit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex

from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

STOPS = 9  # colours of the ramp; QGIS interpolates between them


def write_qml(
    path_of_tif: str | os.PathLike[str],
    *,
    band_name: str,
    unit: str,
    low: float,
    high: float,
    ramp: str = "viridis",
) -> Path:
    """Write the QGIS style of the first band of a map as `.qml` beside it.

    Parameters
    ----------
    path_of_tif : path
        The map; the style has the same name.
    band_name, unit : str
        Name and unit in the legend.
    low, high : float
        Values of the first and last colour in `unit`, usually the 2nd and 98th percentile. Values beyond them have the
        first or last colour; pixels without data are transparent.
    ramp : str
        Colour map of matplotlib, preferably a perceptually uniform one (viridis, cividis, magma).

    Returns
    -------
    Path
        The style.

    Raises
    ------
    OutputError
        If the file cannot be written.
    ValueError
        If the limits are not finite, or the colour map does not exist.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     qml = write_qml(Path(folder) / "soc.tif", band_name="soc", unit="%", low=0.5, high=4.5)
    ...     ElementTree.parse(qml).getroot().find(".//item").attrib["label"]
    '0.5 %'
    """
    path = Path(path_of_tif).with_suffix(".qml")
    low, high = float(low), float(high)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ValueError(f"limits of the colours are {low} and {high}; expected finite numbers")
    if ramp not in colormaps:
        raise ValueError(f"colour ramp {ramp!r} is unknown; expected a colour map of matplotlib such as 'viridis'")
    if high <= low:  # a map with a single value still needs an interval
        low, high = low - 0.5, low + 0.5
    _write(path, _style(band_name, unit, low, high, ramp))
    return path


def write_classes_qml(
    path_of_tif: str | os.PathLike[str], band: int, classes: Mapping[int, tuple[str, str, int]]
) -> Path:
    """Write a QGIS style that shows the classes of one band, as `.qml` beside a raster.

    Parameters
    ----------
    path_of_tif : path
        The raster; the style has the same name.
    band : int
        Number of the band, from 1.
    classes : mapping of int to (str, str, int)
        Value -> label, colour such as "#c0392b", and opacity from 0 to 255.

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
    ...     qml = write_classes_qml(Path(folder) / "soc_trust.tif", 5, {0: ("outside", "#c0392b", 170)})
    ...     ElementTree.parse(qml).getroot().find(".//paletteEntry").attrib["alpha"]
    '170'
    """
    path = Path(path_of_tif).with_suffix(".qml")
    root, pipe = _pipe()
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="paletted", band=str(band), opacity="1", alphaBand="-1", nodataColor=""
    )
    ElementTree.SubElement(renderer, "rasterTransparency")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, (label, colour, opacity) in classes.items():
        ElementTree.SubElement(palette, "paletteEntry", value=str(value), label=label, color=colour, alpha=str(opacity))
    _write(path, _finished(root, pipe))
    return path


def _write(path: Path, style: ElementTree.Element) -> None:
    text = ElementTree.tostring(style, encoding="unicode")
    with atomic_path(path) as temporary:
        try:
            temporary.write_text(f"<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n{text}\n", "utf-8")
        except OSError as error:
            raise OutputError(
                path, problem=f"writing the style failed ({error.strerror})",
                way_out="free some disk space",
            ) from error  # fmt: skip


def _pipe() -> tuple[ElementTree.Element, ElementTree.Element]:
    """Return the root of a style and its pipe."""
    root = ElementTree.Element("qgis", version="3.28", styleCategories="Symbology|Rendering")
    pipe = ElementTree.SubElement(root, "pipe")
    provider = ElementTree.SubElement(pipe, "provider")
    # Interpolation between pixels would show detail that was not predicted.
    ElementTree.SubElement(
        provider, "resampling", enabled="false", maxOversampling="2",
        zoomedInResamplingMethod="nearestNeighbour", zoomedOutResamplingMethod="nearestNeighbour",
    )  # fmt: skip
    return root, pipe


def _finished(root: ElementTree.Element, pipe: ElementTree.Element) -> ElementTree.Element:
    """Add what follows the renderer of a style, and return its root."""
    ElementTree.SubElement(pipe, "brightnesscontrast", brightness="0", contrast="0", gamma="1")
    ElementTree.SubElement(pipe, "huesaturation", saturation="0", grayscaleMode="0", colorizeOn="0", invertColors="0")
    ElementTree.SubElement(pipe, "rasterresampler", maxOversampling="2")
    ElementTree.SubElement(root, "blendMode").text = "0"
    ElementTree.indent(root)
    return root


def _style(band_name: str, unit: str, low: float, high: float, ramp: str) -> ElementTree.Element:
    positions = np.linspace(0, 1, STOPS)
    colours = [to_hex(colormaps[ramp](position)) for position in positions]
    values = low + positions * (high - low)
    suffix = f" {unit}" if unit else ""

    root, pipe = _pipe()
    renderer = ElementTree.SubElement(
        pipe, "rasterrenderer", type="singlebandpseudocolor", band="1", opacity="1", alphaBand="-1", nodataColor="",
        classificationMin=repr(low), classificationMax=repr(high),
    )  # fmt: skip
    ElementTree.SubElement(renderer, "rasterTransparency")
    origin = ElementTree.SubElement(renderer, "minMaxOrigin")
    # "None": QGIS uses these limits, instead of computing limits from the visible part.
    for name, value in (("limits", "None"), ("extent", "WholeRaster"), ("statAccuracy", "Exact")):
        ElementTree.SubElement(origin, name).text = value
    shader = ElementTree.SubElement(
        ElementTree.SubElement(renderer, "rastershader"), "colorrampshader",
        colorRampType="INTERPOLATED", classificationMode="2", clip="0", labelPrecision="4",
        minimumValue=repr(low), maximumValue=repr(high),
    )  # fmt: skip
    _ramp(shader, positions, colours)
    for value, colour in zip(values, colours, strict=True):
        label = f"{value:.4g}{suffix}"
        ElementTree.SubElement(shader, "item", value=repr(float(value)), color=colour, label=label, alpha="255")
    legend = ElementTree.SubElement(
        shader, "rampLegendSettings", prefix=f"{band_name} ", suffix=suffix, minimumLabel="", maximumLabel="",
        direction="0", orientation="2", useContinuousLegend="1",
    )  # fmt: skip
    numbers = ElementTree.SubElement(ElementTree.SubElement(legend, "numericFormat", id="basic"), "Option", type="Map")
    digits = max(0, 2 - int(np.floor(np.log10(high - low))))
    for name, kind, text in (("decimals", "int", str(min(digits, 9))), ("rounding_type", "int", "0"),
                             ("show_thousand_separator", "bool", "false"),
                             ("show_trailing_zeros", "bool", "false")):  # fmt: skip
        ElementTree.SubElement(numbers, "Option", name=name, type=kind, value=text)
    return _finished(root, pipe)


def _ramp(shader: ElementTree.Element, positions: np.ndarray, colours: list[str]) -> None:
    def numbers(colour: str) -> str:
        return ",".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5)) + ",255"

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
