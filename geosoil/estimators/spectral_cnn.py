"""The 1D-CNN of Shen et al. 2022 as a scikit-learn regressor: one net for each fold, averaged, or one for all rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from geosoil.errors import RecipeError
from geosoil.estimators.base import FEWEST_SAMPLES, Regressor, mean_and_spread
from geosoil.estimators.fold_trainer import deal_folds, train_all, train_fold
from geosoil.networks.architectures import Architecture, complete, count_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.networks.cnn1d import CNN1D
    from geosoil.networks.loop import Device

    Progress = Callable[[str, int, int], None]

_BATCH = 256  # rows predicted at once: always as many, so that a row's value does not depend on the rows beside it


class SpectralCNN(Regressor):
    """1D-CNN on spectra, of an architecture that is a JSON value (`networks/architectures.py`) or the name of one.

    X `(sample, band)`: preprocessed spectra (absorbance and SNV in the paper), taken as they are; y `(sample,)`,
    standardised inside and given back in its own unit.

    Each of n_folds nets learns from the other folds; its own says when to stop: `patience` epochs without a smaller
    error, and the weights of the best epoch count. final: "folds", the mean of these nets (the paper does not say how
    ten give one prediction), or "refit", one net on all rows for the median of the best epochs: with 30 samples a fold
    holds three, and where such a fold stops is chance.

    Known after `fit`: `cross_validated_rmse_` and `fold_rmse_` in y's unit, both optimistic because a fold has chosen
    its epoch, and `best_epochs_` by fold.

    >>> X = np.linspace(-1, 1, 40)[:, None] * np.linspace(1, 2, 24)
    >>> net = SpectralCNN(n_folds=2, epochs=40, learning_rate=0.01).fit(X, 3 * X[:, 0])
    >>> net.predict(X).shape, bool(np.corrcoef(net.predict(X), X[:, 0])[0, 1] > 0.9)
    ((40,), True)
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "weights_",
        "target_mean_",
        "target_spread_",
        "n_samples_",
        "n_members_",
        "cross_validated_rmse_",
        "fold_rmse_",
        "best_epochs_",
        "notes_",
    )

    def __init__(
        self,
        *,
        architecture: str | Architecture = "small",
        n_folds: int = 10,
        final: Literal["folds", "refit"] = "folds",
        epochs: int = 500,
        patience: int = 50,
        learning_rate: float = 1e-3,
        batch_size: int = 16,
        device: Device = "cpu",
        threads: int = 1,
        random_state: int = 0,
    ) -> None:
        self.architecture = architecture
        self.n_folds = n_folds
        self.final = final
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.device = device
        self.threads = threads
        self.random_state = random_state

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> SpectralCNN:
        """Train on all rows; rows of one group `(sample,)` stand in one fold.

        progress: called with "folds", those done and their number. Raises SamplesError below 10 rows or for NaN,
        RecipeError for settings that make no sense.
        """
        return self._train(X, y, groups=groups, progress=progress)

    def layer_names(self) -> tuple[str, ...]:
        """Return the blocks that `fine_tuned` can freeze, from the input to the output."""
        whole = complete(self.architecture)
        blocks = [f"{kind}.{i}" for kind in ("convolutions", "dense") for i in range(len(whole[kind]))]
        return (*blocks, "output")

    def default_freeze(self) -> tuple[str, ...]:
        """Return the convolution blocks."""
        return tuple(name for name in self.layer_names() if name.startswith("convolutions."))

    def fine_tuned(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        freeze: Sequence[str],
        base_rows: Sequence[int] | np.ndarray | None = None,
        same_target: bool = False,
        groups: np.ndarray | None = None,
        progress: Progress | None = None,
        **settings: Any,
    ) -> SpectralCNN:
        """Return new nets that all begin with one of this one's, and keep its weights of the blocks in `freeze`.

        same_target: y is what this net predicts, in the same unit. Then the one with the smallest RMSE on the rows
        `base_rows` (of X; None: all) is taken, and the new nets begin with its predictions; else the first, with its
        output in standard deviations around the mean of y. settings: parameters of the new net that differ from this
        one's.
        """
        new = clone(self).set_params(**settings)
        X, y = new.checked_rows(X, y)
        base = 0
        if same_target:
            chosen = slice(None) if base_rows is None else np.asarray(base_rows)
            errors = self.predict_members(X[chosen]) - y[chosen]
            base = int(np.argmin((errors**2).mean(axis=1)))
        new._train(X, y, source=self, base=base, same_target=same_target, frozen=freeze, groups=groups,
                   progress=progress)  # fmt: skip
        new.notes_.append(f"begun with net {base + 1} of {self.n_members_}")
        return new

    def predict_members(self, X: np.ndarray) -> np.ndarray:
        """Predict by each net for itself: X `(sample, band)` without NaN -> `(net, sample)` in the target's unit."""
        import torch

        check_is_fitted(self)
        X = np.ascontiguousarray(X, np.float32)
        standard = np.empty((self.n_members_, len(X)))
        batch = torch.zeros((_BATCH, self.n_features_in_))
        with torch.inference_mode():
            for member, net in enumerate(self._nets()):
                for first in range(0, len(X), _BATCH):
                    rows = torch.from_numpy(X[first : first + _BATCH])
                    batch[: len(rows)] = rows
                    standard[member, first : first + len(rows)] = net(batch)[: len(rows)].numpy()
        return standard * self.target_spread_ + self.target_mean_

    def _predict(self, X: np.ndarray) -> np.ndarray:
        return self.predict_members(X).mean(axis=0)

    def _train(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        source: SpectralCNN | None = None,
        base: int = 0,
        same_target: bool = False,
        frozen: Sequence[str] = (),
        groups: np.ndarray | None = None,
        progress: Progress | None = None,
    ) -> SpectralCNN:
        X, y = self.checked_rows(X, y)
        self.n_samples_ = len(y)
        self.target_mean_, self.target_spread_ = mean_and_spread(y)
        standard = (y - self.target_mean_) / self.target_spread_
        start = None if source is None else self._start(source, base, same_target)
        folds = deal_folds(len(y), self.n_folds, groups, self.random_state)
        errors, epochs, members = np.empty(len(y)), [], []
        for i, (training, held_back) in enumerate(folds):
            net = train_fold(self, X, standard, training, held_back, seed=i, start=start, frozen=frozen)
            errors[held_back] = net.errors * self.target_spread_
            epochs.append(net.best_epoch)
            members.append(net.weights)
            if progress is not None:
                progress("folds", i + 1, len(folds))
        self.best_epochs_ = np.array(epochs)
        self.fold_rmse_ = np.array([np.sqrt(np.mean(errors[held_back] ** 2)) for _, held_back in folds])
        self.cross_validated_rmse_ = float(np.sqrt(np.mean(errors**2)))
        n_parameters = count_parameters(self.architecture, X.shape[1])
        self.notes_ = [
            f"{n_parameters} weights from {len(y)} rows of {X.shape[1]} bands",
            f"RMSE {self.cross_validated_rmse_:.4g} over {len(folds)} folds that also chose their epochs: optimistic",
        ]
        if self.final == "refit":
            n_epochs = int(np.median(self.best_epochs_))
            members = [train_all(self, X, standard, n_epochs, start=start, frozen=frozen)]
            self.notes_.append(f"one net on all rows for {n_epochs} epochs, the median of the folds' best")
        self.n_members_ = len(members)
        self.weights_ = {f"{i}/{name}": value for i, net in enumerate(members) for name, value in net.items()}
        return self

    def _start(self, source: SpectralCNN, base: int, same_target: bool) -> dict[str, np.ndarray]:
        """Return the source's weights; with the same target, the output layer gives its predictions in our units."""
        from geosoil.networks.weights import weights_under

        weights = weights_under(source.weights_, f"{base}/")
        if same_target:
            scale = source.target_spread_ / self.target_spread_
            shift = (source.target_mean_ - self.target_mean_) / self.target_spread_
            weights["output.weight"] = (weights["output.weight"] * scale).astype(np.float32)
            weights["output.bias"] = (weights["output.bias"] * scale + shift).astype(np.float32)
        return weights

    def checked_rows(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rows that can be trained on: X float32, y float64; raises SamplesError or RecipeError."""
        X, y = self._training_rows(X, y, max(self.n_folds, FEWEST_SAMPLES))
        count_parameters(self.architecture, X.shape[1])  # refuses what cannot be built
        for name, holds, expected in (
            ("n_folds", self.n_folds >= 2, "2 or more"),
            ("final", self.final in ("folds", "refit"), "folds or refit"),
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 4, "4 or more, for the statistics of a batch"),
        ):
            if not holds:
                found = f"{name} = {getattr(self, name)!r}"
                raise RecipeError("SpectralCNN", found=found, expected=expected, way_out="change this parameter")
        return np.asarray(X, np.float32), y

    def _nets(self) -> list[CNN1D]:
        """Return the nets of `weights_`, kept until others stand there."""
        if getattr(self, "_kept", (None,))[0] is not self.weights_:
            self._kept = (self.weights_, [self._loaded(member) for member in range(self.n_members_)])
        return self._kept[1]

    def _loaded(self, member: int) -> CNN1D:
        from geosoil.networks.cnn1d import CNN1D
        from geosoil.networks.weights import load_network, weights_under

        weights = weights_under(self.weights_, f"{member}/")
        return load_network(lambda: CNN1D(self.n_features_in_, self.architecture), weights)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the nets that were built for prediction."""
        return {name: value for name, value in super().__getstate__().items() if name != "_kept"}
