"""The schema of a recipe of library localisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from geosoil.studies.recipe import LoadedRecipe, Part, StudyRecipe, TargetColumn
from geosoil.studies.recipe import read_recipe as read_any_recipe

if TYPE_CHECKING:
    from pathlib import Path


class Data(Part):
    """Where the library and the site are: tables of spectra, with the target's column in both."""

    library: str
    site: str
    id_column: str | None = Field(None, description="of both tables; default sample_id or id")
    country: str | None = Field(None, description="the site's own, as the library's column names it; none: global only")
    country_column: str = "country"
    x: str | None = Field(None, description="columns of the site's places, with their crs, for the point map")
    y: str | None = None
    crs: str | None = None

    @model_validator(mode="after")
    def _whole_place(self) -> Data:
        if len({self.x is None, self.y is None, self.crs is None}) > 1:
            msg = "give x, y and crs together, or none of them"
            raise ValueError(msg)
        return self


class Local(Part):
    """The n samples of the site that models may learn from; all others test."""

    n: int = Field(30, ge=5)
    choose: Literal["kennard_stone", "random"] = "kennard_stone"
    n_components: float | None = Field(None, gt=0, description="distances on principal components; default: on spectra")
    mahalanobis: bool = Field(False, description="components scaled to unit variance")


class RSLocal(Part):
    """How rows of the library are chosen."""

    k: int = Field(100, ge=5, description="rows that are left")
    b: int = Field(40, ge=1, description="how often a row is tested in a pass")
    r: float = Field(0.05, gt=0, lt=1, description="share of the rows that a pass drops")
    n_components: int = Field(10, ge=1)


class Regression(Part):
    """PLSR with and without the library, memory-based learning and trees."""

    max_components: int = Field(15, ge=1)
    weights: list[int] = Field(
        [1, 4, 16, 64], min_length=1, description="copies of a local row among the library's, averaged over"
    )
    neighbours: list[int] = Field([50, 100, 200], min_length=1, description="of memory-based learning")


class Network(Part):
    """The search for a 1D-CNN; the paper's took 20 hours of a GPU a site, these defaults some minutes of a CPU."""

    n_trials: int = Field(20, ge=1, description="architectures tried for a net of the site (local, DTL-I)")
    n_library_trials: int = Field(5, ge=1, description="architectures tried for the nets of library and country")
    minutes: float | None = Field(None, gt=0, description="no new trial of a search after them")
    n_folds: int = Field(10, ge=2, description="each gives a net; their mean predicts")
    final: Literal["folds", "refit"] = "folds"
    epochs: int = Field(300, ge=1)
    patience: int = Field(30, ge=1)
    max_parameters: int = Field(100_000, ge=1000)


class Model(Part):
    """Which model is trained and saved; auto: of RS-LOCAL + PLSR of y, of ln(y), and DTL-I, which cross-validates best.

    The model of ln(y) needs positive contents, and is left out where target.log takes the logarithm of everything.
    """

    kind: Literal[
        "auto",
        "rs_local_plsr",
        "rs_local_plsr_ln",
        "dtl_i",
        "local_plsr",
        "library_plsr",
        "spiked_plsr",
        "local_cnn",
        "dtl_r",
        "dtl_ir",
    ] = "auto"


class Validation(Part):
    """How honest figures are made: always on the site's rows that nothing saw."""

    n_repeats: int = Field(5, ge=0, description="random choices of the n, beside Kennard-Stone's")
    n_folds: int = Field(5, ge=2, description="of every choice made inside the n rows")
    processes: int = Field(2, ge=1, description="choices of the n at once")


class Recipe(StudyRecipe):
    """One model: library, site, property, and how much search it is worth."""

    study: Literal["library_localisation"]
    data: Data
    target: TargetColumn
    local: Local = Local()
    rs_local: RSLocal = RSLocal()
    regression: Regression = Regression()
    network: Network = Network()
    model: Model = Model()
    validation: Validation = Validation()


def read_recipe(path: str | Path) -> LoadedRecipe[Recipe]:
    """Read and check a recipe of this study; raises RecipeError with the key that is wrong."""
    return read_any_recipe(path, Recipe)
