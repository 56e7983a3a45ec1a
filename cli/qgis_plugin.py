"""`geosoil qgis-plugin`: the plugin for QGIS as a zip file."""

from __future__ import annotations

import click

from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil qgis-plugin -o geosoil.zip
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.option(
    "-o", "--output", default="geosoil.zip", show_default=True, metavar="GEOSOIL.zip", help="The plugin to write."
)
def command(output: str) -> None:
    """Write the plugin that runs geosoil from the Processing toolbox of QGIS 3.22 to 3.40.

    Install it in QGIS by Plugins > Manage and Install Plugins > Install from ZIP. It needs no package inside QGIS: it
    runs this program as a process, and finds it on the PATH or in the settings of Processing.
    """
    from geosoil.workflows.qgis_plugin import write_plugin

    show(write_plugin(output))
