"""What each venue socket sends as it is documented: what the fuzzing starts from."""

from __future__ import annotations

import json
import zlib
from typing import Any, Callable, Dict, List, Sequence, Tuple

import attrs

from dbxsdk.book.rule import BookRule
from dbxsdk.bybit.auth import Credentials
from dbxsdk.bybit.private.protocol import BybitPrivateProtocol
from dbxsdk.bybit.public.book import BybitBookRule
from dbxsdk.bybit.public.protocol import BybitPublicProtocol
from dbxsdk.bybit.trade.protocol import AMEND, CANCEL, CREATE, CREATE_BATCH, BybitTradeProtocol
from dbxsdk.bybit.trade.results import read_batch, read_order
from dbxsdk.bybit.venue_clock import VenueClock
from dbxsdk.cryptomus.book import CryptomusBookRule
from dbxsdk.cryptomus.protocol import CHANNELS as CRYPTOMUS_CHANNELS
from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.dbot.data.protocol import DBotDataProtocol
from dbxsdk.dbot.trade.protocol import DBotTradeProtocol
from dbxsdk.digifinex.book import DigiFinexBookRule
from dbxsdk.digifinex.protocol import DigiFinexProtocol
from dbxsdk.digifinex.swap.book import SwapBookRule
from dbxsdk.digifinex.swap.protocol import DigiFinexSwapProtocol
from dbxsdk.protocol import Protocol, Request
from tests.bybit.private import test_protocol as private
from tests.bybit.public import test_models as bybit
from tests.bybit.trade.test_protocol import HEADER
from tests.cryptomus import test_protocol as cryptomus
from tests.dbot.data.test_protocol import TRADE as TRANSACTION
from tests.dbot.test_models import FAILURE, RESULT, SWAP
from tests.digifinex import test_protocol as digifinex
from tests.digifinex.swap.frames import BTC as CONTRACT
from tests.digifinex.swap.frames import UPDATES as SWAP_UPDATES

NOW_MS = 1_700_000_000_000
KEY, SECRET = "fuzz-key-0123456789", "fuzz-secret-0123456789"
ID = "\ue001"
"""In a document: where the id of a request stands."""


@attrs.frozen
class Socket:
    """One venue socket.

    Attributes:
        make: its protocol, as one client has it.
        frames: documents that it sends.
        channels: (channel, symbols) whose updates are among them.
        requests: what may be in flight beside subscriptions; the first is a login, where there is one.
        rules: of its order books.
        binary: whether its frames are binary, and compressed.
    """

    name: str
    make: Callable[[], Protocol]
    frames: Sequence[Any]
    channels: Sequence[Tuple[str, Sequence[str]]] = ()
    requests: Callable[[Any], List[Request]] = lambda protocol: [protocol.heartbeat()]
    rules: Sequence[BookRule] = ()
    binary: bool = False

    def pack(self, text: bytes) -> bytes:
        return zlib.compress(text) if self.binary else text

    def wire(self, document: Any) -> bytes:
        return self.pack(json.dumps(document).encode())

    def topics(self, protocol: Protocol) -> List[str]:
        return [topic for channel, symbols in self.channels for topic in protocol.topics(channel, symbols)]


# -- Bybit -----------------------------------------------------------------------------------------------------


def _topic(topic: str, data: Any, type_: Any = "snapshot", **envelope: Any) -> Dict[str, Any]:
    return {"topic": topic, "type": type_, "ts": NOW_MS, "data": data, **envelope}


