"""Read a small file over a network, such as the metadata of a product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.errors import OutputError, RasterError
from geosoil.io.remote.http import http_content
from geosoil.io.remote.object_reading import object_content
from geosoil.io.remote.objects import is_object_url

if TYPE_CHECKING:
    from collections.abc import Callable


def read_content(url: str, limit_bytes: int) -> bytes:
    """Return the content of a file on a web server or in a bucket.

    Parameters
    ----------
    url : str
        An http://, https:// or s3:// URL.
    limit_bytes : int
        The largest size that is read.

    Returns
    -------
    bytes
        At most `limit_bytes` + 1 of them, so that a larger file can be refused.

    Raises
    ------
    RasterError
        If it cannot be read, or the URL has another scheme.
    """
    read: Callable[[str, int], bytes]
    if url.startswith(("http://", "https://")):
        read = http_content
    elif is_object_url(url):
        read = object_content
    else:
        raise RasterError(
            url,
            found="metadata at an address of another kind",
            expected="https:// or s3://",
            way_out="download the product, and give its folder or archive",
        )
    try:
        return read(url, limit_bytes + 1)
    except OutputError as error:  # the client of the bucket is that of outputs
        raise RasterError(
            url,
            problem=f"cannot be read ({str(error).partition(': ')[2].partition(';')[0]})",
            expected="a file of a product",
            way_out="check the address and the credentials",
        ) from None
