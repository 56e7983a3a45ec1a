"""Map a cube, or a stack of covariates: input and model are checked, then the map is written as people meet it."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from geosoil.errors import ModelFileError
from geosoil.io.output_paths import check_output_path
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import as_grid, same_grid
from geosoil.io.rasters.warped import warp_raster
from geosoil.mapping.covariates import compare_grids, match_covariates
from geosoil.mapping.job import prepare_map
from geosoil.mapping.match import match_bands
from geosoil.mapping.run import RunOptions
from geosoil.models.pixel import PixelModel
from geosoil.models.store import find_model, load_model, read_card
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube
from geosoil.spectra.bare_soil import BareSoil
from geosoil.workflows.map_files import MapResult, PreparedMap, shown_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from geosoil.io.rasters.class_bands import Unseen
    from geosoil.models.card import ModelCard

    Progress = Callable[[str, int, int], None]

__all__ = ["MapResult", "map_covariates", "map_cube", "prepare_covariates", "prepare_cube"]

COVARIATES = "covariates"  # what the card of a model says that reads them; others read a cube


def map_cube(
    cube: str | os.PathLike[str],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    bands: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    nodata: float | None = None,
    mask: str | os.PathLike[str] | None = None,
    bare_soil: BareSoil | bool = False,
    progress: Progress | None = None,
    **running: Any,
) -> MapResult:
    """Map a cube with a model, to a cloud-optimized GeoTIFF with style and quicklook beside it.

    cube: what `open_cube` opens; bands, scale, nodata as there. model: a folder, or the name of a known model.
    output: default CUBE_MODEL.tif in the working folder; an address of an object store (s3://) too. mask: a raster on
    the cube's grid, 0 or no data is left out. bare_soil: leave out plants, residue and water; thresholds by a
    `BareSoil`. progress: called as `progress("map", pixels done, pixels in all)`. running: threads, workers, memory
    and all else that `RunOptions` names; the values depend on none of it.

    Raises the GeosoilError that says what does not fit. Nothing half-written is left then; the finished blocks of a map
    that had begun are, in OUTPUT.unfinished, for `mode="resume"`.
    """
    return prepare_cube(
        cube, model, output, bands=bands, scale=scale, nodata=nodata, mask=mask, bare_soil=bare_soil
    ).write(RunOptions(**running), progress)


def prepare_cube(
    cube: str | os.PathLike[str],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    bands: str | os.PathLike[str] | None = None,
    scale: float | None = None,
    nodata: float | None = None,
    mask: str | os.PathLike[str] | None = None,
    bare_soil: BareSoil | bool = False,
) -> PreparedMap:
    """Check that a cube and a model fit, as `map_cube` does, and return the map that is still to be made."""
    folder, card = _model_for(model, covariates=False)
    # Bad bands were left out by wavelength at training; here a model reads what it needs, whatever the rest is.
    opened = open_cube(cube, band_table=bands, scale=scale, nodata=nodata, drop_nm=[])
    loaded = load_model(folder)  # a network may need seconds: first what fails at once
    if not isinstance(loaded, PixelModel):
        raise ModelFileError(
            folder, found="a model of patches", expected="a model of spectra", way_out="map it with --covariates"
        )
    matched = match_bands(loaded, opened)
    soil = BareSoil() if bare_soil is True else bare_soil or None
    masked = open_raster(mask) if mask is not None else None
    mapping = prepare_map(matched.model, opened, bands=matched.bands, bare_soil=soil, mask=masked)
    tags = {"GEOSOIL_CUBE": shown_name(cube)}
    notes = [*matched.notes]
    options = {"scale": scale, "nodata": nodata}
    tags |= {f"GEOSOIL_{name.upper()}": str(value) for name, value in options.items() if value is not None}
    if bands is not None:
        tags["GEOSOIL_BANDS"] = shown_name(bands)
    if soil is not None:
        tags["GEOSOIL_BARE_SOIL"] = str(soil)
        notes.append(f"bare soil only: {soil}")
    if mask is not None:
        tags["GEOSOIL_MASK"] = shown_name(mask)
    inputs = [one for one in (cube, bands, mask) if one is not None]
    path = _output(output, cube, card, inputs)
    return PreparedMap(path, mapping, folder, card, tags, tuple(notes), tuple(inputs))


def map_covariates(
    covariates: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    like: str | os.PathLike[str] | None = None,
    unseen: Unseen = "stop",
    mask: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **running: Any,
) -> MapResult:
    """Map a stack of covariates with a model, to a cloud-optimized GeoTIFF with a band for each target of the model.

    covariates: files for `open_stack`, in any order; the model finds its bands in them by name. like: a raster whose
    grid the map takes, default the first covariate. unseen: what a class without training samples does: "stop", or
    "nodata". model, output, progress, running: as for `map_cube`. mask: a raster of any grid, 0 or no data is left out.

    Raises as `map_cube` does.
    """
    return prepare_covariates(covariates, model, output, like=like, unseen=unseen, mask=mask).write(
        RunOptions(**running), progress
    )


def prepare_covariates(
    covariates: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    model: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    like: str | os.PathLike[str] | None = None,
    unseen: Unseen = "stop",
    mask: str | os.PathLike[str] | None = None,
) -> PreparedMap:
    """Check that covariates and a model fit, as `map_covariates` does, and return the map that is still to be made."""
    paths = [covariates] if isinstance(covariates, str | os.PathLike) else list(covariates)
    folder, card = _model_for(model, covariates=True)
    loaded = load_model(folder)
    matched = match_covariates(loaded, covariates, like=like, unseen=unseen)
    grid = Grid.of(matched.raster)
    notes = [*matched.notes]
    if card.grid is not None:
        notes += compare_grids(card.grid, grid, patch=2 * loaded.halo + 1)
    masked = None
    tags = {"GEOSOIL_COVARIATES": "; ".join(shown_name(one) for one in paths)}
    if mask is not None:
        masked = open_raster(mask)
        if not same_grid(grid, as_grid(masked)):
            masked = warp_raster(mask, grid, "nearest")
            notes.append(f"{shown_name(mask)}: brought to the grid of the map by nearest")
        tags["GEOSOIL_MASK"] = shown_name(mask)
    if unseen != "stop":
        tags["GEOSOIL_UNSEEN_CLASSES"] = unseen
    mapping = prepare_map(loaded, matched.raster, mask=masked)
    inputs = [one for one in (*paths, like, mask) if one is not None]
    path = _output(output, paths[0], card, inputs)
    return PreparedMap(path, mapping, folder, card, tags, tuple(notes), tuple(inputs))


def _model_for(model: str | os.PathLike[str], *, covariates: bool) -> tuple[Path, ModelCard]:
    """Return the folder and the card of a model, if it reads what there is to map."""
    folder = find_model(os.fspath(model))
    card = read_card(folder)
    if (card.quantity == COVARIATES) != covariates:
        other = "--cube (map_cube)" if covariates else "--covariates (map_covariates)"
        raise ModelFileError(
            folder,
            found=f"a model of {card.quantity}",
            expected="a model of covariates" if covariates else "a model of a cube",
            way_out=f"map it with {other}, or choose another model",
        )
    return folder, card


def _output(
    output: str | os.PathLike[str] | None,
    source: str | os.PathLike[str],
    card: ModelCard,
    inputs: Sequence[str | os.PathLike[str]],
) -> str:
    """Return where the map goes; raises OutputError for a name of another kind, and for one of the inputs."""
    path = os.fspath(output) if output is not None else f"{PurePath(shown_name(source)).stem}_{card.name}.tif"
    check_output_path(path, (".tif", ".tiff"), "OUT.tif", inputs=inputs, beside=(".qml", ".png"))
    return path
