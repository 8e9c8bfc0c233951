"""What callers give: checked, named and put into the wire's JSON types."""

from __future__ import annotations

import inspect
import json
from decimal import Decimal
from typing import Annotated, Any, Dict, Optional, TypedDict, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk.arguments import check_credential, check_flag, check_text, check_word, spelled_out
from dbxsdk.dbot.trade import arguments as a


@pytest.mark.parametrize("key", ["", " ", "a b", "a\n", "a\r\nx: y", "\tk", "ключ", "k\x00", "k\x7f"])
def test_a_key_that_is_no_header_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="api_key must not be empty") as raised:
        check_credential("api_key", key)
    assert not key.strip() or key not in str(raised.value)


@pytest.mark.parametrize("key", [None, 5, b"key"])
def test_a_key_of_another_type(key: Any) -> None:
    with pytest.raises(TypeError, match="api_key must be a str"):
        check_credential("api_key", key)


@pytest.mark.parametrize("check, good, sent", [
    (check_word, "abc", "abc"),
    (check_text, "my task", "my task"),
    (check_flag, True, True),
    (a.identifiers(), ["a", "b"], ["a", "b"]),
    (a.identifiers(2), ("a", "b"), ["a", "b"]),
    (a.choice("up", "down"), "up", "up"),
    (a.count(0, 20), 20, 20),
    (a.number(0, 1), "0.10", Decimal("0.10")),
    (a.number(0, 1), 1, Decimal(1)),
    (a.number(0), 0.1, Decimal("0.1")),
    (a.number(above=0), Decimal("1e-9"), Decimal("1e-9")),
    (a.number_text(), 1e-7, "0.0000001"),
    (a.number_text(), Decimal("1E+3"), "1000"),
    (a.number_text(), "0.022348210260", "0.022348210260"),
    (a.number_text(automatic=True), "", ""),
    (a.settings({"maxSlippage": a.number(0, 1)}), {"maxSlippage": 0.5, "new": [1]}, {"maxSlippage": Decimal("0.5"), "new": [1]}),
    (a.settings({"jitoTip": a.number(0)}), {"jitoTip": None}, {"jitoTip": None}),
    (a.groups({}), [{"x": 1}], [{"x": 1}]),
])
def test_good(check: a.Check, good: Any, sent: Any) -> None:
    assert check("it", good) == sent


