"""What became of each order: the answer says so, or the venue is asked. None is sent twice."""

from __future__ import annotations

from collections import Counter
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.errors import OutcomeUnknown
from dbxsdk.resolution import Resolution


@attrs.frozen
class DemoEvent:
    """What the demo itself did or found: by name, in words for people, and in details for programs."""

    name: str
    text: str
    details: Dict[str, Any]


class Orders:
    """The orders of one connection, placed on one thread.

    Args:
        send: places an order and returns its id.
        known: the venue's own orders, each as its id and its state, read from the venue itself.
        resolve: the client's own way to find out what became of an order without an answer; what it says is compared.
    """

    def __init__(
        self,
        send: Callable[[Any], str],
        known: Callable[[], Sequence[Tuple[str, str]]],
        resolve: Optional[Callable[[OutcomeUnknown], Resolution]] = None,
    ) -> None:
        self.counts = Counter(orders=0, accepted=0, unknown=0, asked=0, carried_out=0)
        self.report: Callable[[DemoEvent], None] = lambda event: None
        self._send, self._known, self._resolve = send, known, resolve
        self._wrong = 0
        self._ids: Set[str] = set()
        self._unanswered: List[OutcomeUnknown] = []

    def place(self, client: Any) -> None:
        # Only now: an order that was sent before the connection ended may have been carried out after it.
        self.ask()
        self.counts["orders"] += 1
        try:
            self._ids.add(self._send(client))
        except OutcomeUnknown as error:
            self._unanswered.append(error)
            self.counts["unknown"] += 1
            raise
        self.counts["accepted"] += 1

    def ask(self) -> None:
        """Ask the venue about orders that had no answer, and report what it says."""
        while self._unanswered:
            error = self._unanswered.pop(0)
            resolution = None if self._resolve is None else self._resolve(error)
            states, name = dict(self._known()), error.order_link_id
            # Without an id of its own it can only be the one that no answer named.
            id_ = next((each for each in states if each not in self._ids), "") if name is None else name
            status = states.get(id_)
            self.counts.update(unknown=-1, asked=1, carried_out=int(status is not None))
            self._ids.update(() if status is None else (id_,))
            text = f"no answer to {name or 'an order'}, not resent; the venue: {status or 'not there'}"
            details = {"order": name, "carried_out": status is not None, "status": status}
            if resolution is not None:
                text += f"; resolve() says {resolution.outcome.replace('_', ' ')}"
                details["resolved"] = resolution.outcome
                self._wrong += resolution.outcome == ("not_executed" if status is not None else "executed")
            self.report(DemoEvent("OutcomeAsked", text, details))

    def disagreements(self) -> int:
        """Count orders that the venue does not have, has twice, or has although it should not, and those of which ``resolve``
        said what is not true."""
        there = Counter(id_ for id_, _ in self._known())
        return self._wrong + sum(there[id_] != 1 for id_ in self._ids) + sum(id_ not in self._ids for id_ in there)
