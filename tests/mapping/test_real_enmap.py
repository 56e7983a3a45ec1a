"""Total carbon, taught on Australian laboratory spectra at EnMAP's bands, mapped over real EnMAP cubes.

No soil of Potsdam was measured: what is tested is that the map is what the model predicts, and that holes are holes.
"""

import numpy as np
import pandas as pd
import pytest
import rasterio
from shared_material import shared
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.io.spectra.reader import read_spectra
from geosoil.mapping.job import map_model
from geosoil.mapping.match import match_bands
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.sensors.cube import open_cube
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.cars import CARS
from geosoil.spectra.resample import resampling_matrix
from geosoil.spectra.scatter import SNV

TOTAL_C_SD = 1.37  # per cent, of the library: the spread of the target
CUBES = {"crop": "enmap_potsdam_crop_64x128.tif", "mosaic": "enmap_potsdam_mosaic.tif"}


def bands():
    """EnMAP's bands that have data: the six empty ones are left out by the table's own column."""
    table = pd.read_csv(shared("data/rasters/enmap_potsdam/enmap_potsdam_bands.csv"))
    return table[table["empty"] == 0]


@pytest.fixture(scope="module", params=["svr", "plsr"])
def model(request):
    library = read_spectra(shared("data/spectra/geeves_australia.parquet"), id_column="sample_id")
    table = bands()
    centre, fwhm = table["centre_nm"].to_numpy(), table["fwhm_nm"].to_numpy()
    matrix = resampling_matrix(library.wavelength_nm, centre, method="gaussian", to_fwhm_nm=fwhm)
    X = (library.values @ matrix.T).astype(np.float32)
    y = library.table["total_c_pct"].to_numpy()
    steps = {
        "svr": (CARS(n_runs=15), StandardScaler(), SupportVectors(C=10.0, gamma=0.02, epsilon=0.1)),
        "plsr": (Absorbance(), SNV(), PartialLeastSquares(max_components=12)),
    }[request.param]
    features = tuple(
        Feature(f"{w:.2f} nm", w, f, float(X[:, i].min()), float(X[:, i].max()))
        for i, (w, f) in enumerate(zip(centre, fwhm, strict=True))
    )
    return PixelModel(make_pipeline(*steps).fit(X, y), features, (Target("total_c_pct", "%", (0.0, 30.0)),))


@pytest.mark.parametrize("name", list(CUBES))
def test_the_map_is_what_predict_gives_on_every_valid_pixel_and_holes_are_holes(model, name):
    path = shared(f"data/rasters/enmap_potsdam/{CUBES[name]}")
    with rasterio.open(path) as source:
        scaled = source.scales[0] != 1
    cube = open_cube(path, scale=None if scaled else 1e-4)
    match = match_bands(model, cube)
    values = map_model(match.model, cube, bands=match.bands, block=50).values[0]

    rows = cube.sel(band=list(match.bands)).values.reshape(len(match.bands), -1).T
    valid = np.isfinite(rows).all(axis=1)
    flat = (rows == rows[:, :1]).all(axis=1)  # one value in all bands is background, not a spectrum
    expected = np.full(len(rows), np.nan)
    expected[valid & ~flat] = match.model.predict_rows(rows[valid & ~flat])[:, 0]
    np.testing.assert_allclose(values.ravel(), expected, atol=1e-4 * TOTAL_C_SD, rtol=0)
    share = {"crop": 1.0, "mosaic": 18 * 32 * 32 / (192 * 160)}[name]
    assert valid.mean() == pytest.approx(share, abs=0.001)
    assert np.isnan(values.ravel()[~valid]).all()


def test_every_used_band_was_found_by_its_wavelength_across_the_detectors_seam(model):
    cube = open_cube(shared(f"data/rasters/enmap_potsdam/{CUBES['crop']}"), scale=1e-4)
    match = match_bands(model, cube)
    found = cube.sel(band=list(match.bands))["wavelength_nm"].values
    np.testing.assert_allclose(found, [feature.wavelength_nm for feature in model.features], atol=0.1)
