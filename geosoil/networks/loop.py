"""The training loop that all networks share: shuffling, Adam, early stopping, device and checkpoints.

On the CPU a seed always gives the same weights. The state of torch's global random generator is restored afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geosoil.errors import RecipeError
from geosoil.io.journal import Identity, Journal
from geosoil.networks.checkpoints import TrainingState, read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch
    from torch import nn

    Loss = Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Generator], torch.Tensor]

Device = Literal["auto", "cpu", "cuda"]


@dataclass(frozen=True)
class TrainSettings:
    """Settings of a training.

    Parameters
    ----------
    seed : int
        Seed of the first weights, of the batches and of the held-out share of the rows.
    epochs : int
        Largest number of epochs.
    batch_size : int
        Rows per batch at most. Batch sizes differ by one row at most, so that no batch has a single row.
    learning_rate : float
        Step size of Adam.
    weight_decay : float
        Weight decay of Adam, added to the gradient of all weights.
    l2 : float
        Factor of the sum of squares of the kernels (matrices and convolutions without biases), which is added to the
        loss as in Keras. The losses reported do not include it.
    decay_learning_rate : bool
        Lower the learning rate linearly from epoch to epoch, towards 0 after the last one, so that the last batches
        do not decide the weights.
    patience : int, optional
        Stop after this number of epochs without a smaller loss on the held-out rows, and return the best weights.
        By default all epochs are trained, and no rows are held out.
    stopping_share : float
        Share of the rows that is held out for early stopping.
    frozen : sequence of str
        Names of submodules that keep their weights and the statistics of their batch norms, and apply no dropout.
    adapt_batch_norm : bool
        Update the batch-norm statistics of frozen submodules with the new rows.
    device : {"auto", "cpu", "cuda"}
        "auto" uses CUDA if a device is available.
    mixed_precision : bool
        Compute in bfloat16 on CUDA. The CPU always computes in float32.
    threads : int
        Number of CPU threads.
    checkpoint_every : int
        Epochs between two checkpoints.
    """

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.0
    l2: float = 0.0
    decay_learning_rate: bool = False
    patience: int | None = None
    stopping_share: float = 0.15
    frozen: Sequence[str] = ()
    adapt_batch_norm: bool = False
    device: Device = "cpu"
    mixed_precision: bool = False
    threads: int = 1
    checkpoint_every: int = 10


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Parameters
    ----------
    weights : dict of str to ndarray
        Weights by name.
    losses : ndarray of shape (epoch,)
        Mean loss over the batches of each epoch.
    stopping_losses : ndarray of shape (epoch,)
        Loss on the rows held out for early stopping; empty without `patience`.
    """

    weights: dict[str, np.ndarray]
    losses: np.ndarray
    stopping_losses: np.ndarray


