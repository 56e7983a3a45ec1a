"""The places of training rows as two columns that a model learns from, in metres from an origin amid the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import list_ids
from geosoil.models.contract import place_features, with_training_range
from geosoil.raster.place import crs_in_metres, describe_crs, relative_places, text_of_crs
from geosoil.samples.nearest_distances import sample_distances

if TYPE_CHECKING:
    import geopandas as gpd

    from geosoil.models.contract import Feature
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.raster.place import Place


@dataclass(frozen=True, eq=False)
class PlaceColumns:
    """The columns of the places of rows.

    Parameters
    ----------
    X : ndarray of float32, shape (n, 2)
        x and y in metres from the origin.
    features : tuple of Feature
        The two features, with CRS, origin and range.
    apart_m : float
        The largest distance of a sample to its nearest neighbour.
    notes : tuple of str
        What was done, and what the user should know.
    """

    X: np.ndarray
    features: tuple[Feature, ...]
    apart_m: float
    notes: tuple[str, ...]


def place_columns(rows: TrainingRows, points: gpd.GeoSeries | None, *, where: str) -> PlaceColumns:
    """Return the places of rows as columns for a model.

    The CRS is that of the samples if its coordinates are metres, or a unit of them; else that of the rasters on which
    the samples lie; else a projection around the samples.

    Parameters
    ----------
    rows : TrainingRows
    points : GeoSeries or None
        The samples with their CRS, in the order of the rows.
    where : str
        The table, for messages.

    Raises
    ------
    SamplesError
        If the samples have no coordinates, or a feature has the name of a place.
    """
    if points is None or points.crs is None:
        raise SamplesError(
            where,
            found="samples without coordinates",
            expected="a place for each sample, because features.place = true",
            way_out="name the columns by data.x, data.y and data.crs, or remove features.place",
        )
    x, y = points.x.to_numpy(np.float64), points.y.to_numpy(np.float64)
    given = text_of_crs(points.crs)
    crs = crs_in_metres((points.crs, rows.crs), x, y, points.crs)
    places = _places(crs, (0.0, 0.0))
    far = relative_places(places, x, y, given)  # float32 is enough to choose an origin
    origin = [float(np.round((values.min() + values.max()) / 2)) for values in far.astype(np.float64)]
    features = place_features(text_of_crs(crs), (origin[0], origin[1]))
    taken = {feature.name for feature in rows.features} & {feature.name for feature in features}
    if taken:
        raise SamplesError(
            where,
            found=f"a feature named {min(taken)}, as features.place = true adds",
            expected="another name",
            way_out="rename it, or remove features.place",
        )
    X = np.ascontiguousarray(relative_places(_places(crs, (origin[0], origin[1])), x, y, given).T)
    name = describe_crs(text_of_crs(crs))
    notes = []
    if text_of_crs(crs) != given:
        unit = "degrees" if points.crs.is_geographic else "no metres there"
        notes.append(f"places of the samples, in {describe_crs(given)} ({unit}), are projected to {name}")
    span, different = np.ptp(X, axis=0), np.unique(X, axis=0)
    if len(different) < 2:
        raise SamplesError(
            where, found="all samples at one place", expected="places that differ", way_out="remove features.place"
        )
    apart = float(sample_distances(different).max())
    notes.append(
        f"place is a feature: metres in {name} from x {origin[0]:.0f}, y {origin[1]:.0f}; the samples span "
        f"{span[0]:.0f} x {span[1]:.0f} m, and their nearest neighbours are up to {apart:.0f} m apart"
    )
    return PlaceColumns(X, with_training_range(features, X), apart, (*notes, *_repeated(rows, X)))


def _places(crs: Any, origin_m: tuple[float, float]) -> list[Place]:
    features = place_features(text_of_crs(crs), origin_m)
    return [feature.place for feature in features if feature.place is not None]


def _repeated(rows: TrainingRows, X: np.ndarray) -> list[str]:
    """Return notes about samples at one place, and about rows that are equal in all features and differ in a target."""
    notes = []
    _, first, of_place, counts = np.unique(X, axis=0, return_index=True, return_inverse=True, return_counts=True)
    if (counts > 1).any():
        shared = rows.ids[first[counts > 1]]
        notes.append(f"{counts[counts > 1].sum()} samples share {len(shared)} places with another: {list_ids(shared)}")
    whole = np.column_stack([rows.centres, of_place.ravel()])
    _, first, of_row = np.unique(whole, axis=0, return_index=True, return_inverse=True)
    for target, values in zip(rows.targets, rows.y.T, strict=True):
        known = np.flatnonzero(np.isfinite(values))
        low, high = np.full(len(first), np.inf), np.full(len(first), -np.inf)
        np.minimum.at(low, of_row.ravel()[known], values[known])
        np.maximum.at(high, of_row.ravel()[known], values[known])
        differing = rows.ids[first[high > low]]
        if len(differing):
            notes.append(
                f"{len(differing)} samples have rows that are equal in all features, with different {target.name}: "
                f"{list_ids(differing)}; no model can tell them apart"
            )
    return notes
