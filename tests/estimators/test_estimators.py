"""Regressors choose their settings inside fit, agree with trusted peers, and survive being lowered."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVR

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SEARCHES, SupportVectors
from geosoil.estimators.tuning_journal import quiet_optuna
from geosoil.program.lower import compile_program, lower_estimator, needed_inputs
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.cars import CARS
from geosoil.spectra.scatter import SNV
from geosoil.spectra.smooth import SavitzkyGolay


def spectra(n=60, p=80, seed=0):
    """Smooth positive spectra with a content that two of their features carry."""
    rng = np.random.default_rng(seed)
    wave = np.linspace(0, 1, p)
    depth = rng.uniform(0, 1, (n, 2))
    shape = np.exp(-(((wave - 0.3) / 0.05) ** 2)), np.exp(-(((wave - 0.7) / 0.08) ** 2))
    X = 0.3 + 0.2 * wave - 0.1 * depth @ np.array(shape) + rng.normal(0, 0.002, (n, p))
    return X.astype(np.float32), 20 + 30 * depth[:, 0] + rng.normal(0, 0.5, n)


def test_pls_with_given_components_is_scikit_learns():
    X, y = spectra()
    ours = PartialLeastSquares(n_components=4).fit(X, y)
    theirs = PLSRegression(4, scale=False).fit(np.float64(X), y)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(np.float64(X)), rtol=1e-5)


def test_pls_finds_the_number_of_components_of_a_known_latent_structure():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(80, 3))
    X = scores @ rng.normal(size=(3, 30)) + rng.normal(0, 0.01, (80, 30))
    chosen = PartialLeastSquares().fit(X, scores @ [1.0, -2.0, 0.5] + rng.normal(0, 0.1, 80)).n_components_
    assert 2 <= chosen <= 4


def test_svr_with_given_settings_is_scikit_learns():
    X, y = spectra()
    X = StandardScaler().fit_transform(X)
    ours = SupportVectors(C=10.0, gamma=0.01, epsilon=0.1).fit(X, y)
    theirs = SVR(C=10.0, gamma=0.01, epsilon=0.1).fit(X, (y - y.mean()) / y.std())
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X) * y.std() + y.mean(), rtol=1e-6)


def chosen(X, y, **settings):
    machine = SupportVectors(**settings).fit(X, y)
    return machine.C_, machine.gamma_, machine.epsilon_


@pytest.mark.parametrize("search", SEARCHES)
def test_the_search_of_svr_is_seeded_and_keeps_what_is_given(search):
    X, y = spectra(40, 10)
    first, again, other = (chosen(X, y, search=search, n_candidates=5, random_state=seed) for seed in (3, 3, 4))
    assert first == again != other
    C, gamma, epsilon = chosen(X, y, search=search, n_candidates=3, C=7.0)
    assert C == 7.0 and 1e-3 <= gamma <= 1 and 1e-3 <= epsilon <= 0.3  # of 10 features


def test_the_bayesian_search_of_svr_is_optuna_s_on_the_pooled_error_of_the_folds():
    import optuna

    X, y = spectra(40, 10)
    X, standard = StandardScaler().fit_transform(X.astype(float)), (y - y.mean()) / y.std()

    def error(trial):
        settings = {"C": (1e-1, 1e3), "gamma": (1e-3, 1.0), "epsilon": (1e-3, 3e-1)}
        machine = SVR(**{name: trial.suggest_float(name, *ends, log=True) for name, ends in settings.items()})
        predicted = cross_val_predict(machine, X, standard, cv=KFold(5, shuffle=True, random_state=2))
        return np.mean((predicted - standard) ** 2)

    with quiet_optuna():
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=2))
        study.optimize(error, n_trials=14)
    assert chosen(X, y, search="bayesian", n_candidates=14, random_state=2) == pytest.approx(
        tuple(study.best_params.values())
    )


def test_a_search_of_another_name_is_refused():
    with pytest.raises(RecipeError, match="random or bayesian"):
        SupportVectors(search="grid").fit(*spectra(20, 5))


def test_a_dense_net_learns_and_is_the_same_for_the_same_seed():
    X, y = spectra()
    X = StandardScaler().fit_transform(X)
    first, again = (DenseNet(epochs=60, random_state=1).fit(X, y).predict(X) for _ in range(2))
    assert np.array_equal(first, again)
    assert np.corrcoef(first, y)[0, 1] > 0.9


@pytest.mark.parametrize("kind", [PartialLeastSquares, SupportVectors, DenseNet])
def test_fewer_samples_than_folds_are_refused(kind):
    X, y = spectra(4)
    with pytest.raises(SamplesError, match="4 samples; expected at least 5;"):
        kind().fit(X, y)


@pytest.mark.parametrize("kind", [PartialLeastSquares, SupportVectors, DenseNet, Forest])
def test_rows_with_gaps_or_without_a_value_are_refused_and_counted(kind):
    X, y = spectra(20)
    holed, unknown = X.copy(), y.copy()
    holed[[4, 7], 3], unknown[9] = np.nan, np.inf
    with pytest.raises(SamplesError, match="NaN in 2 of 20 rows, first at index 4;"):
        kind().fit(holed, y)
    with pytest.raises(SamplesError, match="NaN in 1 of 20 rows, first at index 9;"):
        kind().fit(X, unknown)
    with pytest.raises(SamplesError, match=r"X of shape \(20, 80\) and y of shape \(19,\)"):
        kind().fit(X, y[1:])


def test_a_logarithm_of_zero_is_refused():
    X, y = spectra()
    y[3] = 0
    with pytest.raises(SamplesError, match="1 values of zero or less"):
        LogTarget(PartialLeastSquares()).fit(X, y)


def test_smearing_gives_the_mean_and_naive_the_median_of_a_log_normal():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 1))
    y = np.exp(1 + X[:, 0] + rng.normal(0, 0.8, 4000))
    naive, smeared = (
        LogTarget(PartialLeastSquares(n_components=1), retransform=how).fit(X, y) for how in ("naive", "smearing")
    )
    assert smeared.smearing_ == pytest.approx(np.exp(0.8**2 / 2), rel=0.05)
    assert np.mean(smeared.predict(X)) == pytest.approx(y.mean(), rel=0.05)
    assert np.median(y / naive.predict(X)) == pytest.approx(1, abs=0.05)


def pipelines():
    return {
        "pls": Pipeline([("pls", PartialLeastSquares())]),
        "svr": make_pipeline(StandardScaler(), SupportVectors(n_candidates=4)),
        "cars_svr": make_pipeline(CARS(n_runs=10), StandardScaler(), SupportVectors(n_candidates=4)),
        "absorbance_savgol_pls": make_pipeline(Absorbance(), SavitzkyGolay(derivative=1), PartialLeastSquares()),
        "snv_svr": make_pipeline(SNV(), MinMaxScaler(), SupportVectors(n_candidates=4)),
        "dnn": make_pipeline(CARS(n_runs=10), StandardScaler(), DenseNet(epochs=20)),
        "log": LogTarget(make_pipeline(StandardScaler(), SupportVectors(n_candidates=4)), retransform="smearing"),
    }


@pytest.mark.parametrize("name", list(pipelines()))
def test_a_lowered_pipeline_predicts_what_the_pipeline_predicts(name):
    X, y = spectra()
    new, _ = spectra(200, seed=9)
    estimator = pipelines()[name].fit(X, y)
    program = lower_estimator(estimator)
    needed = needed_inputs(program, X.shape[1])
    lowered = compile_program(program, X.shape[1])(np.ascontiguousarray(new[:, needed].T))
    np.testing.assert_allclose(lowered[0], estimator.predict(new), atol=1e-4 * y.std())


def test_a_model_after_cars_needs_only_the_chosen_bands():
    X, y = spectra()
    estimator = pipelines()["cars_svr"].fit(X, y)
    needed = needed_inputs(lower_estimator(estimator), X.shape[1])
    assert np.array_equal(needed, np.flatnonzero(estimator[0].support_))


def test_a_forest_is_not_lowered():
    X, y = spectra(30, 10)
    assert lower_estimator(make_pipeline(StandardScaler(), Forest(n_trees=5)).fit(X, y)) is None
