"""All covariates at once: finite on flats, equal for any block, NaN where there is no data."""

import numpy as np
import pytest
from dems import dem_of, rough
from shared_material import shared

from geosoil.errors import GridError
from geosoil.io.rasters.reader import open_raster
from geosoil.terrain.flow import drain
from geosoil.terrain.stack import UNITS, terrain_stack


def test_the_stack_never_depends_on_the_block_size():
    drainage = drain(rough(hole=np.s_[10:14, 20:30]))
    np.testing.assert_array_equal(terrain_stack(drainage, block=9).values, terrain_stack(drainage, block=64).values)


def test_no_data_stays_no_data_in_every_band():
    dem = rough(hole=np.s_[10:14, 20:30])
    stack = terrain_stack(dem)
    assert stack["band"].values.tolist() == list(UNITS)
    assert np.isnan(stack.values[:, np.isnan(dem.values[0])]).all()
    others = stack.sel(band=[name for name in UNITS if name != "aspect_deg"]).values
    assert np.isfinite(others[:, ~np.isnan(dem.values[0])]).all()


@pytest.mark.parametrize("ls", ["moore", "desmet_govers", "boehner_selige"])
def test_a_flat_dem_makes_no_infinities(ls):
    stack = terrain_stack(dem_of(np.full((12, 12), 3.0)), ls=ls)
    finite = stack.sel(band=[name for name in UNITS if name != "aspect_deg"])
    assert np.isfinite(finite.values).all()
    assert np.isnan(stack.sel(band="aspect_deg")).all()


def test_wetness_of_a_plane_is_known():
    x = np.tile(np.arange(30) * 10.0, (9, 1))
    stack = terrain_stack(dem_of(100 - 0.1 * x), flow="d8")
    columns = np.arange(1, 29)
    expected = np.log(columns * 10.0 / 0.1)
    np.testing.assert_allclose(stack.sel(band="twi").values[4, 1:-1], expected, rtol=1e-4)


def test_the_ls_factor_of_desmet_and_govers_takes_the_area_at_the_inlet():
    from geosoil.terrain.ls_factor import ls_desmet_govers

    x = np.tile(np.arange(30) * 10.0, (9, 1))
    dem = dem_of(100 - 0.1 * x)
    columns, steep = np.arange(1, 29), np.arctan(0.1)
    paper = terrain_stack(dem, flow="d8").sel(band="ls_factor").values[4, 1:-1]
    expected = ls_desmet_govers((columns - 1) * 100.0, steep, 10.0, 90.0)
    np.testing.assert_allclose(paper, expected, rtol=1e-4)
    # On a plane without convergence the whole slope has the L of its length: sum of the cells' L = n x its mean L.
    m = np.log(expected[1] / expected[0] + 1) / np.log(2) - 1
    np.testing.assert_allclose(expected.cumsum() / expected[0], columns ** (m + 1), rtol=1e-6)
    saga = terrain_stack(dem, flow="d8", ls_convention="saga").sel(band="ls_factor").values[4, 1:-1]
    assert (saga[1:] < paper[1:]).all()  # a specific area is smaller than an area, and has no cell to take off


def test_a_stack_in_degrees_equals_one_in_metres_near_the_equator():
    from affine import Affine

    from geosoil.terrain.cells import cell_sizes

    heights = rough((30, 30)).values[0]
    step = 1 / 3600
    dem = dem_of(heights, crs="EPSG:4326", transform=Affine(step, 0, 20, 0, -step, 15 * step))
    sizes = cell_sizes(dem, degrees="scale")
    metric = Affine(sizes.width_m[15], 0, 5e5, 0, -sizes.height_m[15], 0)
    scaled = terrain_stack(dem, degrees="scale", stream_area_m2=5555.0).values
    expected = terrain_stack(dem_of(heights, transform=metric), stream_area_m2=5555.0).values
    np.testing.assert_allclose(scaled, expected, rtol=2e-3, atol=2e-3)


def test_a_z_factor_makes_heights_metres_everywhere():
    dem = rough()
    tenfold = dem_of(dem.values[0] * 10)
    np.testing.assert_allclose(
        terrain_stack(tenfold, z_factor=0.1).values, terrain_stack(dem).values, rtol=2e-3, atol=2e-3
    )


def test_choices_that_do_not_exist_are_refused():
    for wrong in ({"ls": "renard"}, {"ls_convention": "grass"}, {"flow": "dinf"}):
        with pytest.raises(ValueError, match="expected"):
            terrain_stack(rough(), **wrong)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_a_single_row_or_column_is_refused(shape):
    with pytest.raises(GridError, match=f"{shape[0]} x {shape[1]} cells; expected at least 2 x 2"):
        terrain_stack(dem_of(np.ones(shape)))
    assert np.isfinite(terrain_stack(dem_of([[1, 2], [3, 5]])).values).all()


def test_a_real_flat_dem_drains_and_stays_finite():
    drainage = drain(open_raster(shared("data/rasters/dem/nl_dem_30m.tif")), z_factor=0.1)
    assert drainage.filled_share > 0.2
    stack = terrain_stack(drainage)
    finite = stack.sel(band=[name for name in UNITS if name != "aspect_deg"]).values
    assert np.isfinite(finite).all()
    _, leaving_m2 = drainage.areas("mfd")
    assert leaving_m2 == pytest.approx(256 * 256 * 900, rel=1e-9)
