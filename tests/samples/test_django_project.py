"""The Django sample: migrated, fed, served and killed as users do it, with the venues in this process."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import attrs
import pytest
import requests

import dbxsdk
from dbxsdk.sim import DBotVenue, DigiFinexVenue
from tests.conftest import library_threads
from tests.relay import redis_server as real_redis
from tests.relay import scene
from tests.waiting import Background, eventually

pytest_plugins = ["tests.samples.browser"]

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "django_project"
SYMBOLS = ("BTC_USDT", "ETH_USDT")
PASSWORD = "of-no-use-elsewhere"
TAB, SPACE, ENTER = "\ue004", " ", "\ue007"


class Program:
    """A process of the sample, and what it wrote."""

    def __init__(self, home: Path, variables: Dict[str, str], *command: str) -> None:
        own = ("DESK_", "DBOT_", "DJANGO_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self._lines: List[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=home,
            env={**inherited, "PYTHONPATH": str(ROOT), "HOME": str(home), "PYTHONUNBUFFERED": "1", **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # runserver has a child
            # Whoever runs the tests in the background may ignore Ctrl-C, which children inherit.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def written(self) -> str:
        return "".join(self._lines)

    def says(self, pattern: str, count: int = 1) -> str:
        """What the ``count``-th match of the pattern is, once it is there."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(re.findall(pattern, self.written)) >= count, 20)
            found = re.findall(pattern, self.written)
            assert len(found) >= count, f"{pattern!r} did not come:\n{self.written}"
            return str(found[count - 1])

    def wait(self) -> int:
        code = self.process.wait(60)
        self._reader.join(5)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.wait()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@attrs.frozen
class Stage:
    """A copy of the sample, whose files a test may change, and databases that its migrations have made."""

    home: Path
    trading: DBotVenue
    task: str

    @property
    def database(self) -> Path:
        return self.home / "web.sqlite3"

    def variables(self, trading: Optional[DBotVenue] = None, **more: str) -> Dict[str, str]:
        """What points the sample's pages at the local venue."""
        trading = trading or self.trading
        return {
            "DESK_LIVE": "1",
            "DESK_DATABASE": str(self.database),
            "DESK_TASK_URL": trading.url(),
            "DESK_REQUEST_TIMEOUT": "1",
            "DBOT_API_KEY": trading.api_key,
            "DBOT_FOLLOW_ORDER": self.task if trading is self.trading else trading.add_follow_order(enabled=False),
            **more,
        }

    def start(self, *command: str, **variables: str) -> Program:
        return Program(self.home, {"DESK_DATABASE": str(self.database), **variables}, *command)

    def rows(self, query: str, *values: Any, database: Optional[Path] = None) -> List[Any]:
        with contextlib.closing(sqlite3.connect(database or self.database)) as connection:
            return connection.execute(query, values).fetchall()

    @property
    def enabled(self) -> bool:
        return bool(self.trading.tasks("follow")[self.task]["enabled"])


@pytest.fixture(autouse=True)
def no_thread_left() -> None:
    """In place of the rule for each test: the venues here live as long as the module, and ``stage`` checks it."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    home = tmp_path_factory.mktemp("django") / "project"
    shutil.copytree(SAMPLE, home, ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3*", "secret_key.txt*"))
    with DBotVenue(rate=1) as trading:
        stage = Stage(home, trading, trading.add_follow_order(enabled=False))
        with stage.start("manage.py", "migrate") as migrate:
            assert migrate.wait() == 0, migrate.written
        _add_account(stage.database)
        # For tests that must not see what the pages do.
        for name in ("feed", "here", "there", "forgotten", "alone", "limits", "hostile", "lost"):
            shutil.copy(stage.database, home / f"{name}.sqlite3")
        yield stage
    eventually(lambda: not library_threads())


def _add_account(database: Path) -> None:
    """A member of the staff, as ``createsuperuser`` makes it, but for the time that a good hash takes."""
    digest = base64.b64encode(hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1)).decode()
    values = {"id": 1, "username": "staff", "password": f"pbkdf2_sha256$1$salt${digest}", "is_superuser": 1, "is_staff": 1,
              "is_active": 1, "first_name": "", "last_name": "", "email": "", "date_joined": "2026-01-02 03:04:05"}
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(f"INSERT INTO auth_user ({', '.join(values)}) VALUES ({marks})", values)


# ---- the feed ----------------------------------------------------------------------------------------------

HISTORY = 50
"""Trades that the local venue repeats after a subscription."""


@attrs.frozen
class Story:
    """A feed on a bad day. Its market moves when the test says so: what the venue repeats is known, however long a process
    takes to start."""

    stage: Stage
    market: DigiFinexVenue
    name: str = "feed"
    relay: str = ""

    @property
    def database(self) -> Path:
        return self.stage.home / f"{self.name}.sqlite3"

    @property
    def source(self) -> Dict[str, str]:
        if self.relay:
            return {"DESK_RELAY": self.relay, "DESK_RELAY_READER": self.name}
        return {"DESK_LIVE": "1", "DESK_FEED_URL": self.market.url()}

    def feed(self, stop_seconds: str = "5") -> Program:
        return self.stage.start(
            "manage.py",
            "dbx_feed",
            **self.source,
            DESK_SYMBOLS=" ".join(SYMBOLS),
            DESK_DATABASE=str(self.database),
            DESK_BATCH_SECONDS="0.02",
            DESK_DATABASE_TIMEOUT="0.05",
            DESK_QUEUE_SIZE="60",
            DESK_STOP_SECONDS=stop_seconds,
        )

    def rows(self, query: str, *values: Any) -> List[Any]:
        return self.stage.rows(query, *values, database=self.database)

    def ids(self, symbol: str) -> List[int]:
        return [row[0] for row in self.rows("SELECT trade_id FROM desk_trade WHERE symbol = ? ORDER BY trade_id", symbol)]

    def traded(self, symbol: str) -> List[int]:
        return [trade.id for trade in self.market.trades(symbol)]

    def current(self) -> None:
        """Waits until what the market has traded by now is stored."""
        eventually(lambda: all(self.ids(symbol)[-1:] == self.traded(symbol)[-1:] for symbol in SYMBOLS), 20)

    def gaps(self, *expected: Tuple[str, str]) -> None:
        """Waits until the gaps of each symbol are these, of (reason, state)."""
        query = "SELECT reason, state FROM desk_gap WHERE symbol = ? AND reason <> 'unreadable' ORDER BY id"
        eventually(lambda: all(self.rows(query, symbol) == list(expected) for symbol in SYMBOLS), 20)

    def repeated(self) -> bool:
        """Whether what was stored last is in the history that the venue would send now."""
        (answer,) = {self.ids(symbol)[-1] in self.traded(symbol)[-HISTORY:] for symbol in SYMBOLS}
        return answer


@contextlib.contextmanager
def locked(database: Path) -> Iterator[None]:
    """The database is somebody else's meanwhile."""
    with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=5)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@pytest.fixture(scope="module")
