"""The Open Soil Spectral Library, all levels: https://soilspectroscopy.github.io/ossl-manual.

Its columns have names of three parts: what, how, and the unit or type, as `clay.tot_usda.a334_w.pct`,
`layer.upper.depth_usda_cm` and `scan_visnir.350_ref`. Level 0 has the methods of each laboratory, level 1 harmonised
ones; sites, laboratory values and scans are in one table or in several that `id.layer_uuid_txt` joins.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geosoil.io.libraries.layout import Layout, LibraryKind, Property, Scans

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geosoil.io.spectra.stored import Quantity

KEYS = ("id.layer_uuid_txt", "id.layer_uuid_c", "id.layer_local_c", "id.sample_local_c", "id.scan_local_c")
_BAND = re.compile(r"scan_(visnir|nir|mir)\.(\d+(?:\.\d+)?)_(ref|pcnt|abs|ab)")
_SUFFIXES: dict[str, tuple[Quantity, float]] = {
    "ref": ("reflectance", 1.0),
    "pcnt": ("reflectance", 0.01),  # of versions before 1.2
    "abs": ("absorbance", 1.0),
    "ab": ("absorbance", 1.0),
}
UNITS = {
    "w.pct": "%",
    "wpct": "%",
    "index": "",
    "w.frac": "",
    "cmolc.kg": "cmol/kg",
    "g.kg": "g/kg",
    "mg.kg": "mg/kg",
    "g.cm3": "g/cm3",
    "ds.m": "dS/m",
}
_NO_UNITS = {"txt", "c", "url", "email", "dd", "cm", "m", "uint16", "int", "yyyy.mm.dd", "class", "ref", "abs"}
_OTHERS = {
    "id.layer_uuid": "layer_uuid",
    "id.layer_local": "layer_id",
    "id.sample_local": "local_sample_id",
    "id.scan_local": "scan_id",
    "id.project_ascii": "project",
    "id.dataset.site_ascii": "site",
    "dataset.code_ascii": "dataset",
    "longitude.point_wgs84": "longitude",
    "latitude.point_wgs84": "latitude",
    "longitude_wgs84": "longitude",
    "latitude_wgs84": "latitude",
    "longitude.county_wgs84": "county_longitude",
    "latitude.county_wgs84": "county_latitude",
    "location.point.error_any": "location_error_m",
    "location.country_iso.3166": "country",
    "layer.upper.depth_usda": "upper_depth_cm",
    "layer.lower.depth_usda": "lower_depth_cm",
    "layer.texture_usda": "texture",
    "pedon.taxa_usda": "taxon",
    "horizon.designation_usda": "horizon",
    "observation.date.begin_iso.8601": "date",
    "efferv_usda.a479": "effervescence",
}
_SITE_WORDS = {"id", "dataset", "longitude", "latitude", "location", "layer", "pedon", "horizon", "observation", "scan"}
_SITE_WORDS |= {"surveyor"}


def property_of(column: str) -> Property | None:
    """Return the property, the method and the unit that the name of a column states, or None for another column.

    >>> property_of("clay.tot_usda.a334_w.pct")
    Property(name='clay_tot', unit='%', method='usda.a334')
    >>> property_of("layer.upper.depth_usda_cm")
    """
    parts = column.split("_")
    if len(parts) != 3 or not all(parts) or parts[2] in _NO_UNITS or parts[0].split(".")[0] in _SITE_WORDS:
        return None
    unit = UNITS.get(parts[2])
    return Property(parts[0].replace(".", "_"), parts[2].replace(".", "/") if unit is None else unit, parts[1])


def ossl_scans(names: Sequence[str]) -> dict[str, Scans]:
    """Return the spectra of a table by their kind."""
    bands: dict[tuple[str, str], dict[int, float]] = {}
    for place, name in enumerate(names):
        match = _BAND.fullmatch(name)
        if match:
            bands.setdefault((match[1], match[3]), {})[place] = float(match[2])
    return {
        kind: Scans.of(of_kind, _SUFFIXES[suffix][0], scale=_SUFFIXES[suffix][1], wavenumbers=kind == "mir")
        for (kind, suffix), of_kind in bands.items()
        if len(of_kind) > 1
    }


def ossl_layout(names: Sequence[str]) -> Layout | None:
    """Return what the columns of a table of the OSSL are, or None for another table."""
    key = next((names.index(name) for name in KEYS if name in names), None)
    scans = ossl_scans(names)
    properties = {place: found for place, name in enumerate(names) if (found := property_of(name)) is not None}
    if key is None or not (scans or properties or "longitude.point_wgs84_dd" in names):
        return None
    return Layout(key, scans, properties, _others(names))


def _others(names: Sequence[str]) -> Mapping[int, str]:
    stems = {place: name.rpartition("_")[0] for place, name in enumerate(names)}
    return {place: _OTHERS[stem] for place, stem in stems.items() if stem in _OTHERS}


OSSL = LibraryKind("ossl", "Open Soil Spectral Library", ossl_layout)
