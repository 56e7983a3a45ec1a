"""The synthetic library and mining hillside of sample_data/lead are what their README says."""

import importlib.util
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from sklearn.cross_decomposition import PLSRegression
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import ShuffleSplit, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from geosoil.io.spectra.reader import read_spectra

LEAD = Path(__file__).resolve().parents[2] / "sample_data" / "lead"
FILES = ("library.parquet", "samples.gpkg", "spectra.parquet", "cube.tif", "truth.tif")
ROUNDS = ShuffleSplit(10, test_size=0.25, random_state=0)


@pytest.fixture(scope="module")
def library():
    return read_spectra(LEAD / "library.parquet")


@pytest.fixture(scope="module")
def laboratory():
    return read_spectra(LEAD / "spectra.parquet")


@pytest.fixture(scope="module")
def samples():
    return geopandas.read_file(LEAD / "samples.gpkg")


@pytest.fixture(scope="module")
def scene():
    with rasterio.open(LEAD / "cube.tif") as file:
        cube = file.read(masked=True).astype("float64").filled(np.nan) * file.scales[0]
        wavelength_nm = np.array([float(file.tags(band)["wavelength"]) for band in file.indexes])
        transform = file.transform
    with rasterio.open(LEAD / "truth.tif") as file:
        truth = dict(zip(file.descriptions, file.read(), strict=True))
    return {"cube": cube, "wavelength_nm": wavelength_nm, "truth": truth, "transform": transform}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_lead", LEAD / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made_again(maker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lead")
    maker.main(folder)
    return folder


def pixel_of(scene, samples):
    row, column = rasterio.transform.rowcol(scene["transform"], samples.geometry.x, samples.geometry.y)
    return np.asarray(row, dtype=int), np.asarray(column, dtype=int)


def absorbance(spectra):
    return -np.log10(spectra.values.astype(float))


def test_the_folder_stays_well_under_four_megabytes():
    assert sum(path.stat().st_size for path in LEAD.iterdir() if path.is_file()) < 2_000_000


def test_the_maker_makes_the_shipped_files_again(made_again):
    # One step of rounding is left to other versions of the libraries; anything else would be other data.
    for name in ("library.parquet", "spectra.parquet"):
        shipped, again = read_spectra(LEAD / name), read_spectra(made_again / name)
        assert shipped.ids == again.ids
        assert shipped.table.equals(again.table)
        np.testing.assert_allclose(again.values, shipped.values, rtol=0, atol=2e-4)
    for name, tolerance in (("cube.tif", 8), ("truth.tif", 1e-2)):
        with rasterio.open(LEAD / name) as shipped, rasterio.open(made_again / name) as again:
            np.testing.assert_allclose(again.read(), shipped.read().astype(float), rtol=1e-5, atol=tolerance)
    shipped, again = (geopandas.read_file(folder / "samples.gpkg") for folder in (LEAD, made_again))
    numbers = ["pb_mg_kg", "ph", "fe_g_kg"]
    np.testing.assert_allclose(again[numbers], shipped[numbers], rtol=1e-6, atol=0.11)
    assert shipped.geometry.geom_equals_exact(again.geometry, tolerance=0.011).all()


def test_older_gis_read_the_samples_without_a_warning():
    with closing(sqlite3.connect(LEAD / "samples.gpkg")) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10300,)  # GeoPackage 1.3


