"""Map an EnMAP scene out of its zip, and out of the unpacked folder: the time of the first divided by the second.

The scene is generated, of full size (1130 x 1250 pixels, 224 bands, compressed by LZW); 51 bands are mapped by support
vectors. A zip may store the files as they are (`zip_map_stored`) or pack them again (`zip_map`); each map unpacks what
it needs again. The three maps are made one after the other, and the ratio is the median over the rounds. `--quick`
takes a small scene.
"""

from __future__ import annotations

import statistics
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from measure import asked_quick, report, seconds_of
from scene import made_once, scratch_folder
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.support_vectors import SupportVectors
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.workflows.map import map_cube

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from sensors.products.enmap import DEAD, NAME, bands_nm, planted, write_enmap

LIMIT, ROUNDS, THREADS = 1.3, 3, 2
SHAPE, SMALL = (1130, 1250), (300, 350)
N_BANDS, N_SUPPORT = 51, 60


def write_zip(path: Path, product: Path, compression: int) -> None:
    """Write the files of a product under its name, as agencies do."""
    with zipfile.ZipFile(path, "w", compression) as made:
        for file in sorted(product.iterdir()):
            made.write(file, f"{NAME}/{file.name}")


def save_svr(folder: Path) -> Path:
    """Save a model of 51 bands of the product; with epsilon near 0 each training row supports."""
    rng = np.random.default_rng(1)
    good = np.setdiff1d(np.arange(224), np.array(DEAD) - 1)
    bands = good[np.linspace(3, len(good) - 4, N_BANDS).astype(int)]
    rows, columns = rng.integers(0, 1000, (2, N_SUPPORT))
    spectra = (planted(bands, rows[:, None], columns[:, None]) * 1e-4).astype(np.float32)
    machine = SupportVectors(C=10.0, gamma=1 / N_BANDS, epsilon=1e-6)
    content = 40 + 300 * (spectra[:, 30] - spectra[:, 10]) + rng.normal(0, 2, N_SUPPORT)
    estimator = make_pipeline(StandardScaler(), machine).fit(spectra, content)
    centre_nm, width_nm, _ = bands_nm()
    features = tuple(
        Feature(f"{centre_nm[band]} nm", float(centre_nm[band]), float(width_nm[band]), float(low), float(high))
        for band, low, high in zip(bands, spectra.min(0), spectra.max(0), strict=True)
    )
    model = PixelModel(estimator, features, (Target("as_mg_kg", "mg/kg", (0.0, None)),))
    training = TrainingCard(n_samples=N_SUPPORT, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, name="svr", study="benchmark", preprocessing=["svr"], training=training)
    return folder


def main() -> None:
    """Measure and report."""
    shape = SMALL if asked_quick(__doc__) else SHAPE
    size = f"enmap_{shape[0]}x{shape[1]}"
    product = made_once(size, lambda path: write_enmap(path, shape=shape, compress="lzw", interleave="band"))
    inputs = {"folder": product}
    for kind, compression in (("stored", zipfile.ZIP_STORED), ("packed", zipfile.ZIP_DEFLATED)):
        inputs[kind] = made_once(f"{size}_{kind}.zip", partial(write_zip, product=product, compression=compression))
    model, output = save_svr(scratch_folder() / "zip_map_svr"), scratch_folder() / "zip_map.tif"

    def map_one(cube: Path) -> None:
        if cube.suffix == ".zip":
            cube.touch()  # another file than before, so that nothing of it has been unpacked
        map_cube(cube, model, output, threads=THREADS)

    map_one(product)  # once, so that all that follows finds libraries and files in memory
    rounds = [{kind: seconds_of(partial(map_one, cube), 1)[0] for kind, cube in inputs.items()} for _ in range(ROUNDS)]
    for kind in inputs:
        print(f"{kind}: {min(seconds[kind] for seconds in rounds):.2f} s")
    ratios = {kind: statistics.median(seconds[kind] / seconds["folder"] for seconds in rounds) for kind in inputs}
    passed = [
        report("zip_map_stored", ratios["stored"], "x", LIMIT),
        report("zip_map", ratios["packed"], "x", LIMIT),
    ]
    sys.exit(0 if all(passed) else 1)


if __name__ == "__main__":
    main()
