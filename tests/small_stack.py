"""A few covariates on disk, of two grids and with classes, and a model that was trained on them."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from written_rasters import TRANSFORM, write_raster

from geosoil.estimators.pls import PartialLeastSquares
from geosoil.io.rasters.stack import open_stack
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.raster.grid import Grid

SHAPE = (60, 80)
CLASSES = {"landform": [1, 2, 3]}


def write_covariates(folder: Path, *, shape=SHAPE, seed=0) -> list[Path]:
    """Write slope (30 m), twi (15 m) and landform (classes 1 to 3, 30 m); each with a gap."""
    rng = np.random.default_rng(seed)
    slope = rng.uniform(0.5, 20, (1, *shape)).astype("float32")
    slope[0, 0, 0] = -9999
    fine = rng.uniform(5, 15, (1, 2 * shape[0], 2 * shape[1])).astype("float32")
    fine[0, 8:10, 8:10] = np.nan
    landform = rng.integers(1, 4, (1, *shape)).astype("uint8")
    landform[0, 7, 7] = 0
    half = Affine(15, 0, TRANSFORM.c, 0, -15, TRANSFORM.f)
    return [
        write_raster(folder / "slope.tif", slope, nodata=-9999),
        write_raster(folder / "twi.tif", fine, transform=half),
        write_raster(folder / "landform.tif", landform, nodata=0),
    ]


def trained_on(paths: list[Path], *, classes=CLASSES) -> PixelModel:
    """A model of twi + 2 x (landform is 3), in percent."""
    stack = open_stack(paths, classes=classes)
    rows = stack.values.reshape(stack.sizes["band"], -1).T
    rows = rows[np.isfinite(rows).all(axis=1)]
    names = [str(name) for name in stack.band.values]
    y = rows[:, names.index("twi")] + 2 * rows[:, names.index("landform=3")]
    estimator = make_pipeline(StandardScaler(), PartialLeastSquares(max_components=3)).fit(rows, y)
    features = tuple(
        Feature(name, training_low=float(column.min()), training_high=float(column.max()))
        for name, column in zip(names, rows.T, strict=True)
    )
    return PixelModel(estimator, features, (Target("soc_pct", "%", (0.0, 100.0)),))


def save_covariate_model(folder: Path, model: PixelModel, grid: Grid | None = None) -> None:
    """Write it as a model of covariates."""
    training = TrainingCard(n_samples=100, recipe_sha256="-", table_sha256="-")
    save_model(
        model,
        folder,
        name=folder.name,
        study="test",
        preprocessing=[],
        training=training,
        quantity="covariates",
        grid=grid,
    )


def read(path: Path) -> np.ndarray:
    """Return all bands of a file."""
    with rasterio.open(path) as source:
        return source.read()
