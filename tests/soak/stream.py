"""One subscription's updates against what the venue sent: none missing, repeated or misplaced without a word."""

from __future__ import annotations

import collections
import threading
from typing import Callable, Collection, Deque, Optional

import attrs


@attrs.define
class _Line:
    """What one connection was sent and the callback has not had yet."""

    connection: int
    waiting: Deque[int] = attrs.field(factory=collections.deque)
    sent: int = 0
    taken: int = 0
    """Of ``sent``, those that are not in ``waiting`` any more."""
    begin: Optional[int] = None
    """How many had been sent when the venue was first asked for the topic on this connection."""
    head: Optional[int] = None


class Stream:
    """Updates are known by a number made of their whole text.

    The rule: of each connection's updates the callback gets the first ones, in their order and each once. It may go on to
    a later connection only where a ``Gap`` was announced; then what is left of the earlier ones lies in that gap. Where the
    topic was subscribed again on the same connection, updates may be missing between a ``Gap`` and the next update. Others
    may be missing on the way only where ``Dropped`` counted them before.
    """

    def __init__(self, name: str, topic: str, tell: Callable[[str], None]) -> None:
        self.name = name
        self.topic = topic
        self._tell = tell
        # Guards all below: the venue's threads write what was sent, the callbacks thread what came.
        self._lock = threading.Lock()
        self._lines: Deque[_Line] = collections.deque()
        self._begun = False
        self._gap = False
        self._told = self._holes = self._missed = 0
        self._last: Optional[int] = None
        self._ended = False
        self._after_end = 0
        self.earlier: Collection[int] = ()
        """What was sent before it began: an earlier subscription's last updates may be on their way still."""
        self.may_repeat = False
        """Whether what the venue sent once may come twice: somebody between them does so."""
        self.sent = self.delivered = self.outside = self.repeated = self.gaps = 0

    # -- the venue ---------------------------------------------------------------------------------------------------

    def was_sent(self, connection: int, digest: int) -> None:
        with self._lock:
            line = None if self._ended else self._line(connection)
            if line is not None:
                line.waiting.append(digest)
                line.sent += 1
                self.sent += 1

    def was_asked_for(self, connection: int) -> None:
        """The venue was asked to send the topic."""
        with self._lock:
            line = None if self._ended else self._line(connection)
            if line is not None and line.begin is None:
                line.begin = line.sent

    def _line(self, connection: int) -> Optional[_Line]:
        for line in reversed(self._lines):
            if line.connection == connection:
                return line
        if self._lines and connection < self._lines[-1].connection:
            return None  # one that the client has left, which the venue has yet to notice
        line = _Line(connection)
        self._lines.append(line)
        return line

    # -- the client, in the order of its callbacks -------------------------------------------------------------------

    def gap(self) -> None:
        with self._lock:
            self._gap = True
            self.gaps += 1

    def drop(self, count: int) -> None:
        with self._lock:
            self._told += count

    @property
    def dropped(self) -> int:
        return self._told

    @property
    def in_gaps(self) -> int:
        return max(0, self._missed - self._told)

    def received(self, digest: int) -> None:
        with self._lock:
            if self._ended:
                self._after_end += 1
                if self._after_end == 2:  # one may have been under way
                    self._say("updates came after the unsubscription had returned")
                return
            self.delivered += 1
            if self._begun:
                self._next(digest)
            else:
                self._first(digest)
            self._last = digest

    def end(self) -> None:
        """The subscription is over: what was not delivered yet need not be."""
        with self._lock:
            self._ended = True
            self.sent -= sum(len(line.waiting) for line in self._lines)
            self._lines.clear()

    def outstanding(self) -> Optional[str]:
        """What is missing although the venue is still and every connection is well; None where nothing is. Takes what lies
        behind the last update into account."""
        with self._lock:
            if not self._begun:
                last = self._lines[-1] if self._lines else None
                missing = last is not None and last.begin is not None and last.sent > last.begin
                return "no update of a new subscription came" if missing else None
            current = self._lines[0]
            later = [line for line in self._lines if line.waiting and line is not current]
            lines = ", ".join(f"{line.connection}: {line.taken} of {line.sent}" for line in self._lines)
            if later and not self._gap:
                return f"no gap was announced, and there are connections ({lines})"
            # What was sent on one that was left for another, on which nothing was sent yet, lies in the gap.
            if later and later[-1] is self._lines[-1]:
                return f"nothing after a gap, and {len(later[-1].waiting)} were sent ({lines})"
            if current.waiting and not self._gap:
                return f"{len(current.waiting)} updates are waited for"
            if self._told > self._missed + len(current.waiting) and not self.may_repeat:
                return f"{self._told} updates were told as dropped, and {self._missed + len(current.waiting)} are missing"
            return None

    def calm(self) -> None:
        """All has come that was sent, and nothing repeats any more."""
        with self._lock:
            if self.may_repeat:
                self._told = min(self._told, self._missed)  # of what came twice, one may have been dropped
            self.may_repeat = False

    # -- below, with the lock ----------------------------------------------------------------------------------------

    def _first(self, digest: int) -> None:
        # The venue may be sending the same to a connection that the client has left.
        for line in reversed(list(self._lines)):
            if digest in line.waiting:
                skipped = line.waiting.index(digest)
                begin = line.sent if line.begin is None else line.begin - line.taken
                self._begun = True
                while self._lines[0] is not line:
                    self.sent -= len(self._lines.popleft().waiting)
                # Where the end of an earlier subscription is not answered, what comes before the present one's answer is
                # nobody's: nobody knows of which of both it is.
                missing = 0 if self.earlier else max(0, skipped - max(0, begin))
                self.sent -= skipped - missing
                self._take(line, skipped)
                self._hole(missing, "before the first one of a subscription")
                self._gap = False
                return
        if digest in self.earlier:
            self.delivered -= 1
        else:
            self._say("the first update of a subscription was never sent to it")

    def _next(self, digest: int) -> None:
        current = self._lines[0]
        if self._gap and self._after_gap(current, digest):
            return
        if current.waiting and current.waiting[0] == digest:
            self._take(current, 0)
        elif self.may_repeat and digest == self._last:
            self.repeated += 1
        elif digest in current.waiting:
            missing = current.waiting.index(digest)
            self._take(current, missing)
            self._hole(missing, "in the midst of a connection")
        else:
            later = next((line for line in self._lines if line is not current and digest in line.waiting), None)
            if later is None:
                self._say("an update came that was not sent, came before, or is out of its order")
                return
            missing = self._leave_to(later) + later.waiting.index(digest)
            self._take(later, later.waiting.index(digest))
            self._lost(missing, "over a reconnect of which no gap was announced")

    def _after_gap(self, current: _Line, digest: int) -> bool:
        later = [line for line in self._lines if line is not current]
        # The last of those that begin so: an earlier one whose first update got through would have had a gap of its own.
        line = next((each for each in reversed(later) if each.waiting and each.waiting[0] == digest), None)
        hole = 0
        if line is None and self._told > self._holes:
            line = next((each for each in later if digest in each.waiting), None)
            hole = 0 if line is None else line.waiting.index(digest)
        if line is None:
            if self._renewed(current, digest):
                return True
            if current.taken == 1 and current.head == digest:
                self._gap = False  # taken for the later one of two connections that began with the same update
                return True
            return False
        self._missed += self._leave_to(line)
        self._take(line, hole)
        self._gap = False
        self._hole(hole, "at the beginning of a connection")
        return True

    def _renewed(self, current: _Line, digest: int) -> bool:
        """The gap was one of this connection. Had it been the next one's, there will be none left for that."""
        if digest not in current.waiting:
            return False
        missing = current.waiting.index(digest)
        self._take(current, missing)
        self._gap = False
        self._missed += missing
        self._holes += min(missing, max(self._told - self._holes, 0))
        return True

    def _hole(self, count: int, where: str) -> None:
        """Updates are missing although the connection lived: only where so many were told as dropped. That may be told long
        before their place is reached: with ``disconnect`` the newest are dropped, and those before them are still queued."""
        self._holes += count
        self._missed += count
        untold = self._holes - self._told
        if count and untold > 0:
            self._holes -= untold
            self._missed -= untold
            self._lost(untold, where)

    def _leave_to(self, line: _Line) -> int:
        """Forgets the lines before ``line``; how many updates of theirs did not come."""
        missing = 0
        while self._lines[0] is not line:
            missing += len(self._lines.popleft().waiting)
        return missing

    def _take(self, line: _Line, skipped: int) -> None:
        for _ in range(skipped + 1):
            digest = line.waiting.popleft()
            line.taken += 1
            if line.taken == 1:
                line.head = digest

    def _lost(self, count: int, where: str) -> None:
        self.outside += count
        self._say(f"{count} updates are missing {where}")

    def _say(self, what: str) -> None:
        self._tell(f"{self.name} {self.topic}: {what}")
