"""A small Sentinel-2 level-2A product in SAFE layout with planted values, as JPEG 2000 at 10, 20 and 60 m."""

import numpy as np
from sensors.products.planted import NORTH, WEST, pixels_of, planted, write_jp2

SAFE = "S2A_MSIL2A_20220724T101559_N0400_R065_T33UUU_20220724T162258.SAFE"
GRANULE = "L2A_T33UUU_A037021_20220724T101601"
STAMP = "T33UUU_20220724T101559"
# Band: place in the list of the metadata, centre and width in nm, and the resolutions in which it is delivered.
BANDS = {
    "B01": (0, 442.7, 20.0, (20, 60)), "B02": (1, 492.7, 65.0, (10, 20, 60)), "B03": (2, 559.8, 35.0, (10, 20, 60)),
    "B04": (3, 664.6, 30.0, (10, 20, 60)), "B05": (4, 704.1, 14.0, (20, 60)), "B06": (5, 740.5, 14.0, (20, 60)),
    "B07": (6, 782.8, 19.0, (20, 60)), "B08": (7, 832.8, 105.0, (10,)), "B8A": (8, 864.7, 21.0, (20, 60)),
    "B09": (9, 945.1, 19.0, (60,)), "B10": (10, 1373.5, 29.0, ()), "B11": (11, 1613.7, 90.0, (20, 60)),
    "B12": (12, 2202.4, 174.0, (20, 60)),
}  # fmt: skip
SIDE_20 = 12  # pixels of 20 m


