import geopandas as gpd
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shapely.geometry import GeometryCollection, LineString, MultiPoint, Point
from shared_material import shared

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import read_samples, read_table


def sites(**columns):
    columns = {"site": ["a", "b", "c"], "soc_pct": [1.0, 2.0, np.nan], **columns}
    geometry = columns.pop("geometry", [Point(0, 1), Point(2, 3), Point(4, 5)])
    return gpd.GeoDataFrame(columns, geometry=geometry, crs="EPSG:32633")


@pytest.mark.parametrize("name", ["s.gpkg", "s.geojson", "s.shp", "s.parquet", "s.csv"])
def test_every_format_gives_the_same_samples(tmp_path, name):
    frame = sites()
    options = {}
    if name == "s.csv":
        frame.drop(columns="geometry").assign(x=frame.geometry.x, y=frame.geometry.y).to_csv(
            tmp_path / name, index=False
        )
        options = {"x": "x", "y": "y", "crs": "EPSG:32633"}
    elif name == "s.parquet":
        frame.to_parquet(tmp_path / name)
    else:
        frame.to_file(tmp_path / name)
    found = read_samples(tmp_path / name, sample_id="site", columns=["soc_pct"], **options)
    assert found["site"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(found["soc_pct"], [1, 2, np.nan])
    assert [(p.x, p.y) for p in found.geometry] == [(0, 1), (2, 3), (4, 5)]
    assert found.crs == frame.crs


def read_csv(folder, text, **options):
    (folder / "s.csv").write_text(text)
    options = {"sample_id": "site", "columns": ["soc_pct"], "x": "x", "y": "y", "crs": "EPSG:4326", **options}
    return read_samples(folder / "s.csv", **options)


def test_ids_are_read_as_text(tmp_path):
    assert read_csv(tmp_path, "site,soc_pct,x,y\n007,1,2,3\n7,1,2,3\n")["site"].tolist() == ["007", "7"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("site,soc_pct,x,y\na,1,2,3\na,1,2,3\n", {}, "site is not unique: a"),
        ("site,soc_pct,x,y\na,1,2,3\n,1,2,3\n", {}, "no site in row 2"),
        (
            "site,SOC,x,y\na,1,2,3\nb,1,2,3\n",
            {"columns": ["soc_pct"]},
            'column "soc_pct" is missing .* did you mean SOC?',
        ),
        ("site,soc_pct,x,y\na,1,2,3\nb,<0.1,2,3\n", {}, r"'<0.1' in column soc_pct, row 2 \(b\)"),
        ("site,soc_pct,x,y\na,1,2,3\nb,inf,2,3\n", {}, "'inf' in column soc_pct"),
        ("site,soc_pct,x,y\na,1,2,3\nb,1,,3\n", {}, "no coordinates for b"),
        ("site,soc_pct,x,y\na,1,2,3\nb,1,east,3\n", {}, "'east' in column x"),
        ("site,soc_pct,x,y\na,1,2,3\nb,1,2,3\n", {"crs": None}, "without geometry"),
        ("site,soc_pct,x,y\na,1,2,3\nb,1,2,3\n", {"crs": "EPSG:none"}, "'EPSG:none' is not a valid CRS"),
        ("site,soc_pct,x,y\na,1,2,3\n", {}, "1 rows; expected at least 2"),
        ("", {}, "not a readable table"),
    ],
)
def test_an_incomplete_or_ambiguous_table_is_refused(tmp_path, text, options, message):
    with pytest.raises(SamplesError, match=message):
        read_csv(tmp_path, text, **options)


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ([Point(0, 1), None, Point(4, 5)], "no geometry for b"),
        ([Point(0, 1), LineString([(0, 0), (1, 1)]), Point(4, 5)], r"LineString geometries \(b\)"),
        ([Point(0, 1), Point(2, 3).buffer(1), Point(4, 5)], r"Polygon geometries \(b\).*centroids"),
        ([Point(0, 1), MultiPoint([(2, 3), (4, 5)]), Point(4, 5)], r"MultiPoint geometries \(b\)"),
        ([Point(0, 1), Point(), Point(4, 5)], "no geometry for b"),
    ],
)
def test_geometries_other_than_points_are_refused(tmp_path, geometry, message):
    sites(geometry=geometry).to_parquet(tmp_path / "s.parquet")
    with pytest.raises(SamplesError, match=message):
        read_samples(tmp_path / "s.parquet", sample_id="site", columns=[])


@pytest.mark.parametrize("name", ["s.gpkg", "s.shp", "s.parquet"])
@pytest.mark.parametrize(
    "geometry",
    [
        [MultiPoint([p]) for p in [(0, 1), (2, 3), (4, 5)]],
        [Point(0, 1, 812.5), Point(2, 3, 7), Point(4, 5, np.nan)],
        [MultiPoint([(*p, 9)]) for p in [(0, 1), (2, 3), (4, 5)]],
        [GeometryCollection([Point(p)]) for p in [(0, 1), (2, 3), (4, 5)]],
    ],
    ids=["multi", "z", "multi_z", "collection"],
)
def test_a_point_with_a_height_or_in_a_collection_of_one_is_that_point(tmp_path, name, geometry):
    if name == "s.shp":  # has no collections, and no height of NaN
        geometry = [Point(2 * i, 2 * i + 1, 7) for i in range(3)] if geometry[0].geom_type != "MultiPoint" else geometry
    frame = sites(geometry=geometry)
    frame.to_parquet(tmp_path / name) if name == "s.parquet" else frame.to_file(tmp_path / name)
    found = read_samples(tmp_path / name, sample_id="site", columns=["soc_pct"])
    assert found.geometry.to_wkt().tolist() == ["POINT (0 1)", "POINT (2 3)", "POINT (4 5)"]
    assert found.crs == frame.crs


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        page = book.create_sheet(title)
        for row in rows:
            page.append(row)
    book.save(path)
    return path


