"""Checkpoints of a training: all that decides how it continues, kept in a journal (`io/journal.py`) as safetensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

    from geosoil.io.journal import Journal


@dataclass
class TrainingState:
    """All that decides how a training continues; a checkpoint keeps every bit of it.

    losses, stopping_losses: one value per epoch so far; best: the weights of the best epoch. noise: the generator of
    the loss, on the CPU the same object as `shuffling`.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    shuffling: torch.Generator
    noise: torch.Generator
    best: dict[str, np.ndarray]
    losses: list[float] = field(default_factory=list)
    stopping_losses: list[float] = field(default_factory=list)


def write_checkpoint(journal: Journal, state: TrainingState) -> None:
    """Write the state of a training; raises OutputError if the file cannot be written."""
    import torch
    from safetensors.torch import save

    tensors = {f"module/{name}": value for name, value in state.module.state_dict().items()}
    tensors |= {f"best/{name}": torch.from_numpy(value) for name, value in state.best.items()}
    for i, values in state.optimiser.state_dict()["state"].items():
        tensors |= {f"adam/{i}/{name}": value for name, value in values.items()}
    tensors |= {f"random/{name}": value for name, value in _random_states(state).items()}
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    tensors["stopping_losses"] = torch.tensor(state.stopping_losses, dtype=torch.float64)
    journal.write(save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}))


def read_checkpoint(journal: Journal, state: TrainingState) -> None:
    """Load the last checkpoint, if there is one, into a state that was built in the same way.

    Raises OutputError for a damaged file or the checkpoint of another training.
    """
    import torch
    from safetensors.torch import load

    content = journal.read()
    if content is None:
        return
    tensors = load(content)

    def part(prefix: str) -> dict[str, torch.Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    state.module.load_state_dict(part("module/"))
    state.best = {name: value.numpy() for name, value in part("best/").items()}
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in part("adam/").items():
        i, _, moment = name.partition("/")
        moments.setdefault(int(i), {})[moment] = value
    state.optimiser.load_state_dict(state.optimiser.state_dict() | {"state": moments})
    random = part("random/")
    torch.set_rng_state(random["torch"])
    state.shuffling.set_state(random["shuffling"])
    state.noise.set_state(random["noise"])
    if "cuda" in random:
        torch.cuda.set_rng_state(random["cuda"])
    state.losses = tensors["losses"].tolist()
    state.stopping_losses = tensors["stopping_losses"].tolist()


def _random_states(state: TrainingState) -> dict[str, torch.Tensor]:
    import torch

    states = {
        "torch": torch.get_rng_state(),
        "shuffling": state.shuffling.get_state(),
        "noise": state.noise.get_state().clone(),  # on the CPU the same memory as shuffling's: stored twice
    }
    if state.noise.device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state()
    return states
