"""What a replay does with a recording, record by record."""

from __future__ import annotations

import pathlib
import signal
import threading
from decimal import Decimal
from typing import Any, Callable, Dict, Iterator, List

import pytest

import dbxsdk
from dbxsdk import BadFrame, CallbackFailed, Connected, Disconnected, Gap, Silent
from dbxsdk.cli.venues import default_client
from dbxsdk.recording import convert
from tests.playback.written import SECOND, TOPIC, WALL_NS, closed, frame, lost, opened, trade, write
from tests.waiting import PATIENCE, Background, Recorder


def ids(items: List[Any]) -> List[Any]:
    """The numbers of the trades, and the events as they are."""
    return [int(item.data[0].trade_id) if isinstance(item, dbxsdk.Update) else item for item in items]


def play(path: Any, **subscribe: Any) -> "tuple[List[Any], dbxsdk.Replayed]":
    """What the first client's callbacks get of ``publicTrade.BTCUSDT``."""
    got: List[Any] = []
    with dbxsdk.replay(path, speed=None) as replay:
        client = replay.client()
        client.on_event(got.append)
        client.subscribe("publicTrade", "BTCUSDT", callback=got.append, **subscribe)
        told = replay.run()
    return got[: -1 if isinstance(got[-1], Disconnected) and got[-1].reason == "closed" else None], told


def test_times_are_the_recorded_ones(tmp_path: pathlib.Path) -> None:
    got, told = play(write(tmp_path / "a.gz", opened(1), trade(2.5, 1), trade(3, 2)))
    assert [item.received_ns for item in got[1:]] == [WALL_NS + int(2.5 * SECOND), WALL_NS + 3 * SECOND]
    assert (told.frames, told.seconds, told.complete, told.lost, told.removed) == (2, 2.0, True, 0, 0)


def test_disconnects_and_gaps_are_told_as_they_were(tmp_path: pathlib.Path) -> None:
    records = [
        opened(1), trade(2, 1), closed(3, retry_in=0.25), opened(7.5, 2), trade(8, 2, 2),
        closed(9, 2, None, "the client had enough"),
    ]
    got, _ = play(write(tmp_path / "a.gz", *records))
    assert ids(got) == [
        Connected(0), 1, Disconnected("it broke", None, 0.25),
        Connected(1), Gap((TOPIC,), 4.5, WALL_NS + 2 * SECOND), 2, Disconnected("the client had enough", None, None),
    ]


def test_lost_frames_are_a_gap(tmp_path: pathlib.Path) -> None:
    got, told = play(write(tmp_path / "a.gz", opened(1), trade(2, 1), lost(3, 70), trade(6, 2)))
    assert ids(got) == [
        Connected(0), 1,
        Disconnected("70 frames are missing in the recording: frames came faster than they could be written", None, 0.0),
        Connected(1), Gap((TOPIC,), 1.0, WALL_NS + 2 * SECOND), 2,
    ]
    assert (told.lost, told.complete) == (70, False)


def test_a_book_is_stale_where_frames_are_missing(tmp_path: pathlib.Path) -> None:
    def book(at: float, kind: str, number: int) -> Any:
        data = {"s": "BTCUSDT", "b": [["100", "1"]], "a": [["101", "1"]], "u": number, "seq": number}
        return frame(at, {"topic": "orderbook.50.BTCUSDT", "type": kind, "ts": 1, "cts": 1, "data": data})

    records = [opened(1), book(2, "snapshot", 5), book(3, "delta", 6), lost(4, 1), book(5, "delta", 7), trade(6, 1)]
    seen: List[Any] = []
    with dbxsdk.replay(write(tmp_path / "a.gz", *records), speed=None) as replay:
        client = replay.client(dbxsdk.BybitPublicClient)
        books = client.order_book("BTCUSDT")
        client.on_event(lambda event: seen.append((type(event), books.is_stale)))
        client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: seen.append(books.is_stale))
        replay.run()
        assert seen == [(Connected, True), (Disconnected, True), (Connected, True), (Gap, True), True]


def test_an_end_that_was_not_recorded(tmp_path: pathlib.Path) -> None:
    got, _ = play(write(tmp_path / "a.gz", opened(1), trade(2, 1), opened(5, 2), trade(6, 2, 2), trade(6, 3, 1)))
    assert ids(got)[2:] == [
        Disconnected("its end was not recorded", None, 0.0), Connected(1), Gap((TOPIC,), 3.0, WALL_NS + 2 * SECOND), 2,
    ]


