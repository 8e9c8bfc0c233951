"""Order fields: numbers as plain text, and what is wrong with a field told by its name."""

from __future__ import annotations

import enum
import re
from decimal import Decimal as D
from fractions import Fraction
from typing import Any, Dict, Tuple

import pytest
from hypothesis import given, settings, strategies as st

from dbxsdk.bybit.trade.order_fields import (
    AMEND,
    AMEND_BATCH,
    CANCEL,
    CANCEL_BATCH,
    CREATE,
    CREATE_BATCH,
    Operation,
    checked_order,
    plain_number,
)

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")

exponents = st.integers(min_value=-1_000, max_value=900)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda number: abs(number.adjusted()) <= 1_000 and -int(number.as_tuple().exponent) <= 1_000
) | st.builds(lambda digits, exponent: D(digits).scaleb(exponent), st.integers(-10**15, 10**15), exponents)


class Plain(float):
    def __repr__(self) -> str:
        return "Plain(...)"


class Index(enum.IntEnum):
    LONG = 1


class TestNumbers:
    @settings(max_examples=250, deadline=None)
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


NEW: Dict[str, Any] = {
    "category": "linear", "symbol": "AUSDT", "side": "Buy", "orderType": "Limit", "qty": "1", "price": "10",
}
ROW = {name: value for name, value in NEW.items() if name != "category"}
OLD: Dict[str, Any] = {"category": "linear", "symbol": "AUSDT", "orderId": "o"}

# The venue's table (D:order/create-order): each field, a value of it as given and as sent, and the categories that have it.
EVERYWHERE, CONTRACTS, NOT_OPTIONS = ("spot", "linear", "inverse", "option"), ("linear", "inverse"), ("spot", "linear", "inverse")
TABLE: Tuple[Tuple[str, Any, Any, Tuple[str, ...]], ...] = (
    ("price", 10, "10", EVERYWHERE), ("timeInForce", "PostOnly", "PostOnly", EVERYWHERE),
    ("orderLinkId", "l_-1", "l_-1", EVERYWHERE), ("isLeverage", 1, 1, ("spot",)),
    ("marketUnit", "baseCoin", "baseCoin", ("spot",)),
    ("orderFilter", "StopOrder", "StopOrder", ("spot",)), ("triggerPrice", D("1E+3"), "1000", NOT_OPTIONS),
    ("triggerDirection", 2, 2, CONTRACTS), ("triggerBy", "MarkPrice", "MarkPrice", CONTRACTS),
    ("orderIv", 0.1, "0.1", ("option",)),
    ("positionIdx", Index.LONG, 1, CONTRACTS), ("reduceOnly", True, True, ("linear", "inverse", "option")),
    ("closeOnTrigger", True, True, CONTRACTS), ("takeProfit", 1e-05, "0.00001", EVERYWHERE), ("stopLoss", "2", "2", EVERYWHERE),
    ("tpTriggerBy", "IndexPrice", "IndexPrice", CONTRACTS), ("slTriggerBy", "LastPrice", "LastPrice", CONTRACTS),
    ("tpslMode", "Partial", "Partial", CONTRACTS), ("tpOrderType", "Limit", "Limit", NOT_OPTIONS),
    ("slOrderType", "Limit", "Limit", NOT_OPTIONS), ("tpLimitPrice", 3, "3", NOT_OPTIONS), ("slLimitPrice", 4, "4", NOT_OPTIONS),
    ("slippageToleranceType", "Percent", "Percent", EVERYWHERE), ("slippageTolerance", D("0.50"), "0.5", EVERYWHERE),
    ("smpType", "None", "None", EVERYWHERE), ("mmp", True, True, ("option",)),
    ("bboSideType", "Queue", "Queue", CONTRACTS), ("bboLevel", 2, "2", CONTRACTS), ("rpiTakerAccess", True, True, EVERYWHERE),
)
# What else a field needs to stand in an order.
COMPANY: Dict[str, Dict[str, Any]] = {
    "orderFilter": {"triggerPrice": "1"}, "triggerDirection": {"triggerPrice": "1"},
    "triggerBy": {"triggerPrice": "1", "triggerDirection": 1},
    "tpTriggerBy": {"takeProfit": "1"}, "slTriggerBy": {"stopLoss": "1"}, "tpslMode": {"stopLoss": "1"},
    **{
        f"{exit_}{each}": {whole: "1", "tpslMode": "Partial", f"{exit_}OrderType": "Limit", f"{exit_}LimitPrice": "1"}
        for exit_, whole in (("tp", "takeProfit"), ("sl", "stopLoss")) for each in ("OrderType", "LimitPrice")
    },
    "bboSideType": {"bboLevel": 1}, "bboLevel": {"bboSideType": "Queue"},
    "slippageToleranceType": {"orderType": "Market", "slippageTolerance": "1"},
    "slippageTolerance": {"orderType": "Market", "slippageToleranceType": "Percent"},
}


