"""What a view shows, and the answers to what a user asks of it: pictures, values and details of a pixel."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import log10
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj

from geosoil.raster.grid import Grid, crs_unit
from geosoil.view.layers import Layer, depth_of
from geosoil.view.screen import extent_of, pixel_at, read_on_screen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from rasterio.crs import CRS

    from geosoil.view.samples import Samples
    from geosoil.view.screen import Screen, Source
    from geosoil.view.sources import ColourSource, HillshadeSource

GAP_NM = 30.0  # between bands over which a spectrum is not drawn


@dataclass(frozen=True, eq=False)
class TrainingRange:
    """The range of the spectra that a model was trained on; all arrays are `(band,)`."""

    model: str
    wavelength_nm: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(eq=False)
class Scene:
    """Everything that one view shows.

    Parameters
    ----------
    title : str
    grid : Grid
        That of the first map, whose CRS is the CRS of the view.
    layers : sequence of Layer
        The layers of all files; the first one is shown first.
    backgrounds : mapping of str to source
        Pictures under the layers, by their names.
    cube : xarray.DataArray, optional
        Where spectra come from.
    samples : Samples, optional
    training : TrainingRange, optional
    level : float, optional
        The level of the prediction intervals.
    notes : sequence of str
        What the user should know of the input.
    """

    title: str
    grid: Grid
    layers: Sequence[Layer]
    backgrounds: Mapping[str, ColourSource | HillshadeSource] = field(default_factory=dict)
    cube: xr.DataArray | None = None
    samples: Samples | None = None
    training: TrainingRange | None = None
    level: float | None = None
    notes: Sequence[str] = ()

    @property
    def crs(self) -> CRS | None:
        """The CRS of the view."""
        return self.grid.crs

    @cached_property
    def extent(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top of the first map."""
        return extent_of(self.grid, self.crs)

    @cached_property
    def aspect(self) -> float:
        """The height of a unit of y on the screen, in units of x: more than 1 for degrees away from the equator."""
        if self.crs is None or not self.crs.is_geographic:
            return 1.0
        latitude = (self.extent[1] + self.extent[3]) / 2
        return 1 / max(float(np.cos(np.deg2rad(latitude))), 0.05)

    @cached_property
    def layer_of(self) -> dict[str, Layer]:
        """The layers by their keys."""
        return {layer.key: layer for layer in self.layers}

    def described(self) -> dict[str, Any]:
        """Return what the page needs to know before it shows anything."""
        unit = "pixels" if self.crs is None else crs_unit(self.crs)
        return {
            "title": self.title,
            "crs": "sensor geometry" if self.crs is None else self.crs.to_string()[:60],
            "unit": unit,
            "metres": self._metres,
            "extent": list(self.extent),
            "aspect": self.aspect,
            "pixel": self.pixel_side,
            "level": self.level,
            "layers": [layer.described() for layer in self.layers],
            "backgrounds": list(self.backgrounds),
            "notes": list(self.notes),
            "has_cube": self.cube is not None,
            "samples": None if self.samples is None else self.samples.described(),
        }

    @property
    def _metres(self) -> float | None:
        """Metres per unit of the CRS; None for degrees, whose length depends on the latitude."""
        return 1.0 if self.crs is None else None if self.crs.is_geographic else float(self.crs.units_factor[1])

    @cached_property
    def pixel_side(self) -> float:
        """The side of a pixel of the first map in units of the CRS."""
        return float(abs(self.grid.transform.determinant) ** 0.5)

    def picture(self, name: str, screen: Screen) -> np.ndarray:
        """Return what a screen shows of a layer (float32) or a background (RGBA as uint32), `(height, width)`."""
        source: Source = self.backgrounds[name] if name in self.backgrounds else self.layer_of[name].source
        return read_on_screen(source, screen, self.crs)

    def values_at(self, x: float, y: float, keys: Sequence[str]) -> dict[str, Any]:
        """Return the values of layers at a point, with the interval of each prediction.

        Parameters
        ----------
        x, y : float
            The point in the CRS of the view.
        keys : sequence of str
            The keys of the layers.

        Returns
        -------
        dict
            `place` as text; `values`: for each layer its name, unit, the value and the ends of the interval as text
            that holds the float32 exactly, None for no data.
        """
        values = []
        for key in keys:
            layer = self.layer_of[key]
            ends: dict[str, str | None] = {}
            if layer.role == "prediction":
                for other in self.layers:
                    if other.role in ("lower", "upper") and self._belongs(other, layer):
                        ends[other.role] = exact_text(other.value_at(x, y, self.crs))
                inside = [other for other in self.layers if other.role == "inside" and self._belongs(other, layer)]
                if len(inside) == 1:  # a map of several models has one for each
                    ends["inside"] = exact_text(inside[0].value_at(x, y, self.crs))
            values.append(
                {
                    "key": key,
                    "name": layer.name,
                    "unit": layer.unit,
                    "value": exact_text(layer.value_at(x, y, self.crs)),
                }
                | ends
            )
        return {"place": self.place(x, y), "values": values}

    def details_at(self, x: float, y: float) -> dict[str, Any]:
        """Return everything that is known of the pixel at a point, with None for what is not there.

        Parameters
        ----------
        x, y : float
            The point in the CRS of the view.

        Returns
        -------
        dict
            `place`, `values` of all layers, `spectrum`, `profile`, `attributions` and `samples`.
        """
        return {
            "x": x,
            "y": y,
            **self.values_at(x, y, [layer.key for layer in self.layers if layer.role != "attribution"]),
            "spectrum": self._spectrum(x, y),
            "profile": self._profile(x, y),
            "attributions": self._attributions(x, y),
            "samples": None if self.samples is None else self.samples.nearest(x, y, self.crs),
        }

    def place(self, x: float, y: float) -> str:
        """Return the coordinates of a point as text, to a tenth of a pixel, and its longitude and latitude."""
        digits = max(0, 1 - int(np.floor(log10(self.pixel_side))))
        if self.crs is None:
            return f"column {x:.{digits}f}, row {y:.{digits}f}"
        if self.crs.is_geographic:
            return f"{_degrees(y, 'NS', digits)}, {_degrees(x, 'EW', digits)}"
        text = f"{x:.{digits}f}, {y:.{digits}f} {crs_unit(self.crs)}"
        if self._to_degrees is not None:
            longitude, latitude = self._to_degrees.transform(x, y)
            if np.isfinite([longitude, latitude]).all():
                text += f" ({_degrees(latitude, 'NS', 5)}, {_degrees(longitude, 'EW', 5)})"
        return text

    @cached_property
    def _to_degrees(self) -> pyproj.Transformer | None:
        try:
            return pyproj.Transformer.from_crs(self.crs.to_wkt(), 4326, always_xy=True) if self.crs else None
        except pyproj.exceptions.ProjError:  # the local CRS of a site has no place on the Earth
            return None

    def _belongs(self, layer: Layer, prediction: Layer) -> bool:
        """Return whether a band of a trust map belongs to a prediction of its map."""
        return layer.group == prediction.group and layer.target == (prediction.target if layer.target else "")

    def _spectrum(self, x: float, y: float) -> dict[str, Any] | None:
        if self.cube is None:
            return None
        pixel = pixel_at(Grid.of(self.cube), x, y, self.crs)
        if pixel is None:
            return None
        values = self.cube.isel(y=pixel[0], x=pixel[1]).values
        spectrum = spectrum_lines(self.cube["wavelength_nm"].values, values)
        return spectrum if np.isfinite(values).any() else None

    def _profile(self, x: float, y: float) -> list[dict[str, Any]] | None:
        rows = []
        for layer in self.layers:
            depth = depth_of(layer.name) if layer.role in ("prediction", "band") else None
            value = None if depth is None else layer.value_at(x, y, self.crs)
            if depth is None or value is None or not np.isfinite(value):
                continue
            row = {"property": depth[0], "top": depth[1], "bottom": depth[2], "unit": layer.unit, "value": float(value)}
            for other in self.layers:
                if other.role in ("lower", "upper") and self._belongs(other, layer):
                    end = other.value_at(x, y, self.crs)
                    row[other.role] = None if end is None or not np.isfinite(end) else float(end)
            rows.append(row)
        return sorted(rows, key=lambda row: (row["property"], row["top"])) or None

    def _attributions(self, x: float, y: float) -> list[dict[str, Any]] | None:
        bars = [
            {"name": layer.name, "unit": layer.unit, "value": float(value)}
            for layer in self.layers
            if layer.role == "attribution"
            and (value := layer.value_at(x, y, self.crs)) is not None
            and np.isfinite(value)
        ]
        return sorted(bars, key=lambda bar: -abs(bar["value"])) or None


