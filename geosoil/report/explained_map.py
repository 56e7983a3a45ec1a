"""A map of attributions: which spectral region, or covariate, pushes the prediction up or down where."""

from __future__ import annotations

import os
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geosoil import __version__
from geosoil.errors import OutputError, RasterError
from geosoil.explain.explanation import SAMPLED_BACKGROUND, explain_rows
from geosoil.explain.windows import region_windows
from geosoil.io.cog import write_cog
from geosoil.mapping.match import match_bands
from geosoil.models.store import find_model, model_sha256, read_card
from geosoil.raster.blocks import choose_block
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.report.explanations import ExplainResult, check_line, load_pixel_model
from geosoil.report.figures import map_figure, save_figure
from geosoil.sensors.cube import open_cube

if TYPE_CHECKING:
    import xarray as xr

PIXELS = 2000


def explain_map(
    model: str | os.PathLike[str],
    cube: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    n_pixels: int = PIXELS,
    n_background: int = SAMPLED_BACKGROUND,
    bands: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    nodata: float | None = None,
    seed: int = 0,
) -> ExplainResult:
    """Explain a model on a regular sub-grid of a cube: a COG with one band a spectral region or covariate.

    model: folder or name. cube: what `open_cube` opens; bands, scale, nodata as there. n_pixels: about so many
    pixels are explained, the middle ones of square cells of an odd number of pixels a side; these cells are the
    pixels of the COG.
    n_background: pixels of the sub-grid, drawn by the seed, whose mean prediction the attributions start from.
    Beside the regions stands a band `prediction`: the sum of the regions and the baseline (kept in the tags) is
    checked against it.

    Raises the GeosoilError that says what does not fit.
    """
    path = Path(output)
    if path.suffix.lower() not in {".tif", ".tiff"}:
        raise OutputError(
            path, found=f"ending {path.suffix or 'none'}", expected=".tif", way_out="name the map OUT.tif"
        )
    folder = find_model(os.fspath(model))
    opened = open_cube(cube, bands=bands, scale=scale, nodata=nodata, drop_nm=[])
    matched = match_bands(load_pixel_model(folder), opened)
    source = opened.sel(band=list(matched.bands))
    side = cell_side(source.sizes["y"], source.sizes["x"], n_pixels)
    rows, shape = _sub_grid(source, side)
    whole = np.isfinite(rows).all(axis=1)
    if not whole.any():
        raise RasterError(
            cube,
            found=f"no data in all {len(rows)} pixels of the sub-grid",
            expected="reflectance",
            way_out="allow more pixels, or give another cube",
        )
    X = rows[whole]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:n_background])
    windows = region_windows(matched.model.features)
    explanation = explain_rows(
        matched.model, X, X[chosen], windows=windows, n_background=n_background, budget=1 << 62, seed=seed
    )
    names = [*windows.names, "prediction"]
    values = np.full((len(names), len(rows)), np.nan, np.float32)
    values[:, whole] = np.vstack([explanation.values.T, explanation.predicted])
    fine = Grid.of(opened).transform
    raster = make_raster(
        values.reshape(-1, *shape),
        names=names,
        crs=opened.rio.crs,
        transform=Affine(side * fine.a, side * fine.b, fine.c, side * fine.d, side * fine.e, fine.f),
        units=explanation.what,
    )
    what = (
        f"{whole.sum()} pixels explained, the middle of cells of {side} x {side} pixels; background {len(chosen)} of "
        f"them; explained: {explanation.what}"
    )
    tags = {
        "GEOSOIL_MODEL": read_card(folder).name,
        "GEOSOIL_MODEL_SHA256": model_sha256(folder),
        "GEOSOIL_CUBE": Path(cube).name,
        "GEOSOIL_BASELINE": f"{explanation.baseline:.9g}",
        "GEOSOIL_NOTES": f"{what}; {check_line(explanation)}",
        "TIFFTAG_SOFTWARE": f"geosoil {__version__}",
    }
    write_cog(raster, path, tags=tags, overviews="nearest")
    picture = path.with_suffix(".png")
    _draw(raster, int(np.argmax(explanation.importance)), explanation.what, picture)
    order = np.argsort(-explanation.importance)
    shares = explanation.importance / (explanation.importance.sum() or 1.0)
    lines = [
        *matched.notes,
        what,
        check_line(explanation),
        "highest: " + ", ".join(f"{windows.names[i]} {shares[i]:.0%}" for i in order[:6]),
    ]
    return ExplainResult((path, picture), tuple(lines))


def cell_side(height: int, width: int, n_pixels: int) -> int:
    """Return the side of square cells, odd so that each has a middle pixel, of which at most about n_pixels fit.

    >>> cell_side(100, 100, 2000), cell_side(2083, 2008, 2000)
    (3, 47)
    """
    side = max(1, ceil(sqrt(height * width / n_pixels)))
    return side if side % 2 else side + 1


def _sub_grid(source: xr.DataArray, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the middle pixels `(pixel, band)` of all cells whose middle lies in the raster, and (rows, columns)."""
    height, width = source.sizes["y"], source.sizes["x"]
    y, x = np.arange(side // 2, height, side), np.arange(side // 2, width, side)
    values = np.full((source.sizes["band"], len(y), len(x)), np.nan, np.float32)
    block_rows, block_columns = choose_block(source)
    for top in range(0, height, block_rows):
        rows = np.flatnonzero((y >= top) & (y < top + block_rows))
        for left in range(0, width, block_columns):
            columns = np.flatnonzero((x >= left) & (x < left + block_columns))
            if not len(rows) or not len(columns):
                continue
            block = source[:, top : top + block_rows, left : left + block_columns].values
            values[:, rows[:, None], columns] = block[:, (y[rows] - top)[:, None], x[columns] - left]
    return values.reshape(len(values), -1).T, (len(y), len(x))


def _draw(raster: xr.DataArray, band: int, unit: str, path: Path) -> None:
    values = raster.values[band]
    reach = float(np.nanquantile(np.abs(values), 0.98)) or 1.0
    left, bottom, right, top = Grid.of(raster).bounds
    figure = map_figure(
        values, title=f"what {raster['band'].values[band]} adds to {unit}", unit=unit, low=-reach, high=reach,
        extent=(left, right, bottom, top), ramp="RdBu_r",
    )  # fmt: skip
    save_figure(figure, path)
