"""Answers over HTTP and to the WebSocket handshake that are not what they should be: an error of this package's, soon."""

from __future__ import annotations

import collections
import gzip
import zlib
from typing import Any, Callable, Deque, Dict, List, Tuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import Options
from dbxsdk.cryptomus import http
from dbxsdk.cryptomus.models import read_depth_scales, read_markets
from dbxsdk.errors import DbxError
from dbxsdk.transport import parse_url
from tests.fuzz import promises
from tests.fuzz.running import count, limits
from tests.fuzz.strategies import documents, write
from tests.transport.running import Running
from tests.transport.servers import Peer, Server

OPTIONS = Options(connect_timeout=5.0)
_TOKENS = [{"token": "168b34a3a12370740ff1654f0d0c4726"}]
_MARKETS = [
    {
        "result": [{
            "id": "01M", "symbol": "AAA_BBB", "baseCurrency": "AAA", "quoteCurrency": "BBB", "baseMinSize": "0.00001",
            "quoteMinSize": "0.1", "baseMaxSize": "10000000000.0", "quoteMaxSize": "99999999.0", "basePrec": "8",
            "quotePrec": "6", "baseCurrencyFullName": "A", "quoteCurrencyFullName": "B",
        }],
    },
    {"message": "Server error.", "code": 500},
    {"message": "no", "state": 1},
]
_SCALES = [{"status": "success", "message": "success", "data": [{"scale": "0.01", "index": 0}]}]
_HTML = b"<!DOCTYPE html><html><body><h1>403 Forbidden</h1>" + b"<p>x</p>" * 200 + b"</body></html>"
_STATUSES = (
    "200 OK", "200 OK", "200 OK", "200 OK", "201 Created", "204 No Content", "206 Partial", "301 Moved", "302 Found",
    "304 Not Modified", "400 Bad", "401 Unauthorized", "403 Forbidden", "404 Not Found", "418 Teapot", "429 Too Many",
    "500 Error", "503 Unavailable",
    "999 What", "000 Nothing", "abc", "", "-1 No",
)
_HEADERS = (
    "Content-Encoding: gzip", "Content-Encoding: deflate", "Content-Encoding: br", "Content-Encoding: nonsense",
    "Transfer-Encoding: chunked", "Content-Length: 100000", "Content-Length: -5", "Content-Length: x", "Content-Length: 1",
    "Location: http://127.0.0.1:1/", "Location: \x80", "Retry-After: 5", "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT",
    "Retry-After: " + "9" * 500, "Retry-After: \xb2", "Retry-After: -1", "Content-Type: application/json; charset=utf-16",
    "Content-Type: text/html; charset=nonsense", "Set-Cookie: a=\x01b; domain=..",
    "X-Long: " + "x" * 10_000, "no colon", ": empty", " folded",
)


@st.composite
def answers(draw: Any, originals: List[Any]) -> bytes:
    """An answer's bytes."""
    body = draw(st.sampled_from((_HTML, b"", b"\xff\xfe\x00", b"null", b"[]"))) if draw(st.integers(0, 3)) == 0 else write(
        draw(documents(originals))
    )
    packed: Dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress, "none": lambda text: text}
    body = packed[draw(st.sampled_from(("none", "none", "none", "gzip", "deflate")))](body)
    headers = draw(st.just([]) | st.lists(st.sampled_from(_HEADERS), max_size=3))
    if draw(st.booleans()):
        headers.append(f"Content-Length: {len(body)}")
    version = draw(st.sampled_from(("HTTP/1.1",) * 8 + ("HTTP/1.0", "HTTP/9.9", "SMTP", "")))
    head = "\r\n".join([f"{version} {draw(st.sampled_from(_STATUSES))}", *headers, "Connection: close", "", ""])
    answer = head.encode("latin-1") + body
    if draw(st.integers(0, 9)) == 0:
        answer = answer[: draw(st.integers(0, len(answer)))]
    return answer if draw(st.integers(0, 30)) else draw(st.binary(max_size=50))


