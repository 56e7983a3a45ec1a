"""The paper's net: its parameters, its program, what it learns, and how it is refused."""

import numpy as np
import pytest
import torch

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.resnet import ResNet1D
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, save_model
from geosoil.networks.resnet1d import ResidualNet
from geosoil.program.lower import compile_program

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(48, 285)).cumsum(axis=1) / 20).astype(np.float32)
Y = 6 + X[:, 50] - X[:, 200]


@pytest.fixture(scope="module", params=["relu", "linear"])
def net(request):
    return ResNet1D(output=request.param, epochs=25, patience=25).fit(X, Y)


def as_module(net):
    module = net._net(net.n_features_in_)
    module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in net.weights_.items()})
    return module.eval()


def test_the_parameters_are_those_counted_for_the_paper():
    # ../shared/golden/architectures/he2025.json: arithmetic on the printed layers, 2100 bands, "same" padding,
    # batch norm after each convolution of a block; 53957 in the dense head.
    module = ResidualNet(2100, 10, rectified=True, start=0.0)
    head = [module.dense_1, module.dense_2, module.output]
    assert sum(p.numel() for p in module.parameters()) == 87109
    assert sum(p.numel() for layer in head for p in layer.parameters()) == 53957
    assert module.dense_1.in_features == 3360
    blocks = [module.residual_1, module.residual_2]
    norms = [norm for block in blocks for norm in (block.batch_norm_1, block.batch_norm_2)]
    assert 87109 - sum(p.numel() for norm in norms for p in norm.parameters()) == 86725


@pytest.mark.parametrize(("n_bands", "pool"), [(2100, 10), (500, 10), (490, 9), (285, 5), (100, 2), (40, 1)])
def test_at_least_50_windows_remain_where_there_are_as_many_bands_and_the_net_says_how_many(n_bands, pool):
    net = ResNet1D(epochs=1).fit(np.resize(X, (12, n_bands)), Y[:12])
    assert net.pool_bands_ == pool
    assert -(-n_bands // pool) >= min(50, n_bands)
    assert f"averaged by {pool} into {-(-n_bands // pool)} windows" in net.notes_[0]


def test_the_program_computes_what_the_network_computes(net):
    with torch.no_grad():
        expected = as_module(net)(torch.from_numpy(X)).numpy() * net.target_spread_
    expected += net.target_mean_ if net.output == "linear" else 0
    np.testing.assert_allclose(net.predict(X), expected, atol=2e-5)


def test_the_net_learns_and_starts_at_the_mean(net):
    assert np.corrcoef(net.predict(X), Y)[0, 1] > 0.9
    start = net._net(285)
    assert start.output.bias.item() * net.target_spread_ == pytest.approx(Y.mean() if net.output == "relu" else 0)


def test_a_row_does_not_depend_on_the_rows_beside_it_to_the_last_bit(net):
    many = np.tile(X, (12, 1))  # more than one batch of 256
    np.testing.assert_array_equal(net.predict(many)[250:260], net.predict(many[250:260]))


def test_a_pixel_does_not_depend_on_its_block_and_no_data_stays_no_data(net, tmp_path):
    features = tuple(Feature(f"b{i}", 400.0 + 7 * i, None, 0.0, 1.0) for i in range(285))
    model = PixelModel(net, features, (Target("ph", "pH", (0.0, 14.0)),))
    block = np.ascontiguousarray(X.T).reshape(285, 6, 8)
    block[:, 2, 3] = np.nan
    whole = model.predict(block)
    assert model.is_lowered
    np.testing.assert_array_equal(model.predict(block[:, 1:4, 2:7]), whole[:, 1:4, 2:7])
    assert np.isnan(whole[0, 2, 3])
    save_model(model, tmp_path / "ph", name="ph", study="t", preprocessing=[],
               training=TrainingCard(n_samples=48, recipe_sha256="", table_sha256=""))  # fmt: skip
    np.testing.assert_array_equal(load_model(tmp_path / "ph").predict(block), whole)


def test_the_needed_multiply_adds_are_those_of_convolutions_and_dense_layers(net):
    # 57 windows, 28 after the pool: conv 1-48, four conv 48-48, conv 48-32, dense 896-16-10-1, and 57 means.
    needed = 57 * 48 * 3 + 4 * 28 * 48 * 48 * 3 + 28 * 32 * 48 * 3 + 896 * 16 + 160 + 10
    counted = compile_program(net.lower(), 285).multiply_adds
    assert needed <= counted <= needed + 57 * 285 + 1


def test_whole_groups_say_when_to_stop():
    groups = np.repeat(np.arange(8), 6)
    fitted = ResNet1D(epochs=2).fit(X, Y, groups=groups)
    assert len(fitted.stopping_losses_) == 2
    with pytest.raises(RecipeError, match="two groups"):
        ResNet1D(epochs=2).fit(X, Y, groups=np.zeros(48))


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda x, y: (x[:9], y[:9]), SamplesError, "9 samples"),
        (lambda x, y: (np.where(np.arange(48)[:, None] == 3, np.nan, x), y), SamplesError, "NaN in 1 of 48"),
        (lambda x, y: (x, y - 20), SamplesError, "use output='linear'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(change, kind, words):
    with pytest.raises(kind, match=words) as caught:
        ResNet1D(epochs=1).fit(*change(X, Y))
    assert len(str(caught.value).splitlines()) == 1


def test_cuda_asked_for_and_absent_is_one_clear_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RecipeError, match="no CUDA device that torch can use"):
        ResNet1D(epochs=1, device="cuda").fit(X, Y)


def test_a_dead_output_is_told(monkeypatch):
    monkeypatch.setattr(ResNet1D, "_predict", lambda self, rows: np.zeros(len(rows)))
    with pytest.warns(UserWarning, match="is 0 for all training rows"):
        ResNet1D(epochs=1).fit(X, Y)
