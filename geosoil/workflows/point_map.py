"""Write predictions at points: a GeoPackage, and a picture beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.io.atomic import atomic_path
from geosoil.io.tables.writer import write_geopackage
from geosoil.raster.grid import crs_unit
from geosoil.report.figure_style import save_figure
from geosoil.report.map_figures import points_figure

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from matplotlib.figure import Figure
    from pyproj import CRS


@dataclass(frozen=True)
class PointMap:
    """The GeoPackage, its figure, and the number of points."""

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
    """Write points with predictions to a GeoPackage, and a picture of them beside it.

    Parameters
    ----------
    path : Path
        The GeoPackage; the picture is a PNG file of the same name.
    xy : ndarray, (point, 2)
        Coordinates in `crs`.
    crs : pyproj.CRS
        CRS of the coordinates.
    columns : dict of str to ndarray, (point,)
        Further attributes by name.
    ids : ndarray, (point,)
        Names of the points.
    predicted : ndarray, (point,)
        Predictions in `unit`.
    learned : ndarray of bool, (point,)
        Which points the model was trained on.
    title, unit : str
        For the picture.

    Returns
    -------
    PointMap
        The files and the figure.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    import geopandas as gpd

    frame = gpd.GeoDataFrame(
        {"sample_id": ids, "predicted": predicted, "learned_from": learned, **columns},
        geometry=gpd.points_from_xy(*xy.T),
        crs=crs,
    )
    with atomic_path(path) as temporary:
        write_geopackage(frame, temporary, layer=path.stem)
    figure = points_figure(xy, predicted, learned, title=title, unit=unit, ground_unit=crs_unit(crs))
    figure_path = path.with_suffix(".png")
    save_figure(figure, figure_path)
    return PointMap(path, figure_path, figure, len(xy))
