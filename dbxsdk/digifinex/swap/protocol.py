"""DigiFinex swap WebSocket v2: requests ``{id, event, ...}``, replies by id with a code, pushes ``{event, data}``.

Sources: the venue's swap WebSocket pages for the envelope, the codes and market data; a published profile of live sockets
for what was measured (limits, ``full_data``); a client in use for the login and the account's channels.
"""

from __future__ import annotations

import itertools
from typing import Any, Collection, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from dbxsdk import codec
from dbxsdk.digifinex.base_protocol import DigiFinexBaseProtocol
from dbxsdk.digifinex.login import LOG_IN, Wording
from dbxsdk.digifinex.swap.channels import ALL_TICKERS, CHANNELS, HOME, KINDS, LEVELS, SwapChannel, channel_of, split
from dbxsdk.errors import AuthError, ProtocolError, SubscribeError, VenueError
from dbxsdk.protocol import Acknowledgement, Inbound, Push, Reply, Request

CODES: Mapping[int, str] = {
    1: "success",
    2: "parameter invalid",
    3: "authentication failed",
    4: "authentication needed",
    5: "subscribed already",
    6: "subscribe failed",
    7: "unsubscribe failed",
    8: "API not active",
    9: "authenticated already",
}
"""What the venue's codes mean, by its page. Its texts stand in ``VenueError.message``, its codes in ``VenueError.code``."""

MOST_CHANNELS = 30
"""Public channels that one connection may hold; each contract of a channel is one. The venue closes the connection at the
next one, without an answer."""

_SUCCESS, _INVALID, _AUTH_FAILED, _AUTH_NEEDED, _REPEATED, _INACTIVE, _LOGGED_IN = 1, 2, 3, 4, 5, 8, 9
_FINAL = (_INVALID, _AUTH_FAILED, _AUTH_NEEDED, _INACTIVE)
"""The codes that refuse a key for good, as the answer to a login; only the one for a failed one may be about its time."""

_SUFFIX = ".update"
_OURS = ("id", "event")


