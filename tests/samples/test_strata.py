"""The shares of strata: pixels of a raster are counted by their area, and a raster of values is refused."""

import numpy as np
import pytest
from rasterio import Affine
from written_rasters import write_raster

from geosoil.errors import RasterError
from geosoil.samples import strata
from geosoil.samples.strata import shares_of_raster

DEGREES = {"crs": "EPSG:4326", "transform": Affine(1, 0, 10, 0, -1, 60.5)}


def test_pixels_are_counted_in_strips_without_those_of_no_data(tmp_path, monkeypatch):
    codes = np.repeat([[1], [2], [2], [0], [2]], 4, axis=1).astype("uint8")
    monkeypatch.setattr(strata, "_STRIP_PIXELS", 8)
    assert shares_of_raster(write_raster(tmp_path / "a.tif", codes[None], nodata=0)) == {"1": 0.25, "2": 0.75}


def test_pixels_in_degrees_count_with_the_cosine_of_their_latitude(tmp_path):
    codes = np.repeat([7, 8], [1, 60]).astype("uint8")[:, None]  # rows from 60 degrees north to the equator
    shares = shares_of_raster(write_raster(tmp_path / "a.tif", codes[None], **DEGREES))
    areas = np.cos(np.radians(np.arange(60, -1, -1)))
    assert shares == pytest.approx({"7": areas[0] / areas.sum(), "8": areas[1:].sum() / areas.sum()})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.arange(2000, dtype="float32").reshape(1, 40, 50), "more than 1000 different values"),
        (np.full((1, 4, 4), np.nan, "float32"), "no data in any pixel"),
        (np.ones((2, 4, 4), "float32"), "2 bands"),
    ],
)
def test_a_raster_without_codes_is_refused(tmp_path, values, message):
    with pytest.raises(RasterError, match=message):
        shares_of_raster(write_raster(tmp_path / "a.tif", values))
