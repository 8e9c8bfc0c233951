"""Defects that are put into the machine on purpose. Each of them breaks a promise, and has to be found by the runs: what they
find nothing wrong with is proved by this list only."""

from __future__ import annotations

import __future__
import contextlib
import inspect
import textwrap
from typing import Any, Iterator, Tuple

import attrs

from dbxsdk.session.core.liveness import Liveness
from dbxsdk.session.core.machine import Machine
from dbxsdk.session.core.requests import Entry, Requests, Role
from dbxsdk.session.core.subscribing import Subscribing
from dbxsdk.session.core.topics import Topics
from dbxsdk.session.core.work import Work


@attrs.frozen
class Break:
    """One line of a method in place of another."""

    name: str
    what: str
    owner: type
    method: str
    old: str
    new: str
    seed: int = 1
    """Whose runs find it soon."""


BREAKS: Tuple[Break, ...] = (
    Break(
        "epoch not raised",
        "what comes of an earlier subscription counts as of the present one",
        Topics,
        "_set",
        "topic.epoch += 1",
        "pass",
    ),
    Break(
        "hole forgotten on refusal",
        "a topic that is refused at a reconnect and granted by a later one has no gap",
        Topics,
        "acknowledge",
        "unheard[name] = refusal",
        "unheard[name], topic.hole = refusal, None",
    ),
    Break(
        "gap closed too early",
        "an update that may be of the earlier subscription closes the hole behind it, too",
        Topics,
        "close_holes",
        "if topic.present:",
        "if topic:",
        seed=16,
    ),
    Break(
        "no hole at a renewal",
        "what is missed between an end and a new beginning of one topic is told to nobody",
        Topics,
        "_interrupt",
        "if (topic.established or topic.begun) and topic.hole is None",
        "if status is not Status.LEAVING and (topic.established or topic.begun) and topic.hole is None",
        seed=16,
    ),
    Break(
        "sinks not told of a loss",
        "a book believes that it is current while its topic is not subscribed",
        Topics,
        "_interrupt",
        "self._effects(Stale(sink, topic.epoch, reason, renewed))",
        "pass",
    ),
    Break(
        "written requests kept",
        "a request that was written when the connection ended is written again on the next: an order placed twice",
        Machine,
        "_end_in_flight",
        "and not entry.written",
        "",
    ),
    Break(
        "unsent order lost",
        "what was asked while there was no connection goes out the last first",
        Requests,
        "take_unsent",
        "list(self.unsent)",
        "list(reversed(self.unsent))",
    ),
    Break(
        "outcomes swapped",
        "a request whose time is over is told as not sent where it was, and the other way round",
        Machine,
        "_expired",
        "no_answer(entry.request), not_connected(self.link.endpoint)",
        "not_connected(self.link.endpoint), no_answer(entry.request)",
    ),
    Break(
        "unsent forgotten at close",
        "a request that waits for a connection has no outcome when the client is closed",
        Machine,
        "_fail_all",
        "*self.requests.take_unsent()",
        "*()",
    ),
    Break(
        "late acknowledgement taken",
        "the answer to a request that was given up acknowledges what has been asked anew since",
        Machine,
        "answered",
        "entry = self.requests.take(reply)",
        "entry = self.requests.take(reply) or _revived(self.requests.take_late(reply))",
    ),
    Break(
        "heartbeat expiry ignored",
        "a connection that brings data and no answers lives for ever",
        Liveness,
        "_silent",
        "if unanswered and",
        "if not unanswered and unanswered and",
        seed=7,
    ),
    Break(
        "waiter not notified",
        "a subscribe call sleeps on though its topics are acknowledged",
        Subscribing,
        "_acknowledged",
        "self.effects.append(Changed())",
        "pass",
    ),
    Break(
        "alone queue not advanced",
        "requests that wait for the answer to another of their kind wait for ever",
        Subscribing,
        "_next_alone",
        "if waiting:",
        "if waiting is None:",
    ),
    Break(
        "alone queue kept at a loss",
        "the next connection's requests wait for the answer to one of the last",
        Machine,
        "lost",
        "self._alone.clear()",
        "pass",
    ),
    Break(
        "not asked after an unsubscription",
        "a topic that is renewed, or wanted again while it was leaving, is never asked for",
        Subscribing,
        "_unsubscribed",
        "self._ask(now)",
        "pass",
    ),
    Break(
        "arm not lowered",
        "the watch sleeps through the deadline of a request that was made meanwhile",
        Work,
        "_arm",
        "self.effects.append(Arm(at))",
        "pass",
    ),
    Break(
        "given up and sent",
        "a request that was given up while there was no connection goes out with the next",
        Requests,
        "abandon",
        "del self.unsent[entry]",
        "pass",
    ),
)


@contextlib.contextmanager
def broken(each: Break) -> Iterator[None]:
    """Within it the machine has the defect."""
    sound = each.owner.__dict__[each.method]
    source = textwrap.dedent(inspect.getsource(sound))
    assert source.count(each.old) == 1, f"{each.name}: {each.owner.__name__}.{each.method} has changed: {source}"
    flags = __future__.annotations.compiler_flag
    code = compile(source.replace(each.old, each.new), f"<{each.name}>", "exec", flags, dont_inherit=True)
    names: Any = {}
    exec(code, {**sound.__globals__, "_revived": _revived}, names)
    setattr(each.owner, each.method, names[each.method])
    try:
        yield
    finally:
        setattr(each.owner, each.method, sound)


def _revived(request: Any) -> Any:
    """An entry for a request that was given up, as if its answer had come in time."""
    if request is None or not request.topics:
        return None
    return Entry(request, Role.SUBSCRIBE, 0.0)
