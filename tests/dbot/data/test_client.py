"""``DBotDataClient`` against the local venue."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List

import pytest

import dbxsdk
from dbxsdk import BadFrame, CallbackFailed, Gap, Options, State
from dbxsdk.dbot import DATA_URL, DBotDataClient, NewPair, PairInfo, Transaction, WalletTransaction
from dbxsdk.sim.dbot.venue import DBotVenue
from tests.waiting import Background, Recorder, drained, eventually

KEY = "a-key-that-nobody-may-see"


@pytest.fixture
def venue() -> Iterator[DBotVenue]:
    with DBotVenue(rate=0) as made:
        yield made


@pytest.fixture
def client(venue: DBotVenue) -> Iterator[DBotDataClient]:
    with venue.client("data") as made:
        yield made


def sent(venue: DBotVenue, method: str) -> List[Any]:
    return [frame.document.get("args") for frame in venue.requests if frame.document["method"] == method]


def pair_and_token(venue: DBotVenue) -> List[str]:
    return [f"{pair.pair}:{pair.token}" for pair in venue.pairs]


def test_construction() -> None:
    client = DBotDataClient(KEY)
    assert client._address.url == DATA_URL == "wss://api-data-v1.dbotx.com/data/ws/"
    assert KEY not in repr(client)
    for arguments, error in (
        ({"api_key": "a b"}, ValueError),
        ({"api_key": None}, TypeError),
        ({"api_key": KEY, "options": Options(heartbeat_interval=60)}, ValueError),
    ):
        with pytest.raises(error):
            DBotDataClient(**arguments)  # type: ignore[arg-type]


def test_wrong_arguments_before_any_io() -> None:
    client = DBotDataClient(KEY, url="ws://127.0.0.1:1")
    for channel, symbols in (("trades", "P"), ("tx", ()), ("pairsInfo.1m", "P"), ("newPairInfo", "P"), ("tx", "P Q")):
        with pytest.raises(ValueError):
            client.subscribe(channel, symbols, callback=print)
    for method in (client.call, client.submit):
        with pytest.raises(ValueError, match="method 'subscribe'"):
            method("subscribe", {"type": "tx"})
    assert client.state is State.NEW


def test_a_wrong_key_is_final(venue: DBotVenue) -> None:
    client = venue.client("data", api_key=KEY)
    with pytest.raises(dbxsdk.AuthError, match="401"):
        client.open()
    with pytest.raises(dbxsdk.AuthError):
        client.subscribe("newPairInfo", callback=print)


def test_every_channel(venue: DBotVenue, client: DBotDataClient) -> None:
    recorders: Dict[str, Recorder] = {}
    for channel, symbols in (
        ("tx", venue.pairs[0].pair),
        ("pairInfo", pair_and_token(venue)[0]),
        ("pairsInfo.1m", pair_and_token(venue)),
        ("newPairInfo", ()),
        ("migratedPairInfo", ()),
        ("walletTx", venue.wallets[0]),
    ):
        recorders[channel] = Recorder()
        client.subscribe(channel, symbols, callback=recorders[channel])
    venue.step(30)
    first = {channel: recorder.wait(1)[0] for channel, recorder in recorders.items()}
    assert all((update.channel, update.kind) == (channel, "update") for channel, update in first.items())
    assert all(isinstance(item, Transaction) for item in first["tx"].data) and first["tx"].symbol == ""
    assert isinstance(first["pairInfo"].data, PairInfo) and first["pairInfo"].data.pair is None
    assert first["pairInfo"].data.window("1m").buys is not None and first["pairInfo"].data.top10_share is None
    assert {update.symbol for update in recorders["pairsInfo.1m"].wait(3)} == set(pair_and_token(venue))
    assert all(update.symbol.startswith(update.data.pair) for update in recorders["pairsInfo.1m"].items)
    assert isinstance(first["newPairInfo"].data, NewPair) and first["newPairInfo"].data.pair
    assert isinstance(first["migratedPairInfo"].data, NewPair)
    assert first["walletTx"].symbol == venue.wallets[0]
    trade = first["walletTx"].data[0]
    assert isinstance(trade, WalletTransaction) and trade.account == venue.wallets[0]
    assert trade.pair in {pair.pair for pair in venue.pairs} and trade.base_symbol == "SOL"
    assert first["tx"].venue_time_ms == first["tx"].data[-1].time_ms
    assert client.stats().bad_frames == 0 and venue.handler_errors == 0


@pytest.mark.parametrize("subscriptions", ["replace", "add"])
def test_lists_of_pairs_are_right_whether_the_venue_adds_or_replaces(subscriptions: str) -> None:
    with DBotVenue(rate=0, subscriptions=subscriptions) as venue, venue.client("data") as client:
        one, two, three = (pair.pair for pair in venue.pairs)
        first = client.subscribe("tx", [one, two], callback=print)
        client.subscribe("tx", three, callback=print)
        assert venue.subscriptions() == tuple(sorted(f"tx.{pair}" for pair in (one, two, three)))
        client.unsubscribe("tx", one)
        eventually(lambda: venue.subscriptions() == tuple(sorted(f"tx.{pair}" for pair in (two, three))))
        assert first.topics == (f"tx.{two}",)
        client.unsubscribe("tx")
        eventually(lambda: venue.subscriptions() == ())
        assert sent(venue, "subscribe") == [{"pair": [one, two]}, {"pair": [one, two, three]}, {"pair": [two, three]}]


@pytest.mark.parametrize("answers", [False, True])
def test_subscribing_again_does_not_wait_for_an_answer_that_never_comes(answers: bool) -> None:
    with DBotVenue(rate=0, answer_unsubscribe=answers) as venue, venue.client("data") as client:
        for channel, symbols in (("walletTx", venue.wallets[0]), ("newPairInfo", ()), ("tx", venue.pairs[0].pair)):
            for _ in range(3):
                client.subscribe(channel, symbols, callback=print, timeout=2).unsubscribe()
        eventually(lambda: venue.subscriptions() == ())
        assert len(sent(venue, "unsubscribe")) == 9
        assert client.stats().bad_frames == 0


@pytest.mark.parametrize("named", [False, True])
def test_trades_of_several_pairs(named: bool) -> None:
    with DBotVenue(rate=0, name_pairs=named) as venue, venue.client("data") as client:
        one, two, _ = (pair.pair for pair in venue.pairs)
        both, single = Recorder(), Recorder()
        client.subscribe("tx", [one, two], callback=both)
        client.subscribe("tx", two, callback=single)
        venue.step(20)
        client.subscribe("newPairInfo", callback=print)  # answered behind the trades; a pong may overtake them
        drained(client)
        keys = [trade.id for update in both.items for trade in update.data]
        assert len(keys) == len(set(keys)) > 0  # each trade once
        if named:
            assert {update.symbol for update in both.items} == {one, two}
            assert {update.symbol for update in single.items} == {two}
            assert len(single.items) < len(both.items)
        else:
            # Which pair it was cannot be told: everybody gets everything.
            assert {update.symbol for update in both.items + single.items} == {""}
            assert len(single.items) == len(both.items)


def test_one_interval_a_client(venue: DBotVenue, client: DBotDataClient) -> None:
    client.subscribe("pairsInfo.1m", pair_and_token(venue)[0], callback=print)
    with pytest.raises(ValueError, match="one interval of pairsInfo"):
        client.subscribe("pairsInfo.1h", pair_and_token(venue)[1], callback=print)
    client.unsubscribe("pairsInfo")
    eventually(lambda: venue.subscriptions() == ())
    client.subscribe("pairsInfo.1h", pair_and_token(venue)[1], callback=print)
    assert sent(venue, "subscribe")[-1]["pairsInfoInterval"] == "1h"


def test_acknowledgements_come_one_at_a_time_of_a_kind(venue: DBotVenue, client: DBotDataClient) -> None:
    venue.delay(0.02)
    waiting = [Background(client.subscribe, "tx", f"P{n}", callback=print) for n in range(8)]
    waiting += [Background(client.subscribe, "pairInfo", f"P{n}", callback=print) for n in range(4)]
    for background in waiting:
        assert background.result().active
    assert {topic for topic in venue.subscriptions() if topic.startswith("tx.")} == {f"tx.P{n}" for n in range(8)}
    assert client.stats().bad_frames == 0


def test_everything_is_asked_for_again_after_a_drop(venue: DBotVenue) -> None:
    with venue.client("data", options=Options(backoff_initial=0.01)) as client:
        events, trades = Recorder(), Recorder()
        client.on_event(events)
        client.subscribe("tx", [pair.pair for pair in venue.pairs[:2]], callback=trades)
        client.subscribe("tx", venue.pairs[2].pair, callback=trades)
        client.subscribe("newPairInfo", callback=print)
        before = venue.subscriptions()
        venue.drop_connections()
        assert venue.wait_until(lambda: venue.connection_count == 2 and venue.subscriptions() == before)
        venue.step(5)
        trades.wait(1)
        assert len(events.wait_for(Gap).topics) == 4
        assert client.stats().bad_frames == 0


def test_old_names_and_bad_frames(venue: DBotVenue, client: DBotDataClient) -> None:
    events, figures = Recorder(), Recorder()
    client.on_event(events)
    client.subscribe("pairsInfo.1m", "P1:T1", callback=figures)
    venue.send_frame({"type": "tokensInfo", "result": [{"p": "P1", "bt1m": 3}]}, "/data/ws/")
    assert figures.wait(1)[0].data.window("1m").buys == 3
    venue.send_frame("{", "/data/ws/")
    client.subscribe("newPairInfo", callback=figures)
    venue.send_frame({"type": "newPairInfo", "result": {"m": "M"}}, "/data/ws/")
    events.wait_for(BadFrame, 2)
    assert client.state is State.READY and len(figures.items) == 1


def test_a_figure_that_cannot_be_read_is_told_once_and_by_who_looks(venue: DBotVenue, client: DBotDataClient) -> None:
    events, prices, changes, pairs = Recorder(), Recorder(), Recorder(), Recorder()
    client.on_event(events)
    client.subscribe("pairsInfo.1m", "P1:T1", callback=lambda update: prices(update.data.token_price))
    client.subscribe("pairsInfo.1m", "P1:T1", callback=lambda update: changes(update.data.window("1m").price_change))
    client.subscribe("pairsInfo.1m", "P1:T1", callback=lambda update: pairs(update.data.pair))
    for figures in ({"tp": "much", "pc1m": "more"}, {"tp": 2, "pc1m": "more"}, {"tp": 3, "pc1m": 4}):
        venue.send_frame({"type": "pairsInfo", "result": [{"p": "P1", **figures}]}, "/data/ws/")
    events.wait_for(BadFrame, 2)
    assert pairs.wait(3) == ["P1"] * 3 and prices.items == [2, 3] and changes.items == [4]
    first, second = (str(event.error) for event in events.of(BadFrame))
    assert "the field 'tp'" in first and "the field 'windows'" in second
    assert events.of(CallbackFailed) == [] and client.stats().bad_frames == 2
