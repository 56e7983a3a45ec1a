"""CARS against libPLS 1.98 (both forms), its closed formulas, and what its users complain of in the peers."""

import json

import numpy as np
import pandas as pd
import pytest
from shared_material import shared
from sklearn.base import clone
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from geosoil.errors import RecipeError, SamplesError
from geosoil.evaluate.metrics import regression_metrics
from geosoil.numerics import pls
from geosoil.spectra.cars import CARS, MonteCarlo, NoSampling, retained_ratio, shrinking_subsets


@pytest.fixture(scope="module")
def table() -> tuple[np.ndarray, np.ndarray]:
    """Return 60 spectra of 80 bands and their SOC."""
    frame = pd.read_csv(shared("golden/inputs/cars.csv"))
    return frame.drop(columns="soc").to_numpy(), frame["soc"].to_numpy()


@pytest.fixture(scope="module")
def libpls() -> dict:
    return json.loads(shared("golden/cars/libpls_carspls.json").read_text())


def three_bands(n: int = 60, p: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return independent bands of which 5, 17 and 30 alone make y."""
    X = np.random.default_rng(seed).normal(size=(n, p))
    return X, X[:, 5] - 2 * X[:, 17] + X[:, 30] + 0.05 * np.random.default_rng(seed + 1).normal(size=n)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("simplified_center", {}),
        ("simplified_autoscaling", {"scale": "autoscale"}),
        ("simplified_center_1sd", {"component_rule": "one_sd"}),
    ],
)
def test_the_deterministic_form_is_that_of_libpls(table, libpls, name, parameters):
    cars, expected = CARS(20, 8, sampling="none", **parameters).fit(*table), libpls[name]
    np.testing.assert_allclose(cars.rmsecv_, expected["rmsecv"], rtol=1e-8)
    assert cars.get_support(indices=True).tolist() == expected["vsel_0based"]
    assert (cars.best_run_ + 1, cars.n_components_) == (expected["iter_opt_1based"], expected["opt_lv"])


class Recorded:
    """The draws that libPLS recorded."""

    def __init__(self, record: dict) -> None:
        self.rows, self.drawn = iter(record["mc_samples_0based"]), iter(record["ars_unique_0based"])

    def samples(self, n_samples: int) -> np.ndarray:
        return np.array(next(self.rows))

    def bands(self, weight: np.ndarray) -> np.ndarray:
        drawn = np.array(next(self.drawn))
        assert (weight[drawn] > 0).all()  # the peer drew among the bands that we keep too
        return drawn


@pytest.mark.parametrize("name", ["simplified_center", "simplified_autoscaling", "original_center"])
def test_subsets_and_coefficients_of_every_run_are_those_of_libpls(table, libpls, name):
    expected = libpls[name]
    draws = Recorded(expected) if name == "original_center" else NoSampling()
    subsets, coefficients = shrinking_subsets(
        *table, draws, n_runs=20, n_components=8, scale=name.endswith("autoscaling")
    )
    assert [np.flatnonzero(subset).tolist() for subset in subsets] == expected["subsets_0based"]
    for subset, found, theirs in zip(subsets, coefficients, expected["coef"], strict=True):
        np.testing.assert_allclose(found[subset], theirs, rtol=1e-8, atol=1e-8 * np.abs(theirs).max())
        assert (found[~subset] == 0).all()


def test_the_exponential_schedule_is_the_published_one():
    for case in json.loads(shared("golden/cars/edf_schedule.json").read_text()):
        ratio = retained_ratio(case["p"], case["N"])
        np.testing.assert_allclose(ratio, case["r"], atol=1e-12)
        assert np.floor(case["p"] * ratio + 0.5).astype(int).tolist() == case["n_keep_round"]


@pytest.mark.parametrize("n_draws", [9, 50])
def test_as_many_bands_are_drawn_as_there_are_bands(n_draws):
    # drawing only as many as are kept, as one peer does, loses a third more bands per run
    expected = json.loads(shared("golden/cars/ars_inclusion.json").read_text())
    weight = np.zeros(n_draws)  # bands of no weight stretch nine to n_draws without touching the nine
    weight[:9] = expected["weights"]
    draws, n = MonteCarlo(np.random.default_rng(0), 0.9), 5000
    held = np.zeros(n_draws)
    for _ in range(n):
        held[np.unique(draws.bands(weight / weight.sum()))] += 1
    probability = np.array(expected["inclusion_probability"][str(n_draws)])
    standard_error = np.sqrt(probability * (1 - probability) / n)
    assert (np.abs(held[:9] / n - probability) <= 4 * standard_error + 1e-9).all()
    assert (held[9:] == 0).all()


def test_the_samples_of_a_run_are_a_share_drawn_without_replacement():
    drawn = MonteCarlo(np.random.default_rng(0), 0.7).samples(10)
    assert len(drawn) == len(set(drawn.tolist())) == 7


@pytest.mark.parametrize("sampling", ["monte_carlo", "none"])
def test_the_bands_that_make_the_target_are_found(sampling):
    cars = CARS(sampling=sampling, n_components=5).fit(*three_bands())
    assert cars.support_[[5, 17, 30]].all()
    assert cars.support_.sum() < 10
    assert cars.rmsecv_[cars.best_run_] == cars.rmsecv_.min() < 0.1
    assert cars.n_bands_[0] == 40
    assert (cars.n_bands_ <= np.floor(40 * retained_ratio(40, 50) + 0.5)).all()
    assert ((cars.coefficient_path_ != 0).sum(axis=1) == cars.n_bands_).all()


def test_a_seed_gives_one_answer_whatever_the_batch(monkeypatch):
    X, y = three_bands()
    once, again = CARS(20, 5, random_state=3).fit(X, y), CARS(20, 5, random_state=3).fit(X, y)
    monkeypatch.setattr(pls, "_NUMBERS_AT_ONCE", 1)
    unbatched = CARS(20, 5, random_state=3).fit(X, y)
    for other in (again, unbatched):
        assert other.best_run_ == once.best_run_
        assert (other.support_ == once.support_).all()
        assert (other.n_bands_ == once.n_bands_).all()
        np.testing.assert_allclose(other.rmsecv_, once.rmsecv_, rtol=1e-10)
    assert (CARS(20, 5, random_state=4).fit(X, y).n_bands_ != once.n_bands_).any()


def test_the_answer_of_repeats_is_the_best_of_them_and_more_repeats_change_none():
    X, y = three_bands(n=30)
    y = y + np.random.default_rng(9).normal(size=30)
    one, three, five = (CARS(15, 4, n_repeats=n).fit(X, y) for n in (1, 3, 5))
    errors = [cars.rmsecv_.min() for cars in (one, three, five)]
    assert errors == sorted(errors, reverse=True)
    assert (one.selection_frequency_ == one.support_).all()
    assert set(np.unique(np.round(5 * five.selection_frequency_, 9))) <= set(range(6))
    assert (five.selection_frequency_[five.support_] > 0).all()
    # three repeats are the first three of five
    assert (np.abs(5 * five.selection_frequency_ - 3 * three.selection_frequency_ - 1) <= 1 + 1e-9).all()


def test_one_sd_takes_no_more_components_than_argmin(table):
    argmin, one_sd = (CARS(10, 8, sampling="none", component_rule=rule).fit(*table) for rule in ("argmin", "one_sd"))
    assert one_sd.n_components_ <= argmin.n_components_
    assert (one_sd.rmsecv_ >= argmin.rmsecv_).all()


def test_it_is_a_selector_of_scikit_learn_that_keeps_float32_and_lets_nan_pass():
    X, y = three_bands()
    cars = clone(CARS(10, 4)).fit(X, y)
    chosen = cars.get_support(indices=True)
    block = X.astype(np.float32)
    block[0, 0] = np.nan
    assert cars.transform(block).dtype == np.float32
    np.testing.assert_array_equal(cars.transform(block), block[:, chosen])
    (select,) = cars.lower()
    np.testing.assert_array_equal(select.index, chosen)
    names = [f"{wavelength} nm" for wavelength in range(400, 440)]
    assert cars.get_feature_names_out(names).tolist() == [names[band] for band in chosen]
    assert all(hasattr(cars, name) for name in CARS.fitted)


def test_a_target_without_relation_is_not_predicted_when_the_choice_stands_inside_the_folds():
    inside, before = [], []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X, y = rng.normal(size=(60, 150)), rng.normal(size=60)
        cars, model, folds = CARS(15, 3), PLSRegression(3, scale=False), KFold(3, shuffle=True, random_state=seed)
        for scores, estimator, data in (
            (inside, make_pipeline(cars, model), X),
            (before, model, clone(cars).fit_transform(X, y)),
        ):
            scores.append(regression_metrics(y, cross_val_predict(estimator, data, y, cv=folds).ravel())["r2"])
    assert np.mean(inside) < 0 < np.mean(before)  # chosen before the split, noise looks like skill


def spoil(X: np.ndarray, y: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    X, y = X.copy(), y.copy()
    if how == "hole":
        X[3, 2] = np.nan
    elif how == "infinite target":
        y[1] = np.inf
    elif how == "flat target":
        y[:] = 0.1
    elif how == "dead bands":
        X[:, [4, 8, 9]] = 0.1
    elif how == "few samples":
        X, y = X[:4], y[:4]
    elif how == "unequal":
        y = y[:-1]
    elif how == "one band":
        X = X[:, :1]
    return X, y


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("hole", "NaN"),
        ("infinite target", "infinite"),
        ("flat target", "the same target in all 60 samples"),
        ("dead bands", "3 of 40 bands constant"),
        ("few samples", "4 samples for 5 folds"),
        ("unequal", "59 targets for 60 spectra"),
        ("one band", "1 bands"),
    ],
)
def test_what_cannot_be_chosen_from_is_refused_in_one_line(how, message):
    with pytest.raises(SamplesError, match=message) as refusal:
        CARS().fit(*spoil(*three_bands(), how))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "parameters", [{"n_runs": 1}, {"n_repeats": 0}, {"sample_share": 1.5}, {"scale": "pareto"}, {"sampling": "some"}]
)
def test_a_parameter_that_is_not_valid_is_refused(parameters):
    with pytest.raises(RecipeError, match=next(iter(parameters))):
        CARS(**parameters).fit(*three_bands())
