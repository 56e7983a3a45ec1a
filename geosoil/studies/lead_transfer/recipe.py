"""The schema of a recipe of lead by transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from geosoil.studies.recipe import LoadedRecipe, Part, StudyRecipe, TargetColumn
from geosoil.studies.recipe import read_recipe as read_any_recipe

if TYPE_CHECKING:
    from pathlib import Path


class Data(Part):
    """Where the samples and the library are, and whose bands the models read."""

    spectra: str = Field(description="of the samples; with the target among its columns where `samples` is left out")
    samples: str | None = Field(None, description="table of the samples with the target and their places")
    sample_id: str = "sample_id"
    x: str | None = Field(None, description="columns of a table without geometry, with its crs")
    y: str | None = None
    crs: str | None = None
    group: str | None = Field(None, description="column, of the samples or spectra, whose rows stay together (a site)")
    library: str = Field(description="spectra with the source property among their columns")
    library_id: str | None = Field(None, description="its column of ids; default sample_id or id")
    cube: str | None = Field(None, description="spectra are resampled to its bands, so that it can be mapped")
    bands: str | None = Field(None, description="CSV of such bands; or of a cube without wavelengths")
    on_missing: Literal["stop", "drop"] = "stop"


class Source(Part):
    """The property that the library knows: what the first net learns."""

    column: str = "ph"
    title: str = "pH"
    unit: str = ""
    test_share: float = Field(0.25, gt=0, lt=1, description="of the library, on which the source net is tested")


class Spectra(Part):
    """What models see: log10(1/R), or its standard normal variate."""

    snv: bool = False


class Network(Part):
    """All nets alike: source, direct, transferred and with random layers."""

    output: Literal["linear", "relu"] = Field("linear", description="relu as in the paper can die")
    epochs: int = Field(2000, ge=1)
    patience: int = Field(120, ge=1, description="epochs without a better loss on the stopping rows")
    batch: int = Field(16, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    fine_tuning_rate: float = Field(1e-4, gt=0, description="learning rate of a net that was taught before")
    freeze: list[str] | None = Field(None, description="layers; default all but the dense head")
    device: Literal["auto", "cpu", "cuda"] = "cpu"


class Search(Part):
    """What PLS and SVM choose by cross-validation."""

    max_components: int = Field(15, ge=1)
    svm_trials: int = Field(40, ge=1, description="of the Bayesian search of C, gamma and epsilon")
    n_folds: int = Field(5, ge=2)


class Model(Part):
    """Which model is trained and mapped."""

    kind: Literal["transfer", "resnet", "pls", "svm"] = "transfer"


class Validation(Part):
    """How honest figures are made."""

    split: Literal["random", "spatial", "groups"] = Field("random", description="of `geosoil train`")
    n_rounds: int = Field(10, ge=1, description="random splits")
    test_share: float = Field(0.25, gt=0, lt=1)
    n_labels: int | None = Field(None, ge=10, description="training rows whose target is known; default all")
    n_folds: int = Field(5, ge=2, description="of blocks or groups")
    block_m: float | None = Field(None, gt=0, description="side of a spatial block in metres")
    processes: int = Field(2, ge=1, description="splits at once")


class Recipe(StudyRecipe):
    """One model: library, samples, both properties, network and validation."""

    study: Literal["lead_transfer"]
    data: Data
    source: Source = Source()
    target: TargetColumn
    spectra: Spectra = Spectra()
    network: Network = Network()
    search: Search = Search()
    model: Model = Model()
    validation: Validation = Validation()

    @model_validator(mode="after")
    def _split_is_possible(self) -> Recipe:
        wanted = self.validation
        if wanted.split == "spatial" and (wanted.block_m is None or self.data.samples is None):
            msg = "spatial blocks need validation.block_m, and places by data.samples"
            raise ValueError(msg)
        if wanted.split == "groups" and self.data.group is None:
            msg = "a split by groups needs data.group"
            raise ValueError(msg)
        return self


def read_recipe(path: str | Path) -> LoadedRecipe[Recipe]:
    """Read and check a recipe of this study; raises RecipeError with the key that is wrong."""
    return read_any_recipe(path, Recipe)
