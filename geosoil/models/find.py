"""Where model folders lie: a path, or a name in the usual places."""

from __future__ import annotations

import os
from pathlib import Path

from geosoil.errors import ModelFileError

CARD = "model.json"


def find_model(name: str | Path) -> Path:
    """Find a model: a folder, else NAME in ./models, $GEOSOIL_MODELS, or among the models that ship with geosoil.

    Raises ModelFileError with the places looked in.
    """
    from importlib.resources import files

    given = Path(name)
    if given.is_dir() or given.is_absolute() or len(given.parts) != 1:
        return given
    places = [Path("models")]
    if os.environ.get("GEOSOIL_MODELS"):
        places.append(Path(os.environ["GEOSOIL_MODELS"]))
    shipped = Path(str(files("geosoil_sample_data"))) / "models"
    places.append(shipped)
    for place in places:
        if (place / given / CARD).is_file():
            return place / given
    known = sorted({path.parent.name for place in places for path in place.glob(f"*/{CARD}")})
    raise ModelFileError(
        name,
        found="no such model in ./models, $GEOSOIL_MODELS or among those that ship with geosoil",
        expected="one of " + (", ".join(known) or "none yet"),
        way_out="train one with `geosoil train`, or give the path of its folder",
    )