def story(stage: Stage) -> Iterator[Story]:
    with DigiFinexVenue(rate=0, symbols=SYMBOLS) as market:
        yield Story(stage, market)


def test_a_feed_loses_nothing_without_a_trace(story: Story) -> None:
    market = story.market
    with story.feed() as feed:
        story.current()
        assert market.connections == 1 and all(len(story.ids(symbol)) == HISTORY for symbol in SYMBOLS)
        market.drop_connections()
        market.step(10)  # in the meantime
        dropped = ("connection", "filled")
        story.gaps(dropped)
        before = len(story.ids(SYMBOLS[0]))
        moving = Background(market.step, 25)
        eventually(lambda: len(story.ids(SYMBOLS[0])) > before)
        os.kill(feed.process.pid, signal.SIGKILL)  # in the midst of it
        feed.wait()
        moving.result()
    assert story.repeated()

    with story.feed() as feed:
        killed = ("restart", "filled")
        story.gaps(dropped, killed)
        story.current()
        with locked(story.database):
            market.step(5)
            feed.says("the database does not take it")
            market.step(120)  # far more than the sixty trades that may wait
            assert all(story.ids(symbol)[-1] < story.traded(symbol)[-1] for symbol in SYMBOLS)
        story.current()
        feed.says("the database is back")
        unreadable = "SELECT symbol, state FROM desk_gap WHERE reason = 'unreadable' ORDER BY id"
        bad = {"id": 1, "time": 1.5, "price": "much", "amount": "1", "type": "buy"}
        market.send_frame({"method": "trades.update", "params": [False, [bad], SYMBOLS[0]], "id": None})
        market.send_frame("neither JSON nor zlib")
        eventually(lambda: len(story.rows(unreadable)) == 2)
        with locked(story.database):
            market.step(5)
            feed.says("the database does not take it", 2)
            held = {symbol: story.traded(symbol)[-1] for symbol in SYMBOLS}
            market.step(10)  # behind the batch that it holds
            market.wait_until(lambda: False, 0.2)  # on their way: nothing can be seen of them from here
            feed.process.send_signal(signal.SIGINT)
            market.wait_until(lambda: False, 0.1)
        assert feed.wait() == 0 and "everything is written" in feed.written
    both = [(symbol, "missing") for symbol in SYMBOLS]
    assert story.rows(unreadable) == both  # of the first one symbol, which goes on with what concerns all of them
    assert story.rows("SELECT state, waiting FROM desk_feedstatus") == [("stopped", 0)]
    assert market.wait_until(lambda: market.connections == 0)
    stored = {symbol: story.ids(symbol) for symbol in SYMBOLS}
    for symbol, ids in stored.items():
        assert ids[-1] > held[symbol]  # the last batch, too
        assert ids == [each for each in story.traded(symbol) if ids[0] <= each <= ids[-1]]  # all, and once each

    market.step(150)
    assert not story.repeated()  # longer away than the venue's history goes back
    with story.feed(stop_seconds="0.3") as feed:
        story.gaps(dropped, killed, ("restart", "missing"))
        story.current()
        with locked(story.database):
            market.step(10)
            feed.says("the database does not take it")
            assert feed.stop() == 1
        left = int(feed.says(r"NotWritten: (\d+) trades could not be written"))
        assert 0 < left <= sum(len(set(story.traded(symbol)) - set(story.ids(symbol))) for symbol in SYMBOLS)
        assert "Traceback" not in feed.written

    for symbol in SYMBOLS:
        traded = {trade.id: trade for trade in market.trades(symbol)}
        query = "SELECT trade_id, side, price, size, time FROM desk_trade WHERE symbol = ?"
        for trade_id, side, price, size, time in story.rows(query, symbol):
            trade = traded[trade_id]
            assert (side, Decimal(price), Decimal(size)) == ("buy" if trade.buy else "sell", trade.price, trade.size)
            assert _us(time) == trade.time_us
        # What is missing is what was traded between the last stop and the beginning of the history that followed.
        missing = set(traded) - set(story.ids(symbol)) - {each for each in traded if each < stored[symbol][0]}
        missing = {each for each in missing if each < story.ids(symbol)[-1]}
        ((after, since, until),) = story.rows(
            "SELECT after_trade_id, since, until FROM desk_gap WHERE symbol = ? AND state = 'missing' AND reason = 'restart'",
            symbol,
        )
        assert after == stored[symbol][-1] and len(missing) > HISTORY
        assert all(_us(since) <= traded[each].time_us <= _us(until) for each in missing)
        assert max(missing) < min(each for each in story.ids(symbol) if each > after)
    assert story.rows("PRAGMA journal_mode") == [("wal",)]


