"""Nominal bands of sensors: complete tables in nm, without bands that the products cannot use."""

from importlib import resources

import numpy as np
import pytest

from geosoil.errors import WavelengthError
from geosoil.sensors import SENSORS
from geosoil.sensors.nominal import NOMINAL_SOURCES, nominal_bands


def test_every_table_has_its_source_and_every_source_its_table():
    tables = {path.name.removesuffix(".csv") for path in (resources.files("geosoil.sensors") / "bands").iterdir()}
    assert tables == set(NOMINAL_SOURCES)


@pytest.mark.parametrize("name", sorted(NOMINAL_SOURCES))
def test_bands_are_in_nm_with_widths_and_without_the_windows_that_products_leave_out(name):
    bands = nominal_bands(name)
    assert bands.centre_nm.shape == bands.fwhm_nm.shape
    assert ((bands.centre_nm > 380) & (bands.centre_nm < 2520)).all()
    assert ((bands.fwhm_nm >= 3) & (bands.fwhm_nm <= 270)).all()
    assert not ((bands.centre_nm > 1360) & (bands.centre_nm < 1430)).any()  # water vapour in every product
    if name in SENSORS:
        assert not SENSORS[name].is_bad(bands.centre_nm).any()


def test_some_bands_are_where_the_sensors_are_known_to_have_them():
    assert nominal_bands("ENMAP").centre_nm[0] == 418.24
    assert len(nominal_bands("DESIS").centre_nm) == 235
    np.testing.assert_allclose(nominal_bands("DESIS").centre_nm[[0, -1]], [401.275, 998.677])
    assert nominal_bands("SENTINEL2").centre_nm.tolist() == [443, 490, 560, 665, 705, 740, 783, 842, 865, 1610, 2190]
    assert nominal_bands("LANDSAT_TM").fwhm_nm.tolist() == [70, 80, 60, 140, 200, 270]


def test_an_unknown_sensor_is_refused_with_the_names_of_the_others():
    with pytest.raises(WavelengthError, match=r"the sensor enmpa: it is not known; expected one of DESIS, EMIT, ENMAP"):
        nominal_bands("enmpa")


def test_a_sensor_without_a_table_asks_for_one_of_its_products(monkeypatch):
    monkeypatch.setitem(SENSORS, "OTHER", SENSORS["GF5_AHSI"])
    with pytest.raises(WavelengthError, match=r"OTHER has no table of nominal bands; .* give a product of the sensor"):
        nominal_bands("other")
