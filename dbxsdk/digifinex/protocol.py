"""DigiFinex spot WebSocket v1: requests ``{id, method, params}``, replies by id, pushes with a null id.

Sources: the venue's first edition (2019: ping, time, trades, depth), its later English edition and its web page
(authentication, tickers, private channels); where the pages are silent, what clients in use have found.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from dbxsdk import codec
from dbxsdk.arguments import check_choice
from dbxsdk.channel import Channel
from dbxsdk.cleaning import clean
from dbxsdk.digifinex.base_protocol import DigiFinexBaseProtocol
from dbxsdk.digifinex.login import LOG_IN, Wording
from dbxsdk.digifinex.models import AlgoOrder, Balance, Depth, Order, Ticker, Trade
from dbxsdk.errors import AuthError, ProtocolError, RateLimited, SubscribeError, VenueError
from dbxsdk.fields import each, reader
from dbxsdk.numbered_protocol import NumberedProtocol, by_channel, channel_of, read_error
from dbxsdk.protocol import Acknowledgement, Inbound, Push, Reply, Request

TRADES = Channel("trades", each(reader(Trade)), "digifinex")
DEPTH = Channel("depth", reader(Depth), "digifinex")
TICKERS = Channel("ticker", each(reader(Ticker)), "digifinex")
ALL_TICKERS = Channel("all_ticker", each(reader(Ticker)), "digifinex")
ORDERS = Channel("order", each(reader(Order)), "digifinex")
ALGO_ORDERS = Channel("order_algo", each(reader(AlgoOrder)), "digifinex")
BALANCES = Channel("balance", each(reader(Balance)), "digifinex")

_CHANNELS: Dict[str, Channel[Any]] = {
    channel.name: channel for channel in (TRADES, DEPTH, TICKERS, ALL_TICKERS, ORDERS, ALGO_ORDERS, BALANCES)
}
CHANNELS = tuple(_CHANNELS)
PRIVATE_CHANNELS = (ORDERS.name, ALGO_ORDERS.name, BALANCES.name)

_RATE_LIMIT = 200005

_MARKET_UPDATES = {"depth.update": "depth", "trades.update": "trades"}
_read_trades, _read_depth = TRADES.read, DEPTH.read


class DigiFinexProtocol(DigiFinexBaseProtocol, NumberedProtocol):
    """The one socket of the venue, public and private."""

    client = "DigiFinexClient"
    channels = CHANNELS
    login_method = LOG_IN
    wording = Wording(params=lambda key, timestamp, sign: [key, timestamp, sign], result="result", unit_ms=1000)
    granted = {"result": {"status": "success"}}
    # The pages say nothing; a connection is dropped 60 s after the client's last frame.
    heartbeat_interval = 30.0
    longest_heartbeat_interval = 55.0

    # -- intents to frames ---------------------------------------------------------------------------

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        check_choice("channel", channel, CHANNELS)
        if channel in PRIVATE_CHANNELS and self._login is None:
            raise ValueError(f"channel {channel!r} is private: the client needs api_key and api_secret")
        if channel == "all_ticker":
            if symbols:
                raise ValueError("symbols must be left out for the channel 'all_ticker'; use 'ticker' for some symbols")
            return (channel,)
        if not symbols:
            what = "a currency" if channel == "balance" else "a symbol"
            raise ValueError(f"symbols must name {what} for the channel {channel!r}")
        # The venue's symbols are upper case, and so are the ones in its pushes.
        return tuple(dict.fromkeys(f"{channel}.{symbol.upper()}" for symbol in symbols))

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        # A second subscription adds to the first: clients in use rely on it, no page says so.
        return tuple(
            self._request(f"{channel}.subscribe", _symbols(names), names) for channel, names in by_channel(topics).items()
        )

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        still = set(map(channel_of, live))
        # An empty list ends the whole channel in every edition of the pages; a list of symbols only in later ones.
        return tuple(
            self._request(f"{channel}.unsubscribe", _symbols(names) if channel in still else [], names)
            for channel, names in by_channel(topics).items()
        )

    # -- frames to events ----------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = codec.decode_object(self.inflate(payload) if binary else payload)
        reply_id = document.get("id")
        if reply_id is not None:
            if isinstance(reply_id, bool) or not isinstance(reply_id, int):
                raise ProtocolError("the reply's id is not an integer")
            return (Reply(reply_id, document),)
        method = document.get("method")
        if type(method) is str and method in _MARKET_UPDATES:
            return (_push_of_market(_MARKET_UPDATES[method], document, document.get("params")),)
        if isinstance(method, str) and method.endswith(".update"):
            return self._push(method[: -len(".update")], document)
        if document.get("error") is not None:
            return (Reply(None, document),)
        raise ProtocolError("neither a reply nor an update")

    def _push(self, channel: str, document: Any) -> Sequence[Push]:
        params = document.get("params")
        if not isinstance(params, list):
            raise ProtocolError(f"{channel}.update: params is not a list")
        if channel not in _CHANNELS:
            raise ProtocolError(f"{channel}.update is not a documented update")
        # The pages show a flat list, live frames were reported with a second list around it.
        rows = params[0] if len(params) == 1 and isinstance(params[0], list) else params
        read = _CHANNELS[channel].read
        if channel == "all_ticker":
            return (Push(channel, channel, "", "update", document, rows, read, _timestamp(rows)),)
        groups: Dict[str, List[Any]] = {}
        for row in rows:
            name = row.get("currency" if channel == "balance" else "symbol") if isinstance(row, dict) else None
            if not isinstance(name, str):
                raise ProtocolError(f"{channel}.update: a row without a {'currency' if channel == 'balance' else 'symbol'}")
            groups.setdefault(name, []).append(row)
        return [
            Push(f"{channel}.{name}", channel, name, "update", document, group, read, _timestamp(group))
            for name, group in groups.items()
        ]

    # -- replies -------------------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        refusal = self._refusal(reply.document)
        if refusal is None:
            return reply.document.get("result")
        if request.kind == LOG_IN:
            raise AuthError(f"the login was refused: {refusal.message}", code=refusal.code, reply=reply.document)
        raise refusal

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        refusal = self._refusal(reply.document)
        if refusal is None:
            return Acknowledgement(accepted=request.topics)
        if len(request.topics) > 1:
            # No page says which of them it was, or whether the others were taken: ask for each alone.
            return Acknowledgement(retry=tuple(self.subscribe([topic], ())[0] for topic in request.topics))
        error = SubscribeError(refusal.message, topics=request.topics, code=refusal.code, reply=reply.document)
        return Acknowledgement(refused=dict.fromkeys(request.topics, error))

    def _refusal(self, document: Any) -> Optional[VenueError]:
        """Return what an error reply means, or None. The pages type ``error`` as text, a client in use found an object."""
        error = document.get("error")
        if error is None:
            result = document.get("result")
            status = result.get("status") if isinstance(result, dict) else "success"
            if "result" not in document:
                error = "the venue's answer has neither a result nor an error"
            elif status == "success":
                return None
            else:
                error = f"the venue answered with the status {clean(status, 200)}"
        code, message = read_error(error)
        kind = RateLimited if code == _RATE_LIMIT else VenueError
        return kind(message, code=code, reply=document)


def _symbols(topics: Sequence[str]) -> List[str]:
    """Return what stands behind the channel: nothing for a whole channel."""
    return [symbol for symbol in (topic.partition(".")[2] for topic in topics) if symbol]


def _push_of_market(channel: str, document: Any, params: Any) -> Push:
    if type(params) is not list or len(params) != 3 or not isinstance(params[0], bool) or not isinstance(params[2], str):
        raise ProtocolError(f"{channel}.update: params is not [clean, {channel}, symbol]")
    clean, payload, symbol = params
    topic = f"{channel}.{symbol}"
    if channel == "depth":
        return Push(topic, channel, symbol, "snapshot" if clean else "delta", document, payload, _read_depth)
    return Push(topic, channel, symbol, "snapshot" if clean else "update", document, payload, _read_trades, _newest(payload))


def _newest(trades: Any) -> Optional[int]:
    """Return the time of the newest trade in ms, or None; the rest of the frame is checked when its model is read."""
    first = trades[0] if isinstance(trades, list) and trades else None
    seconds = first.get("time") if isinstance(first, dict) else None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds < 1e11:
        return None
    return int(seconds * 1000)


def _timestamp(rows: Any) -> Optional[int]:
    first = rows[0] if rows else None
    moment = first.get("timestamp") if isinstance(first, dict) else None
    return moment if isinstance(moment, int) and not isinstance(moment, bool) else None
