"""Check that covariates fit a model before it is mapped: names, classes and ranges of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from rasterio.warp import transform as transform_points

from geosoil.errors import GridError, RasterError, UnitsError
from geosoil.io.rasters.class_bands import ClassTable, Unseen, one_hot
from geosoil.io.rasters.stack import PathLike, describe_grid, open_stack, suggest_names
from geosoil.mapping.places import place_notes
from geosoil.mapping.probe import probe_values
from geosoil.models.contract import model_of, of_rasters

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geosoil.models.card import GridCard
    from geosoil.models.contract import Feature, HasModel, Model
    from geosoil.raster.grid import Grid

UNIT_FACTOR = 8.0  # a covariate whose values are all so many times beyond the training range has another unit
OUTSIDE_SHARE = 0.05  # share of the sampled cells outside the training range that is reported
SAME_RESOLUTION = 1e-3  # relative difference of pixel sides that counts as rounding
SAME_PATCH = 1.1  # ratio of patch sides on the ground above which patches differ from those at training
METRES_PER_DEGREE = 111_195.0  # on a sphere of the size of the Earth


@dataclass(frozen=True)
class CovariateMatch:
    """Covariates prepared for a model.

    Parameters
    ----------
    raster : DataArray of shape (feature, y, x)
        The covariates in the order of the model, without places. For a model of places alone, all bands: their grid is
        the template of the map, and their values are not read.
    notes : tuple of str
        What was done, and differences from the training data.
    """

    raster: xr.DataArray
    notes: tuple[str, ...]


def match_covariates(
    model: Model | HasModel,
    covariates: xr.DataArray | PathLike | Sequence[PathLike],
    *,
    like: PathLike | Grid | xr.DataArray | None = None,
    unseen: Unseen = "stop",
) -> CovariateMatch:
    """Find the covariates that a model reads by their names, and resample files of other grids.

    A feature `landform=7` is derived from the band of class codes `landform`.

    Parameters
    ----------
    model : Model or Predictor
    covariates : path, sequence of path, or DataArray of shape (band, y, x)
        Files for `open_stack`, or an opened stack.
    like : path, Grid or DataArray, optional
        The grid of the map (default: that of the first file).
    unseen : {"stop", "nodata"}
        For a class without training samples: stop at its block, or write nodata there.

    Returns
    -------
    CovariateMatch

    Raises
    ------
    RasterError
        If a covariate is missing.
    UnitsError
        If all values of a covariate are at least 8 times beyond the training range.
    GridError
        If the stack has no CRS, or is smaller than a patch of the model.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> from geosoil.raster.layout import make_raster
    >>> model = PixelModel(None, (Feature("twi"), Feature("landform=7")), (Target("soc_pct", "%"),),
    ...                    resampling=np.eye(2), resampled_features=(Feature("twi"), Feature("landform=7")))
    >>> stack = make_raster(np.array([[[7, 7]], [[9, 8]]], "float32"), names=["landform", "twi"], crs="EPSG:32633",
    ...                     transform=Affine(30, 0, 0, 0, -30, 0))
    >>> match_covariates(model, stack).raster.values[:, 0].tolist()
    [[9.0, 8.0], [1.0, 1.0]]
    """
    model = model_of(model)
    if isinstance(covariates, xr.DataArray):
        names = [str(name) for name in covariates["band"].values]
        stack = one_hot(covariates, class_tables_of(model, names), unseen=unseen)
    else:
        names = []

        def class_tables(bands: list[str]) -> dict[str, ClassTable]:
            names.extend(bands)
            return class_tables_of(model, bands)

        stack = open_stack(covariates, like=like, classes=class_tables, unseen=unseen)
    source = stack.attrs.get("source") or "covariates"
    if stack.rio.crs is None:
        raise GridError(
            source,
            found="no CRS",
            expected="georeferenced covariates",
            way_out="assign one (gdal_edit.py -a_srs)",
        )
    read = of_rasters(model.features)
    features = [feature.name for feature in read]
    bands = set(stack["band"].values.tolist())
    missing = [name for name in features if name not in bands]
    if missing:
        near = suggest_names(missing[0].partition("=")[0], names)
        raise RasterError(
            source,
            found=f"no covariate {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}",
            expected=f"the {len(features)} covariates of the model",
            way_out=f"{near}; " * bool(near) + "add its file, and name bands as at training",
        )
    raster = stack.sel(band=features) if features else stack
    patch = 2 * model.halo + 1
    if patch > min(raster.shape[1:]):
        raise GridError(
            source,
            found=f"a raster of {raster.shape[1]} x {raster.shape[2]} pixels",
            expected=f"at least a patch of {patch} x {patch}",
            way_out="use covariates of a larger area, or of the training resolution",
        )
    notes = (*stack.attrs.get("notes", ()), *place_notes(model, raster))
    return CovariateMatch(raster, (*notes, *_compared(raster, read, source)) if read else notes)


def compare_grids(trained: GridCard, grid: Grid, *, patch: int = 1) -> list[str]:
    """Return notes about a map whose CRS or resolution differs from the covariates at training.

    Parameters
    ----------
    trained : GridCard
        The grid at training.
    grid : Grid
        The grid of the map.
    patch : int
        The side in pixels of the patch that the model reads; at another resolution it covers another area.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from affine import Affine
    >>> from rasterio.crs import CRS
    >>> from geosoil.models.card import GridCard
    >>> from geosoil.raster.grid import Grid
    >>> fine = Grid(CRS.from_epsg(32755), Affine(25, 0, 0, 0, -25, 6_000_000), height=9, width=9)
    >>> compare_grids(GridCard(crs="EPSG:32755", resolution=(90, 90)), fine)
    ['trained at EPSG:32755, 90 m, mapped at EPSG:32755, 25 m']
    """
    then = trained.pixel()
    latitude = _latitude(grid)
    ratio = _side_m(grid, latitude) / _side_m(then, latitude)
    if then.crs == grid.crs and abs(ratio - 1) < SAME_RESOLUTION:
        return []
    note = f"trained at {describe_grid(then)}, mapped at {describe_grid(grid)}"
    if patch > 1 and max(ratio, 1 / ratio) > SAME_PATCH:
        note += f": a patch of {patch} x {patch} pixels is {ratio:.2g} times as wide on the ground as at training"
    return [note]


def _latitude(grid: Grid) -> float:
    """Return the latitude of a grid's middle in degrees."""
    left, bottom, right, top = grid.bounds
    return float(transform_points(grid.crs, "EPSG:4326", [(left + right) / 2], [(bottom + top) / 2])[1][0])


