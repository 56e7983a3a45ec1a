"""The input of a table of predictions from spectra: a table or a folder of scans, resampled to the bands of a model."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from scipy import sparse

from geosoil.errors import UnitsError
from geosoil.io.provenance import shown_name
from geosoil.io.spectra.chunks import iter_spectra
from geosoil.io.tables.reader import PARQUET_ENDINGS
from geosoil.mapping.match import interpolation_matrix, nearest_bands
from geosoil.mapping.table_places import BY_NAME, PlaceOptions, merge_places
from geosoil.mapping.tables import ID_NAME, MatchedTable, TableChunk, TableInput, predict_block, require_rows
from geosoil.models.contract import of_rasters
from geosoil.samples.libraries import UPSIDE_DOWN
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geosoil.io.spectra.unify import Spectra
    from geosoil.mapping.inputs import ModelInput, PathLike
    from geosoil.mapping.tables import Reasons
    from geosoil.models.contract import Block, Feature, Model

AVERAGED = 0.6  # spectra with bands closer than this share of a band's width are averaged over it
NEGLIGIBLE_WEIGHT = 1e-6  # of the largest weight of a band
ROWS_TO_JUDGE = 512  # spectra whose median is the typical one
FEWEST_TO_JUDGE = 10  # bands that show that a quantity is wrong


@dataclass(eq=False)
class SpectraInput(TableInput):
    """A table of spectra or a folder of scans.

    Parameters
    ----------
    path : path-like
        As `read_spectra` takes it.
    options : dict
        The keyword arguments of `read_spectra`.
    places : PlaceOptions
        The columns of x and y and their CRS, for a model that reads places.
    """

    path: PathLike
    options: dict[str, Any] = field(default_factory=dict)
    places: PlaceOptions = BY_NAME

    def __post_init__(self) -> None:
        self.coordinates = self.places.columns
        given = self.options.get("id_column")
        self.id_name = given if isinstance(given, str) else ID_NAME

    @property
    def files(self) -> tuple[PathLike, ...]:
        """The table or folder."""
        return (self.path,)

    @property
    def settings(self) -> dict[str, object]:
        """The name of the table, and the options that were given."""
        return {"spectra": shown_name(self.path), **self.options, **vars(self.places)}

    def read_chunks(self) -> Iterator[TableChunk]:
        """Read the spectra in chunks."""
        for spectra in iter_spectra(Path(self.path), **self.options):
            self.n_rows = self.n_rows or _count_rows(spectra)
            self._known = spectra  # wavelengths and quantity, which are those of all chunks
            yield TableChunk(np.asarray(spectra.ids, object), spectra.table, spectra.values.T)

    def match(self, model: ModelInput, outputs: Sequence[str] | None) -> MatchedTable:
        """Find or resample the bands of a model by their wavelengths, and convert absorbance and reflectance."""
        loaded = require_rows(model, self.path)
        first, spectra = self.first, self._known
        weights, note = band_weights(loaded, spectra.wavelength_nm, where=self.path)
        notes = [*spectra.notes, *([note] if note else [])]
        convert = np.asarray
        if spectra.quantity != model.card.quantity:
            convert = _CONVERSIONS[spectra.quantity, model.card.quantity]
            notes.append(f"{spectra.quantity} was converted to {model.card.quantity}")
        read = np.unique(weights.indices)  # a missing value in a band that is not read costs no row
        chosen = weights[:, read]
        order = weights.indices if not note else None  # each feature is a band as it is
        if order is not None and np.array_equal(order, np.arange(weights.shape[1])):
            order = slice(None)

        places = self.places.reader(Path(self.path), first, loaded.features)

        def features(chunk: TableChunk) -> tuple[list[Block], Reasons]:
            assert chunk.values is not None
            values = convert(chunk.values[read if order is None else order])
            values = np.ascontiguousarray(values if order is not None else chosen @ values)
            return [merge_places(loaded.features, values, places(chunk))[:, None]], {}

        is_band = np.array([feature.place is None for feature in loaded.features])
        _refuse_upside_down(features(first)[0][0][is_band, 0], of_rasters(loaded.features), spectra)
        return MatchedTable(predict_block(loaded, model, outputs), features, tuple(notes))


def _count_rows(spectra: Spectra) -> int:
    """Return the number of rows of the file of which spectra are the first rows."""
    if spectra.source.suffix.lower() in PARQUET_ENDINGS:
        return int(pq.read_metadata(spectra.source).num_rows)
    return len(spectra.ids)


_CONVERSIONS: dict[tuple[str, str], Any] = {
    ("absorbance", "reflectance"): lambda values: np.power(np.float32(10), -values),
    ("reflectance", "absorbance"): lambda values: -np.log10(np.where(values > 0, values, np.nan)),
}


def band_weights(model: Model, wavelength_nm: np.ndarray, *, where: object) -> tuple[sparse.csr_array, str]:
    """Return the weights of spectra in the bands of a model, and a note on what was done.

    Much finer spectra are averaged with Gaussian weights over the width of a band of the model, as in training. Bands
    that the spectra have themselves, within a quarter of their width, are taken as they are, and others interpolated.

    Parameters
    ----------
    model : Model
        Its features have wavelengths.
    wavelength_nm : ndarray of shape (band,)
        Increasing wavelengths of the spectra.
    where : object
        The file, for messages.

    Returns
    -------
    weights : csr_array of shape (feature, band), float32
    note : str

    Raises
    ------
    WavelengthError
        If the spectra do not cover a band of the model.

    Examples
    --------
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> model = PixelModel(None, (Feature("500 nm", 500.0),), (Target("ph", ""),), resampling=np.eye(1),
    ...                    resampled_features=(Feature("500 nm", 500.0),))
    >>> band_weights(model, np.array([480.0, 500.0, 520.0]), where="a.csv")[0].toarray()
    array([[0., 1., 0.]], dtype=float32)
    """
    features, (width, averaged) = of_rasters(model.features), _widths(model, wavelength_nm)
    nearest = nearest_bands(features, wavelength_nm)
    if nearest is not None and not averaged:
        rows = np.arange(len(features))
        shape = (len(features), len(wavelength_nm))
        return sparse.csr_array((np.ones(len(rows), np.float32), (rows, nearest)), shape), ""
    matrix = interpolation_matrix(features, wavelength_nm, where=where, what="spectra")
    how = "interpolated linearly"
    if averaged:
        model_nm = np.array([feature.wavelength_nm for feature in features], np.float64)
        gaussian = resampling_matrix(wavelength_nm, model_nm, method="gaussian", to_fwhm_nm=width)
        covered = np.isfinite(gaussian).all(axis=1)  # others lie at an end of the spectra, or beside a gap
        matrix[covered] = gaussian[covered]
        how = "averaged with Gaussian weights"
    matrix[np.abs(matrix) < NEGLIGIBLE_WEIGHT * np.abs(matrix).max(axis=1, keepdims=True)] = 0
    matrix /= matrix.sum(axis=1, keepdims=True)
    note = f"spectra of {len(wavelength_nm)} bands {how} to the {len(features)} bands of the model"
    return sparse.csr_array(matrix.astype(np.float32)), note


def _widths(model: Model, wavelength_nm: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the width (feature,) of each band in nm, and whether the spectra are so fine that they are averaged."""
    columns_nm = np.unique([column.wavelength_nm for column in model.training_columns if column.wavelength_nm])
    spacing = np.gradient(columns_nm) if len(columns_nm) > 1 else np.ones(1)
    of_column = dict(zip(columns_nm.tolist(), spacing.tolist(), strict=True))
    width = np.array([f.fwhm_nm or of_column.get(f.wavelength_nm or 0.0, 1.0) for f in of_rasters(model.features)])
    step = float(np.median(np.diff(wavelength_nm))) if len(wavelength_nm) > 1 else np.inf
    return width, step < AVERAGED * float(np.median(width))


def _refuse_upside_down(values: np.ndarray, features: Sequence[Feature], spectra: Spectra) -> None:
    """Raise UnitsError if the typical spectrum of `values` (feature, row) decreases where the training range rises."""
    usual, values = np.array([_middle(feature) for feature in features]), values[:, :ROWS_TO_JUDGE]
    whole = np.isfinite(values).all(axis=0)
    if len(features) < FEWEST_TO_JUDGE or not whole.any() or not np.isfinite(usual).all():
        return
    typical = np.median(values[:, whole], axis=1)
    if np.ptp(typical) > 0 and np.ptp(usual) > 0 and np.corrcoef(typical, usual)[0, 1] < UPSIDE_DOWN:
        other = "absorbance" if spectra.quantity == "reflectance" else "reflectance"
        raise UnitsError(
            spectra.source,
            found=f"apparent {other}: spectra that decrease where those of the training rows increase",
            expected=spectra.quantity,
            way_out=f"state what the values are: --quantity {other} (quantity={other!r})",
        )


def _middle(feature: Feature) -> float:
    if feature.training_low is None or feature.training_high is None:
        return np.nan
    return (feature.training_low + feature.training_high) / 2
