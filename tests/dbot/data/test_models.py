"""Market data is read when it is looked at, and is then what reading all of it at once would give."""

from __future__ import annotations

import copy
import json
import pickle
from decimal import Decimal
from typing import Any, Callable, Dict, List, Tuple, Type

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbxsdk import codec
from dbxsdk.dbot import models
from dbxsdk.dbot.models import INTERVALS, NewPair, PairInfo, Transaction, WalletTransaction, Window
from dbxsdk.errors import ProtocolError, UnreadableField

BAD = "it cannot be read"

# -- the same by another way: all at once, without the package's tables -------------------------------


class Unreadable(Exception):
    pass


def number(value: Any) -> Decimal:
    if type(value) not in (int, float, str, Decimal):
        raise Unreadable
    try:
        found = Decimal(str(value))
        if not (found.is_finite() and -1000 < found.adjusted() < 1000):
            raise Unreadable
    except ArithmeticError as error:
        raise Unreadable from error
    return found


def words(value: Any) -> str:
    if type(value) is not str:
        raise Unreadable
    return value


def label(value: Any) -> str:
    return str(value) if type(value) is int else words(value)


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Unreadable
    return value


def time(value: Any) -> int:
    found = number(value)
    if not 0 <= found < 100_000_000_000_000:
        raise Unreadable
    return int(found * 1000) if found < 100_000_000_000 else int(found)


Fields = Dict[str, Tuple[str, Callable[[Any], Any]]]
TRADE: Fields = {
    "hash": ("tx", words), "type": ("tt", words), "id": ("i", label), "time_ms": ("t", time), "dex": ("d", words),
    "account": ("ac", words), "base_amount": ("s", number), "usd": ("u", number), "quantity": ("q", number),
}
WALLETS: Fields = {**TRADE, "token": ("m", words), "base_token": ("bm", words), "base_symbol": ("bs", words)}
PAIR: Fields = {
    "token_price": ("tp", number), "token_reserve": ("tr", number), "base_reserve": ("sr", number),
    "currency_reserve": ("cr", number), "top10_share": ("t10", number), "burned_share": ("blp", number),
    "freeze_authority": ("fa", flag), "mint_authority": ("ma", flag),
}
NEW: Fields = {
    **PAIR, "token": ("m", words), "name": ("n", words), "symbol": ("s", words), "image": ("im", words),
    "created_ms": ("ca", time), "supply": ("sl", number), "pool_type": ("pt", words),
}
REQUIRED: Dict[Type[Any], Tuple[str, ...]] = {Transaction: ("tx", "tt")}
REQUIRED[WalletTransaction] = REQUIRED[Transaction]


def attempt(read: Callable[[Any], Any], value: Any) -> Any:
    try:
        return read(value)
    except Unreadable:
        return BAD


def windows(document: Dict[str, Any]) -> Tuple[Window, ...]:
    keys = {"buys": "bt", "sells": "st", "buy_volume": "bv", "sell_volume": "sv", "price_change": "pc"}
    found = []
    for interval in INTERVALS:
        values = {name: document[key + interval] for name, key in keys.items() if document.get(key + interval) is not None}
        if values:
            found.append(Window(interval=interval, **{name: number(value) for name, value in values.items()}))
    return tuple(found)


def at_once(model: Type[Any], fields: Fields, document: Dict[str, Any]) -> Any:
    """Return the fields' values; None if the document lacks what the model needs."""
    if any(document.get(name) is None for name in REQUIRED.get(model, ())):
        return None
    values = {}
    for field, (name, read) in fields.items():
        value = document.get(name)
        values[field] = None if value is None or (value == "" and read is not words) else attempt(read, value)
    pair = document["pair"] if document.get("p") is None and "pair" in document else document.get("p")
    values["pair"] = None if pair is None else attempt(words, pair)
    if issubclass(model, PairInfo):
        values["windows"] = attempt(windows, document)
    return values


