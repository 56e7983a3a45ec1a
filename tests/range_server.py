"""A web server of one folder that answers range requests; a process of its own, since GDAL opens with the GIL held.

`python range_server.py FOLDER` prints its port, then one line of bytes sent for each answer.

An address may say which requests go wrong: `/CASE/FAULT@3,5/a.tif` the third and the fifth, `FAULT@3-` all from the
third on, `FAULT@every3` each third. FAULT is `503`, `cut` (half of the body, then the connection ends), `drop` (no
answer at all), `stall` (half of the body, then silence) or `whole` (an answer like that of a server without ranges).
Requests are counted by CASE, side files included.
"""

import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STALL_S = 60
_counts: Counter[str] = Counter()
_counting = threading.Lock()


class Ranges(BaseHTTPRequestHandler):
    """Answers HEAD and GET, whole or by `Range: bytes=first-last`."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        fault = self._fault()
        if fault == "503":
            self.send_error(503)
            return
        file = Path(sys.argv[1]) / Path(self.path.partition("?")[0]).name
        if fault == "drop":
            self.connection.close()
            return
        if not file.is_file():
            self.send_error(404)
            return
        whole = file.read_bytes()
        first, _, last = self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        part = whole[int(first) : int(last) + 1 if last else None]
        self.send_response(206 if "Range" in self.headers and fault != "whole" else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(whole)}")
        self.end_headers()
        if self.command == "GET":
            sent = part[: len(part) // 2] if fault in ("cut", "stall") else part
            self.wfile.write(sent)
            print(len(sent), flush=True)  # noqa: T201 - how the test hears of it
        if fault == "stall":
            self.wfile.flush()
            threading.Event().wait(STALL_S)
        if fault:
            self.close_connection = True

    def _fault(self):
        """Return what goes wrong with this request, or None."""
        parts = self.path.split("/")
        fault, _, when = parts[2].partition("@") if len(parts) > 3 else ("", "", "")
        if not when:
            return None
        with _counting:
            _counts[parts[1]] += 1
            number = _counts[parts[1]]
        if when.startswith("every"):
            hit = number % int(when.removeprefix("every")) == 0
        elif when.endswith("-"):
            hit = number >= int(when[:-1])
        else:
            hit = str(number) in when.split(",")
        return fault if hit else None

    def log_message(self, *_):
        pass


@contextmanager
def serving(folder):
    """Serve a folder in another process; yield its address and the process, which prints the bytes of each answer."""
    command = [sys.executable, __file__, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}", process
        finally:
            process.kill()


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ranges)
    server.daemon_threads = True
    print(server.server_port, flush=True)  # noqa: T201
    server.serve_forever()
