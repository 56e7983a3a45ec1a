"""Ten folds of a Gaussian process of two blocks, against scikit-learn with an equal sum of kernels.

500 rows of 400 columns. Both evaluate the marginal likelihood and its gradient as often; that of scikit-learn is timed
for a few evaluations and multiplied. Both run on one thread, whose processor time is compared; torch is imported by a
short fit before, as scikit-learn is. `--quick`: 150 rows.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import asked_quick, report
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Kernel, Matern, WhiteKernel

from geosoil.estimators.gaussian_process import GaussianProcess, fit_processes
from geosoil.numerics.threads import one_thread_each

N_COLUMNS, N_FOLDS, N_ITERATIONS, N_TIMED = 400, 10, 100, 3


class Columns(Kernel):
    """A kernel of some columns, as a sum of kernels over blocks needs it."""

    def __init__(self, kernel: Kernel, first: int, last: int) -> None:
        self.kernel = kernel
        self.first = first
        self.last = last

    @property
    def theta(self) -> np.ndarray:
        """The logarithms of the hyper-parameters of the kernel."""
        return self.kernel.theta

    @theta.setter
    def theta(self, theta: np.ndarray) -> None:
        self.kernel.theta = theta

    @property
    def bounds(self) -> np.ndarray:
        """The bounds of the hyper-parameters of the kernel."""
        return self.kernel.bounds

    def __call__(self, X: np.ndarray, Y: np.ndarray | None = None, eval_gradient: bool = False):
        """Evaluate the kernel on its columns."""
        part = X[:, self.first : self.last]
        other = None if Y is None else Y[:, self.first : self.last]
        return self.kernel(part, other, eval_gradient=True) if eval_gradient else self.kernel(part, other)

    def diag(self, X: np.ndarray) -> np.ndarray:
        """Return the diagonal of the kernel."""
        return self.kernel.diag(X[:, self.first : self.last])

    def is_stationary(self) -> bool:
        """Return False: the linear term is not."""
        return False


def main() -> None:
    """Measure and report."""
    n = 150 if asked_quick(__doc__) else 500
    rng = np.random.default_rng(0)
    X = np.cumsum(rng.normal(size=(n, N_COLUMNS)), axis=1) / 20
    y = X[:, 100] + np.sin(X[:, 300]) + 0.3 * rng.normal(size=n)
    half = N_COLUMNS // 2
    blocks = [
        {"name": name, "columns": list(range(*span))} for name, span in (("a", (0, half)), ("b", (half, 2 * half)))
    ]
    folds = [np.arange(n) % N_FOLDS != fold for fold in range(N_FOLDS)]
    with one_thread_each():
        GaussianProcess(blocks=blocks, n_iterations=1).fit(X, y)
        start = time.process_time()
        fitted = fit_processes(
            [GaussianProcess(blocks=blocks, n_iterations=N_ITERATIONS) for _ in folds],
            [(X[rows], y[rows]) for rows in folds],
        )
        ours = time.process_time() - start
        peer = sum(seconds_of_peer(X[rows], y[rows], half) for rows in folds[:2]) / 2 * N_FOLDS
    errors = [process.predict(X[~rows]) - y[~rows] for process, rows in zip(fitted, folds, strict=True)]
    r2 = 1 - np.mean(np.concatenate(errors) ** 2) / y.var()
    print(f"ten folds: {ours:.1f} s, scikit-learn {peer:.1f} s; R2 of the test rows {r2:.3f}")
    sys.exit(not report("gp_fit", peer / ours, "x-faster", 10, at_most=False))


def seconds_of_peer(X: np.ndarray, y: np.ndarray, half: int) -> float:
    """Return the time of as many evaluations of scikit-learn as geosoil makes, from a few of them."""
    kernel = WhiteKernel(0.3)
    for first in (0, half):
        terms = ConstantKernel(0.5) * Matern(1.0, nu=1.5) + ConstantKernel(0.5) * DotProduct(0.0, "fixed")
        kernel = kernel + Columns(terms, first, first + half)
    process = GaussianProcessRegressor(kernel, alpha=1e-6, optimizer=None)
    process.fit((X - X.mean(axis=0)) / X.std(axis=0) / np.sqrt(half), (y - y.mean()) / y.std())
    theta = process.kernel_.theta
    start = time.process_time()
    for _ in range(N_TIMED):
        process.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
    return (time.process_time() - start) / N_TIMED * N_ITERATIONS


if __name__ == "__main__":
    main()
