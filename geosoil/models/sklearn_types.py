"""The types of scikit-learn that a model folder may hold: literal tables, out of which nothing else can be built."""

from __future__ import annotations

_CLASSES: dict[str, str] = {
    "compose": "ColumnTransformer TransformedTargetRegressor",
    "cross_decomposition": "CCA PLSCanonical PLSRegression",
    "decomposition": "FactorAnalysis FastICA IncrementalPCA KernelPCA PCA TruncatedSVD",
    "dummy": "DummyRegressor",
    "ensemble": "AdaBoostRegressor BaggingRegressor ExtraTreesRegressor GradientBoostingRegressor "
    "HistGradientBoostingRegressor RandomForestRegressor StackingRegressor VotingRegressor",
    "ensemble._hist_gradient_boosting.binning": "_BinMapper",
    "ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "feature_selection": "GenericUnivariateSelect RFE RFECV SelectFdr SelectFpr SelectFromModel SelectFwe SelectKBest "
    "SelectPercentile SequentialFeatureSelector VarianceThreshold",
    "gaussian_process": "GaussianProcessRegressor",
    "gaussian_process.kernels": "CompoundKernel ConstantKernel DotProduct ExpSineSquared Exponentiation Matern "
    "PairwiseKernel Product RBF RationalQuadratic Sum WhiteKernel",
    "impute": "KNNImputer MissingIndicator SimpleImputer",
    "isotonic": "IsotonicRegression",
    "kernel_approximation": "Nystroem RBFSampler",
    "kernel_ridge": "KernelRidge",
    "linear_model": "ARDRegression BayesianRidge ElasticNet ElasticNetCV GammaRegressor HuberRegressor Lars LarsCV "
    "Lasso LassoCV LassoLars LassoLarsCV LassoLarsIC LinearRegression MultiTaskElasticNet MultiTaskElasticNetCV "
    "MultiTaskLasso MultiTaskLassoCV OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV PassiveAggressiveRegressor "
    "PoissonRegressor QuantileRegressor RANSACRegressor Ridge RidgeCV SGDRegressor TheilSenRegressor TweedieRegressor",
    "multioutput": "MultiOutputRegressor RegressorChain",
    "neighbors": "KNeighborsRegressor RadiusNeighborsRegressor",
    "neural_network": "MLPRegressor",
    "pipeline": "FeatureUnion Pipeline",
    "preprocessing": "Binarizer FunctionTransformer KBinsDiscretizer KernelCenterer MaxAbsScaler MinMaxScaler "
    "Normalizer OneHotEncoder OrdinalEncoder PolynomialFeatures PowerTransformer QuantileTransformer RobustScaler "
    "SplineTransformer StandardScaler",
    "svm": "LinearSVR NuSVR SVR",
    "tree": "DecisionTreeRegressor ExtraTreeRegressor",
    "_loss.link": "Interval",
}
# Name in the file -> module and class.
CLASSES: dict[str, str] = {
    f"sklearn.{name}": f"sklearn.{module}:{name}" for module, names in _CLASSES.items() for name in names.split()
}
# A loss is built again by its name: a prediction needs no more of it than its link.
LOSSES = (
    "AbsoluteError", "HalfGammaLoss", "HalfPoissonLoss", "HalfSquaredError", "HalfTweedieLoss",
    "HalfTweedieLossIdentity", "HuberLoss", "PinballLoss",
)  # fmt: skip
# Functions of one array, which FunctionTransformer and TransformedTargetRegressor may call.
FUNCTIONS = (
    "absolute", "cbrt", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2", "negative", "reciprocal", "sqrt",
    "square",
)  # fmt: skip
# What is not stored because no prediction reads it, and the value that it has afterwards.
NOT_STORED: dict[str, object] = {
    "callback": None,
    "cv": None,
    "memory": None,
    "n_jobs": None,
    "score_func": None,
    "scoring": None,
    "verbose": 0,
}
DROPPED = {
    "_loss_function_", "_optimizer", "_sklearn_version", "_tree", "cv_results_", "multimetric_", "named_estimators_",
}  # fmt: skip
STORABLE = (
    "the linear family, PLS, SVR, kernel ridge, Gaussian processes, nearest neighbours, trees, forests, gradient "
    "boosting, MLP, stacking, voting, bagging and the usual preprocessing of scikit-learn, and what geosoil has itself"
)
