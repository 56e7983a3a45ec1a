"""Weights of spectra in the bands of a model: averaged where they are much finer, as they are, or interpolated."""

import numpy as np
import pytest

from geosoil.errors import WavelengthError
from geosoil.mapping.spectra_table import band_weights
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel


def model_at(*nm, fwhm=None):
    features = tuple(Feature(f"{wave:g} nm", float(wave), fwhm) for wave in nm)
    return PixelModel(None, features, (Target("soc", "%"),), np.eye(len(nm)), features)


def test_bands_of_the_spectra_within_a_quarter_of_their_width_are_taken_as_they_are():
    weights, note = band_weights(model_at(520, 500, fwhm=10.0), np.array([480.0, 502.4, 517.6, 540.0]), where="a")
    assert weights.toarray().tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]
    assert note == ""


def test_other_bands_are_interpolated():
    weights, note = band_weights(model_at(505, fwhm=10.0), np.array([490.0, 500.0, 520.0]), where="a")
    np.testing.assert_allclose(weights.toarray(), [[0, 0.75, 0.25]])
    assert note == "spectra of 3 bands interpolated linearly to the 1 bands of the model"


def test_much_finer_spectra_are_averaged_by_the_response_of_the_band():
    nm = np.arange(450.0, 551)
    weights, note = band_weights(model_at(500, fwhm=10.0), nm, where="a")
    row = weights.toarray()[0]
    assert row[50] / row[45] == pytest.approx(2.0, rel=1e-4)  # half of the maximum at half of the width
    assert row.sum() == pytest.approx(1, rel=1e-6)
    assert "averaged with Gaussian weights" in note


def test_without_widths_the_spacing_of_the_bands_is_the_width():
    nm = np.arange(450.0, 561)
    row = band_weights(model_at(480, 500, 520), nm, where="a")[0].toarray()[1]
    assert row[50] / row[40] == pytest.approx(2.0, rel=1e-4)  # 10 nm from the centre, the width is 20 nm


def test_a_band_at_the_end_of_fine_spectra_is_interpolated_and_one_beyond_is_named():
    nm = np.arange(500.0, 551)
    assert band_weights(model_at(500, 520, fwhm=10.0), nm, where="a")[0].toarray()[0, 0] == 1
    with pytest.raises(WavelengthError, match=r"a\.csv: found bands from 500 to 550 nm without 1 .*\(560 nm\)"):
        band_weights(model_at(520, 560, fwhm=10.0), nm, where="a.csv")
