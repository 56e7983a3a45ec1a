"""All models that a recipe can ask for: one table, and the settings of each, the recipe's tables `[model.NAME]`.

A plain regressor is a scikit-learn estimator class whose constructor takes the settings and `random_state`; it is
fitted behind the steps of the recipe's `[features]`. A method (a transfer, a localisation, a patch network) is a
function `fit(task, settings) -> Model` that makes its model itself.

The upper limits of settings are far above what is useful; they prevent a recipe from using all memory or running
without end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

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

    max_components: Components = Field(15, description="Largest number of components that is tried.")
    n_folds: Folds = Field(5, description="Number of folds of the cross-validation inside the training rows.")


class Ridge(Part):
    """Ridge regression; the penalty is chosen by leave-one-out cross-validation."""

    lowest_penalty: float = Field(1e-3, gt=0, le=1e12, description="Smallest penalty that is tried.")
    highest_penalty: float = Field(1e4, gt=0, le=1e12, description="Largest penalty that is tried.")
    n_penalties: int = Field(22, ge=2, le=1000, description="Number of penalties, evenly spaced in the logarithm.")


class SVR(Part):
    """Support vector regression; C, gamma and epsilon are chosen by cross-validation."""

    search: Literal["random", "bayesian"] = Field("random", description="How C, gamma and epsilon are searched.")
    n_candidates: Trials = Field(40, description="Number of combinations that are tried.")
    n_folds: Folds = Field(5, description="Number of folds of the cross-validation inside the training rows.")


class Forest(Part):
    """Random forest."""

    n_trees: int = Field(500, ge=1, le=20_000, description="Number of trees.")
    max_features: float = Field(1 / 3, gt=0, le=1, description="Share of the features that is tried at a split.")
    min_leaf: int = Field(2, ge=1, le=1_000_000, description="Smallest number of rows in a leaf.")
    search: bool = Field(False, description="Whether max_features and min_leaf are chosen by cross-validation.")


class BoostedTrees(Part):
    """Gradient boosting of regression trees."""

    n_trees: int = Field(200, ge=1, le=20_000, description="Number of trees.")
    learning_rate: Rate = Field(0.05, description="Weight of each tree.")
    min_leaf: int = Field(5, ge=1, le=1_000_000, description="Smallest number of rows in a leaf.")
    max_features: float = Field(1 / 3, gt=0, le=1, description="Share of the features that is tried at a split.")


class GaussianProcess(Part):
    """Gaussian process with kernels over spectra, their derivative, covariates and place."""

    log: Literal["none", "always", "evidence"] = Field(
        "evidence", description="Whether the logarithm of the target is modelled, or the marginal likelihood decides."
    )
    n_inducing: int | None = Field(
        None, ge=1, le=20_000, description="Number of inducing rows; by default 1000 for more than 5000 rows."
    )


class MLP(Part):
    """Dense neural network on standardised features."""

    hidden: list[Width] = Field([64, 32], min_length=1, max_length=20, description="Units of the hidden layers.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of the units that is dropped in training.")
    epochs: Epochs = Field(500, description="Largest number of epochs.")
    patience: Epochs = Field(50, description="Number of epochs without a smaller loss after which training stops.")
    learning_rate: Rate = Field(1e-3, description="Step size of Adam.")
    batch_size: int = Field(16, ge=1, le=65_536, description="Number of rows in a batch.")
    n_members: int = Field(3, ge=1, le=100, description="Number of networks with different seeds whose mean is taken.")


class TransferMLP(MLP):
    """Dense network that learns the auxiliary property first and is fine-tuned on the target."""

    freeze: list[str] | None = Field(
        None, description="Names of the layers that keep their weights; by default all but the last two."
    )


class Cascade(Forest):
    """Random forest of the auxiliary property, whose prediction is a feature of the forest of the target."""


class PatchCNN(Part):
    """One convolutional network on patches of covariates for each depth or target."""

    filters: list[Width] | None = Field(
        None, min_length=2, max_length=20, description="Numbers of filters of the convolutions."
    )
    hidden: list[Width] | None = Field(None, min_length=1, max_length=20, description="Units of the dense layers.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Share of the units that is dropped in training.")
    epochs: Epochs | None = Field(None, description="Number of epochs.")
    learning_rate: Rate | None = Field(None, description="Step size of Adam.")
    n_members: int | None = Field(None, ge=1, le=100, description="Number of networks (seeds) whose mean is taken.")
    augment: bool | None = Field(
        None,
        description="Whether patches are rotated and mirrored; not for covariates with a direction, such as aspect.",
    )


class MultiTaskCNN(PatchCNN):
    """One convolutional network on patches of covariates with a branch for each depth or target."""


class TransferCNN(PatchCNN):
    """Convolutional network on patches that is trained on all depths and fine-tuned for each."""

    n_frozen: int = Field(
        2,
        ge=0,
        le=6,
        description="Number of layers, from the input, that keep the weights of the network of all depths.",
    )
    fine_tuning_epochs: Epochs | None = Field(None, description="Number of epochs of the fine-tuning for each depth.")


class ResNet(Part):
    """One-dimensional residual network on spectra (He et al. 2025)."""

    output: Literal["linear", "relu"] = Field(
        "linear", description="Activation of the output; relu, as published, can remain zero for all samples."
    )
    epochs: Epochs = Field(2000, description="Largest number of epochs.")
    patience: Epochs = Field(120, description="Number of epochs without a smaller loss after which training stops.")
    batch_size: int = Field(16, ge=2, le=65_536, description="Number of rows in a batch.")
    learning_rate: Rate = Field(1e-3, description="Step size of Adam.")
    device: Literal["auto", "cpu", "cuda"] = Field("cpu", description="Device on which the network is trained.")


class TransferResNet(ResNet):
    """Residual network that learns the auxiliary property from the library; its dense layers then learn the target."""

    test_share: float = Field(0.25, gt=0, lt=1, description="Share of the library that tests the source network.")
    fine_tuning_rate: Rate = Field(1e-4, description="Step size of Adam in the fine-tuning on the target.")
    freeze: list[str] | None = Field(
        None, description="Names of the layers that keep their weights; by default all but the dense ones."
    )


class RandomResNet(ResNet):
    """Control of transfer_resnet: the frozen layers keep their random initial weights."""

    test_share: float = Field(
        0.25, gt=0, lt=1, description="Share of the library that is left out, as in the transfer."
    )
    freeze: list[str] | None = Field(
        None, description="Names of the layers that keep their weights; by default all but the dense ones."
    )


class LibraryScores(Part):
    """Control of transfer_resnet: ridge regression on PLS or PCA scores that the library defines."""

    max_components: Components = Field(15, description="Largest number of scores that is tried.")
    test_share: float = Field(
        0.25, gt=0, lt=1, description="Share of the library that is left out, as in the transfer."
    )


class LibraryPLS(PLS):
    """Partial least squares regression on the library alone."""


class SpikedPLS(PLS):
    """Partial least squares regression on the library and weighted training rows."""

    weights: list[Annotated[int, Field(ge=1, le=100_000)]] = Field(
        [1, 4, 16, 64],
        min_length=1,
        max_length=100,
        description="Numbers of copies of each training row among the rows of the library; the models are averaged.",
    )


class RSLocalPLS(SpikedPLS):
    """PLSR on rows of the library that RS-LOCAL chooses and on weighted training rows."""

    k: int = Field(100, ge=5, le=1_000_000, description="Number of rows of the library that remain.")
    b: int = Field(40, ge=1, le=10_000, description="How often each row is tested in a pass.")
    r: float = Field(0.05, gt=0, lt=1, description="Share of the rows that a pass drops.")
    n_components: Components = Field(10, description="Number of components of the PLS models that evaluate the rows.")


class MemoryBased(Part):
    """Memory-based learning: every row is predicted by a local model of the most similar rows."""

    neighbours: list[Annotated[int, Field(ge=4, le=1_000_000)]] = Field(
        [50, 100, 200], min_length=1, max_length=100, description="Numbers of neighbours that are tried."
    )
    max_components: Components = Field(15, description="Largest number of components of a local model.")


class SpikedBoostedTrees(Part):
    """Histogram gradient boosting on principal components of the library and the training rows."""

    n_trees: int = Field(200, ge=1, le=20_000, description="Number of trees.")
    learning_rate: Rate = Field(0.05, description="Weight of each tree.")
    min_leaf: int = Field(10, ge=1, le=1_000_000, description="Smallest number of rows in a leaf.")
    n_components: Components = Field(
        20, description="Number of principal components that are the features of the trees."
    )


class SpectralCNN(Part):
    """One-dimensional convolutional network whose architecture is searched (Shen et al. 2022)."""

    n_trials: Trials = Field(20, description="Number of architectures that are tried.")
    minutes: float | None = Field(
        None, gt=0, description="Time in minutes after which no further architecture is tried; by default no limit."
    )
    n_folds: Folds = Field(10, description="Number of folds inside the training rows, each of which gives a network.")
    final: Literal["folds", "refit"] = Field(
        "folds",
        description="Final model: the mean of the networks of the folds, or one network that is refitted to all rows.",
    )
    epochs: Epochs = Field(300, description="Largest number of epochs.")
    patience: Epochs = Field(30, description="Number of epochs without a smaller error after which training stops.")
    max_parameters: int = Field(100_000, ge=1000, le=10**9, description="Largest number of weights of a network.")


class LibraryCNN(SpectralCNN):
    """One-dimensional convolutional network of the library alone."""

    n_trials: Trials = Field(5, description="Number of architectures that are tried.")


class DTLI(SpectralCNN):
    """Transfer of instances: a network is trained on rows that RS-LOCAL chooses and on the training rows."""

    k: int = Field(100, ge=5, le=1_000_000, description="Number of rows of the library that remain.")
    b: int = Field(40, ge=1, le=10_000, description="How often each row is tested in a pass.")
    r: float = Field(0.05, gt=0, lt=1, description="Share of the rows that a pass drops.")
    n_components: Components = Field(10, description="Number of components of the PLS models that evaluate the rows.")


class DTLR(LibraryCNN):
    """Transfer of representations: the network of the library is fine-tuned on the training rows."""


class DTLIR(DTLI):
    """Both transfers: the network of the library is fine-tuned on rows of RS-LOCAL and on the training rows."""

    n_trials: Trials = Field(5, description="Number of architectures that are tried for the network of the library.")


class Auto(Part):
    """Weighted mean of the candidates that predict unseen training rows well, without those that add nothing."""

    candidates: list[str] | None = Field(
        None,
        min_length=2,
        max_length=50,
        description="Names of the regressors to choose from, the most promising first: fewer than 40 rows try three. "
        "By default gp, forest and svr for spectra, and gp, forest and boosted_trees for other features.",
    )
    n_folds: Folds = Field(5, description="Number of inner folds, for candidates without predictions of unseen rows.")
    minutes: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="Time in minutes that all fits of a run of `geosoil train` or `geosoil compare` may take together; "
        "candidates for which no time is left are left out. By default no limit.",
    )

    def candidates_for(self, *, spectral: bool) -> list[str]:
        """Return the names of the candidates of rows of spectra or of other features."""
        return self.candidates or ["gp", "forest", "svr" if spectral else "boosted_trees"]


ALL_FEATURES = frozenset({"preprocessing", "laboratory", "fusion", "cars", "screen", "place"})
_LIBRARY = frozenset({"library", "library_target"})
_SOURCE = frozenset({"library", "auxiliary"})
_COUNTRY = _LIBRARY | {"country"}
_AUXILIARY = frozenset({"auxiliary"})
_PATCHES = frozenset({"patches"})
_SELECTED = ("preprocessing", "cars", "screen")
_HERE = "geosoil.pipeline.regressors"


@dataclass(frozen=True)
class Regressor:
    """One entry of `REGRESSORS`.

    Parameters
    ----------
    title : str
        Name in tables and reports.
    settings : type of Part
        Schema of the recipe's table `[model.NAME]`.
    estimator : str
        `module:Class` of a plain regressor, or "".
    fit : str
        `module:function` of a method, or "".
    scaled : bool
        Whether a plain regressor sees standardised features.
    scaled_with_place : bool
        Whether a plain regressor sees standardised features where place, in metres, is one of them.
    needs : frozenset of str
        What the rows must have: "library", "library_target", "auxiliary" (in the library if any), "patches", "country".
    multi_target : bool
        Whether all targets are fitted by one model (depth networks); other regressors are fitted once per target.
    uses_standard_errors : bool
        Whether it relies less on values with a large standard error, which `target.standard_error` names.
    uses : frozenset of str
        Which parts of the section `[features]` the regressor can use, of `ALL_FEATURES`.
    """

    title: str
    settings: type[Part]
    estimator: str = ""
    fit: str = ""
    scaled: bool = False
    scaled_with_place: bool = False
    needs: frozenset[str] = frozenset()
    multi_target: bool = False
    uses_standard_errors: bool = False
    uses: frozenset[str] = ALL_FEATURES


def _method(title: str, settings: type[Part], place: str, needs: frozenset[str], *uses: str, **more: Any) -> Regressor:
    return Regressor(title, settings, fit=f"{_HERE}.{place}", needs=needs, uses=frozenset(uses), **more)


def _localised(title: str, settings: type[Part], place: str, needs: frozenset[str] = _LIBRARY) -> Regressor:
    return _method(title, settings, place, needs, "preprocessing")


REGRESSORS: dict[str, Regressor] = {
    "pls": Regressor("PLSR", PLS, estimator="geosoil.estimators.pls:PartialLeastSquares", scaled_with_place=True),
    "ridge": Regressor("Ridge", Ridge, estimator="geosoil.estimators.ridge:Ridge", scaled=True),
    "svr": Regressor("SVR", SVR, estimator="geosoil.estimators.support_vectors:SupportVectors", scaled=True),
    "forest": Regressor("Forest", Forest, estimator="geosoil.estimators.forest:Forest"),
    "boosted_trees": Regressor(
        "Boosted trees", BoostedTrees, estimator="geosoil.estimators.boosted_trees:BoostedTrees"
    ),
    "gp": Regressor(
        "Gaussian process", GaussianProcess, fit=f"{_HERE}.gaussian_process:fit", uses_standard_errors=True
    ),
    "mlp": Regressor("MLP", MLP, estimator="geosoil.estimators.dense_net:DenseNet", scaled=True),
    "resnet": Regressor(
        "ResNet", ResNet, estimator="geosoil.estimators.resnet:ResNet1D", uses=ALL_FEATURES - {"place"}
    ),
    "cnn": _method("CNN", PatchCNN, "depth:fit", _PATCHES, "screen", multi_target=True),
    "multitask_cnn": _method("Multi-task CNN", MultiTaskCNN, "depth:fit", _PATCHES, "screen", multi_target=True),
    "transfer_cnn": _method("Transfer CNN", TransferCNN, "depth:fit", _PATCHES, "screen", multi_target=True),
    "transfer_mlp": _method("Transfer MLP", TransferMLP, "property_transfer:fit_transfer_mlp", _AUXILIARY, *_SELECTED),
    "cascade": _method("Cascade", Cascade, "property_transfer:fit_cascade_of_forests", _AUXILIARY, *_SELECTED),
    "transfer_resnet": _method(
        "Transfer ResNet", TransferResNet, "spectral_transfer:fit_transfer", _SOURCE, "preprocessing"
    ),
    "random_resnet": _method(
        "ResNet, random layers", RandomResNet, "spectral_transfer:fit_random", _SOURCE, "preprocessing"
    ),
    "source_pls_scores": _method(
        "PLS scores of the library", LibraryScores, "spectral_transfer:fit_scores", _SOURCE, "preprocessing"
    ),
    "library_pca_scores": _method(
        "PCA scores of the library", LibraryScores, "spectral_transfer:fit_scores", _SOURCE, "preprocessing"
    ),
    "library_pls": _localised("Library PLSR", LibraryPLS, "localised:fit_library_pls"),
    "spiked_pls": _localised("Spiked PLSR", SpikedPLS, "localised:fit_spiked_pls"),
    "mbl": _localised("MBL", MemoryBased, "localised:fit_memory_based"),
    "spiked_boosted_trees": _localised(
        "Spiked boosted trees", SpikedBoostedTrees, "localised:fit_spiked_boosted_trees"
    ),
    "rs_local_pls": _localised("RS-LOCAL + PLSR", RSLocalPLS, "localised:fit_rs_local_pls"),
    "rs_local_pls_ln": _localised("RS-LOCAL + PLSR, ln", RSLocalPLS, "localised:fit_rs_local_pls"),
    "spectral_cnn": _method("1D-CNN", SpectralCNN, "localised_cnn:fit_samples", frozenset(), "preprocessing"),
    "library_cnn": _localised("Library CNN", LibraryCNN, "localised_cnn:fit_library"),
    "dtl_i": _localised("DTL-I, library", DTLI, "localised_cnn:fit_instances"),
    "dtl_r": _localised("DTL-R, library", DTLR, "localised_cnn:fit_representations"),
    "dtl_ir": _localised("DTL-IR, library", DTLIR, "localised_cnn:fit_representations"),
    "country_cnn": _localised("Country CNN", LibraryCNN, "localised_cnn:fit_library", _COUNTRY),
    "dtl_i_country": _localised("DTL-I, country", DTLI, "localised_cnn:fit_instances", _COUNTRY),
    "dtl_r_country": _localised("DTL-R, country", DTLR, "localised_cnn:fit_representations", _COUNTRY),
    "dtl_ir_country": _localised("DTL-IR, country", DTLIR, "localised_cnn:fit_representations", _COUNTRY),
    "auto": _method("Automatic choice", Auto, "auto:fit", frozenset(), *ALL_FEATURES),
}
"""The regressors that `model.kind` and `model.compare` can name."""