_BOOK = {**bybit.BOOK, "b": [["10.10", "3"], ["10.00", "0.5"]], "a": [["10.20", "1"]]}
_RPI = {**_BOOK, "b": [["10.10", "3", "0"]], "a": [["10.2", "0", "1"]]}
_TICKER = {
    "symbol": "ABCUSDT", "tickDirection": "PlusTick", "price24hPcnt": "0.0172", "lastPrice": "17216.00", "markPrice": "17217.33",
    "prevPrice24h": "16915", "highPrice24h": "17281.5", "lowPrice24h": "16915", "indexPrice": "17227.36", "volume24h": "91705",
    "openInterest": "68744.7", "turnover24h": "1570383121", "nextFundingTime": "1673280000000", "fundingRate": "-0.000212",
    "bid1Price": "17215.50", "bid1Size": "84.489", "ask1Price": "17216.00", "ask1Size": "83.020",
}
_OPTION_TICKER = {
    "symbol": "ABC-6JAN23-17500-C", "bidPrice": "0", "bidSize": "0", "bidIv": "0", "askPrice": "10", "askSize": "5.1",
    "lastPrice": "10", "delta": "0.0272", "gamma": "0.0000", "vega": "0.4", "theta": "-35.5", "change24h": "-0.86",
    "predictedDeliveryPrice": "0",
}
_PUBLIC = [
    _topic("orderbook.50.ABCUSDT", _BOOK, cts=NOW_MS),
    _topic("orderbook.50.ABCUSDT", {**_BOOK, "u": 78}, "delta", cts=NOW_MS),
    _topic("orderbook.1.ABCUSDT", _BOOK),
    _topic("orderbook.rpi.ABCUSDT", _RPI),
    _topic("publicTrade.ABCUSDT", [bybit.TRADE, {**bybit.TRADE, "L": "PlusTick", "BT": False, "RPI": True, "seq": 3}]),
    _topic("tickers.ABCUSDT", _TICKER, cs=24987956059),
    _topic("tickers.ABCUSDT", {"symbol": "ABCUSDT", "lastPrice": "17217"}, "delta", cs=24987956060),
    _topic("kline.5.ABCUSDT", [bybit.KLINE]),
    _topic("allLiquidation.ABCUSDT", [bybit.LIQUIDATION]),
    _topic("liquidation.ABCUSDT", bybit.LATEST_LIQUIDATION),
    _topic("insurance.USDT", [bybit.POOL]),
    _topic("adlAlert.USDT", [bybit.ALERT]),
    _topic("priceLimit.ABCUSDT", bybit.LIMIT),
    _topic("system.status", [bybit.STATUS]),
    _topic("something.NEW", {"a": 1}),
    {"success": True, "ret_msg": "subscribe", "conn_id": "c", "req_id": ID, "op": "subscribe"},
    {"success": False, "ret_msg": "error:handler not found,topic:orderbook.50.ABCUSDT", "req_id": ID, "op": "subscribe"},
    {"success": False, "ret_msg": "Invalid symbol :[orderbook.50.ABCUSDT]", "req_id": ID, "op": "subscribe"},
    {"success": True, "ret_msg": "pong", "conn_id": "c", "req_id": ID, "op": "ping"},
    {"op": "pong", "args": [str(NOW_MS)], "req_id": ID},
    {"type": "error", "ret_msg": "the request could not be read"},
]
_PUBLIC_CHANNELS = [
    ("orderbook.50", ["ABCUSDT"]), ("orderbook.1", ["ABCUSDT"]), ("orderbook.rpi", ["ABCUSDT"]), ("publicTrade", ["ABCUSDT"]),
    ("tickers", ["ABCUSDT"]), ("kline.5", ["ABCUSDT"]), ("allLiquidation", ["ABCUSDT"]), ("liquidation", ["ABCUSDT"]),
    ("insurance", ["USDT"]), ("adlAlert", ["USDT"]), ("priceLimit", ["ABCUSDT"]),
]
_SPOT_CHANNELS = [each for each in _PUBLIC_CHANNELS if each[0] not in ("allLiquidation", "insurance", "adlAlert")]
_OPTION = [
    _topic("tickers.ABC-6JAN23-17500-C", _OPTION_TICKER),
    _topic("publicTrade.ABC", [{**bybit.TRADE, "mP": "1.5", "iP": "2", "mIv": "0.5", "iv": "0.5"}]),
    _topic("orderbook.25.ABC-6JAN23-17500-C", _BOOK),
    {
        "success": True, "conn_id": "c", "type": "COMMAND_RESP",
        "data": {"failTopics": ["tickers.NOPE"], "successTopics": ["tickers.ABC-6JAN23-17500-C"]},
    },
    {"op": "pong", "args": [str(NOW_MS)], "req_id": ID},
]
_PRIVATE = [
    *(
        {"id": "i", "topic": topic, "creationTime": NOW_MS, "data": [row]}
        for topic, row in (
            ("position", private.POSITION), ("execution", private.EXECUTION), ("execution.fast", private.EXECUTION),
            ("order", {**private.ORDER, "cumFeeDetail": {"USDT": "0.5"}}), ("wallet", private.WALLET),
            ("greeks", private.GREEKS), ("strategy", {"a": 1}),
        )
    ),
    {"success": True, "ret_msg": "", "op": "auth", "conn_id": "c", "req_id": ID},
    {"success": False, "ret_msg": "Params Error", "op": "auth", "req_id": ID},
    {"req_id": ID, "op": "pong", "args": [str(NOW_MS)], "conn_id": "c"},
    {"success": True, "ret_msg": "", "op": "subscribe", "conn_id": "c", "req_id": ID},
    {
        "success": False, "op": "subscribe", "req_id": ID,
        "ret_msg": private.GOOD.format("order, wallet") + private.BAD.format("position"),
    },
]
_PRIVATE_CHANNELS = [(name, []) for name in ("position", "execution", "execution.fast", "order", "wallet", "greeks", "strategy")]
_ORDER = {"category": "linear", "symbol": "ABCUSDT", "orderLinkId": "mine"}
_TRADE = [
    {"reqId": ID, "retCode": 0, "retMsg": "OK", "op": "auth", "connId": "c"},
    {"reqId": ID, "retCode": 10004, "retMsg": "error sign", "op": "auth", "connId": "c"},
    {
        "reqId": ID, "retCode": 0, "retMsg": "OK", "op": CREATE, "data": {"orderId": "o1", "orderLinkId": "mine"},
        "retExtInfo": {}, "header": {**HEADER, "Timenow": str(NOW_MS)}, "connId": "c",
    },
    {
        "reqId": ID, "retCode": 0, "retMsg": "OK", "op": CREATE_BATCH, "header": HEADER, "connId": "c",
        "data": {"list": [{"category": "linear", "symbol": "A", "orderId": "o", "orderLinkId": "l", "createAt": "1"}] * 2},
        "retExtInfo": {"list": [{"code": 0, "msg": "OK"}, {"code": 10001, "msg": "no"}]},
    },
    {"reqId": ID, "retCode": 10002, "retMsg": "time", "op": CREATE, "header": {"Timenow": str(NOW_MS + 5000)}},
    {"retCode": 0, "retMsg": "OK", "op": "pong", "data": [str(NOW_MS)], "connId": "c"},
    {"success": False, "ret_msg": "Params Error", "op": "auth", "req_id": ID},
]