def test_what_nobody_asked_for_here_is_no_bad_frame(tmp_path: pathlib.Path) -> None:
    records = [
        opened(1),
        frame(1, {"req_id": "x-1", "op": "subscribe"}, direction="out"),
        frame(1, {"success": True, "op": "subscribe", "req_id": "x-1"}),
        frame(1, b"hello", kind="ping"),
        frame(1, None, kind="binary"),
        trade(2, 1, symbol="ETHUSDT"),
        trade(2, 2),
        frame(3, {"success": True, "ret_msg": "pong", "op": "ping"}),
    ]
    got, told = play(write(tmp_path / "a.gz", *records))
    assert ids(got) == [Connected(0), 2]
    assert (told.frames, told.removed) == (4, 1)


@pytest.mark.parametrize("raw", [False, True])
def test_what_cannot_be_read_is_told_in_its_place(tmp_path: pathlib.Path, raw: bool) -> None:
    bad_data = frame(2, {"topic": TOPIC, "type": "snapshot", "ts": 1, "data": 5})
    records = [opened(1), trade(2, 1), bad_data, trade(2, 2), frame(2, b"no JSON"), *(trade(2, n) for n in range(3, 300))]
    got, _ = play(write(tmp_path / "a.gz", *records), raw=raw)
    kinds = [type(item) for item in got]
    expected = [1, BadFrame, 2, BadFrame, *range(3, 300)] if not raw else []
    if not raw:
        # The frame that is no JSON is found by the reader, the other by the callbacks: in the queue both have their place.
        assert [BadFrame if isinstance(item, BadFrame) else item for item in ids(got)[1:]] == expected
    else:
        assert kinds == [Connected, dict, dict, dict, BadFrame] + [dict] * 297


def test_callbacks_that_raise_and_silent_topics(tmp_path: pathlib.Path) -> None:
    got: List[Any] = []

    def callback(update: dbxsdk.Update) -> None:
        got.append(int(update.data[0].trade_id))
        if got[-1] == 2:
            raise ValueError("mine")

    records = [opened(0.5), trade(1, 1), trade(2, 2), trade(9, 3, symbol="ETHUSDT"), trade(20, 4, symbol="ETHUSDT"), trade(21, 5)]
    with dbxsdk.replay(write(tmp_path / "a.gz", *records), speed=None) as replay:
        client = replay.client()
        client.on_event(got.append)
        client.subscribe("publicTrade", "BTCUSDT", callback=callback, max_silence=5)
        replay.run()
        assert [item if isinstance(item, int) else type(item) for item in got[1:]] == [1, 2, CallbackFailed, Silent, 5]
        assert [item for item in got if isinstance(item, Silent)] == [Silent(TOPIC, 7.0)]
        assert (client.stats().callback_errors, client.stats().delivered, client.stats().received) == (1, 2, 5)


@pytest.mark.parametrize("policy, count", [("latest", 1_000), ("drop_oldest", 11_000), ("disconnect", 11_000)])
def test_policies_that_drop_do_not_drop(tmp_path: pathlib.Path, policy: str, count: int) -> None:
    got: List[Any] = []
    pause = threading.Event()

    def callback(document: Any) -> None:
        if not got:
            pause.wait(0.2)  # the reader has more than a queue's worth by then, where it is not held up
        got.append(document["data"][0]["i"])

    with dbxsdk.replay(write(tmp_path / "a.gz", opened(1), *[trade(2, 1)] * count), speed=None) as replay:
        client = replay.client()
        client.subscribe("publicTrade", "BTCUSDT", callback=callback, overflow=policy, raw=True)
        replay.run()
        assert len(got) == count and client.stats().dropped == 0 and client.stats().reconnects == 0


