"""The table of a map's accuracy: coverage and its uncertainty are those of a share of points, or of the area."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from geosoil.evaluate.designs import Design
from geosoil.trust.map_accuracy import accuracy_table

# Of ten values, two are below the interval from 1 to 5, one is above it, and seven are inside.
OBSERVED = np.array([0.0, 0.5, 2, 2, 3, 3, 4, 4, 5, 9])
FRAME = pd.DataFrame({"observed": OBSERVED, "predicted": np.full(10, 3.0), "lower": 1.0, "upper": 5.0})


def coverage(design, frame=FRAME):
    table = accuracy_table(frame, np.ones(len(frame), bool), design, unit="%", level=0.8)
    return table[table.figure == "coverage of 80 % intervals"].iloc[0]


@pytest.mark.parametrize(("design", "variance"), [(None, 0.7 * 0.3 / 10), (Design.random(10), 0.7 * 0.3 / 9)])
def test_the_coverage_has_the_exact_interval_of_a_share(design, variance):
    row = coverage(design)
    ends = binomtest(7, 10).proportion_ci(method="exact")
    assert (row.n, row.estimate) == (10, pytest.approx(0.7))
    assert row.standard_error == pytest.approx(np.sqrt(variance))
    assert (row.low, row.high) == pytest.approx((ends.low, ends.high))


def test_the_coverage_of_a_stratified_sample_is_weighed_by_area_as_computed_by_hand():
    # Two of the first four values are covered, in 80 % of the area, and five of the last six in the rest.
    row = coverage(Design(np.repeat(["a", "b"], [4, 6]), {"a": 0.8, "b": 0.2}))
    assert row.estimate == pytest.approx(0.8 * 2 / 4 + 0.2 * 5 / 6)
    assert row.standard_error**2 == pytest.approx(0.8**2 * (0.25 * 4 / 3) / 4 + 0.2**2 * (5 / 36 * 6 / 5) / 6)
    assert 0 < row.low < row.estimate < row.high < 1


def test_points_without_an_interval_do_not_count_in_its_coverage():
    row = coverage(Design.random(10), FRAME.assign(lower=[np.nan, *[1.0] * 9]))
    assert (row.n, row.estimate) == (9, pytest.approx(7 / 9))
