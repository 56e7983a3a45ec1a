"""The files for a GIS beside a map: the style and the metadata of each raster, and on request a QGIS project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path, require_writable
from geosoil.io.output_paths import check_not_an_input
from geosoil.io.provenance import current_time
from geosoil.io.remote.objects import is_object_url
from geosoil.io.tables.columns import coordinate_columns
from geosoil.io.tables.reader import read_points, read_table
from geosoil.io.tables.writer import write_geopackage
from geosoil.models.display import describe_card, targets_text
from geosoil.report.figure_style import save_figure
from geosoil.report.qgis_metadata import LayerMetadata
from geosoil.report.qgis_project import LayerGroup, VectorLayer, write_project
from geosoil.report.qgis_rasters import StyledRaster, map_styles
from geosoil.report.quicklooks import map_quicklook
from geosoil.workflows.trust_map import TrustMap, write_trust_files

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import geopandas as gpd

    from geosoil.mapping.map_files import WrittenFile
    from geosoil.models.card import ModelCard
    from geosoil.workflows.map_result import MapResult

    PathLike = str | os.PathLike[str]

SAMPLES = "samples"  # layer of the GeoPackage OUT_samples.gpkg


@dataclass(frozen=True)
class GisOptions:
    """What is written for a GIS beside a map.

    Parameters
    ----------
    project : bool
        Write OUT.qgz: a QGIS project of the map, the trust map and the samples.
    samples : path-like, optional
        A table of points for the project, which has them as OUT_samples.gpkg.
    licence : str, optional
        The licence of the map, for its metadata.
    """

    project: bool = False
    samples: PathLike | None = None
    licence: str | None = None

    def prepare(self, output: str, inputs: Iterable[PathLike | None]) -> gpd.GeoDataFrame | None:
        """Check, before the map is computed, that the project can be written, and return the points for it.

        Raises
        ------
        OutputError
            If the project cannot be written there.
        SamplesError
            If the samples cannot be read, or have no coordinates.
        """
        if self.samples is not None and not self.project:
            raise OutputError("samples", problem="are shown in a QGIS project only", way_out="write one too: --qgz")
        if not self.project:
            return None
        if is_object_url(output):
            raise OutputError(
                output,
                problem="a QGIS project names files of a folder and cannot be written to an object store",
                way_out="write the map to a local folder, or leave out --qgz",
            )
        written = [project_path_of(output), samples_path_of(output)]
        check_not_an_input(written, [*inputs, self.samples])
        for file in written:
            require_writable(file)
        return None if self.samples is None else read_sample_points(Path(self.samples))


STYLE_ONLY = GisOptions()
"""No project, and no licence."""


def project_path_of(output: PathLike) -> Path:
    """Return the project of a map.

    >>> project_path_of("maps/as.tif").as_posix()
    'maps/as.qgz'
    """
    return Path(output).with_suffix(".qgz")


def samples_path_of(output: PathLike) -> Path:
    """Return the GeoPackage of the samples in the project of a map.

    >>> samples_path_of("maps/as.tif").as_posix()
    'maps/as_samples.gpkg'
    """
    return Path(output).with_name(f"{Path(output).stem}_samples.gpkg")


@dataclass(frozen=True)
class SideFiles:
    """What is written beside a finished map.

    Parameters
    ----------
    files : mapping of str to Path
        Style, metadata and quicklook by these words; empty for a map without a value.
    styled : StyledRaster or None
        How QGIS shows the map.
    trust : TrustMap or None
        The trust map.
    """

    files: Mapping[str, Path]
    styled: StyledRaster | None
    trust: TrustMap | None


def write_side_files(
    written: WrittenFile,
    *,
    cards: Sequence[ModelCard],
    inputs: Sequence[str],
    level: Any,
    notes: Sequence[str],
    licence: str | None = None,
    acquired: str | None = None,
) -> SideFiles:
    """Write what belongs beside a finished file of a map and its trust map: styles, metadata and pictures.

    Parameters
    ----------
    written : WrittenFile
        The file and its trust map.
    cards : sequence of ModelCard
        The cards of its models.
    inputs : sequence of str
        Names of the files that were mapped.
    level : float or None
        The level of the intervals.
    notes : sequence of str
        What was done to the input, and warnings.
    licence : str, optional
        Licence of the map, for its metadata.
    acquired : str, optional
        When the scene was acquired, in ISO 8601.
    """
    path, bands, outputs = written.file.path, written.cog.bands, [output for _, output in written.file.bands]
    names = [card.name for card in cards]
    title = f"{targets_text(bands)} by {', '.join(names)}"
    by_what = f"by {', '.join(names)} from {', '.join(inputs)}"
    stated: dict[str, Any] = {"licence": licence, "notes": notes, "acquired": acquired}
    files: dict[str, Path] = {}
    styled = trust = None
    if any(band.valid_count for band in bands):
        first = next(k for k, band in enumerate(bands) if band.valid_count)
        metadata = map_metadata(title, cards, what=f"Map {by_what}.", **stated)
        styled = StyledRaster(path, map_styles(bands, outputs, len(cards)), first, metadata)
        files = dict(zip(("style", "metadata"), styled.write_files(), strict=True))
        files["quicklook"] = path.with_suffix(".png")
        save_figure(map_quicklook(path, bands, names), files["quicklook"])
    if written.trust is not None:
        what = f"Prediction intervals and area of applicability of the map {by_what}."
        of_trust = map_metadata(f"Trust in {title}", cards, what=what, **stated)
        trust = write_trust_files(written.trust, written.median_widths, level, names, of_trust)
    return SideFiles(files, styled, trust)


def write_map_project(output: Path, maps: Sequence[MapResult], points: gpd.GeoDataFrame | None) -> Path | None:
    """Write the project of a map: samples on top, the area of applicability over the map, and the map below.

    Parameters
    ----------
    output : Path
        OUT.tif, whose name the project has.
    maps : sequence of MapResult
        The files of the map; several if each property has a file.
    points : GeoDataFrame or None
        The samples, which are written to a GeoPackage beside the project.

    Returns
    -------
    Path or None
        The project; None if no map has a value.
    """
    shown = [each for each in maps if each.styled is not None]
    groups = []
    for kind, rasters in (
        ("trust", [each.trust.styled for each in shown if each.trust is not None]),
        ("prediction", [each.styled for each in shown]),
    ):
        parts = [raster.group(kind, visible=number == 0) for number, raster in enumerate(filter(None, rasters))]
        if parts:
            groups.append(LayerGroup(kind, [layer for part in parts for layer in part.layers]))
    if not groups:
        return None
    return write_project_with(output, groups, points)


def write_project_with(output: Path, groups: Sequence[LayerGroup], points: gpd.GeoDataFrame | None) -> Path:
    """Write the project OUT.qgz of some groups of layers, with points on top, and return it."""
    above = []
    if points is not None:
        path = samples_path_of(output)
        with atomic_path(path) as temporary:
            write_geopackage(points, temporary, layer=SAMPLES)
        above.append(LayerGroup(SAMPLES, [VectorLayer(path, SAMPLES, f"samples (n = {len(points)})")]))
    return write_project(project_path_of(output), title=output.stem, groups=[*above, *groups])


def read_sample_points(path: Path) -> gpd.GeoDataFrame:
    """Read a table of points with all its columns; coordinates without geometry are recognised by their names."""
    import geopandas as gpd

    table = read_table(path).reset_index(drop=True)
    ids = np.array([f"row {row}" for row in range(1, len(table) + 1)], dtype=object)
    points = read_points(path, table, ids, *coordinate_columns(table))
    columns = {str(name): table[name] for name in table.columns if name != getattr(table, "_geometry_column_name", "")}
    return gpd.GeoDataFrame(columns, geometry=points.to_numpy(), crs=points.crs)


def map_metadata(
    title: str,
    cards: Sequence[ModelCard],
    *,
    what: str,
    licence: str | None,
    notes: Sequence[str] = (),
    acquired: str | None = None,
) -> LayerMetadata:
    """Return the metadata of a map: what it shows, by which models, and how accurate these are.

    Parameters
    ----------
    title : str
        Title of the layer.
    cards : sequence of ModelCard
        The cards of all models.
    what : str
        A sentence on what the layer is.
    licence : str or None
        Licence of the map.
    notes : sequence of str
        What was done to the input, and warnings.
    acquired : str, optional
        When the scene was acquired, in ISO 8601.
    """
    abstract = [what]
    for card in cards:
        abstract += [f"{name}: {text}" for name, text in describe_card(card) if name.startswith(OF_ABSTRACT)]
    stated = [card.origin for card in cards if card.origin is not None]
    authors = [origin.author for origin in stated if origin.author]
    licences = [f"licence of the model {card.name}: {card.origin.licence}" for card in cards
                if card.origin is not None and card.origin.licence]  # fmt: skip
    return LayerMetadata(
        title,
        (*abstract, *licences),
        keywords=("soil", *dict.fromkeys(target.name for card in cards for target in card.targets)),
        licence=licence,
        author=", ".join(dict.fromkeys(authors)) or None,
        history=(*notes, f"computed by geosoil on {current_time()}"),
        begin=acquired,
    )


OF_ABSTRACT: Any = ("model", "target", "accuracy", "intervals", "samples", "where", "not made for")
"""Titles of the lines of `describe_card` that the abstract of a map has."""
