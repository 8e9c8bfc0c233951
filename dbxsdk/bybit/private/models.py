"""The models of Bybit's private topics, as frozen values.

Names, times, numbers and absent values are as in ``bybit.public.models``. Every update is a tuple: a frame may have several
of them.

Pages named below are those of https://bybit-exchange.github.io/docs/v5/.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Mapping, Optional, Tuple

import attrs

from dbxsdk.fields import boolean, decimal, each, integer, reader, text, wire

OPEN = frozenset(("New", "PartiallyFilled", "Untriggered", "Triggered"))
"""The ``order_status`` of orders that have not ended."""


def _amounts(value: Any) -> Mapping[str, Decimal]:
    if not isinstance(value, dict):
        raise TypeError(f"{type(value).__name__} is not an object of amounts")
    return {text(coin): decimal(amount) for coin, amount in value.items() if amount != ""}


@attrs.frozen(kw_only=True)
class Position:
    """``position``: one position, after an order was made, amended or cancelled (even if nothing changed), or a fill.

    In hedge mode a flat position has no side: ``position_idx`` says which of the two it is.

    Attributes:
        category: ``"linear"``, ``"inverse"`` or ``"option"``.
        side: ``"Buy"``, ``"Sell"``, or ``""`` if the position is flat (``"None"`` on old accounts).
        position_idx: 0 one-way mode, 1 the buy side of hedge mode, 2 its sell side.
        size: in contracts or base coin, never negative.
        leverage: None in portfolio margin.
        position_status: ``"Normal"``, ``"Liq"`` (being liquidated) or ``"Adl"``.
        adl_rank_indicator: 0 to 5.
        seq: cross sequence; -1 if it was never traded.
        open_time: when the position was opened; created_time is when there first was one in this symbol.
        delta, gamma, vega, theta: options only.

    Source: websocket/private/position.
    """

    category: str = wire("category", text)
    symbol: str = wire("symbol", text)
    side: str = wire("side", text)
    size: Decimal = wire("size", decimal)
    position_idx: int = wire("positionIdx", integer)
    position_value: Optional[Decimal] = wire("positionValue", decimal, default=None)
    entry_price: Optional[Decimal] = wire("entryPrice", decimal, default=None)
    break_even_price: Optional[Decimal] = wire("breakEvenPrice", decimal, default=None)
    mark_price: Optional[Decimal] = wire("markPrice", decimal, default=None)
    liq_price: Optional[Decimal] = wire("liqPrice", decimal, default=None)
    leverage: Optional[Decimal] = wire("leverage", decimal, default=None)
    auto_add_margin: Optional[int] = wire("autoAddMargin", integer, default=None)
    risk_id: Optional[int] = wire("riskId", integer, default=None)
    risk_limit_value: Optional[Decimal] = wire("riskLimitValue", decimal, default=None)
    position_im: Optional[Decimal] = wire("positionIM", decimal, default=None)
    position_mm: Optional[Decimal] = wire("positionMM", decimal, default=None)
    position_im_by_mp: Optional[Decimal] = wire("positionIMByMp", decimal, default=None)
    position_mm_by_mp: Optional[Decimal] = wire("positionMMByMp", decimal, default=None)
    take_profit: Optional[Decimal] = wire("takeProfit", decimal, default=None)
    stop_loss: Optional[Decimal] = wire("stopLoss", decimal, default=None)
    trailing_stop: Optional[Decimal] = wire("trailingStop", decimal, default=None)
    session_avg_price: Optional[Decimal] = wire("sessionAvgPrice", decimal, default=None)
    unrealised_pnl: Optional[Decimal] = wire("unrealisedPnl", decimal, default=None)
    cur_realised_pnl: Optional[Decimal] = wire("curRealisedPnl", decimal, default=None)
    cum_realised_pnl: Optional[Decimal] = wire("cumRealisedPnl", decimal, default=None)
    delta: Optional[Decimal] = wire("delta", decimal, default=None)
    gamma: Optional[Decimal] = wire("gamma", decimal, default=None)
    vega: Optional[Decimal] = wire("vega", decimal, default=None)
    theta: Optional[Decimal] = wire("theta", decimal, default=None)
    position_status: Optional[str] = wire("positionStatus", text, default=None)
    adl_rank_indicator: Optional[int] = wire("adlRankIndicator", integer, default=None)
    is_reduce_only: Optional[bool] = wire("isReduceOnly", boolean, default=None)
    seq: Optional[int] = wire("seq", integer, default=None)
    open_time: Optional[int] = wire("openTime", integer, default=None)
    created_time: Optional[int] = wire("createdTime", integer, default=None)
    updated_time: Optional[int] = wire("updatedTime", integer, default=None)
    mmr_sys_updated_time: Optional[int] = wire("mmrSysUpdatedTime", integer, default=None)
    leverage_sys_updated_time: Optional[int] = wire("leverageSysUpdatedTime", integer, default=None)


@attrs.frozen(kw_only=True)
class ExtraFee:
    """One tax or charge on top of an execution's fee, in some jurisdictions. ``fee_rate`` is a fraction of 1."""

    fee_coin: Optional[str] = wire("feeCoin", text, default=None)
    fee_type: Optional[str] = wire("feeType", text, default=None)
    sub_fee_type: Optional[str] = wire("subFeeType", text, default=None)
    fee_rate: Optional[Decimal] = wire("feeRate", decimal, default=None)
    fee: Optional[Decimal] = wire("fee", decimal, default=None)


