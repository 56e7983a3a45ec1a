"""Options that several verbs share: one list for each kind of input, and one for how a map is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

Decorator = Any  # of a function or a command, by click.option


def _bytes(ctx: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Return the number of bytes of a text such as `4GB` or `500MiB`."""
    if text is None:
        return None
    from dask.utils import parse_bytes

    try:
        number = int(parse_bytes(text))
    except ValueError as error:
        raise click.BadParameter(f"{text}: expected a number of bytes such as 4GB or 500MiB", ctx, option) from error
    if number <= 0:
        raise click.BadParameter(f"{text}: expected more than 0 bytes", ctx, option)
    return number


def _minutes(ctx: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """Return the minutes of a text such as `90s`, `10m` or `1.5h`."""
    if text is None:
        return None
    units = {"s": 1 / 60, "m": 1.0, "h": 60.0}
    try:
        minutes = float(text[:-1]) * units[text[-1:]]
    except (ValueError, KeyError):
        minutes = 0.0
    if not 0 < minutes <= MOST_MINUTES:
        raise click.BadParameter(f"{text}: expected a time such as 90s, 10m or 1.5h", ctx, option)
    return minutes


def _masks(ctx: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the names of masks; None if there are none, as for every option that was not given."""
    return names or None


def _kinds(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Return the words of a text such as `prediction,spread`."""
    return None if text is None else tuple(word.strip() for word in text.split(","))


MOST_MINUTES = 1e6
# name of the parameter in Python -> option
BUDGET_OPTIONS: dict[str, Decorator] = {
    "budget_minutes": click.option(
        "--budget",
        "budget_minutes",
        callback=_minutes,
        metavar="10m",
        help='Time for all fits of kind = "auto"; default: model.auto.minutes, or no limit.',
    ),
}
CUBE_OPTIONS: dict[str, Decorator] = {
    "band_table": click.option(
        "--bands", "band_table", metavar="CSV", help="Table of wavelengths, with a column wavelength_nm [, fwhm_nm]."
    ),
    "scale": click.option(
        "--scale", type=float, help="Reflectance = stored value x SCALE + OFFSET; default: as the file states."
    ),
    "offset": click.option("--offset", type=float, help="See --scale; default: as the file states, or 0."),
    "nodata": click.option(
        "--nodata", type=float, help="The stored value that means nodata; default: as the file states."
    ),
}
PRODUCT_OPTIONS: dict[str, Decorator] = {
    "keep": click.option(
        "--keep",
        multiple=True,
        callback=_masks,
        metavar="MASK",
        help="Keep the pixels of this quality mask of a product, such as water; may be repeated.",
    ),
    "pixel_m": click.option(
        "--pixel-m",
        type=int,
        metavar="M",
        help="Side of the pixels in m, for a product with several grids: 10, 20 (default) or 60 for Sentinel-2.",
    ),
}
BARE_SOIL_OPTIONS: dict[str, Decorator] = {
    "bare_soil": click.option(
        "--bare-soil", is_flag=True, help="Leave out vegetation, crop residue and water, by NDVI and NBR2."
    ),
    "ndvi_max": click.option("--ndvi-max", type=float, help="Threshold of --bare-soil; default: 0.27."),
    "nbr2_max": click.option(
        "--nbr2-max", type=float, help="Threshold of --bare-soil; default: 0.3; use a lower value for dry soils."
    ),
}
COVARIATE_OPTIONS: dict[str, Decorator] = {
    "like": click.option("--like", metavar="GRID.tif", help="Raster whose grid is used; default: the first covariate."),
    "unseen": click.option(
        "--unseen-classes",
        "unseen",
        type=click.Choice(["stop", "nodata"]),
        help="If a class has no training samples: stop, or write nodata there.",
    ),
}
MASK_OPTIONS: dict[str, Decorator] = {
    "mask": click.option("--mask", metavar="MASK.tif", help="Leave out pixels where this raster is 0 or nodata."),
}
OUTPUT_OPTIONS: dict[str, Decorator] = {
    "outputs": click.option(
        "--outputs",
        callback=_kinds,
        metavar="KIND,...",
        help="Kinds of bands: prediction (default), spread (of an ensemble or a Gaussian process).",
    ),
}
TRUST_OPTIONS: dict[str, Decorator] = {
    "level": click.option(
        "--level", type=float, metavar="0.9", help="Share of values that the intervals of OUT_trust.tif shall hold."
    ),
    "only_applicable": click.option(
        "--only-applicable", is_flag=True, help="Write nodata to the map outside the model's area of applicability."
    ),
    "no_trust": click.option("--no-trust", is_flag=True, help="Do not write OUT_trust.tif beside the map."),
}
GIS_OPTIONS: dict[str, Decorator] = {
    "project": click.option(
        "--qgz",
        "project",
        is_flag=True,
        help="Write OUT.qgz, a QGIS project of map, trust map and samples.",
    ),
    "samples": click.option("--samples", metavar="POINTS", help="Table of points to show in the project of --qgz."),
    "licence": click.option("--licence", metavar="TEXT", help="Licence of the map, for its metadata: CC-BY-4.0, ..."),
}
RUN_OPTIONS: dict[str, Decorator] = {
    "block": click.option("--block", type=click.IntRange(1), help="Block size in pixels; the values do not change."),
    "threads": click.option("--threads", type=click.IntRange(1), help="Number of threads; default: all cores."),
    "workers": click.option(
        "--workers", type=click.IntRange(1), metavar="N", help="Number of processes to use instead of threads."
    ),
    "cluster": click.option(
        "--cluster", metavar="ADDRESS", help="Dask scheduler to use instead: tcp://HOST:PORT, or its scheduler file."
    ),
    "memory_bytes": click.option(
        "--memory",
        "memory_bytes",
        callback=_bytes,
        metavar="4GB",
        help="Memory limit; default: half of the free memory.",
    ),
    "mode": lambda command: click.option("--resume", "mode", flag_value="resume", help="Resume an unfinished map.")(
        click.option("--restart", "mode", flag_value="restart", help="Discard the unfinished map and start over.")(
            command
        )
    ),
    "on_error": click.option(
        "--on-error",
        type=click.Choice(["stop", "nodata"]),
        help="If part of the input cannot be read: stop (default), or write nodata there.",
    ),
    "device": click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Device that runs the model; default: auto."
    ),
}
TABLE_OPTIONS: dict[str, Decorator] = {
    "layer": click.option("--layer", metavar="NAME", help="Layer of a GeoPackage, or sheet of an Excel workbook."),
    "decimal": click.option(
        "--decimal",
        type=click.Choice([".", ","]),
        help="Decimal mark of numbers in text; default: as the numbers show.",
    ),
}
OF_A_CUBE = (*CUBE_OPTIONS, *PRODUCT_OPTIONS, *BARE_SOIL_OPTIONS)


def with_options(*groups: dict[str, Decorator]) -> Callable[[Any], Any]:
    """Return a decorator that adds groups of options to a command, in their order."""

    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group.values()]):
            command = option(command)
        return command

    return decorate


def flag_of(name: str) -> str:
    """Return the flag of a parameter: `--unseen-classes` for `unseen`."""
    return {"unseen": "--unseen-classes", "band_table": "--bands"}.get(name, f"--{name.replace('_', '-')}")


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def require_kind(options: dict[str, Any], allowed: dict[str, tuple[str, ...]], kind: str) -> None:
    """Raise UsageError for options of another kind of input; allowed: the options of each kind, by its flag."""
    for name in options:
        kinds = [flag for flag, names in allowed.items() if name in names]
        if kinds and kind not in kinds:
            raise click.UsageError(f"{flag_of(name)} requires {' or '.join(kinds)}")


def bare_soil_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options with --bare-soil and its thresholds as one `BareSoil`."""
    from geosoil.spectra.bare_soil import BareSoil

    thresholds = {name: options[name] for name in ("ndvi_max", "nbr2_max") if name in options}
    rest = {name: value for name, value in options.items() if name not in thresholds}
    if thresholds and not options.get("bare_soil"):
        raise click.UsageError("--ndvi-max and --nbr2-max require --bare-soil")
    return rest | ({"bare_soil": BareSoil(**thresholds)} if thresholds else {})
