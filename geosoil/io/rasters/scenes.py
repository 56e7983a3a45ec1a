"""Many scenes named at once: by a file pattern, a list, or a collection of STAC items."""

from __future__ import annotations

import glob
import json
import os
import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import urljoin, urlsplit

from geosoil.errors import RasterError
from geosoil.io.rasters.dataset_cache import is_remote

_LISTS = (".txt",)
_COLLECTIONS = (".json", ".geojson")
_PATTERN = re.compile(r"[*?\[]")
_BESIDE = (".hdr", ".ovr", ".msk", ".xml")  # what stands beside rasters: `scenes/*` does not mean it
_GEOTIFF = "image/tiff"  # the media types of GeoTIFFs and COGs begin so


@dataclass(frozen=True)
class Scene:
    """One scene to map.

    path: what `open_cube` opens: a file, a product's folder, or an address. name: unlike that of any other scene, and
    fit for a file name. acquired: when the sensor took it, where a STAC item tells.
    """

    path: str
    name: str
    acquired: datetime | None = None


def is_many(cube: str | os.PathLike[str]) -> bool:
    """Tell whether a path names scenes for `find_scenes`, and not one cube.

    >>> is_many("scenes/*.tif"), is_many("scenes.txt"), is_many("items.json#data"), is_many("cube.tif")
    (True, True, True, False)
    """
    text = os.fspath(cube)
    if is_remote(text):
        return False
    if PurePath(_without_asset(text)[0]).suffix.lower() in (*_LISTS, *_COLLECTIONS):
        return True
    return bool(_PATTERN.search(text)) and not Path(text).exists()


def find_scenes(cube: str | os.PathLike[str]) -> list[Scene]:
    """Find the scenes that a pattern, a list or a collection of STAC items names; a single path is one scene.

    cube: a pattern as `scenes/*.tif` (`**` for folders of any depth), in the order of names; a list `.txt` with a path
        or an address a line, relative to the list, `#` at the start of a comment, in its own order; or a STAC item
        collection `.json` or `.geojson`, oldest acquisition first where all are dated, in its own order otherwise.
        Of an item the asset is taken that has the role "data" and is a GeoTIFF; `items.json#KEY` names another one.

    A name is that of the file or folder without ending, or the id of the item; where files of several folders have one
    name, the folder's goes before it. A file that a list names need not exist: mapping it will say so.

    Raises RasterError where nothing is found, a list or a collection cannot be read, an item has no such asset or
    several, or names are doubled.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.tif", "a.tif"):
    ...         _ = (Path(folder) / name).write_text("")
    ...     [scene.name for scene in find_scenes(folder + "/*.tif")]
    ['a', 'b']
    """
    text = os.fspath(cube)
    path, asset = _without_asset(text)
    suffix = PurePath(path).suffix.lower()
    if not is_many(text):
        return [Scene(text, _fit(_stem(text)))]
    if suffix in _COLLECTIONS:
        scenes, expected = _of_items(Path(path), asset), "STAC items"
    elif suffix in _LISTS:
        scenes, expected = [_scene(one) for one in _of_list(Path(path))], "a path or an address a line"
    else:
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - an absolute pattern has no folder to start in
        scenes = [_scene(one) for one in matches if PurePath(one).suffix.lower() not in _BESIDE]
        expected = "files or folders that match it"
    if not scenes:
        raise RasterError(text, found="no scene", expected=expected, way_out="check the path; quote a pattern")
    return _told_apart(scenes, text)


def _without_asset(text: str) -> tuple[str, str | None]:
    """Split `items.json#KEY` into the file and the key; a file name may hold a `#` itself."""
    path, mark, asset = text.rpartition("#")
    if mark and asset and PurePath(path).suffix.lower() in _COLLECTIONS:
        return path, asset
    return text, None


def _of_list(path: Path) -> list[str]:
    lines = [line.strip() for line in _text(path).splitlines()]
    return [_absolute(line, path.parent) for line in lines if line and not line.startswith("#")]


