"""A view as one file that works without a server and without a network, of a limited size."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.document import Document
from bokeh.embed import file_html
from bokeh.models import ColumnDataSource
from bokeh.resources import Resources

from geosoil.errors import OutputError
from geosoil.raster.grid import Grid, same_crs
from geosoil.view.document import fill_document, make_parts, picture_data
from geosoil.view.scene import spectrum_lines
from geosoil.view.screen import MOST_SIDE, Screen, convert, extent_of, read_on_screen

if TYPE_CHECKING:
    from geosoil.view.scene import Scene
    from geosoil.view.screen import Source

BASE64 = 4 / 3  # characters per byte
MOST_STEP = 4096
SPECTRA_SHARE = 0.2  # of the room for pictures
MOST_SPECTRA = 4000


@dataclass(frozen=True)
class OfflineView:
    """The text of a file, and what was thinned for it."""

    html: str
    notes: tuple[str, ...]


def offline_view(scene: Scene, limit_bytes: int, where: object) -> OfflineView:
    """Return a view as one file.

    Every layer is stored at the resolution of its raster, or thinned to the same coarser resolution as the others, so
    that the file keeps to the limit. Spectra are those of samples and of a regular grid of pixels.

    Parameters
    ----------
    scene : Scene
    limit_bytes : int
        Largest size of the file.
    where : object
        The file, for the message.

    Returns
    -------
    OfflineView

    Raises
    ------
    OutputError
        If not even the coarsest layers fit.
    """
    empty = len(_written(scene, {}, None, ()).encode())
    room = (limit_bytes - empty) / BASE64 * 0.98  # names, corners, JSON
    spectra = _spectra(scene, SPECTRA_SHARE * room)
    room -= 0 if spectra is None else spectra[1].nbytes
    sources: dict[str, Source] = {**{layer.key: layer.source for layer in scene.layers}, **scene.backgrounds}
    step = next(
        (k for k in range(1, MOST_STEP) if sum(4 * s.width * s.height for s in _screens(scene, sources, k)) <= room),
        None,
    )
    while step is not None and step < MOST_STEP:
        screens = _screens(scene, sources, step)
        notes = _notes(scene, step)
        pictures = {
            key: picture_data(read_on_screen(source, screen, scene.crs), screen)
            for (key, source), screen in zip(sources.items(), screens, strict=True)
        }
        html = _written(scene, pictures, spectra, notes, step)
        if len(html.encode()) <= limit_bytes:
            return OfflineView(html, notes)
        step += 1
    raise OutputError(
        where,
        found=f"{empty / 1e6:.1f} MB without any layer",
        expected=f"at most {limit_bytes / 1e6:g} MB",
        way_out="allow more with --megabytes, or leave out some of the samples",
    )


def _written(
    scene: Scene,
    pictures: dict[str, dict[str, list[Any]]],
    spectra: tuple[np.ndarray, np.ndarray, np.ndarray] | None,
    notes: tuple[str, ...],
    step: int = 1,
) -> str:
    document = Document()
    about = {
        "limits": {layer.key: list(layer.limits) for layer in scene.layers},
        "step": step,
        "notes": [*scene.notes, *notes],
        "spectra_nm": None if spectra is None else spectra[2].tolist(),
    }
    fill_document(document, make_parts(scene, offline=True, **about))
    stored = [ColumnDataSource(data, name=f"stored:{key}") for key, data in pictures.items()]
    if spectra is not None:
        xy, values, _ = spectra
        stored.append(ColumnDataSource({"x": xy[:, 0], "y": xy[:, 1]}, name="stored_spectra"))
        stored.append(ColumnDataSource({"values": [values]}, name="stored_spectra_values"))
    plot: Any = document.get_model_by_name("map_a")
    plot.tags = [*plot.tags, *stored]
    return str(
        file_html(
            document,
            Resources(mode="inline"),
            title=document.title,
            template=document.template,
            template_variables=document.template_variables,
        )
    )


def _screens(scene: Scene, sources: dict[str, Source], step: int) -> list[Screen]:
    """Return the pixels in which each source is stored, where those of the map are thinned to every `step`-th."""
    return [_screen_of(source.levels[0].grid, scene, step) for source in sources.values()]


def _screen_of(grid: Grid, scene: Scene, step: int) -> Screen:
    left, bottom, right, top = extent_of(grid, scene.crs)
    is_upright = not (grid.transform.b or grid.transform.d)
    if is_upright and (scene.crs is None or grid.crs is None or same_crs(scene.crs, grid.crs)):
        width, height = (right - left) / grid.width, (top - bottom) / grid.height
    else:
        width = height = ((right - left) * (top - bottom) / (grid.width * grid.height)) ** 0.5
    # A raster of larger pixels than the thinned map is stored as it is.
    stride = max(1, int(step * scene.pixel_side / (width * height) ** 0.5 + 1e-6))
    columns, rows = (
        max(1, ceil(round((stop - start) / side, 6) / stride))
        for start, stop, side in ((left, right, width), (bottom, top, height))
    )
    if max(columns, rows) > MOST_SIDE:
        return _screen_of(grid, scene, 2 * step)
    return Screen(left, top - rows * stride * height, left + columns * stride * width, top, columns, rows)


def _notes(scene: Scene, step: int) -> tuple[str, ...]:
    if step == 1:
        return ("This file holds all pixels of the map.",)
    return (
        f"This file holds a pixel for each square of {step} x {step} pixels of the map, to keep it small "
        f"({scene.grid.height} x {scene.grid.width} pixels in all). The values that it shows are those of its "
        "overviews; the map itself has the exact ones.",
    )


def _spectra(scene: Scene, room: float) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return places `(n, 2)`, spectra `(n, band)` and wavelengths of pixels of samples and of a regular grid."""
    if scene.cube is None:
        return None
    grid, wavelength_nm = Grid.of(scene.cube), scene.cube["wavelength_nm"].values
    count = int(min(room / (4 * len(wavelength_nm) + 16), MOST_SPECTRA))
    if count < 1:
        return None
    side = max(1, ceil((grid.height * grid.width / max(count, 1)) ** 0.5))
    rows = np.arange(side // 2, grid.height, side)
    columns = np.arange(side // 2, grid.width, side)
    x, y, values = [], [], []
    t = grid.transform
    for row in rows:
        found = scene.cube.isel(y=int(row)).values[:, columns]
        for column, spectrum in zip(columns, found.T, strict=True):
            if np.isfinite(spectrum).any():
                x.append(t.a * (column + 0.5) + t.b * (row + 0.5) + t.c)
                y.append(t.d * (column + 0.5) + t.e * (row + 0.5) + t.f)
                values.append(spectrum)
    if not values:
        return None
    places = np.column_stack(convert(np.array(x), np.array(y), grid.crs, scene.crs))
    lines = [spectrum_lines(wavelength_nm, spectrum) for spectrum in values]
    table = np.array([[np.nan if v is None else v for v in line["value"]] for line in lines], np.float32)
    return places, table, np.array(lines[0]["wavelength_nm"])
