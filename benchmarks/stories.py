"""Ten stories of a soil scientist: at most three commands or twelve lines of Python each, with the values checked.

The files are real or made of real data (`story_data.py`). Each check computes what it compares with by itself: contents
that were invented, R2 of another implementation, published results, or the model's own prediction of single pixels.
S3 and S9 also check the interval and the area of applicability. `python benchmarks/stories.py S3 S8`
runs these stories only.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio
import story_data
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

import geosoil

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_COMMANDS, MOST_LINES = 3, 12


@dataclass(frozen=True)
class Story:
    """What a user has (`data` writes it into a folder), what they type, and how its results are checked."""

    title: str
    data: Callable[[Path], None]
    script: str
    check: Callable[[Path, str], str]

    @property
    def is_python(self) -> bool:
        """Whether the script is Python and not commands of a shell."""
        return "import geosoil" in self.script

    def check_length(self) -> None:
        """Raise ValueError for a script that is longer than a story may be."""
        lines = [line for line in self.script.splitlines() if line.strip()]
        n = len(lines) if self.is_python else self.script.count("geosoil ")
        if n > (MOST_LINES if self.is_python else MOST_COMMANDS):
            raise ValueError(f"{n} {'lines' if self.is_python else 'commands'}")

    def run(self, folder: Path) -> str:
        """Run the script in a folder and return what it prints; raises CalledProcessError if it fails."""
        words = [sys.executable, "-c", self.script] if self.is_python else ["bash", "-ec", self.script]
        path = f"{folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | {"PATH": path, "MPLBACKEND": "Agg"}
        done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout + done.stderr


def r2(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return 1 - SSE/SST."""
    return float(1 - np.sum((observed - predicted) ** 2) / np.sum((observed - np.mean(observed)) ** 2))


def require(condition: bool | np.bool_, what: str) -> None:
    """Raise AssertionError with a sentence, also where Python runs without assertions."""
    if not condition:
        raise AssertionError(what)


def test_r2(folder: Path, split: str) -> float:
    """Return the accuracy of the first target that the card of a model states for a split."""
    figures = geosoil.load_model(folder).card.metrics[split]
    return figures["test_r2"] if "test_r2" in figures else next(iter(figures.values()))["test_r2"]


def coverage_of(folder: Path, target: str, level: float = 0.9) -> float:
    """Return how often the intervals of a level covered samples that the model had not learned from, by its card."""
    trust = geosoil.load_model(folder).card.trust
    return next(line.covered for line in trust.targets[target].coverage if line.level == level)


def read_map(path: Path) -> tuple[np.ndarray, rasterio.Affine]:
    """Return the bands of a map and its transform."""
    with rasterio.open(path) as source:
        return source.read(), source.transform


def require_own_predictions(map_path: Path, model: Path, raster: np.ndarray, n: int = 200) -> int:
    """Compare pixels of a map with the model's prediction of their rows; return how many pixels have a value.

    `raster` has the features (band, y, x) in the order of the model.
    """
    mapped, _ = read_map(map_path)
    fitted = geosoil.load_model(model).model
    rows, columns = np.nonzero(np.isfinite(mapped[0]) & np.isfinite(raster).all(axis=0))
    chosen = np.random.default_rng(0).choice(len(rows), n)
    rows, columns = rows[chosen], columns[chosen]
    expected = np.asarray(fitted.predict_rows(raster[:, rows, columns].T)).reshape(n, -1)
    for values, target in zip(expected.T, fitted.targets, strict=True):
        np.clip(values, *target.valid_range, out=values)
    spread = np.ptp(expected, axis=0)
    difference = np.abs(mapped[: expected.shape[1], rows, columns].T - expected) / spread
    require(difference.max() < 1e-4, f"the map differs from the model by {difference.max():.1e} of the spread")
    return int(np.isfinite(mapped[0]).sum())


def features_of_cube(model: Path, cube: str = "mosaic") -> np.ndarray:
    """Return the reflectance of the EnMAP cube in the bands that a model reads, found by wavelength."""
    reflectance, _, nm, _ = story_data.enmap(cube)
    fitted = geosoil.load_model(model).model
    order = [int(np.abs(nm - feature.wavelength_nm).argmin()) for feature in fitted.features]
    return reflectance[order]


