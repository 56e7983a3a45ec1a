"""A loaded model as one object: what it reads and predicts, and how to predict, map and save with it."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from geosoil.errors import EstimatorError
from geosoil.explain.explanation import BUDGET, explain_rows
from geosoil.io.journal import Identity
from geosoil.mapping.covariates import match_covariates
from geosoil.mapping.inputs import COVARIATES, ModelInput, UnsavedModel
from geosoil.mapping.job import prepare_map
from geosoil.mapping.joint import foreign_spectra
from geosoil.mapping.match import match_bands
from geosoil.mapping.trusted import model_with_outputs
from geosoil.mapping.value_checks import check_values
from geosoil.models.card import FeatureCard, ModelCard, TargetCard, TrainingCard
from geosoil.models.contract import PREDICTION, Feature, Target, features_of, of_rasters, with_training_range
from geosoil.models.display import describe_card, html_table, targets_text
from geosoil.models.pixel import PixelModel
from geosoil.models.sklearn_types import STORABLE
from geosoil.models.state import regressor_of
from geosoil.models.store import card_of, save_model
from geosoil.models.trust import load_trust
from geosoil.workflows.explain import read_rows, require_pixel_model
from geosoil.workflows.map import map_covariates, map_cube
from geosoil.workflows.predict import prepare_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from geosoil.explain.explanation import Explanation
    from geosoil.models.contract import Model
    from geosoil.workflows.map import PathLike
    from geosoil.workflows.map_result import MapResult

    Features = Sequence[Feature | str] | xr.DataArray
    Targets = Target | Sequence[Target]


@dataclass(frozen=True, repr=False)
class Predictor:
    """A model that is ready to predict: loaded from a folder, or made of a fitted scikit-learn estimator.

    Parameters
    ----------
    model : Model
        The model as the mapper runs it.
    source : ModelInput, optional
        The folder that the model was loaded from.
    n_samples : int
        The number of training rows; 0 if it is not known.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> X, y = np.array([[0.0], [1.0]]), np.array([5.0, 7.0])
    >>> Predictor.fit(LinearRegression(), X, y, features=[Feature("twi")], targets=[Target("som", "g/kg")])
    Predictor of som (g/kg) from 1 covariate
    """

    model: Model
    source: ModelInput | None = None
    n_samples: int = 0

    @classmethod
    def load(cls, model: PathLike) -> Predictor:
        """Load a model folder, or a known model by its name; raises ModelFileError where there is none."""
        source = ModelInput.find(model)
        return cls(source.model, source, source.card.training.n_samples)

    @classmethod
    def of(cls, fitted: Any, *, features: Features, targets: Targets, X: np.ndarray | None = None) -> Predictor:
        """Return a predictor of any fitted scikit-learn estimator.

        Parameters
        ----------
        fitted : estimator
            Fitted on columns in the order of `features`: a regressor, a Pipeline, or a search that refitted its best.
        features : sequence of Feature or str, or DataArray of shape (band, y, x)
            What it reads: features, names of covariates, or a cube or a stack of covariates whose bands were the
            columns.
        targets : Target or sequence of Target
            What it predicts, one for each column of its predictions.
        X : ndarray, shape (n_samples, n_features), optional
            The rows that it was fitted on, whose ranges maps are compared with; a fitted estimator does not keep them.

        Raises
        ------
        EstimatorError
            If the estimator is not fitted, or if it or X has another number of features.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> line = Ridge(alpha=1e-9).fit([[0.0], [1.0]], [5.0, 7.0])
        >>> Predictor.of(line, features=["twi"], targets=Target("som", "g/kg"))
        Predictor of som (g/kg) from 1 covariate
        """
        fitted = getattr(fitted, "best_estimator_", fitted)
        columns, outputs = _features(features), (targets,) if isinstance(targets, Target) else tuple(targets)
        _check_fitted(fitted, columns)
        if X is None:
            return cls(PixelModel(fitted, columns, outputs))
        columns = with_training_range(columns, np.asarray(X))
        return replace(cls(PixelModel(fitted, columns, outputs)), n_samples=len(X))

    @classmethod
    def fit(cls, pipeline: Any, X: np.ndarray, y: np.ndarray, *, features: Features, targets: Targets) -> Predictor:
        """Fit a scikit-learn estimator to X `(sample, feature)` and y `(sample,)` or `(sample, target)`; see `of`."""
        return cls.of(pipeline.fit(np.asarray(X), y), features=features, targets=targets, X=X)

    def __repr__(self) -> str:
        kind = "covariate" if self.quantity == COVARIATES else "band"
        n_features = len(self.model.features)
        parts = f"Predictor of {targets_text(self.targets)} from {n_features} {kind}{'s' if n_features > 1 else ''}"
        if self.card is not None:
            parts += f"; model {self.card.name}" + f", {self.n_samples} training samples" * bool(self.n_samples)
        return parts

    def _repr_html_(self) -> str:
        return html_table(repr(self), [] if self.card is None else describe_card(self.card))

    @property
    def card(self) -> ModelCard | None:
        """What the folder of the model states about it; None for a model that was not loaded."""
        return None if self.source is None else self.source.card

    @property
    def targets(self) -> tuple[Target, ...]:
        """The properties that are predicted."""
        return self.model.targets

    @property
    def quantity(self) -> str:
        """What the features are: "covariates", or the quantity of a cube."""
        if self.card is not None:
            return self.card.quantity
        bands = of_rasters(self.model.features)
        is_cube = bool(bands) and all(feature.wavelength_nm is not None for feature in bands)
        return "reflectance" if is_cube else COVARIATES

    def predict(
        self, raster: xr.DataArray, outputs: Sequence[str] | None = None, *, level: float | None = None
    ) -> xr.DataArray:
        """Predict every pixel of a cube or a stack of covariates, lazily.

        Parameters
        ----------
        raster : DataArray of shape (band, y, x)
            A cube, whose bands are found by wavelength, or covariates, whose bands are found by name.
        outputs : sequence of str, optional
            Kinds of bands; default: predictions. A trust state has lower, upper, dissimilarity, density and inside.
        level : float, optional
            Share of the values that the intervals shall hold; default: 0.9.

        Returns
        -------
        DataArray of shape (output, y, x)
            float32; NaN where a band has no data. Its name and unit label a plot; `.squeeze("band")` makes a single
            output an array of shape (y, x).

        Raises
        ------
        GeosoilError
            If bands are missing, or have no data, or their values have another unit than those at training, such as
            digital numbers instead of reflectance.

        Warns
        -----
        UserWarning
            If the values are strange, as the warnings of `geosoil map` are. `attrs["notes"]` of the result has what was
            done to the input, and how many sampled pixels lie outside the training range.
        """
        kinds = (PREDICTION,) if outputs is None else tuple(outputs)
        notes: tuple[str, ...]
        known = model_with_outputs(self.model, self.source, kinds, level)
        if self.quantity == COVARIATES:
            stack = match_covariates(known, raster)
            model, notes, bands, read = known, stack.notes, None, stack.raster
        else:
            matched = match_bands(known, raster)
            model, notes, bands, read = matched.model, matched.notes, matched.bands, raster
        job = prepare_map(model, read, bands=bands, outputs=kinds)
        value_notes, strange = check_values(job, [None if self.card is None else self.card.sample_places])
        if self.source is not None and self.quantity != COVARIATES:
            strange = (*foreign_spectra([self.source]), *strange)
        for warning in strange:
            warnings.warn(warning, stacklevel=2)
        return job.lazy().assign_attrs(notes=(*notes, *value_notes))

    def predict_table(self, table: PathLike, **options: Any) -> pd.DataFrame:
        """Predict the rows of a table: spectra, covariates, or points on rasters.

        Parameters
        ----------
        table : path-like
            As `geosoil.predict_table` takes it, which writes the predictions to a file.
        **options
            Those of `prepare_table`, such as `cube`, `covariates`, `keep` and `outputs`.

        Returns
        -------
        DataFrame
            Ids, coordinates and kept columns, then one column per output; `attrs` holds `units` and `notes`. Rows that
            cannot be predicted have no prediction.

        Raises
        ------
        GeosoilError
            If the table does not fit the model.
        """
        return prepare_table(table, self._input({}), **options).frame()

    def map(self, path: PathLike | Sequence[PathLike], output: PathLike | None = None, **options: Any) -> MapResult:
        """Map a cube or covariate rasters to a file, as `geosoil map` does.

        Parameters
        ----------
        path : path-like or sequence of path-like
            A cube, or covariate rasters.
        output : path-like, optional
            The map; default: CUBE_MODEL.tif in the working folder.
        **options
            All other options of `map_cube` or `map_covariates`, such as `bare_soil`, `mask` or `progress`.

        Returns
        -------
        MapResult
            Where the map, its style and its picture are, the statistics and notes.

        Raises
        ------
        GeosoilError
            If the input or the output does not fit.
        """
        mapper: Any = map_covariates if self.quantity == COVARIATES else map_cube
        return mapper(path, self._input(options), output, **options)

    def _input(self, options: dict[str, Any]) -> ModelInput:
        """Return the folder of the model, or the model of this process as the mapper takes it with these options."""
        if self.source is not None:
            return self.source
        name = type(regressor_of(getattr(self.model, "estimator", self.model))).__name__.lstrip("_")
        try:
            card, arrays = card_of(self.model, name=name, **self._card_options())
        except EstimatorError as error:
            needing = [word for word in ("workers", "cluster") if options.get(word) is not None]
            needing += ["mode='resume'"] if options.get("mode") == "resume" else []
            if needing:
                raise EstimatorError(
                    name,
                    problem=f"{' and '.join(needing)} needs a model that can be stored",
                    expected=STORABLE,
                    way_out="map it with threads, in one run",
                ) from error
            card = ModelCard(
                name=name,
                features=[FeatureCard.of(feature) for feature in self.model.training_columns],
                targets=[TargetCard(**vars(target)) for target in self.model.targets],
                **self._card_options(),
            )
            return UnsavedModel(Path(name), card, self.model)
        parts = card.model_dump(exclude={"created", "versions"}, mode="json")
        return UnsavedModel(Path(name), card, self.model, Identity.of(parts, arrays).sha256)

    def explain(
        self,
        samples: PathLike | pd.DataFrame | np.ndarray,
        *,
        n_background: int | None = None,
        budget: int = BUDGET,
        seed: int = 0,
    ) -> Explanation:
        """Attribute the predictions of samples to bands or covariates, by Shapley values.

        `geosoil.explain_samples` writes the same to files with a figure; `geosoil.explain_map` explains a raster.

        Parameters
        ----------
        samples : path-like, DataFrame or ndarray of shape (sample, feature)
            Spectra in any format of `read_spectra`, a table with one column per covariate, or rows of the columns that
            the model was fitted on or reads.
        n_background : int, optional
            Number of rows that represent an absent feature; default: all, at most 1000.
        budget : int
            Largest number of rows to predict; fewer samples are explained if it is exceeded.
        seed : int
            Random seed for drawing background rows and samples.

        Returns
        -------
        Explanation
            Attributions of each sample to windows of features, which `windows` names.

        Raises
        ------
        GeosoilError
            If the samples do not fit, or the model reads patches of pixels.
        """
        model = require_pixel_model(self.model, "model" if self.source is None else self.source.folder)
        if isinstance(samples, str | os.PathLike):
            rows, _ = read_rows(self._input({}), samples)
        else:
            rows = _rows(model, samples)
        return explain_rows(model, rows, n_background=n_background, budget=budget, seed=seed)

    def save(self, folder: PathLike) -> None:
        """Write the model to a folder, for `load_model` and `geosoil map`; the folder's name is that of the model."""
        path = Path(os.fspath(folder))
        source = self.source
        same = source is not None and self.model is source.model
        trust = load_trust(source.folder, source.card) if same and source is not None else None
        save_model(self.model, path, name=path.name, trust=trust, **self._card_options())

    def _card_options(self) -> dict[str, Any]:
        """Return what the card of a model folder states beside the model."""
        card, estimator = self.card, getattr(self.model, "estimator", None)
        if card is None:
            steps = [type(step).__name__ for _, step in getattr(estimator, "steps", [("", estimator)])]
            training = TrainingCard(n_samples=self.n_samples, recipe_sha256="", table_sha256="")
            return {"study": "python", "preprocessing": steps, "training": training, "quantity": self.quantity}
        return {
            "study": card.study,
            "preprocessing": card.preprocessing,
            "training": card.training,
            "metrics": card.metrics,
            "quantity": card.quantity,
            "grid": None if card.grid is None else card.grid.pixel(),
        }


