"""The table of topics: what users want, what the venue has said on this connection, and which holes that leaves."""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

import pytest

from dbxsdk.errors import SubscribeError
from dbxsdk.events import Gap
from dbxsdk.protocol import Acknowledgement
from dbxsdk.session.core.effects import Effect, Live, Stale
from dbxsdk.session.core.requests import Role
from dbxsdk.session.core.topics import Hole, Status, Topics, Waiter
from dbxsdk.session.subscription import Subscription
from tests.session.core.played import BookOf, Played

HOLE = Hole(10.0, 1_000)


class Table(Topics):
    """With the effects that it left, and what ``Subscribing`` does with it in a few words."""

    def __init__(self, *stateful: str) -> None:
        self.left_behind: List[Effect] = []
        super().__init__(lambda topic: topic in stateful, self.left_behind.append)

    def want(self, *names: str, **options: Any) -> Tuple[Subscription, Waiter]:
        owner: Any = None
        subscription, waiter = Subscription(owner, "channel", names, print, **options), Waiter(names)
        self.add(names, subscription, waiter, 0.0)
        return subscription, waiter

    def live_now(self, *names: str, **options: Any) -> Subscription:
        """Topics that the venue has acknowledged."""
        subscription, _ = self.want(*names, **options)
        self.take_unasked()
        self.grant(*names)
        return subscription

    def grant(self, *names: str, now: float = 1.0) -> None:
        assert self.acknowledge(Acknowledgement(accepted=names), now, HOLE) == {}

    def refuse(self, *names: str) -> List[str]:
        refused = {name: SubscribeError("no", topics=(name,)) for name in names}
        return list(self.acknowledge(Acknowledgement(refused=refused), 1.0, HOLE))

    def status(self, name: str) -> Optional[Status]:
        topic = self.get(name)
        return None if topic is None else topic.status

    def take_effects(self) -> List[Effect]:
        effects = list(self.left_behind)
        self.left_behind.clear()
        return effects


# -- what users want, and what is asked --------------------------------------------------------------


def test_asked_once_and_live_when_acknowledged() -> None:
    table = Table()
    _, waiter = table.want("a", "b")
    assert (table.take_unasked(), waiter.sent) == (["a", "b"], True)
    assert table.take_unasked() == []
    table.grant("a")
    assert waiter.undecided == {"b"}
    table.grant("b")
    assert (waiter.undecided, waiter.refused) == (set(), {})
    assert table.live() == table.names() == ("a", "b")


def test_a_second_subscription_to_a_live_topic_needs_no_request() -> None:
    table = Table()
    table.live_now("a")
    _, waiter = table.want("a")
    assert waiter.undecided == set()
    assert table.take_unasked() == []


def test_a_second_subscription_to_a_topic_under_way_waits_for_the_same_answer() -> None:
    table = Table()
    _, first = table.want("a")
    table.take_unasked()
    _, second = table.want("a")
    assert table.take_unasked() == []
    assert second.sent, "the request that it waits for is on the wire"
    table.grant("a")
    assert first.undecided == second.undecided == set()


def test_a_refused_topic_is_forgotten_with_those_who_waited_told() -> None:
    table = Table()
    _, waiter = table.want("a", "b")
    table.take_unasked()
    assert table.refuse("a") == []
    assert list(waiter.refused) == ["a"]
    assert (table.names(), table.status("a")) == (("b",), None)


def test_a_refusal_after_a_reconnect_keeps_the_topic_for_the_next_connection() -> None:
    table = Table()
    table.live_now("a")
    table.disconnected(HOLE, "cut")
    assert table.take_unasked() == ["a"]
    assert table.refuse("a") == ["a"]
    assert table.status("a") is Status.REFUSED
    assert table.take_unasked() == [], "not again on this connection"
    table.disconnected(HOLE, "cut")
    assert table.take_unasked() == ["a"]


def test_somebody_new_may_ask_again_for_a_refused_topic() -> None:
    table = Table()
    table.live_now("a")
    table.disconnected(HOLE, "cut")
    table.take_unasked()
    table.refuse("a")
    _, waiter = table.want("a")
    assert table.take_unasked() == ["a"]
    table.grant("a")
    assert waiter.undecided == set()
    assert table.status("a") is Status.LIVE