class Answering:
    """A server that answers each connection with the bytes that are next."""

    def __init__(self) -> None:
        self.next: Deque[bytes] = collections.deque()
        self.server = Server(self._serve)

    def _serve(self, peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(self.next.popleft())

    def url(self, scheme: str) -> str:
        return f"{scheme}{self.server.url[2:]}"


def _token(url: str) -> Any:
    source = http.TokenSource(url, OPTIONS, "fuzz-user", promises.KEY)
    address = source(parse_url("url", "ws://127.0.0.1:1/"), lambda raw: None)
    assert "token=" in address.url and address.url.isascii() and address.url.isprintable()
    return address


_REQUESTS: Tuple[Tuple[str, List[Any], Callable[[str], Any]], ...] = (
    ("token", _TOKENS, _token),
    ("markets", _MARKETS, lambda url: read_markets(http.fetch(url, OPTIONS, 5.0))),
    ("depth scales", _SCALES, lambda url: read_depth_scales(http.fetch(url, OPTIONS, 5.0, {"symbol": "AAA_BBB"}))),
)


@pytest.mark.parametrize("name, originals, ask", _REQUESTS, ids=[name for name, *_ in _REQUESTS])
def test_answers_over_http(name: str, originals: List[Any], ask: Callable[[str], Any]) -> None:
    answering = Answering()

    with answering.server:

        @limits(0.4)
        @given(answers(originals))
        def run(answer: bytes) -> None:
            answering.next.append(answer)
            count(f"http {name}")
            try:
                assert repr(ask(answering.url("http")))
                count(f"http {name}", "taken")
            except DbxError as error:
                promises.check_words(error)

        run()


_UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: {}")
_OTHER_LINES = (
    "Upgrade: h2c", "Connection: close", "Sec-WebSocket-Accept: nonsense", "Sec-WebSocket-Protocol: chat", "Content-Length: 5",
    "Sec-WebSocket-Extensions: permessage-deflate", "Transfer-Encoding: chunked", "X: " + "y" * 20_000, "\x00", ": ", "no colon",
    "Set-Cookie: a=b; domain=\x80", "Retry-After: x", "Location: ws://127.0.0.1:1/",
)


@attrs.frozen
class Handshake:
    status: str
    lines: List[str]
    tail: bytes
    cut: Any


_handshakes = st.builds(
    Handshake,
    st.sampled_from(
        ("HTTP/1.1 101 Switching Protocols",) * 4
        + ("HTTP/1.1 200 OK", "HTTP/1.1 429 No", "HTTP/1.1 307 There", "101", "", "\xff")
    ),
    st.lists(st.sampled_from((*_UPGRADE, *_OTHER_LINES)), max_size=4)
    | st.lists(st.sampled_from(_OTHER_LINES), max_size=1).map(lambda more: [*_UPGRADE, *more]),
    st.binary(max_size=40) | st.just(b"\x81\x7f" + b"\xff" * 8) | st.just(b"\x88\x02\x03\xe8" + b"\x82\x01a"),
    st.none() | st.none() | st.integers(0, 120),
)


def test_answers_to_the_handshake() -> None:
    plans: Deque[Handshake] = collections.deque()

    def serve(peer: Peer) -> None:
        peer.read_head()
        plan = plans.popleft()
        accept = peer.handshake_answer().decode().split("Sec-WebSocket-Accept: ")[1].split("\r\n")[0]
        text = "\r\n".join([plan.status, *plan.lines, "", ""]).replace("{}", accept)
        peer.raw.sendall((text.encode("latin-1") + plan.tail)[: plan.cut])

    with Server(serve) as server:

        @limits(0.5)
        @given(_handshakes)
        def run(plan: Handshake) -> None:
            plans.append(plan)
            with Running(server.url) as running:
                ending = running.ending()
                assert ending.reason and (ending.error is None or isinstance(ending.error, DbxError))
                if ending.error is not None:
                    promises.check_words(ending.error)
                else:
                    assert running.opened.is_set()
                count("handshakes")
                count("handshakes", "opened", running.opened.is_set())

        run()
