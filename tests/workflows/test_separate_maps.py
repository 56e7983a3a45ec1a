"""Several properties of one cube in one pass: a band or a file for each, exactly as each model alone maps it."""

from dataclasses import replace
from pathlib import Path

import geosoil_sample_data
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from geosoil.errors import ModelFileError, OutputError
from geosoil.mapping.joint import find_models
from geosoil.mapping.match import match_bands
from geosoil.models.card import TrainingCard
from geosoil.models.compose import MultiTargetModel
from geosoil.models.contract import clip_to_range
from geosoil.models.store import load_model as stored_model
from geosoil.models.store import read_card, save_model
from geosoil.models.trust import ModelTrust, load_trust
from geosoil.sensors.cube import open_cube
from geosoil.trust.local_scale import CONSTANT
from geosoil.workflows import gis_files, trust_map
from geosoil.workflows.map import map_cube, prepare_cube
from geosoil.workflows.scenes import map_scenes
from geosoil_cli.main import group

pytestmark = pytest.mark.usefixtures("without_pictures")

SAMPLE = Path(geosoil_sample_data.__file__).parent
MODELS = {"as_svr": "as_mg_kg", "cu_plsr": "cu_mg_kg", "som_svr": "som_g_kg"}


def pixels(path):
    with rasterio.open(path) as source:
        return source.read()


def names(path):
    with rasterio.open(path) as source:
        return source.descriptions


