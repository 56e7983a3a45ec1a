"""The report of a study of SOC by depth: tables and figures of what was learned, and how far it can be trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import regression_metrics
from geosoil.report.depth_figures import by_depth_figure, density_figure, relative_bias_figure
from geosoil.report.page import Section
from geosoil.report.training_figures import loss_figure
from geosoil.report.validation_figures import batches_figure, predicted_measured_figure
from geosoil.studies.cross_validation import mean_and_error, mean_of_repeats, rmse_by_fold
from geosoil.studies.report_parts import statistics_table
from geosoil.studies.soc_by_depth.candidates import MODELS
from geosoil.studies.soc_by_depth.training_data import layer_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from geosoil.studies.recipe import Property
    from geosoil.studies.soc_by_depth.candidates import Fitted, Trainer
    from geosoil.studies.soc_by_depth.protocols import Outcome
    from geosoil.studies.soc_by_depth.training_data import TrainingData

PROTOCOLS = {
    "nested": "'nested': covariates, scaling and settings are chosen again inside each training fold; profiles are "
    "dealt to folds at random, all layers of a profile together. Patches of near profiles may overlap.",
    "spatial": "'spatial': the same, with square blocks of the map dealt to folds: what to expect away from samples.",
    "published": "'published': one split 90:10 with covariates chosen on all profiles before it. Test rows take part "
    "in that choice: it leaks, and is shown to be compared with published figures only.",
}


def data_section(data: TrainingData, prop: Property) -> Section:
    """Describe the profiles."""
    columns = dict(zip(map(layer_name, data.layers), data.values[prop.column].T, strict=True))
    size = data.patches.shape[2]
    text = [
        f"{len(data.ids)} profiles, {len(data.features)} covariates, patches of {size} x {size} cells.",
        *data.notes,
    ]
    return Section("Data", text, [], [(f"{prop.name} ({prop.unit}) by layer", statistics_table(columns))])


def covariates_section(trainer: Trainer, unit: str) -> Section:
    """Say which covariates the model sees, and why not the others."""
    selection = trainer.selection
    if selection is None:
        return Section("Covariates", ["All covariates are used."], [], [])
    kept = [trainer.names[i] for i in trainer.kept]
    text = [f"{len(kept)} of {len(trainer.names)} covariates are kept: {', '.join(kept)}."]
    figure = batches_figure(selection, unit=unit)
    dropped = pd.DataFrame({"covariate": list(selection.dropped), "why": list(selection.dropped.values())})
    tables = [("Dropped", dropped)] if len(dropped) else []
    return Section("Covariates", text, [("RMSE as covariates are added, in cross-validation.", figure)], tables)


def training_section(fitted: Fitted, layers: Sequence[tuple[float, float]]) -> Section | None:
    """Show the losses of a network's training."""
    losses = list(getattr(fitted.estimator, "losses_", []))
    if not losses:
        return None
    names = [layer_name(layer) for layer in layers]
    shown: dict[str, np.ndarray] = {}
    if fitted.kind == "transfer":
        shown["all depths"] = losses.pop(0)
        names = [f"{name}, fine-tuned" for name in names]
    elif fitted.kind == "mtcnn":
        names = ["all depths"]
    shown |= dict(zip(names, losses, strict=False))  # members beyond the first look the same
    caption = "Mean squared error by epoch, in variances of the target; all profiles, first member."
    return Section("Training", [], [(caption, loss_figure(shown))], [])


