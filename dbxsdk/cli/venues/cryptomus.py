"""What the command line knows of Cryptomus."""

from __future__ import annotations

import argparse
from typing import Any, Dict, Iterable, List, Optional

from dbxsdk.cli.venues.tools import VenueTools
from dbxsdk.cli.words import Topic, Selection
from dbxsdk.cryptomus.protocol import CHANNELS


class CryptomusTools(VenueTools):
    """The exchange's socket, which wants a one-time token."""

    name = "cryptomus"
    clients = {"": "CryptomusClient"}
    local = "CryptomusVenue"
    variables = {"user_id": "CRYPTOMUS_USER_ID", "api_key": "CRYPTOMUS_API_KEY"}
    has_token_url = True

    def settings(self, socket: str, arguments: argparse.Namespace) -> Dict[str, Any]:
        return {"token_url": arguments.token_url}

    def channels(self, socket: str) -> Iterable[str]:
        return CHANNELS

    def books_of(self, selection: Selection) -> Optional[List[Dict[str, Any]]]:
        cut = [symbol.partition(":") for symbol in selection.symbols]
        if selection.channel != "depth" or not cut or not all(scale.isdecimal() for _, _, scale in cut):
            return None
        return [{"symbol": symbol, "scale_index": int(scale)} for symbol, _, scale in cut]

    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        channel, _, action = document["method"].rpartition("_")
        return [(channel, symbol) for symbol in document["params"]] if action == "subscribe" else ()
