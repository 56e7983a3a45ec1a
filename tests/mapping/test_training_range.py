"""Rows outside the training range are counted once, and their features in the order of their counts."""

import numpy as np

from geosoil.mapping.training_range import RangeCount
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel

COLUMNS = (Feature("a", training_low=0.0, training_high=1.0), Feature("b", training_low=10.0, training_high=20.0),
           Feature("c"))  # fmt: skip


def model(matrix):
    features = tuple(Feature(f"band {i}") for i in range(matrix.shape[1]))
    return PixelModel(None, COLUMNS, (Target("ph", ""),), matrix, features)


def test_a_row_that_is_outside_in_two_features_is_one_row():
    count = RangeCount(model(np.eye(3)))
    count.add(np.array([[-1.0, 0.0, 0.5], [5.0, 20.0, 21.0], [99.0, 99.0, 99.0]]))
    count.add(np.array([[0.5], [30.0], [0.0]]))
    assert count.note == (
        "rows outside the training range in at least one of 2 features: 3 of 4; 3 in b (training 10 to 20), "
        "1 in a (training 0 to 1)"
    )


def test_bands_of_another_sensor_are_compared_after_resampling():
    count = RangeCount(model(np.array([[0.5, 0.5], [10.0, 10.0], [1.0, 0.0]])))
    count.add(np.array([[0.9, 0.9], [0.9, 1.2]]))
    assert count.note.endswith("2 features: 1 of 2; 1 in a (training 0 to 1), 1 in b (training 10 to 20)")


def test_the_ends_of_the_range_are_inside_also_after_rounding():
    count = RangeCount(model(np.eye(3)))
    count.add(np.array([[0.0, 1.0 + 1e-7], [10.0, 20.0], [0.0, 0.0]]))
    assert count.note == ""


def test_the_three_features_with_the_highest_counts_are_named():
    columns = tuple(Feature(name, training_low=0.0, training_high=1.0) for name in "abcde")
    count = RangeCount(PixelModel(None, columns, (Target("ph", ""),), np.eye(5), columns))
    count.add(np.array([[2.0, 0.5, 0.5], [2.0, 2.0, 0.5], [2.0, 2.0, 2.0], [0.5, 0.5, 0.5], [-1.0, 0.5, 0.5]]))
    assert count.note.endswith("3 of 3; 3 in c (training 0 to 1), 2 in b (training 0 to 1), 1 in a (training 0 to 1) "
                               "and 1 more")  # fmt: skip


def test_a_value_beyond_the_margin_of_rounding_is_outside():
    count = RangeCount(model(np.eye(3)))
    count.add(np.array([[1.0 + 1e-5, 1.00003, -0.00003], [10.0, 10.0, 10.0], [0.0, 0.0, 0.0]], np.float32))
    assert count.n_outside == 2
