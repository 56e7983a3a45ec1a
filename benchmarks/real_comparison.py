"""The paper's comparison on real spectra: dry scans as laboratory, wet scans at GF-5's bands as satellite.

Total carbon of the Geeves soils; the nested protocol (5 folds, repeated) and the published one, whose bands were chosen
on all samples. Prints both tables, and the difference of mixed and satellite spectra fold by fold. A finding, no claim:
it has no limit. `--quick`: one repeat and two regressors.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from measure import asked_quick
from real_pairs import moisture_pairs

from geosoil.models.contract import Feature
from geosoil.numerics.threads import one_thread_each
from geosoil.studies.gf5_inversion.assemble import Choice
from geosoil.studies.gf5_inversion.protocols import nested, published
from geosoil.studies.gf5_inversion.recipe import Recipe
from geosoil.studies.gf5_inversion.training_data import TrainingData
from geosoil.studies.results import table_text


def training_data() -> TrainingData:
    """Return the real pairs as rows of a study; no places, so no neighbours and no spatial blocks."""
    pairs = moisture_pairs()
    satellite = pairs["satellite"].astype(np.float32)
    n, p = satellite.shape
    target = np.asarray(pairs["total_c_pct"], np.float64)
    return TrainingData(
        ids=[str(name) for name in pairs["sample_id"]],
        satellite=satellite,
        neighbours=np.full((n, 4, p), np.nan, np.float32),
        laboratory=pairs["laboratory"].astype(np.float32),
        target=target,
        xy_m=np.zeros((n, 2)),
        features=tuple(Feature(f"{w:.1f}", float(w)) for w in pairs["wavelength_nm"]),
        table=pd.DataFrame({"total_c_pct": target}),
        notes=[],
        sha256="",
    )


def main() -> None:
    """Compare and print."""
    quick = asked_quick(__doc__)
    recipe = Recipe.model_validate(
        {
            "study": "gf5_inversion",
            "name": "total_c",
            "data": {"cube": "-", "samples": "-", "laboratory": "-"},
            "target": {"column": "total_c_pct", "unit": "%"},
            "validation": {"n_repeats": 1 if quick else 3},
        }
    )
    choices = [Choice(f, r) for f in ("indoor", "satellite", "vae", "mix") for r in ("plsr", "svr")]
    if not quick:
        choices += [Choice("satellite", "forest"), Choice("satellite", "dnn")]
    data = training_data()
    with one_thread_each():
        honest = nested(recipe, data, choices)
        print(table_text(honest.table), flush=True)
        print(table_text(published(recipe, data, choices).table), flush=True)
    repeats = recipe.validation.n_repeats
    for regressor in ("plsr", "svr"):
        errors = {}
        for features in ("satellite", "mix"):
            choice = Choice(features, regressor)
            squared = (honest.observed[choice] - honest.predicted[choice]) ** 2
            errors[features] = squared.reshape(repeats, -1).mean(0)
        # Paired over samples: what mixing changes for each of them, its mean against its standard error.
        change = errors["mix"] - errors["satellite"]
        error = change.std(ddof=1) / np.sqrt(len(change))
        print(f"{regressor}: squared error, mixed - satellite: mean {change.mean():+.3f}, standard error {error:.3f}")


if __name__ == "__main__":
    main()
