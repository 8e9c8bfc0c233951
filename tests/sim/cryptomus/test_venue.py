"""Every documented answer, refusal and update of the local Cryptomus venue."""

from __future__ import annotations

import contextlib
import hashlib
import json
import urllib.error
import urllib.request
from decimal import Decimal
from typing import Any, Dict, Iterator, List, Optional, Tuple

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from dbxsdk.sim.cryptomus.venue import CryptomusVenue

from tests.sim.peer import WAIT, ClientBook, Peer

SUCCESS = {"status": "success"}
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture
def venue() -> Iterator[CryptomusVenue]:
    with CryptomusVenue(rate=0, symbols=("BTC_USDT", "ETH_USDT")) as made:
        yield made


@pytest.fixture
def client(venue: CryptomusVenue) -> Iterator[Peer]:
    with peer(venue) as made:
        yield made


def get(url: str, **headers: str) -> Tuple[int, Any]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with _opener.open(request, timeout=WAIT) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read()
    return status, json.loads(body) if body[:1] in (b"{", b"[") else body


def token(venue: CryptomusVenue) -> str:
    sign = hashlib.md5(venue.api_key.encode()).hexdigest()
    status, document = get(venue.token_url(), userId=venue.user_id, sign=sign)
    assert status == 200 and list(document) == ["token"] and len(document["token"]) == 64
    return str(document["token"])


@contextlib.contextmanager
def peer(venue: CryptomusVenue, query: Optional[str] = None) -> Iterator[Peer]:
    url = f"{venue.url()}?{query or 'token=' + token(venue)}"
    with connect(url, compression=None, close_timeout=1, max_queue=None) as websocket:
        yield Peer(websocket)


def request(method: str, *params: Any, id: Any = 7) -> Dict[str, Any]:
    return {"id": id, "method": method, "params": list(params)}


def pushes(client: Peer) -> List[Dict[str, Any]]:
    """What was pushed so far: everything before the answer to a ping sent now."""
    client.send(request("ping", id=999))
    return client.receive_all(lambda document: document["id"] == 999)


def refused(document: Dict[str, Any], code: int) -> bool:
    return document["id"] == 7 and document["data"] is None and document["error"]["code"] == code and "method" not in document


# -- the way in --------------------------------------------------------------------------------------------------------


def test_a_token_is_good_once(venue: CryptomusVenue) -> None:
    first = token(venue)
    with peer(venue, f"x=1&token={first}") as client:
        assert client.ask(request("ping"))["method"] == "pong"
    with pytest.raises(InvalidStatus, match="401"), peer(venue, f"token={first}"):
        pass
    assert venue.tokens_used == (first,)


@pytest.mark.parametrize("query", ["token=", "token=abc", "nothing=1"])
def test_no_way_in_without_a_token(venue: CryptomusVenue, query: str) -> None:
    with pytest.raises(InvalidStatus, match="401"), peer(venue, query):
        pass
    assert venue.connection_count == 0


def test_tokens_expire() -> None:
    now = [1_700_000_000.0]
    with CryptomusVenue(rate=0, clock=lambda: now[0]) as venue:
        late, early = token(venue), token(venue)
        now[0] += 299
        with peer(venue, f"token={early}"):
            pass
        now[0] += 1
        with pytest.raises(InvalidStatus, match="401"), peer(venue, f"token={late}"):
            pass
        third = token(venue)
        assert venue.expire_tokens() == 1 and venue.expire_tokens() == 0
        with pytest.raises(InvalidStatus, match="401"), peer(venue, f"token={third}"):
            pass


def test_a_refused_connection_does_not_use_the_token_up(venue: CryptomusVenue) -> None:
    mine = token(venue)
    venue.refuse_connections(503, times=1)
    with pytest.raises(InvalidStatus, match="503"), peer(venue, f"token={mine}"):
        pass
    with peer(venue, f"token={mine}"):
        pass