def invented_r2(map_path: Path, folder: Path, names: list[str]) -> list[float]:
    """Return R2 of bands of a map against the invented contents, at bare pixels inside the training range."""
    mapped, model = read_map(map_path)[0], geosoil.load_model(folder).model
    reflectance = story_data.enmap()[0]
    bare = story_data.bare_pixels(reflectance) & np.isfinite(mapped[0])
    true = story_data.invented_soil(reflectance)
    low, high = (
        np.array([[[getattr(f, end) if getattr(f, end) is not None else sign * np.inf]] for f in model.features])
        for end, sign in (("training_low", -1), ("training_high", 1))
    )
    features = features_of_cube(folder)
    bare &= ((features >= low) & (features <= high)).all(axis=0)
    return [r2(true[name][bare], band[bare]) for name, band in zip(names, mapped, strict=True)]


def check_cube(folder: Path, output: str) -> str:
    """S1: honest accuracy first, a map equal to the model, and a warning about what is not soil."""
    honest, random = test_r2(folder / "models" / "soc", "spatial"), test_r2(folder / "models" / "soc", "random")
    table = pd.read_csv(folder / "soc.csv")
    ceiling = 1 - story_data.NOISE_PCT**2 / table.SOC.var()
    require(0.5 < honest <= random < ceiling + 0.05, f"R2 {honest:.2f} and {random:.2f}, of {ceiling:.2f} possible")
    require(output.index("spatial") < output.index("random "), "the honest figure is not the first")
    n = require_own_predictions(folder / "soc.tif", folder / "models" / "soc", features_of_cube(folder / "models/soc"))
    require("outside the training range" in output, "no warning about forest and water")
    (agreement,) = invented_r2(folder / "soc.tif", folder / "models" / "soc", ["SOC"])
    require(agreement > 0.5, f"the map has R2 {agreement:.2f} against the invented contents")
    return f"R2 by blocks {honest:.2f}; {n} pixels; R2 of the bare map {agreement:.2f}"


def check_library(folder: Path, output: str) -> str:
    """S2: accuracy by site as scikit-learn finds it, no empty map, and a warning about laboratory spectra."""
    table, _, R = story_data.geeves()
    site = np.arange(len(table)) * story_data.N_SITES // len(table)
    log_c = np.log(table["total_c_pct"].to_numpy())
    A = np.log10(1 / R[:, ::10])
    A = (A - A.mean(axis=1, keepdims=True)) / A.std(axis=1, keepdims=True)
    other = r2(log_c, cross_val_predict(PLSRegression(12, scale=False), A, log_c, groups=site, cv=GroupKFold(10))[:])
    figures = geosoil.load_model(folder / "models" / "soc").card.metrics["groups"]
    figures = figures if "test_r2_ln" in figures else next(iter(figures.values()))
    mine = figures["test_r2_ln"]
    require(abs(mine - other) < 0.15, f"R2 of ln {mine:.2f}; scikit-learn {other:.2f}")
    n = require_own_predictions(
        folder / "soc.tif", folder / "models" / "soc", features_of_cube(folder / "models" / "soc", "crop")
    )
    require(n > 7000, f"{n} pixels have a value")
    require("trained on spectra of a table" in output, "no warning about laboratory spectra")
    require("left out 6 bands" in (folder / "lib.toml").read_text(), "the dead bands were not left out")
    return f"R2 of ln by site {mine:.2f} (scikit-learn {other:.2f}); {n} pixels"


