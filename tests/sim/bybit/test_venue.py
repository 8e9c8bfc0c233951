"""Every documented answer, refusal and topic of the local Bybit venue's public sockets."""

from __future__ import annotations

import json
import time
import uuid
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Optional

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from dbxsdk.sim import BybitVenue
from dbxsdk.sim.bybit.book_feeds import rpi_lots
from dbxsdk.sim.bybit.feeds import INTERVALS

from tests.sim.peer import WAIT, ClientBook, Peer, pairs, peer

OPTION = "BTC-31DEC27-70000-C-USDT"
DOTTED = "XRP-31DEC27-0.6-P-USDT"
SYMBOL = {"linear": "BTCUSDT", "inverse": "BTCUSD", "spot": "BTCUSDT", "option": OPTION}
TRADED = {
    "spot": ("BTCUSDT", "ETHUSDT"), "linear": ("BTCUSDT", "ETHUSDT"), "inverse": ("BTCUSD",), "option": (OPTION, DOTTED)
}
PATH = "/v5/public/"


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    with BybitVenue(symbols=TRADED, rate=0) as made:  # no more than what is asked for: each symbol's market costs time
        yield made


@pytest.fixture
def linear(venue: BybitVenue) -> Iterator[Peer]:
    with peer(venue) as made:
        yield made


@pytest.fixture
def spot(venue: BybitVenue) -> Iterator[Peer]:
    with peer(venue, PATH + "spot") as made:
        yield made


@pytest.fixture
def option(venue: BybitVenue) -> Iterator[Peer]:
    with peer(venue, PATH + "option") as made:
        yield made


def subscribe(*topics: str, **more: Any) -> Dict[str, Any]:
    return {"op": "subscribe", "args": list(topics), **more}


def unsubscribe(*topics: str, **more: Any) -> Dict[str, Any]:
    return {"op": "unsubscribe", "args": list(topics), **more}


def without_id(reply: Dict[str, Any]) -> Dict[str, Any]:
    """The reply without its connection id, which must be there."""
    assert isinstance(reply.pop("conn_id"), str)
    return reply


def pushes(client: Peer) -> List[Dict[str, Any]]:
    """What was pushed so far: everything before the pong to a ping sent now."""
    client.send({"op": "ping"})
    return client.receive_all(lambda document: document.get("ret_msg") == "pong" or document.get("op") == "pong")


# -- connections -------------------------------------------------------------------------------------------------------


def test_addresses(venue: BybitVenue) -> None:
    assert venue.url() == venue.url(PATH + "linear")
    for wrong in ("/v5/public/futures", "/v5/public", "/"):
        with pytest.raises(InvalidStatus) as caught, peer(venue, wrong):
            pass
        assert caught.value.response.status_code == 404


def test_the_connection_id_is_of_one_connection(venue: BybitVenue, linear: Peer) -> None:
    ids = {linear.ask({"op": "ping"})["conn_id"] for _ in range(2)}
    with peer(venue) as other:
        ids.add(other.ask({"op": "ping"})["conn_id"])
    assert len(ids) == 2


def test_an_idle_client_is_cut_unless_it_subscribed() -> None:
    with BybitVenue(rate=0, idle_timeout=0.1) as venue, peer(venue) as idle, peer(venue) as subscribed:
        subscribed.ask(subscribe("publicTrade.BTCUSDT"))
        with pytest.raises(ConnectionClosed):
            idle.websocket.recv(timeout=WAIT)
        with pytest.raises(TimeoutError):
            subscribed.receive(0.2)
        assert subscribed.ask({"op": "ping"})["success"] is True


@pytest.mark.parametrize("symbols", [{"futures": ("BTCUSDT",)}, {"spot": ()}, ()])
def test_wrong_symbols_are_refused(symbols: Any) -> None:
    with pytest.raises(ValueError):
        BybitVenue(symbols=symbols)


