"""Explain a model on a regular sub-grid of its input: a COG with one band per spectral region or covariate.

As for a map, one run at a time writes an output, the input is read block by block, and an output in an object store is
uploaded when it is complete. The sub-grid has some thousand pixels and is explained in one pass, so no finished blocks
are kept: a run that was interrupted leaves nothing, and is started again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine

from geosoil.errors import RasterError
from geosoil.explain.explanation import SAMPLED_BACKGROUND, explain_rows
from geosoil.explain.tables import check_line, window_table
from geosoil.explain.windows import region_windows
from geosoil.io.atomic import atomic_path, remove_leftovers, require_writable
from geosoil.io.output_paths import check_output_path, deliver, local_path
from geosoil.io.provenance import provenance_tags, shown_name
from geosoil.io.rasters.cog import write_cog
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.mapping.inputs import CovariateInput, CubeInput, ModelInput
from geosoil.mapping.scratch import held_store
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.report.explanation_sections import raster_sections
from geosoil.report.figure_style import save_figure
from geosoil.report.page import write_page
from geosoil.report.qgis_metadata import LayerMetadata
from geosoil.report.qgis_project import write_project
from geosoil.report.qgis_rasters import SIDE_FILES, StyledRaster, attribution_styles
from geosoil.report.quicklooks import attribution_quicklook
from geosoil.workflows.explain import ExplainResult, require_pixel_model
from geosoil.workflows.gis_files import GisOptions, project_path_of
from geosoil.workflows.map import prepare_input

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr
    from matplotlib.figure import Figure

    from geosoil.io.rasters.class_bands import Unseen
    from geosoil.mapping.job import MapJob
    from geosoil.report.page import Section
    from geosoil.spectra.bare_soil import BareSoil
    from geosoil.workflows.prepared_map import PreparedMap

    PathLike = str | os.PathLike[str]

ABSTRACT = (
    "What each band adds to the prediction, as Shapley values. With the baseline in the tags they add up to the "
    "prediction of the model before it is set to the limits of the valid range; the last band is that of a map."
)
PIXELS = 2000
COVARIATE_PIXELS, COVARIATE_BACKGROUND = 500, 50  # forests and cascades are slow to sample


def explain_map(
    model: PathLike | ModelInput,
    cube: PathLike,
    output: PathLike,
    *,
    n_pixels: int = PIXELS,
    n_background: int = SAMPLED_BACKGROUND,
    seed: int = 0,
    mask: PathLike | None = None,
    bare_soil: BareSoil | bool = False,
    project: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    **cube_options: Any,
) -> ExplainResult:
    """Explain a model on a regular sub-grid of a cube: a COG with one band per spectral region.

    Parameters
    ----------
    model : path-like
        A model folder, or the name of a known model.
    cube : path-like
        A file, an address or the folder of a product, as `open_cube` takes it.
    output : path-like
        The COG, a file or an `s3://` address; a report, a picture, a QGIS style and QGIS metadata are written
        beside it. The other bands and the baseline in the tags add up to the prediction of the model; its last band,
        `prediction`, is that of a map: within the valid range, and in the unit of the target.
    n_pixels : int
        About this number of pixels is explained: the middle pixels of square cells of an odd number of pixels a side.
        These cells are the pixels of the COG.
    n_background : int
        Number of pixels of the sub-grid, drawn at random, whose mean prediction is the baseline of the attributions.
    seed : int
        Random seed for drawing the background.
    mask, bare_soil, **cube_options
        Pixels that are left out, and options of the cube, as for `map_cube`.
    project : bool
        Write OUTPUT.qgz: a QGIS project of all bands.
    progress : callable, optional
        Called as `progress("pixels", explained, all)`.

    Returns
    -------
    ExplainResult
        The files, and lines of text.

    Raises
    ------
    GeosoilError
        The cube, the model or the output does not fit.
    """
    source = CubeInput(cube, **cube_options)
    rows = n_pixels, n_background, seed
    return _explain(source, model, output, rows, mask, bare_soil, project=project, progress=progress)


def explain_covariates_map(
    model: PathLike | ModelInput,
    covariates: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    like: PathLike | None = None,
    unseen: Unseen = "nodata",
    mask: PathLike | None = None,
    n_pixels: int = COVARIATE_PIXELS,
    n_background: int = COVARIATE_BACKGROUND,
    seed: int = 0,
    project: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
) -> ExplainResult:
    """Explain a model on a regular sub-grid of covariate rasters: a COG with one band per covariate.

    The columns of one band of classes are one covariate. A model without an exact method (an ensemble, a cascade) is
    sampled, which predicts pixels x background x 8 x covariates rows; the defaults keep this to minutes. A cascade is
    explained by the rasters that it reads, so that what its first property adds is part of theirs.

    Parameters
    ----------
    model, output, n_pixels, n_background, seed, project, progress
        As for `explain_map`.
    covariates, like, unseen, mask
        As for `map_covariates`.

    Returns
    -------
    ExplainResult
        The files, and lines of text.

    Raises
    ------
    GeosoilError
        The covariates, the model or the output do not fit.
    """
    source = CovariateInput(covariates, like, unseen)
    rows = n_pixels, n_background, seed
    return _explain(source, model, output, rows, mask, project=project, progress=progress)


def _explain(
    source: CubeInput | CovariateInput,
    model: PathLike | ModelInput,
    output: PathLike,
    rows: tuple[int, int, int],
    mask: PathLike | None,
    bare_soil: BareSoil | bool = False,
    *,
    project: bool,
    progress: Callable[[str, int, int], None] | None,
) -> ExplainResult:
    """Explain the middle pixels of cells of the input, and write the COG and its picture."""
    place, files = os.fspath(output), source.files if mask is None else (*source.files, mask)
    check_output_path(place, (".tif", ".tiff"), "OUT.tif", inputs=files, beside=[".png", ".html", ".qgz", *SIDE_FILES])
    GisOptions(project).prepare(place, files)
    with local_path(place) as path, limit_gdal_cache():
        picture, page = path.with_suffix(".png"), path.with_suffix(".html")
        for file in (path, picture, page):
            require_writable(file)
        with held_store(place):
            for file in (path, picture, page):
                remove_leftovers(file)
            opened = ModelInput.find(model)
            require_pixel_model(opened.model, opened.folder)
            prepared = prepare_input(source, opened, place, mask=mask, bare_soil=bare_soil)
            made = _explained(prepared, *rows, progress)
            # They appear after the COG: neither is left without the others.
            with atomic_path(picture) as temporary, atomic_path(page) as temporary_page:
                save_figure(made.figure, temporary)
                title = f"What the predictions of {opened.card.name} depend on, in {shown_name(files[0])}"
                drawn = {made.figure: temporary.read_bytes()}
                write_page(temporary_page, title=title, sections=made.sections, drawn=drawn)
                cog = write_cog(made.raster, path, tags=made.tags, overviews="nearest")
            styles = attribution_styles(cog.bands, len(cog.bands) - 1, made.first)
            metadata = LayerMetadata(path.stem, (ABSTRACT, *made.lines), ("soil", "SHAP"), history=prepared.notes)
            styled = StyledRaster(path, *styles, metadata)
            *_, page_place, picture_place, path_place = deliver([*styled.write_files(), page, picture, path], place)
            written = [path_place, page_place, picture_place]
            if project:
                groups = [styled.group("explanation")]
                written.append(write_project(project_path_of(path), title=path.stem, groups=groups))
            return ExplainResult(tuple(written), made.lines)


@dataclass(frozen=True)
class _Attributions:
    """Attributions of the cells as a raster, with its picture, tags, lines of text, main band and report."""

    raster: xr.DataArray
    figure: Figure
    tags: dict[str, str]
    lines: tuple[str, ...]
    first: int
    sections: Sequence[Section]


def _explained(
    prepared: PreparedMap,
    n_pixels: int,
    n_background: int,
    seed: int,
    progress: Callable[[str, int, int], None] | None,
) -> _Attributions:
    job = prepared.job
    fitted: Any = job.predict.model
    side = cell_side(job.source.sizes["y"], job.source.sizes["x"], n_pixels)
    rows, shape = _sub_grid(job, side)
    valid = np.isfinite(rows).all(axis=1)
    if not valid.any():
        raise RasterError(
            job.source.attrs.get("source") or "raster",
            found=f"no data in all {len(rows)} pixels of the sub-grid",
            expected="values in all bands that the model reads",
            way_out="allow more pixels, leave out fewer, or choose another area",
        )
    X = rows[valid]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:n_background])
    windows = region_windows(fitted.features)
    explanation = explain_rows(
        fitted,
        X,
        X[chosen],
        windows=windows,
        n_background=n_background,
        budget=1 << 62,
        seed=seed,
        progress=None if progress is None else lambda done, total: progress("pixels", done, total),
    )
    names = [*windows.names, "prediction"]
    values = np.full((len(names), len(rows)), np.nan, np.float32)
    # The prediction is that of a map, within the valid range and, of a model of ln(target), in the unit of the target.
    values[:, valid] = np.vstack([explanation.values.T, fitted.predict_rows(X)[:, 0]])
    unit = fitted.targets[0].unit
    attributed = unit if explanation.quantity == fitted.targets[0].name else f"ln({unit})" if unit else "ln"
    fine = Grid.of(job.source).transform
    raster = make_raster(
        values.reshape(-1, *shape),
        names=names,
        crs=job.source.rio.crs,
        transform=Affine(side * fine.a, side * fine.b, fine.c, side * fine.d, side * fine.e, fine.f),
    ).assign_coords(units=("band", [attributed] * len(windows.names) + [unit]))
    explained = (
        f"{valid.sum()} pixels explained, the middle of cells of {side} x {side} pixels; background: {len(chosen)} of "
        f"them; explained quantity: {explanation.quantity}"
    )
    lines = [*prepared.notes, *prepared.warnings, explained, check_line(explanation)]
    settings = {**prepared.settings, "baseline": f"{explanation.baseline:.9g}", "seed": seed}
    tags = provenance_tags(settings, model=prepared.model_identity, notes=lines)
    figure = attribution_quicklook(raster, int(np.argmax(explanation.importance)), explanation.quantity, attributed)
    order = np.argsort(-explanation.importance)
    table = window_table(explanation, np.full(len(order), ""))
    highest = table.sort_values("rank").head(6)
    lines.append("highest: " + ", ".join(f"{row.window} {row.share:.0%}" for row in highest.itertuples()))
    remarks = [*prepared.notes, explained]
    sections = raster_sections(
        explanation, table, attributed, figure, remarks=remarks, warnings=[f"{line}." for line in prepared.warnings]
    )
    return _Attributions(raster, figure, tags, tuple(lines), int(order[0]), sections)


def cell_side(height: int, width: int, n_pixels: int) -> int:
    """Return the odd side of square cells, in pixels, of which at most about `n_pixels` fit into a raster.

    Examples
    --------
    >>> cell_side(100, 100, 2000), cell_side(2083, 2008, 2000)
    (3, 47)
    """
    side = max(1, ceil(sqrt(height * width / n_pixels)))
    return side if side % 2 else side + 1


def _sub_grid(job: MapJob, side: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the features `(pixel, feature)` of the middle pixels of all cells, NaN where left out, and the shape."""
    blocks = job.blocks()
    y, x = (np.arange(side // 2, edges[-1], side) for edges in (blocks.rows, blocks.cols))
    values = np.full((job.source.sizes["band"], len(y), len(x)), np.nan, np.float32)
    for place in blocks.places:
        inner_rows, inner_columns = blocks.inner(*place)
        rows = np.flatnonzero((y >= inner_rows.start) & (y < inner_rows.stop))
        columns = np.flatnonzero((x >= inner_columns.start) & (x < inner_columns.stop))
        if len(rows) and len(columns):
            block = blocks.read(*place)
            inside = (y[rows] - inner_rows.start)[:, None], x[columns] - inner_columns.start
            values[:, rows[:, None], columns] = block[:, *inside]
    features = values[: job.predict.n_features]
    features[:, job.predict.left_out(values)] = np.nan
    return features.reshape(len(features), -1).T, (len(y), len(x))
