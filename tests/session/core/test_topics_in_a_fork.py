"""A fork in the middle of a change of the table of topics: another thread of the parent was at it."""

from __future__ import annotations

import sys
from typing import Any, Optional

import pytest

from dbxsdk.protocol import Acknowledgement
from dbxsdk.session import Subscription
from dbxsdk.session.core.topics import Hole, Status, Topics, Waiter


class Forked(BaseException):
    """Where the thread that the child does not have was."""


@pytest.mark.parametrize("way", ["add", "remove"])
@pytest.mark.parametrize("steps", range(50))
def test_a_fork_in_the_middle_of_a_change_of_topics(steps: int, way: str) -> None:
    """After each line of what changes the table, the child's is whole: each that wants a topic gets its updates, and
    the shortcut for raw ones has the same subscriptions as the table, or none."""
    topics = Topics(lambda name: False, lambda effect: None)
    raw, typed = subscription(raw=True, max_silence=None), subscription(raw=False, max_silence=9.0)
    topics.add(["a"], raw, Waiter(["a"]), 0.0)
    if way == "remove":
        topics.add(["a"], typed, Waiter(["a"]), 0.0)
        typed.ended_topics, typed.active = frozenset(["a"]), False
    left = [steps]

    def trace(frame: Any, what: str, _: Any) -> Any:
        if what == "line" and frame.f_code.co_filename.endswith("topics.py"):
            left[0] -= 1
            if left[0] < 0:
                raise Forked
        return trace

    sys.settrace(trace)
    try:
        if way == "add":
            topics.add(["a"], typed, Waiter(["a"]), 0.0)
        else:
            topics.remove(["a"], typed)
    except Forked:
        pass
    finally:
        sys.settrace(None)
    topics.rebuild(Hole(0.0, 0), "the process was forked")
    topic = topics.get("a")
    assert topic is not None and topic.status is Status.WANTED
    wanting = topic.subscriptions
    assert wanting in ((raw,), (raw, typed)) and topic.queued == wanting
    assert way == "add" or wanting == (raw,), "what was ended stays so"
    assert topic.max_silence == (9.0 if typed in wanting else None)
    assert topics.raw == {}, "nobody has it now"
    assert topics.take_unasked() == ["a"]
    topics.filed(["a"], Hole(0.0, 0), True)
    topics.acknowledge(Acknowledgement(("a",)), 0.0, Hole(0.0, 0))
    assert topics.raw == ({} if typed in wanting else {"a": (raw,)})
    if steps == 49:
        assert left[0] >= 0 and wanting == ((raw, typed) if way == "add" else (raw,)), "the last step is behind the change"


def subscription(raw: bool, max_silence: Optional[float]) -> Subscription:
    session: Any = None
    return Subscription(session, "a", ("a",), print, raw=raw, max_silence=max_silence)
