"""Terrain equals SAGA 8.5.0, GRASS 8.2.1 and terra 1.7-3 on the golden DEM (12.5 m cells), within their float32."""

import numpy as np
import pytest
from dems import dem_of
from shared_material import shared

from geosoil.terrain.flow import catchment_area, fill_sinks
from geosoil.terrain.ls_factor import ls_boehner_selige, ls_desmet_govers, ls_moore
from geosoil.terrain.slope import aspect, aspect_deg, gradient, slope, slope_rad
from geosoil.terrain.stack import terrain_stack
from geosoil.terrain.wetness import specific_catchment_area, wetness_index

CELL_M = 12.5
INSIDE = np.s_[1:-1, 1:-1]
ONE_CELL = np.array([[CELL_M]])


def golden(name):
    return np.genfromtxt(shared(f"golden/terrain/{name}.csv"), delimiter=",")


def heights(name):
    return np.loadtxt(shared(f"golden/inputs/{name}.asc"), skiprows=6)


def as_dem(values):
    return dem_of(values, cell_m=CELL_M)


@pytest.fixture(scope="module")
def filled():
    """The DEM that all saga_filled_* were computed from."""
    return as_dem(golden("saga_dem_filled_wangliu_0.1deg"))


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("saga_dem_slope_deg_zevenbergen_thorne", "zevenbergen_thorne"),
        ("saga_dem_slope_deg_horn", "horn"),
        ("grass_dem_slope_deg_horn", "horn"),
        ("terra_dem_slope_deg_horn", "horn"),
    ],
)
def test_slope_equals(name, method):
    own = slope(as_dem(heights("dem")), method).values[0]
    assert np.abs(own - golden(name))[INSIDE].max() < 2e-4


@pytest.mark.parametrize(("name", "tolerance"), [("grass_plane", 1e-7), ("terra_plane", 1e-9)])
def test_the_slope_of_a_plane_equals(name, tolerance):
    padded = np.pad(heights("plane"), 1, constant_values=np.nan)
    own = np.rad2deg(slope_rad(*gradient(padded, ONE_CELL, ONE_CELL, "horn")))
    assert np.abs(own - golden(f"{name}_slope_deg_horn"))[INSIDE].max() < tolerance


@pytest.mark.parametrize(
    ("name", "method", "source", "tolerance"),
    [
        ("saga_dem_aspect_deg_zevenbergen_thorne", "zevenbergen_thorne", "dem", 0.02),
        ("grass_dem_aspect_deg_north_cw", "horn", "dem", 0.02),
        ("grass_plane_aspect_deg_north_cw", "horn", "plane", 1e-4),
    ],
)
def test_aspect_equals(name, method, source, tolerance):
    own = aspect(as_dem(heights(source)), method).values[0]
    apart = np.abs((own - golden(name) + 180) % 360 - 180)
    assert apart[INSIDE].max() < tolerance


def test_filling_with_a_least_slope_equals_wang_and_liu_of_saga(filled):
    own = fill_sinks(as_dem(heights("dem")), min_slope_deg=0.1)
    np.testing.assert_allclose(own.values, filled.values, rtol=0, atol=1e-4)
    assert (own.values > heights("dem").astype("float32") + 0.01).any()  # the golden DEM has sinks


@pytest.mark.parametrize(("flow", "name"), [("d8", "saga_filled_tca_d8"), ("mfd", "saga_filled_tca_mfd1.1")])
def test_catchment_area_equals(filled, flow, name):
    np.testing.assert_allclose(catchment_area(filled, flow).values[0], golden(name), rtol=1e-4)


def test_specific_catchment_area_equals():
    facing = np.rad2deg(golden("saga_filled_aspect_rad_zevenbergen_thorne"))
    width_m = 1 / specific_catchment_area(np.ones_like(facing), facing, CELL_M, CELL_M)
    np.testing.assert_allclose(width_m, golden("saga_filled_flow_width_aspect"), rtol=1e-4)
    own = specific_catchment_area(golden("saga_filled_tca_mfd1.1"), facing, CELL_M, CELL_M)
    np.testing.assert_allclose(own, golden("saga_filled_sca_mfd"), rtol=1e-4)


def test_wetness_equals():
    own = wetness_index(golden("saga_filled_sca_mfd"), golden("saga_filled_slope_rad_zevenbergen_thorne"))
    np.testing.assert_allclose(own, golden("saga_filled_twi"), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("moore", ls_moore),
        ("desmet_govers", lambda area_m, steep: ls_desmet_govers(area_m, steep, CELL_M)),
        ("boehner_selige", ls_boehner_selige),
    ],
)
def test_the_ls_factor_equals(name, formula):
    own = formula(golden("saga_filled_sca_mfd"), golden("saga_filled_slope_rad_zevenbergen_thorne"))
    np.testing.assert_allclose(own, golden(f"saga_filled_ls_{name}"), rtol=1e-5)


@pytest.mark.parametrize(
    ("band", "settings", "name"),
    [
        ("twi", {}, "saga_filled_twi"),
        ("ls_factor", {"ls": "moore"}, "saga_filled_ls_moore"),
        ("ls_factor", {"ls": "boehner_selige"}, "saga_filled_ls_boehner_selige"),
        ("ls_factor", {"ls": "desmet_govers", "ls_convention": "saga"}, "saga_filled_ls_desmet_govers"),
    ],
)
def test_the_stack_does_what_sagas_chain_of_tools_does(filled, band, settings, name):
    own = terrain_stack(filled, slope_method="zevenbergen_thorne", **settings).sel(band=band).values
    np.testing.assert_allclose(own, golden(name), rtol=5e-4)


@pytest.mark.parametrize(("band", "name"), [("twi", "saga_bta_dem_twi"), ("ls_factor", "saga_bta_dem_ls")])
def test_the_stack_agrees_with_sagas_basic_terrain_analysis_which_fills_by_its_own_rule(filled, band, name):
    own = terrain_stack(filled, slope_method="zevenbergen_thorne", ls="moore").sel(band=band).values
    assert np.median(np.abs(own - golden(name))) < 1e-4


def test_aspect_of_the_filled_dem_equals_also_along_the_edges(filled):
    padded = np.pad(filled.values[0], 1, constant_values=np.nan)
    row, column = gradient(padded, ONE_CELL, ONE_CELL, "zevenbergen_thorne")
    apart = aspect_deg(row, -column) - np.rad2deg(golden("saga_filled_aspect_rad_zevenbergen_thorne"))
    assert np.abs((apart + 180) % 360 - 180).max() < 0.02


def test_the_hunter_valley_reference_slope_is_zevenbergen_and_thornes():
    from geosoil.io.rasters.reader import open_raster

    dem = open_raster(shared("data/rasters/dem/hunter_valley_dem_25m.tif"))
    reference = open_raster(shared("data/rasters/dem/hunter_valley_slope_deg_ref_25m.tif")).values[0]
    apart = np.abs(slope(dem, "zevenbergen_thorne").values[0] - reference)
    assert np.nanmedian(apart) < 0.0011  # their GIS added 0.001 degrees, so that no cell is flat
    assert np.nanpercentile(apart, 99) < 0.0011
