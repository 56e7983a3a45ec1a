"""A map of attributions: which spectral region, or covariate, pushes the prediction up or down where."""

from __future__ import annotations

import os
from math import ceil, sqrt
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine

from geosoil import __version__
from geosoil.errors import ModelFileError, RasterError
from geosoil.explain.explanation import SAMPLED_BACKGROUND, explain_rows
from geosoil.explain.windows import region_windows
from geosoil.io.atomic import require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.rasters.cog import write_cog
from geosoil.mapping.covariates import match_covariates
from geosoil.mapping.match import match_bands
from geosoil.models.pixel import PixelModel
from geosoil.models.store import find_model, model_sha256, read_card
from geosoil.raster.blocks import choose_block
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.report.figure_style import save_figure
from geosoil.report.map_figures import map_figure
from geosoil.sensors.cube import open_cube
from geosoil.workflows.explain import ExplainResult, check_line, load_pixel_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.models.compose import CompositeModel

PIXELS = 2000
COVARIATE_PIXELS, COVARIATE_BACKGROUND = 500, 50  # forests and their cascades are slow to sample


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
    path, folder = _output(output, [cube, bands]), find_model(os.fspath(model))
    opened = open_cube(cube, band_table=bands, scale=scale, nodata=nodata, drop_nm=[])
    loaded = load_pixel_model(folder)
    if not isinstance(loaded, PixelModel):
        raise ModelFileError(
            folder, found="a model made of models", expected="a model of spectra", way_out="give --covariates"
        )
    matched = match_bands(loaded, opened)
    source = opened.sel(band=list(matched.bands))
    tags = {"GEOSOIL_CUBE": Path(cube).name}
    return _explained(matched.model, source, path, folder, tags, matched.notes, n_pixels, n_background, seed)


def explain_covariates_map(
    model: str | os.PathLike[str],
    covariates: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    like: str | os.PathLike[str] | None = None,
    n_pixels: int = COVARIATE_PIXELS,
    n_background: int = COVARIATE_BACKGROUND,
    seed: int = 0,
) -> ExplainResult:
    """Explain a model on a regular sub-grid of covariate rasters: a COG with one band a covariate.

    covariates, like: as for `map_covariates`; the columns of one band of classes are one covariate. The rest as for
    `explain_map`. What has no exact way (an ensemble, a cascade) is sampled: pixels x background x 8 x covariates rows
    are predicted, which the defaults keep to minutes. A cascade is explained by the rasters that it reads: what its
    first property adds is part of theirs.

    Raises the GeosoilError that says what does not fit.
    """
    paths = [covariates] if isinstance(covariates, str | os.PathLike) else covariates
    path, folder = _output(output, [*paths, like]), find_model(os.fspath(model))
    loaded = load_pixel_model(folder)
    matched = match_covariates(loaded, covariates, like=like, unseen="nodata")
    tags = {"GEOSOIL_COVARIATES": "; ".join(Path(one).name for one in paths)}
    return _explained(loaded, matched.raster, path, folder, tags, matched.notes, n_pixels, n_background, seed)


def _output(output: str | os.PathLike[str], inputs: list[str | os.PathLike[str] | None]) -> Path:
    """Return where the COG goes; its place and that of the picture can be written, and neither is an input."""
    path = check_output_path(output, (".tif", ".tiff"), "OUT.tif", inputs=inputs, beside=[".png"])
    for one in (path, path.with_suffix(".png")):
        require_writable(one)
    return path


def _explained(
    model: PixelModel | CompositeModel,
    source: xr.DataArray,
    path: Path,
    folder: Path,
    tags: dict[str, str],
    notes: Sequence[str],
    n_pixels: int,
    n_background: int,
    seed: int,
) -> ExplainResult:
    """Explain the middle pixels of the cells of a raster `(feature, y, x)`, and write the COG and its picture."""
    side = cell_side(source.sizes["y"], source.sizes["x"], n_pixels)
    rows, shape = _sub_grid(source, side)
    whole = np.isfinite(rows).all(axis=1)
    if not whole.any():
        raise RasterError(
            source.attrs.get("source") or "raster",
            found=f"no data in all {len(rows)} pixels of the sub-grid",
            expected="values in all bands that the model reads",
            way_out="allow more pixels, or give another place",
        )
    X = rows[whole]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:n_background])
    windows = region_windows(model.features)
    explanation = explain_rows(
        model, X, X[chosen], windows=windows, n_background=n_background, budget=1 << 62, seed=seed
    )
    names = [*windows.names, "prediction"]
    values = np.full((len(names), len(rows)), np.nan, np.float32)
    values[:, whole] = np.vstack([explanation.values.T, explanation.predicted])
    fine = Grid.of(source).transform
    raster = make_raster(
        values.reshape(-1, *shape),
        names=names,
        crs=source.rio.crs,
        transform=Affine(side * fine.a, side * fine.b, fine.c, side * fine.d, side * fine.e, fine.f),
        units=explanation.quantity,
    )
    what = (
        f"{whole.sum()} pixels explained, the middle of cells of {side} x {side} pixels; background {len(chosen)} of "
        f"them; explained: {explanation.quantity}"
    )
    provenance = {
        "GEOSOIL_MODEL": read_card(folder).name,
        "GEOSOIL_MODEL_SHA256": model_sha256(folder),
        **tags,
        "GEOSOIL_BASELINE": f"{explanation.baseline:.9g}",
        "GEOSOIL_NOTES": f"{what}; {check_line(explanation)}",
        "TIFFTAG_SOFTWARE": f"geosoil {__version__}",
    }
    write_cog(raster, path, tags=provenance, overviews="nearest")
    picture = path.with_suffix(".png")
    _draw(raster, int(np.argmax(explanation.importance)), explanation.quantity, picture)
    order = np.argsort(-explanation.importance)
    shares = explanation.importance / (explanation.importance.sum() or 1.0)
    lines = [
        *notes,
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
