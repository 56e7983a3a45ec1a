"""Covariate rasters of any CRS, resolution and extent as one lazy raster on one grid."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from rasterio.enums import ColorInterp
from rasterio.warp import transform_bounds
from xarray.core import indexing

from geosoil.errors import GridError, RasterError
from geosoil.io.rasters.class_bands import ClassTable, Unseen, class_table, one_hot
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.warped import WARPED_BLOCK, choose_method, is_shifted, warp_raster
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.grid import Grid
from geosoil.raster.layout import STORED_BYTES, make_raster

if TYPE_CHECKING:
    from geosoil.io.rasters.warped import Method

PathLike = str | os.PathLike[str]
Classes = Mapping[str, "ClassTable | PathLike | Sequence[int]"]

CLASS_METHODS = ("nearest", "mode")
WHOLE = 0.999  # of the grid; a file that covers less is said


def open_stack(
    paths: PathLike | Sequence[PathLike],
    *,
    like: PathLike | Grid | xr.DataArray | None = None,
    classes: Classes | None = None,
    unseen: Unseen = "stop",
    names: Sequence[str] | None = None,
) -> xr.DataArray:
    """Open covariate rasters as one lazy raster `(band, y, x)` of float32 on one grid, NaN = no data.

    paths: files of one or several bands. A band is named by its description, else by its file (and number); a name that
        several files have is given as `file:name` for each of them, whatever their order.
    like: a file, a grid or a raster whose grid it is; default: the first path. Files on other grids are warped window
        by window: bilinear, or the average of the valid pixels where the grid is more than 1.5 times as coarse; bands
        of classes nearest, or mode. Values do not depend on the window.
    classes: name of a band of class codes -> a CSV file (column `code`), or the codes: it becomes one band of 0 and 1
        for each class, `landform=7`. unseen: a code that the table lacks stops reading, or is "nodata".
    names: of all bands of all files, before classes are told apart.

    What was done to which file stands in `attrs["notes"]`, a sentence each. Raises RasterError for files, names and
    classes that do not fit, GridError for a file without CRS, or one that does not touch the grid.

    >>> import tempfile, rasterio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, side in (("slope", 30), ("twi", 15)):
    ...         with rasterio.open(f"{folder}/{name}.tif", "w", driver="GTiff", width=60 // side, height=60 // side,
    ...                            count=1, dtype="float32", crs="EPSG:32633",
    ...                            transform=rasterio.Affine(side, 0, 0, 0, -side, 60)) as made:
    ...             made.write(np.arange((60 // side) ** 2, dtype="float32").reshape(1, 60 // side, -1))
    ...     stack = open_stack([f"{folder}/slope.tif", f"{folder}/twi.tif"])
    ...     stack.sel(band="twi").values.tolist(), stack.attrs["notes"][1]
    ([[2.5, 4.5], [10.5, 12.5]], 'twi.tif: EPSG:32633, 15 m -> EPSG:32633, 30 m by average')
    """
    paths = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    if not paths:
        raise RasterError("covariates", found="no file", expected="one or more rasters", way_out="name their files")
    opened = [open_raster(path) for path in paths]
    bands, notes = _band_names(paths, opened, names)
    every = [name for own in bands for name in own]
    tables = {name: class_table(given, name) for name, given in (classes or {}).items()}
    for name in tables:
        if name not in every:
            raise RasterError(
                "; ".join(os.fspath(path) for path in paths),
                found=f"no band {name} (of classes)",
                expected=f"one of {', '.join(every[:20])}",
                way_out=nearest_names(name, every) or "name a band that is there",
            )
    grid = Grid.of(opened[0]) if like is None else as_grid(like)
    parts: list[xr.Variable] = []
    stored_bytes = 0.0
    places = np.empty((len(every), 2), np.intp)  # of each band: which part, which band of it
    chunks = opened[0].encoding["preferred_chunks"]
    first = 0
    for path, raster, own in zip(paths, opened, bands, strict=True):
        painted = _palettes(path, len(own))
        if same_grid(grid, Grid.of(raster)):
            groups = [(np.arange(len(own)), raster)]
        else:
            groups = _warped(path, Grid.of(raster), grid, painted | np.isin(own, list(tables)), notes)
            chunks = {"y": WARPED_BLOCK, "x": WARPED_BLOCK}
        for members, part in groups:
            places[first + members] = np.stack([np.full(members.size, len(parts)), members], axis=1)
            parts.append(part.variable)
            stored_bytes += part.encoding.get(STORED_BYTES, 4.0) * members.size / len(every)
        untold = [name for name, is_painted in zip(own, painted, strict=True) if is_painted and name not in tables]
        notes += [f"{_short(path)}: {name} has a colour table, as classes have; read as numbers" for name in untold]
        first += len(own)
    if like is None and any(not same_grid(grid, Grid.of(raster)) for raster in opened):
        notes.insert(0, f"grid of {_short(paths[0])}: {describe_grid(grid)}, {grid.height} x {grid.width} pixels")
    stack = make_raster(
        indexing.LazilyIndexedArray(StackArray(tuple(parts), places, grid)),
        names=every,
        crs=grid.crs,
        transform=grid.transform,
        source="; ".join(os.fspath(path) for path in paths),
        preferred_chunks=chunks,
        stored_bytes=stored_bytes,
    )
    stack.attrs["notes"] = tuple(notes)
    files = {name: os.fspath(path) for path, own in zip(paths, bands, strict=True) for name in own}
    return one_hot(stack, tables, unseen=unseen, files=files)


class StackArray(WindowArray):
    """Bands of several lazy arrays of one grid; `places` `(band, 2)`: which array, and which band of it."""

    def __init__(self, parts: tuple[xr.Variable, ...], places: np.ndarray, grid: Grid) -> None:
        super().__init__((len(places), grid.height, grid.width))
        self.parts, self.places = parts, places

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read from each array what is wanted of it, at once."""
        out = np.empty((bands.size, rows.stop - rows.start, columns.stop - columns.start), np.float32)
        chosen = self.places[bands]
        for part in np.unique(chosen[:, 0]):
            here = np.flatnonzero(chosen[:, 0] == part)
            out[here] = self.parts[part][chosen[here, 1], rows, columns].values
        return out


def join_bands(rasters: Sequence[xr.DataArray]) -> xr.DataArray:
    """Return the bands of rasters of one grid as one lazy raster; a name that is taken already gets a `'` behind it.

    It reads as the first does: grid, wavelengths (none for the bands of the others), source, preferred chunks.

    >>> from affine import Affine
    >>> ones = make_raster(np.ones((1, 1, 2), "float32"), names=["a"], crs=None, transform=Affine.identity())
    >>> joined = join_bands([ones, ones * 2])
    >>> joined.band.values.tolist(), joined.values.tolist()
    (['a', "a'"], [[[1.0, 1.0]], [[2.0, 2.0]]])
    """
    first, grid = rasters[0], Grid.of(rasters[0])
    names: list[str] = []
    for name in (str(name) for raster in rasters for name in raster["band"].values):
        while name in names:
            name += "'"
        names.append(name)
    places = [(part, band) for part, raster in enumerate(rasters) for band in range(raster.sizes["band"])]
    return make_raster(
        indexing.LazilyIndexedArray(StackArray(tuple(raster.variable for raster in rasters), np.array(places), grid)),
        names=names,
        crs=grid.crs,
        transform=grid.transform,
        source=first.attrs.get("source", ""),
        units=first.attrs.get("units", ""),
        preferred_chunks=first.encoding.get("preferred_chunks"),
        stored_bytes=sum(one.encoding.get(STORED_BYTES, 4.0) * one.sizes["band"] for one in rasters) / len(places),
    )


def as_grid(like: PathLike | Grid | xr.DataArray) -> Grid:
    """Return the grid of a file, of a raster, or the grid itself."""
    if isinstance(like, Grid):
        return like
    return Grid.of(like if isinstance(like, xr.DataArray) else open_raster(like))


def same_grid(grid: Grid, other: Grid) -> bool:
    """Tell whether two grids have the same pixels."""
    try:
        grid.require_same(other)
    except GridError:
        return False
    return True


def describe_grid(grid: Grid) -> str:
    """Say a grid's CRS and pixel in a few words.

    >>> from affine import Affine
    >>> describe_grid(Grid(None, Affine(30, 0, 0, 0, -30, 0), 1, 1))
    'no CRS, 30'
    """
    code = grid.crs.to_epsg() if grid.crs is not None else None
    name = "no CRS" if grid.crs is None else f"EPSG:{code}" if code else "a CRS without EPSG code"
    unit = "" if grid.crs is None else " degrees" if grid.crs.is_geographic else " m"
    sides = dict.fromkeys(f"{float(np.hypot(*pair)):.6g}" for pair in (grid.transform[0:4:3], grid.transform[1:5:3]))
    return f"{name}, {' x '.join(sides)}{unit}"


def nearest_names(name: str, others: Sequence[str]) -> str:
    """Say which names are like one that is missing; empty where none is."""
    lower = {other.lower(): other for other in others}
    near = [lower[one] for one in get_close_matches(name.lower(), list(lower), n=3)]
    return f"near it are: {', '.join(near)}" if near else ""


def _warped(
    path: PathLike, source: Grid, grid: Grid, is_class: np.ndarray, notes: list[str]
) -> list[tuple[np.ndarray, xr.DataArray]]:
    """Bring a file to the grid, its continuous bands and its classes each by their own method."""
    methods: dict[Method, list[np.ndarray]] = {}
    for classes in (False, True):
        if (is_class == classes).any():
            method = choose_method(source, grid, classes=classes)
            methods.setdefault(method, []).append(np.flatnonzero(is_class == classes))
    groups = [(np.concatenate(members), warp_raster(path, grid, method)) for method, members in methods.items()]
    how = " and ".join(f"{method} (classes)" if method in CLASS_METHODS else method for method in methods)
    if is_shifted(source, grid):
        notes.append(f"{_short(path)}: cut to the grid, whose pixels are its own")
    else:
        notes.append(f"{_short(path)}: {describe_grid(source)} -> {describe_grid(grid)} by {how}")
    share = _covered(source, grid)
    if share == 0:
        raise GridError(
            path,
            found=f"a raster ({describe_grid(source)}) that does not touch the grid",
            expected=f"covariates of one place, {describe_grid(grid)}",
            way_out="check its CRS and extent, or give the grid by like= (--like)",
        )
    if share < WHOLE:
        notes.append(f"{_short(path)}: covers about {100 * share:.0f} % of the grid; no data beyond")
    return groups


def _covered(source: Grid, grid: Grid) -> float:
    """Return the share of the grid's bounding box that the box of a source covers."""
    left, bottom, right, top = grid.bounds
    box = source.bounds
    if source.crs != grid.crs:
        box = transform_bounds(source.crs, grid.crs, *box)
    across = min(right, box[2]) - max(left, box[0])
    down = min(top, box[3]) - max(bottom, box[1])
    return max(across, 0.0) * max(down, 0.0) / ((right - left) * (top - bottom))


def _band_names(
    paths: Sequence[PathLike], opened: Sequence[xr.DataArray], names: Sequence[str] | None
) -> tuple[list[list[str]], list[str]]:
    """Name the bands of each file; return the names and what is to be said of them."""
    own = [[str(name) for name in raster["band"].values] for raster in opened]
    where = "; ".join(os.fspath(path) for path in paths)
    if names is not None:
        count = sum(map(len, own))
        if len(names) != count or len(set(names)) < count:
            raise RasterError(
                where,
                found=f"{len(set(names))} different names",
                expected=f"one for each of {count} bands",
                way_out="correct names=",
            )
        rest = iter(names)
        return [[str(next(rest)) for _ in one] for one in own], []
    stems = [PurePath(path).stem for path in paths]
    for stem, one in zip(stems, own, strict=True):
        if len(one) > 1 and one == [f"band_{number}" for number in range(1, len(one) + 1)]:
            one[:] = [f"{stem}_{number}" for number in range(1, len(one) + 1)]
    counts = Counter(name for one in own for name in one)
    twice = [name for name, count in counts.items() if count > 1]
    for stem, one in zip(stems, own, strict=True):
        one[:] = [f"{stem}:{name}" if name in twice else name for name in one]
    final = Counter(name for one in own for name in one)
    still = [name for name, count in final.items() if count > 1]
    if still:
        raise RasterError(
            where,
            found=f"{final[still[0]]} bands named {still[0]}",
            expected="different names",
            way_out="rename the files or their bands, or give names=",
        )
    notes = [f"{name} is a band of several files: told apart as file:{name}" for name in twice]
    return own, notes


def _palettes(path: PathLike, count: int) -> np.ndarray:
    """Return which bands carry a colour table `(count,)`."""
    name = absolute_path(path)
    with dataset(name, file_stamp(name)) as source:
        return np.array([meaning == ColorInterp.palette for meaning in source.colorinterp[:count]])


def _short(path: PathLike) -> str:
    return PurePath(path).name
