"""Order fields: numbers as plain text, and what is wrong with a field told by its name."""

from __future__ import annotations

import enum
import re
from decimal import Decimal as D
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from dbxsdk.bybit.trade.order_fields import order_fields, plain_number, require

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")

exponents = st.integers(min_value=-1_000, max_value=900)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda number: abs(number.adjusted()) <= 1_000 and -int(number.as_tuple().exponent) <= 1_000
) | st.builds(lambda digits, exponent: D(digits).scaleb(exponent), st.integers(-10**15, 10**15), exponents)


class Plain(float):
    def __repr__(self) -> str:
        return "Plain(...)"


class Side(str, enum.Enum):
    BUY = "Buy"


class Index(enum.IntEnum):
    LONG = 1


class TestNumbers:
    @settings(max_examples=500, deadline=None)
    @given(decimals | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
    def test_any_number_is_plain_text_that_means_the_same(self, number: Any) -> None:
        text = plain_number("qty", number)
        assert PLAIN.fullmatch(text)
        assert (float(text) if isinstance(number, float) else D(text)) == number

    @given(decimals | st.floats(allow_nan=False, allow_infinity=False))
    def test_any_number_as_text(self, number: Any) -> None:
        text = plain_number("qty", str(number))
        assert PLAIN.fullmatch(text) and D(text) == D(str(number))

    @pytest.mark.parametrize("number, text", [
        (D("0.10"), "0.10"), (D("1E-8"), "0.00000001"), (D("1E+3"), "1000"), (D("-0"), "0"), (D("0E-3"), "0.000"),
        (0.1, "0.1"), (1e-07, "0.0000001"), (1e22, "10000000000000000000000"), (0.1 + 0.2, "0.30000000000000004"),
        (-0.0, "0.0"), (5, "5"), (-5, "-5"), (10**30, "1" + "0" * 30), ("0.10", "0.10"), ("1e-7", "0.0000001"),
        ("+5", "5"), (".5", "0.5"), ("5.", "5"), ("0", "0"), (Plain(0.5), "0.5"), (Index.LONG, "1"),
    ])
    def test_digits(self, number: Any, text: str) -> None:
        assert plain_number("qty", number) == text

    @pytest.mark.parametrize("bad", [True, False, None, b"1", [], Fraction(1, 2), 1j, object()])
    def test_no_number(self, bad: Any) -> None:
        with pytest.raises(TypeError, match="^qty must be"):
            plain_number("qty", bad)

    @pytest.mark.parametrize("bad", [
        float("nan"), float("inf"), -float("inf"), D("NaN"), D("sNaN"), D("Infinity"), "nan", "inf", "", " ", "1 ", " 1", "1_000",
        "1,5", "abc", "0x10", "1e", "--1", "٣", "1\n", D("1e999999"), D("1e-999999"), "1e999999999", "1e-999999999", 10**3000,
    ])
    def test_numbers_that_are_no_amounts(self, bad: Any) -> None:
        with pytest.raises(ValueError, match="^qty"):
            plain_number("qty", bad)


class TestFields:
    def test_known_ones(self) -> None:
        assert order_fields({
            "category": "linear", "symbol": "AUSDT", "side": Side.BUY, "qty": D("1E-3"), "price": 10, "takeProfit": 1e-05,
            "positionIdx": 1, "reduceOnly": True, "stopLoss": None, "bboLevel": 2, "orderLinkId": "l-1",
        }) == {
            "category": "linear", "symbol": "AUSDT", "side": "Buy", "qty": "0.001", "price": "10", "takeProfit": "0.00001",
            "positionIdx": 1, "reduceOnly": True, "bboLevel": "2", "orderLinkId": "l-1",
        }

    def test_unknown_ones_are_passed_on(self) -> None:
        given_fields = {
            "newText": "", "newFlag": True, "newInt": 5, "newList": [1, "a"], "newDecimal": D("1E-9"), "newFloat": 1e-9,
        }
        assert order_fields(given_fields) == {**given_fields, "newDecimal": "0.000000001", "newFloat": "0.000000001"}

    @pytest.mark.parametrize("name, value, error", [
        ("qty", True, TypeError), ("price", [], TypeError), ("price", "", ValueError), ("qty", float("nan"), ValueError),
        ("symbol", 5, TypeError), ("symbol", "", ValueError), ("symbol", "A B", ValueError), ("side", True, TypeError),
        ("orderLinkId", "", ValueError), ("orderLinkId", 5, TypeError), ("orderId", "", ValueError),
        ("orderId", "a\n", ValueError),
        ("positionIdx", "0", TypeError), ("positionIdx", True, TypeError), ("positionIdx", D(0), TypeError),
        ("reduceOnly", 1, TypeError), ("reduceOnly", "true", TypeError), ("timeInForce", D(1), TypeError),
        ("newField", object(), TypeError), ("newField", [D(1)], TypeError), ("newField", D("NaN"), ValueError),
    ])
    def test_wrong_ones_are_named(self, name: str, value: Any, error: Any) -> None:
        with pytest.raises(error, match=f"^{name} "):
            order_fields({name: value})
        with pytest.raises(error, match=rf"^request\[3\]\.{name} "):
            order_fields({name: value}, "request[3].")

    def test_names_are_texts(self) -> None:
        with pytest.raises(TypeError, match="field names"):
            order_fields({5: "a"})  # type: ignore[dict-item]

    def test_what_was_given_is_not_changed(self) -> None:
        given_fields = {"qty": D(1), "price": None}
        order_fields(given_fields)
        assert given_fields == {"qty": D(1), "price": None}

    def test_missing(self) -> None:
        require({"symbol": "A"}, ("symbol",))
        with pytest.raises(ValueError, match=r"request\[0\]\.qty is missing"):
            require({"symbol": "A"}, ("symbol", "qty"), "request[0].")


@pytest.mark.parametrize("name", ["order_link_id", "reduce_only", "time_in_force"])
def test_names_in_python_spelling_are_not_passed_over_in_silence(name: str) -> None:
    with pytest.raises(TypeError, match=f"request\\[1\\].{name} is not a field of the venue"):
        order_fields({"symbol": "BTCUSDT", name: "x"}, "request[1].")
