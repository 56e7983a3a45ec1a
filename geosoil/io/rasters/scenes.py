"""Find the scenes of a file pattern, a list of paths, or a collection of STAC items."""

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
_SIDE_FILES = (".hdr", ".ovr", ".msk", ".xml")  # side files of rasters, which `scenes/*` does not select
_GEOTIFF = "image/tiff"  # the start of the media types of GeoTIFFs and COGs


@dataclass(frozen=True)
class Scene:
    """One scene to map.

    Attributes
    ----------
    path : str
        The file, product folder or URL that `open_cube` opens.
    name : str
        A unique name that is valid as a file name.
    acquired : datetime or None
        The time of acquisition of a STAC item.
    """

    path: str
    name: str
    acquired: datetime | None = None


def is_scene_list(cube: str | os.PathLike[str]) -> bool:
    """Check whether a path is a pattern, list or item collection instead of a single cube.

    >>> is_scene_list("scenes/*.tif"), is_scene_list("items.json#data"), is_scene_list("cube.tif")
    (True, True, False)
    """
    text = os.fspath(cube)
    if is_remote(text):
        return False
    if PurePath(_split_asset(text)[0]).suffix.lower() in (*_LISTS, *_COLLECTIONS):
        return True
    return bool(_PATTERN.search(text)) and not Path(text).exists()


def find_scenes(cube: str | os.PathLike[str]) -> list[Scene]:
    """Find the scenes of a pattern, a list or a collection of STAC items; a single path is one scene.

    Scenes are named by their file or folder without ending, or by the id of the item; if files in several folders have
    the same name, the name of the folder is prepended. Files in a list are not checked for existence.

    Parameters
    ----------
    cube : path-like
        A pattern such as `scenes/*.tif` (`**` for folders of any depth), sorted by name; a list `.txt` with one path or
        URL per line, relative to the list, where `#` starts a comment; or a STAC item collection `.json` or `.geojson`,
        sorted by acquisition time if all items have one. The asset of an item is the GeoTIFF with the role "data";
        `items.json#KEY` selects another one.

    Returns
    -------
    list of Scene
        The scenes in order.

    Raises
    ------
    RasterError
        If there are no scenes, a list or collection cannot be read, an item has no such asset or several, or names are
        not unique.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.tif", "a.tif"):
    ...         _ = (Path(folder) / name).write_text("")
    ...     [scene.name for scene in find_scenes(folder + "/*.tif")]
    ['a', 'b']
    """
    text = os.fspath(cube)
    path, asset = _split_asset(text)
    suffix = PurePath(path).suffix.lower()
    if not is_scene_list(text):
        return [Scene(text, _file_name(_stem(text)))]
    if suffix in _COLLECTIONS:
        scenes, expected = _read_items(Path(path), asset), "STAC items"
    elif suffix in _LISTS:
        scenes, expected = [_make_scene(line) for line in _read_list(Path(path))], "one path or URL per line"
    else:
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - an absolute pattern has no folder to start in
        scenes = [_make_scene(match) for match in matches if PurePath(match).suffix.lower() not in _SIDE_FILES]
        expected = "files or folders that match it"
    if not scenes:
        raise RasterError(text, found="no scene", expected=expected, way_out="check the path; quote a pattern")
    return _make_names_unique(scenes, text)


def _split_asset(text: str) -> tuple[str, str | None]:
    """Split `items.json#KEY` into the file and the key; a file name may contain `#` itself."""
    path, mark, asset = text.rpartition("#")
    if mark and asset and PurePath(path).suffix.lower() in _COLLECTIONS:
        return path, asset
    return text, None


def _read_list(path: Path) -> list[str]:
    lines = [line.strip() for line in _read_text(path).splitlines()]
    return [_resolve(line, path.parent) for line in lines if line and not line.startswith("#")]


def _read_items(path: Path, asset: str | None) -> list[Scene]:
    try:
        content = json.loads(_read_text(path))
    except ValueError as error:
        raise _items_error(path, f"not valid JSON ({error})") from error
    kind = content.get("type") if isinstance(content, dict) else None
    items = content.get("features") if kind == "FeatureCollection" else [content] if kind == "Feature" else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise _items_error(path, f"the type is {kind!r}")
    scenes = [_read_item(item, path, asset) for item in items]
    dated = [scene.acquired for scene in scenes if scene.acquired is not None]
    if len(dated) == len(scenes):
        scenes = [scenes[k] for k in sorted(range(len(scenes)), key=dated.__getitem__)]
    return scenes


