"""Write cloud-optimized GeoTIFFs block by block, with exact statistics, completely or not at all."""

from __future__ import annotations

import ctypes
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from math import ceil, log2
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError  # raised by rasterio.shutil.copy; not part of rasterio.errors
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from geosoil.errors import GridError, OutputError
from geosoil.io.atomic import atomic_path
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.io.rasters.statistics import (
    READERS,
    BandStatistics,
    compute_statistics,
    statistics_tags,
    tile_windows,
)
from geosoil.raster.blocks import stream_blocks
from geosoil.raster.grid import Grid
from geosoil.raster.layout import check_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import xarray as xr

TILE = 512  # pixels


@dataclass(frozen=True)
class CogSummary:
    """Summary of a written COG.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        (band, y, x).
    bands : tuple of BandStatistics
        One per band.
    infinite_count : int
        Number of infinite values, which were written as no data.
    """

    path: Path
    shape: tuple[int, int, int]
    bands: tuple[BandStatistics, ...]
    infinite_count: int = 0

    @property
    def empty_bands(self) -> tuple[str, ...]:
        """Names of the bands without valid pixels, which have no statistics."""
        return tuple(band.name for band in self.bands if band.valid_count == 0)


def write_cog(
    raster: xr.DataArray,
    path: str | os.PathLike[str],
    *,
    tags: Mapping[str, str] | None = None,
    band_units: Sequence[str] | None = None,
    overviews: Literal["average", "nearest"] = "average",
    threads: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> CogSummary:
    """Compute a lazy raster block by block, and write it as a cloud-optimized GeoTIFF.

    Blocks are first written to an uncompressed file in the folder of the output. Statistics are computed from that file
    and stored in it with the other metadata, before GDAL's COG driver copies it. After an error, no output and no
    temporary file is left.

    Parameters
    ----------
    raster : xarray.DataArray
        `(band, y, x)` float32 with a CRS, NaN = no data; its band names become descriptions.
    path : path-like
        The output; an existing file is replaced when the new one is complete.
    tags : mapping of str to str, optional
        Tags of the dataset.
    band_units : sequence of str, optional
        One unit per band; default: the coordinate `units` along `band`, or `raster.attrs["units"]` for all.
    overviews : {"average", "nearest"}
        Resampling of the overviews, "nearest" for classes.
    threads : int
        Number of blocks that are computed at once.
    progress : callable, optional
        Called as `progress(done, total)` after each block.

    Returns
    -------
    CogSummary
        Statistics of all bands.

    Raises
    ------
    GridError
        If the raster has no CRS or an irregular grid.
    OutputError
        If the output cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> soc = make_raster(np.array([[[1, 3, np.nan]]], "float32"), names=["soc"], crs="EPSG:32633",
    ...                   transform=Affine(30, 0, 0, 0, -30, 60), units="%")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     band = write_cog(soc, Path(folder) / "soc.tif").bands[0]
    >>> band.name, band.unit, band.mean, band.std, band.valid_count
    ('soc', '%', 2.0, 1.0, 2)
    """
    check_raster(raster)
    names = [str(name) for name in raster["band"].values]
    units = [raster.attrs.get("units", "")] * len(names) if band_units is None else list(band_units)
    if band_units is None and "units" in raster.coords:
        units = [str(unit) for unit in raster["units"].values]
    grid = Grid.of(raster)
    source = raster.attrs.get("source") or ""
    with cog_writer(path, grid, names, units, tags=tags, overviews=overviews, threads=threads, source=source) as writer:
        stream_blocks(raster, writer.put, threads=threads, progress=progress)
    return writer.summary


@contextmanager
def cog_writer(
    path: str | os.PathLike[str],
    grid: Grid,
    names: Sequence[str],
    units: Sequence[str],
    *,
    tags: Mapping[str, str] | None = None,
    overviews: Literal["average", "nearest"] = "average",
    threads: int = 2,
    source: str = "",
    rounded: bool = False,
) -> Iterator[CogWriter]:
    """Yield a writer that accepts blocks in any order, one at a time; the COG is complete after the `with` statement.

    The file gets its name only after this statement, even if `CogWriter.complete` was called before.

    Parameters
    ----------
    path, tags, overviews, threads
        See `write_cog`.
    grid : Grid
        The grid of the raster.
    names, units : sequence of str
        The names and units of the bands.
    source : str
        The file to name in the error for a grid without CRS.
    rounded : bool
        Whether the values have few digits, so that they are smaller without the prediction of floating-point values,
        and written in two thirds of the time.

    Yields
    ------
    CogWriter
        Its `summary` is set after the `with` statement.
    """
    path = Path(path)
    if grid.crs is None:
        raise GridError(
            source or path,
            found="a raster without CRS",
            expected="a CRS",
            way_out="georeference its source, or assign a CRS with raster.rio.write_crs",
        )
    if len(units) != len(names):
        raise ValueError(f"{len(units)} band_units for {len(names)} bands")
    _release_memory()  # of earlier computations
    with limit_gdal_cache(), atomic_path(path) as temporary:
        # blocks, overviews, and a COG that may not compress
        _require_disk_space(path, 3 * 4 * len(names) * grid.height * grid.width)
        predictor = "NO" if rounded else "FLOATING_POINT"
        options = {"tags": tags or {}, "overviews": overviews, "threads": threads, "predictor": predictor}
        with closing(CogWriter(path, temporary, grid, names, units, options)) as writer:
            yield writer
            writer.complete()


class CogWriter:
    """Takes the blocks of a map that is being written, and turns them into a COG."""

    summary: CogSummary  # of the completed COG

    def __init__(
        self,
        path: Path,
        temporary: Path,
        grid: Grid,
        names: Sequence[str],
        units: Sequence[str],
        options: Mapping[str, Any],
    ) -> None:
        self.path, self.options, self.temporary = path, options, temporary
        self.blocks = temporary.with_name(f"{temporary.name}.blocks.tif")  # removed by atomic_path, because of its name
        self.valid_counts = np.zeros(len(names), dtype=np.int64)
        self.limits = np.full((2, len(names)), np.nan, np.float32)  # the smallest and the largest value of each band
        self.infinite_count = 0
        self.is_complete = False
        with _output_errors(path):
            self.target = rasterio.open(self.blocks, "w", **_profile(grid, len(names)))
        for number, (name, unit) in enumerate(zip(names, units, strict=True), start=1):
            self.target.set_band_description(number, name)
            self.target.set_band_unit(number, unit)

    def put(self, y0: int, x0: int, block: np.ndarray) -> None:
        """Write a block `(band, y, x)` float32 whose first pixel is at row y0, column x0; infinity becomes no data."""
        infinite = np.isinf(block)
        if infinite.any():
            self.infinite_count += int(infinite.sum())
            block = np.where(infinite, np.float32(np.nan), block)
        self.valid_counts += np.count_nonzero(~np.isnan(block), axis=(1, 2))
        for end, extreme in zip(self.limits, (np.fmin, np.fmax), strict=True):
            extreme(end, extreme.reduce(block, axis=(1, 2)), out=end)
        with _output_errors(self.path):
            self.target.write(block, window=Window(x0, y0, block.shape[2], block.shape[1]))

    def close(self) -> None:
        """Close the file of the blocks."""
        with _output_errors(self.path):
            self.target.close()

    def complete(self) -> None:
        """Turn the blocks into the COG, unless that is done already; writers may do so in several threads at once."""
        if self.is_complete:
            return
        self.close()
        with _output_errors(self.path):
            bands = compute_statistics(self.blocks, self.limits)
        if [band.valid_count for band in bands] != self.valid_counts.tolist():
            # GDAL reads a tile that was not written as no data, and does not report an error when the file is closed.
            raise _write_error(self.path, "blocks were not written to the disk")
        _release_memory()
        _copy_to_cog(self.blocks, self.temporary, bands, output=self.path, **self.options)
        _release_memory()
        shape = (len(bands), self.target.height, self.target.width)
        self.summary = CogSummary(self.path, shape, bands, self.infinite_count)
        self.is_complete = True


def _profile(grid: Grid, bands: int) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "dtype": "float32",
        "nodata": np.nan,
        "count": bands,
        "height": grid.height,
        "width": grid.width,
        "crs": grid.crs,
        "transform": grid.transform,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "band",
        "bigtiff": "if_safer",
    }


