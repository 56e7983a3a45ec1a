"""The rows that a model learns from, whatever they were read from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    from pyproj import CRS

    from geosoil.models.card import CubeCard
    from geosoil.models.contract import Feature, Target
    from geosoil.pipeline.part import TargetProperty
    from geosoil.pipeline.places import PlaceColumns
    from geosoil.raster.grid import Grid


@dataclass(frozen=True, eq=False)
class Library:
    """Spectra of a library on the bands of the training rows.

    Parameters
    ----------
    ids : ndarray of str, shape (n_library,)
    X : ndarray of float32, shape (n_library, n_features)
        Reflectance as a fraction.
    y : ndarray, shape (n_library, n_targets), or None
        The targets in their units, NaN where unknown; None where the library does not have them.
    auxiliary : ndarray, shape (n_library,), or None
        The auxiliary property, NaN where unknown.
    sample_of_row : ndarray of int, shape (n_library,)
        The training row whose own spectrum a library row is, -1 for none. Such a row is never learned from while that
        sample is tested.
    in_country : ndarray of bool, shape (n_library,), or None
        Whether a row comes from the country of the site.
    """

    ids: np.ndarray
    X: np.ndarray
    y: np.ndarray | None
    auxiliary: np.ndarray | None
    sample_of_row: np.ndarray
    in_country: np.ndarray | None = None

    @property
    def holds_samples(self) -> bool:
        """Whether the library holds spectra of the training rows themselves."""
        return bool((self.sample_of_row >= 0).any())

    def rows_without(self, samples: np.ndarray) -> np.ndarray:
        """Return the indices of library rows that are not the spectrum of one of these samples."""
        return np.flatnonzero(~np.isin(self.sample_of_row, samples))


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Training rows in one order, whatever their source.

    Parameters
    ----------
    ids : ndarray of str, shape (n,)
    X : ndarray of float32, shape (n, n_features) or (n, n_features, side, side)
        Reflectance as a fraction, covariates in their units, or patches of covariates around each place.
    y : ndarray of float64, shape (n, n_targets)
        Targets in their units, NaN where unknown.
    features : tuple of Feature
        What the columns of X are, with their range in X (at the centre of patches).
    targets : tuple of TargetProperty
        One for each column of y; a property at several depths is several targets.
    quantity : {"reflectance", "covariates"}
    notes : list of str
        What was done to the input, for the report.
    sha256 : str
        Hash of the values that decide the model.
    layers_cm : tuple of (top, bottom), or None
        The depth layer of each target in cm, where targets are depths.
    xy : ndarray, shape (n, 2), or None
        Places in `crs`.
    groups, folds, zones : ndarray of str, shape (n,), or None
        Group (site), user's own fold and zone of each row.
    auxiliary : ndarray, shape (n,), or None
        The auxiliary property of the samples, NaN where unknown.
    standard_error : ndarray, shape (n, n_targets), or None
        Standard errors of the targets in their units, where the recipe names a column of them; 0 for other targets and
        for unknown values.
    laboratory : ndarray, shape (n, n_features), or None
        Laboratory spectra at the bands of X.
    neighbours : ndarray, shape (n, 4, n_features), or None
        The four pixels around each sample, NaN where there is none.
    library : Library or None
    grid : Grid or None
        Grid of the covariates.
    place : PlaceColumns or None
        The places as two columns more, where a candidate of the recipe has `features.place`.
    sensor : str
        The sensor of the cube, if the cube states it.
    cube : CubeCard or None
        The scale of a cube whose file does not state it.
    map_places : ndarray, shape (n_places, 2), or None
        Places in `crs` on a regular lattice that represent the map.
    table : DataFrame or None
        Further columns for the table of statistics.
    """

    ids: np.ndarray
    X: np.ndarray
    y: np.ndarray
    features: tuple[Feature, ...]
    targets: tuple[TargetProperty, ...]
    quantity: str
    notes: list[str]
    sha256: str
    layers_cm: tuple[tuple[float, float], ...] | None = None
    xy: np.ndarray | None = None
    crs: CRS | None = None
    groups: np.ndarray | None = None
    folds: np.ndarray | None = None
    zones: np.ndarray | None = None
    auxiliary: np.ndarray | None = None
    standard_error: np.ndarray | None = None
    laboratory: np.ndarray | None = None
    neighbours: np.ndarray | None = None
    library: Library | None = None
    grid: Grid | None = None
    place: PlaceColumns | None = None
    sensor: str = ""
    cube: CubeCard | None = None
    map_places: np.ndarray | None = None
    table: pd.DataFrame | None = None
    refused: list[str] = field(default_factory=list)  # targets without enough values, a sentence each

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    @property
    def wavelength_nm(self) -> np.ndarray:
        """Wavelengths of the features in nm, shape (n_features,); NaN for covariates."""
        return np.array([np.nan if f.wavelength_nm is None else f.wavelength_nm for f in self.features])

    @property
    def is_patched(self) -> bool:
        """Whether X holds patches."""
        return self.X.ndim == 4

    @property
    def centres(self) -> np.ndarray:
        """Return the values at the places themselves, shape (n, n_features): the centre of each patch."""
        middle = self.X.shape[-1] // 2
        return np.ascontiguousarray(self.X[:, :, middle, middle]) if self.is_patched else self.X

    @property
    def xy_m(self) -> np.ndarray | None:
        """Places in metres, shape (n, 2), or None where they are unknown.

        Feet become metres. Degrees, and coordinates of a projection that stretches distances there, such as Web
        Mercator, are projected around the middle of the rows.
        """
        return None if self.xy is None else self._in_metres(self.xy)

    @property
    def map_places_m(self) -> np.ndarray | None:
        """Places of the map in metres, projected as `xy_m`, or None where they are unknown."""
        return None if self.map_places is None or self.xy is None else self._in_metres(self.map_places)

    def _in_metres(self, places: np.ndarray) -> np.ndarray | None:
        from pyproj.exceptions import ProjError

        from geosoil.raster.place import crs_in_metres, in_metres, text_of_crs

        if self.crs is None or self.xy is None:
            return None
        given = text_of_crs(self.crs)
        try:
            target = text_of_crs(crs_in_metres((self.crs,), self.xy[:, 0], self.xy[:, 1], self.crs))
        except ProjError:  # the local CRS of a site has no place on the Earth, but a unit
            target = given
        if self.crs.is_geographic and target == given:
            return None
        return np.stack(in_metres(places[:, 0], places[:, 1], given, target), axis=1)

    @property
    def ground_unit(self) -> str:
        """Unit of `xy`; empty without a CRS."""
        from geosoil.raster.grid import crs_unit

        return "" if self.crs is None else crs_unit(self.crs)

    @property
    def map_targets(self) -> tuple[Target, ...]:
        """The bands of a model's map, named by the columns of the targets."""
        from geosoil.models.contract import Target

        return tuple(Target(target.column, target.unit, target.valid_range) for target in self.targets)

    def for_target(self, index: int) -> TrainingRows:
        """Return the same rows with one target only."""
        layers = None if self.layers_cm is None else (self.layers_cm[index],)
        library = self.library
        if library is not None and library.y is not None:
            library = replace(library, y=library.y[:, [index]])
        standard_error = None if self.standard_error is None else self.standard_error[:, [index]]
        return replace(
            self,
            y=self.y[:, [index]],
            targets=(self.targets[index],),
            layers_cm=layers,
            library=library,
            standard_error=standard_error,
        )
