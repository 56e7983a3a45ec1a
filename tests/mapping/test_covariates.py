"""Which covariates suit a model: by name, with the classes and in the range of training."""

import numpy as np
import pytest
from rasterio import Affine
from rasterio.crs import CRS
from small_stack import CLASSES, SHAPE, trained_on, write_covariates
from written_rasters import write_raster

from geosoil.errors import GridError, RasterError, UnitsError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack
from geosoil.mapping.covariates import compare_grids, match_covariates
from geosoil.models.card import GridCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.raster.grid import Grid


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("match")
    write_covariates(folder)
    return folder


@pytest.fixture(scope="module")
def paths(folder):
    return [folder / name for name in ("slope.tif", "twi.tif", "landform.tif")]


@pytest.fixture(scope="module")
def model(paths):
    return trained_on(paths)


def test_files_in_any_order_give_the_features_in_the_models_order(model, paths):
    matched = match_covariates(model, paths[::-1], like=paths[0])
    expected = open_stack(paths, classes=CLASSES).sel(band=[feature.name for feature in model.features])
    np.testing.assert_array_equal(matched.raster.values, expected.values)
    assert matched.notes == ("twi.tif: EPSG:32633, 15 m -> EPSG:32633, 30 m by average",)


def test_the_first_files_grid_is_taken_and_said(model, paths):
    matched = match_covariates(model, [paths[1], paths[0], paths[2]])
    assert matched.raster.shape[1:] == (2 * SHAPE[0], 2 * SHAPE[1])
    assert matched.notes == (
        "grid of twi.tif: EPSG:32633, 15 m, 120 x 160 pixels",
        "slope.tif: EPSG:32633, 30 m -> EPSG:32633, 15 m by bilinear",
        "landform.tif: EPSG:32633, 30 m -> EPSG:32633, 15 m by nearest (classes)",
        # Means of four cells vary less than the cells themselves.
        "of the sampled cells, outside the training range: twi 15 % (training 5.637 to 14.16)",
    )


def test_a_raster_in_memory_does_as_well(model, paths):
    raw = open_stack(paths).load()
    got = match_covariates(model, raw).raster.values
    np.testing.assert_array_equal(got, match_covariates(model, paths).raster.values)


def test_a_missing_covariate_is_named_with_names_like_it(model, paths, tmp_path):
    with pytest.raises(RasterError, match=r"slope.tif.*: found no covariate twi; expected the 5 covariates"):
        match_covariates(model, [paths[0], paths[2]])
    other = write_raster(tmp_path / "TWI.tif", open_raster(paths[0]).values)
    with pytest.raises(RasterError, match=r"no covariate twi;.*similar names are: TWI; add its file"):
        match_covariates(model, [paths[0], paths[2], other])
    with pytest.raises(RasterError, match=r"no covariate landform=1, landform=2, landform=3;"):
        match_covariates(model, paths[:2])


def test_a_class_not_in_the_table_or_without_samples_at_training_is_refused(model, paths, tmp_path):
    codes = open_raster(paths[2]).values
    codes[0, 50, 60] = 9
    other = write_raster(tmp_path / "landform.tif", np.nan_to_num(codes).astype("uint8"), nodata=0)
    with pytest.raises(RasterError, match=r"landform.tif: found class 9 in the band landform .* classes 1, 2, 3;"):
        match_covariates(model, [*paths[:2], other]).raster.values.sum()
    left_out = match_covariates(model, [*paths[:2], other], unseen="nodata").raster.sel(band="landform=2")
    assert np.isnan(left_out.values[50, 60])
    # The training table has a class 9 without samples, so the model knows nothing about it.
    unseen = Feature("landform=9", training_low=0.0, training_high=0.0)
    known = PixelModel(None, (*model.training_columns, unseen), model.targets)
    known.__dict__["features"] = known.training_columns
    with pytest.raises(RasterError, match="found class 9"):
        match_covariates(known, [*paths[:2], other]).raster.values.sum()
    whole = match_covariates(known, [*paths[:2], other], unseen="nodata").raster
    assert whole.sel(band="landform=9").values[3, 3] == 0


def test_a_class_that_a_selection_dropped_is_known(paths, model):
    kept = PixelModel(None, model.training_columns, model.targets)
    kept.__dict__["features"] = tuple(f for f in model.training_columns if f.name in ("twi", "landform=3"))
    values = match_covariates(kept, paths).raster.sel(band="landform=3").values
    assert np.isfinite(values).sum() == values.size - 1


