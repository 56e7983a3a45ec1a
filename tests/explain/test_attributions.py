"""Attributions: golden values of shap, exact sums, and the method that suits a model."""

import json

import numpy as np
import pytest
import torch
from shared_material import shared
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import SamplesError
from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.resnet import ResNet1D
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.explain.attributions import (
    expected_gradients,
    gradient_explainer,
    permutation_attributions,
    tree_attributions,
)
from geosoil.explain.explanation import explain_rows
from geosoil.explain.windows import model_windows, region_windows
from geosoil.models.contract import Feature, Target, place_features
from geosoil.models.pixel import PixelModel
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.resample import ResampleSpectra
from geosoil.spectra.scatter import MSC, SNV

RNG = np.random.default_rng(0)
NM = np.linspace(400, 2400, 120)
X = (0.4 + RNG.normal(size=(40, 120)).cumsum(axis=1) / 150).astype(np.float32)
Y = 5 + 4 * (X[:, 20] - X[:, 90])


@pytest.fixture(scope="module")
def golden():
    reference = json.loads(shared("golden/shap/expected_gradients.json").read_text())
    reference = {name: value if isinstance(value, str) else np.array(value) for name, value in reference.items()}

    def net(x):
        w1, b1, w2, b2 = (torch.from_numpy(reference[name]).to(x.dtype) for name in ("W1", "b1", "W2", "b2"))
        return torch.tanh(x @ w1.T + b1) @ w2.T + b2

    return reference, net


def test_expected_gradients_are_the_golden_ones(golden):
    reference, net = golden
    values = expected_gradients(net, reference["x"], reference["background"], steps=16)
    np.testing.assert_allclose(values, reference["expected_gradients_exact"], atol=1e-9)
    np.testing.assert_allclose(values.sum(axis=1), reference["f_x"] - reference["mean_f_background"], atol=1e-9)


def test_gradient_explainer_is_shap_s_own(golden):
    reference, net = golden
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    values = gradient_explainer(net, reference["x"], reference["background"], n_samples=4000, seed=0)
    np.testing.assert_allclose(values, reference["shap_gradientexplainer_nsamples4000_rseed0"], atol=1e-6)
    np.testing.assert_allclose(values, reference["expected_gradients_exact"], atol=0.02)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_path_over_kinks_is_walked_until_its_sum_holds():
    def kinked(x):
        return torch.relu(x @ torch.arange(-3.0, 3.0) - 0.37) + 5 * torch.relu(x[:, 0] - 0.913)

    x, background = RNG.normal(size=(5, 6)).astype(np.float32), RNG.normal(size=(7, 6)).astype(np.float32)
    rise = (kinked(torch.from_numpy(x)) [:, None] - kinked(torch.from_numpy(background))).mean(1).numpy()  # fmt: skip
    rough = np.abs(expected_gradients(kinked, x, background).sum(axis=1) - rise).max()
    fine = np.abs(expected_gradients(kinked, x, background, tolerance=0.01).sum(axis=1) - rise).max()
    assert fine < 0.01 < rough


def test_permutations_add_up_exactly_and_find_the_shapley_values_of_a_product():
    # f = a b + c from 0: Shapley gives half of a b to each, and c to c.
    x = np.array([[2.0, 3.0, 0.5]])
    values = permutation_attributions(lambda r: r[:, 0] * r[:, 1] + r[:, 2], x, np.zeros((2, 3)), np.arange(3))
    np.testing.assert_allclose(values, [[3.0, 3.0, 0.5]])


def test_trees_add_up():
    forest = RandomForestRegressor(10, random_state=0).fit(X[:, :6], Y)
    values = tree_attributions(forest, X[:5, :6], X[:, :6])
    rise = forest.predict(X[:5, :6]) - forest.predict(X[:, :6]).mean()
    np.testing.assert_allclose(values.sum(axis=1), rise, atol=1e-6)


def model(estimator, n=120):
    features = tuple(Feature(f"{nm:g} nm", float(nm)) for nm in NM[:n])
    return PixelModel(estimator, features, (Target("ph", "pH", (0.0, 14.0)),))


MODELS = {
    "linear": lambda: make_pipeline(StandardScaler(), PartialLeastSquares(n_components=3)),
    "path": lambda: make_pipeline(Absorbance(), SNV(), ResNet1D(epochs=8, patience=8)),
    "path dense": lambda: make_pipeline(StandardScaler(), DenseNet(epochs=5)),
    "tree": lambda: Forest(n_trees=5),
    "permutation": lambda: make_pipeline(StandardScaler(), SupportVectors(C=1.0, gamma=0.01, epsilon=0.1)),
    "permutation msc": lambda: make_pipeline(MSC(), PartialLeastSquares(n_components=2)),
}


@pytest.mark.parametrize("kind", list(MODELS))
def test_the_way_suits_the_model_and_the_sum_holds(kind):
    fitted = MODELS[kind]().fit(X, Y)
    explained = explain_rows(model(fitted), X[:4], X, n_background=12)
    assert explained.method == kind.split()[0]
    assert explained.additivity < 0.02
    # The check itself is not blind: with one attribution off, the sum is.
    explained.values[0, 0] += explained.spread
    assert explained.additivity > 0.9


