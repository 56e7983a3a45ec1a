"""Convolutional networks that predict a soil property at several depths: plain, multi-task and transfer.

They are three of the four models of the SOC-by-depth paper (2025, sections 2.3 and 2.4). Settings that the paper leaves
to its supplement are choices of this project: the kernels for each patch size (`networks.patch_cnn.CONVOLUTIONS`),
filters 32-64-128, dense layers 128-64 and dropout 0.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.estimators.patch_regressor import PatchRegressor
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from geosoil.networks.dense_patches import Network
    from geosoil.networks.patch_cnn import MTCNN, PatchCNN

_DEEPEST_CM = 200.0  # the code of a depth is the middle of its layer divided by this
_FINE_TUNING_RATE = 0.1  # as a share of the learning rate


class PlainCNN(PatchRegressor):
    """One network per depth, each trained on the profiles with a value at that depth.

    See `PatchRegressor` for the parameters.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.random((12, 2, 3, 3), dtype=np.float32), rng.random((12, 1))
    >>> model = PlainCNN(layers_cm=[[0, 30]], filters=[4], hidden=[4], epochs=2).fit(X, y)
    >>> model.predict(X[:5]).shape, model.predict_block(X[0]).shape
    ((5, 1), (1, 1, 1))
    """

    def _train(self, scaled: np.ndarray, standard: np.ndarray, seed: int) -> Iterator[Mapping[str, np.ndarray]]:
        for depth in range(standard.shape[1]):
            known = ~np.isnan(standard[:, depth])
            yield self._train_network(
                self._build, scaled[known], standard[known, depth], _predicted, seed + int(self.depths_[depth])
            )

    def _build(self) -> PatchCNN:
        from geosoil.networks.patch_cnn import PatchCNN

        return PatchCNN(self.size_, self.n_channels_, self.filters, self.hidden, self.dropout)

    def _modules(self, member: int) -> list[Any]:
        return [self._loaded(self._build, member, depth) for depth in range(len(self.depths_))]

    def _run(self, modules: Sequence[Any], patches: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.stack([module(patches) for module in modules], dim=1)

    def _networks(self, modules: Sequence[Any]) -> list[Network]:
        from geosoil.networks.dense_patches import lower_network

        return [lower_network([*net.convolutions, *net.head.dense], net.head.output) for net in modules]


class MultiTaskCNN(PatchRegressor):
    """One network with a branch per depth after the flatten layer; missing depths do not contribute to the loss.

    See `PatchRegressor` for the parameters.
    """

    def _train(self, scaled: np.ndarray, standard: np.ndarray, seed: int) -> Iterator[Mapping[str, np.ndarray]]:
        yield self._train_network(self._build, scaled, standard, _predicted, seed)

    def _build(self) -> MTCNN:
        from geosoil.networks.patch_cnn import MTCNN

        return MTCNN(self.size_, self.n_channels_, self.filters, self.hidden, self.dropout, len(self.depths_))

    def _modules(self, member: int) -> list[Any]:
        return [self._loaded(self._build, member)]

    def _run(self, modules: Sequence[Any], patches: torch.Tensor) -> torch.Tensor:
        return modules[0](patches)

    def _networks(self, modules: Sequence[Any]) -> list[Network]:
        from geosoil.networks.dense_patches import lower_network

        (net,) = modules
        return [lower_network([*net.convolutions, *branch.dense], branch.output) for branch in net.branches]


class TransferCNN(PatchRegressor):
    """A network pre-trained on all depths together, then fine-tuned for each depth with its first layers frozen.

    In pre-training every known pair of profile and depth is a row, and a code gives the depth. Fine-tuning starts from
    these weights with a tenth of the learning rate. If all layers are frozen, the pre-trained network predicts all
    depths.

    Parameters
    ----------
    depth_code : {"middle", "one_hot"}
        "middle" is the middle of the layer in cm, divided by 200.
    code_enters : {"dense", "channel"}
        "dense" appends the code to the flattened features: the frozen convolutions are then the same for all depths,
        and a map computes them once. "channel" appends it to the covariates as constant channels: only the first
        convolution is then shared. The paper does not state where the depth enters.
    n_frozen : int
        Number of frozen layers, counted from the input (convolutions, dense layers, output). They keep their weights
        and the statistics of their batch norms. The paper recommends 2.
    fine_tuning_epochs : int
        Epochs of fine-tuning per depth.

    Notes
    -----
    The other parameters are those of `PatchRegressor`.
    """

    def __init__(
        self,
        *,
        layers_cm: Sequence[Sequence[float]] = STANDARD_LAYERS_CM,
        depth_code: str = "middle",
        code_enters: str = "dense",
        n_frozen: int = 2,
        fine_tuning_epochs: int = 50,
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
        super().__init__(
            layers_cm=layers_cm,
            filters=filters,
            hidden=hidden,
            dropout=dropout,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            patience=patience,
            augment=augment,
            n_members=n_members,
            random_state=random_state,
        )
        self.depth_code = depth_code
        self.code_enters = code_enters
        self.n_frozen = n_frozen
        self.fine_tuning_epochs = fine_tuning_epochs

    def _training_rows(self, X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._require(self.depth_code in {"middle", "one_hot"}, "depth_code", "'middle' or 'one_hot'")
        self._require(self.code_enters in {"dense", "channel"}, "code_enters", "'dense' or 'channel'")
        self._require(self.n_frozen >= 0, "n_frozen", "0 or more")
        return super()._training_rows(X, y)

    def _codes(self) -> np.ndarray:
        """Return the codes `(depth, code)` of the predicted depths as float32."""
        if self.depth_code == "one_hot":
            return np.eye(len(self.layers_cm), dtype=np.float32)[self.depths_]
        middle = np.mean(np.asarray(self.layers_cm, np.float32)[self.depths_], axis=1, keepdims=True)
        return middle / np.float32(_DEEPEST_CM)

    def _train(self, scaled: np.ndarray, standard: np.ndarray, seed: int) -> Iterator[Mapping[str, np.ndarray]]:
        import torch

        codes = torch.from_numpy(self._codes())

        def predict_all_depths(net: PatchCNN, patches: torch.Tensor, measured: torch.Tensor) -> tuple[Any, Any]:
            known = ~torch.isnan(measured)
            patch, depth = known.nonzero(as_tuple=True)
            return net(patches, codes[depth], patch), measured[known]

        pretrained = self._train_network(self._build, scaled, standard, predict_all_depths, seed)
        with torch.device("meta"):  # only the names are needed: allocates nothing and draws no random number
            layers = self._build().layers
        for depth in range(standard.shape[1]):
            if self.n_frozen >= len(layers):
                yield pretrained
                continue

            def predict_depth(net: PatchCNN, patches: torch.Tensor, measured: torch.Tensor, depth: int = depth) -> Any:
                return net(patches, codes[depth].expand(len(patches), -1)), measured

            known = ~np.isnan(standard[:, depth])
            yield self._train_network(
                self._build,
                scaled[known],
                standard[known, depth],
                predict_depth,
                seed + 1 + int(self.depths_[depth]),
                start=pretrained,
                frozen=layers[: self.n_frozen],
                epochs=self.fine_tuning_epochs,
                learning_rate=self.learning_rate * _FINE_TUNING_RATE,
            )

    def _build(self) -> PatchCNN:
        from geosoil.networks.patch_cnn import PatchCNN

        n_codes = len(self.layers_cm) if self.depth_code == "one_hot" else 1
        return PatchCNN(
            self.size_,
            self.n_channels_,
            self.filters,
            self.hidden,
            self.dropout,
            n_codes=n_codes,
            code_enters=self.code_enters,
        )

    def _modules(self, member: int) -> list[Any]:
        return [self._loaded(self._build, member, depth) for depth in range(len(self.depths_))]

    def _run(self, modules: Sequence[Any], patches: torch.Tensor) -> torch.Tensor:
        import torch

        codes = torch.from_numpy(self._codes())
        predicted = [net(patches, code.expand(len(patches), -1)) for net, code in zip(modules, codes, strict=True)]
        return torch.stack(predicted, dim=1)

    def _networks(self, modules: Sequence[Any]) -> list[Network]:
        from geosoil.networks.dense_patches import lower_network

        return [
            lower_network(
                [*net.convolutions, *net.head.dense],
                net.head.output,
                code,
                code_layer=0 if self.code_enters == "channel" else len(net.convolutions),
            )
            for net, code in zip(modules, self._codes(), strict=True)
        ]


def _predicted(net: Any, patches: torch.Tensor, measured: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return net(patches), measured
