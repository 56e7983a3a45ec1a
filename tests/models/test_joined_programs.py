"""Pixel models that start with the same steps run these once, and predict what each predicts alone."""

import pickle

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from geosoil.estimators.forest import Forest
from geosoil.estimators.gaussian_process import GaussianProcess
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.models import composite
from geosoil.models.compose import Ensemble, MultiTargetModel
from geosoil.models.contract import Feature, Target, predictions_of
from geosoil.models.joined_programs import JoinedPrograms
from geosoil.models.joint import JointModel
from geosoil.models.pixel import PixelModel
from geosoil.models.trust import ModelTrust, TargetTrust
from geosoil.models.trusted import TrustedModel
from geosoil.program.lower import LoweredProgram
from geosoil.spectra.absorbance import Absorbance
from geosoil.trust.applicability import fit_applicability
from geosoil.trust.intervals import IntervalState
from geosoil.trust.local_scale import CONSTANT

N_BANDS = 4
STATE = IntervalState(np.arange(1.0, 20.0), 19, CONSTANT)
rng = np.random.default_rng(2)
SPECTRA = rng.uniform(0.1, 0.9, (30, N_BANDS))


def pixel_model(regressor, name, columns="abcd", step=None):
    fitted = make_pipeline(step or Absorbance(), regressor).fit(
        SPECTRA[:, : len(columns)], SPECTRA[:, 0] + SPECTRA[:, 1]
    )
    return PixelModel(fitted, tuple(map(Feature, columns)), (Target(name, "%", (0.0, None)),))


def joined_numbers(model):
    return [joined.numbers for joined in model._joined.values()]


@pytest.fixture(scope="module")
def models():
    return pixel_model(PartialLeastSquares(max_components=2), "som"), pixel_model(SupportVectors(), "clay")


@pytest.fixture
def block():
    values = rng.uniform(0.1, 0.9, (N_BANDS, 5, 7)).astype(np.float32)
    values[2, 1, 3] = np.nan
    return values


@pytest.fixture
def programs_run(monkeypatch):
    """The number of outputs of each program that runs."""
    runs = []
    whole = LoweredProgram.__call__

    def counted(self, *args, **options):
        runs.append(self.n_outputs)
        return whole(self, *args, **options)

    monkeypatch.setattr(LoweredProgram, "__call__", counted)
    return runs


def test_models_of_several_targets_run_as_one_program(models, block, programs_run):
    predicted = MultiTargetModel(models).predict(block)
    assert programs_run == [2]
    np.testing.assert_array_equal(predicted, np.concatenate([model.predict(block) for model in models]))
    assert np.isnan(predicted[:, 1, 3]).all() and np.isfinite(predicted).sum() == 2 * 34


def test_an_ensemble_runs_as_one_program(programs_run, block):
    members = tuple(pixel_model(PartialLeastSquares(max_components=n), "som") for n in (1, 2))
    predicted = Ensemble(members).predict(block)
    assert programs_run == [2]
    np.testing.assert_allclose(predicted, np.mean([model.predict(block) for model in members], axis=0), rtol=1e-6)


def test_models_of_one_map_run_as_one_program_on_the_bands_of_each(models, block, programs_run):
    order = "dbca"
    read = tuple(map(Feature, order))
    joint = JointModel(models, (read, read), ("m", "n"))
    predicted = joint.predict(block)  # the bands of the block are those of `read`
    assert programs_run == [2]
    np.testing.assert_array_equal(predicted, np.concatenate([model.predict(block) for model in models]))
    other = JointModel(models, (read, read[::-1]), ("m", "n"))
    expected = np.concatenate([models[0].predict(block), models[1].predict(block[::-1].copy())])
    np.testing.assert_array_equal(other.predict(block), expected)


def test_a_gap_in_a_band_is_a_gap_of_those_models_that_read_it(block):
    models = [
        pixel_model(PartialLeastSquares(max_components=n), f"{columns}{n}", columns)
        for columns in ("ab", "cd")
        for n in (1, 2)
    ]
    joint = JointModel(tuple(models), tuple(model.training_columns for model in models), tuple("mnop"))
    block[3, 0, 0] = np.nan
    predicted = joint.predict(block)
    assert joined_numbers(joint) == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(np.isnan(predicted[:, 0, 0]), [False, False, True, True])
    assert np.isnan(predicted).sum() == 4
    expected = [
        model.predict(part) for model, part in zip(models, (block[:2], block[:2], block[2:], block[2:]), strict=True)
    ]
    np.testing.assert_array_equal(predicted, np.concatenate(expected))


def test_only_some_outputs_of_joined_models_are_predicted_by_their_own_programs(models, block, programs_run):
    several = MultiTargetModel(models)
    clay = several.predict(block, several.outputs[1:])
    assert programs_run == [1]
    np.testing.assert_array_equal(clay, models[1].predict(block))


