"""What mkdocs leaves to the site: links of a notebook to other pages and notebooks become those of the built pages."""

from __future__ import annotations

import re
from typing import Any

_LINK = re.compile(r'(<a [^>]*href="(?![a-z]+:)[^"#]+)\.(?:md|ipynb)(["#])')


def on_post_page(output: str, page: Any, config: Any) -> str:
    """Return a page as it is written; mkdocs calls this function for every page.

    >>> from types import SimpleNamespace
    >>> notebook = SimpleNamespace(file=SimpleNamespace(src_uri="notebooks/trust.ipynb"))
    >>> on_post_page('<a href="../trust.md#area">Trust</a> <a href="https://a.b/c.md">C</a>', notebook, None)
    '<a href="../trust.html#area">Trust</a> <a href="https://a.b/c.md">C</a>'
    """
    return _LINK.sub(r"\1.html\2", output) if page.file.src_uri.endswith(".ipynb") else output
