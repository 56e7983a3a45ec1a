"""`geosoil info` of tables, compared with what was written."""

import json

import geopandas as gpd
from shapely.geometry import Point

from geosoil.workflows.info import describe_path


def test_points_are_described_with_their_crs_bounds_and_ranges(tmp_path):
    columns = {"site": ["a", "b", "c"], "soc": [1.0, 2.5, 4.0]}
    points = [Point(500_000, 5_800_000), Point(500_100, 5_800_200), Point(500_300, 5_800_100)]
    gpd.GeoDataFrame(columns, geometry=points, crs="EPSG:32633").to_file(tmp_path / "p.gpkg")
    facts = json.loads(describe_path(tmp_path / "p.gpkg", as_json=True))
    assert facts["table"].startswith("3 rows x 3 columns")
    assert (facts["geometry"], facts["CRS"]) == ("3 Point", "EPSG:32633")
    assert facts["bounds"] == "500000 to 500300, 5800000 to 5800200"
    assert facts["column soc"] == "1 to 4, median 2.5, 3 numbers"
    assert facts["column site"] == "text, 3 different values"


def test_a_csv_without_bands_is_described_as_a_table_and_one_with_bands_as_spectra(tmp_path):
    (tmp_path / "t.csv").write_text("site;soc\na;2,05\nb;n.d.\nc;4\n")
    assert json.loads(describe_path(tmp_path / "t.csv", as_json=True))["column soc"] == (
        "2.05 to 4, median 3.025, 2 numbers, 1 cells of text"
    )
    (tmp_path / "s.csv").write_text("id;X400;X500\na;0,1;0,2\n")
    facts = json.loads(describe_path(tmp_path / "s.csv", as_json=True))
    assert facts["spectra"].startswith("1 x 2 bands of reflectance")
