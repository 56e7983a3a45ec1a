"""Data sets of HDF5 files are read window by window as h5py reads them whole; what is unsafe is refused in one line."""

import pickle
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xarray.core import indexing

from geosoil.errors import RasterError, WindowError
from geosoil.io.rasters import hdf5, hdf5_variables
from geosoil.io.rasters.chunk_cache import CACHE, ChunkCache, limit_chunk_cache
from geosoil.io.rasters.hdf5 import Hdf5Array, read_pixels, read_window
from geosoil.io.rasters.hdf5_files import Hdf5Source, attribute, hdf5_file, member, short_list
from geosoil.io.rasters.hdf5_variables import find_variable

SIZES = {"b": 7, "y": 23, "x": 17}
LAYOUTS = {
    "contiguous": {},
    "gzip": {"chunks": True, "compression": "gzip"},
    "shuffled": {"chunks": True, "compression": "gzip", "shuffle": True},
    "checked": {"chunks": True, "compression": "gzip", "shuffle": True, "fletcher32": True},
    "plain chunks": {"chunks": True},
}
CHUNK = {"b": 3, "y": 8, "x": 5}


def stored(dtype="f4"):
    """Return values `(band, y, x)` that are different everywhere."""
    return np.arange(np.prod(list(SIZES.values()))).reshape(*SIZES.values()).astype(dtype)


def write(path, axes="byx", dtype="f4", layout="shuffled", values=None):
    values = stored(dtype) if values is None else values
    options = dict(LAYOUTS[layout])
    if "chunks" in options:
        options["chunks"] = tuple(CHUNK[axis] for axis in axes)
    with h5py.File(path, "w") as made:
        made.create_dataset("group/cube", data=values.transpose(["byx".index(axis) for axis in axes]), **options)
    return Hdf5Source(str(path))


@pytest.fixture
def damaged(tmp_path):
    """Write a file, and change it as asked before it is opened."""

    def make(change, **options):
        source = write(tmp_path / "damaged.h5", **options)
        with h5py.File(source.file, "r+") as file:
            change(file)
        return Hdf5Source(source.file)

    return make


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("axes", ["".join(order) for order in permutations("byx")])
def test_any_order_of_axes_and_any_layout_gives_the_same_window(tmp_path, axes, layout):
    variable = find_variable(write(tmp_path / "a.h5", axes, layout=layout), "group/cube", axes)
    bands = np.array([5, 0, 6, 6, 2])
    window = read_window(variable, bands, slice(3, 22), slice(4, 17))
    np.testing.assert_array_equal(window, stored()[bands, 3:22, 4:17])
    rows, columns = np.array([22, 0, 9, 9, 0]), np.array([16, 0, 3, 4, 16])
    pixels = np.zeros((bands.size, rows.size), "f4")
    for positions, numbers, values in read_pixels(variable, bands, rows, columns):
        pixels[np.ix_(positions, numbers)] = values
    np.testing.assert_array_equal(pixels, stored()[bands][:, rows, columns])


@pytest.mark.parametrize("dtype", ["<u2", ">i2", ">f4", "<f8", "u1", "<i4", "<f2"])
def test_numbers_of_any_type_and_byte_order_are_read(tmp_path, dtype):
    source = write(tmp_path / "a.h5", "yxb", dtype)
    variable = find_variable(source, "group/cube", "yxb")
    expected = stored(dtype)
    np.testing.assert_array_equal(read_window(variable, np.arange(7), slice(0, 23), slice(0, 17)), expected)


@settings(max_examples=60)
@given(st.data())
def test_random_windows_are_those_of_the_whole_array(tmp_path_factory, data):
    axes = data.draw(st.sampled_from(["byx", "yxb", "ybx"]))
    path = tmp_path_factory.getbasetemp() / f"{axes}.h5"
    source = Hdf5Source(str(path)) if path.exists() else write(path, axes, "u2")
    array = Hdf5Array(find_variable(source, "group/cube", axes), [6, 4, 3, 0], nodata=9, scale=[1, 2, 3, 4], offset=1.0)
    lazy = indexing.LazilyIndexedArray(pickle.loads(pickle.dumps(array)))
    rows = slice(*sorted(data.draw(st.lists(st.integers(0, 23), min_size=2, max_size=2))))
    columns = slice(*sorted(data.draw(st.lists(st.integers(0, 17), min_size=2, max_size=2))))
    bands = np.array(data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=5)))
    values = stored("u2").astype("f4")
    values[stored("u2") == 9] = np.nan
    expected = (values[[6, 4, 3, 0]] * np.array([1, 2, 3, 4], "f4")[:, None, None] + 1)[bands, rows, columns]
    key = indexing.OuterIndexer((bands, rows, columns))
    with limit_chunk_cache(data.draw(st.sampled_from([0, 500, 10**6]))):
        np.testing.assert_array_equal(lazy.oindex[key].get_duck_array(), expected)


