"""Models of one's own: every regressor of scikit-learn maps as it predicts, and is stored, or refused with a reason."""

import json
import shutil

import numpy as np
import pytest
import rasterio
from safetensors.numpy import load_file, save_file
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import (
    BaggingRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_regression
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import all_estimators
from small_cube import spectra, write_cube

import geosoil
from geosoil.errors import EstimatorError, ModelFileError
from geosoil.models.contract import Target
from geosoil.models.objects import check_size
from geosoil.raster.layout import make_raster
from geosoil.spectra.scatter import SNV

pytestmark = pytest.mark.usefixtures("without_pictures")

N = 6
RNG = np.random.default_rng(0)
X = RNG.uniform(0.1, 0.6, (60, N)).astype(np.float32)
Y = np.column_stack([10 * X[:, 0] + 4 * X[:, 1] * X[:, 2] + 1, 20 * X[:, 3] + X[:, 0]])
REGRESSORS = dict(all_estimators(type_filter="regressor"))
SETTINGS = {
    "ElasticNet": {"alpha": 0.01},
    "GammaRegressor": {"alpha": 0.0},
    "Lasso": {"alpha": 0.01},
    "LassoLars": {"alpha": 0.001},
    "MLPRegressor": {"max_iter": 50, "hidden_layer_sizes": (10,)},
    "MultiOutputRegressor": {"estimator": Ridge()},
    "MultiTaskElasticNet": {"alpha": 0.01},
    "MultiTaskLasso": {"alpha": 0.01},
    "QuantileRegressor": {"alpha": 0.0},
    "RadiusNeighborsRegressor": {"radius": 0.5},
    "RegressorChain": {"estimator": Ridge()},
    "StackingRegressor": {"estimators": [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))], "cv": 2},
    "TheilSenRegressor": {"max_subpopulation": 100},
    "TweedieRegressor": {"power": 1.5, "alpha": 0.0},
    "VotingRegressor": {"estimators": [("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=3))]},
}


def fitted(name):
    """A regressor of scikit-learn, fitted to one target or, where it needs two, to both."""
    estimator = REGRESSORS[name](**SETTINGS.get(name, {}))
    if "n_estimators" in estimator.get_params():
        estimator.set_params(n_estimators=5)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    of_both = name.startswith("MultiTask") or name in ("MultiOutputRegressor", "RegressorChain", "CCA", "PLSCanonical")
    columns = X[:, :1] if name == "IsotonicRegression" else X
    return estimator.fit(columns.astype(float), Y if of_both else Y[:, 0]), columns


def stack_of(columns):
    """The rows as a raster of covariates of 6 x 10 pixels."""
    values = np.ascontiguousarray(columns.T).reshape(-1, 6, 10).astype(np.float32)
    names = [f"covariate {number}" for number in range(len(values))]
    return make_raster(values, names=names, crs="EPSG:32633", transform=rasterio.Affine(30, 0, 0, 0, -30, 0), units="1")


def predictor_of(estimator, columns=X):
    n_targets = np.asarray(estimator.predict(columns.astype(float))).reshape(len(columns), -1).shape[1]
    targets = Target("soc", "%") if n_targets == 1 else [Target("soc", "%"), Target("clay", "%")]
    return geosoil.Predictor.of(estimator, features=stack_of(columns), targets=targets)


def check_map(estimator, columns=X):
    """The lazy map is the estimator's own predict, by rows of float64 and of float32."""
    predictor = predictor_of(estimator, columns)
    lazy = predictor.predict(stack_of(columns))
    assert lazy.chunks is not None
    found = lazy.values.reshape(lazy.sizes["band"], -1)
    for rows in (columns.astype(np.float64), columns.astype(np.float32)):
        expected = np.asarray(estimator.predict(rows)).reshape(len(rows), -1).T
        limit = 1e-5 * np.maximum(expected.std(axis=1, keepdims=True), 1e-2)
        assert (np.abs(found - expected) <= limit).all()
    return predictor, lazy


@pytest.mark.filterwarnings("ignore")  # what scikit-learn says of so few rows
@pytest.mark.parametrize("name", list(REGRESSORS))
def test_a_regressor_of_scikit_learn_maps_as_it_predicts_and_is_stored(name, tmp_path):
    predictor, lazy = check_map(*fitted(name))
    predictor.save(tmp_path / "own")
    assert sorted(path.name for path in (tmp_path / "own").iterdir()) == ["model.json", "weights.safetensors"]
    again = geosoil.load_model(tmp_path / "own")
    raster = stack_of(X[:, :1] if name == "IsotonicRegression" else X)
    np.testing.assert_array_equal(again.predict(raster).values, lazy.values)


KINDS = {
    "scaled SVR": lambda: make_pipeline(RobustScaler(), SVR()),
    "principal components": lambda: make_pipeline(PCA(3), KernelPCA(2, kernel="rbf"), Ridge()),
    "products": lambda: make_pipeline(PolynomialFeatures(2), StandardScaler(), RidgeCV()),
    "splines": lambda: make_pipeline(SplineTransformer(extrapolation="linear"), Ridge()),
    "quantiles": lambda: make_pipeline(QuantileTransformer(n_quantiles=20), PowerTransformer(), Ridge()),
    "bins": lambda: make_pipeline(KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), Ridge()),
    "imputers": lambda: make_pipeline(SimpleImputer(), KNNImputer(), Ridge()),
    "the best columns": lambda: make_pipeline(SelectKBest(f_regression, k=3), LinearRegression()),
    "columns of a model": lambda: make_pipeline(
        SelectFromModel(Lasso(0.01)), RFE(Ridge(), n_features_to_select=2), Ridge()
    ),
    "columns by index": lambda: make_pipeline(
        ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", PCA(1), slice(3, 5))], remainder="passthrough"),
        GradientBoostingRegressor(n_estimators=4),
    ),
    "side by side": lambda: make_pipeline(FeatureUnion([("a", PCA(2)), ("b", StandardScaler())]), Ridge()),
    "a logarithm": lambda: make_pipeline(FunctionTransformer(np.log1p), LinearRegression()),
    "a target of logarithms": lambda: TransformedTargetRegressor(
        make_pipeline(SNV(), PLSRegression(2)), func=np.log, inverse_func=np.exp
    ),
    "a transformed target": lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "a process": lambda: GaussianProcessRegressor(RBF() + WhiteKernel(0.1), normalize_y=True),
    "a search": lambda: GridSearchCV(
        make_pipeline(SNV(), PLSRegression()), {"plsregression__n_components": [1, 2]}, cv=2
    ),
    "votes": lambda: VotingRegressor([
        ("a", make_pipeline(SNV(), PLSRegression(2))),
        ("b", GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=KFold(2))),
        ("c", RandomForestRegressor(3, n_jobs=2, verbose=0, random_state=0)),
    ]),
    "a stack": lambda: StackingRegressor([("a", SVR()), ("b", KNeighborsRegressor(3))], RandomForestRegressor(3), cv=2),
    "bags": lambda: BaggingRegressor(make_pipeline(StandardScaler(), Ridge()), 4, max_features=0.5),
    "a boosted absolute error": lambda: HistGradientBoostingRegressor(loss="absolute_error", max_iter=5),
    "a regressor of geosoil inside": lambda: VotingRegressor([("a", geosoil.PartialLeastSquares(n_components=2))]),
    "a logarithm of geosoil inside": lambda: VotingRegressor([("a", geosoil.LogTarget(Ridge())), ("b", Ridge())]),
    "scikit-learn inside geosoil": lambda: geosoil.LogTarget(make_pipeline(StandardScaler(), Ridge())),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", list(KINDS))
def test_usual_pipelines_map_as_they_predict_and_are_stored(kind, tmp_path):
    predictor, lazy = check_map(KINDS[kind]().fit(X.astype(float), Y[:, 0]))
    predictor.save(tmp_path / "own")
    np.testing.assert_array_equal(geosoil.load_model(tmp_path / "own").predict(stack_of(X)).values, lazy.values)


class Halves(RegressorMixin, BaseEstimator):
    """A class of the user's own."""

    def fit(self, X, y):
        self.n_features_in_, self.fitted_ = X.shape[1], True
        return self

    def predict(self, X):
        return X[:, 0] / 2


def negative_square(X):
    return -(X**2)


UNSTORABLE = {
    "Halves": lambda: Halves(),
    "negative_square": lambda: make_pipeline(FunctionTransformer(negative_square), Ridge()),
    "<lambda>": lambda: KNeighborsRegressor(weights=lambda distances: 1 / (1 + distances)),
}


@pytest.mark.parametrize("word", list(UNSTORABLE))
def test_what_cannot_be_stored_is_refused_in_one_line_and_maps_in_this_process(word, tmp_path):
    estimator = UNSTORABLE[word]().fit(X.astype(float), Y[:, 0])
    predictor, lazy = check_map(estimator)
    with pytest.raises(EstimatorError, match=rf"{word}.*SVR.*forests.*by Predictor.map, without saving$") as caught:
        predictor.save(tmp_path / "own")
    assert "\n" not in str(caught.value) and not (tmp_path / "own").exists()
    path = tmp_path / "covariates.tif"
    geosoil.write_cog(stack_of(X), path)
    made = predictor.map(path, tmp_path / "map.tif", threads=2)
    with rasterio.open(made.path) as written:
        np.testing.assert_array_equal(written.read(), lazy.values)
    for options in ({"workers": 2}, {"mode": "resume"}):
        with pytest.raises(EstimatorError, match=r"needs a model that can be stored.*map it with threads, in one run$"):
            predictor.map(path, tmp_path / "other.tif", **options)


def test_a_model_that_would_be_refused_on_loading_is_refused_before_anything_is_written(tmp_path):
    classes = X.astype(float).copy()
    classes[:, 0] = np.arange(len(X)) % 4
    boosted = HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5, categorical_features=[0])
    predictor, _ = check_map(boosted.fit(classes, Y[:, 0] + classes[:, 0]), classes)
    with pytest.raises(EstimatorError, match=r"by Predictor\.map, without saving$"):
        predictor.save(tmp_path / "own")
    assert not (tmp_path / "own").exists()


