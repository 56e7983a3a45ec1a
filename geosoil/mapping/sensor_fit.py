"""Which sensors measure what a model reads, by the wavelengths and widths of their nominal bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import WavelengthError
from geosoil.mapping.match import interpolation_matrix, nearest_bands, unlike_widths
from geosoil.models.contract import of_rasters
from geosoil.sensors.nominal import NOMINAL_SOURCES, nominal_bands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Feature


def mappable_sensors(features: Sequence[Feature]) -> dict[str, bool]:
    """Return the sensors whose bands fit the features of a model.

    A sensor fits if `geosoil map` would use its bands as they are, or interpolate them, and if no band is more than
    twice as wide as the feature, nor less than half as wide as a feature of over 25 nm. A feature without width is
    taken for one of 12.5 nm.

    Parameters
    ----------
    features : sequence of Feature
        What the model reads.

    Returns
    -------
    dict of str to bool
        For each sensor that fits, whether its bands are those of the model; otherwise they are interpolated.

    Examples
    --------
    >>> from geosoil.models.contract import Feature
    >>> mappable_sensors([Feature("red", 655.0, 37.0), Feature("infrared", 865.0, 28.0)])
    {'LANDSAT_OLI': True, 'WYVERN': True}
    """
    spectral = of_rasters(features)
    if not spectral or any(feature.wavelength_nm is None for feature in spectral):
        return {}
    fitting = {}
    for name in sorted(NOMINAL_SOURCES):
        bands = nominal_bands(name)
        nearest = nearest_bands(spectral, bands.centre_nm)
        if nearest is not None:
            if not unlike_widths(spectral, bands.fwhm_nm[nearest]).any():
                fitting[name] = True
            continue
        centre_nm, first = np.unique(bands.centre_nm, return_index=True)
        try:
            weights = interpolation_matrix(spectral, centre_nm, where=name, what="cube")
        except WavelengthError:
            continue
        if not unlike_widths(spectral, weights @ bands.fwhm_nm[first]).any():
            fitting[name] = False
    return fitting
