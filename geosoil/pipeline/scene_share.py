"""How much of the cube that a recipe names lies within the area of applicability of its model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.mapping.job import prepare_map
from geosoil.mapping.match import match_bands
from geosoil.mapping.probe import probe_values
from geosoil.mapping.trusted import share_inside
from geosoil.models.contract import INSIDE
from geosoil.models.trusted import TrustedModel
from geosoil.pipeline.sources import cube, spectra

if TYPE_CHECKING:
    from geosoil.models.contract import Model
    from geosoil.models.trust import ModelTrust
    from geosoil.pipeline.recipe import LoadedRecipe

WINDOWS, SIDE = 8, 16  # along each axis of the cube, and pixels along each axis of a window
_CUBES = {"cube": cube.open_recipe_cube, "spectra": spectra.open_recipe_cube}


@dataclass(frozen=True)
class SceneShare:
    """The share of a scene that lies within the area of applicability of a model.

    Parameters
    ----------
    share : float
    n_pixels : int
        The number of pixels with a value that were tested.
    """

    share: float
    n_pixels: int

    @property
    def sentence(self) -> str:
        """The share in words, with the number of pixels that it comes from.

        >>> SceneShare(0.83, 16000).sentence
        '83 % of the scene lies within the area of applicability (16000 pixels, spread over the cube)'
        """
        return (
            f"{100 * self.share:.0f} % of the scene lies within the area of applicability ({self.n_pixels} pixels, "
            "spread over the cube)"
        )


def share_of_scene(loaded: LoadedRecipe, model: Model, trust: ModelTrust) -> SceneShare | None:
    """Return the share of the cube of a recipe that lies inside, from the pixels of 64 small windows.

    None for a recipe without a cube, a model without an area of applicability or of patches, and a cube without data.

    Parameters
    ----------
    loaded : LoadedRecipe
    model : Model
        The fitted model of the recipe.
    trust : ModelTrust
        Its trust state.

    Raises
    ------
    GeosoilError
        If the cube does not fit the model.
    """
    data = loaded.recipe.data
    raster = _CUBES[data.kind](loaded) if data.kind in _CUBES else None
    if raster is None or trust.applicability is None or model.halo:
        return None
    matched = match_bands(TrustedModel(model, trust), raster)
    job = prepare_map(matched.model, raster, bands=matched.bands, outputs=[INSIDE])
    shared = share_inside(job, probe_values(job.source, windows=WINDOWS, side=SIDE))
    return None if shared is None else SceneShare(*shared)