@contextlib.contextmanager
def relayed(stage: Stage, directory: Path, *names: str) -> Iterator[Tuple[Any, List[Story]]]:
    """A relay of a quiet market, and a story for each database that is fed from it."""
    if real_redis.PROGRAM is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    with real_redis.redis_server(directory) as redis, DigiFinexVenue(rate=0, symbols=SYMBOLS) as market:
        serving = scene.Served(dbxsdk.Relay(redis.url), market.client(), [("trades", SYMBOLS)])
        try:
            yield redis, [Story(stage, market, name, redis.url) for name in names]
        finally:
            serving.stop()


def begun(story: Story, feed: Program) -> None:
    """The relay keeps where the feed began."""
    feed.says("storing the trades")
    eventually(lambda: len(dbxsdk.Relay(story.relay).positions("digifinex", story.name)) == len(SYMBOLS), 20)


def test_feeds_on_a_relay_have_each_trade_once(stage: Stage, tmp_path: Path) -> None:
    with relayed(stage, tmp_path, "here", "there") as (_, (here, there)):
        market = here.market
        with here.feed() as feed, there.feed() as other:
            begun(here, feed)
            begun(there, other)
            moving = Background(market.step, 30)
            eventually(lambda: here.ids(SYMBOLS[0]), 20)
            os.kill(feed.process.pid, signal.SIGKILL)  # in the midst of it
            feed.wait()
            moving.result()
            market.step(150)  # more than the venue repeats
            with here.feed() as again:
                here.current()
                market.drop_connections()
                market.step(10)  # in the meantime
                for story in here, there:
                    story.gaps(("connection", "filled"))  # by the history that the relay's client got
                here.current()
                there.current()
                assert market.connections == 1 and again.stop() == 0
            assert other.stop() == 0
            assert "Traceback" not in other.written, other.written
        for symbol in SYMBOLS:
            ids = here.ids(symbol)
            assert ids == there.ids(symbol) == [each for each in here.traded(symbol) if each >= ids[0]]
            assert len(ids) > 150


def test_a_relay_that_has_forgotten_a_feed_is_a_gap(stage: Stage, tmp_path: Path) -> None:
    with relayed(stage, tmp_path, "forgotten") as (redis, (story,)):
        with story.feed() as feed:
            begun(story, feed)
            story.market.step(5)
            story.current()
            assert feed.stop() == 0
        story.market.step(100)
        with story.feed() as feed:
            story.current()
            assert feed.stop() == 0
        story.gaps()  # none: it went on where it was
        before = {symbol: story.ids(symbol) for symbol in SYMBOLS}
        assert all(ids == [each for each in story.traded(symbol) if each >= ids[0]] for symbol, ids in before.items())
        story.market.step(5)  # of which nobody will hear
        redis.client().delete("dbxsdk:digifinex:durable:forgotten")
        with story.feed() as feed:
            begun(story, feed)
            story.market.step(5)
            story.current()
            story.gaps(("restart", "missing"))
            assert feed.stop() == 0
        for symbol, ids in before.items():
            query = "SELECT after_trade_id FROM desk_gap WHERE symbol = ? AND reason = 'restart'"
            assert story.rows(query, symbol) == [(ids[-1],)]
            assert story.ids(symbol) == ids + story.traded(symbol)[-(len(story.ids(symbol)) - len(ids)):]
            assert len(story.ids(symbol)) < len([each for each in story.traded(symbol) if each >= ids[0]])


def _us(time: str) -> int:
    """Microseconds since 1970 of what SQLite keeps of a time."""
    return (datetime.fromisoformat(time) - datetime(1970, 1, 1)) // timedelta(microseconds=1)


# ---- in one process ----------------------------------------------------------------------------------------

ALONE = """
import threading
import django
django.setup()
import dbxsdk
from project.environment import Desk
from project.wsgi import application
from desk import clients, views
from desk.task import carry_out, explained
assert threading.active_count() == 1 and clients._made is None  # an import opens nothing

for error, outcome, status, retry in [
    (dbxsdk.RequestTimeout("x"), "unknown", 504, "Not yet:"),
    (dbxsdk.ConnectionLost("x"), "unknown", 504, "Not yet:"),
    (dbxsdk.UnreadableReply("x"), "unknown", 504, "Not yet:"),
    (dbxsdk.VenueError("x"), "refused", 409, "No:"),
    (dbxsdk.AuthError("x"), "refused", 409, "No, not before the key"),
    (dbxsdk.RateLimited("x"), "refused", 429, "Yes, but later"),
    (dbxsdk.ConnectError("x"), "not sent", 503, "Yes."),
    (dbxsdk.ClientClosed("x"), "not sent", 503, "Yes."),
]:
    found = explained(error, changes=True)
    assert (found.outcome, found.status) == (outcome, status) and found.retry.startswith(retry), found
    if outcome == "unknown":
        assert explained(error, changes=False).retry.startswith("Yes"), found

for name, value in [
    ("DESK_RELAY", "http://u:secret@h/0"), ("DESK_RELAY_READER", "a b"), ("DESK_LIVE", "yes"),
    ("DESK_QUEUE_SIZE", "1.5"), ("DESK_BATCH_SECONDS", "nan"), ("DESK_BATCH_SIZE", "0"),
]:
    try:
        Desk.from_environment({"DESK_RELAY": "redis://:secret@h/0", name: value})
    except ValueError as error:
        assert name in str(error) and "secret" not in str(error)
    else:
        raise AssertionError(name)
assert "secret" not in repr(Desk.from_environment({"DBOT_API_KEY": "secret", "DESK_RELAY": "redis://:secret@h/0"}))

# Without any setting there is a local venue, and however many ask first, one client.
made = []
threads = [threading.Thread(target=lambda: made.append(clients.trading())) for _ in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
assert len(made) == 8 and len(set(map(id, made))) == 1
assert carry_out("look", False).text == "The venue says: the task is off."
assert carry_out("on", False).text == "The venue confirms it: the task is switched on."
assert carry_out("look", False).text == "The venue says: the task is on."
made[0][0].close()

# Numbers are grouped, and keep the venue's digits.
from datetime import datetime, timezone
from decimal import Decimal
from django.template.loader import render_to_string
from desk.models import FeedStatus, Trade
now = datetime.now(timezone.utc)
trades = [Trade(time=now, symbol="X", side="buy", trade_id=7000465, price=Decimal(price), size=Decimal("0.00000010"))
          for price in ("67999.60", "1E+4", "1234567.00000001")]
status = FeedStatus(venue="x", seen=now, state="ready", waiting=20000, reconnects=1)
page = render_to_string("desk/index.html", {"trades": trades, "feed": status})
for text in (">67,999.60<", ">10,000<", ">1,234,567.00000001<", ">0.00000010<", ">7000465<", " 20,000 trades wait"):
    assert text in page, (text, page)

# The feed, too, has a local venue; each time it is another one.
import os, signal
import attrs
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from dbxsdk.sim import DigiFinexVenue
from desk import feed
from desk.models import FeedStatus, Gap, Trade

class Once(feed.Feed):
    def _write(self, seconds):
        super()._write(seconds)
        if self._stopped is None and Trade.objects.exists():
            os.kill(os.getpid(), signal.SIGTERM)

from desk.management.commands import dbx_feed
dbx_feed.Feed = Once
call_command("dbx_feed")
assert not Gap.objects.exists() and Trade.objects.first().venue.startswith("local ") and Trade.objects.count() >= 100
assert FeedStatus.objects.get().state == "stopped" and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

# A feed that cannot begin says why.
with DigiFinexVenue() as market:
    settings.DESK = attrs.evolve(settings.DESK, live=True, feed_url=market.url(), symbols=("BTC_USDT", "NO_SUCH"))
    try:
        call_command("dbx_feed")
    except CommandError as error:
        assert "SubscribeError" in str(error) and "NO_SUCH" in str(error), error
settings.DESK = attrs.evolve(settings.DESK, relay="redis://:secret@127.0.0.1:1/0")
try:
    call_command("dbx_feed")
except CommandError as error:
    assert "redis at 127.0.0.1:1" in str(error) and "secret" not in str(error), error
connection.close()
connection.settings_dict["NAME"] = ":memory:"
try:
    call_command("dbx_feed")
except CommandError as error:
    assert str(error) == "the database has no tables yet: run manage.py migrate", error
    print("all of it")
"""


