"""The Flask sample: served as users serve it, asked as programs and browsers ask, with the venues in this process."""

from __future__ import annotations

import contextlib
import json
import os
import re
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List

import attrs
import pytest
import requests

import dbxsdk
from dbxsdk.sim import BybitVenue, DBotVenue
from tests.conftest import library_threads
from tests.relay import redis_server as real_redis
from tests.relay import scene
from tests.waiting import Background, eventually

pytest_plugins = ["tests.samples.browser"]

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "samples" / "flask_dashboard"
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0")
FLASK = ("flask", "--app", "dashboard", "run", "--port", "0")
MARK = {"X-Dashboard": "1"}
TAB, SPACE, ENTER, ESCAPE = "\ue004", " ", "\ue007", "\ue00c"
HOME = "\ue011"


CONTRAST = """(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b].reduce((a, b) => a + b);
  const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => light(parts(colour).slice(0, 3).map(linear));
  const behind = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return (parts(colour)[3] ?? 1) > 0 ? colour : behind(element.parentElement);
  };
  const texts = [...document.querySelectorAll("body *")].filter((each) =>
    [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && each.checkVisibility());
  return texts.map((each) => {
    const style = getComputedStyle(each);
    const ink = each.closest("svg") ? style.fill : style.color;
    const [low, high] = [luminance(ink), luminance(behind(each))].sort((a, b) => a - b);
    return [(high + 0.05) / (low + 0.05), each.outerHTML.slice(0, 60)];
  });
})()"""
"""For each element with text on the page, its contrast with what is behind it, as WCAG 2 reckons it."""


