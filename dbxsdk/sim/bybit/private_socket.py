"""Bybit's private socket: how it answers, and which subscriptions get which rows.

Pure: documents in, documents out. The texts and shapes are those of captured frames; where none is known, the comment
says that the answer is an assumption.
"""

from __future__ import annotations

from typing import Any, Collection, Dict, Iterable, List, Tuple

from dbxsdk.sim.bybit.access import Gate, Problem

Document = Dict[str, Any]
Row = Dict[str, Any]

_CATEGORISED = {
    "position": ("linear", "inverse", "option"),
    "execution.fast": ("spot", "linear", "inverse", "option"),
    **dict.fromkeys(("execution", "order"), ("spot", "linear", "inverse", "option", "event")),
}
_PLAIN = (
    *("wallet", "greeks", "strategy", "dcp.future", "dcp.spot", "dcp.option", "position.event"),
    *("spread.order", "spread.execution", "rfq.open.rfqs", "rfq.open.quotes", "rfq.open.trades"),
)
"""Of these only ``wallet`` and ``greeks`` deliver; the others and the category ``event`` are accepted."""

TOPICS = {
    **{channel: channel for channel in (*_CATEGORISED, *_PLAIN)},
    **{f"{channel}.{category}": channel for channel, categories in _CATEGORISED.items() for category in categories},
}
"""Every topic, with its channel."""

_AUTH_TEXTS = {
    Problem.ARGS: "Params Error",
    Problem.EXPIRES: "Params Error",
    Problem.API_KEY: "API key is invalid.",
    # Assumption: no reply to a wrong signature is known of this socket. The one text is used for so much that is
    # wrong with an authentication that a client must be able to bear it here, too.
    Problem.SIGNATURE: "Params Error",
}


class PrivateSession:
    """One connection to ``/v5/private``."""

    def __init__(self, connection_id: str, gate: Gate) -> None:
        self.connection_id = connection_id
        self.authenticated = False
        self._gate = gate

    def answer(self, document: Any, held: Dict[str, Any], now_ms: int) -> Document:
        """Return the answer to one frame. ``held`` are the connection's topics, which it changes."""
        if not isinstance(document, dict):
            return self._reply({}, False, "Params Error")  # assumption: no answer to what is not JSON is known
        op = document.get("op")
        if op == "ping":
            return self._finished(document, {"op": "pong", "args": [str(now_ms)]})
        if op == "auth":
            return self._authenticate(document)
        if op in ("subscribe", "unsubscribe"):
            if not self.authenticated:
                return self._reply(document, False, "Request not authorized")
            topics = document.get("args")
            if not isinstance(topics, list) or not topics or not all(isinstance(topic, str) for topic in topics):
                return self._reply(document, False, "Params Error")  # assumption
            if op == "subscribe":
                return self._subscribe(document, topics, held)
            for topic in topics:  # that ending what was never begun is fine is an assumption
                held.pop(topic, None)
            return self._reply(document, True, "")
        # So was an order seen answered that went to the wrong socket; that any unknown op is, is an assumption.
        return self._reply(document, False, "Params Error")

    def _reply(self, request: Document, success: bool, text: str) -> Document:
        return self._finished(request, {"success": success, "ret_msg": text, "op": request.get("op", "")})

    def _finished(self, request: Document, reply: Document) -> Document:
        own = {"req_id": request["req_id"]} if "req_id" in request else {}
        return {**reply, "conn_id": self.connection_id, **own}

    def _authenticate(self, request: Document) -> Document:
        if self.authenticated:
            # Assumption: refused, as it is on the trade socket, and without an effect.
            return self._reply(request, False, "Params Error")
        problem = self._gate.problem(request.get("args"))
        if problem is not None:
            return self._reply(request, False, _AUTH_TEXTS[problem])
        self.authenticated = True
        return self._reply(request, True, "")

    def _subscribe(self, request: Document, topics: List[str], held: Dict[str, Any]) -> Document:
        accepted: List[str] = []
        refused: List[str] = []
        for topic in dict.fromkeys(topics):
            # Documented for one request: a channel whole and in a category are a conflict. That the topics of
            # earlier requests count, too, is an assumption, and so is that a repeated topic is none.
            conflict = topic not in held and _conflicts(topic, [*held, *accepted])
            (refused if topic not in TOPICS or conflict else accepted).append(topic)
        held.update(dict.fromkeys(accepted, True))
        if not refused:
            return self._reply(request, True, "")
        text = (
            "Batch subscription partially succeeded and partially failed."
            f"Successful subscriptions are as follows:[{', '.join(accepted)}]. "
            "Subscription to the following topics failed because the topic does not exist or there is a subscription "
            f"conflict:[{', '.join(refused)}]."
        )
        return self._reply(request, False, text)


def _conflicts(topic: str, others: Iterable[str]) -> bool:
    channel = TOPICS.get(topic)
    return any(
        TOPICS[other] == channel and other != topic and channel in (topic, other) for other in others
    )


def envelope(topic: str, rows: List[Row], frame_id: str, now_ms: int) -> Document:
    """Wrap rows in a data frame. The order of the keys varies at the venue, and so it does here."""
    rest: Document = {"topic": topic, "creationTime": now_ms, "data": rows}
    if topic.startswith("execution.fast"):  # the one without an id
        return rest
    is_id_first = topic.partition(".")[0] in ("order", "wallet")
    return {"id": frame_id, **rest} if is_id_first else {"topic": topic, "id": frame_id, **rest}


def by_topic(channel: str, rows: List[Row], wanted: Collection[str]) -> List[Tuple[str, List[Row]]]:
    """Return the rows of one channel for each of its ``wanted`` topics: whole, and by category."""
    if not rows:
        return []
    frames = [(channel, rows)] if channel in wanted else []
    for category in _CATEGORISED.get(channel, ()):
        part = [row for row in rows if row["category"] == category]
        if part and f"{channel}.{category}" in wanted:
            frames.append((f"{channel}.{category}", part))
    return frames


def frame_id(uid: int, channel: str, rows: List[Row], now_ms: int, number: int) -> str:
    """Return an id unlike all others, in the captured form."""
    return f"{uid}_{rows[0]['symbol'] if channel in ('order', 'execution') else channel}_{now_ms}{number:06d}"
