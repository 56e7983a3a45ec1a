"""Attributions of a prediction to its features: they sum to f(x) - mean f(background), by five ways.

linear       one matrix: weight x (x - mean of the background), exact
path         nets and smooth programs: expected gradients, the integral of each path from a background row to x done
             by Gauss-Legendre steps instead of random points, so that the sum holds
gradient     the same by shap's GradientExplainer, random points (the paper's); its sum holds to a few per cent
tree         forests: shap's TreeExplainer, exact
permutation  kernels and everything else: shap's PermutationExplainer over groups of features, within a budget
"""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    Function = Callable[[torch.Tensor], torch.Tensor]

STEPS, MOST_STEPS = 8, 512  # of Gauss-Legendre, along one path
ROWS_AT_ONCE = 512


def linear_attributions(weight: np.ndarray, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the exact attributions `(sample, feature)` of `X @ weight + intercept`.

    weight `(feature,)`, X `(sample, feature)`, background `(row, feature)`. Lundberg and Lee 2017, corollary 1.

    >>> linear_attributions(np.array([2.0, 1.0]), np.array([[1.0, 1.0]]), np.zeros((3, 2))).tolist()
    [[2.0, 1.0]]
    """
    return (np.asarray(X, np.float64) - np.asarray(background, np.float64).mean(axis=0)) * weight


def expected_gradients(
    function: Function, X: np.ndarray, background: np.ndarray, *, steps: int = STEPS, tolerance: float = np.inf
) -> np.ndarray:
    """Return expected gradients `(sample, feature)`: (x - b) df/dx averaged over all paths from background rows b to x.

    function: `(row, feature)` -> `(row, 1)` or `(row,)`, of torch tensors in the type of X. X `(sample, feature)`,
    background `(row, feature)`. Every background row is walked in `steps` points of Gauss-Legendre: the mean
    of integrated gradients over the background (Sundararajan et al. 2017; Erion et al. 2021, eq. 3). A path whose
    attributions miss f(x) - f(b) by more than `tolerance` crosses many kinks of the net: it is walked again in
    four times the steps, up to 512.

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
        of_rows = function(rows).reshape(-1)

    def explain(row: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(row)
        with torch.no_grad():
            rise = function(x[None]).reshape(()) - of_rows
        total = torch.zeros(len(row), dtype=torch.float64)
        left, n_steps = torch.arange(len(rows)), steps
        while len(left):
            values = _integrated_gradients(function, x, rows[left], n_steps)
            missed = (values.sum(1) - rise[left]).abs() > tolerance
            if n_steps >= MOST_STEPS:
                missed[:] = False
            total += values[~missed].sum(0, dtype=torch.float64)
            left, n_steps = left[missed], 4 * n_steps
        return total.numpy() / len(rows)

    # A sample a core, each on one thread: torch's own threads wait for each other more than they gain here.
    with (
        one_thread_each(),
        ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool,
    ):
        return np.array(list(pool.map(explain, np.array(X, kind))))


def _integrated_gradients(function: Function, x: torch.Tensor, rows: torch.Tensor, steps: int) -> torch.Tensor:
    """Return (x - b) times the mean gradient from each row b to x, `(row, feature)`."""
    import torch

    nodes, weights = np.polynomial.legendre.leggauss(steps)
    share = torch.from_numpy((nodes + 1) / 2).to(x.dtype)[None, :, None]
    weight = torch.from_numpy(weights / 2).to(x.dtype)[None, :, None]
    parts = []
    for some in rows.split(max(1, ROWS_AT_ONCE // steps)):
        difference = x - some
        points = (some[:, None] + share * difference[:, None]).flatten(0, 1).requires_grad_(True)
        (gradient,) = torch.autograd.grad(function(points).sum(), points)
        parts.append((gradient.view(len(some), steps, -1) * weight).sum(1) * difference)
    return torch.cat(parts)


def gradient_explainer(
    function: Function, X: np.ndarray, background: np.ndarray, *, n_samples: int = 200, seed: int = 0
) -> np.ndarray:
    """Return `(sample, feature)` of shap's GradientExplainer, the paper's way: expected gradients by random points.

    function, X, background as in `expected_gradients`; n_samples: random points for each sample.
    """
    import torch

    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            """Predict `(row, 1)`."""
            return function(x).reshape(len(x), 1)

    with _shap() as shap:
        explainer = shap.GradientExplainer(Module().eval(), torch.from_numpy(np.array(background, np.float32)))
        values = explainer.shap_values(torch.from_numpy(np.array(X, np.float32)), nsamples=n_samples, rseed=seed)
    return np.asarray(values, np.float64).reshape(X.shape)


def tree_attributions(forest: Any, X: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the exact attributions `(sample, feature)` of a scikit-learn forest, by shap's TreeExplainer.

    X `(sample, feature)`, background `(row, feature)`: features are set to those of background rows (interventional).
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
) -> np.ndarray:
    """Return Shapley values of groups of features `(sample, group)`, by shap's PermutationExplainer.

    predict: `(row, feature)` -> `(row,)`, any model. groups `(feature,)`: the group of each feature, from 0.
    A group stands as in x or as in every background row, whose predictions are averaged; each of the n_permutations
    is walked there and back, so the values sum to f(x) - mean f(background) exactly, and more only lower their noise.

    >>> X, zero = np.array([[1.0, 2.0, 3.0]]), np.zeros((2, 3))
    >>> permutation_attributions(lambda rows: rows.sum(1), X, zero, np.array([0, 0, 1])).tolist()
    [[3.0, 3.0]]
    """
    groups = np.asarray(groups)
    n_groups = int(groups.max()) + 1
    background = np.asarray(background)
    result = np.zeros((len(X), n_groups))
    for i, row in enumerate(np.asarray(X)):

        def switched(on: np.ndarray, row: np.ndarray = row) -> np.ndarray:
            chosen = np.asarray(on, bool)[:, groups]
            rows = np.where(chosen[:, None], row, background[None])
            return predict(rows.reshape(-1, len(row))).reshape(len(on), -1).mean(axis=1)

        if n_groups == 1:
            result[i] = switched(np.ones((1, 1))) - switched(np.zeros((1, 1)))
            continue
        evaluations = n_permutations * (2 * n_groups + 1)
        with _shap() as shap:
            explainer = shap.PermutationExplainer(switched, np.zeros((1, n_groups)), seed=seed)
            result[i] = explainer(np.ones((1, n_groups)), max_evals=evaluations, silent=True).values[0]
    return result


@contextmanager
def _shap() -> Iterator[Any]:
    """Give shap, keep quiet what it says of matplotlib, and give numpy's random numbers back as they were."""
    state = np.random.get_state()  # noqa: NPY002 - shap seeds these
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import shap

            yield shap
    finally:
        np.random.set_state(state)  # noqa: NPY002
