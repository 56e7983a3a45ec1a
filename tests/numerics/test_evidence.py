"""The marginal likelihood and the search of hyper-parameters."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from geosoil.numerics.covariance import CORRELATIONS, correlation
from geosoil.numerics.evidence import BlockMatrices, maximise_evidence, negative_evidence, priors

RNG = np.random.default_rng(3)


def blocks_of(X: np.ndarray, kernels: tuple[str, ...], *, linear: bool = True) -> list[BlockMatrices]:
    rows = torch.from_numpy(X)
    gram = rows @ rows.T / X.shape[1] if linear else None
    return [BlockMatrices.of(name, torch.cdist(rows, rows), gram) for name in kernels]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("exponential", np.exp(-0.5)),
        ("matern32", (1 + 3**0.5 / 2) * np.exp(-(3**0.5) / 2)),
        ("matern52", (1 + 5**0.5 / 2 + 5 / 12) * np.exp(-(5**0.5) / 2)),
        ("rbf", np.exp(-0.125)),
    ],
)
def test_correlations_have_their_published_form(name: str, value: float) -> None:
    distance = torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert correlation(name, distance, 2.0).numpy() == pytest.approx([1.0, value], rel=1e-12)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_the_derivative_by_the_logarithm_of_the_length_is_that_of_the_correlation(name: str) -> None:
    distance = torch.linspace(0, 3, 7, dtype=torch.float64)
    _, by_length = CORRELATIONS[name](distance / 1.3)
    step = 1e-6
    slope = (correlation(name, distance, 1.3 * np.exp(step)) - correlation(name, distance, 1.3 * np.exp(-step))) / (
        2 * step
    )
    assert torch.allclose(by_length, slope, atol=1e-8)


def test_the_value_is_the_density_of_a_normal_distribution() -> None:
    X, y = RNG.normal(size=(12, 3)), RNG.normal(size=12)
    blocks = blocks_of(X, ("matern32",))
    parameters = torch.tensor([-0.3, 0.2, 0.1, -1.0], dtype=torch.float64)
    own = RNG.uniform(0, 0.5, 12)
    value, _ = negative_evidence(
        blocks, torch.from_numpy(y), parameters, noise=torch.from_numpy(own), with_priors=False
    )
    rows = torch.from_numpy(X)
    stationary = correlation("matern32", torch.cdist(rows, rows), np.exp(0.1)).numpy()
    matrix = np.exp(-0.3) * X @ X.T / 3 + np.exp(0.2) * stationary + np.diag(np.exp(-1.0) + 1e-6 + own)
    assert float(value) == pytest.approx(-multivariate_normal(np.zeros(12), matrix).logpdf(y), rel=1e-10)


def test_the_gradient_is_that_of_the_value_and_of_the_priors() -> None:
    X, y = RNG.normal(size=(15, 4)), torch.from_numpy(RNG.normal(size=15))
    blocks = [*blocks_of(X, ("matern32", "rbf")), *blocks_of(X[:, :2], ("matern52", "exponential"), linear=False)]
    parameters = torch.tensor(priors(blocks)[0], dtype=torch.float64) + 0.1 * torch.randn(11, dtype=torch.float64)
    _, gradient = negative_evidence(blocks, y, parameters)
    for i in range(11):
        away = torch.zeros(11, dtype=torch.float64)
        away[i] = 1e-5
        high, low = (negative_evidence(blocks, y, parameters + sign * away)[0] for sign in (1, -1))
        assert float(gradient[i]) == pytest.approx(float((high - low) / 2e-5), rel=1e-5, abs=1e-6)


def test_the_priors_pull_towards_their_centres() -> None:
    X = RNG.normal(size=(12, 2))
    blocks, y = blocks_of(X, ("rbf",)), torch.zeros(12, dtype=torch.float64)
    centre = torch.tensor(priors(blocks)[0], dtype=torch.float64)
    assert centre.tolist() == [-0.7, -0.7, 0.0, -1.0]
    for i, precision in enumerate((0.1, 0.1, 0.3, 0.1)):
        away = centre.clone()
        away[i] += 2.0
        with_prior, without = (negative_evidence(blocks, y, away, with_priors=w)[0] for w in (True, False))
        assert float(with_prior - without) == pytest.approx(0.5 * precision * 4.0)


def test_rows_that_only_fill_up_a_shape_change_nothing() -> None:
    X, y = RNG.normal(size=(14, 3)), RNG.normal(size=14)
    parameters = torch.tensor([-0.3, 0.2, 0.1, -1.0], dtype=torch.float64)
    known = torch.arange(14) < 10
    filled = negative_evidence(blocks_of(X, ("matern32",)), torch.from_numpy(y), parameters, known=known)
    alone = negative_evidence(blocks_of(X[:10], ("matern32",)), torch.from_numpy(y[:10]), parameters)
    assert float(filled[0]) == pytest.approx(float(alone[0]), rel=1e-12)
    assert torch.allclose(filled[1], alone[1], rtol=1e-10)


def test_a_data_set_gets_the_same_parameters_alone_and_among_others() -> None:
    X = RNG.normal(size=(3, 25, 2))
    y = torch.from_numpy(np.sin(X[:, :, 0]) + 0.1 * RNG.normal(size=(3, 25)))
    rows = torch.from_numpy(X)
    together, values = maximise_evidence([BlockMatrices.of("rbf", torch.cdist(rows, rows))], y, n_iterations=30)
    alone, value = maximise_evidence([BlockMatrices.of("rbf", torch.cdist(rows[1], rows[1]))], y[1], n_iterations=30)
    assert torch.allclose(together[1], alone, atol=1e-9)
    assert float(values[1]) == pytest.approx(float(value))


def test_the_search_finds_the_noise_and_the_length_of_a_known_process() -> None:
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(0, 20, 200))
    distance = torch.from_numpy(np.abs(x[:, None] - x))
    matrix = correlation("matern32", distance, 2.0).numpy() + 0.04 * np.eye(200)
    y = torch.from_numpy(np.linalg.cholesky(matrix) @ rng.normal(size=200))
    parameters, _ = maximise_evidence([BlockMatrices.of("matern32", distance)], y - y.mean())
    _, length, noise = np.exp(parameters.numpy())
    assert length == pytest.approx(2.0, rel=0.3)
    assert noise == pytest.approx(0.04, rel=0.35)
