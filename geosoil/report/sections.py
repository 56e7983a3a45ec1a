"""The sections of the reports of `geosoil train` and `geosoil compare`: text, figures and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.evaluate.statistics import correlation_table, descriptive_statistics, statistics_table
from geosoil.pipeline.regressors.steps import fusion_variants
from geosoil.report.page import Section
from geosoil.report.spectra_figures import (
    library_figure,
    loss_variants_figure,
    selected_bands_figure,
    spectra_figure,
)
from geosoil.report.summary_section import comparison_summary, summary_section
from geosoil.report.training_figures import loss_figure
from geosoil.report.trust_sections import trust_section
from geosoil.report.validation_figures import batches_figure, predicted_measured_figure
from geosoil.report.validation_sections import distances_section, validation_section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from geosoil.pipeline.fit import FittedPipeline
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.task import FitTask

RETRANSFORMATION = {
    "none": "The target is learned in its own unit.",
    "naive": "Models learn ln(y) and return exp(prediction): the median of a log-normal distribution, below its mean.",
    "smearing": "Models learn ln(y) and return exp(prediction) times Duan's factor of the training rows: the mean.",
}


def training_sections(fitted: FittedPipeline) -> list[Section]:
    """Return the sections of a trained model: data, what was chosen, accuracy, and what the predictions rest on."""
    details = fitted.task.details
    sections = [
        summary_section(fitted),
        *trust_sections(fitted),
        *(validation_section(outcome, fitted.rows) for outcome in fitted.outcomes),
        *_distances(fitted),
        data_section(fitted.rows),
        *spectra_sections(fitted.task),
        *choice_sections(fitted.task),
    ]
    if details.get("losses") is not None:
        sections.append(losses_section(details["losses"], details.get("stopping_losses")))
    if "source_model" in details:
        sections.append(source_section(details["source_model"], fitted.loaded.recipe.data.auxiliary))
    if details.get("explained"):
        sections.append(explanation_section(details["explained"], seed=fitted.loaded.recipe.seed))
    return sections


def trust_sections(fitted: FittedPipeline) -> list[Section]:
    """Return the section on errors and prediction intervals, if the model has them."""
    trust = fitted.trust
    if trust is None or not trust.scores:
        return []
    table = trust.outcome.table
    of_model = table[table.model == fitted.task.candidate.name].set_index("target")
    return [trust_section(trust, {name: float(of_model.test_r2[name]) for name in trust.scores})]


def comparison_sections(fitted: Sequence[FittedPipeline], differences: pd.DataFrame) -> list[Section]:
    """Return the sections of a comparison: accuracy by every split, paired differences, data, and what was chosen."""
    first = fitted[0]
    sections = [comparison_summary(first.outcomes, first.rows)]
    sections += [validation_section(outcome, first.rows) for outcome in first.outcomes]
    if len(differences):
        text = [
            "Each model is compared with the first one on the same test rows. A difference in RMSE below zero is a "
            "gain; a 95 % interval that holds zero means that these samples do not tell the two models apart."
        ]
        sections.insert(2, Section("Paired differences", text, [], [("Differences by split and target", differences)]))
    with_fusion = next((pipeline for pipeline in fitted if "fusion" in pipeline.task.details), None)
    sections += [*_distances(first), data_section(first.rows), *spectra_sections((with_fusion or first).task)]
    if with_fusion is not None:
        sections.append(losses_of_fusion_section(with_fusion.task))
    for pipeline in fitted:
        sections += choice_sections(pipeline.task, name=pipeline.task.candidate.name)
    return sections


def _distances(fitted: FittedPipeline) -> list[Section]:
    section = distances_section(fitted.outcomes, fitted.rows)
    return [] if section is None else [section]


def data_section(rows: TrainingRows) -> Section:
    """Describe the rows and their values."""
    nm = rows.wavelength_nm
    text = [f"{len(rows)} samples with {len(rows.features)} features."]
    if rows.quantity == "reflectance":
        text = [f"{len(rows)} samples at {len(nm)} bands from {nm.min():.0f} to {nm.max():.0f} nm."]
    if rows.is_patched:
        side = rows.X.shape[-1]
        text.append(f"Each sample is a patch of {side} x {side} cells of the covariates.")
    text += [RETRANSFORMATION[log] for log in dict.fromkeys(target.log for target in rows.targets)]
    text += [*rows.notes, *rows.refused]
    values = {f"{t.name} ({t.unit})": rows.y[:, k] for k, t in enumerate(rows.map_targets)}
    if rows.auxiliary is not None:
        values["auxiliary property"] = rows.auxiliary
    if rows.library is not None:
        if rows.library.y is not None:
            values["library"] = rows.library.y[:, 0]
        if rows.library.auxiliary is not None:
            values["library, auxiliary property"] = rows.library.auxiliary
    tables = [("Descriptive statistics; cv = sd / mean, excess kurtosis", statistics_table(values))]
    if rows.table is not None and len(rows.table.columns) > 1:
        columns = [name for name in rows.table if pd.api.types.is_numeric_dtype(rows.table[name])]
        columns = [name for name in columns if np.isfinite(rows.table[name]).all()]
        if len(columns) > 1:
            tables.append(("Statistics of further columns", descriptive_statistics(rows.table, columns)))
            tables.append(("Pearson correlations", correlation_table(rows.table, columns)))
    return Section("Data", text, [], tables)


def spectra_sections(task: FitTask) -> list[Section]:
    """Draw the spectra and their correlation with the target; return nothing for covariates."""
    rows = task.rows
    if rows.quantity != "reflectance":
        return []
    groups = {"satellite" if rows.neighbours is not None else "samples": rows.X}
    if rows.laboratory is not None:
        groups["laboratory"] = rows.laboratory
    fusion = task.details.get("fusion")
    if fusion is not None and not task.candidate.features.preprocessing:
        groups["generated"] = fusion.transform(rows.X)[:, -len(rows.features) :]
    y = rows.y[:, 0]
    correlations = {name: _correlations(spectra, y) for name, spectra in groups.items()}
    figure = spectra_figure(rows.wavelength_nm, groups, correlations=correlations, target=rows.targets[0].name)
    caption = "Mean and 5 to 95 % of the samples' spectra; below, Pearson's r of every band with the target."
    sections = [Section("Spectra", [], [(caption, figure)], [])]
    if fusion is not None:
        curves = ("Losses of the fusion by epoch, all samples.", loss_figure(fusion.losses_))
        sections.append(Section("Fusion", list(fusion.notes_), [curves], []))
    return sections


def losses_of_fusion_section(task: FitTask) -> Section:
    """Draw the spectra that the fusion generates with each of the losses of the paper's Fig. 11."""
    rows = task.rows
    assert rows.laboratory is not None
    panels = {name: spectra[:, -len(rows.features) :] for name, spectra in fusion_variants(task).items()}
    figure = loss_variants_figure(rows.wavelength_nm, panels, reference=("laboratory", rows.laboratory))
    return Section("Losses of the fusion", [], [("Generated spectra by loss; trained on all samples.", figure)], [])