def company(name: str, category: str) -> Dict[str, Any]:
    more = COMPANY.get(name, {})
    if name == "triggerPrice":
        more = {"orderFilter": "tpslOrder"} if category == "spot" else {"triggerDirection": 1}
    return {key: value for key, value in more.items() if category != "spot" or key != "tpslMode"}


def placed(**fields: Any) -> Dict[str, Any]:
    return checked_order(CREATE, {**NEW, **fields})


class TestFields:
    def test_the_table_has_every_field(self) -> None:
        assert [*NEW][:5] + [name for name, *_ in TABLE] == [*CREATE.table]

    @pytest.mark.parametrize("name, value, sent, categories", TABLE)
    def test_each_documented_one_and_its_categories(self, name: str, value: Any, sent: Any, categories: Tuple[str, ...]) -> None:
        for category in EVERYWHERE:
            given_fields = {**company(name, category), name: value, "category": category}
            if category in categories:
                order = placed(**given_fields)
                assert order[name] == sent and type(order[name]) in (type(sent), Index)
            else:
                with pytest.raises(ValueError, match=rf"^{name} is not for category {category}, only for {categories[0]}"):
                    checked_order(CREATE, {**NEW, "category": category, name: value})

    @pytest.mark.parametrize("name, nothing", [
        ("reduceOnly", False), ("isLeverage", 0), ("positionIdx", 0), ("mmp", False), ("orderFilter", "Order"),
    ])
    def test_what_asks_for_nothing_goes_with_every_category(self, name: str, nothing: Any) -> None:
        for category in EVERYWHERE:
            assert placed(category=category, **{name: nothing})[name] is nothing

    @pytest.mark.parametrize("zero", [0, "0", "0.000", D(0), 0.0, D("-0")])
    @pytest.mark.parametrize("name", [
        "triggerPrice", "orderIv", "takeProfit", "stopLoss", "tpLimitPrice", "slLimitPrice", "slippageTolerance",
    ])
    def test_a_number_that_is_0_asks_for_nothing(self, name: str, zero: Any) -> None:
        for category in EVERYWHERE:
            for company in ({}, {"reduceOnly": category != "spot"}, {"orderType": "Market", "price": None}):
                assert not placed(category=category, **{**company, name: zero})[name].strip("0.")  # and goes out
        assert checked_order(AMEND, {**OLD, "takeProfit": zero})["takeProfit"].strip("0.") == ""  # here it takes it away

    @pytest.mark.parametrize("name, value, error", [
        ("qty", True, TypeError), ("price", [], TypeError), ("price", "", ValueError), ("qty", float("nan"), ValueError),
        ("qty", "-1", ValueError), ("qty", 0, ValueError), ("qty", "0.00", ValueError), ("qty", None, ValueError),
        ("symbol", 5, TypeError), ("symbol", "", ValueError), ("symbol", "A B", ValueError), ("symbol", "btcusdt", ValueError),
        ("side", True, TypeError), ("side", "buy", ValueError), ("side", "BUY", ValueError), ("orderType", "limit", ValueError),
        ("category", "Linear", ValueError), ("category", "futures", ValueError), ("timeInForce", "POST_ONLY", ValueError),
        ("orderLinkId", "", ValueError), ("orderLinkId", 5, TypeError), ("orderLinkId", "a" * 37, ValueError),
        ("orderLinkId", "a.b", ValueError), ("orderLinkId", "\u0661", ValueError), ("orderLinkId", "a\n", ValueError),
        ("positionIdx", "0", TypeError), ("positionIdx", True, TypeError), ("positionIdx", D(0), TypeError),
        ("positionIdx", 3, ValueError), ("triggerDirection", 0, ValueError), ("isLeverage", 2, ValueError),
        ("reduceOnly", 1, TypeError), ("reduceOnly", "true", TypeError), ("timeInForce", D(1), TypeError),
        ("bboLevel", 6, ValueError), ("bboLevel", "2.0", ValueError), ("bboLevel", True, TypeError), ("bboLevel", 2.0, TypeError),
        ("smpType", "none", ValueError), ("tpslMode", "full", ValueError), ("triggerBy", "lastPrice", ValueError),
        ("takeProfit", [1], TypeError), ("marketUnit", "base", ValueError),
    ])
    def test_wrong_ones_are_named(self, name: str, value: Any, error: Any) -> None:
        with pytest.raises(error, match=f"^{name} "):
            placed(**{name: value})
        if name != "category" and name not in CREATE_BATCH.without:
            with pytest.raises(error, match=rf"^request\[3\]\.{name} "):
                checked_order(CREATE_BATCH, {**ROW, name: value}, None, "request[3].", "linear")

    @pytest.mark.parametrize("slip, meant", [
        ("reduceonly", "reduceOnly"), ("timeInforce", "timeInForce"), ("orderLinkID", "orderLinkId"), ("stoploss", "stopLoss"),
        ("order_link_id", "orderLinkId"), ("reduce_only", "reduceOnly"), ("time_in_force", "timeInForce"), ("Price", "price"),
        ("REDUCEONLY", "reduceOnly"), ("positionIDX", "positionIdx"), ("triggerprice", "triggerPrice"), ("quantity", "qty"),
    ])
    def test_a_slip_of_the_hand_is_told_the_nearest(self, slip: str, meant: str) -> None:
        words = f"{slip} is not a field of the venue's order.create: the nearest is {meant};"
        with pytest.raises(TypeError, match=f"^{words}.*extra="):
            placed(**{slip: "x"})
        with pytest.raises(TypeError, match=rf"^request\[1\]\.{slip} is not a field .*create-batch: the nearest is {meant};"):
            checked_order(CREATE_BATCH, {**ROW, slip: None}, None, "request[1].", "linear")

    def test_names_are_texts(self) -> None:
        with pytest.raises(TypeError, match="field names must be str, not int"):
            checked_order(CREATE, {5: "a"})  # type: ignore[dict-item]

    def test_what_was_given_is_not_changed(self) -> None:
        given_fields = {**NEW, "qty": D(1), "stopLoss": None}
        checked_order(CREATE, given_fields)
        assert given_fields == {**NEW, "qty": D(1), "stopLoss": None}

    @pytest.mark.parametrize("name", [*NEW][:5])
    def test_missing(self, name: str) -> None:
        left = {key: value for key, value in NEW.items() if key != name}
        with pytest.raises(TypeError, match=f"^{name} is missing"):
            checked_order(CREATE, left)
        with pytest.raises(ValueError, match=f"^{name} is missing"):
            placed(**{name: None})


