"""Slow callbacks, full queues, calls inside callbacks, iterators, inline dispatch."""

from __future__ import annotations

import gc
import re
import threading
import time
from typing import Any, Dict, List

import pytest

from dbxsdk import (
    ClientClosed,
    ConnectError,
    Connected,
    Disconnected,
    Dropped,
    Gap,
    RequestTimeout,
    State,
    Update,
    WrongThreadError,
)
from tests.session.fake import FakeConnection, Gate, Network, say_yes
from tests.waiting import Background, Recorder, eventually, held


class Slow:
    """A callback that stands still in its first call until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go_on = threading.Event()
        self.updates = Recorder(self._stand)

    def _stand(self, update: Any) -> None:
        self.inside.set()
        assert self.go_on.wait(10.0)


def push(network: Network, numbers: Any, topic: str = "trades.A") -> threading.Event:
    for number in numbers:
        done = network.now.push({"topic": topic, "n": number})
    return done


def data(updates: Recorder) -> List[Any]:
    return [update.data for update in updates.of(Update)]


def test_block_loses_nothing_and_stops_reading() -> None:
    network, slow = Network(), Slow()
    with network.client(queue_size=3) as client:
        client.subscribe("trades", "A", callback=slow.updates)
        last = push(network, range(10))
        assert slow.inside.wait(5.0)
        eventually(lambda: client.stats().queued == 3 and held(client))
        assert not last.is_set()
        slow.go_on.set()
        slow.updates.wait(10)
        assert data(slow.updates) == list(range(10))
        assert client.stats().dropped == 0


def test_a_reader_held_by_its_own_queue_is_not_a_silent_venue() -> None:
    network, slow = Network(), Slow()
    with network.client(queue_size=1, heartbeat_interval=0.02, silence_timeout=0.1) as client:
        client.subscribe("trades", "A", callback=slow.updates)
        push(network, range(4))
        assert slow.inside.wait(5.0)
        eventually(lambda: held(client))
        eventually(lambda: len(network.now.asked("ping")) >= 5)
        time.sleep(1.2)  # longer than the watch looks away
        assert network.now.abort_reasons == []
        slow.go_on.set()
        slow.updates.wait(4)
        assert len(network.connections) == 1


def test_a_request_lets_a_held_reader_go_on_and_nothing_is_lost() -> None:
    network, slow = Network(), Slow()
    with network.client(queue_size=3) as client:
        client.subscribe("trades", "A", callback=slow.updates)
        push(network, range(6))
        assert slow.inside.wait(5.0)
        eventually(lambda: held(client))
        started = time.monotonic()
        assert client.call("echo", "answer", timeout=3.0) == "answer"
        assert time.monotonic() - started < 0.8, "the reader was told, it did not happen to look"
        slow.go_on.set()
        slow.updates.wait(6)
        assert data(slow.updates) == [0, 1, 2, 3, 4, 5]
        assert client.stats().dropped == 0 and len(network.connections) == 1


def test_a_request_lets_a_reader_go_on_that_an_iterator_holds() -> None:
    network = Network()
    with network.client(queue_size=3) as client:
        messages = client.messages("trades", "A")
        push(network, range(5))
        eventually(lambda: held(client))
        started = time.monotonic()
        assert client.call("echo", 1, timeout=3.0) == 1
        assert client.submit("echo", 2).result(0.8) == 2
        client.subscribe("depth", "B", callback=print, timeout=3.0)
        assert time.monotonic() - started < 0.8
        assert [next(messages).data for _ in range(5)] == [0, 1, 2, 3, 4]


def test_after_the_answer_a_full_queue_holds_the_reader_again() -> None:
    network, slow = Network(), Slow()
    with network.client(queue_size=3) as client:
        client.subscribe("trades", "A", callback=slow.updates)
        push(network, range(6))
        assert slow.inside.wait(5.0)
        assert client.call("echo", 1) == 1
        assert client.stats().queued == 5
        last = push(network, range(6, 9))
        eventually(lambda: held(client))
        assert not last.is_set()
        slow.go_on.set()
        slow.updates.wait(9)
        assert len(network.connections) == 1


@pytest.mark.parametrize("overflow", ["block", "drop_oldest", "latest", "disconnect"])
def test_every_blocking_call_works_inside_a_callback(overflow: str) -> None:
    network, results = Network(), Recorder()
    inside, go_on = threading.Event(), threading.Event()
    with network.client(queue_size=10, overflow=overflow) as client:

        def work(update: Any) -> None:
            if inside.is_set():
                return
            inside.set()
            assert go_on.wait(5.0)
            try:
                nested = client.subscribe("depth", "B", callback=print)
                outcome = [client.call("echo", 5, timeout=3.0), client.ping(timeout=3.0) >= 0, nested.active]
                nested.unsubscribe()
                client.open()
                results(outcome)
            except Exception as error:
                results(error)

        client.subscribe("trades", "A", callback=work)
        push(network, [0])
        assert inside.wait(5.0)
        last = push(network, range(1, 11 if overflow == "disconnect" else 15))
        eventually(lambda: held(client) if overflow == "block" else last.is_set())
        go_on.set()
        assert results.wait() == [[5, True, True]]
        assert len(network.connections) == 1


def test_a_call_inside_a_callback_survives_a_drop() -> None:
    network, results = Network(), Recorder()
    with network.client(queue_size=1) as client:

        def work(update: Any) -> None:
            if update.data == 0:
                network.now.end()
                network.connection(2)
                results(client.call("echo", 5, timeout=4.0))

        client.subscribe("trades", "A", callback=work)
        push(network, [0])
        assert results.wait() == [5]


def test_drop_oldest_with_exact_counts() -> None:
    network, slow = Network(), Slow()
    events = Recorder()
    client = network.client(queue_size=3, overflow="drop_oldest")
    client.on_event(events)
    with client:
        client.subscribe("trades", "A", callback=slow.updates)
        push(network, [0])
        assert slow.inside.wait(5.0)
        assert push(network, range(1, 11)).wait(5.0)
        assert (client.stats().queued, client.stats().dropped) == (3, 7)
        slow.go_on.set()
        slow.updates.wait(4)
        assert data(slow.updates) == [0, 8, 9, 10]
        assert events.of(Dropped) == [Dropped("trades.A", 7)]
        eventually(lambda: client.stats().delivered == 4)


def test_policies_of_single_subscriptions_do_not_disturb_each_other() -> None:
    network, slow, latest, kept = Network(), Slow(), Recorder(), Recorder()
    with network.client(queue_size=2, overflow="block") as client:
        client.subscribe("trades", "A", callback=slow.updates, overflow="drop_oldest")
        client.subscribe("ticker", "A", callback=latest, overflow="latest")
        client.subscribe("orders", callback=kept)
        push(network, [0])
        assert slow.inside.wait(5.0)
        push(network, range(1, 9))
        push(network, range(9), "ticker.A")
        assert push(network, range(2), "orders").wait(5.0)
        assert client.stats().queued == 5
        slow.go_on.set()
        kept.wait(2)
        assert (data(slow.updates), data(latest), data(kept)) == ([0, 7, 8], [8], [0, 1])
        assert client.stats().dropped == 6 + 8


def test_disconnect_drops_the_connection_once_and_the_gap_is_told() -> None:
    network, slow, everything = Network(), Slow(), Recorder()
    client = network.client(queue_size=2, overflow="disconnect")
    client.on_event(everything)
    with client:
        client.subscribe("trades", "A", callback=slow.updates)
        push(network, [0])
        assert slow.inside.wait(5.0)
        push(network, range(1, 9))
        network.connection(2)
        assert len(network.connections[0].abort_reasons) == 1
        assert re.search("queue is full: queue_size .2.", network.connections[0].abort_reasons[0])
        slow.go_on.set()
        everything.wait_for(Gap)
        assert data(slow.updates) == [0, 1, 2]
        assert everything.of(Dropped) == [Dropped("trades.A", 1)]
        push(network, [9])
        slow.updates.wait(4)


def test_events_keep_their_place_between_updates() -> None:
    network, everything = Network(), Recorder()
    client = network.client()
    client.on_event(everything)
    with client:
        client.subscribe("trades", "A", callback=everything)
        push(network, [1, 2])
        network.now.end()
        eventually(lambda: network.connection(2).asked("subscribe"))
        push(network, [3])
        everything.wait_for(Update, 3)
        kinds = [item.data if isinstance(item, Update) else type(item) for item in everything.items]
        assert kinds == [Connected, 1, 2, Disconnected, Connected, Gap, 3]


# -- iterators -----------------------------------------------------------------------------------------


def test_messages_are_the_same_updates_in_a_loop() -> None:
    network = Network()
    with network.client() as client, client.messages("trades", ["A", "B"]) as messages:
        push(network, [1], "trades.A")
        push(network, [2], "trades.B")
        assert [(next(messages).symbol, next(messages).data)] == [("A", 2)]
        assert client.stats().delivered == 2
        with client.messages("trades", "A", raw=True) as raw:
            push(network, [3])
            assert next(raw) == {"topic": "trades.A", "n": 3}
        assert next(messages).data == 3
        assert network.now.asked("unsubscribe") == []
    assert network.now.asked("unsubscribe") == [["trades.A", "trades.B"]]


@pytest.mark.parametrize("way", ["messages", "client", "subscription", "channel"])
def test_a_loop_ends_when_it_is_ended_from_outside(way: str) -> None:
    network = Network()
    with network.client() as client:
        messages = client.messages("trades", "A")
        looping = Background(list, messages)
        if way == "messages":
            messages.close()
        elif way == "client":
            client.close()
        elif way == "subscription":
            messages.subscription.unsubscribe()
        else:
            client.unsubscribe("trades")
        assert looping.result() == []
        assert list(messages) == []


def test_a_loop_raises_what_ended_the_client_after_what_had_come() -> None:
    network = Network()
    with network.client(max_reconnects=0) as client:
        messages = client.messages("trades", "A")
        assert push(network, [1, 2]).wait(5.0)
        network.now.end("cut")
        eventually(lambda: client.state is State.FAILED)
        assert [next(messages).data, next(messages).data] == [1, 2]
        for _ in range(2):
            with pytest.raises(ConnectError, match="cut"):
                next(messages)


def test_a_loop_goes_on_over_a_reconnect() -> None:
    network = Network()
    with network.client() as client, client.messages("trades", "A") as messages:
        assert push(network, [1]).wait(5.0)
        network.now.end()
        eventually(lambda: network.connection(2).asked("subscribe"))
        push(network, [2])
        given = [next(messages) for _ in range(3)]
        assert [update.data for update in given if not isinstance(update, Gap)] == [1, 2]


def test_an_iterator_that_was_thrown_away_is_unsubscribed_and_holds_nobody() -> None:
    network = Network()
    with network.client(queue_size=1) as client:
        messages = client.messages("trades", "A")
        queue = messages._queue
        push(network, range(3))
        eventually(lambda: queue.holding)
        del messages
        gc.collect()
        push(network, [9])
        eventually(lambda: network.now.asked("unsubscribe") == [["trades.A"]])
        assert client.call("echo", 1) == 1


def test_what_iterators_dropped_stays_counted() -> None:
    network = Network()
    with network.client(queue_size=1, overflow="drop_oldest") as client:
        messages = client.messages("trades", "A")
        assert push(network, range(5)).wait(5.0)
        assert client.stats().dropped == 4
        messages.close()
        assert client.stats().dropped == 5
        del messages
        gc.collect()
        client.messages("trades", "B").close()
        assert client.stats().dropped == 5


def test_what_an_iterator_dropped_is_an_event() -> None:
    network, events = Network(), Recorder()
    client = network.client(queue_size=1, overflow="drop_oldest")
    client.on_event(events)
    with client, client.messages("trades", "A") as messages:
        assert push(network, range(5)).wait(5.0)
        assert next(messages).data == 4
        assert events.wait_for(Dropped) == Dropped("trades.A", 4)


# -- inline dispatch -----------------------------------------------------------------------------------


def test_inline_callbacks_run_on_the_reader_thread_where_waiting_is_an_error() -> None:
    network, outcomes = Network(), Recorder()
    client = network.client(dispatch="inline")
    with client:
        messages = client.messages("other", "A")

        def work(update: Any) -> None:
            outcomes(threading.current_thread().name)
            waits: Dict[str, Any] = {
                "open": client.open,
                "call": lambda: client.call("echo"),
                "ping": client.ping,
                "wait": client.wait,
                "subscribe": lambda: client.subscribe("b", callback=print),
                "messages": lambda: client.messages("b"),
                "next": lambda: next(messages),
            }
            for name, wait in waits.items():
                try:
                    wait()
                    outcomes(f"{name} returned")
                except WrongThreadError:
                    pass
            client.submit("echo", 7).add_done_callback(lambda future: outcomes(future.result()))
            subscription.unsubscribe()

        subscription = Background(client.subscribe, "trades", "A", callback=work).result()
        push(network, [1, 2])
        assert outcomes.wait(2) == ["dbxsdk-fake-reader", 7]
        assert client.call("echo", 1) == 1
        assert outcomes.items[2:] == []


def test_waiting_in_a_done_callback_is_an_error_at_once() -> None:
    network, outcomes = Network(), Recorder()
    with network.client() as client:

        def done(future: Any) -> None:
            try:
                client.call("echo")
            except WrongThreadError as error:
                outcomes(error)

        network.answer = lambda connection, request: None
        future = client.submit("echo")
        future.add_done_callback(done)
        network.answer = say_yes
        network.now.push({"id": network.now.sent[-1]["id"], "ok": 1})
        outcomes.wait()


def test_inline_has_no_callbacks_thread_and_keeps_the_order() -> None:
    network, everything = Network(), Recorder()
    client = network.client(dispatch="inline")
    client.on_event(everything)
    with client:
        assert "dbxsdk-fake-callbacks" not in [thread.name for thread in threading.enumerate()]
        Background(client.subscribe, "trades", "A", callback=everything).result()
        push(network, [1])
        network.now.end()
        eventually(lambda: network.connection(2).asked("subscribe"))
        push(network, [2])
        everything.wait_for(Update, 2)
        kinds = [item.data if isinstance(item, Update) else type(item) for item in everything.items]
        assert kinds == [Connected, 1, Disconnected, Connected, Gap, 2]


def test_a_venue_that_answers_nothing_while_a_callback_waits_ends_in_a_timeout_not_in_a_deadlock() -> None:
    def only_subscribes(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        return say_yes(connection, request) if request["do"] == "subscribe" else None

    network, outcomes = Network(only_subscribes), Recorder()
    with network.client(queue_size=2) as client:

        def work(update: Any) -> None:
            try:
                client.call("order", timeout=0.1)
            except RequestTimeout as error:
                outcomes(error)

        client.subscribe("trades", "A", callback=work)
        push(network, range(4))
        outcomes.wait(4)
        assert client.stats().pending == 0


def test_a_callback_that_waits_is_released_by_close() -> None:
    network, outcomes = Network(), Recorder()
    client = network.client()

    def work(update: Any) -> None:
        try:
            client.call("order", timeout=5.0)
        except (ClientClosed, Exception) as error:
            outcomes(error)

    client.subscribe("trades", "A", callback=work)
    network.answer = lambda connection, request: None
    push(network, [1])
    eventually(lambda: network.now.asked("order"))
    started = time.monotonic()
    client.close()
    assert time.monotonic() - started < 1.0
    outcomes.wait()


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_an_iterator_gives_out_the_gap_between_the_updates_around_it(dispatch: str) -> None:
    network = Network()
    with network.client(dispatch=dispatch) as client, client.messages("trades", ["A", "B"]) as messages:
        network.now.push({"topic": "trades.A", "n": 1})
        assert next(messages).data == 1
        network.now.end()
        network.connection(2).push({"topic": "trades.B", "n": 2})
        gap = next(messages)
        assert isinstance(gap, Gap) and set(gap.topics) == {"trades.A", "trades.B"}
        assert next(messages).data == 2


def test_an_iterator_is_told_of_a_gap_right_after_it_was_made() -> None:
    """Before another frame came: what the venue has sent since is missing all the same."""
    network = Network()
    with network.client() as client:
        client.subscribe("trades", "A", callback=print)
        with client.messages("trades", "A") as messages:
            network.now.end()
            network.connection(2).push({"topic": "trades.A", "n": 1})
            gap = next(messages)
            assert isinstance(gap, Gap) and gap.topics == ("trades.A",)
            assert next(messages).data == 1


def test_an_iterator_that_is_made_while_nothing_comes_has_missed_nothing() -> None:
    network, gate, events = Network(), Gate(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        client.subscribe("trades", "A", callback=print)
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5.0)
        joining = Background(client.messages, "trades", "A")
        eventually(lambda: joining.waits)
        gate.open.set()
        with joining.result() as messages:
            network.connection(2).push({"topic": "trades.A", "n": 1})
            assert next(messages).data == 1
        assert events.wait_for(Gap).topics == ("trades.A",)


def test_an_iterator_says_nothing_of_the_gaps_of_others() -> None:
    network, events = Network(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        with client.messages("trades", "A") as messages:
            for number in (1, 2):
                network.connection(number).push({"topic": "trades.A", "n": number})
                if number == 1:
                    network.now.end()
            assert [type(next(messages)) for _ in range(3)][1] is Gap
        client.subscribe("other", "B", callback=print)
        with client.messages("late", "C") as late:
            client.unsubscribe("late", "C")
            network.now.end()
            network.connection(3).push({"topic": "other.B", "n": 3})
            events.wait_for(Gap, 2)
            assert list(late) == []


def test_updates_refused_before_an_event_end_the_connection_too() -> None:
    network = Network()
    client = network.client(overflow="disconnect", queue_size=1)
    held, go_on = threading.Event(), threading.Event()

    def slow(update: Any) -> None:
        held.set()
        assert go_on.wait(5.0)

    with client:
        client.subscribe("trades", "A", callback=slow)
        first = network.now
        first.push({"topic": "trades.A", "n": 1})
        assert held.wait(5.0)
        # Before the bad frame is told of, what came before it goes into the queue.
        first.push({"topic": "trades.A", "n": 2}, {"topic": "trades.A", "n": 3}, b"{")
        eventually(lambda: first.abort_reasons)
        assert "is full" in first.abort_reasons[0]
        go_on.set()


def test_a_full_queue_of_one_holds_up_nothing_that_came_before_for_another() -> None:
    network, others = Network(), Recorder()
    with network.client(queue_size=2) as client, client.messages("a", "1") as messages:
        client.subscribe("b", "1", callback=others)
        one, other = {"topic": "a.1", "n": 1}, {"topic": "b.1", "n": 2}
        network.now.push(one, other, one, one, one)  # of one read of the network
        assert others.wait()[0].data == 2, "although the iterator has room for two"
        assert [next(messages).data for _ in range(4)] == [1] * 4


def test_a_reader_that_stands_still_goes_on_when_its_connection_is_over() -> None:
    network = Network()
    with network.client(queue_size=2) as client:
        inside, go_on, answers = threading.Event(), threading.Event(), Recorder()

        def ask(update: Any) -> None:
            if not inside.is_set():
                inside.set()
                assert go_on.wait(5.0)
                answers(client.call("echo", 5))

        client.subscribe("a", "1", callback=ask)
        network.now.push({"topic": "a.1", "n": 0})
        assert inside.wait(5.0)
        network.now.push(*({"topic": "a.1", "n": number} for number in range(8)))
        eventually(lambda: held(client))
        network.now.abort("a send failed")
        go_on.set()  # the request waits for the next connection, which the reader has to make
        assert answers.wait() == [5]


def test_a_reader_that_stands_still_connects_again_while_the_callback_is_busy() -> None:
    network = Network()
    with network.client(queue_size=2) as client:
        inside, go_on, updates = threading.Event(), threading.Event(), Recorder()

        def slow(update: Any) -> None:
            inside.set()
            assert go_on.wait(5.0)
            updates(update.data)

        client.subscribe("a", "1", callback=slow)
        network.now.push({"topic": "a.1", "n": 0})
        assert inside.wait(5.0)
        network.now.push(*({"topic": "a.1", "n": number} for number in range(1, 9)))
        eventually(lambda: held(client))
        network.now.abort("nothing was received")
        try:
            network.connection(2)  # nobody waits for an answer, and nothing leaves the queue
        finally:
            go_on.set()
        assert updates.wait(9) == list(range(9))
