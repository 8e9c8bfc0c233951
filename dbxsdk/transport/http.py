"""One HTTP request with requests: for what venues offer beside their WebSocket."""

from __future__ import annotations

import ssl
import time
from typing import Any, Callable, Mapping, Optional
from urllib.parse import urlsplit

import attrs

from dbxsdk import codec
from dbxsdk.errors import ConnectError, ProtocolError
from dbxsdk.forking import importing
from dbxsdk.options import Options
from dbxsdk.transport.connect import is_loopback
from dbxsdk.transport.retry_after import retry_after

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; the longest list of markets has a few hundred thousand."""

_PIECE = 64 * 1024


@attrs.frozen
class HttpAnswer:
    """``document`` is None where the body is not JSON; ``retry_after`` has the header's seconds."""

    status: int
    document: Any = attrs.field(repr=False)
    retry_after: Optional[float] = None


def parse_http_url(name: str, url: Any) -> str:
    """``url``, or a ``TypeError``/``ValueError`` that names the argument ``name``."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str, not {type(url).__name__}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(not c.isprintable() or c.isspace() for c in url):
        raise ValueError(f"{name} must be an http:// or https:// URL with a host")
    return url


def get(
    url: str,
    options: Options,
    *,
    timeout: float,
    params: Optional[Mapping[str, str]] = None,
    headers: Optional[Mapping[str, str]] = None,
    publish: Optional[Callable[[Any], None]] = None,
) -> HttpAnswer:
    """Sends a GET request; redirects are not followed, since they would carry the headers to another host.

    ``timeout`` (seconds) bounds each wait for the network, and about twice it the whole; ``LARGEST_BODY`` bounds the body,
    inflated. ``publish`` takes the connected socket, so that another thread can shut it down. Raises ``ConnectError``;
    every HTTP status is an answer.
    """
    # Here and not above: it takes longer to import than all of this package, and most clients never need it.
    with importing():
        import requests
        import requests.adapters

    host = urlsplit(url).hostname or ""
    with requests.Session() as session:
        session.trust_env = options.proxy is None and not is_loopback(host)
        proxies = {"http": options.proxy, "https": options.proxy} if options.proxy else None
        adapter = _adapter(options.ssl_context, publish)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        try:
            answer = session.get(
                url, params=params, headers=headers, timeout=timeout, proxies=proxies, allow_redirects=False, stream=True
            )
            content = _body(answer, host, time.monotonic() + timeout)
        except requests.exceptions.SSLError as error:
            raise ConnectError(f"{host}: TLS failed. Check the host name, the clock and the root certificates") from _bare(error)
        except requests.exceptions.ProxyError as error:
            raise ConnectError(f"{host}: the proxy refused. Check its address and rights") from _bare(error)
        except requests.exceptions.Timeout as error:
            raise ConnectError(f"{host}: HTTP: no answer in time. Check the address and the network") from _bare(error)
        except (requests.exceptions.RequestException, OSError, ValueError) as error:
            raise ConnectError(f"{host}: HTTP: the request failed. Check the address and the network") from _bare(error)
    try:
        document = codec.decode(content)
    except ProtocolError:
        document = None
    return HttpAnswer(answer.status_code, document, retry_after(answer.headers))


def _body(answer: Any, host: str, deadline: float) -> bytes:
    """Piece by piece: a few bytes may inflate to gigabytes, and some hosts never end."""
    parts = []
    length = 0
    for part in answer.iter_content(_PIECE):
        parts.append(part)
        length += len(part)
        if length > LARGEST_BODY:
            raise ConnectError(f"{host}: HTTP: the answer is too large. Check the address")
        if time.monotonic() > deadline:
            raise ConnectError(f"{host}: HTTP: the answer does not end. Check the address and the network")
    return b"".join(parts)


def _bare(error: BaseException) -> Exception:
    """The cause without its text and its request, which hold URLs and headers."""
    return OSError(type(error).__name__)


def _adapter(context: Optional[ssl.SSLContext], publish: Optional[Callable[[Any], None]]) -> Any:
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def publishing(connection_class: Any, pool_class: Any) -> Any:
        class Connection(connection_class):  # type: ignore[misc]
            def connect(self) -> None:
                super().connect()
                if publish is not None:
                    publish(self.sock)

        class Pool(pool_class):  # type: ignore[misc]
            ConnectionCls = Connection

        return Pool

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            if context is not None:
                kwargs["ssl_context"] = context
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {
                "http": publishing(HTTPConnection, HTTPConnectionPool),
                "https": publishing(HTTPSConnection, HTTPSConnectionPool),
            }

    return Adapter()
