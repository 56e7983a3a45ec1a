"""Models of a library and a site: what RS-LOCAL chooses and whom the library may not hold."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import ABSORBANCE, spectral_rows, task

from geosoil.errors import RecipeError
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.regressors import REGRESSORS, fit_model, predict_rows, prepare_shared

LOCALISED = [name for name, entry in REGRESSORS.items() if "library" in entry.needs]


def fitted(learned):
    model = fit_model(learned)
    return model, predict_rows(model, learned.candidate, learned.rows, learned.test)[:, 0]


def of_another_kind(rows):
    """Rows whose library has the opposite relation in every other row."""
    y = rows.library.y.copy()
    y[1::2] = 5 - y[1::2]
    return replace(rows, library=replace(rows.library, y=y))


def with_own_spectra(rows):
    """Rows whose library holds the spectra of the samples too."""
    library = rows.library
    library = replace(
        library,
        ids=np.concatenate([library.ids, rows.ids]),
        X=np.concatenate([library.X, rows.X]),
        y=np.concatenate([library.y, rows.y]),
        auxiliary=np.concatenate([library.auxiliary, rows.auxiliary]),
        sample_of_row=np.concatenate([library.sample_of_row, np.arange(len(rows))]),
        in_country=np.ones(len(library.ids) + len(rows), bool),
    )
    return replace(rows, library=library)


def test_rs_local_chooses_the_rows_whose_relation_is_that_of_the_site():
    learned = task(
        "rs_local_pls",
        of_another_kind(spectral_rows()),
        features=ABSORBANCE,
        settings={"k": 20, "b": 40, "r": 0.1, "n_components": 3},
    )
    _, values = fitted(learned)
    assert np.mean(learned.details["library_rows"] % 2 == 0) > 0.9
    assert learned.details["rs_local"].rows.tolist() == learned.details["library_rows"].tolist()
    assert learned.details["n_training_rows"] == 20 + 36
    assert np.corrcoef(values, learned.rows.y[36:, 0])[0, 1] > 0.9


def test_rows_of_the_country_are_the_only_ones_that_its_models_learn_from():
    learned = task("dtl_i_country", spectral_rows(), features=ABSORBANCE)
    fit_model(learned)
    assert learned.details["library_rows"].max() < 60


@pytest.mark.parametrize("kind", LOCALISED)
def test_a_tested_samples_own_spectrum_in_the_library_is_never_learned_from(kind):
    rows = with_own_spectra(spectral_rows())
    learned = task(kind, rows, features=ABSORBANCE)
    shared = prepare_shared(learned.recipe, rows, [learned.candidate])
    assert shared == {}
    library = rows.library
    of_test = np.isin(library.sample_of_row, learned.test)
    # Change what the library says of the tested samples, and what the samples' table says of them.
    y, auxiliary, measured = library.y.copy(), library.auxiliary.copy(), rows.y.copy()
    y[of_test], auxiliary[of_test], measured[learned.test] = 3.9, 1.1, 3.9
    other = replace(rows, y=measured, library=replace(library, y=y, auxiliary=auxiliary))
    changed = task(kind, other, features=ABSORBANCE)
    np.testing.assert_array_equal(fitted(learned)[1], fitted(changed)[1])


def test_the_logarithm_of_rs_local_is_refused_where_it_cannot_be_taken():
    rows = spectral_rows()
    zero = replace(rows, y=np.where(np.arange(48)[:, None] == 3, 0.0, rows.y))
    log = replace(rows, targets=(TargetProperty(column="soc_pct", log="naive"),))
    for refused in (zero, log):
        with pytest.raises(RecipeError, match="rs_local_pls"):
            fit_model(task("rs_local_pls_ln", refused, features=ABSORBANCE))


def test_a_model_of_the_logarithm_predicts_no_more_than_it_has_seen():
    learned = task("rs_local_pls_ln", spectral_rows(), features=ABSORBANCE)
    model, values = fitted(learned)
    largest = max(learned.rows.y[:36].max(), learned.rows.library.y[learned.details["library_rows"]].max())
    assert model.targets[0].valid_range == (0.0, pytest.approx(largest))
    assert np.corrcoef(values, learned.rows.y[36:, 0])[0, 1] > 0.9
