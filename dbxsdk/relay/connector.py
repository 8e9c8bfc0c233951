"""A relay in place of the network: a relayed client's connections are the serving client's, as its streams tell of them."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, NoReturn, Optional, Sequence, Set, Tuple

import attrs

from dbxsdk.errors import AuthError, ConnectError, DbxError, ProtocolError, VenueError
from dbxsdk.options import Options
from dbxsdk.protocol import Acknowledgement
from dbxsdk.relay.delivery import Delivery, had_all
from dbxsdk.relay.entries import EPOCH, FRAMES, GAP, UNREADABLE, Entry, Id, follows, parse_id, text_id
from dbxsdk.relay.follower import Followed, Follower
from dbxsdk.relay.group import GroupFollower
from dbxsdk.relay.keys import Keys
from dbxsdk.relay.server import RelayDown, Server
from dbxsdk.relay.wants import Wants
from dbxsdk.runtime.clock import Clock, monotonic, wall_ns
from dbxsdk.runtime.log import SafeLogger
from dbxsdk.session import Connector, Hole, Prepare, Receiver, StandIn, Subscription
from dbxsdk.transport import Address, Ending

logger = SafeLogger("dbxsdk.relay")

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
        self.kept: Dict[str, Id] = {}
        """How far the callbacks of a durable reader have come in this process: the callbacks thread's."""
        self.behind = False
        """True if something has to be read again that no callback had: see ``Followed.behind``."""
        self.told: Set[str] = set()
        """Topics whose holes the session tells of by itself: they were live before."""
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
        self.follower, self.wants, self.kept, self.told = self._new_follower(), None, {}, set()

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


