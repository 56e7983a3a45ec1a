"""The places of the rows of a table, for a model that has place among its features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.columns import recognise_columns
from geosoil.io.tables.reader import parse_crs, read_numbers, read_points, require_column
from geosoil.raster.place import relative_places, text_of_crs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from geosoil.mapping.tables import TableChunk
    from geosoil.models.contract import Feature
    from geosoil.raster.place import Place


@dataclass(frozen=True)
class PlaceOptions:
    """Where the coordinates of a table without geometry are; default: as the names of its columns show.

    Parameters
    ----------
    x, y : str, optional
        Columns of the coordinates.
    crs : str, optional
        Their CRS.
    """

    x: str | None = None
    y: str | None = None
    crs: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that were given."""
        return tuple(name for name in (self.x, self.y) if name is not None)

    def reader(self, path: Path, first: TableChunk, features: Sequence[Feature]) -> Callable[[TableChunk], np.ndarray]:
        """Return a function that reads the places of the rows of a chunk, `(n_places, row)`, as a model reads them.

        Parameters
        ----------
        path : Path
            The table, for messages.
        first : TableChunk
            Its first rows.
        features : sequence of Feature
            Those of the model, which may have no places.

        Raises
        ------
        SamplesError
            If the model reads places, and the table has no coordinates or no CRS.
        """
        places = [feature.place for feature in features if feature.place is not None]
        if not places:
            return lambda chunk: np.empty((0, len(chunk.ids)), np.float32)
        if first.points is not None:
            return lambda chunk: self._places_of_points(path, chunk, places)
        found = recognise_columns(first.table).places if self.x is None and self.y is None else ()
        x, y = (found[0].x, found[0].y) if found else (self.x, self.y)
        crs = self.crs or (found[0].crs if found else None)
        if x is None or y is None or crs is None:
            raise SamplesError(
                path,
                found="no CRS of x and y" if x is not None and y is not None else "no coordinates",
                expected="the columns of x and y and their CRS, because the model has place among its features",
                way_out="name them with --x, --y and --crs",
            )
        for name in (x, y):
            require_column(path, first.table, name)
        text = text_of_crs(parse_crs(path, crs))

        def of_columns(chunk: TableChunk) -> np.ndarray:
            xs, ys = (read_numbers(path, chunk.table[name], chunk.ids, chunk.first_row) for name in (x, y))
            return relative_places(places, xs, ys, text)

        return of_columns

    def _places_of_points(self, path: Path, chunk: TableChunk, places: Sequence[Place]) -> np.ndarray:
        import geopandas as gpd

        points = read_points(path, gpd.GeoDataFrame(geometry=chunk.points), chunk.ids, None, None, self.crs)
        return relative_places(places, points.x.to_numpy(), points.y.to_numpy(), text_of_crs(points.crs))


BY_NAME = PlaceOptions()
"""Coordinates are recognised by the names of their columns."""


def merge_places(features: Sequence[Feature], bands: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return rows `(feature, row)` in the order of a model, of its bands `(band, row)` and places `(place, row)`.

    >>> from geosoil.models.contract import Feature, place_features
    >>> features = [*place_features("EPSG:32633"), Feature("twi")]
    >>> merge_places(features, np.array([[7.0]]), np.array([[1.0], [2.0]])).ravel().tolist()
    [1.0, 2.0, 7.0]
    """
    if not len(places):
        return bands
    is_place = np.array([feature.place is not None for feature in features])
    merged = np.empty((len(features), bands.shape[1]), np.float32)
    merged[is_place], merged[~is_place] = places, bands
    return merged
