"""Training rows made by hand, sound until a test replaces a part of them, and tasks that fit them."""

from types import SimpleNamespace

import numpy as np

from geosoil.models.contract import Feature
from geosoil.pipeline.features import FeatureSettings
from geosoil.pipeline.part import Property, TargetProperty
from geosoil.pipeline.regressors import REGRESSORS
from geosoil.pipeline.rows import Library, TrainingRows
from geosoil.pipeline.task import Candidate, FitTask

N, N_LIBRARY, N_BANDS = 48, 90, 30
NM = np.linspace(400, 2400, N_BANDS)
ABSORBANCE = {"preprocessing": [{"step": "absorbance"}]}


def spectra(rng, n):
    """Reflectance whose depth about 1400 nm follows y, and whose slope follows something else."""
    y, other = rng.uniform(1, 4, n), rng.random(n)
    absorbance = 0.5 + 0.1 * np.outer(y, np.exp(-(((NM - 1400) / 200) ** 2))) + 0.1 * np.outer(other, NM / 2400)
    return (10.0 ** -(absorbance + rng.normal(0, 0.002, absorbance.shape))).astype(np.float32), y


def features(X):
    return tuple(
        Feature(f"{nm:g} nm", float(nm), training_low=float(column.min()), training_high=float(column.max()))
        for nm, column in zip(NM, X.T, strict=True)
    )


def spectral_rows(**parts):
    """Samples of one target with a library that knows the target and an auxiliary property, 2 y + 1."""
    rng = np.random.default_rng(0)
    X, y = spectra(rng, N)
    X_library, y_library = spectra(rng, N_LIBRARY)
    library = Library(
        ids=np.array([f"L{i}" for i in range(N_LIBRARY)]),
        X=X_library,
        y=y_library[:, None],
        auxiliary=2 * y_library + 1,
        sample_of_row=np.full(N_LIBRARY, -1),
        in_country=np.arange(N_LIBRARY) < 60,
    )
    whole = {
        "ids": np.array([f"S{i}" for i in range(N)]),
        "X": X,
        "y": y[:, None],
        "features": features(X),
        "targets": (TargetProperty(column="soc_pct", unit="%"),),
        "quantity": "reflectance",
        "notes": [],
        "sha256": "0" * 64,
        "auxiliary": 2 * y + 1,
        "laboratory": (1.05 * X).astype(np.float32),
        "neighbours": np.repeat(X[:, None], 4, axis=1),
        "library": library,
    }
    return TrainingRows(**whole | parts)


def patch_rows(**parts):
    """Patches of four covariates at three depths; the first covariate is the property, a third of it per layer."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4, 5, 5)).astype(np.float32)
    centre = X[:, 0, 2, 2].astype(np.float64)
    y = 10 + np.column_stack([3 * centre, 2 * centre, centre])
    y[:8, 2] = np.nan
    whole = {
        "ids": np.array([f"P{i}" for i in range(N)]),
        "X": X,
        "y": y,
        "features": tuple(Feature(f"c{i}") for i in range(4)),
        "targets": tuple(
            TargetProperty(column=f"soc_g_kg {layer} cm", unit="g/kg") for layer in ("0-10", "10-30", "30-60")
        ),
        "quantity": "covariates",
        "notes": [],
        "sha256": "0" * 64,
        "layers_cm": ((0, 10), (10, 30), (30, 60)),
    }
    return TrainingRows(**whole | parts)


SMALL = {
    "svr": {"n_candidates": 3},
    "forest": {"n_trees": 10},
    "mlp": {"epochs": 20, "n_members": 2},
    "transfer_mlp": {"epochs": 20, "n_members": 2},
    "cascade": {"n_trees": 10},
    "resnet": {"epochs": 3, "patience": 3},
    "transfer_resnet": {"epochs": 3, "patience": 3},
    "random_resnet": {"epochs": 3, "patience": 3},
    "cnn": {"filters": [4, 4], "hidden": [4], "epochs": 2},
    "multitask_cnn": {"filters": [4, 4], "hidden": [4], "epochs": 2},
    "transfer_cnn": {"filters": [4, 4], "hidden": [4], "epochs": 2, "fine_tuning_epochs": 1},
    "mbl": {"neighbours": [20, 30]},
    "boosted_trees": {"n_trees": 10},
    "spiked_boosted_trees": {"n_trees": 10},
    "auto": {"candidates": ["pls", "forest"], "n_folds": 3},
}
_RS_LOCAL = {"k": 20, "b": 5, "r": 0.2, "n_components": 3}
SMALL |= dict.fromkeys(("rs_local_pls", "rs_local_pls_ln"), _RS_LOCAL)
_NET = {"n_trials": 1, "n_folds": 2, "epochs": 4, "patience": 2}
SMALL |= dict.fromkeys(("spectral_cnn", "library_cnn", "country_cnn", "dtl_r", "dtl_r_country"), _NET)
SMALL |= dict.fromkeys(("dtl_i", "dtl_i_country", "dtl_ir", "dtl_ir_country"), _NET | _RS_LOCAL)


def candidate(kind, settings=None, **features_):
    """A candidate with settings that are fast, or others."""
    schema = REGRESSORS[kind].settings
    settings = schema(**(SMALL.get(kind, {}) if settings is None else settings))
    return Candidate(REGRESSORS[kind].title, kind, settings, FeatureSettings(**features_))


def task(kind, rows, *, train=None, settings=None, features=None, **parts):
    """A task that fits a regressor to the first 36 rows and tests the others."""
    train = np.arange(36) if train is None else train
    recipe = SimpleNamespace(
        seed=0,
        data=SimpleNamespace(auxiliary=Property(column="ph")),
        validation=SimpleNamespace(n_seeds=0),
        model=SimpleNamespace(**{name: REGRESSORS[name].settings(**SMALL.get(name, {})) for name in REGRESSORS}),
    )
    parts = {"seed": 0, "test": np.setdiff1d(np.arange(len(rows)), train)} | parts
    return FitTask(candidate(kind, settings, **(features or {})), rows, train, recipe, **parts)