@pytest.mark.parametrize("user_id, sign, status", [
    (None, None, 401), ("somebody", None, 404), (None, "0" * 32, 401), (None, "", 401), ("", "", 404),
])
def test_a_wrong_user_or_sign(venue: CryptomusVenue, user_id: Optional[str], sign: Optional[str], status: int) -> None:
    headers = {"userId": venue.user_id if user_id is None else user_id, "sign": "é" if sign is None else sign}
    assert get(venue.token_url(), **headers)[0] == status
    assert venue.token_requests == 1


def test_http_answers_on_request(venue: CryptomusVenue) -> None:
    venue.answer_http("token", 503, 2, headers={"Retry-After": "1"})
    venue.answer_http("markets", 200, body={"result": []})
    assert [get(venue.token_url())[0] for _ in range(3)] == [503, 503, 404]
    assert get(venue.markets_url()) == get(venue.markets_url()) == (200, {"result": []})
    venue.accept_http()
    assert get(venue.markets_url())[1]["result"] != []


@pytest.mark.parametrize("arguments", [("other", 503), ("token", 700), ("token", 503, 0)])
def test_wrong_http_answers(venue: CryptomusVenue, arguments: Any) -> None:
    with pytest.raises(ValueError):
        venue.answer_http(*arguments)


def test_markets_and_scales(venue: CryptomusVenue) -> None:
    status, document = get(venue.markets_url())
    assert status == 200 and [market["symbol"] for market in document["result"]] == ["BTC_USDT", "ETH_USDT"]
    assert all(isinstance(value, str) for market in document["result"] for value in market.values())
    status, document = get(venue.depth_scales_url() + "?symbol=ETH_USDT")
    assert (status, document["status"], document["message"]) == (200, "success", "success")
    assert [(scale["index"], Decimal(scale["scale"])) for scale in document["data"]] == [
        (0, Decimal("0.01")), (1, Decimal("0.1")), (2, Decimal(1)),
    ]
    assert get(venue.depth_scales_url() + "?symbol=NO_SUCH")[0] == get(venue.depth_scales_url())[0] == 404
    assert get(venue.markets_url() + "/other")[0] == 404


@pytest.mark.parametrize("arguments", [{"repeat": "other"}, {"symbols": ()}, {"symbols": ("BTCUSDT",)}])
def test_wrong_arguments(arguments: Any) -> None:
    with pytest.raises(ValueError):
        CryptomusVenue(**arguments)


# -- requests ----------------------------------------------------------------------------------------------------------


def test_ping(client: Peer) -> None:
    assert client.ask(request("ping")) == {"id": 7, "method": "pong", "data": None, "error": None}


@pytest.mark.parametrize("channel", ["lastprice", "depth", "ticker", "trade", "order", "balance", "deal"])
def test_subscribe_and_unsubscribe(venue: CryptomusVenue, client: Peer, channel: str) -> None:
    name = {"depth": "BTC_USDT:1", "balance": "USDT"}.get(channel, "BTC_USDT")
    answer = {"id": 7, "method": f"{channel}_subscribe", "data": SUCCESS, "error": None}
    if channel == "deal":
        del answer["method"]
    unsubscribed = {"id": 7, "data": SUCCESS, "error": None}
    assert client.ask(request(f"{channel}_subscribe", name, name)) == answer
    assert venue.subscriptions() == (f"{channel}.{name}",)
    pushes(client)
    assert client.ask(request(f"{channel}_unsubscribe", name)) == unsubscribed
    assert venue.subscriptions() == ()
    assert client.ask(request(f"{channel}_subscribe", "all")) == answer
    assert venue.subscriptions() == (f"{channel}.all",)
    pushes(client)
    assert client.ask(request(f"{channel}_unsubscribe", "all")) == unsubscribed
    assert venue.subscriptions() == ()
    venue.step(50)
    assert pushes(client) == []


@pytest.mark.parametrize("channel", ["order", "balance", "deal"])
def test_an_empty_list_ends_private_channels(venue: CryptomusVenue, client: Peer, channel: str) -> None:
    client.ask(request(f"{channel}_subscribe", "all"))
    client.ask(request(f"{channel}_unsubscribe"))
    assert venue.subscriptions() == ()


