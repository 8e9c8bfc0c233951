"""``Options``: how a client behaves, as one frozen value that many clients may share."""

from __future__ import annotations

import functools
import ipaddress
from typing import Any, Optional
from urllib.parse import urlsplit

import attrs
from attrs.validators import optional

from dbxsdk.arguments import check_choice, check_int, check_seconds
from dbxsdk.credentials import ProxyUrl

OVERFLOW_POLICIES = ("block", "drop_oldest", "latest", "disconnect")
DISPATCH_MODES = ("thread", "inline")
MAX_MESSAGE_SIZE = 4 * 1024 * 1024
PROXY_SCHEMES = ("http", "socks4", "socks4a", "socks5", "socks5h")


def _seconds(_: Any, attribute: Any, value: Any) -> None:
    check_seconds(attribute.name, value)


def _count(minimum: int) -> Any:
    def check(_: Any, attribute: Any, value: Any) -> None:
        check_int(attribute.name, value, least=minimum)

    return check


def _one_of(choices: tuple[str, ...]) -> Any:
    def check(_: Any, attribute: Any, value: Any) -> None:
        check_choice(attribute.name, value, choices)

    return check


def _text(_: Any, attribute: Any, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{attribute.name} must be a str, not {type(value).__name__}")


def _proxy(_: Any, attribute: Any, value: Any) -> None:
    if value == "":
        return
    _text(_, attribute, value)
    if not _is_proxy(value):
        # The value is left out: it may hold a password.
        raise ValueError(f"{attribute.name} must be a URL like http://host:3128, of the scheme {', '.join(PROXY_SCHEMES)}")


def _is_proxy(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in PROXY_SCHEMES and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False


def _ssl_context(_: Any, attribute: Any, value: Any) -> None:
    if not hasattr(value, "wrap_bio"):
        raise TypeError(f"{attribute.name} must be an ssl.SSLContext, not {type(value).__name__}")


def _recorder(_: Any, attribute: Any, value: Any) -> None:
    if isinstance(value, type) or not callable(getattr(value, "connection", None)):
        raise TypeError(f"{attribute.name} must be a Recorder, not {type(value).__name__}")


def _name(_: Any, attribute: Any, value: Any) -> None:
    _text(_, attribute, value)
    if not value or len(value) > 64 or not value.isprintable():
        raise ValueError(f"{attribute.name} must have 1 to 64 printable characters, not {value[:80]!r}")


def _source_address(_: Any, attribute: Any, value: Any) -> None:
    _text(_, attribute, value)
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError(f"{attribute.name} must be an IP address of this machine, like 192.0.2.1, not {value!r}") from None


@attrs.frozen(kw_only=True)
class Options:
    """How a client behaves. All times are in seconds.

    Attributes:
        connect_timeout: bounds TCP, proxy, TLS and WebSocket handshake together (default 10). Calls that wait for a
            connection are bounded in any case; only the DNS lookup, which the system's resolver does and which cannot be
            interrupted, may go on in the background for as long as the resolver takes.
        request_timeout: how long a blocking call waits for its answer if the call itself has no ``timeout`` (10).
        heartbeat_interval: the longest time without sending anything; None (default) is the venue's own
            (Bybit and DigiFinex's swaps 20, DigiFinex and DBot 30, Cryptomus 40).
        silence_timeout: a connection on which nothing was received for this long, or a heartbeat was not answered, is
            dropped and made again; None (default) is the heartbeat interval and 10 s, since a heartbeat is always answered.
        backfill_timeout: how long updates of a subscription with ``backfill`` are held at most, while what was missed is fetched
            (5).
        backoff_initial: the first delay before a reconnect is random between 0 and this (1), then doubles.
        backoff_max: the delay's upper end (30).
        max_reconnects: failed attempts in a row after which the client ends with the last error; None
            (default) is for ever. 0 never reconnects.
        queue_size: updates held for callbacks that are slower than the venue (10,000).
        queue_bytes: bytes held for them (16 MiB): the text of the updates' frames, inflated, once for each callback that an
            update waits for; the last update may pass the bound. Decoded, text takes five to ten times its size, and
            from a hostile venue 25 times.
        overflow: what happens when the queue is full, by number or by bytes. ``"block"`` (default) stops reading until there
            is room: nothing is lost, and a venue may cut a client that reads too slowly. While a request waits for
            its answer reading goes on, and the queue may grow to twice its bounds and one read more; then the
            connection is dropped, and a ``Gap`` is emitted. ``"drop_oldest"`` drops the oldest update; ``"latest"`` never
            holds more than the newest update of each topic (not for deltas), and drops the oldest if these have too many
            bytes; ``"disconnect"`` drops the connection, so that
            a ``Gap`` is emitted.
        dispatch: ``"thread"`` (default) runs callbacks on the callbacks thread, where blocking calls work;
            ``"inline"`` on the reader thread, the shortest way, where they raise ``WrongThreadError``.
        max_message_size: bytes that one message may have, also inflated (4 MiB; the venues' largest are books of a few hundred
            KB); a longer one ends the connection with the close code 1009, before its body is read or inflated whole.
        proxy: URL of a proxy, ``http://[user:password@]host:port`` (also ``socks5://``,
            ``socks5h://``, ``socks4://`` and ``socks4a://``); None (default) takes the environment's (``https_proxy``,
            ``no_proxy`` ...) as requests does, but for loopback addresses; ``""`` is none. The ``repr`` of the field's value
            hides the user and the password.
        ssl_context: an ``ssl.SSLContext`` in place of the default one.
        source_address: the IP address of this machine to connect from, such as ``"192.0.2.7"``, also to a proxy and for HTTP
            requests: for keys that are bound to an address, and for limits that venues keep for each address. Only targets of
            the same family, IPv4 or IPv6, are connected to. None (default) leaves it to the system.
        recorder: a ``Recorder``, which writes every frame of the client, both ways and without secrets, to a file that
            ``dbxsdk.replay`` plays again; None (default) records nothing. One recorder may serve many clients.
        name: distinguishes this client from its neighbours, in ``repr``, log records, thread names and ``event.client``; None
            (default) is its socket's (``"bybit:linear"``, ``"digifinex"``).

    Raises:
        TypeError, ValueError: at construction, naming the field.
    """

    connect_timeout: float = attrs.field(default=10.0, validator=_seconds)
    request_timeout: float = attrs.field(default=10.0, validator=_seconds)
    heartbeat_interval: Optional[float] = attrs.field(default=None, validator=optional(_seconds))
    silence_timeout: Optional[float] = attrs.field(default=None, validator=optional(_seconds))
    backfill_timeout: float = attrs.field(default=5.0, validator=_seconds)
    backoff_initial: float = attrs.field(default=1.0, validator=_seconds)
    backoff_max: float = attrs.field(default=30.0, validator=_seconds)
    max_reconnects: Optional[int] = attrs.field(default=None, validator=optional(_count(0)))
    queue_size: int = attrs.field(default=10_000, validator=_count(1))
    queue_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=_count(1))
    overflow: str = attrs.field(default="block", validator=_one_of(OVERFLOW_POLICIES))
    dispatch: str = attrs.field(default="thread", validator=_one_of(DISPATCH_MODES))
    max_message_size: int = attrs.field(default=MAX_MESSAGE_SIZE, validator=_count(1))
    proxy: Optional[str] = attrs.field(default=None, validator=optional(_proxy))
    ssl_context: Optional[Any] = attrs.field(default=None, validator=optional(_ssl_context))
    source_address: Optional[str] = attrs.field(default=None, validator=optional(_source_address))
    recorder: Optional[Any] = attrs.field(default=None, validator=optional(_recorder))
    name: Optional[str] = attrs.field(default=None, validator=optional(_name))


_init = Options.__init__


@functools.wraps(_init)
def _hiding_init(self: Options, **options: Any) -> None:
    # Before any frame holds the proxy's password: what is wrong raises, and reporters of errors show the variables of frames.
    if isinstance(options.get("proxy"), str):
        options["proxy"] = ProxyUrl(options["proxy"])
    _init(self, **options)


Options.__init__ = _hiding_init  # type: ignore[method-assign]
