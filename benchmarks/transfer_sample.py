"""What transfer gains on sample_data/lead: mean R2 of ln Pb in ten rounds, against the best of PLSR, SVR and ResNet.

`python benchmarks/transfer_sample.py`

The data are made so that transfer can help: pH and lead share physics, the library is four times the training rows, and
what disturbs spectra can be learned from it. All models learn from the same rows of each round; everything is chosen
inside them.
"""

from __future__ import annotations

import sys

from measure import report

from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.regressors import prepare_shared
from geosoil.pipeline.sources import read_rows
from geosoil.pipeline.validation import validate
from geosoil.workflows.demo import sample_data

LIMIT = 0.1

if __name__ == "__main__":
    loaded = read_recipe(sample_data("lead") / "pb_resnet.toml")
    recipe, rows = loaded.recipe, read_rows(loaded)
    candidates = [recipe.candidate(kind) for kind in ("transfer_resnet", "pls", "svr", "resnet")]
    outcome = validate("holdout", recipe, rows, candidates, shared=prepare_shared(recipe, rows, candidates))
    table = outcome.table
    print(table.to_string(index=False), outcome.differences().to_string(index=False), sep="\n")
    gain = float(table.test_r2_ln[0] - table.test_r2_ln[1:].max())
    sys.exit(not report("transfer_sample", gain, "R2", LIMIT, at_most=False))
