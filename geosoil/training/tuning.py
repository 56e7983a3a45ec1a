"""Search for an architecture of the spectral 1D-CNN with Optuna, by cross-validation, optionally with a journal."""

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

_FEW_FOR_FOLDS = 50  # with fewer rows, one of ten folds holds less than five
_RANDOM_TRIALS = 10  # random trials before the first proposal of TPE
_BEFORE_PRUNING = 5  # complete trials before a trial can be pruned by their median
_REFUSED_FOR_ONE_TRAINED = 50  # proposals that are too large or too short before the search gives up


@dataclass(frozen=True, eq=False)
class Tuned:
    """The result of a search.

    Parameters
    ----------
    architecture : dict
        Architecture of the best trial.
    settings : dict
        Its `learning_rate` and `batch_size`.
    rmse : float
        Its RMSE over the folds in the unit of y; optimistic, because the folds chose both the epochs and the trial.
    history : DataFrame
        One row per trial: `state` (complete; pruned: worse than the median after some folds; refused: too large or too
        short; failed), `rmse`, `n_folds` (folds trained), `n_parameters`, `seconds`, and `architecture` and `settings`
        as JSON.
    base : SpectralCNN
        Estimator with the other settings of the search.
    notes : list of str
        Sentences for a report.
    """

    architecture: Architecture
    settings: dict[str, Any]
    rmse: float
    history: pd.DataFrame
    base: SpectralCNN
    notes: list[str] = field(default_factory=list)

    def estimator(self, **settings: Any) -> SpectralCNN:
        """Return the estimator to fit; on the same rows its folds give the networks of the best trial."""
        best = {"architecture": self.architecture, **self.settings}
        return SpectralCNN(**(self.base.get_params() | best | settings))


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
    """Search the architecture with the smallest RMSE over folds of the training rows.

    Parameters
    ----------
    X : ndarray of shape (sample, band)
        Preprocessed spectra of the training rows.
    y : ndarray of shape (sample,)
        Target in its unit.
    space : SearchSpace, optional
        Ranges of the search.
    n_trials : int
        Number of architectures trained, including those pruned after some folds. The first is always "small".
    minutes : float, optional
        Time limit: once one trial is complete, no further fold is started. The result then depends on the machine,
        otherwise only on `seed`.
    storage : path, optional
        Journal of JSON lines. An interrupted search is resumed from it with the same result, and a finished search is
        continued if n_trials is larger.
    groups : ndarray of shape (sample,), optional
        Rows of one group are in the same fold.
    n_folds, final, epochs, patience, device
        See `SpectralCNN`.
    seed : int
        Seed of the folds, the networks and the search.
    progress : callable, optional
        Called with "trials", the number of trained architectures and n_trials.

    Raises
    ------
    SamplesError
        For fewer than 10 rows, or NaN.
    RecipeError
        For a space without an architecture that can be trained.
    OutputError
        For the journal of another search.

    Warns
    -----
    UserWarning
        For fewer than 50 rows, and if no architecture is better than the mean of y.

    References
    ----------
    Shen et al. 2022, section 2.3.1.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 60)[:, None] * np.linspace(1, 2, 20)
    >>> tuned = tune(X, X[:, 0], n_trials=1, n_folds=2, epochs=2)
    >>> tuned.history.state.tolist(), tuned.architecture["convolutions"][0]["filters"]
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
            f"tune: {len(y)} rows, so that each of {n_folds} folds holds about {len(y) / n_folds:.0f}; the choice of "
            "architecture and epochs is then partly random. final='refit' uses at least their median",
            stacklevel=2,
        )
    folds = split_folds(len(y), n_folds, groups, seed)
    inputs = {"space": asdict(space), "n_folds": n_folds, "epochs": epochs, "patience": patience, "seed": seed}
    arrays = {"X": X, "y": y} | {f"fold {i}": held_out for i, (_, held_out) in enumerate(folds, start=1)}
    study, n_resumed = open_study(storage, Identity.of(inputs, arrays), n_before_pruning=_BEFORE_PRUNING)
    notes = [resumed_note(n_resumed, "trials")] if n_resumed else []
    while (n_done := _count(study, "trained")) < n_trials:
        if time.monotonic() > ends_at and _count(study, "complete"):
            break
        trial, estimator = _ask(study, base, space, X.shape[1])
        if not _evaluate(study, trial, estimator, X, y, folds, ends_at):
            break
        if progress is not None:
            progress("trials", n_done + 1, n_trials)
    if n_done < n_trials:
        notes.append(f"stopped after {minutes:g} minutes with {n_done} of {n_trials} trials")
    if not _count(study, "complete"):
        raise RecipeError(
            "search",
            found="no trial with finite predictions in all folds",
            expected="at least one",
            way_out="lower learning_rate",
        )
    best, spread = study.best_trial, float(y.std())
    rmse = float(best.values[0])
    notes.append(f"RMSE {rmse:.4g}, the smallest of {n_done} trials, over folds that also chose the epochs: optimistic")
    if rmse >= spread:
        notes.append(f"no architecture predicts better than the mean of y, whose RMSE is {spread:.4g}")
        warnings.warn(f"tune: {notes[-1]}", stacklevel=2)
    architecture, settings = (json.loads(best.user_attrs[name]) for name in ("architecture", "settings"))
    return Tuned(architecture, settings, rmse, _history(study), base, notes)


def _ask(
    study: optuna.Study, base: SpectralCNN, space: SearchSpace, n_bands: int
) -> tuple[optuna.trial.Trial, SpectralCNN]:
    """Return the next trial that can be trained and its estimator; the others are recorded as refused."""
    import optuna

    n_allowed = _REFUSED_FOR_ONE_TRAINED * (_count(study, "trained") + 1)
    while (n_refused := _count(study, "refused")) < n_allowed:
        n_before = _count(study, "trained") + n_refused
        # Seeded by the number of finished trials, so that a resumed search gives the same result.
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
        expected="at least one in fifty that can be trained",
        way_out=f"raise max_parameters ({space.max_parameters}), or narrow filters, nodes, kernel and stride",
    )


def _evaluate(
    study: optuna.Study,
    trial: optuna.trial.Trial,
    estimator: SpectralCNN,
    X: np.ndarray,
    y: np.ndarray,
    folds: list[Split],
    ends_at: float,
) -> bool:
    """Train a trial fold by fold and record its result; return False if the time limit was reached before."""
    from optuna.trial import TrialState

    mean, spread = mean_and_spread(y)
    squares: list[float] = []
    began, state, rmse = time.monotonic(), "complete", np.inf
    for i, (training, held_out) in enumerate(folds):
        if time.monotonic() > ends_at and _count(study, "complete"):
            study.tell(trial, state=TrialState.FAIL)
            return False
        try:
            trainer = train_fold(estimator, X, (y - mean) / spread, training, held_out, seed=i)
        except RecipeError:  # the loss of this proposal is not finite; the search continues
            state = "failed"
            break
        squares.extend(trainer.errors**2)
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
    """Return the number of trials with a state; "trained" are all that were not refused."""
    states = [trial.user_attrs.get("state") for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    if state == "trained":
        return sum(name in ("complete", "pruned", "failed") for name in states)
    return states.count(state)


def _history(study: optuna.Study) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for trial in study.get_trials(deepcopy=False):
        attributes = trial.user_attrs
        if "state" in attributes and trial.state.is_finished():
            rmse = trial.intermediate_values[max(trial.intermediate_values)] if trial.intermediate_values else np.nan
            rows.append(
                {
                    "trial": len(rows) + 1,
                    "state": attributes["state"],
                    "rmse": rmse,
                    "n_folds": len(trial.intermediate_values),
                    "n_parameters": attributes.get("n_parameters"),
                    "seconds": attributes.get("seconds"),
                    "architecture": attributes["architecture"],
                    "settings": attributes["settings"],
                }
            )
    return pd.DataFrame(rows)