def test_symbols() -> None:
    venue = BybitVenue(symbols=("XRPUSDT", "NEWUSDT"))
    assert venue.symbols() == venue.symbols("spot") == ("XRPUSDT", "NEWUSDT")
    assert BybitVenue(symbols={"inverse": ("XRPUSD",)}).symbols("inverse") == ("XRPUSD",)
    with pytest.raises(ValueError):
        venue.book("BTCUSDT", "futures")
    with pytest.raises(KeyError):
        venue.book("NOPEUSDT")


# -- ping --------------------------------------------------------------------------------------------------------------


def test_pong_of_linear_and_inverse(venue: BybitVenue, linear: Peer) -> None:
    assert without_id(linear.ask({"op": "ping"})) == {"success": True, "ret_msg": "pong", "req_id": "", "op": "ping"}
    with peer(venue, PATH + "inverse") as inverse:
        reply = without_id(inverse.ask({"op": "ping", "req_id": "a", "args": [[1]]}))
        assert reply == {"success": True, "ret_msg": "pong", "req_id": "a", "op": "ping"}


def test_pong_of_spot(spot: Peer) -> None:
    assert without_id(spot.ask({"op": "ping"})) == {"success": True, "ret_msg": "pong", "op": "ping"}
    reply = without_id(spot.ask({"op": "ping", "req_id": "a"}))
    assert reply == {"success": True, "ret_msg": "pong", "op": "ping", "req_id": "a"}


def test_pong_of_option(option: Peer) -> None:
    reply = option.ask({"op": "ping", "req_id": "a"})
    assert set(reply) == {"args", "op"} and reply["op"] == "pong"
    assert abs(int(reply["args"][0]) / 1000 - time.time()) < 5


# -- linear and inverse ------------------------------------------------------------------------------------------------


def test_linear_subscribe(venue: BybitVenue, linear: Peer) -> None:
    reply = without_id(linear.ask(subscribe("publicTrade.BTCUSDT", "kline.1.BTCUSDT", req_id="r1")))
    assert reply == {"success": True, "ret_msg": "", "req_id": "r1", "op": "subscribe"}  # one reply for both
    reply = without_id(linear.ask(subscribe("publicTrade.ETHUSDT")))
    assert reply == {"success": True, "ret_msg": "", "req_id": "", "op": "subscribe"}
    assert venue.subscriptions() == ("kline.1.BTCUSDT", "publicTrade.BTCUSDT", "publicTrade.ETHUSDT")
    reply = without_id(linear.ask(unsubscribe("publicTrade.BTCUSDT", req_id="r2")))
    assert reply == {"success": True, "ret_msg": "", "req_id": "r2", "op": "unsubscribe"}
    assert venue.subscriptions(PATH + "linear") == ("kline.1.BTCUSDT", "publicTrade.ETHUSDT")


@pytest.mark.parametrize(
    "topic",
    [
        "orderbook.50.NOPEUSDT", "orderbook.50.btcusdt", "orderbook.500.BTCUSDT", "orderbook.25.BTCUSDT", "order",
        "position", "nonsense", "", "orderbook", "orderbook.50", "orderbook.x.BTCUSDT", "kline.2.BTCUSDT",
        "liquidation.BTCUSDT", "publicTrade", "tickers.", "insurance.EUR", "orderbook.full.NOPEUSDT",
    ],
)
def test_linear_refuses_an_unknown_topic(venue: BybitVenue, linear: Peer, topic: str) -> None:
    # All or nothing, and the first offender is named.
    reply = without_id(linear.ask(subscribe("publicTrade.BTCUSDT", topic, "nonsense.too", req_id="r")))
    assert reply == {
        "success": False, "ret_msg": f"error:handler not found,topic:{topic}", "req_id": "r", "op": "subscribe",
    }
    assert venue.subscriptions() == ()


