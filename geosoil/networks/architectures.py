"""Architectures of the spectral 1D-CNN as JSON values: their parameters, their size and the published ones.

    {"convolutions": [{"filters": 32, "kernel": 10, "stride": 4, "padding": "valid", "activation": "swish",
                       "batch_norm": false, "pool": null, "pool_size": 1, "dropout": 0.0}, ...],
     "dense": [{"nodes": 32, "activation": "swish", "batch_norm": false, "dropout": 0.0}, ...]}

These are the defaults. Blocks, activations and padding are those of Shen et al. 2022 (2.3.1, Tables 2 and 4);
"same" pads with zeros to ceil(length / stride) positions, an odd one at the end, as in Keras.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geosoil.errors import RecipeError

Architecture = dict[str, Any]

ACTIVATIONS = ("relu", "leaky_relu", "elu", "selu", "swish")
PADDINGS = ("valid", "same")
POOLS = (None, "max", "mean")

_CONVOLUTION: dict[str, Any] = {
    "filters": 32,
    "kernel": 10,
    "stride": 4,
    "padding": "valid",
    "activation": "swish",
    "batch_norm": False,
    "pool": None,
    "pool_size": 1,
    "dropout": 0.0,
}
_DENSE: dict[str, Any] = {"nodes": 32, "activation": "swish", "batch_norm": False, "dropout": 0.0}
_CHOICES: dict[str, tuple[Any, ...]] = {"activation": ACTIVATIONS, "padding": PADDINGS, "pool": POOLS}


def _convolution(kernel: int, filters: int, stride: int, activation: str, **more: Any) -> dict[str, Any]:
    return {"kernel": kernel, "filters": filters, "stride": stride, "activation": activation, **more}


def _dense(nodes: int, activation: str, batch_norm: bool = False, dropout: float = 0.0) -> dict[str, Any]:
    return {"nodes": nodes, "activation": activation, "batch_norm": batch_norm, "dropout": dropout}


NAMED: dict[str, Architecture] = {
    "small": {
        "convolutions": [_convolution(10, 16, 4, "swish")],
        "dense": [_dense(32, "swish", dropout=0.1)],
    },
    "shen2022_global": {
        "convolutions": [_convolution(10, 148, 4, "swish")],
        "dense": [
            _dense(691, "selu"),
            _dense(891, "elu", True, 0.38),
            _dense(533, "swish", True),
            _dense(764, "selu", True, 0.38),
            _dense(650, "selu", dropout=0.38),
        ],
    },
    "shen2022_china": {
        "convolutions": [
            _convolution(7, 25, 7, "swish"),
            _convolution(8, 248, 3, "leaky_relu"),
            _convolution(5, 238, 4, "relu", dropout=0.39),
        ],
        "dense": [
            _dense(212, "leaky_relu", dropout=0.07),
            _dense(140, "leaky_relu"),
            _dense(165, "swish"),
            _dense(50, "leaky_relu", dropout=0.07),
        ],
    },
    "shen2022_sweden": {
        # Its activation is missing (see below): Swish, as in the blocks after it.
        "convolutions": [_convolution(5, 161, 3, "swish")],
        "dense": [_dense(896, "swish", True, 0.37), _dense(474, "swish", True, 0.37)],
    },
    "shen2022_usa": {
        "convolutions": [
            _convolution(8, 216, 7, "selu"),
            _convolution(8, 216, 8, "swish", padding="same", batch_norm=True),
            _convolution(4, 252, 4, "leaky_relu", padding="same", dropout=0.03),
        ],
        "dense": [_dense(179, "swish", True), _dense(252, "swish", True, 0.29)],
    },
    "shen2022_dtl_i_china": {
        "convolutions": [_convolution(3, 232, 2, "swish", dropout=0.001)],
        "dense": [_dense(22, "elu", dropout=0.38)],
    },
    "shen2022_dtl_i_sweden": {
        "convolutions": [_convolution(10, 214, 6, "selu", padding="same", dropout=0.2)],
        "dense": [_dense(446, "leaky_relu", True), _dense(208, "swish", dropout=0.48)],
    },
    "shen2022_dtl_i_usa": {
        "convolutions": [_convolution(7, 212, 3, "swish", padding="same", dropout=0.16)],
        "dense": [_dense(1005, "swish"), _dense(1015, "selu")],
    },
}
"""Table 2 (global, china, sweden, usa) and Table 4 (dtl_i_...) of Shen et al. 2022 for 211 bands, and a small one.

