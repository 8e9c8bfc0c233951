"""The link: states, lives, and what follows from the end of a connection."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from dbxsdk.errors import AuthError, ClientClosed, ConnectError, ConnectionLost, DbxError, OutcomeUnknown
from dbxsdk.events import Connected, ConnectFailed, Disconnected
from dbxsdk.session.core.backoff import Backoff
from dbxsdk.session.core.effects import Abort, Arm, Changed, End, Fail, Send
from dbxsdk.session.core.link import Life, Link, Verdict
from dbxsdk.session.core.requests import Entry, Role
from dbxsdk.session.core.liveness import Look
from dbxsdk.session.state import State
from tests.session.core.played import BookOf, Played


def link(max_reconnects: Optional[int] = None) -> Link:
    made = Link("venue:1", Backoff(1.0, 30.0, lambda low, high: high), max_reconnects)
    made.began(Life())
    return made


def ready(max_reconnects: Optional[int] = None) -> Link:
    made = link(max_reconnects)
    made.became_ready(100.0)
    return made


def ask(played: Played, deadline: float = 1e6) -> Entry:
    future: Any = object()
    entry = Entry(played.protocol.request("order", None), Role.USER, deadline, future)
    played.do("request", entry)
    return entry


# -- what follows from the end of a connection -------------------------------------------------------


def test_the_first_attempt_that_fails_is_the_end() -> None:
    error = ConnectError("refused")
    assert link().judge("refused", error, False, 101.0) == Verdict(error=error)


def test_an_end_without_an_error_before_it_was_ready_is_a_connect_error() -> None:
    verdict = link().judge("the peer was gone", None, False, 101.0)
    assert isinstance(verdict.error, ConnectError) and "the peer was gone" in str(verdict.error)


def test_once_it_was_ready_it_is_tried_again_and_again() -> None:
    made = ready()
    delays = []
    for _ in range(4):
        delays.append(made.judge("cut", None, False, 100.1).delay)
        made.ready_since = None
    assert delays == [1.0, 2.0, 4.0, 8.0] and made.failed == 3


def test_a_connection_that_lasted_starts_the_delays_over() -> None:
    made = ready()
    made.judge("cut", None, False, 100.1)
    made.became_ready(200.0)
    assert made.judge("cut", None, False, 260.0).delay == 1.0


def test_so_many_attempts_in_a_row_and_no_more() -> None:
    made = ready(max_reconnects=2)
    assert made.judge("cut", None, False, 101.0).delay is not None, "the drop itself is no attempt"
    made.ready_since = None
    assert made.judge("refused", None, False, 102.0).delay is not None
    last = ConnectError("refused again")
    assert made.judge("refused", last, False, 103.0) == Verdict(error=last)


def test_a_key_that_is_refused_for_good_is_the_end() -> None:
    error = AuthError("no such key")
    assert ready().judge("refused", error, True, 101.0) == Verdict(error=error)


def test_a_venue_that_says_when_to_come_back_is_obeyed() -> None:
    assert ready().judge("busy", ConnectError("busy", retry_after=17.0), False, 101.0).delay == 17.0


def test_nothing_follows_where_it_was_told_to_stop() -> None:
    made = ready()
    assert made.life is not None
    made.life.stopped = True
    assert made.judge("closed", None, False, 101.0) == Verdict()


# -- lives -------------------------------------------------------------------------------------------


def test_a_life_that_was_never_ready_leaves_the_client_as_new() -> None:
    made = link()
    life, error = made.life, ConnectError("refused")
    made.ended(error)
    assert (made.state, made.failure, made.life) == (State.NEW, None, None)
    assert life is not None and life.error is error
    made.raise_if_ended()


@pytest.mark.parametrize("error, was_ready", [(ConnectError("gone"), True), (AuthError("no"), False), (AuthError("no"), True)])
def test_a_final_end_is_raised_from_then_on(error: DbxError, was_ready: bool) -> None:
    made = ready() if was_ready else link()
    made.ended(error)
    assert (made.state, made.failure) == (State.FAILED, error)
    for _ in range(2):
        with pytest.raises(type(error)) as caught:
            made.raise_if_ended()
        assert caught.value is not error, "a copy: a traceback must not grow for ever"


def test_an_opening_that_was_abandoned_says_so() -> None:
    made = link()
    life = made.life
    made.ended(None)
    assert life is not None and "abandoned" in str(life.error)
    assert made.state is State.NEW


def test_a_closed_client_stays_closed() -> None:
    made = ready()
    made.state = State.CLOSED
    made.ended(ConnectError("cut"))
    assert made.state is State.CLOSED and made.failure is None
    with pytest.raises(ClientClosed):
        made.raise_if_ended()


def test_reconnects_are_counted_from_the_second_connection_on() -> None:
    made = ready()
    assert made.reconnects == 0
    made.became_ready(200.0)
    made.became_ready(300.0)
    assert made.reconnects == 2


@pytest.mark.parametrize("state, then", [(State.READY, State.NEW), (State.CONNECTING, State.NEW), (State.CLOSED, State.CLOSED)])
def test_a_forked_child_has_no_connection_and_no_threads(state: State, then: State) -> None:
    made = ready()
    made.connected, made.state = True, state
    made.forget_life()
    assert (made.state, made.life, made.connected, made.ready_since) == (then, None, False, None)


# -- by the machine's steps --------------------------------------------------------------------------


def test_from_opening_to_ready() -> None:
    played = Played()
    played.do("begin", Life())
    assert played.machine.link.state is State.CONNECTING
    assert played.do("connecting", played.now) and played.of(Arm)
    played.do("opened", (), played.now)
    assert played.machine.link.ready and played.events == [Connected(0, client="client")]
    assert played.of(Changed)


def test_the_steps_of_a_login_go_out_one_after_the_other() -> None:
    played = Played()
    first, second, third = (played.protocol.request(name, None) for name in ("one", "two", "three"))
    played.connect([first, second])
    assert [entry.request for entry in played.sent] == [first]
    entry, late = played.answer(played.sent[-1])
    assert entry is played.sent[-1] and late is None, "the driver reads it"
    played.do("login_answered", [third], played.now)
    assert [entry.request for entry in played.sent] == [first, second] and not played.machine.link.ready
    played.answer(played.sent[-1])
    played.do("login_answered", [], played.now)
    assert played.sent[-1].request is third
    played.answer(played.sent[-1])
    played.do("login_answered", [], played.now)
    assert played.machine.link.ready


def test_a_login_that_is_not_answered_ends_the_connection() -> None:
    played = Played(request_timeout=5.0)
    played.connect([played.protocol.request("login", None)])
    played.now += 5.0
    played.do("tick", played.now, None)
    assert played.of(Abort)


def test_a_refused_login_is_what_the_client_ends_with() -> None:
    played = Played()
    played.connect([played.protocol.request("login", None)])
    error = AuthError("no such key")
    played.do("login_failed", error)
    assert played.of(Abort) and played.machine.login_error is error


def test_a_signer_that_raises_is_told_without_its_words() -> None:
    played = Played()
    played.connect()
    played.do("login_failed", RuntimeError("secret"))
    told = played.machine.login_error
    assert isinstance(told, ConnectError) and "secret" not in str(told)
    assert isinstance(told.__cause__, RuntimeError)


def test_what_was_asked_before_it_was_ready_goes_out_when_it_is() -> None:
    played = Played()
    entry = ask(played)
    assert not played.sent and played.of(Arm)
    played.connect()
    assert [send.entry for send in played.of(Send)] == [entry]


def test_at_a_loss_the_unwritten_wait_and_the_written_are_lost() -> None:
    played = Played().ready()
    written, unwritten = ask(played), ask(played)
    unwritten.written = False
    played.do("lost", "cut", played.now)
    (fail,) = played.of(Fail)
    assert fail.entry is written and isinstance(fail.if_written, ConnectionLost)
    later = ask(played)
    played.connect()
    assert [send.entry for send in played.of(Send)] == [unwritten, later], "in the order in which they were asked"


def test_a_drop_is_told_with_the_next_try_and_a_failed_try_otherwise() -> None:
    played = Played().ready()
    played.do("lost", "cut", played.now, code=1006)
    assert played.events == [Disconnected("cut", 1006, 1.0, client="client")]
    played.do("connecting", played.now)
    played.do("lost", "refused", played.now, error=ConnectError("refused"))
    assert played.events == [ConnectFailed("refused", 1, 2.0, client="client")]


def test_close_ends_all_and_what_comes_then_is_nothing() -> None:
    played, book = Played().ready(), BookOf()
    played.subscribed("a", sink=book)
    written, unwritten = ask(played), ask(played)
    unwritten.written = False
    played.do("close")
    fails = {fail.entry: fail for fail in played.of(Fail)}
    assert set(fails) == {written, unwritten}
    assert isinstance(fails[written].if_written, ConnectionLost)
    assert isinstance(fails[unwritten].if_unwritten, ClientClosed)
    assert not isinstance(fails[unwritten].if_unwritten, OutcomeUnknown)
    assert [end.subscription.sink for end in played.of(End)] == [book]
    with pytest.raises(ClientClosed):
        ask(played)
    played.do("tick", played.now, None)
    assert not played.of(Send) and not played.events


def test_the_death_of_a_thread_fails_the_client() -> None:
    played, book = Played().ready(), BookOf()
    played.subscribed("a", sink=book)
    entry = ask(played)
    error = DbxError("unexpected error in the reader thread")
    played.do("failed", error)
    assert played.machine.link.state is State.FAILED
    (fail,) = played.of(Fail)
    assert fail.entry is entry and isinstance(fail.if_written, ConnectionLost) and fail.if_unwritten is not None
    assert [end.error for end in played.of(End)] == [error] and played.of(Abort)
    played.do("failed", DbxError("another"))
    assert played.machine.link.failure is error, "the first says it"


def test_an_opening_that_takes_too_long_is_ended() -> None:
    played = Played(connect_timeout=2.0, request_timeout=3.0)
    played.do("begin", Life())
    played.do("connecting", played.now)
    nothing = Look(0.0, played.now, None, None)
    played.do("tick", played.now + 6.9, nothing)
    assert not played.of(Abort)
    played.do("tick", played.now + 7.0, nothing)
    assert played.of(Abort)


def test_no_connection_is_made_once_it_was_told_to_stop() -> None:
    played = Played()
    life = Life()
    played.do("begin", life)
    life.stopped = True
    assert not played.do("connecting", played.now)
    assert not played.machine.link.connected