class TestExtra:
    def test_it_goes_out_unchecked(self) -> None:
        more = {"newText": "", "newFlag": True, "newList": [1], "newNull": None, "timeInForce": "NEW", "newDecimal": D("1E-9")}
        order = checked_order(CREATE, NEW, more)
        assert order == {**NEW, **more, "newDecimal": "0.000000001"}

    def test_numbers_within_it_are_plain(self) -> None:
        more = {"legs": [{"price": 1e-07, "qty": (D("1E+3"), 5)}], "on": {"a": True, "b": None}}
        sent = {"legs": [{"price": "0.0000001", "qty": ["1000", 5]}], "on": {"a": True, "b": None}}
        assert checked_order(CREATE, NEW, more) == {**NEW, **sent}
        assert more["legs"][0]["price"] == 1e-07  # type: ignore[index]

    def test_a_new_way_to_say_the_price(self) -> None:
        left = {key: value for key, value in NEW.items() if key != "price"}
        assert checked_order(CREATE, left, {"priceFrom": "moon"})["priceFrom"] == "moon"

    @pytest.mark.parametrize("more, error, match", [
        ([1], TypeError, "^extra must be a dict"), ({5: 1}, TypeError, "^extra: field names must be str"),
        ({"price": "1"}, TypeError, "^price is given twice"), ({"a": object()}, TypeError, r"^extra\.a cannot be written"),
        ({"a": [D("Inf")]}, ValueError, r"^extra\.a\[0\] must be a finite"),
        ({"a": {5: object()}}, TypeError, r"^extra\.a cannot"),
        ({"a": {"b": 1e-5, "c": float("nan")}}, ValueError, r"^extra\.a\.c must be a finite"),
        ({"a": D("NaN")}, ValueError, r"^extra\.a must be a finite"),
    ])
    def test_wrong_ones(self, more: Any, error: Any, match: str) -> None:
        with pytest.raises(error, match=match):
            checked_order(CREATE, NEW, more)


MARKET: Dict[str, Any] = {"orderType": "Market", "price": None}
PERCENT = {**MARKET, "slippageToleranceType": "Percent"}
TICKS = {**MARKET, "slippageToleranceType": "TickSize"}


