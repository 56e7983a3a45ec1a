"""The compiled forest is scikit-learn's to the last bit, and the search keeps to its rows and groups."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor

from geosoil.errors import SamplesError
from geosoil.estimators import _trees
from geosoil.estimators._trees import mean_of_trees, pack_trees
from geosoil.estimators.forest import Forest


def rows(n=120, p=7, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)).astype(np.float32)
    return X, 3 * X[:, 0] + np.sin(3 * X[:, 1]) + rng.normal(0, 0.1, n)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000), n_trees=st.integers(1, 6), min_leaf=st.integers(1, 80), coarse=st.booleans(),
    n_new=st.integers(1, 300),
)  # fmt: skip
def test_the_compiled_forest_is_scikit_learns_to_the_last_bit(seed, n_trees, min_leaf, coarse, n_new):
    X, y = rows(seed=seed)
    new = np.random.default_rng(seed + 1).normal(size=(n_new, X.shape[1])).astype(np.float32)
    if coarse:  # values that are equal to thresholds, or beside them
        X, new = np.round(X), np.round(new * 2) / 2
    forest = RandomForestRegressor(n_trees, min_samples_leaf=min_leaf, max_features=3, random_state=seed).fit(X, y)
    new[: len(X)] = X[: len(new)]
    assert np.array_equal(mean_of_trees(pack_trees(forest), new), forest.predict(new))


def test_out_of_bag_predictions_are_scikit_learns_and_of_trees_that_did_not_learn_from_the_row():
    X, y = rows()
    own = Forest(n_trees=60, max_features=3, min_leaf=2).fit(X, y)
    expected = RandomForestRegressor(60, max_features=3, min_samples_leaf=2, random_state=0, oob_score=True).fit(X, y)
    np.testing.assert_allclose(own.oob_prediction_, expected.oob_prediction_, rtol=1e-12)
    assert np.isnan(Forest(n_trees=1).fit(X, y).oob_prediction_).any()


def test_a_row_does_not_depend_on_its_batch(monkeypatch):
    X, y = rows()
    forest = Forest(n_trees=9).fit(X, y)
    whole = forest.predict(X)
    monkeypatch.setattr(_trees, "ROWS_AT_ONCE", 17)
    assert np.array_equal(forest.predict(X), whole)
    assert np.array_equal(np.concatenate([forest.predict(X[i : i + 1]) for i in range(len(X))]), whole)


def test_wide_rows_are_compared_as_scikit_learn_compares_them():
    X, y = rows()
    wide = np.float64(X) + 1e-9
    forest = Forest(n_trees=9).fit(wide, y)
    assert np.array_equal(forest.predict(wide), forest.forest_.predict(wide))


def test_a_forest_that_is_fitted_again_forgets_its_trees():
    X, y = rows()
    forest = Forest(n_trees=5).fit(X, y)
    forest.predict(X)
    assert np.array_equal(forest.fit(X, -y).predict(X), clone(forest).fit(X, -y).predict(X))


def test_a_row_with_a_hole_has_no_prediction():
    X, y = rows()
    forest = Forest(n_trees=5).fit(X, y)
    X[3, 2] = np.nan
    assert np.flatnonzero(np.isnan(forest.predict(X))).tolist() == [3]


def test_the_grid_is_the_papers_without_what_is_one_model(monkeypatch):
    tried, fit = [], RandomForestRegressor.fit

    def spied(self, X, y, **others):
        tried.append((self.max_features, self.min_samples_leaf))
        return fit(self, X, y, **others)

    monkeypatch.setattr(RandomForestRegressor, "fit", spied)
    X, y = rows(n=100, p=12)
    Forest(n_trees=1, search=True, search_trees=1).fit(X, y)
    # 12 covariates: 15 to 100 of them are all 12; folds of 80 rows: leaves of more than 40 leave one leaf.
    assert set(tried[:-1]) == {(count, leaf) for count in (5, 10, 12) for leaf in (10, 20, 30, 40)}
    assert len(tried) == 12 * 5 + 1


def test_the_search_finds_that_many_features_are_needed_where_one_of_many_counts():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 20)).astype(np.float32)
    y = np.sign(X[:, 0]) + rng.normal(0, 0.05, 90)
    forest = Forest(n_trees=10, search=True, search_trees=8, n_folds=3).fit(X, y)
    assert forest.max_features_ >= 15
    assert forest.min_leaf_ == 10
    assert forest.forest_.max_features == forest.max_features_
    assert forest.forest_.min_samples_leaf == forest.min_leaf_
    again = clone(forest).fit(X, y)
    assert (again.max_features_, again.min_leaf_) == (forest.max_features_, forest.min_leaf_)


def test_rows_of_one_group_never_stand_on_both_sides_of_the_search(monkeypatch):
    import sklearn.model_selection as selection

    seen = []
    split = selection.GroupKFold.split

    def spied(self, X, y, groups):
        for training, testing in split(self, X, y, groups):
            seen.append((set(groups[training]), set(groups[testing])))
            yield training, testing

    monkeypatch.setattr(selection.GroupKFold, "split", spied)
    X, y = rows(60)
    Forest(n_trees=3, search=True, search_trees=2).fit(X, y, groups=np.arange(60) // 6)
    assert len(seen) == 5
    assert all(not training & testing for training, testing in seen)


def test_fewer_groups_than_folds_are_refused():
    X, y = rows(60)
    with pytest.raises(SamplesError, match=r"3 groups.*at least 5"):
        Forest(search=True).fit(X, y, groups=np.arange(60) // 20)
