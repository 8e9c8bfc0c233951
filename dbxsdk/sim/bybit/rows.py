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

# -- what is the same in every row --------------------------------------------------------------------------------------


def _same(value: str, names: str) -> Row:
    return dict.fromkeys(names.split(), value)


_ORDER: Row = {
    **_same("", "blockTradeId stopOrderType orderIv triggerPrice takeProfit stopLoss triggerBy tpTriggerBy slTriggerBy"),
    **_same("", "smpOrderId feeCurrency"),
    **_same("0", "slLimitPrice tpLimitPrice slippageTolerance rpiMatchedQty"),
    **_same("UNKNOWN", "tpslMode slippageToleranceType"),
    "triggerDirection": 0,
    "smpGroup": 0,
    "smpType": "None",
    "rpiTakerAccess": False,
}
_EXECUTION: Row = {
    **_same("", "tradeIv markIv blockTradeId indexPrice underlyingPrice extraFees"),
    "execType": "Trade",
    "isLeverage": "0",
}
_POSITION: Row = {
    **_same("", "sessionAvgPrice liqPrice bustPrice leverageSysUpdatedTime mmrSysUpdatedTime"),
    **_same("0", "positionBalance positionMM positionMMByMp trailingStop"),
    "tradeMode": 0,
    "riskId": 1,
    "riskLimitValue": "2000000",
    "leverage": str(LEVERAGE),
    "tpslMode": "Full",
    "positionStatus": "Normal",
    "adlRankIndicator": 0,
    "autoAddMargin": 0,
    "isReduceOnly": False,
}
_WALLET: Row = {
    **_same("0", "accountMMRate accountMMRateByMp totalMaintenanceMargin totalMaintenanceMarginByMp accountLTV"),
    "accountType": "UNIFIED",
}
_COIN: Row = {
    **_same("", "availableToWithdraw availableToBorrow"),
    **_same("0", "borrowAmount accruedInterest totalPositionMM bonus spotHedgingQty spotBorrow"),
    "collateralSwitch": True,
    "marginCollateral": True,
}

# -- the rows -----------------------------------------------------------------------------------------------------------


def text(number: Decimal) -> str:
    """Format plainly, without trailing zeros."""
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain in ("", "-0") else plain


def order_row(order: Order) -> Row:
    average = order.average_price
    return {
        **_ORDER,
        **_head(order),
        **_condition(order),
        "positionIdx": order.position_index,
        "closeOnTrigger": order.close_on_trigger,
        "parentOrderLinkId": order.parent_link_id,
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
        "placeType": "price" if order.category == "option" else "",
        "lastPriceOnCreated": text(order.last_price),
        "reduceOnly": order.reduce_only,
        "marketUnit": order.market_unit,
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "closedPnl": text(order.profit),
        "cumFeeDetail": {coin: text(fee) for coin, fee in order.fees.items()},
        **_made_by(order),
    }


def _head(order: Order) -> Row:
    return {
        "category": order.category,
        "symbol": order.symbol,
        "orderId": order.id,
        "orderLinkId": order.link_id,
        "side": order.side,
    }


def _made_by(order: Order) -> Row:
    return {"createType": order.create_type} if order.category in ("linear", "inverse") else {}


def _condition(order: Order) -> Row:
    row: Row = {}
    if order.trigger is not None:
        trigger = order.trigger
        row = {"stopOrderType": trigger.kind, "triggerPrice": text(trigger.price), "triggerBy": trigger.by}
        row["triggerDirection"] = 1 if trigger.rising else 2
    if order.exits:
        row["tpslMode"] = "" if order.category == "option" else "Partial" if order.exits.partial else "Full"
        for name, short, found in (("takeProfit", "tp", order.exits.take_profit), ("stopLoss", "sl", order.exits.stop_loss)):
            if found is not None:
                row.update({name: text(found.price), f"{short}TriggerBy": found.by})
                row[f"{short}LimitPrice"] = "0" if found.limit is None else text(found.limit)
    return row


def _left_value(order: Order) -> Decimal:
    if order.in_quote:
        return order.size - order.value
    return money(value_of(order.category, order.left, order.price)) if order.left and order.price else ZERO


def execution_row(execution: Execution) -> Row:
    order = execution.order
    return {
        **_EXECUTION,
        **fast_execution_row(execution),
        "orderLinkId": order.link_id,
        "stopOrderType": "UNKNOWN" if order.trigger is None else order.trigger.kind,
        "closedSize": "" if order.category == "spot" else text(execution.closed),
        "execFee": text(execution.fee),
        "execValue": text(execution.value),
        "feeRate": text(execution.fee_rate),
        "markPrice": "" if order.category == "spot" else text(execution.mark_price),
        "leavesQty": text(execution.left),
        "orderPrice": text(order.price),
        "orderQty": text(order.size),
        "orderType": order.type,
        "marketUnit": order.market_unit,
        "execPnl": text(execution.profit),
        "feeCurrency": execution.fee_coin,
        **_made_by(order),
    }


def fast_execution_row(execution: Execution) -> Row:
    order = execution.order
    return {
        **_head(order),
        "orderLinkId": "" if execution.maker else order.link_id,
        "execId": execution.id,
        "execPrice": text(execution.price),
        "execQty": text(execution.size),
        "isMaker": execution.maker,
        "execTime": str(execution.time_ms),
        "seq": execution.sequence,
    }


def position_row(position: Position, mark_price: Decimal) -> Row:
    size, margin, entry = abs(position.size), text(position.margin), text(position.entry_price)
    return {
        **_POSITION,
        "category": position.category,
        "symbol": position.symbol,
        "side": "" if not size else "Buy" if position.size > 0 else "Sell",
        "size": text(size),
        "positionIdx": position.index,
        "takeProfit": text(position.take_profit),
        "stopLoss": text(position.stop_loss),
        "entryPrice": entry,
        "breakEvenPrice": entry,
        "positionValue": text(money(position.cost)),
        "markPrice": text(mark_price),
        "positionIM": margin,
        "positionIMByMp": margin,
        "unrealisedPnl": text(position.unrealised(mark_price)),
        "cumRealisedPnl": text(position.realised),
        "curRealisedPnl": text(position.realised_now),
        "createdTime": str(position.created_ms),
        "updatedTime": str(position.updated_ms),
        "openTime": position.opened_ms,
        "seq": position.sequence,
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
        **_WALLET,
        "accountIMRate": rate,
        "accountIMRateByMp": rate,
        "totalEquity": text(equity),
        "totalWalletBalance": text(balance),
        "totalMarginBalance": text(equity),
        "totalAvailableBalance": text(dollars(account.available)),
        "totalPerpUPL": text(profit),
        "totalInitialMargin": text(margin),
        "totalInitialMarginByMp": text(margin),
        "coin": rows,
    }


def _coin_row(account: Account, coin: str, price: Prices, unrealised: Decimal) -> Row:
    equity = account.balance(coin) + unrealised
    return {
        **_COIN,
        "coin": coin,
        "equity": text(equity),
        "usdValue": text((equity * price(coin)).quantize(_CENTS)),
        "walletBalance": text(account.balance(coin)),
        "totalOrderIM": text(account.order_margin(coin)),
        "totalPositionIM": text(account.position_margin(coin)),
        "unrealisedPnl": text(unrealised),
        "cumRealisedPnl": text(account.realised.get(coin, ZERO)),
        "locked": text(account.locked(coin)),
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
