"""The synthetic soil landscape of sample_data/soc is what its README says, and its maker still makes it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import r2_score

SOC = Path(__file__).resolve().parents[2] / "sample_data" / "soc"
DEPTHS = ("0-5", "5-15", "15-30", "30-60", "60-100", "100-200")
ON_ANOTHER_GRID = ("precipitation_mm", "parent_material")
RASTERS = sorted(str(path.relative_to(SOC)) for path in SOC.rglob("*.tif"))


def read(path):
    with rasterio.open(path) as file:
        return file.read(masked=True).astype("float64").filled(np.nan) * file.scales[0]


def make(folder):
    command = [sys.executable, "-B", str(SOC / "make.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def made_again(tmp_path_factory):
    return make(tmp_path_factory.mktemp("soc"))


@pytest.fixture(scope="module")
def truth():
    return read(SOC / "truth.tif")


@pytest.fixture(scope="module")
def horizons():
    return pd.read_csv(SOC / "horizons.csv")


@pytest.fixture(scope="module")
def cells(horizons):
    """Row and column of each profile, in the order of its number."""
    first = horizons.groupby("profile_id").first()
    with rasterio.open(SOC / "truth.tif") as file:
        row, column = rasterio.transform.rowcol(file.transform, first["x_m"], first["y_m"])
    return np.asarray(row, dtype=int), np.asarray(column, dtype=int)


@pytest.fixture(scope="module")
def stack():
    names = [path.stem for path in sorted((SOC / "covariates").glob("*.tif")) if path.stem not in ON_ANOTHER_GRID]
    return {name: read(SOC / "covariates" / f"{name}.tif")[0] for name in names}


def layer_means(horizons, top_cm, bottom_cm):
    """Mean SOC of each profile over a layer, from the horizons that overlap it; NaN where they cover less than half."""
    overlap = (horizons["bottom_cm"].clip(upper=bottom_cm) - horizons["top_cm"].clip(lower=top_cm)).clip(lower=0)
    both = pd.DataFrame({"cm": overlap, "sum": overlap * horizons["soc_g_kg"]}).groupby(horizons["profile_id"]).sum()
    return (both["sum"] / both["cm"].where(both["cm"] >= 0.5 * (bottom_cm - top_cm))).to_numpy()


def test_the_files_stay_below_a_megabyte():
    assert sum(path.stat().st_size for path in SOC.rglob("*") if path.suffix in (".tif", ".csv")) < 1_000_000


@pytest.mark.parametrize("name", RASTERS)
def test_the_maker_makes_the_shipped_raster_again(made_again, name):
    # One step of rounding is left to other versions of the libraries; anything else would be another landscape.
    shipped, again = read(SOC / name), read(made_again / name)
    with rasterio.open(SOC / name) as a, rasterio.open(made_again / name) as b:
        assert (a.crs, a.dtypes, a.descriptions, a.units) == (b.crs, b.dtypes, b.descriptions, b.units)
        np.testing.assert_allclose(np.array(a.transform), np.array(b.transform), rtol=1e-12)
        step = a.scales[0] if a.dtypes[0] == "int16" else 1 / 64 if a.dtypes[0] == "float32" else 0
    np.testing.assert_allclose(shipped, again, rtol=0, atol=1.01 * step, equal_nan=True)
    assert (shipped == again)[~np.isnan(shipped)].mean() > 0.999


def test_the_maker_makes_the_shipped_tables_again(made_again, horizons):
    again = pd.read_csv(made_again / "horizons.csv")
    pd.testing.assert_frame_equal(horizons, again, rtol=0, atol=0.11)
    for name in ("land_use", "parent_material"):
        path = f"covariates/{name}_classes.csv"
        assert (SOC / path).read_text() == (made_again / path).read_text()


@pytest.mark.slow
def test_the_maker_writes_the_same_bytes_every_time(made_again, tmp_path):
    make(tmp_path)
    for path in (path for path in made_again.rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / path.relative_to(made_again)).read_bytes(), path.name


def test_the_truth_names_six_depths_of_soc_and_of_clay():
    with rasterio.open(SOC / "truth.tif") as file:
        assert (file.height, file.width, file.res, file.crs.to_epsg()) == (160, 160, (30.0, 30.0), 32650)
        assert list(file.descriptions) == [f"{what} {cm} cm" for what in ("SOC", "Clay") for cm in DEPTHS]
        assert list(file.units) == ["g/kg"] * 6 + ["%"] * 6
        assert "nothing was measured" in file.tags()["SYNTHETIC"]


def test_soc_falls_and_clay_rises_with_depth_in_every_cell(truth):
    land = np.isfinite(truth[0])
    assert (np.diff(truth[:6, land], axis=0) <= 0).all()
    assert (np.diff(truth[6:, land], axis=0) >= 0).all()
    assert 2 < truth[0, land].min() < truth[0, land].max() < 60
    assert truth[5, land].min() > 0
    assert truth[6:, land].min() >= 4
    assert truth[6:, land].max() < 60


def test_two_covariates_lie_on_other_grids_and_the_others_on_that_of_the_dem():
    grids = {}
    for name in RASTERS:
        with rasterio.open(SOC / name) as file:
            grids[Path(name).stem] = (file.crs.to_epsg(), file.transform, file.shape)
    others = {name for name, grid in grids.items() if grid != grids["dem"]}
    assert others == set(ON_ANOTHER_GRID)
    assert len(grids) == 16  # 14 covariates, the DEM, the truth
    assert grids["precipitation_mm"][0] == 4326
    assert grids["parent_material"][2] == (80, 80)


def test_the_lake_has_an_elevation_and_nothing_else(truth, stack):
    lake = np.isnan(truth[0])
    assert 50 < lake.sum() < 400
    elevation = read(SOC / "dem.tif")[0]
    assert np.isfinite(elevation).all()
    assert np.ptp(elevation[lake]) == 0
    for name, values in stack.items():
        assert (np.isnan(values) == lake).all() == (name != "brightness"), name
        assert np.isnan(values[lake]).all(), name
    assert 100 < np.isnan(stack["brightness"][~lake]).sum() < 1000


@pytest.mark.parametrize("name", ["land_use", "parent_material"])
def test_every_class_code_stands_in_its_table(name):
    codes = read(SOC / "covariates" / f"{name}.tif")
    table = pd.read_csv(SOC / "covariates" / f"{name}_classes.csv")
    assert list(table.columns) == ["code", "label"]
    assert set(np.unique(codes[np.isfinite(codes)])) == set(table["code"])


def test_one_pair_of_covariates_says_the_same_and_two_say_nothing(truth, stack):
    land = np.isfinite(truth[0])

    def r(a, b):
        return abs(np.corrcoef(a[land], b[land])[0, 1])

    assert r(stack["ndvi_mean"], stack["bare_soil_index"]) > 0.85
    for name in ("magnetic_anomaly_nt", "radar_speckle_db"):
        for layer in truth[:6]:
            assert r(stack[name], layer) < 0.05


def test_300_profiles_stand_on_300_cells_of_land(horizons, cells, truth):
    assert list(horizons.columns[:7]) == ["profile_id", "x_m", "y_m", "top_cm", "bottom_cm", "soc_g_kg", "clay_pct"]
    assert len(set(zip(*cells, strict=True))) == 300
    assert np.isfinite(truth[0][cells]).all()
    quarter = (cells[0] // 80) * 2 + cells[1] // 80
    assert np.bincount(quarter).min() > 40


def test_horizons_are_clean_and_irregular(horizons):
    assert (horizons["bottom_cm"] - horizons["top_cm"]).min() >= 1
    assert (horizons[["top_cm", "bottom_cm"]] * 2 % 1 == 0).all(axis=None)
    assert (horizons["top_cm"] % 1 == 0.5).any()
    profiles = horizons.groupby("profile_id")
    above = profiles["bottom_cm"].shift()
    assert (horizons["top_cm"] == above)[above.notna()].all()
    assert (profiles["top_cm"].min() > 0).sum() == 3
    assert profiles.size().min() == 1
    assert profiles.size().max() == 7
    assert (profiles.size() == 2).sum() >= 5
    assert (profiles["bottom_cm"].max() >= 150).mean() == pytest.approx(0.60, abs=0.02)
    assert (profiles["bottom_cm"].max() >= 80).mean() == pytest.approx(0.75, abs=0.02)
    assert horizons["soc_g_kg"].between(0.2, 60).all()
    assert 0.03 < horizons["clay_pct"].isna().mean() < 0.1
    assert horizons["bulk_density_g_cm3"].dropna().between(1.0, 1.8).all()


def test_a_horizon_is_the_mean_of_the_truth_with_a_few_per_cent_of_error(horizons, cells, truth):
    """The mean of a whole profile down to 100 cm, horizons against layers: no depth function between them."""
    number = {name: at for at, name in enumerate(sorted(horizons["profile_id"].unique()))}
    thickness_cm = np.array([5, 10, 15, 30, 40])
    errors = []
    for name, profile in horizons.groupby("profile_id"):
        at_limit = profile["bottom_cm"].between(95, 105)
        if not at_limit.any() or profile["top_cm"].min() > 0:
            continue
        upper = profile[profile["bottom_cm"] <= profile.loc[at_limit, "bottom_cm"].iloc[0]]
        measured = np.average(upper["soc_g_kg"], weights=upper["bottom_cm"] - upper["top_cm"])
        place = cells[0][number[name]], cells[1][number[name]]
        known = np.average(truth[:5, place[0], place[1]], weights=thickness_cm)
        errors.append(measured / known - 1)
    assert len(errors) > 20
    assert abs(np.median(errors)) < 0.03
    assert 0.01 < np.std(errors) < 0.08


def test_the_neighbourhood_tells_a_forest_more_than_the_cell(horizons, cells, truth, stack):
    """At 30-60 cm: both can map it, and means over 9 x 9 cells add what the cell alone does not know."""
    stack = dict(stack)
    use = stack.pop("land_use")
    centre = [np.nan_to_num(values, nan=np.nanmean(values)) for values in stack.values()]
    centre += [read(SOC / "dem.tif")[0], *(np.asarray(use == code, dtype=float) for code in (1, 2, 3, 4))]
    around = [uniform_filter(values, 9, mode="reflect") for values in centre]
    y, land = layer_means(horizons, 30, 60), np.isfinite(truth[3])
    known = np.isfinite(y)
    r2 = []
    for layers in (np.array(centre), np.array(centre + around)):
        forest = RandomForestRegressor(100, max_features=0.33, min_samples_leaf=2, random_state=0)
        forest.fit(layers[:, cells[0][known], cells[1][known]].T, y[known])
        r2.append(r2_score(truth[3][land], forest.predict(layers[:, land].T)))
    assert r2[0] > 0.5
    assert r2[1] > r2[0] + 0.03
    assert r2[1] < 0.85  # and the task is not trivial
