"""The lease: which of several processes serves."""

from __future__ import annotations

import uuid
from typing import Any

from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import Link

LEASE = 4.0
"""Seconds after which the lease of a leader that does not renew it is another's."""
ANSWER = 2.0
"""Seconds that an answer to the serving thread may take: with later ones no lease can be kept, and ``serve`` has to end within
five seconds even if the server hangs."""


class Lease:
    """One process's claim to it."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._token = uuid.uuid4().hex

    def take(self, link: Link) -> bool:
        """Take it if nobody has it. Return True if it is ours."""
        taken = link.call("SET", self._keys.lease, self._token, "NX", "PX", int(LEASE * 1000))
        return taken is not None or self.holds(link)

    def holds(self, link: Link) -> bool:
        """True if it is ours."""
        held: Any = link.call("GET", self._keys.lease)
        return bool(held == self._token.encode())

    def renew(self, link: Link) -> bool:
        """Keep it. False if another has it. Where it expired while nobody wanted it, it is taken again: the epoch decides."""
        if self.holds(link):
            link.call("PEXPIRE", self._keys.lease, int(LEASE * 1000))
            return True
        return self.take(link)

    def drop(self, link: Link) -> None:
        """Let another process have it at once."""
        if self.holds(link):
            link.call("DEL", self._keys.lease)
