"""Library localisation end to end on a small library: what is chosen, trained, validated, saved and mapped."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from small_library_study import N_SITE, NM, LibraryStudy
from written_rasters import write_raster

from geosoil.errors import RecipeError, SamplesError, UnitsError, WavelengthError
from geosoil.models.store import load_model, read_card
from geosoil.samples.kennard_stone import kennard_stone
from geosoil.studies.library_localisation.candidates import MODELS, Trainer, train_bases
from geosoil.studies.library_localisation.protocols import (
    Outcome,
    choose_local,
    cross_validated,
    kennard_stone_test,
    random_test,
)
from geosoil.studies.library_localisation.study import AUTO, auto_models
from geosoil.studies.registry import compare
from geosoil.workflows.map import map_cube


@pytest.fixture
def study(tmp_path):
    return LibraryStudy(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    study = LibraryStudy(tmp_path_factory.mktemp("study"))
    return study, study.train()


def test_the_card_lists_the_rows_of_library_and_site_that_the_model_learned_from(trained):
    study, result = trained
    card = read_card(result.folder)
    [library] = [note for note in card.training.notes if note.startswith("library rows: ")]
    [site] = [note for note in card.training.notes if note.startswith("site rows: ")]
    named = library.removeprefix("library rows: ").split(", ")
    assert len(named) == 20
    assert set(named) <= set(study.library.ids)
    chosen = choose_local(study.loaded().recipe, study.data())
    assert set(site.removeprefix("site rows: ").split(", ")) == {study.site.ids[i] for i in chosen}
    assert card.training.n_samples == 20 + 12
    assert (card.study, card.quantity) == ("library_localisation", "reflectance")
    assert set(card.metrics) == {"kennard_stone", "random"}


def test_rs_local_takes_the_half_of_the_library_that_behaves_as_the_site_so_its_model_beats_the_whole_librarys(study):
    recipe, data = study.loaded().recipe, study.data()
    outcome = kennard_stone_test(recipe, data, ["rs_local_plsr", "library_plsr"])
    assert study.of_site_kind[outcome.library_rows["rs_local_plsr"][0]].mean() > 0.9
    rmse = outcome.table.set_index("model").rmse
    assert rmse["RS-LOCAL + PLSR"] < 0.6 * rmse["Library PLSR"]


def test_a_cube_of_other_bands_is_mapped_and_gives_what_its_spectra_give(trained):
    study, result = trained
    # every soil of the site a pixel, by a sensor of other bands
    nm = np.arange(395.0, 995.0, 10.0)
    spectra = np.array([np.interp(nm, NM, row) for row in study.site.values]).astype(np.float32)
    path = study.folder / "cube.tif"
    tags = [{"wavelength": f"{centre:g}", "wavelength_units": "nm"} for centre in nm]
    write_raster(path, spectra.T.reshape(nm.size, 5, 8), band_tags=tags)
    mapped = map_cube(path, result.folder, study.folder / "soc.tif")
    with rasterio.open(mapped.path) as source:
        values = source.read(1).ravel()
    there = np.array([np.interp(NM, nm, row) for row in spectra])  # what a linear resampling makes of the cube
    np.testing.assert_allclose(values, load_model(result.folder).predict_rows(there)[:, 0], rtol=1e-3)
    assert np.corrcoef(values, study.site.table.soc_pct)[0, 1] > 0.9


def test_the_points_hold_every_sample_of_the_site_with_its_prediction(trained):
    _, result = trained
    points = gpd.read_file(result.folder / "points.gpkg")
    assert len(points) == N_SITE
    assert points.crs.to_epsg() == 32633
    assert points.learned_from.sum() == 12
    tested = points[~points.learned_from.astype(bool)]
    rmse = np.sqrt(np.mean((tested.predicted - tested.soc_pct) ** 2))
    row = result.table[(result.table.protocol == "kennard_stone") & (result.table.model == "RS-LOCAL + PLSR")]
    assert rmse == pytest.approx(float(row.rmse.iloc[0]), rel=1e-4)
    assert (result.folder / "points.png").stat().st_size > 5000


@pytest.mark.parametrize("kind", list(MODELS))
def test_what_is_fitted_does_not_know_the_test_rows(study, kind):
    recipe, data = study.loaded().recipe, study.data()
    chosen, test = np.arange(12), np.arange(12, N_SITE)
    rng = np.random.default_rng(1)
    X, y = data.site.X.copy(), data.site.y.copy()
    X[test], y[test] = rng.normal(size=X[test].shape), 99.0
    changed = replace(data, site=replace(data.site, X=X, y=y))
    first, second = (
        Trainer(recipe, one, chosen, bases=train_bases(recipe, one, [kind], lambda *_: None)).fit(kind)
        for one in (data, changed)
    )
    np.testing.assert_array_equal(first.predict(data.site.X), second.predict(data.site.X))


def test_the_choice_of_the_model_sees_the_n_rows_only(study):
    recipe, data = study.loaded().recipe, study.data()
    chosen = np.arange(12)
    spoilt = replace(data, site=replace(data.site, y=np.where(np.arange(N_SITE) < 12, data.site.y, 99.0)))
    outcomes = [cross_validated(recipe, one, list(AUTO), chosen) for one in (data, spoilt)]
    for kind in AUTO:
        np.testing.assert_array_equal(outcomes[0].predicted[kind], outcomes[1].predicted[kind])
        # every one of the n is left out once, and no other row is predicted
        np.testing.assert_array_equal(np.isfinite(outcomes[0].predicted[kind][0]), np.arange(N_SITE) < 12)


def test_auto_takes_the_model_with_the_least_cross_validated_rmse(study):
    result = study.train(('kind = "rs_local_plsr"', 'kind = "auto"'))
    recipe, data = study.loaded().recipe, study.data()
    outcome = cross_validated(recipe, data, list(AUTO), choose_local(recipe, data))
    best = min(AUTO, key=lambda kind: outcome.figures[kind].rmse.iloc[0])
    assert outcome.best == best
    assert read_card(result.folder).preprocessing[-1] == MODELS[best]
    assert best == "rs_local_plsr"  # four epochs make no network


def test_the_model_of_the_logarithm_is_what_a_recipe_under_a_logarithm_gives(study):
    recipe, data, chosen = study.loaded().recipe, study.data(), np.arange(12)
    logarithmic = study.loaded(('title = "SOC"', 'title = "SOC"\nlog = "naive"')).recipe
    one = Trainer(recipe, data, chosen).fit("rs_local_plsr_ln")
    other = Trainer(logarithmic, data, chosen).fit("rs_local_plsr")
    np.testing.assert_array_equal(one.predict(data.site.X), other.predict(data.site.X))
    np.testing.assert_array_equal(one.library_rows, other.library_rows)
    assert (
        np.ptp(one.predict(data.site.X) - Trainer(recipe, data, chosen).fit("rs_local_plsr").predict(data.site.X)) > 0
    )
    assert (one.kind, auto_models(recipe, data)) == ("rs_local_plsr_ln", list(AUTO))


def test_auto_tries_no_logarithm_under_a_logarithm_or_of_a_content_of_zero(study):
    recipe, data = study.loaded().recipe, study.data()
    logarithmic = study.loaded(('title = "SOC"', 'title = "SOC"\nlog = "naive"')).recipe
    none = replace(data, library=replace(data.library, y=np.append(data.library.y[1:], 0.0)))
    assert auto_models(logarithmic, data) == auto_models(recipe, none) == ["rs_local_plsr", "dtl_i"]


def test_a_network_is_saved_and_answers_as_before(study):
    result = study.train(('kind = "rs_local_plsr"', 'kind = "dtl_i"'))
    rows = study.site.values
    np.testing.assert_array_equal(load_model(result.folder).predict_rows(rows), result.model.predict_rows(rows))


def test_kennard_stone_and_random_learn_from_n_rows_and_test_all_others(study):
    recipe, data = study.loaded().recipe, study.data()
    by_ks = kennard_stone_test(recipe, data, ["local_plsr"]).predicted["local_plsr"]
    at_random = random_test(recipe, data, ["local_plsr"]).predicted["local_plsr"]
    assert set(np.flatnonzero(np.isnan(by_ks[0]))) == set(kennard_stone(data.site.X, 12))
    assert np.isnan(at_random).sum(axis=1).tolist() == [12, 12]
    assert (np.isnan(at_random[0]) != np.isnan(at_random[1])).any()


def test_change_is_against_the_local_model_positive_when_better_and_bias_is_predicted_minus_observed():
    observed = np.array([1.0, 2.0, 3.0, 4.0])
    predicted = {
        "local_plsr": observed[None] + [[2.0, -2.0, 2.0, -2.0]],
        "mbl": observed[None] + 1.0,
        "local_cnn": observed[None] + [[4.0, -4.0, 4.0, -4.0]],
    }
    nothing = {kind: [np.arange(0)] for kind in predicted}
    outcome = Outcome("random", observed, predicted, nothing, {kind: [""] for kind in predicted})
    table = outcome.table.set_index("model")
    assert table.change_plsr.to_dict() == pytest.approx({"Local PLSR": 0.0, "MBL": 50.0, "Local CNN": -100.0})
    assert table.change_cnn.to_dict() == pytest.approx({"Local PLSR": 50.0, "MBL": 75.0, "Local CNN": 0.0})
    assert table.loc["MBL", "bias"] == 1.0


def test_a_site_of_hardly_more_than_n_samples_is_learned_from_whole_and_cross_validated(study):
    result = study.train(("n = 12", "n = 38"))
    assert set(result.table.protocol) == {"cross_validation"}
    assert read_card(result.folder).training.n_samples == 20 + N_SITE
    with pytest.raises(SamplesError, match="left for a test"):
        compare(study.recipe(("n = 12", "n = 38")), study.folder / "table.csv")


def test_rows_of_the_site_inside_the_library_are_dropped_and_counted(study):
    values = study.library.values.copy()
    values[:3] = study.site.values[5:8]
    study.change("library", values=values)
    data = study.data()
    assert len(data.library.y) == 117
    assert any("3 rows left out whose spectra are those of the site" in note for note in data.notes)


def test_a_logarithm_is_undone_in_the_map(study):
    result = study.train(('title = "SOC"', 'title = "SOC"\nlog = "smearing"'))
    predicted = load_model(result.folder).predict_rows(study.site.values)[:, 0]
    assert np.corrcoef(predicted, study.site.table.soc_pct)[0, 1] > 0.9
    assert 0.5 < predicted.mean() / study.site.table.soc_pct.mean() < 1.5


def test_a_logarithm_predicts_no_more_than_the_largest_content_that_was_learned_from(study):
    result = study.train(('kind = "rs_local_plsr"', 'kind = "rs_local_plsr_ln"'))
    model, data = load_model(result.folder), study.data()
    fitted = Trainer(study.loaded().recipe, data, choose_local(study.loaded().recipe, data)).fit("rs_local_plsr_ln")
    largest = max(data.site.y[fitted.site_rows].max(), data.library.y[fitted.library_rows].max())
    assert model.targets[0].valid_range == (0.0, largest)
    # a spectrum far along what darkens with SOC: exp() alone would give thousands of percent
    coefficients = fitted.estimator.estimator_.coef_
    beyond = data.site.X[:1] + 20 * coefficients / np.sum(coefficients**2)
    assert fitted.estimator.predict(beyond)[0] > 1e6
    assert fitted.predict(beyond)[0] == largest


@pytest.mark.slow
def test_compare_makes_the_table_of_all_models_and_both_choices(study):
    result = compare(study.recipe(("n_repeats = 2", "n_repeats = 1")), study.folder / "table.csv")
    table = pd.read_csv(result.path)
    assert set(table.model) == set(MODELS.values())
    assert set(table.protocol) == {"kennard_stone", "random"}
    assert len(table) == 2 * len(MODELS)
    assert result.report.is_file()


def test_without_a_country_there_are_no_country_models(study):
    assert study.data(('country = "here"\n', "")).country is None
    few = study.data(("k = 20", "k = 70"))
    assert few.country is None
    assert any("too few to choose 70 from" in note for note in few.notes)


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        (("k = 20", "k = 200"), SamplesError, "120 rows for rs_local.k = 200"),
        (("n = 12", "n = 4"), RecipeError, "local.n"),
        (("soc_pct", "clay_pct"), SamplesError, 'column "clay_pct" is missing'),
        (("soc_pct", "soc_g_kg"), SamplesError, "but soc_pct, another unit"),
        (('"here"', '"nowhere"'), SamplesError, "no row of nowhere"),
        (('crs = "EPSG:32633"\n', ""), RecipeError, "give x, y and crs together"),
        (('"EPSG:32633"', '"EPSG:1"'), SamplesError, "a CRS, such as"),
        (("neighbours", "neighbors"), RecipeError, "did you mean neighbours?"),
        (('"rs_local_plsr"', '"trees"'), RecipeError, "model.kind"),
    ],
)
def test_a_senseless_recipe_is_refused_in_one_line(study, changes, kind, said):
    assert said in study.refusal(kind, changes)


def test_tables_that_do_not_belong_together_are_refused(study):
    whole = study.site
    study.change("site", wavelength_nm=NM + 1000)
    assert "common bands" in study.refusal(WavelengthError)
    study.change("site", wavelength_nm=NM, values=np.where(np.arange(N_SITE)[:, None] < 3, 100, 1) * whole.values)
    assert "percent or absorbance" in study.refusal(UnitsError)
    few = replace(whole, values=whole.values[:4], ids=whole.ids[:4], table=whole.table.iloc[:4])
    study.site = few
    study.write()
    assert "4 samples with soc_pct" in study.refusal(SamplesError)
