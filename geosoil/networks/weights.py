"""Conversion between networks and named arrays; prefixes allow several networks in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

COUNTER = ".num_batches_tracked"  # of a batch norm; not used


def weights_of(module: nn.Module) -> dict[str, np.ndarray]:
    """Return a copy of all weights and batch statistics by name."""
    return {name: value.detach().cpu().numpy().copy() for name, value in module.state_dict().items()}


def weights_under(weights: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Return the weights whose names start with a prefix, with the prefix removed.

    >>> weights_under({"0/bias": np.zeros(1), "1/bias": np.ones(1)}, "1/")
    {'bias': array([1.])}
    """
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def load_network(build: Callable[[], nn.Module], weights: Mapping[str, np.ndarray]) -> Any:
    """Return a network with the given weights, in evaluation mode; it allocates no memory for other weights.

    Counters of batch norms may be missing. Raises RuntimeError if names or shapes do not match the network.

    >>> net = load_network(lambda: torch.nn.Linear(1, 1), {"weight": np.array([[2.0]]), "bias": np.array([1.0])})
    >>> net(torch.tensor([[3.0]], dtype=torch.float64)).tolist()
    [[7.0]]
    """
    with torch.device("meta"):
        module = build()
    named = {name: torch.tensor(0) for name in module.state_dict() if name.endswith(COUNTER)}
    named |= {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    module.load_state_dict(named, assign=True)
    return module.eval()
