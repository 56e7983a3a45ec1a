"""`geosoil map`: map a cube or covariates with a model."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from geosoil_cli.many import ManyCommand
from geosoil_cli.options import (
    BARE_SOIL_OPTIONS,
    COVARIATE_OPTIONS,
    CUBE_OPTIONS,
    GIS_OPTIONS,
    MASK_OPTIONS,
    OF_A_CUBE,
    OUTPUT_OPTIONS,
    PRODUCT_OPTIONS,
    RUN_OPTIONS,
    TRUST_OPTIONS,
    bare_soil_of,
    given,
    require_kind,
    with_options,
)
from geosoil_cli.printing import printing, show

ALLOWED = {"--cube": OF_A_CUBE, "--covariates": tuple(COVARIATE_OPTIONS)}

EXAMPLES = """
    geosoil map --cube gf5.tif --model as_svr
    geosoil map --cube gf5.tif --model as_svr som_svr -o soil.tif --bare-soil
    geosoil map --cube gf5.tif --model as_svr --qgz --samples samples.gpkg
    geosoil map --covariates dem.tif slope.tif --model models/soc -o soc.tif
    geosoil map --cube 'scenes/*.tif' --model as_svr -o maps/ --resume
"""


@click.command(cls=ManyCommand, examples=EXAMPLES)
@click.option("--cube", metavar="CUBE", help="File, URL or product folder; many: 'A*.tif', LIST.txt or STAC items.")
@click.option("--covariates", multiple=True, metavar="A.tif B.tif ...", help="Rasters of any grid, instead of a cube.")
@click.option(
    "--model",
    required=True,
    multiple=True,
    metavar="NAME_OR_DIR ...",
    help="Model folder, name of a known model, or folder of several models; several give a band for each output.",
)
@click.option("-o", "--output", metavar="OUT.tif", help="The map; default: CUBE_MODEL.tif. For many cubes: a folder.")
@with_options(CUBE_OPTIONS, PRODUCT_OPTIONS, BARE_SOIL_OPTIONS, COVARIATE_OPTIONS, MASK_OPTIONS, OUTPUT_OPTIONS)
@with_options(TRUST_OPTIONS, RUN_OPTIONS)
@click.option("--separate", is_flag=True, help="Write a file for each property: OUT_PROPERTY.tif.")
@click.option("--plan", is_flag=True, help="Print blocks, memory and time of the map, and exit.")
@with_options(GIS_OPTIONS)
def command(cube: str | None, covariates: tuple[str, ...], **options: Any) -> None:
    """Map a cube or covariates with one or several models, to a cloud-optimized GeoTIFF with style and picture."""
    from geosoil_cli.progress import make_reporter

    if (cube is None) == (not covariates):
        raise click.UsageError("give either --cube CUBE or --covariates A.tif B.tif ...")
    options = given(options)
    if {"workers", "cluster"} <= options.keys():
        raise click.UsageError("give either --workers or --cluster")
    require_kind(options, ALLOWED, "--cube" if cube is not None else "--covariates")
    running = {name: options.pop(name) for name in RUN_OPTIONS if name in options}
    gis = {name: options.pop(name) for name in GIS_OPTIONS if name in options}
    only_plan = options.pop("plan", False)
    options = bare_soil_of(options)
    if options.pop("no_trust", False):
        options["trust"] = False
    with make_reporter() as progress:
        try:
            if cube is not None and _is_many(cube):
                refused = _map_many(cube, running, options, gis, only_plan=only_plan, progress=progress)
            else:
                refused = _map_one(cube, covariates, running, options, gis, only_plan=only_plan, progress=progress)
        except KeyboardInterrupt:
            words = [word for word in sys.argv[1:] if word not in ("--resume", "--restart")]
            progress.say("stopped; the finished blocks are kept. Resume with:")
            progress.say(f"geosoil {shlex.join([*words, '--resume'])}")
            sys.exit(130)
        for line in refused:  # everything else is finished
            progress.report_failures(line)
    if refused:
        sys.exit(3)


def _map_one(
    cube: str | None,
    covariates: tuple[str, ...],
    running: dict[str, Any],
    options: dict[str, Any],
    gis: dict[str, Any],
    *,
    only_plan: bool,
    progress: Any,
) -> tuple[str, ...]:
    """Plan or map one cube or stack; return the parts of the input that could not be read."""
    from geosoil.mapping.run import RunOptions
    from geosoil.workflows.gis_files import GisOptions
    from geosoil.workflows.map import prepare_covariates, prepare_cube

    prepared = prepare_cube(cube, **options) if cube is not None else prepare_covariates(covariates, **options)
    if only_plan:
        show(prepared.plan(RunOptions(**running)), progress.say)
        return ()
    result = prepared.write(RunOptions(**running), progress, GisOptions(**gis))
    for warning in result.warnings:
        progress.say(f"warning: {warning}")
    show(result, progress.say, notes=result.notes)
    return result.unread


def _is_many(cube: str) -> bool:
    from geosoil.io.rasters.scenes import is_scene_list

    return is_scene_list(cube)


def _map_many(
    cube: str,
    running: dict[str, Any],
    options: dict[str, Any],
    gis: dict[str, Any],
    *,
    only_plan: bool,
    progress: Any,
) -> tuple[str, ...]:
    """Map every scene; return the failures."""
    from geosoil.workflows.gis_files import GisOptions
    from geosoil.workflows.scenes import map_scenes

    if only_plan:
        raise click.UsageError("--plan requires a single cube")
    if "output" not in options:
        raise click.UsageError("many cubes require a folder: -o FOLDER")
    on_done = None if printing().as_json or printing().quiet else lambda line: progress.say(line, result=True)
    result = map_scenes(cube, progress=progress, on_done=on_done, gis=GisOptions(**gis), **running, **options)
    show(result, progress.say)
    return tuple(result.failures)
