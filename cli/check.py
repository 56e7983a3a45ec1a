"""`geosoil check`: whether a cube or covariates fit a model."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.many import ManyCommand
from geosoil_cli.options import COVARIATE_OPTIONS, CUBE_OPTIONS, PRODUCT_OPTIONS, given, require_kind, with_options
from geosoil_cli.printing import show

ALLOWED = {"--cube": (*CUBE_OPTIONS, *PRODUCT_OPTIONS), "--covariates": tuple(COVARIATE_OPTIONS)}

EXAMPLES = """
    geosoil check --cube gf5.tif --model as_svr
    geosoil check --covariates dem.tif slope.tif --model models/soc
"""


@click.command(cls=ManyCommand, examples=EXAMPLES)
@click.option("--cube", metavar="CUBE", help="File, URL or product folder.")
@click.option("--covariates", multiple=True, metavar="A.tif B.tif ...", help="Rasters of any grid, instead of a cube.")
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model folder, or the name of a known model.")
@with_options(CUBE_OPTIONS, PRODUCT_OPTIONS, COVARIATE_OPTIONS)
def command(cube: str | None, covariates: tuple[str, ...], model: str, **options: Any) -> None:
    """Check whether a cube or covariates fit a model; the exit code is 0 if they do and 2 if not."""
    from geosoil.workflows.check import check_fit

    if (cube is None) == (not covariates):
        raise click.UsageError("give either --cube CUBE or --covariates A.tif B.tif ...")
    options = given(options)
    require_kind(options, ALLOWED, "--cube" if cube is not None else "--covariates")
    pairs = check_fit(model, cube=cube, covariates=covariates, **options)
    width = max(len(name) for name, _ in pairs)
    show(dict(pairs), summary="\n".join(f"{name:{width}s}  {text}" for name, text in pairs))
