"""The space in which `tuning.tune` searches: ranges, how a trial draws from them, and the net it begins with.

Shen et al. 2022 (2.3.1) say what of the blocks is searched, and leave the ranges to Shen & Viscarra Rossel 2021; those
here are inferred from the architectures that the paper prints (Tables 2 and 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geosoil.networks.architectures import ACTIVATIONS, Architecture, complete, count_parameters, output_lengths

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class SearchSpace:
    """The ranges of a search, ends included; counts are searched on a logarithmic scale.

    max_parameters: larger nets are refused before they are trained. The paper's have 0.5 to 16 million weights for 130
    rows and cost 20 hours of a GPU a site; the bound keeps a search to minutes of a CPU and small nets in front.
    learning_rate and batch_size are searched too, by Adam alone; pooling windows do not overlap.
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
    """Return an architecture and its training settings out of the space, as a trial draws them."""

    def count(name: str, ends: tuple[int, int], log: bool = False) -> int:
        return trial.suggest_int(name, *ends, log=log)

    def dropout(name: str) -> float:
        # Off or on, and how much: as one number, off is a share of it that TPE can find.
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
    """Return the parameters of the "small" architecture, or what in the space is nearest: a search begins with it.

    >>> proposal = first_proposal(SearchSpace(filters=(32, 64)))
    >>> proposal["filters_0"], proposal["nodes_0"], proposal["learning_rate"]
    (32, 32, 0.001)
    """

    def near(value: Any, ends: tuple[Any, Any]) -> Any:
        return min(max(value, ends[0]), ends[1])

    def among(value: Any, choices: tuple[Any, ...]) -> Any:
        return value if value in choices else choices[0]

    found: dict[str, Any] = {
        "n_convolutions": space.convolutions[0],
        "n_dense": near(1, space.dense),
        "learning_rate": near(1e-3, space.learning_rate),
        "batch_size": among(16, space.batch_sizes),
    }
    for i in range(found["n_convolutions"]):
        found |= {
            f"filters_{i}": near(16, space.filters),
            f"kernel_{i}": near(10, space.kernel),
            f"stride_{i}": near(4, space.stride),
            f"padding_{i}": among("valid", space.paddings),
            f"activation_{i}": among("swish", space.activations),
            f"batch_norm_{i}": False,
            f"pool_{i}": among("none", space.pools),
            f"pool_size_{i}": space.pool_size[0],
            f"dropout_{i}": space.dropout[0],
        }
    for i in range(found["n_dense"]):
        found |= {
            f"nodes_{i}": near(32, space.nodes),
            f"dense_activation_{i}": among("swish", space.activations),
            f"dense_batch_norm_{i}": False,
            f"dense_dropout_{i}": near(0.1, space.dropout),
        }
    return found


def fits(architecture: Architecture, n_bands: int, max_parameters: int) -> bool:
    """Say whether positions remain behind every convolution, and the net is no larger than it may be.

    >>> fits(complete("small"), 200, 30_000), fits(complete("small"), 200, 1000), fits(complete("small"), 9, 30_000)
    (True, False, False)
    """
    return min(output_lengths(architecture, n_bands)) >= 1 and count_parameters(architecture, n_bands) <= max_parameters
