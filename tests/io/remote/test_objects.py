"""Stores keep complete values by name, in a folder and under s3://."""

import errno
import os
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from s3_server import s3_server

from geosoil.errors import OutputError
from geosoil.io.remote import objects
from geosoil.io.remote.objects import is_object_url, open_store, upload

pytest.importorskip("boto3")
pytest.importorskip("moto")


@pytest.fixture(scope="module")
def client():
    with pytest.MonkeyPatch.context() as patch, s3_server(patch) as made:
        yield made


@pytest.fixture(params=["folder", "s3"])
def place(request, tmp_path, client):
    return str(tmp_path / "scratch") if request.param == "folder" else f"s3://sound/{tmp_path.name}"


def test_what_was_written_is_read_by_its_name(place):
    store = open_store(place)
    store.write("a.json", b"first")
    store.write("blocks/0-1.bin", bytes(range(256)))
    store.write("a.json", b"second")
    assert store.read("a.json") == b"second"
    assert store.read("blocks/0-1.bin") == bytes(range(256))
    assert sorted(store.names()) == ["a.json", "blocks/0-1.bin"]
    assert list(store.names("blocks/")) == ["blocks/0-1.bin"]
    assert store.exists("a.json") and not store.exists("a.js") and not store.exists("blocks")


def test_what_was_never_written_or_is_deleted_is_not_found(place):
    store = open_store(place)
    assert list(store.names()) == [] and not store.exists("a")
    with pytest.raises(FileNotFoundError):
        store.read("a")
    store.write("a", b"")
    assert store.read("a") == b""
    store.delete("a")
    store.delete("a")
    with pytest.raises(FileNotFoundError):
        store.read("a")


def test_a_store_can_be_pickled_and_used_by_many_threads(place):
    store = open_store(place)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda k: pickle.loads(pickle.dumps(store)).write(f"block-{k}", b"%d" % k), range(24)))
        assert list(pool.map(store.read, [f"block-{k}" for k in range(24)])) == [b"%d" % k for k in range(24)]
    assert len(list(store.names())) == 24


@pytest.mark.parametrize("name", ["", "/a", "../a", "a/../b", ".a", "a//b", "a/", "a b", "a/.b"])
def test_a_name_that_could_leave_the_store_is_refused(place, name):
    store = open_store(place)
    for use in (lambda: store.write(name, b""), lambda: store.read(name), lambda: store.delete(name)):
        with pytest.raises(ValueError, match="expected letters"):
            use()


def test_clearing_a_folder_removes_the_store_and_nothing_else(tmp_path):
    (tmp_path / "thesis.txt").write_text("of three years")
    store = open_store(tmp_path)
    store.write("deep/er/a", b"1")
    half = tmp_path / objects.INSIDE / "deep" / ".b.0123456789abcdef.part"
    half.write_bytes(b"killed while writing")
    assert list(store.names()) == ["deep/er/a"]
    store.clear()
    store.clear()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    created = open_store(tmp_path / "made")
    created.write("a", b"1")
    created.clear()
    assert not (tmp_path / "made").exists()


def test_clearing_a_prefix_removes_the_store_and_nothing_else(client):
    client.put_object(Bucket="sound", Key="run/1/map.tif", Body=b"a map")
    first, tenth = open_store("s3://sound/run/1/"), open_store("s3://sound/run/10")
    for store in (first, tenth):
        for k in range(3):
            store.write(f"blocks/{k}", b"1")
    first.clear()
    assert list(first.names()) == []
    assert len(list(tenth.names())) == 3
    assert client.get_object(Bucket="sound", Key="run/1/map.tif")["Body"].read() == b"a map"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_failed_write_is_one_line_with_the_free_space_and_leaves_nothing(tmp_path, monkeypatch, code):
    store = open_store(tmp_path)
    store.write("a", b"old")

    def half(path, content):
        with path.open("wb") as file:
            file.write(content[:2])
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OutputError, match=rf"{os.strerror(code)}; [\d.]+ GB free") as refused:
        store.write("a", b"new content")
    assert "\n" not in str(refused.value) and str(tmp_path) in str(refused.value)
    assert [path.name for path in (tmp_path / objects.INSIDE).iterdir()] == ["a"]
    assert store.read("a") == b"old"


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path):
    (tmp_path / "scratch").write_text("a file")
    with pytest.raises(OutputError, match="scratch"):
        open_store(tmp_path / "scratch").write("a", b"1")