def test_left_with_the_last_who_wants_it() -> None:
    table = Table()
    first = table.live_now("a")
    second, _ = table.want("a")
    table.remove(["a"], first)
    assert table.take_unwanted() == []
    table.remove(["a"], second)
    assert table.take_unwanted() == ["a"]
    assert table.take_unwanted() == [], "one request is enough"
    table.left(["a"])
    assert table.status("a") is None


def test_unsubscribed_while_asked_is_left_once_acknowledged() -> None:
    table = Table()
    subscription, waiter = table.want("a")
    table.take_unasked()
    table.forget_waiter(waiter)
    table.remove(["a"], subscription)
    assert table.take_unwanted() == []
    table.grant("a")
    assert table.take_unwanted() == ["a"]


def test_wanted_again_while_asked() -> None:
    table = Table()
    subscription, _ = table.want("a")
    table.take_unasked()
    table.remove(["a"], subscription)
    _, waiter = table.want("a")
    table.grant("a")
    assert (table.take_unwanted(), waiter.undecided) == ([], set())


def test_wanted_again_while_leaving_is_asked_for_once_that_was_answered() -> None:
    table = Table()
    subscription = table.live_now("a")
    table.remove(["a"], subscription)
    assert table.take_unwanted() == ["a"]
    _, waiter = table.want("a")
    assert waiter.leaving and not waiter.sent and table.take_unasked() == []
    table.left(["a"])
    assert (table.take_unasked(), waiter.sent) == (["a"], True)


def test_never_sent_and_not_wanted_any_more_leaves_nothing() -> None:
    table = Table()
    subscription, _ = table.want("a")
    table.remove(["a"], subscription)
    assert (table.take_unasked(), table.take_unwanted(), table.status("a")) == ([], [], None)


def test_an_unanswered_request_leaves_what_is_wanted_to_be_asked_again() -> None:
    table = Table()
    subscription, _ = table.want("new")
    table.take_unasked()
    assert table.unanswered(["new"], HOLE) is False
    assert table.status("new") is Status.WANTED
    table.live_now("old")
    table.disconnected(HOLE, "cut")
    table.take_unasked()
    assert table.unanswered(["new", "old"], HOLE) is True, "its updates do not flow any more, and nobody would notice"
    table.remove(["new"], subscription)
    assert table.status("new") is None


def test_a_late_acknowledgement_of_what_was_given_up_changes_nothing() -> None:
    table = Table()
    subscription, _ = table.want("a")
    table.take_unasked()
    table.unanswered(["a"], HOLE)
    table.remove(["a"], subscription)
    table.grant("a", "never")
    assert table.names() == table.live() == ()


def test_the_drop_of_a_connection_keeps_what_is_wanted_and_forgets_the_rest() -> None:
    table = Table()
    kept, gone = table.live_now("kept"), table.live_now("leaving")
    table.remove(["leaving"], gone)
    table.take_unwanted()
    table.disconnected(HOLE, "cut")
    assert (table.names(), table.live(), table.status("leaving")) == (("kept",), (), None)
    table.remove(["kept"], kept)
    assert table.names() == ()


def test_what_an_answer_drops_is_not_live_until_an_answer_accepts_it() -> None:
    table = Table()
    table.live_now("a")
    table.want("b")
    table.take_unasked()
    table.acknowledge(Acknowledgement(accepted=("b",), dropped=("a",)), 1.0, HOLE)
    assert (table.status("a"), table.status("b")) == (Status.ASKED, Status.LIVE)
    table.grant("a")
    assert table.status("a") is Status.LIVE


# -- epochs and sinks --------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["disconnected", "renewed", "doubted", "refused", "unwanted"])
def test_the_epoch_grows_whenever_a_topic_leaves_live(way: str) -> None:
    table = Table()
    subscription = table.live_now("a")
    topic = table.get("a")
    assert topic is not None and (topic.epoch, topic.present) == (1, 1)
    if way == "disconnected":
        table.disconnected(HOLE, "cut")
    elif way == "renewed":
        assert table.renew(["a", "unknown"], HOLE) == ["a"]
    elif way == "doubted":
        table.interrupt(["a"], HOLE, "the venue may have ended it")
    elif way == "refused":
        table.refuse("a")
    else:
        table.remove(["a"], subscription)
        table.take_unwanted()
    assert topic.epoch == 2
    assert topic.present == (2 if topic.status is Status.ASKED and way != "doubted" else topic.present)


