"""Figures: what is drawn is what was given, and nothing that was not measured."""

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from shared_material import shared
from written_rasters import write_raster

from geosoil.io.rasters.statistics import BandStatistics
from geosoil.report.depth_figures import density_figure
from geosoil.report.figure_style import NAMED_COLOURS, save_figure
from geosoil.report.map_figures import map_figure
from geosoil.report.quicklooks import map_quicklook
from geosoil.report.spectra_figures import break_at_gaps, loss_variants_figure, selected_bands_figure, spectra_figure
from geosoil.report.training_figures import loss_figure
from geosoil.report.validation_figures import predicted_measured_figure, rmse_change_figure

RNG = np.random.default_rng(0)


def gf5_wavelengths():
    nm = pd.read_csv(shared("data/rasters/gf5_ahsi_bands.csv"))["centre_nm"].to_numpy()
    return nm[~(((nm >= 1342) & (nm <= 1451)) | ((nm >= 1771) & (nm <= 1977)))]


def drawn_lines(axes):
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def test_lines_break_at_dropped_water_windows_and_where_detectors_overlap():
    nm = gf5_wavelengths()
    x, y = break_at_gaps(nm, np.ones(nm.size))
    breaks = np.flatnonzero(np.isnan(y))
    assert x.size == nm.size + 3  # one overlap of detectors, two water windows
    before = x[breaks - 1]
    assert before[0] == pytest.approx(1029, abs=1)
    assert 1330 < before[1] < 1342
    assert 1760 < before[2] < 1771


@pytest.mark.parametrize("nm", [[400, 410, 420, 430], [430, 420, 410, 400], [400, 500], [400], []])
def test_lines_without_gaps_stay_whole(nm):
    x, _ = break_at_gaps(nm, np.ones(len(nm)))
    np.testing.assert_array_equal(x, nm)


def test_the_spectra_figure_draws_mean_band_and_correlation_of_every_group():
    nm = np.arange(400.0, 2500, 100)
    groups = {name: RNG.random((50, nm.size)) for name in ("satellite", "laboratory", "generated")}
    r = {name: RNG.uniform(-1, 1, nm.size) for name in groups}
    figure = spectra_figure(nm, groups, correlations=r, title="Spectra", target="SOC")
    top, bottom = figure.axes
    lines = drawn_lines(top)
    assert list(lines) == [f"{name} (n = 50)" for name in groups]
    np.testing.assert_allclose(lines["generated (n = 50)"].get_ydata(), groups["generated"].mean(axis=0))
    outline = top.collections[1].get_paths()[0].vertices[:, 1]
    assert outline.max() == pytest.approx(np.percentile(groups["laboratory"], 95, axis=0).max())
    assert outline.min() == pytest.approx(np.percentile(groups["laboratory"], 5, axis=0).min())
    np.testing.assert_array_equal(drawn_lines(bottom)["satellite"].get_ydata(), r["satellite"])
    assert (top.get_ylabel(), bottom.get_xlabel()) == ("reflectance", "wavelength (nm)")
    assert bottom.get_ylabel() == "correlation r with SOC"


def test_a_group_has_one_colour_in_all_panels_and_its_own_line_style():
    nm = np.arange(400.0, 900, 100)
    groups = {name: RNG.random((5, 5)) for name in ("laboratory", "satellite", "a", "b")}
    figure = spectra_figure(nm, groups, correlations=dict.fromkeys(groups, np.zeros(5)))
    top, bottom = (list(drawn_lines(axes).values()) for axes in figure.axes)
    assert [line.get_color() for line in top] == [line.get_color() for line in bottom]
    assert [line.get_color() for line in top][:2] == [NAMED_COLOURS["laboratory"], NAMED_COLOURS["satellite"]]
    assert len({line.get_color() for line in top}) == len({line.get_linestyle() for line in top}) == 4


def test_bands_without_any_value_are_left_blank_and_warn_of_nothing():
    spectra = np.ones((4, 5))
    spectra[:, 2] = np.nan
    figure = spectra_figure([1, 2, 3, 4, 5], {"laboratory": spectra})
    line = drawn_lines(figure.axes[0])["laboratory (n = 4)"]
    np.testing.assert_array_equal(np.isnan(line.get_ydata()), [False, False, True, False, False])