class Served:
    """The sample in a process of its own, once it says where it listens."""

    def __init__(self, command: Any, home: Path, **variables: str) -> None:
        keys = ("DBOT_API_KEY", "DBOT_FOLLOW_ORDER")
        inherited = {name: value for name, value in os.environ.items() if name not in keys and not name.startswith("DASHBOARD_")}
        self._written: List[str] = []
        self._listens = threading.Event()
        self.address = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=SAMPLE,
            # gunicorn keeps a socket of its own in the home directory.
            env={**inherited, "PYTHONPATH": str(ROOT), "HOME": str(home), **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a server that starts itself again has children
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._listens.wait(20) or not self.address:
            self.end()
            raise AssertionError(self.written)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._written.append(line)
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            if found and not self.address:
                self.address = found[0]
                self._listens.set()
        self._listens.set()

    @property
    def written(self) -> str:
        return "".join(self._written)

    def get(self, path: str, **options: Any) -> requests.Response:
        return requests.get(self.address + path, timeout=30, **options)

    def post(self, **options: Any) -> requests.Response:
        return requests.post(f"{self.address}/task", timeout=10, **options)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Asks it to end; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(5)
        self._reader.join(5)
        return code

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(5)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@attrs.frozen
class Venues:
    """Where the market and the copy trading task are."""

    market: BybitVenue
    trading: DBotVenue
    task: str

    def variables(self, **more: str) -> Dict[str, str]:
        """What points the sample at them."""
        return {
            "DASHBOARD_LIVE": "1",
            "DASHBOARD_FEED_URL": self.market.url("/v5/public/linear"),
            "DASHBOARD_TASK_URL": self.trading.url(),
            "DBOT_API_KEY": self.trading.api_key,
            "DBOT_FOLLOW_ORDER": self.task,
            **more,
        }

    @property
    def enabled(self) -> bool:
        return bool(self.trading.tasks("follow")[self.task]["enabled"])


@pytest.fixture(autouse=True)
def no_thread_left() -> None:
    """In place of the rule for each test: the venues here live as long as the module, and ``venues`` checks it."""


@pytest.fixture(scope="module")
def venues() -> Iterator[Venues]:
    with BybitVenue() as market, DBotVenue(rate=1) as trading:
        yield Venues(market, trading, trading.add_follow_order(enabled=False))
    eventually(lambda: not library_threads())


@pytest.fixture(scope="module")
def served(venues: Venues, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Under gunicorn, as its file here says."""
    variables = venues.variables(DASHBOARD_REQUEST_TIMEOUT="1", DASHBOARD_STALE_AFTER="0.6")
    with Served(GUNICORN, tmp_path_factory.mktemp("home"), **variables) as server:
        yield server
        assert "Traceback" not in server.written and venues.trading.api_key not in server.written


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The sample's package, imported here."""
    monkeypatch.syspath_prepend(str(SAMPLE))
    import dashboard

    return dashboard


def states(stream: requests.Response) -> Iterator[Dict[str, Any]]:
    """The page's states out of a stream of server-sent events."""
    for line in stream.iter_lines(chunk_size=1):
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


# ---- in this process ---------------------------------------------------------------------------------------


def test_a_slow_reader_gets_the_newest_and_no_queue(dashboard: Any) -> None:
    from dashboard.latest import Latest

    latest: Any = Latest()
    assert latest.after(0, timeout=0.01) == (0, None)
    for number in range(1000):
        latest.put(number)
    assert latest.after(0, timeout=0) == (1000, 999)  # and the 999 before it are held nowhere
    waiting = Background(latest.after, 1000, 5)
    latest.put("more")
    assert waiting.result() == (1001, "more")


@pytest.mark.parametrize(
    "error, kind, status, retry",
    [
        (dbxsdk.RequestTimeout("x"), "unknown", 504, "Not yet: ask for its state first"),
        (dbxsdk.ConnectionLost("x"), "unknown", 504, "Not yet: ask for its state first"),
        (dbxsdk.UnreadableReply("x"), "unknown", 504, "Not yet: ask for its state first"),
        (dbxsdk.VenueError("x"), "refused", 409, "No:"),
        (dbxsdk.AuthError("x"), "refused", 409, "No, not before the key"),
        (dbxsdk.RateLimited("x"), "refused", 429, "Yes, but later"),
        (dbxsdk.ConnectError("x"), "not sent", 503, "Yes."),
        (dbxsdk.ClientClosed("x"), "not sent", 503, "Yes."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_outcome_says_whether_a_retry_is_safe(
    dashboard: Any, error: dbxsdk.DbxError, kind: str, status: int, retry: str
) -> None:
    from dashboard.task import explained

    outcome = explained(error)
    assert (outcome.kind, outcome.status) == (kind, status) and outcome.retry.startswith(retry)


@pytest.mark.parametrize("name, value", [
    ("DASHBOARD_LIVE", "yes"), ("DASHBOARD_STALE_AFTER", "soon"), ("DASHBOARD_VIEWERS", "0"), ("DASHBOARD_VIEWERS", "1.5"),
    ("DASHBOARD_REQUEST_TIMEOUT", "nan"), ("DASHBOARD_RELAY", "http://user:hidden-word@127.0.0.1/0"),
])
def test_a_wrong_variable_is_named(dashboard: Any, name: str, value: str) -> None:
    from dashboard.settings import Settings

    with pytest.raises(ValueError, match=name) as raised:
        Settings.from_environment({name: value})
    assert "hidden-word" not in str(raised.value)


def test_a_relay_takes_the_place_of_the_market(dashboard: Any) -> None:
    from dashboard.settings import Settings

    relay = "redis://:hidden-word@127.0.0.1/0"
    found = Settings.from_environment({"DASHBOARD_RELAY": relay})
    assert found.live and found.counted_at == relay and "hidden-word" not in repr(found)
    assert [Settings(relay=url).counted_at for url in (None, "unix:///run/r.sock", "redis+sentinel://a:26379/s/0")] == [
        "memory://", "redis+unix:///run/r.sock", "memory://"]
    with pytest.raises(ValueError, match="DASHBOARD_FEED_URL must not be set beside DASHBOARD_RELAY"):
        Settings.from_environment({"DASHBOARD_RELAY": relay, "DASHBOARD_FEED_URL": "ws://127.0.0.1:1"})


@pytest.mark.parametrize("symbol, units", [
    ("BTCUSDT", ("BTC", "USDT")), ("1000PEPEUSDT", ("1000PEPE", "USDT")), ("BTCUSDT-26MAR27", ("BTC", "USDT")),
    ("ETHUSDC", ("ETH", "USDC")), ("BTCPERP", ("", "")), ("BTC-26MAR27", ("", "")), ("USDT", ("", "")), ("BTCUSD", ("", "")),
])
def test_units_are_what_the_symbol_says(dashboard: Any, symbol: str, units: Any) -> None:
    from dashboard.settings import Settings

    assert Settings(symbol=symbol).units == units


def test_what_is_said_of_prices_and_of_gaps_agrees(dashboard: Any) -> None:
    from dashboard.feed import Feed

    counts = SimpleNamespace(received=1, reconnects=0, dropped=0, bad_frames=0)
    client: Any = SimpleNamespace(state=dbxsdk.State.READY, stats=lambda: counts)
    feed: Any = Feed(client, "BTCUSDT", stale_after=60, measured=lambda callback: callback)
    feed._subscribed = True
    dropped = dbxsdk.Disconnected(reason="the line was cut", code=None, retry_in=1.0)

    def shown() -> Any:
        state = json.loads(feed._state())
        return state["status"]["word"], state["status"]["gap_since"], len(state["gaps"])

    feed._on_event(dropped)
    assert shown() == ("connecting", None, 0)  # nothing was subscribed, so no Gap will come, and none is waited for
    feed._on_trades(SimpleNamespace(data=()))
    assert shown() == ("live", None, 0)
    since = feed._updated[1]
    feed._on_event(dropped)
    assert shown() == ("reconnecting", since, 0)
    assert feed.status().reason == "the line was cut"
    feed._on_event(dbxsdk.Connected(reconnects=1))
    assert shown() == ("reconnecting", since, 0)  # ready, and nobody has said yet how long the gap was
    feed._on_event(dbxsdk.Gap(topics=("publicTrade.BTCUSDT",), seconds=2.5, last_received_ns=1))
    assert shown() == ("live", None, 1)
    client.state = dbxsdk.State.RECONNECTING  # before its event has come
    assert shown() == ("reconnecting", since, 1)
    client.state = dbxsdk.State.READY
    feed._on_event(dropped)
    feed._on_event(dbxsdk.Gap(topics=("tickers.BTCUSDT",), seconds=2.5, last_received_ns=1))
    assert shown() == ("reconnecting", since, 1)  # it says nothing of the trades, and theirs is to come
    feed._on_event(dbxsdk.Gap(topics=("publicTrade.BTCUSDT",), seconds=2.5, last_received_ns=1))
    assert shown() == ("live", None, 2)


def test_the_readme_says_what_can_be_set() -> None:
    text = (SAMPLE / "README.rst").read_text()
    names = r"\b(?:DASHBOARD|DBOT)_[A-Z_]+"
    assert set(re.findall(names, text)) == set(re.findall(names, (SAMPLE / "dashboard" / "settings.py").read_text()))
    conf = runpy.run_path(str(SAMPLE / "gunicorn.conf.py"))
    flags = "--worker-class {worker_class} --workers {workers} --threads {threads} --bind {bind} \"{wsgi_app}\"".format(**conf)
    assert flags in " ".join(text.split())
    assert all(len(line) <= 100 for line in text.splitlines())


def test_an_application_alone_opens_nothing(dashboard: Any, venues: Venues) -> None:
    from dashboard.settings import Settings

    before, threads = venues.market.connection_count, set(threading.enumerate())
    app = dashboard.create_app(Settings.from_environment(venues.variables()))
    assert "dashboard" in app.extensions and "sim-" not in repr(app.extensions["dashboard"].settings)
    assert venues.market.connection_count == before
    # Flask-Limiter has a timer, which ends at once.
    new = [each for each in set(threading.enumerate()) - threads if not isinstance(each, threading.Timer)]
    assert [each.name for each in new if "-sim-" not in each.name] == []


def test_a_symbol_that_is_not_there_is_told(dashboard: Any, venues: Venues) -> None:
    from dashboard.settings import Settings

    app = dashboard.create_app(Settings.from_environment(venues.variables(DASHBOARD_SYMBOL="NOSUCH")))
    client, desk = app.test_client(), app.extensions["dashboard"]
    try:
        answer = eventually(lambda: [found for found in [client.get("/health")] if found.get_json()["word"] == "failed"])[0]
        assert answer.status_code == 503 and "NOSUCH" in answer.get_json()["reason"]
        # Events may come behind what has ended it.
        desk.feed._on_event(dbxsdk.Connected(0))
        assert "NOSUCH" in client.get("/health").get_json()["reason"]
    finally:
        desk.close()


def test_without_any_setting_there_are_local_venues(dashboard: Any) -> None:
    from dashboard.settings import Settings

    app = dashboard.create_app(Settings.from_environment({}))
    client, desk = app.test_client(), app.extensions["dashboard"]
    try:
        assert "simulated" in client.get("/").text
        eventually(lambda: client.get("/health").status_code == 200)
        with client.get("/events", buffered=False) as stream:
            states = (json.loads(part[6:]) for part in stream.response if part.startswith(b"data: "))
            assert float(next(state for state in states if state["ticker"])["ticker"]["last"]) > 0
            latest = desk.feed.states  # while this browser sleeps
            version, _ = latest.after(0, timeout=5)
            _, newest = latest.after(version + 3, timeout=5)
            assert next(states)["counts"]["received"] >= json.loads(newest)["counts"]["received"]  # it passed over some
        scraped = client.get("/metrics")
        assert scraped.content_type.startswith("text/plain")
        assert 'dbxsdk_state{client="bybit:linear' in scraped.text and 'channel="publicTrade",le="+Inf"' in scraped.text
        assert client.get("/task").get_json()["enabled"] is False
        assert client.post("/task", json={"enabled": True}, headers=MARK).get_json()["kind"] == "done"
        assert client.get("/task").get_json()["enabled"] is True
    finally:
        desk.close()
    assert not [thread for thread in library_threads() if "sim" not in thread.name]


def test_requests_are_bounded_in_bytes_depth_and_number(dashboard: Any, venues: Venues) -> None:
    from dashboard.settings import Settings

    app = dashboard.create_app(Settings.from_environment(venues.variables()))
    client, desk = app.test_client(), app.extensions["dashboard"]
    before = len(venues.trading.requests)
    try:
        json_ = {**MARK, "Content-Type": "application/json"}
        assert client.post("/task", data=b" " * 1025, headers=json_).status_code == 413
        assert client.post("/task", data=b"[" * 1024, headers=json_).status_code == 400
        assert client.post("/task", data=b"[" * 512 + b"]" * 512, headers=json_).status_code == 400
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(app.config, "MAX_CONTENT_LENGTH", None)  # whatever else is set, it is no failure of the server's
            assert client.post("/task", data=b"[" * 1_000_000, headers=json_).status_code == 400
        assert len(venues.trading.requests) == before
        for ask in (lambda: client.get("/task"), lambda: client.post("/task", json={"enabled": False}, headers=MARK)):
            found = [ask().status_code for _ in range(70)]
            assert found[0] == 200 and found.count(200) + found.count(429) == 70
            assert 5 <= found.count(200) <= 60
    finally:
        desk.close()


# ---- over HTTP ---------------------------------------------------------------------------------------------


def health(server: Served, word: str, timeout: float = 10) -> Dict[str, Any]:
    """What the health check says, once it says this."""
    expected = 200 if word == "live" else 503

    def look() -> Any:
        answer = server.get("/health")
        document = answer.json()
        assert (answer.status_code == 200) is (document["word"] == "live")
        return (answer.status_code, document["word"]) == (expected, word) and document

    return dict(eventually(look, timeout))


def test_health(served: Served, venues: Venues) -> None:
    document = health(served, "live")
    assert document["reason"] is None and document["age"] < 1 and document["state"] == "ready"
    assert document["stats"]["received"] > 0 and document["stats"]["bad_frames"] == 0
    assert venues.market.wait_until(lambda: venues.market.connections == 1) and len(venues.market.subscriptions()) == 3
    venues.market.go_silent()
    try:
        document = health(served, "stale")
        assert document["age"] > 0.6 and "nothing comes" in document["reason"] and document["state"] == "ready"
    finally:
        venues.market.resume()
    health(served, "live")


def test_the_page_is_protected(served: Served, venues: Venues) -> None:
    page = served.get("/")
    assert page.status_code == 200 and page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert not re.search(r"""\son\w+=|\sstyle=|<script(?![^>]*\ssrc="/static/)|https?://(?!www\.w3\.org)""", page.text)
    assert venues.trading.api_key not in page.text

    enabled = venues.enabled
    wish = {"enabled": not enabled}
    asked = len(venues.trading.requests)
    assert served.post(json=wish).status_code == 403  # what another site's page could send
    assert served.post(data=wish).status_code == 403
    assert served.post(data=json.dumps(wish), headers={"Content-Type": "text/plain"}).status_code == 403
    assert served.post(data=wish, headers=MARK).status_code == 415
    for nonsense in ({"enabled": "yes"}, {}, [True]):
        assert served.post(json=nonsense, headers=MARK).status_code == 400
    assert served.post(json=wish, headers={**MARK, "Host": "rebound.example"}).status_code == 400
    assert served.get("/health", headers={"Host": "rebound.example"}).status_code == 400
    assert "Access-Control-Allow-Origin" not in requests.options(f"{served.address}/task", timeout=10).headers
    assert len(venues.trading.requests) == asked

    assert served.get("/task").json()["enabled"] is enabled  # looking changes nothing
    answer = served.post(json=wish, headers=MARK)
    assert answer.status_code == 200 and answer.json()["kind"] == "done" and venues.enabled is not enabled
    served.post(json={"enabled": enabled}, headers=MARK)


def test_streams_are_few_and_end(venues: Venues, tmp_path: Path) -> None:
    """A browser that goes away gives its thread back, and a server that is told to end waits for none that stays."""
    command = (*GUNICORN, "--preload", "--threads", "3", "--keep-alive", "0")  # it would wait for kept connections, too
    with Served(command, tmp_path, **venues.variables(DASHBOARD_VIEWERS="2")) as server:
        stay, leave = server.get("/events", stream=True), server.get("/events", stream=True)
        assert stay.headers["Content-Type"].startswith("text/event-stream")
        flow = states(stay)  # in a variable: the connection lives no longer than this does
        state = next(each for each in flow if each["status"]["word"] == "live" and each["trades"])
        assert len(state["bids"]) == len(state["asks"]) == 50 and float(state["bids"][0][0]) < float(state["asks"][0][0])
        assert len(venues.market.subscriptions()) == 3
        assert server.get("/events").status_code == 503
        assert server.get("/health").status_code == 200  # the third thread
        leave.close()
        eventually(lambda: re_entered(server))
        connections = venues.market.connections
        rest = Background(list, flow)
        assert server.stop() == 0
        assert all(each["status"]["word"] == "live" for each in rest.result())  # to its proper end
        assert venues.market.wait_until(lambda: venues.market.connections == connections - 1)
    assert "Traceback" not in server.written, server.written


def re_entered(server: Served) -> bool:
    with server.get("/events", stream=True) as again:
        return again.status_code == 200


def test_flask_run_with_the_reloader_connects_once(venues: Venues, tmp_path: Path) -> None:
    connections = venues.market.connection_count
    with Served((*FLASK, "--debug"), tmp_path, **venues.variables()) as server:
        health(server, "live")
        assert server.get("/").status_code == 200
        assert venues.market.connection_count == connections + 1


# ---- on a relay --------------------------------------------------------------------------------------------


@attrs.define
class Relayed:
    """Two workers of the sample on one Redis server, and the process that serves them, which a test may end."""

    redis: Any
    market: BybitVenue
    served: Served
    serving: Any = None

    def serve(self) -> None:
        self.serving = scene.Served(dbxsdk.Relay(self.redis.url), self.market.client("linear"), None)

    def workers(self) -> Dict[int, Iterator[Dict[str, Any]]]:
        """A stream of states from each of the two workers, by when its feed began."""
        found: Dict[int, Iterator[Dict[str, Any]]] = {}
        for worker in self.pids[-2:]:
            os.kill(worker, signal.SIGSTOP)  # the other one answers
            try:
                flow = states(self.served.get("/events", stream=True))
                found[next(flow)["started"]] = flow
            finally:
                os.kill(worker, signal.SIGCONT)
        return found

    @property
    def pids(self) -> List[int]:
        """Of all workers that there were, the last one last."""
        return list(map(int, re.findall(r"Booting worker with pid: (\d+)", self.served.written)))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_redis.RedisServer]:
    if real_redis.PROGRAM is None:
        pytest.skip("there is no redis-server on this machine: apt-get install redis-server")
    with real_redis.redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture(scope="module")
def relayed(venues: Venues, server: real_redis.RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relayed]:
    redis, home = server, tmp_path_factory.mktemp("relayed")
    with BybitVenue() as market:
        with Served(GUNICORN, home, DASHBOARD_RELAY=redis.url, DASHBOARD_STALE_AFTER="2") as served:
            found = Relayed(redis, market, served)
            found.serve()
            try:
                health(served, "live", 60)  # two workers are started, which takes two cores a while
                yield found
            finally:
                found.serving.stop()
            assert "Traceback" not in served.written, served.written


def test_two_workers_show_one_feed(relayed: Relayed) -> None:
    flows = relayed.workers()
    assert relayed.market.connections == 1 and len(relayed.market.subscriptions()) == 3

    def until(met: Any) -> None:
        for flow in flows.values():
            assert next(state for state in flow if met(state))

    until(lambda state: state["status"]["word"] == "live" and len(state["bids"]) == 50 and state["ticker"])
    row = {"T": 1_700_000_000_000, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "1.2345", "L": "PlusTick", "i": "x", "BT": False}
    relayed.market.send_frame({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [row]})
    until(lambda state: any(trade.get("price") == "1.2345" for trade in state["trades"]))

    relayed.serving.stop()
    until(lambda state: state["status"]["word"] == "reconnecting" and "has ended" in (state["status"]["reason"] or ""))
    assert relayed.served.get("/health").status_code == 503
    relayed.serve()
    until(lambda state: state["status"]["word"] == "live" and len(state["gaps"]) == 1)

    assert len(relayed.pids) == len(flows) == 2
    os.kill(relayed.pids[0], signal.SIGKILL)
    eventually(lambda: len(relayed.pids) == 3)
    (other,) = set(relayed.workers()) - set(flows)  # a new one, and the one that goes on
    assert other > max(flows) and relayed.market.connections == 1


def test_the_page_says_that_the_relay_is_away(relayed: Relayed, browser: Any) -> None:
    browser.open(f"{relayed.served.address}/")
    browser.until(lambda: browser.text("#word") == "Live" and browser.text("#trades"))
    assert browser.text(".source") == "Bybit linear, from a relay"
    browser.run(WATCH)
    relayed.serving.stop()
    browser.until(lambda: browser.text("#word") == "Reconnecting")
    browser.until(lambda: "the serving process has ended. Prices are old, and trades since" in browser.text("#notice"))
    browser.screenshot("flask-relay-away")
    relayed.serve()
    browser.until(lambda: browser.text("#word") == "Live" and "Recovered at" in browser.text("#notice"))
    assert browser.run("window.seen") >= 2 and browser.run("window.contradictions") == []
    relayed.redis.stop()
    browser.until(lambda: "redis at 127.0.0.1" in browser.text("#notice"), 15)
    relayed.redis.start()
    browser.until(lambda: browser.text("#word") == "Live", 15)
    browser.screenshot("flask-relay-back")


def test_a_relay_that_refuses_the_password_is_told(dashboard: Any, server: Any) -> None:
    from dashboard.settings import Settings

    url = server.url.replace("redis://", "redis://somebody:hidden-word@")
    app = dashboard.create_app(Settings.from_environment({"DASHBOARD_RELAY": url}))
    client, desk = app.test_client(), app.extensions["dashboard"]
    try:
        answer = eventually(lambda: [found for found in [client.get("/health")] if found.get_json()["word"] == "failed"])[0]
        assert "refused the user or the password" in answer.get_json()["reason"] and "hidden-word" not in answer.text
    finally:
        desk.close()


def test_on_a_relay_all_workers_count_requests_together(dashboard: Any, venues: Venues, server: Any) -> None:
    from dashboard.settings import Settings

    variables = venues.variables(DASHBOARD_RELAY=server.url)
    del variables["DASHBOARD_FEED_URL"]
    desks = []

    def worker() -> Any:
        app = dashboard.create_app(Settings.from_environment(variables))
        desks.append(app.extensions["dashboard"])
        return app.test_client()

    try:
        one, other = worker(), worker()

        def together() -> bool:
            eventually(lambda: [one.get("/task").status_code for _ in range(10)] == [429] * 10, 30)  # a minute's are used up
            return bool(other.get("/task").status_code == 429)

        assert together() or together(), "the minute may end in between, but not twice"
        server.stop()
        assert other.get("/task").status_code == 200  # counts for itself
        server.start()
    finally:
        for desk in desks:
            desk.close()


# ---- in a browser ------------------------------------------------------------------------------------------


@pytest.fixture
def page(served: Served, browser: Any) -> Iterator[Any]:
    """The page, once it shows live prices; nothing may have been kept from running on it."""
    browser.open(f"{served.address}/")
    browser.until(lambda: browser.text("#word") == "Live" and browser.text("#trades"))
    yield browser
    assert [line for line in browser.console() if "/task" not in line and "/events" not in line] == []


def test_the_market_moves(page: Any) -> None:
    first = {name: page.text(f"#{name}") for name in ("price", "bid", "received")}
    assert re.fullmatch(r"\d{2},\d{3}\.\d", first["price"])
    page.until(lambda: all(page.text(f"#{name}") != text for name, text in first.items()))
    lines = page.run("[...document.querySelectorAll('#depth .line, #depth .area')].map(each => each.getAttribute('d'))")
    assert len(lines) == 4 and all(len(re.findall("[HV]", line)) > 20 and "NaN" not in line for line in lines)
    page.until(lambda: page.run("$('.bids.line').getAttribute('d')") not in lines)
    page.until(lambda: len(page.text("#trades").splitlines()) > 20)
    rows = page.text("#trades").splitlines()
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d\s+(Buy|Sell)\s+[\d.]+\s+[\d,.]+", row) for row in rows)
    assert page.run("document.title").endswith("BTCUSDT")
    assert "NaN" not in page.until(lambda: page.run("$('#spark path').getAttribute('d')"))
    assert page.text("thead").split()[2:] == ["Size,", "BTC", "Price,", "USDT"] and "Volume, BTC" in page.text(".quote")
    assert re.fullmatch(r"[\d.]+ \([\d.e-]+ %\)", page.text("#spread"))
    assert re.fullmatch(r"[\d.,]+ BTC", page.run("$('#depth .labels text').textContent"))
    page.screenshot("flask-light")


def test_the_trades_end_with_a_whole_row_at_every_height(page: Any) -> None:
    cut = """(() => {
      const list = $(".rows").getBoundingClientRect(), head = $("thead").getBoundingClientRect();
      const all = [...document.querySelectorAll("#trades tr")].map((row) => row.getBoundingClientRect());
      const rows = all.filter((row) => row.height);
      const shown = rows.filter((row) => row.bottom > head.bottom + 1 && row.top < list.bottom - 1);
      return [shown.length, shown.filter((row) => row.top < head.bottom - 1 || row.bottom > list.bottom + 1).length];
    })()"""
    page.until(lambda: page.run("document.querySelectorAll('#trades tr').length") == 40)
    found = []
    for height in (*range(603, 900, 37), 1100):
        page.cdp("Emulation.setDeviceMetricsOverride", width=1280, height=height, deviceScaleFactor=1, mobile=False)
        found.append(page.run(cut))
    page.run("$('.rows').scrollTo(0, 7)")  # and in the midst of it
    found.append(page.run(cut))
    page.size(360, 740)
    assert page.run(cut) == [12, 0]
    assert all(not halves for _, halves in found) and len({rows for rows, _ in found}) > 5, found


def test_charts_say_what_is_under_the_cursor(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    words = {"depth": r"[\d,]+\.\d USDT: [\d.]+ BTC up to here", "spark": r"[\d,]+\.\d USDT at \d\d:\d\d:\d\d"}
    heading = page.driver.find_element("css selector", "h1")

    def said(name: str) -> str:
        return str(page.text(f".plot:has(#{name}) output"))

    for name, pattern in words.items():
        chart = page.driver.find_element("id", name)
        assert said(name) == ""
        ActionChains(page.driver, duration=0).move_to_element_with_offset(chart, 5, 0).perform()
        assert re.fullmatch(pattern, said(name))
        ActionChains(page.driver, duration=0).move_to_element(heading).perform()
        assert said(name) == ""
    page.run("$('#depth').focus()")
    page.press(HOME)
    assert re.fullmatch(words["depth"], said("depth"))
    # In one turn of the page: between two, the book moves beneath the cursor.
    keys = """["Home", "ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight"].map((key) => {
      $("#depth").dispatchEvent(new KeyboardEvent("keydown", { key }));
      return $(".plot:has(#depth) output").textContent;
    })"""
    first, second, third, back, last, beyond = (float(text.split()[0].replace(",", "")) for text in page.run(keys))
    assert first < second < third < last and (back, beyond) == (second, last)
    page.until(lambda: page.run("$('.plot:has(#depth) output').ariaLive") == "off")  # what the market moves is not read out
    page.press(ESCAPE)
    assert said("depth") == ""


WATCH = """(() => {
  window.contradictions = [];
  window.seen = 0;
  window.marks = "";
  new MutationObserver(() => {
    const [word, notice, gaps] = ["#word", "#notice", "#gaps"].map((css) => $(css).textContent);
    window.marks += ($("#trades").innerText.match(/gap of .*/) || [""])[0];
    const isLive = word === "Live";
    window.seen += 1;
    const contradicts = isLive ? /old|open/ : /No gap|none|Recovered/;
    if (contradicts.test(notice + gaps)) window.contradictions.push([word, notice, gaps]);
  }).observe(document.body, { subtree: true, childList: true, characterData: true });
})()"""
"""Notes each time that the page says one thing in one place and another elsewhere."""


def legible(page: Any) -> bool:
    """Whether all text has the contrast that WCAG 2 wants at its level AA."""
    found = page.run(CONTRAST)
    assert len(found) > 50 and [each for each in found if each[0] < 4.5] == []
    return True


def test_text_of_the_venue_stays_text(page: Any, venues: Venues) -> None:
    side = "<img src=x onerror=alert(1)>"
    trade = {"T": 1_700_000_000_000, "s": "BTCUSDT", "S": side, "v": "1", "p": "2", "L": "PlusTick", "i": "x", "BT": False}
    venues.market.send_frame({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1, "data": [trade]})
    page.until(lambda: side in page.text("#trades"))
    assert page.run("document.images.length") == 0


def test_a_dropped_connection_is_shown_and_its_recovery(page: Any, venues: Venues, served: Served) -> None:
    connections = venues.market.connection_count
    assert re.fullmatch(r"No gap since \S+", page.text("#notice")) and page.text("#gaps").startswith("none since")
    page.run(WATCH)
    venues.market.refuse_connections()
    try:
        venues.market.drop_connections()
        page.until(lambda: page.text("#word") == "Reconnecting")
        page.until(lambda: re.fullmatch(r"\d\.\d s old", page.text("#age")))
        assert "Prices are old, and trades since" in page.text("#notice") and page.text("#gaps").startswith("open since")
        assert page.run("document.body.classList.contains('old')") and served.get("/health").status_code == 503
        page.screenshot("flask-dropped")
        assert legible(page)
        page.size(360, 740)
        assert page.run("$('#notice').getBoundingClientRect().bottom") <= 740
        assert page.run("document.documentElement.scrollWidth") == 360
        page.screenshot("flask-phone-dropped")
    finally:
        venues.market.accept_connections()
    page.until(lambda: page.text("#word") == "Live")
    notice = page.until(lambda: re.search(r"^Recovered at \S+ after a gap of (\d\.\d) s", page.text("#notice")))
    assert 0 < float(notice[1]) < 10
    assert notice[1] in page.text("#gaps") and page.text("#reconnects") == "1"
    # Between the trades, until newer ones leave no room for it.
    assert f"gap of {notice[1]} s: trades may be missing" in page.run("window.marks")
    assert venues.market.connection_count == connections + 1
    assert page.run("window.seen") > 2 and page.run("window.contradictions") == []
    page.screenshot("flask-recovered")


def test_a_server_that_crashes_and_comes_back(page: Any, venues: Venues, served: Served) -> None:
    connections = venues.market.connection_count
    worker = int(re.findall(r"Booting worker with pid: (\d+)", served.written)[-1])
    os.kill(worker, signal.SIGKILL)  # gunicorn starts another one
    page.until(lambda: page.text("#word") == "Server not reached")
    page.until(lambda: page.text("#word") == "Live")  # the page came back by itself
    assert venues.market.connection_count == connections + 1
    assert venues.market.wait_until(lambda: venues.market.connections == 1)


def test_a_phone_and_the_dark(page: Any) -> None:
    bright = page.run("getComputedStyle(document.body).backgroundColor")
    page.prefer("dark", motion="reduce")
    page.size(360, 740)
    page.until(lambda: page.run("getComputedStyle(document.body).backgroundColor") != bright)
    assert page.run("document.documentElement.scrollWidth") == page.run("innerWidth") == 360
    wide = "[...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > 360.5).map(String)"
    assert page.run(wide) == []
    assert legible(page)
    assert page.run("$('.status').getAnimations({subtree: true}).length") == 0
    page.screenshot("flask-phone")
    page.cdp("Emulation.clearDeviceMetricsOverride")
    page.screenshot("flask-dark")
    page.prefer("light")
    page.until(lambda: page.run("getComputedStyle(document.body).backgroundColor") == bright)
    assert legible(page)


def test_the_button_by_keyboard(page: Any, venues: Venues) -> None:
    def outcome(kind: str) -> str:
        page.until(lambda: page.run("$('#outcome').dataset.kind") == kind)
        return str(page.text("#outcome"))

    def pressed(*keys: str) -> str:
        """Presses the button that has the focus, and others; what became of it."""
        page.press(*keys)
        page.until(lambda: page.run("document.activeElement.ariaDisabled") == "false")
        return str(page.run("$('#outcome').dataset.kind"))

    page.until(lambda: page.text("#task-state") == "off")
    page.run("$('.rows').focus()")
    page.press(TAB)
    assert page.run("document.activeElement.id") == "switch-on"
    assert page.run("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    asked = len(venues.trading.requests)
    page.press(SPACE)
    assert page.run("document.activeElement.id") == "confirm-no"  # nothing is sent by pressing twice
    text = page.text("#confirm")
    assert "Switch the task on?" in text and venues.task in text and "real money" in text and "no more trades" not in text
    described = "$('#confirm').getAttribute('aria-describedby') === 'confirm-text' && $('#confirm').matches(':modal')"
    assert page.run(described)
    page.screenshot("flask-confirm")
    assert legible(page)
    page.press(ESCAPE)
    assert page.run("document.activeElement.id") == "switch-on"
    page.press(SPACE, ENTER)  # Cancel
    assert page.run("document.activeElement.id") == "switch-on" and len(venues.trading.requests) == asked
    page.press(SPACE, TAB, ENTER)
    assert "switched on" in outcome("done") and venues.enabled
    assert page.text("#task-state") == "on" and page.run("document.activeElement.id") == "switch-on"  # it kept the focus
    assert page.run("$('#outcome').getAttribute('aria-live')") == "polite"

    venues.trading.hold_answers()
    page.press(TAB, ENTER)  # switch off
    assert "Switch the task off?" in page.text("#confirm") and "copies no more trades" in page.text("#confirm")
    page.press(TAB, ENTER)
    assert venues.trading.wait_until(lambda: not venues.enabled)
    venues.trading.drop_connections()
    text = outcome("unknown")
    assert "whether it was carried out is not known" in text and "ask for its state first" in text
    assert page.text("#task-state") == "not known"
    page.screenshot("flask-unknown")
    venues.trading.release_answers()
    page.press(TAB)
    page.until(lambda: pressed(ENTER) == "done")  # asks for its state, which may take until there is a connection again
    assert "it is off" in page.text("#outcome") and page.text("#task-state") == "off"

    page.run("$('#switch-on').focus()")
    page.offline(True)  # from here to the dashboard's own server
    page.press(ENTER, TAB, ENTER)
    assert "ask for its state first" in outcome("unknown")
    page.offline(False)

    with venues.trading.client() as client:
        client.delete_follow_orders([venues.task])
    page.press(ENTER, TAB, ENTER)
    text = outcome("refused")
    assert "task not found" in text and "Nothing was changed" in text and "would be refused again" in text
    page.screenshot("flask-refused")

    venues.trading.refuse_connections()
    venues.trading.drop_connections()
    page.until(lambda: pressed(ENTER, TAB, ENTER) == "not sent")  # once it has noticed that the connection is gone
    text = page.text("#outcome")
    assert "nothing was sent" in text and "Try again? Yes." in text
