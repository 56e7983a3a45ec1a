"""How the results of workflows are shown: their summary as text, with their picture in a notebook."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


class ShownResult(ABC):
    """A result whose text is its summary; a notebook shows its picture below."""

    @abstractmethod
    def summary(self) -> str:
        """Return a few lines of text."""

    @property
    def _picture(self) -> Path | str | None:
        """The picture that was written, if there is one."""
        pictures = [path for path in getattr(self, "paths", ()) if str(path).endswith(".png")]
        return getattr(self, "quicklook", None) or next(iter(pictures), None)

    def __repr__(self) -> str:
        return f"{type(self).__name__}\n{self.summary()}"

    def _repr_html_(self) -> str:
        text, picture = f"<pre>{escape(repr(self))}</pre>", self._picture
        if not isinstance(picture, Path) or not picture.is_file():  # moved, or in an object store
            return text
        data = base64.b64encode(picture.read_bytes()).decode("ascii")
        return f'{text}<img style="max-width:40rem" alt="{escape(picture.name)}" src="data:image/png;base64,{data}">'


def table_as_text(table: pd.DataFrame, names: Sequence[str]) -> str:
    """Return columns of a table as plain text, those with the ends of an interval as "estimate [low to high]".

    >>> import pandas as pd
    >>> row = {"model": "PLSR", "test_r2": 0.71, "test_r2_low": 0.6, "test_r2_high": 0.8, "test_bias": 0.01234}
    >>> print(table_as_text(pd.DataFrame([row]), ["model", "test_r2", "test_bias"]))
    model             test_r2  test_bias
     PLSR 0.71 [0.60 to 0.80]     0.0123
    """
    shown = table[list(names)].copy()
    for name in names:
        if f"{name}_low" in table:
            digits = ".2f" if "r2" in name else ".3g"
            triples = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
            shown[name] = [f"{value:{digits}} [{low:{digits}} to {high:{digits}}]" for value, low, high in triples]
    return str(shown.to_string(index=False, float_format=lambda value: f"{value:.3g}"))
