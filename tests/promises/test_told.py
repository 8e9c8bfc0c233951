"""What a client tells of itself: its name everywhere, attempts that fail as what they are, callbacks that raise unseen."""

from __future__ import annotations

import contextlib
import io
import logging
import threading
from typing import Any, Callable, Iterator, List

import attrs
import pytest

import dbxsdk
from dbxsdk import ConnectError, Connected, Disconnected, Gap, Options, Silent, State
from dbxsdk.sim import BybitVenue
from dbxsdk.runtime.log import ClientLog, SafeLogger
from tests.conftest import library_threads
from tests.promises.venues import QUICK, ScriptedVenue, bybit_yes, listening, trade
from tests.waiting import Background, Recorder, eventually

BTC = "publicTrade.BTCUSDT"


@pytest.fixture
def records() -> Iterator[List[logging.LogRecord]]:
    """All that the package logs, and websocket-client on its threads."""
    kept: List[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    handler = Keep()
    loggers = [(logger, logger.level) for logger in map(logging.getLogger, ("dbxsdk", "websocket"))]
    for logger, _ in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield kept
    for logger, level in loggers:
        logger.removeHandler(handler)
        logger.setLevel(level)


# -- attempts that fail ------------------------------------------------------------------------------------------------


def test_attempts_that_fail_are_no_second_disconnection() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        venue.refusals = 3
        venue.link().cut()
        seen.wait_for(Connected, 2)
        assert len(seen.of(Disconnected)) == 1
        failed = seen.of(dbxsdk.ConnectFailed)
        assert [event.attempt for event in failed] == [1, 2, 3]
        assert all("503" in event.reason and event.retry_in >= 0 for event in failed)
        kinds = [type(event).__name__ for event in seen.items]
        assert kinds == ["Connected", "Disconnected", *["ConnectFailed"] * 3, "Connected"]
        # Counted in a row.
        venue.refusals = 1
        venue.link().cut()
        seen.wait_for(Connected, 3)
        assert seen.of(dbxsdk.ConnectFailed)[-1].attempt == 1


def test_the_last_attempt_says_that_there_is_no_next(records: List[logging.LogRecord]) -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(max_reconnects=2)) as (client, seen):
        venue.refusals = 5
        venue.link().cut()
        with pytest.raises(ConnectError, match="503"):
            client.wait(2.0)
        assert len(seen.of(Disconnected)) == 1
        eventually(lambda: len(seen.of(dbxsdk.ConnectFailed)) == 2)
        assert [event.retry_in is None for event in seen.of(dbxsdk.ConnectFailed)] == [False, True]
    said = [(record.levelname, record.getMessage()) for record in records]
    starts = ["connected to", "disconnected:", "reconnect attempt 1 failed:", "reconnect attempt 2 failed:"]
    assert [level for level, _ in said] == ["INFO", "WARNING", "WARNING", "ERROR"]
    assert [line.startswith(f"bybit:linear: {starts[n]}") for n, (_, line) in enumerate(said)] == [True] * 4, said
    assert "next try in" in said[2][1] and said[3][1].endswith("; not tried again")
    # websocket-client has the same to say, and stays silent: each thing is said once.
    assert {record.name.partition(".")[0] for record in records} == {"dbxsdk"}


def test_a_first_attempt_that_fails_raises_and_is_told() -> None:
    with ScriptedVenue(bybit_yes) as venue:
        seen = Recorder()
        client = venue.bybit()
        client.on_event(seen)
        venue.refusals = 1
        with pytest.raises(ConnectError, match="503"):
            client.open()
        assert not seen.of(Disconnected), "it was never connected"
        assert client.state is State.NEW
        client.open()
        client.close()
        assert len(seen.of(Connected)) == 1


# -- names -------------------------------------------------------------------------------------------------------------


def test_two_clients_of_one_socket_can_be_told_apart(records: List[logging.LogRecord]) -> None:
    with ScriptedVenue(bybit_yes) as venue:
        with listening(venue.bybit(name="prices")) as (first, seen_by_first):
            with listening(venue.bybit(name="quotes of ETH")) as (second, seen_by_second):
                assert "prices" in repr(first) and "quotes of ETH" in repr(second)
                names = {thread.name for thread in library_threads()}
                kinds = ("reader", "heartbeat", "callbacks")
                assert names == {f"dbxsdk-{name}-{kind}" for name in ("prices", "quotes of ETH") for kind in kinds}
                venue.link(1).cut()
                venue.link(2).cut()
                seen_by_first.wait_for(Connected, 2)
                seen_by_second.wait_for(Connected, 2)
        for name, seen in ("prices", seen_by_first), ("quotes of ETH", seen_by_second):
            assert {event.client for event in seen.items} == {name}
            mine = [record for record in records if getattr(record, "client", None) == name]
            assert mine and all(record.venue == "bybit" and name in record.getMessage() for record in mine)
        assert all(hasattr(record, "client") and hasattr(record, "venue") for record in records)


