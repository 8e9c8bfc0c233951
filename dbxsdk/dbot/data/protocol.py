"""DBot's data socket: subscribe and unsubscribe by type, without ids; pushes that name only their type.

Topics are ``tx.PAIR``, ``pairInfo.PAIR`` or ``pairInfo.PAIR:TOKEN``, ``pairsInfo.INTERVAL.PAIR:TOKEN``,
``walletTx.WALLET``, ``newPairInfo`` and ``migratedPairInfo``.

Source: docs.dbotx.com/reference, guide-en.dbotx.com; where the pages are silent, what clients in use have found.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Collection, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, TypeVar

import attrs

from dbxsdk import codec
from dbxsdk.arguments import check_word
from dbxsdk.channel import Channel
from dbxsdk.dbot import models
from dbxsdk.dbot.base_protocol import DBotProtocol, contents, failed, refusal
from dbxsdk.dbot.listed import ListRequest, TopicList
from dbxsdk.errors import ProtocolError, SubscribeError
from dbxsdk.models import Data
from dbxsdk.protocol import Acknowledgement, Inbound, Push, Reply, Request

R = TypeVar("R", bound=Request)

OLD_NAMES = {"tokenInfo": "pairInfo", "tokensInfo": "pairsInfo"}
"""The names of two types in the older pages; still seen in pushes."""


@attrs.frozen
class DataChannel(Channel[Data]):
    """One type of the socket.

    Attributes:
        symbols: it has topics for pairs or wallets.
        listed: one subscription names all its pairs.
        keys: the keys of an item that may have the topic's address.
        per_item: a push carries one value, not a tuple of them.
    """

    venue: str = "dbot"
    symbols: bool = attrs.field(default=True, repr=False)
    listed: bool = attrs.field(default=False, repr=False)
    keys: Tuple[str, ...] = attrs.field(default=("p", "pair"), repr=False)
    per_item: bool = attrs.field(default=True, repr=False)


TRANSACTIONS = DataChannel("tx", models.read_transactions, listed=True, per_item=False)
PAIR_INFO = DataChannel("pairInfo", models.read_pair_info)
NEW_PAIRS = DataChannel("newPairInfo", models.read_new_pair, symbols=False, keys=())
MIGRATED_PAIRS = DataChannel("migratedPairInfo", models.read_migrated_pair, symbols=False, keys=())
# The sample subscribes one wallet and shows the trade of another: that "ac" is the wallet is an inference.
WALLET_TRANSACTIONS = DataChannel("walletTx", models.read_wallet_transactions, keys=("ac",), per_item=False)
_PAIRS_INFO = DataChannel("pairsInfo", models.read_pair_info, listed=True)

KINDS: Mapping[str, DataChannel[Any]] = {
    kind.name: kind
    for kind in (TRANSACTIONS, PAIR_INFO, _PAIRS_INFO, NEW_PAIRS, MIGRATED_PAIRS, WALLET_TRANSACTIONS)
}


_FORMS = {
    "pairInfo": (r"[^:]+(:[^:]+)?", "PAIR or PAIR:TOKEN"),
    "pairsInfo": (r"[^:]+:[^:]+", "of the form PAIR:TOKEN"),
}
"""The symbols of a type: a pattern, and what it means."""


def pairs_info(interval: str) -> Channel[models.PairInfo]:
    """Return the channel ``pairsInfo.{interval}``: ``"1m"``, ``"1h"`` ...

    Raises:
        TypeError, ValueError: ``interval`` cannot be a part of a channel's name.
    """
    if not _is_interval(check_word("interval", interval)):
        raise ValueError(f"interval must be a word, like '1m', not {interval!r}")
    return attrs.evolve(_PAIRS_INFO, name=f"pairsInfo.{interval}")


@attrs.frozen
class _Topic:
    """A topic taken apart."""

    type: str
    interval: str
    symbol: str
    pair: str
    token: str

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


class DBotDataProtocol(DBotProtocol):
    """Market data and wallets' trades."""

    socket = "data"
    client = "DBotDataClient"

    def reset(self) -> None:
        # The wanted topics of each type. Replaced, never changed: the reader thread reads it while others subscribe.
        self._wanted: Dict[str, _Wanted] = {}
        self._lists = {type_: TopicList(self._list) for type_, kind in KINDS.items() if kind.listed}

    # -- intents to frames ---------------------------------------------------------------------------

    def request(self, method: str, params: Any) -> Request:
        raise ValueError(f"method {method!r}: this socket has only the requests behind subscribe() and unsubscribe()")

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
        pattern, form = _FORMS.get(type_, (r"[^:]*", "single addresses"))
        for symbol in symbols:
            if not re.fullmatch(pattern, symbol):
                raise ValueError(f"symbols must be {form} for the channel {type_!r}, not {symbol!r}")
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
            requests.append(self._ping(names))
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
        if failed(document):
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
            for topic, symbol in _receivers(kind, address, wanted):
                channel = wanted.topics[topic].channel if topic in wanted.topics else type_
                pushes += [
                    Push(topic, channel, symbol, "update", document, payload, kind.read, _moment(payload)) for payload in payloads
                ]
        return pushes

    # -- replies to outcomes -------------------------------------------------------------------------

    def _result(self, request: Request, document: Dict[str, Any]) -> Any:
        return document.get("result")

    def acknowledge(self, request: Request, reply: Reply) -> Acknowledgement:
        document = contents(reply)
        no = refusal(document, ", ".join(request.topics[:5]))
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


