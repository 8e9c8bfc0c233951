"""The account as a book: merging alone, then against the local venue, whose own record is the truth."""

from __future__ import annotations

import os
import threading
from typing import Any, Callable, Dict, Iterator, List, Optional

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import (
    AuthError, BadFrame, CallbackFailed, ClientClosed, ConnectError, Connected, Disconnected, Drift, Dropped, Gap, Options,
    Refused, WrongThreadError,
)
from dbxsdk.bybit import BybitPrivateClient, from_rest, rest
from dbxsdk.bybit.private.account import Account
from dbxsdk.bybit.private.account_state import AccountState, ListedPositions as Listed
from dbxsdk.bybit.rest import BybitRest
from dbxsdk.sim import BybitVenue
from tests.recovery.accounts import agrees
from tests.waiting import Recorder, eventually


def order(id: str = "a", status: str = "New", at: int = 1, **more: Any) -> Any:
    row = {"symbol": "S", "orderId": id, "orderLinkId": f"l{id}", "side": "Buy", "orderStatus": status, "qty": "1"}
    return from_rest("order", {**row, "updatedTime": str(at), "createdTime": "1", **more}, "linear")


def position(size: str, seq: int, at: int = 1) -> Any:
    row = {"symbol": "S", "side": "Buy" if size != "0" else "", "size": size, "positionIdx": 0, "seq": seq, "updatedTime": at}
    return from_rest("position", row, "linear")


def wallet(**coins: str) -> Any:
    rows = [{"coin": coin, "walletBalance": balance} for coin, balance in coins.items()]
    return from_rest("wallet", {"accountType": "UNIFIED", "coin": rows})


def listed(orders: Any = (), positions: Any = (), at: int = 0, **coins: str) -> Listed:
    return Listed(orders=list(orders), positions=list(positions), coins=wallet(**coins).coin, wallet_ms=at)


def statuses(state: AccountState) -> Dict[str, str]:
    return {key: each.order_status for key, each in state.orders.items()}


# -- merging -------------------------------------------------------------------------------------------------


@given(st.permutations([("New", 1), ("PartiallyFilled", 2), ("Filled", 3)]), st.integers(0, 7))
def test_orders_end_as_the_newest_row_says_in_any_sequence(rows: Any, by_rest: int) -> None:
    state = AccountState()
    for number, (status, at) in enumerate(rows):
        if by_rest >> number & 1:
            state.renew(listed([order(status=status, at=at)]), {})
        else:
            state.take_orders([order(status=status, at=at)])
    assert state.orders == {}


@given(st.permutations([("1", 5), ("3", 6), ("0", 7), ("2", 8)]), st.integers(1, 4))
def test_positions_go_by_their_sequence(rows: Any, count: int) -> None:
    state = AccountState()
    for size, seq in rows[:count]:
        state.take_positions([position(size, seq)])
    size = max(rows[:count], key=lambda row: row[1])[0]
    assert [str(each.size) for each in state.positions.values()] == ([] if size == "0" else [size])


def test_of_one_time_the_end_counts() -> None:
    state = AccountState()
    state.take_orders([order("a", "New", 5), order("a", "Cancelled", 5), order("a", "New", 5)])
    assert state.orders == {}


def test_of_one_time_the_more_filled_row_counts_and_the_streams_that_came_meanwhile() -> None:
    state = AccountState()
    state.begin()
    state.take_orders([order("a", "PartiallyFilled", 5, cumExecQty="0.4"), order("b", "New", 5, price="2")])
    state.renew(listed([order("a", "New", 5, cumExecQty="0"), order("b", "New", 5, price="1")]), {})
    assert statuses(state)["a"] == "PartiallyFilled" and state.orders["b"].price == 2, "REST was asked before"
    state.take_orders([order("a", "New", 5, cumExecQty="0")])
    assert statuses(state)["a"] == "PartiallyFilled"
    state.begin()
    state.renew(listed([order("a", "New", 5), order("b", "New", 5, price="1")]), {})
    assert statuses(state)["a"] == "PartiallyFilled" and state.orders["b"].price == 1, "REST was asked later"
    state.take_orders([order("a", "PartiallyFilled", 5, cumExecQty="0.6")])
    assert str(state.orders["a"].cum_exec_qty) == "0.6"
    state.renew(listed(), {"a": order("a", "Filled", 5, cumExecQty="1"), "b": order("b", "Cancelled", 5)})
    assert state.orders == {}


