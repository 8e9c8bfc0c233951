"""The rows of Bybit's private topics, made of the account's orders, executions, positions and coins.

All numbers are plain decimal text and all times inside rows are text; what does not apply is ``""`` or ``"0"``, as
captured rows have it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Callable, Dict, Iterable, List

from dbxsdk.sim.bybit.account import LEVERAGE, ZERO, Account, Position, money, value_of
from dbxsdk.sim.bybit.order import Execution, Order

Row = Dict[str, Any]

Prices = Callable[[str], Decimal]
"""A coin's price in dollars."""

_CENTS = Decimal("0.01")


def text(number: Decimal) -> str:
    """Format plainly, without trailing zeros."""
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("", "-0") else plain


def order_row(order: Order) -> Row:
    contract = order.category in ("linear", "inverse")
    average = order.average_price
    row: Row = {
        "category": order.category,
        "symbol": order.symbol,
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "blockTradeId": "",
        "side": order.side,
        "positionIdx": 0,
        "orderStatus": order.status,
        "cancelType": order.cancel_type,
        "rejectReason": order.reject_reason,
        "timeInForce": order.time_in_force,
        "isLeverage": "0" if order.category == "spot" else "",
        "price": text(order.price),
        "qty": text(order.size),
        "avgPrice": "" if average is None else text(average),
        "leavesQty": "0" if order.in_quote else text(order.left),
        "leavesValue": text(_left_value(order)),
        "cumExecQty": text(order.filled),
        "cumExecValue": text(order.value),
        "cumExecFee": text(sum(order.fees.values(), ZERO)),
        "orderType": order.type,
        "stopOrderType": "",
        "orderIv": "",
        "triggerPrice": "",
        "takeProfit": "",
        "stopLoss": "",
        "triggerBy": "",
        "tpTriggerBy": "",
        "slTriggerBy": "",
        "triggerDirection": 0,
        "placeType": "price" if order.category == "option" else "",
        "lastPriceOnCreated": text(order.last_price),
        "closeOnTrigger": False,
        "reduceOnly": order.reduce_only,
        "smpGroup": 0,
        "smpType": "None",
        "smpOrderId": "",
        "slLimitPrice": "0",
        "tpLimitPrice": "0",
        "tpslMode": "UNKNOWN",
        "marketUnit": order.market_unit,
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "feeCurrency": "",
        "closedPnl": text(order.profit),
        "slippageTolerance": "0",
        "slippageToleranceType": "UNKNOWN",
        "cumFeeDetail": {coin: text(fee) for coin, fee in order.fees.items()},
        "parentOrderLinkId": "",
        "rpiTakerAccess": False,
        "rpiMatchedQty": "0",
    }
    if contract:
        row["createType"] = "CreateByUser"
    return row


def _left_value(order: Order) -> Decimal:
    if order.in_quote:
        return order.size - order.value
    return money(value_of(order.category, order.left, order.price)) if order.left and order.price else ZERO


def execution_row(execution: Execution) -> Row:
    order = execution.order
    row: Row = {
        "category": order.category,
        "symbol": order.symbol,
        "closedSize": "" if order.category == "spot" else text(execution.closed),
        "execFee": text(execution.fee),
        "execId": execution.id,
        "execPrice": text(execution.price),
        "execQty": text(execution.size),
        "execType": "Trade",
        "execValue": text(execution.value),
        "feeRate": text(execution.fee_rate),
        "tradeIv": "",
        "markIv": "",
        "blockTradeId": "",
        "markPrice": "" if order.category == "spot" else text(execution.mark_price),
        "indexPrice": "",
        "underlyingPrice": "",
        "leavesQty": text(execution.left),
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "orderPrice": text(order.price),
        "orderQty": text(order.size),
        "orderType": order.type,
        "stopOrderType": "UNKNOWN",
        "side": order.side,
        "execTime": str(execution.time_ms),
        "isLeverage": "0",
        "isMaker": execution.maker,
        "seq": execution.sequence,
        "marketUnit": order.market_unit,
        "execPnl": text(execution.profit),
        "extraFees": "",
        "feeCurrency": execution.fee_coin,
    }
    if order.category in ("linear", "inverse"):
        row["createType"] = "CreateByUser"
    return row


def fast_execution_row(execution: Execution) -> Row:
    order = execution.order
    return {
        "category": order.category,
        "symbol": order.symbol,
        "execId": execution.id,
        "execPrice": text(execution.price),
        "execQty": text(execution.size),
        "orderId": order.id,
        "isMaker": execution.maker,
        "orderLinkId": "" if execution.maker else order.link_id,
        "side": order.side,
        "execTime": str(execution.time_ms),
        "seq": execution.sequence,
    }


