"""Frames read by a typed decoder give what they give without it, or are left to the long way."""

from __future__ import annotations

import copy
import json
import pickle
import weakref
from decimal import Decimal
from typing import Any, Dict, List, Sequence, Tuple

import attrs
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dbxsdk import schema
from dbxsdk.bybit.public.book import BybitBookRule
from dbxsdk.bybit.public.models import Trade
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.errors import ProtocolError, UnreadableField
from dbxsdk.events import BadFrame
from dbxsdk.models import Update
from tests.bybit.public import test_models as documents
from tests.fed_book import FedBook
from tests.promises.venues import ScriptedVenue, bybit_yes, listening
from tests.waiting import Background, Recorder, eventually

if schema.msgspec is None:
    pytest.skip("msgspec (of the extra test) is not installed, or DBXSDK_JSON=stdlib is set", allow_module_level=True)

CHANNELS: Dict[str, Any] = {
    "orderbook.50.ABCUSDT": documents.BOOK,
    "publicTrade.ABCUSDT": [documents.TRADE],
    "kline.5.ABCUSDT": [documents.KLINE],
    "allLiquidation.ABCUSDT": [documents.LIQUIDATION],
    "liquidation.ABCUSDT": documents.LATEST_LIQUIDATION,
    "priceLimit.ABCUSDT": documents.LIMIT,
    "insurance.USDT": [documents.POOL],
}
PROTOCOL = BybitPublicProtocol("linear")


def reading(topic: str) -> Any:
    """Return what reads an update in one go."""
    found = PROTOCOL.frame_reader(topic)
    assert found is not None
    update = found.update
    return lambda payload, received_ns: update(payload, received_ns, None)


READERS: Dict[str, Any] = {topic: reading(topic) for topic in CHANNELS}
BESIDE = {True: ["type", "ts", "cts", "more"], False: ["cts", "BT", "RPI", "mP", "seq", "L", "more"]}
"""Fields that may be put beside those of an envelope or of data."""


def text(topic: str, data: Any, **more: Any) -> bytes:
    envelope = {"topic": topic, "type": "snapshot", "ts": 1700000000999, "cts": 1700000000998, "data": data, **more}
    return json.dumps(envelope, separators=(",", ":")).encode()


def long_way(payload: bytes) -> Update[Any]:
    [push] = PROTOCOL.receive(payload, False)
    read = push.read(push.payload)
    return Update("bybit", push.channel, push.symbol, push.kind, read, push.venue_time_ms, 7, push.document)


def fields(model: Any) -> List[Any]:
    found: List[Any] = []
    for field in attrs.fields(type(model)):
        try:
            value = getattr(model, field.name)
        except UnreadableField as error:
            found.append((field.name, str(error)))
        else:
            found.append((field.name, type(value), value))
    return found


def told(update: Update[Any]) -> Tuple[Any, ...]:
    models = update.data if isinstance(update.data, tuple) else (update.data,)
    head = (update.venue, update.channel, update.symbol, update.kind, update.venue_time_ms, update.received_ns, update.raw)
    return head, type(update.data), [(type(model), fields(model)) for model in models]


@pytest.mark.parametrize("topic", CHANNELS)
def test_documented_frames_take_the_typed_way(topic: str) -> None:
    read_frame = READERS[topic]
    assert read_frame is not None
    payload = text(topic, CHANNELS[topic])
    assert told(read_frame(payload, 7)) == told(long_way(payload))
    assert read_frame(payload, 7) == long_way(payload) and repr(read_frame(payload, 7)) == repr(long_way(payload))
    assert read_frame(payload, 7).records() == long_way(payload).records()
    reader = PROTOCOL.frame_reader(topic)
    assert reader is not None and told(reader.update(payload, 7, reader.read(payload))) == told(long_way(payload))
    for wrong in (payload.replace(b"USDT", b"USDX"), payload.replace(b"{", b'{"x":"\xc3\xa9",', 1)):
        for read in (reader.read, lambda payload: reader.update(payload, 7, None)):
            with pytest.raises((ValueError, schema.msgspec.MsgspecError)):  # no ValueError in early versions
                read(wrong)


