"""The settings of every regressor: the schemas of the recipe's tables `[model.NAME]`.

The upper limits are far above what is useful; they keep a recipe from taking all memory or running for ever.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from geosoil.pipeline.part import Part

Width = Annotated[int, Field(ge=1, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Folds = Annotated[int, Field(ge=2, le=1000)]
Rate = Annotated[float, Field(gt=0, le=10)]
Trials = Annotated[int, Field(ge=1, le=100_000)]
Components = Annotated[int, Field(ge=1, le=1000)]


class PLS(Part):
    """Partial least squares regression; the number of components is chosen by cross-validation."""

    max_components: Components = Field(15, description="largest number of components that is tried")
    n_folds: Folds = Field(5, description="folds of the cross-validation inside the training rows")


class SVR(Part):
    """Support vector regression; C, gamma and epsilon are chosen by cross-validation."""

    search: Literal["random", "bayesian"] = Field("random", description="how settings are searched")
    n_candidates: Trials = Field(40, description="settings that are tried")
    n_folds: Folds = Field(5, description="folds of the cross-validation inside the training rows")


class Forest(Part):
    """Random forest."""

    n_trees: int = Field(500, ge=1, le=20_000, description="number of trees")
    max_features: float = Field(1 / 3, gt=0, le=1, description="share of the features that is tried at a split")
    min_leaf: int = Field(2, ge=1, le=1_000_000, description="smallest number of rows in a leaf")
    search: bool = Field(False, description="choose max_features and min_leaf by cross-validation")


class MLP(Part):
    """Dense network on standardised features."""

    hidden: list[Width] = Field([64, 32], min_length=1, max_length=20, description="width of every hidden layer")
    dropout: float = Field(0.2, ge=0, lt=1, description="share of the units that is dropped in training")
    epochs: Epochs = Field(500, description="largest number of epochs")
    patience: Epochs = Field(50, description="epochs without a smaller loss before training stops")
    learning_rate: Rate = Field(1e-3, description="step size of Adam")
    batch_size: int = Field(16, ge=1, le=65_536, description="rows of a batch")
    n_members: int = Field(3, ge=1, le=100, description="networks of different seeds whose mean is taken")


class TransferMLP(MLP):
    """Dense network that learns the auxiliary property first and is fine-tuned on the target."""

    freeze: list[str] | None = Field(None, description="layers that are kept; by default all but the last two")


class Cascade(Forest):
    """Forest of the auxiliary property, whose prediction is a feature of the target's forest."""


class PatchCNN(Part):
    """Network on patches; a key that is left out keeps the measured default of `geosoil.PlainCNN`."""

    filters: list[Width] | None = Field(None, min_length=2, max_length=20, description="filters of the convolutions")
    hidden: list[Width] | None = Field(None, min_length=1, max_length=20, description="width of every dense layer")
    dropout: float | None = Field(None, ge=0, lt=1, description="share of the units that is dropped in training")
    epochs: Epochs | None = Field(None, description="number of epochs")
    learning_rate: Rate | None = Field(None, description="step size of Adam")
    n_members: int | None = Field(None, ge=1, le=100, description="networks of different seeds whose mean is taken")
    augment: bool | None = Field(None, description="rotate and mirror patches; not if covariates have directions")


class TransferCNN(PatchCNN):
    """Network on patches that is trained on all depths and fine-tuned for each."""

    n_frozen: int = Field(2, ge=0, le=6, description="layers that are kept from the network of all depths")
    fine_tuning_epochs: Epochs | None = Field(None, description="number of epochs for each depth")


class ResNet(Part):
    """One-dimensional residual network on spectra (He et al. 2025)."""

    output: Literal["linear", "relu"] = Field("linear", description="output unit; relu, as published, can die")
    epochs: Epochs = Field(2000, description="largest number of epochs")
    patience: Epochs = Field(120, description="epochs without a smaller loss before training stops")
    batch_size: int = Field(16, ge=2, le=65_536, description="rows of a batch")
    learning_rate: Rate = Field(1e-3, description="step size of Adam")
    device: Literal["auto", "cpu", "cuda"] = Field("cpu", description="where the network is trained")


