"""`geosoil map`: a cube or covariates and a model in, a map out."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from geosoil_cli.many import ManyCommand

CUBE_OPTIONS = ("band_table", "scale", "nodata", "bare_soil", "ndvi_max", "nbr2_max")
COVARIATE_OPTIONS = ("like", "unseen")
RUN_OPTIONS = ("block", "threads", "workers", "cluster", "memory_bytes", "mode", "on_error", "device")


def _bytes(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Read `4GB`, `500MiB` as bytes."""
    from dask.utils import parse_bytes

    try:
        number = parse_bytes(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(f"{text}: expected a number of bytes such as 4GB or 500MiB", ctx, option) from error
    if number is not None and number <= 0:
        raise click.BadParameter(f"{text}: expected more than nothing", ctx, option)
    return number


@click.command(cls=ManyCommand)
@click.option("--cube", metavar="CUBE", help="Cube: a file, a URL, a product's folder; many: 'A*.tif', LIST.txt, STAC.")
@click.option("--covariates", multiple=True, metavar="A.tif B.tif ...", help="Instead of a cube: rasters of any grid.")
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model: a folder, or a name (see `geosoil info`).")
@click.option("-o", "--output", metavar="OUT.tif", help="Where to write; default CUBE_MODEL.tif here. Many: a folder.")
@click.option("--like", metavar="GRID.tif", help="Grid of a map of covariates; default that of the first.")
@click.option(
    "--unseen-classes",
    "unseen",
    type=click.Choice(["stop", "nodata"]),
    help="What a class without training samples does; default stop.",
)
@click.option(
    "--bands",
    "band_table",
    metavar="CSV",
    help="Wavelengths of a cube that has none: column wavelength_nm [, fwhm_nm].",
)
@click.option("--scale", type=float, help="Reflectance = stored value x SCALE, where the file does not say so.")
@click.option("--nodata", type=float, help="The stored value of no data, where the file does not say so.")
@click.option("--mask", metavar="MASK.tif", help="Leave out where this is 0 or no data (clouds, water).")
@click.option("--bare-soil", is_flag=True, help="Leave out plants, residue and water by NDVI and NBR2.")
@click.option("--ndvi-max", type=float, help="Threshold of --bare-soil; default 0.27.")
@click.option("--nbr2-max", type=float, help="Threshold of --bare-soil; default 0.3, lower where soils are dry.")
@click.option("--block", type=click.IntRange(1), help="Side of a block in pixels; the map does not depend on it.")
@click.option("--threads", type=click.IntRange(1), help="Blocks computed at once; default: all cores.")
@click.option("--workers", type=click.IntRange(1), metavar="N", help="Instead of threads: N processes.")
@click.option("--cluster", metavar="ADDRESS", help="Instead: a dask scheduler, tcp://HOST:PORT or its file.")
@click.option(
    "--memory", "memory_bytes", callback=_bytes, metavar="4GB", help="The most to take; default half of what is free."
)
@click.option("--resume", "mode", flag_value="resume", help="Go on with a map that was stopped.")
@click.option("--restart", "mode", flag_value="restart", help="Begin a map that was stopped anew.")
@click.option(
    "--on-error", type=click.Choice(["stop", "nodata"]), help="What a window that cannot be read does; default stop."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where models compute; default auto.")
@click.option("--plan", is_flag=True, help="Say how it would be computed (blocks, memory, time), and stop.")
@click.option(
    "--progress", "progress_style", type=click.Choice(["bar", "json", "none"]), help="Default: a bar on a terminal."
)
def command(cube: str | None, covariates: tuple[str, ...], **options: Any) -> None:
    """Map a cube or covariates with a model: a cloud-optimized GeoTIFF with style and quicklook."""
    from geosoil.errors import GeosoilError
    from geosoil_cli.progress import make_reporter

    if (cube is None) == (not covariates):
        raise click.UsageError("give either --cube CUBE or --covariates A.tif B.tif ...")
    options = {name: value for name, value in options.items() if value is not None and value is not False}
    if {"workers", "cluster"} <= options.keys():
        raise click.UsageError("give either --workers or --cluster")
    strange = [name for name in (COVARIATE_OPTIONS if cube is not None else CUBE_OPTIONS) if name in options]
    if strange:
        flag = "--unseen-classes" if strange[0] == "unseen" else f"--{strange[0].replace('_', '-')}"
        raise click.UsageError(f"{flag} goes with {'--covariates' if cube is not None else '--cube'}")
    running = {"device": "auto"} | {name: options.pop(name) for name in RUN_OPTIONS if name in options}
    only_plan, progress_style = options.pop("plan", False), options.pop("progress_style", None)
    options = _with_thresholds(options)
    with make_reporter(progress_style) as progress:
        try:
            if cube is not None and _is_many(cube):
                refused = _map_many(cube, running, options, only_plan=only_plan, progress=progress)
            else:
                refused = _map_one(cube, covariates, running, options, only_plan=only_plan, progress=progress)
        except KeyboardInterrupt:
            again = [one for one in sys.argv[1:] if one not in ("--resume", "--restart")]
            progress.say("stopped; finished blocks are kept. Go on with:")
            progress.say(f"geosoil {shlex.join([*again, '--resume'])}")
            sys.exit(130)
        except GeosoilError as error:
            if progress_style != "json":
                raise
            progress.report_failures(str(error))
            sys.exit(2)
        for line in refused:  # the rest is done
            progress.report_failures(line)
    if refused:
        sys.exit(3)


def _map_one(
    cube: str | None,
    covariates: tuple[str, ...],
    running: dict[str, Any],
    options: dict[str, Any],
    *,
    only_plan: bool,
    progress: Any,
) -> tuple[str, ...]:
    """Plan or map one cube or stack; return what is to be refused at the end."""
    from geosoil.mapping.run import RunOptions
    from geosoil.workflows.map import prepare_covariates, prepare_cube

    prepared = prepare_cube(cube, **options) if cube is not None else prepare_covariates(covariates, **options)
    if only_plan:
        progress.say(prepared.plan(RunOptions(**running)).summary(), result=True)
        return ()
    result = prepared.write(RunOptions(**running), progress)
    for note in result.notes:
        progress.say(note, result=True)
    progress.say(result.summary(), result=True)
    return result.unread


def _is_many(cube: str) -> bool:
    from geosoil.io.rasters.scenes import is_scene_list

    return is_scene_list(cube)


def _map_many(
    cube: str, running: dict[str, Any], options: dict[str, Any], *, only_plan: bool, progress: Any
) -> tuple[str, ...]:
    """Map every scene; return those that failed."""
    from geosoil.workflows.scenes import map_scenes

    if only_plan:
        raise click.UsageError("--plan goes with one cube: the plan of a scene is that of its size")
    if "output" not in options:
        raise click.UsageError("many cubes want a folder: -o FOLDER")
    result = map_scenes(
        cube, progress=progress, on_done=lambda line: progress.say(line, result=True), **running, **options
    )
    progress.say(result.summary(), result=True)
    return tuple(result.failures)


def _with_thresholds(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a cube, --bare-soil and its thresholds as one."""
    from geosoil.spectra.bare_soil import BareSoil

    thresholds = {name: options.pop(name) for name in ("ndvi_max", "nbr2_max") if name in options}
    if thresholds and not options.get("bare_soil"):
        raise click.UsageError("--ndvi-max and --nbr2-max go with --bare-soil")
    return options | ({"bare_soil": BareSoil(**thresholds)} if thresholds else {})
