"""What became of DBot's requests: the matching alone, then ``resolve`` against the local venue, whose tasks are the truth."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import ConnectError, LateReply, Options, OutcomeUnknown, RequestTimeout
from dbxsdk.dbot import DBotTradeClient
from dbxsdk.dbot.trade import resolving
from dbxsdk.dbot.trade.matching import (
    DEVS, EARLY_MS, FOLLOWS, LATE_MS, SWAPS, Made, created_ms, judge_creation, judge_deletion, judge_update, plan, same,
)
from dbxsdk.sent_requests import SentRequest
from dbxsdk.sim import DBotVenue
from tests.waiting import Recorder, eventually

T = 1_760_000_000_000
ITEM = {"chain": "solana", "pair": "P", "type": "buy", "walletId": "w", "amountOrPercent": 0.5}


def record(id: str = "a", at: Optional[int] = T, **more: Any) -> Dict[str, Any]:
    return {"id": id, "createAt": at, "chain": "solana", "pair": "P", "type": "buy", "state": "init", **more}


def paid(amount: str) -> Dict[str, Any]:
    return {"send": {"amount": amount, "info": {"decimals": 9}}}


def judge(rows: List[Any], equals: int = 1, item: Any = ITEM) -> Any:
    return judge_creation(item, rows, T, T + 1000, lambda names: equals)


@pytest.mark.parametrize(
    "rows, equals, said, candidates",
    [
        ([], 1, None, 0),
        ([record()], 1, "executed", 0),
        ([record(at=T - EARLY_MS)], 1, "executed", 0),
        ([record(at=T - EARLY_MS - 1)], 1, None, 0),
        ([record(at=T + 1000 + LATE_MS)], 1, "executed", 0),
        ([record(at=T + 1000 + LATE_MS + 1)], 1, None, 0),
        ([record(at=None)], 1, None, 1),
        ([record("a"), record("b")], 1, None, 2),
        ([record("a"), record("a")], 1, "executed", 0),
        ([record("a")], 2, None, 1),
        ([record("a"), record("b")], 2, "executed", 2),
        ([record(chain="bsc")], 1, None, 0),
        ([record(type="sell")], 1, None, 0),
        ([record(pair="other", token="P")], 1, "executed", 0),
        ([record(pair="other", token="another")], 1, None, 0),
        ([record(**paid("500000000"))], 1, "executed", 0),
        ([record(**paid("400000000"))], 1, None, 0),
        ([record("b"), record(**paid("400000000"))], 1, "executed", 0),
    ],
    ids=range(18),
)
def test_a_creation_is_certain_if_exactly_one_task_fits(rows: Any, equals: int, said: Any, candidates: int) -> None:
    found = judge(rows, equals)
    assert (found.outcome, len(found.candidates)) == (said, candidates)
    assert (found.row is not None) is (said == "executed" and candidates == 0)


@given(st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_of_equal_requests_nothing_is_certain_before_there_are_as_many_tasks(lost: int, taken: int, shown: bool) -> None:
    """``lost`` others like ours had no answer either; of all of them ``taken`` were carried out."""
    rows = [record(str(number), **(paid("500000000") if shown else {})) for number in range(min(taken, lost + 1))]
    said = judge(rows, lost + 1).outcome
    assert said == ("executed" if len(rows) == lost + 1 else None)


def test_requests_are_told_apart_by_what_the_tasks_show() -> None:
    asked: List[List[str]] = []

    def equals(names: Any) -> int:
        asked.append(sorted(names))
        return 1

    for row in (record(), record(**paid("500000000"))):
        judge_creation(ITEM, [row], T, T, equals)
    assert asked == [["chain", "pair", "type"], ["amountOrPercent", "chain", "pair", "type"]]


@pytest.mark.parametrize(
    "wanted, shown, equal",
    [
        ("0.50", 0.5, True), (1, True, False), (False, False, True), (None, None, True), ("a", "a", True), ("a", "b", False),
        ([1, "2"], ["1", 2], True), ([1], [1, 2], False), ({"a": 1}, {"a": "1.0", "b": 2}, True), ({"a": 1}, {"a": 2}, False),
    ],
)  # fmt: skip
def test_what_is_the_same(wanted: Any, shown: Any, equal: bool) -> None:
    assert same(wanted, shown) is equal


def test_an_id_shows_the_time_where_nothing_else_does() -> None:
    at = created_ms({"id": "mb0k1w6qabcd"})
    assert at is not None and at // 1000 == 1_747_989_896, "2025-05-23 08:44:56"
    assert created_ms({"id": "0000000zxx"}) is None and created_ms({"id": "--"}) is None and created_ms({}) is None


@pytest.mark.parametrize(
    "method, params, kind, count, single",
    [
        ("createSwapOrder", ITEM, "create", 1, True),
        ("createSwapOrdersMultiWallet", {**ITEM, "walletIdList": ["a", "b"]}, "create", 2, False),
        ("createLimitOrder", {"pair": "P", "settings": [{}, {}, {}]}, "create", 3, False),
        ("createOrUpdateFollowOrder", {"name": "x"}, "create", 1, True),
        ("createOrUpdateFollowOrder", {"name": "x", "id": "1"}, "update", 1, True),
        ("createSnipeOrder", {"token": "t", "expireDelta": 5}, "create", 1, True),
        ("createDevOrder", {}, "create", 1, True),
        ("updateFollowOrder", {"id": "1", "enabled": True, "closePnlOrder": False}, "update", 1, True),
        ("batchToggleFollowOrder", {"ids": ["1", "2"], "enabled": True}, "update", 2, False),
        ("batchUpdateFollowOrder", {"ids": ["1"], "walletId": "w"}, "update", 1, False),
        ("batchUpdateDevOrder", {"ids": ["1"], "enabled": True}, "update", 1, False),
        ("updateLimitOrder", {"id": "1", "enabled": True}, "update", 1, True),
        ("deleteLimitOrders", {"ids": ["1", "2"]}, "delete", 2, False),
        ("deleteSnipeOrder", {"id": "1"}, "delete", 1, True),
        ("deleteAllLimitOrders", {}, "delete", 1, True),
        ("deleteAllTrailingStopOrders", {"source": "swap_order"}, "delete", 1, True),
    ],
)
def test_plans(method: str, params: Any, kind: str, count: int, single: bool) -> None:
    made = plan(method, params)
    assert made is not None and (made.kind, len(made.items), made.single) == (kind, count, single)
    assert not any({"ids", "settings", "walletIdList", "closePnlOrder", "expireDelta"} & each.keys() for each in made.items)


@pytest.mark.parametrize(
    "enabled, close, looked_for",
    [(False, True, True), (False, "false", True), (False, False, False), (True, True, False), (None, True, True)],
)
def test_what_closes_other_tasks_is_looked_for_where_it_has_an_effect(enabled: Any, close: Any, looked_for: bool) -> None:
    made = plan("batchToggleFollowOrder", {"ids": ["1"], "enabled": enabled, "closePnlOrder": close})
    assert made is not None and ("closePnlOrder" in made.items[0]) is looked_for


def test_questions_have_no_plan() -> None:
    assert plan("getSwapOrder", {"orderId": "1"}) is None and plan("unheard", {}) is None
    assert SWAPS != FOLLOWS and len(DEVS) == 3


def test_states_and_deletions() -> None:
    item = {"id": "1", "enabled": False}
    assert judge_update(item, [{"id": "2", "enabled": False}]).outcome is None
    assert judge_update(item, [{"id": "1", "enabled": True}]).outcome is None
    assert judge_update(item, [{"id": "1"}]).outcome is None, "it does not show it"
    assert judge_update(item, [{"id": "1", "enabled": False}]).outcome == "executed"
    assert judge_deletion({"id": "1"}, [{"id": "2"}], True).outcome == "executed"
    assert judge_deletion({"id": "1"}, [{"id": "1", "state": "done"}], True).outcome is None
    assert judge_deletion({}, [{"id": "2"}], True).outcome is None and judge_deletion({}, [], True).outcome == "executed"
    assert judge_deletion({"id": "1"}, [{"id": "2"}], False).outcome is judge_deletion({}, [], False).outcome is None


@pytest.mark.parametrize(
    "wanted, shown, hidden",
    [
        ({"enabled": False, "closePnlOrder": True}, {"enabled": False}, "closePnlOrder"),
        ({"enabled": False, "closePnlOrder": True}, {"enabled": False, "closePnlOrder": True}, "closePnlOrder"),
        ({"retries": 2, "expireDelta": 5}, {"retries": 2, "expireDelta": 5}, "expireDelta"),
        ({"retries": 2, "maxSlippage": 0.1, "jitoTip": 1}, {"retries": 2}, "maxSlippage, jitoTip"),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, "a.c"),
        ({"a": [{"b": 1}, {"b": 1, "c": 2}]}, {"a": [{"b": 1}, {"b": 1}]}, "a.c"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}], "d": 3}, None),
    ],
)
def test_an_update_is_certain_only_if_all_that_was_sent_is_shown(wanted: Any, shown: Any, hidden: Optional[str]) -> None:
    found = judge_update({"id": "1", **wanted}, [{"id": "1", **shown}])
    assert found.outcome == ("executed" if hidden is None else None)
    assert hidden is None or found.reason == f"the task is as it was to be, but does not show {hidden}"


@pytest.mark.parametrize(
    "also, left",
    [
        ({}, None),
        ({"tokenBlacklist": None, "dexFilter": [], "accountId": "a"}, None),
        ({"tokenBlacklist": ["t"]}, "tokenBlacklist"),
        ({"buySettings": {"enabled": True, "retries": 3}}, "buySettings.retries"),
    ],
)
def test_what_overwrites_a_task_leaves_nothing_else_in_it(also: Any, left: Optional[str]) -> None:
    item = {"id": "1", "name": "x", "buySettings": {"enabled": True}}
    found = judge_update(item, [{**item, **also}], whole=True)
    assert found.outcome == ("executed" if left is None else None) and (left is None or left in found.reason)
    assert judge_update(item, [{**item, **also}]).outcome == "executed"


class Lists:
    """A REST side: a pass after the other."""

    def __init__(self, *passes: Any) -> None:
        self._passes = list(passes)

    def rows(self, path: str, params: Any, deadline: float) -> Any:
        ids = self._passes.pop(0) if len(self._passes) > 1 else self._passes[0]
        if isinstance(ids, Exception):
            raise ids
        return [{"id": each, "enabled": True} for each in ids], 0.0


def deletion(monkeypatch: pytest.MonkeyPatch, *passes: Any) -> Any:
    monkeypatch.setattr(resolving, "_PAUSE", 0.001)
    sent = SentRequest("deleteFollowOrders", '{"params":{"ids":["z"]}}', T)
    wanted = plan("deleteFollowOrders", {"ids": ["z"]})
    assert wanted is not None
    made = resolving.Resolver(Lists(*passes), None, Made(), 0.05)  # type: ignore[arg-type]
    return made.run(sent, wanted)[0]


def test_a_deletion_is_certain_once_two_passes_in_a_row_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The venue's pages are counted by rows: what moves meanwhile is skipped."""
    found = deletion(monkeypatch, "abcd", "abdz")
    assert found.outcome == "unknown" and found.order == {"id": "z", "enabled": True}, "a task that was skipped once is there"
    assert deletion(monkeypatch, "abcd").outcome == "executed"
    assert deletion(monkeypatch, "abcd", "abd", "abdz").outcome == "unknown", "these two were read while c went"
    assert deletion(monkeypatch, "abcd", ConnectError("down"), "abcd", "abdz").outcome == "unknown", "not in a row"
    assert deletion(monkeypatch, "abcd", "abd", "abd").outcome == "executed"


