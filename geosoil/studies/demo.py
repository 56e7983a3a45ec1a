"""What the demos share: where the sample data lie, a map beside the truth known there, and what is said at the end."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from geosoil.report.figure_style import Extent
    from geosoil.studies.results import TrainResult
    from geosoil.workflows.map import MapResult
    from geosoil.workflows.point_map import PointMap


@dataclass(frozen=True)
class DemoResult:
    """What a demo made, and where; truth: how well the map agrees with what it is compared with, by name."""

    trained: TrainResult
    mapped: MapResult | PointMap
    report: Path
    truth: dict[str, float]
    truth_of: str
    compared_with: str = "the true map"

    def summary(self) -> str:
        """Say where to look."""
        figures = ", ".join(f"{name} {value:.2f}" for name, value in self.truth.items())
        return "\n".join(
            [
                self.trained.summary(),
                self.mapped.summary(),
                f"against {self.compared_with}{self.truth_of}: {figures}",
                "",
                f"Open {self.report} in a browser, and {self.mapped.path} in QGIS.",
            ]
        )


def sample_data(study: str) -> Path:
    """Return the folder of the sample data of a study, from a checkout and from an installed package alike.

    >>> sample_data("gf5").name
    'gf5'
    """
    return Path(str(files("geosoil_sample_data"))) / study


@dataclass(frozen=True, eq=False)
class LayerAndTruth:
    """A band of a map and the truth in its cells.

    mapped, true: `(y, x)` in one unit, NaN = none. low, high: values of the first and last colour, in that unit.
    extent: (left, right, bottom, top) in the unit of the CRS.
    """

    name: str
    mapped: np.ndarray
    true: np.ndarray
    low: float
    high: float
    extent: Extent

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return true and mapped values `(n,)` of the cells that have both."""
        import numpy as np

        both = np.isfinite(self.mapped) & np.isfinite(self.true)
        return self.true[both], self.mapped[both]

    def draw(self, title: str, unit: str) -> list[tuple[str, Figure]]:
        """Draw both on one scale of colours, each with its caption."""
        from geosoil.report.map_figures import map_figure

        named = {f"{title}, mapped": self.mapped, f"{title}, true": self.true}
        return [
            (f"{one}.", map_figure(array, title=one, unit=unit, low=self.low, high=self.high, extent=self.extent))
            for one, array in named.items()
        ]


def read_beside_truth(mapped: MapResult, truth: Path, *, where: str | None = None) -> list[LayerAndTruth]:
    """Read all bands of a map, and those of their names of the truth on the same grid.

    where: a band of the truth, 1 where it counts; by default it counts where the map has a value.
    """
    import numpy as np
    import rasterio

    with rasterio.open(mapped.path) as source:
        values, names = source.read(), source.descriptions
        left, bottom, right, top = source.bounds
    with rasterio.open(truth) as source:
        bands = dict(zip(source.descriptions, source.read(), strict=True))
    layers = []
    for name, array, band in zip(names, values, mapped.cog.bands, strict=True):
        counts = np.isfinite(array) if where is None else bands[where] == 1
        true = np.where(counts, bands[name], np.nan)
        layers.append(LayerAndTruth(name, array, true, band.p2, band.p98, (left, right, bottom, top)))
    return layers


def metrics_table(what: str, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Return one row a name, in the column `what`: how well mapped `(n,)` agrees with true `(n,)`.

    >>> import numpy as np
    >>> metrics_table("scale", {"mg/kg": (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0]))}).r2.tolist()
    [0.5]
    """
    import pandas as pd

    from geosoil.evaluate.metrics import regression_metrics

    rows = [{what: name, "n": len(true)} | regression_metrics(true, mapped) for name, (true, mapped) in pairs.items()]
    return pd.DataFrame(rows)[[what, "n", "r2", "rmse", "bias", "ccc"]]


def agreement(table: pd.DataFrame) -> dict[str, float]:
    """Return what a `DemoResult` says of a table of metrics: the mean R2 and RMSE of its rows."""
    return {"R2": float(table.r2.mean()), "RMSE": float(table.rmse.mean())}


def scatter_figure(title: str, pairs: tuple[np.ndarray, np.ndarray], *, unit: str, name: str = "") -> Figure:
    """Draw mapped against true values `(n,)` with R2 and RMSE."""
    from geosoil.evaluate.metrics import regression_metrics
    from geosoil.report.validation_figures import predicted_measured_figure

    figures = regression_metrics(*pairs)
    text = f"R² {figures['r2']:.2f}  RMSE {figures['rmse']:.3g}"
    return predicted_measured_figure({title: pairs}, unit=unit, texts={title: text}, name=name)