def _of_items(path: Path, asset: str | None) -> list[Scene]:
    try:
        content = json.loads(_text(path))
    except ValueError as error:
        raise _no_items(path, f"no JSON ({error})") from error
    kind = content.get("type") if isinstance(content, dict) else None
    items = content.get("features") if kind == "FeatureCollection" else [content] if kind == "Feature" else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _no_items(path, f"type {kind!r}")
    scenes = [_of_item(item, path, asset) for item in items]
    dated = [scene.acquired for scene in scenes if scene.acquired is not None]
    if len(dated) == len(scenes):
        scenes = [scenes[k] for k in sorted(range(len(scenes)), key=dated.__getitem__)]
    return scenes


def _of_item(item: dict[str, Any], path: Path, asset: str | None) -> Scene:
    name, assets, properties = str(item.get("id", "")), item.get("assets"), item.get("properties")
    if not (name and isinstance(assets, dict) and isinstance(properties, dict)):
        raise _no_items(path, f"a feature {name or 'without id'} without assets or properties")
    chosen = assets.get(_choose(assets, asset, f"{path}, item {name}"))
    href = chosen.get("href") if isinstance(chosen, dict) else None
    if not isinstance(href, str):
        raise _no_items(path, f"item {name} with an asset without href")
    own = [link.get("href") for link in item.get("links", ()) if isinstance(link, dict) and link.get("rel") == "self"]
    base = next((one for one in own if isinstance(one, str) and is_remote(one)), None)
    where = urljoin(base, href) if base and not is_remote(href) else _absolute(href, path.parent)
    taken = properties.get("datetime") or properties.get("start_datetime")
    try:
        date = datetime.fromisoformat(taken) if taken else None
    except (TypeError, ValueError) as error:
        raise _no_items(path, f"item {name} with datetime {taken!r}") from error
    return Scene(where, _fit(name), date.replace(tzinfo=UTC) if date and date.tzinfo is None else date)


def _choose(assets: dict[str, Any], asset: str | None, where: str) -> str:
    """Choose the one asset that holds the cube; what is only likely is refused, with the names to choose from."""
    if asset is not None:
        if asset in assets:
            return asset
        raise RasterError(where, found=f"no asset {asset!r}", expected=f"one of {', '.join(assets)}",
                          way_out="name one of them after #")  # fmt: skip
    described = {key: one for key, one in assets.items() if isinstance(one, dict)}
    data = [key for key, one in described.items() if "data" in (one.get("roles") or ())]
    tiffs = [key for key, one in described.items() if str(one.get("type", "")).startswith(_GEOTIFF)]
    candidates = [key for key in data if key in tiffs] or data or tiffs
    if len(candidates) == 1:
        return candidates[0]
    raise RasterError(
        where,
        found=f"assets that could each be the cube: {', '.join(candidates)}" if candidates else "no data asset",
        expected='one asset with the role "data", or one GeoTIFF',
        way_out=f"name the asset after the file: ITEMS.json#{(candidates or [*assets, 'KEY'])[0]}",
    )


def _told_apart(scenes: list[Scene], where: str) -> list[Scene]:
    """Put the folder before names that several files share; refuse those that are doubled even so."""
    count = Counter(scene.name.casefold() for scene in scenes)  # folders of some systems take no notice of case
    scenes = [
        replace(scene, name=_fit(f"{PurePath(scene.path).parent.name}_{scene.name}"))
        if count[scene.name.casefold()] > 1
        else scene
        for scene in scenes
    ]
    name, times = Counter(scene.name.casefold() for scene in scenes).most_common(1)[0]
    if times > 1:
        raise RasterError(
            where,
            found=f"{times} scenes of the name {name}",
            expected="scenes that differ in their names or the names of their folders",
            way_out="name each once, or rename them",
        )
    return scenes


def _scene(path: str) -> Scene:
    return Scene(path, _fit(_stem(path)))


def _stem(path: str) -> str:
    parts = PurePath(urlsplit(path).path if "://" in path else path)
    return parts.name if Path(path).is_dir() else parts.stem


def _fit(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "scene"


def _absolute(path: str, folder: Path) -> str:
    return path if is_remote(path) or path.startswith("/vsi") else str(folder / path)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = error.strerror if isinstance(error, OSError) else "bytes that are no UTF-8"
        raise RasterError(path, found=str(found), expected="a text file of scenes", way_out="check the path") from error


def _no_items(path: Path, found: str) -> RasterError:
    return RasterError(path, found=found, expected="a collection of STAC items", way_out="export the search anew")
