"""The contract of a model: it reads named bands of a raster block and returns the outputs that are asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyproj

from geosoil.errors import EstimatorError, ModelFileError
from geosoil.raster.place import PLACE_NAMES, Place, text_of_crs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

Block = np.ndarray  # float32 (band, y, x); NaN = no data
ValidRange = tuple[float | None, float | None]
OutputKind = Literal["prediction", "spread", "lower", "upper", "dissimilarity", "density", "inside"]
PREDICTION: OutputKind = "prediction"
SPREAD: OutputKind = "spread"  # the standard deviation between the members of an ensemble, or of a Gaussian process
LOWER: OutputKind = "lower"  # the ends of a prediction interval
UPPER: OutputKind = "upper"
DISSIMILARITY: OutputKind = "dissimilarity"  # to the training samples: the dissimilarity index, without unit
DENSITY: OutputKind = "density"  # number of training samples within the threshold of the area of applicability
INSIDE: OutputKind = "inside"  # 1 in the area of applicability, 0 outside
TRUST_KINDS = (LOWER, UPPER, DISSIMILARITY, DENSITY, INSIDE)  # of a model with a trust state (`trusted.py`)


@dataclass(frozen=True)
class Feature:
    """A band that a model reads.

    Parameters
    ----------
    name : str
        The name of the band or covariate.
    wavelength_nm, fwhm_nm : float, optional
        The centre and the width of a spectral band.
    training_low, training_high : float, optional
        The range of its values in the training rows.
    place : Place, optional
        For a coordinate of the pixel's centre, which maps compute from their grid instead of reading it from a raster;
        see `place_features`.
    """

    name: str
    wavelength_nm: float | None = None
    fwhm_nm: float | None = None
    training_low: float | None = None
    training_high: float | None = None
    place: Place | None = None


@dataclass(frozen=True)
class Target:
    """A soil property that a model predicts.

    Parameters
    ----------
    name, unit : str
        The name of the property and the unit of its values.
    valid_range : (float or None, float or None)
        The lowest and the highest value that is possible. Predictions beyond are set to this limit.
    """

    name: str
    unit: str
    valid_range: ValidRange = (None, None)


@dataclass(frozen=True)
class Output:
    """A band that a model can write.

    Parameters
    ----------
    name, unit : str
        The name of the band and the unit of its values.
    kind : {"prediction", "spread", "lower", "upper", "dissimilarity", "density", "inside"}
        What the values are. The predictions of a model have the names and units of its targets; the spread of an
        ensemble is the standard deviation of its members' predictions. The other kinds are those of a trust state.
    valid_range : (float or None, float or None)
        The mapper sets values beyond to this limit, and counts them.
    """

    name: str
    unit: str
    kind: OutputKind = PREDICTION
    valid_range: ValidRange = (None, None)


class Model(Protocol):
    """What the mapper, the explanations and the validation need of a model."""

    @property
    def training_columns(self) -> tuple[Feature, ...]:
        """The columns that the model was fitted on."""

    @property
    def used_columns(self) -> np.ndarray:
        """Indices of the training columns that the predictions depend on, `(n_used,)`."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The bands that the model reads, in this order."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The properties that it predicts, in this order."""

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that it can write, its predictions first."""

    @property
    def halo(self) -> int:
        """The pixels of context that it needs on every side; 0 if a pixel is predicted from itself alone."""

    @property
    def bytes_per_pixel(self) -> int:
        """The memory that `predict` needs per pixel of a block, without the block and the result."""

    @property
    def gpu_support(self) -> dict[str, bool]:
        """Whether a GPU can run its estimators, by their kinds."""

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Return the outputs asked for, in this order; default: the predictions.

        block: `(feature, y + 2 halo, x + 2 halo)`. Returns `(output, y, x)` float32; NaN in any feature of a pixel
        gives NaN. Values may lie outside the valid range: the mapper sets them to its limits and counts them.
        """

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions of samples within the valid range, `(sample, target)`.

        rows: `(sample, feature)`; patches `(sample, feature, 2 halo + 1, 2 halo + 1)` for a model with a halo.
        """

    def on(self, device: str) -> Model:
        """Return the same model that computes on "cpu" or "cuda"."""

    def resample_from(self, features: tuple[Feature, ...], matrix: np.ndarray) -> Model:
        """Return the same model for the bands of another sensor: matrix `(n_features of this model, n_features)`."""


class HasModel(Protocol):
    """An object that holds a model, such as a Predictor."""

    @property
    def model(self) -> Model:
        """The model."""


def model_of(model: Model | HasModel) -> Model:
    """Return the model that a Predictor holds; a model is returned unchanged."""
    # A resampled model holds another one as well.
    held: Model = model if hasattr(model, "halo") else model.model  # type: ignore[assignment]
    return held


def features_of(raster: xr.DataArray) -> tuple[Feature, ...]:
    """Return the bands of a raster `(band, y, x)` as features, with their wavelengths where it has them.

    Examples
    --------
    >>> import xarray as xr
    >>> coords = {"band": ["red", "nir"], "wavelength_nm": ("band", [665.0, 865.0])}
    >>> features_of(xr.DataArray(np.zeros((2, 1, 1)), dims=("band", "y", "x"), coords=coords))[0].wavelength_nm
    665.0
    """
    blank = np.full(raster.sizes["band"], np.nan)
    columns = [raster[name].values if name in raster.coords else blank for name in ("wavelength_nm", "fwhm_nm")]
    nm, fwhm_nm = ([None if np.isnan(value) else float(value) for value in values] for values in columns)
    return tuple(map(Feature, (str(name) for name in raster["band"].values), nm, fwhm_nm))


