"""Choosing covariates: weak, duplicate and constant ones are dropped, by batches, from training rows only."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_material import shared
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import SamplesError
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, save_model
from geosoil.report.validation_figures import batches_figure
from geosoil.samples.covariates import CovariateSelection, select_covariates


def rows(n=200, p=30, seed=0):
    """Columns 0 to 2 make y, the last is column 0 with noise, the one before is constant."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = 3 * X[:, 0] + 2 * X[:, 1] + X[:, 2] + rng.normal(0, 0.5, n)
    X[:, -1] = X[:, 0] + 0.2 * rng.normal(size=n)
    X[:, -2] = 7.0
    return X, y


NAMES = [f"c{k}" for k in range(30)]


def test_weak_constant_and_doubled_covariates_go_and_each_reason_is_told():
    X, y = rows()
    chosen = select_covariates(X, y, NAMES, estimator=LinearRegression())
    assert chosen.names[:2] == ("c0", "c1")
    assert chosen.dropped["c28"] == "constant"
    assert chosen.dropped["c29"].startswith("|r| 0.9")
    assert chosen.dropped["c29"].endswith("with c0")
    r = np.abs([np.corrcoef(X[:, k], y)[0, 1] for k in range(28)])
    weak = {f"c{k}" for k in np.flatnonzero(r < 0.05)}
    assert {name for name, why in chosen.dropped.items() if why.endswith("with the target")} == weak
    assert set(chosen.names) | set(chosen.dropped) == set(NAMES)
    assert "c28 (constant)" in chosen.notes[0]
    assert not set(chosen.names) & set(chosen.dropped)


def test_of_two_alike_the_one_nearer_the_target_stays_wherever_it_stands():
    X, y = rows()
    turned = select_covariates(X[:, ::-1], y, NAMES[::-1], estimator=LinearRegression())
    assert turned.names == select_covariates(X, y, NAMES, estimator=LinearRegression()).names


def test_batches_grow_by_ten_to_all_and_the_least_error_is_the_answer():
    X, y = rows()
    chosen = select_covariates(X, y, NAMES, least_r=0.0)
    assert chosen.n_covariates.tolist() == [10, 20, 28]
    assert len(chosen.names) == chosen.n_covariates[np.argmin(chosen.rmse)]
    assert (chosen.standard_error > 0).all()
    # The judge knows nothing of the noise (0.5), so its error lies above it and below the spread of y.
    assert 0.5 < chosen.rmse.min() < y.std()


def test_the_curve_is_the_error_of_cross_validation():
    from sklearn.model_selection import KFold

    X, y = rows()
    chosen = select_covariates(X, y, NAMES, least_r=0.0, estimator=LinearRegression(), batch=40)
    expected = []
    for train, test in KFold(5, shuffle=True, random_state=0).split(X):
        fitted = LinearRegression().fit(X[train][:, chosen.kept], y[train])
        expected.append(np.sqrt(np.mean((fitted.predict(X[test][:, chosen.kept]) - y[test]) ** 2)))
    assert chosen.rmse[0] == pytest.approx(np.mean(expected), rel=1e-9)
    assert chosen.standard_error[0] == pytest.approx(np.std(expected, ddof=1) / np.sqrt(5), rel=1e-9)


def test_rows_of_one_group_never_stand_on_both_sides():
    # Each group repeats its rows: a judge that remembers is perfect unless groups are kept together.
    from sklearn.neighbors import KNeighborsRegressor

    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(40, 12)), 5, axis=0)
    y = np.repeat(rng.normal(size=40), 5)
    judge = KNeighborsRegressor(1)
    groups = np.repeat(np.arange(40), 5)
    names = NAMES[:12]
    assert select_covariates(X, y, names, least_r=0, estimator=judge).rmse.min() < 0.2
    assert select_covariates(X, y, names, least_r=0, estimator=judge, groups=groups).rmse.min() > 0.8


def test_several_targets_with_gaps_are_weighed_alike():
    X, y = rows()
    both = np.stack([y, 1000 * X[:, 5]], axis=1)
    both[:120, 1] = np.nan
    chosen = select_covariates(X, both, NAMES, estimator=LinearRegression())
    known = both[120:]
    expected = (abs(np.corrcoef(X[:, 5], y)[0, 1]) + abs(np.corrcoef(X[120:, 5], known[:, 1])[0, 1])) / 2
    assert chosen.strength[5] == pytest.approx(expected)
    assert {"c0", "c5"} <= set(chosen.names[:3])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-50, 50))
