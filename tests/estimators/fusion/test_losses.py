"""The parts of the loss against independent peers (../shared/golden/vae_losses)."""

import json

import numpy as np
import pytest
import torch
from shared_material import shared

from geosoil.estimators.fusion.losses import divergence, mean_discrepancy, paired_error, spectral_angle


@pytest.fixture(scope="module")
def golden():
    return json.loads(shared("golden/vae_losses/losses.json").read_text())


def tensor(golden, name, dtype=torch.float64):
    return torch.tensor(golden[name], dtype=dtype)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_losses_equal_their_peers(golden, dtype, tolerance):
    x, y, paired = (tensor(golden, name, dtype) for name in ("X", "Y", "Y_paired"))
    mu, logvar = tensor(golden, "mu", dtype), tensor(golden, "logvar", dtype)

    np.testing.assert_allclose(spectral_angle(x, paired), golden["sad_rad_per_row"], atol=tolerance)
    np.testing.assert_allclose(divergence(mu, logvar), golden["kl_per_row_true"], atol=10 * tolerance)
    np.testing.assert_allclose(
        divergence(mu, logvar, kl="paper"), golden["kl_paper_eq2_per_row (no 1/2)"], atol=10 * tolerance
    )
    five = mean_discrepancy(x, y).item()
    assert five == pytest.approx(golden["mmd2_five_kernels"]["biased"], abs=tolerance)
    by_median = 1 / (2 * golden["median_pairwise_distance_pooled"] ** 2)
    (expected,) = (m["biased_v_statistic"] for m in golden["mmd2"] if abs(m["gamma"] - by_median) < 1e-9)
    assert mean_discrepancy(x, y, kernels="median").item() == pytest.approx(expected, abs=tolerance)


def test_the_angle_can_be_differentiated_where_spectra_agree_or_are_zero():
    for rows in (torch.rand(3, 5), torch.zeros(3, 5)):
        generated = rows.clone().requires_grad_()
        spectral_angle(generated, rows).sum().backward()
        assert torch.isfinite(generated.grad).all()


def test_the_discrepancy_ignores_which_spectrum_belongs_to_which_and_the_paired_error_does_not():
    x = torch.rand(10, 4, generator=torch.Generator().manual_seed(0))
    assert mean_discrepancy(x, x.flip(0)).item() == pytest.approx(0, abs=1e-6)
    assert paired_error(x, x.flip(0)).item() > 0.05


@pytest.mark.parametrize("kernels", ["five", "median"])
def test_no_gradient_flows_through_the_kernels_width(kernels):
    x, y = torch.rand(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    # With its width fixed, the kernel's gradient can be written down; a width that follows x would add to it.
    both = torch.cat([x, y])
    distance2 = torch.cdist(both, both) ** 2
    upper = distance2[tuple(torch.triu_indices(12, 12, 1))]
    median = torch.quantile(upper.sqrt(), 0.5)
    widths = [upper.mean() * f for f in (0.25, 0.5, 1, 2, 4)] if kernels == "five" else [2 * median**2]

    def gradient(a, b):  # of the mean kernel of a and b by a
        difference = a[:, None] - b[None]
        d2 = (difference**2).sum(2)
        slope = sum(-2 / w * torch.exp(-d2 / w) for w in widths)
        return (slope[:, :, None] * difference).sum(1) / (len(a) * len(b))

    generated = x.clone().requires_grad_()
    mean_discrepancy(generated, y, kernels=kernels).backward()
    torch.testing.assert_close(generated.grad, 2 * gradient(x, x) - 2 * gradient(x, y))


def test_spectra_that_are_all_the_same_have_no_discrepancy():
    same = torch.ones(4, 3, requires_grad=True)
    value = mean_discrepancy(same, torch.ones(4, 3))
    value.backward()
    assert value.item() == 0
    assert torch.isfinite(same.grad).all()
