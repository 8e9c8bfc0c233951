"""What one run is played with: how the venue speaks, what it cannot do, and how the client is set."""

from __future__ import annotations

import random
from typing import Any, Optional, Tuple

import attrs

from dbxsdk.options import Options

DIALECTS = ("ids", "kinds", "topics", "lists")
"""Replies with ids; by kind, one request at a time; by the topics that they name; Cryptomus's whole lists."""


@attrs.frozen
class Setting:
    """One run's circumstances."""

    dialect: str = "ids"
    whole_refusals: bool = False
    """One bad topic refuses the whole request."""
    together: bool = False
    """A topic is renewed together with all others of its channel."""
    endless: bool = False
    """The venue has no word to end a trade topic."""
    drops: bool = False
    """The answer to a subscription may end another one."""
    logins: int = 0
    pings: str = "request"
    """Heartbeats are WebSocket pings (``"frame"``), requests with an id, or answered in order (``"ordered"``)."""
    short_way: bool = False
    """Updates that are only wanted raw are handed on without ``receive``."""
    whole_books: bool = False
    """Each update of a book is a whole one."""
    numbered: bool = True
    """A book's rule sees that an update is missing."""
    repeat: str = "replace"
    """Whole lists: what becomes of a second one. See ``venue.ListVenue``."""
    keeps_on_refusal: bool = True
    exact_unsubscribe: bool = True
    heartbeats: str = "as it comes"
    """They are answered like everything else, when the run says so; or ``"at once"``, or ``"never"``."""
    request_timeout: float = 8.0
    silence_timeout: Optional[float] = None
    max_reconnects: Optional[int] = None
    jitter: float = 0.5
    honest: bool = True
    """What the watch sees of the connection is true; else it may be anything."""
    longest: Optional[float] = None
    """The age of a connection before which it is renewed."""

    @classmethod
    def draw(cls, chance: random.Random) -> "Setting":
        return cls(*(chance.choice(values) for values in CHOICES))

    def options(self) -> Options:
        return Options(
            connect_timeout=6.0,
            request_timeout=self.request_timeout,
            silence_timeout=self.silence_timeout,
            max_reconnects=self.max_reconnects,
            backoff_initial=0.5,
            backoff_max=8.0,
        )

    def differences(self) -> str:
        """What is not as usual."""
        usual = Setting()
        fields = {name: value for name, value in attrs.asdict(self).items() if value != getattr(usual, name)}
        return ", ".join(f"{name}={value!r}" for name, value in fields.items()) or "as usual"


CHOICES: Tuple[Tuple[Any, ...], ...] = (
    ("ids", "ids", "kinds", "topics", "lists", "lists"),
    (False, True),
    (False, False, True),
    (False, False, False, True),
    (False, False, True),
    (0, 0, 1, 2),
    ("request", "frame", "ordered"),
    (False, True),
    (False, True),
    (True, False),
    ("replace", "refuse", "add"),
    (True, False),
    (True, False),
    ("at once", "at once", "at once", "as it comes", "never"),
    (8.0, 8.0, 3.0),
    (None, 4.0),
    (None, None, None, 2),
    (0.5, 0.0, 1.0),
    (True, True, True, False),
    (None, None, 4.0),
)
