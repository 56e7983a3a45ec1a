"""Protocols: test rows choose nothing in `nested`, and do choose in `published`, which says so by its name."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.studies.gf5_inversion.assemble import Choice, Trainer
from geosoil.studies.gf5_inversion.protocols import METRICS, nested, published
from geosoil.studies.gf5_inversion.recipe import Recipe
from geosoil.studies.gf5_inversion.training_data import TrainingData

# A few epochs make no good spectra; here only that they are made matters.
pytestmark = pytest.mark.filterwarnings("ignore:The generated spectra have collapsed:UserWarning")

COMPARED = [Choice(f, r) for f in ("indoor", "satellite", "vae", "mix") for r in ("plsr", "svr")]
COMPARED += [Choice("satellite", "forest"), Choice("satellite", "dnn")]


def recipe(**changes) -> Recipe:
    """A recipe with small settings; changes are parts of it."""
    parts = {
        "study": "gf5_inversion",
        "name": "test",
        "data": {"cube": "-", "samples": "-", "laboratory": "-"},
        "target": {"column": "cu_mg_kg", "unit": "mg/kg", "valid_range": [None, None]},
        "fusion": {"hidden": [8, 4], "latent": 2, "epochs": 3, "n_members": 1, "n_seeds": 0},
        "selection": {"n_runs": 8, "n_components": 3},
        "validation": {"n_folds": 3, "n_repeats": 1, "published_seeds": 0},
    }
    return Recipe.model_validate(parts | changes)


def training_data(satellite, target, seed=0) -> TrainingData:
    """Rows of a study with laboratory spectra and neighbours like the satellite's, some of them absent."""
    rng = np.random.default_rng(seed)
    n, p = satellite.shape
    satellite = satellite.astype(np.float32)
    neighbours = satellite[:, None] + rng.normal(0, 0.002, (n, 4, p)).astype(np.float32)
    neighbours[::5, 0] = np.nan
    features = tuple(Feature(f"{w:.1f} nm", float(w)) for w in np.linspace(450, 2350, p))
    return TrainingData(
        ids=[f"S{i}" for i in range(n)],
        satellite=satellite,
        neighbours=neighbours,
        laboratory=(1.1 * satellite + rng.normal(0, 0.002, (n, p))).astype(np.float32),
        target=np.asarray(target, np.float64),
        xy_m=rng.uniform(0, 3000, (n, 2)),
        features=features,
        table=pd.DataFrame({"cu_mg_kg": target}),
        notes=[],
        sha256="-",
    )


def soils(n=36, p=24, seed=0):
    """Mixtures of two spectra; the target is the share of the first, from 10 to 50 mg/kg."""
    rng = np.random.default_rng(seed)
    share = rng.uniform(0, 1, n)
    slope, bow = np.linspace(0.1, 0.4, p), 0.35 * np.sqrt(np.linspace(0.2, 1, p))
    mixed = share[:, None] * slope + (1 - share[:, None]) * bow
    return mixed + rng.normal(0, 0.003, (n, p)), 10 + 40 * share


def noise(seed):
    """Spectra and a target that know nothing of each other."""
    rng = np.random.default_rng(seed)
    return training_data(rng.normal(0.3, 0.05, (60, 200)), rng.normal(50, 10, 60), seed)


def test_nested_finds_nothing_in_noise_where_the_published_protocol_does():
    settings = recipe(selection={"n_runs": 30, "n_components": 5}, validation={"n_folds": 5, "published_seeds": 0})
    choice = Choice("satellite", "plsr")
    honest, leaking = [], []
    for seed in range(4):
        data = noise(seed)
        honest.append(nested(settings, data, [choice]).table.test_r2.item())
        leaking.append(published(settings, data, [choice]).table.test_r2.item())
    assert np.mean(honest) < 0.1
    assert np.mean(leaking) > 0.4


def scrambled(data, rows, seed=1):
    """The same study with everything about some of its samples replaced."""
    rng = np.random.default_rng(seed)
    parts = {name: getattr(data, name).copy() for name in ("satellite", "laboratory", "neighbours", "target", "xy_m")}
    for values in parts.values():
        values[rows] = rng.permutation(values[rows]) * rng.uniform(1.5, 3.0, values[rows].shape)
    return replace(data, **parts)


@pytest.mark.parametrize(
    "choice",
    [Choice("satellite", "plsr"), Choice("vae", "plsr"), Choice("mix", "svr")],
    ids=lambda choice: f"{choice.features}-{choice.regressor}",
)
@pytest.mark.parametrize("preprocessing", [[], [{"step": "msc"}]], ids=["plain", "msc"])
def test_what_is_fitted_does_not_know_the_test_rows(choice, preprocessing):
    data = training_data(*soils())
    test = np.arange(0, 36, 3)
    train = np.setdiff1d(np.arange(36), test)
    new = soils(seed=5)[0].astype(np.float32)
    fusion = {"hidden": [8, 4], "latent": 2, "epochs": 3, "n_members": 1, "n_seeds": 5}
    settings = recipe(fusion=fusion, features={"use": "mix", "preprocessing": preprocessing})

    def predicted(of):
        return Trainer(settings, of, train).fit(choice).estimator.predict(new)

    np.testing.assert_array_equal(predicted(scrambled(data, test)), predicted(data))
    assert not np.array_equal(predicted(scrambled(data, train[:3])), predicted(data))


