"""Read objects of a bucket whole, in part, or only what identifies them."""

from __future__ import annotations

import errno
from http import HTTPStatus

from geosoil.errors import without_secrets
from geosoil.io.remote.objects import bucket_and_key, get_object, s3_client


def object_stamp(url: str) -> str:
    """Return the length, ETag and modification time of an object, as text.

    Raises FileNotFoundError if it does not exist, OutputError if the store refuses access.
    """
    bucket, key = bucket_and_key(url)
    with s3_client(without_secrets(url)) as client:
        try:
            header = client.head_object(Bucket=bucket, Key=key)
        except client.exceptions.ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
                raise
            raise FileNotFoundError(errno.ENOENT, "no such object", without_secrets(url)) from None
        return f"{header['ContentLength']} {header['ETag']} {header['LastModified']}"


def object_content(url: str, most_bytes: int) -> bytes:
    """Return the first `most_bytes` bytes of an object; raises OutputError if the store refuses access."""
    bucket, key = bucket_and_key(url)
    with s3_client(without_secrets(url)) as client:
        content: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read(most_bytes)
        return content


def object_range(url: str, first: int, count: int) -> tuple[bytes, int, str]:
    """Return `count` bytes of an object from a position on, fewer at its end; its length; and its ETag and time.

    Raises FileNotFoundError if it does not exist, OutputError if the store refuses access.
    """
    bucket, key = bucket_and_key(url)
    where = without_secrets(url)
    with s3_client(where) as client:
        byte_range = f"bytes={first}-{first + count - 1}"
        content, answer = get_object(client, where, Bucket=bucket, Key=key, Range=byte_range)
    total = int(answer["ContentRange"].rpartition("/")[2])
    return content, total, f"{answer['ETag']} {answer['LastModified']}"
