"""The true maps of the sample scene against the mapped ones, on bare soil; every choice made on the 91 samples alone.

`--quick`: arsenic only.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from measure import asked_quick, report

from geosoil.evaluate.metrics import regression_metrics
from geosoil.workflows.map import map_cube

GF5 = Path(__file__).resolve().parents[1] / "sample_data" / "gf5"
MODELS = {"as_svr": "as_mg_kg", "som_svr": "som_g_kg", "cu_plsr": "cu_mg_kg"}


def accuracy(model: str, column: str) -> dict[str, float]:
    """Map with a model that ships, and compare every bare pixel with the truth."""
    with tempfile.TemporaryDirectory() as folder:
        result = map_cube(GF5 / "gf5.tif", GF5.parent / "models" / model, Path(folder) / "map.tif")
        with rasterio.open(result.path) as source:
            mapped = source.read(1)
    with rasterio.open(GF5 / "truth.tif") as source:
        true = source.read(source.descriptions.index(column) + 1)
        bare = source.read(source.descriptions.index("bare_soil") + 1) == 1
    seen = bare & np.isfinite(mapped) & np.isfinite(true)
    return regression_metrics(true[seen], mapped[seen])


def main() -> None:
    """Measure and report; the limit is that of arsenic, the others are reported."""
    quick = asked_quick(__doc__)
    for model, column in MODELS.items():
        if model != "as_svr" and not quick:
            figures = accuracy(model, column)
            print(f"{column}: R2 {figures['r2']:.3f}, RMSE {figures['rmse']:.3g}, bias {figures['bias']:+.3g}")
    figures = accuracy("as_svr", "as_mg_kg")
    print(f"as_mg_kg: R2 {figures['r2']:.3f}, RMSE {figures['rmse']:.3g}, bias {figures['bias']:+.3g}")
    sys.exit(not report("true_map", figures["r2"], "R2", 0.7, at_most=False))


if __name__ == "__main__":
    main()
