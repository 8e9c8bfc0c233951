"""Carries out one account's tasks at the local DBot venue, and returns what came of them as results of trades.

The venue's pages say what is asked and seldom what is answered: what is assumed here has a comment.
"""

from __future__ import annotations

import collections
import random
from decimal import Decimal
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.sim.dbot.market import BASE_SYMBOL, BASE_TOKEN, BASE_USD, DBotMarket, Pair, PairTrade, address, transaction_hash

Document = Dict[str, Any]

_DECIMALS = 6
_BASE_DECIMALS = 9
_FEE = Decimal("0.005")
_EXIT_LIFE_MS = 43_200_000
_RESULTS_KEPT = 10_000
_SLIPPAGE = "simulate:SlippageToleranceExceeded\n"


class Refused(Exception):
    """The method's answer is ``err: true``, with this text as ``res``: an assumption, no page shows one."""


class Execution:
    """Tasks by kind and id, and ``advance``, which carries them out. Methods of the socket put them there."""

    def __init__(self, market: DBotMarket, seed: int, wallets: Iterable[str]) -> None:
        self._market = market
        self._rng = random.Random(f"dbot-tasks:{seed}")
        self._count = 0
        self._now_ms = 0
        self.made_ms: Callable[[], int] = lambda: self._now_ms
        """The time that new tasks show as theirs."""
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
        self.results: Deque[Document] = collections.deque(maxlen=_RESULTS_KEPT)
        """The results of trades, oldest first."""

    def advance(self, now_ms: int, trades: List[PairTrade]) -> List[Document]:
        """Carry the tasks on by one step, given the market's ``trades``. Return the results of trades."""
        self._now_ms = now_ms
        self._block += 1
        # Exits and limits first: what a swap of this step makes is looked at in the next one.
        steps: Tuple[Tuple[Callable[[Document], Optional[Document]], Dict[str, Document]], ...] = (
            (self._watch, self.limit),
            (self._trail, self.trailing),
            (self._carry_swap, self.swap),
            (self._snipe, self.snipe),
        )
        results = [result for step, tasks in steps for task in list(tasks.values()) if (result := step(task)) is not None]
        for trade in trades:
            for task in list(self.follow.values()):
                if task["enabled"] and trade.wallet in task["targetIds"]:
                    results.append(self._copy(task, trade))
        self.results.extend(results)
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
        if pair is None or read_number(params, "maxSlippage", 0.1) == 0:
            reason = "simulate:AccountNotFound\n" if pair is None else _SLIPPAGE
            order.update(state="fail", errorCode="E_OTHERS", errorMessage=reason)
            return self._failure(head, order["_wallet"], params["type"], pair, params.get("pair"), reason)
        amount = Decimal(str(params["amountOrPercent"]))
        result = self._success(head, pair.pair, order["_wallet"], params["type"], amount)
        link = f"https://example.org/tx/{result['hash']}"
        order.update(state="done", txPriceUsd=result["priceUsd"], swapHash=result["hash"], swapLink=link)
        order.update(_send=result["send"], _receive=result["receive"], _timestamp=result["timestamp"])
        if params["type"] == "buy":
            self._make_exits(params, order["id"], pair.pair, order["_wallet"])
        return result

    def _make_exits(self, params: Document, source_id: str, pair_name: str, wallet: str) -> None:
        pair, price = self._market.pairs[pair_name], self._market.price_usd(pair_name)
        source = {**self._sale(pair, params.get("chain"), wallet), "source": "swap_order", "sourceId": source_id}
        for name, kind, direction in (("stopEarn", "take_profit", 1), ("stopLoss", "stop_loss", -1)):
            for group in _groups(params, name):
                trigger = price * (1 + direction * Decimal(str(group.get("pricePercent", 0))))
                self._add(
                    self.limit,
                    source,
                    triggerPriceUsd=format(trigger, "f"),
                    triggerDirection="up" if direction > 0 else "down",
                    currencyAmountUI=group.get("amountPercent", 1),
                    _kind=f"swap_{kind}",
                    _expires=self._now_ms + params.get("pnlOrderExpireDelta", _EXIT_LIFE_MS),
                )
        for group in params.get("trailingStopGroup") or ():
            self._add(self.trailing, source, _drop=Decimal(str(group.get("pricePercent", 0))), _peak=price)
        if params.get("migrateSellPercent"):
            self._add(self.migrate, source, amountPercent=params["migrateSellPercent"])
        if params.get("devSellPercent"):
            least = params.get("minDevSellPercent", 0.5)
            self._add(self.dev, source, minDevSellPercent=least, amountOrPercent=params["devSellPercent"])

    def _sale(self, pair: Pair, chain: Any, wallet: str) -> Document:
        """Return what all exits have in common."""
        return {
            "state": "init",
            "enabled": True,
            "chain": chain,
            "pair": pair.pair,
            "token": pair.token,
            "walletId": wallet,
            "groupId": None,
            "tradeType": "sell",
        }

    def _add(self, tasks: Dict[str, Document], document: Document, **more: Any) -> str:
        """Add a task under an id of its own, which is returned."""
        id_ = self._id()
        # The state of a fast trade does not show when it was made; its record does.
        made = {"_createAt" if tasks is self.swap else "createAt": self.made_ms()}
        tasks[id_] = {**made, **document, **more, "id": id_}
        return id_

    def _id(self) -> str:
        self._count += 1
        return f"local{self._count:06d}"

    def _watch(self, order: Document) -> Optional[Document]:
        """True if the price of a limit order or an exit has come."""
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

    def _snipe(self, order: Document) -> Optional[Document]:
        """Buy a sniper's token if the market has it. How the result is named is an assumption: in a sample it begins with
        the task's id, and ``snipe_order`` is a documented source."""
        if order["buyState"] != "init" or not order["enabled"]:
            return None
        pair = self._market.find(order.get("token"))
        if pair is None or self._now_ms >= order["expireAt"]:
            order["buyState"] = "init" if self._now_ms < order["expireAt"] else "expired"
            return None
        head = {"id": f"{order['id']}_buy", "source": "snipe_order", "chain": order.get("chain")}
        settings = order["buySettings"]
        if settings.get("maxSlippage") == 0:
            order.update(buyState="fail", buyErrorCode="E_OTHERS", buyErrorMessage=_SLIPPAGE)
            return self._failure(head, order["walletId"], "buy", pair, pair.pair, _SLIPPAGE)
        order["buyState"] = "done"
        return self._success(head, pair.pair, order["walletId"], "buy", Decimal(str(read_number(settings, "buyAmountUI", 0.1))))

    def _copy(self, task: Document, trade: PairTrade) -> Document:
        """Copy a target's trade. The copy fails if the task accepts no slippage."""
        direction = "buy" if trade.buy else "sell"
        head = {"id": f"{task['id']}_{self._id()}", "source": "follow_order", "chain": task["chain"]}
        buying = task.get("buySettings") or {}
        if trade.buy and buying.get("maxSlippage") == 0:
            # Failures of copies were seen with "fail" for their type, which hides the direction.
            return self._failure(head, task["walletId"], "fail", trade.pair, trade.pair.pair, _SLIPPAGE)
        if trade.buy and not any(order["sourceId"] == task["id"] for order in self._exits("follow_order")):
            self._guard_copy(task, trade)
        return self._success(head, trade.pair.pair, task["walletId"], direction, Decimal("0.1"))

    def _guard_copy(self, task: Document, trade: PairTrade) -> None:
        """Make the take profit task of a copy, out of the market's reach, so that it stays visible."""
        self._add(
            self.limit,
            self._sale(trade.pair, task["chain"], task["walletId"]),
            groupId=task["groupId"],
            source="follow_order",
            sourceId=task["id"],
            triggerPriceUsd=format(trade.price_usd * 100, "f"),
            triggerDirection="up",
            currencyAmountUI=1,
            _kind="follow_take_profit",
        )

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

    def _failure(
        self, head: Document, wallet: str, type_: str, pair: Optional[Pair], asked: Any, reason: str
    ) -> Document:
        """Return the result of a trade that was not made; ``asked`` is the pair as it was named."""
        return {
            "subSource": None,
            **head,
            "state": "fail",
            "block": None,
            "hash": None,
            "createAt": self._now_ms,
            "timestamp": None,
            "wallet": self.wallets[wallet],
            "type": type_,
            "token": pair.token if pair else asked,
            "pair": asked,
            "symbol": pair.symbol if pair else None,
            "errorCode": "E_OTHERS",
            "errorMessage": reason,
        }

    def _exits(self, source: str) -> List[Document]:
        return [order for order in self.limit.values() if order["source"] == source]


def _amount(amount: Decimal, decimals: int, contract: str, name: str, symbol: str) -> Document:
    info = {"contract": contract, "name": name, "symbol": symbol, "decimals": decimals, "icon": None, "totalSupply": None}
    return {"info": info, "amount": str(int(amount * 10**decimals))}


def _groups(params: Mapping[str, Any], name: str) -> Tuple[Document, ...]:
    groups = params.get(f"{name}Group")
    if groups:
        return tuple(groups)
    percent = params.get(f"{name}Percent")
    return () if percent is None else ({"pricePercent": percent, "amountPercent": 1},)


def read_number(params: Mapping[str, Any], name: str, default: Any = None) -> float:
    value = params.get(name, default)
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise Refused(f"{name} must be a number") from None
