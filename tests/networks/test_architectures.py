"""Architectures as JSON values: the printed ones, their lengths and sizes, and what is refused."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_material import shared

from geosoil.errors import RecipeError
from geosoil.networks.architectures import ACTIVATIONS, NAMED, PADDINGS, complete, count_parameters, output_lengths
from geosoil.networks.cnn1d import CNN1D

# ../shared/golden/architectures/shen2022.json: arithmetic on the layers of Tables 2 and 4, 211 bands.
PRINTED = {
    "global": ([51], 7220248),
    "china": ([30, 8, 1], 457510),
    "sweden": ([69], 10383919),
    "usa": ([30, 4, 1], 685582),
    "dtl_i_china": ([105], 536893),
    "dtl_i_sweden": ([36], 3532861),
    "dtl_i_usa": ([71], 16152067),
}


def n_weights(n_bands, architecture):
    with torch.device("meta"):
        return sum(p.numel() for p in CNN1D(n_bands, architecture).parameters())


@pytest.mark.parametrize("name", PRINTED)
def test_the_printed_nets_have_the_lengths_and_weights_counted_for_them(name):
    lengths, n_parameters = PRINTED[name]
    assert output_lengths(f"shen2022_{name}", 211) == lengths
    assert count_parameters(f"shen2022_{name}", 211) == n_parameters
    assert n_weights(211, f"shen2022_{name}") == n_parameters


def test_the_counts_are_those_of_the_golden_file():
    golden = json.loads(shared("golden/architectures/shen2022.json").read_text())
    found = {name: (net["conv_output_lengths"], net["trainable_parameters"]) for name, net in golden.items()}
    assert found == PRINTED


BLOCKS = st.fixed_dictionaries(
    {
        "filters": st.integers(1, 6),
        "kernel": st.integers(1, 10),
        "stride": st.integers(1, 8),
        "padding": st.sampled_from(PADDINGS),
        "activation": st.sampled_from(ACTIVATIONS),
        "batch_norm": st.booleans(),
        "pool": st.sampled_from([None, "max", "mean"]),
        "pool_size": st.integers(1, 3),
    }
)


@settings(max_examples=60, deadline=None)
@given(blocks=st.lists(BLOCKS, min_size=1, max_size=3), n_bands=st.integers(10, 80), nodes=st.integers(1, 5))
def test_the_arithmetic_agrees_with_torch_wherever_positions_remain(blocks, n_bands, nodes):
    architecture = {"convolutions": blocks, "dense": [{"nodes": nodes, "batch_norm": True}]}
    if min(output_lengths(architecture, n_bands)) < 1:
        with pytest.raises(RecipeError, match="positions after its blocks"):
            count_parameters(architecture, n_bands)
        return
    assert n_weights(n_bands, architecture) == count_parameters(architecture, n_bands)
    net = CNN1D(n_bands, architecture).eval()
    assert net(torch.zeros(3, n_bands)).shape == (3,)  # the dense block takes what the convolutions give


def test_same_padding_puts_the_odd_zero_at_the_end_as_keras_does():
    # Length 5, kernel 2, stride 2: 3 positions need 6 numbers, so one zero, behind. Kernel of ones: sums of pairs.
    block = {"filters": 1, "kernel": 2, "stride": 2, "padding": "same", "activation": "relu"}
    net = CNN1D(5, {"convolutions": [block], "dense": []})
    with torch.no_grad():
        net.convolutions[0].weights.weight.fill_(1.0)
        net.convolutions[0].weights.bias.zero_()
        sums = net.convolutions[0](torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]]))
    assert sums.tolist() == [[[3.0, 7.0, 5.0]]]


def test_architectures_are_json_values_and_complete_ones_stay_as_they_are():
    for name in NAMED:
        whole = complete(name)
        assert json.loads(json.dumps(whole)) == whole == complete(whole)


@pytest.mark.parametrize(
    ("architecture", "words"),
    [
        ("shen2021", "one of small, shen2022_global"),
        ([], "the two lists"),
        ({"convolutions": []}, "the two lists"),
        ({"convolutions": [], "dense": []}, "found no convolution"),
        ({"convolutions": [{"filter": 3}], "dense": []}, "a block with filter"),
        ({"convolutions": [7], "dense": []}, "a block that is 7"),
        ({"convolutions": [{"filters": 0}], "dense": []}, "filters = 0"),
        ({"convolutions": [{"filters": True}], "dense": []}, "filters = True"),
        ({"convolutions": [{"activation": "tanh"}], "dense": []}, "'tanh'; expected relu"),
        ({"convolutions": [{}], "dense": [{"dropout": 1.0}]}, "dropout = 1.0"),
        ({"convolutions": [{}], "dense": [{"dropout": "a"}]}, "dropout = 'a'"),
        ({"convolutions": [{}], "dense": [{"batch_norm": 1}]}, "batch_norm = 1"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(architecture, words):
    with pytest.raises(RecipeError, match=words):
        complete(architecture)
