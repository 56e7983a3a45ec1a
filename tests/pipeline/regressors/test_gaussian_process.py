"""The kind gp of a recipe: its blocks, its outputs, and its model folder."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import spectral_rows, task

from geosoil.estimators.gaussian_process import GaussianProcess
from geosoil.models.contract import SPREAD, Feature, Target, place_features
from geosoil.models.pixel import PixelModel
from geosoil.models.process_moments import gives_deviation
from geosoil.models.state import describe, rebuild
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.regressors import fit_model
from geosoil.pipeline.regressors.gaussian_process import describe as describe_process
from geosoil.pipeline.regressors.gaussian_process import kernel_blocks
from geosoil.pipeline.regressors.steps import Prepared
from geosoil.spectra.scatter import SNV

BANDS = tuple(Feature(f"b{i}", wavelength_nm=400.0 + 10 * i) for i in range(12))
PLACE = place_features(32633)


def prepared(n_columns: int, steps: int = 0) -> Prepared:
    return Prepared([("snv", SNV())] * steps, np.zeros((3, n_columns)), {})


def test_bands_their_derivative_covariates_and_place_are_blocks() -> None:
    features = (*BANDS, Feature("twi"), *PLACE)
    blocks = kernel_blocks(features, prepared(15))
    assert [block["name"] for block in blocks] == ["spectra", "derivative of the spectra", "covariates", "place"]
    assert [block["columns"] for block in blocks] == [list(range(12)), list(range(12)), [12], [13, 14]]
    assert (blocks[1]["derivative"], blocks[3]["place"], blocks[3]["linear"]) == (True, True, False)


def test_few_bands_have_no_derivative_and_prepared_features_are_one_block() -> None:
    assert [block["name"] for block in kernel_blocks(BANDS[:10], prepared(10))] == ["spectra"]
    blocks = kernel_blocks((*BANDS, *PLACE), prepared(7, steps=1))  # a selection has left five columns
    assert [(block["name"], block["columns"]) for block in blocks] == [("features", [0, 1, 2, 3, 4]), ("place", [5, 6])]
    assert [block["name"] for block in kernel_blocks(PLACE, prepared(2))] == ["place"]


@pytest.fixture(scope="module")
def model() -> PixelModel:
    rng = np.random.default_rng(0)
    S = 0.3 + 0.02 * np.cumsum(rng.normal(size=(40, 12)), axis=1)
    process = GaussianProcess(blocks=kernel_blocks(BANDS, prepared(12)), log="always", n_iterations=20)
    process.fit(S.astype(np.float32), np.exp(10 * S[:, 3] - 3 + 0.1 * rng.normal(size=40)))
    return PixelModel(process, BANDS, (Target("soc", "%", (0.0, None)),))


def test_the_map_has_the_prediction_and_its_standard_deviation(model: PixelModel) -> None:
    block = np.random.default_rng(1).uniform(0.2, 0.4, (12, 5, 7)).astype(np.float32)
    block[2, 1, 1] = np.nan
    prediction, spread = model.predict(block, model.outputs)
    expected, deviation = model.estimator.predict(block.reshape(12, -1).T, return_std=True)
    tolerance = 1e-4 * float(model.estimator.loo_prediction_.std())
    assert [output.kind for output in model.outputs] == ["prediction", SPREAD]
    assert model.outputs[1].unit == "%"
    assert prediction.ravel() == pytest.approx(expected, abs=tolerance, nan_ok=True)
    assert spread.ravel() == pytest.approx(deviation, abs=tolerance, nan_ok=True)
    assert np.isnan(spread).sum() == np.isnan(prediction).sum() == 1
    assert model.predict(block)[0] == pytest.approx(prediction, abs=tolerance, nan_ok=True)
    assert model.predict(block, model.outputs[1:])[0] == pytest.approx(spread, nan_ok=True)


def test_the_bands_of_another_sensor_give_the_same_standard_deviation(model: PixelModel) -> None:
    rng = np.random.default_rng(2)
    matrix = rng.dirichlet(np.ones(15), size=12)
    other = model.resample_from(tuple(Feature(f"o{i}") for i in range(15)), matrix)
    block = rng.uniform(0.2, 0.4, (15, 2, 3)).astype(np.float32)
    resampled = (matrix @ block.reshape(15, -1).astype(np.float64)).astype(np.float32).reshape(12, 2, 3)
    assert other.predict(block, other.outputs) == pytest.approx(model.predict(resampled, model.outputs), rel=1e-3)


def test_a_stored_process_predicts_the_same_bits(model: PixelModel) -> None:
    arrays: dict[str, np.ndarray] = {}
    tree = describe(model.estimator, arrays)
    stored = replace(model, estimator=rebuild(tree, arrays))
    block = np.random.default_rng(1).uniform(0.2, 0.4, (12, 5, 7)).astype(np.float32)
    assert np.array_equal(stored.predict(block, stored.outputs), model.predict(block, model.outputs))


def test_only_a_process_that_runs_as_a_program_gives_a_deviation(model: PixelModel) -> None:
    from sklearn.pipeline import Pipeline

    from geosoil.estimators.ridge import Ridge
    from geosoil.spectra.continuum import ContinuumRemoval

    wavelength_nm = [400.0 + 10 * i for i in range(12)]
    continuum = ContinuumRemoval(wavelength_nm=wavelength_nm).fit(np.ones((2, 12)))
    assert gives_deviation(model.estimator)
    assert gives_deviation(Pipeline([("snv", SNV().fit(np.eye(12))), ("model", model.estimator)]))
    assert not gives_deviation(Pipeline([("continuum", continuum), ("model", model.estimator)]))
    assert not gives_deviation(Ridge().fit(np.eye(4), [1.0, 2.0, 3.0, 4.0]))


def test_the_description_says_what_each_block_explains(model: PixelModel) -> None:
    text = describe_process(model.estimator)
    assert text.startswith("shares of the prior variance: spectra ")
    assert ", derivative of the spectra " in text
    assert text.endswith(" %; the logarithm of the target is modelled")


def test_the_description_states_how_far_from_samples_place_is_used() -> None:
    places = np.random.default_rng(3).uniform(0, 5000, (60, 2))
    process = GaussianProcess(blocks=kernel_blocks(PLACE, prepared(2)), n_iterations=60)
    process.fit(places, np.sin(places[:, 0] / 500))
    distance = 2 * process.lengths_[0]
    assert describe_process(process).endswith(f"; place adds to predictions within about {distance:.3g} m of samples")
    t = 2 * 3**0.5  # at two lengths
    assert (1 + t) * np.exp(-t) == pytest.approx(0.14, abs=0.005)


def test_the_logarithm_of_the_recipe_is_that_of_the_process_or_of_a_wrapper():
    rows = spectral_rows()
    models = {}
    for log in ("none", "smearing", "naive"):
        targets = (TargetProperty(column="soc_pct", unit="%", log=log),)
        models[log] = fit_model(task("gp", replace(rows, targets=targets), settings={"log": "none"}))
    assert not models["none"].estimator.log_
    assert models["smearing"].estimator.log_
    naive = models["naive"].estimator
    assert type(naive).__name__ == "LogTarget"
    assert not naive.estimator_.log_
    observed = rows.y[36:, 0]
    for model in models.values():
        assert model.predict_rows(rows.X[36:])[:, 0] == pytest.approx(observed, rel=0.15)