def test_the_map_has_its_limits_unit_and_grey_no_data():
    values = np.array([[1.0, np.nan], [3.0, 9.0]])
    figure = map_figure(
        values, title="SOC", unit="%", low=1, high=4, extent=(0, 60, 0, 60), points=[[10, 10], [20, 30]]
    )
    axes, bar = figure.axes
    image = axes.images[0]
    assert image.get_clim() == (1, 4)
    assert image.get_array().mask.tolist() == [[False, True], [False, False]]
    assert to_hex(axes.get_facecolor()) == "#e6e6e6"
    assert bar.get_ylabel() == "%"
    assert image.colorbar.extend == "max"  # 9 lies beyond the scale, which the colour bar shows
    np.testing.assert_array_equal(axes.collections[0].get_offsets(), [[10, 10], [20, 30]])
    assert axes.get_xlabel() == "easting (m)"


@pytest.mark.parametrize("shape", [(1, 1), (5, 500), (500, 5)])
def test_a_map_of_any_shape_without_any_value_is_still_drawn(tmp_path, shape):
    save_figure(map_figure(np.full(shape, np.nan), title="empty", unit="%", low=0, high=1), tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 3000


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_every_model_has_its_panel_on_one_scale(count):
    panels = {f"model {k}": (RNG.random(9) * k, RNG.random(9)) for k in range(count)}
    figure = predicted_measured_figure(panels, unit="%", name="SOC", texts={"model 0": "R² 0.5"})
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == list(panels)
    assert len({axes.get_xlim() for axes in shown} | {axes.get_ylim() for axes in shown}) == 1
    assert [text.get_text() for text in shown[0].texts] == ["R² 0.5"]
    assert shown[-1].get_xlabel() == "measured SOC (%)"
    for axes, (observed, predicted) in zip(shown, panels.values(), strict=True):
        np.testing.assert_array_equal(axes.collections[0].get_offsets(), np.column_stack([observed, predicted]))
        np.testing.assert_array_equal(*axes.lines[0].get_data())  # the 1:1 line


def test_selected_bands_are_ticks_at_their_wavelengths():
    nm = np.arange(400.0, 900, 50)
    masks = {"CARS": nm < 520, "all": nm > 0}
    top, bottom = selected_bands_figure(nm, np.linspace(0, 1, nm.size), masks).axes
    np.testing.assert_array_equal(top.lines[0].get_ydata(), np.linspace(0, 1, nm.size))
    ticks = [[segment[0, 0] for segment in rows.get_segments()] for rows in bottom.collections]
    assert ticks == [[400, 450, 500], nm.tolist()]
    assert [label.get_text() for label in bottom.get_yticklabels()] == ["CARS (3)", "all (10)"]


def test_losses_start_at_epoch_one_and_are_logarithmic_only_where_that_helps():
    axes = loss_figure({"total": [100.0, 10, 1], "KL": [3.0, 2, 1]}).axes[0]
    np.testing.assert_array_equal(drawn_lines(axes)["KL"].get_xdata(), [1, 2, 3])
    assert axes.get_yscale() == "log"
    assert loss_figure({"total": [3.0, 2, 1]}).axes[0].get_yscale() == "linear"
    assert loss_figure({"total": [100.0, 0, 1]}).axes[0].get_yscale() == "linear"


def test_variants_of_the_loss_share_a_scale_and_show_the_reference():
    nm = np.arange(400.0, 900, 100)
    panels = {name: RNG.random((6, 5)) for name in ("MMD", "SAD", "both")}
    figure = loss_variants_figure(nm, panels, reference=("laboratory", np.ones((3, 5))))
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(panels)
    assert len({axes.get_ylim() for axes in figure.axes}) == 1
    for axes in figure.axes:
        assert list(drawn_lines(axes)) == ["laboratory (n = 3)", "generated (n = 6)"]


def test_figures_leave_nothing_behind_in_pyplot():
    import matplotlib.pyplot as plt

    figure = map_figure(np.eye(2), title="a", unit="%", low=0, high=1)
    assert isinstance(figure, Figure)
    assert plt.get_fignums() == []


def test_the_axis_of_rmse_changes_holds_every_repeat_down_to_minus_100_percent():
    for repeats in ([5.0, 60.0], [-60.0, 3.0], [-900.0, 20.0]):
        axes = rmse_change_figure({"MBL": repeats}, reference="PLSR").axes[0]
        low, high = axes.get_xlim()
        assert low < max(min(repeats), -99) and high > max(repeats)
        assert low >= -100


def test_curves_of_density_extend_beyond_the_values_on_both_sides():
    values = np.linspace(1, 9, 30)
    line = drawn_lines(density_figure(values, {}, unit="%", levels=1).axes[0])["measured"]
    x, density = line.get_data()
    assert x[0] == pytest.approx(1 - 0.2 * 8) and x[-1] == pytest.approx(9 + 0.2 * 8)
    assert density.argmax() not in (0, len(x) - 1)


def test_the_map_of_folds_names_untested_samples_only_where_there_are_some():
    from geosoil.report.validation_figures import folds_figure

    xy = np.array([[703000.0, 4785000.0], [703100.0, 4785100.0], [703200.0, 4785050.0]])
    for folds, labels in (([0, 1, 1], ["fold 1", "fold 2"]), ([0, -1, 1], ["not tested", "fold 1", "fold 2"])):
        (axes,) = folds_figure(xy, np.array(folds)).axes
        assert [text.get_text() for text in axes.get_legend().get_texts()] == labels


def test_a_map_of_a_model_that_is_named_like_its_band_has_the_name_once(tmp_path):
    path = write_raster(
        tmp_path / "zn.tif", np.ones((1, 4, 4), np.float32), crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 0)
    )
    band = BandStatistics(
        name="zn", unit="mg/kg", valid_count=16, minimum=1.0, maximum=1.0, mean=1.0, std=0.0, p2=1.0, p98=2.0
    )
    titles = [map_quicklook(path, [band], [model]).axes[0].get_title(loc="left") for model in ("zn", "meuse")]
    assert titles == ["zn", "zn by meuse"]


