"""Maps as a STAC collection: what catalogues, QGIS and pystac read to know where, when and by which model."""

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
_EDGE_POINTS = 8  # on each side of a footprint: sides of a grid are curved on the globe
_DIGITS = 7  # of degrees: a centimetre


def write_collection(
    folder: str | os.PathLike[str],
    maps: Mapping[Path, datetime | None],
    *,
    title: str,
    mosaic: Path | None = None,
    license: str = "other",  # noqa: A002 - the word of the STAC specification
) -> Path:
    """Write `collection.json` and an item `NAME.json` for every map `NAME.tif` of a folder; return the collection.

    maps: files in the folder that `map_cube` wrote, and when their scenes were taken; where that is not known, the
    item has the time when the map was made. title: of the collection; the folder's name is its id. mosaic: a VRT over
    the maps. license: an SPDX identifier.

    Everything else comes from the maps themselves: grid, bands with units and statistics, software, model and its
    sha256. All references are relative, so the folder may be moved; the same maps give the same bytes.

    Raises RasterError for a file that is no map by geosoil, GridError for one that has no place on the globe,
    OutputError where the folder cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_collection(folder, {Path("absent.tif"): None}, title="SOC")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.RasterError: absent.tif: found no raster...; expected a map by geosoil; ...
    """
    import pystac
    from pystac.layout import CustomLayoutStrategy

    folder = Path(folder).absolute()
    items = [_item(Path(path), acquired) for path, acquired in maps.items()]
    dates = [item.datetime for item in items if item.datetime is not None]
    boxes = [item.bbox for item in items if item.bbox is not None]
    # A box with its left side east of its right one crosses the 180th meridian, and so does one around it.
    west, east = (min, max) if all(box[0] <= box[2] for box in boxes) else (lambda _: -180.0, lambda _: 180.0)
    around = [west(b[0] for b in boxes), min(b[1] for b in boxes), east(b[2] for b in boxes), max(b[3] for b in boxes)]
    collection = pystac.Collection(
        id=folder.name,
        title=title,
        description=f"{title}: {len(items)} maps by geosoil.",
        extent=pystac.Extent(pystac.SpatialExtent([around]), pystac.TemporalExtent([[min(dates), max(dates)]])),
        license=license,
        catalog_type=pystac.CatalogType.SELF_CONTAINED,
    )
    collection.set_self_href(str(folder / "collection.json"))
    if mosaic is not None:
        vrt = pystac.Asset(mosaic.name, "all maps as one", OVERLAPS, "application/x-gdal-vrt+xml", ["data", "virtual"])
        collection.add_asset("mosaic", vrt)
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
                raise _no_map(path, f"no tag {missing[0]}")
            geometry, bbox = _footprint(source, path)
            created = datetime.fromisoformat(tags["GEOSOIL_CREATED"])
            sha256 = f"sha256:{tags['GEOSOIL_MODEL_SHA256']}"
            software = {"geosoil": tags.get("GEOSOIL_VERSION", "unknown"), tags["GEOSOIL_MODEL"]: sha256}
            cube = tags.get("GEOSOIL_CUBE") or tags.get("GEOSOIL_COVARIATES", "unknown")
            properties = {
                "created": pystac.utils.datetime_to_str(created),
                **_projection(source),
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
        raise _no_map(path, f"no raster ({error})") from error
    for key, suffix, media_type, roles in (
        ("quicklook", ".png", pystac.MediaType.PNG, ["overview"]),
        ("style", ".qml", pystac.MediaType.XML, ["metadata"]),
    ):
        beside = path.with_suffix(suffix)
        if beside.exists():
            item.add_asset(key, pystac.Asset(beside.name, media_type=media_type, roles=roles))
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
    """Return the fields of the asset: STAC 1.1 has unit and statistics in `bands` itself."""
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
        metres = source.crs.linear_units_factor[1]
        fields["raster:spatial_resolution"] = abs(source.transform.determinant) ** 0.5 * metres
    return fields


def _footprint(source: DatasetReader, path: Path) -> tuple[dict[str, Any], list[float]]:
    """Return the outline of the grid in degrees of WGS84, and its box (west, south, east, north)."""
    if source.crs is None:
        raise GridError(path, found="no CRS", expected="a place on the globe", way_out="georeference the map")
    shares = [k / _EDGE_POINTS for k in range(_EDGE_POINTS)]
    edge = [(s, 0.0) for s in shares] + [(1.0, s) for s in shares]
    edge += [(1 - s, 1.0) for s in shares] + [(0.0, 1 - s) for s in shares] + [(0.0, 0.0)]
    t = source.transform
    places = [(x * source.width, y * source.height) for x, y in edge]
    ring = [(t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f) for x, y in places]
    outline = {"type": "Polygon", "coordinates": [ring[::-1] if t.determinant < 0 else ring]}
    try:
        # GDAL cuts an outline at the 180th meridian into two.
        geometry = transform_geom(source.crs, "OGC:CRS84", outline, precision=_DIGITS)
    except RasterioError as error:
        raise GridError(path, found=f"an outline that cannot be placed ({error})", expected="a place on the globe",
                        way_out="check the map's CRS and transform") from error  # fmt: skip
    rings = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    longitudes = [[x for x, _ in parts[0]] for parts in rings]
    latitudes = [y for parts in rings for _, y in parts[0]]
    if len(rings) > 1:  # as GeoJSON has it: west is the eastern part's west
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
            raise OutputError(path, found=f"a write that failed ({error.strerror})", expected="a STAC file",
                              way_out="free some disk space") from error  # fmt: skip


def _no_map(path: Path, found: str) -> RasterError:
    return RasterError(path, found=found, expected="a map by geosoil", way_out="map the scene anew")
