"""The NeoSpectra library of KSSL samples (https://doi.org/10.5281/zenodo.7586622): nine handheld NIR spectrometers.

A sample has a row for each spectrometer. Its 257 bands decrease from 2550 to 1350 nm, and reflectance is in percent.
Its mid-infrared table has columns as in the Open Soil Spectral Library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.io.libraries.layout import Layout, LibraryKind, Property, Scans, plain_bands, whole_number_text
from geosoil.io.libraries.ossl import ossl_scans

if TYPE_CHECKING:
    from collections.abc import Sequence

# The names of the laboratory, and what they are by the import table of the Open Soil Spectral Library.
PROPERTIES = {
    "eoc_tot_c": Property("oc", "%", "usda.c729"),
    "c_tot_ncs": Property("c_tot", "%", "usda.a622"),
    "n_tot_ncs": Property("n_tot", "%", "usda.a623"),
    "s_tot_ncs": Property("s_tot", "%", "usda.a624"),
    "ph_h2o": Property("ph_h2o", "", "usda.a268"),
    "db_13b": Property("bd", "g/cm3", "usda.a4"),
    "clay_tot_psa": Property("clay_tot", "%", "usda.a334"),
    "silt_tot_psa": Property("silt_tot", "%", "usda.c62"),
    "sand_tot_psa": Property("sand_tot", "%", "usda.c60"),
    "caco3": Property("caco3", "%", "usda.a54"),
    "cecd_nh4": Property("cec", "cmol/kg", "usda.a723"),
    "ca_nh4d": Property("ca_ext", "cmol/kg", "usda.a722"),
    "mg_nh4d": Property("mg_ext", "cmol/kg", "usda.a724"),
    "k_nh4d": Property("k_ext", "cmol/kg", "usda.a725"),
    "na_nh4d": Property("na_ext", "cmol/kg", "usda.a726"),
    "w32l2": Property("wr_33kPa", "%", "usda.a415"),
    "w15l2": Property("wr_1500kPa", "%", "usda.a417"),
    "al_dith": Property("al_dith", "%", "usda.a65"),
    "p_mehlich3": Property("p_ext", "mg/kg", "usda.a652"),
    "p_el_meh3": Property("p_ext", "mg/kg", "usda.a1070"),
    "k_el_meh3": Property("k_ext", "mg/kg", "usda.a1065"),
    "ec_12pre": Property("ec", "dS/m", "usda.a364"),
}
_OTHERS = {
    "kssl_id": "kssl_sample_id",
    "lay_id": "layer_id",
    "lab_id": "scan_id",
    "lab": "lab",
    "scanner_name": "scanner",
    "scanner_serialno": "scanner_serial",
    "country": "country",
    "longitude.std.decimal.degrees": "longitude",
    "latitude.std.decimal.degrees": "latitude",
    "long.xcntr": "county_longitude",
    "lat.ycntr": "county_latitude",
    "lay.depth.to.top": "upper_depth_cm",
    "lay.depth.to.bottom": "lower_depth_cm",
    "texture.description": "texture",
    "taxonomic.classification.name": "taxon",
    "horizon.designation": "horizon",
}


def properties_of(names: Sequence[str]) -> dict[int, Property]:
    """Return the soil properties among the columns of a table of the Kellogg Soil Survey Laboratory."""
    return {place: PROPERTIES[name.lower()] for place, name in enumerate(names) if name.lower() in PROPERTIES}


def neospectra_layout(names: Sequence[str]) -> Layout | None:
    """Return what the columns of a table of the NeoSpectra library are, or None for another table."""
    lower = [name.lower() for name in names]
    if "kssl_id" not in lower:
        return None
    bands = plain_bands(names, 1300, 2600)
    scans = {"nir": Scans.of(bands, "reflectance", scale=0.01)} if len(bands) > 1 else {}
    scans |= ossl_scans(names)
    others = {place: _OTHERS[name] for place, name in enumerate(lower) if name in _OTHERS}
    return Layout(lower.index("kssl_id"), scans, properties_of(names), others)


NEOSPECTRA = LibraryKind(
    "neospectra", "NeoSpectra library of KSSL samples", neospectra_layout, key_of=whole_number_text
)
