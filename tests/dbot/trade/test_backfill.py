"""Results of trades that were missed come out of the venue's records: read alone, then against the local venue."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Tuple

import pytest

from dbxsdk import ConnectError, DBotTradeClient, Filled, Gap, RateLimited, Update
from dbxsdk.backfill.twin import Since
from dbxsdk.dbot.rest import DBotRest
from dbxsdk.dbot.trade.twins import COPIES, EVERY, FAST, ResultsTwin
from dbxsdk.sim import DBotVenue
from dbxsdk.transport import rest
from tests.holes import FAST as OPTIONS
from tests.holes import away, items
from tests.waiting import Recorder, drained

T = 1_760_000_000_000


def record(id: str, at: int = T, **more: Any) -> Dict[str, Any]:
    return {"id": id, "createAt": at, "timestamp": at // 1000, "state": "done", "type": "buy", **more}


class Scripted(DBotRest):
    """A REST side whose pages are a table's."""

    def __init__(self, table: Dict[str, Any]) -> None:
        self.table = table
        self.asked: List[str] = []

    def pages(self, path: str, params: Any, deadline: float) -> Iterator[Tuple[List[Dict[str, Any]], None]]:
        for page in self.table[path]:
            self.asked.append(path)
            if isinstance(page, Exception):
                raise page
            yield page, None


def fetched(symbols: Tuple[str, ...], since: int = T, **pages: Any) -> Any:
    table = {FAST: pages.get("fast", [[]]), COPIES: pages.get("copies", [[]]), EVERY: pages.get("every", [[]])}
    twin = ResultsTwin(Scripted(table))
    twin.symbols = symbols
    return twin, twin.fetch("", Since(from_ms=since), 1e18)


def test_each_result_is_read_once_with_its_source_and_those_still_under_way_are_none() -> None:
    twin, found = fetched(
        ("",),
        fast=[[record("a", T + 1000), record("b", state="processing"), record("c", T, state="fail", timestamp=None)]],
        copies=[[record("task_1", T + 2000, type="sell")]],
        every=[[record("a_buy", T + 1000, source="swap_order"), record("x", T + 3000, source="limit_order")]],
    )
    assert [(row.key, row.data.source) for row in found.rows] == [
        ("c", "swap_order"), ("a", "swap_order"), ("task_1", "follow_order"), ("x", "limit_order"),
    ]
    assert [twin.symbol_of("", row.raw) for row in found.rows] == [
        "swap_buy_fail", "swap_buy_success", "follow_sell_success", "limit_buy_success",
    ]
    assert found.whole and found.hides, "failures of limit orders are in no record"


@pytest.mark.parametrize(
    "symbols, asked, hides, keys",
    [
        (("swap_buy_success", "swap_buy_fail"), [FAST], False, ["a"]),
        (("follow_sell_success",), [COPIES], False, ["b"]),
        (("swap_buy_success", "limit_buy_success"), [FAST, EVERY], True, ["a", "x"]),
        (("of_tomorrow",), [EVERY], True, []),
    ],
)
def test_only_what_is_wanted_is_asked_for(symbols: Tuple[str, ...], asked: List[str], hides: bool, keys: List[str]) -> None:
    twin, found = fetched(
        symbols,
        fast=[[record("a"), record("s", type="sell")]],
        copies=[[record("b", type="sell")]],
        every=[[record("x", source="limit_order")]],
    )
    assert twin._rest.asked == asked and found.hides is hides and [row.key for row in found.rows] == keys


def test_pages_are_read_until_they_are_older_than_what_is_wanted() -> None:
    old = [[record(f"{page}.{number}", T - page * 70_000) for number in range(20)] for page in range(5)]
    twin, found = fetched(("swap_buy_success",), T, fast=old)
    assert len(twin._rest.asked) == 2 and found.whole and len(found.rows) == 40


@pytest.mark.parametrize(
    "pages, error",
    [
        ({"fast": [ConnectError("x")]}, ConnectError),
        ({"every": [RateLimited("x")]}, RateLimited),
        ({"every": [ConnectError("x")]}, None),
    ],
)
def test_a_record_whose_path_is_an_assumption_may_be_missing(pages: Any, error: Any) -> None:
    if error is not None:
        with pytest.raises(error):
            fetched(("",), **pages)
    else:
        _, found = fetched(("",), fast=[[record("a")]], **pages)
        assert [row.key for row in found.rows] == ["a"] and found.hides and not found.whole


def test_since_is_a_time() -> None:
    client = DBotTradeClient("key-of-tests")
    with pytest.raises(ValueError, match="since.*tradeResults"):
        client.subscribe("tradeResults", callback=print, since="an-id")
    with pytest.raises(ValueError, match="rest_url"):
        DBotTradeClient("key-of-tests", url="ws://127.0.0.1:1").subscribe("tradeResults", callback=print, backfill=True)


@pytest.fixture
def venue(monkeypatch: pytest.MonkeyPatch) -> Iterator[DBotVenue]:
    monkeypatch.setattr(rest, "_hosts", {})
    with DBotVenue(rate=0) as made:
        yield made
        assert made.handler_errors == 0


def bought(venue: DBotVenue, slippage: float = 0.1) -> str:
    """A task that is made elsewhere, and carried out."""
    asked = {
        "chain": "solana", "pair": venue.pairs[0].pair, "walletId": venue.wallet_ids[0], "type": "buy", "amountOrPercent": 0.1,
        "maxSlippage": slippage,
    }
    with venue._lock:
        made = venue._tasks.carry_out("createSwapOrder", asked, venue._now_ms())
    venue.step(3)
    return str(made["id"])


@pytest.mark.parametrize("types, complete", [(("swap_buy_success", "swap_buy_fail"), True), ((), False)])
def test_what_was_traded_meanwhile_comes_once(venue: DBotVenue, types: Tuple[str, ...], complete: bool) -> None:
    with venue.client(options=OPTIONS) as client:
        seen = Recorder()
        client.on_event(seen)
        client.subscribe("tradeResults", types, callback=seen, backfill=True)
        tasks = [bought(venue)]
        seen.wait_for(Update)
        with away(venue, client):
            tasks += [bought(venue), bought(venue, 0)]
        seen.wait_for(Gap)
        tasks.append(bought(venue))
        filled = seen.wait_for(Filled)
        drained(client)
        results = [each for each in items(seen.items) if each.source == "swap_order"]
        assert sorted(each.id.partition("_")[0] for each in results) == sorted(tasks)
        assert filled.complete is complete and filled.count >= 2
        kinds = {each.data.id.partition("_")[0]: (each.kind, each.symbol) for each in seen.of(Update)}
        assert kinds[tasks[1]] == ("backfill", "swap_buy_success") and kinds[tasks[2]] == ("backfill", "swap_buy_fail")
