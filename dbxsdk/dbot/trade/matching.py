"""Which of DBot's tasks a request may have made, changed or deleted. Pure.

The venue takes no id of the caller's, and accepts a request however late it comes. So that a request was not carried out is
never certain, unless the venue says so; that it was is certain

* for what sets a state: if the task is as it was to be, and shows every field that was sent. What overwrites a whole task resets
  what was left out: so nothing of that may be left;
* for what deletes: if the task is listed no more, and two passes over the lists in a row show the same tasks. One proves nothing:
  pages are counted by rows, and a task is skipped if another before it goes between two pages;
* for what creates: if exactly one task fits that no other request has made. It fits if it was made in the time since 5 s before
  the request (by the venue's clock), and all that it shows is as it was asked for. Of several requests that differ in nothing
  that the tasks show, and of which no answer names the task, nothing is certain before there are as many tasks.

Source: docs.dbotx.com/reference (the pages of the methods and lists).
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Collection, Dict, List, Literal, Mapping, Optional, Sequence, Tuple

import attrs

from dbxsdk.dbot.trade.arguments import checks_of
from dbxsdk.dbot.trade.task_fields import Follow
from dbxsdk.resolution import Outcome
from dbxsdk.sent_requests import SentRequest

Row = Dict[str, Any]
List_ = Tuple[str, Mapping[str, str]]
"""A list: its path and its filter."""

_KEPT = 10_000
UNNAMED = "the answer names no task"
EARLY_MS = 5000
LATE_MS = 2000  # the venue's clock is read to the second

_SOURCES = ("swap_order", "follow_order", "manual")
SWAPS: Tuple[List_, ...] = (("/account/swap_trades", {}),)
LIMITS: Tuple[List_, ...] = (
    ("/automation/limit_orders", {}),
    ("/automation/limit_orders", {"state": "done"}),  # where the state is left out, there may be "init" only
    ("/automation/pnl_orders_from_swap_order", {}),
    ("/automation/pnl_orders_from_follow_order", {}),
)
FOLLOWS: Tuple[List_, ...] = (("/automation/follow_orders", {}),)
SNIPES: Tuple[List_, ...] = (("/automation/snipe_orders", {}),)
DEVS: Tuple[List_, ...] = tuple(("/automation/dev_orders", {"source": each}) for each in _SOURCES)
MIGRATES: Tuple[List_, ...] = tuple(("/automation/migrate_orders", {"source": each}) for each in _SOURCES)
TRAILING = "/automation/trailing_stop_orders"

_DELETES = {
    "deleteLimitOrders": LIMITS,
    "deleteFollowOrders": FOLLOWS,
    "deleteSnipeOrders": SNIPES,
    "deleteSnipeOrder": SNIPES,
    "deleteDevOrder": DEVS,
    "deleteMigrateOrders": MIGRATES,
}
_UPDATES = {
    "updateLimitOrder": LIMITS,
    "updateFollowOrder": FOLLOWS,
    "batchToggleFollowOrder": FOLLOWS,
    "batchUpdateFollowOrder": FOLLOWS,
    "batchUpdateDevOrder": DEVS,
}
_FOLLOW_FIELDS = tuple(checks_of(Follow))
_DEEDS = ("closePnlOrder", "expireDelta")
"""What does something that a field of this name does not show: it closes other tasks, it counts from when it is carried out."""


@attrs.frozen
class Plan:
    """What to look for. ``items``: what each task is to be, with its id if that is known; an item of a deletion without an id
    means all. ``single``: the request was about one task. ``whole``: an update that resets what it does not name."""

    kind: Literal["create", "update", "delete"]
    lists: Tuple[List_, ...]
    items: Tuple[Row, ...]
    single: bool = True
    whole: bool = False


def plan(method: str, params: Mapping[str, Any]) -> Optional[Plan]:
    """Return what to look for after the request ``method``; None if it changes nothing that is known here."""
    given = dict(params)
    ids = given.pop("ids", None)
    ids = ids if isinstance(ids, (list, tuple)) else None
    if method == "createSwapOrder":
        return Plan("create", SWAPS, (_swap(given),))
    if method == "createSwapOrdersMultiWallet":
        wallets = given.pop("walletIdList", None) or ()
        return Plan("create", SWAPS, tuple(_swap({**given, "walletId": wallet}) for wallet in wallets), False)
    if method == "createLimitOrder":
        settings = given.pop("settings", None) or ()
        return Plan("create", LIMITS[:2], tuple({**given, **each} for each in settings if isinstance(each, Mapping)), False)
    if method == "createOrUpdateFollowOrder":
        return Plan("update" if given.get("id") else "create", FOLLOWS, (given,), whole=True)
    if method == "createSnipeOrder":
        return Plan("create", SNIPES, (_without(given, "expireDelta"),))
    if method == "createDevOrder":
        return Plan("create", DEVS[2:], (_without(given, "expireDelta"),))
    if method in _UPDATES:
        if given.get("enabled") is True or given.get("closePnlOrder") in (None, False):
            given.pop("closePnlOrder", None)  # it has an effect on what is switched off
        return Plan("update", _UPDATES[method], tuple({**given, "id": each} for each in ids or (given.get("id"),)), ids is None)
    if method in _DELETES:
        return Plan("delete", _DELETES[method], tuple({"id": each} for each in ids or (given.get("id"),)), ids is None)
    if method == "deleteAllLimitOrders":
        return Plan("delete", (LIMITS[0], *LIMITS[2:]), ({},))
    if method == "deleteAllTrailingStopOrders":
        return Plan("delete", ((TRAILING, {"source": str(given.get("source"))}),), ({},))
    return None


def _swap(given: Row) -> Row:
    names = ("chain", "pair", "type", "walletId", "amountOrPercent")
    return {name: given[name] for name in names if name in given}


def _without(given: Row, *names: str) -> Row:
    return {name: value for name, value in given.items() if name not in names}


@attrs.frozen(kw_only=True)
class Found:
    """``outcome`` is None while it is worth asking again."""

    outcome: Optional[Outcome]
    reason: str
    row: Optional[Row] = None
    candidates: Tuple[Row, ...] = ()


def judge_creation(
    item: Row, rows: Sequence[Row], since_ms: float, until_ms: float, equal_requests: Callable[[Collection[str]], int]
) -> Found:
    """Judge by the rows that no other request has made. ``equal_requests(names)``: how many tasks that are alike in these fields
    were asked for, itself counted, whose ids are not known. The times are the venue's."""
    fitting = {str(row.get("id")): row for row in rows if _fits(item, row, since_ms, until_ms)}
    candidates = tuple(fitting.values())
    if not candidates:
        return Found(outcome=None, reason="no task fits, but the venue may still take the request or list the task later")
    if any(created_ms(row) is None for row in candidates):
        return Found(outcome=None, reason="the tasks that fit do not show when they were made", candidates=candidates)
    equals = equal_requests([name for name in item if all(_shows(name, item, row) for row in candidates)])
    if len(candidates) == equals == 1:
        return Found(outcome="executed", reason="exactly one task fits", row=candidates[0])
    if len(candidates) == equals:
        return Found(outcome="executed", reason=f"as many tasks fit as there are equal requests: {equals}", candidates=candidates)
    told = "several tasks fit, and cannot be told apart" if len(candidates) > 1 else "one task fits several equal requests"
    return Found(outcome=None, reason=told, candidates=candidates)