def stored_values(band, resolution, side_20=SIDE_20):
    """Return the numbers `(y, x)` of a band at a resolution in m; the corner of 60 m has no data."""
    side = side_20 * 20 // resolution
    values = planted(13, side, side)[BANDS[band][0]].copy()
    values[: 60 // resolution, : 60 // resolution] = 0
    return values


def scene_classes(resolution=20, side_20=SIDE_20):
    """Return the scene classification `(y, x)`: bare soil, no data in a corner, and the classes 0 to 11 in a row."""
    side = side_20 * 20 // resolution
    classes = np.full((side, side), 5)
    classes[: 60 // resolution, : 60 // resolution] = 0
    if resolution == 20:
        classes[5, :12] = np.arange(12)
    return classes


def response(band):
    """Return the first wavelength and the values in 1 nm of a response: a triangle around the centre."""
    _, centre, width, _ = BANDS[band]
    first = int(centre - width - 2)
    nm = np.arange(first, centre + width + 2)
    return first, np.clip(1 - np.abs(nm - centre) / width, 0, None)


def product_xml(*, baseline="04.00", offset=-1000, quantification=10000, images=(), responses=True, satellite="A"):
    """Return MTD_MSIL2A.xml; `offset=None` leaves the list of offsets out, as before baseline 04.00."""
    offsets = ""
    if offset is not None:
        items = "".join(f'<BOA_ADD_OFFSET band_id="{i}">{offset}</BOA_ADD_OFFSET>' for i, *_ in BANDS.values())
        offsets = f"<BOA_ADD_OFFSET_VALUES_LIST>{items}</BOA_ADD_OFFSET_VALUES_LIST>"
    spectral = ""
    for band, (number, centre, _, _) in BANDS.items():
        first, values = response(band)
        curve = f'<Spectral_Response><STEP unit="nm">1</STEP><VALUES>{" ".join(f"{v:.9f}" for v in values)}</VALUES>'
        spectral += (
            f'<Spectral_Information bandId="{number}" physicalBand="{band.replace("B0", "B")}">'
            f'<RESOLUTION>20</RESOLUTION><Wavelength><MIN unit="nm">{first}</MIN>'
            f'<MAX unit="nm">{first + len(values) - 1}</MAX>'
            f'<CENTRAL unit="nm">{centre}</CENTRAL></Wavelength>'
            f"{curve + '</Spectral_Response>' if responses else ''}</Spectral_Information>"
        )
    files = "".join(f"<IMAGE_FILE>{image}</IMAGE_FILE>" for image in images)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd">'
        "<n1:General_Info><Product_Info><PRODUCT_START_TIME>2022-07-24T10:15:59.024Z</PRODUCT_START_TIME>"
        f"<PRODUCT_URI>{SAFE}</PRODUCT_URI><PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL>"
        f"<PRODUCT_TYPE>S2MSI2A</PRODUCT_TYPE><PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>"
        f"<Datatake><SPACECRAFT_NAME>Sentinel-2{satellite}</SPACECRAFT_NAME></Datatake>"
        f'<Product_Organisation><Granule_List><Granule granuleIdentifier="S2A_OPER_MSI_L2A_TL_{GRANULE}_N04.00" '
        f'datastripIdentifier="x" imageFormat="JPEG2000">{files}</Granule></Granule_List></Product_Organisation>'
        '<Query_Options completeSingleTile="true"><PRODUCT_FORMAT>SAFE_COMPACT</PRODUCT_FORMAT></Query_Options>'
        "</Product_Info><Product_Image_Characteristics>"
        "<Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>"
        "</Special_Values><QUANTIFICATION_VALUES_LIST>"
        f'<BOA_QUANTIFICATION_VALUE unit="none">{quantification}</BOA_QUANTIFICATION_VALUE>'
        f"</QUANTIFICATION_VALUES_LIST>{offsets}"
        f"<Spectral_Information_List>{spectral}</Spectral_Information_List></Product_Image_Characteristics>"
        "</n1:General_Info></n1:Level-2A_User_Product>"
    )


def tile_xml(side_20):
    """Return MTD_TL.xml with the grid of the tile, which GDAL reads."""
    sizes = "".join(
        f'<Size resolution="{m}"><NROWS>{side_20 * 20 // m}</NROWS><NCOLS>{side_20 * 20 // m}</NCOLS></Size>'
        f'<Geoposition resolution="{m}"><ULX>{WEST:.0f}</ULX><ULY>{NORTH:.0f}</ULY><XDIM>{m}</XDIM><YDIM>-{m}</YDIM>'
        "</Geoposition>"
        for m in (10, 20, 60)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<n1:Level-2A_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/S2_PDI_Level-2A_Tile_Metadata.xsd">'
        f"<n1:General_Info><TILE_ID>S2A_OPER_MSI_L2A_TL_{GRANULE}_N04.00</TILE_ID></n1:General_Info>"
        "<n1:Geometric_Info><Tile_Geocoding><HORIZONTAL_CS_NAME>WGS84 / UTM zone 33N</HORIZONTAL_CS_NAME>"
        f"<HORIZONTAL_CS_CODE>EPSG:32633</HORIZONTAL_CS_CODE>{sizes}</Tile_Geocoding></n1:Geometric_Info>"
        "</n1:Level-2A_Tile_ID>"
    )


def write_sentinel2(folder, *, side_20=SIDE_20, name=SAFE, baseline="04.00", offset=-1000, satellite="A"):
    """Write a product into a folder and return the path of its SAFE folder; before baseline 04.00, B01 is at 60 m."""
    safe = folder / name
    images = []
    for band, (_, _, _, resolutions) in BANDS.items():
        for resolution in resolutions:
            if band == "B01" and resolution == 20 and offset is None:
                continue
            image = f"GRANULE/{GRANULE}/IMG_DATA/R{resolution}m/{STAMP}_{band}_{resolution}m"
            write_jp2(safe / f"{image}.jp2", stored_values(band, resolution, side_20)[None], dtype="uint16",
                      transform=pixels_of(resolution))  # fmt: skip
            images.append(image)
    for resolution in (20, 60):
        image = f"GRANULE/{GRANULE}/IMG_DATA/R{resolution}m/{STAMP}_SCL_{resolution}m"
        write_jp2(safe / f"{image}.jp2", scene_classes(resolution, side_20)[None], dtype="uint8",
                  transform=pixels_of(resolution))  # fmt: skip
        images.append(image)
    (safe / "MTD_MSIL2A.xml").write_text(
        product_xml(baseline=baseline, offset=offset, images=images, satellite=satellite)
    )
    (safe / "GRANULE" / GRANULE / "MTD_TL.xml").write_text(tile_xml(side_20))
    return safe
