"""What a fitted pipeline states about itself."""

from types import SimpleNamespace

import pytest

from geosoil.pipeline.fit import FittedPipeline


@pytest.mark.parametrize(
    ("name", "title"), [("zn_mg_kg", "zn_mg_kg"), ("meuse", "zn_mg_kg: meuse")], ids=["same name", "other name"]
)
def test_a_report_names_the_recipe_only_where_its_name_is_not_that_of_the_property(name: str, title: str) -> None:
    recipe = SimpleNamespace(name=name, target=[SimpleNamespace(name="zn_mg_kg")])
    loaded, nothing = SimpleNamespace(recipe=recipe), SimpleNamespace()
    assert FittedPipeline(loaded, nothing, nothing, nothing, ()).title == title  # type: ignore[arg-type]