class DigiFinexSwapProtocol(DigiFinexBaseProtocol):
    """The one socket of linear and inverse swaps, public and private."""

    socket = "swap"
    client = "DigiFinexSwapClient"
    home = HOME
    granted = {"code": _SUCCESS, "msg": "success"}
    wording = Wording(
        params=lambda key, timestamp, sign: {"apikey": key, "timestamp": int(timestamp), "signature": sign},
        result="data",
        unit_ms=1,
    )
    # The page: a ping at most every 60 s. Measured: a client is dropped 60 s after its last frame, whatever is pushed to it.
    heartbeat_interval = 20.0
    longest_heartbeat_interval = 55.0
    # The page. Connections of this host were seen to end after 2 h, too: without a word, as any other drop.
    longest_connection = 86_400.0

    def __init__(self, api_key: Optional[str] = None, api_secret: Optional[str] = None) -> None:
        # next() on it is atomic: any thread makes requests.
        self._ids = itertools.count(1)
        self._marks = False
        """True once a book was seen to be marked as whole. The page's own sample has no mark: until then the first update
        of a depth after its acknowledgement counts as whole."""
        self._unseen: Set[str] = set()
        """The depths that were acknowledged, and of which no update has come, as long as no mark was seen."""
        super().__init__(api_key, api_secret)

    def reset(self) -> None:
        self._unseen.clear()

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        params = {} if params is None else params
        if not isinstance(params, dict):
            raise TypeError(f"params must be a dict, not {type(params).__name__}")
        for name in params:
            if not isinstance(name, str) or name in _OURS:
                raise ValueError(f"params must not hold {name!r}: its keys are those of the request beside id and event")
        return self._request(method, params)

    def heartbeat(self) -> Request:
        return self._request(self.ping_method, {})

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        kind = _kind_of(channel)
        if kind.private and self._login is None:
            raise ValueError(f"channel {channel!r} is private: the client needs api_key and api_secret")
        if kind.whole:
            if symbols:
                raise ValueError(f"symbols must be left out for the channel {channel!r}")
            return (channel,)
        if not symbols:
            raise ValueError(f"symbols must name a contract, like BTCUSDTPERP, for the channel {channel!r}")
        for symbol in symbols:
            if "." in symbol:
                raise ValueError(f"symbols must be contracts, like BTCUSDTPERP, not {symbol!r}")
        return tuple(dict.fromkeys(f"{channel}.{symbol.upper()}" for symbol in symbols))

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        _kind_of(channel)
        return tuple(topic for topic in topics if channel_of(topic) == channel)

    def check_capacity(self, topics: Collection[str]) -> None:
        # That the account's channels do not count is what "public" in the page's rule suggests; that each level of a depth
        # counts is what the rule says of candles.
        count = sum(not KINDS[split(topic)[0]].private for topic in topics)
        if count > MOST_CHANNELS:
            raise ValueError(
                f"symbols: a connection holds {MOST_CHANNELS} public channels, a contract each, and these make {count}: "
                "use another client for the others"
            )

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        # That a second subscription adds to the first follows from the code for a repeated one.
        return self._each("subscribe", topics)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        return self._each("unsubscribe", topics)

    def _each(self, verb: str, topics: Sequence[str]) -> Tuple[Request, ...]:
        groups: Dict[Tuple[str, Any, str], List[str]] = {}
        for topic in topics:
            kind, part, contract = split(topic)
            # Lists of contracts are documented for market data; for the account's channels one contract was seen.
            groups.setdefault((kind, part, contract if KINDS[kind].private else ""), []).append(topic)
        return tuple(self._ask(verb, names) for names in groups.values())

    def _ask(self, verb: str, topics: Sequence[str]) -> Request:
        """Return the request for topics of one channel."""
        name, part, contract = split(topics[0])
        kind = KINDS[name]
        params: Dict[str, Any] = {}
        if kind.private and contract:
            params["instrument_id"] = contract
        elif contract:
            params["instrument_ids"] = [split(topic)[2] for topic in topics]
        if kind.parameter:
            params[kind.parameter] = part
        return self._request(f"{name}.{verb}", params, topics)

    def _request(self, event: str, params: Dict[str, Any], topics: Sequence[str] = ()) -> Request:
        key = next(self._ids)
        frame = codec.encode({"id": key, "event": event, **params})
        return Request(key=key, frame=frame, kind=event, topics=tuple(topics), secret=event == LOG_IN)

    # -- frames to events ----------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = codec.decode(self.inflate(payload) if binary else payload)
        if type(document) is not dict:
            if type(document) is not list:
                raise ProtocolError(f"expected an object, not {type(document).__name__}")
            # The page's sample of all_ticker. It was seen with an envelope, and gets one, since documents are objects.
            document = {"event": ALL_TICKERS.name + _SUFFIX, "data": document}
        reply_id, event = document.get("id"), document.get("event")
        if reply_id is not None:
            if isinstance(reply_id, bool) or not isinstance(reply_id, int):
                raise ProtocolError("the reply's id is not an integer")
            return (Reply(reply_id, document),)
        if event == _DEPTH_UPDATE:  # most of what comes
            return (self._depth(document, document.get("data")),)
        if type(event) is str and event.endswith(_SUFFIX) and "data" in document:
            return self._push(event[: -len(_SUFFIX)], document, document["data"])
        if "code" in document:
            return (Reply(None, document, event if type(event) is str and event else None),)
        raise ProtocolError("neither a reply nor an update")

    def _push(self, name: str, document: Dict[str, Any], data: Any) -> Sequence[Push]:
        kind = KINDS.get(name)
        if kind is None:
            raise ProtocolError(f"{name}.update is not a documented update")
        if kind.many:
            # The account's updates are lists; one object would say the same.
            rows = [data] if type(data) is dict else data
            if kind.whole:
                return (_push_of_rows(kind, name, "", document, rows),)
            return [
                _push_of_rows(kind, f"{name}.{contract}", contract, document, group)
                for contract, group in _by_contract(name, rows).items()
            ]
        contract = data.get("instrument_id") if type(data) is dict else None
        if type(contract) is not str:
            raise ProtocolError(f"{name}.update: no instrument_id")
        channel = name
        if kind.parameter:
            channel = f"{name}.{data.get(kind.parameter)}"
            if channel not in CHANNELS:
                raise ProtocolError(f"{channel}: not a documented {kind.parameter}")
        moment = _ms(data.get(kind.time))
        return (Push(f"{channel}.{contract}", channel, contract, "update", document, data, kind.read, moment),)

    def _depth(self, document: Dict[str, Any], data: Any) -> Push:
        if type(data) is not dict:
            raise ProtocolError("depth.update: data is not an object")
        contract, level = data.get("instrument_id"), data.get("level")
        channel = _DEPTHS.get(level) if type(level) in (int, str) else None
        if type(contract) is not str or channel is None:
            raise ProtocolError("depth.update: no instrument_id, or not a documented level")
        topic, kind = f"{channel}.{contract}", "delta"
        if document.get("full_data") is True:
            kind = "snapshot"
            if not self._marks:
                self._marks = True
                self._unseen.clear()
        elif not self._marks and topic in self._unseen:
            kind = "snapshot"
            self._unseen.discard(topic)
        return Push(topic, channel, contract, kind, document, data, _read_depth, _ms(data.get("timestamp")))

    # -- replies -------------------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        refusal = self._refusal(reply.document)
        if refusal is None or (request.kind == LOG_IN and refusal.code == _LOGGED_IN):
            return reply.document.get("data")
        if request.kind == LOG_IN and refusal.code in _FINAL:
            raise AuthError(f"the login was refused: {refusal.message}", code=refusal.code, reply=reply.document)
        raise refusal

    def _may_be_the_clock(self, refusal: AuthError) -> bool:
        return bool(refusal.code == _AUTH_FAILED)

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        refusal = self._refusal(reply.document)
        # Subscribed already: the first subscription goes on delivering.
        if refusal is None or (refusal.code == _REPEATED and len(request.topics) == 1):
            if not self._marks:
                self._unseen.update(topic for topic in request.topics if split(topic)[0] == "depth")
            return Acknowledgement(accepted=request.topics)
        if len(request.topics) > 1:
            # The code names none of them, and whether the others were taken is not documented: ask for each alone.
            return Acknowledgement(retry=tuple(self._ask("subscribe", [topic]) for topic in request.topics))
        error = SubscribeError(refusal.message, topics=request.topics, code=refusal.code, reply=reply.document)
        return Acknowledgement(refused=dict.fromkeys(request.topics, error))

    def _refusal(self, document: Any) -> Optional[VenueError]:
        """Return what an error reply means, or None."""
        code, message = document.get("code"), document.get("msg")
        if isinstance(code, bool) or not isinstance(code, int):
            return VenueError("the venue's answer has no code", reply=document)
        if code == _SUCCESS:
            return None
        meaning = CODES.get(code, "a code that is not documented")
        text = message if isinstance(message, str) and message else meaning
        return VenueError(text, code=code, reply=document)


