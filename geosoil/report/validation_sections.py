"""The sections of a report on the accuracy of models, one for each split."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import ALL_DEPTHS, ALL_DEPTHS_MEANING, METRICS, regression_metrics
from geosoil.evaluate.resampling import mean_over_repeats
from geosoil.pipeline.splits import SPLITS
from geosoil.pipeline.validation import WITH_INTERVAL
from geosoil.report.depth_figures import by_depth_figure, density_figure, relative_bias_figure
from geosoil.report.page import Section, format_number
from geosoil.report.training_figures import learning_curves_figure
from geosoil.report.validation_figures import (
    distances_figure,
    folds_figure,
    predicted_measured_figure,
    rmse_change_figure,
    rounds_figure,
)
from geosoil.samples.clustering import is_clustered
from geosoil.samples.knndm import RANDOM_FROM, closer_test
from geosoil.samples.nearest_distances import (
    difference_of_distances,
    fold_distances,
    prediction_distances,
    sample_distances,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.validation import Outcome

MOST_PANELS = 6  # of predicted against measured


def validation_section(outcome: Outcome, rows: TrainingRows) -> Section:
    """Show how accurate each candidate is by one split."""
    method = SPLITS[outcome.split]
    table = outcome.table
    text = [method.meaning, "Every choice is made again inside the training rows." if not method.leaks else ""]
    text += ["Figures are means over repeats of the test rows; ranges in brackets are 95 % bootstrap intervals."]
    xy_m = rows.xy_m
    if method.is_random and xy_m is not None and is_clustered(xy_m):
        text.insert(
            0,
            "The samples are clustered, so that random test rows have training rows close by: these figures flatter a "
            "map. Add 'spatial' to validation.split to see what the map is worth away from the samples.",
        )
    if (table.target == ALL_DEPTHS).any():
        text.append(ALL_DEPTHS_MEANING)
    figures = _scatter_figures(outcome, table)
    if outcome.has_depths and len(outcome.targets) > 1:
        figures += _depth_figures(outcome, table, rows)
    else:
        figures += _repeat_figures(outcome)
    curves = _learning_curves(outcome)
    if curves:
        caption = "Losses by epoch, one line per split; in variances of the target."
        figures.append((caption, learning_curves_figure(curves)))
    if rows.xy is not None and outcome.folds.max() > 0:
        figure = folds_figure(rows.xy, outcome.folds[0], ground_unit=rows.ground_unit)
        figures.append(("The fold that tests each sample (first repeat).", figure))
    tables = [
        ("Accuracy on test rows, with 95 % intervals", accuracy_table(table, outcome.targets[0].unit)),
        ("Further figures of test rows, and those of training rows", further_table(table)),
    ]
    if rows.zones is not None:
        tables.append(("Accuracy by zone", zone_table(outcome, rows.zones)))
    title = f"Accuracy: {method.title}" + (" (leaks)" if method.leaks else "")
    return Section(title, [line for line in text if line], figures, tables)


def accuracy_table(table: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Return the main figures of a table of accuracy, under names and units that can be read.

    Parameters
    ----------
    table : DataFrame
        One row per candidate and target, as `Outcome.table`.
    unit : str
        The unit of the targets.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> row = {"target": "soc", "model": "PLSR", "n": 40, "test_r2": 0.71, "test_r2_low": 0.6, "test_r2_high": 0.8}
    >>> accuracy_table(pd.DataFrame([row]), "%").iloc[0].to_dict()
    {'model': 'PLSR', 'n': 40, 'R²': '0.71 (0.60 to 0.80)'}
    """
    several = table.target.nunique() > 1
    columns: dict[str, list[object]] = {"target": table.target.tolist()} if several else {}
    columns |= {"model": table.model.tolist(), "n": table.n.tolist()}
    for name in ("r2", "r2_ln", "rmse", "rpiq", "ccc", "bias"):
        if f"test_{name}" not in table:
            continue
        metric = METRICS.get(name)
        title = metric.title if metric is not None else "R² of ln"
        label = f"{title} ({unit})" if metric is not None and metric.has_unit and unit else title
        columns[label] = [_with_interval(row, name) for _, row in table.iterrows()]
    return pd.DataFrame(columns)


def _with_interval(row: pd.Series, name: str) -> object:
    """Return a figure with its interval in brackets where it has one."""
    value, low, high = (row.get(f"test_{name}{end}") for end in ("", "_low", "_high"))
    if low is None or high is None:
        return value
    if name == "r2":
        return f"{value:.2f} ({low:.2f} to {high:.2f})"
    return f"{format_number(value)} ({format_number(low)} to {format_number(high)})"