def test_clients_take_turns_in_the_order_of_the_recording(tmp_path: pathlib.Path) -> None:
    records: List[Any] = [opened(1, 1, 1), opened(1, 2, 2), opened(1, 3, 3)]
    order = [(number * 7 % 13) % 3 + 1 for number in range(300)]
    records += [trade(2 + number, number, connection) for number, connection in enumerate(order)]
    records.insert(100, closed(50, 2))
    records.insert(200, opened(150, 4, 2))
    got: List[Any] = []
    pause = threading.Event()

    def slow(item: Any) -> None:
        pause.wait(0.0005)  # so that whoever does not wait for its turn is first
        got.append(item)

    with dbxsdk.replay(write(tmp_path / "a.gz", *records), speed=None) as replay:
        for number, client in enumerate(replay.clients):
            client.on_event(slow if number != 1 else got.append)
            client.subscribe("publicTrade", "BTCUSDT", callback=slow if number != 1 else got.append)
        replay.run()
        items = ids(got)
    numbers = [item for item in items if isinstance(item, int)]
    down = range(97, 197)  # between the end of connection 2 and the opening of its successor
    assert numbers == [n for n, connection in enumerate(order) if connection != 2 or n < down[0]]
    at = next(index for index, item in enumerate(items) if isinstance(item, Disconnected))
    assert items[at - 1] == down[0] - 1 or numbers[numbers.index(items[at - 1]) + 1] >= down[0]
    assert [type(item) for item in items if not isinstance(item, int)].count(Gap) == 1


def test_callbacks_find_the_book_where_it_was(tmp_path: pathlib.Path) -> None:
    def book(number: int) -> Any:
        data = {"s": "BTCUSDT", "b": [[str(number), "1"], [str(number - 1), "0"]], "a": [], "u": number, "seq": number}
        return frame(2, {"topic": "orderbook.50.BTCUSDT", "type": "delta" if number > 1 else "snapshot", "ts": 1, "data": data})

    records: List[Any] = [opened(1)]
    for number in range(1, 200):
        records += [book(number), trade(2, number)]
    seen: List[Any] = []
    with dbxsdk.replay(write(tmp_path / "a.gz", *records), speed=None) as replay:
        client = replay.client(dbxsdk.BybitPublicClient)
        books = client.order_book("BTCUSDT")
        changes: List[Any] = []
        books.on_update(lambda book: changes.append(book.update_id))
        client.subscribe(
            "publicTrade", "BTCUSDT", callback=lambda update: seen.append((int(update.data[0].trade_id), books.best_bid))
        )
        replay.run()
        assert seen == [(number, (Decimal(number), Decimal(1))) for number in range(1, 200)]
        assert changes == list(range(1, 200))


def test_a_callback_may_wait_for_its_book(tmp_path: pathlib.Path) -> None:
    def book(number: int) -> Any:
        data = {"s": "BTCUSDT", "b": [["1", "1"]], "a": [], "u": number, "seq": number}
        return frame(3, {"topic": "orderbook.50.BTCUSDT", "type": "delta" if number > 1 else "snapshot", "ts": 1, "data": data})

    records = [opened(1), opened(1, 2, 2), trade(2, 1), trade(2, 1, 2), book(1), book(2), trade(4, 2)]
    seen: List[Any] = []
    with dbxsdk.replay(write(tmp_path / "a.gz", *records), speed=None) as replay:
        client = replay.client(dbxsdk.BybitPublicClient)
        replay.client("bybit", 1).subscribe("publicTrade", "BTCUSDT", callback=seen.append)
        books = client.order_book("BTCUSDT")
        client.subscribe("publicTrade", "BTCUSDT", callback=lambda update: seen.append(books.wait_ready()))
        background = Background(replay.run)
        assert background.result().complete
        assert seen.count(True) == 2 and len(seen) == 3


def test_a_client_that_was_closed_before_is_not_played(tmp_path: pathlib.Path) -> None:
    got: List[Any] = []
    with dbxsdk.replay(write(tmp_path / "a.gz", opened(1), opened(1, 2, 2), trade(2, 1), trade(2, 2, 2)), speed=None) as replay:
        for client in replay.clients:
            client.subscribe("publicTrade", "BTCUSDT", callback=got.append)
        client = replay.client()
        client.close()
        assert replay.run().frames == 1 and ids(got) == [2]


