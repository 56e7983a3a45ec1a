"""The exact statistics of a band, and the tags that hold them in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import rasterio

if TYPE_CHECKING:
    import os

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
