"""DBot's trade socket: requests ``{id, method, params}``, replies by id, trade results as pushes.

Source: docs.dbotx.com/reference (the pages marked "(WS)") and its Chinese edition; where the pages are silent, what
clients in use have found.
"""

from __future__ import annotations

import itertools
import secrets
from typing import Any, Collection, Dict, FrozenSet, List, Mapping, Sequence, Tuple

from dbxsdk import codec
from dbxsdk.channel import Channel
from dbxsdk.dbot.base_protocol import DBotProtocol, contents, failed, refusal
from dbxsdk.dbot.listed import ListRequest, TopicList
from dbxsdk.dbot.models import moment, read_trade_result
from dbxsdk.dbot.trade.arguments import encode
from dbxsdk.dbot.trade.matching import UNNAMED, Made
from dbxsdk.dbot.trade.result_types import TYPES, types_of
from dbxsdk.errors import OutcomeUnknown, ProtocolError, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Push, Reply, Request
from dbxsdk.sent_requests import SentRequests

TRADE_RESULTS = Channel("tradeResults", read_trade_result, "dbot")
CHANNEL = TRADE_RESULTS.name
SUBSCRIBE = "subscribeTradeResults"

# One counter for all clients of the process, with a random start: a program that is started again must not use the same
# ids. The pages show a Unix time in seconds, which two calls in one second would share.
# JavaScript, which the venue's samples are written in, counts exactly up to 2 ** 53.
_ids = itertools.count(secrets.randbelow(2**52) + 1)


class DBotTradeProtocol(DBotProtocol):
    """Tasks and trade results. The topic of all results is ``tradeResults``, that of one type ``tradeResults.TYPE``."""

    socket = "trade"
    client = "DBotTradeClient"

    def __init__(self) -> None:
        super().__init__()
        self.sent = SentRequests(lambda document: document.get("params") or {})
        self.made = Made()

    def reset(self) -> None:
        # The topics that the last filter was made for. Replaced, never changed: the reader thread reads it while
        # others subscribe.
        self._wanted: FrozenSet[str] = frozenset()
        self._types = TopicList(self._filter)

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        if method == SUBSCRIBE:
            # It has no id, and would replace the filter of the subscriptions.
            raise ValueError(f"method {method!r} cannot be called: use subscribe({CHANNEL!r}, types, callback=...)")
        if params is not None and not isinstance(params, Mapping):
            raise TypeError(f"params must be a dict, or None, not {type(params).__name__}")
        key = next(_ids)
        # Some methods have no params at all.
        tail = "" if params is None else f',"params":{encode(params)}'
        return Request(key=key, frame=f'{{"id":{key},"method":{codec.encode(method)}{tail}}}', kind=method)

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        _check_channel(channel)
        if not symbols:
            return (CHANNEL,)
        # There may be types that no list has: the venue judges.
        return tuple(dict.fromkeys(f"{CHANNEL}.{symbol}" for symbol in symbols))

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        _check_channel(channel)
        return tuple(topics)

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        self._wanted = frozenset((*live, *topics))
        return (self._types.add(topics, live),)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        self._wanted = frozenset(live)
        ended = self._ping(topics)
        if not live or CHANNEL in live:
            # There is no unsubscribe, and [] would mean everything: the venue goes on sending, and it is ignored.
            return (ended,)
        return (ended, self._types.keep(live))

    def _filter(self, topics: Sequence[str], **fields: Any) -> ListRequest:
        types = [] if CHANNEL in topics else [_type(topic) for topic in topics]
        frame = codec.encode({"method": SUBSCRIBE, "tradeTypeFilter": types})
        key = f"{SUBSCRIBE}-{next(_ids)}"
        return ListRequest(key=key, frame=frame, kind=SUBSCRIBE, topics=tuple(topics), alone=True, **fields)

    # -- frames to events ----------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = codec.decode_object(payload, binary)
        method = document.get("method")
        if method == "tradeResultNotify":
            return self._pushes(document)
        if method == "subscribeResponse":
            return (Reply(None, document, SUBSCRIBE),)
        key = document.get("id")
        if key is not None:
            if isinstance(key, bool) or not isinstance(key, int):
                raise ProtocolError(f"the reply's id is {type(key).__name__}, not an integer")
            return (Reply(key, document),)
        if failed(document):
            return (Reply(None, document),)
        raise ProtocolError("neither a reply nor a trade result")

    def _pushes(self, document: Dict[str, Any]) -> List[Push]:
        result = document.get("result")
        if not isinstance(result, dict):
            raise ProtocolError("tradeResultNotify: result is not an object")
        wanted = self._wanted
        types = types_of(result)
        matching = [topic for topic in (f"{CHANNEL}.{type_}" for type_ in types) if topic in wanted]
        # The same for every topic, since a callback may be served by any of them.
        sure = types[0] if len(types) == 1 else ""
        if not matching:
            # The venue sent it, so it was asked for, by a type that is not known here.
            matching = sorted(topic for topic in wanted if topic != CHANNEL and _type(topic) not in TYPES)
        if CHANNEL in wanted:
            matching.append(CHANNEL)
        traded, created = moment(result.get("timestamp")), moment(result.get("createAt"))
        time_ms = created if traded is None else traded
        return [Push(topic, CHANNEL, sure, "update", document, result, read_trade_result, time_ms) for topic in matching]

    # -- replies to outcomes -------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        try:
            result = super().conclude(request, reply)
        except VenueError as error:
            if not isinstance(error, OutcomeUnknown):
                self.sent.answered(request.key, ((False, str(error)),))
            raise
        named = not request.kind.startswith("create") or self.made.answered(result)
        self.sent.answered(request.key, ((True, "" if named else UNNAMED),))
        return result

    def _result(self, request: Request, document: Dict[str, Any]) -> Any:
        result = document.get("result")
        if not isinstance(result, dict) or result.get("err") is not False:
            # Neither yes nor no, and money may depend on it: it must not pass for a success.
            raise ProtocolError(f"the answer to {request.kind} says neither that it worked nor that it failed")
        return result.get("res")

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        if not isinstance(request, ListRequest):
            return Acknowledgement(accepted=request.topics)  # a ping
        return self._types.answered(request, refusal(contents(reply), "trade results"))


def _check_channel(channel: str) -> None:
    if channel != CHANNEL:
        raise ValueError(f"channel must be {CHANNEL!r}, not {channel!r}")


def _type(topic: str) -> str:
    return topic[len(CHANNEL) + 1:]
