"""Combine covariate rasters of any CRS, resolution and extent in one lazy raster on one grid."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from rasterio.enums import ColorInterp
from rasterio.warp import transform as transform_points
from xarray.core import indexing

from geosoil.errors import GridError, RasterError, without_secrets
from geosoil.io.provenance import shown_name
from geosoil.io.rasters.class_bands import ClassTable, Unseen, class_table, one_hot
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.warped import WARPED_BLOCK, choose_method, is_shifted, warp_raster
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.grid import Grid, crs_unit, require_convertible, same_crs
from geosoil.raster.layout import DECODING_BYTES, MASK_BYTES, SHARED_BYTES, STORED_BYTES, make_raster

if TYPE_CHECKING:
    from geosoil.io.rasters.warped import Method

PathLike = str | os.PathLike[str]
Classes = Mapping[str, "ClassTable | PathLike | Sequence[int]"]

CLASS_METHODS = ("nearest", "mode")
MIN_COVERED_SHARE = 0.999  # of the grid; a file that covers less is noted
SAMPLE_SIDE = 64  # pixels along each side of a grid for which the share is computed


def open_stack(
    paths: PathLike | Sequence[PathLike],
    *,
    like: PathLike | Grid | xr.DataArray | None = None,
    classes: Classes | Callable[[list[str]], Classes] | None = None,
    unseen: Unseen = "stop",
    names: Sequence[str] | None = None,
) -> xr.DataArray:
    """Open covariate rasters as one lazy raster `(band, y, x)` of float32 on one grid, NaN = no data.

    Files on another grid are warped window by window: bilinear, or the average of the valid pixels if the grid is more
    than 1.5 times as coarse; class bands by nearest neighbour, or mode. Values do not depend on the window.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        Files of one or several bands. A band is named by its description, else by its file (and number); a name that
        several files share becomes `file:name` for each of them.
    like : path-like, Grid or xarray.DataArray, optional
        The grid of the result, or a raster on it; default: the grid of the first file.
    classes : mapping, or function of the names of all bands that returns one, optional
        For each band of class codes, a CSV file with a column `code`, or the codes; the band is replaced by one band
        of 0 and 1 for each class, named such as `landform=7`.
    unseen : {"stop", "nodata"}
        A code that the table does not contain raises an error when it is read, or becomes no data.
    names : sequence of str, optional
        Names of all bands of all files, before class bands are replaced.

    Returns
    -------
    xarray.DataArray
        The lazy raster; `attrs["notes"]` has one sentence for each change to a file.

    Raises
    ------
    RasterError
        If files, names or classes are invalid.
    GridError
        If a file has no CRS, or does not overlap the grid.

    Examples
    --------
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
        raise RasterError("covariates", found="no file", expected="one or more rasters", way_out="specify their files")
    opened = [open_raster(path) for path in paths]
    bands, notes = _band_names(paths, opened, names)
    band_names = [name for file_names in bands for name in file_names]
    of_bands = classes(band_names) if callable(classes) else classes or {}
    tables = {name: class_table(given, name) for name, given in of_bands.items()}
    for name in tables:
        if name not in band_names:
            raise RasterError(
                "; ".join(os.fspath(path) for path in paths),
                found=f"no band {name} for its classes",
                expected=f"one of {', '.join(band_names[:20])}",
                way_out=suggest_names(name, band_names) or "use the name of a band",
            )
    grid = Grid.of(opened[0]) if like is None else as_grid(like)
    parts: list[xr.Variable] = []
    stored_bytes = 0.0
    places = np.empty((len(band_names), 2), np.intp)  # for each band: its part, and its index in the part
    chunks = opened[0].encoding["preferred_chunks"]
    first = 0
    for path, raster, file_names in zip(paths, opened, bands, strict=True):
        painted = has_colour_table(path, len(file_names))
        if same_grid(grid, Grid.of(raster)):
            groups = [(np.arange(len(file_names)), raster)]
        else:
            groups = _warp_groups(path, Grid.of(raster), grid, painted | np.isin(file_names, list(tables)), notes)
            chunks = {"y": WARPED_BLOCK, "x": WARPED_BLOCK}
        for members, part in groups:
            places[first + members] = np.stack([np.full(members.size, len(parts)), members], axis=1)
            parts.append(part.variable)
            stored_bytes += part.encoding.get(STORED_BYTES, 4.0) * members.size / len(band_names)
        numeric = [name for name, is_class in zip(file_names, painted, strict=True) if is_class and name not in tables]
        notes += [
            f"{shown_name(path)}: {name} has a colour table, as classes have; read as numbers" for name in numeric
        ]
        first += len(file_names)
    if like is None and any(not same_grid(grid, Grid.of(raster)) for raster in opened):
        notes.insert(0, f"grid of {shown_name(paths[0])}: {describe_grid(grid)}, {grid.height} x {grid.width} pixels")
    stack = make_raster(
        indexing.LazilyIndexedArray(StackArray(tuple(parts), places, grid)),
        names=band_names,
        crs=grid.crs,
        transform=grid.transform,
        source=without_secrets("; ".join(os.fspath(path) for path in paths)),
        preferred_chunks=chunks,
        stored_bytes=stored_bytes,
    )
    stack.attrs["notes"] = tuple(notes)
    files = {name: os.fspath(path) for path, file_names in zip(paths, bands, strict=True) for name in file_names}
    return one_hot(stack, tables, unseen=unseen, files=files)


