"""Key-value stores in a folder or under a prefix of an object store; the only module that writes to s3://.

Values are never partial: a file is written to a temporary name and renamed, an object becomes visible when its last
byte has arrived. botocore retries failed requests (as `AWS_MAX_ATTEMPTS` and `AWS_RETRY_MODE` say), with the endpoint
and the credentials that GDAL uses for reading.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import threading
import time
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geosoil.errors import OutputError, without_secrets
from geosoil.io.remote.reading import WAY_OUT, is_off

if TYPE_CHECKING:
    from collections.abc import Iterator

INSIDE = "geosoil-store"  # the folder of a store, so that clearing it cannot remove other files
_PART = re.compile(r"\.[0-9a-f]{16}\.part$")  # the ending of a file that is being written
_NAME = re.compile(r"[\w=+-][\w.=+-]*(?:/[\w=+-][\w.=+-]*)*")
_MAX_ATTEMPTS = 6  # the delays between them add up to 15 s on average
_PART_BYTES = 16 * 2**20


class Store(ABC):
    """Values of bytes by name; picklable, and safe to use from many threads and processes.

    A name consists of letters, digits and `_ - = + .`, with `/` between its parts; no part starts with a dot.
    """

    where: str  # the folder or URL without secrets, for messages

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write `content` under `name`, completely or not at all; raises OutputError if that fails."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the value of `name`; raises FileNotFoundError if there is none."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Check whether `name` has a value."""

    @abstractmethod
    def names(self, under: str = "") -> Iterator[str]:
        """Yield the names that start with `under`, in arbitrary order."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete `name` if it exists."""

    @abstractmethod
    def clear(self) -> None:
        """Delete all names and temporary files of the store, and its folder if that is empty then."""


class ObjectStore(Store):
    """A store with conditional writes instead of locks."""

    @abstractmethod
    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Atomically replace `old` (None: no value) by `new`; return False if the value is no longer `old`."""


def open_store(where: str | os.PathLike[str]) -> Store:
    """Open a store in a folder, which is created by the first write, or under s3://bucket/prefix.

    The store uses the folder `geosoil-store` in it, and neither lists nor removes other files.

    Parameters
    ----------
    where : path-like
        The folder or s3:// URL.

    Returns
    -------
    Store
        An `ObjectStore` for an s3:// URL.

    Raises
    ------
    OutputError
        For any other URL.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = open_store(folder)
    ...     store.write("blocks/0-1", b"12")
    ...     store.read("blocks/0-1"), list(store.names())
    (b'12', ['blocks/0-1'])
    """
    text = os.fspath(where)
    if is_object_url(text):
        return _Bucket(text)
    if "://" in text:
        raise OutputError(
            text,
            problem="this URL is not writable",
            expected="a folder or s3://",
            way_out="choose one of these",
        )
    return _Folder(Path(text))


def is_object_url(path: str | os.PathLike[str]) -> bool:
    """Check whether a path is the URL of a writable object store.

    >>> is_object_url("s3://bucket/map.tif"), is_object_url("map.tif")
    (True, False)
    """
    return os.fspath(path).startswith("s3://")


def upload(file: Path, url: str) -> None:
    """Upload a file to s3://bucket/name; it becomes visible when it is complete, and large files are sent in parts.

    Raises OutputError if all attempts failed; parts that had arrived are removed.
    """
    bucket, key = bucket_and_key(url)
    if not key or key.endswith("/"):
        raise OutputError(url, found="no object name", expected="s3://bucket/name", way_out="add the name")
    with s3_client(url) as client:
        from boto3.s3.transfer import TransferConfig

        client.upload_file(
            str(file),
            bucket,
            key,
            Config=TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4),
        )


class _Folder(Store):
    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute() / INSIDE
        self.where = without_secrets(str(folder))

    def write(self, name: str, content: bytes) -> None:
        path = self._path(name)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        with self._place():
            try:
                try:
                    temporary.write_bytes(content)
                except FileNotFoundError:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    temporary.write_bytes(content)
                temporary.replace(path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def read(self, name: str) -> bytes:
        with self._place():
            path = self._path(name)
            if path.exists() and not path.is_file():  # reading a named pipe would wait without end
                msg = f"{name} is not a regular file"
                raise ValueError(msg)
            return path.read_bytes()

    def exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def names(self, under: str = "") -> Iterator[str]:
        for folder, _, files in os.walk(self.folder):
            for file in files:
                name = (Path(folder) / file).relative_to(self.folder).as_posix()
                if name.startswith(under) and not _PART.search(name):
                    yield name

    def delete(self, name: str) -> None:
        with self._place():
            self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        with self._place():
            if self.folder.is_dir():
                shutil.rmtree(self.folder)
            parent = self.folder.parent
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()

    def _path(self, name: str) -> Path:
        return self.folder / _check_name(name)

    @contextmanager
    def _place(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise write_error(self.where, error) from error


class _Bucket(ObjectStore):
    def __init__(self, url: str) -> None:
        self.bucket, prefix = bucket_and_key(url)
        self.where = without_secrets(url.rstrip("/"))
        self.prefix = f"{prefix.rstrip('/')}/{INSIDE}/".lstrip("/")

    def write(self, name: str, content: bytes) -> None:
        with s3_client(self.where) as client:
            client.put_object(Bucket=self.bucket, Key=self._key(name), Body=content)

    def read(self, name: str) -> bytes:
        with s3_client(self.where) as client:
            content, _ = get_object(client, f"{self.where}/{name}", Bucket=self.bucket, Key=self._key(name))
        return content

    def exists(self, name: str) -> bool:
        with s3_client(self.where) as client:
            try:
                client.head_object(Bucket=self.bucket, Key=self._key(name))
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
                    raise
                return False
            return True

    def names(self, under: str = "") -> Iterator[str]:
        with s3_client(self.where) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + under)
            names = [item["Key"].removeprefix(self.prefix) for page in pages for item in page.get("Contents", ())]
        yield from names

    def delete(self, name: str) -> None:
        with s3_client(self.where) as client:
            client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        with s3_client(self.where) as client:
            place = {"Bucket": self.bucket, "Key": self._key(name)}
            condition = {"IfNoneMatch": "*"}
            try:
                if old is not None:
                    condition = {"IfMatch": client.head_object(**place)["ETag"]}
                    if self.read(name) != old:
                        return False
                client.put_object(**place, Body=new, **condition)
            except client.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == HTTPStatus.NOT_IMPLEMENTED:  # a store without conditional writes: the last write wins
                    self.write(name, new)
                    return True
                if status == HTTPStatus.NOT_FOUND:
                    return False
                if status not in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
                    raise
                return self.exists(name) and self.read(name) == new  # our write, if only its response was lost
            except FileNotFoundError:
                return False
            return True

    def clear(self) -> None:
        # One request per object: many S3-compatible stores do not support deleting several objects at once.
        for name in list(self.names()):
            self.delete(name)

    def _key(self, name: str) -> str:
        return self.prefix + _check_name(name)


def _check_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"name is {name!r}; expected letters, digits and _ - = + . with / between parts")
    return name


def bucket_and_key(url: str) -> tuple[str, str]:
    """Return the bucket and the key of an s3:// URL."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket or not is_object_url(url):
        raise OutputError(url, found="no bucket", expected="s3://bucket/name", way_out="add the bucket and name")
    return bucket, key


