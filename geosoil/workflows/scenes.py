"""Many scenes to maps: a COG each, one VRT and one STAC collection over all; one that fails does not stop the rest."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import RasterioError

from geosoil.errors import GeosoilError, OutputError, RasterError
from geosoil.io.journal import resumed_note
from geosoil.io.rasters.mosaic import OVERLAPS, write_vrt
from geosoil.io.rasters.scenes import Scene, find_scenes
from geosoil.mapping.run import RunOptions
from geosoil.models.store import find_model, read_card
from geosoil.report.stac import write_collection
from geosoil.workflows.map import MapResult, prepare_cube

if TYPE_CHECKING:
    from collections.abc import Callable

    from geosoil.io.journal import Identity
    from geosoil.workflows.map import Progress


@dataclass(frozen=True)
class MappedScene:
    """A scene and its map; result: what `map_cube` said of it, None where the map stood there already."""

    scene: Scene
    path: Path
    result: MapResult | None


@dataclass(frozen=True)
class ScenesResult:
    """What `map_scenes` wrote: maps in the order of the mosaic, lowest first; failed: (name, the error's line)."""

    maps: tuple[MappedScene, ...]
    failed: tuple[tuple[str, str], ...]
    vrt: Path
    collection: Path

    @property
    def failures(self) -> tuple[str, ...]:
        """One line for each scene that could not be mapped, and each window of others that could not be read."""
        unread = [(one.scene.name, line) for one in self.maps if one.result for line in one.result.unread]
        return tuple(f"scene {name}: {line}" for name, line in (*self.failed, *unread))

    def summary(self) -> str:
        """Say in a few lines where the maps are, and how many scenes failed."""
        n_kept = sum(one.result is None for one in self.maps)
        lines = [
            f"maps       {len(self.maps)} of {len(self.maps) + len(self.failed)} scenes in {self.vrt.parent}",
            f"mosaic     {self.vrt} ({OVERLAPS})",
            f"STAC       {self.collection}",
        ]
        if n_kept:
            lines.append(resumed_note(n_kept, "scenes"))
        if self.failed:
            lines.append(f"failed     {len(self.failed)}: {', '.join(name for name, _ in self.failed)}")
        return "\n".join(lines)


def map_scenes(
    cube: str | os.PathLike[str],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    on_done: Callable[[str], None] | None = None,
    **options: Any,
) -> ScenesResult:
    """Map every scene with a model, and put a mosaic and a STAC collection beside the maps.

    cube: what `find_scenes` takes. model: a folder, or the name of a known model. output: a folder, made where there
    is none; it gets `SCENE_MODEL.tif` with style, quicklook and STAC item a scene, `MODEL.vrt` over all, and
    `collection.json`. options: of `map_cube`, for every scene.

    With `mode="resume"` a complete map is kept, if it was made of the same cube, model and options. progress: called as
    `progress(what, done, total)`, with "scenes" and what `map_cube` reports. on_done: called with one line per scene.

    Where maps overlap, the scene named last lies on top; where it has no data, the one below shows.
    A scene that cannot be mapped is in the result's `failed`; the rest is done.

    Raises RasterError where no scene is found or none could be mapped, ModelFileError for what is no model,
    OutputError where the folder cannot be written or holds the scenes themselves.
    """
    scenes = find_scenes(cube)
    folder, home = Path(output), find_model(os.fspath(model))
    name = read_card(home).name
    _make(folder, scenes)
    names = {field.name for field in fields(RunOptions)}
    running = RunOptions(**{name: value for name, value in options.items() if name in names})
    input_options = {name: value for name, value in options.items() if name not in names}
    maps: list[MappedScene] = []
    failed: list[tuple[str, str]] = []
    for number, scene in enumerate(scenes, start=1):
        path = folder / f"{scene.name}_{name}.tif"
        if progress is not None:
            progress("scenes", number - 1, len(scenes))
        try:
            prepared = prepare_cube(scene.path, home, path, **input_options)
            if running.mode == "resume" and _is_finished(path, prepared.identity):
                result, said = None, f"{path} is there already"
            else:
                result, said = prepared.write(running, progress), str(path)
            maps.append(MappedScene(scene, path, result))
        except GeosoilError as error:
            said = f"failed: {error}"
            failed.append((scene.name, str(error)))
        if on_done is not None:
            on_done(f"scene {number} of {len(scenes)}, {scene.name}: {said}")
    if progress is not None:
        progress("scenes", len(scenes), len(scenes))
    if not maps:
        raise RasterError(
            cube,
            found=f"no scene that could be mapped, of {len(scenes)}; the first, {failed[0][0]}, said: {failed[0][1]}",
            expected="at least one",
            way_out="mend the scenes, or choose a model that fits them",
        )
    vrt = write_vrt([one.path for one in maps], folder / f"{name}.vrt")
    dates = {one.path: one.scene.acquired for one in maps}
    collection = write_collection(folder, dates, title=f"Maps by {name}", mosaic=vrt)
    return ScenesResult(tuple(maps), tuple(failed), vrt, collection)


def _make(folder: Path, scenes: list[Scene]) -> None:
    """Make the output folder, other than those of the scenes: a pattern would find the maps next time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            folder,
            found=f"a folder that cannot be made ({error.strerror})",
            expected="a folder for the maps",
            way_out="choose another output",
        ) from error
    if any(Path(scene.path).parent.resolve() == folder.resolve() for scene in scenes):
        raise OutputError(
            folder,
            found="the folder of the scenes",
            expected="one for the maps alone",
            way_out="name another output folder",
        )


def _is_finished(path: Path, identity: Identity) -> bool:
    """Return whether a complete map with this identity exists."""
    if not path.is_file():
        return False
    try:
        with rasterio.open(path) as source:
            tags = source.tags()
    except RasterioError:
        return False
    return tags.get("GEOSOIL_IDENTITY") == identity.sha256 and "GEOSOIL_UNREAD_WINDOWS" not in tags
