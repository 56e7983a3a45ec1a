"""A cube is checked against the model before the first pixel, and the differences are reported."""

import numpy as np
import pytest
from small_cube import WAVELENGTH_NM, trained_model, write_cube
from written_rasters import TRANSFORM, UTM, write_raster

from geosoil.errors import GridError, UnitsError, WavelengthError
from geosoil.estimators.ridge import Ridge
from geosoil.mapping.job import map_model
from geosoil.mapping.match import match_bands
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.raster.layout import make_raster
from geosoil.sensors.cube import open_cube


@pytest.fixture(scope="module")
def model():
    return trained_model()


def test_only_the_bands_that_the_model_uses_are_asked_for(tmp_path, model):
    match = match_bands(model, open_cube(write_cube(tmp_path / "c.tif")))
    assert len(match.bands) == len(model.features) < 100
    assert match.notes == ()


def test_a_shift_within_the_tolerance_is_taken_and_said(tmp_path, model):
    match = match_bands(model, open_cube(write_cube(tmp_path / "c.tif", wavelength_nm=WAVELENGTH_NM + 1.5)))
    assert match.notes == ("bands are within 1.50 nm of those of the model",)


@pytest.mark.parametrize(("fwhm_nm", "is_noted"), [(8.0, True), (100.0, False), (250.0, True), (np.nan, False)])
def test_bands_of_quite_another_width_than_those_of_the_model_are_noted(fwhm_nm, is_noted):
    features = tuple(Feature(f"{nm} nm", nm, 115.0) for nm in (842.0, 1610.0, 2190.0))
    model = PixelModel(Ridge().fit(np.eye(3, dtype=np.float32), np.arange(3.0)), features, (Target("soc", "%"),))
    cube = make_raster(
        np.full((3, 2, 2), 0.3, "float32"), names=["a", "b", "c"], crs=UTM, transform=TRANSFORM,
        wavelength_nm=[842.0, 1610.0, 2190.0], fwhm_nm=[fwhm_nm] * 3,
    )  # fmt: skip
    notes = [f"3 of 3 bands are much wider or narrower than those of the model (842 nm: {fwhm_nm:.3g} against 115 nm)"]
    assert list(match_bands(model, cube).notes) == (notes if is_noted else [])


def test_another_grid_of_bands_is_interpolated_and_said(tmp_path, model):
    wave = np.linspace(400, 2450, 150)
    curve = 0.1 + 0.3 * (wave - 400) / 2050
    values = np.rint(np.broadcast_to(curve[:, None, None], (150, 4, 4)) * 1e4).astype(np.int16)
    cube = open_cube(write_cube(tmp_path / "c.tif", values=values, shape=(4, 4), wavelength_nm=wave))
    match = match_bands(model, cube)
    assert "interpolated linearly" in match.notes[0]
    expected = model.predict_rows(
        np.interp([f.wavelength_nm for f in model.features], wave, curve)[None].astype(np.float32)
    )[0, 0]
    mapped = map_model(match.model, cube, bands=match.bands).values[0]
    assert mapped[1, 1] == pytest.approx(expected, abs=0.2)  # values on disk are rounded to 1e-4


def test_a_cube_that_ends_before_the_models_bands_is_refused(tmp_path, model):
    short = WAVELENGTH_NM[:60]
    cube = open_cube(
        write_cube(tmp_path / "c.tif", values=np.full((60, 4, 4), 2000, np.int16), shape=(4, 4), wavelength_nm=short)
    )
    with pytest.raises(WavelengthError, match=r"420 to 1600 nm without \d+ that the model needs"):
        match_bands(model, cube)


def test_a_gap_in_the_cube_is_not_interpolated_over(tmp_path, model):
    needed = model.features[len(model.features) // 2].wavelength_nm
    wave = WAVELENGTH_NM[np.abs(WAVELENGTH_NM - needed) > 30]
    values = np.full((len(wave), 4, 4), 2000, np.int16)
    cube = open_cube(write_cube(tmp_path / "c.tif", values=values, shape=(4, 4), wavelength_nm=wave))
    with pytest.raises(WavelengthError, match=f"{needed:.0f}"):
        match_bands(model, cube)


def test_a_cube_without_wavelengths_is_refused(tmp_path):
    path = write_raster(tmp_path / "c.tif", np.full((100, 4, 4), 2000, np.int16))
    with pytest.raises(WavelengthError, match="--bands"):
        open_cube(path)


@pytest.mark.parametrize(("scale", "name"), [((1.0,), "numbers"), ((1e-2,), "percent")])
def test_percent_and_digital_numbers_are_refused(tmp_path, model, scale, name):
    cube = open_cube(write_cube(tmp_path / "c.tif", scales=scale * 100))
    with pytest.raises(UnitsError, match=r"--scale 0\.01"):
        match_bands(model, cube)


def test_a_darker_scene_is_not_mistaken_for_another_unit(tmp_path, model):
    cube = open_cube(write_cube(tmp_path / "c.tif", scales=(0.4e-4,) * 100))
    assert match_bands(model, cube).bands


@pytest.mark.parametrize(("middle", "edge", "is_refused"), [(0.0, 0.3, False), (0.002, 0.3, False), (np.nan, 30, True)])
def test_units_are_those_of_the_whole_cube_where_its_middle_is_water_or_has_no_data(middle, edge, is_refused):
    values = np.full((1, 200, 200), edge, np.float32)
    values[:, 50:150, 50:150] = middle  # where the windows are that are looked at first
    cube = make_raster(values, names=["a"], crs=UTM, transform=TRANSFORM, wavelength_nm=[650.0])
    model = reading(Feature("a", 650.0, None, 0.1, 0.5))
    if is_refused:
        with pytest.raises(UnitsError, match=r"found values around 30; expected reflectance as at training"):
            match_bands(model, cube)
    else:
        assert match_bands(model, cube).bands == ("a",)


def reading(*features):
    """A model that reads these features and is never run."""
    model = PixelModel(None, features, (Target("y", ""),))
    model.__dict__["features"] = features
    return model


def cube_of(names, wavelength_nm):
    values = np.full((len(names), 2, 2), 0.3, np.float32)
    return make_raster(values, names=names, crs=UTM, transform=TRANSFORM, wavelength_nm=wavelength_nm)


def test_bands_of_one_wavelength_are_told_apart_by_their_names():
    names = ("993.081 nm (band 144)", "993.081 nm (band 151)")
    match = match_bands(reading(*(Feature(name, 993.081) for name in names[::-1])), cube_of(names, [993.081, 993.081]))
    assert match.bands == names[::-1]


def test_one_band_never_stands_for_two():
    model = reading(Feature("a", 999.6), Feature("b", 1000.4))
    match = match_bands(model, cube_of(["x", "y", "z"], [990.0, 1000.0, 1010.0]))
    assert "interpolated linearly" in match.notes[0]


def test_radiance_is_refused(tmp_path, model):
    cube = open_cube(write_cube(tmp_path / "c.tif")).assign_attrs(units="W m-2 sr-1 um-1")
    with pytest.raises(UnitsError, match="W m-2 sr-1 um-1"):
        match_bands(model, cube)


def test_a_cube_without_crs_is_refused(tmp_path, model):
    with pytest.raises(GridError, match="no CRS"):
        match_bands(model, open_cube(write_cube(tmp_path / "c.tif", crs=None)))
