"""The area of applicability is that of CAST, and refuses what it cannot compute."""

import json

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import ModelFileError, SamplesError
from geosoil.trust import applicability
from geosoil.trust.applicability import Applicability, fit_applicability

CASES = ("unweighted_nocv", "weighted_nocv", "unweighted_cv5", "weighted_cv5")


def grid_of_samples():
    """Return 25 samples on a square grid, whose nearest neighbours all have one distance."""
    return np.stack(np.meshgrid(np.arange(5.0), np.arange(5.0)), axis=-1).reshape(-1, 2)


def random_area(**options):
    return fit_applicability(np.random.default_rng(0).normal(size=(60, 4)), **options)


@pytest.mark.parametrize("case", CASES)
def test_index_threshold_density_and_area_are_those_of_the_package_cast(case):
    golden = json.loads(shared("golden/cast/aoa.json").read_text())
    samples = pd.read_csv(shared("golden/inputs/aoa_train.csv"))
    rows = pd.read_csv(shared("golden/inputs/aoa_new.csv"))[list("abcd")].to_numpy()
    weights = np.array([golden["weights"][name] for name in "abcd"]) if case.startswith("weighted") else None
    folds = samples["fold"].to_numpy()
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    area = fit_applicability(
        samples[list("abcd")].to_numpy(), weights=weights, splits=splits if case.endswith("cv5") else None
    )
    expected, assessed = golden[case], area.assess(rows)
    np.testing.assert_allclose(area.centre, expected["scale_center"], rtol=1e-12)
    np.testing.assert_allclose(area.scale, expected["scale_sd"], rtol=1e-12)
    for got, name in (
        (area.mean_distance, "mean_distance"),
        (area.threshold, "threshold"),
        (area.training_index, "train_di"),
        (assessed.dissimilarity, "new_di"),
    ):
        np.testing.assert_allclose(got, expected[name], rtol=0, atol=1e-10)
    assert assessed.inside.astype(int).tolist() == expected["new_aoa"]
    assert assessed.density.tolist() == expected["new_lpd"]
    assert area.training_density.tolist() == expected["train_lpd"]


def test_on_a_grid_every_sample_has_the_index_of_one_step_and_the_area_ends_there():
    samples = grid_of_samples()
    area = fit_applicability(samples)
    np.testing.assert_allclose(area.training_index, 1 / np.sqrt(2 * 25 / 24) / area.mean_distance, rtol=1e-12)
    assert area.threshold == area.training_index.max()
    assessed = area.assess(np.array([[2.0, 2.0], [4.9, 4.0], [5.1, 4.0]]))
    assert assessed.inside.tolist() == [True, True, False]
    assert assessed.density.tolist() == [1, 1, 0]  # the sample at the place; its neighbours are at the threshold


def test_a_sample_at_the_threshold_is_inside_and_its_neighbour_at_the_threshold_does_not_count():
    samples = np.random.default_rng(0).normal(size=(6, 4))
    area = fit_applicability(samples)
    assert area.threshold == area.training_index.max()  # the whisker is longer than the largest index
    far = int(area.training_index.argmax())
    folds = [(np.delete(np.arange(6), row), np.array([row])) for row in range(6)]
    np.testing.assert_array_equal(fit_applicability(samples, splits=folds).training_index, area.training_index)
    assert fit_applicability(samples).assess(samples[[far]]).density[0] == 1  # only the sample itself
    assert area.assess(samples).inside.all()


def test_a_row_exactly_at_the_threshold_is_inside():
    samples = np.array([[0.0], [4.0]])
    one, index = np.ones(1), np.array([0.5, 0.5])
    area = Applicability(samples, 0 * one, one, one, 4.0, 0.5, index, np.zeros(2, int))
    assessed = area.assess(np.array([[-2.0], [np.nextafter(-2.0, -9)]]))
    assert assessed.dissimilarity[0] == 0.5
    assert assessed.inside.tolist() == [True, False]