def test_linear_refuses_a_repeated_topic(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("publicTrade.BTCUSDT"))
    text = "error:already subscribed,topic:publicTrade.BTCUSDT"
    reply = without_id(linear.ask(subscribe("publicTrade.ETHUSDT", "publicTrade.BTCUSDT")))
    assert reply == {"success": False, "ret_msg": text, "req_id": "", "op": "subscribe"}
    assert venue.subscriptions() == ("publicTrade.BTCUSDT",)  # nothing new, and what was there stays
    text = "error:already subscribed,topic:publicTrade.ETHUSDT"
    assert linear.ask(subscribe("publicTrade.ETHUSDT", "publicTrade.ETHUSDT"))["ret_msg"] == text
    linear.ask(unsubscribe("publicTrade.BTCUSDT"))
    assert linear.ask(subscribe("publicTrade.BTCUSDT"))["success"] is True


def test_linear_takes_many_topics_at_once() -> None:
    with BybitVenue(rate=0) as venue, peer(venue) as linear:
        topics = [f"kline.{interval}.{symbol}" for interval in INTERVALS for symbol in venue.symbols()]
        assert linear.ask(subscribe(*topics))["success"] is True
        assert len(venue.subscriptions()) == len(topics) > 50


def test_linear_refuses_what_is_no_request(linear: Peer) -> None:
    for text in ("not json", "[1]", "5", ""):
        reply = without_id(linear.ask(text))
        assert reply["success"] is False
        assert reply["ret_msg"].startswith("Failed to decode incoming data:readObjectStart: expect { or n, but found")
    assert without_id(linear.ask({"op": "dance", "req_id": "d"})) == {
        "success": False, "ret_msg": "error:invalid op", "req_id": "d", "op": "dance",
    }
    for args in ([], [1], "publicTrade.BTCUSDT", None):
        assert linear.ask({"op": "subscribe", "args": args})["success"] is False
    assert linear.ask({"op": "ping"})["success"] is True  # the socket stays open


# -- spot --------------------------------------------------------------------------------------------------------------


def test_spot_subscribe(venue: BybitVenue, spot: Peer) -> None:
    assert without_id(spot.ask(subscribe("publicTrade.BTCUSDT"))) == {"success": True, "ret_msg": "subscribe", "op": "subscribe"}
    reply = without_id(spot.ask(subscribe("publicTrade.ETHUSDT", req_id="r")))
    assert reply == {"success": True, "ret_msg": "subscribe", "op": "subscribe", "req_id": "r"}
    reply = without_id(spot.ask(unsubscribe("publicTrade.BTCUSDT")))
    assert reply == {"success": True, "ret_msg": "unsubscribe", "op": "unsubscribe"}
    assert venue.subscriptions(PATH + "spot") == ("publicTrade.ETHUSDT",)


def test_spot_takes_ten_topics_a_request(venue: BybitVenue, spot: Peer) -> None:
    topics = [f"kline.{interval}.BTCUSDT" for interval in INTERVALS]
    spot.send(subscribe(*topics[:11]))
    text = spot.websocket.recv(timeout=WAIT)
    assert isinstance(text, str) and "args size \\u003e10" in text  # escaped on the wire
    assert without_id(json.loads(text)) == {"success": False, "ret_msg": "args size >10", "op": "subscribe"}
    assert venue.subscriptions() == ()
    assert spot.ask(subscribe(*topics[:10]))["success"] is True
    assert spot.ask(subscribe(*topics[10:]))["success"] is True
    assert len(venue.subscriptions()) == len(topics)


