"""Map a cube or covariates with a model: a COG, with a style for QGIS and a picture beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import RasterioError

from geosoil import __version__
from geosoil.io.journal import Identity, resumed_note
from geosoil.io.output_paths import check_output_path, deliver, local_path
from geosoil.io.provenance import provenance_tags, shown_name
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.io.remote.objects import is_object_url
from geosoil.mapping.inputs import CovariateInput, CubeInput, ModelInput, open_mask
from geosoil.mapping.job import prepare_map
from geosoil.mapping.joint import find_models, foreign_spectra, match_models
from geosoil.mapping.run import RunOptions, run_map
from geosoil.mapping.trusted import TrustedInput, require_area, with_trust
from geosoil.mapping.value_checks import check_values
from geosoil.models.contract import INSIDE, PREDICTION, TRUST_KINDS, select_outputs
from geosoil.raster.grid import Grid
from geosoil.report.figure_style import save_figure
from geosoil.report.qgis import write_qml
from geosoil.report.quicklooks import map_quicklook
from geosoil.spectra.bare_soil import BareSoil
from geosoil.trust.conformal import check_level
from geosoil.workflows.map_result import MapResult
from geosoil.workflows.progress import reported
from geosoil.workflows.trust_map import TRUST_ENDINGS, require_no_trust, trust_path_of, write_trust_files

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geosoil.io.rasters.class_bands import Unseen
    from geosoil.mapping.job import MapJob
    from geosoil.mapping.joint import OneOrManyModels
    from geosoil.mapping.plan import Plan

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
    mask: PathLike | None = None,
    bare_soil: BareSoil | bool = False,
    outputs: Sequence[str] = (PREDICTION,),
    trust: bool = True,
    level: float | None = None,
    only_applicable: bool = False,
    progress: Progress | bool | None = None,
    **run_options: Any,
) -> MapResult:
    """Map a cube with one or several models, to a cloud-optimized GeoTIFF with a QGIS style and a picture beside it.

    Parameters
    ----------
    cube : path-like
        A file, an address or the folder of a product, as `open_cube` takes it.
    model : path-like, or sequence of path-like
        A model folder, or the name of a known model. Several models are mapped in one pass to one file with a band
        for each output; an output whose name several models have gets the name of its model as a prefix.
    output : path-like, optional
        The map, a file or an `s3://` address; default: CUBE_MODEL.tif in the working folder.
    band_table : path-like, optional
        CSV table of wavelengths, for a cube without them.
    scale, offset : float, optional
        Reflectance = stored value x scale + offset; default: what the file states.
    nodata : float, optional
        The stored value that means no data; default: what the file states.
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
    progress : callable or bool, optional
        Called as `progress("map", pixels done, all pixels)`; True shows a bar.
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
        cube, model, output, band_table=band_table, scale=scale, offset=offset, nodata=nodata, mask=mask,
        bare_soil=bare_soil, outputs=outputs, trust=trust, level=level, only_applicable=only_applicable,
    )  # fmt: skip
    return prepared.write(RunOptions(**run_options), progress)


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
    progress: Progress | bool | None = None,
    **run_options: Any,
) -> MapResult:
    """Map covariate rasters with one or several models, to a cloud-optimized GeoTIFF with one band per output.

    Parameters
    ----------
    covariates : path-like or sequence of path-like
        Rasters of any grids, in any order; the model finds its bands by their names.
    model, output, outputs, trust, level, only_applicable, progress, **run_options
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
        trust=trust, level=level, only_applicable=only_applicable,
    )  # fmt: skip
    return prepared.write(RunOptions(**run_options), progress)


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
    **cube_options: Any,
) -> PreparedMap:
    """Check that a cube and a model fit and return the map to be written; parameters as for `map_cube`."""
    return prepare_input(
        CubeInput(cube, **cube_options), model, output, mask=mask, bare_soil=bare_soil, outputs=outputs,
        trust=trust, level=level, only_applicable=only_applicable,
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
) -> PreparedMap:
    """Check that an input and a model fit and return the map to be written; parameters as for `map_cube`."""
    models = find_models(model)
    notes: tuple[str, ...] = ()
    if level is not None:
        check_level(level)
    if trust or only_applicable:
        models, notes = with_trust(models, level)
    if only_applicable:
        require_area(models)
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
    stem = "_".join([PurePath(shown_name(files[0])).stem, *(each.card.name for each in models)])
    path = output if output is not None else f"{stem}.tif"
    check_output_path(path, (".tif", ".tiff"), "OUT.tif", inputs=files, beside=(".qml", ".png", *TRUST_ENDINGS))
    settings = source.settings | {
        "bare_soil": soil,
        "mask": None if mask is None else shown_name(mask),
        "outputs": None if tuple(outputs) == (PREDICTION,) else ",".join(outputs),
    }
    trusted = [each for each in models if isinstance(each, TrustedInput)]
    if trusted:
        settings |= {
            "level": trusted[0].level,
            "trust_sha256": ", ".join(each.trust_sha256 for each in trusted),
            "trust": None if trust else "not written",
            "only_applicable": True if only_applicable else None,
        }
    return PreparedMap(os.fspath(path), job, models, settings, (*notes, *value_notes), files, warnings)


@dataclass(frozen=True)
class PreparedMap:
    """A map whose input and models fit, to be planned or written.

    Parameters
    ----------
    output : str
        Path or address of the map.
    job : MapJob
        The model and the bands it reads.
    models : tuple of ModelInput
        The folders and the cards of the models.
    settings : mapping
        Inputs and options, as `provenance_tags` takes them.
    notes : tuple of str
        What was done to the input.
    files : tuple of path-like
        All input files.
    warnings : tuple of str
        What is strange about the input.
    """

    output: str
    job: MapJob
    models: tuple[ModelInput, ...]
    settings: Mapping[str, object]
    notes: tuple[str, ...]
    files: tuple[PathLike, ...]
    warnings: tuple[str, ...] = ()

    def plan(self, run_options: RunOptions) -> Plan:
        """Return how the map would be computed; at most one block is computed for it."""
        return run_options.plan(self.job, self.output, timed=True)

    @property
    def has_trust(self) -> bool:
        """Whether a trust map is written beside the map."""
        return "trust_sha256" in self.settings and self.settings["trust"] is None

    def is_written(self) -> bool:
        """Return whether the output is a finished map of the same model, inputs and options.

        A map is moved to its place when it is finished, with its identity in the tags.
        """
        if is_object_url(self.output) or not Path(self.output).is_file():
            return False
        try:
            with rasterio.open(self.output) as written:
                tags = written.tags()
        except RasterioError:
            return False
        if self.has_trust and not trust_path_of(self.output).is_file():
            return False
        return tags.get("GEOSOIL_IDENTITY") == self.identity.sha256 and "GEOSOIL_UNREAD_WINDOWS" not in tags

    def write(self, run_options: RunOptions, progress: Progress | bool | None = None) -> MapResult:
        """Compute the map and write it with its tags, its style and its picture."""
        with local_path(self.output) as path, reported(progress) as report:
            return self._write(path, run_options, report)

    @property
    def model_identity(self) -> tuple[str, str]:
        """The names and the hashes of all models, as `provenance_tags` takes them."""
        names, hashes = zip(*(model.identity for model in self.models), strict=True)
        return ", ".join(names), ", ".join(hashes)

    @cached_property
    def identity(self) -> Identity:
        """What decides the pixels: the content of the inputs, the model, the options and the version."""
        settings = {name: str(value) for name, value in self.settings.items() if value is not None}
        model = dict(zip(("model", "model_sha256"), self.model_identity, strict=True))
        files = {f"input {number}, {shown_name(path)}": path for number, path in enumerate(self.files, start=1)}
        return Identity.of(model | settings | {"version": __version__}, files=files)

    @limit_gdal_cache()
    def _write(self, path: Path, run_options: RunOptions, progress: Progress | None) -> MapResult:
        settings = {**self.settings, "identity": self.identity.sha256}
        with run_map(
            self.job,
            path,
            output=self.output,
            identity=self.identity,
            tags=provenance_tags(settings, model=self.model_identity, notes=self.notes),
            run_options=run_options,
            warnings=self.warnings,
            progress=progress,
            trust_path=trust_path_of(path) if self.has_trust else None,
            only_applicable=bool(self.settings.get("only_applicable")),
        ) as made:
            notes = [*self.notes, *made.notes]
            if made.resumed:
                notes.append(resumed_note(made.resumed, "blocks"))
            if made.damaged:
                notes.append(f"damaged blocks that were computed again: {made.damaged}")
            style = quicklook = None
            first = made.cog.bands[0]
            if first.valid_count:
                style = write_qml(path, band_name=first.name, unit=first.unit, low=first.p2, high=first.p98)
                quicklook = path.with_suffix(".png")
                names = [model.card.name for model in self.models]
                save_figure(map_quicklook(path, made.cog.bands, names), quicklook)
            beside, older = None, trust_path_of(path)
            if not self.has_trust and older.is_file():
                notes.append(f"{older.name} beside the map belongs to an earlier map, not to this one")
            if made.trust is not None:
                names = [model.card.name for model in self.models]
                beside = write_trust_files(made.trust, self.settings["level"], names).delivered(self.output)
            warnings = (*made.warnings, *(beside.warnings if beside is not None else ()))
            unread = tuple(block.error or "" for block in made.unread)
            files = {"style": style, "quicklook": quicklook, "path": path}
            written = {name: file for name, file in files.items() if file is not None}
            places: dict[str, Any] = dict(zip(written, deliver(list(written.values()), self.output), strict=True))
            return MapResult(
                cog=made.cog,
                notes=tuple(notes),
                unread=unread,
                warnings=warnings,
                trust=beside,
                **{**files, **places},
            )
