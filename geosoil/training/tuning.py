"""The search for an architecture of the spectral 1D-CNN: Optuna's TPE, judged fold by fold, on disk if wanted."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError
from geosoil.estimators.base import mean_and_spread
from geosoil.estimators.fold_trainer import split_folds, train_fold
from geosoil.estimators.spectral_cnn import SpectralCNN
from geosoil.estimators.tuning_journal import open_study
from geosoil.io.journal import Identity, resumed_note
from geosoil.networks.architectures import count_parameters
from geosoil.training.search_space import SearchSpace, first_proposal, fits, propose

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    import optuna

    from geosoil.networks.architectures import Architecture
    from geosoil.networks.loop import Device
    from geosoil.samples.splits import Split

_FEW_FOR_FOLDS = 50  # below, a fold of ten is a handful
_RANDOM_TRIALS = 10  # before TPE has anything to learn from
_BEFORE_PRUNING = 5  # complete trials, before their median judges the next
_REFUSED_FOR_ONE_TRAINED = 50  # proposals too large or too short, before the search gives up


@dataclass(frozen=True, eq=False)
class Tuned:
    """What a search found.

    architecture, settings: of the best trial (`learning_rate`, `batch_size`); rmse: over its folds, in y's unit, and
    optimistic twice over, since the folds chose the epochs and the trial. history: a row for each trial: its `state`
    (complete, pruned: worse than the median after some folds, refused: too large or too short, failed), `rmse`,
    `n_parameters`, `n_folds` it was judged by, `seconds`, and `architecture` and `settings` as JSON. notes: what to
    know.
    """

    architecture: Architecture
    settings: dict[str, Any]
    rmse: float
    history: pd.DataFrame
    base: SpectralCNN
    notes: list[str] = field(default_factory=list)

    def estimator(self, **settings: Any) -> SpectralCNN:
        """Return the estimator to fit: on the same rows its folds give the nets that the search judged."""
        found = {"architecture": self.architecture, **self.settings}
        return SpectralCNN(**(self.base.get_params() | found | settings))


def tune(
    X: np.ndarray,
    y: np.ndarray,
    *,
    space: SearchSpace | None = None,
    n_trials: int = 50,
    minutes: float | None = None,
    storage: str | os.PathLike[str] | None = None,
    n_folds: int = 10,
    groups: np.ndarray | None = None,
    final: Literal["folds", "refit"] = "folds",
    epochs: int = 300,
    patience: int = 30,
    seed: int = 0,
    device: Device = "cpu",
    progress: Callable[[str, int, int], None] | None = None,
) -> Tuned:
    """Search the architecture with the smallest RMSE over the folds of the rows given, which are training rows.

    X `(sample, band)` preprocessed spectra, y `(sample,)`; groups `(sample,)` stay in one fold.
    n_trials: trained architectures, those that are pruned after some folds included. The first is always "small".
    minutes: no new fold begins after them, once one trial is complete; the result then depends on the machine, else on
    `seed` alone. storage: a journal of JSON lines; a search that was stopped goes on from it as if it never had been,
    and one that was done goes further if n_trials has grown.
    final, epochs, patience, device: of `SpectralCNN`. progress: called with "trials", those done and n_trials.

    Warns below 50 rows, and where the best is no better than the mean of y. Raises SamplesError below 10 rows or for
    NaN, RecipeError for a space in which nothing can be built, OutputError for the journal of another search.

    >>> X = np.linspace(-1, 1, 60)[:, None] * np.linspace(1, 2, 20)
    >>> found = tune(X, X[:, 0], n_trials=1, n_folds=2, epochs=2)
    >>> found.history.state.tolist(), found.architecture["convolutions"][0]["filters"]
    (['complete'], 16)
    """
    if n_trials < 1:
        raise RecipeError("search", found=f"n_trials = {n_trials}", expected="1 or more", way_out="raise it")
    space = space or SearchSpace()
    ends_at = np.inf if minutes is None else time.monotonic() + 60 * minutes
    base = SpectralCNN(n_folds=n_folds, final=final, epochs=epochs, patience=patience, device=device, random_state=seed)
    X, y = base.checked_rows(X, y)
    if len(y) < _FEW_FOR_FOLDS and final == "folds":
        warnings.warn(
            f"tune: {len(y)} rows, so {n_folds} folds hold about {len(y) / n_folds:.0f} each, and chance has a part in "
            "which architecture wins and where its training stops; final='refit' at least stops by their median",
            stacklevel=2,
        )
    folds = split_folds(len(y), n_folds, groups, seed)
    inputs = {"space": asdict(space), "n_folds": n_folds, "epochs": epochs, "patience": patience, "seed": seed}
    arrays = {"X": X, "y": y} | {f"fold {i}": held_back for i, (_, held_back) in enumerate(folds, start=1)}
    study, n_resumed = open_study(storage, Identity.of(inputs, arrays), n_before_pruning=_BEFORE_PRUNING)
    notes = [resumed_note(n_resumed, "trials")] if n_resumed else []
    while (n_done := _count(study, "trained")) < n_trials:
        if time.monotonic() > ends_at and _count(study, "complete"):
            break
        trial, estimator = _ask(study, base, space, X.shape[1])
        if not _judge(study, trial, estimator, X, y, folds, ends_at):
            break
        if progress is not None:
            progress("trials", n_done + 1, n_trials)
    if n_done < n_trials:
        notes.append(f"stopped after {minutes:g} minutes with {n_done} of {n_trials} trials")
    if not _count(study, "complete"):
        raise RecipeError(
            "search", found="no trial whose folds all gave numbers", expected="one", way_out="lower learning_rate"
        )
    best, spread = study.best_trial, float(y.std())
    rmse = float(best.values[0])
    notes.append(f"RMSE {rmse:.4g}, the least of {n_done} trials, by folds that also chose the epochs: optimistic")
    if rmse >= spread:
        notes.append(f"no architecture predicts better than the mean of y, whose RMSE is {spread:.4g}")
        warnings.warn(f"tune: {notes[-1]}", stacklevel=2)
    architecture, settings = (json.loads(best.user_attrs[name]) for name in ("architecture", "settings"))
    return Tuned(architecture, settings, rmse, _history(study), base, notes)


def _ask(
    study: optuna.Study, base: SpectralCNN, space: SearchSpace, n_bands: int
) -> tuple[optuna.trial.Trial, SpectralCNN]:
    """Return the next trial that can be trained, and its estimator; the others are told to the study as refused."""
    import optuna

    n_allowed = _REFUSED_FOR_ONE_TRAINED * (_count(study, "trained") + 1)
    while (n_refused := _count(study, "refused")) < n_allowed:
        n_before = _count(study, "trained") + n_refused
        # Seeded by what is done: a search goes on from its journal as if it had not been stopped.
        study.sampler = optuna.samplers.TPESampler(seed=base.random_state + n_before, n_startup_trials=_RANDOM_TRIALS)
        if n_before == 0 and not study.get_trials(False, (optuna.trial.TrialState.WAITING,)):
            study.enqueue_trial(first_proposal(space))
        trial = study.ask()
        architecture, settings = propose(trial, space)
        trial.set_user_attr("architecture", json.dumps(architecture))
        trial.set_user_attr("settings", json.dumps(settings))
        if fits(architecture, n_bands, space.max_parameters):
            trial.set_user_attr("n_parameters", count_parameters(architecture, n_bands))
            return trial, SpectralCNN(**(base.get_params() | {"architecture": architecture} | settings))
        trial.set_user_attr("state", "refused")
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    raise RecipeError(
        "search space",
        found=f"{n_refused} architectures for {n_bands} bands that are too large or too short",
        expected="one in fifty that can be trained",
        way_out=f"raise max_parameters ({space.max_parameters}), or narrow filters, nodes, kernel and stride",
    )


def _judge(
    study: optuna.Study,
    trial: optuna.trial.Trial,
    estimator: SpectralCNN,
    X: np.ndarray,
    y: np.ndarray,
    folds: list[Split],
    ends_at: float,
) -> bool:
    """Train a trial fold by fold and tell the study; False where the time ran out before it was judged."""
    from optuna.trial import TrialState

    mean, spread = mean_and_spread(y)
    squares: list[float] = []
    began, state, rmse = time.monotonic(), "complete", np.inf
    for i, (training, held_back) in enumerate(folds):
        if time.monotonic() > ends_at and _count(study, "complete"):
            study.tell(trial, state=TrialState.FAIL)
            return False
        try:
            net = train_fold(estimator, X, (y - mean) / spread, training, held_back, seed=i)
        except RecipeError:  # this proposal's loss is no longer a number: it loses, and the search goes on
            state = "failed"
            break
        squares.extend(net.errors**2)
        rmse = float(np.sqrt(np.mean(squares))) * spread
        trial.report(rmse, i)
        if i + 1 < len(folds) and trial.should_prune():
            state = "pruned"
            break
    trial.set_user_attr("state", state)
    trial.set_user_attr("seconds", round(time.monotonic() - began, 3))
    if state == "complete":
        study.tell(trial, rmse)
    else:
        study.tell(trial, state=TrialState.PRUNED)
    return True


def _count(study: optuna.Study, state: str) -> int:
    """Return how many trials ended so; "trained" are all that were not refused."""
    states = [trial.user_attrs.get("state") for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    if state == "trained":
        return sum(one in ("complete", "pruned", "failed") for one in states)
    return states.count(state)


def _history(study: optuna.Study) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for trial in study.get_trials(deepcopy=False):
        said = trial.user_attrs
        if "state" in said and trial.state.is_finished():
            rmse = trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else np.nan
            rows.append(
                {
                    "trial": len(rows) + 1,
                    "state": said["state"],
                    "rmse": rmse,
                    "n_folds": len(trial.intermediate_values),
                    "n_parameters": said.get("n_parameters"),
                    "seconds": said.get("seconds"),
                    "architecture": said["architecture"],
                    "settings": said["settings"],
                }
            )
    return pd.DataFrame(rows)
