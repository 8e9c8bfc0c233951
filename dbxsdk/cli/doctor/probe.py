"""Makes one connection step by step, to name the obstacle: for ``dbxsdk doctor``.

The steps are those of ``connect``, by its own parts, and the handshake is websocket-client's: what is examined is what
clients do.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from email.utils import parsedate_to_datetime
from typing import Any, Iterator, List, Optional, Tuple
from urllib.parse import urlsplit

import attrs
import websocket

from dbxsdk.cli.doctor.certificate import Certificate, read_certificate
from dbxsdk.errors import ConnectError
from dbxsdk.options import PROXY_SCHEMES
from dbxsdk.runtime.clock import monotonic
from dbxsdk.transport.address import Address
from dbxsdk.transport.connect import Route, Target, ask_proxy, ask_socks, is_loopback, look_up, proxy_for, proxy_host
from dbxsdk.transport.frames import CLOSE, NORMAL, encode
from dbxsdk.transport.retry_after import retry_after
from dbxsdk.transport.tls import TlsWire, default_context
from dbxsdk.transport.wire import Wire

_EXPIRED, _NOT_YET_VALID = 10, 9
_OTHER_NAME = (62, 64)
"""OpenSSL's X509_V_ERR numbers: of a host name, of an IP address."""


class Obstacle(Exception):
    """An obstacle to a connection: ``cause`` is one word, ``figures`` are what was seen."""

    def __init__(self, cause: str, message: str, **figures: Any) -> None:
        super().__init__(message)
        self.cause = cause
        self.figures = figures


@attrs.frozen
class Tls:
    """The agreed TLS parameters."""

    version: str
    cipher: str
    certificate: Optional[Certificate]


@attrs.frozen
class Answer:
    """The answer to a WebSocket handshake. ``date`` is the peer's clock in seconds since 1970, if it was sent, and
    ``asked`` and ``answered`` are this machine's at both ends of the wait."""

    status: int
    date: Optional[float]
    asked: float
    answered: float
    retry_after: Optional[float]