def test_private_sockets_need_no_credentials(tmp_path: pathlib.Path) -> None:
    lines = [
        '{"venue": "digifinex", "direction": "in", "frame": {"method": "balance.update", "params": [{"currency": "USDT", '
        '"free": "1", "total": "2", "used": "1", "timestamp": 5}], "id": null}}',
        '{"venue": "bybit", "direction": "out", "frame": {"op": "auth", "args": ["key", 1, "signature"]}}',
        '{"venue": "bybit", "direction": "in", "kind": "private", "frame": {"topic": "greeks", "creationTime": 1, "data": []}}',
    ]
    got: List[Any] = []
    path = convert(lines, tmp_path, client_of=lambda fields: ("DigiFinexClient" if fields["venue"] == "digifinex"
                                                              else "BybitPrivateClient", {})).path
    with dbxsdk.replay(path, speed=None) as replay:
        replay.client("digifinex").subscribe("balance", "USDT", callback=got.append)
        replay.client("bybit").subscribe("greeks", callback=got.append)
        assert replay.run().frames == 2
    assert [(update.venue, update.channel) for update in got] == [("digifinex", "balance"), ("bybit", "greeks")]


def test_converted_lines_replay(tmp_path: pathlib.Path) -> None:
    records = [trade(1, number) for number in range(50)]
    lines = ['{"venue":"bybit","direction":"in","kind":"data.publicTrade","frame":%s}' % r.payload.decode() for r in records]
    got, told = play(convert(lines, tmp_path, interval=0.5, client_of=default_client).path)
    assert ids(got)[1:] == list(range(50))
    assert (told.frames, told.seconds, told.complete) == (50, 24.5, True)


# -- iterators ----------------------------------------------------------------------------------------


def test_iterators_in_one_thread(tmp_path: pathlib.Path) -> None:
    count = 11_000  # more than a queue holds
    path = write(tmp_path / "a.gz", opened(1), *(trade(2, number) for number in range(count)))
    with dbxsdk.replay(path, speed=None) as replay:
        trades = replay.client().messages("publicTrade", "BTCUSDT", raw=True)
        replay.start()
        assert [item["data"][0]["i"] for item in trades] == list(map(str, range(count)))
        told = replay.wait(PATIENCE)
        assert told is not None and told.frames == count