_DEPTH_UPDATE = "depth" + _SUFFIX
_DEPTHS: Dict[Any, str] = {written: f"depth.{level}" for level in LEVELS for written in (level, str(level))}
_read_depth = KINDS["depth"].read


def _kind_of(channel: str) -> SwapChannel[Any]:
    """Return what ``channel`` is one of. Raises ``ValueError``."""
    kind = KINDS.get(channel.partition(".")[0])
    if kind is None or (channel not in CHANNELS and not kind.parameter):
        names = [f"{each.name}.{each.parameter.upper()}" if each.parameter else each.name for each in KINDS.values()]
        raise ValueError(f"channel must be one of {', '.join(names)}, not {channel!r}")
    if channel not in CHANNELS:
        names = [each for each in CHANNELS if each.startswith(f"{kind.name}.")]
        raise ValueError(f"channel must be one of {', '.join(names)}, not {channel!r}")
    return kind


def _by_contract(name: str, rows: Any) -> Dict[str, List[Any]]:
    if type(rows) is not list:
        raise ProtocolError(f"{name}.update: data is not a list")
    groups: Dict[str, List[Any]] = {}
    for row in rows:
        contract = row.get("instrument_id") if type(row) is dict else None
        if type(contract) is not str:
            raise ProtocolError(f"{name}.update: a row without an instrument_id")
        groups.setdefault(contract, []).append(row)
    return groups


def _push_of_rows(kind: SwapChannel[Any], topic: str, contract: str, document: Any, rows: Any) -> Push:
    if type(rows) is not list:
        raise ProtocolError(f"{kind.name}.update: data is not a list")
    first = rows[0] if rows else None
    moment = _ms(first.get(kind.time)) if type(first) is dict else None
    # Every frame of all_ticker has all contracts.
    update = "snapshot" if kind is ALL_TICKERS else "update"
    return Push(topic, kind.name, contract, update, document, rows, kind.read, moment)


def _ms(moment: Union[int, str, None, Any]) -> Optional[int]:
    """Return a time in ms, or None; the rest of an update is checked when its model is read."""
    if type(moment) is str and moment.isdecimal() and len(moment) < 16:
        moment = int(moment)
    return moment if type(moment) is int else None