def test_the_maker_writes_the_same_bytes_every_time(maker, made_again, tmp_path):
    maker.main(tmp_path)
    assert {path.name for path in made_again.iterdir()} == set(FILES)
    for name in FILES:
        assert (made_again / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_another_seed_makes_other_data(maker, made_again, tmp_path):
    maker.main(tmp_path, seed=1)
    for name in FILES:
        assert (made_again / name).read_bytes() != (tmp_path / name).read_bytes(), name


def test_the_library_has_600_spectra_of_six_regions_with_ph(library):
    assert library.values.shape == (600, 420)
    np.testing.assert_array_equal(library.wavelength_nm, np.arange(400, 2500, 5))
    assert library.quantity == "reflectance"
    assert list(library.table.columns) == ["region", "ph"]
    assert (library.table["region"].value_counts() == 100).all()
    assert library.table["ph"].between(3.9, 8.8).all()
    assert library.table["ph"].std() > 0.7


def test_the_130_samples_and_their_spectra_bear_the_same_ids(samples, laboratory):
    assert list(samples.columns) == ["sample_id", "pb_mg_kg", "ph", "fe_g_kg", "geometry"]
    assert samples.crs.to_epsg() == 32648
    assert list(samples["sample_id"]) == laboratory.ids
    assert laboratory.values.shape == (130, 420)


def test_lead_resembles_table_1_of_the_gejiu_paper(samples):
    lead = samples["pb_mg_kg"]
    assert lead.min() == pytest.approx(34.6, rel=0.15)
    assert lead.max() == pytest.approx(9720, rel=0.15)
    assert lead.std() / lead.mean() == pytest.approx(2.02, rel=0.1)
    assert lead.median() < 0.5 * lead.mean()
    assert np.log(lead).std() == pytest.approx(1.25, rel=0.05)


@pytest.mark.parametrize("part", ["library", "laboratory"])
def test_spectra_are_plausible_reflectance_with_the_bands_of_water_clay_and_iron(part, request):
    spectra = request.getfixturevalue(part)
    assert 0.005 <= spectra.values.min() < spectra.values.max() <= 1
    mean = dict(zip(spectra.wavelength_nm, spectra.values.mean(axis=0), strict=True))
    for centre, left, right in ((1415, 1350, 1650), (1915, 1830, 2100), (2205, 2130, 2260), (2340, 2270, 2400)):
        line = np.interp(centre, (left, right), (mean[left], mean[right]))
        assert mean[centre] < 0.99 * line, centre
    assert mean[500] < 0.7 * mean[800]


def test_the_cube_says_its_wavelengths_and_has_gaps_and_green_pixels(scene):
    with rasterio.open(LEAD / "cube.tif") as file:
        assert (file.height, file.width) == (48, 48)
        assert set(file.dtypes) == {"int16"}
        assert file.nodata == -32768
        assert set(file.scales) == {1e-4}
        assert file.tags(1)["wavelength_units"] == "nm"
    nm, cube = scene["wavelength_nm"], scene["cube"]
    assert 60 <= len(nm) <= 100
    assert not ((nm > 1340) & (nm < 1440)).any()
    empty = np.isnan(cube[0])
    assert 0.005 < empty.mean() < 0.1
    red, infrared = (cube[np.abs(nm - at).argmin()] for at in (670, 810))
    ndvi = (infrared - red) / (infrared + red)
    assert 0.6 < (scene["truth"]["bare_soil"] == 1).mean() < 0.85
    assert np.nanmax(ndvi) > 0.7
    for layer in scene["truth"].values():
        np.testing.assert_array_equal(np.isnan(layer), empty)


def test_every_sample_stands_on_a_bare_pixel_of_its_own_and_tells_its_truth(scene, samples):
    pixel = pixel_of(scene, samples)
    assert len(set(zip(*pixel, strict=True))) == 130
    assert (scene["truth"]["bare_soil"][pixel] == 1).all()
    assert np.abs(np.log(samples["pb_mg_kg"] / scene["truth"]["pb_mg_kg"][pixel])).max() < 0.25
    assert np.abs(samples["ph"] - scene["truth"]["ph"][pixel]).max() < 0.5


def test_who_knew_ph_and_iron_would_explain_four_fifths_of_log_lead(samples):
    known = np.stack([samples["ph"], np.log(samples["fe_g_kg"])], axis=1)
    r2 = cross_val_score(LinearRegression(), known, np.log(samples["pb_mg_kg"]), cv=ROUNDS).mean()
    assert 0.75 < r2 < 0.9
    alone = cross_val_score(LinearRegression(), known[:, 1:], np.log(samples["pb_mg_kg"]), cv=ROUNDS).mean()
    assert alone < 0.4


@pytest.mark.parametrize("model", [PLSRegression(8), make_pipeline(StandardScaler(), SVR(C=10, gamma=1e-3))])
def test_98_labels_leave_direct_models_of_absorbance_far_below_that(laboratory, samples, model):
    r2 = cross_val_score(model, absorbance(laboratory), np.log(samples["pb_mg_kg"]), cv=ROUNDS).mean()
    assert 0.1 < r2 < 0.68


def test_ph_is_not_linear_in_the_librarys_absorbance(library):
    predicted = cross_val_predict(PLSRegression(14), absorbance(library), library.table["ph"], cv=5)
    assert 0.3 < r2_score(library.table["ph"], predicted) < 0.75


@pytest.mark.slow
def test_a_net_that_learned_ph_tells_lead_better_than_what_learns_lead_directly(library, laboratory, samples):
    from geosoil.estimators.resnet import ResNet1D
    from geosoil.training.transfer import fine_tune

    X, y = absorbance(laboratory), np.log(samples["pb_mg_kg"].to_numpy())
    source = ResNet1D(output="linear", epochs=50, patience=50).fit(absorbance(library), library.table["ph"])
    gains = []
    for train, test in list(ROUNDS.split(X))[:2]:
        net = fine_tune(source, X[train], y[train], epochs=60, patience=40, batch_size=16)
        direct = PLSRegression(8).fit(X[train], y[train])
        gains.append(r2_score(y[test], net.predict(X[test])) - r2_score(y[test], direct.predict(X[test])))
    assert np.mean(gains) > 0.1
