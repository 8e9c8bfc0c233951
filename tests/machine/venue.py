"""The model venues: what they have subscribed, what they send, and all that may go wrong with an answer."""

from __future__ import annotations

import abc
import collections
import json
from typing import Any, Callable, Deque, Dict, List, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.cryptomus.protocol import CryptomusProtocol
from dbxsdk.protocol import Protocol
from tests.machine.dialects import BAD, BOOKS, GOOD, ModelProtocol
from tests.machine.setting import Setting
from tests.machine.wire import Wire

YES, NO, NO_TO_ONE, UNDONE, UNANSWERED, LATE, TWICE, PRETENDED, EARLY, FINAL, GARBLED, DROPPING = range(12)
"""How a request is met: granted; refused; one topic refused; not carried out and not answered; carried out and not answered;
carried out, and answered when it is told to; answered twice; answered with yes and not carried out (the end of a subscription);
carried out and answered after the first updates; refused for good; answered with neither; granted, and another topic ended."""


@attrs.define
class Moment:
    """When a number came to a market: after so many messages of which connection."""

    at: float
    wire: Optional[Wire]
    index: int

    @property
    def visible(self) -> float:
        """When the client could have known of it."""
        return self.at if self.wire is None else self.wire.visible(self.index, self.at)


class Venue(abc.ABC):
    """Its markets count up whether anybody has subscribed or not."""

    markets: Tuple[str, ...]
    """What has numbers of its own."""

    def __init__(self, setting: Setting, clock: Callable[[], float]) -> None:
        self.setting = setting
        self._clock = clock
        self.numbers = {market: 1 for market in self.markets}
        self.moments: Dict[Tuple[str, int], Moment] = {}
        self.held: Deque[Any] = collections.deque()
        """Answers that are late."""
        self.last_answer: Any = None
        self.wire: Optional[Wire] = None
        self.ignored = False
        """True if it has, on this connection, what it need not have: it was told to end it and went on, or did not say that it
        began."""
        self.owed: Dict[str, str] = {}
        """Markets that it ended without having said so yet, and by which frame."""

    # -- to be filled in -----------------------------------------------------------------------------

    @abc.abstractmethod
    def protocol(self) -> Protocol:
        """The client's side of it."""

    @abc.abstractmethod
    def clear(self) -> None:
        """Forget what was subscribed."""

    @abc.abstractmethod
    def has(self, market: str) -> bool:
        """True if updates of it are sent."""

    @abc.abstractmethod
    def markets_of(self, topic: str) -> Sequence[str]:
        """The markets whose updates belong to a topic."""

    @abc.abstractmethod
    def update(self, market: str, whole: bool) -> Any:
        """An update with the market's present number."""

    @abc.abstractmethod
    def handle(self, frame: str, how: int) -> None:
        """Meet a request."""

    # -- connections ---------------------------------------------------------------------------------

    def connected(self, wire: Wire) -> None:
        self.clear()
        self.wire = wire
        self.held.clear()
        self.owed.clear()
        self.last_answer = None
        self.ignored = False

    def disconnected(self) -> None:
        """It does not send to this connection any more."""
        self.wire = None
        self.clear()

    @property
    def truth(self) -> Dict[str, int]:
        return {market: self.numbers[market] for market in self.markets if self.has(market)}

    def send(self, payload: Any, pong: bool = False) -> None:
        if self.wire is not None:
            self.wire.send(payload, self.truth, pong)

    # -- the market ----------------------------------------------------------------------------------

    def trade(self, market: str) -> None:
        number = self.numbers[market] = self.numbers[market] + 1
        wire = self.wire
        if wire is not None and self.has(market):
            self.send(self.update(market, self.setting.whole_books))
        self.moments[market, number] = Moment(self._clock(), wire, 0 if wire is None else wire.sent)

    def send_whole(self, markets: Sequence[str]) -> None:
        for market in markets:
            if market.startswith(self.books) and self.has(market):
                self.send(self.update(market, True))

    @property
    @abc.abstractmethod
    def books(self) -> str:
        """How the names of markets with books begin."""

    # -- answers -------------------------------------------------------------------------------------

    def answer(self, how: int, frame: str, before: Set[str], document: Any, pong: bool = False) -> None:
        """Send an answer, or do not. ``before``: the markets that it had before the request."""
        if how == UNDONE:
            return
        if how in (UNANSWERED, LATE):
            self.ignored = True
            self.owed.update((market, frame) for market in before if not self.has(market))
            if how == LATE:
                self.held.append((document, pong))
            return
        self.last_answer = (document, pong)
        self.send(document, pong)
        if how == TWICE:
            self.send(document, pong)

    def release(self, index: int) -> None:
        """Send a late answer."""
        if self.held:
            index %= len(self.held)
            document, pong = self.held[index]
            del self.held[index]
            self.send(document, pong)

    def meet(self, index: int, how: int) -> bool:
        """Meet one of the requests that wait. False if there is none."""
        wire = self.wire
        if wire is None or not wire.inbox:
            return False
        index %= len(wire.inbox)
        if self.setting.dialect != "ids" or any(topic in frame for frame in wire.inbox for topic in GOOD):
            index = 0  # in order, but for requests with ids that have nothing to do with what it sends
        frame = wire.inbox[index]
        del wire.inbox[index]
        self.handle(frame, how)
        return True


