import json
import zipfile

import geopandas as gpd
import pytest
from shapely.geometry import Point

from geosoil.errors import SamplesError
from geosoil.io.tables.polygons import read_polygons
from geosoil.io.tables.reader import read_table
from geosoil.io.tables.vector import read_layer

POINTS = gpd.GeoDataFrame({"a": [1, 2]}, geometry=[Point(13, 52), Point(14, 53)], crs="EPSG:4326")


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "geojsonl", "json", "shp", "fgb", "sqlite", "kml"])
def test_the_formats_that_peers_open_are_read(tmp_path, ending):
    drivers = {"json": "GeoJSON", "geojsonl": "GeoJSONSeq", "kml": "KML", "sqlite": "SQLite"}
    POINTS.to_file(tmp_path / f"p.{ending}", driver=drivers.get(ending))
    found = read_layer(tmp_path / f"p.{ending}")
    assert sorted((point.x, point.y) for point in found.geometry) == [(13, 52), (14, 53)]
    assert found.crs.equals("EPSG:4326", ignore_axis_order=True)


def test_a_zip_file_of_one_shapefile_is_read(tmp_path):
    POINTS.to_file(tmp_path / "p.shp")
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for file in tmp_path.glob("p.*"):
            if file.suffix != ".zip":
                archive.write(file, f"data/{file.name}")
    assert read_layer(tmp_path / "p.zip")["a"].tolist() == [1, 2]
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("p.shp", "<OGRVRTDataSource/>")
    with pytest.raises(SamplesError, match=r"p.shp is not a shapefile"):
        read_layer(tmp_path / "none.zip")


@pytest.mark.parametrize("name", ["a.gpkg", "a.geojson", "a.json", "a.shp", "a.kml", "a.fgb", "a.sqlite", "a.gpx"])
@pytest.mark.parametrize(
    "before", ["", "{}", '{"type":"FeatureCollection","features":[]}\n', "SQLite format 3 ", "<kml></kml>", "fg"]
)
def test_a_description_of_another_file_is_refused(tmp_path, name, before):
    secret = tmp_path / "secret.csv"
    secret.write_text("id,x,y\nhidden,1,2\nhidden,3,4\n")
    vrt = '<OGRVRTDataSource><OGRVRTLayer name="secret"><SrcDataSource>CSV:{}</SrcDataSource></OGRVRTLayer>'
    (tmp_path / name).write_text(f"{before}{vrt.format(secret)}</OGRVRTDataSource>")
    with pytest.raises(SamplesError, match="not a readable table") as raised:
        read_table(tmp_path / name)
    assert "hidden" not in str(raised.value)


def test_a_stream_of_algorithms_of_gdal_is_refused(tmp_path):
    POINTS.to_file(tmp_path / "p.gpkg")
    command = f"gdal vector pipeline ! read {tmp_path / 'p.gpkg'} ! write --output-format stream streamed_dataset"
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "gdal_streamed_alg", "command_line": command}))
    with pytest.raises(SamplesError, match="not a readable table"):
        read_table(tmp_path / "a.geojson")


def test_a_layer_is_named_unless_only_one_has_features(tmp_path):
    for layer in ("wells", "samples"):
        POINTS.assign(a=[7, 8] if layer == "samples" else [1, 2]).to_file(tmp_path / "p.gpkg", layer=layer)
    with pytest.raises(SamplesError, match=r"2 layers: wells, samples; .*key or option `layer`"):
        read_table(tmp_path / "p.gpkg")
    assert read_table(tmp_path / "p.gpkg", "samples")["a"].tolist() == [7, 8]
    with pytest.raises(SamplesError, match="no layer soils; expected one of wells, samples"):
        read_table(tmp_path / "p.gpkg", "soils")
    POINTS.to_file(tmp_path / "q.gpkg", layer="full")
    POINTS.iloc[:0].to_file(tmp_path / "q.gpkg", layer="empty")
    assert len(read_table(tmp_path / "q.gpkg")) == 2


def test_the_layer_of_zones_is_named(tmp_path):
    areas = POINTS.to_crs("EPSG:32633").buffer(10)
    for layer, zone in (("boundary", ["all", "all"]), ("units", ["Cambisol", "Gleysol"])):
        gpd.GeoDataFrame({"zone": zone}, geometry=areas).to_file(tmp_path / "z.gpkg", layer=layer)
    with pytest.raises(SamplesError, match="2 layers: boundary, units"):
        read_polygons(tmp_path / "z.gpkg")
    assert read_polygons(tmp_path / "z.gpkg", layer="units")["zone"].tolist() == ["Cambisol", "Gleysol"]
