"""The automatic choice: what it weighs, what it leaves out, and that it learns from training rows only."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import patch_rows, spectral_rows, task

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.base import Regressor
from geosoil.models.card import TrainingCard
from geosoil.models.compose import Ensemble, MultiTargetModel
from geosoil.models.store import load_model, save_model
from geosoil.pipeline.part import Part, TargetProperty
from geosoil.pipeline.regressors import REGRESSORS, auto, fit_model, predict_rows
from geosoil.pipeline.regressors.table import Auto
from geosoil.pipeline.regressors.table import Regressor as Entry

ABSORBANCE = {"preprocessing": [{"step": "absorbance"}]}


class NoSettings(Part):
    """No settings."""


class Memory(Regressor):
    """It knows its training rows by heart, and predicts their mean elsewhere."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, X, y):
        self.X_, self.y_ = self._training_rows(X, y, 2)
        return self

    def _predict(self, X):
        nearest = np.abs(X[:, None] - self.X_[None]).max(axis=2)
        return np.where(nearest.min(axis=1) == 0, self.y_[nearest.argmin(axis=1)], self.y_.mean())


class Late(Memory):
    """It does the same, and each fit takes 100 seconds of a clock that a test turns."""

    clock = 0.0

    def fit(self, X, y):
        Late.clock += 100.0
        return super().fit(X, y)


@pytest.fixture
def candidates(monkeypatch):
    for kind, estimator in (("memory", Memory), ("late", Late)):
        entry = Entry(kind.title(), NoSettings, estimator=f"{__name__}:{estimator.__name__}")
        monkeypatch.setitem(REGRESSORS, kind, entry)
    monkeypatch.setattr(auto, "monotonic", lambda: Late.clock)


def learn(kinds, rows=None, features=ABSORBANCE, train=None, **settings):
    """Fit `auto` to the first 36 rows; return the task, the model and its predictions of the others."""
    rows = spectral_rows() if rows is None else rows
    learned = task("auto", rows, train=train, settings={"candidates": kinds, "n_folds": 3, **settings},
                   features=features)  # fmt: skip
    model = fit_model(learned)
    return learned, model, predict_rows(model, learned.candidate, rows, learned.test)


def choice_of(learned):
    return learned.details["choice"].set_index("model")


def test_alike_candidates_are_averaged_and_the_map_is_their_weighted_mean():
    learned, model, values = learn(["ridge", "pls"])
    choice = choice_of(learned)
    assert isinstance(model, Ensemble)
    assert choice.weight["Ridge"] == pytest.approx(0.5, abs=0.2)
    assert choice.weight.sum() == pytest.approx(1)
    by_kind = {}
    for kind in ("ridge", "pls"):
        alone = task(kind, learned.rows, features=ABSORBANCE)
        by_kind[REGRESSORS[kind].title] = predict_rows(fit_model(alone), alone.candidate, alone.rows, alone.test)
    expected = sum(choice.weight[name] * of_one for name, of_one in by_kind.items())
    np.testing.assert_allclose(values, expected, rtol=1e-6)
    assert np.corrcoef(values[:, 0], learned.rows.y[36:, 0])[0, 1] > 0.98


def test_a_useless_candidate_is_dropped_and_one_model_remains():
    rows = spectral_rows()
    library = replace(rows.library, y=rows.library.y[::-1])  # the library teaches nonsense
    rows = replace(rows, library=library)
    learned, _, values = learn(["library_pls", "pls"], rows)
    alone = task("pls", rows, features=ABSORBANCE)
    np.testing.assert_array_equal(values, predict_rows(fit_model(alone), alone.candidate, rows, alone.test))
    choice = choice_of(learned)
    assert choice.weight.to_dict() == {"PLSR": 1.0, "Library PLSR": 0.0}
    assert choice.note["Library PLSR"] == "dropped: adds nothing"
    assert choice.rmse["PLSR"] < choice.rmse["Library PLSR"]
    assert learned.details["description"].startswith("PLSR; RMSE in % inside the training rows: PLSR 0.")


@pytest.mark.usefixtures("candidates")
def test_a_candidate_that_knows_its_training_rows_by_heart_has_no_weight():
    learned, _, _ = learn(["memory", "pls"])
    choice = choice_of(learned)
    assert choice.weight.to_dict() == {"PLSR": 1.0, "Memory": 0.0}
    assert choice.r2["Memory"] < 0.1  # it is judged by rows that it has not seen


