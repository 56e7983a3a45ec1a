"""The stream network: cells above a threshold, lines with order and length."""

import numpy as np
import pytest
from affine import Affine
from dems import dem_of, rough

from geosoil.errors import RasterError
from geosoil.terrain.flow import drain
from geosoil.terrain.stack import terrain_stack
from geosoil.terrain.streams import default_stream_area_m2, stream_cells, stream_lines


def y_valley():
    """Two valleys that run down and meet in one: a Y, on 21 x 21 cells of 10 m."""
    rows, columns = np.mgrid[:21, :21]
    fork = np.where(rows < 10, 10 - rows, 0)
    across = np.minimum(np.abs(columns - (10 - fork)), np.abs(columns - (10 + fork)))
    return dem_of(200 + 8.0 * across - 3.0 * rows)


def network(dem, area_m2):
    drainage = drain(dem)
    cells = stream_cells(drainage, area_m2)
    return drainage, cells, stream_lines(drainage, cells)


def test_two_heads_meet_in_a_stream_of_order_two():
    _, cells, lines = network(y_valley(), 1500)
    assert sorted(lines["strahler_order"]) == [1, 1, 2]
    main = lines[lines["strahler_order"] == 2].iloc[0]
    assert main.length_m == pytest.approx(100.0)  # ten cells straight down
    (x0, y0), (x1, y1) = main.geometry.coords[0], main.geometry.coords[-1]
    assert (x0, x1) == (500_105.0, 500_105.0)
    assert y0 > y1  # downstream
    assert cells.values[0, 15, 10] == 1
    assert cells.values[0, 15, 15] == 0


def test_length_is_that_of_the_line_on_a_grid_in_metres():
    _, _, lines = network(rough(), 3000)
    assert len(lines) > 5
    np.testing.assert_allclose(lines["length_m"], lines.geometry.length)


def test_every_stream_cell_lies_on_a_line_and_only_these():
    drainage, cells, lines = network(rough(hole=np.s_[10:14, 20:30]), 3000)
    x, y = lines.geometry.get_coordinates().to_numpy().T
    rows, columns = drainage.grid.rows_columns(x, y)
    on_lines = np.zeros(cells.shape[1:], bool)
    on_lines[rows, columns] = True
    alone = (cells.values[0] == 1) & ~on_lines
    assert not (on_lines & (cells.values[0] != 1)).any()
    assert (drainage.directions[alone] == -1).all()  # a single cell at the edge makes no line


def test_a_dem_that_no_stream_reaches_gives_an_empty_table():
    _, cells, lines = network(rough(), 1e9)
    assert len(lines) == 0
    assert {"strahler_order", "length_m"} <= set(lines.columns)
    assert (cells.values == 0).all()


def test_a_stream_of_one_cell_at_the_edge_makes_no_line():
    plane = dem_of(-np.arange(9.0)[:, None] - np.abs(np.arange(-2.0, 3)), cell_m=1.0)
    outlet = drain(plane).areas("d8")[0].max()
    for dem, area_m2 in ((plane, outlet), (dem_of([[1.0]]), 1)):
        _, cells, lines = network(dem, area_m2)
        assert (cells.values == 1).any()
        assert len(lines) == 0


@pytest.mark.parametrize("area_m2", [0, -1, float("nan")])
def test_a_stream_begins_where_an_area_above_0_drains(area_m2):
    with pytest.raises(RasterError, match="m2 where a stream begins; expected an area above 0"):
        terrain_stack(rough(), stream_area_m2=area_m2)


def test_lines_in_degrees_are_measured_in_metres():
    transform = Affine(0.0001, 0, 10, 0, -0.0001, 60.00105)
    drainage = drain(dem_of(y_valley().values[0], crs="EPSG:4326", transform=transform), degrees="scale")
    lines = stream_lines(drainage, stream_cells(drainage, 1000))
    main = lines[lines["strahler_order"] == 2].iloc[0]
    assert main.length_m == pytest.approx(111.4, rel=0.01)


def test_streams_begin_at_a_square_kilometre_or_a_hundredth_of_a_small_dem():
    assert default_stream_area_m2(drain(dem_of(np.zeros((10, 10)), cell_m=10))) == pytest.approx(100)
    assert default_stream_area_m2(drain(dem_of(np.zeros((10, 10)), cell_m=2000))) == 1e6
