"""A small DESIS level-2A product with planted values, in the layout that readers of real products describe."""

import numpy as np
from sensors.products.planted import pixels_of, planted, write_tiff

NAME = "DESIS-HSI-L2A-DT1203190212_025-20191203T021128-V0210"
QUALITY_BANDS = ("shadow", "land", "snow", "haze_land", "haze_water", "cloud_land", "cloud_water", "water", "aot", "wv")
NODATA = -32768


def desis_nm(count):
    """Return the centres in nm of the first bands."""
    return np.round(401.275 + 2.553 * np.arange(count), 3)


def desis_xml(count, *, gain=1e-4, offset=0.0, nm=None, background=NODATA):
    """Return the metadata; interiorOrientation has elements `band` too, as in real products."""
    nm = desis_nm(count) if nm is None else nm
    bands = "".join(
        f"<band><bandNumber>{i}</bandNumber><wavelengthCenterOfBand>{centre}</wavelengthCenterOfBand>"
        f"<wavelengthWidthOfBand>{3.5 + 0.001 * i:.3f}</wavelengthWidthOfBand><gainOfBand>{gain}</gainOfBand>"
        f"<offsetOfBand>{offset}</offsetOfBand></band>"
        for i, centre in enumerate(nm, start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><hsi_doc xmlns="http://x"><base><level>L2A</level></base>'
        "<specific><sunZenithAngle>38.5</sunZenithAngle><sunAzimuthAngle>141.2</sunAzimuthAngle>"
        f"<backgroundValue>{background}</backgroundValue>"
        f"<bandCharacterisation>{bands}</bandCharacterisation>"
        "<interiorOrientation><band><bandNumber>1</bandNumber></band></interiorOrientation></specific>"
        "<base><temporalCoverage><startTime>2019-12-03T02:11:28.0Z</startTime></temporalCoverage></base></hsi_doc>"
    )


def write_desis(folder, *, count=235, shape=(12, 10), gain=1e-4, offset=0.0, name=NAME, ending="tif"):
    """Write a product and return its folder.

    The upper left pixel is background; of the second row, the first pixels are flagged, each by one quality band.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = planted(count, *shape)
    stored[:, 0, 0] = NODATA
    write_tiff(folder / f"{name}-SPECTRAL_IMAGE.{ending}", stored, dtype="int16", transform=pixels_of(30),
               interleave="pixel", compress="deflate")  # fmt: skip
    quality = np.zeros((10, *shape), "uint8")
    quality[1] = 1  # land
    for column in range(8):
        quality[column, 1, column] = 1
    quality[8:] = 42
    write_tiff(folder / f"{name}-QL_QUALITY-2.{ending}", quality, dtype="uint8", transform=pixels_of(30),
               names=QUALITY_BANDS)  # fmt: skip
    write_tiff(folder / f"{name}-QL_QUALITY.{ending}", np.zeros((2, *shape), "uint8"), dtype="uint8",
               transform=pixels_of(30))  # fmt: skip
    (folder / f"{name}-METADATA.xml").write_text(desis_xml(count, gain=gain, offset=offset))
    return folder
