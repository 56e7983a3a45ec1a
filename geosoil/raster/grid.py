"""Where the pixels of a raster lie: CRS, transform and shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geosoil.errors import GridError

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from rasterio.crs import CRS

TOLERANCE_PIXELS = 1e-3  # rounding in the text of a tag moves a corner less than this; a real shift moves it more


@dataclass(frozen=True)
class Grid:
    """The pixels of a raster on the ground.

    crs: coordinate reference system, or None (sensor geometry). transform: from (column, row) of a pixel's
    corner to (x, y). height, width: rows and columns.

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
        """Return the grid of a raster `(band, y, x)`, also of a window of one that was opened.

        Raises GridError where rows or columns were reversed, thinned out or picked singly, or where no
        transform stands beside the raster.

        >>> from geosoil.raster.layout import make_raster
        >>> raster = make_raster(np.zeros((1, 5, 5), "float32"), names=["a"], crs=None,
        ...                      transform=Affine(0.1, 0, 7, 0, -0.1, 8))
        >>> Grid.of(raster[:, 2:, 3:]).bounds
        (7.3, 7.5, 7.5, 7.8)
        """
        import rioxarray  # noqa: F401 - gives .rio

        # The transform stored beside the raster stays that of the whole file when a window is cut, so the
        # window is found by its coordinates; a transform made from them would carry their rounding.
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
                    found=f"pixels along {name} that are no window of the grid",
                    expected="neighbouring rows and columns in the order of the file",
                    way_out="select a window by slices without a step",
                )
        column, row = round(columns[0]), round(rows[0])
        x, y = whole.a * column + whole.b * row + whole.c, whole.d * column + whole.e * row + whole.f
        transform = Affine(whole.a, whole.b, x, whole.d, whole.e, y)
        return cls(raster.rio.crs, transform, rows.size, columns.size)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Return (left, bottom, right, top) in the units of the CRS."""
        x, y = self._corners()
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    def rows_columns(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns, int64 `(n,)`, of the pixels that hold points; -1 in both where a point lies outside.

        x, y: `(n,)` in the CRS of the grid. A pixel holds its left and upper edge.

        >>> Grid(None, Affine(30, 0, 0, 0, -30, 60), height=2, width=3).rows_columns([45, 90], [10, 10])
        (array([ 1, -1]), array([ 1, -1]))
        """
        x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
        back = ~self.transform
        columns = np.floor(back.a * x + back.b * y + back.c)
        rows = np.floor(back.d * x + back.e * y + back.f)
        with np.errstate(invalid="ignore"):
            inside = (rows >= 0) & (rows < self.height) & (columns >= 0) & (columns < self.width)
        return np.where(inside, rows, -1).astype(np.int64), np.where(inside, columns, -1).astype(np.int64)

    def require_same(self, other: Grid, *, where: object = "grid", than: object = "the other") -> None:
        """Do nothing where `other` has the same pixels; say what differs otherwise.

        where: what `other` belongs to, and than: what this grid belongs to; both for the message.

        Raises GridError.
        """
        differences = []
        if (self.height, self.width) != (other.height, other.width):
            differences.append(("shape", f"{other.height} x {other.width}", f"{self.height} x {self.width}"))
        if self.crs != other.crs:
            differences.append(("CRS", _short(other.crs), _short(self.crs)))
        if not differences or differences[0][0] == "CRS":
            pixel = max(abs(self.transform.determinant) ** 0.5, np.finfo(float).tiny)
            moved = max(np.abs(a - b).max() for a, b in zip(self._corners(), other._corners(), strict=True))
            if moved > TOLERANCE_PIXELS * pixel:
                differences.append(("transform", f"{other.transform[:6]}", f"{self.transform[:6]}"))
        if differences:
            raise GridError(
                where,
                found=", ".join(f"{name} {found}" for name, found, _ in differences),
                expected=", ".join(f"{name} {expected}" for name, _, expected in differences) + f" as of {than}",
                way_out="warp one onto the grid of the other, for instance with `gdalwarp` or `rio warp --like`",
            )

    def _corners(self) -> tuple[np.ndarray, np.ndarray]:
        """x `(4,)` and y `(4,)` of the corners."""
        columns = np.array([0, self.width, 0, self.width])
        rows = np.array([0, 0, self.height, self.height])
        t = self.transform
        return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f


def _stored_transform(raster: xr.DataArray) -> Affine:
    # Not `raster.rio.transform()`: it works the transform out of the coordinates, with their rounding.
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
