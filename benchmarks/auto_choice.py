"""The automatic choice on real soils, against each of its candidates on the same folds.

Fourteen properties: spectra of the Geeves, Wallonia and Yamsys soils, and covariates with place of the Meuse, Edgeroi
and Ebergötzen sets. 120 samples of each are drawn at random, and three folds of them are predicted by `kind = "auto"`,
and by each of the candidates that it has by default for spectra or for covariates. R2 is that of all test rows of a
property.

auto_choice         mean R2 of the automatic choice, minus that of the best candidate on average
auto_choice_worst   the smallest R2 of the automatic choice minus that of the best candidate of the same property, which
                    only the test rows know

The weights and the candidates were chosen on these sets, see docs/automatic_choice.md. `--quick`: 60 samples of four
properties.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import rasterio
from measure import asked_quick, report, shared
from pyproj import CRS, Transformer

from geosoil.models.contract import Feature
from geosoil.pipeline.places import place_columns
from geosoil.pipeline.recipe import Recipe
from geosoil.pipeline.regressors.table import Auto
from geosoil.pipeline.rows import TrainingRows
from geosoil.pipeline.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = list(dict.fromkeys(kind for spectral in (True, False) for kind in Auto().candidates_for(spectral=spectral)))
SPECTRA = {
    "geeves_australia": (["total_c_pct", "clay_pct"], 20),
    "nirsoil_wallonia": (["soc_pct", "cec_meq_100g"], 7),
    "yamsys_west_africa_mir": (["total_c_g_kg", "clay_pct", "ph_h2o"], 17),
}  # properties, and the number of neighbouring bands that are averaged
LIMIT, WORST = 0.02, -0.1


def spectral_sets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the parts of rows of each property of spectra."""
    for file, (properties, width) in SPECTRA.items():
        table = pd.read_parquet(shared("spectra", f"{file}.parquet"))
        names = [name for name in table if str(name).replace(".", "").isdigit()]
        values, nm = table[names].to_numpy(float), np.array(names, float)
        whole = len(nm) // width * width
        X = values[:, :whole].reshape(len(values), -1, width).mean(axis=2)
        bands = tuple(Feature(f"{centre:.1f}", float(centre)) for centre in nm[:whole].reshape(-1, width).mean(axis=1))
        for name in properties:
            y = table[name].to_numpy(float)
            yield f"{file} {name}", {"X": X, "y": y, "features": bands, "quantity": "reflectance"}


def covariate_sets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the parts of rows of each property of points on covariates."""
    folder = shared("rasters")
    meuse = pyogrio.read_dataframe(folder / "meuse" / "meuse_points.gpkg")
    xy = np.column_stack([meuse.geometry.x, meuse.geometry.y])
    values = {"zn": np.log(meuse.zn_mg_kg.to_numpy(float)), "om": meuse.om_pct.to_numpy(float)}
    yield from _on_raster("meuse", folder / "meuse" / "meuse_covariates_40m.tif", xy, values)
    edgeroi = pd.read_parquet(folder / "edgeroi" / "edgeroi_horizons.parquet")
    edgeroi = edgeroi[edgeroi.top_cm < 6].drop_duplicates("profile_id")
    to_map = Transformer.from_crs(28355, 32755, always_xy=True)
    xy = np.column_stack(to_map.transform(edgeroi.x.to_numpy(), edgeroi.y.to_numpy()))
    values = {name: edgeroi[name].to_numpy(float) for name in ("clay_pct", "ph_h2o_1_5", "soc_pct")}
    yield from _on_raster("edgeroi", folder / "edgeroi" / "edgeroi_covariates_90m.tif", xy, values)
    eberg = pd.read_parquet(folder / "eberg" / "eberg_horizons.parquet")
    eberg = eberg[eberg.top_cm == 0].drop_duplicates("profile_id")
    xy, values = eberg[["x", "y"]].to_numpy(float), {n: eberg[n].to_numpy(float) for n in ("clay_pct", "sand_pct")}
    yield from _on_raster("eberg", folder / "eberg" / "eberg_covariates_100m.tif", xy, values, n_bands=3)


def _on_raster(
    name: str, path: Path, xy: np.ndarray, values: dict[str, np.ndarray], n_bands: int | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    with rasterio.open(path) as source:
        sampled = [np.ma.filled(pixel.astype(float), np.nan) for pixel in source.sample(xy, masked=True)]
        crs = CRS.from_user_input(source.crs.to_wkt())
    X = np.array(sampled)[:, :n_bands]
    features = tuple(Feature(f"c{number}") for number in range(X.shape[1]))
    for of_one, y in values.items():
        yield f"{name} {of_one}", {"X": X, "y": y, "features": features, "quantity": "covariates", "xy": xy, "crs": crs}


def rows_and_recipe(parts: dict[str, Any], n: int) -> tuple[TrainingRows, Recipe]:
    """Return n random samples of a property, and the recipe that compares the candidates with the automatic choice."""
    known = np.flatnonzero(np.isfinite(parts["X"]).all(axis=1) & np.isfinite(parts["y"]))
    drawn = np.sort(np.random.default_rng(0).permutation(known)[:n])
    spectral = parts["quantity"] == "reflectance"
    recipe = Recipe.model_validate(
        {
            "name": "auto_choice",
            "data": {"kind": "table", "table": "-", "columns": ["-"]},
            "target": {"column": "y", "valid_range": [-np.inf, np.inf]},
            "model": {"kind": "auto", "compare": ["auto", *KINDS]},
            "validation": {"n_folds": 3, "processes": 1},
        }
    )
    if not spectral:
        recipe = recipe.model_copy(update={"features": recipe.features.model_copy(update={"place": True})})
    rows = TrainingRows(
        ids=drawn.astype(str),
        X=parts["X"][drawn].astype(np.float32),
        y=parts["y"][drawn, None],
        features=parts["features"],
        targets=tuple(recipe.target),
        quantity=parts["quantity"],
        notes=[],
        sha256="",
        xy=None if spectral else parts["xy"][drawn],
        crs=parts.get("crs"),
    )
    if not spectral:
        points = gpd.GeoSeries.from_xy(*parts["xy"][drawn].T, crs=parts["crs"])
        rows = replace(rows, place=place_columns(rows, points, where=recipe.name))
    return rows, recipe


def main() -> bool:
    """Compare and report."""
    quick = asked_quick(__doc__)
    sets = [*spectral_sets(), *covariate_sets()]
    table = []
    for name, parts in sets[::4] if quick else sets:
        rows, recipe = rows_and_recipe(parts, 60 if quick else 120)
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            outcome = validate("random", recipe, rows, recipe.candidates())
        auto = recipe.candidate().name
        weights = [details["choice"].set_index("model").weight for details in outcome.details[auto]]
        row = {"property": name, "n": len(rows)} | outcome.table.set_index("model").test_r2.to_dict()
        table.append(row | {f"w {kind}": value for kind, value in (sum(weights) / len(weights)).items()})
    figures = pd.DataFrame(table)
    alone = [name for name in outcome.predicted if name != auto]
    means = {"property": "mean"} | figures.drop(columns="property").mean().to_dict()
    figures = pd.concat([figures, pd.DataFrame([means])], ignore_index=True)
    print(figures.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    each, mean = figures.iloc[:-1], figures.iloc[-1]
    held = report("auto_choice", float(mean[auto] - mean[alone].max()), "R2", LIMIT, at_most=False)
    worst = float((each[auto] - each[alone].max(axis=1)).min())
    return report("auto_choice_worst", worst, "R2", WORST, at_most=False) and held


if __name__ == "__main__":
    sys.exit(not main())
