"""The files of a product are the same in a folder, a zip and a tar, and a hostile archive is refused in one line."""

import errno
import gzip
import io
import os
import pickle
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio
from sensors.products.packing import packed
from written_rasters import write_gf5

from geosoil.errors import RasterError
from geosoil.io.archives import packed as packed_files
from geosoil.io.archives import reader as archive_reader
from geosoil.io.archives import spool
from geosoil.io.archives.packed import DEFLATE, GZIP, PackedRange, UnpackedFile
from geosoil.io.archives.reader import ArchivedFile, archive_of, open_archive
from geosoil.sensors.cube import open_cube
from geosoil.sensors.files import ProductFiles


@pytest.mark.parametrize("kind", ["zip", "stored", "tar", "tar.gz", "tgz", "nested"])
def test_a_product_in_an_archive_is_the_product_of_its_folder_and_nothing_is_unpacked(tmp_path, kind):
    folder = write_gf5(tmp_path / "product", counts=(4, 5))
    expected = open_cube(folder, drop_nm=[])
    path = packed(folder, kind)
    before = sorted(tmp_path.iterdir())
    cube = open_cube(path, drop_nm=[])
    np.testing.assert_array_equal(cube.values, expected.values)
    np.testing.assert_array_equal(cube.wavelength_nm, expected.wavelength_nm)
    assert cube.attrs["SolarZenith"] == 52.25
    assert sorted(tmp_path.iterdir()) == before
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube))[2:4, 1:3].values, expected[2:4, 1:3].values)


def test_an_archive_that_was_replaced_is_read_again(tmp_path):
    path = packed(write_gf5(tmp_path / "product", counts=(2, 2), shape=(3, 3)), "stored")
    assert open_cube(path, drop_nm=[]).values.shape == (4, 3, 3)
    shutil.rmtree(tmp_path / "product")
    packed(write_gf5(tmp_path / "product", counts=(2, 2), shape=(5, 4)), "stored")
    assert open_cube(path, drop_nm=[]).values.shape == (4, 5, 4)


