"""How models are read from wire documents: exactly, leniently where venues add, strictly where they leave out."""

from __future__ import annotations

import datetime
import copy
import pickle
from decimal import Decimal
from typing import Any, List, Optional, Tuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import ProtocolError, UnreadableField, Update, fields, schema
from dbxsdk.bybit.public.channels import TRADES
from dbxsdk.fields import boolean, decimal, each, integer, lazy, levels, reader, text, wire


@attrs.frozen
class Model:
    price: Decimal = wire("p", decimal)
    order_link_id: str = wire("orderLinkId", text)
    side: Optional[str] = wire("side", text, default=None)
    size: Optional[Decimal] = wire("s", decimal, default=None)
    book: Tuple[Any, ...] = wire("b", levels, default=())


read = reader(Model)
GOOD = {"p": "1.10", "orderLinkId": "x"}


def test_names_numbers_and_defaults() -> None:
    model = read(GOOD)
    assert model == Model(Decimal("1.10"), "x")
    assert str(model.price) == "1.10", "the zeros of the wire stay"
    assert (model.side, model.size, model.book) == (None, None, ())


def test_unknown_fields_never_break_it() -> None:
    assert read({**GOOD, "new": {"a": [1]}, "": None}) == read(GOOD)


@pytest.mark.parametrize(
    "document", [{"orderLinkId": "x"}, {"p": None, "orderLinkId": "x"}, {"p": "", "orderLinkId": "x"}, {"p": "1"}]
)
def test_a_missing_required_field_is_named(document: Any) -> None:
    with pytest.raises(ProtocolError, match="Model: the field '(p|orderLinkId)' is missing"):
        read(document)


@pytest.mark.parametrize("absent", [{}, {"s": None, "side": None}, {"s": ""}])
def test_an_optional_field_may_be_absent_null_or_empty(absent: Any) -> None:
    assert read({**GOOD, **absent}) == read(GOOD)


def test_an_empty_text_is_a_value_of_a_text_field() -> None:
    assert read({"p": "1", "orderLinkId": "", "side": ""}).order_link_id == ""
    assert read({**GOOD, "side": ""}).side == ""


@pytest.mark.parametrize(
    "bad",
    [
        {"p": "abc"},
        {"p": True},
        {"p": []},
        {"p": {}},
        {"p": "NaN"},
        {"p": "Infinity"},
        {"p": 1e999},
        {"orderLinkId": 5},
        {"s": "x"},
    ],
)
def test_an_unreadable_field_is_a_protocol_error_that_names_it(bad: Any) -> None:
    with pytest.raises(ProtocolError, match=f"the field {next(iter(bad))!r}"):
        read({**GOOD, **bad})


@pytest.mark.parametrize("document", [None, [], "x", 5, True])
def test_what_is_no_object_is_a_protocol_error(document: Any) -> None:
    with pytest.raises(ProtocolError):
        read(document)
    with pytest.raises(ProtocolError):
        each(read)({"not": "a list"})
    with pytest.raises(ProtocolError):
        each(read)([GOOD, document])


def test_decimals_never_pass_through_binary_floats() -> None:
    assert decimal("0.1") == Decimal("0.1")
    assert decimal(0.1) == Decimal("0.1")
    assert decimal(1523339279.761838) == Decimal("1523339279.761838")
    assert decimal(10**30) == Decimal(10**30)
    assert decimal("-1E-8") == Decimal("-0.00000001")


@pytest.mark.parametrize("value", ["x", "0x10", "", "1,5", "--1"])
def test_what_is_no_number_is_refused(value: str) -> None:
    for convert in (decimal, integer):
        with pytest.raises((ValueError, ArithmeticError)):
            convert(value)


def test_integers_booleans_and_texts() -> None:
    assert (integer(5), integer("5"), integer("-7")) == (5, 5, -7)
    assert (boolean(True), text("x")) == (True, "x")
    for convert, value in (
        (integer, True),
        (integer, 5.0),
        (integer, None),
        (boolean, 1),
        (boolean, "true"),
        (text, 5),
        (text, None),
    ):
        with pytest.raises(TypeError):
            convert(value)


def test_levels_keep_the_order_of_the_wire() -> None:
    assert levels([["2", "1"], ["1", "0"]]) == ((Decimal(2), Decimal(1)), (Decimal(1), Decimal(0)))
    assert levels([]) == ()


