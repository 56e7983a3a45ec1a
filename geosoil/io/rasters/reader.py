"""Open rasters lazily: only the requested bands and windows are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.windows import Window
from xarray.core import indexing

from geosoil.errors import RasterError, WindowError, without_secrets
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, dataset_grid, file_stamp, value_bands
from geosoil.io.rasters.pixel_tiles import Layout, plain_layout, read_pixels
from geosoil.io.rasters.windows import WindowArray
from geosoil.io.remote.reading import WAY_OUT, UnreadError, is_remote, read_with_retries
from geosoil.raster.grid import vertical_unit
from geosoil.raster.layout import VERTICAL_UNIT, make_raster

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from rasterio.io import DatasetReader

    from geosoil.raster.grid import Grid

    Reader = Callable[["_File", DatasetReader, list[int], Window], np.ndarray]

PathLike = str | os.PathLike[str]


def open_raster(
    path: PathLike | Sequence[PathLike],
    *,
    nodata: float | None = None,
    scale: float | npt.ArrayLike | None = None,
    offset: float | npt.ArrayLike | None = None,
    names: Sequence[str] | None = None,
    units: str | None = None,
    as_stored: bool = False,
) -> xr.DataArray:
    """Open a raster that GDAL supports as a lazy array `(band, y, x)` of float32 with NaN as no data.

    Parameters
    ----------
    path : path-like or sequence of path-like
        A file, a VRT, an http(s):// or s3:// URL; or several on one grid, whose bands are concatenated.
    nodata : float, optional
        The stored value that means no data; default: the nodata value of each band. NaN, infinity, and pixels that a
        mask or alpha band excludes, are always no data.
    scale, offset : float or array-like of shape (band,), optional
        value = scale * stored + offset. If one of them is given, they replace those of the file.
    names : sequence of str, optional
        Names of the bands. Default: their descriptions if those are unique, else `band_1` and so on; the file name
        for a single band.
    units : str, optional
        The unit of the values; default: as the file says.
    as_stored : bool
        Whether to return the numbers of all bands as they are stored, for layers of codes: nodata values, masks, alpha
        bands, scale and offset of the file are left alone.

    Returns
    -------
    xarray.DataArray
        The lazy raster.

    Raises
    ------
    RasterError
        If a file cannot be opened; when values are computed, if a window cannot be read.
    GridError
        If several files do not have the same grid.

    Examples
    --------
    >>> import tempfile, rasterio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with rasterio.open(folder + "/clay.tif", "w", driver="GTiff", width=2, height=1, count=1, dtype="int16",
    ...                        nodata=0, crs="EPSG:32633", transform=rasterio.Affine(30, 0, 0, 0, -30, 0)) as made:
    ...         made.write(np.array([[[0, 250]]], "int16"))
    ...     raster = open_raster(folder + "/clay.tif", scale=0.1)
    ...     raster.band.values.tolist(), raster.values.tolist()
    (['clay'], [[[nan, 25.0]]])
    """
    paths = list(path) if isinstance(path, Sequence) and not isinstance(path, str) else [path]
    sources = [inspect_raster(absolute_path(name), nodata, as_stored=as_stored) for name in paths]
    grid = sources[0].grid
    for name, source in zip(paths[1:], sources[1:], strict=True):
        grid.require_same(source.grid, where=name, than=paths[0])
    where = "; ".join(os.fspath(name) for name in paths)
    files = _with_scaling([source.file for source in sources], scale, offset, where)
    stored_units = {unit for source in sources for unit in source.units}
    raster = make_raster(
        indexing.LazilyIndexedArray(FileArray(files, grid.height, grid.width)),
        names=names if names is not None else _unique_names(sources),
        crs=grid.crs,
        transform=grid.transform,
        source=without_secrets(where),
        units=units if units is not None else stored_units.pop() if len(stored_units) == 1 else "",
        preferred_chunks=sources[0].block,
        stored_bytes=float(np.mean([np.dtype(dtype).itemsize for file in files for dtype in file.dtypes])),
    )
    if sources[0].vertical_unit is not None:
        raster.attrs[VERTICAL_UNIT] = sources[0].vertical_unit
    return raster


@dataclass(frozen=True)
class _File:
    """How the stored values of a file become float32; all tuples are `(band,)`."""

    path: str
    stamp: tuple[int, int] | None
    bands: tuple[int, ...]  # numbers in the file, starting at 1
    dtypes: tuple[str, ...]
    nodata: tuple[float | None, ...]
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    masked: bool  # by an alpha band or a mask of the dataset
    block_rows: int  # rows of a block of the file
    layout: Layout | None = None  # for a file whose pixels can be read without GDAL


@dataclass(frozen=True)
class _Source:
    file: _File
    grid: Grid
    names: tuple[str, ...]
    units: tuple[str, ...]
    block: dict[str, int]
    vertical_unit: tuple[str, float] | None = None  # of the CRS


class FileArray(WindowArray):
    """The bands of files on one grid; small and picklable, because it holds paths instead of open files."""

    def __init__(self, files: tuple[_File, ...], height: int, width: int) -> None:
        super().__init__((sum(len(file.bands) for file in files), height, width))
        self.files = files

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read all requested bands of each file at once."""
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        out = np.empty((bands.size, window.height, window.width), np.float32)
        first = 0
        for file in self.files:
            positions = np.flatnonzero((bands >= first) & (bands < first + len(file.bands)))
            _read_file(file, bands[positions] - first, window, out, positions)
            first += len(file.bands)
        return out


