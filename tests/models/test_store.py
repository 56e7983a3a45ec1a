"""A model folder gives back the same model, and a crafted one gives one clear line and executes nothing."""

import json
import pickle
import struct
import time

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import ModelFileError
from geosoil.estimators import forest_files
from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.find import find_model
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, model_sha256, save_model
from geosoil.spectra.cars import CARS
from geosoil.spectra.smooth import SavitzkyGolay

N_BANDS = 40


def training_rows():
    rng = np.random.default_rng(0)
    X = (0.3 + 0.05 * rng.normal(size=(50, N_BANDS)).cumsum(axis=1) / 6).astype(np.float32)
    return X, 20 + 100 * X[:, 10] - 50 * X[:, 30]


ESTIMATORS = {
    "svr": lambda: make_pipeline(CARS(n_runs=10), StandardScaler(), SupportVectors(n_candidates=3)),
    "plsr": lambda: make_pipeline(SavitzkyGolay(derivative=1), PartialLeastSquares()),
    "forest": lambda: make_pipeline(SavitzkyGolay(window_bands=5, derivative=1), Forest(n_trees=5)),
    "log": lambda: LogTarget(make_pipeline(StandardScaler(), PartialLeastSquares()), retransform="smearing"),
    "passthrough": lambda: make_pipeline("passthrough", StandardScaler(), PartialLeastSquares()),
    "dnn": lambda: make_pipeline(StandardScaler(), DenseNet(epochs=3)),
}


def saved(folder, kind="svr"):
    X, y = training_rows()
    features = tuple(
        Feature(f"{w:.0f} nm", float(w), 5.0, float(X[:, i].min()), float(X[:, i].max()))
        for i, w in enumerate(np.linspace(400, 2400, N_BANDS))
    )
    model = PixelModel(ESTIMATORS[kind]().fit(X, y), features, (Target("som_g_kg", "g/kg", (0.0, 200.0)),))
    training = TrainingCard(n_samples=len(y), recipe_sha256="r", table_sha256="t")
    save_model(model, folder, name="som", study="test", preprocessing=[kind], training=training)
    return model


@pytest.mark.parametrize("kind", list(ESTIMATORS))
def test_a_saved_model_predicts_the_same_when_it_is_read(tmp_path, kind):
    model, again = saved(tmp_path / "m", kind), None
    again = load_model(tmp_path / "m")
    X, _ = training_rows()
    rows = X[:, model.used_columns]
    assert again.features == model.features
    np.testing.assert_array_equal(again.predict_rows(rows), model.predict_rows(rows))
    block = np.ascontiguousarray(rows.T)[:, :, None]
    np.testing.assert_array_equal(again.predict(block), model.predict(block))


def test_a_model_folder_holds_json_and_arrays_and_nothing_else(tmp_path):
    saved(tmp_path / "m")
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == ["model.json", "weights.safetensors"]


def test_the_hash_of_a_model_changes_with_one_weight(tmp_path):
    saved(tmp_path / "m")
    before = model_sha256(tmp_path / "m")
    arrays = load_file(tmp_path / "m" / "weights.safetensors")
    arrays[next(name for name in arrays if "mean_" in name)][0] += 1e-9
    save_file(arrays, tmp_path / "m" / "weights.safetensors")
    assert model_sha256(tmp_path / "m") != before


def test_two_trainings_of_the_same_rows_have_the_same_hash_at_any_time_and_under_any_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    saved(tmp_path / "m")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    saved(tmp_path / "n")
    texts = [(tmp_path / name / "model.json").read_text() for name in "mn"]
    assert "1970-01-01T00:00:00" in texts[0]
    assert "1970-01-02T00:00:00" in texts[1]
    assert model_sha256(tmp_path / "m") == model_sha256(tmp_path / "n")


def test_arrays_of_another_training_than_the_card_are_refused(tmp_path):
    saved(tmp_path / "m")
    load_model(tmp_path / "m")
    arrays = load_file(tmp_path / "m" / "weights.safetensors")
    arrays[next(name for name in arrays if "mean_" in name)][0] += 1e-9
    save_file(arrays, tmp_path / "m" / "weights.safetensors")
    with pytest.raises(ModelFileError, match="found arrays that do not belong to the card beside them"):
        load_model(tmp_path / "m")


def test_a_model_is_found_by_name_in_the_working_folder_and_in_the_environment(tmp_path, monkeypatch):
    saved(tmp_path / "models" / "here")
    saved(tmp_path / "elsewhere" / "there")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEOSOIL_MODELS", str(tmp_path / "elsewhere"))
    assert find_model("here").name == "here"
    assert find_model("there").parent == tmp_path / "elsewhere"
    with pytest.raises(ModelFileError, match=r"nowhere: found no such model .* here, .*there"):
        find_model("nowhere")


class Bomb:
    """Executes when it is unpickled."""

    def __reduce__(self):
        return (exec, ("import pathlib; pathlib.Path('exploded').touch()",))


