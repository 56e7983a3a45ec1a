"""A table of samples whose columns are the features."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.columns import guess_unit, words_of
from geosoil.io.tables.numbers import as_numbers
from geosoil.io.tables.reader import list_ids, read_numbers, read_table, require_column
from geosoil.models.contract import Feature
from geosoil.pipeline.sources.draft import Draft, Files, begin_draft
from geosoil.pipeline.sources.samples import check_count, keep_known, make_rows, read_samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows

LEAST_BANDS = 10  # columns named by numbers that make a table of spectra
LARGEST_EMPTY_SHARE = 0.2  # of the cells of a feature
# Words of soil properties, which are not known where there is no sample.
PROPERTY_WORDS = re.compile(
    "target|so[cm]|t?oc|tc|tn|om|humus|carbon|nitrogen|phosphorus|potassium|ph|clay|sand|silt|cec|bulk|texture|caco|carbonate|"
    "as|cd|cr|cu|hg|ni|pb|zn|fe|mn|ca|mg|na|al"
)


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
    X = np.empty((len(samples.ids), len(data.columns)), np.float32)
    for values, name in zip(X.T, data.columns, strict=True):
        values[:] = read_numbers(path, table[name], samples.ids)
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


def draft(files: Files, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Draft the section `[data]` for a table whose columns are the features: which columns, ids, groups and places.

    Raises
    ------
    GeosoilError
        If the table cannot be read, or no feature is left.
    """
    path = files.table
    made = begin_draft("table", path, targets, given)
    bands = [name for name in made.columns.numbers if re.fullmatch(r"\d+(\.\d+)?", name)]
    if len(bands) >= LEAST_BANDS:
        raise SamplesError(
            path,
            found=f"{len(bands)} columns that are named by numbers, {bands[0]} to {bands[-1]}, as of spectra",
            expected="a table of features",
            way_out="use `geosoil init spectra`, or rename these columns",
        )
    made.set("table", files.relative(path), f"{len(made.table)} rows")
    made.set_labels()
    features, left_out = _choose_features(made, targets)
    made.set("columns", features, f"{len(features)} features: keep those that are known wherever you predict")
    if not made.values["columns"]:
        raise SamplesError(
            path,
            problem=f"no column of numbers can be a feature ({_in_words(left_out)})",
            expected="features beside the target",
            way_out="name them with --columns",
        )
    if "columns" not in given and left_out:
        made.remarks.append(f"Columns of numbers that are not features here: {_in_words(left_out)}")
    made.set_places(path)
    return made


def _choose_features(made: Draft, targets: Sequence[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Return the features, and the other columns of numbers by the reason why they are none."""
    features, left_out = list[str](), dict[str, list[str]]()
    units = {guess_unit(target) for target in targets} - {"", "%"}
    for name in made.columns.numbers:
        values = as_numbers(made.table[name])
        known = np.isfinite(values)
        reason = ""
        if known.mean() < 1 - LARGEST_EMPTY_SHARE:
            reason = "many empty cells"
        elif np.ptp(values[known]) == 0:
            reason = "constant"
        elif any(map(PROPERTY_WORDS.fullmatch, words_of(name))) or guess_unit(name) in units:
            reason = "measured in a laboratory, by the name"
        elif any(_is_copy(values, as_numbers(made.table[target])) for target in targets):
            reason = "equal to the target up to scale"
        left_out.setdefault(reason, []).append(name) if reason else features.append(name)
    return features, left_out


def _is_copy(values: np.ndarray, target: np.ndarray) -> bool:
    known = np.isfinite(values) & np.isfinite(target)
    return (
        known.sum() > 2 and np.ptp(target[known]) > 0 and abs(np.corrcoef(values[known], target[known])[0, 1]) > 0.9999
    )


def _in_words(left_out: dict[str, list[str]]) -> str:
    return "; ".join(f"{list_ids(names)} ({reason})" for reason, names in left_out.items()) or "there is none"
