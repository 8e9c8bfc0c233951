"""The queue between the reader and user code: order, bounds, and every overflow policy with exact counts."""

from __future__ import annotations

import gc
import itertools
import threading
from random import Random
from typing import Any, List

import pytest

from dbxsdk.errors import ProtocolError
from dbxsdk.events import BadFrame, Connected, Dropped, Gap
from dbxsdk.session.delivery.queue import Delivery, Room, UpdateQueue
from tests.waiting import Background, eventually


class Wish:
    """Stands in for a subscription."""

    overflow = ""


ANYBODY: Any = Wish()
_orders = itertools.count(1)


LARGE = 1 << 20


def delivery(number: Any, topic: str = "t", subscription: Any = ANYBODY, size: int = 1) -> Delivery:
    return subscription, topic, number, next(_orders), size


def put(queue: UpdateQueue, item: Delivery, policy: str) -> Room:
    item[0].overflow = policy
    queue.lossy = queue.lossy or policy in ("drop_oldest", "latest")
    return queue.put([item])


def numbers(queue: UpdateQueue) -> List[Any]:
    """What is queued: the updates' numbers, and events as they are."""
    taken: List[Any] = []
    while True:
        item = queue.get(timeout=0.0)
        if item is None:
            return taken
        taken.append(item[2] if isinstance(item, tuple) else item)


def filled(size: int, policy: str, count: int) -> UpdateQueue:
    queue = UpdateQueue(size, LARGE)
    for number in range(count):
        put(queue, delivery(number), policy)
    return queue


@pytest.mark.parametrize("policy", ["block", "drop_oldest", "disconnect"])
def test_order_is_kept(policy: str) -> None:
    queue = filled(10, policy, 10)
    assert len(queue) == 10
    assert numbers(queue) == list(range(10))
    assert (len(queue), queue.total_dropped) == (0, 0)


def test_drop_oldest_keeps_the_newest_and_tells_how_many_went_first() -> None:
    queue = filled(3, "drop_oldest", 8)
    assert len(queue) == 3
    assert queue.total_dropped == 5
    assert numbers(queue) == [Dropped("t", 5), 5, 6, 7]


def test_dropped_counts_start_afresh_once_told_and_are_per_topic() -> None:
    queue = UpdateQueue(1, LARGE)
    for number in range(3):
        put(queue, delivery(number, "a"), "drop_oldest")
    put(queue, delivery(9, "b"), "drop_oldest")
    assert numbers(queue) == [Dropped("a", 3), 9]
    put(queue, delivery(10, "b"), "drop_oldest")
    put(queue, delivery(11, "b"), "drop_oldest")
    assert numbers(queue) == [Dropped("b", 1), 11]
    assert queue.total_dropped == 4


def test_latest_holds_one_update_a_topic() -> None:
    queue = UpdateQueue(1, LARGE)
    for number in range(4):
        put(queue, delivery(number, "a"), "latest")
        put(queue, delivery(10 + number, "b"), "latest")
    assert len(queue) == 2
    assert queue.total_dropped == 6
    assert numbers(queue) == [Dropped("a", 3), Dropped("b", 3), 3, 13]


def test_latest_keeps_its_place_so_that_a_busy_topic_is_not_passed_over_for_ever() -> None:
    queue = UpdateQueue(1, LARGE)
    put(queue, delivery(1, "busy"), "latest")
    put(queue, delivery(2, "calm"), "latest")
    put(queue, delivery(3, "busy"), "latest")
    assert numbers(queue) == [Dropped("busy", 1), 3, 2]


def test_latest_is_held_for_each_subscription() -> None:
    queue = UpdateQueue(1, LARGE)
    first, second = Wish(), Wish()
    put(queue, delivery(1, "a", first), "latest")
    put(queue, delivery(1, "a", second), "latest")
    assert numbers(queue) == [1, 1]


def test_latest_never_carries_an_update_across_a_gap_that_came_before_it() -> None:
    queue = UpdateQueue(5, LARGE)
    gap = Gap(("a",), 1.0, 0)
    put(queue, delivery(1, "a"), "latest")
    queue.put_event(gap)
    put(queue, delivery(2, "a"), "latest")
    assert numbers(queue) == [Dropped("a", 1), gap, 2]
    assert len(queue) == 0


