"""Arsenic of the sample scene with and without its logarithm: test rows of the recipe's splits, and the true map.

Prints the figures of `log = "none"`, `"smearing"` and `"naive"`; docs/gf5_inversion.md discusses them. It has no limit,
because it makes no claim. `--quick`: one repeat of the folds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import rasterio
from measure import asked_quick

from geosoil.evaluate.metrics import regression_metrics
from geosoil.workflows.map import map_cube
from geosoil.workflows.train import train

GF5 = Path(__file__).resolve().parents[1] / "sample_data" / "gf5"
CHANGES = {
    '"gf5.tif"': f'"{GF5 / "gf5.tif"}"',
    '"samples.gpkg"': f'"{GF5 / "samples.gpkg"}"',
    '"lab.parquet"': f'"{GF5 / "lab.parquet"}"',
    'split = ["random", "published_rank"]': 'split = ["random", "spatial"]',
}


def measure(log: str, folder: Path, *, quick: bool) -> None:
    """Train the recipe with a setting of `log`, map the scene, and print the figures."""
    text = (GF5 / "as_svr.toml").read_text("utf-8")
    changes = CHANGES | {'unit = "mg/kg"': f'unit = "mg/kg"\nlog = "{log}"'}
    for old, new in (changes | ({"n_repeats = 2": "n_repeats = 1"} if quick else {})).items():
        assert old in text
        text = text.replace(old, new)
    (folder / "recipe.toml").write_text(text, "utf-8")
    table = train(folder / "recipe.toml", folder / "model").table
    for row in table.itertuples():
        print(f"{log}: {row.split}: R2 {row.test_r2:.2f}, RMSE {row.test_rmse:.3g}, MAE {row.test_mae:.3g}", flush=True)
    with rasterio.open(map_cube(GF5 / "gf5.tif", folder / "model", folder / "map.tif").path) as source:
        mapped = source.read(1)
    with rasterio.open(GF5 / "truth.tif") as source:
        true, bare = (source.read(source.descriptions.index(name) + 1) for name in ("as_mg_kg", "bare_soil"))
    seen = (bare == 1) & np.isfinite(mapped)
    figures = regression_metrics(true[seen], mapped[seen])
    print(
        f"{log}: true map: R2 {figures['r2']:.3f}, RMSE {figures['rmse']:.3g}, MAE {figures['mae']:.3g}, "
        f"bias {figures['bias']:+.3g}; {(mapped[seen] <= 0).sum()} of {seen.sum()} bare pixels at 0",
        flush=True,
    )


def main() -> None:
    """Measure all settings."""
    quick = asked_quick(__doc__)
    for log in ("none", "smearing", "naive"):
        with tempfile.TemporaryDirectory() as folder:
            measure(log, Path(folder), quick=quick)


if __name__ == "__main__":
    main()
