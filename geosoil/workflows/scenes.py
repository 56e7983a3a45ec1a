"""Map many scenes: one COG per scene, and one VRT and one STAC collection over all of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosoil.errors import GeosoilError, OutputError, RasterError
from geosoil.io.journal import resumed_note
from geosoil.io.rasters.mosaic import OVERLAPS, write_vrt
from geosoil.io.rasters.scenes import Scene, find_scenes
from geosoil.io.rasters.statistics import read_statistics
from geosoil.mapping.joint import find_models
from geosoil.mapping.map_files import trust_path_of
from geosoil.mapping.run import RunOptions
from geosoil.models.display import targets_text
from geosoil.report.qgis import write_style
from geosoil.report.qgis_project import BandLayer, LayerGroup
from geosoil.report.qgis_rasters import StyledRaster, map_styles, pooled_statistics, trust_styles
from geosoil.report.stac import write_collection
from geosoil.workflows.gis_files import STYLE_ONLY, GisOptions, map_metadata, write_project_with
from geosoil.workflows.map import prepare_cube

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from geosoil.io.rasters.statistics import BandStatistics
    from geosoil.mapping.joint import OneOrManyModels
    from geosoil.models.card import ModelCard
    from geosoil.models.contract import Output
    from geosoil.workflows.map import Progress
    from geosoil.workflows.map_result import MapResult


@dataclass(frozen=True)
class MappedScene:
    """A scene and its map; `result` is None if the map was already finished before.

    `bands` are the statistics of the map; None for a map of an earlier version.
    """

    scene: Scene
    path: Path
    result: MapResult | None
    bands: Sequence[BandStatistics] | None = None


@dataclass(frozen=True)
class ScenesResult:
    """What `map_scenes` wrote.

    Parameters
    ----------
    maps : tuple of MappedScene
        In the order of the mosaic, the lowest first.
    failed : tuple of (str, str)
        Name and error message of each scene that could not be mapped.
    vrt, collection : Path
        The mosaic and the STAC collection.
    project : Path, optional
        The QGIS project of the mosaic.
    trust : Path, optional
        The mosaic of the trust maps; None if a scene has none, or if pixels outside the area of applicability were left
        out of the maps, because the two mosaics would then show different scenes where maps overlap.
    """

    maps: tuple[MappedScene, ...]
    failed: tuple[tuple[str, str], ...]
    vrt: Path
    collection: Path
    project: Path | None = None
    trust: Path | None = None

    @property
    def failures(self) -> tuple[str, ...]:
        """One line per scene that could not be mapped, and per part of another scene that could not be read."""
        unread = [(mapped.scene.name, line) for mapped in self.maps if mapped.result for line in mapped.result.unread]
        return tuple(f"scene {name}: {line}" for name, line in (*self.failed, *unread))

    def summary(self) -> str:
        """Return a few lines on where the maps are, and how many scenes failed."""
        n_kept = sum(mapped.result is None for mapped in self.maps)
        lines = [
            f"maps       {len(self.maps)} of {len(self.maps) + len(self.failed)} scenes in {self.vrt.parent}",
            f"mosaic     {self.vrt} ({OVERLAPS})",
            f"STAC       {self.collection}",
        ]
        if self.trust:
            lines.append(f"trust      {self.trust} (the same of the trust maps)")
        if self.project:
            lines.append(f"project    {self.project}")
        if n_kept:
            lines.append(resumed_note(n_kept, "scenes"))
        if self.failed:
            lines.append(f"failed     {len(self.failed)}: {', '.join(name for name, _ in self.failed)}")
        return "\n".join(lines)


def map_scenes(
    cube: str | os.PathLike[str],
    model: OneOrManyModels,
    output: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    on_done: Callable[[str], None] | None = None,
    gis: GisOptions = STYLE_ONLY,
    **options: Any,
) -> ScenesResult:
    """Map every scene with one or several models, and write a mosaic and a STAC collection of the maps.

    Where maps overlap, the scene named last lies on top; where it is nodata, the one below is visible. A scene that
    cannot be mapped is listed in the result's `failed`, and the others are mapped.

    Parameters
    ----------
    cube : path-like
        A file pattern, a list of files or a STAC item collection, as `find_scenes` takes it.
    model : path-like, or sequence of path-like
        As for `map_cube`.
    output : path-like
        A folder, created if it does not exist: SCENE_MODEL.tif with style, picture and STAC item for each scene,
        MODEL.vrt, MODEL_trust.vrt of the trust maps, and collection.json. The names of several models are joined by
        `_`.
    progress : callable, optional
        Called as `progress(what, done, total)`, with "scenes" and what `map_cube` reports.
    on_done : callable, optional
        Called with one line per scene.
    gis : GisOptions
        As for `map_cube`; the project is that of the mosaic.
    **options
        All other options of `map_cube` but `separate`, for all scenes. With `mode="resume"`, a finished map of the same
        scene, model and options is kept.

    Returns
    -------
    ScenesResult
        The maps, and the scenes that failed.

    Raises
    ------
    RasterError
        No scene is found, or none can be mapped.
    ModelFileError
        The folder is not a model.
    OutputError
        The output folder cannot be written, or holds the scenes.
    """
    of_run = {field.name for field in fields(RunOptions)}
    run_options = RunOptions(**{name: value for name, value in options.items() if name in of_run})
    map_options = {name: value for name, value in options.items() if name not in of_run}
    if map_options.get("separate"):
        raise OutputError(
            output,
            found="a file for each property of many scenes",
            expected="one file for each scene, because a mosaic is made of them",
            way_out="leave out --separate, or map the scenes with each model",
        )
    scenes = find_scenes(cube)
    folder, models = Path(output), find_models(model)
    name = "_".join(each.card.name for each in models)
    _make_folder(folder, scenes)
    vrt_path = folder / f"{name}.vrt"
    points = gis.prepare(str(vrt_path), [scene.path for scene in scenes])
    outputs: tuple[Output, ...] = ()
    maps: list[MappedScene] = []
    failed: list[tuple[str, str]] = []
    for number, scene in enumerate(scenes, start=1):
        path = folder / f"{scene.name}_{name}.tif"
        if progress is not None:
            progress("scenes", number - 1, len(scenes))
        try:
            prepared = prepare_cube(scene.path, models, path, **map_options)
            kept = run_options.mode == "resume" and prepared.is_written()
            result = None if kept else prepared.write(run_options, progress, GisOptions(licence=gis.licence))
            bands = read_statistics(path) if result is None else result.cog.bands
            maps.append(MappedScene(scene, path, result, bands))
            outputs = prepared.outputs_of_map
            outcome = f"{path} is already finished" if kept else str(path)
            if maps[-1].result and maps[-1].result.warnings:
                outcome += f"; warning: {'; '.join(maps[-1].result.warnings)}"
        except GeosoilError as error:
            outcome = f"failed: {error}"
            failed.append((scene.name, str(error)))
        if on_done is not None:
            on_done(f"scene {number} of {len(scenes)}, {scene.name}: {outcome}")
    if progress is not None:
        progress("scenes", len(scenes), len(scenes))
    if not maps:
        raise RasterError(
            cube,
            found=f"{len(scenes)} scenes that all failed; the error of the first, {failed[0][0]}, is: {failed[0][1]}",
            expected="at least one scene that can be mapped",
            way_out="correct the scenes, or choose a model that fits them",
        )
    vrt = write_vrt([mapped.path for mapped in maps], vrt_path)
    styled = _style_alike(maps, vrt, outputs, [each.card for each in models], gis)
    trust = None
    if map_options.get("trust", True) and not map_options.get("only_applicable"):
        trust = _trust_mosaic(maps, vrt, [each.card for each in models], gis)
    layers = [mosaic.group(kind) for kind, mosaic in (("trust", trust), ("prediction", styled)) if mosaic is not None]
    if trust is None and gis.project and map_options.get("trust", True):
        layers = [*_trust_of_scenes(maps), *layers]
    project = write_project_with(vrt, layers, points) if gis.project and styled is not None else None
    dates = {mapped.path: mapped.scene.acquired for mapped in maps}
    beside = None if trust is None else Path(trust.path)
    collection = write_collection(folder, dates, title=f"Maps by {name}", mosaic=vrt, trust_mosaic=beside)
    return ScenesResult(tuple(maps), tuple(failed), vrt, collection, project, beside)


def _trust_mosaic(
    maps: Sequence[MappedScene], vrt: Path, cards: Sequence[ModelCard], gis: GisOptions
) -> StyledRaster | None:
    """Write the mosaic of the trust maps, with its style; None if a scene has no trust map."""
    paths = [trust_path_of(mapped.path) for mapped in maps]
    known = [read_statistics(path) if path.exists() else None for path in paths]
    stated = [mapped.result.trust for mapped in maps if mapped.result is not None]
    bands = [statistics for statistics in known if statistics is not None]
    if None in stated or len(bands) < len(paths):
        return None
    pooled = pooled_statistics(bands)
    mosaic = write_vrt(paths, trust_path_of(vrt))
    if not any(band.valid_count for band in pooled):
        return None
    what = f"Trust maps of {len(paths)} maps as one; {OVERLAPS}."
    metadata = map_metadata(f"how far {vrt.stem} can be trusted", cards, what=what, licence=gis.licence)
    styled = StyledRaster(mosaic, *trust_styles(pooled), metadata)
    styled.write_files()
    return styled


def _trust_of_scenes(maps: Sequence[MappedScene]) -> list[LayerGroup]:
    """Return a group with the area of applicability of each scene that has a trust map; no group if none has one."""
    layers = []
    for mapped in maps:
        path = trust_path_of(mapped.path)
        is_older = mapped.result is not None and mapped.result.trust is None
        bands = None if is_older or not path.exists() else read_statistics(path)
        if bands:
            styles, first = trust_styles(bands)
            layers.append(
                BandLayer(path, styles[first], visible=True, title=f"{mapped.scene.name}: {bands[first].name}")
            )
    return [LayerGroup("trust", layers, expanded=False)] if layers else []


def _style_alike(
    maps: Sequence[MappedScene], vrt: Path, outputs: Sequence[Output], cards: Sequence[ModelCard], gis: GisOptions
) -> StyledRaster | None:
    """Give all maps and their mosaic the same colours, so that a colour means the same value in all scenes."""
    known = [mapped.bands for mapped in maps if mapped.bands is not None]
    pooled = pooled_statistics(known) if known else []
    if not any(band.valid_count for band in pooled):
        return None
    styles = map_styles(pooled, outputs, len(cards))
    first = next(k for k, band in enumerate(pooled) if band.valid_count)
    for mapped in maps:
        write_style(mapped.path, styles[first])
    what = f"Mosaic of {len(maps)} maps by {vrt.stem}; {OVERLAPS}."
    title = f"{targets_text(outputs)} by {vrt.stem}"
    styled = StyledRaster(vrt, styles, first, map_metadata(title, cards, what=what, licence=gis.licence))
    styled.write_files()
    return styled


def _make_folder(folder: Path, scenes: list[Scene]) -> None:
    """Create the output folder; it must not be that of the scenes, or a pattern would include the maps next time."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            folder,
            found=f"a folder that cannot be created ({error.strerror})",
            expected="a folder for the maps",
            way_out="choose another output",
        ) from error
    if any(Path(scene.path).parent.resolve() == folder.resolve() for scene in scenes):
        raise OutputError(
            folder,
            found="the folder of the scenes",
            expected="a folder for the maps alone",
            way_out="choose another output folder",
        )
