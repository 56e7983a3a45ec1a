"""The synthetic library and sites of sample_data/library are what their README says."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA

from geosoil.io.spectra.reader import read_spectra

LIBRARY = Path(__file__).resolve().parents[2] / "sample_data" / "library"
SITES = {"site_a": 150, "site_b": 120, "site_c": 180}
FILES = ("library.parquet", *(f"{name}.parquet" for name in SITES))
PROPERTIES = ["soc_pct", "clay_pct", "ph"]


@pytest.fixture(scope="module")
def library():
    return read_spectra(LIBRARY / "library.parquet")


@pytest.fixture(scope="module")
def sites():
    return {name: read_spectra(LIBRARY / f"{name}.parquet") for name in SITES}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_library", LIBRARY / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made_again(maker, tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    maker.main(folder)
    return folder


def prepared(spectra):
    """Absorbance, then standard normal variate, as in the paper."""
    absorbance = -np.log10(spectra.values.astype(float))
    return (absorbance - absorbance.mean(axis=1, keepdims=True)) / absorbance.std(axis=1, keepdims=True)


def rmse(model, X, y):
    return np.sqrt(np.mean((model.predict(X).ravel() - y) ** 2))


def splits(n, n_local=30, rounds=8):
    for seed in range(rounds):
        order = np.random.default_rng(seed).permutation(n)
        yield order[:n_local], order[n_local:]


def local_rmse(site, n_local=30):
    X, y = prepared(site), site.table["soc_pct"].to_numpy()
    rounds = splits(len(y), n_local)
    return np.mean([rmse(PLSRegression(6, scale=False).fit(X[near], y[near]), X[far], y[far]) for near, far in rounds])


def test_the_folder_stays_well_under_three_megabytes():
    assert sum(path.stat().st_size for path in LIBRARY.iterdir() if path.is_file()) < 1_500_000


def test_the_maker_makes_the_shipped_files_again(made_again):
    # One step of rounding is left to other versions of the libraries; anything else would be other data.
    for name in FILES:
        shipped, again = read_spectra(LIBRARY / name), read_spectra(made_again / name)
        assert shipped.ids == again.ids
        assert list(shipped.table.columns) == list(again.table.columns)
        np.testing.assert_allclose(again.table[PROPERTIES], shipped.table[PROPERTIES], atol=0.11)
        np.testing.assert_allclose(again.values, shipped.values, rtol=0, atol=2e-4)


def test_the_maker_writes_the_same_bytes_every_time(maker, made_again, tmp_path):
    maker.main(tmp_path)
    assert {path.name for path in made_again.iterdir()} == set(FILES)
    for name in FILES:
        assert (made_again / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_the_library_has_1500_spectra_of_six_countries_at_10_nm(library):
    np.testing.assert_array_equal(library.wavelength_nm, np.arange(400, 2501, 10))
    assert library.values.shape == (1500, 211)
    assert library.quantity == "reflectance"
    assert list(library.table.columns) == ["country", *PROPERTIES]
    assert library.table["country"].value_counts().sort_index().tolist() == [320, 180, 270, 240, 290, 200]
    assert 0.005 < library.values.min() < library.values.max() < 1


@pytest.mark.parametrize("name", SITES)
def test_a_site_has_places_and_the_properties_of_the_library(sites, name):
    site = sites[name]
    assert site.values.shape == (SITES[name], 211)
    assert list(site.table.columns) == ["x_m", "y_m", *PROPERTIES]
    assert not site.table.duplicated(["x_m", "y_m"]).any()
    assert np.ptp(site.table[["x_m", "y_m"]].to_numpy(), axis=0).max() <= 1600


def test_contents_are_those_of_mineral_soils(library, sites):
    for spectra in (library, *sites.values()):
        assert spectra.table["soc_pct"].between(0.1, 10).all()
        assert spectra.table["clay_pct"].between(1, 65).all()
        assert spectra.table["ph"].between(3.5, 9).all()
    assert library.table["soc_pct"].skew() > 1


def test_no_spectrum_of_a_site_stands_in_the_library_or_twice(library, sites):
    everything = np.concatenate([library.values, *(site.values for site in sites.values())])
    assert len(np.unique(everything, axis=0)) == len(everything)
    ids = [*library.ids, *(one for site in sites.values() for one in site.ids)]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", SITES)
def test_a_site_is_narrower_than_the_library_and_lies_within_its_space(library, sites, name):
    components = PCA(3).fit(prepared(library))
    of_library, of_site = components.transform(prepared(library)), components.transform(prepared(sites[name]))
    assert (of_site.std(axis=0) < of_library.std(axis=0)).all()
    low, high = np.quantile(of_library, [0.001, 0.999], axis=0)
    assert ((of_site > low) & (of_site < high)).all(axis=1).mean() > 0.9
    assert sites[name].table["soc_pct"].std() < library.table["soc_pct"].std()


def test_countries_are_not_alike_in_the_space_of_the_spectra(library):
    scores = PCA(8, whiten=True).fit_transform(prepared(library))
    country = library.table["country"].to_numpy()
    distance = ((scores[:, None] - scores[None]) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (country[distance.argmin(axis=1)] == country).mean() > 0.6


@pytest.mark.parametrize("name", SITES)
def test_thirty_local_samples_teach_less_than_a_hundred(sites, name):
    site = sites[name]
    spread = site.table["soc_pct"].std()
    assert 0.35 < 1 - (local_rmse(site) / spread) ** 2 < 0.75
    assert local_rmse(site, n_local=90) < 0.92 * local_rmse(site)


def test_the_whole_library_misleads_at_two_sites_and_serves_at_the_third(library, sites):
    model = PLSRegression(20, scale=False).fit(prepared(library), library.table["soc_pct"])
    ratio, bias = {}, {}
    for name, site in sites.items():
        y = site.table["soc_pct"].to_numpy()
        ratio[name] = rmse(model, prepared(site), y) / local_rmse(site)
        bias[name] = (model.predict(prepared(site)).ravel() - y).mean() / y.std()
    assert ratio["site_a"] > 1.5
    assert ratio["site_b"] > 1.2
    assert ratio["site_c"] < 1.05
    assert bias["site_a"] > 1
    assert bias["site_b"] < -0.15


@pytest.mark.parametrize("name", SITES)
def test_the_rows_of_the_right_landscape_would_help_every_site(maker, library, sites, name):
    country, landscape, *_ = maker.SITES[name]
    n = np.array(maker.N_PER_COUNTRY)
    of_landscape = np.concatenate([np.sort(np.arange(size) % maker.N_LANDSCAPES) for size in n])
    right = (np.repeat(np.arange(len(n)), n) == country) & (of_landscape == landscape)
    site = sites[name]
    X, y = prepared(site), site.table["soc_pct"].to_numpy()
    X_right, y_right = prepared(library)[right], library.table["soc_pct"].to_numpy()[right]
    found = []
    for near, far in splits(len(y)):
        both = PLSRegression(8, scale=False).fit(np.r_[X_right, X[near]], np.r_[y_right, y[near]])
        found.append(rmse(both, X[far], y[far]))
    assert np.mean(found) < 0.9 * local_rmse(site)


@pytest.mark.slow
def test_rs_local_with_the_thirty_beats_the_thirty_alone_on_average(library, sites):
    from geosoil.samples.rs_local import rs_local

    X_library, y_library = prepared(library), library.table["soc_pct"].to_numpy()
    changes = []
    for site in sites.values():
        X, y = prepared(site), site.table["soc_pct"].to_numpy()
        for near, far in splits(len(y), rounds=1):
            rows = rs_local(X_library, y_library, X[near], y[near], k=100, b=20, r=0.05).rows
            spiked = PLSRegression(10, scale=False).fit(
                np.r_[X_library[rows], X[near]], np.r_[y_library[rows], y[near]]
            )
            alone = PLSRegression(6, scale=False).fit(X[near], y[near])
            changes.append(rmse(spiked, X[far], y[far]) / rmse(alone, X[far], y[far]) - 1)
    assert np.mean(changes) < -0.05