SHEET = [
    ["site", "soc_pct", "x", "y", None],
    [7, 1.5, 13, 52.5, None],
    ["008", "2,05", 14.25, 53, None],
    [],
    [9, "#NV", 15, 54],
]


def test_a_workbook_is_read_with_text_as_excel_stores_it(tmp_path):
    path = workbook(tmp_path / "s.xlsx", empty=[], data=SHEET)
    found = read_samples(path, sample_id="site", columns=["soc_pct"], x="x", y="y", crs="EPSG:4326")
    assert found["site"].tolist() == ["7", "008", "9"]
    np.testing.assert_array_equal(found["soc_pct"], [1.5, 2.05, np.nan])
    assert found.geometry.to_wkt().tolist() == ["POINT (13 52.5)", "POINT (14.25 53)", "POINT (15 54)"]


@pytest.mark.parametrize("above", [[["Soil survey 2024"]], [["Soil survey"], [], ["by the second author"]]])
def test_the_title_above_a_table_of_a_workbook_is_not_its_header(tmp_path, above):
    path = workbook(tmp_path / "s.xlsx", data=[*above, *SHEET])
    assert read_table(path).equals(read_table(workbook(tmp_path / "plain.xlsx", data=SHEET)))
    narrow = workbook(tmp_path / "narrow.xlsx", data=[["id"], ["a", 1], ["b", 2]])
    assert read_table(narrow).columns.tolist() == ["id", "column_2"]


def test_a_sheet_is_named_where_several_have_cells(tmp_path):
    path = workbook(tmp_path / "s.xlsx", notes=[["made in May"]], data=SHEET)
    with pytest.raises(SamplesError, match=r"2 sheets with cells: notes, data.*key or option `layer`"):
        read_table(path)
    assert read_table(path, "data").columns.tolist() == ["site", "soc_pct", "x", "y"]
    with pytest.raises(SamplesError, match="no sheet soils; expected one of notes, data"):
        read_table(path, "soils")
    (tmp_path / "broken.xlsx").write_bytes(b"PK")
    with pytest.raises(SamplesError, match=r"broken.xlsx: not a readable table"):
        read_table(tmp_path / "broken.xlsx")
    (tmp_path / "old.xls").write_bytes(b"")
    with pytest.raises(SamplesError, match=r"save it as .xlsx or .csv"):
        read_table(tmp_path / "old.xls")


def test_binary_ids_of_parquet_are_text_and_broken_notes_of_pandas_do_not_matter(tmp_path):
    columns = {"site": pa.array([b"a", b"b"]), "soc_pct": [1.0, 2.0]}
    table = pa.table(columns).replace_schema_metadata({"pandas": "{broken"})
    pq.write_table(table, tmp_path / "s.parquet")
    assert read_table(tmp_path / "s.parquet")["site"].tolist() == ["a", "b"]
    pq.write_table(table.replace_schema_metadata({"geo": "{broken"}), tmp_path / "g.parquet")
    with pytest.raises(SamplesError, match=r"g.parquet: not a readable table"):
        read_table(tmp_path / "g.parquet")


def test_axes_in_the_other_order_are_no_contradiction(tmp_path):
    sites().set_crs("OGC:CRS84", allow_override=True).to_parquet(tmp_path / "s.parquet")
    assert len(read_samples(tmp_path / "s.parquet", sample_id="site", columns=[], crs="EPSG:4326")) == 3


def test_a_crs_is_needed_once_and_must_not_contradict_the_file(tmp_path):
    sites().to_parquet(tmp_path / "with.parquet")
    sites().set_crs(None, allow_override=True).to_parquet(tmp_path / "without.parquet")
    with pytest.raises(SamplesError, match="no CRS"):
        read_samples(tmp_path / "without.parquet", sample_id="site", columns=[])
    found = read_samples(tmp_path / "without.parquet", sample_id="site", columns=[], crs="EPSG:32633")
    assert found.crs.to_epsg() == 32633
    with pytest.raises(SamplesError, match="expected EPSG:4326, as specified"):
        read_samples(tmp_path / "with.parquet", sample_id="site", columns=[], crs="EPSG:4326")


def test_a_file_of_several_layers_needs_the_name_of_one(tmp_path):
    for layer in ("first", "second"):
        sites().to_file(tmp_path / "s.gpkg", layer=layer)
    with pytest.raises(SamplesError, match="2 layers: first, second; expected the name of one"):
        read_samples(tmp_path / "s.gpkg", sample_id="site", columns=[])
    assert len(read_samples(tmp_path / "s.gpkg", sample_id="site", columns=[], layer="second")) == 3


def test_files_that_are_not_tables_are_reported_in_one_line(tmp_path):
    (tmp_path / "s.gpkg").write_text("no database")
    for name, message in (("absent.csv", "no such file"), ("s.gpkg", "not a readable table")):
        with pytest.raises(SamplesError, match=message) as raised:
            read_samples(tmp_path / name, sample_id="site", columns=[])
        assert "\n" not in str(raised.value)


def test_the_real_meuse_points_are_read():
    path = shared("data/rasters/meuse/meuse_points.gpkg")
    found = read_samples(path, sample_id="sample", columns=["dist_river_m"])
    assert len(found) == 155 and found["dist_river_m"].tolist()[:2] == [50, 30] and found.crs.to_epsg() == 28992