def test_disconnect_refuses_what_finds_no_room() -> None:
    queue = UpdateQueue(2, LARGE)
    assert put(queue, delivery(0), "disconnect") is Room.ENOUGH
    assert put(queue, delivery(1), "disconnect") is Room.ENOUGH
    assert put(queue, delivery(2), "disconnect") is Room.REFUSED
    assert queue.total_dropped == 1
    assert numbers(queue) == [0, 1, Dropped("t", 1)], "what is missing lies behind what was taken in"
    assert put(queue, delivery(3), "disconnect") is Room.ENOUGH
    assert numbers(queue) == [3]


def test_what_is_refused_is_counted_by_topic_and_in_its_place() -> None:
    queue = UpdateQueue(1, LARGE, client="mine")
    put(queue, delivery(0), "disconnect")
    for topic in ("t", "t", "u", "t"):
        assert put(queue, delivery(9, topic), "disconnect") is Room.REFUSED
    assert queue.total_dropped == 4
    told = numbers(queue)
    assert told == [0, Dropped("t", 2), Dropped("u", 1), Dropped("t", 1)]
    assert {event.client for event in told[1:]} == {"mine"}


def test_of_one_read_as_much_is_taken_in_as_there_is_room_for() -> None:
    queue = UpdateQueue(3, LARGE)
    ANYBODY.overflow = "disconnect"
    assert queue.put([delivery(number) for number in range(5)]) is Room.REFUSED
    assert numbers(queue) == [0, 1, 2, Dropped("t", 2)]


def test_events_lie_between_the_updates_that_came_before_and_after_them() -> None:
    queue = UpdateQueue(10, LARGE)
    put(queue, delivery(1), "block")
    put(queue, delivery(2), "drop_oldest")
    queue.put_event(Connected(1))
    put(queue, delivery(3), "latest")
    put(queue, delivery(4), "block")
    assert numbers(queue) == [1, 2, Connected(1), 3, 4]


def test_events_find_room_in_a_full_queue() -> None:
    queue = filled(2, "disconnect", 2)
    queue.put_event(Connected(0))
    assert numbers(queue) == [0, 1, Connected(0)]


def test_bad_frames_without_end_do_not_fill_the_memory() -> None:
    queue = UpdateQueue(3, LARGE)
    for _ in range(10):
        queue.put_event(BadFrame(ProtocolError("bad")))
    queue.put_event(Connected(0))
    told = numbers(queue)
    assert len(told) == 4
    assert told[-1] == Connected(0), "events of other kinds are never left out"


def test_block_stands_still_until_there_is_room() -> None:
    queue = filled(2, "block", 2)
    held = Background(put, queue, delivery(2), "block")
    eventually(lambda: queue.holding)
    first = queue.get(timeout=0.0)
    assert isinstance(first, tuple) and first[2] == 0
    assert held.result() is Room.ENOUGH
    assert not queue.holding
    assert numbers(queue) == [1, 2]
    assert queue.total_dropped == 0


def test_block_goes_on_at_once_when_somebody_begins_to_wait_for_an_answer() -> None:
    waiting = threading.Event()
    queue = UpdateQueue(2, LARGE, lambda queue, stalled: waiting.is_set())
    put(queue, delivery(0), "block")
    put(queue, delivery(1), "block")
    held = Background(put, queue, delivery(2), "block")
    eventually(lambda: queue.holding)
    waiting.set()
    queue.poke()
    assert held.result(timeout=0.5) is Room.ENOUGH
    assert numbers(queue) == [0, 1, 2] and queue.total_dropped == 0, "nothing is lost, the queue grows"


def test_the_queue_that_must_flow_grows_to_twice_its_size_and_no_further() -> None:
    queue = UpdateQueue(3, LARGE, lambda queue, stalled: True)
    outcomes = [put(queue, delivery(number), "block") for number in range(8)]
    assert outcomes == [Room.ENOUGH] * 5 + [Room.FULL] + [Room.REFUSED] * 2
    assert len(queue) == 6 and queue.total_dropped == 2
    assert numbers(queue) == [*range(6), Dropped("t", 2)]
    assert put(queue, delivery(9), "block") is Room.ENOUGH


