"""The study of a search, in memory or in a journal on disk: JSON lines that Optuna reads back, executing nothing."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import OutputError, RecipeError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import optuna

_NAME = "geosoil"


def open_study(storage: str | os.PathLike[str] | None, fingerprint: str, *, n_random: int) -> optuna.Study:
    """Begin a study that minimises, or go on with the one of a journal.

    fingerprint: of data, settings and seed, which the journal has to share. n_random: complete trials before one can
    be pruned for being worse than the median of the others. Trials that were running when the search was stopped are
    told to have failed. Raises RecipeError for another file or another search, OutputError where it cannot stand.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    path = None if storage is None else Path(storage)
    kept: optuna.storages.BaseStorage
    with _quiet():
        if path is None:
            kept = optuna.storages.InMemoryStorage()
        else:
            _check(path)
            try:
                kept = JournalStorage(JournalFileBackend(str(path)))
            except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
                raise _no_journal(path) from error
        study = optuna.create_study(
            study_name=_NAME,
            storage=kept,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=min(5, n_random)),
            load_if_exists=True,
        )
    found = study.user_attrs.get("inputs")
    if found is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("inputs", fingerprint)
    elif found != fingerprint:
        raise RecipeError(
            path,
            found="the journal of a search on other rows, or with other settings",
            expected="one of the same rows, space, folds, epochs and seed",
            way_out="name another place for the journal",
        )
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _check(path: Path) -> None:
    """Cut off a last line that a killed search did not finish; refuse a file that is none of Optuna's journals."""
    if not path.parent.is_dir() or path.is_dir():
        raise OutputError(
            path, found="no place for a file", expected="a name in a folder that exists", way_out="make it"
        )
    if not path.exists():
        return
    try:
        whole, _, rest = path.read_text("utf-8").rpartition("\n")
        if not all(isinstance(json.loads(line), dict) and "op_code" in line for line in whole.splitlines()):
            raise _no_journal(path)
    except ValueError as error:  # neither UTF-8 nor JSON
        raise _no_journal(path) from error
    if rest:
        if not whole:
            raise _no_journal(path)
        path.write_text(whole + "\n", "utf-8")


def _no_journal(path: Path) -> RecipeError:
    return RecipeError(
        path, found="another file", expected="the journal of a search", way_out="name another place for it"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing what it does."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
