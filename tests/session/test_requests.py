"""Requests of the session over a network in memory: exactly one outcome each, and the right one."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List

import pytest

from dbxsdk import (
    Disconnected,
    BadFrame,
    ClientClosed,
    ConnectError,
    ConnectionLost,
    LateReply,
    OutcomeUnknown,
    ProtocolError,
    RequestTimeout,
    State,
    UnreadableReply,
    VenueError,
)
from dbxsdk.transport import Ending, NotSent, SendFailed
from tests.session.fake import FakeConnection, FakeProtocol, Gate, Network, say_yes
from tests.waiting import Background, Recorder, eventually


def silent(connection: FakeConnection, request: Dict[str, Any]) -> Any:
    return None


def refuse(connection: FakeConnection, request: Dict[str, Any]) -> Any:
    return {"id": request["id"], "no": "insufficient balance"}


def silent_to(*methods: str) -> Any:
    return lambda connection, request: None if request["do"] in methods else say_yes(connection, request)


def test_an_answer_that_comes_before_send_has_returned_is_not_lost() -> None:
    network = Network()
    with network.client() as client:
        # The fake delivers the answer inside send().
        for number in range(50):
            assert client.call("echo", number, timeout=1.0) == number
        assert client.submit("echo", "x").result(1.0) == "x"
        assert client.stats().pending == 0


def test_a_refusal_carries_code_message_and_reply() -> None:
    network = Network(refuse)
    with network.client() as client:
        with pytest.raises(VenueError) as caught:
            client.call("order")
        assert (caught.value.code, caught.value.message) == (7, "insufficient balance")
        assert caught.value.reply["no"] == "insufficient balance"
        assert isinstance(client.submit("order").exception(1.0), VenueError)
        assert client.stats().pending == 0


def test_an_answer_that_says_neither_yes_nor_no_leaves_the_outcome_unknown() -> None:
    network = Network(lambda connection, request: {"id": request["id"], "maybe": True})
    with network.client() as client:
        with pytest.raises(UnreadableReply, match="order cannot be read: neither ok nor no") as caught:
            client.call("order")
        assert isinstance(caught.value, OutcomeUnknown) and isinstance(caught.value, ProtocolError)
        assert caught.value.request_id == network.now.sent[-1]["id"]
        assert isinstance(client.submit("order").exception(1.0), UnreadableReply)
        assert (client.stats().pending, client.stats().bad_frames) == (0, 0)


@pytest.mark.parametrize("kind", ["order", None])
def test_a_late_refusal_without_an_id_is_not_given_to_the_next_request(kind: Any) -> None:
    network = Network(silent)
    with network.client() as client:
        with pytest.raises(RequestTimeout):
            client.call("order", timeout=0.05)
        later = client.submit("order")
        network.now.push({"kind": kind, "no": "too many orders"})
        eventually(lambda: client.stats().bad_frames == 1)
        assert not later.done()
        # Its own answer still finds it, and on a new connection nothing can be late.
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 5})
        assert later.result(1.0) == 5
        before = network.now
        network.now.end()
        eventually(lambda: network.now is not before and client.state is State.READY)
        alone = client.submit("order")
        network.now.push({"kind": kind, "no": "too many orders"})
        assert isinstance(alone.exception(1.0), VenueError)


def test_no_answer_in_time_is_an_unknown_outcome_with_the_id_that_went_out() -> None:
    network = Network(silent)
    with network.client() as client:
        with pytest.raises(RequestTimeout) as caught:
            client.call("order", timeout=0.05)
        assert isinstance(caught.value, TimeoutError) and isinstance(caught.value, OutcomeUnknown)
        assert caught.value.request_id == network.now.sent[-1]["id"]
        assert client.stats().pending == 0


def test_a_future_ends_at_the_request_timeout_though_nobody_waits_for_it() -> None:
    network = Network(silent)
    with network.client(request_timeout=0.15, heartbeat_interval=30.0) as client:
        started = time.monotonic()
        error = client.submit("order").exception(timeout=3.0)
        assert isinstance(error, RequestTimeout)
        assert error.request_id == network.now.sent[-1]["id"]
        assert 0.1 < time.monotonic() - started < 1.0
        assert client.stats().pending == 0


def test_an_answer_after_the_timeout_is_reported_as_such_and_given_to_nobody_else() -> None:
    network = Network(silent)
    events = Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        with pytest.raises(RequestTimeout):
            client.call("order", timeout=0.05)
        late = network.now.sent[-1]
        network.answer = silent_to("other")
        other = client.submit("other")
        network.now.push({"id": late["id"], "ok": "late"})
        assert events.wait_for(LateReply) == LateReply(late["id"], None, "late", None)
        assert not other.done()
        assert client.call("echo", 1) == 1
        # It comes once.
        network.now.push({"id": late["id"], "ok": "late"})
        assert "no request in flight" in str(events.wait_for(BadFrame).error)
        assert client.stats().bad_frames == 1


@pytest.mark.parametrize("answer", [{"no": "insufficient balance"}, {"maybe": True}])
def test_a_late_refusal_says_what_the_call_would_have_raised(answer: Dict[str, Any]) -> None:
    network, events = Network(silent), Recorder()
    client = network.client(request_timeout=0.05)
    client.on_event(events)
    with client:
        assert isinstance(client.submit("order").exception(3.0), RequestTimeout)
        network.now.push({"id": network.now.sent[-1]["id"], **answer})
        late = events.wait_for(LateReply)
        assert late.request_id == network.now.sent[-1]["id"] and late.result is None
        assert type(late.error) is (VenueError if "no" in answer else UnreadableReply)
        assert client.stats().bad_frames == 0


def test_each_reply_goes_to_its_own_request_in_whatever_order_they_come() -> None:
    network = Network(silent)
    with network.client() as client:
        futures = [client.submit("echo", number) for number in range(20)]
        for request in reversed(network.now.sent):
            network.now.push({"id": request["id"], "ok": request["params"]})
        assert [future.result(1.0) for future in futures] == list(range(20))


def test_a_reply_that_comes_twice_is_taken_once() -> None:
    network = Network(lambda connection, request: [{"id": request["id"], "ok": n} for n in (1, 2)])
    with network.client() as client:
        assert client.call("echo") == 1
        eventually(lambda: client.stats().bad_frames == 1)
        assert client.call("echo") == 1


def test_the_end_of_the_connection_leaves_sent_requests_unknown() -> None:
    network = Network(silent)
    with network.client() as client:
        waiting = Background(client.call, "order")
        future = client.submit("order")
        eventually(lambda: len(network.now.asked("order")) == 2)
        network.now.end("cut off")
        for error in (waiting.error(), future.exception(1.0)):
            assert isinstance(error, ConnectionLost)
            assert "cut off" in str(error)
            assert error.request_id in [request["id"] for request in network.connections[0].sent]
        network.connection(2)
        assert network.now.asked("order") == [], "nothing is ever sent twice"
        assert client.stats().pending == 0


def test_a_request_while_the_connection_is_down_waits_for_the_next() -> None:
    network = Network()
    with network.client() as client:
        gate = Gate()
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5.0)
        waiting = Background(client.call, "echo", 5)
        future = client.submit("echo", 6)
        eventually(lambda: client.stats().pending >= 1)
        gate.open.set()
        assert waiting.result() == 5
        assert future.result(1.0) == 6
        assert sorted(network.connections[1].asked("echo")) == [5, 6]


def test_a_request_that_found_no_connection_in_time_was_never_sent() -> None:
    network = Network()
    with network.client(request_timeout=0.1) as client:
        gate = Gate()
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5.0)
        future = client.submit("order", 1)
        with pytest.raises(ConnectError, match="nothing was sent"):
            client.call("order", 2, timeout=0.05)
        error = future.exception(2.0)
        assert isinstance(error, ConnectError) and not isinstance(error, OutcomeUnknown)
        assert client.stats().pending == 0
        gate.open.set()
        network.connection(2)
        assert client.call("echo", 3, timeout=2.0) == 3
        assert network.now.asked("order") == [], "what was given up is not sent later"


def test_submit_opens_the_connection_and_fails_with_it() -> None:
    network = Network()
    client = network.client()
    assert client.submit("echo", 1).result(2.0) == 1
    client.close()
    network = Network()
    network.plans.append(Ending("refused", error=ConnectError("refused")))
    client = network.client()
    with pytest.raises(ConnectError, match="refused"):
        client.submit("echo", 1).result(2.0)
    eventually(lambda: client.state is State.NEW)
    assert client.stats().pending == 0
    client.close()


def test_submit_while_the_first_connection_fails_never_stays_without_an_outcome() -> None:
    # A request that comes just when the threads' life ends must not be left in the queue of that life.
    for _ in range(40):
        network = Network()
        client = network.client(request_timeout=1.0)
        gate = Gate(Ending("refused", error=ConnectError("refused")))
        network.plans.append(gate)
        futures: List[Any] = [client.submit("echo", 0)]
        assert gate.reached.wait(5.0)

        def keep_asking(futures: List[Any] = futures, client: Any = client) -> None:
            while not futures[0].done():
                futures.append(client.submit("echo", 1))
            futures.append(client.submit("echo", 2))

        asking = Background(keep_asking)
        gate.open.set()
        asking.result()
        for future in futures:
            assert future.exception(3.0) is None or isinstance(future.exception(), ConnectError)
        assert client.stats().pending == 0
        client.close()


def test_who_waits_for_a_future_does_not_wait_for_its_callbacks() -> None:
    network, waited, woken = Network(silent), threading.Event(), threading.Event()
    with network.client() as client:
        future = client.submit("ask")
        # As with the standard library's: a callback may wait for a thread that waits for the result.
        future.add_done_callback(lambda done: waited.set() if woken.wait(5.0) else None)
        result = Background(lambda: (future.result(5.0), woken.set()))
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 1})
        assert result.result()[0] == 1 and waited.wait(5.0)


def test_a_broken_socket_ends_the_connection_with_a_reason_that_says_what_was_done() -> None:
    network, events = Network(), Recorder()
    with network.client() as client:
        client.on_event(events)
        connection = network.now
        connection.send_failures.append(NotSent("Broken pipe", broken=True))
        assert client.submit("echo", 1).result(5.0) == 1, "on the next connection: not a byte had left"
        assert events.wait_for(Disconnected).reason == "a frame could not be sent: Broken pipe"
        assert connection.asked("echo") == [] and network.now.asked("echo") == [1]


def test_not_sent_is_a_connect_error_and_send_failed_an_unknown_outcome() -> None:
    network = Network()
    with network.client() as client:
        network.now.send_failures.append(NotSent("no room"))
        with pytest.raises(ConnectError, match="no room"):
            client.call("order")
        connection = network.now
        connection.send_failures.append(SendFailed("half of it"))
        waiting = Background(client.call, "order")
        eventually(lambda: not connection.send_failures)
        connection.end("broken")
        assert isinstance(waiting.error(), ConnectionLost)
        assert client.stats().pending == 0


def test_not_sent_because_the_connection_ends_goes_out_on_the_next_one() -> None:
    network = Network()
    with network.client() as client:
        first = network.now
        first.stopped = True  # it is ending, and the session has not heard of it yet
        waiting = Background(client.call, "echo", 5)
        eventually(lambda: client.stats().pending == 1)
        first.end("gone")
        assert waiting.result() == 5
        assert first.asked("echo") == []
        assert network.connections[1].asked("echo") == [5]


def test_close_ends_requests_in_flight() -> None:
    network = Network(silent)
    client = network.client()
    client.open()
    sent = client.submit("order")
    waiting = Background(client.call, "order")
    eventually(lambda: len(network.now.asked("order")) == 2)
    client.close()
    for error in (sent.exception(0), waiting.error()):
        assert isinstance(error, ConnectionLost)
    with pytest.raises(ClientClosed):
        client.submit("order")


def test_close_ends_requests_that_were_not_sent() -> None:
    network = Network()
    client = network.client()
    client.open()
    network.plans.append(Gate())
    network.now.end()
    eventually(lambda: client.state is State.RECONNECTING)
    future = client.submit("order")
    waiting = Background(client.call, "order")
    client.close()
    for error in (future.exception(1.0), waiting.error()):
        assert isinstance(error, ClientClosed)
        assert not isinstance(error, OutcomeUnknown)


def test_a_future_cannot_be_cancelled() -> None:
    network = Network(silent)
    with network.client() as client:
        future = client.submit("order")
        assert not future.cancel()
        assert future.running()


def test_a_done_callback_that_raises_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    network = Network(silent)
    with network.client() as client:
        for error in (ValueError("mine"), SystemExit(3)):
            future = client.submit("echo")

            def complain(future: Any, error: BaseException = error) -> None:
                raise error

            future.add_done_callback(complain)
            network.now.push({"id": network.now.sent[-1]["id"], "ok": 1})
            assert future.result(1.0) == 1
        network.answer = say_yes
        assert client.call("echo", 2) == 2
        assert client.state is State.READY
    assert len(network.connections) == 1


def test_ping_measures_the_round_trip() -> None:
    network = Network(silent)
    with network.client() as client:
        pinging = Background(client.ping)
        eventually(lambda: network.now.asked("ping"))
        threading.Event().wait(0.05)
        network.now.push({"id": network.now.sent[-1]["id"], "ok": "pong"})
        assert 0.04 < pinging.result() < 2.0


def test_the_background_error_is_raised_by_the_next_call_and_never_shared() -> None:
    network = Network()
    with network.client(max_reconnects=0) as client:
        network.now.end("cut", 1006)
        errors = []
        for attempt in (client.call, client.submit, client.call):
            eventually(lambda: client.state is State.FAILED)
            with pytest.raises(ConnectError, match="cut") as caught:
                attempt("echo")
            errors.append(caught.value)
        assert len({id(error) for error in errors}) == 3
        with pytest.raises(ConnectError, match="cut"):
            client.wait(0)
        with pytest.raises(ConnectError, match="cut"):
            client.open()


def test_many_threads_each_get_their_own_answer() -> None:
    network = Network()
    with network.client() as client:

        def work(first: int) -> List[int]:
            return [client.call("echo", number, timeout=5.0) for number in range(first, first + 100)]

        working = [Background(work, 1000 * index) for index in range(8)]
        for index, each in enumerate(working):
            assert each.result(20.0) == list(range(1000 * index, 1000 * index + 100))
        ids = [request["id"] for request in network.now.sent]
        assert len(ids) == len(set(ids)) == 800
        assert client.stats().pending == 0


def test_wrong_arguments_are_told_before_any_connection() -> None:
    network = Network()
    client = network.client(FakeProtocol())
    for wrong, kind in ((5, TypeError), ("", ValueError)):
        with pytest.raises(kind, match="method"):
            client.call(wrong)  # type: ignore[arg-type]
    for timeout in (-1, float("nan"), float("inf"), 1e300):
        with pytest.raises(ValueError, match="timeout"):
            client.call("echo", timeout=timeout)
    for timeout in ("5", True, object()):
        with pytest.raises(TypeError, match="timeout"):
            client.call("echo", timeout=timeout)  # type: ignore[arg-type]
    assert network.connections == []
