"""What every row-wise step promises, whatever it computes."""

import importlib
import inspect
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from geosoil.errors import WavelengthError
from geosoil.program.ops import Affine, Elementwise, Standardise
from geosoil.program.step import Step
from geosoil.spectra import STEPS
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.continuum import ContinuumRemoval
from geosoil.spectra.resample import ResampleSpectra
from geosoil.spectra.scatter import MSC, SNV, Detrend
from geosoil.spectra.smooth import SavitzkyGolay

NM = [400.0, 410.0, 420.0, 440.0, 450.0, 470.0, 480.0, 500.0]
MAKERS = {
    "absorbance": lambda: Absorbance(),
    "snv": lambda: SNV(),
    "msc": lambda: MSC(),
    "detrend": lambda: Detrend(NM),
    "detrend without snv": lambda: Detrend(NM, degree=1, snv=False),
    "savitzky_golay": lambda: SavitzkyGolay(5, 2, 1, delta_nm=10.0),
    "savitzky_golay cut": lambda: SavitzkyGolay(5, 3, edges="cut"),
    "continuum_removal": lambda: ContinuumRemoval(NM),
    "continuum_removal of absorbance": lambda: ContinuumRemoval(NM, "absorbance", "subtraction"),
    "resample linear": lambda: ResampleSpectra(NM, [405.0, 460.0]),
    "resample spline": lambda: ResampleSpectra(NM, [405.0, 460.0], "spline"),
    "resample gaussian": lambda: ResampleSpectra(NM, [430.0, 450.0], "gaussian", [20.0, 30.0]),
    "resample response": lambda: ResampleSpectra(
        NM, [430.0], "response", response_wavelength_nm=[410.0, 430.0, 450.0], response=[[0.0, 1.0, 0.0]]
    ),
}
every_step = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def reflectance(n=12, dtype=np.float64):
    return np.random.default_rng(7).uniform(0.05, 0.6, (n, len(NM))).astype(dtype)


def run(program, X):
    """Run the ops of a lowered program on `(feature, pixel)`, as plainly as they are defined."""
    x = X.T
    for op in program:
        if isinstance(op, Affine):
            x = op.weight @ x + op.bias[:, None]
        elif isinstance(op, Standardise):
            x = (x - x.mean(axis=0)) / x.std(axis=0, ddof=1)
        else:
            assert op == Elementwise("absorbance")
            x = np.log10(1 / x)
    return x.T


@every_step
def test_float32_stays_float32_and_agrees_with_float64(make):
    X = reflectance()
    single = make().fit_transform(X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, make().fit_transform(X), rtol=2e-4, atol=2e-5)


@every_step
def test_a_row_with_nan_becomes_nan_and_disturbs_no_other(make):
    X = reflectance()
    step = make().fit(X)
    expected = step.transform(X)
    X[3, 2] = np.nan
    found = step.transform(X)
    others = np.arange(len(X)) != 3
    np.testing.assert_array_equal(found[others], expected[others])
    spoilt = np.isnan(found[3])
    assert spoilt[2] and spoilt.sum() == 1 if isinstance(step, Absorbance) else spoilt.all()
    assert np.isnan(step.transform(X[3:4])).sum() == spoilt.sum()


@every_step
def test_each_row_is_transformed_by_itself(make):
    X = reflectance()
    step = make().fit(X)
    together = step.transform(X)
    np.testing.assert_allclose(
        np.vstack([step.transform(X[[i]]) for i in range(len(X))]), together, rtol=1e-12, atol=1e-14
    )


@every_step
def test_the_input_is_left_as_it_was(make):
    X = reflectance()
    before = X.copy()
    make().fit(X).transform(X)
    np.testing.assert_array_equal(X, before)


@every_step
def test_parameters_are_json_and_the_fitted_state_is_all_a_copy_needs(make):
    X = reflectance()
    step = make().fit(X)
    other = type(step)(**json.loads(json.dumps(step.get_params(deep=False))))
    for name in step.fitted:
        setattr(other, name, getattr(step, name))
    np.testing.assert_array_equal(other.transform(X), step.transform(X))
    assert clone(step).get_params() == step.get_params()


@pytest.mark.parametrize("make", [m for m in MAKERS.values() if m().__class__ not in (MSC, ContinuumRemoval)])
def test_the_lowered_program_computes_what_transform_does(make):
    X = reflectance()
    step = make().fit(X)
    np.testing.assert_allclose(run(step.lower(), X), step.transform(X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", ["msc", "continuum_removal"])
def test_what_has_no_form_as_ops_is_not_lowered(name):
    assert MAKERS[name]().fit(reflectance()).lower() is None


@every_step
def test_feature_names_are_as_many_as_the_features(make):
    X = reflectance()
    step = make().fit(X)
    assert len(step.get_feature_names_out()) == step.transform(X).shape[1]


@pytest.mark.parametrize("step", [Absorbance(), SNV(), MSC()], ids=lambda step: type(step).__name__)
def test_a_step_without_wavelengths_obeys_scikit_learn(step):
    shapeless = {"check_fit2d_1feature": "the mean of one band is flat: no reference"} if isinstance(step, MSC) else {}
    results = check_estimator(step, on_skip=None, on_fail=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    assert failed <= set(shapeless)
    assert len(results) > 20


@pytest.mark.parametrize(
    ("nm", "message"),
    [
        (NM[:-1], "found 8 bands in the spectra; expected 7"),
        ([*NM[:-1], 480.0], "found 480 nm followed by 480 nm"),
        (NM[::-1], "found 500 nm followed by 480 nm"),
        ([-1.0, *NM[1:]], "found -1 nm"),
        ([np.nan, *NM[1:]], "found nan nm"),
    ],
)
@pytest.mark.parametrize("make", [Detrend, ContinuumRemoval, lambda nm: ResampleSpectra(nm, [450.0])])
def test_wavelengths_of_other_spectra_are_refused(make, nm, message):
    with pytest.raises(WavelengthError, match=message):
        make(nm).fit(reflectance())


@settings(max_examples=30, deadline=None)
@given(gain=st.floats(0.2, 5), offset=st.floats(-1, 1))
@pytest.mark.parametrize("name", ["snv", "detrend", "msc"])
def test_scatter_correction_forgets_gain_and_offset(name, gain, offset):
    X = reflectance()
    step = MAKERS[name]().fit(X)
    np.testing.assert_allclose(step.transform(gain * X + offset), step.transform(X), rtol=1e-7, atol=1e-8)


def test_the_table_names_classes_that_are_there():
    for name, place in STEPS.items():
        module, _, cls = place.partition(":")
        if name != "cars":  # tests/spectra/test_cars.py
            found = getattr(importlib.import_module(module), cls)
            assert inspect.isclass(found) and (module.startswith("sklearn") or issubclass(found, Step))


def test_reading_the_table_imports_no_method():
    code = "import sys, geosoil.spectra; sys.exit(any(m in sys.modules for m in ('numpy', 'sklearn', 'torch')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