def test_updates_of_a_topic_that_is_not_asked_for_belong_to_no_epoch() -> None:
    table = Table()
    table.want("a")
    topic = table.get("a")
    assert topic is not None and topic.present == 0
    table.live_now("a")
    assert topic.present == 1
    table.renew(["a"], HOLE)
    assert (topic.status, topic.present) == (Status.LEAVING, 0)


def test_a_sink_is_told_when_its_topic_is_live_and_when_it_is_not() -> None:
    table, book = Table(), BookOf()
    table.want("a", sink=book)
    assert [type(effect) for effect in table.take_effects()] == [Stale]
    table.take_unasked()
    table.grant("a")
    assert table.take_effects() == [Live(book, 1)]
    table.disconnected(HOLE, "the cable was cut")
    (stale,) = table.take_effects()
    assert isinstance(stale, Stale) and (stale.epoch, stale.reason, stale.renewed) == (2, "the cable was cut", False)
    table.take_unasked()
    table.grant("a")
    assert table.take_effects() == [Live(book, 2)]
    table.renew(["a"], HOLE)
    (stale,) = table.take_effects()
    assert isinstance(stale, Stale) and stale.epoch == 3 and stale.renewed, "a whole book was asked for"


def test_a_sink_of_a_live_topic_is_told_so_at_once() -> None:
    table, book = Table(), BookOf()
    table.live_now("a")
    table.want("a", sink=book)
    assert table.take_effects() == [Live(book, 1)]


def test_each_sink_and_each_subscription_is_named_once() -> None:
    table, book = Table(), BookOf()
    subscription = table.live_now("a", "b", sink=book)
    assert table.sinks() == [book] and table.subscriptions() == [subscription]


# -- silence, and the short way ----------------------------------------------------------------------


def test_the_strictest_limit_to_silence_counts() -> None:
    table = Table()
    table.want("a", max_silence=5.0)
    strict, _ = table.want("a", max_silence=1.0)
    topic = table.get("a")
    assert topic is not None and topic.max_silence == 1.0
    assert table.watched() == [], "not before it is live"
    table.take_unasked()
    table.grant("a", now=7.0)
    assert table.watched() == [topic] and topic.updated_at == 7.0
    table.remove(["a"], strict)
    assert topic.max_silence == 5.0


def test_the_strongest_action_upon_silence_counts() -> None:
    table = Table()
    table.want("a", max_silence=5.0)
    topic = table.get("a")
    assert topic is not None and topic.on_silence == "tell"
    table.want("a", max_silence=9.0, on_silence="reconnect")
    table.want("a", max_silence=1.0, on_silence="resubscribe")
    table.want("a", on_silence="reconnect")  # without a limit it says nothing
    assert topic.on_silence == "reconnect"


def test_raw_topics_are_those_that_everybody_takes_raw_and_by_callback() -> None:
    table = Table("stateful")
    raw, _ = table.want("a", "b", "stateful", raw=True)
    typed, _ = table.want("b")
    table.want("c", raw=True, max_silence=1.0)
    table.want("d", raw=True, sink=BookOf())
    queue: Any = object()
    table.want("e", raw=True, queue=queue)
    table.want("f", raw=True)
    table.take_unasked()
    assert table.raw == {}, "before its answer it may be an earlier subscription's"
    for name in ("a", "b", "c", "d", "e", "stateful"):
        table.grant(name)
    assert set(table.raw) == {"a"}
    table.remove(["b"], typed)
    assert table.raw == {"a": (raw,), "b": (raw,)}
    table.refuse("f")
    assert set(table.raw) == {"a", "b"}, "a refused one is nobody's"


