"""A map of a product: what the model predicts, without the pixels of the masks, which are counted by name."""

import shutil
import zipfile

import numpy as np
import pytest
import rasterio
from range_server import serving
from sensors.products.enmap import NAME, bands_nm, codes, planted, write_enmap
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import OutputError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.io.rasters.reader import open_raster
from geosoil.mapping.plan import plan_map
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.raster.layout import MASK_BYTES
from geosoil.sensors.cube import open_cube
from geosoil.sensors.masks import Bits, MaskLayer, count_masked
from geosoil.workflows.map import map_cube, prepare_cube

SHAPE, COUNT = (40, 60), 24
LAYERS = {
    **{"cloud": ("QUALITY_CLOUD", 1), "cloud_shadow": ("QUALITY_CLOUDSHADOW", 1), "haze": ("QUALITY_HAZE", 1)},
    **{"snow": ("QUALITY_SNOW", 1), "water": ("QUALITY_CLASSES", 2), "background": ("QUALITY_CLASSES", 3)},
}
PLANTED = {name: codes(layer, SHAPE) == code for name, (layer, code) in LAYERS.items()}
PLANTED = {"cirrus": codes("QUALITY_CIRRUS", SHAPE) > 0, **PLANTED}
ORDER = ("cloud", "cloud_shadow", "cirrus", "haze", "snow", "water", "background")
COUNTS = {name: int(PLANTED[name].sum()) for name in ORDER}


def trained(folder):
    """Save a model of reflectance at the bands of the product."""
    rng = np.random.default_rng(4)
    rows, columns = rng.integers(0, 500, (2, 80))
    spectra = (planted(np.arange(COUNT), rows[:, None], columns[:, None], COUNT) * 1e-4).astype(np.float32)
    soc = 1 + 3 * np.sin(0.037 * rows + 0.3) * np.cos(0.029 * columns)
    estimator = make_pipeline(StandardScaler(), PartialLeastSquares(n_components=2)).fit(spectra, soc)
    centre_nm, width_nm, _ = bands_nm(COUNT)
    features = tuple(
        Feature(f"{centre} nm", float(centre), float(width), float(band.min()), float(band.max()))
        for centre, width, band in zip(centre_nm, width_nm, spectra.T, strict=True)
    )
    model = PixelModel(estimator, features, (Target("soc", "%"),))
    training = TrainingCard(n_samples=80, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, name="soc", study="test", preprocessing=["pls"], training=training)
    return model


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    trained(folder / "soc")
    write_enmap(folder / "product", shape=SHAPE, count=COUNT)
    return folder


@pytest.fixture(scope="module")
def made(scene):
    return map_cube(scene / "product", scene / "soc", scene / "map.tif", threads=1)


def read(path):
    with rasterio.open(path) as source:
        return source.read(1), source.tags()


def test_the_map_is_the_prediction_of_the_model_without_the_pixels_of_the_masks(scene, made):
    values, tags = read(made.path)
    cube = open_cube(scene / "product", drop_nm=[], keep=list(COUNTS)).values
    masked = np.logical_or.reduce(list(PLANTED.values()))
    expected = np.full(SHAPE, np.nan)
    expected[~masked] = trained(scene / "again").predict_rows(cube[:, ~masked].T)[:, 0]
    np.testing.assert_allclose(values, expected, rtol=1e-4)
    text = ", ".join(f"{name} {count}" for name, count in COUNTS.items())
    assert tags["GEOSOIL_MASKED"] == text
    assert f"pixels left out by masks of the product: {text}; --keep NAME keeps those of one" in made.notes


@pytest.mark.parametrize("options", [{"block": 13, "threads": 2}])
def test_neither_masks_nor_counts_depend_on_how_the_map_is_cut(scene, made, tmp_path, options):
    again = map_cube(scene / "product", scene / "soc", tmp_path / "map.tif", **options)
    (values, tags), (expected, tags_expected) = read(again.path), read(made.path)
    np.testing.assert_array_equal(values, expected)
    assert tags["GEOSOIL_MASKED"] == tags_expected["GEOSOIL_MASKED"]