class TestCombinations:
    @pytest.mark.parametrize("fields, match", [
        ({"price": None}, "price is missing: a limit order"),
        ({"triggerDirection": 1}, "triggerDirection needs triggerPrice"),
        ({"triggerBy": "LastPrice"}, "triggerBy needs triggerPrice"),
        ({"triggerPrice": 1}, "triggerDirection is missing"),
        ({"category": "inverse", "triggerPrice": 1}, "triggerDirection is missing"),
        ({"category": "option", "positionIdx": 2}, "positionIdx is not for category option"),
        ({"orderFilter": "tpslOrder"}, "orderFilter is not for category linear"),
        ({"price": 0}, "price is missing: a limit order"),
        ({"price": None, "bboSideType": "Queue"}, "bboLevel is missing: without a price"),
        ({"price": None, "bboLevel": 1}, "bboSideType is missing: without a price"),
        ({"category": "spot", "orderFilter": "tpslOrder", "triggerPrice": "0"}, "triggerPrice is missing"),
        ({"tpTriggerBy": "LastPrice"}, "tpTriggerBy needs takeProfit"),
        ({"slTriggerBy": "LastPrice", "takeProfit": 1}, "slTriggerBy needs stopLoss"),
        ({"slOrderType": "Market", "stopLoss": 0}, "slOrderType needs stopLoss"),
        ({"category": "spot", "tpLimitPrice": 1}, "tpLimitPrice needs takeProfit"),
        ({"tpslMode": "Full"}, "tpslMode needs takeProfit or stopLoss"),
        ({"category": "spot", "triggerPrice": 1}, "triggerPrice needs orderFilter"),
        ({"category": "spot", "triggerPrice": 1, "orderFilter": "Order"}, "triggerPrice needs orderFilter"),
        ({"category": "spot", "orderFilter": "tpslOrder"}, "triggerPrice is missing: orderFilter tpslOrder"),
        ({"category": "spot", **MARKET, "stopLoss": 1}, "stopLoss is for limit orders only"),
        ({"category": "spot", "tpOrderType": "Limit", "takeProfit": 1}, "tpLimitPrice is missing"),
        ({"reduceOnly": True, "takeProfit": 1}, "takeProfit cannot go with reduceOnly"),
        ({"category": "option", "reduceOnly": True, "stopLoss": 1}, "stopLoss cannot go with reduceOnly"),
        ({"takeProfit": 1, "tpOrderType": "Limit", "tpLimitPrice": 1}, "tpslMode must be Partial for tpOrderType"),
        ({"stopLoss": 1, "slOrderType": "Limit", "slLimitPrice": 1, "tpslMode": "Full"}, "tpslMode must be Partial"),
        ({"stopLoss": 1, "slOrderType": "Limit", "tpslMode": "Partial"}, "slLimitPrice is missing"),
        ({"takeProfit": 1, "tpLimitPrice": 1, "tpslMode": "Partial"}, "tpOrderType must be Limit"),
        ({**MARKET, "timeInForce": "PostOnly"}, "timeInForce PostOnly is not for market orders"),
        ({**MARKET, "timeInForce": "RPI"}, "timeInForce RPI is not for market orders"),
        ({"qty": 0, "reduceOnly": True}, "qty must be above 0"),
        ({**MARKET, "slippageTolerance": 1}, "slippageToleranceType is missing"),
        (TICKS, "slippageTolerance is missing"),
        ({"slippageToleranceType": "Percent", "slippageTolerance": 1}, "slippageTolerance is for market orders"),
        ({**PERCENT, "slippageTolerance": 1, "triggerPrice": 1, "triggerDirection": 1}, "slippageTolerance cannot go with"),
        ({**PERCENT, "slippageTolerance": "0.001"}, "slippageTolerance must be 0.01 to 10"),
        ({**PERCENT, "slippageTolerance": 11}, "slippageTolerance must be 0.01 to 10"),
        ({**TICKS, "slippageTolerance": "1.5"}, "slippageTolerance must be a whole number"),
        ({**TICKS, "slippageTolerance": 10_001}, "slippageTolerance must be a whole number"),
    ])
    def test_ruled_out(self, fields: Dict[str, Any], match: str) -> None:
        with pytest.raises(ValueError, match=f"^{match}"):
            placed(**fields)

    @pytest.mark.parametrize("fields", [
        {**MARKET}, {**MARKET, "timeInForce": "GTC"}, {"category": "option", "price": None, "orderIv": 0.5},
        {"price": None, "bboSideType": "Queue", "bboLevel": "1"}, {"qty": "0", "reduceOnly": True, "closeOnTrigger": True},
        {"triggerPrice": 1, "triggerDirection": 1, "triggerBy": "MarkPrice", "positionIdx": 1, "reduceOnly": True},
        {"category": "spot", "triggerPrice": 1, "orderFilter": "StopOrder"},
        {"category": "spot", "takeProfit": 1, "tpOrderType": "Limit", "tpLimitPrice": 1},
        {"takeProfit": 1, "tpslMode": "Partial", "tpOrderType": "Limit", "tpLimitPrice": 1, "stopLoss": 1},
        {"takeProfit": 1, "stopLoss": 2, "tpslMode": "Full", "reduceOnly": False},
        {**PERCENT, "slippageTolerance": "0.01"}, {**PERCENT, "slippageTolerance": "10.00"},
        {**TICKS, "slippageTolerance": 10_000}, {**TICKS, "slippageTolerance": 10.0}, {**TICKS, "slippageTolerance": "1e1"},
        {"category": "inverse", "positionIdx": 2}, {"bboSideType": "Queue"},
    ])
    def test_allowed(self, fields: Dict[str, Any]) -> None:
        assert placed(**fields)["symbol"] == "AUSDT"

    @pytest.mark.parametrize("given, sent", [(10.0, "10"), (D("10.00"), "10"), ("1e1", "10"), (100, "100")])
    def test_ticks_are_sent_whole(self, given: Any, sent: str) -> None:
        assert placed(**TICKS, slippageTolerance=given)["slippageTolerance"] == sent