def test_only_the_chunks_and_bands_that_are_needed_are_decoded(tmp_path, monkeypatch):
    variable = find_variable(write(tmp_path / "a.h5"), "group/cube", "byx")
    decoded = []
    inner = hdf5._decode
    monkeypatch.setattr(hdf5, "_decode", lambda *call: decoded.append(call[1:]) or inner(*call))
    read_window(variable, np.array([4, 3]), slice(9, 12), slice(0, 5))
    assert [(place, bands.tolist()) for place, bands in decoded] == [({"b": 1, "y": 1, "x": 0}, [0, 1])]
    read_window(variable, np.array([3, 4]), slice(10, 16), slice(0, 1))  # in any order, the chunk is in memory
    assert len(decoded) == 1


def test_a_chunk_that_was_never_written_has_the_fill_value(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as made:
        cube = made.create_dataset("cube", (2, 20, 20), "f4", chunks=(1, 10, 10), fillvalue=-7, compression="gzip")
        cube[0, :10, :10] = 1
    variable = find_variable(Hdf5Source(str(tmp_path / "a.h5")), "cube", "byx")
    array = Hdf5Array(variable, nodata=-7).read(np.arange(2), slice(5, 15), slice(5, 15))
    assert np.isfinite(array).sum() == 25 and (array[0, :5, :5] == 1).all()


def test_infinity_and_the_code_of_no_data_are_nan_and_a_code_beyond_the_type_is_none():
    assert np.isnan(hdf5.to_float32(np.array([[np.inf, -9999.0, np.nan]], "f4"), -9999)).all()
    assert hdf5.to_float32(np.array([[55537]], "u2"), -9999).tolist() == [[55537.0]]  # -9999 modulo 65536


@pytest.mark.parametrize("special", [0.0, 0.5, 32768.0, -9999.0, np.nan, np.inf, 1e30])
def test_chunks_of_whole_numbers_are_kept_in_a_smaller_type_without_any_change(special):
    values = np.arange(3000, dtype="f4").reshape(1, 50, 60)
    values[0, 40, 50] = special
    compact = hdf5._compact(values)
    np.testing.assert_array_equal(compact.astype("f4"), values)
    assert compact.dtype == ("i2" if special in (0.0, -9999.0) else "f4")


def test_the_cache_keeps_to_its_limit_and_drops_what_was_not_used():
    cache = ChunkCache(limit_bytes=100)
    for key in "abc":
        cache.get(key, lambda: np.zeros(5))  # 40 bytes each
    calls = []
    for key in "cab":
        cache.get(key, lambda key=key: calls.append(key) or np.zeros(5))
    assert calls == ["a", "b"]
    cache.get("large", lambda: np.zeros(1000))
    cache.get("b", lambda: calls.append("again") or np.zeros(5))
    assert calls == ["a", "b"]  # a chunk beyond the limit drops no others


def test_threads_that_need_one_chunk_decode_it_once_and_share_its_error():
    cache, calls = ChunkCache(10**6), []

    def decode():
        calls.append(0)
        while not cache._decoding:
            pass
        raise ValueError("damaged")

    with ThreadPoolExecutor(4) as pool:
        outcomes = [pool.submit(cache.get, "a", decode) for _ in range(8)]
    assert all("damaged" in str(outcome.exception()) for outcome in outcomes)
    assert len(cache.get("a", lambda: np.zeros(3))) == 3  # and the next reader tries again


def test_threads_read_one_file_at_once(tmp_path):
    variable = find_variable(write(tmp_path / "a.h5", "yxb"), "group/cube", "yxb")
    with limit_chunk_cache(0), ThreadPoolExecutor(4) as pool:
        windows = list(pool.map(lambda row: read_window(variable, np.arange(7), slice(row, row + 3), slice(0, 17)),
                                list(range(20)) * 5))  # fmt: skip
    for row, window in enumerate(windows):
        np.testing.assert_array_equal(window, stored()[:, row % 20 : row % 20 + 3])


def test_a_file_that_is_replaced_is_opened_again(tmp_path):
    for value in (1.0, 2.0):
        source = write(tmp_path / "a.h5", values=np.full(tuple(SIZES.values()), value, "f4"))
        variable = find_variable(source, "group/cube", "byx")
        assert read_window(variable, np.array([0]), slice(0, 2), slice(0, 2)).max() == value


def cut(fraction):
    def change(path):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * fraction)])

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut(0.5), r"a\.h5: not a readable HDF5 file \(.*truncated.*\); expected a complete file; copy or download"),
        (lambda path: path.write_bytes(b"not HDF5" * 100), r"a\.h5: not a readable HDF5 file"),
        (lambda path: path.write_bytes(b""), r"a\.h5: not a readable HDF5 file"),
        (lambda path: path.unlink(), r"a\.h5: found no such file; expected an HDF5 file"),
    ],
)
def test_a_damaged_file_gives_one_line(tmp_path, change, message):
    write(tmp_path / "a.h5")
    change(tmp_path / "a.h5")
    with pytest.raises(RasterError, match=message):
        find_variable(Hdf5Source(str(tmp_path / "a.h5")), "group/cube", "byx")


