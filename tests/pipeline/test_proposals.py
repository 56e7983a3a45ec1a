"""What a new recipe proposes changes at stated numbers of samples and features."""

import pytest
from small_rows import spectral_rows

from geosoil.pipeline.proposals import (
    MOST_FOR_AUTO,
    MOST_NUMBERS_FOR_AUTO,
    MOST_VALUES_FOR_AUTO,
    propose_models,
    propose_validation,
)


@pytest.mark.parametrize(
    ("spectral", "n", "n_features", "models"),
    [
        (True, 99, 200, ["auto", "gp", "pls", "svr", "ridge"]),
        (True, 100, 200, ["auto", "gp", "pls", "svr", "forest"]),
        (False, 49, 10, ["auto", "gp", "forest", "ridge"]),
        (False, 50, 10, ["auto", "gp", "forest", "boosted_trees"]),
        (False, MOST_FOR_AUTO, 10, ["auto", "gp", "forest", "boosted_trees"]),
        (False, MOST_FOR_AUTO + 1, 10, ["forest", "pls", "mlp"]),
        (True, 1000, MOST_NUMBERS_FOR_AUTO // 1000, ["auto", "gp", "pls", "svr", "forest"]),
        (True, 1000, MOST_NUMBERS_FOR_AUTO // 1000 + 1, ["pls", "ridge", "mlp"]),
    ],
)
def test_models_suit_the_number_of_samples_and_features(spectral, n, n_features, models):
    assert propose_models(spectral=spectral, n=n, n_features=n_features)[0] == models


def test_each_target_takes_the_time_of_its_candidates():
    few, many = (
        propose_models(spectral=False, n=n, n_features=10, n_targets=6)[0][0]
        for n in (MOST_VALUES_FOR_AUTO // 6, MOST_VALUES_FOR_AUTO // 6 + 1)
    )
    assert (few, many) == ("auto", "forest")


def test_a_library_beside_the_samples_is_learned_from():
    assert propose_models(spectral=True, n=60, n_features=200, library=True)[0][0] == "spiked_pls"


def test_folds_of_a_quick_model_are_repeated_more_often():
    rows = spectral_rows()
    assert propose_validation(rows, None).values["n_repeats"] == 5
    assert propose_validation(rows, None, quick=False).values["n_repeats"] == 2
