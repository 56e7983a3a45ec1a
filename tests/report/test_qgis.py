"""The QGIS style: well-formed, with the map's limits, colours and unit."""

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

from geosoil.errors import OutputError
from geosoil.io.rasters.statistics import BandStatistics
from geosoil.models.contract import Output
from geosoil.report.qgis import BandStyle, write_style
from geosoil.report.qgis_metadata import LayerMetadata, write_metadata
from geosoil.report.qgis_rasters import (
    attribution_styles,
    map_styles,
    pooled_statistics,
    terrain_styles,
    trust_styles,
)


def styled(folder, **changes):
    options = {"band": 1, "name": "soc", "unit": "%", "low": 0.25, "high": 4.25} | changes
    return ElementTree.parse(write_style(folder / "map.tif", BandStyle(**options))).getroot()


def statistics(name, low, high, unit="%", count=100):
    """Statistics of a band whose percentiles are a tenth of the range inside its ends."""
    inner = (high - low) / 10
    return BandStatistics(name, unit, low, high, (low + high) / 2, 1.0, low + inner, high - inner, count)


def test_the_style_stands_beside_the_map_under_its_name(tmp_path):
    assert write_style(tmp_path / "soc_2020.tif", BandStyle(1, "soc", "%")) == tmp_path / "soc_2020.qml"
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
    root = styled(tmp_path, name='clay <2 µm> & "fine"', unit='g kg⁻¹ <"&">')
    legend = root.find(".//rampLegendSettings")
    assert legend.get("prefix") == ""  # QGIS prints the name of the band that is shown
    assert legend.get("suffix") == ' g kg⁻¹ <"&">'
    assert root.find(".//item").get("label") == '0.25 g kg⁻¹ <"&">'


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


def test_the_legend_shows_that_values_lie_beyond_its_ends(tmp_path):
    root = styled(tmp_path, below=True, above=True)
    legend, items = root.find(".//rampLegendSettings"), root.findall(".//item")
    assert (legend.get("minimumLabel"), legend.get("maximumLabel")) == ("≤ 0.25 %", "≥ 4.25 %")
    assert (items[0].get("label"), items[-1].get("label")) == ("≤ 0.25 %", "≥ 4.25 %")
    legend = styled(tmp_path).find(".//rampLegendSettings")
    assert (legend.get("minimumLabel"), legend.get("maximumLabel")) == ("", "")


def test_depths_of_one_property_have_common_colours_and_another_unit_has_its_limits():
    bands = [statistics("soc_0_5", 0, 10), statistics("soc_100_200", 0, 2), statistics("ph", 4, 8, unit="")]
    outputs = [Output(band.name, band.unit) for band in bands]
    top, deep, ph = map_styles(bands, outputs)
    assert (top.low, top.high) == (deep.low, deep.high) == (0.2, 9.0)
    assert (top.band, deep.band) == (1, 2)
    assert (ph.low, ph.high) == (4.4, 7.6)
    assert deep.above and deep.below  # of all depths together
    several = map_styles(bands, outputs, n_models=2)
    assert several[1].high == 1.8  # a model may predict anything


def test_a_spread_does_not_share_the_limits_of_the_prediction():
    bands = [statistics("soc", 0, 10), statistics("soc_spread", 0, 1)]
    outputs = [Output("soc", "%"), Output("soc_spread", "%", "spread")]
    prediction, spread = map_styles(bands, outputs)
    assert (prediction.high, spread.high) == (9.0, 0.9)
    assert prediction.ramp != spread.ramp


def test_a_trust_map_shows_first_where_the_model_does_not_apply():
    names = ("soc lower", "soc upper", "dissimilarity", "density", "inside")
    bands = [statistics(name, 0, k + 1.0) for k, name in enumerate(names)]
    styles, first = trust_styles(bands)
    assert styles[first].name == "inside"
    assert styles[first].classes[0][2] > 0 == styles[first].classes[1][2]  # inside is clear: the map below is seen
    assert (styles[0].low, styles[0].high) == (styles[1].low, styles[1].high) == (0.1, 1.8)
    assert trust_styles(bands[:4])[1] == 0


def test_attributions_have_common_colours_around_zero_and_the_prediction_its_limits():
    bands = [statistics("visible", -1, 3), statistics("near infrared", -2, 1), statistics("prediction", 0, 50)]
    styles, first = attribution_styles(bands, 2, 1)
    assert first == 1
    assert [(style.low, style.high) for style in styles] == [(-2.6, 2.6), (-2.6, 2.6), (5.0, 45.0)]


def test_terrain_has_heights_first_directions_in_a_circle_and_streams_as_lines():
    bands = [statistics("slope_deg", 0, 30, "deg"), statistics("aspect_deg", 3, 350, "deg"),
             statistics("filled_dem_m", 100, 300, "m"), statistics("catchment_area_m2", 900, 9e6, "m2"),
             statistics("plan_curvature_1_m", -0.1, 0.3, "1/m"), statistics("stream", 0, 1, "")]  # fmt: skip
    styles, first = terrain_styles(bands)
    assert bands[first].name == "filled_dem_m"
    of = {style.name: style for style in styles}
    assert (of["aspect_deg"].low, of["aspect_deg"].high, of["aspect_deg"].ramp) == (0, 360, "twilight")
    assert of["catchment_area_m2"].scale == "log"
    assert of["plan_curvature_1_m"].low == -of["plan_curvature_1_m"].high
    assert of["stream"].classes[0][2] == 0 < of["stream"].classes[1][2]


def test_a_logarithmic_scale_has_equal_ratios_and_a_legend_of_its_values(tmp_path):
    root = styled(tmp_path, low=1.0, high=1e4, scale="log")
    values = [float(item.get("value")) for item in root.findall(".//item")]
    np.testing.assert_allclose(np.divide(values[1:], values[:-1]), 10**0.5)
    assert root.find(".//rampLegendSettings").get("useContinuousLegend") == "0"
    assert [item.get("label") for item in root.findall(".//item")][-1] == "10000 %"


def test_scenes_of_one_run_share_their_limits_and_an_empty_scene_does_not_change_them():
    scenes = [[statistics("soc", 0, 10)], [statistics("soc", 5, 30)], [statistics("soc", np.nan, np.nan, count=0)]]
    (pooled,) = pooled_statistics(scenes)
    assert (pooled.minimum, pooled.p2, pooled.p98, pooled.maximum, pooled.valid_count) == (0, 1, 27.5, 30, 200)


def test_classes_are_a_palette_with_opacities(tmp_path):
    root = styled(tmp_path, band=5, classes={0: ("outside", "#c0392b", 170), 1: ("inside", "#ffffff", 0)})
    renderer = root.find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "5")
    assert [entry.get("alpha") for entry in renderer.findall("colorPalette/paletteEntry")] == ["170", "0"]


def test_metadata_has_title_abstract_licence_author_and_time(tmp_path):
    metadata = LayerMetadata("soc <1>", ("Map & more.", "error ± 2 %"), ("soil",), "CC-BY-4.0", "A. N. Other",
                             ("made",), "2021-05-04T03:02:01Z")  # fmt: skip
    root = ElementTree.parse(write_metadata(tmp_path / "soc.tif", metadata)).getroot()
    assert (root.findtext("title"), root.findtext("license")) == ("soc <1>", "CC-BY-4.0")
    assert root.findtext("abstract") == "Map & more.\nerror ± 2 %"
    assert root.findtext("contact/name") == "A. N. Other"
    assert root.findtext("extent/temporal/period/start") == "2021-05-04T03:02:01Z"
    assert LayerMetadata("soc", ()).licence_text == "not stated"