ODD = [
    "null", '""', "true", "false", "0", "-0", "1", "-1", "1.5", "1.10", "1e5", "1E400", "1e-400", "NaN", "Infinity", "-Infinity",
    '"NaN"', '"Infinity"', '"sNaN"', '"1_0"', '" 1"', '"1e5"', '"1E-5000"', '"1E+5000"', '"0x10"', '"abc"', '"\\u0031"',
    '"\\ud800"', '"\\ud83d\\ude00"', '"é"', '"\\u00e9"', '"a\\"b"', "[]", "{}", '["1","2"]', '[["1","2"]]', '[["1"]]',
    '[["1","2","3"]]', "[[1,2.5]]", '[["NaN","1"]]', '[["1","1E-5000"]]', "[[true,null]]", '[{"p":"1"}]', '{"a":{"b":[1]}}',
    "123456789012345678901234567890", "9223372036854775808", "-9223372036854775809", '"123456789012345678901234567890"',
    "0.1234567890123456789", "9" * 5000, "1e999", "[" * 900 + "]" * 900,
    '"' + "9" * 5000 + '"', "01", "1.", "nul", '"', "[1,]", "[" * 2000 + "]" * 2000,
]


def joined(pairs: List[Tuple[str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in pairs) + "}"


@st.composite
def frames(draw: Any, topics: Sequence[str] = tuple(CHANNELS)) -> Tuple[str, bytes]:
    """One thing, or a few, in a documented frame is different."""
    topic = draw(st.sampled_from(topics))
    data = CHANNELS[topic]
    rows = data if isinstance(data, list) else [data]
    pairs = [[(name, json.dumps(value)) for name, value in row.items()] for row in rows]
    envelope = [("topic", json.dumps(topic)), ("type", '"delta"'), ("ts", "1700000000999"), ("cts", "5")]
    for _ in range(draw(st.integers(0, 3))):
        target = draw(st.sampled_from([envelope, *pairs]))
        names = [name for name, _ in target]
        name = draw(st.sampled_from([*names, *BESIDE[target is envelope]]))
        odd = draw(st.sampled_from(ODD))
        what = draw(st.sampled_from(["change", "drop", "double", "turn"]))
        if what == "double" or name not in names:
            target.insert(draw(st.integers(0, len(target))), (name, odd))
        elif what == "drop":
            del target[names.index(name)]
        elif what == "turn":
            target.reverse()
        else:
            target[names.index(name)] = (name, odd)
    written = [joined(row) for row in pairs]
    whole = "[" + ",".join(written * draw(st.integers(0, 2))) + "]" if isinstance(data, list) else written[0]
    whole = draw(st.sampled_from([whole] * 9 + ODD[:6]))
    envelope.insert(draw(st.integers(0, len(envelope))), ("data", whole))
    return topic, joined(envelope).encode()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames())
@example(("publicTrade.ABCUSDT", text("publicTrade.ABCUSDT", [documents.TRADE] * 3)))
@example(("publicTrade.ABCUSDT", text("publicTrade.OTHER", [documents.TRADE])))
@example(("orderbook.50.ABCUSDT", text("orderbook.50.ABCUSDT", {**documents.BOOK, "cts": 1})))
@example(("orderbook.50.ABCUSDT", text("orderbook.50.ABCUSDT", {**documents.BOOK, "b": [["1", "NaN"]]})))
def test_odd_frames_mean_the_same_both_ways(case: Tuple[str, bytes]) -> None:
    topic, payload = case
    try:
        update = READERS[topic](payload, 7)
    except Exception:
        return  # decided by the long way
    assert told(update) == told(long_way(payload)), payload


@pytest.mark.parametrize("again", [lambda update: pickle.loads(pickle.dumps(update)), copy.copy, copy.deepcopy])
@pytest.mark.parametrize("topic", CHANNELS)
def test_updates_can_be_sent_to_other_processes(topic: str, again: Any) -> None:
    payload = text(topic, CHANNELS[topic])
    update = READERS[topic](payload, 7)
    assert told(again(update)) == told(long_way(payload)) == told(update)


@pytest.mark.parametrize("wire", ["1.5", "-1.5", "0", "1E5", "1E-5000", "NaN", ".", "1.2.3", " 1", "1_0", "\u0661", "1" * 999,
                                  7, 2.5, True])
@pytest.mark.parametrize("first", ["price", "size"])
def test_a_price_and_a_size_are_read_together_and_stay_apart(first: str, wire: Any) -> None:
    payload = text("publicTrade.ABCUSDT", [{**documents.TRADE, "v": wire}])
    update = long_way(payload)
    try:
        update = READERS["publicTrade.ABCUSDT"](payload, 7)
    except Exception:
        assert wire not in ("1.5", "1E5", "\u0661", "1" * 999)
    for which in (update, long_way(payload)):
        try:
            getattr(which.data[0], first)
        except UnreadableField as error:
            assert first == "size" and error.model is which.data[0]
    assert told(update) == told(long_way(payload)) and update.data[0].price == Decimal("10.10")


def test_what_nobody_looks_at_takes_no_room() -> None:
    update = READERS["publicTrade.ABCUSDT"](text("publicTrade.ABCUSDT", [documents.TRADE]), 7)
    assert update.data[0].price == Decimal("10.10") and not vars(update.data[0]) and not hasattr(update, "__dict__")
    assert update.data[0].trade_id == documents.TRADE["i"] and set(vars(update.data[0])) == {"trade_id"}
    slot = vars(Update)["raw"]._slot
    with pytest.raises(AttributeError):
        slot.__get__(update)
    assert update.raw is update.raw is slot.__get__(update)


def test_a_trade_is_the_same_however_it_came_to_be() -> None:
    payload = text("publicTrade.ABCUSDT", [documents.TRADE])
    typed, plain = READERS["publicTrade.ABCUSDT"](payload, 7).data[0], long_way(payload).data[0]
    made = Trade(**{field.name: getattr(plain, field.name) for field in attrs.fields(Trade)})
    assert made.price is made.price == typed.price and "price" in vars(made)
    each = [typed, plain, made, attrs.evolve(made), attrs.evolve(typed), *(copy.copy(one) for one in (typed, plain, made))]
    each += [pickle.loads(pickle.dumps(one)) for one in each]
    assert all(type(one) is Trade and one == typed and hash(one) == hash(typed) and repr(one) == repr(typed) for one in each)
    assert attrs.evolve(typed, price=Decimal(3)).price == 3 != typed.price
    inherited = type("Own", (Trade,), {})(**{field.name: getattr(plain, field.name) for field in attrs.fields(Trade)})
    assert inherited.price == typed.price
    for one in each:
        with pytest.raises(AttributeError, match="'Trade' object has no attribute 'pirce'"):
            one.pirce
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            one.price = Decimal(1)


@attrs.frozen(slots=False)
class InDict(Update[Any]):
    more: int = 0


@attrs.frozen
class InSlot(Update[Any]):
    more: int = 0


class Plain(Update[Any]):
    pass


@pytest.mark.parametrize("kind", [InDict, InSlot, Plain])
def test_a_subclass_of_update_is_copied_whole(kind: Any) -> None:
    typed = READERS["publicTrade.ABCUSDT"](text("publicTrade.ABCUSDT", [documents.TRADE]), 7)
    values = {field.name: getattr(typed, field.name) for field in attrs.fields(Update)}
    if kind is Plain:
        made = kind(**values)
        object.__setattr__(made, "more", 5)
    else:
        made = kind(**values, more=5)
    each = [copy.copy(made), copy.deepcopy(made), *(pickle.loads(pickle.dumps(made, number)) for number in range(6))]
    assert all(type(one) is kind and one == made and one.more == 5 and one.raw == made.raw for one in each)


def test_two_threads_may_look_at_a_price_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trade, reader = long_way(text("publicTrade.ABCUSDT", [documents.TRADE])).data[0], Trade._readers["price"]

    class Together:
        def __get__(self, instance: Any, owner: Any = None) -> Any:
            value = reader.__get__(instance)
            vars(instance).clear()  # as the other thread leaves it
            return value

    monkeypatch.setattr(Trade, "_readers", {"price": Together()})
    assert trade.price == trade.price == Decimal("10.10")


def test_an_iterator_beside_inline_callbacks_gets_typed_updates() -> None:
    with ScriptedVenue(bybit_yes) as venue, venue.bybit(dispatch="inline") as client:
        updates = client.messages("publicTrade", "ABCUSDT")
        venue.link().send(*(trade("1.5", number) for number in range(5)))
        assert Background(lambda: [next(updates).data[0].sequence for _ in range(5)]).result() == list(range(5))


def test_an_update_is_frozen_and_the_same_however_it_came_to_be() -> None:
    payload = text("publicTrade.ABCUSDT", [documents.TRADE])
    typed, plain = READERS["publicTrade.ABCUSDT"](payload, 7), long_way(payload)
    each = [typed, plain, attrs.evolve(typed), copy.copy(typed), pickle.loads(pickle.dumps(typed)), weakref.ref(typed)()]
    assert all(type(one) is Update and one == typed and one.raw == plain.raw and repr(one) == repr(typed) for one in each)
    for one in each:
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            one.raw = 1


def test_a_text_that_is_no_utf_8_is_left_to_the_long_way() -> None:
    payload = text("publicTrade.ABCUSDT", [{**documents.TRADE, "more": "?"}]).replace(b"?", b"\xff")
    with pytest.raises(ValueError):
        READERS["publicTrade.ABCUSDT"](payload, 7)


@pytest.mark.parametrize("data", [documents.BOOK, {**documents.BOOK, "a": [["1", 2], [3.5, "0.0"], ["", "x"]]}, {}])
@pytest.mark.parametrize("kind", ["snapshot", "delta"])
@pytest.mark.parametrize("update_id", [4, "5", 1, 9])
def test_a_book_takes_a_typed_frame_as_any_other(data: Any, kind: str, update_id: Any) -> None:
    topic = "orderbook.50.ABCUSDT"
    reader = PROTOCOL.frame_reader(topic)
    assert reader is not None
    payload = text(topic, {**data, "u": update_id}, type=kind)
    [push] = PROTOCOL.receive(payload, False)
    if not data:
        with pytest.raises(Exception, match="required"):
            reader.read(payload)
        return
    told = []
    for frame in (push, reader.read(payload)):
        book = FedBook("ABCUSDT", BybitBookRule(50), resynchronise=lambda: None, close=lambda: None)
        book.handle(PROTOCOL.receive(text(topic, {**documents.BOOK, "u": 4}), False)[0])
        try:
            changed: Any = book.handle(frame)
        except ProtocolError as error:
            changed = str(error)
        told.append((changed, book.state.stale_reason, book.stats(), attrs.evolve(book.snapshot())))
    assert told[0] == told[1]


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(frames(["orderbook.50.ABCUSDT"]))
def test_a_book_makes_the_same_of_odd_frames_both_ways(case: Tuple[str, bytes]) -> None:
    topic, payload = case
    reader = PROTOCOL.frame_reader(topic)
    assert reader is not None
    try:
        frames = [reader.read(payload), PROTOCOL.receive(payload, False)[0]]
    except Exception:
        return  # decided by the long way
    told = []
    for frame in frames:
        book = FedBook("ABCUSDT", BybitBookRule(50), resynchronise=lambda: None, close=lambda: None)
        book.handle(PROTOCOL.receive(text(topic, {**documents.BOOK, "u": 76}), False)[0])
        try:
            changed: Any = book.handle(frame)
        except ProtocolError as error:
            changed = type(error)
        told.append((changed, book.stats(), book.snapshot()))
    assert told[0] == told[1], payload


def test_a_book_beside_a_callback_takes_the_typed_way(monkeypatch: pytest.MonkeyPatch) -> None:
    receive, long, seen = BybitPublicProtocol.receive, [], Recorder()
    monkeypatch.setattr(BybitPublicProtocol, "receive", lambda *given: (long.append(given[1]), receive(*given))[1])
    with ScriptedVenue(bybit_yes) as venue, venue.bybit() as client:
        book = client.order_book("ABCUSDT", depth=50)
        client.subscribe("orderbook.50", "ABCUSDT", callback=seen, max_silence=30.0)
        document = {"topic": "orderbook.50.ABCUSDT", "type": "snapshot", "ts": 5, "data": {**documents.BOOK, "u": 4}}
        before = len(long)
        delta = {**documents.BOOK, "b": [["1", "0"]], "a": [], "u": 5}
        venue.link().send(document, {**document, "type": "delta", "data": delta}, {**document, "ts": 7})
        assert [update.venue_time_ms for update in seen.wait(3)] == [5, 5, 7]
        assert book.update_id == 4 and not book.is_stale and book.stats().updates == 3
        assert seen.items[1].data.bids == ((Decimal(1), Decimal(0)),) and len(long) == before + 1


@pytest.mark.parametrize("row", [["1.5", "0"], ["1.5", 2], ["1.5", "1E5"], ["1.5", "NaN"], ["1.2.3", "1"], ["1" * 1001, "1"]])
def test_levels_are_read_at_once_only_where_that_means_the_same(row: List[Any]) -> None:
    payload = text("orderbook.50.ABCUSDT", {**documents.BOOK, "b": [["7.25", "0.50"], row]})
    update = READERS["orderbook.50.ABCUSDT"](payload, 7)
    assert told(update) == told(long_way(payload))


def test_prices_keep_every_digit() -> None:
    price = "0.12345678901234567890123456789"
    update = READERS["publicTrade.ABCUSDT"](text("publicTrade.ABCUSDT", [{**documents.TRADE, "p": price}]), 7)
    assert update.data[0].price == Decimal(price) and str(update.data[0].price) == price


# -- in a client -------------------------------------------------------------------------------------------------------


def trade(price: str, number: int) -> Dict[str, Any]:
    data = {**documents.TRADE, "p": price, "seq": number}
    return {"topic": "publicTrade.ABCUSDT", "type": "snapshot", "ts": number, "data": [data]}


@pytest.mark.parametrize("dispatch", ["thread", "inline"])
def test_a_client_takes_the_typed_way_and_reports_what_cannot_be_read(monkeypatch: pytest.MonkeyPatch, dispatch: str) -> None:
    long: List[bytes] = []
    receive = BybitPublicProtocol.receive
    monkeypatch.setattr(BybitPublicProtocol, "receive", lambda *given: (long.append(given[1]), receive(*given))[1])
    first, second = (Recorder(lambda update: update.data[0].price) for _ in range(2))
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(dispatch=dispatch)) as (client, seen):
        client.subscribe("publicTrade", "ABCUSDT", callback=first)
        client.subscribe("publicTrade", "ABCUSDT", callback=second)
        before = len(long)
        venue.link().send(*(trade("1.5", number) for number in range(20)), trade("NaN", 20), trade("abc", 21), trade("2.5", 22))
        first.wait(23)
        second.wait(23)
        assert [update.data[0].sequence for update in first.items] == list(range(23))
        assert [update.raw["data"][0]["p"] for update in second.items[19:]] == ["1.5", "NaN", "abc", "2.5"]
        eventually(lambda: len(seen.of(BadFrame)) == 2)
        assert client.stats().bad_frames == 2 and client.stats().callback_errors == 0
        # The first one finds out how, and a price that is no number, or no usual one, goes the long way.
        assert len([payload for payload in long[before:] if b"publicTrade" in payload]) == 3
        # Somebody who wants documents, too, is no case for it; nor is nobody.
        raw = client.subscribe("publicTrade", "ABCUSDT", callback=(documented := Recorder()), raw=True)
        venue.link().send(trade("3.5", 23))
        assert documented.wait(1)[0]["ts"] == 23
        raw.unsubscribe()
        venue.link().send(trade("4.5", 24))
        assert first.wait(25)[24].data[0].price == second.wait(25)[24].data[0].price == Decimal("4.5")


def test_an_update_in_hand_is_delivered_whatever_is_subscribed_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    make, typed, raw = BybitPublicProtocol.frame_reader, Recorder(), Recorder()
    with ScriptedVenue(bybit_yes) as venue, venue.bybit() as client:

        def frame_reader(protocol: BybitPublicProtocol, topic: str) -> Any:
            found: Any = make(protocol, topic)

            def update(*arguments: Any) -> Any:
                # Another thread: the topic is not one of models alone from now on.
                Background(lambda: client.subscribe("publicTrade", "ABCUSDT", callback=raw, raw=True)).result()
                return found.update(*arguments)

            return attrs.evolve(found, update=update)

        monkeypatch.setattr(BybitPublicProtocol, "frame_reader", frame_reader)
        client.subscribe("publicTrade", "ABCUSDT", callback=typed)
        venue.link().send(*(trade("1.5", number) for number in range(4)))
        assert [update.data[0].sequence for update in typed.wait(4)] == [0, 1, 2, 3]
        assert [document["ts"] for document in raw.wait(2)] == [2, 3]
