"""What is strange about the values that a map reads: background, empty bands, values unlike those at training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RasterError
from geosoil.mapping.places import SampleDistances
from geosoil.mapping.probe import probe_values
from geosoil.mapping.training_range import RangeCount
from geosoil.models.joint import JointModel
from geosoil.raster.blocks import choose_block
from geosoil.raster.layout import VOID_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import xarray as xr

    from geosoil.io.rasters.statistics import BandStatistics
    from geosoil.mapping.job import MapJob
    from geosoil.models.card import SamplePlaces
    from geosoil.models.contract import Block

SURELY_BACKGROUND = 6  # bands; a pixel of fewer bands is background only if their common value is 0 or negative
OUTSIDE_SHARE = 0.05  # a band with a larger share of sampled pixels outside its training range is reported
FOREIGN_SHARE = 0.5  # a warning is given if at least this share of the bands is reported
FAR_BEYOND = 0.5  # of the range of the contents of the samples: predictions farther outside are reported
FEWEST_SAMPLED = 100  # pixels with data that are needed to call a band constant


def background_pixels(values: Block) -> np.ndarray:
    """Return which pixels hold exactly one value in all bands of a cube, as undeclared background does.

    A spectrum of soil rises by a factor of two or more from blue to infrared, so equal values in six bands or more are
    not one. Of two to five bands, only values of 0 and less are taken for background.

    Parameters
    ----------
    values : ndarray of shape (band, ...)
        Reflectance; NaN = no data.

    Returns
    -------
    ndarray of bool, shape (...)

    Examples
    --------
    >>> background_pixels(np.array([[0.0, 0.1, np.nan], [0.0, 0.2, np.nan]])).tolist()
    [True, False, False]
    """
    first = values[0]
    if len(values) < 2:
        return np.zeros(first.shape, bool)
    same: np.ndarray = first == values[-1]  # most soil is excluded by the first comparison
    if len(values) < SURELY_BACKGROUND:
        same &= first <= 0
    for band in values[1:-1]:
        if not same.any():
            break
        same &= first == band
    return same


def undeclared_voids(values: np.ndarray, names: Sequence[str]) -> tuple[str, ...]:
    """Return a warning for each usual code of pixels without data that is far outside the other values of a band.

    Far outside means farther from the other values than these are from each other, so that heights below sea level, for
    example, are not taken for codes.

    Parameters
    ----------
    values : ndarray of shape (band, pixel)
        Covariates; NaN = no data.
    names : sequence of str
        The names of the bands.

    Examples
    --------
    >>> undeclared_voids(np.array([[210.0, 225.0, -9999.0, -9999.0]]), ["dem"])[0].partition(";")[0]
    '50% of the sampled pixels of band dem are exactly -9999, which the file does not declare as nodata'
    """
    bands: dict[float, list[str]] = {}
    n_voids: dict[float, int] = {}
    for name, band in zip(names, values.astype(np.float64), strict=True):
        codes = [code for code in VOID_CODES if (band == np.float32(code)).any()]
        if not codes:
            continue
        others = band[np.isfinite(band) & ~np.isin(band, np.array(codes, np.float32))]
        low, high = (others.min(), others.max()) if len(others) else (np.inf, -np.inf)
        for code in codes:
            if not 2 * low - high <= code <= 2 * high - low:
                bands.setdefault(code, []).append(str(name))
                n_voids[code] = max(n_voids.get(code, 0), int((band == np.float32(code)).sum()))
    return tuple(
        f"{n_voids[code] / values.shape[1]:.0%} of the sampled pixels of {_list(of_code)} are exactly {code}, "
        "which the file does not declare as nodata; if these pixels have no data, declare it with "
        f"`gdal_edit.py -a_nodata {code} FILE`"
        for code, of_code in bands.items()
    )


def check_values(job: MapJob, samples: Sequence[SamplePlaces | None] = ()) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return notes and warnings about the values of a few windows of the pixels that are mapped.

    Parameters
    ----------
    job : MapJob
    samples : sequence of SamplePlaces or None
        For each model of the map, where its samples are, if it has place among its features.

    Raises
    ------
    RasterError
        If a band that the model reads has no data anywhere, so that no pixel of the map would have a value.
    """
    values = probe_values(job.source)
    features = values[: job.predict.n_features]
    seen = np.isfinite(features).any(axis=1)
    if seen.any() and not seen.all():
        _require_data(job.source, [str(name) for name in job.source["band"].values[: len(features)][~seen]])
    features = features[:, np.isfinite(features).all(axis=0) & ~job.predict.left_out(values[:, None])[0]]
    of_places = _compare_places(job.predict.model, features, samples)
    if not job.predict.of_cube:
        of_rasters = np.array([feature.place is None for feature in job.predict.model.features])
        names = job.source["band"].values[: len(features)][of_rasters]
        return of_places[0], of_places[1] + undeclared_voids(features[of_rasters], names)
    notes, warnings = (
        new + old for new, old in zip(_compare_ranges(job.predict.model, features), of_places, strict=True)
    )
    constant = np.ptp(features, axis=1) == 0 if features.shape[1] >= FEWEST_SAMPLED else np.zeros(len(features), bool)
    if constant.any() and not constant.all():
        names = job.source["band"].values[: len(features)][constant]
        warnings += (
            f"one value in all sampled pixels of {_list(names)}, although other bands vary: such a band is dead; "
            "train the model without it",
        )
    return notes, warnings


