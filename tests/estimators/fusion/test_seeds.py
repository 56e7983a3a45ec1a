"""The search over seeds: reproducible, independent of its batches, and honest about luck."""

import numpy as np
import pytest

from geosoil.estimators.fusion.generator import Member, draw_realisations, members_of
from geosoil.estimators.fusion.seeds import search_seeds
from geosoil.estimators.fusion.vae import SpectralVAE

SEEDS = np.arange(-150, 150)


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(0)
    w = np.linspace(0, 1, 30)
    laboratory = rng.uniform(0.2, 0.4, (50, 1)) + rng.uniform(-0.1, 0.1, (50, 1)) * w
    satellite = 0.5 * laboratory + 0.01 * rng.standard_normal(laboratory.shape)
    vae = SpectralVAE(output="vae", hidden=[32, 16, 8], latent=4, n_members=2, epochs=100, linear_skip=False)
    vae.fit(satellite, laboratory=laboratory)
    return members_of(vae.weights_), (satellite - vae.x_mean_) / vae.x_scale_, rng.standard_normal(50)


def search(trained, **options):
    members, x, noise = trained
    return search_seeds(members, x, noise, **{"seeds": SEEDS, "dropout": 0.4, "n_null": 20} | options)


def test_the_search_does_not_depend_on_its_batches(trained):
    result, other = search(trained, batch_seeds=32), search(trained, batch_seeds=7)
    np.testing.assert_array_equal(result.seeds, other.seeds)
    np.testing.assert_allclose(result.correlation, other.correlation, atol=1e-5)
    np.testing.assert_allclose(result.null_correlation, other.null_correlation, atol=1e-5)


def test_a_seed_means_the_same_masks_and_noise_whatever_stands_beside_it(trained):
    members = trained[0]
    together, alone = draw_realisations([5, -5, 0], members, 0.4), draw_realisations([-5], members, 0.4)
    np.testing.assert_array_equal(together.noise[1], alone.noise[0])
    for mask, mask_alone in zip(together.masks, alone.masks, strict=True):
        np.testing.assert_array_equal(mask[1], mask_alone[0])
        assert not np.array_equal(mask[0], mask[1])  # 5 is not -5
    kept = np.concatenate([mask.ravel() for mask in draw_realisations(SEEDS, members, 0.4).masks])
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.6)}
    assert (kept > 0).mean() == pytest.approx(0.6, abs=0.01)


def test_the_score_is_the_largest_correlation_over_the_bands_of_what_the_seed_generates(trained):
    members, x, noise = trained
    result = search(trained, n_best=1)
    drawn = draw_realisations(result.seeds, members, 0.4)
    generated = 0
    for m, member in enumerate(members):
        h = x
        for (weight, bias), mask in zip(member.encoder, drawn.masks, strict=True):
            h = np.maximum(h @ weight.T + bias, 0) * mask[0, m]
        z = h @ member.mu[0].T + member.mu[1]
        z = z + np.exp((h @ member.logvar[0].T + member.logvar[1]) / 2) * drawn.noise[0, m]
        for weight, bias in member.decoder[:-1]:
            z = np.maximum(z @ weight.T + bias, 0)
        generated = generated + z @ member.decoder[-1][0].T + member.decoder[-1][1]
    r = [abs(np.corrcoef(band, noise)[0, 1]) for band in generated.T]
    assert result.correlation[0] == pytest.approx(max(r), abs=1e-4)


def test_where_there_is_nothing_to_find_the_search_finds_what_it_finds_on_shuffled_targets(trained):
    members, x, _ = trained
    rng = np.random.default_rng(5)
    beaten_by_luck = []
    for noise in rng.standard_normal((12, len(x))):
        result = search((members, x, noise), seeds=SEEDS[:100])
        assert list(result.correlation) == sorted(result.correlation, reverse=True)
        assert result.null_correlation.min() > 0  # the best of many is never nothing
        beaten_by_luck.append((result.null_correlation >= result.correlation[0]).mean())
    # A p-value of noise is uniform: its mean over 12 targets is 0.5 +- 0.08.
    assert 0.25 < np.mean(beaten_by_luck) < 0.75
    assert search(trained, n_best=1).correlation[0] > search(trained, seeds=[0], n_best=1).correlation[0]


def test_a_network_that_gives_one_spectrum_for_all_correlates_with_nothing(trained):
    members, x, noise = trained
    flat = []
    for m in members:
        weight, bias = m.decoder[-1]
        flat.append(Member(m.encoder, m.mu, m.logvar, [*m.decoder[:-1], (0 * weight, bias)], None))
    result = search_seeds(flat, x, noise, seeds=SEEDS[:20], dropout=0.4, n_null=5)
    assert not result.correlation.any()
    assert not result.null_correlation.any()
