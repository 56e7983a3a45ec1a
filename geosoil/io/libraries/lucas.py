"""The LUCAS topsoil surveys of 2009 and 2015 (JRC): a file of spectra for each country, and a table of the laboratory.

A row is a scan, and most points have two, which are averaged. Spectra have 4200 bands of 0.5 nm from 400 to 2499.5 nm.
Published descriptions disagree whether those of 2015 are reflectance or absorbance, so that the values decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.io.libraries.layout import Layout, LibraryKind, Property, Scans, joined, plain_bands, whole_number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

# By `joined` names; 2009 and 2015 spell them differently. Units are those of the surveys, not those of the OSSL.
PROPERTIES = {
    "coarse": Property("coarse", "%", "iso.11464"),
    "clay": Property("clay", "%", "iso.11277"),
    "silt": Property("silt", "%", "iso.11277"),
    "sand": Property("sand", "%", "iso.11277"),
    "phinh2o": Property("ph_h2o", "", "iso.10390"),
    "phh2o": Property("ph_h2o", "", "iso.10390"),
    "phh20": Property("ph_h2o", "", "iso.10390"),  # with a zero, as one table has it
    "phincacl2": Property("ph_cacl2", "", "iso.10390"),
    "phcacl2": Property("ph_cacl2", "", "iso.10390"),
    "ec": Property("ec", "mS/m", "iso.11265"),
    "oc": Property("oc", "g/kg", "iso.10694"),
    "caco3": Property("caco3", "g/kg", "iso.10693"),
    "n": Property("n", "g/kg", "iso.11261"),
    "p": Property("p", "mg/kg", "iso.11263"),
    "k": Property("k", "mg/kg", "usda"),
    "cec": Property("cec", "cmol/kg", "iso.11260"),
}
_OTHERS = {
    "pointid": "point_id",
    "nuts0": "country",
    "country": "country",
    "lc": "land_cover",
    "lc1": "land_cover",
    "lc0desc": "land_cover_class",
    "gpslong": "longitude",
    "gpslat": "latitude",
    "thlong": "longitude",
    "thlat": "latitude",
    "elevation": "elevation_m",
}
_LEAST_PROPERTIES = 4


def lucas_layout(names: Sequence[str]) -> Layout | None:
    """Return what the columns of a table of LUCAS are, or None for another table."""
    words = [joined(name) for name in names]
    if "pointid" not in words:
        return None
    bands = next((found for prefix in ("", r"spc\.", "x") if (found := plain_bands(names, 400, 2500, prefix))), {})
    properties = {place: PROPERTIES[word] for place, word in enumerate(words) if word in PROPERTIES}
    if len(bands) < 2 and len(properties) < _LEAST_PROPERTIES:
        return None
    scans = {"visnir": Scans.of(bands, None)} if len(bands) > 1 else {}
    others: dict[int, str] = {}
    for place, word in enumerate(words):
        if word in _OTHERS and _OTHERS[word] not in others.values():
            others[place] = _OTHERS[word]
    return Layout(words.index("pointid"), scans, properties, others)


LUCAS = LibraryKind(
    "lucas", "LUCAS topsoil survey", lucas_layout, key_of=whole_number_text, averages_scans=True, negative_is_empty=True
)
