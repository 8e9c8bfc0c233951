"""Reads what order requests of the local Bybit venue ask for, and refuses what the venue refuses.

Codes are those of the venue's error tables. Few of their texts are known from frames; the others are worded
here and only say what is wrong.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Callable, Optional, Tuple

import attrs

from dbxsdk.sim.bybit.conditions import CONTRACTS, Exits, Trigger, read_exits, read_trigger
from dbxsdk.sim.bybit.conditions import PARAMETER_ERROR as PARAMETER_ERROR
from dbxsdk.sim.bybit.conditions import Fields as Fields
from dbxsdk.sim.market.market import Instrument, SymbolMarket
from dbxsdk.sim.refused import Refused

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{1,18})?")  # plain decimal text: no sign, no exponent
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_TIMES_IN_FORCE = ("GTC", "IOC", "FOK", "PostOnly")
_BAND = 20  # a twentieth of the last price either way, as the feed of price limits says

# What this venue does not simulate is refused, so that no order is taken for another.
_NOT_SIMULATED = ("orderIv", "slippageTolerance", "slippageToleranceType", "bboSideType", "bboLevel")


_AMENDED = ("qty", "price", "triggerPrice", "takeProfit", "stopLoss")

_WORDS = {  # on spot, elsewhere
    "symbol": ((170121, "Invalid symbol."), (PARAMETER_ERROR, "params error: symbol invalid")),
    "price": ((170134, "Order price has too many decimals."), (110003, "price is invalid")),
    "size": ((170137, "Order quantity has too many decimals."), (PARAMETER_ERROR, "params error: qty invalid")),
    "link id": ((170141, "Duplicate clientOrderId."), (110072, "OrderLinkedID is duplicate")),
    "funds": ((170131, "Insufficient balance."), (110007, "ab not enough for new order")),
    "order": ((170213, "Order does not exist."), (110001, "order not exists or too late to {verb}")),
}


def refusal(category: str, what: str, **names: str) -> Refused:
    """Return how the venue refuses what is wrong with an order, of which spot has codes of its own."""
    code, message = _WORDS[what][category != "spot"]
    return Refused(code, message.format(**names))


@attrs.frozen
class NewOrder:
    """What ``order.create`` asks for, in ticks and lots."""

    buy: bool
    limit: bool
    time_in_force: str
    tick: int
    """The worst tick at which it may trade: its price, or the end of the price band for a market order."""
    lots: Optional[int]
    budget: Optional[int]
    """The size of a spot market order in the quote coin: ticks times lots."""
    size: Decimal
    """``qty`` as it was asked for."""
    market_unit: str
    link_id: str
    reduce_only: bool
    close_on_trigger: bool = False
    position_index: int = 0
    trigger: Optional[Trigger] = None
    exits: Optional[Exits] = None


def read_new_order(category: str, fields: Fields, market: SymbolMarket) -> NewOrder:
    """Raise ``Refused``."""
    instrument = market.instrument
    _check_simulated(fields)
    buy = _one_of(fields, "side", ("Buy", "Sell")) == "Buy"
    limit = _one_of(fields, "orderType", ("Limit", "Market")) == "Limit"
    default = "GTC" if limit else "IOC"
    time_in_force = _one_of(fields, "timeInForce", _TIMES_IN_FORCE, default)
    market_unit = _one_of(fields, "marketUnit", ("baseCoin", "quoteCoin"), "")
    if category != "spot" or limit:
        market_unit = ""
    reduce_only = _flag(fields, "reduceOnly") and category != "spot"
    close_on_trigger = _flag(fields, "closeOnTrigger") and category in CONTRACTS
    is_all = reduce_only and close_on_trigger and fields.get("qty") == "0"  # all that there is to close
    size = Decimal(0) if is_all else _number(fields, "qty")
    trigger = read_trigger(category, fields, market)
    tick = read_price(category, fields, market, buy, trigger is None) if limit else market_limit(market, buy)
    exits = read_exits(category, fields, buy, instrument.price_of(tick) if limit else market.ticker().last)
    if exits and (reduce_only or (category == "spot" and (not limit or trigger is not None))):
        raise Refused(PARAMETER_ERROR, "params error: takeProfit and stopLoss invalid")
    lots: Optional[int] = None
    budget: Optional[int] = None
    if category == "spot" and not limit and buy and market_unit != "baseCoin":
        market_unit = "quoteCoin"  # the default of a market order that buys
        budget = int(size / (instrument.tick_size * instrument.lot_size))
        if budget < market.ticker().ask[0]:
            raise Refused(170140, "Order value exceeded lower limit.")
    elif market_unit == "quoteCoin":
        # A sale sized by its proceeds: as many lots as the best bid pays that much for.
        lots = max(1, int(size / (market.ticker().last * instrument.lot_size)))
        size = instrument.size_of(lots)
    else:
        lots = _lots(category, size, instrument)
    return NewOrder(
        buy=buy,
        limit=limit,
        time_in_force=time_in_force if limit else ("FOK" if time_in_force == "FOK" else "IOC"),
        tick=tick,
        lots=lots,
        budget=budget,
        size=size,
        market_unit=market_unit,
        link_id=_link_id(fields),
        reduce_only=reduce_only,
        close_on_trigger=close_on_trigger,
        position_index=_position_index(fields),
        trigger=trigger,
        exits=exits,
    )


def read_price(category: str, fields: Fields, market: SymbolMarket, buy: bool, banded: bool = True) -> int:
    """Return the tick of ``price``, which is ``banded`` if the order is to work at once. Raises ``Refused``."""
    instrument = market.instrument
    price = _number(fields, "price")
    tick = int(price / instrument.tick_size)
    if instrument.price_of(tick) != price:
        raise refusal(category, "price")
    end = market_limit(market, buy)
    if not banded:
        return tick
    if tick > end if buy else tick < end:
        if category != "spot":
            raise refusal(category, "price")
        side, relation, code = ("Buy", "higher", 170193) if buy else ("Sell", "lower", 170194)
        raise Refused(code, f"{side} order price cannot be {relation} than {instrument.price_text(end)}.")
    return tick


def read_size(category: str, fields: Fields, instrument: Instrument) -> int:
    """Return the lots of ``qty``. Raises ``Refused``."""
    return _lots(category, _number(fields, "qty"), instrument)


def market_limit(market: SymbolMarket, buy: bool) -> int:
    """Return the worst tick at which anything trades now."""
    last = int(market.ticker().last / market.instrument.tick_size)
    return last + last // _BAND if buy else max(1, last - last // _BAND)


def check_amendment(fields: Fields) -> None:
    """Raise ``Refused`` if an amendment asks for what is not simulated, or for nothing."""
    _check_simulated(fields)
    if not any(name in fields for name in _AMENDED):
        raise Refused(PARAMETER_ERROR, "params error: nothing to amend")


def read_order_ids(fields: Fields) -> Tuple[str, str]:
    """Return ``orderId`` and ``orderLinkId``, of which one must be given. Raises ``Refused``."""
    ids = []
    for name in ("orderId", "orderLinkId"):
        given = fields.get(name) or ""
        if not isinstance(given, str):
            raise Refused(PARAMETER_ERROR, f"params error: {name} must be a text")
        ids.append(given)
    if not any(ids):
        raise Refused(PARAMETER_ERROR, "params error: orderId or orderLinkId is required")
    return ids[0], ids[1]


def find_market(category: str, fields: Fields, find: Callable[[str], Optional[SymbolMarket]]) -> SymbolMarket:
    """Return the market of ``symbol``. Raises ``Refused``."""
    symbol = fields.get("symbol")
    market = find(symbol) if isinstance(symbol, str) else None
    if market is None:
        raise refusal(category, "symbol")
    return market


def _check_simulated(fields: Fields) -> None:
    for name in _NOT_SIMULATED:
        if fields.get(name):
            raise Refused(PARAMETER_ERROR, f"params error: {name} is not simulated")


def _number(fields: Fields, name: str) -> Decimal:
    given = fields.get(name)
    # Texts only, as the venue's own reference types them: a float has lost digits already.
    if not isinstance(given, str) or not _NUMBER.fullmatch(given) or not Decimal(given):
        raise Refused(PARAMETER_ERROR, f"params error: {name} invalid")
    return Decimal(given)


def _lots(category: str, size: Decimal, instrument: Instrument) -> int:
    lots = int(size / instrument.lot_size)
    if instrument.size_of(lots) != size:
        raise refusal(category, "size")
    return lots


def _one_of(fields: Fields, name: str, values: Tuple[str, ...], default: Optional[str] = None) -> str:
    given = fields.get(name) or default
    if given is None or (given not in values and given != default):
        raise Refused(PARAMETER_ERROR, f"params error: {name} invalid")
    return str(given)


def _position_index(fields: Fields) -> int:
    given = fields.get("positionIdx", 0)
    if given not in (0, 1, 2) or isinstance(given, bool):
        raise Refused(PARAMETER_ERROR, "params error: positionIdx invalid")
    return int(given)


def _flag(fields: Fields, name: str) -> bool:
    given = fields.get(name, False)
    if not isinstance(given, bool):
        raise Refused(PARAMETER_ERROR, f"params error: {name} must be true or false")
    return given


def _link_id(fields: Fields) -> str:
    given = fields.get("orderLinkId") or ""
    if not isinstance(given, str) or (given and not _LINK_ID.fullmatch(given)):
        raise Refused(PARAMETER_ERROR, "params error: orderLinkId invalid")
    return given
