"""What the command line knows of DigiFinex."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.cli.venues.tools import Moment, VenueTools
from dbxsdk.cli.words import Topic, Selection
from dbxsdk.client import Client
from dbxsdk.digifinex.protocol import CHANNELS


class DigiFinexTools(VenueTools):
    """The spot socket."""

    name = "digifinex"
    variables = {"api_key": "DIGIFINEX_API_KEY", "api_secret": "DIGIFINEX_API_SECRET"}
    keys_are_optional = True

    def client_class(self, socket: str) -> Callable[..., Client]:
        import dbxsdk

        return dbxsdk.DigiFinexClient

    def channels(self, socket: str) -> Iterable[str]:
        return CHANNELS

    def books_of(self, selection: Selection) -> Optional[List[Dict[str, Any]]]:
        if selection.channel != "depth" or not selection.symbols:
            return None
        return [{"symbol": symbol} for symbol in selection.symbols]

    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        channel, _, action = document["method"].rpartition(".")
        return [(channel, symbol) for symbol in document["params"] or ("",)] if action == "subscribe" else ()

    def client_of(self, kind: str, frame: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
        return "DigiFinexClient", {}

    def local_class(self) -> Any:
        from dbxsdk.sim import DigiFinexVenue

        return DigiFinexVenue

    def logs_in(self, socket: str, has_keys: bool) -> bool:
        return has_keys

    def read_time(self, socket: str, client: Any) -> Optional[Moment]:
        return "server.time", client.server_time() * 1000, 1000
