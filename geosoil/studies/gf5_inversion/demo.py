"""The whole chain on the sample data: what a newcomer sees first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.report.page import Section, write_report
from geosoil.studies.demo import DemoResult, agreement, metrics_table, read_beside_truth, sample_data, scatter_figure
from geosoil.studies.gf5_inversion.recipe import read_recipe
from geosoil.studies.gf5_inversion.study import train
from geosoil.studies.results import no_progress
from geosoil.workflows.map import map_cube

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.recipe import TargetColumn
    from geosoil.studies.results import Progress
    from geosoil.workflows.map import MapResult


def demo(output: Path, *, progress: Progress = no_progress) -> DemoResult:
    """Train on the sample scene, map it, and compare the map with the truth that is known there.

    output: a folder for model, map, figures and report.
    """
    source = sample_data("gf5")
    recipe = source / "as_svr.toml"
    trained = train(recipe, output / "models" / "as_svr", progress=progress)
    mapped = map_cube(source / "gf5.tif", trained.folder, output / "as_svr.tif", bare_soil=True, progress=progress)
    section, truth = _map_section(mapped, source / "truth.tif", read_recipe(recipe).recipe.target)
    report = write_report(output, title=trained.title, sections=[*trained.sections, section])
    return DemoResult(trained, mapped, report, truth, " on bare soil")


def _map_section(mapped: MapResult, truth: Path, target: TargetColumn) -> tuple[Section, dict[str, float]]:
    """Draw the map beside the truth."""
    (layer,) = read_beside_truth(mapped, truth, where="bare_soil")
    scatter = scatter_figure("every bare pixel", layer.pairs(), unit=target.unit)
    section = Section(
        "Map",
        ["The scene is synthetic, so the truth is known at every pixel.", *mapped.notes],
        [*layer.draw(target.name, target.unit), ("Mapped against true.", scatter)],
    )
    return section, agreement(metrics_table("property", {target.name: layer.pairs()}))
