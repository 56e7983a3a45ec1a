"""The studies by name: which file trains, compares and shows each."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from geosoil.io.atomic import require_writable_folder
from geosoil.io.output_paths import check_not_an_input
from geosoil.studies.recipe import files_named_in, study_of
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.studies.demo import DemoResult
    from geosoil.studies.results import CompareResult, Progress, TrainResult

STUDIES = {
    "gf5": "gf5_inversion",
    "soc": "soc_by_depth",
    "lead": "lead_transfer",
    "library": "library_localisation",
    "property": "soil_property",
}
"""Short name, as `geosoil demo` and `geosoil init` take it -> folder here, and the key `study` of a recipe.

Each folder holds `study.py` with `train` and `compare`, `recipe.toml`, a commented recipe, and where sample data ship
with geosoil `demo.py` with `demo`.
"""
DEMOS = [name for name in STUDIES if name != "property"]
"""The short names of studies with a demo."""


def train(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> TrainResult:
    """Fit, validate and save the model of a recipe of any study, with a report in its folder.

    recipe: a TOML file (`geosoil init STUDY`). output: the model's folder, by default models/NAME.

    Raises the GeosoilError that says what is wrong with the recipe or the files it names.
    """
    result: TrainResult = _study(recipe).train(recipe, output, progress=progress)
    return result


def compare(recipe: str | Path, output: str | Path | None = None, *, progress: Progress = no_progress) -> CompareResult:
    """Make the comparison table of a recipe's study, as CSV with a report in a folder beside it.

    output: the table, by default NAME_comparison.csv. Raises as `train` does, and OutputError where the output is one
    of the files that the recipe names.
    """
    study = _study(recipe)
    if output is not None:
        check_not_an_input([output], files_named_in(recipe))
    result: CompareResult = study.compare(recipe, output, progress=progress)
    return result


def run_demo(name: str, output: str | Path, *, progress: Progress = no_progress) -> DemoResult:
    """Run a study (by its short name) end to end on the sample data; output: a folder for all it makes.

    Raises OutputError where the folder cannot be written.
    """
    result: DemoResult = _part(STUDIES[name], "demo").demo(require_writable_folder(output), progress=progress)
    return result


def recipe_template(name: str) -> str:
    """Return the commented recipe of a study, by its short name.

    >>> recipe_template("gf5").splitlines()[3]
    'study = "gf5_inversion"'
    """
    return files(f"geosoil.studies.{STUDIES[name]}").joinpath("recipe.toml").read_text()


def _study(recipe: str | Path) -> Any:
    return _part(study_of(recipe, list(STUDIES.values())), "study")


def _part(study: str, module: str) -> Any:
    return import_module(f"geosoil.studies.{study}.{module}")
