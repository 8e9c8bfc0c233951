"""Clocks: what reads the wall clock and why, that nothing waits by it, and Bybit's time where a clock is wrong."""

from __future__ import annotations

import ast
import functools
import json
import pathlib
import re
import subprocess
import sys
import time
import types
from typing import Any, Dict, Iterator, List, Set, Tuple

import pytest

import dbxsdk
from dbxsdk import AuthError, Options, VenueError
from dbxsdk.runtime import clock
from dbxsdk.sim import BybitVenue
from tests.waiting import PATIENCE, eventually

ROOT = pathlib.Path(dbxsdk.__file__).parent

# -- who reads it --------------------------------------------------------------------------------------

READS = {
    "bybit/venue_clock.py:wall": "signatures, until the venue's clock was measured; and how far this one is off it",
    "runtime/clock.py:": "when a frame came, as users and recordings see it; a login's time",
    "recording/recorded_connection.py:RecordedConnection._frame": "when it was, in a record",
    "recording/recorded_connection.py:RecordedConnection.closed": "when it was, in a record",
    "recording/recorded_connection.py:RecordedConnection.not_sent": "when it was, in a record",
    "recording/files.py:Files": "when a recording began",
    "recording/files.py:Files._open": "the names of a recording's files",
    "recording/files.py:Files.end": "when it was, in a record",
    "recording/recorder.py:Recorder.connection": "when it was, in a record",
    "transport/retry_after.py:retry_after": "a Retry-After that is a date, where the peer's own time is not known",
    "sim/venue.py:Venue.__init__": "the local venue's own clock",
    "cli/doctor/venue.py:_now": "what is compared with the venue's clock",
    "cli/doctor/venue.py:Examination._read_clock": "what is compared with the venue's clock",
    "cli/doctor/probe.py:Probe.handshake": "what is compared with the venue's clock",
}
"""Module and place, and what for."""

BY_THE_SYSTEMS_MONOTONIC_CLOCK = {
    "runtime/clock.py": "where there is no better one",
    "session/calls.py": "how long a call may wait",
    "session/delivery/queue.py": "how long a call may wait",
    "session/lives.py": "how long a call may wait",
    "session/supervisor.py": "how long threads are waited for",
    "session/updates.py": "how long a call may wait",
    "recording/background_writer.py": "how long its thread waits",
    "recording/recorder.py": "how long an exit may take",
    "playback/schedule.py": "the speed of a playback",
    "book/order_book.py": "how long a call may wait",
    "bybit/trade/client.py": "how long a call may wait",
    "runtime/exit.py": "how long an exit may take",
    "sim/": "local venues",
    "cli/": "programs that show seconds",
}
"""The modules, or folders of them, that may still call ``time.monotonic``, which stands still while the machine sleeps."""

_MONOTONIC = {"time.monotonic", "time.monotonic_ns", "time.CLOCK_MONOTONIC"}
_OF_TIME = {"time", "time_ns"}
_OF_TIME_WITHOUT_ARGUMENT = {"localtime", "gmtime", "ctime", "asctime"}
_OF_DATETIME = {"now", "utcnow", "today"}
_WAITS = {"wait", "wait_for", "join", "acquire", "result", "sleep", "settimeout", "select", "poll"}
_WAITS_BY_KEYWORD = {"get", "put"}  # of a queue; what they are given otherwise is no time


