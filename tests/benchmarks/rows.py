"""What is compared with what, and how far each comparison is meant to reach.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable, Dict, List, Optional, Tuple

from tests.benchmarks.running import Measurement
from tests.benchmarks.server import Plan

FASTER, WITHIN, AT_MOST = "faster", "within", "at most"
"""How a target is meant: peer / ours at least; ours / peer at most; ours at most, whatever the peer has."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One line of the table.

    Attributes:
        figure: which figure of the measurements; ``beside`` is shown with it.
        target: None where the figure is only told.
    """

    label: str
    ours: Measurement
    peer: Measurement
    sense: str = FASTER
    target: Optional[float] = None
    figure: str = "wall_us"
    beside: Optional[str] = "cpu_us"


@dataclasses.dataclass(frozen=True)
class Row:
    """Comparisons whose measurements take turns."""

    title: str
    comparisons: Tuple[Comparison, ...]
    rounds: int


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of everything.

    Attributes:
        rounds: of each row; ``slow_rounds`` of those that take a while, whatever the client's speed; ``imports`` of imports.
        messages: of a flood, for fast clients; a quarter of it for slow ones.
        requests: blocking requests.
        paced: messages of the lag's measurement, 200 a second.
        seconds: how long an idle client is watched.
        deltas: updates of an order book.
        clients: idle clients, for the memory of one; the most in one process is ``crowd``.
    """

    rounds: int
    slow_rounds: int
    imports: int
    messages: int
    requests: int
    paced: int
    seconds: float
    clients: int
    crowd: int
    topics: int
    deltas: int


FULL = Scale(
    rounds=7, slow_rounds=3, imports=25, messages=100_000, requests=5_000, paced=1_000, seconds=10, clients=10, crowd=50,
    topics=2_000, deltas=2_500,
)
QUICK = Scale(
    rounds=3, slow_rounds=1, imports=15, messages=20_000, requests=1_000, paced=300, seconds=2, clients=5, crowd=50,
    topics=2_000, deltas=500,
)
TINY = Scale(
    rounds=1, slow_rounds=1, imports=1, messages=80, requests=40, paced=4, seconds=0.05, clients=1, crowd=3, topics=20,
    deltas=4,
)
"""To see that it works, not how fast."""

DBXSDK = ("websocket", "attrs")
OURS = (*DBXSDK, "msgspec")
JSON = ("orjson",)
STDLIB = {"DBXSDK_JSON": "stdlib"}


