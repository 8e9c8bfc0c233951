"""From an address to a connected byte stream: name look-up, TCP, proxy, TLS, within one deadline.

Done here rather than by websocket-client, which has no limit for the whole of it and no way to interrupt it.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
import warnings
from typing import Any, Callable, List, Optional, Set, Tuple
from urllib.parse import unquote, urlsplit

import attrs

from dbxsdk.credentials import ProxyUrl
from dbxsdk.errors import ConnectError
from dbxsdk.options import PROXY_SCHEMES
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import importing
from dbxsdk.transport.address import Address
from dbxsdk.transport.socks import Asking, SocksError
from dbxsdk.transport.tls import TlsWire
from dbxsdk.transport.wire import Wire

_MAX_PROXY_ANSWER = 65536

Target = Tuple[Any, ...]
"""Where to connect, as ``getaddrinfo`` returns it."""


def connect(address: Address, proxy: Optional[str], ssl_context: Optional[ssl.SSLContext], route: "Route") -> Wire:
    """Return a connected wire, or raise a ``ConnectError`` that says which step failed and what to check."""
    proxy = proxy_for(address) if proxy is None else proxy
    try:
        raw = through_proxy(address, proxy, route) if proxy else route.tcp(address.host, address.port)
    except ConnectError:
        raise
    except SourceError as error:
        raise ConnectError(f"{address.endpoint}: {error}") from error
    except OSError as error:
        raise _tcp_error(address, proxy, error) from error
    try:
        if not address.secure:
            return Wire(raw)
        return TlsWire(raw, ssl_context or ssl.create_default_context(), address.host, route.deadline)
    except BaseException as error:
        raw.close()
        if isinstance(error, (OSError, ValueError)):
            raise ConnectError(f"{address.endpoint}: TLS: {_tls_reason(error)}") from error
        raise


def _tls_reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate was refused: {error.verify_message}. Check the host name, the machine's clock and its root "
            f"certificates, or whether a proxy reads the traffic"
        )
    if isinstance(error, (ssl.SSLError, ValueError)):
        return f"the handshake failed: {error}. Check that the port speaks TLS (ws:// or wss://)"
    what = "timed out" if isinstance(error, socket.timeout) else f"failed: {error}"
    return f"the handshake {what}. Check that the port speaks TLS"


@attrs.frozen
class Route:
    """How sockets are connected: within one ``deadline``, and from ``source_address`` (as in ``Options``). ``publish`` is called
    with each socket as soon as it exists, before it connects, so that another thread can shut it down."""

    deadline: float
    publish: Callable[[socket.socket], None] = lambda raw: None
    source_address: Optional[str] = None

    def send(self, raw: socket.socket, data: bytes) -> None:
        """Send all of ``data`` by the deadline. Raises ``OSError``."""
        raw.settimeout(self._left())
        raw.sendall(data)

    def receive(self, raw: socket.socket, most: int) -> bytes:
        """Return up to ``most`` bytes, as soon as any are there. Raises ``OSError``, also when the deadline has passed: a
        peer may drip."""
        raw.settimeout(self._left())
        return raw.recv(most)

    def _left(self) -> float:
        left = self.deadline - monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        return left

    def tcp(self, host: str, port: int) -> socket.socket:
        """Return a socket connected to ``host``. Raises ``OSError``."""
        targets = look_up(host, port)
        return self.reach(targets if self.source_address is None else _same_family(targets, self.source_address, host))

    def reach(self, targets: List[Target]) -> socket.socket:
        """Return a socket connected to the first address that answers. Raises ``OSError``."""
        error = OSError("no address")
        for index, (family, kind, protocol, _, target) in enumerate(targets):
            # Each address has its share, so that one that does not answer leaves time for the next.
            remaining = (self.deadline - monotonic()) / (len(targets) - index)
            if remaining <= 0:
                raise socket.timeout("timed out")
            raw = socket.socket(family, kind, protocol)
            try:
                # A request is one small write: it must not wait for the acknowledgement of the one before.
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if self.source_address is not None:
                    _bind(raw, self.source_address)
                raw.settimeout(remaining)
                self.publish(raw)
                raw.connect(target)
                raw.settimeout(None)
                return raw
            except BaseException as failure:
                raw.close()
                if isinstance(failure, SourceError) or not isinstance(failure, OSError):
                    raise
                error = failure
        raise error


class SourceError(OSError):
    """``source_address`` cannot be used."""


def look_up(host: str, port: int) -> List[Target]:
    """Return the addresses of a host. Takes as long as the system's resolver does. Raises ``OSError``."""
    try:
        targets = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except UnicodeError:
        raise socket.gaierror(socket.EAI_NONAME, "it is no host name") from None
    if not targets:
        raise OSError(f"{host} has no address")
    return targets


def _same_family(targets: List[Target], source_address: str, host: str) -> List[Target]:
    family = _family(source_address)
    found = [target for target in targets if target[0] == family]
    if not found:
        name = "IPv4" if family == socket.AF_INET else "IPv6"
        raise SourceError(f"source_address {source_address} is an {name} address, and {host} has none. Check source_address")
    return found


def _family(source_address: str) -> socket.AddressFamily:
    return socket.AF_INET if ipaddress.ip_address(source_address).version == 4 else socket.AF_INET6


