"""Memory-based learning and its dissimilarities equal R resemble's."""

import json

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.memory_based import MemoryBased
from geosoil.numerics.distances import (
    correlation_dissimilarity,
    cosine_dissimilarity,
    euclidean_dissimilarity,
    pca_dissimilarity,
)
from geosoil.samples.libraries import localisation_space

DISSIMILARITIES = {
    "euclid_center_noscale": euclidean_dissimilarity,
    "cor": correlation_dissimilarity,
    "cosine": cosine_dissimilarity,
    "pca4": lambda X, Y: pca_dissimilarity(X, Y, 4),
}
PREDICTIONS = [
    ("cor_pls5_k30_k60", 0, {"k": 30, "min_components": 5, "max_components": 5, "dissimilarity": "correlation"}),
    ("cor_pls5_k30_k60", 1, {"k": 60, "min_components": 5, "max_components": 5, "dissimilarity": "correlation"}),
    ("cor_wapls2_6_k30_k60", 0, {"k": 30, "min_components": 2, "max_components": 6, "dissimilarity": "correlation"}),
    ("cor_wapls2_6_k30_k60", 1, {"k": 60, "min_components": 2, "max_components": 6, "dissimilarity": "correlation"}),
    ("pca4_pls5_k30", 0, {"k": 30, "min_components": 5, "max_components": 5, "n_components": 4}),
]


def spectra(name):
    """Return preprocessed spectra and contents of an input of the golden runs."""
    frame = pd.read_csv(shared(f"golden/inputs/rslocal_{name}.csv"))
    return localisation_space(frame.filter(regex=r"^\d").to_numpy()), frame.soc.to_numpy()


def lines(n=300, seed=0):
    """Return a library on a curve: what is linear near a row is not linear over all."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-3, 3, size=(n, 2)) @ [[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, -1.0]]
    return X, np.sin(2 * X[:, 0]) * 2 + X[:, 1]


@pytest.mark.parametrize("name", DISSIMILARITIES)
def test_a_dissimilarity_is_resembles(name):
    golden = json.loads(shared("golden/mbl/dissimilarity.json").read_text())[name]
    found = DISSIMILARITIES[name](spectra("library")[0], spectra("site")[0])
    assert found[:12, :6] == pytest.approx(np.array(golden), abs=1e-10)


@pytest.mark.parametrize(("name", "column", "settings"), PREDICTIONS)
def test_predictions_are_resembles(name, column, settings):
    golden = json.loads(shared("golden/mbl/predictions.json").read_text())[name]
    model = MemoryBased(**settings, together=True).fit(*spectra("library"))
    assert model.predict(spectra("site")[0]) == pytest.approx(np.array(golden["pred"])[:, column], abs=1e-9)


def test_a_prediction_does_not_depend_on_the_other_rows():
    X, y = lines()
    model = MemoryBased(k=40, min_components=2, max_components=4).fit(X, y)
    rows = np.random.default_rng(1).normal(size=(50, 4))
    alone = np.concatenate([model.predict(row[None]) for row in rows])
    assert model.predict(rows) == pytest.approx(alone, rel=1e-9)


def test_near_neighbours_are_chosen_where_the_relation_bends():
    X, y = lines()
    model = MemoryBased(k=(30, 250), min_components=2, max_components=4).fit(X, y, targets=X[:40] + 0.01)
    assert model.k_ == 30
    assert model.validation_rmse_[0] < 0.7 * model.validation_rmse_[1]
    assert MemoryBased(k=(30, 250), min_components=2, max_components=4).fit(X, y).k_ == 30


def test_predictions_stay_within_the_neighbours_unless_asked():
    X, y = lines()
    far = np.array([[0.0, 30.0, 0.0, 0.0]])
    settings = {"k": 50, "min_components": 2, "max_components": 4}
    assert MemoryBased(**settings).fit(X, y).predict(far)[0] <= y.max()
    assert MemoryBased(**settings, clip=False).fit(X, y).predict(far)[0] > y.max()


def test_a_row_with_nan_gives_nan():
    X, y = lines(60)
    predicted = MemoryBased(k=30).fit(X, y).predict(np.array([[np.nan] * 4, X[0]]))
    assert np.isnan(predicted).tolist() == [True, False]


def test_k_above_the_library_is_left_out_or_refused():
    X, y = lines(60)
    assert MemoryBased(k=(30, 100)).fit(X, y).k_ == 30
    with pytest.raises(SamplesError, match="60 rows; expected at least 100"):
        MemoryBased(k=100).fit(X, y)


@pytest.mark.parametrize("wrong", [{"k": 2}, {"min_components": 9, "max_components": 3}, {"dissimilarity": "x"}])
def test_settings_without_sense_are_refused(wrong):
    with pytest.raises(RecipeError):
        MemoryBased(**wrong).fit(*lines(60))
