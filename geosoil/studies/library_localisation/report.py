"""The report of a study of library localisation: what was chosen, and what each model is worth on unseen rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.report.page import Section
from geosoil.report.spectra_figures import library_figure
from geosoil.report.validation_figures import predicted_measured_figure, rmse_change_figure
from geosoil.studies.library_localisation.candidates import MODELS
from geosoil.studies.library_localisation.protocols import AGAINST
from geosoil.studies.report_parts import statistics_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geosoil.studies.library_localisation.candidates import Trainer
    from geosoil.studies.library_localisation.protocols import Outcome
    from geosoil.studies.library_localisation.training_data import TrainingData
    from geosoil.studies.recipe import TargetColumn
    from geosoil.workflows.point_map import PointMap

PROTOCOLS = {
    "kennard_stone": "'kennard_stone': the n rows are those that Kennard-Stone takes from the spectra of the whole "
    "site, as published. It looks at the spectra of the test rows, at no content, and takes the extremes away from "
    "the test: figures are better than on random test rows. One choice, so there is no spread.",
    "random": "'random': the n rows are drawn at random, repeatedly; figures are means over repeats, _sd their "
    "standard deviation.",
    "cross_validation": "'cross_validation': folds of the n rows, RS-LOCAL and all tuning again inside each. No test "
    "rows take part: this chooses between models.",
}
TEXT = (
    "bias is the mean of predicted - observed; change_plsr and change_cnn are (local - other) / local x 100 of RMSE, "
    "against the local PLSR and the local 1D-CNN: positive is better."
)


def data_section(data: TrainingData, trainer: Trainer, target: TargetColumn) -> Section:
    """Describe library, country, chosen rows and site, and draw them in the space of spectra."""
    library, chosen = data.library, trainer.from_library.rows
    groups = {"library": np.arange(len(library.y))}
    if data.country is not None:
        groups["country"] = data.country
    groups["chosen"] = chosen
    spectra = {name: library.X[rows] for name, rows in groups.items()} | {"site": data.site.X}
    contents = {name: library.y[rows] for name, rows in groups.items()} | {"site": data.site.y}
    statistics = statistics_table(contents | {"site, learned from": data.site.y[trainer.chosen]})
    nm = data.wavelength_nm
    text = [
        f"{len(library.y)} rows of the library and {len(data.site.y)} of the site at {nm.size} bands from {nm[0]:g} to "
        f"{nm[-1]:g} nm; {len(trainer.chosen)} rows of the site are learned from. Components are those of the library.",
        *data.notes,
    ]
    figure = library_figure(spectra, contents, target=f"{target.name} ({target.unit})")
    caption = "Principal components of the spectra, and densities of contents and components."
    return Section("Data", text, [(caption, figure)], [(f"{target.column} ({target.unit})", statistics)])


def rs_local_section(trainer: Trainer, data: TrainingData) -> Section:
    """Say which rows of the library were chosen, and how the subsets' errors fell."""
    result = trainer.from_library
    passes = result.passes.set_axis(range(1, len(result.passes) + 1)).rename_axis("pass").reset_index()
    step = max(1, len(passes) // 12)
    shown = passes.iloc[sorted({*range(0, len(passes), step), len(passes) - 1})] if len(passes) else passes
    text = [
        f"RS-LOCAL left {len(result.rows)} of {len(data.library.y)} rows: "
        f"{', '.join(data.library.ids[result.rows[np.argsort(result.order)][:10]])} first."
    ]
    if data.country is not None:
        own = int(np.isin(result.rows, data.country).sum())
        text.append(f"{own} of them are of the site's own country, which holds {len(data.country)} rows.")
    of_what = " of ln(y)" if trainer.recipe.target.log != "none" else ""
    return Section("Rows of the library", text, [], [(f"Passes; errors are RMSE{of_what} at the n rows", shown)])


def validation_section(outcome: Outcome, target: TargetColumn) -> Section:
    """Show what each model is worth under one protocol."""
    figures: list[tuple[str, Figure]] = []
    repeats = outcome.figures
    for reference, column in AGAINST.items():
        others = [kind for kind in repeats if kind != reference]
        if reference in repeats and others:
            changes = {MODELS[kind]: repeats[kind][column].to_numpy() for kind in others}
            name = MODELS[reference]
            caption = f"Change in RMSE against {name}; dots are repeats, lines their standard deviation."
            figures.append((caption, rmse_change_figure(changes, reference=name)))
    panels, texts = {}, {}
    for kind, predicted in outcome.predicted.items():
        first, own = predicted[0], repeats[kind].iloc[0]
        seen = np.isfinite(first)
        panels[MODELS[kind]] = (outcome.observed[seen], first[seen])
        texts[MODELS[kind]] = f"RMSE {own.rmse:.3g}  CCC {own.ccc:.2f}"
    scatter = predicted_measured_figure(panels, unit=target.unit, texts=texts, name=target.name)
    which = " of the first choice" if len(next(iter(outcome.predicted.values()))) > 1 else ""
    figures.append((f"Predicted against measured, test rows{which}.", scatter))
    said = pd.DataFrame(
        {"model": [MODELS[kind] for kind in repeats], "chose": [said[0] for said in outcome.said.values()]}
    )
    tables = [("Figures on unseen rows", outcome.table), (f"What each model chose{which}", said)]
    return Section(f"Validation: {outcome.protocol}", [PROTOCOLS[outcome.protocol], TEXT], figures, tables)


def choice_section(outcome: Outcome, kind: str) -> Section:
    """Say which model cross-validation took."""
    text = [PROTOCOLS["cross_validation"], f"{MODELS[kind]} has the smallest RMSE and is taken."]
    return Section("Choice of the model", text, [], [("Cross-validation inside the n rows", outcome.table)])


def points_section(points: PointMap, model: str) -> Section:
    """Show the point map."""
    text = [
        f"Predicted by {model}, also where the model learned from the content; {points.path.name} holds the points."
    ]
    return Section("Points", text, [("Predicted contents of the site.", points.figure)], [])
