"""Nets of the folds: each learns from the other folds, and its own says which of its epochs counts."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RecipeError
from geosoil.samples.splits import split_groups, split_k_fold

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from geosoil.estimators.spectral_cnn import SpectralCNN
    from geosoil.networks.cnn1d import CNN1D
    from geosoil.samples.splits import Split


class FoldTrainer:
    """A net trained on the other folds: its best epoch (from 1), its weights then, and its errors on its own fold.

    Given to `networks.loop.train` as its maker and its listener; ends the training by `StopTraining`. Not by the
    `stopping_rows` of `train`: the errors of the fold, row by row and in float64, are part of the result, and its
    rows are none of the training's, and published figures hang on the order in which its batches are drawn.
    """

    class StopTraining(Exception):  # noqa: N818 - nothing went wrong
        """The fold has not improved for as long as it may."""

    def __init__(self, make: Callable[[], CNN1D], X: np.ndarray, standard: np.ndarray, patience: int) -> None:
        import torch

        self._make, self._patience, self._measured = make, patience, standard
        self._rows = torch.from_numpy(X)
        self._least = np.inf
        self.best_epoch = 0
        self.weights: dict[str, np.ndarray] = {}
        self.errors = np.empty(0)

    def build(self) -> CNN1D:
        """Make the net that is watched."""
        self._net = self._make()
        return self._net

    def after_epoch(self, epoch: int, _: float) -> None:
        """Judge the net by its fold; raise Enough where it has not improved for `patience` epochs."""
        import torch

        from geosoil.networks.weights import weights_of

        self._net.eval()
        with torch.no_grad():
            predicted = self._net(self._rows.to(self._net.output.weight.device)).cpu().numpy()
        errors = predicted - self._measured
        error = float(np.mean(errors**2))
        if error < self._least:
            self._least, self.best_epoch, self.errors = error, epoch, errors
            self.weights = weights_of(self._net)
        elif epoch - self.best_epoch >= self._patience:
            raise FoldTrainer.StopTraining


def deal_folds(n_samples: int, n_folds: int, groups: np.ndarray | None, seed: int) -> list[Split]:
    """Return n_folds pairs of training and held-back rows, whole groups where they are given.

    >>> [held_back.tolist() for _, held_back in deal_folds(4, 2, np.array([0, 0, 1, 1]), seed=0)]
    [[0, 1], [2, 3]]
    """
    if groups is None:
        return split_k_fold(n_samples, n_folds, seed=seed)
    return split_groups(groups, n_folds, seed=seed)


def train_fold(
    settings: SpectralCNN,
    X: np.ndarray,
    standard: np.ndarray,
    training: np.ndarray,
    held_back: np.ndarray,
    *,
    seed: int,
    start: Mapping[str, np.ndarray] | None = None,
    frozen: Sequence[str] = (),
) -> FoldTrainer:
    """Train on the rows `training` of X `(sample, band)` until the rows `held_back` no longer improve.

    standard `(sample,)`: the target, standardised. settings: an estimator, fitted or not. seed: added to its own.
    start, frozen as in `training.train`. Raises RecipeError where the net no longer predicts numbers.
    """
    net = FoldTrainer(_maker(settings, X), X[held_back], standard[held_back], settings.patience)
    with suppress(FoldTrainer.StopTraining):
        _fit_net(settings, net.build, X[training], standard[training], settings.epochs, seed, start, frozen,
                 net.after_epoch)  # fmt: skip
    if not net.weights:
        raise RecipeError(
            "training",
            found="no epoch after which the net predicts numbers for its fold",
            expected="one",
            way_out="lower learning_rate",
        )
    return net


def train_all(
    settings: SpectralCNN,
    X: np.ndarray,
    standard: np.ndarray,
    epochs: int,
    *,
    start: Mapping[str, np.ndarray] | None = None,
    frozen: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Train one net on all rows for a number of epochs, and return its weights."""
    return _fit_net(settings, _maker(settings, X), X, standard, epochs, 0, start, frozen, None)


def _maker(settings: SpectralCNN, X: np.ndarray) -> Callable[[], CNN1D]:
    from geosoil.networks.cnn1d import CNN1D

    return lambda: CNN1D(X.shape[1], settings.architecture)


def _fit_net(
    settings: SpectralCNN,
    build: Callable[[], torch.nn.Module],
    X: np.ndarray,
    standard: np.ndarray,
    epochs: int,
    seed: int,
    start: Mapping[str, np.ndarray] | None,
    frozen: Sequence[str],
    after_epoch: Callable[[int, float], None] | None,
) -> dict[str, np.ndarray]:
    from geosoil.networks.dense import squared_error
    from geosoil.networks.loop import TrainSettings, train

    return train(
        build,
        (X, standard),
        squared_error,
        TrainSettings(
            seed=settings.random_state + seed,
            epochs=epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            frozen=frozen,
            device=settings.device,
            threads=settings.threads,
        ),
        start=start,
        progress=after_epoch,
    ).weights
