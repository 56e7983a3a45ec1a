"""A QGIS project (`.qgz`) of rasters and points in groups, each band with its colours, its legend and its metadata."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import rasterio
from rasterio.warp import transform_bounds

from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path
from geosoil.report.qgis import QGIS_VERSION, BandStyle, style_element, xml_text
from geosoil.report.qgis_metadata import LayerMetadata, metadata_element

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rasterio.crs import CRS

    Bounds = tuple[float, float, float, float]

WIDER = 0.05  # share of the extent that the window of the project shows around the layers
POINT = {"name": "circle", "color": "255,255,255,255", "outline_color": "0,0,0,255", "outline_width": "0.4",
         "size": "2.4"}  # fmt: skip
LINE = {"line_color": "11,60,140,255", "line_width": "0.4"}


@dataclass(frozen=True)
class BandLayer:
    """One band of a raster as a layer.

    Parameters
    ----------
    path : Path
        The raster.
    style : BandStyle
        The band and its colours.
    visible : bool
        Whether it is switched on.
    title : str
        Name of the layer; default: the name of the band with its unit.
    metadata : LayerMetadata, optional
        The metadata of the raster.
    """

    path: Path
    style: BandStyle
    visible: bool = False
    title: str = ""
    metadata: LayerMetadata | None = None

    @property
    def name(self) -> str:
        """Name of the layer."""
        unit = f" ({self.style.unit})" if self.style.unit else ""
        return self.title or f"{self.style.name}{unit}"


@dataclass(frozen=True)
class VectorLayer:
    """Points or lines of a GeoPackage as a layer; `layer` is the name of its table."""

    path: Path
    layer: str
    name: str
    lines: bool = False
    visible: bool = True
    metadata: LayerMetadata | None = None


@dataclass(frozen=True)
class LayerGroup:
    """Layers of a project under one heading; the first one lies on top."""

    name: str
    layers: Sequence[BandLayer | VectorLayer]
    expanded: bool = True


def write_project(path: str | os.PathLike[str], *, title: str, groups: Sequence[LayerGroup]) -> Path:
    """Write a QGIS project; its layers are named by paths relative to the project, so that the folder can be moved.

    Parameters
    ----------
    path : path
        The project, `.qgz`.
    title : str
        Title of the project.
    groups : sequence of LayerGroup
        The first one lies on top. The CRS of the project is that of the last layer of the last group with a raster.

    Returns
    -------
    Path
        The project.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    path = Path(path)
    root = ElementTree.Element("qgis", version=QGIS_VERSION, projectname=title)
    ElementTree.SubElement(root, "title").text = title
    tree = ElementTree.Element("layer-tree-group")
    layers = ElementTree.Element("projectlayers")
    order: list[str] = []
    extents = []
    for group in groups:
        branch = ElementTree.SubElement(
            tree, "layer-tree-group", name=group.name, checked="Qt::Checked", expanded=_flag(group.expanded)
        )
        for layer in group.layers:
            name = f"geosoil_layer_{len(order) + 1:04d}"  # QGIS replaces an id of ten characters or fewer
            order.append(name)
            element, crs, bounds = _map_layer(layer, name, path.parent)
            layers.append(element)
            extents.append((isinstance(layer, BandLayer), crs, bounds))
            ElementTree.SubElement(
                branch, "layer-tree-layer", id=name, name=layer.name, source=_relative(layer.path, path.parent),
                providerKey="gdal" if isinstance(layer, BandLayer) else "ogr",
                checked="Qt::Checked" if layer.visible else "Qt::Unchecked", expanded=_flag(layer.visible),
            )  # fmt: skip
    crs = next((crs for is_raster, crs, _ in reversed(extents) if is_raster), extents[-1][1])
    root.append(_crs_element("projectCrs", crs))
    root.append(tree)
    box = _common_box(crs, [(other, bounds) for _, other, bounds in extents])
    root.extend([_canvas(crs, box), _view_settings(crs, box)])
    root.append(layers)
    drawn = ElementTree.SubElement(root, "layerorder")
    for name in order:
        ElementTree.SubElement(drawn, "layer", id=name)
    properties = ElementTree.SubElement(root, "properties")
    paths = ElementTree.SubElement(properties, "Paths")
    ElementTree.SubElement(paths, "Absolute", type="bool").text = "false"
    systems = ElementTree.SubElement(properties, "SpatialRefSys")
    ElementTree.SubElement(systems, "ProjectionsEnabled", type="int").text = "1"  # else `projectCrs` is not read
    with atomic_path(path) as temporary:
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                text = xml_text(root, doctype="qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'")
                archive.writestr(f"{path.stem}.qgs", text)
        except OSError as error:
            raise OutputError(
                path, problem=f"writing failed ({error.strerror})", way_out="free some disk space"
            ) from error
    return path


