"""The checks of arguments: every wrong one is named, and no credential is shown."""

from __future__ import annotations

import enum
from typing import Any, Callable

import pytest

from dbxsdk.arguments import check_choice, check_credential, check_flag, check_int, check_seconds, check_text, check_word


class Side(str, enum.Enum):
    BUY = "Buy"


@pytest.mark.parametrize("check, value", [
    (check_text, "my task"),
    (check_word, "BTC_USDT"),
    (check_word, "ключ"),
    (check_word, Side.BUY),
    (check_credential, "k-1+/="),
    (check_flag, False),
    (lambda name, value: check_choice(name, value, ("a", "b")), "b"),
    (check_int, -3),
    (lambda name, value: check_int(name, value, least=1, most=1), 1),
    (check_seconds, 0.5),
    (lambda name, value: check_seconds(name, value, zero=True), 0.0),
])
def test_what_is_right_comes_back_as_it_is(check: Callable[[str, Any], Any], value: Any) -> None:
    assert check("it", value) is value or check("it", value) == value
    assert isinstance(check("it", value), type(value))


@pytest.mark.parametrize("check, value, error", [
    (check_text, "", ValueError),
    (check_text, " \t", ValueError),
    (check_text, b"a", TypeError),
    (check_word, "", ValueError),
    (check_word, "a b", ValueError),
    (check_word, "a\n", ValueError),
    (check_word, "a\u200b\u2028", ValueError),
    (check_word, None, TypeError),
    (check_credential, "", ValueError),
    (check_credential, "ключ", ValueError),
    (check_credential, 5, TypeError),
    (check_flag, 1, TypeError),
    (check_flag, "false", TypeError),
    (lambda name, value: check_choice(name, value, ("a", "b")), "c", ValueError),
    (lambda name, value: check_choice(name, value, ("a", "b")), None, TypeError),
    (check_seconds, 0, ValueError),
    (check_seconds, -1, ValueError),
    (check_seconds, float("nan"), ValueError),
    (check_seconds, float("inf"), ValueError),
    (check_seconds, True, TypeError),
    (check_seconds, "5", TypeError),
])
def test_what_is_wrong_is_named(check: Callable[[str, Any], Any], value: Any, error: Any) -> None:
    with pytest.raises(error, match="^it must"):
        check("it", value)


@pytest.mark.parametrize("value", ["open sesame", "open\nsesame", "öpen-sesame"])
def test_a_credential_is_in_no_message(value: str) -> None:
    with pytest.raises(ValueError) as raised:
        check_credential("api_key", value)
    assert "sesame" not in str(raised.value)


@pytest.mark.parametrize("value, limits, error, message", [
    (True, {}, TypeError, "it must be an int, not bool"),
    (1.0, {}, TypeError, "it must be an int, not float"),
    ("1", {}, TypeError, "it must be an int, not str"),
    (None, {}, TypeError, "it must be an int, not NoneType"),
    (0, {"least": 1}, ValueError, "it must be 1 or more, not 0"),
    (3, {"most": 2}, ValueError, "it must be 2 or less, not 3"),
    (9, {"least": 1, "most": 8}, ValueError, "it must be 1 to 8, not 9"),
])
def test_whole_numbers(value: Any, limits: Any, error: Any, message: str) -> None:
    with pytest.raises(error) as caught:
        check_int("it", value, **limits)
    assert str(caught.value) == message
