"""`geosoil explain`: what a model's predictions rest on, for samples or for a cube."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model: a folder, or a name (see `geosoil info`).")
@click.option("--samples", type=Path, metavar="TABLE", help="Samples to explain: spectra, or a column a covariate.")
@click.option("--cube", metavar="CUBE", help="Cube to explain instead, on a regular sub-grid.")
@click.option("-o", "--output", required=True, type=Path, metavar="DIR", help="Folder; with --cube the map SHAP.tif.")
@click.option("--source-model", metavar="NAME_OR_DIR", help="The model it was fine-tuned from, to draw above it.")
@click.option("--source-samples", type=Path, metavar="TABLE", help="Samples for the source; default the same.")
@click.option("--background", type=click.IntRange(1), help="Rows that stand for 'absent'; default all, up to 1000.")
@click.option("--budget", type=click.IntRange(1), help="Rows predicted at most, for each model; default 500000.")
@click.option("--pixels", type=click.IntRange(1), help="Pixels of a cube to explain at most; default 2000.")
@click.option("--bands", metavar="CSV", help="Wavelengths of a cube that has none.")
@click.option("--scale", type=float, help="Reflectance = stored value x SCALE, where the file does not say so.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn: background, samples.")
def command(
    model: str,
    samples: Path | None,
    cube: str | None,
    output: Path,
    source_model: str | None,
    source_samples: Path | None,
    background: int | None,
    budget: int | None,
    pixels: int | None,
    bands: str | None,
    scale: float | None,
    seed: int,
) -> None:
    """Explain a model: which wavelengths or covariates its predictions rest on (SHAP), with sums checked."""
    if (samples is None) == (cube is None):
        raise click.UsageError("give --samples or --cube, one of them")
    for_samples = {"--source-model": source_model, "--source-samples": source_samples, "--budget": budget}
    for_cube = {"--pixels": pixels, "--bands": bands, "--scale": scale}
    for name, value in (for_samples if cube is not None else for_cube).items():
        if value is not None:
            raise click.UsageError(f"{name} goes with --{'samples' if cube is not None else 'cube'}")
    if cube is not None:
        from geosoil.report.explained_map import explain_map

        given = {"n_pixels": pixels, "n_background": background}
        options = {name: value for name, value in given.items() if value is not None}
        result = explain_map(model, cube, output, bands=bands, scale=scale, seed=seed, **options)
    else:
        from geosoil.report.explanations import explain_samples

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
