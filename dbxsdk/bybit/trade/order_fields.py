"""The fields of order requests: checked by name before anything is sent, with numbers written as the venue reads them.

Source: https://bybit-exchange.github.io/docs/v5/order/create-order, amend-order, cancel-order and the batch pages.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Dict, FrozenSet, Mapping

from dbxsdk.arguments import check_flag, check_int, check_number, check_word
from dbxsdk.codec import encode

# Sent as texts, and given as numbers.
NUMBERS: FrozenSet[str] = frozenset(
    "qty price triggerPrice takeProfit stopLoss tpLimitPrice slLimitPrice orderIv slippageTolerance bboLevel".split()
)
INTEGERS: FrozenSet[str] = frozenset("positionIdx triggerDirection isLeverage".split())
FLAGS: FrozenSet[str] = frozenset("reduceOnly closeOnTrigger mmp".split())
TEXTS: FrozenSet[str] = frozenset(
    "category symbol side orderType orderId orderLinkId orderFilter timeInForce marketUnit slippageToleranceType triggerBy "
    "tpTriggerBy slTriggerBy tpslMode tpOrderType slOrderType smpType bboSideType".split()
)

_MOST_DIGITS = 2_000

_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def plain_number(name: str, value: Any) -> str:
    """Return ``value`` as plain decimal text, with the digits that it has; raises what ``check_number`` raises."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    number = check_number(name, value, digits=_MOST_DIGITS)
    return format(number, "f") if number else format(abs(number), "f")


def order_fields(given: Mapping[str, Any], where: str = "") -> Dict[str, Any]:
    """Return ``given`` in the venue's types. None means not given. The venue judges fields that are not known here; they are
    passed on as they are, except numbers with a fraction, which become text.

    ``where`` precedes the field's name in ``TypeError`` and ``ValueError``.
    """
    fields: Dict[str, Any] = {}
    for name, value in given.items():
        if not isinstance(name, str):
            raise TypeError(f"{where or 'order'}: field names must be str, not {type(name).__name__}")
        if "_" in name:
            # The venue would silently ignore it, and the limit that it was to set would not hold.
            raise TypeError(f"{where}{name} is not a field of the venue: use its own spelling, like orderLinkId")
        if value is not None:
            fields[name] = _field(name, where + name, value)
    return fields


def require(fields: Mapping[str, Any], names: Any, where: str = "") -> None:
    """Raise ``ValueError`` naming the first of ``names`` that is not there."""
    for name in names:
        if name not in fields:
            raise ValueError(f"{where}{name} is missing")


def _field(name: str, shown: str, value: Any) -> Any:
    if name in NUMBERS:
        return plain_number(shown, value)
    if name in TEXTS:
        return check_word(shown, value)
    if name in INTEGERS:
        check_int(shown, value)
    if name in FLAGS:
        check_flag(shown, value)
    if isinstance(value, (Decimal, float)):
        return plain_number(shown, value)
    try:
        encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{shown} cannot be written as JSON: {error}") from None
    return value
