"""What absorbs where: every row is what its sources say, and windows get the names of what they touch."""

import re

import pytest

from geosoil.spectra import absorption_features
from geosoil.spectra.absorption_features import ABSORPTION_FEATURES, features_in


@pytest.mark.parametrize("feature", ABSORPTION_FEATURES, ids=lambda feature: f"{feature.name} {feature.low_nm}")
def test_the_range_of_a_feature_holds_the_centres_that_its_cause_names_and_its_sources_are_explained(feature):
    centres = [int(number) for number in re.findall(r"\b\d{3,4}\b", feature.cause)]
    assert 400 < feature.low_nm < feature.high_nm < 2600
    assert all(feature.low_nm < centre < feature.high_nm for centre in centres)
    for source in feature.source.split("; "):
        assert f"\n{source}: " in absorption_features.__doc__


def test_the_best_known_bands_have_their_names():
    known = {480: "iron oxides", 870: "iron oxides", 950: "iron oxides", 1415: "water", 1915: "water",
             2207: "clay Al-OH", 2340: "carbonates", 1706: "organic matter"}  # fmt: skip
    assert {nm: name in features_in(nm - 1, nm + 1) for nm, name in known.items()} == dict.fromkeys(known, True)
    assert features_in(1200, 1350) == ()  # where soils are quiet


def test_a_window_is_named_by_what_it_touches_each_once_in_order_of_wavelength():
    assert features_in(400, 1000) == ("iron oxides", "organic matter", "water")
    assert features_in(2230, 2230) == ("clay Al-OH",)
    assert features_in(2231, 2249) == ()
