"""Models of models: what they compute, what they read, how they are stored, and what a cascade may learn from."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_stack import read, save_covariate_model, trained_on, write_covariates

from geosoil.errors import ModelFileError, RasterError, SamplesError
from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.depth_cnn import PlainCNN
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.io.rasters.stack import open_stack
from geosoil.mapping.job import map_model
from geosoil.models.compose import Cascade, Ensemble
from geosoil.models.contract import Feature, Target
from geosoil.models.fitting import fit_cascade, fit_pixel_model
from geosoil.models.patch import PatchModel
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, model_sha256
from geosoil.raster.layout import make_raster
from geosoil.samples.covariates import CovariateSelection
from geosoil.training.transfer import fine_tune
from geosoil.workflows.map import map_covariates

NAMES = ("dem", "twi", "ndvi")
PH, PB = Target("ph", "1", (0.0, 14.0)), Target("pb", "mg/kg", (0.0, None))


def rows(n=80, seed=0):
    """Covariates, pH and a positive Pb that follows pH and ndvi."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    ph = 6 + X[:, 0] + rng.normal(0, 0.3, n)
    return X, ph, np.exp(4 - 0.5 * (ph - 6) + 0.3 * X[:, 2])


def inputs(names=NAMES):
    return tuple(Feature(name) for name in names)


def pixel(estimator, X, y, names=NAMES, target=PB):
    return fit_pixel_model(estimator, X, y, training_columns=inputs(names), target=target)


def cascade_of_forests():
    X, ph, pb = rows()
    forest = Forest(n_trees=5)
    return fit_cascade(forest, LogTarget(forest), X, ph, pb, training_columns=inputs(), targets=(PH, PB))


def ensemble_of_nets():
    X, _, pb = rows()
    net = make_pipeline(StandardScaler(), DenseNet(hidden=[4], epochs=2))
    return Ensemble(tuple(pixel(LogTarget(net.set_params(densenet__random_state=seed)), X, pb) for seed in (0, 1)))


def ensemble_of_transferred_nets():
    X, ph, pb = rows()
    net = make_pipeline(StandardScaler(), DenseNet(hidden=[4, 4], epochs=2))
    source = pixel(net, X, ph, target=PH)
    tuned = [fine_tune(source, X, pb, target=PB, retransform="naive", random_state=seed) for seed in (0, 1)]
    return Ensemble(tuple(tuned))


def ensemble_of_kinds():
    """A forest, support vectors and a line that reads two of the covariates, with weights."""
    X, _, pb = rows()
    machine = make_pipeline(StandardScaler(), SupportVectors(C=10, gamma=0.1, epsilon=0.1))
    line = pixel(PartialLeastSquares(), X[:, 1:], pb, names=NAMES[1:])
    return Ensemble((pixel(Forest(n_trees=7), X, pb), pixel(machine, X, pb), line), (0.5, 0.3, 0.2))


def patches_model(names, target, seed=0):
    """A network of patches of 3 x 3, hardly trained."""
    rng = np.random.default_rng(seed)
    patches = rng.normal(size=(40, len(names), 3, 3)).astype(np.float32)
    net = PlainCNN(filters=[2, 2], epochs=1, random_state=seed, layers_cm=[(0, 5)])
    net.fit(patches, patches.mean(axis=(1, 2, 3))[:, None] + 5)
    return PatchModel(net, inputs(names), (target,))


def cascade_of_patches():
    return Cascade(patches_model(("dem", "twi"), PH), patches_model(("ndvi", "ph"), PB, seed=1))


MODELS = {
    "cascade of forests": cascade_of_forests,
    "ensemble of nets": ensemble_of_nets,
    "ensemble of kinds": ensemble_of_kinds,
    "ensemble of transferred nets": ensemble_of_transferred_nets,
    "cascade of patches": cascade_of_patches,
}


def raster(names=NAMES, shape=(37, 45)):
    from affine import Affine

    values = np.random.default_rng(5).normal(size=(len(names), *shape)).astype("float32")
    values[0, 3, 4] = values[1, 20:22, 30] = np.nan
    return make_raster(values, names=names, crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 0))


