"""Checks of what callers give, before any I/O: a ``TypeError`` or ``ValueError`` that names the argument.

Each check returns the value that it was given, ``check_number`` as a ``Decimal``, ``check_symbols`` as a tuple.
"""

from __future__ import annotations

import inspect
import re
from decimal import Decimal, InvalidOperation
from typing import Any, Callable, Iterable, Optional, Sequence, Tuple, TypeVar, Union, get_type_hints

from dbxsdk.credentials import hidden

F = TypeVar("F", bound=Callable[..., Any])

MAX_SECONDS = 30_000_000

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


def check_text(name: str, value: Any) -> str:
    """Accept any text that is not empty."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value.strip():
        raise ValueError(f"{name} must not be empty")
    return value


def check_word(name: str, value: Any) -> str:
    """Accept a symbol, an id, a word of a venue's vocabulary: no blanks, nothing that cannot be printed."""
    word = check_text(name, value)
    if not _is_word(word):
        raise ValueError(f"{name} must not contain blanks or control characters: {value!r}")
    return word


def check_credential(name: str, value: Any) -> str:
    """Accept a key or a secret, fit for a header. The value is in no message."""
    value = hidden(value)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value or not value.isascii() or not _is_word(value):
        raise ValueError(f"{name} must not be empty, and must be printable ASCII without blanks or line breaks")
    return value


def check_flag(name: str, value: Any) -> bool:
    """Accept a real boolean only: a venue may take a text like ``"false"`` for true."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Accept one of ``choices``."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def check_int(name: str, value: Any, *, least: Optional[int] = None, most: Optional[int] = None) -> int:
    """Accept a whole number from ``least`` to ``most``, as far as these are given, and no boolean."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    _check_range(name, value, least, most)
    return value


def check_number(
    name: str,
    value: Any,
    *,
    digits: int,
    least: Optional[int] = None,
    most: Optional[int] = None,
    above: Optional[int] = None,
) -> Decimal:
    """Accept a finite number, also as text, from ``least`` to ``most`` and ``above`` a bound, as far as these are given, and
    with at most ``digits`` digits before and after the point: written out, a ``1e999999999`` would fill the memory. A float
    counts as the shortest text that means it."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, float, str)):
        raise TypeError(f"{name} must be a number (Decimal, int, float or str), not {type(value).__name__}")
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError(f"{name} must be a number, not {value!r}")
    try:
        # float's own repr: that of a subclass, like numpy's, may not be a number.
        number = Decimal(float.__repr__(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError(f"{name} is not a number that can be sent") from None
    if not number.is_finite():
        raise ValueError(f"{name} must be a finite number, not {value}")
    if max(abs(number.adjusted()), abs(int(number.as_tuple().exponent))) > digits:
        raise ValueError(f"{name} must have at most {digits} digits before and after the point")
    if above is not None and number <= above:
        raise ValueError(f"{name} must be above {above}, not {value}")
    _check_range(name, number, least, most)
    return number


def check_seconds(name: str, value: Any, *, zero: bool = False) -> float:
    """Accept a time above 0, or 0 as well if ``zero``."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    # The operating system's waits do not take more, let alone infinity.
    if not 0 <= value <= MAX_SECONDS or (value == 0 and not zero):
        raise ValueError(f"{name} must be {'0' if zero else 'above 0'} to {MAX_SECONDS} seconds, not {value}")
    return float(value)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the one of ``known`` that is spelled most like ``name``."""
    import difflib  # only needed for mistakes

    spellings = {each.casefold(): each for each in known}
    return spellings[difflib.get_close_matches(name.casefold(), spellings, n=1, cutoff=0.0)[0]]


def spelled_out(fields: Any) -> Callable[[F], F]:
    """Return a decorator that makes ``help()`` and type hints show each of ``fields`` in place of ``**fields``."""
    types = get_type_hints(fields)

    def decorate(method: F) -> F:
        signature: Any = inspect.signature(method)
        shown = [each for each in signature.parameters.values() if each.name != "fields"]
        for name in sorted(types, key=lambda name: name not in fields.__required_keys__):  # those that must be given first
            default = inspect.Parameter.empty if name in fields.__required_keys__ else None
            shown.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=types[name]))
        shown.sort(key=lambda each: (each.kind, each.name in ("extra", "timeout")))
        method.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        del method.__annotations__["fields"]
        method.__annotations__.update(types)
        return method

    return decorate


def _check_range(name: str, value: Union[int, Decimal], least: Optional[int], most: Optional[int]) -> None:
    if least is not None and value < least or most is not None and value > most:
        wanted = f"{least} or more" if most is None else f"{most} or less" if least is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {wanted}, not {value}")


def _is_word(value: str) -> bool:
    return value.isprintable() and not any(character.isspace() for character in value)


def check_timeout(timeout: Optional[float]) -> Optional[float]:
    """Accept seconds, 0 included, or None."""
    return None if timeout is None else check_seconds("timeout", timeout, zero=True)


def check_callback(callback: Any) -> Callable[[Any], Any]:
    """Accept what can be called."""
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {type(callback).__name__}")
    return callback  # type: ignore[no-any-return]


def check_symbols(symbols: Any) -> Tuple[str, ...]:
    """Accept one symbol, an iterable of them, or ``()``. Returns a tuple."""
    if isinstance(symbols, str):
        symbols = (symbols,)
    try:
        wanted = tuple(symbols)
    except TypeError:
        raise TypeError(f"symbols must be a str or an iterable of str, not {type(symbols).__name__}") from None
    if not wanted and symbols != ():
        # A list that came out empty by accident must not mean everything.
        raise ValueError("symbols must not be empty; leave it out where none is meant")
    return tuple(check_word("symbols", symbol) for symbol in wanted)
