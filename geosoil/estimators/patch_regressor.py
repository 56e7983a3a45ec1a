"""Base class of the networks that predict several depths from patches of covariates.

A row is a profile with its patch and all its depths. So a split, and also the rows held out for early stopping, never
separate the layers of one profile.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted

from geosoil.errors import RecipeError, SamplesError
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM
from geosoil.program.step import Stateful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import torch
    from torch import nn

    from geosoil.networks.dense_patches import Network

    Predict = Callable[[Any, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]

LEAST_VALUES = 10  # measured values that a layer needs to be trained
_BATCH = 256  # patches predicted at once


class PatchRegressor(RegressorMixin, Stateful, ABC):
    """Base class of networks from patches of covariates to a soil property at several depths.

    Covariates are scaled to 0..1 by their range in the training patches, and gaps are filled with the training mean.
    Each depth of the property is standardised by its training values. A layer with fewer than 10 measured values is
    not modelled.

    Parameters
    ----------
    layers_cm : sequence of pairs of float
        Upper and lower end of each layer in cm.
    filters : sequence of int
        Filters of the convolutions; a small patch uses only the first ones.
    hidden : sequence of int
        Units of the dense layers.
    dropout : float
        Share of units dropped in training.
    epochs, batch_size, learning_rate, weight_decay
        See `networks.loop.TrainSettings`.
    patience : int, optional
        Epochs without improvement before training stops. By default all epochs are trained, with a learning rate that
        decreases to 0.
    augment : bool
        Rotate and mirror the training patches (the 8 symmetries of a square). Not for covariates with a direction,
        such as aspect, wind or northness.
    n_members : int
        Networks with different seeds whose predictions are averaged.
    random_state : int
        Seed.

    Attributes
    ----------
    depths_ : ndarray of int
        Indices of the layers that `predict` returns.
    n_gaps_ : int
        Number of gaps in the training patches.
    losses_ : list of ndarray of shape (epoch,)
        Losses of each training, in the order of training; not stored with a model.
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "size_",
        "depths_",
        "low_",
        "range_",
        "fill_",
        "target_mean_",
        "target_spread_",
        "n_gaps_",
        "weights_",
    )

    def __init__(
        self,
        *,
        layers_cm: Sequence[Sequence[float]] = STANDARD_LAYERS_CM,
        filters: Sequence[int] = (32, 64, 128),
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.2,
        epochs: int = 100,
        batch_size: int = 32,
        learning_rate: float = 1e-3,
        weight_decay: float = 1e-4,
        patience: int | None = None,
        augment: bool = False,
        n_members: int = 1,
        random_state: int = 0,
    ) -> None:
        self.layers_cm = layers_cm
        self.filters = filters
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.augment = augment
        self.n_members = n_members
        self.random_state = random_state

    @property
    def n_channels_(self) -> int:
        """Number of covariates."""
        return len(self.low_)

    @property
    def depths_without_data_(self) -> list[int]:
        """Indices of the layers with too few values to train on."""
        return [depth for depth in range(len(self.layers_cm)) if depth not in set(self.depths_.tolist())]

    def fit(self, X: np.ndarray, y: np.ndarray) -> PatchRegressor:
        """Train the networks.

        Parameters
        ----------
        X : ndarray of shape (sample, covariate, size, size)
            Patches; NaN = gap.
        y : ndarray of shape (sample, layer)
            Property of each layer in its unit; NaN = not measured.

        Raises
        ------
        SamplesError
            For patches of an unsupported size, infinite values, a covariate without data, or no layer with 10 values.
        RecipeError
            If a parameter is invalid, or the loss is not finite.
        """
        from geosoil.networks.weights import COUNTER

        X, y = self._training_rows(X, y)
        known = ~np.isnan(y)
        self.depths_ = np.flatnonzero(known.sum(axis=0) >= LEAST_VALUES)
        if not self.depths_.size:
            raise SamplesError(
                "training rows",
                found=f"at most {int(known.sum(axis=0).max(initial=0))} values in a layer",
                expected=f"at least {LEAST_VALUES} in one layer",
                way_out="add profiles",
            )
        y = y[:, self.depths_]
        rows = ~np.isnan(y).all(axis=1)
        X, y = X[rows], y[rows]
        self._learn_scale(X)
        self.target_mean_, self.target_spread_ = np.nanmean(y, axis=0), np.nanstd(y, axis=0)
        self.target_spread_[self.target_spread_ == 0] = 1.0
        scaled, standard = self._scaled(X), (y - self.target_mean_) / self.target_spread_
        self.weights_: dict[str, np.ndarray] = {}
        self.losses_: list[np.ndarray] = []
        for member in range(self.n_members):
            seed = self.random_state + 1000 * member
            for network, weights in enumerate(self._train(scaled, standard.astype(np.float32), seed)):
                self.weights_ |= {
                    f"{member}/{network}/{name}": value for name, value in weights.items() if not name.endswith(COUNTER)
                }
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict the layers of `depths_`, `(sample, depth)`, from patches `(sample, covariate, size, size)`."""
        import torch

        check_is_fitted(self)
        X = np.asarray(X, np.float32)
        expected = (self.n_channels_, self.size_, self.size_)
        if X.ndim != 4 or X.shape[1:] != expected:
            raise SamplesError(
                "patches",
                found=f"shape {X.shape}",
                expected=f"(sample, {', '.join(map(str, expected))}) as in training",
                way_out="use the covariates and the patch size of the model",
            )
        standard = np.zeros((len(X), len(self.depths_)))
        with torch.inference_mode():
            members = [self._modules(member) for member in range(self.n_members)]
            for start in range(0, len(X), _BATCH):
                patches = torch.from_numpy(self._scaled(X[start : start + _BATCH]))
                for modules in members:
                    standard[start : start + _BATCH] += self._run(modules, patches).numpy()
        return self._unstandardised(standard, axis=1)

    def predict_block(self, block: np.ndarray, mask: np.ndarray | None = None, device: str = "cpu") -> np.ndarray:
        """Predict all cells of a block of a map.

        The predictions equal those of `predict` for the patch around each cell, up to rounding, but overlapping
        patches share their convolutions (see `networks.dense_patches`).

        Parameters
        ----------
        block : ndarray of shape (covariate, y + size - 1, x + size - 1)
            Covariates of the block and a margin.
        mask : ndarray of bool of shape (y, x), optional
            Cells to predict; the others are NaN and are not computed. By default all.
        device : {"cpu", "cuda"}
            Where to compute.

        Returns
        -------
        ndarray of float32 of shape (depth, y, x)
            The layers of `depths_`.
        """
        from geosoil.networks.dense_patches import run_over_block

        check_is_fitted(self)
        _, height, width = block.shape
        if mask is None:
            mask = np.ones((height - self.size_ + 1, width - self.size_ + 1), bool)
        scaled = self._scaled(np.asarray(block, np.float32)[None])[0]
        standard = np.zeros((len(self.depths_), int(mask.sum())))
        for member in range(self.n_members):
            standard += run_over_block(self._networks(self._modules(member)), scaled, self.size_, mask, device)
        out = np.full((len(self.depths_), *mask.shape), np.nan, np.float32)
        out[:, mask] = self._unstandardised(standard, axis=0)
        return out

    def _unstandardised(self, total: np.ndarray, axis: int) -> np.ndarray:
        """Return the means over members in the unit of the property, from sums with depths along `axis`."""
        shape = (-1, 1) if axis == 0 else (1, -1)
        return total / self.n_members * self.target_spread_.reshape(shape) + self.target_mean_.reshape(shape)

    def _training_rows(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from geosoil.networks.patch_cnn import CONVOLUTIONS

        X, y = np.asarray(X, np.float32), np.asarray(y, np.float64)
        if X.ndim != 4 or X.shape[2] != X.shape[3] or X.shape[2] not in CONVOLUTIONS:
            raise SamplesError(
                "patches",
                found=f"shape {X.shape}",
                expected="(sample, covariate, size, size) with a size of " + ", ".join(map(str, CONVOLUTIONS)),
                way_out="extract patches of one of these sizes",
            )
        if y.shape != (len(X), len(self.layers_cm)):
            raise SamplesError(
                "training rows",
                found=f"{len(X)} patches and values of shape {y.shape}",
                expected=f"({len(X)}, {len(self.layers_cm)}), one value per patch and layer of layers_cm",
                way_out="give one row per patch, with NaN for missing layers",
            )
        n_infinite = int(np.isinf(X).sum() + np.isinf(y).sum())
        if n_infinite:
            raise SamplesError(
                "training rows",
                found=f"{n_infinite} infinite values",
                expected="finite numbers or NaN",
                way_out="correct the covariates",
            )
        self.size_ = X.shape[2]
        n_convolutions = len(CONVOLUTIONS[self.size_])
        self._require(len(self.filters) >= n_convolutions, "filters", f"at least {n_convolutions} numbers")
        self._require(len(self.hidden) >= 1, "hidden", "at least one number")
        self._require(self.n_members >= 1, "n_members", "1 or more")
        self._require(self.batch_size >= 3, "batch_size", "3 or more, for batch normalisation")
        return X, y

    def _require(self, holds: bool, name: str, expected: str) -> None:
        if not holds:
            found = f"{name} = {getattr(self, name)!r}"
            raise RecipeError(type(self).__name__, found=found, expected=expected, way_out="change it in the recipe")

    def _learn_scale(self, X: np.ndarray) -> None:
        gaps = np.isnan(X)
        empty = np.flatnonzero(gaps.all(axis=(0, 2, 3)))
        if empty.size:
            raise SamplesError(
                "patches",
                found=f"no data in covariate {', '.join(str(number + 1) for number in empty[:5])}",
                expected="values in each covariate",
                way_out="remove it",
            )
        self.n_gaps_ = int(gaps.sum())
        self.low_ = np.nanmin(X, axis=(0, 2, 3))
        spread = np.nanmax(X, axis=(0, 2, 3)) - self.low_
        self.range_ = np.where(spread > 0, spread, np.float32(1))
        scaled = (X - self.low_[:, None, None]) / self.range_[:, None, None]
        self.fill_ = np.asarray(np.nanmean(scaled, axis=(0, 2, 3), dtype=np.float64), np.float32)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        """Return `(sample, covariate, y, x)` scaled by the training range, with gaps filled."""
        scaled = X - self.low_[:, None, None]
        scaled /= self.range_[:, None, None]
        for channel, fill in enumerate(self.fill_):
            plane = scaled[:, channel]
            plane[~np.isfinite(plane)] = fill
        return scaled

    def _train_network(
        self,
        build: Callable[[], nn.Module],
        scaled: np.ndarray,
        standard: np.ndarray,
        predict: Predict,
        seed: int,
        *,
        start: Mapping[str, np.ndarray] | None = None,
        **settings: Any,
    ) -> dict[str, np.ndarray]:
        """Train a network; `predict` returns `(predicted, measured)` for a batch, `settings` replace the usual ones."""
        from geosoil.networks.loop import TrainSettings, train
        from geosoil.networks.patch_cnn import masked_squared_error, random_symmetry

        def loss(net: nn.Module, batch: tuple[torch.Tensor, ...], generator: torch.Generator) -> torch.Tensor:
            patches, measured = batch
            if self.augment and net.training:
                patches = random_symmetry(patches, generator)
            return masked_squared_error(*predict(net, patches, measured))

        usual = TrainSettings(
            seed=seed,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            patience=self.patience,
            decay_learning_rate=self.patience is None,
        )
        trained = train(build, (scaled, standard), loss, replace(usual, **settings), start=start)
        self.losses_.append(trained.losses)
        return trained.weights

    def _loaded(self, build: Callable[[], nn.Module], member: int, network: int = 0) -> Any:
        """Return a network with its weights."""
        from geosoil.networks.weights import load_network, weights_under

        weights = weights_under(self.weights_, f"{member}/{network}/")
        if len(self.hidden) > len(weights):
            msg = f"{len(weights)} arrays for {len(self.hidden)} dense layers"
            raise ValueError(msg)
        return load_network(build, weights)

    @abstractmethod
    def _train(self, scaled: np.ndarray, standard: np.ndarray, seed: int) -> Iterator[Mapping[str, np.ndarray]]:
        """Yield the weights of each network of one member."""

    @abstractmethod
    def _modules(self, member: int) -> list[Any]:
        """Return the networks of one member."""

    @abstractmethod
    def _run(self, modules: Sequence[Any], patches: torch.Tensor) -> torch.Tensor:
        """Return standardised predictions `(row, depth)` for scaled patches."""

    @abstractmethod
    def _networks(self, modules: Sequence[Any]) -> list[Network]:
        """Return the layers of each depth for `run_over_block`."""
