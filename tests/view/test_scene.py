"""What a view knows: the layers of a map and its trust map, exact values, and the details of a pixel."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from small_cube import WAVELENGTH_NM, save_trained_model, write_cube
from small_maps import GRIDS, SHAPE, TAGS, map_values, write_map
from written_rasters import write_raster

from geosoil.errors import GridError
from geosoil.io.rasters.cog import write_cog
from geosoil.models.store import model_sha256
from geosoil.raster.layout import make_raster
from geosoil.view.scene import exact_text
from geosoil.view.screen import Screen
from geosoil.workflows.view import open_scene


def centre(path, row, column):
    with rasterio.open(path) as source:
        return source.xy(row, column)


def layer_of(scene, role):
    return next(layer for layer in scene.layers if layer.role == role)


def test_a_map_has_its_bands_those_of_its_trust_map_and_the_width(tmp_path):
    scene = open_scene(write_map(tmp_path))
    roles = ["prediction", "lower", "upper", "dissimilarity", "density", "inside", "width"]
    assert [layer.role for layer in scene.layers] == roles
    assert [layer.unit for layer in scene.layers] == ["mg/kg", "mg/kg", "mg/kg", "", "samples", "", "mg/kg"]
    assert {layer.group for layer in scene.layers} == {"soil.tif"}
    assert scene.level == 0.9


@pytest.mark.parametrize("grid", GRIDS)
def test_values_are_those_of_rasterio_to_the_float(tmp_path, grid):
    path = write_map(tmp_path, grid)
    scene = open_scene(path)
    with rasterio.open(path) as source, rasterio.open(tmp_path / "soil_trust.tif") as trust:
        values, (lower, upper, *_) = source.read(1), trust.read()
    keys = [layer.key for layer in scene.layers]
    for row, column in [(0, 0), (7, 9), (89, 119), (45, 40), (60, 77)]:
        answer = scene.values_at(*centre(path, row, column), keys)
        read = {each["name"]: each for each in answer["values"]}
        expected = values[row, column]
        assert read["soil_mg_kg"]["value"] == exact_text(expected)
        if np.isfinite(expected):
            assert np.float32(read["soil_mg_kg"]["value"]) == expected
            assert np.float32(read["soil_mg_kg"]["lower"]) == lower[row, column]
            assert np.float32(read["soil_mg_kg"]["upper"]) == upper[row, column]
            assert np.float32(read["soil_mg_kg width"]["value"]) == upper[row, column] - lower[row, column]


def test_a_point_outside_of_the_map_has_no_value(tmp_path):
    scene = open_scene(write_map(tmp_path))
    (value,) = scene.values_at(0, 0, [scene.layers[0].key])["values"]
    assert value["value"] is None and value["lower"] is None


def test_a_trust_map_of_another_map_is_left_out_with_a_note(tmp_path):
    path = write_map(tmp_path)
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as source:
        source.update_tags(GEOSOIL_IDENTITY="another run")
    scene = open_scene(path)
    assert [layer.role for layer in scene.layers] == ["prediction"]
    assert scene.notes == ["soil_trust.tif belongs to another map and is not shown"]


def test_depths_share_one_scale_of_colours_and_make_a_profile(tmp_path):
    names = ["SOC 0-5 cm", "SOC 5-15 cm", "SOC 15-30 cm"]
    values = np.stack([map_values() * factor for factor in (3, 2, 1)]).astype(np.float32)
    crs, transform = GRIDS["utm"]
    write_cog(
        make_raster(values, names=names, crs=crs, transform=transform, units="g/kg"), tmp_path / "soc.tif", tags=TAGS
    )
    scene = open_scene(tmp_path / "soc.tif")
    assert len({layer.limits for layer in scene.layers}) == 1
    profile = scene.details_at(*centre(tmp_path / "soc.tif", 50, 60))["profile"]
    assert [(row["top"], row["bottom"], row["value"]) for row in profile] == [
        (top, bottom, float(values[k, 50, 60])) for k, (top, bottom) in enumerate([(0, 5), (5, 15), (15, 30)])
    ]


def test_a_pixel_has_the_spectrum_of_the_cube_and_the_training_range_of_the_model_of_the_map(tmp_path, monkeypatch):
    save_trained_model(tmp_path / "models" / "small")
    monkeypatch.chdir(tmp_path)
    cube = write_cube(tmp_path / "cube.tif")
    with rasterio.open(cube) as source:
        crs, transform, stored = source.crs, source.transform, source.read()
    tags = {"GEOSOIL_MODEL": "small", "GEOSOIL_MODEL_SHA256": model_sha256(tmp_path / "models" / "small")}
    raster = make_raster(map_values((37, 53))[None], names=["share_pct"], crs=crs, transform=transform, units="%")
    write_cog(raster, tmp_path / "map.tif", tags=tags)
    scene = open_scene(tmp_path / "map.tif", cube=cube)
    spectrum = scene.details_at(*centre(cube, 20, 30))["spectrum"]
    np.testing.assert_allclose(spectrum["wavelength_nm"], WAVELENGTH_NM, atol=1e-3)
    np.testing.assert_allclose(spectrum["value"], stored[:, 20, 30] * 1e-4, rtol=1e-6)
    assert scene.details_at(*centre(cube, 0, 0))["spectrum"] is None  # no data
    assert scene.training.model == "share"
    assert (scene.training.low < scene.training.high).all() and len(scene.training.wavelength_nm) == 100
    write_cog(raster, tmp_path / "map.tif", tags=tags | {"GEOSOIL_MODEL_SHA256": "another"})
    other = open_scene(tmp_path / "map.tif", cube=cube)
    assert other.training is None and "not the one that made the map" in " ".join(other.notes)
    assert open_scene(tmp_path / "map.tif", cube=cube, model="small").training is not None


def test_the_cube_is_shown_in_its_colours(tmp_path):
    cube = write_cube(tmp_path / "cube.tif")
    scene = open_scene(cube, cube=cube)
    left, bottom, right, top = scene.extent
    picture = scene.picture("cube in true colours", Screen(left, bottom, right, top, 53, 37))
    assert picture.dtype == np.uint32 and picture[0, 0] == 0  # no data is transparent
    assert (picture[10:] >> 24 == 255).all() and len(np.unique(picture)) > 100


def test_attributions_beside_the_map_are_bars_by_their_size(tmp_path):
    path = write_map(tmp_path)
    crs, transform = GRIDS["utm"]
    bands = np.stack([np.full(SHAPE, value, np.float32) for value in (1.5, -4.0, 0.5, 30.0)])
    raster = make_raster(bands, names=["blue", "red", "nir", "prediction"], crs=crs, transform=transform, units="mg/kg")
    write_cog(raster, tmp_path / "soil_shap.tif", tags={"GEOSOIL_BASELINE": "32"})
    scene = open_scene(path)
    bars = scene.details_at(*centre(path, 50, 60))["attributions"]
    assert [(bar["name"], bar["value"]) for bar in bars] == [("red", -4.0), ("blue", 1.5), ("nir", 0.5)]
    assert layer_of(scene, "attribution").limits == (-4.0, 4.0)


def test_the_nearest_samples_come_with_their_distance_and_values(tmp_path):
    path = write_map(tmp_path)
    x, y = centre(path, 50, 60)
    table = {
        "id": ["a", "b", "c"],
        "easting": [x + 300, x, x - 40],
        "northing": [y, y + 40, y + 30],
        "soil_mg_kg": [1, 2, ""],
    }
    pd.DataFrame(table).to_csv(tmp_path / "points.csv", index=False)
    scene = open_scene(path, samples=tmp_path / "points.csv", crs="EPSG:32632")
    nearest = scene.details_at(x, y)["samples"]
    assert [(each["id"], round(each["distance"], 6), each["measured"]) for each in nearest] == [
        ("b", 40, {"soil_mg_kg": 2}),
        ("c", 50, {}),
        ("a", 300, {"soil_mg_kg": 1}),
    ]


def test_distances_in_degrees_are_metres_on_the_ellipsoid(tmp_path):
    path = write_map(tmp_path, "geographic")
    pd.DataFrame({"id": ["a", "b"], "lon": [7.01, 7.0], "lat": [47.0, 46.99]}).to_csv(tmp_path / "p.csv", index=False)
    (nearest, other) = open_scene(path, samples=tmp_path / "p.csv").details_at(7.0, 47.0)["samples"]
    assert nearest["distance"] == pytest.approx(760.5, abs=1) and other["distance"] == pytest.approx(1111.8, abs=1)


def test_a_relief_is_bright_towards_the_north_west_and_has_no_seam_between_windows(tmp_path):
    path = write_map(tmp_path)
    crs, transform = GRIDS["utm"]
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    dome = (2000 - ((x - 60) ** 2 + (y - 45) ** 2) / 2).astype(np.float32)
    write_cog(make_raster(dome[None], names=["dem"], crs=crs, transform=transform), tmp_path / "dem.tif")
    scene = open_scene(path, dem=tmp_path / "dem.tif")
    left, bottom, right, top = scene.extent
    grey = scene.picture("shaded relief", Screen(left, bottom, right, top, 120, 90)) & 255
    assert grey[25, 40] > 250 > 150 > grey[65, 80]
    part = scene.picture("shaded relief", Screen(left + 600, top - 1500, left + 1500, top - 600, 30, 30)) & 255
    np.testing.assert_array_equal(part, grey[20:50, 20:50])


def test_a_map_without_crs_cannot_be_laid_over_one_with_a_crs(tmp_path):
    path = write_map(tmp_path)
    write_raster(tmp_path / "raw.tif", np.ones((1, 5, 5), np.float32), crs=None)
    with pytest.raises(GridError, match=r"raw.tif: found no CRS"):
        open_scene([path, tmp_path / "raw.tif"])
