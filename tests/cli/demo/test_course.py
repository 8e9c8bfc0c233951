"""The demo's own judgement: losses are seen, and nothing is left behind."""

from __future__ import annotations

import functools
import threading
from decimal import Decimal

import attrs
import pytest

from dbxsdk import Options
from dbxsdk.cli.demo import audit
from dbxsdk.cli.demo.audit import BookAudit, TradeAudit
from dbxsdk.cli.demo.course import Course
from dbxsdk.cli.demo.numbering import Found
from dbxsdk.cli.demo.outcomes import Outcomes
from dbxsdk.cli.demo.report import Losses, OutcomeAsked, Summary
from dbxsdk.cli.demo.setup import local_venues
from dbxsdk.cli.demo.text_display import summary_lines, verdict
from dbxsdk.errors import ConnectError, ConnectionLost
from dbxsdk.events import Connected


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("dbxsdk-")] == []


class Notes:
    """A display that keeps what it is told, and may do something at the first event of a kind."""

    interval = 0.1

    def __init__(self, at=(), do=None):
        self.at, self.do = at, do
        self.closed = False
        self.happenings = []
        self.standings = []

    def started(self, seconds, venues):
        pass

    def happened(self, happening):
        self.happenings.append(happening)
        if isinstance(happening.event, self.at):
            self.at = ()
            self.do()

    def standing(self, standings):
        self.standings += standings

    def finished(self, summary):
        pass

    def close(self):
        self.closed = True


SECONDS = 1.0


def venues():
    """Local venues whose clients are back soon after a pull."""
    made = local_venues()
    for local in made:
        local.venue.client = functools.partial(local.venue.client, options=Options(backoff_initial=0.05))
    return made


def test_a_good_run():
    display = Notes()
    summary = Course(venues(), SECONDS, display).run()
    assert summary.ok and summary.lost == 0 and display.closed
    for rate in ("books_per_second", "trades_per_second"):
        moving = {each.connection for each in display.standings if getattr(each, rate)}
        assert moving == {"digifinex", "bybit public", "cryptomus"}
    assert verdict(summary) == "Nothing was lost, and all was recovered."


def test_a_frame_that_cannot_be_read_is_a_loss():
    local = venues()
    summary = Course(local, SECONDS, Notes(Connected, lambda: local[2].venue.send_frame('{"id": 0, "meth'))).run()
    assert summary.losses == Losses(bad_frames=1) and summary.lost == 1 and not summary.ok
    assert any("'bad_frames': 1" in line for line in summary_lines(summary))
    assert verdict(summary).startswith("NOT")


def test_a_trade_that_was_never_sent_is_a_loss(monkeypatch):
    """The venue's record has one trade more than it sent: the first of those after the subscription twice over."""
    local = venues()
    venue = local[1].venue
    record = venue.trades
    calls = []

    def with_another(symbol):
        trades = list(record(symbol))
        calls.append(trades)
        if len(calls) <= 2:  # those before and right after the subscription
            return trades
        last = calls[1][-1].sequence
        first = [trade for trade in trades if trade.sequence > last][:1]
        return trades + [attrs.evolve(trade, sequence=last + Decimal("0.5")) for trade in first]

    monkeypatch.setattr(venue, "trades", with_another)
    monkeypatch.setattr(audit, "PATIENCE", 3.0)
    summary = Course(local, SECONDS, Notes()).run()
    assert summary.losses == Losses(trades=1) and not summary.ok


def test_a_fill_that_was_never_told_is_a_loss(monkeypatch):
    """The venue's record has one fill more than it told of: its first is followed by another one."""
    local = venues()
    venue = local[1].venue
    record = venue.executions

    def with_another():
        executions = list(record())
        return executions[:1] + [attrs.evolve(each, id="never told") for each in executions[:1]] + executions[1:]

    monkeypatch.setattr(venue, "executions", with_another)
    monkeypatch.setattr(audit, "PATIENCE", 3.0)
    summary = Course(local, SECONDS, Notes()).run()
    assert summary.losses == Losses(fills=1) and not summary.ok


