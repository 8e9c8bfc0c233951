"""A relay in place of the network: a relayed client's connections are the serving client's, as its streams tell of them."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence, Set, Tuple

from dbxsdk.errors import AuthError, ConnectError, DbxError, ProtocolError, VenueError
from dbxsdk.options import Options
from dbxsdk.protocol import Acknowledgement
from dbxsdk.relay.entries import EPOCH, FRAMES, GAP, Entry, Id, follows, parse_id, text_id
from dbxsdk.relay.follower import Followed, Follower
from dbxsdk.relay.group import GroupFollower
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import RelayDown, Server
from dbxsdk.relay.wants import Wants
from dbxsdk.runtime.clock import Clock, monotonic, wall_ns
from dbxsdk.session import Connector, Hole, Prepare, Receiver, Subscription
from dbxsdk.transport import Address, Ending, Message

SILENCE = 5.0
"""Seconds without a sign of life after which a serving process counts as gone, and for which the server may be away."""
_PAUSE = 0.5
"""Seconds between attempts to reach the server."""


class RelayConnector(Connector):
    """The connections of one relayed client."""

    live = False
    refusal = "a relayed client sends nothing"

    def __init__(self, server: Server, keys: Keys, durable: Optional[str], group: Optional[str]) -> None:
        self.server, self.keys, self.durable, self.group = server, keys, durable, group
        self.now_ns: Optional[int] = None
        self.clock = Clock(wall_ns=lambda: wall_ns() if self.now_ns is None else self.now_ns)
        self.follower = self._new_follower()
        self.wants: Optional[Wants] = None
        """The last connection's."""
        self.failed = False
        """True if the last connection could not reach the server."""

    def fills(self) -> bool:
        """Nothing is fetched for a worker: what it may miss is kept for a durable one."""
        raise ValueError("backfill and since: a relayed client asks no REST side; durable= has it go on where it ended")

    def address(self, address: Address) -> Address:
        """The Redis server's."""
        return Address("", self.server.host, self.server.port, False)

    def bind(self, receiver: Receiver, must_flow: Callable[[], bool]) -> None:
        """In a forked child, too, which begins afresh: the connection is the parent's."""
        self.follower.drop_link()
        self.follower, self.wants = self._new_follower(), None

    def _new_follower(self) -> Follower:
        return Follower(self.server, self.keys) if self.group is None else GroupFollower(self.server, self.keys, self.group)

    def connect(
        self, address: Address, options: Options, receiver: Receiver, prepare: Optional[Prepare]
    ) -> "RelayConnection":
        """Make the next connection."""
        return RelayConnection(self, receiver)

    def get(self, url: str, options: Options, timeout: float, params: Any = None) -> NoReturn:
        """Refuse it: a relayed client reaches no venue."""
        raise ConnectError(f"HTTP: {self.refusal}; nothing was sent")

    def subscribing(self, subscription: Subscription) -> None:
        """Make sure that what counts as done was."""
        if self.group is not None and subscription.sink is not None:
            raise ValueError("order_book: a worker of a group gets its share of the updates, which makes no book")
        if self.durable is not None or self.group is not None:
            if subscription.queue is not None:
                raise ValueError("messages: a client with durable or group has callbacks only: what an iterator did is not known")
            subscription.overflow, subscription.lossy = "block", False

    def ended(self) -> None:
        """The client takes nothing any more."""
        self.follower.end()


