"""What studies of covariate rasters share: their files, and how covariates are chosen."""

from __future__ import annotations

from glob import glob, has_magic
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from geosoil.errors import RecipeError
from geosoil.samples.covariates import CovariateSelection
from geosoil.studies.recipe import Part

if TYPE_CHECKING:
    from geosoil.studies.recipe import LoadedRecipe


class Selection(Part):
    """How covariates are chosen, inside the training rows."""

    method: Literal["screen", "none"] = "screen"
    least_r: float = Field(0.05, ge=0, lt=1, description="less correlated with the target: dropped")
    most_r: float = Field(0.8, gt=0, le=1, description="more correlated with a better one: dropped")
    batch: int = Field(10, ge=1, description="covariates added at a time, judged by cross-validated RMSE")

    def step(self, names: list[str], seed: int) -> CovariateSelection | None:
        """Return the step, yet to be fitted, that chooses among covariates of these names; None where all are taken."""
        if self.method == "none":
            return None
        return CovariateSelection(names, least_r=self.least_r, most_r=self.most_r, batch=self.batch, random_state=seed)


def covariate_paths(loaded: LoadedRecipe[Any]) -> list[str]:
    """Return the covariates' files, `*` spelt out; raises RecipeError where one stands for none."""
    paths: list[str] = []
    for pattern in loaded.recipe.data.covariates:
        path = loaded.path(pattern)
        found = sorted(glob(path)) if has_magic(path) else [path]  # noqa: PTH207 (a URL has no Path)
        if not found:
            raise RecipeError(
                path, found="no such file", expected="covariate rasters", way_out="mend data.covariates in the recipe"
            )
        paths += [name for name in found if name not in paths]
    return paths
