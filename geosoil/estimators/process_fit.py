"""How a Gaussian process is fitted: its checks, its scaling, its hyper-parameters, and what is kept of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils.validation import validate_data

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.base import FEWEST_SAMPLES, mean_and_spread, require_samples
from geosoil.estimators.log_target import logarithm
from geosoil.estimators.process_blocks import feature_blocks, scale_block, squared_distances
from geosoil.estimators.process_posterior import Kernel, posterior_by_inducing_rows, posterior_of_rows
from geosoil.numerics.evidence import LEAST_NOISE, BlockMatrices, maximise_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.estimators.gaussian_process import GaussianProcess
    from geosoil.estimators.process_blocks import ScaledBlock

LOGARITHMS = ("none", "always", "evidence")
EXACT_ROWS = 5000
"""The largest number of rows for which the process is computed without inducing rows."""
LIKELIHOOD_ROWS = 1000
"""The largest number of rows whose likelihood decides the hyper-parameters."""
N_INDUCING = 1000
"""The number of inducing rows where the user gives none."""
COPIES_OF_FEATURES = 2
"""Copies of the features in float64 while a process is fitted: scaled rows, and one that is in use."""


def trend_columns(trend: list[int] | None, X: np.ndarray) -> np.ndarray:
    """Return the columns of a trend at rows X `(n, feature)`: the intercept and those of X; none without a trend.

    >>> trend_columns([1], np.array([[3.0, 5.0]])).tolist(), trend_columns(None, np.zeros((1, 2))).shape
    ([[1.0, 5.0]], (1, 0))
    """
    if trend is None:
        return np.zeros((len(X), 0))
    return np.column_stack([np.ones(len(X)), np.asarray(X, np.float64)[:, trend]])


@dataclass
class ProcessFit:
    """One process while it is fitted."""

    process: GaussianProcess
    X: np.ndarray
    y: np.ndarray
    noise_sd: np.ndarray
    blocks: list[ScaledBlock]
    rows: list[np.ndarray]
    logs: list[bool]
    inducing: np.ndarray | None
    parameters: np.ndarray = field(default_factory=lambda: np.zeros(0))
    log: bool = False
    evidence: float = float("nan")

    @classmethod
    def of(cls, process: GaussianProcess, X: np.ndarray, y: np.ndarray, noise_sd: np.ndarray | None) -> ProcessFit:
        """Check the parameters and the rows of a process, and scale its features."""
        if process.log not in LOGARITHMS:
            _refuse(f"log={process.log!r}", " or ".join(LOGARITHMS))
        if process.n_iterations < 1:
            _refuse(f"n_iterations={process.n_iterations}", "1 or more")
        X, y = validate_data(process, X, y, dtype=[np.float64, np.float32], y_numeric=True, ensure_min_samples=2)
        y = np.asarray(y, np.float64)
        require_samples("training rows", len(y), FEWEST_SAMPLES)
        noise_sd = np.zeros(len(y)) if noise_sd is None else np.asarray(noise_sd, np.float64)
        if noise_sd.shape != y.shape or not (noise_sd >= 0).all() or not np.isfinite(noise_sd).all():
            _refuse("standard errors that are negative, missing or of another number", f"{len(y)} of 0 or more")
        if not all(0 <= column < X.shape[1] for column in process.trend or ()):
            _refuse(f"trend={process.trend}", f"columns from 0 to {X.shape[1] - 1}")
        columns = feature_blocks(process.blocks, X.shape[1])
        _require_memory(len(y), sum(block.n_columns for block in columns))
        blocks = [scale_block(block, X) for block in columns]
        if process.log == "always":
            logarithm(y)  # raises an error that names the first value without a logarithm
            logs = [True]
        else:
            logs = [False, True] if process.log == "evidence" and (y > 0).all() else [False]
        rows = [block.transform(X) for block in blocks]
        return cls(process, X, y, noise_sd, blocks, rows, logs, _inducing_rows(process, len(y)))

    def standardised(self, *, log: bool) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Return the standardised target, the variance of its own noise, and its mean and standard deviation."""
        values = np.log(self.y) if log else self.y
        noise_sd = self.noise_sd / self.y if log else self.noise_sd
        mean, spread = mean_and_spread(values)
        return (values - mean) / spread, (noise_sd / spread) ** 2, mean, spread

    def jacobian(self, *, log: bool) -> float:
        """Return what the likelihood of the standardised target lacks to be that of the target."""
        return -len(self.y) * float(np.log(self.standardised(log=log)[3])) - (np.log(self.y).sum() if log else 0.0)

    def use_fixed(self, fixed: dict[str, Any]) -> None:
        """Take the hyper-parameters from the user, in the unit of the target."""
        self.log = self.logs[-1] and self.process.log == "always"
        spread = self.standardised(log=self.log)[3]
        names = [block.block.name for block in self.blocks]
        if set(fixed) != {*names, "noise"}:
            _refuse(f"fixed of {', '.join(fixed)}", f"noise and {', '.join(names)}")
        values: list[float] = []
        for block in self.blocks:
            table = fixed[block.block.name]
            expected_keys = ["variance", "length", *(["linear"] if block.block.linear else [])]
            if sorted(table) != sorted(expected_keys) or not all(float(value) > 0 for value in table.values()):
                _refuse(f"fixed {block.block.name} of {table}", f"positive numbers {', '.join(expected_keys)}")
            if block.block.linear:
                values.append(float(table["linear"]) / spread**2)
            values.extend((float(table["variance"]) / spread**2, float(table["length"]) / block.unit_length))
        noise = float(fixed["noise"]) / spread**2
        if noise < 0:
            _refuse(f"a noise of {fixed['noise']}", "0 or more")
        with np.errstate(divide="ignore"):
            self.parameters = np.log([*values, noise])

    def finish(self) -> None:
        """Compute what predictions are made of, and set the attributes of the process."""
        process, log = self.process, self.log
        y, noise, mean, spread = self.standardised(log=log)
        common = float(np.exp(self.parameters[-1])) + (0.0 if process.fixed is not None else LEAST_NOISE)
        kernel = Kernel(self.blocks, self.parameters)
        if self.inducing is None:
            trend = trend_columns(process.trend, self.X)
            posterior, loo_mean, loo_variance = posterior_of_rows(kernel, self.rows, y, common + noise, trend)
        else:
            posterior, loo_mean, loo_variance = posterior_by_inducing_rows(
                kernel, self.rows, y, common + noise, self.inducing
            )
        process.blocks_ = [block.block.name for block in self.blocks]
        process.centre_ = np.concatenate([block.centre for block in self.blocks])
        process.scale_ = np.concatenate([block.scale for block in self.blocks])
        process.linear_scale_ = np.array([block.linear_scale for block in self.blocks])
        process.parameters_ = self.parameters
        process.rows_ = np.concatenate(posterior.rows, axis=1)
        process.weights_, process.whitening_ = posterior.weights, posterior.whitening
        process.trend_weights_, process.trend_whitening_ = posterior.trend_weights, posterior.trend_whitening
        process.target_mean_, process.target_spread_, process.log_ = mean, spread, log
        process.lengths_ = np.array([length * block.unit_length for block, _, _, length in kernel.terms()])
        process.noise_variance_ = common * spread**2
        process.evidence_ = self.evidence
        process.variance_shares_ = self._variance_shares(kernel, common)
        means = mean + spread * loo_mean
        process.smearing_ = float(np.exp(np.log(self.y) - means).mean()) if log else 1.0
        process.largest_log_ = float(np.log(self.y.max())) if log else None
        predicted, deviation = process.to_target(means, spread**2 * loo_variance)
        process.loo_prediction_, process.loo_variance_ = predicted, deviation**2

    def _variance_shares(self, kernel: Kernel, noise: float) -> np.ndarray:
        """Return the shares of blocks and noise in the prior variance over (at most 1000 of) the training rows."""
        some = [rows[:LIKELIHOOD_ROWS] for rows in self.rows]
        parts = [float(np.diag(part).mean() - part.mean()) for part in kernel.by_block(some)]
        shares = np.array([*parts, noise])
        return np.asarray(shares / shares.sum())