class PlainVenue(Venue):
    """Speaks ``ModelProtocol``; each topic is subscribed for itself."""

    markets = GOOD
    books = BOOKS

    def __init__(self, setting: Setting, clock: Callable[[], float]) -> None:
        super().__init__(setting, clock)
        self.topics: Dict[str, None] = {}

    def protocol(self) -> Protocol:
        return ModelProtocol(self.setting)

    def clear(self) -> None:
        self.topics.clear()

    def has(self, market: str) -> bool:
        return market in self.topics

    def markets_of(self, topic: str) -> Sequence[str]:
        return (topic,) if topic in self.markets else ()

    def update(self, market: str, whole: bool) -> Any:
        kind = "update" if not market.startswith(BOOKS) else "snapshot" if whole else "delta"
        return {"topic": market, "kind": kind, "n": self.numbers[market]}

    def handle(self, frame: str, how: int) -> None:
        number, _, rest = frame.partition(" ")
        method, _, names = rest.partition(" ")
        topics = names.split(",") if names else []
        document: Dict[str, Any] = {"number": int(number), "method": method or "ping", "topics": topics}
        before = set(self.topics)
        if how in (TWICE, LATE) and self.setting.dialect != "ids" and method in ("subscribe", "unsubscribe"):
            # Without an id the answer to one request would be that to the next: no client could know.
            how = YES if how == TWICE else UNANSWERED
        if method == "subscribe":
            self._subscribe(frame, topics, how, document, before)
        elif method == "unsubscribe":
            self._unsubscribe(frame, topics, how, document, before)
        elif not method:
            self.answer(how, frame, before, number, pong=True)
        else:
            if method == "ping" and how in (NO, NO_TO_ONE, FINAL, GARBLED):
                how = YES
            if how in (NO, NO_TO_ONE, FINAL):
                document["no"] = f"no to {number}"
                document["final"] = how == FINAL
            elif how == GARBLED:
                document["garbled"] = True
            self.answer(how, frame, before, document)

    def _subscribe(self, frame: str, topics: List[str], how: int, document: Dict[str, Any], before: Set[str]) -> None:
        refused = [topic for topic in topics if topic in BAD]
        if how == NO_TO_ONE and topics[0] not in refused:
            refused.append(topics[0])
        if how in (NO, FINAL) or (refused and (self.setting.whole_refusals or len(topics) == 1)):
            document["no"], topics = f"no to {document['number']}", []
        elif how == GARBLED:
            document["garbled"], topics = True, []
        elif refused:
            document["refused"] = refused
            topics = [topic for topic in topics if topic not in refused]
        if how == UNDONE:
            return
        self.topics.update(dict.fromkeys(topics))
        if how == DROPPING and self.setting.drops and self.setting.dialect != "topics":
            others = [topic for topic in self.topics if topic not in document["topics"]]
            if others:
                del self.topics[others[0]]
                document["dropped"] = [others[0]]
        if how == EARLY:
            self.send_whole(topics)
            for topic in topics:
                self.trade(topic)
        self.answer(how, frame, before, document)
        if how != EARLY:
            self.send_whole(topics)

    def _unsubscribe(self, frame: str, topics: List[str], how: int, document: Dict[str, Any], before: Set[str]) -> None:
        if self.setting.dialect == "topics" and how not in (UNDONE, UNANSWERED):
            how = UNANSWERED  # Bybit's option socket is said not to answer these
        if how in (UNDONE, PRETENDED, NO, NO_TO_ONE, FINAL, GARBLED):
            self.ignored = True
            if how in (NO, NO_TO_ONE, FINAL):
                document["no"] = "not subscribed"
            elif how == GARBLED:
                document["garbled"] = True
        else:
            for topic in topics:
                self.topics.pop(topic, None)
        self.answer(how, frame, before, document)


