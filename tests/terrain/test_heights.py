"""Heights in feet and other units become metres, by the unit that the band or the vertical CRS states."""

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from dems import dem_of

from geosoil.errors import RasterError
from geosoil.io.rasters.reader import open_raster
from geosoil.terrain.flow import drain
from geosoil.terrain.heights import height_factor, metres_per_unit
from geosoil.terrain.slope import aspect, curvatures, slope
from geosoil.terrain.stack import terrain_stack
from geosoil_cli.terrain import command

pytestmark = pytest.mark.usefixtures("without_pictures")

FOOT, SURVEY_FOOT = 0.3048, 1200 / 3937
RISE = np.tan(np.deg2rad(10))
COMPOUND_WITHOUT_UNIT = "ENVI"  # whose driver does not repeat the unit of the vertical CRS


def write_plane(path, *, metres=1.0, cell=10.0, cell_m=10.0, crs="EPSG:32613", unit=None, driver="GTiff"):
    """Write a plane of 10 degrees whose heights are in a unit of `metres`."""
    heights = (100 + RISE * np.mgrid[:20, :20][1] * cell_m) / metres
    at = Affine(cell, 0, 1_600_000 if "6529" in crs else 500_000, 0, -cell, 1_700_000 if "6529" in crs else 4_500_000)
    with rasterio.open(
        path, "w", driver=driver, width=20, height=20, count=1, dtype="float32", crs=crs, transform=at
    ) as made:
        made.write(heights.astype("float32"), 1)
        if unit:
            made.set_band_unit(1, unit)
    return path


@pytest.mark.parametrize(
    ("unit", "metres"),
    [
        ("m", 1), ("metre", 1), ("Meters", 1), ("m a.s.l.", 1), ("metres (EGM96)", 1), ("ft", FOOT), ("feet", FOOT),
        ("Foot (International)", FOOT), ("US survey foot", SURVEY_FOOT), ("us-ft", SURVEY_FOOT),
        ("Foot_US", SURVEY_FOOT), ("ftUS", SURVEY_FOOT), ("dm", 0.1), ("cm", 0.01), ("mm", 0.001), ("km", 1000),
        ("yd", 0.9144), ("degrees", None), ("", None), ("%", None),
    ],
)  # fmt: skip
def test_units_of_length_are_known_as_rasters_write_them(unit, metres):
    assert metres_per_unit(unit) == metres


@pytest.mark.parametrize(
    ("options", "note"),
    [
        ({"unit": "metre"}, ""),
        ({"unit": "ft", "metres": FOOT}, "heights of ft became metres (x 0.3048)"),
        ({"unit": "US survey foot", "metres": SURVEY_FOOT}, "heights of US survey foot became metres (x 0.3048006)"),
        ({"unit": "cm", "metres": 0.01}, "heights of cm became metres (x 0.01)"),
        ({"crs": "EPSG:32613+6360", "metres": SURVEY_FOOT}, "heights of US survey foot became metres (x 0.3048006)"),
        (
            {"crs": "EPSG:32613+6360", "metres": SURVEY_FOOT, "driver": COMPOUND_WITHOUT_UNIT},
            "heights of US survey foot became metres (x 0.3048006)",
        ),
        (
            {"crs": "EPSG:6529+6360", "metres": SURVEY_FOOT, "cell": 30, "cell_m": 30 * SURVEY_FOOT},
            "heights of US survey foot became metres (x 0.3048006)",
        ),
        (
            {"crs": "EPSG:32613+6360", "unit": "m"},
            "the unit of the heights is m by the band and US survey foot by the vertical CRS",
        ),
        ({"unit": "gal"}, "the unit of the heights, gal, is not known: metres were assumed; else give --z-factor"),
        (
            {"crs": "EPSG:6529", "cell": 30, "cell_m": 30 * SURVEY_FOOT},
            "for heights in US survey foot, give --z-factor 0.3048006",
        ),
    ],
)
def test_a_plane_of_10_degrees_keeps_its_slope_whatever_its_unit_of_heights(tmp_path, options, note):
    dem = write_plane(tmp_path / "dem.img", **options)
    done = CliRunner().invoke(command, [str(dem), "-o", str(tmp_path / "t.tif")], catch_exceptions=False)
    assert note in done.output
    if not note:
        assert "the heights" not in done.output
    with rasterio.open(tmp_path / "t.tif") as made:
        assert made.read(1)[10, 10] == pytest.approx(10, abs=0.01)
        assert note in made.tags()["GEOSOIL_NOTES"]


def test_a_z_factor_of_the_user_replaces_the_unit_of_the_file(tmp_path):
    dem = write_plane(tmp_path / "dem.tif", metres=FOOT, unit="m")
    words = [str(dem), "-o", str(tmp_path / "t.tif"), "--z-factor", str(FOOT)]
    done = CliRunner().invoke(command, words, catch_exceptions=False)
    assert "of the heights" not in done.output
    with rasterio.open(tmp_path / "t.tif") as made:
        assert made.read(1)[10, 10] == pytest.approx(10, abs=0.01)
        assert made.tags()["GEOSOIL_Z_FACTOR"] == "0.3048"


def test_each_band_has_a_unit_of_its_own(tmp_path):
    path = tmp_path / "two.tif"
    heights = (RISE * np.mgrid[:9, :9][1] * 10).astype("float32")
    with rasterio.open(
        path, "w", driver="GTiff", width=9, height=9, count=2, dtype="float32", crs="EPSG:32613",
        transform=Affine(10, 0, 5e5, 0, -10, 4.5e6),
    ) as made:  # fmt: skip
        made.write(heights * 0, 1)
        made.write(heights / FOOT, 2)
        made.descriptions, made.units = ("ndvi", "height"), ("1", "ft")
    CliRunner().invoke(command, [str(path), "-o", str(tmp_path / "t.tif"), "--band", "height"], catch_exceptions=False)
    with rasterio.open(tmp_path / "t.tif") as made:
        assert made.read(1)[4, 4] == pytest.approx(10, abs=0.01)


def test_functions_of_an_opened_raster_convert_as_the_verb_does(tmp_path):
    feet = open_raster(write_plane(tmp_path / "ft.tif", metres=FOOT, unit="ft"))
    metres = open_raster(write_plane(tmp_path / "m.tif"))
    for function in (slope, aspect, curvatures, terrain_stack):
        np.testing.assert_allclose(function(feet).values, function(metres).values, rtol=1e-3, atol=1e-3)
        assert function(feet).attrs["notes"] == ("heights of ft became metres (x 0.3048)",)
        assert function(metres).attrs["notes"] == ()
    assert drain(feet).z_factor == FOOT


@pytest.mark.parametrize("z_factor", [0.0, -1.0, np.nan, np.inf])
def test_a_z_factor_that_is_not_positive_is_refused_by_every_function(z_factor):
    for function in (slope, drain, height_factor):
        with pytest.raises(RasterError, match="z-factor"):
            function(dem_of(np.zeros((3, 3))), z_factor=z_factor)