def test_a_model_of_this_process_is_recognised_by_what_it_predicts(tmp_path):
    path = tmp_path / "covariates.tif"
    geosoil.write_cog(stack_of(X), path)

    def identity(alpha, seed=None):
        made = predictor_of(Ridge(alpha=alpha).fit(X.astype(float), Y[:, 0])).map(path, tmp_path / "map.tif")
        with rasterio.open(made.path) as written:
            return written.tags()["GEOSOIL_IDENTITY"]

    assert identity(1.0) == identity(1.0)
    assert identity(1.0) != identity(2.0)


def test_three_black_pixels_are_no_data_in_every_way_of_mapping(tmp_path, geosoil_command):
    values = np.rint(spectra((12, 15), 4)[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    values[:, [4, 5, 9], [1, 6, 8]] = 0
    cube = write_cube(tmp_path / "cube.tif", values=values, shape=(12, 15))
    rows, share = spectra((60,), seed=2)
    pipeline = make_pipeline(SNV(), PLSRegression(3)).fit(rows, 100 * share)
    opened = geosoil.open_cube(cube)
    predictor = geosoil.Predictor.of(pipeline, features=opened, targets=Target("share", "%"))
    found = predictor.predict(opened).values[0]
    pixels = opened.values.reshape(len(opened), -1).T.astype(float)
    usable = np.isfinite(pixels).all(axis=1) & (np.nan_to_num(pixels).std(axis=1) > 0)
    assert usable.sum() == 12 * 15 - 5
    np.testing.assert_array_equal(np.isfinite(found.ravel()), usable)
    expected = pipeline.predict(pixels[usable])
    assert np.abs(found.ravel()[usable] - expected).max() <= 1e-5 * expected.std()
    predictor.save(tmp_path / "own")
    made = predictor.map(cube, tmp_path / "own.tif")
    (warning,) = [line for line in made.warnings if "--nodata" in line]
    assert "3 pixels" in warning
    said = geosoil_command("map", "--cube", cube, "--model", tmp_path / "own", "-o", tmp_path / "command.tif")
    assert said.code == 0, said.err
    assert warning in said.err
    for path in (made.path, tmp_path / "command.tif"):
        with rasterio.open(path) as written:
            np.testing.assert_array_equal(written.read(1), found)


@pytest.fixture
def geosoil_command(request):
    """The command line; the name of its fixture is that of the module here."""
    return request.getfixturevalue("geosoil")


def test_features_that_are_not_those_of_training_are_refused():
    from pandas import DataFrame

    line = Ridge().fit(X, Y[:, 0])
    with pytest.raises(EstimatorError, match="found 3 features; expected the 6 that it was fitted on"):
        geosoil.Predictor.of(line, features=["a", "b", "c"], targets=Target("soc", "%"))
    with pytest.raises(EstimatorError, match="found no fitted estimator"):
        geosoil.Predictor.of(Ridge(), features=["a"], targets=Target("soc", "%"))
    named = Ridge().fit(DataFrame(X[:, :2], columns=["slope", "twi"]), Y[:, 0])
    with pytest.raises(EstimatorError, match=r"order twi, slope, .*expected the order of training: slope, twi"):
        geosoil.Predictor.of(named, features=["twi", "slope"], targets=Target("soc", "%"))


def test_a_fitted_estimator_has_training_ranges_if_its_rows_are_given():
    line = Ridge().fit(X[:, :2], Y[:, 0])
    options = {"features": ["slope", "twi"], "targets": Target("soc", "%")}
    given = geosoil.Predictor.of(line, X=X[:, :2], **options)
    known = [(feature.training_low, feature.training_high) for feature in given.model.training_columns]
    assert known == [(float(X[:, k].min()), float(X[:, k].max())) for k in range(2)]
    assert given.n_samples == len(X)
    assert geosoil.Predictor.of(line, **options).model.training_columns[0].training_low is None
    with pytest.raises(EstimatorError, match=r"training rows of shape \(\d+, 6\); expected \(n_samples, 2\)"):
        geosoil.Predictor.of(line, X=X, **options)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Folders of models that a stranger may change."""
    folder = tmp_path_factory.mktemp("stored")
    estimators = {
        "forest": RandomForestRegressor(4, random_state=0),
        "boosting": HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5),
        "stages": GradientBoostingRegressor(n_estimators=4),
        "svr": SVR(),
        "products": make_pipeline(PolynomialFeatures(2), Ridge()),
        "function": make_pipeline(FunctionTransformer(np.log1p), Ridge()),
        "neighbours": KNeighborsRegressor(),
    }
    for name, estimator in estimators.items():
        predictor_of(estimator.fit(X.astype(float), Y[:, 0])).save(folder / name)
    return folder


def objects(tree, name):
    """All states of objects of one type in a tree."""
    if isinstance(tree, dict):
        if tree.get("type") == name:
            yield tree["state"]
        if tree.get("list of") == name:
            yield from tree["each"]
        for value in tree.values():
            yield from objects(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from objects(value, name)


def first(tree, name):
    return next(objects(tree, f"sklearn.{name}"))


def set_nodes(arrays, tree, column, value):
    """Change a column of the nodes of the first tree, that of the root."""
    from sklearn.tree._tree import NODE_DTYPE

    name = next(trees_in(tree))["tree_"]["tree"]["nodes"]
    nodes = arrays[name].view(NODE_DTYPE).ravel()
    nodes[column][0] = value
    arrays[name] = nodes.view(np.uint8).reshape(len(nodes), -1)


def trees_in(tree):
    """All states of fitted trees."""
    return (state for state in objects(tree, "sklearn.DecisionTreeRegressor") if "tree_" in state)


def share_a_tree(tree, arrays):
    each = list(trees_in(tree))
    each[1]["tree_"] = each[0]["tree_"]


def put(kind, **values):
    """A change of the state of the first object of a type."""
    return lambda tree, arrays: first(tree, kind).update(values)


def put_array(kind, attribute, values):
    """A change of an array of the first object of a type."""
    return lambda tree, arrays: arrays.update({first(tree, kind)[attribute]["array"]: values})


def root(column, value):
    """A change of the root of the first tree."""
    return lambda tree, arrays: set_nodes(arrays, tree, column, value)


def retype(name):
    """A change of the type of the estimator."""
    return lambda tree, arrays: tree["content"].update(type=name)


def share_a_list(tree, arrays):
    tree["content"]["state"]["estimators_"]["common"].update(x=[1])


FUNCTION, APART = "FunctionTransformer", "belong together"
TAMPERED = {
    "a module of python": ("svr", retype("os.system"), "is not allowed"),
    "a type of scikit-learn that is not listed": ("svr", retype("sklearn.Birch"), "is not allowed"),
    "a function of python": ("function", put(FUNCTION, func={"function": "eval"}), "is not allowed"),
    "a function of numpy that reads files": ("function", put(FUNCTION, func={"function": "load"}), "is not allowed"),
    "a method": ("svr", put("SVR", predict={"function": "exp"}), "no attribute 'predict'"),
    "a score": ("function", put(FUNCTION, scoring="x"), "scoring of"),
    "an unknown kind": ("svr", put("SVR", C={"partial": []}), "unknown kind"),
    "a root that is its own child": ("forest", root("left_child", 0), "not connected"),
    "a child far away": ("forest", root("right_child", 10**9), "not connected"),
    "a feature far away": ("forest", root("feature", 10**6), "do not have"),
    "a stage of a feature far away": ("stages", root("feature", 6), "do not have"),
    "a tree that is used twice": ("forest", share_a_tree, "KeyError"),
    "more features than the trees know": ("forest", put("RandomForestRegressor", n_features_in_=7), APART),
    "fewer support vectors": ("svr", put_array("SVR", "support_vectors_", np.zeros((2, 6))), APART),
    "a kernel of rows": ("svr", put("SVR", kernel="precomputed"), APART),
    "products without end": ("products", put("PolynomialFeatures", _max_degree=90, n_output_features_=10**9), APART),
    "another weight": ("products", put_array("Ridge", "coef_", np.ones(28)), "does not predict"),
    "more samples than rows": ("neighbours", put("KNeighborsRegressor", n_samples_fit_=61), APART),
    "a shared list": ("forest", share_a_list, "share"),
}


@pytest.mark.parametrize("what", list(TAMPERED))
def test_a_tampered_model_is_refused_in_one_line(what, stored, tmp_path):
    name, change, reason = TAMPERED[what]
    folder = shutil.copytree(stored / name, tmp_path / name)
    card = json.loads((folder / "model.json").read_text())
    arrays = load_file(folder / "weights.safetensors")
    tree = card["estimator"] if card["estimator"]["type"] == "scikit-learn" else {"content": card["estimator"]}
    change(tree, arrays)
    save_file(arrays, folder / "weights.safetensors")
    (folder / "model.json").write_text(json.dumps(card))
    with pytest.raises(ModelFileError, match=reason) as caught:
        geosoil.load_model(folder).model  # noqa: B018
    assert "\n" not in str(caught.value)


def test_histogram_boosting_is_checked_node_by_node(stored, tmp_path):
    from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

    for column, value in (("left", 0), ("feature_idx", 99), ("is_categorical", 1)):
        folder = shutil.copytree(stored / "boosting", tmp_path / column)
        card = json.loads((folder / "model.json").read_text())
        arrays = load_file(folder / "weights.safetensors")
        name = first(card["estimator"], "TreePredictor")["nodes"]["nodes"]
        nodes = arrays[name].view(PREDICTOR_RECORD_DTYPE).ravel()
        nodes[column][0] = value
        arrays[name] = nodes.view(np.uint8).reshape(len(nodes), -1)
        save_file(arrays, folder / "weights.safetensors")
        with pytest.raises(ModelFileError, match=r"not connected|do not have|belong together"):
            geosoil.load_model(folder)


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        (json.loads('{"list":' * 70 + "1" + "}" * 70), "deep"),
        ({"each": [{}] * 50_001, "common": {}}, "objects"),
        ({"each": [{}] * 50_000, "common": dict.fromkeys(map(str, range(40)))}, "values"),
        ({"steps": [[]] * 201}, "steps"),
    ],
)
def test_the_size_of_a_tree_is_bounded(tree, reason):
    with pytest.raises(ValueError, match=reason):
        check_size(tree)
    check_size({"each": [{}] * 19_000, "common": dict.fromkeys(map(str, range(50))), "steps": [[]] * 200})
