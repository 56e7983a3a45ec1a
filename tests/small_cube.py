"""A small cube on disk and a model that was trained on spectra like its own."""

from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from written_rasters import write_raster

from geosoil.estimators.support_vectors import SupportVectors
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.spectra.cars import CARS

WAVELENGTH_NM = np.linspace(420, 2400, 100)
FWHM_NM = 10.0
NODATA = -9999


def spectra(shape, seed=0):
    """Reflectance `(*shape, 100)` of two mixed soils with some noise, and the share of the first."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0, 1, shape)
    wave = (WAVELENGTH_NM - 420) / 2000
    first = 0.1 + 0.4 * wave - 0.1 * np.exp(-(((WAVELENGTH_NM - 2200) / 40) ** 2))
    second = 0.15 + 0.2 * np.sqrt(wave)
    mixed = share[..., None] * first + (1 - share[..., None]) * second
    return mixed + rng.normal(0, 0.004, (*shape, len(wave))), share


def write_cube(path: Path, *, shape=(37, 53), wavelength_nm=WAVELENGTH_NM, seed=1, values=None, **profile) -> Path:
    """Write an int16 cube (reflectance x 10000), with two pixels of no data."""
    if values is None:
        values = np.rint(spectra(shape, seed)[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    values = values.copy()
    values[:, 0, 0] = NODATA
    if shape[1] > 5 and shape[0] > 3:
        values[3, 3, 5] = NODATA  # one band only
    band_tags = [{"wavelength": f"{w:.3f}", "wavelength_units": "nm", "fwhm": f"{FWHM_NM}"} for w in wavelength_nm]
    scales = profile.pop("scales", (1e-4,) * len(values))
    return write_raster(path, values, band_tags=band_tags, nodata=NODATA, scales=scales, **profile)


def trained_model(estimator=None, valid_range=(0.0, 100.0)) -> PixelModel:
    """A model of the share of the first soil, in percent, from CARS bands by SVR."""
    X, share = spectra((60,), seed=2)
    X = X.astype(np.float32)
    estimator = estimator or make_pipeline(CARS(n_runs=20), StandardScaler(), SupportVectors(n_candidates=6))
    features = tuple(
        Feature(f"{w:.2f} nm", float(w), FWHM_NM, float(X[:, i].min()), float(X[:, i].max()))
        for i, w in enumerate(WAVELENGTH_NM)
    )
    return PixelModel(estimator.fit(X, 100 * share), features, (Target("share_pct", "%", valid_range),))


def save_trained_model(folder: Path, *, metrics=None, **options) -> PixelModel:
    """Write that model to a folder."""
    model = trained_model(**options)
    training = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    card = {"name": "share", "study": "test", "preprocessing": ["cars", "svr"], "metrics": metrics}
    save_model(model, folder, training=training, **card)
    return model
