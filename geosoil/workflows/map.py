"""Map a cube or covariates with a model: a COG, with a style for QGIS and a picture beside it."""

from __future__ import annotations

import os
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from geosoil.io.output_paths import check_not_an_input, check_output_path
from geosoil.io.provenance import shown_name
from geosoil.mapping.inputs import CovariateInput, CubeInput, open_mask
from geosoil.mapping.job import prepare_map
from geosoil.mapping.joint import find_models, foreign_spectra, match_models
from geosoil.mapping.run import RunOptions
from geosoil.mapping.trusted import TrustedInput, require_area, with_trust
from geosoil.mapping.value_checks import check_values
from geosoil.models.contract import INSIDE, PREDICTION, TRUST_KINDS, select_outputs
from geosoil.raster.grid import Grid
from geosoil.report.qgis_rasters import SIDE_FILES
from geosoil.spectra.bare_soil import BareSoil
from geosoil.trust.conformal import check_level
from geosoil.workflows.gis_files import STYLE_ONLY, GisOptions
from geosoil.workflows.prepared_map import PreparedMap
from geosoil.workflows.trust_map import TRUST_ENDINGS, require_no_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.io.rasters.class_bands import Unseen
    from geosoil.mapping.joint import OneOrManyModels
    from geosoil.workflows.map_result import MapResult

    Progress = Callable[[str, int, int], None]
    PathLike = str | os.PathLike[str]


def map_cube(
    cube: PathLike,
    model: OneOrManyModels,
    output: PathLike | None = None,
    *,
    band_table: PathLike | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    keep: Sequence[str] = (),
    pixel_m: int | None = None,
    mask: PathLike | None = None,
    bare_soil: BareSoil | bool = False,
    outputs: Sequence[str] = (PREDICTION,),
    trust: bool = True,
    level: float | None = None,
    only_applicable: bool = False,
    separate: bool = False,
    progress: Progress | bool | None = None,
    gis: GisOptions = STYLE_ONLY,
    **run_options: Any,
) -> MapResult:
    """Map a cube with one or several models, to a cloud-optimized GeoTIFF with a QGIS style and a picture beside it.

    Parameters
    ----------
    cube : path-like
        A file, an address, or a product as a folder or an archive, as `open_cube` takes it.
    model : path-like, or sequence of path-like
        A model folder, the name of a known model, or a folder that holds several model folders. Several models are
        mapped in one pass to one file with a band for each output; an output whose name several models have gets the
        name of its model as a prefix.
    output : path-like, optional
        The map, a file or an `s3://` address; default: CUBE_MODEL.tif in the working folder.
    band_table : path-like, optional
        CSV table of wavelengths, for a cube without them.
    scale, offset : float, optional
        Reflectance = stored value x scale + offset; default: what the file states.
    nodata : float, optional
        The stored value that means no data; default: what the file states.
    keep : sequence of str
        Names of quality masks of a product whose pixels are mapped, such as "water"; all others are left out.
    pixel_m : int, optional
        The side in m of the pixels, for a product with several grids: 10, 20 (default) or 60 for Sentinel-2.
    mask : path-like, optional
        A raster on the grid of the cube; pixels where it is 0 or nodata are left out.
    bare_soil : BareSoil or bool
        Leave out vegetation, crop residue and water, by the default thresholds or those of a `BareSoil`.
    outputs : sequence of str
        Kinds of the bands of the map, such as "prediction"; those that a model has are in its `outputs`.
    trust : bool
        Write OUT_trust.tif in the same pass, if a model has a trust state: for each target the ends of its prediction
        interval, then dissimilarity index, local point density, and whether the pixel is in the area of applicability.
    level : float, optional
        Share of the values that the intervals shall hold; default: 0.9.
    only_applicable : bool
        Write nodata to the map outside the area of applicability of its model.
    separate : bool
        Write a file for each property instead, OUT_PROPERTY.tif, with its trust map, style and picture beside it.
    progress : callable or bool, optional
        Called as `progress("map", pixels done, all pixels)`; True shows a bar.
    gis : GisOptions
        Whether a QGIS project of the map is written, the samples in it, and the licence of the map.
    **run_options
        Threads, workers, memory and the other fields of `RunOptions`; the values do not depend on them.

    Returns
    -------
    MapResult
        Where the map is, its statistics and notes.

    Raises
    ------
    GeosoilError
        The cube, the model or the output does not fit, or no pixel has a value. No unfinished file is left; finished
        blocks of a map that was interrupted are kept in OUTPUT.unfinished, for `mode="resume"`.
    """
    prepared = prepare_cube(
        cube, model, output, band_table=band_table, scale=scale, offset=offset, nodata=nodata, keep=keep,
        pixel_m=pixel_m, mask=mask, bare_soil=bare_soil, outputs=outputs, trust=trust, level=level,
        only_applicable=only_applicable, separate=separate,
    )  # fmt: skip
    return prepared.write(RunOptions(**run_options), progress, gis)


