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


@attrs.frozen
class Row:
    """One item of a REST answer: its id, its place in time, and the stream's model of it.

    ``order`` begins with the time in ms since 1970. Of two items with the same ``order`` nobody knows which was first.
    """

    key: Hashable
    order: Tuple[int, ...]
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
    """What REST said. ``whole``: all that there is since then is among the ``rows``, since the venue pages by time, and each page
    was read. ``ahead_ms``: by how much the venue's clock is ahead of this machine's; None: that is not known."""

    rows: Tuple[Row, ...]
    whole: bool = False
    ahead_ms: Optional[int] = None


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

    def changes(self, key: Hashable) -> bool:
        """Return True if the stream brings the same item again when it has changed."""
        return False

    @abc.abstractmethod
    def place(self, item: Any, update: Update[Any]) -> Tuple[Hashable, Tuple[int, ...]]:
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
    if begin is not None and first.twin.is_state:
        raise ValueError(f"since: {first.channel} is a state, and begins with the present one")
    if begin is not None and begin.known and not first.twin.has_ids:
        raise ValueError(f"since: items of {first.channel} have no ids: give a time")
    return first, named, begin
