"""The study of a search, in memory or in a file of JSON lines that Optuna reads back; reading executes nothing."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import OutputError
from geosoil.io.journal import WAY_OUT, damaged_journal

if TYPE_CHECKING:
    from collections.abc import Iterator

    import optuna

    from geosoil.io.journal import Identity

_NAME = "geosoil"


def open_study(
    storage: str | os.PathLike[str] | None, identity: Identity, *, n_before_pruning: int
) -> tuple[optuna.Study, int]:
    """Begin a study that minimises, or resume the one in a file; return it and the number of trials already finished.

    identity: data, settings and seed of the search. n_before_pruning: complete trials before one can be pruned for
    being worse than their median. Trials that were running when the search was stopped are marked as failed. Raises
    OutputError for a damaged file, the file of another search, or a path that cannot be written.
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
    if "made_of" in study.user_attrs or study.get_trials(deepcopy=False):
        identity.require_same(study.user_attrs.get("made_of", {}), path, WAY_OUT)
    study.set_user_attr("made_of", dict(identity.parts))
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study, sum("state" in trial.user_attrs for trial in study.get_trials(deepcopy=False))


def _opened(path: Path) -> optuna.storages.BaseStorage:
    """Return the storage in a file, without a last line that a killed search did not finish."""
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    if not path.parent.is_dir() or path.is_dir():
        raise OutputError(path, found="no place for a file", expected="a file in a folder", way_out="make the folder")
    if path.exists() and path.stat().st_size:
        content = path.read_bytes()
        try:
            is_ours = all("op_code" in json.loads(line) for line in content.splitlines()[: content.count(b"\n")])
            known = JournalStorage(JournalFileBackend(str(path))) if is_ours else None
            is_ours = known is not None and _NAME in [study.study_name for study in known.get_all_studies()]
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError):
            is_ours = False  # Optuna trusts the content of a line, and asserts that it knows the operation
        if not is_ours:
            raise damaged_journal(path, WAY_OUT)
        os.truncate(path, content.rfind(b"\n") + 1)
    return JournalStorage(JournalFileBackend(str(path)))


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Set Optuna's log level to warnings."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
