"""The exact statistics of the bands of a file, and the tags that hold them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.windows import Window

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from rasterio.io import DatasetReader

BINS = 65_536  # of the histogram for percentiles
READERS = 2  # threads that read a finished file
WINDOW_BYTES = 4 * 2**20  # that each of them reads at once
PERCENTILES = ("GEOSOIL_P2", "GEOSOIL_P98")  # tags of a band: the limits of its colours


@dataclass(frozen=True)
class BandStatistics:
    """Exact statistics of the valid pixels of one band, in its unit; NaN if no pixel is valid.

    The percentiles p2 and p98 are exact to 1/65536 of the range; the standard deviation is divided by n, as in GDAL.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    mean: float
    std: float
    p2: float
    p98: float
    valid_count: int


def compute_statistics(path: Path, limits: np.ndarray) -> tuple[BandStatistics, ...]:
    """Return the exact statistics of each band of a GeoTIFF, from one pass over its windows in a fixed order.

    Parameters
    ----------
    path : Path
        A GeoTIFF of float32, NaN = no data.
    limits : ndarray of shape (2, n_bands)
        The smallest and the largest value of each band.
    """

    def of_band(number: int) -> BandStatistics:
        with rasterio.open(path) as source:
            name, unit = source.descriptions[number - 1], source.units[number - 1] or ""
            return _band_statistics(source, number, name, unit, *limits[:, number - 1].tolist())

    with rasterio.open(path) as source, ThreadPoolExecutor(READERS) as pool:
        return tuple(pool.map(of_band, source.indexes))


def _band_statistics(
    source: DatasetReader, number: int, name: str, unit: str, minimum: float, maximum: float
) -> BandStatistics:
    count, total, squares, pivot = 0, 0.0, 0.0, np.nan
    histogram = np.zeros(BINS, dtype=np.int64)
    for window in tile_windows(source, 1):
        values = source.read(number, window=window)
        valid = ~np.isnan(values)
        # Nearly all windows of a scene are whole, and a copy by a mask takes longer than the sums.
        values = (values.ravel() if valid.all() else values[valid]).astype(np.float64)
        if not values.size:
            continue
        if not count:  # sums of differences from a value near the mean lose no digits
            pivot = float(values.mean())
        count += values.size
        values -= pivot
        total += float(values.sum())
        squares += float(np.einsum("i,i->", values, values))  # without a temporary array
        values -= minimum - pivot
        values *= BINS / (maximum - minimum) if maximum > minimum else 0.0
        bins = values.astype(np.int32)
        del values
        histogram += np.bincount(np.clip(bins, 0, BINS - 1, out=bins), minlength=BINS)
    if count == 0:
        nan = float("nan")
        return BandStatistics(name, unit, nan, nan, nan, nan, nan, nan, 0)
    offset = total / count
    std = max(squares / count - offset**2, 0.0) ** 0.5
    ranks = np.searchsorted(np.cumsum(histogram), [np.ceil(0.02 * count), np.ceil(0.98 * count)])
    p2, p98 = minimum + (ranks + 0.5) * (maximum - minimum) / BINS
    return BandStatistics(name, unit, minimum, maximum, pivot + offset, std, float(p2), float(p98), count)


def tile_windows(source: DatasetReader, bands: int) -> Iterator[Window]:
    """Divide a dataset into windows of complete tiles with at most `WINDOW_BYTES` for `bands` bands, or one tile."""
    high, wide = source.block_shapes[0]
    wide *= max(WINDOW_BYTES // (4 * bands * high * wide), 1)
    for y0, x0 in product(range(0, source.height, high), range(0, source.width, wide)):
        yield Window(x0, y0, min(wide, source.width - x0), min(high, source.height - y0))


def statistics_tags(band: BandStatistics, pixels: int) -> dict[str, str]:
    """Return the statistics of a band of `pixels` pixels as tags: those of GDAL, and the percentiles."""
    tags = {"STATISTICS_VALID_PERCENT": f"{100 * band.valid_count / pixels:.6g}"}
    if band.valid_count:
        numbers = {"MINIMUM": band.minimum, "MAXIMUM": band.maximum, "MEAN": band.mean, "STDDEV": band.std}
        tags |= {f"STATISTICS_{name}": repr(number) for name, number in numbers.items()}
        tags |= dict(zip(PERCENTILES, (repr(band.p2), repr(band.p98)), strict=True))
    return tags


def read_statistics(path: str | os.PathLike[str]) -> list[BandStatistics] | None:
    """Return the statistics that `write_cog` stored in a file, or None for a file without them.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from affine import Affine
    >>> from geosoil.io.rasters.cog import write_cog
    >>> from geosoil.raster.layout import make_raster
    >>> soc = make_raster(np.array([[[1, 3, np.nan]]], "float32"), names=["soc"], crs="EPSG:32633",
    ...                   transform=Affine(30, 0, 0, 0, -30, 60), units="%")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_cog(soc, f"{folder}/soc.tif").path
    ...     read_statistics(path)[0].maximum
    3.0
    """
    bands = []
    names = ("STATISTICS_MINIMUM", "STATISTICS_MAXIMUM", "STATISTICS_MEAN", "STATISTICS_STDDEV", *PERCENTILES)
    with rasterio.open(path) as source:
        for number in source.indexes:
            tags = source.tags(number)
            if "STATISTICS_VALID_PERCENT" not in tags:
                return None
            count = round(float(tags["STATISTICS_VALID_PERCENT"]) / 100 * source.width * source.height)
            if count and not all(name in tags for name in names):
                return None
            low, high, mean, std, p2, p98 = (float(tags.get(name, "nan")) for name in names)
            name, unit = source.descriptions[number - 1] or "", source.units[number - 1] or ""
            bands.append(BandStatistics(name, unit, low, high, mean, std, p2, p98, count))
    return bands