def test_the_files_of_the_uppermost_folder_are_taken_and_those_of_a_mac_are_not(tmp_path):
    for name in ("a/x_VN.tif", "a/b/y_VN.tif", "a/._x_VN.tif", "__MACOSX/z_VN.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert ProductFiles.of(tmp_path).find("*_vn.tif") == ["a/x_VN.tif"]
    with pytest.raises(RasterError, match="found no files that could be the image; expected one"):
        ProductFiles.of(tmp_path).one("the image", "*_SW.tif")


def zip_of(path, *members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members:
            made.writestr(name, content)
    return path


def test_names_that_leave_an_archive_are_ignored(tmp_path):
    names = ("a/ok.xml", "../up.xml", "/root.xml", "a/../../up.xml", "C:\\x.xml", "a//b.xml")
    assert list(open_archive(zip_of(tmp_path / "a.zip", *((name, b"1") for name in names))).members) == ["a/ok.xml"]
    with tarfile.open(tmp_path / "a.tar", "w") as made:
        for name in names:
            made.addfile(info := tarfile.TarInfo(name), io.BytesIO(b""))
        info = tarfile.TarInfo("a/link.xml")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(info)
    assert list(open_archive(tmp_path / "a.tar").members) == ["a/ok.xml"]


def test_a_zip_bomb_is_refused_before_it_expands(tmp_path):
    archive = open_archive(zip_of(tmp_path / "a.zip", ("a.xml", bytes(2**25)), ("b.tif", bytes(2**28 + 1))))
    with pytest.raises(RasterError, match=r"a.zip/a.xml: found more than 16 MiB; expected a smaller file"):
        archive.read("a.xml", 2**24)
    with pytest.raises(RasterError, match=r"b.tif: found 0.249 MiB that expand to 256 MiB or more; .* do not trust"):
        archive.raster_path("b.tif")


def test_a_member_that_is_longer_than_its_archive_states_is_not_read_further(tmp_path):
    path = zip_of(tmp_path / "a.zip", ("a.xml", bytes(10_000)))
    content = path.read_bytes()
    path.write_bytes(content.replace((10_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    with pytest.raises(RasterError, match="cannot be unpacked"):
        open_archive(path).read("a.xml", 2**24)


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "nested"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_truncated_archive_is_refused_in_one_line(tmp_path, kind, share):
    path = packed(write_gf5(tmp_path / "product", counts=(4, 5)), kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * (share if kind != "tar" else share * 0.7))])
    with pytest.raises(
        RasterError, match=r"product\.\S+: cannot be unpacked \(.+\); expected a complete archive; down"
    ):
        open_cube(path)


def test_a_tar_with_a_giant_header_and_a_zip_with_too_many_members_are_refused(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as made:
        made.addfile(tarfile.TarInfo("a" * 100_000))
    with pytest.raises(RasterError, match="an extended header of 100"):
        open_archive(tmp_path / "a.tar")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as made:
        for number in range(20_001):
            made.writestr(f"{number}", b"")
    with pytest.raises(RasterError, match="found too many members; expected at most 20000"):
        open_archive(tmp_path / "a.zip")


def test_a_long_name_in_a_tar_is_complete(tmp_path):
    name = f"{'folder_' * 20}/{'name_' * 30}.xml"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        with tarfile.open(tmp_path / f"{form}.tar", "w", format=form) as made:
            info = tarfile.TarInfo(name)
            info.size = 3
            made.addfile(info, io.BytesIO(b"abc"))
        assert open_archive(tmp_path / f"{form}.tar").read(name, 10) == b"abc"


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_an_image_with_a_long_name_is_read_out_of_a_tar(tmp_path, ending, form):
    folder = write_gf5(tmp_path / "product", counts=(4, 5))
    expected = open_cube(folder, drop_nm=[])
    path = tmp_path / f"product.{ending}"
    with tarfile.open(path, "w:gz" if ending.endswith("gz") else "w", format=form) as made:
        made.add(folder, f"{'delivery_' * 20}/{'product_' * 10}")
    cube = open_cube(path, drop_nm=[])
    np.testing.assert_array_equal(cube.values, expected.values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(cube))[2:4, 1:3].values, expected[2:4, 1:3].values)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = zip_of(tmp_path / "a.zip", ("a.xml", b"abc"))
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(RasterError, match=r"the encrypted member a\.xml"):
        open_archive(path)


def test_an_archived_file_is_read_in_place_or_unpacked_if_it_is_small(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "cube.h5").write_bytes(bytes(range(256)))
    for kind in ("stored", "zip", "tar", "tar.gz"):
        file = pickle.loads(pickle.dumps(ProductFiles.of(packed(tmp_path / "p", kind)).hdf5("p/cube.h5")))
        assert isinstance(file, ArchivedFile)
        with file.open() as opened:
            opened.seek(-6, io.SEEK_END)
            assert opened.read(3) == bytes([250, 251, 252])
            opened.seek(3)
            assert opened.read(2) == b"\3\4"


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_large_packed_hdf5_file_is_read_without_unpacking_all_of_it(tmp_path, monkeypatch, kind):
    values = np.random.default_rng(5).integers(0, 9, (60, 70, 80), np.uint16)
    (tmp_path / "p").mkdir()
    with h5py.File(tmp_path / "p" / "cube.h5", "w") as made:
        made.create_dataset("cube", data=values, chunks=(10, 70, 10))
    file = ProductFiles.of(packed(tmp_path / "p", kind)).hdf5("p/cube.h5")
    monkeypatch.setattr(archive_reader, "SMALL_BYTES", 1000)
    with file.open() as content, h5py.File(content, "r") as opened:
        assert not isinstance(content, io.BytesIO)
        np.testing.assert_array_equal(opened["cube"][31:55, 3:9, 65:80], values[31:55, 3:9, 65:80])
        np.testing.assert_array_equal(opened["cube"][:], values)


def test_a_tar_gz_at_an_address_is_refused_before_anything_is_requested():
    with pytest.raises(RasterError, match=r"key=\*\*\*: found a tar packed by gzip at an address, .*; download it"):
        open_cube("https://example.org/ENMAP01.tar.gz?key=1a2b3c")


def test_the_archive_in_a_name_of_gdal_is_known():
    assert archive_of("/vsizip/{/data/a.zip}/b/c.tif") == "/data/a.zip"
    assert archive_of("/vsitar//data/{x}.tar.gz/c.tif") == "/data/{x}.tar.gz"


def test_an_archive_or_folder_without_a_product_is_refused(tmp_path):
    with pytest.raises(
        RasterError, match=r"found an archive that is not a known product; expected a product of .*GF5_AHSI"
    ):
        open_cube(zip_of(tmp_path / "a.zip", ("a.txt", b"")))


@pytest.mark.parametrize("place", ["states", "disk", "full disk"])
@pytest.mark.parametrize("wbits", [GZIP, DEFLATE])
def test_any_part_of_a_packed_file_is_read_from_any_thread(tmp_path, monkeypatch, wbits, place):
    monkeypatch.setattr(packed_files, "LEAST_STEP", 5_000)
    if place != "states":
        monkeypatch.setattr(spool, "LEAST_BYTES", 0)
        monkeypatch.setattr(spool, "AHEAD_FROM", 50_000)
        monkeypatch.setattr(spool, "OUTPUT_BYTES", 3_000)
    if place == "full disk":
        monkeypatch.setattr(spool, "tempfile", SmallDisk)
    rng = np.random.default_rng(2)
    content = b"".join(rng.bytes(int(n)) + bytes(int(n) * 9) for n in rng.integers(1, 9_000, 40))
    compressor = zlib.compressobj(wbits=wbits)
    (tmp_path / "a").write_bytes(b"before" + compressor.compress(content) + compressor.flush() + b"after" * (wbits < 0))
    checksum = zlib.crc32(content) if wbits == DEFLATE else None
    packed = PackedRange(str(tmp_path / "a"), (0, wbits), 6, len(content), wbits, checksum)

    def check(seed):
        rng = np.random.default_rng(seed)
        with UnpackedFile(packed) as file:
            for _ in range(150):
                first, count = int(rng.integers(len(content) + 5)), int(rng.choice([1, 100, 20_000, 400_000]))
                file.seek(first)
                assert file.read(count) == content[first : first + count]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(check, range(3)))
    assert (len(packed_files._states_of(packed)._done) > 10) == (place != "disk")


class SmallDisk:
    """A disk that is full after 100 000 bytes, in place of the folder for temporary files."""

    gettempdir = staticmethod(tempfile.gettempdir)

    class TemporaryFile(io.FileIO):
        def __init__(self, **_):
            number, path = tempfile.mkstemp()
            Path(path).unlink()
            super().__init__(number, "r+")

        def write(self, content):
            if self.tell() > 100_000:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(content)


def test_a_packed_file_is_unpacked_once_and_only_where_the_disk_has_room(tmp_path, monkeypatch):
    content = np.random.default_rng(4).bytes(3_000_000)
    (tmp_path / "a").write_bytes(gzip.compress(content, 1))
    packed = PackedRange(str(tmp_path / "a"), (7, 7), 0, len(content), GZIP)
    monkeypatch.setattr(spool, "LEAST_BYTES", 0)
    kept = spool.spool_of(packed)
    while kept.fill():
        pass
    for _ in range(3):
        with UnpackedFile(packed) as file:
            file.seek(1_000_000)
            assert file.read(10) == content[1_000_000:1_000_010]
    assert not packed_files._states_of(packed)._done[1:]
    monkeypatch.setattr(spool, "SHARE_OF_DISK", 0)
    assert spool.spool_of(PackedRange(str(tmp_path / "a"), (8, 8), 0, len(content), GZIP)) is None


def test_no_more_is_unpacked_to_the_disk_than_the_archive_states(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "LEAST_BYTES", 0)
    (tmp_path / "a").write_bytes(zlib.compress(b"abc" * 1_000_000, wbits=DEFLATE))
    kept = spool.spool_of(PackedRange(str(tmp_path / "a"), (5, 5), 0, 30_000, DEFLATE))
    assert kept.read(0, 99_999) == b"abc" * 10_000
    assert os.fstat(kept._kept.fileno()).st_size == 30_000


def test_the_disk_is_that_of_large_files_unless_another_one_is_chosen(tmp_path, monkeypatch):
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(spool, "LARGE_FILES", str(tmp_path))
    assert spool._folder() == str(tmp_path)
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert spool._folder() == tempfile.gettempdir()


def test_content_with_another_checksum_is_not_given_once_that_is_known(tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "LEAST_BYTES", 0)
    (tmp_path / "a").write_bytes(zlib.compress(b"abc" * 1000, wbits=DEFLATE))
    packed = PackedRange(str(tmp_path / "a"), (9, 9), 0, 3000, DEFLATE, zlib.crc32(b"abd" * 1000))
    with UnpackedFile(packed) as file:
        assert file.read() == b""


@pytest.mark.parametrize("least_bytes", [0, 2**30])
def test_a_gzip_of_several_parts_is_read_to_its_end(tmp_path, monkeypatch, least_bytes):
    monkeypatch.setattr(spool, "LEAST_BYTES", least_bytes)
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"abc" * 1000) + gzip.compress(b"defg" * 1000))
    with UnpackedFile(PackedRange(str(tmp_path / "a.gz"), (1, least_bytes), 0, 7000, GZIP)) as file:
        assert file.read(9999) == b"abc" * 1000 + b"defg" * 1000
        file.seek(-4, io.SEEK_END)
        assert file.read() == b"defg"


