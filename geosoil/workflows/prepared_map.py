"""A map whose input and models fit, from its plan to its files, their styles and their pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio.errors import RasterioError

from geosoil import __version__
from geosoil.io.journal import Identity, resumed_note
from geosoil.io.output_paths import deliver, local_path
from geosoil.io.provenance import provenance_tags, shown_name
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.io.remote.objects import is_object_url
from geosoil.mapping.map_files import file_each, one_file, trust_path_of
from geosoil.mapping.run import run_map
from geosoil.mapping.value_checks import beyond_contents
from geosoil.models.contract import TRUST_KINDS
from geosoil.sensors.acquired import acquisition_time
from geosoil.sensors.masks import count_masked, describe_counts
from geosoil.workflows.gis_files import STYLE_ONLY, GisOptions, write_map_project, write_side_files
from geosoil.workflows.map_result import MapResult
from geosoil.workflows.progress import reported

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from geosoil.io.rasters.cog import CogSummary
    from geosoil.mapping.inputs import ModelInput
    from geosoil.mapping.job import MapJob
    from geosoil.mapping.map_files import MapFile, WrittenFile
    from geosoil.mapping.plan import Plan
    from geosoil.mapping.run import RunOptions
    from geosoil.models.contract import Output
    from geosoil.sensors.masks import MaskLayer

    Progress = Callable[[str, int, int], None]
    PathLike = str | os.PathLike[str]


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
    masks : tuple of MaskLayer
        The quality masks of a product, whose pixels are counted.
    """

    output: str
    job: MapJob
    models: tuple[ModelInput, ...]
    settings: Mapping[str, object]
    notes: tuple[str, ...]
    files: tuple[PathLike, ...]
    warnings: tuple[str, ...] = ()
    masks: tuple[MaskLayer, ...] = ()

    def plan(self, run_options: RunOptions) -> Plan:
        """Return how the map would be computed; at most one block is computed for it."""
        return run_options.plan(self.job, self.output, timed=True)

    @property
    def acquired(self) -> str | None:
        """When the scene was acquired, in ISO 8601; None if its product does not state it."""
        time = acquisition_time(self.job.source.attrs)
        return None if time is None else time.isoformat()

    @property
    def has_trust(self) -> bool:
        """Whether a trust map is written beside the map."""
        return "trust_sha256" in self.settings and self.settings["trust"] is None

    @property
    def outputs_of_map(self) -> tuple[Output, ...]:
        """What the bands of the map are; those of the trust map are not among them."""
        return tuple(output for output in self.job.outputs if output.kind not in TRUST_KINDS)

    @property
    def is_separate(self) -> bool:
        """Whether each property has a file of its own."""
        return bool(self.settings.get("separate"))

    def files_at(self, path: Path) -> tuple[MapFile, ...]:
        """Return the files of the map, where `path` is OUT.tif."""
        divide = file_each if self.is_separate else one_file
        only_applicable = bool(self.settings.get("only_applicable"))
        return divide(self.job, path, trust=self.has_trust, only_applicable=only_applicable)

    def is_written(self) -> bool:
        """Return whether the output is a finished map of the same model, inputs and options.

        A map is moved to its place when it is finished, with its identity in the tags.
        """
        return not is_object_url(self.output) and all(map(self._is_written, self.files_at(Path(self.output))))

    def _is_written(self, file: MapFile) -> bool:
        if not file.path.is_file() or (file.trust_path is not None and not file.trust_path.is_file()):
            return False
        try:
            with rasterio.open(file.path) as written:
                tags = written.tags()
        except RasterioError:
            return False
        return tags.get("GEOSOIL_IDENTITY") == self.identity.sha256 and "GEOSOIL_UNREAD_WINDOWS" not in tags

    def write(
        self, run_options: RunOptions, progress: Progress | bool | None = None, gis: GisOptions = STYLE_ONLY
    ) -> MapResult:
        """Compute and write the map, or that of each property, with tags, style, picture and what `gis` asks for."""
        points = gis.prepare(self.output, self.files)
        with local_path(self.output) as path, reported(progress) as report:
            result = self._write(path, run_options, report, gis)
        if not gis.project:
            return result
        return replace(result, project=write_map_project(Path(self.output), result.maps, points))

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
    def _write(self, path: Path, run_options: RunOptions, progress: Progress | None, gis: GisOptions) -> MapResult:
        masked = describe_counts(count_masked(self.masks)) or None
        settings = {**self.settings, "masked": masked, "acquired": self.acquired, "identity": self.identity.sha256}
        with run_map(
            self.job,
            path,
            output=self.output,
            identity=self.identity,
            tags=provenance_tags(settings, model=self.model_identity, notes=self.notes),
            run_options=run_options,
            warnings=self.warnings,
            progress=progress,
            files=self.files_at(path),
        ) as made:
            notes = [*self.notes, *made.notes]
            if masked is not None:
                notes.append(f"pixels left out by masks of the product: {masked}; --keep NAME keeps those of one")
            if made.resumed:
                notes.append(resumed_note(made.resumed, "blocks"))
            if made.damaged:
                notes.append(f"damaged blocks that were computed again: {made.damaged}")
            notes += [
                f"{older.name} beside the map belongs to an earlier map, not to this one"
                for older in (trust_path_of(file.file.path) for file in made.written if file.trust is None)
                if older.is_file()
            ]
            about: dict[str, Any] = {
                "notes": tuple(notes),
                "unread": tuple(block.error or "" for block in made.unread),
                "warnings": made.warnings,
            }
            first, *others = (self._finish(written, about, gis) for written in made.written)
            warnings = dict.fromkeys(warning for each in (first, *others) for warning in each.warnings)
            return replace(first, others=tuple(others), warnings=tuple(warnings))

    def _finish(self, written: WrittenFile, about: Mapping[str, Any], gis: GisOptions) -> MapResult:
        """Write the style, the metadata and the picture of a file of the map, and bring all to their place."""
        cards = [model.card for model in self.models]
        about = {**about, "warnings": (*about["warnings"], *self._beyond_contents(written.cog))}
        beside = write_side_files(
            written, cards=[cards[number] for number in written.file.models] or cards,
            inputs=[shown_name(file) for file in self.files], level=self.settings.get("level"),
            notes=(*about["notes"], *about["warnings"]), licence=gis.licence,
            acquired=self.acquired,
        )  # fmt: skip
        files = {"style": None, "metadata": None, "quicklook": None, **beside.files, "path": written.file.path}
        made = {name: file for name, file in files.items() if file is not None}
        places: dict[str, Any] = dict(zip(made, deliver(list(made.values()), self.output), strict=True))
        trust = beside.trust.delivered(self.output) if beside.trust is not None else None
        warnings = (*about["warnings"], *(trust.warnings if trust is not None else ()))
        stated = {"cog": written.cog, "trust": trust, "styled": beside.styled, "warnings": warnings}
        return MapResult(**{**files, **places, **about, **stated})

    def _beyond_contents(self, cog: CogSummary) -> tuple[str, ...]:
        """Return warnings about predictions far outside the contents of the training samples."""
        contents: dict[str, tuple[float, float]] = {}
        for model in self.models:
            contents |= model.card.origin.contents if model.card.origin is not None else {}
        return beyond_contents(cog.bands, contents)
