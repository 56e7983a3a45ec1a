"""The whole chain on the sample data: a library with pH, 130 samples with lead, the map, and the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.page import Section, write_report
from geosoil.studies.demo import DemoResult, agreement, metrics_table, read_beside_truth, sample_data, scatter_figure
from geosoil.studies.lead_transfer.recipe import read_recipe
from geosoil.studies.lead_transfer.study import train
from geosoil.studies.results import no_progress
from geosoil.workflows.map import map_cube

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.recipe import TargetColumn
    from geosoil.studies.results import Progress
    from geosoil.workflows.map import MapResult

TEXT = (
    "The hillside is synthetic, so the truth is known at every pixel. Spectra of the samples are of dry soil in a "
    "laboratory, those of the cube from above, with slope, haze and plants: what the map loses against the validation "
    "is that difference."
)


def demo(output: Path, *, progress: Progress = no_progress) -> DemoResult:
    """Train by transfer on spectra brought to the cube's bands, map the cube, and compare with the truth known there.

    output: a folder for model, map, figures and report.
    """
    source = sample_data("lead")
    recipe = source / "pb_resnet.toml"
    trained = train(recipe, output / "models" / "pb_resnet", progress=progress)
    mapped = map_cube(source / "cube.tif", trained.folder, output / "pb.tif", bare_soil=True, progress=progress)
    section, truth = _map_section(mapped, source / "truth.tif", read_recipe(recipe).recipe.target)
    report = write_report(output, title=trained.title, sections=[*trained.sections, section])
    return DemoResult(trained, mapped, report, truth, ", ln scale, bare soil")


def _map_section(mapped: MapResult, truth: Path, target: TargetColumn) -> tuple[Section, dict[str, float]]:
    """Draw the map beside the truth."""
    (layer,) = read_beside_truth(mapped, truth, where="bare_soil")
    unit, pairs = target.unit, layer.pairs()
    ln_pairs = (np.log(pairs[0]), np.log(pairs[1]))
    scatter = scatter_figure("every bare pixel", ln_pairs, unit=f"ln {unit}", name=target.name)
    table = metrics_table("scale", {"ln": ln_pairs, unit: pairs})
    section = Section(
        "Map",
        [TEXT, *mapped.notes],
        [*layer.draw(target.name, unit), ("Mapped against true, ln scale.", scatter)],
        [("Mapped against true, every bare pixel", table)],
    )
    return section, agreement(table[:1])