def _split(topic: str) -> _Topic:
    type_, _, rest = topic.partition(".")
    interval, _, symbol = rest.partition(".") if type_ == "pairsInfo" else ("", "", rest)
    pair, _, token = symbol.partition(":")
    return _Topic(type_, interval, symbol, pair, token)


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
    left = left or (isinstance(subscribed, list) and not failed(document) and not (type_ in subscribed or name in subscribed))
    # Several unsubscribe requests may be under way, and it does not matter which one was meant.
    return Reply(None, document, f"unsubscribe.{name}", ordered=True) if left else Reply(None, document, f"subscribe.{name}")


def _by_address(kind: DataChannel[Any], document: Dict[str, Any], items: List[Any]) -> Dict[Optional[str], List[Any]]:
    """Return the items by the address that they name; by None if they name none."""
    groups: Dict[Optional[str], List[Any]] = {}
    for item in items:
        address = (_address(kind, item) if isinstance(item, dict) else None) or _address(kind, document)
        groups.setdefault(address, []).append(item)
    return groups


def _address(kind: DataChannel[Any], place: Dict[str, Any]) -> Optional[str]:
    for key in kind.keys:
        value = place.get(key)
        if value and isinstance(value, str):
            return value
    return None


def _receivers(kind: DataChannel[Any], address: Optional[str], wanted: _Wanted) -> List[Tuple[str, str]]:
    """Return the topics that get an update, each with the update's symbol."""
    if not kind.symbols:
        return [(kind.name, "")]
    if address is not None:
        named = [(name, wanted.topics[name].symbol) for name in wanted.by_address.get(address.lower(), ())]
        # A wallet's trade may have another account's name; a pair's update cannot be another pair's.
        if named or kind is not WALLET_TRANSACTIONS:
            return named or [(f"{kind.name}.{address}", address)]
    # It does not say which topic it is for: all of the type get it, without a symbol.
    return [(name, "") for name in wanted.topics] or [(kind.name, "")]


def _moment(payload: Any) -> Optional[int]:
    """Return the time of the last trade, or of a pair's creation."""
    last = payload[-1] if isinstance(payload, list) and payload else payload
    return models.moment(last.get("t", last.get("ca"))) if isinstance(last, dict) else None
