"""What all local venues share: routing, misbehaviour on request, observability, and an end that leaves nothing."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
import time
from typing import Any, Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Opcode

from dbxsdk.sim import DigiFinexVenue

from tests.sim.peer import WAIT, ClientBook, peer

PING = {"id": 1, "method": "server.ping", "params": []}


@pytest.fixture
def venue() -> Iterator[DigiFinexVenue]:
    with DigiFinexVenue(rate=0, symbols=("BTC_USDT",)) as made:
        yield made


def ended(client: Any) -> ConnectionClosed:
    """How the connection ends, once everything before the end was read."""
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            client.websocket.recv(timeout=WAIT)
    return caught.value


def timed_close(venue: DigiFinexVenue) -> float:
    begun = time.monotonic()
    venue.close()
    return time.monotonic() - begun


# -- routing and life --------------------------------------------------------------------------------------------------


def test_the_address_is_on_loopback_and_the_path_is_the_venues(venue: DigiFinexVenue) -> None:
    assert venue.url().startswith("ws://127.0.0.1:") and venue.url().endswith("/ws/v1/")
    assert venue.url("/other").endswith("/other")


def test_an_unknown_path_is_not_found(venue: DigiFinexVenue) -> None:
    with pytest.raises(InvalidStatus) as caught, peer(venue, "/ws/v2/"):
        pass
    assert caught.value.response.status_code == 404


def test_a_query_is_kept_apart_from_the_path(venue: DigiFinexVenue) -> None:
    with peer(venue, "/ws/v1/?max_active_time=45s") as client:
        assert client.ask(PING)["result"] == "pong"
        assert venue.requests[0].path == "/ws/v1/"


def test_a_venue_starts_once_and_closes_often() -> None:
    venue = DigiFinexVenue(rate=0)
    with pytest.raises(RuntimeError):
        venue.url()
    with venue:
        with pytest.raises(RuntimeError):
            venue.start()
    venue.close()
    venue.close()
    with pytest.raises(RuntimeError):
        venue.start()


def test_closing_a_venue_that_was_never_started_is_harmless() -> None:
    DigiFinexVenue(rate=0).close()


@pytest.mark.parametrize(
    "wrong", [{"rate": -1}, {"max_connections": 0}, {"queue_size": 0}, {"symbols": ()}, {"symbols": ("BTC",)}]
)
def test_wrong_arguments_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError):
        DigiFinexVenue(**wrong)


def test_a_new_venue_can_take_the_port_of_one_that_closed(venue: DigiFinexVenue) -> None:
    port = int(venue.url().split(":")[2].partition("/")[0])
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"
        venue.close()
    with DigiFinexVenue(rate=0, port=port) as again, peer(again) as client:
        assert client.ask(PING)["result"] == "pong"


def test_close_says_going_away(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        assert venue.wait_until(lambda: venue.connections == 1)
        assert timed_close(venue) < 1
        error = ended(client)
        assert error.rcvd is not None and error.rcvd.code == 1001


def test_close_is_quick_with_clients_that_say_nothing(venue: DigiFinexVenue) -> None:
    host, port = "127.0.0.1", int(venue.url().split(":")[2].partition("/")[0])
    silent = socket.create_connection((host, port))
    upgraded = socket.create_connection((host, port))
    with silent, upgraded:
        upgraded.sendall(
            b"GET /ws/v1/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        assert venue.wait_until(lambda: venue.connections == 1)
        # One that does not even read: the writer is held up in the middle of a frame.
        venue.send_frame("x" * 20_000_000)
        assert timed_close(venue) < 1


def test_close_is_quick_while_silent(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"
        venue.go_silent()
        assert timed_close(venue) < 1


def test_close_from_two_threads(venue: DigiFinexVenue) -> None:
    with peer(venue):
        others = [threading.Thread(target=venue.close) for _ in range(3)]
        for thread in others:
            thread.start()
        venue.close()
        for thread in others:
            thread.join(WAIT)


def test_all_threads_carry_the_venues_name() -> None:
    before = set(threading.enumerate())
    with DigiFinexVenue(rate=50) as venue, peer(venue) as client:
        client.ask(PING)
        names = [thread.name for thread in set(threading.enumerate()) - before]
        ours = [name for name in names if name.startswith("dbxsdk-sim-digifinex-")]
        assert {name.rpartition("-")[2] for name in ours} == {"server", "market", "requests", "reader", "writer"}


def test_the_market_thread_steps_by_itself() -> None:
    with DigiFinexVenue(rate=200, symbols=("BTC_USDT",)) as venue:
        assert venue.wait_until(lambda: venue.steps >= 20)


def test_a_port_in_use_is_an_error(venue: DigiFinexVenue) -> None:
    port = int(venue.url().split(":")[2].partition("/")[0])
    with pytest.raises(OSError):
        DigiFinexVenue(rate=0, port=port).start()


def test_wss(capfd: pytest.CaptureFixture[str]) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    server_context, client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    # The peer's library writes while another thread of it may be reading a ticket, which OpenSSL does not bear.
    server_context.num_tickets = 0
    authority.issue_cert("127.0.0.1").configure_cert(server_context)
    authority.configure_trust(client_context)
    with DigiFinexVenue(rate=0, ssl_context=server_context) as venue:
        assert venue.url().startswith("wss://")
        port = int(venue.url().split(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)):  # never says hello, and holds up nobody
            with peer(venue, ssl=client_context) as client:
                assert client.ask(PING)["result"] == "pong"
                venue.drop_connections()
                ended(client)
            with pytest.raises(ssl.SSLError), peer(venue, ssl=ssl.create_default_context()):
                pass
            assert timed_close(venue) < 1
    assert capfd.readouterr() == ("", "")


def test_the_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['websockets'] = None\n"
        "try:\n    import dbxsdk.sim\nexcept ImportError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert 'pip install "dbxsdk[sim]"' in done.stdout, done


# -- misbehaviour on request -------------------------------------------------------------------------------------------


def test_drop_without_a_close_frame(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask(PING)
        assert venue.drop_connections() == 1
        assert ended(client).rcvd is None
    assert venue.wait_until(lambda: venue.connections == 0)
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"
    assert venue.connection_count == 2


def test_drop_with_a_close_frame(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask(PING)
        venue.drop_connections(1012, "restart")
        error = ended(client)
    assert error.rcvd is not None and (error.rcvd.code, error.rcvd.reason) == (1012, "restart")


def test_a_close_frame_goes_out_of_a_silent_venue_too(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask(PING)
        venue.go_silent()
        venue.drop_connections(1013)
        error = ended(client)
    assert error.rcvd is not None and error.rcvd.code == 1013


def test_silence_answers_nothing_and_carries_nothing_out(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask(PING)
        venue.go_silent()
        client.send({"id": 2, "method": "depth.subscribe", "params": ["BTC_USDT"]})
        assert venue.wait_until(lambda: len(venue.requests) == 2)
        pong = client.websocket.ping()
        venue.step(10)
        with pytest.raises(TimeoutError):
            client.receive(0.1)
        assert not pong.is_set()
        assert venue.subscriptions() == ()
        venue.resume()
        assert client.ask({"id": 3, "method": "server.ping", "params": []}) == {"error": None, "result": "pong", "id": 3}


def test_silence_opens_connections(venue: DigiFinexVenue) -> None:
    venue.go_silent()
    with peer(venue) as client:
        assert venue.wait_until(lambda: venue.connections == 1)
        client.send(PING)
        assert venue.wait_until(lambda: len(venue.requests) == 1)
        venue.resume()  # or nobody answers the close frame


def test_silence_ends_by_itself(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask(PING)
        venue.go_silent(0.05)
        assert not venue.wait_until(lambda: False, 0.06)
        assert client.ask(PING)["result"] == "pong"


def test_book_changes_after_a_silence_cover_all_of_it(venue: DigiFinexVenue) -> None:
    book = ClientBook()
    with peer(venue) as client:
        client.ask({"id": 1, "method": "depth.subscribe", "params": ["BTC_USDT"]})
        clean, sides, _ = client.receive()["params"]
        book.apply(sides["bids"], sides["asks"], clean, float)
        venue.go_silent()
        venue.step(50)
        venue.resume()
        venue.step()
        clean, sides, _ = client.receive()["params"]
        assert clean is False
        book.apply(sides["bids"], sides["asks"], clean, float)
    truth = {side: [(float(p), float(s)) for p, s in levels] for side, levels in venue.book("BTC_USDT").items()}
    assert book.levels() == truth


def test_refused_connections(venue: DigiFinexVenue) -> None:
    venue.refuse_connections(429, times=2, headers={"Retry-After": "3"})
    for _ in range(2):
        with pytest.raises(InvalidStatus) as caught, peer(venue):
            pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"] == "3"
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"


def test_refused_until_accepted(venue: DigiFinexVenue) -> None:
    venue.refuse_connections()
    for _ in range(3):
        with pytest.raises(InvalidStatus) as caught, peer(venue):
            pass
        assert caught.value.response.status_code == 503
    venue.accept_connections()
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"


def test_wrong_misbehaviour_is_refused(venue: DigiFinexVenue) -> None:
    for wrong in (
        lambda: venue.refuse_connections(101),
        lambda: venue.refuse_connections(503, times=0),
        lambda: venue.delay(-1),
        lambda: venue.disconnect_after(0),
    ):
        with pytest.raises(ValueError):
            wrong()


def test_delayed_answers_keep_their_order_with_pushes(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask({"id": 1, "method": "trades.subscribe", "params": ["BTC_USDT"]})
        assert client.receive()["params"][0] is True
        venue.delay(0.15)
        begun = time.monotonic()
        client.send({"id": 2, "method": "server.ping", "params": []})
        assert venue.wait_until(lambda: len(venue.requests) == 2)
        venue.step(10)  # trades, behind the answer
        assert client.receive()["id"] == 2
        assert time.monotonic() - begun >= 0.15
        assert client.receive()["method"] == "trades.update"
        venue.delay(0)
        client.send({"id": 3, "method": "server.ping", "params": []})
        assert client.receive_until(lambda document: document["id"] is not None)["id"] == 3


def test_frames_sent_verbatim(venue: DigiFinexVenue) -> None:
    with peer(venue) as client, peer(venue) as other:
        assert venue.wait_until(lambda: venue.connections == 2)
        assert venue.send_frame("not json {") == 2
        assert venue.send_frame(b"\x00\xff") == 2
        assert venue.send_frame({"method": "x.update", "params": [], "id": None}, path="/ws/v1/") == 2
        assert venue.send_frame("nobody", path="/elsewhere") == 0
        for each in (client, other):
            assert each.websocket.recv(timeout=WAIT) == "not json {"
            assert each.websocket.recv(timeout=WAIT) == b"\x00\xff"
            assert each.receive()["method"] == "x.update"


def test_disconnect_after_some_frames(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"
        venue.disconnect_after(2)
        assert client.ask(PING)["result"] == "pong"
        assert client.ask(PING)["result"] == "pong"
        assert ended(client).rcvd is None


def test_an_idle_client_is_cut() -> None:
    with DigiFinexVenue(rate=0, idle_timeout=0.15) as venue, peer(venue) as client:
        begun = time.monotonic()
        assert client.ask(PING)["result"] == "pong"
        venue.step()
        client.websocket.ping()  # a protocol ping is not a message
        assert ended(client).rcvd is None
        assert 0.1 < time.monotonic() - begun < 2


def test_more_connections_than_allowed_are_refused() -> None:
    with DigiFinexVenue(rate=0, max_connections=2) as venue:
        with peer(venue), peer(venue) as second:
            assert venue.wait_until(lambda: venue.connections == 2)
            with pytest.raises(InvalidStatus) as caught, peer(venue):
                pass
            assert caught.value.response.status_code == 503
            assert second.ask(PING)["result"] == "pong"
        assert venue.wait_until(lambda: venue.connections == 0)
        with peer(venue) as client:
            assert client.ask(PING)["result"] == "pong"


def test_a_client_that_does_not_read_is_cut_and_holds_up_nobody() -> None:
    with DigiFinexVenue(rate=0, queue_size=20) as venue, peer(venue, max_queue=1) as slow:
        slow.send(PING)
        assert venue.wait_until(lambda: len(venue.requests) == 1)
        with peer(venue, "/ws/v1/?fast") as fast:
            assert venue.wait_until(lambda: venue.connections == 2)
            for _ in range(200):
                venue.send_frame("x" * 1_000_000)
                assert fast.websocket.recv(timeout=WAIT)  # the fast one reads along
                if venue.connections == 1:
                    break
            assert venue.wait_until(lambda: venue.connections == 1)
            assert fast.ask(PING)["result"] == "pong"
        ended(slow)


# -- observability -----------------------------------------------------------------------------------------------------


def test_requests_are_kept_decoded(venue: DigiFinexVenue) -> None:
    with peer(venue) as client:
        client.ask(PING)
        client.ask("{not json")
        first, second = venue.requests
    assert (first.path, first.connection, first.document) == ("/ws/v1/", 1, PING)
    assert second.document is None and second.raw == "{not json"


def test_subscriptions_over_all_connections(venue: DigiFinexVenue) -> None:
    with peer(venue) as one:
        one.ask({"id": 1, "method": "trades.subscribe", "params": ["BTC_USDT"]})
        with peer(venue) as two:
            two.ask({"id": 1, "method": "all_ticker.subscribe", "params": []})
            assert venue.subscriptions() == ("all_ticker", "trades.BTC_USDT")
            assert venue.subscriptions("/elsewhere") == ()
        assert venue.wait_until(lambda: venue.subscriptions() == ("trades.BTC_USDT",))
    assert venue.wait_until(lambda: venue.connections == 0) and venue.subscriptions() == ()


def test_wait_until_gives_up(venue: DigiFinexVenue) -> None:
    assert not venue.wait_until(lambda: False, 0.01)
    assert venue.wait_until(lambda: True, 0)


def test_an_exception_in_a_handler_ends_nothing_and_prints_nothing(
    venue: DigiFinexVenue, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    with peer(venue) as client:
        with monkeypatch.context() as patched:
            patched.setattr(venue, "_request", fail)
            client.send(PING)
            assert venue.wait_until(lambda: venue.handler_errors == 1)
        assert client.ask(PING)["result"] == "pong"
    assert capfd.readouterr() == ("", "")


def test_rubbish_on_the_socket_prints_nothing(venue: DigiFinexVenue, capfd: pytest.CaptureFixture[str]) -> None:
    port = int(venue.url().split(":")[2].partition("/")[0])
    with socket.create_connection(("127.0.0.1", port)) as raw:
        raw.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        raw.settimeout(WAIT)
        while raw.recv(4096):
            pass
    with peer(venue) as client:
        assert client.ask(PING)["result"] == "pong"
        with client.websocket.protocol_mutex:  # a frame that breaks the protocol: a text that is not UTF-8
            client.websocket.protocol.writes.append(bytes((0x80 | Opcode.TEXT, 0x82, 0, 0, 0, 0, 0xFF, 0xFF)))
            client.websocket.send_data()
        error = ended(client)
        assert error.rcvd is not None and error.rcvd.code == 1007
    assert capfd.readouterr() == ("", "")
