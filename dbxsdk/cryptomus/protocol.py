"""Cryptomus's exchange WebSocket: requests ``{id, method, params}``, replies by id, pushes recognised by ``_update``.

Source: doc.cryptomus.com, "exchange/websockets". If the page says nothing, a comment says what was assumed.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

from dbxsdk import codec
from dbxsdk.arguments import check_choice
from dbxsdk.channel import Channel
from dbxsdk.cleaning import clean
from dbxsdk.cryptomus import models
from dbxsdk.cryptomus.channel_union import ALL, Action, ChannelUnion, Step
from dbxsdk.errors import ProtocolError, VenueError
from dbxsdk.numbered_protocol import NumberedProtocol, by_channel, channel_of, read_error
from dbxsdk.protocol import Acknowledgement, Inbound, Push, Reply, Request

_UPDATE = "_update"
_SECONDS_END = 100_000_000_000
"""No time in seconds reaches it before the year 5138."""

LAST_PRICES = Channel("lastprice", models.read_last_price, "cryptomus")
DEPTH = Channel("depth", models.read_depth, "cryptomus")
TICKERS = Channel("ticker", models.read_ticker, "cryptomus")
TRADES = Channel("trade", models.read_trades, "cryptomus")
ORDERS = Channel("order", models.read_order, "cryptomus")
BALANCES = Channel("balance", models.read_balance, "cryptomus")
DEALS = Channel("deal", models.read_deal, "cryptomus")

_CHANNELS: Dict[str, Channel[Any]] = {
    channel.name: channel for channel in (LAST_PRICES, DEPTH, TICKERS, TRADES, ORDERS, BALANCES, DEALS)
}
CHANNELS = tuple(_CHANNELS)

_METHODS = {
    Action.SUBSCRIBE: "{}_subscribe",
    Action.CLEAR: "{}_unsubscribe",
    Action.LEAVE: "{}_unsubscribe",
    Action.NOTHING: "ping",
}


class CryptomusProtocol(NumberedProtocol):
    """The one socket of the venue, public and private. A connection with a token is logged in."""

    venue = "cryptomus"
    client = "CryptomusClient"
    channels = CHANNELS
    ping_method = "ping"
    # A connection is closed 60 s after the client's last request; the page asks for one every 50 s.
    heartbeat_interval = 40.0
    longest_heartbeat_interval = 50.0  # the venue closes after 60 s without a request
    # Requests count, too; but the pongs by which a client answers WebSocket pings do not, and those are sent as well.
    only_heartbeats_count = True

    def __init__(self) -> None:
        super().__init__()
        self.reset()

    def reset(self) -> None:
        self._unions = {channel: ChannelUnion(channel, self._step) for channel in CHANNELS}
        # Steps whose answers are not acknowledged.
        self._leaving: Dict[int, Step] = {}

    # -- intents to frames ---------------------------------------------------------------------------

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        check_choice("channel", channel, CHANNELS)
        if not symbols:
            what = "a currency" if channel == "balance" else "a market"
            raise ValueError(f"symbols must name {what}, or {ALL!r}, for the channel {channel!r}")
        names = [_name(channel, symbol) for symbol in symbols]
        if ALL in names:
            names = [ALL]  # includes the others
        return tuple(dict.fromkeys(f"{channel}.{name}" for name in names))

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return tuple(self._unions[channel].add(names, live) for channel, names in by_channel(topics).items())

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        groups = by_channel(topics).items()
        steps = [step for channel, names in groups for step in self._unions[channel].remove(names, live)]
        for step in steps:
            if step.action is not Action.SUBSCRIBE:  # whose answer is acknowledged
                self._leaving[step.key] = step  # type: ignore[index]  # the key is an id of ours
        return tuple(steps)

    def renewed_with(self, topic: str) -> Tuple[str, ...]:
        return topic, f"{channel_of(topic)}.{ALL}"  # beside which single ones are not sent to the venue

    def _step(self, channel: str, action: Action, names: Sequence[str], **fields: Any) -> Step:
        key, frame = self._frame(_METHODS[action].format(channel), names)
        # One request at a time for each channel: the channel is their kind.
        ends = action is Action.CLEAR
        return Step(key=key, frame=frame, kind=channel, alone=True, ends=ends, channel=channel, action=action, **fields)

    # -- frames to events ----------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = codec.decode_object(payload)
        # By the method only: pushes have ids, too, and those of the account have had "1", "3" and "4".
        method = document.get("method")
        if isinstance(method, str) and method.endswith(_UPDATE):
            return self._push(method[: -len(_UPDATE)], document, payload)
        key = document.get("id")
        if isinstance(key, int) and not isinstance(key, bool):
            step = self._leaving.pop(key, None)
            if step is not None:
                self._unions[step.channel].left(step, _refusal(document) is None)
            return (Reply(key, document),)
        if key is None and document.get("error") is not None:
            return (Reply(None, document),)
        raise ProtocolError("neither a reply nor an update")

    def _push(self, channel: str, document: Any, payload: bytes) -> List[Push]:
        if channel not in _CHANNELS:
            raise ProtocolError(f"{channel[:40]}{_UPDATE} is not a documented update")
        data = document.get("data")
        if not isinstance(data, dict):
            raise ProtocolError(f"{channel}{_UPDATE}: expected an object in data, not {type(data).__name__}")
        about = data.get("info") if channel in ("order", "balance", "deal") else data
        field = "currencyCode" if channel == "balance" else "symbol"
        symbol = about.get(field) if isinstance(about, dict) else None
        if not isinstance(symbol, str):
            raise ProtocolError(f"{channel}{_UPDATE}: the field {field!r} is missing")
        topic, kind = f"{channel}.{symbol}", "update"
        if channel == "depth":
            scale_index, full_reload = data.get("scale_index"), data.get("full_reload")
            if isinstance(scale_index, bool) or not isinstance(scale_index, int) or not isinstance(full_reload, bool):
                raise ProtocolError("depth_update: scale_index or full_reload is missing")
            topic, kind = f"{topic}:{scale_index}", "snapshot" if full_reload else "delta"
        time_ms, read = _time_ms(about), _CHANNELS[channel].read
        if channel == "trade":
            data, read = payload, _read_trades
        return [
            Push(route, channel, symbol, kind, document, data, read, time_ms)
            for route in self._unions[channel].route(topic)
        ]

    # -- replies -------------------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        refusal = _refusal(reply.document)
        if refusal is not None:
            raise refusal
        return reply.document.get("data")

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        if not isinstance(request, Step):
            return Acknowledgement()  # made by a raw call
        return self._unions[request.channel].answered(request, _refusal(reply.document))


def _read_trades(payload: bytes) -> Tuple[models.Trade, ...]:
    """Read trades out of their frame: the decoded one has their prices and amounts as floats."""
    return TRADES.read(codec.decode_exactly(payload)["data"])


def _name(channel: str, symbol: str) -> str:
    """Return a symbol as the venue writes it."""
    if symbol == ALL:
        return symbol
    market, colon, index = symbol.partition(":")
    if channel != "depth":
        if colon:
            raise ValueError(f"symbols must be without a scale index for the channel {channel!r}: {symbol!r}")
        return symbol.upper()
    if not (market and index.isascii() and index.isdigit() and len(index) <= 9):
        raise ValueError(f"symbols must be 'MARKET:scale_index' with a number, like 'BTC_USDT:0', not {symbol!r}")
    return f"{market.upper()}:{int(index)}"


def _time_ms(about: Any) -> Optional[int]:
    """Return the venue's time of an update; balances have none."""
    for field in ("timestamp", "finishTs", "updateTs", "createTs", "committedAt"):
        seconds = about.get(field)
        if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 <= seconds < _SECONDS_END:
            return seconds * 1000
    return None


def _refusal(document: Any) -> Optional[VenueError]:
    """Return what a reply that says no means; else None. A reply without data is not a refusal: a pong has none."""
    error = document.get("error")
    if error is None:
        data = document.get("data")
        status = data.get("status", "success") if isinstance(data, dict) else "success"
        if status == "success":
            return None
        error = f"the venue answered with the status {clean(status, 200)}"
    code, message = read_error(error)
    return VenueError(message, code=code, reply=document)
