"""A web server of one folder that answers range requests; a process of its own, since GDAL opens with the GIL held.

`python range_server.py FOLDER` prints its port, then one line of bytes sent for each answer.
"""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Ranges(BaseHTTPRequestHandler):
    """Answers HEAD and GET, whole or by `Range: bytes=first-last`."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        file = Path(sys.argv[1]) / Path(self.path).name
        if not file.is_file():
            self.send_error(404)
            return
        whole = file.read_bytes()
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = whole[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(part)
            print(len(part), flush=True)  # noqa: T201 - how the test hears of it

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()
