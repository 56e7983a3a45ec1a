"""The layers of a view: what each shows, in which unit and in which colours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geosoil.view.screen import pixel_at
from geosoil.view.sources import BandSource, WidthSource, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rasterio.crs import CRS

    from geosoil.io.rasters.pyramid import Pyramid
    from geosoil.view.palettes import PaletteName

Role = Literal["prediction", "lower", "upper", "width", "dissimilarity", "density", "inside", "attribution", "band"]
PALETTE_OF: dict[str, PaletteName] = {
    "width": "magma",
    "dissimilarity": "cividis",
    "density": "cividis",
    "inside": "in or out",
    "attribution": "blue to red",
}
DEPTH = re.compile(r"^(?P<property>.*?)[ _]*(?P<top>\d+(?:\.\d+)?)-(?P<bottom>\d+(?:\.\d+)?) cm$")


@dataclass(eq=False)
class Layer:
    """A raster of numbers that can be shown in colours.

    Parameters
    ----------
    key : str
        Identifies the layer in the page.
    name, unit, group : str
        What it is called, the unit of its values, and the file it belongs to.
    role : Role
        What its values mean.
    source : BandSource or WidthSource
    target : str
        The soil property of a prediction or of an end of its interval.
    pool : list of Layer
        The layers that share its limits of the colours, itself included; empty for limits of its own.
    """

    key: str
    name: str
    unit: str
    group: str
    role: Role
    source: BandSource | WidthSource
    target: str = ""
    pool: list[Layer] = field(default_factory=list, repr=False)

    @property
    def palette(self) -> PaletteName:
        """The palette that it has at first."""
        return PALETTE_OF.get(self.role, "viridis")

    @cached_property
    def percentiles(self) -> tuple[float, float] | None:
        """The 2nd and 98th percentile of its coarsest level; None without values."""
        last = len(self.source.levels) - 1
        values = self.source.read(last, *whole(self.source.levels[last]))
        values = values[np.isfinite(values)]
        if not values.size:
            return None
        low, high = np.percentile(values, (2, 98))
        return float(low), float(high)

    @property
    def limits(self) -> tuple[float, float]:
        """The values of the first and the last colour."""
        if self.role == "inside":
            return -0.5, 1.5
        ends = [ends for layer in self.pool or [self] if (ends := layer.percentiles) is not None]
        if not ends:
            return 0.0, 1.0
        low, high = min(first for first, _ in ends), max(last for _, last in ends)
        if self.role == "attribution":
            reach = max(abs(low), abs(high)) or 1.0
            return -reach, reach
        return (low, high) if high > low else (low - 0.5, low + 0.5)

    def value_at(self, x: float, y: float, crs: CRS | None) -> np.float32 | None:
        """Return the value of the full-resolution pixel that contains a point; None outside of the raster."""
        pixel = pixel_at(self.source.levels[0].grid, x, y, crs)
        if pixel is None:
            return None
        row, column = pixel
        return np.float32(self.source.read(0, slice(row, row + 1), slice(column, column + 1))[0, 0])

    def described(self) -> dict[str, Any]:
        """Return what the page says of it."""
        return {
            "key": self.key,
            "name": self.name,
            "unit": self.unit,
            "group": self.group,
            "role": self.role,
            "target": self.target,
            "palette": self.palette,
        }


def layers_of(pyramid: Pyramid, group: str, prefix: str, *, of_map: bool) -> list[Layer]:
    """Return a layer for each band of a raster, and for each width of intervals that it has the ends of.

    Parameters
    ----------
    pyramid : Pyramid
    group : str
        The name of the file.
    prefix : str
        Start of the keys, different for each file.
    of_map : bool
        Whether bands whose names say nothing else are predictions.
    """
    is_explanation = "GEOSOIL_BASELINE" in pyramid.tags
    layers: list[Layer] = []
    for number, (name, unit) in enumerate(zip(pyramid.names, pyramid.units, strict=True), start=1):
        role, target = _role_of(name, is_explanation=is_explanation, of_map=of_map)
        layers.append(Layer(f"{prefix}.{number}", name, unit, group, role, BandSource(pyramid, number), target))
    numbers = {(layer.role, layer.target): k for k, layer in enumerate(layers, start=1)}
    widths = []
    for (role, target), lower in numbers.items():
        upper = numbers.get(("upper", target))
        if role == "lower" and upper is not None:
            unit, source = layers[lower - 1].unit, WidthSource(pyramid, lower, upper)
            widths.append(Layer(f"{prefix}.{lower}-{upper}", f"{target} width", unit, group, "width", source, target))
    for roles in (("prediction",), ("lower", "upper"), ("width",), ("attribution",)):
        _share_limits([layer for layer in [*layers, *widths] if layer.role in roles])
    return [*layers, *widths]


def depth_of(name: str) -> tuple[str, float, float] | None:
    """Return the property and the depths in cm that the name of a band states; None for other names.

    >>> depth_of("SOC 0-5 cm"), depth_of("as_mg_kg")
    (('SOC', 0.0, 5.0), None)
    """
    stated = DEPTH.match(name)
    return None if stated is None else (stated["property"], float(stated["top"]), float(stated["bottom"]))


def _role_of(name: str, *, is_explanation: bool, of_map: bool) -> tuple[Role, str]:
    """Return what a band is and its target, from the names that `geosoil map` and `geosoil explain` give."""
    for ending in ("lower", "upper"):
        if name.endswith(f" {ending}"):
            return ending, name.removesuffix(f" {ending}")
    for word in ("dissimilarity", "density", "inside"):
        if name == word or name.endswith(f"_{word}"):
            return word, ""
    if is_explanation:
        return ("prediction", name) if name == "prediction" else ("attribution", "")
    return ("prediction", name) if of_map else ("band", "")


def _share_limits(layers: Sequence[Layer]) -> None:
    """Let layers of one property and unit, such as depths, have one scale of colours."""
    for layer in layers:
        alike = [other for other in layers if other.unit == layer.unit and _property(other) == _property(layer)]
        layer.pool = alike if len(alike) > 1 else []


def _property(layer: Layer) -> str:
    depth = depth_of(layer.target)
    return layer.target if depth is None else depth[0]
