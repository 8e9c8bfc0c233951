"""Subscriptions over a network in memory: acknowledged, refused, shared, ended."""

from __future__ import annotations

import collections
import gc
import threading
import time
import weakref
from decimal import Decimal
from typing import Any, Dict, List

import attrs
import pytest

from dbxsdk import (
    BadFrame,
    CallbackFailed,
    ClientClosed,
    ConnectError,
    Connected,
    Disconnected,
    Gap,
    RequestTimeout,
    Silent,
    State,
    SubscribeError,
    Update,
)
from dbxsdk.fields import Lazy, decimal, lazy, reader, wire
from dbxsdk.protocol import Push, Reply, Request
from dbxsdk.session import Messages, Subscription
from dbxsdk.session.core.requests import Entry
from dbxsdk.session.core.topics import Topic, Waiter
from tests.session.fake import FakeConnection, FakeProtocol, Gate, Network, say_yes
from tests.waiting import Background, Recorder, drained, eventually


@lazy
@attrs.frozen(slots=False)
class Quote(Lazy):
    price: Decimal = wire("p", decimal)


def refusing(*topics: str) -> Any:
    """Refuses these topics of a subscribe request and takes the others."""

    def answer(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        if request["do"] != "subscribe":
            return say_yes(connection, request)
        return {"id": request["id"], "refused": [topic for topic in request["params"] if topic in topics]}

    return answer


def all_or_nothing(*topics: str) -> Any:
    """Refuses a whole request where one of these is in it."""

    def answer(connection: FakeConnection, request: Dict[str, Any]) -> Any:
        bad = request["do"] == "subscribe" and set(topics) & set(request["params"])
        return {"id": request["id"], "no": "bad topic"} if bad else say_yes(connection, request)

    return answer


def unanswered(*methods: str) -> Any:
    return lambda connection, request: None if request["do"] in methods else say_yes(connection, request)


def test_updates_reach_the_callback_with_all_that_is_known_of_them() -> None:
    network, updates = Network(), Recorder()
    with network.client() as client:
        client.subscribe("trades", "BTC", callback=updates)
        network.now.push({"topic": "trades.BTC", "n": 1})
        (update,) = updates.wait()
        assert isinstance(update, Update)
        assert (update.venue, update.channel, update.symbol, update.kind) == ("fake", "trades", "BTC", "update")
        assert (update.data, update.raw) == (1, {"topic": "trades.BTC", "n": 1})
        assert client.stats().delivered == client.stats().received - 1 == 1


def test_raw_gives_the_document_itself() -> None:
    network, documents = Network(), Recorder()
    with network.client() as client:
        client.subscribe("trades", "BTC", callback=documents, raw=True)
        network.now.push({"topic": "trades.BTC", "unread": True})
        assert documents.wait() == [{"topic": "trades.BTC", "unread": True}]


def test_an_update_before_the_acknowledgement_is_not_lost() -> None:
    def push_first(connection: FakeConnection, request: Dict[str, Any]) -> List[Any]:
        return [{"topic": "trades.BTC", "n": 7}, say_yes(connection, request)]

    network, updates = Network(push_first), Recorder()
    with network.client() as client:
        client.subscribe("trades", "BTC", callback=updates)
        assert updates.wait()[0].data == 7


def test_a_refused_topic_is_named_and_the_others_stay() -> None:
    network, updates = Network(refusing("trades.BAD")), Recorder()
    with network.client() as client:
        with pytest.raises(SubscribeError) as caught:
            client.subscribe("trades", ["BTC", "BAD", "ETH"], callback=updates)
        assert caught.value.topics == ("trades.BAD",)
        assert caught.value.code == 9
        kept = caught.value.subscription
        assert kept.topics == ("trades.BTC", "trades.ETH")
        network.now.push({"topic": "trades.ETH", "n": 1})
        assert updates.wait()[0].symbol == "ETH"
        kept.unsubscribe()
        assert sorted(network.now.asked("unsubscribe")[0]) == ["trades.BTC", "trades.ETH"]


def test_all_refused_leaves_nothing() -> None:
    network = Network(refusing("trades.BAD"))
    with network.client() as client:
        with pytest.raises(SubscribeError) as caught:
            client.subscribe("trades", "BAD", callback=print)
        assert caught.value.subscription is None
        assert network.now.asked("unsubscribe") == []
        network.answer = say_yes
        client.subscribe("trades", "BAD", callback=print)
        assert network.now.asked("subscribe") == [["trades.BAD"]] * 2, "it is asked for afresh"


def test_one_bad_topic_of_an_all_or_nothing_venue_costs_only_itself() -> None:
    network = Network(all_or_nothing("trades.BAD"))
    with network.client() as client:
        with pytest.raises(SubscribeError) as caught:
            client.subscribe("trades", ["BTC", "BAD"], callback=print)
        assert caught.value.topics == ("trades.BAD",)
        assert caught.value.subscription.topics == ("trades.BTC",)
        assert network.now.asked("subscribe") == [["trades.BTC", "trades.BAD"], ["trades.BTC"], ["trades.BAD"]]


def test_a_refusal_touches_no_topic_of_other_calls() -> None:
    network, updates = Network(refusing("trades.BAD")), Recorder()
    with network.client() as client:
        client.subscribe("trades", "BTC", callback=updates)
        with pytest.raises(SubscribeError):
            client.subscribe("trades", "BAD", callback=print)
        network.now.push({"topic": "trades.BTC", "n": 1})
        updates.wait()
        assert len(network.connections) == 1


def test_two_callbacks_share_one_subscription_on_the_wire_until_the_last_ends() -> None:
    network, first, second = Network(), Recorder(), Recorder()
    with network.client() as client:
        one = client.subscribe("trades", "BTC", callback=first)
        two = client.subscribe("trades", "BTC", callback=second, raw=True)
        assert network.now.asked("subscribe") == [["trades.BTC"]]
        network.now.push({"topic": "trades.BTC", "n": 1})
        assert (first.wait()[0].data, second.wait()) == (1, [{"topic": "trades.BTC", "n": 1}])
        one.unsubscribe()
        assert (one.active, two.active) == (False, True)
        assert network.now.asked("unsubscribe") == []
        network.now.push({"topic": "trades.BTC", "n": 2})
        second.wait(2)
        assert len(first.items) == 1
        two.unsubscribe()
        two.unsubscribe()
        assert network.now.asked("unsubscribe") == [["trades.BTC"]]


def test_one_document_for_several_topics_reaches_a_raw_callback_once() -> None:
    network, raw, typed = Network(), Recorder(), Recorder()
    with network.client() as client:
        client.subscribe("trades", ["A", "B"], callback=raw, raw=True)
        client.subscribe("trades", ["A", "B"], callback=typed)
        network.now.push({"topics": ["trades.A", "trades.B"], "n": 3})
        assert [update.symbol for update in typed.wait(2)] == ["A", "B"]
        network.now.push({"topic": "trades.A", "n": 4})
        assert [document["n"] for document in raw.wait(2)] == [3, 4]


def test_unsubscribe_stops_what_is_already_queued() -> None:
    network = Network()
    inside, go_on = threading.Event(), threading.Event()

    def slow(update: Any) -> None:
        inside.set()
        assert go_on.wait(5.0)

    updates = Recorder(slow)
    with network.client() as client:
        subscription = client.subscribe("trades", "BTC", callback=updates)
        for number in range(5):
            last = network.now.push({"topic": "trades.BTC", "n": number})
        assert inside.wait(5.0) and last.wait(5.0)
        assert client.stats().queued == 4
        subscription.unsubscribe()
        go_on.set()
        drained(client)
        assert [update.data for update in updates.items] == [0]


def test_unsubscribe_of_one_symbol_of_many_and_of_a_whole_channel() -> None:
    network = Network()
    with network.client() as client:
        subscription = client.subscribe("trades", ["A", "B", "C"], callback=print)
        other = client.subscribe("depth", "A", callback=print)
        client.unsubscribe("trades", "B")
        assert subscription.topics == ("trades.A", "trades.C")
        client.unsubscribe("trades", "never")
        client.unsubscribe("trades")
        assert not subscription.active and other.active
        assert network.now.asked("unsubscribe") == [["trades.B"], ["trades.A", "trades.C"]]


def test_subscribed_again_while_the_venue_is_still_leaving_it() -> None:
    network, updates = Network(unanswered("unsubscribe")), Recorder()
    with network.client() as client:
        client.subscribe("trades", "BTC", callback=print).unsubscribe()
        again = Background(client.subscribe, "trades", "BTC", callback=updates)
        leave = next(request for request in network.now.sent if request["do"] == "unsubscribe")
        network.now.push({"id": leave["id"], "ok": True})
        assert again.result().active
        assert network.now.asked("subscribe") == [["trades.BTC"]] * 2
        network.now.push({"topic": "trades.BTC", "n": 1})
        updates.wait()


def test_subscribed_again_though_the_venue_never_answers_that_it_left() -> None:
    network = Network(unanswered("unsubscribe"))
    with network.client(request_timeout=0.3) as client:
        subscription = client.subscribe("trades", "BTC", callback=print)
        threading.Event().wait(0.4)  # until nothing else wakes the thread that keeps the deadlines
        subscription.unsubscribe()
        started = time.monotonic()
        assert client.subscribe("trades", "BTC", callback=print, timeout=4.0).active
        assert time.monotonic() - started < 2.0
        assert network.now.asked("subscribe") == [["trades.BTC"]] * 2


def test_no_acknowledgement_in_time_leaves_nothing_subscribed() -> None:
    network = Network(unanswered("subscribe"))
    with network.client() as client:
        with pytest.raises(RequestTimeout, match="trades.BTC"):
            client.subscribe("trades", "BTC", callback=print, timeout=0.05)
        network.now.push({"id": network.now.sent[-1]["id"], "ok": True})
        # The late acknowledgement is taken back at once.
        eventually(lambda: network.now.asked("unsubscribe") == [["trades.BTC"]])


def test_a_second_subscriber_is_not_left_behind_when_the_first_ones_request_is_never_answered() -> None:
    network = Network(unanswered("subscribe"))
    with network.client(request_timeout=0.2) as client:
        first = Background(client.subscribe, "trades", "BTC", callback=print)
        eventually(lambda: network.now.asked("subscribe"))
        second = Background(client.subscribe, "trades", "BTC", callback=print, timeout=5.0)
        assert isinstance(first.error(), RequestTimeout)
        network.answer = say_yes
        assert second.result(3.0).active


def test_a_second_subscriber_of_an_unanswered_request_is_told_that_it_was_sent() -> None:
    network = Network(unanswered("subscribe"))
    with network.client() as client:
        first = Background(client.subscribe, "trades", "BTC", callback=print, timeout=0.5)
        eventually(lambda: network.now.asked("subscribe"))
        with pytest.raises(RequestTimeout):
            client.subscribe("trades", "BTC", callback=print, timeout=0.05)
        assert isinstance(first.error(), RequestTimeout)


def test_subscribe_while_the_connection_is_down_waits_for_the_next() -> None:
    network, updates = Network(), Recorder()
    with network.client() as client:
        gate = Gate()
        network.plans.append(gate)
        network.now.end()
        assert gate.reached.wait(5.0)
        waiting = Background(client.subscribe, "trades", "BTC", callback=updates)
        with pytest.raises(ConnectError):
            client.subscribe("trades", "ETH", callback=print, timeout=0.05)
        gate.open.set()
        assert waiting.result().active
        network.now.push({"topic": "trades.BTC", "n": 1})
        updates.wait()
        assert network.now.asked("subscribe") == [["trades.BTC"]]


def test_a_connection_lost_between_request_and_acknowledgement_is_survived() -> None:
    network = Network(unanswered("subscribe"))
    with network.client() as client:
        waiting = Background(client.subscribe, "trades", "BTC", callback=print)
        eventually(lambda: network.now.asked("subscribe"))
        network.answer = say_yes
        network.now.end()
        assert waiting.result().active
        assert network.connections[1].asked("subscribe") == [["trades.BTC"]]


def test_close_ends_a_waiting_subscribe() -> None:
    network = Network(unanswered("subscribe"))
    client = network.client()
    waiting = Background(client.subscribe, "trades", "BTC", callback=print)
    eventually(lambda: network.connections and network.now.asked("subscribe"))
    client.close()
    assert isinstance(waiting.error(), ClientClosed)


def test_more_topics_than_a_connection_can_hold_are_refused_before_any_request() -> None:
    network = Network()
    with network.client(FakeProtocol(capacity=2)) as client:
        client.subscribe("trades", ["A", "B"], callback=print)
        client.subscribe("trades", "A", callback=print)
        with pytest.raises(ValueError, match="too many"):
            client.subscribe("trades", "C", callback=print)
        client.unsubscribe("trades", "A")
        client.subscribe("trades", "C", callback=print)
        assert network.now.asked("subscribe") == [["trades.A", "trades.B"], ["trades.C"]]


def test_an_unreadable_update_is_one_bad_frame_however_many_want_it() -> None:
    network, events, raw, typed = Network(), Recorder(), Recorder(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        client.subscribe("trades", "BTC", callback=typed)
        client.subscribe("trades", "BTC", callback=typed)
        client.subscribe("trades", "BTC", callback=raw, raw=True)
        network.now.push({"topic": "trades.BTC"})
        raw.wait()
        network.now.push({"topic": "trades.BTC", "n": 1})
        assert [update.data for update in typed.wait(2)] == [1, 1]
        assert str(events.wait_for(BadFrame).error) == "n is missing"
        assert client.stats().bad_frames == len(events.of(BadFrame)) == 1


def test_the_event_of_a_bad_frame_does_not_keep_the_frame() -> None:
    """A traceback holds it, and events may wait: forty of 8 MiB were a gigabyte."""
    network, events = Network(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        client.subscribe("trades", "BTC", callback=print)
        network.now.push({"topic": "trades.BTC"})
        network.now.push(b"{" * 100)
        for event in (events.wait_for(BadFrame), events.wait(2) and events.of(BadFrame)[-1]):
            assert event.error.__traceback__ is event.error.__context__ is event.error.__cause__ is None


def test_frames_that_cannot_be_read_or_belong_to_nothing_cost_nothing() -> None:
    network, events = Network(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        for frame in (b"{", b"[]", {"id": 999, "ok": 1}, {"topic": "trades.XYZ", "n": 1}):
            network.now.push(frame)
        network.now.push({"topic": "trades.XYZ", "n": 2})
        assert client.call("echo", 1) == 1
        assert client.stats().bad_frames == 5
        events.wait_for(BadFrame, 4)
        assert client.call("echo", 2) == 2
        assert len(events.of(BadFrame)) == 4, "an unknown topic is told once"
        assert client.state is State.READY


def test_text_that_is_not_utf8_fails_the_connection_as_the_protocol_wants_it() -> None:
    network, events = Network(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        first = network.now
        first.push(b"\xff\xfe")
        events.wait_for(BadFrame)
        events.wait_for(Connected, 2)
        assert first.failures == [1007]


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
@pytest.mark.parametrize("error", [ValueError("mine"), SystemExit(1), KeyboardInterrupt()])
def test_a_callback_that_raises_is_told_counted_and_followed_by_the_next(dispatch: str, error: BaseException) -> None:
    network, events = Network(), Recorder()

    def fail_first(update: Any) -> None:
        if update.data == 1:
            raise error

    updates = Recorder(fail_first)
    client = network.client(dispatch=dispatch)
    client.on_event(events)
    with client:
        Background(client.subscribe, "trades", "BTC", callback=updates).result()
        for number in (1, 2):
            network.now.push({"topic": "trades.BTC", "n": number})
        updates.wait(2)
        failed = events.wait_for(CallbackFailed)
        assert (failed.topic, failed.error) == ("trades.BTC", error)
        eventually(lambda: client.stats().delivered == 1)
        assert client.stats().callback_errors == 1
        assert client.state is State.READY


def test_an_event_callback_that_raises_costs_nothing() -> None:
    network, events = Network(), Recorder()
    client = network.client()

    def fail(event: Any) -> None:
        raise SystemExit(1)

    client.on_event(fail)
    client.on_event(events)
    with client:
        assert client.call("echo", 1) == 1
        events.wait()
        assert client.stats().callback_errors == 1


def test_a_topic_that_stopped_is_told_once_and_again_after_the_next_silence() -> None:
    network, events, updates = Network(), Recorder(), Recorder()
    client = network.client()
    client.on_event(events)
    with client:
        client.subscribe("trades", "BTC", callback=updates, max_silence=0.05)
        client.subscribe("trades", "ETH", callback=updates)
        silent = events.wait_for(Silent)
        assert silent.topic == "trades.BTC"
        assert 0.05 <= silent.seconds < 1.0
        network.now.push({"topic": "trades.BTC", "n": 1})
        events.wait_for(Silent, 2)
        assert {event.topic for event in events.of(Silent)} == {"trades.BTC"}


def test_max_silence_with_inline_dispatch_is_told_with_the_next_frame(caplog: pytest.LogCaptureFixture) -> None:
    network, events = Network(), Recorder()
    client = network.client(dispatch="inline")
    client.on_event(events)
    with client:
        Background(client.subscribe, "trades", "BTC", callback=print, max_silence=0.02).result()
        eventually(lambda: "no update of trades.BTC" in caplog.text)
        assert events.of(Silent) == []
        network.now.push({"topic": "trades.ETH", "n": 1})
        events.wait_for(Silent)


def test_arguments_are_checked_before_any_connection() -> None:
    network = Network()
    client = network.client()
    wrong: List[Any] = [
        (ValueError, "channel", ("",), {}),
        (TypeError, "channel", (None,), {}),
        (ValueError, "symbols", ("trades", ""), {}),
        (ValueError, "symbols", ("trades", ["BTC", ""]), {}),
        (ValueError, "symbols", ("trades", "B TC"), {}),
        (TypeError, "symbols", ("trades", [1]), {}),
        (TypeError, "symbols", ("trades", 5), {}),
        (TypeError, "symbols", ("trades", b"BTC"), {}),
        (TypeError, "symbols", ("trades", None), {}),
        (TypeError, "callback", ("trades", "BTC"), {"callback": 5}),
        (TypeError, "raw", ("trades", "BTC"), {"raw": 1}),
        (ValueError, "overflow", ("trades", "BTC"), {"overflow": "never"}),
        (TypeError, "overflow", ("trades", "BTC"), {"overflow": 1}),
        (ValueError, "max_silence", ("trades", "BTC"), {"max_silence": 0}),
        (ValueError, "max_silence", ("trades", "BTC"), {"max_silence": -1}),
        (ValueError, "timeout", ("trades", "BTC"), {"timeout": -1}),
    ]
    for kind, name, args, kwargs in wrong:
        with pytest.raises(kind, match=name):
            client.subscribe(*args, **{"callback": print, **kwargs})
    with pytest.raises(TypeError, match="callback"):
        client.on_event(None)  # type: ignore[arg-type]
    assert network.connections == []
    assert client.state is State.NEW


def test_nothing_is_kept_of_what_has_ended() -> None:
    network, before = Network(refusing("trades.BAD")), kept_of_a_session()
    with network.client() as client:

        class Callback:
            def __call__(self, update: Any) -> None:
                """Takes it."""

        callback: Any = Callback()
        gone = weakref.ref(callback)
        for _ in range(20):
            subscription = client.subscribe("trades", ["A", "B"], callback=callback)
            with pytest.raises(SubscribeError) as caught:
                client.subscribe("trades", ["A", "BAD"], callback=callback)
            caught.value.subscription.unsubscribe()
            network.now.push({"topic": "trades.A", "n": 1})
            subscription.unsubscribe()
            client.messages("depth", "A").close()
        eventually(lambda: client.stats().queued == 0)
        assert client.call("echo", 1) == 1
        del subscription, caught, callback
        eventually(lambda: not kept_of_a_session() - before and gone() is None)


def kept_of_a_session() -> "collections.Counter[str]":
    """How many there are of what subscriptions and requests are made of."""
    gc.collect()
    kinds = (Entry, Messages, Push, Reply, Request, Subscription, Topic, Update, Waiter)
    return collections.Counter(type(each).__name__ for each in gc.get_objects() if isinstance(each, kinds))


@pytest.mark.parametrize("nothing", [[], set(), iter(())])
def test_a_list_that_came_out_empty_does_not_mean_everything(nothing: Any) -> None:
    network = Network()
    with network.client() as client:
        client.subscribe("trades", "A", callback=print)
        with pytest.raises(ValueError, match="symbols must not be empty"):
            client.subscribe("trades", nothing, callback=print)
        with pytest.raises(ValueError, match="symbols must not be empty"):
            client.unsubscribe("trades", nothing)
        assert [request["do"] for request in network.now.sent] == ["subscribe"]


def test_what_the_venue_has_no_word_to_end_is_over_at_once() -> None:
    class Wordless(FakeProtocol):
        def unsubscribe(self, topics: Any, live: Any) -> Any:
            return ()

    network, first, again = Network(), Recorder(), Recorder()
    with network.client(Wordless()) as client:
        client.subscribe("trades", "A", callback=first).unsubscribe()
        client.subscribe("trades", "A", callback=again, timeout=2.0)
        network.now.push({"topic": "trades.A", "n": 1})
        assert again.wait()[0].data == 1 and first.items == []
        assert network.now.asked("unsubscribe") == []


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_a_field_that_cannot_be_read_is_the_frames_fault_not_the_callbacks(dispatch: str) -> None:
    class Lazily(FakeProtocol):
        def _push(self, topic: str, document: Any) -> Push:
            push = super()._push(topic, document)
            push.read = reader(Quote)
            return push

    network, events, prices = Network(), Recorder(), Recorder()
    client = network.client(Lazily(), dispatch=dispatch)
    client.on_event(events)
    with client:
        subscribe = Background(client.subscribe, "quotes", "A", callback=lambda update: prices(update.data.price))
        subscribe.result()
        for price in ("cheap", "5"):
            network.now.push({"topic": "quotes.A", "p": price})
        assert prices.wait() == [5]
        assert "'p' cannot be read" in str(events.wait_for(BadFrame).error)
        assert (client.stats().bad_frames, client.stats().callback_errors) == (1, 0)


# -- updates that everybody takes raw go a shorter way -------------------------------------------------


class Long(FakeProtocol):
    topic_key = None


@pytest.mark.parametrize("protocol", [FakeProtocol, Long])
class TestRaw:
    def test_the_gap_comes_before_the_first_update(self, protocol: Any) -> None:
        network, all_of_it = Network(), Recorder()
        client = network.client(protocol(logins=["login"]))
        client.on_event(all_of_it)
        with client:
            client.subscribe("trades", "A", callback=all_of_it, raw=True)
            network.now.push({"topic": "trades.A", "n": 1})
            network.now.end()
            network.connection(2).push({"topic": "trades.A", "n": 2}, {"topic": "trades.A", "n": 3})
            all_of_it.wait_for(dict, 3)
        kinds = [item["n"] if isinstance(item, dict) else type(item) for item in all_of_it.items]
        assert kinds == [Connected, 1, Disconnected, Connected, Gap, 2, 3, Disconnected]

    def test_a_gap_that_a_login_makes_due_comes_before_updates_of_the_same_read(self, protocol: Any) -> None:
        together = threading.Event()

        def answer(connection: FakeConnection, request: Dict[str, Any]) -> Any:
            if request["do"] != "login" or connection is network.connections[0]:
                return say_yes(connection, request)
            connection.push({"id": request["id"], "ok": 1}, {"topic": "trades.A", "n": 2}, {"topic": "trades.A", "n": 3})
            together.set()
            return None

        network, all_of_it = Network(answer), Recorder()
        client = network.client(protocol(logins=["login"]))
        client.on_event(all_of_it)
        with client:
            client.subscribe("trades", "A", callback=all_of_it, raw=True)
            network.now.end()
            assert together.wait(5.0)
            all_of_it.wait_for(dict, 2)
            kinds = [item["n"] if isinstance(item, dict) else type(item) for item in all_of_it.items]
            assert kinds == [Connected, Disconnected, Connected, Gap, 2, 3]

    def test_a_watched_topic_is_not_silent_while_it_flows(self, protocol: Any) -> None:
        network, events = Network(), Recorder()
        client = network.client(protocol())
        client.on_event(events)
        with client:
            client.subscribe("trades", "A", callback=print, raw=True, max_silence=0.3)
            until = time.monotonic() + 0.6
            while time.monotonic() < until:
                network.now.push({"topic": "trades.A", "n": 1}).wait(5.0)
            assert not events.of(Silent)
            events.wait_for(Silent)

    def test_somebody_who_joins_a_raw_topic_gets_it_typed(self, protocol: Any) -> None:
        network, raw, typed, again = Network(), Recorder(), Recorder(), Recorder()
        with network.client(protocol()) as client:
            client.subscribe("trades", "A", callback=raw, raw=True)
            network.now.push({"topic": "trades.A", "n": 1})
            raw.wait(1)
            joined = client.subscribe("trades", "A", callback=typed)
            network.now.push({"topic": "trades.A", "n": 2})
            assert typed.wait()[0].data == 2
            joined.unsubscribe()
            client.subscribe("trades", "A", callback=again, raw=True)
            network.now.push({"topic": "trades.A", "n": 3}, b"{", {"topic": "trades.B", "n": 4}, {"topic": ["trades.A"]})
            assert [document["n"] for document in raw.wait(3)] == [1, 2, 3]
            assert again.wait() == [{"topic": "trades.A", "n": 3}] and len(typed.items) == 1
            eventually(lambda: client.stats().bad_frames == 3)
            assert client.stats().delivered == 5

    def test_updates_that_are_remembered_are_received_whoever_wants_them(self, protocol: Any) -> None:
        class Remembers(protocol):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.seen: List[Any] = []

            def carries_state(self, topic: str) -> bool:
                return topic == "merged.A"

            def receive(self, payload: bytes, binary: bool) -> Any:
                self.seen.append(payload)
                return super().receive(payload, binary)

        network, documents, remembering = Network(), Recorder(), Remembers()
        with network.client(remembering) as client:
            client.subscribe("merged", "A", callback=documents, raw=True)
            client.subscribe("plain", "A", callback=documents, raw=True)
            network.now.push({"topic": "merged.A", "n": 1}, {"topic": "plain.A", "n": 2})
            documents.wait(2)
        assert any(b"merged.A" in payload for payload in remembering.seen)
        assert any(b'"plain.A", "n"' in payload for payload in remembering.seen) is (protocol is Long)

    def test_nothing_behind_what_is_not_utf8_is_looked_at(self, protocol: Any) -> None:
        network, documents, events = Network(), Recorder(), Recorder()
        client = network.client(protocol())
        client.on_event(events)
        with client:
            client.subscribe("trades", "A", callback=documents, raw=True)
            good = {"topic": "trades.A", "n": 1}
            network.now.push(good, b"\xff", good).wait(5.0)
            events.wait_for(Connected, 2)
            assert documents.items == [good]


def test_a_kept_update_that_cannot_be_read_is_not_the_next_frames_fault() -> None:
    class Lazily(FakeProtocol):
        def _push(self, topic: str, document: Any) -> Push:
            push = super()._push(topic, document)
            push.read = reader(Quote)
            return push

    network, events, kept = Network(), Recorder(), Recorder()
    client = network.client(Lazily())
    client.on_event(events)
    with client:
        client.subscribe("quotes", "A", callback=kept)
        for _ in range(2):
            client.subscribe("quotes", "B", callback=lambda update: kept.items[0].data.price)
        for _ in range(3):
            client.subscribe("quotes", "C", callback=lambda update: update.data.price)
        network.now.push({"topic": "quotes.A", "p": "cheap"}, {"topic": "quotes.B", "p": "5"})
        events.wait_for(CallbackFailed, 2)
        assert (client.stats().bad_frames, client.stats().callback_errors) == (0, 2)
        network.now.push({"topic": "quotes.C", "p": "cheap"})
        events.wait_for(BadFrame)
        drained(client)
        assert (client.stats().bad_frames, client.stats().callback_errors) == (1, 2)