@pytest.mark.parametrize(
    "topic, text",
    [
        ("publicTrade.NOPEUSDT", "Invalid symbol :[publicTrade.NOPEUSDT]"),
        ("orderbook.50.btcusdt", "Invalid symbol :[orderbook.50.btcusdt]"),
        ("bookticker.BTCUSDT", "Invalid topic :[bookticker.BTCUSDT]"),
        ("orderbook.500.BTCUSDT", "Invalid topic :[orderbook.500.BTCUSDT]"),
        ("allLiquidation.BTCUSDT", "Invalid topic :[allLiquidation.BTCUSDT]"),
    ],
)
def test_spot_refusals(venue: BybitVenue, spot: Peer, topic: str, text: str) -> None:
    reply = without_id(spot.ask(subscribe("publicTrade.BTCUSDT", topic)))
    assert reply == {"success": False, "ret_msg": text, "op": "subscribe"}
    assert venue.subscriptions() == ()


def test_spot_refuses_what_is_no_request(spot: Peer) -> None:
    for text in ("not json", "[1]"):
        assert spot.ask(text) == {"ret_code": "400", "type": "error", "ret_msg": "Invalid JSON!"}
    assert spot.ask({"op": "dance"})["success"] is False


# -- option ------------------------------------------------------------------------------------------------------------


def test_option_subscribe(venue: BybitVenue, option: Peer) -> None:
    topics = [f"tickers.{OPTION}", "publicTrade.BTC", f"orderbook.25.{DOTTED}"]
    option.send(subscribe(*topics, req_id="r"))
    reply = without_id(option.receive())
    assert reply == {"success": True, "data": {"failTopics": [], "successTopics": topics}, "type": "COMMAND_RESP"}
    assert venue.subscriptions(PATH + "option") == tuple(sorted(topics))
    pushes(option)
    reply = without_id(option.ask(unsubscribe(topics[0])))
    assert reply == {"success": True, "data": {"failTopics": [], "successTopics": topics[:1]}, "type": "COMMAND_RESP"}
    assert len(venue.subscriptions()) == 2


def test_option_judges_each_topic_by_itself(venue: BybitVenue, option: Peer) -> None:
    bad = ["tickers.NOPE", "publicTrade.DOGE", f"publicTrade.{OPTION}", "nonsense"]
    reply = without_id(option.ask(subscribe("publicTrade.BTC", *bad)))
    assert reply["data"] == {"failTopics": bad, "successTopics": ["publicTrade.BTC"]} and reply["success"] is True
    assert venue.subscriptions() == ("publicTrade.BTC",)
    assert option.ask(subscribe("nonsense"))["success"] is False


def test_option_accepts_what_it_never_delivers(venue: BybitVenue, option: Peer) -> None:
    topics = [f"kline.1.{OPTION}", f"orderbook.1.{OPTION}", f"orderbook.50.{OPTION}"]
    assert option.ask(subscribe(*topics))["data"]["successTopics"] == topics
    venue.step(20)
    assert pushes(option) == []


# -- order books -------------------------------------------------------------------------------------------------------


def apply(book: ClientBook, frame: Dict[str, Any]) -> None:
    book.apply(frame["data"]["b"], frame["data"]["a"], frame["type"] == "snapshot", Decimal)


@pytest.mark.parametrize(
    "category, depth",
    [(c, d) for c in ("linear", "inverse", "spot") for d in (50, 200, 1000)] + [("option", 25), ("option", 100)],
)
def test_order_book_sums_to_the_truth(venue: BybitVenue, category: str, depth: int) -> None:
    symbol, topic, book = SYMBOL[category], f"orderbook.{depth}.{SYMBOL[category]}", ClientBook()
    with peer(venue, PATH + category) as client:
        assert client.ask(subscribe(topic))["success"] is True
        venue.step(60)
        frames = pushes(client)
    assert [frame["type"] for frame in frames[:2]] == ["snapshot", "delta"] and len(frames) > 40
    last: Optional[Dict[str, Any]] = None
    for frame in frames:
        apply(book, frame)
        assert frame["topic"] == topic and frame["data"]["s"] == symbol
        assert isinstance(frame["ts"], int) and isinstance(frame["cts"], int)
        assert len(book.bids) <= depth and len(book.asks) <= depth
        if category == "option":
            assert frame["id"] == f"{topic}-{frame['data']['seq']}-{frame['ts']}"
        else:
            assert "id" not in frame
        if last is not None:
            assert frame["data"]["u"] == last["u"] + 1 and frame["data"]["seq"] > last["seq"]
        last = frame["data"]
    bids, asks = frames[0]["data"]["b"], frames[0]["data"]["a"]
    assert Decimal(bids[0][0]) > Decimal(bids[1][0]) and Decimal(asks[0][0]) < Decimal(asks[1][0])
    assert book.levels() == venue.book(symbol, category, depth)


