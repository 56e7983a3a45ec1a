"""Only regular files are opened: a named pipe would make the program wait without end."""

import os
import re
from pathlib import Path

import pytest

from geosoil.errors import GeosoilError, RasterError, SamplesError
from geosoil.io.input_paths import require_input
from geosoil.io.journal import Identity, Journal
from geosoil.io.rasters.reader import open_raster
from geosoil.io.remote.objects import open_store
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.tables.reader import read_table
from geosoil.models.find import find_model
from geosoil.models.store import FOREST, load_model


def pipe(path):
    os.mkfifo(path)
    return path


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.tif", open_raster),
        ("a.csv", read_table),
        ("a.gpkg", read_table),
        ("a.csv", read_spectra),
        ("a.asd", read_spectra),
        ("a.search", lambda path: Journal(path, Identity({})).read()),
    ],
)
def test_a_pipe_is_refused_and_never_opened(tmp_path, name, read):
    with pytest.raises(GeosoilError, match="found a pipe, a device or a socket"):
        read(pipe(tmp_path / name))


def test_a_model_with_a_pipe_among_its_files_is_refused(tmp_path):
    import shutil

    folder = Path(shutil.copytree(find_model("as_svr"), tmp_path / "model"))
    pipe(folder / FOREST)
    with pytest.raises(GeosoilError, match="found a pipe"):
        load_model(folder)


def test_a_pipe_in_a_scratch_store_is_a_damaged_block(tmp_path):
    store = open_store(str(tmp_path / "map.tif.unfinished"))
    store.write("blocks-00000000/000000_000000", b"first")
    pipe(tmp_path / "map.tif.unfinished" / "geosoil-store" / "blocks-00000000" / "000000_000001")
    assert store.read("blocks-00000000/000000_000000") == b"first"
    with pytest.raises(ValueError, match="not a regular file"):
        store.read("blocks-00000000/000000_000001")


def test_a_missing_file_and_a_folder_have_their_own_words(tmp_path):
    with pytest.raises(SamplesError, match="found no such file; expected a table"):
        require_input(tmp_path / "absent.csv", SamplesError, "a table")
    with pytest.raises(RasterError, match="found a folder"):
        require_input(tmp_path, RasterError, "a raster")
    assert require_input(tmp_path, RasterError, "a raster", folders=True) == tmp_path


@pytest.mark.parametrize(
    ("transform", "found"),
    [
        ((float("nan"), 1, 0, 0, 0, -1), "geotransform"),
        ((float("inf"), 1, 0, 0, 0, -1), "geotransform"),
        ((0, 1e308, 0, 0, 0, -1e308), "geotransform"),
        ((0, 1, 1, 0, 1, 1), "geotransform"),
    ],
)
def test_a_raster_without_a_place_on_the_ground_is_refused(tmp_path, transform, found):
    path = tmp_path / "a.vrt"
    path.write_text(described(20, 20, transform))
    with pytest.raises(RasterError, match=found):
        open_raster(path)


@pytest.mark.parametrize(("columns", "rows"), [(2**31 - 1, 2**31 - 1), (10_000_001, 1), (1, 10_000_001)])
def test_a_short_file_that_describes_more_pixels_than_memory_holds_is_refused(tmp_path, columns, rows):
    path = tmp_path / "a.vrt"
    path.write_text(described(columns, rows, (0, 1, 0, 0, 0, -1)))
    with pytest.raises(RasterError, match="expected at most 10000000 pixels per side"):
        open_raster(path)


def test_the_largest_raster_that_is_accepted_opens(tmp_path):
    path = tmp_path / "a.vrt"
    path.write_text(described(10_000_000, 1, (0, 1, 0, 0, 0, -1)))
    assert open_raster(path).sizes["x"] == 10_000_000


def test_a_raster_without_any_georeference_still_opens(tmp_path):
    path = tmp_path / "a.vrt"
    path.write_text(re.sub("<(SRS|GeoTransform)>.*</(SRS|GeoTransform)>", "", described(2, 1, (0, 1, 0, 0, 0, -1))))
    assert open_raster(path).values.tolist() == [[[0.0, 0.0]]]


def described(columns, rows, transform):
    """Return a VRT without sources."""
    numbers = ", ".join(map(str, transform))
    return (
        f'<VRTDataset rasterXSize="{columns}" rasterYSize="{rows}"><SRS>EPSG:32633</SRS><GeoTransform>{numbers}'
        '</GeoTransform><VRTRasterBand dataType="Float32" band="1"></VRTRasterBand></VRTDataset>'
    )