@pytest.mark.parametrize(
    ("kind", "message"),
    [("zip", r"product/GF5\S+: (cannot read the window at row 0|not a raster)"), ("tar.gz", "cannot be unpacked")],
)
@pytest.mark.parametrize("least_bytes", [0, 2**30])
def test_damage_inside_a_packed_image_is_known_by_its_checksum(tmp_path, monkeypatch, kind, message, least_bytes):
    monkeypatch.setattr(spool, "LEAST_BYTES", least_bytes)
    folder = write_gf5(tmp_path / "product", counts=(4, 5), shape=(200, 300))
    for file in folder.glob("*.geotiff"):  # of noise, which deflate stores as it is
        with rasterio.open(file, "r+") as made:
            made.write(np.random.default_rng(1).integers(1, 60_000, (made.count, 200, 300), np.uint16))
    path = packed(folder, kind)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path.write_bytes(content)
    with pytest.raises(RasterError, match=message):
        open_cube(path, drop_nm=[]).values  # noqa: B018


def test_a_description_of_other_files_is_not_followed_inside_an_archive(tmp_path):
    folder = write_gf5(tmp_path / "product", counts=(2, 2))
    image = next(folder.glob("*_VN.geotiff"))
    image.rename(tmp_path / "outside.tif")
    image.write_text(
        f'<VRTDataset rasterXSize="5" rasterYSize="6"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f'<SourceFilename relativeToVRT="0">{tmp_path}/outside.tif</SourceFilename></SimpleSource></VRTRasterBand>'
        f"</VRTDataset>"
    )
    for kind in ("zip", "stored", "tar.gz"):
        with pytest.raises(RasterError, match="not recognized as being in a supported file format"):
            open_cube(packed(folder, kind))
