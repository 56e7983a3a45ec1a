"""A Predictor gives the values of its estimator and of `geosoil map`."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_cube import WAVELENGTH_NM, save_trained_model, spectra, write_cube
from small_stack import trained_on, write_covariates

import geosoil
from geosoil.errors import ModelFileError, SamplesError, UnitsError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.io.spectra.unify import Spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.models.contract import Feature, Target
from geosoil.spectra.cars import CARS
from geosoil.workflows.map import map_cube


@pytest.fixture
def cube(tmp_path):
    return write_cube(tmp_path / "cube.tif")


def fitted():
    X, share = spectra((60,), seed=2)
    features = [Feature(f"{wave:.2f} nm", float(wave), 10.0) for wave in WAVELENGTH_NM]
    pipeline = make_pipeline(StandardScaler(), PartialLeastSquares(max_components=2))
    return geosoil.Predictor.fit(
        pipeline, X.astype(np.float32), 100 * share, features=features, targets=[Target("share_pct", "%")]
    )


def test_a_prediction_of_a_cube_is_the_estimators_own(cube):
    predictor, opened = fitted(), geosoil.open_cube(cube)
    rows = opened.values.reshape(len(WAVELENGTH_NM), -1).T
    valid = np.isfinite(rows).all(axis=1)
    expected = predictor.model.estimator.predict(rows[valid])
    np.testing.assert_allclose(predictor.predict(opened).values.ravel()[valid], expected, atol=1e-3)
    with pytest.raises(ModelFileError, match="expected one of prediction"):
        predictor.predict(opened, outputs=["spread"])


def test_a_fitted_predictor_is_saved_loaded_and_maps_the_same(cube, tmp_path):
    predictor = fitted()
    predictor.save(tmp_path / "share")
    loaded = geosoil.load_model(tmp_path / "share")
    assert repr(loaded) == "Predictor of share_pct (%) from 100 bands; model share, 60 training samples"
    first = predictor.map(cube, tmp_path / "a.tif")
    second = loaded.map(cube, tmp_path / "b.tif")
    with rasterio.open(first.path) as a, rasterio.open(second.path) as b:
        np.testing.assert_array_equal(a.read(), b.read())
        np.testing.assert_array_equal(a.read(), predictor.predict(geosoil.open_cube(cube)).values)


def test_the_map_of_a_loaded_predictor_is_that_of_the_command_line(cube, tmp_path):
    save_trained_model(tmp_path / "share")
    own = geosoil.load_model(tmp_path / "share").map(cube, tmp_path / "a.tif")
    other = map_cube(cube, tmp_path / "share", tmp_path / "b.tif")
    with rasterio.open(own.path) as a, rasterio.open(other.path) as b:
        np.testing.assert_array_equal(a.read(), b.read())
        assert a.tags()["GEOSOIL_IDENTITY"] == b.tags()["GEOSOIL_IDENTITY"]


def test_the_bands_of_a_cube_are_the_features(cube):
    X, share = spectra((60,), seed=2)
    opened = geosoil.open_cube(cube)
    predictor = geosoil.Predictor.of(
        PartialLeastSquares(n_components=2).fit(X, share), features=opened, targets=[Target("share", "")]
    )
    assert [feature.name for feature in predictor.model.features] == opened["band"].values.tolist()
    assert [feature.wavelength_nm for feature in predictor.model.features] == opened["wavelength_nm"].values.tolist()
    assert {feature.fwhm_nm for feature in predictor.model.features} == {10.0}
    again = geosoil.Predictor.fit(
        PartialLeastSquares(n_components=2), X, share, features=opened, targets=predictor.targets
    )
    assert again.model.features[3].training_high == X[:, 3].max()
    covariates = opened.drop_vars(["wavelength_nm", "fwhm_nm"])
    of_covariates = geosoil.Predictor.of(again.model.estimator, features=covariates, targets=predictor.targets)
    assert of_covariates.quantity == "covariates"


def test_matching_and_mapping_take_a_predictor(cube, tmp_path):
    opened, predictor = geosoil.open_cube(cube), fitted()
    matched = geosoil.match_bands(predictor, opened)
    assert matched.model is predictor.model
    mapped = geosoil.map_model(predictor, opened, bands=matched.bands)
    np.testing.assert_array_equal(mapped.values, predictor.predict(opened).values)
    paths = write_covariates(tmp_path)
    soil = geosoil.Predictor(trained_on(paths))
    both = [geosoil.match_covariates(model, paths).raster for model in (soil, soil.model)]
    assert both[0].band.values.tolist() == [feature.name for feature in soil.model.features]
    np.testing.assert_array_equal(both[0].values, both[1].values)


def test_a_prediction_has_the_name_and_the_unit_of_its_target(cube):
    opened, (X, share) = geosoil.open_cube(cube), spectra((60,), seed=2)
    predicted = fitted().predict(opened)
    assert (predicted.name, predicted.attrs["long_name"], predicted.attrs["units"]) == ("share_pct", "share_pct", "%")
    assert predicted.squeeze("band").dims == ("y", "x")
    line = LinearRegression().fit(X, np.column_stack([share, 100 * share]))
    targets = [Target("share", ""), Target("percent", "%")]
    both = geosoil.Predictor.of(line, features=opened, targets=targets).predict(opened)
    assert (both.name, "units" in both.attrs, both["units"].values.tolist()) == ("prediction", False, ["", "%"])


def test_an_explanation_adds_up_to_the_predictions_of_a_table_an_array_and_a_file(cube, tmp_path):
    predictor, X = fitted(), spectra((60,), seed=2)[0]
    names = [feature.name for feature in predictor.model.features]
    table = pd.DataFrame(X.astype(np.float32), columns=names)
    write_spectra(
        Spectra(WAVELENGTH_NM, X.astype(np.float32), [f"s{i}" for i in range(60)], pd.DataFrame(index=range(60)),
                "reflectance", tmp_path / "s"), tmp_path / "s.parquet",
    )  # fmt: skip
    first = predictor.explain(table[names[::-1]])
    for samples in (X, tmp_path / "s.parquet"):
        np.testing.assert_allclose(predictor.explain(samples).values, first.values, atol=1e-3)
    expected = predictor.model.estimator.predict(X.astype(np.float32))
    np.testing.assert_allclose(first.values.sum(axis=1) + first.baseline, np.ravel(expected), atol=1e-2)
    with pytest.raises(SamplesError, match="expected at least one row of 100 finite numbers"):
        predictor.explain(X[:, 1:])


def test_a_model_that_reads_some_columns_explains_rows_of_all(tmp_path):
    save_trained_model(
        tmp_path / "share", estimator=make_pipeline(CARS(n_runs=20), PartialLeastSquares(n_components=2))
    )
    predictor, X = geosoil.load_model(tmp_path / "share"), spectra((4,), seed=3)[0].astype(np.float32)
    assert len(predictor.model.features) < len(WAVELENGTH_NM)
    explained = predictor.explain(X)
    np.testing.assert_allclose(
        explained.predicted, predictor.model.predict_rows(X[:, predictor.model.used_columns])[:, 0]
    )


def test_digital_numbers_are_refused(cube):
    opened = geosoil.open_cube(cube)
    with pytest.raises(UnitsError, match="give --scale"):
        fitted().predict((opened * 10000).assign_attrs(opened.attrs))
