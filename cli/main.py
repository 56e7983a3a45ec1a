"""`geosoil VERB`: imports the file of a verb only when it is called, so that `geosoil --help` answers at once."""

from __future__ import annotations

import gc
import signal
import sys
from importlib import import_module

import click

from geosoil_cli.printing import STOPPED, echo

# What each verb does, by the group that --help shows it in; the command itself is `command` in the file of that name,
# with `_` for `-`.
GROUPS = {
    "Start": {
        "demo": "Train and map on the sample data, and compare with the truth.",
        "info": "Describe a cube, a raster, a table of spectra or samples, or a model.",
        "init": "Fill in a recipe from your files, or print a commented one.",
    },
    "Prepare": {
        "depths": "Bring soil horizons to the means of standard depths by equal-area splines.",
        "terrain": "Compute slope, wetness index, LS-factor, streams and more of a DEM.",
        "spectra": "Collect the files of spectrometers and their labels in one table.",
        "library": "Bring a published spectral library (OSSL, LUCAS, KSSL, NeoSpectra) to one table.",
        "localise": "Choose the rows of a spectral library that best represent one site (RS-LOCAL).",
    },
    "Train": {
        "train": "Fit, validate and save the model of a recipe, with a report.",
        "compare": "Compare the models of a recipe on the same test rows.",
    },
    "Predict": {
        "check": "Check whether a cube or covariates fit a model, without mapping them.",
        "map": "Map a cube or covariates with a model, as a cloud-optimized GeoTIFF.",
        "predict": "Predict a table of spectra, of covariates, or of points on rasters.",
    },
    "Judge and understand": {
        "view": "View maps in the browser, with their trust, spectra and samples.",
        "assess": "Measure the accuracy of a map by independent points.",
        "explain": "Explain which wavelengths or covariates the predictions of a model depend on (SHAP).",
        "correlate": "Correlate a soil map with terrain, for the whole image and by zone.",
    },
    "Other programs": {
        "qgis-plugin": "Write the plugin that runs geosoil from the Processing toolbox of QGIS.",
    },
}
VERBS = {verb: text for verbs in GROUPS.values() for verb, text in verbs.items()}
OBJECTS_BEFORE_COLLECTION = 300_000
"""New objects after which Python looks for unreachable ones; its default is 700."""

COMPLETION = """
Completion of verbs and options by the Tab key, for bash (zsh and fish likewise):

  echo 'eval "$(_GEOSOIL_COMPLETE=bash_source geosoil)"' >> ~/.bashrc
"""


class Verbs(click.Group):
    """A group of commands with one file per command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the file of a verb and return its command."""
        if name not in VERBS:
            return None
        verb: click.Command = import_module(f"geosoil_cli.{name.replace('-', '_')}").command
        verb.name = name  # all functions are called `command`
        return verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a verb, and refuse an option of one value that is given twice, of which click takes the last."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise _unknown_verb(args[0], ctx)
        name, verb, words = super().resolve_command(ctx, args)
        if verb is not None:
            of_verb = click.Context(verb, info_name=name, parent=ctx)
            _, _, order = verb.make_parser(of_verb).parse_args(list(words))
            _refuse_repeats([option for option in order if isinstance(option, click.Option)], of_verb)
        return name, verb, words

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from `GROUPS`, without importing any."""
        width = max(map(len, VERBS))
        for title, verbs in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{verb:{width}s}", text) for verb, text in verbs.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write how the shell completes verbs and options."""
        formatter.write(COMPLETION)


def _unknown_verb(name: str, ctx: click.Context) -> click.UsageError:
    """Return the error for a verb that does not exist, with the verbs that are written alike or often meant."""
    from difflib import get_close_matches

    meant = {"apply": "map", "assessment": "assess", "describe": "info", "fit": "train", "inspect": "info",
             "shap": "explain", "splines": "depths", "validate": "train"}  # fmt: skip
    near = [meant[name]] if name in meant else get_close_matches(name, VERBS, n=2, cutoff=0.5)
    text = f"Did you mean {' or '.join(near)}?" if near else f"The verbs are {', '.join(VERBS)}."
    return click.UsageError(f"No such verb: {name}. {text}", ctx)


def _refuse_repeats(options: list[click.Option], ctx: click.Context) -> None:
    """Raise UsageError if two of the options that were given set one value; the same switch may be given twice."""
    for number, option in enumerate(options):
        for other in options[:number]:
            if option.name != other.name or option.multiple or option.count or (option is other and option.is_flag):
                continue
            if option is not other:
                raise click.UsageError(f"{other.opts[0]} and {option.opts[0]} exclude each other", ctx)
            raise click.UsageError(f"{option.opts[0]} is given twice, but takes one value", ctx)


def _version(ctx: click.Context, _: click.Parameter, requested: bool) -> None:
    if requested and not ctx.resilient_parsing:
        from geosoil import __version__

        click.echo(f"geosoil {__version__}")
        ctx.exit()


def report_failures(parts: tuple[str, ...]) -> None:
    """Report the parts of the request that failed, if any, and exit with code 3."""
    if parts:
        for part in parts:
            echo(f"geosoil: {part}", err=True)
        sys.exit(3)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def group() -> None:
    """Turn spectra and rasters into maps of soil."""


def print_unraisable(problem: sys.UnraisableHookArgs) -> None:
    """Print an exception that Python cannot raise, as usual, but not that GDAL said something that is not UTF-8.

    GDAL quotes the bytes of damaged files in its messages, which rasterio cannot decode.
    """
    if not (isinstance(problem.exc_value, UnicodeDecodeError) and "log_error" in str(problem.object)):
        sys.__unraisablehook__(problem)


def main() -> None:
    """Run the command line and exit with a code.

    0: everything was done. 1: a bug in geosoil, with a traceback. 2: an error that the user can correct, in one line.
    3: only part was done; the rest is reported. 130: interrupted.
    """
    from geosoil.errors import GeosoilError

    # Almost all objects that imports make live until the end. Looking for unreachable ones among them, many times while
    # libraries are imported and again at exit, takes two seconds for a map of a small cube.
    gc.set_threshold(OBJECTS_BEFORE_COLLECTION)
    hook, sys.unraisablehook = sys.unraisablehook, print_unraisable
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # sent by a queue or at shutdown; treated as Ctrl-C
    try:
        group(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo(STOPPED, err=True)
        sys.exit(130)
    except GeosoilError as error:
        click.echo(f"geosoil: {error}", err=True)
        sys.exit(2)
    finally:
        sys.unraisablehook = hook
        gc.freeze()


if __name__ == "__main__":
    main()
