"""Standard errors of samples: which column they come from, what is refused, and which regressors use them."""

from dataclasses import replace

import numpy as np
import pytest
from small_recipes import ProfileRecipe, TableRecipe
from small_rows import spectral_rows, task

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.gaussian_process import GaussianProcess
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.regressors import fit_model, predict_rows

ERRORS = ('unit = "%"\n', 'unit = "%"\nstandard_error = "clay_se"\n')
GP = ("[validation]", '[model]\nkind = "gp"\n[validation]')


@pytest.fixture
def case(tmp_path):
    case = TableRecipe(tmp_path)
    case.table["clay_se"] = np.linspace(0.0, 3.9, 40).round(1)
    case.write()
    return case


def test_standard_errors_are_read_for_the_rows_that_are_kept(case):
    case.table.loc[[4, 5], "clay_pct"] = np.nan
    case.table.loc[5, "clay_se"] = np.nan  # of an unknown value
    case.write()
    rows = case.read(ERRORS, GP, ('kind = "table"', 'kind = "table"\non_missing = "drop"'))
    assert rows.standard_error[:, 0].tolist() == [value / 10 for value in range(40) if value not in (4, 5)]
    assert "the standard errors of clay_pct are those of the column clay_se, with a median of 2.05 %" in rows.notes
    assert rows.for_target(0).standard_error.shape == (38, 1)
    without = case.read(GP, ('kind = "table"', 'kind = "table"\non_missing = "drop"'))
    assert without.standard_error is None
    assert rows.sha256 != without.sha256


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            -0.1,
            "found a clay_se that is empty or below 0 for 003; expected a standard error of 0 or more for each value",
        ),
        (np.nan, "found a clay_se that is empty or below 0 for 003"),
        (np.inf, "003"),
        ("two", "003"),
    ],
)
def test_a_standard_error_that_is_no_number_of_zero_or_more_is_refused_in_one_line(case, value, message):
    case.table["clay_se"] = case.table["clay_se"].astype(object)
    case.table.loc[3, "clay_se"] = value
    case.write()
    with pytest.raises(SamplesError, match=message) as caught:
        case.read(ERRORS, GP)
    assert "\n" not in str(caught.value)


def test_a_column_that_is_not_there_is_named(case):
    with pytest.raises(SamplesError, match="clay_error"):
        case.read(('unit = "%"\n', 'unit = "%"\nstandard_error = "clay_error"\n'), GP)


def test_a_recipe_whose_models_cannot_use_standard_errors_is_refused(case, tmp_path):
    case.write()
    refused = {
        "target.standard_error is used by model.kind = 'gp' or 'auto' only, and model.kind is 'pls'": [ERRORS],
        "model.kind is 'auto'": [
            ERRORS,
            ("[validation]", '[model]\nkind = "auto"\nauto = { candidates = ["pls", "forest"] }\n[validation]'),
        ],
        "target.standard_error and target.column are both clay_pct": [
            ('unit = "%"\n', 'unit = "%"\nstandard_error = "clay_pct"\n'),
            GP,
        ],
    }
    for message, changes in refused.items():
        with pytest.raises(RecipeError, match=message):
            case.read(*changes)
    compared = ("[validation]", '[model]\nkind = "pls"\ncompare = ["pls", "gp"]\n[validation]')
    assert case.read(ERRORS, compared).standard_error is not None
    chosen = ("[validation]", '[model]\nkind = "auto"\n[validation]')  # its default candidates have the process
    assert case.read(ERRORS, chosen).standard_error is not None
    profiles = ProfileRecipe(tmp_path)
    with pytest.raises(RecipeError, match=r"standard_error cannot be used with data.kind = 'profiles'"):
        profiles.read(("[target]", '[target]\nstandard_error = "x"'))


@pytest.fixture(scope="module")
def spoilt():
    """Rows of which six training values are far off, which their standard errors state."""
    rows = spectral_rows(library=None)
    y, errors = rows.y.copy(), np.zeros(rows.y.shape)
    y[:6, 0] += [9, -9, 9, -9, 9, -9]
    errors[:6] = 9
    return replace(rows, y=y), replace(rows, y=y, standard_error=errors)


def fitted(kind, rows, **settings):
    learned = task(kind, rows, settings=settings or None)
    model = fit_model(learned)
    values = predict_rows(model, learned.candidate, rows, learned.test)[:, 0]
    return learned, float(np.abs(values - rows.y[learned.test, 0]).mean())


@pytest.mark.parametrize(("kind", "settings"), [("gp", {}), ("auto", {"candidates": ["gp", "pls"], "n_folds": 3})])
def test_the_process_and_auto_rely_less_on_values_with_a_large_standard_error(kind, settings, spoilt):
    (_, without), (learned, error) = (fitted(kind, rows, **settings) for rows in spoilt)
    assert error < 0.5 * without
    if kind == "auto":
        assert learned.details["choice"].set_index("model").weight["Gaussian process"] > 0


def test_the_process_of_a_recipe_is_the_one_that_is_given_the_standard_errors(spoilt):
    rows = spoilt[1]
    learned = task("gp", rows)
    process = fit_model(learned).estimator
    alone = GaussianProcess(**{**process.get_params(), "blocks": process.blocks}).fit(
        rows.X[:36], rows.y[:36, 0], noise_sd=rows.standard_error[:36, 0]
    )
    assert process.predict(rows.X) == pytest.approx(alone.predict(rows.X), abs=1e-9)


def test_the_naive_logarithm_has_relative_standard_errors():
    rows = spectral_rows(library=None)
    target = (TargetProperty(column="soc_pct", log="naive"),)
    naive = replace(rows, targets=target, y=np.exp(rows.y), standard_error=0.3 * np.exp(rows.y))
    direct = replace(rows, standard_error=np.full(rows.y.shape, 0.3))
    models = [fit_model(task("gp", some, settings={"log": "none"})) for some in (naive, direct)]
    assert np.log(models[0].predict_rows(rows.X)) == pytest.approx(models[1].predict_rows(rows.X), abs=1e-6)


def test_other_regressors_say_that_they_do_not_use_standard_errors(spoilt):
    learned, _ = fitted("pls", spoilt[1])
    assert learned.details["notes"] == ["PLSR does not use the standard errors of the samples"]
    assert "notes" not in fitted("pls", spoilt[0])[0].details
