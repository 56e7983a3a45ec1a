"""Plain regressors: what they learn, what they leave alone, and where published protocols leak."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import patch_rows, spectral_rows, task

from geosoil.models.compose import Ensemble, MultiTargetModel
from geosoil.models.pixel import PixelModel
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.regressors import fit_model, predict_rows

PLAIN = ["pls", "ridge", "svr", "forest", "boosted_trees", "mlp", "resnet"]
CARS = {"selection": {"method": "cars", "n_runs": 5, "n_components": 3}}
MIX = {"use": "mix", "fusion": {"hidden": [8, 4], "latent": 2, "epochs": 2, "n_members": 1}}


def predicted(fit_task):
    model = fit_model(fit_task)
    return predict_rows(model, fit_task.candidate, fit_task.rows, np.arange(len(fit_task.rows)))


def with_other_test_values(rows, test):
    y = rows.y.copy()
    y[test] = y[test][::-1] * 3 + 1
    return replace(rows, y=y)


def test_pls_finds_the_feature_that_carries_the_target():
    rows = spectral_rows()
    learned = task("pls", rows, features={"preprocessing": [{"step": "absorbance"}]})
    values = predicted(learned)
    assert np.corrcoef(values[36:, 0], rows.y[36:, 0])[0, 1] > 0.98


def test_the_model_has_the_training_range_and_the_target_of_the_recipe():
    rows = spectral_rows(targets=(TargetProperty(column="soc_pct", unit="%", valid_range=(1.5, 3)),))
    model = fit_model(task("pls", rows))
    assert model.targets[0].name == "soc_pct"
    assert model.targets[0].valid_range == (1.5, 3)
    assert model.features[0].training_high == pytest.approx(rows.X[:36, 0].max())
    values = model.predict_rows(rows.X[:, model.used_columns])
    assert values.min() >= 1.5
    assert values.max() <= 3


@pytest.mark.parametrize(
    ("kind", "features"), [*((kind, {}) for kind in PLAIN), *((kind, CARS) for kind in PLAIN), ("pls", MIX | CARS)]
)
def test_test_rows_never_influence_an_honest_fit(kind, features):
    rows = spectral_rows()
    first = task(kind, rows, features=features)
    second = task(kind, with_other_test_values(rows, first.test), features=features)
    np.testing.assert_array_equal(predicted(first), predicted(second))


def test_test_rows_choose_bands_where_the_published_protocol_leaks():
    rows = spectral_rows()
    honest, leaking = (task("pls", rows, features=CARS, leak=leak) for leak in ("", "selection"))
    assert leaking.selection_rows.tolist() == list(range(48))
    changed = task("pls", with_other_test_values(rows, honest.test), features=CARS, leak="selection")
    for each in (honest, leaking, changed):
        fit_model(each)
    assert not np.array_equal(changed.details["selection"].get_support(), leaking.details["selection"].get_support())


@pytest.mark.parametrize(("kind", "settings"), [("svr", {"n_candidates": 20}), ("resnet", None)])
def test_test_rows_choose_settings_and_epochs_where_the_published_protocol_leaks(kind, settings):
    rows = spectral_rows()
    leaking = task(kind, rows, settings=settings, leak="settings")
    changed = task(kind, with_other_test_values(rows, leaking.test), settings=settings, leak="settings")
    assert not np.array_equal(predicted(leaking), predicted(changed))


@pytest.mark.parametrize("log", ["naive", "smearing"])
def test_a_logarithm_gives_values_in_the_unit_of_the_target(log):
    rows = spectral_rows(targets=(TargetProperty(column="pb", unit="mg/kg", log=log),))
    rows = replace(rows, y=np.exp(rows.y))
    values = predicted(task("pls", rows, features={"preprocessing": [{"step": "absorbance"}]}))
    assert np.corrcoef(np.log(values[36:, 0]), np.log(rows.y[36:, 0]))[0, 1] > 0.98
    assert values[36:].mean() == pytest.approx(rows.y[36:].mean(), rel=0.1)


def test_candidates_of_a_fold_share_the_fusion_and_the_chosen_bands():
    rows = spectral_rows()
    first = task("pls", rows, features=MIX | CARS)
    model = fit_model(first)
    generated = task("svr", rows, features=MIX | CARS | {"use": "generated"}, fold_cache=first.fold_cache)
    other = fit_model(generated)
    fusions = [dict(each.estimator.steps)["fusion"] for each in (model, other)]
    assert fusions[0].output == "mix"
    assert fusions[1].output == "vae"
    assert fusions[0].weights_ is fusions[1].weights_


def test_members_of_several_seeds_are_an_ensemble():
    model = fit_model(task("mlp", spectral_rows()))
    assert isinstance(model, Ensemble)
    assert [member.estimator.steps[-1][1].random_state for member in model.models] == [0, 1]


def test_several_targets_are_one_model_and_each_learns_where_it_is_known():
    rows = spectral_rows()
    both = np.column_stack([rows.y[:, 0], 5 - rows.y[:, 0]])
    both[:10, 1] = np.nan
    targets = (TargetProperty(column="a"), TargetProperty(column="b", log="naive"))
    rows = replace(rows, y=both, targets=targets, library=None)
    learned = task("pls", rows, features={"preprocessing": [{"step": "absorbance"}]})
    model = fit_model(learned)
    assert isinstance(model, MultiTargetModel)
    assert [target.name for target in model.targets] == ["a", "b"]
    assert set(learned.details["targets"]) == {"a", "b"}
    assert learned.details["n_features"] == 30
    alone = fit_model(task("pls", rows.for_target(1), features={"preprocessing": [{"step": "absorbance"}]}))
    values = predict_rows(model, learned.candidate, rows, np.arange(48))
    np.testing.assert_allclose(values[:, 1], alone.predict_rows(rows.X[:, alone.used_columns])[:, 0], rtol=1e-5)


def test_depths_of_one_property_are_one_estimator_with_one_choice_of_covariates():
    rows = patch_rows()
    learned = task("forest", rows, features={"selection": {"method": "screen", "least_r": 0.3}})
    model = fit_model(learned)
    assert isinstance(model, PixelModel)
    assert [target.name for target in model.targets] == ["soc_g_kg 0-10 cm", "soc_g_kg 10-30 cm", "soc_g_kg 30-60 cm"]
    assert learned.details["selection"].selection_.names[0] == "c0"
    values = predict_rows(model, learned.candidate, rows, learned.test)
    assert np.corrcoef(values[:, 0], rows.y[36:, 0])[0, 1] > 0.9


def test_laboratory_spectra_are_learned_and_predicted():
    rows = spectral_rows()
    learned = task("pls", rows, features={"use": "laboratory"})
    model = fit_model(learned)
    at_rows = predict_rows(model, learned.candidate, rows, learned.test)
    by_hand = model.predict_rows(rows.laboratory[36:][:, model.used_columns])
    np.testing.assert_array_equal(at_rows, by_hand)
