"""A Predictor gives the values of its estimator and of `geosoil map`."""

import numpy as np
import pytest
import rasterio
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_cube import WAVELENGTH_NM, save_trained_model, spectra, write_cube

import geosoil
from geosoil.errors import ModelFileError, UnitsError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.models.contract import Feature, Target
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


def test_digital_numbers_are_refused(cube):
    opened = geosoil.open_cube(cube)
    with pytest.raises(UnitsError, match="give --scale"):
        fitted().predict((opened * 10000).assign_attrs(opened.attrs))
