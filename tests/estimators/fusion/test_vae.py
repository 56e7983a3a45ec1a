"""The spectral VAE on synthetic pairs whose truth is known, and on what it must refuse."""

import json
import warnings

import numpy as np
import pytest
import torch

from geosoil.errors import ModelFileError, RecipeError, SamplesError
from geosoil.estimators.fusion.generator import members_of
from geosoil.estimators.fusion.vae import LOSS_VARIANTS, SpectralVAE
from geosoil.networks import loop as training
from geosoil.networks.vae import VariationalAutoencoder
from geosoil.program.lower import compile_program

BANDS = 40
SMALL = {"hidden": [32, 16, 8], "latent": 4}


def soils(n, seed=0):
    """Laboratory spectra of three ingredients, and darker, noisier satellite spectra with a water dip."""
    rng = np.random.default_rng(seed)
    w = np.linspace(0, 1, BANDS)
    ingredients = np.stack([0.3 + 0.3 * w, np.exp(-(((w - 0.7) / 0.1) ** 2)), np.exp(-(((w - 0.2) / 0.2) ** 2))])
    amounts = rng.uniform([0.7, 0.0, 0.0], [1.3, 0.15, 0.15], (n, 3))
    laboratory = amounts @ (ingredients * [[1], [-1], [-1]])
    water = 1 - 0.3 * np.exp(-(((w - 0.5) / 0.2) ** 2))
    satellite = 0.6 * laboratory * water + 0.003 * rng.standard_normal(laboratory.shape)
    return satellite, laboratory, amounts


@pytest.fixture(scope="module")
def pairs():
    return soils(60)


@pytest.fixture(scope="module")
def fitted(pairs):
    satellite, laboratory, _ = pairs
    return SpectralVAE(output="vae", **SMALL).fit(satellite, laboratory=laboratory)


def test_generated_spectra_of_new_soils_come_near_their_laboratory_spectra(fitted, pairs):
    satellite, laboratory, _ = soils(40, seed=1)
    generated = fitted.transform(satellite)
    error = np.sqrt(np.mean((generated - laboratory) ** 2))
    by_mean = np.sqrt(np.mean((pairs[1].mean(axis=0) - laboratory) ** 2))
    assert error < 0.3 * by_mean
    assert error < 0.2 * np.sqrt(np.mean((satellite - laboratory) ** 2))


def test_by_default_the_spectra_do_not_collapse_and_brightness_follows_its_own_target(fitted):
    satellite, laboratory, _ = soils(40, seed=1)
    generated = fitted.transform(satellite)
    assert fitted.collapse_ > 0.5
    assert generated.std(axis=0).mean() / laboratory.std(axis=0).mean() > 0.5
    assert np.corrcoef(generated.mean(axis=1), laboratory.mean(axis=1))[0, 1] > 0.9


def test_the_networks_do_it_without_the_linear_skip_too(pairs):
    satellite, laboratory, _ = pairs
    vae = SpectralVAE(output="vae", linear_skip=False, epochs=150, **SMALL).fit(satellite, laboratory=laboratory)
    new, truth, _ = soils(40, seed=1)
    assert vae.collapse_ > 0.5
    assert np.corrcoef(vae.transform(new).mean(axis=1), truth.mean(axis=1))[0, 1] > 0.9


def test_the_loss_as_printed_gives_one_spectrum_for_all_and_says_so(pairs):
    satellite, laboratory, _ = pairs
    with pytest.warns(UserWarning, match="collapsed"):
        vae = SpectralVAE(output="vae", mode="paper").fit(satellite, laboratory=laboratory)
    assert vae.collapse_ < 0.1
    assert any("collapsed" in note for note in vae.notes_)
    spread = vae.transform(satellite).std(axis=0).mean() / laboratory.std(axis=0).mean()
    assert spread == pytest.approx(vae.collapse_, abs=0.05)


def test_what_runs_is_the_trained_network(fitted, pairs):
    # transform runs the lowered program; here the networks themselves, rebuilt from the weights.
    satellite = pairs[0]
    x = torch.from_numpy(((satellite - fitted.x_mean_) / fitted.x_scale_).astype(np.float32))
    total = 0.0
    for member in range(3):
        network = VariationalAutoencoder(BANDS, [32, 16, 8], 4, 0.4, linear_skip=True).eval()
        prefix = f"{member}."
        network.load_state_dict(
            {k.removeprefix(prefix): torch.from_numpy(v) for k, v in fitted.weights_.items() if k.startswith(prefix)}
        )
        with torch.no_grad():
            total = total + network(x)[0].numpy() / 3
    np.testing.assert_allclose(fitted.transform(satellite), total * fitted.y_scale_ + fitted.y_mean_, atol=1e-5)


