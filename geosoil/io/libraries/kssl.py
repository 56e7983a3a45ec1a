"""Exports of the Kellogg Soil Survey Laboratory: mid-infrared absorbance, and vis-NIR reflectance of the RaCA project.

The id of a mid-infrared scan is the number of the sample and two letters of its preparation, as `12345XS`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geosoil.io.libraries.layout import Layout, LibraryKind, Scans, joined, plain_bands, whole_number_text
from geosoil.io.libraries.neospectra import properties_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEAST_BANDS = 100


def kssl_layout(names: Sequence[str]) -> Layout | None:
    """Return what the columns of a table of the KSSL are, or None for another table."""
    words = [joined(name) for name in names]
    key = next((words.index(word) for word in ("smpid", "sampleid") if word in words), None)
    if key is None:
        return None
    wavenumbers, nm = plain_bands(names, 400, 7500), plain_bands(names, 350, 2500, "x")
    scans = {}
    if len(nm) >= _LEAST_BANDS:
        scans["visnir"] = Scans.of(nm, "reflectance")
    elif len(wavenumbers) >= _LEAST_BANDS and min(wavenumbers.values()) < 700 and max(wavenumbers.values()) >= 3990:
        scans["mir"] = Scans.of(wavenumbers, "absorbance", wavenumbers=True)
    properties = properties_of(names)
    if not scans and not properties:
        return None
    others = {"layid": "layer_id", "asdfilename": "scan_id"}
    kept = {place: others[word] for place, word in enumerate(words) if word in others}
    return Layout(key, scans, properties, {key: "kssl_sample_id"} | kept)


def sample_of(scan: str) -> str:
    """Return the sample of a scan.

    >>> sample_of("12345XS"), sample_of("12345")
    ('12345', '12345')
    """
    return re.sub(r"(?<=\d)[A-Z]{2}$", "", whole_number_text(scan))


KSSL = LibraryKind("kssl", "Kellogg Soil Survey Laboratory", kssl_layout, key_of=sample_of)
