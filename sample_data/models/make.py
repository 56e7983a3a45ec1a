"""Train the models that ship with the sample data, and keep what a model is: card, weights and trust state.

Run from a checkout: python sample_data/models/make.py [NAME ...]; a few minutes.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from geosoil.models.store import CARD, FOREST, WEIGHTS
from geosoil.models.trust import TRUST
from geosoil.workflows.train import train

HERE = Path(__file__).parent
NAMES = ("as_svr", "som_svr", "cu_plsr")


def main(names: list[str]) -> None:
    """Train the named models, or all."""
    for name in names or NAMES:
        with tempfile.TemporaryDirectory() as scratch:
            result = train(HERE.parent / "gf5" / f"{name}.toml", Path(scratch) / name)
            folder = HERE / name
            folder.mkdir(exist_ok=True)
            for file in (CARD, WEIGHTS, FOREST, TRUST):
                if (result.folder / file).exists():
                    shutil.copyfile(result.folder / file, folder / file)
        print(result.summary())


if __name__ == "__main__":
    main(sys.argv[1:])