@pytest.mark.parametrize("repeat, error, after", [
    ("replace", False, ("ticker.ETH_USDT",)),
    ("refuse", True, ("ticker.BTC_USDT",)),
    ("add", False, ("ticker.BTC_USDT", "ticker.ETH_USDT")),
])
def test_a_repeated_subscription(repeat: str, error: bool, after: Tuple[str, ...]) -> None:
    with CryptomusVenue(rate=0, repeat=repeat) as venue, peer(venue) as client:
        client.ask(request("ticker_subscribe", "BTC_USDT"))
        client.ask(request("trade_subscribe", "BTC_USDT"))  # another channel: no repeat
        answer = client.ask(request("ticker_subscribe", "ETH_USDT"))
        assert refused(answer, 2) is error
        assert venue.subscriptions() == (*after, "trade.BTC_USDT")


@pytest.mark.parametrize("document, code", [
    ({"id": 7}, 1),
    ({"id": 7, "method": "ping"}, 1),
    ({"id": 7, "method": 5, "params": []}, 1),
    ({"id": 7, "method": "ticker_subscribe", "params": "BTC_USDT"}, 1),
    (request("ticker_subscribe", 5), 1),
    (request("nothing_like_this"), 2),
    (request("candles_subscribe", "BTC_USDT"), 2),
    (request("ticker_subscribe"), 2),
    (request("ticker_unsubscribe"), 2),
    (request("ticker_subscribe", "NO_SUCH"), 2),
    (request("ticker_subscribe", "BTC_USDT", "NO_SUCH"), 2),
    (request("depth_subscribe", "BTC_USDT"), 2),
    (request("depth_subscribe", "BTC_USDT:9"), 2),
    (request("balance_subscribe", "BTC_USDT"), 2),
])
def test_refusals(venue: CryptomusVenue, client: Peer, document: Any, code: int) -> None:
    assert refused(client.ask(document), code)
    assert venue.subscriptions() == ()
    assert client.ask(request("ping"))["error"] is None


@pytest.mark.parametrize("document", [[1], 5, "x", {"id": "7", "method": "ping", "params": []}])
def test_what_is_no_request(client: Peer, document: Any) -> None:
    answer = client.ask(json.dumps(document))
    assert answer["error"]["code"] == 1 and answer["data"] is None


@pytest.mark.parametrize("frame", ["{", "", "{'id': 1}", b"\xff"])
def test_invalid_json_closes_the_connection(venue: CryptomusVenue, client: Peer, frame: Any) -> None:
    client.send(frame)
    with pytest.raises(ConnectionClosed):
        client.receive()
    assert venue.wait_until(lambda: venue.connections == 0)


def test_a_connection_without_requests_is_closed() -> None:
    with CryptomusVenue(rate=0, idle_timeout=0.1) as venue, peer(venue) as client:
        client.websocket.ping()  # is no request
        with pytest.raises(ConnectionClosed):
            client.receive()
    assert CryptomusVenue()._idle_timeout == 60


# -- updates -----------------------------------------------------------------------------------------------------------


def test_shapes_of_market_data(venue: CryptomusVenue, client: Peer) -> None:
    for channel in ("lastprice", "ticker", "trade"):
        client.ask(request(f"{channel}_subscribe", "BTC_USDT"))
    venue.step(20)
    found = {document["method"]: document for document in pushes(client)}
    assert set(found) == {"lastprice_update", "ticker_update", "trade_update"}
    for document in found.values():
        assert document["id"] == 0 and document["error"] is None
        assert document["data"]["symbol"] == "BTC_USDT" and isinstance(document["data"]["timestamp"], int)
    assert set(found["lastprice_update"]["data"]) == {"symbol", "timestamp", "price"}
    assert set(found["ticker_update"]["data"]) == {
        "symbol", "timestamp", "price", "open", "high", "low", "volume", "quote_volume", "price_change",
    }
    assert all(isinstance(value, str) for name, value in found["ticker_update"]["data"].items() if name != "timestamp")
    for trade in found["trade_update"]["data"]["trades"]:
        assert set(trade) == {"price", "quantity", "timestamp", "direction"} and trade["direction"] in ("buy", "sell")
        assert isinstance(trade["price"], float) and isinstance(trade["quantity"], float)