@attrs.frozen(kw_only=True)
class Execution:
    """``execution``: one fill, or another event that changes a position. The same one may come twice: compare ``exec_id``.

    Attributes:
        category: ``"spot"``, ``"linear"``, ``"inverse"`` or ``"option"``.
        exec_type: ``"Trade"``, ``"AdlTrade"``, ``"Funding"``, ``"BustTrade"``, ``"Delivery"``, ``"Settle"``,
            ``"BlockTrade"``, ``"MovePosition"``, ``"FutureSpread"`` ...
        exec_price, exec_qty, exec_value: as filled; ``exec_value`` in the quote coin (inverse: the base coin).
        exec_fee: in ``fee_currency``; negative is a rebate. ``fee_rate`` is a fraction of 1.
        exec_time: when it was filled.
        order_link_id: the caller's own id of the order, or ``""``.
        leaves_qty: what is left of the order.
        is_leverage: ``"1"`` for margin trading on spot, ``"0"``, or ``""``.
        trade_iv, mark_iv, index_price, underlying_price: options only.
        seq: cross sequence; fills of one moment share it.

    Source: websocket/private/execution.
    """

    category: str = wire("category", text)
    symbol: str = wire("symbol", text)
    side: str = wire("side", text)
    order_id: str = wire("orderId", text)
    order_link_id: str = wire("orderLinkId", text, default="")
    exec_id: str = wire("execId", text)
    exec_type: Optional[str] = wire("execType", text, default=None)
    exec_price: Decimal = wire("execPrice", decimal)
    exec_qty: Decimal = wire("execQty", decimal)
    exec_value: Optional[Decimal] = wire("execValue", decimal, default=None)
    exec_fee: Optional[Decimal] = wire("execFee", decimal, default=None)
    exec_pnl: Optional[Decimal] = wire("execPnl", decimal, default=None)
    exec_time: int = wire("execTime", integer)
    is_maker: Optional[bool] = wire("isMaker", boolean, default=None)
    fee_rate: Optional[Decimal] = wire("feeRate", decimal, default=None)
    fee_currency: Optional[str] = wire("feeCurrency", text, default=None)
    extra_fees: Tuple[ExtraFee, ...] = wire("extraFees", each(reader(ExtraFee)), default=())
    order_price: Optional[Decimal] = wire("orderPrice", decimal, default=None)
    order_qty: Optional[Decimal] = wire("orderQty", decimal, default=None)
    leaves_qty: Optional[Decimal] = wire("leavesQty", decimal, default=None)
    closed_size: Optional[Decimal] = wire("closedSize", decimal, default=None)
    order_type: Optional[str] = wire("orderType", text, default=None)
    stop_order_type: Optional[str] = wire("stopOrderType", text, default=None)
    create_type: Optional[str] = wire("createType", text, default=None)
    is_leverage: Optional[str] = wire("isLeverage", text, default=None)
    market_unit: Optional[str] = wire("marketUnit", text, default=None)
    mark_price: Optional[Decimal] = wire("markPrice", decimal, default=None)
    index_price: Optional[Decimal] = wire("indexPrice", decimal, default=None)
    underlying_price: Optional[Decimal] = wire("underlyingPrice", decimal, default=None)
    trade_iv: Optional[Decimal] = wire("tradeIv", decimal, default=None)
    mark_iv: Optional[Decimal] = wire("markIv", decimal, default=None)
    block_trade_id: Optional[str] = wire("blockTradeId", text, default=None)
    seq: Optional[int] = wire("seq", integer, default=None)