def map_covariates(
    covariates: PathLike | Sequence[PathLike],
    model: OneOrManyModels,
    output: PathLike | None = None,
    *,
    like: PathLike | None = None,
    unseen: Unseen = "stop",
    mask: PathLike | None = None,
    outputs: Sequence[str] = (PREDICTION,),
    trust: bool = True,
    level: float | None = None,
    only_applicable: bool = False,
    separate: bool = False,
    progress: Progress | bool | None = None,
    gis: GisOptions = STYLE_ONLY,
    **run_options: Any,
) -> MapResult:
    """Map covariate rasters with one or several models, to a cloud-optimized GeoTIFF with one band per output.

    Parameters
    ----------
    covariates : path-like or sequence of path-like
        Rasters of any grids, in any order; the model finds its bands by their names.
    model, output, outputs, trust, level, only_applicable, separate, progress, gis, **run_options
        As for `map_cube`.
    like : path-like, optional
        A raster whose grid the map takes; default: the first covariate.
    unseen : {"stop", "nodata"}
        What happens at a class that has no training samples: the run stops, or the pixel becomes nodata.
    mask : path-like, optional
        A raster of any grid; pixels where it is 0 or nodata are left out.

    Returns
    -------
    MapResult
        Where the map is, its statistics and notes.

    Raises
    ------
    GeosoilError
        As `map_cube` does.
    """
    prepared = prepare_covariates(
        covariates, model, output, like=like, unseen=unseen, mask=mask, outputs=outputs,
        trust=trust, level=level, only_applicable=only_applicable, separate=separate,
    )  # fmt: skip
    return prepared.write(RunOptions(**run_options), progress, gis)


def prepare_cube(
    cube: PathLike,
    model: OneOrManyModels,
    output: PathLike | None = None,
    *,
    mask: PathLike | None = None,
    bare_soil: BareSoil | bool = False,
    outputs: Sequence[str] = (PREDICTION,),
    trust: bool = True,
    level: float | None = None,
    only_applicable: bool = False,
    separate: bool = False,
    **cube_options: Any,
) -> PreparedMap:
    """Check that a cube and a model fit and return the map to be written; parameters as for `map_cube`."""
    return prepare_input(
        CubeInput(cube, **cube_options), model, output, mask=mask, bare_soil=bare_soil, outputs=outputs,
        trust=trust, level=level, only_applicable=only_applicable, separate=separate,
    )  # fmt: skip


def prepare_covariates(
    covariates: PathLike | Sequence[PathLike],
    model: OneOrManyModels,
    output: PathLike | None = None,
    *,
    like: PathLike | None = None,
    unseen: Unseen = "stop",
    mask: PathLike | None = None,
    outputs: Sequence[str] = (PREDICTION,),
    trust: bool = True,
    **trust_options: Any,
) -> PreparedMap:
    """Check that covariates and a model fit and return the map to be written; parameters as for `map_covariates`."""
    source = CovariateInput(covariates, like, unseen)
    return prepare_input(source, model, output, mask=mask, outputs=outputs, trust=trust, **trust_options)


def prepare_input(
    source: CubeInput | CovariateInput,
    model: OneOrManyModels,
    output: PathLike | None = None,
    *,
    mask: PathLike | None = None,
    bare_soil: BareSoil | bool = False,
    outputs: Sequence[str] = (PREDICTION,),
    trust: bool = False,
    level: float | None = None,
    only_applicable: bool = False,
    separate: bool = False,
) -> PreparedMap:
    """Check that an input and a model fit and return the map to be written; parameters as for `map_cube`."""
    models = find_models(model)
    notes: tuple[str, ...] = ()
    if level is not None:
        check_level(level)
    if trust or only_applicable:
        models, notes = with_trust(models, level)
    if only_applicable:
        require_area(models, separate=separate)
    if isinstance(source, CubeInput):
        source, scale_notes = source.with_scale_of(models)
        notes = (*scale_notes, *notes)
    matched = match_models(source, models)
    notes += matched.notes
    masked = None
    if mask is not None:
        masked, mask_notes = open_mask(mask, Grid.of(matched.raster), warp=isinstance(source, CovariateInput))
        notes += mask_notes
    soil = BareSoil() if bare_soil is True else bare_soil or None
    if soil is not None:
        notes += (f"bare soil only: {soil}",)
    names = " and ".join(str(each.folder) for each in models)
    selected = select_outputs(matched.model, outputs, where=names)
    require_no_trust(selected, names)
    beside_map = TRUST_KINDS if trust else (INSIDE,)
    kinds = (*outputs, *(kind for kind in beside_map if any(kind == o.kind for o in matched.model.outputs)))
    job = prepare_map(matched.model, matched.raster, bands=matched.bands, outputs=kinds, bare_soil=soil, mask=masked)
    value_notes, warnings = check_values(job, [each.card.sample_places for each in models])
    if isinstance(source, CubeInput):
        warnings = (*foreign_spectra(models), *warnings)
    files = source.files if mask is None else (*source.files, mask)
    stem = "_".join([PurePath(shown_name(files[0]).removesuffix(".gz")).stem, *(each.card.name for each in models)])
    path = output if output is not None else f"{stem}.tif"
    check_output_path(path, (".tif", ".tiff"), "OUT.tif", inputs=files, beside=(*SIDE_FILES, ".png", *TRUST_ENDINGS))
    settings = source.settings | {
        "bare_soil": soil,
        "mask": None if mask is None else shown_name(mask),
        "outputs": None if tuple(outputs) == (PREDICTION,) else ",".join(outputs),
        "separate": True if separate else None,
    }
    trusted = [each for each in models if isinstance(each, TrustedInput)]
    if trusted:
        settings |= {
            "level": trusted[0].level,
            "trust_sha256": ", ".join(each.trust_sha256 for each in trusted),
            "trust": None if trust else "not written",
            "only_applicable": True if only_applicable else None,
        }
    masks = source.opened.masks if isinstance(source, CubeInput) else ()
    prepared = PreparedMap(os.fspath(path), job, models, settings, (*notes, *value_notes), files, warnings, masks)
    if separate:
        endings = (".tif", ".tiff", ".png", *SIDE_FILES, *TRUST_ENDINGS)
        each = [file.path for file in prepared.files_at(Path(path))]
        check_not_an_input([file.with_name(file.stem + ending) for file in each for ending in endings], files)
    return prepared
