"""Small things kept by name, in a folder or under a prefix of an object store: the one place that writes to s3://.

What exists under a name is whole: a file is written beside its place and moved, an object appears when its last byte
has arrived. Requests that fail are sent again by botocore (`AWS_MAX_ATTEMPTS`, `AWS_RETRY_MODE` of the environment
stand), with the endpoint and the credentials that GDAL reads with.
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

INSIDE = "geosoil-store"  # a store keeps to this folder, so that clearing it can reach nothing else
_PART = re.compile(r"\.[0-9a-f]{16}\.part$")  # of a file that is being written
_NAME = re.compile(r"[\w=+-][\w.=+-]*(?:/[\w=+-][\w.=+-]*)*")
_TRIES = 6  # the waits between them add up to 15 s on average
_PART_BYTES = 16 * 2**20


class Store(ABC):
    """Bytes by name; picklable, and written and read by many threads and processes at once.

    A name is made of letters, digits and `_ - = + .`, with `/` between its parts; no part begins with a dot.
    """

    where: str  # to be shown: without secrets

    @abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Keep `content` under `name`, whole or not at all; OutputError where that cannot be done."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return what was written under `name`; FileNotFoundError where nothing was."""

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Tell whether something was written under `name`."""

    @abstractmethod
    def names(self, under: str = "") -> Iterator[str]:
        """Yield the names that begin with `under`, in no fixed order."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Forget what was written under `name`, if anything was."""

    @abstractmethod
    def clear(self) -> None:
        """Remove all that was written to the store, also what was left half-written, and nothing else.

        Its own folder goes too, where nothing else is in it.
        """


