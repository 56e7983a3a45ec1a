"""The accessor `.soil` of a cube: wavelengths, spectra, single bands, colour pictures and bare soil."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from affine import Affine
from xarray.core import indexing

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.grid import Grid
from geosoil.raster.layout import check_raster, nearest_bands
from geosoil.raster.north_up import north_up
from geosoil.spectra.bare_soil import BareSoil

if TYPE_CHECKING:
    from collections.abc import Sequence

# Red, green and blue; in false colours plants are red.
COLOURS_NM = {"true": (640.0, 550.0, 470.0), "false": (850.0, 650.0, 550.0)}
COLOUR_TOLERANCE_NM = 30.0
TOLERANCE_NM = 20.0
PICTURE_PIXELS = 2000  # on the longer side
STRIP_ROWS = 256  # read at once for a picture
REFLECTANCE_UNITS = ("", "1", "reflectance")


@xr.register_dataarray_accessor("soil")
class SoilAccessor:
    """Wavelengths, spectra, bands and pictures of a cube of shape (band, y, x), as `cube.soil`.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> values = np.arange(6, dtype="float32").reshape(2, 1, 3) / 10
    >>> cube = make_raster(values, names=["red", "nir"], crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 30),
    ...                    wavelength_nm=[660.0, 850.0])
    >>> cube.soil
    cube of 2 bands from 660 to 850 nm, 1 x 3 pixels, EPSG:32633
    >>> cube.soil.spectrum(x=75, y=15).values.tolist()
    [0.20000000298023224, 0.5]
    >>> cube.soil.sel_nm(655).coords["band"].item()
    'red'
    """

    def __init__(self, raster: xr.DataArray) -> None:
        self._raster = raster

    def __repr__(self) -> str:
        bands, height, width = check_raster(self._raster).shape
        low, high = self.wavelength_nm.min(), self.wavelength_nm.max()
        crs = self._raster.rio.crs
        return f"cube of {bands} bands from {low:.0f} to {high:.0f} nm, {height} x {width} pixels, {crs or 'no CRS'}"

    @property
    def wavelength_nm(self) -> np.ndarray:
        """The wavelengths of the bands in nm, `(band,)`; raises WavelengthError if the raster has none."""
        if "wavelength_nm" not in self._raster.coords:
            raise WavelengthError(
                self._where,
                found="no wavelengths",
                expected="one for each band",
                way_out="open it with geosoil.open_cube, with band_table= if the file has none",
            )
        return np.asarray(self._raster["wavelength_nm"].values)

    def rgb(
        self,
        colours: Literal["true", "false"] | tuple[float, float, float] = "true",
        *,
        stretch: tuple[float, float] = (2.0, 98.0),
        longest: int = PICTURE_PIXELS,
    ) -> Picture:
        """Return a colour picture, which `.plot()` draws.

        Parameters
        ----------
        colours : {"true", "false"} or (float, float, float)
            True colours, false colours (near infrared, red and green: plants are red), or the wavelengths in nm of red,
            green and blue.
        stretch : (float, float)
            Percentiles of each band that become dark and bright.
        longest : int
            Largest number of pixels of the longer side; a larger cube is thinned.

        Returns
        -------
        Picture of shape (band, y, x)
            Three bands from 0 to 1; NaN where a band has no data. The picture of a rotated cube has north up.

        Raises
        ------
        WavelengthError
            If the cube has no band near a wavelength.
        RasterError
            If no pixel has data in the three bands.
        """
        centres_nm = COLOURS_NM[colours] if isinstance(colours, str) else colours
        bands = nearest_bands(
            self._raster, centres_nm, tolerance_nm=COLOUR_TOLERANCE_NM, way_out="give wavelengths that the cube has"
        )
        height, width = self._raster.shape[1:]
        step = max(1, -(-max(height, width) // longest))
        thinned = self._raster.isel(band=bands, y=slice(None, None, step), x=slice(None, None, step))
        strips = [thinned.isel(y=slice(top, top + STRIP_ROWS)).values for top in range(0, thinned.shape[1], STRIP_ROWS)]
        values = np.concatenate(strips, axis=1)
        gaps = ~np.isfinite(values).all(axis=0)
        if gaps.all():
            raise RasterError(
                self._where,
                found=f"no pixel with data at {', '.join(f'{nm:g}' for nm in centres_nm)} nm",
                expected="at least one",
                way_out="choose other wavelengths or another window",
            )
        low, high = np.percentile(values[:, ~gaps], stretch, axis=1)[..., None, None]
        values = np.clip((values - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)
        values[:, gaps] = np.nan
        nm = ", ".join(f"{value:.0f}" for value in self.wavelength_nm[bands])
        title = f"{f'{colours} colours' if isinstance(colours, str) else 'colours'} ({nm} nm)"
        coords: dict[Any, Any] = dict(thinned.coords)
        values, places = self._upright(values, step)
        if places:  # pixels of a rotated cube are numbered; those of its picture have places
            coords = {name: coords[name] for name in coords if thinned.coords[name].dims == ("band",)} | places
        return Picture(
            values.astype(np.float32), coords=coords, dims=thinned.dims, name="rgb", attrs={"long_name": title}
        )

    def spectrum(self, x: float, y: float) -> xr.DataArray:
        """Return the spectrum of the pixel that contains a point.

        Parameters
        ----------
        x, y : float
            Coordinates in the CRS of the cube.

        Returns
        -------
        DataArray of shape (wavelength_nm,)
            Values by rising wavelength in nm; `x` and `y` are the centre of the pixel.

        Raises
        ------
        GridError
            If the point lies outside the cube.
        """
        wavelength_nm, grid = self.wavelength_nm, Grid.of(self._raster)
        (row,), (column,) = grid.rows_columns(x, y)
        if row < 0:
            left, bottom, right, top = grid.bounds
            raise GridError(
                self._where,
                found=f"the point x = {x:.10g}, y = {y:.10g} outside the cube",
                expected=f"x from {left:.10g} to {right:.10g} and y from {bottom:.10g} to {top:.10g}",
                way_out=f"give coordinates in the CRS of the cube ({self._raster.rio.crs or 'none'})",
            )
        order = np.argsort(wavelength_nm, kind="stable")
        pixel = self._raster.isel(y=row, x=column)
        return xr.DataArray(
            pixel.values[order],
            dims="wavelength_nm",
            coords={
                "wavelength_nm": ("wavelength_nm", wavelength_nm[order], {"long_name": "wavelength", "units": "nm"}),
                "x": pixel["x"],
                "y": pixel["y"],
            },
            **self._labels(),
        ).drop_vars("spatial_ref", errors="ignore")

    def sel_nm(self, wavelength_nm: float | Sequence[float], *, tolerance_nm: float = TOLERANCE_NM) -> xr.DataArray:
        """Return the band nearest to a wavelength, or the bands nearest to several, lazily.

        Parameters
        ----------
        wavelength_nm : float or sequence of float
            Wavelengths in nm.
        tolerance_nm : float
            Largest distance in nm.

        Returns
        -------
        DataArray of shape (y, x), or (band, y, x) for several wavelengths

        Raises
        ------
        WavelengthError
            If the cube has no band within the tolerance.
        """
        centres_nm = np.atleast_1d(np.asarray(wavelength_nm, np.float64)).tolist()
        bands = nearest_bands(
            self._raster,
            centres_nm,
            tolerance_nm=tolerance_nm,
            way_out="give another wavelength or a larger tolerance_nm",
        )
        chosen = self._raster.isel(band=bands[0] if np.ndim(wavelength_nm) == 0 else bands)
        labels = self._labels()
        if chosen.ndim == 2:
            labels["attrs"]["long_name"] += f" at {float(chosen['wavelength_nm']):.1f} nm"
        chosen.attrs = {name: value for name, value in chosen.attrs.items() if name != "units"} | labels["attrs"]
        return chosen.rename(labels["name"])

    def bare(self, **thresholds: float) -> xr.DataArray:
        """Return the cube without vegetation, crop residue and water, which become NaN, lazily.

        Parameters
        ----------
        **thresholds : float
            Those of `BareSoil`: `ndvi_max`, `nbr2_max` and `reflectance_min`.

        Returns
        -------
        DataArray of shape (band, y, x)

        Raises
        ------
        WavelengthError
            If the cube lacks a band that the indices need.
        """
        soil = BareSoil(**thresholds)
        places = [list(self._raster["band"].values).index(name) for name in soil.bands(self._raster)]
        data = indexing.LazilyIndexedArray(_BareArray(self._raster.variable, places, soil))
        masked = xr.DataArray(data, coords=self._raster.coords, dims=self._raster.dims, attrs=self._raster.attrs)
        masked.attrs["notes"] = [*self._raster.attrs.get("notes", ()), f"bare soil only: {soil}"]
        masked.encoding.update(self._raster.encoding)
        return masked

    def _upright(self, values: np.ndarray, step: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Return the values of every `step`th pixel with north up, and their places if the cube is rotated."""
        t = Grid.of(self._raster).transform
        if not (t.b or t.d):
            return values, {}
        values, (left, right, bottom, top) = north_up(
            values, Affine(t.a * step, t.b * step, t.c, t.d * step, t.e * step, t.f)
        )
        rows, columns = values.shape[1:]
        return values, {
            "y": top - (np.arange(rows) + 0.5) * (top - bottom) / rows,
            "x": left + (np.arange(columns) + 0.5) * (right - left) / columns,
        }

    @property
    def _where(self) -> str:
        return str(self._raster.attrs.get("source") or "cube")

    def _labels(self) -> dict[str, Any]:
        """Return the name and the attributes that label a plot of values."""
        units = str(self._raster.attrs.get("units", ""))
        is_reflectance = units in REFLECTANCE_UNITS
        name = "reflectance" if is_reflectance else "value"
        return {"name": name, "attrs": {"long_name": name} | ({} if is_reflectance else {"units": units})}


