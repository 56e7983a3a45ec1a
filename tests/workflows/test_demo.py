"""What a newcomer runs first works, and its truth is compared where it should be."""

import shutil

import numpy as np
import pytest
import rasterio
from affine import Affine

from geosoil.errors import OutputError
from geosoil.io.rasters.cog import write_cog
from geosoil.raster.layout import make_raster
from geosoil.samples import covariates
from geosoil.workflows import demo
from geosoil.workflows.demo import DEMOS, read_beside_truth, run_demo, sample_data
from geosoil.workflows.map_result import MapResult
from geosoil_cli.demo import NAMES

SHORTER = {
    "gf5": [("n_folds = 5", "n_folds = 2"), ("n_repeats = 2", "n_repeats = 1")],
    "soc": [
        ("n_folds = 5", "n_folds = 2"),
        ("forest = {", "transfer_cnn = { epochs = 25, fine_tuning_epochs = 12 }\nforest = {"),
    ],
}


@pytest.fixture
def shorter(tmp_path, monkeypatch):
    """Make demos validate on two folds in this process, train for a quarter of the epochs, and plant fewer trees.

    The map of gf5 is that of the recipe as it is; benchmarks/soc_truth.py trains the networks in full.
    """

    def folder(name):
        copied = shutil.copytree(sample_data(name), tmp_path / "shorter" / name)
        for recipe in copied.glob("*.toml"):
            text = recipe.read_text()
            for old, new in [*SHORTER[name], ("[validation]", "[validation]\nprocesses = 1")]:
                assert text.count(old) == 1
                text = text.replace(old, new)
            recipe.write_text(text)
        return copied

    folders = {name: folder(name) for name in SHORTER}
    monkeypatch.setattr(demo, "sample_data", folders.__getitem__)
    monkeypatch.setattr(covariates, "N_TREES", 20)  # in the choice of covariates


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least_r2", "names"),
    [
        ("gf5", 0.7, ("as_mg_kg",)),
        ("soc", 0.6, tuple(f"soc_g_kg {layer} cm" for layer in ("0-5", "5-15", "15-30", "30-60", "60-100", "100-200"))),
    ],
)
def test_the_demo_maps_the_sample_data_close_to_the_truth(name, least_r2, names, tmp_path, shorter):
    result = run_demo(name, tmp_path)
    assert result.truth["R2"] >= least_r2
    with rasterio.open(result.mapped.path) as source:
        assert source.descriptions == names
    assert result.report.is_file()
    assert str(result.report) in result.summary()


def test_the_command_line_offers_every_demo():
    assert tuple(DEMOS) == NAMES


@pytest.mark.parametrize("name", DEMOS)
@pytest.mark.parametrize("place", ["/proc/x", "file", "file/x"])
def test_a_demo_that_could_not_be_written_is_refused_at_once(name, place, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected a writable folder"):
        run_demo(name, tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.fixture
def two_layers(tmp_path):
    """A map of two layers with a gap, and its truth with the layers in the other order and one more band."""

    def written(name, bands):
        raster = make_raster(
            np.array(list(bands.values()), np.float32).reshape(len(bands), 2, 2),
            names=list(bands), crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 60),
        )  # fmt: skip
        return write_cog(raster, tmp_path / name)

    cog = written("map.tif", {"soc 0-5 cm": [1, 2, 3, np.nan], "soc 5-15 cm": [5, 6, 7, np.nan]})
    written("truth.tif", {"SOC 5-15 cm": [50, 60, 70, 80], "bare": [1, 0, 1, 1], "SOC 0-5 cm": [10, 20, 30, 40]})
    return MapResult(cog.path, None, None, None, cog, ()), tmp_path / "truth.tif"


def test_the_truth_is_found_by_name_and_compared_where_the_map_has_values(two_layers):
    top, deep = read_beside_truth(*two_layers, title=("soc", "SOC"))
    assert [pair.tolist() for pair in deep.pairs()] == [[50, 60, 70], [5, 6, 7]]
    assert np.isnan(top.true[1, 1])
    assert top.extent == (0, 60, 0, 60)


def test_the_truth_is_compared_only_where_a_band_of_it_is_one(two_layers):
    top, _ = read_beside_truth(*two_layers, where="bare", title=("soc", "SOC"))
    assert [pair.tolist() for pair in top.pairs()] == [[10, 30], [1, 3]]
    assert top.true[1, 1] == 40
    assert [caption for caption, _ in top.draw("SOC", "%")] == ["SOC, mapped.", "SOC, true."]
