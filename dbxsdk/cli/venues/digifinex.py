"""What the command line knows of DigiFinex."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from dbxsdk.cli.venues.tools import Moment, VenueTools
from dbxsdk.cli.words import Topic, Selection
from dbxsdk.digifinex.protocol import CHANNELS
from dbxsdk.digifinex.swap.channels import CHANNELS as SWAP_CHANNELS
from dbxsdk.digifinex.swap.channels import KINDS

SPOT, SWAP = "", "swap"


class DigiFinexTools(VenueTools):
    """The spot socket, and the one of perpetual swaps."""

    name = "digifinex"
    sockets = (SPOT, SWAP)
    clients = {SPOT: "DigiFinexClient", SWAP: "DigiFinexSwapClient"}
    local = "DigiFinexVenue"
    variables = {"api_key": "DIGIFINEX_API_KEY", "api_secret": "DIGIFINEX_API_SECRET"}
    keys_are_optional = True

    def channels(self, socket: str) -> Iterable[str]:
        return SWAP_CHANNELS if socket == SWAP else CHANNELS

    def books_of(self, selection: Selection) -> Optional[List[Dict[str, Any]]]:
        kind, _, level = selection.channel.partition(".")
        if selection.channel not in self.channels(selection.word.socket) or kind != "depth" or not selection.symbols:
            return None
        depth = {"depth": int(level)} if level else {}
        return [{"symbol": symbol, **depth} for symbol in selection.symbols]

    def topics(self, socket: str, document: Any) -> Iterable[Topic]:
        if socket == SPOT:
            channel, _, action = document["method"].rpartition(".")
            return [(channel, symbol) for symbol in document["params"] or ("",)] if action == "subscribe" else ()
        channel, _, action = document["event"].rpartition(".")
        if action != "subscribe":
            return ()
        parameter = KINDS[channel].parameter
        name = f"{channel}.{document[parameter]}" if parameter else channel
        return [(name, symbol) for symbol in document.get("instrument_ids", (document.get("instrument_id", ""),))]

    def client_of(self, kind: str, frame: Mapping[str, Any]) -> Tuple[str, Mapping[str, Any]]:
        return self.clients[SWAP if "event" in frame else SPOT], {}

    def local_path(self, socket: str) -> Optional[str]:
        return "/swap_ws/v2/" if socket == SWAP else "/ws/v1/"

    def local_symbols(self, socket: str, local: Any) -> List[str]:
        return list((local.swap if socket == SWAP else local).symbols)

    def logs_in(self, socket: str, has_keys: bool) -> bool:
        return has_keys

    def read_time(self, socket: str, client: Any) -> Optional[Moment]:
        unit_ms = 1 if socket == SWAP else 1000
        return "server.time", client.server_time() * unit_ms, unit_ms
