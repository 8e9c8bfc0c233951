"""What the command line knows of DBot."""

from __future__ import annotations

from typing import Any, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.cli.venues.tools import VenueTools
from dbxsdk.cli.words import Topic
from dbxsdk.dbot.data.protocol import KINDS
from dbxsdk.dbot.trade.protocol import CHANNEL


class DBotTools(VenueTools):
    """The sockets of trading tasks and of market data."""

    name = "dbot"
    sockets = ("trade", "data")
    clients = {"trade": "DBotTradeClient", "data": "DBotDataClient"}
    local = "DBotVenue"
    variables = {"api_key": "DBOT_API_KEY"}
    key_opens = True

    def channels(self, socket: str) -> Iterable[str]:
        return KINDS if socket == "data" else (CHANNEL,)

    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        if document["method"] == "subscribeTradeResults":
            return [("tradeResults", type_) for type_ in document["tradeTypeFilter"] or ("",)]
        channel, args = document["type"], document.get("args", {})
        if document["method"] != "subscribe":
            return ()
        if channel == "pairsInfo":
            return [(f"{channel}.{args['pairsInfoInterval']}", f"{each['pair']}:{each['token']}") for each in args["pairs"]]
        if channel == "tx":
            return [(channel, pair) for pair in args["pair"]]
        if channel == "pairInfo":
            return [(channel, ":".join(filter(None, (args["pair"], args.get("token")))))]
        return [(channel, args.get("walletAddress", ""))]

    def client_of(self, kind: str, frame: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
        is_data = "type" in frame or frame.get("method") in ("subscribe", "unsubscribe", "subscribeResponse")
        return self.clients["data" if is_data else "trade"], {}

    def local_path(self, socket: str) -> Optional[str]:
        return f"/{socket}/ws/"

    def local_symbols(self, socket: str, local: Any) -> List[str]:
        named = [form for pair in local.pairs for form in (pair.pair, f"{pair.pair}:{pair.token}")]
        return [*named, *local.wallets] if socket == "data" else []

    def begin(self, socket: str, local: Any) -> None:
        if socket == "trade":
            local.add_follow_order()  # copies trades from now on, whose results the channel pushes