def _map_layer(layer: BandLayer | VectorLayer, name: str, folder: Path) -> tuple[ElementTree.Element, CRS, Bounds]:
    """Return a layer as an element of a project, its CRS and its bounds."""
    if isinstance(layer, BandLayer):
        with rasterio.open(layer.path) as source:
            crs, bounds = source.crs, tuple(source.bounds)
        element = ElementTree.Element("maplayer", type="raster", hasScaleBasedVisibilityFlag="0")
        parts = list(style_element(layer.style))
        source, provider = _relative(layer.path, folder), "gdal"
    else:
        import pyogrio

        described = pyogrio.read_info(layer.path, layer=layer.layer, force_total_bounds=True)
        crs, bounds = rasterio.crs.CRS.from_user_input(described["crs"]), tuple(described["total_bounds"])
        element = ElementTree.Element("maplayer", type="vector", geometry="Line" if layer.lines else "Point")
        parts = [_symbol(layer)]
        source, provider = f"{_relative(layer.path, folder)}|layername={layer.layer}", "ogr"
    for tag, text in (("id", name), ("datasource", source), ("layername", layer.name)):
        ElementTree.SubElement(element, tag).text = text
    element.append(_crs_element("srs", crs))
    ElementTree.SubElement(element, "provider", encoding="UTF-8").text = provider
    if layer.metadata is not None:
        element.append(metadata_element(layer.metadata, "resourceMetadata"))
    element.extend(parts)
    return element, crs, bounds


def _symbol(layer: VectorLayer) -> ElementTree.Element:
    """Return white circles with a black outline, or blue lines."""
    renderer = ElementTree.Element("renderer-v2", type="singleSymbol", symbollevels="0", enableorderby="0")
    symbols = ElementTree.SubElement(renderer, "symbols")
    kind, of_kind, settings = ("line", "SimpleLine", LINE) if layer.lines else ("marker", "SimpleMarker", POINT)
    symbol = ElementTree.SubElement(symbols, "symbol", type=kind, name="0", alpha="1", clip_to_extent="1")
    drawn = ElementTree.SubElement(symbol, "layer", attrib={"class": of_kind, "enabled": "1", "pass": "0"})
    options = ElementTree.SubElement(drawn, "Option", type="Map")
    for key, value in settings.items():
        ElementTree.SubElement(options, "Option", name=key, value=value, type="QString")
        ElementTree.SubElement(drawn, "prop", k=key, v=value)  # as QGIS before 3.26 reads it
    return renderer


def _crs_element(tag: str, crs: CRS) -> ElementTree.Element:
    element = ElementTree.Element(tag)
    system = ElementTree.SubElement(element, "spatialrefsys", nativeFormat="Wkt")
    ElementTree.SubElement(system, "wkt").text = crs.to_wkt(version="WKT2_2019")
    authority = crs.to_authority()
    if authority:
        ElementTree.SubElement(system, "authid").text = ":".join(authority)
    return element


def _common_box(crs: CRS, extents: Sequence[tuple[CRS, Bounds]]) -> dict[str, str]:
    """Return a box around all layers with a margin, in the CRS of the project."""
    boxes = [bounds if other == crs else transform_bounds(other, crs, *bounds) for other, bounds in extents]
    west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
    east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
    margin = WIDER * max(east - west, north - south)
    ends = {"xmin": west - margin, "ymin": south - margin, "xmax": east + margin, "ymax": north + margin}
    return {name: repr(float(value)) for name, value in ends.items()}


def _view_settings(crs: CRS, box: dict[str, str]) -> ElementTree.Element:
    """Return the extent that "zoom to the full extent" shows."""
    settings = ElementTree.Element("ProjectViewSettings", UseProjectScales="0")
    extent = ElementTree.SubElement(settings, "DefaultViewExtent", attrib=box)
    extent.extend(list(_crs_element("srs", crs)))
    return settings


def _canvas(crs: CRS, box: dict[str, str]) -> ElementTree.Element:
    """Return the window of the project, which shows all layers."""
    canvas = ElementTree.Element("mapcanvas", name="theMapCanvas", annotationsVisible="1")
    extent = ElementTree.SubElement(canvas, "extent")
    for name, value in box.items():
        ElementTree.SubElement(extent, name).text = value
    canvas.append(_crs_element("destinationsrs", crs))
    return canvas


def _relative(path: Path, folder: Path) -> str:
    relative = Path(os.path.relpath(path, folder)).as_posix()
    return relative if relative.startswith("..") else f"./{relative}"


def _flag(value: bool) -> str:
    return "1" if value else "0"
