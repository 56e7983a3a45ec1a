"""Dense evaluation gives every cell what its own patch would give, whatever the block, its gaps and its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_patches import cut_patches, random_block, random_net

from geosoil.networks import dense_patches
from geosoil.networks.dense_patches import run_over_block
from geosoil.networks.patch_cnn import CONVOLUTIONS

KINDS = ("plain", "multi", "transfer")


def difference(estimator, block, mask=None):
    """Return the largest difference between both ways, in spreads of the target."""
    by_block = estimator.predict_block(block, mask)
    by_patch = estimator.predict(cut_patches(block, estimator.size_)).T.reshape(by_block.shape)
    if mask is not None:
        assert np.isnan(by_block[:, ~mask]).all()
        by_block, by_patch = by_block[:, mask], by_patch[:, mask]
    return np.max(np.abs(by_block - by_patch), initial=0) / estimator.target_spread_.min()


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    size=st.sampled_from(sorted(CONVOLUTIONS)),
    n_channels=st.integers(1, 5),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    share_of_gaps=st.sampled_from([0.0, 0.2, 0.9]),
    wanted_share=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 10**6),
)
def test_a_block_gives_what_patch_by_patch_gives(
    kind, size, n_channels, height, width, share_of_gaps, wanted_share, seed
):
    estimator = random_net(kind, size=size, n_channels=n_channels, seed=seed)
    block = random_block(n_channels, height + size - 1, width + size - 1, share_of_gaps=share_of_gaps, seed=seed)
    mask = np.random.default_rng(seed).random((height, width)) < wanted_share
    assert difference(estimator, block, mask) <= 1e-5


@pytest.mark.parametrize("size", [3, 9, 15])
@pytest.mark.parametrize("code_enters", ["dense", "channel"])
@pytest.mark.parametrize("depth_code", ["middle", "one_hot"])
@pytest.mark.parametrize("n_frozen", [0, 1, 2, 3, 5])
def test_every_way_a_depth_can_enter_and_every_number_of_frozen_layers(size, code_enters, depth_code, n_frozen):
    estimator = random_net(size=size, n_frozen=n_frozen, code_enters=code_enters, depth_code=depth_code)
    assert difference(estimator, random_block(3, size + 9, size + 11)) <= 1e-5


def test_members_are_averaged_in_both_ways():
    both = random_net(n_members=2, seed=4)
    single = random_net(n_members=1, seed=4)
    block = random_block(3, 20, 20)
    assert difference(both, block) <= 1e-5
    assert np.abs(both.predict_block(block) - single.predict_block(block)).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_strips_and_blocks_change_no_bit(kind, monkeypatch):
    estimator = random_net(kind, size=9, n_channels=4)
    block = random_block(4, 150, 90)
    whole = estimator.predict_block(block)
    monkeypatch.setattr(dense_patches, "STRIP_BYTES", 1)  # 16 rows at a time
    np.testing.assert_array_equal(estimator.predict_block(block), whole)
    part = estimator.predict_block(np.ascontiguousarray(block[:, 37:80, 11:70]))
    np.testing.assert_array_equal(part, whole[:, 37 : 80 - 8, 11 : 70 - 8])
    mask = np.random.default_rng(0).random(whole.shape[1:]) < 0.1
    np.testing.assert_array_equal(estimator.predict_block(block, mask)[:, mask], whole[:, mask])


def test_the_widths_of_the_paper_change_no_bit_either():
    estimator = random_net(size=15, n_channels=24, filters=[32, 64, 128], hidden=[128, 64])
    block = random_block(24, 60, 61)
    whole = estimator.predict_block(block)
    for top, left, height, width in ((0, 0, 15, 61), (13, 5, 31, 29), (22, 3, 19, 58)):
        part = estimator.predict_block(np.ascontiguousarray(block[:, top : top + height, left : left + width]))
        inner = whole[:, top : top + height - 14, left : left + width - 14]
        np.testing.assert_array_equal(part, inner)


def test_layers_that_all_depths_share_are_computed_once(monkeypatch):
    products = []
    convolved = dense_patches._convolved
    monkeypatch.setattr(dense_patches, "_convolved", lambda *args: products.append(1) or convolved(*args))
    block = random_block(3, 20, 20)
    for kind, options, expected in (
        ("transfer", {"n_frozen": 2}, 2),  # both convolutions before the last, for all three depths
        ("transfer", {"n_frozen": 1}, 1 + 3),
        ("transfer", {"n_frozen": 2, "code_enters": "channel"}, 1 + 3),
        ("multi", {}, 2),
        ("plain", {}, 2 * 3),
    ):
        products.clear()
        random_net(kind, **options).predict_block(block)
        assert len(products) == expected, (kind, options)


def test_no_wanted_cell_gives_no_number():
    networks = [dense_patches.lower_network([], __import__("torch").nn.Linear(2, 1))]
    assert run_over_block(networks, np.zeros((2, 3, 3), np.float32), 1, np.zeros((3, 3), bool)).shape == (1, 0)
