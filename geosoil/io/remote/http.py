"""Request the length, ETag and modification time of a file on a web server, or its content, as GDAL would."""

from __future__ import annotations

import base64
import csv
import ssl
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener

from rasterio.env import get_gdal_config
from rasterio.errors import RasterioError

from geosoil.errors import RasterError
from geosoil.io.remote.reading import WAY_OUT, UnreadError, read_with_retries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")
_TIMEOUT_S = 30.0


def http_metadata(url: str) -> str:
    """Return the length, ETag and modification time of a file on a web server, as text.

    The first byte is requested, because URLs that are signed for GET do not allow HEAD. Credentials in the URL and the
    GDAL options for headers, credentials, proxies, certificates and retries apply.

    Parameters
    ----------
    url : str
        An http:// or https:// URL.

    Returns
    -------
    str
        The three values, separated by spaces; empty where the server does not send them.

    Raises
    ------
    RasterError
        If the file cannot be requested.
    """

    def text_of(response: Any) -> str:
        header = response.headers
        length = header.get("Content-Range", "").rpartition("/")[2] or header.get("Content-Length", "")
        return " ".join((length, header.get("ETag", ""), header.get("Last-Modified", "")))

    return _request(url, {"Range": "bytes=0-0"}, text_of)


def http_content(url: str, most_bytes: int) -> bytes:
    """Return the first `most_bytes` bytes of a file on a web server; raises RasterError if it cannot be requested."""

    def content_of(response: Any) -> bytes:
        content: bytes = response.read(most_bytes)
        stated = response.headers.get("Content-Length", "")
        if stated.isdecimal() and len(content) < min(int(stated), most_bytes):
            raise OSError("the answer is not whole")
        return content

    return _request(url, {}, content_of)


def http_range(url: str, first: int, count: int) -> tuple[bytes, int, str]:
    """Return `count` bytes of a file on a web server, its length, and its ETag and time.

    Parameters
    ----------
    url : str
        An http:// or https:// URL.
    first, count : int
        The position of the first byte, and the number of bytes; fewer are returned at the end of the file.

    Raises
    ------
    RasterError
        If the file cannot be requested, or the server sends whole files only.
    """

    def part_of(response: Any) -> tuple[bytes, int, str]:
        header = response.headers
        total = header.get("Content-Range", "").rpartition("/")[2]
        if response.status != HTTPStatus.PARTIAL_CONTENT or not total.isdecimal():
            raise RasterError(
                url,
                found="a server that sends whole files only",
                expected="answers to requests for ranges of bytes",
                way_out="download the file, and give the path of the copy",
            )
        content: bytes = response.read(count)
        if len(content) != min(count, int(total) - first):
            raise OSError("the answer is not whole")
        return content, int(total), f"{header.get('ETag', '')} {header.get('Last-Modified', '')}"

    return _request(url, {"Range": f"bytes={first}-{first + count - 1}"}, part_of)


def _request(url: str, headers: dict[str, str], read: Callable[[Any], T]) -> T:
    """Return what `read` makes of the answer to a request, which is repeated if it failed."""
    parts = urlsplit(url)
    # The network location without the login, which is sent as a header: urllib would use it as part of the host name.
    request = Request(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])), headers=headers)
    for name, value in _headers(parts.netloc.rpartition("@")[0]):
        request.add_unredirected_header(name, value)
    opener = build_opener(_SameHostRedirects, HTTPSHandler(context=_ssl_context()), *_proxies())

    def attempt() -> T:
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as response:
                return read(response)
        except HTTPError as error:
            error.close()
            raise RasterioError(f"HTTP response code: {error.code}") from None
        except (OSError, HTTPException, ValueError) as error:
            raise RasterioError(str(getattr(error, "reason", error))) from None

    try:
        return read_with_retries(url, attempt)
    except UnreadError as error:
        raise RasterError(url, problem=f"cannot be requested ({error})", way_out=WAY_OUT) from None


class _SameHostRedirects(HTTPRedirectHandler):
    """Send credentials again after a redirect to the same host, and never to another one."""

    def redirect_request(self, req: Request, *arguments: Any) -> Request | None:
        redirected = super().redirect_request(req, *arguments)
        if redirected is not None and (redirected.type, redirected.host) == (req.type, req.host):
            redirected.unredirected_hdrs.update(req.unredirected_hdrs)
        return redirected


def _option(name: str) -> str:
    return str(get_gdal_config(name, normalize=False) or "")


def _headers(login: str) -> Iterator[tuple[str, str]]:
    """Yield the headers of the login of a URL and of the GDAL options."""
    login = unquote(login) or _option("GDAL_HTTP_USERPWD")
    if login:
        yield "Authorization", f"Basic {base64.b64encode(login.encode()).decode()}"
    elif bearer := _option("GDAL_HTTP_BEARER"):
        yield "Authorization", f"Bearer {bearer}"
    for option, name in (("USERAGENT", "User-agent"), ("COOKIE", "Cookie"), ("REFERER", "Referer")):
        if value := _option(f"GDAL_HTTP_{option}"):
            yield name, value
    text = _option("GDAL_HTTP_HEADERS")
    lines = text.splitlines()
    for line in lines if len(lines) > 1 else next(csv.reader([text], skipinitialspace=True), []):
        name, separator, value = line.partition(":")
        if separator:
            yield name.strip(), value.strip()


def _ssl_context() -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=_option("CURL_CA_BUNDLE") or _option("GDAL_CURL_CA_BUNDLE") or None)
    if _option("GDAL_HTTP_UNSAFESSL").upper() in ("YES", "TRUE", "ON", "1"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _proxies() -> list[ProxyHandler]:
    """Return the proxies of the GDAL options; none if urllib should use those of the environment."""
    http = _option("GDAL_HTTP_PROXY")
    proxies = {"http": http, "https": _option("GDAL_HTTPS_PROXY") or http}
    proxies = {scheme: proxy if "://" in proxy else f"http://{proxy}" for scheme, proxy in proxies.items() if proxy}
    return [ProxyHandler(proxies)] if proxies else []
