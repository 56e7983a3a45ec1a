"""The position of the pixels of a raster: CRS, transform and shape."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import tau
from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pyproj.exceptions
from affine import Affine
from rasterio.crs import CRS

from geosoil.errors import GridError

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr

TOLERANCE_PIXELS = 1e-3  # rounding in the text of a tag moves a corner by less, a real shift by more


@dataclass(frozen=True)
class Grid:
    """The pixels of a raster on the ground.

    Parameters
    ----------
    crs : CRS or None
        Coordinate reference system; None in sensor geometry.
    transform : Affine
        From (column, row) of the corner of a pixel to (x, y) in the CRS.
    height, width : int
        Rows and columns.

    Examples
    --------
    >>> grid = Grid(None, Affine(30, 0, 600, 0, -30, 900), height=2, width=3)
    >>> grid.bounds
    (600.0, 840.0, 690.0, 900.0)
    """

    crs: CRS | None
    transform: Affine
    height: int
    width: int

    @classmethod
    def of(cls, raster: xr.DataArray) -> Grid:
        """Return the grid of a raster, or of a window of one.

        Parameters
        ----------
        raster : DataArray of shape (band, y, x)

        Returns
        -------
        Grid

        Raises
        ------
        GridError
            If rows or columns were reversed, thinned out or selected singly, or the raster has no transform.

        Examples
        --------
        >>> from geosoil.raster.layout import make_raster
        >>> raster = make_raster(np.zeros((1, 5, 5), "float32"), names=["a"], crs=None,
        ...                      transform=Affine(0.1, 0, 7, 0, -0.1, 8))
        >>> Grid.of(raster[:, 2:, 3:]).bounds
        (7.3, 7.5, 7.5, 7.8)
        """
        import rioxarray  # noqa: F401 - gives .rio

        # The stored transform is that of the whole file even if a window was cut. The position of the window follows
        # from its coordinates; a transform computed from them would contain their rounding.
        whole = _stored_transform(raster)
        step_x, step_y, x0, y0 = whole.a, whole.e, whole.c, whole.f
        if whole.b or whole.d:
            step_x, step_y, x0, y0 = 1.0, 1.0, 0.0, 0.0  # coordinates are pixel numbers, see layout.py
        columns = (raster["x"].values - x0) / step_x - 0.5
        rows = (raster["y"].values - y0) / step_y - 0.5
        for name, numbers in (("x", columns), ("y", rows)):
            if np.abs(numbers - round(numbers[0]) - np.arange(numbers.size)).max() > TOLERANCE_PIXELS:
                raise GridError(
                    raster.attrs.get("source") or "raster",
                    found=f"pixels along {name} that do not form a window of the grid",
                    expected="neighbouring rows and columns in the order of the file",
                    way_out="select a window by slices without a step",
                )
        column, row = round(columns[0]), round(rows[0])
        x, y = whole.a * column + whole.b * row + whole.c, whole.d * column + whole.e * row + whole.f
        transform = Affine(whole.a, whole.b, x, whole.d, whole.e, y)
        return cls(raster.rio.crs, transform, rows.size, columns.size)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The extent (left, bottom, right, top) in units of the CRS."""
        x, y = self._corners()
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    @property
    def turn(self) -> float | None:
        """A full circle of longitude in units of the CRS, such as 360 for degrees; None for a projected CRS."""
        return tau / self.crs.units_factor[1] if self.crs is not None and self.crs.is_geographic else None

    def rows_columns(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Find the pixels that contain points; a pixel contains its left and upper edge.

        Longitudes may be counted from -180 to 180 or from 0 to 360, whatever the grid does.

        Parameters
        ----------
        x, y : array of shape (n,)
            Coordinates in the CRS of the grid.

        Returns
        -------
        rows, columns : ndarray of shape (n,), int64
            Both -1 where a point lies outside the grid.

        Examples
        --------
        >>> Grid(None, Affine(30, 0, 0, 0, -30, 60), height=2, width=3).rows_columns([45, 90], [10, 10])
        (array([ 1, -1]), array([ 1, -1]))
        """
        x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
        inverse = ~self.transform
        with np.errstate(invalid="ignore"):  # a place that another CRS cannot hold is infinite
            if self.turn is not None:
                left, _, right, _ = self.bounds
                x = np.where((x >= left) & (x < right), x, left + (x - left) % self.turn)
            columns = np.floor(inverse.a * x + inverse.b * y + inverse.c)
            rows = np.floor(inverse.d * x + inverse.e * y + inverse.f)
            inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        return np.where(inside, rows, -1).astype(np.int64), np.where(inside, columns, -1).astype(np.int64)

    def require_same(self, other: Grid, *, where: object = "grid", than: object = "the other") -> None:
        """Check that another grid has the same pixels.

        Parameters
        ----------
        other : Grid
        where, than : object
            The owners of `other` and of this grid, for the message.

        Raises
        ------
        GridError
            If shape, CRS or transform differ; the message names the differences.
        """
        differences = []
        if (self.height, self.width) != (other.height, other.width):
            differences.append(("shape", f"{other.height} x {other.width}", f"{self.height} x {self.width}"))
        if not same_crs(self.crs, other.crs):
            differences.append(("CRS", _short(other.crs), _short(self.crs)))
        if not differences or differences[0][0] == "CRS":
            pixel = max(abs(self.transform.determinant) ** 0.5, np.finfo(float).tiny)
            moved = max(np.abs(a - b).max() for a, b in zip(self._corners(), other._corners(), strict=True))
            if moved > TOLERANCE_PIXELS * pixel:
                differences.append(("transform", f"{other.transform[:6]}", f"{self.transform[:6]}"))
        if differences:
            raise GridError(
                where,
                found=", ".join(f"{name} {value}" for name, value, _ in differences),
                expected=", ".join(f"{name} {value}" for name, _, value in differences) + f" as in {than}",
                way_out="warp one to the grid of the other, for instance with `gdalwarp` or `rio warp --like`",
            )

    def _corners(self) -> tuple[np.ndarray, np.ndarray]:
        """Return x `(4,)` and y `(4,)` of the corners."""
        columns = np.array([0, self.width, 0, self.width])
        rows = np.array([0, 0, self.height, self.height])
        t = self.transform
        return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f


def horizontal_crs(crs: CRS | None) -> CRS | None:
    """Return the horizontal part of a CRS with heights; any other CRS, or None, is returned unchanged.

    Examples
    --------
    >>> horizontal_crs(CRS.from_user_input("EPSG:32633+5773")).to_epsg()  # UTM with heights above EGM96
    32633
    """
    return None if crs is None else _horizontal(crs.to_wkt()) or crs


def is_local(crs: CRS | pyproj.CRS) -> bool:
    """Return whether a CRS is that of a site, such as a mine or an experiment, without a place on the Earth.

    Examples
    --------
    >>> is_local(CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')), is_local(CRS.from_epsg(32633))
    (True, False)
    """
    return _engineering(crs.to_wkt())


def require_convertible(crs: CRS | pyproj.CRS, other: CRS | pyproj.CRS, *, where: object) -> None:
    """Check that coordinates of one CRS can be converted to another one.

    Raises
    ------
    GridError
        If one of two different CRS is the local CRS of a site.

    Examples
    --------
    >>> site = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    >>> require_convertible(site, CRS.from_epsg(32633), where="plan.tif")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.GridError: plan.tif: found the local CRS of a site and EPSG:32633; expected one CRS, ...
    """
    if (is_local(crs) or is_local(other)) and crs != other:
        earth = next((part for part in (crs, other) if not is_local(part)), None)
        raise GridError(
            where,
            found=f"the local CRS of a site and {'that of another one' if earth is None else earth.to_string()[:60]}",
            expected="one CRS, because a local one has no place on the Earth",
            way_out="assign a CRS of the Earth to the raster with gdal_edit.py -a_srs",
        )


def vertical_unit(crs: CRS | None) -> tuple[str, float] | None:
    """Return the name and the metres of the unit of the heights of a CRS; None for a CRS without heights.

    Examples
    --------
    >>> vertical_unit(CRS.from_user_input("EPSG:32633+5773")), vertical_unit(CRS.from_epsg(32633))
    (('metre', 1.0), None)
    """
    return None if crs is None else _vertical(crs.to_wkt())


def crs_unit(crs: CRS | pyproj.CRS) -> str:
    """Return the unit of a CRS as it is written after a number: m, ft, US survey ft, degrees.

    Examples
    --------
    >>> crs_unit(CRS.from_epsg(32633)), crs_unit(CRS.from_epsg(4326)), crs_unit(CRS.from_epsg(2264))
    ('m', 'degrees', 'US survey ft')
    """
    unit = CRS.from_user_input(crs).units_factor[0]
    return {"metre": "m", "meter": "m", "degree": "degrees"}.get(unit.lower(), unit.replace("foot", "ft"))


def same_crs(crs: CRS | None, other: CRS | None) -> bool:
    """Return whether two CRS have the same x and y, whatever their heights and the order of their axes.

    Examples
    --------
    >>> same_crs(CRS.from_epsg(4326), CRS.from_user_input("OGC:CRS84"))
    True
    """
    if crs is None or other is None or crs == other:
        return crs is other or crs == other
    try:
        first, second = (pyproj.CRS.from_wkt(part.to_wkt()).to_2d() for part in (crs, other))
    except pyproj.exceptions.CRSError:  # a local CRS
        return False
    return bool(first.equals(second, ignore_axis_order=True))


@lru_cache(maxsize=64)
def _horizontal(wkt: str) -> CRS | None:
    """Return the horizontal part of a CRS with three axes, None for any other."""
    try:
        parsed = pyproj.CRS.from_wkt(wkt)
    except pyproj.exceptions.CRSError:
        return None
    if len(parsed.axis_info) < 3:
        return None
    plane = parsed.to_2d()
    code = plane.to_epsg()
    return CRS.from_epsg(code) if code else CRS.from_wkt(plane.to_wkt())


@lru_cache(maxsize=64)
def _engineering(wkt: str) -> bool:
    try:
        return bool(pyproj.CRS.from_wkt(wkt).is_engineering)
    except pyproj.exceptions.CRSError:
        return False


@lru_cache(maxsize=64)
def _vertical(wkt: str) -> tuple[str, float] | None:
    """Return name and metres of the unit of the third axis, None for a CRS of two axes."""
    try:
        parsed = pyproj.CRS.from_wkt(wkt)
    except pyproj.exceptions.CRSError:
        return None
    if len(parsed.axis_info) < 3 or parsed.is_geocentric:
        return None
    height = parsed.axis_info[2]
    return str(height.unit_name), float(height.unit_conversion_factor)


def _stored_transform(raster: xr.DataArray) -> Affine:
    # `raster.rio.transform()` would compute the transform from the coordinates, with their rounding.
    grid_mapping = raster.coords.get(raster.rio.grid_mapping)
    text = "" if grid_mapping is None else grid_mapping.attrs.get("GeoTransform", "")
    if not text:
        raise GridError(
            raster.attrs.get("source") or "raster",
            found="no transform",
            expected="a transform from pixels to the ground",
            way_out="open the raster with geosoil.open_raster, or write it with rio.write_transform",
        )
    return Affine.from_gdal(*(float(number) for number in text.split()))


def _short(crs: CRS | None) -> str:
    if crs is None:
        return "none"
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else crs.to_string()[:60]
