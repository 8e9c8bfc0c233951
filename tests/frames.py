"""Recorded or documented frames through real sockets: ``python -m tests.frames FILE...``

Each line of a file is a JSON object with ``venue``, ``direction`` (``"in"`` counts), ``kind`` and ``frame``. A server
on the loopback sends each frame as its venue would (DigiFinex: zlib); a client subscribes what the frame is
about, or makes the request that it answers. Prints a line a venue: pushes delivered as models, as plain documents,
requests answered, and what was told as a bad frame. Frames of private sockets are passed over.
"""

from __future__ import annotations

import collections
import contextlib
import json
import sys
import threading
import zlib
from typing import Any, Dict, List

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from dbxsdk import BadFrame, BybitPublicClient, DigiFinexClient, VenueError
from dbxsdk.bybit.channels import plain, route

PRIVATE = ("order", "execution", "position", "wallet", "greeks", "strategy", "spread", "dcp", "rfq")
TIMEOUT = 5.0


class Server:
    """Says yes to every request, or answers with the frame it was given."""

    def __init__(self, venue: str) -> None:
        self.venue = venue
        self.answer: Any = None
        self.connection: Any = None
        self._server = serve(self._handle, "127.0.0.1", 0, compression=None)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(TIMEOUT)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"

    def send(self, document: Any) -> None:
        text = json.dumps(document)
        self.connection.send(zlib.compress(text.encode()) if self.venue == "digifinex" else text)

    def _handle(self, connection: ServerConnection) -> None:
        self.connection = connection
        for message in connection:
            request = json.loads(message)
            answer, self.answer = self.answer, None
            if self.venue == "digifinex":
                answer = {"error": None, "result": {"status": "success"}, **(answer or {}), "id": request["id"]}
            elif answer is None:
                answer = {"success": True, "ret_msg": "", "op": request["op"], "req_id": request["req_id"]}
            elif answer.get("req_id"):
                answer = {**answer, "req_id": request["req_id"]}
            with contextlib.suppress(ConnectionClosed):  # the client has all that it wanted
                self.send(answer)


def run_digifinex(frames: List[Dict[str, Any]], count: "collections.Counter[str]") -> None:
    with Server("digifinex") as server, DigiFinexClient("key", "secret", url=server.url) as client:
        client.on_event(lambda event: count.update(["bad frames"] if isinstance(event, BadFrame) else []))
        for line in frames:
            frame = line["frame"]
            if frame.get("id") is not None:
                server.answer = frame
                try:
                    client.call(line["kind"].rpartition(":")[2])
                    count["answered"] += 1
                except VenueError:
                    count["answered with an error"] += 1
                continue
            channel = frame["method"].rpartition(".")[0]
            params = frame["params"]
            symbol = params[2] if channel in ("trades", "depth") else params[0].get("symbol") or params[0]["currency"]
            push(client, server, channel, () if channel == "all_ticker" else symbol, frame, count)


def run_bybit(frames: List[Dict[str, Any]], count: "collections.Counter[str]") -> None:
    for line in frames:
        frame, kind = line["frame"], line["kind"]
        topic = frame.get("topic")
        private_topic = (topic or "").split(".")[0] in PRIVATE and topic != "rfq.open.public.trades"
        if private_topic or (topic is None and not any(word in kind for word in ("spot", "linear", "option", "public"))):
            count["of private sockets"] += 1
            continue
        # One connection a frame: the same topic comes from several categories.
        category = "option" if "option" in kind or "id" in frame else "spot" if "spot" in kind else "linear"
        with Server("bybit") as server, BybitPublicClient(category, url=server.url) as client:
            bad = threading.Event()
            client.on_event(lambda event, bad=bad: bad.set() if isinstance(event, BadFrame) else None)
            if topic is not None:
                known = route(category, topic)
                has_model = known is not None and (known.read is not plain or known.merges)
                push(client, server, topic, (), frame, count, "delivered" if has_model else "delivered without a model")
            elif "op" not in frame and "data" not in frame:
                server.send(frame)
                count["bad frames"] += bad.wait(TIMEOUT)
            else:
                server.answer = frame
                op = "ping" if "pong" in kind else "unsubscribe" if "unsubscribe" in kind else "subscribe"
                topics = frame["data"]["successTopics"] if "data" in frame else ["publicTrade.BTCUSDT"]
                try:
                    client.call(op, None if op == "ping" else topics)
                    count["answered"] += 1
                except VenueError:
                    count["answered with an error"] += 1


def push(
    client: Any,
    server: Server,
    channel: str,
    symbols: Any,
    frame: Any,
    count: "collections.Counter[str]",
    what: str = "delivered",
) -> None:
    arrived = threading.Event()
    updates: List[Any] = []
    subscription = client.subscribe(channel, symbols, callback=lambda update: (updates.append(update), arrived.set()))
    server.send(frame)
    assert arrived.wait(TIMEOUT), f"not delivered: {frame}"
    assert updates[0].raw == frame
    count[what] += 1
    subscription.unsubscribe()


def main(paths: List[str]) -> None:
    venues: Dict[str, List[Dict[str, Any]]] = {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for line in map(json.loads, lines):
                if line["direction"] == "in":
                    venues.setdefault(line["venue"], []).append(line)
    for venue, run in (("digifinex", run_digifinex), ("bybit", run_bybit)):
        count: "collections.Counter[str]" = collections.Counter()
        run(venues.get(venue, []), count)
        print(f"{venue}: {len(venues.get(venue, []))} inbound frames: " + ", ".join(f"{n} {what}" for what, n in count.items()))


if __name__ == "__main__":
    main(sys.argv[1:])
