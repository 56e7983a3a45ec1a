"""Place as a feature of a map: the engine computes it from the grid, exactly, however the map is cut."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from pyproj import Transformer
from rasterio import Affine
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_cube import WAVELENGTH_NM, spectra, write_cube
from small_stack import read
from written_rasters import write_raster

from geosoil.errors import GridError, ModelFileError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.io.rasters.reader import open_raster
from geosoil.mapping.inputs import CovariateInput, CubeInput
from geosoil.mapping.job import map_model, prepare_map
from geosoil.mapping.joint import find_models, match_models
from geosoil.mapping.places import require_no_patches
from geosoil.models.card import OriginCard, SamplePlaces, TrainingCard
from geosoil.models.compose import Ensemble
from geosoil.models.contract import Feature, Target, place_features
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.raster.layout import make_raster
from geosoil.workflows.map import map_covariates, map_cube
from geosoil.workflows.predictor import Predictor

pytestmark = pytest.mark.usefixtures("without_pictures")

ORIGIN = (600_500.0, 5_799_000.0)
PLACES = place_features("EPSG:32633", ORIGIN)
SOC = Target("soc", "g/kg")
A, B, C = 3e-3, -2e-3, 20.0  # g/kg per metre east and north, and at the origin
GRIDS = {
    "utm": ("EPSG:32633", Affine(30, 0, 600_000, 0, -30, 5_800_000)),
    "rotated": ("EPSG:32633", Affine(25, 8, 600_000, 6, -27, 5_800_000)),
    "degrees": ("EPSG:4326", Affine(4e-4, 0, 16.47, 0, -3e-4, 52.34)),
    "other zone": ("EPSG:32632", Affine(30, 0, 1_008_000, 0, -30, 5_823_000)),
}


def plane():
    """A model of scikit-learn whose predictions are a plane over the ground."""
    X = np.array([[0.0, 0.0], [1000.0, 0.0], [0.0, 1000.0]])
    return PixelModel(LinearRegression().fit(X, X @ [A, B] + C), PLACES, (SOC,))


def save(model, folder, places=None):
    training = TrainingCard(n_samples=40, recipe_sha256="-", table_sha256="-")
    options = {"name": folder.name, "study": "test", "preprocessing": [], "training": training}
    save_model(model, folder, quantity="covariates", origin=OriginCard(places=places), **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("places")
    for name, (crs, transform) in GRIDS.items():
        values = np.random.default_rng(0).normal(7, 1, (1, 61, 47)).astype("float32")
        values[0, 5, 5] = np.nan
        write_raster(made / f"{name}.tif", values, crs=crs, transform=transform, descriptions=["twi"])
    save(plane(), made / "plane")
    return made


def coordinates(name, shape=(61, 47)):
    """Return x and y of the pixel centres in metres from the origin, computed here in float64."""
    crs, t = GRIDS[name]
    columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y = t.c + t.a * columns + t.b * rows, t.f + t.d * columns + t.e * rows
    if crs != "EPSG:32633":
        x, y = Transformer.from_crs(crs, "EPSG:32633", always_xy=True).transform(x, y)
    return x - ORIGIN[0], y - ORIGIN[1]


@pytest.mark.filterwarnings("ignore:Use `@` matmul")  # of rasterio, for the bounds of a rotated file
@pytest.mark.parametrize("name", GRIDS)
def test_a_plane_over_the_ground_is_mapped_exactly_on_any_grid_however_it_is_cut(folder, tmp_path, name):
    x, y = coordinates(name)
    expected = A * x + B * y + C
    maps = []
    for number, options in enumerate(({"block": 61, "threads": 1}, {"block": 7, "threads": 3}, {"block": 16})):
        made = map_covariates(folder / f"{name}.tif", folder / "plane", tmp_path / f"{number}.tif", **options)
        maps.append(read(made.path)[0])
    assert maps[0].tobytes() == maps[1].tobytes() == maps[2].tobytes()
    assert np.isfinite(maps[0]).all()  # a template gives the grid: its values are not read
    assert np.abs(maps[0] - expected).max() < 4e-6  # half a millimetre of ground, and the rounding of float32
    transformed = any("transformed from" in note for note in made.notes)
    assert transformed == (GRIDS[name][0] != "EPSG:32633")


def test_another_process_computes_the_same_bytes_of_a_block(folder, tmp_path):
    blocks = prepare_map(plane(), open_raster(folder / "degrees.tif")).blocks(20)
    assert len(pickle.dumps(blocks.source)) < 20_000  # the grid travels, not its coordinates
    (tmp_path / "blocks").write_bytes(pickle.dumps(blocks))
    code = "import pickle, sys; b = pickle.load(sys.stdin.buffer); values = b.apply(b.read(2, 1), 2, 1)"
    code += "; sys.stdout.buffer.write(values.tobytes())"
    with (tmp_path / "blocks").open("rb") as file:
        there = subprocess.run([sys.executable, "-c", code], stdin=file, capture_output=True, check=True).stdout
    assert there == blocks.apply(blocks.read(2, 1), 2, 1).tobytes()


@pytest.mark.parametrize(
    "estimator",
    [make_pipeline(StandardScaler(), SupportVectors(n_candidates=4)), RandomForestRegressor(20, random_state=0)],
    ids=["svr", "forest"],
)
def test_a_map_of_covariates_and_place_equals_the_models_predictions_of_the_same_rows(folder, estimator):
    rng = np.random.default_rng(1)
    east, north = PLACES
    features = (east, Feature("twi"), north)  # places need not be last
    X = np.column_stack([rng.uniform(-600, 900, 60), rng.normal(7, 1, 60), rng.uniform(-900, 900, 60)])
    estimator = estimator.fit(X.astype("float32"), X @ [A, 0.5, B])
    stack = open_raster(folder / "other zone.tif")
    mapped = Predictor.of(estimator, features=features, targets=SOC).predict(stack).values[0]
    x, y = coordinates("other zone")
    rows = np.stack([x, stack.values[0], y], axis=-1).reshape(-1, 3).astype("float32")
    valid = np.isfinite(rows).all(axis=1)
    predicted = estimator.predict(rows[valid])
    assert (~np.isfinite(mapped)).sum() == (~valid).sum() == 1
    np.testing.assert_allclose(mapped.ravel()[valid], predicted, rtol=1e-5)
    assert mapped[np.isfinite(mapped)].std() > 0.1


def test_a_window_of_a_raster_has_the_places_of_its_own_pixels(folder):
    whole = open_raster(folder / "rotated.tif")
    np.testing.assert_array_equal(
        Predictor(plane()).predict(whole[:, 9:40, 11:30]).values,
        Predictor(plane()).predict(whole).values[:, 9:40, 11:30],
    )


def test_a_cube_gives_spectra_and_places_and_its_background_is_left_out(tmp_path):
    R, share = spectra((40,), seed=3)
    rng = np.random.default_rng(0)
    X = np.column_stack([R, rng.uniform(-500, 500, (40, 2))]).astype("float32")
    bands = tuple(Feature(f"B{i}", float(nm), training_low=0.05, training_high=0.6)
                  for i, nm in enumerate(WAVELENGTH_NM))  # fmt: skip
    fitted = PartialLeastSquares(n_components=6).fit(X / X.std(axis=0), 100 * share + X[:, -2:] @ [A, B])
    fitted.coef_ = fitted.coef_ / X.std(axis=0)
    model = PixelModel(fitted, (*bands, *PLACES), (SOC,))
    values, _ = spectra((61, 47), seed=1)
    values = np.rint(1e4 * np.moveaxis(values, -1, 0)).astype(np.int16)
    values[:, 7, 4] = 0
    write_cube(tmp_path / "cube.tif", values=values, transform=GRIDS["utm"][1])
    cube = CubeInput(tmp_path / "cube.tif").raster
    mapped = Predictor(model).predict(cube).values[0]
    x, y = coordinates("utm")
    rows = np.column_stack([np.moveaxis(cube.values, 0, -1).reshape(-1, len(bands)), x.ravel(), y.ravel()])
    expected = fitted.predict(rows.astype("float32")).reshape(61, 47)
    assert np.argwhere(np.isnan(mapped)).tolist() == [[0, 0], [3, 5], [7, 4]]  # no data, and background
    seen = np.isfinite(mapped)
    np.testing.assert_allclose(mapped[seen], expected[seen], rtol=1e-4, atol=1e-3)


def test_a_cube_of_other_bands_is_resampled_and_places_are_not(tmp_path):
    wave = np.linspace(500, 2300, 20)
    bands = tuple(Feature(f"B{i}", float(nm)) for i, nm in enumerate(wave))
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 0.5, (30, 22))
    model = PixelModel(LinearRegression().fit(X, X[:, -2:] @ [A, B] + C), (*bands, *PLACES), (SOC,))
    write_cube(tmp_path / "cube.tif", transform=GRIDS["utm"][1])
    cube = CubeInput(tmp_path / "cube.tif").raster
    mapped = Predictor(model).predict(cube)
    x, y = coordinates("utm", mapped.shape[1:])
    seen = np.isfinite(mapped.values[0])
    np.testing.assert_allclose(mapped.values[0][seen], (A * x + B * y + C)[seen], atol=1e-4)
    assert "interpolated" in mapped.attrs["notes"][0]


def test_models_with_places_of_two_origins_map_together_as_each_maps_alone(folder, tmp_path):
    far = place_features("EPSG:32632", (1_000_000, 5_800_000))
    model = plane()
    save(PixelModel(model.estimator, far, (Target("ph", ""),)), tmp_path / "far")
    models = [folder / "plane", tmp_path / "far"]
    both = map_covariates(folder / "utm.tif", models, tmp_path / "both.tif", block=20)
    each = [map_covariates(folder / "utm.tif", one, tmp_path / f"{one.name}.tif").path for one in models]
    np.testing.assert_array_equal(read(both.path), np.concatenate([read(path) for path in each]))
    matched = match_models(CovariateInput([folder / "utm.tif"]), find_models(models))
    assert [f.name for f in matched.model.features] == ["place_x_m", "place_y_m", "place_x_m'", "place_y_m'"]


def test_an_ensemble_of_members_with_other_places_is_refused():
    estimator = plane().estimator
    other = PixelModel(estimator, place_features("EPSG:32633", (0, 0)), (SOC,))
    with pytest.raises(ValueError, match="place_x_m is x in EPSG:32633 from 600500 m to one model"):
        _ = Ensemble((plane(), other)).features


def test_a_saved_model_keeps_its_places_and_a_model_without_places_its_card(folder, tmp_path):
    assert Predictor.load(folder / "plane").model.features == PLACES
    line = PixelModel(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), (Feature("twi"),), (SOC,))
    save(line, tmp_path / "line")
    assert '"place' not in (tmp_path / "line" / "model.json").read_text()


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:999999", "/etc/passwd", "+proj=utm +zone=33"])
def test_a_card_with_another_crs_than_a_projected_one_is_refused_in_one_line(folder, tmp_path, crs):
    text = (folder / "plane" / "model.json").read_text()
    made = tmp_path / "crafted"
    made.mkdir()
    (made / "model.json").write_text(text.replace("EPSG:32633", crs))
    (made / "weights.safetensors").write_bytes((folder / "plane" / "weights.safetensors").read_bytes())
    with pytest.raises(ModelFileError) as caught:
        Predictor.load(made)
    assert len(str(caught.value).splitlines()) == 1


def test_a_raster_without_crs_and_a_model_of_patches_are_refused():
    values = np.zeros((1, 4, 5), "float32")
    with pytest.raises(GridError, match="no CRS"):
        map_model(plane(), make_raster(values, names=["a"], crs=None, transform=GRIDS["utm"][1]))

    class OfPatches:
        halo, features = 1, PLACES

    with pytest.raises(ModelFileError, match="place among the features of a model of patches"):
        require_no_patches(OfPatches())


@pytest.mark.parametrize(("moved_m", "kind"), [(0.0, "notes"), (40_000.0, "warnings")])
def test_a_map_states_how_far_it_is_from_the_samples_and_warns_far_from_them(folder, tmp_path, moved_m, kind):
    x, y = coordinates("utm")
    near = np.stack([x.ravel(), y.ravel()], axis=1)[::5] + moved_m
    save(plane(), tmp_path / "model", SamplePlaces.of(near, 200.0))
    made = map_covariates(folder / "utm.tif", tmp_path / "model", tmp_path / "map.tif", trust=False)
    (line,) = getattr(made, kind)
    assert "200 m, the largest distance between neighbouring samples" in line
    assert ("100%" if moved_m else "0%") in line
    assert not (made.warnings if kind == "notes" else made.notes)


def test_a_cube_can_be_the_template_of_a_map_of_places_alone(folder, tmp_path):
    write_cube(tmp_path / "cube.tif", transform=GRIDS["utm"][1])
    made = map_covariates(tmp_path / "cube.tif", folder / "plane", tmp_path / "map.tif")
    x, y = coordinates("utm", made.cog.shape[1:])
    np.testing.assert_allclose(read(made.path)[0], A * x + B * y + C, atol=4e-6)
    with pytest.raises(ModelFileError, match="--covariates"):
        map_cube(tmp_path / "cube.tif", folder / "plane", tmp_path / "no.tif")
