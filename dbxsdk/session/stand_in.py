"""What stands in for a connection of the network: it is fed, writes nothing, and ends when it is told to."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from dbxsdk.transport import Ending


class StandIn:
    """What is the same of ``AnyConnection`` wherever frames come from elsewhere."""

    last_sent: Optional[float] = None
    received_message_at: Optional[float] = None
    stuck_since: Optional[float] = None
    secrets: Tuple[str, ...] = ()

    def __init__(self) -> None:
        self._stopped: Optional[str] = None
        self.last_received: Optional[float] = None
        self.recorded: Any = None

    def run(self) -> Ending:
        """Bring frames until it ends."""
        raise NotImplementedError

    def offer(self, text: str, *, ping: bool = False) -> bool:
        """Something is asked. The thread of ``run`` sees to it: the asking one holds locks."""
        raise NotImplementedError

    def wake(self) -> None:
        """Have ``run`` look at what has changed."""
        raise NotImplementedError

    def push(self) -> bool:
        """Nothing is ever left to be written."""
        return True

    def close(self) -> None:
        """End ``run``, as ``abort`` does."""
        self.abort("closed")

    def abort(self, reason: str) -> None:
        """End ``run``."""
        self._stopped = self._stopped or reason
        self.wake()

    def fail(self, code: int, reason: str) -> None:
        """The connection ends by itself, as the one did that it stands for."""

    def forget(self) -> None:
        """In a forked child: nothing here has to be closed."""

    def silent_for(self, now: float) -> float:
        """Silence is judged where the frames come from."""
        return 0.0

    def seen_until(self, now: float) -> float:
        """All that came was seen."""
        return now

    @property
    def stopped(self) -> bool:
        """True once it has to end."""
        return self._stopped is not None
