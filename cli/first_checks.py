"""Checks of paths and names of models before anything heavy is imported: a mistyped name is reported at once."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

RASTER, TABLE = "a raster", "a table"
# Parameter of a verb -> what the file is.
INPUTS = {
    "cube": RASTER, "covariates": RASTER, "mask": RASTER, "like": RASTER, "dem": RASTER, "soil_map": RASTER,
    "terrain": RASTER, "samples": TABLE, "source_samples": TABLE, "points": TABLE, "horizons": TABLE,
    "profiles": TABLE, "library": TABLE, "site": TABLE, "labels": TABLE, "maps": RASTER,
    "band_table": TABLE, "recipe": "a recipe",
}  # fmt: skip
MODELS = ("model", "source_model")
_NOT_PLAIN = re.compile(r"[:*?\[#\"]|^/vsi")  # an address, a pattern, a part of a file, a name of GDAL


def check_names(values: dict[str, Any]) -> None:
    """Raise the error of the workflow for an input file or a model that does not exist.

    Only what certainly does not exist is refused here; everything else is left to the workflow.

    Parameters
    ----------
    values : dict
        Values of the parameters of a verb, by name.

    Raises
    ------
    GeosoilError
        If a file is missing, and its folder has no file of a similar name, or if no model has this name.
    """
    for name, value in values.items():
        given = [value] if isinstance(value, str | Path) else value if isinstance(value, tuple) else ()
        for path in given:
            if name in INPUTS:
                _check_file(str(path), INPUTS[name])
            elif name in MODELS and len(given) == 1:  # a message on one of several names comes from the workflow
                from geosoil.models.find import find_model

                find_model(str(path))


def _check_file(text: str, expected: str) -> None:
    path = Path(text)
    if not text or _NOT_PLAIN.search(text) or path.exists():
        return
    if any(parent.is_file() for parent in path.parents):  # a file inside an archive
        return
    others = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    if any(path.stem in (other, Path(other).stem) for other in others):  # scene.hdr of scene.dat, for instance
        return
    from geosoil.errors import RasterError, RecipeError, SamplesError

    error = {RASTER: RasterError, TABLE: SamplesError}.get(expected, RecipeError)
    near = get_close_matches(path.name, others, n=1, cutoff=0.7)
    way_out = f"did you mean {path.with_name(near[0])}?" if near else "check the path"
    raise error(text, found="no such file", expected=expected, way_out=way_out)
