"""Garbage from a client to the local venues: their own code raises nothing, their threads live, nothing is left."""

from __future__ import annotations

import contextlib
import json
from typing import Any, Callable, Dict, Iterator, List, Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from dbxsdk.sim import BybitVenue, CryptomusVenue, DBotVenue, DigiFinexVenue
from tests.fuzz.documents import ID, Socket
from tests.fuzz.running import count, limits
from tests.fuzz.strategies import frames
from tests.waiting import eventually

_ORDER = {
    "category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.01", "price": "10000",
    "orderLinkId": "mine", "timeInForce": "GTC", "reduceOnly": False, "positionIdx": 0, "triggerPrice": "9000", "takeProfit": "2",
}
_BYBIT_PUBLIC = [
    {"op": "subscribe", "req_id": ID, "args": ["orderbook.50.BTCUSDT", "publicTrade.BTCUSDT"]},
    {"op": "subscribe", "req_id": ID, "args": ["tickers.BTCUSDT", "kline.5.BTCUSDT", "allLiquidation.BTCUSDT"]},
    {"op": "unsubscribe", "req_id": ID, "args": ["orderbook.50.BTCUSDT"]},
    {"op": "ping", "req_id": ID},
]
_BYBIT_PRIVATE = [
    {"op": "auth", "req_id": ID, "args": ["key", 1_900_000_000_000, "signature"]},
    {"op": "subscribe", "req_id": ID, "args": ["order", "execution.linear", "wallet"]},
    {"op": "ping", "req_id": ID},
]
_BYBIT_TRADE = [
    {"op": "auth", "reqId": ID, "args": ["key", 1_900_000_000_000, "signature"]},
    *(
        {"op": op, "reqId": ID, "header": {"X-BAPI-TIMESTAMP": "1700000000000", "X-BAPI-RECV-WINDOW": "5000"}, "args": [args]}
        for op, args in (
            ("order.create", _ORDER), ("order.amend", {**_ORDER, "qty": "0.02"}), ("order.cancel", _ORDER),
            ("order.create-batch", {"category": "linear", "request": [_ORDER, _ORDER]}),
            ("order.cancel-batch", {"category": "linear", "request": [_ORDER]}),
        )
    ),
    {"op": "ping", "reqId": ID},
]
_DIGIFINEX = [
    {"id": ID, "method": f"{channel}.{verb}", "params": ["BTC_USDT"]}
    for channel in ("trades", "depth", "ticker", "all_ticker", "order", "balance")
    for verb in ("subscribe", "unsubscribe")
] + [
    {"id": ID, "method": "server.ping", "params": []},
    {"id": ID, "method": "server.auth", "params": ["key", "1700000000000", "c2lnbg=="]},
]
_SWAP = [
    {"id": ID, "event": f"{channel}.{verb}", "instrument_ids": ["BTCUSDTPERP"], "level": 20, "granularity": "1m"}
    for channel in ("trades", "depth", "ticker", "all_ticker", "cur_candle", "fund_rate", "order", "account")
    for verb in ("subscribe", "unsubscribe")
] + [
    {"id": ID, "event": "server.ping"},
    {"id": ID, "event": "server.auth", "apikey": "key", "timestamp": 1_700_000_000_000, "signature": "c2lnbg=="},
]
_CRYPTOMUS = [
    {"id": ID, "method": f"{channel}_{verb}", "params": ["BTC_USDT:0" if channel == "depth" else "BTC_USDT"]}
    for channel in ("lastprice", "depth", "ticker", "trade", "order", "deal")
    for verb in ("subscribe", "unsubscribe")
] + [{"id": ID, "method": "ping", "params": []}, {"id": ID, "method": "balance_subscribe", "params": ["all"]}]
_DBOT_TRADE = [
    {"id": ID, "method": "updateFollowOrder", "params": {"id": "x", "enabled": False, "closePnlOrder": False}},
    {"id": ID, "method": "getSwapOrders", "params": {"ids": ["x", "y"]}},
    {
        "id": ID, "method": "createSwapOrder",
        "params": {
            "chain": "solana", "pair": "P", "walletId": "local-wallet-1", "type": "buy", "amountOrPercent": 0.01,
            "priorityFee": "", "maxSlippage": 0.1, "retries": 1,
        },
    },
    {
        "id": ID, "method": "createOrUpdateFollowOrder",
        "params": {"name": "n", "enabled": True, "walletId": "local-wallet-1", "targetIds": ["x"]},
    },
    {"id": ID, "method": "deleteFollowOrders", "params": {"ids": ["x"]}},
    {"method": "subscribeTradeResults", "tradeTypeFilter": ["swap_buy_success"]},
]
_DBOT_DATA = [
    {"method": verb, "type": type_, "args": args}
    for verb in ("subscribe", "unsubscribe")
    for type_, args in (
        ("tx", {"pair": ["P"]}), ("pairInfo", {"pair": "P"}), ("walletTx", {"walletAddress": "W"}), ("newPairInfo", {}),
        ("pairsInfo", {"pairsInfoInterval": "1m", "pairs": [{"pair": "P", "token": "T"}]}),
    )
]