def test_an_order_that_the_venue_does_not_have_is_a_loss(monkeypatch):
    local = venues()
    venue = local[1].venue
    record = venue.orders
    display = Notes()

    def without_one():
        # The one after that whose answer was cut off: it was accepted, whichever of them the pull has met.
        asked = [each.event.order for each in display.happenings if isinstance(each.event, OutcomeAsked)]
        hidden = [f"demo-{int(name.rpartition('-')[2]) + 1}" for name in asked]
        return [order for order in record() if order.link_id not in hidden]

    monkeypatch.setattr(venue, "orders", without_one)
    summary = Course(local, SECONDS, display).run()
    assert summary.losses == Losses(orders=1) and not summary.ok


def test_an_error_of_the_display_leaves_nothing_behind():
    def fail():
        raise BrokenPipeError

    display = Notes(Connected, fail)
    with pytest.raises(BrokenPipeError):
        Course(local_venues(), 5.0, display).run()
    assert display.closed


# -- the audits alone ----------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(audit, "PATIENCE", 0.0)


def test_trades_from_the_acknowledgement_on_are_compared(impatient):
    trades = TradeAudit()
    trades.received([1, 2, 3])  # the history that follows a subscription
    trades.subscribed([1, 2, 3])
    trades.received([5, 4])
    trades.compare([1, 2, 3, 4, 5])
    assert (trades.checked, trades.settle()) == (2, 0)


def test_a_trade_passed_over_is_lost(impatient):
    trades = TradeAudit()
    trades.subscribed([1])
    trades.received([2])
    trades.received([4])
    trades.compare([1, 2, 3, 4])
    assert (trades.checked, trades.settle()) == (2, 1)


def test_a_trade_that_never_comes_at_the_end_is_lost(impatient):
    trades = TradeAudit()
    trades.subscribed([])
    trades.received([1])
    trades.compare([1, 2])
    assert trades.settle() == 1


def test_what_came_before_the_subscription_returned_is_compared_too(impatient):
    trades = TradeAudit()
    trades.received([2, 3])
    trades.subscribed([1])
    trades.compare([1, 2, 3])
    assert (trades.checked, trades.settle()) == (2, 0)


def test_an_announced_gap_is_no_loss_and_a_history_fills_it(impatient):
    trades = TradeAudit()
    trades.subscribed([])
    trades.received([1, 2])
    trades.disconnected()
    trades.gap()
    trades.received([1, 2, 5, 6])  # the history repeats what came before, and begins after 3 and 4
    trades.compare([1, 2, 3, 4, 5, 6])
    assert (trades.checked, trades.in_gap, trades.settle()) == (4, 2, 0)


def test_a_gap_that_is_not_announced_is_a_loss(impatient):
    trades = TradeAudit()
    trades.subscribed([])
    trades.received([1])
    trades.disconnected()
    trades.received([3])
    trades.compare([1, 2, 3])
    assert trades.settle() == 1


def test_ending_in_the_middle_of_a_gap_is_no_loss(impatient):
    trades = TradeAudit()
    trades.subscribed([])
    trades.received([1])
    trades.disconnected()
    trades.compare([1, 2, 3])
    assert trades.settle() == 0


def levels(*prices):
    return [(Decimal(price), Decimal(1)) for price in prices]


def test_a_book_that_becomes_the_venues_is_right(impatient):
    books = BookAudit()
    books.apply("snapshot", levels(9, 8), levels(10, 11))
    books.compare(lambda: {"bids": levels(9, 8), "asks": levels(10, 11)})
    assert (books.checked, books.best) == (1, (9, 10))
    books.compare(lambda: {"bids": levels(8), "asks": levels(10)})
    books.apply("delta", [(Decimal(9), Decimal(0))], [(Decimal(11), Decimal(0))])
    books.settle()
    assert (books.checked, books.wrong) == (2, 0)


def test_a_book_that_never_becomes_the_venues_is_wrong(impatient):
    books = BookAudit()
    books.apply("snapshot", levels(9), levels(10))
    books.compare(lambda: {"bids": levels(8), "asks": levels(10)})
    books.apply("delta", levels(7), [])
    books.settle()
    assert (books.checked, books.wrong) == (0, 1)