def test_without_a_name_a_client_has_its_sockets(records: List[logging.LogRecord]) -> None:
    with BybitVenue(rate=0) as venue:
        for socket in ("linear", "spot", "private", "trade"):
            seen = Recorder()
            client = venue.client(socket, options=Options(**QUICK))
            client.on_event(seen)
            with client:
                assert f"bybit:{socket}" in repr(client)
                assert seen.wait()[0].client == f"bybit:{socket}"
                threads = [thread.name for thread in library_threads() if "-sim-" not in thread.name]
                assert threads and all(name.startswith(f"dbxsdk-bybit:{socket}-") for name in threads)
    assert {record.client for record in records if record.name.startswith("dbxsdk.session")} == {
        "bybit:linear", "bybit:spot", "bybit:private", "bybit:trade",
    }


def test_a_formatter_may_name_the_client_of_every_line(records: List[logging.LogRecord]) -> None:
    SafeLogger("dbxsdk.bybit.rest").warning("nobody's")
    ClientLog("dbxsdk.bybit.trade.client", "bybit", "mine").warning("%s", "a client's")
    lines = [logging.Formatter("[%(client)s %(venue)s] %(message)s").format(record) for record in records]
    assert lines == ["[ ] nobody's", "[mine bybit] mine: a client's"]


def test_every_event_has_its_client() -> None:
    kinds = [kind for kind in vars(dbxsdk.events).values() if attrs.has(kind)]
    assert len(kinds) >= 9
    for kind in kinds:
        fields = {field.name: field for field in attrs.fields(kind)}
        assert "client" in fields and fields["client"].kw_only, kind
        needed = [None for field in attrs.fields(kind) if field.default is attrs.NOTHING]
        # Events compare by what they say, not by whom they are of.
        assert kind(*needed, client="a") == kind(*needed, client="b"), kind


@pytest.mark.parametrize("name", ["", "x" * 65, "a\nb", 7])
def test_a_name_that_could_not_be_read_in_a_log_is_refused(name: Any) -> None:
    assert Options(name="x" * 64).name == "x" * 64
    with pytest.raises((TypeError, ValueError), match="name"):
        Options(name=name)


# -- topics that fall silent -------------------------------------------------------------------------------------------


def test_on_silence_tell_does_nothing_more() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=seen, max_silence=0.1, on_silence="tell")
        assert seen.wait_for(Silent).topic == BTC
        client.ping()
        assert len(venue.asked("subscribe")) == 1 and not venue.asked("unsubscribe") and len(venue.links) == 1


def test_on_silence_resubscribe_subscribes_the_topic_again() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe("publicTrade", "ETHUSDT", callback=seen, raw=True)
        client.subscribe(BTC, callback=seen, raw=True, max_silence=0.2, on_silence="resubscribe")
        assert seen.wait_for(Silent).topic == BTC
        assert venue.wait_asked("unsubscribe")["args"] == [BTC]
        assert venue.wait_asked("subscribe", 3)["args"] == [BTC]
        eventually(lambda: seen.of(Gap))
        assert seen.of(Gap)[0].topics == (BTC,)
        venue.link().send(trade("BTCUSDT", 1))
        seen.wait_for(dict)
        # Silent again: told again, and asked for again.
        seen.wait_for(Silent, 2)
        venue.wait_asked("subscribe", 4)
        assert len(venue.links) == 1 and not seen.of(Disconnected)


def test_on_silence_reconnect_makes_a_new_connection() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        client.subscribe(BTC, callback=seen, raw=True, max_silence=0.2, on_silence="reconnect")
        assert seen.wait_for(Silent).topic == BTC
        assert BTC in seen.wait_for(Disconnected).reason
        venue.link(2)
        eventually(lambda: seen.of(Gap))
        venue.link(2).send(trade("BTCUSDT", 1))
        seen.wait_for(dict)
        assert [type(item).__name__ for item in seen.items[:5]] == ["Connected", "Silent", "Disconnected", "Connected", "Gap"]


