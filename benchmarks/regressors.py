"""All regressors of scikit-learn: the lazy map is their own predict, and the stored model maps the same.

Each is fitted to 60 rows of six covariates, and maps a stack of 24 x 30 pixels. A regressor counts if its lazy map
differs from its own predict by at most 1e-5 of the spread of its predictions, or if it is refused with a reason.
A stored model is mapped by `geosoil map`.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from click.testing import CliRunner
from measure import asked_quick, report
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators

import geosoil
from geosoil.raster.layout import make_raster
from geosoil_cli.main import group

TOLERANCE, FEWEST_STORED = 1e-5, 40
SETTINGS: dict[str, dict[str, Any]] = {
    "ElasticNet": {"alpha": 0.01},
    "GammaRegressor": {"alpha": 0.0},
    "Lasso": {"alpha": 0.01},
    "LassoLars": {"alpha": 0.001},
    "MultiOutputRegressor": {"estimator": Ridge()},
    "MultiTaskElasticNet": {"alpha": 0.01},
    "MultiTaskLasso": {"alpha": 0.01},
    "QuantileRegressor": {"alpha": 0.0},
    "RadiusNeighborsRegressor": {"radius": 0.5},
    "RegressorChain": {"estimator": Ridge()},
    "StackingRegressor": {"estimators": [("ridge", Ridge()), ("tree", DecisionTreeRegressor())], "cv": 3},
    "TweedieRegressor": {"power": 1.5, "alpha": 0.0},
    "VotingRegressor": {"estimators": [("ridge", Ridge()), ("tree", DecisionTreeRegressor())]},
}  # their defaults need another estimator, or predict one value everywhere
OF_TWO_TARGETS = ("CCA", "MultiOutputRegressor", "PLSCanonical", "RegressorChain")


def fitted(name: str, kind: Any) -> tuple[Any, int, int]:
    """Return a fitted regressor and the number of its features and targets."""
    rng = np.random.default_rng(0)
    n_features = 1 if name == "IsotonicRegression" else 6
    X = rng.uniform(0.1, 0.6, (60, 6))
    y = np.column_stack([10 * X[:, 0] + 4 * X[:, 1] * X[:, 2] + 1, 20 * X[:, 3] + X[:, 0]])
    n_targets = 2 if name.startswith("MultiTask") or name in OF_TWO_TARGETS else 1
    return (
        kind(**SETTINGS.get(name, {})).fit(X[:, :n_features], y if n_targets == 2 else y[:, 0]),
        n_features,
        n_targets,
    )


def stack_of(n_features: int) -> Any:
    """Return covariates within the range of the training rows, as they are read from a file."""
    values = np.random.default_rng(1).uniform(0.15, 0.55, (n_features, 24, 30)).astype(np.float32)
    names = [f"covariate_{number}" for number in range(n_features)]
    return make_raster(values, names=names, crs="EPSG:32633", transform=rasterio.Affine(30, 0, 0, 0, -30, 0))


def try_one(name: str, kind: Any, folder: Path) -> tuple[bool, bool, str]:
    """Return whether a regressor maps as it predicts, whether it is stored and maps the same, and what to print."""
    estimator, n_features, n_targets = fitted(name, kind)
    stack = stack_of(n_features)
    targets = [geosoil.Target(f"target_{number}", "") for number in range(n_targets)]
    predictor = geosoil.Predictor.of(estimator, features=stack, targets=targets)
    found = predictor.predict(stack).values.reshape(n_targets, -1)
    rows = stack.values.reshape(n_features, -1).T.astype(np.float64)
    expected = np.asarray(estimator.predict(rows)).reshape(len(rows), -1).T
    spread = expected.std(axis=1, keepdims=True)
    spread[spread == 0] = np.abs(expected).max()  # a constant, such as the mean
    error = float(np.max(np.abs(found - expected) / spread))
    if not error <= TOLERANCE:
        return False, False, f"differs by {error:.1e} of the spread"
    try:
        predictor.save(folder / name)
    except geosoil.GeosoilError as refusal:
        return True, False, f"{error:.1e} of the spread; refused: {refusal}"
    geosoil.write_cog(stack, folder / "stack.tif")
    output = folder / f"{name}.tif"
    command = ["map", "--covariates", str(folder / "stack.tif"), "--model", str(folder / name), "-o", str(output)]
    done = CliRunner().invoke(group, command)
    if done.exit_code:
        return True, False, f"geosoil map: {done.output or done.exception}"
    with rasterio.open(output) as written:
        is_same = np.array_equal(written.read().reshape(n_targets, -1), found, equal_nan=True)
    return (
        True,
        is_same,
        f"{error:.1e} of the spread; the stored model maps {'the same' if is_same else 'OTHER PIXELS'}",
    )


def main() -> None:
    """Try all and report."""
    warnings.simplefilter("ignore")  # what scikit-learn says of so few rows
    regressors = all_estimators(type_filter="regressor")
    if asked_quick(__doc__):
        regressors = regressors[:5]
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, kind in regressors:
            results.append(try_one(name, kind, Path(folder)))
            print(f"{name:30s} {results[-1][2]}")
    mapped, stored = sum(result[0] for result in results), sum(result[1] for result in results)
    fewest = min(FEWEST_STORED, len(results))
    held = [
        report("regressors_stored", stored, "regressors", fewest, at_most=False),
        report("regressors", mapped, "regressors", len(results), at_most=False),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
