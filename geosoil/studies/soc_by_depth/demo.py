"""The whole chain on the sample data: terrain, depths, training, the six-depth map, and the truth beside it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from geosoil.report.page import Section, write_report
from geosoil.samples.depths import harmonise, read_horizons, write_sites
from geosoil.studies.covariate_data import covariate_paths
from geosoil.studies.demo import DemoResult, agreement, metrics_table, read_beside_truth, sample_data
from geosoil.studies.results import no_progress
from geosoil.studies.soc_by_depth.recipe import read_recipe
from geosoil.studies.soc_by_depth.study import train
from geosoil.workflows.map import map_covariates
from geosoil.workflows.terrain import map_terrain

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.results import Progress
    from geosoil.workflows.map import MapResult

INPUT = ("horizons.csv", "dem.tif", "covariates", "soc_transfer.toml")


def demo(output: Path, *, progress: Progress = no_progress) -> DemoResult:
    """Derive terrain, harmonise the horizons, train, map six depths, and compare with the truth that is known there.

    output: a folder for the input as it was used, model, map, figures and report.
    """
    source, data = sample_data("soc"), output / "data"
    data.mkdir(parents=True, exist_ok=True)
    for name in INPUT:
        if (source / name).is_dir():
            shutil.copytree(source / name, data / name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source / name, data / name)
    map_terrain(data / "dem.tif", data / "covariates" / "terrain.tif", progress=progress)
    recipe = data / "soc_transfer.toml"
    loaded = read_recipe(recipe)
    wanted = loaded.recipe.data
    horizons = read_horizons(
        data / "horizons.csv", profile_id=wanted.profile_id, x=wanted.x or "x", y=wanted.y or "y", crs=wanted.crs
    )
    write_sites(harmonise(horizons, layers_cm=wanted.layers), output / "sites.gpkg")
    trained = train(recipe, output / "models" / loaded.recipe.name, progress=progress)
    mapped = map_covariates(
        covariate_paths(loaded), trained.folder, output / "soc.tif", like=data / "dem.tif", progress=progress
    )
    section, truth = _map_section(mapped, source / "truth.tif", loaded.recipe.target.unit)
    report = write_report(output, title=trained.title, sections=[*trained.sections, section])
    return DemoResult(trained, mapped, report, truth, ", mean of all depths")


def _map_section(mapped: MapResult, truth: Path, unit: str) -> tuple[Section, dict[str, float]]:
    """Draw the map of the top and of the deepest layer beside the truth, and measure all of them."""
    layers = read_beside_truth(mapped, truth)
    table = metrics_table("layer", {layer.name: layer.pairs() for layer in layers})
    section = Section(
        "Map",
        ["The landscape is synthetic, so the truth is known in every cell.", *mapped.notes],
        [drawn for layer in (layers[0], layers[-1]) for drawn in layer.draw(layer.name, unit)],
        [("Mapped against true, every cell", table)],
    )
    return section, agreement(table)
