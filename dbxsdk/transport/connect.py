"""From an address to a connected byte stream: name look-up, TCP, proxy, TLS, within one deadline.

Done here rather than by websocket-client, which has no limit for the whole of it and no way to interrupt it.
"""

from __future__ import annotations

import base64
import ipaddress
import socket
import ssl
from typing import Any, Callable, Dict, List, Optional, Tuple
from urllib.parse import unquote, urlsplit

from dbxsdk.errors import ConnectError
from dbxsdk.runtime.clock import monotonic
from dbxsdk.runtime.fork import importing
from dbxsdk.transport.address import Address
from dbxsdk.transport.tls import TlsWire
from dbxsdk.transport.wire import Wire

_MAX_PROXY_ANSWER = 65536

Target = Tuple[Any, ...]
"""Where to connect, as ``getaddrinfo`` returns it."""


def connect(
    address: Address,
    deadline: float,
    proxy: Optional[str],
    ssl_context: Optional[ssl.SSLContext],
    publish: Callable[[socket.socket], None],
    source_address: Optional[str] = None,
) -> Wire:
    """Return a connected wire, or raise a ``ConnectError`` that says which step failed and what to check.

    ``publish`` is called with each socket as soon as it exists, before it connects, so that another thread can
    shut it down. ``source_address`` as in ``Options``.
    """
    proxy = _proxy_for(address) if proxy is None else proxy
    try:
        if proxy:
            raw = _through_proxy(address, proxy, deadline, publish, source_address)
        else:
            raw = _tcp(address.host, address.port, deadline, publish, source_address)
    except ConnectError:
        raise
    except SourceError as error:
        raise ConnectError(f"{address.endpoint}: {error}") from error
    except OSError as error:
        raise _tcp_error(address, proxy, error) from error
    try:
        if not address.secure:
            return Wire(raw)
        return TlsWire(raw, ssl_context or ssl.create_default_context(), address.host, deadline)
    except ssl.SSLCertVerificationError as error:
        raw.close()
        raise ConnectError(
            f"{address.endpoint}: TLS: the certificate was refused: {error.verify_message}. Check the host name, the "
            f"machine's clock and its root certificates, or whether a proxy reads the traffic"
        ) from error
    except (ssl.SSLError, ValueError) as error:
        raw.close()
        raise ConnectError(
            f"{address.endpoint}: TLS: the handshake failed: {error}. Check that the port speaks TLS (ws:// or wss://)"
        ) from error
    except OSError as error:
        raw.close()
        what = "timed out" if isinstance(error, socket.timeout) else f"failed: {error}"
        raise ConnectError(f"{address.endpoint}: TLS: the handshake {what}. Check that the port speaks TLS") from error
    except BaseException:
        raw.close()
        raise


class SourceError(OSError):
    """``source_address`` cannot be used."""


def _tcp(
    host: str, port: int, deadline: float, publish: Callable[[socket.socket], None], source_address: Optional[str]
) -> socket.socket:
    targets = look_up(host, port)
    if source_address is not None:
        targets = _same_family(targets, source_address, host)
    return reach(targets, deadline, publish, source_address)


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


def reach(
    targets: List[Target],
    deadline: float,
    publish: Callable[[socket.socket], None],
    source_address: Optional[str] = None,
) -> socket.socket:
    """Return a socket connected to the first address that answers. Raises ``OSError``."""
    error = OSError("no address")
    for index, (family, kind, protocol, _, target) in enumerate(targets):
        # Each address has its share, so that one that does not answer leaves time for the next.
        remaining = (deadline - monotonic()) / (len(targets) - index)
        if remaining <= 0:
            raise socket.timeout("timed out")
        raw = socket.socket(family, kind, protocol)
        try:
            # A request is one small write: it must not wait for the acknowledgement of the one before.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source_address is not None:
                _bind(raw, source_address)
            raw.settimeout(remaining)
            publish(raw)
            raw.connect(target)
            raw.settimeout(None)
            return raw
        except SourceError:
            raw.close()
            raise
        except OSError as failure:
            raw.close()
            error = failure
        except BaseException:
            raw.close()
            raise
    raise error


def _tcp_error(address: Address, proxy: str, error: OSError) -> ConnectError:
    where = f"{address.endpoint} (by proxy {urlsplit(proxy).hostname}:{urlsplit(proxy).port})" if proxy else address.endpoint
    if isinstance(error, socket.gaierror):
        return ConnectError(f"{where}: the host name was not found ({error.strerror}). Check the name and the DNS")
    if isinstance(error, socket.timeout):
        return ConnectError(f"{where}: TCP: no connection in time. Check the address, the firewall and the network")
    if isinstance(error, ConnectionRefusedError):
        return ConnectError(f"{where}: TCP: the connection was refused. Check the port, and that a server listens there")
    return ConnectError(f"{where}: TCP: {error.strerror or error}. Check the address and the network")