class StackArray(WindowArray):
    """Bands of several lazy arrays on one grid; `places` `(band, 2)` has the array and its band for each band."""

    def __init__(self, parts: tuple[xr.Variable, ...], places: np.ndarray, grid: Grid) -> None:
        super().__init__((len(places), grid.height, grid.width))
        self.parts, self.places = parts, places

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read all requested bands of each array at once."""
        out = np.empty((bands.size, rows.stop - rows.start, columns.stop - columns.start), np.float32)
        chosen = self.places[bands]
        for part in np.unique(chosen[:, 0]):
            positions = np.flatnonzero(chosen[:, 0] == part)
            out[positions] = self.parts[part][chosen[positions, 1], rows, columns].values
        return out


def join_bands(rasters: Sequence[xr.DataArray]) -> xr.DataArray:
    """Concatenate the bands of rasters on one grid in one lazy raster; a repeated name gets a `'` appended.

    Grid, source, unit and preferred chunks are those of the first raster.

    Examples
    --------
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
    joined = make_raster(
        indexing.LazilyIndexedArray(StackArray(tuple(raster.variable for raster in rasters), np.array(places), grid)),
        names=names,
        crs=grid.crs,
        transform=grid.transform,
        source=first.attrs.get("source", ""),
        units=first.attrs.get("units", ""),
        preferred_chunks=first.encoding.get("preferred_chunks"),
        stored_bytes=sum(raster.encoding.get(STORED_BYTES, 4.0) * raster.sizes["band"] for raster in rasters)
        / len(places),
    )
    for key in (MASK_BYTES, DECODING_BYTES):
        largest = max(raster.encoding.get(key, 0) for raster in rasters)
        if largest:
            joined.encoding[key] = largest
    shared = sum(raster.encoding.get(SHARED_BYTES, 0) * raster.sizes["band"] for raster in rasters)
    if shared:
        joined.encoding[SHARED_BYTES] = shared / len(places)
    return joined


def as_grid(like: PathLike | Grid | xr.DataArray) -> Grid:
    """Return the grid of a file or raster; a Grid is returned unchanged."""
    if isinstance(like, Grid):
        return like
    return Grid.of(like if isinstance(like, xr.DataArray) else open_raster(like))


def same_grid(grid: Grid, other: Grid) -> bool:
    """Check whether two grids have the same pixels."""
    try:
        grid.require_same(other)
    except GridError:
        return False
    return True


def describe_grid(grid: Grid) -> str:
    """Return the CRS and pixel size of a grid as short text.

    >>> from affine import Affine
    >>> describe_grid(Grid(None, Affine(30, 0, 0, 0, -30, 0), 1, 1))
    'no CRS, 30'
    """
    code = grid.crs.to_epsg() if grid.crs is not None else None
    name = "no CRS" if grid.crs is None else f"EPSG:{code}" if code else "a CRS without EPSG code"
    unit = "" if grid.crs is None else f" {crs_unit(grid.crs)}"
    sides = dict.fromkeys(f"{float(np.hypot(*pair)):.6g}" for pair in (grid.transform[0:4:3], grid.transform[1:5:3]))
    return f"{name}, {' x '.join(sides)}{unit}"


def suggest_names(name: str, others: Sequence[str]) -> str:
    """Return a hint with the names that are similar to a missing one; empty if there are none."""
    lower = {other.lower(): other for other in others}
    similar = [lower[match] for match in get_close_matches(name.lower(), list(lower), n=3)]
    return f"similar names are: {', '.join(similar)}" if similar else ""


