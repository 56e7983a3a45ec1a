"""`geosoil explain`: what a model's predictions rest on, for samples, for a cube or for covariates."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil_cli.many import ManyCommand


@click.command(cls=ManyCommand)
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model: a folder, or a name (see `geosoil info`).")
@click.option("--samples", type=Path, metavar="TABLE", help="Samples to explain: spectra, or a column a covariate.")
@click.option("--cube", metavar="CUBE", help="Cube to explain instead, on a regular sub-grid.")
@click.option("--covariates", multiple=True, metavar="A.tif B.tif ...", help="Or rasters of covariates, likewise.")
@click.option("-o", "--output", required=True, type=Path, metavar="DIR", help="Folder; of rasters the map SHAP.tif.")
@click.option("--source-model", metavar="NAME_OR_DIR", help="The model it was fine-tuned from, to draw above it.")
@click.option("--source-samples", type=Path, metavar="TABLE", help="Samples for the source; default the same.")
@click.option("--background", type=click.IntRange(1), help="Rows that stand for 'absent'; default all, up to 1000.")
@click.option("--budget", type=click.IntRange(1), help="Rows predicted at most, for each model; default 500000.")
@click.option("--pixels", type=click.IntRange(1), help="Pixels to explain at most; default 2000, of covariates 500.")
@click.option("--like", metavar="GRID.tif", help="Grid of covariates; default that of the first.")
@click.option("--bands", metavar="CSV", help="Wavelengths of a cube that has none.")
@click.option("--scale", type=float, help="Reflectance = stored value x SCALE, where the file does not say so.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of what is drawn: background, samples."
)
def command(
    model: str,
    samples: Path | None,
    cube: str | None,
    covariates: tuple[str, ...],
    output: Path,
    source_model: str | None,
    source_samples: Path | None,
    background: int | None,
    budget: int | None,
    pixels: int | None,
    like: str | None,
    bands: str | None,
    scale: float | None,
    seed: int,
) -> None:
    """Explain a model: which wavelengths or covariates its predictions rest on (SHAP), with sums checked."""
    given = {"--samples": samples is not None, "--cube": cube is not None, "--covariates": bool(covariates)}
    if sum(given.values()) != 1:
        raise click.UsageError("give --samples or --cube or --covariates, one of them")
    kind = next(name for name, is_given in given.items() if is_given)
    options = {
        "--source-model": (source_model, ["--samples"]),
        "--source-samples": (source_samples, ["--samples"]),
        "--budget": (budget, ["--samples"]),
        "--pixels": (pixels, ["--cube", "--covariates"]),
        "--like": (like, ["--covariates"]),
        "--bands": (bands, ["--cube"]),
        "--scale": (scale, ["--cube"]),
    }
    for name, (value, goes_with) in options.items():
        if value is not None and kind not in goes_with:
            raise click.UsageError(f"{name} goes with {' or '.join(goes_with)}")
    sizes = {
        name: value for name, value in {"n_pixels": pixels, "n_background": background}.items() if value is not None
    }
    if cube is not None:
        from geosoil.workflows.explain_map import explain_map

        result = explain_map(model, cube, output, band_table=bands, scale=scale, seed=seed, **sizes)
    elif covariates:
        from geosoil.workflows.explain_map import explain_covariates_map

        result = explain_covariates_map(model, covariates, output, like=like, seed=seed, **sizes)
    else:
        from geosoil.workflows.explain import explain_samples

        assert samples is not None
        result = explain_samples(
            model,
            samples,
            output,
            source_model=source_model,
            source_samples=source_samples,
            n_background=background,
            seed=seed,
            **({} if budget is None else {"budget": budget}),
        )
    click.echo(result.summary())