class RelayConnection:
    """Stands in for ``transport.Connection``: open while the serving client's connection is."""

    last_sent: Optional[float] = None
    received_message_at: Optional[float] = None
    stuck_since: Optional[float] = None
    secrets: Tuple[str, ...] = ()

    def __init__(self, connector: RelayConnector, receiver: Receiver) -> None:
        self._connector, self._receiver = connector, receiver
        self._follower = connector.follower
        self._stopped: Optional[str] = None
        self._stop = threading.Event()
        self._asked = False
        self._open = False
        self._error: Optional[DbxError] = None
        self._wants: Optional[Wants] = None
        self.last_received: Optional[float] = None
        self.recorded: Any = None
        self._frames: Dict[int, Message] = {}
        self._frames_at: Id = (0, 0)
        self._frames_ns = 0
        self._done: Id = (0, 0)
        self._places: Set[int] = set()
        """Frames of the read ``_done`` that were delivered already."""
        self._marks: Dict[str, str] = {}
        self._done_with: List[Tuple[bytes, str]] = []

    # -- the reader thread -----------------------------------------------------------------------------

    def run(self) -> Ending:
        """Bring what the serving client gets, until its connection ends or it cannot be followed any more."""
        if self._connector.failed:
            self._stop.wait(_PAUSE)
        try:
            return self._connect_and_follow()
        except AuthError as refusal:
            return Ending(str(refusal), error=refusal, retry_in=_PAUSE)
        except DbxError as error:
            self._connector.failed = True
            self._follower.drop_link()
            self._follower.forget()
            failure = error if isinstance(error, ConnectError) else ConnectError(str(error))
            return Ending(str(error), error=failure, retry_in=_PAUSE)
        finally:
            self._follower.left_alone()
            if self._wants is not None:
                self._wants.stop()

    def _connect_and_follow(self) -> Ending:
        follower = self._follower
        if self._stopped is not None:
            return Ending(self._stopped)
        for each in follower.topics.values():
            each.settled = False  # on this connection nothing is subscribed yet
        follower.connect()
        self._connector.failed = False
        member = (follower.group, follower.consumer) if isinstance(follower, GroupFollower) else None
        self._wants = self._connector.wants = Wants(
            self._connector.server, self._connector.keys, self._refused, member, self._connector.wants
        )
        away_since: Optional[float] = None
        while True:
            if self._stopped is not None:
                return Ending(self._stopped)
            if self._error is not None:
                raise self._error
            try:
                follower.connect()
                if self._asked and self._open:
                    self._asked = False
                    self._ask()
                ending = self._take(follower.read())
                away_since = None
            except RelayDown:
                if self._stopped is not None:
                    return Ending(self._stopped)
                # Positions stay: where it comes back at once nothing is lost.
                away_since = away_since or monotonic()
                follower.drop_link()
                if monotonic() - away_since > SILENCE or not self._open:
                    raise
                self._stop.wait(_PAUSE / 5)
                continue
            if ending is not None:
                return ending
            silent = monotonic() - follower.heard_at
            if self._open and silent > SILENCE:
                follower.forget()
                return Ending(f"nothing was heard from the serving process for {silent:.1f} s", retry_in=0.0)

    def _refused(self, error: DbxError) -> None:
        self._error = error
        self._follower.interrupt()

    def _take(self, steps: Sequence[Tuple[Optional[Followed], Entry]]) -> Optional[Ending]:
        """Take in what one look at the streams brought."""
        ending: Optional[Ending] = None
        gaps: List[str] = []
        gap: Optional[Entry] = None
        for followed, entry in steps:
            if gap is not None and (followed is None or entry.kind != GAP or entry.body != gap.body or entry.at != gap.at):
                self._gap(gaps, gap)
                gaps, gap = [], None
            if self._stopped is not None:
                return None  # where it stands is known: what was not taken is read again
            if followed is None:
                self._deliver()
                ending = self._control(entry)
                if ending is not None:
                    break
            elif followed.position is not None and (entry.claimed or self._is_new(followed, entry)):
                self._note(followed, entry)
                if entry.kind == GAP:
                    self._deliver()
                    gaps.append(followed.name)
                    gap = entry
                elif entry.kind == FRAMES and followed.settled:
                    self._collect(entry)
        if gap is not None:
            self._gap(gaps, gap)
        self._deliver()
        self._after_callbacks()
        return ending

    def _note(self, followed: Followed, entry: Entry) -> None:
        """An entry is taken in: note what has to be said of it once its callbacks have returned."""
        if not entry.claimed:
            followed.position, followed.wall_ns = entry.id, entry.wall_ns
        if self._connector.durable is not None:
            self._marks[followed.name] = text_id(entry.id)
        elif self._connector.group is not None:
            assert self._wants is not None
            self._done_with.append((followed.key, text_id(entry.id)))
            self._wants.at_work(followed.key, text_id(entry.id))

    def _after_callbacks(self) -> None:
        connector, durable, receiver = self._connector, self._connector.durable, self._receiver
        if not (self._marks or self._done_with):
            return
        marks, done, self._marks, self._done_with = self._marks, self._done_with, {}, []

        def returned() -> None:
            wants = connector.wants  # there may have been another connection meanwhile
            if receiver.closing or wants is None:
                return  # what was queued is thrown away, and not done
            if durable is not None:
                wants.keep(durable, marks)
            wants.done(done)

        receiver.notice(returned)

    def _is_new(self, followed: Followed, entry: Entry) -> bool:
        return followed.position is not None and entry.id > followed.position and self._is_next(followed, entry)

    def _is_next(self, followed: Followed, entry: Entry) -> bool:
        """True if nothing is missing before ``entry``; else what is missing is seen to."""
        assert followed.position is not None
        whole = follows(followed.position, entry)
        if whole and entry.kind != EPOCH:
            return True
        self._deliver()
        if self._connector.group is not None or (self._connector.durable is not None and not followed.state):
            # What comes behind it is history, and wanted.
            if followed.settled:
                seconds = max(entry.wall_ns - followed.last_ns, 0) / 1e9
                self._settle([followed.name], Hole(monotonic() - seconds, followed.last_ns))
            return True
        if followed.settled:
            missing = f"entries are missing between {text_id(followed.position)} and {text_id(entry.id)}"
            self._rejoin(followed, "another process serves" if whole else missing)
        return False

    def _rejoin(self, followed: Followed, reason: str) -> None:
        followed.position, followed.settled = None, False
        self._receiver.interrupted((followed.name,), self.last_received or monotonic(), reason)
        self._call(followed.name)

    # -- updates ---------------------------------------------------------------------------------------

    def _collect(self, entry: Entry) -> None:
        """Gather frames of one network read: one that concerns several topics is in the streams of all."""
        at = entry.at
        if at != self._frames_at:
            self._deliver()
            self._frames_at, self._frames_ns = at, entry.wall_ns
            if at != self._done:
                self._places.clear()
        if self._frames or self._places:
            frames, places = self._frames, self._places
            for place, message in entry.body:
                if place not in places:
                    frames[place] = message
        else:
            self._frames = dict(entry.body)

    def _deliver(self) -> None:
        if not (frames := self._frames):
            return
        self._frames = {}
        self._done = self._frames_at
        self._places.update(frames)
        self._connector.now_ns = self._frames_ns
        self.last_received = monotonic()
        if self._wants is not None:
            self._wants.lag_ns = wall_ns() - self._frames_ns
        self._receiver.messages([frames[place] for place in sorted(frames)] if len(frames) > 1 else list(frames.values()))
        self._receiver.tick()

    def _gap(self, names: Sequence[str], entry: Entry) -> None:
        """The serving client has reported a gap: these topics are live again."""
        seconds, last_ns = entry.body.get("seconds"), entry.body.get("last_received_ns")
        if not isinstance(seconds, (int, float)) or not isinstance(last_ns, int):
            raise ProtocolError("not a gap of a relay")
        live = [name for name in names if self._follower.topics[name].settled]
        waiting = [name for name in names if not self._follower.topics[name].settled]
        if live and self._open:
            self._settle(live, Hole(monotonic() - seconds, last_ns))
        if waiting and self._open:
            self._settle(waiting, None)

    def _settle(self, names: Sequence[str], hole: Optional[Hole]) -> None:
        for name in names:
            self._follower.topics[name].settled = True
        self._receiver.settled(Acknowledgement(accepted=tuple(names)), hole)

    # -- what happens to the serving client ------------------------------------------------------------

    def _control(self, entry: Entry) -> Optional[Ending]:
        follower, body, kind = self._follower, entry.body, entry.body.get("kind")
        last, follower.control = follower.control, entry.id
        follower.heard_at = monotonic()
        assert last is not None
        if kind == "lead" or (last != (0, 0) and not follows(last, entry)):
            follower.reset()
            reason = "another process serves now" if kind == "lead" else "what happened meanwhile is missing in the relay"
            return self._end(reason) or self._look(kind, body)
        if kind in ("lost", "bye"):
            follower.reset()
            return self._end("the relay dropped what it could not write" if kind == "lost" else "the serving process has ended")
        if kind == "down":
            self.last_received = monotonic() - max(entry.wall_ns - int(body.get("since_ns") or entry.wall_ns), 0) / 1e9
            code, retry_in = body.get("code"), body.get("retry_in")
            for each in follower.topics.values():
                each.settled = False
            return self._end(str(body.get("reason")), code if isinstance(code, int) else None, retry_in)
        return self._look(kind, body)

    def _look(self, kind: Any, body: Dict[str, Any]) -> Optional[Ending]:
        if kind == "up" or (kind == "beat" and body.get("up") is True):
            self._begin()
        elif kind == "beat" and self._open:
            return self._end("the serving client is not connected")
        elif kind == "join":
            self._join(str(body.get("topic")), body)
        elif kind == "left":
            followed = self._follower.topics.get(str(body.get("topic")))
            if followed is not None and followed.settled:
                self._rejoin(followed, "the relay has left it")
        elif kind == "no":
            self._no(str(body.get("topic")), body)
        if self._open:
            self.last_received = monotonic()
        return None

    def _end(self, reason: str, code: Optional[int] = None, retry_in: Any = None) -> Optional[Ending]:
        seconds = float(retry_in) if isinstance(retry_in, (int, float)) else 0.0
        return Ending(reason, code, retry_in=seconds) if self._open else None

    def _begin(self) -> None:
        if not self._open:
            self._open = True
            self.last_received = monotonic()
            self._receiver.opened()
            self._ask()

    # -- what is wanted --------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Have the serving process told of topics that are asked for."""
        assert self._wants is not None
        asked = self._receiver.asked()
        wanted = self._receiver.wanted()
        for name in [name for name in self._follower.topics if name not in wanted]:
            del self._follower.topics[name]
        self._wants.want(wanted)
        for name in asked:
            self._follower.follow(name).settled = False
            self._call(name)

    def _call(self, topic: str) -> None:
        assert self._wants is not None
        self._wants.call(topic)

    def _join(self, name: str, body: Dict[str, Any]) -> None:
        """The serving process says where readers of a topic may begin."""
        followed = self._follower.topics.get(name)
        at = parse_id(body.get("at"))
        if followed is None or followed.settled or at is None or not self._open:
            return
        followed.state = body.get("state") is True and self._connector.group is None
        whole = self._follower.whole(name) if body.get("whole") is True else None
        if whole is not None and whole[0] >= at:
            followed.position = whole[0]
        elif followed.position is None:
            followed.position = self._kept_position(name, followed, at) or self._follower.begin(followed, at)
        self._settle([name], None)
        if whole is not None and whole[0] >= at:
            self._connector.now_ns = whole[2]
            self._receiver.messages([whole[1]])

    def _kept_position(self, name: str, followed: Followed, at: Id) -> Optional[Id]:
        """Where a durable reader goes on. A new one begins ``at``, also if it is started again before the first update."""
        if (durable := self._connector.durable) is None or followed.state:
            return None
        if (found := self._follower.durable_positions(durable, [name]).get(name)) is None:
            self._marks.setdefault(name, text_id(at))
        return found

    def _no(self, name: str, body: Dict[str, Any]) -> None:
        followed = self._follower.topics.get(name)
        if followed is not None and not followed.settled:
            self._receiver.settled(
                Acknowledgement(refused={name: VenueError(str(body.get("message")), code=body.get("code"), reply=body)})
            )

    # -- any thread ------------------------------------------------------------------------------------

    def offer(self, text: str, *, ping: bool = False) -> bool:
        """Something is asked. The reader thread sees to it: the asking one holds locks."""
        self._asked = True
        wants = self._wants
        if wants is not None and self._open:
            wants.call("")  # the answer to it wakes the reader
        return True

    def push(self) -> bool:
        """Nothing is ever left to be written."""
        return True

    def close(self) -> None:
        """End ``run``, as ``abort`` does."""
        self.abort("closed")

    def abort(self, reason: str) -> None:
        """End ``run``."""
        self._stopped = self._stopped or reason
        self._stop.set()
        self._follower.interrupt()

    def fail(self, code: int, reason: str) -> None:
        """The serving client's connection ends by itself."""

    def forget(self) -> None:
        """In a forked child: the descriptor is closed when the follower is replaced."""

    def silent_for(self, now: float) -> float:
        """Silence is judged by the serving client."""
        return 0.0

    def seen_until(self, now: float) -> float:
        """All that came was seen."""
        return now

    @property
    def stopped(self) -> bool:
        """True once it has to end."""
        return self._stopped is not None