def _side_m(grid: Grid, latitude: float) -> float:
    """Return the square root of the area of a pixel in metres; for a grid in degrees, at a latitude."""
    side = abs(grid.transform.determinant) ** 0.5
    if grid.crs is not None and grid.crs.is_geographic:
        return side * METRES_PER_DEGREE * max(np.cos(np.radians(latitude)), 0.0) ** 0.5
    return side * (grid.crs.units_factor[1] if grid.crs is not None else 1.0)


def class_tables_of(model: Model, names: Sequence[str]) -> dict[str, ClassTable]:
    """Return the classes of each band of class codes, as the names of the features give them."""
    # The classes of all training columns are known, also of those that a selection dropped.
    known: Iterable[Feature] = getattr(model, "training_columns", model.features)
    codes: dict[str, dict[int, bool]] = {}
    for feature in known:
        band, _, code = feature.name.rpartition("=")
        if feature.name not in names and band in names and code.lstrip("-").isdigit():
            seen = feature.training_high is None or feature.training_high > 0
            codes.setdefault(band, {})[int(code)] = seen
    return {
        band: ClassTable(tuple(is_seen), seen=tuple(code for code, seen in is_seen.items() if seen))
        for band, is_seen in codes.items()
    }


def _compared(raster: xr.DataArray, features: Sequence[Feature], source: str) -> list[str]:
    """Return notes about covariates with sampled values outside their training range; raises UnitsError."""
    sampled = probe_values(raster)
    check_covariate_units(sampled, features, source)
    outside = []
    for feature, values in zip(features, sampled, strict=True):
        low, high = feature.training_low, feature.training_high
        values = values[np.isfinite(values)]
        if low is None or high is None or not values.size:
            continue
        share = float(np.mean((values < low) | (values > high)))
        if share > OUTSIDE_SHARE:
            outside.append((share, f"{feature.name} {100 * share:.0f} % (training {low:.4g} to {high:.4g})"))
    if not outside:
        return []
    worst = [text for _, text in sorted(outside, reverse=True)]
    more = f", and {len(worst) - 5} more" if len(worst) > 5 else ""
    return [f"of the sampled cells, outside the training range: {', '.join(worst[:5])}{more}"]


def check_covariate_units(values: np.ndarray, features: Sequence[Feature], source: object) -> None:
    """Raise UnitsError for a covariate of `values` (feature, n) whose values are all far from its training range."""
    for feature, column in zip(features, values, strict=True):
        low, high = feature.training_low, feature.training_high
        column = column[np.isfinite(column)]
        if low is None or high is None or not column.size:
            continue
        # A flat area in a model of hills is not an error of units. Values that are all too large are, and so are values
        # that are all too small for a range without zero.
        largest = max(abs(low), abs(high))
        smallest = min(abs(low), abs(high)) if low * high > 0 else 0.0
        least, most = np.percentile(np.abs(column), [5, 95])
        if least > UNIT_FACTOR * largest > 0 or most * UNIT_FACTOR < smallest:
            raise UnitsError(
                source,
                found=f"{feature.name} around {np.median(column):.4g}",
                expected=f"values in the training range, {low:.4g} to {high:.4g}",
                way_out="convert it to its unit at training (gdal_calc.py, or scale and offset of the file)",
            )