def validation_section(outcome: Outcome, data: TrainingData) -> Section:
    """Show how well each model predicts each layer under one protocol."""
    table, prop = outcome.table, outcome.wanted
    layers = [layer_name(layer) for layer in outcome.layers]
    by_layer = {model: rows.set_index("layer").loc[layers] for model, rows in table.groupby("model", sort=False)}
    figures: list[tuple[str, Figure]] = []
    for metric, label in (("r2", "R²"), ("rmse", f"RMSE ({prop.unit})")):
        shows_spread = metric == "rmse" and outcome.n_folds > 1
        spread = {model: rows["rmse_sd"] for model, rows in by_layer.items()} if shows_spread else None
        curves = {model: rows[metric] for model, rows in by_layer.items()}
        caption = f"{label} by depth" + ("; bars: standard deviation over folds." if spread else ".")
        figures.append((caption, by_depth_figure(layers, curves, spread=spread, y_label=label)))
    panels, texts, pooled = {}, {}, {}
    for kind, predicted in outcome.predicted.items():
        mean = mean_of_repeats(predicted)
        seen = np.isfinite(mean) & np.isfinite(outcome.observed)
        name = MODELS[kind]
        panels[name] = (outcome.observed[seen], mean[seen])
        pooled[name] = mean
        row = table[(table.model == name) & (table.layer == "all")].iloc[0]
        texts[name] = f"R² {row.r2:.2f}  RMSE {row.rmse:.3g}"
    scatter = predicted_measured_figure(panels, unit=prop.unit, texts=texts, name=prop.name)
    figures.append(("Predicted against measured, all layers.", scatter))
    both = np.isfinite(outcome.observed) & np.all([np.isfinite(mean) for mean in pooled.values()], axis=0)
    figures.append(
        (
            "Densities of observed and predicted values at three levels of the observed.",
            density_figure(
                outcome.observed[both],
                {name: mean[both] for name, mean in pooled.items()},
                unit=prop.unit,
                name=prop.name,
            ),
        )
    )
    top = outcome.observed[:, 0]
    bias = {
        name: np.where(top > 0, 100 * (mean[:, 0] - top) / np.where(top > 0, top, 1), np.nan)
        for name, mean in pooled.items()
    }
    unit = "m" if data.projected else "degrees"
    caption = f"Relative bias at {layers[0]}: (predicted - observed) / observed."
    figures.append((caption, relative_bias_figure(data.x, data.y, bias, ground_unit=unit)))
    tables = [("Test figures by layer; rmse_sd over folds", table)]
    if len(outcome.predicted) > 1 and outcome.n_folds > 1:
        tables.append(("Who has the smallest RMSE; difference to the forest, fold by fold", winners(outcome)))
    if data.zones is not None:
        tables.append(("By zone, all layers", by_zone(outcome, data.zones)))
    return Section(f"Validation: {outcome.protocol}, {prop.name}", [PROTOCOLS[outcome.protocol]], figures, tables)


def winners(outcome: Outcome) -> pd.DataFrame:
    """Return, for each layer, the model with the smallest RMSE and what it gains over the forest, paired by fold."""
    rows = []
    table = outcome.table
    for k, name in enumerate([*map(layer_name, outcome.layers), "all"]):
        own = table[(table.layer == name) & table.rmse.notna()]
        if own.empty:
            continue
        best = own.sort_values("rmse", kind="stable").iloc[0]
        row: dict[str, object] = {"layer": name, "best": best.model, "rmse": best.rmse}
        kind = next(kind for kind, title in MODELS.items() if title == best.model)
        if "forest" in outcome.predicted:
            layer = slice(None) if name == "all" else slice(k, k + 1)
            observed = outcome.observed[:, layer]
            best_rmse, forest_rmse = (
                rmse_by_fold(outcome.predicted[one][:, :, layer], observed, outcome.folds) for one in (kind, "forest")
            )
            row["minus_rf"], row["standard_error"] = mean_and_error(best_rmse - forest_rmse)
        rows.append(row)
    return pd.DataFrame(rows)


def by_zone(outcome: Outcome, zones: np.ndarray) -> pd.DataFrame:
    """Return figures of each model in each zone, all layers together; zones of fewer than 3 values are left out."""
    rows = []
    for zone in np.unique(zones):
        for kind, predicted in outcome.predicted.items():
            mean = mean_of_repeats(predicted)[zones == zone]
            observed = outcome.observed[zones == zone]
            seen = np.isfinite(mean) & np.isfinite(observed)
            if seen.sum() < 3:
                continue
            figures = regression_metrics(observed[seen], mean[seen])
            rows.append(
                {"zone": zone, "model": MODELS[kind], "n": int(seen.sum())}
                | {metric: figures[metric] for metric in ("r2", "rmse", "bias")}
            )
    return pd.DataFrame(rows)


def ablation_section(rmse: dict[int, np.ndarray], layers: Sequence[str], prop: Property) -> Section:
    """Show the RMSE of the transfer network by how many layers were kept from pre-training.

    rmse: number of frozen layers -> `(layer,)` on held-out profiles.
    """
    numbers = sorted(rmse)
    shown = {name: [rmse[number][k] for number in numbers] for k, name in enumerate(layers)}
    figure = by_depth_figure([str(number) for number in numbers], shown, y_label=f"RMSE ({prop.unit})")
    figure.axes[0].set_xlabel("layers frozen", fontsize=10)
    text = [
        "Layers 1 to 3 are convolutions, the rest fully connected; the held-out profiles are those of the first fold: "
        "one split shows a tendency, no more."
    ]
    return Section("Frozen layers", text, [("RMSE by the number of layers kept from pre-training.", figure)], [])
