"""A generated EnMAP level 2A product: names and XML as those of real ones, planted values and quality layers."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine
from rasterio.windows import Window

NAME = "ENMAP01-____L2A-DT0000001867_20220724T104526Z_008_V010302_20230628T165614Z"
CRS, TRANSFORM = "EPSG:32633", Affine(30, 0, 600_000, 0, -30, 5_800_000)
NODATA, GAIN = -32768, 1e-4
N_VNIR = 91
DEAD = (130, 131, 132, 133, 134, 135)  # numbers of bands without data, starting at 1
# The rectangle of each code, as shares of the height and the width: top, bottom, left, right.
PLACES = {
    ("QUALITY_CLOUD", 1): (0.1, 0.3, 0.5, 0.7),
    ("QUALITY_CLOUDSHADOW", 1): (0.2, 0.4, 0.6, 0.8),
    ("QUALITY_CIRRUS", 1): (0.5, 0.6, 0.1, 0.3),
    ("QUALITY_CIRRUS", 3): (0.6, 0.7, 0.1, 0.3),
    ("QUALITY_HAZE", 1): (0.7, 0.8, 0.3, 0.5),
    ("QUALITY_SNOW", 1): (0.8, 0.9, 0.5, 0.6),
    ("QUALITY_CLASSES", 2): (0.4, 0.8, 0.7, 0.8),
}


def bands_nm(count=224):
    """Return centres and widths in nm `(count,)`, VNIR and SWIR sorted together as in the products."""
    n_vnir = round(count * N_VNIR / 224)
    vnir, swir = np.linspace(418.24, 993.08, n_vnir), np.linspace(902.26, 2445.3, count - n_vnir)
    centre_nm = np.round(np.concatenate([vnir, swir]), 3)
    width_nm = np.round(np.concatenate([np.full(n_vnir, 6.9), np.full(count - n_vnir, 9.5)]), 4)
    order = np.argsort(centre_nm, kind="stable")
    return centre_nm[order], width_nm[order], np.where(order < n_vnir, "vnir", "swir")


def planted(bands, rows, columns, count=224):
    """Return the stored value (reflectance x 10000) of band numbers from 0, rows and columns, broadcast."""
    bands, rows, columns = (np.asarray(numbers, np.float64) for numbers in (bands, rows, columns))
    share = 0.5 + 0.5 * np.sin(0.037 * rows + 0.3) * np.cos(0.029 * columns)
    wave = bands / count
    spectrum = share * (0.1 + 0.4 * wave) + (1 - share) * (0.15 + 0.2 * np.sqrt(wave))
    return np.rint(1e4 * spectrum).astype(np.int16)


def outside(rows, columns, shape):
    """Return whether pixels lie outside the scene, in the corner of the raster at the upper left."""
    return rows / shape[0] + columns / shape[1] < 0.25


def codes(ending, shape):
    """Return the codes `(y, x)` of a quality layer."""
    layer = np.full(shape, 1 if ending == "QUALITY_CLASSES" else 0, np.uint8)
    for (name, code), (top, bottom, left, right) in PLACES.items():
        if name == ending:
            rows, columns = (
                slice(int(top * shape[0]), int(bottom * shape[0])),
                slice(int(left * shape[1]), int(right * shape[1])),
            )
            layer[rows, columns] = code
    if ending == "QUALITY_CLASSES":
        layer[outside(*np.ogrid[: shape[0], : shape[1]], shape)] = 3
    return layer


def xml(count=224, *, level="L2A", gain=GAIN, offset=0.0, number=lambda i: i, changes=(), dead=DEAD):
    """Return the XML; `changes` are pairs of texts, the old one replaced by the new one."""
    centre_nm, width_nm, detector = bands_nm(count)
    bands, statistics = [], []
    for i, (centre, width) in enumerate(zip(centre_nm, width_nm, strict=True), start=1):
        bands.append(
            f'<bandID number="{number(i)}"><wavelengthCenterOfBand>{centre}</wavelengthCenterOfBand><FWHMOfBand>{width}'
            f"</FWHMOfBand><GainOfBand>{gain}</GainOfBand><OffsetOfBand>{offset}</OffsetOfBand></bandID>"
        )
        mean, spread = (-1000000, 0) if i in dead else (2000 + i, 300)
        statistics.append(f'<bandID number="{i}"><mean>{mean}</mean><stdDeviation>{spread}</stdDeviation></bandID>')
    channels = {name: ",".join(str(i + 1) for i in np.flatnonzero(detector == name)) for name in ("vnir", "swir")}
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<base><level>{level}</level><temporalCoverage><startTime>2022-07-24T10:45:26.0Z</startTime></temporalCoverage>"
        "</base><specific><sunElevationAngle><upper_left>55</upper_left><center>54.5</center></sunElevationAngle>"
        f"<bandCharacterisation>{''.join(bands)}</bandCharacterisation>"
        + "".join(
            f"<{name}ProductQuality><expectedChannelsList>{numbers}</expectedChannelsList></{name}ProductQuality>"
            for name, numbers in channels.items()
        )
        + f"</specific><product><bandStatistics>{''.join(statistics)}</bandStatistics></product></level_X>"
    )
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    return text


def write_enmap(
    folder: Path,
    *,
    shape=(20, 30),
    count=224,
    cog=False,
    upper=True,
    layers=True,
    text=None,
    rows_at_once=256,
    **profile,
) -> Path:
    """Write the folder of a product; `cog` and `upper=False` name the files as other deliveries do."""
    folder.mkdir(parents=True)
    tiff, ending = ("_COG.tiff", ".xml") if cog else (".TIF", ".XML") if upper else (".tif", ".xml")
    (folder / f"{NAME}-METADATA{ending}").write_text(xml(count) if text is None else text)
    profile = {
        **{"driver": "GTiff", "crs": CRS, "transform": TRANSFORM, "width": shape[1], "height": shape[0]},
        **({"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"} if cog else {}),
        **profile,
    }
    with rasterio.open(
        folder / f"{NAME}-SPECTRAL_IMAGE{tiff}", "w", count=count, dtype="int16", nodata=NODATA, **profile
    ) as made:
        for top in range(0, shape[0], rows_at_once):
            rows = np.arange(top, min(top + rows_at_once, shape[0]))
            stored = planted(np.arange(count)[:, None, None], rows[None, :, None], np.arange(shape[1]), count)
            stored[:, outside(rows[:, None], np.arange(shape[1]), shape)] = NODATA
            stored[[number - 1 for number in DEAD if number <= count]] = NODATA
            made.write(stored, window=Window(0, top, shape[1], len(rows)))
    for name in dict.fromkeys(name for name, _ in PLACES) if layers else ():
        with rasterio.open(
            folder / f"{NAME}-QL_{name}{tiff}", "w", count=1, dtype="uint8", **{**profile, "interleave": "band"}
        ) as made:
            made.write(codes(name, shape), 1)
    return folder
