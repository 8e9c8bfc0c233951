"""The tables of requests: which reply answers which, who waits, and what may still be answered too late."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

import pytest

from dbxsdk.protocol import Reply, Request
from dbxsdk.session.core import requests as module
from dbxsdk.session.core.requests import Entry, Requests, Role, link_ids


def entry(
    key: Any, kind: str = "order", topics: Tuple[str, ...] = (), role: Role = Role.USER, deadline: float = 100.0
) -> Entry:
    return Entry(Request(key, "{}", kind, topics), role, deadline)


def table(*entries: Entry) -> Requests:
    requests = Requests()
    for each in entries:
        requests.file(each)
    return requests


def reply(key: Any = None, kind: Optional[str] = None, **options: Any) -> Reply:
    return Reply(key, {}, kind, **options)


def flying(requests: Requests) -> List[Entry]:
    return [each for role in Role for each in requests.of_role(role)]


# -- which reply answers which -----------------------------------------------------------------------


def test_a_reply_is_told_by_its_id_and_answers_once() -> None:
    first, second = entry(1), entry(2)
    requests = table(first, second)
    assert requests.take(reply(2)) is second
    assert requests.take(reply(2)) is None
    assert requests.take(reply(1)) is first
    assert flying(requests) == [] and requests.count() == 0


def test_an_unknown_id_is_nobodys() -> None:
    only = entry(1)
    requests = table(only)
    assert requests.take(reply(7)) is None
    assert not requests.knows(7)
    assert requests.holds(only) and requests.knows(1), "it is still in flight"


def test_a_reply_without_id_belongs_to_the_only_request_of_its_kind() -> None:
    order, login = entry(1, "order"), entry(2, "login", role=Role.LOGIN)
    requests = table(order, login)
    assert requests.take(reply(kind="order")) is order
    assert requests.take(reply(kind="order")) is None
    assert requests.take(reply()) is login, "no kind: any, where there is but one"


def test_a_reply_without_id_and_kind_is_never_a_heartbeats() -> None:
    beat, order = entry(1, "ping", role=Role.HEARTBEAT), entry(2)
    requests = table(beat, order)
    assert requests.take(reply()) is order
    assert requests.take(reply()) is None
    assert requests.take(reply(kind="ping")) is beat


def test_a_reply_without_id_is_never_guessed() -> None:
    requests = table(entry(1), entry(2))
    assert requests.take(reply(kind="order")) is None
    assert requests.take(reply()) is None
    assert requests.count() == 2


def test_a_reply_without_id_is_not_given_to_one_caller_while_another_may_be_meant() -> None:
    late, present = entry(1), entry(2)
    requests = table(late, present)
    assert requests.abandon(late)
    assert requests.take(reply(kind="order")) is None, "it may be the late one's"
    assert requests.take_late(reply(kind="order")) is None, "or the present one's"
    assert requests.take(reply(2)) is present
    taken = requests.take_late(reply(kind="order"))
    assert taken is late.request


def test_an_ordered_reply_without_id_belongs_to_the_oldest() -> None:
    first, second = entry(1, "ping"), entry(2, "ping")
    requests = table(first, second)
    assert requests.take(reply(kind="ping", ordered=True)) is first
    assert requests.take(reply(kind="ping", ordered=True)) is second
    assert requests.take(reply(kind="ping", ordered=True)) is None


def test_a_reply_without_id_is_told_by_its_topics_in_any_order() -> None:
    first, second = entry(1, "subscribe", ("a", "b"), Role.SUBSCRIBE), entry(2, "subscribe", ("c",), Role.SUBSCRIBE)
    requests = table(first, second)
    assert requests.take(reply(kind="subscribe", topics=frozenset("ba"))) is first
    assert requests.take(reply(kind="subscribe", topics=frozenset("x"))) is None
    assert requests.take(reply(kind="subscribe", topics=frozenset("c"))) is second


# -- who waits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["take", "withdraw", "abandon", "drain", "expired"])
def test_whoever_waits_is_counted_until_the_outcome(way: str) -> None:
    asked, beat = entry(1, deadline=5.0), entry(2, "ping", role=Role.HEARTBEAT, deadline=5.0)
    requests = table(asked, beat)
    assert (requests.awaited, requests.count()) == (1, 1)
    if way == "take":
        assert requests.take(reply(1)) is asked
        assert requests.take(reply(2)) is beat
    elif way == "withdraw":
        assert requests.withdraw(asked) and not requests.withdraw(asked)
        assert requests.withdraw(beat)
    elif way == "abandon":
        assert requests.abandon(asked) and not requests.abandon(asked)
        assert requests.abandon(beat)
    elif way == "drain":
        assert requests.drain() == [asked, beat]
    else:
        assert requests.expired(4.9) == []
        assert requests.expired(5.0) == [asked], "a heartbeat's deadline is judged by what the reader has seen"
        assert requests.withdraw(beat)
    assert (requests.awaited, requests.count(), requests.next_deadline()) == (0, 0, None)
    assert flying(requests) == []


def test_the_next_deadline_is_the_earliest_of_all_that_waits() -> None:
    requests = table(entry(1, deadline=9.0), entry(2, "ping", role=Role.HEARTBEAT, deadline=1.0), entry(3, deadline=4.0))
    requests.unsent[entry(4, deadline=3.0)] = None
    assert requests.next_deadline() == 3.0
    assert [late.request.key for late in requests.expired(3.0)] == [4]
    assert requests.next_deadline() == 4.0
    assert [late.request.key for late in requests.expired(9.0)] == [1, 3]


def test_those_that_wait_for_a_connection_keep_their_order_and_leave_at_once() -> None:
    requests = Requests()
    entries = [entry(number) for number in (3, 1, 2)]
    for each in entries:
        requests.unsent[each] = None
    assert requests.count() == 3 and requests.awaited == 0
    assert requests.take_unsent() == entries
    assert requests.take_unsent() == [] and requests.count() == 0


def test_one_that_waits_for_a_connection_can_be_abandoned_and_is_nobodys_then() -> None:
    requests, waiting = Requests(), entry(1)
    requests.unsent[waiting] = None
    assert requests.abandon(waiting) and waiting.abandoned
    assert not requests.abandon(waiting)
    assert requests.take_late(reply(1)) is None, "it was never written: no answer can come"


# -- too late ----------------------------------------------------------------------------------------


def test_the_answer_to_an_abandoned_request_is_known_and_belongs_to_it_once() -> None:
    given_up = entry(1)
    requests = table(given_up)
    assert requests.abandon(given_up) and given_up.abandoned
    assert requests.knows(1)
    assert requests.take(reply(1)) is None
    assert requests.take_late(reply(1)) is given_up.request
    assert requests.take_late(reply(1)) is None


def test_a_new_connection_knows_of_no_late_answers() -> None:
    given_up = entry(1)
    requests = table(given_up)
    requests.abandon(given_up)
    assert requests.drain() == []
    assert not requests.knows(1) and requests.take_late(reply(1)) is None


def test_so_many_late_answers_are_waited_for_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LATE_KEPT", 3)
    requests = Requests()
    for number in range(5):
        each = entry(number)
        requests.file(each)
        requests.abandon(each)
    assert [requests.knows(number) for number in range(5)] == [False, False, True, True, True]


# -- what a request is about -------------------------------------------------------------------------


@pytest.mark.parametrize("ids, told", [((), None), (("a",), "a"), (("a", "b"), None)])
def test_the_callers_own_id_is_told_where_there_is_one(ids: Tuple[str, ...], told: Optional[str]) -> None:
    assert link_ids(Request(1, "{}", "order", order_link_ids=ids)) == (told, ids)
