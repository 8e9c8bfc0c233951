"""The demo's own judgement: losses are seen, and nothing is left behind."""

from __future__ import annotations

import threading
from decimal import Decimal

import attrs
import pytest

from dbxsdk.cli.demo import audit
from dbxsdk.cli.demo.audit import BookAudit, TradeAudit
from dbxsdk.cli.demo.course import Course
from dbxsdk.cli.demo.lines import summary_lines, verdict
from dbxsdk.cli.demo.markets import markets
from dbxsdk.cli.demo.report import Losses, Summary
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

    def started(self, seconds, venues):
        pass

    def happened(self, happening):
        if isinstance(happening.event, self.at):
            self.at = ()
            self.do()

    def standing(self, standings):
        pass

    def finished(self, summary):
        pass

    def close(self):
        self.closed = True


def test_a_good_run():
    display = Notes()
    summary = Course(markets(), 1.0, display).run()
    assert summary.ok and summary.lost == 0 and display.closed
    assert verdict(summary) == "Nothing was lost, and all was recovered."


def test_a_frame_that_cannot_be_read_is_a_loss():
    local = markets()
    summary = Course(local, 1.0, Notes(Connected, lambda: local[1].venue.send_frame('{"topic": "publicTr'))).run()
    assert summary.losses == Losses(0, 0, 0, 1, 0) and summary.lost == 1 and not summary.ok
    assert any("'bad_frames': 1" in line for line in summary_lines(summary))
    assert verdict(summary).startswith("NOT")


def test_a_trade_that_was_never_sent_is_a_loss():
    """The venue's record has one trade more than it sent: the first of those after the subscription twice over."""
    local = markets()
    record = local[1].recorded
    calls = []

    def with_another(symbol):
        trades = list(record(symbol))
        calls.append(trades)
        first = [trade for trade in trades if trade.sequence > calls[0][-1].sequence][:1]
        return trades + [attrs.evolve(trade, sequence=calls[0][-1].sequence + Decimal("0.5")) for trade in first]

    local[1] = attrs.evolve(local[1], recorded=with_another)
    summary = Course(local, 1.0, Notes()).run()
    assert summary.losses == Losses(1, 0, 0, 0, 0) and not summary.ok


def test_an_error_of_the_display_leaves_nothing_behind():
    def fail():
        raise BrokenPipeError

    display = Notes(Connected, fail)
    with pytest.raises(BrokenPipeError):
        Course(markets(), 5.0, display).run()
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
    fields.update(losses=Losses(0, 0, 0, 0, 0), pulled=1, round_trip_ms=None)
    assert Summary(**{**fields, "interrupted": True}).ok
    assert not Summary(**{**fields, "interrupted": False}).ok
