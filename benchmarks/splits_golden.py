"""Folds of kNNDM and NNDM, and distances as `geodist` gives them, against values of CAST 1.1.0 in ../shared/golden.

k-means and random folds start from the labels of the peer, whose random numbers cannot be drawn outside R.

    python benchmarks/splits_golden.py
"""

from __future__ import annotations

import json
import sys
from itertools import chain

import numpy as np
import pandas as pd
from measure import report, shared

from geosoil.samples.knndm import choose_clusters, closer_test, knndm, nndm
from geosoil.samples.nearest_distances import (
    difference_of_distances,
    fold_distances,
    in_feature_space,
    prediction_distances,
    sample_distances,
)


def table(name: str, columns: list[str]) -> np.ndarray:
    """Read columns of an input of the golden values."""
    return pd.read_csv(shared("inputs", f"{name}.csv", folder="golden"))[columns].to_numpy()


def golden(name: str) -> dict:
    """Read golden values."""
    values = json.loads(shared("knndm", f"{name}.json", folder="golden").read_text())
    return {key: value for key, value in values.items() if key != "peer"}


def relative(got: object, expected: object) -> float:
    """Return the largest difference relative to the larger of 1 and the value; NaN must be NaN."""
    got, expected = np.asarray(got, float), np.asarray(expected, float)
    if got.shape != expected.shape or (np.isnan(got) != np.isnan(expected)).any():
        return np.inf
    return float(np.nanmax(np.abs(got - expected) / np.maximum(1, np.abs(expected))))


def partition(folds: np.ndarray) -> set[frozenset[int]]:
    """Return the folds as a set of sets, since their numbers are arbitrary."""
    return {frozenset(np.flatnonzero(folds == number).tolist()) for number in np.unique(folds)}