def test_tasks_of_other_requests_are_no_candidates() -> None:
    made, sent, other = Made(), SentRequest("createSwapOrder", "{}", T), SentRequest("createSwapOrder", "{}", T)
    assert made.answered({"id": "a"}) and made.answered({"ids": ["b", 5]}) and not made.answered(None)
    made.claim("c", sent)
    made.claim("c", other)
    assert [made.is_of_another(each, sent) for each in "abcd"] == [True, True, False, False]
    assert made.is_of_another("c", other) and (made.claimed(sent), made.claimed(other)) == (1, 0)


# -- against the local venue ---------------------------------------------------------------------------------

QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)


@pytest.fixture
def venue() -> Iterator[DBotVenue]:
    with DBotVenue(rate=0) as made:
        yield made
        assert made.handler_errors == 0


@pytest.fixture
def client(venue: DBotVenue) -> Iterator[DBotTradeClient]:
    with venue.client(options=QUICK) as made:
        yield made


def lost(venue: DBotVenue, do: Callable[[], Any]) -> OutcomeUnknown:
    """Carried out, and the answer kept back."""
    venue.hold_answers()
    with pytest.raises(RequestTimeout) as raised:
        do()
    return raised.value


def test_tasks_that_were_made_changed_and_deleted(venue: DBotVenue, client: DBotTradeClient) -> None:
    wallet = next(iter(venue._tasks.wallets))
    fields: Any = {"chain": "solana", "pair": venue.pairs[0].pair, "wallet_id": wallet}
    buy = {**fields, "type": "buy", "amount_or_percent": 1}
    answered = client.create_swap_order(**buy)
    error = lost(venue, lambda: client.create_swap_order(**buy, timeout=0.05))
    found = client.resolve(error)
    assert found.outcome == "executed" and found.order.id in set(venue.tasks("swap")) - {answered["id"]}
    assert client.resolve(error.request_id).order.id == found.order.id, "it stays so"

    setting = {"tradeType": "buy", "triggerPriceUsd": "0.001", "triggerDirection": "down", "currencyAmountUI": 1, "enabled": True}
    settings = [setting, {**setting, "currencyAmountUI": 2}]
    error = lost(venue, lambda: client.create_limit_order(**fields, settings=settings, timeout=0.05))
    pair = client.resolve(error)
    assert [each.outcome for each in pair] == ["executed"] * 2
    assert [each.order["currencyAmountUI"] for each in pair] == ["1", "2"]

    ids = list(venue.tasks("limit"))
    error = lost(venue, lambda: client.update_limit_order(ids[0], currency_amount_ui=3, timeout=0.05))
    assert client.resolve(error).order["id"] == ids[0]
    error = lost(venue, lambda: client.delete_limit_orders(ids, timeout=0.05))
    assert [each.outcome for each in client.resolve(error)] == ["executed"] * 2

    task = venue.add_follow_order()
    error = lost(venue, lambda: client.update_follow_order(task, False, timeout=0.05))
    assert client.resolve(error).order["enabled"] is False


