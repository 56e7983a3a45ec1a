"""`geosoil map`: a cube or covariates and a model in, a map out."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.many import ManyCommand

OF_A_CUBE = ("bands", "scale", "nodata", "bare_soil", "ndvi_max", "nbr2_max")
OF_COVARIATES = ("like", "unseen")


@click.command(cls=ManyCommand)
@click.option("--cube", metavar="CUBE", help="Cube: a file, a URL, or the folder of a GF-5 product.")
@click.option("--covariates", multiple=True, metavar="A.tif B.tif ...", help="Instead of a cube: rasters of any grid.")
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model: a folder, or a name (see `geosoil info`).")
@click.option("-o", "--output", metavar="OUT.tif", help="Where to write; default CUBE_MODEL.tif in this folder.")
@click.option("--like", metavar="GRID.tif", help="Grid of a map of covariates; default that of the first.")
@click.option(
    "--unseen-classes",
    "unseen",
    type=click.Choice(["stop", "nodata"]),
    help="What a class without training samples does; default stop.",
)
@click.option("--bands", metavar="CSV", help="Wavelengths of a cube that has none: column wavelength_nm [, fwhm_nm].")
@click.option("--scale", type=float, help="Reflectance = stored value x SCALE, where the file does not say so.")
@click.option("--nodata", type=float, help="The stored value of no data, where the file does not say so.")
@click.option("--mask", metavar="MASK.tif", help="Leave out where this is 0 or no data (clouds, water).")
@click.option("--bare-soil", is_flag=True, help="Leave out plants, residue and water by NDVI and NBR2.")
@click.option("--ndvi-max", type=float, help="Threshold of --bare-soil; default 0.27.")
@click.option("--nbr2-max", type=float, help="Threshold of --bare-soil; default 0.3, lower where soils are dry.")
@click.option("--block", type=click.IntRange(1), help="Side of a block in pixels; the map does not depend on it.")
@click.option("--threads", type=click.IntRange(1), help="Blocks computed at once; default: all cores.")
def command(cube: str | None, covariates: tuple[str, ...], **options: Any) -> None:
    """Map a cube or covariates with a model: a cloud-optimized GeoTIFF with style and quicklook."""
    from geosoil_cli.progress import progress_bar

    if (cube is None) == (not covariates):
        raise click.UsageError("give either --cube CUBE or --covariates A.tif B.tif ...")
    options = {name: value for name, value in options.items() if value not in (None, False)}
    strange = [name for name in (OF_COVARIATES if cube else OF_A_CUBE) if name in options]
    if strange:
        flag = "--unseen-classes" if strange[0] == "unseen" else f"--{strange[0].replace('_', '-')}"
        raise click.UsageError(f"{flag} goes with {'--covariates' if cube else '--cube'}")
    with progress_bar() as progress:
        if cube:
            from geosoil.report.maps import map_cube

            result = map_cube(cube, **_with_thresholds(options), progress=progress)
        else:
            from geosoil.report.maps import map_covariates

            result = map_covariates(covariates, **options, progress=progress)
    for note in result.notes:
        click.echo(note)
    click.echo(result.summary())


def _with_thresholds(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a cube, --bare-soil and its thresholds as one."""
    from geosoil.mapping.masks import BareSoil

    thresholds = {name: options.pop(name) for name in ("ndvi_max", "nbr2_max") if name in options}
    if thresholds and not options.get("bare_soil"):
        raise click.UsageError("--ndvi-max and --nbr2-max go with --bare-soil")
    return options | ({"bare_soil": BareSoil(**thresholds)} if thresholds else {})
