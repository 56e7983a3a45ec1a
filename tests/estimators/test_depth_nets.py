"""Networks of several depths: what is missing counts for nothing, what is frozen stays, what is learned is real."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.depth_cnn import MultiTaskCNN, PlainCNN, TransferCNN
from geosoil.networks.patch_cnn import CONVOLUTIONS, MTCNN, PatchCNN, masked_squared_error, random_symmetry
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM

LAYERS = [[0, 5], [5, 15], [60, 100]]
TINY = {"layers_cm": LAYERS, "filters": [6, 6, 6], "hidden": [8], "epochs": 3, "random_state": 1}
KINDS = (PlainCNN, MultiTaskCNN, TransferCNN)


def rows(n=40, *, size=5, n_channels=3, seed=0):
    """Return patches and three depths that follow the centre and the mean of the patch."""
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, n_channels, 1, 1)) + 0.5 * rng.normal(size=(n, n_channels, size, size))).astype(np.float32)
    top = 2 + X[:, 0, size // 2, size // 2] + X[:, 1].mean(axis=(1, 2))
    return X, np.stack([top, 0.8 * top + 0.3, 0.3 * top + 0.1 * X[:, 2].mean(axis=(1, 2))], axis=1)


def test_every_patch_size_ends_at_one_cell_and_the_papers_sizes_are_among_them():
    for size, plan in CONVOLUTIONS.items():
        side = size
        for kernel, pooled in plan:
            side = side - kernel + 1
            side = side // 2 if pooled else side
        assert side == 1, size
    assert list(CONVOLUTIONS) == [3, 5, 7, 9, 11, 13, 15]
    assert CONVOLUTIONS[15] == ((3, True), (3, True), (2, False)) and CONVOLUTIONS[9] == ((3, True), (3, False))


def test_a_net_learns_what_a_patch_says_about_three_depths():
    X, y = rows(300, size=3)
    settings = {"filters": [16], "hidden": [16], "epochs": 20, "dropout": 0.0, "learning_rate": 5e-3}
    for kind in KINDS:
        model = kind(**TINY | settings).fit(X[:200], y[:200])
        residual = ((model.predict(X[200:]) - y[200:]) ** 2).mean(axis=0) / y[200:].var(axis=0)
        assert (residual < 0.35).all(), (kind, residual)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_weights_another_seed_others_and_nothing_of_the_callers_changes(kind):
    X, y = rows()
    X[3, 1, 0, 0], y[4, 0] = np.nan, np.nan
    kept = X.copy(), y.copy()
    state = torch.get_rng_state()
    first, again = kind(**TINY).fit(X, y), kind(**TINY).fit(X, y)
    other = kind(**TINY | {"random_state": 2}).fit(X, y)
    assert first.weights_.keys() == again.weights_.keys()
    assert all(np.array_equal(first.weights_[name], again.weights_[name]) for name in first.weights_)
    assert not np.array_equal(first.predict(X), other.predict(X))
    np.testing.assert_array_equal(X, kept[0])
    np.testing.assert_array_equal(y, kept[1])
    assert torch.equal(torch.get_rng_state(), state)
    assert clone(first).get_params() == first.get_params()


def named(model, member, network):
    prefix = f"{member}/{network}/"
    return {name.removeprefix(prefix): value for name, value in model.weights_.items() if name.startswith(prefix)}


@pytest.mark.parametrize("n_frozen", range(6))
@pytest.mark.parametrize("code_enters", ["dense", "channel"])
def test_the_transfer_keeps_frozen_weights_and_their_statistics_to_the_last_bit(n_frozen, code_enters):
    X, y = rows()
    options = TINY | {"hidden": [8, 5], "code_enters": code_enters}
    layers = TransferCNN(**options)
    model = TransferCNN(**options, n_frozen=n_frozen, fine_tuning_epochs=2).fit(X, y)
    pretrained = TransferCNN(**options, n_frozen=99).fit(X, y)
    layers = pretrained._build().layers
    assert layers == ["convolutions.0", "convolutions.1", "head.dense.0", "head.dense.1", "head.output"]
    for depth in range(3):
        before, after = named(pretrained, 0, depth), named(model, 0, depth)
        for name in before:
            same = np.array_equal(before[name], after[name])
            layer = next(number for number, layer in enumerate(layers) if name.startswith(layer + "."))
            assert same == (layer < n_frozen), name


def test_fine_tuning_makes_each_depth_a_network_of_its_own():
    X, y = rows()
    model = TransferCNN(**TINY, fine_tuning_epochs=2).fit(X, y)
    names = [name for name in named(model, 0, 0) if name.startswith("head.output")]
    assert names
    assert all(not np.array_equal(named(model, 0, 0)[name], named(model, 0, 2)[name]) for name in names)


def gradients(net, X, y):
    net.zero_grad()
    masked_squared_error(net(torch.from_numpy(X)), torch.from_numpy(y)).backward()
    return {name: value.grad.clone() for name, value in net.named_parameters()}


def test_a_missing_depth_gives_the_gradient_of_the_others_alone():
    X, y = rows(12)
    y = y.astype(np.float32)
    torch.manual_seed(0)
    net = MTCNN(5, 3, (4, 4), (5,), 0.0, 3).eval()  # statistics fixed: a row then acts through its loss alone
    missing = y.copy()
    missing[9:] = np.nan
    for name, gradient in gradients(net, X, missing).items():
        torch.testing.assert_close(gradient, gradients(net, X[:9], y[:9])[name])
    missing = y.copy()
    missing[:, 1] = np.nan
    branch = {name: value for name, value in gradients(net, X, missing).items() if name.startswith("branches.1")}
    assert branch and all((value == 0).all() for value in branch.values())


def test_what_stands_in_a_missing_depth_of_the_pretraining_does_not_matter():
    """A profile without a depth trains the others: leaving the depth out of the table gives the same network."""
    X, y = rows()
    y[:, 2] = np.nan
    three = TransferCNN(**TINY, n_frozen=99).fit(X, y)
    two = TransferCNN(**TINY | {"layers_cm": LAYERS[:2]}, n_frozen=99).fit(X, y[:, :2])
    assert three.depths_.tolist() == [0, 1] and three.depths_without_data_ == [2]
    np.testing.assert_array_equal(three.predict(X), two.predict(X))


def test_the_code_of_a_depth_is_its_middle_over_two_metres_or_one_hot():
    model = TransferCNN()
    model.depths_ = np.arange(6)
    np.testing.assert_allclose(model._codes()[:, 0] * 200, [np.mean(layer) for layer in STANDARD_LAYERS_CM])
    model.set_params(depth_code="one_hot")
    np.testing.assert_array_equal(model._codes(), np.eye(6))


def test_depths_of_one_patch_as_rows_are_those_of_the_patch_repeated():
    torch.manual_seed(0)
    X = torch.from_numpy(rows(4)[0])
    code, patch = torch.rand(7, 1), torch.tensor([0, 0, 1, 2, 3, 3, 3])
    for where in ("dense", "channel"):
        net = PatchCNN(5, 3, (4, 4), (5,), 0.0, n_codes=1, code_enters=where).eval()
        torch.testing.assert_close(net(X, code, patch), net(X[patch], code))


def test_covariates_are_scaled_by_the_training_rows_and_gaps_hold_their_training_mean():
    X, y = rows()
    X[:, 2] = 7.0  # a constant covariate must not fail
    X[0, 0, 0, 0] = np.nan
    model = PlainCNN(**TINY).fit(X, y)
    scaled = model._scaled(X)
    assert model.n_gaps_ == 1
    assert scaled[:, :2].min() == 0 and scaled[:, :2].max() == 1 and (scaled[:, 2] == 0).all()
    assert scaled[0, 0, 0, 0] == pytest.approx(np.delete(scaled[:, 0].ravel(), 0).mean(), rel=1e-6)
    filled = X.copy()
    filled[0, 0, 0, 0] = np.nanmean(X[:, 0])
    np.testing.assert_allclose(model.predict(X), model.predict(filled), rtol=1e-5)


def test_augmentation_draws_all_eight_symmetries_and_changes_the_weights():
    x = torch.arange(4.0).reshape(1, 1, 2, 2)
    generator = torch.Generator().manual_seed(0)
    assert len({tuple(random_symmetry(x, generator).ravel().tolist()) for _ in range(100)}) == 8
    X, y = rows()
    plain, turned = PlainCNN(**TINY).fit(X, y), PlainCNN(**TINY, augment=True).fit(X, y)
    assert not np.array_equal(plain.predict(X), turned.predict(X))


def test_an_ensemble_is_the_mean_of_its_members():
    X, y = rows()
    both = TransferCNN(**TINY, n_members=2).fit(X, y)
    first = TransferCNN(**TINY).fit(X, y)
    second = TransferCNN(**TINY | {"random_state": 1001}).fit(X, y)
    np.testing.assert_allclose(both.predict(X), (first.predict(X) + second.predict(X)) / 2, rtol=1e-6)


def test_a_depth_with_few_values_is_left_out_and_named():
    X, y = rows()
    y[9:, 1] = np.nan
    for kind in KINDS:
        model = kind(**TINY).fit(X, y)
        assert model.depths_.tolist() == [0, 2] and model.depths_without_data_ == [1]
        assert model.predict(X).shape == (40, 2) and np.isfinite(model.predict(X)).all()


BAD = {
    "an even patch": (lambda X, y: (X[:, :, :4, :4], y), r"shape \(40, 3, 4, 4\); expected .* size of 3, 5, 7"),
    "no patch": (lambda X, y: (X[:, :, 2, 2], y), "shape"),
    "another number of depths": (lambda X, y: (X, y[:, :2]), r"values of shape \(40, 2\); expected \(40, 3\)"),
    "no values": (lambda X, y: (X, y * np.nan), "at most 0 values in a layer"),
    "too few values": (lambda X, y: (X[:9], y[:9]), "at most 9 values in a layer"),
    "infinite covariates": (lambda X, y: (X / np.float32(0.0), y), "infinite values"),
    "an empty covariate": (lambda X, y: (np.where([[[True]], [[False]], [[True]]], X, np.nan), y), "covariate 2"),
}


@pytest.mark.parametrize("what", list(BAD))
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_rows_that_make_no_table_are_refused_in_one_line(what):
    change, message = BAD[what]
    with pytest.raises(SamplesError, match=message):
        PlainCNN(**TINY).fit(*change(*rows()))


@pytest.mark.parametrize(
    "options",
    [{"filters": [4]}, {"hidden": []}, {"n_members": 0}, {"batch_size": 2}, {"depth_code": "x"}, {"code_enters": "x"}],
    ids=str,
)
def test_settings_that_make_no_network_are_refused_in_one_line(options):
    with pytest.raises(RecipeError, match=f"TransferCNN: found {next(iter(options))} = "):
        TransferCNN(**TINY | options).fit(*rows())


def test_patches_of_another_shape_are_refused_at_prediction():
    X, y = rows()
    with pytest.raises(SamplesError, match=r"shape \(40, 2, 5, 5\); expected \(sample, 3, 5, 5\)"):
        PlainCNN(**TINY).fit(X, y).predict(X[:, :2])
