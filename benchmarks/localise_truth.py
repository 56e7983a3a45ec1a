"""What a library is worth at real sites: RS-LOCAL + PLSR or DTL-I, as cross-validation picks, against local PLSR.

    python benchmarks/localise_truth.py [--target soc_pct|clay_pct|ph] [--random SEED] [--quick] [--processes 2]

Sites of `../shared/data/spectra/multisite_*`: each in turn is the farm, 30 of its samples (Kennard-Stone; --random: at
random) are local, all others of it test, the other sites are the library. As kind = "auto" does: cross-validation in
the 30, RS-LOCAL and training again in each fold, picks among RS-LOCAL + PLSR of y, of ln(y), and DTL-I; no test row
takes part. The reference is the PLSR of the 30, of y, with its components by cross-validation. DTL-I searches two
architectures (--quick: leaves it out); the paper's searched hundreds. Said beside it, not picked from: local PLSR of
ln(y), spiking, memory-based learning, the library alone.
"""

from __future__ import annotations

import argparse
import sys
import warnings

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from measure import report, shared

from geosoil.evaluate.metrics import regression_metrics
from geosoil.io.spectra.reader import read_spectra
from geosoil.numerics.threads import one_thread_each
from geosoil.samples.libraries import contents_of, localisation_space
from geosoil.studies.library_localisation.candidates import MODELS, Trainer
from geosoil.studies.library_localisation.protocols import choose_local, cross_validated
from geosoil.studies.library_localisation.recipe import Recipe
from geosoil.studies.library_localisation.study import auto_models
from geosoil.studies.library_localisation.training_data import Rows, TrainingData

FOLDER = shared("spectra")
FILES = ("multisite_nir_1100_2390", "multisite_visnir_450_2450")
LIMIT, WORST = 15.0, -5.0
BESIDE = (
    ("local_plsr", "naive"),
    ("spiked_plsr", "none"),
    ("spiked_plsr", "naive"),
    ("mbl", "none"),
    ("library_plsr", "none"),
)


def recipe(target: str, log: str, seed: int) -> Recipe:
    """The study's recipe, with a small budget for nets."""
    return Recipe.model_validate(
        {
            "study": "library_localisation",
            "name": "localise_truth",
            "seed": seed,
            "data": {"library": "", "site": ""},
            "target": {"column": target, "unit": "", "log": log},
            "network": {"n_trials": 2, "n_folds": 3, "epochs": 60, "patience": 10, "final": "folds"},
            "validation": {"processes": 1},
        }
    )


def sites(file: str, target: str) -> dict[str, TrainingData]:
    """Each site as a farm, the others as its library."""
    spectra = read_spectra(FOLDER / f"{file}.parquet", id_column=["library", "sample_id"])
    known = np.flatnonzero(np.isfinite(contents_of(spectra, target)))
    R, y = np.asarray(spectra.values, np.float64)[known], contents_of(spectra, target)[known]
    X, ids = localisation_space(R), np.asarray(spectra.ids)[known]
    place = spectra.table["library"].to_numpy()[known]
    found = {}
    for name in sorted(set(place)):
        library, farm = (Rows(ids[rows], R[rows], X[rows], y[rows]) for rows in (place != name, place == name))
        found[name] = TrainingData(spectra.wavelength_nm, library, farm, None, None, None, [], "")
    return found


def judge(name: str, data: TrainingData, target: str, seed: int | None, quick: bool) -> dict[str, object]:
    """One site: what is picked, and the change in RMSE of everything."""
    recipes = {log: recipe(target, log, seed or 0) for log in ("none", "naive")}
    chosen = choose_local(recipes["none"], data, at_random=seed)
    test = np.setdiff1d(np.arange(len(data.site.y)), chosen)
    trainers = {log: Trainer(one, data, chosen, n_workers=1) for log, one in recipes.items()}

    def rmse(kind: str, log: str) -> float:
        return regression_metrics(data.site.y[test], trainers[log].fit(kind).predict(data.site.X[test]))["rmse"]

    with one_thread_each(), warnings.catch_warnings(action="ignore", category=UserWarning):
        offered = [kind for kind in auto_models(recipes["none"], data) if not (quick and kind == "dtl_i")]
        picked = cross_validated(recipes["none"], data, offered, chosen).best
        local = rmse("local_plsr", "none")
        tried = [*((kind, "none") for kind in offered), *BESIDE]
        change = {label(*one): 100 * (1 - rmse(*one) / local) for one in tried}
    row: dict[str, object] = {
        "site": name,
        "n_test": len(test),
        "sd": float(data.site.y[test].std()),
        "local_rmse": local,
    }
    return row | {"picked": label(picked, "none"), "change": change[label(picked, "none")]} | change


def label(kind: str, log: str) -> str:
    """Name a model and its target."""
    return MODELS[kind].removesuffix(", library") + (", ln" if log == "naive" else "")


def main() -> bool:
    """Judge every site and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="soc_pct")
    parser.add_argument("--random", type=int, metavar="SEED")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    tasks = [
        delayed(judge)(f"{file.split('_')[1]} {name}", data, asked.target, asked.random, asked.quick)
        for file in FILES
        for name, data in sites(file, asked.target).items()
    ]
    table = pd.DataFrame(Parallel(n_jobs=asked.processes)(tasks))
    table.loc[len(table)] = {"site": "mean"} | table.drop(columns=["site", "picked", "n_test"]).mean().to_dict()
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3g}", na_rep=""))
    change = table.change.iloc[:-1]
    print(f"{len(change)} sites, {asked.target}: change in RMSE against local PLSR in %, positive is better")
    worst = report("localise_truth_worst", float(change.min()), "%", WORST, at_most=False)
    return report("localise_truth", float(change.mean()), "%", LIMIT, at_most=False) and worst


if __name__ == "__main__":
    sys.exit(not main())
