"""Opening and closing from every side, at every moment, without leaving a thread, a request or a connection."""

from __future__ import annotations

import threading
import time
from typing import Any, Dict, List

import pytest

from dbxsdk import ClientClosed, ConnectError, Connected, ConnectFailed, Disconnected, State
from dbxsdk.transport import Ending
from tests.conftest import library_threads
from tests.session.fake import FakeConnection, Gate, Network
from tests.waiting import Background, Recorder, eventually


def silent(connection: FakeConnection, request: Dict[str, Any]) -> Any:
    return None


def ours() -> List[str]:
    return [thread.name for thread in library_threads()]


def test_construction_does_nothing_and_close_of_an_unused_client_neither() -> None:
    network = Network()
    client = network.client()
    assert (client.state, network.connections, ours()) == (State.NEW, [], [])
    assert client.stats().last_received_age is None
    client.close()
    client.close()
    assert client.state is State.CLOSED
    assert client.wait(0) is True
    for use in (client.open, client.ping, lambda: client.call("x"), lambda: client.subscribe("a", callback=print)):
        with pytest.raises(ClientClosed):
            use()  # type: ignore[no-untyped-call]
    assert network.connections == []


def test_a_client_in_use_has_three_threads_and_a_closed_one_none() -> None:
    network, events = Network(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        assert sorted(ours()) == ["dbxsdk-fake-callbacks", "dbxsdk-fake-heartbeat", "dbxsdk-fake-reader"]
        assert all(thread.daemon for thread in library_threads())
        assert client.wait(0.01) is False
    assert ours() == []
    assert network.now.ended.is_set()
    assert events.items == [Connected(0), Disconnected("closed", None, None)]
    assert client.wait() is True


def test_close_of_a_mute_peer_takes_less_than_a_second() -> None:
    network = Network(silent)
    client = network.client()
    client.open()
    network.now.mute = True
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 1.0
    assert network.now.abort_reasons == ["closed"]
    assert ours() == []


def test_close_while_connecting_is_at_once() -> None:
    network, gate = Network(), Gate()
    network.plans.append(gate)
    client = network.client()
    opening = Background(client.open)
    assert gate.reached.wait(5.0)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 1.0
    assert isinstance(opening.error(), ClientClosed)
    assert ours() == []


def test_close_while_backing_off_is_at_once() -> None:
    network, events = Network(), Recorder()
    client = network.client(backoff_initial=60.0, backoff_max=60.0)
    client.on_event(events)
    client.open()
    network.plans.extend([Ending("no", error=ConnectError("no", retry_after=50.0))] * 5)
    network.now.end()
    # Of the first attempt by chance, of the next one at the latest.
    eventually(lambda: any((each.retry_in or 0) > 1 for each in [*events.of(Disconnected), *events.of(ConnectFailed)]))
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 1.0
    assert ours() == []


def test_close_between_two_connections_leaves_no_connection_behind() -> None:
    # close() must not pass by a connection that is made at the same moment: nobody would ever end it.
    network = Network()
    client = network.client(request_timeout=30.0)
    client.open()
    made, go_on = threading.Event(), threading.Event()
    connect = network.connect

    def slow(*arguments: Any) -> Any:
        made.set()
        assert go_on.wait(5.0)
        return connect(*arguments)

    network.connect = slow  # type: ignore[method-assign]
    network.now.end()
    assert made.wait(5.0)
    future = client.submit("order")

    def while_closing(future: Any) -> None:
        # In the middle of close(): the reader comes to its connection now.
        go_on.set()
        pause.wait(0.2)

    pause = threading.Event()
    future.add_done_callback(while_closing)
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 2.0
    assert isinstance(future.exception(0), ClientClosed)
    assert ours() == []
    assert all(each.ended.is_set() for each in network.connections if each.opened.is_set())


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_close_from_inside_a_callback(dispatch: str) -> None:
    network = Network()
    client = network.client(dispatch=dispatch)
    closed = threading.Event()

    def close(update: Any) -> None:
        client.close()
        closed.set()

    updates = Recorder(close)
    Background(client.subscribe, "trades", "A", callback=updates).result()
    for number in range(3):
        network.now.push({"topic": "trades.A", "n": number})
    assert closed.wait(5.0)
    assert client.wait(5.0) is True
    eventually(lambda: ours() == [])
    assert len(updates.items) == 1, "nothing is delivered after close()"
    assert client.state is State.CLOSED


def test_close_from_an_event_callback_and_from_a_done_callback() -> None:
    network = Network()
    client = network.client()
    client.on_event(lambda event: client.close() if isinstance(event, Disconnected) else None)
    client.open()
    network.now.end()
    assert client.wait(5.0) is True
    eventually(lambda: ours() == [])

    client = network.client()
    client.open()
    client.submit("echo").add_done_callback(lambda future: client.close())
    assert client.wait(5.0) is True
    eventually(lambda: ours() == [])


def test_close_by_many_threads_at_once() -> None:
    for mute in (False, True):
        network = Network()
        client = network.client()
        client.open()
        network.now.mute = mute
        started = time.monotonic()
        closing = [Background(client.close) for _ in range(8)]
        for each in closing:
            each.result(2.0)
        assert time.monotonic() - started < 2.0
        assert ours() == []


def test_close_waits_for_a_running_callback_as_long_as_it_may() -> None:
    network = Network()
    client = network.client()
    inside, go_on = threading.Event(), threading.Event()

    def slow(update: Any) -> None:
        inside.set()
        assert go_on.wait(5.0)

    client.subscribe("trades", "A", callback=slow)
    network.now.push({"topic": "trades.A", "n": 1})
    assert inside.wait(5.0)
    started = time.monotonic()
    client.close(timeout=0.1)
    assert 0.1 <= time.monotonic() - started < 1.0
    assert ours() == ["dbxsdk-fake-callbacks"]
    go_on.set()


def test_close_counts_what_was_not_delivered() -> None:
    network = Network()
    client = network.client()
    inside, go_on = threading.Event(), threading.Event()

    def slow(update: Any) -> None:
        inside.set()
        assert go_on.wait(5.0)

    client.subscribe("trades", "A", callback=slow)
    for number in range(5):
        last = network.now.push({"topic": "trades.A", "n": number})
    assert inside.wait(5.0) and last.wait(5.0)
    closing = Background(client.close)
    eventually(lambda: client.stats().dropped == 4)
    go_on.set()
    closing.result()
    assert (client.stats().delivered, client.stats().queued) == (1, 0)


def test_wait_is_released_by_close() -> None:
    network = Network()
    client = network.client()
    client.open()
    waiting = Background(client.wait)
    client.close()
    assert waiting.result() is True


def test_open_by_many_threads_makes_one_connection() -> None:
    network, gate = Network(), Gate()
    network.plans.append(gate)
    client = network.client()
    opening = [Background(client.open) for _ in range(8)]
    assert gate.reached.wait(5.0)
    gate.open.set()
    for each in opening:
        each.result()
    assert len(network.connections) == 1
    assert len(ours()) == 3
    client.open()
    client.close()


def test_an_open_that_runs_out_of_time_leaves_nothing_running() -> None:
    network, gate = Network(), Gate()
    network.plans.append(gate)
    client = network.client()
    with pytest.raises(ConnectError, match="not ready in time"):
        client.open(timeout=0.05)
    assert gate.reached.is_set()
    assert (ours(), client.state) == ([], State.NEW)
    client.open()
    assert client.call("echo", 1) == 1
    client.close()


def test_an_open_that_runs_out_of_time_does_not_take_the_others_connection() -> None:
    network, gate = Network(), Gate()
    network.plans.append(gate)
    client = network.client()
    patient = Background(client.open, 5.0)
    assert gate.reached.wait(5.0)
    future = client.submit("echo", 1)
    with pytest.raises(ConnectError):
        client.open(timeout=0.05)
    gate.open.set()
    patient.result()
    assert future.result(2.0) == 1
    assert len(network.connections) == 1
    client.close()


def test_an_open_that_runs_out_of_time_just_before_the_connection_is_made_leaves_none() -> None:
    for number in range(900):
        network = Network()
        client = network.client()
        try:
            client.open(timeout=number % 300 * 5e-6)  # some of them at the very moment at which it is ready
        except ConnectError:
            assert ours() == []
        client.open()
        client.close()
        assert ours() == []


def test_open_and_close_race() -> None:
    for _ in range(100):
        network = Network()
        client = network.client()
        opening = Background(client.open)
        closing = Background(client.close)
        closing.result()
        try:
            opening.result()
        except ClientClosed:
            pass
        assert client.state is State.CLOSED
        eventually(lambda: ours() == [])
        assert all(connection.ended.is_set() for connection in network.connections if connection.opened.is_set())


def test_a_new_life_after_a_failed_opening_delivers() -> None:
    # The end of the old life must not end the queue of the new one.
    for _ in range(30):
        network, updates = Network(), Recorder()
        network.plans.append(Ending("no", error=ConnectError("no")))
        client = network.client()
        first = Background(client.open)
        again = Background(_until_open, client)
        with pytest.raises(ConnectError):
            first.result()
            raise ConnectError("the other one had the bad connection")
        again.result()
        client.subscribe("trades", "A", callback=updates)
        network.now.push({"topic": "trades.A", "n": 1})
        updates.wait()
        client.close()


def _until_open(client: Any) -> None:
    while True:
        try:
            client.open()
            return
        except ConnectError:
            pass


def test_events_before_the_end_are_delivered() -> None:
    network, events = Network(), Recorder()
    client = network.client(max_reconnects=0)
    client.on_event(events)
    client.open()
    network.now.end("cut", 1006)
    with pytest.raises(ConnectError):
        client.wait(5.0)
    assert events.wait(2) == [Connected(0), Disconnected("cut", 1006, None)]
    client.close()
    eventually(lambda: ours() == [])


def test_threads_that_cannot_be_started_are_a_connect_error(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network()
    client = network.client()
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if thread.name.endswith("heartbeat"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with pytest.raises(ConnectError, match="threads could not be started"):
        client.open()
    monkeypatch.undo()
    eventually(lambda: ours() == [])
    client.open()
    assert client.call("echo", 1) == 1
    client.close()


def test_the_representation_names_the_endpoint_and_the_state() -> None:
    network = Network()
    client = network.client()
    assert repr(client) == f"<FakeClient fake {network.url[5:-1]}:80 new>"
    client.close()
    assert repr(client).endswith("closed>")
    named = network.client(name="my spot desk")
    assert (named.name, repr(named)) == ("my spot desk", f"<FakeClient my spot desk {network.url[5:-1]}:80 new>")


def test_an_iterator_and_a_subscription_name_their_topics() -> None:
    network = Network()
    with network.client() as client, client.messages("ticks", "A") as messages:
        assert repr(messages.subscription) == f"<Subscription {client.name} ticks {list(messages.subscription.topics)}>"
        assert repr(messages) == f"<Messages of {messages.subscription!r}>"


def test_what_a_client_is_called_is_in_its_threads_events_and_log(caplog: pytest.LogCaptureFixture) -> None:
    network, events = Network(), Recorder()
    first, second = network.client(name="one"), network.client(name="two")
    second.on_event(events)
    with caplog.at_level("INFO"), first, second:
        assert sorted(ours()) == [
            f"dbxsdk-{name}-{kind}" for name in ("one", "two") for kind in ("callbacks", "heartbeat", "reader")
        ]
        network.now.end()
        events.wait_for(Connected, 2)
    assert {event.client for event in events.items} == {"two"}
    lines = {record.client: record for record in caplog.records if record.name == "dbxsdk.session"}  # type: ignore
    assert set(lines) == {"one", "two"}
    for name, record in lines.items():
        assert record.getMessage().startswith(f"{name}: ") and record.venue == "fake"  # type: ignore[attr-defined]


def test_a_new_life_that_begins_before_the_old_one_is_over_delivers() -> None:
    network, updates = Network(), Recorder()
    gate = Gate(Ending("no", error=ConnectError("no")))
    network.plans.append(gate)
    client = network.client()
    failed = client.submit("echo")
    opened = threading.Event()

    def in_the_last_moments_of_the_old_life(future: Any) -> None:
        Background(client.open).result()
        opened.set()

    failed.add_done_callback(in_the_last_moments_of_the_old_life)
    gate.open.set()
    assert opened.wait(5.0)
    eventually(lambda: len(ours()) == 3)
    client.subscribe("trades", "A", callback=updates)
    network.now.push({"topic": "trades.A", "n": 1})
    updates.wait()
    client.close()


@pytest.mark.parametrize("seconds", [0.0, 0.17, 0.19, 0.2, 0.21, 0.23, 0.4])
def test_an_open_that_gives_up_while_the_connection_is_being_made_leaves_none(seconds: float) -> None:
    """Before, at and after the moment at which it gives up, the reader comes to its connection."""
    network = Network()
    client = network.client()
    connect = network.connect

    def slow(*arguments: Any) -> Any:
        threading.Event().wait(seconds)
        return connect(*arguments)

    network.connect = slow  # type: ignore[method-assign]
    try:
        client.open(0.2)
    except ConnectError:
        assert ours() == [] and client.state is State.NEW
        assert all(each.ended.is_set() for each in network.connections if each.opened.is_set())
    else:
        assert seconds < 0.22 and len(network.connections) == 1
    network.connect = connect  # type: ignore[method-assign]
    client.open()
    assert client.call("echo", 1) == 1
    client.close()