def _is_read(node: ast.AST) -> bool:
    """Whether this expression is, or calls, what tells the wall clock's time."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id == "time" and (node.attr in _OF_TIME or node.attr == "CLOCK_REALTIME"):
            return True
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    name, owner = node.func.attr, _dotted(node.func.value)
    if owner == "time" and (name in _OF_TIME_WITHOUT_ARGUMENT or name == "strftime"):
        return len(node.args) < (2 if name == "strftime" else 1)
    if owner in ("datetime", "datetime.datetime", "datetime.date", "date") and name in _OF_DATETIME:
        return True
    return (owner, name) in {("uuid", "uuid1"), ("email.utils", "localtime"), ("email.utils", "formatdate")}


def _names_of_time(tree: ast.Module) -> Set[str]:
    """What would read the clock under a name of its own."""
    return {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
    }


def _dotted(node: ast.AST) -> str:
    """``self.end`` and the like; "" for what is no plain name."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return owner and f"{owner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def places(tree: ast.Module) -> Iterator[Tuple[str, ast.AST]]:
    """Each expression with the class and function that it is in."""

    def visit(node: ast.AST, where: Tuple[str, ...]) -> Iterator[Tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, (ast.FunctionDef, ast.ClassDef))
            inside = (*where, child.name) if named else where  # type: ignore[attr-defined]
            yield ".".join(inside), child
            yield from visit(child, inside)

    return visit(tree, ())


def reads(tree: ast.Module) -> Set[str]:
    return {where for where, node in places(tree) if _is_read(node)}


def reads_monotonic(tree: ast.Module) -> List[int]:
    """Lines that read the clock that stands still while the machine sleeps, or hand it on."""
    return sorted(
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and _dotted(node) in _MONOTONIC
    )


def waits_by_it(tree: ast.Module) -> List[int]:
    """Lines where something that waits is given the wall clock's time, or what was reckoned from it."""
    found = []
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        tainted: Set[str] = set()
        for node in ast.walk(function):  # in the order of the source, as far as it matters
            if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and node.value is not None:
                if _mentions(node.value, tainted):
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    tainted.update(_dotted(target) for target in targets)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                given = [keyword.value for keyword in node.keywords if name in _WAITS or keyword.arg == "timeout"]
                if name in _WAITS:
                    given += node.args
                elif name not in _WAITS_BY_KEYWORD:
                    continue
                if any(_mentions(argument, tainted) for argument in given):
                    found.append(node.lineno)
    return sorted(set(found))


def _mentions(node: ast.AST, tainted: Set[str]) -> bool:
    for part in ast.walk(node):
        if _is_read(part) or (isinstance(part, (ast.Name, ast.Attribute)) and _dotted(part) in tainted):
            return True
        if isinstance(part, ast.Call):
            called = _dotted(part.func).rpartition(".")[2]
            if called in ("wall", "wall_ns", "_wall", "now_ms", "_now_ms"):
                return True
    return False


_CLOCKS = re.compile(
    r"time\.(time\b|monotonic)|time_ns|from time|datetime|wall(_ns)?\b|_now_ms|[mlc]time\(|strftime|CLOCK_|uuid1|formatdate"
    r"|\.localtime"
)


@functools.lru_cache(maxsize=None)
def modules() -> Dict[str, ast.Module]:
    """Those that have a word of clocks in them."""
    texts = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(ROOT.rglob("*.py"))}
    return {name: ast.parse(text) for name, text in texts.items() if _CLOCKS.search(text)}


def test_only_these_places_read_the_wall_clock() -> None:
    found = {f"{module}:{where}" for module, tree in modules().items() for where in reads(tree)}
    assert found == set(READS)


def test_nobody_takes_the_functions_under_other_names() -> None:
    assert [module for module, tree in modules().items() if _names_of_time(tree)] == []


def test_nothing_waits_by_the_wall_clock() -> None:
    assert {module: lines for module, tree in modules().items() if (lines := waits_by_it(tree))} == {}


def test_everything_else_goes_by_the_clock_that_counts_while_the_machine_sleeps() -> None:
    found = {name: lines for name, tree in modules().items() if (lines := reads_monotonic(tree))}
    allowed = tuple(BY_THE_SYSTEMS_MONOTONIC_CLOCK)
    assert {name: lines for name, lines in found.items() if not name.startswith(allowed)} == {}
    assert "runtime/clock.py" in found


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the clock that counts has another name, or there is none")
def test_the_clock_is_the_one_that_counts_while_the_machine_sleeps() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    now = clock.monotonic()
    assert before <= now <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert clock.MACHINE.monotonic is clock.monotonic and clock.MACHINE.wall_ns is clock.wall_ns
    assert abs(clock.wall_ns() - time.time_ns()) < 10**9 * PATIENCE


def test_a_system_without_that_clock_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int) -> float:
        raise OSError("a sandbox")

    monkeypatch.setattr(time, "clock_gettime", refuse)
    assert clock._boot_time() == (time.monotonic, time.monotonic_ns)
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    assert clock._boot_time() == (time.monotonic, time.monotonic_ns)


@pytest.mark.skipif(not hasattr(time, "CLOCK_MONOTONIC"), reason="not on this system")
def test_on_macos_it_is_the_one_that_counts_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(time, "clock_gettime", lambda number: asked.append(number) or 5.0)
    assert clock._boot_time()[0]() == 5.0 and set(asked) == {time.CLOCK_MONOTONIC}


@pytest.mark.parametrize("source, where", [
    ("import time\ndef f(): return time.time()", "f"), ("import time\nclass A:\n  now: object = time.time_ns", "A"),
    ("import time\ndef f(): time.gmtime()", "f"), ("import time\ndef f(): time.strftime('%H')", "f"),
    ("import datetime\ndef f(): datetime.datetime.now()", "f"),
    ("from datetime import datetime\ndef f(): datetime.utcnow()", "f"),
    ("import time\ndef f(): time.clock_gettime(time.CLOCK_REALTIME)", "f"),
], ids=range(7))
def test_the_audit_sees(source: str, where: str) -> None:
    assert where in reads(ast.parse(source))