def test_models_without_a_program_or_without_a_common_step_are_not_joined(models):
    forest = pixel_model(Forest(n_trees=3), "ph")
    line = PixelModel(
        LinearRegression().fit(SPECTRA, SPECTRA[:, 0]), tuple(map(Feature, "abcd")), (Target("sand", "%"),)
    )
    assert JoinedPrograms({0: models[0], 1: forest, 2: line, 3: models[1]}).numbers == [0, 3]
    assert JoinedPrograms({0: models[0], 1: forest, 2: line}).numbers == []
    assert JoinedPrograms({0: forest, 1: forest})(np.zeros((N_BANDS, 1, 1), np.float32)) == {}


def test_models_on_different_devices_are_not_joined(models):
    on_gpu = models[1].on("cuda")
    assert JoinedPrograms({0: models[0], 1: on_gpu}).numbers == []


def test_models_with_trust_states_have_the_bands_that_each_has_alone(block):
    area = fit_applicability(SPECTRA)
    trusted = [
        TrustedModel(model, ModelTrust({model.targets[0].name: TargetTrust(STATE, 1.0)}, "random folds", area))
        for model in (pixel_model(PartialLeastSquares(max_components=n), name) for n, name in ((1, "som"), (2, "clay")))
    ]
    joint = JointModel(tuple(trusted), (tuple(map(Feature, "abcd")),) * 2, ("m", "n"))
    assert joined_numbers(joint) == [[0, 1]]
    outputs = joint.outputs
    expected = {
        (name, output.kind): band
        for model, name in zip(trusted, ("som", "clay"), strict=True)
        for output, band in zip(model.outputs, model.predict(block, model.outputs), strict=True)
    }
    for output, band in zip(outputs, joint.predict(block, outputs), strict=True):
        name = "som" if "som" in output.name or output.name.startswith("m_") else "clay"
        np.testing.assert_array_equal(band, expected[name, output.kind], err_msg=output.name)


def test_gaussian_processes_are_not_joined_because_they_have_a_spread(block):
    models = tuple(pixel_model(GaussianProcess(), name) for name in ("som", "clay"))
    several = MultiTargetModel(models)
    assert joined_numbers(several) == [[]]
    expected = {
        output: band
        for model in models
        for output, band in zip(model.outputs, model.predict(block, model.outputs), strict=True)
    }
    np.testing.assert_array_equal(
        several.predict(block, several.outputs), [expected[output] for output in several.outputs]
    )


class SumOf3x3:
    """A model that reads one pixel of context."""

    features = training_columns = (Feature("a"),)
    targets = (Target("sum", "%"),)
    outputs = predictions_of(targets)
    halo = 1

    def predict(self, block, outputs=None):
        return np.lib.stride_tricks.sliding_window_view(block, (3, 3), axis=(1, 2)).sum(axis=(-1, -2))


def test_joined_models_read_the_middle_of_a_block_with_a_halo(models, block):
    predicted = MultiTargetModel((*models, SumOf3x3())).predict(np.nan_to_num(block, nan=0.5))
    inner = np.nan_to_num(block, nan=0.5)[:, 1:-1, 1:-1]
    np.testing.assert_array_equal(predicted[:2], np.concatenate([model.predict(inner) for model in models]))
    assert predicted.shape == (3, 3, 5)


def test_an_infinite_reflectance_gives_no_value_where_a_linear_program_would_be_infinite():
    process = GaussianProcess().fit(SPECTRA, SPECTRA[:, 0])
    model = PixelModel(process, tuple(map(Feature, "abcd")), (Target("som", "%"),))
    pixels = SPECTRA[:3].T[:, None].astype(np.float32)
    pixels[1, 0, 2] = np.inf
    predicted = model.predict(pixels, model.outputs)
    assert np.isfinite(predicted[:, 0, :2]).all() and np.isnan(predicted[:, 0, 2]).all()
    assert np.isnan(model.predict(pixels)[0, 0]).tolist() == [False, False, True]
    line = PixelModel(PartialLeastSquares(max_components=1).fit(SPECTRA, SPECTRA[:, 0]), model.features, model.targets)
    assert np.isnan(line.predict(pixels)[0, 0]).tolist() == [False, False, True]


def test_the_bands_that_several_models_read_are_taken_from_the_block_once(block, monkeypatch):
    taken = []
    whole = composite._take_bands
    monkeypatch.setattr(composite, "_take_bands", lambda *args: taken.append(args[1]) or whole(*args))
    models = [pixel_model(SupportVectors(), name, columns) for name, columns in (("a", "ab"), ("b", "ab"), ("c", "bc"))]
    MultiTargetModel(tuple(models)).predict(block)
    assert taken == [(0, 1), (1, 2)]


def test_joined_programs_are_not_sent_to_workers(models, block):
    several = MultiTargetModel(models)
    before = pickle.dumps(several)
    expected = several.predict(block)
    assert pickle.dumps(several) == before
    np.testing.assert_array_equal(pickle.loads(before).predict(block), expected)
