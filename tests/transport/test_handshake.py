"""From an address to an open connection: every step is bounded, and a failure says which step it was."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from typing import Any, List

import pytest

from dbxsdk import AuthError, ConnectError
from dbxsdk.transport.retry_after import retry_after
from tests.transport.running import Running
from tests.transport.servers import TEXT, Peer, Server
from tests.waiting import PATIENCE


def fails(server_or_url: Any, **options: Any) -> Any:
    """The error of a connection that cannot be made."""
    url = server_or_url if isinstance(server_or_url, str) else server_or_url.url
    with Running(url, **options) as running:
        ending = running.ending()
    assert not running.opened.is_set()
    assert ending.error is not None
    assert ending.reason == str(ending.error)
    return ending.error


def test_a_connection_opens_and_says_who_it_is() -> None:
    seen: List[Peer] = []

    def script(peer: Peer) -> None:
        seen.append(peer.upgrade())
        peer.send(TEXT, "hello")
        peer.until_end()

    with Server(script) as server, Running(server.url, headers={"x-api-key": "k"}) as running:
        assert running.wait() == [(b"hello", False)]
    assert seen[0].request_line == "GET /path HTTP/1.1"
    assert seen[0].headers["host"] == f"127.0.0.1:{server.port}"
    assert seen[0].headers["x-api-key"] == "k"
    assert "origin" not in seen[0].headers


def test_a_message_in_the_same_packet_as_the_handshake_is_not_lost() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(peer.handshake_answer() + b"\x81\x02hi")
        peer.until_end()

    with Server(script) as server, Running(server.url) as running:
        assert running.wait() == [(b"hi", False)]


def test_a_handshake_that_is_never_answered_ends_at_the_connect_timeout() -> None:
    with Server(Peer.until_end) as server:
        started = time.monotonic()
        error = fails(server, connect_timeout=0.3)
        assert 0.2 < time.monotonic() - started < 1.5
    assert isinstance(error, ConnectError)
    assert "handshake was not answered in time" in str(error)


def test_a_handshake_that_comes_byte_by_byte_ends_at_the_connect_timeout() -> None:
    def drip(peer: Peer) -> None:
        peer.read_head()
        pause = threading.Event()
        for byte in peer.handshake_answer():
            peer.raw.sendall(bytes([byte]))
            pause.wait(0.05)

    with Server(drip) as server:
        started = time.monotonic()
        error = fails(server, connect_timeout=0.3)
        assert 0.2 < time.monotonic() - started < 1.5
    assert "not answered in time" in str(error)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
def test_a_refused_key_is_final(status: str) -> None:
    with Server(lambda peer: peer.answer(status)) as server:
        error = fails(server)
    assert isinstance(error, AuthError)
    assert error.code == int(status[:3])
    assert status[:3] in str(error) and "key" in str(error)


@pytest.mark.parametrize(
    "status", ["200 OK", "400 Bad Request", "404 Not Found", "429 Too Many Requests", "502 Bad", "503 No"]
)
def test_other_answers_are_connect_errors_with_the_status(status: str) -> None:
    with Server(lambda peer: peer.answer(status)) as server:
        error = fails(server)
    assert type(error) is ConnectError
    assert f"HTTP {status[:3]}" in str(error)
    assert error.retry_after is None


def test_retry_after_is_taken_from_the_answer() -> None:
    with Server(lambda peer: peer.answer("429 Too Many", "Retry-After: 17")) as server:
        assert fails(server).retry_after == 17.0


@pytest.mark.parametrize(
    "value, seconds",
    [
        (None, None),
        ("", None),
        ("17", 17.0),
        ("2.5", 2.5),
        ("-5", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("inf", None),
        ("nan", None),
        ("1e400", None),
        ("0 ", 0.0),
        (" ", None),
    ],
)
def test_retry_after_in_every_form(value: Any, seconds: Any) -> None:
    assert retry_after({} if value is None else {"Retry-After": value}) == seconds


def test_retry_after_has_an_end() -> None:
    assert retry_after({"retry-after": "999999999999"}) == 3600
    assert retry_after({"retry-after": "Fri, 31 Dec 9999 23:59:59 GMT"}) == 3600


def test_a_date_is_compared_with_the_peers_own_clock() -> None:
    later = "Wed, 21 Oct 2015 07:28:30 GMT"
    assert retry_after({"Retry-After": later, "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 30.0
    assert retry_after({"Retry-After": later, "Date": "once"}) == 0.0  # by this machine's


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_a_redirect_is_not_followed(status: str) -> None:
    with Server(Peer.until_end) as elsewhere:
        with Server(lambda peer: peer.answer(status, f"Location: {elsewhere.url}")) as server:
            error = fails(server, headers={"x-api-key": "secret"})
        assert elsewhere.accepted == 0, "the key in the headers is for one host"
    assert isinstance(error, ConnectError)
    assert "redirect" in str(error)


@pytest.mark.parametrize("location", ["Location: http://127.0.0.1/", "Location: nonsense", "X: no location"])
def test_a_strange_redirect_is_a_connect_error(location: str) -> None:
    with Server(lambda peer: peer.answer("301 Moved", location)) as server:
        assert type(fails(server)) is ConnectError


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"\x00\xff\xfe\r\n\r\n",
        b"HTTP/1.1 abc def\r\n\r\n",
        b"HTTP/1.1 101\r\n\r\n",
        b"\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_websocket_server_is_a_connect_error(garbage: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(garbage)

    with Server(script) as server:
        error = fails(server)
    assert type(error) is ConnectError
    assert "handshake" in str(error)


def test_a_wrong_accept_key_is_a_connect_error() -> None:
    def script(peer: Peer) -> None:
        peer.read_head()
        peer.headers["sec-websocket-key"] = "another"
        peer.raw.sendall(peer.handshake_answer())
        peer.until_end()

    with Server(script) as server:
        assert "handshake failed" in str(fails(server))


def test_a_refused_port_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = fails(f"ws://127.0.0.1:{port}/")
    assert "TCP: the connection was refused. Check the port" in str(error)


def test_an_unknown_host_name_says_so() -> None:
    error = fails("wss://nope.invalid/")
    assert "the host name was not found" in str(error) and "nope.invalid:443" in str(error)


@pytest.fixture
def deaf_port() -> Any:
    """A port that does not take connections: its backlog is full."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fillers = []
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
        fillers.append(filler)
    probe = socket.socket()
    probe.settimeout(0.2)
    try:
        probe.connect(listener.getsockname())
        pytest.skip("the backlog cannot be filled here")
    except OSError:
        pass
    finally:
        probe.close()
    yield listener.getsockname()[1]
    for each in (listener, *fillers):
        each.close()


