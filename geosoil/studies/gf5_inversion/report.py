"""The report of a GF-5 inversion: figures as PNGs, and one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.estimators.fusion.settings import LOSS_VARIANTS
from geosoil.evaluate.statistics import correlation_table, descriptive_statistics
from geosoil.report.page import Section
from geosoil.report.spectra_figures import loss_variants_figure, selected_bands_figure, spectra_figure
from geosoil.report.training_figures import loss_figure
from geosoil.report.validation_figures import predicted_measured_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from geosoil.studies.gf5_inversion.assemble import Choice, Trainer
    from geosoil.studies.gf5_inversion.protocols import Outcome
    from geosoil.studies.gf5_inversion.recipe import Recipe
    from geosoil.studies.gf5_inversion.training_data import TrainingData
    from geosoil.studies.recipe import LoadedRecipe

LEAK = (
    "'nested' makes every choice (fusion, seeds, bands, hyper-parameters) inside each training fold: this is what to "
    "expect of the map. 'published' follows the paper: one 2:1 split, with the bands chosen by CARS on all samples "
    "before it; the paper does not say where CARS ran, and this reading lets test samples choose bands. It leaks, and "
    "is shown to be compared with published figures only."
)


def build_sections(
    loaded: LoadedRecipe[Recipe],
    data: TrainingData,
    trainer: Trainer,
    outcomes: list[Outcome],
    table: pd.DataFrame,
    *,
    loss_variants: bool = False,
) -> list[Section]:
    """Draw everything about a study; `trainer` has fitted the choices on all samples."""
    sections = [_data(loaded, data), _spectra(loaded, data, trainer)]
    if data.laboratory is not None and loaded.recipe.features.use != "satellite":
        sections.append(_fusion(data, trainer, loss_variants=loss_variants))
    return [*sections, _bands(data, trainer), _validation(loaded, outcomes, table)]


def report_title(loaded: LoadedRecipe[Recipe]) -> str:
    """Return the title of the study's page."""
    return f"{loaded.recipe.target.name}: {loaded.recipe.name}"


def _data(loaded: LoadedRecipe[Recipe], data: TrainingData) -> Section:
    columns = list(data.table.columns)
    text = [
        f"{len(data.ids)} samples, {len(data.features)} bands from {data.wavelength_nm.min():.0f} to "
        f"{data.wavelength_nm.max():.0f} nm.",
        *data.notes,
    ]
    tables = [
        ("Descriptive statistics of the samples", descriptive_statistics(data.table, columns)),
        ("Pearson correlations", correlation_table(data.table, columns)),
    ]
    return Section("Data", text, [], tables)


def _spectra(loaded: LoadedRecipe[Recipe], data: TrainingData, trainer: Trainer) -> Section:
    groups = {"satellite": data.satellite}
    if data.laboratory is not None:
        groups["laboratory"] = data.laboratory
        if not loaded.recipe.features.preprocessing and loaded.recipe.features.use != "satellite":
            groups["generated"] = trainer.fusion.transform(data.satellite)
    correlations = {name: _correlation(spectra, data.target) for name, spectra in groups.items()}
    figure = spectra_figure(
        data.wavelength_nm, groups, correlations=correlations, target=loaded.recipe.target.title or "the target"
    )
    caption = "Mean and 5-95 % of the samples' spectra; below, Pearson's r of every band with the content."
    return Section("Spectra", [], [(caption, figure)], [])


def _correlation(spectra: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Pearson's r of every band with the target, `(p,)`; NaN for a constant band."""
    centred = spectra - spectra.mean(0)
    y = target - target.mean()
    norm = np.sqrt((centred**2).sum(0) * (y**2).sum())
    return np.divide(centred.T @ y, norm, out=np.full(spectra.shape[1], np.nan), where=norm > 0)


def _fusion(data: TrainingData, trainer: Trainer, *, loss_variants: bool) -> Section:
    vae = trainer.fusion
    text = [*vae.notes_]
    figures: list[tuple[str, Figure]] = [("Losses by epoch, all samples.", loss_figure(vae.losses_))]
    if loss_variants and data.laboratory is not None:
        panels = {name: trainer.fusion_variant(name).transform(data.satellite) for name in LOSS_VARIANTS}
        variants = loss_variants_figure(data.wavelength_nm, panels, reference=("laboratory", data.laboratory))
        figures.append(("Generated spectra by loss, as in the paper's Fig. 11; trained on all samples.", variants))
    return Section("Fusion", text, figures, [])


def _bands(data: TrainingData, trainer: Trainer) -> Section:
    n = len(data.features)
    selected: dict[str, np.ndarray] = {}
    for features, selector in trainer.selectors.items():
        halves = {"satellite": selector.support_[:n]}
        if features in {"vae", "mix", "indoor"}:
            halves = {features: selector.support_[:n]}
        if features == "mix":
            halves = {"mix: satellite": selector.support_[:n], "mix: generated": selector.support_[n:]}
        selected |= halves
    if not selected:
        return Section("Bands", ["All bands are used."], [], [])
    figure = selected_bands_figure(data.wavelength_nm, data.satellite.mean(0), selected)
    return Section("Bands", [], [("Bands chosen by CARS on all samples, for the final model.", figure)], [])


def _validation(loaded: LoadedRecipe[Recipe], outcomes: list[Outcome], table: pd.DataFrame) -> Section:
    target = loaded.recipe.target
    figures = []
    for outcome in outcomes:
        best = _shown(outcome)
        panels = {_title(choice): (outcome.observed[choice], outcome.predicted[choice]) for choice in best}
        texts = {}
        for choice in best:
            row = outcome.table.iloc[list(outcome.observed).index(choice)]
            texts[_title(choice)] = f"R² {row.test_r2:.2f}  RMSE {row.test_rmse:.3g}"
        figure = predicted_measured_figure(panels, unit=target.unit, texts=texts, name=target.title)
        figures.append((f"Test samples, protocol '{outcome.protocol}'.", figure))
    return Section("Validation", [LEAK], figures, [("Both protocols", table)])


def _title(choice: Choice) -> str:
    return f"{choice.features}, {choice.label}"


def _shown(outcome: Outcome, most: int = 6) -> list[Choice]:
    """The choices to draw: all of a few, else those with the best test R2."""
    order = np.argsort(-outcome.table.test_r2.to_numpy(), kind="stable")[:most]
    choices = list(outcome.observed)
    return [choices[i] for i in sorted(order)]
