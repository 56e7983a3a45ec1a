"""What transfer gains on sample_data/lead: mean R2 of ln Pb in ten rounds, against the best of PLS, SVM and ResNet.

`python benchmarks/transfer_sample.py`

The data are made so that transfer can help: pH and lead share physics, the library is four times the training rows, and
what disturbs spectra can be learned from it. All models learn from the same rows of each round; everything is chosen
inside them.
"""

from __future__ import annotations

import sys

import click
from measure import report

from geosoil.studies.demo import sample_data
from geosoil.studies.lead_transfer.candidates import DIRECT, TRANSFER
from geosoil.studies.lead_transfer.protocols import nested
from geosoil.studies.lead_transfer.recipe import read_recipe
from geosoil.studies.lead_transfer.tables import comparison_table, paired_differences, transfer_gain
from geosoil.studies.lead_transfer.training_data import read_training_data
from geosoil.studies.results import table_text

LIMIT = 0.1

if __name__ == "__main__":
    loaded = read_recipe(sample_data("lead") / "pb_resnet.toml")
    outcome = nested(loaded.recipe, read_training_data(loaded), (*DIRECT, TRANSFER))
    click.echo(table_text(comparison_table(outcome, loaded.recipe)))
    click.echo(table_text(paired_differences(outcome, loaded.recipe)))
    gain = transfer_gain(outcome, loaded.recipe, DIRECT)
    sys.exit(not report("transfer_sample", gain, "R2", LIMIT, at_most=False))
