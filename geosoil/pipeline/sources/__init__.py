"""Where training rows come from: one table, one file for each kind of source.

A source is a schema of the recipe's section `[data]`, a function `read(loaded) -> TrainingRows`, and a function
`draft(files, targets, given) -> Draft` that fills in the section from files. The schema's `kind` is a Literal of the
source's name in `SOURCES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from geosoil.pipeline.sources.schemas import CovariateData, CubeData, ProfileData, SpectraData, TableData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.pipeline.part import Part
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.sources.draft import Draft, Files


@dataclass(frozen=True)
class Source:
    """A kind of source: its title, the schema of `[data]`, and the module with its `read` and `draft`."""

    title: str
    schema: type[Part]
    module: str


SOURCES: dict[str, Source] = {
    "cube": Source("sample points on a hyperspectral cube", CubeData, "geosoil.pipeline.sources.cube"),
    "spectra": Source("a table of spectra, with an optional library", SpectraData, "geosoil.pipeline.sources.spectra"),
    "covariates": Source("sample points on covariate rasters", CovariateData, "geosoil.pipeline.sources.covariates"),
    "profiles": Source("soil profiles on covariate rasters", ProfileData, "geosoil.pipeline.sources.profiles"),
    "table": Source("a table with feature columns of its own", TableData, "geosoil.pipeline.sources.table"),
}


def read_rows(loaded: LoadedRecipe) -> TrainingRows:
    """Read the training rows that a recipe names.

    Raises
    ------
    GeosoilError
        If a file is wrong; the message names the file and what to do.
    """
    rows: TrainingRows = import_module(SOURCES[loaded.recipe.data.kind].module).read(loaded)
    return rows


def draft_data(kind: str, files: Files, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Fill in the section `[data]` of a new recipe from files.

    Parameters
    ----------
    kind : str
        One of `SOURCES`.
    files : Files
    targets : sequence of str
        Columns that are predicted.
    given : dict
        Keys of the section that the user chose.

    Raises
    ------
    GeosoilError
        If a file cannot be read, or something cannot be decided from it; the message names the option that decides.
    """
    made: Draft = import_module(SOURCES[kind].module).draft(files, targets, given)
    return made