def test_iterators_give_out_gaps_and_end_with_the_replay(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.gz", opened(1), trade(2, 1), closed(3), opened(4, 2), trade(5, 2, 2), trade(5, 3, 2))
    with dbxsdk.replay(path, speed=None) as replay:
        client = replay.client()
        one, two = (client.messages("publicTrade", "BTCUSDT") for _ in range(2))
        both = [Background(lambda messages=messages: ids(list(messages))) for messages in (one, two)]
        replay.run()
        for background in both:
            assert background.result() == [1, Gap((TOPIC,), 1.0, WALL_NS + 2 * SECOND), 2, 3]


# -- stopping -----------------------------------------------------------------------------------------


@pytest.fixture
def ctrl_c() -> Iterator[Callable[..., None]]:
    """Presses it. Whoever runs the tests in the background may have made it without effect."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None
    yield lambda *_: signal.pthread_kill(main, signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_run(tmp_path: pathlib.Path, ctrl_c: Callable[..., None]) -> None:
    path = write(tmp_path / "a.gz", opened(1), *(trade(2, number) for number in range(100)))
    over = threading.Event()

    def callback(_: Any) -> None:
        if not over.is_set():
            ctrl_c()
            over.wait(PATIENCE)

    with dbxsdk.replay(path, speed=None) as replay:
        replay.client().subscribe("publicTrade", "BTCUSDT", callback=callback)
        with pytest.raises(KeyboardInterrupt):
            replay.run()
        over.set()
        told = replay.wait(PATIENCE)
        assert told is not None and not told.complete


def test_ctrl_c_ends_a_long_pause(tmp_path: pathlib.Path, ctrl_c: Callable[..., None]) -> None:
    path = write(tmp_path / "a.gz", opened(1), trade(1, 1), trade(100_000, 2))
    with dbxsdk.replay(path) as replay:
        replay.client().subscribe("publicTrade", "BTCUSDT", callback=ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            replay.run()


@pytest.mark.parametrize("what", ["replay", "client"])
def test_it_can_be_closed_inside_a_callback(tmp_path: pathlib.Path, what: str) -> None:
    path = write(tmp_path / "a.gz", opened(1), *(trade(2, number) for number in range(20_000)))
    got: List[int] = []
    with dbxsdk.replay(path, speed=None) as replay:
        client = replay.client()

        def callback(update: Any) -> None:
            got.append(1)
            (replay if what == "replay" else client).close()

        client.subscribe("publicTrade", "BTCUSDT", callback=callback)
        told = replay.run()
        assert got == [1] and not told.complete and client.state is dbxsdk.State.CLOSED


def test_close_from_another_thread_while_a_callback_blocks(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.gz", opened(1), *(trade(2, number) for number in range(20_000)))
    release, called = threading.Event(), Recorder(lambda update: release.wait(PATIENCE))
    replay = dbxsdk.replay(path, speed=None)
    replay.client().subscribe("publicTrade", "BTCUSDT", callback=called)
    replay.start()
    called.wait()
    assert replay.wait(0.01) is None
    closing = Background(replay.close)
    release.set()
    closing.result()
    told = replay.wait(0)
    assert told is not None and not told.complete and len(called.items) < 20_000
    replay.close()


def test_it_is_played_once(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.gz", opened(1), opened(1, 2, 2), trade(2, 1))
    replay = dbxsdk.replay(path, speed=None)
    with pytest.raises(RuntimeError, match="not started"):
        replay.wait()
    first = replay.client()
    assert replay.run() == replay.wait()
    for again in (replay.run, replay.start):
        with pytest.raises(RuntimeError, match="played once"):
            again()
    assert replay.client() is first
    with pytest.raises(RuntimeError, match="taken before the replay starts"):
        replay.clients
    replay.close()
    other = dbxsdk.replay(path)
    other.close()
    with pytest.raises(RuntimeError, match="played once"):
        other.start()


def test_progress(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.gz", opened(1), trade(2, 1), trade(4, 2))
    seen: Dict[int, dbxsdk.ReplayProgress] = {}
    with dbxsdk.replay(path, speed=1e6) as replay:
        before = replay.progress
        replay.client().subscribe(
            "publicTrade", "BTCUSDT", callback=lambda update: seen.setdefault(int(update.data[0].trade_id), replay.progress)
        )
        replay.run()
        size = path.stat().st_size
        assert before == dbxsdk.ReplayProgress(0, size, 0, 0.0, None)
        assert replay.progress == dbxsdk.ReplayProgress(size, size, 2, 3.0, WALL_NS + 4 * SECOND)
        assert all(1 <= each.frames <= 2 and each.bytes_total == size for each in seen.values())


# -- bad recordings -----------------------------------------------------------------------------------


def test_a_torn_end_is_told(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.gz", opened(1), trade(2, 1), end=None)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    got, told = play(path)
    assert ids(got)[1:] == [1]
    assert [torn.lost_bytes for torn in told.torn] == [len(whole) // 2] and not told.complete


def test_damage_is_raised_after_what_came_before_it(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / "a.gz", opened(1), trade(2, 1))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40] + b"\0" * 40 + whole)
    got = Recorder()
    with dbxsdk.replay(path, speed=None) as replay:
        client = replay.client()
        client.subscribe("publicTrade", "BTCUSDT", callback=got)
        trades = client.messages("publicTrade", "BTCUSDT")
        with pytest.raises(dbxsdk.RecordingError, match="damaged"):
            replay.run()
        assert ids(got.wait()) == [1] and ids(list(trades)) == [1]


@pytest.mark.parametrize("client", ["KrakenClient", "Client", "Options", "replay", "__doc__", ""])
def test_a_client_that_is_not_known_here(tmp_path: pathlib.Path, client: str) -> None:
    import attrs

    unknown = attrs.evolve(opened(1, 2, 2), client=client, venue="kraken")
    with dbxsdk.replay(write(tmp_path / "a.gz", opened(1), unknown)) as replay:
        assert replay.client("bybit")
        with pytest.raises(dbxsdk.RecordingError, match="which this dbxsdk does not have"):
            replay.clients


@pytest.mark.parametrize("settings", [{"category": "futures"}, {"category": 5}, {"options": 5}, {"signer": "x"}])
def test_settings_that_make_no_client(tmp_path: pathlib.Path, settings: Any) -> None:
    with dbxsdk.replay(write(tmp_path / "a.gz", opened(1, **settings))) as replay:
        with pytest.raises(dbxsdk.RecordingError, match="BybitPublicClient cannot be made of"):
            replay.client()


def test_no_recording(tmp_path: pathlib.Path) -> None:
    with pytest.raises(dbxsdk.RecordingError, match="no recording"):
        dbxsdk.replay(tmp_path)
    with pytest.raises(TypeError, match="path"):
        dbxsdk.replay(5)  # type: ignore[arg-type]
