"""A raster without a grid is refused by one line that names what places it and the remedy, in every verb."""

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from scipy.io import netcdf_file
from small_cube import write_cube
from written_rasters import write_raster

import geosoil as package
from geosoil.errors import RasterError, WavelengthError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack

ROWS, COLUMNS, BANDS = 6, 5, 8
WITH_POINTS = r"found 4 ground control points \(GCPs\) and no geotransform; .*`gdalwarp -tps -t_srs EPSG:32633"
WITH_ARRAYS = r"found a geolocation array .*; expected pixels on a grid; .*`gdalwarp -geoloc -t_srs EPSG:4326"


def write_points_only(path, values):
    """Write a raster that four ground control points place, as Sentinel-1 GRD is."""
    count, height, width = values.shape
    points = [
        GroundControlPoint(row, column, 400_000 + 30 * column, 5_400_000 - 30 * row)
        for row in (0, height)
        for column in (0, width)
    ]
    profile = {"driver": "GTiff", "dtype": values.dtype, "crs": "EPSG:32633", "gcps": points}
    with rasterio.open(path, "w", width=width, height=height, count=count, **profile) as made:
        made.write(values)
    return path


def write_swath(path):
    """Write a netCDF file as EMIT has it: bands are the last axis, and arrays hold the place of each pixel."""
    with netcdf_file(path, "w") as made:
        for name, size in (("downtrack", ROWS), ("crosstrack", COLUMNS), ("bands", BANDS)):
            made.createDimension(name, size)
        reflectance = made.createVariable("reflectance", "f4", ("downtrack", "crosstrack", "bands"))
        reflectance[:] = np.random.default_rng(0).random((ROWS, COLUMNS, BANDS))
        reflectance.coordinates = "lon lat"
        rows, columns = np.mgrid[:ROWS, :COLUMNS] * 0.0005
        for name, unit, values in (("lon", "degrees_east", columns - 118), ("lat", "degrees_north", 37 - rows)):
            place = made.createVariable(name, "f8", ("downtrack", "crosstrack"))
            place[:], place.units = values, unit
    return f"NETCDF:{path}:reflectance"


@pytest.fixture
def points_only(tmp_path):
    return write_points_only(tmp_path / "s1.tif", np.ones((1, 8, 9), np.float32))


def test_a_raster_of_ground_control_points_is_refused_as_covariate_in_any_order(tmp_path, points_only):
    base = write_raster(tmp_path / "base.tif", np.ones((1, 8, 9), np.float32))
    for paths in ([base, points_only], [points_only, base], [points_only]):
        with pytest.raises(RasterError, match=WITH_POINTS):
            open_stack(paths)


@pytest.mark.parametrize("verb", ["info", "map", "covariates", "terrain", "check", "init", "predict"])
def test_every_verb_names_the_points_and_the_remedy(tmp_path, monkeypatch, geosoil, verb):
    monkeypatch.chdir(tmp_path)
    with rasterio.open(write_cube(tmp_path / "upright.tif")) as source:
        write_points_only(tmp_path / "cube.tif", source.read())
    (tmp_path / "points.csv").write_text("id,x,y,soc\na,400050,5399950,1.0\nb,400080,5399920,2.0\n")
    words = {
        "info": ["info", "cube.tif"],
        "map": ["map", "--cube", "cube.tif", "--model", "as_svr", "-o", "m.tif"],
        "covariates": ["map", "--covariates", "cube.tif", "--model", "as_svr", "-o", "m.tif"],
        "terrain": ["terrain", "cube.tif", "-o", "t.tif"],
        "check": ["check", "--cube", "cube.tif", "--model", "as_svr"],
        "init": ["init", "cube", "--cube", "cube.tif", "--samples", "points.csv", "--target", "soc", "--unit", "%"],
        "predict": ["predict", "points.csv", "--cube", "cube.tif", "--model", "as_svr", "-o", "p.csv"],
    }[verb]
    before = sorted(tmp_path.iterdir())
    code, line, _ = geosoil(*words)
    assert code == 2
    assert line.count("\n") == 1
    if verb == "covariates":
        assert "give its input with --cube" in line  # as the model reads a cube
    else:
        assert "ground control points (GCPs)" in line
        assert "gdalwarp -tps" in line
    assert sorted(tmp_path.iterdir()) == before


def test_a_swath_with_geolocation_arrays_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(RasterError, match=WITH_ARRAYS):
        open_raster(write_swath(tmp_path / "emit.nc"))


def test_info_and_map_agree_on_a_swath(tmp_path, geosoil):
    name = write_swath(tmp_path / "emit.nc")
    lines = {
        geosoil("info", name)[1],
        geosoil("map", "--cube", name, "--model", "as_svr", "-o", tmp_path / "m.tif")[1],
    }
    assert len(lines) == 1
    assert "gdalwarp -geoloc" in lines.pop()


def test_points_beside_a_geotransform_do_not_matter(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((1, 2, 2), np.float32))
    with rasterio.open(path, "r+") as made:
        made.update_tags(ns="GEOLOCATION", X_DATASET="lon.tif", Y_DATASET="lat.tif")
    assert open_raster(path).shape == (1, 2, 2)


def test_bands_as_the_last_axis_are_recognised_by_the_table_of_bands(tmp_path):
    path = write_raster(tmp_path / "turned.tif", np.ones((3, 4, 7), np.float32))
    (tmp_path / "bands.csv").write_text("centre_nm\n" + "\n".join(str(500 + 10 * k) for k in range(7)))
    with pytest.raises(WavelengthError, match=r"3 bands of 4 x 7 pixels.*stored as another axis.*transpose=\[2,0,1\]"):
        package.open_cube(path, band_table=tmp_path / "bands.csv")
