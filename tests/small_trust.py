"""A trust state of the small model, and folders of models with one."""

from dataclasses import replace

import numpy as np
from small_cube import spectra

from geosoil.models.card import TrainingCard
from geosoil.models.store import save_model
from geosoil.models.trust import ModelTrust, TargetTrust
from geosoil.trust.applicability import fit_applicability
from geosoil.trust.intervals import fit_intervals
from geosoil.trust.local_scale import LocalScale
from geosoil.trust.scores import pool_scores


def trust_of(model, n=60, scale=None):
    """A trust state of the small model, whose intervals depend on the dissimilarity."""
    X, share = spectra((60,), seed=2)
    X = X.astype(np.float32)[:, model.used_columns]
    area = fit_applicability(X)
    rng = np.random.default_rng(3)
    observed, folds = 100 * share, np.arange(60)[None] % 10
    scores = pool_scores(observed, observed[None] + rng.normal(0, 2, (1, 60)), folds, split="random folds")
    scale = scale or LocalScale(0.0, ("dissimilarity",), *np.array([[0.5], [0.1], [-9.0], [9.0]]))
    intervals = replace(fit_intervals(scores), scale=scale, n_samples=n)
    return ModelTrust({"share_pct": TargetTrust(intervals, 2.0)}, "random folds", area)


def save_trusted(folder, model, trust, **options):
    """Write a model with its trust state."""
    card = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, name=folder.name, study="test", preprocessing=[], training=card, trust=trust, **options)
