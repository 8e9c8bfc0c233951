"""The table of wanted topics: what users wish for, and what the venue has said on this connection."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from dbxsdk.errors import SubscribeError
from dbxsdk.protocol import Acknowledgement
from dbxsdk.session.topics import Status, Waiter, WantedTopics


class Wish:
    """In place of a ``Subscription``."""

    queue = None

    def __init__(self, max_silence: Optional[float] = None) -> None:
        self.max_silence = max_silence
        self.raw = False


def add(table: WantedTopics, *names: str, wish: Any = None) -> Tuple[Any, Waiter]:
    wish, waiter = wish or Wish(), Waiter(names)
    table.add(names, wish, waiter, 0.0)
    return wish, waiter


def live(table: WantedTopics, *names: str) -> Any:
    """Topics that the venue has acknowledged."""
    wish, _ = add(table, *names)
    table.to_ask()
    table.acknowledged(Acknowledgement(accepted=names), 1.0)
    return wish


def refusal(name: str) -> Acknowledgement:
    return Acknowledgement(refused={name: SubscribeError("no", topics=(name,))})


def status(table: WantedTopics, name: str) -> Optional[Status]:
    topic = table.get(name)
    return None if topic is None else topic.status


def test_asked_once_and_live_when_acknowledged() -> None:
    table = WantedTopics(lambda topic: False)
    _, waiter = add(table, "a", "b")
    assert (table.to_ask(), waiter.sent) == (["a", "b"], True)
    assert table.to_ask() == []
    assert table.acknowledged(Acknowledgement(accepted=("a",)), 5.0) == {}
    assert waiter.undecided == {"b"}
    table.acknowledged(Acknowledgement(accepted=("b",)), 5.0)
    assert (waiter.undecided, waiter.refused) == (set(), {})
    assert table.live() == table.established() == table.names() == ("a", "b")


def test_a_second_wish_for_a_live_topic_needs_no_request() -> None:
    table = WantedTopics(lambda topic: False)
    live(table, "a")
    _, waiter = add(table, "a")
    assert waiter.undecided == set()
    assert table.to_ask() == []


def test_a_second_wish_for_a_topic_under_way_waits_for_the_same_answer() -> None:
    table = WantedTopics(lambda topic: False)
    _, first = add(table, "a")
    table.to_ask()
    _, second = add(table, "a")
    assert table.to_ask() == []
    assert second.sent, "the request that it waits for is on the wire"
    table.acknowledged(Acknowledgement(accepted=("a",)), 1.0)
    assert first.undecided == second.undecided == set()


def test_a_refused_topic_is_forgotten_with_those_who_waited_told() -> None:
    table = WantedTopics(lambda topic: False)
    _, waiter = add(table, "a", "b")
    table.to_ask()
    assert table.acknowledged(refusal("a"), 1.0) == {}
    assert list(waiter.refused) == ["a"]
    assert (table.names(), status(table, "a")) == (("b",), None)


def test_a_refusal_after_a_reconnect_keeps_the_wish_for_the_next_connection() -> None:
    table = WantedTopics(lambda topic: False)
    live(table, "a")
    table.disconnected()
    assert table.to_ask() == ["a"]
    assert list(table.acknowledged(refusal("a"), 2.0)) == ["a"]
    assert status(table, "a") is Status.REFUSED
    assert table.to_ask() == [], "not again on this connection"
    table.disconnected()
    assert table.to_ask() == ["a"]


def test_somebody_new_may_ask_again_for_a_refused_topic() -> None:
    table = WantedTopics(lambda topic: False)
    live(table, "a")
    table.disconnected()
    table.to_ask()
    table.acknowledged(refusal("a"), 2.0)
    _, waiter = add(table, "a")
    assert table.to_ask() == ["a"]
    table.acknowledged(Acknowledgement(accepted=("a",)), 3.0)
    assert waiter.undecided == set()
    assert status(table, "a") is Status.LIVE


def test_left_with_the_last_who_wants_it() -> None:
    table = WantedTopics(lambda topic: False)
    first = live(table, "a")
    second, _ = add(table, "a")
    table.remove(["a"], first)
    assert table.unwanted() == []
    table.remove(["a"], second)
    assert table.unwanted() == ["a"]
    assert table.unwanted() == [], "one request is enough"
    table.left(["a"])
    assert status(table, "a") is None


def test_unsubscribed_while_asked_is_left_once_acknowledged() -> None:
    table = WantedTopics(lambda topic: False)
    wish, waiter = add(table, "a")
    table.to_ask()
    table.forget_waiter(waiter)
    table.remove(["a"], wish)
    assert table.unwanted() == []
    table.acknowledged(Acknowledgement(accepted=("a",)), 1.0)
    assert table.unwanted() == ["a"]


def test_wished_for_again_while_asked_or_leaving() -> None:
    table = WantedTopics(lambda topic: False)
    wish, _ = add(table, "a")
    table.to_ask()
    table.remove(["a"], wish)
    _, waiter = add(table, "a")
    table.acknowledged(Acknowledgement(accepted=("a",)), 1.0)
    assert (table.unwanted(), waiter.undecided) == ([], set())

    wish = live(table, "b")
    table.remove(["b"], wish)
    assert table.unwanted() == ["b"]
    _, waiter = add(table, "b")
    table.left(["b"])
    assert (table.to_ask(), waiter.sent) == (["b"], True)


def test_never_sent_and_not_wanted_any_more_leaves_nothing() -> None:
    table = WantedTopics(lambda topic: False)
    wish, _ = add(table, "a")
    table.remove(["a"], wish)
    assert (table.to_ask(), table.unwanted(), status(table, "a")) == ([], [], None)


def test_an_unanswered_request() -> None:
    table = WantedTopics(lambda topic: False)
    wish, waiter = add(table, "new")
    table.to_ask()
    assert table.unanswered(["new"]) is False
    assert status(table, "new") is Status.WANTED
    live(table, "old")
    table.disconnected()
    table.to_ask()
    assert table.unanswered(["new", "old"]) is True, "its updates do not flow any more, and nobody would notice"
    table.remove(["new"], wish)
    assert status(table, "new") is None


def test_a_late_acknowledgement_of_what_was_given_up_changes_nothing() -> None:
    table = WantedTopics(lambda topic: False)
    wish, _ = add(table, "a")
    table.to_ask()
    table.unanswered(["a"])
    table.remove(["a"], wish)
    assert table.acknowledged(Acknowledgement(accepted=("a", "never")), 1.0) == {}
    assert table.names() == table.live() == ()


def test_the_strictest_wish_for_silence_counts() -> None:
    table = WantedTopics(lambda topic: False)
    strict, relaxed = Wish(1.0), Wish(5.0)
    add(table, "a", wish=relaxed)
    add(table, "a", wish=strict)
    topic = table.get("a")
    assert topic is not None and topic.max_silence == 1.0
    assert table.watched() == [], "not before it is live"
    table.to_ask()
    table.acknowledged(Acknowledgement(accepted=("a",)), 7.0)
    assert table.watched() == [topic] and topic.updated_at == 7.0
    table.remove(["a"], strict)
    assert topic.max_silence == 5.0


def test_the_drop_of_a_connection_keeps_wishes_and_forgets_the_rest() -> None:
    table = WantedTopics(lambda topic: False)
    kept = live(table, "kept")
    gone = live(table, "leaving")
    table.remove(["leaving"], gone)
    table.unwanted()
    table.disconnected()
    assert (table.names(), table.live(), status(table, "leaving")) == (("kept",), (), None)
    table.remove(["kept"], kept)
    assert table.names() == ()


def test_raw_topics_are_those_that_everybody_takes_raw_and_by_callback() -> None:
    table = WantedTopics(lambda topic: topic == "stateful")
    raw, typed, watched = Wish(), Wish(), Wish(max_silence=1.0)
    raw.raw = watched.raw = True
    add(table, "a", "b", "stateful", wish=raw)
    add(table, "b", wish=typed)
    add(table, "c", wish=watched)
    assert set(table.raw) == {"a"}
    table.remove(("b",), typed)  # type: ignore[arg-type]
    assert table.raw == {"a": (raw,), "b": (raw,)}
    table.to_ask()
    table.acknowledged(Acknowledgement(("b",), {"a": SubscribeError("no", topics=("a",))}), 0.0)
    assert set(table.raw) == {"b"}, "a refused one is nobody's"