def test_the_published_protocol_does_let_test_rows_choose_bands():
    data, rows = noise(0), np.arange(0, 60, 2)
    test = np.setdiff1d(np.arange(60), rows)

    def bands(of, **options):
        trainer = Trainer(recipe(), of, rows, **options)
        trainer.fit(Choice("satellite", "plsr"))
        return trainer.selectors["satellite"].support_

    everything = {"selection_rows": np.arange(60)}
    assert not np.array_equal(bands(scrambled(data, test), **everything), bands(data, **everything))
    np.testing.assert_array_equal(bands(scrambled(data, test)), bands(data))


@pytest.mark.parametrize("log", ["none", "smearing"])
@pytest.mark.parametrize("regressor", ["svr", "plsr", "dnn"])
def test_the_fitted_mix_runs_as_one_program_with_the_same_predictions(regressor, log):
    X, y = soils()
    target = {"column": "cu_mg_kg", "unit": "mg/kg", "log": log}
    fitted = Trainer(recipe(target=target), training_data(X, y), np.arange(36)).fit(Choice("mix", regressor))
    inputs = training_data(X, y).features
    model = PixelModel(fitted.estimator, inputs, (Target("cu_mg_kg", "mg/kg"),))
    assert model.is_lowered
    new = soils(n=30, seed=7)[0].astype(np.float32)
    block = new.T.reshape(24, 5, 6)[model.used_columns]
    by_block, by_rows = model.predict(block).ravel(), fitted.estimator.predict(new)
    unit = np.asarray if log == "none" else np.log  # in standard deviations of what was fitted
    np.testing.assert_allclose(unit(by_block), unit(by_rows), rtol=0, atol=1e-4 * unit(y).std())


@pytest.fixture(scope="module")
def outcomes():
    data = training_data(*soils(n=30))
    return [protocol(recipe(), data, COMPARED) for protocol in (nested, published)]


def test_the_comparison_has_the_rows_and_columns_of_the_papers_table(outcomes):
    figures = [f"{part}_{metric}" for part in ("train", "test") for metric in METRICS]
    for outcome in outcomes:
        assert list(outcome.table) == ["protocol", "features", "model", "n_features", *figures, "test_r2_sd"]
        assert set(outcome.table.protocol) == {outcome.protocol}
        assert list(zip(outcome.table.features, outcome.table.model, strict=True)) == [
            *((f, m) for f in ("indoor", "satellite", "vae", "mix") for m in ("CARS + PLSR", "CARS + SVR")),
            ("satellite", "FD-RF"),
            ("satellite", "DNN-CARS"),
        ]
        assert np.isfinite(outcome.table[figures].to_numpy()).all()
    assert [outcome.protocol for outcome in outcomes] == ["nested", "published"]


def test_nested_tests_every_sample_once_and_published_every_third(outcomes):
    honest, leaking = outcomes
    target = training_data(*soils(n=30)).target
    for choice in COMPARED:
        np.testing.assert_array_equal(honest.observed[choice], target)
        np.testing.assert_array_equal(np.sort(leaking.observed[choice]), np.sort(target)[1::3])


def test_the_figures_of_the_table_are_those_of_its_predictions(outcomes):
    for outcome in outcomes:
        for i, choice in enumerate(COMPARED):
            error = outcome.predicted[choice] - outcome.observed[choice]
            assert outcome.table.test_rmse[i] == pytest.approx(np.sqrt(np.mean(error**2)))


def test_regressors_of_one_kind_of_spectra_share_their_bands(outcomes):
    sizes = outcomes[1].table.set_index(["features", "model"]).n_features
    for features in ("indoor", "satellite", "vae", "mix"):
        assert sizes[features, "CARS + PLSR"] == sizes[features, "CARS + SVR"]
    assert sizes["satellite", "DNN-CARS"] == sizes["satellite", "CARS + SVR"]
    assert sizes["satellite", "FD-RF"] == 24


def test_predictions_are_cut_to_the_valid_range_as_the_map_cuts_them():
    target = {"column": "cu_mg_kg", "unit": "mg/kg", "valid_range": [20.0, 30.0]}
    choice = Choice("satellite", "plsr")
    predicted = nested(recipe(target=target), training_data(*soils()), [choice]).predicted[choice]
    assert (predicted.min(), predicted.max()) == (20.0, 30.0)


def test_the_same_seed_gives_the_same_table_and_another_seed_another():
    data, choice = training_data(*soils()), Choice("satellite", "plsr")
    first, again, other = (nested(recipe(seed=seed), data, [choice]).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert first.test_rmse.item() != other.test_rmse.item()


@pytest.mark.parametrize(("split", "repeats"), [("kfold", 2), ("spatial", 2), ("gradient", 1)])
def test_each_repeat_of_each_split_tests_every_sample_once(split, repeats):
    validation = {"split": split, "n_folds": 3, "n_repeats": 2, "block_m": 600.0}
    data, choice = training_data(*soils()), Choice("satellite", "plsr")
    outcome = nested(recipe(validation=validation), data, [choice])
    np.testing.assert_array_equal(outcome.observed[choice], np.tile(data.target, repeats))
    assert np.isfinite(outcome.table.test_r2_sd.item()) == (repeats > 1)
