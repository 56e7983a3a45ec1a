"""What a newcomer runs first works from a checkout, and says where to look."""

import numpy as np
import pytest
import rasterio
from affine import Affine

from geosoil.errors import OutputError
from geosoil.io.rasters.cog import write_cog
from geosoil.raster.layout import make_raster
from geosoil.studies.demo import read_beside_truth
from geosoil.studies.recipe import study_of
from geosoil.studies.registry import DEMOS, STUDIES, recipe_template, run_demo
from geosoil.workflows.map import MapResult


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least_r2", "names"),
    [
        ("gf5", 0.7, ("as_mg_kg",)),
        ("soc", 0.6, tuple(f"SOC {layer} cm" for layer in ("0-5", "5-15", "15-30", "30-60", "60-100", "100-200"))),
    ],
)
def test_the_demo_maps_the_sample_data_close_to_the_truth(name, least_r2, names, tmp_path):
    result = run_demo(name, tmp_path)
    assert result.truth["R2"] >= least_r2
    with rasterio.open(result.mapped.path) as source:
        assert source.descriptions == names
    assert result.report.is_file()
    assert str(result.report) in result.summary()


@pytest.mark.parametrize("name", DEMOS)
@pytest.mark.parametrize("place", ["/proc/x", "file", "file/x"])
def test_a_demo_that_could_not_be_written_is_refused_at_once(name, place, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="expected a writable folder"):
        run_demo(name, tmp_path / place)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_commented_recipe_of_its_own(name, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_template(name))
    assert study_of(path, list(STUDIES.values())) == STUDIES[name]


@pytest.fixture
def two_layers(tmp_path):
    """A map of two layers with a gap, and its truth with the layers the other way round and one band more."""

    def written(name, bands):
        raster = make_raster(
            np.array(list(bands.values()), np.float32).reshape(len(bands), 2, 2),
            names=list(bands), crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 60),
        )  # fmt: skip
        return write_cog(raster, tmp_path / name)

    cog = written("map.tif", {"top": [1, 2, 3, np.nan], "deep": [5, 6, 7, np.nan]})
    written("truth.tif", {"deep": [50, 60, 70, 80], "bare": [1, 0, 1, 1], "top": [10, 20, 30, 40]})
    return MapResult(cog.path, None, None, cog, ()), tmp_path / "truth.tif"


def test_the_truth_is_found_by_name_and_counts_where_the_map_has_values(two_layers):
    top, deep = read_beside_truth(*two_layers)
    assert [pair.tolist() for pair in deep.pairs()] == [[50, 60, 70], [5, 6, 7]]
    assert np.isnan(top.true[1, 1])
    assert top.extent == (0, 60, 0, 60)


def test_the_truth_counts_only_where_one_of_its_bands_says_so(two_layers):
    top, _ = read_beside_truth(*two_layers, where="bare")
    assert [pair.tolist() for pair in top.pairs()] == [[10, 30], [1, 3]]
    assert top.true[1, 1] == 40  # drawn, though the map has nothing there
    assert [caption for caption, _ in top.draw("SOC", "%")] == ["SOC, mapped.", "SOC, true."]
