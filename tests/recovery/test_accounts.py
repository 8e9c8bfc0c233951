"""Accounts of DigiFinex and Cryptomus: their rules alone, then equal to the local venue's at each quiet moment."""

from __future__ import annotations

from typing import Any, Callable, Iterator, List, Tuple, Union

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dbxsdk.cryptomus.account
import dbxsdk.digifinex.account
from dbxsdk import BadFrame, ConnectError, CryptomusClient, DigiFinexClient, Disconnected, Drift, Dropped, Gap, Options
from dbxsdk.account.state import Listed
from dbxsdk.cryptomus.rest import ORDERS, CryptomusRest
from dbxsdk.sim import CryptomusVenue, DigiFinexVenue
from dbxsdk.transport import rest
from tests.cryptomus.test_rest import ACTIVE, ENDED
from tests.digifinex.test_rest import ROW
from tests.recovery.accounts import agrees, truth
from tests.waiting import Recorder, eventually

QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)
Venue = Union[DigiFinexVenue, CryptomusVenue]


# -- the rules -----------------------------------------------------------------------------------------------


def digifinex(status: int, filled: str) -> Any:
    return dbxsdk.digifinex.twins.order_from_rest({**ROW, "status": status, "executed_amount": float(filled)})


def cryptomus(status: int, filled: str) -> Any:
    row = ENDED if status > 1 else ACTIVE
    return dbxsdk.cryptomus.twins.order_from_rest({**row, "filledQuantity": filled})


RULES = [(dbxsdk.digifinex.account.AccountState, digifinex), (dbxsdk.cryptomus.account.AccountState, cryptomus)]


@pytest.mark.parametrize("make, order", RULES, ids=["digifinex", "cryptomus"])
@given(st.permutations([(0, "0"), (1, "1"), (1, "2"), (2, "4")]), st.integers(0, 15), st.integers(1, 4))
def test_orders_are_as_the_newest_row_says_in_any_sequence(make: Any, order: Any, rows: Any, by_rest: int, count: int) -> None:
    state = make()
    for number, (status, filled) in enumerate(rows[:count]):
        if by_rest >> number & 1:
            state.begin()
            state.renew(Listed(orders=[order(status, filled)]), {})
        else:
            state.take_orders([order(status, filled)])
    newest = max(rows[:count])
    shown = [str(getattr(each, "filled", getattr(each, "filled_quantity", None)).normalize()) for each in state.orders.values()]
    assert shown == ([] if newest[0] == 2 else [newest[1]])


def test_a_balance_of_rest_that_changes_nothing_keeps_what_the_stream_said() -> None:
    state = dbxsdk.cryptomus.account.AccountState()
    make = dbxsdk.cryptomus.Balance
    ours = make(currency_code="BTC", amount=1, old_balance=2, new_balance=3, wallet_id="w")  # type: ignore[arg-type]
    state.take_balances([ours], 1)
    state.begin()
    theirs = dbxsdk.cryptomus.twins.balance_from_rest({"ticker": "BTC", "available": "3"})
    assert state.renew(Listed(orders=[], coins=[theirs], wallet_ms=5), {}) == [] and state.coins["BTC"] is ours
    theirs = attrs.evolve(theirs, new_balance=theirs.new_balance + 1)
    assert state.renew(Listed(orders=[], coins=[theirs], wallet_ms=6), {}) == [("balance", ours, theirs)]
    assert state.renew(Listed(orders=[], wallet_ms=7), {}) == [("balance", theirs, None)] and state.coins == {}


@pytest.mark.parametrize(
    "event, stale",
    [
        (Disconnected("cut", None, 1.0), True),
        (Gap(("order.BTC_USDT",), 1.0, 1), True),
        (Gap(("trades.BTC_USDT",), 1.0, 1), False),
        (Dropped("balance.all", 3), True),
        (Dropped("order_algo.X", 3), False),
        (BadFrame(ValueError()), True),
    ],
)
def test_what_may_have_cost_an_update_makes_it_stale(event: Any, stale: bool) -> None:
    account = dbxsdk.digifinex.Account(None, None, lambda event: None, "name")  # type: ignore[arg-type]
    account._topics = ("order.BTC_USDT", "balance.all")
    account._stale = None
    account._on_event(event)
    assert account.is_stale is stale


def test_an_order_that_is_open_still_is_not_taken_for_gone() -> None:
    class Lists(CryptomusRest):
        def __init__(self) -> None:
            """Without connections."""

        def rows(self, path: str, params: Any, deadline: float) -> List[Any]:
            found = ([ACTIVE] if path == ORDERS else []) if params["order_id"] == ACTIVE["id"] else [ENDED]
            return found

    account = dbxsdk.cryptomus.account.Account(Lists(), None, lambda event: None, "name")
    mine = dbxsdk.cryptomus.twins.order_from_rest(ACTIVE)
    found = account._look_up([mine, attrs.evolve(mine, id="other")], 1.0)
    assert found == {mine.id: mine, "other": None}


# -- against the local venues --------------------------------------------------------------------------------


@pytest.fixture(params=[DigiFinexVenue, CryptomusVenue], ids=["digifinex", "cryptomus"])
def venue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Venue]:
    monkeypatch.setattr(rest, "_hosts", {})
    monkeypatch.setattr("dbxsdk.account.account._LEAST_PAUSE", 0.01)
    with request.param(symbols=["BTC_USDT", "ETH_USDT"], rate=0) as made:
        yield made
        assert made.handler_errors == 0


