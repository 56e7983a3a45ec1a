"""One seeded training loop for every network of the project.

Whoever trains gives the network's maker and a loss; here are the shuffling, Adam, when to stop, the device, and that a
seed always gives the same weights on the CPU and leaves torch's own random numbers as they were.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import RecipeError
from geosoil.networks.checkpoints import TrainingState, fingerprint, read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from torch import nn

    Loss = Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Generator], torch.Tensor]

Device = Literal["auto", "cpu", "cuda"]


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
    l2: float = 0.0,
    decay_learning_rate: bool = False,
    patience: int | None = None,
    stopping_share: float = 0.15,
    groups: np.ndarray | None = None,
    stopping_rows: np.ndarray | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    frozen: Sequence[str] = (),
    adapt_batch_norm: bool = False,
    device: Device = "cpu",
    mixed_precision: bool = False,
    threads: int = 1,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 10,
    progress: Callable[[int, float], None] | None = None,
) -> Trained:
    """Train a network with Adam on minibatches.

    build: makes the network, called under the seed; parameters that need no gradient stay as they are.
    arrays: each `(sample, ...)`, cut into batches together. loss: `(module, batch, generator)` -> the mean loss
    of a batch; random numbers are to be drawn from the generator. Batches differ by one row at most, so that
    none is left with a single one. weight_decay: Adam's, added to the gradient.
    l2: times the sum of squares of the kernels (matrices and convolutions, no biases), added to the loss as Keras
    does; `losses` are told without it. decay_learning_rate: lower it linearly from epoch to epoch, towards 0 after
    the last: the last batches then no longer decide what the weights are.
    patience: epochs without a better loss on `stopping_share` of the rows before it stops, and the best weights
    are taken. groups: `(sample,)`; rows of one group (a profile, a site) stand on one side of that share.
    stopping_rows: `(sample,)`, True for the rows that say when to stop, in place of a share that the seed draws.
    start: weights to begin with, by name, in place of the seed's. frozen: submodules by name that keep their weights
    and the statistics of their batch norms, and drop nothing out; with adapt_batch_norm the statistics follow the new
    rows. device: "auto" takes CUDA where there is one; the same seed gives the same weights on the CPU.
    mixed_precision: bfloat16 where the device is CUDA; the CPU always computes in float32. threads: of the CPU.
    checkpoint: a file that is written every `checkpoint_every` epochs, gone on from where it stands (on the CPU to
    the very same weights), and deleted at the end. progress: called with each epoch (from 1) and its loss.
    Raises RecipeError if the loss is no longer a number, CUDA is asked for and absent, or all rows are one group;
    ModelFileError for a checkpoint of another training.

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

    from geosoil.networks.weights import weights_of
    from geosoil.numerics.threads import one_thread_each

    where = _device(device)
    forked = [where] if where.type == "cuda" else []
    # Steps of microseconds: a second thread waits more than it works, and on a busy machine spins for minutes.
    # Dropout draws from torch's own generator: give it back as it was.
    with one_thread_each(), torch.random.fork_rng(devices=forked):
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        module = build()
        if start is not None:
            module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in start.items()})
        first_weights = weights_of(module)
        module = module.to(where)
        kept = [module.get_submodule(name).requires_grad_(False) for name in frozen]
        generator = torch.Generator().manual_seed(int(seed))
        noise = torch.Generator(where).manual_seed(int(seed)) if where.type == "cuda" else generator
        tensors = [torch.from_numpy(np.array(array, np.float32)).to(where) for array in arrays]
        if stopping_rows is None:
            rows, stopping = _stopping_rows(len(tensors[0]), patience, stopping_share, groups, generator)
        else:
            given = torch.from_numpy(np.asarray(stopping_rows, bool))
            rows, stopping = torch.nonzero(~given)[:, 0], torch.nonzero(given)[:, 0]
        optimiser = torch.optim.Adam(
            _parameters(module, weight_decay, l2),
            lr=learning_rate,
            fused=True,  # one pass over the weights: the step of a small network costs as much as its gradient
        )
        state = TrainingState(module, optimiser, generator, noise, first_weights)
        training = ""
        if checkpoint is not None:
            settings = {
                "seed": int(seed),
                "batch_size": batch_size,
                "learning_rate": learning_rate,
                "weight_decay": weight_decay,
                "l2": l2,
                "patience": patience,
                "stopping_rows": stopping.tolist(),
                "frozen": list(frozen),
                "adapt_batch_norm": adapt_batch_norm,
                "device": f"{where.type} {mixed_precision} {threads}",
                "epochs": epochs if decay_learning_rate else 0,  # more may be asked for, unless the rate follows them
            }
            training = fingerprint(settings, [*arrays, *(first_weights[name] for name in sorted(first_weights))])
            if Path(checkpoint).exists():
                read_checkpoint(Path(checkpoint), state, training)
        for epoch in range(len(state.losses) + 1, epochs + 1):
            module.train()
            for part in kept:
                part.eval()
                for inner in part.modules() if adapt_batch_norm else ():
                    inner.train(isinstance(inner, torch.nn.modules.batchnorm._BatchNorm))
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            batches = shuffled.tensor_split(-(-len(rows) // batch_size))
            epoch_loss = torch.zeros((), dtype=torch.float64, device=where)
            for group in optimiser.param_groups if decay_learning_rate else ():
                group["lr"] = learning_rate * (epochs - epoch + 1) / epochs
            for batch in batches:
                optimiser.zero_grad()
                chosen = batch.to(where)
                with torch.autocast(where.type, torch.bfloat16, enabled=mixed_precision and where.type == "cuda"):
                    value = loss(module, tuple(tensor[chosen] for tensor in tensors), noise)
                value.backward()
                optimiser.step()
                epoch_loss += value.detach().double() * len(batch) / len(rows)
            state.losses.append(epoch_loss.item())
            if not np.isfinite(state.losses[-1]):
                raise RecipeError(
                    "training",
                    found=f"loss {state.losses[-1]} after epoch {epoch}",
                    expected="a number",
                    way_out="lower learning_rate",
                )
            if progress is not None:
                progress(epoch, state.losses[-1])
            if patience is not None:
                module.eval()
                with torch.no_grad():
                    held_back = tuple(tensor[stopping.to(where)] for tensor in tensors)
                    state.stopping_losses.append(loss(module, held_back, noise).item())
                # NaN is no best: argmin alone would take it for the least.
                best_epoch = int(np.argmin(np.nan_to_num(state.stopping_losses, nan=np.inf)))
                since_best = len(state.stopping_losses) - 1 - best_epoch
                if since_best == 0:
                    state.best = weights_of(module)
                elif since_best >= patience:
                    break
            if checkpoint is not None and epoch % checkpoint_every == 0:
                write_checkpoint(Path(checkpoint), state, training)
        if patience is not None and not np.isfinite(state.stopping_losses).any():
            raise RecipeError(
                "training",
                found="no epoch after which the net predicts numbers for the rows that say when to stop",
                expected="one",
                way_out="lower learning_rate",
            )
        weights = weights_of(module) if patience is None else state.best
        if checkpoint is not None:
            Path(checkpoint).unlink(missing_ok=True)
    return Trained(weights, np.array(state.losses), np.array(state.stopping_losses))


def _device(name: Device) -> torch.device:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise RecipeError("training", found=f"device {name!r}", expected="auto, cpu or cuda", way_out="choose one")
    if name == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "training",
            found="no CUDA device that torch can use",
            expected="one, as device = 'cuda' asks",
            way_out="say device = 'auto' or 'cpu', or install torch with CUDA",
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _stopping_rows(
    n: int, patience: int | None, share: float, groups: np.ndarray | None, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows to train on and those that say when to stop; the latter are none without patience."""
    import torch

    order = torch.randperm(n, generator=generator)
    n_stopping = 0 if patience is None else max(1, round(share * n))
    if groups is None or patience is None:
        return order[n_stopping:], order[:n_stopping]
    codes = np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(codes) != n or codes.max() == 0:
        raise RecipeError(
            "training",
            found=f"{len(np.unique(codes))} groups of {len(codes)} rows",
            expected=f"at least two groups of {n} rows, so that one can say when to stop",
            way_out="leave groups out, or stop after a fixed number of epochs",
        )
    drawn = torch.randperm(int(codes.max()) + 1, generator=generator).numpy()
    sizes = np.bincount(codes)[drawn]
    n_groups = min(max(1, int(np.searchsorted(np.cumsum(sizes), n_stopping, side="left")) + 1), len(drawn) - 1)
    held_back = torch.from_numpy(np.isin(codes, drawn[:n_groups]))[order]
    return order[~held_back], order[held_back]


def _parameters(module: nn.Module, weight_decay: float, l2: float) -> list[dict[str, object]]:
    """Return Adam's groups: the gradient of l2 x sum of squares is what Adam's weight decay adds at 2 x l2."""
    trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    kernels = [p for name, p in trained if p.ndim > 1 and l2]
    others = [p for name, p in trained if not (p.ndim > 1 and l2)]
    groups = ((kernels, weight_decay + 2 * l2), (others, weight_decay))
    return [{"params": params, "weight_decay": decay} for params, decay in groups if params]
