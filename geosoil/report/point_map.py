"""A map of points: predicted contents at a site's samples, as a GeoPackage and a figure beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.io.atomic import atomic_path
from geosoil.report.figure_style import save_figure
from geosoil.report.map_figures import points_figure

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure
    from pyproj import CRS


@dataclass(frozen=True)
class PointMap:
    """The files of a map of points, and its figure."""

    path: Path
    figure_path: Path
    figure: Figure
    n_points: int

    def summary(self) -> str:
        """Return the paths of the files."""
        return f"points  {self.path} ({self.n_points})\nfigure  {self.figure_path}"


def write_point_map(
    path: Path,
    xy: np.ndarray,
    crs: CRS,
    columns: dict[str, np.ndarray],
    *,
    ids: np.ndarray,
    predicted: np.ndarray,
    learned: np.ndarray,
    title: str,
    unit: str,
) -> PointMap:
    """Write points with what was predicted there as PATH (GeoPackage), and draw them beside it (PNG).

    xy `(n, 2)` in crs; ids `(n,)`; predicted `(n,)` in `unit`; learned `(n,)` True for rows that the model learned
    from; columns: further attributes `(n,)` by name. Raises OutputError where the place cannot be written.
    """
    import geopandas as gpd

    frame = gpd.GeoDataFrame(
        {"sample_id": ids, "predicted": predicted, "learned_from": learned, **columns},
        geometry=gpd.points_from_xy(*xy.T),
        crs=crs,
    )
    with atomic_path(path) as temporary:
        frame.to_file(temporary, layer=path.stem, driver="GPKG", engine="pyogrio")
    ground_unit = "m" if crs.is_projected else "degrees"
    figure = points_figure(xy, predicted, learned, title=title, unit=unit, ground_unit=ground_unit)
    figure_path = path.with_suffix(".png")
    save_figure(figure, figure_path)
    return PointMap(path, figure_path, figure, len(xy))