def edit_card(folder, change):
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


def first_array(tree):
    return next(state for state in tree["steps"][1][1]["state"].values() if isinstance(state, dict))


CRAFTED = {
    "a pickle named model.json": lambda f: (f / "model.json").write_bytes(pickle.dumps(Bomb())),
    "a pickle named weights.safetensors": lambda f: (f / "weights.safetensors").write_bytes(pickle.dumps(Bomb())),
    "a pickle named forest.skops": lambda f: (f / "forest.skops").write_bytes(pickle.dumps(Bomb())),
    "an unknown type": lambda f: edit_card(f, lambda c: c["estimator"]["steps"][1][1].update(type="os.system")),
    "a type by its path": lambda f: edit_card(
        f, lambda c: c["estimator"]["steps"][1][1].update(type="subprocess:Popen", params={"args": "touch exploded"})
    ),
    "an unknown parameter": lambda f: edit_card(f, lambda c: c["estimator"]["steps"][1][1]["params"].update(cmd="x")),
    "a state that is not learned": lambda f: edit_card(
        f, lambda c: c["estimator"]["steps"][1][1]["state"].update(transform="x")
    ),
    "an array that is not there": lambda f: edit_card(
        f, lambda c: first_array(c["estimator"]).update(array="../../etc/passwd")
    ),
    "an unknown key in the card": lambda f: edit_card(f, lambda c: c.update(run="x")),
    "another schema": lambda f: edit_card(f, lambda c: c.update(schema_version=99)),
    "a name that climbs out": lambda f: edit_card(f, lambda c: c.update(name="../../x")),
    "a grid that names a file": lambda f: edit_card(
        f, lambda c: c.update(grid={"crs": "/etc/passwd", "resolution": [1, 1]})
    ),
    "a grid without size": lambda f: edit_card(f, lambda c: c.update(grid={"crs": "EPSG:32633", "resolution": [0, 0]})),
    "fewer features": lambda f: edit_card(f, lambda c: c["features"].pop()),
    "other used bands": lambda f: edit_card(f, lambda c: [b.update(used=True) for b in c["features"]]),
    "no steps": lambda f: edit_card(f, lambda c: c["estimator"].update(steps=[])),
    "a tree without end": lambda f: (f / "model.json").write_text('{"estimator":' + "[" * 100_000),
    "no card": lambda f: (f / "model.json").unlink(),
    "no weights": lambda f: (f / "weights.safetensors").unlink(),
    "a huge header": lambda f: (f / "weights.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}"),
    "a card of 30 MB": lambda f: (f / "model.json").write_bytes(b" " * 30_000_000),
}


@pytest.mark.parametrize("what", list(CRAFTED))
def test_a_crafted_model_is_refused_in_one_line_and_executes_nothing(tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "m")
    CRAFTED[what](tmp_path / "m")
    with pytest.raises(ModelFileError) as caught:
        load_model(tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert "expected" in str(caught.value)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {name: array[..., :-1] for name, array in a.items()},
        lambda a: {name: np.zeros(0) for name in a},
        lambda a: {
            name: np.full_like(array, np.nan) if array.dtype.kind == "f" else array for name, array in a.items()
        },
        lambda a: {name: array[None] for name, array in a.items()},
    ],
    ids=["cut", "empty", "nan", "another dimension"],
)
def test_arrays_of_wrong_shape_or_content_are_refused(tmp_path, change):
    saved(tmp_path / "m")
    path = tmp_path / "m" / "weights.safetensors"
    arrays = {name: np.ascontiguousarray(array) for name, array in change(load_file(path)).items()}
    save_file(arrays, path)
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m")


def test_weights_that_link_out_of_the_folder_are_refused(tmp_path):
    saved(tmp_path / "m")
    (tmp_path / "m" / "weights.safetensors").rename(tmp_path / "outside")
    (tmp_path / "m" / "weights.safetensors").symlink_to(tmp_path / "outside")
    with pytest.raises(ModelFileError, match="a link out of the folder"):
        load_model(tmp_path / "m")


def saved_before(folder):
    """Write a forest as geosoil did before its trees were arrays: the forest of scikit-learn as a skops file."""
    from skops import io as skops_io

    model = saved(folder, "forest")
    forests = {"forest/forest_": model.estimator.steps[1][1].forest_}
    skops_io.dump(forests, folder / "forest.skops")
    edit_card(folder, lambda c: c["estimator"]["steps"][1][1]["state"].update(forest_={"forest": "forest/forest_"}))
    return model, forests


def test_a_forest_of_an_earlier_folder_has_the_same_pixels(tmp_path):
    model, _ = saved_before(tmp_path / "m")
    block = np.ascontiguousarray(training_rows()[0].T)[:, :, None]
    np.testing.assert_array_equal(load_model(tmp_path / "m").predict(block), model.predict(block))