@pytest.mark.parametrize(
    "value", ["12", ["12"], [["1"]], [["1", "2", "3"]], {"12": 0}, [{"1": 0, "2": 0}], [None], 5, [["1", None]]]
)
def test_what_is_no_side_of_a_book_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError):
        read({**GOOD, "b": value})


def test_an_update_is_frozen_and_its_document_is_not_in_its_representation() -> None:
    update = Update("v", "c", "s", "update", 1, None, 5, {"secret": "of the wire"})
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        update.data = 2  # type: ignore[misc]
    assert "of the wire" not in repr(update)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["p", "orderLinkId", "side", "s", "b", "x"]), inner, max_size=6)
    ),
    max_leaves=12,
)


@given(json_values)
def test_any_document_gives_a_model_or_a_protocol_error(document: Any) -> None:
    for convert in (read, each(read)):
        try:
            convert(document)
        except ProtocolError:
            pass


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_every_decimal_text_comes_through_unchanged(number: Decimal) -> None:
    assert str(decimal(str(number))) == str(number)


# -- models that are read field by field ---------------------------------------------------------------

looked_at: List[Any] = []


def _noted(value: Any) -> Decimal:
    looked_at.append(value)
    return decimal(value)


@lazy
@attrs.frozen(slots=False)
class Lazy(fields.Lazy):
    price: Decimal = wire("p", _noted)
    side: str = wire("side", text)
    size: Optional[Decimal] = wire("s", _noted, default=None)


read_lazily = reader(Lazy)


def test_a_lazy_field_is_read_once_and_when_it_is_looked_at() -> None:
    looked_at.clear()
    model = read_lazily({"p": "1.10", "side": "", "s": "2"})
    assert looked_at == []
    assert (model.price, model.price, model.side) == (Decimal("1.10"), Decimal("1.10"), "")
    assert looked_at == ["1.10"]
    assert model.size == 2 and looked_at == ["1.10", "2"]


def test_a_lazy_model_is_a_value_like_any_other() -> None:
    model = read_lazily({"p": "1.10", "side": "Buy"})
    made = Lazy(Decimal("1.10"), "Buy")
    assert model == made and hash(model) == hash(made) and repr(model) == repr(made)
    assert attrs.asdict(read_lazily({"p": "1", "side": "Buy"})) == {"price": 1, "side": "Buy", "size": None}
    assert attrs.evolve(model, side="Sell").side == "Sell"
    for again in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(read_lazily({"p": "1.10", "side": "Buy"})))):
        assert again == made
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        model.price = Decimal(5)  # type: ignore[misc]
    with pytest.raises(AttributeError):
        model.prize  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("document", [{}, {"p": "1"}, {"p": None, "side": "x"}, {"p": "", "side": "x"}, [], None, "x"])
def test_what_a_lazy_model_needs_is_looked_for_at_once(document: Any) -> None:
    with pytest.raises(ProtocolError):
        read_lazily(document)


@pytest.mark.parametrize("zero", [0, "0", 0.0])
def test_nothing_is_not_the_same_as_missing(zero: Any) -> None:
    assert read_lazily({"p": zero, "side": ""}).price == 0


@pytest.mark.parametrize("bad", ["abc", True, [], {}, "NaN", "Infinity", 1e999])
def test_an_unreadable_lazy_field_is_told_where_it_is_looked_at_each_time(bad: Any) -> None:
    model = read_lazily({"p": "1", "side": "Buy", "s": bad})
    for _ in range(2):
        with pytest.raises(UnreadableField, match="Lazy: the field 's' cannot be read"):
            model.size  # noqa: B018
    assert model.price == 1


@lazy
@attrs.frozen(slots=False)
class Sum(fields.Lazy):
    total: Optional[int] = wire(None, lambda document: document["a"] + document["b"] if document else None, default=None)


def test_a_lazy_field_of_the_whole_document() -> None:
    read_sum = reader(Sum)
    assert read_sum({"a": 1, "b": 2}) == Sum(3) and read_sum({}) == Sum()
    with pytest.raises(UnreadableField, match="Sum: the field 'total' cannot be read") as raised:
        read_sum({"a": 1, "b": "2"}).total  # noqa: B018
    assert raised.value.model.__class__ is Sum
    assert schema.shape(read_sum) is None, "no typed decoder knows the document's keys"


@pytest.mark.parametrize("wire_text", ["1e1000", "-1e999999999", "1e-1000", "0e-999999999", "9" * 1001])
def test_numbers_out_of_all_range(wire_text: str) -> None:
    with pytest.raises(ValueError, match="more than 1,000 digits"):
        decimal(wire_text)


