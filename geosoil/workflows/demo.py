"""`geosoil demo`: train and map the sample data, and compare the map with the truth that is known there."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import METRICS, regression_metrics
from geosoil.io.atomic import require_writable_folder
from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.validation import no_progress
from geosoil.report.map_figures import map_figure
from geosoil.report.page import Section, write_report
from geosoil.report.validation_figures import predicted_measured_figure
from geosoil.workflows.train import train

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.figure import Figure

    from geosoil.pipeline.validation import Progress
    from geosoil.report.figure_style import Extent
    from geosoil.workflows.train import TrainResult


@dataclass(frozen=True)
class DemoResult:
    """What a demo made and where; `truth` is how well the map agrees with what it is compared with, by name.

    `view` is the command that shows the map in the browser; None if the demo maps points only.
    """

    trained: TrainResult
    mapped: Any
    report: Path
    truth: dict[str, float]
    compared_with: str
    view: str | None = None

    def summary(self) -> str:
        """Return a few lines for the terminal: accuracy, and which files to open."""
        figures = ", ".join(f"{name} {value:.2f}" for name, value in self.truth.items())
        return "\n".join(
            [
                self.trained.summary(),
                self.mapped.summary(),
                *(f"warning: {warning}" for warning in self.mapped.warnings),
                f"against {self.compared_with}: {figures}",
                "",
                f"Open {self.report} in a browser, and {self.mapped.path} in QGIS.",
                *([] if self.view is None else [f"Look at the map with its spectra and samples: {self.view}"]),
            ]
        )


@dataclass(frozen=True, eq=False)
class LayerAndTruth:
    """A band of a map and the truth in its cells, both of shape (y, x) in one unit, NaN where unknown.

    `low` and `high` are the values of the first and last colour; `extent` is (left, right, bottom, top) of the map.
    """

    name: str
    mapped: np.ndarray
    true: np.ndarray
    low: float
    high: float
    extent: Extent

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return true and mapped values, both of shape (n,), of the cells that have both."""
        both = np.isfinite(self.mapped) & np.isfinite(self.true)
        return self.true[both], self.mapped[both]

    def draw(self, title: str, unit: str) -> list[tuple[str, Figure]]:
        """Draw both in one scale of colours, each with its caption."""
        panels = {f"{title}, mapped": self.mapped, f"{title}, true": self.true}
        return [
            (f"{name}.", map_figure(array, title=name, unit=unit, low=self.low, high=self.high, extent=self.extent))
            for name, array in panels.items()
        ]


