"""What is strange about the values of an input is an error or a warning, and plain soil is neither."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from written_rasters import TRANSFORM, UTM

from geosoil.errors import RasterError
from geosoil.io.rasters.statistics import BandStatistics
from geosoil.mapping.job import map_model, prepare_map
from geosoil.mapping.value_checks import background_pixels, beyond_contents, check_values, explain_empty
from geosoil.models.contract import Feature, Target
from geosoil.models.joint import JointModel
from geosoil.models.pixel import PixelModel
from geosoil.raster.layout import make_raster

WAVES = np.linspace(450, 2300, 8)
NAMES = [f"B{k}" for k in range(8)]


def cube(change=None, *, wavelengths=True):
    """A cube of rising spectra from 0.1 to 0.4, after a change of its values `(8, 40, 40)`."""
    rng = np.random.default_rng(0)
    values = np.linspace(0.1, 0.4, 8)[:, None, None] * rng.uniform(0.9, 1.1, (1, 40, 40))
    values = values.astype(np.float32)
    if change is not None:
        change(values)
    return make_raster(
        values, names=NAMES, crs=UTM, transform=TRANSFORM, wavelength_nm=list(WAVES) if wavelengths else None
    )


def model(low=0.05, high=0.5):
    fitted = LinearRegression().fit(np.eye(8), np.arange(1.0, 9.0))
    features = tuple(Feature(name, nm, 10.0, low, high) for name, nm in zip(NAMES, WAVES.tolist(), strict=True))
    return PixelModel(fitted, features, (Target("som", "%"),))


def job(raster, **options):
    return prepare_map(model(**options), raster)


def test_plain_soil_is_neither_noted_nor_warned_of():
    assert check_values(job(cube())) == ((), ())


@pytest.mark.parametrize("value", [0.0, -0.9999, 6.5535, -0.9999e-4, 0.3])
def test_one_value_in_all_bands_of_a_cube_becomes_no_data(value):
    def fill(values):
        values[:, 3, 4] = value

    mapped = map_model(model(), cube(fill)).values[0]
    assert np.isnan(mapped[3, 4]) and np.isnan(mapped).sum() == 1
    covariates = map_model(model(), cube(fill, wavelengths=False)).values[0]
    assert np.isfinite(covariates).all()


@pytest.mark.parametrize(
    ("spectrum", "is_background"),
    [
        ((0.3,) * 5, False),
        ((0.3,) * 6, True),
        ((0.0,) * 2, True),
        ((-1.0,), False),
        ((0.3, 0.3, 0.3, 0.3, 0.3, 0.31, 0.3), False),
        ((np.nan,) * 7, False),
    ],
)
def test_few_bands_are_background_only_at_zero_or_below(spectrum, is_background):
    assert background_pixels(np.array(spectrum)[:, None]).tolist() == [is_background]


def test_a_band_without_data_is_an_error_that_names_it():
    def empty(values):
        values[[2, 5]] = np.nan

    with pytest.raises(RasterError, match=r"no data at all in bands B2, B5, .*geosoil train"):
        check_values(job(cube(empty)))


def test_a_band_with_data_outside_the_sampled_windows_is_not_empty(monkeypatch):
    def nearly_empty(values):
        values[2] = np.nan
        values[2, 39, 39] = 0.2

    monkeypatch.setattr("geosoil.mapping.value_checks.probe_values", lambda raster: raster.values[:, :8].reshape(8, -1))
    assert check_values(job(cube(nearly_empty))) == ((), ())


def test_a_band_with_data_in_its_first_row_only_is_not_empty(monkeypatch):
    def nearly_empty(values):
        values[2] = np.nan
        values[2, 0, 39] = 0.2

    monkeypatch.setattr("geosoil.mapping.value_checks.probe_values", lambda raster: raster.values[:, 8:].reshape(8, -1))
    assert check_values(job(cube(nearly_empty))) == ((), ())


def test_an_error_names_the_file_and_at_most_five_bands():
    raster = cube(lambda values: values[1:7].fill(np.nan))
    raster.attrs["source"] = "scene.tif"
    with pytest.raises(RasterError, match=r"^scene\.tif: .* in bands B1, B2, B3, B4, B5, \.\.\., which"):
        check_values(job(raster))
    assert str(explain_empty(job(raster), 0)).startswith("scene.tif: ")
    assert str(explain_empty(job(cube()), 0)).startswith("raster: ")


@pytest.mark.parametrize(("sampled", "n_warnings"), [(99, 0), (100, 1)])
def test_a_band_is_called_constant_from_100_pixels_on(monkeypatch, sampled, n_warnings):
    raster = cube(lambda values: values[4].fill(0.25))
    pixels = raster.values.reshape(8, -1)[:, :sampled]
    monkeypatch.setattr("geosoil.mapping.value_checks.probe_values", lambda raster: pixels)
    assert len(check_values(job(raster))[1]) == n_warnings


@pytest.mark.parametrize(("n_bright", "n_warnings"), [(3, 0), (4, 1)])
def test_a_scene_is_foreign_from_half_of_the_bands_on(n_bright, n_warnings):
    notes, warnings = check_values(job(cube(lambda values: values[:n_bright].fill(0.9))))
    assert (len(notes), sum("unlike those" in text for text in warnings)) == (1 - n_warnings, n_warnings)


def test_a_band_of_one_value_among_bands_that_vary_is_warned_of():
    def dead(values):
        values[4] = 0.25

    _, (warning,) = check_values(job(cube(dead)))
    assert "one value in all sampled pixels of band B4" in warning


def test_pixels_outside_the_training_range_are_counted_and_a_foreign_scene_is_a_warning():
    def bright(values):
        values[7, :20] = 0.9  # half of the 40 rows

    (note,), warnings = check_values(job(cube(bright)))
    assert "50% are outside the training range in one band or more, 50% in B7 (training 0.05 to 0.5)" in note
    assert warnings == ()
    _, (warning,) = check_values(job(cube(), low=0.5, high=0.6))
    assert "100% are outside" in warning and "unlike those that it learned from" in warning


def test_the_ranges_of_each_of_several_models_are_compared():
    read = (tuple(Feature(name) for name in NAMES), tuple(Feature(name) for name in NAMES))
    joint = JointModel((model(), model(low=0.5, high=0.6)), read, ("near", "far"))
    _, (warning,) = check_values(prepare_map(joint, cube(), bands=NAMES))
    assert warning.startswith("far: of the sampled pixels")


def test_an_empty_map_names_its_cause():
    def empty(values):
        values[:] = np.nan

    assert "no pixel with data in all bands" in str(explain_empty(job(cube(empty)), 0))
    assert "--nodata" in str(explain_empty(job(cube(empty)), 7))
    mask = cube(lambda values: values.fill(0)).isel(band=[0])
    assert "the mask" in str(explain_empty(prepare_map(model(), cube(), mask=mask), 0))


@pytest.mark.parametrize("code", [-9999, -32768, 65535, -3.4028234663852886e38, 1e20])
def test_a_code_of_voids_that_no_covariate_declares_is_warned_of(code):
    def fill(values):
        values[[1, 5], :20] = code

    _, (warning,) = check_values(job(cube(fill, wavelengths=False)))
    assert warning.startswith(f"50% of the sampled pixels of bands B1, B5 are exactly {code}, which the file does not")
    assert f"gdal_edit.py -a_nodata {code} FILE" in warning


def test_values_of_covariates_that_only_look_like_codes_are_not_warned_of():
    def depths(values):
        values[2] = np.linspace(-9000, 0, 1600).round().reshape(40, 40)
        values[2, 0, 0] = -9999
        values[3] = np.linspace(0, 65535, 1600).reshape(40, 40)

    assert check_values(job(cube(depths, wavelengths=False))) == ((), ())


def test_a_covariate_that_is_nothing_but_a_code_is_warned_of():
    _, (warning,) = check_values(job(cube(lambda values: values[6].fill(-9999), wavelengths=False)))
    assert warning.startswith("100% of the sampled pixels of band B6 are exactly -9999")


@pytest.mark.parametrize(
    ("low", "high", "is_reported"),
    [(5.0, 25.0, False), (4.9, 20.0, True), (10.0, 25.1, True), (10.0, 20.0, False)],
)
def test_predictions_half_the_range_of_the_samples_beyond_it_are_reported(low, high, is_reported):
    band = BandStatistics("soc", "%", low, high, 15.0, 3.0, 10.0, 20.0, 100)
    lines = beyond_contents([band], {"soc": (10.0, 20.0)})
    assert bool(lines) == is_reported
    assert beyond_contents([band], {"clay": (10.0, 20.0)}) == ()
    if is_reported:
        assert ("at least 10 %" in lines[0]) == (low < 5) and ("at most 20 %" in lines[0]) == (high > 25)
