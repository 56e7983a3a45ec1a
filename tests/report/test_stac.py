"""A STAC collection of maps: valid without a network, true to the files, relative, the same to the byte."""

import json
import socket
from datetime import UTC, datetime

import numpy as np
import pystac
import pytest
import rasterio
from pystac.errors import STACValidationError
from rasterio import Affine
from stac_validator import validate_file
from written_rasters import TRANSFORM, write_raster

from geosoil.errors import GridError, OutputError, RasterError
from geosoil.io.rasters.cog import write_cog
from geosoil.raster.layout import make_raster
from geosoil.report.stac import write_collection

TAKEN = datetime(2024, 5, 1, 10, 30, tzinfo=UTC)
TAGS = {
    "GEOSOIL_MODEL": "soc",
    "GEOSOIL_MODEL_SHA256": "ab" * 32,
    "GEOSOIL_CUBE": "scene.tif",
    "GEOSOIL_VERSION": "0.1.0",
    "GEOSOIL_CREATED": "2026-11-21T08:00:00+00:00",
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*_):
        raise AssertionError("a test asked for the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def write_map(path, *, crs="EPSG:32633", transform=TRANSFORM, values=None, tags=TAGS):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4) if values is None else values
    values[0, 0, 0] = np.nan
    raster = make_raster(values, names=["soc_0_30", "clay"], crs=crs, transform=transform, units="")
    write_cog(raster, path, tags=tags, band_units=["%", "g/kg"])
    return path


@pytest.fixture
def written(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    a = write_map(folder / "a.tif")
    b = write_map(folder / "b.tif", transform=Affine(30, 0, 600_120, 0, -30, 5_800_000))
    (folder / "a.png").write_bytes(b"")
    write_collection(folder, {a: TAKEN, b: None}, title="SOC", mosaic=folder / "soc.vrt")
    return folder


def test_collection_and_items_are_valid(written):
    assert validate_file(written / "collection.json")["stac_version"] == "1.1.0"
    for name in ("a", "b"):
        assert len(validate_file(written / f"{name}.json")["stac_extensions"]) == 3


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("properties", "proj:shape"), [3]),
        (("properties", "proj:epsg"), 32633),
        (("properties", "processing:software"), {"geosoil": 1}),
        (("assets", "map", "raster:sampling"), "pixel"),
        (("assets", "map", "bands", 0, "nodata"), "none"),
        (("properties", "datetime"), None),
    ],
)
def test_the_validator_of_these_tests_finds_a_fault(written, place, value):
    content = json.loads((written / "a.json").read_text())
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (written / "a.json").write_text(json.dumps(content))
    with pytest.raises(STACValidationError):
        validate_file(written / "a.json")


def test_an_item_says_what_the_file_says(written):
    content = json.loads((written / "a.json").read_text())
    properties, [first, second] = content["properties"], content["assets"]["map"]["bands"]
    with rasterio.open(written / "a.tif") as source:
        values = source.read(masked=True).astype(np.float64)
        assert properties["proj:shape"] == list(source.shape)
        assert Affine(*properties["proj:transform"]) == source.transform
        assert properties["proj:bbox"] == list(source.bounds)
    assert properties["proj:code"] == "EPSG:32633"
    assert (first["name"], first["unit"], first["data_type"], first["nodata"]) == ("soc_0_30", "%", "float32", "nan")
    assert (second["name"], second["unit"]) == ("clay", "g/kg")
    of_first = first["statistics"]
    assert (of_first["minimum"], of_first["maximum"]) == (1, 11)
    assert of_first["mean"] == pytest.approx(values[0, ...][np.isfinite(values[0])].mean())
    assert of_first["stddev"] == pytest.approx(np.arange(1, 12).std())
    assert of_first["valid_percent"] == pytest.approx(100 * 11 / 12, rel=1e-4)
    assert content["assets"]["map"]["raster:spatial_resolution"] == 30


def test_an_item_names_software_model_and_hash(written):
    properties = json.loads((written / "a.json").read_text())["properties"]
    assert properties["processing:software"] == {"geosoil": "0.1.0", "soc": f"sha256:{'ab' * 32}"}
    assert properties["processing:lineage"].startswith("scene.tif, mapped with model soc (sha256:abab")


def test_the_time_is_the_scenes_or_else_the_maps_own(written):
    a, b = (json.loads((written / f"{name}.json").read_text())["properties"] for name in "ab")
    assert (a["datetime"], a["created"]) == ("2024-05-01T10:30:00Z", "2026-11-21T08:00:00Z")
    assert b["datetime"] == b["created"] == "2026-11-21T08:00:00Z"
    [[interval]] = [json.loads((written / "collection.json").read_text())["extent"]["temporal"]["interval"]]
    assert interval == ["2024-05-01T10:30:00Z", "2026-11-21T08:00:00Z"]


def test_the_time_in_the_tags_of_a_map_is_that_of_its_item_and_an_item_without_says_what_its_time_is(tmp_path):
    dated = write_map(tmp_path / "a.tif", tags=TAGS | {"GEOSOIL_ACQUIRED": TAKEN.isoformat()})
    undated = write_map(tmp_path / "b.tif")
    write_collection(tmp_path, {dated: None, undated: None}, title="SOC")
    a, b = (json.loads((tmp_path / f"{name}.json").read_text())["properties"] for name in "ab")
    assert a["datetime"] == "2024-05-01T10:30:00Z" and "description" not in a
    assert "does not state when it was acquired" in b["description"]