def test_a_linear_model_is_explained_by_its_coefficients():
    line = PartialLeastSquares(n_components=3).fit(X, Y)
    explained = explain_rows(model(line), X)
    np.testing.assert_allclose(explained.values, (X - X.mean(0)) * line.coef_, atol=1e-5)


def test_a_model_of_the_logarithm_is_explained_there():
    fitted = LogTarget(PartialLeastSquares(n_components=2)).fit(X, np.exp(Y))
    explained = explain_rows(model(fitted), X)
    assert (explained.method, explained.quantity) == ("linear", "ln(ph)")
    assert explained.additivity < 1e-4


def test_a_pooled_net_is_read_in_its_windows_and_never_finer():
    net = ResNet1D(epochs=1).fit(X, Y)
    windows = model_windows(net, model(net).features)
    assert net.pool_bands_ == 2
    assert len(windows.names) == 60
    assert windows.names[0] == f"{NM[0]:g}-{NM[1]:g} nm"


def test_behind_a_resampling_step_the_windows_are_those_of_the_net():
    finer = np.linspace(400, 2400, 239)
    step = ResampleSpectra(finer.tolist(), NM.tolist())
    spectra = np.array([np.interp(finer, NM, row) for row in X], np.float32)
    net = make_pipeline(step, ResNet1D(epochs=1)).fit(spectra, Y)
    windows = model_windows(net, tuple(Feature(f"{nm:g}", float(nm)) for nm in finer))
    assert len(windows.names) == 60
    # The net's windows hold two of its bands; the finer bands fall to the nearest.
    assert windows.low_nm[1] > windows.high_nm[0]
    assert abs(windows.low_nm[1] - NM[2]) < 10


def test_the_x_and_y_of_a_place_beside_bands_are_one_window():
    bands = [Feature(f"b{i}", 400.0 + 20 * i) for i in range(40)]
    east, north = place_features("EPSG:32633")
    regions = region_windows((*bands[:20], east, *bands[20:], north))
    assert regions.names == ("visible", "near infrared", "shortwave infrared 1", "place")
    assert np.flatnonzero(regions.group == 3).tolist() == [20, 41]
    assert np.isnan(regions.low_nm[3])
    sampled = model_windows(None, (east, north, *bands), sampled=True)
    assert sampled.names[30] == "place_x_m + place_y_m"
    assert len(sampled.names) == 31
    assert sampled.names[0].endswith("nm")
    assert region_windows((east, north)).names == ("place_x_m", "place_y_m")


def test_a_map_is_explained_by_regions_of_the_spectrum_or_by_covariates_with_their_classes_together():
    nm = [399.9, 400, 699.9, 700, 999.9, 1000, 1799.9, 1800, 2599.9, 2600]
    regions = region_windows(tuple(Feature(f"{wave}", wave) for wave in nm))
    assert regions.names == (
        "ultraviolet", "visible", "near infrared", "shortwave infrared 1", "shortwave infrared 2", "mid-infrared",
    )  # fmt: skip
    assert regions.group.tolist() == [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert regions.low_nm.tolist() == [399.9, 400, 700, 1000, 1800, 2600]
    covariates = region_windows(tuple(Feature(name) for name in ("twi", "landform=1", "dem", "landform=-7", "a=b")))
    assert covariates.names == ("twi", "landform", "dem", "a=b")
    assert covariates.group.tolist() == [0, 1, 2, 1, 3]


def test_a_budget_explains_fewer_samples_and_says_so():
    net = make_pipeline(StandardScaler(), DenseNet(epochs=2)).fit(X, Y)
    explained = explain_rows(model(net), X, n_background=10, budget=10 * 8 * 7)
    assert len(explained.rows) == len(explained.values) == 7
    assert "7 of 40 samples explained" in " ".join(explained.notes)
    again = explain_rows(model(net), X, n_background=10, budget=10 * 8 * 7)
    np.testing.assert_array_equal(again.values, explained.values)


@pytest.mark.parametrize("rows", [X[:0], X[:, :5], np.where(X.max() - 1e-6 < X, np.nan, X)])
def test_rows_that_do_not_suit_are_refused(rows):
    net = PartialLeastSquares(n_components=2).fit(X, Y)
    with pytest.raises(SamplesError):
        explain_rows(model(net), rows)


def test_methods_that_take_long_report_each_row():
    X, seen = np.arange(6.0).reshape(3, 2), []
    permutation_attributions(lambda rows: rows.sum(1), X, X[:1], np.array([0, 1]), progress=lambda *n: seen.append(n))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    seen.clear()
    expected_gradients(lambda x: (x**2).sum(1), X, X[:1], progress=lambda *n: seen.append(n))
    assert seen == [(1, 3), (2, 3), (3, 3)]
