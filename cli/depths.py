"""`geosoil depths`: a table of soil horizons in, the means of standard depths out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Literal

import click


@click.command()
@click.argument("horizons", metavar="HORIZONS")
@click.option("-o", "--output", required=True, type=Path, metavar="SITES.gpkg", help="One row a profile.")
@click.option("--id", "profile_id", default="profile_id", show_default=True, help="Column of profile ids.")
@click.option("--x", default="x", show_default=True, help="Column of x or longitude, for a table without geometry.")
@click.option("--y", default="y", show_default=True, help="Column of y or latitude.")
@click.option("--crs", help="CRS of the coordinates, for instance EPSG:4326.")
@click.option("--top", "top_cm", default="top_cm", show_default=True, help="Column of upper depths in cm.")
@click.option("--bottom", "bottom_cm", default="bottom_cm", show_default=True, help="Column of lower depths in cm.")
@click.option("--property", "properties", multiple=True, metavar="NAME", help="Column to take; default all of numbers.")
@click.option("--layers", default="0,5,15,30,60,100,200", show_default=True, help="Limits of the layers in cm.")
@click.option("--lambda", "smoothing", type=float, default=0.1, show_default=True, help="Smoothing of the splines.")
@click.option("--min-coverage", type=float, default=0.5, show_default=True, help="Least covered share of a layer.")
@click.option("--clip", type=(float, float), metavar="LOW HIGH", help="Clip the means; default: told, not clipped.")
@click.option("--density", is_flag=True, help="Add soc_kg_m3, from measured bulk_density_g_cm3.")
@click.option("--coarse-fragments", metavar="NAME", help="With --density: column of their share of the volume, in %.")
@click.option(
    "--on-error", type=click.Choice(["stop", "drop"]), default="stop", show_default=True, help="Bad profiles."
)
def command(
    horizons: str,
    output: Path,
    profile_id: str,
    x: str,
    y: str,
    crs: str | None,
    top_cm: str,
    bottom_cm: str,
    properties: tuple[str, ...],
    layers: str,
    smoothing: float,
    min_coverage: float,
    clip: tuple[float, float] | None,
    density: bool,
    coarse_fragments: str | None,
    on_error: Literal["stop", "drop"],
) -> None:
    """Bring soil horizons to the means of standard depths by equal-area splines."""
    from geosoil.io.atomic import require_writable
    from geosoil.io.output_paths import check_output_path
    from geosoil.samples.depths import carbon_density, harmonise, read_horizons, write_sites

    try:
        limits = [float(limit) for limit in layers.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--layers {layers}: expected limits in cm such as 0,5,15,30") from error
    if coarse_fragments and not density:
        raise click.UsageError("--coarse-fragments goes with --density")
    if density and properties:
        properties = (*properties, "bulk_density_g_cm3", *([coarse_fragments] if coarse_fragments else ()))
    require_writable(check_output_path(output, (".gpkg",), "SITES.gpkg", inputs=[horizons]))
    table = read_horizons(
        horizons,
        profile_id=profile_id,
        x=x,
        y=y,
        crs=crs,
        top_cm=top_cm,
        bottom_cm=bottom_cm,
        properties=properties or None,
        on_error=on_error,
    )
    if density:
        table = carbon_density(table, coarse_fragments=coarse_fragments)
    result = harmonise(
        table, layers_cm=list(pairwise(limits)), smoothing=smoothing, min_coverage=min_coverage, clip=clip
    )
    write_sites(result, output)
    click.echo(result.summary())
    for note in result.notes:
        click.echo(note)
    click.echo(f"{output}: {len(result.sites)} profiles")
