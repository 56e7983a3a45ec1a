"""The 1D-CNN as a regressor: its folds, what it learns, maps and stores, and how it is fine-tuned."""

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.fold_trainer import split_folds, train_fold
from geosoil.estimators.spectral_cnn import SpectralCNN
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, save_model
from geosoil.training.transfer import fine_tune

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(60, 40)).cumsum(axis=1) / 4).astype(np.float32)
Y = 30 + 5 * (X[:, 10] - X[:, 30])
TINY = {
    "convolutions": [{"filters": 6, "kernel": 5, "stride": 2, "batch_norm": True, "pool": "max", "pool_size": 2}],
    "dense": [{"nodes": 8, "dropout": 0.1}],
}
FAST = {"architecture": TINY, "n_folds": 3, "epochs": 40, "learning_rate": 0.01}


@pytest.fixture(scope="module")
def net():
    return SpectralCNN(**FAST).fit(X, Y)


def test_it_learns_and_gives_the_mean_of_its_fold_nets_in_the_targets_unit(net):
    members = net.predict_members(X)
    assert members.shape == (3, 60)
    np.testing.assert_allclose(net.predict(X), members.mean(axis=0))
    assert np.corrcoef(net.predict(X), Y)[0, 1] > 0.95
    assert abs(net.predict(X).mean() - 30) < 2


def test_a_fold_net_has_seen_nothing_of_its_fold_but_when_to_stop(net):
    # Another target in the fold: the same epochs give the same weights, so only the epoch can differ.
    (training, held_back), *_ = split_folds(60, 3, None, 0)
    standard = (Y - Y.mean()) / Y.std()
    spoilt = standard.copy()
    spoilt[held_back] = 9.0
    once = SpectralCNN(**FAST | {"epochs": 1})
    first, second = (train_fold(once, X, target, training, held_back, seed=0) for target in (standard, spoilt))
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, second.weights[name])


def test_the_cross_validated_error_is_that_of_each_fold_by_the_net_that_did_not_learn_it(net):
    errors = np.empty(60)
    for member, (_, held_back) in zip(net.predict_members(X), split_folds(60, 3, None, 0), strict=True):
        errors[held_back] = member[held_back] - Y[held_back]
    assert net.cross_validated_rmse_ == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-4)
    assert "optimistic" in " ".join(net.notes_)


def test_the_best_epoch_of_a_fold_is_the_one_after_which_none_was_better_for_the_patience():
    trained = SpectralCNN(**FAST | {"epochs": 200, "patience": 5}).fit(X, Y)
    longer = SpectralCNN(**FAST | {"epochs": int(trained.best_epochs_[0])}).fit(X, Y)
    assert longer.best_epochs_[0] == trained.best_epochs_[0] < 200
    assert longer.fold_rmse_[0] == trained.fold_rmse_[0]


def test_refit_is_one_net_on_all_rows_for_the_median_of_the_best_epochs(net):
    refit = SpectralCNN(**FAST, final="refit").fit(X, Y)
    np.testing.assert_array_equal(refit.best_epochs_, net.best_epochs_)
    assert refit.n_members_ == 1
    assert f"for {int(np.median(net.best_epochs_))} epochs" in refit.notes_[-1]
    assert np.corrcoef(refit.predict(X), Y)[0, 1] > 0.9


