"""``Channel``: a venue's channel that knows the type of its data."""

from __future__ import annotations

from typing import Any, Callable, Generic

import attrs

from dbxsdk.models import Data


@attrs.frozen
class Channel(Generic[Data]):
    """A channel for ``subscribe``, ``messages`` and ``unsubscribe``, in place of its name.

    Type checkers then know what its updates are: ``Channel[Data]`` brings ``Update[Data]``. Each venue's package has a
    constant for each of its channels, like ``dbxsdk.bybit.TRADES``, and functions for those with a variable part, like
    ``dbxsdk.bybit.orderbook(50)``.

    Attributes:
        name: the venue's name of the channel, e.g. ``"publicTrade"``; all that is sent of it.
        read: makes ``Update.data`` of a frame's data, or raises ``ProtocolError``.
        venue: the venue, or the one socket of it, that it belongs to; clients of others refuse it.
        documented: False for one that the venue has added since: its name is not checked.
    """

    name: str
    read: Callable[[Any], Data] = attrs.field(repr=False)
    venue: str
    documented: bool = attrs.field(default=True, repr=False, kw_only=True)
