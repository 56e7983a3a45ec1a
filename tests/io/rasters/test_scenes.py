"""Scenes from patterns, lists and STAC items, each with a unique name."""

import json
from datetime import UTC, datetime

import pytest

from geosoil.errors import RasterError
from geosoil.io.rasters.scenes import Scene, find_scenes, is_scene_list

COG = "image/tiff; application=geotiff; profile=cloud-optimized"


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def names_of(scenes):
    return [scene.name for scene in scenes]


def item(name, assets=None, when="2024-05-01T10:00:00Z", **fields):
    assets = assets or {"cube": {"href": f"./{name}.tif", "type": COG, "roles": ["data"]}}
    return {"type": "Feature", "id": name, "properties": {"datetime": when}, "assets": assets, **fields}


def write_items(path, *items):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": list(items)}))
    return path


@pytest.mark.parametrize(
    ("cube", "many"),
    [
        ("scenes/*.tif", True),
        ("scenes/s[12].tif", True),
        ("list.txt", True),
        ("items.json", True),
        ("items.geojson#data", True),
        ("cube.tif", False),
        ("GF5_folder", False),
        ("https://example.org/a.tif?key=*", False),
    ],
)
def test_a_path_is_many_scenes_or_one_cube(cube, many):
    assert is_scene_list(cube) is many


def test_a_file_whose_name_looks_like_a_pattern_is_one_cube(tmp_path):
    make(tmp_path, "field[1].tif")
    assert not is_scene_list(tmp_path / "field[1].tif")
    assert find_scenes(tmp_path / "field[1].tif") == [Scene(str(tmp_path / "field[1].tif"), "field_1")]


def test_a_pattern_gives_scenes_by_name_and_no_side_files(tmp_path):
    make(tmp_path, "b.img", "a.img", "a.hdr", "a.img.aux.xml", "b.ovr")
    assert names_of(find_scenes(tmp_path / "*")) == ["a", "b"]


def test_a_pattern_over_folders_of_any_depth(tmp_path):
    make(tmp_path, "x.tif", "one/y.tif", "one/two/z.tif")
    assert sorted(names_of(find_scenes(tmp_path / "**" / "*.tif"))) == ["x", "y", "z"]


def test_the_folder_of_a_product_keeps_its_dots(tmp_path):
    make(tmp_path, "GF5_E112.73_N29.83/a.xml", "GF5_E112.73_N30.10/a.xml")
    assert names_of(find_scenes(tmp_path / "GF5*")) == ["GF5_E112.73_N29.83", "GF5_E112.73_N30.10"]


def test_files_with_the_same_name_get_the_names_of_their_folders(tmp_path):
    make(tmp_path, "north/cube.tif", "south/Cube.tif", "south/other.tif")
    assert names_of(find_scenes(tmp_path / "*" / "*.tif")) == ["north_cube", "south_Cube", "other"]


def test_a_scene_named_twice_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("a.tif\na.tif\n")
    with pytest.raises(RasterError, match="2 scenes named"):
        find_scenes(tmp_path / "list.txt")


def test_a_list_is_relative_to_itself_with_comments_and_addresses_in_its_own_order(tmp_path):
    (tmp_path / "list.txt").write_text(
        "# two fields\n\nz.tif\n  sub/a#1.tif\nhttps://example.org/c.tif?key=1\n/vsis3/b/d.tif"
    )
    assert find_scenes(tmp_path / "list.txt") == [
        Scene(str(tmp_path / "z.tif"), "z"),
        Scene(str(tmp_path / "sub/a#1.tif"), "a_1"),
        Scene("https://example.org/c.tif?key=1", "c"),
        Scene("/vsis3/b/d.tif", "d"),
    ]


def test_items_come_oldest_first_with_their_ids_and_times(tmp_path):
    path = write_items(tmp_path / "items.json", item("new/one"), item("old", when="2023-05-01T12:00:00+02:00"))
    assert find_scenes(path) == [
        Scene(str(tmp_path / "old.tif"), "old", datetime(2023, 5, 1, 10, tzinfo=UTC)),
        Scene(str(tmp_path / "new/one.tif"), "new_one", datetime(2024, 5, 1, 10, tzinfo=UTC)),
    ]


def test_items_keep_their_order_where_one_has_no_date(tmp_path):
    path = write_items(tmp_path / "items.json", item("b"), item("a", when=None))
    assert names_of(find_scenes(path)) == ["b", "a"]


def test_an_interval_is_dated_by_its_start(tmp_path):
    one = item("a", when=None)
    one["properties"] |= {"start_datetime": "2024-01-01T00:00:00Z", "end_datetime": "2024-01-02T00:00:00Z"}
    assert find_scenes(write_items(tmp_path / "i.json", one))[0].acquired == datetime(2024, 1, 1, tzinfo=UTC)


def test_the_asset_with_the_role_data_is_taken_and_not_the_thumbnail(tmp_path):
    assets = {
        "thumbnail": {"href": "t.tif", "type": COG, "roles": ["thumbnail"]},
        "meta": {"href": "m.xml", "roles": ["data"]},
        "cube": {"href": "s3://bucket/c.tif", "type": COG, "roles": ["data"]},
    }
    assert find_scenes(write_items(tmp_path / "i.json", item("a", assets)))[0].path == "s3://bucket/c.tif"


def test_relative_assets_of_an_item_from_the_web_are_on_the_web(tmp_path):
    one = item("a", links=[{"rel": "self", "href": "https://example.org/stac/a.json"}])
    assert find_scenes(write_items(tmp_path / "i.json", one))[0].path == "https://example.org/stac/a.tif"


def test_several_assets_are_refused_with_their_names_and_one_is_chosen_by_key(tmp_path):
    assets = {key: {"href": f"{key}.tif", "type": COG, "roles": ["data"]} for key in ("radiance", "reflectance")}
    path = write_items(tmp_path / "i.json", item("a", assets))
    with pytest.raises(RasterError, match=r"item a: .*radiance, reflectance.*#radiance"):
        find_scenes(path)
    assert find_scenes(f"{path}#reflectance")[0].path == str(tmp_path / "reflectance.tif")
    with pytest.raises(RasterError, match="no asset 'clay'; expected one of radiance, reflectance"):
        find_scenes(f"{path}#clay")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.txt", "# nothing\n", "no scene"),
        ("l.txt", None, "No such file"),
        ("l.txt", b"\xff\xfe\x00", "not valid UTF-8"),
        ("i.json", "{", "not valid JSON"),
        ("i.json", "[]", "the type is None"),
        ("i.json", '{"type": "FeatureCollection", "features": []}', "no scene"),
        ("i.json", '{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "a"}]}', "has no assets"),
        ("i.json", json.dumps(item("a", when="May")), "datetime 'May'"),
        ("i.json", json.dumps(item("a", {"x": {"href": "x.json"}})), "no data asset"),
        ("none*.tif", None, "no scene"),
    ],
)
def test_a_list_without_scenes_is_refused_in_one_line(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RasterError, match=message) as caught:
        find_scenes(tmp_path / name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
