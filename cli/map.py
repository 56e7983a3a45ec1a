"""`geosoil map`: a cube and a model in, a map out."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.option("--cube", required=True, metavar="CUBE", help="Cube: a file, a URL, or the folder of a GF-5 product.")
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model: a folder, or a name (see `geosoil info`).")
@click.option("-o", "--output", metavar="OUT.tif", help="Where to write; default CUBE_MODEL.tif in this folder.")
@click.option("--bands", metavar="CSV", help="Wavelengths of a cube that has none: column wavelength_nm [, fwhm_nm].")
@click.option("--scale", type=float, help="Reflectance = stored value x SCALE, where the file does not say so.")
@click.option("--nodata", type=float, help="The stored value of no data, where the file does not say so.")
@click.option("--mask", metavar="MASK.tif", help="Leave out where this is 0 or no data (clouds, water).")
@click.option("--bare-soil", is_flag=True, help="Leave out plants, residue and water by NDVI and NBR2.")
@click.option("--ndvi-max", type=float, help="Threshold of --bare-soil; default 0.27.")
@click.option("--nbr2-max", type=float, help="Threshold of --bare-soil; default 0.3, lower where soils are dry.")
@click.option("--block", type=click.IntRange(1), help="Side of a block in pixels; the map does not depend on it.")
@click.option("--threads", type=click.IntRange(1), help="Blocks computed at once; default: all cores.")
def command(bare_soil: bool, ndvi_max: float | None, nbr2_max: float | None, **options: Any) -> None:
    """Map a cube with a model: a cloud-optimized GeoTIFF with style and quicklook."""
    from geosoil.mapping.masks import BareSoil
    from geosoil.report.maps import map_cube
    from geosoil_cli.progress import progress_bar

    thresholds = {name: value for name, value in (("ndvi_max", ndvi_max), ("nbr2_max", nbr2_max)) if value is not None}
    if thresholds and not bare_soil:
        raise click.UsageError("--ndvi-max and --nbr2-max go with --bare-soil")
    options["bare_soil"] = BareSoil(**thresholds) if bare_soil else False
    with progress_bar() as progress:
        result = map_cube(**options, progress=progress)
    for note in result.notes:
        click.echo(note)
    click.echo(result.summary())
