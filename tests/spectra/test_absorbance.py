import numpy as np

from geosoil.spectra.absorbance import Absorbance


def test_ten_percent_reflectance_is_absorbance_one():
    np.testing.assert_allclose(Absorbance().fit_transform([[0.1, 1.0, 0.01]]), [[1, 0, 2]])


def test_a_dead_band_has_no_absorbance():
    found = Absorbance().fit_transform([[0.5, 0.0, -0.01, 0.5]])
    np.testing.assert_array_equal(np.isnan(found), [[False, True, True, False]])
