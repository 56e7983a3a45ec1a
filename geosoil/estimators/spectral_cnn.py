"""The 1D-CNN of Shen et al. 2022 as a scikit-learn regressor: the mean of one network per fold, or one network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from geosoil.errors import RecipeError
from geosoil.estimators.base import FEWEST_SAMPLES, Regressor, mean_and_spread
from geosoil.estimators.fold_trainer import split_folds, train_all, train_fold
from geosoil.networks.architectures import Architecture, complete, count_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.networks.cnn1d import CNN1D
    from geosoil.networks.loop import Device

    Progress = Callable[[str, int, int], None]

_BATCH = 256  # rows predicted at once; a constant number, so that a prediction does not depend on the other rows


class SpectralCNN(Regressor):
    """1D-CNN on spectra.

    One network per fold is trained on the other folds. It stops after `patience` epochs without a smaller error on its
    own fold, and keeps the weights of the best epoch. The target is standardised inside.

    Parameters
    ----------
    architecture : str or dict
        Name or description of an architecture (see `networks.architectures`).
    n_folds : int
        Number of folds.
    final : {"folds", "refit"}
        "folds" predicts the mean of the networks of the folds (the paper does not state how the ten are combined).
        "refit" trains one network on all rows for the median of the best epochs; it suits few samples, where the epoch
        at which a fold of three samples stops is arbitrary.
    epochs, patience, learning_rate, batch_size, device, threads
        See `networks.loop.TrainSettings`.
    random_state : int
        Seed.

    Attributes
    ----------
    cross_validated_rmse_ : float
        RMSE over all folds in the unit of y; optimistic, because each fold has chosen its epoch.
    fold_rmse_ : ndarray of shape (fold,)
        RMSE of each fold, equally optimistic.
    best_epochs_ : ndarray of shape (fold,)
        Best epoch of each fold.
    notes_ : list of str
        Sentences for a report.

    References
    ----------
    Shen et al. 2022, section 2.3.

    Examples
    --------
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
        """Train the networks.

        Parameters
        ----------
        X : ndarray of shape (sample, band)
            Preprocessed spectra (absorbance and SNV in the paper).
        y : ndarray of shape (sample,)
            Target in its unit.
        groups : ndarray of shape (sample,), optional
            Rows of one group are in the same fold.
        progress : callable, optional
            Called with "folds", the number of finished folds and their total.

        Raises
        ------
        SamplesError
            For fewer than 10 rows, or NaN.
        RecipeError
            For an invalid parameter.
        """
        return self._train(X, y, groups=groups, progress=progress)

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the blocks that `fine_tuned` can freeze, from the input to the output."""
        architecture = complete(self.architecture)
        blocks = [f"{kind}.{i}" for kind in ("convolutions", "dense") for i in range(len(architecture[kind]))]
        return (*blocks, "output")

    def default_freeze(self) -> tuple[str, ...]:
        """Return the names of the convolution blocks."""
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
        """Return a new estimator whose networks are trained from the weights of one network of this estimator.

        Parameters
        ----------
        X, y, groups, progress
            See `fit`.
        freeze : sequence of str
            Names of the blocks that keep their weights.
        base_rows : sequence of int, optional
            With `same_target`: the rows of X on which the start network is chosen, by RMSE; by default all.
        same_target : bool
            y is the property that this estimator predicts, in the same unit: start from the network with the smallest
            RMSE and from its predictions. Otherwise start from the first network, with its output in standard
            deviations around the mean of y.
        **settings
            Parameters of the new estimator that differ from this one.
        """
        new = clone(self).set_params(**settings)
        X, y = new.checked_rows(X, y)
        base = 0
        if same_target:
            rows = slice(None) if base_rows is None else np.asarray(base_rows)
            errors = self.predict_members(X[rows]) - y[rows]
            base = int(np.argmin((errors**2).mean(axis=1)))
        new._train(X, y, source=self, base=base, same_target=same_target, frozen=freeze, groups=groups,
                   progress=progress)  # fmt: skip
        new.notes_.append(f"started from network {base + 1} of {self.n_members_}")
        return new

    def predict_members(self, X: np.ndarray) -> np.ndarray:
        """Return the predictions `(network, sample)` of each network for X `(sample, band)` without NaN."""
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
        folds = split_folds(len(y), self.n_folds, groups, self.random_state)
        errors, epochs, members = np.empty(len(y)), [], []
        for i, (training, held_out) in enumerate(folds):
            trainer = train_fold(self, X, standard, training, held_out, seed=i, start=start, frozen=frozen)
            errors[held_out] = trainer.errors * self.target_spread_
            epochs.append(trainer.best_epoch)
            members.append(trainer.weights)
            if progress is not None:
                progress("folds", i + 1, len(folds))
        self.best_epochs_ = np.array(epochs)
        self.fold_rmse_ = np.array([np.sqrt(np.mean(errors[held_out] ** 2)) for _, held_out in folds])
        self.cross_validated_rmse_ = float(np.sqrt(np.mean(errors**2)))
        n_parameters = count_parameters(self.architecture, X.shape[1])
        self.notes_ = [
            f"{n_parameters} weights from {len(y)} rows of {X.shape[1]} bands",
            f"RMSE {self.cross_validated_rmse_:.4g} over {len(folds)} folds that also chose their epochs: optimistic",
        ]
        if self.final == "refit":
            n_epochs = int(np.median(self.best_epochs_))
            members = [train_all(self, X, standard, n_epochs, start=start, frozen=frozen)]
            self.notes_.append(f"one network on all rows for {n_epochs} epochs, the median of the folds' best epochs")
        self.n_members_ = len(members)
        self.weights_ = {f"{i}/{name}": value for i, net in enumerate(members) for name, value in net.items()}
        return self

    def _start(self, source: SpectralCNN, base: int, same_target: bool) -> dict[str, np.ndarray]:
        """Return the weights of a source; with the same target, its output layer is rescaled to this estimator."""
        from geosoil.networks.weights import weights_under

        weights = weights_under(source.weights_, f"{base}/")
        if same_target:
            scale = source.target_spread_ / self.target_spread_
            shift = (source.target_mean_ - self.target_mean_) / self.target_spread_
            weights["output.weight"] = (weights["output.weight"] * scale).astype(np.float32)
            weights["output.bias"] = (weights["output.bias"] * scale + shift).astype(np.float32)
        return weights

    def checked_rows(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return checked X (float32) and y (float64); raises SamplesError or RecipeError."""
        X, y = self._training_rows(X, y, max(self.n_folds, FEWEST_SAMPLES))
        count_parameters(self.architecture, X.shape[1])  # raises RecipeError for an invalid architecture
        for name, holds, expected in (
            ("n_folds", self.n_folds >= 2, "2 or more"),
            ("final", self.final in ("folds", "refit"), "folds or refit"),
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 4, "4 or more, for batch normalisation"),
        ):
            if not holds:
                found = f"{name} = {getattr(self, name)!r}"
                raise RecipeError("SpectralCNN", found=found, expected=expected, way_out="change this parameter")
        return np.asarray(X, np.float32), y

    def _nets(self) -> list[CNN1D]:
        """Return the networks of `weights_`, cached until `weights_` is replaced."""
        if getattr(self, "_cached", (None,))[0] is not self.weights_:
            self._cached = (self.weights_, [self._loaded(member) for member in range(self.n_members_)])
        return self._cached[1]

    def _loaded(self, member: int) -> CNN1D:
        from geosoil.networks.cnn1d import CNN1D
        from geosoil.networks.weights import load_network, weights_under

        weights = weights_under(self.weights_, f"{member}/")
        return load_network(lambda: CNN1D(self.n_features_in_, self.architecture), weights)

    def __getstate__(self) -> dict[str, Any]:
        """Omit the cached networks."""
        return {name: value for name, value in super().__getstate__().items() if name != "_cached"}
