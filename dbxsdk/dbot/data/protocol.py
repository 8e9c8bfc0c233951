"""DBot's data socket: subscribe and unsubscribe by type, without ids; pushes that name only their type.

Topics are ``tx.PAIR``, ``pairInfo.PAIR`` or ``pairInfo.PAIR:TOKEN``, ``pairsInfo.INTERVAL.PAIR:TOKEN``,
``walletTx.WALLET``, ``newPairInfo`` and ``migratedPairInfo``.

Source: docs.dbotx.com/reference, guide-en.dbotx.com; where the pages are silent, what clients in use have found.
"""

from __future__ import annotations

import itertools
from typing import Any, Callable, Collection, Dict, FrozenSet, Iterable, List, Mapping, Optional, Sequence, Tuple, TypeVar

import attrs

from dbxsdk import codec
from dbxsdk.arguments import check_word
from dbxsdk.channel import Channel
from dbxsdk.dbot import models, refusal
from dbxsdk.dbot.heartbeat import HEARTBEAT_INTERVAL, LONGEST_HEARTBEAT_INTERVAL, PING, Pings
from dbxsdk.dbot.listed import ListRequest, TopicList
from dbxsdk.errors import ProtocolError, SubscribeError
from dbxsdk.protocol import Acknowledgement, Inbound, Protocol, Push, Reply, Request

R = TypeVar("R", bound=Request)

OLD_NAMES = {"tokenInfo": "pairInfo", "tokensInfo": "pairsInfo"}
"""The names of two types in the older pages; still seen in pushes."""


@attrs.frozen
class _Kind:
    """One type of the socket.

    Attributes:
        listed: one subscription names all its pairs.
        keys: the keys of an item that may have the topic's address.
        per_item: a push carries one value, not a tuple of them.
    """

    read: Callable[[Any], Any]
    symbols: bool = True
    listed: bool = False
    keys: Tuple[str, ...] = ("p", "pair")
    per_item: bool = True


TRANSACTIONS = Channel("tx", models.read_transactions, "dbot")
PAIR_INFO = Channel("pairInfo", models.read_pair_info, "dbot")
NEW_PAIRS = Channel("newPairInfo", models.read_new_pair, "dbot")
MIGRATED_PAIRS = Channel("migratedPairInfo", models.read_migrated_pair, "dbot")
WALLET_TRANSACTIONS = Channel("walletTx", models.read_wallet_transactions, "dbot")


def pairs_info(interval: str) -> Channel[models.PairInfo]:
    """Return the channel ``pairsInfo.{interval}``: ``"1m"``, ``"1h"`` ...

    Raises:
        TypeError, ValueError: ``interval`` cannot be a part of a channel's name.
    """
    if not _is_interval(check_word("interval", interval)):
        raise ValueError(f"interval must be a word, like '1m', not {interval!r}")
    return Channel(f"pairsInfo.{interval}", models.read_pair_info, "dbot")


KINDS: Mapping[str, _Kind] = {
    TRANSACTIONS.name: _Kind(TRANSACTIONS.read, listed=True, per_item=False),
    PAIR_INFO.name: _Kind(PAIR_INFO.read),
    "pairsInfo": _Kind(models.read_pair_info, listed=True),
    NEW_PAIRS.name: _Kind(NEW_PAIRS.read, symbols=False, keys=()),
    MIGRATED_PAIRS.name: _Kind(MIGRATED_PAIRS.read, symbols=False, keys=()),
    # The sample subscribes one wallet and shows the trade of another: that "ac" is the wallet is an inference.
    WALLET_TRANSACTIONS.name: _Kind(WALLET_TRANSACTIONS.read, keys=("ac",), per_item=False),
}


@attrs.frozen
class _Topic:
    """A topic taken apart."""

    type: str
    interval: str = ""
    symbol: str = ""

    @property
    def pair(self) -> str:
        return self.symbol.partition(":")[0]

    @property
    def token(self) -> str:
        return self.symbol.partition(":")[2]

    @property
    def channel(self) -> str:
        return f"{self.type}.{self.interval}" if self.interval else self.type


