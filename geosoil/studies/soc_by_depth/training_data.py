"""From files to training rows: a patch of covariates around each profile, and the property at every depth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.tables.reader import read_samples
from geosoil.models.contract import Feature
from geosoil.raster.grid import Grid
from geosoil.samples.depths import harmonise, layer_columns, read_horizons
from geosoil.samples.extract import sample_raster
from geosoil.samples.patches import extract_patches
from geosoil.studies.covariate_data import Places, open_covariates

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from geosoil.studies.recipe import LoadedRecipe, Property
    from geosoil.studies.soc_by_depth.recipe import Recipe


@dataclass(frozen=True)
class TrainingData(Places):
    """The rows that a study learns from, a profile each.

    patches `(n, covariate, size, size)` float32, NaN in gaps; values `(n, layer)` of each property by its column, in
    its own unit, NaN where a layer is not known; layers (top, bottom) in cm; zones `(n,)` text, or None.
    """

    patches: np.ndarray
    values: dict[str, np.ndarray]
    layers: tuple[tuple[float, float], ...]
    zones: np.ndarray | None
    features: tuple[Feature, ...]


def centres(patches: np.ndarray) -> np.ndarray:
    """Return the covariates of the middle cells `(n, covariate)` of patches `(n, covariate, size, size)`."""
    half = patches.shape[2] // 2
    return patches[:, :, half, half]


def layer_name(layer: tuple[float, float]) -> str:
    """Name a layer.

    >>> layer_name((0, 5)), layer_name((12.5, 30))
    ('0-5 cm', '12.5-30 cm')
    """
    return f"{layer[0]:g}-{layer[1]:g} cm"


def read_training_data(loaded: LoadedRecipe[Recipe]) -> TrainingData:
    """Read all that a recipe names, check it, and cut a patch around each profile.

    Raises the GeosoilError that says which file is wrong and how to mend it.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    wanted = [recipe.target, *([recipe.second] if recipe.second else [])]
    sites, notes = _sites(loaded, wanted)
    stack = open_covariates(loaded)
    notes += stack.attrs.get("notes", ())
    cut = extract_patches(
        stack, sites, size=recipe.network.patch, sample_id=data.profile_id, on_missing=data.on_missing
    )
    notes += cut.notes
    sites = sites.set_index(data.profile_id).loc[cut.ids]
    grid = Grid.of(stack)
    points = sites.geometry.to_crs(grid.crs)
    centre = centres(cut.patches)
    features = tuple(
        Feature(str(name), training_low=float(low), training_high=float(high))
        for name, low, high in zip(cut.bands, centre.min(axis=0), centre.max(axis=0), strict=True)
    )
    values = {
        prop.column: np.stack([sites[f"{prop.column}_{top:g}_{bottom:g}"] for top, bottom in data.layers], axis=1)
        for prop in wanted
    }
    digest = hashlib.sha256(cut.patches.tobytes())
    for column in values.values():
        digest.update(np.ascontiguousarray(column, np.float64).tobytes())
    return TrainingData(
        ids=np.asarray(cut.ids),
        patches=cut.patches,
        values=values,
        layers=data.layers,
        x=points.x.to_numpy(),
        y=points.y.to_numpy(),
        grid=grid,
        zones=_zones(loaded, sites, stack),
        features=features,
        notes=notes,
        sha256=digest.hexdigest(),
    )


def _sites(loaded: LoadedRecipe[Recipe], wanted: list[Property]) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Return one row a profile with the property at every layer, and what was done."""
    data = loaded.recipe.data
    columns = [prop.column for prop in wanted]
    if data.horizons is not None:
        horizons = read_horizons(
            loaded.path(data.horizons),
            profile_id=data.profile_id,
            x=data.x or "x",
            y=data.y or "y",
            crs=data.crs,
            top_cm=data.top_cm,
            bottom_cm=data.bottom_cm,
            properties=columns,
            on_error=data.on_error,
        )
        harmonised = harmonise(
            horizons, layers_cm=data.layers, smoothing=data.smoothing, min_coverage=data.min_coverage
        )
        return harmonised.sites, list(harmonised.notes)
    assert data.sites is not None
    path = loaded.path(data.sites)
    names = [f"{column}_{top:g}_{bottom:g}" for column in columns for top, bottom in data.layers]
    for column in columns:
        _require_layers(path, column, data.layers)
    sites = read_samples(path, sample_id=data.profile_id, columns=names, x=data.x, y=data.y, crs=data.crs)
    return sites, []


def _require_layers(path: str, column: str, layers: tuple[tuple[float, float], ...]) -> None:
    """Say which layers a table of sites holds, where it holds others than the recipe asks for."""
    import pyogrio

    if not Path(path).exists() or Path(path).suffix.lower() != ".gpkg":
        return  # read_samples says what is missing
    there = [(top, bottom) for _, top, bottom in layer_columns(list(pyogrio.read_info(path)["fields"]), column)]
    if there and not set(layers) <= set(there):
        raise SamplesError(
            path,
            found=f"{column} at {', '.join(layer_name(layer) for layer in there)}",
            expected=", ".join(layer_name(layer) for layer in layers),
            way_out="set data.layers_cm, or run `geosoil depths` with these layers",
        )


def _zones(loaded: LoadedRecipe[Recipe], sites: gpd.GeoDataFrame, stack: xr.DataArray) -> np.ndarray | None:
    """Return the zone of each profile as text, from polygons or from a class raster."""
    data = loaded.recipe.data
    if data.zones is None:
        return None
    path = loaded.path(data.zones)
    if Path(path).suffix.lower() in {".gpkg", ".geojson", ".shp", ".parquet"}:
        return _zones_of_polygons(path, data.zone_column, sites)
    points = sites.reset_index()
    found = sample_raster(open_raster(path), points, sample_id=data.profile_id, on_missing="stop")
    return np.array([f"{code:g}" for code in found.values[:, 0]])


def _zones_of_polygons(path: str, column: str, sites: gpd.GeoDataFrame) -> np.ndarray:
    import geopandas as gpd

    zones = gpd.read_parquet(path) if path.endswith(".parquet") else gpd.read_file(path, engine="pyogrio")
    if column not in zones.columns or zones.crs is None:
        raise SamplesError(
            path,
            found=f"no column {column}" if column not in zones.columns else "no CRS",
            expected="polygons with a CRS and their names",
            way_out=f"set data.zone_column to one of {', '.join(map(str, zones.columns[:8]))}, and state the CRS",
        )
    joined = gpd.sjoin(sites[["geometry"]], zones[[column, "geometry"]].to_crs(sites.crs), how="left")
    joined = joined[~joined.index.duplicated()]  # on a border, the first
    return joined.loc[sites.index, column].fillna("outside").astype(str).to_numpy()
