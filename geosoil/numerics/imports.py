"""Import an object by name, so that tables can name classes without importing them."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def import_object(place: str) -> Any:
    """Return the object at `module:name`.

    Only tables of geosoil may call this; a name never comes from a file.

    >>> import_object("math:pi") > 3
    True
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