class Probe:
    """One connection to ``address``, used once; the steps in their order, each at most once. All raise ``Obstacle``.

    ``timeout`` (seconds) bounds the steps as far as TLS together, and the handshake. Every call is the same thread's.
    """

    def __init__(self, address: Address, proxy: Optional[str], timeout: float) -> None:
        """Prepare; ``proxy`` as in ``Options``."""
        self._address = address
        self._given = proxy
        self._proxy = ""
        self._timeout = timeout
        self._deadline = monotonic() + timeout
        self._targets: List[Target] = []
        self._raw: Optional[socket.socket] = None
        self._wire: Optional[Wire] = None

    def close(self) -> None:
        """Close what is open."""
        if self._wire is not None:
            self._wire.release()
        if self._raw is not None:
            self._raw.close()

    # -- the steps -----------------------------------------------------------------------------------

    def find_proxy(self) -> Tuple[str, str]:
        """Return the proxy, without its password (``""`` for none), and where it is set."""
        if self._given is None:
            with self._named():
                self._proxy = proxy_for(self._address)
        else:
            self._proxy = self._given
        if not self._proxy:
            return "", _why_none(self._address, self._given)
        # Without a variable it is one of the system's settings (macOS, Windows).
        source = "--proxy" if self._given is not None else _set_by(self._address) or "the system's settings"
        try:
            parts = urlsplit(self._proxy)
            host, port = proxy_host(self._proxy)
            shown = f"{parts.scheme}://{'***@' if parts.username else ''}{host}:{port}"
            known = host and parts.scheme in PROXY_SCHEMES
        except ValueError:
            known, shown = None, "what it holds"
        if not known:  # without its text, which may hold the password
            raise Obstacle("bad_proxy", f"the proxy of {source} cannot be used: it must be a URL like http://host:3128")
        return shown, source

    def look_up(self) -> List[str]:
        """Look up the addresses of the venue, or of the proxy if there is one (which then looks up the venue)."""
        host, port = self._next_peer()
        found: List[Any] = []

        def ask() -> None:
            try:
                found.append(look_up(host, port))
            except OSError as error:
                found.append(error)

        # The resolver cannot be interrupted: it has a thread that may be left behind.
        asking = threading.Thread(target=ask, name="dbxsdk-doctor-resolver", daemon=True)
        asking.start()
        asking.join(self._left())
        if not found:
            raise Obstacle("dns_timed_out", f"{host}: the DNS lookup did not end in time")
        if isinstance(found[0], OSError):
            cause = "dns_failed" if getattr(found[0], "errno", 0) == socket.EAI_AGAIN else "name_not_found"
            raise Obstacle(cause, f"{host}: {found[0].strerror or found[0]}")
        self._targets = found[0]
        return list(dict.fromkeys(str(target[4][0]) for target in self._targets))

    def tcp(self) -> str:
        """Connect to the first address that answers, and return it."""
        host, port = self._next_peer()
        with self._named():
            self._raw = Route(self._deadline).reach(self._targets)
        name, number = self._raw.getpeername()[:2]
        return f"[{name}]:{number}" if ":" in name else f"{name}:{number}"

    def tunnel(self) -> None:
        """Connect through the proxy to the venue."""
        with self._named():
            self._raw = self._tunnelled(self._raw)

    def tls(self) -> Tls:
        """Make the TLS handshake, with the certificate checked."""
        try:
            wire = self._encrypted(default_context())
        except ssl.SSLCertVerificationError as error:
            code = error.verify_code
            cause = {_EXPIRED: "certificate_expired", _NOT_YET_VALID: "certificate_not_yet_valid"}.get(code)
            cause = cause or ("certificate_of_another_host" if code in _OTHER_NAME else "certificate_not_trusted")
            raise Obstacle(cause, str(error.verify_message).rstrip("."), certificate=self._unchecked()) from None
        except Obstacle as error:
            if error.cause == "ended":
                raise Obstacle("tls_failed", "the peer ended the connection during the TLS handshake") from None
            raise
        version, cipher = wire._tls.version(), wire._tls.cipher()
        return Tls(version or "", cipher[0] if cipher else "", read_certificate(wire._tls.getpeercert(True) or b""))

    def handshake(self, address: Address) -> Answer:
        """Make the WebSocket handshake at ``address``: the same host, with the key or token if one is needed. A status other
        than 101 is an answer, too."""
        if self._wire is None:
            assert self._raw is not None
            self._wire, self._raw = Wire(self._raw), None
        wire = self._wire
        wire.deadline = monotonic() + self._timeout  # restarted: a token may have been waited for
        ws = websocket.WebSocket()
        headers = [f"{name}: {value}" for name, value in address.headers.items()]
        asked = time.time()
        status, fields = 0, {}
        with self._named():
            try:
                connect: Any = ws.connect
                # A redirect is not followed, here as there: it would carry the key to another host.
                connect(address.url, socket=wire, header=headers, suppress_origin=True, redirect_limit=0)
                status, fields = ws.getstatus() or 0, dict(ws.getheaders() or {})
            except websocket.WebSocketBadStatusException as error:
                status, fields = error.status_code, dict(error.resp_headers or {})
            except websocket.WebSocketTimeoutException:
                raise socket.timeout("timed out") from None
            except websocket.WebSocketConnectionClosedException:
                raise
            except (ValueError, IndexError):
                raise Obstacle("no_websocket", "the answer is not HTTP") from None
            except websocket.WebSocketException as error:
                response = ws.handshake_response
                if response is None or response.status == 101:
                    raise Obstacle("no_websocket", f"the answer is not a WebSocket handshake: {error}") from None
                status, fields = response.status, dict(response.headers or {})
        answered = time.time()
        if status == 101:
            with contextlib.suppress(OSError):
                wire.write(encode(CLOSE, NORMAL.to_bytes(2, "big")), 1.0)
        return Answer(status, _date(fields.get("date")), asked, answered, retry_after(fields))

    # -- below ---------------------------------------------------------------------------------------

    def _left(self) -> float:
        return max(self._deadline - monotonic(), 0.001)

    def _next_peer(self) -> Tuple[str, int]:
        return proxy_host(self._proxy) if self._proxy else (self._address.host, self._address.port)

    def _tunnelled(self, raw: Optional[socket.socket]) -> socket.socket:
        """Return a socket that is connected to the venue; ``raw`` is connected to the proxy."""
        assert raw is not None
        if urlsplit(self._proxy).scheme != "http":
            ask_socks(raw, self._address, self._proxy, Route(self._deadline))
            return raw
        status = ask_proxy(raw, self._address, self._proxy, Route(self._deadline))
        if status != "200":
            cause = "proxy_needs_password" if status == "407" else "proxy_refused"
            raise Obstacle(cause, f"the proxy answered HTTP {status}", status=int(status) if status.isdigit() else status)
        return raw

    def _encrypted(self, context: ssl.SSLContext) -> TlsWire:
        raw, self._raw = self._raw, None
        assert raw is not None
        try:
            with self._named():
                wire = TlsWire(raw, context, self._address.host, self._deadline)
        except BaseException:
            raw.close()
            raise
        self._wire = wire
        return wire

    def _unchecked(self) -> Optional[Certificate]:
        """Read the refused certificate, by a second connection, over which nothing is sent: its issuer shows whether a proxy
        reads the traffic."""
        context = default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            self._raw = Route(self._deadline).reach(self._targets)
            if self._proxy:
                self._raw = self._tunnelled(self._raw)
            return read_certificate(self._encrypted(context)._tls.getpeercert(True) or b"")
        except (OSError, Obstacle, ConnectError):
            return None

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Turn what the network raises into an ``Obstacle``, but for a refused certificate."""
        try:
            yield
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLEOFError:
            raise Obstacle("ended", "the peer ended the connection") from None
        except ssl.SSLError as error:
            raise Obstacle("tls_failed", f"the TLS handshake failed: {error.reason or error}") from None
        except socket.timeout:
            raise Obstacle("timed_out", "no answer in time") from None
        except ConnectionRefusedError:
            raise Obstacle("refused", "the connection was refused") from None
        except (ConnectionError, websocket.WebSocketConnectionClosedException):
            raise Obstacle("ended", "the peer ended the connection") from None
        except ConnectError as error:
            raise Obstacle("proxy_failed", str(error)) from None
        except OSError as error:
            raise Obstacle("unreachable", error.strerror or str(error)) from None


def _why_none(address: Address, given: Optional[str]) -> str:
    if given is not None:
        return "--proxy"
    if is_loopback(address.host):
        return "this machine's own address needs none"
    return (_set_by(address) and _variable("no_proxy")) or "no proxy is set"


def _set_by(address: Address) -> str:
    """Return the environment variable that holds the proxy of an address; ``""`` if none does."""
    names = ("https_proxy" if address.secure else "http_proxy", "all_proxy")
    return next(filter(None, map(_variable, names)), "")


def _variable(name: str) -> str:
    """Return the environment's spelling of a variable that is set; ``""`` if it is not."""
    return next((spelled for spelled in (name, name.upper()) if os.environ.get(spelled)), "")


def _date(text: Optional[str]) -> Optional[float]:
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (TypeError, ValueError, IndexError, OverflowError, OSError):
        return None
