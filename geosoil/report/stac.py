"""Description of maps as a STAC collection, which catalogues, QGIS and pystac can read."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import RasterioError
from rasterio.warp import transform_geom

from geosoil.errors import GridError, OutputError, RasterError
from geosoil.io.atomic import atomic_path
from geosoil.io.rasters.mosaic import OVERLAPS
from geosoil.mapping.map_files import trust_path_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pystac import Collection, Item
    from rasterio.io import DatasetReader

EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
)
_STATISTICS = {
    "minimum": "STATISTICS_MINIMUM",
    "maximum": "STATISTICS_MAXIMUM",
    "mean": "STATISTICS_MEAN",
    "stddev": "STATISTICS_STDDEV",
    "valid_percent": "STATISTICS_VALID_PERCENT",
}
UNDATED = "The scene does not state when it was acquired: the time is that of the map."
_EDGE_POINTS = 8  # points per side of a footprint, because the sides of a grid are curved on the globe
_DIGITS = 7  # decimals of degrees, about a centimetre


def write_collection(
    folder: str | os.PathLike[str],
    maps: Mapping[Path, datetime | None],
    *,
    title: str,
    mosaic: Path | None = None,
    trust_mosaic: Path | None = None,
    license: str = "other",  # noqa: A002 - the name in the STAC specification
) -> Path:
    """Write `collection.json` and an item `NAME.json` for each map `NAME.tif` of a folder.

    The grid, bands with units and statistics, software and model come from the maps, whose trust maps are assets beside
    them. References are relative, so that
    the folder can be moved, and the same maps give the same bytes.

    Parameters
    ----------
    folder : path
        Folder of the maps; its name is the id of the collection.
    maps : mapping of Path to datetime or None
        Maps written by `map_cube`, and when their scenes were acquired; None: as the tags of the map state, or, if the
        product did not state it, the time at which the map was made, which the description of the item then says.
    title : str
        Title of the collection.
    mosaic, trust_mosaic : Path, optional
        VRTs of all maps and of all trust maps.
    license : str
        SPDX identifier.

    Returns
    -------
    Path
        `collection.json`.

    Raises
    ------
    RasterError
        If a file is not a map by geosoil.
    GridError
        If a map has no CRS.
    OutputError
        If the folder cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_collection(folder, {Path("absent.tif"): None}, title="SOC")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.RasterError: absent.tif: not a raster...; expected a map by geosoil; ...
    """
    import pystac
    from pystac.layout import CustomLayoutStrategy

    folder = Path(folder).absolute()
    items = [_item(Path(path), acquired) for path, acquired in maps.items()]
    dates = [item.datetime for item in items if item.datetime is not None]
    boxes = [item.bbox for item in items if item.bbox is not None]
    # A box with its west side east of its east side crosses the 180th meridian; the common box is then all around.
    west, east = (min, max) if all(box[0] <= box[2] for box in boxes) else (lambda _: -180.0, lambda _: 180.0)
    extent = [west(b[0] for b in boxes), min(b[1] for b in boxes), east(b[2] for b in boxes), max(b[3] for b in boxes)]
    collection = pystac.Collection(
        id=folder.name,
        title=title,
        description=f"{title}: {len(items)} maps by geosoil.",
        extent=pystac.Extent(pystac.SpatialExtent([extent]), pystac.TemporalExtent([[min(dates), max(dates)]])),
        license=license,
        catalog_type=pystac.CatalogType.SELF_CONTAINED,
    )
    collection.set_self_href(str(folder / "collection.json"))
    mosaics = {"mosaic": (mosaic, "all maps as one"), "trust": (trust_mosaic, "all trust maps as one")}
    for key, (file, title_of_file) in mosaics.items():
        if file is not None:
            vrt = pystac.Asset(file.name, title_of_file, OVERLAPS, "application/x-gdal-vrt+xml", ["data", "virtual"])
            collection.add_asset(key, vrt)
    flat = CustomLayoutStrategy(item_func=lambda item, parent: str(Path(parent) / f"{item.id}.json"))
    for item in items:
        collection.add_item(item, strategy=flat)
    _write(collection, folder / "collection.json")
    for item in items:
        _write(item, folder / f"{item.id}.json")
    return folder / "collection.json"


def _item(path: Path, acquired: datetime | None) -> Item:
    import pystac

    try:
        with rasterio.open(path) as source:
            tags = source.tags()
            missing = [key for key in ("GEOSOIL_MODEL", "GEOSOIL_MODEL_SHA256", "GEOSOIL_CREATED") if key not in tags]
            if missing:
                raise _not_a_map(path, found=f"no tag {missing[0]}")
            geometry, bbox = _footprint(source, path)
            created = datetime.fromisoformat(tags["GEOSOIL_CREATED"])
            if acquired is None and "GEOSOIL_ACQUIRED" in tags:
                acquired = datetime.fromisoformat(tags["GEOSOIL_ACQUIRED"])
            sha256 = f"sha256:{tags['GEOSOIL_MODEL_SHA256']}"
            software = {"geosoil": tags.get("GEOSOIL_VERSION", "unknown"), tags["GEOSOIL_MODEL"]: sha256}
            cube = tags.get("GEOSOIL_CUBE") or tags.get("GEOSOIL_COVARIATES", "unknown")
            properties = {
                "created": pystac.utils.datetime_to_str(created),
                **_projection(source),
                **({} if acquired is not None else {"description": UNDATED}),
                "processing:level": "L4",
                "processing:lineage": f"{cube}, mapped with model {tags['GEOSOIL_MODEL']} ({sha256})",
                "processing:software": software,
            }
            item = pystac.Item(
                path.stem, geometry, bbox, acquired or created, properties, stac_extensions=[*EXTENSIONS]
            )
            item.add_asset(
                "map",
                pystac.Asset(path.name, media_type=pystac.MediaType.COG, roles=["data"], extra_fields=_bands(source)),
            )
    except RasterioError as error:
        raise _not_a_map(path, problem=f"not a raster ({error})") from error
    for key, suffix, media_type, roles in (
        ("quicklook", ".png", pystac.MediaType.PNG, ["overview"]),
        ("style", ".qml", pystac.MediaType.XML, ["metadata"]),
    ):
        file = path.with_suffix(suffix)
        if file.exists():
            item.add_asset(key, pystac.Asset(file.name, media_type=media_type, roles=roles))
    beside = trust_path_of(path)
    if beside.is_file():
        with rasterio.open(beside) as source:
            if source.tags().get("GEOSOIL_IDENTITY") == tags.get("GEOSOIL_IDENTITY"):  # else of an earlier map
                fields = _bands(source)
                asset = pystac.Asset(beside.name, media_type=pystac.MediaType.COG, roles=["data"], extra_fields=fields)
                item.add_asset("trust", asset)
    return item


def _projection(source: DatasetReader) -> dict[str, Any]:
    authority = source.crs.to_authority()
    return {
        "proj:code": ":".join(authority) if authority else None,
        **({} if authority else {"proj:wkt2": source.crs.to_wkt(version="WKT2_2019")}),
        "proj:shape": list(source.shape),
        "proj:transform": list(source.transform)[:6],
        "proj:bbox": list(source.bounds),
    }


def _bands(source: DatasetReader) -> dict[str, Any]:
    """Return the fields of the asset; in STAC 1.1 `bands` contains units and statistics."""
    bands = []
    for number in source.indexes:
        tags, unit, nodata = source.tags(number), source.units[number - 1], source.nodatavals[number - 1]
        band: dict[str, Any] = {"name": source.descriptions[number - 1] or f"band_{number}"}
        band["data_type"] = source.dtypes[number - 1]
        if nodata is not None:
            band["nodata"] = nodata if nodata == nodata else "nan"
        if unit:
            band["unit"] = unit
        statistics = {name: float(tags[key]) for name, key in _STATISTICS.items() if key in tags}
        bands.append(band | ({"statistics": statistics} if statistics else {}))
    fields: dict[str, Any] = {"bands": bands, "raster:sampling": "area"}
    if source.crs.is_projected:
        metres = source.crs.units_factor[1]
        fields["raster:spatial_resolution"] = abs(source.transform.determinant) ** 0.5 * metres
    return fields


def _footprint(source: DatasetReader, path: Path) -> tuple[dict[str, Any], list[float]]:
    """Return the outline of the grid in degrees of WGS84, and its box (west, south, east, north)."""
    if source.crs is None:
        raise GridError(path, problem="the map has no CRS", way_out="georeference the map")
    shares = [k / _EDGE_POINTS for k in range(_EDGE_POINTS)]
    edge = [(s, 0.0) for s in shares] + [(1.0, s) for s in shares]
    edge += [(1 - s, 1.0) for s in shares] + [(0.0, 1 - s) for s in shares] + [(0.0, 0.0)]
    t = source.transform
    pixels = [(x * source.width, y * source.height) for x, y in edge]
    ring = [(t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f) for x, y in pixels]
    outline = {"type": "Polygon", "coordinates": [ring[::-1] if t.determinant < 0 else ring]}
    try:
        # GDAL splits an outline at the 180th meridian into two parts.
        geometry = transform_geom(source.crs, "OGC:CRS84", outline, precision=_DIGITS)
    except RasterioError as error:
        raise GridError(path, problem=f"the outline cannot be transformed to longitude and latitude ({error})",
                        way_out="check the map's CRS and transform") from error  # fmt: skip
    rings = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    longitudes = [[x for x, _ in parts[0]] for parts in rings]
    latitudes = [y for parts in rings for _, y in parts[0]]
    if len(rings) > 1:  # as defined by GeoJSON: west is the west side of the eastern part
        west = min(min(part) for part in longitudes if min(part) > 0)
        east = max(max(part) for part in longitudes if max(part) < 0)
    else:
        west, east = min(longitudes[0]), max(longitudes[0])
    return geometry, [west, min(latitudes), east, max(latitudes)]


def _write(described: Collection | Item, path: Path) -> None:
    text = json.dumps(described.to_dict(include_self_link=False), indent=2, ensure_ascii=False, allow_nan=False)
    with atomic_path(path) as temporary:
        try:
            temporary.write_text(text + "\n", "utf-8")
        except OSError as error:
            raise OutputError(path, problem=f"writing the STAC file failed ({error.strerror})",
                              way_out="free some disk space") from error  # fmt: skip


def _not_a_map(path: Path, **problem: str) -> RasterError:
    return RasterError(path, **problem, expected="a map by geosoil", way_out="map the scene again")