def test_trades_are_the_truth(venue: CryptomusVenue, client: Peer) -> None:
    client.ask(request("trade_subscribe", "all"))
    venue.step(40)
    received = [
        (Decimal(repr(trade["price"])), Decimal(repr(trade["quantity"])), trade["direction"])
        for document in pushes(client)
        if document["data"]["symbol"] == "ETH_USDT"
        for trade in document["data"]["trades"]
    ]
    truth = [(trade.price, trade.size, "buy" if trade.buy else "sell") for trade in venue.trades("ETH_USDT")]
    assert received and received == truth[-len(received):]


@pytest.mark.parametrize("repeat", ["replace", "add"])
def test_books_at_every_scale(repeat: str) -> None:
    with CryptomusVenue(rate=0, symbols=("BTC_USDT", "ETH_USDT"), repeat=repeat) as venue, peer(venue) as client:
        client.send(request("depth_subscribe", "BTC_USDT:0"))
        with peer(venue) as other:
            other.ask(request("depth_subscribe", "all"))
            venue.step(20)
            client.send(request("depth_subscribe", "BTC_USDT:0", "BTC_USDT:1", "ETH_USDT:2"))
            venue.step(20)
            books: Dict[Any, ClientBook] = {}
            first: Dict[Any, bool] = {}
            for document in pushes(client):
                data = document["data"]
                if not document["method"].endswith("_update"):
                    continue
                key = data["symbol"], data["scale_index"]
                first.setdefault(key, data["full_reload"])
                book = books.setdefault(key, ClientBook())
                book.apply(data["bids"], data["asks"], data["full_reload"], Decimal)
            assert first == {("BTC_USDT", 0): True, ("BTC_USDT", 1): True, ("ETH_USDT", 2): True}
            for key, book in books.items():
                assert book.levels() == venue.book(*key)
            assert len({(push["data"]["symbol"], push["data"]["scale_index"]) for push in pushes(other)}) == 6
        fine, coarse = venue.book("BTC_USDT", 0), venue.book("BTC_USDT", 2)
        for side in ("bids", "asks"):
            assert sum(size for _, size in fine[side]) == sum(size for _, size in coarse[side])
        assert coarse["bids"][0][0] <= fine["bids"][0][0] < fine["asks"][0][0] <= coarse["asks"][0][0]
        assert all(price % (100 * Decimal("0.1")) == 0 for price, _ in coarse["bids"] + coarse["asks"])


def test_the_account(venue: CryptomusVenue, client: Peer) -> None:
    balances = venue.balances()
    for channel in ("order", "deal", "balance"):
        client.ask(request(f"{channel}_subscribe", "all"))
    venue.step(5 * 30)
    documents = pushes(client)
    ids = {(document["method"], document["data"].get("type")): document["id"] for document in documents}
    assert ids == {
        ("order_update", "created"): "1", ("order_update", "updated"): "3", ("order_update", "finished"): "3",
        ("deal_update", None): "4", ("balance_update", None): "4",
    }
    for document in documents:
        info = document["data"]["info"]
        if document["method"] == "balance_update":
            assert Decimal(info["oldBalance"]) == balances[info["currencyCode"]]
            balances[info["currencyCode"]] = Decimal(info["newBalance"])
            assert Decimal(info["amount"]) == abs(Decimal(info["newBalance"]) - Decimal(info["oldBalance"]))
        if document["method"] == "order_update":
            assert ("updateTs" in info) is (document["data"]["type"] == "updated")
            assert ({"finishTs", "state", "internalState"} <= set(info)) is (document["data"]["type"] == "finished")
            assert Decimal(info["filledValue"]) == Decimal(info["price"]) * Decimal(info["filledQuantity"])
    assert balances == venue.balances()


def test_one_currency_or_market_of_the_account(venue: CryptomusVenue, client: Peer) -> None:
    client.ask(request("balance_subscribe", "ETH"))
    client.ask(request("order_subscribe", "ETH_USDT"))
    venue.step(5 * 40)
    documents = pushes(client)
    assert {document["data"]["info"].get("currencyCode") for document in documents} == {"ETH", None}
    assert {document["data"]["info"].get("symbol") for document in documents} == {"ETH_USDT", None}
