"""A small Landsat Collection 2 level-2 product with planted values: `*_SR_B*.TIF`, QA layers and MTL."""

import json

import numpy as np
from sensors.products.planted import pixels_of, planted, write_tiff

BANDS = {"LC08": (1, 2, 3, 4, 5, 6, 7), "LC09": (1, 2, 3, 4, 5, 6, 7), "LT05": (1, 2, 3, 4, 5, 7),
         "LE07": (1, 2, 3, 4, 5, 7)}  # fmt: skip
SPACECRAFT = {"LC08": "LANDSAT_8", "LC09": "LANDSAT_9", "LT05": "LANDSAT_5", "LE07": "LANDSAT_7"}
MULTIPLY, ADD = 2.75e-05, -0.2
# Bits of QA_PIXEL, one for each of the first pixels of the second row.
BITS = {0: "background", 1: "cloud", 2: "cirrus", 3: "cloud", 4: "cloud_shadow", 5: "snow", 7: "water"}


def scene_name(satellite):
    return f"{satellite}_L2SP_193024_20220724_20230628_02_T1"


def mtl_groups(satellite, *, multiply=MULTIPLY, add=ADD, collection="02", level="L2SP"):
    """Return the groups of the MTL; the level-1 group has the same keys with other values, as in real files."""
    name, bands = scene_name(satellite), BANDS[satellite]
    contents = {"COLLECTION_NUMBER": collection, "PROCESSING_LEVEL": level, "LANDSAT_PRODUCT_ID": name}
    contents |= {f"FILE_NAME_BAND_{band}": f"{name}_SR_B{band}.TIF" for band in bands}
    contents |= {"FILE_NAME_QUALITY_L1_PIXEL": f"{name}_QA_PIXEL.TIF",
                 "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION": f"{name}_QA_RADSAT.TIF"}  # fmt: skip
    scaling = {f"REFLECTANCE_MULT_BAND_{band}": multiply for band in bands}
    scaling |= {f"REFLECTANCE_ADD_BAND_{band}": add for band in bands}
    level_1 = {f"REFLECTANCE_MULT_BAND_{band}": 2e-05 for band in bands}
    level_1 |= {f"REFLECTANCE_ADD_BAND_{band}": -0.1 for band in bands}
    return {
        "PRODUCT_CONTENTS": contents,
        "IMAGE_ATTRIBUTES": {"SPACECRAFT_ID": SPACECRAFT[satellite], "DATE_ACQUIRED": "2022-07-24",
                             "SUN_ELEVATION": 55.25},
        "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS": scaling,
        "LEVEL1_RADIOMETRIC_RESCALING": level_1,
    }  # fmt: skip


def mtl_text(groups):
    """Return an MTL.txt: strings in quotes, dates and numbers without."""
    lines = ["GROUP = LANDSAT_METADATA_FILE"]
    for group, values in groups.items():
        lines.append(f"  GROUP = {group}")
        for key, value in values.items():
            quoted = isinstance(value, str) and not key.startswith("DATE_") and key != "COLLECTION_NUMBER"
            lines.append(f'    {key} = "{value}"' if quoted else f"    {key} = {value}")
        lines.append(f"  END_GROUP = {group}")
    return "\n".join([*lines, "END_GROUP = LANDSAT_METADATA_FILE", "END", ""])


def mtl_xml(groups):
    """Return an MTL.xml."""
    inside = "".join(
        f"<{group}>{''.join(f'<{key}>{value}</{key}>' for key, value in values.items())}</{group}>"
        for group, values in groups.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><LANDSAT_METADATA_FILE>{inside}</LANDSAT_METADATA_FILE>'


def write_landsat(folder, *, satellite="LC08", shape=(12, 10), mtl="txt", **values_of_mtl):
    """Write a product and return its folder.

    The upper left pixel has no data; in the second row, each pixel has one bit of QA_PIXEL; the first pixel of the
    third row is saturated in the first band.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name, bands = scene_name(satellite), BANDS[satellite]
    stored = planted(len(bands), *shape, low=9000)
    stored[:, 0, 0] = 0
    for number, one in zip(bands, stored, strict=True):
        write_tiff(folder / f"{name}_SR_B{number}.TIF", one[None], dtype="uint16", transform=pixels_of(30), nodata=0)
    quality = np.full(shape, 1 << 6)  # clear
    quality[0, 0] = 1
    for column, bit in enumerate(BITS):
        quality[1, column] = 1 << bit
    write_tiff(folder / f"{name}_QA_PIXEL.TIF", quality[None], dtype="uint16", transform=pixels_of(30), nodata=1)
    saturated = np.zeros(shape)
    saturated[2, 0] = 1
    write_tiff(folder / f"{name}_QA_RADSAT.TIF", saturated[None], dtype="uint16", transform=pixels_of(30))
    groups = mtl_groups(satellite, **values_of_mtl)
    text = {"txt": mtl_text(groups), "xml": mtl_xml(groups),
            "json": json.dumps({"LANDSAT_METADATA_FILE": {g: {k: str(v) for k, v in values.items()}
                                                          for g, values in groups.items()}})}[mtl]  # fmt: skip
    (folder / f"{name}_MTL.{mtl}").write_text(text)
    return folder