def test_closed_forms_are_used_where_single_rows_are_left_out_and_folds_elsewhere():
    ways = lambda learned: choice_of(learned).predicted_by.to_dict()  # noqa: E731
    kinds = ["ridge", "forest", "pls"]
    expected = {"Ridge": "leave-one-out", "Forest": "out-of-bag", "PLSR": "folds of its search"}
    rows = spectral_rows()
    plain = task("auto", rows, settings={"candidates": kinds, "n_folds": 3}, features=ABSORBANCE)
    plain.recipe.model.forest = plain.recipe.model.forest.model_copy(update={"n_trees": 60})
    fit_model(plain)
    assert ways(plain) == expected
    few_trees, _, _ = learn(["ridge", "forest"])  # of 10 trees, all learned from some of the rows
    assert ways(few_trees)["Forest"] in ("out-of-bag", "3 folds")
    chosen_bands = {"selection": {"method": "cars", "n_runs": 5, "n_components": 3}}
    assert ways(learn(["ridge", "pls"], features=chosen_bands)[0]) == {"Ridge": "3 folds", "PLSR": "3 folds"}
    grouped = replace(rows, groups=np.repeat(np.arange(24), 2).astype(str))
    assert ways(learn(["ridge", "pls"], grouped)[0]) == {"Ridge": "3 folds", "PLSR": "3 folds"}
    alone = replace(rows, groups=np.arange(48).astype(str))
    assert ways(learn(["ridge", "pls"], alone)[0])["Ridge"] == "leave-one-out"


@pytest.mark.usefixtures("candidates")
def test_samples_of_a_group_are_not_learned_from_while_another_of_it_is_predicted():
    rows = spectral_rows()
    twins = np.repeat(np.arange(24), 2)  # the two samples of a place are the same
    rng = np.random.default_rng(0)
    rows = replace(rows, X=rows.X[twins], y=rng.normal(10, 1, (24, 1))[twins], groups=twins.astype(str), library=None)
    by_groups, _, _ = learn(["memory", "pls"], rows)
    single, _, _ = learn(["memory", "pls"], replace(rows, groups=None))
    assert choice_of(by_groups).r2["Memory"] < 0.1
    assert choice_of(single).r2["Memory"] > choice_of(by_groups).r2["Memory"] + 0.1


def test_leave_one_out_predictions_are_in_the_unit_of_the_target_and_within_its_range():
    rows = spectral_rows(library=None)
    for log in ("none", "naive", "smearing"):
        target = TargetProperty(column="soc", log=log, valid_range=(np.e**1.5, None))
        learned, _, _ = learn(["ridge", "pls"], replace(rows, y=np.exp(rows.y), targets=(target,)))
        choice = choice_of(learned)
        assert choice.rmse["Ridge"] == pytest.approx(choice.rmse["PLSR"], rel=1.0)
        assert choice.r2["Ridge"] > 0.8


def test_auto_never_looks_at_test_rows():
    rows = spectral_rows()
    learned, _, values = learn(["pls", "forest", "ridge"], rows)
    y = rows.y.copy()
    y[learned.test] = 1000.0
    changed, _, again = learn(["pls", "forest", "ridge"], replace(rows, y=y))
    np.testing.assert_array_equal(values, again)
    assert learned.details["choice"].equals(changed.details["choice"])


def test_few_rows_try_few_candidates():
    kinds = ["ridge", "pls", "svr", "forest", "boosted_trees"]
    learned, _, _ = learn(kinds, train=np.arange(39))
    choice = choice_of(learned)
    assert set(choice.index[choice.rmse.notna()]) == {"Ridge", "PLSR", "SVR"}
    assert choice.note["Forest"] == choice.note["Boosted trees"] == "left out: fewer than 40 rows"
    more, _, _ = learn(kinds, train=np.arange(40))
    assert choice_of(more).rmse.notna().all()


@pytest.mark.usefixtures("candidates")
def test_a_time_budget_leaves_out_what_it_has_no_time_for_and_says_so():
    # One fit of the slow candidate takes 100 s, and its three inner folds 300 s.
    enough, _, _ = learn(["pls", "ridge", "late"], minutes=401 / 60)
    assert choice_of(enough).predicted_by["Late"] == "3 folds"
    short, _, _ = learn(["pls", "ridge", "late"], minutes=399 / 60)
    assert choice_of(short).note["Late"] == "left out: its 3 inner folds need about 300 s"
    assert "Late: left out: its 3 inner folds need about 300 s" in short.details["notes"]
    after, _, _ = learn(["ridge", "late", "pls"], minutes=50 / 60)
    notes = choice_of(after).note
    assert (notes["Ridge"], notes["PLSR"]) == ("", "left out: no time was left")
    assert choice_of(after).weight["Ridge"] == 1


@pytest.mark.usefixtures("candidates")
def test_the_first_candidate_is_fitted_whatever_the_time_and_nothing_else_is():
    learned, model, values = learn(["late", "pls"], minutes=1 / 60)
    choice = choice_of(learned)
    assert choice.weight.to_dict() == {"Late": 1.0, "PLSR": 0.0}
    assert np.isfinite(values).all()
    assert not isinstance(model, Ensemble)


def test_the_time_of_a_run_is_shared_by_its_fits():
    rows = spectral_rows()
    learned = task("auto", rows, settings={"minutes": 10})
    learned.recipe.validation.__dict__.update(
        split=["random"], n_folds=5, n_repeats=2, block_m=None, processes=4, n_labels=None
    )
    seconds = auto.share_time(learned.recipe, rows, [learned.candidate])[auto.SECONDS]
    assert seconds == 600 / 4  # ten splits by four processes are three rounds, and one fit to all rows
    assert auto.share_time(learned.recipe, rows, [task("auto", rows).candidate]) == {}


