"""Places that represent a map: the centres of cells on a regular lattice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.raster.grid import Grid
from geosoil.samples.extract import windows_around

if TYPE_CHECKING:
    import xarray as xr

MOST_BANDS_OF_PLACES = 4  # whose data decide which cells are mapped: reading all of them would take as long as a map
_DENSE = 0.8  # share of cells with data from which a lattice over the whole raster suffices


def regular_places(raster: xr.DataArray, n_places: int = 1000) -> np.ndarray:
    """Return places that cover the cells with data of a raster evenly.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
        A cube or a stack of covariates. Up to four of its bands are read at the cells of the lattice.
    n_places : int
        Approximate number of places; a small raster has fewer.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        x and y in the CRS of the raster.

    Raises
    ------
    SamplesError
        If the lattice has no cell with data.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> values = np.ones((1, 40, 40), "float32")
    >>> values[:, :, 20:] = np.nan
    >>> raster = make_raster(values, names=["b"], crs="EPSG:32633", transform=Affine(10, 0, 0, 0, -10, 400))
    >>> places = regular_places(raster, 50)
    >>> places.shape, float(places[:, 0].max())
    ((55, 2), 165.0)
    """
    n_bands, height, width = raster.shape
    chosen = raster.isel(band=np.unique(np.linspace(0, n_bands - 1, min(n_bands, MOST_BANDS_OF_PLACES)).astype(int)))
    spacing = max(1.0, float(np.sqrt(height * width / n_places)))
    rows, columns = _lattice(height, width, spacing)
    has_data = _has_data(chosen, rows, columns)
    share = has_data.mean()
    if 0 < share < _DENSE and spacing > 1:
        rows, columns = _lattice(height, width, max(1.0, spacing * float(np.sqrt(share))))
        has_data = _has_data(chosen, rows, columns)
    if not has_data.any():
        raise SamplesError(
            raster.attrs.get("source") or "raster",
            found=f"no data at {len(rows)} cells of a regular lattice",
            expected="cells with data, for which a map is made",
            way_out="crop the raster to the area of the map",
        )
    transform = Grid.of(raster).transform
    x, y = transform @ (columns[has_data] + 0.5, rows[has_data] + 0.5)
    return np.column_stack([x, y]).astype(np.float64)


def _lattice(height: int, width: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of a regular lattice of cells."""
    counts = [max(1, round(side / spacing)) for side in (height, width)]
    axes = [((np.arange(n) + 0.5) * side / n).astype(int) for n, side in zip(counts, (height, width), strict=True)]
    rows, columns = np.meshgrid(*axes, indexing="ij")
    return rows.ravel(), columns.ravel()


def _has_data(raster: xr.DataArray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return whether each cell has data in all bands, except bands that have none anywhere."""
    has_data = np.zeros((len(raster), len(rows)), bool)
    for members, window, top, left in windows_around(raster, rows, columns, margin=0):
        has_data[:, members] = np.isfinite(window[:, rows[members] - top, columns[members] - left])
    is_dead = ~has_data.any(axis=1)
    if is_dead.all():
        return np.zeros(len(rows), bool)
    return np.asarray(has_data[~is_dead].all(axis=0))
