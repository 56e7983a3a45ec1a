"""Five methods that attribute a prediction to its features, with the sum f(x) - mean f(background).

linear       linear models: weight x (x - mean of the background), exact
path         networks and smooth programs: expected gradients, with the integral along each path from a background row
             to x by Gauss-Legendre quadrature instead of random points, so that the sum is accurate
gradient     expected gradients at random points (GradientExplainer of shap, as in the paper); the sum is accurate to a
             few per cent
tree         forests: TreeExplainer of shap, exact
permutation  kernels and all other models: PermutationExplainer of shap over groups of features
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

    Progress = Callable[[int, int], None]

    Function = Callable[[torch.Tensor], torch.Tensor]

STEPS, MOST_STEPS = 8, 512  # Gauss-Legendre points along one path: at first and at most
ROWS_AT_ONCE = 512


def linear_attributions(weight: np.ndarray, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the exact attributions of the linear model `X @ weight + intercept`.

    Parameters
    ----------
    weight : ndarray of shape (feature,)
        Coefficients.
    X : ndarray of shape (sample, feature)
        Rows to explain.
    background : ndarray of shape (row, feature)
        Background rows.

    Returns
    -------
    ndarray of shape (sample, feature)
        Attributions in the unit of the prediction.

    References
    ----------
    Lundberg and Lee 2017, corollary 1.

    Examples
    --------
    >>> linear_attributions(np.array([2.0, 1.0]), np.array([[1.0, 1.0]]), np.zeros((3, 2))).tolist()
    [[2.0, 1.0]]
    """
    return (np.asarray(X, np.float64) - np.asarray(background, np.float64).mean(axis=0)) * weight