def test_a_host_that_does_not_answer_ends_at_the_connect_timeout(deaf_port: int) -> None:
    started = time.monotonic()
    error = fails(f"ws://127.0.0.1:{deaf_port}/", connect_timeout=0.3)
    assert 0.2 < time.monotonic() - started < 1.5
    assert "TCP: no connection in time" in str(error)


def test_the_second_address_gets_its_share_of_the_time(deaf_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(lambda peer: peer.upgrade().until_end()) as server:
        addresses = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in (deaf_port, server.port)
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **options: addresses)
        with Running("ws://two.invalid/", connect_timeout=1.0, proxy="") as running:
            running.open()


@pytest.mark.parametrize("way", ["close", "abort"])
def test_ended_at_once_while_connecting_to_a_host_that_does_not_answer(deaf_port: int, way: str) -> None:
    with Running(f"ws://127.0.0.1:{deaf_port}/", connect_timeout=30.0) as running:
        deadline = time.monotonic() + 5.0
        while running.connection._socket is None:
            assert time.monotonic() < deadline
        started = time.monotonic()
        running.connection.close() if way == "close" else running.connection.abort("enough")
        ending = running.ending(1.0)
        assert time.monotonic() - started < 1.0
    assert isinstance(ending.error, ConnectError)


@pytest.mark.parametrize("way", ["close", "abort"])
@pytest.mark.parametrize("secure", [False, True])
def test_ended_at_once_while_the_handshake_is_not_answered(
    way: str, secure: bool, client_context: ssl.SSLContext
) -> None:
    with Server(Peer.until_end) as server:
        url = server.url.replace("ws:", "wss:") if secure else server.url
        with Running(url, connect_timeout=30.0, ssl_context=client_context) as running:
            deadline = time.monotonic() + 5.0
            while server.accepted == 0:
                assert time.monotonic() < deadline
            running.connection.close() if way == "close" else running.connection.abort("enough")
            ending = running.ending(1.0)
    assert isinstance(ending.error, ConnectError)
    assert ("closed" if way == "close" else "enough") in str(ending.error)