def check_meuse(folder: Path, output: str) -> str:
    """S3: accuracy as a forest of scikit-learn has it, intervals that cover, and plausible pixels where it applies."""
    import geopandas as gpd

    points = gpd.read_file(folder / "meuse.gpkg")
    covariates, transform = read_map(folder / "meuse.tif")
    rows, columns = rasterio.transform.rowcol(transform, points.geometry.x, points.geometry.y)
    X = covariates[:, rows, columns].T
    whole = (X > -9999).all(axis=1)
    y = points["zn_mg_kg"].to_numpy()[whole]
    forest = RandomForestRegressor(300, min_samples_leaf=2, random_state=0)
    other = r2(y, np.exp(cross_val_predict(forest, X[whole], np.log(y), cv=KFold(10, shuffle=True, random_state=0))))
    mine = test_r2(folder / "models" / "zinc", "random")
    require(abs(mine - other) < 0.12, f"R2 {mine:.2f}; scikit-learn {other:.2f}")
    mapped, _ = read_map(folder / "zn.tif")
    n = int(np.isfinite(mapped).sum())
    require(n == int((covariates != -9999).all(axis=0).sum()), f"{n} pixels have a value")
    lower, upper, *_, inside = read_map(folder / "zn_trust.tif")[0]
    at_home = mapped[0][inside == 1]
    require(at_home.size > n / 2, f"{at_home.size} of {n} pixels lie inside the area of applicability")
    require(0.9 * y.min() <= at_home.min() and at_home.max() <= 1.2 * y.max(), "zinc beyond the samples")
    holds = (lower <= mapped[0]) & (mapped[0] <= upper)
    require(bool(holds[np.isfinite(mapped[0])].all()), "a prediction is outside its own interval")
    covered = coverage_of(folder / "models" / "zinc", "zn_mg_kg")
    require(0.83 <= covered <= 0.97, f"90 % intervals covered {covered:.0%}")
    at_points = np.corrcoef(np.log(mapped[0, rows, columns][whole]), np.log(y))[0, 1]
    require(at_points > 0.85, f"the correlation at the points is {at_points:.2f}")
    return (
        f"R2 {mine:.2f} (scikit-learn {other:.2f}); 90 % intervals covered {covered:.0%}; {at_home.size} of {n} pixels"
    )


def check_edgeroi(folder: Path, output: str) -> str:
    """S4: six bands that decrease with depth, the sentence on all depths, and the mean of the published splines."""
    import geopandas as gpd

    mapped, _ = read_map(folder / "soc.tif")
    require(len(mapped) == 6, f"{len(mapped)} bands")
    means = np.nanmean(mapped, axis=(1, 2))
    require((np.diff(means) < 0).all(), f"means by depth {means}")
    valid = read_map(folder / "cov.tif")[0]
    n = int((valid != -9999).all(axis=0).sum())
    require(int(np.isfinite(mapped[0]).sum()) == n, "pixels are missing")
    require("R2 of 'all depths' is high because" in output, "no sentence on all depths")
    published = gpd.read_file(story_data.shared("rasters", "edgeroi", "edgeroi_soc_depths.gpkg"))
    columns = [name for name in published.columns if published[name].dtype.kind == "f"][-6:]
    profile = published[columns].mean().to_numpy()  # carbon density, so only the shape is compared
    similarity = np.corrcoef(profile, means)[0, 1]
    require(similarity > 0.9, f"the correlation with the published depth profile is {similarity:.2f}")
    return f"means {means[0]:.1f} to {means[-1]:.1f} g/kg; {n} pixels; correlation with the profile {similarity:.2f}"


def check_pipeline(folder: Path, output: str) -> str:
    """S5: the lazy map, the stored model and the pipeline itself give the same values, and zeros become no data."""
    lazy, _ = read_map(folder / "lazy.tif")
    mapped, _ = read_map(folder / "soc.tif")
    require(np.array_equal(lazy, mapped, equal_nan=True), "geosoil map differs from the lazy map")
    require(np.isnan(mapped[0, : story_data.EMPTY_ROWS]).all(), "empty pixels have values")
    n = require_own_predictions(folder / "soc.tif", folder / "soc", features_of_cube(folder / "soc"))
    (agreement,) = invented_r2(folder / "soc.tif", folder / "soc", ["SOC"])
    require(agreement > 0.5, f"the map has R2 {agreement:.2f}")
    return f"{n} pixels; R2 of the bare map {agreement:.2f}"


