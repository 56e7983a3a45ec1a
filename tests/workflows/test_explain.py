"""Explanations on disk: figures with a CSV beside each, and a map whose bands add up to the prediction."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from click.testing import CliRunner
from written_rasters import write_raster

from geosoil.errors import OutputError, SamplesError, WavelengthError
from geosoil.estimators.forest import Forest
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.resnet import ResNet1D
from geosoil.io.spectra.unify import Spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.report.attribution_figures import mark_windows, window_figure
from geosoil.training.transfer import fine_tune
from geosoil.workflows.explain import explain_samples
from geosoil.workflows.explain_map import explain_covariates_map, explain_map
from geosoil_cli.explain import command

NM = np.linspace(450, 2450, 100)
RNG = np.random.default_rng(0)
X = (0.4 + RNG.normal(size=(30, 100)).cumsum(axis=1) / 150).astype(np.float32)
Y = 6 + 5 * (X[:, 30] - X[:, 80])
TRAINING = TrainingCard(n_samples=30, recipe_sha256="", table_sha256="")


def saved(folder, estimator, name):
    features = tuple(Feature(f"{nm:g} nm", float(nm), None, 0.1, 0.7) for nm in NM)
    model = PixelModel(estimator, features, (Target(name, "pH"),))
    save_model(model, folder / name, name=name, study="t", preprocessing=[], training=TRAINING)
    return folder / name


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    net = ResNet1D(epochs=10, patience=10).fit(X, Y)
    saved(folder, net, "ph")
    saved(folder, fine_tune(net, X, Y + 1, epochs=3), "pb")
    saved(folder, PartialLeastSquares(n_components=2).fit(X, Y), "pls")
    ids = [f"S{i}" for i in range(30)]
    write_spectra(Spectra(NM, X, ids, pd.DataFrame(index=range(30)), "reflectance", folder / "s"), folder / "s.parquet")
    cube = np.resize(X, (40, 30, 100)).transpose(2, 0, 1).copy()
    cube[:, 4, 4] = -1
    tags = [{"wavelength": f"{nm:.3f}", "wavelength_units": "nm"} for nm in NM]
    write_raster(folder / "cube.tif", cube.astype(np.float32), band_tags=tags, nodata=-1)
    return folder


def test_source_and_transferred_model_stand_in_one_figure_with_a_csv_beside(place, tmp_path):
    result = explain_samples(
        place / "pb", place / "s.parquet", tmp_path, source_model=place / "ph", n_background=10, budget=2400
    )
    assert sorted(path.name for path in result.paths) == [
        "pb_shap_samples.csv", "pb_shap_windows.csv", "ph_shap_samples.csv", "ph_shap_windows.csv", "shap.html",
        "shap.png",
    ]  # fmt: skip
    table = pd.read_csv(tmp_path / "pb_shap_windows.csv")
    other = pd.read_csv(tmp_path / "ph_shap_windows.csv")
    assert len(table) == 50
    assert table["share"].sum() == pytest.approx(1)
    both = set(table.loc[table["mark"] == "shared", "window"])
    assert both == set(other.loc[other["mark"] == "shared", "window"])
    assert set(table["mark"].dropna()) <= {"shared", "shifted"}
    rows = pd.read_csv(tmp_path / "pb_shap_samples.csv")
    total = rows.filter(like=" nm").sum(axis=1) + rows["baseline"] - rows["predicted"]
    assert np.abs(total).max() < 0.02 * rows["predicted"].std()
    assert "path: sums of attributions are within" in result.summary()
    assert "holds" in result.summary()


def test_a_map_adds_up_to_its_prediction_on_the_middle_pixels_of_its_cells(place, tmp_path):
    result = explain_map(place / "pls", place / "cube.tif", tmp_path / "shap.tif", n_pixels=150)
    with rasterio.open(tmp_path / "shap.tif") as source, rasterio.open(place / "cube.tif") as cube:
        *regions, prediction = source.read()
        assert source.descriptions == (
            "visible", "near infrared", "shortwave infrared 1", "shortwave infrared 2", "prediction",
        )  # fmt: skip
        assert source.transform.a == 3 * cube.transform.a
        assert source.bounds.left == cube.bounds.left
        baseline = float(source.tags()["GEOSOIL_BASELINE"])
        spectrum = cube.read()[:, 7, 10]
    np.testing.assert_allclose(np.sum(regions, axis=0) + baseline, prediction, atol=1e-4)
    line = PartialLeastSquares(n_components=2).fit(X, Y)
    assert prediction[2, 3] == pytest.approx(line.predict(spectrum[None])[0], abs=1e-4)
    assert np.isnan(prediction[1, 1])  # the pixel without data is the middle of its cell
    assert "the middle of cells of 3 x 3 pixels" in result.summary()


def test_the_prediction_is_that_of_a_map_where_the_sum_is_beyond_the_valid_range(place, tmp_path):
    features = tuple(Feature(f"{nm:g} nm", float(nm), None, 0.1, 0.7) for nm in NM)
    line, middle = PartialLeastSquares(n_components=2).fit(X, Y), float(np.median(Y))
    model = PixelModel(line, features, (Target("ph", "pH", (middle, None)),))
    save_model(model, place / "clipped", name="clipped", study="t", preprocessing=[], training=TRAINING)
    explain_map(place / "clipped", place / "cube.tif", tmp_path / "shap.tif", n_pixels=150, project=True)
    with rasterio.open(tmp_path / "shap.tif") as source:
        *regions, prediction = source.read()
        assert set(source.units) == {"pH"}
        total = np.sum(regions, axis=0) + float(source.tags()["GEOSOIL_BASELINE"])
    assert np.nanmin(total) < middle - 0.01
    np.testing.assert_allclose(prediction, np.clip(total, middle, None), atol=1e-4)
    assert (tmp_path / "shap.qgz").exists()


def test_a_map_leaves_out_masked_pixels_and_takes_the_options_of_a_cube(place, tmp_path):
    mask = np.ones((1, 40, 30), "uint8")
    mask[0, :20] = 0
    write_raster(tmp_path / "mask.tif", mask)
    options = {"n_pixels": 150, "mask": tmp_path / "mask.tif", "nodata": -1, "scale": 1.0, "offset": 0.01}
    explain_map(place / "pls", place / "cube.tif", tmp_path / "shap.tif", **options)
    with rasterio.open(tmp_path / "shap.tif") as source:
        values, tags = source.read(), source.tags()
    assert np.isnan(values[:, :6]).all()
    assert np.isfinite(values[:, 8:]).all()
    assert [tags[f"GEOSOIL_{name}"] for name in ("MASK", "OFFSET", "NODATA")] == ["mask.tif", "0.01", "-1"]


def test_covariates_are_explained_by_name(tmp_path):
    table = pd.DataFrame({"sample_id": list("abcdefghijkl"), "dist_m": np.arange(12.0), "elev_m": RNG.normal(size=12)})
    forest = Forest(n_trees=50, max_features=1.0).fit(table[["dist_m", "elev_m"]].to_numpy(), 10 - np.arange(12.0))
    model = PixelModel(forest, (Feature("dist_m"), Feature("elev_m")), (Target("pb_mg_kg", "mg/kg"),))
    save_model(model, tmp_path / "pb", name="pb", study="t", preprocessing=[], training=TRAINING)
    table.to_csv(tmp_path / "t.csv", index=False)
    gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(table.dist_m, table.elev_m), crs=32633).to_file(
        tmp_path / "t.gpkg", engine="pyogrio"
    )
    result = explain_samples(tmp_path / "pb", tmp_path / "t.csv", tmp_path / "out")
    assert "tree: sums" in result.summary()
    assert "highest: dist_m, elev_m" in result.summary()
    again = explain_samples(tmp_path / "pb", tmp_path / "t.gpkg", tmp_path / "again")
    assert again.lines == result.lines
    table.assign(dist_m=["n.d.", *table.dist_m[1:]]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SamplesError, match=r"'n.d.' in column dist_m, row 1 \(a\)"):
        explain_samples(tmp_path / "pb", tmp_path / "t.csv", tmp_path / "out")
    table.drop(columns="dist_m").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SamplesError, match='column "dist_m" is missing'):
        explain_samples(tmp_path / "pb", tmp_path / "t.csv", tmp_path / "out")


def test_spectra_of_another_range_are_refused_and_absorbance_is_converted(place, tmp_path):
    empty = pd.DataFrame(index=range(30))
    ids = [f"S{i}" for i in range(30)]
    write_spectra(Spectra(NM + 300, X, ids, empty, "reflectance", tmp_path / "s"), tmp_path / "far.parquet")
    with pytest.raises(WavelengthError, match="that the model needs \\(450, "):
        explain_samples(place / "pls", tmp_path / "far.parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    for quantity, values in {"reflectance": X, "absorbance": -np.log10(X)}.items():
        path = tmp_path / f"{quantity}.parquet"
        write_spectra(Spectra(NM, values.astype(np.float32), ids, empty, quantity, path), path)
        explain_samples(place / "pls", path, tmp_path / quantity)
    converted, expected = (
        pd.read_csv(tmp_path / quantity / "pls_shap_samples.csv") for quantity in ("absorbance", "reflectance")
    )
    np.testing.assert_allclose(converted.predicted, expected.predicted, rtol=1e-3)


def test_an_output_that_cannot_be_is_reported_before_anything_is_computed(place, tmp_path, monkeypatch):
    def computed(*_, **__):
        pytest.fail("the work was begun")

    for module in ("explain", "explain_map"):
        monkeypatch.setattr(f"geosoil.workflows.{module}.explain_rows", computed)
    (tmp_path / "file").write_text("")
    write_raster(tmp_path / "same.tif", np.ones((1, 2, 2), np.float32))
    with rasterio.open(tmp_path / "same.tif", "r+") as raster:
        raster.update_tags(1, wavelength=500, wavelength_units="nm")
    (tmp_path / "pls_shap_samples.csv").write_text("sample_id\n")
    for output, said in (("file", "a file"), ("file/x", "a file"), ("", "is also an input")):
        with pytest.raises(OutputError, match=said):
            explain_samples(place / "pls", tmp_path / "pls_shap_samples.csv", tmp_path / output)
    for output, said in (("no/e.tif", "no/e.tif: the folder"), ("same.tif", "is also an input")):
        with pytest.raises(OutputError, match=said):
            explain_map(place / "pls", tmp_path / "same.tif", tmp_path / output)
        with pytest.raises(OutputError, match=said):
            explain_covariates_map(place / "pls", tmp_path / "same.tif", tmp_path / output)


def test_the_command_line_says_what_is_missing_and_writes_what_is_asked(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.tif").touch()
    run = CliRunner().invoke
    model = ["--model", str(place / "pls")]
    assert "give --samples or --cube" in run(command, [*model, "-o", str(tmp_path)]).output
    wrong = run(command, [*model, "--cube", "c.tif", "--source-model", str(place / "pls"), "-o", "o.tif"])
    assert (wrong.exit_code, "--source-model requires --samples" in wrong.output) == (2, True)
    right = run(command, [*model, "--samples", str(place / "s.parquet"), "-o", str(tmp_path / "out")])
    assert right.exit_code == 0, right.output
    assert (tmp_path / "out" / "shap.png").stat().st_size > 5000


def test_a_bar_is_as_wide_as_its_window_and_marks_are_drawn_in_words():
    from geosoil.explain.windows import windows_of

    features = [Feature(f"{nm}", float(nm)) for nm in range(2000, 2040)]
    windows = windows_of(features, np.arange(40) // 10)
    marks = mark_windows([4, 3, 2, 1], [1, 4, 0, 0], least=2)
    assert marks.tolist() == ["shared", "shared", "", ""]
    figure = window_figure({"pH": (windows, [4, 3, 2, 1], marks)})
    bars = figure.axes[1].patches
    assert {round(bar.get_width(), 6) for bar in bars} == {10.0}
    assert [text.get_text() for text in figure.axes[1].get_legend().get_texts()] == [
        "important in both models",
        "other",
    ]
