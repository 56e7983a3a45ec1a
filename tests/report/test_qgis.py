"""The QGIS style: well-formed, with the map's limits, colours and unit."""

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from geosoil.errors import OutputError
from geosoil.report.qgis import write_qml


def styled(folder, **changes):
    options = {"band_name": "soc", "unit": "%", "low": 0.25, "high": 4.25} | changes
    return ElementTree.parse(write_qml(folder / "map.tif", **options)).getroot()


def test_the_style_stands_beside_the_map_under_its_name(tmp_path):
    assert write_qml(tmp_path / "soc_2020.tif", band_name="soc", unit="%", low=0, high=1) == tmp_path / "soc_2020.qml"
    assert [path.name for path in tmp_path.iterdir()] == ["soc_2020.qml"]
    assert (tmp_path / "soc_2020.qml").read_text("utf-8").startswith("<!DOCTYPE qgis PUBLIC")


def test_the_renderer_colours_the_first_band_between_the_limits_and_leaves_no_data_transparent(tmp_path):
    renderer = styled(tmp_path).find("pipe/rasterrenderer")
    assert renderer.get("type") == "singlebandpseudocolor"
    assert (renderer.get("band"), renderer.get("nodataColor"), renderer.get("alphaBand")) == ("1", "", "-1")
    assert (float(renderer.get("classificationMin")), float(renderer.get("classificationMax"))) == (0.25, 4.25)
    assert renderer.find("minMaxOrigin/limits").text == "None"


def test_items_are_even_steps_of_viridis_labelled_with_the_unit(tmp_path):
    items = styled(tmp_path).findall(".//colorrampshader/item")
    np.testing.assert_allclose([float(item.get("value")) for item in items], np.linspace(0.25, 4.25, 9))
    assert (items[0].get("color"), items[-1].get("color")) == ("#440154", "#fde725")  # as published with viridis
    assert [item.get("label") for item in items][:2] == ["0.25 %", "0.75 %"]
    assert {item.get("alpha") for item in items} == {"255"}


def test_colours_grow_lighter_all_along_the_ramp(tmp_path):
    for ramp in ("viridis", "cividis", "magma"):
        colours = [item.get("color") for item in styled(tmp_path, ramp=ramp).findall(".//item")]
        light = [np.dot([0.2126, 0.7152, 0.0722], [int(c[k : k + 2], 16) for k in (1, 3, 5)]) for c in colours]
        assert all(a < b for a, b in pairwise(light))


def test_the_gradient_repeats_the_items(tmp_path):
    shader = styled(tmp_path).find(".//colorrampshader")
    options = {option.get("name"): option.get("value") for option in shader.findall("colorramp/Option/Option")}
    assert options["color1"] == "68,1,84,255"
    stops = [stop.split(";") for stop in options["stops"].split(":")]
    np.testing.assert_allclose([float(position) for position, _ in stops], np.arange(1, 8) / 8)
    middle = shader.findall("item")[4].get("color")
    assert stops[3][1] == ",".join(str(int(middle[k : k + 2], 16)) for k in (1, 3, 5)) + ",255"


def test_names_and_units_of_any_kind_stay_well_formed(tmp_path):
    root = styled(tmp_path, band_name='clay <2 µm> & "fine"', unit="g kg⁻¹")
    legend = root.find(".//rampLegendSettings")
    assert legend.get("prefix") == 'clay <2 µm> & "fine" '
    assert legend.get("suffix") == " g kg⁻¹"
    assert root.find(".//item").get("label") == "0.25 g kg⁻¹"


def test_a_band_without_unit_has_bare_numbers(tmp_path):
    assert styled(tmp_path, unit="").find(".//item").get("label") == "0.25"


def test_a_map_of_one_value_has_a_style_too(tmp_path):
    values = [float(item.get("value")) for item in styled(tmp_path, low=3, high=3).findall(".//item")]
    assert values[0] < 3 < values[-1]


@pytest.mark.parametrize("wrong", [{"low": np.nan}, {"high": np.inf}, {"ramp": "no-such-ramp"}])
def test_limits_and_ramps_that_make_no_sense_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="expected"):
        styled(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        styled(tmp_path / "absent")
