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
from geosoil.models.contract import Target
from geosoil.studies.covariate_data import covariate_paths
from geosoil.studies.soc_by_depth.candidates import MODELS, Trainer
from geosoil.studies.soc_by_depth.recipe import read_recipe
from geosoil.studies.soc_by_depth.training_data import layer_name, read_training_data

SOC = Path(__file__).resolve().parents[1] / "sample_data" / "soc"


def main() -> None:
    """Fit, map, compare with the truth."""
    quick = asked_quick(__doc__)
    loaded = read_recipe(SOC / "soc_transfer.toml")
    data = read_training_data(loaded)
    target = loaded.recipe.target
    names = [f"SOC {layer_name(layer)}" for layer in data.layers]
    with rasterio.open(SOC / "truth.tif") as source:
        true = np.stack([source.read(source.descriptions.index(name) + 1) for name in names])
    targets = tuple(Target(name, target.unit, target.valid_range) for name in names)
    r2: dict[str, list[list[float]]] = {}
    for seed in range(1 if quick else 3):
        recipe = loaded.recipe.model_copy(update={"seed": seed})
        trainer = Trainer(recipe, data, target.column, np.arange(len(data.ids)))
        for kind in ("forest", "cnn", "transfer") if quick else MODELS:
            if kind == "forest" and seed:
                continue  # its seeds differ by nothing that matters
            model = trainer.fit(kind).as_model(data.features, targets)
            matched = match_covariates(model, covariate_paths(loaded), like=SOC / "dem.tif")
            mapped = map_model(model, matched.raster).values
            seen = np.isfinite(mapped) & np.isfinite(true)
            own = [regression_metrics(true[k][seen[k]], mapped[k][seen[k]])["r2"] for k in range(len(names))]
            r2.setdefault(kind, []).append(own)
            print(f"seed {seed} {MODELS[kind]:12s} R2 by depth {np.round(own, 3).tolist()}", flush=True)
    means = {kind: np.mean(runs, axis=0) for kind, runs in r2.items()}
    deep = means["transfer"][-2:].mean() - means["cnn"][-2:].mean()
    held = [
        report("soc_truth", float(means["transfer"].mean()), "R2", 0.6, at_most=False),
        report("soc_truth_transfer", float(deep), "R2-more-than-the-plain-CNN", 0.0, at_most=False),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
