"""The table of regressors: every entry fits, is described, can be saved as it says, and asks for what it needs."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import patch_rows, spectral_rows, task

from geosoil.errors import RecipeError
from geosoil.models.card import TrainingCard
from geosoil.models.store import load_model, save_model
from geosoil.pipeline.regressors import REGRESSORS, fit_model, predict_rows, prepare_shared

ABSORBANCE = {"preprocessing": [{"step": "absorbance"}]}
TRAINING = TrainingCard(n_samples=36, recipe_sha256="0" * 64, table_sha256="0" * 64)


def rows_of(kind):
    return patch_rows() if "patches" in REGRESSORS[kind].needs else spectral_rows()


@pytest.mark.parametrize("kind", REGRESSORS)
def test_every_regressor_fits_predicts_and_is_saved(kind, tmp_path):
    rows = rows_of(kind)
    if kind == "cascade":  # the samples' own auxiliary property
        rows = replace(rows, library=None)
    learned = task(kind, rows, features=ABSORBANCE if rows.quantity == "reflectance" else {})
    model = fit_model(learned)
    values = predict_rows(model, learned.candidate, rows, learned.test)
    assert values.shape == (12, len(rows.targets))
    assert np.isfinite(values).all()
    save_model(model, tmp_path, name="m", study="", preprocessing=[], training=TRAINING)
    X = rows.X if model.halo else rows.centres
    again = load_model(tmp_path).predict_rows(X[learned.test][:, model.used_columns])
    np.testing.assert_allclose(again, values, rtol=1e-6)


@pytest.mark.parametrize("kind", [kind for kind in REGRESSORS if "library" in REGRESSORS[kind].needs])
def test_what_folds_share_is_what_each_would_learn(kind):
    rows = spectral_rows()
    alone = task(kind, rows, features=ABSORBANCE)
    shared = prepare_shared(alone.recipe, rows, [alone.candidate])
    together = replace(alone, shared=shared, details={}, fold_cache={})
    first, second = (predict_rows(fit_model(each), each.candidate, rows, each.test) for each in (alone, together))
    np.testing.assert_array_equal(first, second)
    learns_before = "resnet" in kind or "scores" in kind or "cnn" in kind or kind.startswith("dtl_r")
    assert bool(shared) == (learns_before or kind.startswith("dtl_ir"))


@pytest.mark.parametrize("kind", REGRESSORS)
def test_settings_are_described_and_limited(kind):
    schema = REGRESSORS[kind].settings.model_json_schema()
    for name, field in schema["properties"].items():
        assert len(field["description"]) > 5, name
    assert REGRESSORS[kind].settings.__doc__
    for name in ("n_trees", "epochs", "n_members", "max_components", "n_folds", "k", "b"):
        if name in schema["properties"]:
            with pytest.raises(ValueError, match=name):
                REGRESSORS[kind].settings(**{name: 10**9})


@pytest.mark.parametrize(
    ("kind", "features", "word"),
    [
        ("rs_local_pls", {"selection": {"method": "cars"}}, "cars"),
        ("transfer_resnet", {"use": "mix"}, "use = 'mix'"),
        ("cnn", {"preprocessing": [{"step": "snv"}]}, "preprocessing"),
        ("dtl_i", {"use": "laboratory"}, "laboratory"),
    ],
)
def test_features_that_a_regressor_cannot_use_are_refused(kind, features, word):
    with pytest.raises(RecipeError, match=word):
        fit_model(task(kind, rows_of(kind), features=features))


def test_a_missing_laboratory_or_library_is_named():
    rows = spectral_rows(laboratory=None, neighbours=None, library=None, auxiliary=None)
    for kind, features, word in (
        ("pls", {"use": "laboratory"}, "data.laboratory"),
        ("pls", {"use": "mix"}, "data.laboratory"),
        ("transfer_resnet", {}, "data.library"),
        ("cascade", {}, "data.auxiliary"),
    ):
        with pytest.raises(RecipeError, match=word):
            fit_model(task(kind, rows, features=features))
