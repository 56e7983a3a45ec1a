"""The server of a view answers this computer only, and only addresses with its token."""

import asyncio
import socket
import threading

import psutil
import pytest
import tornado.httpclient
import tornado.websocket
from small_maps import write_map
from tornado.httpclient import HTTPClient, HTTPClientError, HTTPRequest

from geosoil.view.server import ViewServer, quiet_logs
from geosoil.workflows.view import open_scene


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of a running server."""
    scene = open_scene(write_map(tmp_path_factory.mktemp("map")))
    started, servers = threading.Event(), []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        servers.append(ViewServer(scene))
        started.set()
        servers[0].run()

    with quiet_logs():
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert started.wait(30)
        yield servers[0].url
        servers[0].stop()
        thread.join(30)
        assert not thread.is_alive()


def status(address, **options):
    client = HTTPClient()
    try:
        return client.fetch(HTTPRequest(address, request_timeout=60, **options)).code
    except HTTPClientError as error:
        return error.code
    finally:
        client.close()


def test_the_page_is_at_the_address_with_the_token(url):
    assert status(url) == 200
    assert len(url.split("/")[3]) >= 43  # 32 random bytes


@pytest.mark.parametrize(
    "path", ["", "static/js/bokeh.min.js", "ws", "autoload.js", "metadata", "wrong-token/", "wrong-token/ws"]
)
def test_a_request_without_the_token_is_refused(url, path):
    assert status(f"{'/'.join(url.split('/')[:3])}/{path}") in (403, 404)


@pytest.mark.parametrize(
    "path", ["soil.tif", "../soil.tif", "static/../../../../../../etc/passwd", "static//etc/passwd"]
)
def test_no_file_of_the_user_is_served(url, path):
    assert status(url + path) in (403, 404)


@pytest.mark.parametrize("origin", ["http://example.org", "http://localhost:1", "null"])
def test_a_page_of_another_origin_cannot_connect(url, origin):
    address = url.replace("http", "ws", 1) + "ws"

    async def connect():
        request = HTTPRequest(address, headers={"Origin": origin})
        await tornado.websocket.websocket_connect(request, subprotocols=["bokeh", "token"])

    with pytest.raises(HTTPClientError, match="403"):
        asyncio.run(connect())


def test_the_server_listens_on_the_loopback_address_only(url):
    port = int(url.split("/")[2].rpartition(":")[2])
    addresses = {
        each.laddr.ip
        for each in psutil.Process().net_connections("inet")
        if each.status == "LISTEN" and each.laddr.port == port
    }
    assert addresses == {"127.0.0.1"}


def test_two_servers_have_different_tokens_and_a_port_can_be_chosen(tmp_path):
    scene = open_scene(write_map(tmp_path, trust=False))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    async def start():
        servers = [ViewServer(scene), ViewServer(scene, port)]
        urls = [server.url for server in servers]
        for server in servers:
            server.close()
        return urls

    first, second = asyncio.run(start())
    assert first.split("/")[3] != second.split("/")[3]
    assert second.startswith(f"http://127.0.0.1:{port}/")