def test_a_topic_with_a_hole_takes_the_long_way_until_its_gap() -> None:
    played = Played().ready()
    subscription = played.subscribed("a", raw=True)
    short_way = played.machine.topics.raw
    assert short_way == {"a": (subscription,)}
    again(played)
    assert short_way == {}
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    assert gaps(played) and short_way == {"a": (subscription,)}


# -- holes: by the machine's steps, which say when they are closed -----------------------------------


def gaps(played: Played) -> List[Gap]:
    return [event for event in played.events if isinstance(event, Gap)]


def again(played: Played, away: float = 5.0) -> Played:
    """The connection is lost, and another is ready so many seconds later."""
    played.hear()
    played.do("lost", "cut", played.now, last_received=played.now)
    played.now += away
    played.connect()
    return played


def test_the_first_subscription_leaves_no_hole() -> None:
    played = Played().ready()
    played.subscribed("a", "b")
    played.update("a")
    assert gaps(played) == []


def test_a_gap_is_told_at_the_last_answer_where_no_update_came_first() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.subscribed("b")
    before = played.now
    again(played)
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    assert gaps(played) == [Gap(("a", "b"), 5.0, round(before * 1e9), client="client")]
    played.update("a")
    assert gaps(played) == [], "once"


def test_a_gap_is_told_before_the_first_update_where_that_comes_first() -> None:
    played = Played().ready()
    played.subscribed("a")
    again(played)
    played.update("a")
    assert [gap.topics for gap in gaps(played)] == [("a",)]
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    assert gaps(played) == []


def test_topics_that_are_asked_for_again_are_waited_for() -> None:
    played = Played().ready()
    played.subscribed("a", "b")
    again(played)
    (both,) = played.flying(Role.SUBSCRIBE)
    played.answer(both, no="one of them is unknown")  # they are asked for one by one
    first, second = played.flying(Role.SUBSCRIBE)
    played.answer(first)
    assert gaps(played) == [], "the other is on its way"
    played.answer(second)
    assert [gap.topics for gap in gaps(played)] == [("a", "b")]


def test_several_drops_before_a_gap_was_told_are_one_gap_from_the_first() -> None:
    played = Played().ready()
    played.subscribed("a")
    before = played.now
    again(played, away=2.0)
    again(played, away=3.0)
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    assert gaps(played) == [Gap(("a",), 5.0, round(before * 1e9), client="client")]


def test_a_refused_topic_keeps_its_hole_until_a_later_connection_has_it() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.subscribed("b")
    before = played.now
    again(played)
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request, refused=["a"])
    assert [gap.topics for gap in gaps(played)] == [("b",)]
    again(played)
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    told = {gap.topics: gap.seconds for gap in gaps(played)}
    assert told == {("a",): 10.0, ("b",): 5.0}
    assert {gap.last_received_ns for gap in gaps(played) if gap.topics == ("a",)} == {round(before * 1e9)}


def test_a_renewed_topic_has_a_gap_of_its_own() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.subscribed("b")
    played.now += 1.0
    played.do("renew", ("a",), played.now)
    (leave,) = played.flying(Role.UNSUBSCRIBE)
    played.answer(leave)
    played.now += 1.0
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    assert [gap.topics for gap in gaps(played)] == [("a",)]


def test_nothing_subscribed_leaves_no_hole_behind() -> None:
    played = Played().ready()
    again(played, away=40.0)
    played.subscribed("a")
    again(played, away=1.0)
    (request,) = played.flying(Role.SUBSCRIBE)
    played.answer(request)
    assert [gap.seconds for gap in gaps(played)] == [1.0]


def test_whoever_wants_a_topic_anew_has_missed_nothing() -> None:
    played = Played().ready()
    subscription = played.subscribed("a")
    played.hear()
    played.do("lost", "cut", played.now)
    played.do("unwant", subscription, subscription.topics, played.now)
    played.connect()
    played.subscribed("a")
    played.update("a")
    assert gaps(played) == []


def test_the_queue_that_was_full_says_since_when_updates_are_missing() -> None:
    played = Played().ready()
    played.subscribed("a")
    played.machine.cut = Hole(played.now - 2.0, 7)
    again(played)
    played.update("a")
    assert gaps(played) == [Gap(("a",), 7.0, 7, client="client")]
