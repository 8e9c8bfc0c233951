"""One account's tasks at the local DBot venue: every method of the trade socket.

The venue's pages say what is asked and seldom what is answered: what is assumed here has a comment.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from dbxsdk.sim.dbot.execution import Document, Execution, Refused, read_number
from dbxsdk.sim.dbot.market import DBotMarket

_FOLLOW_DEFAULTS: Document = {
    "enabled": True,
    "name": "",
    "chain": "solana",
    "dexFilter": None,
    "targetIds": [],
    "tokenBlacklist": None,
    "walletId": None,
    "groupId": None,
    "buySettings": None,
    "sellSettings": None,
}


class Done:
    """The answer ``err: false`` without a ``res``."""


class Tasks(Execution):
    """The trade socket's methods, by name: they make, change and list the tasks that are carried out."""

    def __init__(self, market: DBotMarket, seed: int, wallets: Iterable[str]) -> None:
        super().__init__(market, seed, wallets)
        self._methods: Dict[str, Callable[[Document], Any]] = {
            "createSwapOrder": self._create_swap,
            "createSwapOrdersMultiWallet": self._create_swaps,
            "getSwapOrder": lambda params: _shown(_one(self.swap, params.get("orderId"))),
            "getSwapOrders": self._get_swaps,
            "createLimitOrder": self._create_limits,
            "updateLimitOrder": self._update_limit,
            "listLimitOrders": lambda params: _page(self._own_limits(), params, "chain", "state", "groupId", "token"),
            "deleteLimitOrders": lambda params: _delete(self.limit, _ids(params)),
            "deleteAllLimitOrders": self._delete_all_limits,
            "createOrUpdateFollowOrder": self._put_follow,
            "updateFollowOrder": lambda params: self._toggle_follow([params.get("id")], params),
            "batchToggleFollowOrder": lambda params: self._toggle_follow(_ids(params), params),
            "batchUpdateFollowOrder": self._move_follow,
            "listFollowOrders": lambda params: _page(self.follow.values(), params, "chain"),
            "deleteFollowOrders": lambda params: _delete(self.follow, _ids(params)),
            "listPnlOrdersFromSwapOrder": lambda params: _page(
                self._exits("swap_order"), params, "chain", "state", "token", "sourceId"
            ),
            "listTrailingStopOrders": lambda params: self._of_source(
                self.trailing.values(), params, "chain", "state", "token", "sourceId"
            ),
            "deleteAllTrailingStopOrders": self._delete_trailing,
            "listPnlOrdersFromFollowOrder": lambda params: _page(
                self._exits("follow_order"), params, "chain", "state", "token", "sourceId"
            ),
            "createSnipeOrder": self._create_snipe,
            "listSnipeOrders": self._list_snipes,
            "deleteSnipeOrder": lambda params: _delete(self.snipe, [params.get("id")]),
            "deleteSnipeOrders": lambda params: _delete(self.snipe, _ids(params)),
            "createDevOrder": self._create_dev,
            "batchUpdateDevOrder": self._toggle_dev,
            "listDevOrders": lambda params: self._of_source(self.dev.values(), params, "chain", "state", also="manual"),
            "deleteDevOrder": lambda params: _delete(self.dev, [params.get("id")]),
            "listMigrateOrders": lambda params: self._of_source(
                self.migrate.values(), params, "chain", "state", also="manual"
            ),
            "deleteMigrateOrders": lambda params: _delete(self.migrate, _ids(params)),
        }

    def knows(self, method: Any) -> bool:
        return isinstance(method, str) and method in self._methods

    def carry_out(self, method: str, params: Any, now_ms: int) -> Any:
        """Return the ``res`` of the answer, or ``Done``. Raises ``Refused``."""
        self._now_ms = now_ms
        if method == "deleteAllLimitOrders":
            params = {} if params is None else params
        if not isinstance(params, dict):
            raise Refused("params must be an object")
        return self._methods[method](params)

    # -- methods: fast trades ----------------------------------------------------------------------------

    def _create_swap(self, params: Document) -> Any:
        return {"id": self._new_swap(params, params.get("walletId"))}

    def _create_swaps(self, params: Document) -> Any:
        wallets = params.get("walletIdList")
        if not isinstance(wallets, list) or not 1 <= len(wallets) <= 5:
            raise Refused("walletIdList must hold 1 to 5 wallets")
        for wallet in wallets:
            self._check_wallet(wallet)
        # Like the ids of several limit orders in the REST twin: the page is cut off before the answer.
        return {"ids": [self._new_swap(params, wallet) for wallet in wallets]}

    def _new_swap(self, params: Document, wallet: Any) -> str:
        self._check_wallet(wallet)
        if params.get("type") not in ("buy", "sell"):
            raise Refused("type must be buy or sell")
        if read_number(params, "amountOrPercent") <= 0:
            raise Refused("amountOrPercent must be above 0")
        if not 0 <= read_number(params, "maxSlippage", 0.1) <= 1:
            raise Refused("maxSlippage must be 0 to 1")
        order = {
            "chain": params.get("chain"),
            "tradeType": params["type"],
            "state": "init",
            "txPriceUsd": None,
            **dict.fromkeys(("swapHash", "swapLink", "errorCode", "errorMessage"), ""),
            "_params": params,
            "_wallet": wallet,
        }
        return self._add(self.swap, order)

    def _get_swaps(self, params: Document) -> Any:
        # The newest first: the order of the request is not kept, as the page's sample shows.
        return [_shown(self.swap[id_]) for id_ in sorted(_ids(params), reverse=True) if id_ in self.swap]

    def swap_records(self, params: Document) -> List[Document]:
        """Return a page of the records of fast trades, which the REST side has. They name the wallet by its address."""
        records = []
        for order in reversed(self.swap.values()):
            record = {name: value for name, value in _shown(order).items() if name != "tradeType"}
            record.update(createAt=order["_createAt"], timestamp=order.get("_timestamp"))
            record.update(send=order.get("_send"), receive=order.get("_receive"))
            record.update(type=order["tradeType"], pair=order["_params"].get("pair"), wallet=self.wallets[order["_wallet"]])
            records.append(record)
        return _page(records, params, "chain")

    def trade_records(self, params: Document, source: Optional[str]) -> List[Document]:
        """Return a page of the records of one source, those that failed included, or of all that succeeded. Their fields are
        those of the results: an assumption."""
        records = [
            each for each in reversed(self.results) if (each["source"] == source if source else each["state"] == "done")
        ]
        return _page(records, params, "chain")

    # -- methods: limit orders and exits -------------------------------------------------------------------

    def _create_limits(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        pair = self._check_pair(params.get("pair"))
        settings = params.get("settings")
        if not isinstance(settings, list) or not settings:
            raise Refused("settings must hold at least one order")
        for setting in settings:
            _check_limit(setting if isinstance(setting, dict) else {})
        order = {
            "state": "init",
            "enabled": True,
            "chain": params.get("chain"),
            "pair": pair.pair,
            "token": pair.token,
            "walletId": params["walletId"],
            "groupId": params.get("groupId"),
            "source": "limit_order",
            "sourceId": None,
        }
        return {"ids": [self._add(self.limit, {**order, **setting}) for setting in settings]}

    def _update_limit(self, params: Document) -> Any:
        order = _one(self.limit, params.get("id"))
        changed = {**order, **params}
        _check_limit(changed)
        order.update(changed)
        return Done

    def _own_limits(self) -> List[Document]:
        return [order for order in self.limit.values() if order["source"] == "limit_order"]

    def _delete_all_limits(self, params: Document) -> Any:
        self.limit.clear()  # the exits with them
        return Done

    def _delete_trailing(self, params: Document) -> Any:
        source = _source(params)
        self.trailing = {id_: order for id_, order in self.trailing.items() if order["source"] != source}
        return Done

    def _of_source(self, orders: Iterable[Document], params: Document, *names: str, also: str = "swap_order") -> Any:
        source = _source(params, also)
        return _page([order for order in orders if order["source"] == source], params, *names)

    # -- methods: copy trading -----------------------------------------------------------------------------

    def _put_follow(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        targets = params.get("targetIds")
        if not isinstance(targets, list) or not targets:
            raise Refused("targetIds must hold at least one wallet")
        # What is left out is reset, not kept.
        task = {**_FOLLOW_DEFAULTS, **params, "accountId": "local"}
        if params.get("id") is None:
            self._add(self.follow, task)
        else:
            _one(self.follow, params["id"])
            self.follow[params["id"]] = task
        return Done

    def _toggle_follow(self, ids: List[Any], params: Document) -> Any:
        enabled, close = params.get("enabled"), params.get("closePnlOrder", False)
        if not isinstance(enabled, bool) or not isinstance(close, bool):
            raise Refused("enabled and closePnlOrder must be booleans")
        for task in [_one(self.follow, id_) for id_ in ids]:
            task["enabled"] = enabled
            if close and not enabled:
                self.limit = {
                    id_: order
                    for id_, order in self.limit.items()
                    if order["source"] != "follow_order" or order["sourceId"] != task["id"]
                }
        return Done

    def _move_follow(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        for task in [_one(self.follow, id_) for id_ in _ids(params)]:
            task["walletId"] = params["walletId"]
        return Done

    # -- methods: snipers and developers' sales --------------------------------------------------------------

    def _create_snipe(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        if not isinstance(params.get("buySettings"), dict):
            raise Refused("buySettings must be an object")
        if not 0 < read_number(params["buySettings"], "buyAmountUI", 0.1) < 1e9:
            raise Refused("buyAmountUI must be above 0")
        if not 0 <= read_number(params, "expireDelta", 0) <= 432_000_000:
            raise Refused("expireDelta must be 432000000 at most")
        states = {**dict.fromkeys(("buyState", "sellState"), "init"), "buyErrorCode": "", "buyErrorMessage": ""}
        expires = int(self._now_ms + read_number(params, "expireDelta", 0))
        return {"id": self._add(self.snipe, {"enabled": True, **params}, **states, accountId="local", expireAt=expires)}

    def _list_snipes(self, params: Document) -> Any:
        # The filter is called state, and a row has two: that of the buy is an assumption.
        return _page(self.snipe.values(), {**params, "buyState": params.get("state")}, "chain", "buyState")

    def _create_dev(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        if not 0 <= read_number(params, "minDevSellPercent", 0.5) <= 1:
            raise Refused("minDevSellPercent must be 0 to 1")
        return {"id": self._add(self.dev, {"enabled": True, **params}, state="init", source="manual")}

    def _toggle_dev(self, params: Document) -> Any:
        if not isinstance(params.get("enabled"), bool):
            raise Refused("enabled must be a boolean")
        for order in [_one(self.dev, id_) for id_ in _ids(params)]:
            order["enabled"] = params["enabled"]
        return Done

    # -- checks ------------------------------------------------------------------------------------------------

    def _check_wallet(self, wallet: Any) -> None:
        if not isinstance(wallet, str) or wallet not in self.wallets:
            raise Refused("wallet not found")

    def _check_pair(self, name: Any) -> Any:
        pair = self._market.find(name)
        if pair is None:
            raise Refused("pair not found")
        return pair


def _shown(order: Document) -> Document:
    return {name: value for name, value in order.items() if not name.startswith("_")}


def _one(orders: Mapping[str, Document], id_: Any) -> Document:
    order = orders.get(id_) if isinstance(id_, str) else None
    if order is None:
        raise Refused(f"task not found: {id_}")
    return order


def _ids(params: Document) -> List[Any]:
    ids = params.get("ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(id_, str) for id_ in ids):
        raise Refused("ids must hold at least one id")
    return ids


def _delete(orders: Dict[str, Document], ids: List[Any]) -> Any:
    """Delete all or none: an assumption, no page says so."""
    for id_ in ids:
        _one(orders, id_)
    for id_ in ids:
        orders.pop(id_, None)
    return Done


def _page(orders: Iterable[Document], params: Document, *names: str) -> List[Document]:
    page, size = params.get("page", 0), params.get("size", 20)
    if not isinstance(page, int) or not isinstance(size, int) or page < 0 or not 1 <= size <= 20:
        raise Refused("page must be 0 or more and size 1 to 20")
    wanted = {name: params[name] for name in names if params.get(name) is not None}
    found = [_shown(order) for order in orders if all(order.get(name) == value for name, value in wanted.items())]
    return found[page * size:(page + 1) * size]


def _source(params: Document, also: str = "swap_order") -> Any:
    source = params.get("source")
    if source not in ("swap_order", "follow_order", also):
        raise Refused(f"source cannot be {source}")
    return source


def _check_limit(order: Document) -> None:
    if order.get("tradeType") not in ("buy", "sell") or order.get("triggerDirection") not in ("up", "down"):
        raise Refused("tradeType must be buy or sell, triggerDirection up or down")
    if read_number(order, "triggerPriceUsd") <= 0 or read_number(order, "currencyAmountUI") <= 0:
        raise Refused("triggerPriceUsd and currencyAmountUI must be above 0")