class TransferResNet(ResNet):
    """Residual network that learns the library's auxiliary property, and whose head is trained on the target."""

    test_share: float = Field(0.25, gt=0, lt=1, description="share of the library that tests the source network")
    fine_tuning_rate: Rate = Field(1e-4, description="step size of Adam on the target")
    freeze: list[str] | None = Field(None, description="layers that are kept; by default all but the dense head")


class RandomResNet(ResNet):
    """The control of transfer_resnet: the frozen layers keep the random weights that they began with."""

    test_share: float = Field(0.25, gt=0, lt=1, description="share of the library that is left out, as in the transfer")
    freeze: list[str] | None = Field(None, description="layers that are kept; by default all but the dense head")


class LibraryScores(Part):
    """The controls of transfer_resnet: ridge regression on linear scores that the library defines."""

    max_components: Components = Field(15, description="largest number of scores that is tried")
    test_share: float = Field(0.25, gt=0, lt=1, description="share of the library that is left out, as in the transfer")


class LibraryPLS(PLS):
    """Partial least squares regression on the library alone."""


class SpikedPLS(PLS):
    """Partial least squares regression on the library and weighted training rows."""

    weights: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        [1, 4, 16, 64], min_length=1, max_length=100, description="copies of a training row among the library's rows"
    )


class RSLocalPLS(SpikedPLS):
    """RS-LOCAL chooses rows of the library; PLSR learns from them and from weighted training rows."""

    k: int = Field(100, ge=5, le=1_000_000, description="rows of the library that remain")
    b: int = Field(40, ge=1, le=10_000, description="how often a row is tested in a pass")
    r: float = Field(0.05, gt=0, lt=1, description="share of the rows that a pass drops")
    n_components: Components = Field(10, description="components of the models that judge the rows")


class MemoryBased(Part):
    """Memory-based learning: a small model of the most similar rows for every prediction."""

    neighbours: list[Annotated[int, Field(ge=4, le=1_000_000)]] = Field(
        [50, 100, 200], min_length=1, max_length=100, description="numbers of neighbours that are tried"
    )
    max_components: Components = Field(15, description="largest number of components of a local model")


class BoostedTrees(Part):
    """Histogram gradient boosting on principal components of the library and the training rows."""

    n_trees: int = Field(200, ge=1, le=20_000, description="number of trees")
    learning_rate: Rate = Field(0.05, description="weight of a tree")
    min_leaf: int = Field(10, ge=1, le=1_000_000, description="smallest number of rows in a leaf")
    n_components: Components = Field(20, description="principal components that the trees see")


class SpectralCNN(Part):
    """One-dimensional convolutional network whose architecture is searched (Shen et al. 2022)."""

    n_trials: Trials = Field(20, description="architectures that are tried")
    minutes: float | None = Field(None, gt=0, description="no trial begins after this time")
    n_folds: Folds = Field(10, description="each fold gives a network; their mean predicts")
    final: Literal["folds", "refit"] = Field("folds", description="the mean of the folds' networks, or one of all rows")
    epochs: Epochs = Field(300, description="largest number of epochs")
    patience: Epochs = Field(30, description="epochs without a smaller error before training stops")
    max_parameters: int = Field(100_000, ge=1000, le=1_000_000_000, description="larger networks are not tried")


class LibraryCNN(SpectralCNN):
    """One-dimensional convolutional network of the library alone."""

    n_trials: Trials = Field(5, description="architectures that are tried")


class DTLI(SpectralCNN):
    """Transfer of instances: rows that RS-LOCAL chooses and the training rows train a network together."""

    k: int = Field(100, ge=5, le=1_000_000, description="rows of the library that remain")
    b: int = Field(40, ge=1, le=10_000, description="how often a row is tested in a pass")
    r: float = Field(0.05, gt=0, lt=1, description="share of the rows that a pass drops")
    n_components: Components = Field(10, description="components of the models that judge the rows")


class DTLR(LibraryCNN):
    """Transfer of representations: the library's network is fine-tuned on the training rows."""


class DTLIR(DTLI):
    """Both transfers: the library's network is fine-tuned on chosen rows and the training rows."""

    n_trials: Trials = Field(5, description="architectures that are tried for the library's network")


class Auto(Part):
    """The candidate with the smallest RMSE in cross-validation inside the training rows."""

    candidates: list[str] = Field(
        ["pls", "svr", "forest"], min_length=2, max_length=50, description="regressors to choose from"
    )
    n_folds: Folds = Field(5, description="folds of the cross-validation inside the training rows")