@pytest.mark.parametrize("name", MODELS)
def test_the_map_is_the_models_prediction_of_every_cell_whatever_the_blocks(name):
    model, source = MODELS[name](), raster()
    mapped = map_model(model, source, block=16).values
    halo = model.halo
    values = source.sel(band=[feature.name for feature in model.features]).values
    padded = np.pad(values, ((0, 0), (halo, halo), (halo, halo)), mode="symmetric")
    np.testing.assert_array_equal(mapped, model.predict(padded))
    np.testing.assert_array_equal(mapped, map_model(model, source, block=45).values)
    if halo:
        cells = [(0, 0), (10, 40), (36, 44)]
        own = np.stack([padded[:, r : r + 2 * halo + 1, c : c + 2 * halo + 1] for r, c in cells])
        np.testing.assert_allclose([mapped[:, r, c] for r, c in cells], model.predict_rows(own), rtol=1e-5)
    else:
        of_rows = model.predict_rows(values.reshape(len(values), -1).T)
        np.testing.assert_array_equal(mapped.reshape(len(mapped), -1).T, of_rows)


def test_the_weighted_map_is_the_weighted_mean_of_the_members_maps_from_one_pass_over_their_bands():
    model, source = ensemble_of_kinds(), raster()
    assert [feature.name for feature in model.features] == list(NAMES)
    mapped = map_model(model, source, outputs=["prediction", "spread"], block=16).values
    members = np.stack([map_model(member, source).values[0] for member in model.members]).astype(np.float64)
    weights = np.array([0.5, 0.3, 0.2])
    mean = np.tensordot(weights, members, 1)
    known = np.isfinite(source.values).all(axis=0)  # the line does not read the first band
    np.testing.assert_allclose(mapped[0][known], mean[known], rtol=1e-6)
    spread = np.sqrt(np.tensordot(weights, (members - mean) ** 2, 1))
    np.testing.assert_allclose(mapped[1][known], spread[known], rtol=1e-4, atol=1e-5)
    assert np.isnan(mapped[:, ~known]).all()
    rows = source.values.reshape(len(NAMES), -1).T[known.ravel()][:50]
    own = [m.predict_rows(rows[:, [NAMES.index(f.name) for f in m.features]])[:, 0] for m in model.members]
    np.testing.assert_allclose(model.predict_rows(rows)[:, 0], weights @ np.array(own), rtol=1e-5)


def test_the_weights_of_an_ensemble_are_stored_and_old_cards_without_them_are_plain_means(tmp_path):
    model = ensemble_of_kinds()
    save_covariate_model(tmp_path / "m", model)
    assert load_model(tmp_path / "m").weights == (0.5, 0.3, 0.2)
    edit(tmp_path / "m", lambda card: card.pop("weights"))
    plain, X = load_model(tmp_path / "m"), rows()[0]
    assert plain.weights == ()
    np.testing.assert_array_equal(plain.predict_rows(X), Ensemble(model.models).predict_rows(X))
    save_covariate_model(tmp_path / "plain", plain)
    assert "weights" not in json.loads((tmp_path / "plain" / "model.json").read_text())