def put(name, **options):
    """Return a change that replaces the cube by another data set."""

    def change(file):
        del file["group/cube"]
        file["group"].create_dataset("cube", **options)

    return change


def external_storage(file):
    del file["group/cube"]
    file["group"].create_dataset("cube", (7, 23, 17), "f4", external=[("/etc/passwd", 0, 10_948)])


def virtual(file):
    del file["group/cube"]
    layout = h5py.VirtualLayout((7, 23, 17), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "cube", (7, 23, 17))
    file["group"].create_virtual_dataset("cube", layout)


def link(kind, *target):
    def change(file):
        del file["group/cube"]
        file["group/cube"] = kind(*target)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (link(h5py.ExternalLink, "/etc/passwd", "cube"), r"group/cube as a link to another place; expected data in"),
        (link(h5py.SoftLink, "/group/cube"), "group/cube as a link to another place"),  # to itself
        (external_storage, "group/cube, whose values are in another file; expected a data set with its values"),
        (virtual, "group/cube, whose values are in another file"),
        (put("cube", shape=(7, 23), dtype="f4"), "group/cube of shape 7 x 23; expected 3 axes"),
        (put("cube", shape=(), dtype="f4"), "group/cube of shape one value; expected 3 axes"),
        (put("cube", shape=(7, 0, 3), dtype="f4"), "group/cube of shape 7 x 0 x 3; expected 3 axes with at least"),
        (put("cube", data=h5py.Empty("f4")), "group/cube without values"),
        (put("cube", shape=(7, 23, 17), dtype="c8"), "group/cube of type complex64; expected whole or floating"),
        (put("cube", shape=(7, 23, 17), dtype=[("a", "f4")]), "group/cube of type .*; expected whole or floating"),
        (put("cube", shape=(7, 2**40, 17), dtype="f4", chunks=(1, 8, 8)), "of shape 7 x 1099511627776 x 17; expected"),
        (put("cube", shape=(90_000, 23, 17), dtype="f4", chunks=(1, 8, 8)), "of shape 90000 .* and 20000 bands"),
        (put("cube", shape=(7, 23, 17), dtype="f4", chunks=(7, 5, 5), compression="lzf"), "by filter 32000; exp"),
        (put("cube", shape=(7, 9000, 9000), dtype="f4", chunks=(7, 9000, 9000)), "chunks of 2163 MiB; .*=7x256x256"),
        (lambda file: file.__delitem__("group/cube"), "group/cube is missing; expected the whole product"),
        (lambda file: file.move("group", "inner") or file.move("inner", "group/cube"), "group/cube as a group"),
    ],
)  # fmt: skip
def test_a_data_set_that_is_unsafe_or_not_a_cube_is_refused_in_one_line(damaged, change, message):
    with pytest.raises(RasterError, match=message):
        find_variable(damaged(change), "group/cube", "byx")


def test_a_soft_link_inside_the_file_is_followed(damaged):
    def change(file):
        file["cube"] = h5py.SoftLink("/group/cube")

    variable = find_variable(damaged(change), "cube", "byx")
    np.testing.assert_array_equal(read_window(variable, np.array([3]), slice(0, 23), slice(0, 17)), stored()[[3]])


