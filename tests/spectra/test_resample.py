import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_material import shared

from geosoil.errors import RecipeError, WavelengthError
from geosoil.spectra.resample import ResampleSpectra, resampling_matrix

NM = np.arange(350.0, 2501.0)
TABLE = {"method": "response", "response_wavelength_nm": [800, 900, 1000]}


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.floats(0.5, 30), min_size=5, max_size=40),
    targets=st.lists(st.floats(380, 1700), min_size=1, max_size=8),
    method=st.sampled_from(["linear", "spline", "gaussian"]),
)
def test_every_row_of_the_matrix_sums_to_one_or_is_nan(steps, targets, method):
    source = 400 + np.cumsum(steps)
    width = np.full(len(targets), 25.0) if method == "gaussian" else None
    matrix = resampling_matrix(source, targets, method=method, to_fwhm_nm=width)
    assert matrix.shape == (len(targets), len(source))
    outside = np.isnan(matrix).all(axis=1)
    assert np.isnan(matrix).sum() == outside.sum() * len(source)
    np.testing.assert_allclose(matrix[~outside].sum(axis=1), 1)
    if method == "linear":
        np.testing.assert_array_equal(outside, [t < source[0] or t > source[-1] for t in targets])


@pytest.mark.parametrize("method", ["linear", "spline"])
def test_a_straight_line_is_met_exactly_on_an_uneven_grid(method):
    source = np.array([400.0, 410.0, 500.0, 505.0, 700.0])
    target = np.array([700.0, 400.0, 555.5, 409.0])
    np.testing.assert_allclose(resampling_matrix(source, target, method=method) @ (2 * source), 2 * target)


def test_a_gaussian_band_is_not_biased_by_an_uneven_input():
    dense, sparse = np.arange(800.0, 1000.0, 0.5), np.arange(1000.0, 1201.0, 2.0)  # four times the bands to the left
    source = np.concatenate([dense, sparse])
    matrix = resampling_matrix(source, [1000.0], method="gaussian", to_fwhm_nm=[40.0])
    assert (matrix @ source)[0] == pytest.approx(1000, abs=0.05)


def test_the_width_of_a_gaussian_band_is_its_fwhm():
    weight = resampling_matrix(NM, [1000.0], method="gaussian", to_fwhm_nm=[20.0])[0]
    half = NM[weight >= weight.max() / 2 * (1 - 1e-9)]
    assert half[-1] - half[0] == 20


def test_a_gaussian_band_in_a_cut_out_water_window_is_nan():
    source = np.concatenate([np.arange(1000.0, 1340.0, 5.0), np.arange(1460.0, 1800.0, 5.0)])
    matrix = resampling_matrix(source, [1200.0, 1400.0, 1600.0], method="gaussian", to_fwhm_nm=[10.0] * 3)
    assert np.isnan(matrix).all(axis=1).tolist() == [False, True, False]


def test_a_measured_response_that_is_gaussian_gives_the_gaussian_band():
    sd = 30 / 2.3548200450309493
    response = np.exp(-((NM - 900) ** 2) / (2 * sd**2))[None] * 17  # any scale
    found = resampling_matrix(NM, [900.0], method="response", response_wavelength_nm=NM, response=response)
    expected = resampling_matrix(NM, [900.0], method="gaussian", to_fwhm_nm=[30.0])
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_box_response_gives_the_mean_of_its_bands():
    X = np.random.default_rng(0).uniform(size=(2, NM.size))
    step = ResampleSpectra(
        NM.tolist(), [505.0], "response", response_wavelength_nm=[499.99, 500, 510, 510.01], response=[[0, 1, 1, 0]]
    )
    np.testing.assert_allclose(step.fit_transform(X)[:, 0], X[:, 150:161].mean(axis=1))


def test_a_response_beyond_the_input_or_between_its_bands_is_nan():
    coarse = np.arange(400.0, 1001.0, 50.0)
    matrix = resampling_matrix(
        coarse,
        [475.0, 700.0, 990.0],
        method="response",
        response_wavelength_nm=[470, 475, 480, 600, 700, 800, 950, 990, 1030],
        response=[[0, 1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1, 0.5]],
    )
    assert np.isnan(matrix).all(axis=1).tolist() == [True, False, True]


def test_laboratory_spectra_reach_the_bands_of_a_real_sensor():
    bands = pd.read_csv(shared("data/spectra/sensors/enmap_bands.csv"))
    step = ResampleSpectra(NM.tolist(), bands["center_nm"].tolist(), "gaussian", bands["fwhm_nm"].tolist())
    line = 0.1 + 1e-4 * NM
    found = step.fit_transform(line[None])
    np.testing.assert_allclose(found[0], 0.1 + 1e-4 * bands["center_nm"], atol=1e-6)


@pytest.mark.parametrize(
    ("error", "message", "arguments"),
    [
        (RecipeError, "method='cubic'", {"method": "cubic"}),
        (WavelengthError, "smallest 0 nm", {"method": "gaussian", "to_fwhm_nm": [0.0]}),
        (WavelengthError, r"shape \(2,\)", {"method": "gaussian", "to_fwhm_nm": [5.0, 5.0]}),
        (WavelengthError, "no response table", {"method": "response"}),
        (
            WavelengthError,
            r"shape \(1, 2\)",
            {**TABLE, "response": [[1, 1]]},
        ),
        (WavelengthError, "zeros only", {**TABLE, "response": [[0, 0, 0]]}),
    ],
)
def test_bands_that_are_not_valid_are_refused(error, message, arguments):
    with pytest.raises(error, match=message):
        resampling_matrix(NM, [900.0], **arguments)