def choice_sections(task: FitTask, name: str = "") -> list[Section]:
    """Show what a model chose for each target: bands, covariates, rows of a library, or a candidate.

    The name of the model is added to the titles where a report shows several.
    """
    suffix = f": {name}" if name else ""
    by_target = task.details.get("targets")
    if by_target is None:
        return _choices(task, task.details, suffix)
    sections = [_choices(task, details, f"{suffix}: {target}") for target, details in by_target.items()]
    return [section for of_target in sections for section in of_target]


def _choices(task: FitTask, details: dict[str, Any], suffix: str) -> list[Section]:
    rows, selection = task.rows, details.get("selection")
    sections = []
    if selection is not None and hasattr(selection, "selection_"):
        selection = selection.selection_
        dropped = pd.DataFrame({"covariate": list(selection.dropped), "reason": list(selection.dropped.values())})
        figure = batches_figure(selection, unit=rows.targets[0].unit)
        tables = [("Covariates that were dropped", dropped)] if len(dropped) else []
        caption = "RMSE in cross-validation as covariates are added."
        sections.append(Section(f"Covariates{suffix}", list(selection.notes), [(caption, figure)], tables))
    elif selection is not None:
        chosen = _bands_by_kind(selection.get_support(), len(rows.features), task.candidate.features.use)
        figure = selected_bands_figure(rows.wavelength_nm, rows.centres.mean(axis=0), chosen)
        text = [f"{name}: {int(bands.sum())} bands." for name, bands in chosen.items()]
        sections.append(Section(f"Bands{suffix}", text, [("Bands chosen by CARS for the final model.", figure)], []))
    if details.get("rs_local") is not None and rows.library is not None:
        sections.append(_library_section(task, details["rs_local"], suffix))
    if details.get("choice") is not None:
        text = [
            "R² and RMSE are those of training rows that the regressors did not learn from: leave-one-out or "
            "out-of-bag predictions, or inner folds. They decide the weights, which are drawn towards equal ones as "
            "far as the rows cannot tell the regressors apart. They are not the accuracy of the model, which is "
            "measured on test rows."
        ]
        table = _choice_table(details["choice"], rows.targets[0].unit)
        caption = "Candidates, their errors inside the training rows, and their weights"
        sections.append(Section(f"Choice of the model{suffix}", text, [], [(caption, table)]))
    if details.get("description"):
        learned = [f"{line}." for line in details.get("learned", ())]
        text = [f"{task.candidate.name}: {details['description']}.", *learned]
        sections.append(Section(f"Model{suffix}", text, [], []))
    return sections