def test_a_map_that_was_stopped_is_resumed_with_the_same_masks_only(scene, made, tmp_path):
    def stop(_, done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    path = tmp_path / "map.tif"
    with pytest.raises(KeyboardInterrupt):
        map_cube(scene / "product", scene / "soc", path, block=16, threads=1, progress=stop)
    with pytest.raises(OutputError, match=r'an earlier run with keep = not given; expected keep = "water"; discard it'):
        map_cube(scene / "product", scene / "soc", path, block=16, mode="resume", keep=["water"])
    again = map_cube(scene / "product", scene / "soc", path, mode="resume")
    assert any("blocks" in note for note in again.notes)
    np.testing.assert_array_equal(read(path)[0], read(made.path)[0])
    assert read(path)[1]["GEOSOIL_MASKED"] == read(made.path)[1]["GEOSOIL_MASKED"]


def test_a_map_out_of_a_zip_or_of_the_named_image_is_the_same(scene, made, tmp_path):
    with zipfile.ZipFile(tmp_path / "scene.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in (scene / "product").iterdir():
            archive.write(file, f"{NAME}/{file.name}")
    for name, cube in (("a", tmp_path / "scene.zip"), ("b", scene / "product" / f"{NAME}-SPECTRAL_IMAGE.TIF")):
        map_cube(cube, scene / "soc", tmp_path / f"{name}.tif", threads=2)
        np.testing.assert_array_equal(read(tmp_path / f"{name}.tif")[0], read(made.path)[0])
    with serving(tmp_path) as (address, _):
        map_cube(f"{address}/scene.zip?signature=c2VjcmV0", scene / "soc", tmp_path / "c.tif", threads=2, block=17)
    values, tags = read(tmp_path / "c.tif")
    np.testing.assert_array_equal(values, read(made.path)[0])
    assert "c2VjcmV0" not in str(tags)


def test_a_changed_file_beside_the_named_image_is_another_input(scene, tmp_path):
    shutil.copytree(scene / "product", tmp_path / "p")
    image = tmp_path / "p" / f"{NAME}-SPECTRAL_IMAGE.TIF"
    before = prepare_cube(image, scene / "soc", tmp_path / "m.tif").identity.sha256
    with rasterio.open(tmp_path / "p" / f"{NAME}-QL_QUALITY_SNOW.TIF", "r+") as layer:
        layer.write(np.ones((1, *SHAPE), np.uint8))
    assert prepare_cube(image, scene / "soc", tmp_path / "m.tif").identity.sha256 != before


def test_the_command_line_keeps_a_mask_and_reports_the_others(scene, made, tmp_path, geosoil):
    done = geosoil(
        "map", "--cube", scene / "product", "--model", scene / "soc", "-o", tmp_path / "m.tif",
        "--keep", "water", "--keep", "snow", "--threads", "1",
    )  # fmt: skip
    assert done.code == 0
    assert f"pixels left out by masks of the product: cloud {COUNTS['cloud']}, cloud_shadow" in done.out
    values, tags = read(tmp_path / "m.tif")
    assert tags["GEOSOIL_KEEP"] == "water,snow" and "water" not in tags["GEOSOIL_MASKED"]
    assert np.isfinite(values).sum() - np.isfinite(read(made.path)[0]).sum() == COUNTS["water"] + COUNTS["snow"]
    wrong = geosoil("map", "--cube", scene / "product", "--model", scene / "soc", "--keep", "clouds")
    assert wrong.code == 2 and "found keep clouds; expected names of masks: cloud, cloud_shadow" in wrong.err
    described = geosoil("info", scene / "product", "--keep", "water")
    assert "left out pixels of the masks cloud, cloud_shadow, cirrus, haze, snow, background" in described.out


def test_the_memory_of_a_block_counts_the_masks(scene, tmp_path):
    with_masks = prepare_cube(scene / "product", scene / "soc", tmp_path / "a.tif").job
    without = prepare_cube(scene / "product", scene / "soc", tmp_path / "a.tif", keep=list(COUNTS)).job
    assert with_masks.source.encoding[MASK_BYTES] == 16 and MASK_BYTES not in without.source.encoding
    assert with_masks.working_bytes((100, 100)) - without.working_bytes((100, 100)) == 16 * 100 * 100
    assert plan_map(with_masks, threads=1, block=32).expected_bytes > 0


def test_bits_are_counted_once_for_layers_with_the_same_name(tmp_path):
    with rasterio.open(
        tmp_path / "flags.tif", "w", driver="GTiff", width=4, height=2, count=1, dtype="uint16", nodata=1,
        transform=rasterio.Affine(30, 0, 0, 0, -30, 0),
    ) as made:  # fmt: skip
        made.write(np.array([[[0, 1, 2, 3], [8, 10, 65535, 4]]], np.uint16))
    flags = open_raster(tmp_path / "flags.tif", nodata=float("nan"))
    layers = [
        MaskLayer("cloud", flags, Bits((1, 3))),
        MaskLayer("cloud", flags, (1, 2)),
        MaskLayer("snow", flags, (4,)),
    ]
    assert count_masked(layers) == {"cloud": 6, "snow": 1}
    assert layers[0].excludes(slice(0, 2), slice(0, 4)).tolist() == [
        [False, False, True, True],
        [True, True, True, False],
    ]
