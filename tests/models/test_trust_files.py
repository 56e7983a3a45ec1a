"""The trust state of a model folder comes back the same, and a crafted one gives one clear line."""

import hashlib
import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from geosoil.errors import ModelFileError
from geosoil.estimators.ridge import Ridge
from geosoil.models.card import CoverageCard, TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, model_sha256, read_card, save_model
from geosoil.models.trust import TRUST, ModelTrust, TargetTrust, load_trust
from geosoil.trust.applicability import fit_applicability
from geosoil.trust.intervals import fit_intervals
from geosoil.trust.scores import pool_scores

N = 200


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 3)).astype(np.float32)
    return X, X @ [1.0, 2.0, 0.5] + rng.normal(size=N) * np.exp(0.7 * X[:, 0]), rng


@pytest.fixture(scope="module")
def trust(data):
    X, y, _ = data
    folds = np.arange(N)[None] % 10
    area = fit_applicability(X)
    predicted = (X @ [1.0, 2.0, 0.5])[None] + 10
    indicators = {"dissimilarity": np.exp(0.7 * X[:, 0])[None]}
    state = fit_intervals(pool_scores(y + 10, predicted, folds, indicators=indicators, split="random folds"))
    return ModelTrust({"soc": TargetTrust(state, 1.2, (CoverageCard(level=0.9, n=N, covered=0.9, mean_width=3),))},
                      "random folds", area)  # fmt: skip


@pytest.fixture
def folder(tmp_path, data, trust):
    save(tmp_path / "m", data, trust)
    return tmp_path / "m"


def save(folder, data, trust):
    X, y, _ = data
    model = PixelModel(
        Ridge().fit(X, y), tuple(Feature(name) for name in ("twi", "ndvi", "slope")), (Target("soc", "g/kg"),)
    )
    card = TrainingCard(n_samples=N, recipe_sha256="", table_sha256="")
    return save_model(model, folder, name="m", study="table", preprocessing=[], training=card, trust=trust)


def test_a_stored_state_gives_the_same_bounds_and_the_same_area(folder, data, trust):
    X = data[0]
    loaded = load_trust(folder, read_card(folder))
    assert loaded.needs_dissimilarity
    assert not loaded.needs_spread
    assert loaded.targets["soc"].rmse == 1.2
    assert loaded.targets["soc"].coverage[0].covered == 0.9
    np.testing.assert_array_equal(loaded.applicability.assess(X).dissimilarity, trust.applicability.assess(X)[0])
    predicted, more = np.linspace(0, 20, N, dtype=np.float32), {"dissimilarity": np.ones(N, np.float32)}
    ends = [each.targets["soc"].intervals.bounds(predicted, [0.5, 0.9], more) for each in (loaded, trust)]
    np.testing.assert_array_equal(*ends)


def test_a_model_without_a_state_loads_and_has_none(tmp_path, data):
    save(tmp_path / "m", data, None)
    assert load_trust(tmp_path / "m", read_card(tmp_path / "m")) is None
    assert load_model(tmp_path / "m").predict_rows(data[0]).shape == (N, 1)


def test_saving_without_a_state_removes_that_of_the_model_before_and_leaves_the_hash_of_the_predictions(folder, data):
    before = model_sha256(folder)
    save(folder, data, None)
    assert not (folder / TRUST).exists()
    assert model_sha256(folder) == before


def rewrite(folder, change):
    """Change the arrays of a folder as a stranger would, with the hash in the card made to fit."""
    arrays = load_file(folder / TRUST)
    change(arrays)
    save_file(arrays, folder / TRUST)
    card = json.loads((folder / "model.json").read_text())
    card["trust"]["sha256"] = hashlib.sha256((folder / TRUST).read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.update({"intervals/0/scores": a["intervals/0/scores"][::-1].copy()}), "not sorted"),
        (lambda a: a.pop("intervals/0/scale"), "intervals are not valid"),
        (lambda a: a.update(more=np.zeros(3)), "arrays that nothing needs"),
        (lambda a: a.update({"applicability/weights": -a["applicability/weights"]}), "applicability is not valid"),
        (lambda a: a.update({"applicability/samples": a["applicability/samples"][:, :2].copy()}), "is not valid"),
    ],
)
def test_arrays_that_cannot_be_a_state_are_refused(folder, change, message):
    rewrite(folder, change)
    with pytest.raises(ModelFileError, match=message):
        load_trust(folder, read_card(folder))


def test_a_state_that_is_not_that_of_the_card_is_refused(folder):
    arrays = load_file(folder / TRUST)
    arrays["intervals/0/scores"] *= 0.5  # narrower intervals, in a file that is valid by itself
    save_file(arrays, folder / TRUST)
    with pytest.raises(ModelFileError, match="do not belong to the card"):
        load_trust(folder, read_card(folder))


@pytest.mark.parametrize("change", ["other target", "no area", "no file", "link"])
def test_a_state_of_another_model_is_refused(folder, tmp_path, change):
    card = json.loads((folder / "model.json").read_text())
    if change == "other target":
        card["trust"]["targets"] = {"ph": card["trust"]["targets"]["soc"]}
    if change == "no area":
        rewrite(folder, lambda a: [a.pop(name) for name in list(a) if name.startswith("applicability")])
        card = json.loads((folder / "model.json").read_text())
        card["trust"]["applicability"] = None
    (folder / "model.json").write_text(json.dumps(card))
    if change == "no file":
        (folder / TRUST).unlink()
    if change == "link":
        (folder / TRUST).rename(tmp_path / "outside")
        (folder / TRUST).symlink_to(tmp_path / "outside")
    with pytest.raises(ModelFileError):
        load_trust(folder, read_card(folder))