class ListVenue(Venue):
    """Speaks Cryptomus's protocol, under each reading of "repeated subscription will be cancelled": a second list of a channel
    replaces the first, is refused, or adds to it; a refusal ends what was subscribed or does not; an unsubscription ends
    what it names or everything."""

    markets = ("trade.A", "trade.B", "depth.C", "depth.D")
    books = "depth"
    bad = ("trade.BAD", "depth.BAD:0")

    def __init__(self, setting: Setting, clock: Callable[[], float]) -> None:
        super().__init__(setting, clock)
        self.names: Dict[str, Dict[str, None]] = {"trade": {}, "depth": {}}
        self.gone: Set[str] = set()
        """Topics that it does not take any more, on this connection."""

    def protocol(self) -> Protocol:
        return CryptomusProtocol()

    def clear(self) -> None:
        self.gone.clear()
        for names in self.names.values():
            names.clear()

    def has(self, market: str) -> bool:
        channel, _, symbol = market.partition(".")
        name = f"{symbol}:0" if channel == "depth" else symbol
        return name in self.names[channel] or "all" in self.names[channel]

    def markets_of(self, topic: str) -> Sequence[str]:
        channel, _, name = topic.partition(".")
        if name == "all":
            return [market for market in self.markets if market.startswith(channel)]
        market = f"{channel}.{name.partition(':')[0]}"
        return (market,) if market in self.markets else ()

    def update(self, market: str, whole: bool) -> Any:
        channel, _, symbol = market.partition(".")
        data: Dict[str, Any] = {"symbol": symbol, "n": self.numbers[market]}
        if channel == "depth":
            data.update(scale_index=0, full_reload=whole)
        return json.dumps({"id": 0, "method": f"{channel}_update", "data": data}).encode()

    def handle(self, frame: str, how: int) -> None:
        document = json.loads(frame)
        channel, _, method = document["method"].partition("_")
        before = {market for market in self.markets if self.has(market)}
        # Updates of a single topic that is renewed beside "all" go to "all" alone meanwhile: see ``ChannelUnion.route``.
        if method and (how == DROPPING or (how == PRETENDED and "all" in self.names[channel])):
            how = YES
        good, params = True, document["params"]
        if how != UNDONE and not (how == PRETENDED and method == "unsubscribe"):
            if method == "subscribe":
                good = self._subscribe(channel, params, how in (NO, NO_TO_ONE, FINAL))
            elif method == "unsubscribe":
                good = self._unsubscribe(channel, params, how in (NO, NO_TO_ONE, FINAL))
            elif how in (NO, NO_TO_ONE, FINAL) and document["method"] != "ping":
                good = False
        elif method == "unsubscribe":
            self.ignored = True
        markets = [m for name in params for m in self.markets_of(f"{channel}.{name}")] if good and method == "subscribe" else []
        if how == EARLY:
            self.send_whole(markets)
        error = None if good else {"message": f"no to {document['id']}", "code": 2}
        self.answer(how, frame, before, self._reply(document["id"], error))
        if how != EARLY:
            self.send_whole(markets)

    def _reply(self, number: int, error: Any) -> bytes:
        data = {"status": "success", "number": number} if error is None else None
        return json.dumps({"id": number, "data": data, "error": error}).encode()

    def _subscribe(self, channel: str, params: Sequence[str], refuse: bool) -> bool:
        names = self.names[channel]
        if self.setting.repeat == "refuse" and names:
            return False
        if not self.setting.keeps_on_refusal:
            names.clear()
        if refuse and params[0] not in names:
            # What it has it goes on to take, or a list that was on its way would be granted what was just refused.
            self.gone.add(f"{channel}.{params[0]}")
        if any(f"{channel}.{name}" in (*self.bad, *self.gone) for name in params):
            return False
        if self.setting.repeat != "add":
            names.clear()
        names.update(dict.fromkeys(params))
        return True

    def _unsubscribe(self, channel: str, params: Sequence[str], refuse: bool) -> bool:
        names = self.names[channel]
        if refuse and "all" not in names:
            self.ignored = True
            return False
        if "all" in params or not self.setting.exact_unsubscribe:
            names.clear()
        for name in params:
            names.pop(name, None)
        return True


def venue_for(setting: Setting, clock: Callable[[], float]) -> Venue:
    """The venue of a setting."""
    return ListVenue(setting, clock) if setting.dialect == "lists" else PlainVenue(setting, clock)


def topics_for(setting: Setting) -> Tuple[str, ...]:
    """What users may ask for: trades, books, and what the venue does not have."""
    if setting.dialect == "lists":
        return ("trade.A", "trade.B", "depth.C:0", "depth.D:0", "trade.all", *ListVenue.bad)
    return (*GOOD, *BAD)