@pytest.mark.parametrize("wire_text", ["1e999", "-1e-999", "0.000", str(2**256), "1" * 999])
def test_numbers_of_any_use(wire_text: str) -> None:
    assert decimal(wire_text) == Decimal(wire_text)


class TestRecords:
    """``Update.records``: plain dicts, as csv and pandas take them."""

    def update(self, data: Any) -> Update[Any]:
        return Update("venue", "channel", "SYMBOL", "update", data, 1, 2, {})

    def test_one_for_each_model(self) -> None:
        trades = TRADES.read([{"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "2", "p": "3.0", "i": "a"}] * 2)
        first, second = self.update(trades).records()
        assert first == second
        assert (first["channel"], first["received_ns"], first["price"], first["trade_id"]) == ("channel", 2, Decimal("3.0"), "a")
        assert first["symbol"] == "BTCUSDT", "the model's own stays"
        assert "raw" not in first and not any(name.startswith("_") for name in first)

    def test_models_within_models_are_dicts(self) -> None:
        @attrs.frozen
        class Inner:
            a: int

        @attrs.frozen
        class Outer:
            one: Inner
            several: Tuple[Inner, ...]
            levels: Tuple[Tuple[int, int], ...]

        (record,) = self.update(Outer(Inner(1), (Inner(2), Inner(3)), ((4, 5),))).records()
        assert record["one"] == {"a": 1} and record["several"] == [{"a": 2}, {"a": 3}] and record["levels"] == ((4, 5),)

    def test_without_a_model(self) -> None:
        assert self.update({"kind": "x", "b": 1}).records()[0]["kind"] == "x"
        assert [record["b"] for record in self.update([{"b": 1}, {"b": 2}]).records()] == [1, 2]
        assert self.update("text").records()[0]["data"] == "text"
        assert self.update(()).records() == [] == self.update(()).records(floats=True, times=True)

    def test_floats_and_times(self) -> None:
        data = {
            "price": Decimal("1.5"), "levels": ((Decimal("2.5"), 1),),
            "nested": {"p": Decimal("3.5"), "created_time": 1_700_000_000_123},
            "start": 1_700_000_000_000, "time": Decimal("1700000000.123456"),
            "at_ns": 1_700_000_000_123_456_789, "timestamp": 1_700_000_000,
            "lock_time": 60, "end": None, "time_in_force": "GTC", "settle_time": True, "far_time": 10**25, "updated_at": 0,
        }
        update: Any = attrs.evolve(self.update(data), venue_time_ms=1_700_000_000_123, received_ns=1_700_000_000_123_456_789)
        (plain,), (record,) = update.records(), update.records(floats=True, times=True)
        assert list(plain) == list(record) and plain["price"] == Decimal("1.5") and plain["start"] == 1_700_000_000_000
        assert (record["price"], record["levels"], record["nested"]["p"]) == (1.5, ((2.5, 1),), 3.5)
        assert all(isinstance(each, float) for each in (record["price"], record["levels"][0][0], record["nested"]["p"]))
        whole = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc)
        milliseconds, microseconds = (whole.replace(microsecond=each) for each in (123_000, 123_456))
        assert record["start"] == record["timestamp"] == whole and record["start"].tzinfo is datetime.timezone.utc
        assert record["venue_time_ms"] == record["nested"]["created_time"] == milliseconds
        assert record["time"] == record["at_ns"] == microseconds and isinstance(record["received_ns"], datetime.datetime)
        same = ("lock_time", "end", "time_in_force", "settle_time", "far_time", "updated_at")
        assert {name: record[name] for name in same} == {name: data[name] for name in same}, "no times"
        assert update.records(times=True)[0]["price"] == Decimal("1.5") and update.records(True)[0]["start"] == plain["start"]

    @pytest.mark.parametrize("wrong", [{"floats": 1}, {"times": None}])
    def test_the_switches_of_records_are_bools(self, wrong: Any) -> None:
        with pytest.raises(TypeError, match=next(iter(wrong))):
            self.update(()).records(**wrong)

    def test_a_field_that_cannot_be_read(self) -> None:
        trades = TRADES.read([{"T": 1, "s": "BTCUSDT", "S": "Buy", "v": "2", "p": "much", "i": "a"}])
        with pytest.raises(UnreadableField):
            self.update(trades).records()