def test_it_is_the_venues_at_each_quiet_moment(venue: Venue) -> None:
    venue.step(5)
    with venue.client(options=QUICK) as client:
        account = client.account(reconcile_every=None)
        assert account.wait_ready(5) and agrees(account, venue)
        changes = Recorder()
        account.on_update(changes)
        for _ in range(30):
            version, before = account.snapshot().version, truth(venue)
            venue.step(5)
            eventually(lambda: agrees(account, venue))
            assert truth(venue) == before or account.wait_update(5, after=version)
        assert changes.items and account.order("") is None and account.balance("NONE") is None
        for steps in (5, 10, 15, 60):
            venue.refuse_connections()
            venue.drop_connections()
            eventually(lambda: account.is_stale)
            venue.step(steps)
            venue.accept_connections()
            eventually(lambda: agrees(account, venue))
        opened = eventually(lambda: venue.step(5) or venue.orders())[0]["id"]
        eventually(lambda: account.order(opened))
        assert [order.id for order in account.orders()] == [each["id"] for each in venue.orders()]
        account.close()
        assert account.stale_reason == "the account was closed"


def test_trouble_with_rest_leaves_it_stale_and_a_difference_is_told(venue: Venue) -> None:
    endpoint = "spot/assets" if isinstance(venue, DigiFinexVenue) else "account/balance"
    with venue.client(options=QUICK) as client:
        events = Recorder()
        client.on_event(events)
        venue.step(5)
        arguments: Any = ["BTC_USDT"] if isinstance(venue, DigiFinexVenue) else []
        venue.fail_rest(503, times=1, endpoint=endpoint)
        account = client.account(*arguments, reconcile_every=0.05)
        eventually(lambda: "503" in (account.stale_reason or ""))
        assert account.wait_ready(5)
        with account._locked():
            account._state.orders.clear()
        drift = events.wait_for(Drift)
        assert (drift.what, drift.ours) == ("order", None) and drift.theirs.id == venue.orders()[0]["id"]


def test_a_topic_that_is_refused_again_leaves_it_stale_until_it_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_hosts", {})
    monkeypatch.setattr("dbxsdk.account.account._LEAST_PAUSE", 0.01)
    with DigiFinexVenue(symbols=["BTC_USDT"], rate=0) as venue, venue.client(options=QUICK) as client:
        events = Recorder()
        client.on_event(events)
        account = client.account("BTC_USDT", reconcile_every=0.02)
        assert account.wait_ready(5)
        kept = venue._account.balances.pop("BTC")
        venue.drop_connections()
        events.wait_for(Gap)  # of the other topics
        asked = len(venue.rest_requests)
        eventually(lambda: len(venue.rest_requests) > asked + 20)
        assert "balance.BTC" in (account.stale_reason or ""), "though REST has said all that there is"
        venue._account.balances["BTC"] = kept
        venue.drop_connections()
        assert account.wait_ready(5) and agrees(account, venue)


def test_only_what_is_named_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "_hosts", {})
    with DigiFinexVenue(symbols=["BTC_USDT", "ETH_USDT"], rate=0) as venue, venue.client(options=QUICK) as client:
        account = client.account("eth_usdt", reconcile_every=None)
        assert account.wait_ready(5) and sorted(account.snapshot().balances) == ["ETH", "USDT"]
        assert not [path for path, _ in venue.rest_requests if path.endswith("markets")]
        venue.fail_rest(10011, "no", endpoint="markets")
        with pytest.raises(dbxsdk.VenueError, match="no"):
            client.account()


CASES: List[Tuple[Callable[[Any], Any], Any, str]] = [
    (lambda client: client.account(reconcile_every=0), ValueError, "reconcile_every"),
    (lambda client: client.account(reconcile_every="x"), TypeError, "reconcile_every"),
    (lambda client: client.account(), ConnectError, "127.0.0.1"),
]


@pytest.mark.parametrize("call, error, name", CASES)
def test_arguments(call: Callable[[Any], Any], error: Any, name: str) -> None:
    nowhere = {"url": "ws://127.0.0.1:1", "rest_url": "http://127.0.0.1:1"}
    for client in (
        DigiFinexClient("key-of-tests", "secret-of-tests", **nowhere),  # type: ignore[arg-type]
        CryptomusClient("user-of-tests", "key-of-tests", **nowhere, token_url="http://127.0.0.1:1"),  # type: ignore[arg-type]
    ):
        with pytest.raises(error, match=name):
            call(client)
        assert client._accounts == []
    with pytest.raises(ValueError, match="symbols"):
        DigiFinexClient("key-of-tests", "secret-of-tests").account([])
    with pytest.raises(ValueError, match="api_key"):
        DigiFinexClient().account()
    with pytest.raises(ValueError, match="rest_url"):
        DigiFinexClient("key-of-tests", "secret-of-tests", url="ws://127.0.0.1:1").account()


def test_an_account_that_loses_one_of_its_topics_has_ended() -> None:
    with DigiFinexVenue(rate=0) as venue, venue.client() as client:
        account = client.account(["BTC_USDT", "ETH_USDT"])
        assert account.wait_ready(5)
        client.unsubscribe("order", "BTC_USDT")
        assert account.stale_reason == "it was unsubscribed" and not account.wait_ready(5)