@pytest.mark.parametrize("source", [
    "time.monotonic()", "x = time.monotonic", "time.monotonic_ns()", "time.clock_gettime(time.CLOCK_MONOTONIC)",
])
def test_the_audit_sees_the_monotonic_clock(source: str) -> None:
    assert reads_monotonic(ast.parse(source)) == [1]
    assert _CLOCKS.search(source)


@pytest.mark.parametrize("source, lines", [
    ("def f():\n  event.wait(deadline - time.time())", [2]),
    ("def f():\n  end = time.time() + 5\n  lock.acquire(timeout=end - x)", [3]),
    ("def f(self):\n  self.end = self._now_ms() + 5\n  self.event.wait(self.end)", [3]),
    ("def f():\n  end = time.monotonic() + 5\n  lock.acquire(timeout=end - time.monotonic())", []),
], ids=range(4))
def test_the_audit_sees_who_waits(source: str, lines: List[int]) -> None:
    assert waits_by_it(ast.parse(source)) == lines


# -- a clock that is set all the time ------------------------------------------------------------------


def test_a_life_under_a_clock_that_is_set_by_hours_to_and_fro() -> None:
    run = subprocess.run([sys.executable, "-m", "tests.stepped_clock"], capture_output=True, text=True, timeout=30)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    # Never early, and late by no more than a busy machine is.
    late = 2.5
    for name, least in (
        ("open", 0), ("ping", 0), ("silent", 0), ("silent_told", 0.1), ("four_beats", 0.1), ("book_age", 0),
        ("request_timeout", 0.1), ("watchdog", 0.2), ("down", 0), ("gap_told", 0), ("close", 0.19),
    ):
        assert least <= found[name] < least + late, (name, found)
    assert all(0 <= age < late for age in found["ages"])
    assert all(0 <= wait <= 0.05 for wait in found["retries"]) and len(found["retries"]) == 3
    assert found["connections"] == [1, 2, 2]
    assert found["stamps_differ"], "the clock was not set at all"
    assert found["state"] == "CLOSED"


# -- Bybit: the venue's time ---------------------------------------------------------------------------

QUICK = Options(backoff_initial=0.01, backoff_max=0.02, request_timeout=5.0)
LIMIT = dict(category="spot", symbol="BTCUSDT", side="Buy", orderType="Limit", qty="0.01", price="1000")
HOUR = 3600.0


class MachineClock:
    """This machine's wall clock as Bybit's clients see it."""

    def __init__(self) -> None:
        self.wrong = 0.0

    def time(self) -> float:
        return time.time() + self.wrong


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> MachineClock:
    clock = MachineClock()
    monkeypatch.setattr("dbxsdk.bybit.venue_clock.time", types.SimpleNamespace(time=clock.time))
    return clock


@pytest.fixture
def venue() -> Iterator[BybitVenue]:
    few = {"spot": ["BTCUSDT"], "linear": ["BTCUSDT"], "inverse": ["BTCUSD"], "option": ["BTC-31DEC27-70000-C-USDT"]}
    with BybitVenue(rate=0, auth_horizon=60.0, symbols=few) as made:
        yield made
        assert made.handler_errors == 0


def ops(venue: BybitVenue) -> List[str]:
    return [frame.document["op"] for frame in venue.requests]


def stamp_errors(venue: BybitVenue) -> List[float]:
    """Seconds by which the orders' times were ahead of the venue's as it is now."""
    now_ms = venue._server_ms()
    orders = [frame.document for frame in venue.requests if frame.document["op"] == "order.create"]
    return [(int(order["header"]["X-BAPI-TIMESTAMP"]) - now_ms) / 1000 for order in orders]


def reconnect(venue: BybitVenue, *clients: Any) -> None:
    """Drops all connections; returns when each client has its next one."""
    connections = venue.connection_count + len(clients)
    venue.drop_connections()
    assert venue.wait_until(lambda: venue.connection_count >= connections, PATIENCE)
    eventually(lambda: all(client.is_connected() for client in clients))