def test_the_outline_is_the_grid_on_the_globe(written):
    content = json.loads((written / "a.json").read_text())
    with rasterio.open(written / "a.tif") as source:
        box = rasterio.warp.transform_bounds(source.crs, "EPSG:4326", *source.bounds, densify_pts=21)
    assert content["bbox"] == pytest.approx(box, abs=2e-7)
    [ring] = content["geometry"]["coordinates"]
    assert ring[0] == ring[-1]
    x, y = np.array(ring).T
    assert np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0  # counterclockwise, as RFC 7946 wants it
    box_of_all = json.loads((written / "collection.json").read_text())["extent"]["spatial"]["bbox"][0]
    b = json.loads((written / "b.json").read_text())["bbox"]
    assert box_of_all == [content["bbox"][0], min(content["bbox"][1], b[1]), b[2], max(content["bbox"][3], b[3])]


def test_pystac_walks_from_the_collection_to_every_file_after_the_folder_was_moved(written):
    moved = written.rename(written.with_name("moved"))
    collection = pystac.Collection.from_file(str(moved / "collection.json"))
    items = list(collection.get_items())
    assert [item.id for item in items] == ["a", "b"]
    assert all(item.get_collection().id == "maps" for item in items)
    for item in items:
        with rasterio.open(item.assets["map"].get_absolute_href()) as source:
            assert source.count == 2
    assert set(items[0].assets) == {"map", "quicklook"}
    assert set(items[1].assets) == {"map"}
    assert collection.assets["mosaic"].href == "soc.vrt"


def test_the_same_maps_give_the_same_bytes(written):
    before = {path.name: path.read_bytes() for path in written.glob("*.json")}
    maps = {written / "a.tif": TAKEN, written / "b.tif": None}
    write_collection(written, maps, title="SOC", mosaic=written / "soc.vrt")
    assert {path.name: path.read_bytes() for path in written.glob("*.json")} == before
    assert not any(str(written) in content.decode() for content in before.values())


def test_a_map_over_the_180th_meridian_has_two_outlines_and_a_box_from_east_to_west(tmp_path):
    path = write_map(tmp_path / "fiji.tif", crs="EPSG:32701", transform=Affine(3e4, 0, 150_000, 0, -3e4, 8_000_000))
    content = validate_file(write_collection(tmp_path, {path: None}, title="t").with_name("fiji.json"))
    west, _, east, _ = content["bbox"]
    assert content["geometry"]["type"] == "MultiPolygon"
    assert 179 < west < 180
    assert -180 < east < -179
    around = json.loads((tmp_path / "collection.json").read_text())["extent"]["spatial"]["bbox"][0]
    assert around[::2] == [-180, 180]


def test_a_crs_without_a_code_is_written_out_and_degrees_have_no_metres(tmp_path):
    albers = "+proj=aea +lat_1=25 +lat_2=47 +lat_0=0 +lon_0=105 +datum=WGS84 +units=m"
    without_code = write_map(tmp_path / "own.tif", crs=albers, transform=Affine(30, 0, 0, 0, -30, 4e6))
    degrees = write_map(tmp_path / "deg.tif", crs="EPSG:4326", transform=Affine(0.1, 0, 13, 0, -0.1, 52))
    write_collection(tmp_path, {without_code: None, degrees: None}, title="t")
    properties = validate_file(tmp_path / "own.json")["properties"]
    assert properties["proj:code"] is None
    assert "Albers" in properties["proj:wkt2"]
    content = validate_file(tmp_path / "deg.json")
    assert content["bbox"] == pytest.approx([13, 51.7, 13.4, 52])
    assert "raster:spatial_resolution" not in content["assets"]["map"]


def test_a_map_of_nothing_has_no_statistics_but_its_share(tmp_path):
    path = write_map(tmp_path / "a.tif", values=np.full((2, 3, 4), np.nan, np.float32))
    content = validate_file(write_collection(tmp_path, {path: None}, title="t").with_name("a.json"))
    assert content["assets"]["map"]["bands"][0]["statistics"] == {"valid_percent": 0}


def test_what_is_no_map_by_geosoil_is_refused_and_nothing_written(tmp_path):
    plain = write_raster(tmp_path / "plain.tif", np.ones((1, 2, 2), np.float32))
    with pytest.raises(RasterError, match=r"plain\.tif: found no tag GEOSOIL_MODEL"):
        write_collection(tmp_path, {plain: None}, title="t")
    (tmp_path / "text.tif").write_text("text")
    with pytest.raises(RasterError, match=r"text\.tif: not a raster"):
        write_collection(tmp_path, {tmp_path / "text.tif": None}, title="t")
    nowhere = write_raster(tmp_path / "nowhere.tif", np.ones((1, 2, 2), np.float32), crs=None, tags=TAGS)
    with pytest.raises(GridError, match=r"nowhere\.tif: the map has no CRS"):
        write_collection(tmp_path, {nowhere: None}, title="t")
    with pytest.raises(OutputError):
        write_collection(tmp_path / "absent", {write_map(tmp_path / "a.tif"): None}, title="t")
    assert not list(tmp_path.glob("*.json"))