def _private_requests(protocol: Any) -> List[Request]:
    return [*protocol.login(NOW_MS), protocol.heartbeat(), protocol.request("nonsense", [1])]


def _trade_requests(protocol: BybitTradeProtocol) -> List[Request]:
    return [
        *protocol.login(NOW_MS),
        protocol.heartbeat(),
        protocol.request(CANCEL, _ORDER),
        protocol.request(CREATE_BATCH, {"category": "linear", "request": [_ORDER]}),
        protocol.typed_request(CREATE, _ORDER, lambda document: read_order(document, _ORDER)),
        protocol.typed_request(AMEND, _ORDER, lambda document: read_order(document, _ORDER)),
        protocol.typed_request(CREATE_BATCH, _ORDER, lambda document: read_batch(document, "linear", [_ORDER] * 2)),
    ]


# -- the others ------------------------------------------------------------------------------------------------

_DIGIFINEX = [
    {"method": "trades.update", "params": [True, digifinex.TRADES, "ABC_USDT"], "id": None},
    {
        "method": "depth.update", "id": None,
        "params": [True, {"asks": [["8001", "9.6"], ["8000.5", "1"]], "bids": [["8000", "9"], ["7999", "1"]]}, "ABC_USDT"],
    },
    {"method": "depth.update", "params": [False, {"asks": [["8001", "0"]], "bids": [["7998", "2"]]}, "ABC_USDT"], "id": None},
    {"method": "ticker.update", "params": [{**digifinex.TICKER, "symbol": "ABC_USDT"}], "id": None},
    {"method": "all_ticker.update", "params": [[digifinex.TICKER, digifinex.TICKER]], "id": None},
    {"method": "order.update", "params": [{**digifinex.ORDER, "symbol": "ABC_USDT"}], "id": None},
    {
        "method": "order_algo.update", "id": None,
        "params": [{
            "algo_price": "4000", "amount": "1", "id": "f", "mode": 1, "side": "buy", "status": 0, "symbol": "ABC_USDT",
            "timestamp": 1586767202000, "trigger_price": "4000",
        }],
    },
    {"method": "balance.update", "params": [{"currency": "USDT", "free": "9", "total": "9.5", "used": "0.5"}], "id": None},
    {"error": None, "result": {"status": "success"}, "id": ID},
    {"error": None, "result": 1523348055, "id": ID},
    {"error": {"code": 200005, "message": "too many"}, "result": None, "id": ID},
    {"error": "refused", "result": None, "id": None},
]
_DIGIFINEX_CHANNELS = [
    *((channel, ["ABC_USDT"]) for channel in ("trades", "depth", "ticker", "order", "order_algo")),
    ("all_ticker", []), ("balance", ["USDT"]),
]

