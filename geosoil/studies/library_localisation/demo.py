"""The whole chain on the sample data: one site's model from a library, and beside it what else the library can give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.report.page import Section, write_report
from geosoil.report.validation_figures import rmse_change_figure
from geosoil.studies.demo import DemoResult, sample_data
from geosoil.studies.library_localisation.candidates import MODELS
from geosoil.studies.library_localisation.study import compare, predict_site, train
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.results import CompareResult, Progress

TEXT = (
    "Library and site are synthetic, and the search for 1D-CNNs is cut to two architectures of a few epochs: the order "
    "of the models says how the study works, not which one is best in the field."
)


def demo(output: Path, *, progress: Progress = no_progress) -> DemoResult:
    """Train the model of the sample site, compare all models on its test rows, and map its points.

    output: a folder for model, points, table, figures and report.
    """
    recipe = sample_data("library") / "site_a.toml"
    trained = train(recipe, output / "models" / "site_a", progress=progress)
    compared = compare(recipe, output / "site_a_comparison.csv", progress=progress)
    points = predict_site(recipe, trained.model, output / "site_a.gpkg")
    report = write_report(output, title=trained.title, sections=[*trained.sections, _comparison(compared)])
    figures = trained.table[trained.table.protocol == "kennard_stone"].iloc[-1]
    truth = {"R2": float(figures.r2), "RMSE": float(figures.rmse), "change against local PLSR, %": figures.change_plsr}
    return DemoResult(trained, points, report, truth, "", compared_with=f"{int(figures.n)} samples that nothing saw")


def _comparison(compared: CompareResult) -> Section:
    """Show the table of all models."""
    table = compared.table[compared.table.protocol == "kennard_stone"]
    others = table[table.model != MODELS["local_plsr"]]
    changes = {row.model: [row.change_plsr] for row in others.itertuples()}
    figure = rmse_change_figure(changes, reference=MODELS["local_plsr"])
    text = [TEXT, f"{compared.report.parent.name}/report.html has the figures of every model."]
    caption = "Change in RMSE against the local PLSR, on the rows that Kennard-Stone leaves over."
    return Section("Comparison", text, [(caption, figure)], [("All models, both choices of the n", compared.table)])
