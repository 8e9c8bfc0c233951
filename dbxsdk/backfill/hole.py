"""What is held because of a hole in a stream, and the places of its items."""

from __future__ import annotations

from typing import Any, Hashable, List, NamedTuple, Optional, Sequence, Tuple

import attrs

from dbxsdk.backfill.twin import Order, Since
from dbxsdk.models import Update

Place = Tuple[Hashable, Order]
"""An item's id, and its place among the others."""


class Came(NamedTuple):
    """An update, and each of its items with its place, if that can be read: whatever is wrong with an item is reported where
    its field is read."""

    update: Update[Any]
    items: Sequence[Tuple[Any, Optional[Place]]]

    @property
    def places(self) -> List[Place]:
        return [place for _, place in self.items if place is not None]


@attrs.define
class Hole:
    """What lies between two updates that came, and what was held behind it."""

    since: Since
    last: Optional[Order]
    """The place of the last item before it; None if none is known."""
    oldest: Optional[Order] = None
    """The place before which nobody knows what came."""
    held: List[Came] = attrs.Factory(list)
    joined: bool = False
    """True if the stream's own history joins on to what is held."""

    @property
    def first(self) -> Optional[Place]:
        """The first item from after it."""
        return next((place for came in self.held for place in came.places), None)
