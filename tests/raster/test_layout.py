import dask.array
import numpy as np
import pytest
import xarray as xr
from written_rasters import TRANSFORM, UTM

from geosoil.errors import RasterError
from geosoil.raster.layout import check_raster, make_raster


def test_a_numpy_array_is_dressed_without_being_copied():
    values = np.zeros((2, 3, 4), np.float32)
    raster = make_raster(values, names=["a", "b"], crs=UTM, transform=TRANSFORM, units="reflectance")
    values[1, 2, 3] = 7
    assert raster.values[1, 2, 3] == 7
    assert raster.rio.crs.to_epsg() == 32633
    assert raster.attrs["units"] == "reflectance"


def test_a_dask_array_stays_lazy_and_selection_keeps_the_files_blocks():
    def fail(block):
        raise AssertionError("computed")

    lazy = dask.array.zeros((2, 3, 4), dtype=np.float32).map_blocks(
        fail, dtype=np.float32, meta=np.empty((0, 0, 0), "f4")
    )
    raster = make_raster(lazy, names=["a", "b"], crs=UTM, transform=TRANSFORM, wavelength_nm=[450, 900],
                         preferred_chunks={"y": 2, "x": 2})  # fmt: skip
    chosen = raster.sel(band=["b"])
    assert chosen.wavelength_nm.values.tolist() == [900.0]
    assert chosen.encoding["preferred_chunks"] == {"y": 2, "x": 2}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda raster: raster.astype("float64"), "float64"),
        (lambda raster: raster.transpose("y", "x", "band"), "dimensions"),
        (lambda raster: raster.assign_coords(band=["a", "a"]), "2 bands named 'a'"),
        (lambda raster: raster.drop_vars("band"), "without names"),
        (lambda raster: raster[:, :0], "empty"),
    ],
)
def test_what_is_no_raster_is_named(change, said):
    raster = make_raster(np.zeros((2, 3, 4), np.float32), names=["a", "b"], crs=None, transform=TRANSFORM)
    with pytest.raises(RasterError, match=said):
        check_raster(change(raster))


def test_names_and_wavelengths_must_be_one_a_band():
    with pytest.raises(RasterError, match="band of 1 bands"):
        make_raster(np.zeros((2, 3, 4), np.float32), names=["a"], crs=None, transform=TRANSFORM)
    with pytest.raises(RasterError, match="wavelength_nm of 3 bands"):
        make_raster(np.zeros((2, 3, 4), np.float32), names="ab", crs=None, transform=TRANSFORM, wavelength_nm=[1, 2, 3])


def test_a_raster_is_what_xarray_calls_a_data_array():
    assert isinstance(
        make_raster(np.zeros((1, 1, 1), np.float32), names="a", crs=None, transform=TRANSFORM), xr.DataArray
    )
