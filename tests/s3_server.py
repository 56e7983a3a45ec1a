"""moto's S3 server in a process of its own (GDAL opens with the GIL held), some of whose answers fail by bucket.

`python s3_server.py` prints its port. In the bucket `third` every third part of an upload is answered by 500, in
`never` each part, and in `short` every second object that is fetched ends early.
"""

import itertools
import os
import subprocess
import sys
from contextlib import contextmanager
from urllib.parse import urlsplit


@contextmanager
def s3_server(monkeypatch):
    """Run the server, and set the environment for it; yield a client of boto3."""
    import boto3

    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as server:
        try:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                monkeypatch.delenv(name)
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.stdout.readline().strip()}")
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMIxK7MDENGxbPxRfiCYEXAMPLEKEY")
            monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
            monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
            monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
            client = boto3.client("s3")
            for bucket in ("sound", "third", "never", "short"):
                client.create_bucket(Bucket=bucket)
            yield client
        finally:
            server.kill()


def failing(application):
    """Return the WSGI application whose buckets fail."""
    parts, fetched = itertools.count(1), itertools.count(1)

    def answer(environ, start_response):
        bucket = urlsplit(environ["PATH_INFO"]).path.split("/")[1]
        part = environ["REQUEST_METHOD"] == "PUT" and "partNumber=" in environ["QUERY_STRING"]
        if part and (bucket == "never" or (bucket == "third" and next(parts) % 3 == 0)):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("500 Internal Server Error", [("Content-Length", "0")])
            return [b""]
        body = application(environ, start_response)
        if bucket == "short" and environ["REQUEST_METHOD"] == "GET" and next(fetched) % 2:
            whole = b"".join(body)
            return [whole[: len(whole) // 2]]
        return body

    return answer


if __name__ == "__main__":
    import logging

    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    made = make_server("127.0.0.1", 0, failing(DomainDispatcherApplication(create_backend_app)), threaded=True)
    print(made.server_port, flush=True)  # noqa: T201
    made.serve_forever()
