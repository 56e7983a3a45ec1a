"""The look of figures: what is shared says what it should, once."""

import html

import numpy as np
import pytest
import rasterio
from written_rasters import write_raster

from geosoil.report.figure_style import (
    NAMED_COLOURS,
    OTHER_COLOURS,
    colours_of,
    ends_beyond,
    panel_grid,
    read_shrunk,
    save_figure,
    style_panel,
)
from geosoil.report.page import Section, write_page
from geosoil.report.training_figures import learning_curves_figure, loss_figure


@pytest.mark.parametrize(
    ("count", "below", "left"), [(1, {0}, {0}), (3, {0, 1, 2}, {0}), (4, {2, 3}, {0, 2}), (5, {2, 3, 4}, {0, 3})]
)
def test_only_the_outer_panels_say_what_the_shared_axes_are(count, below, left):
    _, grid = panel_grid(count, square=False)
    for k in range(count):
        style_panel(grid, k, count, f"panel {k}", "x", "y")
    assert {k for k in range(count) if grid.flat[k].get_xlabel()} == below
    assert {k for k in range(count) if grid.flat[k].get_ylabel()} == left
    assert [axes.get_visible() for axes in grid.flat] == [k < count for k in range(grid.size)]


def test_a_known_thing_keeps_its_colour_and_others_take_the_rest_in_order():
    colours = colours_of(["PLSR", "satellite", "SVR", "PLSR"])
    assert (colours["PLSR"], colours["SVR"]) == OTHER_COLOURS[:2]
    assert colours["satellite"] == NAMED_COLOURS["satellite"]


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.0, 1.0], "neither"), ([-1, 0.5], "min"), ([np.nan, 2], "max"), ([-1, 2], "both"), ([np.nan], "neither")],
)
def test_a_colour_bar_points_where_values_lie_beyond_it(values, ends):
    assert ends_beyond(values, 0, 1) == ends


def test_a_saved_figure_is_a_png_of_150_dpi_and_800_pixels_wide_in_a_page(tmp_path):
    from matplotlib.image import imread

    figure = loss_figure({"total": [2.0, 1.0]})
    save_figure(figure, tmp_path / "loss.png")
    assert imread(tmp_path / "loss.png").shape[1] == 8 * 150
    assert figure.get_figwidth() * figure.dpi == 800
    assert [path.name for path in tmp_path.iterdir()] == ["loss.png"]


def test_a_quicklook_reads_a_raster_small_and_no_value_is_new(tmp_path):
    values = np.arange(2 * 40 * 60, dtype=np.float32).reshape(2, 40, 60)
    path = write_raster(tmp_path / "a.tif", values, transform=rasterio.Affine(10, 0, 100, 0, -10, 900))
    with rasterio.open(path) as source:
        small, extent = read_shrunk(source, 30)
        second, _ = read_shrunk(source, 1000, [2])
    assert small.shape == (2, 20, 30)
    assert np.isin(small, values).all()
    assert extent == (100, 700, 500, 900)
    np.testing.assert_array_equal(second, values[1:])


def test_names_with_dollar_signs_are_drawn_as_they_are(tmp_path):
    for name in ("price $ per $ kg", "$\\frac$", "a$b"):
        save_figure(learning_curves_figure({name: [([1.0, 0.5], [1.0, 0.7])]}), tmp_path / "curves.png")
        figure = loss_figure({name: [200.0, 1.0], "other": [3.0, 2.0]})
        page = write_page(tmp_path / "page.html", title=name, sections=[Section("losses", figures=[(name, figure)])])
        assert html.escape(name) in page.read_text()
        labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
        assert "100" in labels
        assert not any("$" in label for label in labels)