def test_what_one_process_does(stage: Stage) -> None:
    with stage.start(
        "-W", "error", "-c", ALONE, DJANGO_SETTINGS_MODULE="project.settings", DESK_DATABASE=str(stage.home / "alone.sqlite3")
    ) as alone:
        assert alone.wait() == 0 and alone.written.endswith("all of it\n"), alone.written


HOSTILE = """
import os, signal, threading
import django
django.setup()
import attrs
from django.conf import settings
from django.core.management import call_command
from dbxsdk.sim import DigiFinexVenue
from desk import feed
from desk.models import Gap, Trade
from desk.management.commands import dbx_feed

NASTY = chr(0xD800) + chr(27) + "]0;x" + chr(7) + chr(10) + "y" * 10_000
bad = {"id": 1, "time": 1.5, "price": "1", "amount": "1", "type": NASTY}

def send():
    for number in range(40):
        market.send_frame({"method": "trades.update", "params": [False, [bad] * 3, "BTC_USDT"], "id": None})
        market.send_frame({"method": "trades.update", "params": [False, [bad], NASTY], "id": None})
        market.send_frame({"method": f"{NASTY}.update", "params": [], "id": None})
        market.step(1)

class Watched(feed.Feed):
    def _write(self, seconds):
        super()._write(seconds)
        if self._stopped is None and not sender.ident and Trade.objects.exists():
            sender.start()
        if self._stopped is None and Trade.objects.filter(trade_id=market.trades("BTC_USDT")[-1].id) and not sender.is_alive():
            self.stop()

dbx_feed.Feed = Watched
sender = threading.Thread(target=send)
with DigiFinexVenue(rate=0, symbols=("BTC_USDT",)) as market:
    settings.DESK = attrs.evolve(
        settings.DESK, live=True, feed_url=market.url(), symbols=("BTC_USDT",), batch_seconds=0.02, batch_size=20
    )
    call_command("dbx_feed")
    traded = [trade.id for trade in market.trades("BTC_USDT")][-40:]
stored = set(Trade.objects.values_list("trade_id", flat=True))
assert set(traded) <= stored, "the good trades between the bad frames"
(gap,) = Gap.objects.filter(reason="unreadable")
assert gap.state == "missing" and gap.until > gap.since and gap.note.isprintable() and 0 < len(gap.note) <= 200
print("all of it")
"""


def test_bad_frames_do_not_fill_the_database(stage: Stage) -> None:
    """120 of them, with halves of surrogate pairs, which no database takes: the feed lives, and there is one gap."""
    database = str(stage.home / "hostile.sqlite3")
    with stage.start("-c", HOSTILE, DJANGO_SETTINGS_MODULE="project.settings", DESK_DATABASE=database) as hostile:
        assert hostile.wait() == 0 and hostile.written.endswith("all of it\n"), hostile.written[-3000:]


def test_what_is_stored_is_its_owner_s_alone(stage: Stage) -> None:
    files = [path for path in stage.home.iterdir() if path.name.startswith(("web.sqlite3", "secret_key"))]
    assert {path.name for path in files} >= {"web.sqlite3", "secret_key.txt"}
    assert {path.name: oct(path.stat().st_mode & 0o777) for path in files} == {path.name: "0o600" for path in files}


