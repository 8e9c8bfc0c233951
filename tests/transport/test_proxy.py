"""HTTP proxies, asked for and from the environment; what must not go through one."""

from __future__ import annotations

import ssl
from typing import Any, Dict, List

import pytest

from dbxsdk import ConnectError
from dbxsdk.transport import parse_url
from dbxsdk.transport.connect import proxy_for
from tests.transport.running import Running
from tests.transport.servers import TEXT, Peer, Server, proxy

VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def hello(peer: Peer) -> None:
    peer.upgrade().send(TEXT, "hello")
    peer.until_end()


def test_through_a_proxy_with_a_password_and_tls(
    server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    seen: List[Dict[str, Any]] = []
    with Server(hello, server_context) as server:
        with Server(proxy(server.port, seen, credentials="me:p@ss")) as between:
            url = f"http://me:p%40ss@127.0.0.1:{between.port}"
            with Running(server.url, proxy=url, ssl_context=client_context) as running:
                assert running.wait() == [(b"hello", False)]
    assert seen[0]["line"] == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"
    assert seen[0]["host"] == f"127.0.0.1:{server.port}"


def test_a_proxy_looks_the_name_up_itself() -> None:
    seen: List[Dict[str, Any]] = []
    with Server(hello) as server, Server(proxy(server.port, seen)) as between:
        with Running("ws://venue.invalid:8765/path", proxy=f"http://127.0.0.1:{between.port}") as running:
            running.wait()
    assert seen[0]["line"] == "CONNECT venue.invalid:8765 HTTP/1.1"
    assert "proxy-authorization" not in seen[0]


@pytest.mark.parametrize("answer, hint", [("403 Forbidden", "403"), ("502 Bad Gateway", "502")])
def test_a_proxy_that_refuses(answer: str, hint: str) -> None:
    with Server(proxy(1, [], answer=answer)) as between:
        with Running("ws://venue.invalid/", proxy=f"http://127.0.0.1:{between.port}") as running:
            error = running.ending().error
    assert isinstance(error, ConnectError)
    assert f"the proxy 127.0.0.1:{between.port} answered {hint}" in str(error)


def test_a_proxy_that_wants_another_password_and_the_password_is_not_told() -> None:
    with Server(proxy(1, [], credentials="me:right")) as between:
        with Running("ws://venue.invalid/", proxy=f"http://me:hush@127.0.0.1:{between.port}") as running:
            error = running.ending().error
    assert isinstance(error, ConnectError)
    assert "answered 407. Check the proxy's user and password" in str(error)
    assert "hush" not in repr(error)


@pytest.mark.parametrize(
    "script", [Peer.until_end, lambda peer: peer.read_head(), lambda peer: peer.raw.sendall(b"hm")]
)
def test_what_is_no_proxy_is_a_connect_error_in_time(script: Any) -> None:
    with Server(script) as between:
        with Running("ws://venue.invalid/", proxy=f"http://127.0.0.1:{between.port}", connect_timeout=0.3) as running:
            assert isinstance(running.ending(2.0).error, ConnectError)


def test_a_proxy_that_is_not_there() -> None:
    with Running("ws://venue.invalid/", proxy="http://127.0.0.1:1") as running:
        error = running.ending().error
    assert "by proxy 127.0.0.1:1" in str(error) and "refused" in str(error)


def test_a_proxy_with_a_name_that_cannot_be_is_a_connect_error(caplog: pytest.LogCaptureFixture) -> None:
    with Running("ws://venue.invalid/", proxy="http://" + "a" * 64 + ".example:3128") as running:
        assert isinstance(running.ending().error, ConnectError)
    assert "unexpected" not in caplog.text


def wanted(url: str) -> str:
    return proxy_for(parse_url("url", url))


def test_the_environments_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted("wss://venue.example/") == ""
    monkeypatch.setenv("all_proxy", "http://all:1")
    assert wanted("ws://venue.example/") == wanted("wss://venue.example/") == "http://all:1"
    monkeypatch.setenv("https_proxy", "secure:2")
    monkeypatch.setenv("http_proxy", "http://plain:3")
    assert wanted("wss://venue.example/") == "http://secure:2"
    assert wanted("ws://venue.example/") == "http://plain:3"
    monkeypatch.setenv("no_proxy", "venue.example,other")
    assert wanted("wss://venue.example/") == wanted("wss://sub.venue.example/") == ""
    assert wanted("wss://another.example/") == "http://secure:2"


@pytest.mark.parametrize(
    "entry, passed, asked",
    [
        ("venue.example:8443", ["wss://venue.example:8443/"], ["wss://venue.example/", "wss://venue.example:443/"]),
        ("venue.example:443", ["wss://venue.example/"], ["ws://venue.example/"]),
        ("192.0.2.0/24", ["wss://192.0.2.7/", "wss://192.0.2.255:9/"], ["wss://192.0.3.1/", "wss://venue.example/"]),
        ("192.0.2.7", ["wss://192.0.2.7/"], ["wss://192.0.2.77/"]),
        ("", [], ["wss://venue.example/"]),
    ],
)
def test_what_passes_the_environments_proxy_by(
    entry: str, passed: List[str], asked: List[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``requests`` does it, which the venue's HTTP goes by: one list cannot mean two things."""
    monkeypatch.setenv("all_proxy", "http://all:1")
    monkeypatch.setenv("no_proxy", f"other.example, {entry}")
    assert [wanted(url) for url in passed] == [""] * len(passed)
    assert [wanted(url) for url in asked] == ["http://all:1"] * len(asked)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost"])
def test_loopback_addresses_are_reached_directly_whatever_the_environment_says(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert wanted(f"ws://{host}:80/") == ""


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: List[Dict[str, Any]] = []
    with Server(hello) as server, Server(proxy(server.port, seen)) as between:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{between.port}")
        with Running("ws://venue.invalid/") as running:
            running.wait()
        assert len(seen) == 1
        with Running(server.url) as running:
            running.wait()
        assert len(seen) == 1, "the loopback is reached directly"


def test_no_proxy_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with Running("ws://nope.invalid/", proxy="") as running:
        assert "host name was not found" in str(running.ending().error)


@pytest.mark.parametrize("value", ["ftp://host:1", "http://host:port", "http://[::1", "http://:80"])
def test_a_strange_proxy_in_the_environment_is_a_connect_error(
    value: str, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setenv("http_proxy", value)
    with Running("ws://venue.invalid/") as running:
        error = running.ending().error
    assert isinstance(error, ConnectError)
    assert "proxy" in str(error)
    assert "unexpected" not in caplog.text