def test_members_with_other_valid_ranges_keep_their_own():
    X, _, pb = rows()
    line = LinearRegression().fit(X, 10 * pb)
    limited = PixelModel(line, inputs(), (Target("pb", "mg/kg", (0.0, 50.0)),))
    wide = PixelModel(line, inputs(), (PB,))
    model = Ensemble((limited, wide), (0.25, 0.75))
    assert model.targets[0].valid_range == (0.0, None)
    free = line.predict(X)
    expected = 0.25 * np.clip(free, 0, 50) + 0.75 * np.clip(free, 0, None)
    np.testing.assert_allclose(model.predict_rows(X)[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("weights", [(0.5,), (0.5, 0.6), (1.0, 0.0), (1.5, -0.5), (np.nan, 1.0)])
def test_weights_are_positive_and_one_for_each_model(weights):
    X, ph, _ = rows()
    line = pixel(LinearRegression(), X, ph, target=PH)
    with pytest.raises(ValueError, match=r"expected 2 positive numbers with the sum 1"):
        Ensemble((line, line), weights)


def test_the_map_of_the_spread_is_that_of_the_members_maps_whatever_the_blocks():
    model, source = ensemble_of_nets(), raster()
    mapped = map_model(model, source, outputs=["prediction", "spread"], block=16)
    assert list(mapped["band"].values) == ["pb", "pb spread"]
    members = np.stack([map_model(member, source).values[0] for member in model.members])
    np.testing.assert_allclose(mapped.values[1], members.std(axis=0), rtol=1e-5, atol=1e-6)
    assert np.nanmax(mapped.values[1]) > 0
    np.testing.assert_array_equal(
        mapped.values, map_model(model, source, outputs=["prediction", "spread"], block=45).values
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_gap_in_a_covariate_of_any_member_is_a_gap_of_the_map(name):
    model, source = MODELS[name](), raster()
    mapped = map_model(model, source).values[0]
    gaps = np.isnan(source.values).any(axis=0)
    assert np.isnan(mapped[gaps]).all()
    if not model.halo:
        assert np.isfinite(mapped[~gaps]).all()


@pytest.mark.parametrize("name", MODELS)
def test_a_stored_model_of_models_is_the_same_when_it_is_read(tmp_path, name):
    model, source = MODELS[name](), raster()
    save_covariate_model(tmp_path / "m", model)
    again = load_model(tmp_path / "m")
    assert (again.training_columns, again.features, again.targets, again.halo) == (
        model.training_columns, model.features, model.targets, model.halo,
    )  # fmt: skip
    np.testing.assert_array_equal(map_model(again, source).values, map_model(model, source).values)


def test_transferred_members_keep_their_descent(tmp_path):
    save_covariate_model(tmp_path / "m", ensemble_of_transferred_nets())
    card = json.loads((tmp_path / "m" / "model.json").read_text())
    assert [[source["target"] for source in member["descent"]] for member in card["members"]] == [["ph"], ["ph"]]
    again = load_model(tmp_path / "m")
    assert again.models[0].estimator.estimator_[-1].ancestry_[0]["frozen"] == ["layers.0"]


def test_a_cascade_computes_the_second_of_the_first():
    X = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    first = pixel(LinearRegression(), X, 2 * X[:, 0] + 6, target=PH)
    wide = np.column_stack([X[:, 2], first.predict_rows(X)[:, 0]])
    second = pixel(LinearRegression(), wide, 10 * wide[:, 1] - wide[:, 0] + 100, names=("ndvi", "ph"))
    model = Cascade(first, second)
    assert [feature.name for feature in model.features] == list(NAMES)
    np.testing.assert_allclose(model.predict_rows(X)[:, 0], 20 * X[:, 0] - X[:, 2] + 160, rtol=1e-4)


def test_the_halo_of_a_cascade_is_the_sum_and_of_an_ensemble_the_widest():
    patches, (X, ph, _) = patches_model(NAMES, PH), rows()
    assert cascade_of_patches().halo == 2
    mixed = Ensemble((patches, pixel(LinearRegression(), X, ph, target=PH)))
    assert mixed.halo == 1
    block = np.random.default_rng(1).normal(size=(3, 6, 7)).astype(np.float32)
    expected = (patches.predict(block) + mixed.models[1].predict(block[:, 1:-1, 1:-1])) / 2
    np.testing.assert_allclose(mixed.predict(block), expected, rtol=1e-6)


def test_the_second_model_learns_from_predictions_of_rows_that_the_first_had_not_seen():
    # pH is noise: a forest knows its own training rows by heart, and cannot know others.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)).astype(np.float32)
    ph, pb, seen = rng.normal(6, 1, 60), rng.uniform(10, 20, 60), []
    forest = Forest(n_trees=30, min_leaf=1, max_features=1.0)

    class Second(LinearRegression):
        def fit(self, X, y):
            seen.append(X[:, -1].copy())
            return super().fit(X, y)

    model = fit_cascade(forest, Second(), X, ph, pb, training_columns=inputs(), targets=(PH, PB))
    assert np.corrcoef(model.first.predict_rows(X)[:, 0], ph)[0, 1] > 0.9
    assert abs(np.corrcoef(seen[0], ph)[0, 1]) < 0.3


def test_each_property_teaches_where_it_is_known():
    X, ph, pb = rows()
    ph[:20], pb[60:] = np.nan, np.nan
    model = fit_cascade(LinearRegression(), LinearRegression(), X, ph, pb, training_columns=inputs(), targets=(PH, PB))
    low, high = model.second.training_columns[0].training_low, model.second.training_columns[0].training_high
    assert (low, high) == (X[:60, 0].min(), X[:60, 0].max())
    assert model.first.training_columns[0].training_low == X[20:, 0].min()
    # Both must know a covariate's value: the range of the whole is what they share.
    assert model.training_columns[0].training_low == max(X[:60, 0].min(), X[20:, 0].min())


def test_a_second_model_that_drops_the_prediction_stands_alone():
    X, _, _ = rows()
    noise = np.random.default_rng(1).normal(size=len(X))  # cannot be predicted, so its prediction is not kept
    second = make_pipeline(CovariateSelection([*NAMES, "ph"], least_r=0.5), PartialLeastSquares())
    forest = Forest(n_trees=5)
    model = fit_cascade(forest, second, X, noise, 50 + X[:, 2], training_columns=inputs(), targets=(PH, PB))
    assert isinstance(model, PixelModel)
    assert [feature.name for feature in model.features] == ["ndvi"]
    np.testing.assert_allclose(model.predict_rows(X[:, model.used_columns])[:, 0], 50 + X[:, 2], rtol=1e-4)


def test_a_model_behind_a_logarithm_reads_the_covariates_that_its_steps_choose():
    X, _, pb = rows()
    chooser = CovariateSelection(list(NAMES), least_r=0.4)
    model = pixel(LogTarget(make_pipeline(chooser, Forest(n_trees=5))), X, np.exp(X[:, 2]) * pb**0)
    assert [feature.name for feature in model.features] == ["ndvi"]


def test_models_that_do_not_fit_together_are_refused():
    X, ph, pb = rows()
    of_ph, of_pb = pixel(LinearRegression(), X, ph, target=PH), pixel(LinearRegression(), X, pb)
    with pytest.raises(ValueError, match=r"expected two or more of the same targets"):
        Ensemble((of_ph, of_pb))
    with pytest.raises(ValueError, match=r"expected two or more"):
        Ensemble((of_ph,))
    with pytest.raises(ValueError, match=r"the first model predicts ph, the second reads dem, ndvi, twi"):
        Cascade(of_ph, of_pb)
    with pytest.raises(SamplesError, match=r"ph: found 3 values; expected at least 5"):
        fit_cascade(LinearRegression(), LinearRegression(), X, np.where(np.arange(80) < 3, ph, np.nan), pb,
                    training_columns=inputs(), targets=(PH, PB))  # fmt: skip


def test_a_class_that_one_member_never_saw_is_refused_or_left_empty(tmp_path):
    paths = write_covariates(tmp_path)
    whole = trained_on(paths)
    soc = PixelModel(whole.estimator, whole.training_columns, (Target("soc", "%", (0.0, 100.0)),))
    X = np.random.default_rng(0).uniform(0, 20, (50, 3)).astype(np.float32)
    X[:, 1], X[:, 2] = X[:, 1] > 10, 0.0  # no row of landform 3
    names = ("soc", "landform=1", "landform=3")
    model = Cascade(soc, pixel(Forest(n_trees=3), X, 2 * X[:, 0] + X[:, 1], names=names))
    save_covariate_model(tmp_path / "pb", model)
    with pytest.raises(RasterError, match=r"landform.*3"):
        map_covariates(paths, tmp_path / "pb", tmp_path / "a.tif")
    mapped = map_covariates(paths, tmp_path / "pb", tmp_path / "b.tif", unseen="nodata")
    values, stack = read(mapped.path)[0], open_stack(paths).values
    np.testing.assert_array_equal(np.isnan(values), np.isnan(stack).any(axis=0) | (stack[2] == 3))


def saved_cascade(folder):
    save_covariate_model(folder / "m", cascade_of_forests())
    return folder / "m"


def edit(folder, change):
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


CRAFTED = {
    "one member": lambda card: card["members"].pop(),
    "another kind": lambda card: card.update(kind="pixel"),
    "an estimator beside members": lambda card: card.update(estimator={"type": "Pipeline", "steps": []}),
    "other targets": lambda card: card["targets"][0].update(name="cd"),
    "a covariate that no member reads": lambda card: card["features"].append({"name": "slope", "used": True}),
    "an unknown type in a member": lambda card: card["members"][0]["estimator"].update(type="os.system"),
    "weights of a cascade": lambda card: card.update(weights=[0.5, 0.5]),
    "members in the wrong order": lambda card: card["members"].reverse(),
    "a member that reads another's forest": lambda card: card["members"][1].update(
        estimator=card["members"][0]["estimator"]
    ),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_card_of_members_is_refused_in_one_line(tmp_path, name):
    folder = saved_cascade(tmp_path)
    edit(folder, CRAFTED[name])
    with pytest.raises(ModelFileError) as caught:
        load_model(folder)
    assert "\n" not in str(caught.value)


def test_the_hash_of_a_cascade_covers_its_members(tmp_path):
    folder = saved_cascade(tmp_path)
    before = model_sha256(folder)
    edit(folder, lambda card: card["members"][0]["targets"][0].update(valid_range=[0.0, 13.0]))
    assert model_sha256(folder) != before
