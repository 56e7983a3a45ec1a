"""The settings of every regressor: the schemas of the recipe's tables `[model.NAME]`."""

from __future__ import annotations

from pydantic import Field

from geosoil.pipeline.part import Part


class PLS(Part):
    """Partial least squares regression; the number of components is chosen by cross-validation."""

    max_components: int = Field(15, ge=1)
    n_folds: int = Field(5, ge=2)