def further_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return the other figures of a table of accuracy: one row per figure, one column per candidate and target.

    >>> row = {"target": "soc", "model": "PLSR", "n": 40, "test_r2": 0.71, "train_r2": 0.9, "n_features": 71.0}
    >>> further_table(pd.DataFrame([row])).to_dict("list")
    {'figure': ['R², training rows', 'number of features'], 'PLSR': [0.9, '71']}
    """
    several = table.target.nunique() > 1
    names = [f"{row.model}, {row.target}" if several else row.model for row in table.itertuples()]
    figures: dict[str, list[Any]] = {}
    for column in table.columns:
        part, _, name = column.partition("_")
        metric = METRICS.get(name)
        if metric is not None and (part == "train" or (part == "test" and name in ("r", "mae", "rpd", "kge"))):
            figures[metric.title + (", training rows" if part == "train" else "")] = table[column].tolist()
    others = {
        "test_r2_sd": "R², standard deviation over repeats",
        "test_rmse_sd": "RMSE, standard deviation over folds",
        "test_bias_pct": "bias in % of the mean",
        "n_features": "number of features",
    }
    figures |= {title: table[column].tolist() for column, title in others.items() if column in table}
    counts = figures.get("number of features", [])  # beside other figures, pandas makes whole numbers decimal
    figures |= {"number of features": [format_number(n if np.isnan(n) else int(n)) for n in counts]} if counts else {}
    return pd.DataFrame([{"figure": title} | dict(zip(names, row, strict=True)) for title, row in figures.items()])


def distances_section(outcomes: Sequence[Outcome], rows: TrainingRows) -> Section | None:
    """Show which split resembles the use of the map, by distances to the nearest sample.

    Returns None where the places of samples or of the map are unknown.
    """
    samples, places = rows.xy_m, rows.map_places_m
    if samples is None or places is None or len(samples) < 2:
        return None
    to_map, between = prediction_distances(samples, places), sample_distances(samples)
    by_split = {
        SPLITS[outcome.split].title: fold_distances(samples, [split for split in outcome.splits if split.repeat == 0])
        for outcome in outcomes
        if not outcome.leaks
    }
    table = pd.DataFrame(
        [
            {"distance": name, "median_m": np.nanmedian(values), "w_m": difference_of_distances(values, to_map)}
            for name, values in {"from the map to the samples": to_map, "between samples": between, **by_split}.items()
        ]
    )
    text = [
        f"Half of the map is within {format_number(np.median(to_map))} m of a sample. A split shows the accuracy of "
        "the map if its test rows are as far from the rows that are learned from as the map is from the samples. w_m "
        "is the mean difference of the two distributions of distances in metres (Wasserstein distance)."
    ]
    if by_split:
        w_m = table.set_index("distance").w_m[list(by_split)]
        text.append(f"The split of this report with the smallest w_m, {format_number(w_m.min())}, is: {w_m.idxmin()}.")
    if closer_test(between, to_map)[1] >= RANDOM_FROM:
        text.append("Samples are not closer to each other than the map is to them, so that random folds suit this map.")
    elif all(SPLITS[outcome.split].is_random for outcome in outcomes):
        text.append(
            "Samples are closer to each other than the map is to them, so that random folds flatter the map: add "
            "'knndm' to validation.split."
        )
    caption = (
        f"Share of {len(places)} places of the map, and of test rows, with a sample to learn from within a distance."
    )
    figures = [(caption, distances_figure(to_map, between, by_split))]
    title = "Distances: which split resembles the map"
    return Section(title, text, figures, [("Distances to the nearest sample", table)])


def _scatter_figures(outcome: Outcome, table: pd.DataFrame) -> list[tuple[str, Figure]]:
    figures = []
    for k, target in enumerate(outcome.targets[:1] if outcome.has_depths else outcome.targets):
        rows = table[table.target == (outcome.target_names[k])]
        best = rows.sort_values("test_r2", ascending=False, kind="stable").model.head(MOST_PANELS).tolist()
        panels, texts = {}, {}
        for name in [name for name in outcome.predicted if name in best]:
            predicted = outcome.predicted[name]
            if outcome.has_depths:
                mean, observed = _mean_of_repeats(predicted).ravel(), outcome.observed.ravel()
            else:
                mean, observed = _mean_of_repeats(predicted)[:, k], outcome.observed[:, k]
            known = np.isfinite(mean) & np.isfinite(observed)
            panels[name] = observed[known], mean[known]
            of_model = table[(table.model == name) & (table.target != ALL_DEPTHS)]
            if outcome.has_depths and len(of_model) > 1:  # not the R2 of all depths, which is high for any model
                r2, rmse = of_model.test_r2, of_model.test_rmse
                texts[name] = (
                    f"single depths:\nR² {r2.min():.2f} to {r2.max():.2f}\nRMSE {rmse.min():.3g} to {rmse.max():.3g}"
                )
            else:
                row = of_model[of_model.target == outcome.target_names[k]].iloc[0]
                texts[name] = f"R² {row.test_r2:.2f}  RMSE {row.test_rmse:.3g}"
        caption = "Predicted against measured values of test rows, mean of the repeats."
        name = "" if outcome.has_depths else target.name
        figure = predicted_measured_figure(panels, unit=target.unit, texts=texts, name=name)
        figures.append((caption, figure))
    return figures


def _repeat_figures(outcome: Outcome) -> list[tuple[str, Figure]]:
    """Draw R2 of each repeat, and the RMSE of each model compared with the first one."""
    first, *others = outcome.predicted
    figures: list[tuple[str, Figure]] = []
    if len(outcome.predicted[first]) > 2:
        r2 = {name: _r2_by_repeat(outcome, name) for name in outcome.predicted}
        figures.append(("R² of each repeat; the box has the middle half.", rounds_figure(r2, y_label="R²")))
    if others:
        reference = outcome.rmse_by_repeat(first, 0)
        changes = {name: 100 * (reference - outcome.rmse_by_repeat(name, 0)) / reference for name in others}
        caption = f"RMSE compared with {first}; points are repeats, lines their standard deviation."
        figures.append((caption, rmse_change_figure(changes, reference=first)))
    return figures


def _r2_by_repeat(outcome: Outcome, name: str) -> np.ndarray:
    observed, r2 = outcome.observed[:, 0], METRICS["r2"].function
    return np.array([mean_over_repeats(r2, observed, repeat[None, :, 0]) for repeat in outcome.predicted[name]])


def _learning_curves(outcome: Outcome) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Return training and stopping losses of the networks that have both, one pair per split."""
    curves = {}
    for name, details in outcome.details.items():
        pairs = [(d["losses"], d["stopping_losses"]) for d in details if d.get("stopping_losses") is not None]
        if pairs and all(np.ndim(losses) == 1 for pair in pairs for losses in pair):
            curves[name] = pairs
    return curves