def test_realisations_run_as_masks_and_noise_on_the_networks(pairs):
    # An independent numpy reading of the paper: dropout kept on, z = mu + exp(logvar / 2) e, three seeds, smoothed.
    from scipy.signal import savgol_filter

    satellite, laboratory, amounts = pairs
    vae = SpectralVAE(output="vae", n_seeds=20, n_members=2, epochs=10, **SMALL)
    vae.fit(satellite, amounts[:, 1], laboratory=laboratory)
    x = (satellite - vae.x_mean_) / vae.x_scale_
    total = np.zeros_like(satellite)
    for m, member in enumerate(members_of(vae.weights_)):
        for r in range(3):
            h = x
            for i, (weight, bias) in enumerate(member.encoder):
                h = np.maximum(h @ weight.T + bias, 0) * vae.realisations_[f"mask_{i}"][r, m]
            mu, logvar = (h @ weight.T + bias for weight, bias in (member.mu, member.logvar))
            z = mu + np.exp(logvar / 2) * vae.realisations_["noise"][r, m]
            for weight, bias in member.decoder[:-1]:
                z = np.maximum(z @ weight.T + bias, 0)
            weight, bias = member.decoder[-1]
            total += (z @ weight.T + bias + x @ member.skip.T) / 6
    expected = savgol_filter(total * vae.y_scale_ + vae.y_mean_, 11, 2)
    np.testing.assert_allclose(vae.transform(satellite), expected, atol=1e-5)
    assert len(vae.seeds_) == len(vae.correlation_) == 3
    assert vae.null_correlation_.shape == (100,)
    assert any("shuffled" in note for note in vae.notes_)


def test_draws_of_z_without_dropout_scatter_about_the_default(pairs):
    satellite, laboratory, _ = pairs
    still, single, many = (
        SpectralVAE(output="vae", n_draws=n, n_members=1, epochs=20, **SMALL).fit(satellite, laboratory=laboratory)
        for n in (0, 1, 200)
    )
    assert all((mask == 1).all() for name, mask in single.realisations_.items() if name.startswith("mask"))
    away = [np.abs(vae.transform(satellite) - still.transform(satellite)).mean() for vae in (single, many)]
    assert 0 < away[1] < away[0]


def test_mix_is_the_satellites_features_and_then_the_generated_ones(pairs):
    satellite = pairs[0].astype(np.float32)
    mix, vae = (
        SpectralVAE(output=output, epochs=10, **SMALL).fit(satellite, laboratory=pairs[1]) for output in ("mix", "vae")
    )
    generated = vae.transform(satellite)
    out = mix.transform(satellite)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out[:, :BANDS], satellite)
    np.testing.assert_allclose(out[:, BANDS:], generated, atol=1e-6)
    assert list(mix.get_feature_names_out()[[0, BANDS]]) == ["x0", "generated_x0"]


@pytest.mark.parametrize("output", ["mix", "vae"])
def test_the_lowered_program_gives_a_block_what_transform_gives_rows(pairs, output):
    satellite, laboratory, amounts = pairs
    vae = SpectralVAE(output=output, n_seeds=5, epochs=10, **SMALL)
    vae.fit(satellite, amounts[:, 0], laboratory=laboratory)
    block = compile_program(vae.lower(), BANDS)(satellite.T.astype(np.float32))
    np.testing.assert_allclose(block, vae.transform(satellite).T, atol=1e-6)
    # One pixel alone gets the same value: seeds are shared by all pixels.
    np.testing.assert_allclose(vae.transform(satellite[7:8])[0], block[:, 7], atol=1e-6)


def test_the_same_seed_gives_the_same_result_and_another_another(pairs):
    satellite, laboratory, _ = pairs
    first, again, other = (
        SpectralVAE(output="vae", epochs=10, random_state=seed, **SMALL).fit(satellite, laboratory=laboratory)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.transform(satellite), again.transform(satellite))
    assert not np.array_equal(first.transform(satellite), other.transform(satellite))


def test_a_row_with_nan_stays_nan_and_disturbs_no_other(fitted, pairs):
    satellite = pairs[0].copy()
    expected = fitted.transform(satellite)
    satellite[3, 5] = np.nan
    out = fitted.transform(satellite)
    assert np.isnan(out[3]).all()
    others = np.arange(len(out)) != 3
    np.testing.assert_allclose(out[others], expected[others], atol=1e-6)