def judge_update(item: Row, rows: Sequence[Row], whole: bool = False) -> Found:
    """Judge by the task's row. ``whole``: the update resets what ``item`` does not name."""
    row = next((row for row in rows if row.get("id") == item.get("id")), None)
    if row is None:
        return Found(outcome=None, reason="the task is in no list")
    if not all(same(value, row[name]) for name, value in item.items() if name in row and name not in _DEEDS):
        return Found(outcome=None, reason="the task is not as it was to be; the venue may still take the request", row=row)
    hidden = _hidden(item, row)
    if hidden:
        return Found(outcome=None, reason=f"the task is as it was to be, but does not show {', '.join(hidden)}", row=row)
    left = _left(item, {name: row[name] for name in _FOLLOW_FIELDS if name in row}) if whole else []
    if left:
        return Found(outcome=None, reason=f"the task shows what was sent, but also {', '.join(left)}, to be reset", row=row)
    return Found(outcome="executed", reason="the task is as it was to be", row=row)


def _hidden(wanted: Row, shown: Row) -> List[str]:
    """Return the fields that were sent, and that nobody can see in a row."""
    found: List[str] = []
    for name, value in wanted.items():
        if name in _DEEDS or name not in shown:
            found.append(name)
            continue
        several = isinstance(value, (list, tuple)) and isinstance(shown[name], list)
        for one, other in zip(value, shown[name]) if several else ((value, shown[name]),):  # noqa: B905 - the same
            if isinstance(one, dict) and isinstance(other, dict):
                found += [f"{name}.{each}" for each in _hidden(one, other)]
    return found


