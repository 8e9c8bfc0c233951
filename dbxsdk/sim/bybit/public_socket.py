"""How Bybit's public sockets answer: three services, each with its own acknowledgements, refusals and pongs.

Pure: documents in, documents out. The texts and shapes are those of captured frames; where none is known, the
comment says that the answer is an assumption.
"""

from __future__ import annotations

import abc
from typing import Any, Callable, Collection, Dict, List, Mapping, Optional, Tuple

Document = Dict[str, Any]

UNKNOWN_TOPIC = "topic"
UNKNOWN_SYMBOL = "symbol"

Problem = Callable[[str], Optional[str]]
"""The problem with a topic: ``UNKNOWN_TOPIC``, ``UNKNOWN_SYMBOL`` or None."""

SPOT_ARGS = 10


class Replies(abc.ABC):
    """One service's answers on one connection, which ``connection_id`` names."""

    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id

    @abc.abstractmethod
    def _reply(self, request: Document, success: bool, text: str) -> Document:
        """Return the service's usual answer."""

    @abc.abstractmethod
    def subscribe(
        self, request: Document, topics: List[str], problem: Problem, held: Collection[str]
    ) -> Tuple[Document, List[str]]:
        """Return the answer, and the topics that become subscribed. ``held`` are those that the connection has."""

    @abc.abstractmethod
    def unsubscribe(self, request: Document, topics: List[str]) -> Document:
        """Return the answer. A topic that is not subscribed is undocumented: accepted here."""

    @abc.abstractmethod
    def not_json(self, text: str) -> Document:
        """Return the answer to a frame that is not a JSON object. The socket stays open."""

    def pong(self, request: Document, now_ms: int) -> Document:
        """Return the answer to ``{"op": "ping"}``."""
        return self._reply(request, True, "pong")

    def refuse(self, request: Document, text: str) -> Document:
        """Return a refusal of a whole request."""
        return self._reply(request, False, text)


class FuturesReplies(Replies):
    """linear and inverse: all or nothing, and ``req_id`` is ``""`` if none was sent."""

    def _reply(self, request: Document, success: bool, text: str) -> Document:
        return {
            "success": success,
            "ret_msg": text,
            "conn_id": self.connection_id,
            "req_id": request.get("req_id", ""),
            "op": request.get("op", ""),
        }

    def subscribe(
        self, request: Document, topics: List[str], problem: Problem, held: Collection[str]
    ) -> Tuple[Document, List[str]]:
        seen = set(held)
        for topic in topics:
            # The first offender is named, and the topics beside it do not become subscribed either.
            if problem(topic) is not None:
                return self.refuse(request, f"error:handler not found,topic:{topic}"), []
            if topic in seen:
                return self.refuse(request, f"error:already subscribed,topic:{topic}"), []
            seen.add(topic)
        return self._reply(request, True, ""), topics

    def unsubscribe(self, request: Document, topics: List[str]) -> Document:
        return self._reply(request, True, "")

    def not_json(self, text: str) -> Document:
        found = text.lstrip()[:1]
        return self.refuse({}, f"Failed to decode incoming data:readObjectStart: expect {{ or n, but found {found}")


class SpotReplies(Replies):
    """spot: ``req_id`` only if one was sent, ten topics a request."""

    def _reply(self, request: Document, success: bool, text: str) -> Document:
        reply: Document = {"success": success, "ret_msg": text, "conn_id": self.connection_id}
        if "req_id" in request:
            reply["req_id"] = request["req_id"]
        reply["op"] = request.get("op", "")
        return reply

    def subscribe(
        self, request: Document, topics: List[str], problem: Problem, held: Collection[str]
    ) -> Tuple[Document, List[str]]:
        if len(topics) > SPOT_ARGS:
            return self.refuse(request, f"args size >{SPOT_ARGS}"), []
        for topic in topics:
            # That one bad topic refuses its whole request is an assumption: clients that saw it took it so.
            what = problem(topic)
            if what is not None:
                return self.refuse(request, f"Invalid {what} :[{topic}]"), []
        # Whether a repeated topic is an error here is not documented. Here it changes nothing.
        return self._reply(request, True, "subscribe"), [topic for topic in topics if topic not in held]

    def unsubscribe(self, request: Document, topics: List[str]) -> Document:
        return self._reply(request, True, "unsubscribe")

    def not_json(self, text: str) -> Document:
        return {"ret_code": "400", "type": "error", "ret_msg": "Invalid JSON!"}


class OptionReplies(Replies):
    """option: topic lists without ``op``, ``req_id`` and ``ret_msg``; each topic is judged on its own."""

    def _command(self, succeeded: List[str], failed: List[str]) -> Document:
        return {
            # What a reply with failed topics has here is not known. Assumption: false if nothing succeeded.
            "success": bool(succeeded) or not failed,
            "conn_id": self.connection_id,
            "data": {"failTopics": failed, "successTopics": succeeded},
            "type": "COMMAND_RESP",
        }

    def pong(self, request: Document, now_ms: int) -> Document:
        return {"args": [str(now_ms)], "op": "pong"}

    def subscribe(
        self, request: Document, topics: List[str], problem: Problem, held: Collection[str]
    ) -> Tuple[Document, List[str]]:
        succeeded = [topic for topic in topics if problem(topic) is None]
        failed = [topic for topic in topics if problem(topic) is not None]
        return self._command(succeeded, failed), [topic for topic in succeeded if topic not in held]

    def unsubscribe(self, request: Document, topics: List[str]) -> Document:
        # One client expects this reply; another reports that none comes.
        return self._command(topics, [])

    def _reply(self, request: Document, success: bool, text: str) -> Document:
        # Assumption: no refusal of a whole request is known of this socket.
        return {"success": success, "ret_msg": text, "conn_id": self.connection_id, "op": request.get("op", "")}

    def not_json(self, text: str) -> Document:
        return self.refuse({}, "Invalid JSON!")


REPLIES: Mapping[str, Callable[[str], Replies]] = {
    "spot": SpotReplies,
    "linear": FuturesReplies,
    "inverse": FuturesReplies,
    "option": OptionReplies,
    "spread": OptionReplies,
    # Assumptions: no reply of these two is known.
    "event": OptionReplies,
    "misc/status": FuturesReplies,
}