class TestExistingOrders:
    def test_each_field_of_an_amendment(self) -> None:
        fields = {
            "qty": 1, "price": 2, "triggerPrice": 3, "triggerBy": "MarkPrice", "takeProfit": 0, "stopLoss": 0,
            "tpTriggerBy": "LastPrice", "slTriggerBy": "IndexPrice", "tpslMode": "Full", "tpLimitPrice": 4, "slLimitPrice": 5,
        }
        texts = {name: str(value) if isinstance(value, int) else value for name, value in fields.items()}
        assert checked_order(AMEND, {**OLD, **fields}) == {**OLD, **texts}
        assert checked_order(AMEND, {**OLD, "category": "option", "orderIv": 1})["orderIv"] == "1"
        assert {*AMEND.table} == {*OLD, *fields, "orderLinkId", "orderIv"}

    @pytest.mark.parametrize("operation, change, error, match", [
        (AMEND, {}, ValueError, "qty, price or something else to change is missing"),
        (AMEND, {"qty": 1, "orderId": None}, ValueError, "orderId is missing"),
        (AMEND, {"side": "Buy"}, TypeError, "side is not a field of the venue's order.amend: the nearest is"),
        (AMEND, {"reduceOnly": True}, TypeError, "reduceOnly is not a field"),
        (AMEND, {"orderIv": 1}, ValueError, "orderIv is not for category linear"),
        (CANCEL, {"orderId": None}, ValueError, "orderId is missing"),
        (CANCEL, {"qty": 1}, TypeError, "qty is not a field of the venue's order.cancel"),
        (CANCEL, {"orderFilter": "tpslOrder"}, ValueError, "orderFilter is not for category linear, only for spot"),
        (CANCEL, {"symbol": "ausdt"}, ValueError, "symbol must be in upper case"),
    ])
    def test_wrong_ones(self, operation: Operation, change: Dict[str, Any], error: Any, match: str) -> None:
        with pytest.raises(error, match=f"^{match}"):
            checked_order(operation, {**OLD, **change})

    def test_a_conditional_one_on_spot(self) -> None:
        spot = {**OLD, "category": "spot", "orderFilter": "tpslOrder"}
        assert checked_order(CANCEL, spot) == spot

    @pytest.mark.parametrize("operation, name", [
        *((CREATE_BATCH, name) for name in CREATE_BATCH.without), (AMEND_BATCH, "category"), (CANCEL_BATCH, "category"),
        (CANCEL_BATCH, "orderFilter"),
    ])
    def test_what_batches_have_not(self, operation: Operation, name: str) -> None:
        with pytest.raises(TypeError, match=rf"^request\[0\]\.{name} is not a field of the venue's {operation.name}: "):
            checked_order(operation, {name: "1"}, None, "request[0].", "linear")

    @pytest.mark.parametrize("text", ["by-the-app.1", "x" * 40])
    def test_ids_that_others_gave_are_passed_on(self, text: str) -> None:
        assert checked_order(CANCEL, {**OLD, "orderLinkId": text})["orderLinkId"] == text