@attrs.frozen
class Case:
    """One socket of a venue: what its clients ask, the login that opens more of it, and a request that it answers."""

    name: str
    venue: Callable[..., Any]
    path: Any
    requests: Sequence[Any]
    good: Any
    log_in: Callable[[Any], Dict[str, Any]] = lambda venue: {}


def _token(venue: Any) -> Any:
    import requests

    from dbxsdk.cryptomus.http import signature

    headers = {"userId": venue.user_id, "sign": signature(venue.api_key)}
    token = requests.get(venue.token_url(), headers=headers, timeout=5).json()["token"]
    return {"query": f"?token={token}"}


def _bybit_login(venue: Any) -> Any:
    from dbxsdk.bybit.auth import Credentials

    expires = 4_000_000_000_000
    signature = Credentials(venue.api_key, venue.api_secret).sign(f"GET/realtime{expires}")
    return {"first": {"op": "auth", "req_id": "a", "reqId": "a", "args": [venue.api_key, expires, signature]}}


_PING = {"op": "ping", "req_id": "p", "reqId": "p"}
CASES = (
    Case("bybit-public", BybitVenue, "/v5/public/linear", _BYBIT_PUBLIC, _PING),
    Case("bybit-private", BybitVenue, "/v5/private", _BYBIT_PRIVATE, _PING, _bybit_login),
    Case("bybit-trade", BybitVenue, "/v5/trade", _BYBIT_TRADE, _PING, _bybit_login),
    Case("digifinex", DigiFinexVenue, None, _DIGIFINEX, {"id": 5, "method": "server.ping", "params": []}),
    Case("digifinex-swap", DigiFinexVenue, "/swap_ws/v2/", _SWAP, {"id": 5, "event": "server.ping"}),
    Case("cryptomus", CryptomusVenue, None, _CRYPTOMUS, {"id": 5, "method": "ping", "params": []}, _token),
    Case("dbot-trade", DBotVenue, "/trade/ws/", _DBOT_TRADE, {"id": 5, "method": "getSwapOrders", "params": {"ids": ["x"]}},
         lambda venue: {"headers": {"x-api-key": venue.api_key}}),
    Case("dbot-data", DBotVenue, "/data/ws/", _DBOT_DATA, {"method": "subscribe", "type": "newPairInfo"},
         lambda venue: {"headers": {"x-api-key": venue.api_key}}),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_garbage_from_clients(case: Case) -> None:
    socket = Socket(case.name, lambda: None, case.requests)  # type: ignore[arg-type,return-value]

    with case.venue(rate=0) as venue:

        @contextlib.contextmanager
        def peer() -> Iterator[ClientConnection]:
            access = case.log_in(venue)
            url, headers = venue.url(case.path) + access.get("query", ""), access.get("headers", {})
            with connect(url, compression=None, close_timeout=1, max_queue=None, additional_headers=headers) as opened:
                if "first" in access:
                    opened.send(json.dumps(access["first"]))
                yield opened

        @limits(0.12)
        @given(st.lists(frames(socket, [1, "a", None], utf8=True), min_size=1, max_size=12))
        def run(sent: List[Any]) -> None:
            with contextlib.suppress(ConnectionClosed):  # Cryptomus ends a connection for what it cannot read
                with peer() as bad:
                    for payload, binary in sent:
                        bad.send(payload if binary else payload.decode())
                    with peer() as good:
                        good.send(json.dumps(case.good))
                        assert good.recv(timeout=5) is not None
                    venue.step(3)
                    bad.ping().wait(1)
            assert venue.wait_until(lambda: venue.connections == 0)
            assert venue.handler_errors == 0
            count(f"local venue {case.name}")
            count(f"local venue {case.name}", "frames", len(sent))

        run()
        with venue.client(*_kind(case)) as client:  # and good clients are served still
            client.open()
        eventually(lambda: venue.connections == 0)
        assert venue.handler_errors == 0


def _kind(case: Case) -> Sequence[str]:
    kinds = {"bybit-public": ["linear"], "bybit-private": ["private"], "bybit-trade": ["trade"], "dbot-trade": ["trade"]}
    return kinds.get(case.name, ["data"] if case.name == "dbot-data" else [])
