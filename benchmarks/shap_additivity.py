"""Do attributions of the 1D-ResNet add up? |sum - (f(x) - mean f(background))| in per cent of the spread of f.

On samples and on a sub-grid of a scene, the largest of all; shap's GradientExplainer beside it, for comparison.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from map_svr import features
from measure import asked_quick, report
from scene import WAVELENGTH_NM, make_scene, spectra_of
from sklearn.pipeline import make_pipeline

from geosoil.estimators.resnet import ResNet1D
from geosoil.explain.explanation import explain_rows
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.spectra.absorbance import Absorbance
from geosoil.workflows.explain_map import explain_map

LIMIT_PERCENT = 2.0


def trained_model() -> tuple[PixelModel, np.ndarray]:
    """Return a net on log10(1/R) of the scene's bands, and the spectra it learned from."""
    bands = [int(np.abs(WAVELENGTH_NM - feature.wavelength_nm).argmin()) for feature in features()]
    X = spectra_of(300, seed=1)[:, bands].astype(np.float32)
    depth = X[:, np.abs(WAVELENGTH_NM[bands] - 2205).argmin()] - X[:, np.abs(WAVELENGTH_NM[bands] - 2150).argmin()]
    y = 6 + 20 * depth + X[:, 100]
    net = make_pipeline(Absorbance(), ResNet1D(epochs=150, patience=60)).fit(X, y)
    return PixelModel(net, features(), (Target("ph", "pH"),)), X


def main() -> None:
    """Measure and report."""
    quick = asked_quick(__doc__)
    n, n_background, n_pixels = (30, 40, 100) if quick else (100, 100, 600)
    model, X = trained_model()
    samples = explain_rows(model, X[:n], X, n_background=n_background)
    by_chance = explain_rows(model, X[:n], X, n_background=n_background, method="gradient")
    print(f"samples: {samples.method}, {len(samples.rows)} explained, {samples.notes[0]}")
    print(f"shap's GradientExplainer at 200 points: {100 * by_chance.additivity:.2f} % of the spread")
    scene = make_scene(512, 512)
    with tempfile.TemporaryDirectory() as folder:
        training = TrainingCard(n_samples=len(X), recipe_sha256="", table_sha256="")
        save_model(
            model, Path(folder) / "ph", name="ph", study="benchmark", preprocessing=["absorbance"], training=training
        )
        path = Path(folder) / "shap.tif"
        explained = explain_map(Path(folder) / "ph", scene, path, n_pixels=n_pixels, n_background=n_background)
        print(*explained.lines, sep="\n")
        with rasterio.open(path) as source:
            *regions, prediction = source.read().reshape(source.count, -1)
            baseline = float(source.tags()["GEOSOIL_BASELINE"])
    error = np.nanmax(np.abs(np.sum(regions, axis=0) + baseline - prediction)) / np.nanstd(prediction)
    held = [report("shap_additivity_samples", 100 * samples.additivity, "%-of-spread", LIMIT_PERCENT)]
    held.append(report("shap_additivity_map", 100 * float(error), "%-of-spread", LIMIT_PERCENT))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
