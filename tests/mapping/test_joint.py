"""Several models on one input: each band is read once, and each model's band of the map is that of its own map."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from small_cube import WAVELENGTH_NM, save_trained_model, spectra, trained_model, write_cube
from small_stack import read, save_covariate_model, trained_on, write_covariates

from geosoil.errors import ModelFileError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.mapping.inputs import CovariateInput, CubeInput
from geosoil.mapping.joint import find_models, match_models
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import model_sha256, save_model
from geosoil.report.map_figures import map_panels_figure
from geosoil.workflows.map import map_covariates, map_cube
from geosoil.workflows.scenes import map_scenes

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def cubes(tmp_path_factory):
    """A cube, a model of its bands, and a model of other bands with the same target."""
    folder = tmp_path_factory.mktemp("joint")
    write_cube(folder / "cube.tif")
    save_trained_model(folder / "share")
    X, share = spectra((40,), seed=3)
    wave = np.linspace(500, 2300, 20)
    X = np.array([np.interp(wave, WAVELENGTH_NM, row) for row in X], np.float32)
    fitted = PartialLeastSquares(max_components=3).fit(X, 100 * share)
    model = PixelModel(fitted, tuple(Feature(f"B{i}", nm) for i, nm in enumerate(wave)), (Target("clay", "g/kg"),))
    save(model, folder / "other")
    return folder


def save(model, folder, name=None):
    training = TrainingCard(n_samples=40, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, name=name or folder.name, study="test", preprocessing=[], training=training)


def test_the_bands_of_a_map_of_two_models_are_the_maps_of_each(cubes, tmp_path):
    models = [cubes / "share", cubes / "other"]
    made = map_cube(cubes / "cube.tif", models, tmp_path / "both.tif", block=16)
    single = [map_cube(cubes / "cube.tif", model, tmp_path / f"{model.name}.tif") for model in models]
    np.testing.assert_array_equal(read(made.path), np.concatenate([read(result.path) for result in single]))
    with rasterio.open(made.path) as source:
        assert source.descriptions == ("share_pct", "clay")
        assert source.units == ("%", "g/kg")
        tags = source.tags()
    assert tags["GEOSOIL_MODEL"] == "share, other"
    assert tags["GEOSOIL_MODEL_SHA256"] == ", ".join(model_sha256(model) for model in models)
    assert "other: spectra interpolated linearly" in tags["GEOSOIL_NOTES"]
    assert made.style and made.quicklook


def test_the_identity_of_a_map_covers_every_model_and_their_order(cubes, tmp_path):
    identities = set()
    for number, names in enumerate((("share",), ("share", "other"), ("other", "share"))):
        made = map_cube(cubes / "cube.tif", [cubes / name for name in names], tmp_path / f"{number}.tif")
        with rasterio.open(made.path) as source:
            identities.add(source.tags()["GEOSOIL_IDENTITY"])
    assert len(identities) == 3


def test_the_default_name_of_a_map_has_the_names_of_all_models(cubes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = map_cube(cubes / "cube.tif", [cubes / "share", cubes / "other"])
    assert made.path.name == "cube_share_other.tif"


def test_a_model_that_is_given_twice_is_refused(cubes):
    with pytest.raises(ModelFileError, match="share: found the same model twice"):
        find_models([cubes / "share", cubes / "other" / ".." / "share"])
    with pytest.raises(ModelFileError, match="found no model"):
        find_models([])


def test_two_models_of_one_name_that_predict_the_same_are_refused(cubes, tmp_path):
    save(trained_model(), tmp_path / "copy", name="share")
    with pytest.raises(ModelFileError, match="two models named share that predict the same"):
        match_models(CubeInput(cubes / "cube.tif"), find_models([cubes / "share", tmp_path / "copy"]))


def test_scenes_are_mapped_with_several_models(cubes, tmp_path):
    made = map_scenes(cubes / "cub*.tif", [cubes / "share", cubes / "other"], tmp_path / "maps")
    assert [one.path.name for one in made.maps] == ["cube_share_other.tif"]
    with rasterio.open(made.vrt) as mosaic:
        assert mosaic.count == 2


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    """Covariates with a class 3, a model that knows it, one that does not, and one of twi alone."""
    folder = tmp_path_factory.mktemp("joint_covariates")
    paths = write_covariates(folder)
    model = trained_on(paths)
    save_covariate_model(folder / "soc", model)
    columns = [replace(f, training_high=0.0) if f.name == "landform=3" else f for f in model.training_columns]
    save_covariate_model(folder / "unseen", replace(model, training_columns=tuple(columns)))
    line = PartialLeastSquares(max_components=1).fit(np.arange(9.0)[:, None], 2 * np.arange(9.0))
    save_covariate_model(folder / "ph", PixelModel(line, (Feature("twi"),), (Target("ph", ""),)))
    return folder, paths


def test_covariates_that_models_share_are_read_once(stacks):
    folder, paths = stacks
    matched = match_models(CovariateInput(paths), find_models([folder / "soc", folder / "ph"]))
    names = matched.raster["band"].values.tolist()
    assert sorted(names) == ["landform=1", "landform=2", "landform=3", "slope", "twi"]
    assert sorted(matched.bands) == sorted(names)


def test_classes_that_only_one_model_knows_are_no_data_in_the_other_alone(stacks, tmp_path):
    folder, paths = stacks
    models = [folder / "soc", folder / "unseen", folder / "ph"]
    made = map_covariates(paths, models, tmp_path / "all.tif", unseen="nodata")
    values = read(made.path)
    single = [
        read(map_covariates(paths, model, tmp_path / f"{model.name}.tif", unseen="nodata").path) for model in models
    ]
    np.testing.assert_array_equal(values, np.concatenate(single))
    classes = read(paths[2])[0]
    assert np.isnan(values[1][classes == 3]).all() and np.isfinite(values[0][classes == 3]).any()


def test_a_model_of_covariates_and_one_of_a_cube_are_refused_together(cubes, stacks):
    with pytest.raises(ModelFileError, match="soc: found a model of covariates"):
        match_models(CubeInput(cubes / "cube.tif"), find_models([cubes / "share", stacks[0] / "soc"]))


def test_panels_of_several_properties_have_a_colour_scale_each():
    panels = {"soc": np.eye(3), "ph": 7 * np.eye(3)}
    figure = map_panels_figure(panels, title="m", scales=[("%", 0.0, 1.0), ("", 0.0, 7.0)])
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(0.0, 1.0), (0.0, 7.0)]
    assert len(figure.axes) == 4
