"""The Gaussian process: against scikit-learn, against gstat, and in cases whose answer is known."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from shared_material import shared
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel
from sklearn.utils.estimator_checks import check_estimator

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators import process_fit
from geosoil.estimators.gaussian_process import GaussianProcess, fit_processes
from geosoil.estimators.process_fit import trend_columns
from geosoil.estimators.process_posterior import posterior_by_inducing_rows, posterior_of_rows
from geosoil.models.state import describe, rebuild
from geosoil.program.lower import compile_program

RNG = np.random.default_rng(5)
PLACE = {"name": "place", "columns": [0, 1], "place": True, "linear": False}
X = RNG.normal(size=(60, 4))
Y = X[:, 0] + np.sin(2 * X[:, 1]) + 0.2 * RNG.normal(size=60)


def spectra(n: int, n_bands: int = 40) -> np.ndarray:
    return 0.3 + 0.02 * np.cumsum(np.random.default_rng(8).normal(size=(n, n_bands)), axis=1)


@pytest.mark.filterwarnings("ignore")
def test_it_is_an_estimator_of_scikit_learn_that_predicts_nan_where_rows_have_it() -> None:
    results = check_estimator(GaussianProcess(n_iterations=5), on_skip=None, on_fail=None)
    failed = {result["check_name"] for result in results if result["status"] == "failed"}
    assert failed == {"check_estimators_nan_inf"}  # a row with NaN is predicted as NaN, as in a map
    assert len(results) > 40


def test_fixed_hyper_parameters_give_the_predictions_of_scikit_learn() -> None:
    process = GaussianProcess(fixed={"noise": 0.09, "features": {"variance": 1.3, "length": 0.7, "linear": 0.5}}).fit(
        X, Y
    )
    spread, median = X.std(axis=0), process.linear_scale_[0]
    scaled = (X - X.mean(axis=0)) / (spread * np.sqrt(4))
    kernel = (
        ConstantKernel(1.3, "fixed") * Matern(0.7 * np.sqrt(median), "fixed", nu=1.5)
        + ConstantKernel(0.5, "fixed") * DotProduct(0.0, "fixed")
        + WhiteKernel(0.09, "fixed")
    )
    peer = GaussianProcessRegressor(kernel, alpha=0, optimizer=None).fit(scaled, Y - Y.mean())
    new = RNG.normal(size=(20, 4))
    mean, deviation = peer.predict((new - X.mean(axis=0)) / (spread * np.sqrt(4)), return_std=True)
    predicted, given = process.predict(new, return_std=True)
    assert predicted == pytest.approx(mean + Y.mean(), abs=1e-9)
    assert given == pytest.approx(deviation, abs=1e-9)


def test_leave_one_out_predictions_are_those_of_refitted_processes() -> None:
    fixed = {"noise": 0.09, "features": {"variance": 1.3, "length": 0.7, "linear": 0.5}}
    for trend in ([], [1]):
        process = GaussianProcess(fixed=fixed, trend=trend).fit(X, Y)
        for left_out in (0, 17):
            rest = np.arange(60) != left_out
            # The scale of the features is that of all rows, as it is in the closed form.
            other = GaussianProcess(fixed=fixed, trend=trend).fit(X, Y)
            rows = [values[rest] for values in other._posterior.rows]
            posterior, _, _ = posterior_of_rows(
                other._kernel,
                rows,
                (Y[rest] - Y.mean()) / Y.std(),
                np.full(59, 0.09 / Y.var()),
                trend_columns(trend, X[rest]),
            )
            at = [values[[left_out]] for values in other._posterior.rows]
            mean, variance = posterior.moments(at, trend_columns(trend, X[[left_out]]), with_variance=True)
            assert process.loo_prediction_[left_out] == pytest.approx(Y.mean() + Y.std() * mean[0], abs=1e-9)
            assert process.loo_variance_[left_out] == pytest.approx(Y.var() * variance[0] + 0.09, abs=1e-9)


def test_the_likelihood_is_that_of_scikit_learn_and_its_maximum_is_not_exceeded_by_it() -> None:
    process = GaussianProcess(blocks=[{"name": "all", "columns": [0, 1, 2, 3], "linear": False}]).fit(X, Y)
    variance, length, noise = np.exp(process.parameters_)
    scaled = (X - X.mean(axis=0)) * process.scale_
    kernel = ConstantKernel(variance) * Matern(length, nu=1.5) + WhiteKernel(noise + 1e-6)
    peer = GaussianProcessRegressor(kernel, alpha=0).fit(scaled, (Y - Y.mean()) / Y.std())
    at = peer.log_marginal_likelihood(np.log([variance, length, noise + 1e-6]))
    assert process.evidence_ == pytest.approx(at - 60 * np.log(Y.std()), abs=1e-6)
    assert peer.log_marginal_likelihood_value_ - at < 2.0  # the weak priors keep it near the maximum


def test_a_linear_target_is_extrapolated_and_noise_is_recognised() -> None:
    process = GaussianProcess().fit(X, 3 + 2 * X[:, 0] + 0.5 * np.random.default_rng(0).normal(size=60))
    far = np.array([[3.0, 0, 0, 0], [-3.0, 0, 0, 0]])
    assert np.diff(process.predict(far))[0] == pytest.approx(-12.0, abs=1.5)
    assert process.noise_variance_ == pytest.approx(0.25, rel=0.5)


def test_shares_of_variance_name_the_block_that_explains() -> None:
    blocks = [{"name": "useful", "columns": [0]}, {"name": "useless", "columns": [2, 3]}]
    process = GaussianProcess(blocks=blocks).fit(X, np.sin(2 * X[:, 0]) + 0.1 * RNG.normal(size=60))
    assert process.blocks_ == ["useful", "useless"]
    assert process.variance_shares_.sum() == pytest.approx(1)
    assert process.variance_shares_[0] > 0.8 > 0.1 > process.variance_shares_[1]


def test_the_derivative_of_the_standardised_spectrum_ignores_offset_and_gain() -> None:
    S = spectra(40)
    y = S[:, 20] - S[:, 10]
    block = {"name": "d", "columns": list(range(40)), "derivative": True}
    process = GaussianProcess(blocks=[block], n_iterations=20).fit(S, y)
    assert process.predict(2.0 * S + 0.1) == pytest.approx(process.predict(S), abs=1e-9)
    assert np.isnan(process.predict(np.full((1, 40), 0.3)))[0]  # a flat spectrum has no standard normal variate


def test_the_evidence_chooses_the_logarithm_of_a_log_normal_target_and_not_of_a_normal_one() -> None:
    skewed, plain = (GaussianProcess(log="evidence").fit(X, y) for y in (np.exp(Y), Y - Y.min() + 1.0))
    assert (skewed.log_, plain.log_) == (True, False)
    assert GaussianProcess(log="evidence", n_iterations=5).fit(X, Y).log_ is False  # Y has negative values
    # The Jacobian makes the likelihoods of both comparable: that of a log-normal density.
    log_only = GaussianProcess(log="always").fit(X, np.exp(Y))
    direct = GaussianProcess().fit(X, Y)
    assert log_only.evidence_ == pytest.approx(direct.evidence_ - Y.sum(), abs=1e-9)
    assert skewed.evidence_ == pytest.approx(log_only.evidence_)


def test_predictions_of_the_logarithm_estimate_the_mean() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 1))
    y = np.exp(x[:, 0] + 0.7 * rng.normal(size=400))
    process = GaussianProcess(log="always").fit(x, y)
    assert process.smearing_ == pytest.approx(np.exp(0.7**2 / 2), rel=0.1)
    mean, deviation = process.predict([[0.0]], return_std=True)
    assert mean[0] == pytest.approx(np.exp(0.245), rel=0.12)
    assert deviation[0] == pytest.approx(np.exp(0.245) * np.sqrt(np.expm1(0.49)), rel=0.15)


def test_a_process_of_the_logarithm_extrapolates_linearly_beyond_the_largest_training_value() -> None:
    x = np.linspace(0, 3, 60)[:, None]
    process = GaussianProcess(log="always").fit(x, np.exp(x[:, 0]))
    new = np.array([[1.0], [2.9], [4.0], [6.0]])
    logarithms = process.latent(new)[0]
    assert logarithms == pytest.approx([1, 2.9, 4, 6], abs=0.1)
    expected = [*np.exp(logarithms[:2]), *(np.exp(3) * (1 + logarithms[2:] - 3))]
    predicted, deviation = process.predict(new, return_std=True)
    assert predicted == pytest.approx(process.smearing_ * np.array(expected), rel=1e-9)
    assert deviation[3] > deviation[2] > 0
    program = compile_program(process.lower(), 1)(new.T.astype(np.float32))
    assert program[0] == pytest.approx(predicted, rel=1e-4)


def test_a_process_that_was_stored_by_an_earlier_version_predicts_what_it_did_then() -> None:
    x = np.linspace(0, 3, 30)[:, None]
    fitted, arrays = GaussianProcess(log="always").fit(x, np.exp(x[:, 0])), {}
    tree = describe(fitted, arrays)
    assert rebuild(tree, dict(arrays)).predict([[6.0]]) == pytest.approx(fitted.predict([[6.0]]))
    del tree["state"]["largest_log_"]
    process = rebuild(tree, arrays)
    assert process.predict([[6.0]])[0] == pytest.approx(np.exp(process.latent([[6.0]])[0][0]) * process.smearing_)


def test_intervals_of_its_leave_one_out_variance_cover_as_they_should() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(-3, 3, size=(300, 1))
    y = np.sin(x[:, 0]) + 0.3 * rng.normal(size=300)
    process = GaussianProcess().fit(x, y)
    inside = np.abs(y - process.loo_prediction_) < norm.ppf(0.95) * np.sqrt(process.loo_variance_)
    assert inside.mean() == pytest.approx(0.9, abs=0.04)


def test_rows_with_a_large_standard_error_count_less() -> None:
    y = Y.copy()
    y[:5] += 20.0
    noise_sd = np.where(np.arange(60) < 5, 20.0, 0.0)
    weighted, unweighted = GaussianProcess().fit(X, y, noise_sd=noise_sd), GaussianProcess().fit(X, y)
    error = [float(np.abs(process.predict(X[5:]) - Y[5:]).mean()) for process in (weighted, unweighted)]
    assert error[0] < 0.6 < 1.0 < error[1]


def test_as_many_inducing_rows_as_rows_give_the_exact_process() -> None:
    exact, induced = GaussianProcess().fit(X, Y), GaussianProcess(n_inducing=60).fit(X, Y)
    new = RNG.normal(size=(10, 4))
    for name in ("loo_prediction_", "loo_variance_"):
        assert getattr(induced, name) == pytest.approx(getattr(exact, name), abs=1e-4)
    assert np.array(induced.predict(new, return_std=True)) == pytest.approx(
        np.array(exact.predict(new, return_std=True)), abs=1e-4
    )


def test_fewer_inducing_rows_still_predict_a_smooth_function() -> None:
    x = np.linspace(0, 6, 200)[:, None]
    process = GaussianProcess(n_inducing=30).fit(x, np.sin(x[:, 0]))
    assert process.predict(x) == pytest.approx(np.sin(x[:, 0]), abs=0.05)
    assert process.rows_.shape == (30, 1)


def test_several_processes_at_once_are_those_fitted_one_by_one() -> None:
    data = [(X[:40], Y[:40]), (X[15:], Y[15:])]
    together = fit_processes([GaussianProcess(n_iterations=30) for _ in data], data)
    for process, (rows, y) in zip(together, data, strict=True):
        alone = GaussianProcess(n_iterations=30).fit(rows, y)
        assert process.predict(X) == pytest.approx(alone.predict(X), abs=1e-7)


def test_the_programs_give_the_predictions_of_the_estimator() -> None:
    S, P = spectra(50), RNG.uniform(0, 1000, size=(50, 2))
    inputs = np.column_stack([S, P])
    y = 5 + 20 * S[:, 20] + np.sin(P[:, 0] / 200) + 0.1 * RNG.normal(size=50)
    bands = list(range(40))
    blocks = [
        {"name": "spectra", "columns": bands, "kernel": "rbf"},
        {"name": "derivative", "columns": bands, "derivative": True, "kernel": "matern52"},
        {**PLACE, "columns": [40, 41]},
    ]
    new = np.column_stack([spectra(70)[50:], RNG.uniform(0, 1000, size=(20, 2))]).astype(np.float32)
    for options in ({}, {"trend": []}, {"trend": [40, 3]}, {"log": "always"}, {"n_inducing": 20}):
        process = GaussianProcess(blocks=blocks, n_iterations=10, **options).fit(inputs, y)  # type: ignore[arg-type]
        mean, deviation = process.predict(new, return_std=True)
        program = compile_program(process.lower(), 42)(new.T)
        assert program[0] == pytest.approx(mean, abs=1e-4 * y.std())
        moments = process.to_target(*compile_program(process.lower_moments(), 42)(new.T))
        assert moments[0] == pytest.approx(mean, abs=1e-4 * y.std())
        assert moments[1] == pytest.approx(deviation, abs=1e-4 * y.std())


def test_the_compiled_loops_for_many_bands_give_the_predictions_of_the_estimator_in_any_number_of_pixels() -> None:
    S = spectra(90, 130)
    bands = list(range(130))
    blocks = [{"name": "spectra", "columns": bands}, {"name": "derivative", "columns": bands, "derivative": True}]
    y = 5 + 20 * (S[:, 40] - S[:, 20]) + 0.1 * np.random.default_rng(1).normal(size=90)
    process = GaussianProcess(blocks=blocks, n_iterations=10).fit(S[:80], y[:80])
    new = np.tile(S, (7, 1)).astype(np.float32)
    mean, deviation = process.predict(new, return_std=True)
    prediction, moments = (compile_program(program, 130) for program in (process.lower(), process.lower_moments()))
    assert prediction(new.T)[0] == pytest.approx(mean, abs=1e-4 * y.std())
    values = process.to_target(*moments(new.T))
    assert values[0] == pytest.approx(mean, abs=1e-4 * y.std())
    assert values[1] == pytest.approx(deviation, abs=1e-4 * y.std())
    assert np.array_equal(moments(new.T)[:, 600:], moments(new[600:].T))  # to the last bit


@pytest.mark.parametrize(
    ("key", "case", "kernel", "length", "trend"),
    [
        ("mat_err", "ordinary", "matern32", 900 * 3**0.5, []),
        ("mat_err", "universal_cov", "matern32", 900 * 3**0.5, [2]),
        ("mat_err", "loo_ordinary", "matern32", 900 * 3**0.5, []),
        ("mat_nonugget", "universal_cov", "matern32", 900 * 3**0.5, [2]),
        ("exp_nonugget", "ordinary", "exponential", 1500.0, []),
    ],
)
def test_kriging_is_that_of_gstat(key: str, case: str, kernel: str, length: float, trend: list[int]) -> None:
    observed, new = (pd.read_csv(shared(f"golden/inputs/krige_{name}.csv")) for name in ("obs", "new"))
    golden: dict[str, Any] = json.loads(shared("golden/kriging/gstat.json").read_text())[key][case]
    fixed = {"noise": 0.3 if key == "mat_err" else 0.0, "place": {"variance": 1.2, "length": length}}
    process = GaussianProcess(blocks=[{**PLACE, "kernel": kernel}], trend=trend, fixed=fixed)
    columns = ["x", "y", "cov"]
    process.fit(observed[columns].to_numpy(), observed["z"].to_numpy())
    if case == "loo_ordinary":
        mean, variance = process.loo_prediction_, process.loo_variance_ - 0.3
    else:
        mean, variance = process.latent(new[columns].to_numpy())
    assert mean == pytest.approx(golden["pred"], abs=1e-9)
    assert variance == pytest.approx(golden["var"], abs=1e-9)
    assert process.lengths_ == pytest.approx([length])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": [{"name": "a", "columns": [9]}]}, "columns"),
        ({"blocks": [{"name": "a", "columns": [0], "width": 3}]}, "keys"),
        ({"blocks": [{"name": "a", "columns": [0]}, {"name": "a", "columns": [1]}]}, "different names"),
        ({"blocks": [{"name": "a", "columns": [0], "kernel": "cubic"}]}, "cubic"),
        ({"blocks": [{"name": "a", "columns": [0, 1], "derivative": True}]}, "11 or more"),
        ({"log": "sometimes"}, "sometimes"),
        ({"n_iterations": 0}, "n_iterations=0"),
        ({"trend": [7]}, "trend"),
        ({"trend": [], "n_inducing": 20}, "inducing"),
        ({"fixed": {"noise": 1.0}}, "fixed"),
        ({"fixed": {"noise": 1.0, "features": {"variance": 1.0, "length": -1.0, "linear": 1.0}}}, "positive"),
    ],
)
def test_wrong_parameters_are_refused_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        GaussianProcess(**options).fit(X, Y)


def test_rows_that_cannot_be_learned_from_are_refused_in_one_line() -> None:
    with pytest.raises(SamplesError, match="found 9 samples; expected at least 10"):
        GaussianProcess().fit(X[:9], Y[:9])
    with pytest.raises(SamplesError, match="n_inducing=61 for 60 rows"):
        GaussianProcess(n_inducing=61).fit(X, Y)
    with pytest.raises(SamplesError, match="features: found the same values in all 60 rows"):
        GaussianProcess().fit(np.ones((60, 2)), Y)
    flat = spectra(20)
    flat[3] = 0.3
    with pytest.raises(SamplesError, match="index 3: found the same value in all bands"):
        GaussianProcess(blocks=[{"name": "d", "columns": list(range(40)), "derivative": True}]).fit(flat, Y[:20])
    with pytest.raises(SamplesError, match="logarithm"):
        GaussianProcess(log="always").fit(X, Y)
    with pytest.raises(RecipeError, match="standard errors"):
        GaussianProcess().fit(X, Y, noise_sd=np.full(60, -1.0))


def test_a_standard_error_of_the_target_is_a_relative_one_of_its_logarithm() -> None:
    relative = RNG.uniform(0.1, 0.6, 60)
    logarithm = GaussianProcess(log="always", n_iterations=20).fit(X, np.exp(Y), noise_sd=relative * np.exp(Y))
    direct = GaussianProcess(n_iterations=20).fit(X, Y, noise_sd=relative)
    assert logarithm.latent(X)[0] == pytest.approx(direct.predict(X), abs=1e-9)


def test_a_block_that_is_the_same_for_all_rows_explains_nothing() -> None:
    fixed = {"noise": 0.1, "features": {"variance": 2.0, "length": 1e5, "linear": 1e-9}}
    assert GaussianProcess(fixed=fixed).fit(X, Y).variance_shares_ == pytest.approx([0, 1], abs=1e-6)


def test_the_evidence_of_some_rows_is_scaled_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = GaussianProcess().fit(X, Y).evidence_
    monkeypatch.setattr(process_fit, "LIKELIHOOD_ROWS", 40)
    assert GaussianProcess().fit(X, Y).evidence_ == pytest.approx(whole, rel=0.2)


def test_places_are_scaled_by_one_number_and_equal_rows_are_allowed() -> None:
    places = RNG.uniform(0, 1, (60, 2)) * [300.0, 100.0]
    process = GaussianProcess(blocks=[PLACE], n_iterations=5).fit(places, Y)
    assert process.scale_ == pytest.approx(np.full(2, places.var(axis=0).mean() ** -0.5))
    mostly_equal = np.where(np.arange(60)[:, None] < 50, X[:1], X)
    assert np.isfinite(GaussianProcess(n_iterations=5).fit(mostly_equal, Y).predict(X)).all()


def test_rows_that_no_inducing_row_resembles_keep_their_prior_variance() -> None:
    apart = np.concatenate([X[:30], X[30:] + 100.0])
    kernel = (
        GaussianProcess(
            blocks=[{"name": "all", "columns": [0, 1, 2, 3], "linear": False}],
            fixed={"noise": 0.1, "all": {"variance": 1.0, "length": 0.01}},
        )
        .fit(apart, Y)
        ._kernel
    )
    rows = [block.transform(apart) for block in kernel.blocks]
    y, noise = (Y - Y.mean()) / Y.std(), np.full(60, 0.1 / Y.var())
    _, _, variance = posterior_by_inducing_rows(kernel, rows, y, noise, np.arange(30))
    assert variance[30:] == pytest.approx(np.full(30, 1.1 / Y.var()), rel=1e-6)


def test_a_constant_column_beside_others_changes_nothing() -> None:
    with_constant = GaussianProcess(n_iterations=20).fit(np.column_stack([X, np.full(60, 7.0)]), Y)
    assert with_constant.predict(np.column_stack([X, np.zeros(60)])) == pytest.approx(
        GaussianProcess(n_iterations=20).fit(X, Y).predict(X), abs=1e-9
    )


def test_more_columns_than_the_memory_can_hold_are_refused(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(64, 1024)), rng.normal(size=64)  # 1 MiB for the two copies of the features
    free = SimpleNamespace(available=2**20)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    GaussianProcess(n_iterations=1).fit(X, y)
    free.available -= 1
    with pytest.raises(SamplesError, match="64 rows of 1024 columns, which need"):
        GaussianProcess(n_iterations=1).fit(X, y)
