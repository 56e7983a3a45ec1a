"""What absorbs where in soil, 400 to 2500 nm: a small table to name windows with, each row with its source.

VRB: Viscarra Rossel and Behrens 2010, Geoderma 158, 46-54, table 1. SW: Sherman and Waite 1985, American Mineralogist
70, 1262-1269. S98: Scheinost et al. 1998, Clays and Clay Minerals 46, 528-536. C90: Clark et al. 1990, Journal of
Geophysical Research 95, 12653-12680. G86: Gaffey 1986, American Mineralogist 71, 151-162. BD02: Ben-Dor 2002, Advances
in Agronomy 75, 173-243. A range is the centre given there with about half of the band's width on either side.
A name says what absorbs at these wavelengths, not that a model has seen it.
"""

from __future__ import annotations

from typing import NamedTuple


class AbsorptionFeature(NamedTuple):
    """A range of wavelengths, what absorbs in it, and who says so."""

    name: str
    low_nm: float
    high_nm: float
    cause: str
    source: str


ABSORPTION_FEATURES = (
    AbsorptionFeature("iron oxides", 470, 560, "Fe(III) electron pairs, goethite 480, hematite 530 nm", "SW; S98; VRB"),
    AbsorptionFeature("iron oxides", 620, 690, "Fe(III) 6A1-4T2, goethite and hematite 650 nm", "SW; VRB"),
    AbsorptionFeature("iron oxides", 850, 950, "Fe(III) 6A1-4T1, hematite 884, goethite 920 nm", "S98; VRB"),
    AbsorptionFeature("organic matter", 560, 700, "chromophores of humus, a broad slope", "BD02"),
    AbsorptionFeature("organic matter", 1640, 1770, "C-H, aromatics 1650, alkyls 1706 and 1754 nm", "VRB"),
    AbsorptionFeature("organic matter", 2040, 2140, "N-H and C-O, amides 2033, polysaccharides 2137 nm", "VRB"),
    AbsorptionFeature("water", 940, 990, "O-H overtones and combinations, 940 nm", "VRB"),
    AbsorptionFeature("water", 1380, 1480, "O-H of water and of minerals, 1400 and 1455 nm", "C90; VRB"),
    AbsorptionFeature("water", 1870, 1970, "H-O-H bend and O-H stretch, 1915 nm", "C90; VRB"),
    AbsorptionFeature("clay Al-OH", 2155, 2230, "Al-OH, kaolinite 2165 and 2207, smectite, illite 2206 nm", "C90; VRB"),
    AbsorptionFeature("Fe-OH", 2250, 2295, "Fe-OH, nontronite 2285 nm", "C90"),
    AbsorptionFeature("carbonates", 2300, 2360, "CO3, calcite 2336 nm; Mg-OH and illite overlap", "G86; VRB"),
    AbsorptionFeature("illite Al-OH", 2420, 2470, "Al-OH, illite 2450 nm", "VRB"),
    AbsorptionFeature("carbonates", 2480, 2560, "CO3, calcite 2500 to 2550 nm", "G86"),
)


def features_in(low_nm: float, high_nm: float) -> tuple[str, ...]:
    """Return the names of what absorbs within a window, each once, in order of wavelength.

    >>> features_in(2195, 2215), features_in(1200, 1210), features_in(650, 660)
    (('clay Al-OH',), (), ('organic matter', 'iron oxides'))
    """
    in_order = sorted(ABSORPTION_FEATURES, key=lambda feature: feature.low_nm)
    names = [feature.name for feature in in_order if feature.low_nm <= high_nm and low_nm <= feature.high_nm]
    return tuple(dict.fromkeys(names))
