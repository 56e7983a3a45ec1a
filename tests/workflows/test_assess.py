"""`geosoil assess`: known errors of a synthetic map come back, by part of the map; what is missing is named."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from written_rasters import TRANSFORM, UTM, write_raster

from geosoil.workflows.assess import assess_map

pytestmark = pytest.mark.usefixtures("without_pictures")

SIDE = 20
ZINC = ("--target", "zn_mg_kg")
STRATIFIED = (*ZINC, "--design", "stratified", "--strata")
ERRORS = {"west": 2.0, "east": -4.0}  # of the map, mg/kg


@pytest.fixture
def site(tmp_path):
    """A map that is 2 too high in the west and 4 too low in the east, its trust raster, strata, and points."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 100, (SIDE, SIDE)).astype("float32")
    west = np.arange(SIDE) < SIDE // 4
    soil = truth + np.where(west, ERRORS["west"], ERRORS["east"]).astype("float32")
    soil[0, 0] = np.nan
    write_raster(tmp_path / "zn.tif", soil[None], descriptions=["zn_mg_kg"], nodata=np.nan)
    with rasterio.open(tmp_path / "zn.tif", "r+") as file:
        file.set_band_unit(1, "mg/kg")
    inside = np.broadcast_to(west, soil.shape).astype("float32")
    bounds = np.stack([soil - 3, soil + 3, np.zeros_like(soil), np.zeros_like(soil), inside])
    names = ["lower", "upper", "dissimilarity", "density", "inside"]
    write_raster(tmp_path / "zn_trust.tif", bounds, descriptions=names, nodata=np.nan)
    codes = np.where(west, 1, 2).astype("uint8")
    write_raster(tmp_path / "strata.tif", np.broadcast_to(codes, (1, SIDE, SIDE)).copy())
    rows, columns = np.divmod(np.arange(0, SIDE * SIDE, 3), SIDE)
    x, y = TRANSFORM @ (columns + 0.5, rows + 0.5)
    points = gpd.GeoDataFrame(
        {
            "sample_id": [f"P{k}" for k in range(len(rows))],
            "zn_mg_kg": truth[rows, columns].astype(float),
            "zone": np.where(west[columns], 1, 2),
            "ha": np.where(west[columns], 9.0, 27.0),
        },
        geometry=gpd.points_from_xy(x, y),
        crs=UTM,
    )
    points.to_file(tmp_path / "points.gpkg", driver="GPKG", engine="pyogrio")
    return tmp_path


def figure(table, name, part="whole map"):
    return table[(table.part == part) & table.figure.str.startswith(name)].iloc[0]


def change_points(site, change):
    points = gpd.read_file(site / "points.gpkg")
    changed = change(points)
    changed.to_file(site / "changed.gpkg", driver="GPKG", engine="pyogrio")
    return site / "changed.gpkg"


def test_known_errors_and_coverage_come_back_inside_and_outside_the_area(site):
    result = assess_map(site / "zn.tif", site / "points.gpkg", target="zn_mg_kg", design="random")
    table = result.table
    for part, zone in (("inside the area", "west"), ("outside the area", "east")):
        assert figure(table, "bias", part).estimate == pytest.approx(ERRORS[zone], abs=1e-4)
        assert figure(table, "rmse", part).estimate == pytest.approx(abs(ERRORS[zone]), abs=1e-4)
        assert figure(table, "bias", part).standard_error < 1e-4
        assert figure(table, "mean width", part).estimate == pytest.approx(6, abs=1e-4)
    assert figure(table, "coverage of 90 %", "inside the area").estimate == 1  # an error of 2 within 3
    assert figure(table, "coverage of 90 %", "outside the area").estimate == 0  # an error of 4 is not
    n = result.points.inside.value_counts()
    assert figure(table, "share inside").estimate == pytest.approx(n[1] / n.sum())
    assert figure(table, "bias").estimate == pytest.approx((2 * n[1] - 4 * n[0]) / n.sum(), abs=1e-4)
    assert set(table[table.figure.isin(["rmse", "bias"])].unit) == {"mg/kg"}


@pytest.mark.parametrize("areas", ["ha", "strata.tif"])
def test_a_stratified_sample_counts_by_area_from_a_column_or_a_raster(site, monkeypatch, areas):
    monkeypatch.chdir(site)
    path = change_points(site, lambda points: pd.concat([points[points.zone == 1], points[points.zone == 2][:9]]))
    options = {"target": "zn_mg_kg", "design": "stratified", "strata": "zone"}
    result = assess_map("zn.tif", path, **options, areas=areas)
    # One of the points of the first stratum is on no data, so that this stratum has a little less mapped area.
    n = int((gpd.read_file(path).zone == 1).sum())
    mapped = 0.25 * (n - 1) / n
    expected = (mapped * 2 - 0.75 * 4) / (mapped + 0.75)
    assert figure(result.table, "bias").estimate == pytest.approx(expected, abs=1e-4)
    assert "design-based" in result.summary()


def test_points_off_the_map_on_no_data_and_without_a_value_are_counted_and_named(site):
    def change(points):
        points.loc[5, "zn_mg_kg"] = np.nan
        points.loc[7, "geometry"] = points.geometry[7].__class__(0, 0)
        return points

    result = assess_map(site / "zn.tif", change_points(site, change), target="zn_mg_kg")
    assert result.left_out == {
        "without a value of the target": ["P5"],
        "outside the map": ["P7"],
        "on no data of the map": ["P0"],
    }
    assert figure(result.table, "r2").n == len(result.points) == 131
    assert any("1 of 134 points outside the map: P7" in note for note in result.notes)
    assert "not design-based" in result.summary()


