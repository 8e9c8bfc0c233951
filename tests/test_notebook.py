"""What notebooks have of clients: HTML, ``close_all``, and cells that are run again."""

from __future__ import annotations

import contextlib
import sys
import weakref
from types import SimpleNamespace
from typing import Any, Dict, Iterator

import pytest

import dbxsdk
from dbxsdk import Options, State, html
from dbxsdk.sim import BybitVenue
from tests.conftest import library_threads
from tests.waiting import eventually


# -- HTML --------------------------------------------------------------------------------------------------------------


def test_what_a_venue_wrote_is_escaped_and_cleaned() -> None:
    shown = html.card("<b>", "state&", {"\x1b[31m": '"x"\n<script>', "absent": None, "count": 12345}, "<i>ours</i>")
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "\x1b" not in shown
    assert "&lt;b&gt;" in shown and "state&amp;" in shown and "&quot;x&quot;" in shown
    assert "absent" not in shown and "12,345" in shown and shown.endswith("<i>ours</i></div>")


@pytest.mark.parametrize("found", [[], {}, ()])
def test_an_empty_account_has_no_tables(found: Any) -> None:
    now = SimpleNamespace(orders=found, positions=found, balances=found)
    shown = html.account("Account x", SimpleNamespace(snapshot=lambda: now, stale_reason="not <yet>"))
    assert "<table>" not in shown and "stale: not &lt;yet&gt;" in shown and "0 orders" in shown


def test_a_long_account_is_cut_and_says_so() -> None:
    rows = [SimpleNamespace(symbol=f"S{number}", qty=number, price=None) for number in range(25)]
    now = SimpleNamespace(orders=rows)
    shown = html.account("Account x", SimpleNamespace(snapshot=lambda: now, stale_reason=None))
    assert "25 orders, 5 more" in shown and "S19" in shown and "S20" not in shown and "price" not in shown


def test_each_shows_itself_and_close_all_ends_all_and_each_says_so() -> None:
    with BybitVenue(rate=20) as venue:
        client, private = venue.client("linear", options=Options(name="<prices>")), venue.client("private")
        dropped = venue.client("spot")
        dropped.open()
        ref = weakref.ref(dropped)
        with pytest.warns(ResourceWarning):
            del dropped
        assert ref() is None
        never_opened = venue.client("linear")
        subscription = client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: None)
        book, messages = client.order_book("BTCUSDT"), client.messages("publicTrade", "ETHUSDT")
        account = private.account()
        assert book.wait_ready(5) and account.wait_ready(5)
        everything = (client, book, subscription, messages, account)
        for each in everything:
            shown = each._repr_html_()
            name = "bybit:private" if each is account else "&lt;prices&gt;"
            assert name in shown and "<table>" in shown and "<prices>" not in shown
            assert "closed" not in repr(each) and "ended" not in repr(each) and "stale" not in repr(each)
            assert ("bybit:private" if each is account else "<prices>") in repr(each)
        assert "67" in book._repr_html_() and "publicTrade.BTCUSDT" in client._repr_html_()
        assert "USDT" in account._repr_html_() and venue.api_key not in private._repr_html_()
        dbxsdk.close_all()
        for each in everything:
            word = "ended: the client is closed" if each in (subscription, messages) else "closed"
            assert word in repr(each) and (word in each._repr_html_()), each
        assert client.state is State.CLOSED and never_opened.state is State.NEW
        never_opened.ping()
        dbxsdk.close_all(0)
        dbxsdk.close_all()
        eventually(lambda: not [each for each in library_threads() if "-sim-" not in each.name])


@pytest.mark.parametrize("timeout", [-1, "5", None, float("nan")])
def test_close_all_checks_its_argument(timeout: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="timeout"):
        dbxsdk.close_all(timeout)


# -- cells -------------------------------------------------------------------------------------------------------------


class Shell:
    """As much of IPython's shell as is looked at."""

    def __init__(self) -> None:
        self.execution_count = 0
        self.history_manager = SimpleNamespace(input_hist_raw=[""])
        self.metadata: Dict[str, Any] = {}

    def get_parent(self) -> Dict[str, Any]:
        return {"metadata": self.metadata}

    def begin(self, text: str, **metadata: str) -> None:
        """The next cell runs."""
        self.execution_count += 1
        self.history_manager.input_hist_raw.append(text)
        self.metadata = metadata


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    found = Shell()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: found))  # type: ignore[arg-type]
    yield found


@contextlib.contextmanager
def quiet_venue() -> Iterator[BybitVenue]:
    with BybitVenue(rate=0) as venue:
        yield venue
        dbxsdk.close_all()


def opened(venue: Any, **options: Any) -> Any:
    client = venue.client("linear", options=Options(**options) if options else None)
    client.open()
    return client


def test_a_cell_run_again_leaves_one_client(shell: Shell) -> None:
    with quiet_venue() as venue:
        shell.begin("client = make()")
        first, beside = opened(venue), opened(venue)
        assert first.state is beside.state is State.READY, "of one run, all are wanted"
        shell.begin("client = make()")
        second = opened(venue)
        assert first.state is beside.state is State.CLOSED and second.state is State.READY
        shell.begin("client = make(7)", cellId="a")
        third = opened(venue)
        assert second.state is State.READY, "that was another cell"
        shell.begin("client = make(8)", cellId="a")  # edited
        other, fourth = opened(venue, name="other"), opened(venue)
        assert third.state is State.CLOSED and other.state is fourth.state is State.READY
        assert len({each.name for each in library_threads() if "-sim-" not in each.name}) == 6


def test_of_a_client_that_nobody_holds_the_session_is_closed(shell: Shell) -> None:
    with quiet_venue() as venue:
        shell.begin("book = make().order_book('BTCUSDT')")
        with pytest.warns(ResourceWarning):
            book = venue.client("linear").order_book("BTCUSDT")
        shell.begin("book = make().order_book('BTCUSDT')")
        again = opened(venue)
        assert "closed" in repr(book) and again.state is State.READY


def test_a_shell_that_is_not_as_expected_costs_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.history_manager = SimpleNamespace()  # no text of the cell
    with quiet_venue() as venue:
        clients = [opened(venue)]
        monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # type: ignore[arg-type]
        clients += [opened(venue)]
        assert [client.state for client in clients] == [State.READY] * 2
