"""The whole chain on the sample data: a library with pH, 130 samples with lead, the map, and the truth beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio

from geosoil.evaluate.metrics import regression_metrics
from geosoil.report.figures import map_figure, predicted_measured_figure
from geosoil.report.maps import map_cube
from geosoil.report.page import Section, write_report
from geosoil.studies.demo import DemoResult, sample_data
from geosoil.studies.lead_transfer.recipe import read_recipe
from geosoil.studies.lead_transfer.study import train
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.report.maps import MapResult
    from geosoil.studies.lead_transfer.recipe import Recipe
    from geosoil.studies.results import Progress


def demo(output: Path, *, progress: Progress = no_progress) -> DemoResult:
    """Train by transfer on spectra brought to the cube's bands, map the cube, and compare with the truth known there.

    output: a folder for model, map, figures and report.
    """
    source = sample_data("lead")
    recipe = source / "pb_resnet.toml"
    trained = train(recipe, output / "models" / "pb_resnet", progress=progress)
    mapped = map_cube(source / "cube.tif", trained.folder, output / "pb.tif", bare_soil=True, progress=progress)
    section, truth = _map_section(mapped, source / "truth.tif", read_recipe(recipe).recipe)
    report = write_report(output, title=trained.title, sections=[*trained.sections, section])
    return DemoResult(trained, mapped, report, truth, ", ln scale, bare soil")


def _map_section(mapped: MapResult, truth_path: Path, recipe: Recipe) -> tuple[Section, dict[str, float]]:
    """Draw the map beside the truth."""
    with rasterio.open(mapped.path) as source:
        values = source.read(1)
        left, bottom, right, top = source.bounds
    with rasterio.open(truth_path) as source:
        true = source.read(source.descriptions.index(recipe.target.column) + 1)
        bare = source.read(source.descriptions.index("bare_soil") + 1) == 1
    seen = np.isfinite(values) & np.isfinite(true) & bare & (values > 0)
    rows = {"mg/kg": regression_metrics(true[seen], values[seen])}
    rows["ln"] = regression_metrics(np.log(true[seen]), np.log(values[seen]))
    band, unit = mapped.cog.bands[0], recipe.target.unit
    extent = (left, right, bottom, top)
    figures = [
        (
            f"{recipe.title}, {how}.",
            map_figure(layer, title=f"{recipe.title}, {how}", unit=unit, low=band.p2, high=band.p98, extent=extent),
        )
        for layer, how in ((values, "mapped"), (np.where(bare, true, np.nan), "true"))
    ]
    pairs = {"every bare pixel": (np.log(true[seen]), np.log(values[seen]))}
    text = {"every bare pixel": f"R² {rows['ln']['r2']:.2f}  RMSE {rows['ln']['rmse']:.3g}"}
    scatter = predicted_measured_figure(pairs, unit=f"ln {unit}", texts=text, name=recipe.title)
    table = pd.DataFrame([{"scale": scale, "n": int(seen.sum())} | rows[scale] for scale in ("ln", "mg/kg")])
    section = Section(
        "Map",
        [
            "The hillside is synthetic, so the truth is known at every pixel. Spectra of the samples are of dry soil "
            "in a laboratory, those of the cube from above, with slope, haze and plants: what the map loses against "
            "the validation is that difference.",
            *mapped.notes,
        ],
        [*figures, ("Mapped against true, ln scale.", scatter)],
        [("Mapped against true, every bare pixel", table[["scale", "n", "r2", "rmse", "bias", "ccc"]])],
    )
    return section, {"R2": rows["ln"]["r2"], "RMSE": rows["ln"]["rmse"]}