def test_a_forest_with_a_type_that_is_no_forest_is_refused(tmp_path, monkeypatch):
    from skops import io as skops_io

    monkeypatch.chdir(tmp_path)
    saved_before(tmp_path / "m")
    skops_io.dump({"forest/forest_": make_pipeline(StandardScaler())}, tmp_path / "m" / "forest.skops")
    with pytest.raises(ModelFileError, match=r"type sklearn\.(pipeline|preprocessing)"):
        load_model(tmp_path / "m")


@pytest.mark.parametrize("child", [10**6, 0, 2])  # far away, itself, another's child: a row would go both ways
def test_a_tree_that_would_read_outside_its_arrays_is_refused(tmp_path, child):
    from skops import io as skops_io

    _, forests = saved_before(tmp_path / "m")
    forest = next(iter(forests.values()))
    tree = forest.estimators_[0].tree_
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = child
    tree.__setstate__(state)
    skops_io.dump(forests, tmp_path / "m" / "forest.skops")
    with pytest.raises(ModelFileError, match="are not connected"):
        load_model(tmp_path / "m")


def rewritten(path, change, compression=0):
    """Write a skops file again with a changed schema."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(contents["schema.json"])
    change(schema)
    contents["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)


def trees_of(schema):
    """The list of trees in the schema of the only forest."""
    (forest,) = schema["content"].values()
    return forest["content"]["content"]["estimators_"]["content"]


def use_one_array_for_all(schema):
    for tree in trees_of(schema)[1:]:
        tree["content"]["content"]["tree_"]["content"]["content"]["nodes"]["file"] = trees_of(schema)[0]["content"][
            "content"
        ]["tree_"]["content"]["content"]["nodes"]["file"]


@pytest.mark.parametrize(
    ("change", "compression", "reason"),
    [
        (lambda schema: None, 8, "a compressed archive"),
        (lambda schema: trees_of(schema).extend(trees_of(schema)[:1]), 0, "a tree that is used twice"),
        (use_one_array_for_all, 0, "an array that is used twice"),
        (lambda schema: schema.update(extra=json.loads("[" * 60 + "]" * 60)), 0, "deep"),
    ],
)
def test_a_small_forest_file_cannot_become_a_large_forest(tmp_path, change, compression, reason):
    saved_before(tmp_path / "m")
    rewritten(tmp_path / "m" / "forest.skops", change, compression)
    with pytest.raises(ModelFileError, match=reason):
        load_model(tmp_path / "m")


def test_a_forest_file_has_no_more_trees_than_the_limit(tmp_path, monkeypatch):
    saved_before(tmp_path / "m")  # five trees
    monkeypatch.setattr(forest_files, "MOST_TREES", 5)
    load_model(tmp_path / "m")
    monkeypatch.setattr(forest_files, "MOST_TREES", 4)
    with pytest.raises(ModelFileError, match="more than 4 trees"):
        load_model(tmp_path / "m")


def test_references_in_references_are_counted_as_often_as_they_are_used():
    from geosoil.estimators.forest_files import _check_nodes

    node, count = {"__id__": 1}, 1
    for level in range(2, 30):  # each level holds the one before it twice: 2 ** 30 nodes
        node = {"__id__": level, "content": [node, {"__id__": level - 1}]}
        count = 2 * count + 2
    with pytest.raises(ValueError, match=r"nodes$"):
        _check_nodes(node, {}, {}, 100)
    assert _check_nodes({"__id__": 2, "content": [{"__id__": 1}, {"__id__": 1}]}, {}, {}, 100) == 4


def nested(depth):
    """A card of ensembles inside ensembles."""

    def change(card):
        leaf = {key: card[key] for key in ("kind", "features", "targets", "estimator")}
        member = leaf
        for _ in range(depth):
            member = {"kind": "ensemble", "features": card["features"], "targets": card["targets"],
                      "members": [member, leaf]}  # fmt: skip
        card.update(member | {"estimator": {}})

    return change


@pytest.mark.parametrize(
    "change",
    [
        nested(200),
        lambda card: card["estimator"].update(steps=card["estimator"]["steps"][1:2] * 5000),
    ],
    ids=["200 nested ensembles", "5000 steps"],
)
def test_a_card_of_endless_work_is_refused_at_once(tmp_path, change):
    saved(tmp_path / "m")
    edit_card(tmp_path / "m", change)
    start = time.perf_counter()
    with pytest.raises(ModelFileError):
        load_model(tmp_path / "m")
    assert time.perf_counter() - start < 5


def test_a_folder_that_is_no_model_says_so(tmp_path):
    with pytest.raises(ModelFileError, match=r"no model\.json"):
        load_model(tmp_path)


def test_a_card_of_a_newer_geosoil_asks_for_an_update(tmp_path):
    saved(tmp_path / "m", "plsr")
    edit_card(tmp_path / "m", lambda card: card.update(schema_version=2, something_new=True))
    with pytest.raises(ModelFileError, match=r"schema_version 2; expected at most 1.*; update geosoil$"):
        load_model(tmp_path / "m")
