"""RS-LOCAL equals R resemble's rslocal() of 2020 pass by pass, gives exactly k rows, and depends on nothing else."""

import json

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import OutputError, RecipeError, SamplesError
from geosoil.numerics import pls_subsets
from geosoil.numerics.pls_subsets import SubsetPLS
from geosoil.samples.libraries import localisation_space
from geosoil.samples.rs_local import draw_subsets, rs_local

RUNS = ["response_proportion", "response_probability", "reconstruction_proportion"]


def golden_spectra():
    """Return X_library, y_library, X_site, y_site of the golden runs."""
    arrays = []
    for name in ("library", "site"):
        frame = pd.read_csv(shared(f"golden/inputs/rslocal_{name}.csv"))
        arrays += [localisation_space(frame.filter(regex=r"^\d").to_numpy()), frame.soc.to_numpy()]
    return arrays


def golden(name):
    return json.loads(shared(f"golden/rslocal/{name}.json").read_text())


def two_soils(n=120, m=12, seed=0):
    """Return a library whose first half follows the site's relation and whose second half another."""
    rng = np.random.default_rng(seed)
    X, X_site = rng.normal(size=(n, 6)), rng.normal(size=(m, 6))
    relation = rng.normal(size=(2, 6))
    y = np.where(np.arange(n) < n // 2, X @ relation[0], X @ relation[1]) + 0.05 * rng.normal(size=n)
    return X, y, X_site, X_site @ relation[0]


def recorded_subsets(n, k, b, r):
    """Return random subsets for every pass, drawn from the rows that the previous passes leave, and a run over them."""
    data, passes = two_soils(n), []
    while True:
        try:
            result = rs_local(*data, k=k, b=b, r=r, n_components=3, subsets=passes)
        except SamplesError:
            left = np.setdiff1d(np.arange(n), np.concatenate([[], *_dropped(data, passes, k, b, r)]).astype(int))
            rng = np.random.default_rng(len(passes))
            passes.append(left[draw_subsets(len(left), k, round(len(left) * b / k), rng)])
            continue
        return data, passes, result


def _dropped(data, passes, k, b, r):
    dropped, members = [], np.arange(len(data[1]))
    pls = SubsetPLS(*data)
    for subsets in passes:
        errors = pls.errors(subsets, 3)
        mean = np.array([errors[(subsets == row).any(axis=1)].mean() for row in members])
        n_dropped = min(max(1, int(len(members) * r + 0.5)), len(members) - k)
        dropped.append(members[np.argsort(-mean, kind="stable")[:n_dropped]])
        members = np.setdiff1d(members, dropped[-1])
    return dropped


@pytest.mark.parametrize("judged", ["response", "reconstruction_2020"])
def test_the_error_of_each_subset_is_that_of_resemble(judged):
    step = golden("step")
    errors = SubsetPLS(*golden_spectra()).errors(np.array(step["subsets_0based"]), step["ncomp"], judged)
    assert errors == pytest.approx(step[f"rmse_{judged.split('_')[0]}"], abs=1e-10)


@pytest.mark.parametrize("name", RUNS)
def test_every_pass_drops_the_rows_that_resemble_dropped(name):
    run = golden(f"run_{name}")
    result = rs_local(
        *golden_spectra(),
        k=run["k"],
        b=run["b"],
        r=1 - run["retain"],
        n_components=run["ncomp"],
        by=run["optimization"],
        retention=run["retain_by"],
        compat="2020",
        subsets=[np.array(one["subsets_0based"]) for one in run["iterations"]],
    )
    assert [rows.tolist() for rows in result.dropped] == [one["dropped"] for one in run["iterations"]]
    assert result.rows.tolist() == run["selected"]


def test_without_the_peers_rule_the_same_golden_run_ends_at_exactly_k():
    run = golden("run_response_proportion")
    subsets = [np.array(one["subsets_0based"]) for one in run["iterations"]]
    result = rs_local(*golden_spectra(), k=20, b=8, r=0.15, n_components=5, subsets=subsets)
    assert len(result.rows) == 20
    assert set(run["selected"]) < set(result.rows.tolist())
    assert [rows.tolist() for rows in result.dropped[:-1]] == [one["dropped"] for one in run["iterations"][:-1]]


def test_rows_that_follow_the_sites_relation_are_kept():
    X, y, X_site, y_site = two_soils()
    assert (rs_local(X, y, X_site, y_site, k=20, n_components=4).rows < 60).all()


@pytest.mark.parametrize("retention", ["proportion", "probability"])
@pytest.mark.parametrize("k", [2, 19, 119, 120])
def test_exactly_k_rows_come_back(k, retention):
    result = rs_local(*two_soils(), k=k, b=3, retention=retention, n_components=2)
    assert len(result.rows) == len(set(result.rows.tolist())) == k
    assert sorted(result.order.tolist()) == list(range(1, k + 1))
    assert result.passes.n_dropped.sum() == 120 - k


def test_a_seed_repeats_its_rows_and_another_does_not():
    data = two_soils()
    rows = [rs_local(*data, k=20, b=5, seed=seed).rows.tolist() for seed in (3, 3, 4)]
    assert rows[0] == rows[1] != rows[2]


def test_neither_workers_nor_batches_change_the_rows(monkeypatch):
    data = two_soils()
    runs = [rs_local(*data, k=20, b=5, n_workers=workers) for workers in (1, 3)]
    monkeypatch.setattr(pls_subsets, "_NUMBERS_AT_ONCE", 500)
    runs.append(rs_local(*data, k=20, b=5, n_workers=2))
    assert all(run.rows.tolist() == runs[0].rows.tolist() for run in runs)
    assert runs[0].passes.equals(runs[1].passes)


def test_the_order_of_the_library_does_not_matter():
    (X, y, X_site, y_site), subsets, result = recorded_subsets(60, 15, 6, 0.2)
    order = np.random.default_rng(5).permutation(60)
    place = np.argsort(order)  # where each row went
    moved = rs_local(
        X[order], y[order], X_site, y_site, k=15, b=6, r=0.2, n_components=3, subsets=[place[rows] for rows in subsets]
    )
    assert sorted(order[moved.rows].tolist()) == result.rows.tolist()


def test_untested_rows_stay_and_of_equal_rows_the_first_leaves():
    X, y, X_site, y_site = two_soils(8)
    subsets = [np.array([[0, 1, 2, 3]])]
    result = rs_local(X, y, X_site, y_site, k=4, r=0.25, n_components=2, subsets=[*subsets, np.array([[2, 3, 4, 5]])])
    assert [rows.tolist() for rows in result.dropped] == [[0, 1], [2, 3]]


def test_draws_are_without_replacement_and_even():
    subsets = draw_subsets(10, 4, 20_000, np.random.default_rng(0))
    assert (np.diff(np.sort(subsets, axis=1), axis=1) > 0).all()
    counts = np.bincount(subsets.reshape(-1), minlength=10)
    assert np.abs(counts - 8000).max() < 4 * np.sqrt(20_000 * 0.4 * 0.6)


def test_a_killed_run_goes_on_to_the_same_rows(tmp_path):
    data, journal = two_soils(), tmp_path / "journal.json"

    class KilledError(Exception):
        pass

    def kill(what, done, total):
        if done > 40:
            raise KilledError

    whole = rs_local(*data, k=20, b=5, journal=tmp_path / "whole.json")
    with pytest.raises(KilledError):
        rs_local(*data, k=20, b=5, journal=journal, progress=kill)
    held = len(json.loads(journal.read_bytes().splitlines()[1])[0])
    assert 0 < held < len(whole.passes)
    seen = []
    resumed = rs_local(*data, k=20, b=5, journal=journal, progress=lambda *at: seen.append(at))
    assert len(seen) == len(whole.passes) - held
    assert resumed.rows.tolist() == whole.rows.tolist()
    assert resumed.errors == pytest.approx(whole.errors, abs=0)
    assert resumed.passes.equals(whole.passes)
    again = rs_local(*data, k=20, b=5, journal=journal)
    assert again.rows.tolist() == whole.rows.tolist()
    assert again.errors == pytest.approx(whole.errors, abs=0)


def test_a_journal_of_other_inputs_is_refused_and_the_difference_named(tmp_path):
    X, y, X_site, y_site = two_soils()
    journal = tmp_path / "journal.json"
    rs_local(X, y, X_site, y_site, k=20, b=5, journal=journal)
    with pytest.raises(OutputError, match=r"an earlier run with k = 20; expected k = 21"):
        rs_local(X, y, X_site, y_site, k=21, b=5, journal=journal)
    with pytest.raises(OutputError, match="an earlier run with another y_library"):
        rs_local(X, y + 1, X_site, y_site, k=20, b=5, journal=journal)
    journal.write_text("{}")
    with pytest.raises(OutputError, match="damaged, or not a journal"):
        rs_local(X, y, X_site, y_site, k=20, b=5, journal=journal)


def test_reconstruction_needs_no_contents_of_the_site():
    X, y, X_site, _ = two_soils()
    assert len(rs_local(X, y, X_site, None, k=20, b=5, by="reconstruction").rows) == 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 121}, "120 rows for k=121"),
        ({"site": 4}, "4 samples; expected at least 5"),
        ({"bands": 5}, "6 and 5 bands"),
        ({"nan": "X"}, "1 of them with NaN"),
        ({"nan": "y"}, "119 contents for 120 spectra"),
    ],
)
def test_unusable_inputs_are_one_line(change, message):
    X, y, X_site, y_site = two_soils()
    m, p = change.get("site", 12), change.get("bands", 6)
    if change.get("nan") == "X":
        X[3, 2] = np.nan
    if change.get("nan") == "y":
        y[3] = np.nan
    with pytest.raises(SamplesError, match=message):
        rs_local(X, y, X_site[:m, :p], y_site[:m], k=change.get("k", 20))


@pytest.mark.parametrize("wrong", [{"r": 0}, {"r": 1}, {"b": 0}, {"k": 1}, {"by": "ph"}, {"retention": "x"}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(RecipeError):
        rs_local(*two_soils(), **{"k": 20} | wrong)


def test_a_repeated_row_in_a_given_subset_is_refused():
    with pytest.raises(SamplesError, match="without repetition in a subset"):
        rs_local(*two_soils(8), k=2, subsets=[np.array([[1, 1]])])