@pytest.mark.parametrize("word", ["", "restart", None])
def test_another_word_is_refused_before_anything_is_sent(word: Any) -> None:
    with ScriptedVenue(bybit_yes) as venue:
        client = venue.bybit()
        with pytest.raises((TypeError, ValueError), match="on_silence"):
            client.subscribe(BTC, callback=print, max_silence=1.0, on_silence=word)
        assert not venue.links
        client.subscribe(BTC, callback=print, max_silence=1.0, on_silence="tell")
        client.close()


# -- callbacks that raise unseen ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def unseen(monkeypatch: Any, hook: Callable[[Any], Any] = lambda arguments: None) -> Iterator[List[Any]]:
    """What goes to ``threading.excepthook``, with no handler in the log but the package's own."""
    hooked: List[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(threading, "excepthook", lambda arguments: (hooked.append(arguments), hook(arguments)))
        patch.setattr(logging.getLogger("dbxsdk"), "propagate", False)  # to the handlers of the tests
        yield hooked


def raising(venue: ScriptedVenue, client: Any) -> None:
    """Three callbacks have raised."""
    client.subscribe(BTC, callback=lambda update: 1 / 0, raw=True)
    venue.link().send(*(trade("BTCUSDT", number) for number in range(3)))
    eventually(lambda: client.stats().callback_errors == 3)


def test_a_callback_that_raises_unseen_goes_once_to_the_excepthook(monkeypatch: Any) -> None:
    with ScriptedVenue(bybit_yes) as venue, unseen(monkeypatch) as hooked, venue.bybit() as client:
        raising(venue, client)
        eventually(lambda: hooked)
        assert len(hooked) == 1
        assert hooked[0].exc_type is ZeroDivisionError and isinstance(hooked[0].exc_value, ZeroDivisionError)
        assert hooked[0].exc_traceback is not None and hooked[0].thread.name.endswith("-callbacks")


def test_where_an_event_callback_or_a_handler_sees_it_nothing_goes_there(monkeypatch: Any) -> None:
    with ScriptedVenue(bybit_yes) as venue, unseen(monkeypatch) as hooked:
        with listening(venue.bybit()) as (client, seen):
            raising(venue, client)
            seen.wait_for(dbxsdk.CallbackFailed, 3)
        handler = logging.StreamHandler(io.StringIO())
        logging.getLogger("dbxsdk").addHandler(handler)
        try:
            with venue.bybit() as client:
                raising(venue, client)
        finally:
            logging.getLogger("dbxsdk").removeHandler(handler)
        assert "ZeroDivisionError" in handler.stream.getvalue() and hooked == []


def test_an_event_callback_and_a_done_callback_that_raise_are_seen(monkeypatch: Any) -> None:
    with ScriptedVenue(bybit_yes) as venue, unseen(monkeypatch) as hooked:
        client = venue.bybit()
        client.on_event(lambda event: 1 / 0)
        with client:
            eventually(lambda: hooked)
        with venue.bybit() as client:
            client.submit("echo", [1]).add_done_callback(lambda future: [][0])
            eventually(lambda: len(hooked) == 2)
        assert [each.exc_type for each in hooked] == [ZeroDivisionError, IndexError]


def test_an_excepthook_that_raises_ends_nothing(monkeypatch: Any) -> None:
    def hook(arguments: Any) -> None:
        raise SystemExit

    with ScriptedVenue(bybit_yes) as venue, unseen(monkeypatch, hook) as hooked, venue.bybit() as client:
        raising(venue, client)
        eventually(lambda: hooked)
        assert client.call("ping")["success"] and client.state is State.READY


# -- a request before the connection is back ---------------------------------------------------------------------------


def test_a_request_that_waits_for_the_connection_is_sent_once_it_is_back() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit(backoff_initial=0.2, backoff_max=0.3)) as (client, seen):
        venue.refusals = 1
        venue.link().cut()
        seen.wait_for(Disconnected)
        future = client.submit("echo", [1])
        waiting = Background(client.call, "echo", [2], timeout=2.0)
        assert future.result(2.0)["success"] and waiting.result(2.0)["success"]
        assert sorted(document["args"][0] for document in venue.asked("echo")) == [1, 2]


def test_a_request_that_waits_in_vain_says_that_nothing_was_sent() -> None:
    with ScriptedVenue(bybit_yes) as venue, listening(venue.bybit()) as (client, seen):
        venue.refusals = 1000
        venue.link().cut()
        seen.wait_for(Disconnected)
        with pytest.raises(ConnectError, match="nothing was sent"):
            client.call("echo", [], timeout=0.1)
        venue.refusals = 0
        assert client.call("ping")["success"] and not venue.asked("echo")
