"""What the command line knows of DigiFinex."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional

from dbxsdk.cli.venues.tools import Moment, VenueTools
from dbxsdk.cli.words import Topic, Selection
from dbxsdk.digifinex.protocol import CHANNELS


class DigiFinexTools(VenueTools):
    """The spot socket."""

    name = "digifinex"
    clients = {"": "DigiFinexClient"}
    local = "DigiFinexVenue"
    variables = {"api_key": "DIGIFINEX_API_KEY", "api_secret": "DIGIFINEX_API_SECRET"}
    keys_are_optional = True

    def channels(self, socket: str) -> Iterable[str]:
        return CHANNELS

    def books_of(self, selection: Selection) -> Optional[List[Dict[str, Any]]]:
        if selection.channel != "depth" or not selection.symbols:
            return None
        return [{"symbol": symbol} for symbol in selection.symbols]

    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        channel, _, action = document["method"].rpartition(".")
        return [(channel, symbol) for symbol in document["params"] or ("",)] if action == "subscribe" else ()

    def logs_in(self, socket: str, has_keys: bool) -> bool:
        return has_keys

    def read_time(self, socket: str, client: Any) -> Optional[Moment]:
        return "server.time", client.server_time() * 1000, 1000