def test_neighbours_join_only_if_they_are_like_their_sample(pairs):
    satellite, laboratory, _ = pairs
    neighbours = np.repeat(satellite[:, None], 4, axis=1)
    neighbours[:, 1] *= 1.2  # brighter, same shape: joins
    neighbours[:, 2] = neighbours[:, 2, ::-1]  # another shape: stays out
    neighbours[:, 3, 0] = np.nan  # missing: stays out
    vae = SpectralVAE(output="vae", n_members=1, **SMALL)
    vae.fit(satellite, laboratory=laboratory, neighbours=neighbours)
    assert vae.n_neighbours_used_ == 2 * len(satellite)
    # They are trained on: a brighter pixel is labelled as the same soil.
    alone = SpectralVAE(output="vae", n_members=1, **SMALL).fit(satellite, laboratory=laboratory)
    moved = [np.abs(m.transform(1.2 * satellite) - m.transform(satellite)).mean() for m in (vae, alone)]
    assert moved[0] < 0.8 * moved[1]


def test_members_differ_and_neighbours_make_batches_larger_instead_of_steps_more(pairs, monkeypatch):
    sizes, train = [], training.train

    def noted(build, arrays, loss, settings, **options):
        sizes.append(settings.batch_size)
        return train(build, arrays, loss, settings, **options)

    monkeypatch.setattr(training, "train", noted)
    satellite, laboratory, _ = pairs
    vae = SpectralVAE(epochs=1, n_members=2, batch_size=20, **SMALL)
    vae.fit(satellite, laboratory=laboratory, neighbours=satellite[:, None])
    assert not np.array_equal(vae.weights_["0.mu.weight"], vae.weights_["1.mu.weight"])
    assert sizes == [40, 40]


def test_each_variant_of_the_loss_has_no_paired_term_unless_asked_for(pairs):
    satellite, laboratory, _ = pairs
    results = {}
    for name in LOSS_VARIANTS:
        vae = SpectralVAE(output="vae", loss=name, n_members=1, epochs=5, **SMALL)
        assert vae._settings()["paired_weight"] == 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # five epochs: some have hardly begun
            results[name] = vae.fit(satellite, laboratory=laboratory).transform(satellite).tobytes()
    assert len(set(results.values())) == len(LOSS_VARIANTS)
    assert SpectralVAE(loss="sad+kld", paired_weight=3.0)._settings()["paired_weight"] == 3.0


def test_parameters_are_json_and_the_fitted_state_plain(fitted):
    json.dumps(SpectralVAE().get_params())
    for name in fitted.fitted:
        value = getattr(fitted, name)
        values = value.values() if isinstance(value, dict) else [value]
        assert all(isinstance(v, np.ndarray | int | float | list) for v in values), name


def test_sizes_come_from_the_weights_and_weights_that_do_not_fit_are_refused(fitted, pairs):
    satellite = pairs[0]
    expected = fitted.transform(satellite)
    lying = SpectralVAE(output="vae", hidden=[10**9], latent=10**9, n_members=10**9)
    for name in SpectralVAE.fitted:
        setattr(lying, name, getattr(fitted, name))
    np.testing.assert_array_equal(lying.transform(satellite), expected)
    lying.weights_ = fitted.weights_ | {"0.mu.weight": np.zeros((4, 5), np.float32)}
    with pytest.raises(ModelFileError, match="as many inputs as"):
        lying.transform(satellite)
    lying.weights_ = {}
    with pytest.raises(ModelFileError, match="no network"):
        lying.transform(satellite)


def test_spectra_that_cannot_be_used_are_refused(pairs):
    satellite, laboratory, _ = pairs
    vae = SpectralVAE(**SMALL)
    hole = satellite.copy()
    hole[2, 3] = np.nan
    for options, X, y, message in (
        ({}, satellite, None, "no laboratory"),
        ({"laboratory": laboratory[:, 1:]}, satellite, None, "resample the laboratory"),
        ({"laboratory": laboratory}, hole, None, "satellite spectrum at index 2"),
        ({"laboratory": hole}, satellite, None, "laboratory spectrum at index 2"),
        ({"laboratory": laboratory[:3]}, satellite[:3], None, "found 3 pairs"),
        ({"laboratory": laboratory, "neighbours": satellite}, satellite, None, "found neighbours"),
        ({"laboratory": np.ones_like(laboratory)}, satellite, None, "that are all equal"),
    ):
        with pytest.raises(SamplesError, match=message):
            vae.fit(X, y, **options)
    with pytest.raises(SamplesError, match="pass y to fit"):
        SpectralVAE(n_seeds=3, **SMALL).fit(satellite, laboratory=laboratory)


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "papper"},
        {"output": "both"},
        {"loss": "mse"},
        {"kl": "half"},
        {"hidden": []},
        {"dropout": 1.0},
        {"n_seeds": 5, "n_draws": 2},
        {"n_seeds": 30, "seed_range": [0, 9]},
    ],
)
def test_parameters_that_make_no_sense_are_refused(pairs, options):
    with pytest.raises(RecipeError):
        SpectralVAE(**options).fit(pairs[0], pairs[2][:, 0], laboratory=pairs[1])
