"""Propose models, validation, logarithms and valid ranges that suit the training rows of a recipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.io.tables.columns import words_of
from geosoil.samples.clustering import LEAST_PLACES, choose_block_m, clark_evans_ratio, count_blocks, is_clustered

if TYPE_CHECKING:
    from geosoil.pipeline.rows import TrainingRows

STRONG_SKEWNESS = 1.0
SHARED_SHARE = 0.05  # of the samples; more of them at one place are kept together
MOST_FOLDS = 10
LEAST_BLOCKS = 4
MOST_FOR_AUTO = 2000
"""The largest number of samples of one target for which `auto` is fitted and validated in minutes."""
MOST_VALUES_FOR_AUTO = 1000
"""The same of several targets together; six depths of 325 profiles took over ten minutes on two cores."""
MOST_NUMBERS_FOR_AUTO = 4_000_000
MOST_OF_LOG = 10  # times the largest value, which a model of the logarithm may predict
LARGEST = {"%": 100.0, "g/kg": 1000.0, "mg/kg": 1e6, "ppm": 1e6, "mg/g": 1000.0, "g/100g": 100.0}


@dataclass
class Proposal:
    """Keys of a section of a recipe with their values, and the reasons as sentences."""

    values: dict[str, Any] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)


def propose_range(column: str, unit: str, values: np.ndarray, log: str = "none") -> tuple[tuple[float, float], str]:
    """Return the valid range of a property, and why; `log` is how its logarithm is modelled.

    Examples
    --------
    >>> propose_range("soc", "%", np.array([1.2, 3.0]))[0], propose_range("x", "", np.array([-1.0, 3.0]))[0]
    ((0.0, 100.0), (-inf, inf))
    >>> propose_range("zn", "mg/kg", np.array([20.0, 1672.0]), "smearing")[0]
    (0.0, 17000.0)
    """
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low < 0:
        return (-np.inf, np.inf), f"negative values occur, from {low:g} to {high:g}: no limits"
    largest = 14.0 if words_of(column)[:1] == ["ph"] or unit == "pH" else LARGEST.get(unit, np.inf)
    why = "predictions outside it are set to its ends; inf for no limit"
    if high > largest:
        return (0.0, np.inf), f"the largest value is {high:g}: check the unit; {why}"
    of_log = float(f"{MOST_OF_LOG * high:.2g}")
    if log != "none" and of_log < largest:  # exp of a predicted logarithm has no limit
        return (0.0, of_log), f"to {MOST_OF_LOG} times the largest value; {why.removesuffix('; inf for no limit')}"
    return (0.0, largest), why


def propose_log(column: str, values: np.ndarray) -> tuple[str, str]:
    """Return the setting `log` of a target, and why: the logarithm of positive and strongly skewed values.

    Examples
    --------
    >>> values = np.exp(np.random.default_rng(0).normal(size=100))
    >>> propose_log("zn", values)[0], propose_log("zn", np.log(values) + 5)[0]
    ('smearing', 'none')
    """
    from scipy.stats import skew

    values = values[np.isfinite(values)]
    if (values <= 0).any():
        return "none", "values of zero or less have no logarithm"
    before = float(skew(values))
    if before < STRONG_SKEWNESS:
        return "none", f'the skewness is {before:.1f}, which is not strong; "smearing" would fit ln({column})'
    after = float(skew(np.log(values)))
    if abs(after) > before / 2:
        return "none", f"the skewness is {before:.1f}, which the logarithm does not lower much ({after:.1f})"
    why = (
        f"the skewness is {before:.1f}, and {after:.1f} of the logarithm, so ln is fitted; predictions are means, "
        'or medians with "naive"'
    )
    return "smearing", why


def propose_models(
    *, spectral: bool, n: int, n_features: int, n_targets: int = 1, library: bool = False
) -> tuple[list[str], str]:
    """Return models that suit the number of samples, the one to train first, and why.

    `auto` fits its candidates to each target by itself. `library`: spectra of other sites are beside the samples.

    Examples
    --------
    >>> propose_models(spectral=True, n=60, n_features=200)[0]
    ['auto', 'gp', 'pls', 'svr', 'ridge']
    >>> propose_models(spectral=False, n=9000, n_features=9)[0]
    ['forest', 'pls', 'mlp']
    """
    if library:
        return ["spiked_pls", "rs_local_pls", "mbl", "pls"], f"{n} samples of one site, and a library to learn from"
    most = MOST_FOR_AUTO if n_targets == 1 else MOST_VALUES_FOR_AUTO
    if n * n_targets > most or n * n_features > MOST_NUMBERS_FOR_AUTO:
        size = f"{n} samples of {n_features} {'bands' if spectral else 'features'}"
        size += f" and {n_targets} targets" if n_targets > 1 else ""
        why = f"{size}: models that learn from many rows in little time"
        return (["pls", "ridge", "mlp"] if spectral else ["forest", "pls", "mlp"]), why
    if spectral:
        others = ["pls", "svr", "ridge" if n < 100 else "forest"]
    else:
        others = ["forest", "ridge" if n < 50 else "boosted_trees"]
    return ["auto", "gp", *others], "weighted mean of the models that predict unseen samples well"


def propose_validation(rows: TrainingRows, group: str | None, *, quick: bool = True) -> Proposal:
    """Return the section `[validation]`: folds of the user, groups, spatial blocks, or plain folds, and why.

    Parameters
    ----------
    rows : TrainingRows
    group : str or None
        The name of the column of groups.
    quick : bool
        Whether the model takes so little time that folds of few samples can be repeated more than twice.

    Returns
    -------
    Proposal
    """
    n = int(np.isfinite(rows.y).any(axis=1).sum())
    n_folds = min(MOST_FOLDS, max(2, n // 5))
    plain = {"n_folds": n_folds, "n_repeats": 5 if n < 100 and quick else 2 if n < 500 else 1}
    if rows.folds is not None and len(np.unique(rows.folds)) > 1:
        return Proposal({"split": ["folds"]}, ["The table has folds of its own, which are used."])
    if rows.groups is not None:
        n_groups = len(np.unique(rows.groups))
        return Proposal(
            {"split": ["groups", "random"], **plain, "n_folds": min(n_folds, n_groups)},
            [
                f"Samples of one {group} resemble each other and are tested together ({n_groups} groups): the first "
                "split is the accuracy where there are no samples. The second one shows how much neighbours help."
            ],
        )
    if rows.xy_m is not None and len(rows) >= LEAST_PLACES:
        return _propose_by_places(rows.xy_m, plain)
    why = "No group is known, and no places" if rows.xy is None else "No group is known"
    return Proposal({"split": ["random"], **plain}, [f"{why}: random folds. They show the accuracy between samples."])


def _propose_by_places(xy_m: np.ndarray, plain: dict[str, Any]) -> Proposal:
    shared = 1 - len(np.unique(xy_m.round(3), axis=0)) / len(xy_m)
    ratio = clark_evans_ratio(xy_m)
    if not is_clustered(xy_m) and shared <= SHARED_SHARE:
        return Proposal(
            {"split": ["random"], **plain},
            [
                f"Samples are spread over the area (Clark-Evans ratio {ratio:.2f}; below 0.7 they cluster): random "
                'folds show the accuracy of a map of this area. "spatial" would test whole blocks of it.'
            ],
        )
    block_m = choose_block_m(xy_m)
    n_blocks = count_blocks(xy_m, block_m)
    why = f"Samples cluster (Clark-Evans ratio {ratio:.2f}, 1 is random)"
    if shared > SHARED_SHARE:
        why = f"{shared:.0%} of the samples share their place with others".replace("%", " %")
    if n_blocks < LEAST_BLOCKS:
        return Proposal({"split": ["random"], **plain}, [f"{why}, but there are too few places for spatial blocks."])
    return Proposal(
        {"split": ["spatial", "random"], **plain, "n_folds": min(plain["n_folds"], n_blocks), "block_m": block_m},
        [
            f"{why}, so that random folds would test next to training samples. Blocks of {block_m:g} m hold whole "
            f"clusters; {n_blocks} of them have samples. The second split shows how much neighbours help."
        ],
    )
