"""All models that a recipe can ask for: one table.

A plain regressor is a scikit-learn estimator class whose constructor takes the settings and `random_state`; it is
fitted behind the steps of the recipe's `[features]`. A method (a transfer, a localisation, a patch network) is a
function `fit(task, settings) -> Model` that makes its model itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

import geosoil.pipeline.regressors.settings as of

if TYPE_CHECKING:
    from geosoil.models.contract import Model
    from geosoil.pipeline.part import Part
    from geosoil.pipeline.task import FitTask


@dataclass(frozen=True)
class Regressor:
    """One entry of `REGRESSORS`.

    Parameters
    ----------
    title : str
        Name in tables and reports.
    settings : type of Part
        Schema of the recipe's table `[model.NAME]`.
    estimator : str
        `module:Class` of a plain regressor, or "".
    fit : str
        `module:function` of a method, or "".
    scaled : bool
        Whether a plain regressor sees standardised features.
    needs : frozenset of str
        What the rows must have: "library", "library_target", "auxiliary", "patches", "country".
    multi_target : bool
        Whether all targets are fitted by one model (depth networks); other regressors are fitted once per target.
    """

    title: str
    settings: type[Part]
    estimator: str = ""
    fit: str = ""
    scaled: bool = False
    needs: frozenset[str] = field(default_factory=frozenset)
    multi_target: bool = False


REGRESSORS: dict[str, Regressor] = {
    "pls": Regressor("PLSR", of.PLS, estimator="geosoil.estimators.pls:PartialLeastSquares"),
    # PB fills this table.
}


def fit_model(task: FitTask) -> Model:
    """Fit the candidate of a task to its training rows and return a model of maps."""
    entry = REGRESSORS[task.candidate.kind]
    place = entry.fit or "geosoil.pipeline.regressors.plain:fit"
    module, _, name = place.partition(":")
    fit: Any = getattr(import_module(module), name)
    model: Model = fit(task, task.candidate.settings)
    return model
