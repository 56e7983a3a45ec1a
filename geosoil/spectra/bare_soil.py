"""Detection of bare soil by spectral indices, to exclude vegetation, residue and water from a map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.errors import RecipeError
from geosoil.raster.layout import nearest_bands

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from geosoil.raster.blocks import Block

RED_NM, NIR_NM, SWIR1_NM, SWIR2_NM = 665.0, 865.0, 1610.0, 2200.0
FARTHEST_NM = 30.0


@dataclass(frozen=True)
class BareSoil:
    """Bare soil by thresholds of two indices: NDVI for green plants and NBR2 for dry ones.

    NDVI = (NIR - red) / (NIR + red); NBR2 = (SWIR1 - SWIR2) / (SWIR1 + SWIR2), where cellulose and lignin absorb.
    Water, which both indices miss, is excluded by `reflectance_min`. The defaults retain soils: the 95th percentiles of
    391 dry and 100 wet Australian soils (spectrometer) are 0.21 and 0.26 (NDVI), and 0.27 and 0.35 (NBR2, which clay
    and moisture increase as residue does). On one dry scene an `nbr2_max` of 0.1 to 0.15 excludes more straw.

    Parameters
    ----------
    ndvi_max, nbr2_max : float
        Largest indices of bare soil, -1 to 1.
    reflectance_min : float
        Smallest reflectance in the near infrared, as a fraction.

    Raises
    ------
    RecipeError
        If a threshold is not between -1 and 1.

    References
    ----------
    Demattê et al. (2018), Remote Sensing of Environment 212, 161-175.
    """

    ndvi_max: float = 0.27
    nbr2_max: float = 0.3
    reflectance_min: float = 0.05

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not -1 <= value <= 1:
                raise RecipeError(
                    "bare soil",
                    found=f"{name} {value:g}",
                    expected="-1 to 1, the range of the indices",
                    way_out="correct it, or omit it",
                )

    def __str__(self) -> str:
        return (
            f"NDVI <= {self.ndvi_max:g}, NBR2 <= {self.nbr2_max:g}, "
            f"reflectance at {NIR_NM:.0f} nm >= {self.reflectance_min:g}"
        )

    def bands(self, cube: xr.DataArray) -> tuple[str, ...]:
        """Find the bands that the indices need.

        Parameters
        ----------
        cube : DataArray of shape (band, y, x)
            A cube with the coordinate `wavelength_nm`.

        Returns
        -------
        tuple of str
            The bands nearest to red, NIR, SWIR1 and SWIR2.

        Raises
        ------
        WavelengthError
            If the nearest band is more than 30 nm away.
        """
        positions = nearest_bands(
            cube,
            (RED_NM, NIR_NM, SWIR1_NM, SWIR2_NM),
            tolerance_nm=FARTHEST_NM,
            way_out="omit --bare-soil and give a --mask of bare soil",
        )
        return tuple(str(cube["band"].values[position]) for position in positions)

    def is_bare(self, block: Block) -> np.ndarray:
        """Return `(y, x)` bool for a block of reflectance (red, NIR, SWIR1, SWIR2); False where there is no data."""
        red, nir, swir1, swir2 = block
        # Products instead of quotients: the same comparison without a division by zero.
        green = nir - red > self.ndvi_max * (nir + red)
        residue = swir1 - swir2 > self.nbr2_max * (swir1 + swir2)
        return ~(green | residue) & (nir >= self.reflectance_min)