@pytest.mark.parametrize("check, bad, error, message", [
    (check_word, "", ValueError, "it must not be empty"),
    (check_word, "a b", ValueError, "it must not contain blanks"),
    (check_word, 5, TypeError, "it must be a str, not int"),
    (check_text, "  ", ValueError, "it must not be empty"),
    (check_text, None, TypeError, "it must be a str, not NoneType"),
    (check_flag, "false", TypeError, "it must be a bool, not str"),
    (check_flag, 0, TypeError, "it must be a bool, not int"),
    (check_flag, None, TypeError, "it must be a bool, not NoneType"),
    (a.identifiers(), [], ValueError, "it must have at least one"),
    (a.identifiers(), "abc", TypeError, "it must be a list of str, not str"),
    (a.identifiers(), {"a"}, TypeError, "it must be a list of str, not set"),
    (a.identifiers(), ["a", ""], ValueError, r"it\[1\] must not be empty"),
    (a.identifiers(), ["a", None], TypeError, r"it\[1\] must be a str"),
    (a.identifiers(2), ["a", "b", "c"], ValueError, "it must have 1 to 2, not 3"),
    (a.choice("up", "down"), "left", ValueError, "it must be one of up, down, not 'left'"),
    (a.choice("up", "down"), True, TypeError, "it must be a str, not bool"),
    (a.count(0, 20), 21, ValueError, "it must be 0 to 20, not 21"),
    (a.count(1), 0, ValueError, "it must be 1 or more, not 0"),
    (a.count(0, 20), True, TypeError, "it must be an int, not bool"),
    (a.count(0, 20), 1.0, TypeError, "it must be an int, not float"),
    (a.number(0, 1), 1.5, ValueError, "it must be 0 to 1, not 1.5"),
    (a.number(0), -1, ValueError, "it must be 0 or more, not -1"),
    (a.number(above=0), 0, ValueError, "it must be above 0, not 0"),
    (a.number(), "much", ValueError, "it must be a number, not 'much'"),
    (a.number(), float("nan"), ValueError, "it must be a finite number"),
    (a.number(), Decimal("Infinity"), ValueError, "it must be a finite number"),
    (a.number(), "1e999999", ValueError, "it must have at most 60 digits"),
    (a.number(), "1e-999999", ValueError, "it must have at most 60 digits"),
    (a.number(), True, TypeError, "it must be a number .* not bool"),
    (a.number(), None, TypeError, "it must be a number .* not NoneType"),
    (a.number_text(above=0), "0", ValueError, "it must be above 0, not 0"),
    (a.number_text(), -1, ValueError, "it must be 0 or more, not -1"),
    (a.number_text(), "", ValueError, "it must be a number"),
    (a.number_text(automatic=True), "auto", ValueError, "it must be a number"),
    (a.settings({}), [1], TypeError, "it must be a dict, not list"),
    (a.settings({"enabled": check_flag}), {"enabled": "true"}, TypeError, "it.enabled must be a bool"),
    (a.groups({}), [], ValueError, "it must have at least one"),
    (a.groups({}), {"x": 1}, TypeError, "it must be a list of dicts, not dict"),
    (a.groups({}), [5], TypeError, r"it\[0\] must be a dict, not int"),
    (a.groups({"n": a.count(0)}), [{"n": 1}, {"n": "1"}], TypeError, r"it\[1\].n must be an int"),
])
def test_bad_is_named(check: a.Check, bad: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        check("it", bad)


class Fields(TypedDict, total=False):
    max_slippage: Annotated[Optional[a.Number], a.number(0, 1)]
    currency_amount_ui: Annotated[Optional[a.Number], a.number()]


class Wallet(Fields):
    wallet_id: Annotated[str, check_word]


def test_params() -> None:
    given = {"wallet_id": "w", "max_slippage": None, "currency_amount_ui": 1}
    document = a.params(Wallet, given, {"newField": None, "x": [2]})
    assert document == {"walletId": "w", "currencyAmountUI": Decimal(1), "newField": None, "x": [2]}
    assert a.params(Fields, {}) == a.params(Fields, {}, None) == {}
    assert a.params(Fields, {"maxSlippage": None}) == {"maxSlippage": None}
    assert [*a.checks_of(Wallet)] == ["maxSlippage", "currencyAmountUI", "walletId"]


@pytest.mark.parametrize("given, extra, error, message", [
    ({"wallet_id": None}, {}, TypeError, "wallet_id must be a str"),
    ({}, {}, TypeError, "missing argument wallet_id"),
    ({"wallet_id": "w", "max_slippage": 2}, {}, ValueError, "max_slippage must be 0 to 1"),
    ({"wallet_id": "w", "maxSlippage": "x"}, {}, ValueError, "maxSlippage must be a number"),
    ({"wallet_id": "w", "max_slipage": 0.1}, {}, TypeError, "unexpected argument max_slipage: the nearest is max_slippage; "),
    ({"wallet_id": "w", "walletId": "v"}, {}, TypeError, "walletId is given twice"),
    ({"wallet_id": "w"}, {"walletId": "v"}, TypeError, "walletId is given twice"),
    ({"wallet_id": "w"}, {"wallet_id": "v"}, TypeError, "extra: 'wallet_id' is not a field of the venue"),
])
def test_bad_params(given: Any, extra: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        a.params(Wallet, given, extra)


def test_each_field_is_shown_in_place_of_the_rest() -> None:
    @spelled_out(Wallet)
    def create(self: Any, id: str, *, extra: Any = None, timeout: Optional[float] = None, **fields: Any) -> int:
        return 1

    parameters = inspect.signature(create).parameters
    assert [*parameters] == ["self", "id", "wallet_id", "max_slippage", "currency_amount_ui", "extra", "timeout"]
    assert parameters["wallet_id"].default is inspect.Parameter.empty and parameters["max_slippage"].default is None
    hints = get_type_hints(create)
    assert hints["wallet_id"] is str and hints["timeout"] == Optional[float] and "fields" not in hints


@pytest.mark.parametrize("name, wire", [
    ("id", "id"),
    ("wallet_id", "walletId"),
    ("max_fee_per_gas", "maxFeePerGas"),
    ("trigger_price_usd", "triggerPriceUsd"),
    ("currency_amount_ui", "currencyAmountUI"),
    ("min_dev_sell_percent", "minDevSellPercent"),
])
def test_wire_names(name: str, wire: str) -> None:
    assert a.wire_name(name) == wire


@pytest.mark.parametrize("value, text", [
    ({"a": Decimal("1E-9"), "b": 1e-7, "c": 5}, '{"a":0.000000001,"b":0.0000001,"c":5}'),
    ([True, None, "é\n", Decimal("12345678901234567890.123456789")], '[true,null,"\\u00e9\\n",12345678901234567890.123456789]'),
    (Decimal("1E+20"), "100000000000000000000"),
    ({}, "{}"),
])
def test_encoding(value: Any, text: str) -> None:
    assert a.encode(value) == text


@pytest.mark.parametrize("value, error, message", [
    ({"a": {"b": {1, 2}}}, TypeError, "params.a.b must be a JSON value, not set"),
    ({"a": [b"x"]}, TypeError, r"params.a\[0\] must be a JSON value"),
    ({5: 1}, TypeError, "params: a name must be a str"),
    ({"a": float("inf")}, ValueError, "params.a must be a finite number"),
    ({"a": Decimal("NaN")}, ValueError, "params.a must be a finite number"),
])
def test_what_cannot_be_sent_is_named(value: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        a.encode(value)


def test_what_holds_itself_cannot_be_sent() -> None:
    endless: Dict[str, Any] = {}
    endless["again"] = endless
    with pytest.raises(ValueError, match="params is nested too deeply"):
        a.encode(endless)


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals(allow_nan=False, allow_infinity=False, places=9),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
))
def test_whatever_goes_out_is_json_with_the_same_numbers(value: Any) -> None:
    try:
        text = a.encode(value)
    except ValueError:
        return  # digits without end
    assert json.loads(text, parse_float=Decimal) == value


@pytest.mark.parametrize("key", ["max_slippage", 5])
def test_names_in_python_spelling_inside_are_not_passed_over_in_silence(key: Any) -> None:
    with pytest.raises(TypeError, match="it\\[0\\]: .* is not a field of the venue"):
        a.groups({})("it", [{key: 1}])


@pytest.mark.parametrize("value", ["1_000", "\uff11", " 1", "1e", "0x10"])
def test_numbers_are_what_a_venue_would_read(value: str) -> None:
    with pytest.raises(ValueError, match="it must be a number"):
        a.number()("it", value)
