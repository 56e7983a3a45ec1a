"""What a newcomer runs first works from a checkout, and says where to look."""

import pytest
import rasterio

from geosoil.studies.catalogue import STUDIES, recipe_template, run_demo
from geosoil.studies.recipe import study_of


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


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_has_a_commented_recipe_of_its_own(name, tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_template(name))
    assert study_of(path, list(STUDIES.values())) == STUDIES[name]
