"""Windows of wavelengths, or single covariates, over which attributions are summed.

A network that first averages ten bands has the same gradient for all ten: the window is its resolution, and a peak at a
single wavelength inside it would have no meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.state import regressor_of, unwrapped

if TYPE_CHECKING:
    from geosoil.models.contract import Feature

# Spectral regions for maps, and their upper ends in nm, as usual in soil spectroscopy.
REGION_ENDS_NM = {
    "ultraviolet": 400.0,
    "visible": 700.0,
    "near infrared": 1000.0,
    "shortwave infrared 1": 1800.0,
    "shortwave infrared 2": 2600.0,
    "mid-infrared": np.inf,
}
SAMPLED_GROUPS = 30  # for the permutation method, whose cost grows with the number of groups


@dataclass(frozen=True)
class Windows:
    """Groups of features.

    Parameters
    ----------
    group : ndarray of int of shape (feature,)
        Group of each feature.
    names : tuple of str
        Name of each group.
    low_nm, high_nm : ndarray of shape (group,)
        Range of each group in nm; NaN for covariates.
    note : str
        Description for a report.
    """

    group: np.ndarray
    names: tuple[str, ...]
    low_nm: np.ndarray
    high_nm: np.ndarray
    note: str

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sums `(sample, group)` of values `(sample, feature)`.

        >>> from geosoil.models.contract import Feature
        >>> windows = windows_of([Feature("a", 400.0), Feature("b", 410.0), Feature("c", 420.0)], np.array([0, 0, 1]))
        >>> windows.sum(np.array([[1.0, 2.0, 3.0]])).tolist(), windows.names
        ([[3.0, 3.0]], ('400-410 nm', '420 nm'))
        """
        total = np.zeros((len(values), len(self.names)))
        np.add.at(total.T, self.group, np.asarray(values, np.float64).T)
        return total

    @property
    def is_spectral(self) -> bool:
        """Whether all groups are ranges of wavelengths."""
        return bool(np.isfinite(self.low_nm).all())


def windows_of(features: Any, group: np.ndarray, note: str = "") -> Windows:
    """Return the windows of groups `(feature,)` numbered from 0 without gaps, named by their range in nm."""
    nm = np.array([np.nan if f.wavelength_nm is None else f.wavelength_nm for f in features])
    names, low, high = [], [], []
    for number in range(int(group.max()) + 1):
        members = np.flatnonzero(group == number)
        spectral = bool(np.isfinite(nm[members]).all())
        low.append(nm[members].min() if spectral else np.nan)
        high.append(nm[members].max() if spectral else np.nan)
        if spectral:
            names.append(f"{low[-1]:g} nm" if low[-1] == high[-1] else f"{low[-1]:g}-{high[-1]:g} nm")
        else:
            names.append(" + ".join(str(features[i].name) for i in members))
    return Windows(group, tuple(names), np.array(low), np.array(high), note)


def model_windows(estimator: Any, features: tuple[Feature, ...], *, sampled: bool = False) -> Windows:
    """Return the windows at which the attributions of a model can be interpreted.

    Parameters
    ----------
    estimator : estimator
        A network that averages bands has its pooling windows, also after a step that resamples spectra.
    features : tuple of Feature
        Features of the model; other models have single features as windows.
    sampled : bool
        For the permutation method: at most 30 windows of neighbouring bands.

    Returns
    -------
    Windows
        The windows.

    Examples
    --------
    >>> from geosoil.models.contract import Feature
    >>> bands = tuple(Feature(f"b{i}", 400.0 + i) for i in range(60))
    >>> model_windows(None, bands, sampled=True).names[:2]
    ('400-401 nm', '402-403 nm')
    """
    n = len(features)
    nm = [feature.wavelength_nm for feature in features]
    pool = int(getattr(regressor_of(estimator), "pool_bands_", 1))
    if pool > 1 and None not in nm:
        net_nm = _bands_of_net(estimator, np.array(nm, np.float64))
        if net_nm is not None:
            # A band belongs to the window of the nearest band of the network.
            nearest = np.abs(np.array(nm, np.float64)[:, None] - net_nm).argmin(axis=1) // pool
            group = np.unique(nearest, return_inverse=True)[1]
            return windows_of(features, group, f"windows of {pool} bands that the network averages")
    if sampled and n > SAMPLED_GROUPS:
        is_place = np.array([feature.place is not None for feature in features])
        n_bands = int((~is_place).sum())
        group = np.full(n, min(n_bands, SAMPLED_GROUPS))  # x and y of a place are one window, the last
        group[~is_place] = np.arange(n_bands) * SAMPLED_GROUPS // n_bands
        return windows_of(features, group, f"{SAMPLED_GROUPS} windows of neighbouring bands")
    return windows_of(features, np.arange(n), "single features")


def region_windows(features: tuple[Feature, ...]) -> Windows:
    """Return one window per spectral region (visible, near infrared, ...) that has bands, or per covariate.

    The columns of the classes of a covariate (`landform=1`, `landform=7`) form one window, and so do x and y of a place
    beside bands.

    >>> from geosoil.models.contract import Feature
    >>> region_windows((Feature("a", 500.0), Feature("b", 2200.0), Feature("c", 2300.0))).names
    ('visible', 'shortwave infrared 2')
    """
    is_place = np.array([feature.place is not None for feature in features])
    nm = np.array([np.nan if feature.wavelength_nm is None else feature.wavelength_nm for feature in features])
    if np.isnan(nm[~is_place]).any() or is_place.all():
        return _covariate_windows(features)
    names = [*REGION_ENDS_NM, "place"]
    region = np.where(is_place, len(REGION_ENDS_NM), np.searchsorted(list(REGION_ENDS_NM.values()), nm, side="right"))
    present, group = np.unique(region, return_inverse=True)
    windows = windows_of(features, group)
    return Windows(group, tuple(names[i] for i in present), windows.low_nm, windows.high_nm, "spectral regions")


def _covariate_windows(features: tuple[Feature, ...]) -> Windows:
    parts = [feature.name.rpartition("=") for feature in features]
    names = [band if band and code.lstrip("-").isdigit() else whole for (band, _, code), whole in
             zip(parts, (feature.name for feature in features), strict=True)]  # fmt: skip
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    group = np.array([number[name] for name in names])
    windows = windows_of(features, group)
    return Windows(
        group, tuple(number), windows.low_nm, windows.high_nm, "single covariates, with the classes of a band together"
    )


def _bands_of_net(estimator: Any, nm: np.ndarray) -> np.ndarray | None:
    """Return the wavelengths of the bands that reach the network, or None if they are unknown."""
    for _, step in getattr(unwrapped(estimator), "steps", [])[:-1]:
        if hasattr(step, "to_wavelength_nm"):
            nm = np.asarray(step.to_wavelength_nm, np.float64)
    return nm if len(nm) == regressor_of(estimator).n_features_in_ else None
