"""The QGIS project of a map names its files by relative paths, groups them, and is refused before any computation."""

import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from small_cube import save_trained_model, write_cube

from geosoil.errors import OutputError, SamplesError
from geosoil.io.rasters.statistics import read_statistics
from geosoil.sensors.acquired import acquisition_time
from geosoil.workflows.gis_files import GisOptions, read_sample_points
from geosoil.workflows.map import map_cube


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gis_files")
    save_trained_model(folder / "share")
    write_cube(folder / "cube.tif")
    with rasterio.open(folder / "cube.tif") as source:
        crs, box = source.crs, source.bounds
    middle = (box.left + box.right) / 2, (box.bottom + box.top) / 2
    points = gpd.GeoDataFrame({"soc": [1.0, 2.0]}, geometry=gpd.points_from_xy(*np.transpose([middle] * 2)), crs=crs)
    points.to_file(folder / "points.gpkg")
    gis = GisOptions(project=True, samples=folder / "points.gpkg", licence="CC0-1.0")
    (folder / "out").mkdir()
    map_cube(folder / "cube.tif", folder / "share", folder / "out" / "map.tif", threads=1, gis=gis)
    return folder


def project_of(folder):
    with zipfile.ZipFile(folder / "out" / "map.qgz") as archive:
        return ElementTree.fromstring(archive.read("map.qgs"))


def test_the_project_has_the_samples_above_the_map(folder):
    tree = project_of(folder).find("layer-tree-group")
    groups = {group.get("name"): [layer.get("name") for layer in group] for group in tree}
    assert groups == {"samples": ["samples (n = 2)"], "prediction": ["share_pct (%)"]}
    assert [layer.get("checked") for layer in tree.iter("layer-tree-layer")] == ["Qt::Checked"] * 2


def test_layers_are_found_in_a_folder_that_was_moved(folder):
    sources = [layer.findtext("datasource") for layer in project_of(folder).iter("maplayer")]
    assert sources == ["./map_samples.gpkg|layername=samples", "./map.tif"]


def test_ids_are_so_long_that_qgis_keeps_them_and_join_tree_and_layers(folder):
    project = project_of(folder)
    ids = [layer.findtext("id") for layer in project.iter("maplayer")]
    assert ids == [layer.get("id") for layer in project.iter("layer-tree-layer")]
    assert all(len(name) > 10 for name in ids)


def test_the_project_has_the_crs_of_the_map_and_shows_all_of_it(folder):
    project = project_of(folder)
    with rasterio.open(folder / "out" / "map.tif") as source:
        crs, box = source.crs, source.bounds
    assert project.findtext("projectCrs/spatialrefsys/authid") == ":".join(crs.to_authority())
    assert project.findtext("properties/SpatialRefSys/ProjectionsEnabled") == "1"  # else QGIS ignores the CRS
    extent = {name.tag: float(name.text) for name in project.find("mapcanvas/extent")}
    assert extent["xmin"] < box.left < box.right < extent["xmax"]
    assert extent["ymin"] < box.bottom < box.top < extent["ymax"]


def test_layers_have_the_style_and_the_metadata_of_the_files_beside_the_map(folder):
    layer = project_of(folder).findall("projectlayers/maplayer")[1]
    style = ElementTree.parse(folder / "out" / "map.qml").getroot()
    texts = [[item.attrib for item in root.iter("item")] for root in (layer, style)]
    assert texts[0] == texts[1] and len(texts[0]) == 9
    metadata = ElementTree.parse(folder / "out" / "map.qmd").getroot()
    assert metadata.findtext("license") == layer.findtext("resourceMetadata/license") == "CC0-1.0"
    assert metadata.findtext("title") == "share_pct (%) by share"
    assert "samples: 60" in metadata.findtext("abstract")


def test_the_samples_are_a_geopackage_that_older_gdal_reads_without_a_warning(folder):
    with sqlite3.connect(folder / "out" / "map_samples.gpkg") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10300,)
    assert len(gpd.read_file(folder / "out" / "map_samples.gpkg")) == 2


def test_coordinates_of_a_text_table_are_recognised_and_a_table_without_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("site,lon,lat,soc\na,13.0,52.4,1\nb,13.1,52.5,2\n")
    points = read_sample_points(tmp_path / "a.csv")
    assert points.crs.to_epsg() == 4326 and list(points.columns) == ["site", "lon", "lat", "soc", "geometry"]
    (tmp_path / "b.csv").write_text("site,soc\na,1\nb,2\n")
    with pytest.raises(SamplesError, match="without geometry"):
        read_sample_points(tmp_path / "b.csv")


@pytest.mark.parametrize(
    ("options", "output", "said"),
    [
        ({"samples": "points.gpkg"}, "map.tif", "--qgz"),
        ({"project": True}, "s3://bucket/map.tif", "object store"),
        ({"project": True, "samples": "map_samples.gpkg"}, "map.tif", "is also an input"),
        ({"project": True}, "absent/map.tif", "does not exist"),
    ],
)
def test_a_project_that_cannot_be_written_is_refused_at_once(folder, monkeypatch, options, output, said):
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match=said):
        GisOptions(**options).prepare(output, ["cube.tif"])


def test_statistics_are_read_from_a_file_as_they_were_computed(folder):
    (stored,) = read_statistics(folder / "out" / "map.tif")
    with rasterio.open(folder / "out" / "map.tif") as source:
        values = source.read(1)
    valid = values[np.isfinite(values)]
    assert (stored.name, stored.unit, stored.valid_count) == ("share_pct", "%", valid.size)
    assert (stored.minimum, stored.maximum) == (valid.min(), valid.max())
    assert stored.p98 == pytest.approx(np.quantile(valid, 0.98), abs=float(np.ptp(valid)) / 200)
    assert read_statistics(folder / "cube.tif") is None
    assert Path(folder / "out" / "map.png").exists()


def test_the_time_of_a_scene_is_that_of_its_product_in_utc():
    assert acquisition_time({"StartTime": "2021-05-04T03:02:01Z"}) == datetime(2021, 5, 4, 3, 2, 1, tzinfo=UTC)
    beijing = {"StartTime": "2019-01-22 13:09:10", "sensor": "GF5_AHSI"}
    assert acquisition_time(beijing) == datetime(2019, 1, 22, 5, 9, 10, tzinfo=UTC)
    assert acquisition_time({}) is None and acquisition_time({"StartTime": "-"}) is None
