"""Checkpoints of a training: one safetensors file with a JSON header, written whole or not at all, executing nothing.

The header says which training it belongs to (a hash of settings, data and first weights) and how far it went.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import torch
    from torch import nn

KEY = "geosoil_checkpoint"


@dataclass
class TrainingState:
    """All that decides how a training goes on; moving it to a file and back changes no bit.

    losses, stopping_losses: one each epoch so far; best: the weights of the best epoch. noise: the generator of the
    loss, `shuffling` itself on the CPU.
    """

    module: nn.Module
    optimiser: torch.optim.Optimizer
    shuffling: torch.Generator
    noise: torch.Generator
    best: dict[str, np.ndarray]
    losses: list[float] = field(default_factory=list)
    stopping_losses: list[float] = field(default_factory=list)


def fingerprint(settings: Mapping[str, Any], arrays: Iterable[np.ndarray]) -> str:
    """Return one hash of settings (JSON) and arrays.

    >>> fingerprint({"seed": 1}, [np.zeros(2)]) == fingerprint({"seed": 2}, [np.zeros(2)])
    False
    """
    digest = sha256(json.dumps(settings, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write_checkpoint(path: Path, state: TrainingState, training: str) -> None:
    """Write the state of the training with this fingerprint; raises OutputError where the place cannot be written."""
    import torch
    from safetensors.torch import save_file

    from geosoil.io.atomic import atomic_path

    tensors = {f"module/{name}": value for name, value in state.module.state_dict().items()}
    tensors |= {f"best/{name}": torch.from_numpy(value) for name, value in state.best.items()}
    for i, values in state.optimiser.state_dict()["state"].items():
        tensors |= {f"adam/{i}/{name}": value for name, value in values.items()}
    tensors |= {f"random/{name}": value for name, value in _random_states(state).items()}
    tensors["losses"] = torch.tensor(state.losses, dtype=torch.float64)
    tensors["stopping_losses"] = torch.tensor(state.stopping_losses, dtype=torch.float64)
    header = json.dumps({"training": training, "epochs": len(state.losses)})
    with atomic_path(path) as temporary:
        save_file(
            {name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary, {KEY: header}
        )


def read_checkpoint(path: Path, state: TrainingState, training: str) -> None:
    """Put a checkpoint into a state that was built the same way.

    Raises ModelFileError where the file is no checkpoint, or that of another training.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            said = json.loads((file.metadata() or {}).get(KEY, "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelFileError(
            path, found=f"no checkpoint ({error})", expected="one that a training wrote", way_out="delete it"
        ) from error
    if said.get("training") != training:
        raise ModelFileError(
            path,
            found="the checkpoint of another training",
            expected="the same data, settings and seed",
            way_out="delete it, or give another path",
        )

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
