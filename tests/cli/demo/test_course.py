"""The demo's own judgement: losses are seen, and nothing is left behind."""

from __future__ import annotations

import functools
import threading
from decimal import Decimal

import attrs
import pytest

from dbxsdk import Options
from dbxsdk.cli.demo import course
from dbxsdk.cli.demo.checks import Stream
from dbxsdk.cli.demo.course import Course
from dbxsdk.cli.demo.lines import Lines, summary_lines
from dbxsdk.cli.demo.orders import Orders
from dbxsdk.cli.demo.setup import local_venues
from dbxsdk.errors import ConnectError, ConnectionLost, RequestTimeout
from dbxsdk.events import Connected
from dbxsdk.resolution import Resolution
from tests.waiting import eventually

NOTHING = dict.fromkeys(("trades", "books", "fills", "orders", "dropped", "bad_frames", "callback_errors"), 0)


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []


class Notes(Lines):
    """A display that keeps what it is given, and may do something at the first event of a kind."""

    interval = 0.1

    def __init__(self, at=(), do=None):
        self.at, self.do = at, do
        self.closed = False
        self.happenings = []
        self.standings = []

    def happened(self, at, connection, event):
        self.happenings.append(event)
        if isinstance(event, self.at):
            self.at = ()
            self.do()

    def standing(self, at, connections):
        self.standings += connections

    def close(self):
        self.closed = True


SECONDS = 1.0


def venues():
    """Local venues whose clients are back soon after a pull."""
    made = local_venues()
    for venue, _ in made:
        venue.client = functools.partial(venue.client, options=Options(backoff_initial=0.05))
    return made


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(course, "PATIENCE", 3.0)


def test_a_good_run():
    display = Notes()
    summary = Course(venues(), SECONDS, display).run()
    assert summary["ok"] and summary["losses"] == NOTHING and display.closed
    assert {each["connection"] for each in display.standings if each["bid"]} == {"digifinex", "bybit public", "cryptomus"}
    assert summary_lines(summary)[-1] == "Nothing was lost, and all was recovered."


def test_a_frame_that_cannot_be_read_is_a_loss():
    local = venues()
    cryptomus = local[2][0]
    seen = []

    class Spoiling(Notes):
        def happened(self, at, connection, event):
            if connection == "cryptomus" and isinstance(event, Connected) and event.reconnects and not seen:
                seen.append(event)
                eventually(lambda: cryptomus.send_frame('{"id": 0, "meth'))  # not before the pull, which would take it along

    summary = Course(local, SECONDS, Spoiling()).run()
    assert summary["losses"] == {**NOTHING, "bad_frames": 1} and summary["lost"] == 1 and not summary["ok"]
    assert any("'bad_frames': 1" in line for line in summary_lines(summary))
    assert summary_lines(summary)[-1].startswith("NOT")


def test_a_trade_that_was_never_sent_is_a_loss(monkeypatch, impatient):
    """The venue's record has one trade more than it sent: the first of those after the subscription twice over."""
    local = venues()
    bybit = local[1][0]
    record = bybit.trades
    calls = []

    def with_another(symbol):
        trades = list(record(symbol))
        calls.append(trades)
        if len(calls) == 1:  # right after the subscription
            return trades
        last = calls[0][-1].sequence
        first = [trade for trade in trades if trade.sequence > last][:1]
        return trades + [attrs.evolve(trade, sequence=last + Decimal("0.5")) for trade in first]

    monkeypatch.setattr(bybit, "trades", with_another)
    summary = Course(local, SECONDS, Notes()).run()
    assert summary["losses"] == {**NOTHING, "trades": 1} and not summary["ok"]


def test_a_fill_that_was_never_sent_is_a_loss(monkeypatch, impatient):
    local = venues()
    bybit = local[1][0]
    record = bybit.executions

    def with_another():
        executions = list(record())
        return executions[:1] + [attrs.evolve(each, id="never sent") for each in executions[:1]] + executions[1:]

    monkeypatch.setattr(bybit, "executions", with_another)
    summary = Course(local, SECONDS, Notes()).run()
    assert summary["losses"] == {**NOTHING, "fills": 1} and not summary["ok"]


