"""Transfers of a property: what the source teaches, its ancestry, and that test rows have no part in it."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import ABSORBANCE, patch_rows, spectral_rows, task

from geosoil.errors import RecipeError, SamplesError
from geosoil.models.card import TrainingCard
from geosoil.models.compose import Cascade
from geosoil.models.contract import Feature
from geosoil.models.patch import PatchModel
from geosoil.models.state import regressor_of
from geosoil.models.store import load_model, model_sha256, save_model
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.regressors import fit_model, predict_rows
from geosoil.pipeline.regressors.spectral_transfer import name_source


def covariate_rows(**parts):
    """Three covariates: the auxiliary property is their sum, the target three times it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(48, 3)).astype(np.float32)
    total = X.sum(axis=1).astype(np.float64)
    features = tuple(Feature(f"c{i}") for i in range(3))
    rows = spectral_rows(X=X, y=20 + 3 * total[:, None], features=features, quantity="covariates", library=None)
    return replace(rows, auxiliary=total + 10, **parts)


def predicted(learned, indices=None):
    model = fit_model(learned)
    return predict_rows(model, learned.candidate, learned.rows, learned.test if indices is None else indices)


def test_linear_scores_of_the_library_predict_a_target_that_follows_its_property():
    for kind in ("source_pls_scores", "library_pca_scores"):
        learned = task(kind, spectral_rows(), features=ABSORBANCE)
        values = predicted(learned)
        assert np.corrcoef(values[:, 0], learned.rows.y[36:, 0])[0, 1] > 0.95


def test_a_transferred_network_keeps_the_layers_and_names_its_source(tmp_path):
    learned = task("transfer_resnet", spectral_rows(), features=ABSORBANCE)
    model = fit_model(learned)
    source = learned.details["source_model"]
    before, after = (regressor_of(each.estimator).weights_ for each in (source.model, model))
    np.testing.assert_array_equal(after["convolution.weight"], before["convolution.weight"])
    assert not np.array_equal(after["output.weight"], before["output.weight"])
    assert source.n_samples == 68
    assert len(source.tested[0]) == 22
    training = TrainingCard(n_samples=1, recipe_sha256="0" * 64, table_sha256="0" * 64)
    options = {"study": "", "preprocessing": [], "training": training}
    save_model(source.model, tmp_path / "source", name="pb_source", **options)
    name_source(model, tmp_path / "source")
    save_model(model, tmp_path / "pb", name="pb", **options)
    [origin] = regressor_of(load_model(tmp_path / "pb").estimator).ancestry_
    assert origin["name"] == "pb_source"
    assert origin["sha256"] == model_sha256(tmp_path / "source")
    assert origin["target"] == "ph"


def test_random_layers_are_those_of_the_seed():
    learned = task("random_resnet", spectral_rows(), features=ABSORBANCE)
    weights = regressor_of(fit_model(learned).estimator).weights_["convolution.weight"]
    other = task("random_resnet", spectral_rows(), features=ABSORBANCE)
    y = other.rows.library.auxiliary[::-1].copy()
    other = replace(other, rows=replace(other.rows, library=replace(other.rows.library, auxiliary=y)))
    np.testing.assert_array_equal(weights, regressor_of(fit_model(other).estimator).weights_["convolution.weight"])


def test_a_small_library_teaches_nothing():
    rows = spectral_rows()
    auxiliary = np.where(np.arange(90) < 39, rows.library.auxiliary, np.nan)
    rows = replace(rows, library=replace(rows.library, auxiliary=auxiliary))
    with pytest.raises(SamplesError, match="found 39 rows with the auxiliary property; expected 40"):
        fit_model(task("transfer_resnet", rows))


def test_test_rows_stop_the_transfer_only_in_the_published_protocol():
    rows = spectral_rows()
    y = rows.y.copy()
    y[36:] = y[36:][::-1] * 5
    for leak, same in (("", True), ("settings", False)):
        first = task("transfer_resnet", rows, leak=leak)
        second = task("transfer_resnet", replace(rows, y=y), leak=leak)
        assert np.array_equal(predicted(first), predicted(second)) == same


def test_a_cascade_reads_the_predicted_property_and_never_the_measured_one():
    rows = covariate_rows()
    settings = {"n_trees": 30, "max_features": 1.0}
    learned = task("cascade", rows, settings=settings)
    model = fit_model(learned)
    assert isinstance(model, Cascade)
    assert model.intermediate_targets == ("ph",)
    values = predicted(learned)
    changed = rows.auxiliary.copy()
    changed[learned.test] = 1000.0
    np.testing.assert_array_equal(
        values, predicted(task("cascade", replace(rows, auxiliary=changed), settings=settings))
    )
    assert np.corrcoef(values[:, 0], rows.y[36:, 0])[0, 1] > 0.8


@pytest.mark.filterwarnings("ignore:fine_tune")
def test_a_transferred_mlp_learns_from_the_rows_that_have_only_the_auxiliary_property():
    rows = covariate_rows()
    y = rows.y.copy()
    y[:20] = np.nan
    rows = replace(rows, y=y)
    settings = {"epochs": 400, "n_members": 1, "dropout": 0.0, "learning_rate": 0.01}
    values = predicted(task("transfer_mlp", rows, settings=settings))
    without = rows.auxiliary.copy()
    without[:20] = np.nan
    other = predicted(task("transfer_mlp", replace(rows, auxiliary=without), settings=settings))
    assert not np.array_equal(values, other)
    assert np.corrcoef(values[:, 0], covariate_rows().y[36:, 0])[0, 1] > 0.7


@pytest.mark.parametrize("kind", ["cnn", "multitask_cnn", "transfer_cnn"])
def test_depth_networks_predict_all_depths_and_never_see_test_rows(kind):
    rows = patch_rows()
    learned = task(kind, rows, features={"selection": {"method": "screen", "least_r": 0.25}})
    model = fit_model(learned)
    assert isinstance(model, PatchModel)
    assert model.used_columns[0] == 0
    assert len(learned.details["selection"].selection_.names) < 4
    y = rows.y.copy()
    y[learned.test] = 1000.0
    changed = task(kind, replace(rows, y=y), features={"selection": {"method": "screen", "least_r": 0.25}})
    np.testing.assert_array_equal(predicted(learned), predicted(changed))


def test_depth_networks_refuse_what_they_cannot_learn():
    rows = patch_rows()
    log = replace(rows, targets=(TargetProperty(column="soc_g_kg", log="naive"),) * 3)
    cells = replace(rows, X=rows.centres)
    for refused, word in ((log, "target.log"), (cells, "data.patch"), (replace(rows, layers_cm=None), "use cnn")):
        with pytest.raises(RecipeError, match=word):
            fit_model(task("transfer_cnn", refused))
    y = rows.y.copy()
    y[5:, 1] = np.nan
    with pytest.raises(SamplesError, match="soc_g_kg 10-30 cm"):
        fit_model(task("cnn", replace(rows, y=y)))