def choose_parameters(fits: Sequence[ProcessFit]) -> None:
    """Choose the hyper-parameters of all processes by their likelihood, and whether the logarithm is modelled."""
    import torch

    searched = [fit for fit in fits if fit.process.fixed is None]
    for fit in fits:
        if fit.process.fixed is not None:
            fit.use_fixed(fit.process.fixed)
    alike: dict[Any, list[tuple[ProcessFit, bool, np.ndarray]]] = {}  # those that can run as one batch
    for fit in searched:
        rows = np.arange(len(fit.y))
        if len(rows) > LIKELIHOOD_ROWS:
            rows = np.sort(np.random.default_rng(fit.process.random_state).permutation(len(rows))[:LIKELIHOOD_ROWS])
        key = (fit.process.n_iterations, *((b.block.kernel, b.block.linear) for b in fit.blocks))
        alike.setdefault(key, []).extend((fit, log, rows) for log in fit.logs)
    best: dict[int, float] = {}
    for (n_iterations, *kinds), problems in alike.items():
        most = max(len(rows) for _, _, rows in problems)
        y, noise, known = (np.zeros((len(problems), most)) for _ in range(3))
        blocks = []
        for i, (kernel, linear) in enumerate(kinds):
            distance = np.zeros((len(problems), most, most))
            gram = np.zeros_like(distance) if linear else None
            for j, (fit, _, rows) in enumerate(problems):
                scaled = fit.rows[i][rows]
                distance[j, : len(rows), : len(rows)] = np.sqrt(squared_distances(scaled))
                if gram is not None:
                    gram[j, : len(rows), : len(rows)] = fit.blocks[i].linear_scale * scaled @ scaled.T
            blocks.append(
                BlockMatrices.of(kernel, torch.from_numpy(distance), None if gram is None else torch.from_numpy(gram))
            )
        for j, (fit, log, rows) in enumerate(problems):
            values, variance, _, _ = fit.standardised(log=log)
            y[j, : len(rows)], noise[j, : len(rows)], known[j, : len(rows)] = values[rows], variance[rows], 1
        parameters, evidence = maximise_evidence(
            blocks,
            torch.from_numpy(y),
            known=None if known.all() else torch.from_numpy(known) > 0,
            noise=torch.from_numpy(noise),
            n_iterations=n_iterations,
        )
        for j, (fit, log, rows) in enumerate(problems):
            value = float(evidence[j]) * len(fit.y) / len(rows) + fit.jacobian(log=log)
            if value > best.get(id(fit), -np.inf):
                best[id(fit)] = fit.evidence = value
                fit.log, fit.parameters = log, parameters[j].numpy().copy()


