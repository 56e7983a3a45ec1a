"""The card of a model and `geosoil check`, compared with the recipe and the cube that they describe."""

import geopandas as gpd
import numpy as np
import pytest
from click.testing import CliRunner
from small_recipes import CubeRecipe

from geosoil.errors import GeosoilError
from geosoil.io.rasters.reader import open_raster
from geosoil.models.store import read_card
from geosoil.raster.grid import Grid
from geosoil.workflows.check import _share_inside, check_fit
from geosoil.workflows.info import describe_path
from geosoil.workflows.train import train
from geosoil_cli.check import command


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


def test_the_share_of_a_raster_inside_a_box_is_that_of_its_area(trained):
    folder, _ = trained
    grid = Grid.of(open_raster(folder / "cube.tif"))
    left, bottom, right, top = grid.bounds
    half = (
        gpd.GeoSeries.from_xy([left, (left + right) / 2], [bottom, top], crs=grid.crs).to_crs("EPSG:4326").total_bounds
    )
    assert _share_inside(grid, tuple(half)) == pytest.approx(0.5, abs=0.03)
    assert _share_inside(grid, (0.0, 0.0, 1.0, 1.0)) == 0
