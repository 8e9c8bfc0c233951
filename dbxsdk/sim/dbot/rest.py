"""DBot's REST lists over the local venue's tasks: the twins of the trade socket's ``list...`` methods, and the records of fast
trades. Shapes that no readable page shows are those of the socket: an assumption."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any, Mapping
from urllib.parse import parse_qsl

from dbxsdk.sim.dbot.execution import Document, Refused
from dbxsdk.sim.dbot.tasks import Tasks
from dbxsdk.sim.rest_side import RestAnswer, RestSide

_LISTS = {
    "/automation/limit_orders": "listLimitOrders",
    "/automation/follow_orders": "listFollowOrders",
    "/automation/pnl_orders_from_swap_order": "listPnlOrdersFromSwapOrder",
    "/automation/pnl_orders_from_follow_order": "listPnlOrdersFromFollowOrder",
    "/automation/trailing_stop_orders": "listTrailingStopOrders",
    "/automation/migrate_orders": "listMigrateOrders",
    "/automation/dev_orders": "listDevOrders",
    "/automation/snipe_orders": "listSnipeOrders",
    "/account/swap_trades": "records of fast trades",
    "/account/follow_trades": "records of copies",
    "/account/trades": "records of all that succeeded",
}


class DBotRestSide(RestSide):
    """The lists, for the key in ``X-API-KEY``; 401 without it."""

    rest_paths = tuple(_LISTS)
    _tasks: Tasks

    def _answer_rest(self, path: str, query: str, headers: Mapping[str, str]) -> RestAnswer:
        now = {"Date": formatdate(self._clock(), usegmt=True)}
        if headers.get("X-API-KEY") != self.api_key:
            return 401, None, now
        given = dict(parse_qsl(query))
        params: Document = {name: int(value) if value.isdecimal() else value for name, value in given.items()}
        try:
            if path == "/account/swap_trades":
                rows = self._tasks.swap_records(params)
            elif path in ("/account/follow_trades", "/account/trades"):
                rows = self._tasks.trade_records(params, "follow_order" if "follow" in path else None)
            else:
                rows = self._tasks.carry_out(_LISTS[path], params, self._now_ms())
        except Refused as refused:
            return 200, self._refuse_rest(0, str(refused)), now
        return 200, {"err": False, "res": rows}, now

    def _refuse_rest(self, code: int, message: str) -> Any:
        return {"err": True, "res": message}
