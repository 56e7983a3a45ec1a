"""Models that map one raster together predict what each predicts alone."""

import numpy as np
from sklearn.linear_model import LinearRegression

from geosoil.models.compose import Ensemble
from geosoil.models.contract import SPREAD, Feature, Target, select_outputs
from geosoil.models.joint import JointModel
from geosoil.models.pixel import PixelModel


def line(slope, name="ph", column="x"):
    fitted = LinearRegression().fit([[0.0], [1.0]], [0.0, slope])
    return PixelModel(fitted, (Feature(column),), (Target(name, "%", (0.0, 10.0)),))


def values(model, pixels, **options):
    block = np.array(pixels, np.float32).T[:, None]
    return model.predict(block, **options)[:, 0].round(4).tolist()


def test_a_gap_in_a_band_of_one_model_leaves_the_other_models():
    joint = JointModel((line(2), line(3, "som")), ((Feature("a"),), (Feature("b"),)), ("m", "n"))
    np.testing.assert_array_equal(values(joint, [(1, np.nan), (np.nan, 2)]), [[2, np.nan], [np.nan, 6]])


def test_a_band_that_two_models_read_is_read_once_in_the_order_of_each():
    one = PixelModel(
        LinearRegression().fit(np.eye(2), [1.0, 10.0]), (Feature("p"), Feature("q")), (Target("som", "%"),)
    )
    expected = one.predict_rows(np.array([[5.0, 4.0]]))[0, 0]
    joint = JointModel((line(2), one), ((Feature("a"),), (Feature("b"), Feature("a"))), ("m", "n"))
    assert [feature.name for feature in joint.features] == ["a", "b"]
    np.testing.assert_allclose(values(joint, [(4.0, 5.0)]), [[8.0], [expected]], atol=1e-3)


def test_only_names_that_are_shared_get_the_name_of_the_model():
    read = ((Feature("a"),),) * 3
    joint = JointModel((line(1), line(2), line(3, "som")), read, ("m", "n", "o"))
    assert [output.name for output in joint.outputs] == ["m_ph", "n_ph", "som"]
    assert [target.name for target in joint.targets] == ["m_ph", "n_ph", "som"]
    assert {output.valid_range for output in joint.outputs} == {(0.0, 10.0)}


def test_outputs_are_chosen_by_kind_from_the_models_that_have_them():
    ensemble = Ensemble((line(1), line(3)))
    joint = JointModel((line(5, "som"), ensemble), ((Feature("a"),), (Feature("b"),)), ("m", "n"))
    chosen = select_outputs(joint, [SPREAD])
    assert values(joint, [(7, 2)], outputs=chosen) == [[2.0]]
    assert [output.kind for output in joint.outputs] == ["prediction", "prediction", "spread"]
    assert values(joint, [(1, 2)], outputs=joint.outputs[1::-1]) == [[4.0], [5.0]]


def test_a_model_without_halo_reads_the_middle_of_a_block_with_halo():
    class Sum:
        features = (Feature("a"),)
        targets = outputs = ()
        halo = 1

        def predict(self, block, outputs):
            return sum(block[:, i : i + 1, j : j + 1] for i in range(3) for j in range(3))

    wide = Sum()
    wide.outputs = line(1, "total").outputs
    joint = JointModel((line(2), wide), ((Feature("a"),), (Feature("a"),)), ("m", "n"))
    block = np.arange(9, dtype=np.float32).reshape(1, 3, 3)
    assert joint.halo == 1
    np.testing.assert_allclose(joint.predict(block).ravel(), [8, 36], rtol=1e-5)
