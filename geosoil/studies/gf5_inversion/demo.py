"""The whole chain on the sample data: what a newcomer sees first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio

from geosoil.evaluate.metrics import regression_metrics
from geosoil.report.figures import map_figure, predicted_measured_figure
from geosoil.report.maps import MapResult, map_cube
from geosoil.report.page import Section, write_report
from geosoil.studies.demo import DemoResult, sample_data
from geosoil.studies.gf5_inversion.recipe import read_recipe
from geosoil.studies.gf5_inversion.study import train
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from geosoil.studies.recipe import TargetColumn
    from geosoil.studies.results import Progress


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


def _map_section(mapped: MapResult, truth_path: Path, target: TargetColumn) -> tuple[Section, dict[str, float]]:
    """Draw the map beside the truth."""
    with rasterio.open(mapped.path) as source:
        values = source.read(1)
        left, bottom, right, top = source.bounds
    with rasterio.open(truth_path) as source:
        true = source.read(source.descriptions.index(target.column) + 1)
        bare = source.read(source.descriptions.index("bare_soil") + 1) == 1
    seen = np.isfinite(values) & np.isfinite(true) & bare
    figures = regression_metrics(true[seen], values[seen])
    band = mapped.cog.bands[0]

    def draw(layer: np.ndarray, how: str) -> tuple[str, Figure]:
        title = f"{target.title}, {how}"
        extent = (left, right, bottom, top)
        return f"{title}.", map_figure(layer, title=title, unit=target.unit, low=band.p2, high=band.p98, extent=extent)

    text = f"R² {figures['r2']:.2f}  RMSE {figures['rmse']:.3g}"
    scatter = predicted_measured_figure(
        {"every bare pixel": (true[seen], values[seen])}, unit=target.unit, texts={"every bare pixel": text}
    )
    section = Section(
        "Map",
        ["The scene is synthetic, so the truth is known at every pixel.", *mapped.notes],
        [draw(values, "mapped"), draw(np.where(bare, true, np.nan), "true"), ("Mapped against true.", scatter)],
        [],
    )
    return section, {"R2": figures["r2"], "RMSE": figures["rmse"]}