class _BareArray(WindowArray):
    """The bands of a cube, NaN where a pixel is not bare soil."""

    def __init__(self, source: xr.Variable, places: list[int], soil: BareSoil) -> None:
        super().__init__(source.shape)
        self.source, self.places, self.soil = source, places, soil

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the bands, with those of the indices in the same pass."""
        needed, inverse = np.unique([*bands, *self.places], return_inverse=True)
        values = self.source[needed, rows, columns].values
        is_bare = self.soil.is_bare(values[inverse[len(bands) :]])
        return np.where(is_bare, values[inverse[: len(bands)]], np.float32(np.nan))


class Picture(xr.DataArray):
    """A colour picture `(band, y, x)` of three bands from 0 to 1, which `.plot()` draws with square pixels."""

    __slots__ = ()

    @property
    def plot(self) -> Any:  # type: ignore[override]
        """The plots of xarray; called without a name it draws the picture."""
        return _PicturePlot(self, super().plot)


class _PicturePlot:
    def __init__(self, picture: Picture, plots: Any) -> None:
        self._picture, self._plots = picture, plots

    def __call__(self, **options: Any) -> Any:
        """Draw the picture by `imshow`, with its options."""
        if self._picture.sizes.get("band") != 3 or self._picture.ndim != 3:
            return self._plots(**options)
        image = self._plots.imshow(**{"rgb": "band", **options})
        image.axes.set_aspect("equal")
        image.axes.set_title(self._picture.attrs.get("long_name", ""))
        return image

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plots, name)
