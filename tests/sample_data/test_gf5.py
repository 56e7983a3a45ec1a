"""The synthetic scene of sample_data/gf5 is what its README says, and its maker still makes it."""

import importlib.util
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import rasterio
from scipy.signal import savgol_filter
from scipy.stats import skew
from shared_material import shared
from sklearn.cross_decomposition import PLSRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_predict

GF5 = Path(__file__).resolve().parents[2] / "sample_data" / "gf5"
TARGETS = ("som_g_kg", "as_mg_kg", "cu_mg_kg")


@pytest.fixture(scope="module")
def scene():
    with rasterio.open(GF5 / "gf5.tif") as file:
        reflectance = file.read(masked=True).astype("float64").filled(np.nan) * file.scales[0]
        wavelength_nm = np.array([float(file.tags(band)["wavelength"]) for band in file.indexes])
        transform = file.transform
    with rasterio.open(GF5 / "truth.tif") as file:
        truth = dict(zip(file.descriptions, file.read(), strict=True))
    samples = geopandas.read_file(GF5 / "samples.gpkg")
    row, column = rasterio.transform.rowcol(transform, samples.geometry.x, samples.geometry.y)
    laboratory = pd.read_parquet(GF5 / "lab.parquet")
    return {
        "cube": reflectance,
        "wavelength_nm": wavelength_nm,
        "truth": truth,
        "samples": samples,
        "pixel": (np.asarray(row, dtype=int), np.asarray(column, dtype=int)),
        "laboratory": laboratory,
    }


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_gf5", GF5 / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made_again(maker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gf5")
    maker.main(folder)
    return folder


def at_samples(scene, image):
    return image[..., scene["pixel"][0], scene["pixel"][1]].T


def useful_bands(wavelength_nm):
    vapour = ((wavelength_nm > 1342) & (wavelength_nm < 1451)) | ((wavelength_nm > 1771) & (wavelength_nm < 1977))
    return ~vapour & (wavelength_nm < 2500)


def prepared(reflectance):
    """First derivative of absorbance, the plainest remedy against light and roughness."""
    return savgol_filter(np.log10(1 / np.clip(reflectance, 1e-3, 1)), 15, 2, deriv=1)


def cross_validated_r2(X, y):
    folds = KFold(7, shuffle=True, random_state=0)
    return r2_score(y, cross_val_predict(PLSRegression(7), X, y, cv=folds))


def test_the_files_leave_room_for_the_models_in_four_megabytes():
    sizes = {name: (GF5 / name).stat().st_size for name in ("gf5.tif", "truth.tif", "samples.gpkg", "lab.parquet")}
    assert sum(sizes.values()) < 2_300_000
    assert sizes["lab.parquet"] < 600_000


def test_older_gis_read_the_samples_without_a_warning():
    with closing(sqlite3.connect(GF5 / "samples.gpkg")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10300,)  # GeoPackage 1.3


def test_the_maker_makes_the_shipped_rasters_again(made_again):
    # One step of rounding is left to other versions of the libraries; anything else would be another scene.
    for name, tolerance in (("gf5.tif", 4), ("truth.tif", 1e-3)):
        with rasterio.open(GF5 / name) as shipped, rasterio.open(made_again / name) as again:
            a, b = shipped.read().astype("float64"), again.read().astype("float64")
            assert shipped.profile == again.profile or name == "truth.tif"  # a nodata of NaN is not equal to itself
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, equal_nan=True)
        assert (a == b)[~np.isnan(a)].mean() > 0.999


def test_the_maker_makes_the_shipped_tables_again(made_again):
    shipped, again = (geopandas.read_file(folder / "samples.gpkg") for folder in (GF5, made_again))
    pd.testing.assert_frame_equal(shipped.drop(columns="geometry"), again.drop(columns="geometry"), atol=0.011)
    assert shipped.geometry.geom_equals_exact(again.geometry, tolerance=0.011).all()
    shipped, again = (pd.read_parquet(folder / "lab.parquet") for folder in (GF5, made_again))
    pd.testing.assert_frame_equal(shipped, again, rtol=0, atol=2e-4)


@pytest.mark.slow
def test_the_maker_writes_the_same_bytes_every_time(maker, made_again, tmp_path):
    maker.main(tmp_path)
    for path in made_again.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_every_band_of_the_cube_says_its_wavelength_width_and_scale():
    with rasterio.open(GF5 / "gf5.tif") as file:
        assert (file.count, file.height, file.width) == (330, 64, 64)
        assert set(file.dtypes) == {"int16"}
        assert file.crs.to_epsg() == 32651
        assert file.res == (30.0, 30.0)
        assert file.nodata == -32768
        assert set(file.scales) == {1e-4}
        assert set(file.offsets) == {0.0}
        assert file.tags()["SENSOR"] == "GF5_AHSI"
        assert "no measurement" in file.tags()["SYNTHETIC"]
        assert file.descriptions[0] == "390.00 nm"
        for band, description in zip(file.indexes, file.descriptions, strict=True):
            tags = file.tags(band)
            assert tags["wavelength_units"] == "nm"
            assert description == f"{float(tags['wavelength']):.2f} nm"
            assert float(tags["fwhm"]) == (4.4 if band <= 150 else 8.546)


def test_the_wavelengths_are_those_of_the_instrument(scene):
    published = pd.read_csv(shared("data/rasters/gf5_ahsi_bands.csv"))["centre_nm"]
    np.testing.assert_allclose(scene["wavelength_nm"], published, atol=0.002)


def test_the_wavelengths_step_back_once_where_the_detectors_meet(scene):
    assert list(np.flatnonzero(np.diff(scene["wavelength_nm"]) < 0)) == [149]


