"""`geosoil VERB`: reads the verb's file only when it is called, so that `geosoil --help` answers at once."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

import click

# verb -> what it does; the command itself is `command` in the file of that name.
VERBS = {
    "demo": "Run the whole chain on the sample data that ship with geosoil.",
    "init": "Print a commented recipe to begin with.",
    "train": "Fit, validate and save the model of a recipe, with a report.",
    "compare": "Make the comparison table of a recipe's study, both protocols.",
    "map": "Map a cube or covariates with a model: a cloud-optimized GeoTIFF that opens right in QGIS.",
    "depths": "Bring soil horizons to the means of standard depths by equal-area splines.",
    "terrain": "Compute slope, wetness, LS-factor, streams and more of a DEM.",
    "correlate": "Correlate a soil map with terrain, for the whole image and by zone.",
    "explain": "Tell which wavelengths or covariates a model's predictions rest on (SHAP).",
    "localise": "Choose the rows of a spectral library that best serve one site (RS-LOCAL).",
    "info": "Tell what a cube, a table of spectra or a model holds.",
}


class Verbs(click.Group):
    """A group whose commands are files."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a session."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import a verb's file."""
        if name not in VERBS:
            return None
        return import_module(f"geosoil_cli.{name}").command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table above, without importing any."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from geosoil import __version__

        click.echo(f"geosoil {__version__}")
        ctx.exit()


def report_failures(parts: tuple[str, ...]) -> None:
    """Say which parts of a wish could not be met, and leave with 3: the rest is done."""
    if parts:
        for part in parts:
            click.echo(f"geosoil: {part}", err=True)
        sys.exit(3)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def group() -> None:
    """Turn spectra and rasters into maps of soil."""


def main() -> None:
    """Run, and leave with 0 (done), 2 (one line: the user can mend it), 3 (done in part) or 1 (a fault of ours)."""
    from geosoil.errors import GeosoilError

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of a queue, or of a machine that shuts down: as Ctrl-C
    try:
        group(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; nothing half-written was left", err=True)
        sys.exit(130)
    except GeosoilError as error:
        click.echo(f"geosoil: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
