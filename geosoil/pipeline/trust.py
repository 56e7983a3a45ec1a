"""The trust state of a model that is fitted to all rows, from the validation of the same recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GeosoilError, SamplesError
from geosoil.models.card import CoverageCard
from geosoil.models.composite import CompositeModel
from geosoil.models.pixel import PixelModel
from geosoil.models.trust import ModelTrust, TargetTrust
from geosoil.pipeline.regressors import rows_for
from geosoil.pipeline.scene_share import share_of_scene
from geosoil.pipeline.splits import SPLITS
from geosoil.trust.applicability import fit_applicability
from geosoil.trust.diagnostics import CARD_LEVELS, LEVELS, coverage_by_level, nested_bounds
from geosoil.trust.feature_weights import FeatureWeights, feature_weights
from geosoil.trust.intervals import fit_intervals
from geosoil.trust.local_scale import DISSIMILARITY, SPREAD
from geosoil.trust.scores import Scores, pool_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Model
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.scene_share import SceneShare
    from geosoil.pipeline.splits import SplitMethod
    from geosoil.pipeline.task import Candidate
    from geosoil.pipeline.validation import Outcome
    from geosoil.trust.applicability import Applicability

FLATTERING = ("rank", "kennard_stone")  # splits that leave easy rows for the test
MOST_STORED = 20_000_000  # values of the training rows that a model folder holds for its area of applicability


@dataclass(frozen=True, eq=False)
class FittedTrust:
    """A trust state with the scores that it was fitted to, for reports.

    Parameters
    ----------
    state : ModelTrust
    outcome : Outcome
        The validation that the scores come from.
    scores : dict of str to Scores
        By the name of the target.
    bounds : dict of str to ndarray of shape (n_levels, 2, n_scores)
        By the name of the target, the intervals of the scores at `LEVELS` by states of other rows.
    notes : list of str
        What could not be computed, and why.
    scene : SceneShare, optional
        How much of the cube of the recipe lies within the area of applicability.
    """

    state: ModelTrust
    outcome: Outcome
    scores: dict[str, Scores]
    bounds: dict[str, np.ndarray]
    notes: list[str]
    scene: SceneShare | None = None

    def of_scene(self, loaded: LoadedRecipe, model: Model) -> FittedTrust:
        """Return the same state with the share of the cube of a recipe, or a note on why it is unknown."""
        try:
            return replace(self, scene=share_of_scene(loaded, model, self.state))
        except GeosoilError as error:
            note = f"The share of the cube within the area of applicability is unknown: {error}"
            return replace(self, notes=[*self.notes, note])


def fit_trust(
    model: Model, candidate: Candidate, rows: TrainingRows, learned: np.ndarray, outcomes: Sequence[Outcome]
) -> FittedTrust | None:
    """Compute the trust state of a model from out-of-fold predictions of the same candidate.

    The split is the first one that resembles the map (kNNDM, NNDM), else the first one that tests places away from the
    training rows, else the first one.

    Parameters
    ----------
    model : Model
        Fitted to the rows `learned`.
    candidate : Candidate
    rows : TrainingRows
    learned : ndarray of int, shape (n_learned,)
    outcomes : sequence of Outcome
        Validations by honest splits.

    Returns
    -------
    FittedTrust or None
        None without a validation.
    """
    if not outcomes:
        return None
    outcome = min(outcomes, key=lambda outcome: _preference(outcome.split))
    title, notes = SPLITS[outcome.split].title, []
    try:
        area = fit_area(model, candidate, rows, learned, outcome)
    except SamplesError as error:
        area, note = None, str(error)
        notes.append(f"The model has no area of applicability: {note}")
    spread = _spread(outcome, candidate.name)
    targets, scores, bounds = {}, {}, {}
    for k, target in enumerate(rows.targets):
        indicators = {} if spread is None else {SPREAD: spread[:, :, k]}
        if area is not None and len(learned) == len(rows):
            indicators[DISSIMILARITY] = area.training_index[None]
        try:
            known = pool_scores(
                outcome.observed[:, k], outcome.predicted[candidate.name][:, :, k], outcome.folds,
                indicators=indicators, split=title,
            )  # fmt: skip
        except SamplesError:
            notes.append(f"{target.column} has no prediction intervals: none of its rows were tested.")
            continue
        logarithm = target.log != "none"
        ends = nested_bounds(known, LEVELS, logarithm=logarithm, valid_range=target.valid_range)
        table = coverage_by_level(known.observed, ends, LEVELS)
        stated = table[table.level.isin(CARD_LEVELS) & (table.n > 0)]
        coverage = tuple(
            CoverageCard(level=row.level, n=int(row.n), covered=row.covered, mean_width=row.mean_width)
            for row in stated.itertuples()
        )
        rmse = float(np.sqrt(np.mean((known.predicted - known.observed) ** 2)))
        targets[target.column] = TargetTrust(fit_intervals(known, logarithm=logarithm), rmse, coverage)
        scores[target.column], bounds[target.column] = known, ends
    return FittedTrust(ModelTrust(targets, title, area), outcome, scores, bounds, notes)


def _preference(split: str) -> int:
    method: SplitMethod = SPLITS[split]
    if "map" in method.needs:  # its test rows are as far from the training rows as the map is from the samples
        return 0
    if method.keeps_groups or "places" in method.needs:
        return 1
    return 3 if split in FLATTERING else 2


def fit_area(
    model: Model, candidate: Candidate, rows: TrainingRows, learned: np.ndarray, outcome: Outcome
) -> Applicability:
    """Return the area of applicability of a model, in the features that it reads.

    The threshold has the distances of the split of a validation where the model is fitted to all rows.

    Raises
    ------
    SamplesError
        If the rows have missing values, do not vary, or are too many to be stored.
    """
    columns = rows.centres if model.halo else rows_for(candidate, rows)
    X = np.ascontiguousarray(columns[learned][:, model.used_columns])
    if X.size > MOST_STORED:
        raise SamplesError(
            "area of applicability",
            found=f"{len(X)} training rows of {X.shape[1]} features",
            expected=f"at most {MOST_STORED} values",
            way_out="the model is saved without it",
        )
    weights = _weights(model, columns[learned])
    return fit_applicability(
        X,
        weights=FeatureWeights(weights.values[model.used_columns], weights.source),
        splits=outcome.splits if len(learned) == len(rows) else None,
        split=SPLITS[outcome.split].title,
    )


def _weights(model: Model, X: np.ndarray) -> FeatureWeights:
    """Return the weights of all training columns: those of the estimator, or the mean of those of the members."""
    if isinstance(model, PixelModel):
        return feature_weights(model.estimator, X)
    equal = FeatureWeights(np.ones(X.shape[1]), "equal")
    if not isinstance(model, CompositeModel) or model.halo:
        return equal
    places = {column.name: i for i, column in enumerate(model.training_columns)}
    total, sources = np.zeros(X.shape[1]), []
    for member in model.members:
        names = [column.name for column in member.training_columns]
        if not set(names) <= set(places):
            return equal  # a member reads what another one predicts
        at = [places[name] for name in names]
        weights = _weights(member, X[:, at])
        total[at] += weights.values
        sources.append(weights.source)
    return FeatureWeights(total / total.mean(), sources[0] if len(set(sources)) == 1 else "members")


def _spread(outcome: Outcome, name: str) -> np.ndarray | None:
    """Return the spreads of tested rows, shape (n_repeats, n, n_targets), if the models of all splits have one."""
    spread = np.full(outcome.predicted[name].shape, np.nan)
    for division, details in zip(outcome.splits, outcome.details[name], strict=True):
        if "spread" not in details:
            return None
        spread[division.repeat, division.test] = details["spread"]
    return spread


def trust_sentence(trust: ModelTrust, name: str, unit: str, level: float = 0.9) -> str:
    """Return what is known of the errors of a target, in a sentence.

    The coverage is nested: the interval of a row is computed from the errors of the rows of other folds.
    """
    target = trust.targets[name]
    text = f"{name}: error ± {_number(target.rmse)} {unit}".rstrip()
    found = next((c for c in target.coverage if c.level == level), None)
    if found is None:
        widest = 100 * target.intervals.widest_level
        return f"{text} in {trust.split}; too few samples for {100 * level:g} % intervals (at most {widest:.0f} %)"
    return (
        f"{text}; {100 * level:g} % intervals covered {100 * found.covered:.0f} % in {trust.split}, "
        f"with a mean width of {_number(found.mean_width)} {unit}".rstrip()
    )


def _number(value: float) -> str:
    return f"{value:.2g}" if value < 100 else f"{value:.0f}"