def _read_file(file: _File, bands: np.ndarray, window: Window, out: np.ndarray, positions: np.ndarray) -> None:
    """Read `bands` (starting at 0) of one file into the bands `positions` of `out`, as float32 with NaN."""
    if not bands.size:
        return
    # One read for all bands of the same type (rasterio does not read several types at once).
    dtypes = np.array(file.dtypes)[bands]
    for dtype in dict.fromkeys(dtypes):
        same = dtypes == dtype
        raw, mask = _read_stored(file, [file.bands[band] for band in bands[same]], window)
        for stored, band, position in zip(raw, bands[same], positions[same], strict=True):
            convert_stored(stored, out[position], file.nodata[band], file.scale[band], file.offset[band])
            if mask is not None:
                np.copyto(out[position], np.nan, where=mask == 0)


def _read_stored(file: _File, numbers: list[int], window: Window) -> tuple[np.ndarray, np.ndarray | None]:
    try:
        mask = _read_in_parts(file, numbers[:1], window, _read_masks) if file.masked else None
        return _read_in_parts(file, numbers, window, _read_band_pixels), None if mask is None else mask[0]
    except (UnreadError, RasterError) as error:
        remote = is_remote(file.path)
        if isinstance(error, RasterError) and not remote:
            raise
        cause = error.__cause__ if isinstance(error, RasterError) else error  # it could not be opened again
        raise WindowError(
            file.path,
            problem=f"cannot read the window at row {window.row_off}, column {window.col_off}, "
            f"{window.height} x {window.width} pixels ({cause})",
            expected="a complete file",
            way_out=WAY_OUT if remote else "copy or write the file again",
        ) from (None if remote else error)


def _read_in_parts(file: _File, numbers: list[int], window: Window, read: Reader) -> np.ndarray:
    """Read `(band, y, x)`; halve a remote read that failed, since one of many responses may always be truncated."""

    def attempt() -> np.ndarray:
        with dataset(file.path, file.stamp) as source:
            return read(file, source, numbers, window)

    rows = window.height // 2
    if not is_remote(file.path) or (len(numbers) == 1 and rows < file.block_rows):
        return read_with_retries(file.path, attempt)
    try:
        return attempt()
    except RasterioError:
        if len(numbers) > 1:
            middle = len(numbers) // 2
            parts = [_read_in_parts(file, half, window, read) for half in (numbers[:middle], numbers[middle:])]
            return np.concatenate(parts)
        upper = Window(window.col_off, window.row_off, window.width, rows)
        lower = Window(window.col_off, window.row_off + rows, window.width, window.height - rows)
        return np.concatenate([_read_in_parts(file, numbers, half, read) for half in (upper, lower)], axis=1)


def _read_band_pixels(file: _File, source: DatasetReader, numbers: list[int], window: Window) -> np.ndarray:
    if file.layout is not None:
        stored = read_pixels(source, file.path, file.stamp, file.layout, numbers, window)
        if stored is not None:
            return stored
    return source.read(numbers, window=window)


def _read_masks(file: _File, source: DatasetReader, numbers: list[int], window: Window) -> np.ndarray:
    return source.read_masks(numbers, window=window)


def convert_stored(stored: np.ndarray, out: np.ndarray, nodata: float | None, scale: float, offset: float) -> None:
    """Convert one band `(y, x)` to float32; the nodata value is compared with the stored values, before scaling."""
    with np.errstate(over="ignore", invalid="ignore"):  # values beyond float32 become infinite, which is no data
        out[...] = stored
        if scale != 1.0:
            out *= np.float32(scale)
        if offset != 0.0:
            out += np.float32(offset)
    if nodata is not None:
        missing = stored == nodata
        if missing.any():
            np.copyto(out, np.nan, where=missing)
    if stored.dtype.kind == "f":
        np.copyto(out, np.nan, where=np.isinf(out))


