"""Where model folders lie: a path, or a name in the usual places."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from geosoil.errors import ModelFileError

CARD = "model.json"
MOST_IN_A_FOLDER = 100


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
    near = get_close_matches(str(name), known, n=1)
    meant = f"did you mean {near[0]}? Otherwise " if near else ""
    raise ModelFileError(
        name,
        found="no such model in ./models, $GEOSOIL_MODELS or among those that ship with geosoil",
        expected="one of " + (", ".join(known) or "none yet"),
        way_out=f"{meant}train one with `geosoil train`, or give the path of its folder",
    )


def model_folders(name: str | os.PathLike[str]) -> list[str | os.PathLike[str]]:
    """Return the model folders in a folder, by their names; anything else is returned as it is.

    A folder that holds a model itself is that model, whatever else lies in it.
    """
    folder = Path(name)
    if not folder.is_dir() or (folder / CARD).exists():
        return [name]
    inside = sorted(path.parent for path in folder.glob(f"*/{CARD}"))
    if len(inside) > MOST_IN_A_FOLDER:
        raise ModelFileError(
            name,
            found=f"{len(inside)} model folders",
            expected=f"at most {MOST_IN_A_FOLDER} for one map",
            way_out="name the models",
        )
    return [*inside] or [name]