def test_points_in_degrees_and_in_a_table_give_the_same_figures(site):
    points = gpd.read_file(site / "points.gpkg").to_crs("EPSG:4326")
    table = pd.DataFrame(points.drop(columns="geometry")).assign(lon=points.geometry.x, lat=points.geometry.y)
    table.to_csv(site / "points.csv", index=False)
    first, second = (
        assess_map(site / "zn.tif", site / name, target="zn_mg_kg") for name in ("points.gpkg", "points.csv")
    )
    pd.testing.assert_frame_equal(first.table, second.table)
    assert "reprojected" in second.notes[0]


def test_the_bands_of_a_target_are_taken_before_those_without_a_name(site):
    with rasterio.open(site / "zn_trust.tif") as file:
        lower, upper = file.read([1, 2])
    names = ["cu_mg_kg lower", "cu_mg_kg upper", "zn_mg_kg lower", "zn_mg_kg upper"]
    write_raster(site / "both.tif", np.stack([lower, lower, lower - 2, upper + 2]), descriptions=names, nodata=np.nan)
    options = {"target": "zn_mg_kg", "trust": site / "both.tif", "level": 0.95}
    result = assess_map(site / "zn.tif", site / "points.gpkg", **options)
    assert figure(result.table, "coverage of 95 %").estimate == 1
    assert set(result.table.part) == {"whole map"}


def test_the_level_of_the_intervals_is_the_one_that_the_trust_raster_states(site, geosoil, monkeypatch):
    monkeypatch.chdir(site)
    with rasterio.open("zn_trust.tif", "r+") as file:
        file.update_tags(GEOSOIL_LEVEL="0.8")
    words = ("assess", "zn.tif", "points.gpkg", *ZINC)
    assert "coverage of 80 % intervals" in geosoil(*words).out
    code, line, _ = geosoil(*words, "--level", "0.9")
    assert (code, line.count("\n")) == (2, 1)
    assert "found 0.9; expected 0.8, which zn_trust.tif states" in line
    with rasterio.open("zn_trust.tif", "r+") as file:
        file.update_tags(GEOSOIL_LEVEL="high")
    assert geosoil(*words).code == 2


def test_the_command_writes_figures_and_a_report(site, geosoil, monkeypatch):
    monkeypatch.chdir(site)
    words = ("assess", "zn.tif", "points.gpkg", "--target", "zn_mg_kg")
    done = geosoil(*words, "-o", "out.json")
    assert done.code == 0, done.err
    assert "1 of 134 points on no data of the map: P0" in done.out
    stated = json.loads((site / "out.json").read_text())
    assert (stated["design"], stated["left_out"]) == ("purposive", {"on no data of the map": ["P0"]})
    assert geosoil(*words, "-o", "out.csv").code == 0
    written = pd.read_csv(site / "out.csv")
    assert written.estimate.tolist() == pytest.approx([row["estimate"] for row in stated["figures"]], rel=1e-5)
    page = (site / "out.html").read_text()
    assert "not design-based" in page
    assert "Points left out" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "zn"), 'column "zn" is missing'),
        (("--target", "ha", "--band", "cu"), "no band cu"),
        (("--target", "zn_pct"), "mg/kg in the map; expected %"),
        (STRATIFIED[:-1], "no strata"),
        ((*STRATIFIED, "zone"), "no areas of the strata"),
        ((*ZINC, "--strata", "zone"), "strata for a purposive sample"),
        ((*STRATIFIED, "zone", "--areas", "sample_id"), "column sample_id"),
        ((*STRATIFIED, "sample_id", "--areas", "ha"), "one point in stratum"),
        ((*STRATIFIED, "zone", "--areas", "zn.tif"), "no area of stratum"),
        ((*STRATIFIED, "zone", "--areas", "none"), '"none" is missing'),
        ((*ZINC, "--level", "90"), "larger than 0 and smaller than 1"),
        ((*ZINC, "--trust", "strata.tif"), "bands named lower, upper or inside"),
        ((*ZINC, "--trust", "none.tif"), "none.tif"),
        ((*ZINC, "-o", "out.xlsx"), "ending .xlsx"),
        ((*ZINC, "-o", "none/out.csv"), "the folder"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_nothing(site, geosoil, monkeypatch, words, message):
    monkeypatch.chdir(site)
    path = change_points(site, lambda points: points.assign(zn_pct=1.0))
    before = sorted(site.iterdir())
    code, line, out = geosoil("assess", "zn.tif", path, *words)
    assert (code, line.count("\n"), out) == (2, 1, ""), line
    assert message in line
    assert sorted(site.iterdir()) == before


def test_points_that_all_lie_elsewhere_are_refused_with_their_number(site, geosoil):
    path = change_points(site, lambda points: points.set_geometry(points.geometry.translate(1e5, 0)))
    code, line, _ = geosoil("assess", site / "zn.tif", path, "--target", "zn_mg_kg")
    assert (code, line.count("\n")) == (2, 1)
    assert "134 of 134 points outside the map" in line
