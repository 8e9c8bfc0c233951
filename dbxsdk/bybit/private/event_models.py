"""The models of event contracts, which the venue pushes with ``order`` and ``execution`` among all others, under the category
``"event"``. Trading them over the API is for approved market makers.

Their rows lack prices and sizes: an event order has a value, and what is paid out if it wins is that times a ratio. So that
programs for orders of all kinds can read them, they are ``Order`` and ``Execution`` with the value as the size; numbers of
types are texts here, since the venue writes them as both.

Pages named below are those of https://bybit-exchange.github.io/docs/v5/.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Optional, Tuple

import attrs

from dbxsdk.bybit.private.models import Execution, ExtraFee, Order
from dbxsdk.fields import decimal, each, integer, reader, text, wire

_ZERO = Decimal(0)


def _word(value: Any) -> str:
    """Read a text, or a number that stands for one."""
    return str(integer(value)) if type(value) is int else text(value)


@attrs.frozen(kw_only=True)
class EventOrder(Order):
    """``order``, category ``"event"``: an order for an event contract.

    Attributes:
        qty: its value (``ecOrderValue``) in ``settle_coin``, not a number of contracts.
        ec_contract_type: ``"UpDown"``, ``"Target"``, ``"Range"``; ec_direction: ``"UP"``, ``"DOWN"``, ``"ABOVE"``,
            ``"BELOW"``, ``"RANGE_IN"``, ``"RANGE_OUT"``.
        ec_duration_window: seconds.
        payout_ratio: what one unit of value brings if it wins; ``cum_payout`` what was paid out.

    Source: event/order.
    """

    qty: Decimal = wire("ecOrderValue", decimal, default=_ZERO)
    create_type: Optional[str] = wire("createType", _word, default=None)
    symbol_id: Optional[int] = wire("symbolId", integer, default=None)
    base_coin: Optional[str] = wire("baseCoin", text, default=None)
    quote_coin: Optional[str] = wire("quoteCoin", text, default=None)
    settle_coin: Optional[str] = wire("settleCoin", text, default=None)
    ec_contract_type: Optional[str] = wire("ecContractType", _word, default=None)
    ec_direction: Optional[str] = wire("ecDirection", _word, default=None)
    ec_duration_window: Optional[int] = wire("ecDurationWindow", integer, default=None)
    ec_target_price: Optional[Decimal] = wire("ecTargetPrice", decimal, default=None)
    ec_lower_bound: Optional[Decimal] = wire("ecLowerBound", decimal, default=None)
    ec_upper_bound: Optional[Decimal] = wire("ecUpperBound", decimal, default=None)
    ec_index_price: Optional[Decimal] = wire("ecIndexPrice", decimal, default=None)
    ec_settle_time: Optional[int] = wire("ecSettleTime", integer, default=None)
    payout_ratio: Optional[Decimal] = wire("payoutRatio", decimal, default=None)
    order_avg_payout_ratio: Optional[Decimal] = wire("orderAvgPayoutRatio", decimal, default=None)
    cum_payout: Optional[Decimal] = wire("cumPayout", decimal, default=None)
    extra_fees: Tuple[ExtraFee, ...] = wire("extraFees", each(reader(ExtraFee)), default=())
    trans_time: Optional[int] = wire("transTime", integer, default=None)


@attrs.frozen(kw_only=True)
class EventExecution(Execution):
    """``execution``, category ``"event"``: a fill (``exec_type`` ``"Trade"``) or the end (``"Settle"``) of an event contract.

    Attributes:
        exec_price: 0 if the venue names none.
        exec_qty: the value, as ``exec_value``; not a number of contracts.
        exec_time: when it was, or was settled (``transTime``).
        ec_payout: what was paid out; gross_payout_ratio: for one unit of value.

    Source: event/execution.
    """

    exec_price: Decimal = wire("execPrice", decimal, default=_ZERO)
    exec_qty: Decimal = wire("execValue", decimal, default=_ZERO)
    exec_time: int = wire("transTime", integer)
    fee_rate: Optional[Decimal] = wire("execFeeRate", decimal, default=None)
    seq: Optional[int] = wire("crossSeq", integer, default=None)
    trans_id: Optional[str] = wire("transId", text, default=None)
    symbol_id: Optional[int] = wire("symbolId", integer, default=None)
    base_coin: Optional[str] = wire("baseCoin", text, default=None)
    quote_coin: Optional[str] = wire("quoteCoin", text, default=None)
    settle_coin: Optional[str] = wire("settleCoin", text, default=None)
    fee_coin: Optional[str] = wire("feeCoin", text, default=None)
    ec_contract_type: Optional[str] = wire("ecContractType", _word, default=None)
    ec_direction: Optional[str] = wire("ecDirection", _word, default=None)
    ec_duration_window: Optional[int] = wire("ecDurationWindow", integer, default=None)
    ec_target_price: Optional[Decimal] = wire("ecTargetPrice", decimal, default=None)
    ec_lower_bound: Optional[Decimal] = wire("ecLowerBound", decimal, default=None)
    ec_upper_bound: Optional[Decimal] = wire("ecUpperBound", decimal, default=None)
    ec_order_value: Optional[Decimal] = wire("ecOrderValue", decimal, default=None)
    ec_index_price: Optional[Decimal] = wire("ecIndexPrice", decimal, default=None)
    ec_payout: Optional[Decimal] = wire("ecPayout", decimal, default=None)
    entry_price: Optional[Decimal] = wire("entryPrice", decimal, default=None)
    settle_price: Optional[Decimal] = wire("settlePrice", decimal, default=None)
    gross_payout_ratio: Optional[Decimal] = wire("grossPayoutRatio", decimal, default=None)
    session_rpl: Optional[Decimal] = wire("sessionRpl", decimal, default=None)
    settle_time_ms: Optional[int] = wire("settleTimeMs", integer, default=None)
    time_in_force: Optional[str] = wire("timeInForce", text, default=None)


@attrs.frozen(kw_only=True)
class EventPosition:
    """``position.event``: one position in an event contract; plain ``position`` does not have them.

    Attributes:
        position_value: in ``settle_coin``.
        avg_payout_ratio: what one unit of value brings if it wins.

    Source: event/position.
    """

    symbol: str = wire("symbol", text)
    base_coin: Optional[str] = wire("baseCoin", text, default=None)
    settle_coin: Optional[str] = wire("settleCoin", text, default=None)
    side: str = wire("side", text, default="")
    ec_contract_type: Optional[str] = wire("ecContractType", _word, default=None)
    ec_direction: Optional[str] = wire("ecDirection", _word, default=None)
    avg_payout_ratio: Optional[Decimal] = wire("avgPayoutRatio", decimal, default=None)
    position_value: Optional[Decimal] = wire("positionValue", decimal, default=None)
    ec_settle_time: Optional[int] = wire("ecSettleTime", integer, default=None)
    cum_closed_pnl: Optional[Decimal] = wire("cumClosedPnl", decimal, default=None)
    created_time: Optional[int] = wire("createdTime", integer, default=None)
    updated_time: Optional[int] = wire("updatedTime", integer, default=None)
    seq: Optional[int] = wire("seq", integer, default=None)


_read_order, _read_event_order = reader(Order), reader(EventOrder)
_read_execution, _read_event_execution = reader(Execution), reader(EventExecution)


def read_order(row: Any) -> Order:
    """Read a row of ``order``. Raises ``ProtocolError``."""
    return (_read_event_order if _is_event(row) else _read_order)(row)


def read_execution(row: Any) -> Execution:
    """Read a row of ``execution``. Raises ``ProtocolError``."""
    return (_read_event_execution if _is_event(row) else _read_execution)(row)


def _is_event(row: Any) -> bool:
    return isinstance(row, dict) and row.get("category") == "event"
