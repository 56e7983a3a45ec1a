"""Maps of DESIS, Wyvern, HySIS, Landsat and Sentinel-2 products: the prediction of the model, in several blocks."""

import numpy as np
import pytest
import rasterio
from sensors.products.desis import write_desis
from sensors.products.hysis import write_hysis
from sensors.products.landsat import write_landsat
from sensors.products.model import save_product_model
from sensors.products.sentinel2 import write_sentinel2
from sensors.products.wyvern import write_wyvern

from geosoil.errors import UnitsError
from geosoil.sensors.cube import open_cube
from geosoil.workflows.map import map_cube

# The writer of each product, the bands of the model, and how many pixels each mask leaves out.
PRODUCTS = {
    "DESIS": (lambda folder: write_desis(folder, count=60), (5, 20, 55),
              "cloud_shadow 1, snow 1, haze 2, cloud 2, water 1"),
    "HYSIS": (write_hysis, (3, 30, 120), None),
    "LANDSAT_OLI": (lambda folder: write_landsat(folder, multiply=5e-5), range(7),
                    "background 2, cloud 2, cirrus 1, cloud_shadow 1, snow 1, water 1, saturated 1"),
    "LANDSAT_TM": (lambda folder: write_landsat(folder, satellite="LT05", multiply=5e-5), range(6),
                   "background 2, cloud 2, cloud_shadow 1, snow 1, water 1, saturated 1, invalid 0"),
    "SENTINEL2": (lambda folder: write_sentinel2(folder, offset=1000), range(11),
                  "background 10, saturated 1, cloud_shadow 1, water 1, cloud 2, cirrus 1, snow 1"),
    "WYVERN": (write_wyvern, (2, 11, 22), "cloud 1, haze 1, cloud_shadow 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_map_is_the_prediction_of_the_model_without_the_pixels_of_the_masks(tmp_path, name):
    write, bands, counts = PRODUCTS[name]
    path = write(tmp_path / "product")
    cube = open_cube(path)[list(bands)]
    fwhm_nm = cube.fwhm_nm.values
    model = save_product_model(tmp_path / "clay", cube.wavelength_nm.values, fwhm_nm=float(fwhm_nm.min()))
    rows = cube.values.reshape(len(fwhm_nm), -1).T
    inside = np.isfinite(rows).all(axis=1)
    expected = np.full(len(rows), np.nan)
    expected[inside] = model.predict_rows(rows[inside])[:, 0]
    made = map_cube(path, tmp_path / "clay", tmp_path / "map.tif", block=5)  # of 10 or 12 pixels
    with rasterio.open(made.path) as source:
        np.testing.assert_allclose(source.read(1).ravel(), expected, rtol=1e-5)
        assert source.tags().get("GEOSOIL_MASKED") == counts


def test_radiance_of_wyvern_is_not_mapped(tmp_path):
    path = write_wyvern(tmp_path / "product", level="L1B", version=1)
    save_product_model(tmp_path / "clay", [503.0, 600.0], fwhm_nm=20.0)
    with pytest.raises(UnitsError, match="found values in W m-2 sr-1 um-1; expected surface reflectance"):
        map_cube(path, tmp_path / "clay", tmp_path / "map.tif")
    assert not (tmp_path / "map.tif").exists()
