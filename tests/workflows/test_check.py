"""The card of a model and `geosoil check`, compared with the recipe and the cube that they describe."""

import shutil

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from small_recipes import CubeRecipe

from geosoil.errors import GeosoilError, UnitsError
from geosoil.io.rasters.reader import open_raster
from geosoil.models.store import read_card
from geosoil.raster.grid import Grid
from geosoil.workflows.check import _share_inside, check_fit
from geosoil.workflows.info import describe_path
from geosoil.workflows.map import map_cube
from geosoil.workflows.predictor import Predictor
from geosoil.workflows.train import train
from geosoil_cli.check import command

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    recipe = CubeRecipe(folder)
    stated = 'author = "A. Soil"\nlicence = "CC-BY-4.0"\nnot_made_for = "wet soils"\n[data]'
    train(recipe.recipe(("[data]", stated)), folder / "model")
    return folder, recipe.read()


def test_the_card_says_where_a_model_comes_from(trained):
    folder, rows = trained
    origin = read_card(folder / "model").origin
    places = gpd.GeoSeries.from_xy(*rows.xy.T, crs=rows.crs).to_crs("EPSG:4326")
    np.testing.assert_allclose(origin.bounds, places.total_bounds, atol=2e-4)
    assert origin.contents == {"cu_mg_kg": (rows.y.min(), rows.y.max())}
    assert (origin.author, origin.licence, origin.not_made_for[0]) == ("A. Soil", "CC-BY-4.0", "wet soils")
    text = describe_path(folder / "model")
    assert text.index("accuracy, random") < text.index("method")
    assert f"learned from contents of {rows.y.min():.4g} to {rows.y.max():.4g}" in text
    assert "A. Soil" in text and "CC-BY-4.0" in text and "wet soils" in text


def test_a_cube_that_fits_is_described_and_another_is_refused(trained, tmp_path):
    folder, _ = trained
    pairs = dict(check_fit(folder / "model", cube=folder / "cube.tif"))
    assert pairs["bands"] == "the nearest bands are at most 0.00 nm from those of the model"
    assert pairs["area of the training samples"].endswith("% of the raster is inside it")
    with pytest.raises(GeosoilError):
        check_fit(folder / "model", covariates=[folder / "cube.tif"])
    done = CliRunner().invoke(command, ["--cube", str(folder / "cube.tif"), "--model", str(folder / "model")])
    assert done.exit_code == 0 and done.output.startswith("fits")
    done = CliRunner().invoke(command, ["--model", str(folder / "model")])
    assert done.exit_code == 2


def test_the_share_inside_the_area_of_applicability_is_that_of_the_map(trained, tmp_path):
    folder, _ = trained
    map_cube(folder / "cube.tif", folder / "model", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map_trust.tif") as file:
        inside = file.read(file.descriptions.index("inside") + 1)
    inside = inside[np.isfinite(inside)]  # the cube is smaller than a sampled window, so that all pixels are sampled
    assert 0 < inside.mean() < 1
    pairs = dict(check_fit(folder / "model", cube=folder / "cube.tif"))
    expected = f"{inside.mean():.0%} of {inside.size} sampled pixels are inside it"
    assert pairs["area of applicability"] == expected


def test_the_share_of_a_raster_inside_a_box_is_that_of_its_area(trained):
    folder, _ = trained
    grid = Grid.of(open_raster(folder / "cube.tif"))
    left, bottom, right, top = grid.bounds
    half = (
        gpd.GeoSeries.from_xy([left, (left + right) / 2], [bottom, top], crs=grid.crs).to_crs("EPSG:4326").total_bounds
    )
    assert _share_inside(grid, tuple(half)) == pytest.approx(0.5, abs=0.03)
    assert _share_inside(grid, (0.0, 0.0, 1.0, 1.0)) == 0


@pytest.fixture(scope="module")
def unscaled(tmp_path_factory):
    """A model whose recipe states the scale of its cube, which the file does not."""
    folder = tmp_path_factory.mktemp("unscaled")
    recipe = CubeRecipe(folder)
    with rasterio.open(folder / "cube.tif", "r+") as cube:
        scale = cube.scales[0]
        cube.scales = (1.0,) * cube.count
    train(recipe.recipe(("[data]", f'sensor = "EnMAP"\n[data]\nscale = {scale}')), folder / "model")
    return folder, scale


def test_a_model_knows_the_scale_of_a_cube_of_whole_numbers_that_states_none(unscaled, tmp_path):
    folder, scale = unscaled
    cube, model = folder / "cube.tif", folder / "model"
    scaled = map_cube(cube, model, tmp_path / "scaled.tif", scale=scale)
    known = map_cube(cube, model, tmp_path / "known.tif")
    np.testing.assert_array_equal(rasterio.open(known.path).read(), rasterio.open(scaled.path).read())
    assert known.notes[0] == (
        f"reflectance is the stored value x {scale:g}, as in the cube of the training, because the file states no scale"
    )
    assert rasterio.open(known.path).tags()["GEOSOIL_SCALE"] == f"{scale:g}"
    assert ("note", known.notes[0]) in check_fit(model, cube=cube)
    predicted = Predictor.load(model).predict_table(folder / "samples.gpkg", cube=cube)
    assert predicted.attrs["notes"][0] == known.notes[0]
    expected = Predictor.load(model).predict_table(folder / "samples.gpkg", cube=cube, scale=scale)
    np.testing.assert_array_equal(predicted["cu_mg_kg"], expected["cu_mg_kg"])


def test_another_scale_that_a_file_or_a_user_states_goes_before_that_of_the_model(unscaled, tmp_path):
    folder, scale = unscaled
    with pytest.raises(UnitsError, match="values around"):
        check_fit(folder / "model", cube=folder / "cube.tif", scale=1.0)
    shutil.copyfile(folder / "cube.tif", tmp_path / "stated.tif")
    with rasterio.open(tmp_path / "stated.tif", "r+") as cube:
        cube.scales = (2 * scale,) * cube.count
    assert not [text for _, text in check_fit(folder / "model", cube=tmp_path / "stated.tif") if "stored value" in text]
    with rasterio.open(folder / "cube.tif") as cube:
        profile, values, tags = cube.profile, cube.read(), [cube.tags(band) for band in cube.indexes]
    with rasterio.open(tmp_path / "floats.tif", "w", **(profile | {"dtype": "float32"})) as copy:
        copy.write(values.astype(np.float32))
        for band, of_band in enumerate(tags, start=1):
            copy.update_tags(band, **of_band)
    with pytest.raises(UnitsError, match="values around"):  # fractions could be stored as they are
        check_fit(folder / "model", cube=tmp_path / "floats.tif")


def test_the_card_names_the_sensor_and_the_scale_of_its_cube(unscaled, trained):
    folder, scale = unscaled
    text = describe_path(folder / "model")
    assert f"EnMAP; its cube stores reflectance as value x {scale:g}" in text
    assert "valid from 0" in text and "None" not in text
    assert "not stated" in next(
        line for line in describe_path(trained[0] / "model").splitlines() if line.startswith("sensor")
    )
