"""What a venue's REST side has of a channel of its streams."""

from __future__ import annotations

import abc
from datetime import datetime
from typing import Any, Callable, Dict, FrozenSet, Hashable, Optional, Sequence, Tuple, Union

import attrs

from dbxsdk.models import Update
from dbxsdk.runtime.clock import wall_ns

SinceArgument = Union[int, datetime, str]

_AHEAD_MS = 60_000


Order = Tuple[Any, ...]
"""An item's place: ``Twin.time_ms`` has its time. Of two items with the same one nobody knows which was first."""


@attrs.frozen
class Row:
    """One item of a REST answer: its id, its place, and the stream's model of it."""

    key: Hashable
    order: Order
    data: Any
    raw: Any
    is_open: bool = False
    """True if it changes still: it is not given out, and only tells that REST has got there."""


@attrs.frozen
class Since:
    """From where on rows are wanted: behind the items that are ``known``, or from a time (ms since 1970) on. ``by_our_clock``: it
    is this machine's, which may differ from the venue's."""

    known: FrozenSet[Hashable] = frozenset()
    from_ms: Optional[int] = None
    by_our_clock: bool = False


@attrs.frozen
class Fetched:
    """What REST said.

    Attributes:
        whole: all that there is since then is among the ``rows``, since the venue pages by time, and each page was read. Of a
            state: all that changed since then is.
        ahead_ms: by how much the venue's clock is ahead of this machine's; None: that is not known.
        hides: there may be more that REST does not show, whatever the rows look like.
    """

    rows: Tuple[Row, ...]
    whole: bool = False
    ahead_ms: Optional[int] = None
    hides: bool = False


class Twin(abc.ABC):
    """One channel, for one subscription. ``fetch`` runs on a thread of its own."""

    is_state = False
    """True if a state is fetched, which replaces what was known; else what happened since."""

    has_ids = True
    """False if ``since`` has to be a time."""

    slack_ms = 0
    """By how much the stream may bring items out of the order of their time."""

    kept = 64
    """How many updates from before a hole are known: those of ``slack_ms``, and of one moment, must be among them."""

    unit_ms = 1
    """REST's times are cut to it."""

    single = False
    """True if an update of the stream has one item, else a tuple of them."""

    counted = False
    """True if items have no ids: equal ones have the same key, and are counted. ``fetch`` must not return a moment that is not
    over, whose equal items could still become more."""

    symbols: Tuple[str, ...] = ()
    """Those of all topics of the subscription."""

    by_symbol = True
    """False if the topics of a subscription are fetched together: their updates are not told apart by their symbols."""

    begins_with_history = False
    """True if each subscription of the stream's begins with what was before, as a ``"snapshot"``: see ``history``."""

    def history(self, update: Update[Any]) -> Tuple[Row, ...]:
        """Return the items of the stream's own history, oldest first. The next update joins on to it."""
        raise NotImplementedError

    def time_ms(self, order: Order) -> int:
        """Return the time in ms since 1970 of an item."""
        return order[0]  # type: ignore[no-any-return]

    def symbol_of(self, symbol: str, raw: Any) -> str:
        """Return what ``Update.symbol`` is for a row of a topic with this ``symbol``."""
        return symbol

    def changes(self, key: Hashable) -> bool:
        """Return True if the stream brings the same item again when it has changed."""
        return False

    @abc.abstractmethod
    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Order]:
        """Return the id and the order of a model of the stream's, which ``update`` brought. Raises ``ProtocolError`` if it has
        none."""

    @abc.abstractmethod
    def fetch(self, symbol: str, since: Since, deadline: float) -> Fetched:
        """Ask REST until ``deadline`` (seconds of ``runtime.clock.monotonic``). Raises ``DbxError``."""


@attrs.frozen
class Twinned:
    """A topic of the stream, and what REST has of its channel."""

    twin: Twin
    channel: str
    symbol: str


def check_since(since: Any, now_ms: int) -> Since:
    """Return what the argument ``since`` means. Raises ``TypeError``/``ValueError`` naming it."""
    if isinstance(since, str):
        if not since or not since.isprintable():
            raise ValueError("since must not be an empty id")
        return Since(frozenset((since,)))
    if isinstance(since, datetime):
        if since.tzinfo is None:
            raise ValueError("since must have a time zone if it is a datetime, such as datetime.now(timezone.utc)")
        since = int(since.timestamp() * 1000)
    elif isinstance(since, bool) or not isinstance(since, int):
        raise TypeError(f"since must be ms since 1970, a datetime or an item's id, not {type(since).__name__}")
    if not 0 <= since <= now_ms + _AHEAD_MS:
        raise ValueError(f"since must be ms since 1970 that have passed, not {since}")
    return Since(from_ms=since)


def subscribe_filled(
    session: Any,
    subscription: Any,
    twin_of: Callable[[str], Optional[Twinned]],
    fetchable: Sequence[str],
    backfill: bool,
    since: Any,
    seconds: Optional[float],
) -> None:
    """Have ``session`` subscribe what fetches over REST what it misses. Raises what ``check_twins`` does, before any I/O."""
    if subscription.raw:
        raise ValueError("raw must be False with backfill or since: rows of REST are no frames of the stream")
    first, topics, begin = check_twins(subscription.topics, twin_of, fetchable, since)
    filler = session.fill(subscription, first.twin, first.channel, topics, always=backfill)
    starts = begin is not None or first.twin.is_state
    if starts:
        filler.hold(begin or Since())
    session.subscribe(subscription, seconds)
    if starts:
        filler.start()


def check_twins(
    topics: Sequence[str], twin_of: Callable[[str], Optional[Twinned]], fetchable: Sequence[str], since: Any
) -> Tuple[Twinned, Dict[str, str], Optional[Since]]:
    """Return what REST has of the topics of one channel, the topics by symbol, and what ``since`` means. Raises ``ValueError``
    for channels of which REST has nothing, and where ``since`` is not for them."""
    begin = None if since is None else check_since(since, wall_ns() // 1_000_000)
    found = {topic: twin_of(topic) for topic in topics}
    named: Dict[str, str] = {}
    for topic, each in found.items():
        if each is None:
            names = ", ".join(fetchable) or "none of this client's"
            raise ValueError(f"backfill: REST has nothing of {topic}; channels that can be filled: {names}")
        named[each.symbol] = topic
    first = next(each for each in found.values() if each is not None)
    first.twin.symbols = tuple(named)
    if begin is not None and first.twin.is_state:
        raise ValueError(f"since: {first.channel} is a state, and begins with the present one")
    if begin is not None and begin.known and not first.twin.has_ids:
        raise ValueError(f"since: items of {first.channel} have no ids: give a time")
    return first, named, begin