@pytest.fixture(scope="module", autouse=True)
def without_pictures():
    """Other tests look at the pictures, which take most of the time of such small maps."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (gis_files, trust_map):
            patch.setattr(module, "save_figure", lambda figure, path: path.touch())
        patch.setattr(gis_files, "map_quicklook", lambda *_: None)
        patch.setattr(trust_map, "trust_quicklook", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def cube(tmp_path_factory):
    """A corner of the sample cube, with a pixel without data."""
    path = tmp_path_factory.mktemp("separate") / "cube.tif"
    with rasterio.open(SAMPLE / "gf5" / "gf5.tif") as source:
        values = source.read(window=((0, 24), (0, 30)))
        profile = source.profile | {"height": 24, "width": 30, "blockxsize": 16, "blockysize": 16, "tiled": True}
        with rasterio.open(path, "w", **profile) as target:
            values[:, 7, 9] = source.nodata
            target.write(values)
            target.scales, target.descriptions = source.scales, source.descriptions
            for band in source.indexes:
                target.update_tags(band, **source.tags(band))
    return path


@pytest.fixture(scope="module")
def single(cube):
    """The map of each model alone."""
    return {name: map_cube(cube, SAMPLE / "models" / name, cube.parent / f"{name}.tif") for name in MODELS}


@pytest.fixture(scope="module")
def separate(cube):
    return map_cube(cube, SAMPLE / "models", cube.parent / "soil.tif", separate=True, block=16, threads=2)


def test_a_folder_of_models_is_all_of_them(cube):
    assert [model.card.name for model in find_models(SAMPLE / "models")] == list(MODELS)
    with pytest.raises(ModelFileError, match="the same model twice"):
        find_models([SAMPLE / "models", SAMPLE / "models" / "as_svr"])


def test_a_folder_without_models_is_refused_as_before(tmp_path):
    with pytest.raises(ModelFileError):
        find_models(tmp_path)


def test_each_file_is_the_map_of_its_model_alone_with_its_trust_map(separate, single):
    assert [made.path.name for made in separate.maps] == [f"soil_{target}.tif" for target in MODELS.values()]
    for made, alone in zip(separate.maps, single.values(), strict=True):
        for path, expected in ((made.path, alone.path), (made.trust.path, alone.trust.path)):
            assert names(path) == names(expected)
            assert pixels(path).tobytes() == pixels(expected).tobytes()
        assert made.trust.sentence == alone.trust.sentence
        assert made.style.is_file() and made.quicklook.is_file()
    assert not separate.path.with_name("soil.tif").exists()
    assert all(str(made.path) in separate.summary() for made in separate.maps)


def test_each_band_of_one_file_is_the_prediction_of_its_model(cube, single):
    both = map_cube(cube, SAMPLE / "models", cube.parent / "all.tif", block=13, threads=3)
    assert names(both.path) == tuple(MODELS.values())
    opened = open_cube(cube, drop_nm=[])
    for band, name in zip(pixels(both.path), MODELS, strict=True):
        match = match_bands(stored_model(SAMPLE / "models" / name), opened)
        block = opened.sel(band=list(match.bands)).values
        predicted = match.model.predict(block)
        clip_to_range(predicted, match.model.targets)
        np.testing.assert_array_equal(band, predicted[0])
        rows = match.model.predict_rows(block.reshape(len(block), -1).T)[:, 0]  # in float64
        np.testing.assert_allclose(band.ravel(), rows, atol=1e-3 * np.nanmax(rows))
        assert np.isnan(band[7, 9]) and np.isfinite(band).sum() > 600
    trust, of_band = pixels(both.trust.path), names(both.trust.path)
    for name, target in MODELS.items():
        alone = dict(zip(names(single[name].trust.path), pixels(single[name].trust.path), strict=True))
        for of_alone, band in alone.items():
            unique = of_alone if of_alone.startswith(target) else f"{name}_{of_alone}"
            np.testing.assert_array_equal(trust[of_band.index(unique)], band)


def test_only_applicable_leaves_out_what_is_outside_the_area_of_the_model_of_the_file(cube, single):
    made = map_cube(cube, SAMPLE / "models", cube.parent / "in.tif", separate=True, only_applicable=True, trust=False)
    left_out = []
    for one, alone in zip(made.maps, single.values(), strict=True):
        inside = pixels(alone.trust.path)[-1] == 1
        np.testing.assert_array_equal(pixels(one.path)[0], np.where(inside, pixels(alone.path)[0], np.nan))
        left_out.append(int((~inside).sum()))
        assert one.trust is None
    assert len(set(left_out)) > 1  # each model has another area


def test_the_properties_of_one_model_are_files_that_share_its_area(cube, single, tmp_path):
    folders = [SAMPLE / "models" / name for name in ("as_svr", "cu_plsr")]
    opened = [load_trust(folder, read_card(folder)) for folder in folders]
    areas = opened[0].targets | opened[1].targets
    constant = {t: replace(of, intervals=replace(of.intervals, scale=CONSTANT)) for t, of in areas.items()}
    trust = ModelTrust(constant, opened[0].split)
    model = MultiTargetModel(tuple(stored_model(folder) for folder in folders))
    card = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    save_model(model, tmp_path / "two", name="two", study="test", preprocessing=[], training=card, trust=trust)
    made = map_cube(cube, tmp_path / "two", tmp_path / "m.tif", separate=True)
    assert [one.path.name for one in made.maps] == ["m_as_mg_kg.tif", "m_cu_mg_kg.tif"]
    for one, target in zip(made.maps, ("as_mg_kg", "cu_mg_kg"), strict=True):
        assert names(one.path) == (target,) and names(one.trust.path) == (f"{target} lower", f"{target} upper")
    np.testing.assert_array_equal(pixels(made.path), pixels(single["as_svr"].path))


def test_properties_of_one_name_get_the_name_of_their_model(cube, tmp_path):
    card = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    save_model(
        stored_model(SAMPLE / "models" / "as_svr"),
        tmp_path / "b",
        name="b",
        study="test",
        preprocessing=[],
        training=card,
    )
    models = [SAMPLE / "models" / "as_svr", tmp_path / "b"]
    made = map_cube(cube, models, tmp_path / "m.tif", separate=True)
    assert [one.path.name for one in made.maps] == ["m_as_svr_as_mg_kg.tif", "m_b_as_mg_kg.tif"]
    assert [names(one.path) for one in made.maps] == [("as_mg_kg",), ("as_mg_kg",)]
    assert [one.trust is None for one in made.maps] == [False, True]


def test_a_finished_set_of_files_is_recognised_and_a_missing_one_is_not(cube, separate):
    prepared = prepare_cube(cube, SAMPLE / "models", cube.parent / "soil.tif", separate=True)
    assert prepared.is_written()
    moved = separate.maps[1].path.rename(cube.parent / "moved.tif")
    assert not prepared.is_written()
    moved.rename(separate.maps[1].path)
    assert not prepare_cube(cube, SAMPLE / "models", cube.parent / "soil.tif").is_written()


def test_no_file_of_a_property_replaces_an_input(cube, tmp_path):
    path = tmp_path / "m_as_mg_kg.tif"
    path.write_bytes(cube.read_bytes())
    with pytest.raises(OutputError, match=r"m_as_mg_kg.tif: is also an input"):
        map_cube(path, SAMPLE / "models" / "as_svr", tmp_path / "m.tif", separate=True)


def test_scenes_have_one_file_each_for_their_mosaic(cube, tmp_path):
    with pytest.raises(OutputError, match="separate"):
        map_scenes(cube.parent / "cub*.tif", SAMPLE / "models", tmp_path / "maps", separate=True)
    assert not (tmp_path / "maps").exists()


def test_the_command_line_writes_a_file_each(cube, tmp_path):
    words = [
        "--cube",
        str(cube),
        "--model",
        "as_svr",
        "som_svr",
        "--separate",
        "--no-trust",
        "-o",
        str(tmp_path / "m.tif"),
    ]
    done = CliRunner().invoke(group, ["map", *words])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.glob("*.tif")) == ["m_as_mg_kg.tif", "m_som_g_kg.tif"]
    assert f"map        {tmp_path / 'm_som_g_kg.tif'}" in done.output
