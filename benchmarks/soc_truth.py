"""The true maps of the sample landscape against the mapped ones; every choice made on the 300 profiles alone.

Forest, plain CNN, multi-task CNN and transfer CNN are fitted to all profiles and mapped over the covariates. The
networks start from several seeds, and figures are means over them. Two claims:
`soc_truth`           R2 of the transfer CNN's maps, mean of six depths.
`soc_truth_transfer`  its R2 minus the plain CNN's at 60-100 and 100-200 cm, mean of the two and of the seeds.

`--quick`: one seed, and no multi-task network.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from measure import asked_quick, report

from geosoil.evaluate.metrics import regression_metrics
from geosoil.mapping.covariates import match_covariates
from geosoil.mapping.job import map_model
from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.regressors import fit_model
from geosoil.pipeline.sources import read_rows
from geosoil.pipeline.sources.covariates import covariate_paths
from geosoil.pipeline.task import FitTask

SOC = Path(__file__).resolve().parents[1] / "sample_data" / "soc"


def main() -> None:
    """Fit, map, compare with the truth."""
    quick = asked_quick(__doc__)
    loaded = read_recipe(SOC / "soc_transfer.toml")
    rows = read_rows(loaded)
    names = [target.name for target in rows.targets]
    with rasterio.open(SOC / "truth.tif") as source:
        true = np.stack([source.read(source.descriptions.index(name) + 1) for name in names])
    r2: dict[str, list[list[float]]] = {}
    for seed in range(1 if quick else 3):
        recipe = loaded.recipe.model_copy(update={"seed": seed})
        for candidate in recipe.candidates():
            kind = candidate.kind
            if (kind == "forest" and seed) or (kind == "multitask_cnn" and quick):
                continue  # forests of several seeds hardly differ
            model = fit_model(FitTask(candidate, rows, np.arange(len(rows)), recipe, seed=seed))
            matched = match_covariates(model, covariate_paths(loaded), like=SOC / "dem.tif")
            mapped = map_model(model, matched.raster).values
            seen = np.isfinite(mapped) & np.isfinite(true)
            values = [regression_metrics(true[k][seen[k]], mapped[k][seen[k]])["r2"] for k in range(len(names))]
            r2.setdefault(kind, []).append(values)
            print(f"seed {seed} {candidate.name:14s} R2 by depth {np.round(values, 3).tolist()}", flush=True)
    means = {kind: np.mean(runs, axis=0) for kind, runs in r2.items()}
    deep = means["transfer_cnn"][-2:].mean() - means["cnn"][-2:].mean()
    held = [
        report("soc_truth", float(means["transfer_cnn"].mean()), "R2", 0.6, at_most=False),
        report("soc_truth_transfer", float(deep), "R2-more-than-the-plain-CNN", 0.0, at_most=False),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
