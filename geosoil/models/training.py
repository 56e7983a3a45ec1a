"""One short, seeded training loop for every network of the project.

Whoever trains gives the network's maker and a loss; here are the shuffling, Adam, when to stop, and that a
seed always gives the same weights and leaves torch's own random numbers as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from torch import nn

    Loss = Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Generator], torch.Tensor]


@dataclass(frozen=True)
class Trained:
    """The weights of a trained network by name, and its loss after each epoch `(epoch,)`.

    losses: mean over the batches of the training rows; stopping_losses: of the rows that say when to stop
    (empty without `patience`).
    """

    weights: dict[str, np.ndarray]
    losses: np.ndarray
    stopping_losses: np.ndarray


def train(
    build: Callable[[], nn.Module],
    arrays: Sequence[np.ndarray],
    loss: Loss,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    decay_learning_rate: bool = False,
    patience: int | None = None,
    stopping_share: float = 0.15,
    start: Mapping[str, np.ndarray] | None = None,
    frozen: Sequence[str] = (),
    progress: Callable[[int, float], None] | None = None,
) -> Trained:
    """Train a network with Adam on minibatches.

    build: makes the network, called under the seed; parameters that need no gradient stay as they are.
    arrays: each `(sample, ...)`, cut into batches together. loss: `(module, batch, generator)` -> the mean loss
    of a batch; random numbers are to be drawn from the generator. Batches differ by one row at most, so that
    none is left with a single one. weight_decay: Adam's, added to the gradient.
    decay_learning_rate: lower it linearly from epoch to epoch, towards 0 after the last: the last batches then
    no longer decide what the weights are.
    patience: epochs without a better loss on `stopping_share` of the rows before it stops, and the best weights
    are taken. start: weights to begin with, by name, in place of the seed's. frozen: submodules by name that keep
    their weights and the statistics of their batch norms, and drop nothing out. progress: called with each epoch (from 1) and its loss.
    Raises RecipeError if the loss is no longer a number.

    >>> import numpy as np
    >>> from torch import nn
    >>> x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    >>> def squared_error(net, batch, generator):
    ...     return ((net(batch[0]) - batch[1]) ** 2).mean()
    >>> line = train(lambda: nn.Linear(1, 1), (x, 2 * x + 1), squared_error,
    ...              seed=0, epochs=100, batch_size=4, learning_rate=0.05)
    >>> {name: value.round(2).tolist() for name, value in line.weights.items()}
    {'weight': [[2.0]], 'bias': [1.0]}
    """
    import torch

    from geosoil.raster.blocks import one_thread_each

    # Steps of microseconds: a second thread waits more than it works, and on a busy machine spins for minutes.
    # Dropout draws from torch's own generator: give it back as it was.
    with one_thread_each(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = build()
        if start is not None:
            module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in start.items()})
        kept = [module.get_submodule(name).requires_grad_(False) for name in frozen]
        generator = torch.Generator().manual_seed(seed)
        tensors = [torch.from_numpy(np.array(array, np.float32)) for array in arrays]
        order = torch.randperm(len(tensors[0]), generator=generator)
        n_stopping = 0 if patience is None else max(1, round(stopping_share * len(order)))
        stopping, rows = order[:n_stopping], order[n_stopping:]
        optimiser = torch.optim.Adam(
            [parameter for parameter in module.parameters() if parameter.requires_grad],
            lr=learning_rate,
            weight_decay=weight_decay,
            fused=True,  # one pass over the weights: the step of a small network costs as much as its gradient
        )
        losses: list[float] = []
        stopping_losses: list[float] = []
        best = _weights(module)
        for epoch in range(1, epochs + 1):
            module.train()
            for part in kept:
                part.eval()
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            batches = shuffled.tensor_split(-(-len(rows) // batch_size))
            epoch_loss = 0.0
            if decay_learning_rate:
                optimiser.param_groups[0]["lr"] = learning_rate * (epochs - epoch + 1) / epochs
            for batch in batches:
                optimiser.zero_grad()
                value = loss(module, tuple(tensor[batch] for tensor in tensors), generator)
                value.backward()
                optimiser.step()
                epoch_loss += value.item() * len(batch) / len(rows)
            if not np.isfinite(epoch_loss):
                raise RecipeError(
                    "training",
                    found=f"loss {epoch_loss} after epoch {epoch}",
                    expected="a number",
                    way_out="lower learning_rate",
                )
            losses.append(epoch_loss)
            if progress is not None:
                progress(epoch, epoch_loss)
            if patience is None:
                continue
            module.eval()
            with torch.no_grad():
                stopping_losses.append(loss(module, tuple(t[stopping] for t in tensors), generator).item())
            since_best = len(stopping_losses) - 1 - int(np.argmin(stopping_losses))
            if since_best == 0:
                best = _weights(module)
            elif since_best >= patience:
                break
        weights = _weights(module) if patience is None else best
    return Trained(weights, np.array(losses), np.array(stopping_losses))


def _weights(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}