def test_only_the_training_rows_of_the_fold_that_tests_a_sample_count():
    samples = np.array([[0.0], [0.1], [5.0], [5.1], [9.0]])
    folds = [(np.array([2, 3, 4]), np.array([0, 1])), (np.array([0, 1, 4]), np.array([2, 3]))]
    area = fit_applicability(samples, splits=folds)
    unit = area.scale[0] * area.mean_distance
    np.testing.assert_allclose(area.training_index[:4] * unit, [5.0, 4.9, 4.0, 3.9])
    assert np.isnan(area.training_index[4])  # never tested


def test_of_repeated_folds_the_first_that_tests_a_sample_counts():
    rows = np.arange(6)
    first = [(0, np.setdiff1d(rows, test), np.array(test)) for test in ([0, 1, 2], [3, 4, 5])]
    second = [(1, np.setdiff1d(rows, test), np.array(test)) for test in ([0, 3], [1, 4], [2, 5])]
    samples = np.array([[0.0], [1.0], [2.5], [4.0], [7.0], [11.0]])
    once, twice = (fit_applicability(samples, splits=splits) for splits in (first, first + second))
    np.testing.assert_array_equal(once.training_index, twice.training_index)


def test_an_unused_feature_and_a_negative_weight_change_nothing_and_need_no_value():
    area = random_area(weights=np.array([1.0, 2.0, 0.0, -3.0]))
    alone = fit_applicability(area.samples[:, :2], weights=np.array([1.0, 2.0]))
    assert area.threshold == alone.threshold
    row = np.array([[0.3, -0.2, np.nan, np.nan]])
    assert area.assess(row).dissimilarity[0] == alone.assess(row[:, :2]).dissimilarity[0]


def test_units_of_a_feature_and_the_scale_of_weights_do_not_matter():
    area = random_area(weights=np.array([1.0, 2.0, 3.0, 4.0]))
    factor = np.array([1.0, 1e-4, 1e6, 3.0])
    other = fit_applicability(area.samples * factor, weights=50 * area.weights)
    assert other.threshold == pytest.approx(area.threshold, rel=1e-12)


def test_the_threshold_of_the_paper_is_the_largest_index_below_the_whisker():
    samples = np.concatenate([np.random.default_rng(5).normal(size=(80, 2)), [[8.0, 0.0], [0.0, 9.0]]])
    cast, paper = (fit_applicability(samples, rule=rule) for rule in ("whisker", "largest_below_whisker"))
    assert cast.threshold == pytest.approx(
        np.quantile(cast.training_index, 0.75) + 1.5 * np.subtract(*np.quantile(cast.training_index, [0.75, 0.25]))
    )
    assert paper.threshold == cast.training_index[cast.training_index <= cast.threshold].max() < cast.threshold


def test_a_row_without_a_value_is_not_assessed_and_others_are():
    area = random_area()
    rows = np.zeros((3, 4), np.float32)
    rows[1, 2] = np.nan
    assessed = area.assess(rows)
    assert np.isnan(assessed.dissimilarity).tolist() == [False, True, False]
    assert assessed.inside.tolist() == [True, False, True]
    assert assessed.density[1] == 0 and assessed.density[0] > 0