def rows(scale: Scale) -> Dict[str, Row]:
    """All rows by the name that the command line takes."""
    fast, slow = Plan(frames=scale.messages), Plan(frames=scale.messages // 4, answers=0)
    peers_plan = dataclasses.replace(fast, answers=0)

    def ours(plan: Plan = fast, scheme: str = "wss", environment: Any = (), **task: Any) -> Measurement:
        needs = DBXSDK if environment else OURS
        return Measurement(needs, _flood("dbxsdk", **task), plan=plan, scheme=scheme, environment=dict(environment))

    def picows(aiofastnet: bool, plan: Plan = peers_plan, scheme: str = "wss", **task: Any) -> Measurement:
        needs = ("picows", *JSON, *(("aiofastnet",) if aiofastnet else ()))
        return Measurement(needs, _flood("picows", aiofastnet=aiofastnet, **task), plan=plan, scheme=scheme)

    def rust(plan: Plan = peers_plan, scheme: str = "wss", **task: Any) -> Measurement:
        return Measurement(("websocket_rs", *JSON), _flood("websocket_rs", **task), plan=plan, scheme=scheme)

    def app(plan: Plan = slow, **task: Any) -> Measurement:
        needs = ("websocket",) if task.get("json") == "stdlib" else ("websocket", *JSON)
        return Measurement(needs, _flood("websocket_app", **task), plan=plan)

    inline, thread, plain = ours(dispatch="inline"), ours(dispatch="thread"), ours(scheme="ws", dispatch="inline")
    standard, fastnet = picows(False), picows(True)
    peers = (
        ("picows, standard loop", standard, 0.85, 0.7),
        ("picows with aiofastnet", fastnet, 0.7, None),
        ("websocket-rs, blocking", rust(), None, None),
        ("aiohttp", Measurement(("aiohttp", *JSON), _flood("aiohttp"), plan=peers_plan), 1.5, None),
        ("WebSocketApp, no UTF-8 check", app(), 5.0, None),
        ("websockets.sync", Measurement(("websockets", *JSON), _flood("websockets"), plan=slow), 10.0, None),
    )
    pybit = Measurement(
        ("pybit",), _flood("pybit", touch="document"), plan=dataclasses.replace(slow, answers=1, pause=0.05)
    )
    ten, ten_peer = dataclasses.replace(fast, per_record=10), dataclasses.replace(peers_plan, per_record=10)
    depth, depth_peer = dataclasses.replace(fast, kind="depth", frames=fast.frames // 2), dataclasses.replace(slow, kind="depth")
    inflated = ours(depth, venue="digifinex", dispatch="inline")
    single = Plan(frames=scale.paced * 5, rate=4_000)
    single_peer = dataclasses.replace(single, answers=0)
    bare = {scheme: _requests("bare", scheme, scale.requests) for scheme in ("ws", "wss")}

    return {
        "inline": Row("wss, one record a frame, publicTrade, raw inline", tuple(
            Comparison(label, inline, peer, target=target) for label, peer, target, _ in peers
        ), scale.rounds),
        "thread": Row("the same, raw on the callbacks thread", tuple(
            Comparison(label, thread, peer, target=target) for label, peer, _, target in peers
        ), scale.rounds),
        "typed": Row("the same, typed on the callbacks thread", (
            Comparison("pybit's dicts", ours(typed=True, touch="update"), pybit, target=15.0),
        ), scale.rounds),
        "read": Row("wss, publicTrade, typed, price and size read, beside picows + orjson + two Decimals", tuple(
            Comparison(
                f"{how}, {count} a record",
                ours(plan, typed=True, touch="update", dispatch=how), picows(False, peer, touch="decimals"), target=target,
            )
            for count, plan, peer in (("one", fast, peers_plan), ("ten", ten, ten_peer))
            for how, target in (("inline", 0.8), ("thread", 0.6))
        ), scale.rounds),
        "records": Row("wss, ten frames a record, raw inline", (
            Comparison("picows, standard loop", ours(ten, dispatch="inline"), picows(False, ten_peer), target=1.0),
        ), scale.rounds),
        "plain": Row("plain ws, raw inline", (
            Comparison("picows, standard loop", plain, picows(False, scheme="ws"), target=1.0),
            Comparison("websocket-rs, blocking", plain, rust(scheme="ws")),
        ), scale.rounds),
        "depth": Row("wss, DigiFinex depth, zlib frames, raw inline", (
            Comparison("WebSocketApp + zlib + json", inflated, app(depth_peer, venue="digifinex", json="stdlib"), target=4.0),
            Comparison("WebSocketApp + zlib + orjson", inflated, app(depth_peer, venue="digifinex")),
        ), scale.rounds),
        "recording": Row("wss, publicTrade, raw inline, with a recorder", (
            Comparison("without", ours(dispatch="inline", recording=True), inline, WITHIN, 1.4),
            Comparison("without, 4,000/s", ours(single, dispatch="inline", recording=True), ours(single, dispatch="inline"),
                       WITHIN, figure="cpu_us", beside=None),
        ), scale.rounds),
        "backfill": Row("wss, publicTrade, typed, nothing read, inline, with backfill while nothing is lost", tuple(
            Comparison("without, " + label, ours(plan, typed=True, dispatch="inline", backfill=True),
                       ours(plan, typed=True, dispatch="inline"), WITHIN)
            for label, plan in (("one a record", fast), ("ten a record", ten))
        ), scale.rounds),
        "stdlib": Row("wss, stdlib json on both sides, raw inline", (
            Comparison("WebSocketApp", ours(dispatch="inline", environment=STDLIB), app(json="stdlib"), target=2.5),
        ), scale.rounds),
        "paced": Row("wss, 4,000 messages/s one at a time, raw inline, processor time a message", tuple(
            Comparison(label, own, peer, figure="cpu_us", beside=None)
            for own in [ours(single, dispatch="inline")]
            for label, peer in (
                ("picows, standard loop", picows(False, single_peer)),
                ("picows with aiofastnet", picows(True, single_peer)),
                ("WebSocketApp, no UTF-8 check", app(single_peer)),
            )
        ), scale.slow_rounds),
        "latency": Row("blocking requests, one thread, median (and p99)", tuple(
            Comparison(
                f"bare send and recv, {scheme}",
                _requests("dbxsdk", scheme, scale.requests),
                bare[scheme],
                WITHIN, 1.25, "p50_us", "p99_us",
            )
            for scheme in bare
        ), scale.rounds),
        "threads": Row("blocking requests, 10 threads on one client, time a request", tuple(
            Comparison(
                f"bare send and recv, {scheme}",
                _requests("dbxsdk", scheme, scale.requests, threads=10),
                bare[scheme],
                FASTER, 1.5,
            )
            for scheme in bare
        ), scale.rounds),
        "lag": _lag(scale),
        "flat": _flat(scale, ours),
        "books": _books(scale),
        "import": _import(scale),
        "idle": _idle(scale),
        "kept": Row("memory of an update of publicTrade that is kept, typed, nothing read", (
            Comparison(
                "picows' dicts",
                Measurement(OURS, {**_flood("dbxsdk", typed=True), "measure": "kept"}, plan=fast),
                Measurement(("picows", *JSON), {**_flood("picows", aiofastnet=False), "measure": "kept"}, plan=peers_plan),
                WITHIN, None, "kept_bytes", None,
            ),
        ), scale.slow_rounds),
    }


def _flood(client: str, **task: Any) -> Dict[str, Any]:
    return {"measure": "flood", "client": client, **task}


def _requests(client: str, scheme: str, requests: int, threads: int = 1) -> Measurement:
    needs = OURS if client == "dbxsdk" else ("websocket",)
    return Measurement(needs, {"measure": f"{client}_requests", "requests": requests, "threads": threads}, scheme=scheme)


def _lag(scale: Scale) -> Row:
    def paced(client: str, answers: int, **task: Any) -> Measurement:
        plan = Plan(frames=scale.paced, rate=200, answers=answers)
        needs = OURS if client == "dbxsdk" else ("websocket", *JSON)
        return Measurement(needs, {"measure": "lag", "client": client, **task}, plan=plan)

    app = paced("websocket_app", 0)
    return Row("wss, 200 messages/s beside a computing thread, lag p99 (and median)", tuple(
        Comparison(f"WebSocketApp; ours {how}", paced("dbxsdk", 1, dispatch=how), app, WITHIN, 1.0, "p99_us", "p50_us")
        for how in ("thread", "inline")
    ), scale.slow_rounds)


def _flat(scale: Scale, ours: Callable[..., Measurement]) -> Row:
    def cost(topics: int = 1, others: int = 0, clients: int = 1) -> Measurement:
        plan = Plan(
            frames=scale.messages // clients,
            topics=topics + others,
            hot=topics,
            members=clients,
        )
        return ours(plan, dispatch="inline", topics=topics, others=others, clients=clients)

    one = cost()
    cases: List[Tuple[str, Measurement]] = [
        *((f"{count:,} topics", cost(topics=count)) for count in (scale.topics // 20, scale.topics)),
        ("100 callbacks on other topics", cost(others=min(100, scale.topics))),
        *((f"{count} clients in one process", cost(clients=count)) for count in (scale.crowd // 5 or 1, scale.crowd)),
    ]
    return Row("wss, raw inline, cost a message against one client with one topic", tuple(
        Comparison(label, measurement, one, WITHIN, 1.2) for label, measurement in cases
    ), scale.rounds)


def _books(scale: Scale) -> Row:
    def cost(client: str, levels: int) -> Measurement:
        task = {"measure": "books", "client": client, "levels": levels, "deltas": scale.deltas}
        return Measurement(("pybit",), task, scheme="ws")

    comparisons: List[Comparison] = []
    for levels, target in ((1, None), (50, 15.0), (500, 50.0), (1000, None)):
        ours, names = cost("ours", levels), f"{levels} level{'s' if levels > 1 else ''}"
        comparisons += [
            Comparison(f"pybit, {names}", ours, cost("pybit", levels), FASTER, target, "cpu_us", None),
            Comparison(f"pybit and its best prices, {names}", ours, cost("pybit_and_best", levels), figure="cpu_us", beside=None),
        ]
    return Row("an order book, processor time an update; ours with the best prices read", tuple(comparisons), scale.slow_rounds)


def _import(scale: Scale) -> Row:
    def importing(statement: str, *needs: str) -> Measurement:
        code = (
            f"import time; begin = time.perf_counter(); {statement}; end = time.perf_counter()\n"
            "import json; print(json.dumps({'wall_us': (end - begin) * 1e6}))"
        )
        return Measurement(needs, code=code)

    websocket = importing("import websocket", "websocket")
    return Row("import time", (
        Comparison("import websocket", importing("import dbxsdk", *DBXSDK), websocket, WITHIN, 1.3, beside=None),
        Comparison(
            "import websocket; ours with BybitPublicClient",
            importing("import dbxsdk; dbxsdk.BybitPublicClient", *DBXSDK), websocket, WITHIN, 1.5, beside=None,
        ),
        Comparison(
            "import websocket; ours with a client made",
            importing("import dbxsdk; dbxsdk.BybitPublicClient('linear')", *DBXSDK), websocket, WITHIN, None, beside=None,
        ),
    ), scale.imports)


def _idle(scale: Scale) -> Row:
    task = {"measure": "idle", "seconds": scale.seconds, "more": scale.clients}
    ours = Measurement(DBXSDK, {**task, "client": "dbxsdk"})
    pybit = Measurement(("pybit",), {**task, "client": "pybit"}, plan=Plan(pause=0.05))
    plain, filling = (
        Measurement(DBXSDK, {**task, "client": "dbxsdk", "typed": True, "backfill": flag}) for flag in (False, True)
    )
    return Row("an idle client, subscribed over wss", (
        Comparison("pybit: wake-ups a second", ours, pybit, AT_MOST, 2.0, "wakeups", None),
        Comparison("pybit: memory of package and first client", ours, pybit, WITHIN, None, "first_kib", None),
        Comparison("pybit: memory of each further client", ours, pybit, WITHIN, None, "further_kib", None),
        Comparison("without backfill: memory of each further client", filling, plain, WITHIN, None, "further_kib", None),
    ), scale.slow_rounds)
