"""Any part of a file at an address is that of the file, whatever goes wrong on the way, and little is requested."""

import h5py
import numpy as np
import pytest
from range_server import serving

from geosoil.errors import RasterError, WindowError
from geosoil.io.rasters.chunk_cache import CACHE
from geosoil.io.rasters.hdf5 import read_window
from geosoil.io.rasters.hdf5_files import Hdf5Source
from geosoil.io.rasters.hdf5_variables import find_variable
from geosoil.io.remote import ranges
from geosoil.io.remote.ranges import PART_BYTES, RemoteFile, bytes_stamp, is_there, open_bytes

CONTENT = np.random.default_rng(3).bytes(9 * PART_BYTES + 123)


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch):
    ranges._parts.clear()
    ranges._stamps.clear()
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")


@pytest.fixture
def server(tmp_path):
    (tmp_path / "a.bin").write_bytes(CONTENT)
    with serving(tmp_path) as (address, process):
        yield address, process, tmp_path


def test_any_part_is_that_of_the_file(server):
    rng = np.random.default_rng(1)
    with open_bytes(f"{server[0]}/a.bin") as file:
        for start, count in zip(rng.integers(0, len(CONTENT), 40), rng.integers(0, 3 * PART_BYTES, 40), strict=True):
            file.seek(start)
            assert file.read(int(count)) == CONTENT[start : start + count]
        assert file.seek(0, 2) == len(CONTENT)
        assert file.read(5) == b""


def test_a_file_that_is_read_in_order_is_requested_once_in_ever_larger_parts(server):
    address, process, _ = server
    with open_bytes(f"{address}/a.bin") as file:
        assert b"".join(iter(lambda: file.read(10_000), b"")) == CONTENT
    sent = []
    while sum(sent) < len(CONTENT):
        sent.append(int(process.stdout.readline()))
    assert sent == [PART_BYTES * parts for parts in (1, 1, 2, 4)] + [PART_BYTES + 123]


def test_what_is_kept_in_memory_is_bounded(server, monkeypatch):
    monkeypatch.setattr(ranges, "KEPT_PARTS", 3)
    with open_bytes(f"{server[0]}/a.bin") as file:
        assert file.read() == CONTENT
    assert sum(map(len, ranges._parts.values())) <= 3 * PART_BYTES


@pytest.mark.parametrize("fault", ["503@2,3", "cut@2,3", "drop@2"])
def test_a_request_that_fails_is_repeated(server, fault):
    with open_bytes(f"{server[0]}/case/{fault}/a.bin") as file:
        file.seek(4 * PART_BYTES)
        assert file.read(7) == CONTENT[4 * PART_BYTES : 4 * PART_BYTES + 7]


def test_a_file_that_cannot_be_read_is_one_line_without_secrets(server, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "1")
    file = RemoteFile(f"{server[0]}/case/503@2-/a.bin?sig=c2VjcmV0")
    file.seek(5 * PART_BYTES)
    with pytest.raises(RasterError, match=r"a.bin\?sig=\*\*\*: cannot be requested .*503.*after 2 attempts"):
        file.read(1)


def test_a_file_that_changes_while_it_is_read_is_refused(server):
    with open_bytes(f"{server[0]}/a.bin") as file:
        file.read(10)
        (server[2] / "a.bin").write_bytes(CONTENT + b"more")
        file.seek(8 * PART_BYTES)
        with pytest.raises(RasterError, match="changed while it was read"):
            file.read(1)


def test_a_server_without_ranges_is_refused_with_the_way_out(server):
    with pytest.raises(RasterError, match=r"found a server that sends whole files only; .*; download the file"):
        bytes_stamp(f"{server[0]}/case/whole@1-/a.bin")


def test_whether_a_file_exists_is_asked_and_other_addresses_are_refused(server):
    assert is_there(f"{server[0]}/a.bin")
    assert not is_there(f"{server[0]}/b.bin")
    with pytest.raises(RasterError, match=r"gs://bucket/a.nc: found an address of another kind; expected https://"):
        bytes_stamp("gs://bucket/a.nc")


def test_an_hdf5_file_at_an_address_is_read_chunk_by_chunk_and_an_error_in_between_is_one_line(server, monkeypatch):
    values = np.random.default_rng(5).normal(size=(64, 300, 300)).astype("f4")
    with h5py.File(server[2] / "a.h5", "w") as made:
        made.create_dataset("cube", data=values, chunks=(4, 100, 100), compression="gzip", shuffle=True)
    window = np.array([30, 33]), slice(120, 180), slice(10, 90)
    variable = find_variable(Hdf5Source(f"{server[0]}/a.h5"), "cube", "byx")
    np.testing.assert_array_equal(read_window(variable, *window), values[[30, 33], 120:180, 10:90])
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
    ranges._parts.clear()
    CACHE.limit(0)
    CACHE.limit(2**27)
    server[1].kill()
    with pytest.raises(WindowError, match=r"a\.h5: cannot read the chunk of cube .*cannot be requested"):
        read_window(variable, *window)