class RelayConnection(StandIn):
    """Open while the serving client's connection is, which judges silence, too."""

    def __init__(self, connector: RelayConnector, receiver: Receiver) -> None:
        super().__init__()
        self._connector, self._receiver = connector, receiver
        self._follower = connector.follower
        self._stop = threading.Event()
        self._asked = False
        self._open = False
        self._error: Optional[DbxError] = None
        self._wants: Optional[Wants] = None
        self._delivery = Delivery(connector, receiver)
        self._skew_ns: Optional[int] = None
        """By how much this machine's clock is ahead of the serving process', by what was heard soonest."""

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
        except Exception as error:  # nonsense in the streams, or a defect of ours: neither may end the client
            logger.exception("%s: the relay cannot be followed", self._connector.keys.name)
            self._connector.failed = True
            self._follower.drop_link()
            self._follower.forget()
            return Ending(str(error), error=ConnectError(f"the relay cannot be followed: {error!r:.200}"), retry_in=_PAUSE)
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
                if self._connector.behind:
                    self._go_back()
                ending = self._take(follower.read())
                away_since = None
                if self._open:
                    self._receiver.tick()
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
            if self._open and follower.unheard > SILENCE:
                follower.forget()
                return Ending(f"nothing was heard from the serving process for {follower.unheard:.1f} s", retry_in=0.0)

    def _refused(self, error: DbxError) -> None:
        self._error = error
        self._follower.interrupt()

    def _take(self, steps: Sequence[Tuple[Optional[Followed], Entry]]) -> Optional[Ending]:
        """Take in what one look at the streams brought."""
        ending: Optional[Ending] = None
        gaps: List[str] = []
        gap: Optional[Entry] = None
        for place, (followed, entry) in enumerate(steps):
            if gap is not None and (followed is None or entry.kind != GAP or entry.body != gap.body or entry.at != gap.at):
                self._gap(gaps, gap)
                gaps, gap = [], None
            if self._stopped is not None:
                # Where it stands is known: what was not taken is read again.
                self._delivery.leave((each, left) for each, left in steps[place:] if each is not None)
                return None
            if followed is None:
                self._delivery.flush()
                ending = self._control(entry)
                if ending is not None:
                    self._delivery.leave((each, left) for each, left in steps[place + 1:] if each is not None)
                    break
            elif self._connector.group is not None and not followed.settled:
                self._delivery.leave([(followed, entry)])  # nobody here takes it now
            elif self._is_wanted(followed, entry):
                self._delivery.note(followed, entry)
                if entry.kind == GAP and entry.id > followed.joined:
                    self._delivery.flush()
                    gaps.append(followed.name)
                    gap = entry
                elif entry.kind == FRAMES and followed.settled:
                    self._delivery.collect(followed, entry)
        if gap is not None:
            self._gap(gaps, gap)
        self._delivery.flush()
        self._delivery.after_callbacks()
        if ending is None and self._delivery.last:
            self.last_received = max(self.last_received or 0.0, self._delivery.last)
        return ending

    def _is_wanted(self, followed: Followed, entry: Entry) -> bool:
        """True if ``entry`` is to be taken in. What is missing before it is seen to."""
        if entry.claimed:
            if entry.hole_ns is not None:
                self._tell_hole(followed, entry.hole_ns, max(entry.wall_ns or self._now_ns(), entry.hole_ns))
            return True
        return followed.position is not None and entry.id > followed.position and self._is_next(followed, entry)

    def _is_next(self, followed: Followed, entry: Entry) -> bool:
        assert followed.position is not None
        whole = follows(followed.position, entry) and entry.kind != UNREADABLE
        if whole and entry.kind != EPOCH:
            return True
        self._delivery.flush()
        missing = f"entries are missing between {text_id(followed.position)} and {text_id(entry.id)}"
        if entry.kind == UNREADABLE:
            missing = f"the entry {text_id(entry.id)} of {followed.name} cannot be read: {entry.body}"
            logger.warning("%s", missing)
        wants_history = self._connector.group is not None or self._connector.durable is not None or entry.kind == UNREADABLE
        if wants_history and not followed.state:
            # What comes behind it is wanted.
            if followed.settled and not (whole and entry.id <= followed.joined):
                self._tell_hole(followed, followed.wall_ns, max(entry.wall_ns or self._now_ns(), followed.wall_ns))
            return True
        followed.passed = entry.id if entry.kind == UNREADABLE else followed.passed
        if followed.settled:
            self._rejoin(followed, "another process serves" if whole else missing)
        return False

    def _tell_hole(self, followed: Followed, since_ns: int, until_ns: int) -> None:
        """Updates between these two times (of the serving process' clock) are missing."""
        self._delivery.flush()
        self._settle([followed.name], Hole(monotonic() - (until_ns - since_ns) / 1e9, since_ns))

    def _now_ns(self) -> int:
        """The serving process' clock, as far as it is known."""
        return wall_ns() - (self._skew_ns or 0)

    def _rejoin(self, followed: Followed, reason: str) -> None:
        missing = max(self._now_ns() - followed.wall_ns, 0)
        followed.position, followed.settled = None, False
        self._receiver.interrupted((followed.name,), Hole(monotonic() - missing / 1e9, followed.wall_ns), reason)
        self._call(followed.name)

    # -- holes -----------------------------------------------------------------------------------------

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
        self._connector.told.update(names)
        for name in names:
            self._follower.topics[name].settled = True
        self._receiver.settled(Acknowledgement(accepted=tuple(names)), hole)

    # -- what happens to the serving client ------------------------------------------------------------

    def _control(self, entry: Entry) -> Optional[Ending]:
        follower, body, kind = self._follower, entry.body, entry.body.get("kind")
        last, follower.control = follower.control, entry.id
        skew_ns = wall_ns() - entry.wall_ns
        self._skew_ns = skew_ns if self._skew_ns is None else min(self._skew_ns, skew_ns)
        assert last is not None
        if kind == "lead" or (last != (0, 0) and not follows(last, entry)):
            follower.reset()
            reason = "another process serves now" if kind == "lead" else "what happened meanwhile is missing in the relay"
            return self._end(reason) or self._look(kind, body, entry)
        if kind in ("lost", "bye"):
            follower.reset()
            return self._end("the relay dropped what it could not write" if kind == "lost" else "the serving process has ended")
        if kind == "down":
            self.last_received = monotonic() - max(entry.wall_ns - int(body.get("since_ns") or entry.wall_ns), 0) / 1e9
            code, retry_in = body.get("code"), body.get("retry_in")
            for each in follower.topics.values():
                each.settled = False
            return self._end(str(body.get("reason")), code if isinstance(code, int) else None, retry_in)
        return self._look(kind, body, entry)

    def _look(self, kind: Any, body: Dict[str, Any], entry: Entry) -> Optional[Ending]:
        if kind == "up" or (kind == "beat" and body.get("up") is True):
            self._begin()
        elif kind == "beat" and self._open:
            return self._end("the serving client is not connected")
        elif kind == "join":
            self._join(str(body.get("topic")), body, entry)
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
            self._begin_afresh(name)
        self._wants.want(wanted)
        for name in asked:
            followed = self._follower.topics.get(name)
            left = followed is not None and followed.takers and not any(had_all(each, name) for each in followed.takers)
            if followed is not None and (left or followed.missed):
                # What was queued for those who have left is to be read once more.
                self._begin_afresh(name)
            self._follower.follow(name).settled = False
            self._call(name)

    def _begin_afresh(self, name: str) -> None:
        """Forget where this client stands in a topic: those who want it next begin where the callbacks have come to."""
        del self._follower.topics[name]
        self._connector.told.discard(name)
        self._delivery.read_again()

    def _go_back(self) -> None:
        """Read again what was queued for a subscription that has ended: another one, or a later one, has not had it."""
        self._connector.behind = False
        for name, followed in list(self._follower.topics.items()):
            kept = self._connector.kept.get(name)
            if followed.behind and not followed.state and followed.position is not None and kept is not None:
                # Another object: what is under way still, behind what was not done, does not count either.
                self._follower.topics[name] = attrs.evolve(followed, position=kept, behind=False)
                self._delivery.read_again()

    def _call(self, topic: str) -> None:
        assert self._wants is not None
        self._wants.call(topic)

    def _join(self, name: str, body: Dict[str, Any], entry: Entry) -> None:
        """The serving process says where readers of a topic may begin."""
        followed = self._follower.topics.get(name)
        at = parse_id(body.get("at"))
        if followed is None or followed.settled or at is None or not self._open:
            return
        followed.state = body.get("state") is True and self._connector.group is None
        followed.joined = at if name in self._connector.told else (0, 0)
        whole = self._follower.whole(name) if body.get("whole") is True and self._connector.group is None else None
        lost: Optional[int] = None
        if whole is not None and whole[0] >= at:
            followed.position, followed.wall_ns = whole[0], whole[2]
        elif followed.position is None:
            lost = self._begin_at(followed, at, entry.wall_ns)
        followed.position = None if followed.position is None else max(followed.position, followed.passed)
        self._settle([name], None)
        if lost is not None:
            self._tell_hole(followed, lost, entry.wall_ns)
        if whole is not None and whole[0] >= at:
            self._connector.now_ns = whole[2]
            self._receiver.messages([whole[1]])

    def _begin_at(self, followed: Followed, at: Id, now_ns: int) -> Optional[int]:
        """Find where to begin. Returns since when (ns) updates are missing, if a durable reader's position was lost."""
        durable, follower, name = self._connector.durable, self._follower, followed.name
        lost: Optional[int] = None
        if durable is None or followed.state:
            followed.position = follower.begin(followed, at)
        else:
            followed.position = self._connector.kept.get(name)
            stored = followed.position is not None
            if not stored:
                stored, followed.position = follower.kept(durable, name)
            if followed.position is None or followed.position > at:
                if stored:
                    logger.warning("%s: the position of %r in %s is none: it goes on with what comes now",
                                   self._connector.keys.name, durable, name)
                    lost = min(follower.oldest_ns(followed) or now_ns, now_ns)
                followed.position = at
                assert self._wants is not None
                self._wants.keep(durable, {name: text_id(at)})  # so that it goes on here, though nothing came
            self._connector.kept[name] = followed.position
        assert followed.position is not None
        followed.wall_ns = now_ns if followed.position == at else follower.wall_at(followed, followed.position)
        return lost

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

    def wake(self) -> None:
        if self.stopped:
            self._stop.set()
        self._follower.interrupt()