def _proxy_for(address: Address) -> str:
    """Return the environment's proxy for this address, found as requests finds it; "" for none."""
    if is_loopback(address.host):
        return ""
    with importing():
        import urllib.request  # here: it is slow to load, and not needed to be there

    if urllib.request.proxy_bypass(address.host):
        return ""
    proxies = urllib.request.getproxies()
    proxy = proxies.get("https" if address.secure else "http") or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def is_loopback(host: str) -> bool:
    """True for loopback addresses, which are never reached through a proxy."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _through_proxy(
    address: Address,
    proxy: str,
    deadline: float,
    publish: Callable[[socket.socket], None],
    source_address: Optional[str],
) -> socket.socket:
    try:
        parts = urlsplit(proxy)
        port = parts.port or 80
    except ValueError:  # without its text, which may hold the password
        raise ConnectError(f"{address.endpoint}: the environment's proxy is no valid URL") from None
    if parts.scheme.startswith("socks"):
        return _through_socks(address, proxy, deadline, publish, source_address)
    if parts.scheme != "http" or not parts.hostname:
        raise ConnectError(f"{address.endpoint}: the environment's proxy is of an unknown kind ({parts.scheme}://)")
    raw = _tcp(parts.hostname, port, deadline, publish, source_address)
    try:
        status = ask_proxy(raw, address, proxy, deadline)
        if status != "200":
            hint = "Check the proxy's user and password" if status == "407" else "Check that it may connect there"
            raise ConnectError(f"{address.endpoint}: the proxy {parts.hostname}:{parts.port} answered {status}. {hint}")
        return raw
    except BaseException:
        raw.close()
        raise


def ask_proxy(raw: socket.socket, address: Address, proxy: str, deadline: float) -> str:
    """Ask the HTTP proxy that ``raw`` is connected to for a tunnel to ``address``. Return its status: "200" is a yes."""
    parts = urlsplit(proxy)
    lines = [f"CONNECT {address.endpoint} HTTP/1.1", f"Host: {address.endpoint}"]
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    raw.settimeout(max(deadline - monotonic(), 0.001))
    raw.sendall("\r\n".join([*lines, "", ""]).encode())
    status = _proxy_status(raw, deadline)
    raw.settimeout(None)
    return status


def _proxy_status(raw: socket.socket, deadline: float) -> str:
    answer = b""
    while b"\r\n\r\n" not in answer:
        raw.settimeout(max(deadline - monotonic(), 0.001))
        # Byte by byte: what follows the answer belongs to the tunnel.
        byte = raw.recv(1)
        if not byte or len(answer) > _MAX_PROXY_ANSWER:
            raise ConnectError("the proxy did not answer as a proxy does. Check its address")
        answer += byte
    words = answer.split(b"\r\n", 1)[0].decode("latin-1").split()
    return words[1] if len(words) > 1 else "nothing"


def _through_socks(
    address: Address,
    proxy: str,
    deadline: float,
    publish: Callable[[socket.socket], None],
    source_address: Optional[str] = None,
) -> socket.socket:
    try:
        with importing():
            from python_socks import ProxyError
            from python_socks.sync import Proxy
    except ImportError:
        raise ConnectError("a SOCKS proxy needs the package python-socks: pip install python-socks") from None
    # The part after "socks5h" that python-socks wants said in another way: the proxy looks names up.
    scheme, rest = proxy.split("://", 1)
    remote_names = scheme in ("socks5h", "socks4a")
    tunnel = Proxy.from_url(f"{scheme[:6]}://{rest}", rdns=remote_names)
    options = {} if source_address is None else _local_address(proxy, source_address)
    timeout = max(deadline - monotonic(), 0.001)
    try:
        raw: socket.socket = tunnel.connect(address.host, address.port, timeout=timeout, **options)
    except ProxyError as error:
        raise ConnectError(f"{address.endpoint}: the SOCKS proxy refused: {error}. Check its address and rights") from error
    try:
        if source_address is not None:
            _check_local_address(raw, source_address)
        publish(raw)
    except BaseException:
        raw.close()
        raise
    raw.settimeout(None)
    return raw


def _local_address(proxy: str, source_address: str) -> Dict[str, Any]:
    """Return the arguments of python-socks for ``source_address``, which it does not check."""
    parts = urlsplit(proxy)
    _same_family(look_up(parts.hostname or "", parts.port or 80), source_address, parts.hostname or "")
    check_source(source_address)
    return {"local_addr": (source_address, 0)}


def _check_local_address(raw: socket.socket, source_address: str) -> None:
    """Raise ``SourceError`` if python-socks connected from another address: some versions ignore ``local_addr``."""
    used, wanted = (ipaddress.ip_address(text.partition("%")[0]) for text in (raw.getsockname()[0], source_address))
    if used != wanted and not wanted.is_unspecified:
        raise SourceError("this version of python-socks cannot connect from source_address: pip install -U python-socks")
