"""Standard depths of whole tables: columns a study finds again, and nothing silent about what is missing."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import OutputError, RecipeError, SamplesError
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM, layer_means
from geosoil.samples.depths import Horizons, carbon_density, harmonise, layer_columns, read_horizons, write_sites


def horizons(rows, properties=("soc_pct",)):
    """Make horizons from rows (profile, top, bottom, *values)."""
    table = pd.DataFrame(rows, columns=["profile", "top_cm", "bottom_cm", *properties]).astype({"profile": int})
    n = table["profile"].max() + 1
    places = gpd.points_from_xy(13 + 0.1 * np.arange(n), np.full(n, 52.0))
    sites = gpd.GeoDataFrame({"id": [f"p{i}" for i in range(n)]}, geometry=places, crs="EPSG:4326")
    return Horizons(sites, "id", table, list(properties), [])


DEEP = [(0, 0, 10, 3.0), (0, 10, 40, 1.0), (0, 40, 200, 0.5)]


def test_a_site_has_a_column_for_each_property_and_layer_with_its_coverage():
    found = harmonise(horizons([*DEEP, (1, 0, 20, 2.0)])).sites
    names = [f"soc_pct_{top}_{bottom}" for top, bottom in STANDARD_LAYERS_CM]
    assert found.columns.tolist() == ["id", *names, *(n.replace("pct_", "pct_coverage_") for n in names), "geometry"]
    assert [column for column, _, _ in layer_columns(found.columns, "soc_pct")] == names
    top, bottom, y = (np.array([row[i] for row in DEEP], float) for i in (1, 2, 3))
    np.testing.assert_allclose(
        found.loc[0, names].to_numpy(float), layer_means(top, bottom, y, np.zeros(3, int)).mean[0]
    )
    np.testing.assert_allclose(found.loc[1, names[:2]].to_numpy(float), 2.0)
    assert found.crs == "EPSG:4326" and found.geometry.x.tolist() == [13.0, 13.1]


def test_a_layer_covered_too_little_is_nan_and_its_coverage_stays():
    rows = horizons([*DEEP, (1, 0, 20, 2.0)])
    found = harmonise(rows)
    assert found.sites["soc_pct_coverage_15_30"].tolist() == pytest.approx([1, 1 / 3])
    assert np.isnan(found.sites["soc_pct_15_30"][1])
    assert "soc_pct: set to no data where less than 50% of the layer is covered: 1 at 15-30 cm" in found.notes
    assert harmonise(rows, min_coverage=0.3).sites["soc_pct_15_30"][1] == pytest.approx(2.0)
    half = harmonise(horizons([(0, 0, 10, 2.0)]), layers_cm=[(0, 20)], min_coverage=0.5)
    assert half.sites["soc_pct_0_20"].tolist() == [2.0]


def test_a_value_missing_in_one_property_changes_nothing_in_another():
    both = horizons([(0, 0, 10, 3.0, 20.0), (0, 10, 40, np.nan, 25.0), (0, 40, 90, 1.0, 30.0)], ("soc_pct", "clay_pct"))
    found = harmonise(both)
    clay = harmonise(horizons([(0, 0, 10, 20.0), (0, 10, 40, 25.0), (0, 40, 90, 30.0)], ("clay_pct",)))
    columns = [column for column, _, _ in layer_columns(found.sites.columns, "clay_pct")]
    pd.testing.assert_frame_equal(found.sites[columns], clay.sites[columns])
    # The horizon without carbon is a gap: bridged, and said.
    np.testing.assert_allclose(found.sites["soc_pct_coverage_15_30"], 1.0)
    assert any(note.startswith("soc_pct: 33% of the depth between first and last horizon") for note in found.notes)
    assert not any(note.startswith("clay_pct: 33%") for note in found.notes)


def test_a_depth_without_data_is_a_column_of_nan_and_a_note():
    found = harmonise(horizons([(0, 0, 40, 2.0), (1, 0, 30, np.nan)]))
    assert found.sites["soc_pct_100_200"].isna().all()
    assert "soc_pct: no profile has a value at 30-60 cm, 60-100 cm, 100-200 cm" in found.notes
    assert "soc_pct: 1 of 2 profiles have no value" in found.notes
    assert found.summary().splitlines()[-1].split() == ["soc_pct", "100-200", "0", "-", "-", "-", "-"]
    with pytest.raises(SamplesError, match="no value of soc_pct in any layer"):
        harmonise(horizons([(0, 0, 40, np.nan)]))


def test_undershoot_is_counted_and_never_clipped_unasked():
    rows = horizons([(0, 0, 10, 9.0), (0, 10, 20, 0.1), (0, 20, 40, 0.1), (0, 40, 80, 0.1)])
    found = harmonise(rows)
    assert found.sites["soc_pct_15_30"][0] == pytest.approx(-0.42088930920287504)
    assert any(note.startswith("soc_pct: undershoot: 1 layer means below 0 (least -0.421)") for note in found.notes)
    assert "soc_pct: 3 of 5 layer means lie outside the range of their profile's horizons, by up to 1.03" in found.notes
    clipped = harmonise(rows, clip=(0, 100))
    assert clipped.sites["soc_pct_15_30"][0] == 0 and not any("undershoot" in note for note in clipped.notes)
    # A property that is negative by nature (a z-score, CIELAB a*) undershoots nothing.
    negative = harmonise(horizons([(0, 0, 10, -2.0), (0, 10, 60, -1.0)]))
    assert not any("below 0" in note for note in negative.notes)


def test_the_summary_is_a_line_for_each_property_and_layer():
    lines = harmonise(horizons([*DEEP, (1, 0, 20, 2.0)]), layers_cm=[(0, 7.5), (7.5, 30)]).summary().splitlines()
    assert lines[0].split() == ["property", "layer", "cm", "n", "mean", "min", "max", "coverage"]
    assert [line.split()[:3] for line in lines[1:]] == [["soc_pct", "0-7.5", "2"], ["soc_pct", "7.5-30", "2"]]
    assert float(lines[2].split()[-1]) == pytest.approx((1 + 12.5 / 22.5) / 2, abs=1e-3)


def test_settings_that_make_no_sense_are_refused():
    for options, said in (({"min_coverage": 50}, "min_coverage 50"), ({"layers_cm": [(5, 5)]}, "0 <= top < bottom")):
        with pytest.raises(RecipeError, match=said):
            harmonise(horizons(DEEP), **options)


def test_carbon_density_is_measured_carbon_times_measured_density_of_the_fine_earth():
    rows = [(0, 0, 10, 2.0, 1.25, 20.0), (0, 10, 40, 1.0, np.nan, 0.0)]
    table = horizons(rows, ("soc_pct", "bulk_density_g_cm3", "stones_vol_pct"))
    found = carbon_density(table, coarse_fragments="stones_vol_pct")
    # 20 g/kg x 1250 kg/m3 = 25 kg/m3 of fine earth, a fifth of the volume is stones
    np.testing.assert_allclose(found.table["soc_kg_m3"], [20.0, np.nan])
    assert found.properties[-1] == "soc_kg_m3" and "soc_kg_m3" not in table.table
    assert found.notes == ["soc_kg_m3 was computed from soc_pct, bulk_density_g_cm3 and stones_vol_pct"]
    grams = table.table.assign(soc_g_kg=table.table["soc_pct"] * 10).drop(columns="soc_pct")
    same = carbon_density(Horizons(table.sites, "id", grams, [], []), coarse_fragments="stones_vol_pct")
    np.testing.assert_allclose(same.table["soc_kg_m3"], found.table["soc_kg_m3"])
    assert carbon_density(table).table["soc_kg_m3"][0] == pytest.approx(25.0)


@pytest.mark.parametrize(
    ("properties", "values", "options", "said"),
    [
        (
            ("soc_pct",),
            (2.0,),
            {},
            "the column bulk_density_g_cm3 is missing; .*measured bulk density: geosoil guesses none",
        ),
        (("bulk_density_g_cm3",), (1.2,), {}, "the column soc_g_kg or soc_pct is missing"),
        (("soc_pct", "bulk_density_g_cm3"), (2.0, 1200.0), {}, "bulk_density_g_cm3 from 1200 to 1200.*kg/m3 / 1000"),
        (("soc_pct", "bulk_density_g_cm3"), (2.0, 1.2), {"coarse_fragments": "stones"}, "the column stones is missing"),
    ],
)
def test_carbon_density_is_never_guessed(properties, values, options, said):
    with pytest.raises(SamplesError, match=said):
        carbon_density(horizons([(0, 0, 10, *values)], properties), **options)


def test_layer_columns_of_one_property_never_take_another_and_come_by_depth():
    columns = ["soc_pct_100_200", "soc_pct_0_5", "soc_pct_7.5_15", "soc_pct_coverage_0_5", "soc_0_5", "ph_1_5_0_5"]
    assert layer_columns(columns, "soc_pct") == [
        ("soc_pct_0_5", 0, 5), ("soc_pct_7.5_15", 7.5, 15), ("soc_pct_100_200", 100, 200),
    ]  # fmt: skip
    assert layer_columns(columns, "ph_1_5") == [("ph_1_5_0_5", 0, 5)]
    assert layer_columns(columns, "clay_pct") == []


def test_sites_are_read_back_as_they_were_written_and_nothing_else_is_left(tmp_path):
    result = harmonise(horizons([*DEEP, (1, 0, 20, 2.0)]))
    write_sites(result, tmp_path / "sites.gpkg")
    assert [path.name for path in tmp_path.iterdir()] == ["sites.gpkg"]
    back = gpd.read_file(tmp_path / "sites.gpkg", layer="sites")
    pd.testing.assert_frame_equal(back[result.sites.columns], result.sites, check_dtype=False)
    assert back.crs == result.sites.crs
    with pytest.raises(OutputError, match=r"expected \.gpkg"):
        write_sites(result, tmp_path / "sites.csv")


def test_the_published_splines_of_edgeroi_are_ours_times_a_bulk_density_that_rises_with_depth():
    folder = shared("data/rasters/edgeroi")
    published = gpd.read_file(folder / "edgeroi_soc_depths.gpkg")
    found = harmonise(read_horizons(folder / "edgeroi_horizons.parquet", crs="EPSG:28355", properties=["soc_g_kg"]))
    ours = found.sites.assign(key=found.sites["profile_id"].str.extract(r"EDGEROI_(ed\d+)_")[0])
    both = published.merge(ours.drop(columns="geometry"), left_on="profile_id", right_on="key")
    assert len(both) == 317
    ratios = []
    for top, bottom in STANDARD_LAYERS_CM:
        pair = both[[f"soc_{top}_{bottom}_kg_m3", f"soc_g_kg_{top}_{bottom}"]].dropna()
        assert len(pair) > 280
        assert pair.corr(method="spearman").iloc[0, 1] > (0.85 if top < 15 else 0.94)
        ratios.append((pair.iloc[:, 0] / pair.iloc[:, 1]).median())
    # kg/m3 over g/kg is g/cm3. The published ones start from other intervals (0-10, 10-20, 30-40, .. cm).
    assert 1.15 < ratios[0] < 1.3 and 1.45 < ratios[-1] < 1.65
    assert np.all(np.diff(ratios) > -0.02)


def test_every_auger_of_ebergoetzen_keeps_its_mean_clay_and_what_none_reaches_is_said():
    path = shared("data/rasters/eberg/eberg_horizons.parquet")
    rows = read_horizons(path, crs="EPSG:31467", properties=["clay_pct"])
    found = harmonise(rows)
    counts = [found.sites[column].count() for column, _, _ in layer_columns(found.sites.columns, "clay_pct")]
    assert counts == [3667, 3669, 3412, 3097, 2625, 0]
    assert "clay_pct: no profile has a value at 100-200 cm" in found.notes
    # Hardly smoothed, a spline keeps the measured mean of 0-90 cm.
    thickness = rows.table["bottom_cm"] - rows.table["top_cm"]
    measured = (rows.table["clay_pct"] * thickness).groupby(rows.table["profile"]).sum(min_count=5) / 90
    whole = harmonise(rows, layers_cm=[(0, 90)], min_coverage=1, smoothing=1e-9).sites["clay_pct_0_90"]
    full = thickness.groupby(rows.table["profile"]).sum() == 90
    kept = full & measured.notna() & whole.notna()
    assert kept.sum() > 2000
    np.testing.assert_allclose(whole[kept], measured[kept], rtol=1e-6)


@pytest.mark.parametrize("clip", [(10, 0), (5, 5), (float("nan"), 1)])
def test_a_range_to_clip_to_must_rise(clip):
    with pytest.raises(RecipeError, match="the lower end first"):
        harmonise(horizons(DEEP), clip=clip)
