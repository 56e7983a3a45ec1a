"""Small GeoTIFFs that name HySIS and have wavelengths in their tags; the layout of its products is not public."""

import numpy as np
from sensors.products.planted import pixels_of, planted, write_tiff

VNIR_NM, SWIR_NM = np.arange(400.0, 951.0, 10.0), np.arange(850.0, 2501.0, 15.0)


def write_hysis(folder, *, shape=(12, 10), tags="bands", name="HySIS_20210311_L2"):
    """Write the images of both detectors and return their folder; the upper left pixel has no data.

    `tags` is "bands" for wavelengths in the tags of each band, or "file" for lists in the tags of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = 0
    for detector, nm in (("VNIR", VNIR_NM), ("SWIR", SWIR_NM)):
        stored = planted(first + len(nm), *shape)[first:]
        stored[:, 0, 0] = 0
        of_file = {"SATELLITE": "HYSIS", "SENSOR": f"HYSIS_{detector}"}
        of_bands = [{"wavelength": f"{centre:g}", "wavelength_units": "nm", "fwhm": "10"} for centre in nm]
        if tags == "file":
            of_file |= {"Wavelengths": ",".join(f"{centre / 1000:g}" for centre in nm), "wavelength_units": "um"}
            of_bands = []
        path = write_tiff(folder / f"{name}_{detector}.tif", stored, dtype="uint16", transform=pixels_of(30), nodata=0,
                          tags=of_file, band_tags=of_bands)  # fmt: skip
        import rasterio

        with rasterio.open(path, "r+") as made:
            made.scales = [1e-4] * len(nm)
        first += len(nm)
    return folder
