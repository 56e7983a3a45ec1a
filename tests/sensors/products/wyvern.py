"""A small Wyvern Dragonette product with planted values, as the producer's data product guide describes it."""

import json

import numpy as np
from sensors.products.planted import pixels_of, planted, write_tiff

NAME = "wyvern_dragonette-003_20250508T092313_a60915a4"
STANDARD_NM = (503, 510, 519, 535, 549, 570, 584, 600, 614, 635, 649, 660, 669, 679, 690, 699, 711, 722, 734, 750, 764,
               782, 799)  # fmt: skip
NODATA = 65535


def stac_item(name, image, nm, *, level="L2A", scale=1e-4, nodata=NODATA):
    """Return the STAC item beside the image; wavelengths are in micrometres, as STAC has them."""
    bands = [
        {"name": f"Band_{centre:g}", "center_wavelength": centre / 1000, "full_width_half_max": centre * 0.04 / 1000}
        for centre in nm
    ]
    raster = [{"nodata": nodata, "data_type": "uint16", "unit": "", "scale": scale, "offset": 0}] * len(nm)
    return {
        "type": "Feature",
        "id": name,
        "properties": {"platform": "dragonette-003", "processing:level": level, "datetime": "2025-05-08T09:23:13Z",
                       "view:sun_elevation": 61.2},
        "assets": {
            "Cloud optimized GeoTiff": {"href": f"./{image}", "eo:bands": bands, "raster:bands": raster},
            "Data Mask": {"href": f"./{name}_data_mask.tiff", "eo:bands": [{"name": "QA_CLEAR_MASK"}]},
        },
    }  # fmt: skip


def write_wyvern(folder, *, nm=STANDARD_NM, shape=(12, 10), level="L2A", stac=True, version=2, name=NAME):
    """Write a product and return its folder.

    The upper left pixel has no data; in the second row, the first pixel is cloud, the second haze, the third shadow
    (version 1 of the mask has cloud only).
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{name}_{level.lower()}" if version == 2 else name
    image = f"{name}.tiff"
    stored = planted(len(nm), *shape)
    stored[:, 0, 0] = NODATA if level == "L2A" else -9999
    tags = [{"Wavelength": f"{centre:g}", "FWHM": f"{centre * 0.04:.2f}", "Wavelength_Units": "nm"} for centre in nm]
    values = stored if level == "L2A" else np.where(stored == -9999, -9999, stored / 100)
    write_tiff(folder / image, values, dtype="uint16" if level == "L2A" else "float32", transform=pixels_of(5),
               nodata=NODATA if level == "L2A" else -9999, band_tags=tags,
               names=[f"Band_{centre:g}" for centre in nm], compress="lzw")  # fmt: skip
    mask = np.zeros((4 if version == 2 else 2, *shape), "uint8")
    mask[0] = 1
    mask[1, 1, 0] = 1
    if version == 2:
        mask[2, 1, 1] = mask[3, 1, 2] = 1
    mask[0, 1, :3] = 0
    mask[:, 0, 0] = 255
    write_tiff(folder / f"{name}_data_mask.tiff", mask, dtype="uint8", transform=pixels_of(5), nodata=255)
    write_tiff(folder / f"{name}_pixel_quality_mask.tiff", np.zeros_like(stored), dtype="uint8",
               transform=pixels_of(5), nodata=255)  # fmt: skip
    if stac:
        (folder / f"{name}.json").write_text(json.dumps(stac_item(name, image, nm, level=level)))
    return folder