def run_demo(name: str, output: str | Path, *, progress: Progress = no_progress) -> DemoResult:
    """Run a demo of `DEMOS` end to end on the sample data.

    Parameters
    ----------
    name : str
        "gf5", "soc", "lead" or "library".
    output : path
        Folder for the model, the map, figures and the report.
    progress : callable, optional

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    return DEMOS[name](require_writable_folder(output), progress)


def sample_data(name: str) -> Path:
    """Return a folder of the sample data, from a checkout and from an installed package alike.

    >>> sample_data("gf5").name
    'gf5'
    """
    return Path(str(files("geosoil_sample_data"))) / name


def _demo_gf5(output: Path, progress: Progress) -> DemoResult:
    """Train arsenic on the sample scene, map it, and compare the map with the truth."""
    return _demo_cube("gf5", "as_svr", "gf5.tif", output, progress)


def _view_command(path: Any, **beside: Path) -> str:
    """Return the command that shows a map and what belongs to it in the browser."""
    options = [word for name, file in beside.items() for word in (f"--{name}", str(file))]
    return shlex.join(["geosoil", "view", str(path), *options])


def _demo_lead(output: Path, progress: Progress) -> DemoResult:
    """Train lead by transfer, map the cube, and compare the map with the truth on the scale of ln."""
    return _demo_cube("lead", "pb_resnet", "cube.tif", output, progress)


def _demo_cube(name: str, model: str, cube: str, output: Path, progress: Progress) -> DemoResult:
    from geosoil.workflows.map import map_cube

    source = sample_data(name)
    recipe = source / f"{model}.toml"
    trained = train(recipe, output / "models" / model, progress=progress)
    mapped = map_cube(source / cube, trained.folder, output / f"{model}.tif", bare_soil=True, progress=progress)
    (layer,) = read_beside_truth(mapped, source / "truth.tif", where="bare_soil")
    target = read_recipe(recipe).recipe.target[0]
    pairs, unit = {target.unit: layer.pairs()}, target.unit
    if target.log != "none":
        pairs = {"ln": (np.log(layer.pairs()[0]), np.log(layer.pairs()[1]))} | pairs
    scale, first = next(iter(pairs.items()))
    unit_of_scatter = f"ln {unit}" if scale == "ln" else unit
    scatter = _scatter("every bare pixel", first, unit=unit_of_scatter, name=target.name)
    section = Section(
        "Map",
        ["The scene is synthetic, so that the truth is known at every pixel.", *mapped.notes],
        [*layer.draw(target.name, unit), ("Mapped against true values.", scatter)],
        [("Mapped against true values, every bare pixel", _titled(metrics_table("scale", pairs)))],
        mapped.warnings,
    )
    report = write_report(output, title=trained.title, sections=[trained.sections[0], section, *trained.sections[1:]])
    truth = _agreement(metrics_table("scale", {scale: first}))
    view = _view_command(mapped.path, cube=source / cube, samples=source / "samples.gpkg")
    return DemoResult(trained, mapped, report, truth, f"the true map on bare soil ({scale})", view)


def _demo_soc(output: Path, progress: Progress) -> DemoResult:
    """Derive terrain, harmonise the horizons, train, map six depths, and compare them with the truth."""
    from geosoil.pipeline.sources.covariates import covariate_paths
    from geosoil.samples.depths import harmonise, write_sites
    from geosoil.samples.horizons import read_horizons
    from geosoil.workflows.map import map_covariates
    from geosoil.workflows.terrain import map_terrain

    source, data = sample_data("soc"), output / "data"
    data.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source / "covariates", data / "covariates", dirs_exist_ok=True)
    for name in ("horizons.csv", "dem.tif", "soc_transfer.toml"):
        shutil.copyfile(source / name, data / name)
    map_terrain(data / "dem.tif", data / "covariates" / "terrain.tif", progress=progress)
    loaded = read_recipe(data / "soc_transfer.toml")
    settings = loaded.recipe.data
    horizons = read_horizons(
        data / "horizons.csv",
        profile_id=settings.sample_id,
        x=settings.x or "x",
        y=settings.y or "y",
        crs=settings.crs,
    )
    write_sites(harmonise(horizons, layers_cm=settings.layers), output / "sites.gpkg")
    trained = train(loaded.source, output / "models" / loaded.recipe.name, progress=progress)
    mapped = map_covariates(
        covariate_paths(loaded), trained.folder, output / "soc.tif", like=data / "dem.tif", progress=progress
    )
    target = loaded.recipe.target[0]
    layers = read_beside_truth(mapped, source / "truth.tif", title=(target.column, target.name))
    table = metrics_table("layer", {layer.name: layer.pairs() for layer in layers})
    unit = target.unit
    section = Section(
        "Map",
        ["The landscape is synthetic, so that the truth is known in every cell.", *mapped.notes],
        [figure for layer in (layers[0], layers[-1]) for figure in layer.draw(layer.name, unit)],
        [("Mapped against true values, every cell", _titled(table))],
        mapped.warnings,
    )
    report = write_report(output, title=trained.title, sections=[trained.sections[0], section, *trained.sections[1:]])
    view = _view_command(mapped.path, dem=data / "dem.tif", samples=output / "sites.gpkg")
    return DemoResult(trained, mapped, report, _agreement(table), "the true map, mean of all depths", view)


@dataclass(frozen=True)
class _Points:
    """The point map of a site."""

    path: Path

    def summary(self) -> str:
        """Return where the points are."""
        return f"points  {self.path}"


def _demo_library(output: Path, progress: Progress) -> DemoResult:
    """Train the model of the sample site, and compare all models on its test rows."""
    from geosoil.workflows.compare import compare

    recipe = sample_data("library") / "site_a.toml"
    trained = train(recipe, output / "models" / "site_a", progress=progress)
    compared = compare(recipe, output / "site_a_comparison.csv", progress=progress)
    text = [
        "Library and site are synthetic, and the search for 1D-CNNs is cut to two architectures of a few epochs: the "
        "order of the models shows how the method works, not which model is best in the field.",
        f"{compared.report.parent.name}/report.html has the figures of every model.",
    ]
    section = Section("Comparison", text, [], [("All models", compared.table)])
    report = write_report(output, title=trained.title, sections=[*trained.sections, section])
    figures = trained.table.iloc[0]
    truth = {"R2": float(figures.test_r2), "RMSE": float(figures.test_rmse)}
    points = _Points(trained.folder / "points.gpkg")
    return DemoResult(trained, points, report, truth, f"{int(figures.n)} samples that nothing has seen")


DEMOS: dict[str, Callable[[Path, Progress], DemoResult]] = {
    "gf5": _demo_gf5,
    "soc": _demo_soc,
    "lead": _demo_lead,
    "library": _demo_library,
}
"""The demos that `geosoil demo NAME` runs."""


def read_beside_truth(
    mapped: Any, truth: Path, *, where: str | None = None, title: tuple[str, str] = ("", "")
) -> list[LayerAndTruth]:
    """Read all bands of a map with the bands of the same names in the truth, which is on the same grid.

    Parameters
    ----------
    mapped : MapResult
    truth : path
        A raster with bands named like those of the map.
    title : (str, str), optional
        A column in the names of the map's bands, and the word that the truth uses instead.
    where : str, optional
        A band of the truth that is 1 in the cells to compare; by default all cells with a value are compared.
    """
    import rasterio

    with rasterio.open(mapped.path) as source:
        values, names = source.read(), source.descriptions
        left, bottom, right, top = source.bounds
    with rasterio.open(truth) as source:
        bands = dict(zip(source.descriptions, source.read(), strict=True))
    layers = []
    for name, array, band in zip(names, values, mapped.cog.bands, strict=True):
        compared = np.isfinite(array) if where is None else bands[where] == 1
        true = np.where(compared, bands[name.replace(*title) if title[0] else name], np.nan)
        layers.append(LayerAndTruth(name, array, true, band.p2, band.p98, (left, right, bottom, top)))
    return layers


def metrics_table(column: str, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Return one row per name, in a column of that title: how well mapped values agree with true ones.

    >>> metrics_table("scale", {"mg/kg": (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))}).r2.tolist()
    [0.5]
    """
    rows = [{column: name, "n": len(true)} | regression_metrics(true, mapped) for name, (true, mapped) in pairs.items()]
    return pd.DataFrame(rows)[[column, "n", "r2", "rmse", "bias", "ccc"]]


def _titled(table: pd.DataFrame) -> pd.DataFrame:
    """Return a `metrics_table` with the headings of a page."""
    return table.rename(columns={name: METRICS[name].title for name in ("r2", "rmse", "bias", "ccc")})


def _agreement(table: pd.DataFrame) -> dict[str, float]:
    return {"R2": float(table.r2.mean()), "RMSE": float(table.rmse.mean())}


def _scatter(title: str, pairs: tuple[np.ndarray, np.ndarray], *, unit: str, name: str = "") -> Figure:
    figures = regression_metrics(*pairs)
    text = f"R² {figures['r2']:.2f}  RMSE {figures['rmse']:.3g}"
    return predicted_measured_figure({title: pairs}, unit=unit, texts={title: text}, name=name, reference="true")