def spectrum_lines(wavelength_nm: np.ndarray, values: np.ndarray) -> dict[str, list[float | None]]:
    """Return a spectrum by rising wavelength, with an empty value in each gap between bands.

    >>> spectrum_lines(np.array([410.0, 400.0, 900.0]), np.array([0.2, 0.1, 0.3]))
    {'wavelength_nm': [400.0, 410.0, 655.0, 900.0], 'value': [0.1, 0.2, None, 0.3]}
    """
    order = np.argsort(wavelength_nm, kind="stable")
    wavelength_nm, values = wavelength_nm[order].astype(np.float64), values[order].astype(np.float64)
    gaps = np.flatnonzero(np.diff(wavelength_nm) > GAP_NM)
    middles = (wavelength_nm[gaps] + wavelength_nm[gaps + 1]) / 2
    wavelength_nm, values = np.insert(wavelength_nm, gaps + 1, middles), np.insert(values, gaps + 1, np.nan)
    return {"wavelength_nm": wavelength_nm.tolist(), "value": [v if np.isfinite(v) else None for v in values.tolist()]}


def exact_text(value: np.float32 | None) -> str | None:
    """Return the shortest text that is read as the same float32; None for no data.

    >>> exact_text(np.float32(0.1)), exact_text(np.float32(231.48265)), exact_text(np.float32("nan"))
    ('0.1', '231.48265', None)
    """
    return None if value is None or not np.isfinite(value) else str(np.float32(value)).removesuffix(".0")


def _degrees(angle: float, letters: str, digits: int) -> str:
    return f"{abs(angle):.{digits}f}° {letters[0] if angle >= 0 else letters[1]}"
