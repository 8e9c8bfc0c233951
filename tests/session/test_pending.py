"""The table of requests in flight: which reply answers which."""

from __future__ import annotations

from typing import Any, Optional, Tuple

import pytest

from dbxsdk.protocol import Reply, Request
from dbxsdk.session.pending import Entry, PendingRequests, RequestFuture


def entry(key: Any, kind: str = "order", topics: Tuple[str, ...] = (), **options: Any) -> Entry:
    return Entry(Request(key, "{}", kind, topics), **{"future": RequestFuture(), **options})


def table(*entries: Entry) -> PendingRequests:
    pending = PendingRequests()
    for each in entries:
        pending.file(each)
    return pending


def reply(key: Any = None, kind: Optional[str] = None, **options: Any) -> Reply:
    return Reply(key, {}, kind, **options)


def test_a_reply_is_told_by_its_id_and_answers_once() -> None:
    first, second = entry(1), entry(2)
    pending = table(first, second)
    assert pending.take(reply(2)) is second
    assert pending.take(reply(2)) is None
    assert pending.take(reply(1)) is first
    assert pending.requests() == 0


def test_an_unknown_id_is_nobodys() -> None:
    only = entry(1)
    pending = table(only)
    assert pending.take(reply(7)) is None
    assert pending.withdraw(only), "it is still in flight"


def test_a_reply_without_id_belongs_to_the_only_request_of_its_kind() -> None:
    order, ping = entry(1, "order"), entry(2, "ping")
    pending = table(order, ping)
    assert pending.take(reply(kind="order")) is order
    assert pending.take(reply(kind="order")) is None
    assert pending.take(reply()) is ping, "no kind: any, where there is but one"


def test_a_reply_without_id_is_never_guessed() -> None:
    first, second = entry(1, "order"), entry(2, "order")
    pending = table(first, second)
    assert pending.take(reply(kind="order")) is None
    assert pending.take(reply()) is None
    assert pending.requests() == 2


def test_an_ordered_reply_without_id_belongs_to_the_oldest() -> None:
    first, second = entry(1, "ping"), entry(2, "ping")
    pending = table(first, second)
    assert pending.take(reply(kind="ping", ordered=True)) is first
    assert pending.take(reply(kind="ping", ordered=True)) is second
    assert pending.take(reply(kind="ping", ordered=True)) is None


def test_a_reply_without_id_is_told_by_its_topics_in_any_order() -> None:
    first, second = entry(1, "subscribe", ("a", "b")), entry(2, "subscribe", ("c",))
    pending = table(first, second)
    assert pending.take(reply(kind="subscribe", topics=frozenset("ba"))) is first
    assert pending.take(reply(kind="subscribe", topics=frozenset("x"))) is None
    assert pending.take(reply(kind="subscribe", topics=frozenset("c"))) is second


@pytest.mark.parametrize("way", ["take", "withdraw", "drain", "expired"])
def test_whoever_waits_is_counted_until_the_outcome(way: str) -> None:
    asked, beat = entry(1, deadline=5.0), entry(2, "ping", future=None, awaited=False, deadline=5.0)
    pending = table(asked, beat)
    assert (pending.awaited, pending.requests()) == (1, 1)
    if way == "take":
        pending.take(reply(1))
        assert pending.take(reply(2)) is beat
    elif way == "withdraw":
        assert pending.withdraw(asked) and not pending.withdraw(asked)
        assert pending.withdraw(beat)
    elif way == "drain":
        assert pending.drain() == [asked, beat]
    else:
        assert pending.expired(4.9) == []
        assert pending.expired(5.0) == [asked, beat]
    assert (pending.awaited, pending.requests(), pending.next_deadline()) == (0, 0, None)


def test_the_next_deadline_is_the_earliest() -> None:
    pending = table(entry(1, deadline=9.0), entry(2), entry(3, deadline=4.0))
    assert pending.next_deadline() == 4.0
    assert [late.request.key for late in pending.expired(4.0)] == [3]
    assert pending.next_deadline() == 9.0
