"""Checks what callers give and puts it into the JSON types that the venue's pages show; all of it before any I/O."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

from dbxsdk import codec
from dbxsdk.arguments import check_int, check_word

Number = Union[Decimal, int, float, str]
"""What is taken wherever the venue wants a number or a number as text."""

Check = Callable[[str, Any], Any]
"""``check(name, value)`` returns what goes onto the wire, or raises ``TypeError``/``ValueError`` naming ``name``."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_MOST_DIGITS = 60
"""Places before or after the point; more is a mistake, and ``1e999999`` would be a text of a million characters."""


def identifiers(most: Optional[int] = None) -> Check:
    def check(name: str, value: Any) -> List[str]:
        # A str is an iterable of str, too: "abc" would become three ids.
        if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple)):
            raise TypeError(f"{name} must be a list of str, not {type(value).__name__}")
        if not value or (most is not None and len(value) > most):
            raise ValueError(f"{name} must hold {'at least one' if most is None else f'1 to {most}'}, not {len(value)}")
        return [check_word(f"{name}[{index}]", item) for index, item in enumerate(value)]

    return check


def choice(*choices: str) -> Check:
    def check(name: str, value: Any) -> str:
        if check_word(name, value) not in choices:
            raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return check


def count(least: int, most: Optional[int] = None) -> Check:
    def check(name: str, value: Any) -> int:
        return check_int(name, value, least=least, most=most)

    return check


def number(least: Optional[Number] = None, most: Optional[Number] = None, *, above: Optional[int] = None) -> Check:
    """A JSON number."""

    def check(name: str, value: Any) -> Decimal:
        exact = _decimal(name, value)
        if above is not None and exact <= above:
            raise ValueError(f"{name} must be above {above}, not {value}")
        if (least is not None and exact < Decimal(least)) or (most is not None and exact > Decimal(most)):
            raise ValueError(f"{name} must be {_range(least, most)}, not {value}")
        return exact

    return check


def number_text(*, above: Optional[int] = None, automatic: bool = False) -> Check:
    """A number as plain decimal text; with ``automatic`` also ``""``, which leaves it to the venue."""

    def check(name: str, value: Any) -> str:
        if automatic and value == "" and isinstance(value, str):
            return ""
        exact = _decimal(name, value)
        if exact < 0 or (above is not None and exact <= above):
            raise ValueError(f"{name} must be {'above' if above is not None else 'at least'} {above or 0}, not {value}")
        return format(exact, "f")

    return check


def settings(checks: Mapping[str, Check]) -> Check:
    """An object in the venue's own spelling; what is in ``checks`` is checked, the rest goes out as it is."""

    def check(name: str, value: Any) -> Dict[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a dict, not {type(value).__name__}")
        for key in value:
            if not isinstance(key, str) or "_" in key:
                # The venue would pass over it in silence, and a limit that was meant would not hold.
                raise TypeError(f"{name}: {key!r} is no field of the venue: names are in its own spelling, like maxSlippage")
        return {key: _checked(f"{name}.{key}", item, checks.get(key)) for key, item in value.items()}

    return check


def groups(checks: Mapping[str, Check]) -> Check:
    """A list of such objects."""
    check_one = settings(checks)

    def check(name: str, value: Any) -> List[Dict[str, Any]]:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{name} must be a list of dicts, not {type(value).__name__}")
        if not value:
            raise ValueError(f"{name} must hold at least one")
        return [check_one(f"{name}[{index}]", item) for index, item in enumerate(value)]

    return check


def params(
    checks: Mapping[str, Check], required: Mapping[str, Any], optional: Mapping[str, Any], fields: Mapping[str, Any]
) -> Dict[str, Any]:
    """The ``params`` object of one request.

    ``checks`` go by the venue's names, ``required`` and ``optional`` by the names in Python. An optional one that is
    None stays away; ``fields`` are in the venue's spelling, unknown ones go out as they are, and None as ``null``.
    """
    document = {wire_name(name): checks[wire_name(name)](name, value) for name, value in required.items()}
    for name, value in optional.items():
        if value is not None:
            document[wire_name(name)] = checks[wire_name(name)](name, value)
    for name, value in fields.items():
        if "_" in name:
            # The venue would pass over it in silence, and a limit that was meant would not hold.
            raise TypeError(f"unexpected argument {name}: further fields go in the venue's own spelling, like maxSlippage")
        if name in document:
            raise TypeError(f"{name} is given twice")
        document[name] = _checked(name, value, checks.get(name))
    return document


def wire_name(name: str) -> str:
    """``trigger_price_usd`` is ``triggerPriceUsd``; the venue writes only "UI" in capitals."""
    first, *others = name.split("_")
    return first + "".join("UI" if word == "ui" else word.capitalize() for word in others)


def encode(value: Any, name: str = "params") -> str:
    """Compact JSON text. A number goes out with the very digits that it has, never in scientific notation.

    Raises ``TypeError``/``ValueError`` naming the part that cannot be sent.
    """
    try:
        return _encode(value, name)
    except RecursionError:
        raise ValueError(f"{name} is nested too deeply") from None


def _encode(value: Any, name: str) -> str:
    if isinstance(value, Mapping):
        items = []
        for key, item in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{name}: a name must be a str, not {type(key).__name__}")
            items.append(f"{codec.encode(key)}:{_encode(item, f'{name}.{key}')}")
        return "{" + ",".join(items) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_encode(item, f"{name}[{index}]") for index, item in enumerate(value)) + "]"
    if isinstance(value, (Decimal, float)):
        return format(_decimal(name, value), "f")
    if value is None or isinstance(value, (str, int)):
        return codec.encode(value)
    raise TypeError(f"{name} must be something that JSON has, not {type(value).__name__}")


def _checked(name: str, value: Any, check: Optional[Check]) -> Any:
    return value if check is None or value is None else check(name, value)


def _decimal(name: str, value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, float, str)):
        raise TypeError(f"{name} must be a number (Decimal, int, float or str), not {type(value).__name__}")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError(f"{name} must be a number, not {value!r}")
    try:
        exact = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError(f"{name} must be a number, not {value!r}") from None
    if not exact.is_finite():
        raise ValueError(f"{name} must be a finite number, not {value}")
    exponent = exact.as_tuple().exponent
    if abs(exact.adjusted()) > _MOST_DIGITS or abs(int(exponent)) > _MOST_DIGITS:
        raise ValueError(f"{name} must have {_MOST_DIGITS} places at most")
    return exact


def _range(least: Optional[Number], most: Optional[Number]) -> str:
    return f"{least} or more" if most is None else f"{least} to {most}"
