"""Every row-wise step equals R prospectr 0.2.9 on the golden spectra."""

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.continuum import ContinuumRemoval
from geosoil.spectra.resample import ResampleSpectra
from geosoil.spectra.scatter import MSC, SNV, Detrend
from geosoil.spectra.smooth import SavitzkyGolay

GF5_LIKE_NM = np.concatenate([np.linspace(400, 1000, 150), np.linspace(1010, 2490, 180)])
GF5_LIKE_FWHM_NM = np.repeat([5.0, 10.0], [150, 180])

ON_REFLECTANCE = {
    "absorbance": lambda nm: Absorbance(),
    "cr_R_linear": lambda nm: ContinuumRemoval(nm),
    "cr_R_linear_subtraction": lambda nm: ContinuumRemoval(nm, method="subtraction"),
}
ON_ABSORBANCE = {
    "snv": lambda nm: SNV(),
    "msc_mean": lambda nm: MSC(),
    "detrend_p1": lambda nm: Detrend(nm, degree=1),
    "detrend_p2": lambda nm: Detrend(nm),
    "savgol_m0_p2_w11": lambda nm: SavitzkyGolay(11, 2, 0, edges="cut"),
    "savgol_m1_p2_w11": lambda nm: SavitzkyGolay(11, 2, 1, edges="cut"),
    "savgol_m1_p2_w11_delta10": lambda nm: SavitzkyGolay(11, 2, 1, delta_nm=10.0, edges="cut"),
    "savgol_m2_p3_w15": lambda nm: SavitzkyGolay(15, 3, 2, edges="cut"),
    "cr_A_linear": lambda nm: ContinuumRemoval(nm, quantity="absorbance"),
}


def golden_spectra(name):
    """Return wavelengths (band,) in nm and reflectance (sample, band) of an input of the golden runs."""
    frame = pd.read_csv(shared(f"golden/inputs/{name}.csv")).filter(regex=r"^\d")
    return frame.columns.to_numpy(dtype=float), frame.to_numpy()


def golden_answer(name):
    """Return the rows of the input, the wavelengths and the values that prospectr returned."""
    frame = pd.read_csv(shared(f"golden/prospectr/{name}.csv"), index_col="row")
    return frame.index.to_numpy(), frame.columns.to_numpy(dtype=float), frame.to_numpy()


@pytest.mark.parametrize("name", [*ON_REFLECTANCE, *ON_ABSORBANCE])
def test_a_step_equals_prospectr(name):
    wavelength_nm, reflectance = golden_spectra("spectra_10nm")
    X, make = (reflectance, ON_REFLECTANCE) if name in ON_REFLECTANCE else (np.log10(1 / reflectance), ON_ABSORBANCE)
    rows, _, expected = golden_answer(name)
    found = make[name](wavelength_nm.tolist()).fit(X).transform(X[rows])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 if name == "absorbance" else 1e-10)


def test_msc_on_a_given_reference_equals_prospectr():
    absorbance = np.log10(1 / golden_spectra("spectra_10nm")[1])
    rows, _, expected = golden_answer("msc_ref_row6")
    found = MSC(reference=absorbance[6].tolist()).fit(absorbance).transform(absorbance[rows])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "method", "fwhm_nm"),
    [
        ("resample2_fwhm10", "gaussian", 10.0),
        ("resample2_default_fwhm", "gaussian", None),
        ("resample2_gf5like", "gaussian", GF5_LIKE_FWHM_NM),
        ("resample2_edges", "gaussian", 40.0),
        ("resample_linear_gf5like", "linear", None),
        ("resample_spline_gf5like", "spline", None),
    ],
)
def test_resampling_equals_prospectr_and_is_nan_where_it_gives_zero(name, method, fwhm_nm):
    wavelength_nm, X = golden_spectra("spectra_1nm")
    rows, to_nm, expected = golden_answer(name)
    if "gf5like" in name:
        np.testing.assert_allclose(to_nm, GF5_LIKE_NM, atol=1e-9)
        to_nm = GF5_LIKE_NM
    if fwhm_nm is not None:
        fwhm_nm = np.broadcast_to(fwhm_nm, to_nm.shape).tolist()
    found = ResampleSpectra(wavelength_nm.tolist(), to_nm.tolist(), method, fwhm_nm).fit(X).transform(X[rows])
    np.testing.assert_allclose(found, np.where(expected == 0, np.nan, expected), rtol=0, atol=1e-10)