@attrs.frozen(kw_only=True)
class FastExecution:
    """``execution.fast``: one fill, sooner and with less than ``execution``: fills of the type ``"Trade"`` only, no fee.

    Attributes:
        order_link_id: ``""`` for fills as a maker, also if an amended order became the taker.

    Source: websocket/private/fast-execution.
    """

    category: str = wire("category", text)
    symbol: str = wire("symbol", text)
    side: str = wire("side", text)
    order_id: str = wire("orderId", text)
    order_link_id: str = wire("orderLinkId", text, default="")
    exec_id: str = wire("execId", text)
    exec_price: Decimal = wire("execPrice", decimal)
    exec_qty: Decimal = wire("execQty", decimal)
    exec_time: int = wire("execTime", integer)
    is_maker: Optional[bool] = wire("isMaker", boolean, default=None)
    seq: Optional[int] = wire("seq", integer, default=None)


@attrs.frozen(kw_only=True)
class Order:
    """``order``: one order's state. If a cancel and a fill cross, ``"Filled"`` may come twice: compare ``order_id`` and
    ``updated_time``.

    Attributes:
        category: ``"spot"``, ``"linear"``, ``"inverse"`` or ``"option"``.
        order_link_id: the caller's own id, or ``""``.
        order_status: ``"New"``, ``"PartiallyFilled"``, ``"Untriggered"``, ``"Triggered"``; ended: ``"Filled"``,
            ``"Cancelled"`` (on contracts it may have fills), ``"Rejected"``, ``"Deactivated"``,
            ``"PartiallyFilledCanceled"`` (spot only; also the end of a market buy by amount that spent all).
        reject_reason: ``"EC_NoError"`` ...; also says why an order was cancelled.
        price: None for market orders of some categories, 0 in others.
        avg_price: None if nothing was filled.
        position_idx: 0 one-way mode, 1 the buy side of hedge mode, 2 its sell side.
        trigger_direction: 1 rising to the trigger price, 2 falling, 0 none.
        cum_fee_detail: the fees so far, by coin.
        is_leverage: ``"1"`` for margin trading on spot, ``"0"``, or ``""``.

    Source: websocket/private/order.
    """

    category: str = wire("category", text)
    symbol: str = wire("symbol", text)
    order_id: str = wire("orderId", text)
    order_link_id: str = wire("orderLinkId", text, default="")
    parent_order_link_id: Optional[str] = wire("parentOrderLinkId", text, default=None)
    side: str = wire("side", text)
    order_type: Optional[str] = wire("orderType", text, default=None)
    order_status: str = wire("orderStatus", text)
    price: Optional[Decimal] = wire("price", decimal, default=None)
    qty: Decimal = wire("qty", decimal)
    avg_price: Optional[Decimal] = wire("avgPrice", decimal, default=None)
    leaves_qty: Optional[Decimal] = wire("leavesQty", decimal, default=None)
    leaves_value: Optional[Decimal] = wire("leavesValue", decimal, default=None)
    cum_exec_qty: Optional[Decimal] = wire("cumExecQty", decimal, default=None)
    cum_exec_value: Optional[Decimal] = wire("cumExecValue", decimal, default=None)
    cum_exec_fee: Optional[Decimal] = wire("cumExecFee", decimal, default=None)
    # A dict has no hash; the model is to have one.
    cum_fee_detail: Optional[Mapping[str, Decimal]] = wire("cumFeeDetail", _amounts, default=None, hash=False)
    closed_pnl: Optional[Decimal] = wire("closedPnl", decimal, default=None)
    time_in_force: Optional[str] = wire("timeInForce", text, default=None)
    position_idx: Optional[int] = wire("positionIdx", integer, default=None)
    reduce_only: Optional[bool] = wire("reduceOnly", boolean, default=None)
    close_on_trigger: Optional[bool] = wire("closeOnTrigger", boolean, default=None)
    create_type: Optional[str] = wire("createType", text, default=None)
    cancel_type: Optional[str] = wire("cancelType", text, default=None)
    reject_reason: Optional[str] = wire("rejectReason", text, default=None)
    stop_order_type: Optional[str] = wire("stopOrderType", text, default=None)
    oco_trigger_by: Optional[str] = wire("ocoTriggerBy", text, default=None)
    trigger_price: Optional[Decimal] = wire("triggerPrice", decimal, default=None)
    trigger_direction: Optional[int] = wire("triggerDirection", integer, default=None)
    trigger_by: Optional[str] = wire("triggerBy", text, default=None)
    take_profit: Optional[Decimal] = wire("takeProfit", decimal, default=None)
    stop_loss: Optional[Decimal] = wire("stopLoss", decimal, default=None)
    tpsl_mode: Optional[str] = wire("tpslMode", text, default=None)
    tp_limit_price: Optional[Decimal] = wire("tpLimitPrice", decimal, default=None)
    sl_limit_price: Optional[Decimal] = wire("slLimitPrice", decimal, default=None)
    tp_trigger_by: Optional[str] = wire("tpTriggerBy", text, default=None)
    sl_trigger_by: Optional[str] = wire("slTriggerBy", text, default=None)
    order_iv: Optional[Decimal] = wire("orderIv", decimal, default=None)
    market_unit: Optional[str] = wire("marketUnit", text, default=None)
    slippage_tolerance_type: Optional[str] = wire("slippageToleranceType", text, default=None)
    slippage_tolerance: Optional[Decimal] = wire("slippageTolerance", decimal, default=None)
    last_price_on_created: Optional[Decimal] = wire("lastPriceOnCreated", decimal, default=None)
    broker_order_price: Optional[Decimal] = wire("brokerOrderPrice", decimal, default=None)
    place_type: Optional[str] = wire("placeType", text, default=None)
    is_leverage: Optional[str] = wire("isLeverage", text, default=None)
    fee_currency: Optional[str] = wire("feeCurrency", text, default=None)
    block_trade_id: Optional[str] = wire("blockTradeId", text, default=None)
    smp_type: Optional[str] = wire("smpType", text, default=None)
    smp_group: Optional[int] = wire("smpGroup", integer, default=None)
    smp_order_id: Optional[str] = wire("smpOrderId", text, default=None)
    rpi_taker_access: Optional[bool] = wire("rpiTakerAccess", boolean, default=None)
    rpi_matched_qty: Optional[Decimal] = wire("rpiMatchedQty", decimal, default=None)
    created_time: Optional[int] = wire("createdTime", integer, default=None)
    updated_time: Optional[int] = wire("updatedTime", integer, default=None)


