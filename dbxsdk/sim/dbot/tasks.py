"""One account's tasks at the local DBot venue: every method of the trade socket, and the trades that come of tasks.

The venue's pages say what is asked and seldom what is answered: what is assumed here has a comment.
"""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.sim.dbot.market import BASE_SYMBOL, BASE_TOKEN, BASE_USD, DBotMarket, PairTrade, address, transaction_hash

Document = Dict[str, Any]

_DECIMALS = 6
_BASE_DECIMALS = 9
_FEE = Decimal("0.005")
_EXIT_LIFE_MS = 43_200_000
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


class Refused(Exception):
    """The method's answer is ``err: true``, with this text as ``res``: an assumption, no page shows one."""


class Done:
    """The answer ``err: false`` without a ``res``."""


class Tasks:
    """Tasks by kind and id. Methods change them; ``advance`` carries them out."""

    def __init__(self, market: DBotMarket, seed: int, wallets: Iterable[str]) -> None:
        self._market = market
        self._rng = random.Random(f"dbot-tasks:{seed}")
        self._count = 0
        self._now_ms = 0
        self._block = 300_000_000
        self.wallets: Dict[str, str] = {wallet: address(self._rng) for wallet in wallets}
        self.swap: Dict[str, Document] = {}
        self.limit: Dict[str, Document] = {}
        """Limit orders, and the take profit and stop loss tasks: at the venue these are limit orders, too."""
        self.trailing: Dict[str, Document] = {}
        self.migrate: Dict[str, Document] = {}
        self.follow: Dict[str, Document] = {}
        self.snipe: Dict[str, Document] = {}
        self.dev: Dict[str, Document] = {}
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
            "listTrailingStopOrders": lambda params: self._of_source(
                self.trailing.values(), params, "chain", "state", "token", "sourceId"
            ),
            "deleteAllTrailingStopOrders": self._delete_trailing,
            "listPnlOrdersFromFollowOrder": lambda params: _page(
                self._exits("follow_order"), params, "chain", "state", "token", "sourceId"
            ),
            "createSnipeOrder": self._create_snipe,
            "deleteSnipeOrder": lambda params: _delete(self.snipe, [params.get("id")]),
            "deleteSnipeOrders": lambda params: _delete(self.snipe, _ids(params)),
            "createDevOrder": self._create_dev,
            "batchUpdateDevOrder": self._toggle_dev,
            "listMigrateOrders": lambda params: self._of_source(self.migrate.values(), params, "chain", "state"),
        }

    def knows(self, method: Any) -> bool:
        return isinstance(method, str) and method in self._methods

    def carry_out(self, method: str, params: Any, now_ms: int) -> Any:
        """The ``res`` of the answer, or ``Done``. Raises ``Refused``."""
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
        if _number(params, "amountOrPercent") <= 0:
            raise Refused("amountOrPercent must be above 0")
        if not 0 <= _number(params, "maxSlippage", 0.1) <= 1:
            raise Refused("maxSlippage must be 0 to 1")
        order = {
            "id": self._id(),
            "chain": params.get("chain"),
            "tradeType": params["type"],
            "state": "init",
            "txPriceUsd": None,
            "swapHash": "",
            "swapLink": "",
            "errorCode": "",
            "errorMessage": "",
            "_params": params,
            "_wallet": wallet,
        }
        self.swap[order["id"]] = order
        return str(order["id"])

    def _get_swaps(self, params: Document) -> Any:
        # The newest first: the order of the request is not kept, as the page's sample shows.
        return [_shown(self.swap[id_]) for id_ in sorted(_ids(params), reverse=True) if id_ in self.swap]

    # -- methods: limit orders and exits -------------------------------------------------------------------

    def _create_limits(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        pair = self._check_pair(params.get("pair"))
        settings = params.get("settings")
        if not isinstance(settings, list) or not settings:
            raise Refused("settings must hold at least one order")
        for setting in settings:
            _check_limit(setting if isinstance(setting, dict) else {})
        ids = []
        for setting in settings:
            order = {
                "id": self._id(),
                "state": "init",
                "chain": params.get("chain"),
                "pair": pair.pair,
                "token": pair.token,
                "walletId": params["walletId"],
                "groupId": params.get("groupId"),
                "source": "limit_order",
                "sourceId": None,
                **{"enabled": True, **setting},
            }
            self.limit[order["id"]] = order
            ids.append(order["id"])
        return {"ids": ids}

    def _update_limit(self, params: Document) -> Any:
        order = _one(self.limit, params.get("id"))
        changed = {**order, **params}
        _check_limit(changed)
        order.update(changed)
        return Done

    def _own_limits(self) -> List[Document]:
        return [order for order in self.limit.values() if order["source"] == "limit_order"]

    def _exits(self, source: str) -> List[Document]:
        return [order for order in self.limit.values() if order["source"] == source]

    def _delete_all_limits(self, params: Document) -> Any:
        self.limit.clear()  # the exits with them
        return Done

    def _delete_trailing(self, params: Document) -> Any:
        source = _source(params)
        self.trailing = {id_: order for id_, order in self.trailing.items() if order["source"] != source}
        return Done

    def _of_source(self, orders: Iterable[Document], params: Document, *names: str) -> Any:
        source = _source(params)
        return _page([order for order in orders if order["source"] == source], params, *names)

    # -- methods: copy trading -----------------------------------------------------------------------------

    def _put_follow(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        targets = params.get("targetIds")
        if not isinstance(targets, list) or not targets:
            raise Refused("targetIds must hold at least one wallet")
        id_ = params.get("id")
        if id_ is None:
            id_ = self._id()
        else:
            _one(self.follow, id_)
        # What is left out is reset, not kept.
        self.follow[id_] = {**_FOLLOW_DEFAULTS, **params, "id": id_, "accountId": "local"}
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
        if not 0 <= _number(params, "expireDelta", 0) <= 432_000_000:
            raise Refused("expireDelta must be 432000000 at most")
        order = {**params, "id": self._id(), "state": "init", "_expires": self._now_ms + params.get("expireDelta", 0)}
        self.snipe[order["id"]] = order
        return {"id": order["id"]}

    def _create_dev(self, params: Document) -> Any:
        self._check_wallet(params.get("walletId"))
        if not 0 <= _number(params, "minDevSellPercent") <= 1:
            raise Refused("minDevSellPercent must be 0 to 1")
        order = {"enabled": True, **params, "id": self._id(), "state": "init"}
        self.dev[order["id"]] = order
        return {"id": order["id"]}

    def _toggle_dev(self, params: Document) -> Any:
        if not isinstance(params.get("enabled"), bool):
            raise Refused("enabled must be a boolean")
        for order in [_one(self.dev, id_) for id_ in _ids(params)]:
            order["enabled"] = params["enabled"]
        return Done

    # -- what comes of the tasks -----------------------------------------------------------------------------

    def advance(self, now_ms: int, trades: List[PairTrade]) -> List[Document]:
        """Carries the tasks on by one step, among the market's ``trades``. Returns the results of trades."""
        self._now_ms = now_ms
        self._block += 1
        # Exits and limits first: what a swap of this step makes is looked at in the next one.
        results = [result for result in map(self._watch, list(self.limit.values())) if result is not None]
        results += [result for result in map(self._trail, list(self.trailing.values())) if result is not None]
        results += [result for result in map(self._carry_swap, list(self.swap.values())) if result is not None]
        for trade in trades:
            for task in list(self.follow.values()):
                if task["enabled"] and trade.wallet in task["targetIds"]:
                    results.append(self._copy(task, trade))
        for order in self.snipe.values():
            if order["state"] == "init" and now_ms >= order["_expires"]:
                order["state"] = "expired"
        return results

    def _carry_swap(self, order: Document) -> Optional[Document]:
        if order["state"] == "init":
            order["state"] = "processing"
            return None
        if order["state"] != "processing":
            return None
        params = order["_params"]
        pair = self._market.find(params.get("pair"))
        head = {"id": f"{order['id']}_{params['type']}", "source": "swap_order", "chain": order["chain"]}
        if pair is None or _number(params, "maxSlippage", 0.1) == 0:
            reason = "simulate:AccountNotFound\n" if pair is None else "simulate:SlippageToleranceExceeded\n"
            order.update(state="fail", errorCode="E_OTHERS", errorMessage=reason)
            token = params.get("pair") if pair is None else pair.token
            where = {"wallet": self.wallets[order["_wallet"]], "type": params["type"], "token": token}
            return self._failure(head, {**where, "pair": params.get("pair"), "symbol": pair.symbol if pair else None}, reason)
        amount = Decimal(str(params["amountOrPercent"]))
        result = self._success(head, pair.pair, order["_wallet"], params["type"], amount)
        link = f"https://example.org/tx/{result['hash']}"
        order.update(state="done", txPriceUsd=result["priceUsd"], swapHash=result["hash"], swapLink=link)
        if params["type"] == "buy":
            self._make_exits(params, order["id"], pair.pair, order["_wallet"])
        return result

    def _make_exits(self, params: Mapping[str, Any], source_id: str, pair_name: str, wallet: str) -> None:
        pair, price = self._market.pairs[pair_name], self._market.price_usd(pair_name)
        common = {
            "state": "init",
            "enabled": True,
            "chain": params.get("chain"),
            "pair": pair.pair,
            "token": pair.token,
            "walletId": wallet,
            "groupId": None,
            "source": "swap_order",
            "sourceId": source_id,
            "tradeType": "sell",
        }
        for name, kind, direction in (("stopEarn", "take_profit", 1), ("stopLoss", "stop_loss", -1)):
            for group in _groups(params, name):
                trigger = price * (1 + direction * Decimal(str(group.get("pricePercent", 0))))
                id_ = self._id()
                self.limit[id_] = {
                    **common,
                    "id": id_,
                    "triggerPriceUsd": format(trigger, "f"),
                    "triggerDirection": "up" if direction > 0 else "down",
                    "currencyAmountUI": group.get("amountPercent", 1),
                    "_kind": f"swap_{kind}",
                    "_expires": self._now_ms + params.get("pnlOrderExpireDelta", _EXIT_LIFE_MS),
                }
        for group in params.get("trailingStopGroup") or ():
            id_ = self._id()
            self.trailing[id_] = {**common, "id": id_, "_drop": Decimal(str(group.get("pricePercent", 0))), "_peak": price}
        if params.get("migrateSellPercent"):
            id_ = self._id()
            self.migrate[id_] = {**common, "id": id_, "amountPercent": params["migrateSellPercent"]}

    def _watch(self, order: Document) -> Optional[Document]:
        """A limit order or an exit: whether the price has come."""
        if order["state"] != "init" or not order["enabled"]:
            return None
        if self._now_ms >= order.get("_expires", float("inf")):
            order["state"] = "expired"
            return None
        price, trigger = self._market.price_usd(order["pair"]), Decimal(str(order["triggerPriceUsd"]))
        if not (price >= trigger if order["triggerDirection"] == "up" else price <= trigger):
            return None
        order["state"] = "done"
        head = {"id": order["id"], "source": "limit_order", "subSource": order.get("_kind"), "chain": order["chain"]}
        amount = Decimal(str(order.get("currencyAmountUI") or 1))
        return self._success(head, order["pair"], order["walletId"], order["tradeType"], amount)

    def _trail(self, order: Document) -> Optional[Document]:
        if order["state"] != "init":
            return None
        price = self._market.price_usd(order["pair"])
        order["_peak"] = max(order["_peak"], price)
        if price > order["_peak"] * (1 - order["_drop"]):
            return None
        order["state"] = "done"
        head = {"id": order["id"], "source": "trailing_stop_order", "subSource": "swap_trailing_stop", "chain": order["chain"]}
        return self._success(head, order["pair"], order["walletId"], "sell", Decimal(1))

    def _copy(self, task: Document, trade: PairTrade) -> Document:
        """A copy of a target's trade. It fails where the task was told to accept no slippage."""
        direction = "buy" if trade.buy else "sell"
        head = {"id": f"{task['id']}_{self._id()}", "source": "follow_order", "chain": task["chain"]}
        buying = task.get("buySettings") or {}
        if trade.buy and buying.get("maxSlippage") == 0:
            # Failures of copies were seen with "fail" for their type, which hides the direction.
            where = {"wallet": self.wallets[task["walletId"]], "type": "fail", "token": trade.pair.token}
            reason = "simulate:SlippageToleranceExceeded\n"
            return self._failure(head, {**where, "pair": trade.pair.pair, "symbol": trade.pair.symbol}, reason)
        if trade.buy and not any(order["sourceId"] == task["id"] for order in self._exits("follow_order")):
            self._guard_copy(task, trade)
        return self._success(head, trade.pair.pair, task["walletId"], direction, Decimal("0.1"))

    def _guard_copy(self, task: Document, trade: PairTrade) -> None:
        """The take profit task of a copy; out of the market's reach, so that it stays to be seen."""
        id_ = self._id()
        self.limit[id_] = {
            "id": id_,
            "state": "init",
            "enabled": True,
            "chain": task["chain"],
            "pair": trade.pair.pair,
            "token": trade.pair.token,
            "walletId": task["walletId"],
            "groupId": task["groupId"],
            "source": "follow_order",
            "sourceId": task["id"],
            "tradeType": "sell",
            "triggerPriceUsd": format(trade.price_usd * 100, "f"),
            "triggerDirection": "up",
            "currencyAmountUI": 1,
            "_kind": "follow_take_profit",
        }

    # -- results of trades -------------------------------------------------------------------------------------

    def _success(self, head: Document, pair_name: str, wallet: str, direction: str, amount: Decimal) -> Document:
        pair, price = self._market.pairs[pair_name], self._market.price_usd(pair_name)
        # To sell, the amount is a fraction of what the wallet has: here always 1000 tokens.
        tokens = amount * Decimal(str(BASE_USD)) / price if direction == "buy" else amount * 1000
        base = amount if direction == "buy" else tokens * price / Decimal(str(BASE_USD))
        paid = _amount(base, _BASE_DECIMALS, BASE_TOKEN, "Wrapped SOL", BASE_SYMBOL)
        traded = _amount(tokens, _DECIMALS, pair.token, pair.name, pair.symbol)
        return {
            "subSource": None,
            **head,
            "state": "done",
            "block": self._block,
            "hash": transaction_hash(self._rng),
            # In ms and in seconds: both are so in the samples.
            "createAt": self._now_ms,
            "timestamp": self._now_ms // 1000,
            "wallet": self.wallets[wallet],
            "type": direction,
            "token": pair.token,
            "pair": pair.pair,
            "symbol": pair.symbol,
            "send": paid if direction == "buy" else traded,
            "receive": traded if direction == "buy" else paid,
            "priceUsd": float(price),
            "dbotFee": str(int(base * _FEE * 10**_BASE_DECIMALS)),
        }

    def _failure(self, head: Document, where: Document, reason: str) -> Document:
        return {
            "subSource": None,
            **head,
            "state": "fail",
            "block": None,
            "hash": None,
            "createAt": self._now_ms,
            "timestamp": None,
            **where,
            "errorCode": "E_OTHERS",
            "errorMessage": reason,
        }

    # -- checks ------------------------------------------------------------------------------------------------

    def _check_wallet(self, wallet: Any) -> None:
        if not isinstance(wallet, str) or wallet not in self.wallets:
            raise Refused("wallet not found")

    def _check_pair(self, name: Any) -> Any:
        pair = self._market.find(name)
        if pair is None:
            raise Refused("pair not found")
        return pair

    def _id(self) -> str:
        self._count += 1
        return f"local{self._count:06d}"


def _amount(amount: Decimal, decimals: int, contract: str, name: str, symbol: str) -> Document:
    info = {"contract": contract, "name": name, "symbol": symbol, "decimals": decimals, "icon": None, "totalSupply": None}
    return {"info": info, "amount": str(int(amount * 10**decimals))}


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
    """All or none, which no page says."""
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


def _source(params: Document) -> Any:
    source = params.get("source")
    if source not in ("swap_order", "follow_order"):
        raise Refused("source must be swap_order or follow_order")
    return source


def _check_limit(order: Document) -> None:
    if order.get("tradeType") not in ("buy", "sell") or order.get("triggerDirection") not in ("up", "down"):
        raise Refused("tradeType must be buy or sell, triggerDirection up or down")
    if _number(order, "triggerPriceUsd") <= 0 or _number(order, "currencyAmountUI") <= 0:
        raise Refused("triggerPriceUsd and currencyAmountUI must be above 0")


def _groups(params: Mapping[str, Any], name: str) -> Tuple[Document, ...]:
    groups = params.get(f"{name}Group")
    if groups:
        return tuple(groups)
    percent = params.get(f"{name}Percent")
    return () if percent is None else ({"pricePercent": percent, "amountPercent": 1},)


def _number(params: Mapping[str, Any], name: str, default: Any = None) -> float:
    value = params.get(name, default)
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"{name} must be a number") from None
