"""A map of covariates on disk: bands by depth, any order and grid of the files, halos, masks, one quicklook for all."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.env import get_gdal_config, set_gdal_config
from small_cube import save_trained_model, write_cube
from small_stack import read, save_covariate_model, trained_on, write_covariates
from written_rasters import TRANSFORM, write_raster

from geosoil.errors import ModelFileError
from geosoil.io.rasters import cog
from geosoil.io.rasters import dataset_cache as handles
from geosoil.io.rasters.stack import open_stack
from geosoil.models.contract import Feature, Target, predictions_of
from geosoil.raster.grid import Grid
from geosoil.report.map_figures import map_panels_figure
from geosoil.workflows.map import map_covariates, map_cube


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map_covariates")
    save_covariate_model(folder / "soc", trained_on(write_covariates(folder)))
    return folder


@pytest.fixture(scope="module")
def paths(folder):
    return [folder / name for name in ("slope.tif", "twi.tif", "landform.tif")]


@dataclass(frozen=True)
class Layers:
    """The mean of the 3 x 3 cells around, and twice it: two depths with a halo."""

    features: tuple[Feature, ...] = (Feature("twi"),)
    targets: tuple[Target, ...] = (Target("SOC 0-5 cm", "%"), Target("SOC 5-15 cm", "%"))
    halo: int = 1
    bytes_per_pixel: int = 0
    gpu_support: ClassVar = {}
    outputs = predictions_of(targets)

    def predict(self, block, outputs=None):
        height, width = block.shape[1] - 2, block.shape[2] - 2
        mean = sum(block[0, i : i + height, j : j + width] for i in range(3) for j in range(3)) / 9
        return np.stack([mean, 2 * mean])


def test_a_map_is_what_the_model_says_of_the_stack(folder, paths):
    result = map_covariates(paths, folder / "soc", folder / "a.tif", threads=2)
    stack = open_stack(paths).values
    expected = stack[1] + 2 * (stack[2] == 3)
    expected[np.isnan(stack).any(axis=0)] = np.nan
    np.testing.assert_allclose(read(result.path)[0], expected, atol=1e-3)
    with rasterio.open(result.path) as source:
        assert source.descriptions == ("soc_pct",)
        assert source.tags()["GEOSOIL_COVARIATES"] == "slope.tif; twi.tif; landform.tif"
        assert "twi.tif: EPSG:32633, 15 m -> EPSG:32633, 30 m by average" in source.tags()["GEOSOIL_NOTES"]


def test_the_map_does_not_depend_on_the_order_of_files_blocks_or_threads(folder, paths):
    first = read(map_covariates(paths, folder / "soc", folder / "b.tif", block=17, threads=3).path)
    turned = map_covariates(paths[::-1], folder / "soc", folder / "c.tif", like=paths[0], threads=1)
    np.testing.assert_array_equal(first, read(turned.path))


def test_depths_are_bands_with_units_and_one_quicklook_and_halos_are_reflected(folder, paths, monkeypatch):
    monkeypatch.setattr("geosoil.mapping.inputs.load_model", lambda *_: Layers())
    result = map_covariates([paths[1]], folder / "soc", folder / "depths.tif", like=paths[0], block=16)
    twi = np.pad(open_stack(paths[1], like=paths[0]).values[0], 1, mode="symmetric")
    mean = np.mean([twi[i : i + 60, j : j + 80] for i in range(3) for j in range(3)], axis=0)
    np.testing.assert_allclose(read(result.path), [mean, 2 * mean], rtol=1e-5)
    with rasterio.open(result.path) as source:
        assert source.descriptions == ("SOC 0-5 cm", "SOC 5-15 cm")
        assert source.units == ("%", "%")
    assert result.style is not None
    assert result.quicklook.stat().st_size > 10_000
    assert [line[:11].rstrip() for line in result.summary().splitlines()[1:3]] == ["SOC 0-5 cm", "SOC 5-15 cm"]


def test_a_mask_of_another_grid_is_brought_to_the_maps(folder, paths):
    halves = np.array([[[1, 0], [1, 1]]], "uint8")
    coarse = write_raster(folder / "mask.tif", halves, transform=Affine(1200, 0, TRANSFORM.c, 0, -900, TRANSFORM.f))
    result = map_covariates(paths, folder / "soc", folder / "masked.tif", mask=coarse)
    values = read(result.path)[0]
    assert np.isnan(values[:30, 40:]).all()
    assert np.isfinite(values[30:]).mean() > 0.99
    assert "mask.tif: resampled to the grid of the map by nearest" in result.notes


def test_a_map_on_another_grid_than_at_training_says_so(folder, paths, tmp_path):
    save_covariate_model(tmp_path / "soc", trained_on(paths), Grid.of(open_stack(paths)))
    same = map_covariates(paths, tmp_path / "soc", tmp_path / "same.tif")
    assert not any("trained at" in note for note in same.notes)
    finer = map_covariates(paths, tmp_path / "soc", tmp_path / "finer.tif", like=paths[1])
    assert "trained at EPSG:32633, 30 m, mapped at EPSG:32633, 15 m" in finer.notes
    with rasterio.open(finer.path) as source:
        assert "trained at EPSG:32633, 30 m" in source.tags()["GEOSOIL_NOTES"]


@pytest.mark.skipif(not handles._CACHE, reason="GDAL_CACHEMAX is set: geosoil leaves it alone")
@pytest.mark.parametrize("threads", [1, 3])
def test_gdals_cache_is_bounded_while_a_map_is_written_and_read_back(folder, paths, tmp_path, monkeypatch, threads):
    before, own, seen = get_gdal_config("GDAL_CACHEMAX"), 999 * 2**20, set()

    def look(*_):
        seen.add(get_gdal_config("GDAL_CACHEMAX"))

    for module, name in ((cog, "compute_statistics"), (cog, "_copy_to_cog")):
        work = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, work=work, **k: (look(), work(*a, **k))[1])
    set_gdal_config("GDAL_CACHEMAX", own)
    try:
        map_covariates(paths, folder / "soc", tmp_path / "a.tif", block=20, threads=threads, progress=look)
        assert seen == {handles.CACHE_BYTES}
        assert get_gdal_config("GDAL_CACHEMAX") == own
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


def test_a_model_of_a_cube_and_one_of_covariates_are_not_mixed_up(folder, paths, tmp_path):
    save_trained_model(tmp_path / "share")
    write_cube(tmp_path / "cube.tif")
    with pytest.raises(ModelFileError, match=r"share: found a model of reflectance; .*give its input with --cube"):
        map_covariates(paths, tmp_path / "share", tmp_path / "x.tif")
    with pytest.raises(ModelFileError, match=r"soc: found a model of covariates; .*give its input with --covariates"):
        map_cube(tmp_path / "cube.tif", folder / "soc", tmp_path / "x.tif")
    assert not (tmp_path / "x.tif").exists()


def test_panels_of_depths_share_one_colour_scale():
    panels = {f"{k} cm": np.full((4, 6), float(k)) for k in range(5)}
    figure = map_panels_figure(panels, title="SOC", unit="%", low=1, high=3)
    images = [image for axes in figure.axes for image in axes.get_images()]
    assert {image.get_clim() for image in images} == {(1.0, 3.0)}
    assert len(images) == 5
