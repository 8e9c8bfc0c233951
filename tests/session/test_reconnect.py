"""After a dropped connection: back-off, a fresh connection, every topic again, and the gap told in its place."""

from __future__ import annotations

import inspect
import sys
import time
from typing import Any, Dict, List

import pytest

from dbxsdk import (
    AuthError,
    ConnectError,
    Connected,
    ConnectFailed,
    Disconnected,
    Gap,
    OutcomeUnknown,
    RateLimited,
    Refused,
    State,
    Update,
    VenueError,
)
from dbxsdk.transport import Ending
from tests.conftest import library_threads
from tests.session.fake import FakeClient, FakeConnection, FakeProtocol, Gate, Network, say_yes
from tests.waiting import Recorder, eventually


def refused_connection(reason: str = "refused", **options: Any) -> Ending:
    return Ending(reason, error=ConnectError(reason, **options))


def recorded(network: Network, protocol: Any = None, **options: Any) -> "tuple[FakeClient, Recorder]":
    """A client whose updates and events go, in their order, to one recorder."""
    everything = Recorder()
    client = network.client(protocol, **options)
    client.on_event(everything)
    return client, everything


def test_everything_is_subscribed_again_and_the_gap_comes_before_the_first_update() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        client.subscribe("trades", ["A", "B"], callback=everything)
        client.subscribe("depth", "A", callback=everything)
        before = time.time_ns()
        assert network.now.push({"topic": "trades.A", "n": 1}).wait(5.0)
        first = network.now
        first.end("gone", 1001)
        second = network.connection(2)
        eventually(lambda: second.asked("subscribe"))
        assert second.asked("subscribe") == [["trades.A", "trades.B", "depth.A"]]
        second.push({"topic": "depth.A", "n": 2})
        everything.wait_for(Update, 2)
        connected, update, disconnected, again, gap, new = everything.items
        assert (connected, again) == (Connected(0), Connected(1))
        assert (update.data, new.data) == (1, 2)
        assert (disconnected.reason, disconnected.code) == ("gone", 1001)
        assert 0 <= disconnected.retry_in <= 0.05
        assert gap.topics == ("trades.A", "trades.B", "depth.A")
        assert 0 < gap.seconds < 5
        assert before <= gap.last_received_ns <= time.time_ns()
        assert client.stats().reconnects == 1


def test_the_gap_is_told_before_an_update_that_overtakes_the_acknowledgement() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        client.subscribe("trades", "A", callback=everything)
        network.answer = lambda connection, request: [{"topic": "trades.A", "n": 9}, say_yes(connection, request)]
        network.now.end()
        everything.wait_for(Update)
        kinds = [type(item) for item in everything.items]
        assert kinds == [Connected, Disconnected, Connected, Gap, Update]


def test_the_gap_is_told_once_though_no_update_comes() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        client.subscribe("trades", "A", callback=everything)
        network.now.end()
        everything.wait_for(Gap)
        network.now.push({"topic": "trades.A", "n": 1})
        everything.wait_for(Update)
        assert len(everything.of(Gap)) == 1


def test_no_gap_where_nothing_was_subscribed() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        network.now.end()
        everything.wait_for(Connected, 2)
        assert client.call("echo", 1) == 1
        assert everything.of(Gap) == []


def test_one_gap_over_several_failed_attempts() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        client.subscribe("trades", "A", callback=everything)
        network.plans.extend([refused_connection(), refused_connection()])
        network.now.end()
        everything.wait_for(Gap)
        assert len(everything.of(Gap)) == len(everything.of(Disconnected)) == 1
        assert [failed.attempt for failed in everything.of(ConnectFailed)] == [1, 2]
        assert len(network.connections) == 4
        assert client.stats().reconnects == 1


def test_the_gap_names_nothing_that_was_given_up_while_the_connection_was_down() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        client.subscribe("trades", ["A", "B"], callback=everything)
        gate = Gate()
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5.0)
        client.unsubscribe("trades", "A")
        gate.open.set()
        assert everything.wait_for(Gap).topics == ("trades.B",)
        assert network.now.asked("subscribe") == [["trades.B"]]


def test_a_refusal_at_resubscription_is_an_event_and_the_topic_is_asked_for_again_next_time() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        client.subscribe("trades", ["A", "B"], callback=everything)
        network.answer = lambda connection, request: {"id": request["id"], "refused": ["trades.A"]}
        network.now.end()
        refused = everything.wait_for(Refused)
        assert refused.topics == refused.error.topics == ("trades.A",)
        assert client.state is State.READY
        network.answer = say_yes
        network.now.end()
        third = network.connection(3)
        eventually(lambda: third.asked("subscribe"))
        assert third.asked("subscribe") == [["trades.A", "trades.B"]]
        third.push({"topic": "trades.A", "n": 5})
        assert everything.wait_for(Update).data == 5
        assert len(everything.of(Refused)) == 1


