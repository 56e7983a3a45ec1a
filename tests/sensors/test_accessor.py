"""`cube.soil` gives spectra, bands, colours and bare soil by known answers, and its plots are labelled."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import rasterio
from affine import Affine
from small_cube import WAVELENGTH_NM, trained_model, write_cube

import geosoil
from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.raster.layout import make_raster
from geosoil.sensors import accessor
from geosoil.spectra.bare_soil import BareSoil

NM = [850.0, 470.0, 550.0, 640.0, 1610.0, 2200.0]


@pytest.fixture
def cube(tmp_path):
    return geosoil.open_cube(write_cube(tmp_path / "cube.tif"))


@pytest.fixture
def ramps():
    """A cube of 2 x 50 pixels whose bands rise by different slopes; pixel 3 of row 0 has no green."""
    values = np.arange(100, dtype="float32").reshape(2, 50) * np.arange(1, 7, dtype="float32")[:, None, None] / 1000
    values[2, 0, 3] = np.nan
    transform = Affine(30, 0, 600_000, 0, -30, 5_800_000)
    return make_raster(values, names=list("abcdef"), crs="EPSG:32633", transform=transform, wavelength_nm=NM)


@pytest.fixture
def axes():
    figure, axes = plt.subplots()
    yield axes
    plt.close(figure)


def test_a_spectrum_is_the_pixel_of_the_file_that_contains_the_point(cube):
    x, y = 600_000 + 30 * 7 + 1, 5_800_000 - 30 * 4 - 29
    spectrum = cube.soil.spectrum(x, y)
    with rasterio.open(cube.attrs["source"]) as source:
        stored = next(source.sample([(x, y)]))
    np.testing.assert_allclose(spectrum.values, stored * 1e-4, rtol=1e-5)
    np.testing.assert_allclose(spectrum["wavelength_nm"].values, WAVELENGTH_NM, atol=1e-3)
    assert (float(spectrum["x"]), float(spectrum["y"])) == (600_000 + 30 * 7.5, 5_800_000 - 30 * 4.5)
    assert spectrum.sel(wavelength_nm=661, method="nearest") == cube.soil.sel_nm(661)[4, 7]


def test_a_spectrum_rises_by_wavelength_and_names_its_axes(ramps, axes):
    spectrum = ramps.soil.spectrum(600_015, 5_799_985)
    assert spectrum["wavelength_nm"].values.tolist() == sorted(NM)
    ramps.soil.spectrum(600_000 + 30 * 9, 5_799_999).plot(ax=axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("wavelength [nm]", "reflectance")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.array([2, 3, 4, 1, 5, 6]) * 9 / 1000, rtol=1e-5)


@pytest.mark.parametrize(("x", "y"), [(599_999, 5_799_990), (601_500, 5_799_990), (600_010, 5_799_940), (13.5, 52.1)])
def test_a_point_outside_is_refused_with_the_bounds_of_the_cube(ramps, x, y):
    message = r"outside the cube; expected x from 600000 to 601500 and y from 5799940 to 5800000; .*EPSG:32633"
    with pytest.raises(GridError, match=message):
        ramps.soil.spectrum(x, y)


def test_the_nearest_band_is_taken_within_the_tolerance(ramps, axes):
    assert ramps.soil.sel_nm(655)["band"] == "d"
    assert ramps.soil.sel_nm([2190, 480])["band"].values.tolist() == ["f", "b"]
    with pytest.raises(WavelengthError, match="found no band within 20 nm of 661 nm; expected bands near 661 nm"):
        ramps.soil.sel_nm(661)
    assert ramps.soil.sel_nm(661, tolerance_nm=21)["band"] == "d"
    ramps.soil.sel_nm(640).plot(ax=axes)
    assert axes.figure.axes[1].get_ylabel() == "reflectance at 640.0 nm"


def test_a_band_in_another_unit_is_not_called_reflectance(ramps):
    band = ramps.assign_attrs(units="W m-2").soil.sel_nm(640)
    assert (band.name, band.attrs["units"]) == ("value", "W m-2")


@pytest.mark.parametrize(("colours", "bands"), [("true", "dcb"), ("false", "adc"), ((2200, 850, 550), "fac")])
def test_colours_are_found_by_wavelength_and_stretched_from_2_to_98_percent(ramps, colours, bands):
    picture = ramps.soil.rgb(colours)
    assert "".join(picture["band"].values) == bands
    numbers = np.delete(np.arange(100), 3)
    low, high = np.percentile(numbers, [2, 98])
    expected = np.clip((np.arange(100).reshape(2, 50) - low) / (high - low), 0, 1)
    expected[0, 3] = np.nan
    for band in picture.values:
        np.testing.assert_allclose(band, expected, atol=1e-5)


def test_plot_draws_the_picture_with_square_pixels_and_gaps_transparent(ramps, axes):
    ramps.soil.rgb().plot(ax=axes)
    image = axes.images[0].get_array()
    assert image.shape == (2, 50, 4)
    assert [image[0, 3, 3], image[0, 2, 3]] == [0, 1]
    np.testing.assert_allclose(image[1, 40, :3], ramps.soil.rgb().values[:, 1, 40], rtol=1e-6)
    assert axes.get_aspect() == 1
    assert axes.get_title() == "true colours (640, 550, 470 nm)"
    assert ramps.soil.rgb().isel(band=0).plot.imshow(ax=axes).get_array().shape == (2, 50)


def test_a_large_cube_is_thinned(ramps, monkeypatch):
    monkeypatch.setattr(accessor, "STRIP_ROWS", 1)
    assert ramps.soil.rgb(longest=25).shape == (3, 1, 25)
    assert ramps.soil.rgb(longest=49)["x"].values.tolist() == ramps["x"].values[::2].tolist()
    np.testing.assert_array_equal(ramps.soil.rgb(longest=50).values, ramps.soil.rgb().values)


def test_a_picture_needs_wavelengths_and_data(ramps):
    with pytest.raises(WavelengthError, match="no band within 30 nm of 1000 nm"):
        ramps.soil.rgb((1000, 850, 640))
    with pytest.raises(RasterError, match="found no pixel with data at 640, 550, 470 nm"):
        (ramps * np.float32(np.nan)).soil.rgb()
    with pytest.raises(WavelengthError, match="found no wavelengths"):
        _ = ramps.drop_vars("wavelength_nm").soil.wavelength_nm


def test_bare_soil_is_lazy_and_leaves_out_what_the_map_leaves_out(cube):
    red, nir, swir1, swir2 = (cube.soil.sel_nm(nm).values.astype(np.float64) for nm in (665, 865, 1610, 2200))
    ndvi, nbr2 = (nir - red) / (nir + red), (swir1 - swir2) / (swir1 + swir2)
    thresholds = {"ndvi_max": np.nanmedian(ndvi), "nbr2_max": np.nanpercentile(nbr2, 90)}
    bare = cube.soil.bare(**thresholds)
    assert not bare.variable._in_memory
    left_out = np.isnan(bare.values).all(axis=0) & np.isfinite(cube.values).all(axis=0)
    near = (abs(ndvi - thresholds["ndvi_max"]) < 1e-6) | (abs(nbr2 - thresholds["nbr2_max"]) < 1e-6)
    expected = np.where(near, left_out, (ndvi > thresholds["ndvi_max"]) | (nbr2 > thresholds["nbr2_max"]))
    np.testing.assert_array_equal(left_out, expected & np.isfinite(cube.values).all(axis=0))
    np.testing.assert_array_equal(bare.values[:, ~expected], cube.values[:, ~expected])
    predictor = geosoil.Predictor(trained_model())
    matched = geosoil.match_bands(predictor, cube)
    mapped = geosoil.map_model(matched.model, cube, bands=matched.bands, bare_soil=BareSoil(**thresholds))
    np.testing.assert_array_equal(predictor.predict(bare).values, mapped.values)
    assert bare.isel(band=5, y=slice(3, 5)).values.shape == (2, 53)


def test_the_picture_of_a_rotated_cube_has_north_up(axes):
    values = np.zeros((3, 4, 4), np.float32)
    values[:, 0, 0] = 1.0  # the bright pixel is the first one, which lies in the south-west
    turned = make_raster(
        values,
        names=["r", "g", "b"],
        crs="EPSG:32633",
        transform=Affine(0, 30, 600_000, 30, 0, 5_800_000),
        wavelength_nm=[640.0, 550.0, 470.0],
    )
    picture = turned.soil.rgb(stretch=(0, 100))
    assert picture.sel(x=600_015, y=5_800_015).values.tolist() == [1, 1, 1]
    assert float(picture.sum()) == 3
    assert (picture["y"].values[0], picture["x"].values[-1]) == (5_800_105, 600_105)
    picture.plot(ax=axes)
    assert axes.images[0].get_extent() == [600_000, 600_120, 5_800_000, 5_800_120]
