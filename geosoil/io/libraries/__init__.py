"""Published spectral libraries: how each is recognised, and how its tables become one Parquet library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.io.libraries.kssl import KSSL
from geosoil.io.libraries.lucas import LUCAS
from geosoil.io.libraries.neospectra import NEOSPECTRA
from geosoil.io.libraries.ossl import OSSL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.io.libraries.layout import Layout, LibraryKind

LIBRARIES: dict[str, LibraryKind] = {kind.name: kind for kind in (NEOSPECTRA, OSSL, LUCAS, KSSL)}
"""The kinds of libraries, in the order in which they are tried: their tables are recognised by the names of columns."""


def recognise_library(names: Sequence[str]) -> tuple[LibraryKind, Layout] | None:
    """Return the library that a table belongs to, by the names of its columns, and what they are; None if unknown.

    >>> kind, layout = recognise_library(["PointID", "400", "400.5"])
    >>> kind.name, layout.scans["visnir"].wavelength_nm.tolist()
    ('lucas', [400.0, 400.5])
    """
    for kind in LIBRARIES.values():
        layout = kind.layout(names)
        if layout is not None:
            return kind, layout
    return None
