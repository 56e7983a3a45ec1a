"""Small files over a network: whole, bounded, or refused in one line."""

import pytest
from range_server import serving
from s3_server import s3_server

from geosoil.errors import RasterError
from geosoil.io.remote.content import read_content

CONTENT = bytes(range(256)) * 40


def test_a_file_on_a_web_server_is_read_up_to_the_limit_and_one_byte_more(tmp_path):
    (tmp_path / "a.xml").write_bytes(CONTENT)
    with serving(tmp_path) as (address, _):
        assert read_content(f"{address}/a.xml", 10**6) == CONTENT
        assert read_content(f"{address}/a.xml", 99) == CONTENT[:100]
        assert read_content(f"{address}/case/cut@1/a.xml", 10**6) == CONTENT  # the first answer ends early
        with pytest.raises(RasterError, match=r"b\.xml: cannot be requested .*404"):
            read_content(f"{address}/b.xml", 10)


def test_an_object_in_a_bucket_is_read_up_to_the_limit_and_one_byte_more(monkeypatch):
    pytest.importorskip("boto3")
    pytest.importorskip("moto")
    with s3_server(monkeypatch) as client:
        client.put_object(Bucket="sound", Key="a/b.xml", Body=CONTENT)
        assert read_content("s3://sound/a/b.xml", 10**6) == CONTENT
        assert read_content("s3://sound/a/b.xml", 99) == CONTENT[:100]
        with pytest.raises(RasterError, match=r"s3://sound/a/c\.xml: cannot be read .*NoSuchKey"):
            read_content("s3://sound/a/c.xml", 10)


def test_an_address_of_another_kind_is_refused():
    with pytest.raises(RasterError, match="an address of another kind; expected https:"):
        read_content("ftp://example.org/a.xml", 10)