def test_the_inbox_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SAMPLE))
    import desk.inbox

    inbox = desk.inbox.Inbox(10)
    inbox.put("a", 4)
    inbox.put("b", 4)
    waiting = Background(inbox.put, "c", 4)
    assert inbox.take(5, 5) == ["a"]  # at once, for eight wait; and "b" would be too much
    waiting.result()
    assert inbox.take(100, 0.01) == ["b", "c"] and inbox.weight == 0
    inbox.put("heavy", 50)
    waiting = Background(inbox.put, "d")
    assert inbox.take(1, 5) == ["heavy"]
    waiting.result()
    for name in "ef":
        inbox.put(name, 4)
    waiting = Background(inbox.put, "late", 4)
    inbox.close()
    waiting.result()  # nobody waits for room that will not come
    assert inbox.take(100, 5) == ["d", "e", "f"]
    inbox = desk.inbox.Inbox(10)
    waiting = Background(inbox.put, "kept", 1, True)
    assert inbox.take(100, 30) == ["kept"]  # at once, since somebody waits for it
    assert waiting.thread.is_alive()
    assert inbox.take(100, 0) == []  # the next batch: the one before is written
    waiting.result()


def test_the_readme_says_what_can_be_set() -> None:
    text = (SAMPLE / "README.rst").read_text()
    names = r"\b(?:DESK|DBOT)_[A-Z_]+"
    code = "".join((SAMPLE / "project" / name).read_text() for name in ("environment.py", "settings.py"))
    assert set(re.findall(names, text)) == set(re.findall(names, code))
    assert all(len(line) <= 100 for line in text.splitlines())


LIMITS = """
import uuid
import django
django.setup()
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import cache
from django.test import Client

PBKDF2PasswordHasher.iterations = 1  # good ones take their time
client = Client(HTTP_HOST="localhost")

def log_in(password):
    return client.post("/admin/login/?next=/", {"username": "staff", "password": password}).status_code

def send(action, id):
    return client.post("/requests", {"action": action, "id": str(id)}).status_code

ids = [uuid.uuid4() for _ in range(5)]
print("wrong", [log_in("wrong") for _ in range(8)], "right", log_in("PASSWORD"))
cache.clear()
print("later", log_in("PASSWORD"), "sent", [send("look", id) for id in ids], "again", send("look", ids[0]))
print("long", send("look" * 20_000, ids[4]))
""".replace("PASSWORD", PASSWORD)


def test_log_ins_requests_and_forms_are_bounded(stage: Stage) -> None:
    with DBotVenue(rate=0) as trading:
        variables = stage.variables(trading, DESK_DATABASE=str(stage.home / "limits.sqlite3"), DESK_REQUESTS="3")
        with stage.start("-c", LIMITS, DJANGO_SETTINGS_MODULE="project.settings", **variables) as script:
            assert script.wait() == 0, script.written
        asked = len(trading.requests)
    assert script.says("wrong .*") == "wrong [200, 200, 200, 200, 429, 429, 429, 429] right 429"
    assert script.says("later .*") == "later 302 sent [302, 302, 302, 429, 429] again 302"
    assert script.says("long .*") == "long 400" and asked == 3


SETTLED = """
import threading, uuid
import django
django.setup()
import attrs
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from dbxsdk.sim import DBotVenue
from desk import clients
from desk.models import TaskRequest

def send(what, action, meanwhile, **more):
    venue.hold_answers()
    lost = threading.Thread(target=lambda: venue.wait_until(lambda: venue.held_answers) and meanwhile())
    lost.start()
    status = browser.post("/requests", {"action": action, "id": str(uuid.uuid4()), **more}).status_code
    lost.join()
    row = TaskRequest.objects.first()
    print(what, status, row.outcome, row.text, row.retry, flush=True)

browser = Client(HTTP_HOST="localhost")
browser.force_login(get_user_model().objects.get(), backend="django.contrib.auth.backends.ModelBackend")
asking = threading.Event()
with DBotVenue(rate=0) as venue:
    task = venue.add_follow_order(enabled=False)
    settings.DESK = attrs.evolve(settings.DESK, live=True, task_url=venue.url(), rest_url=venue.rest_url(),
                                 task_key=venue.api_key, task_id=task, request_timeout=2.0)
    trading, _ = clients.trading()
    resolve = trading.resolve
    trading.resolve = lambda *args, **options: asking.set() or resolve(*args, **options)
    send("carried", "on", venue.drop_connections)
    send("closing", "off", venue.drop_connections, close_pnl_orders="on")
    venue.release_answers()
    with venue.client() as other:
        other.delete_follow_orders([task])
    trading.open()
    asking.clear()
    send("late", "on", lambda: asking.wait(20) and venue.release_answers())
    venue.fail_rest(503)
    send("silent", "on", venue.drop_connections)
    trading.close()
"""


def test_an_answer_that_is_lost_is_looked_up(stage: Stage) -> None:
    database = str(stage.home / "lost.sqlite3")
    with stage.start("-c", SETTLED, DJANGO_SETTINGS_MODULE="project.settings", DESK_DATABASE=database) as script:
        assert script.wait() == 0, script.written
    assert script.says("carried .*") == (
        "carried 302 done No answer came, but it was carried out. The venue was asked: the task is as it was to be. "
    )
    closing = script.says("closing .*")
    assert closing.startswith("closing 504 unknown It was sent, but") and "does not show closePnlOrder" in closing
    assert closing.endswith("Not yet: ask for its state first.")
    late = script.says("late .*")
    assert late.startswith("late 409 refused No answer came in time, and it was not carried out: the venue refused it:")
    assert "Nothing was changed. No: it would be refused again" in late
    silent = script.says("silent .*")
    assert silent.startswith("silent 504 unknown It was sent, but") and "it is still not known: " in silent and "503" in silent


# ---- the pages ---------------------------------------------------------------------------------------------