def test_the_assessment_of_a_row_does_not_depend_on_how_many_are_assessed_at_once(monkeypatch):
    area = random_area(weights=np.array([1.0, 2.0, 0.0, 0.5]))
    rows = np.random.default_rng(2).normal(size=(70, 4)).astype(np.float32)
    given, whole = rows.copy(), area.assess(rows)
    monkeypatch.setattr(applicability, "_VALUES_AT_ONCE", 9 * 3)
    for got, expected in zip(area.assess(np.asfortranarray(rows)), whole, strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(rows, given)  # the pixels of the map are not changed


def test_all_rows_can_be_outside():
    assessed = random_area().assess(np.full((5, 4), 1e30))
    assert not assessed.inside.any() and not assessed.density.any()
    assert (assessed.dissimilarity > 1e20).all()


def test_a_constant_feature_is_not_used_and_is_named():
    samples = np.random.default_rng(0).normal(size=(60, 4))
    area = fit_applicability(np.insert(samples, 2, 7.0, axis=1).astype(np.float32))
    assert area.constant == (2,)
    assert area.threshold == fit_applicability(samples.astype(np.float32)).threshold
    assert np.isfinite(area.assess(np.ones((1, 5))).dissimilarity[0])


@pytest.mark.parametrize(
    ("samples", "options", "problem"),
    [
        (np.full((20, 3), 0.2), {}, "3 constant features"),
        (np.zeros((1, 3)), {}, r"shape \(1, 3\)"),
        (np.array([[1.0, np.nan], [2.0, 3.0]]), {}, "1 missing"),
        (np.eye(4), {"weights": np.ones(3)}, r"weights of shape \(3,\)"),
        (np.eye(4), {"weights": np.full(4, np.nan)}, "weights"),
        (np.eye(4), {"weights": np.zeros(4)}, "no weight above 0"),
        (np.eye(4), {"splits": [(np.arange(4), np.array([], int))]}, "test no sample"),
    ],
)
def test_samples_without_an_area_are_refused_in_one_line(samples, options, problem):
    with pytest.raises(SamplesError, match=problem):
        fit_applicability(samples, **options)


def test_what_is_stored_gives_the_same_assessment_to_the_last_bit():
    area = random_area(splits=[(np.arange(30, 60), np.arange(30)), (np.arange(30), np.arange(30, 50))], split="random")
    assert np.isnan(area.training_index).sum() == 10
    card, arrays = area.to_state()
    assert all(np.isfinite(array).all() for array in arrays.values())
    restored = Applicability.from_state(json.loads(json.dumps(card)), arrays)
    rows = np.random.default_rng(1).normal(size=(100, 4))
    for got, expected in zip(restored.assess(rows), area.assess(rows), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(restored.training_index, area.training_index)
    assert restored.split == "random"


@pytest.mark.parametrize(
    "change",
    [
        lambda card, arrays: arrays.pop("scale"),
        lambda card, arrays: arrays.update(more=np.zeros(3)),
        lambda card, arrays: arrays.update(scale=np.zeros(4)),
        lambda card, arrays: arrays.update(centre=np.full(4, np.nan)),
        lambda card, arrays: arrays.update(weights=np.zeros(4)),
        lambda card, arrays: arrays.update(weights=np.full(4, -1.0)),
        lambda card, arrays: arrays.update(weights=np.ones(5)),
        lambda card, arrays: arrays.update(samples=arrays["samples"][:, :3]),
        lambda card, arrays: arrays.update(samples=arrays["samples"].astype(np.float16)),
        lambda card, arrays: arrays.update(samples=np.zeros(4)),
        lambda card, arrays: arrays.update(training_density=np.full(60, 60)),
        lambda card, arrays: arrays.update(training_index=arrays["training_index"][:-1]),
        lambda card, arrays: arrays.update(training_index=np.full(60, -1.0)),
        lambda card, arrays: arrays.update(samples=[[1.0]]),
        lambda card, arrays: card.update(threshold=1.001 * card["threshold"]),
        lambda card, arrays: card.update(threshold=float("nan")),
        lambda card, arrays: card.update(mean_distance=0.0),
        lambda card, arrays: card.update(mean_distance="1"),
        lambda card, arrays: card.update(rule="other"),
        lambda card, arrays: card.update(constant=[1]),
        lambda card, arrays: card.update(command="rm"),
        lambda card, arrays: card.pop("threshold"),
    ],
)
def test_tampered_state_is_refused(change):
    card, arrays = random_area().to_state()
    change(card, arrays)
    with pytest.raises(ModelFileError, match="area of applicability is not valid"):
        Applicability.from_state(card, arrays, where="model")