def test_a_stale_book_is_not_compared(impatient):
    books = BookAudit()
    books.apply("snapshot", levels(9), levels(10))
    books.compare(lambda: {"bids": levels(8), "asks": levels(10)})
    books.disconnected()
    books.compare(lambda: {"bids": levels(7), "asks": levels(10)})
    books.settle()
    assert (books.checked, books.wrong) == (0, 0)
    books.apply("snapshot", levels(7), levels(10))
    books.compare(lambda: {"bids": levels(7), "asks": levels(10)})
    assert books.checked == 1


def test_who_ends_it_early_is_not_blamed_for_an_open_recovery():
    fields = dict.fromkeys((each.name for each in attrs.fields(Summary)), 0)
    fields.update(losses=Losses(), pulled=1, round_trip_ms=None)
    assert Summary(**{**fields, "interrupted": True}).ok
    assert not Summary(**{**fields, "interrupted": False}).ok


# -- trades without numbers ------------------------------------------------------------------------------


@attrs.frozen
class Trade:
    id: int
    look: str


def found(record):
    return Found("id", lambda: record, sent=lambda trade: trade, own=lambda trade: trade.look)


def test_trades_without_numbers_are_found_in_the_record():
    numbering = found([Trade(number, look) for number, look in enumerate("xabcadbe", 1)])
    numbering.begin(1)
    assert [numbering.numbers(part) for part in ("a", "bc", "a", "d", "be")] == [[], [], [2, 3, 4, 5], [6], [7, 8]]


def test_after_a_break_several_trades_decide_where_they_are():
    """The first one after it looks like one that was missed."""
    numbering = found([Trade(number, look) for number, look in enumerate("abcdaxxabef", 1)])
    assert numbering.numbers("abcd") == [1, 2, 3, 4]
    numbering.broken()
    assert [numbering.numbers(part) for part in ("a", "b", "ef")] == [[], [], [8, 9, 10, 11]]


def test_a_trade_that_was_passed_over_has_no_number():
    numbering = found([Trade(number, look) for number, look in enumerate("abcdefg", 1)])
    assert numbering.numbers("abcd") == [1, 2, 3, 4]
    assert numbering.numbers("eg") == [5, 7]
    assert numbering.numbers("z") == []


# -- outcomes of orders ----------------------------------------------------------------------------------


class Book:
    """A venue's orders, and what the demo said of those without an answer."""

    def __init__(self):
        self.orders = []
        self.asked = []
        self.outcomes = Outcomes(lambda: self.orders, self.asked.append)

    def place(self, name, carried_out=True, error=None):
        def send():
            if carried_out:
                self.orders.append((name, "Filled"))
            if error is not None:
                raise error
            return name

        self.outcomes.place(send)


def no_answer(name=None):
    error = ConnectionLost("the connection ended", request_id="1")
    if name is not None:
        error.order_link_id = name
    return error


def test_orders_that_were_answered_are_known():
    book = Book()
    book.place("1")
    book.place("2")
    book.outcomes.ask()
    assert (book.outcomes.placed, book.outcomes.accepted, book.outcomes.unknown, book.asked) == (2, 2, 0, [])
    assert book.outcomes.disagreements() == 0


@pytest.mark.parametrize("name", ["2", None])
@pytest.mark.parametrize("carried_out", [True, False])
def test_without_an_answer_the_venue_is_asked(name, carried_out):
    book = Book()
    book.place("1")
    with pytest.raises(ConnectionLost):
        book.place("2", carried_out, no_answer(name))
    assert book.outcomes.unknown == 1
    book.place("3")
    assert (book.outcomes.unknown, book.outcomes.asked, book.outcomes.found) == (0, 1, int(carried_out))
    assert book.asked == [OutcomeAsked(name, carried_out, "Filled" if carried_out else None)]
    assert book.outcomes.disagreements() == 0


def test_what_was_never_sent_must_not_be_there():
    book = Book()
    with pytest.raises(ConnectError):
        book.place("1", False, ConnectError("no connection"))
    assert (book.outcomes.unknown, book.outcomes.disagreements()) == (0, 0)
    book.orders.append(("1", "New"))
    assert book.outcomes.disagreements() == 1


def test_an_order_that_is_there_twice_or_not_at_all_is_seen():
    book = Book()
    book.place("1")
    book.place("2")
    book.orders[:] = [("1", "Filled"), ("1", "Filled")]
    assert book.outcomes.disagreements() == 2