def check_notebook(folder: Path, output: str) -> str:
    """S6: pictures, the spectrum of a pixel as the file has it, and a map of bare pixels."""
    reflectance, profile, nm, _ = story_data.enmap()
    spectrum = pd.read_csv(folder / "spectrum.csv")
    row, column = rasterio.transform.rowcol(profile["transform"], 368130.0, 5806560.0)
    order = np.argsort(nm, kind="stable")
    expected = reflectance[order, row, column]
    require(np.allclose(np.sort(spectrum.wavelength_nm), np.sort(nm)), "wavelengths")
    values = spectrum.set_index("wavelength_nm").iloc[:, -1].reindex(nm[order]).to_numpy()
    require(np.allclose(values, expected, atol=1e-6, equal_nan=True), "the spectrum is not that of the pixel")
    require((folder / "rgb.png").stat().st_size > 10_000, "no picture")
    mapped, _ = read_map(folder / "bare.tif")
    n = int(np.isfinite(mapped).sum())
    all_bare = int((np.isfinite(mapped[0]) & story_data.bare_pixels(reflectance)).sum())
    require(100 < n < 4000 and all_bare > 0.8 * n, f"{n} bare pixels, of which {all_bare} have a low NDVI")
    require("SOC [%]" in output, "the map is not labelled")
    return f"{n} bare pixels"


def check_several(folder: Path, output: str) -> str:
    """S7: three bands with names and units, each near the invented contents."""
    with rasterio.open(folder / "soils.tif") as source:
        require(source.descriptions == ("SOC", "clay", "pH") and source.units == ("%", "%", "pH"), "names and units")
    model = folder / "models" / "soils"
    n = require_own_predictions(folder / "soils.tif", model, features_of_cube(model))
    agreements = invented_r2(folder / "soils.tif", model, ["SOC", "clay", "pH"])
    table, features = pd.read_csv(folder / "soils.csv"), features_of_cube(model)
    rows, columns = rasterio.transform.rowcol(read_map(folder / "soils.tif")[1], table.x, table.y)
    with np.errstate(all="ignore"):
        A = np.log10(1 / features)
        A = (A - A.mean(axis=0)) / A.std(axis=0)
    whole = np.isfinite(A).all(axis=0)
    for name, agreement in zip(["SOC", "clay", "pH"], agreements, strict=True):
        fitted = [PLSRegression(k, scale=False).fit(A[:, rows, columns].T, table[name]) for k in range(2, 16)]
        true, bare = (
            story_data.invented_soil(story_data.enmap()[0])[name],
            story_data.bare_pixels(story_data.enmap()[0]),
        )
        bare &= whole
        others = [r2(true[bare], pls.predict(A[:, bare].T).ravel()) for pls in fitted]
        best = max(others)  # of the numbers of components, chosen by the truth: what PLS can reach at most
        require(agreement > best - 0.25, f"{name}: R2 of the map {agreement:.2f}; scikit-learn at best {best:.2f}")
    return f"{n} pixels; R2 of the bare map " + ", ".join(f"{value:.2f}" for value in agreements)


def check_farm(folder: Path, output: str) -> str:
    """S8: the library helps, and the ten scans without a value are predicted."""
    measured = pd.read_csv(folder / "all_measured.csv").set_index("sample").SOC
    predicted = pd.read_csv(folder / "predicted.csv").set_index("sample_id").SOC
    require(list(predicted.index) == list(measured.index) and predicted.notna().all(), "scans without a prediction")
    rest = measured.index[20:]
    correlation = np.corrcoef(np.log(measured[rest]), np.log(predicted[rest].clip(lower=0.05)))[0, 1]
    require(correlation > 0.6, f"the correlation of the scans without a value is {correlation:.2f}")
    _, _, R = story_data.geeves()
    chosen = np.random.default_rng(1).choice(len(R), 30, replace=False)
    expected = geosoil.load_model(folder / "models" / "soc").model.predict_rows(R[chosen].astype(np.float32))
    require(np.allclose(np.ravel(expected).clip(0), predicted, rtol=2e-3, atol=2e-3), "not the model's own predictions")
    figures = geosoil.load_model(folder / "models" / "soc").card.metrics["random"]
    figures = figures if "test_r2" in figures else next(iter(figures.values()))
    require(figures["test_r2"] > 0.3, f"R2 {figures['test_r2']:.2f}")
    return f"R2 of 20 samples {figures['test_r2']:.2f}; correlation of the other 10 {correlation:.2f}"