def write_error(place: str | os.PathLike[str], error: OSError) -> OutputError:
    """Return the error for a folder that cannot be written to: disk full, read-only, permission denied.

    >>> import errno
    >>> print(write_error("/", OSError(errno.EROFS, "Read-only file system")))  # doctest: +ELLIPSIS
    /: cannot be written (Read-only file system; ... GB free); expected a writable folder; ...
    """
    existing = Path(place).absolute()
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        free = f"; {shutil.disk_usage(existing).free / 1e9:.1f} GB free"
    except OSError:
        free = ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OutputError(
        place,
        problem=f"cannot be written ({error.strerror or error}{free})",
        expected="free disk space" if full else "a writable folder",
        way_out="free some space, or choose another folder" if full else "choose another folder",
    )


@contextmanager
def s3_client(where: str) -> Iterator[Any]:
    """Yield the S3 client of this process; errors in the body become an OutputError about `where`."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise OutputError(
            where, problem="this use of s3:// requires boto3", way_out='pip install "geosoil[s3]"'
        ) from error
    try:
        # A forked process must not share connections with its parent; other credentials need another client.
        settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
        with _client_lock:
            client = _client(os.getpid(), settings)
        yield client
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise OutputError(
            where, problem=f"the object store refused access ({error})", expected="a writable bucket", way_out=WAY_OUT
        ) from None  # the message contains its text, without secrets


def get_object(client: Any, where: str, **request: Any) -> tuple[bytes, dict[str, Any]]:
    """Return the content of an object, or of a range of it, and the whole answer; `where` is its name for messages.

    botocore retries requests, but not the download of a body, which is repeated here. Raises FileNotFoundError if the
    object does not exist.
    """
    from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

    for attempt in range(_MAX_ATTEMPTS):
        time.sleep(0.1 * 2**attempt if attempt else 0)
        try:
            answer: dict[str, Any] = client.get_object(**request)
            return answer["Body"].read(), answer
        except client.exceptions.NoSuchKey:
            raise FileNotFoundError(errno.ENOENT, "no such object", where) from None
        except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
            if attempt == _MAX_ATTEMPTS - 1:
                raise
    raise AssertionError  # the loop returns or raises


_client_lock = threading.Lock()


@lru_cache(maxsize=4)
def _client(_process: int, _settings: tuple[tuple[str, str], ...]) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint and (host := os.environ.get("AWS_S3_ENDPOINT")):  # the variable of GDAL
        endpoint = host if "://" in host else f"{'http' if is_off('AWS_HTTPS') else 'https'}://{host}"
    options: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60, "max_pool_connections": 32}
    if endpoint or is_off("AWS_VIRTUAL_HOSTING"):
        options["s3"] = {"addressing_style": "path"}
    if os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in {"YES", "TRUE", "ON", "1"}:
        options["signature_version"] = UNSIGNED
    retries: dict[str, Any] = {}
    if "AWS_RETRY_MODE" not in os.environ:
        retries["mode"] = "standard"
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _MAX_ATTEMPTS
    config = Config(**options, **({"retries": retries} if retries else {}))
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
    return session.client("s3", endpoint_url=endpoint or None, config=config)
