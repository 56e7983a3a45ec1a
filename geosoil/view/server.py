"""The server of a view: on 127.0.0.1 only, and only for addresses that start with a secret token.

It serves the page, the scripts of Bokeh and the connection of the page; no file of the user is served as it is.
"""

from __future__ import annotations

import logging
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bokeh.application import Application
from bokeh.application.handlers import FunctionHandler
from bokeh.document import Document
from bokeh.server.server import BaseServer
from bokeh.server.tornado import BokehTornado
from bokeh.server.util import bind_sockets
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from geosoil.view.document import make_parts, serve_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bokeh.resources import Resources

    from geosoil.view.scene import Scene

ADDRESS = "127.0.0.1"
TOKEN_BYTES = 32
REFILL_S = 3.0  # after a page was opened, when it is painted
MOST_MESSAGE_BYTES = 2**20  # of a question of the page


class _Tornado(BokehTornado):
    """Bokeh's application, whose pages load only the script that the viewer needs."""

    def resources(self, absolute_url: str | bool | None = None) -> Resources:
        """Return the script of figures, without those of widgets, tables, WebGL and formulae."""
        made = super().resources(absolute_url)
        made.components = ["bokeh"]
        return made


class ViewServer:
    """A server of one scene.

    Parameters
    ----------
    scene : Scene
    port : int
        0 for any free port.

    Attributes
    ----------
    url : str
        The address with the token.
    """

    def __init__(self, scene: Scene, port: int = 0) -> None:
        serve_document(Document(), scene)  # reads the files and fills all caches, so that the first page is fast
        sockets, port = bind_sockets(ADDRESS, port)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        origin = f"{ADDRESS}:{port}"
        self.url = f"http://{origin}/{token}/"
        self._scene, self._ready = scene, [make_parts(scene)]
        application = Application(FunctionHandler(self._serve))
        tornado = _Tornado(
            {"/": application},
            prefix=f"/{token}",
            extra_websocket_origins=[origin],
            websocket_max_message_size_bytes=MOST_MESSAGE_BYTES,
            include_headers=[],
            include_cookies=[],
        )
        http = HTTPServer(tornado)
        http.add_sockets(sockets)
        self._loop = IOLoop.current()
        self._server = BaseServer(self._loop, tornado, http)
        self._server.start()

    def run(self) -> None:
        """Serve until Ctrl-C or `stop`."""
        try:
            self._loop.start()
        finally:
            self.close()

    def _serve(self, document: Document) -> None:
        """Fill the document of a session with figures that were made before, and make those of the next one later."""
        serve_document(document, self._scene, self._ready.pop() if self._ready else None)
        self._loop.call_later(REFILL_S, self._refill)

    def _refill(self) -> None:
        if not self._ready:
            self._ready.append(make_parts(self._scene))

    def close(self) -> None:
        """Stop listening."""
        self._server.stop()

    def stop(self) -> None:
        """End `run`, from any thread."""
        self._loop.add_callback(self._loop.stop)


@contextmanager
def quiet_logs() -> Iterator[None]:
    """Keep requests and sessions out of the terminal."""
    loggers = [logging.getLogger(name) for name in ("bokeh", "tornado.access")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