def test_what_the_same_read_brought_may_pass_the_ceiling() -> None:
    """The connection ends with the read that has reached it: none of what had come by then is lost."""
    queue = UpdateQueue(3, LARGE, lambda queue, stalled: True)
    queue.allowance = 10
    outcomes = [put(queue, delivery(number), "block") for number in range(10)]
    assert outcomes == [Room.ENOUGH] * 5 + [Room.FULL] * 5
    assert numbers(queue) == list(range(10)) and queue.total_dropped == 0


def test_a_held_reader_asks_again_whether_its_consumer_has_stalled() -> None:
    asked: List[bool] = []

    def must_flow(queue: UpdateQueue, stalled: bool) -> bool:
        asked.append(stalled)
        return stalled

    queue = UpdateQueue(2, LARGE, must_flow)
    for number in range(3):
        assert put(queue, delivery(number), "block") is Room.ENOUGH
    assert asked == [False, True], "at once, and after a second in which nothing was taken"
    assert numbers(queue) == [0, 1, 2]


@pytest.mark.parametrize("way", ["discard", "drain", "abandoned"])
def test_a_held_reader_is_let_go_when_the_queue_is_over(way: str) -> None:
    queue = filled(1, "block", 1)
    held = Background(put, queue, delivery(1), "block")
    eventually(lambda: queue.holding)
    if way == "abandoned":
        queue.abandoned = True  # set by a destructor, which may not notify
    else:
        getattr(queue, way)()
    held.result(timeout=2.0)
    assert not queue.holding


def test_drain_lets_what_is_queued_out_and_nothing_in() -> None:
    queue = filled(5, "block", 2)
    queue.drain()
    put(queue, delivery(9), "block")
    assert not queue.ended
    assert numbers(queue) == [0, 1]
    assert queue.ended
    assert queue.total_dropped == 1


def test_discard_throws_updates_away_and_counts_them_and_keeps_events() -> None:
    queue = UpdateQueue(2, LARGE)
    for number, policy in enumerate(["block", "drop_oldest", "drop_oldest", "drop_oldest", "latest"]):
        put(queue, delivery(number), policy)
    assert queue.total_dropped == 1
    queue.put_event(Connected(3))
    queue.discard()
    assert queue.total_dropped == 5
    put(queue, delivery(9), "block")
    queue.put_event(Connected(4))
    assert queue.total_dropped == 6
    assert len(queue) == 0
    assert numbers(queue) == [Connected(3), Connected(4)]


def test_get_waits_for_an_item_and_ends_when_told() -> None:
    queue = UpdateQueue(1, LARGE)
    waiting = Background(queue.get)
    queue.put_event(Connected(0))
    assert waiting.result() == Connected(0)
    waiting = Background(queue.get)
    queue.drain()
    assert waiting.result() is None
    assert queue.ended


def test_get_returns_nothing_after_its_timeout() -> None:
    queue = UpdateQueue(1, LARGE)
    assert queue.get(timeout=0.01) is None
    assert not queue.ended


def test_a_child_may_use_a_queue_whose_lock_was_held_at_the_fork() -> None:
    queue = filled(2, "block", 2)
    queue._lock.acquire()
    queue.after_fork_in_child()
    assert put(queue, delivery(5), "block") is Room.ENOUGH
    assert numbers(queue) == [5]


def test_every_update_arrives_once_and_in_order_between_two_threads() -> None:
    queue = UpdateQueue(7, LARGE)
    count = 5_000

    def produce() -> None:
        for number in range(count):
            put(queue, delivery(number), "block")
        queue.drain()

    producing = Background(produce)
    taken: List[Any] = []
    while True:
        item = queue.get()
        if item is None:
            break
        assert isinstance(item, tuple)
        taken.append(item[2])
    producing.result()
    assert taken == list(range(count))


def test_nothing_that_was_delivered_is_kept() -> None:
    queue = UpdateQueue(4, LARGE)

    class Document:
        pass

    for policy in ("block", "drop_oldest", "latest"):
        put(queue, delivery(Document()), policy)
    numbers(queue)
    gc.collect()
    assert not [kept for kept in gc.get_objects() if isinstance(kept, Document)]


