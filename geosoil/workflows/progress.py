"""Progress of a workflow in a notebook or a script: a callable of the user's own, a plain bar, or nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[str, int, int], None]


@contextmanager
def reported(progress: Progress | bool | None) -> Iterator[Progress | None]:
    """Yield a callable `(task, done, total)`: a bar for True, `progress` itself if it is one, None for no progress.

    Examples
    --------
    >>> with reported(False) as progress:
    ...     progress is None
    True
    """
    if progress is not True:
        yield progress or None
        return
    import warnings

    with warnings.catch_warnings():  # without ipywidgets the bar is plain text
        warnings.simplefilter("ignore")
        from tqdm.auto import tqdm
    bars: dict[str, tqdm] = {}

    def show(task: str, done: int, total: int) -> None:
        if task not in bars:
            bars[task] = tqdm(total=total, initial=done, desc=task, unit_scale=True)
        bars[task].update(done - bars[task].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
