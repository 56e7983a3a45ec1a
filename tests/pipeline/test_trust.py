"""A trained model knows its errors from honest predictions of its own kind, and keeps them with it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pyproj import CRS
from small_rows import N, candidate, patch_rows, spectral_rows
from small_rows import task as small_task

from geosoil.models.card import TrainingCard
from geosoil.models.compose import Ensemble, MultiTargetModel
from geosoil.models.contract import SPREAD
from geosoil.models.store import read_card, save_model
from geosoil.models.trust import load_trust
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.regressors import fit_model, predict_spread
from geosoil.pipeline.trust import _preference, fit_trust, trust_sentence
from geosoil.pipeline.validation import validate
from geosoil.pipeline.validation_settings import ValidationSettings
from geosoil.report.trust_sections import _in_words, trust_section

ALL = np.arange(N)


def validated(rows, split="random", kind="ridge", **settings):
    validation = ValidationSettings(processes=1, **{"n_folds": 4} | settings)
    recipe = SimpleNamespace(name="small", seed=0, validation=validation)
    return validate(split, recipe, rows, [candidate(kind)])


def fitted(rows, kind="ridge", learned=ALL):
    return fit_model(small_task(kind, rows, train=learned))


def noisy_rows(**parts):
    rows = spectral_rows(**parts)
    return replace(rows, y=rows.y + np.random.default_rng(1).normal(0, 0.3, rows.y.shape))


@pytest.fixture(scope="module")
def trained():
    rows = noisy_rows()
    model, outcome = fitted(rows), validated(rows, n_repeats=2)
    return rows, model, outcome, fit_trust(model, candidate("ridge"), rows, ALL, [outcome])


def test_the_scores_are_the_errors_of_rows_that_a_model_has_not_learned_from(trained):
    rows, _, outcome, trust = trained
    scores, target = trust.scores["soc_pct"], trust.state.targets["soc_pct"]
    errors = rows.y[:, 0] - next(iter(outcome.predicted.values()))[:, :, 0]
    np.testing.assert_allclose(scores.observed - scores.predicted, errors.ravel())
    assert target.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert target.intervals.n_samples == N
    assert len(target.intervals.scores) == 2 * N
    lower, upper = trust.bounds["soc_pct"][8]
    stated = next(c for c in target.coverage if c.level == 0.9)
    assert stated.covered == pytest.approx(np.mean((lower <= scores.observed) & (scores.observed <= upper)))
    assert stated.covered > 0.75


def test_what_a_map_needs_is_in_the_folder(trained, tmp_path):
    rows, model, _, trust = trained
    card = TrainingCard(n_samples=N, recipe_sha256="", table_sha256="")
    save_model(model, tmp_path / "m", name="m", study="table", preprocessing=[], training=card, trust=trust.state)
    loaded = load_trust(tmp_path / "m", read_card(tmp_path / "m"))
    X = rows.X[:, model.used_columns]
    area = loaded.applicability.assess(X)
    known = trust.state.applicability
    np.testing.assert_array_equal(area.dissimilarity, known.assess(X).dissimilarity)
    np.testing.assert_allclose(area.dissimilarity, 0, atol=1e-6)  # samples are at no distance from themselves
    assert (known.training_index > 0).all()  # but those of other folds are
    predicted, indicators = model.predict_rows(X)[:, 0], {"dissimilarity": area.dissimilarity.astype(np.float32)}
    ends = loaded.targets["soc_pct"].intervals.bounds(predicted, [0.9], indicators)
    np.testing.assert_array_equal(ends, trust.state.targets["soc_pct"].intervals.bounds(predicted, [0.9], indicators))


def test_places_away_from_the_training_rows_come_before_random_ones_and_flattering_splits_last():
    xy = np.random.default_rng(0).uniform(0, 10_000, (N, 2))
    rows = noisy_rows(xy=xy, crs=CRS.from_epsg(32633))
    by_split = {name: validated(rows, name, block_m=2000.0) for name in ("rank", "random", "spatial")}
    model = fitted(rows)
    for splits, chosen in (
        (("rank", "random", "spatial"), "spatial blocks"),
        (("rank", "random"), "random folds"),
        (("rank",), "folds by rank"),
    ):
        trust = fit_trust(model, candidate("ridge"), rows, ALL, [by_split[name] for name in splits])
        assert trust.state.split == chosen
        assert trust.state.applicability.split == chosen
    assert fit_trust(model, candidate("ridge"), rows, ALL, []) is None
    order = sorted(("rank", "random", "nndm", "spatial", "knndm", "groups"), key=_preference)
    assert order == ["nndm", "knndm", "spatial", "groups", "random", "rank"]  # those that resemble the map come first


def test_errors_of_a_logarithm_are_relative():
    log = (TargetProperty(column="soc_pct", unit="%", log="naive", valid_range=(0.0, 100.0)),)
    rows = noisy_rows(targets=log)
    rows = replace(rows, y=np.maximum(rows.y, 0.1))
    trust = fit_trust(fitted(rows), candidate("ridge"), rows, ALL, [validated(rows)])
    assert trust.state.targets["soc_pct"].intervals.logarithm


def test_rows_without_a_feature_leave_the_intervals_and_are_noted():
    rows = noisy_rows()
    model, outcome = fitted(rows), validated(rows)
    broken = rows.X.copy()
    broken[3, 5] = np.nan
    trust = fit_trust(model, candidate("ridge"), replace(rows, X=broken), ALL, [outcome])
    assert trust.state.applicability is None
    assert "no area of applicability" in trust.notes[0]
    assert trust.state.targets["soc_pct"].intervals.n_samples == N


def test_depths_of_a_patch_model_have_intervals_each_from_their_known_values():
    rows = patch_rows()
    model = fitted(rows, "cnn")
    trust = fit_trust(model, candidate("cnn"), rows, ALL, [validated(rows, kind="cnn", n_folds=2)])
    known = [trust.state.targets[target.column].intervals.n_samples for target in rows.targets]
    assert known == [N, N, N - 8]
    assert trust.state.applicability.samples.shape == (N, len(model.features))


def test_the_spread_of_tested_rows_is_that_of_the_map():
    rows = noisy_rows()
    half = fitted(rows, learned=ALL[::2])
    model = Ensemble((half, fitted(rows)))
    spread = predict_spread(model, candidate("ridge"), rows, ALL[:5])
    both = np.stack([member.predict_rows(rows.X[:5][:, member.used_columns]) for member in model.members])
    np.testing.assert_allclose(spread, both.std(axis=0), rtol=1e-4)
    assert predict_spread(half, candidate("ridge"), rows, ALL[:5]) is None
    assert [output.kind for output in model.outputs][-1] == SPREAD


def test_weights_of_several_targets_are_the_mean_of_those_of_each():
    rows = noisy_rows()
    two = replace(
        rows,
        y=np.column_stack([rows.y, -rows.y]),
        targets=(*rows.targets, TargetProperty(column="ph")),
        library=None,
    )
    model = fitted(two)
    assert isinstance(model, MultiTargetModel)
    trust = fit_trust(model, candidate("ridge"), two, ALL, [validated(two)])
    alone = fit_trust(fitted(rows), candidate("ridge"), rows, ALL, [validated(rows)])
    np.testing.assert_allclose(trust.state.applicability.weights, alone.state.applicability.weights, rtol=1e-6)
    assert set(trust.state.targets) == {"soc_pct", "ph"}


def test_the_sentence_states_error_split_coverage_and_width(trained):
    state = trained[3].state
    text = trust_sentence(state, "soc_pct", "%")
    assert text.startswith(f"soc_pct: error ± {state.targets['soc_pct'].rmse:.2g} %; 90 % intervals covered ")
    assert "in random folds, with a mean width of" in text
    few = replace(state.targets["soc_pct"], coverage=())
    assert "too few samples for 90 % intervals" in trust_sentence(
        replace(state, targets={"soc_pct": few}), "soc_pct", ""
    )


def test_the_section_opens_with_the_error_and_draws_how_intervals_cover(trained):
    section = trust_section(trained[3], {"soc_pct": 0.5})
    assert section.text[0].startswith("R2 0.50, soc_pct: error ± ")
    captions = " ".join(caption for caption, _ in section.figures)
    assert "coverage by level" in captions
    assert "by class" in captions
    assert "absolute errors" in captions
    assert section.tables[0][1].level.tolist() == [0.5, 0.8, 0.9, 0.95]


def test_errors_of_a_logarithm_have_a_width_in_proportion_to_the_prediction(trained):
    trust = trained[3]
    target = trust.state.targets["soc_pct"]
    for logarithm, expected in (
        (False, "they have the same width everywhere"),
        (True, "proportional to the prediction"),
    ):
        intervals = replace(target.intervals, logarithm=logarithm, scale=replace(target.intervals.scale, indicators=()))
        state = replace(trust.state, targets={"soc_pct": replace(target, intervals=intervals)})
        assert expected in _in_words(replace(trust, state=state), "soc_pct")