@pytest.mark.parametrize(
    ("side", "found"), [(8, "it has 407"), (512, "it is damaged, or decompresses to more than 262144")]
)
def test_a_small_chunk_that_unpacks_to_gigabytes_is_refused_without_unpacking_it(tmp_path, side, found):
    bomb = zlib.compress(bytes(400 * 2**20), 9)  # 0.4 MB
    with h5py.File(tmp_path / "a.h5", "w") as made:
        cube = made.create_dataset("cube", (1, side, side), "u1", chunks=(1, side, side), compression="gzip")
        cube.id.write_direct_chunk((0, 0, 0), bomb)
    variable = find_variable(Hdf5Source(str(tmp_path / "a.h5")), "cube", "byx")
    tracemalloc.start()
    with pytest.raises(WindowError, match=rf"cannot read the chunk of cube at 0 x 0 x 0 .*{found}"):
        read_window(variable, np.array([0]), slice(0, 5), slice(0, 5))
    assert tracemalloc.get_traced_memory()[1] < 3 * 2**20
    tracemalloc.stop()


def test_a_chunk_of_too_few_values_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as made:
        cube = made.create_dataset("cube", (1, 8, 8), "u1", chunks=(1, 8, 8), compression="gzip")
        cube.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(50)))
    variable = find_variable(Hdf5Source(str(tmp_path / "a.h5")), "cube", "byx")
    with pytest.raises(WindowError, match="it has 50 bytes of values instead of 64"):
        read_window(variable, np.array([0]), slice(0, 5), slice(0, 5))


@pytest.mark.parametrize("layout", ["gzip", "shuffled", "checked"])
def test_a_corrupt_chunk_is_one_line_and_the_others_are_read(tmp_path, layout):
    source = write(tmp_path / "a.h5", layout=layout)
    with h5py.File(source.file) as file:
        info = file["group/cube"].id.get_chunk_info_by_coord((0, 0, 0))
    content = bytearray((tmp_path / "a.h5").read_bytes())
    middle = info.byte_offset + info.size // 2
    content[middle : middle + 8] = b"\xff" * 8
    (tmp_path / "a.h5").write_bytes(content)
    variable = find_variable(Hdf5Source(source.file), "group/cube", "byx")
    CACHE.clear()
    with pytest.raises(WindowError, match=r"a\.h5: cannot read the chunk of group/cube at 0 x 0 x 0 .*; copy or down"):
        read_window(variable, np.array([0]), slice(0, 5), slice(0, 5))
    np.testing.assert_array_equal(
        read_window(variable, np.array([0]), slice(8, 16), slice(0, 5)), stored()[[0], 8:16, :5]
    )


def test_attributes_and_lists_are_plain_values_and_never_large(tmp_path, monkeypatch):
    with h5py.File(tmp_path / "a.h5", "w") as made:
        made.attrs.update({"name": np.bytes_("EMIT"), "number": np.array([3.5]), "list": np.arange(3)})
        made["bands"] = np.array(["cloud", "water"], dtype=object)
        made["large"] = np.zeros(10_000)
        made.attrs["large"] = np.zeros(8000)
    source = Hdf5Source(str(tmp_path / "a.h5"))
    with hdf5_file(source) as file:
        assert attribute(file, "name", "a") == "EMIT" and attribute(file, "number", "a") == 3.5
        assert attribute(file, "list", "a").tolist() == [0, 1, 2] and attribute(file, "none", "a") is None
        assert short_list(file, "bands", "a").tolist() == ["cloud", "water"] and short_list(file, "no/ne", "a") is None
        assert member(file, "bands/deeper", "a") is None
        monkeypatch.setattr("geosoil.io.rasters.hdf5_files.MAX_LIST_BYTES", 50_000)
        with pytest.raises(RasterError, match="large of over 0 MiB; expected the metadata"):
            short_list(file, "large", "a")
        with pytest.raises(RasterError, match="the attribute large of over"):
            attribute(file, "large", "a")


def test_a_cube_without_chunks_is_read_in_parts_of_limited_size(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_variables, "TILE_BYTES", 5000)
    variable = find_variable(write(tmp_path / "a.h5", "yxb", layout="contiguous"), "group/cube", "yxb")
    assert np.prod(variable.chunks) * 4 <= 5000 and variable.chunks[2] == 7
    np.testing.assert_array_equal(read_window(variable, np.array([6, 1]), slice(0, 23), slice(0, 17)), stored()[[6, 1]])