_SWAP = [
    *SWAP_UPDATES,
    {"id": ID, "event": "ticker.subscribe", "code": 1, "msg": "success"},
    {"id": ID, "event": "server.time", "code": 1, "msg": "success", "data": NOW_MS},
    {"id": ID, "event": "server.auth", "code": 3, "msg": "auth fail"},
    {"id": ID, "event": "ticker.subscribe", "code": 5, "msg": "repeat subscribe"},
    {"event": "", "code": 2, "msg": "invalid param"},
]
_SWAP_CHANNELS = [
    *((channel, [CONTRACT]) for channel in ("ticker", "depth.10", "trades", "cur_candle.1m", "mark_candle.1m", "index_price",
                                            "mark_price", "price_range", "fund_rate", "position", "order")),
    ("estimated_settle_price", ["BTC2-MOVE-20220909"]), ("all_ticker", []), ("account", []),
]

_CRYPTOMUS = [
    cryptomus.update("lastprice", {"symbol": "AAA_BBB", "timestamp": 1750953362, "price": "107152.55"}),
    cryptomus.update("depth", cryptomus.depth(True)),
    cryptomus.update("depth", cryptomus.depth(False)),
    cryptomus.update("ticker", cryptomus.TICKER),
    cryptomus.update("trade", {
        "symbol": "AAA_BBB", "timestamp": 1750953177,
        "trades": [{"price": 107100.01, "quantity": 0.000254, "timestamp": 1750953177, "direction": "buy"}],
    }),
    cryptomus.update("order", {"type": "created", "info": cryptomus.ORDER}, "1"),
    cryptomus.update("order", {"type": "finished", "info": {**cryptomus.ORDER, "finishTs": 1750696378}}, "3"),
    cryptomus.update("balance", {"info": cryptomus.BALANCE}, "4"),
    cryptomus.update("deal", {"info": cryptomus.DEAL}, "4"),
    {"id": ID, "method": "pong", "data": None, "error": None},
    {"id": ID, "method": "depth_subscribe", "data": {"status": "success"}, "error": None},
    {"id": ID, "data": {"status": "success"}, "error": None},
    {"id": ID, "data": None, "error": {"message": "Invalid message format", "code": 1}},
    {"id": None, "data": None, "error": {"message": "Invalid message format", "code": 1}},
]
_CRYPTOMUS_SYMBOLS = {"depth": "AAA_BBB:1", "balance": "BBB"}

