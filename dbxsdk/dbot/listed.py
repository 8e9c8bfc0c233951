"""Topics that one subscription names together, like the pairs of ``tx`` or the types of trade results.

No page says whether a second subscription adds to the first or replaces it, nor whether a refused one ends it. So each names
all that is wanted, and after a refusal what was subscribed before is subscribed again.
"""

from __future__ import annotations

from typing import Any, Callable, Collection, Dict, Iterable, Optional, Sequence, Tuple

import attrs

from dbxsdk.errors import SubscribeError, VenueError
from dbxsdk.protocol import Acknowledgement, Request


@attrs.frozen
class ListRequest(Request):
    """A subscription to all of ``topics``.

    Attributes:
        asked: those of the topics that were not subscribed before.
        after_end: True if an unsubscription that may end all of the list went out before it.
    """

    asked: Tuple[str, ...] = ()
    after_end: bool = False


Make = Callable[..., ListRequest]
"""``make(topics, **fields)``, with the other fields of ``ListRequest``, gives it an id and a frame."""


class TopicList:
    """One list on one connection. The session's lock guards it."""

    def __init__(self, make: Make) -> None:
        self._make = make
        # Dicts for their order.
        self._wanted: Dict[str, None] = {}
        self._accepted: Dict[str, None] = {}
        """The wanted topics that the venue has taken."""
        self._open: Dict[Any, ListRequest] = {}
        """The requests without an answer by key. They are answered in order."""

    def add(self, topics: Iterable[str], live: Collection[str]) -> ListRequest:
        """Make the request for ``topics`` beside those that are ``live``."""
        topics = tuple(topics)
        self._keep((*live, *topics))
        return self._ask(self._wanted, asked=topics)

    def keep(self, live: Collection[str], after_end: bool = False) -> ListRequest:
        """Make the request for what stays subscribed while other topics end."""
        self._keep(live)
        return self._ask(self._wanted, after_end=after_end)

    def answered(self, request: ListRequest, refusal: Optional[VenueError]) -> Acknowledgement:
        """Take in the venue's answer, a ``refusal`` or None."""
        if request.key in self._open:
            keys = list(self._open)
            for key in keys[: keys.index(request.key) + 1]:  # those before it will have no answer
                del self._open[key]
        if refusal is None:
            return self._taken(request)
        # It may have ended all that the venue had.
        dropped, refused = tuple(self._accepted), tuple(topic for topic in request.asked if topic in self._wanted)
        if any(topic not in self._accepted and topic not in request.asked for topic in request.topics):
            # Perhaps another request's topic is the reason: without it.
            return Acknowledgement(retry=self._again(refused), dropped=dropped)
        refused = request.asked or dropped
        for topic in refused:
            self._wanted.pop(topic, None)
            self._accepted.pop(topic, None)
        error = SubscribeError(refusal.message, topics=refused, code=refusal.code, reply=refusal.reply)
        return Acknowledgement(refused=dict.fromkeys(refused, error), retry=self._again(), dropped=dropped)

    def _taken(self, request: ListRequest) -> Acknowledgement:
        self._accepted.update(dict.fromkeys(topic for topic in request.topics if topic in self._wanted))
        if any(each.after_end for each in self._open.values()):
            # What ends meanwhile is not live: the request behind that names it.
            return Acknowledgement(dropped=tuple(self._accepted))
        # An older list, sent later, may have replaced a newer one.
        dropped = tuple(topic for topic in self._accepted if topic not in request.topics)
        return Acknowledgement(request.topics, retry=self._again() if dropped else (), dropped=dropped)

    def _again(self, asked: Tuple[str, ...] = ()) -> Tuple[ListRequest, ...]:
        topics = tuple(dict.fromkeys((*self._accepted, *asked)))
        on_its_way = not asked and any(set(topics) <= set(each.topics) for each in self._open.values())
        return () if on_its_way or not topics else (self._ask(topics, asked=asked),)

    def _ask(self, topics: Iterable[str], asked: Sequence[str] = (), after_end: bool = False) -> ListRequest:
        request = self._make(tuple(topics), asked=tuple(asked), after_end=after_end)
        self._open[request.key] = request
        return request

    def _keep(self, topics: Iterable[str]) -> None:
        """Forget all but ``topics``: those that leave, and those whose request was not answered."""
        self._wanted = dict.fromkeys(topics)
        self._accepted = {topic: None for topic in self._accepted if topic in self._wanted}