@pytest.mark.parametrize("way", ["close", "abort"])
def test_ended_before_it_began_it_never_connects(way: str) -> None:
    with Server(Peer.until_end) as server:
        running = Running(server.url)
        getattr(running.connection, way)(*([] if way == "close" else ["enough"]))
        with running:
            assert isinstance(running.ending(1.0).error, ConnectError)
        assert server.accepted == 0


def test_the_race_of_abort_and_connect_never_leaves_a_connection() -> None:
    with Server(lambda peer: peer.upgrade().until_end()) as server:
        for turn in range(60):
            with Running(server.url, connect_timeout=30.0) as running:
                for _ in range(turn * 40):
                    pass
                running.connection.abort("enough")
                running.ending(2.0)


# -- TLS -----------------------------------------------------------------------------------------------


def hello(peer: Peer) -> None:
    peer.upgrade().send(TEXT, "hello")
    peer.until_end()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_good_certificate(server_context: ssl.SSLContext, client_context: ssl.SSLContext, host: str) -> None:
    with Server(hello, server_context) as server:
        url = server.url.replace("127.0.0.1", host)
        with Running(url, ssl_context=client_context) as running:
            assert running.wait() == [(b"hello", False)]


def test_an_untrusted_certificate_is_refused(server_context: ssl.SSLContext) -> None:
    with Server(hello, server_context) as server:
        error = fails(server)
    assert "TLS: the certificate was refused" in str(error) and "root certificates" in str(error)