def check_colleague(folder: Path, output: str) -> str:
    """S9: the card answers what a user asks, a cube of another sensor is refused, and a similar cube is described."""
    for text in (
        "A. Colleague",
        "CC-BY-4.0",
        "Peat soils",
        "EnMAP",
        "1.083 to 3.496",
        "degrees east",
        "accuracy, spatial",
        "90 % covered",
    ):
        require(text in output, f"the card does not state {text}")
    require(output.index("accuracy, spatial") < output.index("accuracy, random"), "the honest figure is not the first")
    require("s2.tif: found bands from 443 to 2190 nm without" in output, "a cube of ten bands is not refused")
    require("fits" in output and "sampled pixels are inside it in every band" in output, "no share inside the range")
    area = re.search(r"area of applicability +\d+% of \d+ sampled pixels are inside it", output)
    require(area is not None, "no share inside the area of applicability")
    reflectance = features_of_cube(folder / "colleague", "crop")
    features = geosoil.load_model(folder / "colleague").model.features
    low, high = (np.array([getattr(f, name) for f in features]) for name in ("training_low", "training_high"))
    values = reflectance.reshape(len(features), -1).T
    share = ((values >= low) & (values <= high))[np.isfinite(values).all(axis=1)].all(axis=1).mean()
    stated_share = float(output.split("training range")[-1].split("%")[0]) / 100
    require(abs(stated_share - share) < 0.1, f"{stated_share:.2f} of the pixels are inside it, not {share:.2f}")
    return f"{share:.0%} of the pixels are inside the training range, {stated_share:.0%} stated"


def check_comparison(folder: Path, output: str) -> str:
    """S10: published figures of the same folds, and paired intervals that show which differences do not rank models."""
    table = pd.read_csv(folder / "table.csv").set_index("model")
    published = pd.read_csv(Path(story_data.shared()).parent / "golden" / "limesoda_published.csv")
    published = published[(published.Dataset == "B.204") & (published.Property == "Clay")].set_index(
        "learning_algorithm"
    )
    require(abs(table.test_r2["RF"] - published.R2["RF"]) < 0.05, f"RF {table.test_r2['RF']:.3f}")
    require(abs(table.test_r2["MLR"] - published.R2["MLR"]) < 0.15, f"MLR {table.test_r2['MLR']:.3f}")
    require((table.test_r2_low < table.test_r2).all() and (table.test_r2 < table.test_r2_high).all(), "no intervals")
    differences = pd.read_csv(folder / "differences.csv").set_index("model")
    require(
        {"RF", "SVR"} == set(differences.index) and "test_r2_difference_low" in differences, "no paired differences"
    )
    return f"R2 of RF {table.test_r2['RF']:.3f} (published {published.R2['RF']:.3f})"