def _inducing_rows(process: GaussianProcess, n_rows: int) -> np.ndarray | None:
    n_inducing = process.n_inducing
    if n_inducing is None:
        if n_rows <= EXACT_ROWS:
            return None
        n_inducing = N_INDUCING
    if not 1 <= n_inducing <= n_rows:
        raise SamplesError(
            "GaussianProcess",
            found=f"n_inducing={n_inducing} for {n_rows} rows",
            expected=f"1 to {n_rows}",
            way_out="give a smaller number, or leave it out for the exact process",
        )
    if process.trend is not None:
        _refuse("a trend together with inducing rows", "one of them")
    return np.sort(np.random.default_rng(process.random_state).permutation(n_rows)[:n_inducing])


def _require_memory(n_rows: int, n_columns: int) -> None:
    """Raise SamplesError if the scaled features of all blocks do not fit into the free memory."""
    import psutil

    gib = COPIES_OF_FEATURES * 8 * n_rows * n_columns / 2**30
    free_gib = psutil.virtual_memory().available / 2**30
    if gib > free_gib:
        raise SamplesError(
            "GaussianProcess",
            found=f"{n_rows} rows of {n_columns} columns, which need {gib:.3g} GiB of memory",
            expected=f"at most the {free_gib:.3g} GiB that are free",
            way_out="select columns, or use fewer rows",
        )


def _refuse(found: str, expected: str) -> None:
    raise RecipeError("GaussianProcess", found=found, expected=expected, way_out="change this parameter")