def looked_at(read: Callable[[Any], Any], document: Any) -> Any:
    """Return the same of what ``read`` makes."""
    try:
        model = read(document)
    except ProtocolError as error:
        assert "is missing" in str(error) and not isinstance(error, UnreadableField)
        return None
    values = {}
    for field in attrs.fields(type(model)):
        try:
            values[field.name] = getattr(model, field.name)
        except UnreadableField as error:
            assert error.model is model and type(model).__name__ in str(error)
            values[field.name] = BAD
    return values


FIGURES = {
    key + interval: value + 1 / (10 + place)
    for place, interval in enumerate(INTERVALS)
    for key, value in (("bt", 358), ("st", 357), ("bv", 198918.8), ("sv", 1e5), ("pc", -1))
}
OF_PAIR = {
    **FIGURES, "tp": 1.6296673031475173e-06, "tr": 350150376.073629, "sr": "570.628619072", "cr": 570, "t10": 0.18845726882494,
    "blp": None, "fa": True, "ma": False,
}
OF_TRADE = {
    "i": "1750745716459209741", "t": 1750745715, "tx": "a hash", "d": "a dex", "ac": "A", "tt": "buy", "s": 1.919984302,
    "u": 278.80092049342, "q": 107817.195813,
}
OF_WALLET = {**OF_TRADE, "m": "M", "p": "P", "bm": "B", "bs": "SOL"}
OF_NEW = {
    **OF_PAIR, "p": "P", "m": "M", "n": "", "s": "SYM", "im": "i", "ca": 1750747289669, "sl": 1000000000, "pt": "pump", "lk": [],
}
Case = Tuple[Callable[[Any], Any], Type[Any], Fields, Dict[str, Any]]
CASES: List[Case] = [
    (lambda document: models.read_transactions([document])[0], Transaction, TRADE, OF_TRADE),
    (lambda document: models.read_wallet_transactions([document])[0], WalletTransaction, WALLETS, OF_WALLET),
    (models.read_pair_info, PairInfo, PAIR, {**OF_PAIR, "pair": "P"}),
    (models.read_migrated_pair, NewPair, NEW, OF_NEW),
]
each_model = pytest.mark.parametrize("read, model, fields, document", CASES, ids=[case[1].__name__ for case in CASES])
ODD = [
    "null", '""', '" "', "true", "false", "0", "-0", "-0.0", '"-0"', "0.0", "1", "-1", "1.10", '"1.10"', "1e5", '"1e5"', "1E400",
    "-1E400", "1e-400", "1e999", '"1E+5000"', '"1E-5000"', '"NaN"', '"sNaN"', '"Infinity"', '"1_0"', '" 1"', '"0x10"', '"abc"',
    "[]", "{}", '["1"]', "123456789012345678901234567890", '"0.1234567890123456789012345678901234567890"',
    "0.1234567890123456789", "99999999999", "100000000000", "99999999999999.9", "100000000000000", '"1700000000.1234"',
    "9" * 999, "9" * 1001, "9" * 5000, '"' + "9" * 1001 + '"',
]


def told(values: Any) -> Any:
    """As text: equal decimals may differ in their zeros."""
    return None if values is None else {name: (type(value), str(value)) for name, value in sorted(values.items())}


@each_model
def test_every_field_is_what_it_would_be_at_once(read: Any, model: Any, fields: Fields, document: Any) -> None:
    expected = at_once(model, fields, document)
    assert set(expected) == {field.name for field in attrs.fields(model)}
    assert BAD not in expected.values() and told(looked_at(read, document)) == told(expected)
    before = copy.deepcopy(document)
    for name in [*document, *(name for name, _ in fields.values()), "p", "pair", "bt1m", "sv24h"]:
        for value in ODD:
            odd = codec.decode(json.dumps({**document, name: "?"}).replace('"?"', value).encode())
            assert told(looked_at(read, odd)) == told(at_once(model, fields, odd)), (name, value)
        without = {key: document[key] for key in document if key != name}
        assert told(looked_at(read, without)) == told(at_once(model, fields, without))
    assert document == before


KEYS = sorted({*OF_WALLET, *OF_NEW, "pair"})
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.decimals().map(str) | st.just([])


