"""Spectra at the nominal bands of a sensor: `sensor = "..."` in the section `[data]`."""

import numpy as np
import pytest
from small_lead_data import write_spectra_table
from small_recipes import SpectraRecipe

from geosoil.errors import RecipeError, WavelengthError
from geosoil.pipeline.fit import fit_pipeline
from geosoil.sensors.nominal import nominal_bands

FINE_NM = np.arange(350.0, 2501.0, 1.0)
NO_LIBRARY = ('library = "library.parquet"\nauxiliary = { column = "ph", title = "pH" }\n', "")


def with_sensor(name):
    return 'spectra = "spectra.parquet"', f'spectra = "spectra.parquet"\nsensor = "{name}"'


@pytest.fixture
def fine(tmp_path):
    """Parabolas of the wavelength, each with another slope, at 1 nm."""
    case = SpectraRecipe(tmp_path)
    slope = 0.1 + 0.3 * np.linspace(0, 1, len(case.samples))[:, None]
    case.R = 0.02 + slope * (FINE_NM / 2500) ** 2
    write_spectra_table(tmp_path / "spectra.parquet", {"sample_id": case.samples.sample_id}, case.R, FINE_NM)
    return case, slope


@pytest.mark.parametrize("name", ["SENTINEL2", "enmap", "LANDSAT_OLI"])
def test_spectra_are_averaged_over_the_gaussian_response_of_each_band(fine, name):
    case, slope = fine
    rows = case.read(NO_LIBRARY, with_sensor(name))
    bands = nominal_bands(name)
    order = np.argsort(bands.centre_nm)
    centre_nm, fwhm_nm = bands.centre_nm[order], bands.fwhm_nm[order]
    np.testing.assert_allclose(rows.wavelength_nm, centre_nm)
    assert [feature.fwhm_nm for feature in rows.features] == fwhm_nm.tolist()
    # The mean of a square over a Gaussian is the square of the centre plus the variance.
    variance = fwhm_nm**2 / (8 * np.log(2))
    np.testing.assert_allclose(rows.X, 0.02 + slope * (centre_nm**2 + variance) / 2500**2, rtol=2e-4)
    assert f"bands of {name.upper()} are nominal: {bands.source}" in rows.notes


def test_the_library_is_brought_to_the_same_bands(fine, tmp_path):
    case, _ = fine
    narrow = FINE_NM[FINE_NM > 500]
    R = 0.1 + 0.2 * np.random.default_rng(0).random((90, 1)) * (narrow / 2500) ** 2
    columns = {"sample_id": [f"L{i:02d}" for i in range(90)], "ph": case.ph_library}
    write_spectra_table(tmp_path / "library.parquet", columns, R, narrow)
    rows = case.read(with_sensor("SENTINEL2"))
    assert rows.wavelength_nm.tolist() == nominal_bands("SENTINEL2").centre_nm[2:].tolist()
    assert rows.library.X.shape[1] == rows.X.shape[1] == 9
    assert any(note.startswith("library.parquet: resampled to 9 bands of the sensor") for note in rows.notes)


def test_a_model_of_laboratory_spectra_has_the_bands_and_widths_of_the_sensor(fine):
    case, _ = fine
    model = fit_pipeline(case.loaded(NO_LIBRARY, with_sensor("LANDSAT_OLI"))).model
    bands = nominal_bands("LANDSAT_OLI")
    assert [feature.wavelength_nm for feature in model.features] == bands.centre_nm.tolist()
    assert [feature.fwhm_nm for feature in model.features] == bands.fwhm_nm.tolist()


def test_spectra_that_cover_too_few_bands_of_the_sensor_are_refused(fine, tmp_path):
    case, _ = fine
    seen = FINE_NM < 700
    columns = {"sample_id": case.samples.sample_id}
    write_spectra_table(tmp_path / "spectra.parquet", columns, case.R[:, seen], FINE_NM[seen])
    with pytest.raises(WavelengthError, match="which cover 3 of the sensor's 7 bands; expected 4 of them or more"):
        case.read(NO_LIBRARY, with_sensor("LANDSAT_OLI"))


def test_a_sensor_beside_a_cube_or_bands_is_refused(fine):
    case, _ = fine
    for key in ("cube", "bands"):
        with pytest.raises(RecipeError, match="give either sensor, or a cube or bands"):
            case.read(NO_LIBRARY, with_sensor(f'ENMAP"\n{key} = "x.tif'))


def test_a_sensor_that_is_not_known_is_refused(fine):
    case, _ = fine
    with pytest.raises(WavelengthError, match="the sensor ENMAPP: it is not known"):
        case.read(NO_LIBRARY, with_sensor("ENMAPP"))
