"""The report of a study of lead by transfer: what was learned, by which wavelengths, and how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.evaluate.metrics import regression_metrics
from geosoil.explain.tables import check_line, window_table
from geosoil.report.attribution_figures import mark_windows, window_figure
from geosoil.report.page import Section
from geosoil.report.training_figures import learning_curves_figure, loss_figure
from geosoil.report.validation_figures import predicted_measured_figure, rounds_figure
from geosoil.studies.lead_transfer.candidates import model_names
from geosoil.studies.lead_transfer.tables import by_round, comparison_table, paired_differences, rpd_class, scales
from geosoil.studies.report_parts import RETRANSFORMATION, statistics_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geosoil.explain.explanation import Explanation
    from geosoil.studies.lead_transfer.candidates import Source
    from geosoil.studies.lead_transfer.protocols import Outcome
    from geosoil.studies.lead_transfer.recipe import Recipe
    from geosoil.studies.lead_transfer.training_data import TrainingData

PROTOCOLS = {
    "nested": "'nested': random splits, the same for all models; settings, retransformation and the epoch to stop at "
    "are chosen inside the training rows.",
    "spatial": "'spatial': the same, with square blocks of the map on one side: what to expect away from samples.",
    "groups": "'groups': the same, with whole groups on one side: what to expect at a place without samples.",
    "published": "'published': the splits of 'nested', but nets stop by their loss on the test rows, and the settings "
    "of PLS and SVM are chosen once on all rows (the paper names no validation rows). Test rows take part in "
    "these choices: it leaks, and is shown to be compared with published figures only.",
}


def data_section(data: TrainingData, recipe: Recipe) -> Section:
    """Describe samples and library."""
    bands = data.wavelength_nm
    text = [
        f"{len(data.y)} samples, a library of {len(data.y_library)}, {len(bands)} bands "
        f"({bands[0]:g} to {bands[-1]:g} nm); models see "
        f"{'the standard normal variate of ' if recipe.spectra.snv else ''}log10(1/R).",
        RETRANSFORMATION[recipe.target.log],
        *data.notes,
    ]
    columns = {f"{recipe.target.name} ({recipe.target.unit})": data.y}
    columns[f"{recipe.source.title} of the library"] = data.y_library
    if recipe.target.log != "none":
        columns[f"ln {recipe.target.name}"] = np.log(data.y)
    statistics = statistics_table(columns).assign(median=[np.median(values) for values in columns.values()])
    return Section("Data", text, [], [("Descriptive statistics; cv = sd / mean, excess kurtosis", statistics)])


def source_section(source: Source, recipe: Recipe) -> Section:
    """Show how well the source net knows the property that the library has."""
    observed, predicted = source.tested()
    figures = regression_metrics(observed, predicted)
    title = recipe.source.title
    name = f"ResNet-{title}"
    text = [
        f"{name}: learned from {len(source.rows)} rows of the library, tested on {len(source.test_rows)} others: "
        f"R² {figures['r2']:.2f}, RMSE {figures['rmse']:.3g}, RPD {figures['rpd']:.2f} ({rpd_class(figures['rpd'])}).",
        *source.net[-1].notes_,
    ]
    text_in_figure = {name: f"R² {figures['r2']:.2f}  RMSE {figures['rmse']:.3g}"}
    scatter = predicted_measured_figure({name: (observed, predicted)}, unit=recipe.source.unit or "-", name=title,
                                        texts=text_in_figure)  # fmt: skip
    curve = loss_figure({"learned from": source.net[-1].losses_, "says when to stop": source.net[-1].stopping_losses_})
    return Section(
        f"Source: {title}",
        text,
        [("Rows of the library that the net has not seen.", scatter), ("Losses by epoch, standardised target.", curve)],
        [],
    )


def validation_section(outcome: Outcome, recipe: Recipe) -> Section:
    """Show how well each model predicts, and what transfer gains, under one protocol."""
    names = model_names(recipe)
    scale = scales(recipe)[0]
    figures: list[tuple[str, Figure]] = []
    observed = np.log(outcome.observed) if scale == "ln" else outcome.observed
    panels, texts, r2 = {}, {}, {}
    for kind, predicted in outcome.learned.items():
        seen = np.isfinite(predicted)
        panels[names[kind]] = np.broadcast_to(observed, predicted.shape)[seen], predicted[seen]
        metrics = by_round(outcome, recipe, kind, scale).mean()
        texts[names[kind]] = f"R² {metrics.r2:.2f}  RMSE {metrics.rmse:.3g}\nRPD {metrics.rpd:.2f}"
        r2[names[kind]] = by_round(outcome, recipe, kind, scale).r2.to_numpy()
    unit = f"ln {recipe.target.unit}" if scale == "ln" else recipe.target.unit
    rounds = "all folds" if outcome.is_folded else f"all {outcome.n_rounds} rounds"
    scatter = predicted_measured_figure(panels, unit=unit, texts=texts, name=recipe.target.name)
    figures.append((f"Predicted against measured, test rows of {rounds}.", scatter))
    if not outcome.is_folded and outcome.n_rounds > 1:
        figures.append((f"R² ({scale}) of each round; the box holds the middle half.", rounds_figure(r2, y_label="R²")))
    if outcome.losses:
        curves = {names[kind]: pairs for kind, pairs in outcome.losses.items()}
        caption = "Learning curves, a line a split; the loss is of the standardised target."
        figures.append((caption, learning_curves_figure(curves)))
    table = comparison_table(outcome, recipe).drop(columns="protocol")
    tables = [("Means over rounds of the test rows' figures", table)]
    if len(outcome.predicted) > 1 and "transfer" in outcome.predicted:
        differences = paired_differences(outcome, recipe).drop(columns="protocol")
        tables.append((f"{names['transfer']} minus each other model, on the same test rows", differences))
    return Section(f"Validation: {outcome.protocol}", [PROTOCOLS[outcome.protocol]], figures, tables)


def explanation_section(explanations: dict[str, Explanation]) -> Section:
    """Draw which windows carry the source net and the transferred one, one under the other, shared ones marked."""
    every = list(explanations.values())
    panels, text, tables = {}, [], []
    for i, (name, explanation) in enumerate(explanations.items()):
        other = every[1 - i].importance if len(every) == 2 else None
        marks = mark_windows(explanation.importance, other)
        panels[f"{name}: {explanation.quantity}"] = (explanation.windows, explanation.importance, marks)
        text += [f"{name}: {line}" for line in (*explanation.notes, check_line(explanation))]
        best = window_table(explanation, marks, compared=other is not None).sort_values("rank").head(10)
        tables.append((f"{name}: the ten windows that count most", best.drop(columns=["low_nm", "high_nm"])))
    caption = "Mean |SHAP| of wavelength windows; what is known to absorb where stands above."
    return Section("Which wavelengths", text, [(caption, window_figure(panels))], tables)
