"""A model returns the outputs that are asked for, and values outside the valid range are set to its limits."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from geosoil.errors import ModelFileError
from geosoil.models.compose import Cascade, Ensemble, MultiTargetModel
from geosoil.models.contract import Feature, Output, Target, clip_to_range, select_outputs
from geosoil.models.pixel import PixelModel

SOC, PH = Target("soc", "%", (0.0, 4.0)), Target("ph", "", (3.0, None))


def line(slope, target=SOC, feature="twi"):
    estimator = LinearRegression().fit([[0.0], [1.0]], [0.0, slope])
    return PixelModel(estimator, (Feature(feature),), (target,))


def two_targets():
    estimator = LinearRegression().fit([[0.0], [1.0]], [[0.0, 0.0], [1.0, 10.0]])
    return PixelModel(estimator, (Feature("twi"),), (SOC, PH))


BLOCK = np.array([[[-2.0, 1.0, np.nan, 4.0]]], np.float32)


@pytest.mark.parametrize("model", [two_targets(), MultiTargetModel((line(1.0), line(10.0, PH)))])
def test_the_outputs_asked_for_are_returned_in_the_order_asked(model):
    soc, ph = model.outputs
    assert [output.name for output in model.outputs] == ["soc", "ph"]
    both = np.array([[[-2.0, 1.0, np.nan, 4.0]], [[-20.0, 10.0, np.nan, 40.0]]], np.float32)
    np.testing.assert_allclose(model.predict(BLOCK.copy()), both, atol=1e-5)
    np.testing.assert_allclose(model.predict(BLOCK.copy(), [ph]), both[1:], atol=1e-5)
    np.testing.assert_allclose(model.predict(BLOCK.copy(), [ph, soc]), both[::-1], atol=1e-5)


def test_an_output_that_the_model_does_not_have_is_refused():
    with pytest.raises(ModelFileError, match='m: found no output "spread"; expected one of prediction'):
        select_outputs(line(1.0), ["prediction", "spread"], "m")
    with pytest.raises(ValueError, match="not in list"):
        line(1.0).predict(BLOCK, [Output("other", "%")])


def test_a_value_equal_to_a_limit_is_not_counted_as_outside():
    values = np.array([[0.0, -0.5, 4.0, 4.5, 5.0, np.nan], [3.0, 2.0, 9.0, 1e9, np.nan, 2.9]], np.float32)
    assert clip_to_range(values, (SOC, PH)).tolist() == [[1, 2], [2, 0]]
    expected = np.array([[0, 0, 4, 4, 4, np.nan], [3, 3, 9, 1e9, np.nan, 3]], np.float32)
    np.testing.assert_array_equal(values, expected)


def test_rows_are_predicted_within_the_valid_range():
    rows = np.array([[-1.0], [2.0], [9.0]])
    for model in (line(1.0), Ensemble((line(1.0), line(1.0)))):
        np.testing.assert_allclose(model.predict_rows(rows)[:, 0], [0.0, 2.0, 4.0], atol=1e-6)


def test_an_ensemble_is_the_mean_of_values_within_the_range_and_outside_only_if_all_members_are():
    model = Ensemble((line(1.0), line(3.0)))
    block = np.array([[[-1.0, 1.0, 2.0, 5.0]]], np.float32)
    np.testing.assert_allclose(model.predict(block)[0, 0], [-2.0, 2.0, 3.0, 10.0], atol=1e-5)


def test_the_spread_of_an_ensemble_is_the_standard_deviation_of_its_members_values_within_the_range():
    model = Ensemble((line(1.0), line(3.0), line(0.5)))
    prediction, spread = model.outputs
    assert spread == Output("soc spread", "%", "spread")
    block = np.array([[[-1.0, 1.0, 2.0, 9.0, np.nan]]], np.float32)
    members = np.clip(np.stack([[k * value for value in block[0, 0]] for k in (1.0, 3.0, 0.5)]), 0.0, 4.0)
    np.testing.assert_allclose(model.predict(block, [spread])[0, 0], members.std(axis=0), atol=1e-5)
    both = model.predict(block, [spread, prediction])
    np.testing.assert_array_equal(both[1], model.predict(block)[0])
    np.testing.assert_array_equal(both[0], model.predict(block, [spread])[0])
    assert len(model.predict(block)) == 1


def test_the_second_model_of_a_cascade_reads_predictions_within_the_range():
    model = Cascade(line(1.0), line(2.0, PH, feature="soc"))
    assert model.outputs == (Output("ph", "", "prediction", (3.0, None)),)
    np.testing.assert_allclose(model.predict(BLOCK.copy())[0, 0], [0.0, 2.0, np.nan, 8.0], atol=1e-5)


@pytest.mark.parametrize("model", [Ensemble((line(1.0), line(3.0))), Cascade(line(1.0), line(2.0, PH, feature="soc"))])
def test_a_resampled_model_predicts_from_the_interpolated_bands(model):
    other = model.resample_from((Feature("a"), Feature("b")), np.array([[0.25, 0.75]]))
    assert (other.targets, other.outputs, other.training_columns) == (
        model.targets,
        model.outputs,
        model.training_columns,
    )
    block = np.array([[[1.0, 2.0, np.nan]], [[2.0, 0.4, 1.0]]], np.float32)
    between = (0.25 * block[:1] + 0.75 * block[1:]).astype(np.float32)
    np.testing.assert_array_equal(other.predict(block), model.predict(between))
    rows = block.reshape(2, -1).T[:2]
    np.testing.assert_array_equal(other.predict_rows(rows), model.predict_rows(between.reshape(1, -1).T[:2]))
