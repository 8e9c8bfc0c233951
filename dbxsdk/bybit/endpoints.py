"""The addresses of Bybit's sockets: hosts, and the query parameter of the private ones."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Optional, Union
from urllib.parse import urlsplit, urlunsplit

from dbxsdk.arguments import check_flag
from dbxsdk.runtime.lazy_import import Later

if TYPE_CHECKING:
    from dbxsdk import transport
    from dbxsdk.transport import http
else:
    transport, http = Later("dbxsdk.transport"), Later("dbxsdk.transport.http")

MAINNET = "stream.bybit.com"
TESTNET = "stream-testnet.bybit.com"
DEMO = "stream-demo.bybit.com"
"""Paper trading with keys made in the demo mode of the mainnet: it has the private socket only."""

SOCKETS = ("spot", "linear", "inverse", "option", "spread", "event", "misc/status")
"""The public sockets, by the ends of their paths."""

_STREAM_HOST = re.compile(r"stream((?:-testnet|-demo)?\.(?:bybit\.[a-z]{2,3}|bytick\.com|bybitgeorgia\.ge|manepa\.jp))")
"""The venue's regions: their REST hosts have the same names, with ``api``."""

_ACTIVE_SECONDS = range(30, 601)
_ACTIVE_TIME = "max_active_time"


def private_url(
    path: str,
    *,
    testnet: bool,
    demo: bool = False,
    url: Optional[str] = None,
    max_active_time: Optional[Union[int, str]] = None,
) -> str:
    """Return the address of a socket that logs in. Raises ``TypeError``/``ValueError`` naming the argument."""
    for name, flag in (("testnet", testnet), ("demo", demo)):
        check_flag(name, flag)
    if testnet and demo:
        raise ValueError("demo: the venue asks not to use its demo on the test network; leave out testnet or demo")
    if url is None:
        url = f"wss://{TESTNET if testnet else DEMO if demo else MAINNET}{path}"
    return url if max_active_time is None else _with_active_time(url, _active_time(max_active_time))


def rest_origin(
    rest_url: Optional[str], *, testnet: bool, demo: bool = False, url: Optional[str] = None, has_key: bool = True
) -> Optional[str]:
    """Return the origin of the REST side that belongs to a socket: ``rest_url`` if it is given. None if ``url`` is an address
    whose REST side is not known: a key must not go to the live venue when its socket is elsewhere. ``has_key``: one goes there.

    Raises ``TypeError``/``ValueError`` naming the argument.
    """
    if rest_url is not None:
        origin = http.parse_origin("rest_url", rest_url)
        if has_key and origin.startswith("http://"):
            transport.warn_if_readable(urlsplit(origin).hostname or "", stacklevel=3)
        return origin
    if url is not None and not isinstance(url, str):
        return None  # it is refused where it is used
    host = (urlsplit(url).hostname or "") if url else TESTNET if testnet else DEMO if demo else MAINNET
    known = _STREAM_HOST.fullmatch(host)
    return f"https://api{known[1]}" if known else None


def _active_time(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TypeError(f"{_ACTIVE_TIME} must be an int of seconds or a text like '45s' or '2m', not {type(value).__name__}")
    text = f"{value}s" if isinstance(value, int) else value
    if not re.fullmatch(r"[0-9]{1,3}[sm]", text):
        raise ValueError(f"{_ACTIVE_TIME} must be 30 to 600 seconds, or a text like '45s' or '2m', not {value!r}")
    seconds = int(text[:-1]) * (60 if text[-1] == "m" else 1)
    if seconds not in _ACTIVE_SECONDS:
        raise ValueError(f"{_ACTIVE_TIME} must be 30 to 600 seconds (30s to 10m), not {value!r}")
    return text


def _with_active_time(url: str, value: str) -> str:
    transport.parse_url("url", url)
    parts = urlsplit(url)
    # Not parsed and written again, which might change the rest of the query.
    others = [pair for pair in parts.query.split("&") if pair and pair.partition("=")[0] != _ACTIVE_TIME]
    return urlunsplit(parts._replace(query="&".join([*others, f"{_ACTIVE_TIME}={value}"])))
