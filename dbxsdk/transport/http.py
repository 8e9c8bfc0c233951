"""HTTP GET requests with requests: for what venues offer beside their WebSocket."""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
from typing import Any, Callable, Dict, List, Mapping, Optional
from urllib.parse import urlsplit

import attrs

from dbxsdk import codec
from dbxsdk.errors import ConnectError, ProtocolError, without_frames
from dbxsdk.options import Options
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import importing
from dbxsdk.transport.address import Address
from dbxsdk.transport.connect import Route, SourceError, check_source, is_loopback, proxy_for, through_proxy
from dbxsdk.transport.redaction import redaction
from dbxsdk.transport.retry_after import retry_after
from dbxsdk.transport.tls import default_context

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; the longest list of markets has a few hundred thousand."""

_PIECE = 64 * 1024
_ENDLESS = "HTTP: the answer does not end. Check the address and the network"
_CUT_OFF = "HTTP: the answer was cut off. Check the network"
_FAILED = "HTTP: the request failed. Check the address and the network"
_FAILED_FROM = "HTTP: the request from source_address {} failed. Check that the host has an address of that family"


@attrs.frozen
class HttpAnswer:
    """An HTTP answer. ``document`` is None if the body is not JSON; ``retry_after`` has the header's seconds. The names of
    ``headers`` may be asked for in any spelling."""

    status: int
    document: Any = attrs.field(repr=False)
    retry_after: Optional[float] = None
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False, eq=False)


def parse_http_url(name: str, url: Any) -> str:
    """Return ``url``, or raise a ``TypeError``/``ValueError`` that names the argument ``name``."""
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str, not {type(url).__name__}")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or any(not c.isprintable() or c.isspace() for c in url):
        raise ValueError(f"{name} must be an http:// or https:// URL with a host")
    return url


def parse_origin(name: str, url: Any) -> str:
    """Return ``url`` as ``scheme://host:port``. Raises a ``TypeError``/``ValueError`` that names the argument ``name``, also if
    there is more in it."""
    parts = urlsplit(parse_http_url(name, url))
    if parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"{name} must be an origin, such as https://api.example.com: no path, query, user or password")
    return f"{parts.scheme}://{parts.netloc}"


def get(
    url: str,
    options: Options,
    *,
    timeout: float,
    params: Optional[Mapping[str, str]] = None,
    headers: Optional[Mapping[str, str]] = None,
    publish: Optional[Callable[[Any], None]] = None,
) -> HttpAnswer:
    """Send one GET request as ``HttpSession.get`` does, over a connection of its own."""
    with HttpSession(url, options) as session:
        return session.get(url, timeout=timeout, params=params, headers=headers, publish=publish)


class HttpSession:
    """Requests to the host of ``url``, one at a time, over a connection that is kept between them. Makes no I/O by itself."""

    def __init__(self, url: str, options: Options) -> None:
        self._options = options
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._address = Address("", parts.hostname or "", parts.port or (443 if self._secure else 80), self._secure)
        self._requests: Any = None
        self._proxy = ""
        self._asked = _Asked()
        self._aborted = False

    def __enter__(self) -> HttpSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def abort(self) -> None:
        """Shut down the sockets of the request under way, from another thread: it raises ``ConnectError``, as later ones do."""
        self._aborted = True
        limit = self._asked.limit
        if limit is not None:
            limit.shut()

    def close(self) -> None:
        """Close the connection. The next request would make another."""
        session, self._requests = self._requests, None
        if session is not None:
            session.close()

    def get(
        self,
        url: str,
        *,
        timeout: float,
        total: Optional[float] = None,
        params: Optional[Mapping[str, str]] = None,
        headers: Optional[Mapping[str, str]] = None,
        publish: Optional[Callable[[Any], None]] = None,
    ) -> HttpAnswer:
        """Send a GET request; redirects are not followed, since they would carry the headers to another host.

        ``timeout`` (seconds) bounds each wait for the network, and ``total`` (None: twice that) the whole, however slowly bytes
        may drip (not so the look-up of the name, and each of a host's addresses has its own); ``LARGEST_BODY`` bounds the body.
        Compressed bodies are not asked for and not taken, since some versions of urllib3 inflate a few bytes to gigabytes.
        ``publish`` takes the connected socket, so that another thread can shut it down. Raises ``ConnectError``, after which
        a retry is safe, as GET requests are; every HTTP status is an answer.
        """
        # Here and not above: it takes longer to import than all of this package, and most clients never need it.
        with importing():
            import requests
            from urllib3.exceptions import HTTPError  # some of which requests lets through

        host, source = self._address.host, self._options.source_address
        if source is not None:
            try:
                check_source(source)
            except SourceError as error:
                raise ConnectError(f"{host}: HTTP: {error}") from error
        failure: Optional[ConnectError] = None
        limit = _Limit(2 * timeout if total is None else total)
        try:
            session = self._open(limit, publish)
            if self._aborted:  # looked at once the limit is known, which ``abort`` would shut
                raise ConnectError(f"{host}: HTTP: closed")
            asked = {**(headers or {}), "Accept-Encoding": "identity"}
            get_it = functools.partial(session.get, url, params=params, headers=asked, timeout=timeout, stream=True)
            with redaction.guarded(), limit, get_it(
                proxies={"http": self._proxy, "https": self._proxy}, allow_redirects=False
            ) as answer:
                content = _body(answer, host, limit)
        except (requests.exceptions.RequestException, HTTPError, ConnectError, OSError, ValueError) as error:
            if limit.passed:
                reason = _ENDLESS
            elif isinstance(error, ConnectError):
                failure = error
            elif isinstance(error, requests.exceptions.SSLError):
                reason = "TLS failed. Check the host name, the clock and the root certificates"
            elif isinstance(error, requests.exceptions.ProxyError):
                reason = "the proxy refused. Check its address and rights"
            elif isinstance(error, requests.exceptions.Timeout):
                reason = "HTTP: no answer in time. Check the address and the network"
            elif isinstance(error, requests.exceptions.ChunkedEncodingError):
                reason = _CUT_OFF
            elif source is not None:
                reason = _FAILED_FROM.format(source)
            else:
                reason = _FAILED
            # With its cause, but without the text, the request and the frames, which hold URLs and headers.
            if failure is None:
                failure = ConnectError(f"{host}: {reason}")
                failure.__cause__ = OSError(type(error).__name__)
        if failure is not None:
            self.close()
            raise without_frames(failure)
        try:
            document = codec.decode(content)
        except ProtocolError:
            document = None
        return HttpAnswer(answer.status_code, document, retry_after(answer.headers), answer.headers)

    def _open(self, limit: _Limit, publish: Optional[Callable[[Any], None]]) -> Any:
        """Return the session of requests. ``limit`` and ``publish`` are those of the next request."""
        self._asked.limit, self._asked.publish = limit, publish
        if self._requests is None:
            import requests

            options, address = self._options, self._address
            session = requests.Session()
            session.trust_env = options.proxy is None and not is_loopback(address.host)
            proxy = proxy_for(address) if options.proxy is None else options.proxy
            tunnel = None
            if proxy.startswith("socks"):  # for which requests has no limit, and needs another package
                tunnel, proxy = functools.partial(self._asked.tunnel, address, proxy, options.source_address), ""
            adapter = _adapter(options, address.host, self._secure, self._asked, tunnel)
            session.mount("http://", adapter)
            session.mount("https://", adapter)
            self._requests, self._proxy = session, proxy
        return self._requests


class _Asked:
    """What the request under way brought with it; its connection may be an earlier one's."""

    limit: Optional[_Limit] = None
    publish: Optional[Callable[[Any], None]] = None

    def watch(self, raw: Any) -> None:
        """Let the limit, and whoever asked, end the socket ``raw``."""
        if raw is not None and self.limit is not None:
            self.limit.watch(raw)
            if self.publish is not None:
                self.publish(raw)

    def tunnel(self, address: Address, proxy: str, source: Optional[str]) -> socket.socket:
        assert self.limit is not None
        publish = self.limit.watch if self.publish is None else self.publish
        return through_proxy(address, proxy, Route(self.limit.deadline, publish, source))


class _Limit:
    """Context manager: total deadline of one request. Shuts its sockets down when time is up; a per-read timeout does not stop
    a peer that drips bytes. On a thread of its own, since the waiting one is within the read."""

    def __init__(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds
        self._timer = threading.Timer(seconds, self.shut)
        self._timer.daemon = True
        self._timer.name = "dbxsdk-http"
        self._lock = threading.Lock()
        self._sockets: List[Any] = []

    def __enter__(self) -> None:
        with contextlib.suppress(RuntimeError):  # no thread is to be had: the interpreter is shutting down
            self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._timer.ident is not None:
            self._timer.join()

    @property
    def passed(self) -> bool:
        return monotonic() >= self.deadline

    def watch(self, raw: Any) -> None:
        with self._lock:
            self._sockets.append(raw)
            if self.passed:
                shut_down(raw)

    def shut(self) -> None:
        """Shut the sockets down, and those that come later."""
        self.deadline = 0.0
        with self._lock:
            for raw in self._sockets:
                shut_down(raw)


def shut_down(raw: Any) -> None:
    """End a connection that another thread waits on: closing its socket would not wake that thread."""
    with contextlib.suppress(OSError, TypeError):  # not connected any more; TLS within a proxy's TLS, whose socket is here too
        socket.socket.shutdown(raw, socket.SHUT_RDWR)


def _body(answer: Any, host: str, limit: _Limit) -> bytes:
    """Read the body piece by piece: some hosts never end. A compressed one is empty if the status says it all."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", ""):
        if answer.status_code != 200:
            return b""
        raise ConnectError(f"{host}: HTTP: the answer came compressed, which was not asked for. Check the address and the proxy")
    parts = []
    length = 0
    for part in answer.iter_content(_PIECE):
        parts.append(part)
        length += len(part)
        if length > LARGEST_BODY:
            raise ConnectError(f"{host}: HTTP: the answer is too large. Check the address")
        if limit.passed:
            break
    if limit.passed:  # and cut off, by our hand
        raise OSError(_ENDLESS)
    if answer.raw.length_remaining:  # urllib3 looks at it since 2.0 only
        raise ConnectError(f"{host}: {_CUT_OFF}")
    return b"".join(parts)


class _Context:
    """A TLS context as urllib3 gets it, which, before 2.0, names no host to it that is an IP address."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        vars(self).update(_context=context, _host=host)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._context, name, value)

    def wrap_socket(self, *args: Any, **kwargs: Any) -> Any:
        return self._context.wrap_socket(*args, **{"server_hostname": self._host, **kwargs})


class _Untouched(_Context):
    """A user's: urllib3 would load its own authorities, ALPN protocols and mode into it, for all its later uses."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Leave it as it is."""

    def _leave(self, *_: Any, **__: Any) -> None:
        """Leave it as it is."""

    load_verify_locations = load_default_certs = set_alpn_protocols = _leave


def _adapter(
    options: Options,
    host: str,
    secure: bool,
    asked: _Asked,
    tunnel: Optional[Callable[[], socket.socket]],
) -> Any:
    """Return an adapter for ``requests``. ``tunnel()`` connects, in place of urllib3."""
    from requests.adapters import HTTPAdapter

    context = options.ssl_context
    settings: Dict[str, Any] = {}
    if secure and context is None:
        settings["ssl_context"] = _Context(default_context(), host)
    elif context is not None:
        settings["ssl_context"] = _Untouched(context, host)
        if not context.check_hostname:
            settings["assert_hostname"] = False  # else urllib3 compares the names itself
    if options.source_address is not None:
        settings["source_address"] = (options.source_address, 0)

    def publishing(pool_class: Any) -> Any:
        class Connection(pool_class.ConnectionCls):  # type: ignore[misc]
            debuglevel = 0
            """Whatever ``http.client`` is set to: it would print the headers."""

            def _new_conn(self) -> Any:
                try:
                    raw = super()._new_conn() if tunnel is None else tunnel()
                except (BrokenPipeError, ConnectionResetError) as error:  # which urllib3 takes for an answer that came early
                    raise OSError(str(error)) from error
                asked.watch(raw)  # a proxy may drip, too, before ``connect`` returns
                return raw

            def _tunnel(self) -> None:
                super()._tunnel()
                # The end of the stream is taken for the end of the proxy's answer.
                if asked.limit is not None and asked.limit.passed:
                    raise OSError(_ENDLESS)

            def connect(self) -> None:
                super().connect()
                asked.watch(self.sock)  # TLS has taken the other's place
                if context is not None:
                    self.is_verified = True  # as far as its user wants it: no warning of urllib3's is due

            def putrequest(self, *args: Any, **kwargs: Any) -> Any:
                asked.watch(self.sock)  # of an earlier request; None: it is made in a moment
                return super().putrequest(*args, **kwargs)

        class Pool(pool_class):  # type: ignore[misc]
            ConnectionCls = Connection

        return Pool

    def prepare(manager: Any) -> None:
        classes = manager.pool_classes_by_scheme
        manager.pool_classes_by_scheme = {scheme: publishing(pool_class) for scheme, pool_class in classes.items()}

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **{**kwargs, **settings})
            prepare(self.poolmanager)

        def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(proxy, **{**kwargs, **settings})
            prepare(manager)
            return manager

    return Adapter()
