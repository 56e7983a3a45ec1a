"""Coverage and width of prediction intervals on real sets, by random and by spatial folds; and an area on a real scene.

The sets are those of `auto_choice.py`: spectra of the Geeves, Wallonia and Yamsys soils, and covariates with place of
the Meuse, Edgeroi and Ebergötzen sets; up to 150 samples of each property, drawn at random. A Gaussian process predicts
ten folds, and the intervals of a row come from the errors in the other folds, as `geosoil train` reports them. Beside
random folds there are spatial blocks where places are known, and `site_out` tests each village of the Yamsys soils, and
each site of a library of several countries, by models of all others.

At last PLSR learns clay from the Geeves spectra, and its report states the share of an EnMAP scene near Potsdam that
lies within its area of applicability.

Widths are means, in standard deviations of the property. Nothing is claimed: the table is in docs/accuracy.md.
`--quick`: 60 samples of four properties.

    python benchmarks/interval_sets.py [--quick]
"""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from auto_choice import covariate_sets, rows_and_recipe, spectral_sets
from measure import asked_quick, shared

from geosoil.models.contract import Feature
from geosoil.pipeline.fit import fit_pipeline
from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.regressors import fit_model
from geosoil.pipeline.task import FitTask
from geosoil.pipeline.trust import fit_trust
from geosoil.pipeline.validation import run_in_processes, validate
from geosoil.trust.diagnostics import CARD_LEVELS, LEVELS, coverage_by_level

if TYPE_CHECKING:
    from collections.abc import Iterator

N_SAMPLES, N_FOLDS = 150, 10
LIBRARY = "multisite_visnir_450_2450"
SCENE = """
name = "clay"
[data]
kind = "spectra"
spectra = "{spectra}"
cube = "{cube}"
bands = "{bands}"
cube_scale = 0.0001
[target]
column = "clay_pct"
unit = "%"
[features]
preprocessing = [{{ step = "absorbance" }}]
[model]
kind = "pls"
[validation]
split = ["random"]
processes = 2
"""


def sets() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name and the parts of rows of each property, with groups where the set has sites."""
    for name, parts in spectral_sets():
        if name.startswith("yamsys"):
            table = pd.read_parquet(shared("spectra", "yamsys_west_africa_mir.parquet"))
            parts["groups"] = table["site"].to_numpy(str)
        yield name, parts
    table = pd.read_parquet(shared("spectra", f"{LIBRARY}.parquet"))
    names = [name for name in table if str(name).replace(".", "").isdigit()][::4]
    features = tuple(Feature(name, float(name)) for name in names)
    parts = {"X": table[names].to_numpy(float), "features": features, "quantity": "reflectance"}
    for column in ("soc_pct", "clay_pct"):
        yield f"library {column}", parts | {"y": table[column].to_numpy(float), "groups": table["site"].to_numpy(str)}
    yield from covariate_sets()


def measured(work: tuple[str, dict[str, Any], int]) -> list[dict[str, Any]]:
    """Return a row of the table for each split of a property."""
    name, parts, n = work
    rows, recipe = rows_and_recipe(parts, n)
    if "groups" in parts:
        rows = replace(rows, groups=parts["groups"][rows.ids.astype(int)])
    settings = recipe.validation.model_copy(update={"n_folds": N_FOLDS, "processes": 1})
    recipe = recipe.model_copy(update={"validation": settings})
    candidate = next(each for each in recipe.candidates() if each.kind == "gp")
    everything = np.arange(len(rows))
    table = []
    with warnings.catch_warnings(action="ignore"):
        model = fit_model(FitTask(candidate, rows, everything, recipe, seed=0))
        for split in ["random", *(["spatial"] if rows.xy is not None else ["site_out"] if "groups" in parts else [])]:
            outcome = validate(split, recipe, rows, [candidate])
            trust = fit_trust(model, candidate, rows, everything, [outcome])
            assert trust is not None
            (scores,), (bounds,) = trust.scores.values(), trust.bounds.values()
            figures = coverage_by_level(scores.observed, bounds, LEVELS).set_index("level").loc[list(CARD_LEVELS)]
            row = {"set": name, "folds": split, "n": len(scores), "R2": outcome.table.test_r2.item()}
            row |= {f"{100 * level:g} %": f"{100 * share:.0f}" for level, share in figures.covered.items()}
            table.append(row | {"width at 90 %": figures.mean_width[0.9] / rows.y.std()})
    return table


def main(quick: bool) -> None:
    """Print the table and the share of the scene."""
    chosen = list(sets())
    work = [(name, parts, 60 if quick else N_SAMPLES) for name, parts in (chosen[::5] if quick else chosen)]
    done = sorted(run_in_processes(measured, work, processes=2, task="sets"))
    table = pd.DataFrame([row for _, rows in done for row in rows])
    print(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))
    folder = shared("rasters", "enmap_potsdam")
    paths = {"spectra": shared("spectra", "geeves_australia.parquet"), "cube": folder / "enmap_potsdam_mosaic.tif"}
    with tempfile.TemporaryDirectory() as scratch, warnings.catch_warnings(action="ignore"):
        recipe = Path(scratch) / "clay.toml"
        recipe.write_text(SCENE.format(**paths, bands=folder / "enmap_potsdam_bands.csv"))
        trust = fit_pipeline(read_recipe(recipe)).trust
    assert trust is not None
    print("Geeves clay on EnMAP:", *([] if trust.scene is None else [trust.scene.sentence]), *trust.notes)


if __name__ == "__main__":
    main(asked_quick(__doc__))
