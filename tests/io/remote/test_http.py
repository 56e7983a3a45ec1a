"""Metadata of files on web servers is requested like GDAL requests the files; errors are one line."""

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from geosoil.errors import RasterError
from geosoil.io.remote.fingerprint import fingerprint

LOGIN = f"Basic {base64.b64encode(b'me:p@ss').decode()}"


class Handler(BaseHTTPRequestHandler):
    """`/open` is public, `/login` and `/header` need a header, `/flaky` fails once, `/moved/N` redirects to port N."""

    def do_GET(self):
        self.server.requests.append((self.path, self.headers.get("Authorization")))
        allowed = {"/login": self.headers.get("Authorization") == LOGIN, "/header": self.headers.get("X-Key") == "k, 1"}
        if self.path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:{self.path.rpartition('/')[2]}/open")
        elif self.path == "/flaky" and len(self.server.requests) == 1:
            self.send_response(503)
        elif not allowed.get(self.path, self.path in ("/open", "/flaky")):
            self.send_response(403)
        else:
            assert self.headers["Range"] == "bytes=0-0"
            self.send_response(206)
            self.send_header("Content-Range", "bytes 0-0/1234")
            self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_HEAD(self):
        self.send_error(403)

    def log_message(self, *arguments):
        pass


def start(etag='"1"'):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.etag = [], etag
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "2")
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    server = start()
    yield server
    server.shutdown()
    server.server_close()


def url(server, path, login=""):
    return f"http://{login}127.0.0.1:{server.server_port}{path}"


def test_the_fingerprint_is_stable_and_changes_with_the_etag(server):
    before = fingerprint(url(server, "/open"))
    assert fingerprint(url(server, "/open")) == before
    server.etag = '"2"'
    assert fingerprint(url(server, "/open")) != before


def test_a_login_in_the_url_is_sent_as_a_header(server):
    assert fingerprint(url(server, "/login", "me:p%40ss@")) == fingerprint(url(server, "/open"))


@pytest.mark.parametrize(
    ("option", "value", "path"),
    [("GDAL_HTTP_USERPWD", "me:p@ss", "/login"), ("GDAL_HTTP_HEADERS", 'A: b,"X-Key: k, 1"', "/header")],
)
def test_options_of_gdal_are_sent(server, monkeypatch, option, value, path):
    with pytest.raises(RasterError):
        fingerprint(url(server, path))
    monkeypatch.setenv(option, value)
    assert fingerprint(url(server, path)) == fingerprint(url(server, "/open"))


def test_a_server_that_fails_once_is_asked_again(server):
    assert fingerprint(url(server, "/flaky")) == fingerprint(url(server, "/open"))


def test_a_refusal_is_one_line_without_secrets_and_is_not_repeated(server):
    with pytest.raises(
        RasterError, match=r"/closed\?sig=\*\*\*: cannot be requested .HTTP response code: 403.; "
    ) as raised:
        fingerprint(url(server, "/closed?sig=secret", "me:password@"))
    assert "\n" not in str(raised.value) and "password" not in str(raised.value) and "secret" not in str(raised.value)
    assert len(server.requests) == 1


def test_a_server_that_is_not_running_is_one_line(server):
    with pytest.raises(RasterError, match=r"cannot be requested .*after 3 attempts"):
        fingerprint("http://127.0.0.1:9/a.tif")


def test_credentials_are_not_sent_to_another_host(server):
    other = start()
    try:
        fingerprint(url(server, f"/moved/{other.server_port}", "me:p%40ss@"))
        assert [login for _, login in server.requests] == [LOGIN]
        assert other.requests == [("/open", None)]
    finally:
        other.shutdown()
        other.server_close()
