"""Do these covariates suit this model? Names, classes, range of values: all before the first pixel is mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from rasterio.warp import transform as transform_points

from geosoil.errors import GridError, RasterError, UnitsError
from geosoil.io.rasters.class_bands import ClassTable, Unseen, one_hot
from geosoil.io.rasters.stack import PathLike, describe_grid, open_stack, suggest_names
from geosoil.mapping.probe import some_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geosoil.models.card import GridCard
    from geosoil.models.contract import Feature, Model
    from geosoil.raster.grid import Grid

UNIT_FACTOR = 8.0  # a covariate that is all so many times beyond its range at training is in another unit
OUTSIDE_SHARE = 0.05  # of the cells looked at, outside the range at training: said from here on
SAME_RESOLUTION = 1e-3  # of the side of a pixel: less is rounding
SAME_PATCH = 1.1  # ratio of its sides on the ground, from which on a patch is another one than at training
METRES_A_DEGREE = 111_195.0  # of a sphere as large as the Earth


@dataclass(frozen=True)
class CovariateMatch:
    """A stack ready for a model: `raster` `(feature, y, x)` in its order, and what was done or should be known."""

    raster: xr.DataArray
    notes: tuple[str, ...]


def match_covariates(
    model: Model,
    covariates: xr.DataArray | PathLike | Sequence[PathLike],
    *,
    like: PathLike | Grid | xr.DataArray | None = None,
    unseen: Unseen = "stop",
) -> CovariateMatch:
    """Find the covariates that a model reads, by their names, and bring files of other grids to one.

    covariates: files for `open_stack` (`like` is the grid, default that of the first), or a raster `(band, y, x)`.
    A feature `landform=7` is made from the band of class codes `landform`; unseen: a class without training samples
    stops the reading of its block, or is "nodata".

    Raises RasterError for a covariate that is missing, UnitsError for one whose values are all at least 8 times beyond
    those of training, GridError for a stack without CRS or smaller than the model's patch.

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
    if isinstance(covariates, xr.DataArray):
        names = [str(name) for name in covariates["band"].values]
        tables = _tables(model, names)
        stack = one_hot(covariates, tables, unseen=unseen)
    else:
        names = [str(name) for name in open_stack(covariates, like=like)["band"].values]
        tables = _tables(model, names)
        stack = open_stack(covariates, like=like, classes=tables, unseen=unseen)
    source = stack.attrs.get("source") or "covariates"
    if stack.rio.crs is None:
        raise GridError(
            source,
            found="no CRS",
            expected="covariates with a place on the ground",
            way_out="assign it (gdal_edit.py -a_srs)",
        )
    wanted = [feature.name for feature in model.features]
    offered = set(stack["band"].values.tolist())
    missing = [name for name in wanted if name not in offered]
    if missing:
        near = suggest_names(missing[0].partition("=")[0], names)
        raise RasterError(
            source,
            found=f"no covariate {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}",
            expected=f"the {len(wanted)} covariates of the model",
            way_out=f"{near}; " * bool(near) + "give its file too, and name bands as at training",
        )
    raster = stack.sel(band=wanted)
    patch = 2 * model.halo + 1
    if patch > min(raster.shape[1:]):
        raise GridError(
            source,
            found=f"a raster of {raster.shape[1]} x {raster.shape[2]} pixels",
            expected=f"one that holds a patch of {patch} x {patch}",
            way_out="give covariates of a larger area, or of the resolution at training",
        )
    return CovariateMatch(raster, (*stack.attrs.get("notes", ()), *_compared(raster, model.features, source)))


def compare_grids(trained: GridCard, grid: Grid, *, patch: int = 1) -> list[str]:
    """Say where a map's grid has another CRS or resolution than the covariates at training.

    patch: side in pixels of what the model reads around a pixel; a patch of other pixels is another piece of ground.

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
    """Return the side of a pixel on the ground, the root of its area, for a grid in degrees at a latitude."""
    side = abs(grid.transform.determinant) ** 0.5
    if grid.crs is not None and grid.crs.is_geographic:
        return side * METRES_A_DEGREE * max(np.cos(np.radians(latitude)), 0.0) ** 0.5
    return side * (grid.crs.units_factor[1] if grid.crs is not None else 1.0)


def _tables(model: Model, names: Sequence[str]) -> dict[str, ClassTable]:
    """Return the classes of each band of codes, as the model's features name them."""
    # All columns of training, also those that a selection dropped: their classes are known.
    known: Iterable[Feature] = getattr(model, "training_columns", model.features)
    codes: dict[str, dict[int, bool]] = {}
    for feature in known:
        band, _, code = feature.name.rpartition("=")
        if feature.name not in names and band in names and code.lstrip("-").isdigit():
            seen = feature.training_high is None or feature.training_high > 0
            codes.setdefault(band, {})[int(code)] = seen
    return {
        band: ClassTable(tuple(own), seen=tuple(code for code, seen in own.items() if seen))
        for band, own in codes.items()
    }


def _compared(raster: xr.DataArray, features: Sequence[Feature], source: str) -> list[str]:
    """Compare values of a few windows with the range at training; say what lies outside."""
    values = some_values(raster)
    outside = []
    for feature, own in zip(features, values, strict=True):
        low, high = feature.training_low, feature.training_high
        own = own[np.isfinite(own)]
        if low is None or high is None or not own.size:
            continue
        # A flat place in a model of hills is no error of units: only what is all too large, or all too small for a
        # range that keeps away from zero, is.
        largest = max(abs(low), abs(high))
        smallest = min(abs(low), abs(high)) if low * high > 0 else 0.0
        least, most = np.percentile(np.abs(own), [5, 95])
        if least > UNIT_FACTOR * largest > 0 or most * UNIT_FACTOR < smallest:
            raise UnitsError(
                source,
                found=f"{feature.name} around {np.median(own):.4g}",
                expected=f"values as at training, {low:.4g} to {high:.4g}",
                way_out="bring it to the unit it had at training (gdal_calc.py, or scale and offset of the file)",
            )
        share = float(np.mean((own < low) | (own > high)))
        if share > OUTSIDE_SHARE:
            outside.append((share, f"{feature.name} {100 * share:.0f} % (training {low:.4g} to {high:.4g})"))
    if not outside:
        return []
    worst = [text for _, text in sorted(outside, reverse=True)]
    more = f", and {len(worst) - 5} more" if len(worst) > 5 else ""
    return [f"cells outside the range at training, of those looked at: {', '.join(worst[:5])}{more}"]
