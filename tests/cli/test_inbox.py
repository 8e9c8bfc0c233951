"""The inbox between callbacks and the main thread: in order, bounded, and nobody waits once it is closed."""

from __future__ import annotations

from dbxsdk.cli.inbox import Inbox
from tests.waiting import Background, eventually


def test_in_order_and_all_at_once():
    inbox = Inbox()
    for number in range(3):
        inbox.put("a", number)
    assert inbox.take(0) == [("a", 0), ("a", 1), ("a", 2)]
    assert inbox.take(0) == []


def test_who_puts_waits_for_room_and_who_takes_for_something():
    inbox = Inbox(limit=1)
    putting = Background(lambda: [inbox.put("a", number) for number in range(3)])
    taken = []
    eventually(lambda: taken.extend(inbox.take(0.05)) or len(taken) == 3)
    assert putting.result() is not None and taken == [("a", 0), ("a", 1), ("a", 2)]


def test_a_full_inbox_holds_its_callback_until_it_is_closed():
    inbox = Inbox(limit=1)
    inbox.put("a", 0)
    putting = Background(inbox.put, "a", 1)
    putting.thread.join(0.05)
    assert putting.thread.is_alive()
    inbox.close()
    putting.result()
    assert inbox.take(0) == [("a", 0)]