@attrs.frozen(kw_only=True)
class WalletCoin:
    """One coin of a ``Wallet``. Amounts are in the coin, ``usd_value`` in dollars.

    Attributes:
        locked: held by open spot orders.
        total_position_im, total_position_mm, total_order_im: None in portfolio margin.
        collateral_switch: True if the user accepts it as collateral; margin_collateral: True if the platform does.
        col_res: the platform's limit of the coin as collateral: ``"0"`` off, ``"1"`` off and near it, ``"2"`` on (adding
            collateral, switching it on and changing the margin mode are refused), ``"-1"`` unknown.

    Source: websocket/private/wallet.
    """

    coin: str = wire("coin", text)
    equity: Optional[Decimal] = wire("equity", decimal, default=None)
    usd_value: Optional[Decimal] = wire("usdValue", decimal, default=None)
    wallet_balance: Decimal = wire("walletBalance", decimal)
    locked: Optional[Decimal] = wire("locked", decimal, default=None)
    spot_hedging_qty: Optional[Decimal] = wire("spotHedgingQty", decimal, default=None)
    borrow_amount: Optional[Decimal] = wire("borrowAmount", decimal, default=None)
    spot_borrow: Optional[Decimal] = wire("spotBorrow", decimal, default=None)
    accrued_interest: Optional[Decimal] = wire("accruedInterest", decimal, default=None)
    total_order_im: Optional[Decimal] = wire("totalOrderIM", decimal, default=None)
    total_position_im: Optional[Decimal] = wire("totalPositionIM", decimal, default=None)
    total_position_mm: Optional[Decimal] = wire("totalPositionMM", decimal, default=None)
    unrealised_pnl: Optional[Decimal] = wire("unrealisedPnl", decimal, default=None)
    cum_realised_pnl: Optional[Decimal] = wire("cumRealisedPnl", decimal, default=None)
    bonus: Optional[Decimal] = wire("bonus", decimal, default=None)
    collateral_switch: Optional[bool] = wire("collateralSwitch", boolean, default=None)
    margin_collateral: Optional[bool] = wire("marginCollateral", boolean, default=None)
    col_res: Optional[str] = wire("colRes", text, default=None)