def test_level_one_is_snapshots_only_and_repeats(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("orderbook.1.BTCUSDT"))
    venue.step(60)
    frames = pushes(linear)
    assert {frame["type"] for frame in frames} == {"snapshot"}
    for before, after in pairs(frames):
        same = (before["data"]["b"], before["data"]["a"]) == (after["data"]["b"], after["data"]["a"])
        assert after["data"]["u"] == before["data"]["u"] + (0 if same else 1)
        assert not same or after["ts"] - before["ts"] >= 3000
    truth = venue.book("BTCUSDT", depth=1)
    assert [tuple(map(Decimal, level)) for level in frames[-1]["data"]["b"] + frames[-1]["data"]["a"]] == [
        *truth["bids"], *truth["asks"]
    ]


def test_level_one_repeats_what_stands(venue: BybitVenue, linear: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    linear.ask(subscribe("orderbook.1.BTCUSDT"))
    monkeypatch.setattr(venue, "_advance", lambda now_us: None)  # a market that stands still
    venue.step(31)  # 6.2 s
    frames = pushes(linear)
    assert len(frames) == 3
    assert len({json.dumps(frame["data"]) for frame in frames}) == 1


def test_a_late_subscriber_joins_in_the_middle(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("orderbook.50.BTCUSDT"))
    venue.step(10)
    with peer(venue) as late:
        late.ask(subscribe("orderbook.50.BTCUSDT"))
        snapshot = late.receive()
        assert snapshot["type"] == "snapshot" and snapshot["data"]["u"] == pushes(linear)[-1]["data"]["u"]
        venue.step(5)
        assert pushes(late) == pushes(linear)


def test_a_resubscription_brings_a_fresh_snapshot(venue: BybitVenue, linear: Peer) -> None:
    book = ClientBook()
    linear.ask(subscribe("orderbook.50.BTCUSDT"))
    linear.receive()
    linear.ask(unsubscribe("orderbook.50.BTCUSDT"))
    venue.step(10)
    assert pushes(linear) == []
    linear.ask(subscribe("orderbook.50.BTCUSDT"))
    snapshot = linear.receive()
    apply(book, snapshot)
    assert snapshot["type"] == "snapshot" and book.levels() == venue.book("BTCUSDT", depth=50)


def test_skip_update_leaves_a_gap(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT"))
    venue.step(3)
    venue.skip_update("BTCUSDT")
    venue.step(3)
    updates = [frame["data"]["u"] for frame in pushes(linear) if frame["topic"] == "orderbook.50.BTCUSDT"]
    assert [after - before for before, after in pairs(updates)] == [1, 1, 1, 2, 1]


def test_restart_books(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("orderbook.50.BTCUSDT"))
    venue.step(3)
    venue.restart_books("BTCUSDT")
    venue.step(1)
    frames = pushes(linear)
    assert [(frame["type"], frame["data"]["u"]) for frame in frames[-2:]] == [("snapshot", 1), ("delta", 2)]
    book = ClientBook()
    for frame in frames:
        apply(book, frame)
    assert book.levels() == venue.book("BTCUSDT", depth=50)


@pytest.mark.parametrize("category", ["linear", "spot"])
def test_rpi_book(venue: BybitVenue, category: str) -> None:
    book: Dict[str, Dict[str, Any]] = {"b": {}, "a": {}}
    with peer(venue, PATH + category) as client:
        client.ask(subscribe("orderbook.rpi.BTCUSDT"))
        venue.step(60)
        for frame in pushes(client):
            for name, side in book.items():
                for price, size, rpi in frame["data"][name]:
                    if Decimal(size) == Decimal(rpi) == 0:
                        del side[price]
                    else:
                        side[price] = (Decimal(size), Decimal(rpi))
    truth = venue.book("BTCUSDT", category, 50)
    for name, side in (("bids", book["b"]), ("asks", book["a"])):
        assert {Decimal(price): size for price, (size, _) in side.items()} == dict(truth[name])
        assert any(rpi > 0 for _, rpi in side.values())
    assert rpi_lots(3, 8) == 2 and rpi_lots(4, 8) == 0


def test_the_envelopes_key_order_varies(venue: BybitVenue, linear: Peer, spot: Peer) -> None:
    def order(frame: Dict[str, Any]) -> bool:
        return list(frame).index("ts") < list(frame).index("type")

    linear.ask(subscribe("orderbook.50.BTCUSDT", "orderbook.1.BTCUSDT"))
    assert [order(linear.receive()), order(linear.receive())] == [False, True]
    spot.ask(subscribe("orderbook.50.BTCUSDT"))
    assert order(spot.receive())


# -- the other topics --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("category", ["linear", "inverse", "spot"])
def test_trades(venue: BybitVenue, category: str) -> None:
    symbol = SYMBOL[category]
    with peer(venue, PATH + category) as client:
        client.ask(subscribe(f"publicTrade.{symbol}"))
        venue.step(40)
        frames = pushes(client)
    rows = [row for frame in frames for row in frame["data"]]
    truth = venue.trades(symbol, category)[-len(rows):]
    assert [(Decimal(r["p"]), Decimal(r["v"]), r["S"], r["T"], r["seq"]) for r in rows] == [
        (t.price, t.size, "Buy" if t.buy else "Sell", t.time_us // 1000, t.sequence) for t in truth
    ]
    assert {frame["type"] for frame in frames} == {"snapshot"} and len({row["i"] for row in rows}) == len(rows)
    for row in rows:
        assert row["s"] == symbol and row["BT"] is False and row["RPI"] is False
        if category == "spot":
            assert row["i"].isdigit() and int(row["i"]) > 2**53 and "L" not in row
        else:
            assert str(uuid.UUID(row["i"])) == row["i"] and row["L"].endswith("Tick")


def test_option_trades_are_of_a_base_coin(option: Peer, venue: BybitVenue) -> None:
    option.ask(subscribe("publicTrade.BTC"))
    venue.step(60)
    frames = pushes(option)
    rows = [row for frame in frames for row in frame["data"]]
    assert {row["s"] for row in rows} == {symbol for symbol in venue.symbols("option") if symbol.startswith("BTC-")}
    assert all({"mP", "iP", "mIv", "iv"} <= set(row) and "L" not in row for row in rows)
    assert all(frame["id"].startswith("publicTrade.BTC-") for frame in frames)


@pytest.mark.parametrize("category", ["linear", "inverse"])
def test_futures_ticker_deltas_merge_to_the_truth(venue: BybitVenue, category: str) -> None:
    symbol = SYMBOL[category]
    with peer(venue, PATH + category) as client:
        client.ask(subscribe(f"tickers.{symbol}"))
        venue.step(30)
        frames = pushes(client)
    assert frames[0]["type"] == "snapshot" and {frame["type"] for frame in frames[1:]} == {"delta"}
    merged = dict(frames[0]["data"])
    for frame in frames[1:]:
        assert frame["data"]["symbol"] == symbol and isinstance(frame["cs"], int)
        assert len(frame["data"]) < len(merged)
        merged.update(frame["data"])
    book = venue.book(symbol, category, 1)
    assert (Decimal(merged["bid1Price"]), Decimal(merged["bid1Size"])) == book["bids"][0]
    assert (Decimal(merged["ask1Price"]), Decimal(merged["ask1Size"])) == book["asks"][0]
    assert Decimal(merged["lastPrice"]) == venue.trades(symbol, category)[-1].price
    assert merged["preOpenPrice"] == ""


def test_spot_and_option_tickers_are_snapshots(venue: BybitVenue, spot: Peer, option: Peer) -> None:
    spot.ask(subscribe("tickers.BTCUSDT"))
    option.ask(subscribe(f"tickers.{DOTTED}"))
    venue.step(20)
    of_spot, of_option = pushes(spot), pushes(option)
    assert len(of_spot) > 3 and len(of_option) > 3
    assert {frame["type"] for frame in of_spot + of_option} == {"snapshot"}
    assert "bid1Price" not in of_spot[-1]["data"] and "cs" in of_spot[-1]
    assert of_option[-1]["data"]["symbol"] == DOTTED and "bidPrice" in of_option[-1]["data"]
    assert "cs" not in of_option[-1] and of_option[-1]["id"].startswith(f"tickers.{DOTTED}-")


def test_klines(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("kline.1.BTCUSDT"))
    venue.step(5 * 130)  # 130 s
    frames = pushes(linear)
    rows = [frame["data"][0] for frame in frames]
    assert 130 <= len(rows) <= 133 and {frame["type"] for frame in frames} == {"snapshot"}
    confirmed = [row for row in rows if row["confirm"]]
    assert len(confirmed) in (2, 3)
    for row in rows:
        assert row["end"] - row["start"] == 59_999 and row["interval"] == "1"
        prices = [Decimal(row[name]) for name in ("low", "open", "close", "high")]
        assert prices[0] == min(prices) and prices[3] == max(prices)
    for before, after in pairs(confirmed):
        assert after["start"] == before["end"] + 1 and after["open"] == before["close"]


def test_liquidations(venue: BybitVenue, linear: Peer) -> None:
    linear.ask(subscribe("allLiquidation.BTCUSDT"))
    venue.step(100)
    frames = pushes(linear)
    assert frames and all(frame["type"] == "snapshot" for frame in frames)
    assert all(set(row) == {"T", "s", "S", "v", "p"} for frame in frames for row in frame["data"])


@pytest.mark.parametrize("category, pool", [("linear", "USDT"), ("linear", "USDC"), ("inverse", "inverse")])
def test_insurance_and_adl(venue: BybitVenue, category: str, pool: str) -> None:
    with peer(venue, PATH + category) as client:
        client.ask(subscribe(f"insurance.{pool}", f"adlAlert.{pool}"))
        venue.step(50)
        frames = pushes(client)
    insurance = [frame for frame in frames if frame["topic"] == f"insurance.{pool}"]
    alerts = [frame for frame in frames if frame["topic"] == f"adlAlert.{pool}"]
    assert insurance[0]["type"] == "snapshot" and {frame["type"] for frame in insurance[1:]} == {"delta"}
    assert all(set(row) == {"coin", "symbols", "balance", "updateTime"} for frame in insurance for row in frame["data"])
    assert len(alerts) == 10 and isinstance(alerts[0]["data"][0]["b"], float)


def test_price_limits_have_no_type(venue: BybitVenue, linear: Peer, spot: Peer) -> None:
    for client in (linear, spot):
        client.ask(subscribe("priceLimit.BTCUSDT"))
        venue.step(5)
        frame = pushes(client)[0]
        assert set(frame) == {"topic", "data", "ts"}
        assert Decimal(frame["data"]["buyLmt"]) > Decimal(frame["data"]["sellLmt"])


def test_the_default_market_is_lively() -> None:
    with BybitVenue() as venue, peer(venue) as client:
        topics = ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT", "kline.1.BTCUSDT"]
        client.ask(subscribe(*topics))
        seen = set()
        while seen != set(topics):
            seen.add(client.receive()["topic"])
