"""The readable half of a model folder: `model.json`, checked by a schema before anything else is read."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from affine import Affine
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator
from pyproj.exceptions import CRSError
from rasterio.crs import CRS

from geosoil.models.contract import Feature
from geosoil.models.display import describe_card, html_table, targets_text
from geosoil.raster.grid import Grid
from geosoil.raster.place import Place
from geosoil.trust.applicability import ApplicabilityCard  # noqa: TC001 - pydantic reads it
from geosoil.trust.intervals import IntervalCard  # noqa: TC001

MOST_PLACES = 5000  # of samples in a card


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlaceCard(_Part):
    """One coordinate of a place: its axis, its projected CRS as "EPSG:32755" or WKT, and the metres subtracted."""

    axis: Literal["x", "y"]
    crs: str = Field(max_length=20_000)
    origin_m: float

    @model_validator(mode="after")
    def _valid(self) -> PlaceCard:
        try:
            self.place()
        except CRSError as error:
            raise ValueError("the CRS of a place is not known") from error
        return self

    def __str__(self) -> str:
        return str(self.place())

    def place(self) -> Place:
        """Return the coordinate that the card describes."""
        return Place(self.axis, self.crs, self.origin_m)


class FeatureCard(_Part):
    """A column that the model was fitted on; `used` is whether its predictions depend on it."""

    name: str
    wavelength_nm: float | None = None
    fwhm_nm: float | None = None
    training_low: float | None = None
    training_high: float | None = None
    place: PlaceCard | None = None
    used: bool = True

    @classmethod
    def of(cls, feature: Feature, *, used: bool = True) -> FeatureCard:
        """Return the card of a feature."""
        place = None if feature.place is None else PlaceCard(**vars(feature.place))
        return cls(**{**vars(feature), "place": place}, used=used)

    def feature(self) -> Feature:
        """Return the feature that the card describes."""
        place = None if self.place is None else self.place.place()
        return Feature(**self.model_dump(exclude={"used", "place"}), place=place)

    @model_serializer(mode="wrap")
    def _leave_out_empty_place(self, serialise: Any) -> dict[str, Any]:
        # So that the card of a model without places, and its hash, are those of earlier versions.
        content: dict[str, Any] = serialise(self)
        return content if self.place else {key: value for key, value in content.items() if key != "place"}


class TargetCard(_Part):
    """A property that the model predicts."""

    name: str
    unit: str
    valid_range: tuple[float | None, float | None] = (None, None)


class TrainingCard(_Part):
    """The data that the model was fitted to.

    `laboratory` is whether they were spectra of a table, as of a laboratory, and none of them pixels of an image.
    """

    n_samples: int
    recipe_sha256: str
    table_sha256: str
    laboratory: bool = False
    notes: list[str] = Field(default_factory=list)


class CubeCard(_Part):
    """How a cube stores reflectance (stored value x scale + offset), where its file does not state it."""

    scale: float = Field(1.0, gt=0)
    offset: float = 0.0


class SamplePlaces(_Part):
    """Where the samples of a model with place are: in metres from the origin of its places, rounded to `rounded_m`.

    `apart_m` is the largest distance of a sample to its nearest neighbour.
    """

    xy_m: list[tuple[float, float]] = Field(min_length=1, max_length=MOST_PLACES)
    apart_m: float = Field(ge=0)
    rounded_m: float = Field(ge=0)

    @classmethod
    def of(cls, xy_m: np.ndarray, apart_m: float) -> SamplePlaces:
        """Return the places of samples `(n, 2)`, rounded to a twentieth of `apart_m`; of very many, every so many."""
        rounded_m = max(float(np.floor(apart_m / 20)), 1.0)
        places = np.unique(np.round(np.asarray(xy_m, np.float64) / rounded_m) * rounded_m, axis=0)
        return cls(xy_m=places[:: -(-len(places) // MOST_PLACES)].tolist(), apart_m=apart_m, rounded_m=rounded_m)


class OriginCard(_Part):
    """What a user should know about a model before it is used.

    `bounds` are west, south, east and north of the training samples in degrees (EPSG:4326), and `contents` the lowest
    and highest value of each target that the model learned from. `sensor` is what measured the spectra, and `cube` how
    the cube of the training stores reflectance. `places` has the samples of a model with place.
    """

    method: str = ""
    sensor: str | None = None
    cube: CubeCard | None = None
    bounds: tuple[float, float, float, float] | None = None
    contents: dict[str, tuple[float, float]] = Field(default_factory=dict)
    places: SamplePlaces | None = None
    author: str | None = None
    licence: str | None = None
    not_made_for: list[str] = Field(default_factory=list)

    @model_serializer(mode="wrap")
    def _leave_out_empty_places(self, serialise: Any) -> dict[str, Any]:
        content: dict[str, Any] = serialise(self)
        return content if self.places else {key: value for key, value in content.items() if key != "places"}


class GridCard(_Part):
    """The grid of the covariates at training: its CRS as "EPSG:32755" or WKT, and the sides (x, y) of a pixel."""

    crs: str
    resolution: tuple[float, float]

    @classmethod
    def of(cls, grid: Grid) -> GridCard:
        """Return the card of a grid that has a CRS."""
        assert grid.crs is not None
        code, t = grid.crs.to_epsg(), grid.transform
        sides = (float((t.a**2 + t.d**2) ** 0.5), float((t.b**2 + t.e**2) ** 0.5))
        return cls(crs=f"EPSG:{code}" if code else grid.crs.to_wkt(), resolution=sides)

    def pixel(self) -> Grid:
        """Return a grid of one such pixel at the origin of the CRS."""
        return Grid(_crs(self.crs), Affine.scale(self.resolution[0], -self.resolution[1]), 1, 1)

    @field_validator("crs")
    @classmethod
    def _known(cls, text: str) -> str:
        _crs(text)
        return text

    @field_validator("resolution")
    @classmethod
    def _positive(cls, sides: tuple[float, float]) -> tuple[float, float]:
        if min(sides) <= 0:
            msg = "the sides of a pixel must be larger than 0"
            raise ValueError(msg)
        return sides


def _crs(text: str) -> CRS:
    # Not `CRS.from_string`: what a file says must not be taken for the name of a file or a URL.
    return CRS.from_epsg(int(text[5:])) if text.startswith("EPSG:") else CRS.from_wkt(text)


class DescentCard(_Part):
    """A model that this one was fine-tuned from: the hash of its files, its target and its number of samples."""

    sha256: str
    name: str = ""
    target: str = ""
    n_samples: int | None = None
    frozen: list[str] = Field(default_factory=list)


class MemberCard(_Part):
    """The part of a card that a model and each member of a composite model have.

    `estimator` is the tree of types, parameters and names of arrays that `models/store.py` reads. `kind` is "pixel" if
    the value of a cell depends on its own pixel, "patch" if it depends on `patch_size` x `patch_size` pixels around it.
    The other kinds are composite models (`models/compose.py`), which have `members` and no estimator. An ensemble may
    have one weight for each member; without weights it is their plain mean.
    """

    kind: Literal["pixel", "patch", "ensemble", "cascade", "multi_target"] = "pixel"
    patch_size: int | None = Field(None, ge=3, le=15)
    features: list[FeatureCard] = Field(min_length=1)
    targets: list[TargetCard] = Field(min_length=1)
    estimator: dict[str, Any] = Field(default_factory=dict)
    members: list[MemberCard] = Field(default_factory=list, max_length=100)
    weights: list[float] = Field(default_factory=list, max_length=100)
    descent: list[DescentCard] = Field(default_factory=list)

    @model_serializer(mode="wrap")
    def _leave_out_empty_weights(self, serialise: Any) -> dict[str, Any]:
        # So that the card of a model without weights, and its hash, are those of earlier versions.
        content: dict[str, Any] = serialise(self)
        return content if self.weights else {key: value for key, value in content.items() if key != "weights"}


class CoverageCard(_Part):
    """How often the intervals of a level held the values of samples, by states fitted without these samples."""

    level: float = Field(gt=0, lt=1)
    n: int = Field(ge=0)
    covered: float = Field(ge=0, le=1)
    mean_width: float = Field(ge=0)


class TargetTrustCard(_Part):
    """What is known of the errors of a target: their root mean square, prediction intervals, and how these cover."""

    rmse: float = Field(ge=0)
    intervals: IntervalCard
    coverage: list[CoverageCard] = Field(default_factory=list, max_length=20)


class TrustCard(_Part):
    """Prediction intervals by target, and the area of applicability.

    Their arrays are in `trust.safetensors`, whose hash is `sha256`; `split` is the split that the errors come from.
    """

    split: str = Field(max_length=200)
    targets: dict[str, TargetTrustCard]
    applicability: ApplicabilityCard | None = None
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class ModelCard(MemberCard):
    """Everything about a model that is not a large array.

    `metrics` holds the accuracy by split and target; `quantity` is what the features are; `grid` is the grid of the
    covariates at training, if it is known; `origin` is where the model comes from.
    `weights_sha256` is the hash of the file of arrays that belongs to the card.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")
    study: str
    quantity: str = "reflectance"
    preprocessing: list[str]
    training: TrainingCard
    grid: GridCard | None = None
    origin: OriginCard | None = None
    trust: TrustCard | None = None
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    created: str = ""
    weights_sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")

    @property
    def sample_places(self) -> SamplePlaces | None:
        """Where the samples are, for a model with place that states it."""
        return None if self.origin is None else self.origin.places

    def __repr__(self) -> str:
        return f"ModelCard of {self.name}: {targets_text(self.targets)}, {self.training.n_samples} training samples"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return html_table(repr(self), describe_card(self))
