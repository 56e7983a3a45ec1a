"""View maps in the browser: open the files, find what lies beside them, and serve them or write one file."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import GeosoilError, GridError
from geosoil.io.atomic import atomic_path, require_writable
from geosoil.io.output_paths import check_output_path
from geosoil.io.provenance import shown_name
from geosoil.io.rasters.pyramid import Pyramid
from geosoil.io.remote.reading import is_remote
from geosoil.io.tables.columns import recognise_columns
from geosoil.io.tables.numbers import as_numbers
from geosoil.io.tables.reader import read_table
from geosoil.mapping.map_files import trust_path_of
from geosoil.models.find import find_model
from geosoil.models.store import model_sha256, read_card
from geosoil.raster.grid import Grid, require_convertible
from geosoil.sensors.cube import open_cube
from geosoil.view.layers import layers_of
from geosoil.view.samples import Samples
from geosoil.view.scene import Scene, TrainingRange
from geosoil.view.sources import ColourSource, HillshadeSource
from geosoil.workflows.assess import read_located_points

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rasterio.crs import CRS

    from geosoil.io.tables.numbers import Decimal
    from geosoil.view.layers import Layer

    PathLike = str | os.PathLike[str]

MOST_SAMPLES = 20_000  # points that a browser draws at once
MOST_COLUMNS = 12  # of measured values
LIMIT_BYTES = 20_000_000  # of a file to be mailed


def open_scene(
    maps: PathLike | Sequence[PathLike],
    *,
    cube: PathLike | None = None,
    samples: PathLike | None = None,
    dem: PathLike | None = None,
    attributions: PathLike | None = None,
    model: PathLike | None = None,
    band_table: PathLike | None = None,
    scale: float | None = None,
    offset: float | None = None,
    nodata: float | None = None,
    x: str | None = None,
    y: str | None = None,
    crs: str | None = None,
    layer: str | None = None,
    decimal: Decimal | None = None,
) -> Scene:
    """Open maps and what lies beside them, to be viewed.

    Parameters
    ----------
    maps : path-like or sequence of path-like
        Maps of `geosoil map`, or any other rasters. OUT_trust.tif beside a map belongs to it.
    cube : path-like, optional
        A cube: it is shown in true and false colours, and gives the spectrum of a pixel.
    samples : path-like, optional
        A table of points with measured values.
    dem : path-like, optional
        A raster of heights, shown as shaded relief.
    attributions : path-like, optional
        What `geosoil explain` wrote; default: OUT_shap.tif beside the first map, if it exists.
    model : path-like, optional
        The model of the map, whose training range is drawn behind spectra; default: the one that the tags of the map
        name, if its files are those that made the map.
    band_table, scale, offset, nodata
        Options of the cube, as for `open_cube`.
    x, y, crs : str, optional
        Columns of the coordinates of the samples, and their CRS.
    layer, decimal : str, optional
        As in `read_samples`.

    Returns
    -------
    Scene

    Raises
    ------
    GeosoilError
        If a file cannot be opened or does not fit the first map.
    """
    paths = [maps] if isinstance(maps, (str, os.PathLike)) else list(maps)
    notes: list[str] = []
    layers: list[Layer] = []
    first: Pyramid | None = None
    tags: dict[str, str] = {}
    for number, path in enumerate(paths, start=1):
        pyramid = Pyramid(path)
        first = first or pyramid
        tags = tags or pyramid.tags
        group = shown_name(path)
        _require_crs(first.grid.crs, pyramid.grid.crs, path)
        layers += layers_of(pyramid, group, str(number), of_map="GEOSOIL_MODEL" in pyramid.tags)
        trust = _trust_of(path, pyramid, notes)
        layers += [] if trust is None else layers_of(trust, group, f"{number}t", of_map=False)
        _note_pyramid(pyramid, group, notes)
    assert first is not None
    shap = attributions or _beside(paths[0], "_shap")
    if shap is not None:
        explained = Pyramid(shap)
        _require_crs(first.grid.crs, explained.grid.crs, shap)
        layers += layers_of(explained, shown_name(shap), "s", of_map=False)
    opened = None if cube is None else open_cube(
        cube, band_table=band_table, scale=scale, offset=offset, nodata=nodata
    )  # fmt: skip
    backgrounds: dict[str, Any] = {}
    if dem is not None:
        heights = Pyramid(dem)
        _require_crs(first.grid.crs, heights.grid.crs, dem)
        backgrounds["shaded relief"] = HillshadeSource(heights)
    if opened is not None:
        _require_crs(first.grid.crs, Grid.of(opened).crs, cube)
        for colours in ("true", "false"):
            try:
                backgrounds[f"cube in {colours} colours"] = ColourSource(opened, colours)
            except GeosoilError as error:
                notes.append(f"the cube is not shown in {colours} colours: {error}")
    level = tags.get("GEOSOIL_LEVEL", "")
    return Scene(
        title=", ".join(shown_name(path) for path in paths),
        grid=first.grid,
        layers=layers,
        backgrounds=backgrounds,
        cube=opened,
        samples=None if samples is None else _samples(samples, first.grid, notes, x, y, crs, layer, decimal),
        training=None if opened is None else _training_range(model, tags, notes),
        level=_number(level),
        notes=[*_notes_of(tags), *notes],
    )


@dataclass(frozen=True)
class ViewFile:
    """A view that was written to one file.

    Attributes
    ----------
    path : Path
    n_bytes : int
        Its size.
    notes : tuple of str
        What was thinned.
    """

    path: Path
    n_bytes: int
    notes: tuple[str, ...]

    def summary(self) -> str:
        """Return where it is and how large."""
        return f"view       {self.path}, {self.n_bytes / 1e6:.1f} MB"


def serve_view(scene: Scene, *, port: int = 0, opened: Callable[[str], None] | None = None) -> None:
    """Serve a scene on 127.0.0.1 until Ctrl-C.

    Parameters
    ----------
    scene : Scene
    port : int
        0 for any free port.
    opened : callable, optional
        Called with the address, which holds a secret token, when the server is ready.
    """
    from geosoil.view.server import ViewServer, quiet_logs

    with quiet_logs():
        server = ViewServer(scene, port)
        if opened is not None:
            opened(server.url)
        server.run()


def write_view(
    output: PathLike, maps: PathLike | Sequence[PathLike], *, limit_bytes: int = LIMIT_BYTES, **options: Any
) -> ViewFile:
    """Write a view to one file that works offline and can be mailed.

    Parameters
    ----------
    output : path-like
        The `.html` file.
    maps : path-like or sequence of path-like
        As for `open_scene`.
    limit_bytes : int
        Largest size of the file; the layers are thinned to fit, and a note reports it.
    **options
        As for `open_scene`.

    Returns
    -------
    ViewFile

    Raises
    ------
    GeosoilError
        If a file cannot be opened or written, or the limit is too small for any layer.
    """
    from geosoil.view.offline import offline_view

    paths = [maps] if isinstance(maps, (str, os.PathLike)) else list(maps)
    inputs = [*paths, *(options.get(name) for name in ("cube", "samples", "dem", "attributions"))]
    path = require_writable(check_output_path(output, (".html",), "OUT.html", inputs=inputs))
    made = offline_view(open_scene(paths, **options), limit_bytes, path)
    with atomic_path(path) as temporary:
        temporary.write_text(made.html, "utf-8")
    return ViewFile(path, path.stat().st_size, made.notes)


def _trust_of(path: PathLike, pyramid: Pyramid, notes: list[str]) -> Pyramid | None:
    """Return the trust map beside a map, if it belongs to it."""
    if is_remote(os.fspath(path)) or not trust_path_of(path).is_file():
        return None
    trust = Pyramid(trust_path_of(path))
    identities = [each.tags.get("GEOSOIL_IDENTITY") for each in (pyramid, trust)]
    if identities[0] != identities[1]:
        notes.append(f"{trust_path_of(path).name} belongs to another map and is not shown")
        return None
    return trust


def _beside(path: PathLike, ending: str) -> Path | None:
    file = Path(path)
    beside = file.with_name(f"{file.stem}{ending}{file.suffix}")
    return beside if not is_remote(os.fspath(path)) and beside.is_file() else None


def _require_crs(crs: CRS | None, other: CRS | None, where: object) -> None:
    """Raise GridError for a raster that cannot be laid over the first map."""
    if (crs is None) != (other is None):
        raise GridError(
            where,
            found="no CRS" if other is None else f"the CRS {other.to_string()[:60]}, but the first map has none",
            expected="a CRS of all files, or of none",
            way_out="georeference the file, or leave it out",
        )
    if crs is not None and other is not None:
        require_convertible(crs, other, where=where)


def _note_pyramid(pyramid: Pyramid, name: str, notes: list[str]) -> None:
    if pyramid.levels[-1].step > 4:
        notes.append(f"{name} has no overviews: the whole map is read for a view from afar (gdaladdo adds them)")


def _notes_of(tags: dict[str, str]) -> list[str]:
    """Return what the map says of itself that changes how it is read."""
    return [tags[name] for name in ("GEOSOIL_WARNINGS", "GEOSOIL_CLIPPED") if name in tags]


def _number(text: str) -> float | None:
    with suppress(ValueError):
        value = float(text)
        return value if 0 < value < 1 else None
    return None


def _samples(
    path: PathLike,
    grid: Grid,
    notes: list[str],
    x: str | None,
    y: str | None,
    crs: str | None,
    layer: str | None,
    decimal: Decimal | None,
) -> Samples:
    """Read the points and their columns of numbers, in the CRS of the map."""
    file = Path(path)
    table = read_table(file, layer, decimal).reset_index(drop=True)
    ids, points = read_located_points(file, table, None, x, y, crs)
    if grid.crs is None:
        raise GridError(file, found="points with a CRS", expected="a map with a CRS", way_out="georeference the map")
    require_convertible(grid.crs, points.crs, where=file)
    points = points.to_crs(grid.crs)
    names = [name for name in recognise_columns(table).numbers if name != table.attrs.get("geometry")][:MOST_COLUMNS]
    measured = {str(name): as_numbers(table[name]) for name in names}
    kept = np.arange(len(ids))
    if len(ids) > MOST_SAMPLES:
        kept = np.sort(np.random.default_rng(0).permutation(len(ids))[:MOST_SAMPLES])
        notes.append(f"{MOST_SAMPLES} of {len(ids)} samples are shown, drawn at random")
    return Samples(
        np.asarray(ids)[kept],
        points.geometry.x.to_numpy()[kept],
        points.geometry.y.to_numpy()[kept],
        {name: np.asarray(values, np.float64)[kept] for name, values in measured.items()},
    )


def _training_range(model: PathLike | None, tags: dict[str, str], notes: list[str]) -> TrainingRange | None:
    """Return the training range of the model that was given, or of the one that made the map if it is at hand."""
    stated = tags.get("GEOSOIL_MODEL", "")
    if model is None and (not stated or "," in stated):
        return None
    try:
        folder = find_model(os.fspath(model or stated))
        card = read_card(folder)
    except GeosoilError:
        if model is not None:
            raise
        notes.append(f"the model {stated} is not here: name its folder with --model to see its training range")
        return None
    if model is None and model_sha256(folder) != tags.get("GEOSOIL_MODEL_SHA256"):
        notes.append(
            f"the model {stated} that is here is not the one that made the map: its training range is not shown"
        )
        return None
    bands = [band for band in card.features if band.wavelength_nm is not None and band.training_low is not None]
    if not bands or card.quantity != "reflectance":
        return None
    bands.sort(key=lambda band: band.wavelength_nm or 0.0)
    columns = ((band.wavelength_nm, band.training_low, band.training_high) for band in bands)
    wavelength_nm, low, high = (np.array(column, np.float64) for column in zip(*columns, strict=True))
    return TrainingRange(card.name, wavelength_nm, low, high)
