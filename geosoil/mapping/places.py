"""The places of pixels as bands: computed from the grid for each block, so that a map needs no file of coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from xarray.core import indexing

from geosoil.errors import GridError, ModelFileError
from geosoil.io.rasters.stack import join_bands
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.grid import Grid
from geosoil.raster.layout import COSTS, make_raster
from geosoil.raster.place import describe_crs, pixel_places, text_of_crs
from geosoil.samples.nearest_distances import prediction_distances

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.models.card import SamplePlaces
    from geosoil.models.contract import Feature, Model
    from geosoil.raster.place import Place

PLACE_BYTES = 64  # per pixel while coordinates are computed: float64 x and y, and both in another CRS


class PlaceArray(WindowArray):
    """Coordinates of the pixel centres of a grid, as models read them; each window is computed when it is read."""

    def __init__(self, places: tuple[Place, ...], grid: Grid) -> None:
        super().__init__((len(places), grid.height, grid.width))
        self.places, self.grid = places, grid

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Compute the requested coordinates of a window."""
        return pixel_places([self.places[band] for band in bands], self.grid, rows, columns)


def insert_places(raster: xr.DataArray, bands: Sequence[str], features: Sequence[Feature]) -> xr.DataArray:
    """Return what a model reads of a raster, in its order: bands, and the places of the pixels.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
    bands : sequence of str
        The bands of the raster for the features that are not places, in the order of the model.
    features : sequence of Feature
        The features of the model.

    Returns
    -------
    DataArray of shape (feature, y, x)
        Lazy.

    Raises
    ------
    GridError
        If places are needed, and the raster has no CRS.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.models.contract import Feature, place_features
    >>> twi = make_raster(np.full((1, 1, 2), 7, "float32"), names=["twi"], crs="EPSG:32633",
    ...                   transform=Affine(30, 0, 500_000, 0, -30, 60))
    >>> east, north = place_features("EPSG:32633", (500_000, 0))
    >>> insert_places(twi, ["twi"], [east, Feature("twi"), north]).values[:, 0].tolist()
    [[15.0, 45.0], [7.0, 7.0], [45.0, 45.0]]
    """
    placed = [feature for feature in features if feature.place is not None]
    if not placed:
        return raster.sel(band=list(bands))
    grid = Grid.of(raster)
    if grid.crs is None:
        raise GridError(
            raster.attrs.get("source") or "raster",
            found="no CRS",
            expected="a CRS, because the model reads the places of pixels",
            way_out="assign one (gdal_edit.py -a_srs)",
        )
    places = make_raster(
        indexing.LazilyIndexedArray(
            PlaceArray(tuple(feature.place for feature in placed if feature.place is not None), grid)
        ),
        names=[feature.name for feature in placed],
        crs=grid.crs,
        transform=grid.transform,
        source=raster.attrs.get("source", ""),
        preferred_chunks=raster.encoding.get("preferred_chunks"),
        stored_bytes=0.0,
    )
    if not bands:
        return places
    joined = join_bands([raster.sel(band=list(bands)), places])
    of_places = np.array([feature.place is not None for feature in features])
    order = np.empty(len(of_places), int)
    order[~of_places] = np.arange(len(bands))
    order[of_places] = len(bands) + np.arange(len(placed))
    inserted = joined.isel(band=order)
    kept = ("preferred_chunks", *COSTS)
    inserted.encoding = {name: joined.encoding[name] for name in kept if name in joined.encoding}
    return inserted


def place_notes(model: Model, raster: xr.DataArray) -> tuple[str, ...]:
    """Return a note if a raster is in another CRS than the places that a model reads.

    Raises
    ------
    ModelFileError
        If a model of patches reads places.
    """
    places = [feature.place for feature in model.features if feature.place is not None]
    if not places:
        return ()
    require_no_patches(model)
    grid = Grid.of(raster)
    if grid.crs is None:  # which `insert_places` refuses
        return ()
    crs = text_of_crs(grid.crs)
    others = [place.crs for place in places if place.crs != crs]
    if not others:
        return ()
    return (f"places of pixels are transformed from {describe_crs(crs)} to {describe_crs(others[0])} of the model",)


def require_no_patches(model: Any) -> None:
    """Raise ModelFileError if a model of patches, or one inside a composite model, reads places.

    The mirrored pixels beyond the edge of a raster have no place.
    """
    inside = getattr(model, "members", None) or ((model.model,) if hasattr(model, "model") else ())
    for member in inside:
        require_no_patches(member)
    if not inside and model.halo and any(feature.place is not None for feature in model.features):
        raise ModelFileError(
            "model",
            found="place among the features of a model of patches",
            expected="a model of single pixels",
            way_out="train it without place, or choose a regressor of pixels",
        )


class SampleDistances:
    """Counts of rows that lie farther from all samples of a model than neighbouring samples from each other.

    Parameters
    ----------
    model : Model
        The model as it runs.
    samples : SamplePlaces or None
        As the card of the model states them.

    Examples
    --------
    >>> from geosoil.models.card import SamplePlaces
    >>> from geosoil.models.contract import Target, place_features
    >>> from geosoil.models.pixel import PixelModel
    >>> model = PixelModel(None, place_features("EPSG:32633"), (Target("ph", ""),))
    >>> count = SampleDistances(model, SamplePlaces(xy_m=[(0.0, 0.0), (30.0, 0.0)], apart_m=30.0, rounded_m=1.0))
    >>> count.add(np.array([[0.0, 80.0], [0.0, 0.0]]))
    >>> count.share, count.note.partition(";")[0]
    (0.5, 'places: up to 50 m from the nearest sample')
    """

    def __init__(self, model: Model, samples: SamplePlaces | None) -> None:
        axes = {feature.place.axis: i for i, feature in enumerate(model.features) if feature.place is not None}
        # A step may have dropped one of the two.
        self.columns = [axes["x"], axes["y"]] if samples is not None and len(axes) == 2 else []
        self.samples = samples
        self.n_rows = self.n_far = 0
        self.farthest_m = 0.0

    def add(self, values: np.ndarray) -> None:
        """Count rows of `values` (feature, row), in the features that the model reads."""
        if not self.columns or self.samples is None or not values.shape[1]:
            return
        distances = prediction_distances(np.array(self.samples.xy_m), values[self.columns].T)
        self.n_rows += len(distances)
        self.n_far += int((distances > self.samples.apart_m + self.samples.rounded_m).sum())
        self.farthest_m = max(self.farthest_m, float(distances.max()))

    @property
    def share(self) -> float:
        """The share of the rows that are farther."""
        return self.n_far / max(self.n_rows, 1)

    @property
    def note(self) -> str:
        """How far rows are from the samples; empty if that is unknown."""
        if self.samples is None or not self.n_rows:
            return ""
        return (
            f"places: up to {self.farthest_m:.0f} m from the nearest sample; {self.share:.0%} are farther than "
            f"{self.samples.apart_m:.0f} m, the largest distance between neighbouring samples"
        )
