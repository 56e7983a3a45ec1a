"""Bring a table of soil horizons to the means of standard depths, and write them as points."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from geosoil.io.atomic import require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.samples.depths import DepthSites, carbon_density, harmonise, write_sites
from geosoil.samples.horizons import read_horizons

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from geosoil.io.tables.numbers import Decimal

BULK_DENSITY = "bulk_density_g_cm3"


def harmonise_table(
    horizons: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    limits_cm: Sequence[float] = (0, 5, 15, 30, 60, 100, 200),
    profile_id: str = "profile_id",
    x: str = "x",
    y: str = "y",
    crs: str | None = None,
    top_cm: str = "top_cm",
    bottom_cm: str = "bottom_cm",
    properties: Sequence[str] | None = None,
    on_error: Literal["stop", "drop"] = "stop",
    layer: str | None = None,
    decimal: Decimal | None = None,
    smoothing: float = 0.1,
    min_coverage: float = 0.5,
    clip: tuple[float, float] | None = None,
    density: bool = False,
    coarse_fragments: str | None = None,
) -> DepthSites:
    """Compute the means of standard depths from a table of horizons, and write one point per profile.

    Parameters
    ----------
    horizons : path
        Table with one row per horizon; `read_horizons` describes it and the parameters up to `decimal`.
    output : path
        GeoPackage to write.
    limits_cm : sequence of float
        Limits of the layers, from the surface downward, cm.
    smoothing, min_coverage, clip
        As in `harmonise`.
    density : bool, default: False
        Whether to add the carbon density soc_kg_m3, computed from the measured bulk density.
    coarse_fragments : str, optional
        Column of the volume of coarse fragments in %, for the carbon density.

    Returns
    -------
    DepthSites
        The sites that were written, with notes on the data.

    Raises
    ------
    OutputError
        If the output cannot be written or is also the input.
    SamplesError
        If the table has faults; see `read_horizons`.
    """
    if density and properties:
        properties = [*properties, BULK_DENSITY, *([coarse_fragments] if coarse_fragments else ())]
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
        layer=layer,
        decimal=decimal,
    )
    if density:
        table = carbon_density(table, coarse_fragments=coarse_fragments)
    layers_cm = list(pairwise(limits_cm))
    result = harmonise(table, layers_cm=layers_cm, smoothing=smoothing, min_coverage=min_coverage, clip=clip)
    write_sites(result, output)
    return result