def test_the_image_has_a_swath_edge_lost_pixels_crops_and_water(scene):
    valid = np.isfinite(scene["cube"])
    assert (valid == valid[0]).all()
    assert not valid[0, -1, -1]
    assert 0.005 < 1 - valid[0].mean() < 0.05
    red, infrared = (scene["cube"][np.abs(scene["wavelength_nm"] - nm).argmin()] for nm in (670, 800))
    ndvi = (infrared - red) / (infrared + red)
    bare = scene["truth"]["bare_soil"] == 1
    assert 0.65 < bare.mean() < 0.9
    assert np.nanmax(ndvi[bare]) < 0.32
    assert np.nanmax(ndvi) > 0.7
    assert np.nanmin(ndvi) < 0


def test_the_truth_has_nan_exactly_where_the_image_has_no_data(scene):
    assert list(scene["truth"]) == [*TARGETS, "bare_soil"]
    for layer in scene["truth"].values():
        assert (np.isnan(layer) == np.isnan(scene["cube"][0])).all()
    assert set(np.unique(scene["truth"]["bare_soil"])[:2]) == {0, 1}
    for name, low, high in (("som_g_kg", 14.8, 49.8), ("as_mg_kg", 6, 420), ("cu_mg_kg", 10, 94.5)):
        assert low - 1e-4 <= np.nanmin(scene["truth"][name]) < np.nanmax(scene["truth"][name]) <= high + 1e-4


def test_91_samples_stand_on_91_bare_pixels(scene):
    samples = scene["samples"]
    assert list(samples.columns) == ["sample_id", *TARGETS, "geometry"]
    assert samples.crs.to_epsg() == 32651
    assert list(samples["sample_id"]) == [f"S{i:03d}" for i in range(1, 92)]
    assert len(set(zip(*scene["pixel"], strict=True))) == 91
    assert (at_samples(scene, scene["truth"]["bare_soil"]) == 1).all()


@pytest.mark.parametrize("name", TARGETS)
def test_the_samples_are_measured_within_a_few_per_cent_of_the_truth(scene, name):
    relative = scene["samples"][name] / at_samples(scene, scene["truth"][name]) - 1
    assert 0.005 < relative.std() < 0.05
    assert abs(relative).max() < 0.12


@pytest.mark.parametrize(
    ("name", "mean", "variation", "skewness"),
    [("som_g_kg", 30.55, 0.21, 0.11), ("as_mg_kg", 44.12, 1.55, 3.40), ("cu_mg_kg", 20.02, 0.63, 3.73)],
)
def test_the_samples_resemble_table_1_of_the_gf5_paper(scene, name, mean, variation, skewness):
    values = scene["samples"][name]
    assert values.mean() == pytest.approx(mean, rel=0.05)
    assert values.std() / values.mean() == pytest.approx(variation, rel=0.1)
    assert skew(values) == pytest.approx(skewness, abs=1)


def test_the_laboratory_gives_smooth_plausible_reflectance_of_every_sample(scene):
    table = scene["laboratory"]
    assert list(table.columns) == ["sample_id", *(str(nm) for nm in range(350, 2501))]
    assert list(table["sample_id"]) == list(scene["samples"]["sample_id"])
    spectra = table.iloc[:, 1:].to_numpy()
    assert spectra.dtype == np.float32
    assert 0.03 < spectra.min() < spectra.max() < 0.6
    nm = np.arange(350, 2501)
    for absorption, shoulders in ((1414, (1340, 1500)), (1914, (1830, 2100)), (2206, (2130, 2250))):
        continuum = spectra[:, np.isin(nm, shoulders)].mean(axis=1)
        assert (spectra[:, nm == absorption][:, 0] < 0.97 * continuum).all(), absorption


def test_the_satellite_sees_the_same_soil_darker_and_with_more_noise(scene):
    keep = useful_bands(scene["wavelength_nm"])
    spectra = scene["laboratory"].iloc[:, 1:].to_numpy()
    laboratory = np.stack([np.interp(scene["wavelength_nm"][keep], np.arange(350, 2501), row) for row in spectra])
    satellite = at_samples(scene, scene["cube"][keep])
    assert (satellite.mean(axis=1) < laboratory.mean(axis=1)).mean() > 0.95
    roughness = [np.abs(np.diff(rows[:, 20:140], n=2)).mean() for rows in (satellite, laboratory)]
    assert roughness[0] > 5 * roughness[1]
    vapour = (scene["wavelength_nm"] > 1800) & (scene["wavelength_nm"] < 1960)
    assert np.nanmean(scene["cube"][vapour]) < 0.03


@pytest.mark.parametrize("name", TARGETS)
def test_laboratory_spectra_foretell_more_than_the_satellite(scene, name):
    keep = useful_bands(scene["wavelength_nm"])
    y = scene["samples"][name].to_numpy()
    spectra = scene["laboratory"].iloc[:, 1:].to_numpy(dtype=float)
    laboratory = cross_validated_r2(np.log10(1 / spectra[:, ::5]), y)
    satellite = cross_validated_r2(prepared(at_samples(scene, scene["cube"][keep])), y)
    assert laboratory > 0.75
    assert laboratory > satellite + 0.1


def test_arsenic_can_be_mapped_from_91_samples(scene):
    keep = useful_bands(scene["wavelength_nm"])
    bare = scene["truth"]["bare_soil"] == 1
    model = PLSRegression(7).fit(prepared(at_samples(scene, scene["cube"][keep])), scene["samples"]["as_mg_kg"])
    mapped = model.predict(prepared(scene["cube"][keep][:, bare].T)).ravel()
    assert r2_score(scene["truth"]["as_mg_kg"][bare], mapped) > 0.7