@pytest.mark.parametrize(
    ("low", "high", "factor", "refused"),
    [
        (5.0, 15.0, 1.0, False),
        (5.0, 15.0, 100.0, True),  # percent instead of a fraction, cm instead of m
        (5.0, 15.0, 0.001, True),  # km instead of m: the range keeps away from zero
        (0.0, 40.0, 0.001, False),  # a plain in a model of hills: slopes are near zero
        (-1.0, 1.0, 10_000.0, True),
        (-0.01, 0.01, 1e-6, False),  # curvature of a plain
    ],
)
def test_a_covariate_in_another_unit_is_refused_and_a_flat_place_is_not(tmp_path, low, high, factor, refused):
    values = np.random.default_rng(0).uniform(low, high, (1, 50, 50)) * factor
    path = write_raster(tmp_path / "c.tif", values.astype("float32"))
    feature = Feature("c", training_low=low, training_high=high)
    model = PixelModel(None, (feature,), (Target("y", ""),))
    model.__dict__["features"] = (feature,)
    if refused:
        with pytest.raises(UnitsError, match=r"c.tif: found c around .*; expected values in the training range"):
            match_covariates(model, path)
    else:
        match_covariates(model, path)


def test_values_outside_the_training_range_are_counted(tmp_path):
    path = write_raster(tmp_path / "c.tif", np.linspace(0, 10, 1024, dtype="float32").reshape(1, 32, 32))
    feature = Feature("c", training_low=0.0, training_high=8.0)
    model = PixelModel(None, (feature,), (Target("y", ""),))
    model.__dict__["features"] = (feature,)
    assert match_covariates(model, path).notes == (
        "of the sampled cells, outside the training range: c 20 % (training 0 to 8)",
    )


def test_a_patch_larger_than_the_raster_and_a_stack_without_crs_are_refused(paths, tmp_path):
    class Patches:
        features = (Feature("slope"),)
        targets = (Target("y", ""),)
        halo = 30

    with pytest.raises(GridError, match="found a raster of 60 x 80 pixels; expected at least a patch of 61 x 61"):
        match_covariates(Patches(), paths[0])
    plain = write_raster(
        tmp_path / "slope.tif", np.ones((1, 9, 9), "float32"), crs=None, transform=Affine(1, 0, 0, 0, -1, 9)
    )
    with pytest.raises(GridError, match="found no CRS"):
        match_covariates(Patches(), plain)


@pytest.mark.parametrize(
    ("trained", "side", "patch", "note"),
    [
        (("EPSG:32755", 90), 90, 15, None),
        (("EPSG:32755", 90), 25, 1, "trained at EPSG:32755, 90 m, mapped at EPSG:32755, 25 m"),
        (
            ("EPSG:32755", 90),
            25,
            15,
            "trained at EPSG:32755, 90 m, mapped at EPSG:32755, 25 m: "
            "a patch of 15 x 15 pixels is 0.28 times as wide on the ground as at training",
        ),
        # Less than a tenth: said, but the patch is as good as the same.
        (("EPSG:32755", 90), 85, 15, "trained at EPSG:32755, 90 m, mapped at EPSG:32755, 85 m"),
        # The other side of the Earth: a zone's own CRS would say nothing of lengths there.
        (("EPSG:32633", 90), 90, 15, "trained at EPSG:32633, 90 m, mapped at EPSG:32755, 90 m"),
        # At 36 degrees S 0.001 degrees are 111 m by 90 m.
        (("EPSG:4326", 0.001), 100, 15, "trained at EPSG:4326, 0.001 degrees, mapped at EPSG:32755, 100 m"),
        (
            ("EPSG:4326", 0.001),
            50,
            15,
            "trained at EPSG:4326, 0.001 degrees, mapped at EPSG:32755, 50 m: "
            "a patch of 15 x 15 pixels is 0.5 times as wide on the ground as at training",
        ),
    ],
)
def test_another_grid_than_at_training_is_said_and_what_it_does_to_a_patch(trained, side, patch, note):
    crs, resolution = trained
    grid = Grid(CRS.from_epsg(32755), Affine(side, 0, 6e5, 0, -side, 6e6), height=200, width=200)
    notes = compare_grids(GridCard(crs=crs, resolution=(resolution, resolution)), grid, patch=patch)
    assert notes == ([] if note is None else [note])