def expected_gradients(
    function: Function,
    X: np.ndarray,
    background: np.ndarray,
    *,
    steps: int = STEPS,
    tolerance: float = np.inf,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return expected gradients: the mean of (x - b) df/dx over the straight paths from background rows b to x.

    Parameters
    ----------
    function : callable
        From torch tensors `(row, feature)` of the type of X to `(row, 1)` or `(row,)`.
    X : ndarray of shape (sample, feature)
        Rows to explain.
    background : ndarray of shape (row, feature)
        Background rows.
    steps : int
        Gauss-Legendre points per path.
    tolerance : float
        A path whose attributions differ from f(x) - f(b) by more than this is integrated again with four times the
        points, up to 512; networks with ReLU need more points where a path crosses many of their kinks.
    progress : callable, optional
        Called as `progress(rows done, all rows)`.

    Returns
    -------
    ndarray of shape (sample, feature)
        Attributions in the unit of the prediction.

    References
    ----------
    Sundararajan et al. 2017. Erion et al. 2021, eq. 3.

    Examples
    --------
    >>> f = lambda x: (x**2).sum(1)
    >>> expected_gradients(f, np.array([[2.0, 1.0]]), np.zeros((1, 2))).round(6).tolist()
    [[4.0, 1.0]]
    """
    import torch

    from geosoil.numerics.threads import one_thread_each

    X = np.asarray(X)
    kind = X.dtype if X.dtype == np.float64 else np.float32
    rows = torch.from_numpy(np.array(background, kind))
    with torch.no_grad():
        background_values = function(rows).reshape(-1)

    def explain(row: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(row)
        with torch.no_grad():
            difference = function(x[None]).reshape(()) - background_values
        total = torch.zeros(len(row), dtype=torch.float64)
        remaining, n_steps = torch.arange(len(rows)), steps
        while len(remaining):
            values = _integrated_gradients(function, x, rows[remaining], n_steps)
            inaccurate = (values.sum(1) - difference[remaining]).abs() > tolerance
            if n_steps >= MOST_STEPS:
                inaccurate[:] = False
            total += values[~inaccurate].sum(0, dtype=torch.float64)
            remaining, n_steps = remaining[inaccurate], 4 * n_steps
        return total.numpy() / len(rows)

    # One sample per core, each on one thread: the threads of torch would mostly wait for each other.
    with (
        one_thread_each(),
        ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        return np.array(list(_counted(pool.map(explain, np.array(X, kind)), len(X), progress)))


def _integrated_gradients(function: Function, x: torch.Tensor, rows: torch.Tensor, steps: int) -> torch.Tensor:
    """Return (x - b) times the mean gradient from each row b to x, `(row, feature)`."""
    import torch

    nodes, weights = np.polynomial.legendre.leggauss(steps)
    share = torch.from_numpy((nodes + 1) / 2).to(x.dtype)[None, :, None]
    weight = torch.from_numpy(weights / 2).to(x.dtype)[None, :, None]
    parts = []
    for chunk in rows.split(max(1, ROWS_AT_ONCE // steps)):
        difference = x - chunk
        points = (chunk[:, None] + share * difference[:, None]).flatten(0, 1).requires_grad_(True)
        (gradient,) = torch.autograd.grad(function(points).sum(), points)
        parts.append((gradient.view(len(chunk), steps, -1) * weight).sum(1) * difference)
    return torch.cat(parts)


def gradient_explainer(
    function: Function, X: np.ndarray, background: np.ndarray, *, n_samples: int = 200, seed: int = 0
) -> np.ndarray:
    """Return expected gradients at random points by GradientExplainer of shap, as in the paper.

    See `expected_gradients`; `n_samples` is the number of random points per row of X.
    """
    import torch

    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Return `(row, 1)`."""
            return function(x).reshape(len(x), 1)

    with _shap() as shap:
        explainer = shap.GradientExplainer(Module().eval(), torch.from_numpy(np.array(background, np.float32)))
        values = explainer.shap_values(torch.from_numpy(np.array(X, np.float32)), nsamples=n_samples, rseed=seed)
    return np.asarray(values, np.float64).reshape(X.shape)


def tree_attributions(forest: Any, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the exact attributions `(sample, feature)` of a scikit-learn forest by TreeExplainer of shap.

    Absent features take the values of the rows of the background `(row, feature)` (interventional).
    """
    with _shap() as shap:
        explainer = shap.TreeExplainer(forest, data=np.asarray(background, np.float64))
        values = explainer.shap_values(np.asarray(X, np.float64), check_additivity=False)
    return np.asarray(values).reshape(X.shape)


def permutation_attributions(
    predict: Callable[[np.ndarray], np.ndarray],
    X: np.ndarray,
    background: np.ndarray,
    groups: np.ndarray,
    *,
    n_permutations: int = 4,
    seed: int = 0,
    progress: Progress | None = None,
) -> np.ndarray:
    """Return Shapley values of groups of features by PermutationExplainer of shap.

    An absent group takes the values of each background row, and the predictions are averaged. The values sum exactly
    to f(x) - mean f(background); more permutations only reduce their noise.

    Parameters
    ----------
    predict : callable
        From `(row, feature)` to `(row,)`.
    X : ndarray of shape (sample, feature)
        Rows to explain.
    background : ndarray of shape (row, feature)
        Background rows.
    groups : ndarray of int of shape (feature,)
        Group of each feature, from 0.
    n_permutations : int
        Number of random orders, each used forwards and backwards.
    seed : int
        Seed of the orders.
    progress : callable, optional
        Called as `progress(rows done, all rows)`.

    Returns
    -------
    ndarray of shape (sample, group)
        Attributions in the unit of the prediction.

    Examples
    --------
    >>> X, zero = np.array([[1.0, 2.0, 3.0]]), np.zeros((2, 3))
    >>> permutation_attributions(lambda rows: rows.sum(1), X, zero, np.array([0, 0, 1])).tolist()
    [[3.0, 3.0]]
    """
    groups = np.asarray(groups)
    n_groups = int(groups.max()) + 1
    background = np.asarray(background)
    result = np.zeros((len(X), n_groups))
    for i, row in enumerate(_counted(np.asarray(X), len(X), progress)):

        def mean_prediction(present: np.ndarray, row: np.ndarray = row) -> np.ndarray:
            features = np.asarray(present, bool)[:, groups]
            rows = np.where(features[:, None], row, background[None])
            return predict(rows.reshape(-1, len(row))).reshape(len(present), -1).mean(axis=1)

        if n_groups == 1:
            result[i] = mean_prediction(np.ones((1, 1))) - mean_prediction(np.zeros((1, 1)))
            continue
        evaluations = n_permutations * (2 * n_groups + 1)
        with _shap() as shap:
            explainer = shap.PermutationExplainer(mean_prediction, np.zeros((1, n_groups)), seed=seed)
            result[i] = explainer(np.ones((1, n_groups)), max_evals=evaluations, silent=True).values[0]
    return result


def _counted(items: Iterable[Any], total: int, progress: Progress | None) -> Iterator[Any]:
    """Yield items, and report after each one how many were done."""
    for done, item in enumerate(items, start=1):
        yield item
        if progress is not None:
            progress(done, total)


@contextmanager
def _shap() -> Iterator[Any]:
    """Import shap without its warnings, and restore the global random state of numpy afterwards."""
    state = np.random.get_state()  # noqa: NPY002 - shap seeds it
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import shap

            yield shap
    finally:
        np.random.set_state(state)  # noqa: NPY002
