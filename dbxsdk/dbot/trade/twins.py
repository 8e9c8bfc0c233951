"""What DBot's REST side has of the results of trades.

Source: docs.dbotx.com/reference (swap-records, copy-records, trading-records). The path of the last is in no readable copy of the
pages: an assumption.
"""

from __future__ import annotations

from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Tuple

from dbxsdk.backfill.twin import Fetched, Order as Place, Row, Since, Twin
from dbxsdk.dbot.models import TradeResult, moment, read_trade_result
from dbxsdk.dbot.rest import MOST_PAGES, DBotRest
from dbxsdk.dbot.trade.result_types import types_of
from dbxsdk.errors import AuthError, DbxError, RateLimited
from dbxsdk.models import Update

FAST, COPIES, EVERY = "/account/swap_trades", "/account/follow_trades", "/account/trades"
_SOURCES = {FAST: "swap_order", COPIES: "follow_order", EVERY: None}
_OVER = ("done", "fail", "expired")
_SUFFIXES = ("_buy", "_sell")


class ResultsTwin(Twin):
    """``tradeResults``: the records of fast trades and of copies, those that failed included, and of all others that succeeded.

    Results of exits, limit orders and snipers that failed are in no record: where they are wanted, something may be missing.
    """

    has_ids = False
    single = True
    by_symbol = False
    slack_ms = 60_000  # those that failed have no time but that of their task
    kept = 1024

    def __init__(self, rest: DBotRest) -> None:
        self._rest = rest

    def place(self, item: Any, update: Update[Any]) -> Tuple[str, Place]:
        return _place(item)

    def symbol_of(self, symbol: str, raw: Any) -> str:
        types = types_of(raw)
        return types[0] if len(types) == 1 else ""

    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        wanted = frozenset(self.symbols) - {""} if "" not in self.symbols else None
        until = (since.from_ms or 0) - self.slack_ms
        found: Dict[str, Row] = {}
        whole = True
        for path in _paths(wanted):
            try:
                rows, reached = self._read(path, until, deadline)
            except (AuthError, RateLimited):
                raise
            except DbxError:
                if path != EVERY:
                    raise
                rows, reached = [], False
            whole = whole and reached
            for row in rows:
                row = {**row, "source": _SOURCES[path] or row.get("source")}
                if row.get("state") not in _OVER or not (wanted is None or wanted & set(types_of(row))):
                    continue
                result = read_trade_result(row)
                key, order = _place(result)
                found.setdefault(key, Row(key, order, result, row))
        rows_ = tuple(sorted(found.values(), key=lambda row: row.order))
        return Fetched(rows_, whole=whole, hides=EVERY in _paths(wanted))

    def _read(self, path: str, until: int, deadline: float) -> Tuple[List[Mapping[str, Any]], bool]:
        """Return the rows since ``until``, the newest first, and whether those are all."""
        found: List[Mapping[str, Any]] = []
        for number, (rows, _) in enumerate(self._rest.pages(path, {}, deadline), 1):
            found += rows
            if rows and all((_time_ms(row) or 0) < until for row in rows):
                return found, True
            if number == MOST_PAGES:
                return found, False
        return found, True


def _paths(wanted: Optional[FrozenSet[str]]) -> Tuple[str, ...]:
    """Return the records that have results of these types. None: of all."""
    if wanted is None:
        return FAST, COPIES, EVERY
    direct = {path: {f"{source}_{side}_{end}" for side in ("buy", "sell") for end in ("success", "fail")}
              for path, source in ((FAST, "swap"), (COPIES, "follow"))}
    paths = tuple(path for path, types in direct.items() if wanted & types)
    return paths if wanted <= direct[FAST] | direct[COPIES] else (*paths, EVERY)


def _time_ms(row: Mapping[str, Any]) -> Optional[int]:
    traded = moment(row.get("timestamp"))
    return moment(row.get("createAt")) if traded is None else traded


def _place(result: TradeResult) -> Tuple[str, Place]:
    time_ms = result.create_at_ms if result.timestamp_ms is None else result.timestamp_ms
    key = result.id
    if result.source == "swap_order":  # whose record has the task's id alone
        key = next((key[: -len(suffix)] for suffix in _SUFFIXES if key.endswith(suffix)), key)
    return key, (time_ms or 0,)
