"""The reports of explain, terrain and correlate: the first sentences answer, and warn what could mislead."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from geosoil.evaluate.correlate import WHOLE
from geosoil.explain.explanation import Explanation
from geosoil.explain.tables import window_table
from geosoil.explain.windows import windows_of
from geosoil.io.rasters.statistics import BandStatistics
from geosoil.models.contract import Feature
from geosoil.report.correlation_sections import answers, correlation_sections, opposite_zones
from geosoil.report.explanation_sections import raster_sections, samples_sections
from geosoil.report.figure_style import new_figure
from geosoil.report.terrain_sections import terrain_sections


@pytest.fixture
def explanation():
    """Two windows: the second one adds 3 and -3 to the mean of 10, the first one 1 and -1."""
    features = [Feature("a", 400.25), Feature("b", 410.75), Feature("c", 2200.0), Feature("d", 2210.25)]
    windows = windows_of(features, np.array([0, 0, 1, 1]))
    values = np.array([[1.0, 3.0], [-1.0, -3.0]])
    return Explanation(values, windows, np.arange(2), np.array([14.0, 6.0]), 10.0, 4.0, "linear", "som", ("exact",))


def summary_of(explanation):
    table = window_table(explanation, np.full(2, ""))
    return samples_sections({"m": (explanation, table, "g/kg")}, new_figure(1.0))[0]


def test_the_summary_of_an_explanation_names_the_largest_window_first_and_its_share(explanation):
    summary = summary_of(explanation)
    assert summary.text[0].startswith("m: som depends most on 2200 to 2210 nm (75 %")
    assert summary.text[1].startswith("1 of 2 spectral windows carries half")
    assert "10.0 g/kg" in summary.text[2] and "by 4.00 g/kg" in summary.text[2]
    assert summary.warnings == []


def test_an_explanation_of_a_logarithm_gives_it_no_unit_of_the_target(explanation):
    assert "g/kg" not in summary_of(replace(explanation, quantity="ln(som)")).text[2]


def test_an_explanation_that_does_not_add_up_is_a_warning(explanation):
    [warning] = summary_of(replace(explanation, predicted=np.array([14.5, 6.0]))).warnings
    assert "do not add up" in warning and "12.5%" in warning


def test_attributions_that_cancel_each_other_are_a_warning(explanation):
    values = np.array([[-29.0, 30.0], [29.0, -30.0]])
    [warning] = summary_of(replace(explanation, values=values, predicted=np.array([11.0, 9.0]))).warnings
    assert "2200 to 2210 nm are 30 times as large" in warning and "cancel" in warning


def test_the_page_of_pixels_states_what_was_done_and_warns_first(explanation):
    table = window_table(explanation, np.full(2, ""))
    sections = raster_sections(
        explanation, table, "g/kg", new_figure(1.0), remarks=["2 pixels explained"], warnings=["Strange."]
    )
    assert sections[0].warnings == ["Strange."]
    assert "2 pixels explained." in sections[-1].text


def relief(raised_share, voids=(), streams=3):
    bands = [
        BandStatistics("slope_deg", "deg", 0.0, 30.0, 8.0, 3.0, 1.0, 16.0, 90),
        BandStatistics("filled_dem_m", "m", 100.0, 300.0, 200.0, 40.0, 110.0, 290.0, 90),
    ]
    return terrain_sections(
        bands, new_figure(1.0), dem="dem.tif", shape=(10, 9), stream_count=streams, stream_length_m=1500.0,
        raised_share=raised_share, settings="Methods: horn", notes=["sinks"], voids=voids,
    )[0]  # fmt: skip


def test_the_summary_of_terrain_states_heights_slope_and_streams():
    summary = relief(0.01)
    assert summary.text[0] == "dem.tif: 10 x 9 cells, of which 90 have a height, from 100 to 300 m."
    assert summary.text[1] == "The slope is 8.0 degrees on average; 98 % of the cells are below 16.0."
    assert summary.text[2] == "Streams: 3 lines of 1.50 km in all."
    assert summary.warnings == []


def test_many_raised_cells_and_voids_that_the_file_does_not_state_are_warnings():
    raised, void = relief(0.4, voids=["5 cells of exactly -9999 were left out"]).warnings[::-1]
    assert raised.startswith("40 % of the cells were raised")
    assert void == "5 cells of exactly -9999 were left out."


def correlations(*rows):
    columns = ["property", "zone", "factor", "n", "pearson_r", "spearman_r"]
    return pd.DataFrame([("som", zone, factor, 90, r, r) for zone, factor, r in rows], columns=columns)


def test_the_summary_of_correlations_names_the_largest_one_whatever_its_sign():
    text = answers(correlations((WHOLE, "twi", 0.4), (WHOLE, "slope_deg", -0.7)))
    assert text[0] == "som is most closely related to slope_deg: r = -0.70 (Spearman -0.70) over 90 pixels."
    assert text[1] == "Then follow twi (r = 0.40)."
    assert "only weakly related" in answers(correlations((WHOLE, "twi", 0.2)))[0]


def test_opposite_relations_in_two_zones_are_a_warning():
    table = correlations((WHOLE, "twi", 0.0), ("east", "twi", 0.5), ("west", "twi", -0.5), ("west", "ls_factor", 0.3))
    [warning] = opposite_zones(table)
    assert warning.startswith("twi is related in opposite directions: r = 0.50 in east, -0.50 in west")
    assert opposite_zones(correlations(("east", "twi", 0.5), ("west", "twi", -0.05))) == []


def test_correlations_that_do_not_exist_leave_a_page_that_reports_it():
    summary, *_ = correlation_sections(correlations((WHOLE, "twi", np.nan)), new_figure(1.0), notes=[])
    assert summary.text == ["som has no correlation with any factor: its pixels or those of the factors do not vary."]
