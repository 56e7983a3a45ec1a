"""Helpers shared by the steps: rows with NaN, and checks of wavelengths against bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from geosoil.errors import RecipeError, WavelengthError
from geosoil.program.step import Step

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sklearn.base import BaseEstimator
    from sklearn.utils import Tags


class RowStep(OneToOneFeatureMixin, Step):
    """A step that accepts NaN: a row with NaN becomes NaN and does not affect other rows."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def checked_rows(step: BaseEstimator, X: Any, *, reset: bool) -> np.ndarray:
    """Return X `(sample, band)` as float32 or float64; NaN is allowed, infinity and a wrong number of bands are not.

    `reset` is True in `fit`, which learns the number of bands, and False in `transform`, which needs a fitted step.
    """
    if not reset:
        check_is_fitted(step)
    checked: np.ndarray = validate_data(
        step, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan"
    )
    return checked


def on_complete_rows(X: np.ndarray, n_out: int, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply `function` to the rows of X `(sample, band)` without NaN; other rows become NaN `(n_out,)`.

    A spectrum with a gap must not affect the others, but solvers that process all rows at once spread NaN.
    """
    complete = ~np.isnan(X).any(axis=1)
    if complete.all():
        return function(X).astype(X.dtype, copy=False)
    out = np.full((len(X), n_out), np.nan, dtype=X.dtype)
    if complete.any():
        out[complete] = function(X[complete])
    return out


def increasing_wavelengths(step: str, wavelength_nm: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the wavelengths `(band,)` in nm as float64; raises WavelengthError if they do not strictly increase."""
    wavelength = np.asarray(wavelength_nm, dtype=np.float64)
    if wavelength.ndim != 1 or wavelength.size < 2:
        raise WavelengthError(
            step,
            found=f"wavelengths of shape {wavelength.shape}",
            expected="a list of at least two wavelengths",
            way_out="give one wavelength per band",
        )
    wrong = np.flatnonzero(~(np.diff(wavelength) > 0))
    if wrong.size or wavelength[0] <= 0:
        band = int(wrong[0]) if wrong.size else 0
        raise WavelengthError(
            step,
            found=f"{wavelength[band]:g} nm followed by {wavelength[band + 1]:g} nm",
            expected="positive wavelengths that increase from band to band",
            way_out="sort the bands by wavelength and drop duplicates first",
        )
    return wavelength


def wavelengths_of(step: str, wavelength_nm: Sequence[float] | np.ndarray, n_features: int) -> np.ndarray:
    """Return the increasing wavelengths `(band,)` in nm; raises WavelengthError unless there is one per feature."""
    wavelength = increasing_wavelengths(step, wavelength_nm)
    if wavelength.size != n_features:
        raise WavelengthError(
            step,
            found=f"{n_features} bands in the spectra",
            expected=f"{wavelength.size}, one per wavelength",
            way_out="give the wavelength_nm of these spectra",
        )
    return wavelength


def check_choice(step: str, parameter: str, value: object, allowed: Sequence[str]) -> None:
    """Raise RecipeError if the value of a parameter is not among the allowed ones."""
    if value not in allowed:
        raise RecipeError(
            step,
            found=f"{parameter}={value!r}",
            expected=" or ".join(map(repr, allowed)),
            way_out="choose one of these",
        )