def test_a_url_of_another_kind_is_refused():
    assert is_object_url("s3://b/a") and not is_object_url("https://b/a") and not is_object_url(Path("a"))
    for where in ("gs://bucket/a", "https://me:word@example.org/a"):
        with pytest.raises(OutputError, match="a folder or s3://") as refused:
            open_store(where)
        assert "word" not in str(refused.value)
    with pytest.raises(OutputError, match="no bucket"):
        open_store("s3:///a")


def test_without_boto3_the_message_names_the_package_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3.exceptions", None)
    with pytest.raises(OutputError, match=r'pip install "geosoil\[s3\]"'):
        open_store("s3://sound/a").write("a", b"1")


def test_a_truncated_download_is_repeated(client):
    store = open_store("s3://short/run")
    content = os.urandom(100_000)
    store.write("a", content)
    assert [store.read("a") for _ in range(3)] == [content] * 3


def large_file(folder):
    file = folder / "map.tif"
    file.write_bytes(os.urandom(2**20) * 31)
    return file


def test_an_upload_of_many_parts_survives_a_server_that_fails_every_third(client, tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "_PART_BYTES", 5 * 2**20)
    file = large_file(tmp_path)
    upload(file, "s3://third/maps/map.tif")
    assert client.get_object(Bucket="third", Key="maps/map.tif")["Body"].read() == file.read_bytes()
    assert client.head_object(Bucket="third", Key="maps/map.tif")["ETag"].endswith('-7"')
    assert "Uploads" not in client.list_multipart_uploads(Bucket="third")


def test_an_upload_that_fails_for_good_is_one_line_and_leaves_what_was_there(client, tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "_PART_BYTES", 5 * 2**20)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    client.put_object(Bucket="never", Key="map.tif", Body=b"the map of yesterday")
    with pytest.raises(OutputError, match=r"s3://never/map\.tif.*UploadPart.*reached max retries") as failed:
        upload(large_file(tmp_path), "s3://never/map.tif")
    assert "\n" not in str(failed.value) and "EXAMPLE" not in str(failed.value)
    assert client.get_object(Bucket="never", Key="map.tif")["Body"].read() == b"the map of yesterday"
    assert "Uploads" not in client.list_multipart_uploads(Bucket="never")


def test_a_missing_bucket_and_a_missing_server_are_one_line_each(client, monkeypatch, tmp_path):
    (tmp_path / "a").write_bytes(b"1")
    for use in (lambda: open_store("s3://absent/a").write("a", b"1"), lambda: upload(tmp_path / "a", "s3://absent/a")):
        with pytest.raises(OutputError, match=r"s3://absent/a.*NoSuchBucket"):
            use()
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(OutputError, match=r"s3://sound/a.*127\.0\.0\.1:9"):
        open_store("s3://sound/a").write("a", b"1")


@pytest.mark.parametrize(("stated", "attempts"), [(None, 6), ("3", 3)])
def test_the_number_of_attempts_is_that_of_the_variable_of_aws_if_it_is_set(client, monkeypatch, stated, attempts):
    monkeypatch.delenv("AWS_MAX_ATTEMPTS", raising=False)
    if stated is not None:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", stated)
    with objects.s3_client("s3://sound/a") as made:
        assert made.meta.config.retries["total_max_attempts"] == attempts


def test_the_endpoint_variables_of_gdal_are_used_for_writing_too(client, monkeypatch):
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_S3_ENDPOINT", endpoint.removeprefix("http://"))
    monkeypatch.setenv("AWS_HTTPS", "NO")
    store = open_store("s3://sound/other-names")
    store.write("a", b"1")
    assert client.get_object(Bucket="sound", Key=f"other-names/{objects.INSIDE}/a")["Body"].read() == b"1"