def check_source(source_address: str) -> None:
    """Raise ``SourceError`` if this machine does not have that address."""
    with socket.socket(_family(source_address), socket.SOCK_STREAM) as raw:
        _bind(raw, source_address)


def _bind(raw: socket.socket, source_address: str) -> None:
    try:
        # By getaddrinfo, which knows the zone in "fe80::1%eth0".
        raw.bind(socket.getaddrinfo(source_address, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)[0][4])
    except OSError as error:
        reason = f"{error.strerror or error}. Check that it is this machine's"
        raise SourceError(f"no connection from source_address {source_address}: {reason}") from error


def _tcp_error(address: Address, proxy: str, error: OSError) -> ConnectError:
    where = f"{address.endpoint} (by proxy {urlsplit(proxy).hostname}:{urlsplit(proxy).port})" if proxy else address.endpoint
    if isinstance(error, socket.gaierror):
        return ConnectError(f"{where}: the host name was not found ({error.strerror}). Check the name and the DNS")
    if isinstance(error, socket.timeout):
        return ConnectError(f"{where}: TCP: no connection in time. Check the address, the firewall and the network")
    if isinstance(error, ConnectionRefusedError):
        return ConnectError(f"{where}: TCP: the connection was refused. Check the port, and that a server listens there")
    return ConnectError(f"{where}: TCP: {error.strerror or error}. Check the address and the network")


def proxy_for(address: Address) -> str:
    """Return the environment's proxy for this address, found as requests finds it; "" for none."""
    if is_loopback(address.host):
        return ""
    with importing():
        import urllib.request  # here: it is slow to load, and not needed to be there

    proxies = {name: ProxyUrl(url) for name, url in urllib.request.getproxies().items()}
    proxy = proxies.get("https" if address.secure else "http") or proxies.get("all") or ""
    if not proxy:
        return ""
    with importing():
        from requests.utils import should_bypass_proxies  # slower still: only if there is a proxy to pass by

    if should_bypass_proxies(f"http://{address.endpoint}", no_proxy=None):
        return ""
    return ProxyUrl(proxy if "://" in proxy else f"http://{proxy}")


def is_loopback(host: str) -> bool:
    """True for loopback addresses, which are never reached through a proxy."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def through_proxy(address: Address, proxy: str, route: Route) -> socket.socket:
    """Return a socket connected to ``address`` by the proxy. Raises ``ConnectError``, ``OSError``."""
    try:
        parts = urlsplit(proxy)
        host, port = proxy_host(proxy)
    except ValueError:  # without its text, which may hold the password
        raise ConnectError(f"{address.endpoint}: the environment's proxy is no valid URL") from None
    if parts.scheme not in PROXY_SCHEMES or not host:
        raise ConnectError(f"{address.endpoint}: the environment's proxy is of an unknown kind ({parts.scheme}://)")
    raw = route.tcp(host, port)
    try:
        if parts.scheme != "http":
            ask_socks(raw, address, proxy, route)
            return raw
        status = ask_proxy(raw, address, proxy, route)
        if status != "200":
            hint = "Check the proxy's user and password" if status == "407" else "Check that it may connect there"
            raise ConnectError(f"{address.endpoint}: the proxy {host}:{port} answered {status}. {hint}")
        return raw
    except BaseException:
        raw.close()
        raise


_warned: Set[str] = set()


def warn_if_readable(host: str, stacklevel: int) -> None:
    """Warn, once a host, about a key that is sent there without TLS."""
    if not is_loopback(host) and host not in _warned:
        _warned.add(host)
        what = f"the key goes to {host} without TLS, so that everybody on the way can read it: use wss:// and https://"
        warnings.warn(what, RuntimeWarning, stacklevel=stacklevel + 1)


def proxy_host(proxy: str) -> Tuple[str, int]:
    """Return where a proxy is. Raises ``ValueError``."""
    parts = urlsplit(proxy)
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 1080)


def ask_proxy(raw: socket.socket, address: Address, proxy: str, route: Route) -> str:
    """Ask the HTTP proxy that ``raw`` is connected to for a tunnel to ``address``. Return its status: "200" is a yes."""
    parts = urlsplit(proxy)
    lines = [f"CONNECT {address.endpoint} HTTP/1.1", f"Host: {address.endpoint}"]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    route.send(raw, "\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        byte = route.receive(raw, 1)  # byte by byte: what follows the answer belongs to the tunnel
        if not byte or len(answer) > _MAX_PROXY_ANSWER:
            raise ConnectError("the proxy did not answer as a proxy does. Check its address")
        answer += byte
    raw.settimeout(None)
    words = answer.split(b"\r\n", 1)[0].decode("latin-1").split()
    return words[1] if len(words) > 1 else "nothing"


def ask_socks(raw: socket.socket, address: Address, proxy: str, route: Route) -> None:
    """Ask the SOCKS proxy that ``raw`` is connected to for a tunnel to ``address``. Raises ``ConnectError``, ``OSError``."""
    asking = Asking(lambda data: route.send(raw, data), lambda most: route.receive(raw, most))
    try:
        asking.ask(proxy, address.host, address.port, lambda: [target[4][0] for target in look_up(address.host, address.port)])
    except SocksError as error:
        raise ConnectError(f"{address.endpoint}: the SOCKS proxy refused: {error}. Check its address and rights") from None
    raw.settimeout(None)