class _Wanted:
    """The wanted topics of one type, by address in lower case: on some chains the case of letters is a checksum."""

    def __init__(self, names: Iterable[str]) -> None:
        self.topics = {name: _split(name) for name in names}
        self.by_address: Dict[str, List[str]] = {}
        for name, topic in self.topics.items():
            self.by_address.setdefault(topic.pair.lower(), []).append(name)


class DBotDataProtocol(Protocol):
    """Market data and wallets' trades."""

    venue = "dbot"
    socket = "data"
    client = "DBotDataClient"
    heartbeat_interval = HEARTBEAT_INTERVAL
    longest_heartbeat_interval = LONGEST_HEARTBEAT_INTERVAL
    only_heartbeats_count = True  # "heartbeat at least once a minute": no page says that requests count

    def __init__(self) -> None:
        self._pings = Pings()
        self._numbers = itertools.count(1)  # next() on it is atomic: any thread makes requests
        self.reset()

    def reset(self) -> None:
        # The wanted topics of each type. Replaced, never changed: the reader thread reads it while others subscribe.
        self._wanted: Dict[str, _Wanted] = {}
        self._lists = {type_: TopicList(self._list) for type_, kind in KINDS.items() if kind.listed}

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        raise ValueError(f"method {method!r}: this socket has only the requests behind subscribe() and unsubscribe()")

    def heartbeat(self) -> Request:
        return self._pings.next()

    def topics(self, channel: str, symbols: Sequence[str]) -> Tuple[str, ...]:
        type_, interval = _channel(channel)
        if type_ == "pairsInfo" and not interval:
            raise ValueError("channel must name the interval, like 'pairsInfo.1m'")
        if not KINDS[type_].symbols:
            if symbols:
                raise ValueError(f"symbols must be left out for the channel {type_!r}")
            return (type_,)
        if not symbols:
            what = "a wallet" if type_ == "walletTx" else "a pair"
            raise ValueError(f"symbols must name {what} for the channel {type_!r}")
        for symbol in symbols:
            _check_symbol(type_, symbol)
        return tuple(dict.fromkeys(f"{channel}.{symbol}" for symbol in symbols))

    def topics_of(self, channel: str, topics: Collection[str]) -> Tuple[str, ...]:
        type_, interval = _channel(channel)
        split = {topic: _split(topic) for topic in topics}
        return tuple(t for t, parts in split.items() if parts.type == type_ and interval in ("", parts.interval))

    def check_capacity(self, topics: Collection[str]) -> None:
        intervals = sorted({topic.interval for topic in map(_split, topics) if topic.type == "pairsInfo"})
        if len(intervals) > 1:
            # Its updates do not name their interval, and a second subscription may replace the first.
            raise ValueError(f"channel: one connection takes one interval of pairsInfo, not {' and '.join(intervals)}")

    def subscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        self._remember([*live, *topics])
        requests: List[Request] = []
        for type_, names in _by_type(topics).items():
            if type_ in self._lists:
                requests.append(self._lists[type_].add(names, _by_type(live).get(type_, ())))
            else:
                requests += [self._request(Request, "subscribe", [name], topics=(name,)) for name in names]
        return tuple(requests)

    def unsubscribe(self, topics: Sequence[str], live: Collection[str]) -> Tuple[Request, ...]:
        self._remember(live)
        still = _by_type(live)
        requests: List[Request] = []
        for type_, names in _by_type(topics).items():
            batches = [names] if type_ in self._lists else [[name] for name in names]
            requests += [self._request(Request, "unsubscribe", batch) for batch in batches]
            requests.append(self._pings.next(topics=names))
            if type_ in self._lists and type_ in still:
                # Correct also if the venue ends the type as a whole.
                requests.append(self._lists[type_].keep(still[type_], after_end=True))
        return tuple(requests)

    def _remember(self, topics: Collection[str]) -> None:
        self._wanted = {type_: _Wanted(names) for type_, names in _by_type(topics).items()}

    def _list(self, topics: Sequence[str], **fields: Any) -> ListRequest:
        return self._request(ListRequest, "subscribe", topics, topics=topics, **fields)

    def _request(self, make: Callable[..., R], method: str, named: Sequence[str], **fields: Any) -> R:
        """Make a request for all that is ``named``."""
        parts = [_split(name) for name in named]
        document: Dict[str, Any] = {"method": method, "type": parts[0].type}
        args = _args(parts)
        if args:
            document["args"] = args
        kind = f"{method}.{parts[0].type}"
        key = f"{kind}-{next(self._numbers)}"
        return make(key=key, frame=codec.encode(document), kind=kind, alone=method == "subscribe", **fields)

    # -- frames to events ----------------------------------------------------------------------------

    def receive(self, payload: bytes, binary: bool) -> Sequence[Inbound]:
        document = codec.decode_object(payload, binary)
        method = document.get("method")
        if method in ("subscribeResponse", "unsubscribeResponse"):
            return (_reply(method, document),)
        type_ = document.get("type")
        if isinstance(type_, str) and "result" in document and method is None:
            return self._pushes(OLD_NAMES.get(type_, type_), document)
        if refusal.failed(document):
            return (Reply(None, document),)
        raise ProtocolError("neither an acknowledgement nor an update")

    def _pushes(self, type_: str, document: Dict[str, Any]) -> List[Push]:
        kind = KINDS.get(type_)
        if kind is None:
            raise ProtocolError(f"an update of the unknown type {type_[:50]!r}")
        result = document["result"]
        items = result if isinstance(result, list) else [result]
        wanted = self._wanted.get(type_) or _Wanted(())
        pushes: List[Push] = []
        for address, mine in _by_address(kind, document, items).items():
            payloads = mine if kind.per_item else [mine]
            for topic, symbol in _receivers(type_, kind, address, wanted):
                channel = wanted.topics[topic].channel if topic in wanted.topics else type_
                pushes += [_push(topic, channel, symbol, document, payload, kind) for payload in payloads]
        return pushes

    # -- replies to outcomes -------------------------------------------------------------------------

    def conclude(self, request: Request, reply: Reply) -> Any:
        if request.kind == PING:
            return None
        document = reply.document if isinstance(reply.document, dict) else {}
        if refusal.failed(document):
            raise refusal.error(document, request.kind)
        return document.get("result")

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = reply.document if isinstance(reply.document, dict) else {}
        no = refusal.error(document, ", ".join(request.topics[:5])) if refusal.failed(document) else None
        if isinstance(request, ListRequest):
            return self._lists[_split(request.topics[0]).type].answered(request, no)
        if request.is_ping or no is None:
            return Acknowledgement(accepted=request.topics)
        refused = SubscribeError(no.message, topics=request.topics, code=no.code, reply=document)
        return Acknowledgement(refused={topic: refused for topic in request.topics})


