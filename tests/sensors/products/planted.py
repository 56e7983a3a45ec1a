"""What the generated products share: values that are a formula of band, row and column, and how they are written."""

import numpy as np
import rasterio
from affine import Affine

UTM = "EPSG:32633"
WEST, NORTH = 499_980.0, 5_800_020.0


def planted(bands, rows, columns, *, low=1000):
    """Return the whole numbers `(band, y, x)` of every product: no two neighbours are equal.

    >>> planted(2, 1, 2).tolist()
    [[[1000, 1003]], [[1037, 1040]]]
    """
    band, row, column = np.ogrid[:bands, :rows, :columns]
    return low + (37 * band + 11 * row + 3 * column) % 5000


def pixels_of(side_m):
    """Return the transform of pixels of a width in metres at the corner of all products."""
    return Affine(side_m, 0, WEST, 0, -side_m, NORTH)


def write_tiff(path, values, *, dtype, transform, crs=UTM, nodata=None, tags=None, band_tags=(), names=(), **options):
    """Write `(band, y, x)` as GeoTIFF; `band_tags` has a dict for each band."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="GTiff", width=width, height=height, count=count, dtype=dtype, crs=crs, transform=transform,
        nodata=nodata, **options,
    ) as made:  # fmt: skip
        made.write(values.astype(dtype))
        made.update_tags(**(tags or {}))
        for number, one in enumerate(band_tags, start=1):
            made.update_tags(number, **one)
        for number, one in enumerate(names, start=1):
            made.set_band_description(number, one)
    return path


def write_jp2(path, values, *, dtype, transform, crs=UTM):
    """Write `(1, y, x)` as lossless JPEG 2000."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = values.shape
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=width, height=height, count=count, dtype=dtype, crs=crs,
        transform=transform, QUALITY="100", REVERSIBLE="YES", YCBCR420="NO",
    ) as made:  # fmt: skip
        made.write(values.astype(dtype))
    return path
