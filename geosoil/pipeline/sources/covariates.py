"""Sample points on covariate rasters, as pixels or as patches."""

from __future__ import annotations

import re
from glob import escape, glob
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RecipeError
from geosoil.io.rasters.class_bands import find_codes
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import describe_grid, has_colour_table, open_stack
from geosoil.io.tables.columns import words_of
from geosoil.io.tables.polygons import POLYGON_ENDINGS, read_polygons
from geosoil.mapping.value_checks import undeclared_voids
from geosoil.models.contract import Feature
from geosoil.pipeline.sources.draft import Draft, Files, begin_draft
from geosoil.pipeline.sources.samples import check_count, make_rows, places_of_map, read_samples
from geosoil.raster.grid import Grid
from geosoil.samples.extract import sample_raster
from geosoil.samples.patches import extract_patches

if TYPE_CHECKING:
    from collections.abc import Sequence

    import geopandas as gpd
    import xarray as xr

    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.sources.samples import Samples

MOST_CLASSES, MOST_PAINTED_CLASSES = 12, 255  # of a class band without and with a colour table
# Words of quantities, whose bands can have few whole numbers and hold no classes.
QUANTITY_WORDS = re.compile(
    "elev(ation)?|d[est]m|height|altitude|slope|aspect|twi|ndvi|temp(erature)?|rain|precipitation|dist(ance)?|depth|ph|"
    "clay|sand|silt|curvature|count|age|year"
)


def read(loaded: LoadedRecipe) -> TrainingRows:
    """Read the samples of a recipe and the covariates of the cell that holds each, or of a patch around it.

    A sample without a value of a target is kept: it can have one of another target, or of the auxiliary property.

    Raises
    ------
    GeosoilError
        If a file is wrong; the message names the file and what to do.
    """
    samples, notes = read_samples(loaded, loaded.recipe.data.samples), list[str]()
    samples, fields = at_covariates(loaded, samples, notes)
    check_count(samples, loaded.recipe, notes)
    return make_rows(loaded, samples, quantity="covariates", notes=notes, **fields)


def at_covariates(loaded: LoadedRecipe, samples: Samples, notes: list[str]) -> tuple[Samples, dict[str, Any]]:
    """Return the samples on the covariates, and X, features, grid, CRS and zones as `make_rows` takes them."""
    data = loaded.recipe.data
    stack = _open_covariates(loaded)
    points = samples.as_points(data.sample_id)
    notes += stack.attrs.get("notes", ())
    options = {"sample_id": data.sample_id, "on_missing": data.on_missing}
    if data.patch is None:
        pixels = sample_raster(stack, points, **options)
        ids, X, bands = pixels.ids, pixels.values, pixels.bands
        notes += pixels.notes
    else:
        patches = extract_patches(stack, points, size=data.patch, **options)
        ids, X, bands = patches.ids, patches.patches, patches.bands
        notes += patches.notes
    notes += undeclared_voids(np.moveaxis(X, 1, 0).reshape(len(bands), -1), bands.tolist())
    samples, grid = samples.in_order_of(ids), Grid.of(stack)
    return samples, {
        "X": X,
        "features": [Feature(str(name)) for name in bands],
        "grid": grid,
        "map_places": places_of_map(loaded, stack, covariate_paths(loaded)),
        "crs": grid.crs,
        "zones": _zones(loaded, samples.as_points(data.sample_id)),
    }


def covariate_paths(loaded: LoadedRecipe) -> list[str]:
    """Return the files of the covariates, with `*` in local paths expanded.

    Raises
    ------
    RecipeError
        If a pattern matches no file.
    """
    paths: list[str] = []
    for pattern in loaded.recipe.data.covariates:
        path = loaded.path(pattern)
        is_local = "://" not in path and not path.startswith("/vsi")
        matches = [path]
        if is_local and "*" in path:
            matches = sorted(glob(escape(path).replace("[*]", "*")))  # noqa: PTH207 - other characters are literal
        if not matches:
            raise RecipeError(
                path, found="no such file", expected="covariate rasters", way_out="correct data.covariates"
            )
        paths += [name for name in matches if name not in paths]
    return paths


def _open_covariates(loaded: LoadedRecipe) -> xr.DataArray:
    """Open the covariates as one lazy raster, with a band of 0 and 1 for each code of a class band."""
    data = loaded.recipe.data
    return open_stack(
        covariate_paths(loaded),
        like=loaded.path(data.like) if data.like else None,
        classes={band: loaded.path(codes) if isinstance(codes, str) else codes for band, codes in data.classes.items()},
    )


def _zones(loaded: LoadedRecipe, points: gpd.GeoDataFrame) -> np.ndarray | None:
    """Return the zone of each point as text, from polygons or from a class raster."""
    data = loaded.recipe.data
    if data.zones is None:
        return None
    path = loaded.path(data.zones)
    if Path(path).suffix.lower() in POLYGON_ENDINGS:
        return _zones_of_polygons(path, data.zone_column, data.zone_layer, points)
    pixels = sample_raster(open_raster(path), points, sample_id=data.sample_id, on_missing="stop")
    return np.array([f"{code:g}" for code in pixels.values[:, 0]])


def _zones_of_polygons(path: str, column: str | None, layer: str | None, points: gpd.GeoDataFrame) -> np.ndarray:
    import geopandas as gpd

    zones = read_polygons(path, column=column, layer=layer).to_crs(points.crs)
    joined = gpd.sjoin(points[["geometry"]], zones, how="left")
    joined = joined[~joined.index.duplicated()]  # a point on a border takes the first zone
    return joined.loc[points.index, "zone"].fillna("outside").astype(str).to_numpy()


def draft(files: Files, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Draft the section `[data]` for sample points on covariates: class bands, columns and CRS.

    Raises
    ------
    GeosoilError
        If a file cannot be read, or something cannot be decided from it.
    """
    made = begin_draft("covariates", files.samples, targets, given)
    stack = draft_covariates(made, files)
    made.set("samples", files.relative(files.samples), f"{len(made.table)} rows")
    made.set_labels()
    made.set_places_on(stack, files.samples)
    return made


def draft_covariates(made: Draft, files: Files) -> xr.DataArray:
    """Set the covariates of a draft and their class bands, and return them as one raster."""
    paths = list(files.covariates)
    stack = open_stack(paths, like=made.given.get("like"))
    names = [str(name) for name in stack["band"].values]
    grid = f"{len(names)} bands, {describe_grid(Grid.of(stack))}"
    made.set("covariates", [files.relative(path) for path in paths], grid)
    if "like" in made.given:
        made.values["like"] = files.relative(made.given["like"])
    rasters = [open_raster(path) for path in paths]
    bands = [(path, raster, place) for path, raster in zip(paths, rasters, strict=True) for place in range(len(raster))]
    painted = {path: has_colour_table(path, len(raster)) for path, raster in zip(paths, rasters, strict=True)}
    classes = {}
    for name, (path, raster, place) in zip(names, bands, strict=True):
        is_quantity = any(map(QUANTITY_WORDS.fullmatch, words_of(name)))
        most = MOST_PAINTED_CLASSES if painted[path][place] else 0 if is_quantity else MOST_CLASSES
        codes = find_codes(raster[place], most) if most else None
        if codes is not None and len(codes) > 2:
            classes[name] = list(codes)
    if classes or "classes" in made.given:
        made.set("classes", classes, "few whole numbers, taken for codes of classes; remove a band that has quantities")
    return stack
