"""The dispatcher: whose queues it keeps, what it counts, and what a fork leaves of it."""

from __future__ import annotations

from dbxsdk import Options
from dbxsdk.runtime.log import ClientLog
from dbxsdk.session.delivery.dispatcher import Dispatcher


def dispatcher(**options: object) -> Dispatcher:
    log = ClientLog("tests", "fake", "mine")
    return Dispatcher("fake", "mine", Options(**options), log, lambda queue, stalled: False, lambda each: None)  # type: ignore


def test_iterators_are_counted_once_after_a_fork() -> None:
    made = dispatcher()
    queue = made.new_iterator_queue()
    made.reset_for_process()
    assert made.all_queues()[1:] == (queue,)