def _left(wanted: Row, shown: Row) -> List[str]:
    """Return the fields that a row has, and that were not sent."""
    found = [name for name, value in shown.items() if value and name not in wanted]
    for name, value in wanted.items():
        if isinstance(value, dict) and isinstance(shown.get(name), dict):
            found += [f"{name}.{each}" for each in _left(value, shown[name])]
    return found


def judge_deletion(item: Row, rows: Sequence[Row], agreed: bool) -> Found:
    """Judge by the tasks that are left. ``agreed``: the pass before over all the lists showed the same tasks."""
    left = [row for row in rows if "id" not in item or row.get("id") == item["id"]]
    ended = next((row for row in left if row.get("state") == "done"), None) if "id" in item else None
    if not left and not agreed:
        return Found(outcome=None, reason="it is not listed, but the lists may have changed while they were read: ask again")
    if not left:
        return Found(outcome="executed", reason="it is listed no more")
    if ended is not None:
        return Found(outcome=None, reason="the task is done and listed; the venue may still delete it", row=ended)
    return Found(outcome=None, reason="it is listed still; the venue may still take the request", row=left[0])


def created_ms(row: Mapping[str, Any]) -> Optional[int]:
    """Return when a task was made: it says so, or its id begins with the time in base 36."""
    made = row.get("createAt")
    if isinstance(made, int) and not isinstance(made, bool):
        return made
    try:
        made = int(str(row.get("id"))[:8], 36)
    except ValueError:
        return None
    return made if 1_500_000_000_000 <= made < 2_500_000_000_000 else None


def _fits(item: Row, row: Row, since_ms: float, until_ms: float) -> bool:
    made = created_ms(row)
    if made is not None and not since_ms - EARLY_MS <= made <= until_ms + LATE_MS:
        return False
    for name, wanted in item.items():
        if name == "pair":  # a request may name the token
            named = [row[each] for each in ("pair", "token") if row.get(each)]
            if named and wanted not in named:
                return False
        elif name == "amountOrPercent" and item.get("type") == "buy" and _paid(row) is not None:
            if not same(wanted, _paid(row)):
                return False
        elif row.get(name) is not None and not same(wanted, row[name]):
            return False
    return True


def _shows(name: str, item: Row, row: Row) -> bool:
    """True if a row shows this field of a request."""
    if name == "pair":
        return bool(row.get("pair") or row.get("token"))
    if name == "amountOrPercent" and item.get("type") == "buy" and _paid(row) is not None:
        return True
    return row.get(name) is not None


def _paid(row: Row) -> Optional[Decimal]:
    """Return the amount that a record says was paid, if it says so."""
    try:
        return Decimal(str(row["send"]["amount"])).scaleb(-int(row["send"]["info"]["decimals"]))
    except (TypeError, KeyError, ValueError, InvalidOperation):
        return None


def same(wanted: Any, shown: Any) -> bool:
    """True if a row shows what was sent: numbers may be texts, and objects may have more fields."""
    if isinstance(wanted, Mapping) and isinstance(shown, Mapping):
        return all(same(value, shown[name]) for name, value in wanted.items() if name in shown)
    if isinstance(wanted, (list, tuple)) and isinstance(shown, list):
        return len(wanted) == len(shown) and all(map(same, wanted, shown))
    if isinstance(wanted, bool) or isinstance(shown, bool) or wanted is None or shown is None:
        return wanted is shown
    if wanted == shown:
        return True
    try:
        return Decimal(str(wanted)) == Decimal(str(shown))
    except InvalidOperation:
        return False


class Made:
    """Which tasks are known to be of which request: of those that were answered, and of those that were resolved."""

    def __init__(self) -> None:
        self._of: Dict[str, Optional[SentRequest]] = {}

    def answered(self, result: Any) -> bool:
        """Take in the result of a request that creates: ``{"id": ...}`` or ``{"ids": [...]}``. False if it names no task."""
        given = result if isinstance(result, dict) else {}
        ids = given.get("ids")
        named = [each for each in (given.get("id"), *(ids if isinstance(ids, list) else ())) if isinstance(each, str)]
        self._of.update(dict.fromkeys(named))
        while len(self._of) > _KEPT:
            self._of.pop(next(iter(self._of)), None)
        return bool(named)

    def claim(self, task: Any, sent: SentRequest) -> None:
        self._of.setdefault(str(task), sent)

    def is_of_another(self, task: Any, sent: SentRequest) -> bool:
        return str(task) in self._of and self._of[str(task)] is not sent

    def claimed(self, sent: SentRequest) -> int:
        """Return how many tasks are known to be of ``sent``."""
        return sum(other is sent for other in list(self._of.values()))