Table 2 was read from a text in which some cells are displaced: the Swedish convolution has no activation, and
a dropout beside an output block is that of the dense block above it.
"""


def complete(architecture: str | Mapping[str, Any]) -> Architecture:
    """Return an architecture, given by value or by name, with all defaults filled in.

    Raises RecipeError for an unknown name or an invalid value.

    >>> complete({"convolutions": [{"filters": 8}], "dense": []})["convolutions"][0]["kernel"]
    10
    """
    if isinstance(architecture, str):
        if architecture not in NAMED:
            raise _invalid(repr(architecture), f"an architecture, or one of {', '.join(NAMED)}")
        architecture = NAMED[architecture]
    if not isinstance(architecture, Mapping) or set(architecture) != {"convolutions", "dense"}:
        raise _invalid(repr(architecture)[:60], "the two lists convolutions and dense")
    if not architecture["convolutions"]:
        raise _invalid("no convolution", "at least one")
    return {
        "convolutions": [_with_defaults(block, _CONVOLUTION) for block in architecture["convolutions"]],
        "dense": [_with_defaults(block, _DENSE) for block in architecture["dense"]],
    }


def output_lengths(architecture: str | Mapping[str, Any], n_bands: int) -> list[int]:
    """Return the number of positions after each convolution block; with 0 the network cannot be built.

    >>> output_lengths("shen2022_china", 211)
    [30, 8, 1]
    """
    lengths, length = [], n_bands
    for block in complete(architecture)["convolutions"]:
        if block["padding"] == "same":
            length = -(-length // block["stride"])
        else:
            length = (length - block["kernel"]) // block["stride"] + 1
        length = max(0, length // block["pool_size"])
        lengths.append(length)
    return lengths


def count_parameters(architecture: str | Mapping[str, Any], n_bands: int) -> int:
    """Return the number of trainable weights; raises RecipeError if no positions remain after a block.

    >>> count_parameters("shen2022_dtl_i_china", 211)
    536893
    """
    architecture = complete(architecture)
    total, channels = 0, 1
    for block in architecture["convolutions"]:
        total += block["filters"] * (channels * block["kernel"] + 1 + 2 * block["batch_norm"])
        channels = block["filters"]
    n_inputs = channels * _last_length(architecture, n_bands)
    for block in architecture["dense"]:
        total += block["nodes"] * (n_inputs + 1 + 2 * block["batch_norm"])
        n_inputs = block["nodes"]
    return total + n_inputs + 1


def _last_length(architecture: Architecture, n_bands: int) -> int:
    lengths = output_lengths(architecture, n_bands)
    if min(lengths) < 1:
        raise _invalid(
            f"{' -> '.join(map(str, [n_bands, *lengths]))} positions after its blocks", "at least one after each block"
        )
    return lengths[-1]


def _with_defaults(block: Mapping[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(block, Mapping):
        raise _invalid(f"a block that is {block!r}", f"a table of {', '.join(defaults)}")
    unknown = sorted(set(block) - set(defaults))
    if unknown:
        raise _invalid(f"a block with {', '.join(unknown)}", f"only {', '.join(defaults)}")
    block = defaults | dict(block)
    if block.get("pool", "") is None:
        block["pool_size"] = 1
    for name, value in block.items():
        if name in _CHOICES:
            invalid = value not in _CHOICES[name]
            expected = ", ".join(map(str, _CHOICES[name]))
        elif name == "batch_norm":
            invalid, expected = not isinstance(value, bool), "true or false"
        elif name == "dropout":
            invalid, expected = not isinstance(value, int | float) or not 0 <= value < 1, "0 or more, below 1"
        else:
            invalid, expected = isinstance(value, bool) or not isinstance(value, int) or value < 1, "1 or more"
        if invalid:
            raise _invalid(f"{name} = {value!r}", expected)
    return block


def _invalid(found: str, expected: str) -> RecipeError:
    return RecipeError("architecture of a 1D-CNN", found=found, expected=expected, way_out="change the architecture")