def _copy_to_cog(
    source: Path,
    target: Path,
    bands: Sequence[BandStatistics],
    *,
    tags: Mapping[str, str],
    overviews: str,
    threads: int,
    output: Path,
    predictor: str,
) -> None:
    """Write metadata and overviews into `source`, and copy it to a COG, which must not be edited afterwards."""
    tile = TILE
    while tile > 128 and len(bands) * tile**2 * 4 > 16 * 2**20:
        tile //= 2  # tiles of a COG contain all bands, so many bands would make very large tiles
    with _output_errors(output):
        with rasterio.open(source, "r+") as dataset:
            dataset.update_tags(**{name: str(value) for name, value in tags.items()})
            for number, band in enumerate(bands, start=1):
                dataset.update_tags(number, **statistics_tags(band, dataset.width * dataset.height))
            halvings = ceil(log2(max(dataset.shape) / tile)) if max(dataset.shape) > tile else 0
            if halvings:
                # Otherwise the COG driver compresses the overviews twice, the first time into a temporary file.
                factors = [2**k for k in range(1, halvings + 1)]
                dataset.build_overviews(factors, Resampling[overviews])
        rasterio.shutil.copy(
            source, target, driver="COG",
            COMPRESS="DEFLATE",
            LEVEL=1,  # half of the time of 6 and no larger for maps of floats: most of their bits are noise
            PREDICTOR=predictor,
            BLOCKSIZE=tile, BIGTIFF="IF_SAFER",
            NUM_THREADS=max(threads, 1),
        )  # fmt: skip
        _release_memory()
        # GDAL's copy does not report a disk that is full when the last tiles are written.
        if not _hold_equal_values(source, target):
            raise _write_error(output, "the copy was not written to the disk")


