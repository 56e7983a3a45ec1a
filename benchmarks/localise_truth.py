"""What a library is worth at real sites: the model that cross-validation chooses, against PLSR of the site alone.

    python benchmarks/localise_truth.py [--target soc_pct|clay_pct|ph] [--random SEED] [--quick|--site] [--processes 2]

Sites of `../shared/data/spectra/multisite_*`: each site in turn gives 30 samples to learn from (Kennard-Stone;
--random: at random), its other samples are tested, and all other sites are the library. The model `auto` chooses among
RS-LOCAL + PLSR of y, of ln(y), and DTL-I by cross-validation in the 30 samples, where RS-LOCAL and training are
repeated in each fold; no test row takes part. The reference is PLSR of the 30 samples, whose components are chosen by
cross-validation. DTL-I searches two architectures (--quick leaves it out); the paper searched hundreds. The other
columns are models that are not chosen from: PLSR of ln(y), spiking, memory-based learning, and the library alone.
--site compares what is learned from the 30 samples alone: the regressors that `auto` chooses from by default, and
their automatic choice, on the spectra as they are; nothing is claimed then.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from measure import report, shared

from geosoil.io.spectra.reader import read_spectra
from geosoil.models.contract import Feature
from geosoil.pipeline.recipe import Recipe
from geosoil.pipeline.regressors.table import Auto
from geosoil.pipeline.rows import Library, TrainingRows
from geosoil.pipeline.validation import validate
from geosoil.samples.libraries import contents_of

FOLDER = shared("spectra")
FILES = ("multisite_nir_1100_2390", "multisite_visnir_450_2450")
LIMIT, WORST = 15.0, -5.0


def make_recipe(target: str, *, seed: int | None, quick: bool, site: bool = False) -> Recipe:
    """Return the recipe of a property, with a small budget for networks."""
    if site:
        return site_recipe(make_recipe(target, seed=seed, quick=True))
    network = {"n_trials": 2, "n_folds": 3, "epochs": 60, "patience": 10}
    kinds = ["rs_local_pls", "rs_local_pls_ln", *([] if quick else ["dtl_i"])]
    return Recipe.model_validate(
        {
            "name": "localise_truth",
            "seed": seed or 0,
            "data": {"kind": "spectra", "spectra": "-", "library": "-"},
            "target": {"column": target},
            "features": {"preprocessing": [{"step": "absorbance"}, {"step": "snv"}]},
            "model": {
                "kind": "auto",
                "auto": {"candidates": kinds},
                "compare": ["pls", "auto", *kinds, "spiked_pls", "mbl", "library_pls"],
                "dtl_i": network,
            },
            "validation": {
                "split": "kennard_stone" if seed is None else "holdout",
                "n_train": 30,
                "processes": 1,
            },
        }
    )


def site_recipe(recipe: Recipe) -> Recipe:
    """Return the recipe of the models that need no library, which choose their own steps for the spectra."""
    content = recipe.model_dump(exclude_defaults=True)
    candidates = Auto().candidates_for(spectral=True)
    as_they_are: list[Any] = [{"kind": kind, "features": {"preprocessing": []}} for kind in ("gp", "auto")]
    prepared = [{"kind": kind} for kind in candidates if kind != "gp"]
    content["model"] = {"kind": "auto", "auto": {"candidates": candidates}, "compare": ["pls", *as_they_are, *prepared]}
    return Recipe.model_validate(content)


def read_sites(file: str, recipe: Recipe) -> dict[str, TrainingRows]:
    """Return the rows of each site, with all other sites as its library."""
    spectra = read_spectra(FOLDER / f"{file}.parquet", id_column=["library", "sample_id"])
    y = contents_of(spectra, recipe.target[0].column)
    known = np.flatnonzero(np.isfinite(y))
    X, y, ids = np.asarray(spectra.values, np.float32)[known], y[known, None], np.asarray(spectra.ids)[known]
    site = spectra.table["library"].to_numpy()[known]
    features = tuple(Feature(f"{nm:g}", float(nm)) for nm in spectra.wavelength_nm)
    rows = {}
    for name in sorted(set(site)):
        here, other = site == name, site != name
        library = Library(ids[other], X[other], y[other], None, np.full(other.sum(), -1))
        rows[name] = TrainingRows(
            ids[here], X[here], y[here], features, tuple(recipe.target), "reflectance", [], "", library=library
        )
    return rows


def judge(name: str, rows: TrainingRows, recipe: Recipe) -> dict[str, object]:
    """Return what is chosen at one site, and the change in RMSE of every model."""
    log_rows = replace(rows, targets=tuple(t.model_copy(update={"log": "naive"}) for t in rows.targets))
    candidates = recipe.candidates()
    log_candidates = [replace(recipe.candidate(k), name=f"{k}, ln") for k in ("pls", "spiked_pls")]
    split = recipe.validation.split[0]
    with warnings.catch_warnings(action="ignore", category=UserWarning):
        outcome = validate(split, recipe, rows, candidates)
        table = pd.concat([outcome.table, validate(split, recipe, log_rows, log_candidates).table])
    rmse = table.set_index("model").test_rmse
    change = 100 * (1 - rmse / rmse["PLSR"])
    auto = recipe.candidate().name
    choice = outcome.details[auto][0]["choice"]
    row = {"site": name, "n_test": table.n.iloc[0], "local_rmse": rmse["PLSR"]}
    row |= {"chosen": " + ".join(choice.model[choice.chosen]), "change": change[auto]}
    return row | change.drop(["PLSR", auto]).to_dict()


def main() -> bool:
    """Judge every site and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="soc_pct")
    parser.add_argument("--random", type=int, metavar="SEED")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--site", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    recipe = make_recipe(options.target, seed=options.random, quick=options.quick, site=options.site)
    tasks = [
        delayed(judge)(f"{file.split('_')[1]} {name}", rows, recipe)
        for file in FILES
        for name, rows in read_sites(file, recipe).items()
    ]
    table = pd.DataFrame(Parallel(n_jobs=options.processes)(tasks))
    table.loc[len(table)] = {"site": "mean"} | table.drop(columns=["site", "chosen", "n_test"]).mean().to_dict()
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep=""))
    change = table.change.iloc[:-1]
    print(f"{len(change)} sites, {options.target}: change in RMSE against PLSR of the site in %, positive is better")
    if options.site:
        return True
    worst = report("localise_truth_worst", float(change.min()), "%", WORST, at_most=False)
    return report("localise_truth", float(change.mean()), "%", LIMIT, at_most=False) and worst


if __name__ == "__main__":
    sys.exit(not main())