@pytest.mark.parametrize("kind", ["private", "trade"])
@pytest.mark.parametrize("skew, login", [
    (HOUR, ["auth", "ping", "auth"]), (-HOUR, ["auth", "ping", "auth"]), (6.0, ["auth"]), (-6.0, ["auth"]),
])
def test_first_login_and_the_orders_behind_it(venue: BybitVenue, kind: str, skew: float, login: List[str]) -> None:
    venue.clock_skew(skew)
    with venue.client(kind, options=QUICK) as client:
        # The time of orders is asked for in any case: what the login allows is too much for them.
        asked = login + ["ping"] if kind == "trade" and "ping" not in login else login
        assert ops(venue) == asked
        if kind == "trade":
            assert client.place_order(**LIMIT).order_id and len(venue.orders()) == 1
            assert -2.0 < stamp_errors(venue)[0] < 0.5
        reconnect(venue, client)
    after = ops(venue)[len(asked):]
    # Without a word on the time, the private socket's clock stays the machine's own.
    assert after == (["order.create", "auth"] if kind == "trade" else ["auth"])


@pytest.mark.parametrize("wrong", [3 * HOUR, -3 * HOUR])
def test_machine_whose_clock_is_set_in_mid_session(venue: BybitVenue, machine: MachineClock, wrong: float) -> None:
    quick = Options(backoff_initial=0.01, backoff_max=0.02, heartbeat_interval=0.02, silence_timeout=5.0)
    with venue.client("trade", options=QUICK) as trade, venue.client("private", options=quick) as private:
        eventually(lambda: ops(venue).count("ping") >= 3)  # the private client's heartbeats tell the time, too
        private.ping()
        machine.wrong = wrong
        assert trade.place_order(**LIMIT).order_id
        logins = ops(venue).count("auth")
        for _ in range(2):
            reconnect(venue, trade, private)
        assert ops(venue).count("auth") == logins + 4, "no login was refused for its time"
        assert trade.place_order(**LIMIT).order_id and len(venue.orders()) == 2
        assert all(-2.0 < error < 0.5 for error in stamp_errors(venue))


def test_machine_whose_clock_is_set_before_anything_was_measured(venue: BybitVenue, machine: MachineClock) -> None:
    with venue.client("private", options=QUICK) as client:
        machine.wrong = -3 * HOUR
        reconnect(venue, client)
        assert ops(venue) == ["auth", "auth", "ping", "auth"]


@pytest.mark.parametrize("skew, words", [(30.0, "30.0 s behind the venue's"), (-30.0, "30.0 s ahead of the venue's")])
def test_venue_whose_clock_is_set_refuses_one_order(venue: BybitVenue, skew: float, words: str) -> None:
    with venue.client("trade", options=QUICK) as client:
        venue.clock_skew(skew)
        with pytest.raises(VenueError, match=words + ".*try again") as raised:
            client.place_order(**LIMIT)
        assert raised.value.code == 10002 and venue.orders() == []
        assert client.place_order(**LIMIT).order_id


def test_drift_is_followed_by_heartbeats(venue: BybitVenue) -> None:
    options = Options(heartbeat_interval=0.02, silence_timeout=5.0)
    with venue.client("trade", options=options, recv_window=20_000) as client:
        began_ms = venue._server_ms()
        venue.clock_skew(0, drift=60.0)
        eventually(lambda: venue._server_ms() - began_ms > 25_000)
        beats = ops(venue).count("ping")
        assert venue.wait_until(lambda: ops(venue).count("ping") >= beats + 2, PATIENCE)
        assert client.place_order(**LIMIT).order_id


@pytest.mark.parametrize("kind, skew, words", [
    ("private", HOUR, r"3,(599|600)\.\d s behind"), ("trade", -HOUR, r"3,(599|600)\.\d s ahead of"),
])
def test_skew_that_cannot_be_made_good_is_named(venue: BybitVenue, kind: str, skew: float, words: str) -> None:
    venue.clock_skew(skew)
    judged = venue._gate.server_ms
    venue._gate.server_ms = lambda: judged() + 10**8  # by another clock than the one that it shows
    client = venue.client(kind, options=QUICK)
    with pytest.raises(AuthError, match=f"this machine's clock is {words} the venue's.*set this machine's clock") as raised:
        client.open()
    assert ops(venue) == ["auth", "ping", "auth"]
    assert venue.api_key not in str(raised.value) and venue.api_secret not in str(raised.value)
    client.close()


def test_drift_of_the_local_venue() -> None:
    venue = BybitVenue(clock=lambda: 1_000_000.0)
    assert venue._server_ms() == 10**9
    venue.clock_skew(-5.0, drift=1000.0)
    first = venue._server_ms()
    assert first >= 10**9 - 5_000
    eventually(lambda: venue._server_ms() > first + 1_000)
    venue.clock_skew(0.0)
    assert venue._server_ms() == 10**9
    with pytest.raises(ValueError, match="drift"):
        venue.clock_skew(0.0, drift=-1)
