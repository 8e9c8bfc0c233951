"""The users' part of the driver: blocking calls as generators, which yield where a thread would wait."""

from __future__ import annotations

from typing import Any, Callable, Generator, Optional, Tuple

from dbxsdk.errors import ConnectError, DbxError
from dbxsdk.protocol import Request
from dbxsdk.session.core.link import Life
from dbxsdk.session.core.machine import no_answer, not_connected
from dbxsdk.session.core.requests import Entry, Role
from dbxsdk.session.core.topics import Waiter
from dbxsdk.session.subscription import Subscription
from tests.machine.guarding import Threads
from tests.machine.setting import Setting
from tests.machine.users import Asked, Book, Interrupted, ModelQueue, Subscriber, UserCall, Wait
from tests.machine.watching import Watching

_GRACE = 1.0
"""As in ``session.calls``."""

Steps = Generator[Wait, None, None]


class Calling(Watching):
    """Does what ``lives``, ``calls`` and ``updates`` do."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._asked = 0

    # -- the users' threads --------------------------------------------------------------------------

    def start(self, what: str, make: Callable[[UserCall], Steps]) -> UserCall:
        call = UserCall(what)
        call.steps = make(call)
        self.calls.append(call)
        self.advance(call)
        return call

    def advance(self, call: UserCall, interrupt: bool = False) -> None:
        """Run the call's thread until it waits again, or ends."""
        assert call.steps is not None
        try:
            call.deadline, call.decided = call.steps.throw(Interrupted()) if interrupt else next(call.steps)
            return
        except (StopIteration, Interrupted):
            pass
        except (DbxError, ValueError) as error:
            call.error = error
        call.over = True
        if call in self.calls:
            self.calls.remove(call)
        self.promises.returned(call)

    # -- lives ---------------------------------------------------------------------------------------

    def ensure_threads(self) -> Threads:
        link = self.machine.link
        link.raise_if_ended()
        if self.threads is not None:
            if self.threads.stop:
                raise ConnectError("an earlier opening that was abandoned has not ended yet")
            return self.threads
        threads, before = Threads(), link.state
        self.threads = threads
        self.steps += 1
        try:
            self.machine.begin(threads.life)
        except BaseException:
            self.threads, link.life, link.state = None, None, before
            raise
        threads.watch_at = self.now  # it looks when it begins
        return threads

    def wait_for_end_of_abandoned(self) -> None:
        if self.threads is not None and self.threads.stop:
            self.reader_sees()  # a moment later

    def wait_ready(self, call: UserCall, deadline: float) -> Steps:
        link = self.machine.link
        if link.ready:
            return
        self.wait_for_end_of_abandoned()
        threads = self.ensure_threads()
        life = threads.life
        opening = not life.was_ready
        life.openers += 1
        unused = False
        try:
            while True:
                if self._is_ready(life, opening):
                    return
                if life.error is not None:
                    break
                link.raise_if_ended()
                if deadline <= self.now:
                    break
                yield deadline, lambda: life.error is not None or link.state.is_over or self._is_ready(life, opening)
        finally:
            if not call.orphaned:
                life.openers -= 1
                unused = life.error is None and not (life.was_ready or life.openers or self.machine.requests.unsent)
                if unused:
                    threads.stop = life.stopped = True
                    if self.wire is not None:
                        self.wire.abort("not ready in time")
        if life.error is not None and not unused:
            link.raise_if_ended()
            raise life.error
        raise ConnectError("the connection was not ready in time; nothing was sent")

    def _is_ready(self, life: Life, opening: bool) -> bool:
        return self.machine.link.ready or (opening and life.was_ready)

    def open(self, seconds: float) -> UserCall:
        return self.start("open", lambda call: self.wait_ready(call, self.now + seconds))

    # -- requests ------------------------------------------------------------------------------------

    def submit(self, method: str) -> Asked:
        self.wait_for_end_of_abandoned()
        asked = Asked(f"submit {method}")
        entry = self._entry(asked, self.protocol.request(method, None), self.options.request_timeout)
        try:
            self.do(self._file, entry)
        except DbxError as error:
            asked.tell("refusal", error)
        except Interrupted:
            if not asked.done:
                self._forget(asked)
            raise
        return asked

    def _forget(self, asked: Asked) -> None:
        """Nobody waits for it any more, and it must not be sent later."""
        entry: Entry = asked.entry
        asked.forgotten = True
        self.do(self.machine.abandon, entry)
        if not entry.written:
            self.given_up.add(entry.request.frame)

    def call(self, seconds: float, ping: bool = False) -> UserCall:
        asked = Asked("ping" if ping else "call")
        request = self.protocol.heartbeat() if ping else self.protocol.request("order", None)
        return self.start(asked.what, lambda call: self._call(call, asked, request, seconds))

    def _call(self, call: UserCall, asked: Asked, request: Request, seconds: float) -> Steps:
        deadline = self.now + seconds
        asked.call = call
        yield from self.wait_ready(call, deadline)
        entry = self._entry(asked, request, deadline - self.now + _GRACE)
        try:
            try:
                self.do(self._file, entry)
            except DbxError as error:
                asked.tell("refusal", error)
                return
            while not asked.done and self.now < deadline:
                yield deadline, lambda: asked.done
            if asked.done:
                return
            there = self.do(self.machine.abandon, entry)
            self.promises.check(there, "one outcome", "nothing was told, and nothing is there")
            if entry.outbox is not None:
                entry.outbox.settle()
            asked.tell("caller", no_answer(request) if entry.written else not_connected("venue:1"))
        except BaseException:  # noqa: B036 - Ctrl-C
            if not call.orphaned and not asked.done:
                self._forget(asked)
            raise

    def _entry(self, asked: Asked, request: Request, seconds: float) -> Entry:
        entry = asked.entry = Entry(request, Role.USER, self.now + seconds, asked)
        self.promises.asked(asked)
        return entry

    def _file(self, entry: Entry) -> None:
        self._asked += 1
        entry.future.number = self._asked
        self.ensure_threads()
        self.machine.request(entry)

    # -- updates -------------------------------------------------------------------------------------

    def subscribe(
        self,
        topics: Tuple[str, ...],
        seconds: float,
        *,
        raw: bool = False,
        iterator: bool = False,
        book: bool = False,
        max_silence: Optional[float] = None,
        on_silence: str = "tell",
    ) -> UserCall:
        sink = None
        if book:
            topics = topics[:1]
            market = "".join(self.venue.markets_of(topics[0]))
            sink = Book(market, self.setting.numbered, lambda: self.renew(topics), lambda: self.now)
        queue: Any = ModelQueue() if iterator else None
        owner: Any = self
        subscription = Subscription(
            owner,
            "channel",
            topics,
            _nothing,
            raw=raw,
            queue=queue,
            sink=sink,
            max_silence=max_silence,
            on_silence=on_silence,
        )
        subscriber = Subscriber(subscription, sink)
        return self.start(f"subscribe {', '.join(topics)}", lambda call: self._subscribe(call, subscriber, seconds, book))

    def _subscribe(self, call: UserCall, subscriber: Subscriber, seconds: float, renew: bool) -> Steps:
        machine, subscription = self.machine, subscriber.subscription
        deadline = self.now + seconds
        machine.check_capacity(subscription.topics)
        yield from self.wait_ready(call, deadline)
        waiter = subscriber.waiter = Waiter(subscription.topics)
        self.subscribers.append(subscriber)
        self.promises.subscribes(subscriber)
        try:
            self.do(machine.want, subscription, waiter, self.now, deadline, renew)
            while waiter.undecided:
                machine.link.raise_if_ended()
                if deadline <= self.now:
                    break
                yield deadline, lambda: not waiter.undecided or machine.link.state.is_over
        finally:
            if not call.orphaned:
                self.do(machine.conclude, subscription, waiter, self.now)
        if subscription.max_silence is not None:
            self.wake_watch()
        if waiter.undecided:
            raise ConnectError("no acknowledgement in time")
        subscriber.returned = True

    def unsubscribe(self, subscriber: Subscriber) -> None:
        subscription = subscriber.subscription
        self.do(lambda: self.machine.unwant(subscription, subscription.topics, self.now))

    def renew(self, topics: Tuple[str, ...]) -> None:
        self.do(self.machine.renew, topics, self.now)


def _nothing(_: object) -> None:
    """The callback: what it would get goes to ``Promises.delivered``."""