@pytest.mark.parametrize("at, size", [(1, "2"), (2, "1")])
def test_of_one_version_the_position_that_came_meanwhile_stays(at: int, size: str) -> None:
    state = AccountState()
    state.begin()
    state.take_positions([position("2", 5)])
    assert state.renew(listed([], [position("1", 5, at)]), {}) == []
    assert [str(each.size) for each in state.positions.values()] == [size]


def test_what_only_the_stream_shows_is_no_difference() -> None:
    state = AccountState()
    state.take_orders([order(closedPnl="0", feeCurrency="USDT", cumExecQty="0")])
    state.begin()
    assert state.renew(listed([order(cumExecQty="0")]), {}) == [] and state.orders["a"].fee_currency == "USDT"


def test_a_snapshot_ends_what_is_not_listed_but_not_what_came_meanwhile() -> None:
    state = AccountState()
    state.take_orders([order("old"), order("gone")])
    state.take_positions([position("1", 5)])
    state.take_wallet(wallet(BTC="1", ETH="1"), 10)
    state.begin()
    state.take_orders([order("new", at=9)])
    state.take_wallet(wallet(ETH="7"), 30)
    snapshot = listed([], [], 20, BTC="2")
    assert sorted(each.order_id for each in state.missing(snapshot)) == ["gone", "old"]
    found = state.renew(snapshot, {"old": order("old", "Filled", 3), "gone": None})
    assert statuses(state) == {"new": "New"} and state.positions == {}
    assert {name: str(coin.wallet_balance) for name, coin in state.coins.items()} == {"BTC": "2", "ETH": "7"}
    assert sorted(what for what, _, _ in found) == ["balance", "order", "order", "position"]


@pytest.mark.parametrize("quiet, balance", [(True, "2"), (False, "7")])
def test_a_message_that_is_not_older_than_the_snapshot_stays_unless_none_came(quiet: bool, balance: str) -> None:
    state = AccountState()
    state.begin()
    state.take_wallet(wallet(ETH="7"), 20)
    state.renew(listed(at=20, ETH="2"), {}, quiet=quiet)
    assert str(state.coins["ETH"].wallet_balance) == balance


def test_an_equal_snapshot_changes_nothing() -> None:
    state = AccountState()
    snapshot = listed([order()], [position("1", 5)], 5, BTC="1", ETH="0")
    assert len(state.renew(snapshot, {})) == 3
    version = state.version
    state.begin()
    assert state.renew(snapshot, {}) == [] and state.version == version and set(state.coins) == {"BTC"}


@pytest.mark.parametrize(
    "event, reason",
    [
        (Disconnected("cut", None, 1.0), "disconnected: cut"),
        (Gap(("order",), 1.0, 1), "updates were missed"),
        (Dropped("wallet", 3), "updates were lost or could not be read"),
        (CallbackFailed("position", ValueError()), "updates were lost or could not be read"),
        (BadFrame(ValueError()), "updates were lost or could not be read"),
        (Refused(("execution", "wallet"), ValueError("no")), "refused when subscribed again: no"),
        (Refused(("execution",), ValueError("no")), None),
        (Gap(("execution",), 1.0, 1), None),
        (Dropped("execution", 3), None),
        (Connected(1), None),
    ],
)
def test_what_may_have_cost_an_update_makes_it_stale(event: Any, reason: Optional[str]) -> None:
    account = Account(None, None, lambda event: None, "name")  # type: ignore[arg-type]
    account._stale = None
    account._on_event(event)
    assert account.stale_reason == reason
    assert account._wake.is_set() is (reason is not None and not isinstance(event, (Disconnected, Refused)))


class Lists(BybitRest):
    """A REST side whose lists are given. It raises ``trouble``, if there is any."""

    def __init__(self, trouble: Optional[Exception] = None, **rows: Any) -> None:
        self.trouble = trouble
        self._rows = rows

    def server_ms(self, deadline: float) -> int:
        return 1

    def rows(self, path: str, params: Any, deadline: float) -> List[Any]:
        if self.trouble is not None:
            raise self.trouble
        found: List[Any] = self._rows.get(path.rpartition("/")[2], [])
        return found

    def abort(self) -> None:
        """There is nothing to end."""