def _depth_figures(outcome: Outcome, table: pd.DataFrame, profiles: TrainingRows) -> list[tuple[str, Figure]]:
    assert profiles.layers_cm is not None
    layers = [f"{top:g}-{bottom:g} cm" for top, bottom in profiles.layers_cm]
    name = outcome.targets[0].name.removesuffix(layers[0]).strip()
    by_model = {
        model: rows.set_index("target").loc[list(outcome.target_names)]
        for model, rows in table.groupby("model", sort=False)
    }
    figures = []
    for metric in WITH_INTERVAL:
        label = METRICS[metric].title + (f" ({outcome.targets[0].unit})" if METRICS[metric].has_unit else "")
        curves = {str(model): rows[f"test_{metric}"].to_numpy() for model, rows in by_model.items()}
        figures.append((f"{label} by depth.", by_depth_figure(layers, curves, y_label=label)))
    means = {model: _mean_of_repeats(predicted) for model, predicted in outcome.predicted.items()}
    known = np.isfinite(outcome.observed) & np.all([np.isfinite(mean) for mean in means.values()], axis=0)
    values = {model: mean[known] for model, mean in means.items()}
    figure = density_figure(outcome.observed[known], values, unit=outcome.targets[0].unit, name=name)
    figures.append(("Densities of measured and predicted values at three levels of the measured ones.", figure))
    if profiles.xy is not None:
        top = outcome.observed[:, 0]
        safe = np.where(top > 0, top, np.nan)
        bias = {model: 100 * (mean[:, 0] - top) / safe for model, mean in means.items()}
        x, y = profiles.xy.T
        figure = relative_bias_figure(x, y, bias, ground_unit=profiles.ground_unit)
        figures.append((f"Relative bias at {layers[0]}: (predicted - measured) / measured.", figure))
    return figures


def zone_table(outcome: Outcome, zones: np.ndarray) -> pd.DataFrame:
    """Return the accuracy of each candidate for each target in each zone with three test values or more."""
    rows = []
    for zone in np.unique(zones):
        for name, predicted in outcome.predicted.items():
            means = _mean_of_repeats(predicted)[zones == zone]
            for target, mean, observed in zip(
                outcome.target_names, means.T, outcome.observed[zones == zone].T, strict=True
            ):
                known = np.isfinite(mean) & np.isfinite(observed)
                if known.sum() >= 3:
                    figures = regression_metrics(observed[known], mean[known])
                    row = {"zone": zone, "target": target, "model": name, "n": int(known.sum())}
                    rows.append(row | {f"test_{metric}": figures[metric] for metric in ("r2", "rmse", "bias")})
    return pd.DataFrame(rows)


def _mean_of_repeats(predicted: np.ndarray) -> np.ndarray:
    """Return the mean over repeats, shape (n, n_targets), NaN where a row was never tested."""
    count = np.isfinite(predicted).sum(axis=0)
    total = np.nansum(predicted, axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
