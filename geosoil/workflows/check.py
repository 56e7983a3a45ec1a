"""Check whether a cube or covariates fit a model, without mapping them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.warp import transform

from geosoil.mapping.inputs import CovariateInput, CubeInput, ModelInput
from geosoil.mapping.job import prepare_map
from geosoil.mapping.places import SampleDistances, insert_places
from geosoil.mapping.probe import probe_values
from geosoil.mapping.training_range import RangeCount
from geosoil.mapping.trusted import TrustedInput, share_inside, with_trust
from geosoil.models.contract import INSIDE
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from geosoil.mapping.inputs import MatchedInput

SIDE = 50  # places along each axis of the raster that are compared with the bounding box of the training samples


def check_fit(
    model: str | os.PathLike[str],
    *,
    cube: str | os.PathLike[str] | None = None,
    covariates: Sequence[str | os.PathLike[str]] = (),
    **options: Any,
) -> list[tuple[str, str]]:
    """Match a cube or covariates with a model as a map does, and state how they fit.

    Parameters
    ----------
    model : path-like
        Model folder, or the name of a known model.
    cube : path-like, optional
        The cube; either it or `covariates` is given.
    covariates : sequence of path-like
        The covariate rasters.
    **options
        Options of `CubeInput` or `CovariateInput`.

    Returns
    -------
    list of (str, str)
        Pairs of a title and a text: what the model would read, how far bands are apart, and which share of sampled
        pixels is inside the training range, the area of applicability and the area of the training samples.

    Raises
    ------
    GeosoilError
        If the input does not fit; the message states what is wrong and what to do.
    """
    ((input_model,), _) = with_trust([ModelInput.find(model)])
    source: CovariateInput | CubeInput
    scale_notes: tuple[str, ...] = ()
    if cube is None:
        source = CovariateInput(tuple(covariates), **options)
    else:
        source, scale_notes = CubeInput(cube, **options).with_scale_of([input_model])
    matched = source.match(input_model)
    raster = insert_places(matched.raster, matched.bands, matched.model.features)
    n_places = len(matched.model.features) - len(matched.bands)
    reads = [f"{len(matched.bands)} bands of the input"] if matched.bands else []
    reads += ["the places of its pixels"] if n_places else []
    pairs = [("fits", f"yes: {input_model.card.name} reads {' and '.join(reads)}")]
    model_nm = [f.wavelength_nm for f in input_model.card.features if f.used and f.wavelength_nm is not None]
    if model_nm and "wavelength_nm" in matched.raster.coords:
        read_nm = matched.raster["wavelength_nm"].sel(band=list(matched.bands)).values
        apart = np.abs(np.subtract.outer(model_nm, read_nm)).min(axis=1)
        pairs.append(("bands", f"the nearest bands are at most {apart.max():.2f} nm from those of the model"))
    pairs += [("note", note) for note in (*scale_notes, *matched.notes)]
    values = probe_values(raster)
    values = values[:, np.isfinite(values).all(axis=0)]
    count = RangeCount(matched.model)
    count.add(values)
    if not values.shape[1]:
        pairs.append(("training range", "not known: no sampled pixel has a value in every band that is read"))
    elif count.n_rows:
        share = 1 - count.n_outside / count.n_rows
        pairs.append(("training range", f"{share:.0%} of {count.n_rows} sampled pixels are inside it in every band"))
    else:
        pairs.append(("training range", "not stated by the model"))
    pairs.append(("area of applicability", _applicability(input_model, matched, values)))
    distances = SampleDistances(matched.model, input_model.card.sample_places)
    distances.add(values)
    if distances.note:
        pairs.append(("distance to samples", distances.note.removeprefix("places: ")))
    bounds = input_model.card.origin.bounds if input_model.card.origin is not None else None
    share_inside = None if bounds is None else _share_inside(Grid.of(raster), bounds)
    inside = "not stated by the model" if share_inside is None else f"{share_inside:.0%} of the raster is inside it"
    return [*pairs, ("area of the training samples", inside)]


def _applicability(model: ModelInput, matched: MatchedInput, values: np.ndarray) -> str:
    """Return which share of sampled pixels `(feature, n)` is inside the area of applicability, or why it is not known.

    A network of patches needs the neighbours of a pixel, which samples do not have.
    """
    if not isinstance(model, TrustedInput) or model.trust.applicability is None:
        return "not stated by the model"
    if matched.model.halo or not values.shape[1]:
        return "not tested here; geosoil map writes it for every pixel"
    job = prepare_map(matched.model, matched.raster, bands=matched.bands, outputs=[INSIDE])
    shared = share_inside(job, values)
    if shared is None:
        return "not known: no sampled pixel has a prediction"
    share, n = shared
    return f"{share:.0%} of {n} sampled pixels are inside it"


def _share_inside(grid: Grid, bounds: tuple[float, float, float, float]) -> float:
    """Return the share of places spread over a grid that lie in a bounding box in degrees."""
    columns = (np.arange(SIDE) + 0.5) * grid.width / SIDE
    rows = (np.arange(SIDE) + 0.5) * grid.height / SIDE
    column, row = (axis.ravel() for axis in np.meshgrid(columns, rows))
    t = grid.transform
    x, y = t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f
    east, north = (np.asarray(axis) for axis in transform(grid.crs, "EPSG:4326", x, y)[:2])
    inside = (east >= bounds[0]) & (east <= bounds[2]) & (north >= bounds[1]) & (north <= bounds[3])
    return float(inside.mean())
