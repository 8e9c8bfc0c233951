"""Combinations of an order's fields that the venue's pages rule out, found before anything is sent.

Only what is certain for every account: what depends on its settings or on the market, the venue judges. The worst are those
that it would not refuse: an order without the condition, or without the limit, that it was meant to have.

Source: https://bybit-exchange.github.io/docs/v5/order/create-order, amend-order.
"""

import re
from decimal import Decimal
from typing import Any, Iterator, Mapping, Tuple

_NAMES = {"category", "symbol", "orderId", "orderLinkId"}
_PRICED = {"price", "orderIv", "bboSideType", "bboLevel"}
_BEST_PRICE = ("bboSideType", "bboLevel")
_TOLERANCE = ("slippageToleranceType", "slippageTolerance")
_PERCENT = re.compile(r"[0-9]+(\.[0-9]{1,2})?")


def check_new_order(order: Mapping[str, Any], category: str, where: str, has_extra: bool) -> None:
    """Raise ``ValueError`` naming the field. Numbers that are 0 are not in ``order``, but for the required ones."""
    for name, fault in _faults(order, category, has_extra):
        raise ValueError(f"{where}{name} {fault}")


def check_amendment(order: Mapping[str, Any], category: str, where: str, has_extra: bool) -> None:
    """Raise ``ValueError`` if there is nothing to change."""
    if order.keys() <= _NAMES:
        raise ValueError(f"{where}qty, price or something else to change is missing")


def _faults(order: Mapping[str, Any], category: str, has_extra: bool) -> Iterator[Tuple[str, str]]:
    """Yield what is wrong: a field, and what about it."""
    is_limit = order["orderType"] == "Limit"
    if is_limit and order.keys().isdisjoint(_PRICED) and not has_extra:  # which may be a new way to say a price
        yield "price", "is missing: a limit order needs it"
    if is_limit and not has_extra and "price" not in order and "orderIv" not in order:
        for name in _BEST_PRICE:
            if name not in order:  # beside a price one alone may have a meaning: no page says
                yield name, f"is missing: without a price {' and '.join(_BEST_PRICE)} go together"
    if not is_limit and order.get("timeInForce") in ("PostOnly", "RPI"):
        yield "timeInForce", f"{order['timeInForce']} is not for market orders, which are always IOC"
    if not str(order["qty"]).strip("0.") and not (order.get("reduceOnly") and order.get("closeOnTrigger")):
        yield "qty", "must be above 0 (0 closes a whole position, with reduceOnly and closeOnTrigger)"
    exits = [name for name in ("takeProfit", "stopLoss") if name in order]
    if exits and order.get("reduceOnly"):
        yield exits[0], "cannot go with reduceOnly"
    if category == "spot":
        if exits and not is_limit:
            yield exits[0], "is for limit orders only on spot"
        yield from _spot_condition(order)
    elif category in ("linear", "inverse"):
        yield from _contract_condition(order)
    if "tpslMode" in order and not exits:
        yield "tpslMode", "needs takeProfit or stopLoss"
    for exit_ in ("tp", "sl"):
        yield from _limit_exit(order, category, exit_)
    if not order.keys().isdisjoint(_TOLERANCE):
        yield from _tolerance(order, is_limit)


def _spot_condition(order: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    kind = order.get("orderFilter", "Order")
    if kind == "Order" and "triggerPrice" in order:
        # Not refused: the order would trade at once.
        yield "triggerPrice", "needs orderFilter tpslOrder or StopOrder on spot: without it the order is an ordinary one"
    if kind != "Order" and "triggerPrice" not in order:
        yield "triggerPrice", f"is missing: orderFilter {kind} needs it"


def _contract_condition(order: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    if "triggerPrice" in order:
        if "triggerDirection" not in order:
            yield "triggerDirection", "is missing: triggerPrice needs it (1: the market rises to it, 2: it falls to it)"
        return
    for name in ("triggerDirection", "triggerBy"):
        if name in order:
            yield name, "needs triggerPrice: without it the order is an ordinary one"


def _limit_exit(order: Mapping[str, Any], category: str, exit_: str) -> Iterator[Tuple[str, str]]:
    price, kind, whole = f"{exit_}LimitPrice", f"{exit_}OrderType", {"tp": "takeProfit", "sl": "stopLoss"}[exit_]
    if whole not in order:
        for name in (price, kind, f"{exit_}TriggerBy"):
            if name in order:
                yield name, f"needs {whole}"
    is_limit = order.get(kind) == "Limit"
    if is_limit and price not in order:
        yield price, f"is missing: {kind} Limit needs it"
    if category == "spot":
        return
    if is_limit and order.get("tpslMode") != "Partial":
        yield "tpslMode", f"must be Partial for {kind} Limit"
    if price in order and not is_limit:
        yield kind, f"must be Limit for {price}"


def _tolerance(order: Mapping[str, Any], is_limit: bool) -> Iterator[Tuple[str, str]]:
    missing = [name for name in _TOLERANCE if name not in order]
    if missing:
        yield missing[0], f"is missing: {' and '.join(_TOLERANCE)} go together"
        return
    if is_limit:
        yield "slippageTolerance", "is for market orders only"
    if "triggerPrice" in order:
        yield "slippageTolerance", "cannot go with triggerPrice"
    kind, value = order["slippageToleranceType"], str(order["slippageTolerance"])
    if kind == "TickSize" and not (value.isdecimal() and 1 <= Decimal(value) <= 10_000):
        yield "slippageTolerance", f"must be a whole number from 1 to 10000 for TickSize, not {value}"
    if kind == "Percent" and not (_PERCENT.fullmatch(value) and Decimal("0.01") <= Decimal(value) <= 10):
        yield "slippageTolerance", f"must be 0.01 to 10 with 2 decimals at most for Percent, not {value}"
