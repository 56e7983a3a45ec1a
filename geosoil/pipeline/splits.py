"""How rows are divided into training and test rows: one table.

Every split returns a list of `Split`. All candidates of a comparison learn from the same rows and are tested on the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geosoil.errors import RecipeError
from geosoil.samples.splits import split_by_label, split_by_rank, split_groups, split_k_fold, split_spatial_blocks

if TYPE_CHECKING:
    from collections.abc import Callable

    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.validation_settings import ValidationSettings


class Split(NamedTuple):
    """One division of the rows: indices of training and test rows. A repeat tests each row at most once."""

    repeat: int
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class SplitMethod:
    """One entry of `SPLITS`.

    Parameters
    ----------
    title : str
        Name in reports.
    meaning : str
        What its figures show, in one or two sentences.
    divide : callable
        Takes the rows, the settings and the seed, and returns the splits.
    leaks : {"", "selection", "settings"}
        In which choices the test rows take part, in a published protocol.
    needs : frozenset of {"group", "folds", "places", "buffer_m", "map"}
        What the recipe must give.
    makes_folds : bool
        Whether the rows are divided into `validation.n_folds` folds.
    keeps_groups : bool
        Whether whole groups or blocks are tested together; confidence intervals then resample them together.
    is_random : bool
        Whether single rows are drawn at random, which flatters a map of clustered samples.
    """

    title: str
    meaning: str
    divide: Callable[[TrainingRows, ValidationSettings, int], list[Split]]
    leaks: str = ""
    needs: frozenset[str] = frozenset()
    makes_folds: bool = False
    keeps_groups: bool = False
    is_random: bool = False


def _repeated(
    divide: Callable[[int], list[tuple[np.ndarray, np.ndarray]]], settings: ValidationSettings, seed: int
) -> list[Split]:
    """Return the splits of all repeats, the seed of a repeat being `seed` plus its number."""
    return [Split(repeat, train, test) for repeat in range(settings.n_repeats) for train, test in divide(seed + repeat)]


def _divide_randomly(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    return _repeated(lambda seed: split_k_fold(len(rows), settings.n_folds, seed=seed), settings, seed)


def _divide_by_rank(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    # The three offsets of the 2:1 split test every sample once; there are no more than these to repeat.
    return [Split(0, *split_by_rank(rows.y[:, 0], offset=offset)[0]) for offset in range(3)]


def _divide_groups(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    groups = _required(rows.groups, "groups", "a column of groups in data.group")
    n_folds = min(settings.n_folds, len(np.unique(groups)))
    return _repeated(lambda seed: split_groups(groups, n_folds, seed=seed), settings, seed)


def _leave_sites_out(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    groups = _required(rows.groups, "site_out", "a column of sites in data.group")
    return _by_label(groups)


def _divide_by_column(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    return _by_label(_required(rows.folds, "folds", "a column of folds in data.folds"))


def _by_label(labels: np.ndarray) -> list[Split]:
    splits = [Split(0, train, test) for train, test in split_by_label(labels)]
    if len(splits) < 2:
        raise RecipeError(
            "validation.split",
            found=f"one value, {labels[0]}",
            expected="two or more folds",
            way_out="use another split",
        )
    return splits


def _divide_blocks(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    x_m, y_m = _required(rows.xy_m, "spatial", "samples with places").T
    side_m = settings.block_m or default_block_m(np.column_stack([x_m, y_m]))
    return _repeated(lambda seed: split_spatial_blocks(x_m, y_m, side_m, settings.n_folds, seed=seed), settings, seed)


def _leave_out_with_buffer(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    places = _required(rows.xy_m, "buffer", "samples with places in metres")
    buffer_m = _required(settings.buffer_m, "buffer", "validation.buffer_m, a distance in metres")
    splits = []
    for number, place in enumerate(places):
        distance = np.hypot(*(places - place).T)
        splits.append(Split(0, np.flatnonzero(distance > buffer_m), np.array([number])))
    return splits


def _match_map_by_folds(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    from geosoil.samples.knndm import knndm

    matched = knndm(
        _required(rows.xy_m, "knndm", "samples with places"),
        _required(rows.map_places_m, "knndm", "a map: data.covariates or data.cube"),
        settings.n_folds,
        clustering=settings.clustering,
        largest_share=settings.largest_share,
        seed=seed,
    )
    return [Split(0, train, test) for train, test in matched.splits()]


def _match_map_by_rows(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    from geosoil.samples.knndm import nndm

    places = _required(rows.map_places_m, "nndm", "a map: data.covariates or data.cube")
    samples = _required(rows.xy_m, "nndm", "samples with places")
    pairs = nndm(samples, places, range_m=settings.range_m, least_share=settings.least_share)
    return [Split(0, train, test) for train, test in pairs]


def default_block_m(xy_m: np.ndarray) -> float:
    """Return a side of spatial blocks in metres: a tenth of the longer side of the samples' extent.

    >>> default_block_m(np.array([[0.0, 0.0], [5000.0, 2000.0]]))
    500.0
    """
    return float(np.ptp(xy_m, axis=0).max()) / 10


def _hold_out(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    n = len(rows)
    n_test = round(settings.test_share * n) if settings.n_train is None else n - settings.n_train
    splits = []
    for repeat in range(settings.n_repeats):
        order = np.random.default_rng([seed, repeat]).permutation(n)
        if settings.n_train is None:
            train, test = np.sort(order[n_test:]), np.sort(order[:n_test])
        else:
            train = order[: settings.n_train]
            test = np.setdiff1d(np.arange(n), train)
        splits.append(Split(repeat, train, test))
    return splits


def _kennard_stone(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    from geosoil.samples.kennard_stone import kennard_stone
    from geosoil.spectra.absorbance import Absorbance
    from geosoil.spectra.scatter import SNV

    n_train = settings.n_train or round((1 - settings.test_share) * len(rows))
    share = settings.n_components
    spectra = rows.centres
    if rows.quantity == "reflectance":
        spectra = SNV().fit_transform(Absorbance().fit_transform(spectra))
    train = kennard_stone(
        spectra,
        n_train,
        n_components=share if share is None or share < 1 else int(share),
        mahalanobis=settings.mahalanobis,
    )
    return [Split(0, train, np.setdiff1d(np.arange(len(rows)), train))]


def _published_rank(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    return [Split(0, *split_by_rank(rows.y[:, 0])[0])]


def _published_holdout(rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    return [Split(0, *split_k_fold(len(rows), 10, seed=seed)[0])]


def _required(values: Any, split: str, expected: str) -> Any:
    if values is None:
        raise RecipeError(
            "validation.split", found=f"split = '{split}'", expected=expected, way_out="add it, or use another split"
        )
    return values


SPLITS: dict[str, SplitMethod] = {
    "random": SplitMethod(
        "random folds",
        "Rows are divided into folds at random: this shows what a model is worth between the samples.",
        _divide_randomly,
        makes_folds=True,
        is_random=True,
    ),
    "rank": SplitMethod(
        "folds by rank",
        "Rows are sorted by the target and every third one is tested, three times: training and test rows are alike by "
        "construction, so that this flatters.",
        _divide_by_rank,
    ),
    "groups": SplitMethod(
        "folds of groups",
        "Whole groups are tested together: this shows what a model is worth at a place without samples.",
        _divide_groups,
        needs=frozenset({"group"}),
        makes_folds=True,
        keeps_groups=True,
    ),
    "site_out": SplitMethod(
        "leave one site out",
        "Each group is tested once by models of all other groups.",
        _leave_sites_out,
        needs=frozenset({"group"}),
        keeps_groups=True,
    ),
    "folds": SplitMethod(
        "folds of your own",
        "Rows are divided by the column of folds in the samples.",
        _divide_by_column,
        needs=frozenset({"folds"}),
    ),
    "spatial": SplitMethod(
        "spatial blocks",
        "Square blocks of the map are tested together: this shows what a model is worth away from the samples.",
        _divide_blocks,
        needs=frozenset({"places"}),
        makes_folds=True,
        keeps_groups=True,
    ),
    "buffer": SplitMethod(
        "leave one out with a buffer",
        "Each row is tested by models of all rows farther away than validation.buffer_m: this shows what a model "
        "is worth at that distance from the samples.",
        _leave_out_with_buffer,
        needs=frozenset({"places", "buffer_m"}),
    ),
    "knndm": SplitMethod(
        "kNNDM",
        "Clusters of samples are tested together, chosen so that test rows are as far from training rows as the map is "
        "from the samples: this shows what a model is worth on the map. Samples that are spread like the map have "
        "random folds.",
        _match_map_by_folds,
        needs=frozenset({"places", "map"}),
        makes_folds=True,
        keeps_groups=True,
    ),
    "nndm": SplitMethod(
        "NNDM",
        "Each row is tested by models of the other rows, without close ones as far as the map is farther from the "
        "samples: this shows what a model is worth on the map. It fits one model per row.",
        _match_map_by_rows,
        needs=frozenset({"places", "map"}),
    ),
    "holdout": SplitMethod(
        "random holdout",
        "A random part of the rows is tested, repeatedly: this shows what a model is worth between the samples.",
        _hold_out,
        is_random=True,
    ),
    "kennard_stone": SplitMethod(
        "Kennard-Stone",
        "Rows that cover the spectra are learned from, as published, and the rest is tested. The choice looks at the "
        "spectra of the test rows and takes the extremes away from the test, so that its figures flatter.",
        _kennard_stone,
    ),
    "published_rank": SplitMethod(
        "published (Ou et al. 2025)",
        "One 2:1 split by rank, with bands chosen on all samples before it. Test rows take part in that "
        "choice: it leaks, and is shown only to be compared with published figures.",
        _published_rank,
        leaks="selection",
    ),
    "published_holdout": SplitMethod(
        "published (Han et al. 2025)",
        "One 90:10 split, with covariates chosen on all rows before it. Test rows take part in that choice: "
        "it leaks, and is shown only to be compared with published figures.",
        _published_holdout,
        leaks="selection",
    ),
    "published_settings": SplitMethod(
        "published (He et al. 2025)",
        "The splits of 'holdout', but networks stop by their loss on the test rows, and the settings of PLSR "
        "and SVR are chosen on all rows. Test rows take part in these choices: it leaks, and is shown only to be "
        "compared with published figures.",
        _hold_out,
        leaks="settings",
    ),
}
"""The splits that `validation.split` can name. Entries with `leaks` are published protocols."""


def divide(name: str, rows: TrainingRows, settings: ValidationSettings, seed: int) -> list[Split]:
    """Divide rows by the split of a name; `n_labels` limits the training rows of every split.

    Raises
    ------
    RecipeError
        If the rows lack what the split needs (groups, folds, places in metres).
    SamplesError
        If there are fewer rows than folds.
    """
    splits = SPLITS[name].divide(rows, settings, seed)
    n_labels = settings.n_labels
    if n_labels is None:
        return splits
    return [
        split._replace(
            train=np.sort(np.random.default_rng([seed, number, n_labels]).permutation(split.train)[:n_labels])
        )
        if len(split.train) > n_labels
        else split
        for number, split in enumerate(splits)
    ]