def test_a_delivery_that_stops_is_a_loss(monkeypatch, impatient):
    """The callback goes on, but not with all: what is delivered to it is swallowed from the first event on."""
    local = venues()
    swallowing = []
    received = Stream.received
    monkeypatch.setattr(
        Stream, "received", lambda self, data: None if swallowing and self.kind == "trades" else received(self, data)
    )
    summary = Course(local, SECONDS, Notes(Connected, lambda: swallowing.append(True))).run()
    assert summary["losses"]["trades"] > 0 and not summary["ok"]


def test_a_book_that_is_not_the_venues_is_a_loss(monkeypatch, impatient):
    local = venues()
    digifinex = local[0][0]
    record = digifinex.book

    def with_another_price(symbol):
        book = record(symbol)
        return {**book, "bids": [*book["bids"], (Decimal("0.1"), Decimal(1))]}

    monkeypatch.setattr(digifinex, "book", with_another_price)
    summary = Course(local, SECONDS, Notes()).run()
    assert summary["losses"] == {**NOTHING, "books": 1} and not summary["ok"]


def test_an_order_that_the_venue_does_not_have_is_a_loss(monkeypatch):
    local = venues()
    bybit = local[1][0]
    record = bybit.orders
    display = Notes()

    def without_one():
        # The one after that whose answer was cut off: it was accepted, whichever of them the pull has met.
        asked = [each.details["order"] for each in display.happenings if getattr(each, "name", "") == "OutcomeAsked"]
        hidden = [f"demo-{int(name.rpartition('-')[2]) + 1}" for name in asked if name]  # another venue's orders have none
        return [order for order in record() if order.link_id not in hidden]

    monkeypatch.setattr(bybit, "orders", without_one)
    summary = Course(local, SECONDS, display).run()
    assert summary["losses"] == {**NOTHING, "orders": 1} and not summary["ok"]


def test_a_request_that_the_venue_refuses_is_reported():
    local = venues()
    display = Notes()
    bybit = local[1][0]
    display.at, display.do = Connected, lambda: bybit.fail_next(10006, "Too many visits!", times=3)
    summary = Course(local, 3 * SECONDS, display).run()  # the outcome of an order is found out in it, too
    assert summary["failed"] >= 1 and summary["lost"] == 0 and not summary["ok"]
    assert [each.name for each in display.happenings if getattr(each, "name", "") == "RequestFailed"]


def test_an_error_of_the_display_leaves_nothing_behind():
    def fail():
        raise BrokenPipeError

    display = Notes(Connected, fail)
    with pytest.raises(BrokenPipeError):
        Course(local_venues(), 5.0, display).run()
    assert display.closed


# -- streams alone -------------------------------------------------------------------------------------


class Channel:
    """A stream of numbers, what the venue made of them, and the client that subscribes it."""

    def __init__(self, *made):
        self.made = list(made)
        self.stream = Stream("trades", "trade", "X", lambda: self.made, lambda data: data)
        self.stream.subscribe(self, lambda source, data: source.received(data))

    def subscribe(self, channel, symbols, callback):
        assert (channel, symbols) == ("trade", "X")

    def compared(self, *made):
        """With all that the venue made, if it made these, too."""
        self.made += made
        return self.stream.compare(self.stream.note())


def test_items_from_the_acknowledgement_on_are_compared():
    channel = Channel(1, 2, 3)
    channel.stream.received([1, 2, 3])  # the history that follows a subscription
    channel.stream.received([5, 4])
    assert channel.compared(4, 5) == (2, 0, 0)


def test_an_item_passed_over_is_lost():
    channel = Channel(1)
    channel.stream.received([2])
    channel.stream.received([4])
    assert channel.compared(2, 3, 4) == (2, 1, 0)


@pytest.mark.parametrize("received", [[], [2]])
def test_an_item_that_never_comes_is_lost(received):
    channel = Channel(1)
    channel.stream.received(received)
    assert channel.compared(2, 3) == (len(received), 2 - len(received), 0)


def test_what_the_venues_record_forgets_is_kept():
    channel = Channel(1)
    channel.compared(2, 3)
    del channel.made[:2]
    channel.stream.received([3, 4])
    assert channel.compared(4) == (2, 1, 0)


def test_an_announced_gap_is_no_loss_and_a_history_fills_it():
    channel = Channel()
    channel.stream.received([1, 2])
    channel.stream.disconnected()
    channel.stream.gap()
    channel.stream.received([6, 5, 2])  # the history repeats what came before, and begins after 3 and 4
    assert channel.compared(1, 2, 3, 4, 5, 6) == (4, 0, 2)