_DBOT_TRADE = [
    {"method": "rpcResponse", "id": ID, "result": {"err": False}},
    {"method": "rpcResponse", "id": ID, "result": {"err": False, "res": SWAP}},
    {"method": "rpcResponse", "id": ID, "result": {"err": True, "res": {"message": "no", "code": "E_X"}}},
    {"method": "tradeResultNotify", "result": RESULT},
    {"method": "tradeResultNotify", "result": {**RESULT, "subSource": "swap_take_profit"}},
    {"method": "tradeResultNotify", "result": FAILURE},
    {"status": "ack", "method": "subscribeResponse", "result": {"message": "Connected and subscribed"}},
    {"status": "error", "method": "subscribeResponse", "result": {"err": "not in this plan"}},
    {"err": True, "error": "unreadable"},
]
_FIGURES = {
    "bt1m": 358, "bv5m": 986988.4, "pc1h": 0.93, "st6h": 30370, "sv24h": 16122632.1, "tp": 1.6e-06, "tr": 350150376.07,
    "sr": 570.6, "cr": 570.6, "t10": 0.18, "blp": None, "fa": True, "ma": True,
}
_DBOT_DATA = [
    {"type": "tx", "result": [TRANSACTION, {**TRANSACTION, "p": "PAIR"}]},
    {"type": "walletTx", "result": [{**TRANSACTION, "ac": "WALLET", "m": "M", "p": "PAIR", "bm": "B", "bs": "SOL"}]},
    {"type": "pairInfo", "result": _FIGURES},
    {"type": "tokenInfo", "result": {**_FIGURES, "p": "PAIR"}},
    {"type": "pairsInfo", "result": [{**_FIGURES, "p": "PAIR"}, {**_FIGURES, "pair": "PAIR2"}]},
    {
        "type": "newPairInfo",
        "result": {**_FIGURES, "p": "PAIR", "m": "M", "n": "name", "s": "SYM", "im": "i", "ca": NOW_MS, "sl": 10, "pt": "pump"},
    },
    {"type": "migratedPairInfo", "result": {**_FIGURES, "p": "PAIR"}},
    *(
        {
            "status": "ack", "method": "subscribeResponse",
            "result": {"type": type_, "t": NOW_MS, "subscribed": [type_], "message": "Connected and subscribed"},
        }
        for type_ in ("tx", "pairInfo", "walletTx")
    ),
    {"method": "unsubscribeResponse", "result": {"type": "tx", "subscribed": [], "message": "unsubscribed"}},
    {"status": "error", "method": "subscribeResponse", "result": {"type": "tx", "err": True, "message": "no"}},
    {"status": "error", "error": "unreadable"},
]
_DBOT_CHANNELS = [
    ("tx", ["PAIR"]), ("walletTx", ["WALLET"]), ("pairInfo", ["PAIR"]), ("pairsInfo.1m", ["PAIR:TOKEN"]),
    ("newPairInfo", []), ("migratedPairInfo", []),
]


def _login_and_two(protocol: Any) -> List[Request]:
    return [*protocol.login(NOW_MS), protocol.heartbeat(), protocol.request("server.time", None)]


def _dbot_requests(protocol: DBotTradeProtocol) -> List[Request]:
    return [protocol.heartbeat(), protocol.request("getSwapOrder", {"id": "o1"}), protocol.request("updateFollowOrder", {})]


SOCKETS = (
    Socket("bybit-public", lambda: BybitPublicProtocol("linear"), _PUBLIC, _PUBLIC_CHANNELS,
           rules=(BybitBookRule(50), BybitBookRule(1))),
    Socket("bybit-spot", lambda: BybitPublicProtocol("spot"), _PUBLIC, _SPOT_CHANNELS),
    Socket("bybit-option", lambda: BybitPublicProtocol("option"), _OPTION,
           [("tickers", ["ABC-6JAN23-17500-C"]), ("publicTrade", ["ABC"]), ("orderbook.25", ["ABC-6JAN23-17500-C"])],
           rules=(BybitBookRule(25),)),
    Socket("bybit-private", lambda: BybitPrivateProtocol(Credentials(KEY, SECRET)), _PRIVATE, _PRIVATE_CHANNELS,
           _private_requests),
    Socket("bybit-trade", lambda: BybitTradeProtocol(Credentials(KEY, SECRET), clock=VenueClock(lambda: NOW_MS / 1000)), _TRADE,
           requests=_trade_requests),
    Socket("digifinex", lambda: DigiFinexProtocol(KEY, SECRET), _DIGIFINEX, _DIGIFINEX_CHANNELS, _login_and_two,
           (DigiFinexBookRule(),), binary=True),
    Socket("digifinex-swap", lambda: DigiFinexSwapProtocol(KEY, SECRET), _SWAP, _SWAP_CHANNELS, _login_and_two,
           (SwapBookRule(10),), binary=True),
    Socket("cryptomus", CryptomusProtocol, _CRYPTOMUS,
           [(channel, [_CRYPTOMUS_SYMBOLS.get(channel, "AAA_BBB")]) for channel in CRYPTOMUS_CHANNELS],
           lambda protocol: [protocol.heartbeat(), protocol.request("nonsense", [])], (CryptomusBookRule(1),)),
    Socket("dbot-trade", DBotTradeProtocol, _DBOT_TRADE,
           [("tradeResults", []), ("tradeResults", ["swap_buy_success", "new_type"])], _dbot_requests),
    Socket("dbot-data", DBotDataProtocol, _DBOT_DATA, _DBOT_CHANNELS),
)
