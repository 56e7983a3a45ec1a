"""The search space of `tuning.tune`: ranges, sampling by a trial, and the first proposal.

Shen et al. 2022 (2.3.1) list the parameters of the blocks that are searched, and refer to Shen & Viscarra Rossel 2021
for their ranges. The ranges here are inferred from the published architectures (Tables 2 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosoil.networks.architectures import ACTIVATIONS, Architecture, complete, count_parameters, output_lengths

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class SearchSpace:
    """The ranges of a search, including both ends.

    Filters and nodes are searched on a logarithmic scale. Pooling windows do not overlap.

    Parameters
    ----------
    convolutions, dense : pair of int
        Number of blocks.
    filters, kernel, stride, pool_size, nodes : pair of int
        Parameters of a block.
    paddings, pools, activations : tuple of str
        Choices of a block.
    dropout, learning_rate : pair of float
        Ranges.
    batch_sizes : tuple of int
        Choices.
    max_parameters : int
        Larger networks are rejected before training. The networks of the paper have 0.5 to 16 million weights for 130
        rows and need 20 GPU hours per site; this limit keeps a search within minutes on a CPU.
    """

    convolutions: tuple[int, int] = (1, 3)
    filters: tuple[int, int] = (8, 256)
    kernel: tuple[int, int] = (2, 10)
    stride: tuple[int, int] = (1, 8)
    paddings: tuple[str, ...] = ("valid", "same")
    pools: tuple[str, ...] = ("none", "max", "mean")
    pool_size: tuple[int, int] = (2, 4)
    dense: tuple[int, int] = (1, 5)
    nodes: tuple[int, int] = (8, 1024)
    activations: tuple[str, ...] = ACTIVATIONS
    dropout: tuple[float, float] = (0.0, 0.5)
    learning_rate: tuple[float, float] = (3e-4, 1e-2)
    batch_sizes: tuple[int, ...] = (8, 16, 32)
    max_parameters: int = 100_000


def propose(trial: optuna.trial.BaseTrial, space: SearchSpace) -> tuple[Architecture, dict[str, Any]]:
    """Return the architecture and the training settings that a trial draws from the space."""

    def count(name: str, ends: tuple[int, int], log: bool = False) -> int:
        return trial.suggest_int(name, *ends, log=log)

    def dropout(name: str) -> float:
        # One number for "none" and for the share: a third of its range means no dropout.
        low, high = space.dropout
        value = trial.suggest_float(name, low - (high - low) / 2, high)
        return round(value, 3) if value > max(low, 0.0) else 0.0

    convolutions = []
    for i in range(count("n_convolutions", space.convolutions)):
        pool = trial.suggest_categorical(f"pool_{i}", space.pools)
        convolutions.append(
            {
                "filters": count(f"filters_{i}", space.filters, log=True),
                "kernel": count(f"kernel_{i}", space.kernel),
                "stride": count(f"stride_{i}", space.stride),
                "padding": trial.suggest_categorical(f"padding_{i}", space.paddings),
                "activation": trial.suggest_categorical(f"activation_{i}", space.activations),
                "batch_norm": trial.suggest_categorical(f"batch_norm_{i}", (False, True)),
                "pool": None if pool == "none" else pool,
                "pool_size": 1 if pool == "none" else count(f"pool_size_{i}", space.pool_size),
                "dropout": dropout(f"dropout_{i}"),
            }
        )
    dense = [
        {
            "nodes": count(f"nodes_{i}", space.nodes, log=True),
            "activation": trial.suggest_categorical(f"dense_activation_{i}", space.activations),
            "batch_norm": trial.suggest_categorical(f"dense_batch_norm_{i}", (False, True)),
            "dropout": dropout(f"dense_dropout_{i}"),
        }
        for i in range(count("n_dense", space.dense))
    ]
    settings = {
        "learning_rate": trial.suggest_float("learning_rate", *space.learning_rate, log=True),
        "batch_size": trial.suggest_categorical("batch_size", space.batch_sizes),
    }
    return complete({"convolutions": convolutions, "dense": dense}), settings


def first_proposal(space: SearchSpace) -> dict[str, Any]:
    """Return the parameters of the "small" architecture, or the nearest ones in the space, as the first trial.

    >>> proposal = first_proposal(SearchSpace(filters=(32, 64)))
    >>> proposal["filters_0"], proposal["nodes_0"], proposal["learning_rate"]
    (32, 32, 0.001)
    """

    def nearest(value: Any, ends: tuple[Any, Any]) -> Any:
        return min(max(value, ends[0]), ends[1])

    def choose(value: Any, choices: tuple[Any, ...]) -> Any:
        return value if value in choices else choices[0]

    parameters: dict[str, Any] = {
        "n_convolutions": space.convolutions[0],
        "n_dense": nearest(1, space.dense),
        "learning_rate": nearest(1e-3, space.learning_rate),
        "batch_size": choose(16, space.batch_sizes),
    }
    for i in range(parameters["n_convolutions"]):
        parameters |= {
            f"filters_{i}": nearest(16, space.filters),
            f"kernel_{i}": nearest(10, space.kernel),
            f"stride_{i}": nearest(4, space.stride),
            f"padding_{i}": choose("valid", space.paddings),
            f"activation_{i}": choose("swish", space.activations),
            f"batch_norm_{i}": False,
            f"pool_{i}": choose("none", space.pools),
            f"pool_size_{i}": space.pool_size[0],
            f"dropout_{i}": space.dropout[0],
        }
    for i in range(parameters["n_dense"]):
        parameters |= {
            f"nodes_{i}": nearest(32, space.nodes),
            f"dense_activation_{i}": choose("swish", space.activations),
            f"dense_batch_norm_{i}": False,
            f"dense_dropout_{i}": nearest(0.1, space.dropout),
        }
    return parameters


def fits(architecture: Architecture, n_bands: int, max_parameters: int) -> bool:
    """Return whether positions remain after each convolution and the network has at most max_parameters weights.

    >>> fits(complete("small"), 200, 30_000), fits(complete("small"), 200, 1000), fits(complete("small"), 9, 30_000)
    (True, False, False)
    """
    return min(output_lengths(architecture, n_bands)) >= 1 and count_parameters(architecture, n_bands) <= max_parameters
