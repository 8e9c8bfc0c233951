"""Checks arguments and converts them to the JSON types that the venue's pages show, before any I/O."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any, Callable, Dict, List, Mapping, Optional, Union, get_type_hints

from dbxsdk import codec
from dbxsdk.arguments import check_choice, check_int, check_number, check_word, nearest

Number = Union[Decimal, int, float, str]
"""The types of arguments that the venue wants as a number or as a number in text."""

Check = Callable[[str, Any], Any]
"""``check(name, value)`` returns what goes onto the wire, or raises ``TypeError``/``ValueError`` naming ``name``."""

NO_EXTRA = object()
"""For requests that take no ``extra``."""

_MOST_DIGITS = 60
"""Digits before or after the point; more is a mistake."""


def identifiers(most: Optional[int] = None) -> Check:
    """Return the check of a list of ids."""

    def check(name: str, value: Any) -> List[str]:
        # A str is an iterable of str, too: "abc" would become three ids.
        if isinstance(value, (str, bytes)) or not isinstance(value, (list, tuple)):
            raise TypeError(f"{name} must be a list of str, not {type(value).__name__}")
        if not value or (most is not None and len(value) > most):
            raise ValueError(f"{name} must have {'at least one' if most is None else f'1 to {most}'}, not {len(value)}")
        return [check_word(f"{name}[{index}]", item) for index, item in enumerate(value)]

    return check


def choice(*choices: str) -> Check:
    """Return the check of an enumeration."""
    return functools.partial(check_choice, choices=choices)


def count(least: int, most: Optional[int] = None) -> Check:
    """Return the check of a whole number."""
    return functools.partial(check_int, least=least, most=most)


def number(least: Optional[int] = None, most: Optional[int] = None, *, above: Optional[int] = None) -> Check:
    """Return the check of a JSON number."""
    return functools.partial(check_number, digits=_MOST_DIGITS, least=least, most=most, above=above)


def number_text(*, above: Optional[int] = None, automatic: bool = False) -> Check:
    """Return the check of a number sent as plain decimal text; with ``automatic`` also ``""``, which leaves it to the venue."""
    check_sign = number(0, above=above)

    def check(name: str, value: Any) -> str:
        return "" if automatic and isinstance(value, str) and value == "" else format(check_sign(name, value), "f")

    return check


def settings(checks: Mapping[str, Check]) -> Check:
    """Return the check of an object in the venue's own spelling; fields without a check go out as they are."""

    def check(name: str, value: Any) -> Dict[str, Any]:
        if not isinstance(value, Mapping):
            raise TypeError(f"{name} must be a dict, not {type(value).__name__}")
        for key in value:
            if not isinstance(key, str) or "_" in key:
                # The venue would silently ignore it, and the limit that it was to set would not hold.
                raise TypeError(f"{name}: {key!r} is not a field of the venue: use its own spelling, like maxSlippage")
        return {key: _checked(f"{name}.{key}", item, checks.get(key)) for key, item in value.items()}

    return check


def groups(checks: Mapping[str, Check]) -> Check:
    """Return the check of a list of such objects."""
    check_one = settings(checks)

    def check(name: str, value: Any) -> List[Dict[str, Any]]:
        if not isinstance(value, (list, tuple)):
            raise TypeError(f"{name} must be a list of dicts, not {type(value).__name__}")
        if not value:
            raise ValueError(f"{name} must have at least one")
        return [check_one(f"{name}[{index}]", item) for index, item in enumerate(value)]

    return check


def checks_of(fields: type) -> Dict[str, Check]:
    """Return the checks of a ``TypedDict``'s fields, by their names on the wire."""
    return {wire_name(name): check for name, check in _checks(fields).items()}


def params(fields: Any, given: Mapping[str, Any], extra: Any = NO_EXTRA) -> Dict[str, Any]:
    """Make the ``params`` object of one request; raises ``TypeError``/``ValueError`` naming the field.

    Args:
        fields: a ``TypedDict`` whose types are annotated with checks.
        given: by its names, or by the venue's. An optional field that is None is left out if it has Python's name, and
            goes out as ``null`` if it has the venue's.
        extra: in the venue's spelling. What ``fields`` does not have goes out as it is, and None as ``null``.
    """
    checks, on_wire, required = _checks(fields), checks_of(fields), fields.__required_keys__
    named = {name: value for name, value in given.items() if name in checks and (value is not None or name in required)}
    document = {wire_name(name): checks[name](name, value) for name, value in named.items()}
    for name in given:
        if name not in checks and name not in on_wire:
            advice = "" if extra is NO_EXTRA else "; a field of the venue that has no name here goes into extra={...}"
            raise TypeError(f"unexpected argument {name}: the nearest is {nearest(name, checks)}{advice}")
    spelled = {name: _checked(name, value, on_wire[name]) for name, value in given.items() if name not in checks}
    for more in (spelled, {} if extra in (None, NO_EXTRA) else settings(on_wire)("extra", extra)):
        if not document.keys().isdisjoint(more):
            raise TypeError(f"{' and '.join(sorted(document.keys() & more))} is given twice")
        document.update(more)
    missing = [name for name in checks if name in required and wire_name(name) not in document]
    if missing:
        raise TypeError(f"missing argument {' and '.join(missing)}")
    return document


@functools.lru_cache(maxsize=None)
def _checks(fields: type) -> Dict[str, Check]:
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(fields, include_extras=True).items()}


def wire_name(name: str) -> str:
    """Return ``triggerPriceUsd`` for ``trigger_price_usd``; the venue writes only "UI" in capitals."""
    first, *others = name.split("_")
    return first + "".join("UI" if word == "ui" else word.capitalize() for word in others)


def encode(value: Any, name: str = "params") -> str:
    """Return compact JSON text. Numbers are written with the digits that they have, never in scientific notation.

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
        return format(check_number(name, value, digits=_MOST_DIGITS), "f")
    if value is None or isinstance(value, (str, int)):
        return codec.encode(value)
    raise TypeError(f"{name} must be a JSON value, not {type(value).__name__}")


def _checked(name: str, value: Any, check: Optional[Check]) -> Any:
    return value if check is None or value is None else check(name, value)