def splits_of(folds: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return training and test rows of each fold."""
    return [(np.flatnonzero(folds != number), np.flatnonzero(folds == number)) for number in np.unique(folds)]


FEATURES = list("abcd")
GRID = table("knndm_grid", ["x", "y"])
PLACES = {name: (table(f"knndm_{name}", ["x", "y"]), GRID) for name in ("clustered", "random", "mixed")}
TABLES = {
    "feature_clustered": (table("knndm_feature_train", FEATURES), table("knndm_feature_new", FEATURES)),
    "feature_aoa": (table("aoa_train", FEATURES), table("aoa_new", FEATURES)),
}
POINTS = PLACES | {name: in_feature_space(*pair) for name, pair in TABLES.items()}


def compare_knndm() -> tuple[list[float], list[bool], list[float]]:
    """Compare distances and W, folds, and p-values."""
    numbers, folds_agree, p_values = [], [], []
    for name, (points, places) in POINTS.items():
        values = golden(f"knndm_{name}")
        to_map, to_samples = prediction_distances(points, places), sample_distances(points)
        numbers += [relative(to_map, values.pop("Gij")), relative(to_samples, values.pop("Gj"))]
        for case in values.values():
            statistic, p_value = closer_test(to_samples, to_map)
            numbers.append(relative(statistic, case["ks_D"]))
            p_values.append(abs(p_value - case["ks_p"]))
            share = case.get("maxp", 0.5)
            if case["method"] == "random":
                folds = np.array(case["folds"])
                folds_agree.append(knndm(points, places, case["k"]).method == "random")
                difference = difference_of_distances(fold_distances(points, splits_of(folds)), to_map)
            else:
                if case["clustering"] == "kmeans":
                    labels = zip(case["tried"]["n_clusters"], map(np.array, case["kmeans_labels"]), strict=True)
                    chosen, tried = choose_clusters(points, to_map, labels, case["k"], largest_share=share)
                    assert chosen is not None
                    n_clusters, folds = chosen
                else:
                    matched = knndm(points, places, case["k"], largest_share=share)
                    assert matched.n_clusters is not None
                    n_clusters, folds, tried = matched.n_clusters, matched.folds, matched.tried
                difference = tried[n_clusters]
                expected = [np.nan if value is None else value for value in case["tried"]["W"]]
                numbers.append(relative(list(tried.values()), expected))
                folds_agree += [
                    n_clusters == case["q"],
                    list(tried) == case["tried"]["n_clusters"],
                    partition(folds) == partition(np.array(case["folds"])),
                ]
            numbers += [
                relative(difference, case["W"]),
                relative(fold_distances(points, splits_of(folds)), case["Gjstar"]),
            ]
    return numbers, folds_agree, p_values


def compare_nndm() -> tuple[list[float], list[bool]]:
    """Compare what is left out of the training rows of each sample."""
    numbers, sets_agree = [], []
    for name, case in golden("nndm").items():
        base = next(key for key in POINTS if name.startswith(key))
        options = {"range_m": 600.0} if name.endswith("600") else {}
        options |= {"least_share": 0.9} if "min_train" in name else {}
        points, places = POINTS[base]
        splits = nndm(points, places, **options)
        everything = set(range(len(points)))
        left_out = [everything - {*train.tolist(), *test.tolist()} for train, test in splits]
        sets_agree.append(left_out == [set(rows) for rows in case["indx_exclude"]])
        numbers.append(relative(fold_distances(points, splits), case["Gjstar"]))
    return numbers, sets_agree


def compare_geodist() -> list[float]:
    """Compare distances between samples, folds, the map and independent samples, and W of each."""
    numbers = []
    clustered, feature = golden("knndm_clustered"), golden("knndm_feature_clustered")
    modulo = splits_of(np.arange(120) % 5)
    in_features = splits_of(np.array(feature["hierarchical_k5"]["folds"]))
    folds = {
        "clustered_knndm_k5": splits_of(np.array(clustered["hierarchical_k5"]["folds"])),
        "clustered_cv_by_row_modulo_5": modulo,
        "clustered_nndm": nndm(*PLACES["clustered"]),
        "feature_clustered_euclidean": in_features,
        "feature_clustered_mahalanobis": in_features,
        "feature_clustered_unscaled": in_features,
        "feature_aoa_euclidean_fold_column": splits_of(table("aoa_train", ["fold"])[:, 0]),
    }
    points = {
        "clustered": PLACES["clustered"],
        "random": PLACES["random"],
        "feature_clustered_mahalanobis": in_feature_space(*TABLES["feature_clustered"], metric="mahalanobis"),
        "feature_clustered_unscaled": TABLES["feature_clustered"],
        "feature_clustered_euclidean": POINTS["feature_clustered"],
        "feature_aoa": POINTS["feature_aoa"],
    }
    for name, case in golden("geodist").items():
        samples, places = next(pair for key, pair in points.items() if name.startswith(key))
        to_map = prediction_distances(samples, places)
        distances = {"sample": sample_distances(samples)}
        numbers += [
            relative(to_map, case["prediction_to_sample"]),
            relative(distances["sample"], case["sample_to_sample"]),
        ]
        if "test_to_sample" in case:
            distances["test"] = prediction_distances(samples, PLACES["random"][0])
            numbers.append(relative(distances["test"], case["test_to_sample"]))
        if "CV_distances" in case:
            distances["CV"] = fold_distances(samples, folds[name])
            numbers.append(relative(distances["CV"], case["CV_distances"]))
        differences = {key: difference_of_distances(value, to_map) for key, value in distances.items()}
        numbers += [relative(value, case[f"W_{key}"]) for key, value in differences.items()]
    return numbers


def main() -> bool:
    """Compare everything, and print the largest differences."""
    numbers, folds_agree, p_values = compare_knndm()
    nndm_numbers, sets_agree = compare_nndm()
    geodist_numbers = compare_geodist()
    print(
        f"{len(folds_agree) + len(sets_agree)} sets, {len(numbers + nndm_numbers + geodist_numbers)} arrays of numbers"
    )
    return all([
        report("splits_golden_sets", sum(not agrees for agrees in folds_agree + sets_agree), "different", 0),
        report("splits_golden", max(chain(numbers, nndm_numbers, geodist_numbers)), "difference", 1e-10),
        report("splits_golden_p", max(p_values), "difference", 1e-9),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