class Visitor:
    """Somebody with a browser's cookies, on one server."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = requests.Session()

    def log_in(self) -> "Visitor":
        page = self.get("/admin/login/?next=/")
        form = {"username": "staff", "password": PASSWORD, "csrfmiddlewaretoken": _token(page), "next": "/"}
        answer = self.session.post(page.url, data=form, timeout=10)
        assert answer.status_code == 200 and answer.url == f"{self.address}/", answer.text
        return self

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.session.get(self.address + path, timeout=10, **options)

    def send(self, action: str, **more: str) -> requests.Response:
        """A button of the page. A fresh form each time, unless its ``id`` is given."""
        form = {"action": action, "id": str(uuid.uuid4()), "csrfmiddlewaretoken": _token(self.get("/")), **more}
        return self.session.post(f"{self.address}/requests", data=form, timeout=10)


def _token(page: requests.Response) -> str:
    found = re.search('name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


def _outcome(page: requests.Response) -> str:
    """What the page says in its box, in one line."""
    found = re.search(r'<div class="outcome [^"]*".*?</div>', page.text, re.DOTALL)
    assert found, page.text
    return " ".join(re.sub(r"<[^>]+>", "", found[0]).split())


@attrs.frozen
class Site:
    stage: Stage
    market: DigiFinexVenue
    server: Program
    visitor: Visitor

    def last(self) -> Any:
        """The action and outcome of the last request in the database, and whether an answer is recorded."""
        return self.stage.rows("SELECT action, outcome, answered IS NOT NULL FROM desk_taskrequest ORDER BY sent DESC LIMIT 1")[0]

    @property
    def sent(self) -> int:
        """Requests of any kind that reached the venue."""
        return len(self.stage.trading.requests)

    def change_account(self, change: str) -> None:
        with contextlib.closing(sqlite3.connect(self.stage.database, timeout=5)) as connection, connection:
            connection.execute(f"UPDATE auth_user SET {change}")


@pytest.fixture(scope="module")
def site(stage: Stage) -> Iterator[Site]:
    """Under gunicorn, as its file here says but for the port and the number of workers, beside a feed."""
    gunicorn = ("-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "1", "--keep-alive", "0")
    # A slow market: its history goes back for most of a minute.
    with DigiFinexVenue(rate=1) as market, stage.start(
        "manage.py", "dbx_feed", DESK_LIVE="1", DESK_FEED_URL=market.url(), DESK_BATCH_SECONDS="0.05"
    ) as feed:
        with stage.start(*gunicorn, **stage.variables(DESK_DATABASE_TIMEOUT="0.3", DESK_REQUESTS="1000")) as server:
            address = server.says(r"http://127\.0\.0\.1:\d+")
            feed.says("storing the trades")
            yield Site(stage, market, server, Visitor(address).log_in())
            # It is killed, for it would wait seconds for the spare sockets that the browser keeps.
            errors = re.findall(r"^\S*(?:Error|Exception|DisallowedHost)\b.*", server.written, re.MULTILINE)
            assert all("rebound.example" in error for error in errors), server.written
            assert stage.trading.api_key not in server.written
        assert feed.stop() == 0 and "Traceback" not in feed.written


def test_pages_are_for_staff(site: Site) -> None:
    stranger = Visitor(site.visitor.address)
    asked = site.sent
    page = stranger.get("/", allow_redirects=False)
    assert page.status_code == 302 and page.headers["Location"].startswith("/admin/login/")
    token = _token(stranger.get("/admin/login/"))
    form = {"action": "on", "id": str(uuid.uuid4()), "csrfmiddlewaretoken": token}
    answer = stranger.session.post(f"{stranger.address}/requests", data=form, allow_redirects=False, timeout=10)
    assert answer.status_code == 302 and answer.headers["Location"].startswith("/admin/login/")
    assert site.visitor.send("on", csrfmiddlewaretoken="forged").status_code == 403  # what another site's page could send
    for nonsense in ({"action": "sell"}, {"action": "on", "id": "1"}):
        assert site.visitor.send(**nonsense).status_code == 400
    assert site.visitor.get("/requests").status_code == 405
    site.change_account("is_superuser = 0")
    assert 'value="on"' not in site.visitor.get("/").text
    assert site.visitor.send("on").status_code == 403
    site.change_account("is_staff = 0")
    assert site.visitor.get("/", allow_redirects=False).status_code == 302
    site.change_account("is_superuser = 1, is_staff = 1")
    assert 'value="on"' in site.visitor.get("/").text
    assert site.visitor.get("/", headers={"Host": "rebound.example"}).status_code == 400
    assert site.sent == asked and site.stage.rows("SELECT * FROM desk_taskrequest") == []
    page = site.visitor.get("/")
    assert page.headers["X-Frame-Options"] == "DENY" and "no-store" in page.headers["Cache-Control"]
    assert "The feed is running" in page.text
    assert re.search(r'<td class="(buy|sell)">', page.text) and site.stage.trading.api_key not in page.text
    assert site.visitor.get("/static/desk/desk.css").status_code == 200


def test_each_outcome_is_told_and_recorded(site: Site) -> None:
    trading, visitor = site.stage.trading, site.visitor
    trading.refuse_connections()
    answer = visitor.send("on")
    trading.accept_connections()
    assert answer.status_code == 503 and _outcome(answer).endswith("Try again? Yes.")
    assert "nothing was sent" in _outcome(answer) and site.last() == ("on", "not sent", 1)
    assert site.sent == 0 and not site.stage.enabled

    answer = visitor.send("on", close_pnl_orders="on")
    assert answer.status_code == 200 and site.stage.enabled
    assert _outcome(answer) == "The venue confirms it: the task is switched on. Try again? There is no need to."
    facts = " ".join(re.sub(r"<[^>]+>", " ", answer.text.partition("<dl")[2].partition("</section>")[0]).split())
    when = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    told = rf"Task {site.stage.task} Request Switch on By staff, {when} Outcome done, {when} Back to the desk"
    assert re.search(told, facts) and '<a href="/">Back to the desk</a>' in answer.text, facts
    assert "The venue confirms it: the task is switched on." in visitor.get("/").text
    assert site.last() == ("on", "done", 1) and "closePnlOrder" in str(trading.requests[-1].document)
    assert trading.requests[-1].document["params"]["closePnlOrder"] is False  # that goes with "off" alone
    again = {"id": str(uuid.uuid4())}
    answer = visitor.send("off", close_pnl_orders="on", **again)
    assert answer.status_code == 200 and not site.stage.enabled and "and close its take profit" in answer.text
    assert trading.requests[-1].document["params"]["closePnlOrder"] is True
    asked = site.sent
    second = visitor.send("off", close_pnl_orders="on", **again)  # a second click on the same page
    assert second.url == answer.url and site.sent == asked
    assert _outcome(visitor.send("look")).startswith("The venue says: the task is off.")
    assert trading.connection_count == 1

    trading.hold_answers()
    switching = Background(visitor.send, "on")
    assert trading.wait_until(lambda: trading.held_answers == 1)
    assert site.last() == ("on", "unknown", 0)  # written down before it was sent
    trading.drop_connections()
    answer = switching.result(10)
    assert answer.status_code == 504 and "whether it was carried out is not known" in _outcome(answer)
    assert "ask for its state first" in _outcome(answer) and site.last() == ("on", "unknown", 1)
    trading.release_answers()
    eventually(lambda: "the task is on" in _outcome(visitor.send("look")), 15)  # connected again


def test_a_database_that_is_locked(site: Site) -> None:
    trading, visitor = site.stage.trading, site.visitor
    asked, rows = site.sent, site.stage.rows("SELECT count(*) FROM desk_taskrequest")
    with locked(site.stage.database):
        answer = visitor.send("off")
        assert answer.status_code == 503 and "It could not be recorded, so nothing was sent" in _outcome(answer)
        assert "not recorded" in answer.text and "data-recorded" not in answer.text
    assert site.sent == asked and site.stage.rows("SELECT count(*) FROM desk_taskrequest") == rows
    trading.hold_answers()
    switching = Background(visitor.send, "off")
    assert trading.wait_until(lambda: trading.held_answers == 1)
    with locked(site.stage.database):
        trading.release_answers()
        answer = switching.result(10)
    assert "the task is switched off. This could not be recorded" in _outcome(answer)
    assert site.last() == ("off", "unknown", 0)
    site.server.says("the outcome of request .* could not be recorded: done")


def test_a_worker_that_is_killed_leaves_a_trace(site: Site) -> None:
    trading, visitor = site.stage.trading, site.visitor
    trading.hold_answers()
    row = str(uuid.uuid4())
    switching = Background(visitor.send, "on", id=row)
    assert trading.wait_until(lambda: trading.held_answers == 1)
    os.kill(int(site.server.says(r"Booting worker with pid: (\d+)")), signal.SIGKILL)
    assert isinstance(switching.error(10), requests.ConnectionError)
    trading.release_answers()
    assert site.last() == ("on", "unknown", 0) and site.stage.enabled  # it was carried out, in this case
    site.server.says("Booting worker with pid", 2)
    page = visitor.get(f"/requests/{row}")
    assert page.status_code == 200 and "It is not known yet" in _outcome(page)
    assert "ask for its state first" in _outcome(page)
    asked = site.sent
    assert "It is not known yet" in _outcome(visitor.send("on", id=row)) and site.sent == asked  # never again
    assert "outcome unknown" in visitor.get("/").text


def test_the_admin_lists_are_records(site: Site) -> None:
    visitor = site.visitor
    visitor.send("on")
    with contextlib.closing(sqlite3.connect(site.stage.database, timeout=5)) as connection, connection:
        connection.execute(
            "INSERT INTO desk_gap (venue, symbol, reason, state, since, until, after_trade_id, note) VALUES ('digifinex',"
            " 'BTC_USDT', 'restart', 'missing', '2026-01-02 03:04:05', '2026-01-02 03:09:05.5', 7, '')"
        )
    for name, query, words in (
        ("trade", "?side=buy&symbol=BTC_USDT", ("BTC_USDT", "7000")),
        ("gap", "?state=missing&reason=restart", ("trades may be missing", "the feed was not running")),
        ("taskrequest", "?outcome=done", (site.stage.task, "the task is switched on.")),
        ("feedstatus", "", ("digifinex", "ready")),
    ):
        page = visitor.get(f"/admin/desk/{name}/{query}")
        assert page.status_code == 200 and all(word in page.text for word in words), page.text
        assert f"/admin/desk/{name}/add/" not in page.text and "delete_selected" not in page.text
        (key,) = site.stage.rows(f"SELECT * FROM desk_{name} LIMIT 1")[0][:1]
        path = f"/admin/desk/{name}/{uuid.UUID(key) if name == 'taskrequest' else key}"
        assert visitor.get(f"{path}/change/").status_code == 200
        form = {"csrfmiddlewaretoken": _token(visitor.get("/")), "post": "yes"}
        assert visitor.session.post(f"{visitor.address}{path}/delete/", data=form, timeout=10).status_code == 403
        assert visitor.session.post(f"{visitor.address}{path}/change/", data=form, timeout=10).status_code == 403
    table = visitor.get("/admin/desk/trade/?side=buy").text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert "buy" in table and "sell" not in table
    assert "trades may be missing" in visitor.get("/").text


def test_runserver_and_its_reloader_connect_once(stage: Stage, site: Site) -> None:
    with DBotVenue(rate=1) as trading, stage.start(
        "manage.py", "runserver", "127.0.0.1:0", **stage.variables(trading)
    ) as server:
        listens = r"(http://127\.0\.0\.1:\d+)/"
        visitor = Visitor(server.says(listens))
        visitor.session.cookies.update(site.visitor.session.cookies)  # the database knows who it is
        assert visitor.get("/").status_code == 200
        assert trading.connection_count == 0  # two processes have imported everything, and pages were served
        for reloads in (0, 1):
            for _ in range(2):
                assert visitor.send("on").status_code == 200
            assert trading.connections == 1 and trading.connection_count == reloads + 1
            if not reloads:
                with open(stage.home / "desk" / "apps.py", "a") as file:
                    file.write("\n# a change\n")
                visitor.address = server.says(listens, 2)
                assert trading.wait_until(lambda: trading.connections == 0)


# ---- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture
def page(site: Site, browser: Any) -> Iterator[Any]:
    """The page, for somebody who is logged in; nothing may have gone wrong on it."""
    browser.open("about:blank")
    for cookie in site.visitor.session.cookies:
        browser.cdp("Network.setCookie", name=cookie.name, value=cookie.value, url=site.visitor.address)
    browser.driver.get(f"{site.visitor.address}/")
    yield browser
    assert [line for line in browser.console() if "/requests" not in line] == []


def test_the_page_by_keyboard_and_on_a_phone(page: Any, site: Site) -> None:
    trading = site.stage.trading
    assert "The feed is running" in page.text("#feed") and len(page.text("tbody").splitlines()) == 20
    page.until(lambda: page.text("#asking") == "")
    page.screenshot("django-light")
    cards = "['#state', '#gaps', '#trades', '#requests'].map((css) => $(css).closest('section').getBoundingClientRect())"
    task, gaps, trades, requests = page.run(f"{cards}.map(({{ top, bottom, left, right }}) => [top, bottom, left, right])")
    assert task[:2] == gaps[:2] and trades[:2] == requests[:2] and task[2:] == trades[2:] and gaps[2:] == requests[2:]
    site.market.refuse_connections()
    try:
        site.market.drop_connections()
        page.until(lambda: "The feed is reconnecting" in page.text("#feed"))
        assert "No trades are known to be missing" not in page.text("#gaps")
        page.screenshot("django-dropped")
    finally:
        site.market.accept_connections()
    page.until(lambda: "The feed is running" in page.text("#feed") and "Reconnects: 1" in page.text("#feed"))
    gaps = "SELECT state FROM desk_gap WHERE reason = 'connection' AND state <> 'open'"
    assert eventually(lambda: site.stage.rows(gaps)[1:]) and site.stage.rows(gaps) == [("filled",)] * 2
    page.run("$('button[value=on]').focus()")
    page.press(TAB)
    assert page.run("document.activeElement.value") == "off"
    page.press(TAB, TAB, SPACE)
    assert page.run("$('input[type=checkbox]').checked")
    page.run("$('button[value=off]').focus()")
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.press(ENTER)
    page.until(lambda: "the task is switched off." in page.text("#outcome"))
    assert trading.requests[-1].document["params"]["closePnlOrder"] is True
    asked = len(trading.requests)
    page.driver.refresh()
    assert "the task is switched off." in page.text("#outcome") and len(trading.requests) == asked
    trading.hold_answers()
    # Beside it, since the driver returns only when the new page is there.
    dropping = Background(lambda: trading.wait_until(lambda: trading.held_answers == 1) and trading.drop_connections())
    page.run("$('button[value=on]').focus()")
    page.press(ENTER)
    assert dropping.result() == 1
    page.until(lambda: "whether it was carried out is not known" in page.text("#outcome"))
    trading.release_answers()
    assert page.run("document.querySelector('.buttons button').value") == "look"  # what is to be done now comes first
    page.screenshot("django-unknown")
    assert legible(page)
    page.prefer("dark")
    page.screenshot("django-unknown-dark")
    page.driver.get(f"{site.visitor.address}/")
    assert page.text("#state").startswith("Its state is not known.\nSwitch on: outcome unknown, 20")
    assert legible(page)
    page.screenshot("django-dark")
    page.size(360, 740)
    assert page.run("document.documentElement.scrollWidth") == page.run("innerWidth") == 360
    wide = "[...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > 360.5).map(String)"
    assert page.run(wide) == []
    edge = "$(arguments[0]).getBoundingClientRect().right"
    assert page.run(edge, "table") <= page.run(edge, "#trades") - 14  # the panel's padding
    assert page.run("getComputedStyle($('td.number:nth-last-child(2)')).paddingRight") == "0px"  # no number stands apart
    page.screenshot("django-phone-dark")
    page.prefer("light")
    assert legible(page)
    page.screenshot("django-phone")


def test_the_state_is_asked_for_when_the_page_is_opened(page: Any, site: Site) -> None:
    with contextlib.closing(sqlite3.connect(site.stage.database, timeout=5)) as connection, connection:
        day = "'2026-01-02'"
        connection.execute(f"UPDATE desk_taskrequest SET sent = {day}, answered = {day}, outcome = 'done', text = 'It was so.'")
    trading, asked = site.stage.trading, site.sent
    trading.hold_answers()
    try:
        page.driver.get(f"{site.visitor.address}/")  # which waits for no venue
        assert "It was so." in page.text("#state") and "2026-01-02" in page.text("#state")
        page.until(lambda: page.text("#asking") == "Asking the venue for its state …")
    finally:
        trading.release_answers()
    page.until(lambda: "The venue says: the task is" in page.text("#state") and page.text("#asking") == "")
    assert site.sent == asked + 1 and site.last() == ("look", "done", 1)
    page.driver.get(f"{site.visitor.address}/")  # and again at once: it is known
    assert "The venue says: the task is" in page.text("#state") and page.run("$('#state').dataset.ask ?? ''") == ""
    assert site.sent == asked + 1


def legible(page: Any) -> bool:
    """Whether all text has the contrast that WCAG 2 wants at its level AA."""
    from tests.samples.test_flask_dashboard import CONTRAST

    found = page.run(CONTRAST)
    assert len(found) > 10 and [each for each in found if each[0] < 4.5] == []
    return True


def test_a_task_that_is_gone_is_refused(site: Site) -> None:
    with site.stage.trading.client() as client:
        client.delete_follow_orders([site.stage.task])
    eventually(lambda: site.visitor.send("look").status_code == 409, 15)  # connected again
    answer = site.visitor.send("on")
    assert answer.status_code == 409 and "The venue refused it" in _outcome(answer)
    assert "Try again? No: it would be refused again" in _outcome(answer)
    assert site.last() == ("on", "refused", 1)
    assert "The venue has no such task" in _outcome(site.visitor.send("look"))