def test_a_seed_gives_the_same_net_and_torchs_own_random_numbers_stay():
    before = torch.get_rng_state()
    first, other = (SpectralCNN(**FAST | {"epochs": 3}).fit(X, Y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, other)
    assert torch.equal(before, torch.get_rng_state())
    assert not np.array_equal(first, SpectralCNN(**FAST | {"epochs": 3}, random_state=1).fit(X, Y).predict(X))


def test_rows_of_a_group_stand_in_one_fold():
    groups = np.repeat(np.arange(6), 10)
    for training, held_back in split_folds(60, 3, groups, 0):
        assert not set(groups[training]) & set(groups[held_back])


@pytest.mark.parametrize("architecture", [TINY, "small", {"convolutions": [{"filters": 9, "kernel": 3}], "dense": []}])
def test_a_row_does_not_depend_on_the_rows_beside_it_to_the_last_bit(architecture):
    net = SpectralCNN(**FAST | {"architecture": architecture, "epochs": 1}).fit(X, Y)
    many = np.tile(X, (10, 1))  # more than two batches
    whole = net.predict(many)
    for first in (0, 5, 250):
        np.testing.assert_array_equal(net.predict(many[first : first + 11]), whole[first : first + 11])
    np.testing.assert_array_equal(net.predict(X[5:6]), whole[5:6])


def test_it_maps_a_cube_and_comes_back_from_its_file_as_it_was(net, tmp_path):
    estimator = make_pipeline(StandardScaler(), SpectralCNN(**FAST | {"epochs": 3})).fit(X, Y)
    features = tuple(Feature(f"b{i}", 400.0 + 7 * i, None, -3.0, 3.0) for i in range(40))
    model = PixelModel(estimator, features, (Target("soc_pct", "%"),))
    block = np.ascontiguousarray(X.T).reshape(40, 6, 10)
    block[:, 2, 3] = np.nan
    whole = model.predict(block)
    np.testing.assert_allclose(whole.ravel()[:15], estimator.predict(X[:15]), rtol=1e-5)
    np.testing.assert_array_equal(model.predict(block[:, 1:4, 2:7]), whole[:, 1:4, 2:7])
    assert np.isnan(whole[0, 2, 3])
    assert np.isnan(whole).sum() == 1
    save_model(model, tmp_path / "soc", name="soc", study="t", preprocessing=[],
               training=TrainingCard(n_samples=60, recipe_sha256="", table_sha256=""))  # fmt: skip
    again = load_model(tmp_path / "soc")
    np.testing.assert_array_equal(again.predict(block), whole)
    assert again.estimator[-1].architecture == TINY
    assert again.estimator[-1].notes_ == estimator[-1].notes_


def test_fine_tuning_keeps_frozen_blocks_to_the_last_bit_and_moves_the_others(net):
    tuned = net.fine_tuned(X[:20], Y[:20], freeze=["convolutions.0"], same_target=True, epochs=5)
    base = int(tuned.notes_[-1].split()[3]) - 1
    for name, value in net.weights_.items():
        member, _, layer = name.partition("/")
        if member == str(base):
            same = np.array_equal(tuned.weights_[f"0/{layer}"], value)
            assert same == layer.startswith("convolutions.0"), layer


def test_the_base_is_the_fold_net_with_the_least_error_on_the_rows_it_is_judged_by(net):
    rows = np.arange(40, 60)
    errors = ((net.predict_members(X[rows]) - Y[rows]) ** 2).mean(axis=1)
    tuned = net.fine_tuned(X, Y, freeze=["convolutions.0"], base_rows=rows, same_target=True, epochs=1)
    assert tuned.notes_[-1] == f"started from network {np.argmin(errors) + 1} of 3"


def test_with_the_same_target_it_begins_with_the_sources_predictions_in_the_new_units(net):
    new = SpectralCNN(**FAST | {"epochs": 1, "learning_rate": 1e-12, "final": "refit"})
    tuned = net.fine_tuned(X[:20], Y[:20], freeze=["convolutions.0"], same_target=True,
                           learning_rate=new.learning_rate, epochs=1)  # fmt: skip
    base = int(tuned.notes_[-1].split()[3]) - 1
    np.testing.assert_allclose(tuned.predict(X), net.predict_members(X)[base], rtol=1e-4)


def test_fine_tune_takes_it_with_its_preprocessing_and_keeps_the_descent():
    source = make_pipeline(StandardScaler(), SpectralCNN(**FAST | {"epochs": 3})).fit(X, Y)
    tuned = fine_tune(source, X[:30], 2 * Y[:30])
    assert tuned[-1].ancestry_[0]["frozen"] == ["convolutions.0"]
    assert tuned[-1].target_mean_ == pytest.approx(2 * Y[:30].mean())


@pytest.mark.parametrize(
    ("settings", "rows", "kind", "words"),
    [
        ({}, (X[:9], Y[:9]), SamplesError, "9 samples"),
        ({"n_folds": 30}, (X[:20], Y[:20]), SamplesError, "at least 30"),
        ({}, (np.where(np.arange(60)[:, None] == 3, np.nan, X), Y), SamplesError, "NaN in 1 of 60"),
        ({"final": "mean"}, (X, Y), RecipeError, "folds or refit"),
        ({"batch_size": 2}, (X, Y), RecipeError, "4 or more"),
        ({"architecture": "shen2022_china"}, (X, Y), RecipeError, "positions after its blocks"),
        ({"learning_rate": 1e30}, (X, Y), RecipeError, "lower learning_rate"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(settings, rows, kind, words):
    with pytest.raises(kind, match=words) as caught:
        SpectralCNN(**FAST | {"epochs": 9} | settings).fit(*rows)
    assert len(str(caught.value).splitlines()) == 1
