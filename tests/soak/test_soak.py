"""The soak works, and its judges find what they are there for."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, List

import pytest

from dbxsdk.sim import BybitVenue, DigiFinexVenue
from tests.soak import measures, table, wires
from tests.soak.calls import Calls
from tests.soak.ledger import Ledger, digest_of
from tests.soak.problems import Problems
from tests.soak.stream import Stream
from tests.soak.watched import Watched
from tests.waiting import eventually

BTC = "trades.BTC_USDT"


class Told(List[str]):
    """What a judge says."""

    @property
    def only(self) -> str:
        (what,) = self
        return what


def stream(told: List[str]) -> Stream:
    return Stream("client", "topic", told.append)


def send(to: Stream, connection: int, *digests: int) -> None:
    to.was_asked_for(connection)
    for digest in digests:
        to.was_sent(connection, digest)


def take(by: Stream, *digests: int) -> None:
    for digest in digests:
        by.received(digest)


# -- one subscription ------------------------------------------------------------------------------------------------


def test_all_that_was_sent_came() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11, 12)
    take(judged, 10, 11, 12)
    assert not told and judged.outstanding() is None and (judged.sent, judged.delivered) == (3, 3)


@pytest.mark.parametrize(
    "came, what, missing",
    [
        ([11, 12], "1 updates are missing before the first one", 1),
        ([10, 12], "1 updates are missing in the midst of a connection", 1),
        ([10, 10, 11, 12], "came before", 0),
        ([10, 12, 11], "1 updates are missing in the midst", 1),
        ([10, 11, 12, 99], "was not sent", 0),
    ],
)
def test_a_lost_a_repeated_and_a_misplaced_update_are_found(came: List[int], what: str, missing: int) -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11, 12)
    take(judged, *came)
    assert what in told[0] and judged.outside == missing


def test_what_comes_before_the_answer_may_be_an_earlier_subscriptions() -> None:
    for earlier, outside in (((9,), 0), ((), 1)):
        judged = stream(Told())
        judged.earlier = earlier
        send(judged, 1, 10, 11)
        take(judged, 11)
        assert judged.outside == outside and judged.sent == (1 if earlier else 2)


def test_what_a_connection_was_sent_that_was_left_for_another_lies_in_the_gap() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10)
    take(judged, 10)
    judged.gap()
    send(judged, 2, 11)
    assert judged.outstanding() == "nothing after a gap, and 1 were sent (1: 1 of 1, 2: 0 of 1)"
    send(judged, 3)
    assert judged.outstanding() is None and not told


def test_a_last_update_that_does_not_come_is_waited_for() -> None:
    judged = stream(Told())
    send(judged, 1, 10, 11)
    take(judged, 10)
    assert judged.outstanding() == "1 updates are waited for"


def test_what_a_reconnect_cost_lies_in_an_announced_gap() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11, 12)
    take(judged, 10)
    send(judged, 2, 20)  # of which nothing came: it ended, too
    send(judged, 3, 30, 31)
    judged.gap()
    take(judged, 30, 31)
    assert not told and judged.in_gaps == 3 and judged.outstanding() is None


def test_a_gap_within_a_connection_covers_what_is_missing_before_the_next_update() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11, 12, 13, 14)
    take(judged, 10)
    judged.gap()
    take(judged, 12)
    assert not told and judged.in_gaps == 1
    take(judged, 14)
    assert judged.outside == 1 and "1 updates are missing in the midst" in told.only, "one gap is not for ever"


def test_an_update_that_came_after_the_gap_of_a_reconnect_and_belongs_before_it_is_found() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11)
    take(judged, 10)
    send(judged, 2, 20)
    judged.gap()
    take(judged, 11, 20)
    assert "no gap was announced" in told.only


def test_a_reconnect_without_a_gap_is_found() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11)
    take(judged, 10)
    send(judged, 2, 20)
    take(judged, 20)
    assert "no gap was announced" in told.only and judged.outside == 1


def test_a_new_connections_first_update_is_in_no_gap() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10)
    take(judged, 10)
    send(judged, 2, 20, 21)
    judged.gap()
    take(judged, 21)
    assert told and judged.outside == 1


def test_dropped_updates_are_counted_exactly() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10, 11, 12, 13)
    judged.drop(2)
    take(judged, 10, 13)
    assert not told and judged.outstanding() is None and (judged.dropped, judged.outside) == (2, 0)
    judged.drop(1)
    assert judged.outstanding() == "3 updates were told as dropped, and 2 are missing"
    send(judged, 1, 14, 15, 16)
    take(judged, 16)
    assert judged.outside == 1 and "1 updates are missing" in told.only


def test_repeats_are_forgiven_where_somebody_repeats() -> None:
    told = Told()
    judged = stream(told)
    judged.may_repeat = True
    send(judged, 1, 10, 11, 12)
    judged.drop(2)  # one of them for the second time
    take(judged, 10, 10, 12)
    assert not told and judged.outstanding() is None and judged.repeated == 1
    judged.calm()
    assert judged.outstanding() is None and judged.dropped == 1
    take(judged, 12)
    assert "came before" in told.only


def test_updates_after_the_end_are_found() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10)
    judged.end()
    take(judged, 10)
    assert not told  # it may have been running
    take(judged, 10)
    assert "after the unsubscription" in told.only


def test_a_connection_that_the_client_has_left_does_not_count() -> None:
    told = Told()
    judged = stream(told)
    send(judged, 1, 10)
    take(judged, 10)
    send(judged, 2, 20)
    judged.gap()
    take(judged, 20)
    send(judged, 1, 21)
    send(judged, 2, 21)
    take(judged, 21)
    assert not told and judged.outstanding() is None


# -- with a venue ----------------------------------------------------------------------------------------------------


def test_an_update_that_the_client_swallows_is_found() -> None:
    problems = Problems()
    with DigiFinexVenue(rate=0, symbols=["BTC_USDT"]) as venue:
        ledger = Ledger(venue, wires.DIGIFINEX)
        watched = Watched("it", ledger, lambda name: venue.client(url=f"{venue.url()}?soak={name}"), problems.add)
        try:
            judged = watched.begin(BTC)
            seen: List[Any] = []

            def callback(update: Any) -> None:
                seen.append(update)
                if len(seen) != 4:
                    judged.received(digest_of(update.raw))

            watched.client.subscribe("trades", "BTC_USDT", callback=callback)
            while len(judged.earlier) + judged.sent < 6:
                venue.step()
            eventually(lambda: judged.outstanding() is None)
            assert judged.outside == 1
            assert [text for _, text in problems.told] == [f"it {BTC}: 1 updates are missing in the midst of a connection"]
        finally:
            watched.close()


def test_an_order_that_is_sent_twice_is_found() -> None:
    problems = Problems()
    with BybitVenue(rate=0) as venue, venue.client("trade") as client:
        ledger = Ledger(venue, wires.BYBIT)
        ledger.count_executions(venue._desk, "create", lambda category, fields: fields.get("orderLinkId"))
        calls = Calls(ledger, problems.add)
        order = {"category": "linear", "symbol": "ETHUSDT", "side": "Buy", "orderType": "Market", "qty": "0.01"}

        def place(mark: str, times: int = 1) -> None:
            for _ in range(times):
                client.submit("order.create", {**order, "orderLinkId": mark}).exception(5)

        assert calls.make("order", lambda: place("once"), 5, "once")
        assert calls.make("order", lambda: place("twice", 2), 5, "twice")
        assert calls.make("order", lambda: None, 5, "never")
        calls.reconcile()
        place("late")
        calls.reconcile()
    assert [text for _, text in problems.told] == [
        "order twice (result) arrived 2 times and was carried out 1 times",
        "order never ended as result, arrived 0 times, was carried out 0 times",
        "order late arrived after it was over",
    ]
    assert calls.executed == 2


def test_an_outcome_that_is_none_is_found() -> None:
    problems = Problems()

    def fail() -> None:
        raise KeyError("x")

    with DigiFinexVenue(rate=0) as venue:
        Calls(Ledger(venue, wires.DIGIFINEX), problems.add).make("it", fail, 1)
    assert "which is no outcome of a request" in problems.told[0][1]


def test_the_slope_is_that_of_the_last_two_thirds() -> None:
    warm = [(float(at), 1000.0 * at) for at in range(0, 20)]
    steady = [(float(at), 20_000.0 + at / 6) for at in range(20, 61)]
    growth, error = measures.slope(warm + steady) or (0, 0)
    assert growth == pytest.approx(10, abs=0.1) and error < 0.1
    assert measures.slope(steady[:3]) is None


# -- the whole -------------------------------------------------------------------------------------------------------


def test_a_soak_of_a_moment() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak", "--minutes", "0.015", "--seed", "5", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=50,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, told["violations"], told["told"]) == (0, 0, []), done.stderr
    assert [row["venue"] for row in told["venues"]] == ["bybit", "digifinex", "cryptomus", "dbot"]
    for row in told["venues"]:
        assert row["delivered"] > 0 and row["outside"] == 0 and row["connections"] >= 3
        assert row["requests"]["result"] > 0
        if "frames twice" not in row["faults"]:  # repeats may be dropped, too
            assert row["sent"] == row["delivered"] + row["dropped"] + row["in_gaps"], row
    assert sum(sum(row["faults"].values()) for row in told["venues"]) > 0
    assert sum(row["books"] for row in told["venues"]) >= 7 and told["checks"] >= 1
    assert told["threads"] == [0, 0] and told["recorded_frames"] > 0
    lines = table.text(told).splitlines()
    assert lines[-1] == "no violation" and lines[2].split()[:3] == ["venue", "minutes", "clients"]