def test_a_certificate_for_another_name_is_refused(
    stranger_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    with Server(hello, stranger_context) as server:
        error = fails(server, ssl_context=client_context)
    assert "TLS: the certificate was refused" in str(error) and "127.0.0.1" in str(error)


def test_tls_spoken_to_a_plain_port(client_context: ssl.SSLContext) -> None:
    def plain(peer: Peer) -> None:
        peer.raw.recv(1024)
        peer.raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with Server(plain) as server:
        error = fails(server.url.replace("ws:", "wss:"), ssl_context=client_context)
    assert "Check that the port speaks TLS" in str(error)


def test_plain_spoken_to_a_tls_port(server_context: ssl.SSLContext) -> None:
    with Server(hello, server_context) as server:
        assert type(fails(server.url.replace("wss:", "ws:"))) is ConnectError


def test_a_tls_handshake_that_is_never_answered_is_bounded(client_context: ssl.SSLContext) -> None:
    with Server(Peer.until_end) as server:
        started = time.monotonic()
        error = fails(server.url.replace("ws:", "wss:"), connect_timeout=0.3, ssl_context=client_context)
        assert time.monotonic() - started < 1.5
    assert "TLS: the handshake timed out" in str(error)


def test_a_peer_that_hangs_up_in_the_tls_handshake(client_context: ssl.SSLContext) -> None:
    with Server(lambda peer: peer.raw.recv(10)) as server:
        assert "TLS: the handshake" in str(fails(server.url.replace("ws:", "wss:"), ssl_context=client_context))


# -- cookies, and heads without an end -----------------------------------------------------------------------

HOSTILE = (
    'Set-Cookie: session=of-another; domain=127.0.0.1',
    'Set-Cookie: a="b\\015\\012X-Injected: yes\\015\\012\\015\\012GET /order HTTP/1.1"; domain=.0.1',
    'SET-COO\u212aIE: kelvin=1; domain=127.0.0.1',
    'set-cookie : spaced=1; domain=127.0.0.1',
)


@pytest.fixture
def jar() -> Any:
    """websocket-client's own, of the whole process."""
    from websocket import _handshake

    before = dict(_handshake.CookieJar.jar)
    _handshake.CookieJar.jar.clear()
    yield _handshake.CookieJar
    _handshake.CookieJar.jar.clear()
    _handshake.CookieJar.jar.update(before)


def test_a_peers_cookies_go_nowhere(jar: Any) -> None:
    requests: List[Peer] = []

    def script(peer: Peer) -> None:
        peer.read_head()
        requests.append(peer)
        answer = peer.handshake_answer()
        lines = "".join(f"{line}\r\n" for line in HOSTILE).encode()
        peer.raw.sendall(answer.replace(b"\r\n", b"\r\n" + lines, 1))
        peer.send(TEXT, "open")
        peer.until_end()

    for _ in range(2):
        with Server(script) as server, Running(server.url, headers={"x-api-key": "k"}) as running:
            assert running.wait() == [(b"open", False)]
    assert jar.jar == {}
    for peer in requests:
        assert peer.request_line == "GET /path HTTP/1.1"
        assert not {"cookie", "x-injected"} & set(peer.headers) and peer.headers["x-api-key"] == "k"


def test_cookies_that_others_have_in_the_jar_stay_theirs(jar: Any) -> None:
    jar.add("session=secret; domain=127.0.0.1")
    seen: List[Peer] = []

    def script(peer: Peer) -> None:
        seen.append(peer.upgrade())
        peer.until_end()

    with Server(script) as server, Running(server.url) as running:
        running.open()
    assert jar.get("127.0.0.1") == "session=secret" and "cookie" not in seen[0].headers


@pytest.mark.parametrize("head, what", [
    (b"X-More: of the same\r\n" * 4_000, "more than 128 header lines"),
    (b"\r\nX: " + b"x" * 100_000, "more than 8192 bytes"),
    (b"X: " + b"x" * 10_000 + b"\r\n\r\n", "more than 8192 bytes"),
], ids=["lines", "a line without an end", "a line"])
def test_a_head_without_an_end_is_refused_at_once(head: bytes, what: str) -> None:
    over = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        status = peer.handshake_answer().split(b"\r\n", 1)[0]
        peer.raw.sendall(status + b"\r\n" + head.lstrip(b"\r\n"))
        over.wait(PATIENCE)

    with Server(script) as server:
        began = time.process_time()
        try:
            error = fails(server, connect_timeout=PATIENCE)
        finally:
            over.set()
        assert time.process_time() - began < 1.0
    assert what in str(error)


def test_the_body_of_a_refusal_is_not_read() -> None:
    over = threading.Event()

    def script(peer: Peer) -> None:
        peer.read_head()
        peer.raw.sendall(b"HTTP/1.1 503 No\r\nRetry-After: 3\r\nContent-Length: 1000000000\r\n\r\nsome")
        over.wait(PATIENCE)

    with Server(script) as server:
        began = time.monotonic()
        try:
            error = fails(server, connect_timeout=PATIENCE)
        finally:
            over.set()
        assert time.monotonic() - began < PATIENCE / 2
    assert "HTTP 503" in str(error) and error.retry_after == 3.0