def inspect_raster(path: str, nodata: float | None = None, *, as_stored: bool = False) -> _Source:
    """Return how the stored values of a file become float32, its grid, and the names and units of its bands."""
    stamp = file_stamp(path)
    with dataset(path, stamp) as source:
        bands = list(source.indexes) if as_stored else value_bands(source)
        stored_types, stored_nodata_values = source.dtypes, source.nodatavals  # each access asks GDAL for all bands
        dtypes = tuple(stored_types[band - 1] for band in bands)
        if any(dtype.startswith("complex") for dtype in dtypes):
            raise RasterError(
                path, found="complex values", expected="real values", way_out="convert them to amplitudes"
            )
        declared = [None if as_stored else stored_nodata_values[band - 1] for band in bands]
        if nodata is not None and all(stored_nodata(nodata, dtype) is None for dtype in dtypes) and np.isfinite(nodata):
            raise RasterError(
                path,
                found=f"values of {dtypes[0]}",
                expected=f"a type that can hold the no-data value {nodata:g}",
                way_out="specify the value as it is stored",
            )
        rows, columns = source.block_shapes[bands[0] - 1]
        file = _File(
            path=path,
            stamp=stamp,
            bands=tuple(bands),
            dtypes=dtypes,
            nodata=tuple(
                stored_nodata(nodata if nodata is not None else value, dtype)
                for value, dtype in zip(declared, dtypes, strict=True)
            ),
            scale=tuple(1.0 if as_stored else source.scales[band - 1] for band in bands),
            offset=tuple(0.0 if as_stored else source.offsets[band - 1] for band in bands),
            masked=not as_stored and MaskFlags.per_dataset in source.mask_flag_enums[bands[0] - 1],
            block_rows=int(rows),
            layout=plain_layout(path, stamp, source),
        )
        stem = PurePath(path.partition("?")[0]).stem if len(bands) == 1 else ""
        return _Source(
            file=file,
            grid=dataset_grid(source),
            names=tuple(source.descriptions[band - 1] or stem for band in bands),
            units=tuple(source.units[band - 1] or "" for band in bands),
            block={"y": int(rows), "x": int(columns)},
            vertical_unit=vertical_unit(source.crs),
        )


def stored_nodata(nodata: float | None, dtype: str) -> float | None:
    """Return the nodata value as the type stores it; None if no stored value can equal it.

    >>> stored_nodata(-3.4028235e38, "float32"), stored_nodata(-9999, "uint16")
    (-3.4028234663852886e+38, None)
    """
    if nodata is None or np.isnan(nodata):
        return None
    kind = np.dtype(dtype)
    if kind.kind == "f":
        with np.errstate(over="ignore"):  # tags contain rounded text: -3.4028235e+38 means the float32
            return float(kind.type(nodata))
    limits = np.iinfo(kind)
    return int(nodata) if float(nodata).is_integer() and limits.min <= nodata <= limits.max else None


def _with_scaling(
    files: list[_File], scale: float | npt.ArrayLike | None, offset: float | npt.ArrayLike | None, where: str
) -> tuple[_File, ...]:
    """Return the files with the given scale and offset, `(band,)` over all files, or with their own."""
    if scale is None and offset is None:
        return tuple(files)
    count = sum(len(file.bands) for file in files)
    pair = []
    for name, value, default in (("scale", scale, 1.0), ("offset", offset, 0.0)):
        values = np.asarray(default if value is None else value, dtype=np.float64)
        valid = values.shape in ((), (count,)) and np.isfinite(values).all() and (name == "offset" or values.all())
        if not valid:
            raise RasterError(
                where,
                found=f"{name} {values}" if values.ndim == 0 else f"{name} of shape {values.shape}",
                expected=f"one finite number (no scale of 0), or one for each of {count} bands",
                way_out=f"correct the {name}",
            )
        pair.append(np.broadcast_to(values, count).tolist())
    scaled, first = [], 0
    for file in files:
        part = slice(first, first + len(file.bands))
        scaled.append(_File(**{**vars(file), "scale": tuple(pair[0][part]), "offset": tuple(pair[1][part])}))
        first = part.stop
    return tuple(scaled)


def _unique_names(sources: list[_Source]) -> list[str]:
    names = [name for source in sources for name in source.names]
    if all(names) and len(set(names)) == len(names):
        return names
    return [f"band_{number}" for number in range(1, len(names) + 1)]