def test_a_resubscription_that_is_never_answered_gets_a_new_connection() -> None:
    network = Network()
    client, everything = recorded(network, request_timeout=0.1)
    with client:
        client.subscribe("trades", "A", callback=everything)
        network.answer = lambda connection, request: None
        network.now.end()
        second = network.connection(2)
        eventually(lambda: second.abort_reasons)
        network.answer = say_yes
        everything.wait_for(Gap)
        assert client.state is State.READY
        assert len(network.connections) >= 3


def test_single_retries_of_a_resubscription_that_are_never_answered_get_a_new_connection_in_time() -> None:
    network = Network()
    client, everything = recorded(network, request_timeout=0.2)
    with client:
        client.subscribe("trades", ["A", "B"], callback=everything)

        def refuse_lists(connection: FakeConnection, request: Dict[str, Any]) -> Any:
            return {"id": request["id"], "no": "bad"} if len(request["params"]) > 1 else None

        network.answer = refuse_lists
        network.now.end()
        second = network.connection(2)
        eventually(lambda: second.abort_reasons, timeout=2.0)
        network.answer = say_yes
        everything.wait_for(Gap)


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1008, 1012, None])
def test_only_our_own_close_ends_a_session(code: Any) -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        network.now.end("bye", code)
        everything.wait_for(Connected, 2)
        assert everything.of(Disconnected)[0].code == code
        assert client.call("echo", 1) == 1


def test_a_final_refusal_ends_the_client_for_good() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        network.plans.append(Ending("HTTP 403", error=AuthError("HTTP 403", code=403)))
        network.now.end()
        eventually(lambda: client.state is State.FAILED)
        for attempt in (
            client.open,
            client.ping,
            lambda: client.wait(5.0),
            lambda: client.subscribe("a", callback=print),
        ):
            with pytest.raises(AuthError, match="403"):
                attempt()  # type: ignore[no-untyped-call]
        with pytest.raises(AuthError):
            client.submit("echo")
        assert everything.wait_for(ConnectFailed) == ConnectFailed("HTTP 403", 1, None)
        assert everything.wait_for(Disconnected).retry_in is not None
        assert len(network.connections) == 2
    assert client.state is State.FAILED


def test_the_first_connection_is_tried_once_and_leaves_nothing_running() -> None:
    network = Network()
    network.plans.append(refused_connection("refused, check the port"))
    client, everything = recorded(network)
    with pytest.raises(ConnectError, match="check the port"):
        client.open()
    assert len(network.connections) == 1
    assert client.state is State.NEW
    assert library_threads() == []
    assert everything.wait() == [ConnectFailed("refused, check the port", 1, None)]
    client.open()  # a retry is safe, and works
    assert client.call("echo", 1) == 1
    client.close()
    assert everything.items[1:] == [Connected(0), Disconnected("closed", None, None)]


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_max_reconnects_counts_failed_attempts_in_a_row(limit: int) -> None:
    network = Network()
    client, everything = recorded(network, max_reconnects=limit)
    with client:
        if limit > 1:
            # A connection that was ready in between starts the count afresh.
            network.plans.extend([refused_connection()] * (limit - 1))
            network.now.end()
            everything.wait_for(Connected, 2)
        made = len(network.connections)
        network.plans.extend([refused_connection("still refused")] * 9)
        network.now.end("cut")
        with pytest.raises(ConnectError, match="still refused" if limit else "cut"):
            client.wait(5.0)
        assert len(network.connections) == made + limit
        assert client.state is State.FAILED


def test_the_wait_that_the_venue_asked_for_is_respected() -> None:
    network = Network()
    client, everything = recorded(network)
    with client:
        network.plans.append(refused_connection("HTTP 429", retry_after=0.3))
        network.now.end()
        assert everything.wait_for(ConnectFailed) == ConnectFailed("HTTP 429", 1, 0.3)
        started = time.monotonic()
        everything.wait_for(Connected, 2)
        assert time.monotonic() - started >= 0.2


def test_login_steps_are_asked_one_after_the_other_before_the_connection_is_ready() -> None:
    network = Network()
    client, everything = recorded(network, FakeProtocol(logins=("auth", "confirm")))
    with client:
        assert [request["do"] for request in network.now.sent] == ["auth", "confirm"]
        network.now.end()
        everything.wait_for(Connected, 2)
        assert [request["do"] for request in network.connections[1].sent] == ["auth", "confirm"]
        assert everything.items[0] == Connected(0)


def test_a_refused_key_is_final_and_raised_by_open() -> None:
    network = Network(lambda connection, request: {"id": request["id"], "no": "bad key", "final": True})
    client, everything = recorded(network, FakeProtocol(logins=("auth",)))
    with pytest.raises(AuthError, match="bad key"):
        client.open()
    with pytest.raises(AuthError, match="bad key"):
        client.call("echo")
    with pytest.raises(AuthError, match="bad key"):
        client.wait(1.0)
    assert len(network.connections) == 1
    assert everything.of(Connected) == []
    client.close()


