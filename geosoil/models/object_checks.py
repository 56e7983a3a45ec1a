"""Checks of loaded objects of scikit-learn whose compiled code trusts their arrays, or that a number makes huge."""

from __future__ import annotations

from typing import Any

import numpy as np

MOST_COLUMNS = 100_000  # of the products of PolynomialFeatures


def check_object(value: Any) -> None:
    """Raise ValueError for an object whose prediction would read outside its arrays, or take all memory."""
    check = _CHECKS.get(type(value).__name__)
    if check is not None and not check(value, vars(value)):
        raise ValueError(f"the arrays of {type(value).__name__} do not belong together")


def _trees(values: Any, n_features: Any, n_outputs: Any) -> bool:
    from sklearn.tree import DecisionTreeRegressor, ExtraTreeRegressor

    return len(values) > 0 and all(
        type(member) in (DecisionTreeRegressor, ExtraTreeRegressor)
        and member.n_features_in_ == n_features
        and member.n_outputs_ == n_outputs
        for member in values
    )


def _tree(value: Any, content: dict[str, Any]) -> bool:
    from sklearn.tree._tree import Tree

    if "tree_" not in content:
        return "n_features_in_" not in content  # not fitted
    tree = value.tree_
    return isinstance(tree, Tree) and (value.n_features_in_, value.n_outputs_) == (tree.n_features, tree.n_outputs)


def _forest(value: Any, content: dict[str, Any]) -> bool:
    if "estimators_" not in content:
        return True
    return type(value.estimators_) is list and _trees(value.estimators_, value.n_features_in_, value.n_outputs_)


def _boosting(value: Any, content: dict[str, Any]) -> bool:
    if "estimators_" not in content:
        return True
    members = value.estimators_
    is_column = isinstance(members, np.ndarray) and members.ndim == 2 and members.shape[1] == 1
    return is_column and _trees(members.ravel().tolist(), value.n_features_in_, 1)


def _histogram_boosting(value: Any, content: dict[str, Any]) -> bool:
    from geosoil.estimators.forest_files import check_nodes

    if "_predictors" not in content:
        return True
    if value.__dict__.get("_preprocessor") is not None or value.is_categorical_ is not None:
        return False
    for predictor in (predictor for iteration in value._predictors for predictor in iteration):
        nodes = predictor.nodes
        if type(predictor).__name__ != "TreePredictor" or nodes["is_categorical"].any():
            return False
        inner = nodes["is_leaf"] == 0
        left, right = (np.where(inner, nodes[side].astype(np.int64), -1) for side in ("left", "right"))
        check_nodes(left, right, nodes["feature_idx"], value._n_features)
    return value._n_features == value.n_features_in_


def _support_vectors(value: Any, content: dict[str, Any]) -> bool:
    if "support_vectors_" not in content:
        return True
    vectors = value.support_vectors_
    n = len(vectors)
    counts = np.asarray(value._n_support)
    return (
        vectors.shape == (n, value.n_features_in_)
        and vectors.dtype == np.float64
        and value.kernel in ("linear", "poly", "rbf", "sigmoid")
        and value._sparse is False
        and value.support_.shape == (n,)
        and value.support_.dtype == np.int32
        and value._dual_coef_.shape == value.dual_coef_.shape == (1, n)
        and value._intercept_.shape == (1,)
        and counts.shape == (2,)
        and counts.dtype == np.int32
        and (counts == n).all()
    )


def _polynomials(value: Any, content: dict[str, Any]) -> bool:
    if "n_output_features_" not in content:
        return True
    n = value._num_combinations(
        n_features=min(int(value.n_features_in_), MOST_COLUMNS),
        min_degree=max(int(value._min_degree), 0),
        max_degree=min(int(value._max_degree), 100),
        interaction_only=bool(value.interaction_only),
        include_bias=bool(value.include_bias),
    )
    is_small = value._max_degree <= 100 and value.n_features_in_ <= MOST_COLUMNS
    return bool(is_small and n == value.n_output_features_ <= MOST_COLUMNS and value._n_out_full <= MOST_COLUMNS)


def _splines(value: Any, content: dict[str, Any]) -> bool:
    if "bsplines_" not in content:
        return True
    most = sum(spline.c.shape[1] for spline in value.bsplines_)
    return bool(len(value.bsplines_) == value.n_features_in_ and value.n_features_out_ <= most)


def _neighbours(value: Any, content: dict[str, Any]) -> bool:
    """Build the search tree again, which is not stored."""
    if "_fit_X" not in content:
        return True
    from sklearn.neighbors import BallTree, KDTree

    rows = value._fit_X
    if rows.ndim != 2 or not len(rows) == value.n_samples_fit_ == len(value._y):
        return False
    if value._fit_method not in ("kd_tree", "ball_tree", "brute") or callable(value.effective_metric_):
        return False
    value._tree = None
    if value._fit_method != "brute":
        kind: Any = KDTree if value._fit_method == "kd_tree" else BallTree
        value._tree = kind(rows, value.leaf_size, metric=value.effective_metric_, **value.effective_metric_params_)
    return True


def _isotonic(value: Any, content: dict[str, Any]) -> bool:
    """Build the interpolation again, which is not stored."""
    if "X_thresholds_" in content:
        value._build_f(value.X_thresholds_, value.y_thresholds_)
    return True


_CHECKS = {
    "DecisionTreeRegressor": _tree,
    "ExtraTreeRegressor": _tree,
    "RandomForestRegressor": _forest,
    "ExtraTreesRegressor": _forest,
    "GradientBoostingRegressor": _boosting,
    "HistGradientBoostingRegressor": _histogram_boosting,
    "SVR": _support_vectors,
    "NuSVR": _support_vectors,
    "PolynomialFeatures": _polynomials,
    "SplineTransformer": _splines,
    "KNeighborsRegressor": _neighbours,
    "RadiusNeighborsRegressor": _neighbours,
    "IsotonicRegression": _isotonic,
}
