"""Training of one network per fold, with early stopping on the rows of the fold that is held out."""

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
    """Early stopping of a network on the rows of a held-out fold.

    It is passed to `networks.loop.train` as the maker of the network (`build`) and as `progress` (`after_epoch`), and
    ends the training by raising `StopTraining`. The `stopping_rows` of `train` are not used because the errors of each
    row in float64 are part of the result, and because published figures depend on the order of the batches.

    Parameters
    ----------
    make : callable
        Makes the network.
    X : ndarray of shape (sample, band)
        Spectra of the held-out fold.
    standard : ndarray of shape (sample,)
        Standardised target of the held-out fold.
    patience : int
        Epochs without improvement before training stops.

    Attributes
    ----------
    best_epoch : int
        Epoch with the smallest error, from 1.
    weights : dict of str to ndarray
        Weights after that epoch.
    errors : ndarray of shape (sample,)
        Errors after that epoch, standardised.
    """

    class StopTraining(Exception):  # noqa: N818 - it signals the end of a training, not an error
        """The error on the held-out fold has not decreased for `patience` epochs."""

    def __init__(self, make: Callable[[], CNN1D], X: np.ndarray, standard: np.ndarray, patience: int) -> None:
        import torch

        self._make, self._patience, self._measured = make, patience, standard
        self._rows = torch.from_numpy(X)
        self._least_error = np.inf
        self.best_epoch = 0
        self.weights: dict[str, np.ndarray] = {}
        self.errors = np.empty(0)

    def build(self) -> CNN1D:
        """Make the network."""
        self._net = self._make()
        return self._net

    def after_epoch(self, epoch: int, _: float) -> None:
        """Compute the error on the held-out fold; raise StopTraining after `patience` epochs without improvement."""
        import torch

        from geosoil.networks.weights import weights_of

        self._net.eval()
        with torch.no_grad():
            predicted = self._net(self._rows.to(self._net.output.weight.device)).cpu().numpy()
        errors = predicted - self._measured
        error = float(np.mean(errors**2))
        if error < self._least_error:
            self._least_error, self.best_epoch, self.errors = error, epoch, errors
            self.weights = weights_of(self._net)
        elif epoch - self.best_epoch >= self._patience:
            raise FoldTrainer.StopTraining


def split_folds(n_samples: int, n_folds: int, groups: np.ndarray | None, seed: int) -> list[Split]:
    """Return the training rows and held-out rows of each fold; rows of one group `(sample,)` stay together.

    >>> [held_out.tolist() for _, held_out in split_folds(4, 2, np.array([0, 0, 1, 1]), seed=0)]
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
    held_out: np.ndarray,
    *,
    seed: int,
    start: Mapping[str, np.ndarray] | None = None,
    frozen: Sequence[str] = (),
) -> FoldTrainer:
    """Train a network until its error on the held-out rows no longer decreases.

    Parameters
    ----------
    settings : SpectralCNN
        Estimator whose parameters are used; it need not be fitted.
    X : ndarray of shape (sample, band)
        Preprocessed spectra.
    standard : ndarray of shape (sample,)
        Standardised target.
    training, held_out : ndarray of int
        Indices of the training rows and of the held-out rows.
    seed : int
        Added to the seed of `settings`.
    start, frozen
        See `networks.loop.train` and `TrainSettings`.

    Returns
    -------
    FoldTrainer
        Best epoch, weights and errors.

    Raises
    ------
    RecipeError
        If the network predicts no finite numbers.
    """
    trainer = FoldTrainer(_maker(settings, X), X[held_out], standard[held_out], settings.patience)
    with suppress(FoldTrainer.StopTraining):
        _fit_net(settings, trainer.build, X[training], standard[training], settings.epochs, seed, start, frozen,
                 trainer.after_epoch)  # fmt: skip
    if not trainer.weights:
        raise RecipeError(
            "training",
            found="no epoch with finite predictions for the held-out fold",
            expected="at least one such epoch",
            way_out="lower learning_rate",
        )
    return trainer


def train_all(
    settings: SpectralCNN,
    X: np.ndarray,
    standard: np.ndarray,
    epochs: int,
    *,
    start: Mapping[str, np.ndarray] | None = None,
    frozen: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Train one network on all rows for a fixed number of epochs, and return its weights."""
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
