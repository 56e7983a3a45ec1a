"""Spectra of a cube at sample points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import named
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import geopandas as gpd
    import xarray as xr

_CELL_PIXELS = (64, 256)  # points are read together from squares of the file's block, within these sides
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""(row, column) steps to the neighbours: up, down, left, right."""


@dataclass(frozen=True)
class SampleSpectra:
    """Spectra at samples, one row a sample.

    ids: `(sample,)` text. spectra: `(sample, band)` float32, without NaN.
    neighbours: `(sample, 4, band)` float32 of the pixels up, down, left and right; NaN where there is none.
    wavelength_nm: `(band,)` in nm, or None for a raster without. bands: `(band,)` names.
    notes: what a reader of the result should know, a sentence each.
    """

    ids: np.ndarray
    spectra: np.ndarray
    neighbours: np.ndarray
    wavelength_nm: np.ndarray | None
    bands: np.ndarray
    notes: list[str]


def extract_spectra(
    cube: xr.DataArray, points: gpd.GeoDataFrame, *, sample_id: str, on_missing: Literal["stop", "drop"] = "stop"
) -> SampleSpectra:
    """Take the spectrum of the pixel that holds each point, and of its four neighbours.

    cube: raster `(band, y, x)`; only windows around the points are read. points: with a CRS, reprojected to that
        of the cube where it differs. sample_id: their column of ids.
    on_missing: what to do with points outside the cube or where any band has no data: "stop" or "drop".

    Bands without data at every point (dead channels) are left out, and noted.

    Raises SamplesError where the cube or the points have no CRS, points are missing and on_missing is "stop",
    or fewer than two remain.

    >>> import geopandas as gpd
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> values = np.arange(9, dtype="float32").reshape(1, 3, 3)
    >>> cube = make_raster(values, names=["b"], crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 90))
    >>> points = gpd.GeoDataFrame({"id": ["p", "q"]}, geometry=gpd.points_from_xy([45, 5], [45, 85]), crs="EPSG:32633")
    >>> found = extract_spectra(cube, points, sample_id="id")
    >>> found.spectra[:, 0], found.neighbours[0, :, 0]
    (array([4., 0.], dtype=float32), array([1., 7., 3., 5.], dtype=float32))
    """
    where = cube.attrs.get("source") or "cube"
    ids = points[sample_id].to_numpy(dtype=object)
    rows, columns, notes = locate_points(cube, points, what="cube")
    spectra, neighbours = _read(cube, rows, columns)

    outside = rows < 0
    empty = ~outside & np.isnan(spectra).all(axis=1)
    seen = spectra[~outside & ~empty]
    dead = np.isnan(seen).all(axis=0) if len(seen) else np.zeros(spectra.shape[1], bool)
    partly = ~outside & ~empty & np.isnan(spectra[:, ~dead]).any(axis=1)
    kinds = {
        "outside the cube": outside,
        "on no data": empty,
        "on pixels where some bands have no data": partly,
    }
    kept, dropped = choose_points(ids, kinds, where=where, on_missing=on_missing, what="spectrum")
    notes += dropped
    bands = cube["band"].values
    if dead.any():
        notes.append(f"left out {dead.sum()} bands without data at any point: {named(bands[dead])}")
    notes += shared_pixels(ids[kept], rows[kept], columns[kept])
    return SampleSpectra(
        ids=ids[kept],
        spectra=spectra[kept][:, ~dead],
        neighbours=neighbours[kept][:, :, ~dead],
        wavelength_nm=cube["wavelength_nm"].values[~dead] if "wavelength_nm" in cube.coords else None,
        bands=bands[~dead],
        notes=notes,
    )


