"""How the results of workflows are shown: their summary as text, with their picture in a notebook."""

from __future__ import annotations

import base64
from abc import ABC, abstractmethod
from html import escape
from pathlib import Path


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
