"""Recipes that are filled in from files: right for these files, accepted as they are, and trained without edits."""

import re
import tomllib
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from pyproj import Transformer
from written_rasters import write_raster

from geosoil.errors import OutputError, RecipeError, SamplesError, UnitsError, WavelengthError
from geosoil.models.store import read_card
from geosoil.pipeline.recipe import read_recipe
from geosoil.workflows.init import init_recipe
from geosoil.workflows.map import map_cube
from geosoil.workflows.train import train

pytestmark = pytest.mark.usefixtures("without_pictures")

CRS = "EPSG:25833"
TRANSFORM = rasterio.Affine(30, 0, 400_000, 0, -30, 5_800_000)
SIDE = 24
NM = np.linspace(420, 2400, 60)


def to_degrees(x, y):
    return Transformer.from_crs(CRS, "EPSG:4326", always_xy=True).transform(x, y)


def write_cube(path, spectra, **profile):
    tags = [{"wavelength": f"{nm:.2f}", "wavelength_units": "nm"} for nm in NM]
    write_raster(path, spectra, crs=CRS, transform=TRANSFORM, band_tags=tags, **profile)


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """A cube of reflectance x 10000 whose soil darkens with SOC, two covariates, and forty samples on them."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    soc = rng.uniform(0.5, 4, (SIDE, SIDE))
    shape = 0.1 + 0.3 * np.sqrt(np.linspace(0.1, 1, len(NM)))
    R = shape[:, None, None] * (1.2 - 0.2 * soc) + rng.normal(0, 0.002, (len(NM), SIDE, SIDE))
    R[20] = 0  # a dead band that no header declares
    write_cube(tmp_path / "cube.tif", np.rint(1e4 * R).astype(np.int16))
    geology = rng.integers(1, 4, (SIDE, SIDE))
    covariates = np.stack([soc * 10 + rng.normal(0, 1, soc.shape), geology]).astype(np.float32)
    write_raster(
        tmp_path / "covariates.tif", covariates, crs=CRS, transform=TRANSFORM, descriptions=["elevation", "geology"]
    )
    place = rng.permutation(SIDE * SIDE)[:40]
    rows, columns = np.divmod(place, SIDE)
    x, y = (np.asarray(values) for values in rasterio.transform.xy(TRANSFORM, rows, columns))
    lon, lat = to_degrees(x, y)
    table = pd.DataFrame({"Point ID": [f"P{i:02d}" for i in range(40)], "Longitude": lon, "Latitude": lat})
    table["SOC"] = soc[rows, columns].round(3)
    table["place_x"], table["place_y"] = x, y
    table["zn"] = np.exp(2 * soc[rows, columns]).round(2)
    table[["Point ID", "Longitude", "Latitude", "SOC", "zn"]].to_csv("soc.csv", index=False)
    return table


def filled_in(kind, **options):
    """Return the parsed recipe, written as recipe.toml."""
    init_recipe(kind, output="recipe.toml", force=True, **options)
    read_recipe("recipe.toml")
    return tomllib.loads(Path("recipe.toml").read_text())


def figures(tmp_path):
    """Train from the recipe and return the first row of its figures; few folds of a quick model in one process."""
    path = tmp_path / "recipe.toml"
    text = re.sub(r"n_folds = \d+", "n_folds = 3", re.sub(r"n_repeats = \d+", "n_repeats = 1", path.read_text()))
    path.write_text(text.replace('kind = "auto"', 'kind = "pls"') + "processes = 1\n")
    return train("recipe.toml", tmp_path / "model").table.iloc[0]


def test_a_cube_gets_its_scale_its_bad_band_and_the_crs_of_its_samples(scene, tmp_path):
    recipe = filled_in("cube", cube="cube.tif", samples="soc.csv", targets=["SOC"], units=["%"])
    data = recipe["data"]
    assert data["scale"] == 0.0001
    assert len(data["drop_nm"]) == 1
    assert data["drop_nm"][0][0] < NM[20] < data["drop_nm"][0][1]
    assert (data["sample_id"], data["x"], data["y"], data["crs"]) == ("Point ID", "Longitude", "Latitude", "EPSG:4326")
    assert recipe["target"]["unit"] == "%"
    assert recipe["target"]["valid_range"] == [0.0, 100.0]
    assert recipe["features"] == {}  # each model of auto prepares the spectra
    assert recipe["model"]["kind"] == "auto"
    steps = {"preprocessing": [{"step": "absorbance"}, {"step": "snv"}]}
    assert recipe["model"]["compare"][2] == {"kind": "pls", "features": steps}
    assert recipe["validation"]["split"] == ["random"]
    assert figures(tmp_path)["n"] == 40


def test_samples_in_metres_take_the_crs_of_the_cube_on_which_they_lie(scene):
    table = scene.rename(columns={"place_x": "easting", "place_y": "northing"})
    table[["easting", "northing", "SOC"]].to_csv("metres.csv", index=False)
    data = filled_in("cube", cube="cube.tif", samples="metres.csv", targets=["SOC"])["data"]
    assert (data["x"], data["y"], data["crs"]) == ("easting", "northing", CRS)
    assert data["sample_id"] == ""  # no id: rows are numbered


def test_exchanged_x_and_y_are_seen_by_the_place_of_the_cube(scene):
    table = scene.rename(columns={"place_x": "y", "place_y": "x"})
    table[["x", "y", "SOC"]].to_csv("turned.csv", index=False)
    data = filled_in("cube", cube="cube.tif", samples="turned.csv", targets=["SOC"])["data"]
    assert (data["x"], data["y"], data["crs"]) == ("y", "x", CRS)


def test_places_in_no_crs_that_fits_are_asked_for_in_one_line(scene):
    table = scene.assign(x=scene["place_x"] + 5e6, y=scene["place_y"])
    table[["x", "y", "SOC"]].to_csv("elsewhere.csv", index=False)
    with pytest.raises(SamplesError, match=r"elsewhere.csv: found samples such as x .* --crs EPSG"):
        init_recipe("cube", cube="cube.tif", samples="elsewhere.csv", targets=["SOC"])


def test_a_cube_that_decreases_like_sunlight_is_not_taken_for_percent(scene):
    sunlight = np.repeat(np.linspace(80, 1, len(NM))[:, None], SIDE * SIDE, axis=1).reshape(-1, SIDE, SIDE)
    write_cube("radiance.tif", sunlight.astype(np.float32))
    with pytest.raises(UnitsError, match=r"radiance.tif: found values around .* decrease like sunlight.*--scale"):
        init_recipe("cube", cube="radiance.tif", samples="soc.csv", targets=["SOC"])


def test_without_a_target_one_line_lists_the_columns_of_numbers(scene):
    with pytest.raises(RecipeError, match=r"soc.csv: no target is given; expected one of .*: SOC, zn; name .*--target"):
        init_recipe("cube", cube="cube.tif", samples="soc.csv")


def test_covariates_get_their_class_bands_and_a_skewed_target_its_logarithm(scene, tmp_path):
    recipe = filled_in("covariates", covariates=["covariates.tif"], samples="soc.csv", targets=["zn"], units=["mg/kg"])
    assert recipe["data"]["classes"] == {"geology": [1, 2, 3]}
    assert recipe["target"]["log"] == "smearing"
    assert recipe["model"] == {"kind": "auto", "compare": ["auto", "gp", "forest", "ridge"]}
    assert recipe["validation"]["n_repeats"] == 2  # folds of auto take seconds
    assert figures(tmp_path)["n"] == 40


def test_samples_outside_the_covariates_are_dropped_and_counted(scene, tmp_path):
    table = scene.drop(columns=["place_x", "place_y"])
    table.loc[3, "Longitude"] += 1
    table.to_csv("soc.csv", index=False)
    recipe = filled_in("covariates", covariates=["covariates.tif"], samples="soc.csv", targets=["SOC"])
    assert recipe["data"]["on_missing"] == "drop"
    assert "dropped 1 of 40 points outside the raster: P03" in (tmp_path / "recipe.toml").read_text()
    assert figures(tmp_path)["n"] == 39


def test_clustered_samples_get_spatial_blocks_that_hold_whole_clusters(scene, tmp_path):
    rng = np.random.default_rng(1)
    centres = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 1, 2)
    xy = (400_000 + 90, 5_800_000 - 630) + 150 * centres + rng.uniform(0, 12, (16, 4, 2))
    points = gpd.GeoDataFrame(
        {"SOC": rng.uniform(1, 3, 64)}, geometry=gpd.points_from_xy(*xy.reshape(-1, 2).T), crs=CRS
    )
    points.to_file("points.gpkg", engine="pyogrio")
    recipe = filled_in("covariates", covariates=["covariates.tif"], samples="points.gpkg", targets=["SOC"])
    assert recipe["validation"]["split"] == ["spatial", "random"]
    assert 12 <= recipe["validation"]["block_m"] <= 100
    assert "samples cluster" in (tmp_path / "recipe.toml").read_text().lower()
    assert figures(tmp_path)["split"] == "spatial"


def test_clustered_samples_on_covariates_in_degrees_get_blocks_in_metres(scene):
    """Clusters of 100 m that lie 1 km apart, at 60 degrees N, where a degree of longitude is half as long."""
    rng = np.random.default_rng(1)
    rasters = rng.normal(size=(2, 50, 100)).astype(np.float32)
    transform = rasterio.Affine(0.001, 0, 20, 0, -0.001, 60.05)
    write_raster(Path("degrees.tif"), rasters, crs="EPSG:4326", transform=transform, descriptions=["a", "b"])
    centres = np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 1, 2)
    x_m, y_m = (1000 * centres + rng.uniform(0, 100, (16, 4, 2)) + 500).reshape(-1, 2).T
    table = pd.DataFrame({"lon": 20 + x_m / 55_800, "lat": 60 + y_m / 111_400, "SOC": rng.uniform(1, 3, 64)})
    table.to_csv("clusters.csv", index=False)
    options = {"covariates": ["degrees.tif"], "samples": "clusters.csv", "targets": ["SOC"]}
    validation = filled_in("covariates", **options)["validation"]
    assert validation["split"] == ["spatial", "random"]
    assert 100 <= validation["block_m"] <= 1000


def test_the_head_of_a_recipe_names_the_commands_that_follow(scene):
    write_spectra()
    text = init_recipe("spectra", table="library.csv", targets=["soc"], output="recipe.toml").text
    commands = ["train recipe.toml", "compare recipe.toml", "predict library.csv --model models/soc"]
    assert "\n".join(f"#   geosoil {command}" for command in commands) in text
    text = init_recipe("cube", cube="cube.tif", samples="soc.csv", targets=["SOC"]).text
    assert "geosoil map --cube cube.tif --model models/soc -o soc.tif\n" in text  # the model knows the scale
    with rasterio.open("cube.tif") as cube:
        write_cube("floats.tif", cube.read().astype(np.float32))
    text = init_recipe("cube", cube="floats.tif", samples="soc.csv", targets=["SOC"]).text
    assert "geosoil map --cube floats.tif --model models/soc -o soc.tif --scale 0.0001" in text


def write_spectra(factor=100.0, n=60, **columns):
    rng = np.random.default_rng(2)
    soc = rng.uniform(0.5, 4, n)
    water = 1 - 0.3 * np.exp(-(((NM - 1930) / 60) ** 2))
    R = water * (0.1 + 0.3 * np.linspace(0.1, 1, len(NM)) ** (0.3 + 0.2 * soc[:, None])) + rng.normal(0, 1e-3, (n, 60))
    bands = pd.DataFrame(factor * R, columns=[f"{nm:.2f}" for nm in NM])
    site = np.repeat([f"S{i}" for i in range(n // 10)], 10)
    pd.concat([pd.DataFrame({"lab_id": np.arange(n), "site": site, "soc": soc, **columns}), bands], axis=1).to_csv(
        "library.csv", index=False
    )


def test_spectra_in_percent_get_their_scale_and_the_groups_of_their_sites(scene, tmp_path):
    write_spectra()
    recipe = filled_in("spectra", table="library.csv", targets=["soc"], models=["pls", "svm"])
    assert recipe["data"]["scale"] == 0.01
    assert (recipe["data"]["sample_id"], recipe["data"]["group"]) == ("lab_id", "site")
    assert recipe["model"] == {"kind": "pls", "compare": ["pls", "svr"]}
    assert recipe["validation"]["split"] == ["groups", "random"]
    assert recipe["validation"]["n_folds"] == 6
    assert figures(tmp_path)["test_r2"] > 0.9


def test_spectra_of_absorbance_are_seen_by_their_shape(scene):
    write_spectra(factor=1.0)
    table = pd.read_csv("library.csv")
    bands = [name for name in table if name.replace(".", "").isdigit()]
    table[bands] = -np.log10(table[bands])
    table.to_csv("library.csv", index=False)
    assert filled_in("spectra", table="library.csv", targets=["soc"])["data"]["quantity"] == "absorbance"
    write_spectra(factor=1.0)
    assert "quantity" not in filled_in("spectra", table="library.csv", targets=["soc"])["data"]


def test_spectra_of_repeated_samples_are_grouped_by_the_sample(scene):
    write_spectra()
    pd.read_csv("library.csv").assign(lab_id=lambda t: t.index // 2).rename(columns={"lab_id": "sample_id"}).to_csv(
        "library.csv", index=False
    )
    data = filled_in("spectra", table="library.csv", targets=["soc"])["data"]
    assert (data["sample_id"], data["group"]) == ("", "sample_id")


def test_spectra_for_a_cube_and_a_table_of_laboratory_values_beside_them(scene, tmp_path):
    write_spectra()
    pd.read_csv("library.csv")[["lab_id", "soc"]].rename(columns={"soc": "carbon"}).to_csv("lab.csv", index=False)
    recipe = filled_in("spectra", table="library.csv", samples="lab.csv", cube="cube.tif", targets=["carbon"])
    assert recipe["data"]["samples"] == "lab.csv"
    assert recipe["data"]["sample_id"] == "lab_id"
    assert recipe["data"]["cube"] == "cube.tif"
    assert recipe["data"]["cube_scale"] == 0.0001
    left_out = f"left out 1 bands without data or with one value: {NM[20]:.2f} nm"
    assert left_out in (tmp_path / "recipe.toml").read_text()
    assert figures(tmp_path)["test_r2"] > 0.9
    learned_nm = np.array([feature.wavelength_nm for feature in read_card(tmp_path / "model").features])
    assert np.abs(learned_nm - NM[20]).min() > 30 and np.abs(learned_nm - NM[21]).min() < 0.01
    mapped = map_cube("cube.tif", tmp_path / "model", "carbon.tif")
    assert "reflectance is the stored value x 0.0001" in mapped.notes[0]
    assert mapped.cog.bands[0].valid_count == SIDE * SIDE


def test_spectra_for_a_sensor_are_brought_to_its_nominal_bands(scene, tmp_path):
    write_spectra()
    recipe = filled_in("spectra", table="library.csv", sensor="sentinel2", targets=["soc"])
    assert recipe["data"]["sensor"] == "SENTINEL2"
    assert recipe["features"] == {}  # 11 bands are too few for a baseline of absorbance
    assert recipe["model"]["compare"] == ["auto", "gp", "pls", "svr", "ridge"]
    assert "its 11 nominal bands" in (tmp_path / "recipe.toml").read_text()
    with pytest.raises(WavelengthError, match="the sensor landsat: it is not known"):
        init_recipe("spectra", table="library.csv", sensor="landsat", targets=["soc"])


def test_spectra_of_a_site_learn_from_a_library_beside_them(scene, tmp_path):
    write_spectra(factor=1.0, n=120)
    table = pd.read_csv("library.csv")
    table.iloc[:100].drop(columns=["lab_id", "site"]).to_csv("library.csv", index=False)
    table.iloc[100:].to_csv("site.csv", index=False)
    recipe = filled_in("spectra", table="site.csv", library="library.csv", targets=["soc"])
    assert recipe["data"]["library"] == "library.csv"
    assert recipe["model"]["kind"] == "spiked_pls"
    assert figures(tmp_path)["n"] == 20
    table.loc[50, "soc"] = 0.0  # which has no logarithm
    table.loc[100:, "soc"] = np.exp(2 * table.loc[100:, "soc"])
    table.iloc[:100].drop(columns=["lab_id", "site"]).to_csv("library.csv", index=False)
    table.iloc[100:].to_csv("site.csv", index=False)
    assert filled_in("spectra", table="site.csv", targets=["soc"])["target"]["log"] == "smearing"
    assert filled_in("spectra", table="site.csv", library="library.csv", targets=["soc"])["target"]["log"] == "none"


def test_profiles_get_their_columns_of_depth_and_layers_with_enough_values(scene, tmp_path):
    horizons = scene.loc[scene.index.repeat(2), ["Point ID", "Longitude", "Latitude", "SOC"]].rename(
        columns={"Point ID": "ProfileID"}
    )
    horizons["upper_cm"], horizons["lower_cm"] = np.tile([0, 15], 40), np.tile([15, 30], 40)
    horizons.to_csv("horizons.csv", index=False)
    data = filled_in("profiles", covariates=["covariates.tif"], table="horizons.csv", targets=["SOC"])["data"]
    assert (data["sample_id"], data["top_cm"], data["bottom_cm"]) == ("ProfileID", "upper_cm", "lower_cm")
    assert data["layers_cm"] == [0, 5, 15, 30]
    assert "too few profiles have values beyond 0 to 30" in (tmp_path / "recipe.toml").read_text()
    horizons["lower_cm"] = np.tile([15, 200], 40)
    horizons.to_csv("horizons.csv", index=False)
    deep = filled_in("profiles", covariates=["covariates.tif"], table="horizons.csv", targets=["SOC"])["data"]
    assert deep["layers_cm"] == [0, 5, 15, 30, 60, 100, 200]
    assert "too few profiles" not in (tmp_path / "recipe.toml").read_text()
    assert figures(tmp_path)["n"] > 0


def test_a_table_takes_features_and_leaves_out_what_was_measured_in_a_laboratory(scene, tmp_path):
    rng = np.random.default_rng(3)
    table = pd.DataFrame({"clay_pct": rng.uniform(5, 50, 50), "ph_h2o": rng.uniform(4, 8, 50)})
    table["ndvi"], table["slope"], table["note"] = table["clay_pct"] / 100, rng.uniform(0, 9, 50), "x"
    table["ndvi"] += rng.normal(0, 0.02, 50)
    table["silt share"], table["empty"] = 2 * table["clay_pct"], np.where(np.arange(50) < 30, np.nan, 1.5)
    table.to_csv("table.csv", index=False)
    recipe = filled_in("table", table="table.csv", targets=["clay_pct"])
    assert recipe["data"]["columns"] == ["ndvi", "slope"]
    assert recipe["target"]["unit"] == "%"
    assert figures(tmp_path)["test_r2"] > 0.5


def test_several_targets_are_sections_of_their_own(scene):
    recipe = filled_in("cube", cube="cube.tif", samples="soc.csv", targets=["SOC", "zn"], units=["%", "mg/kg"])
    assert [(target["column"], target["unit"]) for target in recipe["target"]] == [("SOC", "%"), ("zn", "mg/kg")]
    assert [target["log"] for target in recipe["target"]] == ["none", "smearing"]
    largest = pd.read_csv("soc.csv")["zn"].max()
    assert recipe["target"][1]["valid_range"] == [0.0, pytest.approx(10 * largest, rel=0.05)]
    with pytest.raises(RecipeError, match="3 units for 2 targets"):
        init_recipe("cube", cube="cube.tif", samples="soc.csv", targets=["SOC", "zn"], units=["%", "a", "b"])


def test_text_of_files_stays_text_in_the_recipe(scene):
    name = 'SOC"]\\ [model]'
    scene.rename(columns={"SOC": name}).drop(columns=["place_x", "place_y"]).to_csv("soc.csv", index=False)
    recipe = filled_in("cube", cube="cube.tif", samples="soc.csv", targets=[name])
    assert recipe["target"]["column"] == name


def test_paths_are_relative_to_the_recipe_and_a_file_is_not_replaced_unless_forced(scene, tmp_path):
    (tmp_path / "recipes").mkdir()
    options = {"cube": "cube.tif", "samples": tmp_path / "soc.csv", "targets": ["SOC"]}
    made = init_recipe("cube", output="recipes/soc.toml", **options)
    data = tomllib.loads(made.text)["data"]
    assert (data["cube"], data["samples"]) == ("../cube.tif", "../soc.csv")
    with pytest.raises(OutputError, match=r"soc.toml: found a file with this name; .*--force"):
        init_recipe("cube", output="recipes/soc.toml", **options)
    init_recipe("cube", output="recipes/soc.toml", force=True, **options)
    assert tomllib.loads(init_recipe("cube", **options).text)["data"]["cube"] == "cube.tif"


def test_an_address_with_a_secret_is_not_written_into_a_recipe(scene):
    write_spectra()
    with pytest.raises(RecipeError, match=r"found a login, a signature or a key") as caught:
        init_recipe("spectra", table="library.csv", cube="https://x.org/a.tif?sig=hidden", targets=["soc"])
    assert "hidden" not in str(caught.value)