@given(st.dictionaries(st.sampled_from(KEYS), VALUES), st.sampled_from(CASES))
def test_any_document_gives_what_it_would_at_once(document: Any, case: Case) -> None:
    read, model, fields, good = case
    for whole in (document, {**good, **document}):
        assert told(looked_at(read, whole)) == told(at_once(model, fields, whole))


@each_model
def test_nothing_is_read_before_somebody_looks(read: Any, model: Any, fields: Fields, document: Any) -> None:
    made = read(document)
    assert vars(made) == {}
    for name in ("pair", next(iter(fields))):
        assert getattr(made, name) is getattr(made, name)
    assert set(vars(made)) == {"pair", next(iter(fields))}
    assert models.read_new_pair(OF_NEW).pair == "P"


@each_model
def test_a_value_before_and_after_a_look(read: Any, model: Any, fields: Fields, document: Any) -> None:
    other = {**document, next(reversed(fields.values()))[0]: None}
    made = model(**at_once(model, fields, document))
    for look in (lambda one: None, lambda one: one.pair, repr):
        one = read(document)
        look(one)
        copies = copy.copy(one), copy.deepcopy(one), pickle.loads(pickle.dumps(one)), attrs.evolve(one)
        for again in (*copies, one, read(document)):
            assert type(again) is model and again == made and hash(again) == hash(made) and repr(again) == repr(made)
            assert attrs.asdict(again) == attrs.asdict(made) and attrs.astuple(again) == attrs.astuple(made)
            assert again != read(other) and again != document
        changed = attrs.evolve(read(document), pair="Q")
        assert changed.pair == "Q" and attrs.evolve(changed, pair=made.pair) == made
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            one.pair = "Q"
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            del one.pair
        with pytest.raises(AttributeError):
            one.price_of_tea  # noqa: B018


class TestWindows:
    """One of them is had without the others."""

    @pytest.mark.parametrize("make", [
        models.read_pair_info, models.read_migrated_pair, lambda document: PairInfo(windows=windows(document)),
        lambda document: pickle.loads(pickle.dumps(models.read_pair_info(document))),
    ])
    @pytest.mark.parametrize("all_first", [False, True])
    def test_each(self, make: Any, all_first: bool) -> None:
        info, expected = make({**FIGURES, **dict.fromkeys(("bt5m", "st5m", "bv5m", "sv5m", "pc5m")), "pc6h": None}), {}
        if all_first:
            expected = {window.interval: window for window in info.windows}
            assert list(expected) == ["1m", "1h", "6h", "24h"]
        found = {interval: info.window(interval) for interval in INTERVALS}
        assert found["5m"] is None and found["6h"].price_change is None and found["1m"].buys == Decimal("358.1")
        assert tuple(window for window in found.values() if window is not None) == info.windows
        assert all(found[interval] is window for interval, window in expected.items())
        odd: List[Any] = ["2m", "", None, [], 1]
        assert [info.window(interval) for interval in odd] == [None] * len(odd)

    @pytest.mark.parametrize("bad", ["", "many", True, [], "NaN", 1e999, "1e1000"])
    def test_a_figure_that_cannot_be_read(self, bad: Any) -> None:
        info = models.read_pair_info({**FIGURES, "bv1h": bad})
        assert info.window("1m") is not None and info.token_price is None
        for look in (lambda: info.window("1h"), lambda: info.windows, lambda: info.window("1h"), lambda: repr(info)):
            with pytest.raises(UnreadableField, match="PairInfo: the field 'windows' cannot be read") as raised:
                look()
            assert raised.value.model is info
        assert info.window("24h") == windows(FIGURES)[-1]


@pytest.mark.parametrize("wrong", [5, True, [], {}])
def test_a_new_pair_whose_address_is_none_is_refused_at_once(wrong: Any) -> None:
    for document in ({"p": wrong}, {"pair": wrong}, {"p": None, "m": "M"}):
        with pytest.raises(ProtocolError):
            models.read_new_pair(document)
    assert models.read_new_pair({"pair": "P"}).pair == "P"