def test_a_choice_is_stored_with_its_weights(tmp_path):
    learned, model, values = learn(["ridge", "pls", "svr"])
    save_model(model, tmp_path, name="m", study="", preprocessing=learned.details["steps"],
               training=TrainingCard(n_samples=36, recipe_sha256="", table_sha256=""))  # fmt: skip
    again = load_model(tmp_path)
    assert again.weights == model.weights
    np.testing.assert_allclose(again.predict_rows(learned.rows.X[learned.test]), values, rtol=1e-6)
    assert learned.details["steps"][0].endswith(")")


def test_a_candidate_that_needs_more_rows_is_left_out_unless_all_do():
    # Eleven rows are enough for a process, but not the eight or so of an inner fold, which groups ask for.
    rows = replace(spectral_rows(), groups=np.repeat(np.arange(24), 2).astype(str))
    learned, _, _ = learn(["gp", "ridge"], rows, train=np.arange(11))
    note = "left out: it cannot predict every training row in the inner folds"
    assert choice_of(learned).note["Gaussian process"] == note
    few, _, _ = learn(["gp", "ridge"], train=np.arange(9))
    assert choice_of(few).note["Gaussian process"].startswith("left out: training rows: found 9 samples")
    assert choice_of(few).weight["Ridge"] == 1
    with pytest.raises(SamplesError, match="at least 3"):
        learn(["gp", "ridge"], train=np.arange(2))


def test_the_process_and_the_forest_come_first_and_predict_unseen_rows_without_inner_folds():
    assert Auto().candidates_for(spectral=True)[:2] == Auto().candidates_for(spectral=False)[:2] == ["gp", "forest"]
    learned, _, values = learn(["gp", "forest"])
    assert choice_of(learned).predicted_by["Gaussian process"] == "leave-one-out"
    assert any(note.startswith("Gaussian process: shares of the prior variance: ") for note in learned.details["notes"])
    assert learned.details["learned"][0] in learned.details["notes"]
    assert np.corrcoef(values[:, 0], learned.rows.y[36:, 0])[0, 1] > 0.98


def test_support_vectors_are_the_third_candidate_for_spectra_and_boosted_trees_for_covariates():
    of_spectra, _, _ = learn(None)
    assert set(choice_of(of_spectra).index) == {"Gaussian process", "Forest", "SVR"}
    rows = patch_rows()
    rows = replace(rows, y=rows.y[:, :1], targets=rows.targets[:1])
    of_covariates, _, values = learn(None, rows, features={})
    assert set(choice_of(of_covariates).index) == {"Gaussian process", "Forest", "Boosted trees"}
    assert np.corrcoef(values[:, 0], rows.y[36:, 0])[0, 1] > 0.9


def test_each_target_has_its_own_choice():
    rows = patch_rows()
    learned, model, values = learn(["forest", "ridge"], rows, features={})
    assert isinstance(model, MultiTargetModel)
    assert set(learned.details["targets"]) == {target.column for target in rows.targets}
    assert np.corrcoef(values[:, 0], rows.y[36:, 0])[0, 1] > 0.9


@pytest.mark.parametrize("kinds", [["plsr", "pls"], ["auto", "pls"]])
def test_an_unknown_candidate_is_named(kinds):
    with pytest.raises(RecipeError, match=repr(kinds[0])):
        learn(kinds)


def test_spectra_without_steps_are_prepared_for_all_but_the_process():
    rows = spectral_rows()
    work = task("auto", rows, settings={"candidates": ["gp", "forest"]})
    assert [setting.step for setting in auto._features_of(work, "forest").preprocessing] == ["snv", "savitzky_golay"]
    assert auto._features_of(work, "gp").preprocessing == []
    few = replace(rows, X=rows.X[:, :10], features=rows.features[:10])
    assert auto._features_of(replace(work, rows=few), "forest").preprocessing == []


def test_steps_of_the_recipe_are_kept_for_all_but_the_process():
    work = task("auto", spectral_rows(), features=ABSORBANCE, settings={"candidates": ["gp", "forest"]})
    assert [setting.step for setting in auto._features_of(work, "forest").preprocessing] == ["absorbance"]
    assert auto._features_of(work, "gp").preprocessing == []
    selected = task("auto", spectral_rows(), features={**ABSORBANCE, "selection": {"method": "cars"}})
    assert auto._features_of(selected, "gp").preprocessing  # the selected bands are those behind the steps


def test_the_folds_of_a_search_give_predictions_of_unseen_rows():
    for kind in ("svr", "pls"):
        work = task(kind, spectral_rows())
        model = fit_model(work)
        regressor = auto.regressor_of(model.estimator)
        observed = work.rows.y[:36, 0]
        learned = predict_rows(model, work.candidate, work.rows, np.arange(36))[:, 0]
        unseen = regressor.cv_prediction_
        assert np.abs(unseen - observed).mean() > np.abs(learned - observed).mean()
        assert np.corrcoef(unseen, observed)[0, 1] > 0.9