def position_row(position: Position, mark_price: Decimal) -> Row:
    size = abs(position.size)
    margin, cost = text(position.margin), text(money(position.cost))
    return {
        "positionIdx": 0,
        "tradeMode": 0,
        "riskId": 1,
        "riskLimitValue": "2000000",
        "symbol": position.symbol,
        "side": "" if not size else "Buy" if position.size > 0 else "Sell",
        "size": text(size),
        "entryPrice": text(position.entry_price),
        "sessionAvgPrice": "",
        "leverage": str(LEVERAGE),
        "breakEvenPrice": text(position.entry_price),
        "positionValue": cost,
        "positionBalance": "0",
        "markPrice": text(mark_price),
        "positionIM": margin,
        "positionMM": "0",
        "positionIMByMp": margin,
        "positionMMByMp": "0",
        "takeProfit": "0",
        "stopLoss": "0",
        "trailingStop": "0",
        "unrealisedPnl": text(position.unrealised(mark_price)),
        "cumRealisedPnl": text(position.realised),
        "curRealisedPnl": text(position.realised_now),
        "createdTime": str(position.created_ms),
        "updatedTime": str(position.updated_ms),
        "openTime": position.opened_ms,
        "tpslMode": "Full",
        "liqPrice": "",
        "bustPrice": "",
        "category": position.category,
        "positionStatus": "Normal",
        "adlRankIndicator": 0,
        "autoAddMargin": 0,
        "leverageSysUpdatedTime": "",
        "mmrSysUpdatedTime": "",
        "seq": position.sequence,
        "isReduceOnly": False,
    }


def wallet_row(account: Account, coins: Iterable[str], price: Prices, mark: Callable[[Position], Decimal]) -> Row:
    """Return the account, with only the coins that changed."""
    unrealised: Dict[str, Decimal] = {}
    for position in account.positions.values():
        gain = ZERO if position.category == "option" else position.unrealised(mark(position))
        unrealised[position.coin] = unrealised.get(position.coin, ZERO) + gain
    rows = [_coin_row(account, coin, price, unrealised.get(coin, ZERO)) for coin in coins]

    def dollars(amount: Callable[[str], Decimal]) -> Decimal:
        return sum((amount(coin) * price(coin) for coin in account.balances), ZERO).quantize(_CENTS)

    balance = dollars(account.balance)
    profit = dollars(lambda coin: unrealised.get(coin, ZERO))
    margin = dollars(lambda coin: account.order_margin(coin) + account.position_margin(coin))
    equity = balance + profit
    rate = text((margin / equity).quantize(Decimal("0.0001"))) if equity > 0 else "0"
    return {
        "accountIMRate": rate,
        "accountIMRateByMp": rate,
        "accountMMRate": "0",
        "accountMMRateByMp": "0",
        "totalEquity": text(equity),
        "totalWalletBalance": text(balance),
        "totalMarginBalance": text(equity),
        "totalAvailableBalance": text(dollars(account.available)),
        "totalPerpUPL": text(profit),
        "totalInitialMargin": text(margin),
        "totalInitialMarginByMp": text(margin),
        "totalMaintenanceMargin": "0",
        "totalMaintenanceMarginByMp": "0",
        "coin": rows,
        "accountLTV": "0",
        "accountType": "UNIFIED",
    }


def _coin_row(account: Account, coin: str, price: Prices, unrealised: Decimal) -> Row:
    equity = account.balance(coin) + unrealised
    return {
        "coin": coin,
        "equity": text(equity),
        "usdValue": text((equity * price(coin)).quantize(_CENTS)),
        "walletBalance": text(account.balance(coin)),
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": text(account.order_margin(coin)),
        "totalPositionIM": text(account.position_margin(coin)),
        "totalPositionMM": "0",
        "unrealisedPnl": text(unrealised),
        "cumRealisedPnl": text(account.realised.get(coin, ZERO)),
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
        "locked": text(account.locked(coin)),
        "spotHedgingQty": "0",
        "spotBorrow": "0",
    }


def greeks_rows(account: Account, bases: Iterable[str]) -> List[Row]:
    """Return crude figures, with every option at the money: tests need only that they follow the positions."""
    rows = []
    for base in bases:
        size = delta = ZERO
        for position in account.positions.values():
            if position.category == "option" and position.symbol.partition("-")[0] == base:
                size += position.size
                delta += position.size if is_call(position.symbol) else -position.size
        rows.append(
            {
                "baseCoin": base,
                "totalDelta": text(delta / 2),
                "totalGamma": text(size * Decimal("0.00002")),
                "totalVega": text(size * 40),
                "totalTheta": text(size * -25),
            }
        )
    return rows


def is_call(symbol: str) -> bool:
    """True if an option's symbol (``BTC-31DEC27-70000-C-USDT``) is a call's."""
    return "C" in symbol.split("-")[3:4]
