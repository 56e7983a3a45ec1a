"""The 1D-ResNet of He et al. 2025 as a scikit-learn regressor that can be fine-tuned for another property."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from sklearn.base import clone

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.base import FEWEST_SAMPLES, MORE_SAMPLES_OR_PLS, Regressor, mean_and_spread
from geosoil.program.convolution import Convolve, MaxPool, ScaleChannels
from geosoil.program.ops import Affine, Elementwise, Program
from geosoil.program.parallel import Parallel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from geosoil.networks.loop import Device
    from geosoil.networks.resnet1d import ResidualNet

BATCH_NORM_EPSILON = 1e-5  # the default of torch


class ResNet1D(Regressor):
    """1D-ResNet on spectra: average pooling, convolution, two residual blocks, convolution, dense 16-10-1.

    Layers, L2 and training follow the paper. It leaves open the padding ("same" here), the batch norms inside the
    blocks and the width of the last convolution (3 here). The target is divided by its standard deviation (and
    centred if `output="linear"`); predictions are in its own unit. The prediction of a row does not depend on the
    other rows, to the last bit.

    Parameters
    ----------
    pool_bands : int, optional
        Bands averaged into one window; by default 10, or fewer so that at least 50 windows remain.
    output : {"relu", "linear"}
        "relu", as in the paper, for targets above zero. Both start from the mean of the target.
    stopping_share : float
        Share of the training rows held out for early stopping, at random (whole groups if groups are given).
    epochs, patience, learning_rate, l2, batch_size, device, mixed_precision, threads
        See `networks.loop.TrainSettings`.
    random_state : int
        Seed.

    Attributes
    ----------
    weights_ : dict of str to ndarray
        Weights of the best epoch.
    losses_, stopping_losses_ : ndarray of shape (epoch,)
        Losses on the training rows and on the held-out rows.
    notes_ : list of str
        Sentences for a report.

    References
    ----------
    He et al. 2025, section 2.2.1.

    Examples
    --------
    >>> X = np.linspace(0.2, 0.6, 40)[:, None] * np.linspace(1, 2, 60)
    >>> net = ResNet1D(output="linear", epochs=60, patience=60, batch_size=8).fit(X, 3 * X[:, 0])
    >>> bool(np.corrcoef(net.predict(X), 3 * X[:, 0])[0, 1] > 0.9)
    True
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "n_features_in_",
        "weights_",
        "target_mean_",
        "target_spread_",
        "pool_bands_",
        "n_samples_",
        "losses_",
        "stopping_losses_",
        "notes_",
    )

    def __init__(
        self,
        *,
        pool_bands: int | None = None,
        output: Literal["relu", "linear"] = "relu",
        epochs: int = 2000,
        patience: int = 120,
        stopping_share: float = 0.15,
        learning_rate: float = 1e-3,
        l2: float = 4e-4,
        batch_size: int = 32,
        device: Device = "auto",
        mixed_precision: bool = False,
        threads: int = 1,
        random_state: int = 0,
    ) -> None:
        self.pool_bands = pool_bands
        self.output = output
        self.epochs = epochs
        self.patience = patience
        self.stopping_share = stopping_share
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.device = device
        self.mixed_precision = mixed_precision
        self.threads = threads
        self.random_state = random_state

    def fit(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        groups: np.ndarray | None = None,
        stopping_rows: np.ndarray | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> ResNet1D:
        """Train the network.

        Parameters
        ----------
        X : ndarray of shape (sample, band)
            Spectra; log10(1/R) in the paper.
        y : ndarray of shape (sample,)
            Target in its unit.
        groups, stopping_rows, checkpoint, progress
            See `networks.loop.train`.

        Raises
        ------
        SamplesError
            For fewer than 10 samples, NaN, or negative targets with `output="relu"`.
        RecipeError
            For an invalid parameter.
        """
        return self._train(X, y, groups=groups, stopping_rows=stopping_rows, checkpoint=checkpoint, progress=progress)

    def layer_names(self) -> tuple[str, ...]:
        """Return the names of the layers that `fine_tuned` can freeze, from the input to the output."""
        from geosoil.networks.resnet1d import LAYERS

        return LAYERS

    def default_freeze(self) -> tuple[str, ...]:
        """Return the layers that the paper freezes: all but the dense ones."""
        return self.layer_names()[:-3]

    def fine_tuned(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        freeze: Sequence[str],
        bn: Literal["keep", "adapt"] = "keep",
        groups: np.ndarray | None = None,
        stopping_rows: np.ndarray | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[int, float], None] | None = None,
        **settings: Any,
    ) -> ResNet1D:
        """Return a new network, trained from the weights of this one.

        Parameters
        ----------
        X, y, groups, stopping_rows, checkpoint, progress
            See `fit`.
        freeze : sequence of str
            Names of the layers that keep their weights.
        bn : {"keep", "adapt"}
            Keep the batch-norm statistics of frozen layers, or adapt them to the new rows.
        **settings
            Parameters of the new network that differ from this one.
        """
        if bn not in ("keep", "adapt"):
            raise _invalid(f"bn={bn!r}", "keep or adapt")
        new = clone(self).set_params(pool_bands=self.pool_bands_, **settings)
        return new._train(
            X, y, source=self, frozen=freeze, adapt=bn == "adapt", groups=groups, stopping_rows=stopping_rows,
            checkpoint=checkpoint, progress=progress,
        )  # fmt: skip

    def _train(
        self,
        X: np.ndarray,
        y: np.ndarray,
        *,
        source: ResNet1D | None = None,
        frozen: Sequence[str] = (),
        adapt: bool = False,
        **options: Any,
    ) -> ResNet1D:
        from geosoil.networks.dense import squared_error
        from geosoil.networks.loop import TrainSettings, train
        from geosoil.networks.resnet1d import choose_pool_bands

        X, y = self._checked(X, y)
        self.pool_bands_ = self.pool_bands or choose_pool_bands(X.shape[1])
        self.n_samples_ = len(y)
        self.target_mean_, self.target_spread_ = mean_and_spread(y)
        windows = -(-X.shape[1] // self.pool_bands_)
        self.notes_ = [f"{X.shape[1]} bands averaged by {self.pool_bands_} into {windows} windows"]
        self.weights_: dict[str, np.ndarray]
        start: Mapping[str, np.ndarray] | None = None
        if source is not None:
            # The output starts at the mean of the new target, not at that of the source.
            shift = np.float32(self._standard(self.target_mean_) - source._standard(source.target_mean_))
            start = source.weights_ | {"output.bias": source.weights_["output.bias"] + shift}
        trained = train(
            lambda: self._net(X.shape[1]),
            (X, self._standard(y)),
            squared_error,
            TrainSettings(
                seed=self.random_state,
                epochs=self.epochs,
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                l2=self.l2,
                patience=self.patience,
                stopping_share=self.stopping_share,
                frozen=frozen,
                adapt_batch_norm=adapt,
                device=self.device,
                mixed_precision=self.mixed_precision,
                threads=self.threads,
            ),
            start=start,
            **options,
        )
        self.weights_ = trained.weights
        self.losses_, self.stopping_losses_ = trained.losses, trained.stopping_losses
        best = int(np.nanargmin(trained.stopping_losses)) + 1
        self.notes_.append(f"{len(trained.losses)} epochs, the weights of epoch {best}")
        if self.output == "relu" and not self._predict(X).any():
            note = "the ReLU output of the network is 0 for all training rows; use output='linear'"
            self.notes_.append(note)
            warnings.warn(note, stacklevel=3)
        return self

    def _checked(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        X, y = self._training_rows(X, y, FEWEST_SAMPLES, MORE_SAMPLES_OR_PLS)
        if self.output not in ("relu", "linear"):
            raise _invalid(f"output={self.output!r}", "relu or linear")
        if self.output == "relu" and y.min() < 0:
            raise SamplesError(
                "target",
                found=f"values down to {y.min():.3g}",
                expected="no negative values with a ReLU output",
                way_out="use output='linear' (the logarithm of a value below 1 is negative)",
            )
        return X, y

    def _standard(self, y: Any) -> Any:
        """Return y scaled for the network; not centred for a ReLU output, whose zero must remain zero."""
        return (y - (self.target_mean_ if self.output == "linear" else 0.0)) / self.target_spread_

    def _net(self, n_bands: int) -> ResidualNet:
        from geosoil.networks.resnet1d import ResidualNet

        return ResidualNet(
            n_bands, self.pool_bands_, rectified=self.output == "relu", start=self._standard(self.target_mean_)
        )

    def _predict(self, X: np.ndarray) -> np.ndarray:
        from geosoil.program.lower import compile_program

        return compile_program(self.lower(), self.n_features_in_)(X.T)[0].astype(np.float64)

    def lower(self) -> Program:
        """Return the program, with batch norms folded into the convolutions directly before them."""
        weight = {name: np.asarray(value, np.float64) for name, value in self.weights_.items()}
        leaky, relu = Elementwise("leaky_relu"), Elementwise("relu")

        def folded(convolution: str, batch_norm: str) -> Convolve:
            scale, shift = _scale_shift(weight, batch_norm)
            kernel, bias = weight[f"{convolution}.weight"], weight[f"{convolution}.bias"]
            return Convolve(kernel * scale[:, None, None], bias * scale + shift)

        def residual(name: str) -> Parallel:
            first = folded(f"{name}.convolution_1", f"{name}.batch_norm_1")
            return Parallel(((), (first, relu, folded(f"{name}.convolution_2", f"{name}.batch_norm_2"))), "sum")

        last = weight["last_convolution.weight"]
        # torch flattens channel by channel, a program flattens position by position.
        dense = weight["dense_1.weight"].reshape(-1, len(last), weight["dense_1.weight"].shape[1] // len(last))
        offset = self.target_mean_ if self.output == "linear" else 0.0
        return (
            Affine(pooling_matrix(self.n_features_in_, self.pool_bands_), np.zeros(self._n_windows)),
            Convolve(weight["convolution.weight"], weight["convolution.bias"]),
            leaky,
            ScaleChannels(*_scale_shift(weight, "batch_norm")),
            MaxPool(2, len(weight["convolution.weight"])),
            residual("residual_1"),
            relu,
            residual("residual_2"),
            relu,
            Convolve(last, weight["last_convolution.bias"]),
            leaky,
            Affine(dense.transpose(0, 2, 1).reshape(len(dense), -1), weight["dense_1.bias"]),
            leaky,
            Affine(weight["dense_2.weight"], weight["dense_2.bias"]),
            leaky,
            Affine(weight["output.weight"], weight["output.bias"]),
            *((relu,) if self.output == "relu" else ()),
            Affine(np.array([[self.target_spread_]]), np.array([offset])),
        )

    @property
    def _n_windows(self) -> int:
        return -(-self.n_features_in_ // self.pool_bands_)


def pooling_matrix(n_bands: int, pool_bands: int) -> np.ndarray:
    """Return the matrix `(window, band)` that averages neighbouring bands; the last window may hold fewer.

    >>> pooling_matrix(3, 2).tolist()
    [[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]
    """
    window = np.arange(n_bands) // pool_bands
    matrix = (window == np.arange(window[-1] + 1)[:, None]).astype(np.float64)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _scale_shift(weight: Mapping[str, np.ndarray], name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the factor and the offset `(channel,)` of a batch norm with fixed statistics."""
    scale = weight[f"{name}.weight"] / np.sqrt(weight[f"{name}.running_var"] + BATCH_NORM_EPSILON)
    return scale, weight[f"{name}.bias"] - weight[f"{name}.running_mean"] * scale


def _invalid(found: str, expected: str) -> RecipeError:
    return RecipeError("ResNet1D", found=found, expected=expected, way_out="change this parameter")
