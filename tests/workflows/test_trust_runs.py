"""The trust map is the same from threads, processes and a cluster, resumed or not, and from every kind of model."""

import zipfile
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from distributed import Client, LocalCluster
from sklearn.linear_model import LinearRegression
from small_cube import spectra, trained_model, write_cube
from small_runs import SHAPE, pixels_of, write_small
from small_trust import save_trusted, trust_of
from stac_validator import validate_file

from geosoil.errors import OutputError
from geosoil.io.rasters.reader import open_raster
from geosoil.mapping.map_files import trust_path_of
from geosoil.models.compose import Cascade
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.trust import ModelTrust, TargetTrust
from geosoil.models.trusted import round_values
from geosoil.trust.applicability import fit_applicability
from geosoil.trust.intervals import IntervalState
from geosoil.trust.local_scale import LocalScale
from geosoil.workflows.gis_files import GisOptions
from geosoil.workflows.map import map_covariates, map_cube
from geosoil.workflows.scenes import map_scenes

pytestmark = pytest.mark.usefixtures("without_pictures")


class StopError(Exception):
    """What interrupts a run."""


def hashes(path):
    return pixels_of(path), pixels_of(trust_path_of(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trust_runs")
    model = trained_model()
    save_trusted(folder / "share", model, trust_of(model))
    values = np.rint(spectra((40, 56), 1)[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    values[:, 30:] = values[:, 30:] * 1.5
    write_cube(folder / "cube.tif", shape=(40, 56), values=values, tiled=True, blockxsize=16, blockysize=16)
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    map_cube(folder / "cube.tif", folder / "share", folder / "whole.tif", block=64, threads=1)
    return hashes(folder / "whole.tif")


def test_a_dask_cluster_writes_the_same_trust_map(folder, whole, tmp_path):
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        map_cube(folder / "cube.tif", folder / "share", tmp_path / "map.tif", block=16, cluster=client)
    assert hashes(tmp_path / "map.tif") == whole


@pytest.mark.slow
def test_processes_write_the_same_trust_map(folder, whole, tmp_path):
    map_cube(folder / "cube.tif", folder / "share", tmp_path / "map.tif", block=24, workers=2)
    assert hashes(tmp_path / "map.tif") == whole


@pytest.mark.parametrize("only_applicable", [False, True])
def test_a_run_that_was_interrupted_continues_with_its_trust_bands(folder, whole, tmp_path, only_applicable):
    def stop(_, done, total):
        if done > total / 2:
            raise StopError

    options = {"block": 8, "threads": 1, "only_applicable": only_applicable}
    with pytest.raises(StopError):
        map_cube(folder / "cube.tif", folder / "share", tmp_path / "map.tif", progress=stop, **options)
    assert not list(tmp_path.glob("*.tif"))
    made = map_cube(folder / "cube.tif", folder / "share", tmp_path / "map.tif", mode="resume", **options)
    assert any("finished" in note for note in made.notes) and trust_path_of(made.path).is_file()
    assert hashes(made.path)[1] == whole[1]
    assert (hashes(made.path)[0] == whole[0]) is not only_applicable


def test_blocks_without_trust_are_not_continued_with_trust(folder, tmp_path):
    """A resumed run has the bands of the first one, or it is another map."""

    def stop(*_):
        raise StopError

    with pytest.raises(StopError):
        map_cube(
            folder / "cube.tif", folder / "share", tmp_path / "map.tif", trust=False, block=8, threads=1,
            progress=lambda _, done, __: stop() if done else None,
        )  # fmt: skip
    with pytest.raises(OutputError, match="earlier run with bands"):
        map_cube(folder / "cube.tif", folder / "share", tmp_path / "map.tif", mode="resume", threads=1)


def line_trust(names, X, targets):
    """A trust state of features X whose intervals grow with the dissimilarity."""
    area = fit_applicability(X)
    scale = LocalScale(0.0, ("dissimilarity",), *np.array([[0.5], [0.1], [-9.0], [9.0]]))
    state = IntervalState(np.linspace(0.01, 0.6, 40), 40, scale)
    return ModelTrust({name: TargetTrust(state, 0.3) for name in targets}, "spatial blocks", area)


@pytest.fixture(scope="module")
def covariates(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("covariates") / "abc.tif")


def test_a_network_of_patches_has_the_trust_of_its_centre_cells(covariates, tmp_path):
    from small_runs import patch_model

    model = patch_model()
    names = [target.name for target in model.targets]
    X = np.random.default_rng(1).uniform(1, 1.9, (50, 3)).astype(np.float32)
    trust = line_trust("abc", X, names)
    save_trusted(tmp_path / "net", model, trust, quantity="covariates")
    results = [
        map_covariates(covariates, tmp_path / "net", tmp_path / f"{block}.tif", block=block, threads=2)
        for block in (11, 64)
    ]
    assert hashes(results[0].path) == hashes(results[1].path)
    plain = map_covariates(covariates, tmp_path / "net", tmp_path / "plain.tif", trust=False)
    assert pixels_of(plain.path) == pixels_of(results[0].path)
    with rasterio.open(results[0].trust.path) as source, rasterio.open(plain.path) as mapped:
        bands, predicted = dict(zip(source.descriptions, source.read(), strict=True)), mapped.read()
    cells = open_raster(covariates).values.reshape(3, -1).T
    area = trust.applicability.assess(cells)
    for name, expected in (("density", area.density), ("inside", area.inside)):
        np.testing.assert_array_equal(bands[name].ravel(), np.asarray(expected, np.float32))
    np.testing.assert_array_equal(bands["dissimilarity"].ravel(), round_values(area.dissimilarity))
    assert 0 < area.inside.mean() < 1
    known = {"dissimilarity": bands["dissimilarity"]}
    for name, values, target in zip(names, predicted, model.targets, strict=True):
        ((lower, upper),) = trust.targets[name].intervals.bounds(values, [0.9], known, target.valid_range)
        np.testing.assert_array_equal(bands[f"{name} lower"], round_values(lower, -1))
        np.testing.assert_array_equal(bands[f"{name} upper"], round_values(upper, 1))


def test_a_cascade_is_compared_in_the_covariates_and_not_in_what_its_first_model_predicts(covariates, tmp_path):
    X = np.random.default_rng(2).uniform(1, 1.9, (50, 3))
    first = PixelModel(
        LinearRegression().fit(X[:, :2], X[:, 0] + X[:, 1]), (Feature("a"), Feature("b")), (Target("ph", ""),)
    )
    rows = np.column_stack([X[:, 2], X[:, 0] + X[:, 1]])
    second = PixelModel(LinearRegression().fit(rows, rows.sum(axis=1)), (Feature("c"), Feature("ph")),
                        (Target("pb", "mg/kg"),))  # fmt: skip
    model = Cascade(first, second)
    names = [feature.name for feature in model.features]
    assert names == ["a", "b", "c"]
    trust = line_trust(names, X.astype(np.float32), [model.targets[-1].name])
    save_trusted(tmp_path / "cascade", model, trust, quantity="covariates")
    made = map_covariates(covariates, tmp_path / "cascade", tmp_path / "map.tif", threads=1)
    with rasterio.open(made.trust.path) as source:
        bands = dict(zip(source.descriptions, source.read(), strict=True))
    area = trust.applicability.assess(open_raster(covariates).values.reshape(3, -1).T)
    np.testing.assert_array_equal(bands["dissimilarity"].ravel(), round_values(area.dissimilarity))
    assert np.isfinite(bands["pb lower"]).all() and bands["pb lower"].shape == SHAPE


def layers_of(project):
    """Return the names of the layers of a QGIS project by their groups."""
    with zipfile.ZipFile(project) as archive:
        [content] = [archive.read(name) for name in archive.namelist()]
    tree = ElementTree.fromstring(content).find("layer-tree-group")
    return {group.get("name"): [layer.get("name") for layer in group] for group in tree}


def test_every_scene_of_many_has_its_trust_map(folder, whole, tmp_path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for name in ("a", "b"):
        (scenes / f"{name}.tif").write_bytes(Path(folder / "cube.tif").read_bytes())
    made = map_scenes(f"{scenes}/*.tif", folder / "share", tmp_path / "out", threads=1)
    assert [hashes(scene.path) for scene in made.maps] == [whole, whole]
    item = validate_file(tmp_path / "out" / "a_share.json")
    assert item["assets"]["trust"]["href"] == "a_share_trust.tif"
    assert [band["name"] for band in item["assets"]["trust"]["bands"]][-1] == "inside"
    assert made.trust == tmp_path / "out" / "share_trust.vrt"
    assert str(made.trust) in made.summary()
    with rasterio.open(made.trust) as mosaic, rasterio.open(trust_path_of(made.maps[0].path)) as source:
        assert mosaic.descriptions == source.descriptions
        np.testing.assert_array_equal(mosaic.read(), source.read())
    assert made.trust.with_suffix(".qml").exists()
    assert validate_file(made.collection)["assets"]["trust"]["href"] == "share_trust.vrt"
    kept = map_scenes(f"{scenes}/*.tif", folder / "share", tmp_path / "out", threads=1, mode="resume")
    assert kept.trust == made.trust
    within = map_scenes(
        f"{scenes}/*.tif", folder / "share", tmp_path / "in", threads=1, only_applicable=True, gis=GisOptions(True)
    )
    assert within.trust is None
    assert layers_of(within.project) == {"trust": ["a: inside", "b: inside"], "prediction": ["share_pct (%)"]}
    without = map_scenes(f"{scenes}/*.tif", folder / "share", tmp_path / "out", threads=1, trust=False)
    assert without.trust is None
    assert "trust" not in validate_file(tmp_path / "out" / "a_share.json")["assets"]  # it is that of an earlier map
