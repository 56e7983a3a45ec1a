"""Square patches of a raster around sample points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import SamplesError
from geosoil.samples.extract import choose_points, locate_points, shared_pixels, windows_around

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr


@dataclass(frozen=True)
class SamplePatches:
    """Patches at samples, one row per sample.

    Attributes
    ----------
    ids : ndarray of shape (sample,), str
    patches : ndarray of shape (sample, band, size, size), float32
        The pixel of the sample is in the middle; NaN where there is no data.
    bands : ndarray of shape (band,), str
    gap_counts : ndarray of shape (sample, band), int
        Pixels without data in each patch.
    notes : list of str
        One sentence per remark on the samples.
    """

    ids: np.ndarray
    patches: np.ndarray
    bands: np.ndarray
    gap_counts: np.ndarray
    notes: list[str]


def extract_patches(
    raster: xr.DataArray,
    points: gpd.GeoDataFrame,
    *,
    size: int,
    sample_id: str,
    on_missing: Literal["stop", "drop"] = "stop",
) -> SamplePatches:
    """Cut a patch of `size` x `size` pixels around the pixel that contains each point.

    Beyond the edge of the raster a patch contains the mirror image (d c b a | a b c d), as the blocks of a map do.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
        Only windows around the points are read.
    points : GeoDataFrame
        Points with a CRS; they are reprojected to that of the raster.
    size : int
        Side of a patch in pixels, odd.
    sample_id : str
        The column of ids.
    on_missing : {"stop", "drop"}
        Whether points outside the raster, or on a pixel where any band has no data, are an error or are dropped. Gaps
        elsewhere in a patch remain NaN and are counted.

    Returns
    -------
    SamplePatches

    Raises
    ------
    SamplesError
        If the size is even or larger than the raster, the raster or the points have no CRS, points are missing and
        `on_missing` is "stop", or fewer than two points remain.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> values = np.arange(16, dtype="float32").reshape(1, 4, 4)
    >>> raster = make_raster(values, names=["b"], crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 120))
    >>> points = gpd.GeoDataFrame({"id": ["p", "q"]}, geometry=gpd.points_from_xy([45, 5], [75, 115]), crs="EPSG:32633")
    >>> extract_patches(raster, points, size=3, sample_id="id").patches[:, 0].astype(int).tolist()
    [[[0, 1, 2], [4, 5, 6], [8, 9, 10]], [[0, 0, 1], [0, 0, 1], [4, 4, 5]]]
    """
    where = raster.attrs.get("source") or "raster"
    _, height, width = raster.shape
    if size < 1 or size % 2 == 0 or size > min(height, width):
        raise SamplesError(
            where,
            found=f"patches of {size} x {size} pixels on a raster of {height} x {width}",
            expected="an odd size, not larger than the raster",
            way_out="change the patch size, for instance to 9 or 15",
        )
    ids = points[sample_id].to_numpy(dtype=object)
    rows, columns, notes = locate_points(raster, points, what="raster")
    patches = read_patches(raster, rows, columns, size // 2)
    outside = rows < 0
    centre = np.isnan(patches[:, :, size // 2, size // 2])
    empty = ~outside & centre.all(axis=1)
    kinds = {
        "outside the raster": outside,
        "on no data": empty,
        "on pixels where some bands have no data": ~outside & ~empty & centre.any(axis=1),
    }
    kept, dropped = choose_points(ids, kinds, where=where, on_missing=on_missing, what="patch")
    notes += [*dropped, *shared_pixels(ids[kept], rows[kept], columns[kept])]
    if not kept.all():
        patches = patches[kept]
    gap_counts = np.isnan(patches).sum(axis=(2, 3))
    if gap_counts.any():
        share = gap_counts.sum() / patches.size
        n_patches = np.count_nonzero(gap_counts.any(axis=1))
        notes.append(f"{n_patches} of {len(patches)} patches have gaps, {share:.2%} of all their values")
    return SamplePatches(ids[kept], patches, raster["band"].values, gap_counts, notes)


def read_patches(raster: xr.DataArray, rows: np.ndarray, columns: np.ndarray, half: int) -> np.ndarray:
    """Read patches `(n, band, size, size)` of `half` pixels on every side of a pixel; NaN where rows are -1."""
    count, height, width = raster.shape
    patches = np.full((rows.size, count, 2 * half + 1, 2 * half + 1), np.nan, np.float32)
    steps = np.arange(-half, half + 1)
    for members, window, top, left in windows_around(raster, rows, columns, margin=half):
        # A mirrored pixel is as near to the edge as the one that it replaces, and so within the clipped window.
        down = _mirrored(rows[members, None] + steps, height) - top
        across = _mirrored(columns[members, None] + steps, width) - left
        patches[members] = window[:, down[:, :, None], across[:, None, :]].swapaxes(0, 1)
    return patches


def _mirrored(numbers: np.ndarray, length: int) -> np.ndarray:
    """Replace rows or columns beyond the edge, by at most `length`, with their mirror images."""
    numbers = np.where(numbers < 0, -1 - numbers, numbers)
    return np.where(numbers >= length, 2 * length - 1 - numbers, numbers)
