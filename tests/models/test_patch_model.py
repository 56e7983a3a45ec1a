"""A patch model maps a raster as it predicts patches, in any blocks, and survives its folder to the last bit."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from small_patches import LAYERS_CM, cut_patches, random_block, random_net

from geosoil.errors import ModelFileError
from geosoil.mapping.job import map_model
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.patch import PatchModel
from geosoil.models.store import load_model, read_card, save_model
from geosoil.raster.layout import make_raster

SIZE, HALF = 9, 4


def model_of(estimator, valid_range=(None, None)):
    features = tuple(Feature(f"c{i}", training_low=-1.0, training_high=2.0) for i in range(estimator.n_channels_))
    targets = tuple(Target(f"soc_{top}_{bottom}_cm", "%", valid_range) for top, bottom in LAYERS_CM)
    return PatchModel(estimator, features, targets)


def raster_of(values):
    from affine import Affine

    return make_raster(
        values, names=[f"c{i}" for i in range(len(values))], crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 9000)
    )


@pytest.mark.parametrize("kind", ["plain", "multi", "transfer"])
def test_a_map_is_what_every_cells_own_patch_gives_and_does_not_depend_on_the_blocks(kind):
    model = model_of(random_net(kind, size=SIZE))
    values = random_block(3, 40, 50, share_of_gaps=0.02)
    raster = raster_of(values)
    mapped = map_model(model, raster, block=64).values
    patches = cut_patches(np.pad(values, ((0, 0), (HALF, HALF), (HALF, HALF)), mode="symmetric"), SIZE)
    expected = model.predict_rows(patches).T.reshape(mapped.shape)
    no_data = np.isnan(values).any(axis=0)
    assert 0 < no_data.sum() < no_data.size
    np.testing.assert_array_equal(np.isnan(mapped), np.broadcast_to(no_data, mapped.shape))
    assert np.abs(mapped - expected)[:, ~no_data].max() <= 1e-5 * model.estimator.target_spread_.min()
    for block in (7, 16, 33):
        np.testing.assert_array_equal(map_model(model, raster, block=block).values, mapped)
    # The raster itself is left as it was.
    np.testing.assert_array_equal(raster.values, values)


def test_predictions_stay_within_the_valid_range_in_both_ways():
    model = model_of(random_net(size=SIZE), valid_range=(2.0, 2.1))
    block = random_block(3, 20, 20, share_of_gaps=0)
    mapped = map_model(model, raster_of(block)).values
    for values in (mapped, model.predict_rows(cut_patches(block, SIZE))):
        assert values.min() == pytest.approx(2.0) and values.max() == pytest.approx(2.1)


def saved(folder, kind="transfer", **options):
    model = model_of(random_net(kind, size=SIZE, **options))
    training = TrainingCard(n_samples=100, recipe_sha256="r", table_sha256="t")
    save_model(model, folder, name="soc", study="test", preprocessing=[], training=training, quantity="covariates")
    return model


@pytest.mark.parametrize("kind", ["plain", "multi", "transfer"])
def test_a_saved_model_gives_the_same_bits_when_it_is_read(tmp_path, kind):
    model = saved(tmp_path / "m", kind, n_members=2)
    again = load_model(tmp_path / "m")
    card = read_card(tmp_path / "m")
    assert (card.kind, card.patch_size, card.quantity) == ("patch", SIZE, "covariates")
    assert isinstance(again, PatchModel) and again.features == model.features and again.halo == HALF
    assert again.estimator.depths_without_data_ == []
    block = random_block(3, 20, 20)
    np.testing.assert_array_equal(again.predict(block), model.predict(block))
    patches = cut_patches(block, SIZE)
    np.testing.assert_array_equal(again.predict_rows(patches), model.predict_rows(patches))


def test_a_model_of_some_of_the_covariates_reads_those_and_no_others(tmp_path):
    estimator = random_net(size=SIZE)
    features = tuple(Feature(f"c{i}") for i in range(5))
    model = PatchModel(estimator, features, model_of(estimator).targets, reads=(0, 2, 4))
    training = TrainingCard(n_samples=100, recipe_sha256="r", table_sha256="t")
    save_model(model, tmp_path / "m", name="soc", study="test", preprocessing=[], training=training)
    again = load_model(tmp_path / "m")
    assert [feature.name for feature in again.features] == ["c0", "c2", "c4"] and again.training_columns == features
    block = random_block(3, 20, 20)
    np.testing.assert_array_equal(again.predict(block), model.predict(block))
    for reads in ((4, 2, 0), (0, 2), (0, 0, 2)):
        with pytest.raises(ValueError, match="expected rising indices"):
            PatchModel(estimator, features, model.targets, reads=reads)


def edit_card(folder, change):
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


def edit_parameter(**parameters):
    return lambda card: card["estimator"]["params"].update(parameters)


CRAFTED = {
    "a patch of another size": lambda c: c.update(patch_size=15),
    "an even patch": lambda c: c.update(patch_size=8),
    "a patch without end": lambda c: c.update(patch_size=10**9),
    "a pixel model": lambda c: c.update(kind="pixel", patch_size=None),
    "an unknown kind": lambda c: c.update(kind="cube"),
    "an estimator of another patch": lambda c: c["estimator"]["state"].update(size_=15) or c.update(patch_size=15),
    "fewer covariates": lambda c: c["features"].pop(),
    "more covariates": lambda c: c["features"].append(c["features"][0]),
    "fewer depths": lambda c: c["targets"].pop(),
    "filters without bound": edit_parameter(filters=[10**12, 10**12, 10**12]),
    "dense layers without bound": edit_parameter(hidden=[10**12]),
    "layers without end": edit_parameter(hidden=[1] * 100_000),
    "members without end": edit_parameter(n_members=10**12),
    "no members": edit_parameter(n_members=0),
    "more depths than networks": lambda c: c["estimator"]["state"].update(depths_=[0, 1, 2, 0]),
    "a depth that is not there": lambda c: c["estimator"]["state"].update(depths_=[0, 1, 99]),
    "a code that enters elsewhere": edit_parameter(code_enters="channel"),
    "another estimator": lambda c: c["estimator"].update(type="MultiTaskCNN"),
}


@pytest.mark.parametrize("what", list(CRAFTED))
def test_a_crafted_card_is_refused_in_one_line(tmp_path, what):
    saved(tmp_path / "m")
    edit_card(tmp_path / "m", CRAFTED[what])
    with pytest.raises(ModelFileError) as caught:
        load_model(tmp_path / "m")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["weights_/0/1/convolutions.0.linear.weight", "low_", "target_mean_", "depths_"])
def test_arrays_of_another_shape_are_refused(tmp_path, name):
    saved(tmp_path / "m")
    path = tmp_path / "m" / "weights.safetensors"
    arrays = load_file(path)
    arrays[name] = np.ascontiguousarray(arrays[name][:-1])
    save_file(arrays, path)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m")