class ObjectStore(Store):
    """A store that knows no locks, but writes on condition."""

    @abstractmethod
    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Write `new` where `old` still stands (None: nothing), in one act; tell whether it did."""


def open_store(where: str | os.PathLike[str]) -> Store:
    """Open a store in a folder, which is made at the first write, or under s3://bucket/prefix.

    Everything is kept in `geosoil-store` inside of it: other files there are neither seen nor cleared.

    Raises OutputError for an address of another kind.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = open_store(folder)
    ...     store.write("blocks/0-1", b"12")
    ...     store.read("blocks/0-1"), list(store.names())
    (b'12', ['blocks/0-1'])
    """
    text = os.fspath(where)
    if is_object(text):
        return _Bucket(text)
    if "://" in text:
        raise OutputError(
            text, found="an address that cannot be written", expected="a folder or s3://", way_out="choose one of these"
        )
    return _Folder(Path(text))


def is_object(address: str | os.PathLike[str]) -> bool:
    """Tell whether an address is that of an object store that can be written.

    >>> is_object("s3://bucket/map.tif"), is_object("map.tif")
    (True, False)
    """
    return os.fspath(address).startswith("s3://")


def upload(file: Path, url: str) -> None:
    """Copy a file to s3://bucket/name, in parts where it is large; it is seen there only once it is whole.

    Raises OutputError where the last try failed too; the parts that had arrived are removed then.
    """
    bucket, key = _split(url)
    if not key or key.endswith("/"):
        raise OutputError(url, found="no file name", expected="s3://bucket/name", way_out="name the object")
    with _s3(url) as client:
        from boto3.s3.transfer import TransferConfig

        client.upload_file(
            str(file),
            bucket,
            key,
            Config=TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4),
        )


def object_stamp(url: str) -> str:
    """Return what tells an object from what it was before: length, ETag and time of change.

    Raises FileNotFoundError where there is none, OutputError where the store refuses.
    """
    bucket, key = _split(url)
    with _s3(without_secrets(url)) as client:
        try:
            told = client.head_object(Bucket=bucket, Key=key)
        except client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
                raise
            raise FileNotFoundError(errno.ENOENT, "no such object", without_secrets(url)) from None
        return f"{told['ContentLength']} {told['ETag']} {told['LastModified']}"


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
            return self._path(name).read_bytes()

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
        return self.folder / _checked(name)

    @contextmanager
    def _place(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise unwritable(self.where, error) from error


class _Bucket(ObjectStore):
    def __init__(self, url: str) -> None:
        self.bucket, prefix = _split(url)
        self.where = without_secrets(url.rstrip("/"))
        self.prefix = f"{prefix.rstrip('/')}/{INSIDE}/".lstrip("/")

    def write(self, name: str, content: bytes) -> None:
        with _s3(self.where) as client:
            client.put_object(Bucket=self.bucket, Key=self._key(name), Body=content)

    def read(self, name: str) -> bytes:
        with _s3(self.where) as client:
            from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError

            for tried in range(_TRIES):  # botocore tries again for an answer, but not for its body
                time.sleep(0.1 * 2**tried if tried else 0)
                try:
                    return client.get_object(Bucket=self.bucket, Key=self._key(name))["Body"].read()
                except client.exceptions.NoSuchKey:
                    raise FileNotFoundError(errno.ENOENT, "no such object", f"{self.where}/{name}") from None
                except (IncompleteReadError, ReadTimeoutError, ResponseStreamingError):
                    if tried == _TRIES - 1:
                        raise
        raise AssertionError  # the loop returns or raises

    def exists(self, name: str) -> bool:
        with _s3(self.where) as client:
            try:
                client.head_object(Bucket=self.bucket, Key=self._key(name))
            except client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
                    raise
                return False
            return True

    def names(self, under: str = "") -> Iterator[str]:
        with _s3(self.where) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + under)
            found = [one["Key"].removeprefix(self.prefix) for page in pages for one in page.get("Contents", ())]
        yield from found

    def delete(self, name: str) -> None:
        with _s3(self.where) as client:
            client.delete_object(Bucket=self.bucket, Key=self._key(name))

    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        with _s3(self.where) as client:
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
                if status == HTTPStatus.NOT_IMPLEMENTED:  # a store without conditions: the last one wins
                    self.write(name, new)
                    return True
                if status == HTTPStatus.NOT_FOUND:
                    return False
                if status not in (HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED):
                    raise
                return self.exists(name) and self.read(name) == new  # ours, if only its answer was lost
            except FileNotFoundError:
                return False
            return True

    def clear(self) -> None:
        # One by one: deleting many at once is the request that stores like S3 most often lack.
        for name in list(self.names()):
            self.delete(name)

    def _key(self, name: str) -> str:
        return self.prefix + _checked(name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"name is {name!r}; expected letters, digits and _ - = + . with / between parts")
    return name


def _split(url: str) -> tuple[str, str]:
    bucket, _, key = url.removeprefix("s3://").partition("/")
    if not bucket or not is_object(url):
        raise OutputError(url, found="no bucket", expected="s3://bucket/name", way_out="name bucket and object")
    return bucket, key


def unwritable(place: str | os.PathLike[str], error: OSError) -> OutputError:
    """Return the one line for a place on a disk that cannot be written: full, read-only, not permitted.

    >>> import errno
    >>> print(unwritable("/", OSError(errno.EROFS, "Read-only file system")))  # doctest: +ELLIPSIS
    /: found a place that cannot be written (Read-only file system; ... GB free); expected a writable folder; ...
    """
    there = Path(place).absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        free = f"; {shutil.disk_usage(there).free / 1e9:.1f} GB free"
    except OSError:
        free = ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return OutputError(
        place,
        found=f"a place that cannot be written ({error.strerror or error}{free})",
        expected="room on its disk" if full else "a writable folder",
        way_out="make room there, or choose another place" if full else "choose another place",
    )


@contextmanager
def _s3(where: str) -> Iterator[Any]:
    """Yield the process's client of S3; what fails inside becomes one line about `where`."""
    try:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise OutputError(
            where, found="no boto3", expected="it, to write to s3://", way_out='pip install "geosoil[s3]"'
        ) from error
    try:
        # A fork must not share connections with its parent; another environment asks for another client.
        settings = tuple(sorted((name, value) for name, value in os.environ.items() if name.startswith("AWS_")))
        with _making:
            client = _client(os.getpid(), settings)
        yield client
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise OutputError(
            where, found=f"an object store that refuses ({error})", expected="a bucket to write to", way_out=WAY_OUT
        ) from None  # its text is in ours, without secrets


_making = threading.Lock()


@lru_cache(maxsize=4)
def _client(_process: int, _settings: tuple[tuple[str, str], ...]) -> Any:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    own = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not own and (host := os.environ.get("AWS_S3_ENDPOINT")):  # GDAL's name for it
        own = host if "://" in host else f"{'http' if is_off('AWS_HTTPS') else 'https'}://{host}"
    options: dict[str, Any] = {"connect_timeout": 10, "read_timeout": 60, "max_pool_connections": 32}
    if own or is_off("AWS_VIRTUAL_HOSTING"):
        options["s3"] = {"addressing_style": "path"}
    if os.environ.get("AWS_NO_SIGN_REQUEST", "").upper() in {"YES", "TRUE", "ON", "1"}:
        options["signature_version"] = UNSIGNED
    retries: dict[str, Any] = {}
    if "AWS_RETRY_MODE" not in os.environ:
        retries["mode"] = "standard"
    if "AWS_MAX_ATTEMPTS" not in os.environ:
        retries["total_max_attempts"] = _TRIES
    config = Config(**options, **({"retries": retries} if retries else {}))
    session = boto3.session.Session(region_name=os.environ.get("AWS_REGION"))
    return session.client("s3", endpoint_url=own or None, config=config)
