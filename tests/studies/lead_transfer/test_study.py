"""Lead by transfer end to end on a small study: what is trained, validated, explained, saved and refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
from small_lead_study import NM, LeadStudy, N

from geosoil.errors import RecipeError, SamplesError, WavelengthError
from geosoil.evaluate.metrics import regression_metrics
from geosoil.models.state import regressor_of
from geosoil.models.store import load_model, model_sha256, read_card
from geosoil.studies.cross_validation import Split
from geosoil.studies.lead_transfer.candidates import KINDS, Source, Trainer
from geosoil.studies.lead_transfer.protocols import Outcome, groups, nested, published, random_splits, spatial
from geosoil.studies.lead_transfer.tables import comparison_table, paired_differences, transfer_gain
from geosoil.studies.registry import compare


@pytest.fixture
def study(tmp_path):
    return LeadStudy(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    study = LeadStudy(tmp_path_factory.mktemp("study"))
    return study, study.train()


def test_train_saves_the_transferred_model_its_descent_and_its_source(trained):
    study, result = trained
    card, source = read_card(result.folder), read_card(result.folder / "source")
    assert (card.study, card.targets[0].name, card.targets[0].unit) == ("lead_transfer", "pb_mg_kg", "mg/kg")
    [descent] = card.descent
    assert descent.sha256 == model_sha256(result.folder / "source")
    assert (descent.name, descent.target, descent.n_samples) == ("pb_source", "ph", source.training.n_samples)
    taught, transferred = (regressor_of(load_model(at).estimator) for at in (result.folder / "source", result.folder))
    for name in ("convolution.weight", "residual_2.convolution_1.weight", "batch_norm.running_mean"):
        np.testing.assert_array_equal(taught.weights_[name], transferred.weights_[name])
    assert not np.array_equal(taught.weights_["dense_1.weight"], transferred.weights_["dense_1.weight"])
    assert set(card.metrics["nested"]) == {"ln", "mg/kg"}
    again = load_model(result.folder)
    np.testing.assert_allclose(again.predict_rows(study.R), result.model.predict_rows(study.R), rtol=1e-6)
    assert "Which wavelengths" in result.report.read_text()


def test_the_source_net_is_tested_on_rows_of_the_library_it_has_not_seen(study):
    recipe, data = study.loaded().recipe, study.data()
    source = Source(recipe, data, np.arange(90))
    assert sorted([*source.rows, *source.test_rows]) == list(range(90))
    assert len(source.test_rows) == 22
    observed, predicted = source.tested()
    np.testing.assert_array_equal(observed, data.y_library[source.test_rows])
    assert predicted.shape == observed.shape


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_fitted_does_not_know_the_test_rows(study, kind):
    recipe, data = study.loaded().recipe, study.data()
    source = Source(recipe, data, np.arange(90))
    train_rows, test = np.arange(30), np.arange(30, N)
    first = Trainer(recipe, data, source, train_rows, seed=0).fit(kind).predict(data.R)
    R = data.R.copy()
    data.R[test] *= 0.5
    data.y[test] = 1e5
    second = Trainer(recipe, data, source, train_rows, seed=0).fit(kind).predict(R)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", ["svm", "resnet", "transfer"])
def test_the_published_protocol_lets_test_rows_choose(study, kind):
    recipe, data = study.loaded().recipe, study.data()
    source = Source(recipe, data, np.arange(90))
    train_rows, test = np.arange(30), np.arange(30, N)
    first = Trainer(recipe, data, source, train_rows, seed=0, watched=test).fit(kind).predict(data.R)
    data.y[test] = data.y[test][::-1] ** 2
    second = Trainer(recipe, data, source, train_rows, seed=0, watched=test).fit(kind).predict(data.R)
    assert not np.array_equal(first, second)


def test_spectra_of_the_samples_in_the_library_teach_no_split_that_tests_them(study):
    study.put_samples_into_library()
    recipe, data = study.loaded().recipe, study.data()
    assert (data.own >= 0).sum() == N
    np.testing.assert_array_equal(data.own[90:], np.arange(N))
    test = random_splits(recipe, N)[0].test
    rows = data.library_without(test)
    assert set(data.own[rows]) == {-1} | set(range(N)) - set(test)
    kinds = ("transfer", "source_pls")
    first = nested(recipe, data, kinds)
    [one] = [split for split in first.splits if split.repeat == 0]
    data.y_library[90 + one.test] = 99.0  # whoever learned from these rows would predict otherwise
    second = nested(recipe, data, kinds)
    for kind in kinds:
        np.testing.assert_array_equal(first.predicted[kind][0], second.predicted[kind][0])
    assert not np.array_equal(first.predicted["source_pls"][1], second.predicted["source_pls"][1], equal_nan=True)
    assert any("spectra of the samples" in note for note in data.notes)


def test_all_models_of_all_protocols_are_tested_on_the_same_rows(study):
    recipe, data = study.loaded().recipe, study.data()
    kinds = ("pls", "source_pls", "pca")
    for protocol in (nested, spatial, groups):
        outcome = protocol(recipe, data, kinds)
        tested = [np.isfinite(predicted) for predicted in outcome.predicted.values()]
        for one in tested[1:]:
            np.testing.assert_array_equal(one, tested[0])
        if protocol is groups:
            for split in outcome.splits:
                assert not set(data.groups[split.train]) & set(data.groups[split.test])
    random, leaking = nested(recipe, data, ("pls",)), published(recipe, data, ("pls",))
    for one, other in zip(random.splits, leaking.splits, strict=True):
        np.testing.assert_array_equal(one.test, other.test)


def test_fewer_labels_are_drawn_from_the_training_rows_and_the_test_rows_stay(study):
    every = random_splits(study.loaded().recipe, N)
    few = random_splits(study.loaded(("n_rounds = 2", "n_rounds = 2\nn_labels = 12")).recipe, N)
    for one, other in zip(every, few, strict=True):
        np.testing.assert_array_equal(one.test, other.test)
        assert len(other.train) == 12
        assert set(other.train) <= set(one.train)


def test_processes_do_not_change_the_figures(study):
    data = study.data()
    tables = []
    for text in ("processes = 1", "processes = 2"):
        recipe = study.loaded(("processes = 1", text)).recipe
        tables.append(comparison_table(nested(recipe, data, ("pls", "transfer")), recipe))
    pd.testing.assert_frame_equal(*tables)


def outcome_of(observed, predicted, n_rounds=3):
    splits = [Split(k, np.arange(4, 12), np.arange(4)) for k in range(n_rounds)]
    learned = {kind: np.log(values) for kind, values in predicted.items()}
    return Outcome("nested", splits, observed, predicted, learned)


def test_figures_are_those_of_each_rounds_test_rows_on_both_scales(study):
    recipe = study.loaded().recipe
    rng = np.random.default_rng(1)
    observed = np.exp(rng.normal(5, 1, 12))
    predicted = {kind: np.full((3, 12), np.nan) for kind in ("pls", "transfer")}
    for rows in predicted.values():
        rows[:, :4] = observed[:4] * np.exp(rng.normal(0, 0.3, (3, 4)))
    outcome = outcome_of(observed, predicted)
    table = comparison_table(outcome, recipe).set_index(["model", "scale"])
    own = [regression_metrics(np.log(observed[:4]), np.log(row[:4])) for row in predicted["pls"]]
    assert table.loc[("PLS-Pb", "ln"), "r2"] == pytest.approx(np.mean([one["r2"] for one in own]))
    assert table.loc[("PLS-Pb", "ln"), "r2_sd"] == pytest.approx(np.std([one["r2"] for one in own], ddof=1))
    in_unit = [regression_metrics(observed[:4], row[:4])["rmse"] for row in predicted["pls"]]
    assert table.loc[("PLS-Pb", "mg/kg"), "rmse"] == pytest.approx(np.mean(in_unit))
    [difference] = paired_differences(outcome, recipe).itertuples()
    other = [regression_metrics(np.log(observed[:4]), np.log(row[:4]))["r2"] for row in predicted["transfer"]]
    change = np.array(other) - np.array([one["r2"] for one in own])
    assert difference.difference == pytest.approx(change.mean())
    # Nadeau and Bengio: 3 rounds, 4 test rows for 8 of training
    assert difference.standard_error == pytest.approx(change.std(ddof=1) * np.sqrt(1 / 3 + 4 / 8))
    assert difference.transfer_better == f"{(change > 0).sum()} of 3"
    assert transfer_gain(outcome, recipe, ("pls",)) == pytest.approx(change.mean())


def test_linear_scores_of_ph_find_lead_where_lead_follows_ph(study):
    recipe, data = study.loaded().recipe, study.data()
    outcome = nested(recipe, data, ("source_pls",))
    assert comparison_table(outcome, recipe).r2.iloc[0] > 0.7


@pytest.mark.slow
def test_compare_makes_the_table_of_all_models_and_protocols(study):
    result = compare(study.recipe(), study.folder / "table.csv")
    table = pd.read_csv(result.path)
    assert set(table.protocol) == {"nested", "spatial", "groups", "published"}
    assert len(table) == 2 * (3 * len(KINDS) + 4)
    differences = pd.read_csv(study.folder / "table_differences.csv")
    assert set(differences[differences.protocol == "nested"].measure) == {"r2 (ln)"}
    assert set(differences[differences.protocol == "groups"].measure) == {"rmse (ln)"}
    assert result.report.is_file()


def test_bands_of_a_sensor_are_taken_and_those_beyond_the_spectra_left_out(study):
    (study.folder / "bands.csv").write_text(
        "wavelength_nm,fwhm_nm\n" + "".join(f"{nm},60\n" for nm in range(520, 2700, 60))
    )
    data = study.data(('library = "library.parquet"', 'library = "library.parquet"\nbands = "bands.csv"'))
    assert data.wavelength_nm[0] == 520
    assert data.wavelength_nm[-1] < NM[-1]
    assert {feature.fwhm_nm for feature in data.features} == {60.0}
    assert data.R.shape == (N, len(data.features))
    assert data.R_library.shape[1] == len(data.features)
    assert any("left out beyond" in note for note in data.notes)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_zero_or_negative_lead_is_refused_under_a_logarithm(study, value):
    study.samples.loc[7, "pb_mg_kg"] = value
    study.write()
    line = study.refusal(SamplesError)
    assert "P07" in line
    assert "zero or less" in line


def test_a_spectrum_with_a_hole_is_refused_by_name_or_dropped(study):
    study.R[5, 20] = np.nan
    study.write()
    assert "P05" in study.refusal(SamplesError)
    changed = ('library = "library.parquet"', 'library = "library.parquet"\non_missing = "drop"')
    assert len(study.data(changed).y) == N - 1


def test_fewer_than_ten_samples_are_refused_and_fewer_than_twenty_are_warned_of(study):
    study.samples, study.R = study.samples.iloc[:9], study.R[:9]
    study.write()
    assert "9 samples" in study.refusal(SamplesError)
    again = LeadStudy(study.folder)
    again.samples, again.R = again.samples.iloc[:16], again.R[:16]
    again.write()
    [said] = [note for note in again.data().notes if note.startswith("warning")]
    assert "16 samples" in said
    assert "read the spread" in said


def test_a_library_of_another_range_is_refused(study):
    from small_lead_study import write_spectra_table

    columns = {"sample_id": [f"L{i:02d}" for i in range(90)], "ph": study.ph_library}
    write_spectra_table(study.folder / "library.parquet", columns, study.R_library, NM + 3000)
    assert "common bands" in study.refusal(WavelengthError)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        (('column = "pb_mg_kg"', 'column = "pb"'), SamplesError, 'column "pb" is missing'),
        (('[target]', '[source]\ncolumn = "ph_h2o"\n[target]'), SamplesError, 'column "ph_h2o" is missing'),
        (('group = "site"', 'group = "place"'), SamplesError, 'column "place" is missing'),
        (("patience = 3", "patienc = 3"), RecipeError, "did you mean patience?"),
        (("block_m = 300.0", 'split = "spatial"'), RecipeError, "spatial blocks need validation.block_m"),
        (("block_m = 300.0", "n_labels = 5"), RecipeError, "n_labels"),
        (("patience = 3", 'patience = 3\nfreeze = ["conv"]'), RecipeError, "some of convolution"),
        (("patience = 3", 'patience = 3\ndevice = "cuda"'), RecipeError, "no CUDA device"),
    ],
)  # fmt: skip
def test_a_senseless_recipe_is_refused_in_one_line(study, changes, kind, said):
    if "cuda" in str(changes):
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device here")
    assert said in study.refusal(kind, changes)


def test_an_error_comes_back_from_the_process_of_a_split_as_itself():
    error = RecipeError("freeze", found="conv", expected="a layer", way_out="leave it out")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is RecipeError
    assert str(again) == str(error) == "freeze: found conv; expected a layer; leave it out"
