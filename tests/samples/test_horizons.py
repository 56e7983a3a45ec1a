"""Tables of horizons: every format alike, every fault with the id of its profile and the way out."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import LineString, Point
from shared_material import shared

from geosoil.errors import SamplesError
from geosoil.samples.horizons import read_horizons

HEADER = "profile_id,x,y,top_cm,bottom_cm,soc_pct,clay_pct\n"
GOOD = "a,13.0,52.0,0,10,2.5,20\na,13.0,52.0,10,30,1.0,25\nb,13.1,52.1,0,20,2.0,22\n"


def read_csv(folder, text, **options):
    (folder / "h.csv").write_text(text)
    return read_horizons(folder / "h.csv", **{"crs": "EPSG:4326", "properties": ["soc_pct", "clay_pct"], **options})


@pytest.mark.parametrize("name", ["h.csv", "h.parquet", "geo.parquet", "h.gpkg"])
def test_every_format_gives_the_same_horizons(tmp_path, name):
    frame = pd.DataFrame(
        {
            "pit": ["p1", "p2", "p1"],
            "east": [500_000.0, 500_100, 500_000],
            "north": [5_800_000.0, 5_800_100, 5_800_000],
            "upper": [10.0, 0, 0],
            "lower": [30.0, 7.5, 10],
            "soc_pct": [1.0, np.nan, 2.5],
        }
    )
    options = {"crs": "EPSG:32633"}
    points = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["east"], frame["north"]), crs="EPSG:32633")
    if name == "h.csv":
        frame.to_csv(tmp_path / name, index=False)
    elif name == "h.parquet":
        frame.to_parquet(tmp_path / name)
    elif name == "geo.parquet":
        points.to_parquet(tmp_path / name)
        options = {}
    else:
        points.to_file(tmp_path / name)
        options = {}
    found = read_horizons(
        tmp_path / name, profile_id="pit", x="east", y="north", top_cm="upper", bottom_cm="lower", **options,
        properties=["soc_pct"],
    )  # fmt: skip
    np.testing.assert_array_equal(found.table, [[0, 0, 10, 2.5], [0, 10, 30, 1.0], [1, 0, 7.5, np.nan]])
    assert found.sites["pit"].tolist() == ["p1", "p2"]
    assert [(p.x, p.y) for p in found.sites.geometry] == [(500_000, 5_800_000), (500_100, 5_800_100)]
    assert found.sites.crs == "EPSG:32633" and found.notes == []


FAULTS = {
    "c,13,52,0,10,1,20\nc,13,52,8,20,1,20\n": "horizons that overlap: c (correct the depths)",
    "c,13,52,0,90,1,20\nc,13,52,10,20,1,20\nc,13,52,30,40,1,20\n": "horizons that overlap: c",
    "c,13,52,10,0,1,20\n": "top below bottom: c (swap the two depths)",
    "c,13,52,0,10,1,20\nc,13,52,10,10,1,20\n": "no thickness: c",
    "c,13,52,0,10,1,20\nc,13,52,0,10,1.1,20\n": "a horizon twice: c",
    "c,13,52,-5,0,30,\nc,13,52,0,10,1,20\n": "depths above zero, as of an organic layer: c (count depths downward",
    "c,13,52,5,0,30,\nc,13,52,0,10,1,20\n": "an organic layer counted upward from 0: c (count depths downward",
    "c,13,52,8,5,40,\nc,13,52,5,0,30,\nc,13,52,0,10,1,20\n": "an organic layer counted upward from 0: c",
    "c,13,52,,10,1,20\n": "no depth: c (give both depths)",
    "c,13,52,0,1o,1,20\n": "no number in bottom_cm ('1o'): c",
    "c,13,52,0,10,<0.1,20\n": "no number in soc_pct ('<0.1'): c (correct or empty the cell)",
    "c,13,52,0,10,inf,20\n": "no number in soc_pct ('inf'): c",
    "c,13,52,0,10,1,-9999\n": "-9999 in clay_pct, a code for no data: c (empty the cell)",
    "c,13,52,0,10,1,20\nc,14,52,10,20,1,20\n": "two places: c",
    "c,,52,0,10,1,20\n": "no place: c",
    "c,east,52,0,10,1,20\n": "no number in x ('east'): c",
}


@pytest.mark.parametrize("rows", FAULTS, ids=FAULTS.values())
def test_a_fault_stops_with_the_id_and_the_way_out_or_drops_its_whole_profile(tmp_path, rows):
    with pytest.raises(SamplesError) as caught:
        read_csv(tmp_path, HEADER + GOOD + rows)
    message = str(caught.value)
    assert FAULTS[rows] in message and "1 of 3 profiles with faults" in message
    assert '--on-error drop' in message and "\n" not in message  # fmt: skip
    found = read_csv(tmp_path, HEADER + rows + GOOD, on_error="drop")
    assert found.sites["profile_id"].tolist() == ["a", "b"]
    assert found.table["soc_pct"].tolist() == [2.5, 1.0, 2.0] and found.table["profile"].tolist() == [0, 0, 1]
    assert (
        len(found.notes) == 1
        and found.notes[0].startswith("dropped 1 of 3 profiles")
        and FAULTS[rows] in found.notes[0]
    )


def test_many_faults_are_all_told_with_at_most_five_ids_each(tmp_path):
    bad = "".join(f"q{i},13,52,0,10,1,20\nq{i},13,52,5,15,x,20\n" for i in range(7))
    with pytest.raises(SamplesError, match="7 of 9 profiles") as caught:
        read_csv(tmp_path, HEADER + GOOD + bad)
    assert str(caught.value).count("q0, q1, q2, q3, q4 and 2 more") == 2


def test_when_no_profile_is_without_fault_there_is_nothing_to_drop_to(tmp_path):
    with pytest.raises(SamplesError, match=r"1 of 1 profiles.*correct them$"):
        read_csv(tmp_path, HEADER + "c,13,52,0,10,1,20\nc,13,52,5,20,1,20\n", on_error="drop")


def test_an_empty_cell_leaves_out_that_property_and_nothing_else(tmp_path):
    found = read_csv(tmp_path, HEADER + "a,13,52,0,10,,20\na,13,52,10,30,1.0,\nb,13,52,0,20,2,22\n")
    np.testing.assert_array_equal(found.table[["soc_pct", "clay_pct"]], [[np.nan, 20], [1, np.nan], [2, 22]])


def test_a_missing_surface_is_a_note(tmp_path):
    found = read_csv(tmp_path, HEADER + GOOD + "c,13,52,12,20,1,20\n")
    assert found.notes == [
        "1 of 3 profiles begin below the surface; the soil above is unknown: c",
    ]


def test_without_names_every_column_of_numbers_is_a_property_and_the_rest_is_noted(tmp_path):
    text = "profile_id,x,y,lon,top_cm,bottom_cm,colour,soc_pct\na,13,52,13,0,10,10YR,2\nb,13,52,13,0,10,5YR,\n"
    found = read_csv(tmp_path, text, properties=None)
    assert found.properties == ["soc_pct"] and found.notes == ["took soc_pct; left out, as text: colour"]
    # A column of numbers with a few words in it is a fault, not a column of text.
    with pytest.raises(SamplesError, match="no number in soc_pct"):
        read_csv(tmp_path, text + "c,13,52,13,0,10,5YR,1\nd,13,52,13,0,10,5YR,trace\n", properties=None)
    with pytest.raises(SamplesError, match="only ids, places, depths and text"):
        read_csv(tmp_path, "profile_id,x,y,top_cm,bottom_cm,colour\na,13,52,0,10,10YR\n", properties=None)


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (HEADER + "a,13,52,10,0,2,20\na,13,52,30,10,1,20\nb,13,52,20,0,2,2\n", {}, "top_cm below bottom_cm in every"),
        (HEADER + "a,13,52,0,-10,2,20\na,13,52,-10,-30,1,20\n", {}, "heights, counted upward"),
        (HEADER + "a,13,52,0,0.1,2,20\na,13,52,0.1,1.3,1,20\n", {}, "look like metres"),
        (HEADER + GOOD, {"properties": ["socpct"]}, 'column "socpct" is missing.*did you mean soc_pct?'),
        (HEADER + GOOD, {"top_cm": "top"}, 'column "top" is missing.*did you mean top_cm?'),
        (HEADER + GOOD, {"crs": None}, "no CRS for the columns x and y"),
        (HEADER + GOOD, {"crs": "EPSG:none"}, "'EPSG:none' is not a valid CRS"),
        (HEADER + GOOD, {"crs": "EPSG:32633"}, "look like degrees.*expected metres"),
        (HEADER + "a,500000,5800000,0,10,2,20\n", {}, "look like metres.*expected degrees"),
        (HEADER + GOOD + ",13,52,0,10,2,20\n", {}, r"no profile_id in row 4 \(1 such rows\)"),
        (HEADER, {}, "no rows"),
        ("", {}, "not a readable table"),
    ],
)
def test_a_table_that_would_be_silently_wrong_is_refused(tmp_path, text, options, said):
    for on_error in ("stop", "drop"):
        with pytest.raises(SamplesError, match=said):
            read_csv(tmp_path, text, **options, on_error=on_error)


def test_swapped_columns_can_be_named_the_other_way_round(tmp_path):
    swapped = HEADER.replace("top_cm,bottom_cm", "bottom_cm,top_cm") + GOOD
    with pytest.raises(SamplesError, match=r"the two columns are swapped.*--top bottom_cm --bottom top_cm"):
        read_csv(tmp_path, swapped)
    found = read_csv(tmp_path, swapped, top_cm="bottom_cm", bottom_cm="top_cm")
    assert found.table["bottom_cm"].tolist() == [10, 30, 20]


def test_depths_that_touch_up_to_rounding_do_not_overlap(tmp_path):
    rows = f"a,13,52,0,{0.1 + 0.2},1,20\na,13,52,0.3,40,1,20\n"
    assert len(read_csv(tmp_path, HEADER + rows).table) == 2


def test_a_geometry_that_is_missing_or_no_point_is_a_fault_of_its_profile(tmp_path):
    shapes = [Point(13, 52), None, LineString([(13, 52), (14, 52)])]
    frame = {"profile_id": ["a", "b", "c"], "top_cm": [0, 0, 0], "bottom_cm": [9, 9, 9], "soc_pct": [1.0, 2, 3]}
    gpd.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4326").to_file(tmp_path / "h.gpkg")
    with pytest.raises(SamplesError, match=r"no place: b, c \(give a point in each row\)"):
        read_horizons(tmp_path / "h.gpkg")
    assert read_horizons(tmp_path / "h.gpkg", on_error="drop").sites["profile_id"].tolist() == ["a"]


def test_the_real_horizons_of_edgeroi_are_read_as_their_readme_counts_them():
    path = shared("data/rasters/edgeroi/edgeroi_horizons.parquet")
    found = read_horizons(path, crs="EPSG:28355", properties=["soc_pct", "clay_pct"])
    measured = found.table.dropna(subset="soc_pct")
    assert (len(found.table), len(found.sites)) == (2338, 359)
    assert (len(measured), measured["profile"].nunique()) == (2089, 325)


@pytest.mark.parametrize(
    "row", ["a,13,52,30,,,", "a,13,52,30,30,,", "a,13,52,-5,0,,", "a,,,30,99,,", "a,13,52,60,>99,,", "a,13,52,5,25,,"]
)
def test_a_horizon_without_an_analysis_does_not_matter(tmp_path, row):
    clean = "a,13,52,0,10,1.5,20\na,13,52,10,30,1.0,25\nb,13.1,52,0,20,2,22\n"
    expected = read_csv(tmp_path, HEADER + clean)
    found = read_csv(tmp_path, HEADER + clean + row + "\n")
    analysed = found.table.dropna(subset=found.properties, how="all").reset_index(drop=True)
    pd.testing.assert_frame_equal(analysed, expected.table)
    assert found.sites.equals(expected.sites)
    with pytest.raises(SamplesError, match="1 of 2 profiles with faults"):
        read_csv(tmp_path, HEADER + clean + row[:-1] + "3,\n")
