"""SOC and clay by depth on real profiles: forest, CNN, multi-task CNN and transfer CNN on the same test rows.

`python benchmarks/real_soc_by_depth.py [edgeroi|eberg] [--folds 5] [--variants] [-o FOLDER]`

`--variants` tries, with the transfer network, what the field tries where a network loses to the forest: smaller
patches and networks, rotations and ensembles; the forest is compared on the same folds.

edgeroi  359 profiles of New South Wales, covariates at 90 m, terrain from their elevation band; SOC, 200 m to 50 km
         between neighbours: spatial blocks of 10 km beside the random folds.
eberg    3670 augers of Ebergoetzen, covariates at 25 m and 100 m with three class bands; clay. A seeded part of 400.

Not a figure with a limit: it prints who wins at which depth, and writes report, model and map into FOLDER. Needs the
reference material beside the checkout; a message states where it is absent.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd
import rasterio
from measure import shared

if TYPE_CHECKING:
    from collections.abc import Callable

    Writer = Callable[[Path, dict[str, object]], tuple[Path, list[str]]]

SHARED = shared("rasters")
N_EBERG = 400
RECIPE = """
name = "{name}"
[data]
kind = "profiles"
horizons = "{horizons}"
x = "x"
y = "y"
crs = "{crs}"
on_error = "drop"
on_missing = "drop"
layers_cm = {layers}
covariates = {covariates}
like = "{like}"
patch = {patch}
{classes}
[target]
column = "{column}"
unit = "{unit}"
title = "{title}"
[features]
selection = {{ method = "screen" }}
[model]
kind = "transfer_cnn"
compare = {compare}
forest = {{ search = true }}
cnn = {{ {network} }}
multitask_cnn = {{ {network} }}
transfer_cnn = {{ {network} }}
[validation]
split = ["spatial", "random"]
n_folds = {folds}
block_m = {block_m}
"""


SMALL = "filters = [16, 32]"
VARIANTS = {
    "patch 9, 32-64": (9, ""),
    "patch 5, 16-32": (5, SMALL),
    "patch 3, 16-32": (3, SMALL),
    "patch 5, 16-32, rotated": (5, f"{SMALL}, augment = true"),
    "patch 5, 16-32, rotated, 3 members": (5, f"{SMALL}, augment = true, n_members = 3"),
    "the same, dropout 0.5, 40 epochs": (5, f"{SMALL}, augment = true, n_members = 3, dropout = 0.5, epochs = 40"),
}


def edgeroi(folder: Path, options: dict[str, object]) -> tuple[Path, list[str]]:
    """Write the recipe of Edgeroi, and its terrain."""
    from geosoil.workflows.terrain import map_terrain

    source = SHARED / "edgeroi"
    dem = folder / "edgeroi_dem.tif"
    with rasterio.open(source / "edgeroi_covariates_90m.tif") as covariates:
        profile = {"driver": "GTiff", "count": 1, "dtype": "float32"}
        profile |= {name: covariates.profile[name] for name in ("crs", "transform", "width", "height", "nodata")}
        with rasterio.open(dem, "w", **profile) as made:
            made.write(covariates.read(covariates.descriptions.index("elevation") + 1), 1)
    terrain = map_terrain(dem, folder / "edgeroi_terrain.tif").path
    covariates_used = [str(source / "edgeroi_covariates_90m.tif"), str(terrain)]
    text = RECIPE.format(
        name="edgeroi_soc",
        horizons=source / "edgeroi_horizons.parquet",
        crs="EPSG:28355",
        layers=[0, 5, 15, 30, 60, 100, 200],
        covariates=covariates_used,
        like=covariates_used[0],
        classes="",
        column="soc_g_kg",
        unit="g/kg",
        title="SOC",
        block_m=10_000,
        **options,
    )
    return _recipe(folder / "edgeroi.toml", text), covariates_used


def eberg(folder: Path, options: dict[str, object]) -> tuple[Path, list[str]]:
    """Write the recipe of Ebergoetzen: clay of a seeded part of the augers."""
    source = SHARED / "eberg"
    horizons = pd.read_parquet(source / "eberg_horizons.parquet")
    ids = horizons.profile_id.unique()
    chosen = np.random.default_rng(0).permutation(ids)[:N_EBERG]
    horizons[horizons.profile_id.isin(chosen)].to_parquet(folder / "eberg_horizons.parquet")
    covariates = [str(source / "eberg_covariates_25m.tif"), str(source / "eberg_covariates_100m.tif")]
    classes = {
        "main_soil_type": source / "eberg_main_soil_type_classes.csv",
        "parent_material": source / "eberg_parent_material_classes.csv",
        "corine_2006": source / "eberg_corine_2006_classes.csv",
    }
    tables = ", ".join(f'{band} = "{path}"' for band, path in classes.items())
    text = RECIPE.format(
        name="eberg_clay",
        horizons="eberg_horizons.parquet",
        crs="EPSG:31467",
        layers=[0, 5, 15, 30, 60, 100],
        covariates=covariates,
        like=covariates[0],
        classes=f"classes = {{ {tables} }}",
        column="clay_pct",
        unit="%",
        title="Clay",
        block_m=1000,
        **options,
    )
    return _recipe(folder / "eberg.toml", text), covariates


def _recipe(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def compare_variants(write: Writer, folder: Path, folds: int) -> None:
    """Print the accuracy at each depth of every variant of the transfer network, and of the forest."""
    from geosoil import compare

    for number, (name, (patch, network)) in enumerate(VARIANTS.items()):
        kinds = ["transfer_cnn", "forest"] if number == 0 else ["transfer_cnn"]
        options = {"folds": folds, "patch": patch, "network": network, "compare": kinds}
        result = compare(write(folder, options)[0], folder / f"variant_{number}.csv")
        click.echo(f"{name}\n{result.summary()}")


@click.command()
@click.argument("places", nargs=-1, type=click.Choice(["edgeroi", "eberg"]))
@click.option("--folds", default=5, show_default=True)
@click.option("--patch", default=9, show_default=True, help="Cells per side of a patch.")
@click.option("--network", default="", help="Settings of the networks, as in `epochs = 40, augment = true`.")
@click.option("--variants", is_flag=True, help="Networks of other sizes, rotations, ensembles, beside the forest.")
@click.option("-o", "--output", type=Path, default=Path("real-soc"), show_default=True)
def main(places: tuple[str, ...], folds: int, patch: int, network: str, variants: bool, output: Path) -> None:
    """Compare the four models on real profiles, train the transfer network and map it."""
    from geosoil import compare, map_covariates, train

    for place in places or ("edgeroi", "eberg"):
        folder = output / place
        folder.mkdir(parents=True, exist_ok=True)
        write = edgeroi if place == "edgeroi" else eberg
        if variants:
            compare_variants(write, folder, folds)
            continue
        kinds = ["forest", "cnn", "multitask_cnn", "transfer_cnn"]
        recipe, covariates = write(folder, {"folds": folds, "patch": patch, "network": network, "compare": kinds})
        click.echo(compare(recipe, folder / "comparison.csv").summary())
        trained = train(recipe, folder / "model")
        click.echo(trained.summary())
        click.echo(map_covariates(covariates, trained.folder, folder / f"{place}.tif", unseen="nodata").summary())


if __name__ == "__main__":
    main()