def beyond_contents(bands: Sequence[BandStatistics], contents: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Return warnings about predictions far outside the contents that a model has learned from.

    Parameters
    ----------
    bands : sequence of BandStatistics
        The statistics of the bands of a finished map.
    contents : mapping of str to (float, float)
        The lowest and the highest content of the training samples, by the name of the target.

    Examples
    --------
    >>> from geosoil.io.rasters.statistics import BandStatistics
    >>> band = BandStatistics("zinc", "mg/kg", 112.0, 5284.0, 412.0, 300.0, 120.0, 1400.0, 3047)
    >>> beyond_contents([band], {"zinc": (113.0, 1839.0)})[0][:73]
    'zinc: values up to 5284 mg/kg, where the samples have at most 1839 mg/kg;'
    """
    lines = []
    for band in bands:
        if band.name not in contents or not band.valid_count:
            continue
        low, high = contents[band.name]
        margin = FAR_BEYOND * (high - low)
        unit = f" {band.unit}" if band.unit else ""
        found = []
        if band.maximum > high + margin:
            found.append(f"up to {band.maximum:.4g}{unit}, where the samples have at most {high:.4g}{unit}")
        if band.minimum < low - margin:
            found.append(f"down to {band.minimum:.4g}{unit}, where the samples have at least {low:.4g}{unit}")
        if found:
            lines.append(
                f"{band.name}: values {' and '.join(found)}; a model is not reliable so far from what it has learned: "
                "look at the trust map, or leave out pixels unlike the samples by --only-applicable"
            )
    return tuple(lines)


def explain_empty(job: MapJob, n_background: int) -> RasterError:
    """Return the error of a map in which no pixel has a value, with the cause that a few windows show."""
    where = job.source.attrs.get("source") or "raster"
    values = probe_values(job.source)
    complete = np.isfinite(values[: job.predict.n_features]).all(axis=0)
    if n_background:
        found, way_out = f"one value in all bands of {n_background} pixels", "name a file with data, or see --nodata"
    elif not complete.any():
        found, way_out = "no pixel with data in all bands that the model reads", "check the nodata value (--nodata)"
    elif job.predict.left_out(values[:, None])[0][complete].all():
        found = "no pixel that the mask and the test for bare soil keep"
        way_out = "check the mask, and the thresholds --ndvi-max and --nbr2-max"
    else:
        found, way_out = "no pixel for which the model gives a value", "check the preprocessing of the model"
    return RasterError(where, found=found, expected="one or more pixels to map", way_out=way_out)


def _require_data(raster: xr.DataArray, names: Sequence[str]) -> None:
    """Raise RasterError if a band has no data anywhere; `names` are the bands without data in the sampled windows."""
    rows, columns = choose_block(raster)
    empty = list(names)
    for top in range(0, raster.sizes["y"], rows):
        for left in range(0, raster.sizes["x"], columns):
            values = raster.sel(band=empty)[:, top : top + rows, left : left + columns].values
            empty = [name for name, band in zip(empty, values, strict=True) if not np.isfinite(band).any()]
            if not empty:
                return
    raise RasterError(
        raster.attrs.get("source") or "raster",
        found=f"no data at all in {_list(empty)}, which the model reads",
        expected="data in every band of the model",
        way_out="train the model on the bands that have data (`geosoil train` leaves out empty bands of its cube)",
    )


def _compare_ranges(model: Any, values: np.ndarray) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return a note, or a warning where most bands differ, about sampled pixels outside the training range."""
    notes: list[str] = []
    warnings: list[str] = []
    for name, member, of_member in _members_of(model, values):
        count = RangeCount(member)
        count.add(of_member)
        shares = count.by_feature / max(count.n_rows, 1)
        if not (shares > OUTSIDE_SHARE).any():
            continue
        worst = int(np.argmax(shares))
        text = (
            f"{name}: of the sampled pixels, {count.n_outside / count.n_rows:.0%} are outside the training range in "
            f"one band or more, {shares[worst]:.0%} in {count.describe_range(worst)}"
        ).removeprefix(": ")
        if (shares > OUTSIDE_SHARE).mean() >= FOREIGN_SHARE:
            warnings.append(f"{text}: the model predicts spectra unlike those that it learned from")
        else:
            notes.append(text)
    return tuple(notes), tuple(warnings)


def _compare_places(
    model: Any, values: np.ndarray, samples: Sequence[SamplePlaces | None]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how far sampled pixels are from the samples of each model: a note, or a warning for most of them."""
    notes: list[str] = []
    warnings: list[str] = []
    for (name, member, of_member), places in zip(_members_of(model, values), samples, strict=False):
        count = SampleDistances(member, places)
        count.add(of_member)
        text = f"{name}: {count.note}".removeprefix(": ")
        if count.note and count.share >= FOREIGN_SHARE:
            warnings.append(f"{text}: the place of most sampled pixels says little about their soil")
        elif count.note:
            notes.append(text)
    return tuple(notes), tuple(warnings)


def _members_of(model: Any, values: np.ndarray) -> Iterator[tuple[str, Any, np.ndarray]]:
    """Yield the name of each model of a map, the model, and the values `(feature, pixel)` that it reads."""
    if not isinstance(model, JointModel):
        yield "", model, values
        return
    places = {feature.name: k for k, feature in enumerate(model.features)}
    for name, member, read in zip(model.names, model.models, model.read, strict=True):
        yield name, member, values[[places[band.name] for band in read]]


def _list(names: Sequence[str] | np.ndarray) -> str:
    return f"band{'s' * (len(names) > 1)} {', '.join(names[:5])}{', ...' * (len(names) > 5)}"