@attrs.frozen(kw_only=True)
class Wallet:
    """``wallet``: the account's balances after one of them changed; unrealised profit and loss changes without an update.
    No initial state comes with the subscription.

    Attributes:
        coin: those that changed, and maybe others: merge them by ``WalletCoin.coin``.
        account_im_rate, account_mm_rate: initial and maintenance margin, as fractions of 1.
        total_equity and the other totals: in dollars; None if the account's margin mode does not have it.

    Source: websocket/private/wallet.
    """

    account_type: str = wire("accountType", text)
    account_im_rate: Optional[Decimal] = wire("accountIMRate", decimal, default=None)
    account_mm_rate: Optional[Decimal] = wire("accountMMRate", decimal, default=None)
    total_equity: Optional[Decimal] = wire("totalEquity", decimal, default=None)
    total_wallet_balance: Optional[Decimal] = wire("totalWalletBalance", decimal, default=None)
    total_margin_balance: Optional[Decimal] = wire("totalMarginBalance", decimal, default=None)
    total_available_balance: Optional[Decimal] = wire("totalAvailableBalance", decimal, default=None)
    total_perp_upl: Optional[Decimal] = wire("totalPerpUPL", decimal, default=None)
    total_initial_margin: Optional[Decimal] = wire("totalInitialMargin", decimal, default=None)
    total_maintenance_margin: Optional[Decimal] = wire("totalMaintenanceMargin", decimal, default=None)
    coin: Tuple[WalletCoin, ...] = wire("coin", each(reader(WalletCoin)))


@attrs.frozen(kw_only=True)
class Greeks:
    """``greeks``: the option greeks of one base coin, summed over the account.

    Source: websocket/private/greek.
    """

    base_coin: str = wire("baseCoin", text)
    total_delta: Optional[Decimal] = wire("totalDelta", decimal, default=None)
    total_gamma: Optional[Decimal] = wire("totalGamma", decimal, default=None)
    total_vega: Optional[Decimal] = wire("totalVega", decimal, default=None)
    total_theta: Optional[Decimal] = wire("totalTheta", decimal, default=None)
