"""A table of samples whose columns are the features."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import list_ids, read_numbers, read_table, require_column
from geosoil.models.contract import Feature
from geosoil.pipeline.sources.samples import check_count, keep_known, make_rows, read_samples

if TYPE_CHECKING:
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows


def read(loaded: LoadedRecipe) -> TrainingRows:
    """Read the samples of a recipe with their feature columns; places are read if the table has them.

    Raises
    ------
    SamplesError
        If the table is wrong; the message names the column or the samples and what to do.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    path, notes = Path(loaded.path(data.table)), list[str]()
    samples = read_samples(loaded, data.table, with_places=False)
    table = read_table(path, data.layer, data.decimal)
    for name in data.columns:
        require_column(path, table, name)
    X = np.column_stack([read_numbers(path, table[name], samples.ids) for name in data.columns]).astype(np.float32)
    complete = np.asarray(np.isfinite(X).all(axis=1))
    if not complete.all() and data.on_missing == "stop":
        empty = [name for name, values in zip(data.columns, X.T, strict=True) if np.isnan(values).any()]
        raise SamplesError(
            path,
            found=f"empty cells in {list_ids(empty)} for {list_ids(samples.ids[~complete])}",
            expected="a number in every feature column",
            way_out="fill them in, or set on_missing = 'drop' in [data]",
        )
    if not complete.all():
        notes.append(f"dropped {(~complete).sum()} samples with empty cells in feature columns")
    row = {name: i for i, name in enumerate(samples.ids)}
    samples = keep_known(samples.take(complete), recipe, notes)
    check_count(samples, recipe, notes)
    return make_rows(
        loaded,
        samples,
        X[[row[name] for name in samples.ids]],
        [Feature(name) for name in data.columns],
        quantity="covariates",
        notes=notes,
    )