def _hold_equal_values(path: Path, other: Path) -> bool:
    """Return whether two rasters of float32 have equal values, NaN at the same places included."""

    def are_equal(part: Sequence[Window]) -> bool:
        with rasterio.open(path) as first, rasterio.open(other) as second:
            for window in part:
                values, others = first.read(window=window), second.read(window=window)
                if np.array_equal(values.view(np.int32), others.view(np.int32)):  # fast, and the usual case
                    continue
                if not np.array_equal(values, others, equal_nan=True):
                    return False
        return True

    with rasterio.open(other) as source:
        windows = list(tile_windows(source, source.count))
    with ThreadPoolExecutor(READERS) as pool:
        return all(pool.map(are_equal, [windows[k::READERS] for k in range(READERS)]))


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    """Raise errors of GDAL as an OutputError that names the output."""
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as error:
        # the message of rasterio is often "Write failed. See previous exception for details."
        raise _write_error(path, f"writing failed ({error.__cause__ or error})") from error


def _release_memory() -> None:
    """Make glibc return freed memory to the system: about 70 MB in a few ms that threads would keep."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def _require_disk_space(path: Path, needed_bytes: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if free < needed_bytes:
        raise _write_error(path, "not enough disk space", f"{needed_bytes / 1e6:.0f} MB")


def _write_error(path: Path, problem: str, expected: str = "") -> OutputError:
    free = shutil.disk_usage(path.parent).free
    way_out = f"free some disk space ({free / 1e6:.0f} MB are free now), or choose another output"
    return OutputError(path, problem=problem, expected=expected, way_out=way_out)