def test_what_is_not_found_stays_unknown(venue: DBotVenue, client: DBotTradeClient) -> None:
    venue.go_silent()
    wallet = next(iter(venue._tasks.wallets))
    fields: Any = {"chain": "solana", "pair": "P", "wallet_id": wallet, "type": "buy", "amount_or_percent": 1}
    with pytest.raises(OutcomeUnknown) as raised:
        client.create_swap_order(**fields, timeout=0.05)
    found = client.resolve(raised.value, timeout=0)
    assert found.outcome == "unknown"
    found = client.resolve(raised.value, timeout=0.2)
    assert (found.outcome, found.order, found.candidates) == ("unknown", None, ()) and "later" in found.reason
    venue.fail_rest(500)
    assert "HTTP 500" in client.resolve(raised.value, timeout=0.1).reason
    venue.accept_rest()
    venue.api_key = "another"
    assert "key was refused" in client.resolve(raised.value).reason


def test_an_answer_that_comes_late(venue: DBotVenue, client: DBotTradeClient) -> None:
    events = Recorder()
    client.on_event(events)
    venue.fail_rest(503)
    wallet = next(iter(venue._tasks.wallets))
    fields: Any = {"chain": "solana", "pair": "P", "type": "buy", "amount_or_percent": 1}
    errors = [
        lost(venue, lambda wallet=each: client.create_swap_order(**fields, wallet_id=wallet, timeout=0.05))  # type: ignore[misc]
        for each in (wallet, "nobody's")
    ]
    venue.release_answers()
    eventually(lambda: sum(isinstance(event, LateReply) for event in events.items) == 2)
    accepted, refused = map(client.resolve, errors)
    assert (accepted.outcome, refused.outcome) == ("executed", "not_executed") and "wallet not found" in refused.reason


def test_arguments(venue: DBotVenue, client: DBotTradeClient) -> None:
    with pytest.raises(TypeError, match="^unknown"):
        client.resolve("abc")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="^unknown"):
        client.resolve(5)
    with pytest.raises(ValueError, match="^timeout"):
        client.resolve(5, timeout=-1)
    error = lost(venue, lambda: client.list_limit_orders(timeout=0.05))
    with pytest.raises(ValueError, match="changes nothing"):
        client.resolve(error)
    with pytest.raises(ValueError, match="^rest_url"):
        DBotTradeClient("key-of-tests", url="ws://127.0.0.1:1").resolve(5)
    with pytest.raises(ValueError, match="^rest_url"):
        DBotTradeClient("key-of-tests", rest_url="https://x.example/path")


def test_what_was_never_sent_is_no_rival() -> None:
    client = DBotTradeClient("key-of-tests", url="ws://127.0.0.1:1", rest_url="http://127.0.0.1:1")
    with pytest.raises(ConnectError):
        client.delete_all_limit_orders(timeout=1)
    assert client._protocol.sent.newest_first() == []
