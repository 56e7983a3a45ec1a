"""Place from a recipe to maps, tables and explanations: every door finds the places, or refuses in one line."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from rasterio import Affine
from small_stack import read
from written_rasters import write_raster

from geosoil.errors import SamplesError
from geosoil.mapping.inputs import ModelInput
from geosoil.workflows.explain import explain_samples, read_rows
from geosoil.workflows.predict import predict_table
from geosoil.workflows.train import train

SIDE, N = 40, 60
RECIPE = """
name = "soc"
[data]
kind = "table"
table = "samples.csv"
x = "east"
y = "north"
crs = "EPSG:32633"
columns = ["twi"]
[target]
column = "soc"
unit = "g/kg"
[features]
place = true
[model]
kind = "ridge"
[validation]
split = "random"
n_folds = 3
processes = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Samples on a raster of TWI, whose SOC is a plane over the ground plus half the TWI, and their model."""
    made = tmp_path_factory.mktemp("places")
    rng = np.random.default_rng(0)
    twi = rng.normal(7, 1, (1, SIDE, SIDE)).astype("float32")
    transform = Affine(50, 0, 400_000, 0, -50, 5_702_000)
    write_raster(made / "twi.tif", twi, transform=transform, descriptions=["twi"])
    rows, columns = rng.integers(0, SIDE, (2, N))
    east, north = 400_000 + 50 * (columns + 0.5), 5_702_000 - 50 * (rows + 0.5)
    values = twi[0, rows, columns]
    soc = 20 + 3e-3 * (east - 401_000) - 2e-3 * (north - 5_701_000) + 0.5 * values
    samples = pd.DataFrame(
        {"sample_id": [f"s{i}" for i in range(N)], "east": east, "north": north, "twi": values, "soc": soc}
    )
    samples.to_csv(made / "samples.csv", index=False)
    points = gpd.GeoDataFrame(
        samples.drop(columns=["east", "north"]), geometry=gpd.points_from_xy(east, north), crs="EPSG:32633"
    ).to_crs("EPSG:4326")
    points.to_file(made / "points.gpkg")
    degrees = points.drop(columns="geometry").assign(lon=points.geometry.x, lat=points.geometry.y)
    pd.DataFrame(degrees).to_csv(made / "degrees.csv", index=False)
    samples.drop(columns=["east", "north"]).to_csv(made / "without.csv", index=False)
    (made / "recipe.toml").write_text(RECIPE)
    train(made / "recipe.toml", made / "soc")
    return made


@pytest.fixture(scope="module")
def soc(folder):
    return pd.read_csv(folder / "samples.csv").soc.to_numpy()


@pytest.mark.parametrize(
    ("table", "options"),
    [
        ("samples.csv", {"x": "east", "y": "north", "crs": "EPSG:32633"}),
        ("samples.csv", {"crs": "EPSG:32633"}),
        ("degrees.csv", {}),
        ("points.gpkg", {}),
        ("points.gpkg", {"covariates": ["twi.tif"]}),
    ],
)
def test_a_table_is_predicted_by_its_places_whatever_holds_them(folder, tmp_path, soc, table, options):
    options = (
        options | {"covariates": [folder / name for name in options["covariates"]]}
        if "covariates" in options
        else options
    )
    made = predict_table(folder / table, folder / "soc", tmp_path / "out.csv", **options)
    np.testing.assert_allclose(pd.read_csv(made.path).filter(like="soc").iloc[:, 0], soc, rtol=3e-3)
    assert any("the largest distance between neighbouring samples" in note for note in made.notes)


@pytest.mark.parametrize(
    ("table", "options", "found"),
    [
        ("without.csv", {}, "found no coordinates"),
        ("samples.csv", {}, "found no CRS of x and y"),
        ("samples.csv", {"x": "east", "y": "lon", "crs": "EPSG:32633"}, 'column "lon"'),
        ("samples.csv", {"crs": "EPSG:0"}, "is not a valid CRS"),
    ],
)
def test_a_table_without_places_is_refused_in_one_line(folder, tmp_path, table, options, found):
    with pytest.raises(SamplesError) as caught:
        predict_table(folder / table, folder / "soc", tmp_path / "out.csv", **options)
    assert found in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_rows_without_coordinates_have_no_prediction(folder, tmp_path):
    samples = pd.read_csv(folder / "samples.csv")
    samples.loc[3, "east"] = np.nan
    samples.to_csv(tmp_path / "gap.csv", index=False)
    made = predict_table(tmp_path / "gap.csv", folder / "soc", tmp_path / "out.csv", crs="EPSG:32633")
    assert pd.read_csv(made.path).filter(like="soc").iloc[:, 0].isna().tolist() == [row == 3 for row in range(N)]
    assert any("1 without a value in a feature of the model" in note for note in made.notes)


def test_explanations_read_the_places_of_a_table(folder, tmp_path):
    rows, _ = read_rows(ModelInput.find(folder / "soc"), folder / "degrees.csv")
    samples = pd.read_csv(folder / "samples.csv")
    assert rows.shape == (N, 3)
    np.testing.assert_allclose(np.diff(rows[:, 1]), np.diff(samples.east), atol=0.01)
    made = explain_samples(folder / "soc", folder / "samples.csv", tmp_path / "out", crs="EPSG:32633")
    windows = pd.read_csv(next(path for path in made.paths if "windows" in path.name)).set_index("window")
    assert windows.loc["place_x_m", "share"] > windows.loc["place_y_m", "share"] > windows.loc["twi", "share"] > 0


def test_info_check_map_and_explain_name_the_places(folder, tmp_path, geosoil):
    text = geosoil("info", folder / "soc").out
    assert "place_x_m: x in EPSG:32633 from 401" in text
    assert "m from their nearest neighbour" in text
    text = geosoil("check", "--covariates", folder / "twi.tif", "--model", folder / "soc").out
    assert "reads 1 bands of the input and the places of its pixels" in text
    assert "distance to samples" in text
    geosoil("map", "--covariates", folder / "twi.tif", "--model", folder / "soc", "-o", tmp_path / "soc.tif")
    twi = read(folder / "twi.tif")[0]
    centres = 25 + 50.0 * np.arange(SIDE)
    expected = 20 + 3e-3 * (centres[None, :] - 1000) - 2e-3 * (1000 - centres[:, None]) + 0.5 * twi
    np.testing.assert_allclose(read(tmp_path / "soc.tif")[0], expected, rtol=3e-3)
    text = geosoil(
        "explain", "--covariates", folder / "twi.tif", "--model", folder / "soc", "-o", tmp_path / "e.tif"
    ).out
    assert "highest: place_x_m" in text


def test_the_report_and_the_card_state_the_range_of_the_places(folder):
    page = next((folder / "soc" / "report").rglob("*.html")).read_text("utf-8")
    assert "place is a feature: metres in EPSG:32633" in page
    assert "the samples span" in page