def looked_up(**rows: Any) -> Optional[str]:
    account = Account(Lists(**rows), None, lambda event: None, "name")
    found = account._look_up([order("a")], 1.0)["a"]
    return found and f"{found.order_id} {found.order_status}"


def test_a_look_up_takes_no_other_orders_row() -> None:
    def row(id: str, status: str) -> Any:
        return {"symbol": "S", "orderId": id, "side": "Buy", "orderStatus": status, "qty": "1"}

    others = [row("b", "Filled"), row("c", "New")]
    assert looked_up(realtime=others, history=others) is None
    assert looked_up(realtime=others, history=[*others, row("a", "Cancelled")]) == "a Cancelled"
    assert looked_up(realtime=[*others, row("a", "Filled")]) == "a Filled"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account whose key REST refuses. It is not begun."""
    monkeypatch.setattr("dbxsdk.account.account._LEAST_PAUSE", 0.0)
    account = Account(Lists(AuthError("no")), None, lambda event: None, "name")
    yield account
    account.close()


def waits(account: Account) -> str:
    try:
        return str(account.wait_ready(5))
    except WrongThreadError:
        return "refused"


def test_waiting_on_the_accounts_own_thread_is_refused(refused: Account) -> None:
    said = Recorder()
    refused.on_update(lambda account: said(waits(account)))
    refused._begin(lambda: None, lambda: False)
    eventually(lambda: said.items)
    assert said.items == ["refused"]


def test_waiting_on_a_thread_of_the_client_is_refused_before_anything_came(refused: Account) -> None:
    refused._begin(lambda: None, lambda: True)
    assert waits(refused) == "refused" and not refused.wait_ready(0)
    refused.close()
    assert waits(refused) == "False", "for which nothing has to be waited"


def test_after_a_refused_key_the_next_hole_has_it_ask_again(refused: Account) -> None:
    refused._begin(lambda: None, lambda: False)
    eventually(lambda: "refused the key" in (refused.stale_reason or ""))
    refused._side.trouble = None  # type: ignore[attr-defined]
    assert not refused.wait_ready(0.05)
    refused._on_event(Gap(("order",), 1.0, 1))
    assert refused.wait_ready(5)


@pytest.mark.parametrize("event, then", [
    (Gap(("order",), 1.0, 1), "updates were missed"),
    (Disconnected("cut", None, 1.0), "disconnected: cut"),
])
def test_what_is_missed_while_rest_is_asked_leaves_it_stale(event: Any, then: str) -> None:
    class Interrupting(Lists):
        def open_orders(self, deadline: float) -> List[Any]:
            account._on_event(event)
            return []

    account = Account(Interrupting(), None, lambda event: None, "name")
    account._wake.clear()
    account._renew()
    assert account.stale_reason == then and account._wake.is_set() is isinstance(event, Gap), "and it asks again"


# -- against the local venue ---------------------------------------------------------------------------------

QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[BybitVenue]:
    monkeypatch.setattr(rest, "_hosts", {})
    with BybitVenue(symbols=["BTCUSDT"], rate=0) as made:
        yield made
        assert made.handler_errors == 0


def limit(venue: BybitVenue, **more: Any) -> Any:
    return venue.place_order(symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.1", price="66000", **more)


def market(venue: BybitVenue, category: str = "linear", side: str = "Buy", qty: str = "0.5") -> Any:
    return venue.place_order(category, symbol="BTCUSDT", side=side, orderType="Market", qty=qty)


def test_it_is_the_venues_at_each_quiet_moment(venue: BybitVenue) -> None:
    limit(venue, orderLinkId="mine")
    market(venue)
    with venue.client("private", options=QUICK) as client:
        account = client.account(reconcile_every=None)
        assert account.wait_ready(5) and agrees(account, venue)
        assert account.order("mine") is account.orders()[0] and account.order("") is None
        changes = Recorder()
        account.on_update(changes)
        version = account.snapshot().version
        limit(venue)
        assert account.wait_update(5, after=version)
        market(venue, side="Sell")
        market(venue, "spot", qty="3000")
        eventually(lambda: agrees(account, venue))
        assert account.positions() == [] and changes.items
        bitcoin = account.balance("BTC")
        assert bitcoin is not None and bitcoin.wallet_balance > 0 and account.balance("NONE") is None

        venue.refuse_connections()
        venue.drop_connections()
        eventually(lambda: account.is_stale)
        assert "disconnected" in (account.stale_reason or "")
        venue.cancel_order(symbol="BTCUSDT", orderLinkId="mine")  # nobody hears of it
        limit(venue)
        market(venue)
        venue.forget_closed()
        venue.accept_connections()
        eventually(lambda: agrees(account, venue))
        account.close()
        assert account.stale_reason == "the account was closed" and not account.wait_ready(5)
        assert venue.subscriptions("/v5/private") == () or eventually(lambda: venue.subscriptions("/v5/private") == ())


def test_trouble_with_rest_leaves_it_stale_and_ends(venue: BybitVenue) -> None:
    venue.fail_rest(503, times=2)
    with venue.client("private", options=QUICK) as client:
        account = client.account()
        assert not account.wait_ready(0.2) and account.is_stale
        assert account.wait_ready(5) and agrees(account, venue)
    assert account.stale_reason == "the client is closed"


def test_what_ends_the_client_ends_the_account(venue: BybitVenue) -> None:
    options = Options(backoff_initial=0.01, backoff_max=0.02, max_reconnects=1)
    with venue.client("private", options=options) as client:
        account = client.account()
        assert account.wait_ready(5)
        venue.refuse_connections()
        venue.drop_connections()
        for wait in (account.wait_update, account.wait_ready):  # the first one sees it become stale before
            with pytest.raises(ConnectError, match="503"):
                while wait(10):
                    pass
        assert "the client has ended" in (account.stale_reason or "")
        eventually(lambda: "account" not in " ".join(each.name for each in threading.enumerate()))


def test_a_client_that_is_closed_while_the_account_is_made_leaves_none(
    venue: BybitVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Account._begin

    def late(self: Account, *arguments: Any) -> None:
        client.close()
        begin(self, *arguments)

    monkeypatch.setattr(Account, "_begin", late)
    with venue.client("private", options=QUICK) as client:
        with pytest.raises(ClientClosed, match="the client is closed"):
            client.account()
        assert client._accounts == []
    assert "account" not in " ".join(each.name for each in threading.enumerate())


def test_an_account_whose_topic_is_unsubscribed_has_ended(venue: BybitVenue) -> None:
    with venue.client("private", options=QUICK) as client:
        account = client.account()
        assert account.wait_ready(5)
        client.unsubscribe("order")
        assert account.stale_reason == "it was unsubscribed" and not account.wait_ready(5)


def test_a_refused_key_and_a_slow_answer_end_with_the_client(venue: BybitVenue) -> None:
    venue.fail_rest(10005, "no permission", endpoint="order/realtime")
    with venue.client("private", options=QUICK) as client:
        account = client.account()
        eventually(lambda: "no permission" in (account.stale_reason or ""))
        venue.accept_rest()
        venue.delay_rest(60)
        slow = client.account()
        eventually(lambda: venue.rest_requests)
        assert slow.is_stale
    assert "account" not in " ".join(each.name for each in threading.enumerate())


def test_a_difference_is_told_and_put_right(venue: BybitVenue) -> None:
    limit(venue)
    events = Recorder()
    with venue.client("private", options=QUICK) as client:
        client.on_event(events)
        account = client.account(reconcile_every=0.05)
        assert account.wait_ready(5)
        with account._locked():
            account._state.orders.clear()
        eventually(lambda: any(isinstance(event, Drift) for event in events.items))
        drift: Optional[Drift] = next(event for event in events.items if isinstance(event, Drift))
        assert drift is not None and (drift.what, drift.ours, drift.client) == ("order", None, "bybit:private")
        eventually(lambda: agrees(account, venue))


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_waiting_in_a_callback_is_refused(venue: BybitVenue, dispatch: str) -> None:
    """Also where nothing of the stream has come yet, and what is called back for is an event."""
    said = Recorder()

    def wait(account: Account) -> None:
        if account.is_stale:
            said((waits(account), threading.current_thread().name))

    with venue.client("private", options=attrs.evolve(QUICK, dispatch=dispatch)) as client:
        account = client.account(reconcile_every=None)
        assert account.wait_ready(5)
        account.on_update(wait)
        venue.drop_connections()
        eventually(lambda: said.items)
        assert account.wait_ready(5)
        assert {what for what, thread in said.items if "account" not in thread} == {"refused"}


def test_a_closed_account_hears_of_no_more_events(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Recorder()
    monkeypatch.setattr(Account, "_on_event", lambda self, event: heard(event))
    with venue.client("private", options=QUICK) as client:
        with client.account() as account:
            venue.drop_connections()
            eventually(lambda: heard.items)
        assert account.stale_reason == "the account was closed"
        count, events = len(heard.items), Recorder()
        client.on_event(events)
        venue.drop_connections()
        eventually(lambda: any(isinstance(event, Connected) for event in events.items))
        assert len(heard.items) == count


def test_a_forked_child_has_none(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    with venue.client("private", options=QUICK) as client:
        account = client.account()
        assert account.wait_ready(5)
        wake, over = account._wake, account._over
        account._pid = os.getpid() + 1  # as in a child
        assert "forked" in (account.stale_reason or "") and not account.wait_ready(1)
        # The thread is here all the same, and goes on.
        account._closed = account._released = False
        account._wake, account._over = wake, over


@pytest.mark.parametrize(
    "call, error, name",
    [
        (lambda client: client.account(reconcile_every=0), ValueError, "reconcile_every"),
        (lambda client: client.account(reconcile_every="x"), TypeError, "reconcile_every"),
        (lambda client: client.account(), ConnectError, "127.0.0.1"),
    ],
)
def test_arguments(call: Callable[[Any], Any], error: Any, name: str) -> None:
    client = BybitPrivateClient("key-of-tests", "secret-of-tests", url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:1")
    with pytest.raises(error, match=name):
        call(client)
    assert client._accounts == []
    with pytest.raises(ValueError, match="rest_url"):
        BybitPrivateClient("key-of-tests", "secret-of-tests", url="ws://127.0.0.1:1").account()


def test_a_balance_that_changes_while_it_is_asked_for_stays(venue: BybitVenue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer's own time is later than what it shows."""
    ask = BybitRest._get

    def get(self: BybitRest, path: str, *arguments: Any) -> Any:
        document = ask(self, path, *arguments)
        if path == rest.WALLET and len(moved) < 3:
            market(venue, "spot", qty="100")
            moved.append(path)
            # The stream has brought it, and this answer has not.
            eventually(lambda: getattr(account.balance("BTC"), "wallet_balance", None) == venue.balances()["BTC"]["total"])
            document["time"] += 1000
        return document

    def renew(self: AccountState, *arguments: Any, **more: Any) -> Any:
        differences = merge(self, *arguments, **more)
        renewed.append(self)
        return differences

    moved: List[str] = []
    renewed: List[AccountState] = []
    with venue.client("private", options=QUICK) as client:
        account = client.account(reconcile_every=None)
        assert account.wait_ready(5)
        monkeypatch.setattr(BybitRest, "_get", get)
        merge = AccountState.renew
        monkeypatch.setattr(AccountState, "renew", renew)
        account._wake.set()
        eventually(lambda: len(moved) == 3)
        eventually(lambda: renewed)
        assert agrees(account, venue)


def test_a_callback_that_raises_is_counted_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    seen = Recorder()
    with BybitVenue() as venue, venue.client("private", options=QUICK) as client:
        client.on_event(seen)
        with client.account() as account:
            account.on_update(lambda account: 1 / 0)
            account.wait_ready(5)
            failed = seen.wait_for(CallbackFailed)
            assert failed.topic == "account" and isinstance(failed.error, ZeroDivisionError) and failed.client == client.name
            eventually(lambda: client.stats().callback_errors >= 1)
            assert not account.is_stale, "it is the callback's fault, not the account's"
    logged: Any = [record for record in caplog.records if "account raised" in record.getMessage()]
    assert {(record.client, record.venue) for record in logged} == {(client.name, "bybit")}