def train(
    build: Callable[[], nn.Module],
    arrays: Sequence[np.ndarray],
    loss: Loss,
    settings: TrainSettings,
    *,
    groups: np.ndarray | None = None,
    stopping_rows: np.ndarray | None = None,
    start: Mapping[str, np.ndarray] | None = None,
    checkpoint: str | Path | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Trained:
    """Train a network with Adam on minibatches.

    Parameters
    ----------
    build : callable
        Makes the network; called after the seed is set. Parameters that need no gradient are not changed.
    arrays : sequence of ndarray of shape (sample, ...)
        Inputs and targets, split into the same batches.
    loss : callable
        `loss(module, batch, generator)` returns the mean loss of a batch; it draws random numbers from `generator`.
    settings : TrainSettings
        Epochs, batch size, learning rate and the other settings.
    groups : ndarray of shape (sample,), optional
        Rows of one group (a profile, a site) are either all held out for early stopping or all trained on.
    stopping_rows : ndarray of bool of shape (sample,), optional
        True for the rows held out for early stopping; by default `settings.stopping_share` of the rows, at random.
    start : mapping of str to ndarray, optional
        Weights to start from, instead of random ones.
    checkpoint : path, optional
        File to which the state is written every `settings.checkpoint_every` epochs. An existing one is resumed (on
        the CPU to exactly the same weights); it is deleted at the end.
    progress : callable, optional
        Called with each epoch (from 1) and its loss.

    Returns
    -------
    Trained
        Weights and losses.

    Raises
    ------
    RecipeError
        If the loss is not finite, CUDA is requested but not available, or all rows are in one group.
    OutputError
        If the checkpoint is damaged or belongs to another training.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    >>> def squared_error(net, batch, generator):
    ...     return ((net(batch[0]) - batch[1]) ** 2).mean()
    >>> settings = TrainSettings(seed=0, epochs=100, batch_size=4, learning_rate=0.05)
    >>> line = train(lambda: nn.Linear(1, 1), (x, 2 * x + 1), squared_error, settings)
    >>> {name: value.round(2).tolist() for name, value in line.weights.items()}
    {'weight': [[2.0]], 'bias': [1.0]}
    """
    import torch

    from geosoil.networks.weights import weights_of
    from geosoil.numerics.threads import one_thread_each

    device = _device(settings.device)
    autocast = settings.mixed_precision and device.type == "cuda"
    patience = settings.patience
    # A step takes microseconds: a second thread would mostly wait, and on a busy machine spin for minutes.
    # Dropout uses torch's global generator, whose state is restored afterwards.
    with one_thread_each(), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        module = build()
        if start is not None:
            module.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in start.items()})
        first_weights = weights_of(module)
        module = module.to(device)
        frozen = [module.get_submodule(name).requires_grad_(False) for name in settings.frozen]
        generator = torch.Generator().manual_seed(int(settings.seed))
        noise = torch.Generator(device).manual_seed(int(settings.seed)) if device.type == "cuda" else generator
        tensors = [torch.from_numpy(np.array(array, np.float32)).to(device) for array in arrays]
        if stopping_rows is None:
            rows, stopping = _stopping_rows(len(tensors[0]), patience, settings.stopping_share, groups, generator)
        else:
            given = torch.from_numpy(np.asarray(stopping_rows, bool))
            rows, stopping = torch.nonzero(~given)[:, 0], torch.nonzero(given)[:, 0]
        optimiser = torch.optim.Adam(
            _parameters(module, settings.weight_decay, settings.l2),
            lr=settings.learning_rate,
            fused=True,  # one pass over the weights: in a small network the step costs as much as the gradient
        )
        state = TrainingState(module, optimiser, generator, noise, first_weights)
        journal = None
        if checkpoint is not None:
            inputs = {f"array {i}": array for i, array in enumerate(arrays, start=1)}
            inputs |= {"stopping rows": stopping.numpy()} | {f"first {k}": v for k, v in first_weights.items()}
            journal = Journal(Path(checkpoint), Identity.of(_identity(settings, device), inputs))
            read_checkpoint(journal, state)
        for epoch in range(len(state.losses) + 1, settings.epochs + 1):
            module.train()
            for part in frozen:
                part.eval()
                for layer in part.modules() if settings.adapt_batch_norm else ():
                    layer.train(isinstance(layer, torch.nn.modules.batchnorm._BatchNorm))
            shuffled = rows[torch.randperm(len(rows), generator=generator)]
            batches = shuffled.tensor_split(-(-len(rows) // settings.batch_size))
            epoch_loss = torch.zeros((), dtype=torch.float64, device=device)
            for group in optimiser.param_groups if settings.decay_learning_rate else ():
                group["lr"] = settings.learning_rate * (settings.epochs - epoch + 1) / settings.epochs
            for batch in batches:
                optimiser.zero_grad()
                batch_rows = batch.to(device)
                with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
                    batch_loss = loss(module, tuple(tensor[batch_rows] for tensor in tensors), noise)
                batch_loss.backward()
                optimiser.step()
                epoch_loss += batch_loss.detach().double() * len(batch) / len(rows)
            state.losses.append(epoch_loss.item())
            if not np.isfinite(state.losses[-1]):
                raise RecipeError(
                    "training",
                    found=f"loss {state.losses[-1]} after epoch {epoch}",
                    expected="a finite loss",
                    way_out="lower learning_rate",
                )
            if progress is not None:
                progress(epoch, state.losses[-1])
            if patience is not None:
                module.eval()
                with torch.no_grad():
                    held_out = tuple(tensor[stopping.to(device)] for tensor in tensors)
                    state.stopping_losses.append(loss(module, held_out, noise).item())
                # argmin alone would choose an epoch whose loss is NaN.
                best_epoch = int(np.argmin(np.nan_to_num(state.stopping_losses, nan=np.inf)))
                since_best = len(state.stopping_losses) - 1 - best_epoch
                if since_best == 0:
                    state.best = weights_of(module)
                elif since_best >= patience:
                    break
            if journal is not None and epoch % settings.checkpoint_every == 0:
                write_checkpoint(journal, state)
        if patience is not None and not np.isfinite(state.stopping_losses).any():
            raise RecipeError(
                "training",
                found="no epoch with finite predictions for the rows held out for early stopping",
                expected="at least one such epoch",
                way_out="lower learning_rate",
            )
        weights = weights_of(module) if patience is None else state.best
        if journal is not None:
            journal.path.unlink(missing_ok=True)
    return Trained(weights, np.array(state.losses), np.array(state.stopping_losses))


def _identity(settings: TrainSettings, device: torch.device) -> dict[str, Any]:
    """Return the settings that a checkpoint must share to be resumed."""
    return {
        "seed": int(settings.seed),
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "weight_decay": settings.weight_decay,
        "l2": settings.l2,
        "patience": settings.patience,
        "frozen": list(settings.frozen),
        "adapt_batch_norm": settings.adapt_batch_norm,
        "device": f"{device.type} {settings.mixed_precision} {settings.threads}",
        # A training can be resumed for more epochs, unless the learning rate depends on their number.
        "epochs": settings.epochs if settings.decay_learning_rate else 0,
    }


def _device(name: Device) -> torch.device:
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise RecipeError(
            "training", found=f"device {name!r}", expected="auto, cpu or cuda", way_out="choose one of these"
        )
    if name == "cuda" and not torch.cuda.is_available():
        raise RecipeError(
            "training",
            found="no CUDA device that torch can use",
            expected="a CUDA device, because device = 'cuda'",
            way_out="use device = 'auto' or 'cpu', or install torch with CUDA",
        )
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _stopping_rows(
    n: int, patience: int | None, share: float, groups: np.ndarray | None, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows to train on and the rows held out for early stopping (none without patience)."""
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
            expected=f"at least two groups of {n} rows, so that one can be held out for early stopping",
            way_out="omit groups, or train for a fixed number of epochs",
        )
    drawn = torch.randperm(int(codes.max()) + 1, generator=generator).numpy()
    sizes = np.bincount(codes)[drawn]
    n_groups = min(max(1, int(np.searchsorted(np.cumsum(sizes), n_stopping, side="left")) + 1), len(drawn) - 1)
    held_out = torch.from_numpy(np.isin(codes, drawn[:n_groups]))[order]
    return order[~held_out], order[held_out]


def _parameters(module: nn.Module, weight_decay: float, l2: float) -> list[dict[str, object]]:
    """Return the parameter groups of Adam; a weight decay of 2 x l2 adds the gradient of l2 x sum of squares."""
    trained = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
    kernels = [p for name, p in trained if p.ndim > 1 and l2]
    others = [p for name, p in trained if not (p.ndim > 1 and l2)]
    groups = ((kernels, weight_decay + 2 * l2), (others, weight_decay))
    return [{"params": params, "weight_decay": decay} for params, decay in groups if params]
