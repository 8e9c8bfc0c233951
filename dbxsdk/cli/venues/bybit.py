"""What the command line knows of Bybit."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.bybit.endpoints import SOCKETS
from dbxsdk.bybit.envelope import pong_time_ms
from dbxsdk.bybit.private.channels import CHANNELS as PRIVATE_CHANNELS
from dbxsdk.bybit.private.channels import channel_of
from dbxsdk.bybit.public.book import DEPTHS, check_depth
from dbxsdk.bybit.public.channels import CHANNELS, RETIRED, Route, route
from dbxsdk.cli.errors import WrongArguments
from dbxsdk.cli.venues.tools import Moment, VenueTools
from dbxsdk.cli.words import Topic, Selection

_INTERVALS = ("1", "3", "5", "15", "30", "60", "120", "240", "360", "720", "D", "W", "M")
"""Of klines: minutes, and a day, week or month."""
_PRIVATE = ("order", "execution", "position", "wallet", "greeks", "strategy", "dcp", "rfq")


class BybitTools(VenueTools):
    """Public sockets by category, the private one, and the one for orders."""

    name = "bybit"
    sockets = ("linear", "spot", "inverse", "option", "spread", "event", "misc/status", "private", "trade")
    clients = {**dict.fromkeys(SOCKETS, "BybitPublicClient"), "private": "BybitPrivateClient", "trade": "BybitTradeClient"}
    local = "BybitVenue"
    variables = {"api_key": "BYBIT_API_KEY", "api_secret": "BYBIT_API_SECRET"}
    has_testnet = True
    paper_sockets = ("private",)

    def variables_of(self, socket: str) -> Mapping[str, str]:
        return {} if socket in SOCKETS else self.variables

    def positional(self, socket: str) -> Tuple[str, ...]:
        return (socket,) if socket in SOCKETS else ()

    def settings(self, socket: str, arguments: argparse.Namespace) -> Dict[str, Any]:
        settings = {"testnet": arguments.testnet}
        return {**settings, "demo": arguments.demo} if socket == "private" else settings

    # -- channels ----------------------------------------------------------------------------------------

    def channels(self, socket: str) -> Iterable[str]:
        if socket not in CHANNELS:
            return PRIVATE_CHANNELS if socket == "private" else ()
        known = CHANNELS[socket]
        depths = [f"orderbook.{depth}" for depth in DEPTHS.get(socket, ())]
        klines = [f"kline.{interval}" for interval in _INTERVALS] if "kline" in known else []
        return [*depths, *klines, *(each for each in known if each not in ("orderbook", "kline", *RETIRED))]

    def check_selection(self, selection: Selection) -> None:
        # The clients leave that to the venue, since any native topic may be one; a command line is more often a slip of
        # the hand.
        which, channel = selection.word, selection.channel
        if which.socket in SOCKETS:
            for found in _routes(selection):
                kind, _, depth = found.channel.partition(".")
                if kind == "orderbook" and depth.isdecimal() and which.socket in DEPTHS:
                    try:
                        check_depth(which.socket, int(depth))
                    except ValueError as error:
                        raise WrongArguments(f"argument CHANNEL: {channel}: {error}") from None
        elif which.socket == "private":
            for topic in [f"{channel}.{symbol}" for symbol in selection.symbols] or [channel]:
                if channel_of(topic) is None:
                    known = ", ".join(PRIVATE_CHANNELS)
                    raise WrongArguments(f"argument CHANNEL: {topic!r} is none of {which}, which has {known}")

    def books_of(self, selection: Selection) -> Optional[List[Dict[str, Any]]]:
        if selection.word.socket not in SOCKETS:
            return None
        cut = [(found.symbol, *found.channel.partition(".")[::2]) for found in _routes(selection)]
        if selection.word.socket not in DEPTHS or not all(kind == "orderbook" and depth.isdecimal() for _, kind, depth in cut):
            return None
        return [{"symbol": symbol, "depth": int(depth)} for symbol, _, depth in cut]

    # -- recordings --------------------------------------------------------------------------------------

    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        for topic in document["args"] if document["op"] == "subscribe" else ():
            found = route(socket, topic) if socket in SOCKETS else None
            yield (topic, "") if found is None else (found.channel, found.symbol)

    def socket_of(self, client: str, settings: Mapping[str, Any]) -> str:
        if client == "BybitPublicClient":
            return str(settings.get("category", ""))
        return super().socket_of(client, settings)

    def client_of(self, kind: str, frame: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
        op = str(frame.get("op", ""))
        if (op.startswith("order.") and "wrong-endpoint" not in kind) or "trade" in kind.split("."):
            return "BybitTradeClient", {}
        topics = [frame["topic"]] if "topic" in frame else frame.get("args") if op in ("subscribe", "unsubscribe") else []
        names: List[str] = [topic for topic in topics if isinstance(topic, str)] if isinstance(topics, list) else []
        is_private = any(
            name.split(".")[0] in _PRIVATE and name != "rfq.open.public.trades" or name in ("spread.order", "spread.execution")
            for name in names
        )
        if is_private or op == "auth" or "private" in kind or "wrong-endpoint" in kind:
            return "BybitPrivateClient", {}
        symbols = [name.rpartition(".")[2] for name in names]
        if "option" in kind or any(symbol.count("-") >= 3 for symbol in symbols):
            category = "option"
        elif "spot" in kind:
            category = "spot"
        elif any(symbol.endswith("USD") for symbol in symbols):
            category = "inverse"
        else:
            category = "linear"  # or inverse: a ticker alone does not say which
        return "BybitPublicClient", {"category": category}

    # -- local venues ------------------------------------------------------------------------------------

    def local_path(self, socket: str) -> Optional[str]:
        return f"/v5/{'public/' if socket in SOCKETS else ''}{socket}"

    def local_symbols(self, socket: str, local: Any) -> List[str]:
        return list(local.symbols(socket)) if socket in SOCKETS else []

    def liven(self, socket: str, local: Any) -> None:
        if socket == "private":
            side = "Sell" if len(local.orders()) % 2 else "Buy"
            local.place_order("linear", symbol="BTCUSDT", side=side, orderType="Market", qty="0.001")

    # -- the doctor --------------------------------------------------------------------------------------

    def logs_in(self, socket: str, has_keys: bool) -> bool:
        return socket in ("private", "trade")

    def read_time(self, socket: str, client: Any) -> Optional[Moment]:
        if not self.logs_in(socket, True):
            return None
        pong = client.call("ping")
        venue_ms = pong_time_ms(pong if isinstance(pong, dict) else {"data": pong})
        return None if venue_ms is None else ("the venue's pong", venue_ms, 1)


def _routes(selection: Selection) -> List[Route]:
    routes = []
    for topic in [f"{selection.channel}.{symbol}" for symbol in selection.symbols] or [selection.channel]:
        found = route(selection.word.socket, topic)
        if found is None:
            if not selection.symbols and route(selection.word.socket, f"{selection.channel}.SYMBOL") is not None:
                raise WrongArguments(f"argument SYMBOLS: the channel {selection.channel!r} needs one")
            known = ", ".join(_with_parts(name, channel.parts) for name, channel in CHANNELS[selection.word.socket].items())
            raise WrongArguments(f"argument CHANNEL: {selection.channel!r} is none of {selection.word}, which has {known}")
        routes.append(found)
    return routes


def _with_parts(name: str, parts: int) -> str:
    more = {"orderbook": ".DEPTH", "kline": ".INTERVAL", "kline_lt": ".INTERVAL"}
    return name + (more.get(name, "") if parts > 1 + name.count(".") else "")