def _choice_table(choice: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return the table of the candidates with headings for readers, and with notes if there are any."""
    names = {"predicted_by": "predicted by", "r2": "R²", "rmse": f"RMSE ({unit})" if unit else "RMSE"}
    left_out = ["chosen"] if choice.note.any() else ["chosen", "note"]  # those with a weight are chosen
    return choice.drop(columns=left_out).rename(columns=names)


def _bands_by_kind(support: np.ndarray, n_bands: int, use: str) -> dict[str, np.ndarray]:
    """Return the chosen bands by kind of spectra; a mixture has the satellite first, then the generated ones."""
    if use == "mix":
        return {"mix: satellite": support[:n_bands], "mix: generated": support[n_bands:]}
    return {use: support}


def _library_section(task: FitTask, result: Any, suffix: str) -> Section:
    """Show which rows of the library RS-LOCAL chose."""
    library = task.rows.library
    assert library is not None
    passes = result.passes.set_axis(range(1, len(result.passes) + 1)).rename_axis("pass").reset_index()
    step = max(1, len(passes) // 12)
    shown = passes.iloc[sorted({*range(0, len(passes), step), len(passes) - 1})] if len(passes) else passes
    chosen = library.ids[result.rows[np.argsort(result.order)][:10]]
    text = [f"RS-LOCAL kept {len(result.rows)} of {len(library.ids)} library rows; the first are {', '.join(chosen)}."]
    if library.in_country is not None:
        n_country = int(library.in_country[result.rows].sum())
        text.append(f"{n_country} of them are from the site's country, which has {int(library.in_country.sum())} rows.")
    figures: list[tuple[str, Figure]] = []
    if library.y is not None:
        target = task.rows.targets[0]
        spectra = {"library": library.X, "chosen": library.X[result.rows], "site": task.rows.centres}
        values = {"library": library.y[:, 0], "chosen": library.y[result.rows, 0], "site": task.rows.y[:, 0]}
        figure = library_figure(spectra, values, target=f"{target.name} ({target.unit})")
        figures = [("Principal components of the spectra, and densities of values and components.", figure)]
    return Section(
        f"Library rows{suffix}", text, figures, [("Passes; errors are RMSE at the site's training samples", shown)]
    )


def losses_section(losses: Any, stopping: Any) -> Section:
    """Show how the loss of each network fell; one curve by epoch, or several."""
    curves = _curves("training rows", losses)
    if stopping is not None:
        curves |= _curves("stopping rows", stopping)
    caption = "Mean squared error by epoch, in variances of the target."
    return Section("Training", [], [(caption, loss_figure(curves))], [])


def _curves(name: str, losses: Any) -> dict[str, np.ndarray]:
    several = len(losses) > 0 and np.ndim(losses[0]) > 0
    return {f"{name} {i + 1}": curve for i, curve in enumerate(losses)} if several else {name: np.asarray(losses)}


def source_section(source: Any, auxiliary: Any) -> Section:
    """Show how well the source network predicts the auxiliary property of library rows that it has not seen."""
    observed, predicted = source.tested
    name = auxiliary.name if auxiliary is not None else "auxiliary property"
    figures = source.metrics
    text = [
        f"The source network learned {name} from {source.n_samples} library rows and was tested on "
        f"{len(observed)} others: R² {figures['r2']:.2f}, RMSE {figures['rmse']:.3g}, RPD {figures['rpd']:.2f}."
    ]
    scatter = predicted_measured_figure(
        {name: (observed, predicted)}, unit=(auxiliary.unit if auxiliary is not None else "") or "-", name=name
    )
    return Section(f"Source: {name}", text, [("Library rows that the network has not seen.", scatter)], [])


def explanation_section(explained: dict[str, tuple[Any, np.ndarray]], *, seed: int) -> Section:
    """Draw which wavelengths carry the predictions of spectral models, by Shapley values of windows."""
    from geosoil.explain.explanation import explain_rows
    from geosoil.report.attribution_figures import mark_windows, window_figure

    explanations = {
        name: explain_rows(model, rows, n_background=50, budget=20_000, seed=seed)
        for name, (model, rows) in explained.items()
    }
    values = list(explanations.values())
    panels, text = {}, []
    for i, (name, explanation) in enumerate(explanations.items()):
        other = values[1 - i].importance if len(values) == 2 else None
        marks = mark_windows(explanation.importance, other)
        panels[f"{name}: {explanation.quantity}"] = (explanation.windows, explanation.importance, marks)
        text += [f"{name}: {line}" for line in explanation.notes]
    caption = "Mean |SHAP| of wavelength windows, with known absorption features above."
    return Section("Which wavelengths", text, [(caption, window_figure(panels))], [])


def _correlations(spectra: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return Pearson's r of every band with y, shape (n_bands,); NaN for a constant band."""
    known = np.isfinite(y)
    centred, y = spectra[known] - spectra[known].mean(axis=0), y[known] - y[known].mean()
    norm = np.sqrt((centred**2).sum(axis=0) * (y**2).sum())
    return np.divide(centred.T @ y, norm, out=np.full(spectra.shape[1], np.nan), where=norm > 0)
