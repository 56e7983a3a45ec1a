"""Absorption features of soil from 400 to 2500 nm: a small table for naming windows, with the sources of every row.

A range contains the centres given by its sources, and about half of the width of the band on either side. A name states
what absorbs at these wavelengths, not that a model uses it; where ranges overlap, a window has several names.

B12: Bayer et al. 2012, Applied and Environmental Soil Science 2012, 971252, table 1 (which quotes VRB): Fe(III) 490,
     hematite 529 and 884, hematite and goethite 650; aromatics 1650, alkyls 1706 and 1754, CH2, CH3 and carbohydrates
     2275 to 2386 nm; organic carbon lowers the reflectance from 450 to 740 nm.
B19: Bishop 2019, in Remote Compositional Analysis, chapter 4: water near 960, 1400 and 1900 nm.
B20: Bascones et al. 2020, Revista de Teledeteccion, article 13331: goethite 470, hematite to goethite 890 to 960,
     kaolinite 2160 and 2210 nm.
H25: He et al. 2025 (the lead paper), 4.2: organic matter and iron oxides 550 to 750, organic matter 1600 to 1700 nm.
K17: USGS Spectral Library 7 (Kokaly et al. 2017): aragonite 2315, dolomite 2319, calcite 2348, water 1443 and 1939 nm.
L21: Laukamp et al. 2021, Minerals 11, 347: OH of kaolinite 1392 to 1415, of sheet silicates 1386 to 1445 nm.
M85: Morris et al. 1985, Journal of Geophysical Research 90, 3126-3144: 4T1 of hematite 860, of goethite 910 nm.
S99: Scheinost et al. 1999, Clays and Clay Minerals 47, 156-164: goethite 4T2 653 to 672, 4T1 944 to 958 nm.
Z12: Zaini et al. 2012, Remote Sensing 4, 987-1003: calcite and dolomite near 2300 and 2500 nm.

Three sources were not available, and their numbers are those quoted by others or recalled from memory:
B08: Bishop et al. 2008, Science 321, 830-833: nontronite 2290, montmorillonite and kaolinite 2210 nm.
C99: Clark 1999, in Manual of Remote Sensing 3, 3-58: carbonates 2300 to 2350 and 2500 to 2550 nm.
VRB: Viscarra Rossel and Behrens 2010, Geoderma 158, 46-54, table 1: water 940, amides 2033, polysaccharides 2137,
     smectite and illite 2206, illite 2450 nm.
"""

from __future__ import annotations

from typing import NamedTuple


class AbsorptionFeature(NamedTuple):
    """A range of wavelengths, its name, the cause of the absorption, and the sources."""

    name: str
    low_nm: float
    high_nm: float
    cause: str
    source: str


ABSORPTION_FEATURES = (
    AbsorptionFeature("iron oxides", 460, 560, "Fe(III) pairs, goethite 470 to 490, hematite 529 nm", "B20; B12"),
    AbsorptionFeature("organic matter", 550, 750, "humus darkens the visible, a slope and no band", "H25; B12"),
    AbsorptionFeature("iron oxides", 620, 690, "Fe(III) 4T2, goethite 653 to 672, hematite 650 nm", "S99; B12"),
    AbsorptionFeature("iron oxides", 850, 970, "4T1, hematite 860 to 884, goethite 910 to 958 nm", "M85; B12; S99"),
    AbsorptionFeature("water", 930, 990, "O-H overtones and combinations, 940 to 960 nm", "B19; VRB"),
    AbsorptionFeature("water", 1380, 1480, "O-H of minerals 1386 to 1445, of water 1443 nm", "L21; K17"),
    AbsorptionFeature("organic matter", 1600, 1770, "C-H, aromatics 1650, alkyls 1706 and 1754 nm", "H25; B12"),
    AbsorptionFeature("water", 1870, 1970, "H-O-H bend and O-H stretch, 1900 to 1939 nm", "B19; K17"),
    AbsorptionFeature("organic matter", 2020, 2150, "amides 2033, polysaccharides 2137 nm", "VRB"),
    AbsorptionFeature("clay Al-OH", 2150, 2230, "kaolinite 2160 and 2210, smectite, illite 2206 nm", "B20; B08; VRB"),
    AbsorptionFeature("Fe-OH", 2250, 2305, "nontronite 2290 nm", "B08"),
    AbsorptionFeature("organic matter", 2270, 2390, "CH2, CH3, carbohydrates, 2275 to 2386 nm", "B12"),
    AbsorptionFeature("carbonates", 2300, 2360, "CO3, aragonite 2315, dolomite 2319, calcite 2348 nm", "K17; Z12"),
    AbsorptionFeature("illite Al-OH", 2420, 2470, "illite 2450 nm", "VRB"),
    AbsorptionFeature("carbonates", 2480, 2560, "CO3, 2500 to 2550 nm", "Z12; C99"),
)


def features_in(low_nm: float, high_nm: float) -> tuple[str, ...]:
    """Return the names of the features within a window, without repetition, in order of wavelength.

    Parameters
    ----------
    low_nm, high_nm : float
        Limits of the window in nm.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> features_in(2195, 2215), features_in(1200, 1210), features_in(650, 660)
    (('clay Al-OH',), (), ('organic matter', 'iron oxides'))
    """
    in_order = sorted(ABSORPTION_FEATURES, key=lambda feature: feature.low_nm)
    names = [feature.name for feature in in_order if feature.low_nm <= high_nm and low_nm <= feature.high_nm]
    return tuple(dict.fromkeys(names))