STORIES = {
    "S1": Story(
        "An EnMAP cube and 60 points with SOC",
        story_data.cube_with_samples,
        """
geosoil init cube --cube enmap.tif --samples soc.csv --target SOC --unit % > soc.toml
geosoil train soc.toml
geosoil map --cube enmap.tif --model soc -o soc.tif
""",
        check_cube,
    ),
    "S2": Story(
        "A spectral library from R, validated by site, then an EnMAP cube",
        story_data.library_from_r,
        """
geosoil init spectra lib.csv --target soc --group site --models pls,svm --for enmap.tif > lib.toml
geosoil train lib.toml
geosoil map --cube enmap.tif --model soc -o soc.tif
""",
        check_library,
    ),
    "S3": Story(
        "Meuse zinc with its interval and its area of applicability",
        story_data.meuse,
        """
geosoil init covariates --covariates meuse.tif --samples meuse.gpkg --target zn_mg_kg --name zinc > zinc.toml
geosoil train zinc.toml
geosoil map --covariates meuse.tif --model zinc -o zn.tif
""",
        check_meuse,
    ),
    "S4": Story(
        "Edgeroi horizons and covariates to a six-depth map",
        story_data.edgeroi,
        """
geosoil init profiles --covariates cov.tif --profiles horizons.parquet --target soc_g_kg --name soc > soc.toml
geosoil train soc.toml
geosoil map --covariates cov.tif --model soc -o soc.tif
""",
        check_edgeroi,
    ),
    "S5": Story(
        "A scikit-learn pipeline: lazy map, save, map as the command line does",
        story_data.cube_with_empty_pixels,
        """
import geosoil, geopandas as gpd, pandas as pd
from sklearn.cross_decomposition import PLSRegression
from sklearn.pipeline import make_pipeline
cube, table = geosoil.open_cube("enmap.tif", scale=0.0001), pd.read_csv("soc.csv")
points = gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table.x, table.y), crs="EPSG:32633")
spectra = geosoil.sample_raster(cube, points, sample_id="sample")
pipe = make_pipeline(geosoil.SNV(), PLSRegression(6)).fit(spectra.values, table.SOC)
model = geosoil.Predictor.of(pipe, features=cube.sel(band=spectra.bands), targets=geosoil.Target("SOC", "%"))
geosoil.write_cog(model.predict(cube), "lazy.tif")
model.save("soc")
geosoil.map_cube("enmap.tif", "soc", "soc.tif", scale=0.0001)
""",
        check_pipeline,
    ),
    "S6": Story(
        "A notebook: open, RGB, spectrum at a point, bare soil, predict, plot, COG",
        story_data.cube_and_model,
        """
import geosoil
cube = geosoil.open_cube("enmap.tif", scale=0.0001)
cube.soil.rgb().plot().figure.savefig("rgb.png")
spectrum = cube.soil.spectrum(368130.0, 5806560.0)
spectrum.to_dataframe("reflectance").to_csv("spectrum.csv")
soc = geosoil.load_model("soc").predict(cube.soil.bare())
print(soc.plot().colorbar.ax.get_ylabel())
geosoil.write_cog(soc, "bare.tif")
""",
        check_notebook,
    ),
    "S7": Story(
        "SOC, clay and pH at once",
        story_data.cube_with_samples,
        """
geosoil init cube --cube enmap.tif --samples soils.csv --target SOC clay pH --unit % % pH --name soils > soils.toml
geosoil train soils.toml
geosoil map --cube enmap.tif --model soils -o soils.tif
""",
        check_several,
    ),
    "S8": Story(
        "30 ASD files, a laboratory table and a library: localise, and predict the rest",
        story_data.asd_scans,
        """
geosoil init spectra scans --samples lab.xlsx --library library.parquet --target SOC --unit % > farm.toml
geosoil train farm.toml
geosoil predict scans --model soc -o predicted.csv
""",
        check_farm,
    ),
    "S9": Story(
        "A colleague's model: what is it, how good, where does it apply, on another sensor",
        story_data.colleague,
        """
geosoil info colleague
geosoil check --cube s2.tif --model colleague || test $? = 2
geosoil check --cube enmap.tif --model colleague
""",
        check_colleague,
    ),
    "S10": Story(
        "Three models on LimeSoDa B.204 with the official folds",
        lambda folder: None,
        """
import geosoil, LimeSoDa
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
data = LimeSoDa.load_dataset("B.204")
X, y = data["Dataset"].filter(regex="^(?!.*_target)"), data["Dataset"].Clay_target
svr = make_pipeline(StandardScaler(), SVR(C=10))
models = {"MLR": LinearRegression(), "RF": RandomForestRegressor(300, random_state=0), "SVR": svr}
result = geosoil.compare(models, X, y, folds=data["Folds"], metrics=["r2", "rmse"])
result.table.to_csv("table.csv"), result.differences.to_csv("differences.csv"), print(result)
""",
        check_comparison,
    ),
}


def main() -> None:
    """Run the stories and report how many hold."""
    chosen = sys.argv[1:] or list(STORIES)
    story_data.shared()  # leaves with a message where the reference material is absent
    n = 0
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "bin").mkdir()
        command = Path(scratch) / "bin" / "geosoil"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m geosoil_cli.main "$@"\n')
        command.chmod(0o755)
        for name in chosen:
            story, folder, start = STORIES[name], Path(scratch) / name, time.perf_counter()
            folder.mkdir()
            try:
                story.check_length()
                story.data(folder)
                line = story.check(folder, story.run(folder))
            except Exception:
                print(f"{name} failed: {story.title}\n{traceback.format_exc()}", flush=True)
                continue
            n += 1
            print(f"{name} {story.title}: {line}; {time.perf_counter() - start:.0f} s", flush=True)
    print(f"stories {n} stories {len(chosen)}")
    sys.exit(n < len(chosen))


if __name__ == "__main__":
    main()
