"""A dense neural network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import clone

from geosoil.estimators.base import MORE_SAMPLES_OR_PLS, Regressor, mean_and_spread
from geosoil.program.ops import Affine, Elementwise, Program

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class DenseNet(Regressor):
    """A dense network, usually on selected bands: the DNN of DNN-CARS.

    Training stops when the loss on a random share of the training rows has not improved for `patience` epochs.

    Parameters
    ----------
    hidden : sequence of int
        Units of the hidden layers.
    dropout : float
        Share of units dropped in training.
    epochs : int
        Largest number of epochs.
    patience : int
        Epochs without improvement before training stops.
    learning_rate : float
        Step size of Adam.
    batch_size : int
        Rows per batch at most.
    random_state : int
        Seed.

    References
    ----------
    Wei et al. 2021.
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "weights_", "target_mean_", "target_spread_")

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] | list[int] = (64, 32),
        dropout: float = 0.2,
        epochs: int = 500,
        patience: int = 50,
        learning_rate: float = 1e-3,
        batch_size: int = 16,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> DenseNet:
        """Train on X `(sample, feature)`, standardised, and y `(sample,)` in its own unit."""
        return self._train(X, y)

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the layers that `fine_tuned` can freeze, from the input to the output."""
        return tuple(f"layers.{i}" for i in range(len(self.hidden) + 1))

    def default_freeze(self) -> tuple[str, ...]:
        """Return all layers but the last two."""
        return self.layer_names()[:-2]

    def fine_tuned(self, X: np.ndarray, y: np.ndarray, *, freeze: Sequence[str], **settings: Any) -> DenseNet:
        """Return a new network, trained from the weights of this one; the layers in `freeze` keep theirs."""
        return clone(self).set_params(**settings)._train(X, y, start=self.weights_, frozen=freeze)

    def _train(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        start: Mapping[str, np.ndarray] | None = None,
        frozen: Sequence[str] = (),
    ) -> DenseNet:
        from geosoil.networks.dense import Dense, squared_error
        from geosoil.networks.loop import TrainSettings, train

        X, y = self._training_rows(X, y, 5, MORE_SAMPLES_OR_PLS)
        self.target_mean_, self.target_spread_ = mean_and_spread(y)
        trained = train(
            lambda: Dense(X.shape[1], list(self.hidden), self.dropout),
            (X, (y - self.target_mean_) / self.target_spread_),
            squared_error,
            TrainSettings(
                seed=self.random_state,
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                patience=self.patience,
                frozen=frozen,
            ),
            start=start,
        )
        self.weights_ = trained.weights
        return self

    def _layers(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for i in range(len(self.weights_) // 2):
            yield self.weights_[f"layers.{i}.weight"], self.weights_[f"layers.{i}.bias"]

    def _predict(self, X: np.ndarray) -> np.ndarray:
        values = X
        layers = list(self._layers())
        for i, (weight, bias) in enumerate(layers):
            values = values @ weight.T + bias
            values = np.maximum(values, 0) if i < len(layers) - 1 else values
        return values[:, 0] * self.target_spread_ + self.target_mean_

    def lower(self) -> Program:
        """Return the program: matrix products with ReLU between them."""
        ops: list[Any] = []
        for weight, bias in self._layers():
            ops += [Affine(weight, bias), Elementwise("relu")]
        return (*ops[:-1], Affine(np.array([[self.target_spread_]]), np.array([self.target_mean_])))