def place_features(crs: Any, origin_m: tuple[float, float] = (0.0, 0.0)) -> tuple[Feature, Feature]:
    """Return the two features that are the place of a sample or of a pixel's centre: x and y in metres from an origin.

    Parameters
    ----------
    crs : CRS, str or int
        The projected CRS of the coordinates, as `pyproj.CRS.from_user_input` takes it.
    origin_m : (float, float)
        The x and y in metres that were subtracted from the coordinates of the samples before the model was fitted. An
        origin amid the samples keeps float32 coordinates to a centimetre.

    Examples
    --------
    >>> east, north = place_features("EPSG:32633", (400_000, 5_700_000))
    >>> east.name, str(north.place)
    ('place_x_m', 'y in EPSG:32633 from 5700000 m')
    """
    text = text_of_crs(pyproj.CRS.from_user_input(crs))
    x, y = Place("x", text, float(origin_m[0])), Place("y", text, float(origin_m[1]))
    return Feature(PLACE_NAMES[0], place=x), Feature(PLACE_NAMES[1], place=y)


def of_rasters(features: Sequence[Feature]) -> tuple[Feature, ...]:
    """Return the features that bands of rasters hold: all but places.

    >>> [feature.name for feature in of_rasters((Feature("twi"), *place_features(32633)))]
    ['twi']
    """
    return tuple(feature for feature in features if feature.place is None)


def with_training_range(features: Sequence[Feature], X: np.ndarray) -> tuple[Feature, ...]:
    """Return features with the range of their columns in X `(sample, feature)`.

    Raises EstimatorError if X has another number of columns.

    >>> with_training_range([Feature("twi")], np.array([[1.0], [3.0]]))[0].training_high
    3.0
    """
    if X.ndim != 2 or not len(X) or X.shape[1] != len(features):
        raise EstimatorError(
            "X",
            found=f"training rows of shape {X.shape}",
            expected=f"(n_samples, {len(features)})",
            way_out="give the rows that the estimator was fitted on",
        )
    ranges = zip(X.min(axis=0).tolist(), X.max(axis=0).tolist(), strict=True)
    return tuple(
        replace(feature, training_low=low, training_high=high)
        for feature, (low, high) in zip(features, ranges, strict=True)
    )


def predictions_of(targets: Sequence[Target]) -> tuple[Output, ...]:
    """Return the outputs that hold the predictions of targets.

    >>> predictions_of([Target("ph", "")])
    (Output(name='ph', unit='', kind='prediction', valid_range=(None, None)),)
    """
    return tuple(Output(target.name, target.unit, PREDICTION, target.valid_range) for target in targets)


def select_outputs(model: Model, kinds: Sequence[str], where: object = "model") -> tuple[Output, ...]:
    """Return the outputs of a model of the kinds asked for, kind by kind.

    Raises
    ------
    ModelFileError
        If the model has no output of a kind. `where` names the model in the message.

    Examples
    --------
    >>> from geosoil.models.pixel import PixelModel
    >>> model = PixelModel(None, (Feature("twi"),), (Target("ph", ""), Target("soc", "%")))
    >>> [output.name for output in select_outputs(model, ["prediction"])]
    ['ph', 'soc']
    """
    known = list(dict.fromkeys(output.kind for output in model.outputs))
    for kind in kinds:
        if kind not in known:
            raise ModelFileError(
                where,
                found=f'no output "{kind}"',
                expected=f"one of {', '.join(known)}",
                way_out="choose outputs of this list",
            )
    return tuple(output for kind in dict.fromkeys(kinds) for output in model.outputs if output.kind == kind)


def pick_outputs(values: Block, names: Sequence[Output], outputs: Sequence[Output] | None) -> Block:
    """Return the bands of `values` that are asked for; `names` are those of its bands. None: all bands."""
    return values if outputs is None else values[[list(names).index(output) for output in outputs]]


def clip_to_range(values: np.ndarray, outputs: Sequence[Output | Target]) -> np.ndarray:
    """Set values outside the valid ranges to their limits, in place, and return how many were below and above.

    Parameters
    ----------
    values : ndarray of shape (output, ...)
        NaN stays NaN.
    outputs : sequence of Output or Target
        What the values of the first axis are.

    Returns
    -------
    ndarray of shape (output, 2)
        Counts of values below and above the range. A value equal to a limit is not counted.

    Examples
    --------
    >>> clip_to_range(np.array([[-1.0, 0.0, 5.0]]), [Target("som_g_kg", "g/kg", (0.0, 4.0))]).tolist()
    [[1, 1]]
    """
    counts = np.zeros((len(outputs), 2), np.int64)
    for band, output, count in zip(values, outputs, counts, strict=True):
        low, high = output.valid_range
        if low is not None:
            count[0] = np.count_nonzero(band < low)
        if high is not None:
            count[1] = np.count_nonzero(band > high)
        if count.any():
            np.clip(band, low, high, out=band)
    return counts