def test_units_of_covariates_change_nothing(seed, scale, offset):
    X, y = rows(n=60, p=12, seed=seed)
    first = select_covariates(X, y, NAMES[:12], estimator=LinearRegression(), batch=4)
    other = select_covariates(X * scale + offset, y, NAMES[:12], estimator=LinearRegression(), batch=4)
    assert first.names == other.names
    np.testing.assert_allclose(first.rmse, other.rmse, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X, y: (X, np.random.default_rng(9).normal(size=200)), "none of 30 with"),
        (lambda X, y: (np.where(X[3, 4] == X, np.nan, X), y), "gaps in the covariates c4"),
        (lambda X, y: (X, np.full(200, 2.0)), "the same target in all samples"),
        (lambda X, y: (X, np.where(np.arange(200) < 195, np.nan, y)), "a target with 5 values"),
        (lambda X, y: (X, y[:-1]), "y of shape"),
    ],
)
def test_what_cannot_be_chosen_from_is_said_in_one_line(change, said):
    X, y = change(*rows())
    with pytest.raises(SamplesError, match=said):
        select_covariates(X, y, NAMES, least_r=0.4, estimator=LinearRegression())


def test_fewer_groups_than_folds_are_refused():
    X, y = rows()
    with pytest.raises(SamplesError, match="found 3 groups for 5 folds"):
        select_covariates(X, y, NAMES, groups=np.arange(200) % 3)


def test_inside_a_pipeline_the_test_rows_are_never_seen():
    X, y = rows()
    step = CovariateSelection(NAMES, least_r=0.2)
    first = clone(step).fit(X[:150], y[:150])
    assert first.transform(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(first.transform(X), X[:, first.support_])
    assert [why == "" for why in first.dropped_] == first.support_.tolist()


def test_a_stored_model_reads_only_the_chosen_covariates(tmp_path):
    X, y = rows()
    X = X.astype(np.float32)
    estimator = make_pipeline(
        CovariateSelection(NAMES, least_r=0.3), StandardScaler(), SupportVectors(n_candidates=3)
    ).fit(X, y)
    inputs = tuple(
        Feature(name, training_low=float(a.min()), training_high=float(a.max()))
        for name, a in zip(NAMES, X.T, strict=True)
    )
    model = PixelModel(estimator, inputs, (Target("soc_pct", "%"),))
    assert {feature.name for feature in model.features} == set(np.array(NAMES)[estimator[0].support_])
    training = TrainingCard(n_samples=200, recipe_sha256="-", table_sha256="-")
    save_model(model, tmp_path / "m", name="m", study="t", preprocessing=[], training=training, quantity="covariates")
    loaded = load_model(tmp_path / "m")
    assert loaded.estimator[0].dropped_ == estimator[0].dropped_
    np.testing.assert_array_equal(loaded.estimator[0].rmse_, estimator[0].rmse_)
    block = X[:12, model.used_columns].T.reshape(-1, 3, 4)
    np.testing.assert_array_equal(loaded.predict(block), model.predict(block))


def test_the_figure_marks_the_batch_of_least_error():
    X, y = rows()
    chosen = select_covariates(X, y, NAMES, least_r=0.0, estimator=LinearRegression())
    curve = {"n_covariates": np.array([10, 20, 27]), "rmse": np.array([1.2, 1.0, 1.1])}
    figure = batches_figure(replace(chosen, standard_error=np.full(3, 0.1), **curve), unit="%")
    assert "selected: 20 covariates, RMSE 1 %" in [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_meuse_zinc_follows_distance_to_the_river_first():
    import geopandas as gpd

    from geosoil.io.rasters.stack import open_stack
    from geosoil.raster.grid import Grid

    stack = open_stack(shared("data/rasters/meuse/meuse_covariates_40m.tif"), classes={"soil": [1, 2, 3]})
    points = gpd.read_file(shared("data/rasters/meuse/meuse_points.gpkg")).to_crs(stack.rio.crs)
    at = Grid.of(stack).rows_columns(points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    X = stack.values[:, at[0], at[1]].T
    kept = (at[0] >= 0) & np.isfinite(X).all(axis=1)
    y = np.log(points["zn_mg_kg"].to_numpy(float))[kept]
    chosen = select_covariates(X[kept], y, stack.band.values.tolist(), batch=3)
    assert chosen.names[0] == "dist"
    assert chosen.rmse.min() < 0.6 * y.std()