def test_what_would_have_to_wait_stays_staged_on_demand() -> None:
    queue = UpdateQueue(2, LARGE)
    deliveries = [delivery(number) for number in range(4)]
    ANYBODY.overflow = "block"
    assert queue.put(deliveries, hold=False) is Room.ENOUGH
    assert queue.staged == deliveries[2:]
    assert numbers(queue) == [0, 1]


@pytest.mark.parametrize("over", ["discard", "drain", "abandon"])
def test_what_was_over_before_a_fork_is_over_in_the_child(over: str) -> None:
    queue = filled(2, "block", 1)
    if over == "abandon":
        queue.abandoned = True
    else:
        getattr(queue, over)()
    queue.after_fork_in_child()
    put(queue, delivery(5), "block")
    assert queue.total_dropped == 1 + (over == "discard")
    assert numbers(queue) == [] and queue.ended is (over == "drain")


# -- bytes -------------------------------------------------------------------------------------------------------------


def test_a_queue_that_has_its_bytes_is_full_and_takes_one_of_any_size_if_it_is_empty() -> None:
    queue = UpdateQueue(9, 10)
    assert put(queue, delivery(0, size=50), "disconnect") is Room.ENOUGH
    assert put(queue, delivery(1), "disconnect") is Room.REFUSED
    assert numbers(queue) == [0, Dropped("t", 1)]
    assert [put(queue, delivery(number, size=4), "disconnect") for number in range(4)] == [Room.ENOUGH] * 3 + [Room.REFUSED]


def test_what_the_consumer_has_taken_at_once_weighs_until_its_turn_comes() -> None:
    queue = UpdateQueue(9, 10)
    assert queue.put([delivery(number, size=5) for number in range(2)]) is Room.ENOUGH
    assert queue.get(0.0)[2] == 0  # type: ignore[index]
    assert queue.put([delivery(2, size=5)]) is Room.ENOUGH
    held = Background(put, queue, delivery(3, size=5), "block")
    eventually(lambda: queue.holding)
    assert queue.get(0.0)[2] == 1  # type: ignore[index]
    assert held.result() is Room.ENOUGH
    assert numbers(queue) == [2, 3]


def test_drop_oldest_drops_until_the_new_one_has_room() -> None:
    queue = UpdateQueue(9, 10)
    for number, size in enumerate([3, 3, 3, 6, 20, 1]):
        put(queue, delivery(number, size=size), "drop_oldest")
    assert numbers(queue) == [Dropped("t", 5), 5]


def test_latest_drops_the_oldest_topics_if_all_are_too_heavy() -> None:
    queue = UpdateQueue(9, 10)
    for topic, size in (("a", 3), ("b", 3), ("c", 3), ("a", 6), ("d", 1)):
        put(queue, delivery(topic + str(size), topic, size=size), "latest")
    assert numbers(queue) == [Dropped("a", 1), Dropped("b", 1), "c3", "a6", "d1"]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_weighs_in_the_end(seed: int) -> None:
    random = Random(seed)
    queue = UpdateQueue(8, 40, lambda queue, stalled: True)
    for _ in range(500):
        policy = random.choice(["block", "disconnect", "drop_oldest", "latest"])
        put(queue, delivery(0, random.choice("abc"), size=random.randrange(30)), policy)
        if random.random() < 0.1:
            queue.put_event(Connected(0))
        if random.random() < 0.4:
            queue.get(0.0)
        lanes = [queue._kept, queue._taken, queue._oldest, queue._latest]
        sizes = [sum(_parts(item)[4] for item in lane if len(_parts(item)) > 4) for lane in lanes]
        assert [queue._oldest_bytes, queue._latest_bytes] == sizes[2:] and queue._kept_bytes == sizes[0]
        assert queue._room()[1] == 40 - sizes[0] - sizes[1]
        assert sizes[0] + sizes[1] <= 2 * 40 + 30 and sizes[2] <= 40 and sizes[3] <= 40
    numbers(queue)
    assert queue._room() == (8, 40)


def _parts(item: Any) -> Any:
    return getattr(item, "delivery", item)
