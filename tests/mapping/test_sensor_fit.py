"""Which sensors can be mapped by a model, from the wavelengths and the widths of its bands."""

import pytest

from geosoil.mapping.match import nearest_bands
from geosoil.mapping.sensor_fit import mappable_sensors
from geosoil.models.contract import Feature
from geosoil.raster.place import Place
from geosoil.sensors.nominal import NOMINAL_SOURCES, nominal_bands


def features_of(name):
    bands = nominal_bands(name)
    return [Feature(f"{nm:g} nm", nm, fwhm) for nm, fwhm in zip(bands.centre_nm, bands.fwhm_nm, strict=True)]


@pytest.mark.parametrize("name", sorted(NOMINAL_SOURCES))
def test_a_model_of_the_bands_of_a_sensor_can_map_that_sensor(name):
    features = features_of(name)
    expected = nearest_bands(features, nominal_bands(name).centre_nm) is not None
    assert mappable_sensors(features)[name] is expected


def test_narrow_bands_of_the_near_infrared_are_interpolated_from_every_imaging_spectrometer_that_covers_them():
    features = [Feature(f"{nm} nm", nm, 10.0) for nm in range(700, 800, 10)]
    fitting = mappable_sensors(features)
    assert {"DESIS", "EMIT", "ENMAP", "ZY1_AHSI"} <= fitting.keys()
    assert not fitting.keys() & {"SENTINEL2", "LANDSAT_OLI", "LANDSAT_TM"}


def test_a_model_that_needs_the_shortwave_infrared_cannot_map_desis_or_wyvern():
    fitting = mappable_sensors([Feature("a", 800.0, 10.0), Feature("b", 2200.0, 10.0)])
    assert "ENMAP" in fitting
    assert not fitting.keys() & {"DESIS", "WYVERN"}


def test_bands_of_the_same_centre_and_quite_another_width_do_not_fit():
    # Landsat's band at 2200 nm is 187 nm wide, EnMAP has one of 8 nm at the same place.
    assert "ENMAP" not in mappable_sensors([Feature("swir", 2200.73, 186.66)])
    assert "LANDSAT_OLI" not in mappable_sensors([Feature("swir", 2200.73, 8.0)])


def test_without_widths_bands_fit_if_they_are_not_wider_than_25_nm():
    assert "ENMAP" in mappable_sensors([Feature("a", 865.0)])
    assert "LANDSAT_OLI" not in mappable_sensors([Feature("a", 864.67)])  # 28 nm


def test_places_are_not_bands_and_covariates_have_no_sensor():
    place = Feature("x_m", place=Place("x", "EPSG:32633", 0.0))
    assert (
        mappable_sensors([Feature("a", 865.0, 20.0), place]).keys()
        == mappable_sensors([Feature("a", 865.0, 20.0)]).keys()
    )
    assert mappable_sensors([Feature("slope")]) == {}
    assert mappable_sensors([place]) == {}
