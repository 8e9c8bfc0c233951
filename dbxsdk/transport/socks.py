"""SOCKS 4, 4a and 5 (RFC 1928 and 1929): asks a proxy for a connection, over a socket that is connected to it.

Packages for SOCKS connect by themselves, with a limit for each wait: a proxy that drips bytes holds them for ever, out of the
reach of whoever closes the client.
"""

from __future__ import annotations

import socket
from typing import Callable, List, Union
from urllib.parse import unquote, urlsplit

_REPLIES = {
    1: "general failure",
    2: "it may not connect there",
    3: "network unreachable",
    4: "host unreachable",
    5: "the connection was refused",
    6: "timed out",
    7: "it does not connect",
    8: "it does not know this kind of address",
}


class SocksError(Exception):
    """The proxy refused, or does not speak SOCKS. The text holds no password."""


class Asking:
    """One request for a connection. ``send(data)`` and ``read(most)`` raise ``OSError``, also when time is up."""

    def __init__(self, send: Callable[[bytes], None], read: Callable[[int], bytes]) -> None:
        self._send = send
        self._read_some = read

    def ask(self, proxy: str, host: str, port: int, look_up: Callable[[], List[str]]) -> None:
        """Return when the proxy has connected to ``host``. ``look_up()`` is asked for IP addresses of it, by the schemes that
        do not leave this to the proxy. Raises ``SocksError``, ``OSError``."""
        parts = urlsplit(proxy)
        user, password = (unquote(each or "").encode() for each in (parts.username, parts.password))
        target: Union[str, bytes] = _packed(host)
        if isinstance(target, str) and parts.scheme in ("socks4", "socks5"):
            found = [_packed(address) for address in look_up()]
            target = min(found, key=len) if parts.scheme == "socks4" else found[0]
        if parts.scheme in ("socks4", "socks4a"):
            self._ask_4(user, target, port)
        else:
            self._ask_5(user, password, target, port)

    def _ask_4(self, user: bytes, target: Union[str, bytes], port: int) -> None:
        if isinstance(target, bytes) and len(target) != 4:
            raise SocksError("SOCKS 4 has no IPv6 addresses")
        # An address that nobody has says that the name follows.
        name = target.encode("idna") + b"\0" if isinstance(target, str) else b""
        address = b"\0\0\0\x01" if isinstance(target, str) else target
        self._send(b"\x04\x01" + port.to_bytes(2, "big") + address + user.replace(b"\0", b"") + b"\0" + name)
        version, reply = self._read(8)[:2]
        if version != 0 or reply != 90:
            raise SocksError(f"it answered {reply}" if version == 0 else "it does not speak SOCKS 4")

    def _ask_5(self, user: bytes, password: bytes, target: Union[str, bytes], port: int) -> None:
        self._send(b"\x05\x02\x00\x02" if user else b"\x05\x01\x00")
        version, method = self._read(2)
        if version != 5:
            raise SocksError("it does not speak SOCKS 5")
        if method == 2 and user:
            self._send(b"\x01" + _with_length(user) + _with_length(password))
            if self._read(2)[1] != 0:
                raise SocksError("it does not take the user and the password")
        elif method != 0:
            raise SocksError("it wants a user and a password" if not user else "it wants another login than user and password")
        if isinstance(target, str):
            address = b"\x03" + _with_length(target.encode("idna"))
        else:
            address = (b"\x01" if len(target) == 4 else b"\x04") + target
        self._send(b"\x05\x01\x00" + address + port.to_bytes(2, "big"))
        version, reply, _, kind = self._read(4)
        if version != 5 or reply != 0:
            raise SocksError(f"it answered {reply}: {_REPLIES.get(reply, 'an unknown code')}")
        # The address that it connects from, and the port: not looked at, but what comes next is the venue's.
        self._read({1: 4, 4: 16}.get(kind) or self._read(1)[0])
        self._read(2)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            piece = self._read_some(count - len(data))
            if not piece:
                raise SocksError("it closed the connection")
            data += piece
        return data


def _with_length(data: bytes) -> bytes:
    if len(data) > 255:
        raise SocksError("a host name, a user and a password may have 255 bytes")
    return bytes([len(data)]) + data


def _packed(host: str) -> Union[str, bytes]:
    """Return an IP address as bytes, a name as it is."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            pass
    return host
