"""The fields of order requests: each said once, with its type, its values and the categories that have it. All are checked
before anything is sent, and numbers written as the venue reads them.

A check follows from a field's type; beside it in ``Annotated`` stand the categories, where not all have the field, and a
check of its own. A field that is None counts as left out.

Source: https://bybit-exchange.github.io/docs/v5/order/create-order, amend-order, cancel-order and the batch pages.
"""

import functools
import re
from decimal import Decimal
from typing import Annotated, Any, Callable, Dict, Literal, Mapping, Optional, Tuple, TypedDict, Union, get_args, get_origin
from typing import get_type_hints

import attrs

from dbxsdk.arguments import check_choice, check_flag, check_int, check_number, check_word, nearest
from dbxsdk.bybit.trade import protocol as ops
from dbxsdk.bybit.trade.order_rules import check_amendment, check_new_order
from dbxsdk.codec import encode

_MOST_DIGITS = 2_000

_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


def plain_number(name: str, value: Any) -> str:
    """Return ``value`` as plain decimal text, with the digits that it has; raises what ``check_number`` raises."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    number = check_number(name, value, digits=_MOST_DIGITS)
    return format(number, "f") if number else format(abs(number), "f")


def _quantity(name: str, value: Any) -> str:
    text = plain_number(name, value)
    if text.startswith("-"):
        raise ValueError(f"{name} must not be negative: {text}")
    return text


def _tolerance(name: str, value: Any) -> str:
    text = plain_number(name, value)
    return text.rstrip("0").rstrip(".") if "." in text else text  # 10.0 ticks are 10


def _symbol(name: str, value: Any) -> str:
    if check_word(name, value) != value.upper():
        raise ValueError(f"{name} must be in upper case, not {value!r}")
    return str(value)


def _link_id(name: str, value: Any) -> str:
    if not _LINK_ID.fullmatch(check_word(name, value)):
        raise ValueError(f"{name} must be 36 characters at most, of letters, digits, - and _, not {value!r}")
    return str(value)


def _level(name: str, value: Any) -> str:
    level = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return check_choice(name, level, ("1", "2", "3", "4", "5"))


Number = Union[Decimal, int, float, str]
Category = Literal["spot", "linear", "inverse", "option"]

_SPOT, _OPTION, _CONTRACTS = ("spot",), ("option",), ("linear", "inverse")
_DERIVATIVES, _NOT_OPTIONS = (*_CONTRACTS, *_OPTION), (*_SPOT, *_CONTRACTS)

# Those that may be left out.
_Text = Optional[str]
_Number = Optional[Number]
_Trigger = Optional[Literal["LastPrice", "IndexPrice", "MarkPrice"]]
_Type = Optional[Literal["Market", "Limit"]]
_Mode = Optional[Literal["Full", "Partial"]]
_Filter = Annotated[Optional[Literal["Order", "tpslOrder", "StopOrder"]], _SPOT]


class _Place(TypedDict):
    category: Category
    symbol: Annotated[str, _symbol]


class _New(_Place):
    side: Literal["Buy", "Sell"]
    orderType: Literal["Market", "Limit"]
    qty: Annotated[Number, _quantity]


class NewOrder(_New, total=False):
    """``order.create``."""

    price: _Number
    timeInForce: Optional[Literal["GTC", "IOC", "FOK", "PostOnly", "RPI"]]
    orderLinkId: Annotated[_Text, _link_id]
    isLeverage: Annotated[Optional[Literal[0, 1]], _SPOT]
    marketUnit: Annotated[Optional[Literal["baseCoin", "quoteCoin"]], _SPOT]
    orderFilter: _Filter
    triggerPrice: Annotated[_Number, _NOT_OPTIONS]
    triggerDirection: Annotated[Optional[Literal[1, 2]], _CONTRACTS]
    triggerBy: Annotated[_Trigger, _CONTRACTS]
    orderIv: Annotated[_Number, _OPTION]
    positionIdx: Annotated[Optional[Literal[0, 1, 2]], _CONTRACTS]  # the pages disagree about inverse ones
    reduceOnly: Annotated[Optional[bool], _DERIVATIVES]
    closeOnTrigger: Annotated[Optional[bool], _CONTRACTS]
    takeProfit: _Number
    stopLoss: _Number
    tpTriggerBy: Annotated[_Trigger, _CONTRACTS]
    slTriggerBy: Annotated[_Trigger, _CONTRACTS]
    tpslMode: Annotated[_Mode, _CONTRACTS]
    tpOrderType: Annotated[_Type, _NOT_OPTIONS]
    slOrderType: Annotated[_Type, _NOT_OPTIONS]
    tpLimitPrice: Annotated[_Number, _NOT_OPTIONS]
    slLimitPrice: Annotated[_Number, _NOT_OPTIONS]
    slippageToleranceType: Optional[Literal["TickSize", "Percent"]]
    slippageTolerance: Annotated[_Number, _tolerance]
    smpType: Optional[Literal["None", "CancelMaker", "CancelTaker", "CancelBoth"]]
    mmp: Annotated[Optional[bool], _OPTION]
    bboSideType: Annotated[Optional[Literal["Queue", "Counterparty"]], _CONTRACTS]
    bboLevel: Annotated[Optional[Literal["1", "2", "3", "4", "5", 1, 2, 3, 4, 5]], _CONTRACTS, _level]
    rpiTakerAccess: Optional[bool]


class ExistingOrder(_Place, total=False):
    """What names an order that exists."""

    orderId: _Text
    orderLinkId: _Text


class AmendedOrder(ExistingOrder, total=False):
    """``order.amend``."""

    qty: Annotated[_Number, _quantity]
    price: _Number
    orderIv: Annotated[_Number, _OPTION]
    triggerPrice: Annotated[_Number, _NOT_OPTIONS]
    triggerBy: _Trigger
    takeProfit: _Number
    stopLoss: _Number
    tpTriggerBy: _Trigger
    slTriggerBy: _Trigger
    tpslMode: Annotated[_Mode, _CONTRACTS]
    tpLimitPrice: Annotated[_Number, _NOT_OPTIONS]
    slLimitPrice: Annotated[_Number, _NOT_OPTIONS]


class CancelledOrder(ExistingOrder, total=False):
    """``order.cancel``."""

    orderFilter: _Filter


@attrs.frozen
class _Field:
    check: Callable[[str, Any], Any]
    categories: Optional[Tuple[str, ...]]
    is_number: bool

    def asks(self, value: Any) -> bool:
        """Return False for what asks for nothing: False, 0 and the default filter, which programs for all categories give
        everywhere."""
        return bool(value) and value != "Order" and not (self.is_number and not str(value).strip("-0."))


@attrs.frozen(eq=False, slots=False)
class Operation:
    """One operation of the venue, and what its orders consist of: the fields of a ``TypedDict``, but ``without`` some."""

    name: str
    fields: Any
    rules: Optional[Callable[[Mapping[str, Any], str, str, bool], None]] = None
    without: Tuple[str, ...] = ()

    @functools.cached_property
    def table(self) -> Dict[str, _Field]:
        hints = get_type_hints(self.fields, include_extras=True)
        return {name: _field(hint) for name, hint in hints.items() if name not in self.without}

    @functools.cached_property
    def required(self) -> Tuple[str, ...]:
        return tuple(name for name in self.table if name in self.fields.__required_keys__)


_ONLY_SINGLE = ("rpiTakerAccess", "slippageToleranceType", "slippageTolerance", "bboSideType", "bboLevel")

CREATE = Operation(ops.CREATE, NewOrder, check_new_order)
AMEND = Operation(ops.AMEND, AmendedOrder, check_amendment)
CANCEL = Operation(ops.CANCEL, CancelledOrder)
CREATE_BATCH = Operation(ops.CREATE_BATCH, NewOrder, check_new_order, ("category", *_ONLY_SINGLE))
AMEND_BATCH = Operation(ops.AMEND_BATCH, AmendedOrder, check_amendment, ("category",))
CANCEL_BATCH = Operation(ops.CANCEL_BATCH, CancelledOrder, None, ("category", "orderFilter"))


def checked_order(
    operation: Operation, given: Mapping[str, Any], extra: Any = None, where: str = "", category: str = ""
) -> Dict[str, Any]:
    """Return an order in the venue's types; raises ``TypeError``/``ValueError`` naming the field.

    Args:
        extra: what is not documented, which goes out unchecked.
        where: precedes the names of fields in errors: the place in a batch.
        category: of the batch.
    """
    table, order = operation.table, {}
    for name, value in given.items():
        field = table.get(name)
        if field is None:
            raise TypeError(_unknown(operation, name, where))
        if value is not None:
            order[name] = field.check(where + name, value)
    more = _extra(extra, where)
    if not order.keys().isdisjoint(more):
        raise TypeError(f"{where}{' and '.join(sorted(order.keys() & more))} is given twice")
    for name in operation.required:
        if name not in order and name not in more:
            raise (ValueError if where or name in given else TypeError)(f"{where}{name} is missing")
    category = category or order.get("category", "")
    asked = {name: value for name, value in order.items() if name in operation.required or table[name].asks(value)}
    for name in asked:
        categories = table[name].categories
        if categories is not None and category and category not in categories:
            raise ValueError(f"{where}{name} is not for category {category}, only for {' and '.join(categories)}")
    order.update(more)
    if "orderId" in table and "orderId" not in order and "orderLinkId" not in order:
        raise ValueError(f"{where}orderId is missing: give it, or orderLinkId")
    if operation.rules is not None:
        # In an amendment 0 takes something away.
        operation.rules({**asked, **more} if operation.fields is NewOrder else order, category, where, bool(more))
    return order


def _field(hint: Any) -> _Field:
    kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    kinds = get_args(kind) if get_origin(kind) is Union else (kind,)
    own = next((note for note in notes if callable(note)), None)
    categories = next((note for note in notes if isinstance(note, tuple)), None)
    return _Field(own or _check_of(kinds), categories, Decimal in kinds)


def _check_of(kinds: Tuple[Any, ...]) -> Callable[[str, Any], Any]:
    if Decimal in kinds:
        return plain_number
    if get_origin(kinds[0]) is Literal:
        values = get_args(kinds[0])
        if isinstance(values[0], int):
            return functools.partial(check_int, least=values[0], most=values[-1])
        return functools.partial(check_choice, choices=values)
    return check_flag if bool in kinds else check_word


def _unknown(operation: Operation, name: Any, where: str) -> str:
    if not isinstance(name, str):
        return f"{where or 'order'}: field names must be str, not {type(name).__name__}"
    text = f"{where}{name} is not a field of the venue's {operation.name}"
    if name in operation.without:
        return f"{text}: {'it stands beside request' if name == 'category' else 'only of single orders'}"
    return f"{text}: the nearest is {nearest(name, operation.table)}; what is not documented yet goes into extra={{...}}"


def _extra(extra: Any, where: str) -> Dict[str, Any]:
    """Return ``extra`` as it goes out: as it is, but for numbers with a fraction, which become text as they all do, wherever
    they are in it."""
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        raise TypeError(f"{where}extra must be a dict, not {type(extra).__name__}")
    fields = {}
    for name, value in extra.items():
        if not isinstance(name, str):
            raise TypeError(f"{where}extra: field names must be str, not {type(name).__name__}")
        shown = f"{where}extra.{name}"
        try:
            fields[name] = _plain(shown, value)
            encode(fields[name])
        except ValueError as error:
            if str(error).startswith(shown):  # a number
                raise
            raise TypeError(f"{shown} cannot be written as JSON: {error}") from None
        except (TypeError, RecursionError) as error:
            raise TypeError(f"{shown} cannot be written as JSON: {error}") from None
    return fields


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, (Decimal, float)):
        return plain_number(name, value)
    if isinstance(value, dict):
        return {key: _plain(f"{name}.{key}", each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(f"{name}[{index}]", each) for index, each in enumerate(value)]
    return value