def _channel(channel: str) -> Tuple[str, str]:
    type_, dot, interval = channel.partition(".")
    if type_ not in KINDS or (dot and type_ != "pairsInfo"):
        raise ValueError(f"channel must be one of {', '.join(KINDS)}, not {channel!r}")
    if dot and not _is_interval(interval):
        raise ValueError(f"channel must name an interval, like 'pairsInfo.1m', not {channel!r}")
    return type_, interval


def _is_interval(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _check_symbol(type_: str, symbol: str) -> None:
    pair, colon, token = symbol.partition(":")
    good = bool(pair) and ":" not in token and bool(colon) == bool(token)
    if type_ == "pairsInfo":
        if not (good and token):
            raise ValueError(f"symbols must be of the form PAIR:TOKEN for the channel {type_!r}, not {symbol!r}")
    elif type_ == "pairInfo":
        if not good:
            raise ValueError(f"symbols must be PAIR or PAIR:TOKEN for the channel {type_!r}, not {symbol!r}")
    elif colon:
        raise ValueError(f"symbols must be single addresses for the channel {type_!r}, not {symbol!r}")


def _split(topic: str) -> _Topic:
    type_, _, rest = topic.partition(".")
    if type_ == "pairsInfo":
        interval, _, symbol = rest.partition(".")
        return _Topic(type_, interval, symbol)
    return _Topic(type_, "", rest)


def _by_type(topics: Iterable[str]) -> Dict[str, List[str]]:
    """Return the topics of each type, in order, without repeats."""
    groups: Dict[str, Dict[str, None]] = {}
    for topic in topics:
        groups.setdefault(topic.partition(".")[0], {})[topic] = None
    return {type_: list(names) for type_, names in groups.items()}


def _args(topics: Sequence[_Topic]) -> Dict[str, Any]:
    first = topics[0]
    if first.type == "tx":
        return {"pair": [topic.pair for topic in topics]}
    if first.type == "pairsInfo":
        pairs = [{"pair": topic.pair, "token": topic.token} for topic in topics]
        return {"pairsInfoInterval": first.interval, "pairs": pairs}
    if first.type == "pairInfo":
        return {"pair": first.pair, "token": first.token} if first.token else {"pair": first.pair}
    return {"walletAddress": first.symbol} if first.type == "walletTx" else {}


def _reply(method: str, document: Dict[str, Any]) -> Reply:
    """Read an acknowledgement, which has no id. That of an unsubscribe is in no page: it is recognised by its name, by its
    text, or by the type missing among those that are subscribed."""
    result = document.get("result")
    result = result if isinstance(result, dict) else {}
    type_ = result.get("type")
    if not isinstance(type_, str):
        # Refusals are undocumented, too.
        type_ = document.get("type")
    if not isinstance(type_, str):
        return Reply(None, document)
    name = OLD_NAMES.get(type_, type_)
    subscribed = result.get("subscribed")
    message = result.get("message")
    left = method == "unsubscribeResponse" or (isinstance(message, str) and "unsubscri" in message.lower())
    left = left or (isinstance(subscribed, list) and not refusal.failed(document) and not {type_, name} & _texts(subscribed))
    # Several unsubscribe requests may be under way, and it does not matter which one was meant.
    return Reply(None, document, f"unsubscribe.{name}", ordered=True) if left else Reply(None, document, f"subscribe.{name}")


def _texts(items: List[Any]) -> FrozenSet[str]:
    return frozenset(item for item in items if isinstance(item, str))


def _by_address(kind: _Kind, document: Dict[str, Any], items: List[Any]) -> Dict[Optional[str], List[Any]]:
    """Return the items by the address that they name; by None if they name none."""
    groups: Dict[Optional[str], List[Any]] = {}
    for item in items:
        places = (item, document) if isinstance(item, dict) else (document,)
        found = (place.get(key) for place in places for key in kind.keys)
        address = next((value for value in found if isinstance(value, str) and value), None)
        groups.setdefault(address, []).append(item)
    return groups


def _receivers(type_: str, kind: _Kind, address: Optional[str], wanted: _Wanted) -> List[Tuple[str, str]]:
    """Return the topics that get an update, each with the update's symbol."""
    if not kind.symbols:
        return [(type_, "")]
    if address is not None:
        named = [(name, wanted.topics[name].symbol) for name in wanted.by_address.get(address.lower(), ())]
        # A wallet's trade may have another account's name; a pair's update cannot be another pair's.
        if named or type_ != "walletTx":
            return named or [(f"{type_}.{address}", address)]
    # It does not say which topic it is for: all of the type get it, without a symbol.
    return [(name, "") for name in wanted.topics] or [(type_, "")]


def _push(topic: str, channel: str, symbol: str, document: Any, payload: Any, kind: _Kind) -> Push:
    return Push(topic, channel, symbol, "update", document, payload, kind.read, _moment(payload))


def _moment(payload: Any) -> Optional[int]:
    """Return the time of the last trade, or of a pair's creation."""
    last = payload[-1] if isinstance(payload, list) and payload else payload
    if not isinstance(last, dict):
        return None
    try:
        return models.milliseconds(last.get("t", last.get("ca")))
    except (TypeError, ValueError, ArithmeticError):
        return None
