"""The paper's comparison on real spectra: dry scans as laboratory, wet scans at GF-5's bands as satellite.

Total carbon of the Geeves soils; random folds (5, repeated) and the published split, whose bands are chosen on all
samples. Prints both tables, and the paired differences of mixed and satellite spectra. It has no limit, because it
makes no claim. `--quick`: one repeat and two regressors. `--automatic`: instead of all that, PLSR, a Gaussian process
and the automatic choice on the spectra as they are, in the random folds.
"""

from __future__ import annotations

import argparse

import numpy as np
from real_pairs import moisture_pairs

from geosoil.models.contract import Feature
from geosoil.pipeline.recipe import Recipe
from geosoil.pipeline.rows import TrainingRows
from geosoil.pipeline.validation import validate


def read_pairs(recipe: Recipe) -> TrainingRows:
    """Return the real pairs as training rows; they have no places, so no neighbouring pixels."""
    pairs = moisture_pairs()
    satellite = pairs["satellite"].astype(np.float32)
    n, n_bands = satellite.shape
    return TrainingRows(
        ids=pairs["sample_id"].astype(str),
        X=satellite,
        y=np.asarray(pairs["total_c_pct"], np.float64)[:, None],
        features=tuple(Feature(f"{nm:.1f}", float(nm)) for nm in pairs["wavelength_nm"]),
        targets=tuple(recipe.target),
        quantity="reflectance",
        notes=[],
        sha256="",
        laboratory=pairs["laboratory"].astype(np.float32),
        neighbours=np.full((n, 4, n_bands), np.nan, np.float32),
    )


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--automatic", action="store_true")
    options = parser.parse_args()
    quick = options.quick
    models = [(use, kind) for use in ("laboratory", "satellite", "generated", "mix") for kind in ("pls", "svr")]
    compare = [{"kind": kind, "title": f"{use} {kind}", "features": {"use": use}} for use, kind in models]
    if not quick:
        derivative = [{"step": "savitzky_golay", "window_bands": 5, "derivative": 1}]
        compare += [
            {"kind": "forest", "features": {"selection": {"method": "none"}, "preprocessing": derivative}},
            {"kind": "mlp"},
        ]
    if options.automatic:
        selection = {"method": "none"}
        compare = [
            {"kind": kind, "title": f"{use} {kind}", "features": {"use": use, "selection": selection}}
            for use in ("laboratory", "satellite")
            for kind in ("pls", "gp", "auto")
        ]
    recipe = Recipe.model_validate(
        {
            "name": "total_c",
            "data": {"kind": "cube", "cube": "-", "samples": "-", "laboratory": "-"},
            "target": {"column": "total_c_pct", "unit": "%"},
            "features": {"selection": {"method": "cars"}},
            "model": {"compare": compare},
            "validation": {"n_folds": 5, "n_repeats": 1 if quick else 3},
        }
    )
    rows, candidates = read_pairs(recipe), recipe.candidates()
    random = validate("random", recipe, rows, candidates)
    print(random.table.to_string(index=False), flush=True)
    if options.automatic:
        return
    print(validate("published_rank", recipe, rows, candidates).table.to_string(index=False), flush=True)
    for kind in ("pls", "svr"):
        differences = random.differences(f"satellite {kind}")
        print(differences[differences.model == f"mix {kind}"].to_string(index=False))


if __name__ == "__main__":
    main()
