"""Models of the benchmarks as folders, for maps that run as `geosoil map` does, in processes of their own.

Run as a script it makes one: what trains a model must not count among what maps with it.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import TYPE_CHECKING

from scene import scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.models.store import AnyModel
    from geosoil.models.trust import ModelTrust


def save_made(model: AnyModel, name: str, *, quantity: str, trust: ModelTrust | None = None) -> Path:
    """Write a model that was trained on made-up samples, and return its folder."""
    from geosoil.models.card import TrainingCard
    from geosoil.models.store import save_model

    folder = scratch_folder() / name
    training = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, name=name, study="-", preprocessing=[], training=training, quantity=quantity, trust=trust)
    return folder


def scene_model(kind: str) -> Path:
    """Return the folder of a model for the GF-5 scene, made once: that of `map_svr.py`, `map_vae.py`, or a forest.

    "trusted_svr" is that of `map_svr.py` with a trust state.
    """
    folder = scratch_folder() / f"scene_{kind}"
    if not folder.exists():
        subprocess.run([sys.executable, __file__, kind], check=True)
    return folder


def trust_of_svr() -> ModelTrust:
    """Return the trust state of the model of `map_svr.py`, from ten folds; intervals depend on the dissimilarity."""
    import numpy as np
    from map_svr import svr_model, training_rows
    from sklearn.base import clone
    from sklearn.model_selection import KFold, cross_val_predict

    from geosoil.models.trust import ModelTrust, TargetTrust
    from geosoil.trust.applicability import fit_applicability
    from geosoil.trust.intervals import IntervalState, fit_intervals
    from geosoil.trust.local_scale import DISSIMILARITY, LocalScale
    from geosoil.trust.scores import pool_scores

    model, (X, y) = svr_model(), training_rows()
    X = X[:, model.used_columns]
    folds = list(KFold(10, shuffle=True, random_state=0).split(X))
    predicted = cross_val_predict(clone(model.estimator[1:]), X, y, cv=folds)
    numbers = np.empty(len(X), np.int64)
    for number, (_, test) in enumerate(folds):
        numbers[test] = number
    intervals: IntervalState = fit_intervals(pool_scores(y, predicted[None], numbers[None], split="random folds"))
    # Whether the fit keeps the dissimilarity depends on the made-up errors; with it, a pixel costs the most.
    scale = LocalScale(0.0, (DISSIMILARITY,), *np.array([[0.3], [0.1], [-9.0], [9.0]]))
    target = TargetTrust(dataclasses.replace(intervals, scale=scale), float(np.std(y - predicted)))
    return ModelTrust({"as_mg_kg": target}, "random folds", fit_applicability(X, splits=folds))


def main() -> None:
    """Make one."""
    from map_svr import features, svr_model, training_rows
    from map_vae import vae_model

    from geosoil.estimators.forest import Forest
    from geosoil.models.contract import Target
    from geosoil.models.pixel import PixelModel

    def forest_model() -> PixelModel:
        return PixelModel(Forest(n_trees=20).fit(*training_rows()), features(), (Target("as_mg_kg", "mg/kg"),))

    (kind,) = sys.argv[1:]
    make = {"svr": svr_model, "trusted_svr": svr_model, "vae": vae_model, "forest": forest_model}[kind]
    trust = trust_of_svr() if kind == "trusted_svr" else None
    save_made(make(), f"scene_{kind}", quantity="reflectance", trust=trust)


if __name__ == "__main__":
    main()