@pytest.mark.parametrize(
    ("crs", "labels"),
    [
        ("EPSG:32633", ("easting (m)", "northing (m)")),
        ("EPSG:6529", ("easting (US survey ft)", "northing (US survey ft)")),
        ("EPSG:4326", ("longitude (degrees)", "latitude (degrees)")),
        ('LOCAL_CS["site",UNIT["metre",1]]', ("easting (m)", "northing (m)")),
    ],
)
def test_a_quicklook_has_the_unit_of_its_crs(tmp_path, crs, labels):
    (axes, _) = map_quicklook(*numbered_map(tmp_path, Affine(0.1, 0, 10, 0, -0.1, 50), crs), ["m"]).axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == labels


@pytest.mark.parametrize(
    "transform",
    [
        Affine(30, 0, 600_000, 0, -30, 5_800_000),
        Affine(30, 0, 600_000, 0, 30, 5_800_000),  # rows run to the north, as in climate grids
        Affine(27.2, -12.7, 600_000, -12.7, -27.2, 5_800_000),  # a flight line
    ],
)
def test_a_quicklook_shows_each_value_at_its_place(tmp_path, transform):
    path, bands = numbered_map(tmp_path, transform)
    axes = map_quicklook(path, bands, ["m"]).axes[0]
    left, right, bottom, top = axes.images[0].get_extent()
    assert left < right
    assert bottom < top
    assert not axes.yaxis_inverted()
    picture = axes.images[0].get_array()
    rows, columns = picture.shape
    for row, column in ((1, 1), (5, 9), (10, 17)):
        x, y = (
            transform.a * (column + 0.5) + transform.b * (row + 0.5) + transform.c,
            transform.d * (column + 0.5) + transform.e * (row + 0.5) + transform.f,
        )
        shown = picture[int((top - y) / (top - bottom) * rows), int((x - left) / (right - left) * columns)]
        assert abs(shown - (100 * row + column)) in (0, 1, 100, 101, 99)  # the pixel, or one beside it


def numbered_map(folder, transform, crs="EPSG:32633"):
    """Write a map of 12 x 20 pixels whose values are 100 x row + column, and return its path and statistics."""
    values = (100 * np.arange(12)[:, None] + np.arange(20)).astype(np.float32)
    path = write_raster(folder / "m.tif", values[None], crs=crs, transform=transform)
    statistics = {"minimum": 0.0, "maximum": 1119.0, "mean": 560.0, "std": 1.0, "p2": 0.0, "p98": 1119.0}
    return path, [BandStatistics(name="m", unit="", valid_count=240, **statistics)]