def locate_points(
    raster: xr.DataArray, points: gpd.GeoDataFrame, *, what: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return rows and columns `(n,)` of the pixels that hold points, -1 outside, and what was done to find them.

    what: the raster's kind in messages. Raises SamplesError where the raster or the points have no CRS.
    """
    grid = Grid.of(raster)
    if grid.crs is None or points.crs is None:
        whose = f"the {what}" if grid.crs is None else "the points"
        raise SamplesError(
            raster.attrs.get("source") or what,
            found=f"no CRS of {whose}",
            expected=f"one for the {what} and one for the points",
            way_out=f"orthorectify the {what}, or state the CRS of the points",
        )
    notes = []
    if points.crs != grid.crs:
        points = points.to_crs(grid.crs)
        notes.append(f"points were reprojected to the CRS of the {what}, {grid.crs.to_string()[:60]}")
    rows, columns = grid.rows_columns(points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    return rows, columns, notes


def choose_points(
    ids: np.ndarray, missing: Mapping[str, np.ndarray], *, where: object, on_missing: str, what: str
) -> tuple[np.ndarray, list[str]]:
    """Return `(n,)` bool of the points that are kept, and the note that tells what was dropped.

    missing: where points lie that have no value -> `(n,)` bool. what: what a point should have got.
    Raises SamplesError where points are missing and on_missing is "stop", or fewer than two remain.
    """
    notes = []
    kept = ~np.any(list(missing.values()), axis=0)
    if not kept.all():
        said = "; ".join(
            f"{flags.sum()} of {len(ids)} points {kind}: {named(ids[flags])}"
            for kind, flags in missing.items()
            if flags.any()
        )
        if on_missing == "stop":
            raise SamplesError(
                where,
                found=said,
                expected=f"a {what} for each point",
                way_out="remove these points or drop them on request, and check the CRS",
            )
        notes.append(f"dropped {said}")
    if np.count_nonzero(kept) < 2:
        raise SamplesError(
            where,
            found=f"{np.count_nonzero(kept)} points with a {what}",
            expected="at least 2",
            way_out="check that the points lie on the raster",
        )
    return kept, notes


def shared_pixels(ids: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[str]:
    """Return a note on points that share a pixel with another."""
    _, first, times = np.unique(np.stack([rows, columns]), axis=1, return_index=True, return_counts=True)
    if not (times > 1).any():
        return []
    shared = ids[first[times > 1]]
    return [f"{times[times > 1].sum()} points share {len(shared)} pixels with another point: {named(shared)}"]


def windows_around(
    raster: xr.DataArray, rows: np.ndarray, columns: np.ndarray, margin: int
) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
    """Read windows that hold pixels and `margin` pixels around them, clipped to the raster; rows of -1 are left out.

    Yields `(indices of the pixels, values (band, y, x), first row, first column)`, pixels near each other together:
    a compressed block of the file is decoded once, however many points lie in it.
    """
    _, height, width = raster.shape
    block = raster.encoding.get("preferred_chunks", {})
    cell_y, cell_x = (int(np.clip(block.get(axis, _CELL_PIXELS[1]), *_CELL_PIXELS)) for axis in ("y", "x"))
    inside = np.flatnonzero(rows >= 0)
    cells = np.stack([rows[inside] // cell_y, columns[inside] // cell_x])
    _, groups = np.unique(cells, axis=1, return_inverse=True)
    for group in range(groups.max() + 1 if inside.size else 0):
        own = inside[groups == group]
        top, left = max(rows[own].min() - margin, 0), max(columns[own].min() - margin, 0)
        bottom, right = min(rows[own].max() + margin + 1, height), min(columns[own].max() + margin + 1, width)
        yield own, raster.isel(y=slice(top, bottom), x=slice(left, right)).values, top, left


def _read(cube: xr.DataArray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels `(n, band)` and their neighbours `(n, 4, band)`; NaN outside, also where rows are -1."""
    count, height, width = cube.shape
    spectra = np.full((rows.size, count), np.nan, np.float32)
    neighbours = np.full((rows.size, len(NEIGHBOURS), count), np.nan, np.float32)
    for own, window, top, left in windows_around(cube, rows, columns, margin=1):
        spectra[own] = window[:, rows[own] - top, columns[own] - left].T
        for position, (down, across) in enumerate(NEIGHBOURS):
            near_rows, near_columns = rows[own] + down, columns[own] + across
            there = (near_rows >= 0) & (near_rows < height) & (near_columns >= 0) & (near_columns < width)
            neighbours[own[there], position] = window[:, near_rows[there] - top, near_columns[there] - left].T
    return spectra, neighbours
