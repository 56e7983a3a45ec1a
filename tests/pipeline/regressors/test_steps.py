"""The steps before a regressor, where rows have more than bands."""

from dataclasses import replace

import numpy as np
import pytest
from small_rows import ABSORBANCE, spectral_rows, task

from geosoil.errors import RecipeError
from geosoil.models.contract import Feature
from geosoil.pipeline.regressors.steps import prepare


def test_covariates_behind_the_bands_pass_the_steps_unchanged():
    rows = spectral_rows()
    twi = np.linspace(3, 9, len(rows)).astype(np.float32)
    mixed = replace(rows, X=np.column_stack([rows.X, twi]), features=(*rows.features, Feature("twi")))
    prepared = prepare(task("svr", mixed, features=ABSORBANCE))
    assert prepared.X[:, :30] == pytest.approx(-np.log10(rows.X), abs=1e-6)
    assert np.array_equal(prepared.X[:, 30], twi)
    first = replace(rows, X=np.column_stack([twi, rows.X]), features=(Feature("twi"), *rows.features))
    with pytest.raises(RecipeError, match="the covariate twi before bands"):
        prepare(task("svr", first, features=ABSORBANCE))
    assert np.array_equal(prepare(task("svr", first)).X[:, 0], twi)
