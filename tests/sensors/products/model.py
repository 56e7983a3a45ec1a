"""A small model of some bands of a product, to map it."""

import numpy as np

from geosoil.estimators.ridge import Ridge
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model


def save_product_model(folder, wavelength_nm, fwhm_nm=10.0, seed=3):
    """Write a linear model of clay in % from reflectance at some wavelengths, and return it."""
    wavelength_nm = np.asarray(wavelength_nm, float)
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.02, 0.9, (80, wavelength_nm.size)).astype(np.float32)
    y = 20 + X @ rng.normal(0, 15, wavelength_nm.size)
    features = tuple(Feature(f"{nm:.2f} nm", float(nm), fwhm_nm, 0.0, 1.0) for nm in wavelength_nm)
    model = PixelModel(Ridge().fit(X, y), features, (Target("clay_pct", "%", (None, None)),))
    training = TrainingCard(n_samples=80, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, training=training, name="clay", study="test", preprocessing=["ridge"], metrics=None)
    return model