def _features(features: Features) -> tuple[Feature, ...]:
    if isinstance(features, xr.DataArray):
        return features_of(features)
    return tuple(Feature(feature) if isinstance(feature, str) else feature for feature in features)


def _check_fitted(estimator: Any, columns: Sequence[Feature]) -> None:
    """Raise EstimatorError unless an estimator is fitted on as many columns, in their order if both are named."""
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    kind, names = type(estimator).__name__, [column.name for column in columns]
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise EstimatorError(
            kind,
            found="no fitted estimator",
            expected="one whose `fit` was called",
            way_out="call its `fit`, or use Predictor.fit",
        ) from error
    n_fitted = getattr(estimator, "n_features_in_", len(columns))
    if n_fitted != len(columns):
        raise EstimatorError(
            kind,
            found=f"{len(columns)} features",
            expected=f"the {n_fitted} that it was fitted on",
            way_out="select the bands of training, for example by cube.sel(band=[...])",
        )
    fitted_names = [str(name) for name in getattr(estimator, "feature_names_in_", names)]
    if set(fitted_names) == set(names) and fitted_names != names:
        raise EstimatorError(
            kind,
            found=f"features in the order {', '.join(names[:3])}, ...",
            expected=f"the order of training: {', '.join(fitted_names[:3])}, ...",
            way_out="name the features in this order",
        )


def _rows(model: Model, samples: pd.DataFrame | np.ndarray) -> np.ndarray:
    """Return the columns of samples that a model reads: by name in a table, else by their order."""
    names = [feature.name for feature in model.features]
    columns = getattr(samples, "columns", None)
    if columns is not None and set(names) <= set(columns):
        return np.asarray(samples[names])
    rows = np.asarray(samples)
    is_whole = rows.ndim == 2 and rows.shape[1] == len(model.training_columns) != len(names)
    return rows[:, model.used_columns] if is_whole else rows


def load_model(model: PathLike) -> Predictor:
    """Load a model folder, or a known model by its name, as a `Predictor`.

    >>> load_model("as_svr").targets[0].unit
    'mg/kg'
    """
    return Predictor.load(model)