def _read_item(item: dict[str, Any], path: Path, asset: str | None) -> Scene:
    name, assets, properties = str(item.get("id", "")), item.get("assets"), item.get("properties")
    if not (name and isinstance(assets, dict) and isinstance(properties, dict)):
        raise _items_error(path, f"feature {name or 'without id'} has no assets or properties")
    chosen = assets.get(_choose_asset(assets, asset, f"{path}, item {name}"))
    href = chosen.get("href") if isinstance(chosen, dict) else None
    if not isinstance(href, str):
        raise _items_error(path, f"item {name} has an asset without href")
    links = [link.get("href") for link in item.get("links", ()) if isinstance(link, dict) and link.get("rel") == "self"]
    base = next((link for link in links if isinstance(link, str) and is_remote(link)), None)
    where = urljoin(base, href) if base and not is_remote(href) else _resolve(href, path.parent)
    taken = properties.get("datetime") or properties.get("start_datetime")
    try:
        date = datetime.fromisoformat(taken) if taken else None
    except (TypeError, ValueError) as error:
        raise _items_error(path, f"item {name} has an invalid datetime {taken!r}") from error
    return Scene(where, _file_name(name), date.replace(tzinfo=UTC) if date and date.tzinfo is None else date)


def _choose_asset(assets: dict[str, Any], asset: str | None, where: str) -> str:
    """Return the key of the asset with the cube; raises RasterError, with the candidates, if it is ambiguous."""
    if asset is not None:
        if asset in assets:
            return asset
        raise RasterError(where, found=f"no asset {asset!r}", expected=f"one of {', '.join(assets)}",
                          way_out="specify one of them after #")  # fmt: skip
    described = {key: entry for key, entry in assets.items() if isinstance(entry, dict)}
    data = [key for key, entry in described.items() if "data" in (entry.get("roles") or ())]
    tiffs = [key for key, entry in described.items() if str(entry.get("type", "")).startswith(_GEOTIFF)]
    candidates = [key for key in data if key in tiffs] or data or tiffs
    if len(candidates) == 1:
        return candidates[0]
    raise RasterError(
        where,
        found=f"several possible assets: {', '.join(candidates)}" if candidates else "no data asset",
        expected='one asset with the role "data", or one GeoTIFF',
        way_out=f"specify the asset after the file: ITEMS.json#{(candidates or [*assets, 'KEY'])[0]}",
    )


def _make_names_unique(scenes: list[Scene], where: str) -> list[Scene]:
    """Prepend the folder to names that several files share; raises RasterError if they are still not unique."""
    count = Counter(scene.name.casefold() for scene in scenes)  # some file systems ignore case
    scenes = [
        replace(scene, name=_file_name(f"{PurePath(scene.path).parent.name}_{scene.name}"))
        if count[scene.name.casefold()] > 1
        else scene
        for scene in scenes
    ]
    name, times = Counter(scene.name.casefold() for scene in scenes).most_common(1)[0]
    if times > 1:
        raise RasterError(
            where,
            found=f"{times} scenes named {name}",
            expected="scenes with different file or folder names",
            way_out="list each scene once, or rename them",
        )
    return scenes


def _make_scene(path: str) -> Scene:
    return Scene(path, _file_name(_stem(path)))


def _stem(path: str) -> str:
    parts = PurePath(urlsplit(path).path if "://" in path else path)
    return parts.name if Path(path).is_dir() else parts.stem


def _file_name(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("_.") or "scene"


def _resolve(path: str, folder: Path) -> str:
    return path if is_remote(path) or path.startswith("/vsi") else str(folder / path)


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        problem = str(error.strerror) if isinstance(error, OSError) else "not valid UTF-8"
        raise RasterError(path, problem=problem, expected="a list of scenes", way_out="check the path") from error


def _items_error(path: Path, problem: str) -> RasterError:
    return RasterError(path, problem=problem, expected="STAC items", way_out="export the search again")