def test_a_login_refused_for_now_is_raised_by_open_and_tried_again_later() -> None:
    def busy(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        return {"id": request["id"], "no": "busy"}

    network = Network(busy)
    client, everything = recorded(network, FakeProtocol(logins=("auth",)))
    with pytest.raises(VenueError, match="busy"):
        client.open()
    assert client.state is State.NEW
    network.answer = say_yes
    with client:
        network.answer = busy
        network.now.end()
        eventually(lambda: len(network.connections) > 4)
        network.answer = say_yes
        everything.wait_for(Connected, 2)


def test_a_login_that_is_never_answered_is_bounded() -> None:
    network = Network(lambda connection, request: None)
    client = network.client(FakeProtocol(logins=("auth",)), request_timeout=0.1)
    with pytest.raises(ConnectError):
        client.open(timeout=3.0)
    assert network.now.abort_reasons == ["the venue did not answer the login in time"]
    client.close()


def test_a_login_that_cannot_be_made_says_so_at_once() -> None:
    class Broken(FakeProtocol):
        def login(self, now_ms: int) -> Any:
            raise RuntimeError("the signer has no such key: hush")

    network = Network()
    client = network.client(Broken())
    started = time.monotonic()
    with pytest.raises(ConnectError, match="the login could not be made: RuntimeError") as caught:
        client.open()
    assert time.monotonic() - started < 2.0
    assert "hush" not in str(caught.value)
    client.close()


def test_requests_in_flight_at_the_drop_are_done_when_the_event_is_delivered() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(30):
            network = Network(lambda connection, request: None)
            client, found, told = network.client(), Recorder(), Recorder()
            futures: List[Any] = []
            client.on_event(
                lambda event, futures=futures, found=found: found([future.done() for future in futures])  # type: ignore
                if isinstance(event, Disconnected)
                else None
            )
            with client:
                futures += [client.submit("order", number) for number in range(3)]
                futures[1].add_done_callback(told)
                network.now.end()
                assert found.wait() == [[True] * 3]
                assert all(isinstance(future.exception(), OutcomeUnknown) for future in futures)
                told.wait()
    finally:
        sys.setswitchinterval(interval)


def test_a_venue_that_says_nothing_is_given_up_and_one_that_answers_heartbeats_is_not() -> None:
    network = Network()
    client, everything = recorded(network, heartbeat_interval=0.05, silence_timeout=0.3)
    with client:
        first = network.now
        eventually(lambda: len(first.asked("ping")) >= 8)
        assert first.abort_reasons == [], "it answers"
        network.answer = lambda connection, request: None
        eventually(lambda: first.abort_reasons, timeout=4.0)
        assert "nothing was received" in first.abort_reasons[0]
        network.answer = say_yes
        everything.wait_for(Connected, 2)
        assert client.stats().pending == 0


def test_heartbeats_are_sent_only_where_nothing_else_was() -> None:
    network = Network()
    with network.client(heartbeat_interval=0.3) as client:
        started = time.monotonic()
        while time.monotonic() - started < 0.8:
            client.call("echo", 1)
            network.now.push({"topic": "nothing", "n": 1})
        assert network.now.asked("ping") == []
        eventually(lambda: network.now.asked("ping"), timeout=2.0)


def test_heartbeats_go_out_beside_requests_where_requests_may_not_count() -> None:
    class Strict(FakeProtocol):
        only_heartbeats_count = True

    network = Network()
    with network.client(Strict(), heartbeat_interval=0.1) as client:
        # Never a tenth of a second without a request.
        eventually(lambda: client.call("echo", 1) and len(network.now.asked("ping")) >= 3)


def test_the_budget_of_a_host_is_shared_and_a_first_connection_does_not_wait_for_ever(monkeypatch: Any) -> None:
    class Scarce(FakeProtocol):
        connection_budget = (1, 300.0)

    network = Network()
    with network.client(Scarce()):
        other = network.client(Scarce(), connect_timeout=0.2)
        with pytest.raises(ConnectError, match="limit of new connections") as caught:
            other.open()
        assert 290 < (caught.value.retry_after or 0) <= 300
        assert len(network.connections) == 1
        other.close()


def test_rate_limited_is_a_venue_error() -> None:
    assert issubclass(RateLimited, VenueError)


def test_complaint_14_many_reconnects_do_not_nest() -> None:
    depths: List[int] = []

    def depth(_: object) -> None:
        frame, count = inspect.currentframe(), 0
        while frame is not None:
            frame, count = frame.f_back, count + 1
        depths.append(count)

    network = Network()
    with network.client(dispatch="inline", backoff_initial=0.0001, backoff_max=0.0001) as client:
        client.on_event(lambda event: depth(event) if isinstance(event, Connected) else None)
        for number in range(1, 201):
            network.connection(number).end("gone")
        eventually(lambda: client.stats().reconnects == 200)
    assert len(depths) == 200 and len(set(depths)) == 1