def _warp_groups(
    path: PathLike, source: Grid, grid: Grid, is_class: np.ndarray, notes: list[str]
) -> list[tuple[np.ndarray, xr.DataArray]]:
    """Warp a file to the grid, continuous bands and class bands each by their method."""
    if source.crs is not None and grid.crs is not None:
        require_convertible(source.crs, grid.crs, where=path)
    methods: dict[Method, list[np.ndarray]] = {}
    for classes in (False, True):
        if (is_class == classes).any():
            method = choose_method(source, grid, classes=classes)
            methods.setdefault(method, []).append(np.flatnonzero(is_class == classes))
    groups = [(np.concatenate(members), warp_raster(path, grid, method)) for method, members in methods.items()]
    how = " and ".join(f"{method} (classes)" if method in CLASS_METHODS else method for method in methods)
    if is_shifted(source, grid):
        notes.append(f"{shown_name(path)}: cropped to the grid, which has the same pixels")
    else:
        notes.append(f"{shown_name(path)}: {describe_grid(source)} -> {describe_grid(grid)} by {how}")
    share = _covered_share(source, grid)
    if share == 0:
        raise GridError(
            path,
            found=f"a raster ({describe_grid(source)}) that does not overlap the grid",
            expected=f"covariates of one area, {describe_grid(grid)}",
            way_out="check its CRS and extent, or specify the grid with like= (--like)",
        )
    if share < MIN_COVERED_SHARE:
        notes.append(f"{shown_name(path)}: covers about {100 * share:.0f} % of the grid; no data beyond")
    return groups


def _covered_share(source: Grid, grid: Grid) -> float:
    """Return the share of a grid that a source covers, from a sample of its pixels; 0 only if they are apart."""
    share = _share_inside(grid, source)
    if share == 0 and _share_inside(source, grid) > 0:
        return 0.5 / SAMPLE_SIDE**2  # a small source between the sampled pixels
    return share


def _share_inside(grid: Grid, other: Grid) -> float:
    """Return the share of the pixels of a grid that lie in another one."""
    (x_pixels, x_shares), (y_pixels, y_shares) = (_sampled_pixels(side) for side in (grid.width, grid.height))
    columns, rows = np.meshgrid(x_pixels + 0.5, y_pixels + 0.5)
    t = grid.transform
    x, y = (t.a * columns + t.b * rows + t.c).ravel(), (t.d * columns + t.e * rows + t.f).ravel()
    if not same_crs(grid.crs, other.crs):
        x, y = transform_points(grid.crs, other.crs, x, y)
    inside = other.rows_columns(x, y)[0].reshape(columns.shape) >= 0
    return float(y_shares @ inside @ x_shares)


def _sampled_pixels(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixels along a side of a grid, its first and last one included, and the share that each represents."""
    if side <= SAMPLE_SIDE:
        return np.arange(side), np.full(side, 1 / side)
    inner = np.linspace(1, side - 1, SAMPLE_SIDE, endpoint=False) + (side - 2) / SAMPLE_SIDE / 2
    pixels = np.concatenate([[0], np.floor(inner), [side - 1]])
    return pixels, np.concatenate([[1 / side], np.full(SAMPLE_SIDE, (side - 2) / SAMPLE_SIDE / side), [1 / side]])


def _band_names(
    paths: Sequence[PathLike], opened: Sequence[xr.DataArray], names: Sequence[str] | None
) -> tuple[list[list[str]], list[str]]:
    """Return the names of the bands of each file, and notes on them."""
    bands = [[str(name) for name in raster["band"].values] for raster in opened]
    where = "; ".join(os.fspath(path) for path in paths)
    if names is not None:
        count = sum(map(len, bands))
        if len(names) != count or len(set(names)) < count:
            raise RasterError(
                where,
                found=f"{len(set(names))} different names",
                expected=f"one for each of {count} bands",
                way_out="correct names=",
            )
        rest = iter(names)
        return [[str(next(rest)) for _ in file_names] for file_names in bands], []
    stems = [PurePath(shown_name(path)).stem for path in paths]
    for stem, file_names in zip(stems, bands, strict=True):
        if len(file_names) > 1 and file_names == [f"band_{number}" for number in range(1, len(file_names) + 1)]:
            file_names[:] = [f"{stem}_{number}" for number in range(1, len(file_names) + 1)]
    counts = Counter(name for file_names in bands for name in file_names)
    shared = [name for name, count in counts.items() if count > 1]
    for stem, file_names in zip(stems, bands, strict=True):
        file_names[:] = [f"{stem}:{name}" if name in shared else name for name in file_names]
    final = Counter(name for file_names in bands for name in file_names)
    repeated = [name for name, count in final.items() if count > 1]
    if repeated:
        raise RasterError(
            where,
            found=f"{final[repeated[0]]} bands named {repeated[0]}",
            expected="different names",
            way_out="rename the files or their bands, or specify names=",
        )
    notes = [f"{name} is a band of several files: named file:{name}" for name in shared]
    return bands, notes


def has_colour_table(path: PathLike, count: int) -> np.ndarray:
    """Return a mask `(count,)` of the bands with a colour table."""
    name = absolute_path(path)
    with dataset(name, file_stamp(name)) as source:
        return np.array([meaning == ColorInterp.palette for meaning in source.colorinterp[:count]])
