"""``AtollVenue``: Atoll's socket, served on the loopback."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, Dict, List, Tuple, Union

from dbxsdk.codec import encode
from dbxsdk.sim.connection import Connection, Frame
from dbxsdk.sim.venue import Venue
from tests.fifth_venue.client import AtollClient

SYMBOLS = ("SHELL-USD", "PEARL-USD")


class _Refused(Exception):
    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.document = {"ok": False, "code": code, "text": f"refused: {code}", **more}


class AtollVenue(Venue):
    """Each step trades once in every symbol, and moves the best bid's size."""

    name = "atoll"
    paths = ("/socket",)

    def client(self, **arguments: Any) -> AtollClient:
        """With the venue's keys, unless ``api_key=None`` is given."""
        if "api_key" not in arguments:
            arguments.update(api_key=self.api_key, api_secret=self.api_secret)
        return AtollClient(**{"url": self.url(), **arguments})

    def book(self) -> Dict[str, List[Tuple[str, str]]]:
        """The true book, the same for each symbol."""
        with self._lock:
            return {"bids": [("9.5", str(self.steps + 1)), ("9", "5")], "asks": [("10", "4"), ("10.5", "7")]}

    def _request(self, connection: Connection, raw: Union[str, bytes], document: Any) -> None:
        try:
            result = getattr(self, f"_do_{document['do']}", self._unknown)(connection, document["with"])
            self._answer(connection, {"id": document["id"], "ok": True, "result": result})
        except _Refused as refused:
            self._answer(connection, {"id": document["id"], **refused.document})
            return
        for topic in document["with"].get("topics", ()) if document["do"] == "join" else ():
            if topic.startswith("book:"):
                self._push([connection], {"topic": topic, "whole": True, "no": self.steps, **self.book()})

    def _unknown(self, connection: Connection, given: Any) -> None:
        raise _Refused("no_such_request")

    def _do_ping(self, connection: Connection, given: Any) -> str:
        return "pong"

    def _do_time(self, connection: Connection, given: Any) -> int:
        return self._now_us() // 1000

    def _do_login(self, connection: Connection, given: Any) -> None:
        sign = hmac.new(self.api_secret.encode(), f"{given['key']}{given['at']}".encode(), hashlib.sha256).hexdigest()
        if (given["key"], given["sign"]) != (self.api_key, sign):
            raise _Refused("no_such_key")
        connection.state["in"] = True

    def _do_join(self, connection: Connection, given: Any) -> None:
        known = {f"{channel}:{symbol}" for channel in ("trades", "book") for symbol in SYMBOLS}
        known |= {"fills"} if connection.state.get("in") else set()
        connection.topics.update(dict.fromkeys(topic for topic in given["topics"] if topic in known))
        bad = [topic for topic in given["topics"] if topic not in known]
        if bad:
            raise _Refused("no_such_topic", topics=bad)

    def _do_leave(self, connection: Connection, given: Any) -> None:
        for topic in given["topics"]:
            connection.topics.pop(topic, None)

    def _do_order(self, connection: Connection, given: Any) -> str:
        if not connection.state.get("in"):
            raise _Refused("log_in_first")
        order_id = f"order-{len(self.requests)}"
        row = {"order": order_id, "px": self.book()["asks"][0][0], "qty": given["qty"], "fee": ""}
        self._push(self._subscribers("fills"), {"topic": "fills", "rows": [row]})
        return order_id

    def _advance(self, now_us: int) -> None:
        self._at = now_us // 1000

    def _publish(self) -> None:
        book = {"no": self.steps, "bids": self.book()["bids"][:1], "asks": []}
        row = {"no": self.steps, "px": "9.75", "qty": "1", "way": "buy" if self.steps % 2 else "sell"}
        for symbol in SYMBOLS:
            for topic, update in ((f"trades:{symbol}", {"rows": [row]}), (f"book:{symbol}", book)):
                self._push(self._subscribers(topic), {"topic": topic, "at": self._at, **update})

    def _encode(self, document: Any, connection: Connection, push: bool) -> Frame:
        return encode(document)
