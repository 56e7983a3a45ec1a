"""The study of a search, in memory or in a journal on disk: JSON lines that Optuna reads back, executing nothing."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import OutputError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna

_NAME = "geosoil"


def open_study(storage: str | os.PathLike[str] | None, fingerprint: str, *, n_before_pruning: int) -> optuna.Study:
    """Begin a study that minimises, or go on with the one of a journal.

    fingerprint: of data, settings and seed, which the journal has to share. n_before_pruning: complete trials before
    one can be pruned for being worse than their median. Trials that were running when the search was stopped are
    told to have failed. Raises RecipeError for another file or another search, OutputError where it cannot stand.
    """
    import optuna

    path = None if storage is None else Path(storage)
    with quiet_optuna():
        study = optuna.create_study(
            study_name=_NAME,
            storage=None if path is None else _opened(path),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=n_before_pruning),
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


def _opened(path: Path) -> optuna.storages.BaseStorage:
    """Return a journal, without a last line that a killed search did not finish; refuse a file that is none of ours."""
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    if not path.parent.is_dir() or path.is_dir():
        raise OutputError(path, found="no place for a file", expected="a name in a folder", way_out="make the folder")
    if path.exists() and path.stat().st_size:
        content = path.read_bytes()
        try:
            if any("op_code" not in json.loads(line) for line in content.splitlines()[: content.count(b"\n")]):
                raise _no_journal(path)
            known = JournalStorage(JournalFileBackend(str(path)))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError) as error:
            raise _no_journal(path) from error  # Optuna reads a line on trust, and asserts that it knows the operation
        if _NAME not in [study.study_name for study in known.get_all_studies()]:
            raise _no_journal(path)
        os.truncate(path, content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(path)))


def _no_journal(path: Path) -> RecipeError:
    return RecipeError(
        path, found="another file", expected="the journal of a search", way_out="name another place for it"
    )


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing what it does."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
