"""Boosted trees against scikit-learn's own."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from geosoil.estimators.boosted_trees import BoostedTrees


def test_predictions_are_those_of_scikit_learn_with_all_trees():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 4)).astype(np.float32)
    y = 3 * X[:, 0] + np.sin(3 * X[:, 1]) + rng.normal(0, 0.1, 80)
    settings = {"learning_rate": 0.1, "max_features": 0.5}
    own = BoostedTrees(n_trees=20, min_leaf=3, random_state=4, **settings).fit(X, y)
    expected = HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=3, random_state=4, **settings).fit(X, y)
    new = rng.normal(size=(50, 4))
    np.testing.assert_array_equal(own.predict(new), expected.predict(new))
    assert own.trees_.n_iter_ == 20
    new[3, 1] = np.nan
    assert np.isnan(own.predict(new)).nonzero()[0].tolist() == [3]
