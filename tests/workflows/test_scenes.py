"""Many scenes to maps: what can be done is done, what cannot is named."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from small_cube import save_trained_model, write_cube
from stac_validator import validate_file
from written_rasters import corrupt_block

from geosoil.errors import GeosoilError, ModelFileError, OutputError, RasterError
from geosoil.workflows.map import map_cube
from geosoil.workflows.scenes import map_scenes

pytestmark = pytest.mark.usefixtures("without_pictures")

SHAPE = (40, 60)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "share"
    save_trained_model(folder)
    return folder


def write_scenes(folder, names=("a", "b", "c"), **profile):
    """Scenes that overlap by a third, from west to east."""
    folder.mkdir()
    for number, name in enumerate(names):
        transform = Affine(30, 0, 600_000 + 40 * 30 * number, 0, -30, 5_800_000)
        write_cube(folder / f"{name}.tif", shape=SHAPE, seed=number, **{"transform": transform} | profile)
    return folder


def pixels_of(path):
    with rasterio.open(path) as source:
        return source.read(1)


@pytest.fixture(scope="module")
def done(model, tmp_path_factory):
    """Three scenes, the second with a tile that cannot be read."""
    folder = tmp_path_factory.mktemp("many")
    scenes = write_scenes(folder / "scenes", compress="deflate", tiled=True, blockxsize=16, blockysize=16)
    corrupt_block(scenes / "b.tif", band=1, row=1, column=0)
    said, seen = [], []
    result = map_scenes(
        scenes / "*.tif", model, folder / "out", threads=1, on_done=said.append,
        progress=lambda *what: seen.append(what),
    )  # fmt: skip
    return result, said, seen, scenes


def test_a_corrupt_scene_among_three_is_named_and_the_others_are_mapped(done):
    result, said, _, _ = done
    assert [one.scene.name for one in result.maps] == ["a", "c"]
    assert all(one.path.exists() for one in result.maps)
    [(name, line)] = result.failed
    assert name == "b"
    assert "b.tif: cannot read the window at row 0" in line
    assert result.failures == (f"scene b: {line}",)
    assert [one[: one.index(":")] for one in said] == [f"scene {k} of 3, {name}" for k, name in enumerate("abc", 1)]
    assert "failed: " in said[1]
    assert "maps       2 of 3 scenes" in result.summary()
    assert "failed     1: b" in result.summary()


def test_a_failed_scene_leaves_no_file(done):
    result, _, _, _ = done
    found = sorted(path.name for path in result.vrt.parent.iterdir())
    of_each = [f"{name}_share.{suffix}" for name in "ac" for suffix in ("json", "png", "qmd", "qml", "tif")]
    assert found == sorted([*of_each, "collection.json", "share.qmd", "share.qml", "share.vrt"])


def test_a_colour_means_one_value_in_all_scenes_and_their_mosaic(done, model, tmp_path):
    result, _, _, scenes = done
    files = [*(mapped.path for mapped in result.maps), result.vrt]
    styles = [ElementTree.parse(file.with_suffix(".qml")).getroot() for file in files]
    values = [[item.get("value") for item in style.iter("item")] for style in styles]
    assert values[0] == values[1] == values[2] and len(values[0]) == 9
    ends = [map_cube(scenes / f"{name}.tif", model, tmp_path / f"{name}.tif", threads=1).cog.bands[0] for name in "ac"]
    low, high = min(band.p2 for band in ends), max(band.p98 for band in ends)
    assert [float(values[0][0]), float(values[0][-1])] == pytest.approx([low, high], abs=(high - low) / 100)
    assert ElementTree.parse(result.vrt.with_suffix(".qmd")).getroot().findtext("title") == "share_pct (%) by share"


def test_maps_that_are_kept_have_the_same_colours_as_new_ones(done, model):
    result, _, _, scenes = done
    style = result.vrt.with_suffix(".qml").read_text("utf-8")
    again = map_scenes(scenes / "*.tif", model, result.vrt.parent, threads=1, mode="resume")
    assert all(mapped.result is None for mapped in again.maps)
    assert again.vrt.with_suffix(".qml").read_text("utf-8") == style


def test_every_map_is_what_map_cube_makes_of_its_scene_alone(done, model, tmp_path):
    result, _, _, scenes = done
    alone = map_cube(scenes / "c.tif", model, tmp_path / "c.tif", threads=1)
    np.testing.assert_array_equal(pixels_of(result.maps[1].path), pixels_of(alone.path))


def test_progress_counts_scenes_and_the_blocks_of_each(done):
    _, _, seen, _ = done
    assert [what for what in seen if what[0] == "scenes"] == [("scenes", done, 3) for done in range(4)]
    assert [done for what, done, total in seen if what == "map" and done == total]


def test_the_collection_is_valid_and_holds_the_maps_alone(done, model):
    result, _, _, _ = done
    collection = validate_file(result.collection)
    hrefs = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    assert hrefs == ["./a_share.json", "./c_share.json"]
    item = validate_file(result.vrt.parent / "a_share.json")
    with rasterio.open(result.maps[0].path) as source:
        sha256 = source.tags()["GEOSOIL_MODEL_SHA256"]
    assert item["properties"]["processing:software"]["share"] == f"sha256:{sha256}"
    assert set(item["assets"]) == {"map", "quicklook", "style"}


def test_the_mosaic_is_the_maps_laid_over_each_other_the_last_on_top(model, tmp_path):
    scenes = write_scenes(tmp_path / "scenes")
    result = map_scenes(scenes / "*.tif", model, tmp_path / "out", threads=1)
    expected = np.full((SHAPE[0], SHAPE[1] + 80), np.nan, np.float32)
    for number, one in enumerate(result.maps):
        values = pixels_of(one.path)
        np.copyto(expected[:, 40 * number : 40 * number + SHAPE[1]], values, where=~np.isnan(values))
    # Every scene has no data in its first pixel, and there the scene below shows.
    assert np.isnan(pixels_of(result.maps[1].path)[0, 0])
    assert np.isfinite(expected[0, 40])
    np.testing.assert_array_equal(pixels_of(result.vrt), expected)


def test_the_order_of_a_list_says_what_lies_on_top(model, tmp_path):
    scenes = write_scenes(tmp_path / "scenes", names=("a", "b"))
    (tmp_path / "list.txt").write_text("scenes/b.tif\nscenes/a.tif\n")
    result = map_scenes(tmp_path / "list.txt", model, tmp_path / "out", threads=1)
    a = pixels_of(result.maps[1].path)
    assert result.maps[1].scene.path == str(scenes / "a.tif")
    overlap = pixels_of(result.vrt)[1:, 40:60]
    np.testing.assert_array_equal(overlap[np.isfinite(a[1:, 40:])], a[1:, 40:][np.isfinite(a[1:, 40:])])


def test_stac_scenes_give_their_time_to_their_maps(model, tmp_path):
    write_scenes(tmp_path / "scenes", names=("a",))
    asset = {"href": "scenes/a.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
    item = {"type": "Feature", "id": "S1", "properties": {"datetime": "2024-05-01T10:30:00Z"}, "assets": {"x": asset}}
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    map_scenes(tmp_path / "items.json", model, tmp_path / "out", threads=1)
    assert validate_file(tmp_path / "out" / "S1_share.json")["properties"]["datetime"] == "2024-05-01T10:30:00Z"


def test_options_of_map_cube_reach_every_scene(model, tmp_path):
    scenes = write_scenes(tmp_path / "scenes", names=("a", "b"))
    result = map_scenes(scenes / "*.tif", model, tmp_path / "out", threads=1, bare_soil=True)
    for one in result.maps:
        with rasterio.open(one.path) as source:
            assert source.tags()["GEOSOIL_BARE_SOIL"].startswith("NDVI <= ")


def test_resume_leaves_what_stands_and_makes_the_rest(model, tmp_path):
    scenes = write_scenes(tmp_path / "scenes")
    (scenes / "c.tif").rename(tmp_path / "c.tif")
    first = map_scenes(scenes / "*.tif", model, tmp_path / "out", threads=1)
    made = {one.path: one.path.stat().st_mtime_ns for one in first.maps}
    (tmp_path / "c.tif").rename(scenes / "c.tif")
    second = map_scenes(scenes / "*.tif", model, tmp_path / "out", threads=1, mode="resume")
    assert [one.result is None for one in second.maps] == [True, True, False]
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert "maps       3 of 3 scenes" in second.summary()
    assert "resumed: 2 scenes were already finished" in second.summary()


def test_resume_maps_anew_what_is_of_another_model_or_cube_by_other_thresholds_or_half_a_file(model, tmp_path):
    scenes = write_scenes(tmp_path / "scenes", names=("a",))

    def made_anew(**options):
        result = map_scenes(scenes / "*.tif", tmp_path / "model", tmp_path / "out", threads=1, mode="resume", **options)
        return result.maps[0].result is not None

    save_trained_model(tmp_path / "model")
    assert made_anew()
    assert not made_anew()
    assert made_anew(bare_soil=True)
    assert made_anew()
    save_trained_model(tmp_path / "model", valid_range=(20.0, 60.0))
    assert made_anew()
    write_cube(scenes / "a.tif", shape=SHAPE, seed=9)  # changed since
    assert made_anew()
    path = tmp_path / "out" / "a_share.tif"
    path.write_bytes(path.read_bytes()[:100])
    assert made_anew()
    assert not made_anew()


def test_where_every_scene_fails_the_first_error_is_said(model, tmp_path):
    (tmp_path / "scenes").mkdir()
    for name in "ab":
        (tmp_path / "scenes" / f"{name}.tif").write_text("not a raster")
    with pytest.raises(RasterError, match=r"2 scenes that all failed; the error of the first, a, is: .*a\.tif"):
        map_scenes(tmp_path / "scenes" / "*.tif", model, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_with_the_scenes_in_it_no_model_and_a_file_as_output_are_refused_at_once(model, tmp_path):
    scenes = write_scenes(tmp_path / "scenes", names=("a",))
    with pytest.raises(OutputError, match="the folder of the scenes"):
        map_scenes(scenes / "*.tif", model, scenes)
    with pytest.raises(ModelFileError):
        map_scenes(scenes / "*.tif", tmp_path, tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be created"):
        map_scenes(scenes / "*.tif", model, tmp_path / "file")
    with pytest.raises(GeosoilError, match="no scene"):
        map_scenes(tmp_path / "none*.tif", model, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "scenes"]
