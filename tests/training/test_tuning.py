"""The search for an architecture is repeatable, can be resumed, respects its limits and reports its optimism."""

import json
import time

import numpy as np
import pytest

from geosoil.errors import OutputError, RecipeError
from geosoil.networks.architectures import count_parameters, output_lengths
from geosoil.training import tuning
from geosoil.training.search_space import SearchSpace
from geosoil.training.tuning import tune

pytestmark = pytest.mark.filterwarnings("ignore:tune. no architecture predicts better")  # of four epochs

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(60, 24)).cumsum(axis=1) / 4).astype(np.float32)
Y = 3 + X[:, 5] - X[:, 18]
SMALL = SearchSpace(convolutions=(1, 2), filters=(2, 8), dense=(1, 2), nodes=(4, 16), max_parameters=2000)
FAST = {"space": SMALL, "n_folds": 2, "epochs": 4, "patience": 4, "seed": 3}


class KilledError(Exception):
    pass


def kill_after(n):
    def progress(_, done, __):
        if done == n:
            raise KilledError

    return progress


def comparable(tuned):
    return tuned.history.drop(columns="seconds")


@pytest.fixture(scope="module")
def whole():
    return tune(X, Y, n_trials=9, **FAST)


def test_the_best_trial_is_the_one_with_the_least_error_and_is_fitted_to_just_that_error(whole):
    complete = whole.history[whole.history.state == "complete"]
    assert whole.rmse == complete.rmse.min()
    assert json.loads(complete.architecture[complete.rmse.idxmin()]) == whole.architecture
    assert whole.estimator().fit(X, Y).cross_validated_rmse_ == pytest.approx(whole.rmse, rel=1e-6)


def test_a_search_begins_with_the_small_net_and_keeps_its_bounds(whole):
    first = json.loads(whole.history.architecture[0])
    assert (first["convolutions"][0]["filters"], first["dense"][0]["nodes"]) == (8, 16)  # 16 and 32, held to the space
    trained = whole.history[whole.history.state != "refused"]
    assert len(trained) == 9
    for architecture in map(json.loads, trained.architecture):
        assert count_parameters(architecture, 24) <= 2000
    for architecture in map(json.loads, whole.history[whole.history.state == "refused"].architecture):
        assert min(output_lengths(architecture, 24)) < 1 or count_parameters(architecture, 24) > 2000


def test_a_killed_search_goes_on_from_its_journal_as_if_it_had_not_been(whole, tmp_path):
    journal = tmp_path / "search.journal"
    with pytest.raises(KilledError):
        tune(X, Y, n_trials=9, storage=journal, progress=kill_after(3), **FAST)
    assert len(tune(X, Y, n_trials=6, storage=journal, **FAST).history) < len(whole.history)
    with journal.open("a") as file:
        file.write('{"op_code":4,"work')  # killed while it wrote
    again = tune(X, Y, n_trials=9, storage=journal, **FAST)
    assert comparable(again).equals(comparable(whole))
    assert again.architecture == whole.architecture


def test_a_trial_that_was_running_when_the_search_was_killed_leaves_no_trace(whole, tmp_path, monkeypatch):
    journal, calls = tmp_path / "search.journal", []

    def killed_in_the_fifth_fold(*arguments, **options):
        calls.append(1)
        if len(calls) == 5:
            raise KilledError
        return train_fold(*arguments, **options)

    train_fold = tuning.train_fold
    monkeypatch.setattr(tuning, "train_fold", killed_in_the_fifth_fold)
    with pytest.raises(KilledError):
        tune(X, Y, n_trials=9, storage=journal, **FAST)
    monkeypatch.setattr(tuning, "train_fold", train_fold)
    assert comparable(tune(X, Y, n_trials=9, storage=journal, **FAST)).equals(comparable(whole))


def test_trials_that_fall_behind_are_pruned_and_judged_by_fewer_folds():
    tuned = tune(X, Y, n_trials=12, **FAST | {"n_folds": 4, "epochs": 6})
    pruned = tuned.history[tuned.history.state == "pruned"]
    assert len(pruned)
    assert (pruned.n_folds < 4).all()
    assert (tuned.history[tuned.history.state == "complete"].n_folds == 4).all()


def test_the_minutes_end_a_search_once_one_trial_is_complete():
    began = time.monotonic()
    tuned = tune(X, Y, n_trials=10_000, minutes=0, **FAST)
    assert tuned.history.state.tolist() == ["complete"]
    assert time.monotonic() - began < 30
    assert "stopped after 0 minutes with 1 of 10000 trials" in tuned.notes


def test_groups_stand_in_one_fold():
    # Values that only a group's own rows can tell: in whole groups no net can do better than the mean.
    rng = np.random.default_rng(1)
    spots = np.repeat(rng.normal(size=(12, 24)), 5, axis=0).astype(np.float32)
    contents, groups = np.repeat(rng.normal(size=12), 5), np.repeat(np.arange(12), 5)
    settings = {"n_trials": 1, "n_folds": 3, "epochs": 60}
    mixed, apart = tune(spots, contents, **settings), tune(spots, contents, groups=groups, final="refit", **settings)
    assert mixed.rmse < 0.5 * apart.rmse


def test_few_rows_and_a_net_that_is_no_better_than_the_mean_are_told():
    noise = np.random.default_rng(2).normal(size=20)
    with pytest.warns(UserWarning, match="20 rows, so that each of 10 folds holds about 2"):
        tune(X[:20], Y[:20], n_trials=1, space=SMALL, epochs=1)
    with pytest.warns(UserWarning, match="no architecture predicts better than the mean"):
        tuned = tune(X[:20], noise, n_trials=1, final="refit", **FAST | {"epochs": 1})
    assert any("no architecture" in note for note in tuned.notes)


@pytest.mark.parametrize(
    "content",
    [b"SOC\n1.2\n", b"\x80\x04\x95pickle\n", b"[1]\n", b"{}\n", b'{"op_code": 1}\n', b'{"op_code": 77}\n', b"half"],
)
def test_another_file_is_no_journal_and_stays_as_it_is(content, tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="damaged, or not a journal"):
        tune(X, Y, n_trials=1, storage=path, **FAST)
    assert path.read_bytes() == content


def test_the_journal_of_other_rows_or_settings_is_refused(tmp_path):
    journal = tmp_path / "search.journal"
    tune(X, Y, n_trials=1, storage=journal, **FAST)
    for rows, settings, said in ((Y + 1, FAST, "another y"), (Y, FAST | {"epochs": 5}, r"epochs = \d+")):
        with pytest.raises(OutputError, match=f"an earlier run with {said}"):
            tune(X, rows, n_trials=1, storage=journal, **settings)


def test_a_journal_in_no_folder_and_a_space_in_which_nothing_fits_are_refused(tmp_path):
    with pytest.raises(OutputError, match="make the folder"):
        tune(X, Y, n_trials=1, storage=tmp_path / "none" / "search.journal", **FAST)
    with pytest.raises(RecipeError, match="n_trials = 0"):
        tune(X, Y, n_trials=0, **FAST)
    with pytest.raises(RecipeError, match="raise max_parameters"):
        tune(X, Y, n_trials=1, **FAST | {"space": SearchSpace(max_parameters=10)})
