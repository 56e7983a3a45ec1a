"""What the demo of every study shares: where the sample data lie, and what is said at the end."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geosoil.report.maps import MapResult
    from geosoil.report.point_map import PointMap
    from geosoil.studies.results import TrainResult


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