def test_a_gap_that_is_not_announced_is_a_loss():
    channel = Channel()
    channel.stream.received([1])
    channel.stream.disconnected()
    channel.stream.received([3])
    assert channel.compared(1, 2, 3) == (2, 1, 0)


def test_an_item_lost_after_a_gap_is_lost():
    channel = Channel()
    channel.stream.received([1])
    channel.stream.disconnected()
    channel.stream.gap()
    channel.stream.received([4, 6])
    assert channel.compared(1, 2, 3, 4, 5, 6) == (3, 1, 2)


@pytest.mark.parametrize("after", [[], ["not compared"]])
def test_ending_in_the_middle_of_a_gap_is_no_loss(after):
    channel = Channel()
    channel.stream.received([1])
    channel.stream.disconnected()
    if after:
        channel.stream.gap()
        channel.stream.received(after)
    assert channel.compared(1, 2, 3) == (1, 0, 2)


# -- outcomes of orders ----------------------------------------------------------------------------------


class Exchange:
    """A venue's orders, and what the demo said of those without an answer."""

    def __init__(self):
        self.there = []
        self.asked = []
        self.orders = Orders(lambda send: send(), lambda: self.there)
        self.orders.report = lambda event: self.asked.append(tuple(event.details.values()))

    def place(self, name, carried_out=True, error=None):
        def send():
            if carried_out:
                self.there.append((name, "Filled"))
            if error is not None:
                raise error
            return name

        self.orders.place(send)

    @property
    def counts(self):
        return [self.orders.counts[name] for name in ("orders", "accepted", "unknown", "asked", "carried_out")]


def no_answer(name=None):
    error = ConnectionLost("the connection ended", request_id="1")
    if name is not None:
        error.order_link_id = name
    return error


def test_orders_that_were_answered_are_known():
    exchange = Exchange()
    exchange.place("1")
    exchange.place("2")
    exchange.orders.ask()
    assert (exchange.counts, exchange.asked) == ([2, 2, 0, 0, 0], [])
    assert exchange.orders.disagreements() == 0


@pytest.mark.parametrize("name", ["2", None])
@pytest.mark.parametrize("carried_out", [True, False])
def test_without_an_answer_the_venue_is_asked(name, carried_out):
    exchange = Exchange()
    exchange.place("1")
    with pytest.raises(ConnectionLost):
        exchange.place("2", carried_out, no_answer(name))
    assert exchange.counts == [2, 1, 1, 0, 0]
    exchange.place("3")
    assert exchange.counts == [3, 2, 0, 1, int(carried_out)]
    assert exchange.asked == [(name, carried_out, "Filled" if carried_out else None)]
    assert exchange.orders.disagreements() == 0


def test_what_was_never_sent_must_not_be_there():
    exchange = Exchange()
    with pytest.raises(ConnectError):
        exchange.place("1", False, ConnectError("no connection"))
    assert (exchange.orders.counts["unknown"], exchange.orders.disagreements()) == (0, 0)
    exchange.there.append(("1", "New"))
    assert exchange.orders.disagreements() == 1


def test_an_order_that_is_there_twice_or_not_at_all_is_seen():
    exchange = Exchange()
    exchange.place("1")
    exchange.place("2")
    exchange.there[:] = [("1", "Filled"), ("1", "Filled")]
    assert exchange.orders.disagreements() == 2


@pytest.mark.parametrize(
    "outcome, carried_out, wrong",
    [("executed", True, 0), ("not_executed", True, 1), ("executed", False, 1), ("unknown", False, 0)],
)
def test_what_resolve_says_is_compared_with_the_venue(outcome, carried_out, wrong):
    def send(client):
        raise RequestTimeout("no answer", request_id=1, order_link_id="a")

    def resolve(error):
        return Resolution(outcome=outcome, reason="", checked_ns=0, order=None)

    events = []
    orders = Orders(send, lambda: [("a", "Filled")] if carried_out else [], resolve)
    orders.report = events.append
    with pytest.raises(RequestTimeout):
        orders.place(None)
    orders.ask()
    assert orders.disagreements() == wrong and events[0].details["resolved"] == outcome
